//! Bodies that are validated one by one, and on several threads, give the verdicts of validation in order.

use upshift_module::{EntityRef, Features, Module, ModuleError, Validation};

/// Reads a module without its bodies, then validates these in order.
pub(crate) fn validate_lazily(bytes: &[u8], features: &Features) -> Result<(), ModuleError> {
    let later = Validation::BodiesWhenCompiled;
    let module = Module::parse_owned(None, bytes.to_vec(), features, later)?;
    module.bodies.keys().try_for_each(|defined| {
        module.validate_body(defined)?;
        // Valid bodies stay so.
        module.validate_body(defined)
    })
}

/// A module of 4000 functions, large enough for several threads, of which these are invalid.
fn large_module(bad: &[usize]) -> Vec<u8> {
    let additions = "local.get 0 i32.const 12345 i32.add local.set 0 ".repeat(20);
    let mut text = String::from("(module");
    for function in 0..4000 {
        let result = if bad.contains(&function) {
            "i64.const 0"
        } else {
            "local.get 0"
        };
        text += &format!("(func $f{function} (param i32) (result i32) {additions} {result})");
    }
    text.push(')');
    wat::parse_str(text).unwrap()
}

#[test]
fn the_first_invalid_function_is_the_error_whatever_threads_find_first() {
    let features = Features::all();
    for bad in [&[3990, 2000, 1999, 700][..], &[3999], &[0, 1, 3999]] {
        let bytes = large_module(bad);
        let first = bad.iter().min().copied().unwrap();
        let expected = validate_lazily(&bytes, &features).unwrap_err();
        for _ in 0..20 {
            let error = Module::validate(&bytes, &features).unwrap_err();
            assert_eq!(error.function(), Some(first as u32));
            assert_eq!(error.function_name(), Some(format!("f{first}").as_str()));
            assert_eq!(error, expected);
        }
    }
    Module::validate(&large_module(&[]), &features).unwrap();
}

#[test]
fn an_invalid_function_does_not_spoil_others() {
    let later = Validation::BodiesWhenCompiled;
    let module = Module::parse_owned(None, large_module(&[5]), &Features::all(), later).unwrap();
    for defined in [6, 4, 3999] {
        module.validate_body(EntityRef::new(defined)).unwrap();
    }
    for _ in 0..2 {
        let error = module.validate_body(EntityRef::new(5)).unwrap_err();
        assert_eq!(error.function(), Some(5));
        assert_eq!(error.section(), Some("code"));
    }
    // There is no such function: nothing to validate.
    module.validate_body(EntityRef::new(4000)).unwrap();
}

#[test]
fn what_is_not_a_body_is_validated_at_once() {
    let later = Validation::BodiesWhenCompiled;
    let text = b"(module (func) (export \"f\" (func 1)))";
    let error = Module::parse_owned(None, text.to_vec(), &Features::all(), later).unwrap_err();
    assert_eq!(error.section(), Some("export"));
}
