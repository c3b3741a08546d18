//! Carries out the directives of one script: the modules and instances it has named, and the rules of each
//! assertion.

use std::collections::HashMap;

use upshift::{
    Config, Engine, ErrorKind, Extern, Instance, Linker, Module, Result, Store, TrapCode, Val,
};
use wast::token::Id;
use wast::{QuoteWat, QuoteWatTest, WastDirective, WastExecute, WastInvoke, WastRet};

use super::values::{argument, matches, show, show_pattern, unsupported};
use super::{Reason, Tiering, spectest};

/// The kind of a directive that held.
pub(super) enum Done {
    Assertion,
    Command,
}

/// The state of a script between two directives.
pub(super) struct Runner<'script> {
    engine: Engine,
    store: Store<()>,
    /// The imports of modules: `spectest`, and all that was registered.
    linker: Linker<()>,
    /// Everything that was compiled, for `tiering`.
    modules: Vec<Module>,
    /// Modules that are not instantiated yet, by name; the last one has no name too.
    definitions: HashMap<Option<&'script str>, Module>,
    /// Instances by name; the last one has no name too.
    instances: HashMap<Option<&'script str>, Instance>,
}

impl<'script> Runner<'script> {
    pub(super) fn new(config: &Config) -> Result<Self> {
        let engine = Engine::new(config)?;
        let mut store = Store::new(&engine, ());
        let mut linker = Linker::new(&engine);
        // A script may register a name again.
        linker.allow_shadowing(true);
        spectest::define(&mut linker, &mut store)?;
        Ok(Self {
            engine,
            store,
            linker,
            modules: Vec::new(),
            definitions: HashMap::new(),
            instances: HashMap::new(),
        })
    }

    pub(super) fn run(&mut self, directive: WastDirective<'script>) -> Result<Done, Reason> {
        match directive {
            WastDirective::Module(mut module) => {
                let name = module.name();
                // Directives that follow a failed one must not be answered by an older instance.
                self.instances.remove(&None);
                let module = self.compile(&mut module)?.map_err(Reason::Unexpected)?;
                let instance = self.instantiate(&module)?;
                self.name_instance(name, instance);
                Ok(Done::Command)
            }
            WastDirective::ModuleDefinition(mut module) => {
                let name = module.name();
                let module = self.compile(&mut module)?.map_err(Reason::Unexpected)?;
                self.definitions
                    .insert(name.map(|id| id.name()), module.clone());
                self.definitions.insert(None, module);
                Ok(Done::Command)
            }
            WastDirective::ModuleInstance {
                instance, module, ..
            } => {
                let definition = self.definitions.get(&module.map(|id| id.name())).cloned();
                let definition = definition.ok_or_else(|| unknown("module", module))?;
                let created = self.instantiate(&definition)?;
                self.name_instance(instance, created);
                Ok(Done::Command)
            }
            WastDirective::Register { name, module, .. } => {
                let instance = self.instance(module)?;
                self.linker.instance(&mut self.store, name, instance)?;
                Ok(Done::Command)
            }
            WastDirective::Invoke(invoke) => {
                self.invoke(&invoke)??;
                Ok(Done::Command)
            }
            WastDirective::AssertReturn { exec, results, .. } => {
                let given = self.execute(exec)??;
                self.check_results(&results, &given)
            }
            WastDirective::AssertTrap { exec, message, .. } => {
                let outcome = self.execute(exec)?;
                check_trap(outcome, message)
            }
            WastDirective::AssertExhaustion { call, message, .. } => {
                let outcome = self.invoke(&call)?;
                check_trap(outcome, message)
            }
            WastDirective::AssertInvalid {
                module, message, ..
            }
            | WastDirective::AssertMalformed {
                module, message, ..
            } => self.check_rejected(module, message),
            WastDirective::AssertUnlinkable {
                module, message, ..
            } => {
                let module = self
                    .compile(&mut QuoteWat::Wat(module))?
                    .map_err(Reason::Unexpected)?;
                check_link_error(self.instantiate(&module), message)
            }
            WastDirective::AssertInvalidCustom { .. } => Err(unsupported("assert_invalid_custom")),
            WastDirective::AssertMalformedCustom { .. } => {
                Err(unsupported("assert_malformed_custom"))
            }
            WastDirective::AssertException { .. } => Err(unsupported("assert_exception")),
            WastDirective::AssertSuspension { .. } => Err(unsupported("assert_suspension")),
            WastDirective::Thread(_) => Err(unsupported("thread")),
            WastDirective::Wait { .. } => Err(unsupported("wait")),
        }
    }

    /// The outer result is about the script, the inner one about the engine.
    fn compile(&self, module: &mut QuoteWat<'script>) -> Result<Result<Module>, Reason> {
        let bytes = match module.to_test().map_err(Reason::Encode)? {
            QuoteWatTest::Binary(bytes) | QuoteWatTest::Text(bytes) => bytes,
        };
        Ok(Module::new(&self.engine, bytes))
    }

    /// Tiering's compiles so far.
    pub(super) fn tiering(&self) -> Tiering {
        let stats = self.modules.iter().map(Module::tier_stats);
        stats.fold(Tiering::default(), |sum, stats| Tiering {
            compiled_functions: sum.compiled_functions + stats.compiled_functions,
            osr_entries: sum.osr_entries + stats.osr_entries,
        })
    }

