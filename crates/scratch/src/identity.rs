//! As whom the server runs. PostgreSQL refuses root, so as root it runs as an unprivileged user.

use std::fs;
use std::os::unix::fs::MetadataExt;
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::Command;

use crate::{Result, ScratchError};

/// The user that the server's processes run as.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Identity {
    /// The user's number.
    pub(crate) uid: u32,
    /// The group to change to, where we are root; `None` where we run as this user already.
    switch_to_group: Option<u32>,
}

impl Identity {
    /// Ours; as root that of user `postgres`, else `nobody`.
    pub(crate) fn of_server() -> Result<Self> {
        let uid = effective_uid()?;
        if uid != 0 {
            return Ok(Self { uid, switch_to_group: None });
        }
        let passwd =
            fs::read_to_string("/etc/passwd").map_err(ScratchError::system("cannot read /etc/passwd"))?;
        let (uid, gid) = unprivileged(&passwd).ok_or(ScratchError::NoUser)?;
        Ok(Self { uid, switch_to_group: Some(gid) })
    }

    /// We are root and the server is not.
    pub(crate) fn switches(self) -> bool {
        self.switch_to_group.is_some()
    }

    /// A command that will run as this user.
    pub(crate) fn command(self, program: impl AsRef<Path>) -> Command {
        let mut command = Command::new(program.as_ref());
        if let Some(gid) = self.switch_to_group {
            command.uid(self.uid).gid(gid);
        }
        // The current folder may be one that the user cannot enter.
        command.current_dir("/");
        command
    }

    /// Makes the file or folder the user's.
    pub(crate) fn own(self, path: &Path) -> Result<()> {
        let Some(gid) = self.switch_to_group else { return Ok(()) };
        std::os::unix::fs::chown(path, Some(self.uid), Some(gid)).map_err(ScratchError::system(format!(
            "cannot give {} to user {}",
            path.display(),
            self.uid
        )))
    }

    /// The user can get at `path` through every folder above it. Only asked of a user that is not ours.
    pub(crate) fn reaches(self, path: &Path) -> bool {
        !self.switches() || blocked_for_others(path).is_none()
    }
}

/// The first folder from the root to `path` (a link is followed) that others may not pass; `None` where all
/// may. What does not exist yet blocks nobody: we make it.
pub(crate) fn blocked_for_others(path: &Path) -> Option<PathBuf> {
    let real = path.canonicalize().unwrap_or_else(|_| path.to_path_buf());
    let mut folders: Vec<&Path> = real.ancestors().collect();
    folders.reverse();
    folders
        .into_iter()
        .find(|folder| fs::metadata(folder).is_ok_and(|m| m.is_dir() && m.mode() & 0o001 == 0))
        .map(Path::to_path_buf)
}

/// The number of the user that we act as: the owner of what we create.
pub(crate) fn effective_uid() -> Result<u32> {
    let file = tempfile::tempfile().map_err(ScratchError::system("cannot create a temporary file"))?;
    Ok(file.metadata().map_err(ScratchError::system("cannot look at a temporary file"))?.uid())
}

/// User and group number of `postgres`, else `nobody`, in a password file.
fn unprivileged(passwd: &str) -> Option<(u32, u32)> {
    ["postgres", "nobody"].iter().find_map(|wanted| {
        passwd.lines().find_map(|line| {
            let mut fields = line.split(':');
            (fields.next()? == *wanted).then_some(())?;
            let uid = fields.nth(1)?.parse().ok()?;
            let gid = fields.next()?.parse().ok()?;
            (uid != 0).then_some((uid, gid))
        })
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::fs::PermissionsExt;

    #[test]
    fn the_user_is_postgres_else_nobody_and_never_root() {
        let cases = [
            ("root:x:0:0::/:/bin/sh\nnobody:x:65534:65533::/:\npostgres:x:101:104::/:", Some((101, 104))),
            ("root:x:0:0::/:/bin/sh\nnobody:x:65534:65533::/:", Some((65534, 65533))),
            ("postgres:x:0:0::/:\nnobody:x:9:9::/:", Some((9, 9))),
            ("root:x:0:0::/:/bin/sh\nbroken", None),
            ("", None),
        ];
        for (passwd, expected) in cases {
            assert_eq!(unprivileged(passwd), expected, "{passwd}");
        }
    }

    #[test]
    fn a_folder_that_others_may_not_pass_blocks_all_below_it() {
        let outer = tempfile::tempdir().unwrap();
        let inner = outer.path().join("a/b");
        fs::create_dir_all(&inner).unwrap();
        fs::set_permissions(outer.path(), fs::Permissions::from_mode(0o700)).unwrap();
        assert_eq!(blocked_for_others(&inner), Some(outer.path().canonicalize().unwrap()));
        fs::set_permissions(outer.path(), fs::Permissions::from_mode(0o711)).unwrap();
        assert_eq!(blocked_for_others(&inner), None);
    }
}
