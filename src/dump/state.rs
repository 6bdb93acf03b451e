//! The state of a log: which of its records are the latest of their keys, and no tombstones.
//!
//! The log is walked once for its keys ([`Walk`], with a sink that writes a row for each record in
//! the place of a line). A key is known by 128 bits of keyed hash, the keys of which nobody outside
//! can know. Where the keys outgrow the memory, those with the upper half of the hashes are left
//! for another walk, and so on: more walks, the same records.

use std::hash::{BuildHasher, RandomState};
use std::io::{self, Write};

use hashbrown::HashTable;
use roaring::RoaringTreemap;

use super::companions::Entry;
use super::selection::{Selection, Show, Wanted};
use super::sink::{BatchView, RecordView, Sink};
use super::source::{LogKind, Source};
use super::walk::Walk;
use super::{Damage, Failure, Witness};

/// What a key takes up while the table grows: an entry and its control byte, in a table that is
/// less than half full beside one of half its size.
const KEY_BYTES: u64 = 100;
/// Below this, more walks would not help.
const LEAST_KEYS: u64 = 1 << 10;
/// A row: the hash of a key, the offset of a record, and whether that is a tombstone.
const ROW_BYTES: usize = 16 + 8 + 1;

/// A hash.
type KeyHash = u128;

/// The offsets that are the state of what `wanted` leaves of a partition's `logs`.
pub(super) fn latest_of(
    logs: &[(&Source, &LogKind)],
    wanted: Wanted<'_>,
) -> Result<RoaringTreemap, Failure> {
    // A value does not decide which record is the latest, only whether that one is shown.
    let selection = Selection {
        show: Show::Records,
        value_regex: None,
        limit: None,
        is_reverse: false,
        ..wanted.selection.clone()
    };
    let wanted = wanted.of(&selection);
    let memory_bytes = selection.memory_bytes.unwrap_or(u64::MAX);
    let most_keys = usize::try_from((memory_bytes / KEY_BYTES).max(LEAST_KEYS));
    let mut latest = RoaringTreemap::new();
    let mut keys = KeyRows { seeds: [RandomState::new(), RandomState::new()], from: KeyHash::MIN };
    loop {
        let mut election = Election::new(keys.from, most_keys.unwrap_or(usize::MAX));
        let mut deaf = Deaf;
        let mut walk = Walk::new(&selection, &keys, &mut election, &mut deaf);
        for (source, kind) in logs {
            if walk.log(source, kind, wanted)? {
                break;
            }
        }
        let survivors = election.latest.iter().filter(|latest| !latest.is_tombstone);
        latest.extend(survivors.filter_map(|latest| u64::try_from(latest.offset).ok()));
        match election.last.checked_add(1) {
            Some(from) => keys.from = from,
            None => return Ok(latest),
        }
    }
}

/// Writes rows for the records whose keys' hashes are `from` or above.
struct KeyRows {
    seeds: [RandomState; 2],
    from: KeyHash,
}

impl KeyRows {
    fn hash(&self, key: &[u8]) -> KeyHash {
        let [high, low] = self.seeds.each_ref().map(|seed| KeyHash::from(seed.hash_one(key)));
        (high << 64) | low
    }
}

impl Sink for KeyRows {
    fn shows_control(&self) -> bool {
        false
    }

    fn batch(&self, _out: &mut Vec<u8>, _batch: &BatchView<'_>) -> io::Result<()> {
        Ok(())
    }

    fn record(&self, out: &mut Vec<u8>, view: &RecordView<'_>) -> io::Result<()> {
        let hash = view.record.key.map(|key| self.hash(key));
        if let Some(hash) = hash.filter(|hash| *hash >= self.from) {
            out.extend_from_slice(&hash.to_be_bytes());
            out.extend_from_slice(&view.record.offset.0.to_be_bytes());
            out.push(view.record.is_tombstone().into());
        }
        Ok(())
    }

    fn entry(&self, _out: &mut Vec<u8>, _source: &Source, _entry: &Entry<'_>) -> io::Result<()> {
        Ok(())
    }
}

/// Reads rows in log order; the last one of each key stands.
struct Election {
    latest: HashTable<Latest>,
    from: KeyHash,
    /// Hashes above this are left for another walk.
    last: KeyHash,
    most_keys: usize,
}

/// The latest record of a key so far.
struct Latest {
    hash: [u64; 2],
    offset: i64,
    is_tombstone: bool,
}

impl Latest {
    fn key(&self) -> KeyHash {
        (KeyHash::from(self.hash[0]) << 64) | KeyHash::from(self.hash[1])
    }
}

impl Election {
    fn new(from: KeyHash, most_keys: usize) -> Election {
        Election { latest: HashTable::new(), from, last: KeyHash::MAX, most_keys }
    }

    fn row(&mut self, key: KeyHash, offset: i64, is_tombstone: bool) {
        let hash = [(key >> 64) as u64, key as u64];
        while key <= self.last {
            if let Some(known) = self.latest.find_mut(hash[1], |known| known.hash == hash) {
                (known.offset, known.is_tombstone) = (offset, is_tombstone);
                return;
            }
            if self.latest.len() < self.most_keys {
                let first = Latest { hash, offset, is_tombstone };
                self.latest.insert_unique(hash[1], first, |known| known.hash[1]);
                return;
            }
            let last = self.from + (self.last - self.from) / 2;
            self.latest.retain(|known| known.key() <= last);
            self.last = last;
        }
    }
}

impl Write for Election {
    fn write(&mut self, rows: &[u8]) -> io::Result<usize> {
        for row in rows.chunks_exact(ROW_BYTES) {
            let Some((hash, rest)) = row.split_first_chunk() else { continue };
            let Some((offset, is_tombstone)) = rest.split_first_chunk() else { continue };
            let hash = KeyHash::from_be_bytes(*hash);
            self.row(hash, i64::from_be_bytes(*offset), is_tombstone == [1]);
        }
        Ok(rows.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// What is wrong is told when the records are shown.
struct Deaf;

impl Witness for Deaf {
    fn damage(&mut self, _damage: &Damage<'_>) {}
    fn note(&mut self, _text: &str) {}
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_beyond_the_memory_are_left_for_other_walks() {
        let rows: Vec<(KeyHash, i64)> =
            (0..1000).map(|n| (((n % 100) << 120) | (n % 100), n as i64)).collect();
        let mut found = Vec::new();
        let mut from = KeyHash::MIN;
        let mut walks = 0;
        loop {
            let mut election = Election::new(from, 7);
            rows.iter().filter(|(hash, _)| *hash >= from).for_each(|(hash, offset)| {
                election.row(*hash, *offset, false);
            });
            assert!(election.latest.len() <= 7);
            found.extend(election.latest.iter().map(|latest| latest.offset));
            walks += 1;
            let Some(next) = election.last.checked_add(1) else { break };
            from = next;
        }
        found.sort_unstable();
        assert_eq!(found, (900..1000).collect::<Vec<i64>>());
        assert!(walks > 14, "{walks}");
    }
}
