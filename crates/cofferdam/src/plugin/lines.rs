//! The lines of a runner's log: an object of JSON each. Pure.

use serde::{Deserialize, Serialize};

/// One line.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize, Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct LogLine {
    #[serde(default)]
    pub(crate) time: String,
    #[serde(default)]
    pub(crate) level: String,
    #[serde(default)]
    pub(crate) message: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) run_id: Option<String>,
}

impl LogLine {
    /// Reads one; a line of something else (a container of yours, a panic) is its own message.
    pub(crate) fn read(line: &str) -> Self {
        match serde_json::from_str::<LogLine>(line) {
            Ok(read) if !read.message.is_empty() => read,
            _ => Self { time: String::new(), level: String::new(), message: line.to_owned(), run_id: None },
        }
    }

    /// `10:02:11  warn   standby replica-1 is 80 MB behind`; what is not of ours as it is.
    pub(crate) fn text(&self) -> String {
        match self.time.parse::<jiff::Timestamp>() {
            Ok(time) => format!("{}  {:<5}  {}", time.strftime("%H:%M:%S"), self.level, self.message),
            Err(_) => self.message.clone(),
        }
    }
}

/// A step of a plan, as the runner wrote it into its log.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub(crate) struct PlannedStep {
    /// The version of the migration, or `OBJECT/SCRIPT`.
    pub(crate) migration: String,
    pub(crate) step: String,
    pub(crate) title: String,
}

/// The plan that was written last: a runner that is tried again writes it again.
pub(crate) fn plan(log: &str) -> Vec<PlannedStep> {
    let mut plan: Vec<PlannedStep> = Vec::new();
    let mut within = false;
    for line in log.lines() {
        let Some(step) = step(&LogLine::read(line).message) else {
            within = false;
            continue;
        };
        let again = plan.iter().any(|known| (&known.migration, &known.step) == (&step.migration, &step.step));
        if !within || again {
            plan.clear();
        }
        within = true;
        plan.push(step);
    }
    plan
}

/// `plan: users/1 step 2: create index`.
fn step(message: &str) -> Option<PlannedStep> {
    let (migration, rest) = message.strip_prefix("plan: ")?.split_once(" step ")?;
    let (step, title) = rest.split_once(": ")?;
    Some(PlannedStep { migration: migration.into(), step: step.into(), title: title.into() })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn logged(message: &str) -> String {
        serde_json::json!({ "time": "2026-11-21T10:02:11.123Z", "level": "info", "migration": "shop/users", "message": message })
            .to_string()
    }

    #[test]
    fn a_line_is_shown_for_people() {
        assert_eq!(LogLine::read(&logged("a b")).text(), "10:02:11  info   a b");
        for other in ["panicked at main.rs", "{\"a\": 1}", "INFO  [alembic] Running upgrade", ""] {
            assert_eq!(LogLine::read(other).text(), other);
        }
    }

    #[test]
    fn the_plan_is_the_one_that_was_written_last() {
        let lines = [
            logged("plan: users/1 step 1: create table users"),
            logged("waits for the lock"),
            logged("plan: users/1 step 1: create table users"),
            logged("plan: users/1 step 2: add a column: note step by step"),
            logged("the end"),
        ];
        let plan = plan(&lines.join("\n"));
        assert_eq!(plan.len(), 2);
        assert_eq!((plan[1].step.as_str(), plan[1].title.as_str()), ("2", "add a column: note step by step"));
        let twice = [logged("plan: 1 step 1: a"), logged("plan: 1 step 2: b"), logged("plan: 1 step 1: c")];
        assert_eq!(super::plan(&twice.join("\n"))[0].title, "c");
        assert!(super::plan("no plan: x\nplan: y").is_empty());
    }
}
