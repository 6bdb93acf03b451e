//! Streams groups (KIP-1071) as `__consumer_offsets` keeps them
//! (`org.apache.kafka.coordinator.group.generated` of Kafka 4.1).

use super::super::schema::{
    Field, Kind, Message, NEVER, int8, int16, int32, int64, list, string, structure, uint16,
};

pub(super) const STREAMS_GROUP_METADATA_KEY: Message = Message {
    name: "StreamsGroupMetadataKey",
    versions: (0, 0),
    flexible_since: NEVER,
    fields: &[string("groupId")],
};

pub(super) const STREAMS_GROUP_METADATA_VALUE: Message = Message {
    name: "StreamsGroupMetadataValue",
    versions: (0, 0),
    flexible_since: 0,
    fields: &[int32("epoch"), int64("metadataHash")],
};

pub(super) const STREAMS_GROUP_MEMBER_METADATA_KEY: Message = Message {
    name: "StreamsGroupMemberMetadataKey",
    versions: (0, 0),
    flexible_since: NEVER,
    fields: &[string("groupId"), string("memberId")],
};

const ENDPOINT: &[Field] = &[string("host"), uint16("port")];

const KEY_VALUE: &[Field] = &[string("key"), string("value")];

pub(super) const STREAMS_GROUP_MEMBER_METADATA_VALUE: Message = Message {
    name: "StreamsGroupMemberMetadataValue",
    versions: (0, 0),
    flexible_since: 0,
    fields: &[
        string("instanceId").nullable(),
        string("rackId").nullable(),
        string("clientId"),
        string("clientHost"),
        int32("rebalanceTimeoutMs"),
        int32("topologyEpoch"),
        string("processId"),
        structure("userEndpoint", ENDPOINT).nullable(),
        list("clientTags", Kind::Struct(KEY_VALUE)),
    ],
};

pub(super) const STREAMS_GROUP_TARGET_ASSIGNMENT_METADATA_KEY: Message = Message {
    name: "StreamsGroupTargetAssignmentMetadataKey",
    versions: (0, 0),
    flexible_since: NEVER,
    fields: &[string("groupId")],
};

pub(super) const STREAMS_GROUP_TARGET_ASSIGNMENT_METADATA_VALUE: Message = Message {
    name: "StreamsGroupTargetAssignmentMetadataValue",
    versions: (0, 0),
    flexible_since: 0,
    fields: &[int32("assignmentEpoch")],
};

pub(super) const STREAMS_GROUP_TARGET_ASSIGNMENT_MEMBER_KEY: Message = Message {
    name: "StreamsGroupTargetAssignmentMemberKey",
    versions: (0, 0),
    flexible_since: NEVER,
    fields: &[string("groupId"), string("memberId")],
};

const STREAMS_GROUP_TARGET_ASSIGNMENT_MEMBER_TASK_IDS: &[Field] =
    &[string("subtopologyId"), list("partitions", Kind::Int32)];

pub(super) const STREAMS_GROUP_TARGET_ASSIGNMENT_MEMBER_VALUE: Message = Message {
    name: "StreamsGroupTargetAssignmentMemberValue",
    versions: (0, 0),
    flexible_since: 0,
    fields: &[
        list("activeTasks", Kind::Struct(STREAMS_GROUP_TARGET_ASSIGNMENT_MEMBER_TASK_IDS)),
        list("standbyTasks", Kind::Struct(STREAMS_GROUP_TARGET_ASSIGNMENT_MEMBER_TASK_IDS)),
        list("warmupTasks", Kind::Struct(STREAMS_GROUP_TARGET_ASSIGNMENT_MEMBER_TASK_IDS)),
    ],
};

pub(super) const STREAMS_GROUP_CURRENT_MEMBER_ASSIGNMENT_KEY: Message = Message {
    name: "StreamsGroupCurrentMemberAssignmentKey",
    versions: (0, 0),
    flexible_since: NEVER,
    fields: &[string("groupId"), string("memberId")],
};

const STREAMS_GROUP_CURRENT_MEMBER_ASSIGNMENT_TASK_IDS: &[Field] =
    &[string("subtopologyId"), list("partitions", Kind::Int32)];

