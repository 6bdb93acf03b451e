//! One report of many: what the units of a plan have done, or several runs, as if one had done it.
//!
//! Counters are added; of times there is the first and the last, of what a machine was asked for
//! the most. What the reports say of each partition stays as it is, to the byte.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;

use super::WorkPlan;
use crate::error::{Error, Result};
use crate::report::{Counters, UnitOfPlan};
use crate::segment::TopicPartition;
use crate::units::Timestamp;

/// The report of a compaction, as far as adding it to others asks for.
#[derive(Debug, Deserialize)]
pub struct UnitReport<'a> {
    schema_version: u32,
    tool: String,
    version: String,
    command: String,
    started_ms: i64,
    elapsed_ms: i64,
    now_ms: Timestamp,
    strategy: String,
    threads: usize,
    memory_limit_bytes: u64,
    peak_memory_bytes: u64,
    dry_run: bool,
    in_place: bool,
    #[serde(default)]
    unit: Option<UnitOfPlan>,
    #[serde(default)]
    reports: Option<u64>,
    #[serde(default)]
    keys_to_erase: u64,
    #[serde(default)]
    include_active: bool,
    outcome: String,
    #[serde(default)]
    failure: Option<String>,
    #[serde(borrow)]
    partitions: Vec<&'a RawValue>,
    totals: Counters,
}

/// What is to be known of a partition's report.
#[derive(Deserialize)]
struct Named {
    topic: String,
    partition: i32,
    outcome: String,
}

/// The sum of several reports; as JSON, a report of `logcompact compact` with two fields more.
#[derive(Debug, Serialize)]
pub struct Total<'a> {
    schema_version: u32,
    tool: &'static str,
    version: &'static str,
    command: &'static str,
    started_ms: i64,
    /// From the begin of the first to the end of the last.
    elapsed_ms: i64,
    /// The latest clock that any of them went by.
    now_ms: Timestamp,
    strategy: String,
    threads: usize,
    memory_limit_bytes: u64,
    peak_memory_bytes: u64,
    dry_run: bool,
    in_place: bool,
    /// The sum is of no one unit.
    unit: Option<UnitOfPlan>,
    /// What only a run over all partitions can say of erased keys.
    keys_to_erase: u64,
    keys_not_found: u64,
    not_searched_for_keys: [String; 0],
    include_active: bool,
    outcome: &'static str,
    failure: Option<String>,
    /// How many reports it is of.
    reports: usize,
    /// Units are at work in the output folder, or were killed there.
    staging_left: bool,
    /// Partitions of the plan that no report tells of, or that are not in its output folder.
    partitions_missing: Vec<String>,
    partitions: Vec<&'a RawValue>,
    totals: Counters,
}

const OK: &str = "ok";
const PROBLEMS: &str = "problems";

