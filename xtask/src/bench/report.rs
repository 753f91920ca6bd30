//! Tables and goals for a terminal.

use super::measure::Summary;

/// A table with a line under its head; the first column is text, the others numbers.
pub(super) fn table(head: &[&str], rows: &[Vec<String>]) -> String {
    let width = |column: usize| {
        let cells = rows.iter().filter_map(|row| row.get(column)).map(|cell| cell.chars().count());
        cells.chain([head[column].chars().count()]).max().unwrap_or(0)
    };
    let widths: Vec<usize> = (0..head.len()).map(width).collect();
    let line = |cells: &mut dyn Iterator<Item = String>| {
        let mut text = String::new();
        for (column, (cell, width)) in cells.zip(&widths).enumerate() {
            let cell = if column == 0 { format!("{cell:<width$}") } else { format!("  {cell:>width$}") };
            text += &cell;
        }
        text.trim_end().to_owned() + "\n"
    };
    let mut text = line(&mut head.iter().map(|cell| (*cell).to_owned()));
    text += &line(&mut widths.iter().map(|width| "-".repeat(*width)));
    rows.iter().for_each(|row| text += &line(&mut row.iter().cloned()));
    text
}

/// `204 (198-231)`: the median with the least and the most; a dash where nothing was measured.
pub(super) fn milliseconds(summary: Option<Summary>) -> String {
    let Some(Summary { median, least, most }) = summary else { return "-".to_owned() };
    format!("{} ({}-{})", short(median), short(least), short(most))
}

/// The same in seconds.
pub(super) fn seconds(summary: Option<Summary>) -> String {
    let Some(Summary { median, least, most }) = summary else { return "-".to_owned() };
    format!("{:.2} ({:.2}-{:.2})", median / 1_000.0, least / 1_000.0, most / 1_000.0)
}

/// One decimal where it tells something.
pub(super) fn short(milliseconds: f64) -> String {
    if milliseconds < 100.0 { format!("{milliseconds:.1}") } else { format!("{milliseconds:.0}") }
}

/// Says whether a goal is reached.
pub(super) fn goal(what: &str, reached: bool) {
    println!("goal: {what}: {}", if reached { "yes" } else { "no" });
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn columns_are_as_wide_as_their_widest_cell() {
        let rows = [vec!["goose".to_owned(), "204".to_owned()], vec!["x".to_owned(), "3059".to_owned()]];
        assert_eq!(table(&["tool", "ms"], &rows), "tool     ms\n-----  ----\ngoose   204\nx      3059\n");
    }

    #[test]
    fn a_measurement_shows_its_spread() {
        let summary = Summary { median: 20.94, least: 9.0, most: 203.6 };
        assert_eq!(milliseconds(Some(summary)), "20.9 (9.0-204)");
        assert_eq!(milliseconds(None), "-");
        assert_eq!(seconds(Some(summary)), "0.02 (0.01-0.20)");
        assert_eq!(seconds(None), "-");
    }
}
