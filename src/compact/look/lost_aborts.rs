//! Data of aborted transactions whose markers are damaged ([`Unmarked`]), in segments that are
//! carried over without their damage: it goes as well, as if it were damaged itself. In the cleaned
//! range it goes because it was aborted.

use std::collections::HashSet;

use super::survey::{Chunk, Survey};
use crate::format::Flaw;
use crate::segment::{Damaged, Outcomes, Unmarked};
use crate::units::Position;

const FLAW: Flaw = Flaw::Header(Unmarked::REASON);

/// Takes such data out of the segments from number `from` on; it is listed with their damage.
pub fn leave_out(surveys: &mut [Survey], from: usize, outcomes: &Outcomes) {
    let unmarked = unmarked(surveys, outcomes);
    if unmarked.is_empty() {
        return;
    }
    for survey in surveys.iter_mut().skip(from) {
        let gone = survey.txn_batches.iter().filter(|batch| unmarked.holds(batch));
        let gone: HashSet<Position> = gone.map(|batch| batch.position).collect();
        if !gone.is_empty() {
            take_out(survey, &gone);
        }
    }
}

/// Why a partition that is rewritten in place is left alone, if there is such data in the segments
/// from number `from` on: of those that are rewritten the damage goes, of the others the data
/// stays.
pub fn refusal(surveys: &[Survey], from: usize, outcomes: &Outcomes) -> Option<String> {
    let unmarked = unmarked(surveys, outcomes);
    let mut batches = surveys.iter().skip(from).flat_map(|survey| &survey.txn_batches);
    let is_any = !unmarked.is_empty() && batches.any(|batch| unmarked.holds(batch));
    is_any.then(|| {
        format!(
            "outside the range that is cleaned it has {}; `logcompact repair --skip` takes it out",
            Unmarked::REASON
        )
    })
}

fn unmarked(surveys: &[Survey], outcomes: &Outcomes) -> Unmarked {
    Unmarked::of(surveys.iter().flat_map(|survey| &survey.txn_batches), outcomes)
}

/// Cuts the chunks of a segment around the batches at the positions `gone`.
fn take_out(survey: &mut Survey, gone: &HashSet<Position>) {
    let mut chunks = Vec::with_capacity(survey.chunks.len() + gone.len());
    let mut next_offset = survey.segment.base;
    for whole in &survey.chunks {
        let mut chunk = *whole;
        for item in survey.log.batches_from(whole.start).until(whole.end) {
            let Ok((position, batch)) = item else { continue };
            let end = position.plus(batch.header.size_bytes);
            if !gone.contains(&position) {
                next_offset = batch.header.last_offset.next();
                continue;
            }
            if chunk.start < position {
                chunks.push(Chunk { end: position, ..chunk });
                chunk.damage_start = position;
            }
            (chunk.start, chunk.least) = (end, batch.header.last_offset.next());
            survey.damaged_records += u64::try_from(batch.header.record_count).unwrap_or(0);
            let size_bytes = batch.header.size_bytes as u64;
            survey.damage.push(Damaged { position, size_bytes, flaw: FLAW });
        }
        if chunk.start < chunk.end {
            chunks.push(chunk);
        }
    }
    survey.chunks = chunks;
    survey.damage.sort_by_key(|damaged| damaged.position);
    survey.txn_batches.retain(|batch| !gone.contains(&batch.position));
    survey.batches = survey.batches.saturating_sub(gone.len() as u64);
    // Its offsets were given once.
    let given = Some(survey.next_offset).filter(|end| *end > next_offset);
    survey.claimed_end = survey.claimed_end.max(given);
    survey.next_offset = next_offset;
}
