//! A hash of texts that are stored under it. It is no digest: whoever chooses the text chooses the hash.

/// FNV-1a, 64 bits: stored keys depend on it, so it must never change.
pub fn fnv1a(bytes: &[u8]) -> u64 {
    const OFFSET: u64 = 0xcbf2_9ce4_8422_2325;
    const PRIME: u64 = 0x0100_0000_01b3;
    bytes.iter().fold(OFFSET, |hash, byte| (hash ^ u64::from(*byte)).wrapping_mul(PRIME))
}
