//! Batches of any magic: reading ends, says the same whichever way it is done, and what is written
//! of the records is read back alike.

use logcompact::format::codec::{Room, Workbench};
use logcompact::format::{
    Batch, BatchHeader, Decoder, EmptyBatch, Flaw, HEADER_BYTES, Rebuild, Record, Records, Reread,
    rebuild_message_set,
};
use logcompact::units::{Offset, Timestamp};

const LIMIT_BYTES: usize = 1 << 20;

/// A decoder that lets no body grow beyond a megabyte, to keep runs short.
pub fn decoder() -> Decoder {
    let mut decoder = Decoder::new();
    *decoder.workbench() = Workbench::with_limit(LIMIT_BYTES);
    decoder
}

/// A record, owned, as far as it must come through a rewrite.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Kept {
    pub offset: Offset,
    pub timestamp: Timestamp,
    pub sequence: i32,
    pub key: Option<Vec<u8>>,
    pub value: Option<Vec<u8>>,
    /// The headers one by one, or none where they overrun the record.
    pub headers: Vec<(Vec<u8>, Option<Vec<u8>>)>,
}

impl Kept {
    pub fn of(record: &Record<'_>) -> Kept {
        let headers = record.headers().map_while(Result::ok);
        Kept {
            offset: record.offset,
            timestamp: record.timestamp,
            sequence: record.sequence,
            key: record.key.map(<[u8]>::to_vec),
            value: record.value.map(<[u8]>::to_vec),
            headers: headers.map(|h| (h.key.to_vec(), h.value.map(<[u8]>::to_vec))).collect(),
        }
    }
}

/// The records of a batch, or its flaw.
pub fn records_of(batch: &Batch<'_>, decoder: &mut Decoder) -> Result<Vec<Kept>, Flaw> {
    decoder.records(batch)?.map(|record| record.map(|record| Kept::of(&record))).collect()
}

/// Batches of magic 2, one behind the other.
pub fn batch(data: &[u8]) {
    each_batch(data, |batch, decoder| {
        one(batch, decoder);
        if batch.is_magic_2() {
            swept(batch, decoder);
            skipped(batch, decoder);
            in_a_room(batch, decoder);
        }
    });
}

/// Messages and message sets of magic 0 and 1, one behind the other.
pub fn legacy_set(data: &[u8]) {
    each_batch(data, |batch, decoder| {
        one(batch, decoder);
        if batch.header.is_wrapper() {
            kept_in_its_magic(batch, decoder);
        }
    });
}

fn each_batch(data: &[u8], mut each: impl FnMut(&Batch<'_>, &mut Decoder)) {
    let mut decoder = decoder();
    let mut rest = data;
    while let Ok(batch) = Batch::parse(rest) {
        assert_eq!(Batch::claimed_size(rest), Some(batch.header.size_bytes));
        assert!(batch.header.size_bytes <= rest.len());
        let _ = batch.check_crc();
        each(&batch, &mut decoder);
        rest = &rest[batch.header.size_bytes..];
    }
}

/// What holds for a batch of any magic: its records lie within it, and rise; rebuilt, it has the
/// same ones.
fn one(batch: &Batch<'_>, decoder: &mut Decoder) {
    let Ok(records) = records_of(batch, decoder) else { return };
    assert!(batch.check_header().is_ok(), "records without a header that holds");
    let header = &batch.header;
    assert!(records.iter().all(|record| record.offset >= Offset(0)));
    assert!(records.iter().all(|record| record.offset <= header.last_offset));
    assert!(records.windows(2).all(|pair| pair[0].offset < pair[1].offset), "offsets rise");
    for horizon in [None, Some(Timestamp(7))] {
        let (mut out, mut scratch) = (b"before".to_vec(), Vec::new());
        let mut rebuild = Rebuild::new(header, horizon, &mut out, &mut scratch);
        for record in decoder.records(batch).unwrap() {
            rebuild.push(&record.unwrap());
        }
        let Ok(rebuilt) = rebuild.finish(decoder.workbench()) else {
            // Only what magic 0 and 1 hold may be too much for one batch.
            assert!(header.magic < 2);
            continue;
        };
        if records.is_empty() {
            continue;
        }
        let again = parsed(&out[6..], &rebuilt);
        let last = records.last().map(|record| record.offset);
        let wanted = if header.magic < 2 { last } else { Some(header.last_offset) };
        assert_eq!(Some(again.header.last_offset), wanted);
        assert_eq!(records_of(&again, decoder).as_ref(), Ok(&records));
    }
    let mut out = Vec::new();
    let empty = EmptyBatch::put(header, &mut out);
    assert_eq!(out.len(), HEADER_BYTES);
    assert_eq!(records_of(&parsed(&out, &empty), decoder), Ok(Vec::new()));
}

fn parsed<'a>(bytes: &'a [u8], wanted: &BatchHeader) -> Batch<'a> {
    let batch = Batch::parse(bytes).expect("what was written is a batch");
    assert_eq!(&batch.header, wanted);
    assert_eq!((batch.check_crc(), batch.check_header()), (Ok(()), Ok(())));
    batch
}

