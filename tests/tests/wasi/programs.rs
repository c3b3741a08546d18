//! Programs that assert everything themselves, and what the host has to provide for some of them.

use std::collections::BTreeSet;
use std::fs;
use std::io::{self, Read, Write};
use std::net::{Shutdown, TcpListener, TcpStream};
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::Path;
use std::thread;

use libtest_mimic::{Failed, Trial};
use upshift_tests::modes::Mode;
use upshift_wasi::{Access, Input, Output};

use crate::guest::{GUEST_NAME, Guest, Program, Scene, Tested};
use crate::trial;

/// Programs that need no more than a folder.
const ALONE: &[&str] = &[
    "descriptors",
    "directories",
    "io",
    "links",
    "names",
    "open",
    "pointers",
    "readdir",
    "rename",
    "rights",
    "sizes",
    "sockets",
    "telldir",
    "times",
];

type Test = fn(Mode) -> Tested;

/// Programs that need more.
const PROVIDED: &[(&str, Test)] = &[
    ("connection", tcp_connection),
    ("connection_unix", unix_connection),
    ("cross", cross),
    ("environment", environment),
    ("exit", exit),
    ("poll", poll),
    ("read_only", read_only),
    ("stdio", stdio_of_memory),
    ("stdio_pipes", stdio_of_pipes),
    ("unstable", unstable),
];

pub fn trials(mode: Mode) -> Vec<Trial> {
    let alone = ALONE
        .iter()
        .map(|&name| trial(mode, name, move |mode| Scene::new()?.check(mode, name)));
    let provided = PROVIDED.iter().map(|&(name, test)| trial(mode, name, test));
    alone.chain(provided).collect()
}

/// A program that nobody runs proves nothing.
pub fn every_program_is_run() -> Tested {
    let elsewhere = [
        crate::chorus::PROGRAMS,
        crate::escapes::PROGRAMS,
        crate::limits::PROGRAMS,
    ];
    let mut run: BTreeSet<&str> = elsewhere.into_iter().flatten().copied().collect();
    run.extend(ALONE);
    run.extend(PROVIDED.iter().map(|(name, _)| *name));
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("wasi");
    let mut found = 0;
    for entry in fs::read_dir(folder)? {
        let path = entry?.path();
        if path.extension().is_some_and(|extension| extension == "c") {
            found += 1;
            let stem = path.file_stem().unwrap_or_default().to_string_lossy();
            if !run.contains(&*stem) {
                return Err(format!("nobody runs {}", path.display()).into());
            }
        }
    }
    assert!(found > 20);
    Ok(())
}

fn environment(mode: Mode) -> Tested {
    let scene = Scene::new()?;
    let mut guest = scene.guest("environment")?;
    guest.ctx.args(["one", "", "three words", "ü"]).envs([
        ("NAME", "value"),
        ("EMPTY", ""),
        ("EQUALS", "a=b"),
        ("SPACES", "a b "),
    ]);
    guest.run(mode)?.check()?;
    scene.check_untouched()
}

fn exit(mode: Mode) -> Tested {
    let program = Program::new(mode, "exit")?;
    for status in [0, 1, 3, 77, 255, 256, 70_000] {
        for how in [&[][..], &["return"]] {
            let mut guest = Guest::new("exit")?.arg(status.to_string());
            guest.ctx.args(how);
            let ended = guest.run_shared(&program)?;
            assert_eq!(ended.status?, status, "{how:?}");
            assert_eq!(ended.stdout, "leaving\n");
        }
    }
    Ok(())
}

fn poll(mode: Mode) -> Tested {
    let scene = Scene::new()?;
    let mut guest = scene.guest("poll")?;
    let (reader, mut writer) = io::pipe()?;
    writer.write_all(b"!")?;
    guest.ctx.stdin(Input::file(reader));
    guest.run(mode)?.check()?;
    drop(writer);
    scene.check_untouched()
}

pub fn read_only(mode: Mode) -> Tested {
    let scene = Scene::new()?;
    fs::write(scene.sandbox().join("file"), "file")?;
    fs::create_dir(scene.sandbox().join("folder"))?;
    fs::write(scene.sandbox().join("folder/inner"), "inner")?;
    let mut guest = Guest::new("read_only")?;
    guest
        .ctx
        .preopened_dir(scene.sandbox(), GUEST_NAME, Access::ReadOnly)?;
    guest.run(mode)?.check()?;
    scene.check_untouched()
}

