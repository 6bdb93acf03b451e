//! Offsets, classic groups and consumer groups (KIP-848) as `__consumer_offsets` keeps them
//! (`org.apache.kafka.coordinator.group.generated` of Kafka 4.1).

use super::super::schema::{
    Field, Kind, Message, NEVER, bytes, int8, int32, int64, list, string, structure, uuid,
};

pub(super) const LEGACY_OFFSET_COMMIT_KEY: Message = Message {
    name: "LegacyOffsetCommitKey",
    versions: (0, 0),
    flexible_since: NEVER,
    fields: &[string("group"), string("topic"), int32("partition")],
};

pub(super) const LEGACY_OFFSET_COMMIT_VALUE: Message = Message {
    name: "LegacyOffsetCommitValue",
    versions: (0, 0),
    flexible_since: NEVER,
    fields: &[int64("offset"), string("metadata"), int64("commitTimestamp")],
};

pub(super) const OFFSET_COMMIT_KEY: Message = Message {
    name: "OffsetCommitKey",
    versions: (0, 0),
    flexible_since: NEVER,
    fields: &[string("group"), string("topic"), int32("partition")],
};

pub(super) const OFFSET_COMMIT_VALUE: Message = Message {
    name: "OffsetCommitValue",
    versions: (0, 4),
    flexible_since: 4,
    fields: &[
        int64("offset"),
        int32("leaderEpoch").since(3),
        string("metadata"),
        int64("commitTimestamp"),
        int64("expireTimestamp").since(1).until(1),
        uuid("topicId").since(4).tagged(0),
    ],
};

pub(super) const GROUP_METADATA_KEY: Message = Message {
    name: "GroupMetadataKey",
    versions: (0, 0),
    flexible_since: NEVER,
    fields: &[string("group")],
};

const MEMBER_METADATA: &[Field] = &[
    string("memberId"),
    string("groupInstanceId").since(3).nullable(),
    string("clientId"),
    string("clientHost"),
    int32("rebalanceTimeout").since(1),
    int32("sessionTimeout"),
    bytes("subscription"),
    bytes("assignment"),
];

pub(in crate::messages) const GROUP_METADATA_VALUE: Message = Message {
    name: "GroupMetadataValue",
    versions: (0, 4),
    flexible_since: 4,
    fields: &[
        string("protocolType"),
        int32("generation"),
        string("protocol").nullable(),
        string("leader").nullable(),
        int64("currentStateTimestamp").since(2),
        list("members", Kind::Struct(MEMBER_METADATA)),
    ],
};

pub(super) const CONSUMER_GROUP_METADATA_KEY: Message = Message {
    name: "ConsumerGroupMetadataKey",
    versions: (0, 0),
    flexible_since: NEVER,
    fields: &[string("groupId")],
};

pub(super) const CONSUMER_GROUP_METADATA_VALUE: Message = Message {
    name: "ConsumerGroupMetadataValue",
    versions: (0, 0),
    flexible_since: 0,
    fields: &[int32("epoch"), int64("metadataHash").tagged(0)],
};

pub(super) const CONSUMER_GROUP_PARTITION_METADATA_KEY: Message = Message {
    name: "ConsumerGroupPartitionMetadataKey",
    versions: (0, 0),
    flexible_since: NEVER,
    fields: &[string("groupId")],
};

const PARTITION_METADATA: &[Field] = &[int32("partition"), list("racks", Kind::String)];

const TOPIC_METADATA: &[Field] = &[
    uuid("topicId"),
    string("topicName"),
    int32("numPartitions"),
    list("partitionMetadata", Kind::Struct(PARTITION_METADATA)),
];

pub(super) const CONSUMER_GROUP_PARTITION_METADATA_VALUE: Message = Message {
    name: "ConsumerGroupPartitionMetadataValue",
    versions: (0, 0),
    flexible_since: 0,
    fields: &[list("topics", Kind::Struct(TOPIC_METADATA))],
};

pub(super) const CONSUMER_GROUP_MEMBER_METADATA_KEY: Message = Message {
    name: "ConsumerGroupMemberMetadataKey",
    versions: (0, 0),
    flexible_since: NEVER,
    fields: &[string("groupId"), string("memberId")],
};

const CLASSIC_PROTOCOL: &[Field] = &[string("name"), bytes("metadata")];

const CLASSIC_MEMBER_METADATA: &[Field] =
    &[int32("sessionTimeoutMs"), list("supportedProtocols", Kind::Struct(CLASSIC_PROTOCOL))];

pub(super) const CONSUMER_GROUP_MEMBER_METADATA_VALUE: Message = Message {
    name: "ConsumerGroupMemberMetadataValue",
    versions: (0, 0),
    flexible_since: 0,
    fields: &[
        string("instanceId").nullable(),
        string("rackId").nullable(),
        string("clientId"),
        string("clientHost"),
        list("subscribedTopicNames", Kind::String),
        string("subscribedTopicRegex").nullable(),
        int32("rebalanceTimeoutMs"),
        string("serverAssignor").nullable(),
        structure("classicMemberMetadata", CLASSIC_MEMBER_METADATA).nullable().tagged(0),
    ],
};

