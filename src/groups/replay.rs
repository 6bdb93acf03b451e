//! The records of a partition of `__consumer_offsets` in their order, and what they leave: the last
//! value of each key, as a coordinator that loads the partition has it (`GroupCoordinatorShard`).
//!
//! Commits of a transaction wait for its marker. When it commits, each counts unless its partition
//! was committed again behind it; a record that deletes a commit deletes what waits too
//! (`OffsetMetadataManager`).

use std::collections::{BTreeMap, HashMap, HashSet};

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;

use super::state::{Assigned, Commit, Group, GroupKind, Member, Whole};
use crate::messages::{InternalTopic, Part, Undecodable, Value, decode_key, decode_value};
use crate::segment::TopicPartition;
use crate::units::{Offset, Timestamp};

/// Whose commit of what.
type CommitKey = (String, TopicPartition);

/// What the records so far have left.
#[derive(Default)]
pub(super) struct Replay {
    groups: HashMap<String, Group>,
    /// What waits for the end of a transaction, by producer.
    waiting: HashMap<CommitKey, HashMap<i64, Commit>>,
    /// Which of these a producer has.
    open: HashMap<i64, HashSet<CommitKey>>,
    /// Names of topics that the records themselves tell.
    pub(super) topic_names: HashMap<String, String>,
}

/// What is left at the end.
pub(super) struct Replayed {
    /// The groups.
    pub(super) groups: BTreeMap<String, Group>,
    /// Names of topics by id.
    pub(super) topic_names: HashMap<String, String>,
}

/// A record, as far as it matters here.
pub(super) struct Entry<'a> {
    /// Its offset.
    pub(super) at: Offset,
    /// The producer, if this is part of a transaction.
    pub(super) transaction: Option<i64>,
    /// Its key.
    pub(super) key: Option<&'a [u8]>,
    /// Its value.
    pub(super) value: Option<&'a [u8]>,
}

impl Replay {
    /// Takes a record.
    pub(super) fn record(&mut self, entry: &Entry<'_>) -> Result<(), Undecodable> {
        let topic = InternalTopic::Offsets;
        let key = decode_key(topic, entry.key)?;
        let value = entry.value.map(|value| decode_value(topic, key.number, value)).transpose()?;
        let value = value.map(|value| value.data);
        match key.number {
            0 | 1 => self.commit(entry, &key, value.as_ref()),
            2 => self.classic(&key, value.as_ref()),
            _ => self.modern(&key, value.as_ref()),
        }
        Ok(())
    }

    /// Takes the end of a producer's transaction.
    pub(super) fn end(&mut self, producer_id: i64, is_committed: bool) {
        for key in self.open.remove(&producer_id).unwrap_or_default() {
            let Some(waiting) = self.waiting.get_mut(&key) else { continue };
            let commit = waiting.remove(&producer_id);
            if waiting.is_empty() {
                self.waiting.remove(&key);
            }
            let (group, at) = key;
            if let (Some(commit), true) = (commit, is_committed) {
                let commits = &mut self.groups.entry(group).or_default().commits;
                if commits.get(&at).is_none_or(|later| later.at < commit.at) {
                    commits.insert(at, commit);
                }
            }
        }
    }

    /// What is left, of partition `partition`.
    pub(super) fn finish(mut self, partition: i32) -> Replayed {
        for ((group, _), commits) in &self.waiting {
            let group = self.groups.entry(group.clone()).or_default();
            group.pending_commits += commits.len() as u64;
        }
        let mut groups: BTreeMap<String, Group> = self.groups.into_iter().collect();
        for group in groups.values_mut() {
            group.coordinator_partition = partition;
            group.members.retain(|_, member| member.is_known);
        }
        groups.retain(|_, group| group.is_there() || group.pending_commits > 0);
        Replayed { groups, topic_names: self.topic_names }
    }

