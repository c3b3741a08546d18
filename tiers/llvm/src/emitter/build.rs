//! Small helpers over inkwell's builder that every group of operators uses: types, constants, intrinsics,
//! accesses with their alias facts.

use inkwell::attributes::{Attribute, AttributeLoc};
use inkwell::builder::BuilderError;
use inkwell::context::Context;
use inkwell::intrinsics::Intrinsic;
use inkwell::types::{
    BasicMetadataTypeEnum, BasicType, BasicTypeEnum, FloatType, FunctionType, IntType, PointerType,
    VectorType,
};
use inkwell::values::{
    AsValueRef, BasicMetadataValueEnum, BasicValue, BasicValueEnum, CallSiteValue,
    InstructionValue, IntValue, MetadataValue, PointerValue, VectorValue,
};
use inkwell::{AddressSpace, AtomicOrdering};
use upshift_module::{FuncType, ValType};

use super::LlvmEmitter;

/// Results that only a mistake of ours makes errors: a builder without a position, operands of other types
/// than validation found. Such a panic is caught around the compilation.
pub(crate) trait Built<T> {
    /// The value.
    fn built(self) -> T;
}

impl<T> Built<T> for Result<T, BuilderError> {
    #[track_caller]
    fn built(self) -> T {
        self.unwrap_or_else(|error| panic!("LLVM refused to build an instruction: {error}"))
    }
}

/// The types that are used all the time.
#[derive(Clone, Copy)]
pub(crate) struct Types<'ctx> {
    pub bool_: IntType<'ctx>,
    pub i8: IntType<'ctx>,
    pub i16: IntType<'ctx>,
    pub i32: IntType<'ctx>,
    pub i64: IntType<'ctx>,
    pub f32: FloatType<'ctx>,
    pub f64: FloatType<'ctx>,
    pub ptr: PointerType<'ctx>,
    /// How a v128 is passed, kept in locals and merged.
    pub v128: VectorType<'ctx>,
}

impl<'ctx> Types<'ctx> {
    pub fn new(context: &'ctx Context) -> Self {
        Self {
            bool_: context.bool_type(),
            i8: context.i8_type(),
            i16: context.i16_type(),
            i32: context.i32_type(),
            i64: context.i64_type(),
            f32: context.f32_type(),
            f64: context.f64_type(),
            ptr: context.ptr_type(AddressSpace::default()),
            v128: context.i8_type().vec_type(16),
        }
    }

    /// How a value of WebAssembly is represented. A reference is an integer of a pointer's size.
    pub fn of(&self, ty: ValType) -> BasicTypeEnum<'ctx> {
        match ty {
            ValType::I32 => self.i32.into(),
            ValType::I64 | ValType::FuncRef | ValType::ExternRef => self.i64.into(),
            ValType::F32 => self.f32.into(),
            ValType::F64 => self.f64.into(),
            ValType::V128 => self.v128.into(),
        }
    }

    /// The C signature of a function of WebAssembly: context, parameters, and for more than one result a
    /// pointer to cells.
    pub fn signature(&self, context: &'ctx Context, ty: &FuncType) -> FunctionType<'ctx> {
        let mut params: Vec<BasicMetadataTypeEnum<'ctx>> = vec![self.ptr.into()];
        params.extend(
            ty.params()
                .iter()
                .map(|&ty| BasicMetadataTypeEnum::from(self.of(ty))),
        );
        match ty.results() {
            [] => context.void_type().fn_type(&params, false),
            &[result] => self.of(result).fn_type(&params, false),
            _ => {
                params.push(self.ptr.into());
                context.void_type().fn_type(&params, false)
            }
        }
    }

    /// The signature of an OSR entry (`upshift_runtime::OsrEntry`).
    pub fn osr_signature(&self, context: &'ctx Context) -> FunctionType<'ctx> {
        let params = [self.ptr.into(), self.ptr.into(), self.ptr.into()];
        context.void_type().fn_type(&params, false)
    }
}

/// The object of an access. Accesses of different kinds never overlap.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Region {
    /// Linear memory.
    Memory,
    /// Contexts, globals, records of memories, slots: data of the runtime.
    Context,
    /// Table records and elements.
    Table,
    /// Cells for results and of frames that an OSR entry takes over.
    Cells,
}

impl Region {
    /// Its place among all of them.
    const fn place(self) -> usize {
        // Variants are numbered from 0 on.
        self as usize
    }
}

