//! `cargo xtask setup`: which system packages which commands need, whether they are there, and how to get them.
//!
//! The table is all there is to change when a command needs something new. Programs are installed only as root, or
//! when asked for with `--install`; everybody else is shown the line to type.

use std::path::Path;

use crate::failure::Failure;
use crate::process;

pub const DETAILS: &str = "\
Looks for the system packages that some commands need, of all groups or of the named ones.
As root, or with --install (then through sudo), it installs what is missing with apt-get. Otherwise it prints the line
to type. Commands that need a group look for it themselves, so you need not run this first.";

/// Packages that belong together.
struct Group {
    name: &'static str,
    /// What they are for, as in "for ...".
    purpose: &'static str,
    /// The commands that do nothing without them; none for what only adds to a command.
    needed_by: &'static [&'static str],
    packages: &'static [Package],
}

/// A package of Debian, Ubuntu and their relatives.
struct Package {
    name: &'static str,
    /// A program on the search path or an absolute path: where it exists, the package need not be installed.
    provides: &'static str,
}

// What compiling C to WebAssembly takes.
const CLANG: Package = Package {
    name: "clang-22",
    provides: "clang-22",
};
const LINKER: Package = Package {
    name: "lld-22",
    provides: "wasm-ld-22",
};
const COMPILER_RUNTIME: Package = Package {
    name: "libclang-rt-22-dev-wasm32",
    provides: "/usr/lib/llvm-22/lib/clang/22/lib/wasi/libclang_rt.builtins-wasm32.a",
};

const GROUPS: &[Group] = &[
    Group {
        name: "llvm",
        purpose: "building Upshift with its optimizing tier, which links LLVM statically",
        needed_by: &["demo", "test", "bench", "compare", "fuzz"],
        packages: &[
            // LLVM wants C++'s library.
            Package {
                name: "g++",
                provides: "c++",
            },
            Package {
                name: "llvm-22-dev",
                provides: "/usr/lib/llvm-22/lib/libLLVMX86CodeGen.a",
            },
            Package {
                name: "libpolly-22-dev",
                provides: "/usr/lib/llvm-22/lib/libPolly.a",
            },
            Package {
                name: "libzstd-dev",
                provides: "/usr/include/zstd.h",
            },
            Package {
                name: "zlib1g-dev",
                provides: "/usr/include/zlib.h",
            },
            Package {
                name: "libxml2-dev",
                provides: "/usr/include/libxml2/libxml/parser.h",
            },
            Package {
                name: "libffi-dev",
                provides: "/usr/include/x86_64-linux-gnu/ffi.h",
            },
        ],
    },
    Group {
        name: "kernels",
        purpose: "building benches/kernels from C; not needed to run them",
        needed_by: &["kernels"],
        packages: &[CLANG, LINKER, COMPILER_RUNTIME],
    },
    Group {
        name: "wasi",
        purpose: "building tests/wasi, which is not needed to run them, and the real programs from C",
        needed_by: &["wasi-tests", "real-programs"],
        packages: &[
            CLANG,
            LINKER,
            COMPILER_RUNTIME,
            Package {
                name: "wasi-libc",
                provides: "/usr/lib/wasm32-wasi/crt1-command.o",
            },
        ],
    },
    Group {
        name: "browser",
        purpose: "the test that looks at the pages of `upshift run --report`; left out without it",
        needed_by: &[],
        packages: &[Package {
            name: "chromium",
            provides: "chromium",
        }],
    },
];

/// Subcommands of cargo that are used where they are installed.
const CARGO_TOOLS: &[(&str, &str)] = &[
    (
        "nextest",
        "runs the tests faster; without it `cargo xtask test` uses cargo test",
    ),
    ("deny", "checks licences; only `cargo xtask deny` needs it"),
];

pub fn run(arguments: &[String]) -> Result<(), Failure> {
    let (options, names): (Vec<_>, Vec<_>) = arguments
        .iter()
        .partition(|argument| argument.starts_with('-'));
    if let Some(option) = options.iter().find(|option| *option != &"--install") {
        return Err(Failure::Usage(format!(
            "`cargo xtask setup` knows only the option --install, not `{option}`"
        )));
    }
    if let Some(name) = names
        .iter()
        .find(|name| GROUPS.iter().all(|group| group.name != name.as_str()))
    {
        let known: Vec<_> = GROUPS.iter().map(|group| group.name).collect();
        return Err(Failure::Usage(format!(
            "there is no group `{name}`; there is: {}",
            known.join(", ")
        )));
    }

    let mut missing = Vec::new();
    for group in GROUPS
        .iter()
        .filter(|group| names.is_empty() || names.iter().any(|name| *name == group.name))
    {
        println!("{}: for {}", group.name, group.purpose);
        for package in group.packages {
            let found = is_present(package);
            println!(
                "  {:<7} {}",
                if found { "found" } else { "missing" },
                package.name
            );
            if !found {
                missing.push(package.name);
            }
        }
    }
    if names.is_empty() {
        println!("cargo's tools: optional");
        for (name, use_for) in CARGO_TOOLS {
            if process::quiet_output(process::cargo().args([name, "--version"])).is_some() {
                println!("  found   cargo-{name}");
            } else {
                println!(
                    "  missing cargo-{name}: {use_for}. Type: cargo install --locked cargo-{name}"
                );
            }
        }
    }
    obtain(&missing, !options.is_empty())
}

