//! Cookies of the entries of a directory: small numbers in place of the file system's positions, which use 63 bits
//! where a guest's `long` has 32. The reader of the entries is in `directory`.

use std::collections::VecDeque;

/// How many of the last positions are known exactly.
const WINDOW: usize = 4096;

/// How many of all positions before are known, at equal distances.
const MARKS: usize = 4096;

/// The positions behind a directory's entries by the number of the entry: the first is 1, and 0 is the start.
///
/// A number in use means one position for as long as the guest does not begin anew, whatever is made and removed
/// in the directory meanwhile: a position that is new gets a new number.
///
/// The positions of the last [`WINDOW`] entries are here, and of earlier ones as many as [`MARKS`] at distances
/// that double when these are full. Between two marks the way to an entry is counted, which takes reading at most as many
/// entries as a mark is from the next, and is exact while the entries before it stay.
/// So a directory takes 64 KiB at most, of however many entries.
#[derive(Debug)]
pub(crate) struct Cookies {
    /// The number that was given last.
    last: u64,
    /// The positions of the numbers up to `last`.
    window: VecDeque<u64>,
    /// The positions of the multiples of `stride`.
    marks: Vec<u64>,
    stride: u64,
    /// The numbers are not in the order of the directory, which has changed since the guest began.
    changed: bool,
}

/// Where to read from to get to an entry.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Start {
    /// The position in the file system.
    pub(crate) position: u64,
    /// The number of the entry that ends there.
    pub(crate) cookie: u64,
}

impl Cookies {
    pub(crate) const fn new() -> Self {
        Self {
            last: 0,
            window: VecDeque::new(),
            marks: Vec::new(),
            stride: 1,
            changed: false,
        }
    }

    /// The nearest known position that is not behind a cookie. Cookie 0 begins anew: all others lose their meaning.
    pub(crate) fn start(&mut self, cookie: u64) -> Start {
        if cookie == 0 {
            *self = Self::new();
        }
        let cookie = cookie.min(self.last);
        if let Some(&position) = self.place(cookie).and_then(|at| self.window.get(at)) {
            return Start { position, cookie };
        }
        let mark = cookie / self.stride;
        let position = |mark: u64| self.marks.get(usize::try_from(mark).ok()?).copied();
        mark.checked_sub(1).and_then(position).map_or(
            Start {
                position: 0,
                cookie: 0,
            },
            |position| Start {
                position,
                cookie: mark * self.stride,
            },
        )
    }

    /// The number of the entry that ends at `position` and comes after that of number `before`.
    pub(crate) fn after(&mut self, before: u64, position: u64) -> u64 {
        let next = before + 1;
        if before < self.last {
            match self.place(next).and_then(|at| self.window.get(at)) {
                Some(&known) if known == position => return next,
                Some(_) => self.changed = true,
                // Its position is not known any more.
                None => return next,
            }
        }
        let found = self.changed.then(|| self.find(position)).flatten();
        found.unwrap_or_else(|| self.push(position))
    }

    /// Where in the window the position of a number is, if it is there.
    fn place(&self, cookie: u64) -> Option<usize> {
        let behind = usize::try_from(self.last.checked_sub(cookie)?).ok()?;
        self.window.len().checked_sub(behind + 1)
    }

    /// The number of a position in the window.
    fn find(&self, position: u64) -> Option<u64> {
        let behind = self.window.iter().rev().position(|&it| it == position)?;
        self.last.checked_sub(u64::try_from(behind).ok()?)
    }

