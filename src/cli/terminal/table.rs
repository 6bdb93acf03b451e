//! Tables of text: aligned, and as wide as the terminal lets them be.

use std::io::{self, Write};

use anstyle::Style;

use super::shortened;

const HEAD: Style = Style::new().bold();
const GAP: usize = 2;

/// A column.
#[derive(Clone, Copy, Debug)]
pub struct Column {
    /// What stands above it.
    pub head: &'static str,
    /// Whether it holds numbers, which stand at its right edge.
    pub is_number: bool,
    /// Where there is no room for all columns, those with the highest number go first; one with 0
    /// stays.
    pub goes: u8,
}

impl Column {
    /// A column of numbers.
    pub const fn number(head: &'static str, goes: u8) -> Column {
        Column { head, is_number: true, goes }
    }

    /// A column of text.
    pub const fn text(head: &'static str, goes: u8) -> Column {
        Column { head, is_number: false, goes }
    }
}

/// Rows under columns.
#[derive(Debug)]
pub struct Table {
    columns: Vec<Column>,
    hides_empty: bool,
    rows: Vec<Vec<String>>,
}

impl Table {
    /// Without rows. A column in which nothing but `-` is said takes no room.
    pub fn new(columns: &[Column]) -> Table {
        Table { columns: columns.to_vec(), hides_empty: true, rows: Vec::new() }
    }

    /// Without rows, with all its columns, for who counts them.
    pub fn with_all(columns: &[Column]) -> Table {
        Table { hides_empty: false, ..Table::new(columns) }
    }

    /// Adds a row; it has a cell for each column.
    pub fn row(&mut self, cells: Vec<String>) {
        self.rows.push(cells);
    }

    /// Writes it, within `most` characters a line if that can be.
    pub fn write(&self, to: &mut impl Write, most: Option<usize>) -> io::Result<()> {
        let mut widths: Vec<usize> = (0..self.columns.len()).map(|at| self.width(at)).collect();
        let mut shown: Vec<usize> = (0..self.columns.len())
            .filter(|at| {
                *at == 0 || !self.hides_empty || self.rows.iter().any(|row| row[*at] != "-")
            })
            .collect();
        let total = |shown: &[usize], widths: &[usize]| {
            shown.iter().map(|at| widths[*at] + GAP).sum::<usize>().saturating_sub(GAP)
        };
        let most = most.unwrap_or(usize::MAX);
        while total(&shown, &widths) > most {
            let last = shown.iter().copied().max_by_key(|at| self.columns[*at].goes);
            let Some(last) = last.filter(|at| self.columns[*at].goes > 0) else { break };
            shown.retain(|at| *at != last);
        }
        // What is still too much is taken from the first column, which holds names.
        let excess = total(&shown, &widths).saturating_sub(most);
        const LEAST_NAME: usize = 12;
        if excess > 0 && widths[0] > LEAST_NAME {
            widths[0] = widths[0].saturating_sub(excess).max(LEAST_NAME);
        }
        let heads: Vec<String> = self.columns.iter().map(|column| column.head.to_owned()).collect();
        self.line(to, &heads, &shown, &widths, HEAD)?;
        for row in &self.rows {
            self.line(to, row, &shown, &widths, Style::new())?;
        }
        Ok(())
    }

    fn width(&self, at: usize) -> usize {
        let cells = self.rows.iter().map(|row| row[at].chars().count());
        cells.chain([self.columns[at].head.len()]).max().unwrap_or(0)
    }

    fn line(
        &self,
        to: &mut impl Write,
        cells: &[String],
        shown: &[usize],
        widths: &[usize],
        style: Style,
    ) -> io::Result<()> {
        let mut line = String::new();
        for at in shown {
            let width = widths[*at];
            let cell = shortened(&cells[*at], width).into_owned();
            if !line.is_empty() {
                line.push_str(&" ".repeat(GAP));
            }
            let pad = " ".repeat(width - cell.chars().count());
            match self.columns[*at].is_number {
                true => line.extend([pad, cell]),
                false => line.extend([cell, pad]),
            }
        }
        writeln!(to, "{style}{}{style:#}", line.trim_end())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shown(most: Option<usize>) -> Vec<String> {
        let columns =
            [Column::text("NAME", 0), Column::number("SIZE", 0), Column::text("CODEC", 1)];
        let mut table = Table::new(&columns);
        table.row(vec!["a-very-long-topic-name-0".into(), "1,234".into(), "zstd".into()]);
        table.row(vec!["b-0".into(), "7".into(), "none".into()]);
        let mut out = Vec::new();
        table.write(&mut anstream::StripStream::new(&mut out), most).unwrap();
        String::from_utf8(out).unwrap().lines().map(str::to_owned).collect()
    }

    #[test]
    fn columns_are_aligned_and_the_least_important_goes_first() {
        let all =
            ["NAME                       SIZE  CODEC", "a-very-long-topic-name-0  1,234  zstd"];
        assert_eq!(shown(None)[..2], all);
        assert_eq!(shown(Some(33))[1], "a-very-long-topic-name-0  1,234");
        let narrow = shown(Some(20));
        assert_eq!(narrow[1], "a-ver...ame-0  1,234");
        assert_eq!(narrow[2], "b-0                7");
    }
}
