//! Old segments replaced by new ones, which are complete and synced under `.cleaned` names. The
//! steps, and who ends it if it stops there:
//!
//! 1. `.cleaned` becomes `.swap`, the highest segment first. As long as any `.cleaned` is left of
//!    it, a broker removes both: it is undone.
//! 2. Old files become `.deleted`, the lowest segment first, its `.log` before its companions:
//!    what is left of the old ones is always the newer end, so no older value and no aborted data
//!    comes back, and no `.log` is left without its `.txnindex`. From here on a broker finishes.
//! 3. `.swap` goes from the names, `.log`s first: beside a `.log.swap`, a broker takes companions
//!    under final names for old ones. The lowest `.log` goes first, and each is synced: between
//!    the first and the last `.log.swap` a broker takes a `.log` for an old one.
//! 4. The `.deleted` files go, or wait for who comes next ([`Replaced`]).

use std::collections::BTreeSet;

use super::Step;
use crate::segment::{FileName, Kind, Suffix};
use crate::units::Offset;

/// What becomes of files that are replaced, in the end.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Replaced {
    /// They go at once.
    Removed,
    /// They stay under `.deleted` names, as Kafka leaves them for `file.delete.delay.ms`. Whoever
    /// next changes the partition removes them ([`super::recover`]), or a broker that starts.
    LeftDeleted,
}

/// Which segments are replaced by which.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Replacement {
    /// The bases of the old segments, rising; neighbours.
    pub old: Vec<Offset>,
    /// The bases of the new ones, rising; none if the old ones are only to go.
    pub new: Vec<Offset>,
    /// The producer snapshots that go with the old ones.
    pub snapshots: Vec<Offset>,
}

impl Replacement {
    /// The steps, given the files that are there.
    pub fn steps(&self, files: &BTreeSet<FileName>, replaced: Replaced) -> Vec<Step> {
        // Up to here nothing says that the names of the new files are durable.
        let mut steps = vec![Step::Sync];
        for base in self.new.iter().rev() {
            steps.extend(
                of_segment(files, *base, Some(Suffix::Cleaned)).map(|name| {
                    Step::Rename(name, FileName { suffix: Some(Suffix::Swap), ..name })
                }),
            );
            steps.push(Step::Sync);
        }
        let deleted = |name: FileName| FileName { suffix: Some(Suffix::Deleted), ..name };
        let retire = |name| Step::Rename(name, deleted(name));
        steps.extend(oldest_first(&self.old, &self.snapshots, files, retire));
        let new = self.new.iter().flat_map(|base| of_segment(files, *base, Some(Suffix::Cleaned)));
        steps.extend(finish(new.map(|name| FileName { suffix: Some(Suffix::Swap), ..name })));
        if replaced == Replaced::Removed {
            let gone = self.old.iter().flat_map(|base| of_segment(files, *base, None));
            let snapshots = self.snapshots.iter().filter_map(|offset| snapshot(files, *offset));
            steps.extend(gone.chain(snapshots).map(|name| Step::Remove(deleted(name))));
        }
        steps
    }
}

/// The steps that take these `.swap` files to their final names.
pub fn finish(swaps: impl Iterator<Item = FileName>) -> Vec<Step> {
    let (mut logs, companions): (Vec<FileName>, Vec<FileName>) =
        swaps.partition(|name| name.kind == Kind::Log);
    logs.sort_by_key(|log| log.offset);
    let place = |name| Step::Rename(name, FileName { suffix: None, ..name });
    let mut steps: Vec<Step> = logs.into_iter().flat_map(|log| [place(log), Step::Sync]).collect();
    if !companions.is_empty() {
        steps.extend(companions.into_iter().map(place));
        steps.push(Step::Sync);
    }
    steps
}

