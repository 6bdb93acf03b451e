//! `compact --verify`: the reader of `verify --against` as the witness of a compaction.

use crate::compact::{OnDamage, Policy, Witness};
use crate::report::NoProgress;
use crate::segment::PartitionDir;
use crate::units::Offset;
use crate::verify::against::{Erased, Options, Relation, compare_dirs};
use crate::verify::{Finding, Severity};

/// Reads both directories in log order and compares what they say.
#[derive(Clone, Copy, Debug)]
pub struct Reader {
    /// How much its table of keys may take up.
    pub memory_bytes: u64,
}

impl Witness for Reader {
    fn differences(
        &self,
        before: &PartitionDir,
        after: PartitionDir,
        log_end: Offset,
        policy: &Policy,
    ) -> Vec<String> {
        let relation = Relation::Compaction {
            log_end: Some(log_end),
            start_may_move: policy.topic.cleanup.delete,
        };
        let keys = policy.rewrites.erased.as_deref();
        let has_key = |key: &[u8]| keys.is_some_and(|keys| keys.contains(key));
        // What the active segment holds stays, unless it was to be cleaned too.
        let active = before.segments.last().map_or(log_end, |segment| segment.base);
        let below = if policy.include_active { log_end } else { active };
        let erased = keys.map(|_| Erased { has_key: &has_key, below });
        let options = Options { relation, erased, memory_bytes: self.memory_bytes };
        let compared = compare_dirs(before.clone(), after, &options, &NoProgress);
        // Damage that was asked to be lived with is in the report already.
        let is_known = |finding: &Finding| {
            let is_damage = ["against-unread", "against-order"].contains(&finding.rule);
            is_damage && policy.on_damage != OnDamage::Fail
        };
        let wrong = |finding: &&Finding| finding.severity == Severity::Error && !is_known(finding);
        let text = |finding: &Finding| match finding.offset {
            Some(offset) => format!("offset {offset}: {}", finding.message),
            None => finding.message.clone(),
        };
        compared.findings.iter().filter(wrong).map(text).collect()
    }
}
