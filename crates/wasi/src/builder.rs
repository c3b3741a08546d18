//! Building a context: the world of a guest.

use std::ffi::OsStr;
use std::fs::File;
use std::io;
use std::mem;
use std::os::fd::OwnedFd;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;
use std::time::Duration;

use cap_std::fs::Dir;
use rustix::fs::OFlags;

use crate::bindings::preview1::types::{Fdflags, Rights};
use crate::clock::Clock;
use crate::context::{Strings, WasiCtx};
use crate::directory::Directory;
use crate::host::HostFile;
use crate::random::Random;
use crate::rights;
use crate::stream::{Input, InputKind, Output, OutputKind, Stream};
use crate::table::{Descriptor, Kind, Table};

/// How many descriptors a guest may have unless its embedder says otherwise.
const DEFAULT_MAX_DESCRIPTORS: usize = 1 << 16;

/// A guest's rights in a directory that it is given.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Access {
    /// It can read. Any change fails as on a file system that is mounted read-only.
    ReadOnly,
    /// It can do all that the process can.
    ReadWrite,
}

/// Sets up a guest's world. All that is left out, it does not get.
///
/// ```
/// use std::time::Duration;
/// use upshift_wasi::{Access, Captured, Input, WasiCtx};
///
/// # fn main() -> std::io::Result<()> {
/// let output = Captured::new(1 << 20);
/// let ctx = WasiCtx::builder()
///     .args(["program", "--verbose"])
///     .env("LANG", "C")
///     .preopened_dir(".", "/work", Access::ReadOnly)?
///     .stdin(Input::bytes("what the guest reads"))
///     .stdout(&output)
///     .deterministic_clock(Duration::ZERO, Duration::from_millis(1))
///     .deterministic_random(7)
///     .build();
/// # Ok(())
/// # }
/// ```
#[derive(Debug)]
pub struct WasiCtxBuilder {
    args: Strings,
    envs: Strings,
    stdin: Input,
    stdout: Output,
    stderr: Output,
    directories: Vec<Descriptor>,
    sockets: Vec<Descriptor>,
    clock: Clock,
    random: Random,
    max_descriptors: usize,
}

impl WasiCtxBuilder {
    /// A builder of contexts that can do nothing: no arguments, no files, no input, output to nowhere;
    /// the system's clocks and random bytes.
    #[must_use]
    pub fn new() -> Self {
        Self {
            args: Strings::default(),
            envs: Strings::default(),
            stdin: Input::empty(),
            stdout: Output::null(),
            stderr: Output::null(),
            directories: Vec::new(),
            sockets: Vec::new(),
            clock: Clock::System,
            random: Random::System,
            max_descriptors: DEFAULT_MAX_DESCRIPTORS,
        }
    }

    /// Adds an argument. The first is the program's name. As in C, an argument ends at a zero byte.
    pub fn arg(&mut self, arg: impl AsRef<OsStr>) -> &mut Self {
        self.args.push(&[arg.as_ref().as_bytes()]);
        self
    }

    /// Adds arguments.
    pub fn args<A: AsRef<OsStr>>(&mut self, args: impl IntoIterator<Item = A>) -> &mut Self {
        for arg in args {
            self.arg(arg);
        }
        self
    }

    /// Adds a variable to the environment.
    pub fn env(&mut self, name: impl AsRef<OsStr>, value: impl AsRef<OsStr>) -> &mut Self {
        let (name, value) = (name.as_ref(), value.as_ref());
        self.envs.push(&[name.as_bytes(), b"=", value.as_bytes()]);
        self
    }

    /// Adds variables to the environment.
    pub fn envs<N: AsRef<OsStr>, V: AsRef<OsStr>>(
        &mut self,
        variables: impl IntoIterator<Item = (N, V)>,
    ) -> &mut Self {
        for (name, value) in variables {
            self.env(name, value);
        }
        self
    }

    /// Adds all of the process's environment.
    pub fn inherit_env(&mut self) -> &mut Self {
        self.envs(std::env::vars_os())
    }

    /// Where standard input comes from.
    pub fn stdin(&mut self, input: impl Into<Input>) -> &mut Self {
        self.stdin = input.into();
        self
    }

    /// Where standard output goes.
    pub fn stdout(&mut self, output: impl Into<Output>) -> &mut Self {
        self.stdout = output.into();
        self
    }

    /// Where standard error goes.
    pub fn stderr(&mut self, output: impl Into<Output>) -> &mut Self {
        self.stderr = output.into();
        self
    }

    /// The process's own three standard streams.
    pub fn inherit_stdio(&mut self) -> &mut Self {
        self.stdin(Input::inherit())
            .stdout(Output::inherit())
            .stderr(Output::inherit())
    }

