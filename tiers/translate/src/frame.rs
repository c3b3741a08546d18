//! Where locals and operands are in the cells of a frame. The tier that leaves a frame at a loop header
//! and the tier that takes it over compute the same offsets here.

use upshift_module::{LocalIndex, PrimaryMap, ValType};

/// The layout of a frame's cells: all locals, parameters first, then the operand stack.
///
/// ```text
/// +----------------------+ 0
/// | locals               |   8 bytes each; vectors 16, aligned to 16
/// +----------------------+ operands_offset(), aligned to 16
/// | operands, bottom up  |   by the same rule, from the types below each
/// +----------------------+ size()
/// ```
///
/// A value is at the start of its cell; the rest of the cell means nothing.
///
/// ```
/// use upshift_module::LocalIndex;
/// use upshift_module::ValType::{F64, I32, V128};
/// use upshift_translate::FrameLayout;
///
/// let mut layout = FrameLayout::new([I32, V128, F64]);
/// assert_eq!([0, 1, 2].map(|local| layout.local_offset(LocalIndex::from_u32(local))), [0, 16, 32]);
/// assert_eq!(layout.operands_offset(), 48);
/// assert_eq!(layout.operand_offsets([I32, V128]).collect::<Vec<_>>(), [48, 64]);
/// assert_eq!(layout.size(), 48);
/// layout.reserve_operands([I32, V128]);
/// assert_eq!(layout.size(), 80);
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FrameLayout {
    locals: PrimaryMap<LocalIndex, u32>,
    operands: u32,
    size: u32,
}

impl FrameLayout {
    /// The layout for locals of these types, with no room for operands yet.
    #[must_use]
    pub fn new(locals: impl IntoIterator<Item = ValType>) -> Self {
        let mut end = 0;
        let locals = locals.into_iter();
        let locals = locals.map(|ty| place(&mut end, ty)).collect();
        let operands = end.next_multiple_of(16);
        Self {
            locals,
            operands,
            size: operands,
        }
    }

    /// The offset of a local, in bytes from the first cell.
    ///
    /// # Panics
    /// When there is no such local.
    #[must_use]
    pub fn local_offset(&self, local: LocalIndex) -> u32 {
        self.locals[local]
    }

    /// Where the operands begin, in bytes from the first cell: a multiple of 16.
    #[must_use]
    pub fn operands_offset(&self) -> u32 {
        self.operands
    }

    /// The offset of each operand of a stack of these types, bottom first, in bytes from the first cell.
    pub fn operand_offsets<I>(&self, types: I) -> impl Iterator<Item = u32> + use<I>
    where
        I: IntoIterator<Item = ValType>,
    {
        let mut end = self.operands;
        types.into_iter().map(move |ty| place(&mut end, ty))
    }

    /// Makes room for an operand stack of these types.
    pub fn reserve_operands(&mut self, types: impl IntoIterator<Item = ValType>) {
        let mut end = self.operands;
        for ty in types {
            place(&mut end, ty);
        }
        self.size = self.size.max(end.next_multiple_of(16));
    }

    /// Bytes of all cells: the locals and the largest operand stack that room was made for.
    /// A multiple of 16.
    #[must_use]
    pub fn size(&self) -> u32 {
        self.size
    }
}

/// Takes the next cell for a value of type `ty`. Validation bounds locals to 50 000 and a body to a few
/// megabytes, so offsets are far from 2^32.
fn place(end: &mut u32, ty: ValType) -> u32 {
    let offset = end.next_multiple_of(ty.cell_size());
    *end = offset + ty.cell_size();
    offset
}

#[cfg(test)]
mod tests {
    use upshift_module::ValType::{ExternRef, F32, I32, I64, V128};

    use super::*;

    #[test]
    fn no_cells_for_no_locals() {
        let layout = FrameLayout::new([]);
        assert_eq!((layout.operands_offset(), layout.size()), (0, 0));
    }

    #[test]
    fn operands_start_aligned_behind_the_locals() {
        let layout = FrameLayout::new([I32, I64, F32]);
        assert_eq!(layout.local_offset(LocalIndex::from_u32(2)), 16);
        assert_eq!(layout.operands_offset(), 32);
        let offsets: Vec<u32> = layout.operand_offsets([ExternRef, V128, I32]).collect();
        assert_eq!(offsets, [32, 48, 64]);
    }

    #[test]
    fn the_largest_operand_stack_counts() {
        let mut layout = FrameLayout::new([I32]);
        layout.reserve_operands([I32, I32, I32]);
        layout.reserve_operands([V128]);
        assert_eq!(layout.size(), 16 + 32);
    }
}
