//! Calls: within the unit, through slots, of imports, of the runtime; traps and returns. Calls through tables are in
//! `indirect`.

use inkwell::attributes::AttributeLoc;
use inkwell::basic_block::BasicBlock;
use inkwell::types::BasicMetadataTypeEnum;
use inkwell::values::{
    BasicMetadataValueEnum, BasicValueEnum, InstructionValue, IntValue, PointerValue,
};
use upshift_module::{FuncIndex, TypeIndex};
use upshift_runtime::{Builtin, BuiltinType, TrapCode, offsets};

use super::LlvmEmitter;
use super::build::{Built, Region, flag_attribute};
use super::state::result_offset;

/// Bytes of a code slot.
const SLOT_SIZE: i32 = 8;

/// Results of a function beyond which their stores are not compared with one another. LLVM takes the square of their number
/// for it, and callers gain next to nothing.
const MANY_RESULTS: usize = 64;

impl<'ctx> LlvmEmitter<'_, 'ctx> {
    pub(super) fn call_function(
        &mut self,
        function: FuncIndex,
        args: &[BasicValueEnum<'ctx>],
        results: &mut Vec<BasicValueEnum<'ctx>>,
    ) {
        let type_index = self.module.functions[function];
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
                Code::Address(self.read_slot(slots, SLOT_SIZE * defined.as_u32().cast_signed()))
            }
        };
        self.call_through(code, self.vmctx, type_index, args, results);
    }

    /// Tells the caller to a callee that may be a host function.
    pub(super) fn announce_caller(&mut self) {
        let store = self.fixed_field(offsets::VMCONTEXT_STORE);
        self.write_field(self.vmctx, store, offsets::VMSTORE_CALLER, Region::Context);
    }

    pub(super) fn call_through(
        &mut self,
        code: Code<'ctx>,
        callee: PointerValue<'ctx>,
        type_index: TypeIndex,
        args: &[BasicValueEnum<'ctx>],
        results: &mut Vec<BasicValueEnum<'ctx>>,
    ) {
        let ty = &self.module.types[type_index];
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
                    let offset = result_offset(i);
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
        let code = self.const_i32(i32::from(code.number()));
        self.call_runtime(Builtin::Trap, &[code.into()]);
        self.builder.build_unreachable().built();
    }

    /// Ends the current block: to one block if the condition holds, which is hardly ever the case, to the other
    /// otherwise.
    pub(super) fn unlikely_branch(&mut self, condition: IntValue<'ctx>) -> UnlikelyBranch<'ctx> {
        let unlikely = self.new_block();
        let likely = self.new_block();
        let branch = self
            .builder
            .build_conditional_branch(condition, unlikely, likely)
            .built();
        self.weigh(branch, 1, 2000);
        UnlikelyBranch { unlikely, likely }
    }

    /// States how often a branch goes which way.
    pub(super) fn weigh(&self, branch: InstructionValue<'ctx>, first: u32, second: u32) {
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
        let UnlikelyBranch {
            unlikely: trap,
            likely: go_on,
        } = self.unlikely_branch(condition);
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
                    let store = self.write_field(value, cells, result_offset(i), Region::Cells);
                    if values.len() > MANY_RESULTS {
                        store.set_volatile(true).expect("stores can be volatile");
                    }
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

/// Where a branch leads that hardly ever goes one of its ways.
pub(super) struct UnlikelyBranch<'ctx> {
    pub unlikely: BasicBlock<'ctx>,
    pub likely: BasicBlock<'ctx>,
}

/// The target of a call.
pub(super) enum Code<'ctx> {
    /// A function of the same LLVM module.
    InUnit(inkwell::values::FunctionValue<'ctx>),
    /// Code at an address that was read.
    Address(PointerValue<'ctx>),
}
