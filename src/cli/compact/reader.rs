//! `compact --verify`: the reader of `verify --against` as the witness of a compaction.

use anyhow::Context;

use crate::compact::{Chosen, Claim, OnDamage, Policy, Witness};
use crate::report::NoProgress;
use crate::segment::PartitionDir;
use crate::verify::against::{
    Cleaned, Erased, Options, Relation, StateRule, Survivor, compare_dirs,
};
use crate::verify::{Finding, Severity};

/// Reads both directories in log order and compares what they say.
#[derive(Clone, Debug)]
pub struct Reader {
    rule: StateRule,
    memory_bytes: u64,
}

impl Reader {
    /// A reader of what this strategy leaves, whose table of keys may take up so much.
    ///
    /// # Errors
    /// That it does not know the strategy.
    pub fn of(
        strategy: &Chosen,
        empty_is_tombstone: bool,
        memory_bytes: u64,
    ) -> anyhow::Result<Reader> {
        let survivor = Survivor::parse(&strategy.to_string());
        let survivor = survivor.with_context(|| {
            format!("--verify cannot judge what --strategy {strategy} keeps; nothing was done")
        })?;
        Ok(Reader { rule: StateRule { survivor, empty_is_tombstone }, memory_bytes })
    }
}

impl Witness for Reader {
    fn differences(
        &self,
        before: &PartitionDir,
        after: PartitionDir,
        claim: &Claim,
        policy: &Policy,
    ) -> Vec<String> {
        let cleaned = Cleaned { first_dirty: claim.first_dirty, end: claim.end };
        let relation = Relation::Compaction {
            log_end: Some(claim.log_end),
            start_may_move: policy.topic.cleanup.delete,
            // What is left of damage may be anywhere.
            cleaned: (policy.on_damage == OnDamage::Fail).then_some(cleaned),
        };
        let keys = policy.rewrites.erased.as_deref();
        let has_key = |key: &[u8]| keys.is_some_and(|keys| keys.contains(key));
        // What the active segment holds stays, unless it was to be cleaned too.
        let log_end = claim.log_end;
        let active = before.segments.last().map_or(log_end, |segment| segment.base);
        let below = if policy.include_active { log_end } else { active };
        let erased = keys.map(|_| Erased { has_key: &has_key, below });
        let (rule, memory_bytes) = (self.rule.clone(), self.memory_bytes);
        let (log_start, outlived) = (claim.log_start, claim.outlived.as_slice());
        let options = Options { relation, log_start, rule, erased, outlived, memory_bytes };
        // It goes on behind the offsets that damage at its end has claimed, so that none is given
        // twice.
        let active = after.segments.last();
        let is_further = active.is_some_and(|it| it.base > log_end && it.size_bytes == 0);
        let compared = compare_dirs(before.clone(), after, &options, &NoProgress);
        // Damage that was asked to be lived with is in the report already.
        let is_known = |finding: &Finding| {
            let is_damage = ["against-unread", "against-order"].contains(&finding.rule)
                || (finding.rule == "against-end" && is_further);
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
