//! What must hold on the main thread of a process, whose stack the kernel made and grows: a stack that
//! runs out is a trap there too. Tests of the standard harness never run on it.

use std::process::ExitCode;

use libtest_mimic::{Arguments, Failed, Trial};
use upshift::{Caller, Engine, Error, Extern, Linker, Module, Result, Store, TrapCode};

const RECURSE: &str = r#"(module
  (import "host" "call_back" (func $call_back))
  (func $plain (export "plain") (call $plain))
  (func (export "host") (call $call_back))
  (func (export "fine") (result i32) (i32.const 5)))"#;

fn main() -> ExitCode {
    let mut arguments = Arguments::from_args();
    // One thread is this one.
    arguments.test_threads = Some(1);
    let tests = vec![
        Trial::test("recursion_is_a_trap", || recurse("plain")),
        Trial::test("recursion_through_host_functions_is_a_trap", || {
            recurse("host")
        }),
    ];
    libtest_mimic::run(&arguments, tests).exit_code()
}

fn recurse(name: &str) -> Result<(), Failed> {
    let thread = std::fs::read_link("/proc/thread-self")?;
    let process = std::process::id().to_string();
    assert!(
        thread.ends_with(process),
        "{} is not the main thread",
        thread.display()
    );

    let engine = Engine::default();
    let mut linker = Linker::new(&engine);
    linker.func_wrap(
        "host",
        "call_back",
        |mut caller: Caller<'_, ()>| -> Result<()> {
            let Some(Extern::Func(host)) = caller.get_export("host") else {
                return Err(Error::msg("no function `host`"));
            };
            host.typed::<(), ()>(&caller)?.call(&mut caller, ())
        },
    )?;
    let module = Module::new(&engine, RECURSE)?;
    let mut store = Store::new(&engine, ());
    let instance = linker.instantiate(&mut store, &module)?;
    let func = instance.get_typed_func::<(), ()>(&mut store, name)?;
    let fine = instance.get_typed_func::<(), i32>(&mut store, "fine")?;
    for _ in 0..2 {
        let error = func.call(&mut store, ()).unwrap_err();
        assert_eq!(
            error.as_trap().map(upshift::Trap::code),
            Some(TrapCode::StackOverflow)
        );
        assert_eq!(fine.call(&mut store, ())?, 5);
    }
    Ok(())
}
