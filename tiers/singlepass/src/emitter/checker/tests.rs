//! The checker finds what is made wrong on purpose, where it happens, and has nothing against what the emitter makes.

mod corpus;

use std::sync::Arc;

use upshift_module::{DefinedFuncIndex, EntityRef, Features, LocalIndex, Module, ValType};
use upshift_runtime::{Builtin, ModuleCode, VMOffsets};
use upshift_translate::{
    CallProfile, CodegenSettings, Emitter as _, EntryPoint, FunctionShape, IntBinary, IntCompare,
    IntType, MemoryStyle, Mode, ModuleUnit, Stop, translate, validate,
};

use crate::asm::{Flag, Gpr, Mem, Width, digit, op};
use crate::emitter::state::{FastEmitter, MEMORY, Place, SCRATCH, Scratch, Slot};

fn unit(text: &str, memory: MemoryStyle) -> ModuleUnit {
    let module = Module::parse(text.as_bytes(), &Features::all());
    unit_of(module.unwrap_or_else(|error| panic!("{error}")), memory)
}

fn unit_of(module: Module, memory: MemoryStyle) -> ModuleUnit {
    let module = Arc::new(module);
    let offsets = VMOffsets::new(&module);
    ModuleUnit {
        calls: CallProfile::new(offsets.call_cell_count(), offsets.defined_functions()),
        code: ModuleCode::new(Arc::clone(&module)).unwrap(),
        module,
        offsets,
        settings: CodegenSettings {
            memory,
            count_calls: false,
            count_work: true,
            record_calls: true,
            precise_traps: false,
            check_indices: false,
            check_claims: true,
        },
    }
}

/// Two locals of each kind of integer, a float and a memory.
const PARAMS: &str = "(module (memory 1)
    (func (param i32 i32 i64 i64 f64 f64)))";

/// Compiles a function; whether the single pass takes it.
fn compile(unit: &ModuleUnit, function: DefinedFuncIndex) -> bool {
    validate(&unit.module, function, Stop::NEVER).unwrap();
    let shape = FunctionShape::new(&unit.module, function).unwrap();
    let mut scratch = Scratch::default();
    let mut emitter = FastEmitter::new(unit, &shape, function, &mut scratch);
    let mode = Mode::from(EntryPoint::Function);
    translate(&unit.module, function, &mut emitter, mode).unwrap();
    emitter.finish()
}

fn local(number: usize) -> LocalIndex {
    LocalIndex::new(number)
}

/// Emits by hand.
fn emit(act: impl FnOnce(&mut FastEmitter<'_>)) {
    let unit = unit(PARAMS, MemoryStyle::Guarded);
    let shape = FunctionShape::new(&unit.module, DefinedFuncIndex::new(0)).unwrap();
    let mut scratch = Scratch::default();
    let mut emitter = FastEmitter::new(&unit, &shape, DefinedFuncIndex::new(0), &mut scratch);
    act(&mut emitter);
}

/// The register of an operand.
fn register(emitter: &FastEmitter<'_>, operand: Slot) -> Gpr {
    match emitter.place_of(operand) {
        Place::Gpr(register) => register,
        place => panic!("{place:?} is no register"),
    }
}

#[test]
fn what_the_emitter_makes_is_accepted() {
    let text = r#"(module
        (import "a" "b" (func $import (param i32 i64 f32 f64 i32 i64 i32 i32) (result i32)))
        (memory 1) (memory $other 1) (table 4 funcref) (global $g (mut i64) (i64.const 1))
        (type $pair (func (param i64 i32) (result i64 f64 i32)))
        (func $pair (type $pair)
            (local.get 0) (f64.const 3) (i32.add (local.get 1) (i32.const 1)))
        (func (param i32 i64 f32 f64 v128) (result i32)
            (local i32 i64 v128)
            (if (result i32) (i32.lt_s (local.get 0) (i32.const 5))
                (then (call $import (local.get 5) (local.get 1) (local.get 2) (local.get 3) (local.get 0)
                    (i64.extend_i32_u (local.get 0)) (i32.const 7) (f64.gt (local.get 3) (f64.const 1))))
                (else (i32.trunc_sat_f64_u (local.get 3))))
            (local.tee 5)
            (block $out (param i32) (result i32)
                (loop $again (param i32) (result i32)
                    (i32.load offset=8) (local.tee 0)
                    (br_if $out (f32.eq (local.get 2) (f32.const 0)))
                    (br_if $again (i32.eqz (local.get 0)))
                    (i32.const 3) (i32.rem_s (local.get 0)) (i32.shl (local.get 5))
                    (i32.load $other)
                    (select (i32.const 4) (f64.ne (local.get 3) (f64.const 2)))
                    (br_table $again $out $again (local.get 0)))))
        (func (param i64 i32) (result i64 f64 i32)
            (global.set $g (local.get 0))
            (call $pair (local.get 0) (local.get 1))
            (drop) (drop)
            (call_indirect (type $pair) (local.get 1) (local.get 1))
            (br_if 0 (i64.ge_u (local.get 0) (global.get $g)))
            (drop) (drop) (local.set 0)
            (local.get 0) (f64.convert_i64_u (local.get 0))
            (memory.grow (i32.const 1)) (i32.add (memory.size)))
        (func (param i32) (result i32)
            (i32.const 1) (i32.const 2) (i32.const 3)
            (block (result i32)
                (local.get 0) (i32.const 5)
                (br_if 0 (i32.trunc_f32_u (f32.load (local.get 0))))
                (drop))
            (i32.add) (i32.add) (i32.add)))"#;
    for memory in [MemoryStyle::Guarded, MemoryStyle::Checked] {
        let unit = unit(text, memory);
        for function in unit.module.bodies.keys() {
            assert!(compile(&unit, function));
        }
    }
}

