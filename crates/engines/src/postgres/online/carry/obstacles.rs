//! What cannot be carried over, each with what would do.

use serde::Deserialize;

use cofferdam_core::fault::Result;

use super::catalog::Catalog;
use super::reading::Reading;

/// Why the relation as such cannot be changed online; nothing else of it is worth looking at then.
pub(super) fn of_kind(kind: &str, name: &str) -> Option<String> {
    let what = match kind {
        "r" => return None,
        "p" => {
            return Some(format!(
                "{name} is partitioned: its columns are those of all its partitions at once, so no partition can be \
                 replaced by itself; change it directly, or make a new partitioned table and move the partitions"
            ));
        }
        "v" => "a view",
        "m" => "a materialized view",
        "f" => "a foreign table",
        "S" => "a sequence",
        "i" | "I" => "an index",
        "c" => "a composite type",
        _ => "not a table",
    };
    Some(format!("{name} is {what}, which holds no rows of its own to copy: name a table"))
}

#[derive(Deserialize)]
struct Found {
    sort: String,
    what: String,
}

/// Things that stand in the way, by sort.
const QUERY: &str = "
    SELECT 'parent' AS sort, i.inhparent::pg_catalog.regclass::text AS what FROM pg_catalog.pg_inherits i WHERE i.inhrelid = $1
    UNION ALL
    SELECT 'child', i.inhrelid::pg_catalog.regclass::text FROM pg_catalog.pg_inherits i WHERE i.inhparent = $1
    UNION ALL
    SELECT 'extension', e.extname FROM pg_catalog.pg_depend d JOIN pg_catalog.pg_extension e ON e.oid = d.refobjid
     WHERE d.classid = 'pg_catalog.pg_class'::pg_catalog.regclass AND d.objid = $1 AND d.deptype = 'e'
    UNION ALL
    SELECT 'label', l.provider FROM pg_catalog.pg_seclabel l
     WHERE l.classoid = 'pg_catalog.pg_class'::pg_catalog.regclass AND l.objoid = $1
    UNION ALL
    SELECT 'row type', pg_catalog.pg_describe_object(d.classid, d.objid, d.objsubid)
     FROM pg_catalog.pg_class c JOIN pg_catalog.pg_type t ON t.oid = c.reltype
     JOIN pg_catalog.pg_depend d ON d.refclassid = 'pg_catalog.pg_type'::pg_catalog.regclass
        AND d.refobjid IN (t.oid, t.typarray) AND d.deptype IN ('n', 'a')
     WHERE c.oid = $1
    UNION ALL
    SELECT 'dependent', pg_catalog.pg_describe_object(d.classid, d.objid, d.objsubid)
     FROM pg_catalog.pg_depend d
     LEFT JOIN pg_catalog.pg_class c ON d.classid = 'pg_catalog.pg_class'::pg_catalog.regclass AND c.oid = d.objid
     LEFT JOIN pg_catalog.pg_constraint k ON d.classid = 'pg_catalog.pg_constraint'::pg_catalog.regclass AND k.oid = d.objid
     LEFT JOIN pg_catalog.pg_attrdef f ON d.classid = 'pg_catalog.pg_attrdef'::pg_catalog.regclass AND f.oid = d.objid
     LEFT JOIN pg_catalog.pg_trigger t ON d.classid = 'pg_catalog.pg_trigger'::pg_catalog.regclass AND t.oid = d.objid
     WHERE d.refclassid = 'pg_catalog.pg_class'::pg_catalog.regclass AND d.refobjid = $1 AND d.deptype IN ('n', 'a')
       AND NOT coalesce(c.relkind IN ('i', 'S', 't') OR c.oid = $1, false)
       AND NOT EXISTS (SELECT FROM pg_catalog.pg_inherits h WHERE h.inhparent = $1 AND h.inhrelid = c.oid)
       AND NOT coalesce(k.conrelid = $1 OR k.contype = 'f', false)
       AND NOT coalesce(f.adrelid = $1, false) AND NOT coalesce(t.tgrelid = $1 OR t.tgisinternal, false)
       AND d.classid NOT IN ('pg_catalog.pg_rewrite'::pg_catalog.regclass, 'pg_catalog.pg_policy'::pg_catalog.regclass,
            'pg_catalog.pg_proc'::pg_catalog.regclass, 'pg_catalog.pg_statistic_ext'::pg_catalog.regclass,
            'pg_catalog.pg_publication_rel'::pg_catalog.regclass, 'pg_catalog.pg_type'::pg_catalog.regclass)
    UNION ALL
    SELECT 'bound', pg_catalog.pg_describe_object(d.classid, d.objid, 0)
     FROM pg_catalog.pg_depend d WHERE d.deptype = 'x' AND (
        d.classid = 'pg_catalog.pg_class'::pg_catalog.regclass AND d.objid IN (SELECT indexrelid FROM pg_catalog.pg_index WHERE indrelid = $1)
        OR d.classid = 'pg_catalog.pg_trigger'::pg_catalog.regclass AND d.objid IN (SELECT oid FROM pg_catalog.pg_trigger WHERE tgrelid = $1))
    UNION ALL
    SELECT 'subscription', s.subname FROM pg_catalog.pg_subscription_rel r JOIN pg_catalog.pg_stat_subscription s ON s.subid = r.srsubid
     WHERE r.srrelid = $1 AND s.relid IS NULL
    UNION ALL
    SELECT 'publication', p.pubname FROM pg_catalog.pg_publication p WHERE p.puballtables
     AND EXISTS (SELECT FROM pg_catalog.pg_replication_slots s WHERE s.plugin = 'pgoutput' AND s.database = pg_catalog.current_database())
     AND $1::oid IS NOT NULL
    UNION ALL
    SELECT 'schema', pg_catalog.quote_ident(n.nspname) FROM pg_catalog.pg_class c JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace
     WHERE c.oid = $1 AND NOT pg_catalog.has_schema_privilege(n.oid, 'CREATE')
    UNION ALL
    SELECT DISTINCT 'grantor', pg_catalog.quote_ident(pg_catalog.pg_get_userbyid(e.grantor)) FROM (
        SELECT c.relowner, c.relacl AS acl FROM pg_catalog.pg_class c WHERE c.oid = $1
        UNION ALL SELECT c.relowner, a.attacl FROM pg_catalog.pg_class c JOIN pg_catalog.pg_attribute a ON a.attrelid = c.oid WHERE c.oid = $1
     ) g, pg_catalog.aclexplode(g.acl) e WHERE e.grantor <> g.relowner AND NOT pg_catalog.pg_has_role(e.grantor, 'MEMBER')
    UNION ALL
    SELECT 'owner', pg_catalog.pg_describe_object('pg_catalog.pg_class'::pg_catalog.regclass, c.oid, 0)
        || ' belongs to ' || pg_catalog.quote_ident(pg_catalog.pg_get_userbyid(c.relowner))
     FROM pg_catalog.pg_class c WHERE NOT pg_catalog.pg_has_role(c.relowner, 'USAGE') AND c.oid IN (
        SELECT $1 UNION SELECT conrelid FROM pg_catalog.pg_constraint WHERE contype = 'f' AND confrelid = $1
        UNION SELECT r.ev_class FROM pg_catalog.pg_rewrite r JOIN pg_catalog.pg_depend d ON d.classid = 'pg_catalog.pg_rewrite'::pg_catalog.regclass
            AND d.objid = r.oid AND d.refclassid = 'pg_catalog.pg_class'::pg_catalog.regclass AND d.refobjid = $1
        UNION SELECT p.polrelid FROM pg_catalog.pg_policy p JOIN pg_catalog.pg_depend d ON d.classid = 'pg_catalog.pg_policy'::pg_catalog.regclass
            AND d.objid = p.oid AND d.refclassid = 'pg_catalog.pg_class'::pg_catalog.regclass AND d.refobjid = $1)
    UNION ALL
    SELECT 'owner', p.oid::pg_catalog.regprocedure || ' belongs to ' || pg_catalog.quote_ident(pg_catalog.pg_get_userbyid(p.proowner))
     FROM pg_catalog.pg_depend d JOIN pg_catalog.pg_proc p ON p.oid = d.objid
     WHERE d.classid = 'pg_catalog.pg_proc'::pg_catalog.regclass AND d.refclassid = 'pg_catalog.pg_class'::pg_catalog.regclass
       AND d.refobjid = $1 AND NOT pg_catalog.pg_has_role(p.proowner, 'USAGE')
    UNION ALL
    SELECT 'parent right', k.confrelid::pg_catalog.regclass::text FROM pg_catalog.pg_constraint k
     WHERE k.contype = 'f' AND k.conrelid = $1 AND k.confrelid <> $1
       AND NOT (pg_catalog.has_table_privilege(k.confrelid, 'REFERENCES')
            AND pg_catalog.has_table_privilege(k.confrelid, 'UPDATE, DELETE, TRUNCATE'))
    ORDER BY 1, 2";

