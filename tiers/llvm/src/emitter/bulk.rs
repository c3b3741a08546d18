//! Copies and fills of few bytes, known when the code is made, as loads and stores instead of a call of the runtime.

use inkwell::values::BasicValueEnum;
use upshift_module::MemoryIndex;
use upshift_runtime::Builtin;
use upshift_translate::{MemoryAccess, Shape};

use super::LlvmEmitter;
use super::build::Built;

/// Bytes of which a call costs more than the accesses.
const LONGEST: u32 = 64;

impl<'ctx> LlvmEmitter<'_, 'ctx> {
    /// Does the work of this call of the runtime, if it is a short copy or fill within memories. Returns whether
    /// it was one.
    pub(super) fn bulk_in_place(
        &mut self,
        builtin: Builtin,
        args: &[BasicValueEnum<'ctx>],
    ) -> bool {
        let number = |value: BasicValueEnum<'ctx>| {
            let number = value.into_int_value().get_zero_extended_constant()?;
            u32::try_from(number).ok()
        };
        let memory = |value| number(value).map(MemoryIndex::from_u32);
        match (builtin, args) {
            (Builtin::MemoryCopy, &[to, from, destination, source, length]) => {
                let (Some(to), Some(from)) = (memory(to), memory(from)) else {
                    return false;
                };
                let Some(length @ 1..=LONGEST) = number(length) else {
                    return false;
                };
                self.copy((to, destination), (from, source), length);
                true
            }
            (Builtin::MemoryFill, &[to, destination, value, length]) => {
                let (Some(to), Some(length @ 1..=LONGEST)) = (memory(to), number(length)) else {
                    return false;
                };
                self.fill((to, destination), value, length);
                true
            }
            _ => false,
        }
    }

    /// Everything is read before anything is written: the ranges may overlap, and either may be out of bounds.
    fn copy(
        &mut self,
        (to, destination): (MemoryIndex, BasicValueEnum<'ctx>),
        (from, source): (MemoryIndex, BasicValueEnum<'ctx>),
        length: u32,
    ) {
        // LLVM drops copies of memory onto itself and stores that are overwritten, and loads with them.
        self.touch_last(from, source, length);
        let mut parts = Vec::new();
        for (offset, size) in parts_of(length) {
            let access = MemoryAccess {
                memory: from,
                offset,
            };
            let place = self.heap_address(access, size, source);
            let part = match size {
                16 => self.load_from(self.types.v128, place),
                8 => self.load_from(self.types.i64, place),
                size => self.load_from(self.narrow_type(size * 8), place),
            };
            parts.push((offset, size, part));
        }
        self.touch_last(to, destination, length);
        for (offset, size, part) in parts {
            let access = MemoryAccess { memory: to, offset };
            let place = self.heap_address(access, size, destination);
            self.store_to(part, place);
        }
    }

    fn fill(
        &mut self,
        (memory, destination): (MemoryIndex, BasicValueEnum<'ctx>),
        value: BasicValueEnum<'ctx>,
        length: u32,
    ) {
        let byte = self
            .builder
            .build_int_truncate(value.into_int_value(), self.types.i8, "")
            .built();
        self.touch_last(memory, destination, length);
        for (offset, size) in parts_of(length) {
            let place = self.heap_address(MemoryAccess { memory, offset }, size, destination);
            let part = match size {
                16 => self.splat_lane(Shape::I8x16, byte.into()),
                size => {
                    let ty = match size {
                        8 => self.types.i64,
                        size => self.narrow_type(size * 8),
                    };
                    let wide = self.builder.build_int_z_extend_or_bit_cast(byte, ty, "");
                    let ones = ty.const_int(0x0101_0101_0101_0101 >> (64 - size * 8), false);
                    let part = self.builder.build_int_mul(wide.built(), ones, "");
                    part.built().into()
                }
            };
            self.store_to(part, place);
        }
    }

    /// Traps if the last byte of the coming read or write is out of bounds: nothing is written then. The
    /// load is volatile in every mode, for it has no other use, and no store goes past it.
    fn touch_last(&mut self, memory: MemoryIndex, start: BasicValueEnum<'ctx>, length: u32) {
        let offset = length - 1;
        let place = self.heap_address(MemoryAccess { memory, offset }, 1, start);
        self.load_from(self.types.i8, place);
        if let Some(load) = self.last_load.take() {
            load.set_volatile(true).expect("loads can be volatile");
        }
    }
}

/// Offsets and sizes of accesses that cover so many bytes, each once.
fn parts_of(length: u32) -> impl Iterator<Item = (u32, u32)> {
    let mut offset = 0;
    std::iter::from_fn(move || {
        let size = [16, 8, 4, 2, 1]
            .into_iter()
            .find(|&size| size <= length - offset)?;
        offset += size;
        Some((offset - size, size))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parts_cover_every_byte_once() {
        for length in 1..=LONGEST {
            let mut end = 0;
            for (offset, size) in parts_of(length) {
                assert_eq!(offset, end);
                end += size;
            }
            assert_eq!(end, length);
        }
    }
}
