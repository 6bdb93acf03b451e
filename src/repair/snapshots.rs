//! Producer snapshots: those that cannot be read or lie behind the log end go. Where that, or a
//! change of the log, could leave a broker without the state at the log end, it is computed from
//! what stays.

use std::collections::HashMap;

use super::kept::Kept;
use crate::error::Result;
use crate::format::{Batch, Decoder};
use crate::segment::{FileName, Kind, PartitionDir, ProducerState, parse_snapshot};
use crate::units::Offset;

/// The decision.
#[derive(Default)]
pub struct Snapshots {
    /// Those that go.
    pub useless: Vec<Offset>,
    /// The bytes of the one at the log end, if it is to be written.
    pub at_end: Option<Vec<u8>>,
}

/// Decides about the snapshots of `dir`, of which `kept` stays, with these `open` transactions;
/// `is_changed` if that is not all of its log.
///
/// # Errors
/// The system's.
pub fn decide(
    dir: &PartitionDir,
    kept: &[Kept],
    open: &HashMap<i64, Offset>,
    log_end: Offset,
    is_changed: bool,
) -> Result<Snapshots> {
    let mut useless = Vec::new();
    let mut stands_at_end = false;
    for offset in &dir.snapshots {
        let name = FileName::new(*offset, Kind::Snapshot).to_string();
        let map = dir.disk.map(&dir.file(&name))?;
        if *offset > log_end || parse_snapshot(&map).is_err() {
            useless.push(*offset);
        } else {
            stands_at_end |= *offset == log_end;
        }
    }
    if stands_at_end || (useless.is_empty() && !is_changed) {
        return Ok(Snapshots { useless, at_end: None });
    }
    let state = replay(dir, kept, open, log_end)?;
    let takes_its_place = useless.contains(&log_end);
    if state.is_empty() && !takes_its_place {
        return Ok(Snapshots { useless, at_end: None });
    }
    useless.retain(|offset| *offset != log_end);
    Ok(Snapshots { useless, at_end: Some(state.render()) })
}

fn replay(
    dir: &PartitionDir,
    kept: &[Kept],
    open: &HashMap<i64, Offset>,
    log_end: Offset,
) -> Result<ProducerState> {
    let log_start = kept.first().map_or(log_end, |kept| kept.segment.base);
    let mut state = ProducerState::load(dir, log_start, log_end)?;
    let (from, mut decoder) = (state.from(), Decoder::new());
    for kept in kept.iter().filter(|kept| kept.next_offset() > from) {
        for sound in &kept.batches {
            let rest = kept.log.bytes().get(sound.position.index()..).unwrap_or_default();
            let Ok(batch) = Batch::parse(rest) else { continue };
            state.append(&batch, &mut decoder);
        }
    }
    state.settle(open, log_start);
    Ok(state)
}
