//! wasmi as a [`Machine`]: the engine that Upshift is compared with.

use std::cell::Cell;
use std::collections::HashMap;
use std::panic::{self, AssertUnwindSafe};
use std::sync::Once;

use upshift::ValType;
use wasmi::errors::InstantiationError;
use wasmi::{
    Caller, Config, Engine, Error, Extern, ExternType, F32, F64, Func, Global, Instance, Memory,
    MemoryType, Module, Mutability, Nullable, Ref, RefType, Store, Table, TableType, TrapCode, Val,
};

use super::detour::Detour;
use super::host::{self, Object};
use super::subject::Exports;
use super::{HostFailure, HostState, Machine, MemoryState, Outcome, State, TrapKind, Value};

impl wasmi::errors::HostError for HostFailure {}

/// A module with these exports on an engine of its own: wasmi's engines never forget a module.
///
/// # Errors
/// When wasmi does not accept it, or sees other exports.
pub(crate) fn load<'a>(
    wasm: &[u8],
    exports: &'a Exports,
    detour: Detour,
) -> Result<Box<dyn Machine + 'a>, String> {
    let mut config = Config::default();
    // As deep as Upshift's default stack allows for small frames, so that few overflows are one engine's alone.
    config
        .set_max_recursion_depth(20_000)
        .set_max_stack_height(16 << 20);
    config.wasm_tail_call(false).wasm_memory64(false);
    config.wasm_relaxed_simd(false);
    let wasm = detour.rewrite(wasm).map_err(|error| error.to_string())?;
    let module = catch(|| Module::new(&Engine::new(&config), wasm))?;
    let module = module.map_err(|error| error.to_string())?;
    let seen = module.exports().count();
    if seen != exports.count() {
        return Err(format!("it has {seen} exports, not {}", exports.count()));
    }
    Ok(Box::new(ReferenceMachine {
        module,
        exports,
        running: None,
    }))
}

/// Runs something of wasmi; a panic is an error, and says nothing on standard error.
fn catch<R>(act: impl FnOnce() -> R) -> Result<R, String> {
    thread_local! {
        static QUIET: Cell<bool> = const { Cell::new(false) };
    }
    static HOOK: Once = Once::new();
    HOOK.call_once(|| {
        let before = panic::take_hook();
        panic::set_hook(Box::new(move |info| {
            if !QUIET.get() {
                before(info);
            }
        }));
    });
    QUIET.set(true);
    let result = panic::catch_unwind(AssertUnwindSafe(act));
    QUIET.set(false);
    result.map_err(|payload| {
        let text = payload.downcast_ref::<String>().map(String::as_str);
        let text = text.or_else(|| payload.downcast_ref::<&str>().copied());
        format!("wasmi panicked: {}", text.unwrap_or("no message"))
    })
}

struct ReferenceMachine<'a> {
    module: Module,
    exports: &'a Exports,
    running: Option<Running>,
}

struct Running {
    store: Store<HostState>,
    instance: Instance,
    /// The names of exported functions by what wasmi prints for them: its functions can't be compared.
    names: HashMap<String, String>,
}

