//! Whether the database holds what the books say: every row, column by column, and nothing else.
//!
//! Each function gives what is wrong, in sentences; none: nothing. They are called while nobody writes.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Instant;

use crate::row::{Row, content};
use crate::session::{Answer, Session};
use crate::world::World;

/// So many of one kind are told; the rest is counted.
const TOLD: usize = 5;

type Cells = Vec<Option<String>>;

async fn ask(owner: &Session, sql: &str) -> Answer {
    owner.ask(sql).await.unwrap_or_else(|trouble| panic!("{sql}: {trouble:?}"))
}

fn number(cell: Option<&Option<String>>) -> i64 {
    cell.and_then(Option::as_deref).and_then(|text| text.parse().ok()).expect("a number")
}

/// What a table must hold, by key.
pub async fn expected(world: &World) -> BTreeMap<i64, Cells> {
    let mut rows = BTreeMap::new();
    for book in &world.books {
        let book = book.lock().await;
        for id in book.ids() {
            rows.insert(id, book.row(id).expect("its key was listed").cells(id));
        }
    }
    for (id, n) in world.shared.lock().unwrap().iter().filter(|(_, n)| **n != 0) {
        rows.insert(*id, Row::shared(*id, *n).cells(*id));
    }
    rows
}

/// What a table holds, read without any index: a key may come twice.
pub async fn held(owner: &Session, relation: &str) -> Vec<(i64, Cells)> {
    let off = "SET enable_indexscan = off; SET enable_indexonlyscan = off; SET enable_bitmapscan = off";
    ask(owner, off).await;
    let rows = ask(owner, &content(relation)).await.rows;
    ask(owner, "RESET ALL").await;
    rows.into_iter().map(|cells| (number(cells.first()), cells)).collect()
}

/// Compares what is held with what must be.
pub fn differences(expected: &BTreeMap<i64, Cells>, held: &[(i64, Cells)], what: &str) -> Vec<String> {
    let mut told = Vec::new();
    let mut count = 0;
    let mut tell = |text: String| {
        count += 1;
        if told.len() < TOLD {
            told.push(text);
        }
    };
    let mut seen = BTreeSet::new();
    for (id, cells) in held {
        if !seen.insert(*id) {
            tell(format!("{what}: the key {id} is there twice"));
        }
        match expected.get(id) {
            None => tell(format!("{what}: the row {id} must not be there: {cells:?}")),
            Some(row) if row != cells => {
                tell(format!("{what}: the row {id} is {cells:?}, and must be {row:?}"));
            }
            Some(_) => {}
        }
    }
    for (id, row) in expected.iter().filter(|(id, _)| !seen.contains(id)) {
        tell(format!("{what}: the row {id} is lost: {row:?}"));
    }
    if count > told.len() {
        told.push(format!("{what}: {count} differences in all"));
    }
    told
}

/// The tables against the books, the references, the indexes, the constraints and the identity column.
pub async fn check(world: &World, owner: &Session) -> Vec<String> {
    let expected = expected(world).await;
    let held = held(owner, "public.item").await;
    let mut wrong = differences(&expected, &held, "item");
    for told in wrong.clone() {
        // The key stands third or fourth: `the row 65 is lost`, `the key 65 is there twice`.
        let key = told.split_whitespace().find(|word| word.parse::<i64>().is_ok());
        wrong.extend(key.into_iter().flat_map(|key| world.journal.about(key)));
    }
    wrong.extend(relations(world, owner).await);
    wrong.extend(indexes(owner).await);
    wrong.extend(constraints(owner).await);
    wrong.extend(identity(world, owner).await);
    wrong
}

async fn relations(world: &World, owner: &Session) -> Vec<String> {
    let (mut parents, mut children) = (BTreeSet::new(), BTreeMap::new());
    for book in &world.books {
        let book = book.lock().await;
        parents.extend(book.parents());
        children.extend(book.children());
    }
    let mut wrong = Vec::new();
    let seen: BTreeSet<i64> =
        ask(owner, "SELECT id FROM parent").await.rows.iter().map(|row| number(row.first())).collect();
    if seen != parents {
        wrong.push(format!(
            "parent: differs in {:?}",
            seen.symmetric_difference(&parents).collect::<Vec<_>>()
        ));
    }
    let rows = ask(owner, "SELECT id, item FROM child").await.rows;
    let seen: BTreeMap<i64, i64> = rows.iter().map(|row| (number(row.first()), number(row.get(1)))).collect();
    for (id, item) in seen.iter().filter(|(id, item)| children.get(id) != Some(item)).take(TOLD) {
        wrong.push(format!("child: {id} refers to {item}, and must to {:?}", children.get(id)));
    }
    for (id, item) in children.iter().filter(|(id, _)| !seen.contains_key(id)).take(TOLD) {
        wrong.push(format!("child: {id} of {item} is lost"));
    }
    let orphans =
        "SELECT 'child ' || c.id FROM child c WHERE NOT EXISTS (SELECT FROM item i WHERE i.id = c.item)
        UNION ALL SELECT 'item ' || i.id FROM item i
        WHERE i.parent IS NOT NULL AND NOT EXISTS (SELECT FROM parent p WHERE p.id = i.parent) LIMIT 5";
    wrong.extend(ask(owner, orphans).await.rows.iter().map(|row| format!("refers to nothing: {row:?}")));
    wrong
}

