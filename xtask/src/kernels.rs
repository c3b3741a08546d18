//! `cargo xtask kernels`: compiles benches/kernels, for wasm32 and for the host, from the same sources.
//!
//! What the kernels are and what they return is in their `kernels.toml`; how they are compiled is only here.

use std::ffi::OsStr;
use std::path::{Path, PathBuf};

use upshift_kernels::{Check, Kernel, Number, RUN, ResultType};

use crate::committed::{Committed, build_folder};
use crate::failure::Failure;
use crate::{process, setup};

pub const DETAILS: &str = "\
Compiles benches/kernels/*.c for wasm32 and writes the .wasm files beside them, of all kernels or of the named ones.
  --check         write nothing; fail if a committed .wasm is not what its source compiles to
  --native        compile for this machine instead: target/kernels/NAME is a program that calls one function and prints
                  its result and time. Verifies kernels.toml with it, and prints how long its \"1 ms\" is here
  --march-native  like --native, and builds target/kernels/NAME-native too, which uses all that this CPU has
A new kernel is NAME.c, which includes kernel.h, and an entry in kernels.toml.";

/// The committed files must be reproducible, so it is this version and no other.
const CLANG: &str = "clang-22";

const COMMON_FLAGS: &[&str] = &[
    "-O3",
    "-std=c17",
    "-Wall",
    "-Wextra",
    "-Werror",
    // The same roundings everywhere.
    "-ffp-contract=off",
    // So that a square root is one instruction.
    "-fno-math-errno",
];

const WASM_FLAGS: &[&str] = &[
    "--target=wasm32",
    // What this CPU has is within WebAssembly 2.0.
    "-mcpu=generic",
    // There is no libc: loops must not become calls of memcpy and its kin.
    "-ffreestanding",
    "-nostdlib",
    "-Wl,--no-entry",
    // Names of functions are for backtraces and profiles. The rest depends on how the compiler was packaged.
    "-Wl,--strip-all",
    "-Wl,--keep-section=name",
];

/// For which CPU native code is made.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum NativeCpu {
    /// Any x86-64: what a program has that is shipped.
    Generic,
    /// This machine's.
    Host,
}

/// How often `run` is measured. The fastest call counts: everything else is other programs.
const MEASUREMENTS: u32 = 100;

struct Options {
    check: bool,
    native: bool,
    march_native: bool,
    kernels: Vec<Kernel>,
}

pub fn run(arguments: &[String]) -> Result<(), Failure> {
    let options = parse(arguments)?;
    setup::provide_for("kernels")?;
    let folder = build_folder("kernels")?;
    if options.check || !options.native {
        build_wasm(&options, &folder)?;
    }
    if options.native {
        let mut cpus = vec![NativeCpu::Generic];
        if options.march_native {
            cpus.push(NativeCpu::Host);
        }
        build_native(&options.kernels, &cpus, &folder)?;
    }
    Ok(())
}

fn parse(arguments: &[String]) -> Result<Options, Failure> {
    let all = upshift_kernels::all()?;
    let mut options = Options {
        check: false,
        native: false,
        march_native: false,
        kernels: Vec::new(),
    };
    for argument in arguments {
        match argument.as_str() {
            "--check" => options.check = true,
            "--native" => options.native = true,
            "--march-native" => {
                options.native = true;
                options.march_native = true;
            }
            name => match all.iter().find(|kernel| kernel.name == name) {
                Some(kernel) => options.kernels.push(kernel.clone()),
                None => {
                    return Err(Failure::Usage(format!(
                        "`{name}` is neither an option of `cargo xtask kernels` nor a kernel in kernels.toml"
                    )));
                }
            },
        }
    }
    if options.kernels.is_empty() {
        options.kernels = all;
    }
    Ok(options)
}

// ---- WebAssembly