    fn commit(&mut self, entry: &Entry<'_>, key: &Part<'_>, value: Option<&Value<'_>>) {
        let text = |name| key.data.text(name).unwrap_or_default().to_owned();
        let partition = key.data.int("partition").unwrap_or(-1) as i32;
        let at = TopicPartition { topic: text("topic"), partition };
        let group = text("group");
        let Some(value) = value else {
            if let Some(group) = self.groups.get_mut(&group) {
                group.commits.remove(&at);
            }
            self.waiting.remove(&(group, at));
            return;
        };
        let time = |name| value.int(name).filter(|ms| *ms >= 0).map(Timestamp);
        let commit = Commit {
            offset: Offset(value.int("offset").unwrap_or(-1)),
            leader_epoch: value.int("leaderEpoch").filter(|e| *e >= 0).map(|epoch| epoch as i32),
            metadata: value.text("metadata").unwrap_or_default().into(),
            committed: time("commitTimestamp").unwrap_or(Timestamp::NONE),
            expires: time("expireTimestamp"),
            at: entry.at,
        };
        match entry.transaction {
            None => {
                self.groups.entry(group).or_default().commits.insert(at, commit);
            }
            Some(producer_id) => {
                let key = (group, at);
                self.open.entry(producer_id).or_default().insert(key.clone());
                self.waiting.entry(key).or_default().insert(producer_id, commit);
            }
        }
    }

    fn classic(&mut self, key: &Part<'_>, value: Option<&Value<'_>>) {
        let name = key.data.text("group").unwrap_or_default();
        let Some(value) = value else {
            if let Some(group) = self.of_kind(name, GroupKind::Classic) {
                group.forget_all_but_commits();
            }
            return;
        };
        let group = self.groups.entry(name.into()).or_default();
        group.forget_all_but_commits();
        group.generation = int(value, "generation");
        group.protocol_type = value.text("protocolType").unwrap_or_default().into();
        group.protocol = optional(value, "protocol");
        group.leader = optional(value, "leader");
        group.since = value.int("currentStateTimestamp").filter(|ms| *ms >= 0).map(Timestamp);
        for said in value.list("members") {
            let id = said.text("memberId").unwrap_or_default();
            let mut member = member_of(said);
            if let Some(subscription) = said.get("subscription") {
                member.subscribed = texts(subscription, "topics");
            }
            if let Some(assignment) = said.get("assignment") {
                member.assigned = assigned(assignment, "assignedPartitions", &|topic| {
                    topic.text("topic").map(|name| Whole::Topic(name.into()))
                });
            }
            group.members.insert(id.into(), member);
        }
    }

    /// Consumer, share and streams groups, which have a record for each of a few matters.
    fn modern(&mut self, key: &Part<'_>, value: Option<&Value<'_>>) {
        let Some((kind, matter)) = matter_of(key.number) else { return };
        let name = key.data.text("groupId").unwrap_or_default();
        if let (Matter::Topics, Some(value)) = (matter, value) {
            self.topics(value);
        }
        let group = match value {
            // What is deleted may be of another kind than what the group is by now.
            None => self.of_kind(name, kind),
            Some(_) => {
                let group = self.groups.entry(name.into()).or_default();
                if group.kind != kind {
                    group.forget_all_but_commits();
                    group.kind = kind;
                }
                Some(group)
            }
        };
        let Some(group) = group else { return };
        let member = key.data.text("memberId").unwrap_or_default();
        match (matter, value) {
            (Matter::Epoch, value) => group.generation = value.and_then(|v| int(v, "epoch")),
            (Matter::AssignmentEpoch, value) => {
                group.assignment_epoch = value.and_then(|v| int(v, "assignmentEpoch"));
            }
            (Matter::Member, None) => {
                group.members.remove(member);
            }
            (Matter::Member, Some(value)) => {
                let place = group.members.entry(member.into()).or_default();
                let said = member_of(value);
                let subscribed = texts(value, "subscribedTopicNames");
                *place = Member { subscribed, ..said }.with_assignments_of(place);
            }
            (Matter::Target, value) => {
                let place = group.members.entry(member.into()).or_default();
                place.target = value.map(tasks).unwrap_or_default();
            }
            (Matter::Current, value) => {
                let place = group.members.entry(member.into()).or_default();
                place.assigned = value.map(tasks).unwrap_or_default();
                place.epoch = value.and_then(|value| int(value, "memberEpoch"));
                place.is_stable = value.and_then(|value| value.int("state")) == Some(0);
            }
            (Matter::Topics | Matter::Other, _) => {}
        }
    }

    fn of_kind(&mut self, name: &str, kind: GroupKind) -> Option<&mut Group> {
        self.groups.get_mut(name).filter(|group| group.kind == kind)
    }

