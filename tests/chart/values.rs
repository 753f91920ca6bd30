//! values.yaml: its comments are the chart's README.

use crate::helm::read;

/// A value that is documented: its path, its default and what it means.
pub(crate) struct Documented {
    pub(crate) path: String,
    default: String,
    about: String,
}

/// The values of a chart that have a comment `# --`, in their order. A key without one holds others.
///
/// # Panics
/// For a value that nothing is said of.
pub(crate) fn documented(chart: &str) -> Vec<Documented> {
    let text = read(&format!("charts/{chart}/values.yaml"));
    let lines: Vec<&str> = text.lines().collect();
    let mut found: Vec<Documented> = Vec::new();
    let mut above: Vec<(usize, &str)> = Vec::new();
    let mut comment: Option<String> = None;
    let mut inside: Option<usize> = None;
    for (number, line) in lines.iter().enumerate() {
        let depth = line.len() - line.trim_start().len();
        let trimmed = line.trim();
        // What is deeper than a documented value is a part of it.
        if let Some(outer) = inside {
            if !trimmed.is_empty() && depth > outer {
                let last = found.last_mut().unwrap();
                last.default.push_str(trimmed);
                last.default.push(' ');
                continue;
            }
            inside = None;
        }
        if let Some(about) = trimmed.strip_prefix("# -- ") {
            comment = Some(about.to_owned());
        } else if let Some(more) = trimmed.strip_prefix("# ") {
            if let Some(comment) = &mut comment {
                comment.push(' ');
                comment.push_str(more);
            }
        } else if let Some((key, value)) = trimmed.split_once(':') {
            above.retain(|(outer, _)| *outer < depth);
            above.push((depth, key));
            let path = above.iter().map(|(_, key)| *key).collect::<Vec<_>>().join(".");
            match comment.take() {
                Some(about) => {
                    inside = Some(depth);
                    found.push(Documented { path, default: value.trim().to_owned(), about });
                }
                None => assert!(
                    value.is_empty() && lines.get(number + 1).is_some_and(|next| next.starts_with(' ')),
                    "charts/{chart}/values.yaml: nothing is said of {path}"
                ),
            }
        }
    }
    found
}

/// The page: what stands there by hand, and the table.
pub(crate) fn readme(chart: &str) -> String {
    let path = format!("charts/{chart}/README.md");
    let is = read(&path);
    let (by_hand, _) = is.split_once(BEGIN).unwrap_or_else(|| panic!("{path} has no line {BEGIN}"));
    let mut text = format!("{by_hand}{BEGIN}\n\n| value | default | what it means |\n|---|---|---|\n");
    for value in documented(chart) {
        let default = match value.default.trim() {
            // More than a word: values.yaml shows it.
            long if long.contains(' ') && !long.starts_with('[') => "see values.yaml".to_owned(),
            short => format!("`{short}`"),
        };
        let about = value.about.replace('|', "\\|");
        text.push_str(&format!("| `{}` | {default} | {about} |\n", value.path));
    }
    text
}

const BEGIN: &str = "<!-- Printed from values.yaml by `cargo xtask docs`. -->";
