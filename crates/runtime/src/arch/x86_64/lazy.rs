//! The lazy stubs as they are written into code memory: load the function's number, go to the common part,
//! which is in `stubs`.

use upshift_module::DefinedFuncIndex;

/// Bytes of one lazy stub.
pub(crate) const LAZY_STUB_SIZE: usize = 16;

unsafe extern "C" {
    fn upshift_lazy();
}

/// Writes the jump that all lazy stubs go through, at the start of code memory.
///
/// # Safety
/// 14 bytes at `to` are writable.
pub(crate) unsafe fn write_lazy_thunk(to: *mut u8) {
    // Functions become addresses in no other way.
    let target = (upshift_lazy as *const () as usize).to_le_bytes();
    // jmp [rip + 0], and the address.
    let bytes = [&[0xff, 0x25, 0, 0, 0, 0], target.as_slice()].concat();
    // SAFETY: as the caller says.
    unsafe { to.copy_from_nonoverlapping(bytes.as_ptr(), bytes.len()) };
}

/// Writes the lazy stub of functions of this index, which is executed `offset` bytes behind the thunk.
///
/// # Safety
/// [`LAZY_STUB_SIZE`] bytes at `to` are writable.
pub(crate) unsafe fn write_lazy_stub(to: *mut u8, function: DefinedFuncIndex, offset: usize) {
    let mut stub = [0xcc; LAZY_STUB_SIZE];
    // mov eax, function
    stub[0] = 0xb8;
    stub[1..5].copy_from_slice(&function.as_u32().to_le_bytes());
    // jmp thunk
    let distance = -i32::try_from(offset + 10).expect("stubs are within 2 GiB");
    stub[5] = 0xe9;
    stub[6..10].copy_from_slice(&distance.to_le_bytes());
    // SAFETY: as the caller says.
    unsafe { to.copy_from_nonoverlapping(stub.as_ptr(), LAZY_STUB_SIZE) };
}
