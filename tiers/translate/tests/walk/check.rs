//! Properties that hold for all emitted code: blocks are complete, values dominate their uses,
//! loops are entered at their headers only.

use crate::recorder::{Block, Recording};

/// The blocks that can be reached, in reverse postorder, and their immediate dominators.
struct Dominators {
    order: Vec<usize>,
    /// Position of a block in `order`, if it can be reached.
    position: Vec<Option<usize>>,
    /// By position: position of the immediate dominator.
    parent: Vec<usize>,
}

impl Dominators {
    fn new(recording: &Recording) -> Self {
        let order = reverse_postorder(recording);
        let mut position = vec![None; recording.blocks.len()];
        for (i, &block) in order.iter().enumerate() {
            position[block] = Some(i);
        }
        let mut parent: Vec<Option<usize>> = vec![None; order.len()];
        parent[0] = Some(0);
        let mut changed = true;
        while changed {
            changed = false;
            for i in 1..order.len() {
                let predecessors = &recording.blocks[order[i]].predecessors;
                let mut common: Option<usize> = None;
                for from in predecessors
                    .iter()
                    .filter_map(|&Block(from)| position[from])
                {
                    if parent[from].is_none() {
                        continue;
                    }
                    common = Some(match common {
                        None => from,
                        Some(other) => meet(&parent, from, other),
                    });
                }
                changed |= common.is_some() && common != parent[i];
                parent[i] = common.or(parent[i]);
            }
        }
        let parent = parent
            .into_iter()
            .map(|parent| parent.expect("all are reached"))
            .collect();
        Self {
            order,
            position,
            parent,
        }
    }

    /// Whether the block at position `a` dominates that at `b`.
    fn dominates(&self, a: usize, b: usize) -> bool {
        let mut at = b;
        while at > a {
            at = self.parent[at];
        }
        at == a
    }
}

fn meet(parent: &[Option<usize>], mut a: usize, mut b: usize) -> usize {
    while a != b {
        if a > b {
            a = parent[a].expect("it was processed");
        } else {
            b = parent[b].expect("it was processed");
        }
    }
    a
}

fn reverse_postorder(recording: &Recording) -> Vec<usize> {
    let mut postorder = Vec::new();
    let mut seen = vec![false; recording.blocks.len()];
    let mut stack = vec![(0, 0)];
    seen[0] = true;
    while let Some((block, next)) = stack.pop() {
        match recording.blocks[block].successors.get(next) {
            Some(&Block(to)) => {
                stack.push((block, next + 1));
                if !std::mem::replace(&mut seen[to], true) {
                    stack.push((to, 0));
                }
            }
            None => postorder.push(block),
        }
    }
    postorder.reverse();
    postorder
}

/// Checks that every block is complete and that reachable blocks use only values that dominate.
pub fn check(recording: &Recording) {
    for (number, block) in recording.blocks.iter().enumerate() {
        assert!(
            block.entered,
            "b{number} was never switched to:\n{recording}"
        );
        assert!(block.ended, "b{number} has no end:\n{recording}");
        assert!(block.sealed, "b{number} was not sealed:\n{recording}");
    }
    assert!(
        recording
            .work
            .values()
            .all(|work| work.is_some_and(|work| work > 0))
    );

    let dominators = Dominators::new(recording);
    // Where each value is defined: position of the block, and position in the block from 1 on.
    let mut definitions = vec![None; recording.values];
    for (i, &block) in dominators.order.iter().enumerate() {
        let block = &recording.blocks[block];
        for param in &block.params {
            definitions[param.0] = Some((i, 0));
        }
        for (j, op) in block.ops.iter().enumerate() {
            for result in &op.results {
                definitions[result.0] = Some((i, j + 1));
            }
        }
    }
    for (i, &number) in dominators.order.iter().enumerate() {
        for (j, op) in recording.blocks[number].ops.iter().enumerate() {
            for value in &op.uses {
                let good = definitions[value.0].is_some_and(|(block, at)| {
                    if block == i {
                        at <= j
                    } else {
                        dominators.dominates(block, i)
                    }
                });
                assert!(
                    good,
                    "{value} does not dominate `{}` in b{number}:\n{recording}",
                    op.text
                );
            }
        }
    }
}

/// The blocks that can be reached.
pub fn reachable(recording: &Recording) -> Vec<usize> {
    reverse_postorder(recording)
}

/// Whether every loop among the reachable blocks is entered at one block only.
pub fn is_reducible(recording: &Recording) -> bool {
    let dominators = Dominators::new(recording);
    dominators.order.iter().enumerate().all(|(i, &block)| {
        let successors = recording.blocks[block].successors.iter();
        let mut positions = successors.filter_map(|&Block(to)| dominators.position[to]);
        positions.all(|to| to > i || dominators.dominates(to, i))
    })
}

/// Checks that every loop among the reachable blocks is entered at one block only.
pub fn check_reducible(recording: &Recording) {
    assert!(
        is_reducible(recording),
        "a loop is entered in the middle:\n{recording}"
    );
}
