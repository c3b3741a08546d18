//! From a module and its imports to an instance (specification 2.0, clause 4.5.4). Everything that can be
//! a link error comes before anything is changed. Running the start function is the caller's business.

use std::ptr::NonNull;
use std::sync::Arc;

use upshift_module::{
    Entity, ExternType, Import, MemoryIndex, Printable, SecondaryMap, SegmentMode, TableIndex,
    to_usize,
};

use crate::limits::Resource;
use crate::matching::{matches, memory_matches, table_matches};
use crate::{
    ExternPtr, Global, GlobalLocation, Instance, LimitError, Memory, MemoryError, ModuleRuntime,
    Stop, StoreCore, Table, TableError, TrapCode, TypeRegistry, VMFuncRef, VMGlobal,
};

/// The result of an instantiation.
#[derive(Clone, Copy, Debug)]
pub struct Instantiated {
    /// The instance. It lives as long as the store, even if there is a trap: writes until then
    /// may refer to it.
    pub instance: NonNull<Instance>,
    /// The start function, still to be called. `None` if there is none, and if there is a trap.
    pub start: Option<NonNull<VMFuncRef>>,
    /// The trap of an active segment that does not fit, or an interruption between two slices of one.
    pub trap: Option<TrapCode>,
}

/// Why a module could not be instantiated. Nothing has changed then.
#[derive(Debug, thiserror::Error)]
pub enum InstantiateError {
    /// Too few or too many imports.
    #[error("the module has {wanted} imports, but {given} were given")]
    ImportCount {
        /// How many the module has.
        wanted: usize,
        /// How many were given.
        given: usize,
    },
    /// An object given for an import is of another type.
    #[error(transparent)]
    ImportType(Box<ImportTypeError>),
    /// The store can't hold another instance.
    #[error("cannot instantiate the module: {0}")]
    Limit(#[from] LimitError),
    /// A memory could not be created.
    #[error("memory {index} of the module: {source}")]
    Memory {
        /// Its index, imports first.
        index: MemoryIndex,
        /// Why.
        source: MemoryError,
    },
    /// A table could not be created.
    #[error("table {index} of the module: {source}")]
    Table {
        /// Its index, imports first.
        index: TableIndex,
        /// Why.
        source: TableError,
    },
    /// The system has no memory for the instance itself.
    #[error("the system has no memory for an instance of {bytes} bytes")]
    System {
        /// Bytes wanted.
        bytes: u32,
    },
}

/// An object given for an import does not fit it.
#[derive(Debug, thiserror::Error)]
#[error(
    "incompatible import type: `{}` `{}` (import {index}) is imported as {wanted}, but given is {given}",
    Printable(module),
    Printable(name)
)]
pub struct ImportTypeError {
    /// The position among the imports.
    pub index: usize,
    /// The import's module name.
    pub module: Box<str>,
    /// The import's field name.
    pub name: Box<str>,
    /// The type that is imported.
    pub wanted: ExternType,
    /// The type of the object; the minimum of a table or memory is its current size.
    pub given: ExternType,
}

impl StoreCore {
    /// Instantiates a module, all but its start function.
    ///
    /// An active segment that does not fit is a trap, not an error: writes before it stay.
    ///
    /// # Errors
    /// When imports don't fit or a limit is reached: nothing has changed then.
    ///
    /// # Safety
    /// The imports belong to this store, the module's type ids are of this store's registry, its code
    /// was generated for this store's memory plan, and the store does not move from now on.
    pub unsafe fn instantiate(
        &mut self,
        runtime: &Arc<ModuleRuntime>,
        imports: &[ExternPtr],
    ) -> Result<Instantiated, InstantiateError> {
        // SAFETY: the imports are of this store.
        unsafe { check_imports(runtime, imports, self.types())? };
        let mut parts = self.allocate_parts(runtime)?;
        let module = &*runtime.module;
        let instance = &mut *parts.instance;
        let mut globals = Vec::with_capacity(to_usize(module.imported.globals));
        for (import, &given) in module.imports.iter().zip(imports) {
            match (import.entity, given) {
                (Entity::Func(index), ExternPtr::Func(func)) => {
                    instance.set_imported_function(index, func);
                }
                (Entity::Table(index), ExternPtr::Table(table)) => instance.set_table(index, table),
                (Entity::Memory(index), ExternPtr::Memory(memory)) => {
                    instance.set_memory(index, memory)
                }
                (Entity::Global(_), ExternPtr::Global(global)) => globals.push(global),
                _ => unreachable!("the kinds of imports have been checked"),
            }
        }
        instance.set_imported_globals(globals.into());
        for ((index, _), memory) in module.defined_memories().zip(parts.memories) {
            instance.set_memory(index, self.own_memory(memory));
        }
        for ((index, _), table) in module.defined_tables().zip(parts.tables) {
            instance.set_table(index, self.own_table(table));
        }
        let instance_ptr = self.own_instance(parts.instance);
        // SAFETY: the store has just taken it.
        let instance = unsafe { instance_ptr.as_ref() };
        for (defined, init) in &module.global_inits {
            let index = module.global_index(defined);
            let bits = instance.evaluate(init);
            debug_assert!(matches!(
                runtime.offsets.global(index),
                GlobalLocation::Inline(_)
            ));
            // SAFETY: a defined global is in the context, which nobody else uses yet.
            unsafe { instance.global_location(index).write(VMGlobal { bits }) };
        }
        let interrupt = Arc::clone(self.interrupt_state());
        let trap = copy_segments(instance, interrupt.stop()).err();
        if trap == Some(TrapCode::Interrupted) {
            interrupt.acknowledge();
        }
        if trap.is_none() {
            for (index, _) in module.defined_tables() {
                // SAFETY: tables live as long as the store, which this thread has.
                unsafe { instance.table(index).as_ref() }.set_unchanged();
            }
        }
        let start = match (trap, module.start) {
            (None, Some(index)) => Some(instance.funcref(index)),
            _ => None,
        };
        Ok(Instantiated {
            instance: instance_ptr,
            start,
            trap,
        })
    }

