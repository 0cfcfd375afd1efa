//! Tables of data.

use crate::render::words;

/// Columns as wide as what is in them; the last one is not padded.
pub(super) fn table<const N: usize>(head: &[String; N], rows: &[[String; N]]) -> Vec<String> {
    let width = |column: usize| {
        let cells = rows.iter().chain(std::iter::once(head)).map(|row| row[column].chars().count());
        cells.max().unwrap_or(0)
    };
    let widths: Vec<usize> = (0..N).map(width).collect();
    let line = |row: &[String; N]| {
        let cells = row.iter().zip(&widths).map(|(cell, width)| format!("{cell:<width$}"));
        cells.collect::<Vec<_>>().join("  ").trim_end().to_owned()
    };
    std::iter::once(head).chain(rows).map(line).collect()
}

/// A text below the line that it is about, within a terminal of this width.
pub(super) fn below(text: &str, width: Option<usize>) -> String {
    const INDENT: &str = "    ";
    let text =
        width.map_or(text.to_owned(), |width| words::wrapped(text, width.saturating_sub(INDENT.len())));
    format!("{INDENT}{}", text.replace('\n', &format!("\n{INDENT}")))
}
