//! Check everything that can be checked in partition and log directories; change nothing.
//!
//! Each log is read once, in parallel within it (`windows` of `stretch`es: what a batch shows by
//! itself, records and all), and what was seen is heard in log order (`in_order`: offsets,
//! sequences, the indexes against the batches). What no segment can know alone is checked
//! afterwards (`partition`: transactions, sequences across segments, snapshots, names), and what
//! belongs to no partition last (`checkpoints`). Where rounds of compaction have left a state, that
//! is checked with it (`rounds`). A finding never ends the reading. Whether another
//! directory has the same state is a question of its own ([`against`]), and so is whether keys lie
//! in the partitions that they belong to ([`keys`]).
#![cfg_attr(not(test), deny(clippy::indexing_slicing, clippy::unwrap_used, clippy::panic))]
#![allow(rustdoc::private_intra_doc_links, reason = "the tour names the rooms' own files")]

pub mod against;
mod batches;
mod checkpoints;
mod epochs;
mod finding;
mod gaps;
mod holes;
mod in_order;
mod index_entries;
pub mod keys;
mod partition;
mod producers;
mod rounds;
mod segment;
mod sequences;
mod several;
mod stretch;
mod summary;
mod transactions;
mod windows;

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

pub use finding::{Finding, Findings, Severity};
pub(crate) use stretch::Stretch;
pub use summary::Summary;
pub(crate) use windows::{Sight, read_alone, read_together};

use crate::error::Result;
use crate::report::Progress;
use crate::segment::{PartitionDir, PassedOver, Sources, TopicPartition, WhyPassedOver};

/// What was found, and what was read to find it.
#[derive(Debug, Default)]
pub struct Verified {
    /// In the order of partitions and of their logs.
    pub findings: Vec<Finding>,
    /// Counts.
    pub summary: Summary,
}

/// Verifies the partitions of `sources` and the checkpoints of its log directories.
///
/// # Errors
/// None of its own at present: what cannot be read is a finding.
pub fn run(sources: &Sources, progress: &dyn Progress) -> Result<Verified> {
    const MEMORY_BYTES: u64 = 64 << 20;
    run_within(sources, MEMORY_BYTES, progress)
}

/// The same, with so much memory for the search for keys of which a key index says what is not so.
///
/// # Errors
/// As [`run`].
pub fn run_within(
    sources: &Sources,
    memory_bytes: u64,
    progress: &dyn Progress,
) -> Result<Verified> {
    let dirs: Vec<(&Path, Result<PartitionDir>)> =
        sources.partitions.iter().map(|p| (p.as_path(), PartitionDir::open(p))).collect();
    let sizes = dirs.iter().filter_map(|(_, dir)| dir.as_ref().ok());
    let total_bytes = sizes.flat_map(|dir| &dir.segments).map(|s| s.size_bytes).sum();
    progress.begin("verifying", total_bytes);
    let mut verified = Verified::default();
    // Read in front of the logs: what a broker writes meanwhile is not held against it.
    let checkpoints: Vec<_> = sources.log_dirs.iter().map(checkpoints::read).collect();
    let mut spans = Vec::new();
    several::check(&dirs, memory_bytes, progress, |part| {
        spans.extend(part.span);
        verified.findings.extend(part.findings.into_list());
        verified.summary.add(&part.summary);
    });
    progress.finish();
    verified.findings.extend(there_twice(sources));
    verified.findings.extend(sources.passed_over.iter().map(passed_over));
    for path in &sources.links {
        verified.findings.push(Finding::about(
            "directory-link",
            Severity::Warning,
            path,
            "a link, which is not followed; name it to verify what it leads to",
        ));
    }
    for (dir, checkpoints) in sources.log_dirs.iter().zip(&checkpoints) {
        verified.findings.extend(checkpoints::check(dir, checkpoints, &spans).into_list());
    }
    for finding in &verified.findings {
        verified.summary.count(finding);
    }
    Ok(verified)
}

/// Directories of one partition in one log directory, as `t-0` and `t-00` (`LogManager.loadLog`).
fn there_twice(sources: &Sources) -> Vec<Finding> {
    let mut seen: BTreeMap<(PathBuf, TopicPartition), PathBuf> = BTreeMap::new();
    let mut findings = Vec::new();
    for path in &sources.partitions {
        let Ok(full) = fs::canonicalize(path) else { continue };
        let name = full.file_name().and_then(|name| TopicPartition::parse(name.to_str()?));
        let (Some(name), Some(parent)) = (name, full.parent()) else { continue };
        let other = seen.entry((parent.into(), name)).or_insert_with(|| full.clone());
        if *other != full {
            let other = other.display();
            let text = format!("the same partition as {other}: no broker starts with both");
            findings.push(Finding::about("directory-name", Severity::Error, path, text));
        }
    }
    findings
}

fn passed_over(folder: &PassedOver) -> Finding {
    let PassedOver { path, why } = folder;
    let (rule, severity, behind) = match why {
        WhyPassedOver::OnItsWay => ("directory-passed-over", Severity::Info, "not verified"),
        WhyPassedOver::Staging => ("leftover", Severity::Warning, "no broker starts with it"),
        WhyPassedOver::UnnamedLog | WhyPassedOver::NoPartition => {
            let behind = "not verified: no broker starts with it";
            ("directory-name", Severity::Warning, behind)
        }
    };
    Finding::about(rule, severity, path, format!("{why}, {behind}"))
}
