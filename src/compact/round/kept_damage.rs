//! Damage right behind a watermark that a round has kept (`--on-damage keep`): it claims offsets
//! that the next round begins with, lies in the destination already, and is not kept a second time.

use crate::bytes::crc32c;
use crate::compact::look::Survey;
use crate::compact::policy::{OnDamage, Policy};
use crate::error::Result;
use crate::format::{Batch, Flaw};
use crate::rounds::{Crc32c, KeptDamage};
use crate::segment::{Cut, Damaged, LogFile, Segment};
use crate::units::Position;

/// What a round over all of `surveys` keeps behind the last sound batch.
///
/// # Errors
/// The system's.
pub fn kept_at_end(surveys: &[Survey], policy: &Policy) -> Result<Option<KeptDamage>> {
    let keeps = policy.on_damage == OnDamage::Keep;
    let Some(last) = surveys.last().filter(|_| keeps) else { return Ok(None) };
    let behind = last.damage.iter().filter(|damaged| damaged.position >= last.end);
    let end = behind.fold(last.end, |_, damaged| written_end(&last.log, damaged));
    let stretch = last.end.index()..end.index();
    if stretch.is_empty() {
        return Ok(None);
    }
    let bytes = last.log.bytes_to_copy(stretch)?;
    Ok(Some(KeptDamage { bytes: bytes.len() as u64, crc32c: Crc32c(crc32c(bytes)) }))
}

/// How far a damaged stretch was written: a batch at its end may still be on its way.
fn written_end(log: &LogFile, damaged: &Damaged) -> Position {
    let claimed = log.claimed_in(damaged).last();
    let behind = claimed.map_or(damaged.position, |(at, batch)| at.plus(batch.header.size_bytes));
    let rest = log.bytes().get(behind.index()..damaged.end().index()).unwrap_or_default();
    let is_torn = !rest.is_empty() && matches!(Batch::parse(rest), Err(Flaw::Torn { .. }));
    if is_torn { behind } else { damaged.end() }
}

/// `cut` of `segment` behind what was `kept`, if that is what lies there.
///
/// # Errors
/// The system's.
pub fn behind_kept(cut: Cut, segment: &Segment, kept: &KeptDamage) -> Result<Cut> {
    let log = segment.log()?;
    let start = cut.position.index();
    let end = usize::try_from(kept.bytes).ok().and_then(|bytes| start.checked_add(bytes));
    let Some(end) = end.filter(|end| *end <= log.bytes().len()) else {
        return Ok(cut);
    };
    // Behind it lies the end, or another batch.
    let behind = log.bytes().get(end..).unwrap_or_default();
    let is_whole = behind.is_empty() || Batch::parse(behind).is_ok();
    let is_kept = is_whole && crc32c(log.bytes_to_copy(start..end)?) == kept.crc32c.0;
    let position = if is_kept { Position(end as u64) } else { cut.position };
    Ok(Cut { position, ..cut })
}
