//! Keeps products of narrow numbers from an error of LLVM's code generator for x86, which computes other bits than it
//! should. The pattern, and the break of it, are described here; the numbers that lanes can be, in `lane_ranges`.
//!
//! The combine `combinePMULH` of LLVM 22 (reported as llvm#218844, mended on the way to 24) looks for
//!
//! ```text
//! trunc <n x i16> (lshr (mul a, b), amount)    16 <= amount < width of the product
//! ```
//!
//! where analysis finds both `a` and `b` to be numbers of 16 bits, both signed or both unsigned, and takes the upper half of a
//! product of 16 bits (`pmulhw`) shifted by `amount - 16`. That is right for products in lanes of 32 bits. In wider ones the
//! bits from 32 on are the sign's, where the shift brings zeros, and a shift by 32 or more is by more than there are bits, so
//! that the whole loop is undefined and goes away.
//!
//! A second combine, `combineShiftToMULH` of all targets, needs no truncation. It takes the upper half of a product of 16 bits
//! for `lshr (mul (sext a), (sext b)), 16`, and extends that by zeros: bits from 16 on are lost, which in lanes of 64 are the sign's.
//!
//! The code generator brings many other forms into these: rotations, arithmetic shifts, shifts in several steps, truncations
//! to single bits, and to 32 bits before another product. So all products in wider lanes are candidates whose bits reach
//! narrower lanes or a shift to the right, whatever stands between. Two ways break the pattern:
//!
//! - a product that fits in 32 bits is made in 32, and then extended: `sext (mul <n x i32> a, b)`. The combine is right there,
//!   and the code is better than before.
//! - where that is not known here, which does not mean that LLVM does not know, the product is combined by exclusive or with a
//!   zero that comes from a piece of assembly: `lshr` then shifts something else than a product.
//!
//! Operands of which nothing can be known, such as numbers of 32 or 64 bits from memory, do not fit the combine.
//!
//! The first way is
//!
//! ```text
//! %x = sext <8 x i16> %a to <8 x i64>         ; and %y of %b
//! %m = mul nsw <8 x i64> %x, %y
//! %t = lshr <8 x i64> %m, splat (i64 40)
//! ```
//!
//! to
//!
//! ```text
//! %x = sext <8 x i16> %a to <8 x i32>
//! %p = mul <8 x i32> %x, %y
//! %m = sext <8 x i32> %p to <8 x i64>
//! ```
//!
//! Condition: the interval of the product is within `-2^31 <= a * b < 2^31`, for a sign extension, or `0 <= a * b < 2^32`,
//! for one by zeros; 32 bits then say the product, and lanes of 32 are those in which the combine is right. The second way
//! needs no condition, as `m ^ 0 = m`. Inputs with what becomes of them: `tests/passes/narrow-products`.

use std::collections::{HashMap, HashSet};

use inkwell::builder::Builder;
use inkwell::module::Module as LlvmModule;
use inkwell::types::{BasicTypeEnum, VectorType};
use inkwell::values::{
    AnyValue, AnyValueEnum, BasicValueEnum, CallSiteValue, FunctionValue, InstructionOpcode,
    InstructionValue, IntValue, VectorValue,
};

use upshift_module::to_usize;

use crate::emitter::Built;
use crate::lane_ranges::{constants, instruction_of, lane_bits, range_of};
use crate::loops::users;

/// The lanes in which the combine is right.
const SOUND_BITS: u32 = 32;

/// The combine takes the operands for numbers of so many bits.
const NARROW_BITS: u32 = 16;

/// How far back from a load a write is looked for.
const MOST_BEFORE_LOAD: usize = 64;

/// Breaks the pattern in all functions. To be called after all passes over IR.
pub(crate) fn guard(module: &LlvmModule<'_>) {
    let range = module.get_context().get_kind_id("range");
    for function in module.get_functions() {
        let candidates: Vec<_> = instructions(function)
            .filter_map(|instruction| Product::of(instruction, range))
            .collect();
        if candidates.is_empty() {
            continue;
        }
        let reaching = reaching_fewer_bits(function);
        let mut zero = None;
        for product in candidates {
            if reaching.contains(&product.instruction) {
                product.rewrite(&module.get_context().create_builder(), function, &mut zero);
            }
        }
    }
}

