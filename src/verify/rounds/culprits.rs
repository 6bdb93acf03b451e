//! Which records a key index says what is not so of, found by reading the log again. It costs, but
//! is done only where something is wrong.
//!
//! The first reading makes sums by hashes: where they are those of the entries, nothing is wrong.
//! Of the other hashes, as many records are held as there is memory for, the lowest; the rest gets
//! another pass. Each pass meets the entries of its hashes. Of what cannot be read, the checks of
//! batches have told: where something is amiss in a segment, nothing is missed in it. Where its
//! offsets do not rise, one of its batches is not what it says, so none of its records is held
//! against it.

use std::cell::RefCell;

use roaring::RoaringTreemap;

use super::super::finding::{Finding, Findings, Severity};
use super::super::stretch::Stretch;
use super::super::windows::{self, Sight};
use super::key_sum::{Known, term};
use crate::error::Result;
use crate::format::Decoder;
use crate::rounds::{Entry, KeyHash, WholeIndex};
use crate::segment::{Kind, LogFile, PartitionDir, Segment};
use crate::units::{Offset, Position};

thread_local! {
    static DECODER: RefCell<Decoder> = RefCell::new(Decoder::new());
}

const RULE: &str = "rounds-key";

/// After so many findings, there are no more passes: they would not be listed.
const ENOUGH: u64 = 1000;

/// Room for so many records there always is, and for more in a large log: each pass reads all of
/// it, so there must not be many.
const LEAST_RECORDS: u64 = 1 << 12;
/// For so many bytes of log, there is room for a record.
const LOG_BYTES_OF_RECORD: u64 = 1 << 14;

/// There is a sum for each value of so many bits of the hash.
const SUM_BITS: u32 = 12;

/// A keyed record.
#[derive(Clone, Copy, Debug)]
struct Keyed {
    hash: KeyHash,
    offset: Offset,
    position: Position,
    deletes: bool,
    is_dead: bool,
    /// Of the segment that it is in.
    base: Offset,
}

/// What was seen in a stretch.
#[derive(Default)]
struct SeenKeys {
    keyed: Vec<Keyed>,
    is_unsound: bool,
    /// The first and the last offset, and whether all between rise.
    extent: Option<(Offset, Offset)>,
    is_disordered: bool,
    arrived: Position,
}

impl SeenKeys {
    /// A batch from offset `first` to `last`.
    fn reach(&mut self, first: Offset, last: Offset) {
        let (start, before) = self.extent.unwrap_or((first, first));
        self.is_disordered |= last < first || (self.extent.is_some() && first <= before);
        self.extent = Some((start.min(first), before.max(last)));
    }
}

impl Sight for SeenKeys {
    fn arrived(&self) -> Position {
        self.arrived
    }
}

/// Tells of all that is not so, in the order of hashes.
pub fn tell(
    dir: &PartitionDir,
    index: &WholeIndex<'_>,
    known: &Known,
    memory_bytes: u64,
    found: &mut Findings,
) {
    let segments = dir.segments.iter().filter(|segment| segment.base < known.end);
    let segments: Vec<&Segment> = segments.collect();
    let log_bytes: u64 = segments.iter().map(|segment| segment.size_bytes).sum();
    let least = LEAST_RECORDS.max(log_bytes / LOG_BYTES_OF_RECORD);
    // While a list grows, the one of half the size is there too.
    let most = memory_bytes / size_of::<Keyed>() as u64 * 2 / 3;
    let mut search = Search {
        dir,
        segments,
        known,
        most: usize::try_from(most.max(least)).unwrap_or(usize::MAX),
        sums: vec![0; 1 << SUM_BITS],
        from: KeyHash(0),
        last: KeyHash(u128::MAX),
        keyed: Vec::new(),
        dead: RoaringTreemap::new(),
        unsound: Vec::new(),
        disordered: Vec::new(),
        told: 0,
        found,
    };
    search.read(Search::sum);
    search.missing_dead();
    if search.subtract(index).is_err() || search.sums.iter().all(|sum| *sum == 0) {
        return; // that it cannot be read was told
    }
    search.read(Search::hear);
    while search.meet(index).is_ok() && search.advance() {
        search.read(Search::hear);
    }
}

struct Search<'a> {
    dir: &'a PartitionDir,
    segments: Vec<&'a Segment>,
    known: &'a Known,
    most: usize,
    /// By the upper bits of hashes: the sum of records, then less that of entries.
    sums: Vec<u128>,
    /// The hashes of this pass, both ends in.
    from: KeyHash,
    last: KeyHash,
    keyed: Vec<Keyed>,
    /// Superseded records that are there.
    dead: RoaringTreemap,
    /// The bases of segments of which something cannot be read, rising.
    unsound: Vec<Offset>,
    /// The bases of those in which offsets do not rise, rising.
    disordered: Vec<Offset>,
    told: u64,
    found: &'a mut Findings,
}

