//! The plan: which partitions each unit has, and with what options they are compacted.
//!
//! It says nothing that a worker would have to find out anew, the clock included: whoever carries
//! out its units, wherever and in whatever order, writes what one compaction of all partitions
//! would write.

use std::cmp::Reverse;
use std::collections::{BTreeSet, BinaryHeap};
use std::io::Read;
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

use super::Estimate;
use crate::disk::open_named;
use crate::error::{Error, Result};
use crate::report::Sha256Sum;
use crate::segment::TopicPartition;

const SCHEMA_VERSION: u32 = 1;
const TOOL: &str = "logcompact";
const COMMAND: &str = "plan";

/// A compaction, cut into units; as JSON, what `logcompact plan` prints.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct WorkPlan {
    /// 1; fields are only ever added.
    pub schema_version: u32,
    /// `logcompact`.
    pub tool: String,
    /// The version that planned, and that alone carries the units out: another one might write
    /// something else.
    pub version: String,
    /// `plan`.
    pub command: String,
    /// The SHA-256 of all the rest: reports name it, and a plan that was changed has another.
    pub id: String,
    /// What is compacted: log directories and partition directories.
    pub dirs: Vec<PathBuf>,
    /// Where to.
    pub out: PathBuf,
    /// The options of `logcompact compact`, the clock (`--now`) among them.
    pub arguments: Vec<String>,
    /// The files that they name, which must be then what they are now.
    pub files: Vec<PlannedFile>,
    /// The units, by number.
    pub units: Vec<WorkUnit>,
    /// How much work all of them are.
    pub totals: Estimate,
}

/// What any version's plan has.
#[derive(Deserialize)]
struct Known {
    schema_version: u32,
    tool: String,
    version: String,
    command: String,
}

/// A file that is read with the options.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct PlannedFile {
    /// Where it lies.
    pub path: PathBuf,
    /// The SHA-256 of its bytes.
    pub sha256: String,
}

/// What is to be done, as the command line says it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Request {
    /// As in the plan.
    pub dirs: Vec<PathBuf>,
    /// As in the plan.
    pub out: PathBuf,
    /// As in the plan.
    pub arguments: Vec<String>,
    /// As in the plan.
    pub files: Vec<PlannedFile>,
}

/// A unit: partitions that one worker compacts.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct WorkUnit {
    /// Its number, from 0.
    pub unit: usize,
    /// How much work it is.
    #[serde(flatten)]
    pub estimate: Estimate,
    /// Its partitions, by topic and number.
    pub partitions: Vec<PlannedPartition>,
}

/// A partition of a unit.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct PlannedPartition {
    /// The topic.
    pub topic: String,
    /// The partition.
    pub partition: i32,
    /// Where it is read.
    pub source: PathBuf,
    /// How much work it is.
    #[serde(flatten)]
    pub estimate: Estimate,
}

/// How large units are to be.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Size {
    /// So that there are so many, some of them with nothing to do if need be.
    Count(usize),
    /// So that each has about so many bytes of log to read.
    Bytes(u64),
}

impl PlannedFile {
    /// Reads the file at `path`, which must be one: a pipe would be another each time.
    ///
    /// # Errors
    /// The system's.
    pub fn read(path: &Path) -> Result<PlannedFile> {
        let read = || {
            let mut bytes = Vec::new();
            open_named(path)?.read_to_end(&mut bytes)?;
            Ok(PlannedFile { path: path.into(), sha256: sha256_of(&bytes) })
        };
        read().map_err(|error| Error::io(path, "cannot read", error))
    }

    /// Refuses a file that is no longer what it was.
    ///
    /// # Errors
    /// That; the system's.
    pub fn check(&self) -> Result<()> {
        if PlannedFile::read(&self.path)? == *self {
            return Ok(());
        }
        let path = self.path.display();
        Err(Error::refused(format!("{path}: has changed since it was planned; plan anew")))
    }
}

fn sha256_of(bytes: &[u8]) -> String {
    Sha256Sum(Sha256::digest(bytes).into()).to_string()
}

