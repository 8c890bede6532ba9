//! The tables as text, for logs and scripts.

use std::fmt::Write as _;

use super::tables::Table;

/// One table below the other; rows that want a look begin with `!`.
pub fn text(tables: &[Table]) -> String {
    let mut text = String::new();
    for table in tables {
        let widths = widths(table);
        let columns = table.columns.iter().map(ToString::to_string);
        line(
            &mut text,
            &table.title,
            &columns.collect::<Vec<_>>(),
            &widths,
        );
        for row in &table.rows {
            line(
                &mut text,
                if row.bad { "  !" } else { "" },
                &row.cells,
                &widths,
            );
        }
    }
    text
}

/// How wide each column of a table must be.
pub fn widths(table: &Table) -> Vec<usize> {
    let column = |(at, title): (usize, &&'static str)| {
        let cells = table.rows.iter().filter_map(|row| row.cells.get(at));
        let widest = cells.map(|cell| cell.chars().count()).max();
        widest.unwrap_or_default().max(title.chars().count())
    };
    table.columns.iter().enumerate().map(column).collect()
}

fn line(text: &mut String, begin: &str, cells: &[String], widths: &[usize]) {
    let mut line = format!("{begin:<12}");
    for (cell, width) in cells.iter().zip(widths) {
        // Writing to a String cannot fail.
        let _ = write!(line, "{cell:<width$}  ");
    }
    text.push_str(line.trim_end());
    text.push('\n');
}
