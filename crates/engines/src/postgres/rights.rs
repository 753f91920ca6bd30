//! What the role may not do, before anything is begun.

use std::collections::BTreeSet;

use tokio_postgres::types::{ToSql, Type};
use tokio_postgres::{Client, Row};

use cofferdam_core::fault::Result;
use cofferdam_core::{Fault, Plan, QuotedIdent};

use super::cells::{AnswerCells, RowCells};
use super::errors;
use crate::Missing;

mod needs;

use needs::Need;

const DOING: &str = "looking for missing rights";

/// Everything that the plans need and the role lacks, with what gives it. A superuser lacks nothing.
///
/// Needs are read from the heads of the statements (of the way back too) and from what the probes look at; other
/// rights show up as the server's own refusal. What does not exist yet needs nothing: an earlier statement of the
/// plan creates it, and owns it.
///
/// It may be called inside of a transaction. Operators are named with their schema, so that none of a tenant's is run.
pub async fn missing(client: &Client, plans: &[&Plan]) -> Result<Vec<Missing>> {
    let asker = Asker { client, me: whoami(client).await? };
    if asker.me.superuser {
        return Ok(Vec::new());
    }
    let mut missing = asker.own_schema().await?;
    let needs: BTreeSet<Need> = plans.iter().flat_map(|plan| needs::needs(plan)).collect();
    for need in &needs {
        missing.extend(asker.need(need).await?);
    }
    let mut said = std::collections::HashSet::new();
    missing.retain(|m| said.insert(m.grant.clone()));
    Ok(missing)
}

/// Who we are, with what GRANT needs of it.
struct Me {
    superuser: bool,
    role: QuotedIdent,
    database: String,
}

async fn whoami(client: &Client) -> Result<Me> {
    let sql = "SELECT r.rolsuper, r.rolname::pg_catalog.text, pg_catalog.current_database()::pg_catalog.text
               FROM pg_catalog.pg_roles r WHERE r.rolname OPERATOR(pg_catalog.=) current_user";
    let rows = client.query_typed(sql, &[]).await.map_err(|e| errors::fault(e, DOING))?;
    let row = rows.first().ok_or_else(|| Fault::Bug("our own role is not in pg_roles".into()))?;
    Ok(Me { superuser: row.cell(0)?, role: QuotedIdent::new(row.cell(1)?)?, database: row.cell(2)? })
}

struct Asker<'a> {
    client: &'a Client,
    me: Me,
}

