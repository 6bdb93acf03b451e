//! Segments outside the cleaned range that are rewritten all the same: they lose what is erased,
//! are encoded or cut anew, and keep all else.
//!
//! There is no vote, so they are read, checked and made in one go. Which they are is decided
//! first; of a segment that holds nothing to be changed not a byte is touched.

use std::ops::Range;
use std::sync::Mutex;

use rayon::prelude::*;

use super::carry::look_at;
use super::chunk::ChunkOutput;
use super::range::ChunkSource;
use super::retain::{Case, judge_carried};
use crate::compact::evidence::{Evidence, evidence_of};
use crate::compact::look::{ActiveProducers, Survey};
use crate::compact::plan::{Plan, inactive};
use crate::compact::policy::Policy;
use crate::compact::vote::{ChunkAt, MarksFrom, RecordSet, Share, SourceBatch, chunks_of};
use crate::compact::worker::with_codecs;
use crate::error::{Error, Result};
use crate::format::codec::{Room, Workbench};
use crate::format::{Batch, Codec, Decoder, Flaw, Records};
use crate::report::{ErasedRecord, Progress};
use crate::segment::{AbortedTxn, Damaged, TxnEntries, check_record};
use crate::units::Offset;

/// What is known of the segments outside the range, before any of them is written.
#[derive(Debug, Default)]
pub struct Carried {
    /// Damage, by number of the segment.
    pub damage: Vec<(usize, Damaged)>,
    /// Those that are to be rewritten, as groups of neighbours that become one or are cut anew.
    pub reworked: Vec<Range<usize>>,
    /// Records of keys that are to be erased in those that stay as they are.
    pub records_not_erased: u64,
}

impl Carried {
    /// Looks at the segments behind the range of `plan`. `is_checked`: their damage is known.
    ///
    /// # Errors
    /// The system's: that one cannot be read.
    pub fn of(
        surveys: &[Survey],
        plan: &Plan,
        policy: &Policy,
        is_checked: bool,
        progress: &dyn Progress,
    ) -> Result<Carried> {
        let rewrites = &policy.rewrites;
        let erased = rewrites.erased.as_deref();
        // The active segment belongs to the writer, unless it is said that there is none.
        let most = if policy.include_active { surveys.len() } else { inactive(surveys) };
        let open = plan.cleaned..most.max(plan.cleaned);
        let holds_any = surveys.get(open.clone()).unwrap_or_default().iter().any(has_batches);
        let all_anew = rewrites.segments_anew && holds_any;
        let looked: Result<Vec<(bool, Vec<Damaged>, u64)>> = (plan.cleaned..surveys.len())
            .into_par_iter()
            .filter_map(|at| Some((at, surveys.get(at)?)))
            .map(|(at, survey)| {
                let is_open = open.contains(&at);
                if is_open && (all_anew || is_recoded(survey, policy)) {
                    return Ok((true, Vec::new(), 0));
                }
                let look = !is_checked || erased.is_some();
                let (damage, count) =
                    if look { look_at(survey, erased)? } else { Default::default() };
                progress.advance(survey.end.0);
                Ok((is_open && count > 0, damage, count))
            })
            .collect();
        let mut carried = Carried::default();
        for (at, (is_reworked, damage, count)) in (plan.cleaned..).zip(looked?) {
            carried.damage.extend(damage.into_iter().map(|damaged| (at, damaged)));
            match carried.reworked.last_mut() {
                _ if !is_reworked => carried.records_not_erased += count,
                Some(group) if all_anew => group.end = at + 1,
                _ => carried.reworked.push(at..at + 1),
            }
        }
        Ok(carried)
    }
}

fn has_batches(survey: &Survey) -> bool {
    survey.batches > 0
}

/// Whether its headers show that one of its batches is to be encoded anew.
fn is_recoded(survey: &Survey, policy: &Policy) -> bool {
    policy.rewrites.compression.is_some()
        && survey.chunks.iter().any(|chunk| {
            let mut batches = survey.log.batches_from(chunk.start).until(chunk.end).flatten();
            batches.any(|(_, batch)| policy.rewrites.recodes(&batch.header, policy.message_format))
        })
}

/// What was found while it was done.
#[derive(Debug, Default)]
pub struct Found {
    /// Records that were read.
    pub records: u64,
    /// Those of them that are erased.
    pub erased: u64,
    /// Damage, by number of the segment, counted from the first that is not retired.
    pub damage: Vec<(usize, Damaged)>,
}

/// Makes the chunks of segments that are reworked.
pub struct Reworker<'a> {
    surveys: &'a [Survey],
    /// Of all of them, so that their numbers are those of the evidence.
    chunks: Vec<ChunkAt>,
    entries: &'a TxnEntries,
    policy: &'a Policy,
    producers: &'a ActiveProducers,
    evidence: &'a Evidence,
    found: Mutex<Found>,
}

impl<'a> Reworker<'a> {
    /// Of `surveys`, the segments that are not retired. `entries` are those of the `.txnindex` of
    /// each.
    pub fn new(
        surveys: &'a [Survey],
        entries: &'a TxnEntries,
        policy: &'a Policy,
        producers: &'a ActiveProducers,
        evidence: &'a Evidence,
    ) -> Reworker<'a> {
        let chunks = chunks_of(surveys);
        let found = Mutex::default();
        Reworker { surveys, chunks, entries, policy, producers, evidence, found }
    }
}

