//! Engine-wide ids of function types: equal types have equal ids, whatever module they come from, so
//! that generated code compares one integer per indirect call.

use std::collections::HashMap;
use std::fmt;
use std::ops::Deref;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use upshift_module::{FuncType, Module, PrimaryMap, TypeIndex, to_usize};

use crate::sync::RwLock;

/// The engine-wide id of a function type. Generated code reads and compares it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[repr(transparent)]
pub struct VMTypeId(u32);

impl VMTypeId {
    /// No type's: in an empty `VMFuncRef`, which is all zero.
    pub const NONE: Self = Self(0);

    /// The place of the type's entry in a registry.
    fn place(self) -> Option<usize> {
        Some(to_usize(self.0.checked_sub(1)?))
    }

    /// The id of the type whose entry is at this place.
    fn at(place: usize) -> Self {
        let id = u32::try_from(place + 1);
        Self(id.expect("types take more than a byte of memory each"))
    }
}

/// The function types of an engine's modules and host functions, and their ids. Clones are the same registry.
///
/// A type is forgotten with its last [lease](TypeLease), and its id may become another type's: an object that holds an
/// id, such as a context that generated code reads it from, is outlived by a lease.
#[derive(Clone, Debug, Default)]
pub struct TypeRegistry {
    entries: Arc<RwLock<Entries>>,
}

#[derive(Debug, Default)]
struct Entries {
    ids: HashMap<Arc<FuncType>, VMTypeId>,
    /// By [`VMTypeId::place`].
    types: Vec<Entry>,
    /// Ids that are nobody's.
    free: Vec<VMTypeId>,
}

#[derive(Debug)]
struct Entry {
    ty: Arc<FuncType>,
    /// How many leases there are. Becomes more than 0 with the lock shared, and an entry of 0 is taken out with the lock
    /// held alone.
    leases: AtomicUsize,
}

impl Entries {
    fn entry(&self, id: VMTypeId) -> Option<&Entry> {
        self.types.get(id.place()?)
    }

    /// The id of a type that is known, leased once more.
    fn lease(&self, ty: &FuncType) -> Option<VMTypeId> {
        let &id = self.ids.get(ty)?;
        self.entry(id)?.leases.fetch_add(1, Ordering::Relaxed);
        Some(id)
    }

    fn lease_new(&mut self, ty: &FuncType) -> VMTypeId {
        let ty = Arc::new(ty.clone());
        let entry = Entry {
            ty: Arc::clone(&ty),
            leases: AtomicUsize::new(1),
        };
        let free = self.free.pop();
        let id = free.unwrap_or_else(|| VMTypeId::at(self.types.len()));
        match id.place().and_then(|place| self.types.get_mut(place)) {
            Some(place) => *place = entry,
            None => self.types.push(entry),
        }
        self.ids.insert(ty, id);
        id
    }
}

impl TypeRegistry {
    /// An empty registry.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// The id of this type for as long as the lease lives. Never [`VMTypeId::NONE`].
    #[must_use]
    pub fn lease(&self, ty: &FuncType) -> TypeLease {
        TypeLease {
            registry: self.clone(),
            id: self.leased_id(ty),
        }
    }

    /// The ids of a module's types, by its type index.
    #[must_use]
    pub fn lease_all(&self, module: &Module) -> TypeLeases {
        // A type that stands there twice is leased twice, and given back as often.
        TypeLeases {
            registry: self.clone(),
            ids: module.types.values().map(|ty| self.leased_id(ty)).collect(),
        }
    }

    /// The id of a type, leased once more: the caller gives it back by [`release`](Self::release).
    fn leased_id(&self, ty: &FuncType) -> VMTypeId {
        let known = self.entries.read().lease(ty);
        known.unwrap_or_else(|| {
            let mut entries = self.entries.write();
            entries.lease(ty).unwrap_or_else(|| entries.lease_new(ty))
        })
    }

    /// The type with this id, or `None` when nobody leases such an id.
    #[must_use]
    pub fn get(&self, id: VMTypeId) -> Option<Arc<FuncType>> {
        let entries = self.entries.read();
        let entry = entries.entry(id)?;
        let is_leased = entry.leases.load(Ordering::Relaxed) > 0;
        is_leased.then(|| Arc::clone(&entry.ty))
    }

    /// Gives leases back. Types without any are forgotten.
    fn release(&self, ids: &[VMTypeId]) {
        let entries = self.entries.read();
        // A thread that leased with another order sees the type gone only after it took the lock alone.
        let last = |&&id: &&VMTypeId| {
            let entry = entries.entry(id);
            entry.is_some_and(|entry| entry.leases.fetch_sub(1, Ordering::AcqRel) == 1)
        };
        let unused: Vec<VMTypeId> = ids.iter().filter(last).copied().collect();
        drop(entries);
        if unused.is_empty() {
            return;
        }
        let mut entries = self.entries.write();
        let entries = &mut *entries;
        for id in unused {
            let Some(entry) = entries.entry(id) else {
                continue;
            };
            // Meanwhile it may have been leased again, or have been forgotten by another.
            let is_unused = entry.leases.load(Ordering::Relaxed) == 0;
            if is_unused && entries.ids.get(&entry.ty) == Some(&id) {
                let ty = Arc::clone(&entry.ty);
                entries.ids.remove(&ty);
                entries.free.push(id);
            }
        }
    }

