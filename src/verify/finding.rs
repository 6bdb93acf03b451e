//! One thing that is wrong, or worth knowing; and a list of them that hostile files cannot make
//! grow without bound.

use std::collections::HashMap;
use std::path::{Path, PathBuf};

use serde::Serialize;

use crate::units::{Offset, Position};

/// How many findings of one rule a partition lists one by one.
const MOST_OF_A_RULE: u64 = 1000;

/// How bad it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Severity {
    /// Worth knowing; nothing is wrong.
    Info,
    /// Kafka copes, but it should not be so.
    Warning,
    /// Data is damaged, or will not be found.
    Error,
}

/// One finding.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Finding {
    /// `finding`.
    r#type: &'static str,
    /// A short name that stays the same from release to release.
    pub rule: &'static str,
    /// How bad it is.
    pub severity: Severity,
    /// The file.
    #[serde(serialize_with = "crate::report::path")]
    pub path: PathBuf,
    /// Where in it, in bytes.
    pub position: Option<Position>,
    /// The offset that it is about.
    pub offset: Option<Offset>,
    /// What is wrong, in words.
    pub message: String,
    /// Findings of this rule that stand behind this one because there were too many.
    #[serde(skip)]
    pub stands_for: u64,
}

impl Finding {
    /// A finding about a file as a whole.
    pub fn about(
        rule: &'static str,
        severity: Severity,
        path: &Path,
        message: impl Into<String>,
    ) -> Finding {
        Finding {
            r#type: "finding",
            rule,
            severity,
            path: path.into(),
            position: None,
            offset: None,
            message: message.into(),
            stands_for: 1,
        }
    }

    /// The same at a position.
    pub fn at(self, position: Position) -> Finding {
        Finding { position: Some(position), ..self }
    }

    /// The same about an offset.
    pub fn of(self, offset: Offset) -> Finding {
        Finding { offset: Some(offset), ..self }
    }
}

/// Findings in the order in which they were made.
#[derive(Debug, Default)]
pub struct Findings {
    list: Vec<Finding>,
    /// By rule: how many there were, and one that was left out.
    counts: HashMap<&'static str, (u64, Option<Finding>)>,
}

impl Findings {
    /// Adds one.
    pub fn push(&mut self, finding: Finding) {
        let (count, left_out) = self.counts.entry(finding.rule).or_default();
        *count += finding.stands_for;
        if *count <= MOST_OF_A_RULE {
            self.list.push(finding);
        } else {
            left_out.get_or_insert(finding);
        }
    }

    /// Adds those of a part that was checked by itself.
    pub fn append(&mut self, other: Findings) {
        other.into_list().into_iter().for_each(|finding| self.push(finding));
    }

    /// All of them; a rule that was broken too often ends with one line for the rest.
    pub fn into_list(self) -> Vec<Finding> {
        let mut list = self.list;
        let mut rest: Vec<_> = self.counts.into_values().collect();
        rest.sort_by_key(|(_, left_out)| left_out.as_ref().map(|finding| finding.rule));
        for (count, left_out) in rest {
            let Some(mut finding) = left_out else {
                continue;
            };
            finding.stands_for = count - MOST_OF_A_RULE;
            let message = format!("and {} more of this rule, from here on", finding.stands_for);
            list.push(Finding { message, ..finding });
        }
        list
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_rule_that_is_broken_a_million_times_takes_a_thousand_lines_and_one() {
        let mut findings = Findings::default();
        for _ in 0..1_000_000 {
            findings.push(Finding::about("x", Severity::Error, Path::new("f"), "wrong"));
        }
        let list = findings.into_list();
        assert_eq!(list.len(), 1001);
        assert_eq!(list.iter().map(|finding| finding.stands_for).sum::<u64>(), 1_000_000);
    }
}
