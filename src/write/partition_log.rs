//! The log of one partition, open for appending (`UnifiedLog`): batches get their offsets and the
//! leader's epoch, segments roll, and what a broker keeps beside them is kept.
//!
//! A segment is synced, indexes and all, before the next one begins; so what a crash leaves is the
//! log up to somewhere in the segment that was written to.

use std::path::Path;

use super::active::Active;
use super::tail::Tail;
use super::{TopicRules, WriteOptions};
use crate::disk::Owner;
use crate::error::{Error, Result};
use crate::format::codec::Workbench;
use crate::format::{Appended, BatchBuilder, Decoder, NewRecord, RebuildError};
use crate::segment::{
    EpochEntry, FileName, Kind, LEADER_EPOCHS, Oddity, PartitionDir, Place, ProducerState,
    parse_epochs, render_epochs,
};
use crate::units::{Offset, Position, Timestamp};

/// An open log.
pub struct PartitionLog {
    place: Place,
    rules: TopicRules,
    active: Option<Active>,
    producers: ProducerState,
    epochs: Vec<EpochEntry>,
    /// Whether the file has more of them, behind the log end.
    has_later_epochs: bool,
    leader_epoch: i32,
    /// Snapshots behind the log end, which a broker would remove.
    beyond: Vec<Offset>,
    /// The snapshot at the log end as it was found, if no segment begins there.
    at_old_end: Option<Offset>,
    torn_bytes: u64,
    /// Whether the log starts behind the segments that are there, so that the next record comes
    /// into one of its own.
    starts_behind: bool,
    has_begun: bool,
    builder: BatchBuilder,
    opened: Timestamp,
    bytes: Vec<u8>,
    /// The offset behind the last one.
    pub next_offset: Offset,
    /// What was appended.
    pub appended: Counters,
}

/// What was appended to a log.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Counters {
    /// Records.
    pub records: u64,
    /// Batches.
    pub batches: u64,
    /// Bytes of batches.
    pub bytes: u64,
    /// Segments that were closed, and another begun.
    pub rolls: u64,
}

impl PartitionLog {
    /// Opens the log in the partition directory `path`. One without segments, or that ends in front
    /// of where the log directory says that it starts, goes on there: a broker deletes what it
    /// finds in front of that (`LogLoader.recoverLog`).
    ///
    /// # Errors
    /// The system's; a log that ends in damage.
    pub fn open(path: &Path, options: &WriteOptions) -> Result<PartitionLog> {
        let dir = PartitionDir::open_on(&options.disk, path)?;
        if let Some(odd) = dir.oddities.iter().find(|odd: &&Oddity| odd.is_in_the_way()) {
            let text = format!("{} is {}, not a file; it is not followed", odd.name, odd.what);
            return Err(Error::refused(format!("{}: {text}", path.display())));
        }
        let owner = Owner::in_dir(path).map_err(|e| Error::io(path, "cannot read", e))?;
        let place = Place { owner: Some(owner), ..Place::folder(&options.disk, path) };
        let mut epochs = read_epochs(&dir)?;
        let log_start = dir.checkpointed_log_start().unwrap_or_default().max(Offset(0));
        let interval_bytes = options.topic.index_interval_bytes;
        let mut torn_bytes = 0;
        let (active, log_end, last_epoch) = match dir.segments.last() {
            None => (Active::begin(&place, log_start, interval_bytes)?, log_start, -1),
            Some(segment) => {
                let tail = Tail::of(segment, interval_bytes, options.force)?;
                torn_bytes = tail.torn_bytes;
                let (log_end, epoch) = (tail.next_offset, tail.leader_epoch);
                (Active::resume(&place, segment.base, tail), log_end, epoch)
            }
        };
        let next_offset = log_end.max(log_start);
        let known = epochs.len();
        // As a broker does at load; but the newest may have begun where the log ends.
        epochs.retain(|entry| entry.start_offset <= next_offset);
        let known_epoch = epochs.last().map_or(0, |entry| entry.epoch);
        let is_base = |offset: Offset| dir.segments.iter().any(|segment| segment.base == offset);
        let at_end = dir.snapshots.contains(&log_end) && !is_base(log_end);
        Ok(PartitionLog {
            active: Some(active),
            producers: replay(&dir, next_offset)?,
            leader_epoch: known_epoch.max(last_epoch),
            has_later_epochs: epochs.len() < known,
            epochs,
            beyond: dir.snapshots.iter().copied().filter(|at| *at > next_offset).collect(),
            at_old_end: at_end.then_some(log_end),
            torn_bytes,
            starts_behind: log_end < log_start,
            has_begun: dir.segments.is_empty(),
            rules: options.topic.clone(),
            builder: BatchBuilder::default(),
            opened: Timestamp::NONE,
            bytes: Vec::new(),
            next_offset,
            appended: Counters::default(),
            place,
        })
    }

    /// What an unfinished write had left behind the last batch, and is cut off now.
    pub fn cut_bytes(&self) -> u64 {
        if self.has_begun { self.torn_bytes } else { 0 }
    }

    /// When the batch that is being filled got its first record; `None` if none is.
    pub fn filled_since(&self) -> Option<Timestamp> {
        (self.builder.record_count() > 0).then_some(self.opened)
    }

    /// The size of the batch that is being filled, with one more record.
    pub fn size_with(&self, record: &NewRecord<'_>) -> Option<usize> {
        self.builder.size_with(record)
    }