    /// Gives the guest a directory of the system, and all that is in it, under a name of its own. Nothing
    /// outside can be reached through it, neither by `..` nor by absolute paths nor by symbolic links.
    ///
    /// # Errors
    /// When it can't be opened.
    pub fn preopened_dir(
        &mut self,
        host_path: impl AsRef<Path>,
        guest_name: impl Into<String>,
        access: Access,
    ) -> io::Result<&mut Self> {
        let path = host_path.as_ref();
        let open = |flags: OFlags| {
            File::options()
                .read(true)
                .custom_flags((OFlags::DIRECTORY | flags).bits().cast_signed())
                .open(path)
        };
        let file = match open(OFlags::empty()) {
            // A directory that can be entered and not listed.
            Err(error) if error.kind() == io::ErrorKind::PermissionDenied => open(OFlags::PATH)?,
            other => other?,
        };
        Ok(self.preopened_handle(file, guest_name, access))
    }

    /// The same of a directory that is open already.
    pub fn preopened_handle(
        &mut self,
        directory: impl Into<OwnedFd>,
        guest_name: impl Into<String>,
        access: Access,
    ) -> &mut Self {
        let dir = Dir::from_std_file(File::from(directory.into()));
        let directory = Directory::preopened(dir, guest_name.into(), access);
        self.directories.push(Descriptor::directory(directory));
        self
    }

    /// Gives the guest a socket: a connection, or one that listens. Its number is the next after those
    /// of the preopened directories, which begin at 3.
    ///
    /// # Errors
    /// When it is no socket, or the system can't tell.
    pub fn socket(&mut self, socket: impl Into<OwnedFd>) -> io::Result<&mut Self> {
        let fd = socket.into();
        let listens = rustix::net::sockopt::socket_acceptconn(&fd)?;
        let flags = rustix::fs::fcntl_getfl(&fd)?;
        let nonblock = flags.contains(OFlags::NONBLOCK);
        if listens {
            // A guest that waits for connections here can be interrupted, so the system must not wait.
            rustix::fs::fcntl_setfl(&fd, flags | OFlags::NONBLOCK)?;
        }
        let file = HostFile::socket(fd)?;
        let (rights, inheriting) = if listens {
            (rights::LISTENER, rights::CONNECTION)
        } else {
            (rights::CONNECTION, Rights::empty())
        };
        let mut flags = Fdflags::empty();
        flags.set(Fdflags::NONBLOCK, nonblock);
        self.sockets.push(Descriptor {
            kind: Kind::Host(file),
            rights,
            inheriting,
            flags,
            read_only: false,
        });
        Ok(self)
    }

    /// Clocks that depend on nothing outside: they start at this time since 1970 (the others at zero),
    /// move by `step` at each reading, and by the whole time of a sleep, which so takes none.
    pub fn deterministic_clock(&mut self, start: Duration, step: Duration) -> &mut Self {
        self.clock = Clock::deterministic(start, step);
        self
    }

    /// Random bytes that depend on a seed alone.
    pub fn deterministic_random(&mut self, seed: u64) -> &mut Self {
        self.random = Random::Deterministic(seed);
        self
    }

    /// How many descriptors the guest may have, its streams and directories included. A guest that wants
    /// more gets an error, as it does when the process's own come to an end.
    pub fn max_descriptors(&mut self, max: usize) -> &mut Self {
        self.max_descriptors = max;
        self
    }

    /// Makes the context. The builder is empty then.
    pub fn build(&mut self) -> WasiCtx {
        let builder = mem::take(self);
        let mut table = Table::new(builder.max_descriptors);
        let standard = [
            of_input(builder.stdin),
            of_output(builder.stdout, 1),
            of_output(builder.stderr, 2),
        ];
        let given = builder.directories.into_iter().chain(builder.sockets);
        for descriptor in standard.into_iter().chain(given) {
            table.push(descriptor);
        }
        WasiCtx {
            args: builder.args,
            envs: builder.envs,
            table,
            clock: builder.clock,
            random: builder.random,
            interrupt: None,
            host_fd_limit: None,
        }
    }
}

impl Default for WasiCtxBuilder {
    fn default() -> Self {
        Self::new()
    }
}

/// Standard input. A stream that the process has closed is empty.
fn of_input(input: Input) -> Descriptor {
    let file = match input.0 {
        InputKind::Reader(reader) => return Descriptor::stream(Stream::Reader(reader)),
        InputKind::Inherit => HostFile::standard(rustix::stdio::stdin()),
        InputKind::File(fd) => HostFile::owned(fd),
    };
    let unwanted = Rights::FD_WRITE | Rights::FD_ALLOCATE | Rights::FD_FILESTAT_SET_SIZE;
    file.and_then(|file| Descriptor::host(file, unwanted))
        .unwrap_or_else(|_| Descriptor::stream(Stream::Reader(Box::new(io::empty()))))
}

/// Standard output or error. A stream that the process has closed takes everything and keeps nothing.
fn of_output(output: Output, number: u32) -> Descriptor {
    let file = match output.0 {
        OutputKind::Writer(writer) => return Descriptor::stream(Stream::Writer(writer)),
        OutputKind::Inherit if number == 1 => HostFile::standard(rustix::stdio::stdout()),
        OutputKind::Inherit => HostFile::standard(rustix::stdio::stderr()),
        OutputKind::File(fd) => HostFile::owned(fd),
    };
    file.and_then(|file| Descriptor::host(file, Rights::FD_READ))
        .unwrap_or_else(|_| Descriptor::stream(Stream::Writer(Box::new(io::sink()))))
}
