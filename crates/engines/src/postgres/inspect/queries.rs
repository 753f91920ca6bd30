//! The queries by which everything but relations is read.
//!
//! Each row is an address in the catalog (the catalog, the number there, a column's number) and the object as JSON, in
//! the form of [`cofferdam_schema::Object`]. Unqualified names are those of `pg_catalog`, because nothing else is in
//! the path.

use super::relations;

/// What is read, a query for each kind of object.
pub(super) fn all(major: u32) -> Vec<String> {
    let mut all = vec![schemas(), extensions(), types(), sequences(), routines()];
    all.extend(relations::all(major));
    all
}

/// One row for each object of a query. `body` and `comment` are SQL.
pub(super) struct Shape<'q> {
    pub(super) class: &'q str,
    pub(super) oid: &'q str,
    pub(super) part: &'q str,
    pub(super) kind: &'q str,
    pub(super) schema: &'q str,
    pub(super) on: &'q str,
    pub(super) name: &'q str,
    pub(super) body: &'q str,
    pub(super) rights: Option<Rights<'q>>,
    pub(super) rest: &'q str,
}

impl Shape<'_> {
    pub(super) fn query(&self) -> String {
        let Shape { class, oid, part, kind, schema, on, name, body, rights, rest } = self;
        let (owner, grants) = match rights {
            Some(rights) => (format!("pg_get_userbyid({})", rights.owner), rights.grants()),
            None => ("NULL".to_owned(), "'[]'::json".to_owned()),
        };
        let comment = match *part {
            "0" => format!("obj_description({oid}, '{class}')"),
            part => format!("col_description({oid}, {part})"),
        };
        format!(
            "SELECT '{class}'::regclass::oid, ({oid})::oid, ({part})::int4, json_build_object(
                'key', json_build_object('kind', {kind}, 'schema', {schema}, 'on', {on}, 'name', {name}),
                'body', {body}, 'comment', {comment}, 'owner', {owner}, 'grants', {grants})
             FROM {rest}"
        )
    }
}

/// Schemas of the application: neither the server's own nor Cofferdam's.
pub(super) const OURS: &str = "n.nspname !~ '^pg_' AND n.nspname NOT IN ('information_schema', 'cofferdam')
    AND NOT starts_with(n.nspname::text, 'cofferdam_')";

/// It is no part of an extension.
pub(super) fn free(class: &str, oid: &str) -> String {
    format!(
        "NOT EXISTS (SELECT FROM pg_depend e WHERE e.classid = '{class}'::regclass AND e.objid = {oid}
            AND e.deptype = 'e')"
    )
}

/// Whose an object is, and who else may do what with it.
pub(super) struct Rights<'q> {
    /// An `aclitem[]`.
    pub(super) acl: &'q str,
    /// What the server gives where nobody said anything, as `acldefault` knows it; a column (`c`) is given nothing.
    pub(super) kind: char,
    pub(super) owner: &'q str,
}

impl Rights<'_> {
    /// All but the owner's own.
    fn grants(&self) -> String {
        let Self { acl, kind, owner } = self;
        let all = match kind {
            'c' => (*acl).to_owned(),
            kind => format!("coalesce({acl}, acldefault('{kind}'::\"char\", {owner}))"),
        };
        let listed = format!(
            "(SELECT coalesce(json_agg(json_build_object('to', CASE WHEN g.grantee <> 0 THEN pg_get_userbyid(g.grantee) END,
                'privilege', g.privilege_type, 'grantable', g.is_grantable)), '[]')
              FROM aclexplode({all}) g WHERE g.grantee <> {owner})"
        );
        match kind {
            'c' => format!("CASE WHEN {acl} IS NULL THEN '[]' ELSE {listed} END"),
            _ => listed,
        }
    }
}

fn schemas() -> String {
    Shape {
        class: "pg_namespace",
        oid: "n.oid",
        part: "0",
        kind: "'schema'",
        schema: "''",
        on: "''",
        name: "n.nspname",
        body: "json_build_object('schema', json_build_object())",
        rights: Some(Rights { acl: "n.nspacl", kind: 'n', owner: "n.nspowner" }),
        rest: &format!("pg_namespace n WHERE {OURS} AND {}", free("pg_namespace", "n.oid")),
    }
    .query()
}

fn extensions() -> String {
    Shape {
        class: "pg_extension",
        oid: "x.oid",
        part: "0",
        kind: "'extension'",
        schema: "''",
        on: "''",
        name: "x.extname",
        body: "json_build_object('extension', json_build_object('version', x.extversion, 'schema', n.nspname))",
        rights: None,
        rest: "pg_extension x JOIN pg_namespace n ON n.oid = x.extnamespace WHERE x.extname <> 'plpgsql'",
    }
    .query()
}