    /// Sets aside all that an instance needs, or nothing.
    fn allocate_parts(&mut self, runtime: &Arc<ModuleRuntime>) -> Result<Parts, InstantiateError> {
        let module = &*runtime.module;
        let mut account = self.account.clone();
        account.charge(Resource::Instances, 1)?;
        let mut memories = Vec::with_capacity(module.memories.len());
        for (index, &ty) in module.defined_memories() {
            let memory = self
                .make_memory(&mut account, ty)
                .map_err(|source| InstantiateError::Memory { index, source })?;
            memories.push(memory);
        }
        let mut tables = Vec::with_capacity(module.tables.len());
        for (index, &ty) in module.defined_tables() {
            let table = Self::make_table(&mut account, ty, 0)
                .map_err(|source| InstantiateError::Table { index, source })?;
            tables.push(table);
        }
        let instance =
            Instance::allocate(runtime, &raw mut self.vm).ok_or(InstantiateError::System {
                bytes: runtime.offsets.size(),
            })?;
        self.account = account;
        Ok(Parts {
            instance,
            memories,
            tables,
        })
    }
}

struct Parts {
    instance: Box<Instance>,
    memories: Vec<Memory>,
    tables: Vec<Table>,
}

/// # Safety
/// The imports are of a live store that this thread has.
unsafe fn check_imports(
    runtime: &ModuleRuntime,
    imports: &[ExternPtr],
    types: &TypeRegistry,
) -> Result<(), InstantiateError> {
    let wanted = &runtime.module.imports;
    if wanted.len() != imports.len() {
        return Err(InstantiateError::ImportCount {
            wanted: wanted.len(),
            given: imports.len(),
        });
    }
    for (index, (import, &given)) in wanted.iter().zip(imports).enumerate() {
        // SAFETY: as the caller says.
        unsafe {
            if !fits(runtime, import, given) {
                return Err(import_type_error(runtime, index, given, types));
            }
        }
    }
    Ok(())
}

/// [`matches`] without making types of functions.
///
/// # Safety
/// As for [`check_imports`].
unsafe fn fits(runtime: &ModuleRuntime, import: &Import, given: ExternPtr) -> bool {
    let module = &*runtime.module;
    // SAFETY: objects live as long as their store.
    unsafe {
        match (import.entity, given) {
            (Entity::Func(index), ExternPtr::Func(func)) => {
                func.as_ref().type_id == runtime.type_id_of(index)
            }
            (Entity::Table(index), ExternPtr::Table(table)) => {
                table_matches(table.as_ref().current_type(), module.tables[index])
            }
            (Entity::Memory(index), ExternPtr::Memory(memory)) => {
                memory_matches(memory.as_ref().current_type(), module.memories[index])
            }
            (Entity::Global(index), ExternPtr::Global(global)) => {
                Global::ty(global.as_ref()) == module.globals[index]
            }
            _ => false,
        }
    }
}

/// # Safety
/// As for [`check_imports`].
#[cold]
unsafe fn import_type_error(
    runtime: &ModuleRuntime,
    index: usize,
    given: ExternPtr,
    types: &TypeRegistry,
) -> InstantiateError {
    let import = &runtime.module.imports[index];
    let wanted = runtime.module.entity_type(import.entity);
    // SAFETY: as the caller says.
    let given = unsafe { given.ty(types) };
    debug_assert!(!matches(&given, &wanted), "both ways of matching agree");
    InstantiateError::ImportType(Box::new(ImportTypeError {
        index,
        module: import.module.clone(),
        name: import.name.clone(),
        wanted,
        given,
    }))
}

/// Copies active segments: all of the elements first, then all of the data, and drops each when done.
fn copy_segments(instance: &Instance, stop: Stop<'_>) -> Result<(), TrapCode> {
    let module = &*instance.module().module;
    for (index, segment) in &module.elements {
        match &segment.mode {
            SegmentMode::Passive => continue,
            SegmentMode::Declared => {}
            SegmentMode::Active {
                index: table,
                offset,
            } => {
                let start = instance.evaluate_i32(offset);
                let len =
                    u32::try_from(segment.items.len()).map_err(|_| TrapCode::TableOutOfBounds)?;
                instance.init_table(*table, index, start, 0, len, stop)?;
            }
        }
        instance.drop_element_segment(index);
    }
    let images = instance.module().images.get(module);
    // By memory: whether its image could be mapped, once that was tried.
    let mut mapped = SecondaryMap::<MemoryIndex, Option<bool>>::new();
    for (index, segment) in &module.data {
        if let SegmentMode::Active {
            index: memory,
            offset,
        } = &segment.mode
        {
            if let Some(image) = images.and_then(|all| all.image_with(index, *memory)) {
                // The first segment of the image brings all of them. Nobody can see the memory between
                // them: all are known to fit.
                // SAFETY: memories live as long as the store.
                let memory_of = || unsafe { instance.memory(*memory).as_ref() };
                let mapped = &mut mapped[*memory];
                if *mapped.get_or_insert_with(|| image.map_into(memory_of()).is_ok()) {
                    instance.drop_data_segment(index);
                    continue;
                }
            }
            let start = instance.evaluate_i32(offset);
            let len =
                u32::try_from(segment.range.len()).map_err(|_| TrapCode::MemoryOutOfBounds)?;
            instance.init_memory(*memory, index, start, 0, len, stop)?;
            instance.drop_data_segment(index);
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests;
#[cfg(test)]
mod tests_of_images;