/// Every index is valid, in order, has an entry for each row, and the table has those that it had.
async fn indexes(owner: &Session) -> Vec<String> {
    // A failed check must not end a transaction that the caller is in.
    let prepare = "CREATE OR REPLACE FUNCTION pg_temp.damage(index regclass) RETURNS text LANGUAGE plpgsql AS
        $$ BEGIN PERFORM public.bt_index_parent_check(index, true); RETURN NULL;
           EXCEPTION WHEN OTHERS THEN RETURN SQLERRM; END $$";
    ask(owner, prepare).await;
    let list = "SELECT x.indexrelid::regclass, c.relname, x.indisvalid AND x.indisready
        FROM pg_index x JOIN pg_class c ON c.oid = x.indexrelid JOIN pg_class t ON t.oid = x.indrelid
        WHERE t.relnamespace = 'public'::regnamespace AND c.relam = (SELECT oid FROM pg_am WHERE amname = 'btree')
        ORDER BY c.relname";
    let mut wrong = Vec::new();
    let mut names = Vec::new();
    for row in ask(owner, list).await.rows {
        let name = row[0].clone().unwrap_or_default();
        names.push(row[1].clone().unwrap_or_default());
        if row[2].as_deref() != Some("t") {
            wrong.push(format!("the index {name} is not valid"));
        }
        let damage = ask(owner, &format!("SELECT pg_temp.damage('{name}')")).await;
        wrong.extend(damage.rows[0][0].iter().map(|words| format!("the index {name}: {words}")));
    }
    let all = [
        "child_item_idx",
        "child_pkey",
        "item_loose_idx",
        "item_note_idx",
        "item_num_key",
        "item_parent_idx",
        "item_pkey",
        "item_tag_key",
        "parent_pkey",
        "receipt_pkey",
    ];
    if names != all {
        wrong.push(format!("the indexes are {names:?}"));
    }
    wrong
}

async fn constraints(owner: &Session) -> Vec<String> {
    let list = "SELECT conrelid::regclass || '.' || conname FROM pg_constraint
        WHERE connamespace = 'public'::regnamespace AND NOT convalidated";
    ask(owner, list).await.rows.iter().map(|row| format!("not validated: {row:?}")).collect()
}

/// The identity column's sequence is not behind what it gave.
async fn identity(world: &World, owner: &Session) -> Vec<String> {
    let highest = world.highest.load(std::sync::atomic::Ordering::SeqCst);
    let name = ask(owner, "SELECT pg_get_serial_sequence('public.item', 'num')").await;
    let Some(Some(name)) = name.rows.first().and_then(|row| row.first()) else {
        return vec!["item.num has no sequence".into()];
    };
    let last = ask(owner, &format!("SELECT last_value FROM {name}")).await;
    let last = number(last.rows[0].first());
    if last < highest { vec![format!("{name} stands at {last}, and gave {highest}")] } else { vec![] }
}

/// The table that was swapped out against the one that was swapped in: rows that no transaction wrote to since a
/// moment at which the old one was surely in its place are the same in both.
pub async fn untouched(world: &World, owner: &Session, old: &str, before: Instant) -> Vec<String> {
    if world.truncated.lock().unwrap().is_some_and(|at| at >= before) {
        return vec![];
    }
    let mut touched = BTreeSet::new();
    for book in &world.books {
        touched.extend(book.lock().await.written_since(before));
    }
    let rest = |rows: Vec<(i64, Cells)>| rows.into_iter().filter(|(id, _)| !touched.contains(id));
    let new: BTreeMap<i64, Cells> = rest(held(owner, "public.item").await).collect();
    let old: Vec<(i64, Cells)> = rest(held(owner, old).await).collect();
    differences(&new, &old, "the old table beside the new one")
}

/// The old table against the new one once more, from what the change itself keeps: where both differ, the key must
/// be in the log that is kept for the way back.
pub async fn logged(owner: &Session, old: &str) -> Vec<String> {
    let schema = old.split('.').next().unwrap_or_default();
    let sql = format!("SELECT k1 FROM {schema}.\"cofferdam log\" WHERE op = 'K'");
    let logged: BTreeSet<i64> = ask(owner, &sql).await.rows.iter().map(|row| number(row.first())).collect();
    let truncated = format!("SELECT 1 FROM {schema}.\"cofferdam log\" WHERE op = 'T' LIMIT 1");
    if !ask(owner, &truncated).await.rows.is_empty() {
        return vec![];
    }
    let rest = |rows: Vec<(i64, Cells)>| rows.into_iter().filter(|(id, _)| !logged.contains(id));
    let new: BTreeMap<i64, Cells> = rest(held(owner, "public.item").await).collect();
    let old: Vec<(i64, Cells)> = rest(held(owner, old).await).collect();
    differences(&new, &old, "the old table beside the new one, but for logged keys")
}
