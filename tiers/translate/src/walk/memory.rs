//! Operators on memories, tables, globals and references. A rare or long operator is a call into the
//! runtime: its parameters are the immediates, then the operands.

use upshift_module::{MemoryIndex, TableIndex, ValType};
use upshift_runtime::Builtin;
use wasmparser::{MemArg, MemArgTarget, Operator as O};

use super::body::reference_type;
use super::{Step, TranslateProblem, Walk};
use crate::FloatType::{F32, F64};
use crate::IntType::{self, I32, I64};
use crate::LoadOp as L;
use crate::Shape as S;
use crate::{Emitter, MemoryAccess, StoreOp};

impl<E: Emitter> Walk<'_, E> {
    pub(super) fn memory(&mut self, operator: &O<'_>) -> Step {
        match *operator {
            O::I32Load { memarg } => self.load(L::Int(I32), memarg),
            O::I32Load8S { memarg } => self.load_narrow(I32, 8, true, memarg),
            O::I32Load8U { memarg } => self.load_narrow(I32, 8, false, memarg),
            O::I32Load16S { memarg } => self.load_narrow(I32, 16, true, memarg),
            O::I32Load16U { memarg } => self.load_narrow(I32, 16, false, memarg),
            O::I64Load { memarg } => self.load(L::Int(I64), memarg),
            O::I64Load8S { memarg } => self.load_narrow(I64, 8, true, memarg),
            O::I64Load8U { memarg } => self.load_narrow(I64, 8, false, memarg),
            O::I64Load16S { memarg } => self.load_narrow(I64, 16, true, memarg),
            O::I64Load16U { memarg } => self.load_narrow(I64, 16, false, memarg),
            O::I64Load32S { memarg } => self.load_narrow(I64, 32, true, memarg),
            O::I64Load32U { memarg } => self.load_narrow(I64, 32, false, memarg),
            O::F32Load { memarg } => self.load(L::Float(F32), memarg),
            O::F64Load { memarg } => self.load(L::Float(F64), memarg),
            O::V128Load { memarg } => self.load(L::V128, memarg),
            O::V128Load8x8S { memarg } => self.load(
                L::Extend {
                    to: S::I16x8,
                    signed: true,
                },
                memarg,
            ),
            O::V128Load8x8U { memarg } => self.load(
                L::Extend {
                    to: S::I16x8,
                    signed: false,
                },
                memarg,
            ),
            O::V128Load16x4S { memarg } => self.load(
                L::Extend {
                    to: S::I32x4,
                    signed: true,
                },
                memarg,
            ),
            O::V128Load16x4U { memarg } => self.load(
                L::Extend {
                    to: S::I32x4,
                    signed: false,
                },
                memarg,
            ),
            O::V128Load32x2S { memarg } => self.load(
                L::Extend {
                    to: S::I64x2,
                    signed: true,
                },
                memarg,
            ),
            O::V128Load32x2U { memarg } => self.load(
                L::Extend {
                    to: S::I64x2,
                    signed: false,
                },
                memarg,
            ),
            O::V128Load8Splat { memarg } => self.load(L::Splat(S::I8x16), memarg),
            O::V128Load16Splat { memarg } => self.load(L::Splat(S::I16x8), memarg),
            O::V128Load32Splat { memarg } => self.load(L::Splat(S::I32x4), memarg),
            O::V128Load64Splat { memarg } => self.load(L::Splat(S::I64x2), memarg),
            O::V128Load32Zero { memarg } => self.load(L::Zero { bits: 32 }, memarg),
            O::V128Load64Zero { memarg } => self.load(L::Zero { bits: 64 }, memarg),

            O::I32Store { memarg } => self.store(StoreOp::Int(I32), memarg),
            O::I32Store8 { memarg } => {
                self.store(StoreOp::IntNarrow { from: I32, bits: 8 }, memarg)
            }
            O::I32Store16 { memarg } => self.store(
                StoreOp::IntNarrow {
                    from: I32,
                    bits: 16,
                },
                memarg,
            ),
            O::I64Store { memarg } => self.store(StoreOp::Int(I64), memarg),
            O::I64Store8 { memarg } => {
                self.store(StoreOp::IntNarrow { from: I64, bits: 8 }, memarg)
            }
            O::I64Store16 { memarg } => self.store(
                StoreOp::IntNarrow {
                    from: I64,
                    bits: 16,
                },
                memarg,
            ),
            O::I64Store32 { memarg } => self.store(
                StoreOp::IntNarrow {
                    from: I64,
                    bits: 32,
                },
                memarg,
            ),
            O::F32Store { memarg } => self.store(StoreOp::Float(F32), memarg),
            O::F64Store { memarg } => self.store(StoreOp::Float(F64), memarg),
            O::V128Store { memarg } => self.store(StoreOp::V128, memarg),

            O::V128Load8Lane { memarg, lane } => self.load_lane(S::I8x16, lane, memarg),
            O::V128Load16Lane { memarg, lane } => self.load_lane(S::I16x8, lane, memarg),
            O::V128Load32Lane { memarg, lane } => self.load_lane(S::I32x4, lane, memarg),
            O::V128Load64Lane { memarg, lane } => self.load_lane(S::I64x2, lane, memarg),
            O::V128Store8Lane { memarg, lane } => self.store_lane(S::I8x16, lane, memarg),
            O::V128Store16Lane { memarg, lane } => self.store_lane(S::I16x8, lane, memarg),
            O::V128Store32Lane { memarg, lane } => self.store_lane(S::I32x4, lane, memarg),
            O::V128Store64Lane { memarg, lane } => self.store_lane(S::I64x2, lane, memarg),

            O::MemorySize { mem } => {
                let memory = self.memory_of(mem)?;
                let value = self.emitter.memory_size(memory);
                self.push(value, ValType::I32);
                Ok(())
            }
            O::MemoryGrow { mem } => {
                self.memory_of(mem)?;
                let pages = self.pop()?;
                let memory = self.immediate(mem);
                self.builtin(Builtin::MemoryGrow, &[memory, pages], Some(ValType::I32))
            }
            O::MemoryCopy { dst_mem, src_mem } => {
                self.memory_of(dst_mem)?;
                self.memory_of(src_mem)?;
                self.bulk(Builtin::MemoryCopy, dst_mem, src_mem)
            }
            O::MemoryInit { data_index, mem } => {
                self.memory_of(mem)?;
                self.index("data segment", &self.module.data, data_index)?;
                self.bulk(Builtin::MemoryInit, mem, data_index)
            }
            O::MemoryFill { mem } => {
                self.memory_of(mem)?;
                self.fill(Builtin::MemoryFill, mem)
            }
            O::DataDrop { data_index } => {
                self.index("data segment", &self.module.data, data_index)?;
                let segment = self.immediate(data_index);
                self.builtin(Builtin::DataDrop, &[segment], None)
            }

            O::TableGet { table } => {
                let table = self.table(table)?;
                let ty = self.module.tables[table].element;
                let index = self.pop()?;
                let value = self.emitter.table_get(table, index);
                self.push(value, ty);
                Ok(())
            }
            O::TableSet { table } => {
                let table = self.table(table)?;
                let value = self.pop()?;
                let index = self.pop()?;
                self.emitter.table_set(table, index, value);
                Ok(())
            }
            O::TableSize { table } => {
                let table = self.table(table)?;
                let value = self.emitter.table_size(table);
                self.push(value, ValType::I32);
                Ok(())
            }
            O::TableGrow { table } => {
                self.table(table)?;
                let elements = self.pop()?;
                let initial = self.pop()?;
                let table = self.immediate(table);
                let args = [table, elements, initial];
                self.builtin(Builtin::TableGrow, &args, Some(ValType::I32))
            }
            O::TableFill { table } => {
                self.table(table)?;
                self.fill(Builtin::TableFill, table)
            }
            O::TableCopy {
                dst_table,
                src_table,
            } => {
                self.table(dst_table)?;
                self.table(src_table)?;
                self.bulk(Builtin::TableCopy, dst_table, src_table)
            }
            O::TableInit { elem_index, table } => {
                self.table(table)?;
                self.index("element segment", &self.module.elements, elem_index)?;
                self.bulk(Builtin::TableInit, table, elem_index)
            }
            O::ElemDrop { elem_index } => {
                self.index("element segment", &self.module.elements, elem_index)?;
                let segment = self.immediate(elem_index);
                self.builtin(Builtin::ElemDrop, &[segment], None)
            }

            O::GlobalGet { global_index } => {
                let global = self.index("global", &self.module.globals, global_index)?;
                let ty = self.module.globals[global].content;
                let value = self.emitter.global_get(global);
                self.push(value, ty);
                Ok(())
            }
            O::GlobalSet { global_index } => {
                let global = self.index("global", &self.module.globals, global_index)?;
                let value = self.pop()?;
                self.emitter.global_set(global, value);
                Ok(())
            }

            O::RefNull { hty } => {
                let ty = reference_type(hty).ok_or_else(|| self.unsupported(operator))?;
                let value = self.emitter.ref_null();
                self.push(value, ty);
                Ok(())
            }
            O::RefIsNull => {
                let a = self.pop()?;
                let value = self.emitter.ref_is_null(a);
                self.push(value, ValType::I32);
                Ok(())
            }
            O::RefFunc { function_index } => {
                self.index("function", &self.module.functions, function_index)?;
                let function = self.immediate(function_index);
                self.builtin(Builtin::RefFunc, &[function], Some(ValType::FuncRef))
            }

            _ => self.simd(operator),
        }
    }

    // Loads and stores.

    fn access(&mut self, memarg: MemArg) -> Step<MemoryAccess> {
        self.count_access()?;
        if let MemArgTarget::Memory(memory) = memarg.target
            && let Ok(offset) = u32::try_from(memarg.offset)
        {
            let memory = self.memory_of(memory)?;
            return Ok(MemoryAccess { memory, offset });
        }
        Err(self.error(TranslateProblem::Unsupported(format!("{memarg:?}"))))
    }

    fn load(&mut self, op: L, memarg: MemArg) -> Step {
        let access = self.access(memarg)?;
        let address = self.pop()?;
        let value = self.emitter.load(op, access, address);
        self.push(value, loaded_type(op));
        self.after_load = true;
        Ok(())
    }

    fn load_narrow(&mut self, to: IntType, bits: u8, signed: bool, memarg: MemArg) -> Step {
        self.load(L::IntNarrow { to, bits, signed }, memarg)
    }

    fn store(&mut self, op: StoreOp, memarg: MemArg) -> Step {
        let access = self.access(memarg)?;
        let value = self.pop()?;
        let address = self.pop()?;
        self.emitter.store(op, access, address, value);
        Ok(())
    }

    fn load_lane(&mut self, shape: S, lane: u8, memarg: MemArg) -> Step {
        let access = self.access(memarg)?;
        let vector = self.pop()?;
        let address = self.pop()?;
        let value = self.emitter.load_lane(shape, lane, access, address, vector);
        self.push(value, ValType::V128);
        self.after_load = true;
        Ok(())
    }

    fn store_lane(&mut self, shape: S, lane: u8, memarg: MemArg) -> Step {
        let access = self.access(memarg)?;
        let vector = self.pop()?;
        let address = self.pop()?;
        self.emitter
            .store_lane(shape, lane, access, address, vector);
        Ok(())
    }

    // Calls into the runtime.

    /// The number of an index as an argument.
    fn immediate(&mut self, index: u32) -> E::Value {
        self.emitter.i32_const(index.cast_signed())
    }

    fn builtin(&mut self, builtin: Builtin, args: &[E::Value], result: Option<ValType>) -> Step {
        debug_assert_eq!(args.len(), builtin.params().len());
        let value = self.emitter.call_builtin(builtin, args);
        debug_assert_eq!(value.is_some(), result.is_some());
        if let (Some(value), Some(ty)) = (value, result) {
            self.push(value, ty);
        }
        Ok(())
    }

    /// Copies from one thing to another: destination, source and length are on the stack.
    fn bulk(&mut self, builtin: Builtin, to: u32, from: u32) -> Step {
        let length = self.pop()?;
        let source = self.pop()?;
        let destination = self.pop()?;
        let to = self.immediate(to);
        let from = self.immediate(from);
        self.builtin(builtin, &[to, from, destination, source, length], None)
    }

    /// Fills a range: destination, value and length are on the stack.
    fn fill(&mut self, builtin: Builtin, what: u32) -> Step {
        let length = self.pop()?;
        let value = self.pop()?;
        let destination = self.pop()?;
        let what = self.immediate(what);
        self.builtin(builtin, &[what, destination, value, length], None)
    }

    fn memory_of(&self, number: u32) -> Step<MemoryIndex> {
        self.index("memory", &self.module.memories, number)
    }

    pub(super) fn table(&self, number: u32) -> Step<TableIndex> {
        self.index("table", &self.module.tables, number)
    }
}

/// The type of a load's result.
fn loaded_type(op: L) -> ValType {
    match op {
        L::Int(ty) | L::IntNarrow { to: ty, .. } => ty.into(),
        L::Float(ty) => ty.into(),
        L::V128 | L::Extend { .. } | L::Splat(_) | L::Zero { .. } => ValType::V128,
    }
}
