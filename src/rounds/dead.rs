//! Records of a destination that are superseded, in segments that were not worth a rewrite yet.

use std::ops::Range;
use std::path::Path;

use roaring::RoaringTreemap;
use serde::{Deserialize, Serialize};

use super::entry::{EntryLayout, MOST_OFFSET};
use super::hex::Crc32c;
use super::state_file::{
    self, Remedy, append_crc, damaged, in_front_of_crc, parse_round, round_digits,
};
use crate::disk::Disk;
use crate::error::{Error, Result};
use crate::segment::Place;
use crate::units::Offset;

const MAGIC: &[u8; 8] = b"LCKDEAD\x01";

/// What the round file says of another file.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct FileRef {
    /// Its name.
    pub file: String,
    /// Its size.
    pub bytes: u64,
    /// The CRC-32C with which it ends.
    pub crc32c: Crc32c,
}

/// The offsets of such records. The file is a magic, the set as Roaring's own format has it
/// (64-bit, portable), and the CRC-32C of both.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct DeadOffsets {
    set: RoaringTreemap,
}

impl DeadOffsets {
    /// Adds some, which rise.
    ///
    /// # Errors
    /// An offset that has no room in an entry of the key index.
    pub fn insert(&mut self, offsets: &[Offset]) -> Result<()> {
        offsets.iter().try_for_each(|offset| EntryLayout::check(*offset))?;
        let set = RoaringTreemap::from_sorted_iter(offsets.iter().map(|offset| offset.0 as u64));
        self.set |= set.map_err(|_| Error::bug("superseded offsets do not rise"))?;
        Ok(())
    }

    /// Adds those of another list.
    pub fn add(&mut self, others: &DeadOffsets) {
        self.set |= &others.set;
    }

    /// Whether `offset` is among them.
    pub fn contains(&self, offset: Offset) -> bool {
        u64::try_from(offset.0).is_ok_and(|offset| self.set.contains(offset))
    }

