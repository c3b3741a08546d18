//! Shapes of control flow in functions entered at their start: blocks, joins, unreachable code, work.

use std::sync::atomic::AtomicU32;

use upshift_translate::{EntryPoint, Mode, Stop, TranslateProblem, translate};

use crate::recorder::Recorder;
use crate::{assert_lines, function, index, parse};

#[test]
fn straight_code_is_one_block() {
    let text = function(
        "(module (func (param i32) (result i32)
           (block (result i32) (block (nop)) (i32.add (local.get 0) (i32.const 1)))))",
    );
    assert_lines(
        &text,
        "b0:
           poll_entry work 3
           v0 = local_get 0
           v1 = i32 1
           v2 = Add I32 v0 v1
           return v2",
    );
}

#[test]
fn a_branch_target_takes_the_labels_own_values() {
    let text = function(
        "(module (func (param i32) (result i32)
           (i32.const 7)
           (block (result i32)
             (br_if 0 (i32.const 8) (local.get 0))
             (drop) (i32.const 9))
           (i32.add)))",
    );
    assert_lines(
        &text,
        "b0:
           poll_entry work 7
           v0 = i32 7
           v1 = i32 8
           v2 = local_get 0
           branch_if v2 b1(v1) b2
         b2:
           v3 = i32 9
           jump b1(v3)
         b1(v4):
           v5 = Add I32 v0 v4
           return v5",
    );
}

#[test]
fn an_if_without_else_passes_its_parameters_on() {
    let text = function(
        "(module (func (param i32 i64) (result i64)
           (local.get 1)
           (if (param i64) (result i64) (local.get 0)
             (then (i64.add (i64.const 1))))))",
    );
    assert_lines(
        &text,
        "b0:
           poll_entry work 5
           v0 = local_get 1
           v1 = local_get 0
           branch_if v1 b1 b2
         b1:
           v2 = i64 1
           v3 = Add I64 v0 v2
           jump b3(v3)
         b2:
           jump b3(v0)
         b3(v4):
           return v4",
    );
}

#[test]
fn an_arm_that_does_not_end_needs_no_join() {
    let text = function(
        "(module (func (param i32)
           (if (local.get 0) (then (unreachable)))
           (drop (i32.const 1))))",
    );
    assert_lines(
        &text,
        "b0:
           poll_entry work 5
           v0 = local_get 0
           branch_if v0 b1 b2
         b1:
           trap Unreachable
         b2:
           v1 = i32 1
           return",
    );
}

#[test]
fn both_arms_start_with_the_same_operands() {
    let text = function(
        "(module (func (param i32) (result i32 i32)
           (i32.const 1) (i32.const 2)
           (if (param i32 i32) (result i32 i32) (local.get 0)
             (then (drop) (drop) (i32.const 3) (i32.const 4))
             (else (i32.const 5) (i32.add)))))",
    );
    // Four operators before the arms, and four in the longer one.
    assert_lines(
        &text,
        "b0:
           poll_entry work 8
           v0 = i32 1
           v1 = i32 2
           v2 = local_get 0
           branch_if v2 b1 b2
         b1:
           v3 = i32 3
           v4 = i32 4
           jump b3(v3 v4)
         b2:
           v5 = i32 5
           v6 = Add I32 v1 v5
           jump b3(v0 v6)
         b3(v7 v8):
           return v7 v8",
    );
}

#[test]
fn nothing_unreachable_is_emitted_or_counted() {
    let text = function(
        "(module (func (param i32) (result i32)
           (block (result i32)
             (br 0 (i32.const 1))
             (i32.add) (drop)
             (block (loop (if (i32.const 2) (then (br 2)) (else (unreachable)))))
             (i32.const 3) (br 0) (i32.const 4))
           (return)
           (loop (br 0))))",
    );
    assert_lines(
        &text,
        "b0:
           poll_entry work 3
           v0 = i32 1
           jump b1(v0)
         b1(v1):
           return v1",
    );
}

#[test]
fn values_above_a_branchs_arguments_are_left_behind() {
    let text = function(
        "(module (func (param i32)
           (block
             (i32.const 1) (i32.const 2)
             (br_if 0 (local.get 0))
             (drop) (drop))))",
    );
    assert_lines(
        &text,
        "b0:
           poll_entry work 6
           v0 = i32 1
           v1 = i32 2
           v2 = local_get 0
           branch_if v2 b1 b2
         b2:
           jump b1
         b1:
           return",
    );
}

#[test]
fn a_loop_has_its_parameters_in_the_header_and_polls_with_all_operands() {
    let text = function(
        "(module (func (param i32) (result i64 i32)
           (i64.const 5)
           (i32.const 6)
           (loop (param i32) (result i32)
             (i32.add (i32.const 1))
             (br_if 0 (local.get 0)))))",
    );
    assert_lines(
        &text,
        "b0:
           poll_entry work 2
           v0 = i64 5
           v1 = i32 6
           jump b1(v1)
         b1(v2):
           poll_loop 0 [v0 v2] work 4
           v3 = i32 1
           v4 = Add I32 v2 v3
           v5 = local_get 0
           branch_if v5 b1(v4) b2
         b2:
           return v0 v4",
    );
}

