//! Reads a binary section by section, validating each before it is taken over.

use std::ops::Range;
use std::sync::Arc;

use wasmparser::{
    Chunk, DataKind, ElementKind, FromReader, Parser, Payload, SectionLimited, Validator,
    WasmFeatures,
};

use crate::bodies::{BodyRules, UncheckedBodies};
use crate::convert::{self, ConstError, NoCounterpart};
use crate::diagnose::{classify, decode};
use crate::error::Place;
use crate::names;
use crate::section::section_name;
use crate::{
    CustomSection, DataSegment, ElementItems, ElementSegment, Entity, Export, Features, FuncIndex,
    FunctionBody, Import, MemoryIndex, Module, ModuleError, ModuleErrorKind, Names, Section,
    SegmentMode, TableIndex, TypeIndex, Validation, to_usize,
};

type Result<T> = std::result::Result<T, ModuleError>;

/// A module being read.
pub(crate) struct Reader<'a> {
    bytes: &'a [u8],
    validator: Validator,
    parser: Parser,
    /// Where the next payload begins.
    position: usize,
    /// How many bodies of the code section are still to come.
    bodies_to_come: u32,
    /// The rules by which bodies are validated, once there are some.
    body_rules: Option<BodyRules>,
    name_section: Option<Range<usize>>,
    module: Module,
}

impl<'a> Reader<'a> {
    pub fn new(bytes: &'a [u8], features: &Features) -> Self {
        let flags = WasmFeatures::from(features);
        let mut parser = Parser::new(0);
        parser.set_features(flags);
        Self {
            bytes,
            validator: Validator::new_with_features(flags),
            parser,
            position: 0,
            bodies_to_come: 0,
            body_rules: None,
            name_section: None,
            module: Module::empty(*features),
        }
    }

    /// Reads and validates everything, or everything but the bodies. The module comes without its bytes and
    /// names.
    pub fn read(mut self, validation: Validation) -> Result<(Module, Option<Range<usize>>)> {
        loop {
            let payload = self.next_payload()?;
            if let Payload::End(offset) = payload {
                self.validator
                    .end(offset)
                    .map_err(|error| self.invalid(&error, "code"))?;
                break;
            }
            self.payload(payload)?;
        }
        match (self.body_rules.take(), validation) {
            (None, _) => {}
            (Some(rules), Validation::Whole) => {
                let name = |index| self.function_name(index);
                rules.validate_all(self.bytes, &self.module, name)?;
            }
            (Some(rules), Validation::BodiesWhenCompiled) => {
                let bodies = UncheckedBodies::new(rules, &self.module);
                self.module.unchecked_bodies = Some(bodies);
            }
        }
        self.module.sort_exports();
        Ok((self.module, self.name_section))
    }

