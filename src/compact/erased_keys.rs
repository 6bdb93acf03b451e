//! Keys of which no record is to be left.
//!
//! They are somebody's secret: nothing here shows one, only the line that it was on.

use std::fmt;
use std::sync::atomic::{AtomicBool, Ordering};

use base64::Engine;
use base64::alphabet::STANDARD;
use base64::engine::{DecodePaddingMode, GeneralPurpose, GeneralPurposeConfig};
use hashbrown::HashTable;
use xxhash_rust::xxh3::xxh3_64;

use crate::segment::{LEADER_EPOCHS, PARTITION_METADATA};

/// What a line begins with whose key is written in base64.
const BASE64_PREFIX: &[u8] = b"base64:";
/// What some editors put in front of a file.
const BYTE_ORDER_MARK: &[u8] = b"\xef\xbb\xbf";
/// Files beside the segments of a partition that hold no keys.
const KAFKAS_OTHERS: [&str; 3] = [LEADER_EPOCHS, PARTITION_METADATA, "quorum-state"];
/// Standard alphabet, with or without padding.
const BASE64: GeneralPurpose = GeneralPurpose::new(
    &STANDARD,
    GeneralPurposeConfig::new().with_decode_padding_mode(DecodePaddingMode::Indifferent),
);

/// The keys of a list, to be found by their bytes.
pub struct ErasedKeys {
    bytes: Bytes,
    keys: Vec<ErasedKey>,
    /// Whether a record had it, by key.
    found: Vec<AtomicBool>,
    /// The numbers of keys, by their hash.
    table: HashTable<u32>,
}

/// Where the bytes of keys are: in the list, or, if they were in base64 there, behind it.
struct Bytes {
    list: Vec<u8>,
    decoded: Vec<u8>,
}

/// Where a key is in both, and on which line it was.
struct ErasedKey {
    start: usize,
    size_bytes: u32,
    line: u32,
}

/// What a key takes beside its bytes: place, mark, number in a table that may be less than half
/// full, and the hash by which rounds look for it.
const BYTES_A_KEY: usize = size_of::<ErasedKey>() + 1 + 5 * (size_of::<u32>() + 1) / 2 + 16;

/// Why a list of keys is not used.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum KeyListError {
    /// No line has a key.
    #[error("there is no key in it")]
    NoKeys,
    /// A line cannot be read.
    #[error("line {0}: what stands behind base64: is not base64")]
    NotBase64(usize),
    /// There are more lines than can be numbered, or there is one of more bytes than that.
    #[error("it has four billion lines, or a line of four billion bytes; split it")]
    TooLong,
    /// To hold the keys takes more memory than there is for them.
    #[error(
        "to hold its keys takes {wanted_bytes} bytes and more, and half of --memory is \
         {most_bytes}; pass a larger --memory, or split the list"
    )]
    NoRoom {
        /// What they take.
        wanted_bytes: usize,
        /// What they may take.
        most_bytes: usize,
    },
}

/// A line of a list.
struct Line<'a> {
    /// From 1.
    number: usize,
    /// Where it starts in the list.
    start: usize,
    text: &'a [u8],
}

/// The lines of a list that are not empty.
fn lines(list: &[u8]) -> impl Iterator<Item = Line<'_>> {
    let mut next = if list.starts_with(BYTE_ORDER_MARK) { BYTE_ORDER_MARK.len() } else { 0 };
    let text = list.get(next..).unwrap_or_default();
    let numbered = (1..).zip(text.split(|byte| *byte == b'\n'));
    let lines = numbered.map(move |(number, line)| {
        let start = next;
        next += line.len() + 1;
        Line { number, start, text: line.strip_suffix(b"\r").unwrap_or(line) }
    });
    lines.filter(|line| !line.text.is_empty())
}