/// What cannot be carried over of what belongs to it.
pub(super) async fn of_table(catalog: &Catalog<'_>, reading: &Reading) -> Result<Vec<String>> {
    let table = &reading.table;
    let name = &table.printed;
    let mut out = Vec::new();
    if table.schema.starts_with("pg_") || table.schema == "information_schema" {
        out.push(format!("{name} is the server's own"));
    }
    if table.schema.starts_with("cofferdam") {
        out.push(format!("{name} is one of Cofferdam's own tables"));
    }
    if table.persistence == "t" {
        out.push(format!("{name} is a temporary table, which only its session sees: ALTER it there"));
    }
    if table.typed {
        out.push(format!("{name} is a table of a type: ALTER TABLE {name} NOT OF would do"));
    }
    if table.row_security_active {
        out.push(format!(
            "row security hides rows of {name} from this role: connect as a role with BYPASSRLS, or run ALTER TABLE \
             {name} NO FORCE ROW LEVEL SECURITY as its owner"
        ));
    }
    if reading.columns.is_empty() {
        out.push(format!("{name} has no columns"));
    }
    for found in catalog.rows::<Found>(QUERY, table.oid).await? {
        out.push(sentence(name, &found.sort, &found.what));
    }
    of_parts(reading, &mut out);
    out.dedup();
    Ok(out)
}

