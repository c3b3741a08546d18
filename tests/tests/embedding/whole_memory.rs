//! Memories of all four GiB: their last bytes are there in every tier, and behind them addresses wrap around.

use upshift::{
    Config, Engine, ErrorKind, Instance, Linker, Memory, MemoryType, Module, Store, TrapCode,
};
use upshift_tests::modes::MODES;

/// The first 32 bytes and the last 32, which go on counting.
const ENDS: &str = "(data (i32.const 0) \
    \"\\20\\21\\22\\23\\24\\25\\26\\27\\28\\29\\2a\\2b\\2c\\2d\\2e\\2f\
      \\30\\31\\32\\33\\34\\35\\36\\37\\38\\39\\3a\\3b\\3c\\3d\\3e\\3f\") \
    (data (i32.const -32) \
    \"\\00\\01\\02\\03\\04\\05\\06\\07\\08\\09\\0a\\0b\\0c\\0d\\0e\\0f\
      \\10\\11\\12\\13\\14\\15\\16\\17\\18\\19\\1a\\1b\\1c\\1d\\1e\\1f\")";

/// An instance with all of a memory, in a mode.
fn whole(set: fn(&mut Config) -> &mut Config, body: &str) -> (Store<()>, Instance) {
    let mut config = Config::new();
    let engine = Engine::new(set(&mut config)).unwrap();
    let text = format!(
        "(module (memory (export \"memory\") 65536) {ENDS}
            (func (export \"run\") (param i32 i32) (result i32) (local i32 i32 i32) {body}))"
    );
    let module = Module::new(&engine, text).unwrap();
    let mut store = Store::new(&engine, ());
    let instance = Instance::new(&mut store, &module, &[]).unwrap();
    (store, instance)
}

/// Arguments of `run`, and what comes of them.
type Case = ((i32, i32), Result<i32, TrapCode>);

/// Calls `run` in every mode, twice, so that it moves up. All must agree on the results.
#[track_caller]
fn check(body: &str, cases: &[Case]) {
    for mode in MODES {
        let (mut store, instance) = whole(mode.set, body);
        let run = instance
            .get_typed_func::<(i32, i32), i32>(&mut store, "run")
            .unwrap();
        for &(arguments, expected) in cases.iter().chain(cases) {
            let result = run.call(&mut store, arguments);
            let result = result.map_err(|error| error.as_trap().unwrap().code());
            assert_eq!(result, expected, "{} {arguments:?} {body}", mode.name);
        }
    }
}

const OUTSIDE: Result<i32, TrapCode> = Err(TrapCode::MemoryOutOfBounds);

#[test]
fn the_last_bytes_are_there_and_nothing_behind_them() {
    for (load, size, value) in [
        ("i32.load8_u", 1, 0x1f),
        ("i32.load16_u", 2, 0x1f1e),
        ("i32.load", 4, 0x1f1e_1d1c),
        ("i64.load", 8, 0x1f1e_1d1c),
        ("v128.load", 16, 0x1f1e_1d1c),
    ] {
        let narrow = match load {
            "i64.load" => {
                "(i32.wrap_i64 (i64.shr_u (i64.load offset=OFFSET (local.get 0)) (i64.const 32)))"
            }
            "v128.load" => "(i32x4.extract_lane 3 (v128.load offset=OFFSET (local.get 0)))",
            _ => "(LOAD offset=OFFSET (local.get 0))",
        };
        let body = |offset: u32| {
            narrow
                .replace("LOAD", load)
                .replace("OFFSET", &offset.to_string())
        };
        check(&body(0), &[((-size, 0), Ok(value))]);
        if size > 1 {
            check(&body(0), &[((1 - size, 0), OUTSIDE), ((-1, 0), OUTSIDE)]);
        }
        // Sums of index and offset do not wrap around.
        let offset = u32::MAX - size as u32 + 1;
        check(
            &body(offset),
            &[((0, 0), Ok(value)), ((1, 0), OUTSIDE), ((-1, 0), OUTSIDE)],
        );
    }
    let store = "(i32.store (local.get 0) (local.get 1))
        (i32.load (local.get 0))";
    check(store, &[((-4, 77), Ok(77)), ((-3, 78), OUTSIDE)]);
    let size = "(i32.add (memory.size) (memory.grow (local.get 0)))";
    check(size, &[((0, 0), Ok(131_072)), ((1, 0), Ok(65_535))]);
}

#[test]
fn addresses_wrap_around_behind_an_access_in_bounds() {
    // Neighbours of what was accessed.
    let body = "(i32.add
        (i32.load8_u (local.get 0))
        (i32.load8_u (i32.add (local.get 0) (i32.const 8))))";
    check(
        body,
        &[((-4, 0), Ok(0x1c + 0x24)), ((-9, 0), Ok(0x17 + 0x1f))],
    );
    let body = "(i32.add
        (i32.load8_u (local.get 0))
        (i32.load8_u (i32.add (local.get 0) (i32.and (local.get 1) (i32.const 15)))))";
    check(
        body,
        &[((-4, 9), Ok(0x1c + 0x25)), ((-1, 1), Ok(0x1f + 0x20))],
    );
}

