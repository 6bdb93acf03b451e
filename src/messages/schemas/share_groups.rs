//! Share groups (KIP-932) as `__consumer_offsets` keeps them
//! (`org.apache.kafka.coordinator.group.generated` of Kafka 4.1).

use super::super::schema::{Field, Kind, Message, NEVER, int8, int32, int64, list, string, uuid};

pub(super) const SHARE_GROUP_MEMBER_METADATA_KEY: Message = Message {
    name: "ShareGroupMemberMetadataKey",
    versions: (0, 0),
    flexible_since: NEVER,
    fields: &[string("groupId"), string("memberId")],
};

pub(super) const SHARE_GROUP_MEMBER_METADATA_VALUE: Message = Message {
    name: "ShareGroupMemberMetadataValue",
    versions: (0, 0),
    flexible_since: 0,
    fields: &[
        string("rackId").nullable(),
        string("clientId"),
        string("clientHost"),
        list("subscribedTopicNames", Kind::String),
    ],
};

pub(super) const SHARE_GROUP_METADATA_KEY: Message = Message {
    name: "ShareGroupMetadataKey",
    versions: (0, 0),
    flexible_since: NEVER,
    fields: &[string("groupId")],
};

pub(super) const SHARE_GROUP_METADATA_VALUE: Message = Message {
    name: "ShareGroupMetadataValue",
    versions: (0, 0),
    flexible_since: 0,
    fields: &[int32("epoch"), int64("metadataHash")],
};

pub(super) const SHARE_GROUP_TARGET_ASSIGNMENT_METADATA_KEY: Message = Message {
    name: "ShareGroupTargetAssignmentMetadataKey",
    versions: (0, 0),
    flexible_since: NEVER,
    fields: &[string("groupId")],
};

pub(super) const SHARE_GROUP_TARGET_ASSIGNMENT_METADATA_VALUE: Message = Message {
    name: "ShareGroupTargetAssignmentMetadataValue",
    versions: (0, 0),
    flexible_since: 0,
    fields: &[int32("assignmentEpoch")],
};

pub(super) const SHARE_GROUP_TARGET_ASSIGNMENT_MEMBER_KEY: Message = Message {
    name: "ShareGroupTargetAssignmentMemberKey",
    versions: (0, 0),
    flexible_since: NEVER,
    fields: &[string("groupId"), string("memberId")],
};

const TOPIC_PARTITION: &[Field] = &[uuid("topicId"), list("partitions", Kind::Int32)];

pub(super) const SHARE_GROUP_TARGET_ASSIGNMENT_MEMBER_VALUE: Message = Message {
    name: "ShareGroupTargetAssignmentMemberValue",
    versions: (0, 0),
    flexible_since: 0,
    fields: &[list("topicPartitions", Kind::Struct(TOPIC_PARTITION))],
};

pub(super) const SHARE_GROUP_CURRENT_MEMBER_ASSIGNMENT_KEY: Message = Message {
    name: "ShareGroupCurrentMemberAssignmentKey",
    versions: (0, 0),
    flexible_since: NEVER,
    fields: &[string("groupId"), string("memberId")],
};

const TOPIC_PARTITIONS: &[Field] = &[uuid("topicId"), list("partitions", Kind::Int32)];

pub(super) const SHARE_GROUP_CURRENT_MEMBER_ASSIGNMENT_VALUE: Message = Message {
    name: "ShareGroupCurrentMemberAssignmentValue",
    versions: (0, 0),
    flexible_since: 0,
    fields: &[
        int32("memberEpoch"),
        int32("previousMemberEpoch"),
        int8("state"),
        list("assignedPartitions", Kind::Struct(TOPIC_PARTITIONS)),
    ],
};

pub(super) const SHARE_GROUP_STATE_PARTITION_METADATA_KEY: Message = Message {
    name: "ShareGroupStatePartitionMetadataKey",
    versions: (0, 0),
    flexible_since: NEVER,
    fields: &[string("groupId")],
};

const TOPIC_PARTITIONS_INFO: &[Field] =
    &[uuid("topicId"), string("topicName"), list("partitions", Kind::Int32)];

const TOPIC_INFO: &[Field] = &[uuid("topicId"), string("topicName")];

pub(super) const SHARE_GROUP_STATE_PARTITION_METADATA_VALUE: Message = Message {
    name: "ShareGroupStatePartitionMetadataValue",
    versions: (0, 0),
    flexible_since: 0,
    fields: &[
        list("initializingTopics", Kind::Struct(TOPIC_PARTITIONS_INFO)),
        list("initializedTopics", Kind::Struct(TOPIC_PARTITIONS_INFO)),
        list("deletingTopics", Kind::Struct(TOPIC_INFO)),
    ],
};

/// By type: key and value.
pub(in crate::messages) const TYPES: &[(i16, Message, Message)] = &[
    (10, SHARE_GROUP_MEMBER_METADATA_KEY, SHARE_GROUP_MEMBER_METADATA_VALUE),
    (11, SHARE_GROUP_METADATA_KEY, SHARE_GROUP_METADATA_VALUE),
    (12, SHARE_GROUP_TARGET_ASSIGNMENT_METADATA_KEY, SHARE_GROUP_TARGET_ASSIGNMENT_METADATA_VALUE),
    (13, SHARE_GROUP_TARGET_ASSIGNMENT_MEMBER_KEY, SHARE_GROUP_TARGET_ASSIGNMENT_MEMBER_VALUE),
    (14, SHARE_GROUP_CURRENT_MEMBER_ASSIGNMENT_KEY, SHARE_GROUP_CURRENT_MEMBER_ASSIGNMENT_VALUE),
    (15, SHARE_GROUP_STATE_PARTITION_METADATA_KEY, SHARE_GROUP_STATE_PARTITION_METADATA_VALUE),
];
