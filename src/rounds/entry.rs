//! What the key index knows of a key: which record of the destination stands for it.
//!
//! A key is known by 128 bits of hash. Kafka's own cleaner does the same (`SkimpyOffsetMap`, with
//! MD5): among 10^12 keys, two share a hash in one of 10^14 indexes. So that nobody who writes to
//! the topic can make a key that has the hash of another's, the hash is keyed, with what only the
//! folder of the state knows.

use siphasher::sip128::SipHasher13;

use crate::bytes::Cursor;
use crate::error::{Error, Result};
use crate::units::Offset;

/// The hash of a key.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct KeyHash(pub u128);

/// What the hashes of one key index begin with.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct KeyHashSeed(pub u64);

impl KeyHashSeed {
    /// The name of the function, as the round file has it.
    pub const FUNCTION: &'static str = "siphash-1-3-128";

    /// The seed for a source that is described so, and a `secret`: the same for the same, so that
    /// who fixes it gets the same bytes of the same input.
    pub fn of_source(described: &[u8], secret: u64) -> KeyHashSeed {
        KeyHashSeed(SipHasher13::new_with_keys(secret, 0).hash(described).h1)
    }

    /// The hash of `key`.
    #[inline]
    pub fn hash(self, key: &[u8]) -> KeyHash {
        KeyHash(SipHasher13::new_with_keys(self.0, !self.0).hash(key).as_u128())
    }
}

/// The record that stands for a key.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Entry {
    /// The key's.
    pub hash: KeyHash,
    /// The record's.
    pub offset: Offset,
    /// What is known of all that was read of the key, as bits (`Claim::to_bits`).
    pub claim: (u64, bool),
    /// It is a tombstone, or an empty value that stands for one.
    pub deletes: bool,
    /// It is a tombstone that is no longer in the destination, but still beats late values.
    pub gone: bool,
}

/// What a run of the key index says of a key.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct KeyState {
    /// The key's.
    pub hash: KeyHash,
    /// What stands for it; none, in a layer, if what an older one or the base says is over.
    pub entry: Option<Entry>,
}

impl From<Entry> for KeyState {
    fn from(entry: Entry) -> KeyState {
        KeyState { hash: entry.hash, entry: Some(entry) }
    }
}

/// The offset from which on records cannot be indexed: the bits above it are taken.
pub const MOST_OFFSET: i64 = 1 << 60;

const DELETES: u64 = 1 << 63;
const GONE: u64 = 1 << 62;
const CLAIM_BIT: u64 = 1 << 61;
const ABSENT: u64 = 1 << 60;

/// How entries lie in a file: 16 bytes of hash, 8 of offset under four bits (a tombstone; gone;
/// the claim's odd bit; absent), and 8 of claim if the strategy has any. All are big-endian.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct EntryLayout {
    /// Whether there is a claim.
    pub with_claim: bool,
}

impl EntryLayout {
    /// The size of an entry.
    pub fn entry_bytes(self) -> usize {
        if self.with_claim { 32 } else { 24 }
    }

    /// Refuses an offset that has no room in an entry.
    ///
    /// # Errors
    /// That, with what to do.
    pub fn check(offset: Offset) -> Result<()> {
        if (0..MOST_OFFSET).contains(&offset.0) {
            return Ok(());
        }
        Err(Error::refused(format!(
            "offset {offset} is beyond {MOST_OFFSET}, up to which a key index reaches; compact in \
             one go, with --keep-rounds 0"
        )))
    }

    /// Appends an entry to `bytes`.
    ///
    /// # Errors
    /// As [`EntryLayout::check`].
    #[inline]
    pub fn encode(self, entry: &Entry, bytes: &mut Vec<u8>) -> Result<()> {
        EntryLayout::check(entry.offset)?;
        let (claim, claim_bit) = entry.claim;
        let flag = |is_set: bool, flag: u64| if is_set { flag } else { 0 };
        let flags =
            flag(entry.deletes, DELETES) | flag(entry.gone, GONE) | flag(claim_bit, CLAIM_BIT);
        let place = entry.offset.0 as u64 | flags;
        bytes.extend_from_slice(&entry.hash.0.to_be_bytes());
        if self.with_claim {
            let both = u128::from(place) << u64::BITS | u128::from(claim);
            bytes.extend_from_slice(&both.to_be_bytes());
        } else {
            bytes.extend_from_slice(&place.to_be_bytes());
        }
        Ok(())
    }

