//! Keeps loops from LLVM's vectorizer whose counters are looked at through a mask, because LLVM 20 to 22 compute wrong there
//! (llvm#191382, mended for 23).
//!
//! A loop whose addresses are right only if a counter does not wrap around is vectorized all the same, with a check of that before the
//! loop. A counter `i` of 32 bits and its lowest four, `i & 15`, are two counters that wrap around on their own. But
//! `SCEVWrapPredicate::implies` takes the check of the wider one for one of the narrower, so that `x[i & 15]` becomes a line
//! through memory. The narrow counter is a mask, a truncation, an extension of a number of 8 or 16 bits; and it matters where it
//! leads to an address, or out of the loop. Such loops get the metadata that tells the vectorizer to leave them alone. A loop that
//! goes around under a mask would hardly ever have been found not to.
//!
//! The pass that forwards stores to the next round's loads asks the same; an option says that it may not, see `limits`.
//!
//! A loop with
//!
//! ```text
//! %low = and i32 %i, 15
//! %at = zext i32 %low to i64
//! %p = getelementptr i8, ptr %x, i64 %at
//! br i1 %done, label %end, label %loop
//! ```
//!
//! ends then in
//!
//! ```text
//! br i1 %done, label %end, label %loop, !llvm.loop !0
//! !0 = distinct !{!0, !1}
//! !1 = !{!"llvm.loop.vectorize.enable", i1 false}
//! ```
//!
//! Condition: none is needed for it to be right, as metadata changes no result. It is needed where a number of fewer bits,
//! made of a counter, leads to an address or out of the loop. Inputs with what becomes of them:
//! `tests/passes/masked-counters`.

use std::collections::{BTreeMap, HashMap, HashSet};

use inkwell::basic_block::BasicBlock;
use inkwell::llvm_sys::core::{LLVMReplaceMDNodeOperandWith, LLVMValueAsMetadata};
use inkwell::module::Module as LlvmModule;
use inkwell::values::{
    AnyValue, AnyValueEnum, AsValueRef, BasicValueEnum, FunctionValue, InstructionOpcode,
    InstructionValue,
};

use crate::dominators::{Dominators, successors};
use crate::lane_ranges::{constants, instruction_of};
use crate::loops::users;

/// The counters of ours whose checks are meant: addresses and most loops are counted in them.
const COUNTER_BITS: u32 = 32;

/// Blocks of all loops of a function together, each counted in every loop that it is in, that are looked at.
const MOST_BLOCKS: usize = 200_000;

/// Marks those loops in all functions. To be called before the vectorizer, on code whose locals were lifted.
pub(crate) fn keep_scalar(module: &LlvmModule<'_>) {
    for function in module.get_functions() {
        keep_scalar_in(module, function);
    }
}

fn keep_scalar_in<'ctx>(module: &LlvmModule<'ctx>, function: FunctionValue<'ctx>) {
    let has_narrow = function
        .get_basic_block_iter()
        .flat_map(|block| block.get_instructions())
        .any(narrows);
    if !has_narrow {
        return;
    }
    let dominators = Dominators::new(function);
    let places: HashMap<_, _> = (0..)
        .zip(&dominators.blocks)
        .map(|(i, &b)| (b, i))
        .collect();
    let mut predecessors: HashMap<_, Vec<_>> = HashMap::new();
    // By the place of the header: which blocks lead back to it.
    let mut loops: BTreeMap<usize, Vec<BasicBlock<'_>>> = BTreeMap::new();
    for (place, &block) in dominators.blocks.iter().enumerate() {
        for successor in successors(block) {
            predecessors.entry(successor).or_default().push(block);
            let header = places[&successor];
            if dominators.dominates(header, place) {
                loops.entry(header).or_default().push(block);
            }
        }
    }
    let mut left = MOST_BLOCKS;
    for (header, latches) in loops {
        let header = dominators.blocks[header];
        if !header.get_instructions().any(is_counter) {
            continue;
        }
        let body = body(header, &latches, &predecessors);
        left = left.saturating_sub(body.len());
        // Expressions that nest too deep to be looked at are left alone, too.
        let is_narrow = || {
            let narrow = narrow_counters(header, &body);
            narrow.into_iter().any(|it| is_address_or_exit(it, &body))
        };
        if left == 0 || is_narrow() {
            for latch in latches {
                leave_alone(module, latch);
            }
        }
    }
}

