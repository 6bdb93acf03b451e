//! Where the logs of other topics end, and what these topics' ids are.

use std::collections::HashMap;
use std::io::Read;
use std::path::Path;

use super::Damage;
use crate::disk::{Disk, open_listed};
use crate::error::Result;
use crate::format::{Batch, Flaw, HEADER_BYTES};
use crate::segment::{
    FileName, Frontier, Kind, LogFile, Oddity, OffsetBounds, OffsetIndex, OffsetOrder,
    PARTITION_METADATA, PartitionMetadata, Segment,
};
use crate::swap::as_finished;
use crate::units::{Offset, Position};

/// The largest `partition.metadata` that is read; Kafka's are 44 bytes long.
const MOST_METADATA_BYTES: u64 = 4096;

/// Where a log ends.
pub(super) struct LogEnd {
    /// The offset behind its last sound record.
    pub(super) offset: Offset,
    /// Whether nothing lies behind that which may have held more.
    pub(super) is_certain: bool,
    /// The first damage on the way there.
    pub(super) damage: Option<Damage>,
}

/// Where the partition in `path` ends; `None` if it has no segments.
///
/// # Errors
/// The system's.
pub(super) fn log_end(path: &Path) -> Result<Option<LogEnd>> {
    let (dir, _) = as_finished(&Disk::default(), path)?;
    let last = dir.segments.last();
    let is_behind = |odd: &&Oddity| {
        let name = FileName::parse(&odd.name).filter(|name| name.kind == Kind::Log);
        name.is_some_and(|name| last.is_none_or(|last| name.offset > last.base))
    };
    if let Some(odd) = dir.oddities.iter().find(is_behind) {
        let damage = Some(Damage::left_out(&dir.file(&odd.name), odd.what));
        return Ok(Some(LogEnd { offset: Offset(0), is_certain: false, damage }));
    }
    let Some(last) = last else { return Ok(None) };
    let log = last.log()?;
    let mut way = Way::begin(&log);
    let mut batches = log.batches_from(start_of_tail(last, &log)?);
    let mut frontier = Frontier::of(&log);
    // All checksums would mean to read it all. That of the last batch tells whether its offsets are
    // the end; those of others change nothing about it.
    let mut newest: Option<(Position, Batch<'_>)> = None;
    loop {
        frontier.reach(batches.position(), HEADER_BYTES)?;
        let Some(next) = batches.next() else { break };
        if next.as_ref().is_err_and(|damaged| log.is_unfinished_tail(damaged)) {
            break;
        }
        if let Some((position, batch)) = newest.take() {
            way.passes(position, &batch, batch.check_header());
        }
        match next {
            Ok(batch) => newest = Some(batch),
            Err(damaged) => way.meets(damaged.position, &damaged.flaw),
        }
    }
    if let Some((position, batch)) = newest {
        Frontier::of(&log).reach(position, batch.header.size_bytes)?;
        way.passes(position, &batch, batch.check_header().and_then(|()| batch.check_crc()));
    }
    Ok(Some(way.ends()))
}

/// The way along the batches to the end of a log.
struct Way<'a> {
    log: &'a LogFile,
    order: OffsetOrder,
    is_certain: bool,
    damage: Option<(Position, String)>,
}

impl Way<'_> {
    fn begin(log: &LogFile) -> Way<'_> {
        let order = OffsetOrder::begin(OffsetBounds::new(log.base(), None));
        Way { log, order, is_certain: true, damage: None }
    }

    /// A batch goes by, of which is known whether it is `sound`.
    fn passes(&mut self, position: Position, batch: &Batch<'_>, sound: Result<(), Flaw>) {
        if let Err(flaw) = sound {
            return self.meets(position, &flaw);
        }
        let flaw = self.order.batch(batch.header.base_offset, batch.header.last_offset);
        self.note(position, flaw);
        self.is_certain = true;
    }

    /// Something goes by that is no sound batch.
    fn meets(&mut self, position: Position, flaw: &Flaw) {
        self.note(position, Some(flaw.to_string()));
        self.is_certain = false;
    }

    fn note(&mut self, position: Position, what: Option<String>) {
        self.damage = self.damage.take().or(what.map(|what| (position, what)));
    }

    fn ends(self) -> LogEnd {
        let Way { log, order, is_certain, damage } = self;
        let unknown = if is_certain { "" } else { "; where the log ends is not known" };
        let damage = damage.map(|(position, what)| Damage {
            path: log.path().into(),
            position: Some(position),
            what: format!("{what}{unknown}"),
        });
        LogEnd { offset: order.due(), is_certain, damage }
    }
}

/// Where to begin looking for the last batch: where the index says, if a batch with a sound
/// checksum is there that ends where the entry says.
fn start_of_tail(segment: &Segment, log: &LogFile) -> Result<Position> {
    let Some(bytes) = segment.read(Kind::Index)? else { return Ok(Position(0)) };
    let index = OffsetIndex::parse(&bytes, segment.base);
    let Some(entry) = index.entries.last() else { return Ok(Position(0)) };
    let is_there = log
        .batch_at(entry.position)?
        .is_some_and(|batch| batch.header.last_offset == entry.offset && entry.fits(log, &batch));
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
    let file = open_listed(&path.join(PARTITION_METADATA)).ok()?;
    let mut text = String::new();
    file.take(MOST_METADATA_BYTES).read_to_string(&mut text).ok()?;
    PartitionMetadata::parse(&text).ok().map(|metadata| metadata.topic_id)
}
