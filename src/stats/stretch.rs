//! One stretch of a log looked at by itself: what adds up, and what must be heard in log order.

use std::cell::RefCell;

use xxhash_rust::xxh3::xxh3_128;

use super::frequent::Place;
use super::tally::{CodecTally, Tally, TimeSpan};
use super::transactions::Step;
use crate::format::{Batch, Codec, Decoder, Flaw, HEADER_BYTES, Record};
use crate::segment::{Damaged, LogFile, TxnBatch, check_record};
use crate::units::{Offset, Position, Timestamp};
use crate::verify::{Sight, Stretch};

/// More keys than this are not remembered of a stretch: its listener reads them again. Only a
/// stretch that expands to tens of megabytes has so many.
const MOST_KEYS: usize = 1 << 17;

thread_local! {
    static DECODER: RefCell<Decoder> = RefCell::new(Decoder::new());
}

/// How a log is looked at.
#[derive(Clone, Copy, Debug)]
pub struct Look {
    /// The base of the segment behind this one.
    pub bound: Option<Offset>,
    /// The number of the segment, if keys are wanted.
    pub keys_of: Option<u32>,
}

/// A key that was seen.
#[derive(Clone, Copy, Debug)]
pub struct KeySeen {
    /// Stands for it.
    pub digest: u128,
    /// Bytes of key and value.
    pub bytes: u32,
    /// Where it can be read again.
    pub place: Place,
}

/// What was seen in a stretch.
#[derive(Debug, Default)]
pub struct Seen {
    /// What adds up.
    pub tally: Tally,
    /// The offset behind the last sound batch.
    pub next_offset: Option<Offset>,
    /// What its transactions did.
    pub steps: Vec<Step>,
    /// Its keys, a record each.
    pub keys: Vec<KeySeen>,
    /// Its keys were too many, and are not there.
    pub has_too_many_keys: bool,
    /// What is no sound batch.
    pub damage: Vec<Damaged>,
    /// Where it starts.
    pub start: Position,
    /// Where the first batch behind it starts.
    pub arrived: Position,
}

impl Sight for Seen {
    fn arrived(&self) -> Position {
        self.arrived
    }
}

/// What stands for a key. The same key always has the same digest, so that estimates repeat; two
/// keys have the same one with a chance of 2^-128.
pub fn digest(key: &[u8]) -> u128 {
    xxh3_128(key)
}

/// Looks at a stretch.
pub fn look(log: &LogFile, stretch: Stretch, look: Look) -> Seen {
    let mut seen = Seen { start: stretch.start, ..Seen::default() };
    let mut items = log.batches_from(stretch.start).until(stretch.end).checked();
    DECODER.with_borrow_mut(|decoder| {
        for item in items.by_ref() {
            let (position, batch) = match item {
                Ok(found) => found,
                Err(damaged) => {
                    seen.damage.push(damaged);
                    continue;
                }
            };
            let known = seen.keys.len();
            let keys_of = look.keys_of.filter(|_| !seen.has_too_many_keys);
            let outcome = check_place(&batch, log.base(), look.bound).and_then(|()| {
                one(&batch, position, keys_of.map(|at| (at, &mut seen.keys)), decoder)
            });
            match outcome {
                Ok(found) => seen.add(&batch, position, &found, decoder),
                Err(flaw) => {
                    seen.keys.truncate(known);
                    let size_bytes = batch.header.size_bytes as u64;
                    seen.damage.push(Damaged { position, size_bytes, flaw });
                }
            }
            if seen.keys.len() > MOST_KEYS {
                seen.has_too_many_keys = true;
                seen.keys = Vec::new();
            }
        }
    });
    seen.arrived = items.position();
    seen
}

/// Gives the keys of a stretch that has too many of them to be remembered.
pub fn for_each_key(log: &LogFile, seen: &Seen, look: Look, mut hear: impl FnMut(&KeySeen)) {
    let Some(segment) = look.keys_of else { return };
    let mut decoder = Decoder::new();
    let mut keys = Vec::new();
    for item in log.batches_from(seen.start).until(seen.arrived).checked() {
        let Ok((position, batch)) = item else { continue };
        keys.clear();
        let sound = check_place(&batch, log.base(), look.bound)
            .and_then(|()| one(&batch, position, Some((segment, &mut keys)), &mut decoder));
        if sound.is_ok() {
            keys.iter().for_each(&mut hear);
        }
    }
}

