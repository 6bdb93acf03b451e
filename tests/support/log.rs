//! Segments written byte by byte, by a writer that shares only the codecs with the program's own.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

use logcompact::format::codec::{Codec, Workbench};

/// A record to be written: key, value.
pub type Pair<'a> = (Option<&'a [u8]>, Option<&'a [u8]>);

/// A record with a key and a value.
pub fn put<'a>(key: &'a str, value: &'a str) -> Pair<'a> {
    (Some(key.as_bytes()), Some(value.as_bytes()))
}

/// A record that deletes a key.
pub fn tombstone(key: &str) -> Pair<'_> {
    (Some(key.as_bytes()), None)
}

/// What a batch is besides its records.
#[derive(Clone, Copy)]
pub struct BatchKind {
    pub attributes: i16,
    pub producer_id: i64,
    pub base_sequence: i32,
}

pub const PLAIN: BatchKind = BatchKind { attributes: 0, producer_id: -1, base_sequence: -1 };
const TRANSACTIONAL: i16 = 1 << 4;
const CONTROL: i16 = 1 << 5;

/// First offsets of open transactions by producer, and the entries of the open segment's
/// `.txnindex`.
type Txns = (BTreeMap<i64, i64>, Vec<u8>);

/// Builds one partition directory.
pub struct Log {
    dir: PathBuf,
    next_offset: i64,
    base: i64,
    open: Vec<u8>,
    pub now_ms: i64,
    /// The next sequence of each producer.
    sequences: BTreeMap<i64, i32>,
    /// If `.txnindex` files are to be written.
    txns: Option<Txns>,
}

impl Log {
    /// An empty log in `root/<name>`.
    pub fn create(root: &Path, name: &str) -> Log {
        let dir = root.join(name);
        fs::create_dir_all(&dir).unwrap();
        Log {
            dir,
            next_offset: 0,
            base: 0,
            open: Vec::new(),
            now_ms: 1_700_000_000_000,
            txns: None,
            sequences: BTreeMap::new(),
        }
    }

    /// From here on, aborted transactions get their entries in the `.txnindex`.
    pub fn with_txn_index(mut self) -> Log {
        self.txns = Some(Default::default());
        self
    }

