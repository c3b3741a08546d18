//! Traps and backtraces as embedders see them: names demangled, and a text for people.

use std::borrow::Cow;
use std::fmt;
use std::sync::Arc;

use upshift_module::{FuncIndex, ModuleOffset, Printable, to_usize};
use upshift_runtime::RawBacktrace;
pub use upshift_runtime::TrapCode;

use crate::demangle::demangle;

/// WebAssembly was stopped: why, and the calls that led there.
///
/// ```
/// use upshift::{Engine, Instance, Module, Store};
///
/// # fn main() -> upshift::Result<()> {
/// let engine = Engine::default();
/// let module = Module::new(
///     &engine,
///     r#"(module $app
///          (func $outer (export "run") call $_ZN4core5panic17h0123456789abcdefE)
///          (func $_ZN4core5panic17h0123456789abcdefE unreachable))"#,
/// )?;
/// let mut store = Store::new(&engine, ());
/// let run = Instance::new(&mut store, &module, &[])?
///     .get_typed_func::<(), ()>(&mut store, "run")?;
/// let error = run.call(&mut store, ()).unwrap_err();
///
/// let frames = error.as_trap().unwrap().backtrace().frames();
/// assert_eq!(frames.len(), 2);
/// // Rust's and C++'s mangling is undone.
/// assert_eq!(frames[0].func_name().as_deref(), Some("core::panic"));
/// assert_eq!(frames[1].func_index(), 0);
/// assert_eq!(frames[1].module_name(), Some("app"));
/// let text = error.to_string();
/// assert!(text.starts_with("unreachable\nwasm backtrace:\n  0: core::panic (function 1 of app) at 0x"));
/// # Ok(())
/// # }
/// ```
#[derive(Clone, Debug)]
pub struct Trap {
    code: TrapCode,
    backtrace: Backtrace,
}

impl Trap {
    pub(crate) fn new(code: TrapCode, backtrace: Backtrace) -> Self {
        Self { code, backtrace }
    }

    /// Why.
    #[must_use]
    pub fn code(&self) -> TrapCode {
        self.code
    }

    /// Where, innermost call first.
    #[must_use]
    pub fn backtrace(&self) -> &Backtrace {
        &self.backtrace
    }
}

/// A trap that a host function raises; it has no frames of its own.
impl From<TrapCode> for Trap {
    fn from(code: TrapCode) -> Self {
        Self {
            code,
            backtrace: Backtrace {
                frames: Vec::new(),
                omitted: 0,
            },
        }
    }
}

impl fmt::Display for Trap {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.code.fmt(f)?;
        if !self.backtrace.frames.is_empty() {
            write!(f, "\n{}", self.backtrace)?;
        }
        Ok(())
    }
}

impl std::error::Error for Trap {}

/// The WebAssembly calls that were running at some moment. Frames of the host are not in it.
#[derive(Clone, Debug)]
pub struct Backtrace {
    frames: Vec<Frame>,
    omitted: usize,
}

impl Backtrace {
    pub(crate) fn from_raw(raw: RawBacktrace) -> Self {
        let frames = raw.frames.into_iter().map(|frame| Frame {
            module: frame.module,
            function: frame.function,
            offset: frame.offset.map(ModuleOffset::as_u32),
        });
        Self {
            frames: frames.collect(),
            omitted: raw.omitted,
        }
    }

    /// The frames, innermost first. Of a very deep stack, only the innermost ones.
    #[must_use]
    pub fn frames(&self) -> &[Frame] {
        &self.frames
    }

    /// How many outer frames there were that [`frames`](Self::frames) lacks.
    #[must_use]
    pub fn omitted(&self) -> usize {
        self.omitted
    }
}

/// One line a frame; a long run of the same few frames is shown once.
impl fmt::Display for Backtrace {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        const INNER: usize = 20;
        const OUTER: usize = 5;
        f.write_str("wasm backtrace:")?;
        let hidden = self.frames.len().saturating_sub(INNER + OUTER);
        for (i, frame) in self.frames.iter().enumerate() {
            if hidden > 1 && i == INNER {
                write!(f, "\n  … {hidden} more …")?;
            }
            if hidden <= 1 || i < INNER || i >= INNER + hidden {
                write!(f, "\n{i:>3}: {frame}")?;
            }
        }
        match self.omitted {
            0 => Ok(()),
            omitted => write!(f, "\n  … and {omitted} outer frames"),
        }
    }
}

