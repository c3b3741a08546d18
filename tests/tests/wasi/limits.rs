//! Guests that take all there is: what they get is what POSIX or WASI says, or they are stopped; the process and its
//! other guests go on.

use std::fs::{self, File};
use std::io::{self, Write};
use std::path::Path;
use std::sync::{Arc, Mutex};
use std::thread;
use std::time::{Duration, Instant};

use libtest_mimic::Trial;
use upshift::TrapCode;
use upshift_tests::modes::Mode;
use upshift_wasi::{Access, Input, Output};

use crate::child;
use crate::guest::{Guest, Scene, Tested};
use crate::trial;

pub const PROGRAMS: &[&str] = &[
    "closed_pipe",
    "denied",
    "full_disk",
    "many_files",
    "memory",
    "recursion",
    "sleep",
];

pub fn trials(mode: Mode) -> Vec<Trial> {
    let mut trials = vec![
        trial(mode, "closed_pipe", closed_pipe),
        trial(mode, "denied", denied),
        trial(mode, "device_without_room", device_without_room),
        trial(mode, "full_disk", full_disk),
        trial(mode, "ten_thousand_files", ten_thousand_files),
        trial(mode, "limited_descriptors", limited_descriptors),
        trial(mode, "few_host_descriptors", few_host_descriptors),
        trial(mode, "memory", memory),
        trial(mode, "recursion", recursion),
    ];
    for what in ["sleep", "read", "spin"] {
        trials.push(trial(mode, &format!("interrupted_{what}"), move |mode| {
            interrupted(mode, what)
        }));
    }
    trials
}

// ---- Streams

fn closed_pipe(mode: Mode) -> Tested {
    let mut guest = Guest::new("closed_pipe")?;
    let (stdin, writer) = io::pipe()?;
    let (reader, stdout) = io::pipe()?;
    drop((reader, writer));
    guest
        .ctx
        .stdin(Input::file(stdin))
        .stdout(Output::file(stdout));
    guest.run(mode)?.check()
}

// ---- Files

/// A test that has to run in a process of its own, and in which it runs.
pub type InChild = fn(Mode) -> Tested;

/// What [`child`] can run.
pub const IN_CHILD: &[(&str, InChild)] = &[
    ("denied", denied_in_child),
    ("few_host_descriptors", few_host_descriptors_in_child),
    ("full_disk", full_disk_in_child),
];

/// Permissions do not apply to root.
fn denied(mode: Mode) -> Tested {
    let scene = Scene::new()?;
    if !rustix::process::geteuid().is_root() {
        return denied_in(mode, &scene);
    }
    let command = "exec setpriv --reuid=65534 --regid=65534 --clear-groups \"$0\"";
    child::check(mode, "denied", command)
}

fn denied_in_child(mode: Mode) -> Tested {
    denied_in(mode, &Scene::new()?)
}

fn denied_in(mode: Mode, scene: &Scene) -> Tested {
    let set_mode = |path: &Path, mode| {
        fs::set_permissions(path, std::os::unix::fs::PermissionsExt::from_mode(mode))
    };
    let sealed = scene.sandbox().join("sealed");
    fs::write(scene.sandbox().join("locked"), "locked")?;
    set_mode(&scene.sandbox().join("locked"), 0)?;
    fs::create_dir(&sealed)?;
    fs::write(sealed.join("file"), "file")?;
    set_mode(&sealed, 0o555)?;
    let ended = scene.guest("denied")?.run(mode);
    // So that it can be removed.
    set_mode(&sealed, 0o755)?;
    ended?.check()?;
    scene.check_untouched()
}

fn device_without_room(mode: Mode) -> Tested {
    let mut guest = Guest::new("full_disk")?.arg("device").arg("full");
    guest.ctx.preopened_dir("/dev", "/dev", Access::ReadWrite)?;
    guest.run(mode)?.check()
}

fn full_disk(mode: Mode) -> Tested {
    let folder = tempfile::tempdir()?;
    let command = format!(
        "exec unshare --mount --map-root-user sh -c 'mount -t tmpfs -o size=2m none {folder} && \
         UPSHIFT_FULL_DISK={folder} exec \"$0\"' \"$0\"",
        folder = folder.path().display()
    );
    child::check(mode, "full_disk", &command)
}

fn full_disk_in_child(mode: Mode) -> Tested {
    let disk = std::env::var_os("UPSHIFT_FULL_DISK").ok_or("no disk was given")?;
    let guest = Guest::new("full_disk")?.preopened(Path::new(&disk), "/disk")?;
    guest.arg("fill").arg("large").run(mode)?.check()
}

