//! Two directories of one partition compared: before and after a compaction, or two replicas.
//!
//! What is proved of `before` and `after`, over the offsets that both logs span:
//!
//! 1. *State*: the latest committed record of each key is at the same offset, with the same
//!    timestamp, value and headers. A key that is deleted and one that is not there are alike.
//! 2. *Records*: those on both sides at one offset are equal, and offsets rise. Of a compaction,
//!    each record that is after was before.
//! 3. *Ends*: of a compaction, the log end stays where it is. Of replicas, the one that is verified
//!    may be behind, which is a warning: what it has not is not compared, and may be lost.
//!
//! It shares nothing with the engine that compacts: no index of keys, no walk backwards, no notion
//! of what was cleaned when. Both logs are read in log order (`reader`), side by side by offset
//! (`merge`); the table of the latest offset of each key (`latest`) is all that grows, and when it
//! has used up its memory the keys are split over several passes. Values are only ever compared at
//! one offset, so the table need not have them. Which transactions count is taken from the markers
//! and from `.txnindex` (`transactions`).
//!
//! Replicas may have been compacted to different degrees, and one may be behind the other. They
//! are compared below the lower of their log ends, as of that moment: what was committed behind it
//! is open. The replica that is ahead may have compacted away what a record behind the common end
//! supersedes, which is no difference (`state`).

mod both;
mod held;
mod latest;
mod merge;
mod pairs;
mod pass;
mod reader;
mod row;
mod rule;
mod side;
mod state;
mod transactions;

use std::fmt;
use std::path::Path;

use serde::Serialize;

use self::both::Both;
use self::held::{Held, Highest, Opening, Written};
use self::latest::Latest;
use self::merge::Told;
use self::pass::Pass;
use self::row::Seeds;
pub use self::rule::{StateRule, Survivor};
use self::side::Side;
use self::state::Differences;
use super::finding::{Finding, Findings, Severity};
use super::segment::unreadable;
use crate::disk::Disk;
use crate::error::Result;
use crate::report::{NoProgress, Progress};
use crate::segment::{PartitionDir, Sources};
use crate::swap::as_finished;
use crate::units::Offset;

/// What the two directories are to each other.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Relation {
    /// Two copies of one log, of which either may be behind or more compacted.
    Replicas,
    /// The one came out of a compaction of the other.
    Compaction {
        /// Where the log ended when it began, if something may have been appended since.
        log_end: Option<Offset>,
        /// Whether old segments may be gone whole (the delete policy).
        start_may_move: bool,
        /// What was cleaned of it, if that is known: in there a key has one record at most, and
        /// nothing is missing behind.
        cleaned: Option<Cleaned>,
    },
}

/// The range that a compaction cleaned.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Cleaned {
    /// From here on records voted; a key may have several in front.
    pub first_dirty: Offset,
    /// The offset behind the range.
    pub end: Offset,
}

impl Cleaned {
    /// Whether the record at an offset was one that voted.
    fn has_voted(self, offset: Offset) -> bool {
        (self.first_dirty..self.end).contains(&offset)
    }
}

impl Relation {
    fn is_compaction(self) -> bool {
        self != Relation::Replicas
    }

    fn cleaned(self) -> Option<Cleaned> {
        match self {
            Relation::Replicas => None,
            Relation::Compaction { cleaned, .. } => cleaned,
        }
    }
}

/// Records that the compaction was to leave nothing of.
#[derive(Clone, Copy)]
pub struct Erased<'a> {
    /// Whether a record of this key is one.
    pub has_key: &'a (dyn Fn(&[u8]) -> bool + Sync),
    /// From here on they were left.
    pub below: Offset,
}

impl fmt::Debug for Erased<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Erased(below {})", self.below)
    }
}

/// How to compare.
#[derive(Clone, Debug)]
pub struct Options<'a> {
    /// Of a compaction: what it was to erase besides. It counts as if it had never been.
    pub erased: Option<Erased<'a>>,
    /// Of a compaction: records that beat all others of their key there, but lost to a deletion
    /// that neither directory has any more, rising. They count as if they were that deletion.
    pub outlived: &'a [Offset],
    /// What the two are to each other.
    pub relation: Relation,
    /// Where the log that is compared against starts, if its log directory is not to be asked.
    pub log_start: Option<Offset>,
    /// Which record of a key is its state.
    pub rule: StateRule,
    /// How much the table of keys may take up; with less, keys take several passes.
    pub memory_bytes: u64,
}

