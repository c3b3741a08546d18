//! Calls: within the module, of imports, through tables, of the runtime; and returns.

use cranelift_codegen::cursor::Cursor;
use cranelift_codegen::ir::condcodes::IntCC;
use cranelift_codegen::ir::types::{I32, I64};
use cranelift_codegen::ir::{InstBuilder, Value};
use upshift_module::{FuncIndex, ModuleOffset, TableIndex, TypeIndex};
use upshift_runtime::{Builtin, TrapCode, offsets};

use super::homes::Resident;
use super::state::{ClifEmitter, clif_type, result_offset};
use super::user_trap;

/// Bytes of a code slot, of a type id.
const SLOT_SIZE: i32 = 8;
const TYPE_ID_SIZE: i32 = 4;

impl ClifEmitter<'_> {
    pub(super) fn call_function(
        &mut self,
        function: FuncIndex,
        args: &[Value],
        results: &mut Vec<Value>,
    ) {
        let (code, callee) = match self.module.defined_function(function) {
            Some(defined) => {
                self.scratch.calls.add(defined);
                let slots = self.fixed_field(offsets::VMCONTEXT_SLOTS);
                // A slot changes when better code is there: its load is an ordinary one.
                let code = self.load_at(
                    I64,
                    self.flags.own,
                    slots,
                    SLOT_SIZE * defined.as_u32().cast_signed(),
                );
                (code, self.context())
            }
            None => {
                self.announce_caller();
                let reference = self.unit.offsets.funcref(function);
                let slot = self.fixed_field(reference + offsets::VMFUNCREF_SLOT);
                let code = self.load_at(I64, self.flags.own, slot, 0);
                (code, self.fixed_field(reference + offsets::VMFUNCREF_VMCTX))
            }
        };
        self.call_code(self.module.functions[function], code, callee, args, results);
    }

    pub(super) fn call_table(
        &mut self,
        table: TableIndex,
        type_index: TypeIndex,
        index: Value,
        args: &[Value],
        results: &mut Vec<Value>,
    ) {
        let element = self.table_element(table, index, TrapCode::UndefinedElement);
        let reference = self.load_at(I64, self.flags.own, element, 0);
        self.cursor
            .ins()
            .trapz(reference, user_trap(TrapCode::UninitializedElement));
        let fixed = self.flags.fixed;
        let actual = self.load_at(I32, self.flags.own, reference, offsets::VMFUNCREF_TYPE_ID);
        let ids = self.fixed_field(offsets::VMCONTEXT_TYPE_IDS);
        let expected = self.load_at(
            I32,
            fixed,
            ids,
            TYPE_ID_SIZE * type_index.as_u32().cast_signed(),
        );
        let differs = self.cursor.ins().icmp(IntCC::NotEqual, actual, expected);
        self.cursor
            .ins()
            .trapnz(differs, user_trap(TrapCode::IndirectCallTypeMismatch));
        self.record_call(reference);
        let callee = self.context_of(reference);
        let slot = self.load_at(I64, self.flags.own, reference, offsets::VMFUNCREF_SLOT);
        let code = self.load_at(I64, self.flags.own, slot, 0);
        self.call_code(type_index, code, callee, args, results);
    }

    /// The context that a reference's function is called with, with the caller told unless that is this instance's own.
    fn context_of(&mut self, reference: Value) -> Value {
        let callee = self.load_at(I64, self.flags.own, reference, offsets::VMFUNCREF_VMCTX);
        if !self.as_values() {
            self.announce_caller();
            return callee;
        }
        // Mostly the callee is of this instance. As that is foreseen, its reads from its context need not wait
        // for the table's element and the reference.
        let own = self.context();
        let is_foreign = self.cursor.ins().icmp(IntCC::NotEqual, callee, own);
        let foreign = self.cursor.func.dfg.make_block();
        let call = self.cursor.func.dfg.make_block();
        let context = self.cursor.func.dfg.append_block_param(call, I64);
        self.cursor
            .ins()
            .brif(is_foreign, foreign, [], call, &[own.into()]);
        self.note_branch(foreign);
        self.note_branch(call);
        self.seal_block(foreign);
        self.start_block(foreign);
        self.cursor.func.layout.set_cold(foreign);
        self.announce_caller();
        self.cursor.ins().jump(call, &[callee.into()]);
        self.note_branch(call);
        self.seal_block(call);
        self.start_block(call);
        context
    }

    /// Leaves the callee's reference behind.
    fn record_call(&mut self, reference: Value) {
        if !self.unit.settings.record_calls {
            return;
        }
        let offset = ModuleOffset::new(self.cursor.srcloc().bits());
        if let Some(cell) = self.unit.calls.cell(self.function, offset) {
            let place = self.unit.offsets.call_cell(cell);
            let context = self.context();
            self.store_at(self.flags.own, reference, context, place);
        }
    }

    /// Tells the caller to a callee that may be a host function.
    fn announce_caller(&mut self) {
        let store = self.fixed_field(offsets::VMCONTEXT_STORE);
        let context = self.context();
        self.store_at(self.flags.own, context, store, offsets::VMSTORE_CALLER);
    }

    fn call_code(
        &mut self,
        type_index: TypeIndex,
        code: Value,
        callee: Value,
        args: &[Value],
        results: &mut Vec<Value>,
    ) {
        let module = self.module;
        let ty = &module.types[type_index];
        let signature = self.signature_of(type_index);
        let mut values = std::mem::take(&mut self.scratch.values);
        values.clear();
        values.push(callee);
        for &arg in args {
            values.push(self.canonical(arg));
        }
        let cells = (ty.results().len() > 1).then(|| self.result_cells(ty.results().len()));
        values.extend(cells);
        self.put_budget_back();
        let call = self.cursor.ins().call_indirect(signature, code, &values);
        self.take_budget();
        self.scratch.values = values;
        self.forget_values();
        match cells {
            None => results.extend_from_slice(self.cursor.func.dfg.inst_results(call)),
            Some(_) => {
                // An address of its own, so that none lives across the call.
                let cells = self.result_cells(ty.results().len());
                for (i, &ty) in ty.results().iter().enumerate() {
                    let flags = self.flags.own;
                    results.push(self.load_at(clif_type(ty), flags, cells, result_offset(i)));
                }
            }
        }
    }

    pub(super) fn call_runtime(&mut self, builtin: Builtin, args: &[Value]) -> Option<Value> {
        let signature = self.signature_of_builtin(builtin);
        let builtins = self.fixed_field(offsets::VMCONTEXT_BUILTINS);
        let code = self.load_at(I64, self.flags.fixed, builtins, builtin.offset());
        let mut values = std::mem::take(&mut self.scratch.values);
        values.clear();
        values.push(self.context());
        values.extend_from_slice(args);
        let call = self.cursor.ins().call_indirect(signature, code, &values);
        self.scratch.values = values;
        self.forget_values();
        self.cursor.func.dfg.inst_results(call).first().copied()
    }

    pub(super) fn return_from_function(&mut self, values: &[Value]) {
        self.put_budget_back();
        match values {
            _ if self.entry_results.is_some() => {
                let cells = self.resident(Resident::Results);
                for (i, &value) in values.iter().enumerate() {
                    self.store_at(self.flags.own, value, cells, result_offset(i));
                }
                self.cursor.ins().return_(&[]);
            }
            &[value] => {
                let value = self.canonical(value);
                self.cursor.ins().return_(&[value]);
            }
            _ => {
                self.cursor.ins().return_(&[]);
            }
        }
    }
}
