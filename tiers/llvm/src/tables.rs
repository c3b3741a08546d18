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

use upshift_module::{
    ConstOp, ElementItems, Entity, FuncIndex, Module, PrimaryMap, SegmentMode, TableIndex,
    TypeIndex, ValType, to_usize,
};
use upshift_runtime::sync::{Mutex, OnceLock};
use upshift_translate::OptimizerOptions;

use crate::guesses::{Guess, are_nearly_all};
use crate::unit::Summaries;

/// Modules with more bytes of code than this are not searched for writes to tables.
const LARGEST_SEARCHED: usize = 4 << 20;
/// Larger tables are left as they are.
const MOST_ELEMENTS: u32 = 1 << 12;
/// Elements that fit a call, up to which each gets a direct call of its own.
const MOST_DIRECT_CALLS: usize = 4;
/// The same where all are small and call nothing, so that they are inlined.
const MOST_INLINED_CALLS: usize = 16;
/// Operators of a small function there.
const MOST_OPERATORS: usize = 40;

/// The facts about a module's tables, found out when first asked.
#[derive(Default)]
pub(crate) struct Tables {
    known: OnceLock<KnownTables>,
    /// The possible targets of calls, as far as asked for.
    targets: Mutex<HashMap<(TableIndex, TypeIndex), Arc<Targets>>>,
}

/// What is known about each table.
type KnownTables = PrimaryMap<TableIndex, Option<KnownTable>>;

/// A table whose elements after instantiation are known.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct KnownTable {
    /// The function of each element; none for null.
    elements: Box<[Option<FuncIndex>]>,
    /// Whether others than the module can change it: elements are known before
    /// `VMTable::unchanged` only.
    may_change: bool,
}

/// The possible targets of a call through a table with one signature.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Targets {
    /// Elements of that signature.
    pub fitting: Vec<DirectTarget>,
    /// Whether all others are null.
    pub others_are_null: bool,
    /// Whether all that fit are functions of the module itself.
    pub all_defined: bool,
    /// Whether each that fits is worth a direct call: they are few, or several that can all be inlined.
    are_worth_direct_calls: bool,
    /// Whether all this holds for elements before `VMTable::unchanged` only.
    pub may_change: bool,
}

/// An element of a table that may be called directly.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct DirectTarget {
    /// Where it is in the table.
    pub position: u32,
    /// The function that it refers to.
    pub function: FuncIndex,
}

impl Targets {
    /// The targets that a call should call directly, by the index, after the guesses: all that fit, or nothing.
    pub fn direct(&self, guesses: &[Guess], options: &OptimizerOptions) -> &[DirectTarget] {
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
    fn known(
        &self,
        module: &Module,
        summaries: &Summaries,
        table: TableIndex,
    ) -> Option<&KnownTable> {
        let all = self
            .known
            .get_or_init(|| find_known(module, summaries).unwrap_or_default());
        all.get(table)?.as_ref()
    }

    /// The possible targets of a call through a table with this signature, as far as they are known.
    pub fn targets(
        &self,
        module: &Module,
        summaries: &Summaries,
        table: TableIndex,
        type_index: TypeIndex,
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
    /// Takes over an active segment's elements, if they can be told.
    fn fill(&mut self, offset: &[ConstOp], items: &ElementItems) -> Option<()> {
        let ([ConstOp::I32(offset)], ElementItems::Functions(functions)) = (offset, items) else {
            return None;
        };
        let start = to_usize(offset.cast_unsigned());
        let range = start..start.checked_add(functions.len())?;
        let places = self.elements.get_mut(range)?;
        for (place, &function) in places.iter_mut().zip(functions) {
            *place = Some(function);
        }
        Some(())
    }

    /// The possible targets of a call with this signature.
    fn targets(&self, module: &Module, summaries: &Summaries, type_index: TypeIndex) -> Targets {
        let wanted = &module.types[type_index];
        let mut targets = Targets {
            fitting: Vec::new(),
            others_are_null: true,
            all_defined: true,
            are_worth_direct_calls: false,
            may_change: self.may_change,
        };
        for (position, function) in (0..).zip(&self.elements) {
            let Some(function) = *function else { continue };
            if module.func_type(function) == wanted {
                targets.fitting.push(DirectTarget { position, function });
                targets.all_defined &= module.defined_function(function).is_some();
            } else {
                targets.others_are_null = false;
            }
        }
        let is_inlined = |target: &DirectTarget| {
            let defined = module.defined_function(target.function);
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

/// The tables whose elements after instantiation are known; none at all where something can't be told.
///
/// An instantiation that fails in one segment leaves the writes of earlier ones, and functions may have escaped
/// by then. So a table is known for good only if every active segment of the module is known to fit.
fn find_known(module: &Module, summaries: &Summaries) -> Option<KnownTables> {
    let mut tables: KnownTables = (module.tables.iter())
        .map(|(index, ty)| {
            let is_known = module.defines_table(index)
                && ty.element == ValType::FuncRef
                && ty.minimum <= MOST_ELEMENTS;
            is_known.then(|| KnownTable {
                elements: vec![None; to_usize(ty.minimum)].into(),
                may_change: is_exported(module, index),
            })
        })
        .collect();
    let mut all_fit = true;
    for segment in module.elements.values() {
        let SegmentMode::Active { index, offset } = &segment.mode else {
            continue;
        };
        let table = tables.get_mut(*index)?;
        let known = table.as_mut();
        if known.is_none_or(|known| known.fill(&offset.ops, &segment.items).is_none()) {
            *table = None;
            all_fit = false;
        }
    }
    if module.total_code_size() > LARGEST_SEARCHED {
        return None;
    }
    for defined in module.bodies.keys() {
        let summary = summaries.get(module, defined).ok()?;
        if summary.writes_tables {
            return None;
        }
    }
    for table in tables.values_mut().flatten() {
        table.may_change |= !all_fit;
    }
    Some(tables)
}

fn is_exported(module: &Module, table: TableIndex) -> bool {
    let mut exports = module.exports.iter();
    exports.any(|export| export.entity == Entity::Table(table))
}
