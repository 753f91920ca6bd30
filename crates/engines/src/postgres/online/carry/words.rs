//! Expressions in the user's words, as the server understands them: with every name's schema, over `o` or `n`.

use cofferdam_core::fault::Result;
use cofferdam_core::online::Conversion;
use cofferdam_core::{Code, Online, Refusal};

use super::catalog::{Catalog, ident, qualified, unreadable};
use super::clauses::Clause;
use super::mapping::{Pairs, backward, forward};
use super::reading::Reading;
use crate::postgres::errors;

/// A place for views over both tables. The server prints the columns of a view over two tables with the table's alias.
pub(super) struct Words<'c, 'l> {
    catalog: &'c Catalog<'l>,
    schema: String,
    /// The table and the copy that the clauses were tried on.
    tables: [String; 2],
    view: String,
    /// A table without columns, the second one.
    nothing: String,
    pub(super) notes: Vec<String>,
}

const VALUE: &str = "\"cofferdam value\"";

impl<'c, 'l> Words<'c, 'l> {
    pub(super) async fn begin(catalog: &'c Catalog<'l>, before: &Reading, schema: &str) -> Result<Self> {
        let nothing = qualified(schema, "cofferdam nothing")?;
        catalog.run(&format!("CREATE TABLE {nothing} ()")).await?;
        Ok(Self {
            catalog,
            schema: schema.to_owned(),
            tables: [
                qualified(&before.table.schema, &before.table.name)?,
                qualified(schema, &before.table.name)?,
            ],
            view: qualified(schema, "cofferdam words")?,
            nothing,
            notes: Vec::new(),
        })
    }