/// What was compared, in numbers.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Counts {
    /// Pairs of partition directories.
    pub partitions: u64,
    /// Those of them in which one log ends before the other.
    pub partitions_behind: u64,
    /// Records that are on both sides at one offset.
    pub records_on_both: u64,
    /// Records of the one that is verified at offsets that both logs span, but not on both sides.
    pub records_only_here: u64,
    /// The same of the one that it is compared against.
    pub records_only_there: u64,
    /// Keys with a value on either side.
    pub keys: u64,
    /// Those whose state is not the same.
    pub keys_different: u64,
}

impl Counts {
    /// Adds those of another pair.
    pub fn add(&mut self, other: &Counts) {
        self.partitions += other.partitions;
        self.partitions_behind += other.partitions_behind;
        self.records_on_both += other.records_on_both;
        self.records_only_here += other.records_only_here;
        self.records_only_there += other.records_only_there;
        self.keys += other.keys;
        self.keys_different += other.keys_different;
    }
}

/// The outcome.
#[derive(Debug, Default)]
pub struct Compared {
    /// What differs; and, as an info, what is only worth knowing.
    pub findings: Vec<Finding>,
    /// Counts.
    pub counts: Counts,
}

impl Compared {
    /// Whether nothing was found to differ.
    pub fn is_same(&self) -> bool {
        self.findings.iter().all(|finding| finding.severity < Severity::Error)
    }
}

/// The offsets that are compared.
#[derive(Clone, Copy, Debug)]
struct Range {
    start: Offset,
    end: Offset,
}

/// Compares the partitions of two sets of directories, matched by name; a pair of single
/// partition directories needs no names.
pub fn run(
    before: &Sources,
    after: &Sources,
    options: &Options<'_>,
    progress: &dyn Progress,
) -> Compared {
    let (pairs, unmatched) = pairs::pair(before, after);
    let mut all = Compared { findings: unmatched.into_list(), ..Compared::default() };
    progress.begin("comparing", pairs::size_bytes(&pairs));
    for pair in &pairs {
        let compared = compare(&pair.before, &pair.after, options, progress);
        all.findings.extend(compared.findings);
        all.counts.add(&compared.counts);
    }
    progress.finish();
    all
}

/// Compares two partition directories. `progress` hears of the bytes of both logs, once; to begin
/// and to finish it is for the caller.
pub fn compare(
    before: &Path,
    after: &Path,
    options: &Options<'_>,
    progress: &dyn Progress,
) -> Compared {
    let open = |path: &Path| as_finished(&Disk::default(), path);
    match (open(before), open(after)) {
        (Ok((before, of_before)), Ok((after, of_after))) => {
            let unfinished = [(&before, of_before), (&after, of_after)];
            let unfinished = unfinished.map(|(dir, what)| {
                what.map(|what| {
                    Finding::about("against-leftover", Severity::Warning, &dir.path, what)
                })
            });
            let mut compared = compare_dirs(before, after, options, progress);
            compared.findings.extend(unfinished.into_iter().flatten());
            compared
        }
        (Err(error), _) | (_, Err(error)) => Compared {
            findings: vec![unreadable(&error)],
            counts: Counts { partitions: 1, ..Counts::default() },
        },
    }
}

/// As [`compare`], of directories that are listed already: an `after` may be one whose new files
/// do not have their final names yet.
pub fn compare_dirs(
    before: PartitionDir,
    after: PartitionDir,
    options: &Options<'_>,
    progress: &dyn Progress,
) -> Compared {
    let mut findings = Findings::default();
    let mut counts = Counts { partitions: 1, ..Counts::default() };
    if let Err(error) = try_compare(before, after, options, progress, &mut findings, &mut counts) {
        findings.push(unreadable(&error));
    }
    Compared { findings: findings.into_list(), counts }
}

