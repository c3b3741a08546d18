//! Keeps a measurement on as many processors as it may use, whatever threads the engine starts.

use std::io;

use anyhow::{Context, Result, ensure};

/// Restricts this thread, and those it will start, to the last `count` of the processors it may run on now.
/// (The first one often has the interrupts.) What sizes its thread pool by the processors sees the smaller number.
///
/// # Errors
/// If there are not so many processors, or the system refuses.
pub fn restrict_to_processors(count: usize) -> Result<()> {
    let allowed = allowed().context("asking for the processors of this process")?;
    let last = allowed
        .len()
        .checked_sub(count)
        .map(|first| &allowed[first..]);
    let last =
        last.with_context(|| format!("{count} threads wanted, and {} processors", allowed.len()))?;
    ensure!(!last.is_empty(), "at least one thread is needed");
    restrict(last).context("restricting the processors of this process")
}

/// The numbers of the processors that this thread may run on.
fn allowed() -> io::Result<Vec<usize>> {
    // SAFETY: all-zero bytes are an empty set.
    let mut set: libc::cpu_set_t = unsafe { std::mem::zeroed() };
    // SAFETY: the pointer is to a set of the length given; 0 is the calling thread.
    if unsafe { libc::sched_getaffinity(0, size_of::<libc::cpu_set_t>(), &raw mut set) } != 0 {
        return Err(io::Error::last_os_error());
    }
    let numbers = 0..libc::CPU_SETSIZE as usize;
    // SAFETY: the numbers are below CPU_SETSIZE, and so inside the set.
    Ok(numbers
        .filter(|&number| unsafe { libc::CPU_ISSET(number, &set) })
        .collect())
}

fn restrict(processors: &[usize]) -> io::Result<()> {
    // SAFETY: all-zero bytes are an empty set.
    let mut set: libc::cpu_set_t = unsafe { std::mem::zeroed() };
    for &number in processors {
        // SAFETY: the numbers come from `allowed`, and are inside the set.
        unsafe { libc::CPU_SET(number, &mut set) };
    }
    // SAFETY: the pointer is to a set of the length given; 0 is the calling thread.
    if unsafe { libc::sched_setaffinity(0, size_of::<libc::cpu_set_t>(), &raw const set) } != 0 {
        return Err(io::Error::last_os_error());
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_restricted_thread_sees_as_many_processors_as_it_may_use() {
        // The restriction is the thread's own: other tests keep their processors.
        std::thread::spawn(|| {
            assert!(restrict_to_processors(allowed().unwrap().len() + 1).is_err());
            assert!(restrict_to_processors(0).is_err());
            restrict_to_processors(1).unwrap();
            assert_eq!(allowed().unwrap().len(), 1);
            assert_eq!(std::thread::available_parallelism().unwrap().get(), 1);
        })
        .join()
        .unwrap();
    }
}
