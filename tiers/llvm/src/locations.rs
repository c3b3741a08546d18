//! From an instruction to the operators of WebAssembly that it was made for, inlined calls included: DWARF
//! line tables whose lines are offsets in the module, kept as LLVM wrote them and read when a backtrace is
//! wanted.

use std::collections::HashMap;
use std::fmt;

use addr2line::gimli::{self, Dwarf, EndianSlice, LittleEndian};
use object::read::{Object, ObjectSection, ObjectSymbol, RelocationTarget, SectionIndex};
use upshift_module::{ModuleOffset, to_u64, u64_to_usize};
use upshift_runtime::InlinedFrames;

use crate::link::Linked;

type Reader<'a> = EndianSlice<'a, LittleEndian>;

/// The debug sections of an object, with the addresses of its code filled in.
pub(crate) struct Locations {
    sections: HashMap<String, Box<[u8]>>,
}

impl Locations {
    /// Takes the debug sections of a linked object. Unreadable parts are missing from backtraces.
    pub fn new(linked: &Linked<'_>) -> Self {
        let executable = to_u64(linked.allocation.executable.addr());
        let address_of = |section: SectionIndex| -> u64 {
            let place = linked.sections.get(&section);
            place.map_or(0, |&place| executable + to_u64(place))
        };
        let sections = linked
            .file
            .sections()
            .filter_map(|section| {
                let name = section.name().ok()?;
                if !name.starts_with(".debug_") {
                    return None;
                }
                let mut data = section.uncompressed_data().ok()?.into_owned();
                for (at, relocation) in section.relocations() {
                    let RelocationTarget::Symbol(index) = relocation.target() else {
                        continue;
                    };
                    let symbol = linked.file.symbol_by_index(index).ok()?;
                    let start = symbol.section_index().map_or(0, address_of);
                    let value = start
                        .wrapping_add(symbol.address())
                        .wrapping_add_signed(relocation.addend());
                    let bytes = usize::from(relocation.size() / 8);
                    let at = u64_to_usize(at);
                    data.get_mut(at..at + bytes)?
                        .copy_from_slice(value.to_le_bytes().get(..bytes)?);
                }
                Some((name.to_owned(), data.into()))
            })
            .collect();
        Self { sections }
    }

    fn frames(&self, pc: u64) -> Result<Vec<u32>, gimli::Error> {
        let load = |id: gimli::SectionId| -> Result<Reader<'_>, gimli::Error> {
            let data = self.sections.get(id.name());
            Ok(EndianSlice::new(
                data.map_or(&[], |data| data),
                LittleEndian,
            ))
        };
        let context = addr2line::Context::from_dwarf(Dwarf::load(load)?)?;
        let mut frames = context.find_frames(pc).skip_all_loads()?;
        let mut offsets = Vec::new();
        while let Some(frame) = frames.next()? {
            if let Some(line) = frame.location.and_then(|location| location.line) {
                offsets.push(line);
            }
        }
        Ok(offsets)
    }
}

impl InlinedFrames for Locations {
    fn module_offsets_at(&self, pc: usize) -> Vec<ModuleOffset> {
        let lines = self.frames(to_u64(pc)).unwrap_or_default();
        lines.into_iter().map(ModuleOffset::new).collect()
    }
}

impl fmt::Debug for Locations {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let bytes: usize = self.sections.values().map(|data| data.len()).sum();
        f.debug_struct("Locations").field("bytes", &bytes).finish()
    }
}
