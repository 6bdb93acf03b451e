//! Durations as options take them: plain milliseconds, or with units.

use std::str::FromStr;

use jiff::{Span, SpanRelativeTo, Unit};

/// A number of milliseconds: `86400000`, `7d`, `1h30m`, `500ms`; -1 where Kafka allows it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Milliseconds(pub i64);

impl FromStr for Milliseconds {
    type Err = String;

    fn from_str(text: &str) -> Result<Milliseconds, String> {
        if let Ok(number) = text.parse() {
            return Ok(Milliseconds(number));
        }
        let total = text
            .parse::<Span>()
            .and_then(|span| span.total((Unit::Millisecond, SpanRelativeTo::days_are_24_hours())));
        match total {
            Ok(ms) if ms.abs() < i64::MAX as f64 => Ok(Milliseconds(ms as i64)),
            _ => Err("expected milliseconds, or units as in 7d, 1h30m, 500ms".into()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_plain_number_is_milliseconds_and_units_add_up() {
        let ms = |text: &str| text.parse::<Milliseconds>().map(|ms| ms.0);
        assert_eq!(ms("86400000"), Ok(86_400_000));
        assert_eq!(ms("-1"), Ok(-1));
        assert_eq!(ms("7d"), Ok(604_800_000));
        assert_eq!(ms("1h30m"), Ok(5_400_000));
        assert_eq!(ms("500ms"), Ok(500));
        assert!(ms("soon").is_err());
    }
}
