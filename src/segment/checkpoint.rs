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
            let mut fields = content.split_ascii_whitespace();
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
            let mut fields = content.split_ascii_whitespace();
            let epoch = fields.next().and_then(|field| field.parse().ok());
            let start = fields.next().and_then(|field| field.parse().ok());
            match (epoch, start, fields.next()) {
                (Some(epoch), Some(start), None) => {
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

/// The entry lines with their numbers; checks version (0) and count.
fn entries(text: &str) -> Result<Vec<(usize, &str)>, CheckpointError> {
    // Kafka creates the file empty and writes it with its first entry.
    if text.is_empty() {
        return Ok(Vec::new());
    }
    let mut lines = text.lines().enumerate().map(|(index, line)| (index + 1, line.trim()));
    if lines.next().map(|(_, version)| version) != Some("0") {
        return Err(CheckpointError { line: 1, reason: "expected version 0" });
    }
    let count = lines.next().and_then(|(_, count)| count.parse::<usize>().ok());
    let count =
        count.ok_or(CheckpointError { line: 2, reason: "expected the count of entries" })?;
    let entries: Vec<_> = lines.filter(|(_, line)| !line.is_empty()).collect();
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

    /// Reads the file's text.
    ///
    /// # Errors
    /// The first line that does not fit.
    pub fn parse(text: &str) -> Result<PartitionMetadata, CheckpointError> {
        let mut lines = text.lines();
        let version = lines.next().and_then(|line| line.strip_prefix("version: "));
        let version = version.and_then(|version| version.trim().parse().ok());
        let topic_id = lines.next().and_then(|line| line.strip_prefix("topic_id: "));
        match (version, topic_id.map(str::trim)) {
            (None, _) => Err(CheckpointError { line: 1, reason: "expected: version: N" }),
            (_, None) => Err(CheckpointError { line: 2, reason: "expected: topic_id: ID" }),
            (Some(version), Some(id)) if id.len() == 22 => {
                Ok(PartitionMetadata { version, topic_id: id.into() })
            }
            _ => Err(CheckpointError { line: 2, reason: "the topic id is not 22 characters" }),
        }
    }
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
        let metadata = "version: 0\ntopic_id: AAAAAAAAAAAAAAAAAAAAAA";
        assert_eq!(PartitionMetadata::parse(metadata).unwrap().topic_id.len(), 22);
        assert_eq!(PartitionMetadata::parse("version: x\n").unwrap_err().line, 1);
    }
}
