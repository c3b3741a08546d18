//! Loops that a compiler unrolled, which the LLVM tier rolls up again where that makes no difference.

use upshift::{Config, Engine, Instance, Module, Store, TierMode};

use crate::before_passes;

/// A module whose `run` goes through a loop with two arguments and a counter in local 2, on memory that begins with the bytes
/// from 1 on, and returns the last counter.
fn module(body: &str) -> String {
    let bytes: String = (1..=128).map(|byte| format!("\\{byte:02x}")).collect();
    format!(
        "(module (memory (export \"memory\") 1)
            (data (i32.const 0) \"{bytes}\")
            (func (export \"run\") (param i32 i32) (result i32) (local i32 i32 i32)
                (local.set 2 (local.get 0))
                {body}
                (local.get 2)))"
    )
}

/// What `run` returns, and memory afterwards; none of it after a trap, which may come early.
fn run(text: &str, config: &Config, arguments: (i32, i32)) -> Option<(i32, Vec<u8>)> {
    let engine = Engine::new(config).unwrap();
    let module = Module::new(&engine, text).unwrap();
    let mut store = Store::new(&engine, ());
    let instance = Instance::new(&mut store, &module, &[]).unwrap();
    let run = instance
        .get_typed_func::<(i32, i32), i32>(&mut store, "run")
        .unwrap();
    let result = run.call(&mut store, arguments).ok()?;
    let memory = instance.get_memory(&mut store, "memory").unwrap();
    Some((result, memory.data(&store).to_vec()))
}

/// Both tiers must agree on results and memory.
fn agree(body: &str, arguments: &[(i32, i32)]) {
    let text = module(body);
    for &arguments in arguments {
        let mut llvm = Config::new();
        llvm.tier(TierMode::Optimizing);
        let mut baseline = Config::new();
        baseline.tier(TierMode::Baseline);
        let expected = run(&text, &baseline, arguments);
        assert_eq!(
            run(&text, &llvm, arguments),
            expected,
            "{arguments:?} {body}"
        );
    }
}

/// How many stores are left of the loop before LLVM's own passes.
fn stores(body: &str) -> usize {
    let text = before_passes(&module(body));
    let is_store = |line: &&str| line.contains(" store ") && !line.contains(" volatile ");
    text.lines().filter(is_store).count()
}

/// A loop of two parts, which goes on until the counter is what is given.
fn pair(first: &str, second: &str, step: i32, end: &str) -> String {
    format!(
        "(local.set 4 {end})
        (loop {first} {second} (br_if 0 (i32.ne
            (local.tee 2 (i32.add (local.get 2) (i32.const {step}))) (local.get 4))))"
    )
}

/// `memory[to] = memory[from] + 3`, relative to the counter.
fn move_byte(to: i32, from: i32) -> String {
    format!(
        "(i32.store8 (i32.add (local.get 2) (i32.const {to}))
            (i32.add (i32.load8_u (i32.add (local.get 2) (i32.const {from}))) (i32.const 3)))"
    )
}

#[test]
fn copies_are_rolled_up() {
    let body = pair(&move_byte(64, 0), &move_byte(65, 1), 2, "(i32.const 32)");
    // Begun at an odd number, it goes past the end.
    assert_eq!(stores(&body), 2);
    let end = "(i32.add (local.get 0) (i32.and (local.get 1) (i32.const -2)))";
    let body = pair(&move_byte(64, 0), &move_byte(65, 1), 2, end);
    assert_eq!(stores(&body), 1);
    agree(&body, &[(0, 32), (1, 33), (5, 8), (7, 3)]);
}

#[test]
fn a_loop_that_goes_on_while_its_counter_is_at_the_bound_is_left_alone() {
    let end = "(i32.add (local.get 0) (i32.and (local.get 1) (i32.const -2)))";
    let body = pair(&move_byte(64, 0), &move_byte(65, 1), 2, end).replace("i32.ne", "i32.eq");
    assert_eq!(stores(&body), 2);
    agree(&body, &[(0, 0), (0, 2), (4, 2), (4, 8)]);
}

#[test]
fn a_round_that_reads_what_the_round_before_wrote_does_so_still() {
    let end = "(i32.add (local.get 0) (i32.and (local.get 1) (i32.const -4)))";
    for (to, from) in [(1, 0), (2, 0), (4, 0), (0, 1), (0, 3), (7, 0)] {
        let copies: String = (0..4).map(|i| move_byte(to + i, from + i)).collect();
        let body = pair(&copies, "", 4, end);
        // LLVM hands on what is written and read within one round, and then the copies differ.
        let handed_on = to - from == 1;
        assert_eq!(stores(&body), if handed_on { 4 } else { 1 }, "{to} {from}");
        agree(&body, &[(0, 32), (1, 33), (5, 8), (7, 4)]);
    }
}