/// One WebAssembly call of a [`Backtrace`].
#[derive(Clone)]
pub struct Frame {
    module: Arc<upshift_module::Module>,
    function: FuncIndex,
    offset: Option<u32>,
}

impl Frame {
    /// The function's index, imports first.
    #[must_use]
    pub fn func_index(&self) -> u32 {
        self.function.as_u32()
    }

    /// The function's name as the name section has it, or, failing that, an export's name. Names that
    /// Rust or C++ mangled are readable again, their first kilobyte at least. The contents of a name are the module's
    /// affair; the text of a frame escapes characters that a terminal would act on.
    #[must_use]
    pub fn func_name(&self) -> Option<Cow<'_, str>> {
        self.raw_func_name().map(demangle)
    }

    /// The function's name as it is in the module.
    #[must_use]
    pub fn raw_func_name(&self) -> Option<&str> {
        self.module.function_name(self.function)
    }

    /// The module's name, if its name section has one.
    #[must_use]
    pub fn module_name(&self) -> Option<&str> {
        self.module.names.module()
    }

    /// Where the call is in the module's binary, in bytes from its start.
    #[must_use]
    pub fn module_offset(&self) -> Option<usize> {
        self.offset.map(to_usize)
    }

    /// Where the call is in its function's body, in bytes from the body's start (its locals).
    #[must_use]
    pub fn func_offset(&self) -> Option<usize> {
        let defined = self.module.defined_function(self.function)?;
        let body = self.module.bodies.get(defined)?;
        self.module_offset()?.checked_sub(body.range.start)
    }
}

impl fmt::Display for Frame {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let name = self.func_name();
        write!(f, "{}", Printable(name.as_deref().unwrap_or("<unnamed>")))?;
        write!(f, " (function {}", self.function)?;
        if let Some(name) = self.module_name() {
            write!(f, " of {}", Printable(name))?;
        }
        f.write_str(")")?;
        match self.offset {
            Some(offset) => write!(f, " at {offset:#x}"),
            None => Ok(()),
        }
    }
}

impl fmt::Debug for Frame {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Frame")
            .field("function", &self.func_index())
            .field("name", &self.func_name())
            .field("module", &self.module_name())
            .field("offset", &self.offset)
            .finish()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_frame_is_one_line_whatever_its_names_are() {
        let text = br#"(module
            (@name "m\n0: m")
            (func (@name "a\n  9: forged (function 9) at 0x0\nerror: forged\1b[31mred\1b]0;title\07"))
            (func (@name "\e2\80\aeabc\00x"))
            (func (@name "caf\c3\a9 \e4\b8\ad\e6\96\87")))"#;
        let module = upshift_module::Module::parse(text, &upshift_module::Features::default());
        let module = Arc::new(module.unwrap());
        let frames = (0..3).map(|function| Frame {
            module: Arc::clone(&module),
            function: FuncIndex::from_u32(function),
            offset: None,
        });
        let text = Backtrace {
            frames: frames.collect(),
            omitted: 0,
        }
        .to_string();
        let lines: Vec<_> = text.lines().collect();
        assert_eq!(
            lines,
            [
                "wasm backtrace:",
                "  0: a\\n  9: forged (function 9) at 0x0\\nerror: forged\\u{1b}[31mred\\u{1b}]0;title\\u{7} \
                 (function 0 of m\\n0: m)",
                "  1: \\u{202e}abc\\0x (function 1 of m\\n0: m)",
                "  2: café 中文 (function 2 of m\\n0: m)",
            ]
        );
    }

    #[test]
    fn a_deep_backtrace_is_shown_by_its_ends() {
        let module = upshift_module::Module::parse(
            b"(module $m (func $f))",
            &upshift_module::Features::default(),
        );
        let frame = Frame {
            module: module.unwrap().into(),
            function: FuncIndex::from_u32(0),
            offset: Some(0x20),
        };
        let text = Backtrace {
            frames: vec![frame; 1000],
            omitted: 7,
        }
        .to_string();
        let lines: Vec<_> = text.lines().collect();
        assert_eq!(lines[1], "  0: f (function 0 of m) at 0x20");
        assert_eq!(lines[21], "  … 975 more …");
        assert_eq!(lines[26], "999: f (function 0 of m) at 0x20");
        assert_eq!(lines[27], "  … and 7 outer frames");
    }
}
