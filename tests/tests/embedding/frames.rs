//! Frames that are large: touched page by page where the single pass makes them, shared cells and a bound on their
//! size where LLVM does.

use std::fmt::Write;

use upshift::{
    CodeForm, Config, Engine, EntryPoint, FunctionTier, Instance, Module, Store, TierMode,
};

#[test]
fn a_frame_of_several_pages_is_touched_from_the_top() {
    let engine = Engine::new(Config::new().tier(TierMode::Baseline)).unwrap();
    let probes = |locals: usize| {
        let text = format!(
            r#"(module (func (export "f") (param i64) (result i64) (local {})
                 (local.set {locals} (i64.const 5)) (i64.add (local.get 0) (local.get {locals}))))"#,
            "i64 ".repeat(locals)
        );
        let module = Module::new(&engine, &text).unwrap();
        let mut store = Store::new(&engine, ());
        let instance = Instance::new(&mut store, &module, &[]).unwrap();
        let f = instance
            .get_typed_func::<i64, i64>(&mut store, "f")
            .unwrap();
        assert_eq!(f.call(&mut store, 37).unwrap(), 42);
        let (tier, entry) = (FunctionTier::Baseline, EntryPoint::Function);
        let code = module.emit(0, tier, entry, CodeForm::Assembly).unwrap();
        let places: Vec<usize> = code
            .lines()
            .filter(|line| line.contains("test"))
            .filter_map(|line| line.split("-0x").nth(1)?.strip_suffix("(%rsp)"))
            .map(|digits| usize::from_str_radix(digits, 16).unwrap())
            .collect();
        places
    };
    assert!(probes(100).is_empty());
    let pages: Vec<usize> = (1..=5).map(|page| 4096 * page).collect();
    assert_eq!(probes(5 * 512 + 100), pages);
}

#[cfg(feature = "llvm")]
mod llvm {
    use std::hint::black_box;
    use std::sync::{Arc, Mutex};
    use std::thread;

    use upshift::{Func, TierEventKind};

    use super::*;

    /// Uses some 400 KiB of stack.
    #[inline(never)]
    fn use_stack() -> i64 {
        black_box(&[0_u8; 400 << 10]);
        0
    }

    /// Runs `f` of a module that imports a host function, on a thread with 1 MiB, and returns what it returned and
    /// which compiles failed.
    fn run(text: &str) -> (i64, Vec<String>) {
        let failed = Arc::new(Mutex::new(Vec::new()));
        let told = Arc::clone(&failed);
        let mut config = Config::new();
        config
            .tier(TierMode::Optimizing)
            .on_tier_event(move |event| {
                if let TierEventKind::Failed { error, .. } = &event.kind {
                    told.lock().unwrap().push(error.clone());
                }
            });
        let engine = Engine::new(&config).unwrap();
        let module = Module::new(&engine, text).unwrap();
        let thread = thread::Builder::new().stack_size(1 << 20).spawn(move || {
            let mut store = Store::new(&engine, ());
            let host = Func::wrap(&mut store, use_stack);
            let instance = Instance::new(&mut store, &module, &[host.into()]).unwrap();
            let f = instance.get_typed_func::<(), i64>(&mut store, "f").unwrap();
            f.call(&mut store, ()).unwrap()
        });
        let result = thread.unwrap().join().unwrap();
        let failed = failed.lock().unwrap().clone();
        (result, failed)
    }

    #[test]
    fn calls_whose_results_come_through_memory_share_its_cells() {
        // Functions that call themselves are not inlined.
        let text = r#"(module
          (func (export "f") (result i64)
            (call $two (i32.const 0)) i64.add (call $four (i32.const 0)) i64.add i64.add i64.add i64.add
            (call $three (i32.const 1)) i64.add i64.add i64.add)
          (func $two (param i32) (result i64 i64)
            (if (local.get 0) (then (return (call $two (i32.const 0))))) (i64.const 1) (i64.const 2))
          (func $three (param i32) (result i64 i64 i64)
            (if (local.get 0) (then (return (call $three (i32.const 0)))))
            (i64.const 3) (i64.const 4) (i64.const 5))
          (func $four (param i32) (result i64 i64 i64 i64)
            (if (local.get 0) (then (return (call $four (i32.const 0)))))
            (i64.const 6) (i64.const 7) (i64.const 8) (i64.const 9)))"#;
        let code = crate::before_passes(text);
        let start = code.find("@f0(").unwrap();
        let body = &code[start..start + code[start..].find("\n}").unwrap()];
        let cells: Vec<&str> = body
            .lines()
            .filter(|line| line.contains("alloca ["))
            .collect();
        assert!(
            matches!(cells[..], [only] if only.contains("[4 x ")),
            "{cells:?}"
        );
        let (mut store, instance) = crate::instance(text);
        let f = instance.get_typed_func::<(), i64>(&mut store, "f").unwrap();
        assert_eq!(f.call(&mut store, ()).unwrap(), 45);
    }

    #[test]
    fn a_function_whose_frame_is_too_large_for_llvm_runs_below_it() {
        let count = 2200;
        let mut body = String::new();
        for value in 0..count {
            write!(body, "(i64.load (i32.const {}))", 8 * value).unwrap();
        }
        // Each value is wanted after the call, one after the other.
        body.push_str("(local.set 0 (call $host))");
        body.push_str(&"local.get 0 i64.rotl i64.add ".repeat(count - 1));
        let text = format!(
            r#"(module (import "" "" (func $host (result i64))) (memory 1)
                 (data (i32.const 0) "{}")
                 (func (export "f") (result i64) (local i64) {body}))"#,
            "\\01\\00\\00\\00\\00\\00\\00\\00".repeat(count)
        );
        let (result, failed) = run(&text);
        assert_eq!(result, count as i64);
        assert!(
            failed.iter().any(|error| error.contains("bytes of stack")),
            "{failed:?}"
        );
    }
}
