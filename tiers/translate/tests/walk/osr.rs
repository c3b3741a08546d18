//! Code entered at a loop: the chain of copies, the header blocks they share, the single copy.

use upshift_translate::{CostLimits, EntryPoint, Mode, Stop, TranslateProblem, enclosing_loops};

use crate::recorder::Recording;
use crate::{assert_lines, check, index, parse, record};

fn enter(text: &str, number: usize, max_chain_bytes: usize) -> Recording {
    let mode = Mode {
        entry: EntryPoint::Loop(index(number)),
        max_chain_bytes,
        polls_in_entries: false,
        limits: CostLimits::NONE,
        stop: Stop::NEVER,
    };
    record(&parse(text), 0, mode).expect("the loop is there")
}

/// The reachable blocks, as text.
fn live(recording: &Recording) -> String {
    let reachable = check::reachable(recording);
    let text = recording.to_string();
    let mut lines = String::new();
    let mut keep = false;
    for line in text.lines() {
        if let Some(block) = line.strip_prefix('b') {
            let number = block.split(['(', ':']).next().unwrap_or_default();
            keep = reachable.contains(&number.parse().expect("a block's number"));
        }
        if keep {
            lines += line;
            lines += "\n";
        }
    }
    lines
}

#[test]
fn a_loop_is_entered_at_its_header_with_the_operands_from_the_cells() {
    let recording = enter(
        "(module (func (param i32) (result i64)
           (i64.const 1)
           (v128.const i64x2 0 0)
           (loop
             (br_if 0 (local.get 0)))
           (drop)))",
        0,
        usize::MAX,
    );
    check::check_reducible(&recording);
    // One local, so operands begin at 16; the vector is aligned.
    assert_lines(
        &live(&recording),
        "b0:
           jump b1
         b1:
           v2 = osr_operand 16 i64
           v3 = osr_operand 32 v128
           jump b3(v2 v3)
         b3(v4 v5):
           v6 = local_get 0
           branch_if v6 b3(v4 v5) b4
         b4:
           return v4",
    );
}

/// Three loops; the constants tell where one is.
const NESTED: &str = "(module (func (param i32)
    (i32.const 1)
    (loop $outer
      (i32.const 10)
      (loop $middle
        (i32.const 100)
        (loop $inner
          (br_if $inner (local.get 0)))
        (drop (i32.add (i32.const 101)))
        (br_if $middle (local.get 0)))
      (drop (i32.add (i32.const 11)))
      (br_if $outer (local.get 0)))
    (drop (i32.add (i32.const 2)))))";

#[test]
fn each_enclosing_loop_has_a_copy_that_is_entered_at_its_header() {
    let recording = enter(NESTED, 2, usize::MAX);
    check::check_reducible(&recording);
    // b3, b5 and b7 are the shared headers, inside out.
    assert_lines(
        &live(&recording),
        "b0:
           jump b1
         b1:
           v3 = osr_operand 16 i32
           v4 = osr_operand 24 i32
           v5 = osr_operand 32 i32
           jump b3(v3 v4 v5)
         b3(v6 v7 v8):
           v9 = local_get 0
           branch_if v9 b3(v6 v7 v8) b4
         b4:
           v10 = i32 101
           v11 = Add I32 v8 v10
           v12 = local_get 0
           branch_if v12 b5(v6 v7) b6
         b6:
           v13 = i32 11
           v14 = Add I32 v7 v13
           v15 = local_get 0
           branch_if v15 b7(v6) b8
         b8:
           v16 = i32 2
           v17 = Add I32 v6 v16
           return
         b5(v20 v21):
           v22 = i32 100
           jump b10(v20 v21 v22)
         b10(v23 v24 v25):
           v26 = local_get 0
           branch_if v26 b10(v23 v24 v25) b11
         b11:
           v27 = i32 101
           v28 = Add I32 v25 v27
           v29 = local_get 0
           branch_if v29 b5(v23 v24) b12
         b12:
           v30 = i32 11
           v31 = Add I32 v24 v30
           v32 = local_get 0
           branch_if v32 b7(v23) b13
         b13:
           v33 = i32 2
           v34 = Add I32 v23 v33
           return
         b7(v36):
           v37 = i32 10
           jump b15(v36 v37)
         b15(v38 v39):
           v40 = i32 100
           jump b16(v38 v39 v40)
         b16(v41 v42 v43):
           v44 = local_get 0
           branch_if v44 b16(v41 v42 v43) b17
         b17:
           v45 = i32 101
           v46 = Add I32 v43 v45
           v47 = local_get 0
           branch_if v47 b15(v41 v42) b18
         b18:
           v48 = i32 11
           v49 = Add I32 v42 v48
           v50 = local_get 0
           branch_if v50 b7(v41) b19
         b19:
           v51 = i32 2
           v52 = Add I32 v41 v51
           return",
    );
}

