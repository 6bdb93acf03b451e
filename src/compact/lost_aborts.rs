//! Data of aborted transactions whose markers are damaged, in segments that are carried over
//! without their damage.
//!
//! Where the marker goes, such data would pass for data of its producer's next transaction: a
//! broker that recovers the log believes the markers in it, and builds the `.txnindex` anew by
//! them. So the data goes too, as if it were damaged itself. In the cleaned range it goes because
//! it was aborted.

use std::collections::HashSet;

use super::survey::{Chunk, Survey};
use crate::format::Flaw;
use crate::segment::{AbortedTxn, Damaged, Outcomes, TxnBatch, TxnBatchKind};
use crate::units::{Offset, Position};

const FLAW: Flaw = Flaw::Header("data of an aborted transaction whose marker is damaged");

/// Takes such data out of the segments from number `from` on; it is listed with their damage.
pub fn leave_out(surveys: &mut [Survey], from: usize, outcomes: &Outcomes) {
    let markers: HashSet<(i64, Offset)> = surveys
        .iter()
        .flat_map(|survey| &survey.txn_batches)
        .filter(|batch| batch.kind == TxnBatchKind::LostAbort)
        .map(|batch| (batch.producer_id, batch.base_offset))
        .collect();
    let is_without_marker =
        |txn: &&AbortedTxn| markers.contains(&(txn.producer_id, txn.last_offset));
    let aborted: Vec<&AbortedTxn> = outcomes.aborted.iter().filter(is_without_marker).collect();
    let goes = |batch: &TxnBatch| {
        let holds = |txn: &&AbortedTxn| {
            txn.producer_id == batch.producer_id
                && (txn.first_offset..=txn.last_offset).contains(&batch.base_offset)
        };
        batch.kind == TxnBatchKind::Data && aborted.iter().any(holds)
    };
    if aborted.is_empty() {
        return;
    }
    for survey in surveys.iter_mut().skip(from) {
        let gone: HashSet<Position> =
            survey.txn_batches.iter().filter(|batch| goes(batch)).map(|b| b.position).collect();
        if !gone.is_empty() {
            take_out(survey, &gone);
        }
    }
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
