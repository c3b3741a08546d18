//! The stubs between host and generated code. Each saves the registers that the convention names, notes in the store
//! where generated code was left, and looks at the interrupt flag as the last thing before it (re)enters
//! generated code.
//!
//! From that look on to the jump into generated code, a stub counts as generated code for interruptions
//! (`is_interruptible`): a signal that comes before it finds the flag set there, one that comes after it
//! may leave the activation at once. So none is lost, and none is taken while the host has work pending.
//!
//! A stub that generated code calls compares the stack pointer with the limit before it touches the stack: not all
//! generated code has compared it below its frame. Where the stack is used up, the stub runs into an instruction
//! that faults (`is_exhausted`), because the signal handler has a stack of its own.

use std::arch::global_asm;
use std::mem::offset_of;

use crate::activation::{lazy_resolve, raise_interrupt};
use crate::arch::CallFrame;
use crate::host_func::host_dispatch;
use crate::vmcontext::offsets::*;
use crate::{Builtin, EntryRecord, VMBuiltins, libcalls};

unsafe extern "C" {
    /// Calls `code` with the arguments in `frame`. Returns 0 with the results in `frame`, or 1 when the
    /// activation was left through [`upshift_leave`].
    #[link_name = "upshift_enter"]
    pub(crate) fn enter(record: *mut EntryRecord, code: *const u8, frame: *mut CallFrame) -> u32;

    /// Ends the activation: its `enter` returns 1. Nothing between runs a destructor.
    #[link_name = "upshift_leave"]
    pub(crate) fn leave(record: *mut EntryRecord) -> !;

    fn upshift_budget_at_entry();
    fn upshift_host_call_none();
    fn upshift_host_call_scalar();
    fn upshift_host_call_full();

    static upshift_exhausted: u8;
    static upshift_enter_open: u8;
    static upshift_enter_close: u8;
    static upshift_lazy_open: u8;
    static upshift_lazy_close: u8;
    static upshift_budget_at_entry_open: u8;
    static upshift_budget_at_entry_close: u8;
    static upshift_tails_open: u8;
    static upshift_tails_close: u8;
    static upshift_budget_at_middle_loop_open: u8;
    static upshift_budget_at_middle_loop_close: u8;
}