impl PlannedPartition {
    /// What it is called.
    pub fn name(&self) -> TopicPartition {
        TopicPartition { topic: self.topic.clone(), partition: self.partition }
    }
}

impl WorkPlan {
    /// Shares `partitions` out so that units are as even as they can be: the one that has the most
    /// to read goes to the unit that has the least so far.
    pub fn of(request: Request, mut partitions: Vec<PlannedPartition>, size: Size) -> WorkPlan {
        let mut totals = Estimate::default();
        partitions.iter().for_each(|partition| totals += partition.estimate);
        let count = match size {
            Size::Count(count) => count.max(1),
            Size::Bytes(bytes) => {
                let wanted = totals.bytes.div_ceil(bytes.max(1));
                usize::try_from(wanted).unwrap_or(usize::MAX).clamp(1, partitions.len().max(1))
            }
        };
        partitions.sort_by_key(|partition| (Reverse(partition.estimate.bytes), partition.name()));
        let numbered = |unit| WorkUnit { unit, ..WorkUnit::default() };
        let mut units: Vec<WorkUnit> = (0..count).map(numbered).collect();
        // By what it has to read, and how many partitions: those of no bytes are work too.
        let mut least: BinaryHeap<Reverse<(u64, usize, usize)>> =
            (0..count).map(|unit| Reverse((0, 0, unit))).collect();
        for partition in partitions {
            let Some(Reverse((bytes, count, number))) = least.pop() else { break };
            least.push(Reverse((bytes + partition.estimate.bytes, count + 1, number)));
            if let Some(unit) = units.get_mut(number) {
                unit.estimate += partition.estimate;
                unit.partitions.push(partition);
            }
        }
        units.iter_mut().for_each(|unit| unit.partitions.sort_by_key(PlannedPartition::name));
        let Request { dirs, out, arguments, files } = request;
        let plan = WorkPlan {
            schema_version: SCHEMA_VERSION,
            tool: TOOL.into(),
            version: env!("CARGO_PKG_VERSION").into(),
            command: COMMAND.into(),
            id: String::new(),
            dirs,
            out,
            arguments,
            files,
            units,
            totals,
        };
        WorkPlan { id: plan.sum(), ..plan }
    }

    /// What `id` is to be.
    fn sum(&self) -> String {
        let plan = WorkPlan { id: String::new(), ..self.clone() };
        sha256_of(&serde_json::to_vec(&plan).unwrap_or_default())
    }

    /// Reads a plan.
    ///
    /// # Errors
    /// Refused: what is none, or one of another version.
    pub fn parse(text: &[u8]) -> Result<WorkPlan> {
        let none = |why: String| Error::refused(format!("it is no plan of logcompact: {why}"));
        let known: Known = serde_json::from_slice(text).map_err(|error| none(error.to_string()))?;
        if (known.tool.as_str(), known.command.as_str()) != (TOOL, COMMAND) {
            return Err(none(format!("it is of {} {}", known.tool, known.command)));
        }
        if known.schema_version != SCHEMA_VERSION || known.version != env!("CARGO_PKG_VERSION") {
            return Err(Error::refused(format!(
                "logcompact {} made this plan (schema_version {}), and this is {} ({}): one \
                 version is to carry out all units; plan anew",
                known.version,
                known.schema_version,
                env!("CARGO_PKG_VERSION"),
                SCHEMA_VERSION
            )));
        }
        let plan: WorkPlan =
            serde_json::from_slice(text).map_err(|error| none(error.to_string()))?;
        if plan.id != plan.sum() {
            return Err(Error::refused("the plan was changed after it was made; plan anew"));
        }
        Ok(plan)
    }

    /// The unit of this number.
    ///
    /// # Errors
    /// Refused: there is none.
    pub fn unit(&self, number: usize) -> Result<&WorkUnit> {
        self.units.iter().find(|unit| unit.unit == number).ok_or_else(|| {
            Error::refused(format!(
                "there is no unit {number}: the plan has {}, numbered from 0",
                self.units.len()
            ))
        })
    }

