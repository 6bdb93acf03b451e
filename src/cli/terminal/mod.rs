//! Text that fits the terminal and leaves it as it was.
//!
//! What files and folders are called is anybody's choice, so whatever moves a cursor or turns text
//! around is escaped before it is shown. Off a terminal nothing is cut or wrapped.

mod bar;
pub mod messages;
mod plain_terminal;
mod table;

use std::borrow::Cow;
use std::io::{IsTerminal, stdout};

pub use bar::Bar;
pub use table::{Column, Table};

/// How many columns standard output has, if it is a terminal.
pub fn columns() -> Option<usize> {
    let (width, _) = terminal_size::terminal_size_of(stdout())?;
    stdout().is_terminal().then_some(usize::from(width.0).max(20))
}

/// The text with everything escaped that a terminal would not just show.
pub fn plain(text: &str) -> Cow<'_, str> {
    if text.chars().all(is_shown) {
        return text.into();
    }
    let escaped = |shown: char| match is_shown(shown) {
        true => shown.to_string(),
        false => shown.escape_default().to_string(),
    };
    text.chars().map(escaped).collect::<String>().into()
}

/// Neither a control character nor one that turns the direction of the text around it.
fn is_shown(character: char) -> bool {
    let turns_text = matches!(
        character,
        '\u{200e}' | '\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}' | '\u{feff}'
    );
    !character.is_control() && !turns_text
}

/// A name with its middle left out, if it takes more than `columns`: both ends tell most.
pub fn shortened(name: &str, columns: usize) -> Cow<'_, str> {
    const DOTS: &str = "...";
    let length = name.chars().count();
    if length <= columns {
        return name.into();
    }
    let room = columns.saturating_sub(DOTS.len());
    let (start, end) = (room / 2, room - room / 2);
    let first = name.chars().take(start);
    let last = name.chars().skip(length - end);
    first.chain(DOTS.chars()).chain(last).collect::<String>().into()
}

/// The text broken at spaces, so that no line takes more than `columns`; lines behind the first
/// begin with `indent` spaces.
pub fn wrapped(text: &str, columns: Option<usize>, indent: usize) -> Cow<'_, str> {
    let Some(columns) = columns.filter(|columns| text.chars().count() > *columns) else {
        return text.into();
    };
    let words = text.trim_start_matches(' ');
    let mut used = text.len() - words.len();
    let mut lines = " ".repeat(used);
    let mut is_first = true;
    for word in words.split(' ') {
        let length = word.chars().count();
        if !is_first && used + 1 + length > columns && !is_unit(word) {
            lines.push('\n');
            lines.extend(std::iter::repeat_n(' ', indent));
            used = indent;
        } else if !is_first {
            lines.push(' ');
            used += 1;
        }
        lines.push_str(word);
        used += length;
        is_first = false;
    }
    lines.into()
}

/// What belongs to the number in front of it.
fn is_unit(word: &str) -> bool {
    word.starts_with('%') || word.starts_with(['K', 'M', 'G', 'T']) && word.contains("iB")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_terminal_would_obey_is_escaped() {
        assert_eq!(plain("t-0/caf\u{e9} \u{6f22}"), "t-0/caf\u{e9} \u{6f22}");
        assert_eq!(plain("\u{1b}[31m\n\u{9b}2J"), "\\u{1b}[31m\\n\\u{9b}2J");
        assert_eq!(plain("a\u{202e}b"), "a\\u{202e}b");
    }

    #[test]
    fn a_long_name_keeps_both_ends() {
        assert_eq!(shortened("orders-12", 9), "orders-12");
        assert_eq!(shortened("a-very-long-topic-12", 13), "a-ver...ic-12");
    }

    #[test]
    fn text_is_broken_at_spaces_only() {
        assert_eq!(wrapped("one two three", None, 0), "one two three");
        assert_eq!(wrapped("one two three", Some(8), 0), "one two\nthree");
        assert_eq!(wrapped("one two three", Some(8), 2), "one two\n  three");
        assert_eq!(wrapped("  one two three", Some(10), 4), "  one two\n    three");
        assert_eq!(wrapped("it is 13.6 %, so", Some(11), 0), "it is 13.6 %,\nso");
        assert_eq!(wrapped("incomprehensible it is", Some(5), 0), "incomprehensible\nit is");
    }
}