impl Asker<'_> {
    async fn ask(&self, sql: &str, parameters: &[(&(dyn ToSql + Sync), Type)]) -> Result<Vec<Row>> {
        self.client.query_typed(sql, parameters).await.map_err(|e| errors::fault(e, DOING))
    }

    /// Schema `cofferdam`: it must be possible to create it, or to use what is in it.
    async fn own_schema(&self) -> Result<Vec<Missing>> {
        let sql = "SELECT pg_catalog.has_schema_privilege(n.oid, 'USAGE'),
                          pg_catalog.has_schema_privilege(n.oid, 'CREATE'),
                          NOT EXISTS (SELECT FROM pg_catalog.pg_class c
                              WHERE c.relnamespace OPERATOR(pg_catalog.=) n.oid AND c.relname OPERATOR(pg_catalog.=) 'history')
                   FROM pg_catalog.pg_namespace n WHERE n.nspname OPERATOR(pg_catalog.=) 'cofferdam'";
        let rows = self.ask(sql, &[]).await?;
        let Some(row) = rows.first() else {
            let missing = self.need(&Need::CreateSchema).await?;
            let what = format!("create schema cofferdam in database {}", self.me.database);
            return Ok(missing.into_iter().map(|m| Missing { what: what.clone(), ..m }).collect());
        };
        let (usage, create, incomplete): (bool, bool, bool) = (row.cell(0)?, row.cell(1)?, row.cell(2)?);
        let role = &self.me.role;
        let mut missing = Vec::new();
        if !usage {
            missing.push(Missing {
                what: "use schema cofferdam".to_owned(),
                grant: format!("GRANT USAGE ON SCHEMA cofferdam TO {role};"),
            });
        }
        if incomplete && !create {
            missing.push(Missing {
                what: "create tables in schema cofferdam".to_owned(),
                grant: format!("GRANT CREATE ON SCHEMA cofferdam TO {role};"),
            });
        }
        // The journal is append-only: nobody needs to change or remove its rows.
        let sql = "SELECT c.relname::pg_catalog.text, w.wanted FROM pg_catalog.pg_class c
                   JOIN pg_catalog.pg_namespace n ON n.oid OPERATOR(pg_catalog.=) c.relnamespace
                   CROSS JOIN pg_catalog.unnest(ARRAY['SELECT', 'INSERT', 'UPDATE']) AS w (wanted)
                   WHERE n.nspname OPERATOR(pg_catalog.=) 'cofferdam' AND c.relname OPERATOR(pg_catalog.=)
                         ANY (ARRAY['run', 'journal', 'history']::pg_catalog.name[])
                     AND (c.relname OPERATOR(pg_catalog.<>) 'journal' OR w.wanted OPERATOR(pg_catalog.<>) 'UPDATE')
                     AND NOT pg_catalog.has_table_privilege(c.oid, w.wanted)
                   ORDER BY 1, 2";
        for row in self.ask(sql, &[]).await? {
            let (table, right): (String, String) = (row.cell(0)?, row.cell(1)?);
            missing.push(Missing {
                what: format!("{right} on cofferdam.{table}"),
                grant: format!("GRANT {right} ON cofferdam.{} TO {role};", QuotedIdent::new(&table)?),
            });
        }
        Ok(missing)
    }

    async fn need(&self, need: &Need) -> Result<Option<Missing>> {
        let role = &self.me.role;
        if let Some(schema) = need.schema() {
            let sql = "SELECT 1 FROM pg_catalog.pg_namespace n
                       WHERE n.nspname OPERATOR(pg_catalog.=) $1
                         AND NOT pg_catalog.has_schema_privilege(n.oid, 'USAGE')";
            // Without it the server does not even look the name up for us.
            if !self.ask(sql, &[(&schema, Type::NAME)]).await?.is_empty() {
                return Ok(Some(Missing {
                    what: format!("use schema {schema}"),
                    grant: format!("GRANT USAGE ON SCHEMA {} TO {role};", QuotedIdent::new(schema)?),
                }));
            }
        }
        match need {
            Need::Own(name) => self.owned("pg_class", name.to_sql()?, &format!("change {name}"), false).await,
            Need::Drop(name) => self.owned("pg_class", name.to_sql()?, &format!("drop {name}"), true).await,
            Need::OwnType(name) => {
                self.owned("pg_type", name.to_sql()?, &format!("change type {name}"), false).await
            }
            Need::Create(schema) => {
                let sql = "SELECT n.nspname::pg_catalog.text FROM pg_catalog.pg_namespace n
                           WHERE n.nspname OPERATOR(pg_catalog.=) coalesce($1, pg_catalog.current_schema())
                             AND NOT pg_catalog.has_schema_privilege(n.oid, 'CREATE')";
                self.create_in(sql, &[(schema, Type::NAME)]).await
            }
            Need::Index(table) => {
                let sql = "SELECT n.nspname::pg_catalog.text FROM pg_catalog.pg_class c
                           JOIN pg_catalog.pg_namespace n ON n.oid OPERATOR(pg_catalog.=) c.relnamespace
                           WHERE c.oid OPERATOR(pg_catalog.=) pg_catalog.to_regclass($1)::pg_catalog.oid
                             AND NOT pg_catalog.has_schema_privilege(n.oid, 'CREATE')";
                self.create_in(sql, &[(&table.to_sql()?, Type::TEXT)]).await
            }
            Need::CreateSchema => {
                let sql = "SELECT pg_catalog.has_database_privilege(pg_catalog.current_database(), 'CREATE')";
                let may = self.ask(sql, &[]).await?.first_cell()?.unwrap_or(false);
                let database = QuotedIdent::new(&self.me.database)?;
                Ok((!may).then(|| Missing {
                    what: format!("create schemas in database {}", self.me.database),
                    grant: format!("GRANT CREATE ON DATABASE {database} TO {role};"),
                }))
            }
            Need::CreateDatabase => {
                let sql = "SELECT r.rolcreatedb FROM pg_catalog.pg_roles r
                           WHERE r.rolname OPERATOR(pg_catalog.=) current_user";
                let may = self.ask(sql, &[]).await?.first_cell()?.unwrap_or(false);
                Ok((!may).then(|| Missing {
                    what: "create databases".to_owned(),
                    grant: format!("ALTER ROLE {role} CREATEDB;"),
                }))
            }
            Need::Use(right, name) => {
                // A right on some columns may be enough; the server knows.
                let any_column = ["INSERT", "UPDATE", "SELECT"].contains(right);
                let asked = if any_column { "has_any_column_privilege" } else { "has_table_privilege" };
                let sql = format!(
                    "SELECT 1 FROM pg_catalog.pg_class c
                     WHERE c.oid OPERATOR(pg_catalog.=) pg_catalog.to_regclass($1)::pg_catalog.oid
                     AND NOT pg_catalog.{asked}(c.oid, $2)"
                );
                let table = name.to_sql()?;
                let lacks = !self.ask(&sql, &[(&table, Type::TEXT), (right, Type::TEXT)]).await?.is_empty();
                Ok(lacks.then(|| Missing {
                    what: format!("{right} on {name}"),
                    grant: format!("GRANT {right} ON {table} TO {role};"),
                }))
            }
        }
    }

    /// To be the owner, or a member of the owner; or, where that is enough, the owner of the schema.
    async fn owned(
        &self,
        catalog: &str,
        name: String,
        what: &str,
        or_schema: bool,
    ) -> Result<Option<Missing>> {
        let (prefix, lookup) =
            if catalog == "pg_type" { ("typ", "to_regtype") } else { ("rel", "to_regclass") };
        let sql = format!(
            "SELECT pg_catalog.pg_get_userbyid(c.{prefix}owner)::pg_catalog.text
             FROM pg_catalog.{catalog} c
             JOIN pg_catalog.pg_namespace n ON n.oid OPERATOR(pg_catalog.=) c.{prefix}namespace
             WHERE c.oid OPERATOR(pg_catalog.=) pg_catalog.{lookup}($1)::pg_catalog.oid
               AND NOT pg_catalog.pg_has_role(c.{prefix}owner, 'USAGE')
               AND NOT ($2 AND pg_catalog.pg_has_role(n.nspowner, 'USAGE'))"
        );
        let rows = self.ask(&sql, &[(&name, Type::TEXT), (&or_schema, Type::BOOL)]).await?;
        let Some(row) = rows.first() else { return Ok(None) };
        let owner: String = row.cell(0)?;
        Ok(Some(Missing {
            what: format!("{what}, which belongs to {owner}"),
            grant: format!("GRANT {} TO {};", QuotedIdent::new(&owner)?, self.me.role),
        }))
    }

    async fn create_in(
        &self,
        sql: &str,
        parameters: &[(&(dyn ToSql + Sync), Type)],
    ) -> Result<Option<Missing>> {
        let rows = self.ask(sql, parameters).await?;
        let Some(row) = rows.first() else { return Ok(None) };
        let schema: String = row.cell(0)?;
        Ok(Some(Missing {
            what: format!("create in schema {schema}"),
            grant: format!("GRANT CREATE ON SCHEMA {} TO {};", QuotedIdent::new(&schema)?, self.me.role),
        }))
    }
}
