//! What the operator writes into a status. Pure but for [`write()`].

use jiff::Timestamp;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::Condition;
use kube::api::{Api, Patch, PatchParams};
use kube::{Client, ResourceExt};
use serde::Serialize;
use serde_json::json;

use cofferdam_api::names;
use cofferdam_api::status::{Bake, HISTORY, PastRun};
use cofferdam_api::{ConditionType, DatabaseMigration, Phase, conditions};

use super::decide::Decision;
use crate::contract::Kind;
use crate::failpoint::reached;

/// The conditions that are the operator's.
const OURS: [ConditionType; 3] = [ConditionType::Ready, ConditionType::Progressing, ConditionType::Stalled];

/// The part of the status that is the operator's.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Report {
    /// The generation that was looked at.
    pub observed_generation: Option<i64>,
    /// Where it is, in a word.
    pub phase: Phase,
    /// The database in a word.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub database: Option<String>,
    /// The version that it is to have.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub desired_version: Option<String>,
    /// The Job that carries it out.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub job_name: Option<String>,
    /// Ready, Progressing and Stalled.
    pub conditions: Vec<Condition>,
    /// How the metrics stand that are watched after a change.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub post_checks: Option<Bake>,
    /// Runs that ended, the newest first.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub history: Vec<PastRun>,
}

impl Report {
    /// What is said already.
    pub fn said(migration: &DatabaseMigration) -> Option<Self> {
        let status = migration.status.clone()?;
        Some(Self {
            observed_generation: status.observed_generation,
            phase: status.phase?,
            database: status.database,
            desired_version: status.desired_version,
            job_name: status.job_name,
            conditions: ours(status.conditions),
            post_checks: status.post_checks,
            history: status.history,
        })
    }

    /// What is to be said after a decision.
    pub fn of(migration: &DatabaseMigration, decision: &Decision, now: Timestamp) -> Self {
        let status = migration.status.clone().unwrap_or_default();
        let generation = migration.metadata.generation.unwrap_or(0);
        let mut conditions = ours(status.conditions.clone());
        let name = migration.name_any();
        conditions::stand(&mut conditions, decision.reason, &decision.message, &name, generation, now);
        let begins = decision.start.as_ref().is_some_and(|work| work.kind == Kind::Apply);
        let spec = &migration.spec;
        let database = spec.database.database.as_ref().map(|d| d.as_str().to_owned());
        let database =
            database.or_else(|| spec.database.aws.as_ref().map(|aws| aws.db_name.as_str().to_owned()));
        let reached = status.target.as_ref().and_then(|t| t.identity.rsplit('/').next().map(str::to_owned));
        Self {
            observed_generation: Some(generation),
            phase: decision.phase,
            database: database.or(reached),
            desired_version: spec.migration.target_version.clone().or_else(|| {
                spec.migration.container.as_ref().map(|container| container.signal.value.clone())
            }),
            job_name: decision.job.clone().or_else(|| status.job_name.clone()),
            conditions,
            // What was said of an older change is no longer of interest once another one begins.
            post_checks: decision.bake.clone().or(status.post_checks.filter(|_| !begins)),
            history: history(status.history, decision, generation, now),
        }
    }
}

fn ours(all: Vec<Condition>) -> Vec<Condition> {
    all.into_iter().filter(|c| OURS.iter().any(|ours| ours.word() == c.type_)).collect()
}

/// With the run that ended as the first, if it is not among them.
fn history(mut past: Vec<PastRun>, decision: &Decision, generation: i64, now: Timestamp) -> Vec<PastRun> {
    let Some(outcome) = &decision.ended else { return past };
    let (Some(run_id), Some(result)) = (outcome.run_id.clone(), outcome.ended.result()) else { return past };
    if past.iter().any(|run| run.run_id == run_id) {
        return past;
    }
    let at = Timestamp::from_second(now.as_second()).unwrap_or(now);
    past.insert(
        0,
        PastRun {
            run_id,
            generation: Some(generation),
            result,
            reason: outcome.reason().word().to_owned(),
            start_time: None,
            completion_time: Some(k8s_openapi::apimachinery::pkg::apis::meta::v1::Time(at)),
            from_version: outcome.from_version.clone(),
            to_version: outcome.to_version.clone(),
            plan_digest: outcome.plan_digest.clone(),
            source_digest: None,
        },
    );
    past.truncate(HISTORY);
    past
}

/// Writes it, if it says something new. Returns whether it did.
///
/// # Errors
/// What the API said.
pub async fn write(
    client: &Client,
    migration: &DatabaseMigration,
    report: &Report,
) -> Result<bool, kube::Error> {
    if Report::said(migration).as_ref() == Some(report) {
        return Ok(false);
    }
    let namespace = migration.namespace().unwrap_or_default();
    let api: Api<DatabaseMigration> = Api::namespaced(client.clone(), &namespace);
    // The UID keeps a status away from an object that has only the name.
    let patch = json!({
        "apiVersion": names::API_VERSION,
        "kind": "DatabaseMigration",
        "metadata": { "name": migration.name_any(), "uid": migration.uid() },
        "status": report,
    });
    let parameters = PatchParams::apply(names::OPERATOR).force();
    reached("operator.status.write")?;
    match api.patch_status(&migration.name_any(), &parameters, &Patch::Apply(&patch)).await {
        Ok(_) => {}
        // It was deleted a moment ago.
        Err(kube::Error::Api(status)) if status.is_not_found() => return Ok(false),
        Err(error) => return Err(error),
    }
    reached("operator.status.written")?;
    Ok(true)
}