    /// The entry that `bytes` are; `None` for bytes that no entry gives.
    #[inline]
    pub fn decode(self, bytes: &[u8]) -> Option<Entry> {
        let (hash, rest) = bytes.split_first_chunk()?;
        let (place, claim) = rest.split_first_chunk()?;
        let place = u64::from_be_bytes(*place);
        let claim = match self.with_claim {
            true => u64::from_be_bytes(*claim.as_array()?),
            false if claim.is_empty() => 0,
            false => return None,
        };
        let is_set = |flag: u64| place & flag != 0;
        let entry = Entry {
            hash: KeyHash(u128::from_be_bytes(*hash)),
            offset: Offset((place & (ABSENT - 1)) as i64),
            claim: (claim, is_set(CLAIM_BIT)),
            deletes: is_set(DELETES),
            gone: is_set(GONE),
        };
        let is_sound = !is_set(ABSENT)
            && (entry.deletes || !entry.gone)
            && (self.with_claim || !is_set(CLAIM_BIT));
        is_sound.then_some(entry)
    }

    /// Appends what a run says of a key to `bytes`.
    ///
    /// # Errors
    /// As [`EntryLayout::check`].
    pub fn encode_state(self, state: &KeyState, bytes: &mut Vec<u8>) -> Result<()> {
        if let Some(entry) = &state.entry {
            return self.encode(entry, bytes);
        }
        bytes.extend_from_slice(&state.hash.0.to_be_bytes());
        bytes.extend_from_slice(&ABSENT.to_be_bytes());
        bytes.extend_from_slice(if self.with_claim { &[0; 8] } else { &[] });
        Ok(())
    }

    /// What the bytes of a run say of a key; `None` for bytes that nothing gives.
    #[inline]
    pub fn decode_state(self, bytes: &[u8]) -> Option<KeyState> {
        self.decode(bytes).map(KeyState::from).or_else(|| self.decode_absent(bytes))
    }

    /// The hashes of the keys of which `bytes` are the entries.
    pub fn hashes(self, bytes: &[u8]) -> impl Iterator<Item = KeyHash> {
        let hash =
            |entry: &[u8]| entry.first_chunk().map(|hash| KeyHash(u128::from_be_bytes(*hash)));
        bytes.chunks_exact(self.entry_bytes()).filter_map(hash)
    }

    /// What the entries that `bytes` are say.
    pub fn states(self, bytes: &[u8]) -> impl Iterator<Item = KeyState> {
        bytes.chunks_exact(self.entry_bytes()).filter_map(move |entry| self.decode_state(entry))
    }

    /// Whether `bytes` are entries, none of a key that is absent, whose hashes rise, the first not
    /// below `least`. It says in little time what [`decode_state`] says of each.
    ///
    /// [`decode_state`]: EntryLayout::decode_state
    pub fn all_rise(self, bytes: &[u8], least: KeyHash) -> bool {
        match self.with_claim {
            true => all_rise::<32>(bytes, least, ABSENT),
            false => all_rise::<24>(bytes, least, ABSENT | CLAIM_BIT),
        }
    }

    /// Whether they are, and none of a tombstone that is gone.
    pub fn all_stand(self, bytes: &[u8], least: KeyHash) -> bool {
        match self.with_claim {
            true => all_rise::<32>(bytes, least, ABSENT | GONE),
            false => all_rise::<24>(bytes, least, ABSENT | CLAIM_BIT | GONE),
        }
    }

    #[cold]
    fn decode_absent(self, bytes: &[u8]) -> Option<KeyState> {
        let mut cursor = Cursor::new(bytes);
        let hash = KeyHash(u128::from_be_bytes(*cursor.bytes(16).ok()?.first_chunk()?));
        let is_absent = cursor.i64().ok()? as u64 == ABSENT
            && (!self.with_claim || cursor.i64().ok()? == 0)
            && cursor.is_empty();
        is_absent.then_some(KeyState { hash, entry: None })
    }
}

