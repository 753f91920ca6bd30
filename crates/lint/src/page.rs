//! A rule as a page of the documentation.

use crate::{Rule, mysql};

/// The rule's page in Markdown, with an example of a script; empty: without.
pub fn page(rule: &Rule, example: &str) -> String {
    let mut out = format!("# {}\n\n", rule.id);
    out += &format!("**{}.** {}\n\n", rule.code, sentence(rule.title));
    out += &format!(
        "Usual severity: {}. Engines: {}.\n\n## What happens\n\n{}\n",
        rule.severity.word(),
        rule.engines.join(", "),
        rule.why,
    );
    if !example.is_empty() {
        out += &format!("\n## Example\n\n{example}");
    }
    out += &format!("\n## What to do\n\n{}\n", rule.instead);
    if rule.engines != ["postgresql"] && mysql::names_alter(rule.instead) {
        out += &format!("\n{}.\n", mysql::NO_ALTER_YET);
    }
    if !rule.id.starts_with("allow-") {
        out += &format!(
            "\n## If you mean it\n\nSay so directly above the statement, with a reason and, better, a last day:\n\n\
             ```sql\n-- cofferdam:allow {} reason=\"the table is not used yet\" until=2030-01-31\n```\n",
            rule.id,
        );
    }
    if !rule.aliases.is_empty() {
        let aliases: Vec<String> = rule.aliases.iter().map(|alias| format!("`{alias}`")).collect();
        out += &format!(
            "\nThe marks `-- squawk-ignore` and `-- atlas:nolint` count too. Other linters call it {}.\n",
            aliases.join(", "),
        );
    }
    out
}

/// A title as a sentence: with a capital and a full stop.
fn sentence(title: &str) -> String {
    let mut chars = title.chars();
    chars.next().map(|first| first.to_uppercase().chain(chars).chain(['.']).collect()).unwrap_or_default()
}
