//! Where the logs of other topics end, and what these topics' ids are.

use std::collections::HashMap;
use std::io::Read;
use std::path::Path;

use super::Damage;
use crate::disk::{Disk, open_listed};
use crate::error::Result;
use crate::format::{Batch, HEADER_BYTES};
use crate::segment::{
    Frontier, Kind, LogFile, OffsetBounds, OffsetIndex, OffsetOrder, PartitionMetadata, Segment,
};
use crate::swap::as_finished;
use crate::units::{Offset, Position};

/// The largest `partition.metadata` that is read; Kafka's are 44 bytes long.
const MOST_METADATA_BYTES: u64 = 4096;

/// Where a log ends.
pub(super) struct LogEnd {
    /// The offset behind its last record.
    pub(super) offset: Offset,
    /// Where offsets do not rise on the way there, and it may be wrong.
    pub(super) damage: Option<Damage>,
}

/// Where the partition in `path` ends; `None` if it has no segments.
///
/// # Errors
/// The system's.
pub(super) fn log_end(path: &Path) -> Result<Option<LogEnd>> {
    let (dir, _) = as_finished(&Disk::default(), path)?;
    let Some(last) = dir.segments.last() else { return Ok(None) };
    let log = last.log()?;
    let mut order = OffsetOrder::begin(OffsetBounds::new(last.base, None));
    let mut damage = None;
    let mut hear = |(position, batch): (Position, Batch<'_>)| {
        let (first, last) = (batch.header.base_offset, batch.header.last_offset);
        let flaw = order.batch(first, last);
        let at = |what| Damage { path: log.path().into(), position: Some(position), what };
        damage = damage.take().or(flaw.map(at));
    };
    let mut batches = log.batches_from(start_of_tail(last, &log)?);
    let mut frontier = Frontier::of(&log);
    // All checksums would mean to read it all: the last is enough, for what is unsound ends the
    // log, as for a broker.
    let mut newest: Option<(Position, Batch<'_>)> = None;
    loop {
        frontier.reach(batches.position(), HEADER_BYTES)?;
        let Some(Ok(next)) = batches.next() else { break };
        let before = newest.replace(next);
        before.filter(|(_, before)| before.check_header().is_ok()).into_iter().for_each(&mut hear);
    }
    if let Some((position, batch)) = newest {
        Frontier::of(&log).reach(position, batch.header.size_bytes)?;
        if batch.check_header().is_ok() && batch.check_crc().is_ok() {
            hear((position, batch));
        }
    }
    Ok(Some(LogEnd { offset: order.due(), damage }))
}

/// Where to begin looking for the last batch: where the index says, if a batch with a sound
/// checksum is there that ends where the entry says.
fn start_of_tail(segment: &Segment, log: &LogFile) -> Result<Position> {
    let Some(bytes) = segment.read(Kind::Index)? else { return Ok(Position(0)) };
    let index = OffsetIndex::parse(&bytes, segment.base);
    let Some(entry) = index.entries.last() else { return Ok(Position(0)) };
    let rest = log.bytes().get(entry.position.index()..).unwrap_or_default();
    let mut frontier = Frontier::of(log);
    frontier.reach(entry.position, HEADER_BYTES)?;
    frontier.reach(entry.position, Batch::claimed_size(rest).unwrap_or(0))?;
    let is_there = Batch::parse(rest).is_ok_and(|batch| {
        batch.header.base_offset >= segment.base
            && batch.header.last_offset == entry.offset
            && batch.check_header().is_ok()
            && batch.check_crc().is_ok()
    });
    Ok(if is_there { entry.position } else { Position(0) })
}

/// Names of topics by their ids, as `partition.metadata` has them.
pub(super) fn topic_names<'a>(
    partitions: impl Iterator<Item = (&'a str, &'a Path)>,
) -> HashMap<String, String> {
    let mut names = HashMap::new();
    let mut last = None;
    for (topic, path) in partitions {
        // All partitions of a topic have the same.
        if last == Some(topic) {
            continue;
        }
        if let Some(id) = topic_id(path) {
            names.insert(id, topic.to_owned());
            last = Some(topic);
        }
    }
    names
}

fn topic_id(path: &Path) -> Option<String> {
    let file = open_listed(&path.join("partition.metadata")).ok()?;
    let mut text = String::new();
    file.take(MOST_METADATA_BYTES).read_to_string(&mut text).ok()?;
    PartitionMetadata::parse(&text).ok().map(|metadata| metadata.topic_id)
}
