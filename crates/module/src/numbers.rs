//! Conversions between numbers that `From` does not have and that lose nothing, or lose what is said. `as` would do the
//! same without a word.

const _: () = assert!(usize::BITS == 64, "Upshift runs on 64-bit platforms");

/// An index into a `Vec` or a slice, from a number of the binary format. All of them fit.
#[inline]
#[must_use]
pub const fn to_usize(number: u32) -> usize {
    // `From` has no such conversion, for it knows of 16-bit platforms.
    number as usize
}

/// The same from a number of 64 bits.
#[inline]
#[must_use]
pub const fn u64_to_usize(number: u64) -> usize {
    // On a 64-bit platform both have the same bits.
    number as usize
}

/// A number of bytes or elements in memory as a 64-bit number.
#[inline]
#[must_use]
pub const fn to_u64(count: usize) -> u64 {
    // On a 64-bit platform both have the same bits.
    count as u64
}

/// A number of things of which a module has fewer than bytes. A module has less than 2^32 of those.
#[inline]
#[must_use]
pub const fn to_u32(count: usize) -> u32 {
    debug_assert!(
        count <= to_usize(u32::MAX),
        "modules are smaller than 4 GiB"
    );
    // Nothing is lost, as stated above.
    count as u32
}

/// The low byte.
#[inline]
#[must_use]
pub const fn low_u8(bits: u32) -> u8 {
    let [low, ..] = bits.to_le_bytes();
    low
}

/// The low 32 bits.
#[inline]
#[must_use]
pub const fn low_u32(bits: u64) -> u32 {
    // The other bits are not wanted.
    bits as u32
}

/// The low 64 bits.
#[inline]
#[must_use]
pub const fn low_u64(bits: u128) -> u64 {
    // The other bits are not wanted.
    bits as u64
}

/// The nearest floating-point number: for estimates and for people.
#[inline]
#[must_use]
pub const fn to_f64(number: u64) -> f64 {
    // `From` has no such conversion, for not every number is one of these.
    number as f64
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn low_bits_are_kept() {
        assert_eq!(low_u8(0x1234), 0x34);
        assert_eq!(low_u32(0x1_8000_0000), 0x8000_0000);
        assert_eq!(low_u64(1 << 64 | 7), 7);
    }

    #[test]
    fn counts_keep_their_value() {
        assert_eq!(to_u64(to_usize(u32::MAX)), u64::from(u32::MAX));
        assert_eq!((to_u32(3), u64_to_usize(1 << 40)), (3, 1 << 40));
        assert_eq!(to_f64(1 << 53), 9_007_199_254_740_992.0);
    }
}
