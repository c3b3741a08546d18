//! Exchanging text with a guest: the host writes into the guest's memory, the guest changes it there, the host
//! reads it back.

use upshift::{Engine, Instance, Module, Store};

const SHOUT: &str = r#"
    (module
      (memory (export "memory") 1)
      ;; Where the host may put its text: behind what the guest uses itself.
      (func (export "buffer") (result i32) (i32.const 1024))
      ;; Makes the ASCII letters of a text upper case, in place, and returns how many it changed.
      (func (export "shout") (param $text i32) (param $length i32) (result i32)
        (local $changed i32) (local $end i32)
        (local.set $end (i32.add (local.get $text) (local.get $length)))
        (block $done
          (loop $next
            (br_if $done (i32.eq (local.get $text) (local.get $end)))
            (if (i32.lt_u
                  (i32.sub (i32.load8_u (local.get $text)) (i32.const 97)) (i32.const 26))
              (then
                (i32.store8 (local.get $text)
                  (i32.sub (i32.load8_u (local.get $text)) (i32.const 32)))
                (local.set $changed (i32.add (local.get $changed) (i32.const 1)))))
            (local.set $text (i32.add (local.get $text) (i32.const 1)))
            (br $next)))
        (local.get $changed)))"#;

fn main() -> upshift::Result<()> {
    let engine = Engine::default();
    let module = Module::new(&engine, SHOUT)?;
    let mut store = Store::new(&engine, ());
    let guest = Instance::new(&mut store, &module, &[])?;
    let memory = guest
        .get_memory(&mut store, "memory")
        .ok_or_else(|| upshift::Error::msg("the guest exports no memory"))?;
    let buffer = guest.get_typed_func::<(), i32>(&mut store, "buffer")?;
    let shout = guest.get_typed_func::<(i32, i32), i32>(&mut store, "shout")?;

    // Addresses of a 32-bit memory are unsigned; `write` and `read` check them against its size.
    let text = "Upshift, up two gears!";
    let address = buffer.call(&mut store, ())?;
    memory.write(&mut store, address as u32 as usize, text.as_bytes())?;

    let changed = shout.call(&mut store, (address, text.len() as i32))?;

    let mut bytes = vec![0; text.len()];
    memory.read(&store, address as u32 as usize, &mut bytes)?;
    println!("{}", String::from_utf8_lossy(&bytes));
    println!("{changed} letters changed");
    Ok(())
}
