//! The disk that the table is on fills up while the change is at work.

use std::fs;
use std::os::unix::fs::{PermissionsExt, chown};
use std::path::PathBuf;
use std::process::Command;

use cofferdam_scratch::skipped;

use crate::place::{Place, TABLE, WIDER};
use crate::support::binaries;

const MIB: u64 = 1 << 20;

/// A file system of 256 MiB. It is gone with the value; what a test that was killed has left goes first.
struct Disk(PathBuf);

impl Disk {
    /// `None`: only root may mount one.
    fn new() -> Option<Self> {
        for line in fs::read_to_string("/proc/mounts").unwrap_or_default().lines() {
            let mut words = line.split(' ');
            let pid = words.next().and_then(|source| source.strip_prefix("cofferdam-test-"));
            if let (Some(pid), Some(place)) = (pid, words.next())
                && !PathBuf::from("/proc").join(pid).exists()
            {
                let _ = Command::new("umount").args(["--lazy", place]).status();
            }
        }
        let folder = tempfile::tempdir_in("/tmp").unwrap().keep();
        let source = format!("cofferdam-test-{}", std::process::id());
        let mounted = Command::new("mount")
            .args(["-t", "tmpfs", "-o", "size=256m,mode=0755", &source])
            .arg(&folder)
            .output();
        if mounted.is_ok_and(|output| output.status.success()) {
            return Some(Self(folder));
        }
        fs::remove_dir(folder).unwrap();
        None
    }

    /// A folder that belongs to whom the server runs as.
    fn folder_of(&self, owner: u32) -> PathBuf {
        let folder = self.0.join("space");
        fs::create_dir(&folder).unwrap();
        chown(&folder, Some(owner), None).unwrap();
        fs::set_permissions(&folder, fs::Permissions::from_mode(0o700)).unwrap();
        folder
    }

    /// Leaves so many bytes free.
    fn leave(&self, bytes: u64) {
        let filler = self.0.join("filler");
        let _ = fs::remove_file(&filler);
        let told = Command::new("df").args(["--output=avail", "-B1"]).arg(&self.0).output().unwrap();
        let free: u64 =
            String::from_utf8(told.stdout).unwrap().lines().nth(1).unwrap().trim().parse().unwrap();
        let size = (free - bytes).to_string();
        assert!(Command::new("fallocate").args(["-l", &size]).arg(&filler).status().unwrap().success());
    }

    fn empty(&self) {
        fs::remove_file(self.0.join("filler")).unwrap();
    }
}

impl Drop for Disk {
    fn drop(&mut self) {
        let _ = Command::new("umount").arg("--lazy").arg(&self.0).status();
        let _ = fs::remove_dir(&self.0);
    }
}

#[test]
fn a_disk_that_fills_up_is_left_to_others() {
    let _ = binaries();
    let Some(disk) = Disk::new() else {
        return skipped("a_disk_that_fills_up_is_left_to_others", "only root may mount a file system");
    };
    let place = Place::alone("disk", &[], "SELECT 1");
    use std::os::unix::fs::MetadataExt;
    let owner = fs::metadata(place.one("SHOW data_directory")).unwrap().uid();
    place.query(&format!("CREATE TABLESPACE small LOCATION '{}'", disk.folder_of(owner).display()));
    place.query("ALTER DATABASE disk SET default_tablespace = 'small'");
    place.both(TABLE);
    place.query("VACUUM ANALYZE");

    disk.leave(50 * MIB);
    let mut held = place.start(&place.alter(WIDER, &[]));
    let shown =
        "SELECT progress->>'throttled_by' FROM cofferdam.online WHERE progress->>'doing' = 'copying rows'";
    held.until("it waits for disk", || {
        place.one("SELECT to_regclass('cofferdam.online')") != "NULL"
            && place.one(shown).contains(" MiB of disk are free in ")
    });
    disk.empty();
    let ended = held.end();
    assert_eq!(ended.code, 0, "{}", ended.stderr);
    place.same("after the swap");
    place.rollback();

    let held = place.at_gate(WIDER, &[]);
    disk.leave(8 * MIB);
    let ended = held.end();
    assert_eq!(ended.code, 6, "{}", ended.stderr);
    assert!(
        ended.stderr.contains("was given up") && ended.stderr.contains("MiB of disk are free"),
        "{}",
        ended.stderr
    );
    place.nothing_left();
    place.same("after it was given up");
    disk.empty();
    // The server wants to remove what it has there.
    place.query("ALTER DATABASE disk RESET default_tablespace");
}
