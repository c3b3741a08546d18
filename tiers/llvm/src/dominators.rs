//! Which blocks of a function are reached only through which: the dominator tree, by the algorithm of Lengauer and Tarjan
//! ("A Fast Algorithm for Finding Dominators in a Flowgraph", 1979), which takes hardly longer than a walk over the graph,
//! however deep the tree is. LLVM's own is not part of its C interface.

use std::collections::HashMap;
use std::ops::Range;

use inkwell::basic_block::BasicBlock;
use inkwell::llvm_sys::core::{LLVMGetNumSuccessors, LLVMGetSuccessor};
use inkwell::values::{AsValueRef, FunctionValue};

/// The blocks of a function that can be reached, in reverse postorder, and their dominator tree.
pub(crate) struct Dominators<'ctx> {
    /// In reverse postorder: a block comes after all blocks that dominate it.
    pub blocks: Vec<BasicBlock<'ctx>>,
    /// For each place in `blocks` the numbers of the blocks that it dominates.
    spans: Vec<Range<usize>>,
}

impl<'ctx> Dominators<'ctx> {
    pub fn new(function: FunctionValue<'ctx>) -> Self {
        let Some(entry) = function.get_first_basic_block() else {
            return Self {
                blocks: Vec::new(),
                spans: Vec::new(),
            };
        };
        let blocks = reverse_postorder(entry);
        let places: HashMap<_, _> = (0..).zip(&blocks).map(|(i, &block)| (block, i)).collect();
        let mut following = Vec::with_capacity(blocks.len());
        for &block in &blocks {
            let next = successors(block).into_iter();
            following.push(next.map(|block| places[&block]).collect::<Vec<_>>());
        }
        let spans = spans(&nearest(&following));
        Self { blocks, spans }
    }

    /// Whether each way to the block at place `of` goes through the one at place `by`; also when they are the
    /// same.
    pub fn dominates(&self, by: usize, of: usize) -> bool {
        self.spans[by].contains(&self.spans[of].start)
    }
}

/// A depth-first walk over a graph, its nodes numbered in the order in which it came to them.
struct Walk {
    /// The nodes in that order.
    order: Vec<usize>,
    /// For each number that of the node from which the walk came.
    parents: Vec<usize>,
    /// For each node its number.
    numbers: Vec<usize>,
}

impl Walk {
    /// The walk from node 0, from which all others can be reached.
    fn new(following: &[Vec<usize>]) -> Self {
        let mut walk = Self {
            order: vec![0],
            parents: vec![0],
            numbers: vec![NONE; following.len()],
        };
        walk.numbers[0] = 0;
        let mut path = vec![(0, following[0].iter())];
        while let Some((node, rest)) = path.last_mut() {
            let from = walk.numbers[*node];
            match rest.next() {
                Some(&next) if walk.numbers[next] == NONE => {
                    walk.numbers[next] = walk.order.len();
                    walk.order.push(next);
                    walk.parents.push(from);
                    path.push((next, following[next].iter()));
                }
                Some(_) => {}
                None => _ = path.pop(),
            }
        }
        walk
    }
}

const NONE: usize = usize::MAX;

/// The forest of the algorithm, in which paths are shortened as they are gone along.
struct Forest {
    ancestors: Vec<usize>,
    /// The node of the least semidominator on the way up that is no longer there.
    labels: Vec<usize>,
    semidominators: Vec<usize>,
}

impl Forest {
    /// The node with the least semidominator on the way from this one to the root of its tree, without the root.
    fn least(&mut self, node: usize) -> usize {
        let mut path = Vec::new();
        let mut at = node;
        while self.ancestors[at] != NONE && self.ancestors[self.ancestors[at]] != NONE {
            path.push(at);
            at = self.ancestors[at];
        }
        for &node in path.iter().rev() {
            let above = self.ancestors[node];
            let (label, of_above) = (self.labels[node], self.labels[above]);
            if self.semidominators[of_above] < self.semidominators[label] {
                self.labels[node] = of_above;
            }
            self.ancestors[node] = self.ancestors[above];
        }
        self.labels[node]
    }
}

