//! Finding a rule by what people call it.

use crate::{RULES, Rule};

/// The rule of an id, a code or an alias; where several share an alias, the first.
pub fn rule(id_or_alias: &str) -> Option<&'static Rule> {
    let wanted = id_or_alias.trim();
    RULES
        .iter()
        .copied()
        .find(|rule| rule.id == wanted)
        .or_else(|| RULES.iter().copied().find(|rule| called(rule, wanted)))
}

/// The id or alias that is nearest to one that does not exist, if any is near.
pub fn suggest(id: &str) -> Option<&'static str> {
    let wanted = id.trim().to_ascii_lowercase();
    let names = RULES.iter().flat_map(|rule| std::iter::once(rule.id).chain(rule.aliases.iter().copied()));
    let nearest = names.map(|name| (distance(&wanted, name), name)).min()?;
    // A third of the letters may be wrong: enough for typos, too little for another word.
    (nearest.0 <= wanted.chars().count().max(3) / 3).then_some(nearest.1)
}

/// Whether the rule of an id goes by this id, code or alias.
pub fn goes_by(id: &str, name: &str) -> bool {
    RULES.iter().any(|rule| rule.id == id && called(rule, name))
}

/// Whether a rule goes by this id, code or alias.
pub(crate) fn called(rule: &Rule, name: &str) -> bool {
    rule.id == name
        || rule.code.eq_ignore_ascii_case(name)
        || rule.aliases.iter().any(|alias| alias.eq_ignore_ascii_case(name))
}

/// Whether a rule is among the chosen ones; no choice is all.
pub(crate) fn chosen(rule: &Rule, only: &[String]) -> bool {
    only.is_empty() || only.iter().any(|name| called(rule, name.trim()))
}

/// How many letters must be put in, taken out or replaced.
fn distance(a: &str, b: &str) -> usize {
    let b: Vec<char> = b.chars().collect();
    let mut row: Vec<usize> = (0..=b.len()).collect();
    for (i, from) in a.chars().enumerate() {
        let mut diagonal = row[0];
        row[0] = i + 1;
        for (j, to) in b.iter().enumerate() {
            let replaced = diagonal + usize::from(from != *to);
            diagonal = row[j + 1];
            row[j + 1] = replaced.min(row[j] + 1).min(row[j + 1] + 1);
        }
    }
    row[b.len()]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_rule_is_found_by_id_code_and_alias() {
        for name in ["drop-column", "CF1072", "cf1072", "ban-drop-column", "DS103", "ds103"] {
            assert_eq!(rule(name).map(|r| r.id), Some("drop-column"), "{name}");
        }
        assert!(rule("drop-colum").is_none());
    }

    #[test]
    fn near_names_are_suggested_and_far_ones_are_not() {
        let cases = [
            ("drop-colum", Some("drop-column")),
            ("create-index-blokcing", Some("create-index-blocking")),
            ("Drop-Table", Some("drop-table")),
            ("ban-drop-colum", Some("ban-drop-column")),
            ("something-else-entirely", None),
            ("", None),
        ];
        for (wrong, right) in cases {
            assert_eq!(suggest(wrong), right, "{wrong}");
        }
    }

    #[test]
    fn distance_counts_single_letters() {
        for (a, b, n) in [("", "", 0), ("", "abc", 3), ("abc", "abc", 0), ("abc", "adc", 1), ("ab", "ba", 2)]
        {
            assert_eq!(distance(a, b), n, "{a} {b}");
        }
    }
}
