//! `--progress always` where standard error is no terminal: a line a drawing, no cursor control.

use std::io::{self, Write, stderr};

use indicatif::TermLike;

/// Writes each drawing of the bar as a line of its own.
#[derive(Debug)]
pub struct PlainTerminal;

impl TermLike for PlainTerminal {
    fn width(&self) -> u16 {
        100
    }

    fn move_cursor_up(&self, _n: usize) -> io::Result<()> {
        Ok(())
    }

    fn move_cursor_down(&self, _n: usize) -> io::Result<()> {
        Ok(())
    }

    fn move_cursor_right(&self, _n: usize) -> io::Result<()> {
        Ok(())
    }

    fn move_cursor_left(&self, _n: usize) -> io::Result<()> {
        Ok(())
    }

    fn write_line(&self, text: &str) -> io::Result<()> {
        writeln!(stderr(), "{}", text.trim_end())
    }

    fn write_str(&self, text: &str) -> io::Result<()> {
        let text = text.trim_end();
        if text.is_empty() { Ok(()) } else { writeln!(stderr(), "{text}") }
    }

    fn clear_line(&self) -> io::Result<()> {
        Ok(())
    }

    fn flush(&self) -> io::Result<()> {
        stderr().flush()
    }
}
