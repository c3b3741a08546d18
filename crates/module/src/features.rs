//! Which proposals beyond the first release of WebAssembly a module may use.
//! Everything that has no switch here (64-bit memories, threads, tail calls, exceptions, GC) is rejected.

use wasmparser::WasmFeatures;

/// The proposals that a module may use, one switch each.
///
/// ```
/// use upshift_module::{Features, Module};
///
/// let two_memories = b"(module (memory 1) (memory 1))";
/// assert!(Module::validate(two_memories, &Features::all()).is_ok());
/// let error = Module::validate(two_memories, &Features::wasm_2_0()).unwrap_err();
/// assert!(error.to_string().contains("`multi_memory`"), "{error}");
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Features {
    /// Import and export of globals that can be assigned.
    pub mutable_globals: bool,
    /// Conversions from float to integer that saturate where the plain ones trap (`i32.trunc_sat_f32_s`).
    pub saturating_float_to_int: bool,
    /// Operators that extend the sign of the low bits of an integer (`i32.extend8_s`).
    pub sign_extension: bool,
    /// Functions and blocks with several results, blocks with parameters.
    pub multi_value: bool,
    /// Copying and filling of memories and tables, passive segments.
    pub bulk_memory: bool,
    /// `externref`, references as values, several tables, operators on tables.
    pub reference_types: bool,
    /// `v128` and the operators on it.
    pub simd: bool,
    /// More than one memory in a module. Not part of WebAssembly 2.0.
    pub multi_memory: bool,
    /// Addition, subtraction and multiplication of integers in constant expressions. Not part of
    /// WebAssembly 2.0.
    pub extended_const: bool,
}

/// One field of [`Features`], as data.
pub(crate) struct Switch {
    /// The field's name.
    pub name: &'static str,
    /// Its flag in the validator.
    pub flag: WasmFeatures,
    /// Reads and writes the field.
    pub field: fn(&mut Features) -> &mut bool,
}

/// Every switch of [`Features`].
pub(crate) const SWITCHES: [Switch; 9] = [
    Switch {
        name: "mutable_globals",
        flag: WasmFeatures::MUTABLE_GLOBAL,
        field: |features| &mut features.mutable_globals,
    },
    Switch {
        name: "saturating_float_to_int",
        flag: WasmFeatures::SATURATING_FLOAT_TO_INT,
        field: |features| &mut features.saturating_float_to_int,
    },
    Switch {
        name: "sign_extension",
        flag: WasmFeatures::SIGN_EXTENSION,
        field: |features| &mut features.sign_extension,
    },
    Switch {
        name: "multi_value",
        flag: WasmFeatures::MULTI_VALUE,
        field: |features| &mut features.multi_value,
    },
    Switch {
        name: "bulk_memory",
        flag: WasmFeatures::BULK_MEMORY,
        field: |features| &mut features.bulk_memory,
    },
    Switch {
        name: "reference_types",
        flag: WasmFeatures::REFERENCE_TYPES,
        field: |features| &mut features.reference_types,
    },
    Switch {
        name: "simd",
        flag: WasmFeatures::SIMD,
        field: |features| &mut features.simd,
    },
    Switch {
        name: "multi_memory",
        flag: WasmFeatures::MULTI_MEMORY,
        field: |features| &mut features.multi_memory,
    },
    Switch {
        name: "extended_const",
        flag: WasmFeatures::EXTENDED_CONST,
        field: |features| &mut features.extended_const,
    },
];

impl Features {
    /// The first release: nothing switched on.
    #[must_use]
    pub const fn mvp() -> Self {
        Self {
            mutable_globals: false,
            saturating_float_to_int: false,
            sign_extension: false,
            multi_value: false,
            bulk_memory: false,
            reference_types: false,
            simd: false,
            multi_memory: false,
            extended_const: false,
        }
    }

    /// Exactly WebAssembly 2.0.
    #[must_use]
    pub const fn wasm_2_0() -> Self {
        Self {
            multi_memory: false,
            extended_const: false,
            ..Self::all()
        }
    }

    /// Everything that this engine implements. The default.
    #[must_use]
    pub const fn all() -> Self {
        Self {
            mutable_globals: true,
            saturating_float_to_int: true,
            sign_extension: true,
            multi_value: true,
            bulk_memory: true,
            reference_types: true,
            simd: true,
            multi_memory: true,
            extended_const: true,
        }
    }

    /// The switches that are off.
    pub(crate) fn switched_off(mut self) -> impl Iterator<Item = &'static Switch> {
        SWITCHES
            .iter()
            .filter(move |switch| !*(switch.field)(&mut self))
    }

    /// These features with one more.
    pub(crate) fn with(mut self, switch: &Switch) -> Self {
        *(switch.field)(&mut self) = true;
        self
    }
}

impl Default for Features {
    fn default() -> Self {
        Self::all()
    }
}

impl From<&Features> for WasmFeatures {
    fn from(features: &Features) -> Self {
        let mut features = *features;
        // The MVP has floats. `GC_TYPES` is no proposal: it allows `externref` where reference types do.
        let base = Self::FLOATS | Self::GC_TYPES;
        SWITCHES
            .iter()
            .filter(|switch| *(switch.field)(&mut features))
            .fold(base, |flags, switch| flags | switch.flag)
    }
}

impl From<Features> for WasmFeatures {
    fn from(features: Features) -> Self {
        Self::from(&features)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn presets_are_the_releases_of_the_specification() {
        assert_eq!(WasmFeatures::from(Features::mvp()), WasmFeatures::MVP);
        assert_eq!(
            WasmFeatures::from(Features::wasm_2_0()),
            WasmFeatures::WASM2
        );
        assert_eq!(
            WasmFeatures::from(Features::default()),
            WasmFeatures::WASM2 | WasmFeatures::MULTI_MEMORY | WasmFeatures::EXTENDED_CONST
        );
    }

    #[test]
    fn each_switch_turns_on_its_own_field_and_flag() {
        assert_eq!(Features::mvp().switched_off().count(), SWITCHES.len());
        assert_eq!(Features::all().switched_off().count(), 0);
        for switch in &SWITCHES {
            let one = Features::mvp().with(switch);
            assert_eq!(
                one.switched_off().count(),
                SWITCHES.len() - 1,
                "{}",
                switch.name
            );
            assert_eq!(
                WasmFeatures::from(one),
                WasmFeatures::MVP | switch.flag,
                "{}",
                switch.name
            );
            let field = format!("{}: true", switch.name);
            assert!(
                format!("{one:?}").contains(&field),
                "{one:?} has no {field}"
            );
        }
    }
}