/// A collation, where it is another than `than`.
pub(super) fn collation(collation: &str, than: &str) -> String {
    format!(
        "(SELECT format('%I.%I', cn.nspname, co.collname) FROM pg_collation co JOIN pg_namespace cn
            ON cn.oid = co.collnamespace WHERE co.oid = {collation} AND {collation} <> {than})"
    )
}

fn types() -> String {
    let body = format!(
        "CASE t.typtype
            WHEN 'e' THEN json_build_object('enum', (SELECT json_agg(l.enumlabel ORDER BY l.enumsortorder)
                FROM pg_enum l WHERE l.enumtypid = t.oid))
            WHEN 'd' THEN json_build_object('domain', json_build_object(
                'base', format_type(t.typbasetype, t.typtypmod),
                'collation', {of_domain},
                'default', pg_get_expr(t.typdefaultbin, 'pg_type'::regclass), 'not_null', t.typnotnull,
                'checks', (SELECT coalesce(json_agg(json_build_object('name', k.conname,
                    'definition', pg_get_constraintdef(k.oid)) ORDER BY k.conname), '[]')
                    FROM pg_constraint k WHERE k.contypid = t.oid AND k.contype = 'c')))
            WHEN 'c' THEN json_build_object('composite', json_build_object('attributes',
                (SELECT coalesce(json_agg(json_build_object('name', a.attname,
                    'ty', format_type(a.atttypid, a.atttypmod), 'collation', {of_attribute}) ORDER BY a.attnum), '[]')
                 FROM pg_attribute a JOIN pg_type y ON y.oid = a.atttypid
                 WHERE a.attrelid = t.typrelid AND a.attnum > 0 AND NOT a.attisdropped)))
            ELSE json_build_object('range', (SELECT concat('subtype = ', format_type(r.rngsubtype, NULL),
                ', subtype_opclass = ' || (SELECT format('%I.%I', cn.nspname, oc.opcname) FROM pg_opclass oc
                    JOIN pg_namespace cn ON cn.oid = oc.opcnamespace WHERE oc.oid = r.rngsubopc AND NOT oc.opcdefault),
                ', collation = ' || {of_range},
                ', canonical = ' || nullif(r.rngcanonical::oid, 0)::regproc,
                ', subtype_diff = ' || nullif(r.rngsubdiff::oid, 0)::regproc)
                FROM pg_range r JOIN pg_type y ON y.oid = r.rngsubtype WHERE r.rngtypid = t.oid))
         END",
        of_domain = collation("t.typcollation", "(SELECT b.typcollation FROM pg_type b WHERE b.oid = t.typbasetype)"),
        of_attribute = collation("a.attcollation", "y.typcollation"),
        of_range = collation("r.rngcollation", "y.typcollation"),
    );
    Shape {
        class: "pg_type",
        oid: "t.oid",
        part: "0",
        kind: "'type'",
        schema: "n.nspname",
        on: "''",
        name: "t.typname",
        body: &body,
        rights: Some(Rights { acl: "t.typacl", kind: 'T', owner: "t.typowner" }),
        rest: &format!(
            "pg_type t JOIN pg_namespace n ON n.oid = t.typnamespace
             WHERE {OURS} AND {} AND (t.typtype IN ('e', 'd', 'r') OR t.typtype = 'c'
                AND EXISTS (SELECT FROM pg_class c WHERE c.oid = t.typrelid AND c.relkind = 'c'))",
            free("pg_type", "t.oid")
        ),
    }
    .query()
}

/// How a sequence counts, for `s` of `pg_sequence` and `sc` of `pg_class`.
pub(super) const COUNTER: &str = "json_build_object('ty', format_type(s.seqtypid, NULL), 'start', s.seqstart,
    'increment', s.seqincrement, 'minimum', s.seqmin, 'maximum', s.seqmax, 'cache', s.seqcache, 'cycle', s.seqcycle,
    'unlogged', sc.relpersistence = 'u' AND s.standing)";

/// `pg_sequence` with whether it stands by itself: that of an identity column has its table's persistence.
pub(super) const COUNTING: &str = "(SELECT q.*, NOT EXISTS (SELECT FROM pg_depend i
    WHERE i.classid = 'pg_class'::regclass AND i.objid = q.seqrelid AND i.deptype = 'i') AS standing
    FROM pg_sequence q)";

