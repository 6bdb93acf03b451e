//! What a line says: headers, a key, a value (Kafka's `LineMessageReader`, KIP-798 and KIP-810).

use crate::error::{Error, Result};
use crate::format::{Header, NewRecord};
use crate::units::Timestamp;

/// How a line becomes a record. Where two things are in front of the value, headers come first.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LineFormat {
    /// `parse.key`.
    pub parse_key: bool,
    /// `key.separator`: behind the key; the first one counts.
    pub key_separator: Vec<u8>,
    /// `parse.headers`.
    pub parse_headers: bool,
    /// `headers.delimiter`: behind the headers.
    pub headers_delimiter: Vec<u8>,
    /// `headers.separator`: between two headers. Kafka takes it for a regular expression; here it
    /// is what it is.
    pub headers_separator: Vec<u8>,
    /// `headers.key.separator`: between a header's name and its value.
    pub headers_key_separator: Vec<u8>,
    /// `ignore.error`: where a separator is missing, there is no such part.
    pub ignore_error: bool,
    /// `null.marker`: what stands for null as a key, value or header value, or for no headers.
    pub null_marker: Option<Vec<u8>>,
}

impl Default for LineFormat {
    fn default() -> LineFormat {
        LineFormat {
            parse_key: false,
            key_separator: b"\t".into(),
            parse_headers: false,
            headers_delimiter: b"\t".into(),
            headers_separator: b",".into(),
            headers_key_separator: b":".into(),
            ignore_error: false,
            null_marker: None,
        }
    }
}

/// Why a line is no record.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum LineFlaw {
    /// A separator is not there.
    #[error("no {what} ({})", separator.escape_ascii())]
    Missing {
        /// Its name.
        what: &'static str,
        /// What was looked for.
        separator: Vec<u8>,
    },
    /// A header has no separator behind its name.
    #[error("the header {} has no headers key separator", .0.escape_ascii())]
    Header(Vec<u8>),
    /// A header's name is the null marker.
    #[error("a header's name cannot be null")]
    NullHeader,
}

impl LineFormat {
    /// Checks that a line can be understood in one way only.
    ///
    /// # Errors
    /// Separators that are empty or equal.
    pub fn check(&self) -> Result<()> {
        let separators = [
            ("headers.delimiter", &self.headers_delimiter),
            ("headers.separator", &self.headers_separator),
            ("headers.key.separator", &self.headers_key_separator),
        ];
        let key = ("key.separator", &self.key_separator);
        if let Some((name, _)) = separators.iter().chain([&key]).find(|(_, text)| text.is_empty()) {
            return Err(Error::refused(format!("{name} may not be empty")));
        }
        let marker = self.null_marker.as_ref().map(|marker| ("null.marker", marker));
        // The key's separator may be that of the headers, as it is by default.
        let before: Vec<_> = separators.into_iter().chain(marker).collect();
        let with_key = marker.map(|marker| (key, marker));
        let pairs = before.iter().enumerate().flat_map(|(number, one)| {
            before.iter().skip(number + 1).map(move |other| (*one, *other))
        });
        for ((one, a), (other, b)) in pairs.chain(with_key) {
            if a == b {
                return Err(Error::refused(format!("{one} and {other} may not be equal")));
            }
        }
        Ok(())
    }

    /// The record that a line is.
    ///
    /// # Errors
    /// [`LineFlaw`].
    pub fn parse<'a>(
        &self,
        line: &'a [u8],
        timestamp: Timestamp,
    ) -> Result<NewRecord<'a>, LineFlaw> {
        let mut rest = line;
        let headers = match self.parse_headers {
            true => self.part(&mut rest, &self.headers_delimiter, "headers delimiter")?,
            false => None,
        };
        let key = match self.parse_key {
            true => self.part(&mut rest, &self.key_separator, "key separator")?,
            false => None,
        };
        Ok(NewRecord {
            timestamp,
            key: key.and_then(|key| self.unless_null(key)),
            value: self.unless_null(rest),
            headers: match headers.and_then(|headers| self.unless_null(headers)) {
                Some(headers) => self.headers(headers)?,
                None => Vec::new(),
            },
        })
    }

    /// What is in front of `separator` in `rest`, which then begins behind it.
    fn part<'a>(
        &self,
        rest: &mut &'a [u8],
        separator: &[u8],
        what: &'static str,
    ) -> Result<Option<&'a [u8]>, LineFlaw> {
        match split_once(rest, separator) {
            Some((part, behind)) => {
                *rest = behind;
                Ok(Some(part))
            }
            None if self.ignore_error => Ok(None),
            None => Err(LineFlaw::Missing { what, separator: separator.into() }),
        }
    }

    fn unless_null<'a>(&self, part: &'a [u8]) -> Option<&'a [u8]> {
        (self.null_marker.as_deref() != Some(part)).then_some(part)
    }

    fn headers<'a>(&self, text: &'a [u8]) -> Result<Vec<Header<'a>>, LineFlaw> {
        let mut pairs = Vec::new();
        let mut rest = text;
        while let Some((pair, behind)) = split_once(rest, &self.headers_separator) {
            pairs.push(pair);
            rest = behind;
        }
        // Empty ones at the end do not count, as in Java's `split`; a text without any separator
        // is one pair, whatever it is.
        let is_alone = pairs.is_empty();
        pairs.push(rest);
        while !is_alone && pairs.last().is_some_and(|pair| pair.is_empty()) {
            pairs.pop();
        }
        pairs.into_iter().map(|pair| self.header(pair)).collect()
    }

    fn header<'a>(&self, pair: &'a [u8]) -> Result<Header<'a>, LineFlaw> {
        match split_once(pair, &self.headers_key_separator) {
            Some((key, _)) if self.unless_null(key).is_none() => Err(LineFlaw::NullHeader),
            Some((key, value)) => Ok(Header { key, value: self.unless_null(value) }),
            None if self.ignore_error => Ok(Header { key: pair, value: None }),
            None => Err(LineFlaw::Header(pair.into())),
        }
    }
}

