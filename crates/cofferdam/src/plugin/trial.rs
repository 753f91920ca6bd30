//! Whether a DatabaseMigration is in the state that it claims, and whether what it names is there. Pure.

use cofferdam_api::names::API_VERSION;
use cofferdam_api::{ConditionType, DatabaseMigration, MigrationApproval, Phase, conditions};
use cofferdam_operator::migration::seen::{Finished, finished};
use cofferdam_operator::migration::work;
use k8s_openapi::api::batch::v1::Job;
use k8s_openapi::api::core::v1::{ConfigMap, Secret};
use kube::ResourceExt;
use serde::Serialize;
use sha2::{Digest, Sha256};

use super::agree;

/// What was looked at.
#[derive(Debug, Clone)]
pub(crate) struct Evidence {
    pub(crate) migration: DatabaseMigration,
    pub(crate) jobs: Vec<Job>,
    pub(crate) approvals: Vec<MigrationApproval>,
    pub(crate) secrets: Vec<(String, Looked<Secret>)>,
    pub(crate) config_maps: Vec<(String, Looked<ConfigMap>)>,
    /// The account that runners of this namespace have, and whether it is there.
    pub(crate) account: (String, Looked<()>),
    /// The migration that must come before.
    pub(crate) previous: Option<(String, Looked<DatabaseMigration>)>,
}

/// What a look at an object gave.
#[derive(Debug, Clone)]
pub(crate) enum Looked<T> {
    There(T),
    Missing,
    /// The account of the person may not look; the cluster's words.
    Unseen(String),
}

/// How one thing stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) enum Verdict {
    Fits,
    Wrong,
    /// It could not be looked at.
    Unknown,
}

/// One thing that was looked at.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub(crate) struct Finding {
    pub(crate) about: String,
    pub(crate) verdict: Verdict,
    pub(crate) says: String,
}

fn finding(about: impl Into<String>, verdict: Verdict, says: impl Into<String>) -> Finding {
    Finding { about: about.into(), verdict, says: says.into() }
}

fn fits(about: impl Into<String>, so: bool, well: impl Into<String>, wrong: impl Into<String>) -> Finding {
    match so {
        true => finding(about, Verdict::Fits, well),
        false => finding(about, Verdict::Wrong, wrong),
    }
}

/// All that was looked at, in the order in which one would look.
pub(crate) fn judge(evidence: &Evidence) -> Vec<Finding> {
    let mut found = seen(&evidence.migration);
    found.extend(conditions_of(&evidence.migration));
    found.extend(approval(&evidence.migration, &evidence.approvals));
    found.extend(job(&evidence.migration, &evidence.jobs));
    found.extend(named(evidence));
    found
}

/// The operator has looked at the spec as it is.
fn seen(migration: &DatabaseMigration) -> Vec<Finding> {
    let generation = migration.metadata.generation;
    let said =
        |generation: Option<i64>| generation.map_or_else(|| "none".to_owned(), |number| number.to_string());
    let observed = migration.status.as_ref().and_then(|status| status.observed_generation);
    let wrong = match observed {
        None => "never looked at: is the operator installed, and does it watch this namespace?".to_owned(),
        Some(_) => format!("generation {} is there, and {} was looked at", said(generation), said(observed)),
    };
    vec![fits(
        "operator",
        observed == generation,
        format!("has looked at generation {}", said(generation)),
        wrong,
    )]
}

/// The conditions say one thing, and the same as the phase.
fn conditions_of(migration: &DatabaseMigration) -> Vec<Finding> {
    let Some(status) = &migration.status else { return Vec::new() };
    let three = [ConditionType::Ready, ConditionType::Progressing, ConditionType::Stalled];
    let so: Vec<ConditionType> = three
        .into_iter()
        .filter(|about| conditions::find(&status.conditions, *about).is_some_and(|one| one.status == "True"))
        .collect();
    let words: Vec<&str> = so.iter().map(|about| about.word()).collect();
    let one = match words.first() {
        None => "none of Ready, Progressing and Stalled is true: something outside is waited for".to_owned(),
        Some(word) => format!("{word} is true"),
    };
    let mut found =
        vec![fits("conditions", so.len() <= 1, one, format!("{} are true together", words.join(" and ")))];
    let ready = so.contains(&ConditionType::Ready);
    let phase = status.phase.map_or("none", Phase::word);
    let agrees = ready == (status.phase == Some(Phase::Succeeded));
    let is = if ready { "Ready" } else { "not Ready" };
    found.push(fits("phase", agrees, format!("{phase}, and {is}"), format!("{phase}, and yet {is}")));
    found
}

