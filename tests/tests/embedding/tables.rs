//! Tables that others than their module can change: calls through them reach what is in the table now, whatever the
//! optimizing tier took to be there.

use upshift::{
    Caller, Config, Engine, Func, Instance, Module, Ref, Store, Table, TieringProfile, TrapCode,
    TypedFunc,
};

use crate::configs;

/// Adds its position and the instance's number to its argument.
fn function(position: usize) -> String {
    format!(
        "(func $f{position} (type $f)
            (i32.add (i32.add (local.get 0) (i32.const {position})) (global.get $number)))"
    )
}

/// A module that exports its table. So many elements are functions of one type, the next is null, and the last of
/// another type.
fn text(count: usize) -> String {
    let functions: String = (0..count).map(function).collect();
    let elements: String = (0..count)
        .map(|position| format!("$f{position} "))
        .collect();
    format!(
        r#"(module
            (type $f (func (param i32) (result i32)))
            (global $number (export "number") (mut i32) (i32.const 0))
            (table (export "table") {} 100 funcref)
            (elem (i32.const 0) {elements})
            (elem (i32.const {}) $other)
            {functions}
            (func $other (result i64) (i64.const 9))
            (func (export "first") (type $f) (call $f0 (local.get 0)))
            (func (export "call") (param i32 i32) (result i32)
                (call_indirect (type $f) (local.get 1) (local.get 0)))
            (func (export "sum") (param $n i32) (result i32)
                (local $i i32) (local $sum i32)
                (loop $rounds
                    (local.set $sum (call_indirect (type $f) (local.get $sum)
                        (i32.rem_u (local.get $i) (i32.const {count}))))
                    (local.set $i (i32.add (local.get $i) (i32.const 1)))
                    (br_if $rounds (i32.lt_u (local.get $i) (local.get $n))))
                (local.get $sum)))"#,
        count + 2,
        count + 1
    )
}

/// Few enough for a direct call each, several that are small, and too many.
const COUNTS: [usize; 3] = [3, 9, 40];

/// By way of the middle tier, too, and after what was seen.
fn configs_with_tiering() -> Vec<Config> {
    let mut profile = TieringProfile::default();
    profile.middle.threshold_in_operators = Some(1_000);
    profile.tier_up.threshold_in_operators = Some(20_000);
    let mut tiering = Config::new();
    tiering.synchronous_tiering(true).profile(profile);
    let mut configs = configs();
    configs.push(tiering);
    configs
}

struct Guest {
    store: Store<()>,
    module: Module,
    instance: Instance,
    table: Table,
    call: TypedFunc<(i32, i32), i32>,
}

impl Guest {
    fn new(config: &Config, count: usize) -> Self {
        let engine = Engine::new(config).unwrap();
        let module = Module::new(&engine, text(count)).unwrap();
        let mut store = Store::new(&engine, ());
        let instance = Instance::new(&mut store, &module, &[]).unwrap();
        let table = instance.get_table(&mut store, "table").unwrap();
        let call = instance.get_typed_func(&mut store, "call").unwrap();
        let mut guest = Self {
            store,
            module,
            instance,
            table,
            call,
        };
        // Hot by now, where that matters.
        for _ in 0..100 {
            let sum = guest.sum(2 * count as i32);
            assert_eq!(sum as usize, count * (count - 1));
        }
        for position in 0..count as i32 {
            for _ in 0..200 {
                assert_eq!(guest.calls(position, 5), Ok(position + 5));
            }
        }
        guest
    }

    /// What the element at an index makes of an argument.
    fn calls(&mut self, index: i32, argument: i32) -> Result<i32, TrapCode> {
        let result = self.call.call(&mut self.store, (index, argument));
        result.map_err(|error| error.as_trap().expect("a trap").code())
    }

    fn sum(&mut self, rounds: i32) -> i32 {
        let sum = self
            .instance
            .get_typed_func::<i32, i32>(&mut self.store, "sum");
        sum.unwrap().call(&mut self.store, rounds).unwrap()
    }

