//! Links an object of LLVM's into code memory: places its code and constants, resolves references
//! among them, and refuses everything that refers to anything else.

use std::collections::HashMap;

use object::elf::{R_X86_64_PC32, R_X86_64_PLT32};
use object::read::{
    File, Object, ObjectSection, ObjectSymbol, Relocation, RelocationTarget, SectionIndex,
};
use object::{RelocationFlags, SectionFlags, SectionKind, SymbolKind};
use upshift_module::{to_u64, u64_to_usize};
use upshift_runtime::{CodeAllocation, CodeMemoryError, CodePurpose, ModuleCode};

/// Why an object can't be linked.
#[derive(Debug, thiserror::Error)]
pub(crate) enum LinkError {
    #[error("LLVM's object can't be read: {0}")]
    Object(#[from] object::read::Error),
    #[error("the code refers to the symbol `{0}`")]
    Symbol(String),
    #[error("the code has a writable section `{0}`")]
    Writable(String),
    #[error("the code has a relocation that is not relative: {0:?}")]
    Relocation(RelocationFlags),
    #[error("parts of the code are too far from one another")]
    Distance,
    #[error("the object has no function `{0}`")]
    NoSuchFunction(String),
    #[error("no code memory: {0}")]
    Memory(CodeMemoryError),
}

/// An object in code memory.
pub(crate) struct Linked<'data> {
    pub file: File<'data>,
    pub allocation: CodeAllocation,
    /// Where each section that was placed begins, in bytes from the start of the allocation.
    pub sections: HashMap<SectionIndex, usize>,
    /// The functions.
    pub functions: Vec<LinkedFunction>,
}

/// A function in code memory.
pub(crate) struct LinkedFunction {
    pub name: String,
    /// Where it is executed.
    pub address: usize,
    pub len: usize,
}

impl LinkedFunction {
    fn end(&self) -> usize {
        self.address + self.len
    }
}

/// Places an object's code and constants.
pub(crate) fn link<'data>(
    data: &'data [u8],
    code: &ModuleCode,
) -> Result<Linked<'data>, LinkError> {
    let file = File::parse(data)?;
    let LaidOut {
        sections,
        size,
        align,
    } = lay_out(&file)?;
    let mut bytes = vec![0u8; size];
    for section in file.sections() {
        if let Some(&start) = sections.get(&section.index()) {
            let data = section.data()?;
            bytes[start..start + data.len()].copy_from_slice(data);
            for (at, relocation) in section.relocations() {
                let at = start + u64_to_usize(at);
                let value = resolve(&file, &sections, at, &relocation)?;
                let place = bytes.get_mut(at..at + 4).ok_or(LinkError::Distance)?;
                place.copy_from_slice(&value.to_le_bytes());
            }
        }
    }
    let allocation = code
        .allocate(size, align, CodePurpose::Better)
        .map_err(LinkError::Memory)?;
    // SAFETY: the allocation is ours, and as large as this.
    unsafe {
        allocation
            .writable
            .copy_from_nonoverlapping(bytes.as_ptr(), size);
    }
    let functions = functions(&file, &sections, allocation.executable.addr());
    Ok(Linked {
        file,
        allocation,
        sections,
        functions,
    })
}

/// Where an object's sections go.
struct LaidOut {
    /// Where each is, from the start of the allocation.
    sections: HashMap<SectionIndex, usize>,
    /// Bytes of all of them.
    size: usize,
    align: usize,
}

/// Where the sections go: code first, then constants.
fn lay_out(file: &File<'_>) -> Result<LaidOut, LinkError> {
    let mut places = HashMap::new();
    let (mut end, mut align) = (0usize, 16usize);
    for wanted in [SectionKind::Text, SectionKind::ReadOnlyData] {
        for section in file.sections() {
            let kind = match section.kind() {
                SectionKind::ReadOnlyString => SectionKind::ReadOnlyData,
                kind => kind,
            };
            if kind != wanted || section.size() == 0 || is_unwind_table(&section) {
                continue;
            }
            let start = end.next_multiple_of(u64_to_usize(section.align().max(1)));
            places.insert(section.index(), start);
            align = align.max(u64_to_usize(section.align()));
            end = start + u64_to_usize(section.size());
        }
    }
    for section in file.sections() {
        let is_loaded = matches!(section.flags(), SectionFlags::Elf { sh_flags }
            if sh_flags & u64::from(object::elf::SHF_ALLOC) != 0);
        let placed = places.contains_key(&section.index());
        if is_loaded && section.size() > 0 && !placed && !is_unwind_table(&section) {
            return Err(LinkError::Writable(
                section.name().unwrap_or_default().to_owned(),
            ));
        }
    }
    Ok(LaidOut {
        sections: places,
        size: end,
        align,
    })
}

/// Nobody unwinds our frames.
fn is_unwind_table<'data>(section: &impl ObjectSection<'data>) -> bool {
    section.name().is_ok_and(|name| name == ".eh_frame")
}

/// The value of a relocation at `at`, in bytes from the start of the allocation.
fn resolve(
    file: &File<'_>,
    sections: &HashMap<SectionIndex, usize>,
    at: usize,
    relocation: &Relocation,
) -> Result<i32, LinkError> {
    match relocation.flags() {
        RelocationFlags::Elf {
            r_type: R_X86_64_PC32 | R_X86_64_PLT32,
        } => {}
        other => return Err(LinkError::Relocation(other)),
    }
    let RelocationTarget::Symbol(index) = relocation.target() else {
        return Err(LinkError::Relocation(relocation.flags()));
    };
    let symbol = file.symbol_by_index(index)?;
    let place = symbol
        .section_index()
        .and_then(|section| sections.get(&section))
        .ok_or_else(|| LinkError::Symbol(symbol.name().unwrap_or_default().to_owned()))?;
    // In memory, and so below 2^63.
    let target = (to_u64(*place) + symbol.address()).cast_signed();
    let distance = target + relocation.addend() - to_u64(at).cast_signed();
    i32::try_from(distance).map_err(|_| LinkError::Distance)
}

fn functions(
    file: &File<'_>,
    sections: &HashMap<SectionIndex, usize>,
    executable: usize,
) -> Vec<LinkedFunction> {
    let mut functions: Vec<LinkedFunction> = file
        .symbols()
        .filter(|symbol| symbol.kind() == SymbolKind::Text && symbol.size() > 0)
        .filter_map(|symbol| {
            let place = sections.get(&symbol.section_index()?)?;
            Some(LinkedFunction {
                name: symbol.name().ok()?.to_owned(),
                address: executable + place + u64_to_usize(symbol.address()),
                len: u64_to_usize(symbol.size()),
            })
        })
        .collect();
    functions.sort_by_key(|function| function.address);
    debug_assert!(functions.is_sorted_by(|a, b| a.end() <= b.address));
    functions
}
