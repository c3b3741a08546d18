//! `upshift completions` and `upshift man`: scripts for shells and pages of the manual, of every command and option.

mod support;

use std::process::Command;

use clap::CommandFactory;
use support::{Files, check_failure, run, upshift};
use upshift_cli::Cli;

const SHELLS: [&str; 5] = ["bash", "zsh", "fish", "elvish", "powershell"];

fn stdout(line: &[&str]) -> String {
    let ended = run(upshift().args(line));
    assert_eq!((ended.status, ended.stderr.as_str()), (0, ""), "{line:?}");
    ended.stdout
}

/// The long options of a command.
fn options(command: &clap::Command) -> Vec<String> {
    let shown = command.get_arguments().filter(|arg| !arg.is_hide_set());
    shown
        .filter_map(|arg| arg.get_long().map(str::to_owned))
        .collect()
}

#[test]
fn scripts_have_all_commands_and_options() {
    for shell in SHELLS {
        let script = stdout(&["completions", shell]);
        for command in Cli::command().get_subcommands() {
            let name = command.get_name();
            assert!(script.contains(name), "{shell}: {name}");
            for option in options(command) {
                assert!(script.contains(&option), "{shell}: {name} --{option}");
            }
        }
    }
    check_failure(
        &run(upshift().args(["completions", "tcsh"])),
        &["tcsh", "powershell"],
    );
    check_failure(&run(upshift().arg("completions")), &["<SHELL>"]);
}

/// The words that bash offers in place of the last one. `None` where there is no bash.
fn offered(files: &Files, line: &[&str]) -> Option<Vec<String>> {
    let script = files.write("upshift.bash", stdout(&["completions", "bash"]));
    let words = line.join(" ");
    let (last, before) = (line[line.len() - 1], line[line.len() - 2]);
    let ask = format!(
        "source ./{}; COMP_WORDS=({words} ''); COMP_CWORD={}; _upshift upshift '{last}' '{before}'; \
         printf '%s\\n' \"${{COMPREPLY[@]}}\"",
        script.file_name().unwrap().to_str().unwrap(),
        line.len() - 1,
    );
    let output = Command::new("bash")
        .args(["--norc", "-c", &ask])
        .current_dir(files.path())
        .output()
        .ok()?;
    assert!(output.status.success(), "{output:?}");
    let text = String::from_utf8(output.stdout).unwrap();
    Some(text.lines().map(str::to_owned).collect())
}

#[test]
fn bash_completes_commands_options_and_values() {
    let files = Files::new();
    for (line, expected) in [
        (&["upshift", "ins"][..], &["inspect"][..]),
        (
            &["upshift", "run", "--emit-"],
            &["--emit-tier", "--emit-loop"],
        ),
        (&["upshift", "run", "--tier", "b"], &["baseline"]),
        (&["upshift", "profile", "sh"], &["show"]),
        (&["upshift", "completions", "power"], &["powershell"]),
    ] {
        let Some(offered) = offered(&files, line) else {
            eprintln!("not checked: there is no bash here");
            return;
        };
        assert_eq!(offered, expected, "{line:?}");
    }
}

#[test]
fn pages_have_all_options_and_keep_the_lines_of_examples() {
    let top = stdout(&["man"]);
    assert!(top.contains(".TH upshift 1"), "{top}");
    for command in Cli::command().get_subcommands() {
        let name = command.get_name();
        assert!(top.contains(&format!("upshift\\-{name}(1)")), "{top}");
        let page = stdout(&["man", name]);
        assert!(page.contains(&format!(".TH upshift-{name} 1")), "{page}");
        for option in options(command) {
            let option = format!("\\-\\-{}", option.replace('-', "\\-"));
            assert!(page.contains(&option), "{name} {option}");
        }
    }
    let run = stdout(&["man", "run"]);
    let example =
        ".SH EXAMPLES\n.nf\nupshift run program.wasm \\-\\-dir . \\-\\-env LANG=C input.txt\n";
    assert!(run.contains(example), "{run}");
    assert!(stdout(&["man", "profile", "show"]).contains("upshift profile show"));
}

#[test]
fn a_page_of_no_command_is_an_error() {
    check_failure(
        &run(upshift().args(["man", "rum"])),
        &["no command `rum`", "run, inspect"],
    );
    check_failure(
        &run(upshift().args(["man", "run", "x"])),
        &["no command `run x`"],
    );
}
