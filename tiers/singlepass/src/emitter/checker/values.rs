//! What locations hold, as far as the checker follows it: where each 32 bits come from, and what kind of pointer a pair of
//! them is. Nothing here knows of instructions.

use std::collections::HashMap;

/// 32 bits of a location.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Half {
    /// Bits of a constant.
    Known(u32),
    /// What an instruction made, by a number of its own: equal numbers are equal bits.
    Made(u32),
}

/// Zeros, which every instruction of 32 bits leaves in the upper half of its register.
pub(super) const ZERO: Half = Half::Known(0);

/// A general-purpose register: low half and high half.
pub(super) type Pair = [Half; 2];

/// A vector register, the lowest 32 bits first.
pub(super) type Quad = [Half; 4];

/// The halves of a constant.
pub(super) const fn known(bits: u64) -> Pair {
    [Half::Known(bits as u32), Half::Known((bits >> 32) as u32)]
}

/// The halves of a vector constant.
pub(super) fn known_vector(bits: u128) -> Quad {
    std::array::from_fn(|i| Half::Known((bits >> (32 * i)) as u32))
}

/// A number, if both halves are known.
pub(super) fn number(pair: Pair) -> Option<u64> {
    match pair {
        [Half::Known(low), Half::Known(high)] => Some(u64::from(high) << 32 | u64::from(low)),
        _ => None,
    }
}

/// A pair with nothing above it.
pub(super) const fn widened([low, high]: Pair) -> Quad {
    [low, high, ZERO, ZERO]
}

/// A part of the memory that the function's frame consists of.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Area {
    /// From where rsp is between operators: cells upwards, what calls pass downwards.
    Cells,
    /// From rbp: saved registers and what is set aside downwards, arguments upwards.
    Top,
    /// Where the caller wants more than one result.
    Results,
}

/// What a pointer points to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Pointer {
    /// The instance's context.
    Context,
    /// The context of a callee, which is not read here.
    CalleeContext,
    Store,
    Slots,
    Builtins,
    TypeIds,
    /// A memory's record.
    Memory,
    /// A memory's first byte. Indices may be added.
    MemoryBase,
    /// A table's record.
    Table,
    /// A table's first element. Indices may be added.
    TableBase,
    /// An imported global.
    Global,
    /// A function, as an element of a table.
    Reference,
    /// Where a code's address is.
    CodeSlot,
    /// This function's code, or the table of a branch in it.
    Code,
    Frame(Area, i32),
}

/// What is known of a number besides that it is one.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Kind {
    Plain,
    /// The high half of the number before it.
    Upper,
    Pointer(Pointer),
    /// The sum of two numbers without high halves.
    Sum,
    /// A memory's length, at most 2^32.
    Length,
    /// A table's length.
    Elements,
    /// The distance of a table of jumps to where one leads.
    Distance,
    /// The high half of a float that was truncated to 64 bits: zeros, where code has compared the float with 2^32.
    Truncated,
}

/// Gives numbers to what instructions make.
#[derive(Default)]
pub(super) struct Values {
    next: u32,
    /// Of numbers that are more than that.
    kinds: HashMap<u32, Kind>,
}

impl Values {
    /// A number that nothing else has.
    pub(super) fn new_number(&mut self) -> u32 {
        self.next += 1;
        self.next
    }

    fn make(&mut self, kind: Kind) -> Half {
        let number = self.new_number();
        self.kinds.insert(number, kind);
        Half::Made(number)
    }

    /// 32 bits of which nothing is known.
    pub(super) fn new_half(&mut self) -> Half {
        Half::Made(self.new_number())
    }

    /// 64 of them.
    pub(super) fn new_pair(&mut self) -> Pair {
        [self.new_half(), self.new_half()]
    }

    /// 128 of them.
    pub(super) fn new_quad(&mut self) -> Quad {
        std::array::from_fn(|_| self.new_half())
    }

    fn with_upper(&mut self, kind: Kind) -> Pair {
        [self.make(kind), self.make(Kind::Upper)]
    }

    pub(super) fn new_pointer(&mut self, pointer: Pointer) -> Pair {
        self.with_upper(Kind::Pointer(pointer))
    }

    pub(super) fn new_sum(&mut self) -> Pair {
        self.with_upper(Kind::Sum)
    }

    pub(super) fn new_length(&mut self) -> Pair {
        self.with_upper(Kind::Length)
    }

    pub(super) fn new_elements(&mut self) -> Pair {
        self.with_upper(Kind::Elements)
    }

    pub(super) fn new_distance(&mut self) -> Pair {
        self.with_upper(Kind::Distance)
    }

    pub(super) fn new_truncated(&mut self) -> Pair {
        [self.new_half(), self.make(Kind::Truncated)]
    }

    fn kind_of_half(&self, half: Half) -> Kind {
        match half {
            Half::Made(number) => self.kinds.get(&number).copied().unwrap_or(Kind::Plain),
            Half::Known(_) => Kind::Plain,
        }
    }