pub(super) const STREAMS_GROUP_CURRENT_MEMBER_ASSIGNMENT_VALUE: Message = Message {
    name: "StreamsGroupCurrentMemberAssignmentValue",
    versions: (0, 0),
    flexible_since: 0,
    fields: &[
        int32("memberEpoch"),
        int32("previousMemberEpoch"),
        int8("state"),
        list("activeTasks", Kind::Struct(STREAMS_GROUP_CURRENT_MEMBER_ASSIGNMENT_TASK_IDS)),
        list("standbyTasks", Kind::Struct(STREAMS_GROUP_CURRENT_MEMBER_ASSIGNMENT_TASK_IDS)),
        list("warmupTasks", Kind::Struct(STREAMS_GROUP_CURRENT_MEMBER_ASSIGNMENT_TASK_IDS)),
        list(
            "activeTasksPendingRevocation",
            Kind::Struct(STREAMS_GROUP_CURRENT_MEMBER_ASSIGNMENT_TASK_IDS),
        ),
        list(
            "standbyTasksPendingRevocation",
            Kind::Struct(STREAMS_GROUP_CURRENT_MEMBER_ASSIGNMENT_TASK_IDS),
        ),
        list(
            "warmupTasksPendingRevocation",
            Kind::Struct(STREAMS_GROUP_CURRENT_MEMBER_ASSIGNMENT_TASK_IDS),
        ),
    ],
};

pub(super) const STREAMS_GROUP_TOPOLOGY_KEY: Message = Message {
    name: "StreamsGroupTopologyKey",
    versions: (0, 0),
    flexible_since: NEVER,
    fields: &[string("groupId")],
};

const TOPIC_CONFIG: &[Field] = &[string("key"), string("value")];

const TOPIC_INFO: &[Field] = &[
    string("name"),
    int32("partitions"),
    int16("replicationFactor"),
    list("topicConfigs", Kind::Struct(TOPIC_CONFIG)),
];

const COPARTITION_GROUP: &[Field] = &[
    list("sourceTopics", Kind::Int16),
    list("sourceTopicRegex", Kind::Int16),
    list("repartitionSourceTopics", Kind::Int16),
];

const SUBTOPOLOGY: &[Field] = &[
    string("subtopologyId"),
    list("sourceTopics", Kind::String),
    list("sourceTopicRegex", Kind::String),
    list("stateChangelogTopics", Kind::Struct(TOPIC_INFO)),
    list("repartitionSinkTopics", Kind::String),
    list("repartitionSourceTopics", Kind::Struct(TOPIC_INFO)),
    list("copartitionGroups", Kind::Struct(COPARTITION_GROUP)),
];

pub(super) const STREAMS_GROUP_TOPOLOGY_VALUE: Message = Message {
    name: "StreamsGroupTopologyValue",
    versions: (0, 0),
    flexible_since: 0,
    fields: &[int32("epoch"), list("subtopologies", Kind::Struct(SUBTOPOLOGY))],
};

/// By type: key and value.
pub(in crate::messages) const TYPES: &[(i16, Message, Message)] = &[
    (17, STREAMS_GROUP_METADATA_KEY, STREAMS_GROUP_METADATA_VALUE),
    (19, STREAMS_GROUP_MEMBER_METADATA_KEY, STREAMS_GROUP_MEMBER_METADATA_VALUE),
    (
        20,
        STREAMS_GROUP_TARGET_ASSIGNMENT_METADATA_KEY,
        STREAMS_GROUP_TARGET_ASSIGNMENT_METADATA_VALUE,
    ),
    (21, STREAMS_GROUP_TARGET_ASSIGNMENT_MEMBER_KEY, STREAMS_GROUP_TARGET_ASSIGNMENT_MEMBER_VALUE),
    (
        22,
        STREAMS_GROUP_CURRENT_MEMBER_ASSIGNMENT_KEY,
        STREAMS_GROUP_CURRENT_MEMBER_ASSIGNMENT_VALUE,
    ),
    (23, STREAMS_GROUP_TOPOLOGY_KEY, STREAMS_GROUP_TOPOLOGY_VALUE),
];
