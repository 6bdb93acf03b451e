//! The header walk: one look at every batch header of a segment, no bodies.
//!
//! A large log is walked in stretches, side by side. Where they begin is told by the offset index,
//! which is a hint: it counts only if the walk in front of it ends there, in good order. Else, and
//! where anything is damaged, it is walked once more, from its start.
//!
//! Where damage is to be lived with, everything is checked first, and chunks are cut around the
//! damage: nothing that follows ever sees it.

use std::collections::HashMap;

use rayon::prelude::*;

use super::expansion::Expansion;
use super::survey::{Chunk, LastSeen, Survey, Walking};
use crate::error::Result;
use crate::format::{Batch, BatchHeader, Decoder, Flaw};
use crate::segment::{
    Batches, Damaged, Entries, Examined, Frontier, IndexEntry, Kind, LogFile, Segment, TxnBatch,
};
use crate::units::{Offset, Position, Timestamp};

/// A log is walked by several threads in stretches of about this.
const STRETCH_BYTES: u64 = 2 << 20;

/// Where stretches of `log` may begin, the first at its start.
fn stretches_of(segment: &Segment, log: &LogFile) -> Result<Vec<Position>> {
    let mut starts = vec![log.start()];
    let size_bytes = log.bytes().len() as u64;
    // A part is mostly small, and its end is not that of the file.
    if log.is_part() || size_bytes < 2 * STRETCH_BYTES {
        return Ok(starts);
    }
    let Some(index) = segment.read(Kind::Index)? else { return Ok(starts) };
    let entries: Entries<'_, IndexEntry> = Entries::of(&index, segment.named());
    let due = (1..size_bytes / STRETCH_BYTES).map(|number| Position(number * STRETCH_BYTES));
    let mut told: Vec<IndexEntry> =
        due.map_while(|due| entries.first_not(|entry| entry.position < due)).collect();
    told.dedup_by_key(|entry| entry.position);
    // Each is a page far from any other.
    let sound = told.par_iter().map(|entry| Ok((entry.position, entry.header_in(log)?.is_some())));
    let sound: Vec<(Position, bool)> = sound.collect::<Result<_>>()?;
    for (position, is_sound) in sound {
        if is_sound && starts.last() < Some(&position) {
            starts.push(position);
        }
    }
    Ok(starts)
}

/// Who walks a log, or a stretch of it.
struct Walker<'a> {
    log: &'a LogFile,
    base: Offset,
    bound: Option<Offset>,
    walking: &'a Walking,
}

