//! Which of a key's records is its state: `docs/strategies.md`, read anew.
//!
//! The room that compacts has its own reading of that page; this one knows nothing of it. What it
//! takes from a record is here; `held` makes a state of a key's records, one after the other.

use crate::format::Record;

/// Which of a key's committed records is its state, and which of them delete.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct StateRule {
    /// Which record it is.
    pub survivor: Survivor,
    /// A value of no bytes deletes, as in Pulsar.
    pub empty_is_tombstone: bool,
}

/// Which record of a key stands for it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum Survivor {
    /// `offset`: the last that was written.
    #[default]
    Last,
    /// `timestamp`: the newest by its own time.
    Newest,
    /// `first`: the first value behind the last deletion, or that deletion.
    First,
    /// `header:NAME`: the one with the highest version in its last header of this name.
    Highest(String),
}

impl Survivor {
    /// Reads what `--strategy` says; none if this reader knows no such rule.
    pub fn parse(text: &str) -> Option<Survivor> {
        match text {
            "offset" => Some(Survivor::Last),
            "timestamp" => Some(Survivor::Newest),
            "first" => Some(Survivor::First),
            _ => {
                let name = text.strip_prefix("header:")?;
                (!name.trim().is_empty()).then(|| Survivor::Highest(name.to_owned()))
            }
        }
    }

    /// What a record is compared by in front of its offset; nothing loses to anything.
    pub fn order(&self, record: &Record<'_>) -> Option<i64> {
        match self {
            Survivor::Last | Survivor::First => None,
            Survivor::Newest => Some(record.timestamp.0).filter(|ms| *ms >= 0),
            Survivor::Highest(name) => {
                let mut version = None;
                for header in record.headers().map_while(Result::ok) {
                    if header.key == name.as_bytes() {
                        version = header.value;
                    }
                }
                version.and_then(|bytes| bytes.try_into().ok()).map(i64::from_be_bytes)
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_rule_is_named_as_the_strategy_that_it_judges() {
        assert_eq!(Survivor::parse("offset"), Some(Survivor::Last));
        assert_eq!(Survivor::parse("timestamp"), Some(Survivor::Newest));
        assert_eq!(Survivor::parse("first"), Some(Survivor::First));
        assert_eq!(Survivor::parse("header:a:b"), Some(Survivor::Highest("a:b".into())));
        for text in ["", "header", "header:", "header: ", "Offset", "newest"] {
            assert_eq!(Survivor::parse(text), None, "{text}");
        }
    }
}
