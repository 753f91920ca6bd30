//! Extensions, functions, statistics, rules, triggers, policies.

use super::{Written, ident, literal};
use crate::Key;
use crate::model::{Extension, Policy, Routine, Rule, Trigger};

/// In the newest version that the server has: an older one cannot always be installed.
pub(super) fn extension(key: &Key, extension: &Extension) -> String {
    format!("CREATE EXTENSION {} SCHEMA {}", ident(&key.name), ident(&extension.schema))
}

pub(super) fn change_extension(key: &Key, old: &Extension, new: &Extension) -> Vec<Written> {
    let mut out = Vec::new();
    if old.schema != new.schema {
        out.push(format!("ALTER EXTENSION {} SET SCHEMA {}", ident(&key.name), ident(&new.schema)).into());
    }
    if old.version != new.version {
        let version = literal(&new.version);
        out.push(format!("ALTER EXTENSION {} UPDATE TO {version}", ident(&key.name)).into());
    }
    out
}

/// In place, where whoever calls it notices nothing but what it does.
pub(super) fn change_routine(old: &Routine, new: &Routine) -> Option<Vec<Written>> {
    let fits = (&old.arguments, &old.result, old.procedure) == (&new.arguments, &new.result, new.procedure)
        && new.defaults >= old.defaults;
    fits.then(|| vec![new.definition.trim_end().to_owned().into()])
}

pub(super) fn statistics(key: &Key, definition: &str, target: Option<i32>) -> Vec<String> {
    let target = target.and_then(|target| statistics_target(key, Some(target)));
    std::iter::once(definition.to_owned()).chain(target).collect()
}

pub(super) fn statistics_target(key: &Key, target: Option<i32>) -> Option<String> {
    Some(format!("ALTER STATISTICS {} SET STATISTICS {}", key.sql(), target.unwrap_or(-1)))
}

pub(super) fn rule(key: &Key, rule: &Rule) -> Vec<String> {
    let mut out = vec![rule.definition.trim_end_matches(';').to_owned()];
    if rule.enabled != "O" {
        out.push(enabled(key, "RULE", &rule.enabled));
    }
    out
}

pub(super) fn trigger(key: &Key, trigger: &Trigger) -> Vec<String> {
    let mut out = vec![trigger.definition.clone()];
    if trigger.enabled != "O" {
        out.push(enabled(key, "TRIGGER", &trigger.enabled));
    }
    out
}

/// When it fires.
pub(super) fn enabled(key: &Key, word: &str, enabled: &str) -> String {
    let how = match enabled {
        "D" => "DISABLE",
        "R" => "ENABLE REPLICA",
        "A" => "ENABLE ALWAYS",
        _ => "ENABLE",
    };
    format!("ALTER TABLE {} {how} {word} {}", key.on_sql(), ident(&key.name))
}

pub(super) fn policy(key: &Key, policy: &Policy) -> String {
    let kind = if policy.permissive { "" } else { " AS RESTRICTIVE" };
    let roles: Vec<String> =
        policy.roles.iter().map(|r| r.as_deref().map_or("PUBLIC".to_owned(), ident)).collect();
    let mut out = format!(
        "CREATE POLICY {} ON {}{kind} FOR {} TO {}",
        ident(&key.name),
        key.on_sql(),
        policy.command,
        roles.join(", ")
    );
    for (word, condition) in [("USING", &policy.using), ("WITH CHECK", &policy.check)] {
        if let Some(condition) = condition {
            out += &format!(" {word} ({condition})");
        }
    }
    out
}
