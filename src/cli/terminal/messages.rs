//! What people read on standard error: one line a message, coloured only on a terminal.

use anstream::eprintln;
use anstyle::{AnsiColor, Style};

use super::plain;

const ERROR: Style = AnsiColor::Red.on_default().bold();
const WARNING: Style = AnsiColor::Yellow.on_default().bold();
const NOTE: Style = AnsiColor::Cyan.on_default().bold();

/// Something was not done.
pub fn error(text: &str) {
    eprintln!("{ERROR}error{ERROR:#}: {}", plain(text));
}

/// Something was done, but the reader should know this.
pub fn warning(text: &str) {
    eprintln!("{WARNING}warning{WARNING:#}: {}", plain(text));
}

/// Nothing is wrong; only who asked for more hears of it.
pub fn note(text: &str) {
    eprintln!("{NOTE}note{NOTE:#}: {}", plain(text));
}
