//! The grammar of names: `<topic>-<n>` directories, `<20 digits>.<kind>` files, and the suffixes
//! of a swap that is under way (`UnifiedLog`, `LogFileUtils` in Kafka).

use std::fmt;

use crate::units::Offset;

/// A topic's name and a partition's number.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct TopicPartition {
    /// The topic.
    pub topic: String,
    /// The partition, from 0.
    pub partition: i32,
}

impl TopicPartition {
    /// Reads a directory name: the last `-` splits, since topics may hold `-`, `.` and `_`.
    ///
    /// Names that end in `.<id>-delete`, `-future` or `-stray` are not partitions (any more, or
    /// yet), and neither are names with characters that no topic has.
    pub fn parse(name: &str) -> Option<TopicPartition> {
        let (topic, number) = name.rsplit_once('-')?;
        let digits = !number.is_empty() && number.bytes().all(|b| b.is_ascii_digit());
        let legal = |b: u8| b.is_ascii_alphanumeric() || b"._-".contains(&b);
        if !digits || topic.is_empty() || !topic.bytes().all(legal) || [".", ".."].contains(&topic)
        {
            return None;
        }
        Some(TopicPartition { topic: topic.into(), partition: number.parse().ok()? })
    }
}

impl fmt::Display for TopicPartition {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}-{}", self.topic, self.partition)
    }
}

/// What a file of a partition directory holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Kind {
    /// `.log`: batches.
    Log,
    /// `.index`: offsets to positions.
    Index,
    /// `.timeindex`: timestamps to offsets.
    TimeIndex,
    /// `.txnindex`: aborted transactions.
    TxnIndex,
    /// `.snapshot`: producer state.
    Snapshot,
}

impl Kind {
    /// All kinds.
    pub const ALL: [Kind; 5] =
        [Kind::Log, Kind::Index, Kind::TimeIndex, Kind::TxnIndex, Kind::Snapshot];

    /// The file name's extension.
    pub fn extension(self) -> &'static str {
        match self {
            Kind::Log => "log",
            Kind::Index => "index",
            Kind::TimeIndex => "timeindex",
            Kind::TxnIndex => "txnindex",
            Kind::Snapshot => "snapshot",
        }
    }
}

/// Where a file stands in a swap.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Suffix {
    /// `.cleaned`: being written.
    Cleaned,
    /// `.swap`: complete, about to take its place.
    Swap,
    /// `.deleted`: replaced, about to go.
    Deleted,
    /// `.tmp`: being written, to take the place of the file without it by one rename
    /// (`Disk::replace_file`). No broker names a file so.
    Tmp,
}

impl Suffix {
    /// The suffix without its dot.
    pub fn extension(self) -> &'static str {
        match self {
            Suffix::Cleaned => "cleaned",
            Suffix::Swap => "swap",
            Suffix::Deleted => "deleted",
            Suffix::Tmp => "tmp",
        }
    }
}

/// A file name of a partition directory.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct FileName {
    /// Base offset of the segment, or the offset that a snapshot stands for.
    pub offset: Offset,
    /// What the file holds.
    pub kind: Kind,
    /// Where it stands in a swap; `None` for a file in its place.
    pub suffix: Option<Suffix>,
}

impl FileName {
    /// A file in its place.
    pub fn new(offset: Offset, kind: Kind) -> FileName {
        FileName { offset, kind, suffix: None }
    }

    /// Reads a file name; `None` for files that are not named after an offset.
    pub fn parse(name: &str) -> Option<FileName> {
        let mut parts = name.split('.');
        let digits = parts.next()?;
        if digits.len() != 20 || !digits.bytes().all(|b| b.is_ascii_digit()) {
            return None;
        }
        let offset = Offset(digits.parse().ok()?);
        let extension = parts.next()?;
        let kind = Kind::ALL.into_iter().find(|kind| kind.extension() == extension)?;
        let suffix = match parts.next() {
            None => None,
            Some("cleaned") => Some(Suffix::Cleaned),
            Some("swap") => Some(Suffix::Swap),
            Some("deleted") => Some(Suffix::Deleted),
            Some("tmp") => Some(Suffix::Tmp),
            Some(_) => return None,
        };
        parts.next().is_none().then_some(FileName { offset, kind, suffix })
    }
}

impl fmt::Display for FileName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:020}.{}", self.offset.0, self.kind.extension())?;
        self.suffix.map_or(Ok(()), |suffix| write!(f, ".{}", suffix.extension()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_last_dash_splits_topic_and_partition() {
        let parse = |name| TopicPartition::parse(name).map(|tp| (tp.topic, tp.partition));
        assert_eq!(parse("experiments.latest-0"), Some(("experiments.latest".into(), 0)));
        assert_eq!(parse("a-b-12"), Some(("a-b".into(), 12)));
        assert_eq!(parse("__consumer_offsets-49"), Some(("__consumer_offsets".into(), 49)));
        assert_eq!(parse("-1"), None);
        assert_eq!(parse("orders"), None);
        assert_eq!(parse("orders-x"), None);
        assert_eq!(parse("orders-99999999999"), None);
        assert_eq!(parse("..-0"), None);
    }

    #[test]
    fn a_directory_on_its_way_in_or_out_is_no_partition() {
        for name in ["t-0.0123456789abcdef-delete", "t-0.0123-future", "t-0.0123-stray"] {
            assert_eq!(TopicPartition::parse(name), None, "{name}");
        }
    }

    #[test]
    fn file_names_are_read_and_written_alike() {
        for name in [
            "00000000000000000000.log",
            "00000000000000000343.txnindex",
            "00000000000000000343.timeindex.cleaned",
            "00000000000000000343.log.swap",
            "00000000000000003213.snapshot.deleted",
            "00000000000000000042.snapshot.tmp",
        ] {
            assert_eq!(FileName::parse(name).map(|n| n.to_string()).as_deref(), Some(name));
        }
        for name in ["leader-epoch-checkpoint", "0.log", "00000000000000000000.log.old", "x"] {
            assert_eq!(FileName::parse(name), None, "{name}");
        }
    }
}