/// More values than are copied one by one: in loops, and by instructions that repeat themselves.
#[test]
fn copies_of_many_values_are_accepted() {
    let (some, many) = ("i64 ".repeat(20), "i64 f32 ".repeat(20));
    let get = |types: &str| -> String {
        let count = types.split_whitespace().count();
        (0..count)
            .map(|local| format!("(local.get {local}) "))
            .collect()
    };
    let (some_values, many_values) = (get(&some), get(&many));
    let text = format!(
        "(module
            (func $some (param {some}) (result {some}) (local {many}) {some_values})
            (func $many (param {many} v128) (result {many} v128 v128)
                (i64.const 7)
                (block (param i64) (result {many} v128 v128)
                    (call $many {many_values} (local.get 40))
                    (br_if 0 (i32.trunc_f32_s (local.get 1)))
                    (br 0))
                (br_if 0 (i32.trunc_f32_s (local.get 1)))
                (br 0))
            (func (param {some} i32) (result {some})
                (i32.const 1)
                (block (param i32) (result {some})
                    {some_values}
                    (call $some)
                    (br_table 0 0 0 (local.get 20)))
                (call $some)
                (if (param {some}) (result {some}) (local.get 20)
                    (then (call $some))
                    (else (call $some)))
                return))"
    );
    let unit = unit(&text, MemoryStyle::Guarded);
    for function in unit.module.bodies.keys() {
        assert!(compile(&unit, function));
    }
}

#[test]
#[should_panic(expected = "local 0 is in general-purpose register 6")]
fn a_register_that_is_written_to_does_not_have_its_local_any_more() {
    emit(|emitter| {
        emitter.local_get(local(0));
        emitter.begin_operator(0);
        let asm = &mut emitter.s.asm;
        asm.int_imm(Width::W32, digit::ADD, Gpr::RSI, 1);
        emitter.check();
    });
}

#[test]
#[should_panic(expected = "operand 0 is in general-purpose register 6")]
fn a_register_that_is_written_to_does_not_have_its_operand_any_more() {
    emit(|emitter| {
        let operand = emitter.local_get(local(0));
        emitter.i32_const(1);
        // In place, though the local is there too.
        let register = register(emitter, operand);
        emitter.s.asm.shift_imm(Width::W32, digit::SHL, register, 1);
        emitter.check();
    });
}

#[test]
#[should_panic(expected = "operand 0 is in general-purpose register")]
fn operands_go_home_before_a_call() {
    emit(|emitter| {
        let (a, b) = (emitter.local_get(local(0)), emitter.local_get(local(1)));
        emitter.int_binary(IntType::I32, IntBinary::Add, a, b);
        emitter.call_stub(Builtin::MemoryGrow);
        emitter.check();
    });
}

#[test]
#[should_panic(expected = "operand 0 is at home")]
fn what_is_to_be_at_home_was_stored() {
    emit(|emitter| {
        let (a, b) = (emitter.local_get(local(2)), emitter.local_get(local(3)));
        let sum = emitter.int_binary(IntType::I64, IntBinary::Add, a, b);
        emitter.s.operands[sum as usize].at_home = true;
        emitter.check();
    });
}

