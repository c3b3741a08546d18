//! Upshift as a [`Machine`], in one of its modes.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use upshift::{
    Caller, Config, Engine, Error, Extern, ExternRef, ExternType, Func, FuncType, Global,
    GlobalType, Instance, Memory, MemoryType, Module, Mutability, Ref, RefType, Result, Store,
    Table, TableType, TierEventKind, TrapCode, Val,
};

use super::host::{self, Object};
use super::{HostFailure, HostState, Machine, MemoryState, Mode, Outcome, State, TrapKind, Value};

/// The names of everything that a module exports, by kind, each in the module's order.
#[derive(Clone, Debug, Default)]
pub(crate) struct Exports {
    pub(crate) functions: Vec<Function>,
    pub(crate) globals: Vec<String>,
    pub(crate) memories: Vec<String>,
    pub(crate) tables: Vec<String>,
}

#[derive(Clone, Debug)]
pub(crate) struct Function {
    pub(crate) name: String,
    pub(crate) ty: FuncType,
}

impl Exports {
    fn new(module: &Module) -> Self {
        let mut exports = Self::default();
        for export in module.exports() {
            let name = export.name().to_owned();
            match export.ty() {
                ExternType::Func(ty) => exports.functions.push(Function { name, ty }),
                ExternType::Global(_) => exports.globals.push(name),
                ExternType::Memory(_) => exports.memories.push(name),
                ExternType::Table(_) => exports.tables.push(name),
            }
        }
        exports
    }

    pub(crate) fn count(&self) -> usize {
        self.functions.len() + self.globals.len() + self.memories.len() + self.tables.len()
    }
}

/// Upshift in one mode, shared by all modules of a comparison.
pub struct Subject {
    mode: Mode,
    engine: Engine,
    /// What the optimizing tier could not compile since somebody looked.
    failures: Failures,
}

type Failures = Arc<Mutex<Vec<String>>>;

impl Subject {
    /// An engine in this mode.
    ///
    /// # Errors
    /// When the machine can't run one.
    pub fn new(mode: Mode) -> Result<Self> {
        let mut config = Config::new();
        (mode.configure)(&mut config);
        let failures = Failures::default();
        let sink = Arc::clone(&failures);
        config.on_tier_event(move |event| {
            if !mode.without_llvm && matches!(event.kind, TierEventKind::Failed { .. }) {
                lock(&sink).push(event.to_string());
            }
        });
        let engine = Engine::new(&config)?;
        Ok(Self {
            mode,
            engine,
            failures,
        })
    }

    pub(crate) fn name(&self) -> &'static str {
        self.mode.name
    }

    /// Whether an access out of bounds does exactly what it should.
    pub(crate) fn is_precise(&self) -> bool {
        self.mode.precise
    }

    /// A module, and what it exports.
    ///
    /// # Errors
    /// When it is not accepted, or can't be compiled.
    pub(crate) fn load(&self, wasm: &[u8]) -> Result<(Exports, Box<dyn Machine>)> {
        let module = Module::new(&self.engine, wasm)?;
        let exports = Exports::new(&module);
        let machine = SubjectMachine {
            module,
            exports: exports.clone(),
            running: None,
            failures: Arc::clone(&self.failures),
        };
        Ok((exports, Box::new(machine)))
    }
}

struct SubjectMachine {
    module: Module,
    exports: Exports,
    running: Option<Running>,
    failures: Failures,
}

fn lock(failures: &Mutex<Vec<String>>) -> MutexGuard<'_, Vec<String>> {
    failures.lock().unwrap_or_else(PoisonError::into_inner)
}

struct Running {
    store: Store<HostState>,
    instance: Instance,
    /// Exported functions and their places in the list of exports.
    functions: Vec<(Func, usize)>,
}