/// What was carried out under a rule of approval was approved.
fn approval(migration: &DatabaseMigration, approvals: &[MigrationApproval]) -> Option<Finding> {
    let status = migration.status.as_ref()?;
    if !migration.spec.approval.required {
        return None;
    }
    let Some(plan) = &status.plan_digest else {
        return Some(finding("approval", Verdict::Fits, "there is no plan yet"));
    };
    let plan = plan.as_str();
    if let Some(no) = agree::rejected(migration, approvals) {
        let carried_out = matches!(status.phase, Some(Phase::Running | Phase::Succeeded));
        let says = format!("MigrationApproval {} rejects the plan {plan}", no.name_any());
        return Some(fits("approval", !carried_out, says.clone(), format!("{says}, and it was carried out")));
    }
    Some(match agree::approved(migration, approvals) {
        Some(yes) => finding(
            "approval",
            Verdict::Fits,
            format!("MigrationApproval {} agrees to the plan {plan}", yes.name_any()),
        ),
        None => fits(
            "approval",
            !matches!(status.phase, Some(Phase::Running | Phase::Succeeded)),
            format!("nobody has agreed to the plan {plan} yet"),
            format!("the plan {plan} was carried out, and no MigrationApproval of it is there (any more)"),
        ),
    })
}

/// The Job that the status names stands as the phase says.
fn job(migration: &DatabaseMigration, jobs: &[Job]) -> Option<Finding> {
    let status = migration.status.as_ref()?;
    let name = status.job_name.as_deref()?;
    let about = "job";
    let at_work = matches!(status.phase, Some(Phase::Running | Phase::RollingBack));
    let Some(job) = jobs.iter().find(|job| job.name_any() == name) else {
        let gone = format!("{name} is gone");
        return Some(fits(
            about,
            !at_work,
            format!("{gone}; the run has ended"),
            format!("{gone}, and a run is at work"),
        ));
    };
    if job.annotations().get(work::BASE) != Some(&work::base(migration)) {
        return Some(fits(
            about,
            finished(job).is_none() || status.observed_generation != migration.metadata.generation,
            format!("{name} is for an older spec and at work"),
            format!("{name} is for an older spec and has ended; the operator has not begun the next run"),
        ));
    }
    let (so, says) = match (finished(job), status.phase) {
        (None, Some(Phase::Succeeded | Phase::Failed | Phase::RolledBack)) => {
            (false, "is at work".to_owned())
        }
        (None, _) => (true, "is at work".to_owned()),
        (Some(Finished::Complete), phase) => {
            (!at_work && phase != Some(Phase::Failed), "ended well".to_owned())
        }
        (Some(Finished::Failed(reason, _)), phase) => {
            (!at_work && phase != Some(Phase::Succeeded), format!("failed ({reason})"))
        }
    };
    let phase = status.phase.map_or("none", Phase::word);
    Some(fits(about, so, format!("{name} {says}"), format!("{name} {says}, and the phase is {phase}")))
}

/// What the spec names in its namespace.
fn named(evidence: &Evidence) -> Vec<Finding> {
    let spec = &evidence.migration.spec;
    let mut found = Vec::new();
    let (account, looked) = &evidence.account;
    found.push(presence(
        "account",
        account,
        looked,
        |()| Ok("is there".into()),
        ": runners of this namespace have it",
    ));
    for (name, looked) in &evidence.secrets {
        let judged = |secret: &Secret| secret_keys(&evidence.migration, name, secret);
        found.push(presence("Secret", name, looked, judged, ""));
    }
    for (name, looked) in &evidence.config_maps {
        let judged = |map: &ConfigMap| scripts_of(&evidence.migration, name, map);
        found.push(presence("ConfigMap", name, looked, judged, ""));
    }
    if let Some((name, looked)) = &evidence.previous {
        let judged = |previous: &DatabaseMigration| {
            let generation = previous.metadata.generation.unwrap_or(0);
            let said =
                previous.status.as_ref().map(|status| status.conditions.as_slice()).unwrap_or_default();
            match conditions::holds(said, ConditionType::Ready, generation) {
                true => Ok("comes before, and is Ready".to_owned()),
                false => Err("comes before, and is not Ready".to_owned()),
            }
        };
        found.push(presence("DatabaseMigration", name, looked, judged, ", which comes before"));
    }
    if let Some(image) = &spec.migration.image {
        found.push(finding("image", Verdict::Unknown, format!("{} is read by the runner", image.as_str())));
    }
    found
}

fn presence<T>(
    kind: &str,
    name: &str,
    looked: &Looked<T>,
    judged: impl Fn(&T) -> Result<String, String>,
    more: &str,
) -> Finding {
    let about = format!("{kind} {name}");
    match looked {
        Looked::There(object) => match judged(object) {
            Ok(says) => finding(about, Verdict::Fits, says),
            Err(says) => finding(about, Verdict::Wrong, says),
        },
        Looked::Missing => finding(about, Verdict::Wrong, format!("is not there{more}")),
        Looked::Unseen(why) => finding(about, Verdict::Unknown, format!("may not be looked at: {why}")),
    }
}

