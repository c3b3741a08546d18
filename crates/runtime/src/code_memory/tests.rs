use super::*;
use crate::fork::in_child;
use crate::test_support::index;

/// A range of its own, in which code is in anonymous memory or not.
fn range(anonymous: bool) -> &'static CodeRange {
    let range = CodeRange::reserve().expect("addresses");
    range.state.lock().anonymous = anonymous;
    Box::leak(Box::new(range))
}

fn at(address: usize) -> *mut u8 {
    address as *mut u8
}

/// Puts a byte at the start of each page of a chunk, and has it executable.
fn fill(chunk: &CodeChunk, byte: u8) {
    for page in (0..chunk.len()).step_by(chunk.page_size()) {
        // SAFETY: the chunk is the test's.
        unsafe { at(chunk.writable() + page).write_volatile(byte) };
    }
    chunk
        .seal(chunk.executable(), chunk.len())
        .expect("executable");
}

/// Whether that byte is there where it is executed.
fn has(chunk: &CodeChunk, byte: u8) -> bool {
    // SAFETY: the chunk is the test's.
    let read = |page| unsafe { at(chunk.executable() + page).read_volatile() };
    (0..chunk.len())
        .step_by(chunk.page_size())
        .all(|page| read(page) == byte)
}

#[test]
fn what_is_written_at_one_address_is_read_at_the_other() {
    for range in [range(false), range(true)] {
        let chunk = range.allocate(10_000).expect("three pages");
        assert_eq!(chunk.len(), 3 * range.page_size);
        fill(&chunk, 0xc3);
        assert!(has(&chunk, 0xc3));
    }
}

#[test]
fn what_rests_keeps_its_content_and_can_be_written() {
    let chunk = range(false).allocate(10_000).expect("three pages");
    fill(&chunk, 0xc3);
    chunk.rest();
    assert!(has(&chunk, 0xc3));
    // SAFETY: the chunk is ours.
    unsafe {
        at(chunk.writable() + 1).write_volatile(0x90);
        assert_eq!(at(chunk.writable()).read_volatile(), 0xc3);
        assert_eq!(at(chunk.executable() + 1).read_volatile(), 0x90);
    }
}

#[test]
fn freed_pages_are_empty_and_merge_with_their_neighbours() {
    for range in [range(false), range(true)] {
        let total = || {
            let state = range.state.lock();
            let kinds = [true, false].map(|backed| {
                let of_kind = state.free.values().filter(|free| free.backed == backed);
                of_kind.count()
            });
            let total: usize = state.free.values().map(|free| free.len).sum();
            (total, kinds)
        };
        let (before, _) = total();
        let chunks: Vec<_> = (1..6)
            .map(|n| range.allocate(n * 5000).expect("pages"))
            .collect();
        chunks.iter().for_each(|chunk| fill(chunk, 1));
        let is_file = !chunks[0].writes_once();
        let first = chunks[0].executable();
        drop(chunks);
        let (after, kinds) = total();
        assert_eq!(after, before);
        assert_eq!(kinds, [usize::from(is_file), 1]);
        if is_file {
            // SAFETY: after the chunk's drop the pages are still mapped.
            assert_eq!(unsafe { at(first).read_volatile() }, 0);
        }
        assert_eq!(range.allocate(1).expect("a page").executable(), first);
    }
}

#[test]
fn a_used_up_range_is_an_error_that_says_so() {
    let range = range(false);
    let error = range.allocate(range.size).err().expect("too much");
    let CodeMemoryError::Limit(error) = error else {
        panic!("{error}");
    };
    assert_eq!((error.scope, error.limit), (CodeScope::Process, range.size));
    assert!(error.to_string().contains("drop modules"), "{error}");
    // Memory that was freed in parts is there as a whole.
    let half = |_| range.allocate(range.size / 4).expect("there");
    drop((0..3).map(half).collect::<Vec<_>>());
    drop(range.allocate(range.size / 10 * 9).expect("all of it"));
}

#[test]
fn lazy_stubs_load_their_number_and_jump_to_the_thunk() {
    let range = CodeRange::current().expect("code memory");
    for function in [0, 1, STUB_BATCH - 1, STUB_BATCH, 10_000] {
        let stubs = range.lazy_stubs(function + 1).expect("stubs");
        let address = stubs.address(index(function)) as usize;
        // SAFETY: a stub was written there.
        let stub = unsafe { (address as *const [u8; arch::LAZY_STUB_SIZE]).read() };
        let number = u32::from_le_bytes(stub[1..5].try_into().expect("four bytes"));
        let distance = i32::from_le_bytes(stub[6..10].try_into().expect("four bytes"));
        assert_eq!((stub[0], number as usize, stub[5]), (0xb8, function, 0xe9));
        assert_eq!(
            address + 10,
            range.executable.wrapping_sub(distance as usize)
        );
    }
    assert!(range.lazy_stubs(2 << 20).is_err());
}

