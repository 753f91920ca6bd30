//! The queries by which tables and views are read, and all that stands on them. See [`super::queries`].

use super::queries::{COUNTER, COUNTING, OURS, Rights, Shape, collation, free};

/// A query for each kind of object.
pub(super) fn all(major: u32) -> Vec<String> {
    vec![
        tables(),
        columns(major),
        defaults(),
        ownerships(),
        constraints(),
        indexes(),
        table_attachments(),
        index_attachments(),
        views(),
        materialized_views(),
        statistics(major),
        rules(),
        triggers(major),
        policies(),
    ]
}

/// Tables of the application, as `c` in schema `n`.
fn table() -> String {
    format!(
        "c.relkind IN ('r', 'p') AND c.relpersistence <> 't' AND c.reloftype = 0 AND {OURS} AND {}",
        free("pg_class", "c.oid")
    )
}

/// The same, and views.
fn relation() -> String {
    format!(
        "c.relkind IN ('r', 'p', 'v', 'm') AND c.relpersistence <> 't' AND c.reloftype = 0 AND {OURS} AND {}",
        free("pg_class", "c.oid")
    )
}

const SPACE: &str = "(SELECT ts.spcname FROM pg_tablespace ts WHERE ts.oid = c.reltablespace)";
const METHOD: &str = "(SELECT am.amname FROM pg_am am WHERE am.oid = c.relam AND am.amname <> 'heap')";
const IN_SCHEMA: &str = "JOIN pg_namespace n ON n.oid = c.relnamespace";

fn tables() -> String {
    let body = format!(
        "json_build_object('table', json_build_object('unlogged', c.relpersistence = 'u',
            'partition_by', CASE WHEN c.relkind = 'p' THEN pg_get_partkeydef(c.oid) END,
            'parents', (SELECT coalesce(json_agg(json_build_array(pn.nspname, pc.relname) ORDER BY h.inhseqno), '[]')
                FROM pg_inherits h JOIN pg_class pc ON pc.oid = h.inhparent JOIN pg_namespace pn
                ON pn.oid = pc.relnamespace WHERE h.inhrelid = c.oid),
            'partition', c.relispartition,
            'options', (SELECT coalesce(json_agg(o), '[]') FROM (SELECT unnest(c.reloptions) AS o UNION ALL
                SELECT 'toast.' || unnest(tc.reloptions) FROM pg_class tc WHERE tc.oid = c.reltoastrelid) oo),
            'method', {METHOD}, 'tablespace', {SPACE},
            'row_security', c.relrowsecurity, 'force_row_security', c.relforcerowsecurity,
            'replica_identity', c.relreplident))"
    );
    Shape {
        class: "pg_class",
        oid: "c.oid",
        part: "0",
        kind: "'table'",
        schema: "n.nspname",
        on: "''",
        name: "c.relname",
        body: &body,
        rights: Some(Rights { acl: "c.relacl", kind: 'r', owner: "c.relowner" }),
        rest: &format!("pg_class c {IN_SCHEMA} WHERE {}", table()),
    }
    .query()
}

