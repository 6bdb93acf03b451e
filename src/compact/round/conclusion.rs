//! What a round leaves: the round file that is to be current, and, as a value, the journal that
//! takes the destination there.

use std::collections::BTreeSet;
use std::fs;
use std::io::Read;
use std::path::Path;

use super::ahead::Marks;
use super::index_write::WrittenIndex;
use super::join::Leaving;
use super::kept_damage::kept_at_end;
use super::older::Due;
use super::this_round::{Earlier, Met, Round};
use crate::compact::look::{Survey, aborted_across, begun_below};
use crate::compact::plan::Plan;
use crate::compact::policy::{NullKeys, OnDamage, Policy};
use crate::compact::rewrite::Written;
use crate::compact::strategy::{ByStrategy, Strategy};
use crate::disk::{Disk, open_listed};
use crate::error::Result;
use crate::report::{Counters, RoundReport};
use crate::rounds::{
    self, COMPANIONS, Change, FORMAT, HashFunction, Journal, KeptDamage, RoundFile, RoundIo,
    SegmentRef, TailRef,
};
use crate::segment::{
    FileName, Kind, PARTITION_METADATA, PartitionDir, PartitionMetadata, Place, Segment,
};
use crate::swap::list;
use crate::units::Offset;

/// What the other steps know.
pub struct Facts<'a> {
    /// The increment.
    pub surveys: &'a [Survey],
    /// Its plan.
    pub plan: &'a Plan,
    /// The rules.
    pub policy: &'a Policy,
    /// What was written of it, by group.
    pub written: &'a [Written],
    /// What was written anew of the destination, by group.
    pub rewritten: &'a [Written],
    /// What was written of the key index.
    pub index: &'a WrittenIndex,
    /// What was counted.
    pub counters: Counters,
    /// The offset behind the source's last record.
    pub log_end: Offset,
    /// Companions that were not staged, for they [stand](Round::stands) as they are.
    pub as_before: &'a [String],
}