fn check_place(batch: &Batch<'_>, base: Offset, bound: Option<Offset>) -> Result<(), Flaw> {
    batch.check_header()?;
    if batch.header.base_offset < base {
        return Err(Flaw::Header("its offsets are below those of its segment"));
    }
    if bound.is_some_and(|bound| batch.header.last_offset >= bound) {
        return Err(Flaw::Header("its offsets reach into the next segment"));
    }
    Ok(())
}

/// What the records of a batch add up to.
#[derive(Default)]
struct Found {
    records: u64,
    tombstones: u64,
    null_keys: u64,
    empty_keys: u64,
    key_bytes: u64,
    value_bytes: u64,
    plain_bytes: u64,
    span: TimeSpan,
}

fn one(
    batch: &Batch<'_>,
    position: Position,
    mut keys: Option<(u32, &mut Vec<KeySeen>)>,
    decoder: &mut Decoder,
) -> Result<Found, Flaw> {
    let header = &batch.header;
    let mut found = Found::default();
    let records = decoder.records(batch)?;
    found.plain_bytes = match (header.codec(), header.magic) {
        (Codec::None, _) => header.size_bytes,
        (_, 2) => HEADER_BYTES + records.rest_bytes(),
        _ => records.rest_bytes(),
    } as u64;
    let position = u32::try_from(position.0).unwrap_or(u32::MAX);
    let is_data = !header.is_control();
    for (index, record) in (0..).zip(records) {
        let record = record?;
        check_record(&record, index, Offset(0))?;
        found.records += 1;
        found.span.reach(record.timestamp);
        if is_data {
            let key = found.data(&record);
            if let (Some((segment, keys)), Some((digest, bytes))) = (&mut keys, key) {
                let place = Place { segment: *segment, position, index };
                keys.push(KeySeen { digest, bytes, place });
            }
        }
    }
    Ok(found)
}

impl Found {
    /// Adds a record of a user's; gives the digest of its key, and the bytes of key and value.
    #[inline]
    fn data(&mut self, record: &Record<'_>) -> Option<(u128, u32)> {
        let value_bytes = record.value.map_or(0, <[u8]>::len);
        self.value_bytes += value_bytes as u64;
        self.tombstones += u64::from(record.value.is_none());
        let Some(key) = record.key else {
            self.null_keys += 1;
            return None;
        };
        self.empty_keys += u64::from(key.is_empty());
        self.key_bytes += key.len() as u64;
        let bytes = u32::try_from(key.len() + value_bytes).unwrap_or(u32::MAX);
        Some((digest(key), bytes))
    }
}

impl Seen {
    fn add(&mut self, batch: &Batch<'_>, position: Position, found: &Found, decoder: &mut Decoder) {
        let header = &batch.header;
        let bytes = header.size_bytes as u64;
        let tally = &mut self.tally;
        tally.batches += 1;
        tally.emptied_batches += u64::from(found.records == 0);
        tally.records += found.records;
        tally.control_records += if header.is_control() { found.records } else { 0 };
        tally.tombstones += found.tombstones;
        tally.null_keys += found.null_keys;
        tally.empty_keys += found.empty_keys;
        tally.key_bytes += found.key_bytes;
        tally.value_bytes += found.value_bytes;
        if let Some((from, to)) = found.span.0 {
            tally.time_span.reach(Timestamp(from));
            tally.time_span.reach(Timestamp(to));
        }
        let CodecTally { batches, records, bytes: stored, plain_bytes } =
            tally.codecs.entry(header.codec().name()).or_default();
        *batches += 1;
        *records += found.records;
        *stored += bytes;
        *plain_bytes += found.plain_bytes;
        *tally.magics.entry(header.magic).or_default() += 1;
        tally.batch_bytes.add_value(bytes);
        tally.batch_records.add_value(found.records);
        tally.bytes_over_time.add_bytes(header.max_timestamp, bytes);
        self.next_offset = self.next_offset.max(Some(header.last_offset.next()));
        let txn = TxnBatch::of(position, batch, decoder);
        let timestamp = header.max_timestamp;
        self.steps.extend(txn.map(|batch| Step { batch, timestamp }));
    }
}