/// All bytes, twice.
fn all_bytes() -> Vec<u8> {
    (0..=255).chain(0..=255).collect()
}

fn stdio_of_memory(mode: Mode) -> Tested {
    let scene = Scene::new()?;
    let mut guest = scene.guest("stdio")?;
    guest.ctx.stdin(Input::bytes(all_bytes()));
    let stdout = guest.stdout.clone();
    guest.run(mode)?.check()?;
    assert_eq!(stdout.bytes(), all_bytes());
    scene.check_untouched()
}

fn stdio_of_pipes(mode: Mode) -> Tested {
    let scene = Scene::new()?;
    let mut guest = scene.guest("stdio")?;
    let (stdin, mut to_guest) = io::pipe()?;
    let (mut from_guest, stdout) = io::pipe()?;
    guest
        .ctx
        .stdin(Input::file(stdin))
        .stdout(Output::file(stdout));
    let sender = thread::spawn(move || -> io::Result<()> {
        // In pieces that nothing in the guest is aligned to.
        for piece in all_bytes().chunks(77) {
            to_guest.write_all(piece)?;
            thread::yield_now();
        }
        Ok(())
    });
    let receiver = thread::spawn(move || -> io::Result<Vec<u8>> {
        let mut bytes = Vec::new();
        from_guest.read_to_end(&mut bytes)?;
        Ok(bytes)
    });
    let ended = guest.run(mode)?;
    ended.check()?;
    sender.join().map_err(|_| "the sender panicked")??;
    let received = receiver.join().map_err(|_| "the receiver panicked")??;
    assert_eq!(received, all_bytes());
    scene.check_untouched()
}

fn unstable(mode: Mode) -> Tested {
    let scene = Scene::new()?;
    let ended = scene.guest("unstable")?.run(mode)?;
    ended.check_output("unstable\n")?;
    scene.check_untouched()
}

/// A client as the program wants it.
fn talk<S: Read + Write>(mut stream: S, shutdown: impl FnOnce(&S) -> io::Result<()>) -> Tested {
    stream.write_all(b"ping")?;
    let mut answer = Vec::new();
    stream.read_to_end(&mut answer)?;
    stream.write_all(b"bye")?;
    shutdown(&stream)?;
    assert_eq!(answer, b"pong");
    Ok(())
}

fn tcp_connection(mode: Mode) -> Tested {
    let listener = TcpListener::bind("127.0.0.1:0")?;
    let address = listener.local_addr()?;
    let client = thread::spawn(move || {
        talk(TcpStream::connect(address)?, |stream| {
            stream.shutdown(Shutdown::Write)
        })
    });
    connection(mode, listener, client)
}

fn unix_connection(mode: Mode) -> Tested {
    let folder = tempfile::tempdir()?;
    let path = folder.path().join("socket");
    let listener = UnixListener::bind(&path)?;
    let client = thread::spawn(move || {
        talk(UnixStream::connect(path)?, |stream| {
            stream.shutdown(Shutdown::Write)
        })
    });
    connection(mode, listener, client)
}

fn connection(
    mode: Mode,
    listener: impl Into<std::os::fd::OwnedFd>,
    client: thread::JoinHandle<Tested>,
) -> Tested {
    let scene = Scene::new()?;
    let mut guest = scene.guest("connection")?;
    guest.ctx.socket(listener)?;
    let ended = guest.run(mode)?;
    ended.check()?;
    client.join().map_err(|_| "the client panicked")??;
    scene.check_untouched()
}

fn cross(mode: Mode) -> Tested {
    let scene = Scene::new()?;
    let second = tempfile::tempdir()?;
    let guest = scene.guest("cross")?.preopened(second.path(), "/second")?;
    guest.arg("same").run(mode)?.check()?;
    scene.check_untouched()?;
    // Two file systems that most systems have.
    let device = |path: &Path| -> Result<u64, Failed> {
        Ok(std::os::unix::fs::MetadataExt::dev(&fs::metadata(path)?))
    };
    for place in ["/dev/shm", "/run", env!("CARGO_TARGET_TMPDIR")] {
        let Ok(second) = tempfile::tempdir_in(place) else {
            continue;
        };
        let scene = Scene::new()?;
        if device(second.path())? != device(scene.root())? {
            let guest = scene.guest("cross")?.preopened(second.path(), "/second")?;
            guest.arg("other").run(mode)?.check()?;
            return scene.check_untouched();
        }
    }
    eprintln!(
        "SKIPPED: renaming between file systems, because all writable folders found are on one"
    );
    Ok(())
}
