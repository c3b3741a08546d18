//! Has no signalling NaN leave arithmetic, as clause 4.3.3 of the specification wants it. LLVM takes `x + -0`, `x * 1`
//! and their like for `x`, bit by bit, wherever in its passes an operand turns out to be that constant.
//!
//! Before the passes each result that a fold might make signalling, and whose bits somebody looks at, goes through
//! `llvm.canonicalize` ([`guard`]): LLVM keeps it, folds around it and makes vectors of it. After the passes those go
//! whose operand is an operation still, which quiets by itself ([`release`]). The rest stay, one multiplication each.
//!
//! ```text
//! %r = fadd double %x, -0.000000e+00
//! ret double %r
//! ```
//!
//! becomes before the passes
//!
//! ```text
//! %r = fadd double %x, -0.000000e+00
//! %quiet = call double @llvm.canonicalize.f64(double %r)
//! ret double %quiet
//! ```
//!
//! and after them `ret double %r` again, if `%r` is a sum still with which the code generator has nothing to fold.
//!
//! Condition: `llvm.canonicalize` changes nothing but a signalling NaN, whose highest bit of the fraction it sets, and no
//! result of arithmetic is one. So both putting it in and taking it out where the operand is quiet leave all bits as they
//! have to be. Inputs with what becomes of them: `tests/passes/quieting`.

mod bits;

use std::collections::HashMap;

use inkwell::attributes::{Attribute, AttributeLoc};
use inkwell::builder::Builder;
use inkwell::intrinsics::Intrinsic;
use inkwell::llvm_sys::core::LLVMReplaceAllUsesWith;
use inkwell::module::Module as LlvmModule;
use inkwell::types::{AnyTypeEnum, BasicType, BasicTypeEnum};
use inkwell::values::{
    AsValueRef, BasicValue, BasicValueEnum, CallSiteValue, FunctionValue, InstructionOpcode as Op,
    InstructionValue,
};

use crate::constants::{any_lane, bits_of, folded, is_constant};
use crate::emitter::Built;
use crate::loops::users;
use bits::{Observed, Quiet};

/// Canonicalizes results, and hides operands that would change a NaN's sign. To be called on code whose locals were lifted and
/// of which nothing was folded since.
pub(crate) fn guard(module: &LlvmModule<'_>) {
    for function in module.get_functions() {
        let instructions = instructions_of(function);
        let is_arithmetic = |it: &&InstructionValue<'_>| kind_of(**it) == Kind::Arithmetic;
        for &operation in instructions.iter().filter(is_arithmetic) {
            hide_operands(module, function, operation);
        }
        let candidates = instructions.iter().filter(|&&it| folds(it));
        if candidates.clone().next().is_none() {
            continue;
        }
        let observed = Observed::among(&instructions);
        let mut canonicalized = HashMap::new();
        let builder = module.get_context().create_builder();
        for &candidate in candidates {
            let result = candidate.as_value_ref();
            if let (true, Some(value), Some(next)) = (
                observed.contains(candidate),
                float_of(candidate),
                candidate.get_next_instruction(),
            ) {
                builder.position_before(&next);
                canonicalized.insert(result, canonical(module, &builder, value));
            }
        }
        // All that look at such a result's bits look at it canonicalized.
        for &user in &instructions {
            for index in 0..user.get_num_operands() {
                let canonical = operand(user, index)
                    .and_then(|operand| canonicalized.get(&operand.as_value_ref()));
                if let Some(&canonical) = canonical
                    && observed.by(user, index)
                {
                    user.set_operand(index, canonical);
                }
            }
        }
    }
}

/// Takes `llvm.canonicalize` away from values that are no signalling NaN. To be called after the passes.
pub(crate) fn release(module: &LlvmModule<'_>) {
    let builder = module.get_context().create_builder();
    for function in module.get_functions() {
        let instructions = instructions_of(function);
        let is_call = |it: &&InstructionValue<'_>| kind_of(**it) == Kind::Quiets(true);
        let calls: Vec<_> = instructions.iter().filter(is_call).collect();
        if calls.is_empty() {
            continue;
        }
        let quiet = Quiet::of(&instructions);
        for call in calls {
            let Some(operand) = operand(*call, 0) else {
                continue;
            };
            let replacement = if let Some(folded) = folded(operand) {
                folded
            } else if !quiet.is_quiet(operand) {
                continue;
            } else if !is_signed(operand) && !users(*call).any(|user| user.get_opcode() == Op::FNeg)
            {
                operand
            } else if fits_a_register(operand.get_type()) {
                // The back end moves negations through arithmetic, too.
                builder.position_before(call);
                hide(module, &builder, operand)
            } else {
                continue;
            };
            // SAFETY: a value of the same type, made before.
            unsafe { LLVMReplaceAllUsesWith(call.as_value_ref(), replacement.as_value_ref()) };
            call.erase_from_basic_block();
        }
    }
}