    fn set(&mut self, index: u64, func: Option<Func>) {
        self.table
            .set(&mut self.store, index, Ref::Func(func))
            .unwrap();
    }

    /// Another instance of the module with a number of its own.
    fn another(&mut self, number: i32) -> Instance {
        let another = Instance::new(&mut self.store, &self.module, &[]).unwrap();
        let global = another.get_global(&mut self.store, "number").unwrap();
        global.set(&mut self.store, number.into()).unwrap();
        another
    }
}

fn with_guests(test: impl Fn(Guest, usize)) {
    for config in configs_with_tiering() {
        for count in COUNTS {
            test(Guest::new(&config, count), count);
        }
    }
}

#[test]
fn what_can_not_be_called_traps() {
    with_guests(|mut guest, count| {
        let count = count as i32;
        for (index, code) in [
            (count, TrapCode::UninitializedElement),
            (count + 1, TrapCode::IndirectCallTypeMismatch),
            (count + 2, TrapCode::UndefinedElement),
            (-1, TrapCode::UndefinedElement),
        ] {
            assert_eq!(guest.calls(index, 5), Err(code));
        }
    });
}

#[test]
fn what_the_host_puts_there_is_called() {
    with_guests(|mut guest, count| {
        let first = guest.instance.get_func(&mut guest.store, "first").unwrap();
        guest.set(2, Some(first));
        assert_eq!(guest.calls(2, 5), Ok(5));
        assert_eq!(guest.calls(1, 5), Ok(6));
        let sum = count * (count - 1) / 2 - 2;
        assert_eq!(guest.sum(count as i32) as usize, sum);
        guest.set(2, None);
        assert_eq!(guest.calls(2, 5), Err(TrapCode::UninitializedElement));
        let host = Func::wrap(&mut guest.store, |mut caller: Caller<'_, ()>, it: i32| {
            // Exports are those of the instance that calls.
            caller.get_export("number").map_or(0, |_| it * 10)
        });
        guest.set(0, Some(host));
        assert_eq!(guest.calls(0, 5), Ok(50));
        // Grown, and filled in: the elements before that are what they were.
        let size = guest.table.size(&guest.store) as i32;
        let added = guest
            .table
            .grow(&mut guest.store, 40, Ref::Func(Some(first)));
        assert_eq!(added.unwrap(), size as u64);
        assert_eq!(guest.calls(size + 39, 7), Ok(7));
        assert_eq!(guest.calls(1, 5), Ok(6));
        guest.set(count as u64, Some(host));
        assert_eq!(guest.calls(count as i32, 6), Ok(60));
    });
}

#[test]
fn each_instance_calls_what_is_in_its_own_table() {
    with_guests(|mut guest, _| {
        let another = guest.another(1000);
        let call = another.get_typed_func::<(i32, i32), i32>(&mut guest.store, "call");
        let call = call.unwrap();
        assert_eq!(call.call(&mut guest.store, (1, 5)).unwrap(), 1006);
        assert_eq!(guest.calls(1, 5), Ok(6));
        // The same function, and its instance is told by the reference.
        let theirs = another.get_func(&mut guest.store, "first").unwrap();
        guest.set(0, Some(theirs));
        assert_eq!(guest.calls(0, 5), Ok(1005));
        assert_eq!(call.call(&mut guest.store, (0, 5)).unwrap(), 1005);
        guest.set(1, None);
        assert_eq!(guest.calls(1, 5), Err(TrapCode::UninitializedElement));
        assert_eq!(call.call(&mut guest.store, (1, 5)).unwrap(), 1006);
    });
}

