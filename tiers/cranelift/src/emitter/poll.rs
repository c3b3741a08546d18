//! Where work is counted, and the cold path of a budget that is used up at a loop header, where a frame may
//! move into better code. The check at the function's entry is in `arch`.
//!
//! The first round of a loop is part of the work of the site around it, and goes past the loop's own
//! check, where that can be: a function whose body is a loop pays once per call, not twice.

use cranelift_codegen::cursor::Cursor;
use cranelift_codegen::ir::condcodes::IntCC;
use cranelift_codegen::ir::immediates::Imm64;
use cranelift_codegen::ir::types::{I32, I64};
use cranelift_codegen::ir::{Block, BlockArg, Inst, InstBuilder, InstructionData, Value};
use upshift_module::{LoopIndex, ValType};
use upshift_runtime::{Builtin, offsets};
use upshift_translate::WorkSite;

use super::homes::Resident;
use super::state::{ClifEmitter, clif_type, result_offset};

/// A place that takes work from the budget.
pub(super) struct Site {
    /// The constant that a loop adds to the budget; the entry has none.
    constant: Option<Inst>,
    /// The site around.
    around: Option<WorkSite>,
    /// Whether the first round is part of the work of the site around.
    first_round_is_free: bool,
    /// Work of the first rounds of loops inside.
    first_rounds: u32,
}

