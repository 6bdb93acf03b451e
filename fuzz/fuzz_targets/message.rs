//! Kafka's own messages, as internal topics hold them.
#![no_main]

logcompact_fuzz::fuzz!("message");
