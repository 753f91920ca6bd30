//! The catalog queries behind the facts, and their rows.
//!
//! They run with `pg_catalog` before everything else in `search_path`, name every function's schema, and compare and
//! join values of the same type only: an operator that a tenant planted in a schema of the path must never fit
//! better than the server's own. What needs arithmetic is done here, not there.

use cofferdam_core::facts::{ColumnFacts, ConstraintFacts, IndexFacts, LeafFacts, Table};
use cofferdam_core::{Name, facts};
use serde::Deserialize;

/// Asked before the path is set. `search_path`, the schemas in it that exist (the temporary one too), and whether the
/// server's identity may be read.
pub(super) const PATH: &str = "SELECT pg_catalog.current_setting('search_path'),
    pg_catalog.current_schemas(true)::pg_catalog.text[],
    pg_catalog.has_function_privilege('pg_catalog.pg_control_system()', 'EXECUTE')";

/// Whether a relation of one of these names is there, in whatever schema. Asked with [`PATH`]: where all tables are
/// still to be made, [`TABLES`] would take the server longer to plan than all else of the look.
pub(super) const NAMED: &str = "SELECT EXISTS (SELECT FROM pg_catalog.pg_class c
    WHERE c.relname OPERATOR(pg_catalog.=) ANY ($1::pg_catalog.name[]))";

/// Begins the transaction in which the catalog is read. Sizes and definitions take the weakest lock of a table, so
/// one that is being rewritten makes us wait, and then give up. What is asked of many tables looks dear to the planner,
/// and to compile it would take longer than all else.
pub(super) const BEGIN: &str = "BEGIN READ ONLY; SET LOCAL statement_timeout = '10s'; SET LOCAL lock_timeout = '2s'; SET LOCAL jit = off";

/// The server; a server that does not let us read its identifier must not even be asked for it.
pub(super) fn server_query(may_identify: bool) -> String {
    let identity = match may_identify {
        true => "(SELECT c.system_identifier::pg_catalog.text FROM pg_catalog.pg_control_system() c)",
        false => "''",
    };
    format!(
        "SELECT pg_catalog.jsonb_build_object(
            'version', pg_catalog.current_setting('server_version_num')::pg_catalog.int4,
            'version_text', pg_catalog.current_setting('server_version'),
            'identity', {identity},
            'database', pg_catalog.current_database(),
            'role', current_user,
            'standby', pg_catalog.pg_is_in_recovery(),
            'read_only', pg_catalog.current_setting('default_transaction_read_only'),
            'time_zone', pg_catalog.current_setting('TimeZone'),
            'block_size', pg_catalog.current_setting('block_size')::pg_catalog.int8,
            'now', extract(epoch FROM pg_catalog.clock_timestamp())::pg_catalog.float8,
            'counted_since', extract(epoch FROM coalesce(
                pg_catalog.pg_stat_get_db_stat_reset_time(d.oid),
                pg_catalog.pg_stat_get_bgwriter_stat_reset_time()))::pg_catalog.float8)
         FROM pg_catalog.pg_database d WHERE d.datname = pg_catalog.current_database()"
    )
}

/// [`server_query`]'s row.
#[derive(Debug, Deserialize)]
pub(super) struct ServerRow {
    version: u32,
    version_text: String,
    identity: String,
    database: String,
    role: String,
    standby: bool,
    read_only: String,
    time_zone: String,
    block_size: u64,
    /// Seconds since 1970, as the server's clock has it.
    now: f64,
    /// Since when writes are counted. The database's own reset; since PostgreSQL 15 that is empty until somebody asks
    /// for one, and then the counters are as old as those of the whole server, which start anew after a crash.
    counted_since: Option<f64>,
}

impl ServerRow {
    /// `open_since`: [`OPEN`].
    pub(super) fn server(&self, open_since: Option<f64>) -> facts::Server {
        facts::Server {
            engine: "postgresql".to_owned(),
            version: self.version,
            version_text: self.version_text.split(' ').next().unwrap_or_default().to_owned(),
            identity: self.identity.clone(),
            database: self.database.clone(),
            role: self.role.clone(),
            read_only: self.standby || self.read_only == "on",
            time_zone: self.time_zone.clone(),
            open_for_seconds: open_since.map(|since| (self.now - since).max(0.0) as u64),
        }
    }
}