impl SubjectMachine {
    fn start(&self) -> Result<Running> {
        let mut store = Store::new(self.module.engine(), HostState::default());
        let imports: Vec<Extern> = self
            .module
            .imports()
            .map(|import| make_import(&mut store, import.name(), &import.ty()))
            .collect::<Result<_>>()?;
        let instance = Instance::new(&mut store, &self.module, &imports)?;
        let functions = self.exports.functions.iter().enumerate();
        let functions = functions
            .filter_map(|(i, function)| Some((instance.get_func(&store, &function.name)?, i)))
            .collect();
        Ok(Running {
            store,
            instance,
            functions,
        })
    }
}

impl SubjectMachine {
    /// A compile that fails is no error to programs, but it is here.
    fn unless_a_compile_failed(&self, outcome: Outcome) -> Outcome {
        match lock(&self.failures).pop() {
            Some(failure) => Outcome::Failed(failure),
            None => outcome,
        }
    }

    fn call_running(&mut self, function: &str, arguments: &[Value]) -> Outcome {
        let Some(running) = &mut self.running else {
            return Outcome::Failed("there is no instance".to_owned());
        };
        let Some(func) = running.instance.get_func(&running.store, function) else {
            return Outcome::Failed(format!("there is no function {function:?}"));
        };
        let called = (|| {
            let arguments: Vec<Val> = arguments
                .iter()
                .map(|value| running.lower(value))
                .collect::<Result<_>>()?;
            let mut results = vec![Val::I32(0); func.ty(&running.store).results().len()];
            func.call(&mut running.store, &arguments, &mut results)?;
            Ok::<_, Error>(results)
        })();
        match called {
            Ok(results) => {
                let results = results.iter();
                Outcome::Returned(
                    results
                        .map(|value| running.lift(value, &self.exports))
                        .collect(),
                )
            }
            Err(error) => outcome(&error),
        }
    }
}

impl Machine for SubjectMachine {
    fn instantiate(&mut self) -> Outcome {
        self.running = None;
        let outcome = match self.start() {
            Ok(running) => {
                self.running = Some(running);
                Outcome::Returned(Vec::new())
            }
            Err(error) => outcome(&error),
        };
        self.unless_a_compile_failed(outcome)
    }

    fn call(&mut self, function: &str, arguments: &[Value]) -> Outcome {
        let outcome = self.call_running(function, arguments);
        self.unless_a_compile_failed(outcome)
    }

    fn state(&mut self) -> State {
        let Some(running) = &self.running else {
            return State::default();
        };
        let (store, instance, exports) = (&running.store, &running.instance, &self.exports);
        let globals = exports.globals.iter();
        let memories = exports.memories.iter();
        let tables = exports.tables.iter();
        State {
            globals: globals
                .filter_map(|name| instance.get_global(store, name)?.get(store).ok())
                .map(|value| running.lift(&value, exports))
                .collect(),
            memories: memories
                .filter_map(|name| instance.get_memory(store, name))
                .map(|memory| MemoryState::new(memory.data(store)))
                .collect(),
            tables: tables
                .filter_map(|name| instance.get_table(store, name))
                .map(|table| {
                    (0..table.size(store))
                        .filter_map(|i| table.get(store, i).ok().flatten())
                        .map(|element| running.lift(&element.into(), exports))
                        .collect()
                })
                .collect(),
        }
    }
}

impl Running {
    fn lower(&mut self, value: &Value) -> Result<Val> {
        match value {
            Value::Func(Some(name)) => Ok(Val::FuncRef(self.instance.get_func(&self.store, name))),
            other => lower(&mut self.store, other),
        }
    }

    fn lift(&self, value: &Val, exports: &Exports) -> Value {
        match value {
            Val::FuncRef(Some(func)) => {
                let place = self.functions.iter().find(|(known, _)| known == func);
                let name = place.map_or("not exported", |(_, i)| &exports.functions[*i].name);
                Value::Func(Some(name.to_owned()))
            }
            other => lift(&self.store, other),
        }
    }
}