fn build_wasm(options: &Options, folder: &Path) -> Result<(), Failure> {
    let runtime_library = runtime_library()?;
    let mut committed = Committed::new(options.check);
    for kernel in &options.kernels {
        let built = folder.join(format!("{}.wasm", kernel.name));
        let mut clang = clang();
        clang
            .args(WASM_FLAGS)
            .args(&kernel.wasm_flags)
            .args([
                &kernel_source(kernel),
                &source("wasm_support.c"),
                &runtime_library,
            ])
            .arg("-o")
            .arg(&built);
        process::run(&mut clang)?;
        committed.take(&kernel.name, &built, &kernel.wasm_path())?;
    }
    committed.finish(CLANG, "cargo xtask kernels")
}

/// The compiler's own functions, for what the target has no instructions for: 128-bit arithmetic for one.
fn runtime_library() -> Result<PathBuf, Failure> {
    let resources = process::output(process::program(CLANG).arg("-print-resource-dir"))?;
    Ok(Path::new(resources.trim()).join("lib/wasi/libclang_rt.builtins-wasm32.a"))
}

// ---- Native code

fn build_native(kernels: &[Kernel], cpus: &[NativeCpu], folder: &Path) -> Result<(), Failure> {
    for kernel in kernels {
        for &cpu in cpus {
            compile_native(kernel, cpu, folder)?;
        }
    }
    print!("{:<12} {:>12}", "kernel", "n for 1 ms");
    for cpu in cpus {
        print!(" {:>12}", cpu.title());
    }
    println!("  as kernels.toml says");
    for kernel in kernels {
        let mut times = String::new();
        for &cpu in cpus {
            let program = native_program(kernel, cpu, folder);
            for check in &kernel.checks {
                verify(kernel, &program, check)?;
            }
            let calls = call(&program, RUN, kernel.n_for_1_ms, MEASUREMENTS)?;
            let fastest = calls.iter().map(|call| call.nanoseconds).min().unwrap_or(0);
            times.push_str(&format!(" {:>9.3} ms", fastest as f64 / 1e6));
        }
        println!(
            "{:<12} {:>12}{times}  {} results",
            kernel.name,
            kernel.n_for_1_ms,
            kernel.checks.len()
        );
    }
    Ok(())
}

impl NativeCpu {
    /// Over the column of its times.
    fn title(self) -> &'static str {
        match self {
            NativeCpu::Generic => "generic",
            NativeCpu::Host => "march=native",
        }
    }
}

/// Compiles kernels natively and leaves it at that: whoever measures them compares their results.
///
/// # Errors
/// If the compiler is missing or fails.
pub fn compile_natively(kernels: &[&Kernel], cpus: &[NativeCpu]) -> Result<(), Failure> {
    setup::provide_for("kernels")?;
    let folder = build_folder("kernels")?;
    for kernel in kernels {
        for &cpu in cpus {
            compile_native(kernel, cpu, &folder)?;
        }
    }
    Ok(())
}

/// The program that [`compile_natively`] makes of a kernel. Its arguments are a function, a number and how many calls.
pub fn program_of(kernel: &Kernel, cpu: NativeCpu) -> PathBuf {
    native_program(kernel, cpu, &process::target().join("kernels"))
}

fn native_program(kernel: &Kernel, cpu: NativeCpu, folder: &Path) -> PathBuf {
    folder.join(match cpu {
        NativeCpu::Generic => kernel.name.clone(),
        NativeCpu::Host => format!("{}-native", kernel.name),
    })
}

fn compile_native(kernel: &Kernel, cpu: NativeCpu, folder: &Path) -> Result<(), Failure> {
    let result = match kernel.result {
        ResultType::I32 => "i32",
        ResultType::I64 => "i64",
        ResultType::F64 => "f64",
    };
    let mut clang = clang();
    if let NativeCpu::Host = cpu {
        clang.arg("-march=native");
    }
    clang
        .arg(format!("-DKERNEL={}", kernel.name))
        .arg(format!("-DKERNEL_RESULT={result}"))
        .args([&kernel_source(kernel), &source("native.c")])
        .arg("-o")
        .arg(native_program(kernel, cpu, folder));
    process::run(&mut clang)
}

