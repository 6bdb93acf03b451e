//! The messages that Kafka's internal topics are made of, each as a table of its fields.

pub(super) mod consumer_groups;
pub(super) mod consumer_protocol;
pub(super) mod metadata;
pub(super) mod share_groups;
pub(super) mod share_state;
pub(super) mod streams_groups;
pub(super) mod transactions;
