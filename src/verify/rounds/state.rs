//! The files of the state: which there are, whether they can be believed, and whether the segments
//! are those that the last round left.

use super::super::finding::{Finding, Findings, Severity};
use super::key_sum::Known;
use super::{State, amiss};
use crate::error::Result;
use crate::rounds::{Difference, Journal, RoundFile, StateDir, differences};
use crate::segment::{FileName, Kind, PartitionDir};

/// Which round was current, so that it is noticed if another becomes so.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Mark {
    current: Option<u64>,
    is_committing: bool,
}

impl Mark {
    fn of(dir: &StateDir) -> Mark {
        let current = dir.current_number().ok().flatten();
        Mark { current, is_committing: dir.path().join(Journal::NAME).exists() }
    }

    /// What was found, unless a round was committed since.
    pub fn unless_moved(self, dir: &StateDir, found: Findings) -> Findings {
        if Mark::of(dir) == self {
            return found;
        }
        let text = "a round was committed while this was read: its state was not checked";
        let mut moved = Findings::default();
        moved.push(Finding::about("rounds-moved", Severity::Info, dir.path(), text));
        moved
    }
}

/// Reads the state of a partition directory; `None` if there is none.
pub fn read(dir: &PartitionDir) -> Option<State> {
    let state = StateDir::within(&dir.disk, &dir.path);
    if !state.path().is_dir() {
        return None;
    }
    let mark = Mark::of(&state);
    let mut found = Findings::default();
    let has_journal = journal(&state, &mut found);
    let file = match current(&state, &mut found) {
        Ok(file) => file,
        Err(error) => {
            found.push(amiss("rounds-file", state.path(), &error));
            None
        }
    };
    let mut known = None;
    if let Some(file) = &file {
        let is_as_left = has_journal || manifest(dir, file, &mut found);
        match state.dead(file) {
            Ok(dead) if is_as_left && !has_journal => known = Some(Known::of(file, dead)),
            Ok(_) => {}
            Err(error) => found.push(amiss("rounds-superseded", state.path(), &error)),
        }
    }
    if !has_journal {
        leftovers(&state, &mut found);
    }
    Some(State { dir: state, mark, file, known, findings: found })
}

/// Whether a commit is under way.
fn journal(state: &StateDir, found: &mut Findings) -> bool {
    match Journal::load(state) {
        Ok(None) => false,
        Ok(Some(journal)) => {
            let text = format!(
                "the commit of round {} was interrupted, or goes on; the next compact to this \
                 directory finishes it, until then its segments are not compared with its state",
                journal.round()
            );
            let path = state.path().join(Journal::NAME);
            found.push(Finding::about("rounds-commit", Severity::Warning, &path, text));
            true
        }
        Err(error) => {
            found.push(amiss("rounds-file", state.path(), &error));
            true
        }
    }
}

/// The current round; the files of the rounds before that are kept are read too.
fn current(state: &StateDir, found: &mut Findings) -> Result<Option<RoundFile>> {
    let number = state.current_number()?;
    let rounds = state.rounds()?;
    if number.is_none() && !rounds.is_empty() {
        let text = "there is no CURRENT that names one of the rounds; compact with --full to build \
                    the destination anew";
        found.push(Finding::about("rounds-file", Severity::Error, state.path(), text));
    }
    let Some(number) = number else { return Ok(None) };
    for older in rounds.into_iter().filter(|round| *round < number) {
        if let Err(error) = state.read(older) {
            found.push(amiss("rounds-file", state.path(), &error));
        }
    }
    state.read(number).map(Some)
}

/// Whether the segments below the watermark are those that the round left.
fn manifest(dir: &PartitionDir, file: &RoundFile, found: &mut Findings) -> bool {
    let mut is_as_left = true;
    for difference in differences(file, &dir.segments) {
        let base = difference.base_offset();
        is_as_left &= base >= file.end_offset();
        let round = file.round;
        let text = match difference {
            Difference::Missing(_) => format!("round {round} left this segment, it is not there"),
            Difference::Resized { wanted_bytes, found_bytes, .. } => {
                format!("round {round} left {wanted_bytes} bytes, there are {found_bytes}")
            }
            Difference::Unknown(_) => format!("round {round} left no segment of this name"),
        };
        let text = format!("{text}; the next round will refuse to go on from here");
        let path = dir.file(&FileName::new(base, Kind::Log).to_string());
        found.push(Finding::about("rounds-segment", Severity::Error, &path, text).of(base));
    }
    is_as_left
}

/// What no round needs.
fn leftovers(state: &StateDir, found: &mut Findings) {
    // If the current round cannot be read, that was told.
    for path in state.garbage().unwrap_or_default() {
        let text = "no round needs it: left by a run that was interrupted, for the next one to \
                    remove; or one is at work";
        found.push(Finding::about("rounds-leftover", Severity::Info, &path, text));
    }
}
