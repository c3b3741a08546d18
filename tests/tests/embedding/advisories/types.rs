//! Values of one type are never taken for values of another: references above all, which are addresses.

use std::fmt::Write;

use upshift::{
    Engine, ExternRef, Func, Global, Instance, Linker, Module, Store, TrapCode, V128, WasmResults,
};

use super::engines;

/// Each value type, and a value of it.
const TYPES: [(&str, &str); 7] = [
    ("i32", "(i32.const 1)"),
    ("i64", "(i64.const 1)"),
    ("f32", "(f32.const 1)"),
    ("f64", "(f64.const 1)"),
    ("v128", "(v128.const i64x2 1 1)"),
    ("funcref", "(ref.null func)"),
    ("externref", "(ref.null extern)"),
];

/// For each type a function that gives a value of it, `get_TYPE`, a global, `global_TYPE`, and a function that calls
/// the element at an index as if it gave one, `call_TYPE`. The elements are those functions, in order.
fn of_each_type() -> String {
    let mut text = String::from("(module (table funcref (elem");
    for (ty, _) in TYPES {
        write!(text, " $get_{ty}").unwrap();
    }
    text.push_str("))");
    for (ty, value) in TYPES {
        write!(
            text,
            r#"(type ${ty} (func (result {ty})))
            (func $get_{ty} (export "get_{ty}") (type ${ty}) {value})
            (global (export "global_{ty}") {ty} {value})
            (func (export "call_{ty}") (param i32)
                (drop (call_indirect (type ${ty}) (local.get 0))))"#
        )
        .unwrap();
    }
    text + ")"
}

#[test]
fn a_call_through_a_table_compares_every_type() {
    for (mode, engine) in engines() {
        let module = Module::new(&engine, of_each_type()).unwrap();
        let mut store = Store::new(&engine, ());
        let instance = Instance::new(&mut store, &module, &[]).unwrap();
        for (wanted, (ty, _)) in (0..).zip(TYPES) {
            let call = instance.get_typed_func::<i32, ()>(&mut store, &format!("call_{ty}"));
            let call = call.unwrap();
            // Calls that are right make it hot first.
            for _ in 0..3 {
                call.call(&mut store, wanted).unwrap();
            }
            for (given, (other, _)) in (0..).zip(TYPES) {
                let code = call.call(&mut store, given).map_err(|error| {
                    let trap = error.as_trap();
                    trap.unwrap_or_else(|| panic!("{mode}: {error}")).code()
                });
                let expected = if given == wanted {
                    Ok(())
                } else {
                    Err(TrapCode::IndirectCallTypeMismatch)
                };
                assert_eq!(code, expected, "{mode}: {other} as {ty}");
            }
        }
    }
}

/// Which of the functions can be typed as giving a Rust type.
fn typed_as<R: WasmResults>(store: &mut Store<()>, instance: &Instance) -> Vec<&'static str> {
    let is_one = |(ty, _): &(&'static str, _)| {
        let func = instance.get_typed_func::<(), R>(&mut *store, &format!("get_{ty}"));
        func.is_ok().then_some(*ty)
    };
    TYPES.iter().filter_map(is_one).collect()
}

#[test]
fn a_typed_function_compares_every_type() {
    let engine = Engine::default();
    let module = Module::new(&engine, of_each_type()).unwrap();
    let mut store = Store::new(&engine, ());
    let instance = Instance::new(&mut store, &module, &[]).unwrap();
    assert_eq!(typed_as::<i32>(&mut store, &instance), ["i32"]);
    assert_eq!(typed_as::<u32>(&mut store, &instance), ["i32"]);
    assert_eq!(typed_as::<i64>(&mut store, &instance), ["i64"]);
    assert_eq!(typed_as::<u64>(&mut store, &instance), ["i64"]);
    assert_eq!(typed_as::<f32>(&mut store, &instance), ["f32"]);
    assert_eq!(typed_as::<f64>(&mut store, &instance), ["f64"]);
    assert_eq!(typed_as::<V128>(&mut store, &instance), ["v128"]);
    let funcs = typed_as::<Option<Func>>(&mut store, &instance);
    assert_eq!(funcs, ["funcref"]);
    let externs = typed_as::<Option<ExternRef>>(&mut store, &instance);
    assert_eq!(externs, ["externref"]);
}

#[test]
fn an_import_compares_every_type() {
    let engine = Engine::default();
    let exporter = Module::new(&engine, of_each_type()).unwrap();
    let mut store = Store::new(&engine, ());
    let exporter = Instance::new(&mut store, &exporter, &[]).unwrap();
    for (wanted, _) in TYPES {
        let func = format!(r#"(module (import "it" "it" (func (result {wanted}))))"#);
        let global = format!(r#"(module (import "it" "it" (global {wanted})))"#);
        let [func, global] = [func, global].map(|text| Module::new(&engine, text).unwrap());
        for (given, _) in TYPES {
            for (module, name) in [(&func, "get"), (&global, "global")] {
                let export = exporter.get_export(&mut store, &format!("{name}_{given}"));
                let mut linker = Linker::new(&engine);
                linker
                    .define(&store, "it", "it", export.expect("is exported"))
                    .unwrap();
                let linked = linker.instantiate(&mut store, module).is_ok();
                assert_eq!(linked, given == wanted, "{name}: {given} as {wanted}");
            }
        }
    }
}

#[test]
fn a_global_of_the_host_compares_every_type() {
    let engine = Engine::default();
    let module = Module::new(&engine, of_each_type()).unwrap();
    let mut store = Store::new(&engine, ());
    let instance = Instance::new(&mut store, &module, &[]).unwrap();
    let global = |store: &mut Store<()>, ty: &str| -> Global {
        let global = instance.get_global(store, &format!("global_{ty}"));
        global.expect("is exported")
    };
    for (wanted, _) in TYPES {
        let ty = upshift::GlobalType::new(
            global(&mut store, wanted).ty(&store).content(),
            upshift::Mutability::Var,
        );
        for (given, _) in TYPES {
            let value = global(&mut store, given).get(&store).unwrap();
            let made = Global::new(&mut store, ty, value).is_ok();
            assert_eq!(made, given == wanted, "{given} as {wanted}");
        }
    }
}
