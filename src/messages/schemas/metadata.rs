//! The records of `__cluster_metadata` (`org.apache.kafka.common.metadata` of Kafka 4.1).

use super::super::schema::{
    Field, Kind, Message, boolean, bytes, float64, int8, int16, int32, int64, list, string, uint16,
    uuid,
};

const BROKER_ENDPOINT: &[Field] =
    &[string("name"), string("host"), uint16("port"), int16("securityProtocol")];

const BROKER_FEATURE: &[Field] =
    &[string("name"), int16("minSupportedVersion"), int16("maxSupportedVersion")];

pub(super) const REGISTER_BROKER_RECORD: Message = Message {
    name: "RegisterBrokerRecord",
    versions: (0, 3),
    flexible_since: 0,
    fields: &[
        int32("brokerId"),
        boolean("isMigratingZkBroker").since(2),
        uuid("incarnationId"),
        int64("brokerEpoch"),
        list("endPoints", Kind::Struct(BROKER_ENDPOINT)),
        list("features", Kind::Struct(BROKER_FEATURE)),
        string("rack").nullable(),
        boolean("fenced"),
        boolean("inControlledShutdown").since(1),
        list("logDirs", Kind::Uuid).since(3).tagged(0),
    ],
};

pub(super) const UNREGISTER_BROKER_RECORD: Message = Message {
    name: "UnregisterBrokerRecord",
    versions: (0, 0),
    flexible_since: 0,
    fields: &[int32("brokerId"), int64("brokerEpoch")],
};

pub(super) const TOPIC_RECORD: Message = Message {
    name: "TopicRecord",
    versions: (0, 0),
    flexible_since: 0,
    fields: &[string("name"), uuid("topicId")],
};

pub(super) const PARTITION_RECORD: Message = Message {
    name: "PartitionRecord",
    versions: (0, 2),
    flexible_since: 0,
    fields: &[
        int32("partitionId"),
        uuid("topicId"),
        list("replicas", Kind::Int32),
        list("isr", Kind::Int32),
        list("removingReplicas", Kind::Int32),
        list("addingReplicas", Kind::Int32),
        int32("leader"),
        int8("leaderRecoveryState").tagged(0),
        int32("leaderEpoch"),
        int32("partitionEpoch"),
        list("directories", Kind::Uuid).since(1),
        list("eligibleLeaderReplicas", Kind::Int32).since(2).nullable().tagged(1).or_null(),
        list("lastKnownElr", Kind::Int32).since(2).nullable().tagged(2).or_null(),
    ],
};

pub(super) const CONFIG_RECORD: Message = Message {
    name: "ConfigRecord",
    versions: (0, 0),
    flexible_since: 0,
    fields: &[
        int8("resourceType"),
        string("resourceName"),
        string("name"),
        string("value").nullable(),
    ],
};

pub(super) const PARTITION_CHANGE_RECORD: Message = Message {
    name: "PartitionChangeRecord",
    versions: (0, 2),
    flexible_since: 0,
    fields: &[
        int32("partitionId"),
        uuid("topicId"),
        list("isr", Kind::Int32).nullable().tagged(0).or_null(),
        int32("leader").tagged(1).or(-2),
        list("replicas", Kind::Int32).nullable().tagged(2).or_null(),
        list("removingReplicas", Kind::Int32).nullable().tagged(3).or_null(),
        list("addingReplicas", Kind::Int32).nullable().tagged(4).or_null(),
        int8("leaderRecoveryState").tagged(5).or(-1),
        list("directories", Kind::Uuid).since(1).nullable().tagged(8).or_null(),
        list("eligibleLeaderReplicas", Kind::Int32).since(2).nullable().tagged(6).or_null(),
        list("lastKnownElr", Kind::Int32).since(2).nullable().tagged(7).or_null(),
    ],
};

pub(super) const FENCE_BROKER_RECORD: Message = Message {
    name: "FenceBrokerRecord",
    versions: (0, 0),
    flexible_since: 0,
    fields: &[int32("id"), int64("epoch")],
};

pub(super) const UNFENCE_BROKER_RECORD: Message = Message {
    name: "UnfenceBrokerRecord",
    versions: (0, 0),
    flexible_since: 0,
    fields: &[int32("id"), int64("epoch")],
};

