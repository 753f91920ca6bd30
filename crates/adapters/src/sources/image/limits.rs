//! How much of an image is read before it is refused.

use std::time::Duration;

/// The caps. An image comes from somebody else: what it says of its own sizes is believed no further than this.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Limits {
    /// Bytes of all layers as the registry delivers them.
    pub compressed_bytes: u64,
    /// Bytes of one layer once unpacked.
    pub layer_bytes: u64,
    /// Entries of all layers, also of those outside of the directory.
    pub entries: u64,
    /// Bytes of one file in the directory.
    pub file_bytes: u64,
    /// Bytes of all files in the directory with their names, over all layers.
    pub kept_bytes: u64,
    /// Bytes of one path.
    pub path_bytes: usize,
    /// Directories above a file.
    pub path_depth: usize,
    /// Layers.
    pub layers: usize,
    /// Bytes of a manifest, a configuration, a signed payload.
    pub document_bytes: u64,
    /// For each request until its answer begins, and for each silence within an answer.
    pub request: Duration,
    /// For the whole image.
    pub total: Duration,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            compressed_bytes: 2 << 30,
            layer_bytes: 4 << 30,
            entries: 500_000,
            file_bytes: 16 << 20,
            kept_bytes: 32 << 20,
            path_bytes: 4096,
            path_depth: 64,
            layers: 200,
            document_bytes: 4 << 20,
            request: Duration::from_secs(30),
            total: Duration::from_secs(15 * 60),
        }
    }
}

/// `2 GiB`, `16 MiB`, `700 bytes`: as short as it is exact.
pub(super) fn size(bytes: u64) -> String {
    let units = [(30, "GiB"), (20, "MiB"), (10, "KiB")];
    units
        .iter()
        .find(|(shift, _)| bytes >> shift > 0 && bytes.trailing_zeros() >= *shift)
        .map_or_else(|| format!("{bytes} bytes"), |(shift, unit)| format!("{} {unit}", bytes >> shift))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sizes_are_exact() {
        let cases = [
            (0, "0 bytes"),
            (700, "700 bytes"),
            (1536, "1536 bytes"),
            (4 << 20, "4 MiB"),
            (3 << 30, "3 GiB"),
        ];
        for (bytes, shown) in cases {
            assert_eq!(size(bytes), shown);
        }
    }
}
