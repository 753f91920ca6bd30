//! Which rows the new definition does not take. Their keys are named; their values are not, because messages go to
//! places where values of customers have no business.

use tokio_postgres::Client;

use cofferdam_core::fault::Result;
use cofferdam_core::{Code, Fault, Refusal};

use super::Work;
use super::apply::{self, Keys};
use super::flow::{Flow, Range};
use super::worker::{self, Opened, begin, rollback};

/// How many keys are named.
const NAMED: usize = 10;

/// The first row of a range that is refused, where it is the rows that are refused.
pub(super) async fn of(
    client: &Client,
    work: &Work<'_>,
    range: &Range,
    fault: &Fault,
) -> Result<Option<Refusal>> {
    if !apply::misfits(fault) {
        return Ok(None);
    }
    let mut range = range.clone();
    loop {
        let Some(middle) = middle(client, &work.flow, &range).await? else { break };
        let lower = Range { low: range.low.clone(), high: Some(middle.clone()) };
        range = match takes(client, work, &lower).await? {
            true => Range { low: Some(middle), high: range.high },
            false => lower,
        };
    }
    let key = match &range.low {
        Some(key) if !takes(client, work, &range).await? => key.join(", "),
        _ => match first(client, &work.flow, &range).await? {
            Some(key) => key.join(", "),
            None => return Ok(None),
        },
    };
    Ok(Some(refusal(work, fault).note(format!("key {key}"))))
}

/// All keys of the log whose rows are refused, where it is the rows that are refused.
pub(super) async fn in_log(client: &Client, work: &Work<'_>, fault: Fault) -> Fault {
    if !apply::misfits(&fault) {
        return fault;
    }
    match search_log(client, work).await {
        Ok(keys) if !keys.is_empty() => {
            let refusal = keys.into_iter().fold(refusal(work, &fault), |r, key| r.note(format!("key {key}")));
            refusal.into()
        }
        _ => fault,
    }
}

async fn search_log(client: &Client, work: &Work<'_>) -> Result<Vec<String>> {
    let mut found = Vec::new();
    if begin(client, &work.flow, work.epoch).await? == Opened::Truncated {
        return Ok(found);
    }
    let doing = "looking for the rows that do not fit";
    let taken = apply::take(client, &work.flow, None).await;
    for key in taken.map(|(_, keys)| keys).unwrap_or_default() {
        worker::run(client, "SAVEPOINT one", doing).await?;
        let shown = key.join(", ");
        if apply::put(client, &work.flow, &Keys::from([key])).await.is_err() {
            worker::run(client, "ROLLBACK TO one", doing).await?;
            found.push(shown);
        }
        if found.len() == NAMED {
            break;
        }
    }
    rollback(client).await;
    Ok(found)
}

/// The server's own words without the values in them.
fn refusal(work: &Work<'_>, fault: &Fault) -> Refusal {
    let said = fault.refusal().map(|r| r.what.clone()).unwrap_or_default();
    let said = said.split_once(": ").map_or(said.as_str(), |(_, said)| said);
    let said: String = said.split(": \"").next().unwrap_or_default().to_owned();
    Refusal::new(Code::RowMisfit, format!("rows of {} do not fit the new definition", work.flow.source))
        .cause(said)
        .help("correct these rows, or convert them with --up COLUMN=EXPRESSION, and start again")
}

/// The key in the middle of a range; `None` where it holds at most one row.
async fn middle(client: &Client, flow: &Flow, range: &Range) -> Result<Option<Vec<String>>> {
    let count = format!(
        "SELECT count(*) FROM ONLY {} {} WHERE {}",
        flow.source,
        flow.source_alias,
        flow.source_range(range)?
    );
    let count = worker::value(client, &count, "counting rows").await?;
    let count: u64 = count.and_then(|c| c.parse().ok()).unwrap_or(0);
    if count < 2 { Ok(None) } else { nth(client, flow, range, count / 2).await }
}

async fn first(client: &Client, flow: &Flow, range: &Range) -> Result<Option<Vec<String>>> {
    nth(client, flow, range, 0).await
}

async fn nth(client: &Client, flow: &Flow, range: &Range, nth: u64) -> Result<Option<Vec<String>>> {
    let alias = flow.source_alias;
    let texts: Vec<String> = flow.key.iter().map(|k| format!("{alias}.{}::text", k.source)).collect();
    let query = format!(
        "SELECT {} FROM ONLY {} {alias} WHERE {} ORDER BY {} OFFSET {nth} LIMIT 1",
        texts.join(", "),
        flow.source,
        flow.source_range(range)?,
        flow.source_key(),
    );
    let found = worker::rows(&worker::run(client, &query, "looking for a key").await?)?;
    Ok(found.into_iter().next().and_then(|row| row.into_iter().collect()))
}

/// The new table takes the rows of the range. Tried, and taken back.
async fn takes(client: &Client, work: &Work<'_>, range: &Range) -> Result<bool> {
    let flow = &work.flow;
    let insert = format!(
        "BEGIN; {} WHERE {}",
        flow.insert(&format!("ONLY {} {}", flow.source, flow.source_alias)),
        flow.source_range(range)?
    );
    let tried = worker::run(client, &insert, "trying rows").await;
    rollback(client).await;
    match tried {
        Ok(_) => Ok(true),
        Err(fault) if apply::misfits(&fault) => Ok(false),
        Err(fault) => Err(fault),
    }
}
