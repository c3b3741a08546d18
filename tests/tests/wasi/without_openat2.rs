//! Guests on systems that have no `openat2` or forbid it: paths are walked a component at a time there, by code that
//! nothing else reaches.

use libtest_mimic::Trial;
use rustix::fs::{CWD, Mode as FileMode, OFlags, ResolveFlags, openat2};
use rustix::io::Errno;
use upshift_tests::modes::{MODES, Mode};

use crate::guest::{Scene, Tested};
use crate::limits::InChild;
use crate::{child, escapes, programs};

/// The command of the child: nothing but itself.
const COMMAND: &str = "exec \"$0\"";

/// What is tested: attempts to leave, races, and programs that are about paths.
pub const IN_CHILD: &[(&str, InChild)] = &[
    ("escape_without_openat2", |mode| {
        without(Errno::NOSYS, mode, escapes::escape)
    }),
    ("escape_with_openat2_forbidden", |mode| {
        without(Errno::PERM, mode, escapes::escape)
    }),
    ("race_without_openat2", |mode| {
        without(Errno::NOSYS, mode, escapes::race)
    }),
    ("race_moved_without_openat2", |mode| {
        without(Errno::NOSYS, mode, escapes::moved)
    }),
    ("read_only_without_openat2", |mode| {
        without(Errno::NOSYS, mode, programs::read_only)
    }),
    ("paths_without_openat2", |mode| {
        without(Errno::NOSYS, mode, paths)
    }),
];

/// How code is compiled makes no difference here, so one mode is enough.
pub fn trials() -> Vec<Trial> {
    let trial = |&(name, _): &(&'static str, InChild)| {
        Trial::test(name, move || child::check(MODES[0], name, COMMAND))
    };
    IN_CHILD.iter().map(trial).collect()
}

fn paths(mode: Mode) -> Tested {
    for program in [
        "directories",
        "links",
        "names",
        "open",
        "readdir",
        "rename",
        "rights",
        "times",
    ] {
        let checked = Scene::new()?.check(mode, program);
        checked.map_err(|failed| format!("{program}: {}", failed.message().unwrap_or("failed")))?;
    }
    Ok(())
}

/// Runs a test in a process whose `openat2` fails in this way from now on.
fn without(error: Errno, mode: Mode, test: fn(Mode) -> Tested) -> Tested {
    forbid_openat2(error)?;
    let opened = openat2(
        CWD,
        ".",
        OFlags::PATH,
        FileMode::empty(),
        ResolveFlags::BENEATH,
    );
    assert_eq!(opened.err(), Some(error));
    test(mode)
}

/// Has the kernel answer `openat2` with an error, in this thread and in those that it starts.
fn forbid_openat2(error: Errno) -> Tested {
    let number = u32::try_from(libc::SYS_openat2)?;
    let answer = libc::SECCOMP_RET_ERRNO | u32::try_from(error.raw_os_error())?;
    let statement = |code, k| libc::sock_filter {
        code,
        jt: 0,
        jf: 0,
        k,
    };
    let load = u16::try_from(libc::BPF_LD | libc::BPF_W | libc::BPF_ABS)?;
    let compare = u16::try_from(libc::BPF_JMP | libc::BPF_JEQ | libc::BPF_K)?;
    let give = u16::try_from(libc::BPF_RET | libc::BPF_K)?;
    let mut filter = [
        // The number of the system call, which is the first field.
        statement(load, 0),
        libc::sock_filter {
            jf: 1,
            ..statement(compare, number)
        },
        statement(give, answer),
        statement(give, libc::SECCOMP_RET_ALLOW),
    ];
    let program = libc::sock_fprog {
        len: u16::try_from(filter.len())?,
        filter: filter.as_mut_ptr(),
    };
    rustix::thread::set_no_new_privs(true)?;
    // SAFETY: the program and its filter live through the call, which copies them.
    let done = unsafe {
        libc::prctl(
            libc::PR_SET_SECCOMP,
            libc::SECCOMP_MODE_FILTER,
            &raw const program,
        )
    };
    if done != 0 {
        return Err(std::io::Error::last_os_error().into());
    }
    Ok(())
}
