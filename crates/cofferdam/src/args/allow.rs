//! `--allow RULE=REASON`.

/// Reads `RULE=REASON`. The reason must not be empty: it is kept with the run, and whoever reads it later has
/// nothing else to go by. Whether there is such a rule is for the caller, who can suggest one.
///
/// # Errors
/// A sentence for the command line.
pub(crate) fn parse(text: &str) -> Result<(String, String), String> {
    match text.split_once('=') {
        Some((rule, reason)) if !rule.trim().is_empty() && !reason.trim().is_empty() => {
            Ok((rule.trim().to_owned(), reason.trim().to_owned()))
        }
        _ => Err("write RULE=REASON, for example --allow drop-column='unused since 2.0'".to_owned()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_allowance_needs_rule_and_reason() {
        for (text, expected) in [
            ("drop-column=unused since 2.0", Some(("drop-column", "unused since 2.0"))),
            ("a=b=c", Some(("a", "b=c"))),
            ("drop-column", None),
            ("drop-column= ", None),
            ("=why", None),
        ] {
            let read = parse(text).ok();
            assert_eq!(read.as_ref().map(|(r, w)| (r.as_str(), w.as_str())), expected, "{text}");
        }
    }
}
