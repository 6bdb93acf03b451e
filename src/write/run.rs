//! A run put in order: decide, claim, make, open, append, close, tell.
//!
//! Whatever ends it early, a line that is no record above all, what came before that is appended
//! and durable when the run says so.

use std::io::Read;
use std::num::NonZeroU32;
use std::path::PathBuf;
use std::time::Duration;

use rayon::prelude::*;

use super::chooser::Chooser;
use super::lines::{Lines, More};
use super::partition_log::{Counters, PartitionLog};
use super::topic::{Request, Topic};
use super::{LineFormat, WriteOptions};
use crate::error::{Error, Result};
use crate::format::codec::Workbench;
use crate::format::{NewRecord, Partitioner};
use crate::rounds::Journal;
use crate::segment::Unread;
use crate::swap::{Claim, CleanMarks, PartitionClaim, recover, unclean_shutdown};
use crate::units::Offset;

/// What a run did.
#[derive(Debug)]
pub struct Written {
    /// The topic.
    pub topic: String,
    /// How many partition directories were made.
    pub created: usize,
    /// The partitions, in their order.
    pub partitions: Vec<WrittenPartition>,
    /// What was put right before anything was written, for people.
    pub put_right: Vec<String>,
    /// Why it ended early, if it did; what the partitions say is done all the same.
    pub failure: Option<Error>,
    /// Whether that is synced, and the logs are closed. If not, a write failed.
    pub is_durable: bool,
}

/// What was appended to a partition.
#[derive(Clone, Debug)]
pub struct WrittenPartition {
    /// The directory.
    pub dir: PathBuf,
    /// The first offset that was given.
    pub first_offset: Offset,
    /// The log end.
    pub next_offset: Offset,
    /// What an unfinished write had left, which was cut off.
    pub cut_bytes: u64,
    /// Records, batches, bytes, segments.
    pub appended: Counters,
}

impl Written {
    /// The sum over the partitions.
    pub fn total(&self) -> Counters {
        let mut total = Counters::default();
        for Counters { records, batches, bytes, rolls } in
            self.partitions.iter().map(|partition| partition.appended)
        {
            total.records += records;
            total.batches += batches;
            total.bytes += bytes;
            total.rolls += rolls;
        }
        total
    }
}

/// Writes the lines of `input` to the topic that is asked for.
///
/// # Errors
/// What ends a run before anything is appended.
pub fn run(
    request: &Request,
    partitioner: Partitioner,
    options: &WriteOptions,
    input: impl Read + Send + 'static,
) -> Result<Written> {
    options.format.check()?;
    let topic = Topic::decide(request)?;
    let sources = topic.sources();
    let _claim = Claim::on(&sources)?;
    if let Some(dir) = unclean_shutdown(&sources).filter(|_| !options.force) {
        return Err(Error::refused(format!(
            "{}: the broker was not shut down cleanly, and may have to recover its logs first; \
             start and stop it, or use --force",
            dir.display()
        )));
    }
    // They go again where they cannot be locked, or opened: there may be too many.
    let mut made = topic.create(&options.disk)?;
    let _claims: Vec<PartitionClaim> =
        topic.whole().into_iter().map(|dir| PartitionClaim::on(dir)).collect::<Result<_>>()?;
    for dir in &topic.dirs {
        Journal::end_interrupted(&options.disk, dir)?;
        recover(&options.disk, dir, false)?;
    }
    topic.unread.iter().try_for_each(|(dir, unread)| unread.put_right(&options.disk, dir))?;
    let logs: Result<Vec<PartitionLog>> =
        topic.dirs.par_iter().map(|dir| PartitionLog::open(dir, options)).collect();
    let mut writer = Writer::of(logs?, partitioner, options)?;
    let firsts: Vec<Offset> = writer.logs.iter().map(|log| log.next_offset).collect();
    let marks = CleanMarks::lift(&options.disk, &sources)?;
    made.keep();
    let ended = writer.go_through(input).and_then(|failure| {
        writer.logs.par_iter_mut().try_for_each(PartitionLog::finish)?;
        Ok(failure)
    });
    // After a write that failed, a broker has to recover the logs, so the marks stay lifted.
    let (failure, is_durable) = match ended {
        Ok(failure) => (failure, true),
        Err(error) => (Some(error), false),
    };
    if is_durable {
        marks.put_back()?;
    }
    let partition = |((dir, log), first): ((&PathBuf, &PartitionLog), Offset)| WrittenPartition {
        dir: dir.clone(),
        first_offset: first,
        next_offset: log.next_offset,
        cut_bytes: log.cut_bytes(),
        appended: log.appended,
    };
    Ok(Written {
        partitions: topic.dirs.iter().zip(&writer.logs).zip(firsts).map(partition).collect(),
        topic: topic.name,
        created: topic.missing.len(),
        put_right: topic.unread.iter().map(told).collect(),
        failure,
        is_durable,
    })
}

