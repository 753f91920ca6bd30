//! The table `project_metadata`: which version each project has. Applications and scripts may read it.

use cofferdam_core::{Code, Name, QuotedLiteral, Refusal, Result};
use cofferdam_engines::Session;

/// Its name, in the first schema of the search path that has it, or in which it is made.
const TABLE: &str = "project_metadata";

/// What is there.
#[derive(Debug, Clone)]
pub(crate) struct Metadata {
    table: Name,
    project: String,
    /// It has the column that says when.
    dated: bool,
    /// The table is there.
    pub(crate) there: bool,
    /// What it says of the project.
    pub(crate) version: Option<String>,
}

/// Reads it.
///
/// # Errors
/// `MetadataUnusable`.
pub(crate) async fn read(session: &mut dyn Session, project: &str) -> Result<Metadata> {
    let found = session
        .rows(
            "SELECT n.nspname, coalesce((SELECT pg_catalog.string_agg(a.attname, ' ') FROM pg_catalog.pg_attribute a
                    WHERE a.attrelid = c.oid AND a.attnum > 0 AND NOT a.attisdropped), ''),
                EXISTS (SELECT FROM pg_catalog.pg_index i JOIN pg_catalog.pg_attribute a
                    ON a.attrelid = i.indrelid AND a.attnum = i.indkey[0]
                    WHERE i.indrelid = c.oid AND i.indisunique AND i.indisvalid AND i.indpred IS NULL
                      AND i.indnkeyatts = 1 AND a.attname = 'project_name')::text
             FROM pg_catalog.pg_class c JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace
             WHERE c.oid = pg_catalog.to_regclass('project_metadata')",
            1,
        )
        .await?;
    let cells = |rows: Vec<Vec<Option<String>>>| {
        let first = rows.into_iter().next();
        first.map(|row| row.into_iter().map(Option::unwrap_or_default).collect::<Vec<_>>())
    };
    let project = project.to_owned();
    let Some(row) = cells(found.rows) else {
        let schema = cells(session.rows("SELECT pg_catalog.current_schema()", 1).await?.rows);
        let schema = schema.and_then(|row| row.into_iter().next()).filter(|name| !name.is_empty());
        let schema = schema.ok_or_else(|| {
            unusable("there is no schema in which project_metadata could be made")
                .cause("search_path of this role names none that is there")
                .help("CREATE SCHEMA public, or ALTER ROLE ... SET search_path")
        })?;
        let table = Name::qualified(schema, TABLE);
        return Ok(Metadata { table, project, dated: true, there: false, version: None });
    };
    let [schema, columns, unique] = row.as_slice() else {
        return Err(unusable("project_metadata cannot be looked at").into());
    };
    let table = Name::qualified(schema.as_str(), TABLE);
    let has = |column: &str| columns.split(' ').any(|known| known == column);
    for column in ["project_name", "project_version"] {
        if !has(column) {
            return Err(unusable(format!("{table} has no column {column}"))
                .cause("it says which version each project has")
                .help(format!("ALTER TABLE {} ADD COLUMN {column} text", table.to_sql()?))
                .into());
        }
    }
    if unique != "true" {
        return Err(unusable(format!("{table} may have several rows for a project"))
            .cause("project_name is not unique by itself")
            .help(format!("ALTER TABLE {} ADD PRIMARY KEY (project_name)", table.to_sql()?))
            .into());
    }
    let dated = has("updated_at");
    let mut metadata = Metadata { table, project, dated, there: true, version: None };
    let query = metadata.query()?;
    metadata.version = cells(session.rows(&query, 1).await?.rows).and_then(|row| row.into_iter().next());
    Ok(metadata)
}

fn unusable(what: impl Into<String>) -> Refusal {
    Refusal::new(Code::MetadataUnusable, what)
}

impl Metadata {
    fn name(&self) -> Result<QuotedLiteral> {
        Ok(QuotedLiteral::new(&self.project)?)
    }

    /// Asks for the version; without the table, which is the same as no version, an error.
    pub(crate) fn query(&self) -> Result<String> {
        Ok(format!(
            "SELECT project_version::text FROM {} WHERE project_name = {}",
            self.table.to_sql()?,
            self.name()?
        ))
    }

    /// Makes the table where it is not there.
    pub(crate) fn create(&self) -> Result<String> {
        Ok(format!(
            "CREATE TABLE IF NOT EXISTS {} (project_name text PRIMARY KEY, project_version text NOT NULL, \
             updated_at timestamp with time zone NOT NULL DEFAULT CURRENT_TIMESTAMP)",
            self.table.to_sql()?
        ))
    }

    /// Writes the version, or takes the row out.
    pub(crate) fn write(&self, version: Option<&str>) -> Result<String> {
        let (table, name) = (self.table.to_sql()?, self.name()?);
        let Some(version) = version else {
            return Ok(format!("DELETE FROM {table} WHERE project_name = {name}"));
        };
        let version = QuotedLiteral::new(version)?;
        let (column, value, set) = match self.dated {
            true => (", updated_at", ", CURRENT_TIMESTAMP", ", updated_at = EXCLUDED.updated_at"),
            false => ("", "", ""),
        };
        Ok(format!(
            "INSERT INTO {table} (project_name, project_version{column}) VALUES ({name}, {version}{value}) \
             ON CONFLICT (project_name) DO UPDATE SET project_version = EXCLUDED.project_version{set}"
        ))
    }

    /// A script that makes the table by itself, and would fail if it were there.
    pub(crate) fn is_made_by(&self, text: &str) -> bool {
        let words: Vec<String> = text.split_whitespace().map(str::to_ascii_lowercase).collect();
        words.windows(3).any(|three| {
            let name = three[2].split('(').next().unwrap_or_default().replace('"', "");
            let name = name.rsplit('.').next().unwrap_or_default();
            three[0] == "create" && three[1] == "table" && name == TABLE
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn metadata(dated: bool) -> Metadata {
        Metadata {
            table: Name::qualified("public", TABLE),
            project: "shop".into(),
            dated,
            there: true,
            version: None,
        }
    }

    #[test]
    fn the_statements_are_written_for_the_columns_that_are_there() {
        let dated = metadata(true).write(Some("v1.1.0")).unwrap();
        assert!(dated.starts_with("INSERT INTO \"public\".\"project_metadata\""), "{dated}");
        assert!(dated.contains("VALUES ('shop', 'v1.1.0', CURRENT_TIMESTAMP)"), "{dated}");
        assert!(!metadata(false).write(Some("v1.1.0")).unwrap().contains("updated_at"));
        assert!(metadata(true).write(None).unwrap().starts_with("DELETE"));
    }

    #[test]
    fn a_script_that_makes_the_table_is_known() {
        let made = |text: &str| metadata(true).is_made_by(text);
        assert!(made("BEGIN;\nCREATE TABLE project_metadata(\n a int);"));
        assert!(made("create  table public.\"project_metadata\" (a int)"));
        assert!(!made("CREATE TABLE IF NOT EXISTS project_metadata (a int)"));
        assert!(!made("SELECT * FROM project_metadata"));
    }
}
