//! Tables that nothing writes to after instantiation, whose elements are known when a function is compiled.
//! Calls through them need no more checks than the elements leave open, and may go to the few functions
//! that fit directly.
//!
//! The text of a module and what its calls become stand in `tests/passes/tables`. With elements that are all known and fit,
//!
//! ```text
//! %element = getelementptr ...                ; bounds, null and signature are compared
//! %r = call i32 %slot(...)
//! ```
//!
//! becomes
//!
//! ```text
//! switch i32 %index, label %other [ i32 0, label %first  i32 1, label %second ]
//! ; in the first block
//! %r = add i32 %x, 10                         ; the first function, inlined
//! ```
//!
//! Condition: an element is what segments left there unless something writes to the table. That is excluded where no
//! function of the module does, the table is not exported, and every active segment is known to fit; or it is asked by the
//! call, as elements `index < VMTable::unchanged` are as they were.

use std::collections::HashMap;
use std::sync::Arc;

use upshift_module::{ConstOp, ElementItems, Entity, Module, SegmentMode, ValType};
use upshift_runtime::sync::{Mutex, OnceLock};
use upshift_translate::OptimizerOptions;

use crate::guesses::{Guess, are_nearly_all};
use crate::unit::Summaries;

/// Modules with more bytes of code than this are not searched for what writes to tables.
const LARGEST_SEARCHED: usize = 4 << 20;
/// Larger tables are left as they are.
const MOST_ELEMENTS: u32 = 1 << 12;
/// Elements that fit a call, up to which each gets a direct call of its own.
const MOST_DIRECT_CALLS: usize = 4;
/// The same where all are small and call nothing, so that they are inlined.
const MOST_INLINED_CALLS: usize = 16;
/// Operators of what is small there.
const MOST_OPERATORS: usize = 40;

/// What is known about a module's tables, found out when first asked.
#[derive(Default)]
pub(crate) struct Tables {
    known: OnceLock<Vec<Option<KnownTable>>>,
    /// What calls may reach, by table and type index, as far as somebody asked.
    targets: Mutex<HashMap<(u32, u32), Arc<Targets>>>,
}

/// A table of which it is known what instantiation leaves in it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct KnownTable {
    /// The function (imports first) of each element; none for null.
    elements: Box<[Option<u32>]>,
    /// Whether others than the module can change it: what is known holds for elements before
    /// `VMTable::unchanged` only.
    may_change: bool,
}

/// What may be called through a table with one signature.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Targets {
    /// Positions of elements of that signature, with their functions.
    pub fitting: Vec<(u32, u32)>,
    /// Whether all others are null.
    pub others_are_null: bool,
    /// Whether all that fit are functions of the module itself.
    pub all_defined: bool,
    /// Whether each that fits is worth a direct call: they are few, or several that can all be inlined.
    are_worth_direct_calls: bool,
    /// Whether all this holds for elements before `VMTable::unchanged` only.
    pub may_change: bool,
}

impl Targets {
    /// What a call should call directly, by the index, after what probably is called: all that fit, or nothing.
    pub fn direct(&self, guesses: &[Guess], options: &OptimizerOptions) -> &[(u32, u32)] {
        let is_sure = !self.may_change && self.fitting.len() <= MOST_DIRECT_CALLS;
        // Some that are nearly all that is called make less code.
        let is_wanted = is_sure || options.max_call_targets > 0 && !are_nearly_all(guesses);
        if self.are_worth_direct_calls && is_wanted {
            &self.fitting
        } else {
            &[]
        }
    }
}

impl Tables {
    /// A table's elements, if they are known.
    fn known(&self, module: &Module, summaries: &Summaries, table: u32) -> Option<&KnownTable> {
        let all = self
            .known
            .get_or_init(|| find_known(module, summaries).unwrap_or_default());
        all.get(table as usize)?.as_ref()
    }