/// Whether a value of this type can be an operand of assembly on every processor: a scalar, or a vector that is a whole
/// register.
fn fits_a_register(ty: BasicTypeEnum<'_>) -> bool {
    match ty {
        BasicTypeEnum::VectorType(_) => bits_of(ty) == Some(128),
        _ => true,
    }
}

/// The same value, unknown to LLVM. Its type is that of a scalar or of a whole register.
pub(crate) fn hide<'ctx>(
    module: &LlvmModule<'ctx>,
    builder: &Builder<'ctx>,
    value: BasicValueEnum<'ctx>,
) -> BasicValueEnum<'ctx> {
    let ty = value.get_type().fn_type(&[value.get_type().into()], false);
    let context = module.get_context();
    let constraints = "=x,0".to_owned();
    let nothing =
        context.create_inline_asm(ty, String::new(), constraints, false, false, None, false);
    let call = builder
        .build_indirect_call(ty, nothing, &[value.into()], "")
        .built();
    for name in ["memory", "nounwind"] {
        let kind = Attribute::get_named_enum_kind_id(name);
        let attribute = context.create_enum_attribute(kind, 0);
        call.add_attribute(AttributeLoc::Function, attribute);
    }
    call.try_as_basic_value().basic().expect("it has a result")
}

/// Hides operands of arithmetic with which LLVM would change the sign of a NaN, or take the NaN of another operand.
fn hide_operands<'ctx>(
    module: &LlvmModule<'ctx>,
    function: FunctionValue<'ctx>,
    operation: InstructionValue<'ctx>,
) {
    let builder = module.get_context().create_builder();
    let first = function.get_first_basic_block();
    let Some(first) = first.and_then(|block| block.get_first_instruction()) else {
        return;
    };
    for index in 0..2 {
        let Some(operand) = operand(operation, index) else {
            continue;
        };
        let hidden = if is_constant(operand) {
            let changes = |lane: f64| match operation.get_opcode() {
                Op::FMul => lane == -1.0,
                Op::FDiv => index == 1 && lane == -1.0,
                Op::FSub => index == 0 && lane == 0.0 && lane.is_sign_negative(),
                _ => false,
            };
            if !any_lane(operand, |lane| lane.is_nan() || changes(lane)) {
                continue;
            }
            builder.position_before(&first);
            hide(module, &builder, operand)
        } else if is_signed(operand) {
            builder.position_before(&operation);
            canonical(module, &builder, operand)
        } else {
            continue;
        };
        operation.set_operand(index, hidden);
    }
}

/// Whether a value is one whose sign was changed, which LLVM does to the other operand or the result instead.
fn is_signed(value: BasicValueEnum<'_>) -> bool {
    value.as_instruction_value().is_some_and(|instruction| {
        instruction.get_opcode() == Op::FNeg
            || instruction.get_opcode() == Op::Call
                && kind_of(instruction) == Kind::PassesOn(Operands::First)
    })
}

/// The facts about an instruction.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Kind {
    /// Arithmetic whose result may be folded to an operand.
    Arithmetic,
    /// A conversion to a shorter type.
    Shortens,
    /// A conversion to a longer type.
    Lengthens,
    /// The result is no signalling NaN; true for `llvm.canonicalize`, which nothing folds.
    Quiets(bool),
    /// The result has the bits of one of these operands, lane by lane, the sign apart.
    PassesOn(Operands),
    /// The result is no float, and operands are looked at as numbers only.
    Compares,
    /// Anything else.
    Other,
}

/// Operands whose bits an instruction passes on.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Operands {
    First,
    FirstTwo,
    LastTwo,
    All,
}

impl Operands {
    fn contain(self, index: u32) -> bool {
        match self {
            Self::First => index == 0,
            Self::FirstTwo => index < 2,
            Self::LastTwo => index == 1 || index == 2,
            Self::All => true,
        }
    }
}

