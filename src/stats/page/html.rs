//! Markup in the making: what stands in the source code goes in as it is, all else is escaped.

use std::fmt::{self, Display, Write};

/// A page, or a part of one. Only what is known when the program is compiled can be markup, so no
/// name and no key can ever be.
#[derive(Debug, Default)]
pub struct Html(String);

impl Html {
    /// Adds markup.
    pub fn raw(&mut self, markup: &'static str) -> &mut Html {
        self.0.push_str(markup);
        self
    }

    /// Adds text, for an element or for an attribute in quotes.
    pub fn text(&mut self, text: impl Display) -> &mut Html {
        // Writing to a string does not fail.
        let _ = write!(Escaped(&mut self.0), "{text}");
        self
    }

    /// Adds a part.
    pub fn part(&mut self, part: Html) -> &mut Html {
        self.0.push_str(&part.0);
        self
    }

    /// Adds a part of a hundred as a percentage with enough digits.
    pub fn percent(&mut self, percent: f64) -> &mut Html {
        let _ = write!(self.0, "{percent:.3}%");
        self
    }

    /// The markup.
    pub fn finish(self) -> String {
        self.0
    }
}

struct Escaped<'a>(&'a mut String);

impl Write for Escaped<'_> {
    fn write_str(&mut self, text: &str) -> fmt::Result {
        for character in text.chars() {
            match character {
                '&' => self.0.push_str("&amp;"),
                '<' => self.0.push_str("&lt;"),
                '>' => self.0.push_str("&gt;"),
                '"' => self.0.push_str("&quot;"),
                '\'' => self.0.push_str("&#39;"),
                '\0' => self.0.push('\u{fffd}'),
                _ => self.0.push(character),
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn text_never_becomes_markup() {
        let mut html = Html::default();
        html.raw("<b title=\"").text("\" onload='x").raw("\">").text("</b><script>&").raw("</b>");
        assert_eq!(
            html.finish(),
            "<b title=\"&quot; onload=&#39;x\">&lt;/b&gt;&lt;script&gt;&amp;</b>"
        );
    }
}