impl Walker<'_> {
    /// All of it.
    fn through(&self) -> Result<Walk> {
        self.walk(self.log.start(), self.log.batches(), Frontier::of(self.log))
    }

    /// All stretches at a time; `None` if one is damaged, or they do not follow each other.
    fn in_stretches(&self, starts: &[Position]) -> Result<Option<Walk>> {
        let ends = starts.iter().skip(1).map(|end| Some(*end)).chain([None]);
        let stretches: Vec<_> = starts.iter().copied().zip(ends).collect();
        let walks =
            stretches.par_iter().with_max_len(1).map(|(start, end)| self.stretch(*start, *end));
        let walks: Vec<Walk> = walks.collect::<Result<_>>()?;
        let mut walks = starts.iter().zip(walks);
        let Some((_, first)) = walks.next() else { return Ok(None) };
        let all = walks.try_fold(first, |walk, (start, later)| walk.and_then(*start, later));
        Ok(all.filter(|walk| walk.damage.is_empty()))
    }

    /// From what may be the start of a batch to `end`, if there is one, or to the first damage: to
    /// find where that ends is for one walk to do, not for each.
    fn stretch(&self, start: Position, end: Option<Position>) -> Result<Walk> {
        let batches = self.log.batches_from(start).up_to_damage();
        let batches = match end {
            Some(end) => batches.until(end),
            None => batches,
        };
        self.walk(start, batches, Frontier::of(self.log).until(end))
    }

    fn walk(
        &self,
        start: Position,
        mut batches: Batches<'_>,
        mut frontier: Frontier<'_>,
    ) -> Result<Walk> {
        const HEADER_REACH_BYTES: usize = 64 << 10;
        let mut walk = Walk::at(start, self.base, self.walking.chunk_bytes);
        let mut decoder = Decoder::new();
        let mut expansion = Expansion::unknown(self.walking.chunk_bytes);
        loop {
            frontier.reach(batches.position(), HEADER_REACH_BYTES)?;
            let Some(item) = batches.next() else { return Ok(walk) };
            match item {
                Ok((position, batch)) => {
                    let order = batch.check_header().and_then(|()| {
                        check_order(&batch.header, self.base, walk.next_offset, self.bound)
                    });
                    if let Err(flaw) = order {
                        let size_bytes = batch.header.size_bytes as u64;
                        walk.damage.push(Damaged { position, size_bytes, flaw });
                    }
                    if expansion.is_due(position, &batch) {
                        frontier.reach(position, batch.header.size_bytes)?;
                        expansion.sample(position, &batch, &mut decoder);
                    }
                    walk.weigh(position, expansion.weight(&batch));
                    walk.take(position, &batch, self.walking.replay_from, &mut decoder);
                }
                Err(damaged) => walk.damage.push(damaged),
            }
        }
    }

    /// Checks all, and passes over what is damaged. Which batches are to be believed where there is
    /// damage among them is known when all were seen, so these are held; where there is none, that
    /// would be most of what a compaction holds.
    fn around_damage(&self) -> Result<Walk> {
        let begin = || {
            let walk = Walk::at(self.log.start(), self.base, self.walking.chunk_bytes);
            (walk, Expansion::unknown(self.walking.chunk_bytes))
        };
        type Taken = (Walk, Expansion);
        let replay_from = self.walking.replay_from;
        let take = |taken: &mut Taken, at: Position, batch: &Batch<'_>, decoder: &mut Decoder| {
            let (walk, expansion) = taken;
            walk.skip_to(at);
            if expansion.is_due(at, batch) {
                expansion.sample(at, batch, decoder);
            }
            walk.weigh(at, expansion.weight(batch));
            walk.take(at, batch, replay_from, decoder);
        };
        let mut decoder = Decoder::new();
        let mut taken = begin();
        let examined =
            Examined::of_sound(self.log, self.bound, &mut decoder, |at, batch, decoder| {
                take(&mut taken, at, batch, decoder);
            })?;
        let examined = match examined {
            Some(examined) => examined,
            None => {
                taken = begin();
                let examined = Examined::of(self.log, self.bound, &mut decoder)?;
                let mut frontier = Frontier::of(self.log);
                for sound in &examined.batches {
                    frontier.reach(sound.position, sound.size_bytes)?;
                    let rest = self.log.bytes().get(sound.position.index()..).unwrap_or_default();
                    let Ok(batch) = Batch::parse(rest) else { continue };
                    take(&mut taken, sound.position, &batch, &mut decoder);
                }
                examined
            }
        };
        let (mut walk, _) = taken;
        walk.damage = examined.damage;
        walk.damaged_records = examined.damaged_records;
        walk.legible_markers = examined.legible_markers;
        walk.untold = examined.untold;
        walk.claimed_end = examined.claimed_end;
        Ok(walk)
    }
}

fn check_order(
    header: &BatchHeader,
    base: Offset,
    next_offset: Option<Offset>,
    bound: Option<Offset>,
) -> Result<(), Flaw> {
    if header.base_offset < next_offset.unwrap_or(base) {
        return Err(Flaw::Header("its offsets are not above those of the batch before it"));
    }
    if bound.is_some_and(|bound| header.last_offset >= bound) {
        return Err(Flaw::Header("its offsets reach into the next segment"));
    }
    Ok(())
}

/// What was seen of a log so far, or of a stretch of it.
#[derive(Default)]
pub struct Walk {
    /// Where the last batch ends; where it began, if there is none.
    end: Position,
    /// The offset that its first batch claims to begin at.
    first_offset: Option<Offset>,
    /// The offset behind its last batch.
    pub next_offset: Option<Offset>,
    batches: u64,
    records: u64,
    largest_timestamp: Option<Timestamp>,
    first_batch_timestamp: Option<Timestamp>,
    has_odd_batches: bool,
    chunk_bytes: u64,
    /// Of what the chunk that is begun holds.
    chunk_weight: u64,
    chunks: Vec<Chunk>,
    chunk_start: Position,
    chunk_least: Offset,
    txn_batches: Vec<TxnBatch>,
    producers: HashMap<i64, LastSeen>,
    damage: Vec<Damaged>,
    damaged_records: u64,
    legible_markers: Vec<TxnBatch>,
    untold: Vec<Position>,
    claimed_end: Option<Offset>,
    damage_start: Position,
}

impl Walk {
    /// Walks the `log` of a segment; `bound` is the base of the segment behind it.
    ///
    /// # Errors
    /// The system's; damage is listed, not an error.
    pub fn of(
        segment: &Segment,
        log: &LogFile,
        bound: Option<Offset>,
        walking: &Walking,
    ) -> Result<Walk> {
        let walker = Walker { log, base: segment.base, bound, walking };
        if walking.around_damage {
            return walker.around_damage();
        }
        let starts = stretches_of(segment, log)?;
        if starts.len() > 1
            && let Some(walk) = walker.in_stretches(&starts)?
        {
            return Ok(walk);
        }
        walker.through()
    }

