//! The output, with the lines that begin a file held back until it has others.

use std::io::{self, Write};

/// Writes the heading of a file in front of the first line behind it.
pub(super) struct Headed<'w> {
    out: &'w mut dyn Write,
    heading: Vec<u8>,
    has_written: bool,
}

impl<'w> Headed<'w> {
    /// Nothing written yet.
    pub(super) fn new(out: &'w mut dyn Write) -> Headed<'w> {
        Headed { out, heading: Vec::new(), has_written: false }
    }

    /// Whether anything was written.
    pub(super) fn has_written(&self) -> bool {
        self.has_written
    }

    /// Holds a heading back, in the place of one that nothing followed.
    pub(super) fn hold(&mut self, heading: Vec<u8>) {
        self.heading = heading;
    }

    /// Whether nothing followed the heading.
    pub(super) fn is_holding(&self) -> bool {
        !self.heading.is_empty()
    }

    /// Writes the heading now.
    pub(super) fn release(&mut self) -> io::Result<()> {
        if self.is_holding() {
            self.has_written = true;
            self.out.write_all(&self.heading)?;
            self.heading.clear();
        }
        Ok(())
    }
}

impl Write for Headed<'_> {
    fn write(&mut self, lines: &[u8]) -> io::Result<usize> {
        if lines.is_empty() {
            return Ok(0);
        }
        self.release()?;
        self.has_written = true;
        self.out.write(lines)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.out.flush()
    }
}
