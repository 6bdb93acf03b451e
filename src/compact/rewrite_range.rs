//! A range rewritten: its groups in parallel, and within a group its chunks.
//!
//! While one window of chunks is being written, the next is being made, so memory holds two windows
//! a group and the disk is not waited for.

use std::ops::Range;
use std::path::Path;

use rayon::prelude::*;

use super::election::{self, ChunkAt, Election};
use super::plan::Plan;
use super::rewrite::{ChunkOutput, RewriteContext, Tally};
use super::segment_writer::{GroupWriter, Target, Written};
use super::survey::Survey;
use super::transactions::SegmentTxns;
use super::worker::with_decoder;
use crate::error::{Error, Result};
use crate::report::{Progress, note_memory};

/// Everything that the rewrite of a range rests on.
pub struct Job<'a> {
    /// The segments of the range.
    pub range: &'a [Survey],
    /// Their transactions.
    pub txns: &'a [SegmentTxns],
    /// Which records stay.
    pub election: &'a Election,
    /// The rules.
    pub context: RewriteContext<'a>,
    /// The groups.
    pub plan: &'a Plan,
    /// Who hears of it.
    pub progress: &'a dyn Progress,
}

impl Job<'_> {
    /// Rewrites all groups, in parallel; writes nothing without a folder.
    pub fn rewrite(&self, dir: Option<&Path>) -> Result<(Tally, Written)> {
        let chunks = election::chunks_of(self.range);
        let results: Vec<(Tally, Written)> = self
            .plan
            .groups
            .par_iter()
            .map(|group| {
                let retired = self.plan.retired;
                let segments = group.start - retired..group.end - retired;
                self.rewrite_group(segments, &chunks, dir)
            })
            .collect::<Result<_>>()?;
        let mut sum = (Tally::default(), Written::default());
        for (tally, written) in &results {
            sum.0.add(tally);
            sum.1.segments += written.segments;
            sum.1.log_bytes += written.log_bytes;
            sum.1.batches += written.batches;
        }
        Ok(sum)
    }

    /// Rewrites the group of segments `group` of the range: while one window of chunks is written,
    /// the next is being made.
    fn rewrite_group(
        &self,
        group: Range<usize>,
        chunks: &[ChunkAt],
        dir: Option<&Path>,
    ) -> Result<(Tally, Written)> {
        let segments = self.range.get(group.clone()).unwrap_or_default();
        let (Some(first), Some(last)) = (segments.first(), segments.last()) else {
            return Err(Error::bug("a group without segments"));
        };
        let target = Target {
            dir: dir.map(Path::to_path_buf),
            index_interval_bytes: self.context.policy.topic.index_interval_bytes,
            modified: last.segment.modified,
        };
        let txns = self.txns.get(group.clone()).unwrap_or_default();
        let aborted = txns.iter().flat_map(|txns| txns.index_entries.iter().copied()).collect();
        let mut writer = GroupWriter::begin(first.segment.base, aborted, target)?;
        let start = chunks.partition_point(|at| at.segment < group.start);
        let end = chunks.partition_point(|at| at.segment < group.end);
        let window = rayon::current_num_threads() * 4;
        let mut tally = Tally::default();
        let mut ready: Vec<(usize, ChunkOutput)> = Vec::new();
        let mut next = start;
        while next < end || !ready.is_empty() {
            let stop = (next + window).min(end);
            let (written, made) = rayon::join(
                || self.write(&mut writer, &ready),
                || (next..stop).into_par_iter().map(|at| self.make(at, chunks)).collect(),
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

    fn make(&self, number: usize, chunks: &[ChunkAt]) -> Result<(usize, ChunkOutput)> {
        let no_txns = SegmentTxns::default();
        let parts = chunks.get(number).and_then(|at| {
            let survey = self.range.get(at.segment)?;
            let result = self.election.chunks.get(number)?;
            Some((at, survey, result, self.txns.get(at.segment).unwrap_or(&no_txns)))
        });
        let Some((at, survey, result, txns)) = parts else {
            return Err(Error::bug("a chunk that was not voted on"));
        };
        let output = with_decoder(|decoder| {
            ChunkOutput::make(survey, at.chunk, result, txns, &self.context, decoder)
        })?;
        self.progress.advance(at.chunk.end.0 - at.chunk.start.0);
        Ok((at.segment, output))
    }

    fn write(&self, writer: &mut GroupWriter, ready: &[(usize, ChunkOutput)]) -> Result<()> {
        for (segment, output) in ready {
            let survey = self.range.get(*segment);
            writer.append(survey.map_or(&[], |survey| survey.log.bytes()), output)?;
        }
        Ok(())
    }
}