fn try_compare(
    before: PartitionDir,
    after: PartitionDir,
    options: &Options<'_>,
    progress: &dyn Progress,
    found: &mut Findings,
    counts: &mut Counts,
) -> Result<()> {
    let mut sides = Both { before: Side::open(before)?, after: Side::open(after)? };
    sides.before.start = options.log_start.unwrap_or(sides.before.start);
    if let Relation::Compaction { log_end: Some(log_end), .. } = options.relation {
        sides.before.end = sides.before.end.min(log_end);
    }
    let range = Range {
        start: sides.before.start.max(sides.after.start),
        end: sides.before.end.min(sides.after.end),
    };
    compare_spans(&sides, options.relation, range, found);
    counts.partitions_behind = u64::from(sides.before.end != sides.after.end);
    sides.before.outlived = options.outlived.to_vec();
    sides.before.settle(range.end)?;
    sides.after.settle(range.end)?;

    let seeds = Seeds::draw();
    let (relation, rule) = (options.relation, &options.rule);
    let erased = options.erased;
    let pass = Pass { sides: &sides, relation, erased, range, seeds: &seeds, rule };
    let memory_bytes = options.memory_bytes;
    match &rule.survivor {
        Survivor::Last => compare_keys::<Written>(&pass, memory_bytes, progress, found, counts),
        Survivor::First => compare_keys::<Opening>(&pass, memory_bytes, progress, found, counts),
        Survivor::Newest | Survivor::Highest(_) => {
            compare_keys::<Highest>(&pass, memory_bytes, progress, found, counts);
        }
    }
    Ok(())
}

/// Compares records and keys, in as many passes as memory asks for.
fn compare_keys<H: Held>(
    pass: &Pass<'_>,
    memory_bytes: u64,
    progress: &dyn Progress,
    found: &mut Findings,
    counts: &mut Counts,
) {
    let mut latest = Latest::<H>::within(memory_bytes, least_keys(pass.sides));
    let mut told = Told::default();
    let mut differences = Differences::default();
    let mut doubled = Findings::default();
    found.append(pass.run(&mut latest, Some(&mut told), &mut doubled, progress));
    differences.collect(&mut latest, &told, pass);
    while latest.advance() {
        pass.run(&mut latest, None, &mut doubled, &NoProgress);
        differences.collect(&mut latest, &told, pass);
    }
    found.append(told.findings);
    found.append(doubled);
    found.append(differences.findings(pass));
    counts.add(&told.counts);
    counts.keys = differences.keys;
    counts.keys_different = differences.count;
}

/// Room for so many keys is always found: each pass reads everything, so there must not be many.
fn least_keys(sides: &Both<Side>) -> usize {
    const LEAST: u64 = 1 << 16;
    const BYTES_OF_LOG: u64 = 1 << 14;
    let keys = (sides.before.size_bytes() + sides.after.size_bytes()) / BYTES_OF_LOG;
    usize::try_from(keys.max(LEAST)).unwrap_or(usize::MAX)
}

/// Where the logs start and end.
fn compare_spans(sides: &Both<Side>, relation: Relation, range: Range, found: &mut Findings) {
    let Both { before, after } = sides;
    let (path, other) = (&after.dir.path, before.dir.path.display());
    let is_replica = relation == Relation::Replicas;
    let has_nothing = after.start >= after.end && before.start < before.end;
    let end_severity = match relation {
        Relation::Compaction { .. } => Severity::Error,
        // That it has nothing is said by itself.
        Relation::Replicas if after.end < before.end && !has_nothing => Severity::Warning,
        Relation::Replicas => Severity::Info,
    };
    if after.end != before.end {
        let text = format!("the log ends at {}, that of {other} at {}", after.end, before.end);
        found.push(Finding::about("against-end", end_severity, path, text).of(range.end));
    }
    let start_severity = match relation {
        Relation::Compaction { start_may_move: false, .. } if after.start > before.start => {
            Severity::Error
        }
        _ => Severity::Info,
    };
    if after.start != before.start {
        let text =
            format!("the log starts at {}, that of {other} at {}", after.start, before.start);
        found.push(Finding::about("against-start", start_severity, path, text).of(range.start));
    }
    if range.start >= range.end && before.end.max(after.end) > range.end {
        let (severity, text) = if is_replica && has_nothing {
            (Severity::Error, format!("the log holds nothing, but that of {other} does"))
        } else {
            let text = format!("the log has no offset in common with that of {other}");
            (Severity::Warning, text)
        };
        found.push(Finding::about("against-nothing", severity, path, text));
    }
}
