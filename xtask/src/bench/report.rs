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

/// The least, the median and the most; no number where nothing was measured.
pub(super) fn spread(values: impl IntoIterator<Item = f64>) -> (f64, f64, f64) {
    let mut sorted: Vec<f64> = values.into_iter().collect();
    sorted.sort_by(f64::total_cmp);
    let of = |place: usize| sorted.get(place).copied().unwrap_or(f64::NAN);
    (of(0), of(sorted.len().saturating_sub(1) / 2), of(sorted.len().saturating_sub(1)))
}

/// The same as tables have it, the median first: `204 (198-231)`.
pub(super) fn spread_text(values: &[f64], digits: usize) -> String {
    let (least, median, most) = spread(values.iter().copied());
    format!("{median:.digits$} ({least:.digits$}-{most:.digits$})")
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
    fn the_spread_is_of_what_was_measured() {
        assert_eq!(spread_text(&[3.0, 1.0, 2.0], 1), "2.0 (1.0-3.0)");
        assert_eq!(spread([4.0, 1.0, 2.0, 3.0]), (1.0, 2.0, 4.0));
        assert!(spread_text(&[], 0).contains("NaN"));
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