fn instructions<'ctx>(
    function: FunctionValue<'ctx>,
) -> impl Iterator<Item = InstructionValue<'ctx>> {
    let blocks = function.get_basic_block_iter();
    blocks.flat_map(|block| block.get_instructions())
}

/// A multiplication of vectors in lanes of more than 32 bits, whose operands may be narrow.
struct Product<'ctx> {
    instruction: InstructionValue<'ctx>,
    ty: VectorType<'ctx>,
}

impl<'ctx> Product<'ctx> {
    fn of(instruction: InstructionValue<'ctx>, range: u32) -> Option<Self> {
        if instruction.get_opcode() != InstructionOpcode::Mul {
            return None;
        }
        let operands = operands(instruction)?;
        let ty = operands[0].get_type();
        let may_be_narrow = |value: &VectorValue<'ctx>| !is_wide((*value).into(), range);
        let wanted = lane_bits(ty.into())? > SOUND_BITS && operands.iter().all(may_be_narrow);
        wanted.then_some(Self { instruction, ty })
    }

    fn rewrite(
        &self,
        builder: &Builder<'ctx>,
        function: FunctionValue<'ctx>,
        zero: &mut Option<IntValue<'ctx>>,
    ) {
        // Operands that are products may have been rewritten since this one was found.
        let Some([a, b]) = operands(self.instruction) else {
            return;
        };
        let product = range_of(a.into()).zip(range_of(b.into()));
        let product = product.map(|(a, b)| a.times(b));
        let fits_signed = product.is_some_and(|product| product.fits_signed(SOUND_BITS));
        let fits_unsigned = product.is_some_and(|product| product.fits_unsigned(SOUND_BITS));
        let value = if fits_signed || fits_unsigned {
            builder.position_before(&self.instruction);
            let sound = self
                .ty
                .get_context()
                .i32_type()
                .vec_type(self.ty.get_size());
            let [a, b] = [a, b].map(|value| shortened(builder, value, sound));
            let product = builder.build_int_mul(a, b, "").built();
            if fits_signed {
                builder.build_int_s_extend(product, self.ty, "").built()
            } else {
                builder.build_int_z_extend(product, self.ty, "").built()
            }
        } else {
            let zero = *zero.get_or_insert_with(|| unknown_zero(builder, function));
            builder.position_before(&self.instruction);
            let product = builder.build_int_mul(a, b, "").built();
            let zeros = splat(builder, zero, self.ty);
            builder.build_xor(product, zeros, "").built()
        };
        // Constants may have folded to one.
        match value.as_instruction() {
            Some(value) => self.instruction.replace_all_uses_with(&value),
            None => {
                if let AnyValueEnum::VectorValue(old) = self.instruction.as_any_value_enum() {
                    old.replace_all_uses_with(value);
                }
            }
        }
        self.instruction.erase_from_basic_block();
    }
}

fn operands<'ctx>(product: InstructionValue<'ctx>) -> Option<[VectorValue<'ctx>; 2]> {
    let operand = |index| match product.get_operand(index)?.value()? {
        BasicValueEnum::VectorValue(value) => Some(value),
        _ => None,
    };
    Some([operand(0)?, operand(1)?])
}

/// The low bits of each lane; from where it was extended, if it was.
fn shortened<'ctx>(
    builder: &Builder<'ctx>,
    value: VectorValue<'ctx>,
    ty: VectorType<'ctx>,
) -> VectorValue<'ctx> {
    let extended = instruction_of(value.into()).and_then(|instruction| {
        let opcode = instruction.get_opcode();
        let BasicValueEnum::VectorValue(source) = instruction.get_operand(0)?.value()? else {
            return None;
        };
        let narrower = lane_bits(source.get_type().into())? < SOUND_BITS;
        match opcode {
            InstructionOpcode::SExt if narrower => {
                Some(builder.build_int_s_extend(source, ty, "").built())
            }
            InstructionOpcode::ZExt if narrower => {
                Some(builder.build_int_z_extend(source, ty, "").built())
            }
            _ => None,
        }
    });
    extended.unwrap_or_else(|| builder.build_int_truncate(value, ty, "").built())
}

