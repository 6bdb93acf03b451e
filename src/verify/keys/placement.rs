//! Each keyed record against the partition that a function names for its key.
//!
//! Which function a topic was written with is told by a sample of its keys, each key counting
//! once: the ones with the smallest digests, which is a fair choice wherever they lie in the log.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use super::super::finding::{Finding, Severity};
use super::reader::Asked;
use super::topics::{Partition, Topic};
use super::{WhichPartitioner, about, shown};
use crate::format::Partitioner;
use crate::units::{Offset, Position};

/// Misplaced records that are listed of a partition.
const MOST_LISTED: usize = 20;
/// Keys in a sample.
const SAMPLE_KEYS: usize = 4096;
/// Of a hundred keys in the sample, so many must fit.
const LEAST_PERCENT: u64 = 99;
/// Functions that can be asked about at a time.
const MOST: usize = Partitioner::ALL.len();

/// The functions to be asked about a topic.
pub fn candidates(topic: &Topic, which: Option<WhichPartitioner>) -> &'static [Partitioner] {
    match which {
        None => &[],
        _ if topic.is_internal() => &[],
        // To a single partition, each of them sends every key.
        Some(WhichPartitioner::Auto) if topic.partitions.get() == 1 => &[],
        Some(WhichPartitioner::Auto) => &Partitioner::ALL,
        Some(WhichPartitioner::Is(Partitioner::Murmur2)) => &[Partitioner::Murmur2],
        Some(WhichPartitioner::Is(Partitioner::Crc32)) => &[Partitioner::Crc32],
        Some(WhichPartitioner::Is(Partitioner::Fnv1a)) => &[Partitioner::Fnv1a],
    }
}

/// A record whose key a function sends elsewhere.
#[derive(Debug)]
struct Misplaced {
    offset: Offset,
    position: Position,
    expected: u32,
    key: String,
}

/// What one function says of some records; a key that may be anywhere counts for neither.
#[derive(Debug, Default)]
struct Tally {
    in_place: u64,
    misplaced: u64,
    first: Vec<Misplaced>,
}

/// What was seen of some records of a partition.
#[derive(Debug, Default)]
pub struct Placed {
    /// Data records with a key.
    pub keyed: u64,
    /// Data records without one.
    pub keyless: u64,
    tallies: [Tally; MOST],
    sample: Sample,
}

impl Placed {
    /// Takes note of a record with a key.
    pub fn record(
        &mut self,
        key: &[u8],
        digest: u64,
        asked: &Asked,
        position: Position,
        offset: Offset,
    ) {
        let mut fits = [None; MOST];
        let parts = asked.candidates.iter().zip(&mut self.tallies).zip(&mut fits);
        for ((candidate, tally), fits) in parts {
            let Some(expected) = candidate.partition_of(key, asked.partitions) else { continue };
            *fits = Some(expected == asked.number);
            if expected == asked.number {
                tally.in_place += 1;
                continue;
            }
            tally.misplaced += 1;
            if tally.first.len() < MOST_LISTED {
                tally.first.push(Misplaced { offset, position, expected, key: shown(key) });
            }
        }
        if asked.candidates.len() > 1 {
            self.sample.add(digest, fits);
        }
    }
}

/// Some keys of a topic, and which functions each of them fits.
#[derive(Debug, Default)]
struct Sample {
    by_digest: BTreeMap<u64, [Option<bool>; MOST]>,
}

impl Sample {
    fn add(&mut self, digest: u64, fits: [Option<bool>; MOST]) {
        if self.by_digest.len() >= SAMPLE_KEYS {
            let largest = self.by_digest.last_key_value().map(|(digest, _)| *digest);
            if largest.is_some_and(|largest| digest >= largest) {
                return;
            }
        }
        self.by_digest.insert(digest, fits);
        if self.by_digest.len() > SAMPLE_KEYS {
            self.by_digest.pop_last();
        }
    }

    fn append(&mut self, other: Sample) {
        other.by_digest.into_iter().for_each(|(digest, fits)| self.add(digest, fits));
    }

    /// Of how many keys a candidate names the partition, and how many of those are there.
    fn share(&self, candidate: usize) -> (u64, u64) {
        let answers = self.by_digest.values().filter_map(|fits| *fits.get(candidate)?);
        answers.fold((0, 0), |(all, fit), fits| (all + 1, fit + u64::from(fits)))
    }
}

/// A partition's records.
pub struct Placement {
    number: u32,
    path: PathBuf,
    /// What was seen so far.
    pub counts: Placed,
    /// By candidate: which log each of the listed records is in.
    logs: [Vec<PathBuf>; MOST],
}

impl Placement {
    /// None of them yet.
    pub fn of(partition: &Partition) -> Placement {
        let (number, path) = (partition.number, partition.dir.path.clone());
        Placement { number, path, counts: Placed::default(), logs: Default::default() }
    }