#[test]
fn what_is_read_ahead_of_an_earlier_write_stays_so() {
    // Both loads come before both stores, the second of which would read what the first wrote.
    let load = |from: i32| format!("(i32.load8_u (i32.add (local.get 2) (i32.const {from})))");
    let first = format!(
        "(local.set 3 {}) (i32.store8 (i32.add (local.get 2) (i32.const 1)) {})",
        load(1),
        load(0)
    );
    let second = "(i32.store8 (i32.add (local.get 2) (i32.const 2)) (local.get 3))";
    let end = "(i32.add (local.get 0) (i32.const 32))";
    let body = pair(&first, second, 2, end);
    assert_eq!(stores(&body), 2);
    agree(&body, &[(0, 0), (2, 0), (16, 0)]);
}

#[test]
fn copies_that_differ_are_left_alone() {
    let end = "(i32.add (local.get 0) (i32.and (local.get 1) (i32.const -2)))";
    for (to, from) in [(66, 1), (65, 2), (64, 1), (65, 0)] {
        let body = pair(&move_byte(64, 0), &move_byte(to, from), 2, end);
        assert_eq!(stores(&body), 2, "{to} {from}");
        agree(&body, &[(0, 32), (1, 33), (5, 8)]);
    }
}

#[test]
fn a_bound_that_is_missed_by_whole_steps_is_not_met_by_parts() {
    // Met after a round of three, or never, and then the loop leaves memory.
    let body = pair(
        &(move_byte(64, 0) + &move_byte(65, 1)),
        &move_byte(66, 2),
        3,
        "(i32.const 31)",
    );
    agree(&body, &[(1, 0), (4, 0), (0, 0), (2, 0)]);
    let odd = pair(&move_byte(64, 0), &move_byte(65, 1), 2, "(local.get 1)");
    assert_eq!(stores(&odd), 2);
    agree(&odd, &[(0, 32), (1, 31)]);
}

#[test]
fn a_constant_bound_may_be_met_after_three() {
    let body = pair(
        &(move_byte(64, 0) + &move_byte(65, 1)),
        &move_byte(66, 2),
        3,
        "(i32.add (local.get 0) (i32.const 30))",
    );
    assert_eq!(stores(&body), 1);
    agree(&body, &[(0, 0), (7, 0), (20, 0)]);
}

#[test]
fn what_held_of_even_counters_only_is_not_assumed_of_odd_ones() {
    // `x | 1` is a sum as long as `x` is even.
    let store = |at: &str, value: &str| format!("(i32.store8 {at} (i32.mul {value} {value}))");
    let even = "(i32.shl (i32.shr_u (local.get 2) (i32.const 1)) (i32.const 1))";
    let next = format!("(i32.or {even} (i32.const 1))");
    let body =
        store("(local.get 2)", even) + &store("(i32.add (local.get 2) (i32.const 1))", &next);
    let end = "(i32.add (local.get 0) (i32.const 40))";
    agree(&pair(&body, "", 2, end), &[(0, 0), (1, 0), (2, 0), (9, 0)]);
    let masked = "(i32.and (local.get 2) (i32.const 62))";
    let body = format!(
        "(i32.store8 {masked} (local.get 2))
        (i32.store8 (i32.or {masked} (i32.const 1)) (i32.add (local.get 2) (i32.const 1)))"
    );
    agree(&pair(&body, "", 2, end), &[(0, 0), (1, 0), (2, 0), (9, 0)]);
}

#[test]
fn the_offset_in_an_access_does_not_wrap_around() {
    let store = |offset: i32| format!("(i32.store8 offset={offset} (local.get 2) (local.get 2))");
    let fixed = |offset: i32| format!("(i32.store8 offset={offset} (local.get 2) (i32.const 9))");
    let end = "(i32.add (local.get 0) (i32.and (local.get 1) (i32.const -2)))";
    assert_eq!(stores(&pair(&store(0), &store(1), 2, end)), 2);
    let body = pair(&fixed(0), &fixed(1), 2, end);
    assert_eq!(stores(&body), 1);
    // From the last byte below 4 GiB on, and from the last two in bounds.
    agree(&body, &[(0, 20), (3, 20), (-1, 4), (-2, 4), (65534, 2)]);
}