/// As [`EntryLayout::all_rise`], of entries of `SIZE_BYTES` that have none of the bits of `never`.
fn all_rise<const SIZE_BYTES: usize>(bytes: &[u8], least: KeyHash, never: u64) -> bool {
    let (entries, rest) = bytes.as_chunks::<SIZE_BYTES>();
    let all = |entries| plainly_rise(entries, never) || closely_rise(entries, never);
    let first = entries.first().map(|first| u128::from_be_bytes(parts(first).0));
    rest.is_empty() && first.is_none_or(|first| first >= least.0) && all(entries)
}

/// Whether the upper halves of all hashes rise, and nothing is gone: so it mostly is, and is told
/// in no time.
fn plainly_rise<const SIZE_BYTES: usize>(entries: &[[u8; SIZE_BYTES]], never: u64) -> bool {
    let top = |entry| (u128::from_be_bytes(parts(entry).0) >> u64::BITS) as u64;
    let Some((first, rest)) = entries.split_first() else { return true };
    let (mut before, mut rise) = (top(first), true);
    let mut places = u64::from_ne_bytes(parts(first).1);
    for entry in rest {
        rise &= before < top(entry);
        before = top(entry);
        places |= u64::from_ne_bytes(parts(entry).1);
    }
    rise && u64::from_be(places) & (never | GONE) == 0
}

/// Whether all rise: without branches, for what is right need not be looked at one by one.
fn closely_rise<const SIZE_BYTES: usize>(entries: &[[u8; SIZE_BYTES]], never: u64) -> bool {
    let (mut before, mut is_sound) = (None, true);
    for entry in entries {
        let (hash, place) = parts(entry);
        let (hash, place) = (u128::from_be_bytes(hash), u64::from_be_bytes(place));
        is_sound &= before.is_none_or(|before| hash > before);
        is_sound &= (place & never == 0) & ((place & GONE == 0) | (place & DELETES != 0));
        before = Some(hash);
    }
    is_sound
}