impl Search<'_> {
    fn read(&mut self, each: fn(&mut Self, &Keyed)) {
        self.unsound.clear();
        self.disordered.clear();
        let segments = self.segments.clone();
        let bounds = segments.iter().skip(1).map(|next| next.base).chain([self.known.end]);
        for (segment, bound) in segments.iter().zip(bounds) {
            let known = self.known;
            let (mut next, mut is_disordered) = (segment.base, false);
            let look = |log: &LogFile, stretch| look(log, stretch, known);
            let mut is_unsound = false;
            let hear = |seen: SeenKeys| {
                is_unsound |= seen.is_unsound;
                is_disordered |= seen.is_disordered;
                if let Some((first, last)) = seen.extent {
                    is_disordered |= first < next || last >= bound;
                    next = last.next();
                }
                seen.keyed.iter().for_each(|keyed| each(self, keyed));
            };
            let read = segment.log().and_then(|log| windows::read_together(&log, look, hear));
            if is_disordered {
                self.disordered.push(segment.base);
            }
            if is_unsound || is_disordered || read.is_err() {
                self.unsound.push(segment.base);
            }
        }
    }

    fn sum(&mut self, keyed: &Keyed) {
        if keyed.is_dead {
            self.dead.extend(u64::try_from(keyed.offset.0));
        } else if let Some(sum) = self.sums.get_mut(slot(keyed.hash)) {
            *sum = sum.wrapping_add(term(keyed.hash, keyed.offset, keyed.deletes));
        }
    }

    fn subtract(&mut self, index: &WholeIndex<'_>) -> Result<()> {
        index.entries_in(KeyHash(0), None, |entry| {
            if let Some(sum) = self.sums.get_mut(slot(entry.hash))
                && !entry.gone
            {
                *sum = sum.wrapping_sub(term(entry.hash, entry.offset, entry.deletes));
            }
        })
    }

    /// Whether something is wrong around a hash.
    fn is_amiss(&self, hash: KeyHash) -> bool {
        self.sums.get(slot(hash)).is_some_and(|sum| *sum != 0)
    }

    fn hear(&mut self, keyed: &Keyed) {
        if !(self.from..=self.last).contains(&keyed.hash) || !self.is_amiss(keyed.hash) {
            return;
        }
        while self.keyed.len() >= self.most {
            if self.from == self.last {
                return; // more of one key than could be told of
            }
            let middle = self.from.0 + (self.last.0 - self.from.0) / 2;
            self.last = KeyHash(middle);
            self.keyed.retain(|keyed| keyed.hash.0 <= middle);
            if keyed.hash > self.last {
                return;
            }
        }
        self.keyed.push(*keyed);
    }

    /// Goes on to the next hashes; false if all had their pass, or enough was told.
    fn advance(&mut self) -> bool {
        let Some(next) = self.last.0.checked_add(1).filter(|_| self.told < ENOUGH) else {
            return false;
        };
        // What this pass had room for, the next will.
        let width = self.last.0 - self.from.0;
        (self.from, self.last) = (KeyHash(next), KeyHash(next.saturating_add(width)));
        true
    }

    /// Has the records of this pass meet the entries of their hashes.
    fn meet(&mut self, index: &WholeIndex<'_>) -> Result<()> {
        let mut keyed = std::mem::take(&mut self.keyed);
        keyed.sort_unstable_by_key(|keyed| (keyed.hash, keyed.offset));
        let mut rest = keyed.as_slice();
        let below = self.last.0.checked_add(1).map(KeyHash);
        index.entries_in(self.from, below, |entry| {
            if !self.is_amiss(entry.hash) {
                return;
            }
            let in_front = rest.partition_point(|keyed| keyed.hash < entry.hash);
            let (unknown, behind) = rest.split_at(in_front);
            let (same, behind) =
                behind.split_at(behind.partition_point(|keyed| keyed.hash == entry.hash));
            unknown.iter().for_each(|keyed| self.stray(keyed, None));
            self.key(&entry, same);
            rest = behind;
        })?;
        rest.iter().for_each(|keyed| self.stray(keyed, None));
        keyed.clear();
        self.keyed = keyed;
        Ok(())
    }

    /// A key that the index knows, and its records.
    fn key(&mut self, entry: &Entry, records: &[Keyed]) {
        let mut is_there = entry.gone;
        for keyed in records {
            if entry.gone || keyed.offset != entry.offset {
                self.stray(keyed, Some(entry));
                continue;
            }
            is_there = true;
            let text = if keyed.is_dead {
                "the key index says that this record stands for its key, the list of superseded \
                 records has it too"
            } else if keyed.deletes && !entry.deletes {
                "the key index says that this record has a value, but it deletes its key"
            } else if entry.deletes && !keyed.deletes {
                "the key index says that this record deletes its key, but it has a value"
            } else {
                continue;
            };
            self.push(keyed.offset, Some(keyed), text.into());
        }
        if !is_there && !self.is_in(&self.unsound, entry.offset) {
            let text = format!(
                "the key index says that the record at offset {} stands for a key, but there is \
                 none of that key there",
                entry.offset
            );
            self.push(entry.offset, None, text);
        }
    }

    /// A record that does not stand for its key by the index.
    fn stray(&mut self, keyed: &Keyed, entry: Option<&Entry>) {
        if keyed.is_dead || self.disordered.binary_search(&keyed.base).is_ok() {
            return;
        }
        let what = match entry {
            None => "the key index does not know the key of this record".to_owned(),
            Some(entry) if entry.gone => {
                format!("the key index says that the key was deleted at offset {}", entry.offset)
            }
            Some(entry) => format!(
                "the key index says that the record at offset {} stands for the key of this one",
                entry.offset
            ),
        };
        let text = format!("{what}, and it is not among the superseded ones");
        self.push(keyed.offset, Some(keyed), text);
    }

    /// Offsets that are listed as superseded, but hold nothing with a key.
    fn missing_dead(&mut self) {
        let known = self.known;
        for offset in known.dead.iter() {
            let is_there = u64::try_from(offset.0).is_ok_and(|offset| self.dead.contains(offset));
            if !is_there && !self.is_in(&self.unsound, offset) {
                let text = "the list of superseded records has an offset where there is none";
                self.push(offset, None, text.into());
            }
        }
    }

    fn segment_of(&self, offset: Offset) -> Option<&Segment> {
        let behind = self.segments.partition_point(|segment| segment.base <= offset);
        self.segments.get(behind.checked_sub(1)?).copied()
    }

    fn is_in(&self, bases: &[Offset], offset: Offset) -> bool {
        let segment = self.segment_of(offset);
        segment.is_some_and(|segment| bases.binary_search(&segment.base).is_ok())
    }

    fn push(&mut self, offset: Offset, keyed: Option<&Keyed>, text: String) {
        self.told += 1;
        let segment = self.segment_of(keyed.map_or(offset, |keyed| keyed.base));
        let path = segment.map_or_else(|| self.dir.path.clone(), |it| it.path(Kind::Log));
        let mut finding = Finding::about(RULE, Severity::Error, &path, text).of(offset);
        finding.position = keyed.map(|keyed| keyed.position);
        self.found.push(finding);
    }
}

