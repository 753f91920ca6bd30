//! Sequences, those of identity columns too.

use super::Written;
use crate::Key;
use crate::model::Counter;

pub(super) fn create(key: &Key, counter: &Counter) -> String {
    let unlogged = if counter.unlogged { "UNLOGGED " } else { "" };
    let ty = if counter.ty == "bigint" { String::new() } else { format!(" AS {}", counter.ty) };
    format!("CREATE {unlogged}SEQUENCE {}{ty}{}", key.sql(), unusual(counter))
}

pub(super) fn change(key: &Key, old: &Counter, new: &Counter) -> Vec<Written> {
    let mut out = Vec::new();
    if (Counter { unlogged: new.unlogged, ..old.clone() }) != *new {
        let sql = format!("ALTER SEQUENCE {} AS {}{}", key.sql(), new.ty, all(new));
        out.push(sql.into());
    }
    if old.unlogged != new.unlogged {
        let how = if new.unlogged { "UNLOGGED" } else { "LOGGED" };
        out.push(format!("ALTER SEQUENCE {} SET {how}", key.sql()).into());
    }
    out
}

/// Every option, with a space before each.
pub(super) fn all(counter: &Counter) -> String {
    format!(
        " INCREMENT BY {} MINVALUE {} MAXVALUE {} START WITH {} CACHE {} {}",
        counter.increment,
        counter.minimum,
        counter.maximum,
        counter.start,
        counter.cache,
        if counter.cycle { "CYCLE" } else { "NO CYCLE" }
    )
}

/// Those that are not as the server would choose them.
pub(super) fn unusual(counter: &Counter) -> String {
    let (least, most) = match counter.ty.as_str() {
        "smallint" => (i64::from(i16::MIN), i64::from(i16::MAX)),
        "integer" => (i64::from(i32::MIN), i64::from(i32::MAX)),
        _ => (i64::MIN, i64::MAX),
    };
    let (minimum, maximum) = if counter.increment > 0 { (1, most) } else { (least, -1) };
    let start = if counter.increment > 0 { counter.minimum } else { counter.maximum };
    let mut out = String::new();
    for (word, value, usual) in [
        ("INCREMENT BY", counter.increment, 1),
        ("MINVALUE", counter.minimum, minimum),
        ("MAXVALUE", counter.maximum, maximum),
        ("START WITH", counter.start, start),
        ("CACHE", counter.cache, 1),
    ] {
        if value != usual {
            out += &format!(" {word} {value}");
        }
    }
    out + if counter.cycle { " CYCLE" } else { "" }
}
