//! What an expression calls, as far as it decides how much work a statement is.

use super::super::lex::Token;
use super::super::sequence::text::{self, Word};

/// Functions that give one value for the whole statement (or, for a SELECT, change nothing), and words and types
/// that stand before a parenthesis without being functions. From `pg_proc.provolatile` of PostgreSQL 12 to 18.
const STEADY: &[&str] = &[
    // The time of the transaction, and who asks.
    "now",
    "current_date",
    "current_time",
    "current_timestamp",
    "localtime",
    "localtimestamp",
    "transaction_timestamp",
    "statement_timestamp",
    "current_setting",
    "current_database",
    "current_schema",
    "current_user",
    "session_user",
    "version",
    "txid_current",
    "pg_backend_pid",
    "inet_client_addr",
    // Dates and times.
    "age",
    "date_bin",
    "date_part",
    "date_trunc",
    "extract",
    "justify_days",
    "justify_hours",
    "justify_interval",
    "make_date",
    "make_interval",
    "make_time",
    "make_timestamp",
    "make_timestamptz",
    "timezone",
    "to_char",
    "to_date",
    "to_number",
    "to_timestamp",
    // Numbers and texts.
    "abs",
    "ascii",
    "btrim",
    "ceil",
    "ceiling",
    "char_length",
    "character_length",
    "chr",
    "concat",
    "concat_ws",
    "decode",
    "div",
    "encode",
    "exp",
    "floor",
    "format",
    "initcap",
    "left",
    "length",
    "ln",
    "log",
    "lower",
    "lpad",
    "ltrim",
    "md5",
    "mod",
    "normalize",
    "octet_length",
    "overlay",
    "pi",
    "position",
    "power",
    "quote_ident",
    "quote_literal",
    "regexp_match",
    "regexp_replace",
    "repeat",
    "replace",
    "reverse",
    "right",
    "round",
    "rpad",
    "rtrim",
    "sha224",
    "sha256",
    "sha384",
    "sha512",
    "sign",
    "split_part",
    "sqrt",
    "starts_with",
    "strpos",
    "substr",
    "substring",
    "translate",
    "trim",
    "trunc",
    "upper",
    // Documents, arrays, ranges, search.
    "array",
    "array_append",
    "array_cat",
    "array_fill",
    "array_length",
    "array_to_string",
    "box",
    "cardinality",
    "daterange",
    "int4range",
    "int8range",
    "json_array_length",
    "json_build_array",
    "json_build_object",
    "json_object",
    "jsonb_array_length",
    "jsonb_build_array",
    "jsonb_build_object",
    "jsonb_object",
    "jsonb_set",
    "jsonb_typeof",
    "numrange",
    "point",
    "row",
    "setweight",
    "string_to_array",
    "to_json",
    "to_jsonb",
    "to_tsquery",
    "to_tsvector",
    "tsrange",
    "tstzrange",
    // Aggregates and windows.
    "array_agg",
    "avg",
    "bool_and",
    "bool_or",
    "count",
    "every",
    "json_agg",
    "json_object_agg",
    "jsonb_agg",
    "jsonb_object_agg",
    "max",
    "min",
    "rank",
    "row_number",
    "string_agg",
    "sum",
    "unnest",
    "generate_series",
    // Words of the grammar.
    "all",
    "and",
    "any",
    "as",
    "between",
    "by",
    "case",
    "cast",
    "coalesce",
    "distinct",
    "else",
    "except",
    "exists",
    "filter",
    "from",
    "greatest",
    "group",
    "having",
    "in",
    "intersect",
    "is",
    "join",
    "least",
    "like",
    "limit",
    "materialized",
    "not",
    "nullif",
    "on",
    "or",
    "order",
    "over",
    "partition",
    "select",
    "some",
    "then",
    "union",
    "using",
    "values",
    "when",
    "where",
    "within",
    // Types with a length or a precision.
    "bit",
    "bpchar",
    "char",
    "character",
    "decimal",
    "float",
    "interval",
    "numeric",
    "time",
    "timestamp",
    "timestamptz",
    "timetz",
    "varbit",
    "varchar",
    "varying",
];

