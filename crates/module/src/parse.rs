//! The entrances: bytes in the binary or the text format to a [`Module`].

use std::path::Path;
use std::sync::Arc;

use crate::diagnose;
use crate::error::Place;
use crate::read::Reader;
use crate::{Features, Module, ModuleError, ModuleErrorKind, Names, Validation};

/// The start of a binary.
const MAGIC: &[u8] = b"\0asm";

impl Module {
    /// Reads and validates a module in the binary format or, when the bytes don't begin like that, in the
    /// text format.
    ///
    /// ```
    /// use upshift_module::{Entity, Features, FuncIndex, Module};
    ///
    /// let module = Module::parse(
    ///     br#"(module (func (export "twice") (param i32) (result i32)
    ///           (i32.shl (local.get 0) (i32.const 1))))"#,
    ///     &Features::default(),
    /// )?;
    /// let twice = FuncIndex::from_u32(0);
    /// assert_eq!(module.export("twice").unwrap().entity, Entity::Func(twice));
    /// assert_eq!(module.func_type(twice).to_string(), "(i32) -> (i32)");
    /// # Ok::<(), upshift_module::ModuleError>(())
    /// ```
    ///
    /// # Errors
    /// When the bytes are not a valid module that uses only `features`, or exceed a limit.
    pub fn parse(bytes: &[u8], features: &Features) -> Result<Self, ModuleError> {
        Self::parse_from(None, bytes, features)
    }

    /// The same; errors in the text format name the file.
    ///
    /// # Errors
    /// As [`Module::parse`].
    pub fn parse_named(
        path: &Path,
        bytes: &[u8],
        features: &Features,
    ) -> Result<Self, ModuleError> {
        Self::parse_from(Some(path), bytes, features)
    }

    fn parse_from(
        path: Option<&Path>,
        bytes: &[u8],
        features: &Features,
    ) -> Result<Self, ModuleError> {
        if is_binary(bytes) {
            Self::parse_binary(bytes, features)
        } else {
            Self::parse_binary(encode_text(path, bytes)?, features)
        }
    }

    /// Reads a module in the binary or the text format out of memory that becomes the module's: nothing is
    /// copied. Errors in the text format name `path`. Validates as much as `validation` says.
    ///
    /// ```
    /// use upshift_module::{DefinedFuncIndex, Features, Module, Validation};
    ///
    /// let text = b"(module (func) (func (result i32) i64.const 1))";
    /// let features = Features::default();
    /// let later = Validation::BodiesWhenCompiled;
    /// let module = Module::parse_owned(None, text.to_vec(), &features, later)?;
    /// let [first, second] = [0, 1].map(DefinedFuncIndex::from_u32);
    /// assert!(module.validate_body(first).is_ok());
    /// assert_eq!(module.validate_body(second).unwrap_err().function(), Some(1));
    /// # Ok::<(), upshift_module::ModuleError>(())
    /// ```
    ///
    /// # Errors
    /// As [`Module::parse`].
    pub fn parse_owned(
        path: Option<&Path>,
        bytes: Vec<u8>,
        features: &Features,
        validation: Validation,
    ) -> Result<Self, ModuleError> {
        if is_binary(&bytes) {
            Self::parse_owned_binary(bytes, features, validation)
        } else {
            Self::parse_owned_binary(encode_text(path, &bytes)?, features, validation)
        }
    }

    /// Reads and validates a module in the binary format.
    ///
    /// # Errors
    /// As [`Module::parse`]; text is malformed here.
    pub fn parse_binary(
        bytes: impl Into<Vec<u8>>,
        features: &Features,
    ) -> Result<Self, ModuleError> {
        Self::parse_owned_binary(bytes.into(), features, Validation::Whole)
    }

    /// The same as [`Module::parse_owned`], but text is malformed.
    ///
    /// # Errors
    /// As [`Module::parse_binary`].
    pub fn parse_owned_binary(
        bytes: Vec<u8>,
        features: &Features,
        validation: Validation,
    ) -> Result<Self, ModuleError> {
        let bytes = Arc::new(bytes);
        let (mut module, name_section) = read(&bytes, features, validation)?;
        if let Some(section) = name_section {
            module.names = Names::new(bytes.clone(), section);
        }
        module.bytes = bytes;
        Ok(module)
    }

    /// Tells whether the bytes are a valid module, in either format.
    ///
    /// # Errors
    /// As [`Module::parse`].
    pub fn validate(bytes: &[u8], features: &Features) -> Result<(), ModuleError> {
        if is_binary(bytes) {
            read(bytes, features, Validation::Whole).map(drop)
        } else {
            read(&encode_text(None, bytes)?, features, Validation::Whole).map(drop)
        }
    }
}

/// The module but for its bytes and names, and where the name section is.
fn read(
    bytes: &[u8],
    features: &Features,
    validation: Validation,
) -> Result<(Module, Option<std::ops::Range<usize>>), ModuleError> {
    if u32::try_from(bytes.len()).is_err() {
        return Err(ModuleError::new(
            ModuleErrorKind::TooLarge,
            format!(
                "a module has at most 4294967295 bytes, this one {}",
                bytes.len()
            ),
            Some(0),
            Place::default(),
        ));
    }
    Reader::new(bytes, features)
        .read(validation)
        .map_err(|error| diagnose::suggest_switch(bytes, features, error))
}

/// Whether the bytes are the start of a binary, or of nothing at all. No text begins with the character 0.
fn is_binary(bytes: &[u8]) -> bool {
    bytes.starts_with(&MAGIC[..1]) || bytes.is_empty()
}

fn encode_text(path: Option<&Path>, bytes: &[u8]) -> Result<Vec<u8>, ModuleError> {
    // No text has a zero byte, and most binaries of any kind do.
    let text = std::str::from_utf8(bytes)
        .ok()
        .filter(|text| !text.contains('\0'));
    let Some(text) = text else {
        let name = path
            .map(|path| format!("{}: ", path.display()))
            .unwrap_or_default();
        return Err(ModuleError::new(
            ModuleErrorKind::Malformed,
            format!(
                "{name}magic header not detected: a binary begins with the bytes 00 61 73 6d, \
                 and this is not UTF-8 text either"
            ),
            Some(0),
            Place::default(),
        ));
    };
    wat::Parser::new()
        .parse_str(path, text)
        .map_err(|error| ModuleError::text(error.to_string()))
}