impl ErasedKeys {
    /// Reads a list: a key a line, as bytes, or in base64 behind `base64:`. Lines end in LF or
    /// CRLF, the last may end nowhere; empty lines say nothing. `base64:` alone is the key of no
    /// bytes. With the list itself, the keys may take `most_bytes`.
    ///
    /// # Errors
    /// [`KeyListError`].
    pub fn parse(list: impl Into<Vec<u8>>, most_bytes: usize) -> Result<ErasedKeys, KeyListError> {
        let list: Vec<u8> = list.into();
        let (mut count, mut decoded_bytes) = (0, 0);
        for line in lines(&list) {
            if u32::try_from(line.number.max(line.text.len())).is_err() {
                return Err(KeyListError::TooLong);
            }
            count += 1;
            decoded_bytes += line.text.strip_prefix(BASE64_PREFIX).map_or(0, <[u8]>::len);
        }
        let wanted_bytes = list.capacity() + decoded_bytes + count * BYTES_A_KEY;
        if count == 0 {
            return Err(KeyListError::NoKeys);
        }
        if wanted_bytes > most_bytes {
            return Err(KeyListError::NoRoom { wanted_bytes, most_bytes });
        }
        let mut bytes = Bytes { list: Vec::new(), decoded: Vec::with_capacity(decoded_bytes) };
        let mut keys = Vec::with_capacity(count);
        for line in lines(&list) {
            let (start, size) = match line.text.strip_prefix(BASE64_PREFIX) {
                Some(text) => {
                    let start = bytes.decoded.len();
                    let decoded = BASE64.decode_vec(text, &mut bytes.decoded);
                    decoded.map_err(|_| KeyListError::NotBase64(line.number))?;
                    (list.len() + start, bytes.decoded.len() - start)
                }
                None => (line.start, line.text.len()),
            };
            keys.push(ErasedKey { start, size_bytes: size as u32, line: line.number as u32 });
        }
        bytes.list = list;
        Ok(ErasedKeys::of(bytes, keys))
    }

    /// Those of `keys` that are not there a second time.
    fn of(bytes: Bytes, mut keys: Vec<ErasedKey>) -> ErasedKeys {
        let mut table: HashTable<u32> = HashTable::with_capacity(keys.len());
        let mut kept: usize = 0;
        for number in 0..keys.len() {
            let Some(text) = keys.get(number).map(|key| bytes.of(key)) else { break };
            let hash = xxh3_64(text);
            let is = |known: &u32| keys.get(*known as usize).is_some_and(|k| bytes.of(k) == text);
            if table.find(hash, is).is_none() {
                keys.swap(kept, number);
                let hash_of =
                    |known: &u32| keys.get(*known as usize).map_or(0, |key| xxh3_64(bytes.of(key)));
                table.insert_unique(hash, kept as u32, hash_of);
                kept += 1;
            }
        }
        keys.truncate(kept);
        let found = keys.iter().map(|_| AtomicBool::new(false)).collect();
        ErasedKeys { bytes, keys, found, table }
    }

    /// The number of a key.
    #[inline]
    fn find(&self, key: &[u8]) -> Option<usize> {
        let is = |known: &u32| {
            self.keys.get(*known as usize).is_some_and(|known| self.bytes.of(known) == key)
        };
        self.table.find(xxh3_64(key), is).map(|number| *number as usize)
    }

    /// Whether the records of `key` are to go; it is remembered that there was one.
    #[inline]
    pub fn has(&self, key: &[u8]) -> bool {
        let Some(found) = self.find(key).and_then(|number| self.found.get(number)) else {
            return false;
        };
        if !found.load(Ordering::Relaxed) {
            found.store(true, Ordering::Relaxed);
        }
        true
    }

    /// Whether `key` is among them.
    pub fn contains(&self, key: &[u8]) -> bool {
        self.find(key).is_some()
    }

    /// The keys, in no order.
    pub fn iter(&self) -> impl Iterator<Item = &[u8]> {
        self.keys.iter().map(|key| self.bytes.of(key))
    }

    /// How many they are.
    pub fn count(&self) -> usize {
        self.keys.len()
    }

    /// The lines of the keys that no record has had so far, rising.
    pub fn lines_not_found(&self) -> Vec<usize> {
        let all = self.keys.iter().zip(&self.found);
        let unseen = all.filter(|(_, found)| !found.load(Ordering::Relaxed));
        let mut lines: Vec<usize> = unseen.map(|(key, _)| key.line as usize).collect();
        lines.sort_unstable();
        lines
    }

    /// What they take up in memory at most.
    pub fn allocated_bytes(&self) -> usize {
        let Bytes { list, decoded } = &self.bytes;
        list.capacity() + decoded.capacity() + self.keys.capacity() * BYTES_A_KEY
    }
}

impl Bytes {
    fn of(&self, key: &ErasedKey) -> &[u8] {
        let (bytes, start) = match key.start.checked_sub(self.list.len()) {
            Some(start) => (&self.decoded, start),
            None => (&self.list, key.start),
        };
        bytes.get(start..start + key.size_bytes as usize).unwrap_or_default()
    }
}

