//! Which loops a function's blocks are in, and how loops are nested. LLVM's own loop analysis is not part of its C
//! interface.

use std::collections::HashMap;

use inkwell::basic_block::BasicBlock;
use inkwell::values::FunctionValue;

use crate::dominators::{Dominators, successors};

/// A loop's place among those of its function: inner loops come before the loops around them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct LoopId(usize);

/// The loops of a function.
pub(crate) struct Nests<'ctx> {
    /// The blocks that can be reached.
    pub blocks: Vec<BasicBlock<'ctx>>,
    /// The innermost loop around each block that is in one.
    innermost: HashMap<BasicBlock<'ctx>, LoopId>,
    /// The loop around each loop.
    around: Vec<Option<LoopId>>,
    /// Each loop's number and that behind the last of the loops inside, where loops are numbered from outside in.
    ranges: Vec<(usize, usize)>,
}

impl<'ctx> Nests<'ctx> {
    pub fn new(function: FunctionValue<'ctx>) -> Self {
        let dominators = Dominators::new(function);
        let count = dominators.blocks.len();
        let mut predecessors = vec![Vec::new(); count];
        let places: HashMap<_, _> = (0..)
            .zip(&dominators.blocks)
            .map(|(place, &block)| (block, place))
            .collect();
        for (place, &block) in dominators.blocks.iter().enumerate() {
            for successor in successors(block) {
                predecessors[places[&successor]].push(place);
            }
        }
        // A loop that has been found stands for all its blocks by its header.
        let mut stands_for: Vec<usize> = (0..count).collect();
        let mut innermost: Vec<Option<LoopId>> = vec![None; count];
        let mut around = Vec::new();
        for header in (0..count).rev() {
            let mut ways: Vec<usize> = predecessors[header]
                .iter()
                .copied()
                .filter(|&from| dominators.dominates(header, from))
                .collect();
            if ways.is_empty() {
                continue;
            }
            let found = LoopId(around.len());
            around.push(None);
            while let Some(from) = ways.pop() {
                let from = representative(&mut stands_for, from);
                if from == header || !dominators.dominates(header, from) {
                    continue;
                }
                match innermost[from] {
                    Some(inner) => around[inner.0] = Some(found),
                    None => innermost[from] = Some(found),
                }
                stands_for[from] = header;
                ways.extend(&predecessors[from]);
            }
            innermost[header] = Some(found);
        }
        let innermost = dominators
            .blocks
            .iter()
            .zip(innermost)
            .filter_map(|(&block, inner)| Some((block, inner?)))
            .collect();
        Self {
            blocks: dominators.blocks,
            innermost,
            ranges: ranges(&around),
            around,
        }
    }

    /// How many loops there are.
    pub fn count(&self) -> usize {
        self.around.len()
    }

    /// The loops around a block, inside out.
    pub fn of(&self, block: BasicBlock<'ctx>) -> impl Iterator<Item = LoopId> {
        std::iter::successors(self.innermost.get(&block).copied(), |inner| {
            self.around[inner.0]
        })
    }

    /// Whether a block is in a loop.
    pub fn contains(&self, around: LoopId, block: BasicBlock<'ctx>) -> bool {
        let (first, end) = self.ranges[around.0];
        self.innermost
            .get(&block)
            .is_some_and(|inner| (first..end).contains(&self.ranges[inner.0].0))
    }

    /// The loops that a jump from a block to any of others leaves, inside out. Takes the time for the loops that it leaves, and
    /// for each of the others once.
    pub fn left(
        &self,
        from: BasicBlock<'ctx>,
        ways: &[BasicBlock<'ctx>],
    ) -> impl Iterator<Item = LoopId> {
        // A loop has all of them inside if it has the first and the last.
        let number_of = |block| Some(self.ranges[self.innermost.get(block)?.0].0);
        let numbers: Option<Vec<usize>> = ways.iter().map(number_of).collect();
        let ends = numbers.and_then(|it| Some((*it.iter().min()?, *it.iter().max()?)));
        let has_all = move |around: LoopId| {
            let (first, end) = self.ranges[around.0];
            ends.is_some_and(|(least, most)| first <= least && most < end)
        };
        self.of(from).take_while(move |&inner| !has_all(inner))
    }

    /// The loops that no jump leaves.
    pub fn without_exit(&self) -> usize {
        let mut ends = vec![false; self.count()];
        for &block in &self.blocks {
            let ways = successors(block);
            if ways.is_empty() {
                continue;
            }
            for left in self.left(block, &ways) {
                ends[left.0] = true;
            }
        }
        ends.iter().filter(|&&ends| !ends).count()
    }
}

impl LoopId {
    /// Its place.
    pub fn index(self) -> usize {
        self.0
    }
}

fn representative(stands_for: &mut [usize], mut place: usize) -> usize {
    while stands_for[place] != place {
        // Half of the way is gone only once.
        stands_for[place] = stands_for[stands_for[place]];
        place = stands_for[place];
    }
    place
}

fn ranges(around: &[Option<LoopId>]) -> Vec<(usize, usize)> {
    let mut sizes = vec![1; around.len()];
    for (inner, outer) in around.iter().enumerate() {
        if let Some(outer) = outer {
            sizes[outer.0] += sizes[inner];
        }
    }
    let mut next_outermost = 0;
    let mut next_inside = vec![0; around.len()];
    let mut ranges = vec![(0, 0); around.len()];
    for (inner, outer) in around.iter().enumerate().rev() {
        let next = match outer {
            Some(outer) => &mut next_inside[outer.0],
            None => &mut next_outermost,
        };
        let first = *next;
        *next += sizes[inner];
        ranges[inner] = (first, first + sizes[inner]);
        next_inside[inner] = first + 1;
    }
    ranges
}

#[cfg(test)]
mod tests {
    use inkwell::context::Context;
    use inkwell::memory_buffer::MemoryBuffer;

    use super::*;

    #[test]
    fn ways_together_leave_what_the_farthest_leaves() {
        let text = "define void @f(i32 %n, i1 %c) {
            entry: br label %outer
            outer: br label %middle
            middle: br label %inner
            inner: switch i32 %n, label %inner [ i32 1, label %middle i32 2, label %again i32 3, label %end ]
            again: br i1 %c, label %outer, label %end
            end: ret void
            }";
        let context = Context::create();
        let buffer = MemoryBuffer::create_from_memory_range_copy(text.as_bytes(), "test");
        let module = context.create_module_from_ir(buffer).expect("it is IR");
        let function = module.get_function("f").expect("it is there");
        let nests = Nests::new(function);
        let block = |name: &str| {
            let mut blocks = function.get_basic_block_iter();
            let found = blocks.find(|block| block.get_name().to_bytes() == name.as_bytes());
            found.unwrap_or_else(|| panic!("there is no block {name}"))
        };
        let left = |ways: &[&str]| {
            let ways: Vec<_> = ways.iter().map(|name| block(name)).collect();
            nests.left(block("inner"), &ways).count()
        };
        assert_eq!(left(&["inner"]), 0);
        assert_eq!(left(&["middle", "inner"]), 1);
        assert_eq!(left(&["inner", "again", "middle"]), 2);
        assert_eq!(left(&["inner", "again", "end", "middle"]), 3);
        assert_eq!(nests.without_exit(), 0);
    }
}