    fn at(start: Position, base: Offset, chunk_bytes: u64) -> Walk {
        Walk {
            end: start,
            chunk_start: start,
            damage_start: start,
            chunk_bytes,
            chunk_least: base,
            ..Walk::default()
        }
    }

    /// This, and then what was seen from `start` on; `None` if the two do not fit, so that what was
    /// seen there need not have been batches.
    fn and_then(mut self, start: Position, mut later: Walk) -> Option<Walk> {
        let rises = later.first_offset.is_none_or(|first| Some(first) >= self.next_offset);
        if !self.damage.is_empty() || self.end != start || !rises {
            return None;
        }
        self.cut(self.end);
        match later.chunks.first_mut() {
            Some(first) => first.least = self.chunk_least,
            None => later.chunk_least = self.chunk_least,
        }
        (self.end, self.chunk_weight) = (later.end, later.chunk_weight);
        self.first_offset = self.first_offset.or(later.first_offset);
        self.next_offset = later.next_offset.or(self.next_offset);
        self.batches += later.batches;
        self.records += later.records;
        self.largest_timestamp = self.largest_timestamp.max(later.largest_timestamp);
        self.first_batch_timestamp = self.first_batch_timestamp.or(later.first_batch_timestamp);
        self.has_odd_batches |= later.has_odd_batches;
        self.chunks.append(&mut later.chunks);
        (self.chunk_start, self.chunk_least) = (later.chunk_start, later.chunk_least);
        self.damage_start = later.damage_start;
        self.damage = later.damage;
        self.txn_batches.append(&mut later.txn_batches);
        for (id, seen) in later.producers {
            self.saw(id, seen);
        }
        Some(self)
    }

    /// Ends the chunk if there is something between what was taken and `at`.
    fn skip_to(&mut self, at: Position) {
        if at > self.end {
            self.cut(self.end);
            self.damage_start = self.end;
            self.chunk_start = at;
        }
    }

    fn cut(&mut self, end: Position) {
        if end > self.chunk_start || self.chunk_start > self.damage_start {
            let (damage_start, start) = (self.damage_start, self.chunk_start);
            let (end, least) = (end.max(start), self.chunk_least);
            self.chunks.push(Chunk { damage_start, start, end, least });
        }
        (self.damage_start, self.chunk_start) = (end, end);
        self.chunk_weight = 0;
        self.chunk_least = self.next_offset.unwrap_or(self.chunk_least);
    }

    /// Ends the chunk in front of a batch at `at` if it is full; what follows weighs `weight`.
    fn weigh(&mut self, at: Position, weight: u64) {
        if self.chunk_weight >= self.chunk_bytes {
            self.cut(at);
        }
        self.chunk_weight += weight;
    }

    fn take(
        &mut self,
        at: Position,
        batch: &Batch<'_>,
        replay_from: Offset,
        decoder: &mut Decoder,
    ) {
        let header = &batch.header;
        self.batches += 1;
        self.records += u64::try_from(header.record_count).unwrap_or(1);
        self.has_odd_batches |= header.magic < 2 || header.record_count <= 0;
        self.largest_timestamp = self.largest_timestamp.max(Some(header.max_timestamp));
        self.first_batch_timestamp.get_or_insert(header.max_timestamp);
        self.end = at.plus(header.size_bytes);
        self.first_offset.get_or_insert(header.base_offset);
        self.next_offset = Some(header.last_offset.next());
        self.txn_batches.extend(TxnBatch::of(at, batch, decoder));
        if header.producer_id >= 0 && header.base_offset >= replay_from {
            self.producer(header);
        }
    }

    fn producer(&mut self, header: &BatchHeader) {
        let seen = LastSeen {
            epoch: header.producer_epoch,
            last_data_offset: (!header.is_control()).then_some(header.last_offset),
            epoch_began_here: false,
            timestamp: header.max_timestamp,
        };
        self.saw(header.producer_id, seen);
    }

    fn saw(&mut self, producer_id: i64, seen: LastSeen) {
        self.producers
            .entry(producer_id)
            .and_modify(|earlier| *earlier = seen.after(*earlier))
            .or_insert(seen);
    }

