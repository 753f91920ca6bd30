//! The schema of a database as a list of objects, from the catalog alone.

use tokio_postgres::{Client, Row};

use cofferdam_core::fault::Result;

use super::super::errors;
use crate::rehearsal::Object;

const DOING: &str = "reading the schema";

/// Names are printed with their schemas, and nothing of anybody else is found in place of the server's own.
const BEGIN: &str =
    "BEGIN READ ONLY; SET LOCAL search_path = pg_catalog, pg_temp; SET LOCAL statement_timeout = '60s'";

/// The objects of people: not of the server, not of an extension, not of Cofferdam.
const OWN: &str = r"
ext AS MATERIALIZED (SELECT classid, objid FROM pg_depend WHERE deptype = 'e'),
own AS MATERIALIZED (
    SELECT n.oid, n.nspname FROM pg_namespace n
    WHERE n.nspname !~ '^pg_' AND n.nspname <> 'information_schema' AND n.nspname !~ '^cofferdam(_|$)'),
rel AS MATERIALIZED (
    SELECT c.oid, c.relname, c.relkind, c.relpersistence, c.reloptions, c.relispartition, c.relpartbound,
           c.relrowsecurity, c.relforcerowsecurity, own.nspname,
           format('%I.%I', own.nspname, c.relname) AS whole,
           CASE WHEN c.reloptions IS NULL THEN '' ELSE ' WITH (' || array_to_string(c.reloptions, ', ') || ')' END AS options
    FROM pg_class c JOIN own ON own.oid = c.relnamespace
    WHERE NOT EXISTS (SELECT FROM ext WHERE classid = 'pg_class'::regclass AND objid = c.oid)),
tab AS MATERIALIZED (SELECT * FROM rel WHERE relkind IN ('r', 'p')),
seq AS MATERIALIZED (
    SELECT r.oid, r.whole, d.refobjid, d.refobjsubid, d.deptype,
           format('AS %s START WITH %s INCREMENT BY %s MINVALUE %s MAXVALUE %s CACHE %s', format_type(s.seqtypid, NULL),
               s.seqstart, s.seqincrement, s.seqmin, s.seqmax, s.seqcache)
               || CASE WHEN s.seqcycle THEN ' CYCLE' ELSE '' END AS settings,
           format('SEQUENCE NAME %s START WITH %s INCREMENT BY %s MINVALUE %s MAXVALUE %s CACHE %s', r.whole, s.seqstart,
               s.seqincrement, s.seqmin, s.seqmax, s.seqcache)
               || CASE WHEN s.seqcycle THEN ' CYCLE' ELSE '' END AS identity,
           CASE WHEN has_sequence_privilege(r.oid, 'SELECT, USAGE') THEN pg_sequence_last_value(r.oid) END AS last
    FROM rel r JOIN pg_sequence s ON s.seqrelid = r.oid
    LEFT JOIN pg_depend d ON d.classid = 'pg_class'::regclass AND d.objid = r.oid
        AND d.refclassid = 'pg_class'::regclass AND d.deptype IN ('a', 'i') AND d.refobjsubid > 0
    WHERE r.relkind = 'S'),
