//! What a group has read of what there is: a row for each partition that it has committed or been
//! assigned, and for each member without any.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use super::state::{Commit, Group, Member, Whole};
use crate::segment::TopicPartition;
use crate::units::Offset;

/// A row of what `kafka-consumer-groups.sh --describe` shows.
#[derive(Clone, Debug)]
pub struct Row<'a> {
    /// The partition; `None` for a member that has none.
    pub at: Option<TopicPartition>,
    /// What was committed last.
    pub commit: Option<&'a Commit>,
    /// Where the partition ends; `None` if its log is not there, or does not tell for damage.
    pub log_end: Option<Offset>,
    /// The member that has the partition, with its id.
    pub member: Option<(&'a str, &'a Member)>,
}

impl Row<'_> {
    /// How many offsets lie between the commit and the end; `None` if either is not known. It
    /// is negative if the log ends before what was committed.
    pub fn lag(&self) -> Option<i64> {
        Some(self.log_end?.0.saturating_sub(self.commit?.read_on()?.0))
    }
}

/// What there is to read in all `rows` of which that is known; `None` if it is of none. A log that
/// ends before what was committed holds nothing to read, and takes nothing from what others hold.
pub fn total_lag(rows: &[Row<'_>]) -> Option<i64> {
    rows.iter().filter_map(Row::lag).map(|lag| lag.max(0)).reduce(i64::saturating_add)
}

/// The rows of a group, in the order of partitions.
pub(super) fn rows<'a>(
    group: &'a Group,
    log_ends: &BTreeMap<TopicPartition, Offset>,
) -> Vec<Row<'a>> {
    let mut holders: HashMap<TopicPartition, (&str, &Member)> = HashMap::new();
    let mut idle = Vec::new();
    for (id, member) in &group.members {
        let before = holders.len();
        for at in partitions_of(member) {
            holders.insert(at, (id, member));
        }
        if holders.len() == before {
            idle.push((id.as_str(), member));
        }
    }
    let all: BTreeSet<&TopicPartition> = group.commits.keys().chain(holders.keys()).collect();
    let of_partitions = all.into_iter().map(|at| Row {
        at: Some(at.clone()),
        commit: group.commits.get(at),
        log_end: log_ends.get(at).copied(),
        member: holders.get(at).copied(),
    });
    let of_idle = idle.iter().map(|member| Row {
        at: None,
        commit: None,
        log_end: None,
        member: Some(*member),
    });
    of_partitions.chain(of_idle).collect()
}

/// The partitions that a member has, where the topic's name is known.
pub(super) fn partitions_of(member: &Member) -> impl Iterator<Item = TopicPartition> {
    member.assigned.iter().flat_map(|assigned| {
        let topic = match &assigned.of {
            Whole::Topic(topic) => Some(topic),
            Whole::TopicId(_) | Whole::Subtopology(_) => None,
        };
        let at = move |partition: &i32| {
            topic.map(|topic| TopicPartition { topic: topic.clone(), partition: *partition })
        };
        assigned.partitions.iter().filter_map(at)
    })
}
