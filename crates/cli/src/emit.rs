//! `--emit`: a tier's code for one function, printed instead of run.

use std::io::Write;
use std::str::FromStr;

use upshift::{CodeForm, EntryPoint, FunctionTier, Module, TierMode, TieringProfile};
use upshift_module::{Entity, Features, FuncIndex, LoopIndex};
use upshift_translate::enclosing_loops;

use crate::error::{CliError, Result};
use crate::exports::{nearest, printable};
use crate::options::{EmitTier, Run};

/// What is printed of a function.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Form {
    LlvmIr,
    Asm,
    Clif,
}

impl FromStr for Form {
    type Err = CliError;

    fn from_str(text: &str) -> Result<Self> {
        match text {
            "llvm-ir" => Ok(Self::LlvmIr),
            "asm" => Ok(Self::Asm),
            "clif" => Ok(Self::Clif),
            _ => Err(CliError::Option {
                option: "--emit",
                value: format!("`{}`", printable(text)),
                allowed: "llvm-ir, asm or clif, and then a function".to_owned(),
            }),
        }
    }
}

/// The request of the options, if there is one.
pub(crate) struct Emit<'a> {
    form: CodeForm,
    tier: FunctionTier,
    entry: EntryPoint,
    /// Its index or a name.
    function: &'a str,
}

impl<'a> Emit<'a> {
    /// The request of `--emit` and its kin.
    ///
    /// # Errors
    /// When there is no such form, or not with the tier that is asked for.
    pub(crate) fn wanted(options: &'a Run, profile: &TieringProfile) -> Result<Option<Self>> {
        let [form, function] = options.watching.emit.as_slice() else {
            return Ok(None);
        };
        let form: Form = form.parse()?;
        let has_llvm = cfg!(feature = "llvm") && profile.mode != TierMode::Baseline;
        let tier = match (options.watching.emit_tier, form) {
            (Some(tier), _) => tier,
            (None, Form::LlvmIr) => EmitTier::Llvm,
            (None, Form::Asm) if has_llvm => EmitTier::Llvm,
            (None, _) => EmitTier::Baseline,
        };
        let refuse = |allowed: &str| CliError::Option {
            option: "--emit-tier",
            value: tier.to_string(),
            allowed: allowed.to_owned(),
        };
        let has_middle = profile.mode == TierMode::Auto && profile.middle.enabled;
        match (form, tier) {
            (Form::LlvmIr, EmitTier::Baseline | EmitTier::Middle) => {
                return Err(refuse("llvm for LLVM's IR"));
            }
            (Form::Clif, EmitTier::Llvm) => {
                return Err(refuse("baseline or middle for Cranelift's"));
            }
            (_, EmitTier::Llvm) if !has_llvm => return Err(CliError::NoLlvm),
            (_, EmitTier::Middle) if !has_middle => {
                return Err(refuse(
                    "another: the middle tier is only there with --tier auto and middle.enabled",
                ));
            }
            _ => (),
        }
        let form = match form {
            Form::Asm => CodeForm::Assembly,
            Form::LlvmIr | Form::Clif => CodeForm::Intermediate,
        };
        let entry = options.watching.emit_loop;
        Ok(Some(Self {
            form,
            tier: tier.function_tier(),
            entry: entry.map_or(EntryPoint::Function, EntryPoint::Loop),
            function,
        }))
    }

    /// Prints it.
    pub(crate) fn print(&self, module: &Module, stdout: &mut dyn Write) -> Result<()> {
        // The same bytes, in the form that tells names.
        let parsed = upshift_module::Module::parse(module.binary(), &Features::all())
            .map_err(|error| CliError::Emit(error.into()))?;
        let function = find(&parsed, self.function)?;
        if let EntryPoint::Loop(number) = self.entry {
            check_loop(&parsed, function, number)?;
        }
        let text = module
            .emit(function.as_u32(), self.tier, self.entry, self.form)
            .map_err(CliError::Emit)?;
        stdout.write_all(text.as_bytes())?;
        if !text.ends_with('\n') {
            writeln!(stdout)?;
        }
        Ok(())
    }
}

/// The index of the function that the module defines under this index or name.
fn find(module: &upshift_module::Module, wanted: &str) -> Result<FuncIndex> {
    let is_defined = |index: FuncIndex| module.defined_function(index).is_some();
    let defined = module.imported.functions..module.functions.next_key().as_u32();
    let unknown = |similar: Option<String>| CliError::UnknownFunction {
        function: printable(wanted),
        similar,
        defined: defined.clone(),
    };
    if let Ok(number) = wanted.parse::<u32>() {
        let found = defined.contains(&number).then_some(number);
        return (found.map(FuncIndex::from_u32)).ok_or_else(|| unknown(None));
    }
    let named = |index| Some((module.function_name(index)?, index));
    let exported = module
        .exports
        .iter()
        .filter_map(|export| match export.entity {
            Entity::Func(index) if is_defined(index) => Some((&*export.name, index)),
            _ => None,
        });
    let defined_ones = module.bodies.keys().map(|it| module.function_index(it));
    let all: Vec<_> = defined_ones.filter_map(named).chain(exported).collect();
    let found = all.iter().find(|(name, _)| *name == wanted);
    found
        .map(|&(_, index)| index)
        .ok_or_else(|| unknown(nearest(wanted, all.iter().map(|(name, _)| *name)).map(printable)))
}

/// That a function which is there has this loop.
fn check_loop(module: &upshift_module::Module, function: FuncIndex, number: u32) -> Result<()> {
    let exists = |number: &u32| {
        let defined = module.defined_function(function);
        let found = defined.zip(LoopIndex::of_number(*number));
        found.is_some_and(|(defined, number)| enclosing_loops(module, defined, number).is_ok())
    };
    if exists(&number) {
        return Ok(());
    }
    Err(CliError::UnknownLoop {
        function: function.as_u32(),
        number,
        count: (0..number).take_while(exists).count(),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn functions_are_found_by_index_name_and_export() {
        let text =
            r#"(module (import "host" "f" (func $host)) (func $a) (func $b (export "bee")))"#;
        let module = upshift_module::Module::parse(text.as_bytes(), &Features::all()).unwrap();
        for (wanted, index) in [("1", 1), ("a", 1), ("b", 2), ("bee", 2)] {
            assert_eq!(find(&module, wanted).unwrap().as_u32(), index, "{wanted}");
        }
        // An import has no code.
        for (wanted, hint) in [
            ("0", "indices 1 to 2"),
            ("host", "1 to 2"),
            ("be", "`bee`?"),
        ] {
            let message = find(&module, wanted).unwrap_err().to_string();
            assert!(message.contains(hint), "{message}");
        }
    }
}