/// Sees to it that what a command needs is there, or fails with the line to type.
pub fn provide_for(command: &str) -> Result<(), Failure> {
    let missing: Vec<_> = GROUPS
        .iter()
        .filter(|group| group.needed_by.contains(&command))
        .flat_map(|group| group.packages)
        .filter(|package| !is_present(package))
        .map(|package| package.name)
        .collect();
    obtain(&missing, false)
}

/// Whether all packages of a group are there.
pub fn has(group: &str) -> bool {
    let mut groups = GROUPS.iter().filter(|known| known.name == group);
    groups.all(|group| group.packages.iter().all(is_present))
}

fn is_present(package: &Package) -> bool {
    let found = if package.provides.starts_with('/') {
        Path::new(package.provides).exists()
    } else {
        process::exists(package.provides)
    };
    found || is_installed(package.name)
}

fn is_installed(package: &str) -> bool {
    process::quiet_output(process::program("dpkg-query").args([
        "--show",
        "--showformat=${Status}",
        package,
    ]))
    .is_some_and(|status| status == "install ok installed")
}

fn obtain(missing: &[&str], install: bool) -> Result<(), Failure> {
    if missing.is_empty() {
        return Ok(());
    }
    if !process::exists("apt-get") {
        return Err(Failure::Missing(format!(
            "these Debian packages are missing, and this system has no apt-get: {}. \
             Install what corresponds to them by your system's own means",
            missing.join(", ")
        )));
    }
    let is_root =
        process::quiet_output(process::program("id").arg("-u")).is_some_and(|id| id.trim() == "0");
    if !is_root && !install {
        return Err(Failure::Missing(format!(
            "missing on this machine: {}. Type this, or `cargo xtask setup --install`:\n\n    {}\n\n\
             Should apt not know one of them: {ADVICE}",
            missing.join(", "),
            apt_line(missing)
        )));
    }
    process::run(&mut apt_get(is_root, &["update"]))?;
    let unknown: Vec<_> = missing
        .iter()
        .copied()
        .filter(|package| !is_known_to_apt(package))
        .collect();
    if !unknown.is_empty() {
        return Err(Failure::Missing(format!(
            "apt does not know {}: {ADVICE}",
            unknown.join(", ")
        )));
    }
    let mut arguments = vec!["install", "--yes", "--no-install-recommends"];
    arguments.extend(missing);
    process::run(&mut apt_get(is_root, &arguments))
}

const ADVICE: &str = "LLVM 22 comes with Debian's security updates from release 12 on (is that suite among your apt \
                      sources?) and with recent releases of Ubuntu. For older systems the LLVM project keeps an apt \
                      repository of its own; add it as its site describes, then try again";

/// What somebody who is not root types.
fn apt_line(packages: &[&str]) -> String {
    format!(
        "sudo apt-get update && sudo apt-get install --yes --no-install-recommends {}",
        packages.join(" ")
    )
}

fn apt_get(is_root: bool, arguments: &[&str]) -> std::process::Command {
    let mut command = process::program(if is_root { "env" } else { "sudo" });
    command
        .args(["DEBIAN_FRONTEND=noninteractive", "apt-get"])
        .args(arguments);
    command
}

fn is_known_to_apt(package: &str) -> bool {
    process::quiet_output(
        process::program("apt-cache")
            .env("LC_ALL", "C")
            .args(["policy", package]),
    )
    .is_some_and(|policy| has_candidate(&policy))
}

/// Reads what `apt-cache policy` prints: nothing for an unknown package, and a candidate `(none)` for one that is
/// only mentioned by others.
fn has_candidate(policy: &str) -> bool {
    policy
        .lines()
        .filter_map(|line| line.trim().strip_prefix("Candidate:"))
        .any(|candidate| candidate.trim() != "(none)")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn groups_are_needed_by_commands_that_exist() {
        for group in GROUPS {
            for command in group.needed_by {
                assert!(
                    crate::COMMANDS.iter().any(|known| known.name == *command),
                    "{command}"
                );
            }
        }
    }

    #[test]
    fn a_package_without_a_candidate_is_unknown() {
        assert!(has_candidate(
            "clang-22:\n  Installed: (none)\n  Candidate: 1:22.1.8-1\n"
        ));
        assert!(!has_candidate(
            "clang-22:\n  Installed: (none)\n  Candidate: (none)\n"
        ));
        assert!(!has_candidate(""));
    }

    #[test]
    fn the_line_to_type_names_every_package() {
        assert!(apt_line(&["clang-22", "lld-22"]).ends_with(" clang-22 lld-22"));
    }

    #[test]
    fn nothing_missing_needs_nobody() {
        assert!(obtain(&[], false).is_ok());
    }

    #[test]
    fn unknown_groups_and_options_are_user_errors() {
        for argument in ["nonsense", "--nonsense"] {
            assert!(
                matches!(run(&[argument.to_owned()]), Err(Failure::Usage(_))),
                "{argument}"
            );
        }
    }
}