col AS MATERIALIZED (
    SELECT t.oid, t.whole, a.attnum, a.attname,
        format_type(a.atttypid, a.atttypmod)
        || CASE WHEN a.attcollation <> ty.typcollation
                THEN (SELECT format(' COLLATE %I.%I', cn.nspname, co.collname) FROM pg_collation co
                      JOIN pg_namespace cn ON cn.oid = co.collnamespace WHERE co.oid = a.attcollation) ELSE '' END
        || CASE WHEN a.attgenerated = 's' THEN format(' GENERATED ALWAYS AS (%s) STORED', pg_get_expr(d.adbin, d.adrelid))
                WHEN a.attgenerated = 'v' THEN format(' GENERATED ALWAYS AS (%s) VIRTUAL', pg_get_expr(d.adbin, d.adrelid))
                WHEN d.adbin IS NOT NULL THEN ' DEFAULT ' || pg_get_expr(d.adbin, d.adrelid) ELSE '' END AS ty,
        CASE WHEN a.attidentity = '' THEN '' ELSE format(' GENERATED %s AS IDENTITY (%s)',
            CASE a.attidentity WHEN 'a' THEN 'ALWAYS' ELSE 'BY DEFAULT' END, seq.identity) END AS identity,
        a.attnotnull AND nn.valid IS NOT FALSE AS not_null, nn.conname AS not_null_name, t.relispartition
    FROM tab t JOIN pg_attribute a ON a.attrelid = t.oid AND a.attnum > 0 AND NOT a.attisdropped
    JOIN pg_type ty ON ty.oid = a.atttypid
    LEFT JOIN pg_attrdef d ON d.adrelid = a.attrelid AND d.adnum = a.attnum
    LEFT JOIN seq ON seq.refobjid = t.oid AND seq.refobjsubid = a.attnum AND seq.deptype = 'i'
    LEFT JOIN (SELECT k.conrelid, k.conkey, min(k.conname) AS conname, bool_or(k.convalidated) AS valid
               FROM pg_constraint k WHERE k.contype = 'n' GROUP BY 1, 2) nn
        ON nn.conrelid = t.oid AND a.attnum = ANY (nn.conkey))";

