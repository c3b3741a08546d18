//! Functions that the guest calls, and that reach data of the host: a till that adds up what a guest sells,
//! and refuses what nobody ordered.

use upshift::{Caller, Engine, Linker, Module, Store};

/// What the host keeps for each store. Host functions reach it through their `Caller`.
struct Till {
    receipt: Vec<String>,
    total: i64,
}

const SHOP: &str = r#"
    (module $shop
      (import "till" "sell" (func $sell (param i32 i64)))
      (func $serve (export "serve") (param $customers i32)
        (loop $next
          (call $sell (local.get $customers) (i64.const 250))
          (local.set $customers (i32.sub (local.get $customers) (i32.const 1)))
          (br_if $next (local.get $customers)))))"#;

fn main() -> upshift::Result<()> {
    let engine = Engine::default();
    let module = Module::new(&engine, SHOP)?;

    // A linker knows imports by name. Closures over Rust types become host functions; a leading `Caller`
    // is the way to the store, and an `Err` ends the guest.
    let mut linker = Linker::new(&engine);
    linker.func_wrap(
        "till",
        "sell",
        |mut caller: Caller<'_, Till>, customer: i32, cents: i64| {
            if customer < 0 {
                return Err(format!("there is no customer {customer}"));
            }
            let till = caller.data_mut();
            till.receipt.push(format!("customer {customer}: {cents}"));
            till.total += cents;
            Ok(())
        },
    )?;

    let till = Till {
        receipt: Vec::new(),
        total: 0,
    };
    let mut store = Store::new(&engine, till);
    let shop = linker.instantiate(&mut store, &module)?;
    let serve = shop.get_typed_func::<i32, ()>(&mut store, "serve")?;

    serve.call(&mut store, 3)?;
    for line in &store.data().receipt {
        println!("{line}");
    }
    println!("total: {}", store.data().total);

    // The host function's error comes back through the guest, with the guest's calls.
    let error = serve.call(&mut store, -1).unwrap_err();
    println!("refused: {error}");
    if let Some(backtrace) = error.wasm_backtrace() {
        println!("sold by: {:?}", backtrace.frames()[0].func_name());
    }
    Ok(())
}
