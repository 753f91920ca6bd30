//! What a session knows of the database without changing it.

use std::time::Duration;

use cofferdam_core::facts::{DataAnswer, DataQuestion};
use cofferdam_core::plan::Probe;
use cofferdam_core::{Code, Fault, Name};
use cofferdam_schema::{Kind, State, compare};

use super::bench::{Bench, equal, holds, lacks, loose, refused, seen};
use super::{Broken, Case, Harness, Outcome};

pub(super) static CASES: &[Case] = &[
    Case { name: "facts say what is there and what is not", run: |h| Box::pin(facts(h)) },
    Case { name: "every question about rows has its answer", run: |h| Box::pin(answers(h)) },
    Case {
        name: "what the database is made of is read, and a change of it is seen",
        run: |h| Box::pin(inspect(h)),
    },
    Case { name: "what is run on a throw-away database is not recorded", run: |h| Box::pin(unrecorded(h)) },
    Case { name: "a column is probed with its type", run: |h| Box::pin(column(h)) },
    Case { name: "a relation is probed", run: |h| Box::pin(relation(h)) },
    Case { name: "what the catalog cannot tell is unclear, never done", run: |h| Box::pin(unclear(h)) },
    Case { name: "rows come as texts, no more than asked for, NULL as none", run: |h| Box::pin(rows(h)) },
    Case {
        name: "a query that takes too long is ended, and the time is said",
        run: |h| Box::pin(bounded(h)),
    },
    Case { name: "a query can write nothing", run: |h| Box::pin(read_only(h)) },
    Case { name: "what is between and what is left can be asked at any time", run: |h| Box::pin(around(h)) },
];

async fn facts(harness: &dyn Harness) -> Outcome {
    let bench = Bench::new(harness).await?;
    let words = bench.words();
    let missing = Name::plain("nowhere_to_be_found");
    let mut session = bench.with_table().await?;
    loose(session.as_mut(), words.insert_three).await?;
    let facts = session.facts(&[words.table.clone(), missing.clone()]).await?;
    equal("engine", facts.server.engine.as_str(), harness.server())?;
    holds("the server has a version", facts.server.version > 0 && !facts.server.version_text.is_empty())?;
    holds("the database has a name", !facts.server.database.is_empty())?;
    holds("the server takes writes", !facts.server.read_only)?;
    let table = facts.table(&words.table).ok_or_else(|| Broken("no facts of the table".into()))?;
    equal("the table", (table.exists, table.kind.as_str()), (true, "table"))?;
    holds("it has columns", !table.columns.is_empty())?;
    equal("the column that was not added yet", table.column(words.column), None)?;
    equal("the missing table", facts.table(&missing).map(|t| t.exists), Some(false))?;
    loose(session.as_mut(), words.add_column).await?;
    let facts = session.facts(std::slice::from_ref(&words.table)).await?;
    let ty = facts.table(&words.table).and_then(|t| t.column(words.column)).map(|c| c.ty.clone());
    equal("the type of the column", ty.as_deref(), Some(words.column_type.0))
}

async fn answers(harness: &dyn Harness) -> Outcome {
    let bench = Bench::new(harness).await?;
    let words = bench.words();
    let missing = Name::plain("nowhere_to_be_found");
    let mut session = bench.with_table().await?;
    loose(session.as_mut(), words.add_column).await?;
    loose(session.as_mut(), words.insert_three).await?;
    let facts = session.facts(&[words.table.clone(), missing.clone()]).await?;
    let nulls = |table: &Name| DataQuestion::Nulls { table: table.clone(), column: words.column.to_owned() };
    let questions = [nulls(&missing), nulls(&words.table)];
    let answers = session.answers(&facts, &questions).await?;
    equal("as many answers as questions", answers.len(), questions.len())?;
    holds("nothing is known of a table that is not there", matches!(answers[0], DataAnswer::NotKnown(_)))?;
    // An engine may not know; what it says is never wrong.
    holds("a new column holds NULLs", answers[1] != DataAnswer::No)?;
    equal("nothing asked", session.answers(&facts, &[]).await?, Vec::new())
}

