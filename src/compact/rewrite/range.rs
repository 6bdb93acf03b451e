//! A range rewritten: its groups in parallel, and within a group its chunks.
//!
//! A chunk that the vote had to decompress is made as soon as its records are decided, and waits
//! for its place; the others are made when their turn to be written comes. While one window of
//! chunks is being written, the next is being made, so memory holds two windows a group and the
//! disk is not waited for.

use std::ops::Range;
use std::time::SystemTime;

use rayon::prelude::*;

use super::chunk::{ChunkOutput, RewriteContext, Tally};
use super::copy_ahead::CopyAhead;
use super::group_writer::{GroupWriter, Target, Written};
use super::waiting::Waiting;
use crate::compact::budget::Budget;
use crate::compact::look::{SegmentTxns, Survey};
use crate::compact::policy::{OnDamage, Policy};
use crate::compact::vote::{Bodies, ChunkAt, ChunkResult, Decided, Election, Listener};
use crate::compact::worker::with_codecs;
use crate::disk::StagedFile;
use crate::error::{Error, Result};
use crate::report::{Progress, note_memory};
use crate::segment::{AbortedTxn, Place, SegmentLimits};

/// Chunks that a thread makes before they are written, if memory allows: few, so that they are
/// still in a cache then, and so is the memory in which the next ones are made.
const CHUNKS_A_THREAD: usize = 4;
/// Into so many windows a group is cut at the least.
const LEAST_WINDOWS: usize = 4;

/// Makes chunks of the output from chunks of the range.
pub struct Maker<'a> {
    /// The segments of the range.
    pub range: &'a [Survey],
    /// Their transactions.
    pub txns: &'a [SegmentTxns],
    /// Their chunks.
    pub chunks: &'a [ChunkAt],
    /// The rules.
    pub context: RewriteContext<'a>,
    /// Where those wait that were made before their turn.
    pub waiting: Waiting,
}

impl Maker<'_> {
    fn make(
        &self,
        at: &ChunkAt,
        survey: &Survey,
        result: &ChunkResult,
        bodies: Option<&Bodies>,
        spare: ChunkOutput,
    ) -> Result<ChunkOutput> {
        let no_txns = SegmentTxns::default();
        let txns = self.txns.get(at.segment).unwrap_or(&no_txns);
        let context = &self.context;
        with_codecs(context.policy.rewrites.compression, |decoder, encoder| {
            let codecs = (decoder, encoder);
            ChunkOutput::make(survey, at.chunk, result, txns, (bodies, spare), context, codecs)
        })
    }
}

/// Who makes the chunks that are written.
pub trait ChunkSource: Sync {
    /// The segments.
    fn surveys(&self) -> &[Survey];

    /// Their chunks, in log order.
    fn chunks(&self) -> &[ChunkAt];

    /// The entries for the `.txnindex` of these segments, in marker order.
    fn aborted_txns(&self, segments: Range<usize>) -> Vec<AbortedTxn>;

    /// What stays of chunk `number`, in the memory of `spare` if it takes any. Called once for each
    /// that is written, from many threads.
    ///
    /// # Errors
    /// A batch that does not decode, or cannot be rebuilt; the system's.
    fn output(
        &self,
        number: usize,
        at: &ChunkAt,
        survey: &Survey,
        spare: ChunkOutput,
    ) -> Result<ChunkOutput>;

    /// A copy of a whole segment, by number, if one was made beforehand; only of one that is a
    /// group by itself.
    ///
    /// # Errors
    /// The system's.
    fn copy_of(&self, _segment: usize) -> Result<Option<StagedFile>> {
        Ok(None)
    }
}

/// The chunks of the cleaned range, after the vote.
pub struct Voted<'a> {
    /// Makes them.
    pub maker: &'a Maker<'a>,
    /// Which records stay.
    pub election: &'a Election,
    /// Segments that were copied meanwhile.
    pub copies: Option<&'a CopyAhead<'a>>,
}