    #[cfg(test)]
    fn known(&self) -> usize {
        self.entries.read().ids.len()
    }
}

/// The id of a type, which stays that of this type while the lease lives.
pub struct TypeLease {
    registry: TypeRegistry,
    id: VMTypeId,
}

impl TypeLease {
    /// The id.
    #[inline]
    #[must_use]
    pub fn id(&self) -> VMTypeId {
        self.id
    }
}

impl fmt::Debug for TypeLease {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("TypeLease").field(&self.id).finish()
    }
}

impl Drop for TypeLease {
    fn drop(&mut self) {
        self.registry.release(&[self.id]);
    }
}

/// The ids of a module's types by type index, which stay those of these types while the leases live.
pub struct TypeLeases {
    registry: TypeRegistry,
    ids: PrimaryMap<TypeIndex, VMTypeId>,
}

impl Deref for TypeLeases {
    type Target = PrimaryMap<TypeIndex, VMTypeId>;

    fn deref(&self) -> &Self::Target {
        &self.ids
    }
}

impl fmt::Debug for TypeLeases {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("TypeLeases").field(&self.ids).finish()
    }
}

impl Drop for TypeLeases {
    fn drop(&mut self) {
        self.registry.release(self.ids.as_values_slice());
    }
}

#[cfg(test)]
mod tests {
    use upshift_module::ValType::{F64, I32, I64};

    use super::*;

    #[test]
    fn equal_types_have_equal_ids_and_others_do_not() {
        let registry = TypeRegistry::new();
        let first = registry.lease(&FuncType::new([I32], [I64]));
        let second = registry.lease(&FuncType::new([I32, I64], []));
        assert_ne!(first.id(), second.id());
        assert_ne!(first.id(), VMTypeId::NONE);
        let again = registry.lease(&FuncType::new([I32], [I64]));
        assert_eq!(again.id(), first.id());
        assert_eq!(
            *registry.get(second.id()).unwrap(),
            FuncType::new([I32, I64], [])
        );
        assert_eq!(registry.get(VMTypeId::NONE), None);
        assert_eq!(registry.get(VMTypeId(3)), None);
    }

    #[test]
    fn a_type_is_forgotten_with_its_last_lease_and_its_id_is_used_again() {
        let registry = TypeRegistry::new();
        let ty = FuncType::new([I32], [I64]);
        let (first, second) = (registry.lease(&ty), registry.lease(&ty));
        let id = first.id();
        drop(first);
        assert_eq!(registry.get(id).as_deref(), Some(&ty));
        drop(second);
        assert_eq!((registry.get(id), registry.known()), (None, 0));
        let other = registry.lease(&FuncType::new([F64], []));
        assert_eq!(other.id(), id);
        assert_ne!(registry.lease(&ty).id(), id);
    }

    #[test]
    fn modules_that_come_and_go_leave_no_types() {
        let registry = TypeRegistry::new();
        let kept = registry.lease(&FuncType::new([], []));
        for round in 0..10 {
            let types =
                (0..50).map(|n| format!("(type (func (param {})))", "i32 ".repeat(n + round)));
            let text = format!("(module {} (type (func)))", types.collect::<String>());
            let module = crate::test_support::module(&text, &registry);
            assert_eq!(module.type_ids.len(), 51);
            assert!(registry.known() >= 50);
            drop(module);
            assert_eq!(registry.known(), 1);
        }
        assert!(registry.entries.read().types.len() <= 51);
        assert!(registry.get(kept.id()).is_some());
        drop(kept);
        assert_eq!(Arc::strong_count(&registry.entries), 1);
    }

    #[test]
    fn threads_agree_on_ids() {
        let registry = TypeRegistry::new();
        let leases = |registry: &TypeRegistry| -> Vec<TypeLease> {
            (0..100)
                .map(|n| registry.lease(&FuncType::new(vec![F64; n], [])))
                .collect()
        };
        std::thread::scope(|scope| {
            // Types come and go under those that stay.
            scope.spawn(|| (0..20).for_each(|_| drop(leases(&registry))));
            let threads: Vec<_> = (0..4).map(|_| scope.spawn(|| leases(&registry))).collect();
            let all: Vec<Vec<TypeLease>> = threads
                .into_iter()
                .map(|thread| thread.join().unwrap())
                .collect();
            let ids = |leases: &[TypeLease]| leases.iter().map(TypeLease::id).collect::<Vec<_>>();
            assert!(all.iter().all(|of_one| ids(of_one) == ids(&all[0])));
        });
        assert_eq!(registry.known(), 0);
    }
}
