//! The kernels as data: reads `kernels.toml` and finds the committed WebAssembly beside it.
//!
//! Used by the demo, the benches, the tests and `cargo xtask kernels`, so that all of them agree on sizes and results.
//! How a kernel is compiled is not here but in `xtask`.

use std::fmt;
use std::path::{Path, PathBuf};

use serde::Deserialize;

/// The name of the function that every kernel exports beside its own: it does work linear in its argument and returns
/// an `i64` checksum.
pub const RUN: &str = "run";

/// A small compute-bound program. It exports its memory as `memory`, and two functions, each from one `i32` to one
/// result: [`RUN`] and one that is named like the kernel.
#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Kernel {
    /// The name of the kernel, of its files and of its own function.
    pub name: String,
    /// One line for people.
    pub description: String,
    /// What the kernel's own function returns.
    pub result: ResultType,
    /// What the compiler is told for `wasm32` beside what it is told for all kernels, such as a feature to use.
    #[serde(default)]
    pub wasm_flags: Vec<String>,
    /// The argument with which [`RUN`] takes about a millisecond when compiled to native code.
    pub n_for_1_ms: i32,
    /// Calls and what they must return, the short ones first.
    pub checks: Vec<Check>,
}

/// The type of a function's one result.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum ResultType {
    /// A 32-bit integer.
    I32,
    /// A 64-bit integer.
    I64,
    /// A double-precision number.
    F64,
}

/// A call of one of a kernel's functions with what it must return, bit for bit, whichever engine runs it.
#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Check {
    /// The exported function.
    pub call: String,
    /// Its argument.
    pub with: i32,
    /// Its result.
    pub gives: Number,
}

/// A result: floating-point numbers where the function returns `f64`, integers of either width otherwise.
#[derive(Debug, Clone, Copy, Deserialize)]
#[serde(untagged)]
pub enum Number {
    /// An `i32` or `i64`.
    Integer(i64),
    /// An `f64`.
    Float(f64),
}

/// Equal means the same bits: that tells -0 from 0 and makes a NaN equal to itself.
impl PartialEq for Number {
    fn eq(&self, other: &Number) -> bool {
        match (self, other) {
            (Number::Integer(a), Number::Integer(b)) => a == b,
            (Number::Float(a), Number::Float(b)) => a.to_bits() == b.to_bits(),
            _ => false,
        }
    }
}

impl fmt::Display for Number {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Number::Integer(value) => value.fmt(f),
            Number::Float(value) => write!(f, "{value:?}"),
        }
    }
}

/// Why the kernels could not be read.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// A file is missing or unreadable.
    #[error("reading {path}: {source}; `cargo xtask kernels` rebuilds the .wasm files", path = .path.display())]
    Read {
        /// The file.
        path: PathBuf,
        /// What the system said.
        source: std::io::Error,
    },
    /// `kernels.toml` is not what it should be.
    #[error("{path} is not a list of kernels: {source}", path = .path.display())]
    Parse {
        /// The file.
        path: PathBuf,
        /// What is wrong with it, and where.
        source: Box<toml::de::Error>,
    },
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Manifest {
    kernel: Vec<Kernel>,
}

/// The folder with the sources, the `.wasm` files and `kernels.toml`.
pub fn folder() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

/// All kernels, in the order of `kernels.toml`.
///
/// # Errors
///
/// When `kernels.toml` can't be read or understood.
///
/// # Examples
///
/// ```
/// for kernel in upshift_kernels::all()? {
///     println!("{}: {}", kernel.name, kernel.description);
/// }
/// # Ok::<(), upshift_kernels::Error>(())
/// ```
pub fn all() -> Result<Vec<Kernel>, Error> {
    let path = folder().join("kernels.toml");
    let text = std::fs::read_to_string(&path).map_err(|source| Error::Read {
        path: path.clone(),
        source,
    })?;
    let manifest: Manifest = toml::from_str(&text).map_err(|source| Error::Parse {
        path,
        source: Box::new(source),
    })?;
    Ok(manifest.kernel)
}

/// A kernel as it was when this crate was compiled, so that it can be run where there is no repository.
#[derive(Debug, Clone, PartialEq)]
pub struct Embedded {
    /// What is known of it.
    pub kernel: Kernel,
    /// Its WebAssembly.
    pub wasm: &'static [u8],
}

macro_rules! wasm {
    ($($name:literal)*) => {
        &[$(($name, include_bytes!(concat!($name, ".wasm")) as &[u8]),)*]
    };
}

