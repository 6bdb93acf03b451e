//! One partition: its segments read one after the other, each on one thread or on all.

use std::path::Path;
use std::time::UNIX_EPOCH;

use super::key_text::KeyText;
use super::keys::{Heavy, Keys};
use super::report::{
    DamagedRange, Dirty, KeyStats, OpenTxn, PartitionOutcome, PartitionStats, SegmentStats, TopKey,
};
use super::run::StatsOptions;
use super::stretch::{self, KeySeen, Look, Seen, digest, look};
use super::tally::{Tally, rfc3339};
use super::transactions::Transactions;
use crate::disk::Disk;
use crate::error::Result;
use crate::format::Decoder;
use crate::report::Progress;
use crate::segment::{
    CLEANER_CHECKPOINT, FileName, Kind, LEADER_EPOCHS, LOG_START_CHECKPOINT, LogDir, LogFile,
    PARTITION_METADATA, PartitionDir, PartitionMetadata, Segment, believed_log_start, parse_epochs,
    partition_name,
};
use crate::swap::as_finished;
use crate::units::{Offset, Position};
use crate::verify::{read_alone, read_together};

/// Damage, and open transactions, that are listed one by one.
const MOST_LISTED: usize = 1000;

/// Who reads a partition.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Readers {
    /// This thread.
    One,
    /// All threads of the pool.
    All,
}

/// A partition directory, listed as it will be once somebody has ended an interrupted swap.
pub struct Opened {
    /// What is known without reading its logs.
    stats: PartitionStats,
    dir: Option<PartitionDir>,
}

impl Opened {
    /// Lists the directory at `path`; if that cannot be done, the outcome says so.
    pub fn new(disk: &Disk, path: &Path) -> Opened {
        let mut stats = nothing_known(path);
        let dir = match as_finished(disk, path) {
            Ok((dir, unfinished)) => {
                stats.warnings.extend(unfinished);
                if dir.segments.is_empty() {
                    stats.warnings.push("it holds no segments (<20 digits>.log)".into());
                }
                for odd in dir.oddities.iter().filter(|odd| odd.is_in_the_way()) {
                    let text = format!("{}: {}; it is not read", odd.name, odd.what);
                    // Of other files nothing is lost in the numbers.
                    match FileName::parse(&odd.name) {
                        Some(name) if name.kind == Kind::Log => stats.fail(text),
                        _ => stats.warnings.push(text),
                    }
                }
                Some(dir)
            }
            Err(error) => {
                stats.fail(error.to_string());
                None
            }
        };
        Opened { stats, dir }
    }

    /// Bytes of its logs.
    pub fn size_bytes(&self) -> u64 {
        let segments = self.dir.iter().flat_map(|dir| &dir.segments);
        segments.map(|segment| segment.size_bytes).sum()
    }

    /// Reads it.
    ///
    /// # Errors
    /// None but bugs: what goes wrong with a partition is in its outcome.
    pub fn read(
        self,
        options: &StatsOptions,
        memory_bytes: u64,
        readers: Readers,
        progress: &dyn Progress,
    ) -> Result<PartitionStats> {
        let Opened { mut stats, dir } = self;
        let Some(dir) = dir else { return Ok(stats) };
        let mut reading = Reading {
            keys: Keys::new(options.keys, memory_bytes, readers == Readers::All)?,
            transactions: Transactions::default(),
            log_end: dir.segments.first().map_or(Offset(0), |segment| segment.base),
            stats: &mut stats,
            wants_keys: options.keys != super::Counting::None,
        };
        for (number, segment) in dir.segments.iter().enumerate() {
            let bound = dir.segments.get(number + 1).map(|next| next.base);
            if let Err(error) = reading.segment(number, segment, bound, readers, progress) {
                if matches!(error.kind, crate::error::ErrorKind::Bug(_)) {
                    return Err(error);
                }
                reading.stats.fail(error.to_string());
            }
        }
        let Reading { keys, transactions, log_end, .. } = reading;
        crate::report::note_memory();
        let counted = keys.finish(options.top)?;
        let top = |heavy: &[Heavy]| -> Vec<TopKey> {
            let named = |key: TopKey| TopKey {
                topic: stats.topic.clone(),
                partition: stats.partition,
                ..key
            };
            heavy.iter().map(|heavy| named(top_key(&dir, heavy))).collect()
        };
        stats.keys = KeyStats {
            method: counted.method,
            distinct: counted.distinct.map(|(distinct, _, _)| distinct),
            distinct_at_least: counted.distinct.map(|(_, least, _)| least),
            distinct_at_most: counted.distinct.map(|(_, _, most)| most),
            top_by_records: top(&counted.by_records),
            top_by_bytes: top(&counted.by_bytes),
        };
        stats.settle(&dir, log_end, transactions);
        Ok(stats)
    }
}

