//! Tables without borders.

use comfy_table::{CellAlignment, ContentArrangement, Table, presets};

/// A table with a header. Columns are as wide as their widest cell; two spaces stand between them.
#[derive(Debug)]
pub(crate) struct Columns {
    table: Table,
    indent: &'static str,
}

impl Columns {
    /// A table with this header.
    pub(crate) fn new(header: &[&str]) -> Self {
        let mut table = Table::new();
        table.load_style(presets::NOTHING).set_content_arrangement(ContentArrangement::Disabled);
        table.set_header(header.iter().copied());
        for column in table.column_iter_mut() {
            column.set_padding((0, 2));
        }
        Self { table, indent: "" }
    }

    /// Puts this before each line.
    pub(crate) fn indented(mut self, indent: &'static str) -> Self {
        self.indent = indent;
        self
    }

    /// Sets a column's cells to the right.
    pub(crate) fn right(mut self, column: usize) -> Self {
        if let Some(column) = self.table.column_mut(column) {
            column.set_cell_alignment(CellAlignment::Right);
        }
        self
    }

    /// Adds a row. Line breaks in a cell become spaces: a row is a line.
    pub(crate) fn row<T: AsRef<str>>(&mut self, cells: impl IntoIterator<Item = T>) {
        let cells =
            cells.into_iter().map(|cell| cell.as_ref().split_whitespace().collect::<Vec<_>>().join(" "));
        self.table.add_row(cells.collect::<Vec<_>>());
    }

    /// The table as text, a line end after each row.
    pub(crate) fn text(&self) -> String {
        self.table.lines().map(|line| format!("{}{}\n", self.indent, line.trim_end())).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn columns_line_up_and_nothing_trails() {
        let mut table = Columns::new(&["N", "NAME", "NOTE"]).indented("  ").right(0);
        table.row(["1", "größe", "a\nb"]);
        table.row(["10", "x", ""]);
        assert_eq!(table.text(), "   N  NAME   NOTE\n   1  größe  a b\n  10  x\n");
    }
}
