//! A run of the key index: the entries of one range of hashes, sorted, in a file. Runs of a layer
//! hold only what has changed, and may say of a key that it is over.
//!
//! A header (magic, version, layout, size of an entry, seed, count), the entries, and the CRC-32C
//! of all of it. Which range it covers stands in the round file only, so that a run can reach
//! further than before without being written again. It holds no number of a round and no time: the
//! same entries are the same bytes.

use std::path::{Path, PathBuf};
use std::slice::ChunksExact;

use serde::{Deserialize, Serialize};

use super::entry::{EntryLayout, KeyHash, KeyHashSeed, KeyState};
use super::hex::Crc32c;
use super::lookup::Lookup;
use super::state_file::{self, Remedy, damaged, in_front_of_crc, parse_round};
use crate::bytes::{Cursor, Overrun};
use crate::disk::{Disk, Map};
use crate::error::{Error, Result};
use crate::units::Position;

/// A run that is larger than this is cut when it is written next.
pub const MOST_RUN_BYTES: usize = 1 << 20;

const MAGIC: &[u8; 8] = b"LCKEYRUN";
const VERSION: u16 = 1;
const WITH_CLAIM: u16 = 1;
const HEADER_BYTES: usize = 32;
pub(super) const CRC_BYTES: usize = 4;

/// What the round file says of a run.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct RunRef {
    /// The name of its file.
    pub file: String,
    /// The lowest hash that it covers; it reaches to that of the run behind it.
    pub first_hash: KeyHash,
    /// How many entries it holds.
    pub entries: u64,
    /// The size of its file.
    pub bytes: u64,
    /// The CRC-32C with which its file ends.
    pub crc32c: Crc32c,
}

impl RunRef {
    /// The name of the file of run `number` that `round` writes.
    pub fn file_name(round: u64, number: usize) -> String {
        format!("keys-{}-{number:04}.kidx", state_file::round_digits(round))
    }

    /// The round in the name of a run's file; `None` for other files.
    pub fn round_in(name: &str) -> Option<u64> {
        let inner = name.strip_prefix("keys-")?.strip_suffix(".kidx")?;
        let (round, number) = inner.split_once('-')?;
        let round = parse_round(round)?;
        let number: usize = number.parse().ok()?;
        (RunRef::file_name(round, number) == name).then_some(round)
    }
}

/// What a run is part of.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Level {
    /// The base: all that stood when it was written.
    Base,
    /// A layer upon it: what has changed since. Only here a key may be said to be over.
    Layer,
}

/// The header of a run's file.
pub(super) struct Header {
    pub layout: EntryLayout,
    pub seed: KeyHashSeed,
    pub entries: u64,
}

impl Header {
    pub fn put(&self, bytes: &mut Vec<u8>) {
        bytes.extend_from_slice(MAGIC);
        bytes.extend_from_slice(&VERSION.to_be_bytes());
        let flags = if self.layout.with_claim { WITH_CLAIM } else { 0 };
        bytes.extend_from_slice(&flags.to_be_bytes());
        bytes.extend_from_slice(&(self.layout.entry_bytes() as u32).to_be_bytes());
        bytes.extend_from_slice(&self.seed.0.to_be_bytes());
        bytes.extend_from_slice(&self.entries.to_be_bytes());
    }

    /// Reads a header from the front of `bytes`; what lies behind it.
    fn parse(bytes: &[u8]) -> Result<(Header, &[u8]), String> {
        let short = |_: Overrun| "it is too short".to_owned();
        let mut cursor = Cursor::new(bytes);
        if cursor.bytes(MAGIC.len()).map_err(short)? != MAGIC {
            return Err("it is no run of a key index".into());
        }
        let version = cursor.u16().map_err(short)?;
        if version != VERSION {
            return Err(format!("its format is {version}, this version reads {VERSION}"));
        }
        let flags = cursor.u16().map_err(short)?;
        let layout = EntryLayout { with_claim: flags == WITH_CLAIM };
        let entry_bytes = cursor.u32().map_err(short)?;
        if flags > WITH_CLAIM || entry_bytes as usize != layout.entry_bytes() {
            return Err("its layout is unknown".into());
        }
        let seed = KeyHashSeed(cursor.i64().map_err(short)? as u64);
        let entries = cursor.i64().map_err(short)? as u64;
        Ok((Header { layout, seed, entries }, cursor.rest()))
    }
}

