//! What a default expression calls.

/// Functions that give another value each time, or each row.
const VOLATILE: &[&str] = &[
    "random",
    "random_normal",
    "clock_timestamp",
    "timeofday",
    "gen_random_uuid",
    "uuidv4",
    "uuidv7",
    "uuid_generate_v1",
    "uuid_generate_v1mc",
    "uuid_generate_v4",
    "nextval",
    "setval",
    "gen_random_bytes",
    "gen_salt",
];

/// Functions and types of PostgreSQL that stand before a parenthesis in defaults and are not volatile.
const STEADY: &[&str] = &[
    "now", "current_timestamp", "current_time", "localtime", "localtimestamp", "transaction_timestamp",
    "statement_timestamp", "current_setting", "current_user", "session_user", "txid_current", "pg_backend_pid",
    "coalesce", "nullif", "greatest", "least", "cast", "array", "row", "lower", "upper", "initcap", "concat",
    "concat_ws", "format", "replace", "substr", "substring", "trim", "btrim", "ltrim", "rtrim", "left", "right",
    "lpad", "rpad", "length", "char_length", "md5", "sha256", "encode", "decode", "to_char", "to_date", "to_number",
    "to_timestamp", "date_trunc", "date_part", "extract", "age", "make_date", "make_interval", "make_time",
    "make_timestamp", "make_timestamptz", "timezone", "abs", "ceil", "ceiling", "floor", "round", "trunc", "mod",
    "power", "sqrt", "to_json", "to_jsonb", "json_build_object", "jsonb_build_object", "json_build_array",
    "jsonb_build_array", "json_object", "jsonb_object", "array_fill", "string_to_array", "int4range", "int8range",
    "numrange", "tsrange", "tstzrange", "daterange", "point", "box", "to_tsvector", "to_tsquery", "hstore",
    "quote_literal", "quote_ident", "regexp_replace", "split_part", "translate", "reverse", "repeat", "ascii", "chr",
    // Types with a length or precision.
    "numeric", "decimal", "varchar", "char", "character", "varying", "bit", "time", "timestamp", "timestamptz",
    "interval", "float", "bpchar",
    // Words before a parenthesis that are no function.
    "and", "or", "not", "in", "any", "all", "is", "between", "like", "case", "when", "then", "else",
];

/// What is known of how steady an expression is.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Steadiness {
    /// One value for the whole statement: the server keeps it in the catalog and rewrites nothing.
    Steady,
    /// Calls this function, which gives each row its own value.
    Volatile(String),
    /// Calls this function, of which nothing is known; a function is volatile unless it was declared otherwise.
    Unknown(String),
}

/// Judges an expression by the functions that it calls.
pub(crate) fn steadiness(expression: &str) -> Steadiness {
    let mut unknown = None;
    for name in calls(expression) {
        if VOLATILE.contains(&name.as_str()) {
            return Steadiness::Volatile(name);
        }
        if !STEADY.contains(&name.as_str()) && unknown.is_none() {
            unknown = Some(name);
        }
    }
    unknown.map_or(Steadiness::Steady, Steadiness::Unknown)
}

/// The names that stand directly before an opening parenthesis, lower case, without their schema.
fn calls(expression: &str) -> Vec<String> {
    let mut found = Vec::new();
    let mut word = String::new();
    let mut chars = expression.chars().peekable();
    while let Some(c) = chars.next() {
        match c {
            '\'' => {
                word.clear();
                while let Some(inner) = chars.next() {
                    if inner == '\'' && chars.next_if_eq(&'\'').is_none() {
                        break;
                    }
                }
            }
            '"' => {
                word = chars.by_ref().take_while(|inner| *inner != '"').collect();
            }
            '(' => {
                if !word.is_empty() {
                    found.push(std::mem::take(&mut word));
                }
            }
            c if c.is_alphanumeric() || c == '_' => word.extend(c.to_lowercase()),
            // White space may stand between a name and its parenthesis, but ends the word before another.
            c if c.is_whitespace() => {
                while chars.next_if(|next| next.is_whitespace()).is_some() {}
                if chars.peek() != Some(&'(') {
                    word.clear();
                }
            }
            _ => word.clear(),
        }
    }
    found
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn defaults_are_judged_by_what_they_call() {
        use Steadiness::*;
        let cases = [
            ("0", Steady),
            ("'random()'", Steady),
            ("now() + interval '1 day'", Steady),
            ("CURRENT_TIMESTAMP(3)", Steady),
            ("'{}'::jsonb", Steady),
            ("1.5::numeric(10,2)", Steady),
            ("(1 + 2)", Steady),
            ("gen_random_uuid()", Volatile("gen_random_uuid".into())),
            ("pg_catalog.random () * 10", Volatile("random".into())),
            ("coalesce(NULL, clock_timestamp())", Volatile("clock_timestamp".into())),
            ("app.next_number()", Unknown("next_number".into())),
            ("\"Next\"()", Unknown("Next".into())),
        ];
        for (expression, wanted) in cases {
            assert_eq!(steadiness(expression), wanted, "{expression}");
        }
    }
}
