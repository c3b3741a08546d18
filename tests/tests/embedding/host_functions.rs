//! Host functions: what they are given, what they may do, and how they fail.

use std::panic::{AssertUnwindSafe, catch_unwind};

use upshift::{
    AsContext, AsContextMut, Caller, Engine, Error, ErrorKind, Extern, Func, FuncType, Instance,
    Linker, Module, Result, Store, TrapCode, TypedFunc, V128, Val, ValType,
};

/// An instance that imports one function, `f`, and exports `run`, which calls it.
fn runner<T: 'static>(engine: &Engine, store: &mut Store<T>, f: Func) -> Result<TypedFunc<(), ()>> {
    let module = Module::new(
        engine,
        r#"(module $m
             (import "host" "f" (func $f))
             (func $inner (call $f))
             (func $run (export "run") (call $inner)))"#,
    )?;
    Instance::new(&mut *store, &module, &[f.into()])?.get_typed_func(store, "run")
}

#[derive(Debug, PartialEq, thiserror::Error)]
#[error("no more coins: {0} left")]
struct NoCoins(u32);

#[test]
fn an_error_comes_back_unchanged() {
    let engine = Engine::default();
    let mut store = Store::new(&engine, ());
    let fails = Func::wrap(&mut store, || -> Result<(), NoCoins> { Err(NoCoins(3)) });
    let run = runner(&engine, &mut store, fails).unwrap();
    let error = run.call(&mut store, ()).unwrap_err();
    assert!(error.is::<NoCoins>() && !error.is::<std::fmt::Error>());
    assert_eq!(error.downcast_ref(), Some(&NoCoins(3)));
    assert!(error.as_trap().is_none());
    assert!(matches!(error.kind(), ErrorKind::Host(_)));
    // It also tells where in WebAssembly it was raised.
    let frames = error.wasm_backtrace().unwrap().frames();
    let names: Vec<_> = frames
        .iter()
        .map(|frame| frame.func_name().unwrap())
        .collect();
    assert_eq!(names, ["inner", "run"]);
    let text = error.to_string();
    assert!(
        text.starts_with("no more coins: 3 left\nwasm backtrace:\n  0: inner"),
        "{text}"
    );
    assert_eq!(error.downcast::<NoCoins>().unwrap(), NoCoins(3));
    // The store goes on.
    assert!(run.call(&mut store, ()).unwrap_err().is::<NoCoins>());
}

#[test]
fn errors_of_many_types_can_be_returned() {
    let engine = Engine::default();
    let mut store = Store::new(&engine, ());
    let functions = [
        Func::wrap(&mut store, || -> Result<()> { Err(Error::msg("text")) }),
        Func::wrap(&mut store, || Err::<(), _>("text")),
        Func::wrap(&mut store, || Err::<(), _>(String::from("text"))),
        Func::wrap(&mut store, || Err::<(), _>(anyhow::anyhow!("text"))),
        Func::wrap(&mut store, || Err::<(), _>(std::io::Error::other("text"))),
        Func::new(&mut store, FuncType::new([], []), |_, _, _| {
            Err(Error::msg("text"))
        }),
    ];
    for function in functions {
        let run = runner(&engine, &mut store, function).unwrap();
        let error = run.call(&mut store, ()).unwrap_err();
        assert_eq!(error.to_string().lines().next(), Some("text"));
    }
    let io = Func::wrap(&mut store, || -> anyhow::Result<()> {
        Err(anyhow::Error::new(std::io::Error::from_raw_os_error(2)).context("while reading"))
    });
    let error = runner(&engine, &mut store, io)
        .unwrap()
        .call(&mut store, ())
        .unwrap_err();
    let io = error.downcast_ref::<std::io::Error>().unwrap();
    assert_eq!(io.raw_os_error(), Some(2));
    assert!(error.to_string().starts_with("while reading"));
}

