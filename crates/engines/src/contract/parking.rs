//! What is put aside in place of being dropped.

use cofferdam_core::Code;
use cofferdam_core::park::{Deed, Object, Parking};
use cofferdam_core::plan::Act;

use super::bench::{Bench, equal, holds, lacks, loose, refused, run_of_acts, whole};
use super::{Case, Harness, Outcome};
use crate::Session;

pub(super) static CASES: &[Case] = &[
    Case { name: "what is parked is gone, and comes back with its rows", run: |h| Box::pin(back(h)) },
    Case { name: "what is parked is dropped for good", run: |h| Box::pin(for_good(h)) },
    Case { name: "what does not come back stays parked", run: |h| Box::pin(taken(h)) },
    Case { name: "a step that parks again has what it parked last", run: |h| Box::pin(again(h)) },
];

fn act(bench: &Bench<'_>, deed: Deed) -> Act {
    let table = bench.words().table.clone();
    let parking = Parking {
        label: "0123456789ab".into(),
        sql: format!("DROP TABLE {table}").into(),
        object: Object::Tables { names: vec![table], cascade: false },
        keep_seconds: 3600,
    };
    Act::Park { parking: Box::new(parking), deed }
}

async fn does(bench: &Bench<'_>, session: &mut dyn Session, key: &str, deed: Deed) -> Outcome {
    Ok(session.commit(&whole(&run_of_acts(key, vec![act(bench, deed)]))?).await?)
}

async fn is_there(bench: &Bench<'_>, session: &mut dyn Session) -> bool {
    session.rows(bench.words().select, 100).await.is_ok()
}

async fn back(harness: &dyn Harness) -> Outcome {
    let bench = Bench::new(harness).await?;
    let mut looking = bench.session("contract looks").await?;
    equal("parked where nothing ever was", looking.parked().await?, vec![])?;
    let mut session = bench.with_table().await?;
    if !bench.can().parks {
        let run = run_of_acts("1", vec![act(&bench, Deed::Park)]);
        lacks("parking", session.commit(&whole(&run)?).await)?;
        return holds("the table is there", is_there(&bench, session.as_mut()).await);
    }
    loose(session.as_mut(), bench.words().insert_three).await?;
    does(&bench, session.as_mut(), "1", Deed::Park).await?;
    holds("it is gone", !is_there(&bench, session.as_mut()).await)?;
    let parked = looking.parked().await?;
    equal("rows", parked.len(), 1)?;
    let (one, table) = (&parked[0], bench.words().table.name.clone());
    equal("label", one.label.as_str(), "0123456789ab")?;
    equal("what it was", one.object.tables()[0].name.clone(), table)?;
    equal("key", one.key.as_str(), "1")?;
    equal("where it is", one.kept_in.len(), 1)?;
    holds("it is there, and not for long enough", one.is_there() && !one.expired)?;
    holds("it says until when", one.until.parse::<jiff::Timestamp>().is_ok() && one.until > one.parked_at)?;
    does(&bench, session.as_mut(), "2", Deed::Undrop).await?;
    equal("rows that came back", bench.count(session.as_mut()).await?, 3)?;
    let parked = looking.parked().await?;
    equal("how it ended", parked[0].ended.as_deref(), Some("undropped"))?;
    holds("it is nowhere any more", parked[0].kept_in.is_empty() && parked[0].bytes.is_none())?;
    does(&bench, session.as_mut(), "3", Deed::Park).await?;
    equal("parked again", looking.parked().await?.iter().filter(|one| one.is_there()).count(), 1)
}

async fn for_good(harness: &dyn Harness) -> Outcome {
    let bench = Bench::new(harness).await?;
    if !bench.can().parks {
        return Ok(());
    }
    let mut session = bench.with_table().await?;
    loose(session.as_mut(), bench.words().insert_three).await?;
    does(&bench, session.as_mut(), "1", Deed::Park).await?;
    does(&bench, session.as_mut(), "2", Deed::Discard).await?;
    holds("it is gone", !is_there(&bench, session.as_mut()).await)?;
    equal("how it ended", session.parked().await?[0].ended.as_deref(), Some("dropped"))?;
    does(&bench, session.as_mut(), "3", Deed::Discard).await?;
    holds(
        "it does not come back",
        session.commit(&whole(&run_of_acts("4", vec![act(&bench, Deed::Undrop)]))?).await.is_err(),
    )
}

async fn taken(harness: &dyn Harness) -> Outcome {
    let bench = Bench::new(harness).await?;
    if !bench.can().parks {
        return Ok(());
    }
    let mut session = bench.with_table().await?;
    loose(session.as_mut(), bench.words().insert_three).await?;
    does(&bench, session.as_mut(), "1", Deed::Park).await?;
    loose(session.as_mut(), bench.words().create_table).await?;
    let run = run_of_acts("2", vec![act(&bench, Deed::Undrop)]);
    let result = session.commit(&whole(&run)?).await;
    refused("its name is taken", result, Code::UndropTaken)?;
    equal("nothing came back", bench.count(session.as_mut()).await?, 0)?;
    holds("it is parked", session.parked().await?[0].is_there())
}

/// The table was made anew by other means while what was parked first is still there.
async fn again(harness: &dyn Harness) -> Outcome {
    let bench = Bench::new(harness).await?;
    if !bench.can().parks {
        return Ok(());
    }
    let mut session = bench.with_table().await?;
    loose(session.as_mut(), bench.words().insert_three).await?;
    does(&bench, session.as_mut(), "1", Deed::Park).await?;
    loose(session.as_mut(), bench.words().create_table).await?;
    does(&bench, session.as_mut(), "2", Deed::Park).await?;
    let parked = session.parked().await?;
    equal("both are there", parked.iter().filter(|one| one.is_there()).count(), 2)?;
    let labelled: Vec<&str> =
        parked.iter().filter(|one| one.label == "0123456789ab").map(|one| one.key.as_str()).collect();
    equal("the label is that of the later one", labelled, vec!["2"])?;
    does(&bench, session.as_mut(), "3", Deed::Undrop).await?;
    equal("rows that came back", bench.count(session.as_mut()).await?, 0)?;
    let there = session.parked().await?.into_iter().filter(|one| one.is_there());
    equal("the first one stays", there.map(|one| one.key).collect::<Vec<_>>(), vec!["1".to_owned()])
}
