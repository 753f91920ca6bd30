//! A person's word about plans, as the journal keeps it: what was agreed to, until when, and on what ground.
//!
//! Such a row belongs to no run: it is there before one begins. Who said it and when stands in the row around it.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::facts::{Facts, Table};
use crate::ident::Name;
use crate::online::Gate;
use crate::plan::{Act, Plan, Probe, Undo, sha256_hex};
use crate::run::Phase;

/// A word about one or several plans, which are carried out in their order.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Approval {
    /// What was decided.
    pub decision: Decision,
    /// What names all of it: [`digest`] of the plans.
    pub digest: String,
    /// The plans in their order.
    pub plans: Vec<Agreed>,
    /// Server and database, where both may be read: a copy of the database must not carry the word along.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub database: String,
    /// The role that wrote it: it is the server that vouches for this one.
    pub role: String,
    /// When it was said, by the server's clock, RFC 3339 in UTC.
    pub at: String,
    /// When it ends, by the server's clock; `None`: never.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub until: Option<String>,
    /// Why.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub comment: Option<String>,
}

/// Plans that wait for a person's word: what was to be carried out, and what nobody has agreed to.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Awaited {
    /// What names all of it: [`digest`] of the plans.
    pub digest: String,
    /// The migrations in their order.
    pub keys: Vec<String>,
    /// The code of the refusal: nobody said anything, it was about another plan, its time is over.
    pub code: String,
    /// Why, as a sentence.
    pub why: String,
    /// The command that approves.
    pub next: String,
}

/// What was decided.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Decision {
    /// It may be carried out.
    Approve,
    /// It must not be.
    Reject,
}

/// One plan that was agreed to.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Agreed {
    /// The migration, or `alter TABLE`.
    pub key: String,
    /// The digest of the plan's [`essence`].
    pub digest: String,
    /// The tables that it is about, each with the digest of its definition as it was looked at.
    pub tables: BTreeMap<String, String>,
}

impl Agreed {
    /// One plan, with the tables that it names as these facts have them.
    pub fn new<'a>(plan: &Plan, named: impl IntoIterator<Item = &'a Name>, facts: &Facts) -> Self {
        let tables = named.into_iter().map(|name| (name.to_string(), definition(facts.table(name))));
        Self { key: plan.key.clone(), digest: essence(plan).digest(), tables: tables.collect() }
    }
}

/// What names several plans: the SHA-256 of the digests of their [`essence`], one a line.
pub fn digest<'a>(plans: impl IntoIterator<Item = &'a Plan>) -> String {
    of_digests(plans.into_iter().map(|plan| essence(plan).digest()))
}

/// See [`digest`].
pub fn of_digests(digests: impl IntoIterator<Item = String>) -> String {
    let text: String = digests.into_iter().map(|digest| digest + "\n").collect();
    format!("sha256:{}", sha256_hex(text.as_bytes()))
}

/// What a person agrees to in a plan. Estimates are left out, and so is what may be changed while a change is at work
/// (gate and workers): a table that has grown by a row since must not make the plan another one.
pub fn essence(plan: &Plan) -> Plan {
    let mut plan = plan.clone();
    for step in plan.units.iter_mut().flat_map(|unit| &mut unit.steps) {
        step.estimate = String::new();
        step.blocks = String::new();
        if let Act::Online { change, .. } = &mut step.act {
            // What the titles of its parts say beyond the act is how much there is to do. The probe and the way back
            // repeat the change, so they go with it.
            (change.gate, change.workers) = (Gate::Auto, 0);
            step.title = String::new();
            step.probe = Probe::Session;
            step.undo = Undo::Nothing;
        }
    }
    plan
}

/// Whether a plan that was made anew is the one that somebody agreed to: the same statements in the same order and
/// transactions with the same limits, and of each step a way back that loses no more. What an earlier migration of the
/// same command has made is known better by then (in which schema its table lies), and that shows in the ways back.
pub fn stands(agreed: &Plan, now: &Plan) -> bool {
    let (mut agreed, mut now) = (essence(agreed), essence(now));
    let no_worse = agreed.steps().zip(now.steps()).all(|(agreed, now)| match (&agreed.undo, &now.undo) {
        (Undo::Impossible { .. }, _) => true,
        (Undo::Acts { loses: agreed, .. }, Undo::Acts { loses: now, .. }) => now.is_none() || now == agreed,
        (agreed, now) => agreed == now,
    });
    for plan in [&mut agreed, &mut now] {
        for step in plan.units.iter_mut().flat_map(|unit| &mut unit.steps) {
            // Where there is no way back any more follows from the ways back.
            (step.undo, step.phase) = (Undo::Nothing, Phase::Expanding);
        }
    }
    no_worse && agreed == now
}

