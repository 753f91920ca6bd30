//! `audit`: who did what, when, from where and by which plan; and whether the record is whole.

use std::collections::HashMap;

use cofferdam_core::journal::first_break;
use cofferdam_core::{Code, Refusal, Result};
use cofferdam_engines::{Run, Runs, Session};
use uuid::Uuid;

use super::{Command, Exit, flags};
use crate::args::common::Output;
use crate::args::duration;
use crate::context::Context;
use crate::output::audit::{AuditView, ChainView, RowView};
use crate::output::history::HeadView;
use crate::runs;

/// The shortest part of a hash that is taken for it, in characters.
const SHORTEST: usize = 16;

#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
enum What {
    /// Show the rows
    List,
    /// Follow the hash chain
    Verify,
}

#[derive(Debug, clap::Args)]
struct Flags {
    /// What to do
    #[arg(value_name = "WHAT", value_enum, default_value_t = What::List)]
    what: What,
    /// Rows from then on: a time (2026-11-20T10:00:00Z), a day, or how long ago (24h)
    #[arg(long, value_name = "TIME", value_parser = since)]
    since: Option<jiff::Timestamp>,
    /// Rows of this run; the beginning of its id is enough
    #[arg(long, value_name = "RUN")]
    run: Option<String>,
    /// Rows of those whose name, host, pipeline or environment has this text
    #[arg(long, value_name = "TEXT")]
    actor: Option<String>,
    /// With verify: the hash that the journal's last row had when it was written down
    #[arg(long, value_name = "HASH")]
    head: Option<String>,
}

pub(crate) static COMMAND: Command = Command {
    name: "audit",
    aliases: &[],
    about: "Show who did what, when, from where and by which plan, and prove that the record is whole",
    more: "Every row of the journal covers the one before by its hash, so a row that is changed or taken out shows. Rows \
           that are cut off at the end do not: keep the hash of the last row outside of the database, as notifications \
           do, and give it with --head. Also as CSV: -o csv. Reads only. Exits with 7 when the record is not whole.",
    examples: &[
        ("cofferdam audit --env prod --since 24h", "the last day"),
        ("cofferdam audit --env prod --actor alice -o csv", "what alice did, for other programs"),
        ("cofferdam audit verify --env prod", "follow the hash chain"),
        ("cofferdam audit verify --env prod --head 9f86d081884c7d65", "and find the row with this hash"),
    ],
    arguments: <Flags as clap::Args>::augment_args,
    run: |context, matches| Box::pin(async move { audit(&context, &flags(&matches)?).await }),
};

async fn audit(context: &Context, flags: &Flags) -> Result<Exit> {
    let settings = context.settings()?;
    let mut session = context.open(&settings).await?;
    match flags.what {
        What::Verify => verify(context, &mut *session, flags.head.as_deref()).await,
        What::List => list(context, &mut *session, flags).await,
    }
}

async fn list(context: &Context, session: &mut dyn Session, flags: &Flags) -> Result<Exit> {
    let database = session.facts(&[]).await?.server.database;
    let run = match &flags.run {
        Some(wanted) => Some(runs::find(session, wanted).await?.id),
        None => None,
    };
    let head = HeadView::of(session.journal_head().await?);
    let actor = flags.actor.as_ref().map(|text| text.to_lowercase());
    let mut entries = session.journal(run).await?;
    entries.retain(|entry| {
        let at = entry.at.parse::<jiff::Timestamp>().ok();
        flags.since.is_none_or(|since| at.is_some_and(|at| at >= since))
            && actor.as_ref().is_none_or(|text| entry.who.to_lowercase().contains(text))
    });
    let mut known: HashMap<Uuid, Run> = HashMap::new();
    for entry in &entries {
        if !entry.run.is_nil() && !known.contains_key(&entry.run) {
            known.extend(session.runs(Runs::One(entry.run)).await?.into_iter().map(|run| (run.id, run)));
        }
    }
    let rows = entries.iter().map(|entry| RowView::new(entry, &known)).collect();
    let view = AuditView { database, rows, head };
    if context.common.output == Output::Csv {
        context.console.bytes(view.csv().as_bytes());
    } else {
        context.console.show("Audit", &view, AuditView::text);
    }
    Ok(Exit::DONE)
}

async fn verify(context: &Context, session: &mut dyn Session, head: Option<&str>) -> Result<Exit> {
    let wanted = head.map(hash).transpose()?;
    let entries = session.journal(None).await?;
    let anchored_at = wanted
        .as_ref()
        .and_then(|wanted| entries.iter().find(|row| row.hash.starts_with(wanted)).map(|row| row.seq));
    let broken = first_break(&entries);
    let missing = wanted.is_some() && anchored_at.is_none();
    let view = ChainView {
        whole: broken.is_none() && !missing,
        rows: entries.len(),
        chain_broken_at: broken,
        head: HeadView::of(entries.last().map(|row| (row.seq, row.hash.clone()))),
        anchored_at,
        anchored: wanted.is_some(),
    };
    context.console.show("ChainVerification", &view, ChainView::text);
    Ok(match (broken, missing) {
        (Some(_), _) => Code::JournalBroken.into(),
        (None, true) => Code::HeadMissing.into(),
        (None, false) => Exit::DONE,
    })
}

/// The beginning of a hash, of which there is no other by chance.
fn hash(text: &str) -> Result<String> {
    let text = text.trim().to_lowercase();
    if text.len() >= SHORTEST && text.chars().all(|c| c.is_ascii_hexdigit()) {
        return Ok(text);
    }
    Err(Refusal::new(Code::Usage, format!("--head {text} is no hash"))
        .cause(format!("it is {SHORTEST} to 64 digits from 0 to 9 and a to f"))
        .help("cofferdam history prints it")
        .into())
}

fn since(text: &str) -> std::result::Result<jiff::Timestamp, String> {
    if let Ok(moment) = text.parse::<jiff::Timestamp>() {
        return Ok(moment);
    }
    if let Ok(day) = text.parse::<jiff::civil::Date>() {
        let start = day.to_zoned(jiff::tz::TimeZone::UTC).map_err(|why| why.to_string())?;
        return Ok(start.timestamp());
    }
    let ago = duration::parse(text)
        .map_err(|_| format!("{text:?} is no time; write 2026-11-20T10:00:00Z, 2026-11-20 or 24h"))?;
    let ago = jiff::SignedDuration::try_from(ago).map_err(|why| why.to_string())?;
    jiff::Timestamp::now().checked_sub(ago).map_err(|why| why.to_string())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_time_is_a_moment_a_day_or_how_long_ago() {
        assert_eq!(since("2026-11-20").unwrap().to_string(), "2026-11-20T00:00:00Z");
        assert_eq!(since("2026-11-20T10:00:00+02:00").unwrap().to_string(), "2026-11-20T08:00:00Z");
        assert!(since("24h").unwrap() < jiff::Timestamp::now());
        for text in ["", "yesterday", "2026-13-01", "9999999999999999999h"] {
            assert!(since(text).is_err(), "{text}");
        }
    }

    #[test]
    fn a_hash_is_long_enough_not_to_fit_by_chance() {
        assert!(hash("9F86D081884C7D65").is_ok());
        for text in ["", "9f86d081884c7d6", "9f86d081884c7d6x", "' OR 1=1 --------"] {
            assert_eq!(hash(text).unwrap_err().refusal().unwrap().code, Code::Usage, "{text}");
        }
    }
}