    /// Adds what was seen behind that, in a log.
    pub fn add(&mut self, log: &Path, placed: Placed) {
        self.counts.keyed += placed.keyed;
        self.counts.keyless += placed.keyless;
        self.counts.sample.append(placed.sample);
        let parts = self.counts.tallies.iter_mut().zip(placed.tallies).zip(&mut self.logs);
        for ((tally, behind), logs) in parts {
            tally.in_place += behind.in_place;
            tally.misplaced += behind.misplaced;
            let room = MOST_LISTED - tally.first.len().min(MOST_LISTED);
            tally.first.extend(behind.first.into_iter().take(room));
            logs.resize(tally.first.len(), log.into());
        }
    }

    /// That it has records without a key, which may be in any partition.
    pub fn keyless(&self) -> Option<Finding> {
        let Placed { keyed, keyless, .. } = self.counts;
        let all = keyed + keyless;
        let text = format!("{keyless} of {all} records have no key, and may be in any partition");
        let finding = Finding::about("keyless-records", Severity::Info, &self.path, text);
        (keyless > 0).then_some(finding)
    }

    /// The records that are not where `partitioner` would have them: the first, and how many more.
    fn misplaced(&mut self, candidate: usize, partitioner: Partitioner) -> Vec<Finding> {
        let Some(tally) = self.counts.tallies.get_mut(candidate) else { return Vec::new() };
        let name = partitioner.name();
        let finding = |log: &Path, at: &Misplaced, text| {
            let finding = Finding::about("key-partition", Severity::Error, log, text);
            finding.at(at.position).of(at.offset)
        };
        let logs = self.logs.get(candidate).into_iter().flatten();
        let mut list: Vec<Finding> = logs
            .zip(&tally.first)
            .map(|(log, at)| {
                let (key, number, expected) = (&at.key, self.number, at.expected);
                let text =
                    format!("key {key} is in partition {number}, {name} sends it to {expected}");
                finding(log, at, text)
            })
            .collect();
        let more = tally.misplaced - tally.first.len() as u64;
        if more > 0 {
            let text = format!("... and {more} more records that {name} sends elsewhere");
            let mut rest = Finding::about("key-partition", Severity::Error, &self.path, text);
            rest.stands_for = more;
            list.push(rest);
        }
        list
    }
}

/// The function that was checked, and what came of it.
#[derive(Clone, Copy, Debug)]
pub struct Chosen {
    /// The function.
    pub partitioner: Partitioner,
    /// Keyed records that are where it sends them.
    pub in_place: u64,
    /// Those that are not.
    pub misplaced: u64,
}

/// Says what the function that was asked for, or the one that fits, has to say.
pub fn choose(
    topic: &Topic,
    which: Option<WhichPartitioner>,
    placements: &mut [Placement],
    found: &mut Vec<Finding>,
) -> Option<Chosen> {
    let candidates = candidates(topic, which);
    let keyed = placements.iter().any(|placement| placement.counts.keyed > 0);
    if which.is_some() && topic.is_internal() && keyed {
        let text = format!("{} is partitioned by Kafka itself, in its own way", topic.name);
        found.push(about(topic, "key-partitioner", Severity::Info, text));
    }
    let number = match candidates {
        [] => return None,
        _ if !keyed => return None,
        [_] => 0,
        _ => fitting(topic, candidates, placements, found)?,
    };
    let partitioner = *candidates.get(number)?;
    let mut chosen = Chosen { partitioner, in_place: 0, misplaced: 0 };
    for placement in placements {
        let tally = placement.counts.tallies.get(number)?;
        chosen.in_place += tally.in_place;
        chosen.misplaced += tally.misplaced;
        found.extend(placement.misplaced(number, partitioner));
    }
    Some(chosen)
}

/// Which candidate fits nearly all keys; says so, or that none does.
fn fitting(
    topic: &Topic,
    candidates: &[Partitioner],
    placements: &mut [Placement],
    found: &mut Vec<Finding>,
) -> Option<usize> {
    let mut sample = Sample::default();
    for placement in placements {
        sample.append(std::mem::take(&mut placement.counts.sample));
    }
    let shares: Vec<(u64, u64)> =
        (0..candidates.len()).map(|number| sample.share(number)).collect();
    let permille = |(all, fit): (u64, u64)| fit * 1000 / all.max(1);
    let best = (0..shares.len())
        .rev()
        .max_by_key(|number| shares.get(*number).map(|share| permille(*share)))?;
    let share = *shares.get(best)?;
    let words = |number: usize| {
        let name = candidates.get(number).map_or("", |candidate| candidate.name());
        let permille = shares.get(number).map_or(0, |share| permille(*share));
        format!("{name} {}.{} %", permille / 10, permille % 10)
    };
    let of = format!("topic {}, {} partitions", topic.name, topic.partitions);
    let fits = share.0 > 0 && permille(share) >= LEAST_PERCENT * 10;
    let (severity, text) = if fits {
        (Severity::Info, format!("{of}: {} of {} keys fit", words(best), share.0))
    } else {
        let all: Vec<String> = (0..shares.len()).map(words).collect();
        let text = format!(
            "{of}: no function fits its keys ({}), so none was checked: another partitioner, or \
             another number of partitions (--partitions)",
            all.join(", ")
        );
        (Severity::Warning, text)
    };
    found.push(about(topic, "key-partitioner", severity, text));
    fits.then_some(best)
}