fn kind_of(instruction: InstructionValue<'_>) -> Kind {
    match instruction.get_opcode() {
        Op::FAdd | Op::FSub | Op::FMul | Op::FDiv => Kind::Arithmetic,
        Op::FPTrunc => Kind::Shortens,
        Op::FPExt => Kind::Lengthens,
        Op::SIToFP | Op::UIToFP => Kind::Quiets(false),
        Op::FNeg | Op::Freeze | Op::BitCast => Kind::PassesOn(Operands::First),
        Op::Phi => Kind::PassesOn(Operands::All),
        Op::Select => Kind::PassesOn(Operands::LastTwo),
        Op::InsertElement | Op::ShuffleVector if float_of(instruction).is_some() => {
            Kind::PassesOn(Operands::FirstTwo)
        }
        Op::ExtractElement if float_of(instruction).is_some() => Kind::PassesOn(Operands::First),
        Op::FCmp | Op::FPToSI | Op::FPToUI => Kind::Compares,
        Op::Call => kind_of_call(instruction),
        _ => Kind::Other,
    }
}

fn kind_of_call(call: InstructionValue<'_>) -> Kind {
    let callee = CallSiteValue::try_from(call)
        .ok()
        .and_then(|call| call.get_called_fn_value());
    let Some(callee) = callee else {
        return Kind::Other;
    };
    let name = callee.get_name().to_bytes();
    let Some(name) = name.strip_prefix(b"llvm.") else {
        return Kind::Other;
    };
    let is = |prefix: &[u8]| name.starts_with(prefix);
    if is(b"canonicalize.") {
        Kind::Quiets(true)
    } else if [&b"sqrt."[..], b"ceil.", b"floor.", b"trunc.", b"roundeven."]
        .into_iter()
        .any(is)
    {
        Kind::Quiets(false)
    } else if is(b"fabs.") || is(b"copysign.") {
        Kind::PassesOn(Operands::First)
    } else if is(b"fptosi.sat.") || is(b"fptoui.sat.") {
        Kind::Compares
    } else {
        Kind::Other
    }
}

/// Whether LLVM might take an operation's result for one of its operands, or find out its value.
fn folds(instruction: InstructionValue<'_>) -> bool {
    let may_be = |index| operand(instruction, index).is_none_or(may_be_neutral);
    match kind_of(instruction) {
        Kind::Arithmetic if instruction.get_opcode() == Op::FDiv => may_be(1),
        Kind::Arithmetic => may_be(0) && may_be(1),
        Kind::Shortens => true,
        _ => false,
    }
}

fn canonical<'ctx>(
    module: &LlvmModule<'ctx>,
    builder: &Builder<'ctx>,
    value: BasicValueEnum<'ctx>,
) -> BasicValueEnum<'ctx> {
    let intrinsic = Intrinsic::find("llvm.canonicalize")
        .and_then(|intrinsic| intrinsic.get_declaration(module, &[value.get_type()]))
        .expect("LLVM canonicalizes all floats");
    let call = builder.build_call(intrinsic, &[value.into()], "").built();
    let result = call.try_as_basic_value().basic();
    result.expect("the intrinsic has a result")
}

// Values.

/// Whether a value is, or may turn out to be, a number that arithmetic with leaves the other operand as it is.
fn may_be_neutral(value: BasicValueEnum<'_>) -> bool {
    let is_neutral = |number: f64| number == 0.0 || number.abs() == 1.0 || !number.is_finite();
    !is_constant(value) || any_lane(value, is_neutral)
}

/// An instruction's result, if it is floats.
fn float_of(instruction: InstructionValue<'_>) -> Option<BasicValueEnum<'_>> {
    let is_value = match instruction.get_type() {
        AnyTypeEnum::FloatType(_) => true,
        AnyTypeEnum::VectorType(ty) => ty.get_element_type().is_float_type(),
        _ => false,
    };
    // SAFETY: an instruction that is alive, and whose result is a float or a vector.
    is_value.then(|| unsafe { BasicValueEnum::new(instruction.as_value_ref()) })
}

fn operand(instruction: InstructionValue<'_>, index: u32) -> Option<BasicValueEnum<'_>> {
    instruction.get_operand(index)?.value()
}

fn instructions_of(function: FunctionValue<'_>) -> Vec<InstructionValue<'_>> {
    function
        .get_basic_block_iter()
        .flat_map(|block| block.get_instructions())
        .collect()
}
