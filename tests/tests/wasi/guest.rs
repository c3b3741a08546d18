//! A folder that a guest gets, with things beside it that it must not touch, and one run of a program in it.

use std::collections::BTreeMap;
use std::fs;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

use libtest_mimic::Failed;
use tempfile::TempDir;
use upshift::{Config, Engine, Error, InterruptHandle, Linker, Module, ResourceLimits, Store};
use upshift_tests::modes::Mode;
use upshift_wasi::{Access, Captured, WasiCtx, WasiCtxBuilder};

/// What a test returns.
pub type Tested = Result<(), Failed>;

/// Under which guests see their folder.
pub const GUEST_NAME: &str = "/sandbox";

/// More than any of the programs prints.
const OUTPUT_LIMIT: usize = 1 << 20;

/// The bytes of a compiled program.
pub fn program(name: &str) -> Result<Vec<u8>, Failed> {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join(format!("wasi/{name}.wasm"));
    fs::read(&path).map_err(|error| format!("{}: {error}", path.display()).into())
}

/// A fresh folder on the host. In it, `sandbox` is what a guest gets.
pub struct Scene {
    root: TempDir,
    outside: BTreeMap<PathBuf, Entry>,
}

/// What must stay as it is.
#[derive(Debug, PartialEq, Eq)]
struct Entry {
    content: Vec<u8>,
    inode: u64,
    links: u64,
    mode: u32,
    modified: (i64, i64),
    changed: (i64, i64),
}

impl Scene {
    /// With a file `canary` and a folder `outside` beside the guest's.
    pub fn new() -> Result<Scene, Failed> {
        let root = tempfile::Builder::new().prefix("wasi").tempdir()?;
        fs::create_dir(root.path().join("sandbox"))?;
        fs::create_dir(root.path().join("outside"))?;
        fs::write(root.path().join("outside/secret"), "secret")?;
        fs::write(root.path().join("canary"), "canary")?;
        let mut scene = Scene {
            root,
            outside: BTreeMap::new(),
        };
        scene.outside = scene.look_outside()?;
        Ok(scene)
    }

    /// The folder that holds all of it.
    pub fn root(&self) -> &Path {
        self.root.path()
    }

    /// The folder that a guest gets.
    pub fn sandbox(&self) -> PathBuf {
        self.root().join("sandbox")
    }

    /// Everything but the guest's folder.
    fn look_outside(&self) -> Result<BTreeMap<PathBuf, Entry>, Failed> {
        let mut entries = BTreeMap::new();
        let mut folders = vec![self.root().to_owned()];
        while let Some(folder) = folders.pop() {
            for entry in fs::read_dir(folder)? {
                let path = entry?.path();
                if path == self.sandbox() {
                    continue;
                }
                let metadata = fs::symlink_metadata(&path)?;
                let mut content = Vec::new();
                if metadata.is_dir() {
                    folders.push(path.clone());
                } else if metadata.is_file() {
                    content = fs::read(&path)?;
                } else {
                    return Err(format!("{} is new", path.display()).into());
                }
                let entry = Entry {
                    content,
                    inode: metadata.ino(),
                    links: metadata.nlink(),
                    mode: metadata.mode(),
                    modified: (metadata.mtime(), metadata.mtime_nsec()),
                    changed: (metadata.ctime(), metadata.ctime_nsec()),
                };
                entries.insert(path, entry);
            }
        }
        Ok(entries)
    }

    /// That nothing outside of the guest's folder was made, changed or removed.
    pub fn check_untouched(&self) -> Tested {
        let now = self.look_outside()?;
        if now == self.outside {
            return Ok(());
        }
        Err(format!("outside, {:#?}\nbecame {now:#?}", self.outside).into())
    }

    /// A guest that has its folder and can print.
    pub fn guest(&self, program: &str) -> Result<Guest, Failed> {
        Guest::new(program)?.preopened(&self.sandbox(), GUEST_NAME)
    }

    /// Runs a program in its folder that asserts everything itself.
    pub fn check(&self, mode: Mode, program: &str) -> Tested {
        self.guest(program)?.run(mode)?.check()?;
        self.check_untouched()
    }
}

