//! The text files: offset checkpoints of a log directory, leader epochs and metadata of a
//! partition (`OffsetCheckpointFile`, `LeaderEpochCheckpointFile`, `PartitionMetadataFile`).

use std::collections::BTreeMap;
use std::fmt::Write;

use super::TopicPartition;
use crate::units::Offset;

/// Why a text file cannot be read: the line, from 1, and what is wrong with it.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("line {line}: {reason}")]
pub struct CheckpointError {
    /// The line, from 1.
    pub line: usize,
    /// What is wrong.
    pub reason: &'static str,
}

/// `<topic> <partition> <offset>` lines behind a version and a count: `cleaner-offset-checkpoint`
/// and its companions.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct OffsetCheckpoint {
    /// The offset of each partition.
    pub offsets: BTreeMap<TopicPartition, Offset>,
}

impl OffsetCheckpoint {
    /// Reads the file's text.
    ///
    /// # Errors
    /// The first line that does not fit.
    pub fn parse(text: &str) -> Result<OffsetCheckpoint, CheckpointError> {
        let mut offsets = BTreeMap::new();
        for (line, content) in entries(text)? {
            let bad = |reason| CheckpointError { line, reason };
            let mut fields = fields(content);
            let entry = (|| {
                let topic = fields.next()?.to_owned();
                let partition = fields.next()?.parse().ok()?;
                let offset = Offset(fields.next()?.parse().ok()?);
                Some((TopicPartition { topic, partition }, offset))
            })();
            let (partition, offset) = entry.ok_or(bad("expected: topic partition offset"))?;
            if fields.next().is_some() {
                return Err(bad("expected: topic partition offset, and no more"));
            }
            offsets.insert(partition, offset);
        }
        Ok(OffsetCheckpoint { offsets })
    }

    /// The file's text.
    pub fn render(&self) -> String {
        let mut text = format!("0\n{}\n", self.offsets.len());
        for (at, offset) in &self.offsets {
            let _ = writeln!(text, "{} {} {}", at.topic, at.partition, offset);
        }
        text
    }
}

/// One line of `leader-epoch-checkpoint`: from `start_offset` on, records are of `epoch`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct EpochEntry {
    /// The leader's term.
    pub epoch: i32,
    /// The first offset that it wrote.
    pub start_offset: Offset,
}

/// Reads `leader-epoch-checkpoint`.
///
/// # Errors
/// The first line that does not fit.
pub fn parse_epochs(text: &str) -> Result<Vec<EpochEntry>, CheckpointError> {
    entries(text)?
        .into_iter()
        .map(|(line, content)| {
            let mut fields = fields(content);
            let epoch = fields.next().and_then(|field| field.parse().ok());
            let start = fields.next().and_then(|field| field.parse().ok());
            match (epoch, start, fields.next()) {
                (Some(epoch), Some(start), None) if epoch >= 0 && start >= 0 => {
                    Ok(EpochEntry { epoch, start_offset: Offset(start) })
                }
                _ => Err(CheckpointError { line, reason: "expected: epoch offset" }),
            }
        })
        .collect()
}

/// The text of `leader-epoch-checkpoint`.
pub fn render_epochs(entries: &[EpochEntry]) -> String {
    let mut text = format!("0\n{}\n", entries.len());
    for entry in entries {
        let _ = writeln!(text, "{} {}", entry.epoch, entry.start_offset);
    }
    text
}

/// The fields of an entry. White space in front of the first is a field of its own to Kafka.
fn fields(line: &str) -> impl Iterator<Item = &str> {
    let in_front = line.starts_with(|c: char| c.is_ascii_whitespace()).then_some("");
    in_front.into_iter().chain(line.split_ascii_whitespace())
}

/// The entry lines with their numbers; checks version (0) and count. What Kafka does not read
/// (`CheckpointFile.CheckpointReadBuffer`), blank lines too, is an error.
fn entries(text: &str) -> Result<Vec<(usize, &str)>, CheckpointError> {
    let mut lines = text.lines().enumerate().map(|(index, line)| (index + 1, line));
    // Kafka creates the file empty and writes it with its first entry.
    let Some((_, version)) = lines.next() else { return Ok(Vec::new()) };
    if version.parse() != Ok(0) {
        return Err(CheckpointError { line: 1, reason: "expected version 0" });
    }
    let Some((_, count)) = lines.next() else { return Ok(Vec::new()) };
    let count = count.parse::<usize>();
    let count =
        count.map_err(|_| CheckpointError { line: 2, reason: "expected the count of entries" })?;
    let entries: Vec<_> = lines.collect();
    if entries.len() != count {
        let reason = "the count does not fit the entries that follow";
        return Err(CheckpointError { line: 2, reason });
    }
    Ok(entries)
}

/// `partition.metadata`: which incarnation of the topic this is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PartitionMetadata {
    /// The format's version.
    pub version: i32,
    /// The topic's id, a UUID in base64url as Kafka prints it.
    pub topic_id: String,
}

impl PartitionMetadata {
    /// The file's text.
    pub fn render(&self) -> String {
        format!("version: {}\ntopic_id: {}", self.version, self.topic_id)
    }

