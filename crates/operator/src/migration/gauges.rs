//! How a runner is told where to read how busy the machine of its database is: the administrator's queries, about this
//! database.

use cofferdam_api::DatabaseMigration;
use kube::ResourceExt;

use crate::contract;

/// The administrator's queries, for limits of processors and memory.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Gauges {
    /// The Prometheus that runners ask; one that wants a token is not asked by them.
    pub url: Option<String>,
    /// The share of the processors that is busy, from 0 to 1. `$host`, `$database` and `$namespace` stand for those of the
    /// DatabaseMigration.
    pub cpu: Option<String>,
    /// The share of the memory that is in use, likewise.
    pub memory: Option<String>,
}

/// What goes into the environment of the runner of this object.
pub(super) fn environment(migration: &DatabaseMigration, gauges: &Gauges) -> Vec<(&'static str, String)> {
    let Some(url) = &gauges.url else { return Vec::new() };
    let queries: Vec<_> = [(contract::CPU_QUERY, &gauges.cpu), (contract::MEMORY_QUERY, &gauges.memory)]
        .into_iter()
        .filter_map(|(name, query)| Some((name, about(migration, query.as_deref()?)?)))
        .collect();
    match queries.is_empty() {
        true => queries,
        false => [vec![(contract::PROMETHEUS, url.clone())], queries].concat(),
    }
}

/// The query about the database of this object; `None`: it asks for a name that the object does not say, because it
/// stands in the Secret, which is not read here.
fn about(migration: &DatabaseMigration, query: &str) -> Option<String> {
    let database = &migration.spec.database;
    let names = [
        ("$host", database.host.as_ref().map(ToString::to_string)),
        ("$database", database.database.as_ref().map(ToString::to_string)),
        ("$namespace", migration.namespace()),
    ];
    names.into_iter().filter(|(variable, _)| query.contains(variable)).try_fold(
        query.to_owned(),
        |query, (variable, name)| {
            // A name stands in a string of the query, and must not end it.
            let name = name.filter(|name| !name.contains(['"', '\'', '`', '\\', '\n']))?;
            Some(query.replace(variable, &name))
        },
    )
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::super::tests::migration;
    use super::*;

    #[test]
    fn the_queries_are_about_the_database_of_the_object() {
        let gauges = Gauges {
            url: Some("http://p:9090".into()),
            cpu: Some(r#"cpu{instance="$host",namespace="$namespace"}"#.into()),
            memory: Some(r#"memory{datname="$database"}"#.into()),
        };
        let told = |database: serde_json::Value, gauges: &Gauges| -> Vec<String> {
            let one = migration(|m| {
                for (key, value) in database.as_object().unwrap() {
                    m["spec"]["database"][key] = value.clone();
                }
            });
            environment(&one, gauges).into_iter().map(|(name, value)| format!("{name}={value}")).collect()
        };
        let named = json!({ "host": "db.example", "database": "shop" });
        let namespace = migration(|_| {}).namespace().unwrap();
        assert_eq!(
            told(named.clone(), &gauges),
            [
                "COFFERDAM_PROMETHEUS_URL=http://p:9090".to_owned(),
                format!(r#"COFFERDAM_CPU_QUERY=cpu{{instance="db.example",namespace="{namespace}"}}"#),
                r#"COFFERDAM_MEMORY_QUERY=memory{datname="shop"}"#.to_owned(),
            ]
        );
        // What would end the string is no name, and a query without its name is not asked.
        let hostile = json!({ "host": "db.example", "database": "a\"} or vector(0) #" });
        assert_eq!(told(hostile, &gauges).len(), 2);
        let unnamed = json!({ "host": null, "database": "shop" });
        assert_eq!(told(unnamed, &gauges).len(), 2);
        assert!(told(named.clone(), &Gauges { url: None, ..gauges.clone() }).is_empty());
        assert!(told(named, &Gauges { cpu: None, memory: None, ..gauges }).is_empty());
    }
}
