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

/// What a line begins with whose key is written in base64.
const BASE64_PREFIX: &[u8] = b"base64:";
/// What some editors put in front of a file.
const BYTE_ORDER_MARK: &[u8] = b"\xef\xbb\xbf";
/// Files beside the segments of a partition that hold no keys.
const KAFKAS_OTHERS: [&str; 3] = ["leader-epoch-checkpoint", "partition.metadata", "quorum-state"];
/// Standard alphabet, with or without padding.
const BASE64: GeneralPurpose = GeneralPurpose::new(
    &STANDARD,
    GeneralPurposeConfig::new().with_decode_padding_mode(DecodePaddingMode::Indifferent),
);

/// The keys of a list, to be found by their bytes.
pub struct ErasedKeys {
    keys: HashTable<ErasedKey>,
    /// Of all keys.
    size_bytes: usize,
}

struct ErasedKey {
    bytes: Box<[u8]>,
    line: usize,
    found: AtomicBool,
}

/// Why a list of keys is not used.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum KeyListError {
    /// No line has a key.
    #[error("there is no key in it")]
    NoKeys,
    /// A line cannot be read.
    #[error("line {0}: what stands behind base64: is not base64")]
    NotBase64(usize),
}

impl ErasedKeys {
    /// Reads a list: a key a line, as bytes, or in base64 behind `base64:`. Lines end in LF or
    /// CRLF, the last may end nowhere; empty lines say nothing. `base64:` alone is the key of no
    /// bytes.
    ///
    /// # Errors
    /// [`KeyListError`].
    pub fn parse(list: &[u8]) -> Result<ErasedKeys, KeyListError> {
        let list = list.strip_prefix(BYTE_ORDER_MARK).unwrap_or(list);
        let mut keys = ErasedKeys { keys: HashTable::new(), size_bytes: 0 };
        for (number, line) in (1..).zip(list.split(|byte| *byte == b'\n')) {
            let line = line.strip_suffix(b"\r").unwrap_or(line);
            match line.strip_prefix(BASE64_PREFIX) {
                Some(text) => {
                    let key = BASE64.decode(text).map_err(|_| KeyListError::NotBase64(number))?;
                    keys.add(key.into(), number);
                }
                None if line.is_empty() => {}
                None => keys.add(line.into(), number),
            }
        }
        if keys.keys.is_empty() { Err(KeyListError::NoKeys) } else { Ok(keys) }
    }

    fn add(&mut self, bytes: Box<[u8]>, line: usize) {
        if self.find(&bytes).is_none() {
            let hash = xxh3_64(&bytes);
            self.size_bytes += bytes.len();
            let key = ErasedKey { bytes, line, found: AtomicBool::new(false) };
            self.keys.insert_unique(hash, key, |key| xxh3_64(&key.bytes));
        }
    }

    #[inline]
    fn find(&self, key: &[u8]) -> Option<&ErasedKey> {
        self.keys.find(xxh3_64(key), |known| *known.bytes == *key)
    }

    /// Whether the records of `key` are to go; it is remembered that there was one.
    #[inline]
    pub fn has(&self, key: &[u8]) -> bool {
        let Some(known) = self.find(key) else { return false };
        if !known.found.load(Ordering::Relaxed) {
            known.found.store(true, Ordering::Relaxed);
        }
        true
    }

    /// Whether `key` is among them.
    pub fn contains(&self, key: &[u8]) -> bool {
        self.find(key).is_some()
    }

    /// The keys, in no order.
    pub fn iter(&self) -> impl Iterator<Item = &[u8]> {
        self.keys.iter().map(|key| &*key.bytes)
    }

    /// How many they are.
    pub fn count(&self) -> usize {
        self.keys.len()
    }

    /// The lines of the keys that no record has had so far, rising.
    pub fn lines_not_found(&self) -> Vec<usize> {
        let unseen = self.keys.iter().filter(|key| !key.found.load(Ordering::Relaxed));
        let mut lines: Vec<usize> = unseen.map(|key| key.line).collect();
        lines.sort_unstable();
        lines
    }

    /// What they take up in memory, more or less.
    pub fn allocated_bytes(&self) -> usize {
        self.size_bytes + self.keys.capacity() * (size_of::<ErasedKey>() + 1)
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
        let has_all = self.keys.iter().all(|key| other.contains(&key.bytes));
        self.count() == other.count() && has_all
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn keys_of(list: &[u8]) -> Vec<Vec<u8>> {
        let parsed = ErasedKeys::parse(list).unwrap();
        let mut keys: Vec<Vec<u8>> = parsed.keys.iter().map(|key| key.bytes.to_vec()).collect();
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
            assert_eq!(ErasedKeys::parse(list).unwrap_err(), KeyListError::NoKeys);
        }
        for line in [&b"base64:?"[..], b"base64:YQ==x", b"base64: YQ==", b"base64:YQ== "] {
            let list = [b"a\n\n", line, b"\nb"].concat();
            assert_eq!(ErasedKeys::parse(&list).unwrap_err(), KeyListError::NotBase64(3));
        }
    }

    #[test]
    fn keys_that_no_record_had_are_told_by_their_lines_and_never_shown() {
        let keys = ErasedKeys::parse(b"secret\n\nother\nsecret\nthird").unwrap();
        assert!(keys.has(b"other") && !keys.has(b"othe") && keys.contains(b"third"));
        assert_eq!((keys.count(), keys.lines_not_found()), (3, vec![1, 5]));
        assert_eq!(format!("{keys:?}"), "ErasedKeys(3)");
    }
}