#[test]
fn what_another_module_writes_is_called() {
    for write in [
        "(table.set 0 (i32.const 1) (ref.func $minus))",
        "(table.fill 0 (i32.const 1) (ref.func $minus) (i32.const 1))",
        "(table.init 0 $minus (i32.const 1) (i32.const 0) (i32.const 1))",
        "(table.copy 0 1 (i32.const 1) (i32.const 0) (i32.const 1))",
    ] {
        with_guests(|mut guest, _| {
            let text = format!(
                r#"(module
                    (import "" "table" (table 1 funcref))
                    (table 1 funcref)
                    (elem $minus funcref (ref.func $minus))
                    (elem (table 1) (i32.const 0) func $minus)
                    (func $minus (param i32) (result i32)
                        (i32.sub (local.get 0) (i32.const 1)))
                    (func (export "write") {write}))"#
            );
            let engine = guest.store.engine().clone();
            let module = Module::new(&engine, text).unwrap();
            let writer = Instance::new(&mut guest.store, &module, &[guest.table.into()]).unwrap();
            let run = writer.get_typed_func::<(), ()>(&mut guest.store, "write");
            assert_eq!(guest.calls(1, 5), Ok(6));
            run.unwrap().call(&mut guest.store, ()).unwrap();
            assert_eq!(guest.calls(1, 5), Ok(4), "{write}");
            assert_eq!(guest.calls(2, 5), Ok(7));
        });
    }
}

#[test]
fn an_instance_that_was_left_half_done_calls_what_is_there() {
    for config in configs_with_tiering() {
        let engine = Engine::new(&config).unwrap();
        let mut store = Store::new(&engine, ());
        let given = Module::new(&engine, r#"(module (table (export "table") 1 funcref))"#).unwrap();
        let given = Instance::new(&mut store, &given, &[]).unwrap();
        let table = given.get_table(&mut store, "table").unwrap();
        let module = Module::new(
            &engine,
            r#"(module
                (import "" "table" (table 1 funcref))
                (table $own (export "own") 2 funcref)
                (elem (table $own) (i32.const 0) func $one $one)
                (elem (table 0) (i32.const 0) func $call)
                (elem (table 0) (i32.const 1) func $call)
                (elem (table $own) (i32.const 1) func $two)
                (func $one (result i32) (i32.const 1))
                (func $two (result i32) (i32.const 2))
                (func $call (param i32) (result i32)
                    (call_indirect $own (result i32) (local.get 0))))"#,
        )
        .unwrap();
        // The third segment does not fit.
        Instance::new(&mut store, &module, &[table.into()]).unwrap_err();
        let Some(Ref::Func(Some(call))) = table.get(&store, 0).unwrap() else {
            panic!("the second segment was written");
        };
        let call = call.typed::<i32, i32>(&store).unwrap();
        assert_eq!(call.call(&mut store, 1).unwrap(), 1);
    }
}

#[cfg(feature = "llvm")]
#[test]
fn several_small_functions_are_called_directly() {
    use upshift::{TierEvent, TierEventKind, TierMode};
    for (count, expected) in [(3, 3), (9, 9), (40, 0)] {
        let (sender, events) = std::sync::mpsc::channel();
        let mut config = Config::new();
        config.tier(TierMode::Optimizing);
        config.on_tier_event(move |event: &TierEvent| {
            let _ = sender.send(event.clone());
        });
        let engine = Engine::new(&config).unwrap();
        let module = Module::new(&engine, text(count)).unwrap();
        let mut store = Store::new(&engine, ());
        let instance = Instance::new(&mut store, &module, &[]).unwrap();
        let call = instance
            .get_typed_func::<(i32, i32), i32>(&mut store, "call")
            .unwrap();
        assert_eq!(call.call(&mut store, (1, 5)).unwrap(), 6);
        // Behind the functions of the table, the one of another type, and `first`.
        let index = count as u32 + 2;
        let inlined = events.try_iter().find_map(|event| match event.kind {
            TierEventKind::Compiled { inlined, .. } if event.function == index => Some(inlined),
            _ => None,
        });
        let mut inlined = inlined.expect("everything is compiled");
        inlined.sort_unstable();
        assert_eq!(inlined, (0..expected).collect::<Vec<u32>>());
    }
}