impl Round<'_> {
    /// What there is to tell of this round.
    pub fn report(&self, met: &Met, facts: &Facts<'_>) -> RoundReport {
        let segments = |written: &[Written]| written.iter().map(|group| group.bases.len()).sum();
        let before = self.earlier.as_ref().map_or(0, |earlier| earlier.file.segments.len());
        let read = |surveys: &[Survey]| surveys.iter().map(Survey::size_bytes).sum();
        let rewritten: usize = met.due.rewritten.len();
        let mut opened: Vec<&Segment> = facts.surveys.iter().map(|it| &it.segment).collect();
        opened.dedup_by(|one, other| one.shares_file_with(other));
        RoundReport {
            number: self.number,
            kind: self.kind.name(),
            start_offset: self.earlier.as_ref().map_or(facts.plan.log_start, |e| e.end),
            high_watermark: Offset(facts.plan.end.0 - 1),
            segments_opened: opened.len(),
            source_bytes_read: read(facts.surveys),
            destination_bytes_read: met.unindexed.bytes_read
                + met.older.as_ref().map_or(0, |older| read(&older.surveys)),
            index_bytes_read: self.index.read_so_far().1,
            segments_untouched: before - rewritten,
            segments_rewritten: rewritten,
            segments_new: segments(facts.written),
            superseded_waiting: met.due.deferred.len(),
        }
    }

    /// Writes what changes of the key index; only the next round file names it. Nothing of it rests
    /// on what is written of the log, so both may be done at the same time.
    ///
    /// # Errors
    /// The system's; a key index that is damaged.
    pub fn write_index(&self, met: &Met, policy: &Policy, disk: &Disk) -> Result<WrittenIndex> {
        disk.create_dir(self.state.path())?;
        policy.topic.strategy.apply(WriteIndex { round: self, met })
    }

    /// Writes the state that the round leaves, and decides how the destination gets there: by a
    /// journal, unless it is new, and comes to be with all that is in it. What was staged lies at
    /// `place`; where there is no journal, some of it may still wait for its sync.
    ///
    /// # Errors
    /// The system's; state that is damaged.
    pub fn conclude(&self, met: &Met, facts: &Facts<'_>, place: &Place) -> Result<Option<Journal>> {
        let written = facts.index;
        self.merge_epochs(place)?;
        let dead = met.due.deferred.write(place, self.state.path(), self.number)?;
        let end = facts.plan.end.max(self.earlier.as_ref().map_or(Offset(0), |e| e.end));
        let staged = PartitionDir::open_on(&place.disk, &place.dir)?;
        let tail = staged.segments.iter().filter(|segment| segment.base >= end);
        let tail = tail.map(|s| TailRef { base_offset: s.base, bytes: s.size_bytes }).collect();
        let staged_bytes: u64 = staged.segments.iter().map(|segment| segment.size_bytes).sum();
        let report = self.report(met, facts);
        let marks = self.marks(end)?;
        let file = RoundFile {
            format: FORMAT,
            tool_version: env!("CARGO_PKG_VERSION").to_owned(),
            round: self.number,
            parent_round: self.earlier.as_ref().map(|earlier| earlier.file.round),
            kind: self.kind,
            source: rounds::Source {
                topic: self.topic(),
                partition: self.source.name.as_ref().map_or(-1, |name| name.partition),
                topic_id: topic_id(self.source).or_else(|| self.known_topic_id()),
                path: self.source.path.display().to_string(),
                log_start_offset: self.source.log_start().unwrap_or_default(),
                log_end_offset: facts.log_end,
                samples: marks.samples(),
                within_batch: marks.is_within_batch,
                tail: tail_of(facts),
                kept_damage: self.kept_behind(end, facts)?,
            },
            high_watermark: Offset(end.0 - 1),
            last_offset_requested: self.options.to_offset,
            rebase: self.rebase(),
            rules: rules(facts.policy),
            settings: rounds::Settings {
                drop_tombstones: facts.policy.drop_tombstones,
                delete_retention_ms: facts.policy.topic.delete_retention_ms,
                include_active: facts.policy.include_active,
                now_ms: facts.policy.now,
            },
            hash: HashFunction::with(self.seed),
            index: written.base.clone(),
            layers: written.layers.clone(),
            unindexed_below: self.unindexed_below(met, facts),
            kept_damage: self.keeps_damage(facts),
            segments: self.segments(&met.due, facts, end),
            dead,
            tail,
            open_producers: begun_below(end, self.begun(), facts.surveys),
            open_aborted: aborted_across(end, self.begun_and_aborted(), facts.surveys),
            counters: facts.counters,
            io: RoundIo {
                source_bytes_read: report.source_bytes_read,
                destination_bytes_read: report.destination_bytes_read,
                index_bytes_read: report.index_bytes_read,
                bytes_written: staged_bytes + written.bytes_written,
                segments_untouched: report.segments_untouched as u64,
                segments_rewritten: report.segments_rewritten as u64,
                segments_new: report.segments_new as u64,
            },
        };
        if self.is_staged_whole(place) {
            return self.state.write_staged(&file, place).map(|()| None);
        }
        // Whatever the file of the round speaks of is durable before it is.
        place.sync()?;
        self.state.write(&file)?;
        self.journal(met, facts, place).map(Some)
    }

    /// Whether the destination is new.
    fn is_staged_whole(&self, place: &Place) -> bool {
        place.dir.as_path() == self.destination || !place.dir.starts_with(self.destination)
    }

    /// The batches around the watermark, by which the next round knows the source again. Only
    /// segments of the source that this round has read are looked at.
    fn marks(&self, end: Offset) -> Result<Marks> {
        let segments = &self.source.segments;
        let reached = |begun: &Earlier| segments.partition_point(|s| s.base <= begun.end);
        let first = self.earlier.as_ref().map_or(0, |earlier| reached(earlier).saturating_sub(1));
        let marks = Marks::around(segments.get(first..).unwrap_or_default(), end)?;
        let known = self.earlier.as_ref().filter(|earlier| earlier.end == end);
        let before = marks.before.or(known.and_then(|earlier| Marks::of(&earlier.file).before));
        Ok(Marks { before, ..marks })
    }

    /// Where the destination's log starts, as long as something may lie in front of that.
    pub fn unindexed_below(&self, met: &Met, facts: &Facts<'_>) -> Offset {
        let front = facts.surveys.get(facts.plan.retired).map(|survey| survey.segment.base);
        let start = facts.plan.log_start;
        match &self.earlier {
            Some(_) => met.unindexed.left_below,
            None if front.is_some_and(|front| front < start) => start,
            None => Offset(0),
        }
    }

    /// The damage behind the watermark that the destination has, in front of what comes next.
    fn kept_behind(&self, end: Offset, facts: &Facts<'_>) -> Result<Option<KeptDamage>> {
        let known = self.earlier.as_ref().filter(|earlier| earlier.end == end);
        if facts.plan.range().is_empty() {
            return Ok(known.and_then(|earlier| earlier.file.source.kept_damage));
        }
        let is_all = facts.plan.cleaned == facts.surveys.len();
        if is_all { kept_at_end(facts.surveys, facts.policy) } else { Ok(None) }
    }

    /// Whether damage is in the segments that this round leaves.
    fn keeps_damage(&self, facts: &Facts<'_>) -> bool {
        let range = facts.surveys.get(facts.plan.range()).unwrap_or_default();
        let keeps = facts.policy.on_damage == OnDamage::Keep
            && range.iter().any(|survey| !survey.damage.is_empty());
        keeps || self.earlier.as_ref().is_some_and(|earlier| earlier.file.kept_damage)
    }

    fn topic(&self) -> String {
        self.source.name.as_ref().map_or_else(String::new, |name| name.topic.clone())
    }

    /// The topic's id as the rounds before know it, or what this one is rebased on.
    fn known_topic_id(&self) -> Option<String> {
        let of_rounds = self.earlier.as_ref().and_then(|it| it.file.source.topic_id.clone());
        of_rounds.or_else(|| topic_id(&self.base.as_ref()?.dir))
    }

    /// What the destination's `partition.metadata` is to say where the source's cannot be read.
    pub fn known_metadata(&self) -> Option<String> {
        let topic_id = self.known_topic_id()?;
        Some(PartitionMetadata { version: 0, topic_id }.render())
    }

    fn rebase(&self) -> Option<rounds::Rebase> {
        let asked = self.options.rebase.as_ref().filter(|_| self.base.is_some());
        let asked = asked.map(|rebase| rounds::Rebase {
            path: rebase.from.display().to_string(),
            high_watermark: rebase.high_watermark,
        });
        asked.or_else(|| self.earlier.as_ref()?.file.rebase.clone())
    }

    /// The segments below the watermark as they will be.
    fn segments(&self, due: &Due, facts: &Facts<'_>, end: Offset) -> Vec<SegmentRef> {
        let mut segments: Vec<SegmentRef> = Vec::new();
        if let Some(earlier) = &self.earlier {
            let kept = earlier.file.segments.iter().enumerate();
            let kept = kept.filter(|(number, _)| !due.rewritten.contains(number));
            segments.extend(kept.map(|(number, segment)| SegmentRef {
                dead: due.dead.get(number).copied().unwrap_or(0),
                ..*segment
            }));
        }
        for written in facts.rewritten.iter().chain(facts.written) {
            let list = written.bases.iter().zip(&written.contents);
            segments.extend(list.map(|(base, contents)| SegmentRef {
                base_offset: *base,
                next_offset: end,
                bytes: contents.log_bytes,
                records: contents.records,
                earliest_horizon_ms: contents.earliest_horizon,
                has_tombstones: !facts.policy.drop_tombstones,
                has_legacy_tombstones: Some(contents.has_legacy_tombstones),
                dead: 0,
                from_round: self.number,
            }));
        }
        segments.sort_by_key(|segment| segment.base_offset);
        let next: Vec<Offset> = segments.iter().skip(1).map(|next| next.base_offset).collect();
        let next = next.into_iter().chain([end]);
        segments.iter_mut().zip(next).for_each(|(segment, next)| segment.next_offset = next);
        segments
    }

    /// What of the destination goes, and what comes: first everything from the old watermark on,
    /// so that whatever was superseded is there when its older values go; then the rewritten
    /// segments, oldest first, so that a tombstone goes after what it hides.
    fn journal(&self, met: &Met, facts: &Facts<'_>, place: &Place) -> Result<Journal> {
        let there = list(self.destination)?;
        let staged = list(&place.dir)?;
        let start = self.earlier.as_ref().map_or(Offset(i64::MIN), |earlier| earlier.end);
        let is_segment = |name: &&FileName| name.suffix.is_none() && name.kind != Kind::Snapshot;
        let change = |is_old: &dyn Fn(Offset) -> bool, is_new: &dyn Fn(Offset) -> bool| {
            let old = there.iter().filter(is_segment).filter(|name| is_old(name.offset));
            let new = staged.iter().filter(is_segment).filter(|name| is_new(name.offset));
            Change {
                remove: oldest_first(old.copied()),
                install: new.map(ToString::to_string).collect(),
            }
        };
        let mut changes = vec![change(&|base| base >= start, &|base| base >= start)];
        if let (Some(earlier), Some(older)) = (&self.earlier, &met.older) {
            for (group, written) in older.plan.groups.iter().zip(facts.rewritten) {
                let numbers = met.due.rewritten.get(group.clone()).unwrap_or_default();
                let bases: BTreeSet<Offset> = numbers
                    .iter()
                    .filter_map(|number| Some(earlier.file.segments.get(*number)?.base_offset))
                    .collect();
                let new = &written.bases;
                changes.push(change(&|base| bases.contains(&base), &|base| new.contains(&base)));
            }
        }
        let companions = self.companions(met, facts, place, (&there, &staged))?;
        Journal::of(&self.state, self.number, changes, companions)
    }

    /// Whether a companion of the source need not be staged: the destination has it as it is, or
    /// gets files of its kind from its first round only.
    pub fn stands(&self, name: &str) -> bool {
        if self.earlier.is_none() {
            return false;
        }
        let is_snapshot = FileName::parse(name).is_some_and(|file| file.kind == Kind::Snapshot);
        let is_carried = is_snapshot || COMPANIONS.contains(&name);
        !is_carried || is_same(&self.source.file(name), &self.destination.join(name))
    }

    /// Snapshots and the partition's other files: those that are new or differ come, snapshots
    /// whose segment is gone go.
    fn companions(
        &self,
        met: &Met,
        facts: &Facts<'_>,
        place: &Place,
        (there, staged): (&BTreeSet<FileName>, &BTreeSet<FileName>),
    ) -> Result<Change> {
        let is_snapshot = |name: &&FileName| name.suffix.is_none() && name.kind == Kind::Snapshot;
        let staged_snapshots: BTreeSet<FileName> =
            staged.iter().filter(is_snapshot).copied().collect();
        let kept: BTreeSet<Offset> = match &self.earlier {
            None => BTreeSet::new(),
            Some(earlier) => {
                let segments = earlier.file.segments.iter().enumerate();
                let kept = segments.filter(|(number, _)| !met.due.rewritten.contains(number));
                kept.map(|(_, segment)| segment.base_offset).collect()
            }
        };
        let stand: BTreeSet<FileName> =
            facts.as_before.iter().filter_map(|name| FileName::parse(name)).collect();
        let stays = |name: &FileName| staged_snapshots.contains(name) || stand.contains(name);
        // Without one that says more, the newest is all that is known of producers whose records
        // are gone.
        let known =
            there.iter().filter(is_snapshot).filter(|name| name.offset <= facts.log_end).max();
        let known = known.filter(|known| self.goes_on_from(known.offset));
        let newer = staged_snapshots.iter().chain(&stand).max();
        let newest = known.filter(|known| newer.is_none_or(|newer| newer < known));
        let goes = |name: &&FileName| {
            !(stays(name) || kept.contains(&name.offset) || newest == Some(name))
        };
        let remove = there.iter().filter(is_snapshot).filter(goes);
        let mut change =
            Change { remove: remove.map(ToString::to_string).collect(), install: Vec::new() };
        let names = staged_snapshots.iter().map(ToString::to_string);
        let others = PartitionDir::open_on(&place.disk, &place.dir)?.others;
        let others = others.into_iter().filter(|name| COMPANIONS.contains(&name.as_str()));
        for name in names.chain(others) {
            let (new, old) = (place.dir.join(&name), self.destination.join(&name));
            if is_same(&new, &old) {
                place.disk.remove(&new)?;
            } else {
                change.install.push(name);
            }
        }
        Ok(change)
    }
}

