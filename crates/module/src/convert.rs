//! From `wasmparser`'s types to our own. Everything here has been validated with our features, so
//! types without a counterpart can't come; if one does, that is an error and not a panic.

use wasmparser::Operator;

use crate::{
    ConstExpr, ConstOp, Entity, FuncIndex, FuncType, GlobalIndex, GlobalType, ImportCounts,
    MemoryIndex, MemoryType, PrimaryMap, TableIndex, TableType, TypeIndex, ValType,
};

/// Something that validation with our features should have rejected, by name.
pub(crate) struct NoCounterpart(pub &'static str);

type Result<T> = std::result::Result<T, NoCounterpart>;

/// A value type.
pub(crate) fn val_type(ty: wasmparser::ValType) -> Result<ValType> {
    Ok(match ty {
        wasmparser::ValType::I32 => ValType::I32,
        wasmparser::ValType::I64 => ValType::I64,
        wasmparser::ValType::F32 => ValType::F32,
        wasmparser::ValType::F64 => ValType::F64,
        wasmparser::ValType::V128 => ValType::V128,
        wasmparser::ValType::Ref(ty) => ref_type(ty)?,
    })
}

/// A reference type.
pub(crate) fn ref_type(ty: wasmparser::RefType) -> Result<ValType> {
    match ty {
        wasmparser::RefType::FUNCREF => Ok(ValType::FuncRef),
        wasmparser::RefType::EXTERNREF => Ok(ValType::ExternRef),
        _ => Err(NoCounterpart("typed references")),
    }
}

/// The function types of a group of types, which without GC has one member.
pub(crate) fn func_types(
    group: &wasmparser::RecGroup,
    into: &mut PrimaryMap<TypeIndex, FuncType>,
) -> Result<()> {
    for ty in group.types() {
        let wasmparser::CompositeInnerType::Func(ty) = &ty.composite_type.inner else {
            return Err(NoCounterpart("types other than functions"));
        };
        let list = |types: &[wasmparser::ValType]| {
            types
                .iter()
                .map(|&ty| val_type(ty))
                .collect::<Result<Vec<_>>>()
        };
        into.push(FuncType::new(list(ty.params())?, list(ty.results())?));
    }
    Ok(())
}

/// A table's type.
pub(crate) fn table_type(ty: &wasmparser::TableType) -> Result<TableType> {
    let size = |size: u64| u32::try_from(size).map_err(|_| NoCounterpart("64-bit tables"));
    Ok(TableType {
        element: ref_type(ty.element_type)?,
        minimum: size(ty.initial)?,
        maximum: ty.maximum.map(size).transpose()?,
    })
}

/// A memory's type.
pub(crate) fn memory_type(ty: &wasmparser::MemoryType) -> Result<MemoryType> {
    if ty.memory64 || ty.shared || ty.page_size_log2.is_some() {
        return Err(NoCounterpart("memories that are not plain 32-bit ones"));
    }
    Ok(MemoryType {
        minimum: ty.initial,
        maximum: ty.maximum,
    })
}

/// A global's type.
pub(crate) fn global_type(ty: wasmparser::GlobalType) -> Result<GlobalType> {
    Ok(GlobalType {
        content: val_type(ty.content_type)?,
        mutable: ty.mutable,
    })
}

/// The exported object.
pub(crate) fn entity(kind: wasmparser::ExternalKind, index: u32) -> Result<Entity> {
    Ok(match kind {
        wasmparser::ExternalKind::Func => Entity::Func(FuncIndex::from_u32(index)),
        wasmparser::ExternalKind::Table => Entity::Table(TableIndex::from_u32(index)),
        wasmparser::ExternalKind::Memory => Entity::Memory(MemoryIndex::from_u32(index)),
        wasmparser::ExternalKind::Global => Entity::Global(GlobalIndex::from_u32(index)),
        wasmparser::ExternalKind::Tag | wasmparser::ExternalKind::FuncExact => {
            return Err(NoCounterpart(
                "exports other than functions, tables, memories and globals",
            ));
        }
    })
}

/// Counts one more import of the kind of `entity`.
pub(crate) fn count_import(counts: &mut ImportCounts, entity: Entity) {
    *match entity {
        Entity::Func(_) => &mut counts.functions,
        Entity::Table(_) => &mut counts.tables,
        Entity::Memory(_) => &mut counts.memories,
        Entity::Global(_) => &mut counts.globals,
    } += 1;
}

/// Why a constant expression could not be taken over.
pub(crate) enum ConstError {
    /// It can't be decoded.
    Read(wasmparser::Error),
    /// It has an operator that [`ConstOp`] lacks.
    Operator(NoCounterpart),
}

impl From<NoCounterpart> for ConstError {
    fn from(error: NoCounterpart) -> Self {
        Self::Operator(error)
    }
}

/// A constant expression without its `end`.
pub(crate) fn const_expr(
    expr: &wasmparser::ConstExpr<'_>,
) -> std::result::Result<ConstExpr, ConstError> {
    let mut ops = Vec::with_capacity(1);
    for operator in expr.get_operators_reader() {
        ops.push(match operator.map_err(ConstError::Read)? {
            Operator::I32Const { value } => ConstOp::I32(value),
            Operator::I64Const { value } => ConstOp::I64(value),
            Operator::F32Const { value } => ConstOp::F32(value.bits()),
            Operator::F64Const { value } => ConstOp::F64(value.bits()),
            Operator::V128Const { value } => ConstOp::V128(u128::from_le_bytes(*value.bytes())),
            Operator::RefNull { hty } => {
                let null = wasmparser::RefType::new(true, hty)
                    .ok_or(ConstError::Operator(NoCounterpart("typed references")))?;
                ConstOp::RefNull(ref_type(null).map_err(ConstError::Operator)?)
            }
            Operator::RefFunc { function_index } => {
                ConstOp::RefFunc(FuncIndex::from_u32(function_index))
            }
            Operator::GlobalGet { global_index } => {
                ConstOp::GlobalGet(GlobalIndex::from_u32(global_index))
            }
            Operator::I32Add => ConstOp::I32Add,
            Operator::I32Sub => ConstOp::I32Sub,
            Operator::I32Mul => ConstOp::I32Mul,
            Operator::I64Add => ConstOp::I64Add,
            Operator::I64Sub => ConstOp::I64Sub,
            Operator::I64Mul => ConstOp::I64Mul,
            Operator::End => break,
            _ => {
                return Err(ConstError::Operator(NoCounterpart(
                    "GC in constant expressions",
                )));
            }
        });
    }
    Ok(ConstExpr { ops: ops.into() })
}
