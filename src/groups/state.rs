//! What is known of a group: its kind, its members, what it has committed.

use std::collections::BTreeMap;

use serde::Serialize;

use crate::segment::TopicPartition;
use crate::units::{Offset, Timestamp};

/// The protocol that a group's members and its coordinator speak.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum GroupKind {
    /// Members choose a leader, which assigns; also groups that only commit.
    #[default]
    Classic,
    /// The coordinator assigns (KIP-848).
    Consumer,
    /// Records are shared, not partitions (KIP-932).
    Share,
    /// Kafka Streams by its own protocol (KIP-1071).
    Streams,
}

/// What a coordinator that loads this would say of the group. A rebalance of a classic group leaves
/// no trace before it is done.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub enum GroupState {
    /// No members.
    Empty,
    /// All members have what they were assigned.
    Stable,
    /// The group has changed since partitions were last assigned.
    Assigning,
    /// Some members have not taken over what they were assigned, or not given back the rest.
    Reconciling,
}

impl GroupState {
    /// As Kafka's tool has it.
    pub fn name(self) -> &'static str {
        match self {
            GroupState::Empty => "Empty",
            GroupState::Stable => "Stable",
            GroupState::Assigning => "Assigning",
            GroupState::Reconciling => "Reconciling",
        }
    }
}

/// A group.
#[derive(Clone, Debug, Default)]
pub struct Group {
    /// How it works.
    pub kind: GroupKind,
    /// The partition of `__consumer_offsets` that it lives in.
    pub coordinator_partition: i32,
    /// Generation of a classic group, epoch of any other; `None` for a group that only commits.
    pub generation: Option<i32>,
    /// Of a group that is not classic: for which epoch partitions were last assigned.
    pub assignment_epoch: Option<i32>,
    /// Of a classic group: `consumer`, `connect`, or what else its members call themselves.
    pub protocol_type: String,
    /// Of a classic group: the assignor that its members agreed on.
    pub protocol: Option<String>,
    /// Of a classic group: the member that assigns.
    pub leader: Option<String>,
    /// Of a classic group: since when it is as it is.
    pub since: Option<Timestamp>,
    /// Its members by their ids.
    pub members: BTreeMap<String, Member>,
    /// The last commit of each partition.
    pub commits: BTreeMap<TopicPartition, Commit>,
    /// Commits of transactions that have not ended: they do not count.
    pub pending_commits: u64,
}

/// A member.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Member {
    /// What the client calls itself.
    pub client_id: String,
    /// Where it was seen.
    pub host: String,
    /// Its name for good, if it has one (static membership).
    pub instance_id: Option<String>,
    /// Its rack.
    pub rack_id: Option<String>,
    /// Of a group that is not classic: up to which epoch it has caught up.
    pub epoch: Option<i32>,
    /// The topics that it wants to read.
    pub subscribed: Vec<String>,
    /// What it has.
    pub assigned: Vec<Assigned>,
    /// Of a group that is not classic: what it should have.
    pub target: Vec<Assigned>,
    /// Of a group that is not classic: whether it has given back what it should.
    pub is_stable: bool,
    /// Whether a record says who it is; without one it left.
    pub(super) is_known: bool,
}

/// Partitions of a topic, or of a part of a Streams application.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Assigned {
    /// Of what.
    pub of: Whole,
    /// Which.
    pub partitions: Vec<i32>,
}

/// What partitions are part of.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Whole {
    /// A topic by name.
    Topic(String),
    /// A topic by its id, as Kafka prints it: no directory says its name.
    TopicId(String),
    /// A part of a Streams application.
    Subtopology(String),
}

impl Whole {
    /// The name, or what there is in its place.
    pub fn name(&self) -> &str {
        match self {
            Whole::Topic(name) | Whole::TopicId(name) | Whole::Subtopology(name) => name,
        }
    }
}

/// A committed offset.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Commit {
    /// The offset: of the next record to be read.
    pub offset: Offset,
    /// The leader's term when the record before it was read; `None` if not told.
    pub leader_epoch: Option<i32>,
    /// What the client wanted to keep with it.
    pub metadata: String,
    /// When it was committed.
    pub committed: Timestamp,
    /// When it ends to count, if the client said so (Kafka before 2.1).
    pub expires: Option<Timestamp>,
    /// Where the commit itself lies in its log: of two, the later counts.
    pub(super) at: Offset,
}

impl Commit {
    /// Where the group is to read on. An offset below 0 says that none is committed, and is so
    /// understood (`ListConsumerGroupOffsetsHandler`, `ConsumerCoordinator`).
    pub fn read_on(&self) -> Option<Offset> {
        Some(self.offset).filter(|offset| *offset >= Offset(0))
    }
}

impl Group {
    /// Its state, by the rules of the coordinator (`ClassicGroup`, `ConsumerGroup`, `ShareGroup`).
    pub fn state(&self) -> GroupState {
        if self.members.is_empty() {
            return GroupState::Empty;
        }
        match self.kind {
            GroupKind::Classic | GroupKind::Share => GroupState::Stable,
            GroupKind::Consumer | GroupKind::Streams => {
                if self.generation > self.assignment_epoch {
                    return GroupState::Assigning;
                }
                let has_caught_up =
                    |member: &Member| member.is_stable && member.epoch == self.assignment_epoch;
                match self.members.values().all(has_caught_up) {
                    true => GroupState::Stable,
                    false => GroupState::Reconciling,
                }
            }
        }
    }

    /// Whether anything is left of it.
    pub(super) fn is_there(&self) -> bool {
        self.generation.is_some() || !self.members.is_empty() || !self.commits.is_empty()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn group(kind: GroupKind, members: &[(i32, bool)]) -> Group {
        let member = |(number, (epoch, is_stable)): (usize, &(i32, bool))| {
            let (epoch, is_stable) = (Some(*epoch), *is_stable);
            (number.to_string(), Member { epoch, is_stable, ..Member::default() })
        };
        let members = members.iter().enumerate().map(member).collect();
        let (generation, assignment_epoch) = (Some(5), Some(5));
        Group { kind, generation, assignment_epoch, members, ..Group::default() }
    }

    #[test]
    fn a_group_is_stable_when_all_members_have_caught_up_with_its_epochs() {
        use GroupKind::{Classic, Consumer, Share, Streams};
        for kind in [Classic, Consumer, Share, Streams] {
            assert_eq!(group(kind, &[]).state(), GroupState::Empty);
            assert_eq!(group(kind, &[(5, true), (5, true)]).state(), GroupState::Stable);
        }
        for kind in [Consumer, Streams] {
            for behind in [(4, true), (5, false)] {
                let group = group(kind, &[(5, true), behind]);
                assert_eq!(group.state(), GroupState::Reconciling);
                let changed = Group { generation: Some(6), ..group };
                assert_eq!(changed.state(), GroupState::Assigning);
            }
        }
        assert_eq!(group(Share, &[(4, false)]).state(), GroupState::Stable);
    }
}
