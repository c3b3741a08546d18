//! Validation of one body, operator by operator, so that it can be ended in between. Of a branch table, which may be as
//! long as a body, one label of each type is validated, and the others are read with looks at whether to go on.

use std::collections::HashSet;

use wasmparser::{
    BinaryReader, BlockType, Frame, FrameKind, FuncValidator, FunctionBody, ValType,
    ValidatorResources,
};

use crate::Stop;

/// Operators between two looks at whether to go on: some ten microseconds, a millisecond where each has a thousand values.
const OPERATORS_AT_A_TIME: usize = 256;

/// Labels of a branch table between two such looks: a tenth of a millisecond.
const LABELS_AT_A_TIME: u32 = 4096;

/// The opcode of `br_table`.
const BR_TABLE: u8 = 0x0e;

/// Why the validation of a body ended early.
pub(crate) enum Ended {
    /// The body is not valid.
    Invalid(wasmparser::Error),
    /// It was to be ended.
    Stopped,
}

impl From<wasmparser::Error> for Ended {
    fn from(error: wasmparser::Error) -> Self {
        Self::Invalid(error)
    }
}

/// Validates a body, the validator being that of its function.
pub(crate) fn validate_operators(
    validator: &mut FuncValidator<ValidatorResources>,
    body: &FunctionBody<'_>,
    stop: Stop<'_>,
) -> Result<(), Ended> {
    let mut reader = body.get_binary_reader();
    validator.read_locals(&mut reader)?;
    let bytes = body.as_bytes();
    while !reader.eof() {
        if stop.is_requested() {
            return Err(Ended::Stopped);
        }
        for _ in 0..OPERATORS_AT_A_TIME {
            match bytes.get(reader.current_position()) {
                None => break,
                Some(&BR_TABLE) => validate_table(validator, &mut reader, stop)?,
                Some(_) => {
                    let mut visitor = validator.visitor(reader.original_position());
                    reader.visit_operator(&mut visitor)??;
                }
            }
        }
    }
    let position = reader.original_position();
    Ok(reader.finish_expression(&validator.visitor(position))?)
}

/// Validates a branch table: the same table without labels of a type that an earlier one has.
fn validate_table(
    validator: &mut FuncValidator<ValidatorResources>,
    reader: &mut BinaryReader<'_>,
    stop: Stop<'_>,
) -> Result<(), Ended> {
    let position = reader.original_position();
    let Some(shorter) = ShorterTable::of(validator, reader.clone(), stop)? else {
        return Ok(reader.visit_operator(&mut validator.visitor(position))??);
    };
    *reader = shorter.behind;
    let mut table = BinaryReader::new_features(&shorter.bytes, position, reader.features());
    Ok(table.visit_operator(&mut validator.visitor(position))??)
}

/// A branch table that is valid if and only if a longer one is. A label that takes the values which an earlier one takes adds
/// nothing to the requirements on the operands.
struct ShorterTable<'a> {
    /// The operator.
    bytes: Vec<u8>,
    /// The bytes behind the longer one.
    behind: BinaryReader<'a>,
}

impl<'a> ShorterTable<'a> {
    /// The one for the table at the reader's position. `None` where no label can be left out, and where the bytes are no table.
    fn of(
        validator: &FuncValidator<ValidatorResources>,
        mut reader: BinaryReader<'a>,
        stop: Stop<'_>,
    ) -> Result<Option<Self>, Ended> {
        let is_table = reader.read_u8().is_ok();
        let Some(count) = reader.read_var_u32().ok().filter(|_| is_table) else {
            return Ok(None);
        };
        let (mut labels, mut kept) = (Vec::new(), 0_u32);
        let mut seen = HashSet::new();
        for label in 0..count {
            if label % LABELS_AT_A_TIME == LABELS_AT_A_TIME - 1 && stop.is_requested() {
                return Err(Ended::Stopped);
            }
            let Ok(depth) = reader.read_var_u32() else {
                return Ok(None);
            };
            let frame = usize::try_from(depth).ok();
            let Some(frame) = frame.and_then(|depth| validator.get_control_frame(depth)) else {
                return Ok(None);
            };
            if seen.insert(LabelType::of(frame)) {
                write_var_u32(&mut labels, depth);
                kept += 1;
            }
        }
        if kept == count {
            return Ok(None);
        }
        let Ok(default) = reader.read_var_u32() else {
            return Ok(None);
        };
        let mut bytes = vec![BR_TABLE];
        write_var_u32(&mut bytes, kept);
        bytes.append(&mut labels);
        write_var_u32(&mut bytes, default);
        let behind = reader;
        Ok(Some(Self { bytes, behind }))
    }
}

/// What a label takes, as far as it is told apart: types of functions by their numbers.
#[derive(PartialEq, Eq, Hash)]
enum LabelType {
    Nothing,
    One(ValType),
    ParametersOf(u32),
    ResultsOf(u32),
}