    /// Appends a batch of records, a millisecond apart.
    pub fn batch(&mut self, records: &[Pair<'_>]) -> &mut Log {
        self.batch_of(PLAIN, records)
    }

    /// Appends a batch of a transaction.
    pub fn transactional(&mut self, producer_id: i64, records: &[Pair<'_>]) -> &mut Log {
        let next = self.sequences.entry(producer_id).or_default();
        let base_sequence = *next;
        *next += records.len() as i32;
        let kind = BatchKind { attributes: TRANSACTIONAL, producer_id, base_sequence };
        if let Some((open, _)) = &mut self.txns {
            open.entry(producer_id).or_insert(self.next_offset);
        }
        self.batch_of(kind, records)
    }

    /// Appends a marker.
    pub fn marker(&mut self, producer_id: i64, commit: bool) -> &mut Log {
        let attributes = TRANSACTIONAL | CONTROL;
        let kind = BatchKind { attributes, producer_id, base_sequence: -1 };
        let key = [0, 0, 0, u8::from(commit)];
        if let Some((open, index)) = &mut self.txns
            && let Some(first) = open.remove(&producer_id)
            && !commit
        {
            let stable = open.values().min().copied().unwrap_or(self.next_offset + 1);
            index.extend_from_slice(&[0, 0]);
            for number in [producer_id, first, self.next_offset, stable] {
                index.extend_from_slice(&number.to_be_bytes());
            }
        }
        self.batch_of(kind, &[(Some(&key), Some(&[0, 0, 0, 0, 0, 0]))])
    }

    /// Appends a batch of any kind.
    pub fn batch_of(&mut self, kind: BatchKind, records: &[Pair<'_>]) -> &mut Log {
        let bytes = batch_bytes(self.next_offset, self.now_ms, kind, records);
        self.now_ms += records.len() as i64;
        self.next_offset += records.len() as i64;
        self.raw(&bytes)
    }

    /// Appends bytes as they are.
    pub fn raw(&mut self, bytes: &[u8]) -> &mut Log {
        self.open.extend_from_slice(bytes);
        self
    }

    /// The offset that comes next.
    pub fn next_offset(&self) -> i64 {
        self.next_offset
    }

    /// Closes the segment and opens the next.
    pub fn roll(&mut self) -> &mut Log {
        self.flush();
        self.base = self.next_offset;
        self.open.clear();
        self.txns.iter_mut().for_each(|(_, index)| index.clear());
        self
    }

    /// Leaves out as many offsets as `records` would take, and their time.
    pub fn pass_over(&mut self, records: usize) -> &mut Log {
        self.now_ms += records as i64;
        self.skip_to(self.next_offset + records as i64)
    }

    /// Leaves out offsets.
    pub fn skip_to(&mut self, offset: i64) -> &mut Log {
        self.next_offset = offset;
        self
    }

    /// Writes the open segment and gives the directory.
    pub fn flush(&mut self) -> PathBuf {
        let path = |kind: &str| self.dir.join(format!("{:020}.{kind}", self.base));
        fs::write(path("log"), &self.open).unwrap();
        fs::write(path("index"), []).unwrap();
        fs::write(path("timeindex"), []).unwrap();
        if let Some((_, index)) = self.txns.as_ref().filter(|(_, index)| !index.is_empty()) {
            fs::write(path("txnindex"), index).unwrap();
        }
        self.dir.clone()
    }
}

/// Where the first control batch of a log starts.
pub fn first_marker(bytes: &[u8]) -> usize {
    let mut at = 0;
    while bytes[at + 22] & 0x20 == 0 {
        at += 12 + i32::from_be_bytes(bytes[at + 8..at + 12].try_into().unwrap()) as usize;
    }
    at
}

/// The bytes of a magic 2 batch; the codec is that of the attributes.
pub fn batch_bytes(
    base_offset: i64,
    now_ms: i64,
    kind: BatchKind,
    records: &[Pair<'_>],
) -> Vec<u8> {
    let mut body = Vec::new();
    for (delta, (key, value)) in records.iter().enumerate() {
        let mut record = vec![0];
        zigzag(&mut record, delta as i64);
        zigzag(&mut record, delta as i64);
        for field in [key, value] {
            zigzag(&mut record, field.map_or(-1, |bytes| bytes.len() as i64));
            record.extend_from_slice(field.unwrap_or_default());
        }
        record.push(0);
        zigzag(&mut body, record.len() as i64);
        body.extend_from_slice(&record);
    }
    let count = records.len() as i32;
    let mut checked = Vec::new();
    checked.extend_from_slice(&kind.attributes.to_be_bytes());
    checked.extend_from_slice(&(count - 1).to_be_bytes());
    checked.extend_from_slice(&now_ms.to_be_bytes());
    checked.extend_from_slice(&(now_ms + i64::from(count) - 1).to_be_bytes());
    checked.extend_from_slice(&kind.producer_id.to_be_bytes());
    checked.extend_from_slice(&(if kind.producer_id < 0 { -1i16 } else { 0 }).to_be_bytes());
    checked.extend_from_slice(&kind.base_sequence.to_be_bytes());
    checked.extend_from_slice(&count.to_be_bytes());
    let codec = Codec::from_id((kind.attributes & 7) as u8).unwrap();
    Workbench::new().compress(codec, 2, &body, &mut checked).unwrap();
    seal(base_offset, &checked)
}

/// A magic 2 batch of what its checksum covers, from the attributes on.
pub fn seal(base_offset: i64, checked: &[u8]) -> Vec<u8> {
    let mut batch = Vec::new();
    batch.extend_from_slice(&base_offset.to_be_bytes());
    batch.extend_from_slice(&(checked.len() as i32 + 9).to_be_bytes());
    batch.extend_from_slice(&0i32.to_be_bytes());
    batch.push(2);
    batch.extend_from_slice(&crc_fast::crc32_iscsi(checked).to_be_bytes());
    batch.extend_from_slice(checked);
    batch
}

/// A number as a zig-zag integer of variable length.
pub fn zigzag(out: &mut Vec<u8>, value: i64) {
    let mut rest = ((value << 1) ^ (value >> 63)) as u64;
    while rest >= 0x80 {
        out.push(rest as u8 | 0x80);
        rest >>= 7;
    }
    out.push(rest as u8);
}
