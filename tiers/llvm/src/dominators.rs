//! Which blocks of a function are reached only through which: the dominator tree, by the algorithm of Cooper,
//! Harvey and Kennedy ("A Simple, Fast Dominance Algorithm", 2001). LLVM's own is not part of its C interface.

use std::collections::HashMap;

use inkwell::basic_block::BasicBlock;
use inkwell::llvm_sys::core::{LLVMGetNumSuccessors, LLVMGetSuccessor};
use inkwell::values::{AsValueRef, FunctionValue};

/// The blocks of a function that can be reached, in reverse postorder, and who dominates whom.
pub(crate) struct Dominators<'ctx> {
    /// In reverse postorder: a block comes after all blocks that dominate it.
    pub blocks: Vec<BasicBlock<'ctx>>,
    /// The place in `blocks` of each block's nearest dominator; the first block is its own.
    nearest: Vec<usize>,
}

impl<'ctx> Dominators<'ctx> {
    pub fn new(function: FunctionValue<'ctx>) -> Self {
        let Some(entry) = function.get_first_basic_block() else {
            return Self {
                blocks: Vec::new(),
                nearest: Vec::new(),
            };
        };
        let blocks = reverse_postorder(entry);
        let places: HashMap<_, _> = (0..).zip(&blocks).map(|(i, &block)| (block, i)).collect();
        let mut predecessors = vec![Vec::new(); blocks.len()];
        for (place, &block) in blocks.iter().enumerate() {
            for successor in successors(block) {
                predecessors[places[&successor]].push(place);
            }
        }
        const UNKNOWN: usize = usize::MAX;
        let mut nearest = vec![UNKNOWN; blocks.len()];
        nearest[0] = 0;
        let mut changed = true;
        while changed {
            changed = false;
            for place in 1..blocks.len() {
                let known = predecessors[place]
                    .iter()
                    .copied()
                    .filter(|&predecessor| nearest[predecessor] != UNKNOWN);
                let common = known.reduce(|a, b| common(&nearest, a, b));
                let common = common.unwrap_or(UNKNOWN);
                changed |= nearest[place] != common;
                nearest[place] = common;
            }
        }
        Self { blocks, nearest }
    }

    /// Whether each way to the block at place `of` goes through the one at place `by`; also when they are the
    /// same.
    pub fn dominates(&self, by: usize, mut of: usize) -> bool {
        while of > by {
            of = self.nearest[of];
        }
        of == by
    }
}

fn common(nearest: &[usize], mut a: usize, mut b: usize) -> usize {
    while a != b {
        if a > b {
            a = nearest[a];
        } else {
            b = nearest[b];
        }
    }
    a
}

fn reverse_postorder(entry: BasicBlock<'_>) -> Vec<BasicBlock<'_>> {
    let mut order = Vec::new();
    let mut seen = std::collections::HashSet::from([entry]);
    let mut path = vec![(entry, successors(entry))];
    while let Some((block, rest)) = path.last_mut() {
        match rest.pop() {
            Some(next) if seen.insert(next) => {
                let rest = successors(next);
                path.push((next, rest));
            }
            Some(_) => {}
            None => {
                order.push(*block);
                path.pop();
            }
        }
    }
    order.reverse();
    order
}

/// Where a block goes, in the order of its terminator.
pub(crate) fn successors(block: BasicBlock<'_>) -> Vec<BasicBlock<'_>> {
    let Some(last) = block.get_terminator() else {
        return Vec::new();
    };
    let last = last.as_value_ref();
    // SAFETY: a terminator that is alive; each index is below the number of its successors, which are blocks.
    unsafe {
        (0..LLVMGetNumSuccessors(last))
            .filter_map(|index| BasicBlock::new(LLVMGetSuccessor(last, index)))
            .collect()
    }
}
