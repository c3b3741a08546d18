//! Limits on the contents of one store, their account, and the errors of growing beyond.

use std::fmt;
use std::io;

use upshift_module::{TABLE_ELEMENT_BYTES, to_u64};

/// The bounds on the contents of a store. `None` is no limit. Can be changed at any time; present contents
/// stay when a limit is set below them.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct ResourceLimits {
    /// Bytes of all linear memories together.
    pub memory_bytes: Option<usize>,
    /// Elements of all tables together.
    pub table_elements: Option<u32>,
    /// Bytes of all linear memories and tables together; an element of a table takes
    /// [`TABLE_ELEMENT_BYTES`](upshift_module::TABLE_ELEMENT_BYTES).
    pub total_bytes: Option<usize>,
    /// Instances.
    pub instances: Option<usize>,
    /// Linear memories.
    pub memories: Option<usize>,
    /// Tables.
    pub tables: Option<usize>,
}

/// A kind of thing that a store's limits count.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Resource {
    /// Bytes of linear memories.
    MemoryBytes,
    /// Elements of tables.
    TableElements,
    /// Bytes of linear memories and tables.
    TotalBytes,
    /// Instances.
    Instances,
    /// Linear memories.
    Memories,
    /// Tables.
    Tables,
}

impl Resource {
    /// Its place among all of them.
    const fn place(self) -> usize {
        // Variants are numbered from 0 on.
        self as usize
    }

    /// The name of its field in [`ResourceLimits`].
    #[must_use]
    pub fn field(self) -> &'static str {
        match self {
            Self::MemoryBytes => "memory_bytes",
            Self::TableElements => "table_elements",
            Self::TotalBytes => "total_bytes",
            Self::Instances => "instances",
            Self::Memories => "memories",
            Self::Tables => "tables",
        }
    }
}

impl Resource {
    /// Bytes that so much of it takes, if it is counted in [`Resource::TotalBytes`].
    fn bytes_of(self, amount: u64) -> u64 {
        match self {
            Self::MemoryBytes => amount,
            Self::TableElements => amount.saturating_mul(TABLE_ELEMENT_BYTES),
            Self::TotalBytes | Self::Instances | Self::Memories | Self::Tables => 0,
        }
    }
}

impl fmt::Display for Resource {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::MemoryBytes => "bytes of memory",
            Self::TableElements => "table elements",
            Self::TotalBytes => "bytes of memory and tables",
            Self::Instances => "instances",
            Self::Memories => "memories",
            Self::Tables => "tables",
        })
    }
}

/// A store's limit was reached.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error(
    "the store's limit of {limit} {resource} is reached: {used} in use, {requested} more wanted; \
     raise its `{}` limit", resource.field()
)]
pub struct LimitError {
    /// The limited resource.
    pub resource: Resource,
    /// The limit.
    pub limit: u64,
    /// How much is in use.
    pub used: u64,
    /// How much more was wanted.
    pub requested: u64,
}

/// Why a memory or a table could not grow. To the guest, each of them is -1.
#[derive(Debug, thiserror::Error)]
pub enum GrowError {
    /// Its type, or the specification, does not allow it.
    #[error("cannot grow from {current} {unit} by {delta}: the maximum is {maximum}")]
    Maximum {
        /// `pages` or `elements`.
        unit: &'static str,
        /// The size now.
        current: u64,
        /// By how much it was to grow.
        delta: u64,
        /// The largest size.
        maximum: u64,
    },
    /// It never moves, and the address space behind it is not its own.
    #[error(
        "cannot grow from {current} pages by {delta}: {reserved} pages of address space are reserved; \
         configure a larger memory reservation"
    )]
    Reservation {
        /// Pages now.
        current: u64,
        /// By how many it was to grow.
        delta: u64,
        /// Pages reserved.
        reserved: u64,
    },
    /// The store's limits do not allow it.
    #[error(transparent)]
    Limit(#[from] LimitError),
    /// The guest that grew a table was interrupted. The table has some of the elements.
    #[error("interrupted while growing from {current} {unit} by {delta}")]
    Interrupted {
        /// `elements`.
        unit: &'static str,
        /// The size before.
        current: u64,
        /// By how much it was to grow.
        delta: u64,
    },
    /// The system has no memory for it.
    #[error("cannot grow from {current} {unit} by {delta}: {source}")]
    System {
        /// `pages` or `elements`.
        unit: &'static str,
        /// The size now.
        current: u64,
        /// By how much it was to grow.
        delta: u64,
        /// The system's error.
        source: io::Error,
    },
}

const RESOURCES: usize = Resource::Tables.place() + 1;

