//! A range rewritten: its groups in parallel, and within a group its chunks.
//!
//! A chunk that the vote had to decompress is made as soon as its records are decided, and waits
//! for its place; the others are made when their turn to be written comes. While one window of
//! chunks is being written, the next is being made, so memory holds two windows a group and the
//! disk is not waited for.

use std::ops::Range;

use rayon::prelude::*;

use super::budget::Budget;
use super::election::{ChunkAt, ChunkResult, Election, Listener};
use super::group_writer::{GroupWriter, Target, Written};
use super::plan::Plan;
use super::policy::OnDamage;
use super::rewrite::{ChunkOutput, RewriteContext, Tally};
use super::scan::Bodies;
use super::survey::Survey;
use super::transactions::SegmentTxns;
use super::waiting::Waiting;
use super::worker::with_decoder;
use crate::error::{Error, Result};
use crate::report::{Progress, note_memory};
use crate::segment::Place;

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
        number: usize,
        result: &ChunkResult,
        bodies: Option<&Bodies>,
    ) -> Result<ChunkOutput> {
        let no_txns = SegmentTxns::default();
        let (at, survey) = self.place_of(number)?;
        let txns = self.txns.get(at.segment).unwrap_or(&no_txns);
        with_decoder(|decoder| {
            ChunkOutput::make(survey, at.chunk, result, txns, bodies, &self.context, decoder)
        })
    }

    fn place_of(&self, number: usize) -> Result<(&ChunkAt, &Survey)> {
        let at = self.chunks.get(number);
        at.and_then(|at| Some((at, self.range.get(at.segment)?)))
            .ok_or_else(|| Error::bug("a chunk that is not in the range"))
    }
}

impl Listener for Maker<'_> {
    fn decided(&self, number: usize, result: &ChunkResult, bodies: &Bodies) -> Result<()> {
        if bodies.is_empty() {
            return Ok(()); // nothing would be saved, and the batches that stay need no memory
        }
        self.waiting.put(number, self.make(number, result, Some(bodies))?)
    }
}

/// Everything that the rewrite of a range rests on.
pub struct Job<'a> {
    /// Makes the chunks.
    pub maker: &'a Maker<'a>,
    /// Which records stay.
    pub election: &'a Election,
    /// The groups.
    pub plan: &'a Plan,
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
            .plan
            .groups
            .par_iter()
            .map(|group| {
                let retired = self.plan.retired;
                self.rewrite_group(group.start - retired..group.end - retired, place)
            })
            .collect::<Result<_>>()?;
        let mut sum = Tally::default();
        results.iter().for_each(|(tally, _)| sum.add(tally));
        Ok((sum, results.into_iter().map(|(_, written)| written).collect()))
    }

    /// Chunks of a group that are made at a time: memory holds twice as many, in as many groups as
    /// there are threads.
    fn window(&self) -> usize {
        let threads = rayon::current_num_threads();
        let groups = self.plan.groups.len().clamp(1, threads);
        let bytes = self.budget.writing_bytes as u64 / (2 * groups as u64);
        usize::try_from(bytes / self.budget.chunk_bytes).unwrap_or(1).clamp(1, threads * 16)
    }

    /// Rewrites the group of segments `group` of the range: while one window of chunks is written,
    /// the next is being made.
    fn rewrite_group(
        &self,
        group: Range<usize>,
        place: Option<&Place>,
    ) -> Result<(Tally, Written)> {
        let segments = self.maker.range.get(group.clone()).unwrap_or_default();
        let (Some(first), Some(last)) = (segments.first(), segments.last()) else {
            return Err(Error::bug("a group without segments"));
        };
        let target = Target {
            place: place.cloned(),
            index_interval_bytes: self.maker.context.policy.topic.index_interval_bytes,
            modified: last.segment.modified,
        };
        let txns = self.maker.txns.get(group.clone()).unwrap_or_default();
        let aborted = txns.iter().flat_map(|txns| txns.index_entries.iter().copied()).collect();
        let mut writer = GroupWriter::begin(first.segment.base, aborted, target)?;
        let chunks = self.maker.chunks;
        let start = chunks.partition_point(|at| at.segment < group.start);
        let end = chunks.partition_point(|at| at.segment < group.end);
        let window = self.window();
        let mut tally = Tally::default();
        let mut ready: Vec<(usize, ChunkOutput)> = Vec::new();
        let mut next = start;
        while next < end || !ready.is_empty() {
            let stop = (next + window).min(end);
            let (written, made) = rayon::join(
                || self.write(&mut writer, &ready),
                || (next..stop).into_par_iter().map(|number| self.output(number)).collect(),
            );
            written?;
            let made: Result<Vec<_>> = made;
            ready = made?;
            ready.iter().for_each(|(_, output)| tally.add(&output.tally));
            note_memory();
            next = stop;
        }
        Ok((tally, writer.finish()?))
    }

    /// What stays of a chunk, with its number.
    fn output(&self, number: usize) -> Result<(usize, ChunkOutput)> {
        let (at, survey) = self.maker.place_of(number)?;
        let output = match self.maker.waiting.take(number, survey.log.bytes())? {
            Some(output) => output,
            None => {
                let result = self.election.chunks.get(number);
                let result = result.ok_or_else(|| Error::bug("a chunk without a vote"))?;
                self.maker.make(number, result, None)?
            }
        };
        self.progress.advance(at.chunk.end.0 - at.chunk.start.0);
        Ok((number, output))
    }

    fn write(&self, writer: &mut GroupWriter, ready: &[(usize, ChunkOutput)]) -> Result<()> {
        let keeps_damage = self.maker.context.policy.on_damage == OnDamage::Keep;
        for (number, output) in ready {
            let (at, survey) = self.maker.place_of(*number)?;
            if keeps_damage {
                writer.append_damage(survey.log.bytes(), &at.chunk)?;
            }
            writer.append(survey.log.bytes(), output)?;
        }
        Ok(())
    }
}