global_asm!(
    ".text",
    ".p2align 4",
    // (rdi = record, rsi = code, rdx = frame) -> eax
    ".globl upshift_enter",
    ".hidden upshift_enter",
    "upshift_enter:",
    "push rbp",
    "mov rbp, rsp",
    "push rbx",
    "push r12",
    "push r13",
    "push r14",
    "push r15",
    "push rdx",
    "mov [rdi + {SAVED_SP}], rsp",
    "mov [rdi + {FP}], rbp",
    "mov r11, rsi",
    "mov rbx, rdx",
    "mov rax, [rdi + {STORE}]",
    // Until generated code is left, a walk from the last exit finds no frame of this activation.
    "mov [rax + {EXIT_FP}], rbp",
    "mov r10, [rax + {INTERRUPT}]",
    "mov rcx, [rbx + {STACK_WORDS}]",
    "test rcx, rcx",
    "jz 2f",
    "lea rax, [rcx * 8]",
    "sub rsp, rax",
    "mov rsi, [rbx + {STACK}]",
    "mov rdi, rsp",
    "rep movsq",
    "2:",
    "mov eax, dword ptr [rbx + {VECTORS}]",
    "test eax, eax",
    "jz 4f",
    "cmp eax, 1",
    "jne 3f",
    "movq xmm0, qword ptr [rbx + {XMMS}]",
    "movq xmm1, qword ptr [rbx + {XMMS} + 16]",
    "movq xmm2, qword ptr [rbx + {XMMS} + 32]",
    "movq xmm3, qword ptr [rbx + {XMMS} + 48]",
    "movq xmm4, qword ptr [rbx + {XMMS} + 64]",
    "movq xmm5, qword ptr [rbx + {XMMS} + 80]",
    "movq xmm6, qword ptr [rbx + {XMMS} + 96]",
    "movq xmm7, qword ptr [rbx + {XMMS} + 112]",
    "jmp 4f",
    "3:",
    "movaps xmm0, [rbx + {XMMS}]",
    "movaps xmm1, [rbx + {XMMS} + 16]",
    "movaps xmm2, [rbx + {XMMS} + 32]",
    "movaps xmm3, [rbx + {XMMS} + 48]",
    "movaps xmm4, [rbx + {XMMS} + 64]",
    "movaps xmm5, [rbx + {XMMS} + 80]",
    "movaps xmm6, [rbx + {XMMS} + 96]",
    "movaps xmm7, [rbx + {XMMS} + 112]",
    "4:",
    "mov rdi, [rbx + {GPRS}]",
    "mov rsi, [rbx + {GPRS} + 8]",
    "mov rdx, [rbx + {GPRS} + 16]",
    "mov rcx, [rbx + {GPRS} + 24]",
    "mov r8, [rbx + {GPRS} + 32]",
    "mov r9, [rbx + {GPRS} + 40]",
    ".globl upshift_enter_open",
    ".hidden upshift_enter_open",
    "upshift_enter_open:",
    "cmp dword ptr [r10], 0",
    "jne 6f",
    "call r11",
    ".globl upshift_enter_close",
    ".hidden upshift_enter_close",
    "upshift_enter_close:",
    // The stack pointer is found from the frame, and so is the CallFrame: generated code is trusted
    // with neither.
    "mov rbx, [rbp - 48]",
    "mov [rbx + {GPRS}], rax",
    "movaps [rbx + {XMMS}], xmm0",
    "xor eax, eax",
    "5:",
    "lea rsp, [rbp - 40]",
    "pop r15",
    "pop r14",
    "pop r13",
    "pop r12",
    "pop rbx",
    "pop rbp",
    "ret",
    "6:",
    "mov rdi, [rdi]",
    "call {raise_interrupt}",
    "ud2",
    // (rdi = record)
    ".globl upshift_leave",
    ".hidden upshift_leave",
    "upshift_leave:",
    "mov rsp, [rdi + {SAVED_SP}]",
    "mov rbp, [rdi + {FP}]",
    "mov eax, 1",
    "jmp 5b",
    SAVED_SP = const offset_of!(EntryRecord, saved_sp),
    FP = const offset_of!(EntryRecord, fp),
    STORE = const offset_of!(EntryRecord, store),
    GPRS = const offset_of!(CallFrame, gprs),
    XMMS = const offset_of!(CallFrame, xmms),
    STACK = const offset_of!(CallFrame, stack),
    STACK_WORDS = const offset_of!(CallFrame, stack_words),
    VECTORS = const offset_of!(CallFrame, vectors),
    INTERRUPT = const VMSTORE_INTERRUPT,
    EXIT_FP = const VMSTORE_EXIT_FP,
    raise_interrupt = sym raise_interrupt,
);

// Where a stub goes whose caller has used up the stack: nothing has been pushed since the call.
global_asm!(
    ".text",
    ".globl upshift_exhausted",
    ".hidden upshift_exhausted",
    "upshift_exhausted:",
    "ud2",
);

