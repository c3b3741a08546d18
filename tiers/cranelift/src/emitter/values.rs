//! Variables as values: which value each has at the end of a block, and parameters of the blocks where
//! different values meet (Braun and others, "Simple and Efficient Construction of Static Single Assignment
//! Form", 2013). Branches are told as they are made; a block to which there will be no more is sealed.

use std::collections::HashMap;

use cranelift_codegen::entity::packed_option::ReservedValue;
use cranelift_codegen::ir::types::{F32, F64, I32, I64};
use cranelift_codegen::ir::{Block, Function, Inst, Type, Value};
use upshift_module::{LocalIndex, SecondaryMap};

/// The state of a function's blocks.
pub(super) struct Values {
    /// The value that a variable has at the end of a block, or so far.
    ends: HashMap<(Block, LocalIndex), Value>,
    blocks: SecondaryMap<Block, Joined>,
    /// Zeros that every block can use, and that locals have in code that nothing leads to.
    zeros: [Value; 5],
}

#[derive(Clone, Default)]
struct Joined {
    /// The branches to it and the blocks that they end. One that branches here twice is there once.
    predecessors: Vec<(Block, Inst)>,
    /// Whether these are all.
    sealed: bool,
    /// Parameters made before they were all known.
    open: Vec<(LocalIndex, Value)>,
}

impl Default for Values {
    fn default() -> Self {
        Self {
            ends: HashMap::new(),
            blocks: SecondaryMap::new(),
            zeros: [Value::reserved_value(); 5],
        }
    }
}

impl Values {
    /// Forgets the last function.
    pub fn clear(&mut self) {
        self.ends.clear();
        self.blocks.clear();
    }

    /// Begins with a function. The zeros are values of types `I32`, `I64`, `F32`, `F64` and `I8X16`.
    pub fn begin(&mut self, zeros: [Value; 5]) {
        self.zeros = zeros;
    }

    /// Zero as a local's initial value.
    pub fn zero(&self, ty: Type) -> Value {
        let [int, long, float, double, vector] = self.zeros;
        match ty {
            I32 => int,
            I64 => long,
            F32 => float,
            F64 => double,
            _ => vector,
        }
    }

    fn joined(&mut self, block: Block) -> &mut Joined {
        &mut self.blocks[block]
    }

    /// A branch at the end of `from` goes to `to`.
    pub fn add_branch(&mut self, from: Block, branch: Inst, to: Block) {
        let joined = self.joined(to);
        debug_assert!(!joined.sealed, "sealed: {to}");
        if !joined.predecessors.contains(&(from, branch)) {
            joined.predecessors.push((from, branch));
        }
    }

    /// A branch goes elsewhere now.
    pub fn redirect(&mut self, branch: Inst, from: Block, to: Block) {
        let predecessors = &mut self.joined(from).predecessors;
        if let Some(at) = predecessors.iter().position(|&(_, inst)| inst == branch) {
            let moved = predecessors.swap_remove(at);
            self.joined(to).predecessors.push(moved);
        }
    }

    /// All branches to a block have been made.
    pub fn seal(&mut self, block: Block, func: &mut Function) {
        let joined = self.joined(block);
        if std::mem::replace(&mut joined.sealed, true) {
            return;
        }
        for (variable, param) in std::mem::take(&mut joined.open) {
            self.join(block, variable, param, func);
        }
    }

    /// A variable has this value from here on in a block.
    pub fn write(&mut self, block: Block, variable: LocalIndex, value: Value) {
        self.ends.insert((block, variable), value);
    }

    /// The value of a variable, here in a block.
    pub fn read(
        &mut self,
        block: Block,
        variable: LocalIndex,
        ty: Type,
        func: &mut Function,
    ) -> Value {
        let mut passed = block;
        // Along blocks with one predecessor there is nothing to join.
        let value = loop {
            if let Some(&value) = self.ends.get(&(passed, variable)) {
                break value;
            }
            let joined = self.joined(passed);
            if !joined.sealed {
                let param = func.dfg.append_block_param(passed, ty);
                joined.open.push((variable, param));
                self.ends.insert((passed, variable), param);
                break param;
            }
            match *joined.predecessors {
                [(only, _)] => passed = only,
                [] => break self.zero(ty),
                _ => {
                    let param = func.dfg.append_block_param(passed, ty);
                    self.ends.insert((passed, variable), param);
                    break self.join(passed, variable, param, func);
                }
            }
        };
        let mut at = block;
        while at != passed {
            self.ends.insert((at, variable), value);
            at = self.joined(at).predecessors[0].0;
        }
        self.ends.insert((passed, variable), value);
        value
    }

    /// Gives a parameter its arguments, or makes it another name for the one value that they all are.
    fn join(
        &mut self,
        block: Block,
        variable: LocalIndex,
        param: Value,
        func: &mut Function,
    ) -> Value {
        let ty = func.dfg.value_type(param);
        let predecessors = self.joined(block).predecessors.clone();
        let mut values = Vec::with_capacity(predecessors.len());
        for &(from, _) in &predecessors {
            values.push(self.read(from, variable, ty, func));
        }
        let mut different = None;
        let mut same = true;
        for &value in &values {
            let value = func.dfg.resolve_aliases(value);
            if value == param {
                continue;
            }
            same &= *different.get_or_insert(value) == value;
        }
        if same {
            let value = different.unwrap_or_else(|| self.zero(ty));
            func.dfg.remove_block_param(param);
            func.dfg.change_to_alias(param, value);
            self.ends.insert((block, variable), value);
            return value;
        }
        for (&(_, branch), value) in predecessors.iter().zip(values) {
            let dfg = &mut func.stencil.dfg;
            let targets = dfg.insts[branch]
                .branch_destination_mut(&mut dfg.jump_tables, &mut dfg.exception_tables);
            for target in targets {
                if target.block(&dfg.value_lists) == block {
                    target.append_argument(value, &mut dfg.value_lists);
                }
            }
        }
        param
    }
}
