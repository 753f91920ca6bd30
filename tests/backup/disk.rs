//! The disk that backups go to is full.

use crate::place::Place;
use crate::small::Disk;

#[test]
fn a_disk_that_fills_up_refuses_the_run_and_is_left_as_it_was() {
    let Some(disk) = Disk::new("a_disk_that_fills_up_refuses_the_run_and_is_left_as_it_was", 4) else {
        return;
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
