//! What a spec may ask for and this version does not do. What keeps data safe is refused: nothing is changed without the
//! backup or the gate that somebody asked for. What watches or tells is left out, and that is said.

use cofferdam_api::DatabaseMigrationSpec;
use cofferdam_api::database::DatabaseType;
use cofferdam_api::source::Strategy;
use cofferdam_api::validation::PreCheckType;

use super::check::Problem;

/// Why such a spec is not carried out.
pub fn refused(spec: &DatabaseMigrationSpec) -> Vec<Problem> {
    let asks = [
        (spec.backup.is_some(), "spec.backup: backups"),
        (
            spec.migration.container.is_some() && spec.migration.verify.is_some(),
            "spec.migration.verify: signatures of containers of your own",
        ),
        (spec.database.aws.is_some(), "spec.database.aws: logins by IAM"),
        (spec.migration.strategy == Strategy::Rolling, "spec.migration.strategy: rolling changes"),
        (spec.migration.strategy == Strategy::BlueGreen, "spec.migration.strategy: blue-green changes"),
        (
            !spec.validation.data_integrity_checks.enabled,
            "spec.validation.dataIntegrityChecks: changes without a comparison",
        ),
    ];
    let other = (spec.database.r#type != DatabaseType::Postgresql).then(|| {
        let what = format!("{} cannot be changed by this version; write postgresql", spec.database.r#type);
        Problem::new("spec.database.type", what)
    });
    let asked = asks.into_iter().filter(|(asked, _)| *asked).map(|(_, what)| {
        let (field, what) = what.split_once(": ").unwrap_or(("spec", what));
        Problem::new(
            field,
            format!("{what} are not there in this version, and nothing is changed without; leave it out"),
        )
    });
    other.into_iter().chain(asked).collect()
}

/// The fields that are not looked at.
pub fn left_out(spec: &DatabaseMigrationSpec) -> Vec<&'static str> {
    let validation = &spec.validation;
    let thresholds = &validation.performance_thresholds;
    [
        (
            validation
                .pre_checks
                .iter()
                .any(|c| c.r#type == PreCheckType::DiskSpace && c.threshold.is_some()),
            "validation.preChecks[disk-space].threshold",
        ),
        (thresholds.max_migration_time.is_some(), "validation.performanceThresholds.maxMigrationTime"),
        (thresholds.max_downtime.is_some(), "validation.performanceThresholds.maxDowntime"),
        (thresholds.max_cpu_usage.is_some(), "validation.performanceThresholds.maxCpuUsage"),
        (thresholds.max_memory_usage.is_some(), "validation.performanceThresholds.maxMemoryUsage"),
        (spec.notifications.slack.is_some(), "notifications.slack"),
        (spec.notifications.email.is_some(), "notifications.email"),
        (spec.notifications.webhook.is_some(), "notifications.webhook"),
    ]
    .into_iter()
    .filter_map(|(asked, field)| asked.then_some(field))
    .collect()
}

/// The end of a message for what is left out; empty: nothing is.
pub fn told(spec: &DatabaseMigrationSpec) -> String {
    match left_out(spec) {
        fields if fields.is_empty() => String::new(),
        fields => format!(" (this version does not look at {})", fields.join(", ")),
    }
}
