//! Makes `llvm.canonicalize` fit for code generation: on x86, LLVM 22 multiplies whole registers by one,
//! but dies of vectors that it would have to widen first, like two floats. The emitter makes none, but the
//! passes do, from neighbouring scalars and from halves of vectors.
//!
//! ```text
//! %r = call <2 x float> @llvm.canonicalize.v2f32(<2 x float> %x)
//! ```
//!
//! becomes, by a function that is inlined,
//!
//! ```text
//! %wide = shufflevector <2 x float> %x, <2 x float> poison, <4 x i32> <i32 0, i32 1, i32 2, i32 2>
//! %both = call <4 x float> @llvm.canonicalize.v4f32(<4 x float> %wide)
//! %r = shufflevector <4 x float> %both, <4 x float> poison, <2 x i32> <i32 0, i32 1>
//! ```
//!
//! Condition: each lane is canonicalized for itself, so lanes that are added change no other and are dropped again. A
//! vector is widened if its lanes are no power of two or fill less than 128 bits. Inputs with what becomes of them:
//! `tests/passes/canonicalize`.

use inkwell::attributes::{Attribute, AttributeLoc};
use inkwell::intrinsics::Intrinsic;
use inkwell::module::{Linkage, Module as LlvmModule};
use inkwell::types::{BasicTypeEnum, VectorType};
use inkwell::values::FunctionValue;

use crate::emitter::Built;

/// Bits of the smallest vector register.
const REGISTER_BITS: u32 = 128;

/// Has all vectors that are canonicalized be whole registers. To be called after all other passes; true if
/// there are functions now that have to be inlined, which the pass `always-inline` does.
pub(crate) fn widen(module: &LlvmModule<'_>) -> bool {
    let narrow: Vec<_> = module
        .get_functions()
        .filter(|function| {
            let name = function.get_name().to_bytes();
            name.starts_with(b"llvm.canonicalize.v")
        })
        .filter_map(|function| Some((function, wide_enough(module, function)?)))
        .collect();
    for &(function, wide) in &narrow {
        let widened = widened(module, function, wide);
        function.replace_all_uses_with(widened);
    }
    !narrow.is_empty()
}

/// The type that a vector has to be widened to, if it has.
fn wide_enough<'ctx>(
    module: &LlvmModule<'ctx>,
    canonicalize: FunctionValue<'ctx>,
) -> Option<VectorType<'ctx>> {
    let ty = canonicalize
        .get_type()
        .get_return_type()?
        .into_vector_type();
    let lanes = ty.get_size();
    let BasicTypeEnum::FloatType(lane) = ty.get_element_type() else {
        return None;
    };
    let lane_bits = if lane == module.get_context().f64_type() {
        64
    } else {
        32
    };
    let whole = lanes.next_power_of_two().max(REGISTER_BITS / lane_bits);
    (whole != lanes).then(|| lane.vec_type(whole))
}

/// A function of the same type that does the same by way of a wider vector.
fn widened<'ctx>(
    module: &LlvmModule<'ctx>,
    canonicalize: FunctionValue<'ctx>,
    wide: VectorType<'ctx>,
) -> FunctionValue<'ctx> {
    let context = module.get_context();
    let ty = canonicalize.get_type();
    let function = module.add_function("canonicalize", ty, Some(Linkage::Internal));
    for name in ["alwaysinline", "nounwind"] {
        let kind = Attribute::get_named_enum_kind_id(name);
        let attribute = context.create_enum_attribute(kind, 0);
        function.add_attribute(AttributeLoc::Function, attribute);
    }
    let builder = context.create_builder();
    builder.position_at_end(context.append_basic_block(function, ""));
    let operand = function
        .get_nth_param(0)
        .expect("it has one operand")
        .into_vector_value();
    let (lanes, whole) = (operand.get_type().get_size(), wide.get_size());
    // Indices from `lanes` on name lanes of the second vector, which is poison.
    let mask = |count: u32| {
        let i32 = context.i32_type();
        let lanes: Vec<_> = (0..count)
            .map(|lane| i32.const_int(u64::from(lane.min(lanes)), false))
            .collect();
        VectorType::const_vector(&lanes)
    };
    let poison = operand.get_type().get_poison();
    let filled = builder
        .build_shuffle_vector(operand, poison, mask(whole), "")
        .built();
    let intrinsic = Intrinsic::find("llvm.canonicalize")
        .and_then(|intrinsic| intrinsic.get_declaration(module, &[wide.into()]))
        .expect("LLVM canonicalizes vectors of any size");
    let result = builder
        .build_call(intrinsic, &[filled.into()], "")
        .built()
        .try_as_basic_value()
        .basic()
        .expect("it has a result")
        .into_vector_value();
    let result = builder
        .build_shuffle_vector(result, wide.get_poison(), mask(lanes), "")
        .built();
    builder.build_return(Some(&result)).built();
    function
}