/// A sweep never vouches for what the iterator finds fault with.
fn swept(batch: &Batch<'_>, decoder: &mut Decoder) {
    let Ok(Records::V2(records)) = decoder.records(batch) else { return };
    let Some(sweep) = records.sweep() else { return };
    let mut count = 0;
    let mut largest = Timestamp::NONE;
    for record in records {
        let record = record.expect("a sweep vouched for it");
        record.check_headers().expect("a sweep vouched for its headers");
        count += 1;
        largest = largest.max(record.timestamp);
    }
    assert_eq!((sweep.records, sweep.largest_timestamp), (count, largest));
}

/// Passing over records by their lengths arrives where reading them does, and so does going to the
/// marks that reading has left.
fn skipped(batch: &Batch<'_>, decoder: &mut Decoder) {
    let Ok(records) = records_of(batch, decoder) else { return };
    let mut walk = decoder.records(batch).unwrap();
    let marks = std::iter::from_fn(|| Some((walk.mark(), walk.next()?)));
    let marks: Vec<u32> = marks.map(|(mark, _)| mark).collect();
    for (n, record) in records.iter().enumerate().take(20) {
        let found = decoder.records(batch).unwrap().nth(n).unwrap().unwrap();
        assert_eq!(&Kept::of(&found), record);
        let mut again = decoder.records(batch).unwrap();
        let mut at = 0;
        for next in [n / 2, n] {
            let Some(ahead) = next.checked_sub(at) else { continue };
            let found = again.nth_at(ahead, marks.get(next).copied()).unwrap().unwrap();
            assert_eq!(Kept::of(&found), records[next]);
            at = next + 1;
        }
    }
}

/// A body that waits in a room reads as one that was just decompressed.
fn in_a_room(batch: &Batch<'_>, decoder: &mut Decoder) {
    let read = records_of(batch, decoder);
    let mut room = Room::default();
    if batch.body().is_empty() {
        return;
    }
    let place = decoder.body_within(batch, &mut room, LIMIT_BYTES);
    assert!(room.filled() <= LIMIT_BYTES);
    if let Ok(Some(place)) = place {
        let again = Records::of_body(batch.header, room.get(place));
        let again: Result<Vec<Kept>, Flaw> = again.map(|r| r.map(|r| Kept::of(&r))).collect();
        assert_eq!(again, read);
    }
}

/// A message set rebuilt in its own magic holds the same messages.
fn kept_in_its_magic(batch: &Batch<'_>, decoder: &mut Decoder) {
    let header = &batch.header;
    let Ok(records) = records_of(batch, decoder) else { return };
    let append_time = header.attributes.is_log_append_time();
    let all = decoder.records(batch).unwrap().map(Result::unwrap).collect::<Vec<_>>();
    let has_foreign = all.iter().any(|record| record.magic != header.magic);
    let mut out = Vec::new();
    rebuild_message_set(header, &all, &mut Workbench::new(), &mut out).unwrap();
    let again = Batch::parse(&out).expect("what was written is a batch");
    assert_eq!((again.check_crc(), again.check_header()), (Ok(()), Ok(())));
    if has_foreign || append_time {
        return; // messages of another magic take on that of their set, timestamps included
    }
    assert_eq!(records_of(&again, &mut self::decoder()).as_ref(), Ok(&records));
}
