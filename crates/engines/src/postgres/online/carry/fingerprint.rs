//! A short text that changes when somebody changes the table's definition, or something that belongs to it.

/// A query for it; fast enough to be asked in every transaction.
///
/// What ANALYZE, VACUUM, REINDEX and our own triggers write is left out, and the file node, which TRUNCATE changes too:
/// the fence remembers it.
pub(in crate::postgres) fn fingerprint_query(table_oid: u32) -> String {
    // Each line gives texts of what stands in one catalog. `xmin` says that a row was written anew, where nobody
    // writes rows without a change.
    let parts = [
        "SELECT 'c' || pg_catalog.concat_ws('|', relname, relnamespace, relowner, relkind, relpersistence,
            reltablespace, relam, relacl, reloptions, relreplident, relrowsecurity, relforcerowsecurity, relispartition)
         FROM pg_catalog.pg_class WHERE oid = $",
        "SELECT 'a' || pg_catalog.concat_ws('|', attnum, xmin) FROM pg_catalog.pg_attribute WHERE attrelid = $ AND attnum > 0",
        "SELECT 'd' || pg_catalog.concat_ws('|', oid, xmin) FROM pg_catalog.pg_attrdef WHERE adrelid = $",
        "SELECT 'i' || pg_catalog.concat_ws('|', c.relname, i.indisunique, i.indisprimary, i.indimmediate, i.indisclustered,
            i.indisreplident, i.indkey, i.indclass, i.indcollation, i.indoption, i.indexprs, i.indpred, c.reloptions)
         FROM pg_catalog.pg_index i JOIN pg_catalog.pg_class c ON c.oid = i.indexrelid WHERE i.indrelid = $ AND i.indisvalid",
        "SELECT 'k' || pg_catalog.concat_ws('|', conname, contype, convalidated, condeferrable, condeferred, conrelid, confrelid,
            conkey, confkey, confupdtype, confdeltype, confmatchtype, conbin)
         FROM pg_catalog.pg_constraint WHERE (conrelid = $ OR confrelid = $)",
        "SELECT 't' || pg_catalog.concat_ws('|', oid, xmin) FROM pg_catalog.pg_trigger
         WHERE tgrelid = $ AND NOT tgisinternal AND NOT pg_catalog.starts_with(tgname::text, 'cofferdam capture')",
        "SELECT 'p' || pg_catalog.concat_ws('|', oid, xmin) FROM pg_catalog.pg_policy WHERE polrelid = $",
        "SELECT 's' || pg_catalog.concat_ws('|', oid, xmin) FROM pg_catalog.pg_statistic_ext WHERE stxrelid = $",
        "SELECT 'u' || pg_catalog.concat_ws('|', oid, xmin) FROM pg_catalog.pg_publication_rel WHERE prrelid = $
           AND prpubid NOT IN (SELECT oid FROM pg_catalog.pg_publication WHERE pubname ~ '^cofferdam_[0-9a-f]{12}$')",
        "SELECT 'h' || pg_catalog.concat_ws('|', inhrelid, inhparent) FROM pg_catalog.pg_inherits WHERE (inhrelid = $ OR inhparent = $)",
        "SELECT 'm' || pg_catalog.concat_ws('|', objsubid, description) FROM pg_catalog.pg_description
         WHERE classoid = 'pg_catalog.pg_class'::pg_catalog.regclass AND objoid = $",
        // What depends on it: views and rules, functions, policies of other tables, sequences.
        "SELECT 'r' || pg_catalog.concat_ws('|', d.classid, d.objid, d.refobjsubid, d.deptype,
            coalesce(r.xmin, f.xmin, l.xmin, q.xmin))
         FROM pg_catalog.pg_depend d
         LEFT JOIN pg_catalog.pg_rewrite r ON r.oid = d.objid AND d.classid = 'pg_catalog.pg_rewrite'::pg_catalog.regclass
         LEFT JOIN pg_catalog.pg_proc f ON f.oid = d.objid AND d.classid = 'pg_catalog.pg_proc'::pg_catalog.regclass
         LEFT JOIN pg_catalog.pg_policy l ON l.oid = d.objid AND d.classid = 'pg_catalog.pg_policy'::pg_catalog.regclass
         LEFT JOIN pg_catalog.pg_sequence q ON q.seqrelid = d.objid AND d.classid = 'pg_catalog.pg_class'::pg_catalog.regclass
         WHERE d.refclassid = 'pg_catalog.pg_class'::pg_catalog.regclass AND d.refobjid = $
           AND coalesce(r.oid, f.oid, l.oid, q.seqrelid) IS NOT NULL",
    ];
    let union = parts.join(" UNION ALL ").replace("= $", &format!("= {table_oid}"));
    format!(
        "SELECT pg_catalog.md5(pg_catalog.string_agg(x.part, ' ' ORDER BY x.part COLLATE pg_catalog.\"C\")) \
         FROM ({union}) x(part)"
    )
}
