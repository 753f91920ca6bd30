//! What the operator measures, as Prometheus reads it.

use std::collections::HashMap;
use std::sync::atomic::{AtomicI64, AtomicU64};
use std::sync::{Mutex, OnceLock, PoisonError};
use std::time::{Instant, SystemTime};

use kube::ResourceExt;
use kube::runtime::controller::Action;
use prometheus_client::encoding::text::encode;
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::metrics::histogram::Histogram;
use prometheus_client::registry::Registry;

use cofferdam_api::{ConditionType, DatabaseMigration, Reason, conditions};
use cofferdam_core::figures::Figures;

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
    measured: Measured,
    migrations: Family<Labels, Gauge<i64, AtomicI64>>,
    /// Without labels; a family, because it is not there where there is no webhook.
    webhook: Family<Labels, Gauge<i64, AtomicI64>>,
    /// Who else is told of each look.
    looks: OnceLock<Box<dyn Looks>>,
    /// Phase and reason of each object, by its UID.
    known: Mutex<HashMap<String, Labels>>,
}

/// What runs measured of themselves.
struct Measured {
    rows: Counter<u64, AtomicU64>,
    throttled: Counter<f64, AtomicU64>,
    lag: Histogram,
    lock: Histogram,
    rollbacks: Family<Labels, Counter<u64, AtomicU64>>,
}

impl Measured {
    fn register(registry: &mut Registry) -> Self {
        let measured = Self {
            rows: Counter::default(),
            throttled: Counter::default(),
            // From 1 to four million.
            lag: Histogram::new((0..12).map(|n| f64::from(1_u32 << (2 * n)))),
            // From a millisecond to eight seconds.
            lock: Histogram::new((0..14).map(|n| 0.001 * f64::from(1 << n))),
            rollbacks: Family::default(),
        };
        registry.register("run_rows", "Rows that runs copied into shadow tables", measured.rows.clone());
        registry.register(
            "run_throttled_seconds",
            "How long runs went slower for others",
            measured.throttled.clone(),
        );
        registry.register(
            "run_largest_lag_keys",
            "The most changed keys that a run had still to bring over",
            measured.lag.clone(),
        );
        registry.register(
            "cutover_lock_seconds",
            "How long a cutover had its tables locked",
            measured.lock.clone(),
        );
        registry.register("rollbacks", "Changes that were taken back", measured.rollbacks.clone());
        measured
    }

    fn ran(&self, figures: &Figures) {
        let seconds = |ms: u64| ms as f64 / 1000.0;
        self.rows.inc_by(figures.rows);
        self.throttled.inc_by(seconds(figures.throttled_ms.unwrap_or(0)));
        if let Some(lag) = figures.largest_lag {
            self.lag.observe(lag as f64);
        }
        if let Some(ms) = figures.lock_ms {
            self.lock.observe(seconds(ms));
        }
    }
}

/// Who is told of each look at an object, when it is over.
pub trait Looks: Send + Sync {
    /// One that began then, at the object `NAMESPACE/NAME`, and why it failed. Must not block.
    fn looked(&self, object: &str, began: SystemTime, failure: Option<&str>);
}

/// A reconciliation that is at work.
pub struct Timer<'a> {
    metrics: &'a Metrics,
    object: String,
    began: (Instant, SystemTime),
}

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
            measured: Measured::register(&mut registry),
            migrations: Family::default(),
            webhook: Family::default(),
            looks: OnceLock::new(),
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

    /// Tells somebody else, too; the first who is named counts.
    pub fn tell(&self, looks: Box<dyn Looks>) {
        let _ = self.looks.set(looks);
    }

    pub(crate) fn reconciling(&self, object: String) -> Timer<'_> {
        self.active.inc();
        Timer { metrics: self, object, began: (Instant::now(), SystemTime::now()) }
    }

    /// A run ended, after so many seconds, where that is known.
    pub(crate) fn ran(&self, outcome: &Outcome, seconds: Option<f64>) {
        if let Some(figures) = &outcome.figures {
            self.measured.ran(figures);
        }
        let Some(result) = outcome.ended.result() else { return };
        if let Some(seconds) = seconds {
            self.run_duration.get_or_create(&vec![("result", result.word().to_owned())]).observe(seconds);
        }
        let labels =
            vec![("result", result.word().to_owned()), ("reason", outcome.reason().word().to_owned())];
        self.runs.get_or_create(&labels).inc();
    }

    /// A change was taken back.
    pub(crate) fn taken_back(&self, reason: Reason) {
        self.measured.rollbacks.get_or_create(&vec![("reason", reason.word().to_owned())]).inc();
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
        let Timer { metrics, object, began: (began, at) } = self;
        metrics.active.dec();
        metrics.duration.observe(began.elapsed().as_secs_f64());
        if let Some(looks) = metrics.looks.get() {
            let failure = result.as_ref().err().map(ToString::to_string);
            looks.looked(&object, at, failure.as_deref());
        }
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
    use super::*;
    use crate::outcome::Ended;

    #[test]
    fn prometheus_reads_it() {
        let metrics = Metrics::default();
        metrics.leads(true);
        metrics.reconciling("shop/orders".into()).ended(&Ok(Action::await_change()));
        let mut outcome = Outcome::new(Ended::Succeeded, Reason::MigrationComplete, "");
        outcome.figures = Some(Figures {
            rows: 200_000,
            largest_lag: Some(70),
            throttled_ms: Some(1_500),
            lock_ms: Some(40),
        });
        metrics.ran(&outcome, Some(90.0));
        metrics.taken_back(Reason::VerificationMismatch);
        // What waits has not ended.
        metrics.ran(&Outcome::new(Ended::WaitsForApproval, Reason::ApprovalPending, ""), None);
        let text = metrics.text();
        for line in [
            "cofferdam_operator_up 1",
            "cofferdam_operator_leader 1",
            "cofferdam_operator_reconciles_total{result=\"ok\"} 1",
            "cofferdam_operator_reconcile_duration_seconds_count 1",
            "cofferdam_operator_reconciles_active 0",
            "cofferdam_run_rows_total 200000",
            "cofferdam_run_throttled_seconds_total 1.5",
            "cofferdam_run_largest_lag_keys_sum 70.0",
            "cofferdam_cutover_lock_seconds_sum 0.04",
            "cofferdam_cutover_lock_seconds_count 1",
            "cofferdam_rollbacks_total{reason=\"VerificationMismatch\"} 1",
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
