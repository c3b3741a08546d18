//! The guest's descriptors: numbers for streams, files, directories and sockets, each with its rights.

use crate::bindings::preview1::types::{Errno, Fdflags, Filetype, Rights};
use crate::directory::Directory;
use crate::error::Result;
use crate::host::HostFile;
use crate::rights;
use crate::stream::Stream;

/// The object behind a number, and the guest's rights to it.
#[derive(Debug)]
pub(crate) struct Descriptor {
    pub(crate) kind: Kind,
    pub(crate) rights: Rights,
    /// The rights that descriptors opened through this one may have.
    pub(crate) inheriting: Rights,
    pub(crate) flags: Fdflags,
    /// It was opened in a directory that must not be changed.
    pub(crate) read_only: bool,
}

/// The object behind a number.
#[derive(Debug)]
pub(crate) enum Kind {
    Stream(Stream),
    Host(HostFile),
    Directory(Directory),
}

impl Descriptor {
    /// Of a stream that the embedder supplies.
    pub(crate) fn stream(stream: Stream) -> Self {
        let unwanted = match stream {
            Stream::Reader(_) => Rights::FD_WRITE,
            Stream::Writer(_) => Rights::FD_READ,
        };
        Self {
            kind: Kind::Stream(stream),
            rights: rights::STREAM.difference(unwanted),
            inheriting: Rights::empty(),
            flags: Fdflags::empty(),
            read_only: false,
        }
    }

    /// Of something of the system, with all rights that its type allows, but without some.
    pub(crate) fn host(file: HostFile, unwanted: Rights) -> Result<Self> {
        let rights = rights::of(file.filetype(), file.is_terminal());
        Ok(Self {
            flags: file.flags()?,
            rights: rights.difference(unwanted),
            inheriting: Rights::empty(),
            kind: Kind::Host(file),
            read_only: false,
        })
    }

    /// Of a directory, with all rights.
    pub(crate) fn directory(directory: Directory) -> Self {
        Self {
            read_only: directory.is_read_only(),
            kind: Kind::Directory(directory),
            rights: rights::DIRECTORY,
            inheriting: Rights::all(),
            flags: Fdflags::empty(),
        }
    }

    pub(crate) fn filetype(&self) -> Filetype {
        match &self.kind {
            Kind::Stream(_) => Filetype::Unknown,
            Kind::Host(file) => file.filetype(),
            Kind::Directory(_) => Filetype::Directory,
        }
    }

    /// # Errors
    /// When the guest lacks one of these rights.
    #[inline]
    pub(crate) fn need(&self, rights: Rights) -> Result<()> {
        if self.rights.contains(rights) {
            Ok(())
        } else {
            Err(Errno::Notcapable.into())
        }
    }

    /// # Errors
    /// When it has no position at all, or the guest lacks one of these rights.
    pub(crate) fn need_position(&self, rights: Rights) -> Result<()> {
        match &self.kind {
            Kind::Directory(_) => Err(Errno::Badf.into()),
            Kind::Host(file)
                if rights::of(file.filetype(), file.is_terminal()).contains(Rights::FD_SEEK) =>
            {
                self.need(rights)
            }
            Kind::Host(_) | Kind::Stream(_) => Err(Errno::Spipe.into()),
        }
    }
}

/// Descriptors by number.
#[derive(Debug)]
pub(crate) struct Table {
    slots: Vec<Option<Descriptor>>,
    /// No slot below this one is free.
    first_free: usize,
    /// How many slots there may be.
    limit: usize,
}

impl Table {
    pub(crate) fn new(limit: usize) -> Self {
        Self {
            slots: Vec::new(),
            first_free: 0,
            limit,
        }
    }

    #[inline]
    pub(crate) fn get(&self, fd: impl Into<u32>) -> Result<&Descriptor> {
        match self.slots.get(place(fd)) {
            Some(Some(descriptor)) => Ok(descriptor),
            _ => Err(Errno::Badf.into()),
        }
    }