    fn topics(&mut self, value: &Value<'_>) {
        for topic in value.list("topics") {
            if let (Some(id), Some(name)) = (id_of(topic, "topicId"), topic.text("topicName")) {
                self.topic_names.insert(id, name.into());
            }
        }
    }
}

impl Group {
    fn forget_all_but_commits(&mut self) {
        let commits = std::mem::take(&mut self.commits);
        *self = Group { commits, ..Group::default() };
    }
}

impl Member {
    fn with_assignments_of(self, other: &mut Member) -> Member {
        let assigned = std::mem::take(&mut other.assigned);
        let target = std::mem::take(&mut other.target);
        Member { assigned, target, epoch: other.epoch, is_stable: other.is_stable, ..self }
    }
}

/// What a record of a group that is not classic is about.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Matter {
    Epoch,
    AssignmentEpoch,
    Member,
    Target,
    Current,
    Topics,
    Other,
}

/// By the type of the record (`CoordinatorRecordType`).
fn matter_of(kind: i16) -> Option<(GroupKind, Matter)> {
    use GroupKind::{Consumer, Share, Streams};
    Some(match kind {
        3 => (Consumer, Matter::Epoch),
        4 => (Consumer, Matter::Topics),
        5 => (Consumer, Matter::Member),
        6 => (Consumer, Matter::AssignmentEpoch),
        7 => (Consumer, Matter::Target),
        8 => (Consumer, Matter::Current),
        10 => (Share, Matter::Member),
        11 => (Share, Matter::Epoch),
        12 => (Share, Matter::AssignmentEpoch),
        13 => (Share, Matter::Target),
        14 => (Share, Matter::Current),
        15 => (Share, Matter::Other),
        16 => (Consumer, Matter::Other),
        17 => (Streams, Matter::Epoch),
        19 => (Streams, Matter::Member),
        20 => (Streams, Matter::AssignmentEpoch),
        21 => (Streams, Matter::Target),
        22 => (Streams, Matter::Current),
        23 => (Streams, Matter::Other),
        _ => return None,
    })
}

fn member_of(said: &Value<'_>) -> Member {
    Member {
        client_id: said.text("clientId").unwrap_or_default().into(),
        host: said.text("clientHost").unwrap_or_default().into(),
        instance_id: optional(said, "instanceId").or_else(|| optional(said, "groupInstanceId")),
        rack_id: optional(said, "rackId"),
        is_known: true,
        ..Member::default()
    }
}

/// What a member has or should have: partitions of topics, or tasks of a Streams application.
fn tasks(value: &Value<'_>) -> Vec<Assigned> {
    let by_id = |topic: &Value<'_>| id_of(topic, "topicId").map(Whole::TopicId);
    let by_part =
        |task: &Value<'_>| task.text("subtopologyId").map(|name| Whole::Subtopology(name.into()));
    let mut all = assigned(value, "assignedPartitions", &by_id);
    all.extend(assigned(value, "topicPartitions", &by_id));
    all.extend(assigned(value, "activeTasks", &by_part));
    all
}

fn assigned(
    value: &Value<'_>,
    name: &str,
    whole: &dyn Fn(&Value<'_>) -> Option<Whole>,
) -> Vec<Assigned> {
    let one = |item: &Value<'_>| {
        let partitions = item.list("partitions").iter().filter_map(|partition| match partition {
            Value::Int(number) => Some(*number as i32),
            _ => None,
        });
        Some(Assigned { of: whole(item)?, partitions: partitions.collect() })
    };
    value.list(name).iter().filter_map(one).collect()
}

fn id_of(value: &Value<'_>, name: &str) -> Option<String> {
    match value.get(name) {
        Some(Value::Uuid(id)) => Some(URL_SAFE_NO_PAD.encode(id)),
        _ => None,
    }
}

fn texts(value: &Value<'_>, name: &str) -> Vec<String> {
    let text = |item: &Value<'_>| match item {
        Value::Text(text) => Some(text.clone().into_owned()),
        _ => None,
    };
    value.list(name).iter().filter_map(text).collect()
}

fn optional(value: &Value<'_>, name: &str) -> Option<String> {
    value.text(name).map(str::to_owned)
}