/// A run that is open, and was checked.
pub struct KeyRun {
    path: PathBuf,
    map: Map,
    layout: EntryLayout,
    seed: KeyHashSeed,
}

impl KeyRun {
    /// Opens the run of which the round file says `known`, in the folder `dir`.
    ///
    /// # Errors
    /// The system's; a file that is not to the last bit what it is to be is refused.
    pub fn open(disk: &Disk, dir: &Path, known: &RunRef, level: Level) -> Result<KeyRun> {
        let path = dir.join(&known.file);
        let wrong = |what: String| damaged(&path, what, Remedy::Reindex);
        if RunRef::round_in(&known.file).is_none() {
            return Err(wrong("no run of a key index is called so".into()));
        }
        let map = state_file::open(disk, &path, Remedy::Reindex)?;
        let header = check(&map, known, level).map_err(|Wrong { what, at }| {
            let position = at.map(|at| Position(at as u64));
            Error { position, ..wrong(what) }
        })?;
        Ok(KeyRun { path, map, layout: header.layout, seed: header.seed })
    }

    /// Refuses a run of another index than that with this seed and layout, and one that reaches to
    /// `below`.
    ///
    /// # Errors
    /// That, with what to do.
    pub fn check_range(
        &self,
        seed: KeyHashSeed,
        layout: EntryLayout,
        below: Option<KeyHash>,
    ) -> Result<()> {
        let what = if (seed, layout) != (self.seed, self.layout) {
            "it belongs to another key index"
        } else if below.is_some_and(|below| self.last_hash().is_some_and(|last| last >= below)) {
            "it reaches beyond its range"
        } else {
            return Ok(());
        };
        Err(damaged(&self.path, what, Remedy::Reindex))
    }

    /// Of how many keys it says something.
    pub fn count(&self) -> usize {
        self.entries().len() / self.layout.entry_bytes()
    }

    /// The size of its file.
    pub fn bytes(&self) -> u64 {
        self.map.len() as u64
    }

    /// All of its file.
    pub fn file(&self) -> &[u8] {
        &self.map
    }

    /// What it says of keys from the hash `from` to below `below`, in the order of hashes.
    pub fn states_in(&self, from: KeyHash, below: Option<KeyHash>) -> States<'_> {
        let chunk = self.layout.entry_bytes();
        let (start, end) = self.bounds(from, below);
        let within = self.entries().get(start * chunk..end * chunk).unwrap_or_default();
        States { chunks: within.chunks_exact(chunk), layout: self.layout }
    }

    /// Of how many keys it says something there.
    pub fn count_in(&self, from: KeyHash, below: Option<KeyHash>) -> u64 {
        let (start, end) = self.bounds(from, below);
        (end - start) as u64
    }

    fn bounds(&self, from: KeyHash, below: Option<KeyHash>) -> (usize, usize) {
        let mut lookup = Lookup::within(self);
        let start = lookup.lower_bound(from);
        let end = below.map_or(self.count(), |below| lookup.lower_bound(below));
        (start, end.max(start))
    }

    fn entries(&self) -> &[u8] {
        let end = self.map.len().saturating_sub(CRC_BYTES);
        self.map.get(HEADER_BYTES..end).unwrap_or_default()
    }

    /// What it says of the key of entry number `index`.
    pub(super) fn state_at(&self, index: usize) -> Option<KeyState> {
        let bytes = self.layout.entry_bytes();
        let entry = self.entries().get(index.checked_mul(bytes)?..)?.get(..bytes)?;
        self.layout.decode_state(entry)
    }

    /// The hash of entry number `index`.
    #[inline]
    pub(super) fn hash_at(&self, index: usize) -> Option<KeyHash> {
        let start = index * self.layout.entry_bytes();
        let hash = self.entries().get(start..)?.first_chunk()?;
        Some(KeyHash(u128::from_be_bytes(*hash)))
    }

    fn last_hash(&self) -> Option<KeyHash> {
        self.hash_at(self.count().checked_sub(1)?)
    }
}

/// What a run says, key by key.
pub struct States<'a> {
    chunks: ChunksExact<'a, u8>,
    layout: EntryLayout,
}

