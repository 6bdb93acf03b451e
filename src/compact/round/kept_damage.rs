//! Damage right behind a watermark that a round has kept (`--on-damage keep`): it claims offsets
//! that the next round begins with, lies in the destination already, and is not kept a second time.

use crate::bytes::crc32c;
use crate::compact::policy::{OnDamage, Policy};
use crate::compact::survey::Survey;
use crate::error::Result;
use crate::rounds::{Crc32c, KeptDamage};
use crate::segment::{Cut, Segment};
use crate::units::Position;

/// What a round over all of `surveys` keeps behind the last sound batch.
///
/// # Errors
/// The system's.
pub fn kept_at_end(surveys: &[Survey], policy: &Policy) -> Result<Option<KeptDamage>> {
    let keeps = policy.on_damage == OnDamage::Keep;
    let Some(last) = surveys.last().filter(|_| keeps) else { return Ok(None) };
    let stretch = last.end.index()..last.reach().index();
    if stretch.is_empty() {
        return Ok(None);
    }
    let bytes = last.log.bytes_to_copy(stretch)?;
    Ok(Some(KeptDamage { bytes: bytes.len() as u64, crc32c: Crc32c(crc32c(bytes)) }))
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
    let is_kept = crc32c(log.bytes_to_copy(start..end)?) == kept.crc32c.0;
    let position = if is_kept { Position(end as u64) } else { cut.position };
    Ok(Cut { position, ..cut })
}
