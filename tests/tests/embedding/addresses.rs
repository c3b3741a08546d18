//! Addresses at both ends of what 32 bits can say, where sums wrap around.

use upshift::{Engine, Instance, Module, Store, TrapCode};

use crate::configs;

/// Calls `run` of a module, with every tier, by default and with precise traps. All must agree.
fn run(body: &str, arguments: (i32, i32)) -> Result<i32, TrapCode> {
    let text = format!(
        "(module (memory 1)
            (data (i32.const 0) \"\\01\\02\\03\\04\\05\\06\\07\\08\\09\\0a\\0b\\0c\\0d\\0e\\0f\\10\")
            (func (export \"run\") (param i32 i32) (result i32) (local i32 i32) {body}))"
    );
    let configs = configs();
    let mut results = configs.iter().map(|config| {
        let engine = Engine::new(config).unwrap();
        let module = Module::new(&engine, &text).unwrap();
        let mut store = Store::new(&engine, ());
        let instance = Instance::new(&mut store, &module, &[]).unwrap();
        let run = instance
            .get_typed_func::<(i32, i32), i32>(&mut store, "run")
            .unwrap();
        let result = run.call(&mut store, arguments);
        result.map_err(|error| error.as_trap().unwrap().code())
    });
    let first = results.next().unwrap();
    for result in results {
        assert_eq!(result, first, "{body}");
    }
    first
}

#[test]
fn a_sum_may_wrap_around_to_an_address_in_bounds() {
    let body = "(i32.add
        (i32.load8_u (i32.add (local.get 0) (i32.const 8)))
        (i32.load8_u (i32.add (local.get 0) (i32.const 11))))";
    assert_eq!(run(body, (-8, 0)), Ok(1 + 4));
    assert_eq!(run(body, (-4, 0)), Ok(5 + 8));
}

#[test]
fn a_sum_that_is_less_than_one_accessed_before_wraps_around_backwards() {
    let body = "(i32.add
        (i32.load8_u (i32.add (local.get 0) (i32.const 8)))
        (i32.load8_u (i32.add (local.get 0) (i32.const -1))))";
    assert_eq!(run(body, (1, 0)), Ok(10 + 1));
    assert_eq!(run(body, (0, 0)), Err(TrapCode::MemoryOutOfBounds));
    assert_eq!(run(body, (-8, 0)), Err(TrapCode::MemoryOutOfBounds));
}

#[test]
fn what_lies_behind_an_address_in_bounds_is_found_by_its_distance() {
    let body = "(i32.add
        (i32.add
            (i32.load8_u (local.get 0))
            (i32.load8_u (i32.add (local.get 0) (i32.const 3))))
        (i32.load8_u offset=1 (i32.add (local.get 0) (i32.const 2))))";
    assert_eq!(run(body, (2, 0)), Ok(3 + 6 + 6));
    assert_eq!(run(body, (65532, 0)), Ok(0));
    assert_eq!(run(body, (65533, 0)), Err(TrapCode::MemoryOutOfBounds));
    assert_eq!(run(body, (-2, 0)), Err(TrapCode::MemoryOutOfBounds));
}

#[test]
fn an_access_on_one_way_says_nothing_about_the_other() {
    let body = "(if (result i32) (local.get 1)
        (then (i32.load8_u (local.get 0)))
        (else (i32.load8_u (i32.add (local.get 0) (i32.const 8)))))";
    assert_eq!(run(body, (-4, 0)), Ok(5));
    assert_eq!(run(body, (-4, 1)), Err(TrapCode::MemoryOutOfBounds));
    assert_eq!(run(body, (4, 1)), Ok(5));
}

#[test]
fn an_access_of_one_round_says_nothing_about_the_next() {
    // Reads at the address in the first round only, and eight bytes behind it in the second.
    let body = "(loop $rounds (result i32)
        (if (i32.eqz (local.get 2))
            (then (local.set 3 (i32.load8_u (local.get 0))))
            (else (local.set 3 (i32.load8_u (i32.add (local.get 0) (i32.const 8))))))
        (local.set 0 (i32.sub (local.get 0) (i32.const 4)))
        (local.set 2 (i32.add (local.get 2) (i32.const 1)))
        (br_if $rounds (i32.lt_u (local.get 2) (i32.const 2)))
        (local.get 3))";
    assert_eq!(run(body, (0, 0)), Ok(5));
}

#[test]
fn a_counter_may_run_from_below_zero_up() {
    // Sums the first 16 bytes, counting from -16.
    let body = "(local.set 2 (i32.const -16))
        (loop $bytes
            (local.set 3 (i32.add (local.get 3) (i32.load8_u (i32.add (local.get 2) (i32.const 16)))))
            (br_if $bytes (local.tee 2 (i32.add (local.get 2) (i32.const 1)))))
        (i32.add (local.get 3) (local.get 2))";
    assert_eq!(run(body, (0, 0)), Ok(136));
    // And leaves early with a count that is still negative.
    let body = "(local.set 2 (i32.const -16))
        (loop $bytes
            (local.set 2 (i32.add (local.get 2) (i32.const 4)))
            (br_if $bytes (i32.lt_s (local.get 2) (local.get 0))))
        (local.get 2)";
    assert_eq!(run(body, (-7, 0)), Ok(-4));
    assert_eq!(run(body, (-100, 0)), Ok(-12));
    assert_eq!(run(body, (9, 0)), Ok(12));
}

#[test]
fn a_memory_grows_to_a_mebibyte_less_than_four_gigabytes() {
    let engine = Engine::default();
    let mut store = Store::new(&engine, ());
    let growing = "(module (memory 0 65536) (func (export \"grow\") (param i32) (result i32)
        (memory.grow (local.get 0))))";
    let growing = Module::new(&engine, growing).unwrap();
    let instance = Instance::new(&mut store, &growing, &[]).unwrap();
    let grow = instance
        .get_typed_func::<i32, i32>(&mut store, "grow")
        .unwrap();
    assert_eq!(grow.call(&mut store, 65521).unwrap(), -1);
    assert_eq!(grow.call(&mut store, 65520).unwrap(), 0);
    assert_eq!(grow.call(&mut store, 1).unwrap(), -1);
}
