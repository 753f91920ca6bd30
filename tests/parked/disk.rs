//! The disk is full when the values of a column are to be kept.

use std::os::unix::fs::MetadataExt;

use crate::small::Disk;
use crate::{parked, shop};

/// The column goes with what holds its values or not at all, and the same command does it once there is room.
#[test]
fn a_column_is_not_dropped_where_its_values_do_not_fit() {
    let Some(disk) = Disk::new("a_column_is_not_dropped_where_its_values_do_not_fit", 64) else { return };
    let bench = shop("parked_full", "ALTER TABLE wide DROP COLUMN v;");
    bench.query(
        "CREATE TABLE wide AS SELECT i AS id, string_agg(md5((i * 100 + n)::text), '') AS v
         FROM generate_series(1, 4000) i, generate_series(1, 60) n GROUP BY i; ALTER TABLE wide ADD PRIMARY KEY (id)",
    );
    let owner = std::fs::metadata(bench.one("SHOW data_directory")).unwrap().uid();
    bench.query(&format!("CREATE TABLESPACE parked_full LOCATION '{}'", disk.folder_of(owner).display()));
    let database = &bench.database;
    bench.query(&format!("ALTER DATABASE {database} SET default_tablespace = 'parked_full'"));
    let sum = "SELECT count(*) || ' ' || md5(string_agg(v, '' ORDER BY id)) FROM wide";
    let before = bench.one(sum);
    disk.leave(4 << 20);
    let failed = bench.run(&["apply", "--park"]);
    assert!(failed.code != 0 && failed.stderr.contains("No space left on device"), "{}", failed.stderr);
    assert_eq!(bench.one(sum), before);
    let left = "SELECT count(*) FROM pg_namespace WHERE nspname LIKE 'cofferdam\\_parked\\_%'";
    assert_eq!(bench.one(left), "0");
    disk.empty();
    bench.must(&["apply", "--park"]);
    assert_eq!(parked(&bench).len(), 1);
    bench.must(&["undrop", "wide.v"]);
    assert_eq!(bench.one(sum), before);
    bench.assert_sound();
    // The server outlives the disk, and must have nothing there any more.
    bench.query(&format!("ALTER DATABASE {database} RESET default_tablespace"));
    bench.query("DROP SCHEMA cofferdam CASCADE");
    bench.query("DROP TABLESPACE parked_full");
}
