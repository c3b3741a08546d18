//! Where work is counted, and what happens when a budget is used up: at the function's entry, and at loop
//! headers, where a frame may move into better code.

use cranelift_codegen::ir::condcodes::IntCC;
use cranelift_codegen::ir::immediates::Imm64;
use cranelift_codegen::ir::types::{I32, I64};
use cranelift_codegen::ir::{BlockArg, InstBuilder, InstructionData, Value};
use upshift_module::ValType;
use upshift_runtime::Builtin;
use upshift_translate::WorkSite;

use super::homes::Resident;
use super::state::{BaselineEmitter, clif_type, result_offset};

/// What a poll returns where no work is counted.
const NOT_COUNTED: WorkSite = WorkSite(u32::MAX);

impl BaselineEmitter<'_> {
    /// Takes work from the function's budget. The value is true when it is used up.
    fn take_work(&mut self) -> (Value, WorkSite) {
        let budget = self.unit.offsets.budget(self.function);
        let flags = self.flags.own;
        let context = self.context();
        let before = self.load_at(I32, flags, context, budget);
        let work = self.iconst(I32, 0);
        let constant = self.cursor.func.dfg.value_def(work).unwrap_inst();
        let site = WorkSite(self.scratch.work_sites.len() as u32);
        self.scratch.work_sites.push(constant);
        // Adding need not destroy its operand.
        let left = self.cursor.ins().iadd(before, work);
        self.store_at(flags, left, context, budget);
        let zero = self.iconst(I32, 0);
        (
            self.cursor.ins().icmp(IntCC::SignedLessThan, left, zero),
            site,
        )
    }

    pub(super) fn count_at_entry(&mut self) -> WorkSite {
        if !self.counts {
            return NOT_COUNTED;
        }
        let (exhausted, site) = self.take_work();
        let cold = self.cursor.func.dfg.make_block();
        let go_on = self.cursor.func.dfg.make_block();
        self.cursor.ins().brif(exhausted, cold, [], go_on, []);

        self.start_block(cold);
        self.cursor.func.layout.set_cold(cold);
        let function = self.iconst(I32, i64::from(self.function));
        self.call_runtime(Builtin::BudgetAtEntry, &[function]);
        self.cursor.ins().jump(go_on, []);

        self.start_block(go_on);
        site
    }

    pub(super) fn count_at_loop(
        &mut self,
        loop_number: u32,
        operands: &[(Value, ValType)],
    ) -> WorkSite {
        if !self.counts {
            return NOT_COUNTED;
        }
        let (exhausted, site) = self.take_work();
        let cold = self.cursor.func.dfg.make_block();
        let go_on = self.cursor.func.dfg.make_block();
        self.cursor.ins().brif(exhausted, cold, [], go_on, []);

        self.start_block(cold);
        self.cursor.func.layout.set_cold(cold);
        let types = operands.iter().map(|&(_, ty)| ty);
        self.layout.reserve_operands(types.clone());
        for (offset, &(value, _)) in self.layout.operand_offsets(types).zip(operands) {
            self.store_cell(offset, value);
        }
        let function = self.iconst(I32, i64::from(self.function));
        let number = self.iconst(I32, i64::from(loop_number));
        let cells = self.frame_address();
        let args = [function, number, cells];
        if let Some(entry) = self.call_runtime(Builtin::BudgetAtLoop, &args) {
            let exit = self.osr_exit_block();
            self.cursor
                .ins()
                .brif(entry, exit, &[BlockArg::Value(entry)], go_on, []);
        }

        self.start_block(go_on);
        site
    }

    pub(super) fn set_counted_work(&mut self, site: WorkSite, operators: u32) {
        let Some(&constant) = self.scratch.work_sites.get(site.0 as usize) else {
            return;
        };
        // A body has fewer operators than 2^31, and more than a budget holds need not be counted.
        let work = operators.min(i32::MAX as u32).cast_signed();
        let imm = Imm64::new(i64::from((-work).cast_unsigned()));
        if let InstructionData::UnaryImm { imm: constant, .. } =
            &mut self.cursor.func.dfg.insts[constant]
        {
            *constant = imm;
        }
    }

    /// The block that calls the OSR entry it is given and returns what that returned. All loops of the
    /// function share it.
    fn osr_exit_block(&mut self) -> cranelift_codegen::ir::Block {
        if let Some(block) = self.osr_exit {
            return block;
        }
        let block = self.cursor.func.dfg.make_block();
        self.cursor.func.dfg.append_block_param(block, I64);
        self.osr_exit = Some(block);
        block
    }

    /// Fills the block that [`Self::osr_exit_block`] promised.
    pub(super) fn emit_osr_exit(&mut self) {
        let Some(block) = self.osr_exit else { return };
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
        self.cursor
            .ins()
            .call_indirect(signature, entry, &[context, cells, results]);
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
