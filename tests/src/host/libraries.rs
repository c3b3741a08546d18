//! Shared libraries that come and go while guests run.

use std::ffi::CStr;

/// Some of the C library's own, and others that most systems have. Which are there matters little: loading one takes the
/// loader's locks, and changes its lists and mappings.
const NAMES: [&CStr; 8] = [
    c"libm.so.6",
    c"libresolv.so.2",
    c"libutil.so.1",
    c"libanl.so.1",
    c"libBrokenLocale.so.1",
    c"libthread_db.so.1",
    c"libstdc++.so.6",
    c"libz.so.1",
];

/// A library that is loaded.
pub(super) struct Library(*mut libc::c_void);

impl Library {
    /// Loads one, if the system has it.
    pub(super) fn load(number: usize) -> Option<Self> {
        let name = NAMES[number % NAMES.len()];
        // SAFETY: the name is a C string, and what these libraries do when they are loaded is harmless.
        let handle = unsafe { libc::dlopen(name.as_ptr(), libc::RTLD_NOW | libc::RTLD_LOCAL) };
        (!handle.is_null()).then(|| Self(handle))
    }
}

impl Drop for Library {
    fn drop(&mut self) {
        // SAFETY: the handle is open, and nothing of the library is in use.
        unsafe { libc::dlclose(self.0) };
    }
}
