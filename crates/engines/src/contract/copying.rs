//! Rows out of tables and into them.

use bytes::Bytes;
use futures::{StreamExt, TryStreamExt};

use cofferdam_core::backup::Sum;
use cofferdam_core::{Code, Name};

use super::bench::{Bench, equal, lacks, loose, refused};
use super::{Broken, Case, Harness, Outcome};
use crate::copy::{Existing, Reach, Rows, Wanted};

pub(super) static CASES: &[Case] = &[
    Case { name: "a copy is of one moment, and comes back as it was", run: |h| Box::pin(there_and_back(h)) },
    Case { name: "what is no table is not copied", run: |h| Box::pin(no_table(h)) },
];

fn wanted(name: &Name) -> Wanted {
    Wanted { tables: vec![(name.clone(), Reach::Itself)], schemas: Vec::new() }
}

fn rows(bytes: &Bytes) -> Rows {
    futures::stream::iter([Ok(bytes.clone())]).boxed()
}

async fn there_and_back(harness: &dyn Harness) -> Outcome {
    let bench = Bench::new(harness).await?;
    let words = bench.words();
    let mut session = bench.with_table().await?;
    loose(session.as_mut(), words.insert_three).await?;
    if !bench.can().copies {
        return lacks("copying", session.copier("contract").await.map(drop));
    }
    let mut copier = session.copier("contract").await?;
    copier.begin().await?;
    let shapes = copier.shapes(&wanted(&words.table)).await?;
    let [shape] = shapes.as_slice() else {
        return Err(Broken(format!("one table has a shape, and not {shapes:?}")));
    };
    equal("its name", &shape.table.name, &words.table.name)?;
    loose(session.as_mut(), words.insert_three).await?;
    let sum = copier.sum(shape).await?;
    equal("rows of the snapshot", sum.rows, 3)?;
    let pieces: Vec<Bytes> = copier.out(shape).await?.try_collect().await?;
    let all = Bytes::from(pieces.concat());
    copier.end().await?;
    equal("restored beside", &copier.rehearse(shape, rows(&all)).await?, &sum)?;
    equal("and nothing is changed by it", bench.count(session.as_mut()).await?, 6)?;
    let there = shape.table.clone();
    let again = copier.restore(shape, rows(&all), &there, Existing::Refuse, &sum).await;
    refused("a table that is there", again, Code::RestoreRefused)?;
    let other = Sum { rows: sum.rows, hash: "7".into() };
    let wrong = copier.restore(shape, rows(&all), &there, Existing::Replace, &other).await;
    refused("other rows", wrong, Code::BackupDamaged)?;
    equal("rows after both", bench.count(session.as_mut()).await?, 6)?;
    copier.restore(shape, rows(&all), &there, Existing::Replace, &sum).await?;
    equal("rows put back", bench.count(session.as_mut()).await?, 3)?;
    let beside = there.beside("brought_back");
    copier.restore(shape, rows(&all), &beside, Existing::Refuse, &sum).await?;
    let facts = session.facts(std::slice::from_ref(&beside)).await?;
    equal("a table beside", facts.table(&beside).map(|table| table.exists), Some(true))
}

async fn no_table(harness: &dyn Harness) -> Outcome {
    let bench = Bench::new(harness).await?;
    if !bench.can().copies {
        return Ok(());
    }
    let mut session = bench.session("contract").await?;
    let mut copier = session.copier("contract").await?;
    copier.begin().await?;
    equal("shapes", copier.shapes(&wanted(&Name::plain("nowhere_to_be_found"))).await?, Vec::new())?;
    copier.end().await?;
    Ok(())
}