fn columns(major: u32) -> String {
    let compression = if major >= 14 {
        "CASE a.attcompression WHEN 'p' THEN 'pglz' WHEN 'l' THEN 'lz4' END"
    } else {
        "NULL"
    };
    let body = format!(
        "json_build_object('column', json_build_object('position', a.attnum,
            'ty', format_type(a.atttypid, a.atttypmod), 'collation', {collation}, 'not_null', a.attnotnull,
            'generated', CASE WHEN a.attgenerated <> '' THEN json_build_object(
                'expression', pg_get_expr(d.adbin, d.adrelid), 'is_virtual', a.attgenerated = 'v') END,
            'identity', CASE WHEN a.attidentity <> '' THEN (SELECT json_build_object('always', a.attidentity = 'a',
                'sequence', json_build_array(sn.nspname, sc.relname), 'counter', {COUNTER})
                FROM pg_depend sd JOIN pg_class sc ON sc.oid = sd.objid AND sc.relkind = 'S'
                JOIN pg_namespace sn ON sn.oid = sc.relnamespace JOIN {COUNTING} s ON s.seqrelid = sc.oid
                WHERE sd.classid = 'pg_class'::regclass AND sd.refclassid = 'pg_class'::regclass
                  AND sd.refobjid = c.oid AND sd.refobjsubid = a.attnum AND sd.deptype = 'i') END,
            'storage', CASE WHEN a.attstorage <> y.typstorage THEN CASE a.attstorage WHEN 'p' THEN 'PLAIN'
                WHEN 'e' THEN 'EXTERNAL' WHEN 'm' THEN 'MAIN' ELSE 'EXTENDED' END END,
            'compression', {compression}, 'target', CASE WHEN a.attstattarget >= 0 THEN a.attstattarget END,
            'options', coalesce(to_json(a.attoptions), '[]'),
            'inherited', a.attinhcount > 0 AND NOT a.attislocal))",
        collation = collation("a.attcollation", "y.typcollation"),
    );
    Shape {
        class: "pg_class",
        oid: "c.oid",
        part: "a.attnum",
        kind: "'column'",
        schema: "n.nspname",
        on: "c.relname",
        name: "a.attname",
        body: &body,
        rights: Some(Rights { acl: "a.attacl", kind: 'c', owner: "c.relowner" }),
        rest: &format!(
            "pg_class c {IN_SCHEMA} JOIN pg_attribute a ON a.attrelid = c.oid AND a.attnum > 0 AND NOT a.attisdropped
             JOIN pg_type y ON y.oid = a.atttypid LEFT JOIN pg_attrdef d ON d.adrelid = c.oid AND d.adnum = a.attnum
             WHERE {}",
            table()
        ),
    }
    .query()
}

fn defaults() -> String {
    Shape {
        class: "pg_attrdef",
        oid: "d.oid",
        part: "0",
        kind: "'default'",
        schema: "n.nspname",
        on: "c.relname",
        name: "a.attname",
        body: "json_build_object('default', pg_get_expr(d.adbin, d.adrelid))",
        rights: None,
        rest: &format!(
            "pg_attrdef d JOIN pg_class c ON c.oid = d.adrelid {IN_SCHEMA}
             JOIN pg_attribute a ON a.attrelid = c.oid AND a.attnum = d.adnum AND a.attgenerated = '' WHERE {}",
            table()
        ),
    }
    .query()
}

fn ownerships() -> String {
    Shape {
        class: "pg_class",
        oid: "sc.oid",
        part: "0",
        kind: "'ownership'",
        schema: "sn.nspname",
        on: "''",
        name: "sc.relname",
        body: "json_build_object('ownership', json_build_object('schema', n.nspname, 'table', c.relname,
            'column', a.attname))",
        rights: None,
        rest: &format!(
            "pg_depend o JOIN pg_class sc ON sc.oid = o.objid AND sc.relkind = 'S'
             JOIN pg_namespace sn ON sn.oid = sc.relnamespace JOIN pg_class c ON c.oid = o.refobjid {IN_SCHEMA}
             JOIN pg_attribute a ON a.attrelid = c.oid AND a.attnum = o.refobjsubid
             WHERE o.classid = 'pg_class'::regclass AND o.refclassid = 'pg_class'::regclass AND o.deptype = 'a'
               AND {}",
            table()
        ),
    }
    .query()
    .replace("obj_description(sc.oid, 'pg_class')", "NULL")
}

fn constraints() -> String {
    let body = "json_build_object('constraint', json_build_object('sort', k.contype,
        'definition', pg_get_constraintdef(k.oid),
        'columns', (SELECT coalesce(json_agg(a.attname ORDER BY u.at), '[]') FROM unnest(k.conkey)
            WITH ORDINALITY AS u (number, at) JOIN pg_attribute a ON a.attrelid = c.oid AND a.attnum = u.number),
        'references', CASE WHEN k.contype = 'f' THEN (SELECT json_build_array(rn.nspname, rc.relname) FROM pg_class rc
            JOIN pg_namespace rn ON rn.oid = rc.relnamespace WHERE rc.oid = k.confrelid) END,
        'inherited', k.contype = 'c' AND k.coninhcount > 0 AND NOT k.conislocal,
        'replica_identity', coalesce((SELECT i.indisreplident FROM pg_index i WHERE i.indexrelid = k.conindid
            AND k.contype <> 'f'), false),
        'only', c.relkind = 'p' AND k.contype IN ('p', 'u', 'x')))";
    Shape {
        class: "pg_constraint",
        oid: "k.oid",
        part: "0",
        kind: "'constraint'",
        schema: "n.nspname",
        on: "c.relname",
        name: "k.conname",
        body,
        rights: None,
        rest: &format!(
            "pg_constraint k JOIN pg_class c ON c.oid = k.conrelid {IN_SCHEMA}
             WHERE k.contype IN ('c', 'p', 'u', 'x', 'f') AND (k.contype <> 'f' OR k.conparentid = 0) AND {}",
            table()
        ),
    }
    .query()
}

