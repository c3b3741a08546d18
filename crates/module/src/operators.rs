//! Validation of one body, operator by operator, so that it can be ended in between. No operator takes long: a branch
//! table is validated once for each type of its labels.

use std::collections::HashSet;

use wasmparser::{
    BinaryReader, BlockType, FrameKind, FuncValidator, FunctionBody, ValidatorResources,
};

use crate::Stop;

/// Operators between two looks at whether to go on: some ten microseconds, a millisecond where each has a thousand values.
const OPERATORS_AT_A_TIME: usize = 256;

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
                Some(&BR_TABLE) => validate_table(validator, &mut reader)?,
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
) -> Result<(), wasmparser::Error> {
    let position = reader.original_position();
    let Some(shorter) = ShorterTable::of(validator, reader.clone()) else {
        return reader.visit_operator(&mut validator.visitor(position))?;
    };
    *reader = shorter.behind;
    let mut table = BinaryReader::new_features(&shorter.bytes, position, reader.features());
    table.visit_operator(&mut validator.visitor(position))?
}

/// A branch table that is valid if and only if a longer one is. A label that takes the values which an earlier one takes adds
/// nothing to what is asked of the operands.
struct ShorterTable<'a> {
    /// The operator.
    bytes: Vec<u8>,
    /// What follows the longer one.
    behind: BinaryReader<'a>,
}

impl<'a> ShorterTable<'a> {
    /// The one for the table at the reader's position. `None` where no label can be left out, and where the bytes are no table.
    fn of(
        validator: &FuncValidator<ValidatorResources>,
        mut reader: BinaryReader<'a>,
    ) -> Option<Self> {
        reader.read_u8().ok()?;
        let count = reader.read_var_u32().ok()?;
        let (mut labels, mut kept) = (Vec::new(), 0_u32);
        let mut seen = HashSet::new();
        for _ in 0..count {
            let depth = reader.read_var_u32().ok()?;
            let frame = validator.get_control_frame(usize::try_from(depth).ok()?)?;
            // Labels of other block types have one value at most.
            if let BlockType::FuncType(ty) = frame.block_type
                && !seen.insert((ty, frame.kind == FrameKind::Loop))
            {
                continue;
            }
            write_var_u32(&mut labels, depth);
            kept += 1;
        }
        if kept == count {
            return None;
        }
        let default = reader.read_var_u32().ok()?;
        let mut bytes = vec![BR_TABLE];
        write_var_u32(&mut bytes, kept);
        bytes.append(&mut labels);
        write_var_u32(&mut bytes, default);
        Some(Self {
            bytes,
            behind: reader,
        })
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
            // What is known needs no look at the flag.
            let again = module.validate_body_until(first(), stop);
            assert_eq!(again.is_ok(), is_valid);
        }
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
        // Behind what never ends, operands are whatever is asked for.
        assert_eq!(table("", "$wide", "unreachable"), Ok(()));
        assert_eq!(table("", "$wide", "unreachable (i64.const 2)"), Ok(()));
        assert_eq!(table("", "$wide", "unreachable (i32.const 2)"), invalid);
    }
}
