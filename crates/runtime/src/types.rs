//! Engine-wide ids of function types: equal types have equal ids, whatever module they come from, so
//! that generated code compares one integer per indirect call.

use std::collections::HashMap;
use std::sync::Arc;

use parking_lot::RwLock;
use upshift_module::{FuncType, Module};

/// The function types of all modules of an engine, and their ids.
///
/// Types are never forgotten: programs have few, and an id in generated code must stay valid.
#[derive(Debug, Default)]
pub struct TypeRegistry {
    inner: RwLock<Inner>,
}

#[derive(Debug, Default)]
struct Inner {
    ids: HashMap<Arc<FuncType>, u32>,
    types: Vec<Arc<FuncType>>,
}

impl TypeRegistry {
    /// An empty registry.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// The id of this type, given out at its first use. Never 0, the id in an empty `VMFuncRef`.
    ///
    /// # Panics
    /// After 2^32 different types.
    #[must_use]
    pub fn id(&self, ty: &FuncType) -> u32 {
        if let Some(&id) = self.inner.read().ids.get(ty) {
            return id;
        }
        let mut inner = self.inner.write();
        if let Some(&id) = inner.ids.get(ty) {
            return id;
        }
        let ty = Arc::new(ty.clone());
        inner.types.push(Arc::clone(&ty));
        let id = u32::try_from(inner.types.len()).expect("fewer than 2^32 types");
        inner.ids.insert(ty, id);
        id
    }

    /// The ids of a module's types, by its type index.
    #[must_use]
    pub fn ids_of(&self, module: &Module) -> Box<[u32]> {
        module.types.iter().map(|ty| self.id(ty)).collect()
    }

    /// The type with this id, or `None` when no such id was given out.
    #[must_use]
    pub fn get(&self, id: u32) -> Option<Arc<FuncType>> {
        let index = id.checked_sub(1)? as usize;
        self.inner.read().types.get(index).cloned()
    }
}

#[cfg(test)]
mod tests {
    use upshift_module::ValType::{F64, I32, I64};

    use super::*;

    #[test]
    fn equal_types_have_equal_ids_and_others_do_not() {
        let registry = TypeRegistry::new();
        let first = registry.id(&FuncType::new([I32], [I64]));
        let second = registry.id(&FuncType::new([I32, I64], []));
        assert_ne!(first, second);
        assert_ne!(first, 0);
        assert_eq!(registry.id(&FuncType::new([I32], [I64])), first);
        assert_eq!(
            *registry.get(second).unwrap(),
            FuncType::new([I32, I64], [])
        );
        assert_eq!(registry.get(0), None);
        assert_eq!(registry.get(3), None);
    }

    #[test]
    fn threads_agree_on_ids() {
        let registry = TypeRegistry::new();
        let ids = |registry: &TypeRegistry| -> Vec<u32> {
            (0..100)
                .map(|n| registry.id(&FuncType::new(vec![F64; n], [])))
                .collect()
        };
        let all = std::thread::scope(|scope| {
            let threads: Vec<_> = (0..4).map(|_| scope.spawn(|| ids(&registry))).collect();
            threads
                .into_iter()
                .map(|thread| thread.join().unwrap())
                .collect::<Vec<_>>()
        });
        assert!(all.iter().all(|of_one| *of_one == all[0]));
    }
}
