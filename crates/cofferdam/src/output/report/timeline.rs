//! The picture of a run's time: a bar for each phase above one for each step.

use cofferdam_core::Phase;
use cofferdam_core::journal::{Entry, What};

use super::{escaped, step_of};

/// In pixels: the whole, the names at the left, a line, the axis.
const WIDTH: f64 = 920.0;
const NAMES: f64 = 170.0;
const LINE: f64 = 22.0;
const AXIS: f64 = 28.0;
/// The most bars: a picture of more is none.
const MOST: usize = 60;

/// A bar: its name, from when to when in milliseconds after the first row, and its colour.
struct Bar {
    name: String,
    from: f64,
    until: f64,
    colour: &'static str,
}

/// The picture as SVG, without scripts, styles and links.
pub(super) fn picture(rows: &[Entry]) -> String {
    let Some(start) = rows.first().and_then(at) else { return String::new() };
    let times: Vec<f64> = rows.iter().map(|row| at(row).map_or(0.0, |at| (at - start).max(0.0))).collect();
    let whole = times.iter().copied().fold(1.0, f64::max);
    let mut bars = phases(rows, &times, whole);
    bars.extend(steps(rows, &times, whole));
    let left = bars.len().saturating_sub(MOST);
    bars.truncate(MOST);
    #[allow(clippy::cast_precision_loss, reason = "at most MOST")]
    let height = AXIS + LINE * bars.len() as f64 + if left > 0 { LINE } else { 0.0 };
    let scale = (WIDTH - NAMES - 10.0) / whole;
    let mut out = format!(
        "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 {WIDTH} {height}\" width=\"{WIDTH}\" \
         height=\"{height}\" role=\"img\" aria-label=\"timeline\" font-family=\"sans-serif\" font-size=\"12\">"
    );
    for part in 0..=4 {
        let share = f64::from(part) / 4.0;
        let x = NAMES + share * whole * scale;
        let bottom = height;
        out += &format!(
            "<line x1=\"{x:.1}\" y1=\"{AXIS}\" x2=\"{x:.1}\" y2=\"{bottom}\" stroke=\"#d8dee4\"/>\
             <text x=\"{x:.1}\" y=\"16\" text-anchor=\"{}\" fill=\"#57606a\">{}</text>",
            if part == 4 { "end" } else { "start" },
            span(share * whole)
        );
    }
    let mut y = AXIS;
    for bar in &bars {
        let (x, width) = (NAMES + bar.from * scale, ((bar.until - bar.from) * scale).max(2.0));
        let name: String = bar.name.chars().take(26).collect();
        out += &format!(
            "<text x=\"0\" y=\"{:.1}\" fill=\"#1b1f24\">{}</text>\
             <rect x=\"{x:.1}\" y=\"{:.1}\" width=\"{width:.1}\" height=\"14\" rx=\"2\" fill=\"{}\">\
             <title>{}: {}</title></rect>",
            y + 15.0,
            escaped(&name),
            y + 4.0,
            bar.colour,
            escaped(&bar.name),
            span(bar.until - bar.from)
        );
        y += LINE;
    }
    if left > 0 {
        out += &format!("<text x=\"0\" y=\"{:.1}\" fill=\"#57606a\">and {left} more</text>", y + 15.0);
    }
    out + "</svg>"
}

fn at(row: &Entry) -> Option<f64> {
    let moment = row.at.parse::<jiff::Timestamp>().ok()?;
    #[allow(clippy::cast_precision_loss, reason = "milliseconds of some thousand years")]
    Some(moment.as_microsecond() as f64 / 1000.0)
}

/// Each phase from the row that led to it to the row that led out of it.
fn phases(rows: &[Entry], times: &[f64], whole: f64) -> Vec<Bar> {
    let mut bars: Vec<Bar> = Vec::new();
    for (row, time) in rows.iter().zip(times) {
        let (What::Moved { to, .. } | What::Passed { to, .. }) = &row.what else { continue };
        if let Some(last) = bars.last_mut() {
            last.until = *time;
        }
        let colour = match to {
            Phase::Done => "#2da44e",
            Phase::RolledBack | Phase::Refused | Phase::Stuck | Phase::RollingBack => "#cf222e",
            Phase::Watching => "#bf8700",
            _ => "#0969da",
        };
        let until = if to.terminal() { *time } else { whole };
        bars.push(Bar { name: format!("{to:?}"), from: *time, until, colour });
    }
    bars
}

/// Each try of a step.
fn steps(rows: &[Entry], times: &[f64], whole: f64) -> Vec<Bar> {
    let mut bars: Vec<Bar> = Vec::new();
    for (row, time) in rows.iter().zip(times) {
        let Some(step) = step_of(&row.what) else { continue };
        let name = format!("step {step}");
        let open = bars.iter().rposition(|bar| bar.name == name && bar.colour == OPEN);
        match (&row.what, open.and_then(|open| bars.get_mut(open))) {
            (What::Began { .. }, _) => bars.push(Bar { name, from: *time, until: whole, colour: OPEN }),
            (What::Ended { ms, .. }, Some(bar)) => {
                // What commits together has one time; how long it took is known all the same.
                #[allow(clippy::cast_precision_loss, reason = "milliseconds of a step")]
                let took = ms.map_or(0.0, |ms| ms as f64);
                bar.until = time.max(bar.from + took).min(whole.max(*time));
                bar.colour = "#8250df";
            }
            (What::Failed { .. }, Some(bar)) => (bar.until, bar.colour) = (*time, "#cf222e"),
            _ => {}
        }
    }
    bars
}

/// The colour of a step that began and did not end.
const OPEN: &str = "#8c959f";

fn span(ms: f64) -> String {
    match ms {
        ms if ms < 1_000.0 => format!("{ms:.0} ms"),
        ms if ms < 120_000.0 => format!("{:.1} s", ms / 1_000.0),
        ms if ms < 7_200_000.0 => format!("{:.0} min", ms / 60_000.0),
        ms => format!("{:.1} h", ms / 3_600_000.0),
    }
}
