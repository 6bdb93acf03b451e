//! The account of a run: what was read, what stays, what went and why; and that it adds up.
//!
//! The numbers come from different steps (the vote counts what it read and what lost, the rewrite
//! what it wrote), so that their agreement says something.

use super::commit::{Commit, gives_up};
use super::look::Survey;
use super::plan::Plan;
use super::policy::{NullKeys, OnDamage, Policy};
use super::rewrite::{Found, Tally, Written};
use super::vote::Election;
use super::worker::with_decoder;
use crate::error::{Error, Result};
use crate::report::{Counters, Removed};

/// What retention drops.
#[derive(Default)]
struct Retired {
    bytes: u64,
    batches: u64,
    records: u64,
}

impl Retired {
    fn of(surveys: &[Survey]) -> Retired {
        let mut retired = Retired::default();
        for survey in surveys {
            retired.bytes += survey.size_bytes();
            retired.batches += survey.batches;
            retired.records += with_decoder(|decoder| {
                let batches = survey.log.batches().filter_map(Result::ok);
                batches
                    .map(|(_, batch)| match u64::try_from(batch.header.record_count) {
                        Ok(count) => count,
                        Err(_) => decoder.records(&batch).map_or(0, |set| set.count() as u64),
                    })
                    .sum::<u64>()
            });
        }
        retired
    }
}

/// The counters of the range, and of what was rewritten beside it, each from the step that knows
/// it.
pub fn counters(
    surveys: &[Survey],
    plan: &Plan,
    policy: &Policy,
    election: &Election,
    found: &Found,
    tally: &Tally,
    written: &[Written],
) -> Counters {
    let range: Vec<&Survey> = std::iter::once(&plan.range())
        .chain(&plan.reworked)
        .flat_map(|group| surveys.get(group.clone()).unwrap_or_default())
        .collect();
    let count = &election.count;
    let null_key = if policy.null_keys == NullKeys::Keep { 0 } else { count.null_keys };
    let retired = Retired::of(surveys.get(..plan.retired).unwrap_or_default());
    let halves = range.iter().filter_map(|survey| survey.segment.half());
    let surplus_bytes: i64 = halves.map(|half| half.surplus_bytes).sum();
    let range_bytes: u64 = range.iter().map(|survey| survey.size_bytes()).sum();
    let damaged_records: u64 = range.iter().map(|survey| survey.damaged_records).sum();
    let damaged_removed = if policy.on_damage == OnDamage::Keep { 0 } else { damaged_records };
    Counters {
        segments_before: range.len() as u64 + plan.retired as u64,
        segments_after: written.iter().map(|group| group.bases.len() as u64).sum(),
        segments_untouched: written.iter().filter(|group| group.is_untouched).count() as u64,
        // The other half of a batch that is cut in two has a header of its own in the result.
        bytes_before: range_bytes.saturating_add_signed(-surplus_bytes) + retired.bytes,
        bytes_after: written.iter().map(|group| group.log_bytes).sum(),
        batches_before: range.iter().map(|survey| survey.batches).sum::<u64>() + retired.batches,
        batches_after: written.iter().map(|group| group.batches).sum(),
        records_read: count.records + found.records + retired.records + damaged_records,
        records_kept: tally.records_kept + damaged_records - damaged_removed,
        distinct_keys: count.distinct_keys,
        removed: Removed {
            superseded: count.superseded,
            tombstones: count.expired_tombstones,
            aborted: count.aborted,
            null_key,
            control: tally.control_removed,
            erased: count.erased + found.erased,
            damaged: damaged_removed,
            retention: retired.records,
        },
        tombstones_kept: tally.tombstones_kept,
        batches_copied: tally.batches_copied,
        batches_rewritten: tally.batches_rewritten,
        batches_removed: tally.batches_removed + retired.batches,
        batches_emptied: tally.batches_emptied,
        late_records: count.late,
        bad_version_headers: count.bad_versions,
        records_dropped_outside: 0,
        bytes_dropped_outside: 0,
        bytes_left_deleted: 0,
    }
}

/// What is dropped with the damage of segments behind the range, which `commit` has carried over.
/// An active segment that holds nothing else, and was to be cleaned too, counts as part of it.
pub fn dropped_behind(
    surveys: &[Survey],
    plan: &Plan,
    policy: &Policy,
    commit: &Commit,
) -> Counters {
    let mut counters = Counters::default();
    for (at, survey) in surveys.iter().enumerate().skip(plan.cleaned) {
        if plan.is_reworked(at) || survey.damage.is_empty() {
            continue;
        }
        let records = survey.damaged_records;
        if policy.include_active && gives_up(commit.new_active, survey) {
            counters.segments_before += 1;
            counters.bytes_before += survey.size_bytes();
            counters.records_read += records;
            counters.removed.damaged += records;
        } else {
            let damage = survey.damage.iter();
            counters.bytes_dropped_outside += damage.map(|it| it.size_bytes).sum::<u64>();
            counters.records_dropped_outside += records;
        }
    }
    counters
}

/// Every record that was read is kept or has a counter that says why not; every batch likewise.
///
/// # Errors
/// A bug, if they are not.
pub fn prove(counters: &Counters) -> Result<()> {
    let accounted = counters.records_kept + counters.removed.total();
    if counters.records_read != accounted {
        return Err(Error::bug(format!(
            "{} records were read but {accounted} are accounted for: {counters:?}",
            counters.records_read
        )));
    }
    let kept = counters.batches_copied + counters.batches_rewritten + counters.batches_emptied;
    if counters.batches_before != kept + counters.batches_removed || counters.batches_after != kept
    {
        return Err(Error::bug(format!("batches are not accounted for: {counters:?}")));
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_record_or_a_batch_without_a_counter_is_a_bug_that_ends_the_run() {
        let removed = Removed { superseded: 3, aborted: 1, ..Removed::default() };
        let sound = Counters {
            records_read: 9,
            records_kept: 5,
            removed,
            batches_before: 4,
            batches_after: 3,
            batches_copied: 1,
            batches_rewritten: 1,
            batches_emptied: 1,
            batches_removed: 1,
            ..Counters::default()
        };
        prove(&sound).unwrap();
        let wrong = [
            Counters { records_read: 10, ..sound },
            Counters { records_kept: 6, ..sound },
            Counters { removed: Removed::default(), ..sound },
            Counters { batches_before: 5, ..sound },
            Counters { batches_after: 2, ..sound },
            Counters { batches_removed: 0, ..sound },
        ];
        for counters in wrong {
            prove(&counters).unwrap_err();
        }
    }
}
