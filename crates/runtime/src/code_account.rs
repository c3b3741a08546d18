//! How much code memory modules hold, and the bounds on that: of one module, of all modules of an engine, of the process.

use std::fmt;
use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

/// Bounds on code memory, in bytes. `None` is no bound but the process's.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct CodeLimits {
    /// Of all modules of an engine together.
    pub engine: Option<usize>,
    /// Of each module.
    pub module: Option<usize>,
}

/// The code memory that the modules of an engine hold.
#[derive(Debug, Default)]
pub struct CodeAccount {
    limits: CodeLimits,
    used: AtomicUsize,
}

/// The purpose of code.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum CodePurpose {
    /// Without it the program does not go on.
    Running,
    /// It takes the place of code that there is. It gets half of a bound, so that faster code never keeps first code from
    /// running that needs no more than the other half.
    Better,
}

/// Whose bound on code memory it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum CodeScope {
    /// A module's.
    Module,
    /// An engine's.
    Engine,
    /// The process's, which is one range of addresses.
    Process,
}

/// A bound on code memory was reached.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct CodeLimitError {
    /// Whose bound.
    pub scope: CodeScope,
    /// The bound, in bytes.
    pub limit: usize,
    /// Bytes in use.
    pub used: usize,
    /// Bytes that were wanted in addition.
    pub requested: usize,
    /// The purpose of the code.
    pub purpose: CodePurpose,
}

/// Why there is no memory for code.
#[derive(Debug, thiserror::Error)]
pub enum CodeMemoryError {
    /// A bound was reached.
    #[error(transparent)]
    Limit(#[from] CodeLimitError),
    /// The system has none for us.
    #[error(transparent)]
    System(#[from] io::Error),
}

impl std::error::Error for CodeLimitError {}

impl fmt::Display for CodeLimitError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self {
            scope,
            limit,
            used,
            requested,
            purpose,
        } = self;
        let (whose, remedy) = match scope {
            CodeScope::Module => ("module's", "raise `Config::max_module_code_memory`"),
            CodeScope::Engine => (
                "engine's",
                "drop modules that are not needed, or raise `Config::max_code_memory`",
            ),
            CodeScope::Process => ("process's", "drop modules that are not needed"),
        };
        write!(f, "the {whose} limit of {limit} bytes of code")?;
        match purpose {
            CodePurpose::Running => f.write_str(" is reached")?,
            CodePurpose::Better => f.write_str(" leaves half to code of the first tier")?,
        }
        write!(f, ": {used} in use, {requested} more wanted; {remedy}")
    }
}

impl CodePurpose {
    /// How much of a bound it gets.
    fn share(self, limit: usize) -> usize {
        match self {
            Self::Running => limit,
            Self::Better => limit / 2,
        }
    }
}

impl CodeAccount {
    /// An engine's account.
    #[must_use]
    pub fn new(limits: CodeLimits) -> Arc<Self> {
        let used = AtomicUsize::new(0);
        Arc::new(Self { limits, used })
    }

    /// The bounds.
    #[must_use]
    pub fn limits(&self) -> CodeLimits {
        self.limits
    }

    /// Bytes that all modules of the engine hold.
    #[must_use]
    pub fn used(&self) -> usize {
        self.used.load(Ordering::Relaxed)
    }

    /// Counts so many bytes more of a module that holds `of_module` already, or nothing when that is above a bound.
    pub(crate) fn charge(
        &self,
        requested: usize,
        of_module: usize,
        purpose: CodePurpose,
    ) -> Result<(), CodeLimitError> {
        let check = |scope, limit: Option<usize>, used: usize| match limit {
            Some(limit) if used.saturating_add(requested) > purpose.share(limit) => {
                Err(CodeLimitError {
                    scope,
                    limit,
                    used,
                    requested,
                    purpose,
                })
            }
            _ => Ok(used.saturating_add(requested)),
        };
        check(CodeScope::Module, self.limits.module, of_module)?;
        let mut used = self.used();
        loop {
            let after = check(CodeScope::Engine, self.limits.engine, used)?;
            let (success, failure) = (Ordering::Relaxed, Ordering::Relaxed);
            match self
                .used
                .compare_exchange_weak(used, after, success, failure)
            {
                Ok(_) => return Ok(()),
                Err(now) => used = now,
            }
        }
    }

    /// Counts so many bytes less.
    pub(crate) fn give_back(&self, bytes: usize) {
        self.used.fetch_sub(bytes, Ordering::Relaxed);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_above_a_bound_is_not_counted() {
        let account = CodeAccount::new(CodeLimits {
            engine: Some(100),
            module: Some(60),
        });
        account.charge(60, 0, CodePurpose::Running).expect("fits");
        let error = account
            .charge(1, 60, CodePurpose::Running)
            .expect_err("module");
        assert_eq!((error.scope, error.used), (CodeScope::Module, 60));
        let error = account
            .charge(41, 0, CodePurpose::Running)
            .expect_err("engine");
        assert_eq!(
            error.to_string(),
            "the engine's limit of 100 bytes of code is reached: 60 in use, 41 more wanted; \
             drop modules that are not needed, or raise `Config::max_code_memory`"
        );
        account.charge(40, 0, CodePurpose::Running).expect("fits");
        account.give_back(60);
        assert_eq!(account.used(), 40);
    }

    #[test]
    fn better_code_leaves_half_of_a_bound() {
        let account = CodeAccount::new(CodeLimits {
            engine: Some(100),
            module: None,
        });
        account.charge(30, 0, CodePurpose::Running).expect("fits");
        account.charge(20, 0, CodePurpose::Better).expect("fits");
        let error = account.charge(1, 0, CodePurpose::Better).expect_err("half");
        assert!(error.to_string().contains("leaves half"), "{error}");
        account.charge(50, 0, CodePurpose::Running).expect("fits");
        let unlimited = CodeAccount::default();
        unlimited
            .charge(usize::MAX, 5, CodePurpose::Better)
            .expect("no bound");
    }
}
