//! `upshift run --report`: the contents of the page, and how a browser shows it.

mod support;

use std::path::{Path, PathBuf};
use std::process::Command;

use support::{Files, check_failure, run, upshift};

const KERNEL: &str = concat!(
    env!("CARGO_MANIFEST_DIR"),
    "/../../benches/kernels/nbody.wasm"
);

/// Runs n-body, long enough to be sampled and moved up, and returns its report.
fn report(files: &Files, options: &[&str]) -> PathBuf {
    let page = files.path().join("report.html");
    let ended = run(upshift()
        .arg("run")
        .args(options)
        .arg("--report")
        .args([&page, Path::new(KERNEL)])
        .args(["--invoke", "nbody", "3000000"]));
    assert_eq!(ended.status, 0, "{}", ended.stderr);
    assert!(ended.stdout.starts_with("-0.169"), "{}", ended.stdout);
    page
}

#[test]
fn the_page_tells_of_tiers_functions_and_moves_and_needs_nothing_else() {
    let page = std::fs::read_to_string(report(&Files::new(), &[])).unwrap();
    for part in [
        "<title>nbody.wasm on Upshift</title>",
        "--invoke nbody 3000000",
        "Tiers over time",
        "samples of its CPU time",
        "<th class=\"text\" scope=\"row\" title=\"nbody, function ",
    ] {
        assert!(page.contains(part), "`{part}` is missing:\n{page}");
    }
    if cfg!(feature = "llvm") {
        for part in ["moved up in loop", "Compile threads", "busy "] {
            assert!(page.contains(part), "`{part}` is missing:\n{page}");
        }
    }
    for outside in [
        "http:", "https:", "<script", "<link", "<img", "@import", "url(",
    ] {
        assert!(!page.contains(outside), "`{outside}` is there:\n{page}");
    }
}

#[test]
#[cfg(feature = "llvm")]
fn calls_through_tables_are_told_with_what_they_reached() {
    let files = Files::new();
    let page = files.path().join("report.html");
    let kernel = Path::new(KERNEL).with_file_name("expressions.wasm");
    let ended = run(upshift()
        .args(["run", "--report"])
        .args([&page, &kernel])
        .args(["--invoke", "run", "100"]));
    assert_eq!(ended.status, 0, "{}", ended.stderr);
    let page = std::fs::read_to_string(page).unwrap();
    let (_, calls) = page.split_once("Calls through tables").expect(&page);
    assert!(calls.contains("title=\"sum, function "), "{calls}");
}

#[test]
fn names_of_the_guest_are_text_and_a_failed_run_has_a_report() {
    let files = Files::new();
    let module = files.write(
        "odd<b>.wat",
        r#"(module (func $"<script>alert(1)</script>" (export "<i>") unreachable))"#,
    );
    let page = files.path().join("report.html");
    let ended = run(upshift()
        .args(["run", "--report"])
        .args([&page, &module])
        .args(["--invoke", "<i>"]));
    assert_eq!(ended.status, 134, "{}", ended.stderr);
    let page = std::fs::read_to_string(page).unwrap();
    assert!(page.contains("<p class=\"failure\">the program trapped: unreachable"));
    assert!(
        page.contains("&lt;script&gt;alert(1)&lt;/script&gt;"),
        "{page}"
    );
    for markup in ["<script>", "<i>", "<b>"] {
        assert!(!page.contains(markup), "`{markup}` is there:\n{page}");
    }
}

#[test]
fn a_report_that_cannot_be_written_is_an_error() {
    let ended = run(upshift()
        .args(["run", "--report", "/proc/no/report.html", KERNEL])
        .args(["--invoke", "nbody", "1"]));
    assert_eq!(ended.status, 1);
    assert!(ended.stdout.starts_with("-0.169"), "{}", ended.stdout);
    let message = "error: cannot write /proc/no/report.html: ";
    assert!(ended.stderr.starts_with(message), "{}", ended.stderr);
    check_failure(
        &run(upshift().args(["run", "--report", "out.html", "no-such-file.wasm"])),
        &["no-such-file.wasm"],
    );
}

