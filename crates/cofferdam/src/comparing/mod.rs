//! Schemas to compare: those of databases as they are, those of directories and dumps as a throw-away database has
//! them once they were applied to it, and those that were recorded.

mod applying;
pub(crate) mod record;
mod source;

use cofferdam_core::{Bundle, Code, Fault, Refusal, Result};
use cofferdam_schema::{Leaving, Schema, level};

use crate::config::Settings;
use crate::context::Context;
use crate::throwaway::{DevUrl, Version};

use applying::Applying;
pub(crate) use source::{Source, open};

/// Where directories and dumps are applied, and what is not compared.
#[derive(Debug, Clone, Default, clap::Args)]
pub(crate) struct CompareFlags {
    #[command(flatten)]
    dev: DevUrl,
    /// Leave these out; may be repeated
    #[arg(long, value_enum, value_name = "WHAT")]
    ignore: Vec<Ignored>,
}

/// What is not compared.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
pub(crate) enum Ignored {
    /// Who may do what
    Grants,
    /// Comments
    Comments,
    /// Extensions
    Extensions,
}

impl CompareFlags {
    fn leaving(&self) -> Leaving {
        Leaving {
            grants: self.ignore.contains(&Ignored::Grants),
            comments: self.ignore.contains(&Ignored::Comments),
            extensions: self.ignore.contains(&Ignored::Extensions),
        }
    }
}

/// One side of a comparison.
#[derive(Debug)]
pub(crate) struct Side {
    /// What it is, for people, without a password.
    pub(crate) name: String,
    pub(crate) schema: Schema,
}

/// Reads both sides. The notes say what a person should know of them.
pub(crate) async fn read(
    context: &Context,
    settings: &Settings,
    flags: &CompareFlags,
    sources: [Source; 2],
) -> Result<([Side; 2], Vec<String>)> {
    context.heed_signals();
    let mut notes = Vec::new();
    let names = sources.each_ref().map(Source::name);
    let [mut first, mut second] = [None, None];
    // Databases first: what is applied is applied to a server of their version.
    for (source, place) in sources.iter().zip([&mut first, &mut second]) {
        if let Source::Database { .. } | Source::Recorded { .. } = source {
            *place = Some(source.read(context, settings).await?);
        }
    }
    let version = first.as_ref().or(second.as_ref()).map_or(Version::Any, |it| Version::Rather(it.major()));
    let mut applying = Applying::new(context, flags.dev.or_of(settings)?, version);
    for (source, place) in sources.iter().zip([&mut first, &mut second]) {
        if place.is_none() {
            *place = Some(applying.schema_of(source, settings).await?);
        }
    }
    applying.leave().await?;
    let (Some(first), Some(second)) = (first, second) else {
        return Err(Fault::Bug("a side of the comparison was not read".into()));
    };
    let leaving = flags.leaving();
    let (mut first, mut second) = (first.without(leaving), second.without(leaving));
    notes.extend(level(&mut first, &mut second));
    for (name, schema) in names.iter().zip([&first, &second]) {
        notes.extend(left_out(name, schema));
    }
    let [one, two] = names;
    Ok(([Side { name: one, schema: first }, Side { name: two, schema: second }], notes))
}

/// What is there and is not compared, by its kind.
fn left_out(name: &str, schema: &Schema) -> Vec<String> {
    let said = |what: &str, why: &str, names: &[&str]| {
        const SHOWN: usize = 5;
        let shown = names.iter().take(SHOWN).copied().collect::<Vec<_>>().join(", ");
        let more = match names.len().saturating_sub(SHOWN) {
            0 => String::new(),
            more => format!(" and {more} more"),
        };
        format!("not compared of {name}: {what} {shown}{more}{why}")
    };
    let groups = schema.left_out.chunk_by(|a, b| (&a.what, &a.why) == (&b.what, &b.why));
    groups
        .filter_map(|group| {
            let first = group.first()?;
            let names: Vec<&str> = group.iter().map(|one| one.name.as_str()).collect();
            let why = first.why.as_ref().map(|why| format!(" ({why})")).unwrap_or_default();
            Some(said(&first.what, &why, &names))
        })
        .collect()
}

/// What can be done where there are no migrations.
const WITHOUT: &str =
    "without migrations: --against FILE compares with what cofferdam drift --record FILE wrote down";

/// The migrations of a directory that are in force in a database, and what a person should know of them.
pub(crate) async fn in_force(context: &Context, settings: &Settings) -> Result<(Bundle, Vec<String>)> {
    use cofferdam_formats::{Options, State};

    let mut bundle = context.bundle(settings).map_err(|fault| match fault {
        Fault::Refused(refusal) if matches!(refusal.code, Code::NoSuchDirectory | Code::EmptyDirectory) => {
            refusal.note(WITHOUT).into()
        }
        fault => fault,
    })?;
    let mut session = context.open_keeping(settings, Some(&bundle)).await?;
    let overview = session.overview().await?;
    let standing = cofferdam_formats::standing(&bundle, &overview.history, &Options::default());
    let mut notes = Vec::new();
    let mut keys = Vec::new();
    for row in &standing.rows {
        let there = row.applied.as_ref().is_some_and(|applied| applied.in_force());
        match row.state {
            State::Applied | State::Ignored => keys.push(row.key.clone()),
            State::ChecksumChanged => {
                notes.push(format!("{} was changed after it was applied; it counts as it is now", row.key));
                keys.push(row.key.clone());
            }
            State::FileGone => {
                notes.push(format!("{} is applied and has no file: what it made is not expected", row.key));
            }
            State::Pending if there => {
                notes.push(format!("{} is to be applied again; it counts as it is now", row.key));
                keys.push(row.key.clone());
            }
            State::Pending | State::OutOfOrder | State::Undone | State::AboveTarget => {}
        }
    }
    for run in &overview.unfinished {
        notes.push(format!(
            "the run of {} is not finished: what it did so far counts as unexpected",
            run.plan.key
        ));
    }
    if overview.history.iter().all(|applied| !applied.in_force()) {
        return Err(Refusal::new(Code::NothingExpected, "the database has no history of these migrations")
            .cause("nothing is applied by it, so nothing is expected of it")
            .help("cofferdam baseline says which version is there; cofferdam diff compares with all of the directory")
            .note(WITHOUT)
            .into());
    }
    bundle.migrations.retain(|migration| keys.contains(&migration.key()));
    Ok((bundle, notes))
}
