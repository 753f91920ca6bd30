//! Places for backups: a folder, or a bucket of S3, Google Cloud Storage or Azure.
//!
//! A backup is a folder of its own below the place. Its parts are objects of a few MiB, each packed by zstd and, where
//! there is somebody to encrypt to, an age file of its own; so neither writing nor reading holds more than a few of
//! them, and `age -d part | zstd -d` reads one without Cofferdam. The manifest is written last.

mod place;
mod read;
mod seal;
mod trouble;
mod write;

#[cfg(test)]
mod tests;

pub use place::{Credentials, Place};
pub use read::{Found, Listed};
pub use seal::{Keys, Recipients};
pub use write::{PART, Rows};

/// The name of the manifest in a backup's folder.
pub const MANIFEST: &str = "manifest.json";

/// A manifest larger than this is none of ours, in bytes.
const LARGEST_MANIFEST: u64 = 256 << 20;