pub(super) const REMOVE_TOPIC_RECORD: Message = Message {
    name: "RemoveTopicRecord",
    versions: (0, 0),
    flexible_since: 0,
    fields: &[uuid("topicId")],
};

pub(super) const DELEGATION_TOKEN_RECORD: Message = Message {
    name: "DelegationTokenRecord",
    versions: (0, 0),
    flexible_since: 0,
    fields: &[
        string("owner"),
        string("requester"),
        list("renewers", Kind::String),
        int64("issueTimestamp"),
        int64("maxTimestamp"),
        int64("expirationTimestamp"),
        string("tokenId"),
    ],
};

pub(super) const USER_SCRAM_CREDENTIAL_RECORD: Message = Message {
    name: "UserScramCredentialRecord",
    versions: (0, 0),
    flexible_since: 0,
    fields: &[
        string("name"),
        int8("mechanism"),
        bytes("salt"),
        bytes("storedKey"),
        bytes("serverKey"),
        int32("iterations"),
    ],
};

pub(super) const FEATURE_LEVEL_RECORD: Message = Message {
    name: "FeatureLevelRecord",
    versions: (0, 0),
    flexible_since: 0,
    fields: &[string("name"), int16("featureLevel")],
};

const ENTITY_DATA: &[Field] = &[string("entityType"), string("entityName").nullable()];

pub(super) const CLIENT_QUOTA_RECORD: Message = Message {
    name: "ClientQuotaRecord",
    versions: (0, 0),
    flexible_since: 0,
    fields: &[
        list("entity", Kind::Struct(ENTITY_DATA)),
        string("key"),
        float64("value"),
        boolean("remove"),
    ],
};

pub(super) const PRODUCER_IDS_RECORD: Message = Message {
    name: "ProducerIdsRecord",
    versions: (0, 0),
    flexible_since: 0,
    fields: &[int32("brokerId"), int64("brokerEpoch"), int64("nextProducerId")],
};

pub(super) const BROKER_REGISTRATION_CHANGE_RECORD: Message = Message {
    name: "BrokerRegistrationChangeRecord",
    versions: (0, 2),
    flexible_since: 0,
    fields: &[
        int32("brokerId"),
        int64("brokerEpoch"),
        int8("fenced").tagged(0),
        int8("inControlledShutdown").since(1).tagged(1),
        list("logDirs", Kind::Uuid).since(2).tagged(2),
    ],
};

pub(super) const ACCESS_CONTROL_ENTRY_RECORD: Message = Message {
    name: "AccessControlEntryRecord",
    versions: (0, 0),
    flexible_since: 0,
    fields: &[
        uuid("id"),
        int8("resourceType"),
        string("resourceName"),
        int8("patternType"),
        string("principal"),
        string("host"),
        int8("operation"),
        int8("permissionType"),
    ],
};

pub(super) const REMOVE_ACCESS_CONTROL_ENTRY_RECORD: Message = Message {
    name: "RemoveAccessControlEntryRecord",
    versions: (0, 0),
    flexible_since: 0,
    fields: &[uuid("id")],
};

pub(super) const NO_OP_RECORD: Message =
    Message { name: "NoOpRecord", versions: (0, 0), flexible_since: 0, fields: &[] };

pub(super) const ZK_MIGRATION_STATE_RECORD: Message = Message {
    name: "ZkMigrationStateRecord",
    versions: (0, 0),
    flexible_since: 0,
    fields: &[int8("zkMigrationState")],
};

pub(super) const REMOVE_USER_SCRAM_CREDENTIAL_RECORD: Message = Message {
    name: "RemoveUserScramCredentialRecord",
    versions: (0, 0),
    flexible_since: 0,
    fields: &[string("name"), int8("mechanism")],
};

pub(super) const BEGIN_TRANSACTION_RECORD: Message = Message {
    name: "BeginTransactionRecord",
    versions: (0, 0),
    flexible_since: 0,
    fields: &[string("name").nullable().tagged(0).or_null()],
};

pub(super) const END_TRANSACTION_RECORD: Message =
    Message { name: "EndTransactionRecord", versions: (0, 0), flexible_since: 0, fields: &[] };

