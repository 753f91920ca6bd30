//! What the database of these tests says, and a migration in it.

#![allow(dead_code, reason = "each test file uses its own part")]

use std::collections::BTreeSet;

use cofferdam_core::bundle::Version;
use cofferdam_core::facts::{ColumnFacts, ConstraintFacts, IndexFacts, Server, Table};
use cofferdam_core::online::{Examined, Gate};
use cofferdam_core::{Checksum, Facts, Limits, Migration, MigrationKind, Name, Plan, Refusal, Script};
use cofferdam_dialects::mysql::{self, Flavour};
use cofferdam_dialects::{Parsed, postgres};
use cofferdam_strategies::{Subject, Wishes};

/// A migration with everything that a strategy asks about it.
pub(crate) struct Case {
    pub(crate) migration: Migration,
    pub(crate) parsed: Parsed,
    check: Option<Parsed>,
    facts: Facts,
    created: BTreeSet<Name>,
    as_written: bool,
    pub(crate) strategy: String,
    pub(crate) examined: Vec<(Name, Examined)>,
    pub(crate) wishes: Wishes,
}

impl Case {
    pub(crate) fn new(sql: &str) -> Self {
        let up = Script::new("V7__case.sql", sql);
        let parsed = read(&up);
        Self {
            migration: Migration {
                version: Version::parse("7"),
                description: "case".into(),
                kind: MigrationKind::Versioned,
                checksum: Checksum::Sha256(up.sha256.clone()),
                up,
                down: None,
                check: None,
                no_transaction: false,
            },
            facts: facts_for(&parsed),
            parsed,
            check: None,
            created: BTreeSet::new(),
            as_written: false,
            strategy: "auto".into(),
            examined: Vec::new(),
            wishes: Wishes::default(),
        }
    }

    /// What stands in a case's first lines: `engine mysql` or `engine mariadb` (before all others), `as written`, `check SQL`, `created NAME`, `repeatable`,
    /// `settings without transaction`, `strategy ID`, `manual`, `agreed TEXT`, and of what was found of
    /// public.orders: `rewrites`, `no rewrite`, `obstacle TEXT`, `loss TEXT`, `note TEXT`.
    pub(crate) fn with(mut self, option: &str) -> Self {
        match option.split_once(' ').unwrap_or((option, "")) {
            ("engine", id) => {
                let flavour = Flavour::of(id).unwrap_or_else(|| panic!("no such engine: {id}"));
                let read = if flavour == Flavour::MySql { mysql::read_mysql } else { mysql::read_mariadb };
                self.parsed = read(&self.migration.up).unwrap_or_else(|refusal| panic!("{refusal}"));
                self.facts = facts_for(&self.parsed);
                self.facts.server.engine = id.into();
                self.facts.server.version = if flavour == Flavour::MySql { 90_704 } else { 101_119 };
            }
            ("as", "written") => self.as_written = true,
            ("repeatable", "") => {
                self.migration.version = None;
                self.migration.kind = MigrationKind::Repeatable;
            }
            ("check", sql) => {
                let script = Script::new("C7__case.sql", sql);
                self.check = Some(read(&script));
                self.migration.check = Some(script);
            }
            ("created", name) => {
                self.facts.tables.insert(name.to_owned(), Table::default());
                self.created.insert(Name::plain(name));
            }
            ("settings", "without transaction") => self.migration.no_transaction = true,
            ("strategy", id) => self.strategy = id.into(),
            ("manual", "") => self.wishes.gate = Gate::Manual,
            ("park", seconds) => self.wishes.park = seconds.parse().ok(),
            ("agreed", why) => self.wishes.allow_loss = Some(why.into()),
            ("rewrites", "") => self.examined().rewrites = true,
            ("no", "rewrite") => self.examined().rewrites = false,
            ("obstacle", what) => self.examined().obstacles.push(what.into()),
            ("loss", what) => self.examined().losses.push(what.into()),
            ("note", what) => self.examined().notes.push(what.into()),
            _ => panic!("no such option: {option}"),
        }
        self
    }