/// Zero, of which nobody knows that it is.
fn unknown_zero<'ctx>(builder: &Builder<'ctx>, function: FunctionValue<'ctx>) -> IntValue<'ctx> {
    let first = function
        .get_first_basic_block()
        .and_then(|block| block.get_first_instruction())
        .expect("the function has a product");
    builder.position_before(&first);
    let i64 = function.get_type().get_context().i64_type();
    let ty = i64.fn_type(&[i64.into()], false);
    let nothing = i64.get_context().create_inline_asm(
        ty,
        String::new(),
        "=r,0".to_owned(),
        false,
        false,
        None,
        false,
    );
    builder
        .build_indirect_call(ty, nothing, &[i64.const_zero().into()], "")
        .built()
        .try_as_basic_value()
        .expect_basic("it has a result")
        .into_int_value()
}

fn splat<'ctx>(
    builder: &Builder<'ctx>,
    value: IntValue<'ctx>,
    ty: VectorType<'ctx>,
) -> VectorValue<'ctx> {
    let lane = ty.get_element_type().into_int_type();
    let i32 = ty.get_context().i32_type();
    let value = builder.build_int_cast(value, lane, "").built();
    let poison = ty.get_poison();
    let first = builder
        .build_insert_element(poison, value, i32.const_zero(), "")
        .built();
    let all_first = VectorType::const_vector(&vec![i32.const_zero(); to_usize(ty.get_size())]);
    builder
        .build_shuffle_vector(first, poison, all_first, "")
        .built()
}

/// The values on a product's way to a vector whose lanes are narrower than the combine's are wide, or to a shift to the right. Memory
/// ends a way: a loaded value is another value to the code generator.
fn reaching_fewer_bits<'ctx>(function: FunctionValue<'ctx>) -> HashSet<InstructionValue<'ctx>> {
    let mut made_of: HashMap<_, Vec<_>> = HashMap::new();
    let mut ahead = Vec::new();
    for instruction in instructions(function) {
        for user in users(instruction) {
            made_of.entry(user).or_default().push(instruction);
        }
        if has_narrower_lanes(instruction) || shifts_lanes_right(instruction) {
            ahead.push(instruction);
        }
    }
    let mut reaching = HashSet::new();
    while let Some(instruction) = ahead.pop() {
        if reaching.insert(instruction)
            && let Some(operands) = made_of.get(&instruction)
        {
            ahead.extend(operands);
        }
    }
    reaching
}

/// Whether lanes are shifted to the right, or rotated, which brings the same bits down.
fn shifts_lanes_right(instruction: InstructionValue<'_>) -> bool {
    let AnyValueEnum::VectorValue(_) = instruction.as_any_value_enum() else {
        return false;
    };
    match instruction.get_opcode() {
        InstructionOpcode::LShr | InstructionOpcode::AShr => true,
        InstructionOpcode::Call => CallSiteValue::try_from(instruction)
            .ok()
            .and_then(|call| call.get_called_fn_value())
            .is_some_and(|callee| callee.get_name().to_bytes().starts_with(b"llvm.fsh")),
        _ => false,
    }
}

fn has_narrower_lanes(instruction: InstructionValue<'_>) -> bool {
    let AnyValueEnum::VectorValue(value) = instruction.as_any_value_enum() else {
        return false;
    };
    match value.get_type().get_element_type() {
        BasicTypeEnum::IntType(lane) => lane.get_bit_width() <= SOUND_BITS,
        BasicTypeEnum::FloatType(lane) => lane.get_bit_width() <= SOUND_BITS,
        _ => false,
    }
}

