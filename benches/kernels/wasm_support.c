// What the compiler's own runtime library expects of a libc, for kernels built for wasm32: it was built with stack
// protectors. The linker leaves out what a kernel does not reach.

unsigned long __stack_chk_guard = 0x5ca1ab1e;

_Noreturn void __stack_chk_fail(void) {
    __builtin_trap();
}
