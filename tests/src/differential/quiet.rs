//! Has modules ask of each result of arithmetic with floats whether it is a signalling NaN, which none is ever allowed to be
//! (clause 4.3.3 of the specification). A function whose arithmetic gave one ends with `unreachable`, which it does not in
//! the engine that it is compared with.
//!
//! What asks leaves the optimizing tier all of its freedom: it looks at bits after the fact, takes no branch, and what
//! it found is told where the function returns.

use std::collections::VecDeque;
use std::convert::Infallible;

use wasm_encoder::reencode::{self, Reencode};
use wasm_encoder::{BlockType, CodeSection, Function, Instruction, MemArg, Module, ValType};
use wasmparser::{FunctionBody, Parser};

use super::arithmetic::{self, Floats};
use super::arrays::{SCRATCH, at};
use super::detour::{locals, parameters};

/// Changes whenever modules ask in another way: counts of before are void then.
pub(crate) const VERSION: u32 = 1;

/// How a function keeps what it looks at.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Record {
    /// As bits that are compared at once; their disjunction is a local.
    Locals,
    /// As floats in memory from [`SCRATCH`] on, which are looked through when the function returns, and are zero then.
    /// Only modules of this project's generators have such memory.
    Memory,
}

/// Bits of a float but the sign, the first that is a NaN, and how many NaNs signal.
const MAGNITUDE32: i32 = 0x7fff_ffff;
const FIRST32: i32 = 0x7f80_0001;
const SIGNALLING32: i32 = 0x003f_ffff;
const MAGNITUDE64: i64 = 0x7fff_ffff_ffff_ffff;
const FIRST64: i64 = 0x7ff0_0000_0000_0001;
const SIGNALLING64: i64 = 0x0007_ffff_ffff_ffff;
/// Bytes for what is recorded, of floats of 32 bits, and as many of 64 behind them.
const RECORD_BYTES: u64 = 0x800;

/// A module that does the same, and asks.
///
/// # Errors
/// When the bytes are no module.
pub(crate) fn ask(wasm: &[u8], record: Record) -> Result<Vec<u8>, reencode::Error<Infallible>> {
    ask_of(wasm, record, arithmetic::result)
}

