//! Blocks, jumps and the code behind the body: moves of operands on the way to a block, traps, and polls
//! whose budget is used up.

use upshift_module::{EntityRef, LoopIndex, ValType, to_u32, to_usize};
use upshift_runtime::{Builtin, CodeOffset, TrapCode, offsets};
use upshift_translate::{BranchTable, WorkSite};

use super::copies::Run;
use super::state::{
    Aside, Block, CONTEXT, Detour, FRAME_TOP, FastEmitter, FloatCondition, JumpTable, Label, Link,
    Pending, Place, RESULTS, SCRATCH, Slot, Stub, home_behind, in_xmm, width_of,
};
use crate::asm::{Flag, Gpr, Jump, Mem, Width, Xmm, digit, op};

/// More arguments of a jump than these are moved from home to home.
const MOVED_ONE_BY_ONE: usize = 32;

/// Bytes of a jump table's entry.
const TABLE_ENTRY: usize = 4;

/// Where an operand is that was set aside.
fn aside(depth: u32) -> Mem {
    Mem::new(Gpr::RBP, -(FRAME_TOP + depth).cast_signed())
}

impl FastEmitter<'_> {
    pub(super) fn new_block(&mut self, height: u32, params: &[ValType]) -> Label {
        let start = to_u32(self.s.params.len());
        self.s.params.extend_from_slice(params);
        // A label has at most a thousand parameters.
        let first_vector = params.iter().position(|&ty| ty == ValType::V128);
        self.add_block(Block {
            height,
            params: (start, start + to_u32(params.len())),
            first_vector: first_vector.map(to_u32),
            position: None,
        })
    }

    fn add_block(&mut self, block: Block) -> Label {
        self.s.blocks.push(block)
    }

    /// Goes on in a block, and adds its parameters to `values`.
    pub(super) fn start_block(&mut self, label: Label, values: &mut Vec<Slot>) {
        let Block { height, params, .. } = self.s.blocks[label];
        let pending = std::mem::replace(&mut self.pending, Pending::None);
        let goes_on = !self.gave_up() && self.link_pending(pending, Some(label));
        self.check_label(goes_on);
        if !goes_on {
            self.begin_block(height);
        }
        let block = &mut self.s.blocks[label];
        block.position = Some(self.s.asm.position());
        self.mark_offset();
        if !self.gave_up() {
            self.take_back(label);
        }
        for i in params.0..params.1 {
            let ty = self.s.params[to_usize(i)];
            values.push(height + i - params.0);
            if !self.gave_up() {
                self.push(ty, Place::Home);
            }
        }
        self.check();
    }

    /// Sets operands aside for the second arm of an `if`, whose first arm has their homes overwritten.
    pub(super) fn set_aside(&mut self, operands: &[Slot]) {
        // The second one that is created from now on.
        let block = Label::new(self.s.blocks.len() + 1);
        for &operand in operands {
            let ty = self.type_of(operand);
            let size = ty.cell_size();
            let end = self.s.asides.last().map_or(0, |last| last.depth);
            let depth = (end + size).next_multiple_of(size);
            self.aside = self.aside.max(depth);
            let to = aside(depth);
            match self.place_of(operand) {
                Place::Home => {
                    let from = self.home(operand);
                    self.copy_cell(ty, from, to);
                }
                place => self.store_operand(ty, place, to),
            }
            self.s.asides.push(Aside { block, ty, depth });
        }
    }

    /// Gives the second arm of an `if` the operands that were set aside for it.
    fn take_back(&mut self, block: Label) {
        let is_for_it = |aside: &&Aside| aside.block == block;
        let count = self.s.asides.iter().rev().take_while(is_for_it).count();
        if count == 0 {
            return;
        }
        let first = self.s.asides.len() - count;
        let height = self.s.blocks[block].height;
        self.drop_from(height - to_u32(count));
        for i in first..self.s.asides.len() {
            let Aside { ty, depth, .. } = self.s.asides[i];
            let from = aside(depth);
            let place = if in_xmm(ty) {
                let register = self.free_xmm();
                self.load_xmm(ty, register, from);
                Place::Xmm(register)
            } else {
                let register = self.free_gpr();
                self.s.asm.load(width_of(ty), register, from);
                Place::Gpr(register)
            };
            self.push(ty, place);
            self.unlock();
        }
        self.s.asides.truncate(first);
        self.check_taken_back(count);
    }

    /// Emits the jumps that end a block, where `next` follows. Whether that comes from nowhere else, so that registers
    /// keep their values.
    fn link_pending(&mut self, pending: Pending, next: Option<Label>) -> bool {
        match pending {
            Pending::None => false,
            Pending::Jump(target) => {
                if next != Some(target) {
                    let jump = self.s.asm.jump();
                    self.s.links.push(Link { jump, target });
                }
                false
            }
            Pending::GoOn(target) => {
                if next == Some(target) {
                    return true;
                }
                let jump = self.s.asm.jump();
                self.s.links.push(Link { jump, target });
                false
            }
            Pending::Branch {
                condition,
                then,
                otherwise,
            } => {
                if next == Some(then) {
                    self.jump_if(condition.not(), otherwise);
                } else {
                    self.jump_if(condition, then);
                    if next != Some(otherwise) {
                        let jump = self.s.asm.jump();
                        self.s.links.push(Link {
                            jump,
                            target: otherwise,
                        });
                        return false;
                    }
                }
                // The walk makes both for the branch alone, or goes on in the one it made.
                true
            }
        }
    }

    fn jump_if(&mut self, condition: FloatCondition, target: Label) {
        let asm = &mut self.s.asm;
        match condition {
            FloatCondition::One(flag) => {
                let jump = asm.jump_if(flag);
                self.s.links.push(Link { jump, target });
            }
            FloatCondition::Equal => {
                let unordered = asm.skip_if(Flag::P);
                let jump = asm.jump_if(Flag::E);
                asm.end_skip(unordered);
                self.s.links.push(Link { jump, target });
            }
            FloatCondition::NotEqual => {
                let jumps = [asm.jump_if(Flag::NE), asm.jump_if(Flag::P)];
                let link = |jump| Link { jump, target };
                self.s.links.extend(jumps.map(link));
            }
        }
    }

    /// Sends the operands home that a block expects below its parameters.
    fn prepare(&mut self, target: Label) {
        let height = self.s.blocks[target].height;
        self.store_homes(height);
    }

    pub(super) fn jump_to(&mut self, target: Label, args: &[Slot]) {
        self.prepare(target);
        self.pending = Pending::Jump(target);
        if args.len() > MOVED_ONE_BY_ONE {
            self.store_homes(self.height());
            let moves = self.moves(target, args);
            self.make_moves(moves);
            return;
        }
        let height = self.s.blocks[target].height;
        let mut end = self.end_of_homes(height);
        for (param, &arg) in (height..).zip(args) {
            let (ty, place) = (self.type_of(arg), self.place_of(arg));
            let home = home_behind(end, ty);
            end = home + ty.cell_size();
            if arg == param {
                self.store_home(arg);
                continue;
            }
            let to = self.cell(ty, home);
            if place == Place::Home {
                let from = self.home(arg);
                self.copy_cell(ty, from, to);
            } else {
                self.store_operand(ty, place, to);
            }
        }
    }

    /// The operands to move on the way to `target`, if there are any. No home is written to before it is read:
    /// values only move down, in their order.
    ///
    /// Neighbouring operands become neighbours, except that the first vector among them may come nearer to the cell
    /// in front of it: from there on, all cells are as far from one another as before.
    fn moves(&mut self, target: Label, args: &[Slot]) -> Option<(u32, u32)> {
        let Block {
            height,
            first_vector,
            ..
        } = self.s.blocks[target];
        let (&first, &last) = (args.first()?, args.last()?);
        if first == height {
            return None;
        }
        let start = to_u32(self.s.moves.len());
        let end = self.home_offset(last) + self.type_of(last).cell_size();
        let mut to = self.end_of_homes(height);
        // A label's parameters, as many as there are arguments.
        let scalars = first_vector.map_or(args.len(), to_usize);
        if scalars > 0 {
            let from = self.home_offset(first);
            let bytes = ValType::I64.cell_size() * to_u32(scalars);
            self.add_move(from, to, bytes, false);
            to += bytes;
        }
        if let Some(&vector) = args.get(scalars) {
            let (from, to) = (self.home_offset(vector), home_behind(to, ValType::V128));
            self.add_move(from, to, end - from, true);
        }
        let moves = (start, to_u32(self.s.moves.len()));
        (moves.0 < moves.1).then_some(moves)
    }

    fn add_move(&mut self, from: u32, to: u32, bytes: u32, begins_with_vector: bool) {
        if from != to {
            self.s.moves.push(Run {
                from,
                to,
                bytes,
                begins_with_vector,
            });
        }
    }

    fn make_moves(&mut self, moves: Option<(u32, u32)>) {
        let (start, end) = moves.unwrap_or_default();
        for i in start..end {
            let cells = (Gpr::RSP, self.lowered);
            self.copy_run(self.s.moves[to_usize(i)], cells, cells);
        }
    }

    /// Where a branch goes that leads to `target` with these moves.
    fn way(&mut self, target: Label, moves: Option<(u32, u32)>) -> Label {
        let Some(moves) = moves else {
            return target;
        };
        let block = self.add_block(Block {
            height: 0,
            params: (0, 0),
            first_vector: None,
            position: None,
        });
        self.s.detours.push(Detour {
            block,
            target,
            moves,
            offset: self.offset,
        });
        block
    }

    pub(super) fn branch(
        &mut self,
        condition: Slot,
        then: (Label, &[Slot]),
        otherwise: (Label, &[Slot]),
    ) {
        self.s.calls.branch();
        let below = condition.min(self.height());
        self.store_homes(below);
        let moves = self.moves(then.0, then.1);
        let condition_slot = condition;
        let condition = self.condition(condition_slot);
        self.drop_from(condition_slot);
        if moves.is_none() {
            self.pending = Pending::Branch {
                condition,
                then: then.0,
                otherwise: otherwise.0,
            };
            return;
        }
        // Only the walk's conditional branches move operands, and go on otherwise.
        let way = self.way(then.0, moves);
        self.jump_if(condition, way);
        self.pending = Pending::GoOn(otherwise.0);
    }

    pub(super) fn branch_by_table(&mut self, index: Slot, table: &BranchTable<'_, Label, Slot>) {
        self.s.calls.branch();
        self.store_homes(index);
        let index = self.index(index);
        let register = index.register();
        let mut ways = Vec::with_capacity(table.ways.len());
        for &(target, args) in table.ways {
            let moves = self.moves(target, args);
            ways.push(self.way(target, moves));
        }
        self.check_ways(table.ways);
        let way = |place: u32| ways[to_usize(place)];
        let count = to_u32(table.cases.len());
        let asm = &mut self.s.asm;
        asm.int_imm(Width::W32, digit::CMP, register, count.cast_signed());
        let jump = asm.jump_if(Flag::AE);
        self.s.links.push(Link {
            jump,
            target: way(table.default),
        });
        // Everything is at home: registers hold nothing that is needed.
        let entry = if register == Gpr::RAX {
            Gpr::RCX
        } else {
            Gpr::RAX
        };
        let asm = &mut self.s.asm;
        let address = asm.lea_code(SCRATCH);
        asm.int(
            Width::W64,
            op::MOVSXD,
            entry,
            Mem::new(SCRATCH, 0).index(index, 2),
        );
        asm.int(Width::W64, op::ADD, SCRATCH, entry);
        asm.jump_at(SCRATCH);
        let start = to_u32(self.s.entries.len());
        let entries = table.cases.iter().map(|&place| way(place));
        self.s.entries.extend(entries);
        self.s.tables.push(JumpTable {
            address,
            position: 0,
            entries: (start, start + count),
        });
        self.pending = Pending::None;
    }

    // Work.

    pub(super) fn count_at_entry(&mut self) -> WorkSite {
        // The prologue has it.
        match self.entry_check {
            Some(_) => WorkSite::from_u32(0),
            None => WorkSite::NOT_COUNTED,
        }
    }

    /// At a loop's header, where everything is at home.
    pub(super) fn count_at_loop(&mut self, number: LoopIndex) -> WorkSite {
        if !self.unit.settings.count_work {
            return WorkSite::NOT_COUNTED;
        }
        let budget = Mem::new(CONTEXT, self.unit.offsets.budget(self.function));
        let asm = &mut self.s.asm;
        let work = asm.int_imm32(Width::W32, digit::SUB, budget, 0);
        let jump = asm.jump_if(Flag::S);
        let back = asm.position();
        let site = self.s.sites.push(work);
        self.s.stubs.push(Stub::Poll {
            jump,
            back,
            number,
            offset: self.offset,
        });
        site
    }

    // The end.

    /// Emits the code behind the body, and fills in where jumps go.
    pub(super) fn finish_code(&mut self) {
        let pending = std::mem::replace(&mut self.pending, Pending::None);
        self.link_pending(pending, None);
        self.check_end();
        self.place_tables();
        self.check_behind_tables();
        self.place_detours();
        self.place_stubs();
        self.place_entry_check();
        self.check_end();
        self.place_probes();
        self.s.asm.place_constants();
        for i in 0..self.s.links.len() {
            let Link { jump, target } = self.s.links[i];
            if let Some(target) = self.position_of(target) {
                self.s.asm.link(jump, target);
            }
        }
        self.fill_tables();
        self.set_frame_size();
    }

    fn position_of(&self, block: Label) -> Option<u32> {
        self.s.blocks[block].position
    }

    fn place_tables(&mut self) {
        for i in 0..self.s.tables.len() {
            let here = self.s.asm.position();
            let table = &mut self.s.tables[i];
            table.position = here;
            self.s.asm.link(table.address, here);
            for _ in table.entries.0..table.entries.1 {
                self.s.asm.number();
            }
        }
    }

    /// Has the entries of tables say how far from its table each leads.
    fn fill_tables(&mut self) {
        for i in 0..self.s.tables.len() {
            let JumpTable {
                position, entries, ..
            } = self.s.tables[i];
            for (at, entry) in (position..).step_by(TABLE_ENTRY).zip(entries.0..entries.1) {
                if let Some(target) = self.position_of(self.s.entries[to_usize(entry)]) {
                    let distance = target.wrapping_sub(position).cast_signed();
                    self.s.asm.set_imm32(at, distance);
                }
            }
        }
    }

    fn place_detours(&mut self) {
        for i in 0..self.s.detours.len() {
            let Detour {
                block,
                target,
                moves,
                offset,
            } = self.s.detours[i];
            self.set_offset(offset);
            self.s.blocks[block].position = Some(self.s.asm.position());
            self.check_detour(i);
            self.make_moves(Some(moves));
            self.check_detour_moved(i);
            let jump = self.s.asm.jump();
            self.s.links.push(Link { jump, target });
        }
    }

    fn place_stubs(&mut self) {
        let mut leaves = Vec::new();
        for stub in std::mem::take(&mut self.s.stubs) {
            match stub {
                Stub::Trap(jump, code, offset) => {
                    self.set_offset(offset);
                    self.s.asm.link_here(jump);
                    self.trap(code);
                }
                Stub::Poll {
                    jump,
                    back,
                    number,
                    offset,
                } => {
                    self.set_offset(offset);
                    self.s.asm.link_here(jump);
                    self.check_label_behind();
                    leaves.push(self.poll_runtime(back, number));
                }
            }
        }
        if leaves.is_empty() {
            return;
        }
        for jump in leaves {
            self.s.asm.link_here(jump);
        }
        self.check_label_behind();
        self.go_on_in_better_code();
    }

    /// Asks the runtime at a loop's header; the jump is taken if there is a better place to go on, in rax.
    fn poll_runtime(&mut self, back: u32, number: LoopIndex) -> Jump {
        let asm = &mut self.s.asm;
        asm.mov_imm(Gpr::RSI, self.function.as_u32().into());
        asm.mov_imm(Gpr::RDX, number.as_u32().into());
        asm.mov(Width::W64, Gpr::RCX, Gpr::RSP);
        self.call_stub(Builtin::BudgetAtLoop);
        let asm = &mut self.s.asm;
        asm.int(Width::W64, op::TEST, Gpr::RAX, Gpr::RAX);
        let leave = asm.jump_if(Flag::NE);
        let jump = asm.jump();
        asm.link(jump, back);
        leave
    }

    /// Calls the entry at a loop that is in rax, and returns its results. The runtime has lowered the stack's limit
    /// by the entry's frame.
    fn go_on_in_better_code(&mut self) {
        let results = self.ty.results();
        let asm = &mut self.s.asm;
        let store = Mem::new(CONTEXT, offsets::VMCONTEXT_STORE);
        asm.load(Width::W64, SCRATCH, store);
        let before = Mem::new(SCRATCH, offsets::VMSTORE_LIMIT_BEFORE_MOVE);
        asm.load(Width::W64, Gpr::RCX, before);
        asm.mov(Width::W64, Gpr::RDI, CONTEXT);
        asm.mov(Width::W64, Gpr::RSI, Gpr::RSP);
        // A cell for the result, and one for the limit.
        asm.int_imm(Width::W64, digit::SUB, Gpr::RSP, 32);
        let saved_limit = Mem::new(Gpr::RSP, 16);
        asm.store(Width::W64, saved_limit, Gpr::RCX);
        if results.len() > 1 {
            asm.load(Width::W64, Gpr::RDX, Mem::new(Gpr::RBP, RESULTS));
        } else {
            asm.mov(Width::W64, Gpr::RDX, Gpr::RSP);
        }
        asm.call(Gpr::RAX);
        asm.load(Width::W64, Gpr::RCX, saved_limit);
        asm.load(Width::W64, SCRATCH, store);
        let limit = Mem::new(SCRATCH, offsets::VMSTORE_STACK_LIMIT);
        asm.store(Width::W64, limit, Gpr::RCX);
        let cell = Mem::new(Gpr::RSP, 0);
        match *results {
            [ty] if in_xmm(ty) => self.load_xmm(ty, Xmm(0), cell),
            [_] => self.s.asm.load(Width::W64, Gpr::RAX, cell),
            _ => {}
        }
        self.leave();
    }

    /// The target of the check at the entry: the runtime decides where the call goes on.
    fn place_entry_check(&mut self) {
        let Some((out, go_on)) = self.entry_check else {
            return;
        };
        if let Some(&CodeOffset { module, .. }) = self.s.offsets.first() {
            self.set_offset(module);
        }
        self.check_label_of_entry();
        let asm = &mut self.s.asm;
        asm.link_here(out);
        asm.mov_imm_keeping_flags(Gpr::RAX, self.function.as_u32().into());
        let address = asm.lea_code(Gpr::R10);
        asm.link(address, go_on);
        let builtins = Mem::new(Gpr::RDI, offsets::VMCONTEXT_BUILTINS);
        asm.load(Width::W64, SCRATCH, builtins);
        asm.jump_at(Mem::new(SCRATCH, Builtin::BudgetAtEntry.offset()));
    }

    pub(super) fn end_with_trap(&mut self, code: TrapCode) {
        if code == TrapCode::Unreachable {
            self.s.calls.forget_doomed();
        }
        self.trap(code);
        self.pending = Pending::None;
    }
}