impl ChunkSource for Voted<'_> {
    fn surveys(&self) -> &[Survey] {
        self.maker.range
    }

    fn chunks(&self) -> &[ChunkAt] {
        self.maker.chunks
    }

    fn aborted_txns(&self, segments: Range<usize>) -> Vec<AbortedTxn> {
        let txns = self.maker.txns.get(segments).unwrap_or_default();
        txns.iter().flat_map(|txns| txns.index_entries.iter().copied()).collect()
    }

    fn output(
        &self,
        number: usize,
        at: &ChunkAt,
        survey: &Survey,
        spare: ChunkOutput,
    ) -> Result<ChunkOutput> {
        if let Some(output) = self.maker.waiting.take(number, survey.log.bytes())? {
            return Ok(output);
        }
        let result = self.election.chunks.get(number);
        let result = result.ok_or_else(|| Error::bug("a chunk without a vote"))?;
        self.maker.make(at, survey, result, None, spare)
    }

    fn copy_of(&self, segment: usize) -> Result<Option<StagedFile>> {
        let Some(copies) = self.copies else { return Ok(None) };
        let chunks = chunks_of(self.maker.chunks, &(segment..segment + 1));
        let mut results = self.election.chunks.get(chunks).unwrap_or_default().iter();
        copies.take(segment, results.all(ChunkResult::keeps_as_it_is))
    }
}

/// The chunks of these segments, by number.
fn chunks_of(chunks: &[ChunkAt], segments: &Range<usize>) -> Range<usize> {
    let before = |segment| chunks.partition_point(|at| at.segment < segment);
    before(segments.start)..before(segments.end)
}

fn place_of(source: &dyn ChunkSource, number: usize) -> Result<(&ChunkAt, &Survey)> {
    let at = source.chunks().get(number);
    at.and_then(|at| Some((at, source.surveys().get(at.segment)?)))
        .ok_or_else(|| Error::bug("a chunk that is not there"))
}

impl Listener for Maker<'_> {
    fn decided(&self, number: usize, chunk: &Decided<'_>) -> Result<()> {
        let Decided { result, bodies, .. } = *chunk;
        if bodies.is_empty() {
            return Ok(()); // nothing would be saved, and the batches that stay need no memory
        }
        let at = self.chunks.get(number).and_then(|at| Some((at, self.range.get(at.segment)?)));
        let (at, survey) = at.ok_or_else(|| Error::bug("a chunk that is not in the range"))?;
        let spare = ChunkOutput::default();
        self.waiting.put(number, self.make(at, survey, result, Some(bodies), spare)?)
    }
}

/// Everything that a rewrite rests on.
pub struct Job<'a> {
    /// Makes the chunks.
    pub source: &'a dyn ChunkSource,
    /// Which segments of the source become one, or are cut anew together.
    pub groups: &'a [Range<usize>],
    /// The rules.
    pub policy: &'a Policy,
    /// Whether a segment that comes out as it went in is left where it lies.
    pub in_place: bool,
    /// Memory.
    pub budget: &'a Budget,
    /// Who hears of it.
    pub progress: &'a dyn Progress,
}

