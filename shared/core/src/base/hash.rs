//! A hash for stored keys. It is not cryptographic: a sender can choose texts with equal hashes.

/// FNV-1a with 64 bits. It must never change, because stored keys depend on it.
pub fn fnv1a(bytes: &[u8]) -> u64 {
    const OFFSET: u64 = 0xcbf2_9ce4_8422_2325;
    const PRIME: u64 = 0x0100_0000_01b3;
    bytes.iter().fold(OFFSET, |hash, byte| (hash ^ u64::from(*byte)).wrapping_mul(PRIME))
}
