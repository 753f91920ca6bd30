//! The way of a change without the data path's care for what happens meanwhile: nobody else is there.

use cofferdam_core::online::Online;
use tokio_postgres::Client;

use super::super::catalog::ident;
use super::super::{Blueprint, blueprint, fingerprint_query};
use super::support::{run, text};

/// Everything up to the swap.
pub(super) async fn prepare(client: &Client, change: &Online) -> Blueprint {
    let made = match blueprint(client, change).await {
        Ok(made) => made,
        Err(fault) => panic!("{}: {}", change.clauses, super::support::said(&fault)),
    };
    let kept: Blueprint = serde_json::from_str(&serde_json::to_string(&made).unwrap()).unwrap();
    assert_eq!(kept, made);
    run(client, "SET search_path = ''").await;
    assert_eq!(fingerprint(client, &made).await, made.fingerprint, "looking changed something");
    run(client, &made.create.join(";\n")).await;
    let names: Vec<_> = made.columns.iter().map(|c| ident(&c.name).unwrap()).collect();
    let values: Vec<_> = made.columns.iter().map(|c| c.expression.as_str()).collect();
    let copy = format!(
        "INSERT INTO {} ({}) OVERRIDING SYSTEM VALUE SELECT {} FROM ONLY {} o",
        change.shadow().to_sql().unwrap(),
        names.join(", "),
        values.join(", "),
        change.table.to_sql().unwrap()
    );
    run(client, &copy).await;
    run(client, &made.key_index).await;
    for statement in made.indexes.iter().chain(&made.constraints) {
        run(client, statement).await;
    }
    for proof in &made.proofs {
        assert!(client.query_typed(&proof.query, &[]).await.unwrap().is_empty(), "{}", proof.what);
    }
    assert_eq!(fingerprint(client, &made).await, made.fingerprint, "the table itself was touched");
    compare(client, &made, &change.table.to_sql().unwrap(), &change.shadow().to_sql().unwrap()).await;
    made
}

async fn fingerprint(client: &Client, made: &Blueprint) -> String {
    text(client, &fingerprint_query(made.table_oid)).await
}

/// Both sides hold the same rows.
pub(super) async fn compare(client: &Client, made: &Blueprint, old: &str, new: &str) {
    let same: Vec<_> = made.key.iter().map(|k| format!("o.{0} = n.{0}", ident(&k.name).unwrap())).collect();
    let differ: Vec<_> = made.compare.iter().map(|c| format!("{} <> {}", c.left, c.right)).collect();
    assert!(!differ.is_empty());
    let key = ident(&made.key[0].name).unwrap();
    let query = format!(
        "SELECT count(*)::text FROM ONLY {old} o FULL JOIN ONLY {new} n ON {} \
         WHERE o.{key} IS NULL OR n.{key} IS NULL OR {}",
        same.join(" AND "),
        differ.join(" OR ")
    );
    assert_eq!(text(client, &query).await, "0", "{query}");
}

/// One of the two swaps, in a transaction.
pub(super) async fn swap(client: &Client, made: &Blueprint, back: bool) {
    let lock = format!("LOCK TABLE ONLY {} IN ACCESS EXCLUSIVE MODE", made.lock.join(", ONLY "));
    run(client, "BEGIN").await;
    for statement in
        made.lock_first.iter().chain([&lock]).chain(if back { &made.swap_back } else { &made.swap })
    {
        run(client, statement).await;
    }
    run(client, "COMMIT").await;
    for statement in if back { &made.settle_back } else { &made.settle } {
        run(client, statement).await;
    }
}