/// The bytes of an entry's hash, and of its place.
fn parts<const SIZE_BYTES: usize>(entry: &[u8; SIZE_BYTES]) -> ([u8; 16], [u8; 8]) {
    let hash = entry.first_chunk().copied().unwrap_or_default();
    let place = entry.get(16..).and_then(<[u8]>::first_chunk).copied().unwrap_or_default();
    (hash, place)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn an_entry_comes_out_of_its_bytes_as_it_went_in(
            hash: u128, offset in 0..MOST_OFFSET, claim: (u64, bool), deletes: bool, gone: bool,
        ) {
            let gone = gone && deletes;
            let hash = KeyHash(hash);
            let entry = Entry { hash, offset: Offset(offset), claim, deletes, gone };
            for (with_claim, claim) in [(true, claim), (false, (0, false))] {
                let (layout, entry) = (EntryLayout { with_claim }, Entry { claim, ..entry });
                let mut bytes = Vec::new();
                layout.encode(&entry, &mut bytes).unwrap();
                prop_assert_eq!(bytes.len(), layout.entry_bytes());
                prop_assert_eq!(layout.decode(&bytes), Some(entry));
                prop_assert_eq!(layout.decode_state(&bytes), Some(entry.into()));
                let (absent, mut bytes) = (KeyState { hash, entry: None }, Vec::new());
                layout.encode_state(&absent, &mut bytes).unwrap();
                prop_assert_eq!(bytes.len(), layout.entry_bytes());
                prop_assert_eq!(layout.decode_state(&bytes), Some(absent));
                prop_assert_eq!(layout.decode(&bytes), None);
            }
        }

        #[test]
        fn entries_rise_at_a_glance_as_they_do_one_by_one(
            hashes in prop::collection::btree_set(0..2000u128, 1..30),
            places in prop::collection::vec(0..32u64, 30),
            is_odd: bool,
            odd: (prop::sample::Index, prop::sample::Index),
            least in 0..20u128,
            shift in 0..117u32,
            with_claim: bool,
        ) {
            let layout = EntryLayout { with_claim };
            let least = least << shift;
            let mut hashes: Vec<u128> = hashes.into_iter().map(|hash| hash << shift).collect();
            if is_odd {
                let (one, other) = (odd.0.index(hashes.len()), odd.1.index(hashes.len()));
                hashes[one] = hashes[other];
            }
            let mut bytes = Vec::new();
            for (hash, place) in hashes.iter().zip(places) {
                bytes.extend(hash.to_be_bytes());
                // Rarely anything odd: the flags of all but one in eight are left out.
                let flags = if place % 8 == 0 { place / 8 * ABSENT } else { 0 };
                bytes.extend((place | flags).to_be_bytes());
                bytes.extend(vec![0; layout.entry_bytes() - 24]);
            }
            let states: Option<Vec<_>> =
                bytes.chunks_exact(layout.entry_bytes()).map(|b| layout.decode(b)).collect();
            let rise = |entries: &[Entry]| {
                entries.is_sorted_by(|a, b| a.hash < b.hash) && entries[0].hash.0 >= least
            };
            let wanted = states.is_some_and(|entries| rise(&entries));
            prop_assert_eq!(layout.all_rise(&bytes, KeyHash(least)), wanted);
            prop_assert!(!layout.all_rise(&bytes[1..], KeyHash(0)));
        }

        #[test]
        fn bytes_are_no_entry_or_exactly_one(bytes: [u8; 32], with_claim: bool) {
            let layout = EntryLayout { with_claim };
            let bytes = &bytes[..layout.entry_bytes()];
            if let Some(entry) = layout.decode(bytes) {
                let mut again = Vec::new();
                layout.encode(&entry, &mut again).unwrap();
                prop_assert_eq!(&again, bytes);
            }
            let mut absent = bytes.to_vec();
            absent[16..].fill(0);
            absent[16] = 0x10;
            for bytes in [bytes, &absent, &[&bytes[..17], &absent[17..]].concat()] {
                if let Some(state) = layout.decode_state(bytes) {
                    let mut again = Vec::new();
                    layout.encode_state(&state, &mut again).unwrap();
                    prop_assert_eq!(&again, bytes);
                }
            }
            prop_assert_eq!(layout.decode(&bytes[1..]), None);
        }
    }

    #[test]
    fn entries_sort_as_their_bytes_do() {
        let hashes = [0, 1, 255, 256, u128::from(u64::MAX) + 1, u128::MAX];
        let bytes = hashes.map(|hash| {
            let mut bytes = Vec::new();
            let (hash, claim) = (KeyHash(hash), (0, false));
            let entry = Entry { hash, offset: Offset(7), claim, deletes: false, gone: false };
            EntryLayout { with_claim: false }.encode(&entry, &mut bytes).unwrap();
            bytes
        });
        assert!(bytes.is_sorted());
    }

    #[test]
    fn an_offset_beyond_the_index_is_refused_and_not_cut() {
        for offset in [-1, MOST_OFFSET, i64::MAX] {
            let refusal = EntryLayout::check(Offset(offset)).unwrap_err().to_string();
            assert!(refusal.contains("--keep-rounds 0"), "{refusal}");
        }
        assert!(EntryLayout::check(Offset(MOST_OFFSET - 1)).is_ok());
    }

    #[test]
    fn a_seed_says_where_keys_are_and_comes_of_the_source() {
        let seed = KeyHashSeed::of_source(b"orders-0", 7);
        assert_eq!(seed, KeyHashSeed::of_source(b"orders-0", 7));
        assert_ne!(seed, KeyHashSeed::of_source(b"orders-1", 7));
        assert_ne!(seed, KeyHashSeed::of_source(b"orders-0", 8));
        assert_ne!(seed.hash(b"a"), seed.hash(b"b"));
        assert_ne!(seed.hash(b"a"), KeyHashSeed(seed.0 ^ 1).hash(b"a"));
        assert_ne!(seed.hash(b""), KeyHashSeed(1).hash(b""));
        let known = 0xba71_a704_3730_30c4_dc23_7d43_fa02_afba_u128;
        assert_eq!(KeyHashSeed(7).hash(b"a key").0, known, "files rest on it");
    }
}