impl Reworker<'_> {
    /// What was found in all that was made; damage in the order of the log.
    pub fn found(self) -> Found {
        let mut found = self.found.into_inner().unwrap_or_default();
        found.damage.sort_by_key(|(at, damaged)| (*at, damaged.position));
        found
    }

    fn make(
        &self,
        survey: &Survey,
        at: &ChunkAt,
        found: &mut FoundInChunk,
        (decoder, encoder): (&mut Decoder, &mut Workbench),
        spare: ChunkOutput,
    ) -> Result<ChunkOutput> {
        let rewrites = &self.policy.rewrites;
        let format = self.policy.message_format;
        let mut output = spare.emptied();
        let mut room = Room::default();
        let mut least = at.chunk.least;
        survey.log.still_reaches(at.chunk.end)?;
        for item in survey.log.batches_from(at.chunk.start).until(at.chunk.end) {
            let Ok((position, batch)) = item else {
                continue;
            }; // the survey has listed it
            let header = &batch.header;
            room.clear();
            let read = self.read(&batch, least, decoder, &mut room, found);
            least = header.last_offset.next();
            let read = match read {
                Ok(read) => read,
                Err(flaw) => {
                    let size_bytes = header.size_bytes as u64;
                    found.damage.push(Damaged { position, size_bytes, flaw });
                    continue;
                }
            };
            let kept = read.kept.as_ref().map(|kept| (kept, 0));
            let marks = MarksFrom::default();
            let share = Share { records: read.records, voted: kept, has_tombstone: false, marks };
            let case = Case {
                header,
                records: share.records,
                kept: share.kept(),
                keeps_tombstone: false,
                has_foreign_magic: false,
                discardable: false,
                needed: self.producers.needs(header) || least == survey.next_offset,
                now: self.policy.now,
                delete_retention_ms: self.policy.topic.delete_retention_ms,
                message_format: format,
                recodes: rewrites.recodes(header, format),
            };
            output.tally.records_kept += u64::from(case.kept);
            let body = read.is_unpacked.then(|| room.get(0..room.filled()));
            let source = SourceBatch { batch, position, body };
            output
                .carry_out(
                    judge_carried(&case),
                    &source,
                    &share,
                    self.policy,
                    (decoder, &mut *encoder),
                )
                .map_err(|flaw| Error::corrupt(survey.log.path(), position, flaw))?;
        }
        Ok(output)
    }

    /// Reads and checks a batch, whose body, if it is compressed, is unpacked into `room`.
    fn read(
        &self,
        batch: &Batch<'_>,
        least: Offset,
        decoder: &mut Decoder,
        room: &mut Room,
        found: &mut FoundInChunk,
    ) -> Result<ReadBatch, Flaw> {
        batch.check_crc()?;
        let header = batch.header;
        let is_packed = header.magic == 2 && header.codec() != Codec::None;
        let is_unpacked = is_packed && !batch.body().is_empty();
        let records = if is_unpacked {
            decoder.body_within(batch, room, usize::MAX)?;
            Records::of_body(header, room.get(0..room.filled()))
        } else {
            decoder.records(batch)?
        };
        let erased = self.policy.rewrites.erased.as_deref().filter(|_| !header.is_control());
        let before = found.erased.len();
        let mut goes: Vec<u32> = Vec::new();
        let mut count = 0;
        for record in records {
            let record = record?;
            check_record(&record, count, least)?;
            if let (Some(erased), Some(key)) = (erased, record.key)
                && erased.has(key)
            {
                goes.push(count);
                found.erased.push(evidence_of(&record, count)?);
            }
            count += 1;
        }
        debug_assert_eq!(found.erased.len() - before, goes.len());
        found.records += u64::from(count);
        let kept = (!goes.is_empty()).then(|| all_but(&goes, count));
        Ok(ReadBatch { records: count, kept, is_unpacked })
    }
}

/// What a chunk adds to what was [`Found`].
#[derive(Default)]
struct FoundInChunk {
    records: u64,
    erased: Vec<ErasedRecord>,
    damage: Vec<Damaged>,
}

struct ReadBatch {
    records: u32,
    /// Which of them stay; all, if nothing is said.
    kept: Option<RecordSet>,
    is_unpacked: bool,
}

/// The numbers below `count` that are not among `goes`, which rise.
fn all_but(goes: &[u32], count: u32) -> RecordSet {
    let kept = RecordSet::of_size(count);
    let mut goes = goes.iter().copied().peekable();
    for ordinal in 0..count {
        if goes.next_if_eq(&ordinal).is_none() {
            kept.insert(ordinal);
        }
    }
    kept
}

impl ChunkSource for Reworker<'_> {
    fn surveys(&self) -> &[Survey] {
        self.surveys
    }

    fn chunks(&self) -> &[ChunkAt] {
        &self.chunks
    }

    fn aborted_txns(&self, segments: Range<usize>) -> Vec<AbortedTxn> {
        let surveys = self.surveys.get(segments).unwrap_or_default();
        surveys.iter().flat_map(|it| self.entries.for_batches(&it.txn_batches, false)).collect()
    }

    fn output(
        &self,
        number: usize,
        at: &ChunkAt,
        survey: &Survey,
        spare: ChunkOutput,
    ) -> Result<ChunkOutput> {
        let mut found = FoundInChunk::default();
        let made = with_codecs(self.policy.rewrites.compression, |decoder, encoder| {
            self.make(survey, at, &mut found, (decoder, encoder), spare)
        })?;
        self.evidence.put(number, &found.erased)?;
        let failed = |_| Error::bug("a thread failed at what was found");
        let mut all = self.found.lock().map_err(failed)?;
        all.records += found.records;
        all.erased += found.erased.len() as u64;
        all.damage.extend(found.damage.into_iter().map(|damaged| (at.segment, damaged)));
        Ok(made)
    }
}
