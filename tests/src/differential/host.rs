//! What generated modules may import: functions that compute their results from their arguments and from how many
//! calls there were before, now and then fail, and one object of each other kind.

use upshift::ValType;

use super::{Random, Value};

/// Imports for the generator to choose from, behind [`TYPES`]. [`object`] makes all but the functions.
pub(crate) const IMPORTS: &str = r#"
  (import "host" "f0" (func))
  (import "host" "f1" (func (param i32) (result i32)))
  (import "host" "f2" (func (param i64 f64 f32 i32) (result f64)))
  (import "host" "f3" (func (param v128 i32 v128) (result v128)))
  (import "host" "f4" (func (param externref funcref) (result externref)))
  (import "host" "f5" (func (result i32 i64 f32 f64 v128 externref funcref)))
  (import "host" "f6" (func (param i32 i32 i32 i32 i32 i32 i32 f32 f32 f32 f32 f32 f32 f32 f32 f32 i64)
    (result i64 i64)))
  (import "host" "f7" (func (param f32 v128 i64) (result f32)))
  (import "host" "constant" (global i32))
  (import "host" "variable" (global (mut i64)))
  (import "host" "vector" (global v128))
  (import "host" "memory" (memory 1 3))
  (import "host" "table" (table 8 16 funcref))"#;

/// Function types that every module has besides those that the generator makes up. All have results: a function
/// without any shows less of what it did.
pub(crate) const TYPES: &str = "
  (type (func (result i32)))
  (type (func (param i32) (result i32)))
  (type (func (param i32 i32) (result i64)))
  (type (func (param i64 i32) (result f32 f64)))
  (type (func (param f32 f64) (result f64)))
  (type (func (param v128 i32) (result v128)))
  (type (func (param i32 i64 f32 f64 v128 externref funcref) (result v128 i32)))
  (type (func (param f64 v128) (result i32 i64 f32 f64 v128)))
  (type (func (param funcref externref) (result funcref externref)))";

/// An import that is not a function.
pub(crate) enum Object {
    /// A global: its first value, and whether it can be assigned.
    Global(Value, bool),
    /// A memory: pages, and at most so many.
    Memory(u32, u32),
    /// A table of functions: elements, and at most so many.
    Table(u32, u32),
}

/// What the import of this name is; `None` for a function.
pub(crate) fn object(name: &str) -> Option<Object> {
    Some(match name {
        "constant" => Object::Global(Value::I32(1000), false),
        "variable" => Object::Global(Value::I64(u64::MAX), true),
        "vector" => Object::Global(Value::V128(u128::MAX / 255 * 3), false),
        "memory" => Object::Memory(1, 3),
        "table" => Object::Table(8, 16),
        _ => return None,
    })
}

/// What the host keeps for each instance.
#[derive(Clone, Debug, Default)]
pub struct HostState {
    /// Calls so far, as a fingerprint of all their arguments.
    history: u64,
}

/// The error of a host function, which must come back to the caller as it was.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("a host function failed with number {0}")]
pub struct HostFailure(pub u32);

impl HostState {
    /// One call of a host function.
    pub(crate) fn call(
        &mut self,
        name: &str,
        arguments: &[Value],
        results: impl Iterator<Item = ValType>,
    ) -> Result<Vec<Value>, HostFailure> {
        let name = name.bytes().map(u64::from);
        for word in name.chain(arguments.iter().map(Value::fingerprint)) {
            self.history = Random::new(self.history ^ word).next_u64();
        }
        let mut random = Random::new(self.history);
        if random.once_in(100) {
            return Err(HostFailure(random.next_u64() as u32));
        }
        Ok(results
            .map(|ty| Value::random(ty, &mut random, &[]))
            .collect())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn results_depend_on_function_arguments_and_history() {
        let call = |state: &mut HostState, name, argument| {
            state.call(
                name,
                &[Value::I64(argument)],
                [ValType::V128; 4].into_iter(),
            )
        };
        let (mut a, mut b, mut c) = <(HostState, HostState, HostState)>::default();
        let first = call(&mut a, "f", 1);
        assert_eq!(call(&mut b, "f", 1), first);
        assert_ne!(call(&mut b, "f", 1), first);
        assert_ne!(call(&mut c, "g", 1), first);
    }
}
