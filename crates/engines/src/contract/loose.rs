//! Statements outside of any transaction.

use std::time::Duration;

use cofferdam_core::plan::{Act, Probe};
use cofferdam_core::{Code, Fault};

use super::bench::{Bench, equal, holds, loose, refused, seen, step};
use super::{Broken, Case, Harness, Outcome};

pub(super) static CASES: &[Case] = &[
    Case { name: "what was performed stays when the session goes", run: |h| Box::pin(stays(h)) },
    Case { name: "a statement outside a transaction that fails says where", run: |h| Box::pin(fails(h)) },
    Case { name: "a check outside a transaction fails on rows", run: |h| Box::pin(check(h)) },
    Case { name: "an index that was left invalid is built again", run: |h| Box::pin(repaired(h)) },
    Case { name: "an index build that fails can be done again", run: |h| Box::pin(built_again(h)) },
    Case { name: "one script's settings are not another's", run: |h| Box::pin(settings(h)) },
    Case {
        name: "a setting does not survive its batch when that fails",
        run: |h| Box::pin(failed_settings(h)),
    },
    Case { name: "resetting keeps the lock", run: |h| Box::pin(reset_keeps_lock(h)) },
    Case { name: "outside a transaction a held table is not waited for long", run: |h| Box::pin(held(h)) },
];

async fn stays(harness: &dyn Harness) -> Outcome {
    let bench = Bench::new(harness).await?;
    let mut session = bench.with_table().await?;
    loose(session.as_mut(), bench.words().insert_three).await?;
    drop(session);
    let mut session = bench.session("contract two").await?;
    equal("rows", bench.count(session.as_mut()).await?, 3)
}

async fn fails(harness: &dyn Harness) -> Outcome {
    let bench = Bench::new(harness).await?;
    let mut session = bench.claimed("contract").await?;
    let (sql, said) = bench.words().failing;
    let refusal = refused("the statement", loose(session.as_mut(), sql).await, Code::StatementFailed)?;
    holds(&format!("{refusal} says {said:?}"), refusal.to_string().contains(said))?;
    equal("file", refusal.place.map(|p| p.path), Some(super::bench::PATH.into()))?;
    loose(session.as_mut(), bench.words().create_table).await?;
    Ok(())
}

async fn check(harness: &dyn Harness) -> Outcome {
    let bench = Bench::new(harness).await?;
    let mut session = bench.with_table().await?;
    let step = step("1", Act::Check { queries: vec![bench.words().select.into()] });
    session.perform(&step.act, &step).await?;
    loose(session.as_mut(), bench.words().insert_three).await?;
    refused("the check", session.perform(&step.act, &step).await, Code::CheckFailed)?;
    Ok(())
}

async fn repaired(harness: &dyn Harness) -> Outcome {
    let bench = Bench::new(harness).await?;
    let words = bench.words();
    let mut session = bench.with_table().await?;
    let valid = Probe::IndexValid { index: words.index.clone() };
    let absent = Probe::IndexAbsent { index: words.index.clone() };
    seen("before", &session.probe(&valid).await?, "not done")?;
    seen("absent before", &session.probe(&absent).await?, "done")?;
    loose(session.as_mut(), words.insert_three).await?;
    loose(session.as_mut(), words.double_row).await?;
    // As a plain statement, so that nothing cleans up after it.
    refused("a unique index", loose(session.as_mut(), words.build_index).await, Code::StatementFailed)?;
    let leftover = bench.can().invalid_indexes;
    let left = |otherwise| if leftover { "partly" } else { otherwise };
    seen("left over", &session.probe(&valid).await?, left("not done"))?;
    seen("absent, left over", &session.probe(&absent).await?, left("done"))?;
    let facts = session.facts(std::slice::from_ref(&words.table)).await?;
    let table = facts.table(&words.table).ok_or_else(|| Broken("no facts of the table".into()))?;
    let valid_by_facts = table.index(&words.index.name).map(|i| i.valid);
    equal("valid by the facts", valid_by_facts, leftover.then_some(false))?;
    loose(session.as_mut(), words.single_row).await?;
    let step = step("1", words.build());
    session.perform(&step.act, &step).await?;
    seen("built", &session.probe(&valid).await?, "done")?;
    seen("absent, built", &session.probe(&absent).await?, "not done")?;
    loose(session.as_mut(), words.drop_index).await?;
    seen("dropped", &session.probe(&absent).await?, "done")
}

async fn built_again(harness: &dyn Harness) -> Outcome {
    let bench = Bench::new(harness).await?;
    let words = bench.words();
    let mut session = bench.with_table().await?;
    loose(session.as_mut(), words.insert_three).await?;
    loose(session.as_mut(), words.double_row).await?;
    let step = step("1", words.build());
    for _ in 0..2 {
        refused("a unique index", session.perform(&step.act, &step).await, Code::StatementFailed)?;
    }
    loose(session.as_mut(), words.single_row).await?;
    session.perform(&step.act, &step).await?;
    seen("built", &session.probe(&Probe::IndexValid { index: words.index.clone() }).await?, "done")
}

async fn settings(harness: &dyn Harness) -> Outcome {
    let bench = Bench::new(harness).await?;
    let words = bench.words();
    let mut session = bench.claimed("contract").await?;
    let before = session.rows(words.show_setting, 1).await?;
    loose(session.as_mut(), words.set_setting).await?;
    holds("the setting changed", session.rows(words.show_setting, 1).await? != before)?;
    session.reset().await?;
    equal("the setting", session.rows(words.show_setting, 1).await?, before.clone())?;
    let run = super::bench::run_of("1", &[words.set_setting]);
    session.commit(&super::bench::whole(&run)?).await?;
    holds("the setting changed by a batch", session.rows(words.show_setting, 1).await? != before)?;
    session.reset().await?;
    equal("the setting", session.rows(words.show_setting, 1).await?, before)
}

async fn failed_settings(harness: &dyn Harness) -> Outcome {
    let bench = Bench::new(harness).await?;
    let words = bench.words();
    let mut session = bench.claimed("contract").await?;
    let before = session.rows(words.show_setting, 1).await?;
    let run = super::bench::run_of("1", &[words.set_setting, words.failing.0]);
    refused("the batch", session.commit(&super::bench::whole(&run)?).await, Code::StatementFailed)?;
    equal("the setting", session.rows(words.show_setting, 1).await?, before)
}

async fn reset_keeps_lock(harness: &dyn Harness) -> Outcome {
    let bench = Bench::new(harness).await?;
    let mut first = bench.claimed("contract").await?;
    first.reset().await?;
    let mut second = bench.session("contract two").await?;
    refused("claiming", second.claim(Duration::ZERO).await, Code::LockHeldByOther)?;
    Ok(())
}

async fn held(harness: &dyn Harness) -> Outcome {
    let bench = Bench::new(harness).await?;
    let words = bench.words();
    let mut session = bench.with_table().await?;
    let guard = harness.hold_table(&bench.target).await?;
    let mut step = step("1", Act::sql(words.add_column));
    step.limits.lock_timeout_ms = 100;
    let result = session.perform(&step.act, &step).await;
    let Err(Fault::Again { why, .. }) = result else {
        return Err(Broken(format!("adding a column to a held table: {result:?}")));
    };
    equal("code", why.code, Code::LockNotObtained)?;
    let there = Probe::ColumnThere { table: words.table.clone(), column: words.column.into(), ty: None };
    seen("the column", &session.probe(&there).await?, "not done")?;
    drop(guard);
    step.limits.lock_timeout_ms = 20_000;
    session.perform(&step.act, &step).await?;
    seen("the column", &session.probe(&there).await?, "done")
}
