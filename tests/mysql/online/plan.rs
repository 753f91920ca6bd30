//! What is shown before a change: the parts, the reasons, and nothing made.

use cofferdam_scratch::mysql::Kind;

use super::{WIDER, alter, assert_clean, id_type};
use crate::site::Site;
use crate::support::ended;

on_both! {
    the_plan_says_why,
    alter_shows_its_plan_and_takes_the_cheaper_way,
    a_migration_by_the_shadow_table,
}

const FIRST: (&str, &str) =
    ("V1__t.sql", "CREATE TABLE t (id int AUTO_INCREMENT PRIMARY KEY, n int NOT NULL DEFAULT 0);\n");
const ONLINE: &[&str] = &["--strategy", "shadow-table"];

/// Applied, with two rows and a change of the key's type pending.
fn pending(kind: Kind) -> Option<Site> {
    let site = Site::with(kind, "plan", &[FIRST])?;
    site.must(&["apply"]);
    site.query("INSERT INTO t (n) VALUES (1), (2)");
    site.file("V2__wider.sql", &format!("ALTER TABLE `t` {WIDER};\n"));
    Some(site)
}

#[track_caller]
fn assert_says(text: &str, words: &[&str]) {
    words.iter().for_each(|word| assert!(text.contains(word), "it does not say {word}:\n{text}"));
}

/// No table of a change, nor of a look at one.
fn assert_nothing_made(site: &Site) {
    let sql = "SELECT TABLE_NAME FROM information_schema.TABLES WHERE TABLE_SCHEMA = DATABASE()
               AND TABLE_NAME RLIKE '^_cofferdam_([0-9a-f]{12}_|online)'";
    assert_eq!(site.query(sql), Vec::<Vec<String>>::new());
    assert_eq!((id_type(site).as_str(), site.history().len()), ("int", 1));
}

fn the_plan_says_why(kind: Kind) {
    let Some(site) = pending(kind) else { return };
    let plan = site.must(&[&["plan"], ONLINE].concat());
    let swap = if kind == Kind::MariaDb { "then RENAME TABLE" } else { "LOCK TABLES ... WRITE" };
    assert_says(
        &plan.stdout,
        &["Why shadow-table: ", "is changed online: by itself the server would keep writers out", swap],
    );
    assert_says(
        &plan.stdout,
        &["read the keys of changed rows", "swap the tables", "1 taken care of by the plan"],
    );
    assert_nothing_made(&site);
    // The server's own way, which is as quick for so small a table.
    let plan = site.must(&["plan"]);
    assert!(!plan.stdout.contains("shadow-table") && plan.stdout.contains("LOCK=SHARED"), "{}", plan.stdout);
    site.file("V3__more.sql", "ALTER TABLE t ADD COLUMN m int;\n");
    site.remove("V2__wider.sql");
    let plan = site.must(&[&["plan"], ONLINE].concat());
    assert_says(&plan.stdout, &["it was asked for: the server would do it without keeping writers out"]);
    site.remove("V3__more.sql");
    site.file("V2__wider.sql", "ALTER TABLE t ADD CONSTRAINT fk FOREIGN KEY (n) REFERENCES t (id);\n");
    let refused = site.run(&[&["plan"], ONLINE].concat());
    assert!(refused.code == 2, "{}\n{}", refused.stdout, refused.stderr);
    assert_says(&refused.stderr, &["error[CF2601]", "the foreign key", "help: "]);
    assert_nothing_made(&site);
}

fn alter_shows_its_plan_and_takes_the_cheaper_way(kind: Kind) {
    let Some(site) = Site::new(kind, "dry") else { return };
    site.query("CREATE TABLE t (id int AUTO_INCREMENT PRIMARY KEY, n int); INSERT INTO t (n) VALUES (1)");
    let plan = site.must(&alter(&["--dry-run"], WIDER));
    assert_says(&plan.stdout, &["by itself the server would keep writers out", "drop the old table"]);
    assert!(site.untouched());
    // Small, so that it is done at once; there is no window then.
    site.must(&alter(&["--strategy", "auto"], WIDER));
    assert_eq!(id_type(&site), "bigint");
    let nothing = site.run(super::ROLLBACK);
    assert_ne!(nothing.code, 0, "{}", nothing.stdout);
    assert_eq!(id_type(&site), "bigint");
    site.assert_sound();
}

fn a_migration_by_the_shadow_table(kind: Kind) {
    let Some(site) = pending(kind) else { return };
    let mut killed = site.command(&[&["apply", "--workers", "1"], ONLINE].concat());
    assert_ne!(ended(killed.env("COFFERDAM_FAILPOINT", "online.copy.cut=kill")).code, 0);
    // What is not as it was planned is named; what is not asked for is not.
    let wanted = [&["apply", "--finalize", "--workers", "3", "--sample", "50"], ONLINE].concat();
    let said = " as planned: workers 1, not 3; comparison of all rows, not ";
    let dry = site.must(&[&wanted[..], &["--dry-run"]].concat());
    assert!(dry.stdout.contains(said), "{}", dry.stdout);
    let done = site.must(&wanted);
    assert!(done.stderr.contains(said), "{}", done.stderr);
    assert_eq!((id_type(&site).as_str(), site.one("SELECT COUNT(*) FROM t").as_str()), ("bigint", "2"));
    assert_eq!(site.history().len(), 2);
    assert_clean(&site);
    site.assert_sound();
}