/// Since when the oldest transaction of somebody else is open that reads or writes in this database, in seconds since
/// 1970. A role that may not see what others do gets NULL.
pub(super) const OPEN: &str = "
    SELECT pg_catalog.min(extract(epoch FROM a.xact_start)::pg_catalog.float8)
    FROM pg_catalog.pg_stat_activity a
    WHERE a.datname = pg_catalog.current_database() AND a.pid <> pg_catalog.pg_backend_pid()
      AND a.backend_type = 'client backend' AND (a.backend_xid IS NOT NULL OR a.backend_xmin IS NOT NULL)";

/// Databases, and what is in this one, as `kind name`. A domain is a type, and stands as `domain` too where it refuses
/// values: a new column of such a one is written into every row. A function of which no form is volatile stands as
/// `steady function` too: a default that calls it is one value for all rows. Functions of extensions are left out: there may be thousands,
/// and they come and go with their extension.
pub(super) const OBJECTS: &str = "
    SELECT pg_catalog.concat('database ', d.datname) FROM pg_catalog.pg_database d
    UNION ALL
    SELECT pg_catalog.concat('schema ', n.nspname) FROM pg_catalog.pg_namespace n
    WHERE n.nspname !~ '^pg_(toast|temp)'::pg_catalog.text
    UNION ALL
    SELECT pg_catalog.concat('extension ', e.extname) FROM pg_catalog.pg_extension e
    UNION ALL
    SELECT pg_catalog.concat('type ', n.nspname, '.', t.typname)
    FROM pg_catalog.pg_type t JOIN pg_catalog.pg_namespace n ON n.oid = t.typnamespace
    WHERE n.nspname !~ '^pg_'::pg_catalog.text AND n.nspname <> 'information_schema' AND t.typcategory <> 'A'
      AND (t.typtype <> 'c' OR EXISTS (
          SELECT FROM pg_catalog.pg_class c WHERE c.oid = t.typrelid AND c.relkind = 'c'))
    UNION ALL
    SELECT pg_catalog.concat('domain ', n.nspname, '.', t.typname)
    FROM pg_catalog.pg_type t JOIN pg_catalog.pg_namespace n ON n.oid = t.typnamespace
    WHERE t.typtype = 'd' AND (t.typnotnull OR EXISTS (
        SELECT FROM pg_catalog.pg_constraint k WHERE k.contypid = t.oid))
      AND n.nspname !~ '^pg_'::pg_catalog.text AND n.nspname <> 'information_schema'
    UNION ALL
    SELECT pg_catalog.concat('sequence ', n.nspname, '.', c.relname)
    FROM pg_catalog.pg_class c JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace
    WHERE c.relkind = 'S' AND n.nspname !~ '^pg_'::pg_catalog.text
    UNION ALL
    SELECT pg_catalog.concat(CASE c.relkind WHEN 'v' THEN 'view ' WHEN 'm' THEN 'materialized view '
                                  WHEN 'i' THEN 'index ' WHEN 'I' THEN 'index ' ELSE 'table ' END,
                             n.nspname, '.', c.relname)
    FROM pg_catalog.pg_class c JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace
    WHERE c.relkind IN ('r', 'p', 'f', 'v', 'm', 'i', 'I') AND n.nspname !~ '^pg_'::pg_catalog.text
      AND n.nspname <> 'information_schema'
    UNION ALL
    SELECT pg_catalog.concat('constraint ', n.nspname, '.', k.conname)
    FROM pg_catalog.pg_constraint k JOIN pg_catalog.pg_namespace n ON n.oid = k.connamespace
    WHERE n.nspname !~ '^pg_'::pg_catalog.text AND n.nspname <> 'information_schema'
    UNION ALL
    SELECT pg_catalog.concat(kind, f.nspname, '.', f.proname)
    FROM (
        SELECT n.nspname, p.proname, pg_catalog.bool_and(p.provolatile <> 'v') AS steady
        FROM pg_catalog.pg_proc p JOIN pg_catalog.pg_namespace n ON n.oid = p.pronamespace
        WHERE n.nspname !~ '^pg_'::pg_catalog.text AND n.nspname <> 'information_schema' AND NOT EXISTS (
            SELECT FROM pg_catalog.pg_depend x
            WHERE x.classid = 'pg_catalog.pg_proc'::pg_catalog.regclass::pg_catalog.oid
              AND x.objid = p.oid AND x.deptype = 'e')
        GROUP BY n.nspname, p.proname) f
    JOIN (VALUES ('function ', false), ('steady function ', true)) AS kinds (kind, asks) ON f.steady OR NOT asks";