/// Metadata nodes of a context.
#[derive(Clone, Copy)]
pub(crate) struct Metadata<'ctx> {
    tbaa_kind: u32,
    tbaa: [MetadataValue<'ctx>; 4],
    invariant_kind: u32,
    empty: MetadataValue<'ctx>,
}

impl<'ctx> Metadata<'ctx> {
    pub fn new(context: &'ctx Context) -> Self {
        let root = context.metadata_node(&[context.metadata_string("upshift").into()]);
        let zero = context.i64_type().const_zero();
        let node = |name: &str| {
            let ty = context.metadata_node(&[
                context.metadata_string(name).into(),
                root.into(),
                zero.into(),
            ]);
            context.metadata_node(&[ty.into(), ty.into(), zero.into()])
        };
        Self {
            tbaa_kind: context.get_kind_id("tbaa"),
            tbaa: ["memory", "context", "table", "cells"].map(node),
            invariant_kind: context.get_kind_id("invariant.load"),
            empty: context.metadata_node(&[]),
        }
    }

    pub fn tag(&self, access: InstructionValue<'ctx>, region: Region) {
        let node = self.tbaa[region.place()];
        access
            .set_metadata(node, self.tbaa_kind)
            .expect("accesses take alias facts");
    }

    /// Whether an access is one of this kind.
    pub fn is_of(&self, access: InstructionValue<'ctx>, region: Region) -> bool {
        access.get_metadata(self.tbaa_kind) == Some(self.tbaa[region.place()])
    }

    fn invariant(&self, load: InstructionValue<'ctx>) {
        load.set_metadata(self.empty, self.invariant_kind)
            .expect("loads can be invariant");
    }
}

/// An attribute that is there or not, by LLVM's name.
pub(crate) fn flag_attribute(context: &Context, name: &str) -> Attribute {
    context.create_enum_attribute(Attribute::get_named_enum_kind_id(name), 0)
}

