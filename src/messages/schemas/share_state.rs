//! What `__share_group_state` keeps of the partitions that share groups read (KIP-932)
//! (`org.apache.kafka.coordinator.share.generated` of Kafka 4.1).

use super::super::schema::{
    Field, Kind, Message, NEVER, int8, int16, int32, int64, list, string, uuid,
};

pub(super) const SHARE_SNAPSHOT_KEY: Message = Message {
    name: "ShareSnapshotKey",
    versions: (0, 0),
    flexible_since: NEVER,
    fields: &[string("groupId"), uuid("topicId"), int32("partition")],
};

const SHARE_SNAPSHOT_STATE_BATCH: &[Field] =
    &[int64("firstOffset"), int64("lastOffset"), int8("deliveryState"), int16("deliveryCount")];

pub(super) const SHARE_SNAPSHOT_VALUE: Message = Message {
    name: "ShareSnapshotValue",
    versions: (0, 0),
    flexible_since: 0,
    fields: &[
        int32("snapshotEpoch"),
        int32("stateEpoch"),
        int32("leaderEpoch"),
        int64("startOffset"),
        int64("createTimestamp"),
        int64("writeTimestamp"),
        list("stateBatches", Kind::Struct(SHARE_SNAPSHOT_STATE_BATCH)),
    ],
};

pub(super) const SHARE_UPDATE_KEY: Message = Message {
    name: "ShareUpdateKey",
    versions: (0, 0),
    flexible_since: NEVER,
    fields: &[string("groupId"), uuid("topicId"), int32("partition")],
};

const SHARE_UPDATE_STATE_BATCH: &[Field] =
    &[int64("firstOffset"), int64("lastOffset"), int8("deliveryState"), int16("deliveryCount")];

pub(super) const SHARE_UPDATE_VALUE: Message = Message {
    name: "ShareUpdateValue",
    versions: (0, 0),
    flexible_since: 0,
    fields: &[
        int32("snapshotEpoch"),
        int32("leaderEpoch"),
        int64("startOffset"),
        list("stateBatches", Kind::Struct(SHARE_UPDATE_STATE_BATCH)),
    ],
};

/// By type: key and value.
pub(in crate::messages) const TYPES: &[(i16, Message, Message)] =
    &[(0, SHARE_SNAPSHOT_KEY, SHARE_SNAPSHOT_VALUE), (1, SHARE_UPDATE_KEY, SHARE_UPDATE_VALUE)];