/// The source's segments behind the watermark, as they are now.
fn tail_of(facts: &Facts<'_>) -> Vec<TailRef> {
    let tail = facts.surveys.get(facts.plan.cleaned..).unwrap_or_default();
    let segment = |s: &Survey| TailRef { base_offset: s.segment.base, bytes: s.size_bytes() };
    tail.iter().map(segment).collect()
}

fn is_same(a: &Path, b: &Path) -> bool {
    matches!((fs::read(a), fs::read(b)), (Ok(a), Ok(b)) if a == b)
}

/// Names in the order in which their files may go: a `.log` before its companions.
fn oldest_first(names: impl Iterator<Item = FileName>) -> Vec<String> {
    let mut names: Vec<FileName> = names.collect();
    names.sort_by_key(|name| (name.offset, name.kind != Kind::Log, name.to_string()));
    names.iter().map(ToString::to_string).collect()
}

/// The topic's id, as far as `partition.metadata` tells.
pub fn topic_id(dir: &PartitionDir) -> Option<String> {
    let mut text = String::new();
    open_listed(&dir.file(PARTITION_METADATA)).ok()?.read_to_string(&mut text).ok()?;
    PartitionMetadata::parse(&text).ok().map(|metadata| metadata.topic_id)
}

/// The rules that must be the same in all rounds.
pub fn rules(policy: &Policy) -> rounds::Rules {
    rounds::Rules {
        strategy: policy.topic.strategy.to_string(),
        null_keys: match policy.null_keys {
            NullKeys::Drop => "drop",
            NullKeys::Keep => "keep",
            NullKeys::Fail => "fail",
        }
        .to_owned(),
        empty_is_tombstone: policy.empty_is_tombstone,
    }
}

/// The key index written, by the run's strategy.
struct WriteIndex<'a> {
    round: &'a Round<'a>,
    met: &'a Met,
}

impl ByStrategy for WriteIndex<'_> {
    type Outcome = Result<WrittenIndex>;

    fn by<S: Strategy>(self, _strategy: &S) -> Self::Outcome {
        let WriteIndex { round, met } = self;
        let expired = met.older.as_ref().map_or(&[][..], |older| &older.removed);
        let leaving = Leaving { expired, erased: &met.erased };
        let index = &round.index;
        let written = index.write::<S>(round.state.path(), round.number, &met.newcomers, leaving);
        index.close();
        written
    }
}