#[test]
fn a_host_function_can_trap() {
    let engine = Engine::default();
    let mut store = Store::new(&engine, ());
    let traps = Func::wrap(&mut store, || -> Result<()> {
        Err(TrapCode::Unreachable.into())
    });
    let run = runner(&engine, &mut store, traps).unwrap();
    let error = run.call(&mut store, ()).unwrap_err();
    assert_eq!(error.as_trap().unwrap().code(), TrapCode::Unreachable);
}

#[test]
fn a_panic_goes_on_in_the_host_caller() {
    let engine = Engine::default();
    let mut store = Store::new(&engine, 0);
    let panics = Func::wrap(&mut store, |mut caller: Caller<'_, i32>| -> () {
        *caller.data_mut() += 1;
        // Not `panic!`, which would print a message.
        std::panic::resume_unwind(Box::new("out of ink"));
    });
    let run = runner(&engine, &mut store, panics).unwrap();
    for _ in 0..3 {
        let payload =
            catch_unwind(AssertUnwindSafe(|| run.call(&mut store, ()))).expect_err("it panics");
        assert_eq!(*payload.downcast::<&str>().unwrap(), "out of ink");
    }
    assert_eq!(*store.data(), 3);
    // Also when the host calls it, without WebAssembly between.
    let direct = panics.typed::<(), ()>(&store).unwrap();
    let payload = catch_unwind(AssertUnwindSafe(|| direct.call(&mut store, ()))).unwrap_err();
    assert!(payload.is::<&str>());
}

#[test]
fn errors_and_panics_cross_several_activations() {
    let engine = Engine::default();
    let mut store = Store::new(&engine, None::<TypedFunc<i32, ()>>);
    let module = Module::new(
        &engine,
        r#"(module (import "" "down" (func $down (param i32)))
             (func $run (export "run") (param i32) (call $down (local.get 0))))"#,
    )
    .unwrap();
    let down = Func::wrap(
        &mut store,
        |mut caller: Caller<'_, Option<TypedFunc<i32, ()>>>, n: i32| -> Result<()> {
            match n {
                0 => Err(Error::new(NoCoins(0))),
                -1 => std::panic::resume_unwind(Box::new(7_u8)),
                n => {
                    let run = caller.data().unwrap();
                    run.call(&mut caller, if n > 0 { n - 1 } else { n + 1 })
                }
            }
        },
    );
    let instance = Instance::new(&mut store, &module, &[down.into()]).unwrap();
    let run = instance
        .get_typed_func::<i32, ()>(&mut store, "run")
        .unwrap();
    *store.data_mut() = Some(run);
    let error = run.call(&mut store, 5).unwrap_err();
    assert_eq!(error.downcast_ref(), Some(&NoCoins(0)));
    // One frame an activation.
    assert_eq!(error.wasm_backtrace().unwrap().frames().len(), 6);
    let panic = catch_unwind(AssertUnwindSafe(|| run.call(&mut store, -5))).unwrap_err();
    assert!(panic.is::<u8>());
    assert!(run.call(&mut store, 0).is_err());
}

#[test]
fn a_host_function_can_go_on_after_the_guest_that_it_called_failed() {
    let engine = Engine::default();
    let mut linker = Linker::new(&engine);
    linker
        .func_wrap(
            "host",
            "try",
            |mut caller: Caller<'_, ()>, n: i32| -> Result<i32> {
                let Some(Extern::Func(divide)) = caller.get_export("divide") else {
                    return Err(Error::msg("no function `divide`"));
                };
                let divide = divide.typed::<i32, i32>(&caller)?;
                match divide.call(&mut caller, n) {
                    Ok(quotient) => Ok(quotient),
                    Err(error) if error.as_trap().is_some() => Ok(-1),
                    Err(error) => Err(error),
                }
            },
        )
        .unwrap();
    let module = Module::new(
        &engine,
        r#"(module
             (import "host" "try" (func $try (param i32) (result i32)))
             (func (export "divide") (param i32) (result i32)
               (i32.div_s (i32.const 100) (local.get 0)))
             (func (export "run") (result i32)
               (i32.add (call $try (i32.const 0)) (call $try (i32.const 5)))))"#,
    )
    .unwrap();
    let mut store = Store::new(&engine, ());
    let instance = linker.instantiate(&mut store, &module).unwrap();
    let run = instance
        .get_typed_func::<(), i32>(&mut store, "run")
        .unwrap();
    assert_eq!(run.call(&mut store, ()).unwrap(), 19);
}

