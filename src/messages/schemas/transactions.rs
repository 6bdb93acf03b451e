//! What `__transaction_state` keeps of each transactional id
//! (`org.apache.kafka.coordinator.transaction.generated` of Kafka 4.1).

use super::super::schema::{Field, Kind, Message, NEVER, int8, int16, int32, int64, list, string};

pub(super) const TRANSACTION_LOG_KEY: Message = Message {
    name: "TransactionLogKey",
    versions: (0, 0),
    flexible_since: NEVER,
    fields: &[string("transactionalId")],
};

const PARTITIONS_SCHEMA: &[Field] = &[string("topic"), list("partitionIds", Kind::Int32)];

pub(super) const TRANSACTION_LOG_VALUE: Message = Message {
    name: "TransactionLogValue",
    versions: (0, 1),
    flexible_since: 1,
    fields: &[
        int64("producerId"),
        int64("previousProducerId").since(1).tagged(0).or(-1),
        int64("nextProducerId").since(1).tagged(1).or(-1),
        int16("producerEpoch"),
        int16("nextProducerEpoch").since(1).tagged(3).or(-1),
        int32("transactionTimeoutMs"),
        int8("transactionStatus"),
        list("transactionPartitions", Kind::Struct(PARTITIONS_SCHEMA)).nullable(),
        int64("transactionLastUpdateTimestampMs"),
        int64("transactionStartTimestampMs"),
        int16("clientTransactionVersion").since(1).tagged(2),
    ],
};

/// By type: key and value.
pub(in crate::messages) const TYPES: &[(i16, Message, Message)] =
    &[(0, TRANSACTION_LOG_KEY, TRANSACTION_LOG_VALUE)];