/// One row for each table that is there: its place among those asked for, from 1, and what is known of it. `$1` their
/// schemas (NULL: the path's), `$2` their names (an index stands for its table), `$3` the schemas of the path in order. What is counted and measured
/// stands by leaves: a partitioned table has nothing of its own.
pub(super) const TABLES: &str = "
    WITH found AS (
        SELECT asked.place, (
            SELECT coalesce((SELECT i.indrelid FROM pg_catalog.pg_index i WHERE i.indexrelid = c.oid), c.oid)
            FROM pg_catalog.pg_class c
            JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace
            LEFT JOIN pg_catalog.unnest($3::pg_catalog.name[]) WITH ORDINALITY AS path (schema, place)
                ON path.schema = n.nspname
            WHERE c.relname = asked.name
              AND CASE WHEN asked.schema IS NULL THEN path.place IS NOT NULL ELSE n.nspname = asked.schema END
            ORDER BY path.place LIMIT 1) AS oid
        FROM ROWS FROM (pg_catalog.unnest($1::pg_catalog.name[]), pg_catalog.unnest($2::pg_catalog.name[]))
             WITH ORDINALITY AS asked (schema, name, place))
    SELECT found.place, pg_catalog.jsonb_build_object(
        'schema', n.nspname, 'name', c.relname, 'kind', c.relkind,
        'owner', pg_catalog.pg_get_userbyid(c.relowner),
        'readable', pg_catalog.has_table_privilege(c.oid, 'SELECT'),
        'leaves', (
            SELECT pg_catalog.jsonb_agg(pg_catalog.jsonb_build_object(
                'schema', ln.nspname, 'name', l.relname, 'kind', l.relkind,
                'indexed', CASE WHEN c.relkind = 'p' THEN (
                    SELECT pg_catalog.jsonb_agg((
                        SELECT pg_catalog.jsonb_agg(coalesce(a.attname, '') ORDER BY key.place)
                        FROM pg_catalog.unnest(i.indkey::pg_catalog.int2[]) WITH ORDINALITY AS key (number, place)
                        LEFT JOIN pg_catalog.pg_attribute a ON a.attrelid = i.indrelid AND a.attnum = key.number
                        WHERE key.place <= i.indnkeyatts))
                    FROM pg_catalog.pg_index i JOIN pg_catalog.pg_class ic ON ic.oid = i.indexrelid
                    WHERE i.indrelid = l.oid AND NOT ic.relispartition) END,
                'tuples', l.reltuples, 'pages', l.relpages,
                'size', pg_catalog.pg_relation_size(l.oid::pg_catalog.regclass),
                'bytes', pg_catalog.pg_table_size(l.oid::pg_catalog.regclass),
                'index_bytes', pg_catalog.pg_indexes_size(l.oid::pg_catalog.regclass),
                'inserted', pg_catalog.pg_stat_get_tuples_inserted(l.oid),
                'updated', pg_catalog.pg_stat_get_tuples_updated(l.oid),
                'deleted', pg_catalog.pg_stat_get_tuples_deleted(l.oid),
                'written_since', pg_catalog.pg_stat_get_mod_since_analyze(l.oid),
                'analysed', extract(epoch FROM GREATEST(pg_catalog.pg_stat_get_last_analyze_time(l.oid),
                    pg_catalog.pg_stat_get_last_autoanalyze_time(l.oid)))::pg_catalog.float8)
                ORDER BY ln.nspname, l.relname)
            FROM pg_catalog.pg_class l JOIN pg_catalog.pg_namespace ln ON ln.oid = l.relnamespace
            WHERE l.oid IN (
                SELECT c.oid WHERE c.relkind <> 'p'
                UNION ALL
                SELECT t.relid::pg_catalog.oid FROM pg_catalog.pg_partition_tree(c.oid::pg_catalog.regclass) t
                WHERE c.relkind = 'p' AND t.isleaf)),
        'columns', (
            SELECT pg_catalog.jsonb_agg(pg_catalog.jsonb_build_object(
                'name', a.attname, 'ty', pg_catalog.format_type(a.atttypid, a.atttypmod),
                'not_null', a.attnotnull,
                'default', CASE WHEN a.attgenerated = '' THEN pg_catalog.pg_get_expr(d.adbin, d.adrelid) END,
                'null_fraction', s.null_frac,
                'counter', (
                    SELECT pg_catalog.jsonb_build_object('most', q.seqmax, 'last',
                        CASE WHEN pg_catalog.has_sequence_privilege(q.seqrelid, 'SELECT, USAGE')
                             THEN pg_catalog.pg_sequence_last_value(q.seqrelid::pg_catalog.regclass) END)
                    FROM pg_catalog.pg_depend x JOIN pg_catalog.pg_sequence q ON q.seqrelid = x.objid
                    WHERE x.classid = 'pg_catalog.pg_class'::pg_catalog.regclass::pg_catalog.oid
                      AND x.refclassid = 'pg_catalog.pg_class'::pg_catalog.regclass::pg_catalog.oid
                      AND x.refobjid = c.oid AND x.refobjsubid = a.attnum
                      AND (x.deptype = 'a' OR x.deptype = 'i') LIMIT 1),
                'unproved', EXISTS (SELECT FROM pg_catalog.pg_constraint k WHERE k.conrelid = c.oid
                    AND k.contype = 'n' AND NOT k.convalidated AND a.attnum = ANY (k.conkey)))
                ORDER BY a.attnum)
            FROM pg_catalog.pg_attribute a
            LEFT JOIN pg_catalog.pg_attrdef d ON d.adrelid = a.attrelid AND d.adnum = a.attnum
            LEFT JOIN pg_catalog.pg_stats s ON s.schemaname = n.nspname AND s.tablename = c.relname
                AND s.attname = a.attname AND s.inherited = (c.relkind = 'p')
            WHERE a.attrelid = c.oid AND a.attnum > 0 AND NOT a.attisdropped),
        'constraints', (
            SELECT pg_catalog.jsonb_agg(pg_catalog.jsonb_build_object(
                'name', k.conname, 'kind', k.contype, 'validated', k.convalidated,
                'definition', pg_catalog.pg_get_constraintdef(k.oid),
                'columns', (
                    SELECT pg_catalog.jsonb_agg(a.attname ORDER BY key.place)
                    FROM pg_catalog.unnest(k.conkey) WITH ORDINALITY AS key (number, place)
                    JOIN pg_catalog.pg_attribute a ON a.attrelid = k.conrelid AND a.attnum = key.number))
                ORDER BY k.conname)
            FROM pg_catalog.pg_constraint k WHERE k.conrelid = c.oid),
        'indexes', (
            SELECT pg_catalog.jsonb_agg(pg_catalog.jsonb_build_object(
                'name', ic.relname, 'valid', i.indisvalid, 'unique', i.indisunique,
                'partial', i.indpred IS NOT NULL,
                'definition', pg_catalog.pg_get_indexdef(i.indexrelid),
                'columns', (
                    SELECT pg_catalog.jsonb_agg(coalesce(a.attname, '') ORDER BY key.place)
                    FROM pg_catalog.unnest(i.indkey::pg_catalog.int2[]) WITH ORDINALITY AS key (number, place)
                    LEFT JOIN pg_catalog.pg_attribute a ON a.attrelid = i.indrelid AND a.attnum = key.number
                    WHERE key.place <= i.indnkeyatts))
                ORDER BY ic.relname)
            FROM pg_catalog.pg_index i JOIN pg_catalog.pg_class ic ON ic.oid = i.indexrelid
            WHERE i.indrelid = c.oid),
        'referring', (
            SELECT pg_catalog.jsonb_agg(pg_catalog.jsonb_build_object(
                'table', pg_catalog.jsonb_build_object('schema', rn.nspname, 'name', r.relname),
                'column', own.attname, 'ty', pg_catalog.format_type(own.atttypid, own.atttypmod), 'to', their.attname)
                ORDER BY rn.nspname, r.relname, own.attname)
            FROM pg_catalog.pg_constraint k
            JOIN pg_catalog.pg_class r ON r.oid = k.conrelid
            JOIN pg_catalog.pg_namespace rn ON rn.oid = r.relnamespace
            CROSS JOIN LATERAL ROWS FROM (pg_catalog.unnest(k.conkey), pg_catalog.unnest(k.confkey)) AS pair (own, their)
            JOIN pg_catalog.pg_attribute own ON own.attrelid = k.conrelid AND own.attnum = pair.own
            JOIN pg_catalog.pg_attribute their ON their.attrelid = k.confrelid AND their.attnum = pair.their
            WHERE k.contype = 'f' AND k.confrelid = c.oid AND k.conparentid = '0' AND k.oid IN (
                -- No index of pg_constraint tells who refers to a table; this one does.
                SELECT x.objid FROM pg_catalog.pg_depend x
                WHERE x.classid = 'pg_catalog.pg_constraint'::pg_catalog.regclass::pg_catalog.oid
                  AND x.refclassid = 'pg_catalog.pg_class'::pg_catalog.regclass::pg_catalog.oid
                  AND x.refobjid = c.oid)))
    FROM found
    JOIN pg_catalog.pg_class c ON c.oid = found.oid
    JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace";