    /// All of them, rising.
    pub fn iter(&self) -> impl Iterator<Item = Offset> + '_ {
        self.set.iter().map(|offset| Offset(offset as i64))
    }

    /// How many there are.
    pub fn len(&self) -> u64 {
        self.set.len()
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.set.is_empty()
    }

    /// How many lie in `range`.
    pub fn count_in(&self, range: Range<Offset>) -> u64 {
        let rank = |below: Offset| {
            let last = below.0.checked_sub(1).and_then(|last| u64::try_from(last).ok());
            last.map_or(0, |last| self.set.rank(last))
        };
        rank(range.end).saturating_sub(rank(range.start))
    }

    /// Takes away those that lie in `range`, whose segment was rewritten.
    pub fn remove_range(&mut self, range: Range<Offset>) {
        let bound = |offset: Offset| u64::try_from(offset.0).unwrap_or(0);
        self.set.remove_range(bound(range.start)..bound(range.end));
    }

    /// The name of the file that `round` writes.
    pub fn file_name(round: u64) -> String {
        format!("dead-{}.kdead", round_digits(round))
    }

    /// The round in the name of such a file; `None` for other files.
    pub fn round_in(name: &str) -> Option<u64> {
        parse_round(name.strip_prefix("dead-")?.strip_suffix(".kdead")?)
    }

    /// Writes them to the folder `dir`, under a name of `round`; its sync may wait, as that of
    /// other small files of `place`. One of that name that an interrupted round left goes. None
    /// are no file.
    ///
    /// # Errors
    /// The system's.
    pub fn write(&self, place: &Place, dir: &Path, round: u64) -> Result<Option<FileRef>> {
        if self.is_empty() {
            return Ok(None);
        }
        let mut set = self.set.clone();
        // One form for one set, and the smallest.
        set.optimize();
        let mut bytes = MAGIC.to_vec();
        set.serialize_into(&mut bytes).map_err(|error| Error::bug(error.to_string()))?;
        let crc32c = Crc32c(append_crc(&mut bytes));
        let file = DeadOffsets::file_name(round);
        let path = dir.join(&file);
        place.disk.remove_if_there(&path)?;
        place.put_beside(&path, &bytes, None)?;
        Ok(Some(FileRef { file, bytes: bytes.len() as u64, crc32c }))
    }

    /// Reads them from the file of which the round file says `known`.
    ///
    /// # Errors
    /// The system's; a file that is not to the last bit what it is to be is refused.
    pub fn read(disk: &Disk, dir: &Path, known: &FileRef) -> Result<DeadOffsets> {
        let path = dir.join(&known.file);
        // What the segments themselves say is found out when they are indexed anew.
        let wrong = |what: String| damaged(&path, what, Remedy::Reindex);
        if DeadOffsets::round_in(&known.file).is_none() {
            return Err(wrong("no list of superseded offsets is called so".into()));
        }
        let map = state_file::open(disk, &path, Remedy::Reindex)?;
        DeadOffsets::parse(&map, known).map_err(wrong)
    }

    fn parse(bytes: &[u8], known: &FileRef) -> Result<DeadOffsets, String> {
        if bytes.len() as u64 != known.bytes {
            return Err(format!("it has {} bytes, not {}", bytes.len(), known.bytes));
        }
        let (content, crc) = in_front_of_crc(bytes)?;
        if Crc32c(crc) != known.crc32c {
            return Err(format!("its CRC is {crc:08x}, the round file says {}", known.crc32c));
        }
        let rest = content.strip_prefix(MAGIC);
        let mut rest = rest.ok_or("it is no list of superseded offsets")?;
        let set = RoaringTreemap::deserialize_from(&mut rest).map_err(|error| error.to_string())?;
        if !rest.is_empty() || set.max().is_some_and(|most| most >= MOST_OFFSET as u64) {
            return Err("it holds what is no offset".into());
        }
        Ok(DeadOffsets { set })
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;
    use std::fs;

    use proptest::prelude::*;

    use super::*;

    fn of(offsets: impl IntoIterator<Item = i64>) -> DeadOffsets {
        let mut dead = DeadOffsets::default();
        let offsets: BTreeSet<Offset> = offsets.into_iter().map(Offset).collect();
        dead.insert(&Vec::from_iter(offsets)).unwrap();
        dead
    }

    proptest! {
        #[test]
        fn they_come_back_and_are_found_by_range(
            offsets in prop::collection::btree_set(prop_oneof![0..300i64, 0..MOST_OFFSET], 1..60),
            from in 0..300i64, width in 0..300i64,
        ) {
            let dir = tempfile::tempdir().unwrap();
            let mut dead = of(offsets.iter().copied());
            let disk = Disk::default();
            let place = Place::folder(&disk, dir.path());
            let known = dead.write(&place, dir.path(), 7).unwrap().unwrap();
            prop_assert_eq!(&DeadOffsets::read(&disk, dir.path(), &known).unwrap(), &dead);
            let range = Offset(from)..Offset(from + width);
            let wanted: Vec<i64> = offsets.range(from..from + width).copied().collect();
            prop_assert_eq!(dead.count_in(range.clone()), wanted.len() as u64);
            dead.remove_range(range);
            prop_assert_eq!(dead.len(), (offsets.len() - wanted.len()) as u64);
            let is_left = |at: &i64| dead.contains(Offset(*at));
            prop_assert!(offsets.iter().all(|at| is_left(at) != wanted.contains(at)));
        }
    }

    #[test]
    fn one_set_is_one_file_however_it_came_to_be() {
        let dir = tempfile::tempdir().unwrap();
        let place = Place::folder(&Disk::default(), dir.path());
        let write = |dead: &DeadOffsets| dead.write(&place, dir.path(), 1).unwrap();
        let mut other = of((0..10_000).rev());
        other.remove_range(Offset(5000)..Offset(20_000));
        assert_eq!(write(&of(0..5000)), write(&other));
        assert_eq!(write(&DeadOffsets::default()), None);
    }

    #[test]
    fn a_list_in_which_any_byte_is_wrong_is_refused_with_what_to_do() {
        let dir = tempfile::tempdir().unwrap();
        let place = Place::folder(&Disk::default(), dir.path());
        let known = of([1, 2, 3, 70_000, 1 << 40]).write(&place, dir.path(), 7);
        let known = known.unwrap().unwrap();
        let path = dir.path().join(&known.file);
        let bytes = fs::read(&path).unwrap();
        let refused = |bytes: &[u8], known: &FileRef| {
            fs::write(&path, bytes).unwrap();
            let refusal = DeadOffsets::read(&Disk::default(), dir.path(), known).unwrap_err();
            assert!(refusal.to_string().contains("compact with --reindex"), "{refusal}");
        };
        for at in 0..bytes.len() {
            let mut flipped = bytes.clone();
            flipped[at] ^= 1;
            refused(&flipped, &known);
            refused(&bytes[..at], &known);
            // Under a right CRC there may be another set, but no panic.
            let mut lie = flipped[..bytes.len() - 4].to_vec();
            let known = FileRef { crc32c: Crc32c(append_crc(&mut lie)), ..known.clone() };
            fs::write(&path, &lie).unwrap();
            let _ = DeadOffsets::read(&Disk::default(), dir.path(), &known);
        }
        refused(&bytes, &FileRef { file: "../dead-000007.kdead".into(), ..known.clone() });
        let mut beyond = MAGIC.to_vec();
        RoaringTreemap::from_iter([1 << 60]).serialize_into(&mut beyond).unwrap();
        let crc32c = Crc32c(append_crc(&mut beyond));
        refused(&beyond, &FileRef { crc32c, bytes: beyond.len() as u64, ..known });
    }

    #[test]
    fn an_offset_that_has_no_room_is_refused() {
        assert!(DeadOffsets::default().insert(&[Offset(-1)]).is_err());
        assert!(DeadOffsets::default().insert(&[Offset(1 << 60)]).is_err());
        assert!(!of([0]).contains(Offset(-1)));
    }
}
