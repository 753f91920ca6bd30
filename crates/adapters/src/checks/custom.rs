//! A query of the user's own, which must return true.

use super::{Asked, Check, Found, Look, Takes, Value, Verdict};

pub(super) static CHECK: Check = Check {
    id: "custom",
    about: "a query that returns one row with one value, true; it can write nothing",
    takes: Takes::Sql,
    asks: |asked, _| vec![Look::Query(query(asked).to_owned())],
    judge,
};

fn query(asked: &Asked) -> &str {
    match &asked.value {
        Value::Sql(sql) => sql,
        _ => "",
    }
}

/// MySQL and MariaDB have no truth but 1.
fn is_true(value: &str, dialect: &str) -> bool {
    matches!(value, "t" | "true") || value == "1" && matches!(dialect, "mysql" | "mariadb")
}

fn judge(asked: &Asked, found: &Found) -> Verdict {
    let sql = query(asked);
    let shown = sql.split_whitespace().collect::<Vec<_>>().join(" ");
    let wanted = format!("{shown} must return one row with one value, true");
    let answered = match found.rows.get(sql) {
        // Somebody's own query that does not work is no question that nobody can answer.
        Some(Err(said)) => format!("the query failed: {said}"),
        None => "the query was not asked".to_owned(),
        Some(Ok(rows)) => match rows.as_slice() {
            [] => "it returned no row".to_owned(),
            [row] => match row.as_slice() {
                [Some(value)] if is_true(value, &found.dialect) => {
                    return Verdict::Holds(format!("{shown} returned true"));
                }
                [Some(value)] => format!("it returned {value:?}"),
                [None] => "it returned NULL".to_owned(),
                cells => format!("it returned {} columns", cells.len()),
            },
            rows => format!("it returned {} rows", rows.len()),
        },
    };
    Verdict::fails(answered, wanted, "bring the database to what the query asks for, or correct the query")
}
