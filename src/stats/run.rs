//! A whole run: partitions read, savings asked for, everything added up.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::time::{Instant, SystemTime, UNIX_EPOCH};

use rayon::prelude::*;

use super::keys::Counting;
use super::partition::{Opened, Readers};
use super::report::{
    Dirty, KeyStats, PartitionOutcome, PartitionStats, Savings, StatsReport, TopicStats, Totals,
};
use super::savings;
use super::tally::Tally;
use crate::compact::Policy;
use crate::disk::Disk;
use crate::error::Result;
use crate::report::{Progress, RunOutcome, peak_memory_bytes};
use crate::segment::Sources;
use crate::units::Timestamp;

/// From this on, a partition is read with all threads.
const LARGE_PARTITION_BYTES: u64 = 4 << 20;

/// Small partitions have this part of the memory each: not as many as there are threads, so that
/// threads have no say in what is exact.
const SMALL_SHARE: u64 = 8;

/// What is to be found out.
#[derive(Clone, Debug)]
pub struct StatsOptions {
    /// How keys are counted.
    pub keys: Counting,
    /// How many of the heaviest keys are listed.
    pub top: usize,
    /// What `--memory` allows.
    pub memory_limit_bytes: u64,
    /// The rules by which to ask what compaction would save; without, it is not asked.
    pub savings: Option<Policy>,
    /// The clock.
    pub now: Timestamp,
    /// The disk that the sources are on.
    pub disk: Disk,
    /// Where temporary files go.
    pub temp_dir: Option<PathBuf>,
}

/// Reads the partitions of `sources`.
///
/// # Errors
/// What ends the whole run. Trouble with a single partition is in its outcome.
pub fn run(
    sources: &Sources,
    options: &StatsOptions,
    progress: &dyn Progress,
) -> Result<StatsReport> {
    let started = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    let clock = Instant::now();
    let mut partitions = read_all(sources, options, progress)?;
    crate::report::note_memory();
    tell_apart(&mut partitions);
    if let Some(policy) = &options.savings {
        savings::ask(&mut partitions, &sources.log_dirs, policy, options, progress)?;
    }
    let mut warnings = Vec::new();
    warnings.extend(sources.logs_passed_over().map(ToString::to_string));
    for path in &sources.links {
        let what = "a link, which is not followed; name it to see what it leads to";
        warnings.push(format!("{}: {what}", path.display()));
    }
    let topics = topics(&partitions, options.top);
    let is_bad = |partition: &PartitionStats| partition.outcome != PartitionOutcome::Ok;
    let has_problems = partitions.iter().any(is_bad);
    Ok(StatsReport {
        schema_version: 1,
        tool: "logcompact",
        version: env!("CARGO_PKG_VERSION"),
        command: "stats",
        started_ms: started.as_millis() as u64,
        elapsed_ms: clock.elapsed().as_millis() as u64,
        now_ms: options.now,
        include_active: options.savings.as_ref().is_some_and(|policy| policy.include_active),
        threads: rayon::current_num_threads(),
        memory_limit_bytes: options.memory_limit_bytes,
        peak_memory_bytes: peak_memory_bytes(),
        outcome: if has_problems { RunOutcome::Problems } else { RunOutcome::Ok },
        totals: totals(&partitions, &topics, options.top),
        topics,
        partitions,
        warnings,
    })
}

/// Small partitions side by side, each on one thread, then large ones, each on all threads. A
/// thread that waits for others would take up whatever else there is to do, so it is not mixed.
fn read_all(
    sources: &Sources,
    options: &StatsOptions,
    progress: &dyn Progress,
) -> Result<Vec<PartitionStats>> {
    let open = |path: &PathBuf| Opened::new(&options.disk, path);
    let opened: Vec<Opened> = sources.partitions.par_iter().map(open).collect();
    progress.begin("reading", opened.iter().map(Opened::size_bytes).sum());
    let memory_bytes = options.memory_limit_bytes;
    let small = |opened: Opened| {
        if opened.size_bytes() >= LARGE_PARTITION_BYTES {
            return Ok(Err(opened));
        }
        opened.read(options, memory_bytes / SMALL_SHARE, Readers::One, progress).map(Ok)
    };
    let read: Vec<Result<Result<PartitionStats, Opened>>> =
        opened.into_par_iter().map(small).collect();
    let all = |read: Result<Result<PartitionStats, Opened>>| match read? {
        Ok(stats) => Ok(stats),
        Err(large) => large.read(options, memory_bytes, Readers::All, progress),
    };
    let read = read.into_iter().map(all).collect();
    progress.finish();
    read
}

/// Marks those whose names are the same.
fn tell_apart(partitions: &mut [PartitionStats]) {
    let mut count: BTreeMap<String, usize> = BTreeMap::new();
    for partition in partitions.iter() {
        *count.entry(partition.name()).or_default() += 1;
    }
    for partition in partitions {
        partition.has_namesake = count.get(&partition.name()).is_some_and(|count| *count > 1);
    }
}

/// What several partitions come to.
struct Sum {
    tally: Tally,
    keys: KeyStats,
    dirty: Dirty,
    savings: Option<Savings>,
}

impl Sum {
    fn of(partitions: &[&PartitionStats], top: usize) -> Sum {
        let mut tally = Tally::default();
        let mut dirty = Dirty::default();
        let mut savings: Option<Savings> = None;
        for partition in partitions {
            tally.add(&partition.tally);
            dirty.add(&partition.dirty);
            if let Some(saved) = &partition.savings {
                let sum = savings.get_or_insert_with(Savings::default);
                sum.records += saved.records;
                sum.bytes = sum.bytes.saturating_add(saved.bytes);
            }
        }
        let keys = KeyStats::of(partitions.iter().map(|partition| &partition.keys), top);
        let savings = savings.map(|savings| savings.of_bytes(tally.bytes));
        Sum { tally, keys, dirty, savings }
    }
}

fn topics(partitions: &[PartitionStats], top: usize) -> Vec<TopicStats> {
    let mut by_topic: BTreeMap<&str, Vec<&PartitionStats>> = BTreeMap::new();
    for partition in partitions {
        by_topic.entry(&partition.topic).or_default().push(partition);
    }
    let topic = |(topic, partitions): (&str, Vec<&PartitionStats>)| {
        let Sum { tally, keys, dirty, savings } = Sum::of(&partitions, top);
        TopicStats {
            topic: topic.to_owned(),
            topic_id: partitions.iter().find_map(|partition| partition.topic_id.clone()),
            partitions: partitions.len() as u64,
            tally,
            keys,
            dirty,
            savings,
        }
    };
    by_topic.into_iter().map(topic).collect()
}

fn totals(partitions: &[PartitionStats], topics: &[TopicStats], top: usize) -> Totals {
    let failed = |p: &&PartitionStats| p.outcome == PartitionOutcome::Failed;
    let Sum { tally, keys, dirty, savings } = Sum::of(&partitions.iter().collect::<Vec<_>>(), top);
    Totals {
        topics: topics.len() as u64,
        partitions: partitions.len() as u64,
        partitions_failed: partitions.iter().filter(failed).count() as u64,
        tally,
        keys,
        dirty,
        savings,
    }
}
