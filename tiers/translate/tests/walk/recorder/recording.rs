//! The record: blocks of pseudo-operators, and how they look as text.

use std::fmt;

use upshift_module::{PrimaryMap, ValType};
use upshift_translate::WorkSite;

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Value(pub usize);
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Block(pub usize);

impl fmt::Display for Value {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "v{}", self.0)
    }
}

/// One call to the emitter.
pub struct Op {
    pub text: String,
    pub uses: Vec<Value>,
    pub results: Vec<Value>,
    pub offset: u32,
    pub site: Option<WorkSite>,
}

#[derive(Default)]
pub struct BlockData {
    pub param_types: Vec<ValType>,
    pub params: Vec<Value>,
    pub ops: Vec<Op>,
    pub successors: Vec<Block>,
    pub predecessors: Vec<Block>,
    pub ended: bool,
    pub entered: bool,
    pub sealed: bool,
}

/// A recorded function. Block 0 is where the emitter stood at first.
pub struct Recording {
    pub blocks: Vec<BlockData>,
    /// Blocks in the order in which they were switched to.
    pub layout: Vec<Block>,
    pub values: usize,
    /// The work of each site, in the order of the sites.
    pub work: PrimaryMap<WorkSite, Option<u32>>,
}

impl Recording {
    pub fn ops(&self) -> impl Iterator<Item = &Op> {
        self.layout
            .iter()
            .flat_map(|block| &self.blocks[block.0].ops)
    }
}

impl fmt::Display for Recording {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for &Block(number) in &self.layout {
            let block = &self.blocks[number];
            write!(f, "b{number}")?;
            if !block.params.is_empty() {
                write!(f, "({})", list(&block.params))?;
            }
            writeln!(f, ":")?;
            for op in &block.ops {
                write!(f, "  ")?;
                if !op.results.is_empty() {
                    write!(f, "{} = ", list(&op.results))?;
                }
                write!(f, "{}", op.text)?;
                if let Some(site) = op.site {
                    write!(f, " work {}", self.work[site].expect("work is set"))?;
                }
                writeln!(f)?;
            }
        }
        Ok(())
    }
}

pub fn list(values: &[Value]) -> String {
    values
        .iter()
        .map(Value::to_string)
        .collect::<Vec<_>>()
        .join(" ")
}