impl LabelType {
    fn of(frame: &Frame) -> Self {
        let is_loop = frame.kind == FrameKind::Loop;
        match frame.block_type {
            BlockType::Empty => Self::Nothing,
            BlockType::Type(_) if is_loop => Self::Nothing,
            BlockType::Type(ty) => Self::One(ty),
            BlockType::FuncType(ty) if is_loop => Self::ParametersOf(ty),
            BlockType::FuncType(ty) => Self::ResultsOf(ty),
        }
    }
}

/// Appends a number in LEB128 (specification 2.0, clause 5.2.2).
fn write_var_u32(bytes: &mut Vec<u8>, mut value: u32) {
    loop {
        let [low, ..] = value.to_le_bytes();
        value >>= 7;
        if value == 0 {
            bytes.push(low & 0x7f);
            return;
        }
        bytes.push(low | 0x80);
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::AtomicU32;

    use wasmparser::{FuncValidatorAllocations, Parser, ValidPayload, Validator};

    use super::{Ended, LABELS_AT_A_TIME, ShorterTable};
    use crate::{BodyError, DefinedFuncIndex, Features, Module, ModuleErrorKind, Stop, Validation};

    fn first() -> DefinedFuncIndex {
        DefinedFuncIndex::from_u32(0)
    }

    fn parse(text: &str) -> Module {
        let later = Validation::BodiesWhenCompiled;
        let bytes = text.as_bytes().to_vec();
        Module::parse_owned(None, bytes, &Features::all(), later).expect("valid but for bodies")
    }

    #[test]
    fn validation_that_is_ended_leaves_the_body_as_it_was() {
        for (body, is_valid) in [("i32.const 1", true), ("i64.const 1", false)] {
            let module = parse(&format!("(module (func (result i32) {body}))"));
            let flag = AtomicU32::new(1);
            let stop = Stop::when_set(&flag);
            for _ in 0..2 {
                let ended = module.validate_body_until(first(), stop);
                assert!(matches!(ended, Err(BodyError::Stopped)), "{ended:?}");
            }
            assert_eq!(module.validate_body(first()).is_ok(), is_valid);
            // A known result needs no look at the flag.
            let again = module.validate_body_until(first(), stop);
            assert_eq!(again.is_ok(), is_valid);
        }
    }

    #[test]
    fn a_long_table_is_read_with_looks_at_the_flag() {
        let flag = AtomicU32::new(1);
        let looks = |labels: u32| {
            let labels = "0 ".repeat(labels as usize);
            let text = format!("(module (func i32.const 0 br_table {labels}))");
            let module = parse(&text);
            let mut validator = Validator::new();
            for payload in Parser::new(0).parse_all(&module.bytes) {
                let valid = validator.payload(&payload.unwrap()).unwrap();
                if let ValidPayload::Func(function, body) = valid {
                    let mut validator =
                        function.into_validator(FuncValidatorAllocations::default());
                    let mut reader = body.get_binary_reader();
                    validator.read_locals(&mut reader).unwrap();
                    let position = reader.original_position();
                    let constant = reader.visit_operator(&mut validator.visitor(position));
                    constant.unwrap().unwrap();
                    let table = ShorterTable::of(&validator, reader, Stop::when_set(&flag));
                    return matches!(table, Err(Ended::Stopped));
                }
            }
            unreachable!("the module has a body")
        };
        assert!(!looks(LABELS_AT_A_TIME - 1));
        assert!(looks(LABELS_AT_A_TIME + 1));
    }

    /// A table of a hundred labels of one type, one before them and one behind.
    fn table(before: &str, behind: &str, operands: &str) -> Result<(), ModuleErrorKind> {
        let many = "$wide ".repeat(100);
        let module = parse(&format!(
            "(module (type $two (func (result i32 i64)))
               (func (result i32 i64)
                 (block $wide (type $two)
                   (block $narrow (result i32)
                     (loop $again (type $two)
                       {operands} (br_table {before} {many} {behind} (i32.const 0)))
                     unreachable)
                   unreachable)))"
        ));
        module.validate_body(first()).map_err(|error| error.kind())
    }

    #[test]
    fn tables_with_labels_left_out_are_as_valid_as_the_whole() {
        let two = "(i32.const 1) (i64.const 2)";
        assert_eq!(table("", "$wide", two), Ok(()));
        assert_eq!(
            table("1 1 1", "2", "unreachable"),
            Err(ModuleErrorKind::Invalid)
        );
        assert_eq!(table("", "3", two), Ok(()));
        let invalid = Err(ModuleErrorKind::Invalid);
        assert_eq!(table("", "$wide", "(i32.const 1)"), invalid);
        assert_eq!(table("", "$wide", "(i64.const 1) (i64.const 2)"), invalid);
        assert_eq!(table("$narrow", "$wide", two), invalid);
        assert_eq!(table("", "$narrow", two), invalid);
        assert_eq!(table("", "$again", two), invalid);
        assert_eq!(table("", "7", two), invalid);
        assert_eq!(table("7", "$wide", two), invalid);
        // Behind code that never ends, operands are of any type asked for.
        assert_eq!(table("", "$wide", "unreachable"), Ok(()));
        assert_eq!(table("", "$wide", "unreachable (i64.const 2)"), Ok(()));
        assert_eq!(table("", "$wide", "unreachable (i32.const 2)"), invalid);
    }
}
