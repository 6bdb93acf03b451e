//! Kafka's own messages: what the records of its internal topics say.
//!
//! Tables say what each message consists of, one reader turns bytes into a tree by them, and the
//! tree is printed as Kafka's tools print it. No file is known here. Whatever the bytes are, it
//! ends, without a panic, and builds no more than it read.
#![cfg_attr(not(test), deny(clippy::indexing_slicing, clippy::unwrap_used, clippy::panic))]

mod json;
mod read;
mod record;
mod schema;
mod schemas;
mod value;

pub use read::Flaw;
pub use record::{
    InternalTopic, Part, Side, Undecodable, all_messages, decode_key, decode_metadata, decode_value,
};
pub use schema::{Field, Kind, Message};
pub use value::Value;