    /// What was found of public.orders, which is found now if it was not before.
    fn examined(&mut self) -> &mut Examined {
        if self.examined.is_empty() {
            let found = Examined {
                key: vec!["id".into()],
                rows: 2_000_000,
                bytes: 480_000_000,
                writes_per_second: 80,
                ..Examined::default()
            };
            self.examined.push((Name::qualified("public", "orders"), found));
        }
        &mut self.examined[0].1
    }

    pub(crate) fn subject(&self) -> Subject<'_> {
        Subject {
            migration: &self.migration,
            parsed: &self.parsed,
            check: self.check.as_ref(),
            facts: &self.facts,
            created: &self.created,
            as_written: self.as_written,
            limits: Limits::default(),
            examined: &self.examined,
            wishes: &self.wishes,
        }
    }

    pub(crate) fn plan(&self) -> Result<Plan, Box<Refusal>> {
        cofferdam_strategies::plan(&self.strategy, &self.subject())
    }
}

fn read(script: &Script) -> Parsed {
    postgres::read(script).unwrap_or_else(|refusal| panic!("{refusal}\n{}", script.text))
}

/// Facts as an engine gives them: of every relation that the script names, there or not.
fn facts_for(parsed: &Parsed) -> Facts {
    let mut facts = Facts {
        server: Server {
            engine: "postgresql".into(),
            version: 150_020,
            version_text: "15.20".into(),
            time_zone: "UTC".into(),
            ..Server::default()
        },
        ..Facts::default()
    };
    for name in parsed.changes.iter().flat_map(|c| c.action.relations()) {
        let known = [orders(), customers()].into_iter().find(|t| {
            let own = t.resolved.as_ref().map(|r| r.name.as_str());
            own == Some(name.name.as_str()) || t.index(&name.name).is_some()
        });
        facts.tables.insert(name.to_string(), known.unwrap_or_default());
    }
    facts
}

/// Large and busy: two million rows, 400 MB.
fn orders() -> Table {
    let column = |name: &str, ty: &str, not_null| ColumnFacts {
        name: name.into(),
        ty: ty.into(),
        not_null,
        ..ColumnFacts::default()
    };
    Table {
        rows: Some(2_000_000),
        bytes: 400_000_000,
        writes_per_second: Some(80.0),
        columns: vec![
            column("id", "bigint", true),
            column("customer_id", "bigint", false),
            column("note", "text", false),
            column("amount", "numeric(10,2)", true),
            column("legacy", "text", false),
        ],
        constraints: vec![key("orders_pkey", "PRIMARY KEY (id)")],
        indexes: vec![
            index("orders_pkey", true, "CREATE UNIQUE INDEX orders_pkey ON public.orders USING btree (id)"),
            index(
                "orders_note_idx",
                false,
                "CREATE INDEX orders_note_idx ON public.orders USING btree (note)",
            ),
        ],
        ..there("orders")
    }
}

/// Small and quiet.
fn customers() -> Table {
    Table {
        rows: Some(100),
        bytes: 8192,
        columns: vec![ColumnFacts {
            name: "id".into(),
            ty: "bigint".into(),
            not_null: true,
            ..ColumnFacts::default()
        }],
        constraints: vec![key("customers_pkey", "PRIMARY KEY (id)")],
        indexes: vec![index(
            "customers_pkey",
            true,
            "CREATE UNIQUE INDEX customers_pkey ON public.customers USING btree (id)",
        )],
        ..there("customers")
    }
}

fn there(name: &str) -> Table {
    Table {
        exists: true,
        resolved: Some(Name::qualified("public", name)),
        kind: "table".into(),
        owner: "shop".into(),
        has_rows: Some(true),
        analysed_seconds_ago: Some(60),
        ..Table::default()
    }
}

fn key(name: &str, definition: &str) -> ConstraintFacts {
    ConstraintFacts {
        name: name.into(),
        kind: "primary key".into(),
        validated: true,
        definition: definition.into(),
        columns: vec!["id".into()],
    }
}

fn index(name: &str, unique: bool, definition: &str) -> IndexFacts {
    let column = definition.rsplit_once('(').map_or("", |(_, c)| c.trim_end_matches(')'));
    IndexFacts {
        name: name.into(),
        valid: true,
        unique,
        partial: false,
        columns: vec![column.into()],
        definition: definition.into(),
    }
}