impl<'ctx> LlvmEmitter<'_, 'ctx> {
    // Constants.

    pub(super) fn const_i32(&self, value: i32) -> IntValue<'ctx> {
        self.types
            .i32
            .const_int(u64::from(value.cast_unsigned()), false)
    }

    pub(super) fn const_i64(&self, value: i64) -> IntValue<'ctx> {
        self.types.i64.const_int(value.cast_unsigned(), false)
    }

    // Integers and conditions.

    /// An `i32` of WebAssembly from a condition.
    pub(super) fn bool_to_i32(&self, condition: IntValue<'ctx>) -> BasicValueEnum<'ctx> {
        self.builder
            .build_int_z_extend(condition, self.types.i32, "")
            .built()
            .into()
    }

    /// A condition from an `i32` of WebAssembly.
    pub(super) fn is_true(&self, value: BasicValueEnum<'ctx>) -> IntValue<'ctx> {
        let value = value.into_int_value();
        let zero = value.get_type().const_zero();
        self.builder
            .build_int_compare(inkwell::IntPredicate::NE, value, zero, "")
            .built()
    }

    pub(super) fn zext64(&self, value: IntValue<'ctx>) -> IntValue<'ctx> {
        self.builder
            .build_int_z_extend(value, self.types.i64, "")
            .built()
    }

    /// The same bits as another type of the same size.
    pub(super) fn bits_as<T: BasicType<'ctx>>(
        &self,
        value: impl BasicValue<'ctx>,
        ty: T,
    ) -> BasicValueEnum<'ctx> {
        let value = value.as_basic_value_enum();
        let ty = ty.as_basic_type_enum();
        if value.get_type() == ty {
            return value;
        }
        self.builder.build_bit_cast(value, ty, "").built()
    }

    /// A vector as lanes of another type.
    pub(super) fn lanes_as(
        &self,
        value: BasicValueEnum<'ctx>,
        ty: VectorType<'ctx>,
    ) -> VectorValue<'ctx> {
        self.bits_as(value, ty).into_vector_value()
    }

    /// A value as it is passed, merged and kept in locals: vectors have one type there.
    pub(super) fn canonical(&self, value: BasicValueEnum<'ctx>) -> BasicValueEnum<'ctx> {
        match value {
            BasicValueEnum::VectorValue(_) => self.bits_as(value, self.types.v128),
            other => other,
        }
    }

    // Intrinsics.

    /// Calls an intrinsic that is overloaded on `types`.
    pub(super) fn intrinsic(
        &self,
        name: &str,
        types: &[BasicTypeEnum<'ctx>],
        args: &[BasicMetadataValueEnum<'ctx>],
    ) -> BasicValueEnum<'ctx> {
        let intrinsic = Intrinsic::find(name).unwrap_or_else(|| panic!("LLVM has no {name}"));
        let function = intrinsic
            .get_declaration(self.llvm_module, types)
            .unwrap_or_else(|| panic!("{name} is not for {types:?}"));
        self.result_of(self.builder.build_call(function, args, "").built())
    }

    /// An intrinsic of one operand, on its type.
    pub(super) fn intrinsic1(&self, name: &str, a: BasicValueEnum<'ctx>) -> BasicValueEnum<'ctx> {
        self.intrinsic(name, &[a.get_type()], &[a.into()])
    }

    /// An intrinsic of two operands of one type, on that type.
    pub(super) fn intrinsic2(
        &self,
        name: &str,
        a: BasicValueEnum<'ctx>,
        b: BasicValueEnum<'ctx>,
    ) -> BasicValueEnum<'ctx> {
        self.intrinsic(name, &[a.get_type()], &[a.into(), b.into()])
    }

    /// The value that a call returns.
    pub(super) fn result_of(&self, call: CallSiteValue<'ctx>) -> BasicValueEnum<'ctx> {
        call.try_as_basic_value()
            .basic()
            .expect("this call has a result")
    }

    // Accesses.

    /// The address `offset` bytes behind `base`.
    pub(super) fn address(&self, base: PointerValue<'ctx>, offset: i32) -> PointerValue<'ctx> {
        if offset == 0 {
            return base;
        }
        let offset = self.const_i64(i64::from(offset));
        // SAFETY: a plain address computation; the access is responsible for the memory behind it.
        unsafe {
            self.builder
                .build_in_bounds_gep(self.types.i8, base, &[offset], "")
                .built()
        }
    }

    /// Reads a field of the runtime's structures.
    pub(super) fn read_field(
        &self,
        ty: impl BasicType<'ctx>,
        base: PointerValue<'ctx>,
        offset: i32,
        region: Region,
    ) -> BasicValueEnum<'ctx> {
        let address = self.address(base, offset);
        let value = self.builder.build_load(ty, address, "").built();
        self.metadata.tag(instruction(value), region);
        value
    }

    /// Reads a field that never changes while code can see it.
    pub(super) fn read_fixed(
        &self,
        ty: impl BasicType<'ctx>,
        base: PointerValue<'ctx>,
        offset: i32,
    ) -> BasicValueEnum<'ctx> {
        let value = self.read_field(ty, base, offset, Region::Context);
        self.metadata.invariant(instruction(value));
        value
    }

    /// Reads a code slot, which another thread may be publishing to.
    pub(super) fn read_slot(&self, slot: PointerValue<'ctx>, offset: i32) -> PointerValue<'ctx> {
        let value = self.read_field(self.types.ptr, slot, offset, Region::Context);
        let load = instruction(value);
        load.set_alignment(8).expect("a power of two");
        load.set_atomic_ordering(AtomicOrdering::Monotonic)
            .expect("loads can be atomic");
        value.into_pointer_value()
    }

    /// Writes a field of the runtime's structures.
    pub(super) fn write_field(
        &self,
        value: impl BasicValue<'ctx>,
        base: PointerValue<'ctx>,
        offset: i32,
        region: Region,
    ) -> InstructionValue<'ctx> {
        let address = self.address(base, offset);
        let store = self.builder.build_store(address, value).built();
        self.metadata.tag(store, region);
        store
    }

    /// Calls code at an address. All that we call keeps to the platform's C convention and never unwinds.
    pub(super) fn call_code(
        &self,
        ty: FunctionType<'ctx>,
        code: PointerValue<'ctx>,
        args: &[BasicMetadataValueEnum<'ctx>],
    ) -> CallSiteValue<'ctx> {
        let call = self.builder.build_indirect_call(ty, code, args, "").built();
        call.add_attribute(
            AttributeLoc::Function,
            flag_attribute(self.context, "nounwind"),
        );
        call
    }
}

/// The instruction that made a value which is known to be one.
pub(super) fn instruction<'ctx>(value: BasicValueEnum<'ctx>) -> InstructionValue<'ctx> {
    value
        .as_instruction_value()
        .unwrap_or_else(|| panic!("{:?} is no instruction", value.as_value_ref()))
}