/// The blocks that a loop goes through.
fn body<'ctx>(
    header: BasicBlock<'ctx>,
    latches: &[BasicBlock<'ctx>],
    predecessors: &HashMap<BasicBlock<'ctx>, Vec<BasicBlock<'ctx>>>,
) -> HashSet<BasicBlock<'ctx>> {
    let mut body = HashSet::from([header]);
    let mut ahead = latches.to_vec();
    while let Some(block) = ahead.pop() {
        if body.insert(block)
            && let Some(before) = predecessors.get(&block)
        {
            ahead.extend(before);
        }
    }
    body
}

/// Numbers that a loop makes of its counters through a mask or the like, by whatever ways.
fn narrow_counters<'ctx>(
    header: BasicBlock<'ctx>,
    body: &HashSet<BasicBlock<'ctx>>,
) -> HashSet<InstructionValue<'ctx>> {
    let counters = header
        .get_instructions()
        .filter(|&it| is_counter(it))
        .collect();
    let made = made_of(counters, body);
    let narrow = made.into_iter().filter(|&it| narrows(it)).collect();
    made_of(narrow, body)
}

fn is_counter(phi: InstructionValue<'_>) -> bool {
    phi.get_opcode() == InstructionOpcode::Phi && int_bits(phi).is_some()
}

/// The numbers that a loop makes of these, themselves among them, and their uses as addresses or in decisions.
fn made_of<'ctx>(
    numbers: Vec<InstructionValue<'ctx>>,
    body: &HashSet<BasicBlock<'ctx>>,
) -> HashSet<InstructionValue<'ctx>> {
    let is_made = |user: &InstructionValue<'ctx>| {
        // A number loaded from there is no counter.
        user.get_opcode() != InstructionOpcode::Load
            && user.get_parent().is_some_and(|block| body.contains(&block))
    };
    let mut made = HashSet::new();
    let mut ahead = numbers;
    while let Some(instruction) = ahead.pop() {
        if made.insert(instruction) && int_bits(instruction).is_some() {
            ahead.extend(users(instruction).filter(is_made));
        }
    }
    made
}

fn is_address_or_exit(instruction: InstructionValue<'_>, body: &HashSet<BasicBlock<'_>>) -> bool {
    match instruction.get_opcode() {
        InstructionOpcode::GetElementPtr | InstructionOpcode::IntToPtr => true,
        InstructionOpcode::Br | InstructionOpcode::Switch => {
            let block = instruction.get_parent();
            block.is_some_and(|block| {
                body.contains(&block) && successors(block).iter().any(|it| !body.contains(it))
            })
        }
        _ => false,
    }
}

fn int_bits(instruction: InstructionValue<'_>) -> Option<u32> {
    match instruction.as_any_value_enum() {
        AnyValueEnum::IntValue(value) => Some(value.get_type().get_bit_width()),
        AnyValueEnum::PhiValue(phi) => match phi.as_basic_value() {
            BasicValueEnum::IntValue(value) => Some(value.get_type().get_bit_width()),
            _ => None,
        },
        _ => None,
    }
}

/// Whether an instruction makes, or uses, a counter of less than 32 bits in LLVM's eyes.
fn narrows(instruction: InstructionValue<'_>) -> bool {
    let operand = |index| instruction.get_operand(index)?.value();
    let bits = int_bits(instruction);
    let by_constant = || operand(1).is_some_and(|it| constants(it).is_some());
    match instruction.get_opcode() {
        InstructionOpcode::And | InstructionOpcode::URem | InstructionOpcode::SRem => {
            bits.is_some() && by_constant()
        }
        InstructionOpcode::AShr => {
            let shifted = operand(0).and_then(instruction_of);
            let is_shift = |it: InstructionValue<'_>| it.get_opcode() == InstructionOpcode::Shl;
            bits.is_some() && by_constant() && shifted.is_some_and(is_shift)
        }
        InstructionOpcode::Trunc => bits.is_some_and(|bits| bits < COUNTER_BITS),
        InstructionOpcode::SExt | InstructionOpcode::ZExt => match operand(0) {
            // A single bit is a comparison's result.
            Some(BasicValueEnum::IntValue(value)) => {
                (2..COUNTER_BITS).contains(&value.get_type().get_bit_width())
            }
            _ => false,
        },
        _ => false,
    }
}