/// The nearest dominator of each node of a graph whose nodes can be reached from node 0, which is its own.
fn nearest(following: &[Vec<usize>]) -> Vec<usize> {
    let walk = Walk::new(following);
    let count = following.len();
    let mut preceding = vec![Vec::new(); count];
    for (node, next) in following.iter().enumerate() {
        for &next in next {
            preceding[walk.numbers[next]].push(walk.numbers[node]);
        }
    }
    let mut forest = Forest {
        ancestors: vec![NONE; count],
        labels: (0..count).collect(),
        semidominators: (0..count).collect(),
    };
    // By their numbers in the walk, from here on.
    let mut dominators = vec![0; count];
    let mut waiting = vec![Vec::new(); count];
    for node in (1..count).rev() {
        for &from in &preceding[node] {
            let least = forest.least(from);
            let semidominator = forest.semidominators[least];
            forest.semidominators[node] = forest.semidominators[node].min(semidominator);
        }
        waiting[forest.semidominators[node]].push(node);
        let parent = walk.parents[node];
        forest.ancestors[node] = parent;
        for of_parent in std::mem::take(&mut waiting[parent]) {
            let least = forest.least(of_parent);
            let is_parent = forest.semidominators[least] == forest.semidominators[of_parent];
            dominators[of_parent] = if is_parent { parent } else { least };
        }
    }
    for node in 1..count {
        if dominators[node] != forest.semidominators[node] {
            dominators[node] = dominators[dominators[node]];
        }
    }
    let of_node = |&number: &usize| walk.order[dominators[number]];
    walk.numbers.iter().map(of_node).collect()
}

/// Numbers the nodes of a tree so that each node's descendants follow it, and says up to where. `parents` come before
/// their children.
fn spans(parents: &[usize]) -> Vec<Range<usize>> {
    let mut sizes = vec![1; parents.len()];
    for node in (1..parents.len()).rev() {
        sizes[parents[node]] += sizes[node];
    }
    let mut spans: Vec<Range<usize>> = Vec::with_capacity(parents.len());
    // Where each node's next child begins.
    let mut free = vec![1; parents.len()];
    for node in 0..parents.len() {
        let start = if node == 0 { 0 } else { free[parents[node]] };
        free[node] = start + 1;
        spans.push(start..start + sizes[node]);
        if node != 0 {
            free[parents[node]] += sizes[node];
        }
    }
    spans
}

fn reverse_postorder(entry: BasicBlock<'_>) -> Vec<BasicBlock<'_>> {
    let mut order = Vec::new();
    let mut seen = std::collections::HashSet::from([entry]);
    let mut path = vec![(entry, successors(entry))];
    while let Some((block, rest)) = path.last_mut() {
        match rest.pop() {
            Some(next) if seen.insert(next) => {
                let rest = successors(next);
                path.push((next, rest));
            }
            Some(_) => {}
            None => {
                order.push(*block);
                path.pop();
            }
        }
    }
    order.reverse();
    order
}

/// Where a block goes, in the order of its terminator.
pub(crate) fn successors(block: BasicBlock<'_>) -> Vec<BasicBlock<'_>> {
    let Some(last) = block.get_terminator() else {
        return Vec::new();
    };
    let last = last.as_value_ref();
    // SAFETY: a terminator that is alive; each index is below the number of its successors, which are blocks.
    unsafe {
        (0..LLVMGetNumSuccessors(last))
            .filter_map(|index| BasicBlock::new(LLVMGetSuccessor(last, index)))
            .collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The nearest dominators by definition: of the nodes without which a node can't be reached, the last one.
    fn by_definition(following: &[Vec<usize>]) -> Vec<usize> {
        let reached_without = |without: usize| {
            let mut seen = vec![false; following.len()];
            let mut path = vec![0];
            while let Some(node) = path.pop() {
                if node != without && !std::mem::replace(&mut seen[node], true) {
                    path.extend(&following[node]);
                }
            }
            seen
        };
        let count = following.len();
        let without: Vec<_> = (0..count).map(reached_without).collect();
        let dominates = |by: usize, of: usize| !without[by][of];
        (0..count)
            .map(|node| {
                let strict = (0..count).filter(|&by| by != node && dominates(by, node));
                let all: Vec<_> = strict.collect();
                let last = all
                    .iter()
                    .find(|&&it| all.iter().all(|&by| dominates(by, it)));
                last.copied().unwrap_or(0)
            })
            .collect()
    }

    #[test]
    fn the_nearest_dominators_are_those_of_the_definition() {
        let mut random = 1u64;
        let mut next = |below: usize| {
            random = random
                .wrapping_mul(6_364_136_223_846_793_005)
                .wrapping_add(1);
            (random >> 33) as usize % below
        };
        for count in 1..30 {
            // Each node can be reached from one before it; other edges go anywhere.
            let mut following = vec![Vec::new(); count];
            for node in 1..count {
                following[next(node)].push(node);
            }
            for _ in 0..next(2 * count) {
                following[next(count)].push(next(count));
            }
            let found = nearest(&following);
            assert_eq!(found, by_definition(&following), "{following:?}");
        }
    }

    #[test]
    fn descendants_are_in_the_span_of_a_node() {
        let spans = spans(&[0, 0, 1, 0, 1, 4]);
        assert_eq!(spans, [0..6, 1..5, 2..3, 5..6, 3..5, 4..5]);
    }
}
