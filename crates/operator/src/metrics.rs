//! What the operator measures, as Prometheus reads it.

use std::collections::HashMap;
use std::sync::atomic::{AtomicI64, AtomicU64};
use std::sync::{Mutex, PoisonError};
use std::time::Instant;

use kube::ResourceExt;
use kube::runtime::controller::Action;
use prometheus_client::encoding::text::encode;
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::metrics::histogram::Histogram;
use prometheus_client::registry::Registry;

use cofferdam_api::{ConditionType, DatabaseMigration, conditions};

use crate::migration::decide::Decision;
use crate::outcome::Outcome;

type Labels = Vec<(&'static str, String)>;

/// All of it.
pub struct Metrics {
    registry: Registry,
    leader: Gauge<i64, AtomicI64>,
    reconciles: Family<Labels, Counter<u64, AtomicU64>>,
    errors: Family<Labels, Counter<u64, AtomicU64>>,
    duration: Histogram,
    active: Gauge<i64, AtomicI64>,
    runs: Family<Labels, Counter<u64, AtomicU64>>,
    run_duration: Family<Labels, Histogram>,
    migrations: Family<Labels, Gauge<i64, AtomicI64>>,
    /// Without labels; a family, because it is not there where there is no webhook.
    webhook: Family<Labels, Gauge<i64, AtomicI64>>,
    /// Phase and reason of each object, by its UID.
    known: Mutex<HashMap<String, Labels>>,
}

/// A reconciliation that is at work.
pub struct Timer<'a>(&'a Metrics, Instant);

impl Default for Metrics {
    fn default() -> Self {
        let mut registry = Registry::with_prefix("cofferdam");
        let up = Gauge::<i64, AtomicI64>::default();
        up.set(1);
        let metrics = Self {
            leader: Gauge::default(),
            reconciles: Family::default(),
            errors: Family::default(),
            // From 2 ms to 16 s.
            duration: Histogram::new((0..14).map(|n| 0.002 * f64::from(1 << n))),
            active: Gauge::default(),
            runs: Family::default(),
            // From a second to nine hours.
            run_duration: Family::new_with_constructor(|| {
                Histogram::new((0..16).map(|n| f64::from(1_u32 << n)))
            }),
            migrations: Family::default(),
            webhook: Family::default(),
            known: Mutex::default(),
            registry: Registry::default(),
        };
        registry.register("operator_up", "The operator is there", up);
        registry.register("operator_leader", "This replica is the leader", metrics.leader.clone());
        registry.register("operator_reconciles", "Looks at objects, by result", metrics.reconciles.clone());
        registry.register("operator_reconcile_errors", "Looks that failed", metrics.errors.clone());
        registry.register(
            "operator_reconcile_duration_seconds",
            "How long a look took",
            metrics.duration.clone(),
        );
        registry.register("operator_reconciles_active", "Looks at work", metrics.active.clone());
        registry.register("runs", "Runs that ended, by result and reason", metrics.runs.clone());
        registry.register(
            "run_duration_seconds",
            "How long runs took, by result",
            metrics.run_duration.clone(),
        );
        registry.register(
            "migrations",
            "DatabaseMigrations, by phase and reason",
            metrics.migrations.clone(),
        );
        registry.register(
            "webhook_certificate_expiry_seconds",
            "When the webhook's certificate expires, in seconds since 1970",
            metrics.webhook.clone(),
        );
        Self { registry, ..metrics }
    }
}

impl Metrics {
    /// As text in the OpenMetrics format.
    pub fn text(&self) -> String {
        let mut text = String::new();
        // Writing into a String does not fail.
        let _ = encode(&mut text, &self.registry);
        text
    }

    /// Whether this replica leads.
    pub fn leads(&self, so: bool) {
        self.leader.set(i64::from(so));
    }

    /// The webhook shows a certificate that is valid until then.
    pub fn webhook_certificate(&self, until: jiff::Timestamp) {
        self.webhook.get_or_create(&Labels::new()).set(until.as_second());
    }