impl<'a> UnitReport<'a> {
    /// Reads a report; `path` is where it came from.
    ///
    /// # Errors
    /// Refused: what is no report of a compaction.
    pub fn parse(path: &Path, text: &'a [u8]) -> Result<UnitReport<'a>> {
        let none = |why: String| {
            let path = path.display();
            Error::refused(format!("{path}: is no report of logcompact compact: {why}"))
        };
        let report: UnitReport<'_> =
            serde_json::from_slice(text).map_err(|error| none(error.to_string()))?;
        if report.tool != "logcompact" || report.command != "compact" {
            return Err(none(format!("it is of {} {}", report.tool, report.command)));
        }
        if report.schema_version != 1 {
            return Err(none(format!("its schema_version is {}", report.schema_version)));
        }
        if report.reports.is_some() {
            return Err(none("it is a sum itself; name those that it is of".into()));
        }
        if report.keys_to_erase > 0 {
            return Err(none(
                "it tells of erased keys, and no sum of several could say which were not found"
                    .into(),
            ));
        }
        Ok(report)
    }

    /// Whether it is of a unit of the plan with this `id`.
    pub fn is_of(&self, id: &str) -> bool {
        self.unit.as_ref().is_some_and(|unit| unit.plan == id)
    }

    /// Whether it tells of nothing that went wrong.
    pub fn is_ok(&self) -> bool {
        self.outcome == OK && self.failure.is_none()
    }
}

impl<'a> Total<'a> {
    /// Adds up `reports`, which come with the files that they are in; `plan` says of which
    /// partitions they are to tell, which must lie in its output folder, and `is_left` that this is
    /// not complete whatever they say.
    ///
    /// # Errors
    /// Refused: none at all, reports of different compactions, or two that tell of the same
    /// partition, which would be counted twice.
    pub fn of(
        reports: &[(&Path, UnitReport<'a>)],
        plan: Option<&WorkPlan>,
        is_left: bool,
    ) -> Result<Total<'a>> {
        let Some((first_path, first)) = reports.first() else {
            return Err(Error::refused("none of these reports is of the plan"));
        };
        let mut partitions: BTreeMap<TopicPartition, (&Path, &'a RawValue)> = BTreeMap::new();
        let mut left_out: BTreeSet<TopicPartition> = BTreeSet::new();
        let mut totals = Counters::default();
        let mut is_ok = !is_left;
        for (path, report) in reports {
            if report.rules() != first.rules() {
                return Err(Error::refused(format!(
                    "{} and {} are of different compactions: {} and {}",
                    first_path.display(),
                    path.display(),
                    first.rules(),
                    report.rules()
                )));
            }
            for raw in &report.partitions {
                let named: Named = serde_json::from_str(raw.get()).map_err(|error| {
                    Error::refused(format!("{}: a partition's report: {error}", path.display()))
                })?;
                let name = TopicPartition { topic: named.topic, partition: named.partition };
                if let Some((other, _)) = partitions.get(&name) {
                    return Err(Error::refused(format!(
                        "{} and {} both tell of {name}, which would be counted twice; --plan \
                         leaves out what is of other plans",
                        other.display(),
                        path.display()
                    )));
                }
                if named.outcome == "failed" {
                    left_out.insert(name.clone());
                }
                partitions.insert(name, (path, raw));
            }
            is_ok &= report.is_ok();
            totals.add(&report.totals);
        }
        let planned = plan.map(WorkPlan::partitions).unwrap_or_default();
        let out = plan.map(|plan| plan.out.as_path()).unwrap_or(Path::new(""));
        let is_there = |name: &TopicPartition| {
            let is_told = partitions.contains_key(name);
            is_told && (left_out.contains(name) || out.join(name.to_string()).is_dir())
        };
        let missing: BTreeSet<_> = planned.iter().filter(|name| !is_there(name)).collect();
        is_ok &= missing.is_empty();
        let all = || reports.iter().map(|(_, report)| report);
        let started_ms = all().map(|report| report.started_ms).min().unwrap_or_default();
        let end_ms = |report: &UnitReport<'_>| report.started_ms.saturating_add(report.elapsed_ms);
        let ended_ms = all().map(end_ms).max().unwrap_or_default();
        let most = |of: fn(&UnitReport<'_>) -> u64| all().map(of).max().unwrap_or_default();
        Ok(Total {
            schema_version: 1,
            tool: "logcompact",
            version: env!("CARGO_PKG_VERSION"),
            command: "compact",
            started_ms,
            elapsed_ms: ended_ms.saturating_sub(started_ms),
            now_ms: all().map(|report| report.now_ms).max().unwrap_or(first.now_ms),
            strategy: first.strategy.clone(),
            threads: all().map(|report| report.threads).max().unwrap_or_default(),
            memory_limit_bytes: most(|report| report.memory_limit_bytes),
            peak_memory_bytes: most(|report| report.peak_memory_bytes),
            dry_run: first.dry_run,
            in_place: first.in_place,
            unit: None,
            keys_to_erase: 0,
            keys_not_found: 0,
            not_searched_for_keys: [],
            include_active: first.include_active,
            outcome: if is_ok { OK } else { PROBLEMS },
            failure: all().find_map(|report| report.failure.clone()),
            reports: reports.len(),
            staging_left: is_left,
            partitions_missing: missing.into_iter().map(ToString::to_string).collect(),
            partitions: partitions.into_values().map(|(_, raw)| raw).collect(),
            totals,
        })
    }

    /// Whether all partitions were compacted, and none has problems.
    pub fn is_ok(&self) -> bool {
        self.outcome == OK
    }

    /// Partitions of the plan that no report tells of, or that are not there, by name.
    pub fn missing(&self) -> &[String] {
        &self.partitions_missing
    }
}

impl UnitReport<'_> {
    /// What reports must have in common so that their sum means something.
    fn rules(&self) -> String {
        let dry_run = if self.dry_run { ", a dry run" } else { "" };
        let in_place = if self.in_place { ", in place" } else { "" };
        let active = if self.include_active { ", with active segments" } else { "" };
        format!("version {}, --strategy {}{active}{in_place}{dry_run}", self.version, self.strategy)
    }
}
