//! Many partitions: small segments side by side, large ones one after the other with all threads.
//!
//! A thread of the pool that waits for others takes up whatever else there is to do. Would each
//! segment both be one of many tasks and wait for tasks of its own, one thread could have any
//! number of them begun and none finished; so either is done alone.

use std::path::Path;

use rayon::prelude::*;

use super::partition::{self, Checked, Opened};
use super::segment::{self, CheckedSegment, Place, Readers};
use crate::error::Error;
use crate::report::Progress;
use crate::segment::{PartitionDir, Segment};

/// From how many bytes for each thread on a segment is large: below, the threads are as busy with
/// a segment each.
const LARGE_BYTES: u64 = 4 << 20;

/// How many bytes for each thread are read before partitions are finished and let go of: many
/// times the largest small segment, for which some threads may have to wait.
const GROUP_BYTES: u64 = 256 << 20;

/// A partition directory, or why it cannot be listed.
pub type Listed<'a> = (&'a Path, Result<PartitionDir, Error>);

/// Checks them; `hear` gets each in its turn.
pub fn check(dirs: &[Listed<'_>], progress: &dyn Progress, mut hear: impl FnMut(Checked)) {
    let threads = rayon::current_num_threads() as u64;
    let mut rest = dirs;
    while !rest.is_empty() {
        let (group, behind) = rest.split_at(group_len(rest, GROUP_BYTES * threads));
        check_group(group, LARGE_BYTES * threads, progress).into_iter().for_each(&mut hear);
        rest = behind;
    }
}

/// How many of `dirs` make up `enough_bytes`, or all of them.
fn group_len(dirs: &[Listed<'_>], enough_bytes: u64) -> usize {
    let mut sum_bytes = 0u64;
    let reaches = |(_, dir): &Listed<'_>| {
        let segments = dir.iter().flat_map(|dir| &dir.segments);
        sum_bytes += segments.map(|segment| segment.size_bytes).sum::<u64>();
        sum_bytes >= enough_bytes
    };
    dirs.iter().position(reaches).map_or(dirs.len(), |last| last + 1)
}

fn check_group(dirs: &[Listed<'_>], large_bytes: u64, progress: &dyn Progress) -> Vec<Checked> {
    let opened: Vec<Option<Opened<'_>>> =
        dirs.par_iter().map(|(_, dir)| dir.as_ref().ok().map(partition::open)).collect();
    let segments: Vec<_> = opened.iter().flatten().flat_map(Opened::segments).collect();
    let mut parts = check_segments(&segments, large_bytes, progress).into_iter();
    let parts: Vec<Vec<CheckedSegment>> = opened
        .iter()
        .map(|opened| {
            parts.by_ref().take(opened.iter().flat_map(Opened::segments).count()).collect()
        })
        .collect();
    let partitions = dirs.par_iter().zip(opened).zip(parts);
    let finish = |(((path, dir), opened), parts): ((&Listed<'_>, Option<Opened<'_>>), _)| match (
        opened, dir,
    ) {
        (Some(opened), _) => partition::finish(opened, parts),
        (None, Err(error)) => Checked::unreadable(path, error),
        (None, Ok(_)) => Checked::default(),
    };
    partitions.map(finish).collect()
}

fn check_segments(
    segments: &[(&Segment, Place<'_>)],
    large_bytes: u64,
    progress: &dyn Progress,
) -> Vec<CheckedSegment> {
    let is_large = |segment: &Segment| segment.size_bytes >= large_bytes;
    let alone = |(segment, place): &(&Segment, Place<'_>)| {
        (!is_large(segment)).then(|| segment::check(segment, *place, Readers::One, progress))
    };
    let small: Vec<Option<CheckedSegment>> = segments.par_iter().map(alone).collect();
    let together = |((segment, place), small): (&(&Segment, Place<'_>), Option<_>)| {
        small.unwrap_or_else(|| segment::check(segment, *place, Readers::All, progress))
    };
    segments.iter().zip(small).map(together).collect()
}
