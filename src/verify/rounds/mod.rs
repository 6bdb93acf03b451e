//! What rounds of compaction keep in a destination, against itself and against the log.
//!
//! The files of the state are read before the segments (`state`). Of the records in compacted
//! segments, and of the entries of the key index, sums are made on the way (`key_sum`): where both
//! are the same, each record stands for its key or waits as superseded, each entry has its record,
//! and no key is there twice. Where they are not, the log is read again to tell why (`culprits`).
//!
//! The lock is neither asked for nor waited for. If a round was committed meanwhile, what was found
//! is taken back: it may have been of two rounds.

mod culprits;
mod key_sum;
mod state;

use std::path::Path;

use rayon::prelude::*;

use super::finding::{Finding, Findings, Severity};
use crate::error::{Error, Result};
use crate::rounds::{RoundFile, StateDir, WholeIndex};
use crate::segment::{PartitionDir, Segment};

use key_sum::Standing;
pub use key_sum::{KeySum, Known};
use state::Mark;

/// The state in a partition directory, read.
pub struct State {
    dir: StateDir,
    mark: Mark,
    /// The current round, if it can be believed.
    file: Option<RoundFile>,
    /// What records are compared by, if they can be.
    known: Option<Known>,
    findings: Findings,
}

/// What came of it.
#[derive(Debug, Default)]
pub struct RoundsChecked {
    /// What was found.
    pub findings: Findings,
    /// How many entries of the key index were read.
    pub entries: u64,
}

/// Reads the state of a partition directory; `None` if there is none.
pub fn open(dir: &PartitionDir) -> Option<State> {
    state::read(dir)
}

impl State {
    /// By what the records of a segment are to be compared.
    pub fn known_of(&self, segment: &Segment) -> Option<&Known> {
        self.known.as_ref().filter(|known| segment.base < known.end)
    }

    /// Compares the sum of all records that were read with the key index.
    pub fn check(
        mut self,
        dir: &PartitionDir,
        records: &KeySum,
        memory_bytes: u64,
    ) -> RoundsChecked {
        let mut entries = 0;
        if let Some(file) = self.file.take() {
            let index = WholeIndex::of(&self.dir, &file);
            match sum_of(&index) {
                Err(_) => index.flaws().iter().for_each(|flaw| {
                    self.findings.push(amiss("rounds-index", self.dir.path(), flaw));
                }),
                Ok(standing) => {
                    entries = standing.entries;
                    if let Some(known) = &self.known
                        && !records.is_of(&standing, known)
                    {
                        let index = &index;
                        culprits::tell(dir, index, known, memory_bytes, &mut self.findings);
                    }
                }
            }
        }
        let findings = self.mark.unless_moved(&self.dir, self.findings);
        RoundsChecked { findings, entries }
    }
}

/// The sum of what stands, by the index.
fn sum_of(index: &WholeIndex<'_>) -> Result<Standing> {
    let parts = index.parts().into_par_iter().map(|(from, below)| {
        let mut standing = Standing::default();
        index.entries_in(from, below, |entry| standing.entry(&entry))?;
        Ok(standing)
    });
    parts.try_reduce(Standing::default, |a, b| Ok(a.plus(b)))
}

/// A file of the state that cannot be believed, or not be read.
fn amiss(rule: &'static str, state: &Path, error: &Error) -> Finding {
    let path = error.path.as_deref().unwrap_or(state);
    let rule =
        if matches!(error.kind, crate::error::ErrorKind::Io { .. }) { "unreadable" } else { rule };
    let finding = Finding::about(rule, Severity::Error, path, error.kind.to_string());
    match error.position {
        Some(position) => finding.at(position),
        None => finding,
    }
}