fn nothing_known(path: &Path) -> PartitionStats {
    let name = partition_name(path);
    let folder = || path.file_name().unwrap_or(path.as_os_str()).to_string_lossy().into_owned();
    PartitionStats {
        partition: name.as_ref().map(|name| name.partition),
        topic: name.map_or_else(folder, |name| name.topic),
        topic_id: None,
        source: path.into(),
        has_namesake: false,
        outcome: PartitionOutcome::Ok,
        reason: None,
        log_start_offset: Offset(0),
        log_end_offset: Offset(0),
        last_stable_offset: Offset(0),
        first_dirty_offset: Offset(0),
        leader_epoch: None,
        tally: Tally::default(),
        keys: KeyStats::default(),
        dirty: Dirty::default(),
        savings: None,
        open_transactions: Vec::new(),
        segment_list: Vec::new(),
        damage: Vec::new(),
        warnings: Vec::new(),
    }
}

struct Reading<'a> {
    stats: &'a mut PartitionStats,
    keys: Keys,
    transactions: Transactions,
    log_end: Offset,
    wants_keys: bool,
}

impl Reading<'_> {
    fn segment(
        &mut self,
        number: usize,
        segment: &Segment,
        bound: Option<Offset>,
        readers: Readers,
        progress: &dyn Progress,
    ) -> Result<()> {
        let number = u32::try_from(number).unwrap_or(u32::MAX);
        let log = segment.log()?;
        let mut tally = Tally { segments: 1, bytes: log.bytes().len() as u64, ..Tally::default() };
        self.log_end = self.log_end.max(segment.base);
        let how = Look { bound, keys_of: self.wants_keys.then_some(number) };
        let check = |log: &LogFile, stretch| look(log, stretch, how);
        let mut outcome = Ok(());
        let mut reported = 0;
        let hear = |seen: Seen| {
            progress.advance(seen.arrived.0 - reported);
            reported = seen.arrived.0;
            let heard = self.hear(&log, how, seen, &mut tally);
            if outcome.is_ok() {
                outcome = heard;
            }
        };
        let read = match readers {
            Readers::One => read_alone(&log, check, hear),
            Readers::All => read_together(&log, check, hear),
        };
        self.stats.segment_list.push(SegmentStats {
            base_offset: segment.base,
            active: bound.is_none(),
            bytes: tally.bytes,
            batches: tally.batches,
            records: tally.records,
            time_span: tally.time_span,
            modified_ms: modified_ms(segment),
        });
        self.stats.tally.add(&tally);
        if readers == Readers::All {
            // To unmap a large file takes one thread a while: the others need not wait for it.
            rayon::spawn(|| drop(log));
        }
        outcome.and(read)
    }

    fn hear(&mut self, log: &LogFile, how: Look, seen: Seen, tally: &mut Tally) -> Result<()> {
        tally.add(&seen.tally);
        self.log_end = self.log_end.max(seen.next_offset.unwrap_or(self.log_end));
        seen.steps.iter().for_each(|step| self.transactions.step(step));
        for damaged in &seen.damage {
            if how.bound.is_none() && log.is_unfinished_tail(damaged) {
                tally.unfinished_bytes += damaged.size_bytes;
                continue;
            }
            tally.damaged_ranges += 1;
            tally.damaged_bytes += damaged.size_bytes;
            if self.stats.outcome == PartitionOutcome::Ok {
                self.stats.outcome = PartitionOutcome::Damaged;
            }
            if self.stats.damage.len() < MOST_LISTED {
                self.stats.damage.push(DamagedRange {
                    segment: FileName::new(log.base(), Kind::Log).to_string(),
                    position: damaged.position,
                    size: damaged.size_bytes,
                    reason: damaged.flaw.to_string(),
                });
            }
        }
        let mut outcome = Ok(());
        let mut note = |key: &KeySeen| {
            if outcome.is_ok() {
                outcome = self.keys.note(*key);
            }
        };
        if seen.has_too_many_keys {
            stretch::for_each_key(log, &seen, how, note);
        } else {
            seen.keys.iter().for_each(&mut note);
        }
        outcome
    }
}

impl PartitionStats {
    /// The first reason is the one that is told.
    fn fail(&mut self, reason: String) {
        self.outcome = PartitionOutcome::Failed;
        self.reason.get_or_insert(reason);
    }

    /// What can be said once all was read.
    fn settle(&mut self, dir: &PartitionDir, log_end: Offset, transactions: Transactions) {
        let (tally, open) = transactions.finish();
        self.tally.transactions = tally;
        self.log_end_offset = log_end;
        self.last_stable_offset = open.first().map_or(log_end, |(_, begun)| begun.first_offset);
        if !open.is_empty() && self.outcome != PartitionOutcome::Ok {
            let text = "a transaction that looks open may have its marker where the log is damaged";
            self.warnings.push(text.into());
        }
        let shown = open.into_iter().take(MOST_LISTED).map(|(producer_id, begun)| OpenTxn {
            producer_id,
            first_offset: begun.first_offset,
            since_ms: begun.since,
            since: rfc3339(begun.since).filter(|_| begun.since.0 >= 0),
        });
        self.open_transactions = shown.collect();
        self.checkpoints(dir, log_end);
        self.small_files(dir);
        self.dirty = dirty(dir, self);
    }

