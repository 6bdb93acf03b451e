//! Two directories compared, and what is found as rules and offsets.

use std::path::Path;

use logcompact::report::NoProgress;
use logcompact::verify::against::{Compared, Options, Relation, StateRule, compare};
use logcompact::verify::{Finding, Severity};

/// One came out of a compaction of the other, all of it.
pub const COMPACTION: Relation =
    Relation::Compaction { log_end: None, start_may_move: false, cleaned: None };
const MEMORY_BYTES: u64 = 64 << 20;

/// The comparison with memory enough.
pub fn compared(before: &Path, after: &Path, relation: Relation) -> Compared {
    compared_by(&StateRule::default(), before, after, relation)
}

/// The same by another rule.
pub fn compared_by(rule: &StateRule, before: &Path, after: &Path, relation: Relation) -> Compared {
    let (rule, memory_bytes) = (rule.clone(), MEMORY_BYTES);
    let (erased, log_start) = (None, None);
    let options = Options { relation, log_start, rule, erased, outlived: &[], memory_bytes };
    compare(before, after, &options, &NoProgress)
}

/// Rules and offsets of errors and warnings.
pub fn wrong(findings: &[Finding]) -> Vec<(&'static str, Option<i64>)> {
    let wrong = findings.iter().filter(|finding| finding.severity > Severity::Info);
    wrong.map(|finding| (finding.rule, finding.offset.map(|offset| offset.0))).collect()
}

/// Rules and offsets of the errors and warnings about two directories.
pub fn found(before: &Path, after: &Path, relation: Relation) -> Vec<(&'static str, Option<i64>)> {
    wrong(&compared(before, after, relation).findings)
}
