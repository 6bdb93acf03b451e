//! Keys in more than one partition of a topic, in bounded memory.
//!
//! A table has where each key was seen first, by a digest that is keyed anew for each run. When
//! there is no room for more, the upper half of the digests is let go of, and gets a pass of its
//! own. What is listed was read again, and its keys compared byte by byte.

use std::collections::BTreeMap;
use std::hash::{BuildHasher, BuildHasherDefault, Hasher, RandomState};

use hashbrown::HashMap;

use super::super::finding::{Finding, Severity};
use super::lookup::key_at;
use super::reader::{Asked, KeyAt, read};
use super::topics::Topic;
use super::{about, shown};
use crate::report::Progress;
use crate::units::Offset;

/// Keys that are listed of a topic.
const MOST_LISTED: usize = 20;
/// Partitions that are named of each.
const MOST_PLACES: usize = 8;
/// Room for so many keys there always is, and for more in a large log: each pass reads everything,
/// so there must not be many.
const LEAST_KEYS: u64 = 1 << 16;
/// For so many bytes of log, there is room for a key.
const LOG_BYTES_OF_KEY: u64 = 1 << 14;

/// Where a key was seen first.
#[derive(Clone, Copy, Debug)]
struct First {
    partition: u32,
    is_in_several: bool,
    offset: Offset,
}

/// A digest is a hash already.
#[derive(Default)]
struct Lower64(u64);

impl Hasher for Lower64 {
    fn finish(&self) -> u64 {
        self.0
    }

    fn write(&mut self, _bytes: &[u8]) {}

    fn write_u128(&mut self, digest: u128) {
        self.0 = digest as u64;
    }
}

/// A key that is listed: where it is, as far as that is named, and in how many partitions.
#[derive(Clone, Debug)]
struct Listed {
    places: Vec<(u32, Offset)>,
    last_partition: u32,
    partitions: u64,
}

/// The keys of a topic, pass by pass.
pub struct Spread {
    seed: u64,
    table: HashMap<u128, First, BuildHasherDefault<Lower64>>,
    most_keys: usize,
    /// The upper halves of the digests of this pass, both ends in.
    first: u64,
    last: u64,
    /// By where they were seen first: the earliest of those that are in several.
    listed: BTreeMap<(u32, Offset), Listed>,
    counts: KeyCounts,
}

/// How many keys there are.
#[derive(Clone, Copy, Debug, Default)]
pub struct KeyCounts {
    /// Different ones.
    pub all: u64,
    /// Of these, in more than one partition.
    pub in_several: u64,
}

impl Spread {
    /// Room for some keys of `log_bytes` within `memory_bytes`.
    pub fn within(memory_bytes: u64, log_bytes: u64) -> Spread {
        const SLOT_BYTES: u64 = (size_of::<(u128, First)>() + 1) as u64;
        // While a table grows, the one of half the size is there too.
        let slots = (memory_bytes / SLOT_BYTES * 2 / 3).max(1);
        let least_keys = (log_bytes / LOG_BYTES_OF_KEY).max(LEAST_KEYS);
        let slots = 1usize << slots.ilog2().min(usize::BITS - 2);
        Spread {
            seed: RandomState::new().build_hasher().finish(),
            table: HashMap::default(),
            most_keys: (slots / 8 * 7 / 16 * 15).max(least_keys as usize),
            first: 0,
            last: u64::MAX,
            listed: BTreeMap::new(),
            counts: KeyCounts::default(),
        }
    }

    /// What digests are keyed with.
    pub fn seed(&self) -> u64 {
        self.seed
    }

    /// Takes note of keys in a partition; partitions come in the order of their numbers.
    pub fn hear(&mut self, partition: u32, keys: &[KeyAt]) {
        for key in keys {
            if !(self.first..=self.last).contains(&upper(key.digest)) {
                continue;
            }
            let place = First { partition, is_in_several: false, offset: key.offset };
            let first = self.table.entry(key.digest).or_insert(place);
            if first.partition != partition {
                let is_new = !first.is_in_several;
                first.is_in_several = true;
                let first = *first;
                self.elsewhere(first, is_new, partition, key.offset);
            }
            while self.table.len() >= self.most_keys && self.last > self.first {
                self.halve();
            }
        }
    }

