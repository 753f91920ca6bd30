//! The change ticket: one static page about a run, without anything that is loaded from elsewhere.
//!
//! Whatever comes from the database or from files is hostile until it is escaped: [`escaped`] is the only way into the
//! page.

mod timeline;

use cofferdam_core::journal::{Entry, What};
use cofferdam_core::{Phase, Who};
use cofferdam_engines::Run;

use super::history::sentence;
use super::run::RunView;
use super::words;

/// Nothing is loaded and nothing runs, whatever got past the escaping.
const POLICY: &str = "default-src 'none'; style-src 'unsafe-inline'; base-uri 'none'; form-action 'none'";

const STYLE: &str = "\
body{font:15px/1.5 system-ui,sans-serif;margin:2rem auto;max-width:60rem;padding:0 1rem;color:#1b1f24}\
h1{font-size:1.4rem}h2{font-size:1.1rem;margin-top:2rem}table{border-collapse:collapse;width:100%}\
th,td{text-align:left;vertical-align:top;padding:.25rem .75rem .25rem 0;border-bottom:1px solid #d8dee4}\
th{font-weight:600;white-space:nowrap}pre{white-space:pre-wrap;overflow-wrap:anywhere;margin:0;font-size:13px}\
td{overflow-wrap:anywhere}.good{color:#116329}.bad{color:#a40e26}.waits{color:#7d4e00}svg{max-width:100%;height:auto}";

/// The page of a run, with its rows in order.
pub(crate) fn page(database: &str, run: &Run, rows: &[Entry], server: &str) -> String {
    let view = RunView::from(run);
    let title = format!("{}: {} {} {}", database, view.intent(), view.key, view.description);
    let class = match run.phase {
        Phase::Done => "good",
        Phase::RolledBack | Phase::Refused | Phase::Stuck | Phase::RollingBack => "bad",
        _ => "waits",
    };
    let who = Who::parse(&run.by);
    let none = "–".to_owned();
    let facts = [
        ("Database", database.to_owned()),
        ("Server", server.to_owned()),
        ("Migration", format!("{} {}", view.key, view.description)),
        ("Intent", view.intent().to_owned()),
        ("Strategy", view.strategy.clone()),
        ("Who", who.actor.clone()),
        ("From where", who.host.clone().unwrap_or_else(|| none.clone())),
        ("Pipeline", who.pipeline.clone().unwrap_or_else(|| none.clone())),
        ("Environment", who.environment.clone().unwrap_or_else(|| none.clone())),
        ("Began", view.started_at.clone()),
        ("Ended", view.ended_at.clone().unwrap_or(none)),
        ("Plan digest", view.digest.clone()),
        ("Run", view.run.clone()),
        ("Hash of its last row", rows.last().map(|row| row.hash.clone()).unwrap_or_default()),
        ("Hashes of its rows", fits(rows).to_owned()),
    ];
    let facts: String = facts
        .iter()
        .map(|(name, value)| format!("<tr><th>{name}</th><td>{}</td></tr>", escaped(value)))
        .collect();
    let steps: String = run
        .plan
        .steps()
        .map(|step| {
            format!(
                "<tr><td>{}</td><td>{}</td><td><pre>{}</pre></td></tr>",
                escaped(&step.id),
                escaped(&step.title),
                escaped(&words::cut(&step.act.text(), 4_000))
            )
        })
        .collect();
    let journal: String = rows
        .iter()
        .map(|row| {
            format!(
                "<tr><td>{}</td><td>{}</td><td>{}</td><td>{}</td></tr>",
                row.seq,
                escaped(&row.at),
                escaped(&row.who),
                escaped(&sentence(&row.what))
            )
        })
        .collect();
    let title = escaped(&title);
    format!(
        "<!doctype html>\n<html lang=\"en\"><head><meta charset=\"utf-8\">\
         <meta http-equiv=\"Content-Security-Policy\" content=\"{POLICY}\">\
         <meta name=\"viewport\" content=\"width=device-width\"><title>{title}</title><style>{STYLE}</style></head>\n\
         <body><h1>{title}</h1>\n<p class=\"{class}\"><strong>{:?}</strong></p>\n<table>{facts}</table>\n\
         <h2>Timeline</h2>\n{}\n<h2>Plan</h2>\n\
         <table><tr><th>Step</th><th>What</th><th>Statement</th></tr>{steps}</table>\n\
         <h2>Journal</h2>\n<table><tr><th>Row</th><th>At</th><th>Who</th><th>What</th></tr>{journal}</table>\n\
         </body></html>\n",
        run.phase,
        timeline::picture(rows),
    )
}

/// Whether each row has the hash that it ought to have. That none is missing only the whole journal can tell.
fn fits(rows: &[Entry]) -> &'static str {
    if rows.iter().all(|row| row.hash == row.computed_hash()) {
        "each row has the hash that it ought to have; cofferdam audit verify proves the whole chain"
    } else {
        "a row does not have the hash that it ought to have: it was changed"
    }
}

/// A text as the content of an element or of an attribute in double quotes. Characters that are no text, and those that
/// turn the direction of what follows, are shown as what they are.
pub(crate) fn escaped(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            '&' => out.push_str("&amp;"),
            '<' => out.push_str("&lt;"),
            '>' => out.push_str("&gt;"),
            '"' => out.push_str("&quot;"),
            '\'' => out.push_str("&#39;"),
            '\n' | '\t' => out.push(c),
            c if c.is_control() => out.push('\u{fffd}'),
            '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}' | '\u{200e}' | '\u{200f}' => {
                out.push('\u{fffd}')
            }
            c => out.push(c),
        }
    }
    out
}

/// What a row is about: the step that it names.
fn step_of(what: &What) -> Option<&str> {
    match what {
        What::Began { step }
        | What::Ended { step, .. }
        | What::Failed { step, .. }
        | What::Asked { step, .. } => Some(step),
        _ => None,
    }
}

#[cfg(test)]
mod tests;
