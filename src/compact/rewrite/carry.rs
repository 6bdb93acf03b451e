//! What a compaction leaves as it is: segments outside the range and the partition's other files.
//!
//! They are copied byte for byte, with their modification times. An index loses the zeros that a
//! running broker preallocates; one that is missing or cannot be right is built anew, because a
//! broker that starts on the output would have to. A `.txnindex` that does not say what the markers
//! say is written by them: no broker would.

use super::chunk::{ChunkOutput, From, OutBatch};
use super::group_writer::{GroupWriter, Target};
use crate::compact::erased_keys::ErasedKeys;
use crate::compact::look::{Chunk, Survey};
use crate::compact::worker::with_decoder;
use crate::error::Result;
use crate::format::{Batch, Decoder, Flaw};
use crate::segment::{
    Damaged, FileName, Kind, OffsetIndex, PartitionDir, Place, TimeIndex, TxnEntries, check_record,
    check_records, txn_index_due,
};
use crate::units::Offset;

/// Checks every batch of a segment that is to be carried over, checksum and records, and counts
/// those of `erased` keys.
///
/// # Errors
/// The system's: that it cannot be read.
pub fn look_at(survey: &Survey, erased: Option<&ErasedKeys>) -> Result<(Vec<Damaged>, u64)> {
    let (mut damage, mut found) = (Vec::new(), 0);
    with_decoder(|decoder| {
        for chunk in &survey.chunks {
            let mut least = chunk.least;
            survey.log.still_reaches(chunk.end)?;
            for item in survey.log.batches_from(chunk.start).until(chunk.end) {
                let Ok((position, batch)) = item else {
                    continue;
                }; // the survey has listed it
                let read = batch.check_crc().and_then(|()| match erased {
                    Some(erased) if !batch.header.is_control() => {
                        count_erased(&batch, decoder, least, erased)
                    }
                    _ => check_records(&batch, decoder, least).map(|_| 0),
                });
                least = batch.header.last_offset.next();
                match read {
                    Ok(count) => found += count,
                    Err(flaw) => {
                        let size_bytes = batch.header.size_bytes as u64;
                        damage.push(Damaged { position, size_bytes, flaw });
                    }
                }
            }
        }
        Ok((damage, found))
    })
}

fn count_erased(
    batch: &Batch<'_>,
    decoder: &mut Decoder,
    least: Offset,
    erased: &ErasedKeys,
) -> Result<u64, Flaw> {
    let mut found = 0;
    for (index, record) in (0..).zip(decoder.records(batch)?) {
        let record = record?;
        check_record(&record, index, least)?;
        found += u64::from(record.key.is_some_and(|key| erased.has(key)));
    }
    Ok(found)
}

/// Copies one segment into the target's folder; a torn tail stays behind, and other damage too,
/// unless it is to be kept. `txn_index` is what its `.txnindex` is to hold, if not what it holds.
pub fn carry_segment(
    survey: &Survey,
    txn_index: Option<&[u8]>,
    keep_damage: bool,
    target: &Target,
) -> Result<()> {
    let Some(place) = &target.place else {
        return Ok(());
    };
    let segment = &survey.segment;
    let indexes = if drops(survey, keep_damage) { None } else { sound_indexes(survey)? };
    let Some((offset_index, time_index)) = indexes else {
        return rebuild_segment(survey, txn_index, keep_damage, target);
    };
    let modified = Some(segment.modified);
    // A part of a segment has no indexes, so it begins at its start.
    let (log, keep_bytes) = (&survey.log, survey.reach().index());
    place.put_log_of(
        segment.base,
        (log.path(), &log.shared_map()),
        keep_bytes,
        segment.modified,
    )?;
    place.put(segment.base, Kind::Index, &offset_index, modified)?;
    place.put(segment.base, Kind::TimeIndex, &time_index, modified)?;
    put_txn_index(survey, txn_index, target)
}

/// The partition's other files: the snapshots that are `kept`, epochs, metadata, strangers.
pub fn companions_of(source: &PartitionDir, kept: &[Offset]) -> Vec<String> {
    let snapshots = kept.iter().map(|offset| FileName::new(*offset, Kind::Snapshot).to_string());
    snapshots.chain(source.others.iter().cloned()).collect()
}

/// Creates the empty segment that a roll leaves behind; its `.log` last, since without it the
/// others count for nothing.
pub fn put_empty_segment(base: Offset, place: &Place) -> Result<()> {
    [Kind::Index, Kind::TimeIndex, Kind::Log]
        .into_iter()
        .try_for_each(|kind| place.put(base, kind, &[], None))
}

