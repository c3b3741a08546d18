//! The state of a range of code memory: which of its pages are free, the memory behind those, and where this process writes to
//! them.

use std::collections::BTreeMap;
use std::io;

use super::ChunkMemory;
use super::mapping::{give_addresses_back, keep_from_children, reserve_addresses};
use crate::fork;

/// Changes under the range's lock.
pub(super) struct RangeState {
    /// Free pages by offset.
    pub(super) free: BTreeMap<usize, Free>,
    /// Lazy stubs written so far.
    pub(super) stubs: usize,
    /// The forks that there were when it was last looked at.
    pub(super) epoch: u32,
    /// Where pages are written to; none if all are anonymous memory.
    pub(super) writable: Option<WritableView>,
    /// Whether chunks are anonymous memory from now on.
    pub(super) anonymous: bool,
}

/// Free pages. Neighbours of one kind are merged.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Free {
    pub(super) len: usize,
    /// Whether they are of a file that no other process has.
    pub(super) backed: bool,
}

/// Addresses at which this process writes.
#[derive(Clone, Copy)]
pub(super) struct WritableView {
    pub(super) base: usize,
    /// The process whose they are.
    pub(super) generation: u32,
}

impl RangeState {
    /// After a fork, free pages are as if there were nothing behind them: a relative may have mapped the same.
    pub(super) fn notice_forks(&mut self) {
        let epoch = fork::epoch();
        if self.epoch != epoch {
            self.epoch = epoch;
            self.take_as_unbacked();
        }
    }

    /// Forgets the memory behind free pages, which is nothing that anybody has written.
    pub(super) fn take_as_unbacked(&mut self) {
        for (offset, free) in std::mem::take(&mut self.free) {
            self.give(offset, free.len, false);
        }
    }

    /// The first free pages that are enough: better backed ones.
    pub(super) fn find(&self, len: usize) -> Option<(usize, Free)> {
        let fitting = |backed| {
            let mut free = self.free.iter();
            free.find(|&(_, free)| free.backed == backed && free.len >= len)
        };
        let (&offset, &free) = fitting(true).or_else(|| fitting(false))?;
        Some((offset, free))
    }

    /// Adds free pages.
    pub(super) fn give(&mut self, mut offset: usize, mut len: usize, backed: bool) {
        if len == 0 {
            return;
        }
        if let Some((&before, &free)) = self.free.range(..offset).next_back()
            && before + free.len == offset
            && free.backed == backed
        {
            self.free.remove(&before);
            (offset, len) = (before, free.len + len);
        }
        if let Some(&after) = self.free.get(&(offset + len))
            && after.backed == backed
        {
            self.free.remove(&(offset + len));
            len += after.len;
        }
        self.free.insert(offset, Free { len, backed });
    }

    /// Pages that are backed by a file since the last fork.
    pub(super) fn file_at(&self, offset: usize) -> Option<ChunkMemory> {
        let view = self.writable?;
        Some(ChunkMemory::File {
            writable: view.base + offset,
            generation: view.generation,
            epoch: self.epoch,
        })
    }

    /// Where this process writes: addresses of its own, for its parent's are free here.
    pub(super) fn writable_base(&mut self, size: usize) -> io::Result<usize> {
        if let Some(view) = self.writable
            && view.generation == fork::generation()
        {
            return Ok(view.base);
        }
        let view = WritableView::reserve(size)?;
        self.writable = Some(view);
        Ok(view.base)
    }
}

impl WritableView {
    /// Addresses for this process alone.
    pub(super) fn reserve(size: usize) -> io::Result<Self> {
        let base = reserve_addresses(size)?;
        keep_from_children(base, size).inspect_err(|_| give_addresses_back(base, size))?;
        Ok(Self {
            base,
            generation: fork::generation(),
        })
    }
}