#[test]
fn a_branch_table_passes_arguments_once_to_each_label() {
    let text = function(
        "(module (func (param i32) (result i32)
           (i32.const 1)
           (loop (param i32) (result i32)
             (block (param i32) (result i32)
               (local.get 0)
               (br_table 0 1 2 0)))))",
    );
    assert_lines(
        &text,
        "b0:
           poll_entry work 1
           v0 = i32 1
           jump b1(v0)
         b1(v1):
           poll_loop 0 [v1] work 2
           v2 = local_get 0
           branch_table [0 1 2 0] v2 b2(v1) b1(v1) b3(v1)
         b2(v3):
           jump b3(v3)
         b3(v4):
           return v4",
    );
}

#[test]
fn a_branch_table_of_the_default_alone_is_a_jump() {
    let text = function("(module (func (param i32) (block (br_table 0 (local.get 0)))))");
    assert_lines(
        &text,
        "b0:
           poll_entry work 2
           v0 = local_get 0
           jump b1
         b1:
           return",
    );
}

#[test]
fn branches_to_the_functions_label_return() {
    let text = function(
        "(module (func (param i32) (result i32)
           (br_if 0 (i32.const 1) (local.get 0))
           (if (local.get 0) (then (br 1 (i32.const 2))))
           (drop) (return (i32.const 3))))",
    );
    assert_lines(
        &text,
        "b0:
           poll_entry work 10
           v0 = i32 1
           v1 = local_get 0
           branch_if v1 b1(v0) b2
         b2:
           v2 = local_get 0
           branch_if v2 b3 b4
         b3:
           v3 = i32 2
           return v3
         b4:
           v4 = i32 3
           return v4
         b1(v5):
           return v5",
    );
}

#[test]
fn work_excludes_inner_loops_and_is_never_zero() {
    let text = function(
        "(module (func
           (i32.const 1) (drop)
           (loop
             (i32.const 2) (drop) (i32.const 3) (drop)
             (loop (i32.const 4) (drop) (nop) (block))
             (loop)
             (i32.const 5) (drop))
           (i32.const 6) (drop)))",
    );
    let polls: Vec<&str> = text
        .lines()
        .map(str::trim)
        .filter(|l| l.starts_with("poll"))
        .collect();
    let expected = [
        "poll_entry work 4",
        "poll_loop 0 [] work 6",
        "poll_loop 1 [] work 2",
        "poll_loop 2 [] work 1",
    ];
    assert_eq!(polls, expected);
}

#[test]
fn of_a_branch_tables_arms_one_is_work() {
    let arm = "(i32.const 1) (drop) (i32.const 2) (drop)";
    let text = function(&format!(
        "(module (func (param i32)
           (loop
             (block
               (block (block (block (block
                 (br_table 0 1 2 3 (local.get 0)))
                 {arm}) {arm}) {arm}) {arm})
             (i32.const 3) (drop))
           (i32.const 4) (drop)))"
    ));
    let polls: Vec<&str> = (text.lines().map(str::trim))
        .filter(|line| line.starts_with("poll"))
        .collect();
    // Two operators, one arm in the mean, and two more behind the block that is around all.
    assert_eq!(polls, ["poll_entry work 2", "poll_loop 0 [] work 8"]);
}

#[test]
fn unreachable_loops_have_numbers() {
    let text = function(
        "(module (func
           (block (br 0) (loop (loop)))
           (loop)
           (block (loop (br 1)) (loop))
           (loop)))",
    );
    let polls: Vec<&str> = text
        .lines()
        .map(str::trim)
        .filter(|l| l.starts_with("poll_loop"))
        .collect();
    assert_eq!(
        polls,
        [
            "poll_loop 2 [] work 1",
            "poll_loop 3 [] work 1",
            "poll_loop 5 [] work 1"
        ]
    );
}

#[test]
fn what_follows_a_loop_that_never_ends_is_unreachable() {
    let text = function("(module (func (result i32) (loop (br 0)) (i32.const 1)))");
    assert_lines(
        &text,
        "b0:
           poll_entry work 1
           jump b1
         b1:
           poll_loop 0 [] work 1
           jump b1",
    );
}

#[test]
fn calls_take_arguments_and_leave_results() {
    let text = function(
        "(module
           (type $swap (func (param i32 f64) (result f64 i32)))
           (func (param i32) (result f64 i32)
             (local f64)
             (call 1 (i32.const 1) (f64.const 0))
             (local.set 0)
             (local.set 1)
             (call_indirect 0 (type $swap) (local.get 0) (local.get 1) (i32.const 5)))
           (func (type $swap) (unreachable))
           (table 1 funcref))",
    );
    assert_lines(
        &text,
        "b0:
           poll_entry work 9
           v0 = i32 1
           v1 = f64 0x0
           v2 v3 = call 1 v0 v1
           local_set 0 v3
           local_set 1 v2
           v4 = local_get 0
           v5 = local_get 1
           v6 = i32 5
           v7 v8 = call_indirect 0 0 v6 v4 v5
           return v7 v8",
    );
}

#[test]
fn a_long_branch_table_is_left_when_the_walk_is_to_end() {
    let ended = |cases: usize| {
        let labels = "0 ".repeat(cases);
        let module = parse(&format!("(module (func i32.const 0 br_table {labels} 0))"));
        let flag = AtomicU32::new(0);
        let mut recorder = Recorder::new(&module, 0).setting(&flag);
        let mode = Mode {
            stop: Stop::when_set(&flag),
            ..EntryPoint::Function.into()
        };
        let translated = translate(&module, index(0), &mut recorder, mode);
        translated.err().map(|error| error.problem().clone())
    };
    assert_eq!(ended(100), None);
    let stopped = ended(10_000);
    assert!(matches!(stopped, Some(TranslateProblem::Stopped)));
}