fn told((dir, unread): &(PathBuf, Unread)) -> String {
    format!("{}: {}", dir.display(), unread.describe(true))
}

struct Writer<'a> {
    logs: Vec<PartitionLog>,
    chooser: Chooser,
    workbench: Workbench,
    options: &'a WriteOptions,
}

impl<'a> Writer<'a> {
    fn of(
        logs: Vec<PartitionLog>,
        partitioner: Partitioner,
        options: &'a WriteOptions,
    ) -> Result<Writer<'a>> {
        let count = u32::try_from(logs.len()).ok().and_then(NonZeroU32::new);
        let count = count.ok_or_else(|| Error::bug("a topic without partitions"))?;
        let chooser = Chooser::new(partitioner, count);
        Ok(Writer { logs, chooser, workbench: options.compression.workbench(), options })
    }

    /// Appends all lines of `input`; gives why it ended before, if it did.
    ///
    /// # Errors
    /// A write that failed.
    fn go_through(&mut self, input: impl Read + Send + 'static) -> Result<Option<Error>> {
        let mut lines = Lines::of(input, self.options.topic.most_batch_bytes())?;
        let mut has_ended = false;
        let failure = loop {
            match lines.next_line() {
                Err(error) => break Some(error),
                Ok(Some(line)) => {
                    if let Err(flaw) = self.line(line)? {
                        let number = lines.number();
                        let text = format!("standard input line {number}: {flaw}");
                        break Some(Error::refused(text));
                    }
                    continue;
                }
                Ok(None) if has_ended => break None,
                Ok(None) => {}
            }
            match lines.more(self.patience()) {
                Err(error) => break Some(error),
                Ok(more) => has_ended = more == More::End,
            }
            self.append_what_lingered()?;
        };
        self.logs.iter_mut().try_for_each(|log| log.append(self.options, &mut self.workbench))?;
        Ok(failure)
    }

    /// Takes a line; gives why it is no record for this topic, if it is none.
    fn line(&mut self, line: &[u8]) -> Result<Result<(), String>> {
        let WriteOptions { clock, timestamp, ref format, ref topic, .. } = *self.options;
        let now = clock.now();
        let record = match LineFormat::parse(format, line, timestamp.unwrap_or(now)) {
            Ok(record) => record,
            Err(flaw) => return Ok(Err(flaw.to_string())),
        };
        if topic.is_compacted && record.key.is_none() {
            let text = "no key; a broker refuses such a record in a compacted topic";
            return Ok(Err(text.to_owned()));
        }
        let by_key = self.chooser.by_key(record.key);
        loop {
            let at = by_key.unwrap_or_else(|| self.chooser.anywhere());
            let log = self.logs.get_mut(at as usize).ok_or_else(|| Error::bug("a partition"))?;
            let since = log.filled_since();
            let size_bytes = log.size_with(&record).unwrap_or(usize::MAX);
            let limit_bytes = topic.most_batch_bytes();
            let most_bytes = self.options.batch_bytes.min(limit_bytes);
            let is_late = since.is_some_and(|since| self.options.waited_too_long(since, now));
            if since.is_some() && (size_bytes > most_bytes || is_late) {
                log.append(self.options, &mut self.workbench)?;
                if by_key.is_none() {
                    self.chooser.turn();
                }
                continue;
            }
            if size_bytes > limit_bytes {
                return Ok(Err(too_large(&record, limit_bytes)));
            }
            log.push(&record, now);
            return Ok(Ok(()));
        }
    }

    /// How long may be waited for more lines; `None` if nothing waits with us.
    fn patience(&self) -> Option<Duration> {
        let clock = self.options.clock;
        let first = self.logs.iter().filter_map(PartitionLog::filled_since).min();
        let first = first.filter(|_| clock.runs())?;
        let waited_ms = clock.now().0.saturating_sub(first.0);
        let left_ms = self.options.linger_ms.saturating_sub(waited_ms);
        Some(Duration::from_millis(u64::try_from(left_ms).unwrap_or(0)))
    }

    /// Appends the batches that have waited long enough, for others to see.
    fn append_what_lingered(&mut self) -> Result<()> {
        if !self.options.clock.runs() {
            return Ok(());
        }
        let now = self.options.clock.now();
        for log in &mut self.logs {
            if log.filled_since().is_some_and(|since| self.options.waited_too_long(since, now)) {
                log.append(self.options, &mut self.workbench)?;
                log.flush()?;
            }
        }
        Ok(())
    }
}

fn too_large(record: &NewRecord<'_>, most_bytes: usize) -> String {
    let size = |part: Option<&[u8]>| part.map_or(0, <[u8]>::len);
    format!(
        "a record of {} bytes; with its batch it is more than {most_bytes}, which is the least of \
         --max-message-bytes and --segment-bytes",
        size(record.key) + size(record.value)
    )
}
