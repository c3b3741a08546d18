//! Modules and engines that are made, called and dropped while others run.

use upshift::{Config, Engine, Instance, Module, Store};

use super::guest;
use super::worker::Way;

/// A module unlike all others, and what its function `f` gives for 5.
fn text(number: u32) -> (String, u32) {
    let helpers: String = (0..20)
        .map(|at| {
            format!(
                "(func $g{at} (param i32) (result i32) (i32.add (local.get 0) (i32.const {at})))"
            )
        })
        .collect();
    let text = format!(
        r#"(module (memory 1) (data (i32.const 8) "module {number}") {helpers}
          (func (export "f") (param i32) (result i32) (local i32)
            (loop $next
              (local.set 1 (i32.add (call $g7 (local.get 1)) (i32.const {number})))
              (br_if $next (local.tee 0 (i32.sub (local.get 0) (i32.const 1)))))
            (local.get 1)))"#
    );
    (text, number.wrapping_add(7).wrapping_mul(5))
}

/// A module in a store.
pub(super) struct Made {
    store: Store<()>,
    instance: Instance,
    gives: u32,
}

impl Made {
    /// A new one.
    pub(super) fn new(engine: &Engine, number: u32) -> Self {
        let (text, gives) = text(number);
        let module = Module::new(engine, text).expect("it is valid");
        let mut store = Store::new(engine, ());
        let instance = Instance::new(&mut store, &module, &[]).expect("it imports nothing");
        Self {
            store,
            instance,
            gives,
        }
    }

    /// Calls its function.
    pub(super) fn check(&mut self) {
        let given = guest::call(&mut self.store, self.instance, "f", 5);
        assert_eq!(given.expect("it does not trap"), self.gives);
    }
}

/// Makes some modules and drops them in another order.
pub(super) fn made_and_dropped(way: &Way, count: u32) {
    let mut made: Vec<Made> = (0..count)
        .map(|number| Made::new(&way.engine, number))
        .collect();
    made.iter_mut().for_each(Made::check);
    made.remove(0);
    made.iter_mut().for_each(Made::check);
}

/// An engine that goes away with its module still in use.
pub(super) fn engine_of_its_own(set: fn(&mut Config) -> &mut Config, number: u32) {
    let engine = Engine::new(set(&mut Config::new())).expect("a good configuration");
    let mut made = Made::new(&engine, number);
    drop(engine);
    made.check();
}