pub(super) const ABORT_TRANSACTION_RECORD: Message = Message {
    name: "AbortTransactionRecord",
    versions: (0, 0),
    flexible_since: 0,
    fields: &[string("reason").nullable().tagged(0).or_null()],
};

pub(super) const REMOVE_DELEGATION_TOKEN_RECORD: Message = Message {
    name: "RemoveDelegationTokenRecord",
    versions: (0, 0),
    flexible_since: 0,
    fields: &[string("tokenId")],
};

const CONTROLLER_ENDPOINT: &[Field] =
    &[string("name"), string("host"), uint16("port"), int16("securityProtocol")];

const CONTROLLER_FEATURE: &[Field] =
    &[string("name"), int16("minSupportedVersion"), int16("maxSupportedVersion")];

pub(super) const REGISTER_CONTROLLER_RECORD: Message = Message {
    name: "RegisterControllerRecord",
    versions: (0, 0),
    flexible_since: 0,
    fields: &[
        int32("controllerId"),
        uuid("incarnationId"),
        boolean("zkMigrationReady"),
        list("endPoints", Kind::Struct(CONTROLLER_ENDPOINT)),
        list("features", Kind::Struct(CONTROLLER_FEATURE)),
    ],
};

pub(super) const CLEAR_ELR_RECORD: Message = Message {
    name: "ClearElrRecord",
    versions: (0, 0),
    flexible_since: 0,
    fields: &[string("topicName")],
};

/// By API key: the name that Kafka shows, and the record.
pub(in crate::messages) const TYPES: &[(i16, &str, Message)] = &[
    (0, "REGISTER_BROKER_RECORD", REGISTER_BROKER_RECORD),
    (1, "UNREGISTER_BROKER_RECORD", UNREGISTER_BROKER_RECORD),
    (2, "TOPIC_RECORD", TOPIC_RECORD),
    (3, "PARTITION_RECORD", PARTITION_RECORD),
    (4, "CONFIG_RECORD", CONFIG_RECORD),
    (5, "PARTITION_CHANGE_RECORD", PARTITION_CHANGE_RECORD),
    (7, "FENCE_BROKER_RECORD", FENCE_BROKER_RECORD),
    (8, "UNFENCE_BROKER_RECORD", UNFENCE_BROKER_RECORD),
    (9, "REMOVE_TOPIC_RECORD", REMOVE_TOPIC_RECORD),
    (10, "DELEGATION_TOKEN_RECORD", DELEGATION_TOKEN_RECORD),
    (11, "USER_SCRAM_CREDENTIAL_RECORD", USER_SCRAM_CREDENTIAL_RECORD),
    (12, "FEATURE_LEVEL_RECORD", FEATURE_LEVEL_RECORD),
    (14, "CLIENT_QUOTA_RECORD", CLIENT_QUOTA_RECORD),
    (15, "PRODUCER_IDS_RECORD", PRODUCER_IDS_RECORD),
    (17, "BROKER_REGISTRATION_CHANGE_RECORD", BROKER_REGISTRATION_CHANGE_RECORD),
    (18, "ACCESS_CONTROL_ENTRY_RECORD", ACCESS_CONTROL_ENTRY_RECORD),
    (19, "REMOVE_ACCESS_CONTROL_ENTRY_RECORD", REMOVE_ACCESS_CONTROL_ENTRY_RECORD),
    (20, "NO_OP_RECORD", NO_OP_RECORD),
    (21, "ZK_MIGRATION_STATE_RECORD", ZK_MIGRATION_STATE_RECORD),
    (22, "REMOVE_USER_SCRAM_CREDENTIAL_RECORD", REMOVE_USER_SCRAM_CREDENTIAL_RECORD),
    (23, "BEGIN_TRANSACTION_RECORD", BEGIN_TRANSACTION_RECORD),
    (24, "END_TRANSACTION_RECORD", END_TRANSACTION_RECORD),
    (25, "ABORT_TRANSACTION_RECORD", ABORT_TRANSACTION_RECORD),
    (26, "REMOVE_DELEGATION_TOKEN_RECORD", REMOVE_DELEGATION_TOKEN_RECORD),
    (27, "REGISTER_CONTROLLER_RECORD", REGISTER_CONTROLLER_RECORD),
    (28, "CLEAR_ELR_RECORD", CLEAR_ELR_RECORD),
];
