//! What the tests of locks, sequences and inverses share: statements from text, and facts of a small shop.

use cofferdam_core::facts::{ColumnFacts, ConstraintFacts, Facts, IndexFacts, Server, Table};
use cofferdam_core::{Change, Name};

use crate::postgres::read;

/// A statement as the reader gives it.
pub(in crate::postgres) fn change(sql: &str) -> Change {
    let script = cofferdam_core::Script::new("a.sql", sql);
    let mut changes = read(&script).unwrap().changes;
    assert_eq!(changes.len(), 1, "{sql}");
    changes.remove(0)
}

/// Tables on PostgreSQL 15 at UTC:
/// `users (id bigint, primary key)`, `orders`, `events` (partitioned), `totals` (materialized view), `gone` (absent).
pub(in crate::postgres) fn facts() -> Facts {
    let users = Table {
        columns: vec![column("id", "bigint", true, None)],
        constraints: vec![constraint("users_pkey", "primary key", "PRIMARY KEY (id)", &["id"])],
        indexes: vec![index(
            "users_pkey",
            "CREATE UNIQUE INDEX users_pkey ON public.users USING btree (id)",
            &["id"],
        )],
        ..table("users", "table")
    };
    let orders = Table {
        owner: "shop".into(),
        bytes: 3_200_000_000,
        columns: vec![
            column("id", "bigint", true, None),
            column("user_id", "bigint", false, None),
            column("note", "text", false, None),
            column("code", "character varying(20)", false, Some("'x'::character varying")),
            column("label", "character varying", false, None),
            column("qty", "integer", false, None),
            column("total", "numeric(10,2)", false, None),
            column("at", "timestamp without time zone", false, None),
        ],
        constraints: vec![
            constraint("orders_total_there", "check", "CHECK ((total IS NOT NULL))", &["total"]),
            ConstraintFacts {
                validated: false,
                ..constraint("orders_qty", "check", "CHECK ((qty > 0)) NOT VALID", &["qty"])
            },
            constraint(
                "orders_user",
                "foreign key",
                "FOREIGN KEY (user_id) REFERENCES users(id)",
                &["user_id"],
            ),
            constraint("orders_code_key", "unique", "UNIQUE (code)", &["code"]),
        ],
        indexes: vec![
            index("orders_at_idx", "CREATE INDEX orders_at_idx ON public.orders USING btree (at)", &["at"]),
            index(
                "orders_code_key",
                "CREATE UNIQUE INDEX orders_code_key ON public.orders USING btree (code)",
                &["code"],
            ),
            IndexFacts {
                valid: false,
                ..index(
                    "orders_bad_idx",
                    "CREATE INDEX orders_bad_idx ON public.orders USING btree (note)",
                    &["note"],
                )
            },
        ],
        ..table("orders", "table")
    };
    let events = Table {
        columns: vec![column("at", "date", true, None), column("n", "integer", false, None)],
        indexes: vec![index(
            "events_n_idx",
            "CREATE INDEX events_n_idx ON ONLY public.events USING btree (n)",
            &["n"],
        )],
        ..table("events", "partitioned table")
    };
    let tables = [
        ("users", users),
        ("orders", orders),
        ("events", events),
        ("totals", table("totals", "materialized view")),
        ("gone", Table::default()),
    ];
    Facts {
        server: Server {
            engine: "postgresql".into(),
            version: 150_020,
            time_zone: "UTC".into(),
            ..Server::default()
        },
        answers: Vec::new(),
        tables: tables.into_iter().map(|(name, table)| (name.to_owned(), table)).collect(),
        objects: [
            "schema public",
            "schema app",
            "sequence public.s",
            "extension plpgsql",
            "function public.f",
        ]
        .map(str::to_owned)
        .into(),
    }
}

fn table(name: &str, kind: &str) -> Table {
    Table {
        exists: true,
        resolved: Some(Name::qualified("public", name)),
        kind: kind.into(),
        ..Table::default()
    }
}

fn column(name: &str, ty: &str, not_null: bool, default: Option<&str>) -> ColumnFacts {
    ColumnFacts {
        name: name.into(),
        ty: ty.into(),
        not_null,
        default: default.map(str::to_owned),
        ..ColumnFacts::default()
    }
}

fn constraint(name: &str, kind: &str, definition: &str, columns: &[&str]) -> ConstraintFacts {
    ConstraintFacts {
        name: name.into(),
        kind: kind.into(),
        validated: true,
        definition: definition.into(),
        columns: columns.iter().map(|c| (*c).to_owned()).collect(),
    }
}

fn index(name: &str, definition: &str, columns: &[&str]) -> IndexFacts {
    IndexFacts {
        name: name.into(),
        valid: true,
        unique: definition.contains("UNIQUE"),
        partial: false,
        columns: columns.iter().map(|c| (*c).to_owned()).collect(),
        definition: definition.into(),
    }
}