#[test]
fn loops_go_on_at_the_start() {
    // Sums so many bytes from an address on.
    let sum = "(loop $bytes
            (local.set 3 (i32.add (local.get 3) (i32.load8_u (i32.add (local.get 0) (local.get 2)))))
            (local.set 2 (i32.add (local.get 2) (i32.const 1)))
            (br_if $bytes (i32.lt_u (local.get 2) (local.get 1))))
        (local.get 3)";
    let of = |from: i32, to: i32| Ok((from..to).sum());
    check(
        sum,
        &[
            ((-32, 64), of(0, 64)),
            ((-16, 32), of(16, 48)),
            ((-1, 2), of(31, 33)),
            ((-32, 32), of(0, 32)),
        ],
    );
    // The same by an address that advances, four at a time.
    let sum = "(loop $words
            (local.set 3 (i32.add (local.get 3) (i32.load8_u (local.get 0))))
            (local.set 3 (i32.add (local.get 3) (i32.load8_u offset=1 (local.get 0))))
            (local.set 3 (i32.add (local.get 3) (i32.load8_u offset=2 (local.get 0))))
            (local.set 3 (i32.add (local.get 3) (i32.load8_u offset=3 (local.get 0))))
            (local.set 0 (i32.add (local.get 0) (i32.const 4)))
            (br_if $words (i32.ne (local.get 0) (local.get 1))))
        (local.get 3)";
    check(
        sum,
        &[
            ((-32, 32), of(0, 64)),
            ((-4, 4), of(28, 36)),
            ((-2, 2), OUTSIDE),
        ],
    );
    // Fills by an unrolled loop, and reads what was written.
    let fill = "(local.set 2 (local.get 0))
        (loop $pairs
            (i32.store8 (local.get 2) (i32.const 9))
            (i32.store8 (i32.add (local.get 2) (i32.const 1)) (i32.const 9))
            (local.set 2 (i32.add (local.get 2) (i32.const 2)))
            (br_if $pairs (i32.ne (local.get 2) (local.get 1))))
        (local.set 2 (local.get 0))
        (loop $bytes
            (local.set 3 (i32.add (local.get 3) (i32.load8_u (local.get 2))))
            (local.set 2 (i32.add (local.get 2) (i32.const 1)))
            (br_if $bytes (i32.ne (local.get 2) (local.get 1))))
        (local.get 3)";
    check(fill, &[((-8, 8), Ok(144)), ((-9, 11), Ok(180))]);
}

#[test]
fn bulk_operators_reach_the_end() {
    for length in [2, 7, 64, 65, 1000] {
        let fill = format!(
            "(memory.fill (local.get 0) (local.get 1) (i32.const {length})) \
             (i32.load8_u (i32.const -1))"
        );
        check(
            &fill,
            &[
                ((-length, 5), Ok(5)),
                ((1 - length, 6), OUTSIDE),
                ((-1 - length, 7), Ok(5)),
            ],
        );
        let copy = format!(
            "(memory.copy (local.get 0) (local.get 1) (i32.const {length})) \
             (i32.load8_u (i32.const -1))"
        );
        check(
            &copy,
            &[
                ((-length, 0), Ok(if length <= 32 { 31 + length } else { 0 })),
                ((1 - length, 0), OUTSIDE),
            ],
        );
        check(
            &copy,
            &[((100, -length), Ok(0x1f)), ((100, 1 - length), OUTSIDE)],
        );
    }
}

#[test]
fn segments_reach_the_end() {
    let engine = Engine::default();
    let mut store = Store::new(&engine, ());
    let text = "(module (memory 65536) (data (i32.const -3) \"abcd\"))";
    let module = Module::new(&engine, text).unwrap();
    let error = Instance::new(&mut store, &module, &[]).unwrap_err();
    let trap = error.as_trap().map(upshift::Trap::code);
    assert_eq!(trap, Some(TrapCode::MemoryOutOfBounds));
    // Long enough to be mapped from the second instance on.
    let text = format!(
        "(module (memory (export \"memory\") 65536) (data (i32.const -131072) \"{}\"))",
        "x".repeat(131_072)
    );
    let module = Module::new(&engine, text).unwrap();
    for _ in 0..3 {
        let instance = Instance::new(&mut store, &module, &[]).unwrap();
        let memory = instance.get_memory(&mut store, "memory").unwrap();
        let data = memory.data(&store);
        assert_eq!(data.len(), 4 << 30);
        assert_eq!(data.last(), Some(&b'x'));
        assert_eq!(data[data.len() - 131_072], b'x');
        assert_eq!(data[data.len() - 131_073], 0);
    }
}

#[test]
fn what_may_rely_on_headroom_is_not_given_a_memory_without() {
    let engine = Engine::default();
    let mut store = Store::new(&engine, ());
    let whole = Memory::new(&mut store, MemoryType::new(65_521, None)).unwrap();
    let mut linker = Linker::new(&engine);
    linker.define(&store, "env", "memory", whole).unwrap();
    let importing = |minimum: u32| {
        let text = format!(
            "(module (import \"env\" \"memory\" (memory {minimum}))
                (func (export \"last\") (result i32) (i32.load8_u (i32.const -1))))"
        );
        Module::new(&engine, text).unwrap()
    };
    for minimum in [0, 1, 65_520] {
        let module = importing(minimum);
        let error = linker.instantiate(&mut store, &module).unwrap_err();
        assert!(matches!(error.kind(), ErrorKind::Link(_)), "{error}");
        let message = error.to_string();
        assert!(
            message.contains("minimum of more than 65520 pages"),
            "{message}"
        );
        Instance::new(&mut store, &module, &[whole.into()]).unwrap_err();
    }
    let instance = linker.instantiate(&mut store, &importing(65_521)).unwrap();
    let last = instance
        .get_typed_func::<(), i32>(&mut store, "last")
        .unwrap();
    let error = last.call(&mut store, ()).unwrap_err();
    assert!(error.as_trap().is_some());
    assert_eq!(whole.grow(&mut store, 15).unwrap(), 65_521);
    assert_eq!(last.call(&mut store, ()).unwrap(), 0);
    assert!(whole.grow(&mut store, 1).is_err());
}
