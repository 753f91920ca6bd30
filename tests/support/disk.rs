//! A small file system that tests fill up.
#![allow(dead_code, unreachable_pub, reason = "every test binary uses a part of it")]

use std::fs;
use std::os::unix::fs::{PermissionsExt, chown};
use std::path::PathBuf;
use std::process::Command;

use cofferdam_scratch::skipped;

/// A file system of its own. It is gone with the value; what a test that was killed has left goes first.
pub struct Disk(pub PathBuf);

impl Disk {
    /// One of so many MiB. `None`, and the test is skipped: only root may mount one.
    pub fn new(test: &str, mebibytes: u32) -> Option<Self> {
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
            .args(["-t", "tmpfs", "-o", &format!("size={mebibytes}m,mode=0755"), &source])
            .arg(&folder)
            .output();
        if mounted.is_ok_and(|output| output.status.success()) {
            return Some(Self(folder));
        }
        fs::remove_dir(folder).unwrap();
        skipped(test, "only root may mount a file system");
        None
    }

    /// A folder that belongs to whom the server runs as.
    pub fn folder_of(&self, owner: u32) -> PathBuf {
        let folder = self.0.join("space");
        fs::create_dir(&folder).unwrap();
        chown(&folder, Some(owner), None).unwrap();
        fs::set_permissions(&folder, fs::Permissions::from_mode(0o700)).unwrap();
        folder
    }

    /// Leaves so many bytes free.
    pub fn leave(&self, bytes: u64) {
        let filler = self.0.join("filler");
        let _ = fs::remove_file(&filler);
        let told = Command::new("df").args(["--output=avail", "-B1"]).arg(&self.0).output().unwrap();
        let free: u64 =
            String::from_utf8(told.stdout).unwrap().lines().nth(1).unwrap().trim().parse().unwrap();
        let size = (free - bytes).to_string();
        assert!(Command::new("fallocate").args(["-l", &size]).arg(&filler).status().unwrap().success());
    }

    /// What [`Disk::leave`] took is free again.
    pub fn empty(&self) {
        fs::remove_file(self.0.join("filler")).unwrap();
    }
}

impl Drop for Disk {
    fn drop(&mut self) {
        let _ = Command::new("umount").arg("--lazy").arg(&self.0).status();
        let _ = fs::remove_dir(&self.0);
    }
}