fn sequences() -> String {
    Shape {
        class: "pg_class",
        oid: "sc.oid",
        part: "0",
        kind: "'sequence'",
        schema: "n.nspname",
        on: "''",
        name: "sc.relname",
        body: &format!("json_build_object('sequence', {COUNTER})"),
        rights: Some(Rights { acl: "sc.relacl", kind: 's', owner: "sc.relowner" }),
        rest: &format!(
            "pg_class sc JOIN pg_namespace n ON n.oid = sc.relnamespace JOIN {COUNTING} s ON s.seqrelid = sc.oid
             WHERE s.standing AND sc.relpersistence <> 't' AND {OURS} AND {}",
            free("pg_class", "sc.oid")
        ),
    }
    .query()
}

fn routines() -> String {
    Shape {
        class: "pg_proc",
        oid: "p.oid",
        part: "0",
        kind: "'routine'",
        schema: "n.nspname",
        on: "''",
        name: "format('%s(%s)', p.proname, oidvectortypes(p.proargtypes))",
        body: "json_build_object('routine', json_build_object(
            'signature', format('%I.%I(%s)', n.nspname, p.proname, oidvectortypes(p.proargtypes)),
            'definition', pg_get_functiondef(p.oid), 'procedure', p.prokind = 'p',
            'arguments', pg_get_function_identity_arguments(p.oid), 'result', pg_get_function_result(p.oid),
            'defaults', p.pronargdefaults))",
        rights: Some(Rights { acl: "p.proacl", kind: 'f', owner: "p.proowner" }),
        rest: &format!(
            "pg_proc p JOIN pg_namespace n ON n.oid = p.pronamespace
             WHERE p.prokind IN ('f', 'w', 'p') AND {OURS} AND {} AND NOT EXISTS (SELECT FROM pg_depend i
                WHERE i.classid = 'pg_proc'::regclass AND i.objid = p.oid AND i.deptype = 'i')",
            free("pg_proc", "p.oid")
        ),
    }
    .query()
}

/// Objects that Cofferdam does not read: what they are, and their names.
pub(super) fn left_out() -> String {
    let named = |what: &str, class: &str, name: &str, namespace: &str, also: &str| {
        format!(
            "SELECT '{what}'::text, format('%s.%s', n.nspname, o.{name}) FROM {class} o
             JOIN pg_namespace n ON n.oid = o.{namespace} WHERE {OURS} AND {} AND {also}",
            free(class, "o.oid")
        )
    };
    let bare = |what: &str, class: &str, name: &str, also: &str| {
        format!(
            "SELECT '{what}'::text, o.{name}::text FROM {class} o
             WHERE o.oid >= 16384 AND {} AND {also}",
            free(class, "o.oid")
        )
    };
    let all = [
        named("aggregate", "pg_proc", "proname", "pronamespace", "o.prokind = 'a'"),
        named("foreign table", "pg_class", "relname", "relnamespace", "o.relkind = 'f'"),
        named("typed table", "pg_class", "relname", "relnamespace", "o.reloftype <> 0"),
        named("base type", "pg_type", "typname", "typnamespace", "o.typtype IN ('b', 'p') AND o.typelem = 0"),
        named("collation", "pg_collation", "collname", "collnamespace", "true"),
        named("conversion", "pg_conversion", "conname", "connamespace", "true"),
        named("operator", "pg_operator", "oprname", "oprnamespace", "true"),
        named("operator class", "pg_opclass", "opcname", "opcnamespace", "true"),
        named("text search configuration", "pg_ts_config", "cfgname", "cfgnamespace", "true"),
        named("text search dictionary", "pg_ts_dict", "dictname", "dictnamespace", "true"),
        bare("foreign server", "pg_foreign_server", "srvname", "true"),
        bare("event trigger", "pg_event_trigger", "evtname", "true"),
        bare("publication", "pg_publication", "pubname", "true"),
        bare("language", "pg_language", "lanname", "true"),
        // The server makes one with each range type.
        bare(
            "cast",
            "pg_cast",
            "castsource::regtype",
            "NOT EXISTS (SELECT FROM pg_depend i WHERE i.classid = 'pg_cast'::regclass AND i.objid = o.oid
                AND i.deptype = 'i')",
        ),
        "SELECT 'default privileges'::text, concat('of ', pg_get_userbyid(o.defaclrole), ' in schema ' ||
            (SELECT n.nspname FROM pg_namespace n WHERE n.oid = o.defaclnamespace)) FROM pg_default_acl o"
            .to_owned(),
    ];
    all.join("\nUNION ALL\n")
}
