//! Names for people, of no meaning to the program: those of the name section (specification 2.0, clause 7.4.1), and which
//! export or import a function has its name from without one.
//!
//! They are wanted only for a backtrace or for reflection, so the section is decoded at the first question,
//! and names stay where they are in the binary. A malformed section is no error: names before the
//! mistake count.

use std::fmt;
use std::ops::Range;
use std::sync::Arc;

use once_cell::race::OnceBox;
use wasmparser::{BinaryReader, Name, NameMap, NameSectionReader};

use crate::{Entity, EntityRef, Export, FuncIndex, Import};

/// The names that a module's name section gives.
#[derive(Default)]
pub struct Names {
    /// The module's binary, and where in it the contents of the name section are.
    section: Option<(Arc<Vec<u8>>, Range<usize>)>,
    /// Threads that race decode it each, here and below: in the child of a fork nobody waits for a thread that is not there.
    decoded: OnceBox<Decoded>,
    /// Functions that are exported, in order, and the first export of each.
    exported: OnceBox<Vec<(FuncIndex, usize)>>,
    /// The import of each imported function.
    imported: OnceBox<Vec<usize>>,
}

/// Where the names are, relative to the section.
#[derive(Default)]
struct Decoded {
    module: Option<Range<usize>>,
    /// Ordered by function index.
    functions: Vec<(FuncIndex, Range<usize>)>,
}

impl Names {
    /// The names in the name section whose contents are at `range` of `bytes`.
    pub(crate) fn new(bytes: Arc<Vec<u8>>, range: Range<usize>) -> Self {
        Self {
            section: Some((bytes, range)),
            ..Self::default()
        }
    }

    /// The module's own name.
    #[must_use]
    pub fn module(&self) -> Option<&str> {
        self.text(self.decoded().module.clone()?)
    }

    /// The name of function `index`, imports included.
    #[must_use]
    pub fn function(&self, index: FuncIndex) -> Option<&str> {
        let functions = &self.decoded().functions;
        let position = functions
            .binary_search_by_key(&index, |(index, _)| *index)
            .ok()?;
        self.text(functions[position].1.clone())
    }

    /// All function names with their index, by index.
    pub fn functions(&self) -> impl Iterator<Item = (FuncIndex, &str)> {
        self.decoded()
            .functions
            .iter()
            .filter_map(|(index, range)| Some((*index, self.text(range.clone())?)))
    }

    /// The first of these exports, which are the module's, that is of function `index`.
    pub(crate) fn first_export<'a>(
        &self,
        exports: &'a [Export],
        index: FuncIndex,
    ) -> Option<&'a Export> {
        let exported = self.exported.get_or_init(|| {
            let functions = exports.iter().enumerate();
            let mut functions: Vec<_> = functions
                .filter_map(|(place, export)| match export.entity {
                    Entity::Func(function) => Some((function, place)),
                    _ => None,
                })
                .collect();
            functions.sort_unstable();
            functions.dedup_by_key(|(function, _)| *function);
            Box::new(functions)
        });
        let place = exported
            .binary_search_by_key(&index, |(function, _)| *function)
            .ok()?;
        exports.get(exported[place].1)
    }

    /// The one of these imports, which are the module's, that is of function `index`.
    pub(crate) fn import<'a>(&self, imports: &'a [Import], index: FuncIndex) -> Option<&'a Import> {
        let imported = self.imported.get_or_init(|| {
            let functions = imports.iter().enumerate();
            let functions = functions.filter(|(_, it)| matches!(it.entity, Entity::Func(_)));
            Box::new(functions.map(|(place, _)| place).collect())
        });
        imports.get(*imported.get(index.index())?)
    }

    fn decoded(&self) -> &Decoded {
        self.decoded
            .get_or_init(|| Box::new(Decoded::read(self.contents())))
    }

    fn contents(&self) -> &[u8] {
        self.section
            .as_ref()
            .and_then(|(bytes, range)| bytes.get(range.clone()))
            .unwrap_or(&[])
    }

    fn text(&self, range: Range<usize>) -> Option<&str> {
        std::str::from_utf8(self.contents().get(range)?).ok()
    }
}

impl fmt::Debug for Names {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Names")
            .field("section", &self.section.as_ref().map(|(_, range)| range))
            .field("decoded", &self.decoded.get().is_some())
            .finish()
    }
}

/// The name that the name section `contents` gives function `index`.
pub(crate) fn function_name(contents: &[u8], index: FuncIndex) -> Option<&str> {
    let decoded = Decoded::read(contents);
    let position = decoded
        .functions
        .binary_search_by_key(&index, |(index, _)| *index)
        .ok()?;
    std::str::from_utf8(contents.get(decoded.functions[position].1.clone())?).ok()
}

