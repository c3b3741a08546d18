//! The optimizing tier.