    /// The offsets that a log directory knows of its partitions. What does not fit is not believed,
    /// as in Kafka.
    fn checkpoints(&mut self, dir: &PartitionDir, log_end: Offset) {
        let first = dir.segments.first().map_or(Offset(0), |segment| segment.base);
        let mut offset = |file: &str| {
            LogDir::checkpointed(&dir.path, file).unwrap_or_else(|error| {
                self.warnings.push(format!("{error}; it is not used"));
                None
            })
        };
        let (start, dirty) = (offset(LOG_START_CHECKPOINT), offset(CLEANER_CHECKPOINT));
        self.log_start_offset = believed_log_start(start, first, log_end);
        let dirty = dirty.filter(|dirty| (self.log_start_offset..=log_end).contains(dirty));
        self.first_dirty_offset = dirty.unwrap_or(self.log_start_offset);
    }

    /// What is in the files beside the segments, if it can be read; `verify` says if it cannot.
    fn small_files(&mut self, dir: &PartitionDir) {
        let text = |name: &str| {
            let is_there = dir.others.iter().any(|other| other == name);
            let map = is_there.then(|| dir.disk.map(&dir.file(name)).ok()).flatten()?;
            Some(String::from_utf8_lossy(&map).into_owned())
        };
        let metadata = text(PARTITION_METADATA);
        let metadata = metadata.and_then(|text| PartitionMetadata::parse(&text).ok());
        self.topic_id = metadata.map(|metadata| metadata.topic_id);
        let epochs = text(LEADER_EPOCHS);
        let epochs = epochs.and_then(|text| parse_epochs(&text).ok()).unwrap_or_default();
        self.leader_epoch = epochs.last().map(|entry| entry.epoch);
    }
}

/// As `LogCleanerManager` reckons: the range ends at the active segment, or at the segment that
/// holds the last stable offset. A segment that the checkpoint cuts in two counts on both sides.
fn dirty(dir: &PartitionDir, stats: &PartitionStats) -> Dirty {
    let inactive = dir.segments.len().saturating_sub(1);
    let undecided = stats.open_transactions.first().map(|open| open.first_offset);
    let holds_undecided = undecided.map(|undecided| {
        dir.segments.partition_point(|segment| segment.base <= undecided).saturating_sub(1)
    });
    let end = holds_undecided.map_or(inactive, |holds| holds.min(inactive));
    let first_dirty = stats.first_dirty_offset;
    let mut dirty = Dirty::default();
    for (number, segment) in dir.segments.iter().enumerate() {
        if number >= end {
            dirty.uncleanable_bytes += segment.size_bytes;
            continue;
        }
        if segment.base < first_dirty {
            dirty.clean_bytes += segment.size_bytes;
        }
        let next = dir.segments.get(number + 1);
        if next.is_none_or(|next| next.base > first_dirty) {
            dirty.dirty_bytes += segment.size_bytes;
        }
    }
    dirty.with_ratio()
}

fn modified_ms(segment: &Segment) -> i64 {
    let since_epoch = segment.modified.duration_since(UNIX_EPOCH).unwrap_or_default();
    i64::try_from(since_epoch.as_millis()).unwrap_or(i64::MAX)
}

/// The key itself is read again, from the batch in which it was first met.
fn top_key(dir: &PartitionDir, heavy: &Heavy) -> TopKey {
    let key = key_at(dir, heavy);
    let (records, records_at_most) = heavy.records.unzip();
    let (bytes, bytes_at_most) = heavy.bytes.unzip();
    TopKey {
        topic: String::new(),
        partition: None,
        key_bytes: key.as_ref().map_or(0, |(_, key_bytes)| *key_bytes),
        key: key.map(|(key, _)| key),
        records,
        records_at_most,
        bytes,
        bytes_at_most,
    }
}

fn key_at(dir: &PartitionDir, heavy: &Heavy) -> Option<(KeyText, u64)> {
    let segment = dir.segments.get(usize::try_from(heavy.place.segment).ok()?)?;
    let log = segment.log().ok()?;
    let batch = log.batch_at(Position(heavy.place.position.into())).ok()??;
    let mut decoder = Decoder::new();
    let index = usize::try_from(heavy.place.index).ok()?;
    let key = decoder.records(&batch).ok()?.nth(index)?.ok()?.key?;
    if digest(key) != heavy.digest {
        return None; // the file has changed since
    }
    Some((KeyText::of(key), key.len() as u64))
}
