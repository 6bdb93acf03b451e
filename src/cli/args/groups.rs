//! Arguments of `logcompact groups`.

use std::path::PathBuf;

use clap::{Args, ValueEnum};

const EXAMPLES: &str = "\
Examples:
  All groups, with their state and lag
    logcompact groups /var/lib/kafka

  How far a group has read, as kafka-consumer-groups.sh --describe shows it
    logcompact groups /var/lib/kafka --group billing

  Who is in it, and what they were assigned
    logcompact groups /var/lib/kafka --group billing --members

  The log directories of all brokers together; for a script
    logcompact groups broker1 broker2 broker3 --all-groups --format json | jq 'select(.lag > 1000)'

A group is known from the partition of __consumer_offsets that it lives in, and its lag from the
logs that it reads; where such a log is not among the directories, or damage hides where it ends, a
'-' stands for its end, and the list has a '+?' behind a lag that is only of some partitions.
Offsets committed in a transaction count when it has committed.

Exit status: 0 nothing wrong; 1 something is damaged or could not be read, and the rest is shown;
2 not done.
Nothing is ever changed.";

/// Arguments of `logcompact groups`.
#[derive(Debug, Args)]
#[command(after_help = EXAMPLES)]
pub struct GroupsArgs {
    /// Log directories, or partitions of __consumer_offsets
    ///
    /// The words 'list' and 'describe' may stand in front of them, as in 'groups describe DIR':
    /// without --group that describes all groups. A directory of such a name is ./list.
    #[arg(required = true, value_name = "DIR")]
    pub dirs: Vec<PathBuf>,
    /// Describe this group; may be given again
    #[arg(long, value_name = "GROUP")]
    pub group: Vec<String>,
    /// Describe all groups
    #[arg(long, conflicts_with = "group")]
    pub all_groups: bool,
    /// Of the groups that are described: offsets and lag (what is shown if none is asked for)
    #[arg(long)]
    pub offsets: bool,
    /// Of the groups that are described: members and their assignments
    #[arg(long)]
    pub members: bool,
    /// Of the groups that are described: state, protocol, generation and leader
    #[arg(long)]
    pub state: bool,
    /// How to show them
    #[arg(long, value_name = "FORMAT", default_value = "text")]
    pub format: GroupsFormat,
}

/// `--format`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum GroupsFormat {
    /// For people
    Text,
    /// A JSON object a line: groups, members, offsets
    Json,
}
