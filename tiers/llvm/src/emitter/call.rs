//! Calls: within the unit, through slots, of imports, through tables, of the runtime; traps and returns.

use inkwell::IntPredicate;
use inkwell::attributes::AttributeLoc;
use inkwell::basic_block::BasicBlock;
use inkwell::types::BasicMetadataTypeEnum;
use inkwell::values::{
    BasicMetadataValueEnum, BasicValueEnum, InstructionValue, IntValue, PointerValue,
};
use upshift_runtime::{Builtin, BuiltinType, TrapCode, offsets};

use super::LlvmEmitter;
use super::build::{Built, Region, flag_attribute};
use super::state::RESULT_CELL;
use crate::guesses::Guess;
use crate::tables::Targets;

/// Bytes of a code slot, of a type id.
const SLOT_SIZE: i32 = 8;
const TYPE_ID_SIZE: i32 = 4;

impl<'ctx> LlvmEmitter<'_, 'ctx> {
    pub(super) fn call_function(
        &mut self,
        function: u32,
        args: &[BasicValueEnum<'ctx>],
        results: &mut Vec<BasicValueEnum<'ctx>>,
    ) {
        let type_index = self.module.functions[function as usize];
        let Some(defined) = self.module.defined_function(function) else {
            self.announce_caller();
            let reference = self.unit.offsets.funcref(function);
            let slot = self.fixed_field(reference + offsets::VMFUNCREF_SLOT);
            let code = self.read_slot(slot, 0);
            let callee = self.fixed_field(reference + offsets::VMFUNCREF_VMCTX);
            return self.call_through(Code::Address(code), callee, type_index, args, results);
        };
        let code = match self.callees.get(defined) {
            Some(function) => Code::InUnit(function),
            None => {
                let slots = self.fixed_field(offsets::VMCONTEXT_SLOTS);
                Code::Address(self.read_slot(slots, SLOT_SIZE * defined.cast_signed()))
            }
        };
        self.call_through(code, self.vmctx, type_index, args, results);
    }

    pub(super) fn call_table(
        &mut self,
        table: u32,
        type_index: u32,
        index: BasicValueEnum<'ctx>,
        args: &[BasicValueEnum<'ctx>],
        results: &mut Vec<BasicValueEnum<'ctx>>,
    ) {
        self.locate();
        match self.known_targets(table, type_index) {
            Some(targets) if targets.are_few() => {
                self.call_one_of(&targets, table, type_index, index, args, results);
            }
            known => {
                let reference = self.table_reference(table, index);
                let guesses = self.probable_targets(table, type_index);
                self.call_guessed(
                    &guesses,
                    known.as_deref(),
                    type_index,
                    reference,
                    args,
                    results,
                );
            }
        }
    }

    /// Calls one of a few functions directly, by the index; what is none of them is left to the checks.
    fn call_one_of(
        &mut self,
        targets: &Targets,
        table: u32,
        type_index: u32,
        index: BasicValueEnum<'ctx>,
        args: &[BasicValueEnum<'ctx>],
        results: &mut Vec<BasicValueEnum<'ctx>>,
    ) {
        let done = self.new_block();
        let other = self.new_block();
        let blocks: Vec<_> = targets.fitting.iter().map(|_| self.new_block()).collect();
        let cases: Vec<_> = targets
            .fitting
            .iter()
            .zip(&blocks)
            .map(|(&(position, _), &block)| {
                let position = self.types.i32.const_int(u64::from(position), false);
                (position, block)
            })
            .collect();
        self.builder
            .build_switch(index.into_int_value(), other, &cases)
            .built();
        let mut ways = Vec::with_capacity(blocks.len() + 1);
        for (&(_, function), &block) in targets.fitting.iter().zip(&blocks) {
            self.builder.position_at_end(block);
            let mut values = Vec::new();
            self.call_function(function, args, &mut values);
            ways.push((self.current_block(), values));
            self.builder.build_unconditional_branch(done).built();
        }
        self.builder.position_at_end(other);
        let mut values = Vec::new();
        let reference = self.table_reference(table, index);
        self.call_reference(Some(targets), type_index, reference, args, &mut values);
        ways.push((self.current_block(), values));
        self.builder.build_unconditional_branch(done).built();
        self.builder.position_at_end(done);
        self.join_results(type_index, &ways, results);
    }

    /// Calls the functions that a reference probably refers to directly, others through the reference.
    ///
    /// A function of this instance is referred to by one address, in the instance's context. A function of
    /// the same module in another instance has another.
    fn call_guessed(
        &mut self,
        guesses: &[Guess],
        known: Option<&Targets>,
        type_index: u32,
        reference: PointerValue<'ctx>,
        args: &[BasicValueEnum<'ctx>],
        results: &mut Vec<BasicValueEnum<'ctx>>,
    ) {
        if guesses.is_empty() {
            return self.call_reference(known, type_index, reference, args, results);
        }
        let done = self.new_block();
        let mut ways = Vec::with_capacity(guesses.len() + 1);
        for guess in guesses {
            let guessed = self.address(self.vmctx, self.unit.offsets.funcref(guess.function));
            let is_right = self
                .builder
                .build_int_compare(IntPredicate::EQ, reference, guessed, "")
                .built();
            let right = self.new_block();
            let wrong = self.new_block();
            let branch = self
                .builder
                .build_conditional_branch(is_right, right, wrong)
                .built();
            self.weigh(branch, guess.hits, guess.misses);
            self.builder.position_at_end(right);
            let mut values = Vec::new();
            self.call_function(guess.function, args, &mut values);
            ways.push((self.current_block(), values));
            self.builder.build_unconditional_branch(done).built();
            self.builder.position_at_end(wrong);
        }
        let mut values = Vec::new();
        self.call_reference(known, type_index, reference, args, &mut values);
        ways.push((self.current_block(), values));
        self.builder.build_unconditional_branch(done).built();
        self.builder.position_at_end(done);
        self.join_results(type_index, &ways, results);
    }

    /// The results of calls that were made on several ways to the current block.
    fn join_results(
        &mut self,
        type_index: u32,
        ways: &[(BasicBlock<'ctx>, Vec<BasicValueEnum<'ctx>>)],
        results: &mut Vec<BasicValueEnum<'ctx>>,
    ) {
        let module = self.module;
        for (position, &ty) in module.types[type_index as usize]
            .results()
            .iter()
            .enumerate()
        {
            let phi = self.builder.build_phi(self.types.of(ty), "").built();
            for (block, values) in ways {
                phi.add_incoming(&[(&values[position], *block)]);
            }
            results.push(phi.as_basic_value());
        }
    }

    /// The reference in a table's element, which may be null.
    fn table_reference(&mut self, table: u32, index: BasicValueEnum<'ctx>) -> PointerValue<'ctx> {
        let element = self.table_element(table, index, TrapCode::UndefinedElement);
        self.read_field(self.types.ptr, element, 0, Region::Table)
            .into_pointer_value()
    }

    /// Calls what a reference from a table refers to, after the checks that are needed.
    fn call_reference(
        &mut self,
        known: Option<&Targets>,
        type_index: u32,
        reference: PointerValue<'ctx>,
        args: &[BasicValueEnum<'ctx>],
        results: &mut Vec<BasicValueEnum<'ctx>>,
    ) {
        let is_null = self.builder.build_is_null(reference, "").built();
        self.trap_if(is_null, TrapCode::UninitializedElement);
        if known.is_none_or(|known| !known.others_are_null) {
            self.check_signature(reference, type_index);
        }
        // A reference's fields never change.
        let slot = self
            .read_fixed(self.types.ptr, reference, offsets::VMFUNCREF_SLOT)
            .into_pointer_value();
        let callee = if known.is_some_and(|known| known.all_defined) {
            self.vmctx
        } else {
            self.announce_caller();
            self.read_fixed(self.types.ptr, reference, offsets::VMFUNCREF_VMCTX)
                .into_pointer_value()
        };
        let code = self.read_slot(slot, 0);
        self.call_through(Code::Address(code), callee, type_index, args, results);
    }

    /// Traps if a reference is to a function of another signature.
    fn check_signature(&mut self, reference: PointerValue<'ctx>, type_index: u32) {
        let actual = self
            .read_fixed(self.types.i32, reference, offsets::VMFUNCREF_TYPE_ID)
            .into_int_value();
        let ids = self.fixed_field(offsets::VMCONTEXT_TYPE_IDS);
        let expected = self
            .read_fixed(self.types.i32, ids, TYPE_ID_SIZE * type_index.cast_signed())
            .into_int_value();
        let differs = self
            .builder
            .build_int_compare(IntPredicate::NE, actual, expected, "")
            .built();
        self.trap_if(differs, TrapCode::IndirectCallTypeMismatch);
    }

    /// Tells a callee that may be a host function who calls.
    fn announce_caller(&mut self) {
        let store = self.fixed_field(offsets::VMCONTEXT_STORE);
        self.write_field(self.vmctx, store, offsets::VMSTORE_CALLER, Region::Context);
    }

    fn call_through(
        &mut self,
        code: Code<'ctx>,
        callee: PointerValue<'ctx>,
        type_index: u32,
        args: &[BasicValueEnum<'ctx>],
        results: &mut Vec<BasicValueEnum<'ctx>>,
    ) {
        let ty = &self.module.types[type_index as usize];
        let mut values: Vec<BasicMetadataValueEnum<'ctx>> = Vec::with_capacity(args.len() + 2);
        values.push(callee.into());
        values.extend(
            args.iter()
                .map(|&arg| BasicMetadataValueEnum::from(self.canonical(arg))),
        );
        let cells = (ty.results().len() > 1).then(|| self.result_cells(ty.results().len()));
        values.extend(cells.map(BasicMetadataValueEnum::from));
        self.locate();
        let call = match code {
            Code::InUnit(function) => self.builder.build_call(function, &values, "").built(),
            Code::Address(address) => {
                let signature = self.types.signature(self.context, ty);
                self.call_code(signature, address, &values)
            }
        };
        match cells {
            None => results.extend(call.try_as_basic_value().basic()),
            Some(cells) => {
                for (i, &ty) in ty.results().iter().enumerate() {
                    let offset = RESULT_CELL * i as i32;
                    let ty = self.types.of(ty);
                    results.push(self.read_field(ty, cells, offset, Region::Cells));
                }
            }
        }
    }

    pub(super) fn call_runtime(
        &mut self,
        builtin: Builtin,
        args: &[BasicValueEnum<'ctx>],
    ) -> Option<BasicValueEnum<'ctx>> {
        self.locate();
        let types = self.types;
        let of = |ty: &BuiltinType| match ty {
            BuiltinType::I32 => BasicMetadataTypeEnum::from(types.i32),
            BuiltinType::I64 => types.i64.into(),
            BuiltinType::Pointer => types.ptr.into(),
        };
        let mut params: Vec<BasicMetadataTypeEnum<'ctx>> = vec![types.ptr.into()];
        params.extend(builtin.params().iter().map(of));
        let signature = match builtin.result() {
            None => self.context.void_type().fn_type(&params, false),
            Some(BuiltinType::I32) => types.i32.fn_type(&params, false),
            Some(BuiltinType::I64) => types.i64.fn_type(&params, false),
            Some(BuiltinType::Pointer) => types.ptr.fn_type(&params, false),
        };
        // Read where it is used: calls of the runtime are rare, traps are never reached.
        let table = self
            .read_fixed(types.ptr, self.vmctx, offsets::VMCONTEXT_BUILTINS)
            .into_pointer_value();
        let code = self
            .read_fixed(types.ptr, table, builtin.offset())
            .into_pointer_value();
        let mut values: Vec<BasicMetadataValueEnum<'ctx>> = vec![self.vmctx.into()];
        values.extend(args.iter().map(|&arg| BasicMetadataValueEnum::from(arg)));
        let call = self.call_code(signature, code, &values);
        if builtin == Builtin::Trap {
            // One call would do for all traps of a kind; each keeps its own place in backtraces.
            for attribute in ["noreturn", "cold", "nomerge"] {
                let attribute = flag_attribute(self.context, attribute);
                call.add_attribute(AttributeLoc::Function, attribute);
            }
        }
        call.try_as_basic_value().basic()
    }

    // Traps.

    /// Ends the current block with a trap.
    pub(super) fn emit_trap(&mut self, code: TrapCode) {
        let code = self.const_i32(i32::from(code as u8));
        self.call_runtime(Builtin::Trap, &[code.into()]);
        self.builder.build_unreachable().built();
    }

    /// Ends the current block: to the first block of the result if the condition holds, which is hardly
    /// ever the case, to the second otherwise.
    pub(super) fn unlikely_branch(
        &mut self,
        condition: IntValue<'ctx>,
    ) -> (BasicBlock<'ctx>, BasicBlock<'ctx>) {
        let unlikely = self.new_block();
        let likely = self.new_block();
        let branch = self
            .builder
            .build_conditional_branch(condition, unlikely, likely)
            .built();
        self.weigh(branch, 1, 2000);
        (unlikely, likely)
    }

    /// States how often a branch goes which way.
    fn weigh(&self, branch: InstructionValue<'ctx>, first: u32, second: u32) {
        let weight = |of: u32| self.types.i32.const_int(u64::from(of), false).into();
        let weights = self.context.metadata_node(&[
            self.context.metadata_string("branch_weights").into(),
            weight(first),
            weight(second),
        ]);
        branch
            .set_metadata(weights, self.context.get_kind_id("prof"))
            .expect("branches take weights");
    }

    /// Traps if the condition holds, and goes on in a new block otherwise.
    pub(super) fn trap_if(&mut self, condition: IntValue<'ctx>, code: TrapCode) {
        let (trap, go_on) = self.unlikely_branch(condition);
        self.builder.position_at_end(trap);
        self.emit_trap(code);
        self.builder.position_at_end(go_on);
    }

    // Returns.

    pub(super) fn return_from_function(&mut self, values: &[BasicValueEnum<'ctx>]) {
        match (self.results, values) {
            (Some(cells), values) => {
                for (i, &value) in values.iter().enumerate() {
                    let value = self.canonical(value);
                    self.write_field(value, cells, RESULT_CELL * i as i32, Region::Cells);
                }
                self.builder.build_return(None).built();
            }
            (None, &[value]) => {
                let value = self.canonical(value);
                self.builder.build_return(Some(&value)).built();
            }
            (None, _) => {
                self.builder.build_return(None).built();
            }
        }
    }
}

/// What a call enters.
enum Code<'ctx> {
    /// A function of the same LLVM module.
    InUnit(inkwell::values::FunctionValue<'ctx>),
    /// Code at an address that was read.
    Address(PointerValue<'ctx>),
}
