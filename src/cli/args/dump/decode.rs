//! Arguments of `logcompact dump` about Kafka's internal topics.

use clap::{Args, ValueEnum};

/// Which records are decoded.
#[derive(Debug, Args)]
pub struct DecodeArgs {
    /// Show what the records of Kafka's internal topics say
    ///
    /// With --format json each record has one more field, \"decoded\"; key and value stay as they
    /// are. With --format kafka the lines are those of kafka-dump-log.sh with the decoder of the
    /// topic. A record that is not understood is shown as it is, with the reason.
    #[arg(long, value_name = "TOPIC")]
    pub decode: Option<DecodeArg>,
}

/// `--decode`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum DecodeArg {
    /// By the topic's name; metadata snapshots by that of the file
    Auto,
    /// As __consumer_offsets: groups and their offsets
    Offsets,
    /// As __transaction_state: transactional ids
    Transactions,
    /// As __cluster_metadata: the records of KRaft
    Metadata,
    /// As __share_group_state: what share groups have read
    Share,
}