    pub(crate) fn reconciling(&self) -> Timer<'_> {
        self.active.inc();
        Timer(self, Instant::now())
    }

    /// A run ended, after so many seconds, where that is known.
    pub(crate) fn ran(&self, outcome: &Outcome, seconds: Option<f64>) {
        let Some(result) = outcome.ended.result() else { return };
        if let Some(seconds) = seconds {
            self.run_duration.get_or_create(&vec![("result", result.word().to_owned())]).observe(seconds);
        }
        let labels =
            vec![("result", result.word().to_owned()), ("reason", outcome.reason().word().to_owned())];
        self.runs.get_or_create(&labels).inc();
    }

    /// Where an object is after a decision.
    pub(crate) fn is(&self, migration: &DatabaseMigration, decision: &Decision) {
        self.at(migration, decision.phase.word(), decision.reason.word());
    }

    /// Where an object is by its own status.
    pub(crate) fn stands(&self, migration: &DatabaseMigration) {
        let Some(status) = &migration.status else { return };
        let reason = conditions::find(&status.conditions, ConditionType::Ready);
        let phase = status.phase.map(cofferdam_api::Phase::word).unwrap_or_default();
        self.at(migration, phase, reason.map(|c| c.reason.as_str()).unwrap_or_default());
    }

    /// An object is gone.
    pub(crate) fn forget(&self, migration: &DatabaseMigration) {
        let mut known = self.known.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(old) = known.remove(&migration.uid().unwrap_or_default()) {
            self.migrations.get_or_create(&old).dec();
        }
    }

    fn at(&self, migration: &DatabaseMigration, phase: &str, reason: &str) {
        let now: Labels = vec![("phase", phase.to_owned()), ("reason", reason.to_owned())];
        let mut known = self.known.lock().unwrap_or_else(PoisonError::into_inner);
        let old = known.insert(migration.uid().unwrap_or_default(), now.clone());
        if old.as_ref() == Some(&now) {
            return;
        }
        if let Some(old) = old {
            self.migrations.get_or_create(&old).dec();
        }
        self.migrations.get_or_create(&now).inc();
    }
}

impl Timer<'_> {
    pub(crate) fn ended(self, result: &Result<Action, kube::Error>) {
        let Timer(metrics, began) = self;
        metrics.active.dec();
        metrics.duration.observe(began.elapsed().as_secs_f64());
        let word = if result.is_ok() { "ok" } else { "error" };
        metrics.reconciles.get_or_create(&vec![("result", word.to_owned())]).inc();
        if let Err(error) = result {
            let reason = match error {
                kube::Error::Api(status) => status.reason.clone(),
                _ => "Unreachable".to_owned(),
            };
            metrics.errors.get_or_create(&vec![("reason", reason)]).inc();
        }
    }
}

#[cfg(test)]
mod tests {
    use cofferdam_api::Reason;

    use super::*;
    use crate::outcome::Ended;

    #[test]
    fn prometheus_reads_it() {
        let metrics = Metrics::default();
        metrics.leads(true);
        metrics.reconciling().ended(&Ok(Action::await_change()));
        metrics.ran(&Outcome::new(Ended::Succeeded, Reason::MigrationComplete, ""), Some(90.0));
        // What waits has not ended.
        metrics.ran(&Outcome::new(Ended::WaitsForApproval, Reason::ApprovalPending, ""), None);
        let text = metrics.text();
        for line in [
            "cofferdam_operator_up 1",
            "cofferdam_operator_leader 1",
            "cofferdam_operator_reconciles_total{result=\"ok\"} 1",
            "cofferdam_operator_reconcile_duration_seconds_count 1",
            "cofferdam_operator_reconciles_active 0",
            "cofferdam_run_duration_seconds_sum{result=\"Succeeded\"} 90.0",
            "cofferdam_runs_total{result=\"Succeeded\",reason=\"MigrationComplete\"} 1",
        ] {
            assert!(text.lines().any(|l| l == line), "{line}\n{text}");
        }
        assert!(!text.contains("ApprovalPending"));
        // Nobody is to be told of a certificate that expired in 1970.
        assert!(!text.contains("\ncofferdam_webhook"), "{text}");
        metrics.webhook_certificate(jiff::Timestamp::from_second(4_000_000_000).unwrap());
        let line = "\ncofferdam_webhook_certificate_expiry_seconds{} 4000000000\n";
        assert!(metrics.text().contains(line), "{}", metrics.text());
    }
}