/// The same, of what an instruction results in by this rule.
fn ask_of(
    wasm: &[u8],
    record: Record,
    result: fn(&Instruction<'_>) -> Option<Floats>,
) -> Result<Vec<u8>, reencode::Error<Infallible>> {
    let mut module = Module::new();
    let mut rewriter = Rewriter {
        record,
        result,
        parameters: parameters(wasm)?.into(),
        free: [SCRATCH, SCRATCH + RECORD_BYTES],
    };
    rewriter.parse_core_module(&mut module, Parser::new(0), wasm)?;
    Ok(module.finish())
}

struct Rewriter {
    record: Record,
    /// What an instruction results in that is asked about.
    result: fn(&Instruction<'_>) -> Option<Floats>,
    /// The numbers of parameters of functions whose bodies follow.
    parameters: VecDeque<u32>,
    /// Where the next results are recorded, of 32 and of 64 bits.
    free: [u64; 2],
}

impl Reencode for Rewriter {
    type Error = Infallible;

    fn parse_function_body(
        &mut self,
        code: &mut CodeSection,
        body: FunctionBody<'_>,
    ) -> Result<(), reencode::Error<Infallible>> {
        let parameters = self.parameters.pop_front().unwrap_or(0);
        let (mut locals, first) = locals(self, &body, parameters)?;
        let before = self.free;
        let mut asking = Asking {
            function: Vec::new(),
            scratch: [first, first + 1, first + 2],
            found: [first + 3, first + 4],
            at: first + 5,
            before,
        };
        locals.extend([(1, ValType::F32), (1, ValType::F64), (1, ValType::V128)]);
        locals.extend([(1, ValType::I32), (1, ValType::V128), (1, ValType::I32)]);

        let mut reader = body.get_operators_reader()?;
        // Blocks that are open, the function's own not counted.
        let mut depth = 0_u32;
        while !reader.eof() {
            let instruction = self.parse_instruction(&mut reader)?;
            let returns = match &instruction {
                Instruction::Block(_) | Instruction::Loop(_) | Instruction::If(_) => {
                    depth += 1;
                    false
                }
                Instruction::End => match depth.checked_sub(1) {
                    Some(outside) => {
                        depth = outside;
                        false
                    }
                    None => true,
                },
                Instruction::Return => true,
                Instruction::Br(to) | Instruction::BrIf(to) => *to == depth,
                Instruction::BrTable(targets, default) => {
                    *default == depth || targets.contains(&depth)
                }
                _ => false,
            };
            if returns {
                asking.tell(self.free);
            }
            let result = (self.result)(&instruction);
            asking.function.push(instruction);
            if let Some(floats) = result {
                match self.place(floats) {
                    Some(place) => asking.store(floats, place),
                    None => asking.look(floats),
                }
            }
        }
        let mut function = Function::new(locals);
        for instruction in &asking.function {
            function.instruction(instruction);
        }
        code.function(&function);
        Ok(())
    }
}

impl Rewriter {
    /// Where a result is recorded, if it is and there is room.
    fn place(&mut self, floats: Floats) -> Option<MemArg> {
        let (area, bytes) = match floats {
            Floats::F32 => (0, 4),
            Floats::F64 => (1, 8),
            Floats::F32x4 => (0, 16),
            Floats::F64x2 => (1, 16),
        };
        let end = SCRATCH + RECORD_BYTES * (area as u64 + 1);
        let place = self.free[area];
        if self.record == Record::Locals || place + bytes > end {
            return None;
        }
        self.free[area] = place + bytes;
        Some(at(place))
    }
}

/// A function while it is written.
struct Asking<'a> {
    function: Vec<Instruction<'a>>,
    /// Locals for a result while it is looked at: one of each type of floats, and one for vectors.
    scratch: [u32; 3],
    /// Locals with whether there was a signalling NaN, and in which lanes.
    found: [u32; 2],
    /// A local for addresses.
    at: u32,
    /// Where this function's records begin.
    before: [u64; 2],
}

impl<'a> Asking<'a> {
    fn add(&mut self, instructions: impl IntoIterator<Item = Instruction<'a>>) {
        self.function.extend(instructions);
    }

    fn scratch(&self, floats: Floats) -> u32 {
        self.scratch[match floats {
            Floats::F32 => 0,
            Floats::F64 => 1,
            Floats::F32x4 | Floats::F64x2 => 2,
        }]
    }

    /// Records the result on the stack in memory.
    fn store(&mut self, floats: Floats, place: MemArg) {
        let scratch = self.scratch(floats);
        self.add([
            Instruction::LocalTee(scratch),
            Instruction::I32Const(0),
            Instruction::LocalGet(scratch),
            match floats {
                Floats::F32 => Instruction::F32Store(place),
                Floats::F64 => Instruction::F64Store(place),
                Floats::F32x4 | Floats::F64x2 => Instruction::V128Store(place),
            },
        ]);
    }

    /// Looks at the result on the stack, and leaves it there.
    fn look(&mut self, floats: Floats) {
        let scratch = self.scratch(floats);
        self.add([
            Instruction::LocalTee(scratch),
            Instruction::LocalGet(scratch),
        ]);
        match floats {
            Floats::F32 => {
                self.add([Instruction::I32ReinterpretF32]);
                self.found_in_bits32();
            }
            Floats::F64 => {
                self.add([Instruction::I64ReinterpretF64]);
                self.found_in_bits64();
            }
            Floats::F32x4 => self.found_in_lanes([
                lanes32(MAGNITUDE32),
                Instruction::V128And,
                lanes32(FIRST32),
                Instruction::I32x4Sub,
                lanes32(SIGNALLING32),
                Instruction::I32x4LtU,
            ]),
            Floats::F64x2 => self.found_in_lanes([
                lanes64(MAGNITUDE64),
                Instruction::V128And,
                Instruction::LocalTee(scratch),
                lanes64(FIRST64 - 1),
                Instruction::I64x2GtS,
                Instruction::LocalGet(scratch),
                lanes64(FIRST64 + SIGNALLING64),
                Instruction::I64x2LtS,
                Instruction::V128And,
            ]),
        }
    }

    /// Notes whether the bits on the stack are those of a signalling NaN.
    fn found_in_bits32(&mut self) {
        self.add([
            Instruction::I32Const(MAGNITUDE32),
            Instruction::I32And,
            Instruction::I32Const(FIRST32),
            Instruction::I32Sub,
            Instruction::I32Const(SIGNALLING32),
            Instruction::I32LtU,
        ]);
        self.note();
    }

    fn found_in_bits64(&mut self) {
        self.add([
            Instruction::I64Const(MAGNITUDE64),
            Instruction::I64And,
            Instruction::I64Const(FIRST64),
            Instruction::I64Sub,
            Instruction::I64Const(SIGNALLING64),
            Instruction::I64LtU,
        ]);
        self.note();
    }

    fn note(&mut self) {
        let found = self.found[0];
        self.add([
            Instruction::LocalGet(found),
            Instruction::I32Or,
            Instruction::LocalSet(found),
        ]);
    }

    fn found_in_lanes(&mut self, compare: impl IntoIterator<Item = Instruction<'a>>) {
        let found = self.found[1];
        self.add(compare);
        self.add([
            Instruction::LocalGet(found),
            Instruction::V128Or,
            Instruction::LocalSet(found),
        ]);
    }

    /// Ends with `unreachable` if there was a signalling NaN, where the function would return.
    fn tell(&mut self, free: [u64; 2]) {
        let [start32, start64] = self.before;
        self.look_through(start32, free[0], 4);
        self.look_through(start64, free[1], 8);
        let [found, lanes] = self.found;
        self.add([
            Instruction::LocalGet(found),
            Instruction::LocalGet(lanes),
            Instruction::V128AnyTrue,
            Instruction::I32Or,
            Instruction::If(BlockType::Empty),
            Instruction::Unreachable,
            Instruction::End,
        ]);
    }

    /// Looks through what was recorded, and makes it zero.
    fn look_through(&mut self, start: u64, end: u64, bytes: u64) {
        if start == end {
            return;
        }
        let address = self.at;
        let number = |address: u64| Instruction::I32Const(address as i32);
        self.add([
            number(start),
            Instruction::LocalSet(address),
            Instruction::Loop(BlockType::Empty),
            Instruction::LocalGet(address),
        ]);
        if bytes == 4 {
            self.add([Instruction::I32Load(at(0))]);
            self.found_in_bits32();
        } else {
            self.add([Instruction::I64Load(at(0))]);
            self.found_in_bits64();
        }
        self.add([
            Instruction::LocalGet(address),
            Instruction::I64Const(0),
            if bytes == 4 {
                Instruction::I64Store32(at(0))
            } else {
                Instruction::I64Store(at(0))
            },
            Instruction::LocalGet(address),
            number(bytes),
            Instruction::I32Add,
            Instruction::LocalTee(address),
            number(end),
            Instruction::I32Ne,
            Instruction::BrIf(0),
            Instruction::End,
        ]);
    }
}

fn lanes32(bits: i32) -> Instruction<'static> {
    let bits = bits.to_le_bytes();
    let lanes = std::array::from_fn(|place| bits[place % 4]);
    Instruction::V128Const(i128::from_le_bytes(lanes))
}