    #[inline]
    pub(crate) fn get_mut(&mut self, fd: impl Into<u32>) -> Result<&mut Descriptor> {
        match self.slots.get_mut(place(fd)) {
            Some(Some(descriptor)) => Ok(descriptor),
            _ => Err(Errno::Badf.into()),
        }
    }

    /// # Errors
    /// `mfile` when all numbers are taken.
    pub(crate) fn check_room(&mut self) -> Result<()> {
        while matches!(self.slots.get(self.first_free), Some(Some(_))) {
            self.first_free += 1;
        }
        if self.first_free < self.limit {
            Ok(())
        } else {
            Err(Errno::Mfile.into())
        }
    }

    /// Gives it the next number, whatever the limit: for descriptors that an embedder gives a guest.
    pub(crate) fn push(&mut self, descriptor: Descriptor) {
        self.slots.push(Some(descriptor));
    }

    /// Gives it the lowest number that is free.
    pub(crate) fn insert(&mut self, descriptor: Descriptor) -> Result<u32> {
        self.check_room()?;
        let number = self.first_free;
        match self.slots.get_mut(number) {
            Some(slot) => *slot = Some(descriptor),
            None => self.slots.push(Some(descriptor)),
        }
        self.first_free += 1;
        u32::try_from(number).map_err(|_| Errno::Mfile.into())
    }

    pub(crate) fn remove(&mut self, fd: impl Into<u32>) -> Result<Descriptor> {
        let number = place(fd);
        let removed = self.slots.get_mut(number).and_then(Option::take);
        let removed = removed.ok_or(Errno::Badf)?;
        self.first_free = self.first_free.min(number);
        Ok(removed)
    }

    /// Moves a descriptor to the number of another, which is closed.
    pub(crate) fn renumber(&mut self, from: impl Into<u32>, to: impl Into<u32>) -> Result<()> {
        let (from, to) = (from.into(), to.into());
        self.get(to)?;
        self.get(from)?;
        if from != to {
            let descriptor = self.remove(from)?;
            self.slots[place(to)] = Some(descriptor);
        }
        Ok(())
    }
}

/// Where a descriptor is in the table.
fn place(fd: impl Into<u32>) -> usize {
    // On a 64-bit platform nothing is lost.
    fd.into() as usize
}

#[cfg(test)]
mod tests {
    use super::*;

    fn stream() -> Descriptor {
        Descriptor::stream(Stream::Reader(Box::new(std::io::empty())))
    }

    fn errno<T>(result: Result<T>) -> Option<Errno> {
        match result {
            Err(crate::error::Error::Errno(errno)) => Some(errno),
            _ => None,
        }
    }

    #[test]
    fn the_lowest_free_number_is_given() {
        let mut table = Table::new(4);
        for number in 0..4 {
            assert_eq!(table.insert(stream()).ok(), Some(number));
        }
        assert_eq!(errno(table.insert(stream())), Some(Errno::Mfile));
        assert!(table.remove(2_u32).is_ok() && table.remove(1_u32).is_ok());
        assert_eq!(errno(table.remove(1_u32)), Some(Errno::Badf));
        assert_eq!(table.insert(stream()).ok(), Some(1));
        assert_eq!(table.insert(stream()).ok(), Some(2));
        assert_eq!(errno(table.check_room()), Some(Errno::Mfile));
    }

    #[test]
    fn renumbering_replaces_an_open_descriptor_only() {
        let mut table = Table::new(4);
        for _ in 0..2 {
            assert!(table.insert(stream()).is_ok());
        }
        assert_eq!(errno(table.renumber(0_u32, 2_u32)), Some(Errno::Badf));
        assert!(table.renumber(0_u32, 1_u32).is_ok());
        assert!(table.get(0_u32).is_err() && table.get(1_u32).is_ok());
        assert!(table.renumber(1_u32, 1_u32).is_ok() && table.get(1_u32).is_ok());
    }
}