fn slot(hash: KeyHash) -> usize {
    (hash.0 >> (u128::BITS - SUM_BITS)) as usize
}

/// The keyed data records of a stretch that can be read, batch by whole batch.
fn look(log: &LogFile, stretch: Stretch, known: &Known) -> SeenKeys {
    let mut seen = SeenKeys::default();
    let mut items = log.batches_from(stretch.start).until(stretch.end).checked();
    DECODER.with_borrow_mut(|decoder| {
        for item in items.by_ref() {
            let Ok((position, batch)) = item else {
                seen.is_unsound = true;
                continue;
            };
            let header = &batch.header;
            // A compressed set of magic 0 or 1 names its last offset only.
            if !header.is_wrapper() {
                seen.reach(header.base_offset, header.last_offset);
            }
            if header.is_control() {
                continue;
            }
            let before = seen.keyed.len();
            let Ok(records) = decoder.records(&batch) else {
                seen.is_unsound = true;
                continue;
            };
            for (index, record) in records.enumerate() {
                let index = u32::try_from(index).unwrap_or(u32::MAX);
                let sound = record.and_then(|record| record.check_rest(index).map(|()| record));
                let Ok(record) = sound else {
                    seen.is_unsound = true;
                    seen.keyed.truncate(before);
                    break;
                };
                if index == 0 && header.is_wrapper() {
                    seen.reach(record.offset, header.last_offset);
                }
                let Some(key) = record.key else { continue };
                let is_dead = known.dead.contains(record.offset);
                if !is_dead && record.offset < known.unindexed_below {
                    continue;
                }
                seen.keyed.push(Keyed {
                    hash: known.seed.hash(key),
                    offset: record.offset,
                    position,
                    deletes: record.deletes(known.empty_is_tombstone),
                    is_dead,
                    base: log.base(),
                });
            }
        }
    });
    seen.arrived = items.position();
    seen
}
