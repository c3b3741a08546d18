//! A function's body as a reader of operators: where it is in the module, its locals, and which loops
//! enclose a loop. Nothing here emits.

use upshift_module::{
    BodyError, DefinedFuncIndex, FuncIndex, FuncType, LocalIndex, LoopIndex, Module, ModuleOffset,
    PrimaryMap, Stop, ValType, to_u64, to_usize,
};
use wasmparser::{
    AbstractHeapType, BinaryReader, FunctionBody, HeapType, Operator, OperatorsReader,
};

use super::error::{TranslateError, TranslateProblem};
use crate::FunctionShape;

/// The most locals that a validated function has. Checked again, so that no body can ask for gigabytes.
const MAX_LOCALS: usize = 50_000;

/// A body to be read, from its module.
#[derive(Clone)]
pub(super) struct Body<'m> {
    /// The function.
    pub function: FuncIndex,
    /// The function's type.
    pub ty: &'m FuncType,
    code: FunctionBody<'m>,
}

impl<'m> Body<'m> {
    /// The body of a defined function. Validates it, if it has not been.
    pub fn new(module: &'m Module, defined: DefinedFuncIndex) -> Result<Self, TranslateError> {
        let function = module.function_index(defined);
        let missing = |space, index| {
            TranslateError::new(function, 0, TranslateProblem::UnknownIndex { space, index })
        };
        let no_function = || missing("function", function.as_u32());
        validate(module, defined, Stop::NEVER)?;
        let body = module.bodies.get(defined).ok_or_else(no_function)?;
        let range = body.range.clone();
        let start = to_u64(range.start);
        let bytes = module.bytes.get(range).ok_or_else(no_function)?;
        let type_index = *module.functions.get(function).ok_or_else(no_function)?;
        let ty = module.types.get(type_index);
        let ty = ty.ok_or_else(|| missing("type", type_index.as_u32()))?;
        // With the start as the reader's offset, all offsets are those of the module's file.
        let code = FunctionBody::new(BinaryReader::new(bytes, start));
        Ok(Self { function, ty, code })
    }

    /// Bytes of the body, locals included.
    pub fn size_in_bytes(&self) -> usize {
        self.code.as_bytes().len()
    }

    /// The types of all locals, parameters first.
    pub fn locals(&self) -> Result<PrimaryMap<LocalIndex, ValType>, TranslateError> {
        let malformed = |error| TranslateError::malformed(self.function, &error);
        let mut locals = self.ty.params().to_vec();
        for group in self.code.get_locals_reader().map_err(malformed)? {
            let (count, ty) = group.map_err(malformed)?;
            let ty = value_type(ty).ok_or_else(|| {
                let problem = TranslateProblem::Unsupported(format!("local of type {ty}"));
                TranslateError::new(self.function, self.code.range().start, problem)
            })?;
            let total = locals.len().saturating_add(to_usize(count));
            if total > MAX_LOCALS {
                let problem = TranslateProblem::Unsupported(format!("{total} locals"));
                return Err(TranslateError::new(
                    self.function,
                    self.code.range().start,
                    problem,
                ));
            }
            locals.resize(total, ty);
        }
        Ok(locals.into())
    }

    /// The operators.
    pub fn operators(&self) -> Result<OperatorsReader<'m>, TranslateError> {
        let reader = self.code.get_operators_reader();
        reader.map_err(|error| TranslateError::malformed(self.function, &error))
    }

    /// A loop and the loops that enclose it, inside out.
    pub fn enclosing_loops(&self, number: LoopIndex) -> Result<Vec<LoopIndex>, TranslateError> {
        let mut reader = self.operators()?;
        let mut open: Vec<Option<LoopIndex>> = Vec::new();
        let mut count = 0;
        while !reader.eof() {
            let operator = reader.read();
            match operator.map_err(|error| TranslateError::malformed(self.function, &error))? {
                Operator::Loop { .. } => {
                    let current = LoopIndex::from_u32(count);
                    open.push(Some(current));
                    if current == number {
                        return Ok(open.into_iter().rev().flatten().collect());
                    }
                    count += 1;
                }
                Operator::Block { .. } | Operator::If { .. } => open.push(None),
                Operator::End => _ = open.pop(),
                _ => {}
            }
        }
        let problem = TranslateProblem::NoSuchLoop(number);
        Err(TranslateError::new(
            self.function,
            self.code.range().start,
            problem,
        ))
    }
}

/// Validates the body of a defined function, if it has not been. A reader of a body does so by itself; a compile that may be
/// stopped does it first.
///
/// # Errors
/// When it is not valid, or `stop` ended validation.
pub fn validate(
    module: &Module,
    defined: DefinedFuncIndex,
    stop: Stop<'_>,
) -> Result<(), TranslateError> {
    module.validate_body_until(defined, stop).map_err(|error| {
        let function = module.function_index(defined);
        match error {
            BodyError::Invalid(error) => {
                let offset = to_u64(error.offset().unwrap_or_default());
                TranslateError::new(function, offset, TranslateProblem::Invalid(error))
            }
            BodyError::Stopped => TranslateError::new(function, 0, TranslateProblem::Stopped),
        }
    })
}

/// A loop of a defined function and the loops that enclose it, inside out.
///
/// # Errors
/// When the function has no such loop.
pub fn enclosing_loops(
    module: &Module,
    defined: DefinedFuncIndex,
    number: LoopIndex,
) -> Result<Vec<LoopIndex>, TranslateError> {
    Body::new(module, defined)?.enclosing_loops(number)
}

impl<'m> FunctionShape<'m> {
    /// The type and the locals of a defined function.
    ///
    /// # Errors
    /// When there is no such function, or its locals cannot be read.
    pub fn new(module: &'m Module, defined: DefinedFuncIndex) -> Result<Self, TranslateError> {
        let body = Body::new(module, defined)?;
        Ok(Self {
            ty: body.ty,
            locals: body.locals()?,
            start: ModuleOffset::new(
                u32::try_from(body.operators()?.original_position()).unwrap_or(u32::MAX),
            ),
        })
    }
}

/// The value type that the validator's stands for, if tiers know it.
pub(super) fn value_type(ty: wasmparser::ValType) -> Option<ValType> {
    Some(match ty {
        wasmparser::ValType::I32 => ValType::I32,
        wasmparser::ValType::I64 => ValType::I64,
        wasmparser::ValType::F32 => ValType::F32,
        wasmparser::ValType::F64 => ValType::F64,
        wasmparser::ValType::V128 => ValType::V128,
        wasmparser::ValType::Ref(reference) => reference_type(reference.heap_type())?,
    })
}

/// The type of references to a heap type, if tiers know it.
pub(super) fn reference_type(heap: HeapType) -> Option<ValType> {
    match heap {
        HeapType::Abstract {
            shared: false,
            ty: AbstractHeapType::Func,
        } => Some(ValType::FuncRef),
        HeapType::Abstract {
            shared: false,
            ty: AbstractHeapType::Extern,
        } => Some(ValType::ExternRef),
        _ => None,
    }
}
