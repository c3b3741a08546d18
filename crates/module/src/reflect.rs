//! Questions about a module that go beyond its plain data: those of an inspector or a backtrace.

use crate::{DefinedFuncIndex, EntityRef, Export, ExternType, FuncIndex, Import, Module};

impl Module {
    /// The type of an import.
    ///
    /// # Panics
    /// When the import is not of this module.
    #[must_use]
    pub fn import_type(&self, import: &Import) -> ExternType {
        self.entity_type(import.entity)
    }

    /// The type of an export.
    ///
    /// # Panics
    /// When the export is not of this module.
    #[must_use]
    pub fn export_type(&self, export: &Export) -> ExternType {
        self.entity_type(export.entity)
    }

    /// The name of function `index` for people: the one in the name section, else the first export's, else
    /// the field name of its import.
    #[must_use]
    pub fn function_name(&self, index: FuncIndex) -> Option<&str> {
        self.names
            .function(index)
            .or_else(|| self.exported_function_name(index))
            .or_else(|| self.imported_function_name(index))
    }

    pub(crate) fn exported_function_name(&self, index: FuncIndex) -> Option<&str> {
        Some(&self.names.first_export(&self.exports, index)?.name)
    }

    fn imported_function_name(&self, index: FuncIndex) -> Option<&str> {
        Some(&self.names.import(&self.imports, index)?.name)
    }

    /// The contents of the custom sections of this name, in the module's order.
    pub fn custom_sections_named(&self, name: &str) -> impl Iterator<Item = &[u8]> {
        self.custom_sections
            .iter()
            .filter(move |section| section.name.as_ref() == name)
            .map(|section| &self.bytes[section.range.clone()])
    }

    /// Bytes of the body of a defined function, local declarations included.
    ///
    /// # Panics
    /// When there is no such function.
    #[must_use]
    pub fn code_size(&self, defined: DefinedFuncIndex) -> usize {
        self.bodies[defined].range.len()
    }

    /// Bytes of all bodies.
    #[must_use]
    pub fn total_code_size(&self) -> usize {
        self.bodies.values().map(|body| body.range.len()).sum()
    }

    /// The defined function whose body holds the byte at `offset` of the binary: its index, imports
    /// included.
    #[must_use]
    pub fn function_at(&self, offset: usize) -> Option<FuncIndex> {
        // Bodies are in the order of the binary.
        let bodies = self.bodies.as_values_slice();
        let defined = bodies.partition_point(|body| body.range.end <= offset);
        let body = bodies.get(defined)?;
        let is_inside = body.range.contains(&offset);
        is_inside.then(|| self.function_index(DefinedFuncIndex::new(defined)))
    }
}
