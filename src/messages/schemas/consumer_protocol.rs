//! What consumers of a classic group tell each other by way of the coordinator
//! (`ConsumerProtocol`, KIP-429 and KIP-881).

use super::super::schema::{Field, Kind, Message, NEVER, bytes, int32, list, string};

const CONSUMER_PROTOCOL_ASSIGNMENT_TOPIC_PARTITION: &[Field] =
    &[string("topic"), list("partitions", Kind::Int32)];

pub(in crate::messages) const CONSUMER_PROTOCOL_ASSIGNMENT: Message = Message {
    name: "ConsumerProtocolAssignment",
    versions: (0, 3),
    flexible_since: NEVER,
    fields: &[
        list("assignedPartitions", Kind::Struct(CONSUMER_PROTOCOL_ASSIGNMENT_TOPIC_PARTITION)),
        bytes("userData").nullable(),
    ],
};

const CONSUMER_PROTOCOL_SUBSCRIPTION_TOPIC_PARTITION: &[Field] =
    &[string("topic").since(1), list("partitions", Kind::Int32).since(1)];

pub(in crate::messages) const CONSUMER_PROTOCOL_SUBSCRIPTION: Message = Message {
    name: "ConsumerProtocolSubscription",
    versions: (0, 3),
    flexible_since: NEVER,
    fields: &[
        list("topics", Kind::String),
        bytes("userData").nullable(),
        list("ownedPartitions", Kind::Struct(CONSUMER_PROTOCOL_SUBSCRIPTION_TOPIC_PARTITION))
            .since(1),
        int32("generationId").since(2),
        string("rackId").since(3).nullable(),
    ],
};
