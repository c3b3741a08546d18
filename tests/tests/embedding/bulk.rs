//! Copies and fills of lengths that are known when code is made: what they do at the edges, in every tier.

use upshift::{Config, Engine, Instance, Module, Store, TrapCode};

use crate::configs;

const PAGE: usize = 1 << 16;

/// `copy` and `fill` of a constant length, in a memory whose first and last bytes count up.
struct Guest {
    store: Store<()>,
    instance: Instance,
    before: Vec<u8>,
}

impl Guest {
    fn new(config: &Config, length: usize) -> Self {
        let text = format!(
            "(module (memory (export \"memory\") 1)
                (func (export \"copy\") (param i32 i32)
                    (memory.copy (local.get 0) (local.get 1) (i32.const {length})))
                (func (export \"fill\") (param i32 i32)
                    (memory.fill (local.get 0) (local.get 1) (i32.const {length}))))"
        );
        let engine = Engine::new(config).unwrap();
        let module = Module::new(&engine, text).unwrap();
        let mut store = Store::new(&engine, ());
        let instance = Instance::new(&mut store, &module, &[]).unwrap();
        let before: Vec<u8> = (0..PAGE).map(|at| (at * 7 + at / 256) as u8).collect();
        Self {
            store,
            instance,
            before,
        }
    }

    /// Memory after a call, and how that ended.
    fn after(
        &mut self,
        function: &str,
        first: usize,
        second: usize,
    ) -> (Vec<u8>, Option<TrapCode>) {
        let memory = self.instance.get_memory(&self.store, "memory").unwrap();
        memory.write(&mut self.store, 0, &self.before).unwrap();
        let function = self
            .instance
            .get_typed_func::<(i32, i32), ()>(&mut self.store, function)
            .unwrap();
        let ended = function.call(&mut self.store, (first as i32, second as i32));
        let trap = ended.err().map(|error| error.as_trap().unwrap().code());
        (memory.data(&self.store).to_vec(), trap)
    }
}

/// Without guard pages, too: each access compares its address then.
fn configs_with_checks() -> Vec<Config> {
    let mut configs = configs();
    let mut checked = configs.clone();
    for config in &mut checked {
        config.bounds_checks(true);
    }
    configs.append(&mut checked);
    configs
}

#[test]
fn constant_lengths_copy_overlapping_ranges_and_trap_before_they_write() {
    for config in configs_with_checks() {
        for length in [0, 1, 2, 3, 7, 8, 15, 16, 17, 31, 33, 63, 64, 65, 100] {
            let mut guest = Guest::new(&config, length);
            let end = PAGE - length;
            for (to, from) in [
                (0, 5),
                (5, 0),
                (100, 100),
                (101, 108),
                (1000, 2000),
                (end, 3),
                (3, end),
                (end + 1, 3),
                (3, end + 1),
                (PAGE + 1, 3),
                (3, usize::MAX),
            ] {
                let mut expected = guest.before.clone();
                let outside = to > end || from > end;
                if !outside {
                    expected.copy_within(from..from + length, to);
                }
                let (memory, trap) = guest.after("copy", to, from);
                let expected_trap = outside.then_some(TrapCode::MemoryOutOfBounds);
                assert_eq!(trap, expected_trap, "copy of {length} from {from} to {to}");
                assert!(memory == expected, "copy of {length} from {from} to {to}");
            }
            for (to, value) in [(0, 0x1ff), (77, 0), (end, 3), (end + 1, 3), (usize::MAX, 1)] {
                let mut expected = guest.before.clone();
                let outside = to > end;
                if !outside {
                    expected[to..to + length].fill(value as u8);
                }
                let (memory, trap) = guest.after("fill", to, value);
                let expected_trap = outside.then_some(TrapCode::MemoryOutOfBounds);
                assert_eq!(trap, expected_trap, "fill of {length} at {to}");
                assert!(memory == expected, "fill of {length} at {to}");
            }
        }
    }
}

/// Bodies whose source or destination is out of bounds, while nothing of the copy is of use.
const OUTSIDE: [&str; 10] = [
    // Onto itself.
    "(memory.copy (local.get 0) (local.get 0) (i32.const LENGTH))",
    // Overwritten at once.
    "(memory.copy (i32.const 8) (local.get 0) (i32.const LENGTH))
     (memory.fill (i32.const 8) (i32.const 7) (i32.const LENGTH))",
    "(memory.copy (i32.const 8) (local.get 0) (i32.const LENGTH))
     (memory.copy (i32.const 8) (i32.const 300) (i32.const LENGTH))",
    "(memory.copy (i32.const 8) (local.get 0) (i32.const LENGTH)) STORES",
    "(memory.copy 0 1 (i32.const 8) (local.get 0) (i32.const LENGTH)) STORES",
    // What is there already.
    "(memory.fill (i32.const 8) (i32.const 7) (i32.const LENGTH))
     (memory.copy (i32.const 8) (local.get 0) (i32.const LENGTH))
     (memory.fill (i32.const 8) (i32.const 7) (i32.const LENGTH))",
    // There and back.
    "(memory.copy (i32.const 8) (local.get 0) (i32.const LENGTH))
     (memory.copy (local.get 0) (i32.const 8) (i32.const LENGTH))",
    // Between memories.
    "(memory.copy 1 0 (i32.const 8) (local.get 0) (i32.const LENGTH))
     (memory.fill 1 (i32.const 8) (i32.const 7) (i32.const LENGTH))",
    "(memory.copy 0 1 (i32.const 8) (local.get 0) (i32.const LENGTH))
     (memory.fill (i32.const 8) (i32.const 7) (i32.const LENGTH))",
    // Filled twice.
    "(memory.fill (local.get 0) (i32.const 7) (i32.const LENGTH))
     (memory.fill (local.get 0) (i32.const 8) (i32.const LENGTH))",
];

#[test]
fn copies_that_change_nothing_trap_where_their_source_is_outside() {
    for config in configs_with_checks() {
        let engine = Engine::new(&config).unwrap();
        for length in [0, 1, 2, 3, 4, 7, 8, 12, 16, 31, 32, 33, 63, 64, 65] {
            let stores: String = [0, 16, 32, 48, 64]
                .map(|offset| {
                    format!("(v128.store offset={offset} (i32.const 8) (v128.const i64x2 1 2))")
                })
                .concat();
            let bodies = OUTSIDE.map(|body| {
                let body = body.replace("LENGTH", &length.to_string());
                body.replace("STORES", &stores)
            });
            let functions: String = (0..)
                .zip(&bodies)
                .map(|(number, body)| format!("(func (export \"{number}\") (param i32) {body})"))
                .collect();
            let text = format!("(module (memory 1) (memory 1) {functions})");
            let module = Module::new(&engine, text).unwrap();
            let mut store = Store::new(&engine, ());
            let instance = Instance::new(&mut store, &module, &[]).unwrap();
            for (number, body) in bodies.iter().enumerate() {
                let run = instance
                    .get_typed_func::<i32, ()>(&mut store, &number.to_string())
                    .unwrap();
                let end = (PAGE - length) as i32;
                for (address, traps) in [
                    (64, false),
                    (end, false),
                    (end + 1, true),
                    (PAGE as i32 + 1, true),
                    (-1, true),
                    (-64, true),
                ] {
                    let ended = run.call(&mut store, address);
                    let trap = ended.err().map(|error| error.as_trap().unwrap().code());
                    let expected = traps.then_some(TrapCode::MemoryOutOfBounds);
                    assert_eq!(trap, expected, "{address} {body}");
                }
            }
        }
    }
}