    /// The kind of a pair whose halves belong together.
    fn kind(&self, pair: Pair) -> Kind {
        match pair {
            [low @ Half::Made(a), high @ Half::Made(b)]
                if b == a + 1 && self.kind_of_half(high) == Kind::Upper =>
            {
                self.kind_of_half(low)
            }
            _ => Kind::Plain,
        }
    }

    pub(super) fn pointer(&self, pair: Pair) -> Option<Pointer> {
        match self.kind(pair) {
            Kind::Pointer(pointer) => Some(pointer),
            _ => None,
        }
    }

    /// Whether it is an index with an offset added, each of 32 bits.
    pub(super) fn is_sum(&self, pair: Pair) -> bool {
        self.kind(pair) == Kind::Sum || pair[1] == Half::Known(1)
    }

    pub(super) fn is_length(&self, pair: Pair) -> bool {
        self.kind(pair) == Kind::Length
    }

    pub(super) fn is_elements(&self, pair: Pair) -> bool {
        self.kind(pair) == Kind::Elements
    }

    pub(super) fn is_distance(&self, pair: Pair) -> bool {
        self.kind(pair) == Kind::Distance
    }

    pub(super) fn is_truncated(&self, high: Half) -> bool {
        self.kind_of_half(high) == Kind::Truncated
    }

    /// What a location holds where two ways come together.
    pub(super) fn join(&mut self, a: Half, b: Half) -> Half {
        let is_short = |half| half == ZERO || self.is_truncated(half);
        if a == b {
            a
        } else if is_short(a) && is_short(b) {
            self.make(Kind::Truncated)
        } else {
            self.new_half()
        }
    }

    /// The same of a register.
    pub(super) fn join_pairs(&mut self, a: Pair, b: Pair) -> Pair {
        use Pointer::{CalleeContext, Context};
        if a == b {
            return a;
        }
        match (self.pointer(a), self.pointer(b)) {
            (Some(Context | CalleeContext), Some(Context | CalleeContext)) => {
                self.new_pointer(CalleeContext)
            }
            _ => [self.join(a[0], b[0]), self.join(a[1], b[1])],
        }
    }

    /// For people.
    pub(super) fn describe(&self, halves: &[Half]) -> String {
        if let &[low, high] = halves {
            if let Some(pointer) = self.pointer([low, high]) {
                return format!("{pointer:?}");
            }
            if let Some(number) = number([low, high]) {
                return format!("{number:#x}");
            }
        }
        let text = |&half: &Half| match half {
            Half::Known(bits) => format!("{bits:#x}"),
            Half::Made(number) => format!("value {number}"),
        };
        halves.iter().map(text).collect::<Vec<_>>().join(", ")
    }
}

/// Words of 32 bits of one area, on both sides of where it begins. What was written before all of them were forgotten is
/// of an older era.
#[derive(Default)]
struct Words {
    above: Side,
    below: Side,
}

#[derive(Default)]
struct Side {
    words: Vec<(u32, Half)>,
    era: u32,
}

impl Side {
    fn read(&self, index: usize) -> Option<Half> {
        let &(era, half) = self.words.get(index)?;
        (era == self.era + 1).then_some(half)
    }

    fn write(&mut self, index: usize, half: Option<Half>) {
        if self.words.len() <= index {
            self.words.resize(index + 1, (0, ZERO));
        }
        self.words[index] = half.map_or((0, ZERO), |half| (self.era + 1, half));
    }
}

/// The frame's memory.
#[derive(Default)]
pub(super) struct Frame {
    cells: Words,
    top: Words,
    results: Words,
}

/// A word of the frame.
struct WordPlace<'f> {
    side: &'f mut Side,
    index: usize,
}

impl Frame {
    /// A word's place.
    fn place(&mut self, area: Area, word: i32) -> WordPlace<'_> {
        let words = match area {
            Area::Cells => &mut self.cells,
            Area::Top => &mut self.top,
            Area::Results => &mut self.results,
        };
        match usize::try_from(word) {
            Ok(index) => WordPlace {
                side: &mut words.above,
                index,
            },
            Err(_) => WordPlace {
                side: &mut words.below,
                index: !word as usize,
            },
        }
    }

    /// A word, unless nothing is known of it.
    pub(super) fn read(&mut self, area: Area, word: i32) -> Option<Half> {
        let WordPlace { side, index } = self.place(area, word);
        side.read(index)
    }

    pub(super) fn write(&mut self, area: Area, word: i32, half: Option<Half>) {
        let WordPlace { side, index } = self.place(area, word);
        side.write(index, half);
    }

    /// A callee may have written to all below the cells.
    pub(super) fn forget_below_cells(&mut self) {
        self.cells.below.era += 1;
    }

    /// Others may have written to all cells.
    pub(super) fn forget_cells(&mut self) {
        self.cells.above.era += 1;
        self.cells.below.era += 1;
    }
}
