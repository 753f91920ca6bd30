//! The disk that backups go to is full.

use std::path::PathBuf;
use std::process::Command;

use cofferdam_scratch::skipped;

use crate::place::Place;

/// A file system of a few MiB. It is gone with the value.
struct Disk(PathBuf);

impl Disk {
    /// `None`: only root may mount one.
    fn new() -> Option<Self> {
        let folder = tempfile::tempdir_in("/tmp").unwrap().keep();
        let source = format!("cofferdam-test-{}", std::process::id());
        let mounted = Command::new("mount")
            .args(["-t", "tmpfs", "-o", "size=4m,mode=0700", &source])
            .arg(&folder)
            .output();
        if mounted.is_ok_and(|output| output.status.success()) {
            return Some(Self(folder));
        }
        std::fs::remove_dir(folder).unwrap();
        None
    }
}

impl Drop for Disk {
    fn drop(&mut self) {
        let _ = Command::new("umount").arg("--lazy").arg(&self.0).status();
        let _ = std::fs::remove_dir(&self.0);
    }
}

#[test]
fn a_disk_that_fills_up_refuses_the_run_and_is_left_as_it_was() {
    let Some(disk) = Disk::new() else {
        return skipped(
            "a_disk_that_fills_up_refuses_the_run_and_is_left_as_it_was",
            "only root may mount a file system",
        );
    };
    let place = Place::new(
        "backup_full",
        "CREATE TABLE t (v text); INSERT INTO t SELECT string_agg(md5((i * 1000 + n)::text), '') FROM generate_series(1, 300) i, generate_series(1, 1000) n GROUP BY i",
    );
    place.bench.file("V1__drop.sql", "DROP TABLE t;");
    let to = disk.0.to_str().unwrap();
    let refused = place.run(&["apply", "--allow=drop-table=a test", "--backup-to", to]);
    assert!(refused.code == 1 && refused.stderr.contains("CF3203"), "{} {}", refused.code, refused.stderr);
    assert_eq!(place.bench.one("SELECT count(*) FROM t"), "300");
    assert_eq!(std::fs::read_dir(&disk.0).unwrap().count(), 0, "what was written of it is removed");
}