/// [`TABLES`]' row.
#[derive(Debug, Deserialize)]
pub(super) struct TableRow {
    schema: String,
    name: String,
    kind: String,
    owner: String,
    readable: bool,
    leaves: Option<Vec<Leaf>>,
    columns: Option<Vec<Column>>,
    constraints: Option<Vec<Constraint>>,
    indexes: Option<Vec<Index>>,
    referring: Option<Vec<facts::Referring>>,
}

/// The table itself, or a partition without partitions.
#[derive(Debug, Deserialize)]
struct Leaf {
    schema: String,
    name: String,
    kind: String,
    indexed: Option<Vec<Vec<String>>>,
    /// Rows at the last ANALYZE; -1 (since PostgreSQL 14) or 0 with no pages: never counted.
    tuples: f64,
    /// Pages at the last ANALYZE.
    pages: f64,
    /// The heap now, in bytes; NULL for what was dropped meanwhile.
    size: Option<u64>,
    bytes: Option<u64>,
    index_bytes: Option<u64>,
    inserted: f64,
    updated: f64,
    deleted: f64,
    /// Rows written since the last ANALYZE.
    written_since: Option<f64>,
    analysed: Option<f64>,
}

#[derive(Debug, Deserialize)]
struct Column {
    name: String,
    ty: String,
    not_null: bool,
    default: Option<String>,
    null_fraction: Option<f64>,
    counter: Option<facts::Counter>,
    /// Its NOT NULL is NOT VALID (PostgreSQL 18): old rows may have NULLs.
    unproved: bool,
}

