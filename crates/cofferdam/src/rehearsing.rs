//! A rehearsal on a copy of the schema: making it, holding it against the database, and working in it.

use cofferdam_core::{Code, Refusal, Result};
use cofferdam_engines::{NotCarried, Session, Stage};
use cofferdam_runner::rehearse::{Rehearsal, rehearse};
use cofferdam_runner::{Assessment, Policy};
use cofferdam_schema::{Difference, Key, Kind, Leaving, State, compare, level};
use serde::Serialize;

use crate::config::Settings;
use crate::context::Context;
use crate::output::diff::DifferenceView;
use crate::throwaway::{Place, Version};

/// Roles are many at most; those beyond are not made.
const MOST_ROLES: usize = 10_000;

/// What was asked for.
#[derive(Debug)]
pub(crate) struct Asked {
    pub(crate) sample: Option<u32>,
    pub(crate) dev_url: Option<String>,
    /// The major version of a throw-away server.
    pub(crate) major: u32,
}

/// On what it was rehearsed.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Ground {
    /// In words.
    pub(crate) on: String,
    /// Rows that were brought; `None`: no sample was asked for.
    pub(crate) sampled_rows: Option<u64>,
    /// What of the database is not in the copy, and why.
    pub(crate) not_carried: Vec<NotCarried>,
    /// What is other in the copy, though it was made.
    pub(crate) copy_differs: Vec<DifferenceView<State>>,
}

impl Ground {
    fn new(on: impl Into<String>) -> Self {
        Self { on: on.into(), sampled_rows: None, not_carried: Vec::new(), copy_differs: Vec::new() }
    }

    /// In the database itself.
    pub(crate) fn transaction() -> Self {
        Self::new("the database itself, in a transaction that was taken back")
    }
}

/// Makes the copy, rehearses, and removes it, whatever came of it.
pub(crate) async fn on_copy(
    context: &Context,
    settings: &Settings,
    session: &mut dyn Session,
    (assessment, policy): (&Assessment, &Policy),
    asked: Asked,
) -> Result<(Rehearsal, Ground)> {
    // The first signal ends it in good order; a server of our own goes with us in any case.
    let stop = context.halt.driving();
    let place = Place::new(context, asked.dev_url, Version::Only(asked.major)).await?;
    let ground = Ground::new(match place.own() {
        Some(version) => {
            format!("a copy of the schema on PostgreSQL {}.{} of its own", version / 10_000, version % 10_000)
        }
        None => "a copy of the schema in a database of its own".to_owned(),
    });
    let work = Work { settings, assessment, policy, sample: asked.sample, stop, place: &place };
    let mut stage = place.stage().await?;
    let outcome = work.on(&mut *stage, session, ground).await;
    let found = place.end(stage, outcome).await?;
    place.leave().await?;
    Ok(found)
}

struct Work<'a> {
    settings: &'a Settings,
    assessment: &'a Assessment,
    policy: &'a Policy,
    sample: Option<u32>,
    stop: &'a cofferdam_runner::Stop,
    place: &'a Place,
}

impl Work<'_> {
    async fn on(
        &self,
        stage: &mut dyn Stage,
        live: &mut dyn Session,
        mut ground: Ground,
    ) -> Result<(Rehearsal, Ground)> {
        let schema = live.inspect().await?;
        // Roles belong to the whole server: of one that others use none is touched, and nothing is given to any.
        let own = self.place.own().is_some();
        if own {
            stage.roles(&roles(live).await?).await?;
        }
        let application = self.place.application();
        ground.not_carried = stage.build(&schema, Leaving { grants: !own, ..Leaving::default() }).await?;
        if let Some(most) = self.sample {
            let tables: Vec<_> =
                self.assessment.facts.tables.values().filter_map(|t| t.resolved.clone()).collect();
            let from = self.settings.target(application);
            ground.sampled_rows = Some(stage.sample(&from, &tables, most).await?);
        }
        ground.not_carried.extend(stage.count(&self.assessment.facts).await?);
        let mut copy = stage.open(application).await?;
        // Whoever owns the copy owns all of it: what is granted to the owner of something is granted to nobody there.
        let leaving = Leaving { grants: true, ..Leaving::default() };
        let (mut there, mut here) = (schema.without(leaving), copy.inspect().await?.without(leaving));
        let _ = level(&mut there, &mut here);
        let differs = compare(&there, &here);
        self.refuse_other(&differs, &ground.not_carried)?;
        ground.copy_differs = differs.iter().map(|d| DifferenceView::new(d, d.state)).collect();
        let found = rehearse(&mut *copy, self.assessment, self.policy, self.stop).await?;
        Ok((found, ground))
    }

    /// What the pending migrations are about must be in the copy as it is in the database; its indexes are only named.
    fn refuse_other(&self, differs: &[Difference], not_carried: &[NotCarried]) -> Result<()> {
        let named: Vec<Key> = self
            .assessment
            .facts
            .tables
            .values()
            .filter_map(|table| table.resolved.as_ref())
            .map(|name| Key::new(Kind::Table, name.schema.clone().unwrap_or_default(), &name.name))
            .collect();
        let about = |difference: &&Difference| {
            let key = &difference.key;
            let of_index = key.kind == Kind::Index || key.kind == Kind::Attachment && !key.name.is_empty();
            !of_index && named.contains(&key.table())
        };
        let Some(first) = differs.iter().find(about) else { return Ok(()) };
        let object = first.key.to_string();
        let why = not_carried.iter().find(|missing| missing.name == object);
        let refusal =
            Refusal::new(Code::CopyDiffers, format!("{object} is not in the copy as it is in the database"))
                .cause(match (why, &first.to) {
                    (Some(missing), _) => missing.why.clone(),
                    (None, Some(there)) => format!("it is there as {there}"),
                    (None, None) => "it is not there".to_owned(),
                })
                .help("--dev-url postgres://user@host/database: a server that has the same extensions");
        let others = not_carried.iter().filter(|missing| missing.name.starts_with("extension "));
        Err(others
            .fold(refusal, |refusal, missing| refusal.note(format!("{}: {}", missing.name, missing.why)))
            .into())
    }
}

async fn roles(live: &mut dyn Session) -> Result<Vec<String>> {
    let query = "SELECT rolname FROM pg_catalog.pg_roles WHERE rolname !~ '^pg_' ORDER BY 1";
    let rows = live.rows(query, MOST_ROLES).await?;
    Ok(rows.rows.into_iter().filter_map(|mut row| row.pop().flatten()).collect())
}