#[test]
fn the_outermost_loop_needs_one_copy() {
    let recording = enter(NESTED, 0, usize::MAX);
    check::check_reducible(&recording);
    assert_eq!(copies(&recording), 1);
    assert!(live(&recording).contains("i32 10\n"));
}

/// How many copies of the body were made: each has one constant 2 of [`NESTED`].
fn copies(recording: &Recording) -> usize {
    recording.ops().filter(|op| op.text == "i32 2").count()
}

#[test]
fn above_the_cap_one_copy_is_entered_in_the_middle() {
    // The outer loop has a way around the inner one, which itself has two ways back into the outer.
    let text = "(module (func (param i32)
        (loop $outer
          (block $skip
            (if (local.get 0)
              (then (loop $inner (br_if $inner (local.get 0)) (br_if $skip (local.get 0)))))
            (drop (i32.const 1)))
          (br_if $outer (local.get 0)))
        (drop (i32.const 2))))";
    let single = enter(text, 1, 0);
    assert_eq!(copies(&single), 1);
    assert!(!check::is_reducible(&single), "{single}");
    // The cap is on all copies together.
    let size = parse(text).bodies[index(0)].range.len();
    assert_eq!(copies(&enter(text, 1, 2 * size - 1)), 1);
    let chain = enter(text, 1, 2 * size);
    assert_eq!(copies(&chain), 2);
    check::check_reducible(&chain);
}

#[test]
fn loops_that_nothing_goes_back_to_have_no_copy() {
    let recording = enter(
        "(module (func (param i32)
           (loop $outer
             (loop $never
               (loop $inner (br_if $inner (local.get 0)))
               (br_if $outer (local.get 0))))
           (drop (i32.const 2))))",
        2,
        usize::MAX,
    );
    check::check_reducible(&recording);
    assert_eq!(copies(&recording), 2);
}

#[test]
fn code_before_the_loop_and_arms_beside_it_are_dead() {
    let recording = enter(
        "(module (func (param i32) (result i64)
           (i64.const 1)
           (if (result i32) (local.get 0)
             (then (i32.const 10) (loop (br_if 0 (local.get 0))) (drop) (i32.const 11))
             (else (i32.const 20)))
           (drop)))",
        0,
        usize::MAX,
    );
    assert_lines(
        &live(&recording),
        "b0:
           jump b1
         b1:
           v3 = osr_operand 16 i64
           v4 = osr_operand 24 i32
           jump b5(v3 v4)
         b5(v5 v6):
           v7 = local_get 0
           branch_if v7 b5(v5 v6) b6
         b6:
           v8 = i32 11
           jump b7(v5 v8)
         b7(v10 v11):
           return v10",
    );
}