    /// Puts a record into the batch that is being filled.
    pub fn push(&mut self, record: &NewRecord<'_>, now: Timestamp) {
        if self.builder.record_count() == 0 {
            self.opened = now;
        }
        self.builder.push(record);
    }

    /// Appends the batch that was filled, if there is one.
    ///
    /// # Errors
    /// The system's; a log that has no offsets left.
    pub fn append(&mut self, options: &WriteOptions, workbench: &mut Workbench) -> Result<()> {
        let count = self.builder.record_count();
        if count == 0 {
            return Ok(());
        }
        self.bytes.clear();
        let appended = Appended {
            base_offset: self.next_offset,
            leader_epoch: self.leader_epoch,
            codec: options.compression.codec,
            most_bytes: self.rules.most_batch_bytes(),
            append_time: options.topic.is_append_time.then(|| options.clock.now()),
        };
        let header =
            self.builder.finish(appended, workbench, &mut self.bytes).map_err(|error| {
                let text = match error {
                    RebuildError::Records(reason) => reason.to_owned(),
                    RebuildError::Codec(error) => error.to_string(),
                };
                Error::refused(format!("{}: {text}", self.place.dir.display()))
            })?;
        self.begin()?;
        let must_roll = |active: &Active| active.must_roll(&header, &self.rules);
        if self.starts_behind || self.active.as_ref().is_none_or(must_roll) {
            self.roll()?;
        }
        if let Some(active) = &mut self.active {
            active.append(&header, &self.bytes)?;
        }
        self.next_offset = header.last_offset.next();
        self.appended.records += count.unsigned_abs() as u64;
        self.appended.batches += 1;
        self.appended.bytes += header.size_bytes as u64;
        Ok(())
    }

    /// Lets readers see what was appended.
    ///
    /// # Errors
    /// The system's.
    pub fn flush(&mut self) -> Result<()> {
        self.active.as_mut().map_or(Ok(()), Active::flush)
    }

    /// Closes the log as a broker does that is stopped: everything is synced, and a snapshot
    /// stands at its end. A log that nothing was appended to is left as it is.
    ///
    /// # Errors
    /// The system's.
    pub fn finish(&mut self) -> Result<()> {
        if !self.has_begun {
            return Ok(());
        }
        if let Some(active) = self.active.take() {
            active.finish()?;
        }
        if self.next_offset > Offset(0) {
            self.put_snapshot()?;
        }
        let stray = self.at_old_end.filter(|at| *at != self.next_offset);
        if let Some(at) = stray {
            self.place.disk.remove_if_there(&self.place.path(at, Kind::Snapshot))?;
        }
        self.place.disk.sync_dir(&self.place.dir)
    }

    /// What must be there before the first batch is.
    fn begin(&mut self) -> Result<()> {
        let is_known = self.epochs.last().is_some_and(|last| last.epoch >= self.leader_epoch);
        if !is_known {
            let (epoch, start_offset) = (self.leader_epoch, self.next_offset);
            self.epochs.push(EpochEntry { epoch, start_offset });
        }
        if !is_known || self.has_later_epochs {
            self.has_later_epochs = false;
            let path = self.place.dir.join(LEADER_EPOCHS);
            let text = render_epochs(&self.epochs);
            self.place.disk.replace_file(&path, text.as_bytes())?;
        }
        for at in self.beyond.drain(..) {
            self.place.disk.remove_if_there(&self.place.path(at, Kind::Snapshot))?;
        }
        self.has_begun = true;
        Ok(())
    }

    /// `UnifiedLog.roll`.
    fn roll(&mut self) -> Result<()> {
        if let Some(active) = self.active.take() {
            active.finish()?;
        }
        self.put_snapshot()?;
        self.starts_behind = false;
        self.at_old_end = self.at_old_end.filter(|at| *at != self.next_offset);
        self.place.disk.sync_dir(&self.place.dir)?;
        let interval_bytes = self.rules.index_interval_bytes;
        self.active = Some(Active::begin(&self.place, self.next_offset, interval_bytes)?);
        self.appended.rolls += 1;
        Ok(())
    }

    /// Records without a producer change nothing of what is known of producers.
    fn put_snapshot(&self) -> Result<()> {
        let name = FileName::new(self.next_offset, Kind::Snapshot).to_string();
        self.place.disk.put_file(&self.place.dir.join(name), &self.producers.render())
    }
}

fn read_epochs(dir: &PartitionDir) -> Result<Vec<EpochEntry>> {
    if !dir.others.iter().any(|name| name == LEADER_EPOCHS) {
        return Ok(Vec::new());
    }
    let path = dir.file(LEADER_EPOCHS);
    let map = dir.disk.map(&path)?;
    parse_epochs(&String::from_utf8_lossy(&map)).map_err(|error| {
        let text = format!("{error}; `logcompact repair --in-place` builds it anew");
        Error::corrupt(&path, Position(0), text)
    })
}

/// What is known of producers at the end of the log.
fn replay(dir: &PartitionDir, log_end: Offset) -> Result<ProducerState> {
    let log_start = dir.segments.first().map_or(log_end, |segment| segment.base);
    let mut state = ProducerState::load(dir, log_start, log_end)?;
    let mut decoder = Decoder::new();
    let behind = dir.segments.iter().skip(1).map(|next| next.base).chain([log_end]);
    let from = state.from();
    for (segment, _) in dir.segments.iter().zip(behind).filter(|(_, end)| *end > from) {
        for (_, batch) in segment.log()?.batches().filter_map(|item| item.ok()) {
            state.append(&batch, &mut decoder);
        }
    }
    Ok(state)
}
