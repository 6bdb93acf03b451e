//! Rows in columns that are as wide as they must be.

use std::io::{self, Write};

/// A table with a head.
pub struct Table<const COLUMNS: usize> {
    rows: Vec<[String; COLUMNS]>,
    right_aligned: [bool; COLUMNS],
}

impl<const COLUMNS: usize> Table<COLUMNS> {
    /// A table with these names; numbers stand at the right of their columns.
    pub fn new(head: [&str; COLUMNS], numbers: &[&str]) -> Table<COLUMNS> {
        let right_aligned = head.map(|name| numbers.contains(&name));
        Table { rows: vec![head.map(str::to_owned)], right_aligned }
    }

    /// Adds a row.
    pub fn row(&mut self, row: [String; COLUMNS]) {
        self.rows.push(row);
    }

    /// Writes it all.
    pub fn write(&self, out: &mut impl Write) -> io::Result<()> {
        let mut widths = [0; COLUMNS];
        for row in &self.rows {
            for (width, cell) in widths.iter_mut().zip(row) {
                *width = (*width).max(cell.chars().count());
            }
        }
        for row in &self.rows {
            let mut line = String::new();
            for ((cell, width), is_right) in row.iter().zip(widths).zip(self.right_aligned) {
                let cell =
                    if is_right { format!("{cell:>width$}") } else { format!("{cell:<width$}") };
                line.push_str(&cell);
                line.push_str("  ");
            }
            writeln!(out, "{}", line.trim_end())?;
        }
        Ok(())
    }
}

/// A name that came from a file, safe for a terminal: no control characters, none that turn the
/// direction of text around, and `-` for none.
pub fn plain(name: &str) -> String {
    if name.is_empty() {
        return "-".into();
    }
    let mut text = String::new();
    for character in name.chars() {
        let turns_text = matches!(
            character,
            '\u{200e}' | '\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}' | '\u{feff}'
        );
        if character.is_control() || turns_text {
            text.extend(character.escape_unicode());
        } else {
            text.push(character);
        }
    }
    text
}
