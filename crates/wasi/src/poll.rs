//! `poll_oneoff`: waiting for times and for files to become ready.

use rustix::event::{PollFd, PollFlags};
use smallvec::SmallVec;
use wiggle::{GuestMemory, GuestPtr};

use crate::bindings::preview1::types::{
    Clockid, Errno, Event, EventFdReadwrite, Eventrwflags, Eventtype, Fd, Rights, Size,
    Subclockflags, Subscription, SubscriptionU, Timestamp, Userdata,
};
use crate::buffers::check_range;
use crate::context::WasiCtx;
use crate::error::{Error, Result};
use crate::host::{HostFile, Stop};
use crate::table::{Kind, Table};

/// How many subscriptions one call may have.
const MAX_SUBSCRIPTIONS: u32 = 1 << 16;

/// An event that a guest waits for, of either version of WASI.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Wish {
    pub(crate) userdata: Userdata,
    pub(crate) what: What,
}

/// A time, or a file that is ready.
#[derive(Clone, Copy, Debug)]
pub(crate) enum What {
    Clock {
        id: Clockid,
        timeout: Timestamp,
        is_absolute: bool,
    },
    Read(Fd),
    Write(Fd),
}

impl From<Subscription> for Wish {
    fn from(subscription: Subscription) -> Self {
        Self {
            userdata: subscription.userdata,
            what: match subscription.u {
                SubscriptionU::Clock(clock) => What::Clock {
                    id: clock.id,
                    timeout: clock.timeout,
                    is_absolute: clock
                        .flags
                        .contains(Subclockflags::SUBSCRIPTION_CLOCK_ABSTIME),
                },
                SubscriptionU::FdRead(file) => What::Read(file.file_descriptor),
                SubscriptionU::FdWrite(file) => What::Write(file.file_descriptor),
            },
        }
    }
}

/// How things stand with a wish.
enum State<'a> {
    /// To be reported in any case.
    Known(Event),
    /// After these nanoseconds.
    After(u64),
    /// When this file is ready; the number is that of its place among the files to wait for.
    File(&'a HostFile, usize),
}

/// Waits until one of the wishes that `read` gives comes true; writes all that have to `events`. Returns
/// how many.
pub(crate) fn run(
    ctx: &mut WasiCtx,
    memory: &mut GuestMemory<'_>,
    events: GuestPtr<Event>,
    count: Size,
    read: impl Fn(&GuestMemory<'_>, u32) -> Result<Wish>,
) -> Result<Size> {
    check_range(memory, events, count)?;
    if count == 0 || count > MAX_SUBSCRIPTIONS {
        return Err(Errno::Inval.into());
    }
    let WasiCtx {
        table,
        clock,
        interrupt,
        ..
    } = ctx;
    let stop = Stop(interrupt.as_ref());
    let mut wishes = SmallVec::<[(Wish, State<'_>); 4]>::new();
    let mut files = SmallVec::<[PollFd<'_>; 4]>::new();
    let (mut earliest, mut known) = (None::<u64>, false);
    for i in 0..count {
        let wish = read(memory, i)?;
        let state = match wish.what {
            What::Clock {
                id: Clockid::ProcessCputimeId | Clockid::ThreadCputimeId,
                ..
            } => State::Known(event(wish, Errno::Notsup)),
            What::Clock {
                id,
                timeout,
                is_absolute,
            } => {
                let wait = if is_absolute {
                    timeout.saturating_sub(clock.now(id)?)
                } else {
                    timeout
                };
                earliest = Some(earliest.map_or(wait, |earliest| earliest.min(wait)));
                State::After(wait)
            }
            What::Read(fd) => file_state(table, fd, wish, PollFlags::IN, files.len()),
            What::Write(fd) => file_state(table, fd, wish, PollFlags::OUT, files.len()),
        };
        match &state {
            State::Known(_) => known = true,
            State::File(file, _) => files.push(PollFd::new(*file, events_of(wish))),
            State::After(_) => {}
        }
        wishes.push((wish, state));
    }
    let start = std::time::Instant::now();
    let mut passed = 0;
    if known {
        stop.poll(&mut files, Some(0))?;
    } else if let (Some(wait), crate::clock::Clock::Deterministic { .. }) = (earliest, &*clock) {
        stop.poll(&mut files, Some(0))?;
        if files.iter().all(|file| file.revents().is_empty()) {
            clock.skip(wait);
            passed = wait;
        }
    } else {
        stop.poll(&mut files, earliest)?;
        passed = u64::try_from(start.elapsed().as_nanos()).unwrap_or(u64::MAX);
    }
    let mut written = 0;
    for (wish, state) in wishes {
        let event = match state {
            State::Known(event) => event,
            State::After(wait) if wait <= passed => event(wish, Errno::Success),
            State::File(file, place) if !files[place].revents().is_empty() => {
                ready(wish, file, files[place].revents())
            }
            State::After(_) | State::File(..) => continue,
        };
        memory.write(events.add(written)?, event)?;
        written += 1;
    }
    Ok(written)
}

/// The system's events for a wish.
fn events_of(wish: Wish) -> PollFlags {
    match wish.what {
        What::Write(_) => PollFlags::OUT,
        _ => PollFlags::IN,
    }
}

fn file_state<'a>(
    table: &'a Table,
    fd: Fd,
    wish: Wish,
    wanted: PollFlags,
    place: usize,
) -> State<'a> {
    let right = if wanted == PollFlags::IN {
        Rights::FD_READ
    } else {
        Rights::FD_WRITE
    };
    let descriptor = match table.get(fd) {
        Ok(descriptor) => descriptor,
        Err(error) => return State::Known(event(wish, errno_of(error))),
    };
    if let Err(error) = descriptor.need(Rights::POLL_FD_READWRITE | right) {
        return State::Known(event(wish, errno_of(error)));
    }
    match &descriptor.kind {
        Kind::Host(file) if file.waits() => State::File(file, place),
        Kind::Host(file) => State::Known(ready(wish, file, wanted)),
        Kind::Stream(_) => {
            let mut event = event(wish, Errno::Success);
            event.fd_readwrite.nbytes = 1;
            State::Known(event)
        }
        Kind::Directory(_) => State::Known(event(wish, Errno::Badf)),
    }
}

fn errno_of(error: Error) -> Errno {
    match error {
        Error::Errno(errno) => errno,
        Error::Exit(_) => Errno::Io,
    }
}

/// The event of a file that is ready.
fn ready(wish: Wish, file: &HostFile, found: PollFlags) -> Event {
    let mut event = event(wish, Errno::Success);
    if found.contains(PollFlags::NVAL) {
        event.error = Errno::Badf;
        return event;
    }
    event.fd_readwrite.nbytes = match wish.what {
        What::Read(_) => rustix::io::ioctl_fionread(file).unwrap_or(1),
        // The system tells that there is room, not how much.
        _ => 1,
    };
    if found.intersects(PollFlags::HUP | PollFlags::ERR) {
        event.fd_readwrite.flags = Eventrwflags::FD_READWRITE_HANGUP;
    }
    event
}

/// An event without details.
fn event(wish: Wish, error: Errno) -> Event {
    Event {
        userdata: wish.userdata,
        error,
        type_: match wish.what {
            What::Clock { .. } => Eventtype::Clock,
            What::Read(_) => Eventtype::FdRead,
            What::Write(_) => Eventtype::FdWrite,
        },
        fd_readwrite: EventFdReadwrite {
            nbytes: 0,
            flags: Eventrwflags::empty(),
        },
    }
}
