//! Tables that nothing writes to after instantiation, whose elements are known when a function is compiled.
//! Calls through them need no more checks than the elements leave open, and may go to the few functions
//! that fit directly.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, OnceLock, PoisonError};

use upshift_module::{ConstOp, ElementItems, Entity, Module, SegmentMode, ValType};

use crate::unit::Summaries;

/// Modules with more bytes of code than this are not searched for what writes to tables.
const LARGEST_SEARCHED: usize = 4 << 20;
/// Larger tables are left as they are.
const MOST_ELEMENTS: u32 = 1 << 12;
/// Elements that fit a call, up to which each gets a direct call of its own.
const MOST_DIRECT_CALLS: usize = 4;

/// What is known about a module's tables, found out when first asked.
#[derive(Default)]
pub(crate) struct Tables {
    fixed: OnceLock<Vec<Option<FixedTable>>>,
    /// What calls may reach, by table and type index, as far as somebody asked.
    targets: Mutex<HashMap<(u32, u32), Arc<Targets>>>,
}

/// A table that never changes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct FixedTable {
    /// The function (imports first) of each element; none for null.
    pub elements: Box<[Option<u32>]>,
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
}

impl Targets {
    /// Whether they are worth a direct call each.
    pub fn are_few(&self) -> bool {
        self.all_defined && (1..=MOST_DIRECT_CALLS).contains(&self.fitting.len())
    }
}

impl Tables {
    /// A table's elements, if they never change.
    fn fixed(&self, module: &Module, summaries: &Summaries, table: u32) -> Option<&FixedTable> {
        let all = self
            .fixed
            .get_or_init(|| find_fixed(module, summaries).unwrap_or_default());
        all.get(table as usize)?.as_ref()
    }

    /// What a call through a table with this signature (a type index) may reach, if that is known for good.
    pub fn targets(
        &self,
        module: &Module,
        summaries: &Summaries,
        table: u32,
        type_index: u32,
    ) -> Option<Arc<Targets>> {
        let fixed = self.fixed(module, summaries, table)?;
        let mut targets = self.targets.lock().unwrap_or_else(PoisonError::into_inner);
        let known = targets.entry((table, type_index));
        let known = known.or_insert_with(|| Arc::new(fixed.targets(module, type_index)));
        Some(Arc::clone(known))
    }
}

impl FixedTable {
    /// What a call with this signature (a type index) may reach.
    fn targets(&self, module: &Module, type_index: u32) -> Targets {
        let wanted = &module.types[type_index as usize];
        let mut targets = Targets {
            fitting: Vec::new(),
            others_are_null: true,
            all_defined: true,
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
        targets
    }
}

/// The tables that never change; none at all where something can't be told.
///
/// An instantiation that fails in one segment leaves what earlier ones wrote, and functions may have escaped
/// by then. So every active segment of the module must be known to fit.
fn find_fixed(module: &Module, summaries: &Summaries) -> Option<Vec<Option<FixedTable>>> {
    let imported = module.imported.tables;
    let is_ours = |table: u32| {
        let exported = module
            .exports
            .iter()
            .any(|export| export.entity == Entity::Table(table));
        table >= imported && !exported
    };
    let mut tables: Vec<Option<FixedTable>> = (0..)
        .zip(&module.tables)
        .map(|(index, ty)| {
            let known =
                is_ours(index) && ty.element == ValType::FuncRef && ty.minimum <= MOST_ELEMENTS;
            known.then(|| FixedTable {
                elements: vec![None; ty.minimum as usize].into(),
            })
        })
        .collect();
    for segment in &module.elements {
        let SegmentMode::Active { index, offset } = &segment.mode else {
            continue;
        };
        let [ConstOp::I32(offset)] = *offset.ops else {
            return None;
        };
        let ElementItems::Functions(functions) = &segment.items else {
            return None;
        };
        let table = tables.get_mut(*index as usize)?.as_mut()?;
        let start = offset.cast_unsigned() as usize;
        let places = table
            .elements
            .get_mut(start..start.checked_add(functions.len())?)?;
        for (place, &function) in places.iter_mut().zip(functions) {
            *place = Some(function);
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
    Some(tables)
}
