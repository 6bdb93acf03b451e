//! A batch cut in two at an offset, so that what lies in front of it can be read without the rest.
//!
//! Each half is what a producer could have sent: offsets and sequences go on from one to the other
//! without a gap, and records keep theirs. Codec, producer, flags and delete horizon are the whole
//! batch's. Kafka has nothing like it; what it rests on is that a batch's sequences count its
//! offsets (`DefaultRecordBatch.lastSequence`).

use super::codec::Workbench;
use super::{
    Batch, BatchHeader, Decoder, EmptyBatch, Flaw, Rebuild, RebuildError, Record,
    rebuild_message_set,
};
use crate::units::Offset;

/// Why a batch cannot be cut in two.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum SplitError {
    /// It cannot be read.
    #[error(transparent)]
    Flaw(#[from] Flaw),
    /// A half cannot be made.
    #[error(transparent)]
    Rebuild(#[from] RebuildError),
}

/// The halves of `batch` in front of `offset` and from there on, which must lie within it: above
/// its first offset, and not above its last.
///
/// # Errors
/// [`SplitError`]; the checksum is the caller's business.
pub fn split(
    batch: &Batch<'_>,
    offset: Offset,
    decoder: &mut Decoder,
) -> Result<(Vec<u8>, Vec<u8>), SplitError> {
    let header = &batch.header;
    if header.magic < 2 {
        return split_set(batch, offset, decoder);
    }
    let lower = BatchHeader { last_offset: Offset(offset.0.saturating_sub(1)), ..*header };
    let upper = BatchHeader {
        base_offset: offset,
        base_sequence: header.sequence_at(offset.distance_from(header.base_offset)),
        ..*header
    };
    Ok((half(batch, &lower, decoder)?, half(batch, &upper, decoder)?))
}

/// The records of `batch` that have the offsets of `header`, under that header.
fn half(
    batch: &Batch<'_>,
    header: &BatchHeader,
    decoder: &mut Decoder,
) -> Result<Vec<u8>, SplitError> {
    let (mut out, mut scratch) = (Vec::new(), Vec::new());
    let mut rebuild = Rebuild::new(header, header.delete_horizon(), &mut out, &mut scratch);
    for record in decoder.records(batch)? {
        let record = record?;
        if (header.base_offset..=header.last_offset).contains(&record.offset) {
            rebuild.push(&record);
        }
    }
    if rebuild.finish(&mut Workbench::new())?.record_count == 0 {
        // A cleaner has taken them out.
        out.clear();
        EmptyBatch::put(header, &mut out);
    }
    Ok(out)
}

/// A compressed set of magic 0 or 1 cut in two.
fn split_set(
    batch: &Batch<'_>,
    offset: Offset,
    decoder: &mut Decoder,
) -> Result<(Vec<u8>, Vec<u8>), SplitError> {
    let records: Vec<Record<'_>> = decoder.records(batch)?.collect::<Result<_, _>>()?;
    let lower = records.partition_point(|record| record.offset < offset);
    let (lower, upper) = records.split_at(lower);
    let half = |records: &[Record<'_>]| {
        let mut out = Vec::new();
        let done = rebuild_message_set(&batch.header, records, &mut Workbench::new(), &mut out);
        done.map(|()| out).map_err(RebuildError::from)
    };
    Ok((half(lower)?, half(upper)?))
}

#[cfg(test)]
mod tests {
    use super::super::{Appended, BatchBuilder, Codec, NewRecord};
    use super::*;
    use crate::units::Timestamp;

    /// Ten records from offset 100 on, of a producer whose sequences are about to wrap.
    fn batch(codec: Codec) -> Vec<u8> {
        let mut builder = BatchBuilder::default();
        for number in 0..10u8 {
            builder.push(&NewRecord {
                timestamp: Timestamp(1000 - i64::from(number)),
                key: Some(&[number]),
                value: (number % 3 != 0).then_some(&[7; 50]),
                headers: Vec::new(),
            });
        }
        let appended = Appended {
            base_offset: Offset(100),
            leader_epoch: 4,
            codec,
            most_bytes: usize::MAX,
            append_time: None,
        };
        let mut out = Vec::new();
        let header = builder.finish(appended, &mut Workbench::new(), &mut out).unwrap();
        let sent = BatchHeader {
            producer_id: 9,
            producer_epoch: 1,
            base_sequence: i32::MAX - 3,
            ..header
        };
        super::super::encode::seal(sent, &mut out, 0);
        out
    }

    fn halves(bytes: &[u8], at: i64) -> (Vec<u8>, Vec<u8>) {
        split(&Batch::parse(bytes).unwrap(), Offset(at), &mut Decoder::new()).unwrap()
    }

    /// What a reader sees of each record.
    fn seen(bytes: &[u8]) -> Vec<String> {
        let batch = Batch::parse(bytes).unwrap();
        batch.check_crc().unwrap();
        assert_eq!(batch.header.size_bytes, bytes.len());
        let mut decoder = Decoder::new();
        let records = decoder.records(&batch).unwrap().map(Result::unwrap);
        let text = |r: Record<'_>| {
            format!("{} {} {} {:?} {:?}", r.offset, r.timestamp, r.sequence, r.key, r.value)
        };
        records.map(text).collect()
    }

    #[test]
    fn halves_have_the_records_offsets_and_sequences_of_the_whole_between_them() {
        for codec in Codec::ALL {
            let whole = batch(codec);
            let header = Batch::parse(&whole).unwrap().header;
            for at in 101..=109 {
                let (front, back) = halves(&whole, at);
                assert_eq!([seen(&front), seen(&back)].concat(), seen(&whole), "{codec} at {at}");
                let first = Batch::parse(&front).unwrap().header;
                let second = Batch::parse(&back).unwrap().header;
                assert_eq!((first.base_offset, first.last_offset.0), (Offset(100), at - 1));
                assert_eq!((second.base_offset.0, second.last_offset), (at, Offset(109)));
                assert_eq!(first.base_sequence, header.base_sequence);
                let behind = (i64::from(first.last_sequence()) + 1) & i64::from(i32::MAX);
                assert_eq!(i64::from(second.base_sequence), behind);
                assert_eq!(second.last_sequence(), header.last_sequence());
                for half in [first, second] {
                    let of = |h: BatchHeader| (h.producer_id, h.producer_epoch, h.leader_epoch);
                    assert_eq!((of(half), half.codec()), (of(header), codec));
                }
            }
        }
    }

    #[test]
    fn halves_of_which_a_cleaner_took_all_records_still_have_their_offsets() {
        let whole = batch(Codec::Lz4);
        let source = Batch::parse(&whole).unwrap().header;
        let (mut emptied, mut one_left, mut scratch) = (Vec::new(), Vec::new(), Vec::new());
        EmptyBatch::put(&source, &mut emptied);
        let mut decoder = Decoder::new();
        let mut records = decoder.records(&Batch::parse(&whole).unwrap()).unwrap();
        let horizon = Some(Timestamp(77));
        let mut rebuild = Rebuild::new(&source, horizon, &mut one_left, &mut scratch);
        rebuild.push(&records.nth(2).unwrap().unwrap());
        rebuild.finish(&mut Workbench::new()).unwrap();
        for (bytes, of_front) in [(&emptied, 0), (&one_left, 1)] {
            let (front, back) = halves(bytes, 105);
            let headers = [&front, &back].map(|half| Batch::parse(half).unwrap().header);
            assert_eq!(headers.map(|half| half.record_count), [of_front, 0]);
            assert_eq!(headers.map(|half| half.base_offset.0), [100, 105]);
            assert_eq!(headers.map(|half| half.last_offset.0), [104, 109]);
            assert_eq!(headers[0].delete_horizon(), horizon.filter(|_| of_front > 0));
            assert_eq!([seen(&front), seen(&back)].concat(), seen(bytes));
        }
    }

    #[test]
    fn halves_of_a_compressed_set_of_an_old_magic_are_sets_of_that_magic() {
        for magic in [0, 1] {
            let whole = batch(Codec::None);
            let parsed = Batch::parse(&whole).unwrap();
            let mut decoder = Decoder::new();
            let records = decoder.records(&parsed).unwrap().map(Result::unwrap);
            let records: Vec<_> = records.map(|r| Record { magic, ..r }).collect();
            let attributes = parsed.header.attributes.with_codec(Codec::Gzip);
            let wrapper = BatchHeader { magic, attributes, ..parsed.header };
            let mut set = Vec::new();
            rebuild_message_set(&wrapper, &records, &mut Workbench::new(), &mut set).unwrap();
            for at in 101..=109 {
                let (front, back) = halves(&set, at);
                assert_eq!([seen(&front), seen(&back)].concat(), seen(&set), "{magic} at {at}");
                for half in [&front, &back] {
                    let header = Batch::parse(half).unwrap().header;
                    assert_eq!((header.magic, header.codec()), (magic, Codec::Gzip));
                }
            }
        }
    }

    #[test]
    fn a_batch_that_cannot_be_read_is_not_cut() {
        let mut bytes = batch(Codec::Zstd);
        let last = bytes.len() - 4;
        bytes[last] ^= 0x55;
        let damaged = Batch::parse(&bytes).unwrap();
        assert!(split(&damaged, Offset(105), &mut Decoder::new()).is_err());
    }
}
