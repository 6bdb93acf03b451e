//! What people read on standard error: one line a message, coloured only on a terminal.

use std::fmt::Arguments;
use std::io::Write;

use anstyle::{AnsiColor, Style};

use super::plain;

const ERROR: Style = AnsiColor::Red.on_default().bold();
const WARNING: Style = AnsiColor::Yellow.on_default().bold();
const NOTE: Style = AnsiColor::Cyan.on_default().bold();

/// Something was not done.
pub fn error(text: &str) {
    tell(format_args!("{ERROR}error{ERROR:#}: {}\n", plain(text)));
}

/// Something was done, but the reader should know this.
pub fn warning(text: &str) {
    tell(format_args!("{WARNING}warning{WARNING:#}: {}\n", plain(text)));
}

/// Nothing is wrong; only who asked for more hears of it.
pub fn note(text: &str) {
    tell(format_args!("{NOTE}note{NOTE:#}: {}\n", plain(text)));
}

/// What was done, where standard output is for something else.
pub fn summary(text: &[u8]) {
    tell(format_args!("{}", String::from_utf8_lossy(text)));
}

/// That nobody can be told, on a full disk say, changes nothing of what was done.
fn tell(message: Arguments<'_>) {
    let _ = anstream::stderr().lock().write_fmt(message);
}
