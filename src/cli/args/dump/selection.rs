//! Arguments of `logcompact dump` that say which records.

use std::ffi::OsString;

use clap::{Args, ValueEnum};
use regex::bytes::Regex;

use crate::dump::{OffsetRange, TimeRange};

/// Which records are shown.
#[derive(Debug, Args)]
#[command(next_help_heading = "Which records")]
pub struct SelectionArgs {
    /// Only these offsets: N, A..B (without B), A..=B (with B), A.. or ..B
    ///
    /// Segments that cannot hold them are not opened, and within a segment reading begins where
    /// the .index says, after a check that a batch really starts there; a missing or damaged
    /// index costs time, not records. An offset that compaction removed is no error: the next one
    /// that is still there comes first.
    #[arg(long, value_name = "RANGE")]
    pub offsets: Option<OffsetRange>,

    /// As for kafka-console-consumer.sh; it is what happens without it
    #[arg(long, hide = true, conflicts_with = "offsets")]
    pub from_beginning: bool,

    /// Only these timestamps: as --offsets, of milliseconds, RFC 3339 times or dates (UTC)
    ///
    /// Reading begins where the .timeindex says. It goes on to the end of the log, since a record
    /// may have come late; see --time-in-order. A record without a timestamp is in no range; of
    /// ..B, how many were left out for that is told on standard error.
    #[arg(long, value_name = "RANGE")]
    pub time: Option<TimeRange>,

    /// Believe that timestamps ascend: read no further than to where --time ends
    #[arg(long, requires = "time", conflicts_with = "reverse")]
    pub time_in_order: bool,

    /// Only records with this key; again for more keys; base64:... and hex:... for bytes
    #[arg(long, value_name = "KEY")]
    pub key: Vec<OsString>,

    /// Only records whose key matches
    #[arg(long, value_name = "REGEX")]
    pub key_regex: Option<Regex>,

    /// Only records whose value matches
    #[arg(long, value_name = "REGEX")]
    pub value_regex: Option<Regex>,

    /// Only batches of this producer; again for more producers
    #[arg(long, value_name = "ID")]
    pub producer_id: Vec<i64>,

    /// Only batches of producers that had this transactional id; again for more ids
    ///
    /// They are looked up in __transaction_state, in the same log directory.
    #[arg(long, value_name = "ID")]
    pub transactional_id: Vec<String>,

    /// What this consumer group has not read yet
    ///
    /// From the offsets on that the group has committed, by __consumer_offsets in the same log
    /// directory; only partitions of which it has committed one. Where compaction has removed that
    /// offset, the next one comes first.
    #[arg(long, value_name = "GROUP", conflicts_with = "offsets")]
    pub group: Option<String>,

    /// What is shown of transactions [default: read_uncommitted; with --state: read_committed]
    #[arg(long, value_name = "LEVEL")]
    pub isolation: Option<IsolationArg>,

    /// The latest record of each key, and none where that is a tombstone
    ///
    /// Of the records that the other conditions leave, so with --offsets or --time it is the state
    /// at that moment; only --value-regex looks at what is then shown. It is what a consumer knows,
    /// so nothing counts in front of where the log starts (log-start-offset-checkpoint). Segments
    /// of a partition that are named one by one are one log. Memory: --memory; keys that it has no
    /// room for cost further walks through the log.
    #[arg(long)]
    pub state: bool,

    /// Newest first
    ///
    /// Segments of a partition that are named one by one are one log, as with --state.
    #[arg(long)]
    pub reverse: bool,

    /// At most so many records (batches with --show batches, entries of other files)
    #[arg(long, value_name = "N")]
    pub limit: Option<u64>,
}

/// `--isolation`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum IsolationArg {
    /// No aborted records, no markers, nothing behind the start of an open transaction, nothing in
    /// front of where the log starts
    #[value(name = "read_committed")]
    ReadCommitted,
    /// Everything
    #[value(name = "read_uncommitted")]
    ReadUncommitted,
}
