//! The checker finds what it must: each kind of damage, done by hand behind its back.

use crate::oracle;
use crate::quiet::block_on;
use crate::session::Session;
use crate::support::Bench;
use crate::world::{Traffic, World};

/// What a damage is, the statements that do it, and a word of what the oracle must say.
const DAMAGES: &[(&str, &str, &str)] = &[
    ("a lost row", "DELETE FROM item WHERE id = (SELECT max(id) FROM item)", "is lost"),
    ("the first row lost", "DELETE FROM item WHERE id = (SELECT min(id) FROM item)", "is lost"),
    ("a lost range", "DELETE FROM item WHERE id BETWEEN 2000 AND 4000", "differences in all"),
    ("a row too many", "INSERT INTO item (id, n) VALUES (-77, 1)", "must not be there"),
    ("a copied row", "INSERT INTO item (id, n, note) SELECT -id - 1, n, note FROM item LIMIT 1", "must not be there"),
    ("another value", "UPDATE item SET n = n + 1 WHERE id = (SELECT min(id) FROM item)", "and must be"),
    (
        "NULL that became empty",
        "UPDATE item SET note = '' WHERE id = (SELECT min(id) FROM item WHERE note IS NULL)",
        "and must be",
    ),
    (
        "empty that became NULL",
        "UPDATE item SET note = NULL WHERE id = (SELECT min(id) FROM item WHERE note = '')",
        "and must be",
    ),
    (
        "a value cut short",
        "UPDATE item SET note = left(note, length(note) - 1) WHERE id = (SELECT min(id) FROM item WHERE length(note) > 2000)",
        "and must be",
    ),
    (
        "a blank lost at the end",
        "UPDATE item SET note = rtrim(note) WHERE id = (SELECT min(id) FROM item WHERE note LIKE 'trailing%')",
        "and must be",
    ),
    (
        "a zero byte lost at the end",
        "UPDATE item SET bin = substr(bin, 1, length(bin) - 1)
         WHERE id = (SELECT min(id) FROM item WHERE substr(bin, length(bin)) = '\\x00')",
        "and must be",
    ),
    ("a microsecond", "UPDATE item SET at = at + '1us' WHERE id = (SELECT min(id) FROM item WHERE at IS NOT NULL)", "and must be"),
    (
        "two values swapped",
        "WITH two AS (SELECT id, note FROM item WHERE note LIKE 'note %' ORDER BY id LIMIT 2)
         UPDATE item SET note = (SELECT o.note FROM two o WHERE o.id <> item.id) WHERE id IN (SELECT id FROM two)",
        "and must be",
    ),
    (
        "a row under another key",
        "UPDATE item SET id = -5 WHERE id = (SELECT min(id) FROM item i WHERE NOT EXISTS (SELECT FROM child WHERE item = i.id))",
        "is lost",
    ),
    (
        "a row twice",
        "ALTER TABLE child DROP CONSTRAINT child_item_fkey; ALTER TABLE item DROP CONSTRAINT item_pkey, DROP CONSTRAINT item_num_key;
         INSERT INTO item (id, num, n) SELECT id, num, n FROM item WHERE tag IS NULL LIMIT 1",
        "is there twice",
    ),
    ("a lost child", "DELETE FROM child WHERE id = (SELECT min(id) FROM child)", "is lost"),
    (
        "a child without its row",
        "SET session_replication_role = replica; DELETE FROM item WHERE id = (SELECT min(item) FROM child)",
        "refers to nothing",
    ),
    ("a lost parent", "SET session_replication_role = replica; DELETE FROM parent WHERE id = (SELECT max(id) FROM parent)", "parent: differs"),
    (
        "an index without an entry",
        // The server is told that the index needs no entries, so that writing leaves it behind. Each value changes: of
        // one that does not, the old entry may still lead to the new row.
        "SET allow_system_table_mods = on; SET session_replication_role = replica;
         UPDATE pg_index SET indisready = false WHERE indexrelid = 'item_parent_idx'::regclass;
         UPDATE item SET parent = 1 + parent % 64 WHERE parent IS NOT NULL;
         UPDATE pg_index SET indisready = true WHERE indexrelid = 'item_parent_idx'::regclass",
        "item_parent_idx",
    ),
    ("a lost index", "DROP INDEX item_loose_idx", "the indexes are"),
    ("an index that is not valid", "UPDATE pg_index SET indisvalid = false WHERE indexrelid = 'item_note_idx'::regclass", "is not valid"),
    (
        "a constraint that was not validated",
        "ALTER TABLE item DROP CONSTRAINT item_parent_fkey;
         ALTER TABLE item ADD CONSTRAINT item_parent_fkey FOREIGN KEY (parent) REFERENCES parent NOT VALID",
        "not validated",
    ),
    ("a sequence set back", "SELECT setval('item_num_seq', 1)", "stands at"),
    ("a lost identity", "ALTER TABLE item ALTER COLUMN num DROP IDENTITY", "has no sequence"),
];

/// Each damage is found, and without it nothing is.
#[test]
fn every_damage_is_found() {
    let bench = Bench::new("damage");
    block_on(async {
        let traffic = Traffic { seed: 3, writers: 3, rows: 150, pause: 0, truncate: 0 };
        let world = World::create(&bench.url, traffic, bench.folder.path()).await;
        let owner = Session::open(&bench.url, "postgres").await.unwrap();
        let writers = world.start();
        tokio::time::sleep(std::time::Duration::from_millis(500)).await;
        world.stop(writers).await;
        assert_eq!(world.accused(), Vec::<String>::new());
        assert_eq!(oracle::check(&world, &owner).await, Vec::<String>::new());
        let mut missed = Vec::new();
        for (what, sql, word) in DAMAGES {
            // The damage is taken back afterwards; the sequence does not follow transactions.
            owner.send("BEGIN").await.unwrap();
            owner.send(sql).await.unwrap_or_else(|trouble| panic!("{what}: {trouble:?}"));
            let found = oracle::check(&world, &owner).await;
            if !found.iter().any(|told| told.contains(word)) {
                missed.push(format!("{what}: {found:?}"));
            }
            owner.send("ROLLBACK").await.unwrap();
            let highest = world.highest.load(std::sync::atomic::Ordering::SeqCst);
            owner.send(&format!("SELECT setval('item_num_seq', {highest})")).await.unwrap();
        }
        assert!(missed.is_empty(), "not found:\n{}", missed.join("\n"));
        assert_eq!(oracle::check(&world, &owner).await, Vec::<String>::new());
    });
}

/// A transaction of which a part is lost, or one that failed and is there: the receipts tell them apart.
#[test]
fn what_failed_must_not_be_there() {
    let bench = Bench::new("failed");
    block_on(async {
        let traffic = Traffic { seed: 4, writers: 2, rows: 50, pause: 0, truncate: 0 };
        let world = World::create(&bench.url, traffic, bench.folder.path()).await;
        let owner = Session::open(&bench.url, "postgres").await.unwrap();
        // What a writer takes back, and the database kept.
        {
            let mut book = world.books[0].lock().await;
            let id = book.ids()[3];
            book.begin();
            book.delete(id);
            owner.send(&format!("DELETE FROM item WHERE id = {id}")).await.unwrap();
            book.drop_all();
        }
        let found = oracle::check(&world, &owner).await;
        assert!(found.iter().any(|told| told.contains("is lost")), "{found:?}");
    });
}