impl Job<'_> {
    /// Rewrites all groups, in parallel; writes nothing without a place. What was written is told
    /// by group.
    pub fn rewrite(&self, place: Option<&Place>) -> Result<(Tally, Vec<Written>)> {
        let results: Vec<(Tally, Written)> = self
            .groups
            .par_iter()
            .map(|group| self.rewrite_group(group.clone(), place))
            .collect::<Result<_>>()?;
        let mut sum = Tally::default();
        results.iter().for_each(|(tally, _)| sum.add(tally));
        Ok((sum, results.into_iter().map(|(_, written)| written).collect()))
    }

    /// Chunks of a group that are made at a time, if each makes `chunk_bytes`: memory holds twice
    /// as many, in as many groups as there are threads.
    fn window(&self, chunk_bytes: u64) -> usize {
        let threads = rayon::current_num_threads();
        let groups = self.groups.len().clamp(1, threads);
        let bytes = self.budget.writing_bytes as u64 / (2 * groups as u64);
        let fitting = usize::try_from(bytes / chunk_bytes.max(1)).unwrap_or(1);
        fitting.clamp(1, threads * CHUNKS_A_THREAD)
    }

    fn target(&self, place: Option<&Place>, modified: SystemTime) -> Target {
        let topic = &self.policy.topic;
        let limits = SegmentLimits {
            log_bytes: topic.segment_bytes,
            index_bytes: topic.segment_index_bytes,
        };
        Target {
            place: place.cloned(),
            index_interval_bytes: topic.index_interval_bytes,
            modified,
            limits: self.policy.rewrites.segments_anew.then_some(limits),
            now: self.policy.now,
        }
    }

    /// Rewrites a group of segments: while one window of chunks is written, the next is being
    /// made.
    fn rewrite_group(
        &self,
        group: Range<usize>,
        place: Option<&Place>,
    ) -> Result<(Tally, Written)> {
        let segments = self.source.surveys().get(group.clone()).unwrap_or_default();
        let (Some(first), Some(last)) = (segments.first(), segments.last()) else {
            return Err(Error::bug("a group without segments"));
        };
        let target = self.target(place, last.segment.modified);
        let aborted = self.source.aborted_txns(group.clone());
        let copy = self.source.copy_of(group.start)?;
        let mut writer = match (segments, copy) {
            ([only], Some(copy)) => GroupWriter::upon_copy(only, copy, aborted, target)?,
            ([only], None) if self.in_place && target.limits.is_none() => {
                GroupWriter::in_place_of(only, aborted, target)?
            }
            _ => GroupWriter::begin(first.segment.base, aborted, target)?,
        };
        let chunks = self.source.chunks();
        let Range { start, end } = chunks_of(chunks, &group);
        // What is unpacked takes more; how much more is known from the first few.
        let chunk_bytes = self.budget.chunk_bytes;
        let is_recoded = self.policy.rewrites.compression.is_some();
        let mut window = self.window(if is_recoded { 16 * chunk_bytes } else { chunk_bytes });
        let mut largest = chunk_bytes;
        let mut tally = Tally::default();
        let mut ready: Vec<(usize, ChunkOutput)> = Vec::new();
        let mut spares: Vec<ChunkOutput> = Vec::new();
        let mut next = start;
        // However few there are, some are written while others are made.
        let few = (end - start).div_ceil(LEAST_WINDOWS).max(rayon::current_num_threads());
        while next < end || !ready.is_empty() {
            let stop = (next + window.min(few)).min(end);
            let (written, made) = rayon::join(
                || self.write(&mut writer, &ready),
                || {
                    spares.resize_with(stop - next, ChunkOutput::default);
                    let tasks = (next..stop).into_par_iter().with_max_len(1);
                    let tasks = tasks.zip(std::mem::take(&mut spares));
                    tasks.map(|(number, spare)| self.output(number, spare)).collect()
                },
            );
            written?;
            let made: Result<Vec<_>> = made;
            spares = std::mem::replace(&mut ready, made?).into_iter().map(|(_, o)| o).collect();
            for (_, output) in &ready {
                tally.add(&output.tally);
                largest = largest.max(output.made.capacity() as u64);
            }
            window = self.window(largest);
            note_memory();
            next = stop;
        }
        Ok((tally, writer.finish()?))
    }

    /// What stays of a chunk, with its number.
    fn output(&self, number: usize, spare: ChunkOutput) -> Result<(usize, ChunkOutput)> {
        let (at, survey) = place_of(self.source, number)?;
        let output = self.source.output(number, at, survey, spare)?;
        self.progress.advance(at.chunk.end.0 - at.chunk.start.0);
        Ok((number, output))
    }

    fn write(&self, writer: &mut GroupWriter<'_>, ready: &[(usize, ChunkOutput)]) -> Result<()> {
        let keeps_damage = self.policy.on_damage == OnDamage::Keep;
        for (number, output) in ready {
            let (at, survey) = place_of(self.source, *number)?;
            // What is copied of it now may be many small pieces.
            survey.log.still_reaches(at.chunk.end)?;
            writer.came_from(survey.segment.modified);
            if keeps_damage {
                writer.append_damage(survey.log.bytes(), &at.chunk)?;
            }
            writer.append(&survey.log, output)?;
        }
        if !writer.may_read_again() {
            self.let_go(ready);
        }
        Ok(())
    }

    /// Lets go of the log that `ready` was made of.
    fn let_go(&self, ready: &[(usize, ChunkOutput)]) {
        let place = |number: &usize| place_of(self.source, *number).ok();
        let places: Vec<_> = ready.iter().filter_map(|(number, _)| place(number)).collect();
        for of_segment in places.chunk_by(|(a, _), (b, _)| a.segment == b.segment) {
            if let [(first, survey), .., (last, _)] | [(first @ last, survey)] = of_segment {
                let range = first.chunk.start.index()..last.chunk.end.index();
                survey.log.map().let_go(range);
            }
        }
    }
}