#[test]
fn parent_and_child_change_nothing_of_one_anothers() {
    for range in [range(false), range(true)] {
        let [kept, other] = [1, 2].map(|byte| {
            let chunk = range.allocate(10_000).expect("pages");
            fill(&chunk, byte);
            chunk
        });
        let mut other = Some(other);
        // Twice, for children have children.
        in_child(|| {
            other = None;
            let new = range.allocate(20_000).expect("pages");
            fill(&new, 3);
            let of_child = in_child(|| {
                let newest = range.allocate(30_000).expect("pages");
                fill(&newest, 4);
                has(&kept, 1) && has(&new, 3) && has(&newest, 4)
            });
            of_child && has(&kept, 1) && has(&new, 3)
        });
        let other = other.expect("the parent's");
        assert!(has(&kept, 1) && has(&other, 2));
        let is_shared = !kept.writes_once();
        assert_eq!(kept.is_own(), !is_shared, "nothing more goes into it");
        let at_fork = kept.executable();
        // The other way around: the child looks when the parent has freed all and used the addresses again.
        assert!(in_child_after(
            || {
                drop((kept, other));
                let again = range.allocate(10_000).expect("pages");
                assert_eq!(again.executable(), at_fork);
                fill(&again, 9);
                again
            },
            // SAFETY: mapped in the child as they were in the parent at the fork.
            || unsafe { at(at_fork).read_volatile() == 1 },
        ));
    }
}

/// Forks, has the parent do something, and then the child look at something.
fn in_child_after<T>(parent: impl FnOnce() -> T, child: impl FnOnce() -> bool) -> bool {
    let mut ends = [0; 2];
    // SAFETY: the array is there for both descriptors.
    assert_eq!(unsafe { libc::pipe(ends.as_mut_ptr()) }, 0);
    let [reader, writer] = ends;
    let pid = fork::start_child(|| {
        let mut byte = 0_u8;
        // SAFETY: one byte is there.
        let read = unsafe { libc::read(reader, (&raw mut byte).cast(), 1) };
        read == 1 && child()
    });
    let _kept = parent();
    // SAFETY: one byte is there.
    assert_eq!(unsafe { libc::write(writer, [1_u8].as_ptr().cast(), 1) }, 1);
    // SAFETY: both are open and ours.
    unsafe { (libc::close(reader), libc::close(writer)) };
    fork::end_of_child(pid)
}

#[test]
fn a_bare_clone_is_told_from_its_parent() {
    let range = range(false);
    let mut chunk = Some(range.allocate(10_000).expect("pages"));
    fill(chunk.as_ref().expect("there"), 1);
    let generation = fork::generation();
    // SAFETY: no flags but the signal: a child with memory of its own, which calls nothing that another thread may hold
    // and ends by `_exit`.
    let pid = unsafe { libc::syscall(libc::SYS_clone, libc::SIGCHLD, 0, 0, 0, 0) };
    let pid = libc::pid_t::try_from(pid).expect("a process id");
    if pid == 0 {
        let is_new = fork::generation() != generation;
        drop(chunk.take());
        let is_own = range.allocate(10_000).is_ok_and(|chunk| {
            fill(&chunk, 2);
            has(&chunk, 2)
        });
        // SAFETY: no preconditions.
        unsafe { libc::_exit(i32::from(!(is_new && is_own))) };
    }
    assert!(fork::end_of_child(pid));
    assert!(has(&chunk.expect("the parent's"), 1));
}

#[test]
fn no_descriptor_stays_open_and_none_is_needed() {
    let range = range(false);
    let chunk = range.allocate(10_000).expect("pages");
    let open = std::fs::read_dir("/proc/self/fd").expect("it is mounted");
    let names = open.filter_map(|file| std::fs::read_link(file.ok()?.path()).ok());
    let of_code = |name: &std::path::PathBuf| name.to_string_lossy().contains("upshift-code");
    // Other tests have theirs for a moment.
    assert!(names.filter(of_code).count() < 8);
    drop(chunk);
    // A child, for the limit holds for the whole process.
    assert!(in_child(|| {
        let limit = libc::rlimit {
            rlim_cur: 0,
            rlim_max: 0,
        };
        // SAFETY: it is given a limit to read.
        let limited = unsafe { libc::setrlimit(libc::RLIMIT_NOFILE, &raw const limit) };
        let chunk = range.allocate(10_000).expect("anonymous memory");
        fill(&chunk, 7);
        limited == 0 && chunk.writes_once() && has(&chunk, 7)
    }));
}
