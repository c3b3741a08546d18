//! Exchanging text with a guest: the host writes into the guest's memory, the guest changes it there, the host
//! reads it back. And a guest that returns a text of its own, which ends with a zero byte, as C has it.

use upshift::{Engine, Instance, Module, Store};

const SHOUT: &str = r#"
    (module
      (memory (export "memory") 1)
      (data (i32.const 16) "served by a guest\00not part of it")
      ;; The address of a text that ends with a zero byte.
      (func (export "greeting") (result i32) (i32.const 16))
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

    // A text that the guest returns: everything from its address on, up to the terminator.
    let greeting = guest.get_typed_func::<(), i32>(&mut store, "greeting")?;
    let address = greeting.call(&mut store, ())?;
    println!("{}", text_at(memory.data(&store), address)?);
    Ok(())
}

/// The text at an address of the guest's, without the zero byte that ends it. The guest may be wrong about all of it.
fn text_at(memory: &[u8], address: i32) -> upshift::Result<&str> {
    let start = address as u32 as usize;
    let rest = memory
        .get(start..)
        .ok_or_else(|| upshift::Error::msg(format!("address {start} is not in the memory")))?;
    let end = rest
        .iter()
        .position(|&byte| byte == 0)
        .ok_or_else(|| upshift::Error::msg(format!("the text at address {start} has no end")))?;
    std::str::from_utf8(&rest[..end]).map_err(upshift::Error::new)
}