#[test]
#[should_panic(expected = "operand 0 is at home")]
fn what_is_stored_on_one_of_two_ways_is_not_at_home() {
    emit(|emitter| {
        let operand = emitter.local_get(local(2));
        let asm = &mut emitter.s.asm;
        asm.int(Width::W64, op::TEST, Gpr::RDX, Gpr::RDX);
        let skip = asm.skip_if(Flag::E);
        emitter.store_home(operand);
        emitter.s.asm.end_skip(skip);
        emitter.check();
    });
}

#[test]
#[should_panic(expected = "flags of a condition stay until they are read")]
fn flags_are_read_before_they_are_overwritten() {
    emit(|emitter| {
        let (a, b) = (emitter.local_get(local(0)), emitter.local_get(local(1)));
        let less = emitter.int_compare(IntType::I32, IntCompare::LtS, a, b);
        emitter.condition(less);
        // Zero as the emitter makes it where flags do not matter.
        emitter.s.asm.mov_imm(Gpr::RAX, 0);
        emitter.s.asm.cmov(Width::W32, Flag::L, Gpr::RAX, Gpr::RSI);
        emitter.check();
    });
}

#[test]
#[should_panic(expected = "operand 0 is the result of its comparison")]
fn a_comparison_is_made_of_its_operands() {
    emit(|emitter| {
        let (a, b) = (emitter.local_get(local(0)), emitter.local_get(local(1)));
        let less = emitter.int_compare(IntType::I32, IntCompare::LtS, a, b);
        // Another register than the comparison names.
        let asm = &mut emitter.s.asm;
        asm.int(Width::W32, op::CMP, Gpr::RSI, Gpr::RCX);
        asm.set(Flag::L, Gpr::RAX);
        asm.int8(Width::W32, op::MOVZX8, Gpr::RAX, Gpr::RAX);
        emitter.move_to(less, Place::Gpr(Gpr::RAX));
        emitter.check();
    });
}

#[test]
#[should_panic(expected = "is an index: its upper half is zero")]
fn an_index_has_nothing_in_its_upper_half() {
    emit(|emitter| {
        let operand = emitter.local_get(local(2));
        let register = register(emitter, operand);
        let index = emitter.s.asm.i32_index(register, None);
        let place = Mem::new(MEMORY, 0).index(index, 0);
        emitter.s.asm.load(Width::W32, SCRATCH, place);
        emitter.check();
    });
}

#[test]
#[should_panic(expected = "operand 0 is an i32: the upper half of register")]
fn an_i32_has_nothing_in_its_upper_half() {
    emit(|emitter| {
        let operand = emitter.local_get(local(2));
        let register = register(emitter, operand);
        // A wrap that copies nothing.
        emitter.replace(operand, ValType::I32, Place::Gpr(register));
        emitter.check();
    });
}

#[test]
#[should_panic(expected = "is a pointer where it is followed")]
fn numbers_of_the_program_are_not_followed() {
    emit(|emitter| {
        let operand = emitter.local_get(local(2));
        let place = Mem::new(register(emitter, operand), 0);
        emitter.s.asm.load(Width::W64, SCRATCH, place);
        emitter.check();
    });
}

#[test]
#[should_panic(expected = "may trap")]
fn accesses_to_memory_have_a_record() {
    emit(|emitter| {
        emitter.s.asm.load(Width::W32, SCRATCH, Mem::new(MEMORY, 0));
        emitter.check();
    });
}

#[test]
#[should_panic(expected = "a store goes to the home of an operand")]
fn cells_of_locals_are_written_to_by_writes_of_locals_only() {
    emit(|emitter| {
        let place = emitter.local_place(local(1));
        emitter.s.asm.store(Width::W32, place, Gpr::RSI);
        emitter.check();
    });
}

#[test]
#[should_panic(expected = "general-purpose register 6 has 0 operands")]
fn registers_are_free_when_no_operand_is_there() {
    emit(|emitter| {
        emitter.local_get(local(0));
        emitter.gprs.held[usize::from(Gpr::RSI.0)].operands = 0;
        emitter.check();
    });
}

#[test]
#[should_panic(expected = "operand 0 is where block 0 expects it")]
fn branches_pass_what_their_targets_expect() {
    emit(|emitter| {
        let block = emitter.create_block(0, &[ValType::I64]);
        let operand = emitter.local_get(local(2));
        emitter.check_ways(&[(block, &[operand])]);
    });
}