/// An index that no constraint of its table stands on.
const PLAIN: &str = "NOT EXISTS (SELECT FROM pg_constraint k WHERE k.conindid = i.indexrelid
    AND k.contype IN ('p', 'u', 'x'))";

fn indexes() -> String {
    Shape {
        class: "pg_class",
        oid: "i.indexrelid",
        part: "0",
        kind: "'index'",
        schema: "n.nspname",
        on: "c.relname",
        name: "ic.relname",
        body: "json_build_object('index', json_build_object('definition', pg_get_indexdef(i.indexrelid),
            'invalid', ic.relkind = 'i' AND NOT i.indisvalid, 'replica_identity', i.indisreplident))",
        rights: None,
        rest: &format!(
            "pg_index i JOIN pg_class ic ON ic.oid = i.indexrelid JOIN pg_class c ON c.oid = i.indrelid {IN_SCHEMA}
             WHERE {PLAIN} AND {}",
            relation()
        ),
    }
    .query()
}

fn table_attachments() -> String {
    Shape {
        class: "pg_class",
        oid: "c.oid",
        part: "0",
        kind: "'attachment'",
        schema: "n.nspname",
        on: "c.relname",
        name: "''",
        body: "json_build_object('attachment', json_build_object('parent', json_build_array(pn.nspname, pc.relname),
            'bound', pg_get_expr(c.relpartbound, c.oid)))",
        rights: None,
        rest: &format!(
            "pg_class c {IN_SCHEMA} JOIN pg_inherits h ON h.inhrelid = c.oid
             JOIN pg_class pc ON pc.oid = h.inhparent JOIN pg_namespace pn ON pn.oid = pc.relnamespace
             WHERE c.relispartition AND {}",
            table()
        ),
    }
    .query()
    .replace("obj_description(c.oid, 'pg_class')", "NULL")
}

fn index_attachments() -> String {
    Shape {
        class: "pg_class",
        oid: "i.indexrelid",
        part: "0",
        kind: "'attachment'",
        schema: "n.nspname",
        on: "c.relname",
        name: "ic.relname",
        body: "json_build_object('attachment', json_build_object('parent', json_build_array(pn.nspname, pc.relname),
            'bound', NULL))",
        rights: None,
        rest: &format!(
            "pg_index i JOIN pg_class ic ON ic.oid = i.indexrelid JOIN pg_class c ON c.oid = i.indrelid {IN_SCHEMA}
             JOIN pg_inherits h ON h.inhrelid = ic.oid JOIN pg_class pc ON pc.oid = h.inhparent
             JOIN pg_namespace pn ON pn.oid = pc.relnamespace WHERE {}",
            table()
        ),
    }
    .query()
    .replace("obj_description(i.indexrelid, 'pg_class')", "NULL")
}

const OPTIONS: &str = "coalesce(to_json(c.reloptions), '[]')";

fn views() -> String {
    let body = format!(
        "json_build_object('view', json_build_object('definition', pg_get_viewdef(c.oid), 'options', {OPTIONS},
            'columns', (SELECT coalesce(json_agg(json_build_object('name', a.attname,
                'ty', format_type(a.atttypid, a.atttypmod), 'collation', {}) ORDER BY a.attnum), '[]')
                FROM pg_attribute a JOIN pg_type y ON y.oid = a.atttypid
                WHERE a.attrelid = c.oid AND a.attnum > 0 AND NOT a.attisdropped)))",
        collation("a.attcollation", "y.typcollation")
    );
    Shape {
        class: "pg_class",
        oid: "c.oid",
        part: "0",
        kind: "'view'",
        schema: "n.nspname",
        on: "''",
        name: "c.relname",
        body: &body,
        rights: Some(Rights { acl: "c.relacl", kind: 'r', owner: "c.relowner" }),
        rest: &format!("pg_class c {IN_SCHEMA} WHERE c.relkind = 'v' AND {}", relation()),
    }
    .query()
}

