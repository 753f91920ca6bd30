//! The disk that the table is on fills up while the change is at work.

use std::os::unix::fs::MetadataExt;

use crate::place::{Place, TABLE, WIDER};
use crate::small::Disk;
use crate::support::binaries;

const MIB: u64 = 1 << 20;

#[test]
fn a_disk_that_fills_up_is_left_to_others() {
    let _ = binaries();
    let Some(disk) = Disk::new("a_disk_that_fills_up_is_left_to_others", 256) else { return };
    let place = Place::alone("disk", &[], "SELECT 1");
    let owner = std::fs::metadata(place.one("SHOW data_directory")).unwrap().uid();
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
