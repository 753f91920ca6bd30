//! Small texts that several screens share.

use cofferdam_core::online::Part;
use cofferdam_core::park::Deed;
use cofferdam_core::plan::{Act, Step, Undo};

/// `1 migration`, `3 migrations`.
pub(crate) fn count(number: usize, one: &str) -> String {
    if number == 1 { format!("1 {one}") } else { format!("{number} {one}s") }
}

/// A version for a sentence: that of an empty history is `none`.
pub(crate) fn version(version: Option<&str>) -> &str {
    version.unwrap_or("none")
}

/// Today's or a past moment, to the minute and in UTC: `2026-11-20 10:02` from RFC 3339. Other texts stay.
pub(crate) fn minute(at: &str) -> String {
    match at.parse::<jiff::Timestamp>() {
        Ok(moment) => moment.strftime("%Y-%m-%d %H:%M").to_string(),
        Err(_) => at.to_owned(),
    }
}

/// A text cut to so many characters, with `…` where it was cut.
pub(crate) fn cut(text: &str, most: usize) -> String {
    if text.chars().count() <= most {
        return text.to_owned();
    }
    text.chars().take(most.saturating_sub(1)).chain(['…']).collect()
}

/// A text with lines of at most so many characters, broken between words; its own line ends are kept.
pub(crate) fn wrapped(text: &str, width: usize) -> String {
    let wrap = |paragraph: &str| {
        let mut lines = vec![String::new()];
        for (index, word) in paragraph.split(' ').enumerate() {
            let Some(line) = lines.last_mut() else { continue };
            let whole = line.chars().count() + 1 + word.chars().count();
            if whole > width && !line.trim().is_empty() {
                lines.push(word.to_owned());
            } else {
                *line += if index > 0 { " " } else { "" };
                *line += word;
            }
        }
        lines.join("\n")
    };
    text.lines().map(wrap).collect::<Vec<_>>().join("\n")
}

/// How a step is taken back, in a few words.
pub(crate) fn undo(step: &Step) -> String {
    match &step.undo {
        Undo::Nothing => "✔ nothing to undo".to_owned(),
        Undo::Impossible { why } => format!("✖ {why}"),
        Undo::Acts { acts, loses, .. } => {
            let first = acts.first().map(act).unwrap_or_default();
            let more = match acts.len() {
                0 | 1 => String::new(),
                all => format!(" and {} more", all - 1),
            };
            let loses = loses.as_ref().map(|l| format!(", loses {l}")).unwrap_or_default();
            format!("✔ {first}{more}{loses}")
        }
    }
}

/// What an act does, in a few words.
fn act(act: &Act) -> String {
    match act {
        Act::Online { part: Part::SwapBack, .. } => "swap back, with what was written since".to_owned(),
        Act::Online { part: Part::Release, .. } => "stop logging".to_owned(),
        Act::Online { part: Part::Discard, .. } => "drop the new table".to_owned(),
        Act::Park { deed: Deed::Undrop, .. } => "undrop".to_owned(),
        act => gist(&act.text()),
    }
}

/// What an SQL statement does, in two words: `drop index`, and `drop column` for `ALTER TABLE t DROP COLUMN c`.
fn gist(sql: &str) -> String {
    const CLAUSES: &[&str] = &["add", "alter", "attach", "detach", "drop", "rename", "set", "validate"];
    let words: Vec<String> = sql.split_whitespace().take(12).map(str::to_lowercase).collect();
    let clause = match words.first().map(String::as_str) {
        Some("alter") => {
            words.iter().skip(2).position(|w| CLAUSES.contains(&w.as_str())).map_or(0, |at| at + 2)
        }
        _ => 0,
    };
    // `ALTER COLUMN c DROP NOT NULL` says what it does behind the column's name.
    let (clause, length) = match words.get(clause).map(String::as_str) {
        Some("alter") if clause > 0 => words
            .iter()
            .skip(clause + 1)
            .position(|w| CLAUSES.contains(&w.as_str()))
            .map_or((clause, 2), |at| (clause + 1 + at, 3)),
        _ => (clause, 2),
    };
    words.iter().skip(clause).take(length).map(String::as_str).collect::<Vec<_>>().join(" ")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_statement_has_a_gist() {
        for (sql, expected) in [
            ("DROP INDEX CONCURRENTLY \"ix\"", "drop index"),
            ("ALTER TABLE \"orders\" DROP COLUMN \"note\"", "drop column"),
            ("ALTER TABLE t RENAME COLUMN a TO b", "rename column"),
            ("ALTER TABLE t ALTER COLUMN c DROP NOT NULL", "drop not null"),
            ("ALTER TABLE IF EXISTS t ADD CONSTRAINT c CHECK (x)", "add constraint"),
            ("TRUNCATE t", "truncate t"),
            ("", ""),
        ] {
            assert_eq!(gist(sql), expected);
        }
    }

    #[test]
    fn a_text_is_wrapped_between_words() {
        assert_eq!(wrapped("one two three\n\n  - four", 8), "one two\nthree\n\n  - four");
        assert_eq!(wrapped("unbreakable", 4), "unbreakable");
    }

    #[test]
    fn moments_and_counts_read_well() {
        assert_eq!(minute("2026-11-20T10:02:33.123Z"), "2026-11-20 10:02");
        assert_eq!(minute("soon"), "soon");
        assert_eq!(count(1, "file"), "1 file");
        assert_eq!(count(0, "file"), "0 files");
        assert_eq!(cut("äöüß", 3), "äö…");
    }
}