/// Whether damage of a segment stays behind.
fn drops(survey: &Survey, keep_damage: bool) -> bool {
    !(keep_damage || survey.damage.is_empty())
}

/// What the `.txnindex` of a segment that is carried over is to hold, if that is not what it holds:
/// the transactions whose markers it is carried over with.
///
/// # Errors
/// The system's.
pub fn carried_txn_index(
    survey: &Survey,
    entries: &TxnEntries,
    keep_damage: bool,
) -> Result<Option<Vec<u8>>> {
    let map = survey.segment.read(Kind::TxnIndex)?;
    Ok(txn_index_due(map.as_deref(), &entries.for_batches(&survey.txn_batches, keep_damage)))
}

fn put_txn_index(survey: &Survey, due: Option<&[u8]>, target: &Target) -> Result<()> {
    let Some(place) = &target.place else {
        return Ok(());
    };
    let segment = &survey.segment;
    match due {
        Some([]) => Ok(()),
        Some(bytes) => place.put(segment.base, Kind::TxnIndex, bytes, None),
        None if segment.read(Kind::TxnIndex)?.is_none() => Ok(()),
        None => {
            let name = FileName::new(segment.base, Kind::TxnIndex);
            let name = FileName { suffix: place.suffix, ..name }.to_string();
            place.copy(&segment.path(Kind::TxnIndex), &name)
        }
    }
}

/// The bytes of both indexes without trailing zeros; `None` if one is missing, or points where
/// this segment has nothing.
fn sound_indexes(survey: &Survey) -> Result<Option<(Vec<u8>, Vec<u8>)>> {
    let segment = &survey.segment;
    if segment.part.is_some() {
        return Ok(None);
    }
    let (index, time) = (segment.read(Kind::Index)?, segment.read(Kind::TimeIndex)?);
    let (Some(index), Some(time)) = (index, time) else {
        return Ok(None);
    };
    let offsets = OffsetIndex::parse(&index, segment.base);
    let times = TimeIndex::parse(&time, segment.base);
    let within = |offset: Offset| offset >= segment.base && offset < survey.next_offset;
    let mut last = None;
    let rising = offsets.entries.iter().all(|entry| {
        let above = last
            .is_none_or(|(offset, position)| entry.offset > offset && entry.position > position);
        last = Some((entry.offset, entry.position));
        above && within(entry.offset) && entry.position < survey.end
    });
    let mut last = None;
    let times_rise = times.entries.iter().all(|entry| {
        let above = last.is_none_or(|(timestamp, offset)| {
            entry.timestamp > timestamp && entry.offset >= offset
        });
        last = Some((entry.timestamp, entry.offset));
        above && within(entry.offset)
    });
    let whole = offsets.whole && times.whole;
    if !(rising && times_rise && whole) || survey.torn_tail.is_some() {
        return Ok(None);
    }
    let trimmed = |bytes: &[u8], entries: usize, size: usize| {
        bytes.get(..entries * size).unwrap_or_default().to_vec()
    };
    Ok(Some((
        trimmed(&index, offsets.entries.len(), crate::segment::INDEX_ENTRY_BYTES),
        trimmed(&time, times.entries.len(), crate::segment::TIME_ENTRY_BYTES),
    )))
}

/// Writes the segment's whole batches with indexes built anew.
fn rebuild_segment(
    survey: &Survey,
    txn_index: Option<&[u8]>,
    keep_damage: bool,
    target: &Target,
) -> Result<()> {
    let segment = &survey.segment;
    let target = Target { modified: segment.modified, ..target.clone() };
    let mut writer = GroupWriter::begin(segment.base, Vec::new(), target.clone())?;
    for chunk in &survey.chunks {
        if keep_damage {
            writer.append_damage(survey.log.bytes(), chunk)?;
        }
        writer.append(&survey.log, &whole_chunk(survey, *chunk))?;
    }
    writer.finish()?;
    put_txn_index(survey, txn_index, &target)
}

/// A chunk of which everything stays.
fn whole_chunk(survey: &Survey, chunk: Chunk) -> ChunkOutput {
    let batches = survey.log.batches_from(chunk.start).until(chunk.end);
    let copied = batches
        .filter_map(Result::ok)
        .map(|(position, batch)| OutBatch::new(&batch.header, From::Source(position)));
    ChunkOutput::of_batches(copied.collect())
}