/// A store's limits, and how much of each resource it holds.
#[derive(Clone, Debug, Default)]
pub(crate) struct Account {
    pub(crate) limits: ResourceLimits,
    used: [u64; RESOURCES],
    /// The last thing that a limit did not allow, by resource.
    refused: [Option<LimitError>; RESOURCES],
}

impl Account {
    pub(crate) fn new(limits: ResourceLimits) -> Self {
        Self {
            limits,
            used: [0; RESOURCES],
            refused: [None; RESOURCES],
        }
    }

    pub(crate) fn used(&self, resource: Resource) -> u64 {
        self.used[resource.place()]
    }

    pub(crate) fn refused(&self, resource: Resource) -> Option<LimitError> {
        self.refused[resource.place()]
    }

    fn limit(&self, resource: Resource) -> Option<u64> {
        let wide = |limit: Option<usize>| limit.map(to_u64);
        match resource {
            Resource::MemoryBytes => wide(self.limits.memory_bytes),
            Resource::TableElements => self.limits.table_elements.map(u64::from),
            Resource::TotalBytes => wide(self.limits.total_bytes),
            Resource::Instances => wide(self.limits.instances),
            Resource::Memories => wide(self.limits.memories),
            Resource::Tables => wide(self.limits.tables),
        }
    }

    /// Counts `amount` more, also among the bytes of the store, or nothing when that is above a limit.
    pub(crate) fn charge(&mut self, resource: Resource, amount: u64) -> Result<(), LimitError> {
        let bytes = resource.bytes_of(amount);
        let total = self.with(resource, amount)?;
        self.used[Resource::TotalBytes.place()] = self.with(Resource::TotalBytes, bytes)?;
        self.used[resource.place()] = total;
        Ok(())
    }

    /// How much there is with `amount` more.
    fn with(&mut self, resource: Resource, amount: u64) -> Result<u64, LimitError> {
        let used = self.used(resource);
        let total = used.saturating_add(amount);
        match self.limit(resource) {
            Some(limit) if total > limit && amount > 0 => {
                let error = LimitError {
                    resource,
                    limit,
                    used,
                    requested: amount,
                };
                self.refused[resource.place()] = Some(error);
                Err(error)
            }
            _ => Ok(total),
        }
    }

    /// Takes back a charge of [`Account::charge`].
    pub(crate) fn refund(&mut self, resource: Resource, amount: u64) {
        for (resource, amount) in [
            (resource, amount),
            (Resource::TotalBytes, resource.bytes_of(amount)),
        ] {
            let used = &mut self.used[resource.place()];
            *used = used.saturating_sub(amount);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_refused_charge_counts_nothing() {
        let limits = ResourceLimits {
            memory_bytes: Some(100),
            ..ResourceLimits::default()
        };
        let mut account = Account::new(limits);
        account.charge(Resource::MemoryBytes, 60).unwrap();
        let error = account.charge(Resource::MemoryBytes, 41).unwrap_err();
        assert_eq!((error.limit, error.used, error.requested), (100, 60, 41));
        assert!(error.to_string().contains("`memory_bytes`"), "{error}");
        assert_eq!(account.refused(Resource::MemoryBytes), Some(error));
        assert_eq!(account.refused(Resource::Instances), None);
        account.charge(Resource::MemoryBytes, 40).unwrap();
        account.refund(Resource::MemoryBytes, 50);
        account.charge(Resource::MemoryBytes, 50).unwrap();
        account.charge(Resource::Instances, u64::MAX).unwrap();
    }

    #[test]
    fn memories_and_tables_share_the_total() {
        let mut account = Account::new(ResourceLimits {
            total_bytes: Some(100),
            ..ResourceLimits::default()
        });
        account.charge(Resource::TableElements, 5).unwrap();
        let error = account.charge(Resource::MemoryBytes, 61).unwrap_err();
        assert_eq!((error.resource, error.used), (Resource::TotalBytes, 40));
        assert!(error.to_string().contains("`total_bytes`"), "{error}");
        assert_eq!(account.used(Resource::MemoryBytes), 0);
        account.charge(Resource::MemoryBytes, 60).unwrap();
        let error = account.charge(Resource::TableElements, 1).unwrap_err();
        assert_eq!((error.used, error.requested), (100, 8));
        account.refund(Resource::TableElements, 2);
        account.charge(Resource::MemoryBytes, 16).unwrap();
        assert_eq!(account.used(Resource::TotalBytes), 100);
    }

    #[test]
    fn a_limit_set_below_what_is_there_refuses_only_more() {
        let mut account = Account::new(ResourceLimits::default());
        account.charge(Resource::TableElements, 10).unwrap();
        account.limits.table_elements = Some(5);
        account.charge(Resource::TableElements, 0).unwrap();
        account.charge(Resource::TableElements, 1).unwrap_err();
    }
}
