//! Helpers that every group of operators builds its instructions with: accesses, constants, conditions,
//! types of vectors, and signatures of callees.

use cranelift_codegen::ir::immediates::{Imm64, Offset32};
use cranelift_codegen::ir::types::{I8, I8X16, I32, I64};
use cranelift_codegen::ir::{
    AbiParam, ArgumentPurpose, InstBuilder, InstructionData, MemFlags, Opcode, SigRef, Signature,
    Type, Value, ValueDef,
};
use cranelift_codegen::isa::CallConv;
use upshift_module::{FuncType, TypeIndex};
use upshift_runtime::{Builtin, BuiltinType};

use super::state::{ClifEmitter, clif_type};

/// The signature of functions of a WebAssembly type.
pub(crate) fn signature(ty: &FuncType, call_conv: CallConv) -> Signature {
    let mut signature = Signature::new(call_conv);
    signature
        .params
        .push(AbiParam::special(I64, ArgumentPurpose::VMContext));
    signature
        .params
        .extend(ty.params().iter().map(|&ty| AbiParam::new(clif_type(ty))));
    match ty.results() {
        [] => {}
        [result] => signature.returns.push(AbiParam::new(clif_type(*result))),
        _ => signature.params.push(AbiParam::new(I64)),
    }
    signature
}

/// The signature of OSR entries.
pub(crate) fn osr_signature(call_conv: CallConv) -> Signature {
    let mut signature = Signature::new(call_conv);
    signature
        .params
        .push(AbiParam::special(I64, ArgumentPurpose::VMContext));
    signature.params.extend([AbiParam::new(I64); 2]);
    signature
}

impl ClifEmitter<'_> {
    // Past the table look-up that the builder makes for the flags of each access.

    pub(super) fn load_as(
        &mut self,
        opcode: Opcode,
        ty: Type,
        flags: MemFlags,
        base: Value,
        offset: i32,
    ) -> Value {
        let (inst, dfg) = self
            .cursor
            .ins()
            .Load(opcode, ty, flags, Offset32::new(offset), base);
        dfg.first_result(inst)
    }

    pub(super) fn load_at(&mut self, ty: Type, flags: MemFlags, base: Value, offset: i32) -> Value {
        self.load_as(Opcode::Load, ty, flags, base, offset)
    }

    pub(super) fn store_as(
        &mut self,
        opcode: Opcode,
        flags: MemFlags,
        value: Value,
        base: Value,
        offset: i32,
    ) {
        let ty = self.type_of(value);
        self.cursor
            .ins()
            .Store(opcode, ty, flags, Offset32::new(offset), value, base);
    }

    pub(super) fn store_at(&mut self, flags: MemFlags, value: Value, base: Value, offset: i32) {
        self.store_as(Opcode::Store, flags, value, base, offset);
    }

    /// A field of the context that never changes.
    pub(super) fn fixed_field(&mut self, offset: i32) -> Value {
        let context = self.context();
        self.load_at(I64, self.flags.fixed, context, offset)
    }

    pub(super) fn iconst(&mut self, ty: Type, value: i64) -> Value {
        self.cursor.ins().iconst(ty, Imm64::new(value))
    }

    pub(super) fn vector_constant(&mut self, ty: Type, bits: u128) -> Value {
        let constants = &mut self.cursor.func.dfg.constants;
        let constant = constants.insert(bits.to_le_bytes().as_slice().into());
        self.cursor.ins().vconst(ty, constant)
    }

    pub(super) fn type_of(&self, value: Value) -> Type {
        self.cursor.func.dfg.value_type(value)
    }

    /// The same bits as a value of type `ty`.
    pub(super) fn as_type(&mut self, ty: Type, value: Value) -> Value {
        if self.type_of(value) == ty {
            return value;
        }
        let ins = self.cursor.ins();
        let (inst, dfg) = ins.LoadNoOffset(Opcode::Bitcast, ty, self.flags.heap, value);
        dfg.first_result(inst)
    }

    /// The same value in the type that it has between blocks and functions.
    pub(super) fn canonical(&mut self, value: Value) -> Value {
        if self.type_of(value).is_vector() {
            self.as_type(I8X16, value)
        } else {
            value
        }
    }

    /// A comparison's result as the `i32` that WebAssembly has for it.
    pub(super) fn bool_to_i32(&mut self, value: Value) -> Value {
        self.cursor.ins().uextend(I32, value)
    }

    /// The comparison's own result behind an `i32` made by [`Self::bool_to_i32`].
    pub(super) fn comparison_behind(&self, value: Value) -> Option<Value> {
        let dfg = &self.cursor.func.dfg;
        let ValueDef::Result(inst, _) = dfg.value_def(value) else {
            return None;
        };
        match dfg.insts[inst] {
            InstructionData::Unary {
                opcode: Opcode::Uextend,
                arg,
            } => (dfg.value_type(arg) == I8).then_some(arg),
            _ => None,
        }
    }

    /// The value of an integer constant, its bits zero-extended.
    pub(super) fn constant_behind(&self, value: Value) -> Option<u64> {
        let dfg = &self.cursor.func.dfg;
        let ValueDef::Result(inst, _) = dfg.value_def(value) else {
            return None;
        };
        match dfg.insts[inst] {
            InstructionData::UnaryImm {
                opcode: Opcode::Iconst,
                imm,
            } => {
                Some(imm.bits().cast_unsigned() & (u64::MAX >> (64 - dfg.value_type(value).bits())))
            }
            _ => None,
        }
    }

    // Signatures.

    pub(super) fn signature_of(&mut self, type_index: TypeIndex) -> SigRef {
        if let Some(&(_, known)) = self
            .scratch
            .signatures
            .iter()
            .find(|&&(index, _)| index == type_index)
        {
            return known;
        }
        let signature = signature(&self.module.types[type_index], self.options.call_conv);
        let imported = self.cursor.func.import_signature(signature);
        self.scratch.signatures.push((type_index, imported));
        imported
    }

    pub(super) fn signature_of_builtin(&mut self, builtin: Builtin) -> SigRef {
        if let Some(known) = self.scratch.builtins[builtin.place()] {
            return known;
        }
        let clif = |ty| match ty {
            BuiltinType::I32 => I32,
            BuiltinType::I64 | BuiltinType::Pointer => I64,
        };
        let mut signature = Signature::new(match builtin {
            Builtin::BudgetAtMiddleLoop => CallConv::PreserveAll,
            _ => self.options.call_conv,
        });
        signature
            .params
            .push(AbiParam::special(I64, ArgumentPurpose::VMContext));
        signature
            .params
            .extend(builtin.params().iter().map(|&ty| AbiParam::new(clif(ty))));
        signature
            .returns
            .extend(builtin.result().map(|ty| AbiParam::new(clif(ty))));
        let imported = self.cursor.func.import_signature(signature);
        self.scratch.builtins[builtin.place()] = Some(imported);
        imported
    }

    pub(super) fn signature_of_osr(&mut self) -> SigRef {
        if let Some(known) = self.scratch.osr_signature {
            return known;
        }
        let imported = self
            .cursor
            .func
            .import_signature(osr_signature(self.options.call_conv));
        self.scratch.osr_signature = Some(imported);
        imported
    }
}