fn ten_thousand_files(mode: Mode) -> Tested {
    const WANTED: u64 = 10_000;
    let mut limit = rustix::process::getrlimit(rustix::process::Resource::Nofile);
    if limit.current.is_some_and(|current| current < WANTED + 1000) {
        limit.current = limit.maximum;
        rustix::process::setrlimit(rustix::process::Resource::Nofile, limit)?;
    }
    let scene = Scene::new()?;
    let ended = scene
        .guest("many_files")?
        .arg(WANTED.to_string())
        .run(mode)?;
    if limit.current.is_some_and(|current| current < WANTED + 1000) {
        eprintln!(
            "SKIPPED: that 10 000 files can be open, because this process may open {limit:?}"
        );
        ended.check()?;
    } else {
        ended.check_output("open\n10000\n")?;
    }
    scene.check_untouched()
}

fn limited_descriptors(mode: Mode) -> Tested {
    let scene = Scene::new()?;
    let mut guest = scene.guest("many_files")?.arg("10000");
    guest.ctx.max_descriptors(100);
    // Three are streams, one is the folder.
    guest.run(mode)?.check_output("open\n96\n")?;
    scene.check_untouched()
}

/// With fewer descriptors in the system than a guest wants, it gets an error, and the host keeps some.
fn few_host_descriptors(mode: Mode) -> Tested {
    child::check(mode, "few_host_descriptors", "ulimit -n 300; exec \"$0\"")
}

fn few_host_descriptors_in_child(mode: Mode) -> Tested {
    /// Looks whether the host can open a file while the guest prints, and so has all that it gets.
    #[derive(Clone, Default)]
    struct Host(Arc<Mutex<(String, Vec<io::Result<File>>)>>);

    impl Write for Host {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            let mut host = self.0.lock().map_err(|_| io::ErrorKind::Other)?;
            host.0.push_str(&String::from_utf8_lossy(bytes));
            host.1.push(File::open("/dev/null"));
            Ok(bytes.len())
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    let scene = Scene::new()?;
    let host = Host::default();
    let mut guest = scene.guest("many_files")?.arg("10000");
    guest.ctx.stdout(Output::writer(host.clone()));
    guest.run(mode)?.check()?;
    let host = host.0.lock().map_err(|_| "poisoned")?;
    let count = host.0.trim_start_matches("open\n").trim_end();
    let count: u32 = count
        .parse()
        .map_err(|_| format!("it printed {:?}", host.0))?;
    assert!((100..300).contains(&count), "{count}");
    assert!(!host.1.is_empty());
    for opened in &host.1 {
        assert!(opened.is_ok(), "the host is the victim: {opened:?}");
    }
    scene.check_untouched()
}

// ---- Memory and stack

fn memory(mode: Mode) -> Tested {
    let ended = Guest::new("memory")?.memory_bytes(16 << 20).run(mode)?;
    ended.check()?;
    let count = ended.stdout.trim_end().trim_end_matches(" MiB");
    let count: u32 = count.parse()?;
    assert!((10..16).contains(&count), "{count} MiB of 16");
    Ok(())
}

fn recursion(mode: Mode) -> Tested {
    let ended = Guest::new("recursion")?.run(mode)?;
    let error = ended.error()?;
    assert_eq!(
        error.as_trap().map(upshift::Trap::code),
        Some(TrapCode::StackOverflow),
        "{error}"
    );
    assert_eq!(ended.stdout, "falling\n");
    Ok(())
}

// ---- Time

/// A guest that waits for something that never comes is stopped from another thread.
fn interrupted(mode: Mode, what: &str) -> Tested {
    let mut guest = Guest::new("sleep")?.arg(what);
    let (stdin, writer) = io::pipe()?;
    guest.ctx.stdin(Input::file(stdin));
    let output = guest.stdout.clone();
    let start = Instant::now();
    let ended = guest.run_watched(mode, |handle| {
        thread::spawn(move || {
            while output.text().is_empty() {
                thread::sleep(Duration::from_millis(1));
            }
            // Now it waits, or will soon.
            thread::sleep(Duration::from_millis(20));
            handle.interrupt();
        });
    })?;
    drop(writer);
    let error = ended.error()?;
    assert_eq!(
        error.as_trap().map(upshift::Trap::code),
        Some(TrapCode::Interrupted),
        "{error}"
    );
    assert_eq!(ended.stdout, "waiting\n");
    assert!(start.elapsed() < Duration::from_secs(60));
    Ok(())
}
