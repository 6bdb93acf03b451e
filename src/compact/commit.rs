//! What is left to do once all is written and proved, as a value: which segments are replaced by
//! which, in the order in which that is safe.
//!
//! Replacements are carried out from the oldest segments to the newest. A tombstone (or a marker)
//! goes only after what it hides (or marks) has gone, so that no old value comes back wherever it
//! stops.

use super::look::Survey;
use super::plan::Plan;
use super::policy::Policy;
use super::rewrite::{Written, put_empty_segment};
use crate::error::Result;
use crate::segment::{FileName, Kind, Place, Unread};
use crate::swap::{Replaced, Replacement, carry_out, list};
use crate::units::Offset;

/// The decision.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Commit {
    /// The replacements, oldest first.
    pub replacements: Vec<Replacement>,
    /// The base of the empty segment that a roll leaves behind, if the active one was cleaned.
    pub new_active: Option<Offset>,
    /// The producer snapshot that is to be written at the log end.
    pub snapshot: Option<(Offset, Vec<u8>)>,
    /// What the `.txnindex` of a segment that is not compacted is to hold where it holds something
    /// else, by the segment's base.
    pub txn_indexes: Vec<(Offset, Vec<u8>)>,
    /// The partition's small files that cannot be read.
    pub unread: Vec<Unread>,
    /// The bases of segments of the range that are left where they lie.
    pub untouched: Vec<Offset>,
}

/// Whether nothing is left of a segment behind which the log has rolled to `new_active`, if its
/// damage goes.
pub fn gives_up(new_active: Option<Offset>, survey: &Survey) -> bool {
    survey.batches == 0 && new_active > Some(survey.segment.base)
}

impl Commit {
    /// Decides, given what was written for each of the plan's groups. What lies behind the range is
    /// carried over, or stays where it is, and behind it there is a `new_active` segment, or none.
    pub fn of(
        surveys: &[Survey],
        plan: &Plan,
        written: &[Written],
        new_active: Option<Offset>,
    ) -> Commit {
        let base_of = |at: usize| surveys.get(at).map(|survey| survey.segment.base);
        let log_end = surveys.last().map_or(plan.end, |survey| survey.next_offset);
        // The one at the log end stays, whatever becomes of the segment of that name.
        let snapshots = |old: &[Offset]| -> Vec<Offset> {
            old.iter().copied().filter(|base| *base != log_end).collect()
        };
        let mut replacements = Vec::new();
        let retired: Vec<Offset> = (0..plan.retired).filter_map(base_of).collect();
        if !retired.is_empty() {
            let snapshots = snapshots(&retired);
            replacements.push(Replacement { old: retired, new: Vec::new(), snapshots });
        }
        let mut untouched = Vec::new();
        for (group, written) in plan.groups.iter().chain(&plan.reworked).zip(written) {
            if written.is_untouched {
                untouched.extend(&written.bases);
                continue;
            }
            let old: Vec<Offset> = group.clone().filter_map(base_of).collect();
            // A base that is there again keeps its own.
            let is_gone = |base: &Offset| written.bases.binary_search(base).is_err();
            let gone: Vec<Offset> = old.iter().copied().filter(is_gone).collect();
            let snapshots = snapshots(&gone);
            replacements.push(Replacement { old, new: written.bases.clone(), snapshots });
        }
        Commit { replacements, new_active, untouched, ..Commit::default() }
    }

    /// The base of the empty segment that is to lie behind all others, if the active one is cleaned
    /// (`in_place` or not). A log that had `rolled_to` an offset does not end in front of that
    /// again.
    pub fn new_active(
        surveys: &[Survey],
        plan: &Plan,
        policy: &Policy,
        in_place: bool,
        rolled_to: Option<Offset>,
    ) -> Option<Offset> {
        let log_end = surveys.last().map_or(plan.end, |survey| survey.next_offset);
        let last_is_empty = surveys.last().is_some_and(|survey| survey.batches == 0);
        // Behind damage that goes or is carried over, offsets are not given a second time.
        let claimed = surveys.last().and_then(|survey| survey.claimed_end);
        let next_base = claimed.map_or(log_end, |claimed| claimed.max(log_end));
        let is_touched =
            plan.nothing_because.is_none() || plan.is_reworked(surveys.len().saturating_sub(1));
        let rolls = match last_is_empty {
            true => !in_place && next_base > log_end,
            false => is_touched,
        };
        let new_active = (rolls && policy.include_active).then_some(next_base);
        new_active.max(rolled_to.filter(|rolled_to| *rolled_to > log_end))
    }

    /// Carries it out where the new files lie as `.cleaned`; what is `replaced` goes or is left.
    ///
    /// # Errors
    /// The system's. What is left undone then, the next run or a broker finishes or undoes.
    pub fn carry_out(&self, place: &Place, replaced: Replaced) -> Result<()> {
        if !self.replacements.is_empty() || self.new_active.is_some() {
            self.sync_untouched(place)?;
        }
        // Before any that it takes the place of goes.
        if let Some((offset, bytes)) = &self.snapshot {
            let name = FileName::new(*offset, Kind::Snapshot).to_string();
            place.disk.replace_file(&place.dir.join(name), bytes)?;
        }
        for (base, bytes) in &self.txn_indexes {
            let path = place.dir.join(FileName::new(*base, Kind::TxnIndex).to_string());
            match bytes.as_slice() {
                [] => place.disk.remove_if_there(&path)?,
                bytes => place.disk.replace_file(&path, bytes)?,
            }
        }
        self.unread.iter().try_for_each(|unread| unread.put_right(&place.disk, &place.dir))?;
        if let Some(base) = self.new_active {
            put_empty_segment(base, &Place { suffix: None, ..place.clone() })?;
        }
        for replacement in &self.replacements {
            let steps = replacement.steps(&list(&place.dir)?, replaced);
            carry_out(&steps, &place.disk, &place.dir)?;
        }
        place.disk.sync_dir(&place.dir)
    }

    /// What goes may have lost to what is in a segment that stays; who copied that one here need
    /// not have synced it.
    fn sync_untouched(&self, place: &Place) -> Result<()> {
        for base in &self.untouched {
            for kind in [Kind::Log, Kind::TxnIndex, Kind::Index, Kind::TimeIndex] {
                let path = place.dir.join(FileName::new(*base, kind).to_string());
                if kind != Kind::TxnIndex || path.is_file() {
                    place.disk.sync_file(&path)?;
                }
            }
        }
        Ok(())
    }
}