async fn inspect(harness: &dyn Harness) -> Outcome {
    let bench = Bench::new(harness).await?;
    let words = bench.words();
    let mut session = bench.with_table().await?;
    if !bench.can().inspects {
        return lacks("inspecting", session.inspect().await);
    }
    let before = session.inspect().await?;
    equal("nothing has changed", compare(&before, &session.inspect().await?), Vec::new())?;
    holds("the server has a version", before.version > 0)?;
    let ours = before.objects.keys().any(|key| key.schema == "cofferdam" || key.name == "cofferdam");
    holds("Cofferdam's own is left out", !ours)?;
    loose(session.as_mut(), words.add_column).await?;
    let after = session.inspect().await?;
    let changed = compare(&before, &after);
    let found: Vec<_> =
        changed.iter().map(|d| (d.key.kind, d.key.on.as_str(), d.key.name.as_str(), d.state)).collect();
    equal("the change", found, vec![(Kind::Column, words.table.name.as_str(), words.column, State::Added)])?;
    loose(session.as_mut(), words.drop_column).await?;
    equal("it is as before", compare(&before, &session.inspect().await?), Vec::new())
}

async fn unrecorded(harness: &dyn Harness) -> Outcome {
    let bench = Bench::new(harness).await?;
    let words = bench.words();
    let mut session = bench.session("contract").await?;
    session.run_unrecorded(words.create_table).await?;
    session.run_unrecorded(words.insert_three).await?;
    equal("the rows", bench.count(session.as_mut()).await?, 3)?;
    refused("what the server refuses", session.run_unrecorded(words.failing.0).await, Code::StatementFailed)?;
    equal("nothing is written down of it", session.journal(None).await?.len(), 0)
}

async fn column(harness: &dyn Harness) -> Outcome {
    let bench = Bench::new(harness).await?;
    let words = bench.words();
    let (table, column) = (words.table.clone(), words.column.to_owned());
    let there = |ty: Option<&str>| Probe::ColumnThere {
        table: table.clone(),
        column: column.clone(),
        ty: ty.map(str::to_owned),
    };
    let absent = Probe::ColumnAbsent { table: table.clone(), column: column.clone() };
    let mut session = bench.claimed("contract").await?;
    seen("without a table", &session.probe(&there(None)).await?, "not done")?;
    loose(session.as_mut(), words.create_table).await?;
    seen("before", &session.probe(&there(None)).await?, "not done")?;
    seen("absent before", &session.probe(&absent).await?, "done")?;
    loose(session.as_mut(), words.add_column).await?;
    seen("after", &session.probe(&there(None)).await?, "done")?;
    seen("of its type", &session.probe(&there(Some(words.column_type.0))).await?, "done")?;
    seen("of another type", &session.probe(&there(Some(words.column_type.1))).await?, "not done")?;
    seen("absent after", &session.probe(&absent).await?, "not done")?;
    loose(session.as_mut(), words.drop_column).await?;
    seen("dropped", &session.probe(&absent).await?, "done")
}

async fn relation(harness: &dyn Harness) -> Outcome {
    let bench = Bench::new(harness).await?;
    let relation = bench.words().table.clone();
    let there = Probe::RelationThere { relation: relation.clone() };
    let absent = Probe::RelationAbsent { relation };
    let mut session = bench.claimed("contract").await?;
    seen("before", &session.probe(&there).await?, "not done")?;
    seen("absent before", &session.probe(&absent).await?, "done")?;
    loose(session.as_mut(), bench.words().create_table).await?;
    seen("after", &session.probe(&there).await?, "done")?;
    seen("absent after", &session.probe(&absent).await?, "not done")?;
    // More than are on their way at once, and in order.
    let many: Vec<&Probe> = [&there, &absent, &there].into_iter().cycle().take(500).collect();
    let answers = session.probes(&many).await?;
    equal("answers", answers.len(), many.len())?;
    let expected = many.iter().map(|probe| if *probe == &there { "done" } else { "not done" });
    answers.iter().zip(expected).try_for_each(|(answer, expected)| seen("one of many", answer, expected))
}

