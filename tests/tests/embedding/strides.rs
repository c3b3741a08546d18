//! Loops that go through memory in strides, whose addresses the LLVM tier counts in 64 bits.

use upshift::{
    CodeForm, Config, Engine, EntryPoint, FunctionTier, Instance, Module, Store, TierMode, TrapCode,
};

use crate::before_passes;

/// A module whose `run` goes through a loop with two arguments, of which the first is a counter, too.
fn module(body: &str) -> String {
    format!(
        "(module (memory (export \"memory\") 1)
            (func (export \"run\") (param i32 i32) (result i32) (local i32 i32)
                (loop {body})
                (local.get 2)))"
    )
}

/// What `run` returns and leaves in memory, or its trap.
fn run(text: &str, tier: TierMode, arguments: (i32, i32)) -> Result<(i32, Vec<u8>), TrapCode> {
    let mut config = Config::new();
    config.tier(tier);
    let engine = Engine::new(&config).unwrap();
    let module = Module::new(&engine, text).unwrap();
    let mut store = Store::new(&engine, ());
    let instance = Instance::new(&mut store, &module, &[]).unwrap();
    let memory = instance.get_memory(&mut store, "memory").unwrap();
    for (place, byte) in memory.data_mut(&mut store).iter_mut().enumerate() {
        *byte = (place % 251) as u8;
    }
    let run = instance
        .get_typed_func::<(i32, i32), i32>(&mut store, "run")
        .unwrap();
    match run.call(&mut store, arguments) {
        Ok(result) => Ok((result, memory.data(&store).to_vec())),
        Err(error) => Err(error.as_trap().expect("a trap").code()),
    }
}

/// Both tiers must agree, if not on what is left in memory after a trap. Counts the traps.
fn agree(body: &str, arguments: &[(i32, i32)]) -> usize {
    let text = module(body);
    let mut traps = 0;
    for &arguments in arguments {
        let expected = run(&text, TierMode::Baseline, arguments);
        traps += usize::from(expected.is_err());
        let found = run(&text, TierMode::Optimizing, arguments);
        assert!(found == expected, "{arguments:?} {body}");
    }
    traps
}

/// Whether addresses are counted in 64 bits, before LLVM's own passes.
fn is_widened(body: &str) -> bool {
    before_passes(&module(body)).contains(" phi i64 ")
}

/// Adds the number at an address to the result, and writes it back larger by one.
fn touch(address: &str) -> String {
    format!(
        "(local.set 2 (i32.add (local.get 2) (i32.load16_u {address})))
         (i32.store16 {address} (i32.add (i32.load16_u {address}) (i32.const 1)))"
    )
}

/// Goes on until the first counter meets the second argument.
fn until_equal(step: i32) -> String {
    format!(
        "(br_if 0 (i32.ne
            (local.tee 0 (i32.add (local.get 0) (i32.const {step}))) (local.get 1)))"
    )
}

#[test]
fn a_loop_that_goes_on_while_its_counter_is_at_the_bound_is_not_counted() {
    let while_equal = until_equal(4).replace("i32.ne", "i32.eq");
    let body = touch("(local.get 0)") + &while_equal;
    assert!(!is_widened(&body));
    assert_eq!(agree(&body, &[(0, 0), (0, 4), (8, 400), (400, 8)]), 0);
}

#[test]
fn a_loop_that_begins_below_zero_traps_before_it_reaches_the_memory() {
    let begin = "(local.set 1 (i32.sub (i32.and (local.get 0) (i32.const 16380)) (i32.const 8)))";
    let body = touch("(i32.add (local.get 1) (local.get 3))")
        + "(br_if 0 (i32.ne
            (local.tee 3 (i32.add (local.get 3) (i32.const 8))) (i32.const 40)))";
    let text = module(&body).replace("(loop", &format!("{begin} (loop"));
    assert!(before_passes(&text).contains(" phi i64 "));
    for start in [0, 4, 8, 400] {
        let llvm = run(&text, TierMode::Optimizing, (start, 0));
        assert!(
            llvm == run(&text, TierMode::Baseline, (start, 0)),
            "{start}"
        );
        assert_eq!(llvm.is_err(), start < 8, "{start}");
    }
}

#[test]
fn a_pointer_that_advances_meets_its_end_or_the_memorys() {
    for step in [1, 4, 8, 640] {
        let body = touch("(local.get 0)") + &until_equal(step);
        assert!(is_widened(&body), "{step}");
        let arguments = [
            (0, step * 100),
            (7, 7 + step),
            (65536 - 2 * step - 2, 65536 - 2),
            // Behind the end of memory: by one, from the start, and at the end of all addresses.
            (65536 - step, 65536 + step),
            (65536, 65536 + step),
            (-step, step),
            // It never meets an end that it begins at or behind.
            (4096, 4096),
            (4096, 4096 - step),
        ];
        assert_eq!(agree(&body, &arguments), 5, "{step}");
    }
}

#[test]
fn a_pointer_that_misses_its_end_leaves_memory() {
    let body = touch("(local.get 0)") + &until_equal(8);
    assert_eq!(agree(&body, &[(0, 4), (8, 65533), (1, 0), (3, 11)]), 3);
    // What it misses does not matter if it is no address.
    let apart = touch("(local.get 3)")
        + "(local.set 3 (i32.add (local.get 3) (i32.const 2)))"
        + &until_equal(8);
    assert!(!is_widened(&apart));
    assert_eq!(agree(&apart, &[(0, 4), (0, 64)]), 1);
}