#[derive(Debug, Deserialize)]
struct Constraint {
    name: String,
    kind: String,
    validated: bool,
    definition: String,
    columns: Option<Vec<String>>,
}

#[derive(Debug, Deserialize)]
struct Index {
    name: String,
    valid: bool,
    unique: bool,
    partial: bool,
    definition: String,
    columns: Option<Vec<String>>,
}

impl TableRow {
    /// Whether a look for a first row is possible and cheap: views run queries, foreign tables ask others.
    pub(super) fn can_be_looked_into(&self) -> bool {
        self.readable && matches!(self.kind.as_str(), "r" | "p" | "m")
    }

    pub(super) fn resolved(&self) -> Name {
        Name::qualified(&self.schema, &self.name)
    }

    pub(super) fn table(&self, server: &ServerRow) -> Table {
        let leaves = self.leaves.as_deref().unwrap_or_default();
        let sum = |bytes: fn(&Leaf) -> Option<u64>| leaves.iter().filter_map(bytes).sum();
        Table {
            exists: true,
            resolved: Some(self.resolved()),
            kind: relation_kind(&self.kind).to_owned(),
            owner: self.owner.clone(),
            rows: match self.kind.as_str() {
                "r" | "p" | "m" => leaves.iter().map(|l| l.rows(server.block_size)).sum(),
                _ => None,
            },
            has_rows: None,
            bytes: sum(|l| l.bytes),
            index_bytes: sum(|l| l.index_bytes),
            writes_per_second: writes_per_second(leaves, server),
            analysed_seconds_ago: analysed_seconds_ago(leaves, server.now),
            written_since_analysed: leaves.iter().map(|l| l.written_since.map(|n| n as u64)).sum(),
            columns: self.columns.iter().flatten().map(Column::facts).collect(),
            constraints: self.constraints.iter().flatten().map(Constraint::facts).collect(),
            indexes: self.indexes.iter().flatten().map(Index::facts).collect(),
            leaves: leaves.iter().filter(|_| self.kind == "p").map(Leaf::facts).collect(),
            referring: self.referring.clone().unwrap_or_default(),
        }
    }
}

