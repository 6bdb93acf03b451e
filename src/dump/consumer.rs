//! What a consumer is given of a partition: nothing in front of where its log starts, which may lie
//! within a segment (`UnifiedLog.read`), and of its transactions what [`Committed`] says.

use crate::disk::Disk;
use crate::error::Result;
use crate::format::HEADER_BYTES;
use crate::segment::{FileName, Frontier, LogFile, PartitionDir, Segment};
use crate::swap::as_finished;
use crate::units::Offset;

use super::selection::{Committed, Isolation, Selection};
use super::source::{Source, parent};
use super::walk::map;

/// What only the partition itself can say of a selection.
#[derive(Debug, Default)]
pub(super) struct Given {
    /// Where the log starts, if that is behind where the selection begins.
    pub(super) log_start: Option<Offset>,
    /// How its transactions ended, where that matters.
    pub(super) committed: Option<Committed>,
}

impl Given {
    /// Looks at the partition that `source` is part of, as far as `selection` is a consumer's.
    ///
    /// # Errors
    /// The system's.
    pub(super) fn of(source: &Source, selection: &Selection) -> Result<Given> {
        let is_committed = selection.isolation == Isolation::ReadCommitted;
        if !(selection.is_state || is_committed) {
            return Ok(Given::default());
        }
        if stands_alone(source) {
            let log = || Ok(LogFile::of(&source.path, Offset(0), map(source)?));
            let log = is_committed.then(log).transpose()?;
            let committed = log.map(|log| Committed::of_log(&log));
            return Ok(Given { log_start: None, committed });
        }
        let (dir, _) = as_finished(&Disk::default(), parent(&source.path))?;
        let log_start = log_start(&dir)?.filter(|start| *start > selection.offsets.start);
        let mut offsets = selection.offsets;
        offsets.start = log_start.unwrap_or(offsets.start);
        let committed =
            is_committed.then(|| Committed::of_partition(&dir, &offsets)).transpose()?;
        Ok(Given { log_start, committed })
    }
}

/// Whether a source is no part of what its directory holds: a file of a swap, a KRaft snapshot.
fn stands_alone(source: &Source) -> bool {
    source.is_named && FileName::parse(&source.name).is_none_or(|name| name.suffix.is_some())
}

/// Where the log in `dir` starts, if that is within it and not where its first segment does. What
/// names an offset behind its end is not believed: a broker would throw the log away.
fn log_start(dir: &PartitionDir) -> Result<Option<Offset>> {
    let (Some(first), Some(last)) = (dir.segments.first(), dir.segments.last()) else {
        return Ok(None);
    };
    match dir.log_start().filter(|start| *start > first.base) {
        Some(start) if start <= last.base || reaches(last, start)? => Ok(Some(start)),
        _ => Ok(None),
    }
}

/// Whether a segment has a batch that ends right in front of `offset`, or behind it.
fn reaches(segment: &Segment, offset: Offset) -> Result<bool> {
    let log = segment.log()?;
    let (mut batches, mut frontier) = (log.batches(), Frontier::of(&log));
    loop {
        frontier.reach(batches.position(), HEADER_BYTES)?;
        match batches.next() {
            Some(Ok((_, batch))) if batch.header.last_offset.next() >= offset => return Ok(true),
            Some(_) => {}
            None => return Ok(false),
        }
    }
}