    /// What was seen of the whole `log` of `segment`.
    pub fn into_survey(mut self, segment: Segment, log: LogFile, may_be_torn: bool) -> Survey {
        let is_tail = |damaged: &Damaged| log.is_unfinished_tail(damaged);
        let has_tail = may_be_torn && self.damage.last().is_some_and(is_tail);
        let torn_tail = if has_tail { self.damage.pop() } else { None };
        self.untold.pop_if(|untold| torn_tail.as_ref().is_some_and(|it| it.position == *untold));
        let end = self.end;
        // Damage behind the last batch is in front of a chunk that has none.
        if let Some(behind) = self.damage.last().map(Damaged::end).filter(|behind| *behind > end) {
            self.skip_to(behind);
            self.cut(behind);
        } else {
            self.cut(end);
        }
        Survey {
            end,
            next_offset: self.next_offset.unwrap_or(segment.base),
            batches: self.batches,
            records: self.records,
            largest_timestamp: self.largest_timestamp.unwrap_or(Timestamp::NONE),
            first_batch_timestamp: self.first_batch_timestamp.unwrap_or(Timestamp::NONE),
            has_odd_batches: self.has_odd_batches,
            chunks: self.chunks,
            txn_batches: self.txn_batches,
            producers: self.producers,
            torn_tail,
            damage: self.damage,
            damaged_records: self.damaged_records,
            legible_markers: self.legible_markers,
            untold: self.untold,
            claimed_end: self.claimed_end,
            segment,
            log,
        }
    }
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::path::Path;

    use proptest::prelude::*;
    use proptest::sample::Index;

    use super::*;
    use crate::disk::Disk;
    use crate::segment::PartitionDir;

    const WALKING: Walking = Walking {
        replay_from: Offset(0),
        chunk_bytes: 700,
        around_damage: false,
        least_end: Offset(0),
    };

    /// Segments that Kafka wrote: with several producers, transactions and control batches.
    fn segments() -> Vec<Segment> {
        let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("testdata/broker-3.9.1");
        let names = ["tx-0", "rdk-none-0", "kpy-gzip-0", "__consumer_offsets-0"];
        let dirs = names.map(|name| PartitionDir::open(&root.join(name)).unwrap());
        let all = dirs.into_iter().flat_map(|dir| dir.segments);
        all.filter(|segment| segment.size_bytes > 0).collect()
    }