    /// Reads the file's text, as Kafka does, which does not look at what the fields are called
    /// (`PartitionMetadataFile.PartitionMetadataReadBuffer`).
    ///
    /// # Errors
    /// The first line that does not fit.
    pub fn parse(text: &str) -> Result<PartitionMetadata, CheckpointError> {
        let mut lines = text.lines();
        let mut value = || {
            let (_, value) = lines.next()?.split_once(": ")?;
            Some(value.trim_start_matches(|c: char| c.is_ascii_whitespace()))
        };
        let version = value().and_then(|version| version.parse().ok());
        let bad = |line, reason| Err(CheckpointError { line, reason });
        match (version.filter(|version| *version >= 0), value()) {
            (None, _) => bad(1, "expected: version: N"),
            (_, None) => bad(2, "expected: topic_id: ID"),
            (Some(version), Some(id)) => match topic_id_of(id) {
                Some(topic_id) => Ok(PartitionMetadata { version, topic_id: topic_id.into() }),
                None => bad(2, "the topic id is not 16 bytes in base64url, or all of them are 0"),
            },
        }
    }
}

/// The id without padding, if it is one (`Uuid.fromString`).
fn topic_id_of(text: &str) -> Option<&str> {
    let id = text.strip_suffix("==").unwrap_or(text);
    let is_base64 = |byte: u8| byte.is_ascii_alphanumeric() || b"-_".contains(&byte);
    // Of the last character four bits are no part of the id.
    let last = id.strip_prefix("AAAAAAAAAAAAAAAAAAAAA");
    let is_zero = last.is_some_and(|last| ("A"..="P").contains(&last));
    (id.len() == 22 && id.bytes().all(is_base64) && !is_zero).then_some(id)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_offset_checkpoint_is_read_and_written_alike() {
        let text = "0\n2\na 0 7\nb.c-d 12 1087\n";
        let checkpoint = OffsetCheckpoint::parse(text).unwrap();
        assert_eq!(checkpoint.offsets.len(), 2);
        assert_eq!(checkpoint.render(), text);
        assert_eq!(OffsetCheckpoint::parse("0\n0\n"), Ok(OffsetCheckpoint::default()));
    }

    #[test]
    fn a_bad_checkpoint_is_refused_with_the_line_that_is_wrong() {
        let line = |text| OffsetCheckpoint::parse(text).unwrap_err().line;
        assert_eq!(OffsetCheckpoint::parse(""), Ok(OffsetCheckpoint::default()));
        assert_eq!(line("1\n0\n"), 1);
        assert_eq!(line("0\n2\na 0 7\n"), 2);
        assert_eq!(line("0\n1\na x 7\n"), 3);
        assert_eq!(line("0\n1\na 0 7 8\n"), 3);
    }

    #[test]
    fn leader_epochs_and_partition_metadata_are_read() {
        let epochs = parse_epochs("0\n2\n0 0\n3 51\n").unwrap();
        assert_eq!(epochs.last(), Some(&EpochEntry { epoch: 3, start_offset: Offset(51) }));
        let metadata = "version: 0\ntopic_id: 3t24hb3oS86_o8a5xvKumg";
        assert_eq!(PartitionMetadata::parse(metadata).unwrap().render(), metadata);
        assert_eq!(PartitionMetadata::parse("version: x\n").unwrap_err().line, 1);
    }

    // Each of these was given to Kafka 4.1.1 (`UnifiedLog.create`).
    #[test]
    fn what_kafka_reads_of_leader_epochs_is_read_and_what_it_does_not_is_not() {
        let read = ["", "0\n", "0\n0\n", "0\n1\n0 0", "0\n1\n0 0 \n", "0\n1\n0\t0\n"];
        for text in [&read[..], &["0\n1\n+0 +0\n", "0\n2\n1 0\n0 3\n"]].concat() {
            assert!(parse_epochs(text).is_ok(), "{text:?}");
        }
        let not = ["junk", "1\n0\n", " 0\n1\n0 0\n", "0\n1 \n0 0\n", "0\n1\n\n0 0\n"];
        let nor = ["0\n1\n0 0\n\n", "0\n1\n 0 0\n", "0\n2\n0 0\n", "0\n1\n-1 0\n"];
        for text in [&not[..], &nor, &["0\n1\n0 -5\n"]].concat() {
            assert!(parse_epochs(text).is_err(), "{text:?}");
        }
    }

    // Likewise.
    #[test]
    fn what_kafka_reads_of_partition_metadata_is_read_and_what_it_does_not_is_not() {
        const ID: &str = "3t24hb3oS86_o8a5xvKumg";
        let text = |version: &str, id: &str| format!("{version}\ntopic_id: {id}");
        for version in ["version: 0", "version: 1", "version: +0", "v:  0", " version: 0"] {
            let read = PartitionMetadata::parse(&text(version, ID));
            assert_eq!(read.unwrap().topic_id, ID, "{version:?}");
        }
        for version in ["version: -1", "version: 0 ", "version:0", "version: x", ""] {
            assert!(PartitionMetadata::parse(&text(version, ID)).is_err(), "{version:?}");
        }
        let padded = format!("{ID}==");
        for id in [&padded, &format!(" {ID}\r\n"), &format!("{ID}\nmore"), "AAAAAAAAAAAAAAAAAAAAAQ"]
        {
            assert!(PartitionMetadata::parse(&text("version: 0", id)).is_ok(), "{id:?}");
        }
        let not = ["AAAAAAAAAAAAAAAAAAAAAA", "3t24hb3oS86_o8a5xvKum!", "3t24hb3oS86_o8a5xvKum"];
        for id in [&not[..], &["3t24hb3oS86_o8a5xvKum/", "3t24hb3oS86_o8a5xvKumg ", ""]].concat() {
            assert!(PartitionMetadata::parse(&text("version: 0", id)).is_err(), "{id:?}");
        }
        assert!(PartitionMetadata::parse("version: 0").is_err());
    }
}