/// A stub that decides where a call goes, with all of the call's arguments in place: `eax` is the defined
/// function, `r10` the other argument of `$resolve`, and the caller has called but no frame has been made.
macro_rules! resolving_stub {
    ($name:literal, $open:literal, $close:literal, $resolve:path) => {
        global_asm!(
            ".text",
            ".p2align 4",
            concat!(".globl ", $name),
            concat!(".hidden ", $name),
            concat!($name, ":"),
            "mov r11, [rdi]",
            "cmp rsp, [r11 + {STACK_LIMIT}]",
            "jb upshift_exhausted",
            "push rbp",
            "mov rbp, rsp",
            "sub rsp, 176",
            "mov [rsp], rdi",
            "mov [rsp + 8], rsi",
            "mov [rsp + 16], rdx",
            "mov [rsp + 24], rcx",
            "mov [rsp + 32], r8",
            "mov [rsp + 40], r9",
            "movaps [rsp + 48], xmm0",
            "movaps [rsp + 64], xmm1",
            "movaps [rsp + 80], xmm2",
            "movaps [rsp + 96], xmm3",
            "movaps [rsp + 112], xmm4",
            "movaps [rsp + 128], xmm5",
            "movaps [rsp + 144], xmm6",
            "movaps [rsp + 160], xmm7",
            "mov rcx, [rbp + 8]",
            "mov [r11 + {EXIT_PC}], rcx",
            "mov rcx, [rbp]",
            "mov [r11 + {EXIT_FP}], rcx",
            "mov esi, eax",
            "mov rdx, r10",
            "call {resolve}",
            "mov r11, rax",
            "mov rdi, [rsp]",
            "mov rsi, [rsp + 8]",
            "mov rdx, [rsp + 16]",
            "mov rcx, [rsp + 24]",
            "mov r8, [rsp + 32]",
            "mov r9, [rsp + 40]",
            "movaps xmm0, [rsp + 48]",
            "movaps xmm1, [rsp + 64]",
            "movaps xmm2, [rsp + 80]",
            "movaps xmm3, [rsp + 96]",
            "movaps xmm4, [rsp + 112]",
            "movaps xmm5, [rsp + 128]",
            "movaps xmm6, [rsp + 144]",
            "movaps xmm7, [rsp + 160]",
            "mov rax, [rdi]",
            "mov rax, [rax + {INTERRUPT}]",
            concat!(".globl ", $open),
            concat!(".hidden ", $open),
            concat!($open, ":"),
            "cmp dword ptr [rax], 0",
            "jne 7f",
            "mov rsp, rbp",
            "pop rbp",
            "jmp r11",
            concat!(".globl ", $close),
            concat!(".hidden ", $close),
            concat!($close, ":"),
            "7:",
            "mov rdi, [rdi]",
            "call {raise_interrupt}",
            "ud2",
            INTERRUPT = const VMSTORE_INTERRUPT,
            EXIT_PC = const VMSTORE_EXIT_PC,
            EXIT_FP = const VMSTORE_EXIT_FP,
            STACK_LIMIT = const VMSTORE_STACK_LIMIT,
            resolve = sym $resolve,
            raise_interrupt = sym raise_interrupt,
        );
    };
}

// Lazy stub n loads n into eax and comes here.
resolving_stub!(
    "upshift_lazy",
    "upshift_lazy_open",
    "upshift_lazy_close",
    lazy_resolve
);

// `Builtin::BudgetAtEntry`.
resolving_stub!(
    "upshift_budget_at_entry",
    "upshift_budget_at_entry_open",
    "upshift_budget_at_entry_close",
    crate::activation::budget_at_entry
);

/// A host call stub. Called as a function of generated code with a `VMHostContext` as context; stores the
/// argument registers as the head of a `CallFrame` and calls `host_dispatch(context, frame, stack)`.
macro_rules! host_call_stub {
    ($name:literal, save: [$($save:literal),*], load: [$($load:literal),*]) => {
        global_asm!(
            ".text",
            ".p2align 4",
            concat!(".globl ", $name),
            concat!(".hidden ", $name),
            concat!($name, ":"),
            "mov r11, [rdi]",
            "cmp rsp, [r11 + {STACK_LIMIT}]",
            "jb upshift_exhausted",
            "push rbp",
            "mov rbp, rsp",
            "push rbx",
            "sub rsp, 184",
            "mov [rsp], rdi",
            "mov [rsp + 8], rsi",
            "mov [rsp + 16], rdx",
            "mov [rsp + 24], rcx",
            "mov [rsp + 32], r8",
            "mov [rsp + 40], r9",
            $($save,)*
            "mov rbx, r11",
            "mov rax, [rbp + 8]",
            "mov [rbx + {EXIT_PC}], rax",
            "mov rax, [rbp]",
            "mov [rbx + {EXIT_FP}], rax",
            "mov rsi, rsp",
            "lea rdx, [rbp + 16]",
            "call {host_dispatch}",
            "mov rax, [rsp]",
            $($load,)*
            "jmp upshift_tail",
            EXIT_PC = const VMSTORE_EXIT_PC,
            EXIT_FP = const VMSTORE_EXIT_FP,
            STACK_LIMIT = const VMSTORE_STACK_LIMIT,
            host_dispatch = sym host_dispatch,
        );
    };
}