    /// Gives a position the next number.
    fn push(&mut self, position: u64) -> u64 {
        self.last += 1;
        if self.window.len() == WINDOW {
            self.window.pop_front();
        }
        self.window.push_back(position);
        if self.last.is_multiple_of(self.stride) {
            if self.marks.len() == MARKS {
                let mut keep = [false, true].into_iter().cycle();
                self.marks.retain(|_| keep.next() == Some(true));
                self.stride *= 2;
            }
            if self.last.is_multiple_of(self.stride) {
                self.marks.push(position);
            }
        }
        self.last
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Reads all of a directory, whose entries end at these positions, from a cookie on.
    fn read(cookies: &mut Cookies, positions: &[u64], cookie: u64) -> Vec<u64> {
        let start = cookies.start(cookie);
        let mut now = start.cookie;
        let mut reached = now >= cookie;
        let mut read = Vec::new();
        for &position in positions {
            if position > start.position {
                let is_wanted = reached;
                now = cookies.after(now, position);
                reached |= now >= cookie;
                if is_wanted {
                    read.push(now);
                }
            }
        }
        read
    }

    fn start(position: u64, cookie: u64) -> Start {
        Start { position, cookie }
    }

    #[test]
    fn cookies_count_entries() {
        let mut cookies = Cookies::new();
        let positions = [1 << 40, 1 << 50, 1 << 60, i64::MAX.cast_unsigned()];
        assert_eq!(read(&mut cookies, &positions, 0), [1, 2, 3, 4]);
        assert_eq!(cookies.start(2), start(1 << 50, 2));
        assert_eq!(read(&mut cookies, &positions, 2), [3, 4]);
        assert_eq!(read(&mut cookies, &positions, 4), [0; 0]);
        // A cookie that was never given.
        assert_eq!(read(&mut cookies, &positions, 5), [0; 0]);
        assert_eq!(read(&mut cookies, &positions, u64::MAX), [0; 0]);
        assert_eq!(read(&mut cookies, &positions, 0), [1, 2, 3, 4]);
    }

    #[test]
    fn a_cookie_that_nobody_gave_is_counted_to() {
        let mut cookies = Cookies::new();
        assert_eq!(read(&mut cookies, &[10, 20, 30, 40], 2), [3, 4]);
        assert_eq!(cookies.start(1), start(10, 1));
    }

    #[test]
    fn a_number_keeps_its_position_when_the_directory_changes() {
        let mut cookies = Cookies::new();
        assert_eq!(
            read(&mut cookies, &[10, 20, 30, 40, 50], 0),
            [1, 2, 3, 4, 5]
        );
        // Without the second and the third, and with two others.
        let changed = [10, 25, 40, 45, 50];
        assert_eq!(read(&mut cookies, &changed, 1), [6, 4, 7, 5]);
        assert_eq!(cookies.start(3), start(30, 3));
        assert_eq!(cookies.start(6), start(25, 6));
        assert_eq!(read(&mut cookies, &changed, 3), [4, 7, 5]);
        assert_eq!(read(&mut cookies, &changed, 6), [4, 7, 5]);
        assert_eq!(read(&mut cookies, &changed, 5), [0; 0]);
        // From the start on, they are counted anew.
        assert_eq!(read(&mut cookies, &changed, 0), [1, 2, 3, 4, 5]);
        assert_eq!(cookies.start(2), start(25, 2));
    }

    #[test]
    fn a_million_entries_take_as_much_as_eight_thousand() {
        let mut cookies = Cookies::new();
        let count = 1_000_000;
        for cookie in 1..=count {
            assert_eq!(cookies.after(cookie - 1, cookie * 1000), cookie);
        }
        assert!(cookies.window.len() <= WINDOW && cookies.marks.len() <= MARKS);
        assert!(cookies.marks.len() * 2 > MARKS);
        for cookie in (1..=count).step_by(777).chain([count]) {
            let from = cookies.start(cookie);
            assert_eq!(from.position, from.cookie * 1000);
            assert!(from.cookie <= cookie && cookie - from.cookie < cookies.stride);
            if cookie > count - WINDOW as u64 {
                assert_eq!(from.cookie, cookie);
            }
        }
        assert!(cookies.stride <= 2 * count / MARKS as u64);
    }
}
