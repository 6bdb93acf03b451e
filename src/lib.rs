//! `logcompact`: Apache Kafka segment directories, read, verified and compacted without a broker.
//!
//! Bytes on disk become batch views, batch views become records, records vote on which offsets
//! survive, the survivors of each segment are a set, and a rewriter copies what the set names into
//! new segments, counting everything it leaves out:
//!
//! ```text
//! bytes -> batch view -> records -> winners -> retained set -> rewritten segments -> report
//! ```
//!
//! The rooms, of which each uses only those in front of it: [`units`], [`error`], [`report`],
//! [`bytes`], [`format`](mod@format) and [`messages`], [`disk`], [`segment`], [`swap`], [`rounds`];
//! then [`cluster`], [`compact`], [`dump`], [`groups`], [`repair`], [`verify`] and
//! [`write`](mod@write), which do not know each other; [`stats`]; and [`cli`], the command line.
//!
//! The program is the product: its commands, formats and exit statuses are stable, this library's
//! items are not.

// So that unit tests can use what the integration tests have to stand in for a disk.
#[cfg(test)]
extern crate self as logcompact;

pub mod bytes;
pub mod cli;
pub mod cluster;
pub mod compact;
pub mod disk;
pub mod dump;
pub mod error;
pub mod format;
pub mod groups;
pub mod messages;
pub mod repair;
pub mod report;
pub mod rounds;
pub mod segment;
pub mod stats;
pub mod swap;
pub mod units;
pub mod verify;
pub mod write;