/// What `each` does to the files of old segments and to snapshots, in the order that is safe.
pub fn oldest_first(
    old: &[Offset],
    snapshots: &[Offset],
    files: &BTreeSet<FileName>,
    each: impl Fn(FileName) -> Step,
) -> Vec<Step> {
    let mut steps = Vec::new();
    let mut companions: Vec<FileName> =
        snapshots.iter().filter_map(|offset| snapshot(files, *offset)).collect();
    for base in old {
        // A `.log` and the companions of the one before it share a sync.
        steps.extend(companions.drain(..).map(&each));
        let (log, others) = of_segment(files, *base, None).partition(|n| n.kind == Kind::Log);
        let log: Vec<FileName> = log;
        companions = others;
        steps.extend(log.into_iter().map(&each));
        steps.push(Step::Sync);
    }
    if !companions.is_empty() {
        steps.extend(companions.into_iter().map(&each));
        steps.push(Step::Sync);
    }
    steps
}

/// The files of one segment with this suffix, snapshots aside.
pub fn of_segment(
    files: &BTreeSet<FileName>,
    base: Offset,
    suffix: Option<Suffix>,
) -> impl Iterator<Item = FileName> {
    let segment = [Kind::Log, Kind::Index, Kind::TimeIndex, Kind::TxnIndex];
    let names = segment.map(|kind| FileName { offset: base, kind, suffix });
    names.into_iter().filter(|name| files.contains(name))
}

fn snapshot(files: &BTreeSet<FileName>, offset: Offset) -> Option<FileName> {
    Some(FileName::new(offset, Kind::Snapshot)).filter(|name| files.contains(name))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn names(list: &[&str]) -> BTreeSet<FileName> {
        list.iter().map(|name| FileName::parse(name).unwrap()).collect()
    }

    #[test]
    fn an_old_log_goes_before_its_companions_and_a_new_log_comes_before_its_own() {
        let files = names(&[
            "00000000000000000000.log",
            "00000000000000000000.txnindex",
            "00000000000000000007.log",
            "00000000000000000007.snapshot",
            "00000000000000000000.log.cleaned",
            "00000000000000000000.index.cleaned",
        ]);
        let replacement = Replacement {
            old: vec![Offset(0), Offset(7)],
            new: vec![Offset(0)],
            snapshots: vec![Offset(7)],
        };
        let told: Vec<String> = replacement
            .steps(&files, Replaced::Removed)
            .into_iter()
            .map(|step| match step {
                Step::Rename(from, to) => {
                    let end = |name: FileName| name.suffix.map_or("", Suffix::extension);
                    format!("{}{}:{}>{}", from.offset, from.kind.extension(), end(from), end(to))
                }
                Step::Remove(name) => format!("-{}{}", name.offset, name.kind.extension()),
                Step::Sync => "sync".into(),
            })
            .collect();
        let wanted = [
            "sync",
            "0log:cleaned>swap",
            "0index:cleaned>swap",
            "sync",
            "7snapshot:>deleted",
            "0log:>deleted",
            "sync",
            "0txnindex:>deleted",
            "7log:>deleted",
            "sync",
            "0log:swap>",
            "sync",
            "0index:swap>",
            "sync",
            "-0log",
            "-0txnindex",
            "-7log",
            "-7snapshot",
        ];
        assert_eq!(told, wanted);
    }

    #[test]
    fn of_several_new_segments_a_log_takes_its_name_when_those_below_surely_have_theirs() {
        let files = names(&[
            "00000000000000000000.log",
            "00000000000000000000.log.cleaned",
            "00000000000000000000.index.cleaned",
            "00000000000000000005.log.cleaned",
            "00000000000000000009.log.cleaned",
        ]);
        let new = [0, 5, 9].map(Offset).to_vec();
        let replacement = Replacement { old: vec![Offset(0)], new, snapshots: vec![] };
        let steps = replacement.steps(&files, Replaced::LeftDeleted);
        assert!(!steps.iter().any(|step| matches!(step, Step::Remove(_))));
        let is_last = |step: &Step| {
            matches!(step, Step::Rename(from, to)
                if from.suffix == Some(Suffix::Swap) && to.suffix.is_none())
        };
        let from = steps.iter().position(is_last).unwrap();
        let told: Vec<i64> = steps[from..]
            .iter()
            .map(|step| match step {
                Step::Rename(name, _) => name.offset.0,
                _ => -1,
            })
            .collect();
        assert_eq!(told, [0, -1, 5, -1, 9, -1, 0, -1]);
    }
}