    /// A key that was seen first at `first` is in `partition` too.
    fn elsewhere(&mut self, first: First, is_new: bool, partition: u32, offset: Offset) {
        let order = (first.partition, first.offset);
        if is_new {
            let (places, last_partition) = (vec![order], first.partition);
            self.listed.insert(order, Listed { places, last_partition, partitions: 1 });
        }
        if let Some(listed) = self.listed.get_mut(&order)
            && listed.last_partition != partition
        {
            listed.last_partition = partition;
            listed.partitions += 1;
            if listed.places.len() < MOST_PLACES {
                listed.places.push((partition, offset));
            }
        }
        if self.listed.len() > MOST_LISTED {
            self.listed.pop_last();
        }
    }

    /// Lets go of the upper half; what is known of its keys will come up again.
    fn halve(&mut self) {
        self.last = self.first + (self.last - self.first) / 2;
        let last = self.last;
        let listed = &mut self.listed;
        self.table.retain(|digest, first| {
            let stays = upper(*digest) <= last;
            if !stays && first.is_in_several {
                listed.remove(&(first.partition, first.offset));
            }
            stays
        });
    }

    /// Goes on to the next pass; false if all keys have had theirs.
    fn advance(&mut self) -> bool {
        self.counts.all += self.table.len() as u64;
        let several = self.table.values().filter(|first| first.is_in_several);
        self.counts.in_several += several.count() as u64;
        self.table.clear();
        let Some(next) = self.last.checked_add(1) else { return false };
        // What this pass had room for, the next will.
        self.last = next.saturating_add(self.last - self.first);
        self.first = next;
        true
    }

    /// The first pass has been read: reads the others, and tells of what is in several partitions.
    pub fn finish(
        mut self,
        topic: &Topic,
        progress: &dyn Progress,
        found: &mut Vec<Finding>,
    ) -> KeyCounts {
        while self.advance() {
            progress.begin("checking keys (another pass)", topic.size_bytes());
            for partition in &topic.dirs {
                let asked = Asked {
                    candidates: &[],
                    partitions: topic.partitions,
                    number: partition.number,
                    spread_seed: Some(self.seed),
                };
                read(&partition.dir, asked, progress, |_, seen| {
                    self.hear(partition.number, &seen.keys);
                });
            }
        }
        let listed = std::mem::take(&mut self.listed);
        let findings: Vec<Finding> =
            listed.values().filter_map(|listed| told(topic, listed)).collect();
        let more = self.counts.in_several - findings.len().min(listed.len()) as u64;
        found.extend(findings);
        if more > 0 && !listed.is_empty() {
            let text = format!("... and {more} more keys in more than one partition");
            let mut rest = about(topic, "key-spread", Severity::Warning, text);
            rest.stands_for = more;
            found.push(rest);
        }
        self.counts
    }
}

/// A key in several partitions; none if the bytes are not the same after all.
fn told(topic: &Topic, listed: &Listed) -> Option<Finding> {
    let mut keys = listed.places.iter().map(|(number, offset)| {
        let dirs = topic.dirs.iter().filter(|partition| partition.number == *number);
        dirs.filter_map(|partition| key_at(&partition.dir, *offset)).next()
    });
    let (path, key) = keys.next()??;
    if keys.any(|other| other.is_none_or(|(_, other)| other != key)) {
        return None;
    }
    let mut places: Vec<String> =
        listed.places.iter().map(|(number, offset)| format!("{number} from {offset}")).collect();
    let unnamed = listed.partitions - listed.places.len() as u64;
    if unnamed > 0 {
        places.push(format!("{unnamed} more"));
    }
    let text = format!(
        "key {} is in {} partitions of topic {}: {}",
        shown(&key),
        listed.partitions,
        topic.name,
        places.join(", ")
    );
    let (_, offset) = listed.places.first()?;
    let finding = Finding::about("key-spread", Severity::Warning, &path, text);
    Some(finding.of(*offset))
}

fn upper(digest: u128) -> u64 {
    (digest >> 64) as u64
}