/// What identifies how a table is made, and not what is in it: 16 digits of a SHA-256.
fn definition(table: Option<&Table>) -> String {
    let Some(table) = table.filter(|table| table.exists) else { return "absent".into() };
    let columns: Vec<_> = table.columns.iter().map(|c| (&c.name, &c.ty, c.not_null, &c.default)).collect();
    let constraints: Vec<_> =
        table.constraints.iter().map(|c| (&c.name, &c.kind, &c.definition, c.validated)).collect();
    let indexes: Vec<_> = table.indexes.iter().map(|i| (&i.name, &i.definition, i.valid)).collect();
    let whole = serde_json::json!([table.resolved, table.kind, table.owner, columns, constraints, indexes])
        .to_string();
    sha256_hex(whole.as_bytes())[..16].to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::facts::ColumnFacts;
    use crate::plan::{Intent, Step, Unit};
    use crate::{Limits, Span};

    #[test]
    fn a_definition_follows_how_a_table_is_made_and_not_what_is_in_it() {
        let column = |ty: &str| ColumnFacts { name: "a".into(), ty: ty.into(), ..ColumnFacts::default() };
        let table = |ty: &str, rows| Table {
            exists: true,
            rows: Some(rows),
            bytes: rows * 8,
            columns: vec![column(ty)],
            ..Table::default()
        };
        assert_eq!(definition(Some(&table("int", 1))), definition(Some(&table("int", 1_000_000))));
        assert_ne!(definition(Some(&table("int", 1))), definition(Some(&table("bigint", 1))));
        assert_eq!(definition(None), definition(Some(&Table::default())));
    }

    /// How a way back may differ from the one that was agreed to.
    #[test]
    fn a_plan_stands_where_only_its_way_back_is_known_better() {
        let plan = |sql: &str, undo: Undo| Plan {
            strategy: "direct".into(),
            key: "2".into(),
            description: "index".into(),
            intent: Intent::Apply,
            units: vec![Unit {
                atomic: true,
                steps: vec![Step {
                    id: "1".into(),
                    phase: match undo {
                        Undo::Impossible { .. } => Phase::Contracting,
                        _ => Phase::Expanding,
                    },
                    title: "create index i".into(),
                    act: Act::sql(sql),
                    probe: Probe::Nothing,
                    undo,
                    limits: Limits::default(),
                    lock: "SHARE".into(),
                    blocks: "writes".into(),
                    estimate: "1 s".into(),
                    path: "2.sql".into(),
                    at: Span::default(),
                }],
            }],
            losses: vec![],
        };
        let drop = |sql: &str, loses: Option<&str>| Undo::Acts {
            acts: vec![Act::sql(sql)],
            atomic: true,
            loses: loses.map(str::to_owned),
        };
        let none = || Undo::Impossible { why: "nobody knows".into() };
        let agreed = || drop("DROP INDEX i", Some("a"));
        for (before, after, stands_so) in [
            (agreed(), drop("DROP INDEX public.i", Some("a")), true),
            (agreed(), drop("DROP INDEX public.i", None), true),
            (none(), drop("DROP INDEX i", Some("a")), true),
            (drop("DROP INDEX i", None), drop("DROP INDEX i", Some("a")), false),
            (agreed(), drop("DROP INDEX i", Some("b")), false),
            (agreed(), none(), false),
            (agreed(), Undo::Nothing, false),
            (Undo::Nothing, agreed(), false),
        ] {
            let sql = "CREATE INDEX i ON a (x)";
            assert_eq!(
                stands(&plan(sql, before.clone()), &plan(sql, after.clone())),
                stands_so,
                "{before:?} {after:?}"
            );
            assert!(!stands(&plan(sql, before), &plan("CREATE INDEX i ON a (y)", after)));
        }
    }

    #[test]
    fn the_digest_of_none_one_and_two_differ_and_the_order_counts() {
        let all = |digests: &[&str]| of_digests(digests.iter().map(|d| (*d).to_owned()));
        let found = [all(&[]), all(&["a"]), all(&["a", "b"]), all(&["b", "a"]), all(&["ab"])];
        let unique: std::collections::BTreeSet<_> = found.iter().collect();
        assert_eq!(unique.len(), found.len());
    }
}
