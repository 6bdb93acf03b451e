//! The records of a magic 2 batch checked in one go, for who wants to know only whether they are
//! sound.
//!
//! A sweep makes no records and gives no reasons: it vouches for a batch or it does not, and what
//! it does not vouch for is for the iterator to judge. So it may be stricter, never more lenient.

use super::RecordsV2;
use crate::bytes::Cursor;
use crate::units::Timestamp;

/// What sound records have in common.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Sweep {
    /// How many they are.
    pub records: u64,
    /// The largest of their timestamps, or -1.
    pub largest_timestamp: Timestamp,
}

impl RecordsV2<'_> {
    /// Checks all records that are left, headers included; `None` where the iterator would find a
    /// flaw, and perhaps where it would not.
    pub fn sweep(&self) -> Option<Sweep> {
        let (header, first, mut least_delta) = self.state();
        let records = u64::try_from(i64::from(header.record_count) - i64::from(first)).ok()?;
        let most_delta = header.last_offset.distance_from(header.base_offset);
        let mut largest = Timestamp::NONE.0;
        let mut rest = self.rest();
        for _ in 0..records {
            let length = usize::try_from(varint(&mut rest)?).ok()?;
            let (record, behind) = rest.split_at_checked(length)?;
            rest = behind;
            let mut record = record.get(1..)?; // no attribute bit of a record means anything
            let timestamp = header.base_timestamp.0.wrapping_add(varlong(&mut record)?);
            largest = largest.max(timestamp);
            let delta = i64::from(varint(&mut record)?);
            if delta < least_delta || delta > most_delta {
                return None;
            }
            least_delta = delta + 1;
            skip_nullable(&mut record)?;
            skip_nullable(&mut record)?;
            if *record != [0] {
                check_headers(record)?;
            }
        }
        if header.attributes.is_log_append_time() && records > 0 {
            largest = header.max_timestamp.0.max(Timestamp::NONE.0);
        }
        rest.is_empty().then_some(Sweep { records, largest_timestamp: Timestamp(largest) })
    }
}

fn check_headers(mut rest: &[u8]) -> Option<()> {
    let count = varint(&mut rest)?;
    if count < 0 {
        return None;
    }
    for _ in 0..count {
        let key_bytes = usize::try_from(varint(&mut rest)?).ok()?;
        rest = rest.get(key_bytes..)?;
        skip_nullable(&mut rest)?;
    }
    rest.is_empty().then_some(())
}

/// Skips a length and as many bytes; -1 is null and has none.
#[inline(always)]
fn skip_nullable(rest: &mut &[u8]) -> Option<()> {
    let length = varint(rest)?;
    if length != -1 {
        *rest = rest.get(usize::try_from(length).ok()?..)?;
    }
    Some(())
}

#[inline(always)]
fn varint(rest: &mut &[u8]) -> Option<i32> {
    if let Some(raw) = short(rest) {
        return Some((raw >> 1) as i32 ^ -((raw & 1) as i32));
    }
    let (value, behind) = long_varint(rest)?;
    *rest = behind;
    Some(value)
}

#[inline(always)]
fn varlong(rest: &mut &[u8]) -> Option<i64> {
    if let Some(raw) = short(rest) {
        return Some(i64::from(raw >> 1) ^ -i64::from(raw & 1));
    }
    let (value, behind) = long_varlong(rest)?;
    *rest = behind;
    Some(value)
}

/// An integer of one or two bytes, as nearly all are; nothing is read if it is longer.
#[inline(always)]
fn short(rest: &mut &[u8]) -> Option<u32> {
    let (&first, behind) = rest.split_first()?;
    if first < 0x80 {
        *rest = behind;
        return Some(u32::from(first));
    }
    let (&second, behind) = behind.split_first()?;
    if second < 0x80 {
        *rest = behind;
        return Some(u32::from(first & 0x7f) | u32::from(second) << 7);
    }
    None
}

// Out of line and by value, so that the slice stays in registers on the way that is common.
#[inline(never)]
fn long_varint(rest: &[u8]) -> Option<(i32, &[u8])> {
    let mut cursor = Cursor::new(rest);
    let value = cursor.varint().ok()?;
    Some((value, cursor.rest()))
}

#[inline(never)]
fn long_varlong(rest: &[u8]) -> Option<(i64, &[u8])> {
    let mut cursor = Cursor::new(rest);
    let value = cursor.varlong().ok()?;
    Some((value, cursor.rest()))
}