    /// The expressions of the clauses and those that the user gives for values on their way.
    pub(super) async fn expressions(
        &mut self,
        change: &Online,
        clauses: &[Clause<'_>],
        after: &Reading,
        pairs: &mut Pairs,
    ) -> Result<()> {
        for using in clauses.iter().filter_map(Clause::using) {
            let text = self.understood("o", &using.expression, &using.column).await?;
            pairs.forward.insert(using.column, text);
        }
        for Conversion { column, expression } in &change.forward {
            if !after.columns.iter().any(|c| c.name == *column && c.stored()) {
                return Err(no_column(column, "after the change"));
            }
            let text = self.understood("o", expression, column).await?;
            pairs.forward.insert(column.clone(), text);
        }
        for Conversion { column, expression } in &change.backward {
            let text = self.understood("n", expression, column).await?;
            pairs.backward.insert(column.clone(), text);
        }
        Ok(())
    }

    /// What the server prints for an expression.
    async fn understood(&mut self, alias: &str, expression: &str, column: &str) -> Result<String> {
        let table = &self.tables[usize::from(alias == "n")];
        let make = |expression: &str| {
            format!(
                "CREATE VIEW {} AS SELECT ({expression}\n) AS {VALUE} FROM ONLY {table} {alias} CROSS JOIN {} cofferdam_nothing",
                self.view, self.nothing
            )
        };
        self.catalog.run(&make("1")).await?;
        let one = self.printed().await?;
        let head = format!(" SELECT 1 AS {VALUE}");
        let tail = one.strip_prefix(&head).ok_or_else(|| unreadable("a view", &one))?.to_owned();
        self.catalog.run(&format!("DROP VIEW {}", self.view)).await?;
        self.catalog.own_path().await?;
        // Not as a simple query: that could hold a second statement.
        if let Err(e) = self.catalog.client.query_typed(&make(expression), &[]).await {
            return Err(errors::fault(e, &format!("the expression for {column} ({expression})")));
        }
        self.catalog.no_path().await?;
        let text = self.printed().await?;
        let text = text
            .strip_suffix(&tail)
            // A CASE begins on a line of its own.
            .and_then(|t| t.strip_prefix(" SELECT")?.strip_prefix([' ', '\n']))
            .and_then(|t| t.strip_suffix(&format!(" AS {VALUE}")))
            .ok_or_else(|| unreadable("a view", &text))?
            .trim()
            .to_owned();
        self.catalog.run(&format!("DROP VIEW {}", self.view)).await?;
        Ok(text)
    }

    async fn printed(&self) -> Result<String> {
        let name = super::catalog::literal(&self.view)?;
        let query = format!("SELECT pg_catalog.pg_get_viewdef({name}::pg_catalog.regclass)");
        Ok(self.catalog.text(&query).await?.unwrap_or_default())
    }

    /// Finds the columns whose values the server does not take back without being told the type.
    pub(super) async fn casts(&mut self, before: &Reading, after: &Reading, pairs: &mut Pairs) -> Result<()> {
        for old in before.columns.iter().filter(|c| c.stored()) {
            let Some(new) = pairs.successor(&old.name).and_then(|name| after.column(name)) else { continue };
            if new.ty == old.ty || pairs.backward.contains_key(&old.name) {
                continue;
            }
            let value = format!("n.{}", ident(&new.name)?);
            let probe = qualified(&self.schema, "cofferdam probe")?;
            let assigned = |value: &str| {
                format!(
                    "CREATE TABLE {probe} (c {}); EXPLAIN INSERT INTO {probe} SELECT {value} FROM ONLY {} n; DROP TABLE {probe}",
                    old.ty, self.tables[1]
                )
            };
            let ways = [
                value.clone(),
                format!("({value})::{}", old.ty),
                format!("({value})::pg_catalog.text::{}", old.ty),
            ];
            for way in &ways {
                if self.catalog.attempt(&assigned(way)).await?.is_ok() {
                    if *way != value {
                        pairs.cast_back.insert(old.name.clone(), way.clone());
                    }
                    break;
                }
            }
        }
        Ok(())
    }

    /// The values fit their columns, as far as types go.
    pub(super) async fn try_out(&mut self, before: &Reading, after: &Reading, pairs: &Pairs) -> Result<()> {
        let mapped = forward(before, after, pairs, &self.schema)?;
        let names = mapped.iter().map(|m| ident(&m.name)).collect::<Result<Vec<_>>>()?;
        let values: Vec<_> = mapped.iter().map(|m| m.expression.as_str()).collect();
        let [table, copy] = &self.tables;
        let insert = format!(
            "EXPLAIN INSERT INTO {copy} ({}) OVERRIDING SYSTEM VALUE SELECT {} FROM ONLY {table} o",
            names.join(", "),
            values.join(", ")
        );
        if let Err(e) = self.catalog.attempt(&insert).await? {
            return Err(errors::fault(e, "the values of the new table"));
        }
        // What is left must be looked at by a person: where the way back is a guess, and where it may change by itself.
        for mapped in backward(before, after, pairs, &self.schema)? {
            let Some(new) = pairs.successor(&mapped.name).filter(|_| !mapped.absent && !mapped.lossless)
            else {
                continue;
            };
            if !pairs.backward.contains_key(&mapped.name) && pairs.converted(new) {
                self.notes.push(format!(
                    "{}: rows that are written after the swap get {} if it is taken back: --down {}=EXPRESSION says otherwise",
                    mapped.name, mapped.expression, mapped.name
                ));
            }
        }
        self.stability(pairs).await
    }

    /// An expression that gives something else each time cannot be compared.
    async fn stability(&mut self, pairs: &Pairs) -> Result<()> {
        let both = [(&pairs.forward, "o", &self.tables[0]), (&pairs.backward, "n", &self.tables[1])];
        for (expressions, alias, table) in both {
            for (column, expression) in expressions {
                let copy = qualified(&self.schema, "cofferdam probe")?;
                let bare = expression.replace(&format!("{alias}."), "");
                let text = format!(
                    "CREATE TABLE {copy} (LIKE {table}); CREATE INDEX ON {copy} (({bare})); DROP TABLE {copy}"
                );
                let attempted = self.catalog.attempt(&text).await?;
                let unstable = attempted.err().and_then(|e| {
                    let error = e.as_db_error()?;
                    (error.code().code() == "42P17").then(|| error.message().to_owned())
                });
                if unstable.is_some() {
                    self.notes.push(format!(
                        "{column}: the server does not know that {expression} gives the same value each time; where it \
                         does not, both sides will not compare as equal and nothing is swapped"
                    ));
                }
            }
        }
        Ok(())
    }
}

fn no_column(column: &str, when: &str) -> cofferdam_core::Fault {
    Refusal::new(
        Code::StatementFailed,
        format!("there is no column {column} {when} that a value could be written to"),
    )
    .help("name a column of the table in --up and --down")
    .into()
}