/// Functions of PostgreSQL that give each row its own value, and yet change nothing.
const READING: &[&str] = &[
    "clock_timestamp",
    "currval",
    "gen_random_uuid",
    "lastval",
    "obj_description",
    "pg_column_size",
    "pg_database_size",
    "pg_get_constraintdef",
    "pg_get_indexdef",
    "pg_get_viewdef",
    "pg_indexes_size",
    "pg_is_in_recovery",
    "pg_relation_size",
    "pg_size_pretty",
    "pg_sleep",
    "pg_table_size",
    "pg_total_relation_size",
    "random",
    "timeofday",
    "to_regclass",
    "to_regtype",
];

/// [`volatile_call_but`] where nothing is known of any: the first function that an expression calls and that is not known to give one value for the whole statement:
/// `gen_random_uuid`, or any that is not PostgreSQL's own. A function is volatile unless it was declared not to
/// be, which the text does not say.
#[cfg(test)]
pub(in crate::postgres) fn volatile_call(expression: &str) -> Option<String> {
    volatile_call_but(expression, &|_| false)
}

/// As [`volatile_call`], but for functions of which it is known that they were declared not to be volatile.
pub(in crate::postgres) fn volatile_call_but(
    expression: &str,
    steady: &dyn Fn(&str) -> bool,
) -> Option<String> {
    calls(expression).into_iter().find(|name| !STEADY.contains(&name.as_str()) && !steady(name))
}

/// The first function of a query that may change the database. `set_config` changes the session.
pub(in crate::postgres) fn changing_call(query: &str) -> Option<String> {
    let harmless = |name: &str| STEADY.contains(&name) || READING.contains(&name) || name == "set_config";
    calls(query).into_iter().find(|name| !harmless(name))
}

/// The query sets a parameter of the session, as the beginning of a dump does.
pub(in crate::postgres) fn sets_session(query: &str) -> bool {
    calls(query).iter().any(|name| name == "set_config")
}

/// The names of the functions that are called.
fn calls(expression: &str) -> Vec<String> {
    let words = text::words(expression);
    words.windows(2).filter(|pair| pair[1].token == Token::Open).filter_map(|pair| call(&pair[0])).collect()
}

/// The name of a function, if this word can be one.
fn call(word: &Word<'_>) -> Option<String> {
    matches!(word.token, Token::Word | Token::QuotedName).then(|| word.identifier()).flatten()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn queries_that_may_write_are_told_from_those_that_do_not() {
        let cases = [
            ("SELECT pg_catalog.set_config('search_path', '', false)", None),
            ("SELECT count(*) FROM a JOIN b USING (id) WHERE a.x IN (1, 2) AND b.y > random()", None),
            ("SELECT setval('s', 10)", Some("setval")),
            ("SELECT app.move_rows(10) FROM t", Some("move_rows")),
        ];
        for (query, wanted) in cases {
            assert_eq!(changing_call(query).as_deref(), wanted, "{query}");
        }
        assert!(sets_session(cases[0].0) && !sets_session(cases[1].0));
    }

    #[test]
    fn volatile_calls_are_found_and_constants_are_not() {
        let cases = [
            ("0", None),
            ("'random()'", None),
            ("now() + interval '1 day'", None),
            ("CURRENT_TIMESTAMP(3)", None),
            ("'{}'::jsonb", None),
            ("1.5::numeric(10,2)", None),
            ("'x'::character varying(20)", None),
            ("$$random()$$", None),
            ("gen_random_uuid()", Some("gen_random_uuid")),
            ("pg_catalog.random () * 10", Some("random")),
            ("coalesce(NULL, clock_timestamp())", Some("clock_timestamp")),
            ("nextval('s')", Some("nextval")),
            ("app.next_number()", Some("next_number")),
            ("\"Next\"()", Some("Next")),
        ];
        for (expression, wanted) in cases {
            assert_eq!(volatile_call(expression).as_deref(), wanted, "{expression}");
        }
    }
}