#[test]
fn operands_below_every_kind_of_block_are_sound_from_every_loop() {
    let modules = [
        // Loops in both arms, operands below, inside a loop.
        "(module (func (param i32) (result i32 i64)
           (i32.const 1) (i64.const 2)
           (loop $outer (param i64) (result i64)
             (i32.const 3)
             (if (param i64 i32) (result i64 i32) (local.get 0)
               (then (loop $a (param i64 i32) (result i64 i32) (br_if $a (local.get 0))))
               (else (f32.const 4)
                 (loop $b (br_if $b (local.get 0)) (br_if $outer (i64.const 9) (local.get 0)) (drop))
                 (drop)))
             (drop)
             (br_if $outer (local.get 0)))))",
        // Branch tables that leave several levels at once.
        "(module (func (param i32) (result f64)
           (f64.const 0)
           (loop $l0 (param f64) (result f64)
             (block $b0 (param f64) (result f64)
               (i32.const 5)
               (loop $l1
                 (i64.const 6)
                 (block $b1
                   (loop $l2
                     (br_if $l2 (local.get 0))
                     (br_table $l2 $b1 $l1 $l1 (local.get 0))))
                 (drop)
                 (br_if $l1 (local.get 0)))
               (drop)
               (br_if $b0 (local.get 0))
               (br $l0)))))",
        // An inner `if` whose join replaces the operands below before `else`.
        "(module (func (param i32) (result i32)
           (i32.const 1)
           (loop $outer
             (i32.const 2)
             (if (local.get 0)
               (then
                 (block (br_if 0 (local.get 0)))
                 (loop $inner (br_if $inner (local.get 0))))
               (else (br_if $outer (local.get 0))))
             (drop)
             (br_if $outer (local.get 0)))))",
        NESTED,
    ];
    let mut entered = 0;
    for text in modules {
        let module = parse(text);
        for number in 0.. {
            if enclosing_loops(&module, index(0), index(number)).is_err() {
                break;
            }
            // `record` checks that values dominate their uses.
            check::check_reducible(&enter(text, number, usize::MAX));
            enter(text, number, 0);
            entered += 1;
        }
    }
    assert_eq!(entered, 3 + 3 + 2 + 3);
}

#[test]
fn a_loop_that_is_not_there_is_an_error() {
    let module = parse("(module (func (loop)) (func (block (br 0) (loop))))");
    for (defined, number) in [(0, 1), (1, 0), (1, 1)] {
        let mode = EntryPoint::Loop(index(number)).into();
        let error = record(&module, defined, mode)
            .err()
            .expect("there is no such loop");
        assert_eq!(
            error.problem(),
            &TranslateProblem::NoSuchLoop(index(number))
        );
        assert_eq!(error.function(), index(defined));
    }
}

#[test]
fn enclosing_loops_are_listed_inside_out() {
    let module = parse(
        "(module (func
           (loop (block (loop (if (i32.const 0) (then (loop)) (else (loop)))) (loop)))
           (loop)))",
    );
    let chain = |number| {
        let loops = enclosing_loops(&module, index(0), index(number)).expect("it is there");
        loops
            .iter()
            .map(|of_chain| of_chain.as_u32())
            .collect::<Vec<_>>()
    };
    assert_eq!(chain(0), [0]);
    assert_eq!(chain(1), [1, 0]);
    assert_eq!(chain(2), [2, 1, 0]);
    assert_eq!(chain(3), [3, 1, 0]);
    assert_eq!(chain(4), [4, 0]);
    assert_eq!(chain(5), [5]);
    let missing = enclosing_loops(&module, index(0), index(6)).expect_err("there are six");
    assert_eq!(missing.problem(), &TranslateProblem::NoSuchLoop(index(6)));
}

#[test]
fn entries_that_can_be_left_poll_at_every_header_that_is_come_back_to() {
    let text = "(module (func (param i32)
        (loop (loop (br_if 0 (local.get 0))) (loop (br_if 0 (local.get 0))) (br_if 0 (local.get 0)))))";
    let polls = |polls_in_entries| {
        let mode = Mode {
            polls_in_entries,
            ..Mode::from(EntryPoint::Loop(index(1)))
        };
        let recording = record(&parse(text), 0, mode).expect("the loop is there");
        recording.to_string().matches("poll_loop").count()
    };
    // Two inner loops in the first copy, then all three in the second.
    assert_eq!((polls(false), polls(true)), (0, 5));
}