/// Tells the vectorizer to leave the loop alone that is repeated from here.
fn leave_alone<'ctx>(module: &LlvmModule<'ctx>, latch: BasicBlock<'ctx>) {
    let Some(last) = latch.get_terminator() else {
        return;
    };
    let context = module.get_context();
    let kind = context.get_kind_id("llvm.loop");
    let key = context.metadata_string("llvm.loop.vectorize.enable");
    let no = context.bool_type().const_zero();
    let property = context.metadata_node(&[key.into(), no.into()]);
    // A loop's metadata is a node that begins with itself, so that no two are the same.
    let node = context.metadata_node(&[property.into(), property.into()]);
    // SAFETY: the node is alive, has two operands, and is in the context of the replacement of the first.
    unsafe {
        let itself = LLVMValueAsMetadata(node.as_value_ref());
        LLVMReplaceMDNodeOperandWith(node.as_value_ref(), 0, itself);
    }
    // Fails for values that are no instruction only.
    let _ = last.set_metadata(node, kind);
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::target::{self, Processor};
    use inkwell::context::Context;
    use inkwell::memory_buffer::MemoryBuffer;
    use inkwell::passes::PassBuilderOptions;

    /// The vectorizer's result for a loop in whose rounds `%i` counts up to `%n`, with a comparison as 64 bits.
    fn vectorized(guard: bool, address: &str) -> String {
        let text = format!(
            "define void @f(ptr %x, ptr %y, i64 %n) {{
            entry:
                br label %loop
            loop:
                %i = phi i32 [ 0, %entry ], [ %next, %loop ]
                {address}
                %wide = zext i32 %i to i64
                %p = getelementptr i8, ptr %y, i64 %wide
                %q = getelementptr i8, ptr %x, i64 %at
                %a = load i8, ptr %p
                %b = load i8, ptr %q
                %c = xor i8 %a, %b
                store i8 %c, ptr %q
                %next = add i32 %i, 1
                %reached = zext i32 %next to i64
                %more = icmp ult i64 %reached, %n
                br i1 %more, label %loop, label %exit
            exit:
                ret void
            }}"
        );
        let context = Context::create();
        let buffer = MemoryBuffer::create_from_memory_range_copy(text.as_bytes(), "test");
        let module = context.create_module_from_ir(buffer).expect("it is IR");
        if guard {
            keep_scalar(&module);
        }
        module.verify().expect("it is IR");
        module.set_triple(&target::triple());
        let machine = target::machine(&Processor::named("generic", false)).expect("it is x86");
        let passes = PassBuilderOptions::create();
        passes.set_loop_vectorization(true);
        module
            .run_passes("loop-vectorize", &machine, passes)
            .expect("it is a pass");
        module.print_to_string().to_string()
    }

    const MASKED: &str = "%low = and i32 %i, 15
        %at = zext i32 %low to i64";

    /// A version of LLVM for which this fails needs the guard no more; see `docs/llvm.md`.
    #[test]
    fn llvm_does_not_check_the_masked_counter_without_the_guard() {
        let text = vectorized(false, MASKED);
        assert!(text.contains("vector.body"), "{text}");
        let checks = |line: &&str| line.contains("icmp") && line.trim_end().ends_with(", 15");
        assert_eq!(text.lines().filter(checks).count(), 0, "{text}");
    }

    #[test]
    fn loops_with_a_narrow_counter_in_an_address_stay_scalar() {
        for address in [
            MASKED,
            "%low = trunc i32 %i to i8
            %at = zext i8 %low to i64",
            "%up = shl i32 %i, 24
            %low = ashr i32 %up, 24
            %at = sext i32 %low to i64",
            "%low = urem i32 %i, 16
            %twice = shl i32 %low, 1
            %at = zext i32 %twice to i64",
        ] {
            let text = vectorized(true, address);
            assert!(!text.contains("vector.body"), "{text}");
        }
    }

    #[test]
    fn other_loops_are_vectorized() {
        let whole = "%at = zext i32 %i to i64";
        assert!(vectorized(true, whole).contains("vector.body"));
        let masked_elsewhere = "%at = zext i32 %i to i64
            %low = and i32 %i, 15
            %odd = icmp eq i32 %low, 3";
        assert!(vectorized(true, masked_elsewhere).contains("vector.body"));
    }
}