/// A value that is not a function.
fn lower(store: impl upshift::AsContextMut, value: &Value) -> Result<Val> {
    Ok(match *value {
        Value::I32(bits) => Val::I32(bits.cast_signed()),
        Value::I64(bits) => Val::I64(bits.cast_signed()),
        Value::F32(bits) => Val::F32(bits),
        Value::F64(bits) => Val::F64(bits),
        Value::V128(bits) => Val::V128(bits.into()),
        Value::Func(_) => Val::FuncRef(None),
        Value::Extern(None) => Val::ExternRef(None),
        Value::Extern(Some(number)) => Val::ExternRef(Some(ExternRef::new(store, number)?)),
    })
}

/// A value; of a function, only whether it is null.
fn lift(store: impl upshift::AsContext<Data = HostState>, value: &Val) -> Value {
    match value {
        Val::I32(value) => Value::I32(value.cast_unsigned()),
        Val::I64(value) => Value::I64(value.cast_unsigned()),
        Val::F32(bits) => Value::F32(*bits),
        Val::F64(bits) => Value::F64(*bits),
        Val::V128(value) => Value::V128(value.as_u128()),
        Val::FuncRef(func) => Value::Func(func.map(|_| String::new())),
        Val::ExternRef(None) => Value::Extern(None),
        Val::ExternRef(Some(value)) => {
            let data = value.data(store.as_context()).ok().flatten();
            Value::Extern(data.and_then(|data| data.downcast_ref()).copied())
        }
    }
}

fn make_import(store: &mut Store<HostState>, name: &str, ty: &ExternType) -> Result<Extern> {
    Ok(match (host::object(name), ty) {
        (None, ExternType::Func(ty)) => {
            let (name, types) = (name.to_owned(), ty.clone());
            let func =
                move |mut caller: Caller<'_, HostState>, arguments: &[Val], results: &mut [Val]| {
                    let arguments: Vec<Value> =
                        arguments.iter().map(|value| lift(&caller, value)).collect();
                    let values = caller.data_mut().call(&name, &arguments, types.results());
                    for (result, value) in results.iter_mut().zip(values.map_err(Error::new)?) {
                        *result = lower(&mut caller, &value)?;
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
            let value = lower(&mut *store, &value)?;
            Global::new(store, GlobalType::new(value.ty(), mutability), value)?.into()
        }
        (Some(Object::Memory(minimum, maximum)), _) => {
            Memory::new(store, MemoryType::new(minimum, Some(maximum)))?.into()
        }
        (Some(Object::Table(minimum, maximum)), _) => {
            let ty = TableType::new(RefType::FUNCREF, minimum, Some(maximum));
            Table::new(store, ty, Ref::Func(None))?.into()
        }
        (None, ty) => return Err(Error::msg(format!("no import {name}: {ty}"))),
    })
}

fn outcome(error: &Error) -> Outcome {
    if let Some(HostFailure(number)) = error.downcast_ref::<HostFailure>() {
        return Outcome::HostFailed(*number);
    }
    Outcome::Trapped(match error.as_trap().map(upshift::Trap::code) {
        Some(TrapCode::Unreachable) => TrapKind::Unreachable,
        Some(TrapCode::MemoryOutOfBounds) => TrapKind::MemoryOutOfBounds,
        // wasmi has one code for both.
        Some(TrapCode::TableOutOfBounds | TrapCode::UndefinedElement) => TrapKind::TableOutOfBounds,
        Some(TrapCode::UninitializedElement) => TrapKind::NullElement,
        Some(TrapCode::IndirectCallTypeMismatch) => TrapKind::TypeMismatch,
        Some(TrapCode::IntegerOverflow) => TrapKind::IntegerOverflow,
        Some(TrapCode::IntegerDivideByZero) => TrapKind::DivisionByZero,
        Some(TrapCode::InvalidConversionToInteger) => TrapKind::InvalidConversion,
        Some(TrapCode::StackOverflow) => return Outcome::StackOverflow,
        _ => return Outcome::Failed(error.to_string()),
    })
}