#[test]
fn a_caller_is_the_instance_that_calls() {
    let engine = Engine::default();
    let mut store = Store::new(&engine, Vec::new());
    let who = Func::wrap(&mut store, |mut caller: Caller<'_, Vec<Option<i32>>>| {
        let id = match caller.get_export("id") {
            Some(Extern::Global(id)) => id.get(&caller).unwrap().i32(),
            _ => None,
        };
        caller.data_mut().push(id);
        assert!(caller.get_export("nothing").is_none());
        assert!(Engine::same(caller.engine(), caller.as_context().engine()));
    });
    let module = |id: i32| {
        Module::new(
            &engine,
            format!(
                r#"(module (import "" "" (func $who)) (import "" "" (func $next))
                     (global (export "id") i32 (i32.const {id}))
                     (func (export "run") (call $who) (call $next) (call $who)))"#
            ),
        )
        .unwrap()
    };
    let first = Instance::new(&mut store, &module(1), &[who.into(), who.into()]).unwrap();
    let first = first.get_func(&mut store, "run").unwrap();
    let second = Instance::new(&mut store, &module(2), &[who.into(), first.into()]).unwrap();
    let run = second.get_typed_func::<(), ()>(&mut store, "run").unwrap();
    run.call(&mut store, ()).unwrap();
    who.call(&mut store, &[], &mut []).unwrap();
    let expected = [Some(2), Some(1), Some(1), Some(1), Some(2), None];
    assert_eq!(*store.data(), expected);
}

#[test]
fn sixteen_parameters_and_results_of_all_types() {
    type Out = (
        V128,
        V128,
        f64,
        f32,
        i32,
        i64,
        i32,
        u64,
        u32,
        V128,
        f64,
        f32,
        i64,
        i32,
        f32,
        f32,
    );
    let engine = Engine::default();
    let mut store = Store::new(&engine, ());
    #[rustfmt::skip]
    let host = Func::wrap(
        &mut store,
        |a: i32, b: i64, c: f32, d: f64, e: V128, f: u32, g: u64, h: i32, i: i64, j: i32, k: f32,
         l: f32, m: f64, n: V128, o: V128, p: f32| -> Out {
            (o, n, m, l, j, i, h, g, f, e, d, c, b, a, p, k)
        },
    );
    let dynamic = {
        let ty = host.ty(&store);
        Func::new(&mut store, ty, move |mut caller, params, results| {
            // Through a typed host function, from within another one.
            host.call(&mut caller, params, results)
        })
    };
    let module = Module::new(
        &engine,
        r#"(module
             (type $t (func
               (param i32 i64 f32 f64 v128 i32 i64 i32 i64 i32 f32 f32 f64 v128 v128 f32)
               (result v128 v128 f64 f32 i32 i64 i32 i64 i32 v128 f64 f32 i64 i32 f32 f32)))
             (import "" "host" (func $host (type $t)))
             (func (export "f") (type $t)
               (call $host
                 (local.get 0) (local.get 1) (local.get 2) (local.get 3)
                 (local.get 4) (local.get 5) (local.get 6) (local.get 7)
                 (local.get 8) (local.get 9) (local.get 10) (local.get 11)
                 (local.get 12) (local.get 13) (local.get 14) (local.get 15))))"#,
    )
    .unwrap();
    for import in [host, dynamic] {
        let instance = Instance::new(&mut store, &module, &[import.into()]).unwrap();
        let f = instance.get_func(&mut store, "f").unwrap();
        let params: Vec<Val> = f
            .ty(&store)
            .params()
            .enumerate()
            .map(|(i, ty)| match ty {
                ValType::I32 => Val::I32(-(i as i32)),
                ValType::I64 => Val::I64(-(i as i64)),
                ValType::F32 => Val::from(i as f32),
                ValType::F64 => Val::from(i as f64),
                _ => Val::V128(((i as u128) << 100 | 1).into()),
            })
            .collect();
        let mut results = vec![Val::I32(0); 16];
        f.call(&mut store, &params, &mut results).unwrap();
        let order = [14, 13, 12, 11, 9, 8, 7, 6, 5, 4, 3, 2, 1, 0, 15, 10];
        for (result, from) in results.iter().zip(order) {
            assert_eq!(format!("{result:?}"), format!("{:?}", params[from]));
        }
    }
}

