//! Questions about a module that go beyond its plain data: those of an inspector or a backtrace.

use crate::{Export, ExternType, Import, Module};

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
    pub fn function_name(&self, index: u32) -> Option<&str> {
        self.names
            .function(index)
            .or_else(|| self.exported_function_name(index))
            .or_else(|| self.imported_function_name(index))
    }

    pub(crate) fn exported_function_name(&self, index: u32) -> Option<&str> {
        Some(&self.names.first_export(&self.exports, index)?.name)
    }

    fn imported_function_name(&self, index: u32) -> Option<&str> {
        Some(&self.names.import(&self.imports, index)?.name)
    }

    /// The contents of the custom sections of this name, in the module's order.
    pub fn custom_sections_named(&self, name: &str) -> impl Iterator<Item = &[u8]> {
        self.custom_sections
            .iter()
            .filter(move |section| section.name.as_ref() == name)
            .map(|section| &self.bytes[section.range.clone()])
    }

    /// Bytes of the body of defined function number `defined` (not counting imports), local declarations
    /// included.
    ///
    /// # Panics
    /// When there is no such function.
    #[must_use]
    pub fn code_size(&self, defined: u32) -> usize {
        self.bodies[defined as usize].range.len()
    }

    /// Bytes of all bodies.
    #[must_use]
    pub fn total_code_size(&self) -> usize {
        self.bodies.iter().map(|body| body.range.len()).sum()
    }

    /// The defined function whose body holds the byte at `offset` of the binary: its index, imports
    /// included.
    #[must_use]
    pub fn function_at(&self, offset: usize) -> Option<u32> {
        // Bodies are in the order of the binary.
        let defined = self.bodies.partition_point(|body| body.range.end <= offset);
        let body = self.bodies.get(defined)?;
        body.range
            .contains(&offset)
            .then_some(self.imported.functions + defined as u32)
    }
}