    fn next_payload(&mut self) -> Result<Payload<'a>> {
        match self.parser.parse(&self.bytes[self.position..], true) {
            Ok(Chunk::Parsed { consumed, payload }) => {
                self.position += consumed;
                Ok(payload)
            }
            // Never returned for the end of the input, which this is.
            Ok(Chunk::NeedMoreData(_)) => Err(ModuleError::new(
                ModuleErrorKind::Malformed,
                "unexpected end-of-file",
                Some(self.bytes.len()),
                Place::default(),
            )),
            Err(error) => Err(classify(&error, None, self.place_of_parser())),
        }
    }

    /// The place where the parser stopped.
    fn place_of_parser(&self) -> Place {
        if self.bodies_to_come > 0 {
            return Place::function(self.next_body());
        }
        let id = if self.position == 0 {
            None
        } else {
            self.bytes.get(self.position)
        };
        Place {
            section: id.and_then(|&id| section_name(id)),
            ..Place::default()
        }
    }

    /// The function whose body comes next.
    fn next_body(&self) -> FuncIndex {
        self.module.function_index(self.module.bodies.next_key())
    }

    fn payload(&mut self, payload: Payload<'a>) -> Result<()> {
        match payload {
            Payload::Version {
                num,
                encoding,
                range,
            } => self
                .validator
                .version(num, encoding, &range)
                .map_err(|error| classify(&error, None, Place::default())),
            Payload::TypeSection(section) => {
                self.section("type", &section, Validator::type_section)?;
                self.module.types.reserve(to_usize(section.count()));
                self.each("type", section, |module, group| {
                    Ok(convert::func_types(&group, &mut module.types)?)
                })
            }
            Payload::ImportSection(section) => {
                self.section("import", &section, Validator::import_section)?;
                self.module.imports.reserve(to_usize(section.count()));
                self.imports(section)
            }
            Payload::FunctionSection(section) => {
                self.section("function", &section, Validator::function_section)?;
                self.module.functions.reserve(to_usize(section.count()));
                self.each("function", section, |module, ty| {
                    module.functions.push(TypeIndex::from_u32(ty));
                    Ok(())
                })
            }
            Payload::TableSection(section) => {
                self.section("table", &section, Validator::table_section)?;
                self.each("table", section, |module, table| {
                    module.tables.push(convert::table_type(&table.ty)?);
                    Ok(())
                })
            }
            Payload::MemorySection(section) => {
                self.section("memory", &section, Validator::memory_section)?;
                self.each("memory", section, |module, ty| {
                    module.memories.push(convert::memory_type(&ty)?);
                    Ok(())
                })
            }
            Payload::GlobalSection(section) => {
                self.section("global", &section, Validator::global_section)?;
                self.each("global", section, |module, global| {
                    module.globals.push(convert::global_type(global.ty)?);
                    module
                        .global_inits
                        .push(convert::const_expr(&global.init_expr)?);
                    Ok(())
                })
            }
            Payload::ExportSection(section) => {
                self.section("export", &section, Validator::export_section)?;
                self.module.exports.reserve(to_usize(section.count()));
                self.each("export", section, |module, export| {
                    module.exports.push(Export {
                        name: export.name.into(),
                        entity: convert::entity(export.kind, export.index)?,
                    });
                    Ok(())
                })
            }
            Payload::StartSection { func, range } => {
                self.note("start", range.clone());
                let valid = self.validator.start_section(func, &range);
                valid.map_err(|error| self.invalid(&error, "start"))?;
                self.module.start = Some(FuncIndex::from_u32(func));
                Ok(())
            }
            Payload::ElementSection(section) => {
                self.section("element", &section, Validator::element_section)?;
                self.each("element", section, |module, element| {
                    module.elements.push(element_segment(element)?);
                    Ok(())
                })
            }
            Payload::DataCountSection { count, range } => {
                self.note("data count", range.clone());
                let valid = self.validator.data_count_section(count, &range);
                valid.map_err(|error| self.invalid(&error, "data count"))
            }
            Payload::CodeSectionStart {
                count,
                unchecked_range,
                ..
            } => {
                self.note("code", unchecked_range.clone());
                let valid = self.validator.code_section_start(&unchecked_range);
                valid.map_err(|error| self.invalid(&error, "code"))?;
                self.bodies_to_come = count;
                // Each body takes two bytes at least: a count that the file can't hold reserves nothing.
                let possible = (self.bytes.len() - self.position) / 2;
                self.module.bodies.reserve(to_usize(count).min(possible));
                Ok(())
            }
            Payload::CodeSectionEntry(body) => self.body(body),
            Payload::DataSection(section) => {
                self.section("data", &section, Validator::data_section)?;
                self.each("data", section, |module, data| {
                    module.data.push(data_segment(data)?);
                    Ok(())
                })
            }
            Payload::CustomSection(section) => {
                self.note("custom", section.range());
                let range = place(section.data_range());
                if section.name() == "name" && self.name_section.is_none() {
                    self.name_section = Some(range.clone());
                }
                self.module.custom_sections.push(CustomSection {
                    name: section.name().into(),
                    range,
                });
                Ok(())
            }
            // The rest (tags, sections of no known id) the validator rejects.
            other => {
                let valid = self.validator.payload(&other).map(drop);
                valid.map_err(|error| classify(&error, None, Place::default()))
            }
        }
    }

    /// Notes where a section is, checks that its count can be true, and validates it.
    fn section<T: FromReader<'a>>(
        &mut self,
        name: &'static str,
        section: &SectionLimited<'a, T>,
        validate: impl FnOnce(
            &mut Validator,
            &SectionLimited<'a, T>,
        ) -> std::result::Result<(), wasmparser::Error>,
    ) -> Result<()> {
        let range = section.range();
        self.note(name, range.clone());
        // Room is reserved for as many items as a section declares: it must have a byte for each.
        let start = section.original_position();
        if u64::from(section.count()) > range.end - start {
            return Err(ModuleError::new(
                ModuleErrorKind::Malformed,
                format!(
                    "unexpected end of section: {} entries declared, {} bytes left",
                    section.count(),
                    range.end - start
                ),
                usize::try_from(start).ok(),
                Place::section(name),
            ));
        }
        validate(&mut self.validator, section)
            .map_err(|error| classify(&error, Some(decode(section)), Place::section(name)))
    }

    /// Takes over each item of a section that has been validated.
    fn each<T: FromReader<'a>>(
        &mut self,
        name: &'static str,
        section: SectionLimited<'a, T>,
        mut take: impl FnMut(&mut Module, T) -> std::result::Result<(), ConstError>,
    ) -> Result<()> {
        for item in section.into_iter_with_offsets() {
            let (offset, item) =
                item.map_err(|error| classify(&error, None, Place::section(name)))?;
            take(&mut self.module, item).map_err(|error| match error {
                ConstError::Read(error) => classify(&error, None, Place::section(name)),
                ConstError::Operator(NoCounterpart(proposal)) => ModuleError::new(
                    ModuleErrorKind::Unsupported {
                        proposal,
                        switch: None,
                    },
                    "not supported",
                    usize::try_from(offset).ok(),
                    Place::section(name),
                ),
            })?;
        }
        Ok(())
    }

    fn imports(&mut self, section: wasmparser::ImportSectionReader<'a>) -> Result<()> {
        self.each("import", section, |module, group| {
            for import in group {
                let (_, import) = import.map_err(ConstError::Read)?;
                let entity = match import.ty {
                    wasmparser::TypeRef::Func(ty) => {
                        Entity::Func(module.functions.push(TypeIndex::from_u32(ty)))
                    }
                    wasmparser::TypeRef::Table(ty) => {
                        Entity::Table(module.tables.push(convert::table_type(&ty)?))
                    }
                    wasmparser::TypeRef::Memory(ty) => {
                        Entity::Memory(module.memories.push(convert::memory_type(&ty)?))
                    }
                    wasmparser::TypeRef::Global(ty) => {
                        Entity::Global(module.globals.push(convert::global_type(ty)?))
                    }
                    wasmparser::TypeRef::Tag(_) => return Err(NoCounterpart("exceptions").into()),
                    wasmparser::TypeRef::FuncExact(_) => {
                        return Err(NoCounterpart("custom descriptors").into());
                    }
                };
                convert::count_import(&mut module.imported, entity);
                module.imports.push(Import {
                    module: import.module.into(),
                    name: import.name.into(),
                    entity,
                });
            }
            Ok(())
        })
    }

    fn body(&mut self, body: wasmparser::FunctionBody<'a>) -> Result<()> {
        let function = self.next_body();
        let validation = self
            .validator
            .code_section_entry(&body)
            .map_err(|error| classify(&error, Some(Ok(())), Place::function(function)))?;
        self.bodies_to_come -= 1;
        self.module.bodies.push(FunctionBody {
            range: place(body.range()),
        });
        self.body_rules
            .get_or_insert_with(|| BodyRules::new(validation));
        Ok(())
    }

    fn note(&mut self, name: &'static str, range: Range<u64>) {
        self.module.sections.push(Section {
            name,
            range: place(range),
        });
    }

    /// The error of something that could be decoded.
    fn invalid(&self, error: &wasmparser::Error, section: &'static str) -> ModuleError {
        classify(error, Some(Ok(())), Place::section(section))
    }

    fn function_name(&self, index: FuncIndex) -> Option<&str> {
        self.name_section
            .clone()
            .and_then(|range| names::function_name(&self.bytes[range], index))
            .or_else(|| self.module.exported_function_name(index))
    }
}

