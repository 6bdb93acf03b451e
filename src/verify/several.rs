//! Many partitions: small segments side by side, large ones one after the other with all threads.
//!
//! A thread of the pool that waits for others takes up whatever else there is to do. Would each
//! segment both be one of many tasks and wait for tasks of its own, one thread could have any
//! number of them begun and none finished; so either is done alone.

use std::path::Path;

use rayon::prelude::*;

use super::partition::{self, Checked, Opened};
use super::rounds::RoundsChecked;
use super::segment::{self, CheckedSegment, Place, Readers};
use crate::error::Error;
use crate::report::Progress;
use crate::segment::{PartitionDir, Segment};

/// Segments below this are small, if there is but one: a few stretches.
const LEAST_LARGE_BYTES: u64 = 1 << 20;

/// Segments of this for each thread are large, however many there are.
const LARGE_BYTES: u64 = 4 << 20;

/// How many bytes for each thread are read before partitions are finished and let go of: many
/// times the largest small segment, for which some threads may have to wait.
const GROUP_BYTES: u64 = 256 << 20;

/// A partition directory, or why it cannot be listed.
pub type Listed<'a> = (&'a Path, Result<PartitionDir, Error>);

/// Checks them; `hear` gets each in its turn.
pub fn check(
    dirs: &[Listed<'_>],
    memory_bytes: u64,
    progress: &dyn Progress,
    mut hear: impl FnMut(Checked),
) {
    let threads = rayon::current_num_threads() as u64;
    let mut rest = dirs;
    while !rest.is_empty() {
        let (group, behind) = rest.split_at(group_len(rest, GROUP_BYTES * threads));
        // In between, what is large is what one thread could still be at when the others are done.
        let share_bytes = group.iter().map(size_bytes).sum::<u64>() / (4 * threads);
        let large_bytes = share_bytes.clamp(LEAST_LARGE_BYTES, LARGE_BYTES * threads);
        check_group(group, large_bytes, memory_bytes, progress).into_iter().for_each(&mut hear);
        rest = behind;
    }
}

/// How many of `dirs` make up `enough_bytes`, or all of them.
fn group_len(dirs: &[Listed<'_>], enough_bytes: u64) -> usize {
    let mut sum_bytes = 0u64;
    let reaches = |dir: &Listed<'_>| {
        sum_bytes += size_bytes(dir);
        sum_bytes >= enough_bytes
    };
    dirs.iter().position(reaches).map_or(dirs.len(), |last| last + 1)
}

fn size_bytes((_, dir): &Listed<'_>) -> u64 {
    let segments = dir.iter().flat_map(|dir| &dir.segments);
    segments.map(|segment| segment.size_bytes).sum()
}

fn check_group(
    dirs: &[Listed<'_>],
    large_bytes: u64,
    memory_bytes: u64,
    progress: &dyn Progress,
) -> Vec<Checked> {
    let mut opened: Vec<Option<Opened<'_>>> =
        dirs.par_iter().map(|(_, dir)| dir.as_ref().ok().map(partition::open)).collect();
    let segments: Vec<_> = opened.iter().flatten().flat_map(Opened::segments).collect();
    let mut parts = check_segments(&segments, large_bytes, progress).into_iter();
    let of_partition = |opened: &Option<Opened<'_>>| {
        let segments = opened.iter().flat_map(Opened::segments).count();
        parts.by_ref().take(segments).collect()
    };
    let parts: Vec<Vec<CheckedSegment>> = opened.iter().map(of_partition).collect();
    // One after the other: each takes all threads, and most have none.
    let rounds = opened.iter_mut().zip(&parts).map(|(opened, parts)| match opened {
        Some(opened) => opened.check_rounds(parts, memory_bytes),
        None => RoundsChecked::default(),
    });
    let rounds: Vec<RoundsChecked> = rounds.collect();
    let finish = |((dir, opened), (parts, rounds)): ((&Listed<'_>, Option<Opened<'_>>), _)| {
        let (path, dir) = dir;
        if let Err(error) = dir {
            return Checked::unreadable(path, error);
        }
        opened.map(|opened| partition::finish(opened, parts, rounds)).unwrap_or_default()
    };
    dirs.par_iter().zip(opened).zip(parts.into_par_iter().zip(rounds)).map(finish).collect()
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
