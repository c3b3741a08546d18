//! Calls through tables: directly where the targets are known or guessed, by the element's reference otherwise, with the
//! checks that are needed.

use inkwell::IntPredicate;
use inkwell::basic_block::BasicBlock;
use inkwell::values::{BasicValueEnum, PointerValue};
use upshift_module::{TableIndex, TypeIndex};
use upshift_runtime::{TrapCode, offsets};

use super::LlvmEmitter;
use super::build::{Built, Region};
use super::call::Code;
use crate::guesses::Guess;
use crate::tables::{DirectTarget, Targets};

/// Bytes of a type id.
const TYPE_ID_SIZE: i32 = 4;

impl<'ctx> LlvmEmitter<'_, 'ctx> {
    pub(super) fn call_table(
        &mut self,
        table: TableIndex,
        type_index: TypeIndex,
        index: BasicValueEnum<'ctx>,
        args: &[BasicValueEnum<'ctx>],
        results: &mut Vec<BasicValueEnum<'ctx>>,
    ) {
        self.locate();
        let known = self.known_targets(table, type_index);
        let guesses = self.probable_targets(table, type_index);
        match known {
            // Samples say more than the possible targets.
            Some(targets)
                if guesses.is_empty() || !targets.direct(&guesses, self.options).is_empty() =>
            {
                let direct = targets.direct(&guesses, self.options);
                self.call_known(&targets, direct, (table, type_index), index, args, results);
            }
            known => {
                let reference = self.table_reference(table, index);
                let known = known.filter(|known| !known.may_change);
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

    /// Calls through a table whose elements are known, as far as they are unchanged: some directly, by the
    /// index, others without the checks that are known to succeed.
    fn call_known(
        &mut self,
        targets: &Targets,
        direct: &[DirectTarget],
        (table, type_index): (TableIndex, TypeIndex),
        index: BasicValueEnum<'ctx>,
        args: &[BasicValueEnum<'ctx>],
        results: &mut Vec<BasicValueEnum<'ctx>>,
    ) {
        let changed = targets.may_change.then(|| self.new_block());
        if let Some(changed) = changed {
            self.branch_if_changed(table, index, changed);
        }
        let mut ways = Vec::with_capacity(direct.len() + 1);
        if !direct.is_empty() {
            self.call_by_index(direct, index, args, &mut ways);
        }
        let element = match changed {
            Some(_) => self.element_within(table, index),
            None => self.table_element(table, index, TrapCode::UndefinedElement),
        };
        let reference = self.read_element(element);
        let mut callee = self.callee_of(Some(targets), type_index, reference);
        if let Some(changed) = changed {
            let here = self.current_block();
            let call = self.new_block();
            self.builder.build_unconditional_branch(call).built();
            self.builder.position_at_end(changed);
            let reference = self.table_reference(table, index);
            let other = self.callee_of(None, type_index, reference);
            let from = self.current_block();
            self.builder.build_unconditional_branch(call).built();
            self.builder.position_at_end(call);
            let slot = self.either((callee.slot, here), (other.slot, from));
            let context = self.either((callee.context, here), (other.context, from));
            callee = Callee { slot, context };
        }
        let mut values = Vec::new();
        self.call_callee(callee, type_index, args, &mut values);
        if ways.is_empty() {
            results.append(&mut values);
            return;
        }
        let done = self.new_block();
        ways.push((self.current_block(), values));
        for &(block, _) in &ways {
            self.builder.position_at_end(block);
            self.builder.build_unconditional_branch(done).built();
        }
        self.builder.position_at_end(done);
        self.join_results(type_index, &ways, results);
    }

    /// Calls some functions by the index of a table's element. Leaves open where those ways end, and goes on where the
    /// index is none of them.
    fn call_by_index(
        &mut self,
        functions: &[DirectTarget],
        index: BasicValueEnum<'ctx>,
        args: &[BasicValueEnum<'ctx>],
        ways: &mut Vec<(BasicBlock<'ctx>, Vec<BasicValueEnum<'ctx>>)>,
    ) {
        let other = self.new_block();
        let cases: Vec<_> = functions
            .iter()
            .map(|target| {
                let position = u64::from(target.position);
                let position = self.types.i32.const_int(position, false);
                (position, self.new_block())
            })
            .collect();
        self.builder
            .build_switch(index.into_int_value(), other, &cases)
            .built();
        for (target, &(_, block)) in functions.iter().zip(&cases) {
            self.builder.position_at_end(block);
            let mut values = Vec::new();
            self.call_function(target.function, args, &mut values);
            ways.push((self.current_block(), values));
        }
        self.builder.position_at_end(other);
    }

    /// Goes to a block if an element of a table may have changed since instantiation, and on otherwise.
    fn branch_if_changed(
        &mut self,
        table: TableIndex,
        index: BasicValueEnum<'ctx>,
        changed: BasicBlock<'ctx>,
    ) {
        let unchanged = self.unchanged_elements(table);
        let index = self.zext64(index.into_int_value());
        let may_differ = self
            .builder
            .build_int_compare(IntPredicate::UGE, index, unchanged, "")
            .built();
        let same = self.new_block();
        let branch = self
            .builder
            .build_conditional_branch(may_differ, changed, same)
            .built();
        self.weigh(branch, 1, 2000);
        self.builder.position_at_end(same);
    }

    /// One of two pointers, by the block that the current one was entered from.
    fn either(
        &self,
        first: (PointerValue<'ctx>, BasicBlock<'ctx>),
        second: (PointerValue<'ctx>, BasicBlock<'ctx>),
    ) -> PointerValue<'ctx> {
        let phi = self.builder.build_phi(self.types.ptr, "").built();
        phi.add_incoming(&[(&first.0, first.1), (&second.0, second.1)]);
        phi.as_basic_value().into_pointer_value()
    }

    /// Calls the functions that a reference probably refers to directly, others through the reference.
    ///
    /// A function of this instance is referred to by one address, in the instance's context. A function of
    /// the same module in another instance has another.
    fn call_guessed(
        &mut self,
        guesses: &[Guess],
        known: Option<&Targets>,
        type_index: TypeIndex,
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
        type_index: TypeIndex,
        ways: &[(BasicBlock<'ctx>, Vec<BasicValueEnum<'ctx>>)],
        results: &mut Vec<BasicValueEnum<'ctx>>,
    ) {
        let module = self.module;
        for (position, &ty) in module.types[type_index].results().iter().enumerate() {
            let phi = self.builder.build_phi(self.types.of(ty), "").built();
            for (block, values) in ways {
                phi.add_incoming(&[(&values[position], *block)]);
            }
            results.push(phi.as_basic_value());
        }
    }

    /// The reference in a table's element, which may be null.
    fn table_reference(
        &mut self,
        table: TableIndex,
        index: BasicValueEnum<'ctx>,
    ) -> PointerValue<'ctx> {
        let element = self.table_element(table, index, TrapCode::UndefinedElement);
        self.read_element(element)
    }

    fn read_element(&self, element: PointerValue<'ctx>) -> PointerValue<'ctx> {
        self.read_field(self.types.ptr, element, 0, Region::Table)
            .into_pointer_value()
    }

    /// Calls the function of a reference from a table, after the checks that are needed.
    fn call_reference(
        &mut self,
        known: Option<&Targets>,
        type_index: TypeIndex,
        reference: PointerValue<'ctx>,
        args: &[BasicValueEnum<'ctx>],
        results: &mut Vec<BasicValueEnum<'ctx>>,
    ) {
        let callee = self.callee_of(known, type_index, reference);
        self.call_callee(callee, type_index, args, results);
    }

    fn call_callee(
        &mut self,
        callee: Callee<'ctx>,
        type_index: TypeIndex,
        args: &[BasicValueEnum<'ctx>],
        results: &mut Vec<BasicValueEnum<'ctx>>,
    ) {
        let code = Code::Address(self.read_slot(callee.slot, 0));
        self.call_through(code, callee.context, type_index, args, results);
    }

    /// The function of a reference from a table, after the checks that are needed.
    fn callee_of(
        &mut self,
        known: Option<&Targets>,
        type_index: TypeIndex,
        reference: PointerValue<'ctx>,
    ) -> Callee<'ctx> {
        let is_null = self.builder.build_is_null(reference, "").built();
        self.trap_if(is_null, TrapCode::UninitializedElement);
        if known.is_none_or(|known| !known.others_are_null) {
            self.check_signature(reference, type_index);
        }
        // A reference's fields never change.
        let slot = self
            .read_fixed(self.types.ptr, reference, offsets::VMFUNCREF_SLOT)
            .into_pointer_value();
        let context = if known.is_some_and(|known| known.all_defined) {
            self.vmctx
        } else {
            self.context_of(reference)
        };
        Callee { slot, context }
    }

    /// The context that a reference's function is called with, with the caller told if that is not this instance's own.
    ///
    /// Mostly it is. The comparison is foreseen, so that the callee's reads from its context need not wait for the
    /// table's element and the reference.
    fn context_of(&mut self, reference: PointerValue<'ctx>) -> PointerValue<'ctx> {
        let callee = self
            .read_fixed(self.types.ptr, reference, offsets::VMFUNCREF_VMCTX)
            .into_pointer_value();
        let is_foreign = self
            .builder
            .build_int_compare(IntPredicate::NE, callee, self.vmctx, "")
            .built();
        let here = self.current_block();
        let foreign = self.new_block();
        let done = self.new_block();
        let branch = self
            .builder
            .build_conditional_branch(is_foreign, foreign, done)
            .built();
        self.weigh(branch, 1, 2000);
        self.builder.position_at_end(foreign);
        self.announce_caller();
        self.builder.build_unconditional_branch(done).built();
        self.builder.position_at_end(done);
        self.either((self.vmctx, here), (callee, foreign))
    }

    /// Traps if a reference is to a function of another signature.
    fn check_signature(&mut self, reference: PointerValue<'ctx>, type_index: TypeIndex) {
        let actual = self
            .read_fixed(self.types.i32, reference, offsets::VMFUNCREF_TYPE_ID)
            .into_int_value();
        let ids = self.fixed_field(offsets::VMCONTEXT_TYPE_IDS);
        let expected = self
            .read_fixed(
                self.types.i32,
                ids,
                TYPE_ID_SIZE * type_index.as_u32().cast_signed(),
            )
            .into_int_value();
        let differs = self
            .builder
            .build_int_compare(IntPredicate::NE, actual, expected, "")
            .built();
        self.trap_if(differs, TrapCode::IndirectCallTypeMismatch);
    }
}

/// The function of a reference.
struct Callee<'ctx> {
    /// Where its code is read from.
    slot: PointerValue<'ctx>,
    /// The context that it is called with.
    context: PointerValue<'ctx>,
}
