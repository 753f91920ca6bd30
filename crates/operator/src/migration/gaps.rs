//! What a spec may ask for and this version does not do. It is refused: nothing is changed without what somebody asked
//! for.

use cofferdam_api::DatabaseMigrationSpec;
use cofferdam_api::database::DatabaseType;
use cofferdam_api::source::{DropPolicy, Strategy};

use super::check::Problem;

/// Why such a spec is not carried out.
pub fn refused(spec: &DatabaseMigrationSpec) -> Vec<Problem> {
    let postgresql = spec.database.r#type == DatabaseType::Postgresql;
    let asks = [
        // What a program of somebody else destroys is not known before.
        (
            spec.backup.is_some() && spec.migration.container.is_some(),
            "spec.backup: backups before containers of your own",
        ),
        (
            spec.migration.container.is_some() && spec.database.aws.is_some(),
            "spec.database.aws: logins by IAM of containers of your own",
        ),
        (spec.database.aws.is_some() && !postgresql, "spec.database.aws: logins by IAM on MySQL and MariaDB"),
        (
            spec.migration.container.is_some() && !postgresql,
            "spec.migration.container: containers of your own on MySQL and MariaDB",
        ),
        (
            spec.migration.drop == DropPolicy::Park && !postgresql,
            "spec.migration.drop: parking on MySQL and MariaDB",
        ),
        (spec.migration.strategy == Strategy::Rolling, "spec.migration.strategy: rolling changes"),
        (spec.migration.strategy == Strategy::BlueGreen, "spec.migration.strategy: blue-green changes"),
    ];
    let other = (spec.database.r#type == DatabaseType::Mongodb).then(|| {
        let known = "write postgresql, mysql or mariadb";
        let what = format!("{} cannot be changed by this version; {known}", spec.database.r#type);
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