    fn instantiate(&mut self, module: &Module) -> Result<Instance> {
        self.modules.push(module.clone());
        self.linker.instantiate(&mut self.store, module)
    }

    fn name_instance(&mut self, name: Option<Id<'script>>, instance: Instance) {
        self.instances.insert(name.map(|id| id.name()), instance);
        self.instances.insert(None, instance);
    }

    fn instance(&self, name: Option<Id<'script>>) -> Result<Instance, Reason> {
        let instance = self.instances.get(&name.map(|id| id.name())).copied();
        instance.ok_or_else(|| unknown("instance", name))
    }

    /// The outer result is about the script, the inner one about the engine.
    fn execute(&mut self, what: WastExecute<'script>) -> Result<Result<Vec<Val>>, Reason> {
        match what {
            WastExecute::Invoke(invoke) => self.invoke(&invoke),
            WastExecute::Wat(module) => {
                let module = self
                    .compile(&mut QuoteWat::Wat(module))?
                    .map_err(Reason::Unexpected)?;
                Ok(self.instantiate(&module).map(|_| Vec::new()))
            }
            WastExecute::Get { module, global, .. } => {
                let instance = self.instance(module)?;
                match instance.get_global(&mut self.store, global) {
                    Some(global) => Ok(Ok(vec![global.get(&mut self.store)?])),
                    None => Err(Reason::Unknown {
                        what: "global",
                        name: global.to_owned(),
                    }),
                }
            }
        }
    }

    fn invoke(&mut self, invoke: &WastInvoke<'script>) -> Result<Result<Vec<Val>>, Reason> {
        let instance = self.instance(invoke.module)?;
        let Some(Extern::Func(func)) = instance.get_export(&mut self.store, invoke.name) else {
            return Err(Reason::Unknown {
                what: "function",
                name: invoke.name.to_owned(),
            });
        };
        let arguments = invoke
            .args
            .iter()
            .map(|value| argument(&mut self.store, value));
        let arguments = arguments.collect::<Result<Vec<_>, _>>()?;
        let mut results = vec![Val::I32(0); func.ty(&self.store).results().len()];
        Ok(func
            .call(&mut self.store, &arguments, &mut results)
            .map(|()| results))
    }

    fn check_results(&self, expected: &[WastRet<'_>], given: &[Val]) -> Result<Done, Reason> {
        let mut fits = expected.len() == given.len();
        for (expected, given) in expected.iter().zip(given) {
            fits &= matches(&self.store, expected, given)?;
        }
        if fits {
            return Ok(Done::Assertion);
        }
        Err(Reason::Values {
            expected: expected.iter().map(show_pattern).collect(),
            given: given.iter().map(show).collect(),
        })
    }

    /// `assert_invalid` and `assert_malformed`. Tools word these errors as they like, so that only their
    /// type counts.
    fn check_rejected(
        &self,
        mut module: QuoteWat<'script>,
        expected: &str,
    ) -> Result<Done, Reason> {
        // Some mistakes, such as an unknown label, have no binary form and are found on the way there.
        let Ok(outcome) = self.compile(&mut module) else {
            return Ok(Done::Assertion);
        };
        match outcome {
            Err(error) if matches!(error.kind(), ErrorKind::Module(_)) => Ok(Done::Assertion),
            Err(error) => Err(Reason::OtherError {
                expected: expected.to_owned(),
                error,
            }),
            Ok(_) => Err(no_error(expected, "the module is accepted")),
        }
    }
}

fn check_trap(outcome: Result<Vec<Val>>, expected: &str) -> Result<Done, Reason> {
    match outcome {
        Err(error) => match error.as_trap() {
            Some(trap) if is_worded(trap.code(), expected) => Ok(Done::Assertion),
            _ => Err(Reason::OtherError {
                expected: expected.to_owned(),
                error,
            }),
        },
        Ok(values) => {
            let values: Vec<_> = values.iter().map(show).collect();
            Err(no_error(
                expected,
                format!("the result is ({})", values.join(" ")),
            ))
        }
    }
}

/// Whether a script that expects the message `expected` means this trap. Messages of scripts may go on with
/// a detail, such as the index of the element.
fn is_worded(code: TrapCode, expected: &str) -> bool {
    expected.starts_with(code.message())
}

fn check_link_error(outcome: Result<Instance>, expected: &str) -> Result<Done, Reason> {
    let Err(error) = outcome else {
        return Err(no_error(expected, "the module is linked"));
    };
    let fits = |problem: &dyn std::fmt::Display| problem.to_string().starts_with(expected);
    if error
        .as_link()
        .is_some_and(|link| link.problems().iter().any(|problem| fits(problem)))
    {
        return Ok(Done::Assertion);
    }
    Err(Reason::OtherError {
        expected: expected.to_owned(),
        error,
    })
}

fn no_error(expected: &str, instead: impl Into<String>) -> Reason {
    Reason::NoError {
        expected: expected.to_owned(),
        instead: instead.into(),
    }
}

fn unknown(what: &'static str, name: Option<Id<'_>>) -> Reason {
    let name = name.map_or_else(
        || "(the last one)".to_owned(),
        |id| format!("${}", id.name()),
    );
    Reason::Unknown { what, name }
}