impl Machine for ReferenceMachine<'_> {
    fn instantiate(&mut self) -> Outcome {
        self.running = None;
        let mut store = Store::new(self.module.engine(), HostState::default());
        let imports: Result<Vec<Extern>, Error> = self
            .module
            .imports()
            .map(|import| make_import(&mut store, import.name(), import.ty()))
            .collect();
        let made = imports.and_then(|imports| {
            catch(|| Instance::new(&mut store, &self.module, &imports)).map_err(Error::new)?
        });
        let instance = match made {
            Ok(instance) => instance,
            Err(error) => return outcome(&error),
        };
        let names = self.exports.functions.iter().filter_map(|function| {
            let handle = instance.get_func(&store, &function.name)?;
            Some((format!("{handle:?}"), function.name.clone()))
        });
        let names = names.collect();
        self.running = Some(Running {
            store,
            instance,
            names,
        });
        Outcome::Returned(Vec::new())
    }

    fn call(&mut self, function: &str, arguments: &[Value]) -> Outcome {
        let Some(running) = &mut self.running else {
            return Outcome::Failed("there is no instance".to_owned());
        };
        let Some(func) = running.instance.get_func(&running.store, function) else {
            return Outcome::Failed(format!("there is no function {function:?}"));
        };
        let arguments: Vec<Val> = arguments.iter().map(|value| running.lower(value)).collect();
        let ty = func.ty(&running.store);
        let mut results: Vec<Val> = ty
            .results()
            .iter()
            .map(|&ty| Val::default_for_ty(ty))
            .collect();
        match catch(|| func.call(&mut running.store, &arguments, &mut results)) {
            Ok(Ok(())) => {
                let results = results.iter().map(|value| running.lift(value));
                Outcome::Returned(results.collect())
            }
            Ok(Err(error)) => outcome(&error),
            Err(panic) => Outcome::Failed(panic),
        }
    }

    fn state(&mut self) -> State {
        let Some(running) = &self.running else {
            return State::default();
        };
        let (store, instance) = (&running.store, &running.instance);
        let globals = self.exports.globals.iter();
        let memories = self.exports.memories.iter();
        let tables = self.exports.tables.iter();
        State {
            globals: globals
                .filter_map(|name| instance.get_global(store, name))
                .map(|global| running.lift(&global.get(store)))
                .collect(),
            memories: memories
                .filter_map(|name| instance.get_memory(store, name))
                .map(|memory| MemoryState::new(memory.data(store)))
                .collect(),
            tables: tables
                .filter_map(|name| instance.get_table(store, name))
                .map(|table| {
                    (0..table.size(store))
                        .filter_map(|i| table.get(store, i))
                        .map(|element| match element {
                            Ref::Func(func) => running.lift(&Val::FuncRef(func)),
                            Ref::Extern(value) => running.lift(&Val::ExternRef(value)),
                        })
                        .collect()
                })
                .collect(),
        }
    }
}

impl Running {
    fn lower(&mut self, value: &Value) -> Val {
        match value {
            Value::Func(Some(name)) => {
                let func = self.instance.get_func(&self.store, name);
                Val::FuncRef(func.map_or(Nullable::Null, Nullable::Val))
            }
            other => lower(&mut self.store, other),
        }
    }

    fn lift(&self, value: &Val) -> Value {
        match value {
            Val::FuncRef(Nullable::Val(func)) => {
                let name = self.names.get(&format!("{func:?}"));
                Value::Func(Some(name.map_or("not exported", String::as_str).to_owned()))
            }
            Val::ExternRef(Nullable::Val(value)) => {
                let number = value.data(&self.store).downcast_ref::<u32>();
                Value::Extern(number.copied())
            }
            other => lift_plain(other),
        }
    }
}

/// A value that is not a function.
fn lower(store: impl wasmi::AsContextMut, value: &Value) -> Val {
    match *value {
        Value::I32(bits) => Val::I32(bits.cast_signed()),
        Value::I64(bits) => Val::I64(bits.cast_signed()),
        Value::F32(bits) => Val::F32(F32::from_bits(bits)),
        Value::F64(bits) => Val::F64(F64::from_bits(bits)),
        Value::V128(bits) => Val::V128(bits.into()),
        Value::Func(_) => Val::FuncRef(Nullable::Null),
        Value::Extern(None) => Val::ExternRef(Nullable::Null),
        Value::Extern(Some(number)) => {
            Val::ExternRef(Nullable::Val(wasmi::ExternRef::new(store, number)))
        }
    }
}

/// A value of which only the kind is of interest if it is a reference.
fn lift_plain(value: &Val) -> Value {
    match value {
        Val::I32(value) => Value::I32(value.cast_unsigned()),
        Val::I64(value) => Value::I64(value.cast_unsigned()),
        Val::F32(value) => Value::F32(value.to_bits()),
        Val::F64(value) => Value::F64(value.to_bits()),
        Val::V128(value) => Value::V128(value.as_u128()),
        Val::FuncRef(func) => Value::Func((!func.is_null()).then(String::new)),
        Val::ExternRef(value) => Value::Extern((!value.is_null()).then_some(0)),
    }
}