pub(super) const CONSUMER_GROUP_TARGET_ASSIGNMENT_METADATA_KEY: Message = Message {
    name: "ConsumerGroupTargetAssignmentMetadataKey",
    versions: (0, 0),
    flexible_since: NEVER,
    fields: &[string("groupId")],
};

pub(super) const CONSUMER_GROUP_TARGET_ASSIGNMENT_METADATA_VALUE: Message = Message {
    name: "ConsumerGroupTargetAssignmentMetadataValue",
    versions: (0, 0),
    flexible_since: 0,
    fields: &[int32("assignmentEpoch")],
};

pub(super) const CONSUMER_GROUP_TARGET_ASSIGNMENT_MEMBER_KEY: Message = Message {
    name: "ConsumerGroupTargetAssignmentMemberKey",
    versions: (0, 0),
    flexible_since: NEVER,
    fields: &[string("groupId"), string("memberId")],
};

const TOPIC_PARTITION: &[Field] = &[uuid("topicId"), list("partitions", Kind::Int32)];

pub(super) const CONSUMER_GROUP_TARGET_ASSIGNMENT_MEMBER_VALUE: Message = Message {
    name: "ConsumerGroupTargetAssignmentMemberValue",
    versions: (0, 0),
    flexible_since: 0,
    fields: &[list("topicPartitions", Kind::Struct(TOPIC_PARTITION))],
};

pub(super) const CONSUMER_GROUP_CURRENT_MEMBER_ASSIGNMENT_KEY: Message = Message {
    name: "ConsumerGroupCurrentMemberAssignmentKey",
    versions: (0, 0),
    flexible_since: NEVER,
    fields: &[string("groupId"), string("memberId")],
};

const TOPIC_PARTITIONS: &[Field] = &[uuid("topicId"), list("partitions", Kind::Int32)];

pub(super) const CONSUMER_GROUP_CURRENT_MEMBER_ASSIGNMENT_VALUE: Message = Message {
    name: "ConsumerGroupCurrentMemberAssignmentValue",
    versions: (0, 0),
    flexible_since: 0,
    fields: &[
        int32("memberEpoch"),
        int32("previousMemberEpoch"),
        int8("state"),
        list("assignedPartitions", Kind::Struct(TOPIC_PARTITIONS)),
        list("partitionsPendingRevocation", Kind::Struct(TOPIC_PARTITIONS)),
    ],
};

pub(super) const CONSUMER_GROUP_REGULAR_EXPRESSION_KEY: Message = Message {
    name: "ConsumerGroupRegularExpressionKey",
    versions: (0, 0),
    flexible_since: NEVER,
    fields: &[string("groupId"), string("regularExpression")],
};

pub(super) const CONSUMER_GROUP_REGULAR_EXPRESSION_VALUE: Message = Message {
    name: "ConsumerGroupRegularExpressionValue",
    versions: (0, 0),
    flexible_since: 0,
    fields: &[list("topics", Kind::String), int64("version"), int64("timestamp")],
};

/// By type: key and value.
pub(in crate::messages) const TYPES: &[(i16, Message, Message)] = &[
    (0, LEGACY_OFFSET_COMMIT_KEY, LEGACY_OFFSET_COMMIT_VALUE),
    (1, OFFSET_COMMIT_KEY, OFFSET_COMMIT_VALUE),
    (2, GROUP_METADATA_KEY, GROUP_METADATA_VALUE),
    (3, CONSUMER_GROUP_METADATA_KEY, CONSUMER_GROUP_METADATA_VALUE),
    (4, CONSUMER_GROUP_PARTITION_METADATA_KEY, CONSUMER_GROUP_PARTITION_METADATA_VALUE),
    (5, CONSUMER_GROUP_MEMBER_METADATA_KEY, CONSUMER_GROUP_MEMBER_METADATA_VALUE),
    (
        6,
        CONSUMER_GROUP_TARGET_ASSIGNMENT_METADATA_KEY,
        CONSUMER_GROUP_TARGET_ASSIGNMENT_METADATA_VALUE,
    ),
    (7, CONSUMER_GROUP_TARGET_ASSIGNMENT_MEMBER_KEY, CONSUMER_GROUP_TARGET_ASSIGNMENT_MEMBER_VALUE),
    (
        8,
        CONSUMER_GROUP_CURRENT_MEMBER_ASSIGNMENT_KEY,
        CONSUMER_GROUP_CURRENT_MEMBER_ASSIGNMENT_VALUE,
    ),
    (16, CONSUMER_GROUP_REGULAR_EXPRESSION_KEY, CONSUMER_GROUP_REGULAR_EXPRESSION_VALUE),
];