async fn unclear(harness: &dyn Harness) -> Outcome {
    let bench = Bench::new(harness).await?;
    let mut session = bench.session("contract").await?;
    seen("nothing to ask", &session.probe(&Probe::Nothing).await?, "unclear")?;
    seen("repeatable", &session.probe(&Probe::Repeatable).await?, "not done")?;
    seen("of the session", &session.probe(&Probe::Session).await?, "not done")
}

async fn rows(harness: &dyn Harness) -> Outcome {
    let bench = Bench::new(harness).await?;
    let words = bench.words();
    let mut session = bench.with_table().await?;
    equal("rows of an empty table", session.rows(words.select, 9).await?.rows, vec![])?;
    loose(session.as_mut(), words.insert_three).await?;
    equal("two of three rows", session.rows(words.select, 2).await?.rows.len(), 2)?;
    equal("none of three rows", session.rows(words.select, 0).await?.rows.len(), 0)?;
    let all = session.rows(words.select, 9).await?;
    equal("all rows", all.rows.len(), 3)?;
    equal("columns", all.columns.len(), all.rows.first().map_or(0, Vec::len))?;
    let cells: Vec<_> = session.rows(words.text_and_null, 9).await?.rows.into_iter().flatten().collect();
    equal("a text and NULL", cells, vec![Some("text".into()), None])
}

async fn bounded(harness: &dyn Harness) -> Outcome {
    let bench = Bench::new(harness).await?;
    let words = bench.words();
    let mut session = bench.with_table().await?;
    let within = Duration::from_millis(300);
    let ended = session.rows_within(words.endless, 9, within).await;
    let said = match &ended {
        Err(Fault::Refused(refusal)) => refusal.cause.clone().unwrap_or_default(),
        other => format!("{other:?}"),
    };
    refused("a query without an end", ended, Code::StatementFailed)?;
    holds(&format!("the time is said: {said}"), said.contains("longer than 0.3 s"))?;
    // Writing is refused all the same, and the session can go on, without any bound.
    refused("writing", session.rows_within(words.insert_three, 9, within).await, Code::StatementFailed)?;
    equal("rows", session.rows_within(words.select, 9, within).await?.rows, vec![])?;
    loose(session.as_mut(), words.insert_three).await?;
    equal("rows", bench.count(session.as_mut()).await?, 3)
}

async fn read_only(harness: &dyn Harness) -> Outcome {
    let bench = Bench::new(harness).await?;
    let words = bench.words();
    let mut session = bench.with_table().await?;
    refused("writing", session.rows(words.insert_three, 9).await, Code::StatementFailed)?;
    equal("rows", bench.count(session.as_mut()).await?, 0)?;
    // And the session can go on.
    loose(session.as_mut(), words.insert_three).await?;
    equal("rows", bench.count(session.as_mut()).await?, 3)
}

async fn around(harness: &dyn Harness) -> Outcome {
    let bench = Bench::new(harness).await?;
    let words = bench.words();
    let mut session = bench.with_table().await?;
    equal("a pooler", session.pooled().await?, false)?;
    for of in [vec![], vec![words.table.clone(), Name::plain("nowhere_to_be_found")]] {
        let rooms = session.room(&of).await?;
        holds("no more is free than there is", rooms.iter().all(|r| r.free <= r.total && r.total > 0))?;
        holds("a folder has a name", rooms.iter().all(|r| !r.folder.is_empty()))?;
    }
    // And the session goes on.
    loose(session.as_mut(), words.insert_three).await?;
    equal("rows", bench.count(session.as_mut()).await?, 3)
}