/// A program about to be run.
pub struct Guest {
    program: String,
    /// What it gets.
    pub ctx: WasiCtxBuilder,
    /// What it prints.
    pub stdout: Captured,
    stderr: Captured,
    limits: ResourceLimits,
}

/// A program's module, for guests that run the same.
pub struct Program {
    engine: Engine,
    module: Module,
    linker: Linker<WasiCtx>,
}

impl Program {
    /// In an engine of its own.
    pub fn new(mode: Mode, name: &str) -> Result<Program, Failed> {
        let mut config = Config::new();
        (mode.set)(&mut config);
        let engine = Engine::new(&config)?;
        let module = Module::new(&engine, program(name)?)?;
        let mut linker = Linker::new(&engine);
        upshift_wasi::add_to_linker(&mut linker, |ctx: &mut WasiCtx| ctx)?;
        Ok(Program {
            engine,
            module,
            linker,
        })
    }
}

/// How it ended.
pub struct Ended {
    /// The exit status, or why there is none.
    pub status: upshift::Result<u32>,
    /// What it printed.
    pub stdout: String,
    /// What it said of what did not hold.
    pub stderr: String,
}

impl Guest {
    /// With its name as the only argument, and nothing else.
    pub fn new(program: &str) -> Result<Guest, Failed> {
        let (stdout, stderr) = (Captured::new(OUTPUT_LIMIT), Captured::new(OUTPUT_LIMIT));
        let mut ctx = WasiCtx::builder();
        ctx.arg(program).stdout(&stdout).stderr(&stderr);
        Ok(Guest {
            program: program.to_owned(),
            ctx,
            stdout,
            stderr,
            limits: ResourceLimits::default(),
        })
    }

    /// Adds a folder of the host.
    pub fn preopened(mut self, folder: &Path, name: &str) -> Result<Guest, Failed> {
        self.ctx.preopened_dir(folder, name, Access::ReadWrite)?;
        Ok(self)
    }

    /// Adds an argument.
    pub fn arg(mut self, arg: impl AsRef<std::ffi::OsStr>) -> Guest {
        self.ctx.arg(arg);
        self
    }

    /// Limits its memory.
    pub fn memory_bytes(mut self, bytes: usize) -> Guest {
        self.limits.memory_bytes = Some(bytes);
        self
    }

    /// Runs it to its end.
    pub fn run(self, mode: Mode) -> Result<Ended, Failed> {
        self.run_watched(mode, |_| ())
    }

    /// The same, and gives away a handle to stop it before it starts.
    pub fn run_watched(
        self,
        mode: Mode,
        watch: impl FnOnce(InterruptHandle),
    ) -> Result<Ended, Failed> {
        let program = Program::new(mode, &self.program)?;
        self.run_program(&program, watch)
    }

    /// Runs a module that others run, too.
    pub fn run_shared(self, program: &Program) -> Result<Ended, Failed> {
        self.run_program(program, |_| ())
    }

    fn run_program(
        mut self,
        program: &Program,
        watch: impl FnOnce(InterruptHandle),
    ) -> Result<Ended, Failed> {
        let mut store = Store::new(&program.engine, self.ctx.build());
        store.limits(self.limits);
        let instance = program.linker.instantiate(&mut store, &program.module)?;
        watch(store.interrupt_handle());
        let status = upshift_wasi::run_command(&mut store, &instance);
        Ok(Ended {
            status,
            stdout: self.stdout.text(),
            stderr: self.stderr.text(),
        })
    }
}

impl Ended {
    /// That all of the program's assertions hold.
    pub fn check(&self) -> Tested {
        match &self.status {
            Ok(0) if self.stderr.is_empty() => Ok(()),
            Ok(status) => Err(format!("exit status {status}\n{}", self.stderr).into()),
            Err(error) => Err(format!("{error}\n{}", self.stderr).into()),
        }
    }

    /// The same, and that it printed this.
    pub fn check_output(&self, expected: &str) -> Tested {
        self.check()?;
        if self.stdout == expected {
            return Ok(());
        }
        Err(format!("it printed {:?}, not {expected:?}", self.stdout).into())
    }

    /// The error that ended it.
    pub fn error(&self) -> Result<&Error, Failed> {
        match &self.status {
            Err(error) => Ok(error),
            Ok(status) => Err(format!("it ended with status {status}\n{}", self.stderr).into()),
        }
    }
}
