//! How much room a file system of this machine has, where the server is on it: no SQL tells it.

/// Bytes of a file system; `free` are those for everybody, not only for root.
pub(crate) struct Space {
    pub(crate) total: u64,
    pub(crate) free: u64,
}

/// `None`: there is no such folder here, so the server is elsewhere after all.
pub(crate) fn space(folder: &std::path::Path) -> Option<Space> {
    let stat = rustix::fs::statvfs(folder).ok()?;
    let bytes = |blocks: u64| blocks.saturating_mul(stat.f_frsize);
    Some(Space { total: bytes(stat.f_blocks), free: bytes(stat.f_bavail) })
}
