//! The direct calls of a body, collected while a tier goes over it.

use upshift_module::DefinedFuncIndex;

use crate::DirectCall;

/// Direct calls so far, and the conditional branches before them.
#[derive(Clone, Debug, Default)]
pub struct CallList {
    calls: Vec<DirectCall>,
    branches: u32,
}

impl CallList {
    /// Forgets everything, and keeps the memory.
    pub fn clear(&mut self) {
        self.calls.clear();
        self.branches = 0;
    }

    /// A conditional branch comes by.
    pub fn branch(&mut self) {
        self.branches += 1;
    }

    /// A call comes by, of a function that the module defines.
    pub fn add(&mut self, function: DefinedFuncIndex) {
        self.calls.push(DirectCall {
            function,
            branches_before: self.branches,
        });
    }

    /// Forgets the calls on a way that ends here: errors, which are no part of a program's normal course. Without a branch
    /// on that way only the last call is one that does not return; those before it come to pass.
    pub fn forget_doomed(&mut self) {
        let branches = self.branches;
        let doomed = |call: &DirectCall| call.branches_before == branches;
        let last = self.calls.pop_if(|call| doomed(call));
        if branches > 0 && last.is_some() {
            while self.calls.pop_if(|call| doomed(call)).is_some() {}
        }
    }

    /// The calls, in the body's order.
    #[must_use]
    pub fn as_slice(&self) -> &[DirectCall] {
        &self.calls
    }
}