fn make_import(store: &mut Store<HostState>, name: &str, ty: &ExternType) -> Result<Extern, Error> {
    Ok(match (host::object(name), ty) {
        (None, ExternType::Func(ty)) => {
            let (name, types) = (name.to_owned(), ty.clone());
            let func =
                move |mut caller: Caller<'_, HostState>, arguments: &[Val], results: &mut [Val]| {
                    let arguments: Vec<Value> = arguments
                        .iter()
                        .map(|value| match value {
                            Val::ExternRef(Nullable::Val(value)) => {
                                Value::Extern(value.data(&caller).downcast_ref().copied())
                            }
                            other => lift_plain(other),
                        })
                        .collect();
                    let returns = types.results().iter().map(|&ty| val_type(ty));
                    let values = caller.data_mut().call(&name, &arguments, returns);
                    for (result, value) in results.iter_mut().zip(values.map_err(Error::host)?) {
                        *result = lower(&mut caller, &value);
                    }
                    Ok(())
                };
            Func::new(store, ty.clone(), func).into()
        }
        (Some(Object::Global(value, mutable)), _) => {
            let mutability = if mutable {
                Mutability::Var
            } else {
                Mutability::Const
            };
            let value = lower(&mut *store, &value);
            Global::new(store, value, mutability).into()
        }
        (Some(Object::Memory(minimum, maximum)), _) => {
            Memory::new(store, MemoryType::new(minimum, Some(maximum)))?.into()
        }
        (Some(Object::Table(minimum, maximum)), _) => {
            let ty = TableType::new(RefType::Func, minimum, Some(maximum));
            Table::new(store, ty, Ref::Func(Nullable::Null))?.into()
        }
        (None, ty) => return Err(Error::new(format!("no import {name}: {ty:?}"))),
    })
}

fn val_type(ty: wasmi::ValType) -> ValType {
    match ty {
        wasmi::ValType::I32 => ValType::I32,
        wasmi::ValType::I64 => ValType::I64,
        wasmi::ValType::F32 => ValType::F32,
        wasmi::ValType::F64 => ValType::F64,
        wasmi::ValType::V128 => ValType::V128,
        wasmi::ValType::FuncRef => ValType::FuncRef,
        wasmi::ValType::ExternRef => ValType::ExternRef,
    }
}

fn outcome(error: &Error) -> Outcome {
    if let Some(HostFailure(number)) = error.downcast_ref::<HostFailure>() {
        return Outcome::HostFailed(*number);
    }
    if let wasmi::errors::ErrorKind::Instantiation(InstantiationError::ElementSegmentDoesNotFit {
        ..
    }) = error.kind()
    {
        return Outcome::Trapped(TrapKind::TableOutOfBounds);
    }
    Outcome::Trapped(match error.as_trap_code() {
        Some(TrapCode::UnreachableCodeReached) => TrapKind::Unreachable,
        Some(TrapCode::MemoryOutOfBounds) => TrapKind::MemoryOutOfBounds,
        Some(TrapCode::TableOutOfBounds) => TrapKind::TableOutOfBounds,
        Some(TrapCode::IndirectCallToNull) => TrapKind::NullElement,
        Some(TrapCode::BadSignature) => TrapKind::TypeMismatch,
        Some(TrapCode::IntegerOverflow) => TrapKind::IntegerOverflow,
        Some(TrapCode::IntegerDivisionByZero) => TrapKind::DivisionByZero,
        Some(TrapCode::BadConversionToInteger) => TrapKind::InvalidConversion,
        Some(TrapCode::StackOverflow) => return Outcome::StackOverflow,
        _ => return Outcome::Failed(error.to_string()),
    })
}