    /// What a call through a table with this signature (a type index) may reach, as far as that is known.
    pub fn targets(
        &self,
        module: &Module,
        summaries: &Summaries,
        table: u32,
        type_index: u32,
    ) -> Option<Arc<Targets>> {
        let found = self.known(module, summaries, table)?;
        let place = (table, type_index);
        if let Some(known) = self.targets.lock().get(&place) {
            return Some(Arc::clone(known));
        }
        // Bodies are read for it: not with the lock held.
        let targets = Arc::new(found.targets(module, summaries, type_index));
        Some(Arc::clone(
            self.targets.lock().entry(place).or_insert(targets),
        ))
    }
}

impl KnownTable {
    /// Takes over what an active segment leaves in the table, if that can be told.
    fn fill(&mut self, offset: &[ConstOp], items: &ElementItems) -> Option<()> {
        let ([ConstOp::I32(offset)], ElementItems::Functions(functions)) = (offset, items) else {
            return None;
        };
        let start = offset.cast_unsigned() as usize;
        let range = start..start.checked_add(functions.len())?;
        let places = self.elements.get_mut(range)?;
        for (place, &function) in places.iter_mut().zip(functions) {
            *place = Some(function);
        }
        Some(())
    }

    /// What a call with this signature (a type index) may reach.
    fn targets(&self, module: &Module, summaries: &Summaries, type_index: u32) -> Targets {
        let wanted = &module.types[type_index as usize];
        let mut targets = Targets {
            fitting: Vec::new(),
            others_are_null: true,
            all_defined: true,
            are_worth_direct_calls: false,
            may_change: self.may_change,
        };
        for (position, function) in (0..).zip(&self.elements) {
            let Some(function) = *function else { continue };
            let ty = module.functions[function as usize];
            if &module.types[ty as usize] == wanted {
                targets.fitting.push((position, function));
                targets.all_defined &= module.defined_function(function).is_some();
            } else {
                targets.others_are_null = false;
            }
        }
        let is_inlined = |&(_, function): &(u32, u32)| {
            let defined = module.defined_function(function);
            let summary = defined.and_then(|defined| summaries.get(module, defined).ok());
            summary.is_some_and(|it| it.operators <= MOST_OPERATORS && !it.makes_calls())
        };
        targets.are_worth_direct_calls = match targets.fitting.len() {
            1..=MOST_DIRECT_CALLS => targets.all_defined,
            count => count <= MOST_INLINED_CALLS && targets.fitting.iter().all(is_inlined),
        };
        targets
    }
}

/// The tables of which it is known what instantiation leaves in them; none at all where something can't be told.
///
/// An instantiation that fails in one segment leaves what earlier ones wrote, and functions may have escaped
/// by then. So a table is known for good only if every active segment of the module is known to fit.
fn find_known(module: &Module, summaries: &Summaries) -> Option<Vec<Option<KnownTable>>> {
    let imported = module.imported.tables;
    let mut tables: Vec<Option<KnownTable>> = (0..)
        .zip(&module.tables)
        .map(|(index, ty)| {
            let is_known =
                index >= imported && ty.element == ValType::FuncRef && ty.minimum <= MOST_ELEMENTS;
            is_known.then(|| KnownTable {
                elements: vec![None; ty.minimum as usize].into(),
                may_change: is_exported(module, index),
            })
        })
        .collect();
    let mut all_fit = true;
    for segment in &module.elements {
        let SegmentMode::Active { index, offset } = &segment.mode else {
            continue;
        };
        let table = tables.get_mut(*index as usize)?;
        let known = table.as_mut();
        if known.is_none_or(|known| known.fill(&offset.ops, &segment.items).is_none()) {
            *table = None;
            all_fit = false;
        }
    }
    if module.total_code_size() > LARGEST_SEARCHED {
        return None;
    }
    for defined in 0..module.bodies.len() {
        let summary = summaries.get(module, u32::try_from(defined).ok()?).ok()?;
        if summary.writes_tables {
            return None;
        }
    }
    for table in tables.iter_mut().flatten() {
        table.may_change |= !all_fit;
    }
    Some(tables)
}

fn is_exported(module: &Module, table: u32) -> bool {
    let mut exports = module.exports.iter();
    exports.any(|export| export.entity == Entity::Table(table))
}