fn element_segment(
    element: wasmparser::Element<'_>,
) -> std::result::Result<ElementSegment, ConstError> {
    let mode = match element.kind {
        ElementKind::Passive => SegmentMode::Passive,
        ElementKind::Declared => SegmentMode::Declared,
        ElementKind::Active {
            table_index,
            offset_expr,
        } => SegmentMode::Active {
            index: TableIndex::from_u32(table_index.unwrap_or(0)),
            offset: convert::const_expr(&offset_expr)?,
        },
    };
    let (ty, items) = match element.items {
        wasmparser::ElementItems::Functions(items) => {
            let items = items
                .into_iter()
                .map(|item| item.map(FuncIndex::from_u32))
                .collect::<std::result::Result<_, _>>();
            (
                crate::ValType::FuncRef,
                ElementItems::Functions(items.map_err(ConstError::Read)?),
            )
        }
        wasmparser::ElementItems::Expressions(ty, items) => {
            let items = items
                .into_iter()
                .map(|item| convert::const_expr(&item.map_err(ConstError::Read)?))
                .collect::<std::result::Result<_, _>>()?;
            (convert::ref_type(ty)?, ElementItems::Expressions(items))
        }
    };
    Ok(ElementSegment { mode, ty, items })
}

fn data_segment(data: wasmparser::Data<'_>) -> std::result::Result<DataSegment, ConstError> {
    let mode = match data.kind {
        DataKind::Passive => SegmentMode::Passive,
        DataKind::Active {
            memory_index,
            offset_expr,
        } => SegmentMode::Active {
            index: MemoryIndex::from_u32(memory_index),
            offset: convert::const_expr(&offset_expr)?,
        },
    };
    // A segment ends with its bytes.
    let end = place(data.range.clone()).end;
    Ok(DataSegment {
        mode,
        range: end - data.data.len()..end,
    })
}

/// A place in the binary, which is in memory.
fn place(range: Range<u64>) -> Range<usize> {
    let to_usize = |offset| usize::try_from(offset).expect("offsets in memory fit");
    to_usize(range.start)..to_usize(range.end)
}

impl Module {
    /// A module with nothing in it.
    fn empty(features: Features) -> Self {
        Self {
            bytes: Arc::default(),
            features,
            types: Default::default(),
            imports: Default::default(),
            functions: Default::default(),
            tables: Default::default(),
            memories: Default::default(),
            globals: Default::default(),
            imported: Default::default(),
            global_inits: Default::default(),
            exports: Default::default(),
            start: None,
            elements: Default::default(),
            data: Default::default(),
            bodies: Default::default(),
            names: Names::default(),
            custom_sections: Default::default(),
            sections: Default::default(),
            exports_by_name: Default::default(),
            unchecked_bodies: None,
        }
    }

    fn sort_exports(&mut self) {
        let exports = &self.exports;
        self.exports_by_name = (0..).take(exports.len()).collect();
        self.exports_by_name
            .sort_unstable_by(|&a, &b| exports[to_usize(a)].name.cmp(&exports[to_usize(b)].name));
    }
}