host_call_stub!("upshift_host_call_none", save: [], load: []);
host_call_stub!(
    "upshift_host_call_scalar",
    save: [
        "movq qword ptr [rsp + 48], xmm0",
        "movq qword ptr [rsp + 64], xmm1",
        "movq qword ptr [rsp + 80], xmm2",
        "movq qword ptr [rsp + 96], xmm3",
        "movq qword ptr [rsp + 112], xmm4",
        "movq qword ptr [rsp + 128], xmm5",
        "movq qword ptr [rsp + 144], xmm6",
        "movq qword ptr [rsp + 160], xmm7"
    ],
    load: ["movq xmm0, qword ptr [rsp + 48]"]
);
host_call_stub!(
    "upshift_host_call_full",
    save: [
        "movaps [rsp + 48], xmm0",
        "movaps [rsp + 64], xmm1",
        "movaps [rsp + 80], xmm2",
        "movaps [rsp + 96], xmm3",
        "movaps [rsp + 112], xmm4",
        "movaps [rsp + 128], xmm5",
        "movaps [rsp + 144], xmm6",
        "movaps [rsp + 160], xmm7"
    ],
    load: ["movaps xmm0, [rsp + 48]"]
);

// The common end of host calls and builtins: the result is in rax and xmm0, the store in rbx, whose
// saved value is the first word below the saved frame pointer.
global_asm!(
    ".text",
    ".p2align 4",
    ".globl upshift_tail",
    ".hidden upshift_tail",
    "upshift_tail:",
    "mov rcx, [rbx + {INTERRUPT}]",
    ".globl upshift_tails_open",
    ".hidden upshift_tails_open",
    "upshift_tails_open:",
    "cmp dword ptr [rcx], 0",
    "jne 2f",
    "mov rbx, [rbp - 8]",
    "mov rsp, rbp",
    "pop rbp",
    "ret",
    ".globl upshift_tails_close",
    ".hidden upshift_tails_close",
    "upshift_tails_close:",
    "2:",
    "mov rdi, rbx",
    "call {raise_interrupt}",
    "ud2",
    INTERRUPT = const VMSTORE_INTERRUPT,
    raise_interrupt = sym raise_interrupt,
);

