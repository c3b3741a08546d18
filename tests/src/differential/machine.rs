//! What an engine shows of itself to be compared: how something ended, and what is in its globals, memories and
//! tables.

use std::fmt;

use super::Value;

/// A module that an engine has accepted, and its one instance at a time.
pub trait Machine {
    /// Makes a new instance in a new store; what was there before is dropped. Returns no values.
    fn instantiate(&mut self) -> Outcome;

    /// Calls an exported function of the instance.
    fn call(&mut self, function: &str, arguments: &[Value]) -> Outcome;

    /// What the instance exports, now. Meaningless after a stack overflow.
    fn state(&mut self) -> State;
}

/// How a call or an instantiation ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// It returned these values.
    Returned(Vec<Value>),
    /// It trapped.
    Trapped(TrapKind),
    /// A host function stopped it with this number.
    HostFailed(u32),
    /// It used up the stack: when, is an engine's own affair.
    StackOverflow,
    /// The engine gave up in a way that it never should.
    Failed(String),
}

impl Outcome {
    /// A few words under which it is counted.
    #[must_use]
    pub fn kind(&self) -> &'static str {
        match self {
            Self::Returned(values) if values.is_empty() => "returned without a value",
            Self::Returned(_) => "returned values",
            Self::Trapped(kind) => kind.name(),
            Self::HostFailed(_) => "stopped by a host function",
            Self::StackOverflow => "stack overflow",
            Self::Failed(_) => "failed",
        }
    }
}

impl fmt::Display for Outcome {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Returned(values) => {
                f.write_str("returned")?;
                values.iter().try_for_each(|value| write!(f, " {value}"))
            }
            Self::Trapped(kind) => write!(f, "trapped: {}", kind.name()),
            Self::HostFailed(number) => write!(f, "stopped by a host function, number {number}"),
            Self::StackOverflow => f.write_str("stack overflow"),
            Self::Failed(message) => write!(f, "failed: {message}"),
        }
    }
}

/// The traps that both engines tell apart.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TrapKind {
    /// `unreachable`, also where `ensure_termination` ran out of fuel.
    Unreachable,
    /// Outside of a memory.
    MemoryOutOfBounds,
    /// Outside of a table; of a call, too.
    TableOutOfBounds,
    /// Call of a null reference.
    NullElement,
    /// Call of a function of another type.
    TypeMismatch,
    /// A quotient or converted number that does not fit.
    IntegerOverflow,
    /// Division by zero.
    DivisionByZero,
    /// Conversion of a NaN.
    InvalidConversion,
}

impl TrapKind {
    /// One phrase.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Unreachable => "unreachable, or out of fuel",
            Self::MemoryOutOfBounds => "out of bounds memory access",
            Self::TableOutOfBounds => "out of bounds table access",
            Self::NullElement => "call of null",
            Self::TypeMismatch => "indirect call type mismatch",
            Self::IntegerOverflow => "integer overflow",
            Self::DivisionByZero => "integer divide by zero",
            Self::InvalidConversion => "invalid conversion to integer",
        }
    }
}

/// Everything that an instance exports besides its functions, in the order of its exports.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct State {
    /// The value of each global.
    pub globals: Vec<Value>,
    /// Each memory.
    pub memories: Vec<MemoryState>,
    /// The elements of each table.
    pub tables: Vec<Vec<Value>>,
}

impl State {
    /// Says in what it differs from another one; `None` if it doesn't.
    #[must_use]
    pub fn difference(&self, other: &Self) -> Option<String> {
        if self == other {
            return None;
        }
        let globals = first_difference("global", &self.globals, &other.globals);
        let memories = || first_difference("memory", &self.memories, &other.memories);
        let tables = || {
            let sizes = |tables: &[Vec<Value>]| tables.iter().map(Vec::len).collect::<Vec<_>>();
            first_difference("size of table", &sizes(&self.tables), &sizes(&other.tables)).or_else(
                || {
                    let mut both = self.tables.iter().zip(&other.tables).enumerate();
                    both.find_map(|(i, (a, b))| {
                        first_difference(&format!("table {i}, element"), a, b)
                    })
                },
            )
        };
        globals.or_else(memories).or_else(tables)
    }
}

fn first_difference<T: PartialEq + fmt::Display>(what: &str, a: &[T], b: &[T]) -> Option<String> {
    if a.len() != b.len() {
        return Some(format!("{what}: {} against {}", a.len(), b.len()));
    }
    let i = a.iter().zip(b).position(|(a, b)| a != b)?;
    Some(format!("{what} {i}: {} against {}", a[i], b[i]))
}

/// A memory's size and a hash of its bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct MemoryState {
    /// Its size in bytes.
    pub bytes: usize,
    /// A hash of all of them.
    pub hash: u64,
}

impl MemoryState {
    /// Of a memory's bytes.
    #[must_use]
    pub fn new(data: &[u8]) -> Self {
        Self {
            bytes: data.len(),
            hash: hash(data),
        }
    }
}

impl fmt::Display for MemoryState {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} bytes with hash {:#018x}", self.bytes, self.hash)
    }
}

/// Four independent chains of multiplications, so that a page takes a microsecond. Each step is a bijection of
/// what came before, so two memories that differ in one word never have the same hash.
fn hash(data: &[u8]) -> u64 {
    const FACTOR: u64 = 0x9e37_79b9_7f4a_7c15;
    let step = |state: u64, word: u64| (state ^ word).wrapping_mul(FACTOR).rotate_left(29);
    let mut lanes = [1_u64, 2, 3, 4];
    let (blocks, rest) = data.as_chunks::<32>();
    for block in blocks {
        let (words, _) = block.as_chunks::<8>();
        for (lane, word) in lanes.iter_mut().zip(words) {
            *lane = step(*lane, u64::from_le_bytes(*word));
        }
    }
    let all = lanes
        .into_iter()
        .chain(rest.iter().map(|&byte| byte.into()));
    all.fold(data.len() as u64, step)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_byte_of_a_memory_is_in_its_hash() {
        let mut data = vec![0; 100];
        let zeroes = MemoryState::new(&data);
        for i in 0..data.len() {
            data[i] = 1;
            assert_ne!(MemoryState::new(&data), zeroes, "{i}");
            data[i] = 0;
        }
        assert_eq!(MemoryState::new(&data), zeroes);
    }

    #[test]
    fn a_difference_is_named() {
        let state = State {
            globals: vec![Value::I32(1)],
            memories: vec![MemoryState::new(&[1, 2])],
            tables: vec![vec![Value::Func(None)]],
        };
        let mut other = state.clone();
        assert_eq!(state.difference(&other), None);
        other.tables[0][0] = Value::Func(Some("f".to_owned()));
        assert_eq!(
            state.difference(&other).unwrap(),
            "table 0, element 0: funcref:null against funcref:\"f\""
        );
        other.tables[0].clear();
        assert_eq!(
            state.difference(&other).unwrap(),
            "size of table 0: 1 against 0"
        );
        other.memories[0] = MemoryState::new(&[1, 3]);
        assert!(
            state
                .difference(&other)
                .unwrap()
                .starts_with("memory 0: 2 bytes")
        );
        other.globals[0] = Value::F32(1);
        assert!(
            state
                .difference(&other)
                .unwrap()
                .starts_with("global 0: i32:0x1 against f32")
        );
    }
}