const WASM: &[(&str, &[u8])] = wasm!(
    "nbody" "fib" "rho" "snappy" "gemm" "stencil" "cholesky" "syr2k" "sort" "hashmap" "interp" "sha256" "blur" "strings"
    "list" "trees" "recursion" "dispatch" "globals" "simd" "mandelbrot" "fft" "levenshtein" "expressions" "threaded"
);

/// All kernels, in the order of `kernels.toml`, as they were when this crate was compiled.
///
/// # Panics
///
/// Never: the file is checked by tests.
pub fn embedded() -> Vec<Embedded> {
    let manifest: Manifest =
        toml::from_str(include_str!("kernels.toml")).expect("a file of this crate");
    let embed = |kernel: Kernel| {
        let (_, wasm) = WASM.iter().find(|(name, _)| *name == kernel.name)?;
        Some(Embedded { kernel, wasm })
    };
    manifest.kernel.into_iter().filter_map(embed).collect()
}

impl Kernel {
    /// What a function must return for an argument, where that is known.
    pub fn expected(&self, function: &str, argument: i32) -> Option<Number> {
        let mut checks = self.checks.iter();
        let check = checks.find(|check| check.call == function && check.with == argument);
        check.map(|check| check.gives)
    }

    /// Where the kernel's committed WebAssembly is.
    pub fn wasm_path(&self) -> PathBuf {
        folder().join(format!("{}.wasm", self.name))
    }

    /// The kernel's committed WebAssembly, a binary module without imports.
    ///
    /// # Errors
    ///
    /// When the file can't be read.
    pub fn wasm(&self) -> Result<Vec<u8>, Error> {
        let path = self.wasm_path();
        std::fs::read(&path).map_err(|source| Error::Read { path, source })
    }

    /// What one of the kernel's two functions returns, or `None` if it has no such function.
    pub fn result_of(&self, function: &str) -> Option<ResultType> {
        if function == RUN {
            Some(ResultType::I64)
        } else if function == self.name {
            Some(self.result)
        } else {
            None
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_check_calls_a_function_of_its_kernel_and_expects_its_type() {
        let kernels = all().unwrap();
        assert!(kernels.len() >= 20);
        for kernel in &kernels {
            assert!(kernel.n_for_1_ms > 0, "{}", kernel.name);
            for function in [RUN, &kernel.name] {
                assert!(
                    kernel.checks.iter().any(|check| check.call == function),
                    "{} has no check of {function}",
                    kernel.name
                );
            }
            for check in &kernel.checks {
                let expected = match kernel.result_of(&check.call) {
                    Some(ResultType::F64) => matches!(check.gives, Number::Float(_)),
                    Some(ResultType::I64) => matches!(check.gives, Number::Integer(_)),
                    Some(ResultType::I32) => {
                        matches!(check.gives, Number::Integer(value) if i32::try_from(value).is_ok())
                    }
                    None => false,
                };
                assert!(expected, "{}: {check:?}", kernel.name);
            }
            // The sizes that comparisons use, so that they don't have to trust the engines' agreement.
            for milliseconds in [1, 10] {
                let n = kernel.n_for_1_ms.checked_mul(milliseconds);
                assert!(
                    kernel
                        .checks
                        .iter()
                        .any(|check| check.call == RUN && Some(check.with) == n),
                    "{} has no check of {RUN} for {milliseconds} ms",
                    kernel.name
                );
            }
        }
    }

    #[test]
    fn every_kernel_is_committed_as_a_binary_module() {
        for kernel in all().unwrap() {
            assert!(
                kernel.wasm().unwrap().starts_with(b"\0asm\x01\0\0\0"),
                "{}",
                kernel.name
            );
        }
    }

    #[test]
    fn every_kernel_is_embedded() {
        let embedded = embedded();
        assert_eq!(
            embedded
                .iter()
                .map(|it| it.kernel.clone())
                .collect::<Vec<_>>(),
            all().unwrap()
        );
        for Embedded { kernel, wasm } in embedded {
            assert_eq!(kernel.wasm().unwrap(), wasm, "{}", kernel.name);
        }
    }

    #[test]
    fn numbers_compare_by_their_bits() {
        assert_ne!(Number::Float(0.0), Number::Float(-0.0));
        assert_eq!(Number::Float(f64::NAN), Number::Float(f64::NAN));
        assert_ne!(Number::Integer(1), Number::Float(1.0));
    }
}