fn lanes64(bits: i64) -> Instruction<'static> {
    let bits = bits.to_le_bytes();
    let lanes = std::array::from_fn(|place| bits[place % 8]);
    Instruction::V128Const(i128::from_le_bytes(lanes))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// As if the sign of a float were arithmetic, which leaves a signalling NaN one.
    fn signs(instruction: &Instruction<'_>) -> Option<Floats> {
        Some(match instruction {
            Instruction::F32Neg => Floats::F32,
            Instruction::F64Neg => Floats::F64,
            Instruction::F32x4Neg => Floats::F32x4,
            Instruction::F64x2Neg => Floats::F64x2,
            _ => return None,
        })
    }

    const SIGNS: &str = r#"(module
        (memory (export "memory") 1)
        (func (export "f32") (param i64)
          (drop (f32.neg (f32.reinterpret_i32 (i32.wrap_i64 (local.get 0))))))
        (func (export "f64") (param i64)
          (block (br 1 (drop (f64.neg (f64.reinterpret_i64 (local.get 0))))))
          unreachable)
        (func (export "f32x4") (param i64)
          (drop (f32x4.neg (i64x2.replace_lane 1 (v128.const i64x2 0 0) (local.get 0))))
          return)
        (func (export "f64x2") (param i64)
          (drop (f64x2.neg (i64x2.replace_lane 1 (v128.const i64x2 0 0) (local.get 0)))))
        (func (export "loop") (param i64)
          (loop
            (drop (f64.neg (f64.reinterpret_i64 (local.get 0))))
            (local.set 0 (i64.sub (local.get 0) (i64.const 1)))
            (br_if 0 (i64.gt_s (local.get 0) (i64.const 0x7ff4000000000000))))))"#;

    #[test]
    fn signalling_nans_end_their_function_and_nothing_else_does() {
        let wasm = wat::parse_str(SIGNS).unwrap();
        let signalling32 = [
            0x7f80_0001,
            0x7fa0_0000,
            0x7fbf_ffff,
            0xff80_0001,
            0xffbf_ffff,
        ];
        let others32 = [
            0,
            0x7f80_0000,
            0xff80_0000,
            0x7fc0_0000,
            0xffff_ffff,
            0x3f80_0000,
        ];
        let signalling64 = [0x7ff0_0000_0000_0001, 0x7ff7_ffff_ffff_ffff, 0xfff4 << 48];
        let others64 = [
            0,
            0x7ff0 << 48,
            0xfff0 << 48,
            0x7ff8 << 48,
            u64::MAX,
            0x3ff0 << 48,
        ];
        for record in [Record::Locals, Record::Memory] {
            let asking = ask_of(&wasm, record, signs).unwrap();
            let engine = upshift::Engine::default();
            let module = upshift::Module::new(&engine, asking).unwrap();
            let mut store = upshift::Store::new(&engine, ());
            let instance = upshift::Instance::new(&mut store, &module, &[]).unwrap();
            let mut ends = |name: &str, bits: u64| {
                let function = instance
                    .get_typed_func::<i64, ()>(&mut store, name)
                    .unwrap();
                let ended = function.call(&mut store, bits.cast_signed()).is_err();
                let memory = instance.get_memory(&store, "memory").unwrap();
                assert!(memory.data(&store).iter().all(|&byte| byte == 0));
                ended
            };
            for (name, shift) in [("f32", 0), ("f32x4", 0), ("f32x4", 32)] {
                for bits in signalling32 {
                    assert!(ends(name, bits << shift), "{record:?} {name} {bits:#x}");
                }
                for bits in others32 {
                    assert!(!ends(name, bits << shift), "{record:?} {name} {bits:#x}");
                }
            }
            for name in ["f64", "f64x2"] {
                for bits in signalling64 {
                    assert!(ends(name, bits), "{record:?} {name} {bits:#x}");
                }
                for bits in others64 {
                    assert!(!ends(name, bits), "{record:?} {name} {bits:#x}");
                }
            }
        }
        // What one round found is kept, though the next ones find nothing.
        let asking = ask_of(&wasm, Record::Locals, signs).unwrap();
        let engine = upshift::Engine::default();
        let module = upshift::Module::new(&engine, asking).unwrap();
        let mut store = upshift::Store::new(&engine, ());
        let instance = upshift::Instance::new(&mut store, &module, &[]).unwrap();
        let rounds = instance
            .get_typed_func::<i64, ()>(&mut store, "loop")
            .unwrap();
        let quiet_after_signalling = 0x7ff4_0000_0000_0003;
        assert!(rounds.call(&mut store, quiet_after_signalling).is_err());
        assert!(rounds.call(&mut store, 1).is_ok());
    }
}