#[test]
fn dynamic_host_functions_have_an_environment_and_checked_results() {
    let engine = Engine::default();
    let mut store = Store::new(&engine, 100_i64);
    let factor = String::from("3");
    let ty = FuncType::new([ValType::I64], [ValType::I64, ValType::F32]);
    let func = Func::new(
        &mut store,
        ty,
        move |caller: Caller<'_, i64>, params, results| {
            let factor: i64 = factor.parse().map_err(Error::new)?;
            assert!(matches!(results, [Val::I64(0), Val::F32(0)]));
            results[0] = Val::I64(params[0].unwrap_i64() * factor + caller.data());
            results[1] = if params[0].unwrap_i64() < 0 {
                Val::I32(1)
            } else {
                Val::from(0.5_f32)
            };
            Ok(())
        },
    );
    let typed = func.typed::<i64, (i64, f32)>(&store).unwrap();
    assert_eq!(typed.call(&mut store, 5).unwrap(), (115, 0.5));
    let error = typed.call(&mut store, -1).unwrap_err();
    assert!(
        error
            .to_string()
            .contains("result 2 has the wrong type: wanted f32, given i32"),
        "{error}"
    );
}

#[test]
fn a_result_that_belongs_to_another_store_is_an_error() {
    let engine = Engine::default();
    let mut other = Store::new(&engine, ());
    let foreign = Func::wrap(&mut other, || {});
    let mut store = Store::new(&engine, ());
    let typed = Func::wrap(&mut store, move || Some(foreign));
    let ty = FuncType::new([], [ValType::FuncRef]);
    let dynamic = Func::new(&mut store, ty, move |_, _, results| {
        results[0] = foreign.into();
        Ok(())
    });
    for func in [typed, dynamic] {
        let error = func.call(&mut store, &[], &mut [Val::I32(0)]).unwrap_err();
        assert!(
            matches!(error.kind(), ErrorKind::WrongStore { .. }),
            "{error}"
        );
    }
}

#[test]
fn a_host_function_can_instantiate_and_make_objects() {
    let engine = Engine::default();
    let mut linker = Linker::new(&engine);
    let inner = Module::new(
        &engine,
        r#"(module (func (export "f") (result i32) i32.const 5))"#,
    )
    .unwrap();
    linker
        .func_wrap(
            "host",
            "spawn",
            move |mut caller: Caller<'_, ()>| -> Result<i32> {
                let instance = Instance::new(caller.as_context_mut(), &inner, &[])?;
                let f = instance.get_typed_func::<(), i32>(&caller, "f")?;
                f.call(&mut caller, ())
            },
        )
        .unwrap();
    let module = Module::new(
        &engine,
        r#"(module (import "host" "spawn" (func $spawn (result i32)))
             (func (export "run") (result i32) (i32.add (call $spawn) (call $spawn))))"#,
    )
    .unwrap();
    let mut store = Store::new(&engine, ());
    let instance = linker.instantiate(&mut store, &module).unwrap();
    let run = instance
        .get_typed_func::<(), i32>(&mut store, "run")
        .unwrap();
    assert_eq!(run.call(&mut store, ()).unwrap(), 10);
}