/// A builtin's entry stub: all parameters stay in their registers.
macro_rules! builtin_stubs {
    ($($field:ident $name:literal $function:path;)*) => {
        $(
            global_asm!(
                ".text",
                ".p2align 4",
                concat!(".globl ", $name),
                concat!(".hidden ", $name),
                concat!($name, ":"),
                "mov r11, [rdi]",
                "cmp rsp, [r11 + {STACK_LIMIT}]",
                "jb upshift_exhausted",
                "push rbp",
                "mov rbp, rsp",
                "push rbx",
                "sub rsp, 8",
                "mov rbx, r11",
                "mov rax, [rbp + 8]",
                "mov [rbx + {EXIT_PC}], rax",
                "mov rax, [rbp]",
                "mov [rbx + {EXIT_FP}], rax",
                "call {function}",
                "jmp upshift_tail",
                EXIT_PC = const VMSTORE_EXIT_PC,
                EXIT_FP = const VMSTORE_EXIT_FP,
                STACK_LIMIT = const VMSTORE_STACK_LIMIT,
                function = sym $function,
            );
        )*

        unsafe extern "C" {
            $(#[link_name = $name] fn $field();)*
        }

        /// The table that every `VMContext` points at.
        pub(crate) static BUILTINS: VMBuiltins = VMBuiltins {
            budget_at_entry: upshift_budget_at_entry,
            budget_at_middle_loop: upshift_budget_at_middle_loop,
            $($field),*
        };
    };
}

builtin_stubs! {
    memory_grow "upshift_memory_grow" libcalls::memory_grow;
    memory_copy "upshift_memory_copy" libcalls::memory_copy;
    memory_fill "upshift_memory_fill" libcalls::memory_fill;
    memory_init "upshift_memory_init" libcalls::memory_init;
    data_drop "upshift_data_drop" libcalls::data_drop;
    table_grow "upshift_table_grow" libcalls::table_grow;
    table_fill "upshift_table_fill" libcalls::table_fill;
    table_copy "upshift_table_copy" libcalls::table_copy;
    table_init "upshift_table_init" libcalls::table_init;
    elem_drop "upshift_elem_drop" libcalls::elem_drop;
    ref_func "upshift_ref_func" libcalls::ref_func;
    budget_at_loop "upshift_budget_at_loop" crate::activation::budget_at_loop;
    trap "upshift_trap" crate::activation::trap;
}

// The builtin `budget_at_middle_loop`: a builtin's stub that saves all registers. Those that the C convention
// has callees save, the callee saves. Its callers have compared the stack pointer below their frames.
global_asm!(
    ".text",
    ".p2align 4",
    ".globl upshift_budget_at_middle_loop",
    ".hidden upshift_budget_at_middle_loop",
    "upshift_budget_at_middle_loop:",
    "push rbp",
    "mov rbp, rsp",
    "push rbx",
    "push rax",
    "push rcx",
    "push rdx",
    "push rsi",
    "push rdi",
    "push r8",
    "push r9",
    "push r10",
    "push r11",
    "sub rsp, 256",
    ".irp i, 0,1,2,3,4,5,6,7,8,9,10,11,12,13,14,15",
    "movaps [rsp + 16 * \\i], xmm\\i",
    ".endr",
    "mov rbx, [rdi]",
    "mov rax, [rbp + 8]",
    "mov [rbx + {EXIT_PC}], rax",
    "mov rax, [rbp]",
    "mov [rbx + {EXIT_FP}], rax",
    "call {function}",
    ".irp i, 0,1,2,3,4,5,6,7,8,9,10,11,12,13,14,15",
    "movaps xmm\\i, [rsp + 16 * \\i]",
    ".endr",
    "mov rcx, [rbx + {INTERRUPT}]",
    ".globl upshift_budget_at_middle_loop_open",
    ".hidden upshift_budget_at_middle_loop_open",
    "upshift_budget_at_middle_loop_open:",
    "cmp dword ptr [rcx], 0",
    "jne 2f",
    "add rsp, 256",
    "pop r11",
    "pop r10",
    "pop r9",
    "pop r8",
    "pop rdi",
    "pop rsi",
    "pop rdx",
    "pop rcx",
    "pop rax",
    "pop rbx",
    "pop rbp",
    "ret",
    ".globl upshift_budget_at_middle_loop_close",
    ".hidden upshift_budget_at_middle_loop_close",
    "upshift_budget_at_middle_loop_close:",
    "2:",
    "mov rdi, rbx",
    "call {raise_interrupt}",
    "ud2",
    EXIT_PC = const VMSTORE_EXIT_PC,
    EXIT_FP = const VMSTORE_EXIT_FP,
    INTERRUPT = const VMSTORE_INTERRUPT,
    function = sym crate::activation::budget_at_middle_loop,
    raise_interrupt = sym raise_interrupt,
);

unsafe extern "C" {
    fn upshift_budget_at_middle_loop();
}

/// The entry of host functions whose signature uses this much of the vector registers.
pub(crate) fn host_call_stub(vectors: crate::arch::VectorUse) -> *mut u8 {
    use crate::arch::VectorUse;
    let stub: unsafe extern "C" fn() = match vectors {
        VectorUse::None => upshift_host_call_none,
        VectorUse::Scalar => upshift_host_call_scalar,
        VectorUse::Full => upshift_host_call_full,
    };
    // Functions become addresses in no other way.
    stub as *mut u8
}

/// Whether `pc` is where a stub ends whose caller has used up the stack.
pub(crate) fn is_exhausted(pc: usize) -> bool {
    pc == (&raw const upshift_exhausted).addr()
}

/// Whether `pc` is in a stub between its look at the interrupt flag and generated code. Such a stub may
/// be left like generated code, but its own frame is not generated code's.
pub(crate) fn is_interruptible(pc: usize) -> bool {
    let between = |open: *const u8, close: *const u8| (open.addr()..close.addr()).contains(&pc);
    between(
        &raw const upshift_enter_open,
        &raw const upshift_enter_close,
    ) || between(&raw const upshift_lazy_open, &raw const upshift_lazy_close)
        || between(
            &raw const upshift_budget_at_entry_open,
            &raw const upshift_budget_at_entry_close,
        )
        || between(
            &raw const upshift_tails_open,
            &raw const upshift_tails_close,
        )
        || between(
            &raw const upshift_budget_at_middle_loop_open,
            &raw const upshift_budget_at_middle_loop_close,
        )
}

const _: () = assert!(Builtin::ALL.len() * 8 == size_of::<VMBuiltins>());