/// What is to be said of files in a partition directory that are none of Kafka's: they are kept,
/// and nobody has looked into them.
pub fn unsearched(others: &[String]) -> Option<String> {
    let is_kafkas = |name: &&String| KAFKAS_OTHERS.contains(&name.as_str());
    let names: Vec<&str> =
        others.iter().filter(|name| !is_kafkas(name)).map(String::as_str).collect();
    let (first, rest) = names.split_first()?;
    let more = if rest.is_empty() { String::new() } else { format!(" and {} more", rest.len()) };
    Some(format!("{first}{more}: kept as it is, and not searched for what is to be erased"))
}

impl fmt::Debug for ErasedKeys {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "ErasedKeys({})", self.count())
    }
}

impl PartialEq for ErasedKeys {
    fn eq(&self, other: &ErasedKeys) -> bool {
        let has_all = self.iter().all(|key| other.contains(key));
        self.count() == other.count() && has_all
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn keys_of(list: &[u8]) -> Vec<Vec<u8>> {
        let parsed = ErasedKeys::parse(list, usize::MAX).unwrap();
        let mut keys: Vec<Vec<u8>> = parsed.iter().map(<[u8]>::to_vec).collect();
        keys.sort();
        keys
    }

    #[test]
    fn a_key_is_a_line_whatever_ends_it_and_empty_lines_say_nothing() {
        assert_eq!(keys_of(b"one\ntwo"), [b"one", b"two"]);
        assert_eq!(keys_of(b"\xef\xbb\xbfone\r\n\r\n\ntwo\r\none\n"), [b"one", b"two"]);
        assert_eq!(keys_of(b" a \n\tb"), [&b"\tb"[..], b" a "]);
        assert_eq!(keys_of(b"\xff\x00\n"), [b"\xff\x00"]);
    }

    #[test]
    fn base64_names_any_bytes_and_none_at_all() {
        assert_eq!(keys_of(b"base64:\n"), [b""]);
        assert_eq!(keys_of(b"base64:YQo=\nbase64:YQo\r\n"), [b"a\n"]);
        assert_eq!(keys_of(b"base64:YmFzZTY0Ong="), [b"base64:x"]);
    }

    #[test]
    fn a_list_without_a_key_or_with_a_line_that_cannot_be_read_is_refused() {
        for list in [&b""[..], b"\n\r\n", b"\xef\xbb\xbf"] {
            assert_eq!(ErasedKeys::parse(list, usize::MAX).unwrap_err(), KeyListError::NoKeys);
        }
        for line in [&b"base64:?"[..], b"base64:YQ==x", b"base64: YQ==", b"base64:YQ== "] {
            let list = [b"a\n\n", line, b"\nb"].concat();
            assert_eq!(
                ErasedKeys::parse(list, usize::MAX).unwrap_err(),
                KeyListError::NotBase64(3)
            );
        }
    }

    #[test]
    fn keys_that_no_record_had_are_told_by_their_lines_and_never_shown() {
        let keys = ErasedKeys::parse(b"secret\n\nother\nsecret\nthird", usize::MAX).unwrap();
        assert!(keys.has(b"other") && !keys.has(b"othe") && keys.contains(b"third"));
        assert_eq!((keys.count(), keys.lines_not_found()), (3, vec![1, 5]));
        assert_eq!(format!("{keys:?}"), "ErasedKeys(3)");
    }

    #[test]
    fn keys_take_no_more_than_was_said_and_than_they_may() {
        let list: String = (0..30_000).map(|n| format!("key-{n}\nbase64:eHh4{n:08}\n")).collect();
        let keys = ErasedKeys::parse(list.as_str(), usize::MAX).unwrap();
        assert_eq!(keys.count(), 60_000);
        let most_bytes = keys.allocated_bytes();
        assert!(most_bytes < 70 * keys.count(), "{most_bytes}");
        let held = keys.table.allocation_size()
            + keys.found.capacity()
            + keys.keys.capacity() * size_of::<ErasedKey>()
            + keys.bytes.list.capacity()
            + keys.bytes.decoded.capacity();
        // And the hashes of rounds.
        assert!(held + 16 * keys.count() <= most_bytes, "{held}");
        assert!(ErasedKeys::parse(list.as_str(), most_bytes).is_ok());
        let refusal = ErasedKeys::parse(list.as_str(), most_bytes - 1).unwrap_err();
        assert!(matches!(refusal, KeyListError::NoRoom { .. }), "{refusal}");
        assert!((0..30_000).all(|n| keys.contains(format!("key-{n}").as_bytes())));
    }
}