impl ClifEmitter<'_> {
    pub(super) fn count_at_entry(&mut self) -> WorkSite {
        if self.counts {
            self.open_site(None, false)
        } else {
            WorkSite::NOT_COUNTED
        }
    }

    pub(super) fn count_at_loop(
        &mut self,
        loop_number: LoopIndex,
        operands: &[Value],
        types: &[ValType],
    ) -> WorkSite {
        if !self.counts {
            return WorkSite::NOT_COUNTED;
        }
        let go_on = self.cursor.func.dfg.make_block();
        let first_round_is_free = !self.options.poll_first_rounds && self.go_past_header(go_on);
        let (exhausted, constant) = self.take_work();
        let site = self.open_site(Some(constant), first_round_is_free);
        let cold = self.cursor.func.dfg.make_block();
        self.cursor.ins().brif(exhausted, cold, [], go_on, []);
        self.note_branch(cold);
        self.note_branch(go_on);
        self.seal_block(cold);

        self.start_block(cold);
        if !first_round_is_free || self.as_values() {
            // In cells, the check is otherwise behind the loop, and a round ends in one jump, back past the check,
            // only if rare code comes next.
            self.cursor.func.layout.set_cold(cold);
        }
        let types = types.iter().copied();
        self.layout.reserve_operands(types.clone());
        for (offset, &value) in self.layout.operand_offsets(types).zip(operands) {
            self.store_cell(offset, value);
        }
        if self.as_values() {
            for i in 0..self.scratch.loop_locals.at(loop_number).len() {
                let local = self.scratch.loop_locals.at(loop_number)[i];
                let value = self.read_local(local);
                self.store_cell(self.layout.local_offset(local), value);
            }
        }
        self.put_budget_back();
        let function = self.iconst(I32, self.function.as_u32().into());
        let number = self.iconst(I32, loop_number.as_u32().into());
        let cells = self.frame_address();
        let entry = if self.as_values() {
            let result = self.result_cells(1);
            let args = [function, number, cells, result];
            self.call_runtime(Builtin::BudgetAtMiddleLoop, &args);
            self.take_budget();
            Some(self.load_at(I64, self.flags.own, result, 0))
        } else {
            self.call_runtime(Builtin::BudgetAtLoop, &[function, number, cells])
        };
        if let Some(entry) = entry {
            let exit = self.osr_exit_block();
            let args = [BlockArg::Value(entry)];
            self.cursor.ins().brif(entry, exit, &args, go_on, []);
            self.note_branch(exit);
            self.note_branch(go_on);
        }
        self.seal_block(go_on);

        self.start_block(go_on);
        site
    }

    /// Lets the jump that has just been made to the current block, a loop's header, go to `past` instead.
    /// Says whether it could: a header with parameters is the only place that has them.
    fn go_past_header(&mut self, past: Block) -> bool {
        let Some(header) = self.cursor.current_block() else {
            return false;
        };
        let layout = &self.cursor.func.layout;
        let before = layout.prev_block(header);
        let Some(jump) = before.and_then(|block| layout.last_inst(block)) else {
            return false;
        };
        let dfg = &mut self.cursor.func.dfg;
        let InstructionData::Jump { destination, .. } = &mut dfg.insts[jump] else {
            return false;
        };
        if destination.block(&dfg.value_lists) != header || destination.len(&dfg.value_lists) != 0 {
            return false;
        }
        destination.set_block(past, &mut dfg.value_lists);
        if self.as_values() {
            self.scratch.values_of_locals.redirect(jump, header, past);
        }
        true
    }

    /// Takes work from the function's budget. The value is true when it is used up; the instruction is
    /// the constant that says how much.
    fn take_work(&mut self) -> (Value, Inst) {
        let before = if self.holds_budget() {
            self.read_local(self.budget_variable())
        } else {
            self.load_budget()
        };
        let work = self.iconst(I32, 0);
        let constant = self.cursor.func.dfg.value_def(work).unwrap_inst();
        // Adding need not destroy its operand.
        let left = self.cursor.ins().iadd(before, work);
        if self.holds_budget() {
            self.write_local(self.budget_variable(), left);
        } else {
            self.store_budget(left);
        }
        let zero = self.iconst(I32, 0);
        let ins = self.cursor.ins();
        (ins.icmp(IntCC::SignedLessThan, left, zero), constant)
    }

    fn load_budget(&mut self) -> Value {
        let budget = self.unit.offsets.budget(self.function);
        let context = self.context();
        self.load_at(I32, self.flags.own, context, budget)
    }

    fn store_budget(&mut self, value: Value) {
        let budget = self.unit.offsets.budget(self.function);
        let context = self.context();
        self.store_at(self.flags.own, value, context, budget);
    }

    /// Whether the budget is a value between calls: one instruction a loop instead of a load and a store that
    /// the next round's has to wait for, half of the time that small loops take.
    fn holds_budget(&self) -> bool {
        self.as_values() && self.counts && self.scratch.loop_locals.loops() > 0
    }

    /// Has the budget as a value from here on, where that is done.
    pub(super) fn take_budget(&mut self) {
        if self.holds_budget() {
            let value = self.load_budget();
            self.write_local(self.budget_variable(), value);
        }
    }

    /// Puts the budget where others see it, where it is a value.
    pub(super) fn put_budget_back(&mut self) {
        if self.holds_budget() {
            let value = self.read_local(self.budget_variable());
            self.store_budget(value);
        }
    }

    fn open_site(&mut self, constant: Option<Inst>, first_round_is_free: bool) -> WorkSite {
        let site = self.scratch.work_sites.next_key();
        self.scratch.work_sites.push(Site {
            constant,
            around: self.open_site.replace(site),
            first_round_is_free,
            first_rounds: 0,
        });
        site
    }

    /// States how much work a site takes, at the end of the counted code.
    pub(super) fn set_counted_work(&mut self, site: WorkSite, operators: u32) {
        let sites = &mut self.scratch.work_sites;
        let Some(closed) = sites.get(site) else {
            return;
        };
        // More than a budget holds need not be counted.
        let work = operators.saturating_add(closed.first_rounds);
        let work = work.min(i32::MAX.cast_unsigned());
        let (constant, around) = (closed.constant, closed.around);
        if closed.first_round_is_free
            && let Some(around) = around.and_then(|site| sites.get_mut(site))
        {
            around.first_rounds = around.first_rounds.saturating_add(work);
        }
        self.open_site = around;
        let Some(constant) = constant else {
            self.entry_work = Some(work.cast_signed());
            return;
        };
        let left = Imm64::new(i64::from((-work.cast_signed()).cast_unsigned()));
        if let InstructionData::UnaryImm { imm, .. } = &mut self.cursor.func.dfg.insts[constant] {
            *imm = left;
        }
    }

    /// The block that calls the OSR entry it is given and returns its results. All loops of the
    /// function share it.
    fn osr_exit_block(&mut self) -> Block {
        if let Some(block) = self.osr_exit {
            return block;
        }
        let block = self.cursor.func.dfg.make_block();
        self.cursor.func.dfg.append_block_param(block, I64);
        self.osr_exit = Some(block);
        block
    }

    /// Fills the block that [`Self::osr_exit_block`] promised. The runtime has lowered the stack's limit by the entry's
    /// frame.
    pub(super) fn emit_osr_exit(&mut self) {
        let Some(block) = self.osr_exit else { return };
        self.seal_block(block);
        self.start_block(block);
        self.cursor.func.layout.set_cold(block);
        let entry = self.cursor.func.dfg.block_params(block)[0];
        let signature = self.signature_of_osr();
        let context = self.context();
        let cells = self.frame_address();
        let types = self.ty.results();
        let results = match self.entry_results {
            Some(_) => self.resident(Resident::Results),
            None => self.result_cells(types.len()),
        };
        let store = self.load_at(I64, self.flags.fixed, context, offsets::VMCONTEXT_STORE);
        let before = offsets::VMSTORE_LIMIT_BEFORE_MOVE;
        let limit = self.load_at(I64, self.flags.own, store, before);
        self.cursor
            .ins()
            .call_indirect(signature, entry, &[context, cells, results]);
        self.store_at(self.flags.own, limit, store, offsets::VMSTORE_STACK_LIMIT);
        match (self.entry_results, types) {
            (None, &[ty]) => {
                let results = self.result_cells(1);
                let flags = self.flags.own;
                let value = self.load_at(clif_type(ty), flags, results, result_offset(0));
                self.cursor.ins().return_(&[value]);
            }
            _ => {
                self.cursor.ins().return_(&[]);
            }
        }
    }
}