/// A page as headless Chromium lays it out. Where there is no Chromium nothing is checked, which
/// `cargo xtask test` tells.
#[test]
fn the_page_fits_telephones_and_screens_in_light_and_dark() {
    const PROBE: &str = "<script>document.body.dataset.probe = JSON.stringify([
        innerWidth, document.documentElement.scrollWidth,
        performance.getEntriesByType('resource').length,
        document.querySelectorAll('tbody tr').length,
        document.querySelector('tbody tr').cells[[...document.querySelectorAll('thead th')]
            .findIndex(e => e.textContent == 'calls counted')].textContent,
        Math.min(...[...document.querySelectorAll('body *')]
            .filter(e => e.textContent.trim() && e.children.length == 0)
            .map(e => parseFloat(getComputedStyle(e).fontSize))),
        Math.max(...[...document.querySelectorAll('.wide')].map(e => e.scrollWidth - e.clientWidth)),
        getComputedStyle(document.body).backgroundColor,
    ])</script>";
    let Some(chromium) = chromium() else {
        eprintln!("not checked: there is no chromium here");
        return;
    };
    let files = Files::new();
    let page = std::fs::read_to_string(report(&files, &[])).unwrap();
    let page = files.write(
        "probed.html",
        page.replace("</body>", &format!("{PROBE}</body>")),
    );
    for (width, dark) in [
        (500, false),
        (500, true),
        (1024, false),
        (1280, false),
        (1400, true),
    ] {
        let dom = dom(&chromium, files.path(), &page, width, dark);
        let probe = dom.split_once("data-probe=\"").expect(&dom).1;
        let probe = probe.split_once('"').unwrap().0.replace("&quot;", "\"");
        let values: Vec<_> = probe.trim_matches(['[', ']']).splitn(8, ',').collect();
        let [
            inner,
            scrolled,
            resources,
            rows,
            calls,
            smallest,
            scrolls,
            background,
        ] = values[..]
        else {
            panic!("{probe}");
        };
        let number = |text: &str| text.parse::<f64>().unwrap();
        assert!(number(inner) <= f64::from(width), "{probe}");
        assert!(number(scrolled) <= number(inner), "too wide: {probe}");
        assert_eq!((resources, rows), ("0", "1"), "{probe}");
        assert_eq!(calls.trim_matches('"'), "1", "the host's: {probe}");
        assert!(number(smallest) >= 11.0, "too small to read: {probe}");
        if width >= 1024 {
            assert!(number(scrolls) <= 0.0, "a table scrolls: {probe}");
        }
        let expected = if dark {
            "rgb(20, 23, 27)"
        } else {
            "rgb(255, 255, 255)"
        };
        assert_eq!(background.trim_matches('"'), expected);
    }
}

fn chromium() -> Option<PathBuf> {
    let path = std::env::var_os("PATH")?;
    std::env::split_paths(&path)
        .map(|directory| directory.join("chromium"))
        .find(|program| program.exists())
}

/// The page's elements after its scripts have run, in a window of this width.
fn dom(chromium: &Path, profile: &Path, page: &Path, width: u32, dark: bool) -> String {
    let scheme = if dark { 0 } else { 1 };
    let output = Command::new(chromium)
        .args(["--headless", "--no-sandbox", "--disable-gpu"])
        .args([
            "--disable-quic",
            "--no-first-run",
            "--disable-background-networking",
        ])
        .args(["--disable-component-update", "--disable-sync", "--dump-dom"])
        .arg(format!(
            "--user-data-dir={}",
            profile.join("profile").display()
        ))
        .arg(format!("--window-size={width},900"))
        .arg(format!("--blink-settings=preferredColorScheme={scheme}"))
        .arg(format!("file://{}", page.display()))
        .output()
        .unwrap();
    let dom = String::from_utf8(output.stdout).unwrap();
    assert!(
        output.status.success() && !dom.is_empty(),
        "{}",
        String::from_utf8_lossy(&output.stderr)
    );
    dom
}
