//! Random bytes: the system's, or the same ones at each run.

use rustix::io::Errno as Host;
use rustix::rand::{GetRandomFlags, getrandom};

use crate::error::Result;
use crate::host::Stop;

/// Bytes between two looks at whether to stop: the system's generator takes some milliseconds for them.
const SLICE: usize = 256 << 10;

/// Where a guest's random bytes come from.
#[derive(Clone, Debug)]
pub(crate) enum Random {
    /// The system's generator.
    System,
    /// SplitMix64 (Steele, Lea and Flood, 2014) from this state. Good for tests, for nothing secret.
    Deterministic(u64),
}

impl Random {
    /// Fills the buffer. Looks every few milliseconds whether the guest is to be stopped.
    pub(crate) fn fill(&mut self, buffer: &mut [u8], stop: Stop<'_>) -> Result<()> {
        for slice in buffer.chunks_mut(SLICE) {
            self.fill_slice(slice)?;
            stop.check()?;
        }
        Ok(())
    }

    fn fill_slice(&mut self, mut buffer: &mut [u8]) -> Result<()> {
        match self {
            Self::System => {
                while !buffer.is_empty() {
                    match getrandom(&mut *buffer, GetRandomFlags::empty()) {
                        Ok(filled) => buffer = &mut buffer[filled..],
                        Err(Host::INTR) => {}
                        Err(error) => return Err(error.into()),
                    }
                }
            }
            Self::Deterministic(state) => {
                for chunk in buffer.chunks_mut(8) {
                    *state = state.wrapping_add(0x9e37_79b9_7f4a_7c15);
                    let mut word = *state;
                    word = (word ^ (word >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
                    word = (word ^ (word >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
                    word ^= word >> 31;
                    chunk.copy_from_slice(&word.to_le_bytes()[..chunk.len()]);
                }
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_seed_gives_the_same_bytes_again() {
        let bytes = |mut random: Random| {
            let mut bytes = [0; 13];
            assert!(random.fill(&mut bytes, Stop(None)).is_ok());
            bytes
        };
        let first = bytes(Random::Deterministic(1));
        assert_eq!(first, bytes(Random::Deterministic(1)));
        assert_ne!(first, bytes(Random::Deterministic(2)));
        assert_ne!(bytes(Random::System), bytes(Random::System));
    }

    #[test]
    fn the_first_word_is_that_of_splitmix64() {
        let mut word = [0; 8];
        assert!(Random::Deterministic(0).fill(&mut word, Stop(None)).is_ok());
        assert_eq!(u64::from_le_bytes(word), 0xe220_a839_7b1d_cdaf);
    }
}
