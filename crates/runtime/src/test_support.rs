//! Helpers that the tests of this crate share: modules from text, and stores that run no generated code.

use std::sync::Arc;

use upshift_module::{DefinedFuncIndex, EntityRef, Features, LoopIndex, Module, Stop};

use crate::{
    InterruptState, ModuleCode, ModuleRuntime, NoCode, ResourceLimits, StoreConfig, StoreCore,
    TierHooks, TypeRegistry, VMOffsets,
};

/// A tiering without a tier.
struct NoTier;

impl TierHooks for NoTier {
    fn lazy_compile(&self, function: DefinedFuncIndex, _: Stop<'_>) -> Result<*const u8, NoCode> {
        Err(NoCode::failed(format!(
            "function {function} is not compiled here"
        )))
    }

    fn budget_at_entry(&self, _function: DefinedFuncIndex, budget: &mut i32) -> Option<*const u8> {
        *budget = i32::MAX;
        None
    }

    fn budget_at_loop(
        &self,
        _function: DefinedFuncIndex,
        _number: LoopIndex,
        budget: &mut i32,
    ) -> Option<*const u8> {
        *budget = i32::MAX;
        None
    }
}

/// An index into whatever index space is asked about.
pub(crate) fn index<I: EntityRef>(number: usize) -> I {
    I::new(number)
}

pub(crate) fn module(text: &str, types: &TypeRegistry) -> Arc<ModuleRuntime> {
    let module = Module::parse(text.as_bytes(), &Features::all());
    let module = Arc::new(module.unwrap_or_else(|error| panic!("{text}: {error}")));
    let code = ModuleCode::new(Arc::clone(&module)).unwrap();
    let offsets = VMOffsets::new(&module);
    Arc::new(ModuleRuntime::new(
        module,
        offsets,
        code,
        types,
        Arc::new(NoTier),
    ))
}

/// Boxed, since a store must not move.
pub(crate) fn store_with(types: &Arc<TypeRegistry>, limits: ResourceLimits) -> Box<StoreCore> {
    let interrupt = InterruptState::new(libc::SIGURG).unwrap();
    let config = StoreConfig {
        limits,
        ..StoreConfig::new(interrupt)
    };
    Box::new(StoreCore::new(Arc::clone(types), config))
}

pub(crate) fn store(types: &Arc<TypeRegistry>) -> Box<StoreCore> {
    store_with(types, ResourceLimits::default())
}
