//! `--max-stack`: a thread with as much stack as a program may use, where the one that is there has less.

use std::panic::resume_unwind;
use std::thread;

use crate::error::{CliError, Result};

/// Stack of the command and its host functions besides the program's.
const OWN: usize = 1 << 20;

/// Runs this where generated code can use so many bytes of stack.
///
/// # Errors
/// When the system has no such stack.
pub(crate) fn with_stack<T: Send>(bytes: usize, work: impl FnOnce() -> T + Send) -> Result<T> {
    let wanted = bytes.saturating_add(OWN);
    if is_main_thread() && main_stack().is_none_or(|size| size >= wanted) {
        return Ok(work());
    }
    thread::scope(|scope| {
        let spawned = thread::Builder::new()
            .name("program".to_owned())
            .stack_size(wanted)
            .spawn_scoped(scope, work);
        let thread = spawned.map_err(|error| CliError::Thread {
            purpose: format!("with {wanted} bytes of stack, as --max-stack asks for"),
            error,
        })?;
        Ok(thread.join().unwrap_or_else(|panic| resume_unwind(panic)))
    })
}

fn is_main_thread() -> bool {
    // SAFETY: neither has preconditions.
    unsafe { libc::gettid() == libc::getpid() }
}

/// Bytes to which the first thread's stack may grow; `None` is no limit.
fn main_stack() -> Option<usize> {
    let mut limit = libc::rlimit {
        rlim_cur: 0,
        rlim_max: 0,
    };
    // SAFETY: it is given a place for its answer.
    let asked = unsafe { libc::getrlimit(libc::RLIMIT_STACK, &mut limit) };
    match limit.rlim_cur {
        _ if asked != 0 => Some(0),
        libc::RLIM_INFINITY => None,
        bytes => usize::try_from(bytes).ok(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_large_stack_is_there_and_an_impossible_one_an_error() {
        fn deep(rounds: usize) -> usize {
            let mut frame = [0u8; 1 << 16];
            std::hint::black_box(&mut frame)[7] = 1;
            let below = if rounds == 0 { 0 } else { deep(rounds - 1) };
            below + usize::from(std::hint::black_box(&frame)[7])
        }
        // More than 64 MiB.
        assert_eq!(with_stack(200 << 20, || deep(1000)).unwrap(), 1001);
        let error = with_stack(1 << 60, || ()).unwrap_err();
        assert!(error.to_string().contains("--max-stack"), "{error}");
    }
}