/// Each a query of: place in the order of making, name, what it is, what makes it, whether it cannot be made.
const OBJECTS: &[&str] = &[
    "SELECT 1, format('schema %I', nspname), '', ARRAY[format('CREATE SCHEMA IF NOT EXISTS %I', nspname)], false FROM own",
    "SELECT 2, format('extension %I', e.extname), '', ARRAY[
        format('CREATE EXTENSION IF NOT EXISTS %I SCHEMA %I CASCADE', e.extname, n.nspname)], false
     FROM pg_extension e JOIN pg_namespace n ON n.oid = e.extnamespace WHERE e.extname <> 'plpgsql'",
    "SELECT 3, format('type %I.%I', own.nspname, t.typname), x.labels,
        ARRAY[format('CREATE TYPE %I.%I AS %s', own.nspname, t.typname, x.labels)], false
     FROM pg_type t JOIN own ON own.oid = t.typnamespace
     CROSS JOIN LATERAL (SELECT format('ENUM (%s)', coalesce(string_agg(quote_literal(e.enumlabel), ', '
         ORDER BY e.enumsortorder), '')) AS labels FROM pg_enum e WHERE e.enumtypid = t.oid) x
     WHERE t.typtype = 'e' AND NOT EXISTS (SELECT FROM ext WHERE classid = 'pg_type'::regclass AND objid = t.oid)",
    "SELECT 4, format('type %I.%I', own.nspname, t.typname), x.parts,
        ARRAY[format('CREATE TYPE %I.%I AS (%s)', own.nspname, t.typname, x.parts)], false
     FROM pg_type t JOIN own ON own.oid = t.typnamespace JOIN pg_class c ON c.oid = t.typrelid AND c.relkind = 'c'
     CROSS JOIN LATERAL (SELECT coalesce(string_agg(format('%I %s', a.attname, format_type(a.atttypid, a.atttypmod)), ', '
         ORDER BY a.attnum), '') AS parts FROM pg_attribute a WHERE a.attrelid = c.oid AND a.attnum > 0 AND NOT a.attisdropped) x
     WHERE t.typtype = 'c' AND NOT EXISTS (SELECT FROM ext WHERE classid = 'pg_type'::regclass AND objid = t.oid)",
    "SELECT 4, format('type %I.%I', own.nspname, t.typname), x.is,
        ARRAY[format('CREATE DOMAIN %I.%I AS %s', own.nspname, t.typname, x.is)] || x.checks, false
     FROM pg_type t JOIN own ON own.oid = t.typnamespace
     CROSS JOIN LATERAL (SELECT format_type(t.typbasetype, t.typtypmod)
         || coalesce(' DEFAULT ' || t.typdefault, '') || CASE WHEN t.typnotnull THEN ' NOT NULL' ELSE '' END AS is,
         ARRAY(SELECT format('ALTER DOMAIN %I.%I ADD CONSTRAINT %I %s', own.nspname, t.typname, k.conname,
             pg_get_constraintdef(k.oid)) FROM pg_constraint k WHERE k.contypid = t.oid AND k.contype = 'c'
             ORDER BY k.conname) AS checks) x
     WHERE t.typtype = 'd' AND NOT EXISTS (SELECT FROM ext WHERE classid = 'pg_type'::regclass AND objid = t.oid)",
    "SELECT 4, format('constraint %I on type %I.%I', k.conname, own.nspname, t.typname), pg_get_constraintdef(k.oid),
        '{}'::text[], false
     FROM pg_constraint k JOIN pg_type t ON t.oid = k.contypid JOIN own ON own.oid = t.typnamespace WHERE k.contype = 'c'",
    "SELECT 4, format('type %I.%I', own.nspname, t.typname), x.is,
        ARRAY[format('CREATE TYPE %I.%I AS %s', own.nspname, t.typname, x.is)], false
     FROM pg_type t JOIN own ON own.oid = t.typnamespace JOIN pg_range r ON r.rngtypid = t.oid
     CROSS JOIN LATERAL (SELECT format('RANGE (SUBTYPE = %s)', format_type(r.rngsubtype, NULL)) AS is) x
     WHERE t.typtype = 'r' AND NOT EXISTS (SELECT FROM ext WHERE classid = 'pg_type'::regclass AND objid = t.oid)",
    "SELECT 5, 'sequence ' || whole, settings, ARRAY[format('CREATE SEQUENCE %s %s', whole, settings)]
        || CASE WHEN last IS NULL THEN '{}'::text[] ELSE ARRAY[format('SELECT pg_catalog.setval(%L, %s)', whole, last)] END,
        false
     FROM seq WHERE deptype IS DISTINCT FROM 'i'",
    "SELECT 6, format('%s %s', CASE p.prokind WHEN 'p' THEN 'procedure' WHEN 'a' THEN 'aggregate' ELSE 'function' END,
        p.oid::regprocedure), CASE WHEN p.prokind = 'a' THEN 'aggregate' ELSE pg_get_functiondef(p.oid) END,
        CASE WHEN p.prokind = 'a' THEN '{}' ELSE ARRAY[pg_get_functiondef(p.oid)] END, p.prokind = 'a'
     FROM pg_proc p JOIN own ON own.oid = p.pronamespace
     WHERE NOT EXISTS (SELECT FROM ext WHERE classid = 'pg_proc'::regclass AND objid = p.oid)
       AND NOT EXISTS (SELECT FROM pg_depend d WHERE d.classid = 'pg_proc'::regclass AND d.objid = p.oid AND d.deptype = 'i')",
    "SELECT 7, 'table ' || t.whole, x.is, ARRAY[format('CREATE %sTABLE %s (%s)%s%s',
            CASE WHEN t.relpersistence = 'u' THEN 'UNLOGGED ' ELSE '' END, t.whole, coalesce(x.columns, ''), x.parts, t.options)]
        || CASE WHEN t.relrowsecurity THEN ARRAY[format('ALTER TABLE %s ENABLE ROW LEVEL SECURITY', t.whole)] ELSE '{}' END
        || CASE WHEN t.relforcerowsecurity THEN ARRAY[format('ALTER TABLE %s FORCE ROW LEVEL SECURITY', t.whole)] ELSE '{}' END,
        false
     FROM tab t CROSS JOIN LATERAL (
        SELECT CASE WHEN t.relkind = 'p' THEN ' PARTITION BY ' || pg_get_partkeydef(t.oid) ELSE '' END AS parts,
            format('%s%s%s%s%s', CASE WHEN t.relpersistence = 'u' THEN 'unlogged ' ELSE '' END,
                CASE WHEN t.relkind = 'p' THEN 'PARTITION BY ' || pg_get_partkeydef(t.oid) ELSE '' END, t.options,
                CASE WHEN t.relrowsecurity THEN ' row security' ELSE '' END,
                CASE WHEN t.relforcerowsecurity THEN ' forced' ELSE '' END) AS is,
            (SELECT string_agg(format('%I %s%s%s', attname, ty, CASE WHEN relispartition THEN '' ELSE identity END,
                CASE WHEN not_null THEN coalesce(' CONSTRAINT ' || quote_ident(not_null_name), '') || ' NOT NULL' ELSE '' END), ', '
                ORDER BY attnum) FROM col WHERE col.oid = t.oid) AS columns) x",
    "SELECT 7, format('column %s.%I', whole, attname), ty || identity || CASE WHEN not_null THEN ' NOT NULL' ELSE '' END,
        '{}'::text[], false FROM col",
    "SELECT 7, 'foreign table ' || whole, '', '{}'::text[], true FROM rel WHERE relkind = 'f'",
    "SELECT 8, 'value of the sequence ' || whole, '', ARRAY[format('SELECT pg_catalog.setval(%L, %s)', whole, last)], false
     FROM seq WHERE deptype = 'i' AND last IS NOT NULL",
    "SELECT 8, 'owner of the sequence ' || seq.whole, col.whole || '.' || col.attname,
        ARRAY[format('ALTER SEQUENCE %s OWNED BY %s.%I', seq.whole, col.whole, col.attname)], false
     FROM seq JOIN col ON col.oid = seq.refobjid AND col.attnum = seq.refobjsubid WHERE seq.deptype = 'a'",
    "SELECT 9, format('constraint %I on %s', k.conname, t.whole), pg_get_constraintdef(k.oid),
        ARRAY[format('ALTER TABLE %s ADD CONSTRAINT %I %s', t.whole, k.conname, pg_get_constraintdef(k.oid))], false
     FROM pg_constraint k JOIN tab t ON t.oid = k.conrelid
     WHERE k.contype = 'c' OR (k.contype = 'n' AND NOT k.convalidated)",
    "SELECT 10, format('partition %s', t.whole), format('of %s %s', p.oid::regclass, pg_get_expr(t.relpartbound, t.oid)),
        ARRAY[format('ALTER TABLE %s ATTACH PARTITION %s %s', p.oid::regclass, t.whole, pg_get_expr(t.relpartbound, t.oid))],
        false
     FROM tab t JOIN pg_inherits i ON i.inhrelid = t.oid JOIN pg_class p ON p.oid = i.inhparent WHERE t.relispartition",
    "SELECT 10, format('inheritance %s of %s', t.whole, i.inhparent::regclass), '',
        ARRAY[format('ALTER TABLE %s INHERIT %s', t.whole, i.inhparent::regclass)], false
     FROM tab t JOIN pg_inherits i ON i.inhrelid = t.oid WHERE NOT t.relispartition",
    "SELECT 11, format('constraint %I on %s', k.conname, t.whole), pg_get_constraintdef(k.oid),
        ARRAY[format('ALTER TABLE %s%s ADD CONSTRAINT %I %s', CASE WHEN t.relkind = 'p' THEN 'ONLY ' ELSE '' END, t.whole,
            k.conname, pg_get_constraintdef(k.oid))], false
     FROM pg_constraint k JOIN tab t ON t.oid = k.conrelid WHERE k.contype IN ('p', 'u', 'x')",
    "SELECT 11, format('index %s', r.whole), pg_get_indexdef(i.indexrelid)
            || CASE WHEN i.indisvalid THEN '' ELSE ' (invalid)' END,
        ARRAY[pg_get_indexdef(i.indexrelid)], false
     FROM pg_index i JOIN rel r ON r.oid = i.indexrelid JOIN rel t ON t.oid = i.indrelid
     WHERE NOT EXISTS (SELECT FROM pg_constraint k WHERE k.conindid = i.indexrelid AND k.contype IN ('p', 'u', 'x'))",
    "SELECT 12, format('part %s of the index', r.whole), p.whole,
        ARRAY[format('ALTER INDEX %s ATTACH PARTITION %s', p.whole, r.whole)], false
     FROM rel r JOIN pg_inherits i ON i.inhrelid = r.oid JOIN rel p ON p.oid = i.inhparent WHERE r.relkind IN ('i', 'I')",
    "SELECT 13, format('constraint %I on %s', k.conname, t.whole), pg_get_constraintdef(k.oid),
        ARRAY[format('ALTER TABLE %s ADD CONSTRAINT %I %s', t.whole, k.conname, pg_get_constraintdef(k.oid))], false
     FROM pg_constraint k JOIN tab t ON t.oid = k.conrelid WHERE k.contype = 'f' AND k.conparentid = 0",
    "SELECT 14, format('%sview %s', CASE relkind WHEN 'm' THEN 'materialized ' ELSE '' END, whole), pg_get_viewdef(oid),
        ARRAY[format('CREATE %sVIEW %s%s AS %s', CASE relkind WHEN 'm' THEN 'MATERIALIZED ' ELSE '' END, whole, options,
            rtrim(pg_get_viewdef(oid), ';'))], false
     FROM rel WHERE relkind IN ('v', 'm')",
    "SELECT 15, format('trigger %I on %s', t.tgname, r.whole), pg_get_triggerdef(t.oid)
            || CASE t.tgenabled WHEN 'O' THEN '' ELSE format(' (%s)', t.tgenabled) END,
        ARRAY[pg_get_triggerdef(t.oid)]
        || CASE t.tgenabled WHEN 'O' THEN '{}' ELSE ARRAY[format('ALTER TABLE %s %s TRIGGER %I', r.whole,
            CASE t.tgenabled WHEN 'D' THEN 'DISABLE' WHEN 'A' THEN 'ENABLE ALWAYS' ELSE 'ENABLE REPLICA' END, t.tgname)] END,
        false
     FROM pg_trigger t JOIN rel r ON r.oid = t.tgrelid
     WHERE NOT t.tgisinternal AND coalesce((to_jsonb(t) ->> 'tgparentid')::oid, 0) = 0",
    "SELECT 15, format('rule %I on %s', w.rulename, r.whole), pg_get_ruledef(w.oid), ARRAY[pg_get_ruledef(w.oid)], false
     FROM pg_rewrite w JOIN rel r ON r.oid = w.ev_class WHERE w.rulename <> '_RETURN'",
    "SELECT 15, format('policy %I on %I.%I', p.policyname, p.schemaname, p.tablename), x.is,
        ARRAY[format('CREATE POLICY %I ON %I.%I %s', p.policyname, p.schemaname, p.tablename, x.is)], false
     FROM pg_policies p JOIN own ON own.nspname = p.schemaname
     CROSS JOIN LATERAL (SELECT format('AS %s FOR %s TO %s', p.permissive, p.cmd,
            (SELECT string_agg(CASE WHEN role = 'public' THEN 'PUBLIC' ELSE quote_ident(role) END, ', ') FROM unnest(p.roles) role))
        || coalesce(' USING (' || p.qual || ')', '') || coalesce(' WITH CHECK (' || p.with_check || ')', '') AS is) x",
    "SELECT 15, format('statistics %I.%I', own.nspname, s.stxname), pg_get_statisticsobjdef(s.oid),
        ARRAY[pg_get_statisticsobjdef(s.oid)], false
     FROM pg_statistic_ext s JOIN own ON own.oid = s.stxnamespace",
];

/// The schema of the database, in an order in which it can be made. Reads only, in one snapshot.
pub(in super::super) async fn schema(client: &Client) -> Result<Vec<Object>> {
    client.batch_execute(BEGIN).await.map_err(|e| errors::fault(e, DOING))?;
    let read = inside(client).await;
    let ended = client.batch_execute("ROLLBACK").await.map_err(|e| errors::fault(e, DOING));
    let read = read?;
    ended.map(|()| read)
}

/// The same inside of a transaction that is open already. Its `search_path` is as before afterwards.
pub(super) async fn inside(client: &Client) -> Result<Vec<Object>> {
    let query = format!(
        "WITH {OWN} SELECT * FROM ({}) o (place, name, is_, make, alien) ORDER BY 1, 2",
        OBJECTS.join("\nUNION ALL\n")
    );
    let rows = client.query_typed(&query, &[]).await.map_err(|e| errors::fault(e, DOING))?;
    Ok(rows.iter().map(object).collect())
}

fn object(row: &Row) -> Object {
    Object { name: row.get(1), is: row.get(2), make: row.get(3), foreign: row.get(4) }
}