    /// The partitions of all units.
    pub fn partitions(&self) -> BTreeSet<TopicPartition> {
        self.units.iter().flat_map(|unit| &unit.partitions).map(PlannedPartition::name).collect()
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn planned(sizes: &[u64], size: Size) -> WorkPlan {
        let partition = |(number, bytes): (usize, &u64)| PlannedPartition {
            topic: "t".into(),
            partition: number as i32,
            source: PathBuf::from(format!("/logs/t-{number}")),
            estimate: Estimate { bytes: *bytes, records: 1, ..Estimate::default() },
        };
        let partitions = sizes.iter().enumerate().map(partition).collect();
        let request = Request { out: "/out".into(), ..Request::default() };
        WorkPlan::of(request, partitions, size)
    }

    fn bytes_of(plan: &WorkPlan) -> Vec<u64> {
        plan.units.iter().map(|unit| unit.estimate.bytes).collect()
    }

    #[test]
    fn units_are_even_and_the_largest_partition_is_the_least_there_can_be() {
        assert_eq!(bytes_of(&planned(&[5, 4, 3, 3, 3], Size::Count(2))), [8, 10]);
        assert_eq!(bytes_of(&planned(&[100, 1, 1, 1], Size::Count(2))), [100, 3]);
        assert_eq!(bytes_of(&planned(&[10; 6], Size::Bytes(20))), [20, 20, 20]);
    }

    #[test]
    fn units_that_were_asked_for_are_there_though_nothing_is_left_for_them() {
        let plan = planned(&[1, 1], Size::Count(4));
        assert_eq!(plan.units.len(), 4);
        assert!(plan.unit(3).unwrap().partitions.is_empty());
        assert!(plan.unit(4).unwrap_err().to_string().contains("no unit 4"));
        assert_eq!(planned(&[1, 1], Size::Bytes(1)).units.len(), 2);
        assert_eq!(planned(&[], Size::Bytes(1)).units.len(), 1);
    }

    #[test]
    fn partitions_of_which_nothing_is_to_be_read_are_shared_out_too() {
        let plan = planned(&[0; 6], Size::Count(3));
        assert!(plan.units.iter().all(|unit| unit.partitions.len() == 2));
    }

    #[test]
    fn what_is_no_plan_of_this_version_is_refused() {
        let plan = planned(&[1, 2], Size::Count(2));
        let text = serde_json::to_string(&plan).unwrap();
        assert_eq!(WorkPlan::parse(text.as_bytes()).unwrap(), plan);
        let of = |from: &str, to: &str| WorkPlan::parse(text.replace(from, to).as_bytes());
        let version = format!("\"version\":\"{}\"", env!("CARGO_PKG_VERSION"));
        for (from, to) in [
            (version.as_str(), "\"version\":\"0.0.9\""),
            ("\"command\":\"plan\"", "\"command\":\"compact\""),
            ("\"units\"", "\"parts\""),
            ("/out", "/elsewhere"),
            ("\"unit\":1", "\"unit\":0"),
            ("}", ""),
        ] {
            assert!(of(from, to).is_err(), "{to}");
        }
    }

    proptest! {
        #[test]
        fn each_partition_is_in_one_unit_whatever_their_sizes(
            sizes in prop::collection::vec(0..1000u64, 0..40),
            count in 1..9usize,
            unit_bytes in 1..3000u64,
            by_count: bool,
        ) {
            let size = if by_count { Size::Count(count) } else { Size::Bytes(unit_bytes) };
            let plan = planned(&sizes, size);
            let all = plan.units.iter().flat_map(|unit| &unit.partitions);
            let mut all: Vec<i32> = all.map(|it| it.partition).collect();
            all.sort_unstable();
            prop_assert_eq!(all, (0..sizes.len() as i32).collect::<Vec<_>>());
            prop_assert_eq!(plan.totals.bytes, sizes.iter().sum::<u64>());
            // Who has the most would not have taken its last partition, had another had less.
            let (most, largest) = (bytes_of(&plan), sizes.iter().max().copied().unwrap_or(0));
            let least = most.iter().min().unwrap();
            prop_assert!(most.iter().all(|bytes| bytes.saturating_sub(largest) <= *least));
        }
    }
}