    fn walker<'a>(log: &'a LogFile, bound: Option<Offset>) -> Walker<'a> {
        Walker { log, base: log.base(), bound, walking: &WALKING }
    }

    /// What does not depend on where chunks are cut.
    fn facts(walk: &Walk) -> String {
        let mut producers: Vec<_> = walk.producers.iter().collect();
        producers.sort_by_key(|(id, _)| **id);
        format!(
            "{:?}",
            (
                (walk.end, walk.first_offset, walk.next_offset, walk.batches, walk.records),
                (walk.largest_timestamp, walk.first_batch_timestamp, &walk.txn_batches),
                (producers, &walk.damage),
            )
        )
    }

    proptest! {
        #[test]
        fn stretches_together_are_what_one_walk_sees(
            number in any::<Index>(),
            cuts in prop::collection::vec(any::<Index>(), 0..6),
        ) {
            let segments = segments();
            let log = number.get(&segments).log().unwrap();
            let starts: Vec<Position> =
                log.batches().filter_map(Result::ok).map(|(position, _)| position).collect();
            let mut cuts: Vec<Position> = cuts.iter().map(|cut| *cut.get(&starts)).collect();
            cuts.push(log.start());
            cuts.sort();
            cuts.dedup();
            let walker = walker(&log, None);
            let one = walker.through().unwrap();
            let all = walker.in_stretches(&cuts).unwrap().unwrap();
            prop_assert_eq!(facts(&all), facts(&one));

            let survey = all.into_survey(number.get(&segments).clone(), log, true);
            let mut at = survey.log.start();
            for chunk in &survey.chunks {
                prop_assert_eq!((chunk.damage_start, chunk.start), (at, at));
                let before = survey.log.batches().until(at).filter_map(Result::ok).last();
                let least = before.map(|(_, batch)| batch.header.last_offset.next());
                prop_assert_eq!(chunk.least, least.unwrap_or(survey.segment.base));
                at = chunk.end;
            }
            prop_assert_eq!(at, survey.end);
        }
    }

    #[test]
    fn a_stretch_that_does_not_begin_where_the_one_before_it_ends_counts_for_nothing() {
        let segments = segments();
        let log = segments[0].log().unwrap();
        let starts: Vec<_> = log.batches().filter_map(Result::ok).map(|(at, _)| at).collect();
        let walker = walker(&log, None);
        for start in starts {
            for wrong in [start.0 + 1, start.0 + 70].map(Position) {
                let is_start = log.batches().flatten().any(|(at, _)| at == wrong);
                let walk = walker.in_stretches(&[log.start(), wrong]).unwrap();
                assert!(is_start || walk.is_none(), "at {wrong}");
            }
        }
    }

    /// A partition with one segment, which is as large as five stretches, and its index.
    fn large_segment(root: &Path) -> (Segment, Vec<IndexEntry>) {
        let segments = segments();
        let log = segments[0].log().unwrap();
        let (_, batch) = log.batches().next().unwrap().unwrap();
        let header = batch.header;
        let size_bytes = header.size_bytes;
        let count = header.last_offset.0 - header.base_offset.0 + 1;
        let copies = 5 * STRETCH_BYTES as usize / size_bytes + 1;
        let (mut bytes, mut entries) = (Vec::new(), Vec::new());
        for number in 0..copies {
            let (base, position) = (number as i64 * count, Position(bytes.len() as u64));
            if number % 10 == 9 {
                entries.push(IndexEntry { offset: Offset(base + count - 1), position });
            }
            bytes.extend(base.to_be_bytes());
            bytes.extend(&log.bytes()[8..size_bytes]);
        }
        let dir = root.join("t-0");
        fs::create_dir(&dir).unwrap();
        fs::write(dir.join("00000000000000000000.log"), bytes).unwrap();
        (PartitionDir::open(&dir).unwrap().segments.remove(0), entries)
    }

    fn put_index(segment: &Segment, entries: &[IndexEntry]) {
        let fields = entries.iter().flat_map(|e| [e.offset.0 as u32, e.position.0 as u32]);
        let bytes: Vec<u8> = fields.flat_map(u32::to_be_bytes).collect();
        fs::write(segment.path(Kind::Index), bytes).unwrap();
    }

    #[test]
    fn whatever_an_index_says_a_large_log_is_what_one_walk_sees() {
        let temp = tempfile::tempdir().unwrap();
        let (segment, entries) = large_segment(temp.path());
        let log = segment.log().unwrap();
        let one = facts(&walker(&log, None).through().unwrap());
        let starts_by = |change: &dyn Fn(IndexEntry) -> IndexEntry| {
            put_index(&segment, &entries.iter().map(|entry| change(*entry)).collect::<Vec<_>>());
            let walk = Walk::of(&segment, &log, None, &WALKING).unwrap();
            assert_eq!(facts(&walk), one);
            stretches_of(&segment, &log).unwrap().len()
        };
        assert_eq!(starts_by(&|entry| entry), 5);
        // As before Kafka 4, for several batches at a time.
        assert_eq!(starts_by(&|e| IndexEntry { offset: Offset(e.offset.0 + 1000), ..e }), 5);
        assert_eq!(starts_by(&|e| IndexEntry { position: e.position.plus(1), ..e }), 1);
        assert_eq!(starts_by(&|e| IndexEntry { offset: Offset(0), ..e }), 1);
        let backwards = |e: IndexEntry| Position(log.bytes().len() as u64 - e.position.0);
        starts_by(&|e| IndexEntry { position: backwards(e), ..e });
        fs::remove_file(segment.path(Kind::Index)).unwrap();
        assert_eq!(stretches_of(&segment, &log).unwrap(), [Position(0)]);
    }

    #[test]
    fn sound_batches_that_do_not_follow_each_other_are_not_put_together() {
        let segments = segments();
        let log = segments[0].log().unwrap();
        let (_, first) = log.batches().next().unwrap().unwrap();
        let size_bytes = first.header.size_bytes;
        let temp = tempfile::tempdir().unwrap();
        let path = temp.path().join("00000000000000000000.log");
        fs::write(&path, log.bytes()[..size_bytes].repeat(2)).unwrap();
        let twice = LogFile::open(&Disk::default(), &path, Offset(0)).unwrap();

        let entry =
            IndexEntry { offset: first.header.last_offset, position: Position(size_bytes as u64) };
        let fits = |entry: IndexEntry| entry.header_in(&twice).unwrap().is_some();
        assert!(fits(entry));
        assert!(fits(IndexEntry { offset: entry.offset.next(), ..entry }));
        assert!(!fits(IndexEntry { offset: Offset(entry.offset.0 - 1), ..entry }));
        assert!(!fits(IndexEntry { position: Position(1), ..entry }));
        let walker = walker(&twice, None);
        assert!(walker.in_stretches(&[Position(0), entry.position]).unwrap().is_none());
        assert_eq!(walker.through().unwrap().damage.len(), 1);
    }
}
