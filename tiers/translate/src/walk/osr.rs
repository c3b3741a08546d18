//! Entries at a loop header: the copies of the body that make one, and the header blocks they share.
//! See "On-stack replacement" in the architecture page for why there are several copies.
//!
//! ```text
//! prologue -> loader -> H0   copy 0: all of the body; code before H0 is dead
//!                       H1   copy 1: entered where copy 0 branches back to the enclosing loop
//!                       ..   one copy for each loop around the first, inside out
//! ```

use upshift_module::{LocalIndex, LoopIndex, PrimaryMap, ValType};

use super::body::Body;
use super::control::LoopRole;
use super::{Step, TranslateProblem, Walk};
use crate::{Emitter, FrameLayout};

/// An entry at a loop, while it is being translated.
pub(super) struct Osr<B> {
    /// The loop to enter and, when there is a copy for each, the loops around it.
    chain: Vec<LoopIndex>,
    /// The header block of each loop of the chain, once something branches to it.
    headers: Vec<Option<B>>,
    /// Which loop of the chain the current copy is for.
    copy: usize,
    /// Where the operands of the frame that is taken over are read, until it is emitted.
    loader: Option<B>,
    layout: FrameLayout,
}

impl<B: Copy> Osr<B> {
    pub fn new(
        body: &Body<'_>,
        locals: &PrimaryMap<LocalIndex, ValType>,
        number: LoopIndex,
        max_chain_bytes: usize,
    ) -> Step<Self> {
        let mut chain = body.enclosing_loops(number)?;
        if body.size_in_bytes().saturating_mul(chain.len()) > max_chain_bytes {
            chain.truncate(1);
        }
        let headers = vec![None; chain.len()];
        Ok(Self {
            chain,
            headers,
            copy: 0,
            loader: None,
            layout: FrameLayout::new(locals.values().copied()),
        })
    }

    /// The role of the loop of this number in the current copy.
    pub fn role(&self, number: LoopIndex) -> LoopRole {
        match self.chain.iter().position(|&of_chain| of_chain == number) {
            Some(link) if link == self.copy => LoopRole::Entered { link },
            Some(link) if link > self.copy => LoopRole::Enclosing { link },
            _ => LoopRole::Plain,
        }
    }
}

impl<'a, E: Emitter> Walk<'a, E> {
    /// Translates an entry at loop `number`. The current block is that behind the emitter's prologue.
    pub(super) fn osr_entry(&mut self, body: &Body<'a>, number: LoopIndex) -> Step {
        self.set_offset(body.operators()?.original_position());
        // The types of the operands are known when the walk is at the loop, so they are loaded there.
        let loader = self.emitter.create_block(0, &[]);
        self.emitter.jump(loader, &[]);
        self.emitter.seal(loader);
        let Some(osr) = &mut self.osr else {
            return Ok(());
        };
        osr.loader = Some(loader);
        let copies = osr.chain.len();
        for copy in 0..copies {
            let Some(osr) = &mut self.osr else { break };
            osr.copy = copy;
            if copy > 0 && osr.headers[copy].is_none() {
                // Nothing goes back to this loop; something may to one further out.
                continue;
            }
            let dead_entry = self.emitter.create_block(0, &[]);
            self.emitter.seal(dead_entry);
            self.switch_to(dead_entry);
            self.operators(body)?;
        }
        let Some(osr) = &self.osr else { return Ok(()) };
        if osr.loader.is_some() {
            return Err(self.error(TranslateProblem::NoSuchLoop(number)));
        }
        for &header in osr.headers.iter().flatten() {
            self.emitter.seal(header);
        }
        Ok(())
    }

    /// The header block of a loop of the chain, whose parameters are all operands below its label and the
    /// label's own.
    pub(super) fn shared_header(
        &mut self,
        link: usize,
        height: usize,
        params: &[ValType],
    ) -> Option<E::Block> {
        if let Some(header) = self.osr.as_ref()?.headers[link] {
            return Some(header);
        }
        let header = self.join_block(height, params);
        self.osr.as_mut()?.headers[link] = Some(header);
        Some(header)
    }

    /// Ends the current, dead block in front of the loop that is entered, and goes on in its header.
    pub(super) fn enter_shared_header(&mut self, header: E::Block) -> Step {
        self.pass(self.values.len())?;
        self.emitter.jump(header, &self.values);
        let Some(osr) = &mut self.osr else {
            return Ok(());
        };
        if let Some(loader) = osr.loader.take() {
            self.values.clear();
            self.emitter.switch_to(loader, &mut self.values);
            let offsets = osr.layout.operand_offsets(self.types.iter().copied());
            for (offset, &ty) in offsets.zip(&self.types) {
                self.values.push(self.emitter.osr_operand(offset, ty));
            }
            self.emitter.jump(header, &self.values);
        }
        Ok(())
    }
}