/// What lies in front of the first `separator`, and behind it.
fn split_once<'a>(text: &'a [u8], separator: &[u8]) -> Option<(&'a [u8], &'a [u8])> {
    let at = match separator {
        [only] => text.iter().position(|byte| byte == only)?,
        _ => text.windows(separator.len().max(1)).position(|window| window == separator)?,
    };
    let (part, behind) = text.split_at_checked(at)?;
    Some((part, behind.get(separator.len()..)?))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parsed(format: &LineFormat, line: &'static str) -> Result<NewRecord<'static>, LineFlaw> {
        format.parse(line.as_bytes(), Timestamp(7))
    }

    #[test]
    fn the_first_separator_splits_and_the_rest_is_the_value() {
        let format =
            LineFormat { parse_key: true, key_separator: b"|".into(), ..LineFormat::default() };
        let record = parsed(&format, "1|{\"a\":1}|x").unwrap();
        assert_eq!((record.key, record.value), (Some(&b"1"[..]), Some(&b"{\"a\":1}|x"[..])));
        let record = parsed(&format, "|").unwrap();
        assert_eq!((record.key, record.value), (Some(&b""[..]), Some(&b""[..])));
        let error = parsed(&format, "none").unwrap_err();
        assert_eq!(error.to_string(), "no key separator (|)");
        let lenient = LineFormat { ignore_error: true, ..format };
        let record = parsed(&lenient, "none").unwrap();
        assert_eq!((record.key, record.value), (None, Some(&b"none"[..])));
    }

    #[test]
    fn headers_come_first_and_the_null_marker_is_null_wherever_it_stands() {
        let format = LineFormat {
            parse_key: true,
            parse_headers: true,
            null_marker: Some(b"NULL".into()),
            ..LineFormat::default()
        };
        let record = parsed(&format, "a:1,b:NULL,c:x:y,,\tNULL\tNULL").unwrap();
        assert_eq!((record.key, record.value), (None, None));
        let headers = [("a", Some("1")), ("b", None), ("c", Some("x:y"))];
        let headers = headers
            .map(|(key, value)| Header { key: key.as_bytes(), value: value.map(str::as_bytes) });
        assert_eq!(record.headers, headers);
        assert!(parsed(&format, "NULL\tk\tv").unwrap().headers.is_empty());
        assert!(parsed(&format, ",\tk\tv").unwrap().headers.is_empty());
        assert_eq!(parsed(&format, "NULL:1\tk\tv").unwrap_err(), LineFlaw::NullHeader);
        for line in ["\tk\tv", "a:1,,b:2\tk\tv"] {
            assert_eq!(parsed(&format, line).unwrap_err(), LineFlaw::Header(b"".into()));
        }
    }

    #[test]
    fn separators_that_are_empty_or_equal_are_refused() {
        let format = LineFormat::default();
        assert!(format.check().is_ok(), "the two tabs of the defaults are no contradiction");
        for (format, text) in [
            (
                LineFormat { headers_separator: b":".into(), ..format.clone() },
                "headers.separator and headers.key.separator",
            ),
            (
                LineFormat { null_marker: Some(b"\t".into()), ..format.clone() },
                "headers.delimiter and null.marker",
            ),
            (
                LineFormat {
                    null_marker: Some(b"|".into()),
                    key_separator: b"|".into(),
                    ..format.clone()
                },
                "key.separator and null.marker",
            ),
            (LineFormat { key_separator: Vec::new(), ..format }, "key.separator may not be empty"),
        ] {
            let error = format.check().unwrap_err().to_string();
            assert!(error.starts_with(text), "{error}");
        }
    }
}