fn materialized_views() -> String {
    Shape {
        class: "pg_class",
        oid: "c.oid",
        part: "0",
        kind: "'materialized-view'",
        schema: "n.nspname",
        on: "''",
        name: "c.relname",
        body: &format!(
            "json_build_object('materialized-view', json_build_object('definition', pg_get_viewdef(c.oid),
                'options', {OPTIONS}, 'method', {METHOD}, 'tablespace', {SPACE}, 'populated', c.relispopulated))"
        ),
        rights: Some(Rights { acl: "c.relacl", kind: 'r', owner: "c.relowner" }),
        rest: &format!("pg_class c {IN_SCHEMA} WHERE c.relkind = 'm' AND {}", relation()),
    }
    .query()
}

fn statistics(major: u32) -> String {
    let target = if major >= 13 { "nullif(s.stxstattarget::int4, -1)" } else { "NULL::int4" };
    Shape {
        class: "pg_statistic_ext",
        oid: "s.oid",
        part: "0",
        kind: "'statistics'",
        schema: "n.nspname",
        on: "''",
        name: "s.stxname",
        body: &format!(
            "json_build_object('statistics', json_build_array(pg_get_statisticsobjdef(s.oid), {target}))"
        ),
        rights: None,
        rest: &format!(
            "pg_statistic_ext s JOIN pg_namespace n ON n.oid = s.stxnamespace WHERE {OURS} AND {}",
            free("pg_statistic_ext", "s.oid")
        ),
    }
    .query()
}

fn rules() -> String {
    Shape {
        class: "pg_rewrite",
        oid: "r.oid",
        part: "0",
        kind: "'rule'",
        schema: "n.nspname",
        on: "c.relname",
        name: "r.rulename",
        body: "json_build_object('rule', json_build_object('definition', pg_get_ruledef(r.oid),
            'enabled', r.ev_enabled))",
        rights: None,
        rest: &format!(
            "pg_rewrite r JOIN pg_class c ON c.oid = r.ev_class {IN_SCHEMA}
             WHERE (r.rulename <> '_RETURN' OR c.relkind NOT IN ('v', 'm')) AND {}",
            relation()
        ),
    }
    .query()
}

/// Those of an online change are Cofferdam's; those of a partition that came with the whole table's are none of its own.
fn triggers(major: u32) -> String {
    let own = if major >= 13 { "t.tgparentid = 0" } else { "true" };
    Shape {
        class: "pg_trigger",
        oid: "t.oid",
        part: "0",
        kind: "'trigger'",
        schema: "n.nspname",
        on: "c.relname",
        name: "t.tgname",
        body: "json_build_object('trigger', json_build_object('definition', pg_get_triggerdef(t.oid),
            'enabled', t.tgenabled))",
        rights: None,
        rest: &format!(
            "pg_trigger t JOIN pg_class c ON c.oid = t.tgrelid {IN_SCHEMA}
             WHERE NOT t.tgisinternal AND {own} AND NOT starts_with(t.tgname::text, 'cofferdam ') AND {}",
            relation()
        ),
    }
    .query()
}

fn policies() -> String {
    Shape {
        class: "pg_policy",
        oid: "p.oid",
        part: "0",
        kind: "'policy'",
        schema: "n.nspname",
        on: "c.relname",
        name: "p.polname",
        body: "json_build_object('policy', json_build_object('command', CASE p.polcmd WHEN 'r' THEN 'SELECT'
            WHEN 'a' THEN 'INSERT' WHEN 'w' THEN 'UPDATE' WHEN 'd' THEN 'DELETE' ELSE 'ALL' END,
            'permissive', p.polpermissive,
            'roles', (SELECT json_agg(CASE WHEN u <> 0 THEN pg_get_userbyid(u) END) FROM unnest(p.polroles) u),
            'using', pg_get_expr(p.polqual, p.polrelid), 'check', pg_get_expr(p.polwithcheck, p.polrelid)))",
        rights: None,
        rest: &format!("pg_policy p JOIN pg_class c ON c.oid = p.polrelid {IN_SCHEMA} WHERE {}", table()),
    }
    .query()
}
