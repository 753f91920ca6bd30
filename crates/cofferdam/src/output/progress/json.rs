//! Progress as JSON, an object a line, for programs that follow a run.

use cofferdam_engines::Tick;
use cofferdam_runner::{News, Reporter};
use serde_json::{Value, json};

use super::Sink;

/// Writes an object a line.
pub(super) struct Json {
    sink: Sink,
}

impl Json {
    /// Objects into this sink.
    pub(super) fn new(sink: Sink) -> Self {
        Self { sink }
    }
}

impl Reporter for Json {
    fn tell(&self, news: &News<'_>) {
        let mut object = object(news);
        object["at"] = json!(jiff::Timestamp::now().to_string());
        (self.sink)(&object.to_string());
    }
}

fn object(news: &News<'_>) -> Value {
    match news {
        News::Planned { runs, steps } => json!({"event": "planned", "runs": runs, "steps": steps}),
        News::RunBegan { run, plan, resumed } => json!({
            "event": "runBegan", "run": run, "key": plan.key, "description": plan.description, "resumed": resumed,
        }),
        News::Found { step, title, found } => {
            json!({"event": "found", "step": step, "title": title, "found": found})
        }
        News::StepBegan { step, title } => json!({"event": "stepBegan", "step": step, "title": title}),
        News::StepEnded { step, title, ms } => {
            json!({"event": "stepEnded", "step": step, "title": title, "ms": ms})
        }
        News::Retrying { step, title, try_, of, why } => json!({
            "event": "retrying", "step": step, "title": title, "try": try_, "of": of,
            "code": why.code.id(), "why": why.what, "notes": why.notes,
        }),
        News::Tick(tick) => ticked(tick),
        News::Moved { from, on, to } => json!({"event": "moved", "from": from, "on": on, "to": to}),
        News::Failed { step, title, why } => json!({
            "event": "failed", "step": step, "title": title, "code": why.code.id(), "why": why.what, "notes": why.notes,
        }),
        News::BackedUp(taken) => json!({
            "event": "backedUp", "location": taken.location, "bytes": taken.bytes, "verified": taken.verified,
            "unverified": taken.unverified, "tables": taken.tables.iter().map(ToString::to_string).collect::<Vec<_>>(),
        }),
        News::Breached { breach, losses } => {
            json!({"event": "breached", "breach": breach, "losses": losses})
        }
        News::Baking { time } => json!({"event": "baking", "ms": time.as_millis() as u64}),
        News::RunEnded(run) => {
            let mut object = json!(run);
            object["event"] = json!("runEnded");
            object
        }
    }
}

fn ticked(tick: &Tick) -> Value {
    match tick {
        Tick::WaitingFor(holders) => json!({"event": "waitingFor", "holders": holders}),
        Tick::Blocking(holders, since) => {
            json!({"event": "blocking", "holders": holders, "ms": since.as_millis() as u64})
        }
        Tick::Progress { doing, done, total } => {
            json!({"event": "progress", "doing": doing, "done": done, "total": total})
        }
        Tick::StepBegan(step) => json!({"event": "statementBegan", "step": step}),
        Tick::StepEnded(step, ms) => json!({"event": "statementEnded", "step": step, "ms": ms}),
        Tick::Deed(step, deed) => json!({"event": "statementSeen", "step": step, "deed": deed}),
        Tick::Locked(ms) => json!({"event": "tablesLocked", "ms": ms}),
        Tick::Notice(text) => json!({"event": "notice", "text": text}),
        Tick::LockedBy(holder) => json!({"event": "lockedBy", "holder": holder}),
    }
}

#[cfg(test)]
mod tests {
    use std::sync::{Arc, Mutex};

    use super::*;

    #[test]
    fn each_line_is_an_object_with_event_and_time() {
        let lines = Arc::new(Mutex::new(Vec::new()));
        let sink = Arc::clone(&lines);
        let json = Json::new(Box::new(move |line| sink.lock().unwrap().push(line.to_owned())));
        json.tell(&News::StepEnded { step: "1", title: "add column", ms: 4 });
        let line: Value = serde_json::from_str(&lines.lock().unwrap()[0]).unwrap();
        assert_eq!((&line["event"], &line["ms"]), (&json!("stepEnded"), &json!(4)));
        assert!(line["at"].as_str().unwrap().parse::<jiff::Timestamp>().is_ok());
    }
}