fn verify(kernel: &Kernel, program: &Path, check: &Check) -> Result<(), Failure> {
    for call in call(program, &check.call, check.with, 1)? {
        let result = number(&call.result, kernel.result_of(&check.call));
        if result != Some(check.gives) {
            return Err(Failure::Check(format!(
                "{}: {}({}) returned {}, but kernels.toml says {}",
                kernel.name, check.call, check.with, call.result, check.gives
            )));
        }
    }
    Ok(())
}

/// One line that a kernel's program printed.
pub struct Call {
    /// What the function returned.
    pub result: String,
    /// How long it took.
    pub nanoseconds: u64,
}

/// Lets a kernel's program call a function a number of times.
///
/// # Errors
/// If the program is not there, fails, or prints something else.
pub fn call(
    program: &Path,
    function: &str,
    argument: i32,
    repeats: u32,
) -> Result<Vec<Call>, Failure> {
    let mut command = process::program(&program.to_string_lossy());
    command.args([function, &argument.to_string(), &repeats.to_string()]);
    let printed = process::output(&mut command)?;
    let calls: Option<Vec<Call>> = printed.lines().map(parse_call).collect();
    calls.filter(|calls| !calls.is_empty()).ok_or_else(|| {
        Failure::Check(format!(
            "`{}` printed something else than results and times: {printed}",
            process::describe(&command)
        ))
    })
}

fn parse_call(line: &str) -> Option<Call> {
    let (result, nanoseconds) = line.split_once(' ')?;
    Some(Call {
        result: result.to_owned(),
        nanoseconds: nanoseconds.parse().ok()?,
    })
}

fn number(text: &str, result: Option<ResultType>) -> Option<Number> {
    match result? {
        ResultType::F64 => text.parse().ok().map(Number::Float),
        ResultType::I32 | ResultType::I64 => text.parse().ok().map(Number::Integer),
    }
}

// ---- Both

fn clang() -> std::process::Command {
    let mut clang = process::program(CLANG);
    clang.args(COMMON_FLAGS);
    clang
}

/// A source, relative to the root: so no path of this machine can get into a binary.
fn source(name: impl AsRef<OsStr>) -> PathBuf {
    Path::new("benches/kernels").join(name.as_ref())
}

fn kernel_source(kernel: &Kernel) -> PathBuf {
    source(format!("{}.c", kernel.name))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn without_names_all_kernels_are_meant() {
        let options = parse(&["--check".to_owned()]).unwrap();
        assert!(options.check && !options.native && !options.march_native);
        assert_eq!(options.kernels, upshift_kernels::all().unwrap());
    }

    #[test]
    fn a_name_selects_one_kernel_and_an_unknown_one_is_a_user_error() {
        let options = parse(&["fib".to_owned(), "--native".to_owned()]).unwrap();
        assert!(options.native);
        assert_eq!(options.kernels.len(), 1);
        assert!(matches!(parse(&["fub".to_owned()]), Err(Failure::Usage(_))));
    }

    #[test]
    fn code_for_this_cpu_goes_beside_that_for_any() {
        let options = parse(&["fib".to_owned(), "--march-native".to_owned()]).unwrap();
        assert!(options.native && options.march_native);
        let program = |cpu| native_program(&options.kernels[0], cpu, Path::new("kernels"));
        assert_eq!(program(NativeCpu::Generic), Path::new("kernels/fib"));
        assert_eq!(program(NativeCpu::Host), Path::new("kernels/fib-native"));
    }

    #[test]
    fn a_printed_double_is_read_back_bit_for_bit() {
        let call = parse_call("-0.16908760523460614 59999").unwrap();
        assert_eq!(call.nanoseconds, 59999);
        assert_eq!(
            number(&call.result, Some(ResultType::F64)),
            Some(Number::Float(-0.16908760523460614))
        );
        assert!(parse_call("usage: nbody").is_none());
    }
}
