//! The world of a WASI program: its directories, environment and arguments, and the command's own streams.

use std::collections::BTreeMap;
use std::env;
use std::ffi::{OsStr, OsString};
use std::os::unix::ffi::OsStrExt;

use clap::Args;
use upshift_wasi::{Access, WasiCtx};

use crate::error::{CliError, Result};
use crate::options::Run;

/// What a program finds outside of itself.
#[derive(Args, Debug, Default)]
#[command(next_help_heading = "What the program is given (WASI)")]
pub struct Given {
    /// Give the program the directory HOST with all that is in it, under the name GUEST or else the same name.
    /// May be repeated; without it there are no files.
    #[arg(long, value_name = "HOST[::GUEST]")]
    pub dir: Vec<OsString>,

    /// The same, to read only.
    #[arg(long, value_name = "HOST[::GUEST]")]
    pub dir_ro: Vec<OsString>,

    /// Set an environment variable, or hand one on as it is. May be repeated; without it there are none.
    #[arg(long, value_name = "NAME[=VALUE]")]
    pub env: Vec<OsString>,

    /// Hand the whole environment on. What --env says comes on top.
    #[arg(long)]
    pub inherit_env: bool,
}

impl Given {
    /// The same as a command line has it.
    pub(crate) fn arguments(&self) -> Vec<OsString> {
        let Self {
            dir,
            dir_ro,
            env,
            inherit_env,
        } = self;
        let mut arguments = Vec::new();
        for (option, values) in [("--dir", dir), ("--dir-ro", dir_ro), ("--env", env)] {
            for value in values {
                arguments.extend([OsString::from(option), value.clone()]);
            }
        }
        if *inherit_env {
            arguments.push("--inherit-env".into());
        }
        arguments
    }

    /// The world of a program that is started like this.
    ///
    /// # Errors
    /// When a directory can't be opened, or a variable has no name.
    pub(crate) fn context(&self, options: &Run) -> Result<WasiCtx> {
        let mut builder = WasiCtx::builder();
        builder.inherit_stdio();
        builder.arg(options.file.file_name().unwrap_or_default());
        builder.args(&options.args);
        builder.envs(self.environment(env::vars_os(), |name| env::var_os(name))?);
        let writable = self
            .dir
            .iter()
            .map(|text| ("--dir", text, Access::ReadWrite));
        let readable = self
            .dir_ro
            .iter()
            .map(|text| ("--dir-ro", text, Access::ReadOnly));
        for (option, text, access) in writable.chain(readable) {
            let (host, guest) = mapping(option, text)?;
            builder
                .preopened_dir(host, guest, access)
                .map_err(|error| CliError::Directory {
                    option,
                    directory: host.into(),
                    error,
                })?;
        }
        Ok(builder.build())
    }

    /// The program's environment, each variable once.
    fn environment(
        &self,
        own: impl Iterator<Item = (OsString, OsString)>,
        get: impl Fn(&OsStr) -> Option<OsString>,
    ) -> Result<BTreeMap<OsString, OsString>> {
        let mut variables = BTreeMap::new();
        if self.inherit_env {
            variables.extend(own);
        }
        for text in &self.env {
            let (name, value) = match split(text, b"=") {
                Some((name, value)) => (name, Some(value.to_owned())),
                // One that is not set is not set there either.
                None => (&**text, get(text)),
            };
            if name.is_empty() {
                return Err(CliError::Option {
                    option: "--env",
                    value: format!("`{}`", text.display()),
                    allowed: "NAME=VALUE, or the NAME of a variable that is set".to_owned(),
                });
            }
            if let Some(value) = value {
                variables.insert(name.to_owned(), value);
            }
        }
        Ok(variables)
    }
}

/// A directory of the system, and its name for the program.
fn mapping<'a>(option: &'static str, text: &'a OsStr) -> Result<(&'a OsStr, &'a str)> {
    let (host, guest) = split(text, b"::").unwrap_or((text, text));
    match guest.to_str() {
        Some(guest) if !host.is_empty() && !guest.is_empty() => Ok((host, guest)),
        _ => Err(CliError::Option {
            option,
            value: format!("`{}`", text.display()),
            allowed: "HOST or HOST::GUEST, both not empty, and GUEST in UTF-8".to_owned(),
        }),
    }
}

/// The parts before and behind the first `separator`.
fn split<'a>(text: &'a OsStr, separator: &[u8]) -> Option<(&'a OsStr, &'a OsStr)> {
    let bytes = text.as_bytes();
    let at = bytes
        .windows(separator.len())
        .position(|window| window == separator)?;
    let behind = &bytes[at + separator.len()..];
    Some((OsStr::from_bytes(&bytes[..at]), OsStr::from_bytes(behind)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn directories_have_the_same_name_or_another() {
        let mapping = |text: &'static str| {
            let (host, guest) = mapping("--dir", OsStr::new(text))?;
            Ok::<_, CliError>((host.to_str().unwrap(), guest))
        };
        assert_eq!(mapping(".").unwrap(), (".", "."));
        assert_eq!(mapping("a/b::/").unwrap(), ("a/b", "/"));
        assert_eq!(mapping("C:x::y:z").unwrap(), ("C:x", "y:z"));
        // Only the first one separates.
        assert_eq!(mapping("a::b::c").unwrap(), ("a", "b::c"));
        assert_eq!(mapping("a:b").unwrap(), ("a:b", "a:b"));
        for wrong in ["", "::", "a::", "::b"] {
            let message = mapping(wrong).unwrap_err().to_string();
            assert!(
                message.starts_with(&format!("`--dir` is `{wrong}`, but")),
                "{message}"
            );
        }
        let raw = OsStr::from_bytes(b"\xff");
        assert!(super::mapping("--dir", raw).is_err());
        let raw = OsStr::from_bytes(b"\xff::x");
        assert_eq!(super::mapping("--dir", raw).unwrap().1, "x");
    }

    #[test]
    fn variables_are_set_inherited_or_overridden() {
        let own = || [("A", "1"), ("B", "2")].map(|(name, value)| (name.into(), value.into()));
        let environment = |inherit_env, env: &[&str]| {
            let given = Given {
                env: env.iter().map(OsString::from).collect(),
                inherit_env,
                ..Given::default()
            };
            let get = |name: &OsStr| own().into_iter().find(|(of, _)| of == name).map(|of| of.1);
            let variables = given.environment(own().into_iter(), get)?;
            let text = |(name, value): (&OsString, &OsString)| {
                format!("{}={}", name.display(), value.display())
            };
            Ok::<_, CliError>(variables.iter().map(text).collect::<Vec<_>>())
        };
        assert_eq!(environment(false, &[]).unwrap(), [""; 0]);
        assert_eq!(environment(true, &[]).unwrap(), ["A=1", "B=2"]);
        assert_eq!(
            environment(false, &["B", "C", "D=", "E=x=y"]).unwrap(),
            ["B=2", "D=", "E=x=y"]
        );
        assert_eq!(environment(true, &["A=0", "A=3"]).unwrap(), ["A=3", "B=2"]);
        for wrong in ["", "=", "=x"] {
            let message = environment(false, &[wrong]).unwrap_err().to_string();
            assert!(message.contains("NAME=VALUE"), "{message}");
        }
    }
}