/// Whether no analysis can find a lane to be narrow.
fn is_wide(value: BasicValueEnum<'_>, range: u32) -> bool {
    if let Some(lanes) = constants(value) {
        let unsigned = 1 << NARROW_BITS;
        let signed = unsigned / 2;
        let is_wide =
            |lane: Option<i64>| lane.is_some_and(|lane| lane < -signed || lane >= unsigned);
        return lanes.into_iter().all(is_wide);
    }
    let source = instruction_of(value).and_then(|instruction| match instruction.get_opcode() {
        InstructionOpcode::SExt | InstructionOpcode::ZExt => instruction.get_operand(0)?.value(),
        _ => None,
    });
    let value = source.unwrap_or(value);
    lane_bits(value.get_type()).is_some_and(|bits| bits > NARROW_BITS) && is_unknown(value, range)
}

/// Whether nothing is known about any bit: a vector from memory, from which nothing was written shortly before.
fn is_unknown(value: BasicValueEnum<'_>, range: u32) -> bool {
    let Some(load) = instruction_of(value) else {
        return false;
    };
    if load.get_opcode() != InstructionOpcode::Load || load.get_metadata(range).is_some() {
        return false;
    }
    let before = std::iter::successors(load.get_previous_instruction(), |instruction| {
        instruction.get_previous_instruction()
    });
    let mut looked_at = 0;
    for instruction in before {
        let writes = matches!(
            instruction.get_opcode(),
            InstructionOpcode::Store
                | InstructionOpcode::Call
                | InstructionOpcode::Fence
                | InstructionOpcode::AtomicRMW
                | InstructionOpcode::AtomicCmpXchg
        );
        looked_at += 1;
        if writes || looked_at > MOST_BEFORE_LOAD {
            return false;
        }
    }
    true
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::target::{self, Processor};
    use inkwell::context::Context;
    use inkwell::memory_buffer::MemoryBuffer;
    use inkwell::targets::FileType;

    /// A function that gets two vectors of eight numbers and returns `%r`, in LLVM's notation.
    fn module<'ctx>(
        context: &'ctx Context,
        lanes: &str,
        result: &str,
        body: &str,
    ) -> LlvmModule<'ctx> {
        let text = format!(
            "define void @f(ptr %p, ptr %q, ptr %s, <8 x i64> %w, <8 x i64> %v) {{
                %a = load <8 x {lanes}>, ptr %p
                %b = load <8 x {lanes}>, ptr %q
                {body}
                store <8 x {result}> %r, ptr %s
                ret void
            }}"
        );
        let buffer = MemoryBuffer::create_from_memory_range_copy(text.as_bytes(), "test");
        context.create_module_from_ir(buffer).expect("it is IR")
    }

    fn guarded(lanes: &str, result: &str, body: &str) -> String {
        let context = Context::create();
        let module = module(&context, lanes, result, body);
        guard(&module);
        module.verify().expect("it is IR");
        module.print_to_string().to_string()
    }

    /// The guard's result for a body.
    #[derive(Debug, PartialEq, Eq)]
    enum Outcome {
        /// A product of 32 bits.
        Short,
        /// A product whose bits nobody knows.
        Hidden,
        /// As it was.
        Untouched,
    }

    fn outcome(lanes: &str, result: &str, body: &str) -> Outcome {
        let text = guarded(lanes, result, body);
        let short = text.contains("mul <8 x i32>");
        let hidden = text.contains("asm");
        assert_eq!(text.matches("mul ").count(), 1, "{text}");
        match (short, hidden) {
            (true, false) => Outcome::Short,
            (false, true) => Outcome::Hidden,
            (false, false) => Outcome::Untouched,
            (true, true) => panic!("{text}"),
        }
    }

    /// A product of both operands extended, and the instructions from it, `%m`, to the result.
    fn product(extend: [&str; 2], lanes: &str, rest: &str) -> String {
        let [first, second] = extend;
        format!(
            "%x = {first} <8 x {lanes}> %a to <8 x i64>
            %y = {second} <8 x {lanes}> %b to <8 x i64>
            %m = mul nsw <8 x i64> %x, %y
            {rest}"
        )
    }

    const SHIFTED: &str = "%t = lshr <8 x i64> %m, splat (i64 40)
        %r = trunc <8 x i64> %t to <8 x i16>";

    #[test]
    fn products_of_narrow_numbers_are_made_in_32_bits() {
        for lanes in ["i8", "i16"] {
            for extend in [
                ["sext", "sext"],
                ["zext", "zext"],
                ["sext", "zext"],
                ["zext nneg", "sext"],
            ] {
                let body = product(extend, lanes, SHIFTED);
                assert_eq!(outcome(lanes, "i16", &body), Outcome::Short, "{body}");
            }
        }
        let text = guarded("i16", "i16", &product(["zext", "zext"], "i16", SHIFTED));
        assert!(text.contains("= zext <8 x i32>"), "{text}");
        let text = guarded("i16", "i16", &product(["sext", "zext"], "i16", SHIFTED));
        assert!(text.contains("= sext <8 x i32>"), "{text}");
    }

    #[test]
    fn products_of_products_are_rewritten_one_after_the_other() {
        let body = product(
            ["sext", "zext"],
            "i16",
            "%n = and <8 x i64> %m, splat (i64 255)
            %o = mul <8 x i64> %n, %m
            %k = mul <8 x i64> %m, %m
            %l = xor <8 x i64> %o, %k
            %t = lshr <8 x i64> %l, splat (i64 40)
            %r = trunc <8 x i64> %t to <8 x i16>",
        );
        let text = guarded("i16", "i16", &body);
        assert!(
            text.contains("asm") && text.contains("mul <8 x i32>"),
            "{text}"
        );
    }

    #[test]
    fn numbers_need_no_extension_to_be_narrow() {
        for narrow in [
            "%x = and <8 x i64> %w, splat (i64 65535)",
            "%x = lshr <8 x i64> %w, splat (i64 48)",
            "%x = ashr <8 x i64> %w, <i64 50, i64 51, i64 52, i64 53, i64 50, i64 51, i64 52, i64 63>",
            "%c = icmp slt <8 x i64> %w, %v
            %k = and <8 x i64> %w, splat (i64 999)
            %x = select <8 x i1> %c, <8 x i64> %k, <8 x i64> splat (i64 -7)",
            "%k = and <8 x i64> %w, splat (i64 255)
            %l = sub <8 x i64> splat (i64 128), %k
            %x = shufflevector <8 x i64> %l, <8 x i64> poison, <8 x i32> <i32 7, i32 6, i32 5, i32 4, i32 3, i32 2, i32 1, i32 0>",
        ] {
            let body = format!(
                "{narrow}
                %y = sext <8 x i16> %b to <8 x i64>
                %m = mul <8 x i64> %x, %y
                {SHIFTED}"
            );
            assert_eq!(outcome("i16", "i16", &body), Outcome::Short, "{body}");
        }
        let squared = "%y = sext <8 x i16> %b to <8 x i64>
            %m = mul <8 x i64> %y, <i64 1, i64 poison, i64 -32768, i64 32767, i64 1, i64 2, i64 3, i64 4>";
        let body = format!("{squared}\n{SHIFTED}");
        assert_eq!(outcome("i16", "i16", &body), Outcome::Short);
    }

    #[test]
    fn what_may_be_narrow_is_hidden() {
        for narrow in [
            // Known by LLVM alone.
            "%x = call <8 x i64> @llvm.ctpop.v8i64(<8 x i64> %w)",
            "%k = or <8 x i64> %w, splat (i64 -256)
            %x = xor <8 x i64> %k, splat (i64 -1)",
            // Known by nobody, which nobody knows.
            "%x = add <8 x i64> %w, splat (i64 1)",
            "%k = and <8 x i64> %w, splat (i64 65535)
            %x = freeze <8 x i64> %k",
        ] {
            let body = format!(
                "{narrow}
                %y = sext <8 x i16> %b to <8 x i64>
                %m = mul <8 x i64> %x, %y
                {SHIFTED}"
            );
            assert_eq!(outcome("i16", "i16", &body), Outcome::Hidden, "{body}");
        }
    }

    #[test]
    fn whatever_leads_to_narrower_lanes_is_seen() {
        for (result, rest) in [
            ("i8", "%r = trunc nuw <8 x i64> %m to <8 x i8>"),
            ("i1", "%r = trunc <8 x i64> %m to <8 x i1>"),
            ("i32", "%t = ashr <8 x i64> %m, splat (i64 24)
                %r = trunc <8 x i64> %t to <8 x i32>"),
            ("i16", "%t = call <8 x i64> @llvm.fshl.v8i64(<8 x i64> %m, <8 x i64> %m, <8 x i64> splat (i64 24))
                %r = trunc <8 x i64> %t to <8 x i16>"),
            ("i16", "%t = bitcast <8 x i64> %m to <32 x i16>
                %r = shufflevector <32 x i16> %t, <32 x i16> poison, <8 x i32> <i32 2, i32 6, i32 10, i32 14, i32 18, i32 22, i32 26, i32 30>"),
            ("i16", "%e = extractelement <8 x i64> %m, i64 3
                %t = lshr i64 %e, 40
                %n = trunc i64 %t to i16
                %r = insertelement <8 x i16> poison, i16 %n, i64 0"),
            ("i1", "%r = icmp slt <8 x i64> %m, %w"),
        ] {
            let body = product(["sext", "sext"], "i16", rest);
            assert_eq!(outcome("i16", result, &body), Outcome::Short, "{body}");
        }
    }

    #[test]
    fn other_products_stay_as_they_are() {
        let wide_numbers = product(["sext", "sext"], "i32", SHIFTED);
        assert_eq!(outcome("i32", "i16", &wide_numbers), Outcome::Untouched);
        let wide_lanes = product(
            ["sext", "sext"],
            "i16",
            "%r = add <8 x i64> %m, splat (i64 1)",
        );
        assert_eq!(outcome("i16", "i64", &wide_lanes), Outcome::Untouched);
        let wide_factor = format!(
            "%x = sext <8 x i16> %a to <8 x i64>
            %m = mul <8 x i64> %x, splat (i64 70000)
            {SHIFTED}"
        );
        assert_eq!(outcome("i16", "i16", &wide_factor), Outcome::Untouched);
        let sound = "%x = sext <8 x i16> %a to <8 x i32>
            %m = mul <8 x i32> %x, splat (i32 7)
            %t = lshr <8 x i32> %m, splat (i32 24)
            %r = trunc <8 x i32> %t to <8 x i16>";
        let text = guarded("i16", "i16", sound);
        let product = "%m = mul <8 x i32> %x, splat (i32 7)";
        assert!(text.contains(product) && !text.contains("asm"), "{text}");
    }

    #[test]
    fn numbers_that_were_just_written_are_not_unknown() {
        let written = format!(
            "%k = and <8 x i64> %w, splat (i64 255)
            store <8 x i64> %k, ptr %s
            %x = load <8 x i64>, ptr %s
            %y = sext <8 x i16> %b to <8 x i64>
            %m = mul <8 x i64> %x, %y
            {SHIFTED}"
        );
        assert_eq!(outcome("i16", "i16", &written), Outcome::Hidden);
    }

    fn assembly(guard_it: bool, body: &str) -> String {
        let context = Context::create();
        let module = module(&context, "i16", "i16", body);
        if guard_it {
            guard(&module);
        }
        target::triple();
        let machine = target::machine(&Processor::named("generic", false)).expect("it is x86");
        module.set_triple(&target::triple());
        module.set_data_layout(&machine.get_target_data().get_data_layout());
        let text = machine
            .write_to_memory_buffer(&module, FileType::Assembly)
            .expect("it is code");
        String::from_utf8_lossy(text.as_slice()).into_owned()
    }

    /// A version of LLVM for which this fails needs the guard no more; see `docs/llvm.md`.
    #[test]
    fn llvm_drops_such_products_without_the_guard() {
        let body = product(["sext", "sext"], "i16", SHIFTED);
        assert!(!assembly(false, &body).contains("mul"));
        assert!(assembly(true, &body).contains("pmul"));
    }

    #[test]
    fn the_upper_half_of_a_product_is_one_instruction_still() {
        let body = product(["sext", "sext"], "i16", &SHIFTED.replace("40", "16"));
        assert!(assembly(true, &body).contains("pmulhw"));
    }
}