impl Decoded {
    /// Reads until the end or the first mistake.
    fn read(contents: &[u8]) -> Self {
        let mut decoded = Self::default();
        let mut subsections = NameSectionReader::new(BinaryReader::new(contents, 0));
        while let Some(Ok(subsection)) = subsections.next() {
            let read = match subsection {
                Name::Module { name, .. } => {
                    decoded.module = Some(place(contents, name));
                    Ok(())
                }
                // Subsections come at most once and names in order of index: `wasmparser` checks both.
                Name::Function(names) => decoded.read_functions(contents, names),
                _ => Ok(()),
            };
            if read.is_err() {
                break;
            }
        }
        decoded
    }

    fn read_functions(
        &mut self,
        contents: &[u8],
        names: NameMap<'_>,
    ) -> Result<(), wasmparser::Error> {
        for naming in names {
            let naming = naming?;
            // The section is not validated: it may name what no module has.
            if let Some(index) = FuncIndex::of_number(naming.index) {
                self.functions.push((index, place(contents, naming.name)));
            }
        }
        Ok(())
    }
}

/// Where in `contents` the string `name`, a part of it, is.
fn place(contents: &[u8], name: &str) -> Range<usize> {
    let start = name.as_ptr().addr() - contents.as_ptr().addr();
    start..start + name.len()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Features, Module};

    fn index(number: u32) -> FuncIndex {
        FuncIndex::from_u32(number)
    }

    fn names(contents: &[u8]) -> Names {
        Names::new(Arc::new(contents.to_vec()), 0..contents.len())
    }

    // Module "m"; functions 0 "a" and 2 "bc".
    const SECTION: &[u8] = b"\x00\x02\x01m\x01\x08\x02\x00\x01a\x02\x02bc";

    #[test]
    fn names_are_found_by_index() {
        let names = names(SECTION);
        assert_eq!(names.module(), Some("m"));
        assert_eq!(names.function(index(0)), Some("a"));
        assert_eq!(names.function(index(1)), None);
        assert_eq!(names.function(index(2)), Some("bc"));
        assert_eq!(
            names.functions().collect::<Vec<_>>(),
            [(index(0), "a"), (index(2), "bc")]
        );
        assert_eq!(function_name(SECTION, index(2)), Some("bc"));
        assert_eq!(function_name(SECTION, index(1)), None);
    }

    #[test]
    fn functions_without_a_name_have_that_of_their_first_export_or_import() {
        let text = br#"(module
            (import "a" "first" (func))
            (import "a" "memory" (memory 0))
            (import "a" "second" (func))
            (func (@name "own"))
            (func)
            (export "z" (func 3)) (export "memory" (memory 0)) (export "y" (func 3)) (export "x" (func 1)))"#;
        let module = Module::parse(text, &Features::all()).unwrap();
        let names: Vec<_> = (0..5)
            .map(|number| module.function_name(index(number)))
            .collect();
        assert_eq!(
            names,
            [Some("first"), Some("x"), Some("own"), Some("z"), None]
        );
    }

    #[test]
    fn what_precedes_a_mistake_counts() {
        // The last name claims three bytes of the two that are left.
        let mut broken = SECTION.to_vec();
        broken[11] = 3;
        let broken = names(&broken);
        assert_eq!(broken.module(), Some("m"));
        assert_eq!(broken.functions().collect::<Vec<_>>(), [(index(0), "a")]);
        for length in 0..SECTION.len() {
            let cut = names(&SECTION[..length]);
            assert_eq!(cut.module().is_some(), length >= 4, "{length} bytes");
            assert_eq!(cut.function(index(2)), None, "{length} bytes");
        }
        assert!(names(b"\x01\x01\xff").functions().next().is_none());
    }

    #[test]
    fn names_out_of_order_end_the_list() {
        let names = names(b"\x01\x07\x02\x05\x01a\x04\x01b");
        assert_eq!(names.functions().collect::<Vec<_>>(), [(index(5), "a")]);
    }

    #[test]
    fn a_broken_name_section_leaves_the_module_valid() {
        let mut binary = b"\0asm\x01\0\0\0\x00\x08\x04name\x01\x7f\x00".to_vec();
        let module = Module::parse(&binary, &Features::all()).unwrap();
        assert_eq!(module.names.function(index(0)), None);
        assert_eq!(module.custom_sections.len(), 1);
        binary.truncate(8);
        let module = Module::parse(&binary, &Features::all()).unwrap();
        assert_eq!(module.names.module(), None);
    }
}