/// The keys that the runner needs of a Secret. Only their names are looked at.
fn secret_keys(migration: &DatabaseMigration, name: &str, secret: &Secret) -> Result<String, String> {
    let database = &migration.spec.database;
    let has = |key: &str| secret.data.as_ref().is_some_and(|data| data.contains_key(key));
    if let Some(connection) = &database.connection {
        let reference = &connection.url_secret_ref;
        let key = reference.key.as_str();
        if reference.name.as_str() == name {
            return if has(key) {
                Ok(format!("has the key {key}"))
            } else {
                Err(format!("has no key {key}"))
            };
        }
    }
    if database.connection_secret.as_ref().map(|secret| secret.as_str()) != Some(name) {
        return Ok("is there".to_owned());
    }
    if has("url") {
        return Ok("has the key url".to_owned());
    }
    let needed =
        [("username", true), ("host", database.host.is_none()), ("database", database.database.is_none())];
    let missing: Vec<&str> =
        needed.iter().filter(|(key, needed)| *needed && !has(key)).map(|(key, _)| *key).collect();
    match missing.is_empty() {
        true => Ok("has the keys that are needed".to_owned()),
        false => Err(format!("has no key {}, and no key url that says all in one", missing.join(", "))),
    }
}

/// The scripts that a ConfigMap holds for this migration: there, and with their checksums.
fn scripts_of(migration: &DatabaseMigration, name: &str, map: &ConfigMap) -> Result<String, String> {
    let (mut count, mut wrong) = (0_usize, Vec::new());
    for script in migration.spec.migration.scripts.iter().flatten() {
        let Ok(place) = script.source.parse() else { continue };
        if place.name != name {
            continue;
        }
        count += 1;
        let text = map.data.as_ref().and_then(|data| data.get(place.key)).map(String::as_bytes);
        let bytes =
            map.binary_data.as_ref().and_then(|data| data.get(place.key)).map(|bytes| bytes.0.as_slice());
        let Some(bytes) = text.or(bytes) else {
            wrong.push(format!("has no key {}", place.key));
            continue;
        };
        let is = format!("sha256:{}", hex::encode(Sha256::digest(bytes)));
        if let Some(wanted) =
            script.checksum.as_ref().filter(|wanted| !wanted.as_str().eq_ignore_ascii_case(&is))
        {
            wrong.push(format!("{} is {is}, and the spec says {}", place.key, wanted.as_str()));
        }
    }
    match (wrong.is_empty(), count) {
        (false, _) => Err(wrong.join("; ")),
        (true, 0) => {
            let files = map.data.as_ref().map_or(0, std::collections::BTreeMap::len);
            Ok(format!("has {}", crate::output::words::count(files, "file")))
        }
        (true, count) => Ok(format!("has {}", crate::output::words::count(count, "script"))),
    }
}

/// The Secrets that the spec names.
pub(crate) fn secrets(migration: &DatabaseMigration) -> Vec<String> {
    let (database, runner) = (&migration.spec.database, &migration.spec.runner);
    let of_database = database.connection_secret.iter().map(|name| name.as_str().to_owned());
    let of_url =
        database.connection.iter().map(|connection| connection.url_secret_ref.name.as_str().to_owned());
    let of_pulling = runner.image_pull_secrets.iter().map(|secret| secret.name.as_str().to_owned());
    distinct(of_database.chain(of_url).chain(of_pulling))
}

/// The ConfigMaps that the spec names.
pub(crate) fn config_maps(migration: &DatabaseMigration) -> Vec<String> {
    let source = &migration.spec.migration;
    let scripts = source.scripts.iter().flatten();
    let of_scripts =
        scripts.filter_map(|script| script.source.parse().ok().map(|place| place.name.to_owned()));
    let directories = source.config_maps.iter().flatten().map(|map| map.name.as_str().to_owned());
    distinct(of_scripts.chain(directories))
}

fn distinct(names: impl Iterator<Item = String>) -> Vec<String> {
    let mut known = Vec::new();
    names.for_each(|name| {
        if !known.contains(&name) {
            known.push(name);
        }
    });
    known
}

/// The object as what an owner reference names; `None` where the cluster has not given it a UID.
pub(crate) fn owner(migration: &DatabaseMigration) -> Option<serde_json::Value> {
    Some(serde_json::json!({
        "apiVersion": API_VERSION,
        "kind": "DatabaseMigration",
        "name": migration.name_any(),
        "uid": migration.uid()?,
    }))
}

#[cfg(test)]
pub(crate) mod tests;