impl Iterator for States<'_> {
    type Item = KeyState;

    #[inline]
    fn next(&mut self) -> Option<KeyState> {
        // Each was decoded once already, when the run was opened.
        self.layout.decode_state(self.chunks.next()?)
    }
}

/// What is wrong with a file, and where in it, if that is known.
struct Wrong {
    what: String,
    at: Option<usize>,
}

impl From<String> for Wrong {
    fn from(what: String) -> Wrong {
        Wrong { what, at: None }
    }
}

/// Checks the bytes of a file against what the round file says of it, and against themselves.
fn check(bytes: &[u8], known: &RunRef, level: Level) -> Result<Header, Wrong> {
    if bytes.len() as u64 != known.bytes {
        return Err(format!("it has {} bytes, not {}", bytes.len(), known.bytes).into());
    }
    let (content, crc) = in_front_of_crc(bytes)?;
    if Crc32c(crc) != known.crc32c {
        return Err(format!("its CRC is {crc:08x}, the round file says {}", known.crc32c).into());
    }
    let (header, entries) = Header::parse(content)?;
    let wanted_bytes = header.entries.checked_mul(header.layout.entry_bytes() as u64);
    if header.entries != known.entries || wanted_bytes != Some(entries.len() as u64) {
        return Err(format!("it does not hold {} entries", known.entries).into());
    }
    if header.layout.all_rise(entries, known.first_hash) {
        return Ok(header);
    }
    let mut before: Option<KeyHash> = None;
    for (index, bytes) in entries.chunks_exact(header.layout.entry_bytes()).enumerate() {
        let wrong = |what: &str| Wrong {
            what: format!("entry {index} is {what}"),
            at: Some(HEADER_BYTES + index * header.layout.entry_bytes()),
        };
        let state = header.layout.decode_state(bytes);
        let state = state.filter(|state| level == Level::Layer || state.entry.is_some());
        let hash = state.ok_or_else(|| wrong("none"))?.hash;
        let is_behind = before.map_or(hash >= known.first_hash, |before| hash > before);
        if !is_behind {
            return Err(wrong("out of order"));
        }
        before = Some(hash);
    }
    Ok(header)
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;
    use std::fs;

    use proptest::prelude::*;

    use super::super::entry::Entry;
    use super::super::run_writer::RunWriter;
    use super::super::state_file::append_crc;
    use super::*;
    use crate::units::Offset;

    const SEED: KeyHashSeed = KeyHashSeed(7);
    const LAYOUT: EntryLayout = EntryLayout { with_claim: true };

    fn entry(hash: u128) -> Entry {
        let offset = Offset((hash % 1000) as i64);
        Entry { hash: KeyHash(hash), offset, claim: (9, true), deletes: true, gone: false }
    }

    fn written(dir: &Path, first_hash: u128, hashes: &[u128]) -> RunRef {
        let mut writer = RunWriter::new(LAYOUT, SEED, KeyHash(first_hash));
        hashes.iter().for_each(|hash| writer.push(entry(*hash)).unwrap());
        let file = writer.finish().unwrap();
        let (run, file) = file.write(&Disk::default(), dir, RunRef::file_name(7, 3)).unwrap();
        file.finish(None).unwrap();
        run
    }

    #[test]
    fn a_run_gives_back_what_was_written_and_ranges_of_it() {
        let dir = tempfile::tempdir().unwrap();
        let hashes = [5, 6, 900, 1 << 100];
        let known = written(dir.path(), 5, &hashes);
        assert_eq!((known.file.as_str(), known.entries), ("keys-000007-0003.kidx", 4));
        let run = KeyRun::open(&Disk::default(), dir.path(), &known, Level::Base).unwrap();
        assert!(run.states_in(KeyHash(0), None).eq(hashes.map(|hash| entry(hash).into())));
        let within = |from, below: Option<u128>| {
            let within = run.states_in(KeyHash(from), below.map(KeyHash));
            within.map(|state| state.hash.0).collect::<Vec<_>>()
        };
        assert_eq!(within(6, Some(1 << 100)), [6, 900]);
        assert_eq!(within(7, None), [900, 1 << 100]);
        assert_eq!(within(7, Some(8)), [0; 0]);
        assert_eq!(within(8, Some(7)), [0; 0]);
        assert_eq!(run.bytes(), fs::metadata(dir.path().join(&known.file)).unwrap().len());
        run.check_range(SEED, LAYOUT, Some(KeyHash((1 << 100) + 1))).unwrap();
        assert!(run.check_range(SEED, LAYOUT, Some(KeyHash(1 << 100))).is_err());
        assert!(run.check_range(KeyHashSeed(8), LAYOUT, None).is_err());
        assert!(run.check_range(SEED, EntryLayout { with_claim: false }, None).is_err());
    }

    proptest! {
        #[test]
        fn a_hash_is_found_wherever_it_lies_and_however_the_others_do(
            even in prop::collection::btree_set(any::<u128>(), 0..300),
            crowded in prop::collection::btree_set(0..500u128, 0..300),
            high in prop::collection::btree_set(u128::MAX - 500..u128::MAX, 0..9),
            wanted in prop_oneof![any::<u128>(), 0..600u128, u128::MAX - 600..=u128::MAX],
        ) {
            let all: BTreeSet<u128> = [even, crowded, high].into_iter().flatten().collect();
            let all: Vec<u128> = all.into_iter().collect();
            prop_assume!(!all.is_empty());
            let dir = tempfile::tempdir().unwrap();
            let known = written(dir.path(), 0, &all);
            let run = KeyRun::open(&Disk::default(), dir.path(), &known, Level::Base).unwrap();
            let (mut rising, mut falling) = (Lookup::within(&run), Lookup::within(&run));
            let (up, down) = (all.iter().chain([&wanted]), all.iter().rev().chain([&wanted]));
            for (hash, other) in up.zip(down) {
                let below = |hash: u128| all.partition_point(|it| *it < hash);
                prop_assert_eq!(rising.lower_bound(KeyHash(*hash)), below(*hash));
                prop_assert_eq!(falling.lower_bound(KeyHash(*other)), below(*other));
            }
            for hash in all.iter().copied().chain([wanted]) {
                let found = Lookup::within(&run).lower_bound(KeyHash(hash));
                prop_assert_eq!(found, all.partition_point(|it| *it < hash));
                let state = Lookup::within(&run).find(KeyHash(hash)).map(|state| state.hash.0);
                prop_assert_eq!(state, all.binary_search(&hash).is_ok().then_some(hash));
            }
        }
    }

    #[test]
    fn a_run_in_which_any_byte_is_wrong_or_missing_is_refused_with_what_to_do() {
        let dir = tempfile::tempdir().unwrap();
        let known = written(dir.path(), 0, &[5, 6]);
        let path = dir.path().join(&known.file);
        let bytes = fs::read(&path).unwrap();
        let open = |bytes: &[u8], known: &RunRef| {
            fs::write(&path, bytes).unwrap();
            let refusal = KeyRun::open(&Disk::default(), dir.path(), known, Level::Base).map(drop);
            let refusal = refusal.unwrap_err().to_string();
            assert!(refusal.contains("keys-000007-0003.kidx"), "{refusal}");
            assert!(refusal.contains("compact with --reindex"), "{refusal}");
        };
        for at in 0..bytes.len() {
            let mut flipped = bytes.clone();
            flipped[at] ^= 1 << (at % 8);
            open(&flipped, &known);
            open(&bytes[..at], &known);
        }
        open(&[&bytes[..], b"x"].concat(), &known);
        for wrong in [
            RunRef { entries: 3, ..known.clone() },
            RunRef { crc32c: Crc32c(known.crc32c.0 ^ 1), ..known.clone() },
            RunRef { first_hash: KeyHash(6), ..known.clone() },
        ] {
            open(&bytes, &wrong);
        }
        fs::remove_file(&path).unwrap();
        let refusal =
            KeyRun::open(&Disk::default(), dir.path(), &known, Level::Base).map(drop).unwrap_err();
        assert!(refusal.to_string().contains("it is missing"), "{refusal}");
    }

    /// Whoever makes a CRC for his bytes is still not believed.
    #[test]
    fn a_run_that_lies_under_a_right_crc_is_refused() {
        let dir = tempfile::tempdir().unwrap();
        let known = written(dir.path(), 0, &[5, 6]);
        let path = dir.path().join(&known.file);
        let bytes = fs::read(&path).unwrap();
        let content = &bytes[..bytes.len() - CRC_BYTES];
        let with = |at: usize, byte: u8| {
            let mut content = content.to_vec();
            content[at] = byte;
            content
        };
        let lies = [
            with(0, b'X'),
            with(9, 2),
            with(11, 0),
            with(11, 3),
            with(15, 24),
            with(24, 0x80),
            with(31, 3),
            with(HEADER_BYTES + 15, 6),
            with(HEADER_BYTES + 16, 0x10),
            content[..HEADER_BYTES - 1].to_vec(),
        ];
        for mut lie in lies {
            let crc32c = Crc32c(append_crc(&mut lie));
            fs::write(&path, &lie).unwrap();
            let known = RunRef { crc32c, bytes: lie.len() as u64, ..known.clone() };
            assert!(KeyRun::open(&Disk::default(), dir.path(), &known, Level::Base).is_err());
        }
    }

    #[test]
    fn entries_are_out_of_order_wherever_in_a_large_run_they_are() {
        let dir = tempfile::tempdir().unwrap();
        let hashes: Vec<u128> = (1..3000).map(|number| number << 100).collect();
        let known = written(dir.path(), 0, &hashes);
        let path = dir.path().join(&known.file);
        let bytes = fs::read(&path).unwrap();
        let content = &bytes[..bytes.len() - CRC_BYTES];
        for index in [0, 1, 1500, 2997] {
            let mut content = content.to_vec();
            let at = HEADER_BYTES + index * LAYOUT.entry_bytes();
            let (one, other) = content[at..].split_at_mut(LAYOUT.entry_bytes());
            one[..16].swap_with_slice(&mut other[..16]);
            let crc32c = Crc32c(append_crc(&mut content));
            fs::write(&path, &content).unwrap();
            let known = RunRef { crc32c, ..known.clone() };
            let error = KeyRun::open(&Disk::default(), dir.path(), &known, Level::Base);
            let error = error.map(drop).unwrap_err().to_string();
            assert!(error.contains(&format!("entry {} is out of order", index + 1)), "{error}");
        }
    }

    #[test]
    fn that_a_key_is_over_only_a_layer_may_say() {
        let dir = tempfile::tempdir().unwrap();
        let mut writer = RunWriter::new(LAYOUT, SEED, KeyHash(0));
        let states = [entry(5).into(), KeyState { hash: KeyHash(6), entry: None }];
        states.iter().for_each(|state| writer.push(*state).unwrap());
        let file = writer.finish().unwrap();
        let (known, file) =
            file.write(&Disk::default(), dir.path(), RunRef::file_name(7, 3)).unwrap();
        file.finish(None).unwrap();
        let open = |level| KeyRun::open(&Disk::default(), dir.path(), &known, level);
        let run = open(Level::Layer).unwrap();
        assert!(run.states_in(KeyHash(0), None).eq(states));
        assert_eq!(Lookup::within(&run).find(KeyHash(6)), Some(states[1]));
        assert_eq!(
            (Lookup::within(&run).find(KeyHash(7)), run.count_in(KeyHash(6), None)),
            (None, 1)
        );
        let refusal = open(Level::Base).map(drop).unwrap_err().to_string();
        assert!(refusal.contains("entry 1 is none"), "{refusal}");
    }

    #[test]
    fn a_name_leads_nowhere_but_to_a_run() {
        assert_eq!(RunRef::round_in("keys-000012-12345.kidx"), Some(12));
        let known = RunRef {
            file: String::new(),
            first_hash: KeyHash(0),
            entries: 0,
            bytes: 0,
            crc32c: Crc32c(0),
        };
        for name in ["", "../keys-000001-0000.kidx", "keys-1-0.kidx", "/etc/passwd", "lock"] {
            assert_eq!(RunRef::round_in(name), None, "{name}");
            let known = RunRef { file: name.into(), ..known.clone() };
            assert!(KeyRun::open(&Disk::default(), Path::new("/"), &known, Level::Base).is_err());
        }
    }

    #[test]
    fn entries_out_of_order_are_not_written() {
        let mut writer = RunWriter::new(LAYOUT, SEED, KeyHash(5));
        assert!(writer.push(entry(4)).is_err());
        writer.push(entry(5)).unwrap();
        assert!(writer.push(entry(5)).is_err());
        assert!(RunWriter::new(LAYOUT, SEED, KeyHash(5)).finish().is_none());
    }
}