fn int(value: &Value<'_>, name: &str) -> Option<i32> {
    value.int(name).map(|number| number as i32)
}

#[cfg(test)]
mod tests {
    use super::*;

    const ID: [u8; 16] = *b"0123456789abcdef";

    fn key(kind: i16, names: &[&str]) -> Vec<u8> {
        let mut bytes = kind.to_be_bytes().to_vec();
        for name in names {
            bytes.extend_from_slice(&(name.len() as i16).to_be_bytes());
            bytes.extend_from_slice(name.as_bytes());
        }
        bytes
    }

    /// Version 0, what it consists of, and no tags.
    fn value(parts: &[&[u8]]) -> Vec<u8> {
        [&[0, 0], &parts.concat()[..], &[0]].concat()
    }

    fn epoch(epoch: u8) -> Vec<u8> {
        value(&[&[0, 0, 0, epoch]])
    }

    /// No instance, rack or regular expression; client "c" on "h"; one topic.
    fn member() -> Vec<u8> {
        value(&[b"\0\0\x02c\x02h\x02\x02t\0", &[0, 0, 0, 9], b"\0"])
    }

    /// Up to epoch `epoch`, partition 3 of a topic.
    fn current(epoch: u8) -> Vec<u8> {
        let topic: &[u8] = &[&[2], &ID[..], &[2, 0, 0, 0, 3, 0]].concat();
        value(&[&[0, 0, 0, epoch, 0, 0, 0, 0, 0], topic, &[1]])
    }

    fn replayed(records: &[(Vec<u8>, Option<Vec<u8>>)]) -> BTreeMap<String, Group> {
        let mut replay = Replay::default();
        for (at, (key, value)) in records.iter().enumerate() {
            let (at, key, value) = (Offset(at as i64), Some(&key[..]), value.as_deref());
            replay.record(&Entry { at, transaction: None, key, value }).unwrap();
        }
        replay.finish(0).groups
    }

    #[test]
    fn what_is_said_of_a_member_may_come_in_any_order() {
        let records = [
            (key(3, &["g"]), Some(epoch(4))),
            (key(6, &["g"]), Some(epoch(4))),
            (key(5, &["g", "m"]), Some(member())),
            (key(8, &["g", "m"]), Some(current(4))),
        ];
        // A compaction leaves the last of each key, wherever that was.
        for order in [[0, 1, 2, 3], [3, 2, 1, 0], [2, 3, 0, 1], [3, 0, 2, 1]] {
            let groups = replayed(&order.map(|index| records[index].clone()));
            let group = &groups["g"];
            assert_eq!((group.kind, group.generation), (GroupKind::Consumer, Some(4)));
            assert_eq!(group.state(), super::super::GroupState::Stable);
            let member = &group.members["m"];
            assert_eq!((&*member.client_id, &*member.host), ("c", "h"));
            assert_eq!(member.subscribed, ["t"]);
            let of = Whole::TopicId(URL_SAFE_NO_PAD.encode(ID));
            assert_eq!(member.assigned, [Assigned { of, partitions: vec![3] }]);
        }
    }

    #[test]
    fn a_member_that_left_is_gone_and_so_is_a_group_that_was_deleted() {
        let mut records = vec![
            (key(3, &["g"]), Some(epoch(4))),
            (key(5, &["g", "m"]), Some(member())),
            (key(8, &["g", "m"]), Some(current(4))),
            (key(8, &["g", "m"]), None),
            (key(5, &["g", "m"]), None),
        ];
        assert!(replayed(&records)["g"].members.is_empty());
        // An assignment without a member that it is of, as an interrupted cleaning may leave it.
        records.push((key(8, &["g", "m"]), Some(current(4))));
        assert!(replayed(&records)["g"].members.is_empty());
        records.push((key(3, &["g"]), None));
        assert!(replayed(&records).is_empty());
    }

    #[test]
    fn a_record_that_deletes_what_a_group_no_longer_is_takes_nothing_from_it() {
        let groups = replayed(&[
            (key(3, &["g"]), Some(epoch(4))),
            (key(5, &["g", "m"]), Some(member())),
            (key(2, &["g"]), None),
            (key(11, &["g"]), None),
        ]);
        assert_eq!(groups["g"].members.len(), 1);
        assert_eq!(groups["g"].generation, Some(4));
    }
}
