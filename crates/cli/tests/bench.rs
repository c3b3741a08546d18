//! `upshift bench`: small sizes, one round. Nothing is said of how fast anything is.

mod support;

use support::{Ended, Files, check_failure, run, upshift};

fn bench(line: &[&str]) -> Ended {
    run(upshift().arg("bench").args(line))
}

const QUICK: [&str; 5] = [
    "--rounds=1",
    "--steady=1ms",
    "--size=1",
    "--tiers",
    "baseline",
];

#[test]
fn kernels_are_listed() {
    let ended = bench(&["--list"]);
    assert_eq!((ended.status, ended.stderr.as_str()), (0, ""));
    assert!(ended.stdout.lines().count() >= 20);
    assert!(ended.stdout.starts_with("nbody "), "{}", ended.stdout);
}

#[test]
fn the_table_has_every_program_and_contender_with_checked_results() {
    let ended = bench(
        &[
            &["fib", "nbody", "--profiles", "balanced,shared"][..],
            &QUICK,
        ]
        .concat(),
    );
    assert_eq!((ended.status, ended.stderr.as_str()), (0, ""));
    for part in [
        "\nfib, calls of about 1 ms of native work; right results\n",
        "\nnbody, calls of about 1 ms of native work; right results\n",
        "\nbalanced baseline ",
        "\nshared baseline ",
        " 0 in llvm\n",
        "less than 95 % confidence",
    ] {
        assert!(ended.stdout.contains(part), "{part}: {}", ended.stdout);
    }
}

#[cfg(feature = "llvm")]
#[test]
fn what_moves_up_is_waited_for() {
    let options = [
        "fib",
        "--rounds=1",
        "--steady=20ms",
        "--size=1",
        "--tiers=auto,llvm",
    ];
    let ended = bench(&options);
    assert_eq!((ended.status, ended.stderr.as_str()), (0, ""));
    let rows: Vec<&str> = ended
        .stdout
        .lines()
        .filter(|line| line.ends_with(" in llvm"))
        .collect();
    assert_eq!(rows.len(), 2, "{}", ended.stdout);
    for row in rows {
        assert!(!row.ends_with(" 0 in llvm"), "{row}");
    }
}

#[test]
fn json_and_picture_have_the_same_rows() {
    let files = Files::new();
    let svg = files.path().join("bench.svg");
    let options = ["rho", "--json", "-", "--svg", svg.to_str().unwrap()];
    let ended = bench(&[&options[..], &QUICK].concat());
    assert_eq!((ended.status, ended.stderr.as_str()), (0, ""));
    let json: serde_json::Value = serde_json::from_str(&ended.stdout).unwrap();
    let row = &json["results"][0];
    assert_eq!(
        (row["program"].as_str(), row["size_ms"].as_u64()),
        (Some("rho"), Some(1))
    );
    assert_eq!(row["contender"].as_str(), Some("baseline"));
    assert_eq!(row["known_result"].as_bool(), Some(true));
    for time in ["first_result_ms", "baseline_compile_ms", "steady_ms"] {
        let time = &row["measured"][time];
        assert!(time["median"].as_f64().unwrap() > 0.0, "{time}");
        assert_eq!(time["rounds"].as_array().unwrap().len(), 1);
    }
    let svg = std::fs::read_to_string(svg).unwrap();
    assert!(svg.starts_with("<svg "), "{svg}");
    assert!(
        svg.contains("rho 1 ms") && svg.contains("baseline"),
        "{svg}"
    );
}

#[test]
fn a_function_of_a_file_is_measured_with_its_arguments() {
    let files = Files::new();
    let text = r#"(module (func (export "next") (param i32 f64) (result i32)
        (i32.add (local.get 0) (i32.const 1))))"#;
    let file = files.write("next.wat", text);
    let line = [file.to_str().unwrap(), "-5", "-1.5", "--invoke", "next"];
    let ended = bench(&[&line[..], &QUICK].concat());
    assert_eq!((ended.status, ended.stderr.as_str()), (0, ""));
    assert!(
        ended.stdout.contains("next.wat; result not known\n"),
        "{}",
        ended.stdout
    );
}

#[test]
fn a_program_that_traps_is_an_error() {
    let files = Files::new();
    let text = r#"(module (func (export "f") (param i32) unreachable))"#;
    let file = files.write("trap.wat", text);
    let ended = bench(&[&[file.to_str().unwrap(), "0", "--invoke", "f"][..], &QUICK].concat());
    assert_eq!(ended.status, 134);
    assert!(
        ended.stderr.contains("the program trapped: unreachable"),
        "{}",
        ended.stderr
    );
}

#[test]
fn mistakes_are_answered_with_what_may_have_been_meant() {
    for (line, parts) in [
        (
            &["nbdy"][..],
            &["no kernel `nbdy`; did you mean `nbody`?", "--list"][..],
        ),
        (&["missing.wasm"], &["cannot read missing.wasm"]),
        (&["fib", "--size", "0"], &["0 is not in 1..=100000"]),
        (
            &["rho", "--profiles", "lateny"],
            &["did you mean `latency`?"],
        ),
    ] {
        check_failure(&bench(line), parts);
    }
}