impl Leaf {
    fn facts(&self) -> LeafFacts {
        LeafFacts {
            name: Name::qualified(&self.schema, &self.name),
            kind: relation_kind(&self.kind).to_owned(),
            indexed: self.indexed.clone().unwrap_or_default(),
        }
    }

    /// As the planner counts: the density at the last ANALYZE times the pages of now. No pages, no rows.
    fn rows(&self, block_size: u64) -> Option<u64> {
        let pages = self.size? as f64 / block_size.max(1) as f64;
        if pages == 0.0 {
            return Some(0);
        }
        if self.tuples < 0.0 || self.pages <= 0.0 {
            return None;
        }
        Some((self.tuples / self.pages * pages).round() as u64)
    }
}

fn writes_per_second(leaves: &[Leaf], server: &ServerRow) -> Option<f64> {
    let seconds = server.now - server.counted_since?;
    let written: f64 = leaves.iter().map(|l| l.inserted + l.updated + l.deleted).sum();
    // A rate over a moment says nothing.
    (seconds >= 1.0).then(|| written / seconds)
}

/// Of several partitions the one that was analysed longest ago; `None` if one never was.
fn analysed_seconds_ago(leaves: &[Leaf], now: f64) -> Option<u64> {
    let oldest =
        leaves.iter().map(|l| l.analysed).collect::<Option<Vec<_>>>()?.into_iter().reduce(f64::min)?;
    Some((now - oldest).max(0.0) as u64)
}

impl Column {
    fn facts(&self) -> ColumnFacts {
        let proved = self.not_null && !self.unproved;
        let seen = self.null_fraction.is_some_and(|f| f > 0.0);
        ColumnFacts {
            name: self.name.clone(),
            ty: self.ty.clone(),
            not_null: self.not_null,
            default: self.default.clone(),
            null_fraction: self.null_fraction,
            counter: self.counter.clone(),
            has_nulls: match (proved, seen) {
                (true, _) => Some(false),
                (false, true) => Some(true),
                (false, false) => None,
            },
        }
    }
}

impl Constraint {
    fn facts(&self) -> ConstraintFacts {
        ConstraintFacts {
            name: self.name.clone(),
            kind: match self.kind.as_str() {
                "c" => "check",
                "f" => "foreign key",
                "p" => "primary key",
                "u" => "unique",
                "x" => "exclude",
                "n" => "not null",
                "t" => "trigger",
                other => other,
            }
            .to_owned(),
            validated: self.validated,
            definition: self.definition.clone(),
            columns: self.columns.clone().unwrap_or_default(),
        }
    }
}

impl Index {
    fn facts(&self) -> IndexFacts {
        IndexFacts {
            name: self.name.clone(),
            valid: self.valid,
            unique: self.unique,
            partial: self.partial,
            columns: self.columns.clone().unwrap_or_default(),
            definition: self.definition.clone(),
        }
    }
}

/// `pg_class.relkind` in words.
fn relation_kind(letter: &str) -> &str {
    match letter {
        "r" => "table",
        "p" => "partitioned table",
        "v" => "view",
        "m" => "materialized view",
        "f" => "foreign table",
        "S" => "sequence",
        "i" => "index",
        "I" => "partitioned index",
        "c" => "composite type",
        "t" => "TOAST table",
        other => other,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn leaf(tuples: f64, pages: f64, size: u64) -> Leaf {
        Leaf {
            schema: String::new(),
            name: String::new(),
            kind: "r".into(),
            indexed: None,
            tuples,
            pages,
            size: Some(size),
            bytes: None,
            index_bytes: None,
            inserted: 0.0,
            updated: 0.0,
            deleted: 0.0,
            written_since: None,
            analysed: None,
        }
    }

    #[test]
    fn rows_by_density() {
        for (tuples, pages, size, expected) in [
            (100.0, 1.0, 8192, Some(100)),
            (100.0, 1.0, 3 * 8192, Some(300)),
            (100.0, 2.0, 8192, Some(50)),
            (-1.0, 0.0, 8192, None),
            // Before PostgreSQL 14 what was never counted is zero.
            (0.0, 0.0, 8192, None),
            (0.0, 0.0, 0, Some(0)),
            (-1.0, 0.0, 0, Some(0)),
            // Counted when it was empty of rows but not of pages.
            (0.0, 5.0, 5 * 8192, Some(0)),
        ] {
            assert_eq!(leaf(tuples, pages, size).rows(8192), expected, "{tuples} {pages} {size}");
        }
    }
}
