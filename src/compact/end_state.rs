//! The producer snapshot at the log end: there must be one where a roll takes one
//! (`UnifiedLog.roll`), and where the newest that can be read would go with its segment. Without
//! any, a broker would start with no producers and no open transactions.

use std::collections::{HashMap, HashSet};

use super::commit::Commit;
use super::look::Survey;
use super::worker::with_decoder;
use crate::error::Result;
use crate::segment::{
    FileName, Frontier, Kind, PartitionDir, ProducerEntry, ProducerState, newest_snapshot,
    parse_snapshot,
};
use crate::units::Offset;

/// A header, and the record of a marker.
const HEADER_REACH_BYTES: usize = 64 << 10;

/// The snapshot that must be written for `commit`, if the source has none that will do; computed
/// from the source, which knows more than what is left of it. `log_start`, and the producers as
/// they were somewhere `before` an offset, are known from elsewhere; `open` are the open
/// transactions.
///
/// # Errors
/// The system's.
pub fn snapshot_due(
    source: &PartitionDir,
    surveys: &[Survey],
    (log_start, before): (Option<Offset>, impl FnOnce(Offset) -> (Offset, Vec<ProducerEntry>)),
    open: &HashMap<i64, Offset>,
    commit: &Commit,
) -> Result<Option<(Offset, Vec<u8>)>> {
    let (Some(first), Some(last)) = (surveys.first(), surveys.last()) else { return Ok(None) };
    let log_start = first.segment.base.max(log_start.unwrap_or(Offset(0)));
    // Where a roll leaves out offsets that damage claims, a broker takes that for the log end.
    let log_end = commit.new_active.unwrap_or(last.next_offset);
    let newest = newest_snapshot(source, log_start, log_end)?.map(|(offset, _)| offset);
    let goes = |offset: &Offset| commit.replacements.iter().any(|r| r.snapshots.contains(offset));
    let stays = newest.is_some_and(|newest| !goes(&newest));
    let is_needed = commit.new_active.is_some() || (source.snapshots.iter().any(goes) && !stays);
    if newest == Some(log_end) || !is_needed {
        return Ok(None);
    }
    let before = before(log_end);
    let mut state = match newest {
        None if before.0 > log_start || !before.1.is_empty() => {
            ProducerState::of(before.0, before.1)
        }
        _ => ProducerState::load(source, log_start, log_end)?,
    };
    replay(&mut state, surveys, log_end)?;
    state.settle(open, log_start);
    let is_worth_it = !(state.is_empty() && source.snapshots.is_empty());
    Ok(is_worth_it.then(|| (log_end, state.render())))
}

/// The snapshot that must be written at `end`, a border that the source does not have, so that the
/// next round knows the producers from there on; none if nothing is known of any.
///
/// # Errors
/// The system's.
pub fn snapshot_at(
    end: Offset,
    source: &PartitionDir,
    surveys: &[Survey],
    before: (Offset, Vec<ProducerEntry>),
) -> Result<Option<Vec<u8>>> {
    let Some(first) = surveys.first() else { return Ok(None) };
    let mut state = match newest_snapshot(source, first.segment.base, end)? {
        None if !before.1.is_empty() => ProducerState::of(before.0, before.1),
        _ => ProducerState::load(source, first.segment.base, end)?,
    };
    replay(&mut state, surveys, end)?;
    Ok((!state.is_empty()).then(|| state.render()))
}

/// What there is to say of those of `snapshots`, which stay, that nobody can read.
///
/// # Errors
/// The system's.
pub fn unreadable_of(source: &PartitionDir, snapshots: &[Offset]) -> Result<Option<String>> {
    let (mut count, mut first) = (0, None);
    for offset in snapshots {
        let name = FileName::new(*offset, Kind::Snapshot).to_string();
        if parse_snapshot(&source.disk.map(&source.file(&name))?).is_err() {
            count += 1;
            first.get_or_insert(name);
        }
    }
    Ok(first.map(|first| match count {
        1 => format!("{first} cannot be read and stays as it is; `logcompact repair` takes it out"),
        _ => format!(
            "{first} and {} more snapshots cannot be read and stay as they are; `logcompact \
             repair` takes them out",
            count - 1
        ),
    }))
}

/// The snapshots of `source` that stay beside what `commit` leaves: those up to `last`, for a
/// broker removes those behind the log's end.
pub fn snapshots_kept(source: &PartitionDir, commit: &Commit, last: Offset) -> Vec<Offset> {
    let written = commit.snapshot.iter().map(|(offset, _)| offset);
    let gone = commit.replacements.iter().flat_map(|replacement| &replacement.snapshots);
    let replaced: HashSet<Offset> = gone.chain(written).copied().collect();
    let stays = |offset: &Offset| *offset <= last && !replaced.contains(offset);
    source.snapshots.iter().copied().filter(stays).collect()
}

/// Goes on with the batches below `end`.
fn replay(state: &mut ProducerState, surveys: &[Survey], end: Offset) -> Result<()> {
    let from = state.from();
    for survey in surveys.iter().filter(|survey| survey.next_offset > from) {
        let mut frontier = Frontier::of(&survey.log);
        for chunk in &survey.chunks {
            let mut batches = survey.log.batches_from(chunk.start).until(chunk.end);
            with_decoder(|decoder| -> Result<()> {
                loop {
                    frontier.reach(batches.position(), HEADER_REACH_BYTES)?;
                    match batches.next() {
                        Some(Ok((_, batch))) if batch.header.base_offset < end => {
                            state.append(&batch, decoder);
                            if let Some(half) = survey.segment.half() {
                                state.is_half(&batch.header, half.whole);
                            }
                        }
                        Some(_) => {}
                        None => return Ok(()),
                    }
                }
            })?;
        }
    }
    Ok(())
}