fn sentence(name: &str, sort: &str, what: &str) -> String {
    match sort {
        "parent" => format!(
            "{name} is a partition or child of {what}, whose columns it must have: change {what} directly, or take \
             {name} out of it first (DETACH PARTITION, NO INHERIT)"
        ),
        "child" => format!(
            "{name} has a child, {what}, which inherits its columns: ALTER TABLE {what} NO INHERIT {name} would do"
        ),
        "extension" => {
            format!("{name} belongs to the extension {what}: only its own update script may change it")
        }
        "label" => format!(
            "{name} has a security label of {what}, which is not carried over: remove it and set it again afterwards"
        ),
        "row type" => format!(
            "{what} uses the row type of {name}, which is the old table's own: drop it before and make it again afterwards"
        ),
        "bound" => format!(
            "{what} depends on an extension (DEPENDS ON EXTENSION), which is not carried over: ALTER ... NO DEPENDS ON EXTENSION would do"
        ),
        "subscription" => format!(
            "the subscription {what} writes into {name} and would go on writing into the old table: take the table out of its publication first"
        ),
        "publication" => format!(
            "the publication {what} is for all tables, so that the rows copied beside {name} would be sent to its \
             subscribers, which have no such table: let it name its tables"
        ),
        "grantor" => format!(
            "grants on {name} were made by {what}, and only {what} can make them again: connect as a member of {what}"
        ),
        "owner" => format!(
            "{what}, and only its owner may replace what belongs to {name}: connect as a member of that role"
        ),
        "parent right" => format!(
            "the foreign key to {what} must be added again, for which this role lacks the right: GRANT REFERENCES, \
             UPDATE ON {what} TO CURRENT_USER, as its owner"
        ),
        "schema" => format!(
            "this role may not create in the schema {what}: GRANT CREATE ON SCHEMA {what} TO CURRENT_USER, as its owner"
        ),
        _ => format!(
            "{what} depends on {name} in a way that is not carried over: drop it before and make it again afterwards"
        ),
    }
}

/// Of the parts that were read.
fn of_parts(reading: &Reading, out: &mut Vec<String>) {
    let name = &reading.table.printed;
    for index in reading.indexes.iter().filter(|i| !i.valid) {
        out.push(format!(
            "the index {} is not valid (a CREATE INDEX CONCURRENTLY that failed, or that still runs): DROP INDEX \
             CONCURRENTLY it, or let it end",
            index.name
        ));
    }
    for rule in &reading.rules {
        if rule.on_oid == reading.table.oid {
            out.push(format!(
                "{name} has a rule, {}, by which writes become others: drop it first",
                rule.name
            ));
        } else if rule.kind == "m" {
            out.push(format!(
                "the materialized view {} reads {name} and cannot be made to read another table: drop it before and \
                 make it again afterwards",
                rule.on
            ));
        }
    }
    for key in reading.referrers().filter(|k| k.child_kind == "p") {
        out.push(format!(
            "the partitioned table {} refers to {name} by {}, and its foreign keys cannot be added without reading \
             all of it: drop that foreign key before and add it again afterwards",
            key.child_printed, key.name
        ));
    }
    let mut names: Vec<_> = reading.statistics.iter().map(|s| &s.name).collect();
    names.sort();
    for pair in names.windows(2).filter(|w| w[0] == w[1]) {
        out.push(format!("two statistics objects of {name} are called {}: rename one of them", pair[0]));
    }
}

#[derive(Deserialize)]
struct Note {
    note: String,
}

const NOTES: &str = "
    SELECT pg_catalog.format('the event trigger %s sees our statements: it must let them pass', e.evtname) AS note
     FROM pg_catalog.pg_event_trigger e WHERE e.evtenabled <> 'D' AND $1::oid IS NOT NULL
    UNION ALL
    SELECT pg_catalog.format('the publication %s is for all tables: who subscribes to it while the change runs gets tables of Cofferdam too', p.pubname)
     FROM pg_catalog.pg_publication p WHERE p.puballtables
    UNION ALL
    SELECT 'the table is unlogged, and so is the shadow: a crash of the server empties both, and the change begins anew'
     FROM pg_catalog.pg_class c WHERE c.oid = $1 AND c.relpersistence = 'u'
    ORDER BY 1";

/// What a person should know.
pub(super) async fn notes(catalog: &Catalog<'_>, oid: u32) -> Result<Vec<String>> {
    Ok(catalog.rows::<Note>(NOTES, oid).await?.into_iter().map(|n| n.note).collect())
}