#[test]
fn an_index_is_counted_from_wherever_it_begins() {
    let scaled = "(i32.add (i32.const 4096) (i32.shl (local.get 0) (i32.const 3)))";
    for address in [
        scaled,
        "(i32.mul (local.get 0) (i32.const 24))",
        "(i32.sub (i32.shl (local.get 0) (i32.const 4)) (i32.shl (local.get 0) (i32.const 2)))",
    ] {
        let body = touch(address) + &until_equal(1);
        assert!(is_widened(&body), "{address}");
        let arguments = [(0, 10), (3, 4), (100, 2000), (-4, 20), (5, 5), (0, 1 << 20)];
        let traps = agree(&body, &arguments);
        // From below zero on, one begins behind the other's constant.
        assert_eq!(traps, if address == scaled { 2 } else { 3 }, "{address}");
    }
}

#[test]
fn a_counter_that_goes_down_counts_as_well() {
    let body = touch("(local.get 3)")
        + "(local.set 3 (i32.add (local.get 3) (i32.const 8)))"
        + &until_equal(-1);
    assert!(is_widened(&body));
    let arguments = [(10, 0), (8192, 0), (8193, 0), (0, 0), (5, 4), (4, 5)];
    assert_eq!(agree(&body, &arguments), 3);
    // Addresses that go down are left alone.
    let body = touch("(local.get 0)") + &until_equal(-4);
    assert!(!is_widened(&body));
    assert_eq!(agree(&body, &[(400, 0), (400, -4), (400, -8)]), 1);
}

#[test]
fn a_counter_that_is_compared_before_it_advances_makes_one_round_more() {
    let body = touch("(local.get 0)")
        + "(local.set 3 (local.get 0))
           (local.set 0 (i32.add (local.get 0) (i32.const 4)))
           (br_if 0 (i32.ne (local.get 3) (local.get 1)))";
    assert!(is_widened(&body));
    let arguments = [(0, 0), (0, 400), (65532, 65532), (65532, 65536), (8, 4)];
    assert_eq!(agree(&body, &arguments), 2);
}

#[test]
fn what_may_end_in_another_way_is_not_ended_early() {
    // The host's end and other traps come before that of an access out of bounds much later.
    let divided = touch("(local.get 0)")
        + "(local.set 2 (i32.div_u (local.get 2) (i32.sub (i32.const 64) (local.get 0))))"
        + &until_equal(4);
    assert!(!is_widened(&divided));
    let text = module(&divided);
    let trap = run(&text, TierMode::Optimizing, (0, 1 << 20));
    assert_eq!(trap, Err(TrapCode::IntegerDivideByZero));
    assert_eq!(agree(&divided, &[(0, 1 << 20), (0, 64), (128, 256)]), 1);
}

/// `to[i] += from[80 * i]` in 64 bits, `n` times, with strides of 8 and 640 bytes.
const STRIDES: &str = "(module (memory (export \"memory\") 1)
    (func (export \"run\") (param i32 i32 i32)
        (loop
            (i64.store (local.get 0)
                (i64.add (i64.load (local.get 0)) (i64.load (local.get 1))))
            (local.set 0 (i32.add (local.get 0) (i32.const 8)))
            (local.set 1 (i32.add (local.get 1) (i32.const 640)))
            (br_if 0 (local.tee 2 (i32.sub (local.get 2) (i32.const 1)))))))";

#[test]
fn objects_that_are_gone_through_at_different_strides_are_taken_for_apart_only_where_they_are() {
    let mut config = Config::new();
    config.tier(TierMode::Optimizing);
    let module = Module::new(&Engine::new(&config).unwrap(), STRIDES).unwrap();
    let (tier, entry) = (FunctionTier::Optimizing, EntryPoint::Function);
    let text = module.emit(0, tier, entry, CodeForm::Intermediate).unwrap();
    assert!(text.contains(" x i64>"), "{text}");
    assert!(!text.contains("@object"), "{text}");
    let memories = |tier| -> Vec<Vec<u8>> {
        let mut config = Config::new();
        config.tier(tier);
        let engine = Engine::new(&config).unwrap();
        let module = Module::new(&engine, STRIDES).unwrap();
        let mut store = Store::new(&engine, ());
        let instance = Instance::new(&mut store, &module, &[]).unwrap();
        let memory = instance.get_memory(&mut store, "memory").unwrap();
        let run = instance
            .get_typed_func::<(i32, i32, i32), ()>(&mut store, "run")
            .unwrap();
        let cases = [
            (0, 8192, 80),
            (0, 8, 64),
            (640, 0, 90),
            (1280, 1280, 64),
            (4096, 3, 100),
        ];
        let after = cases.map(|arguments| {
            for (place, byte) in memory.data_mut(&mut store).iter_mut().enumerate() {
                *byte = (place % 251) as u8;
            }
            run.call(&mut store, arguments).unwrap();
            memory.data(&store).to_vec()
        });
        after.into()
    };
    assert!(memories(TierMode::Baseline) == memories(TierMode::Optimizing));
}
