//! Arguments of `logcompact repair`.

use std::path::PathBuf;

use bytesize::ByteSize;
use clap::Args;

const EXAMPLES: &str = "\
Without --truncate or --skip only what stands beside the logs is repaired: indexes that are missing
or wrong are built anew as Kafka's recovery would, leftovers of an interrupted swap are finished or
undone, snapshots that cannot be read go. A partition whose log is damaged is left alone.

Examples:
  # What is wrong, and what would be lost? Writes nothing
  logcompact repair /backup/kafka-logs --skip --dry-run

  # Indexes built anew, in a copy
  logcompact repair /backup/kafka-logs --out /restore

  # As a broker would at start: each log ends where recovery finds it damaged. Damage that a broker
  # does not notice stays, and is told of
  logcompact repair /backup/kafka-logs --truncate --out /restore

  # Only what is damaged goes, what follows stays; the report says what that was, to the byte
  logcompact repair orders-0 --skip --in-place --report lost.json

Exit status: 0 all is sound now, and nothing was lost; 1 something was lost, damage that a broker
keeps was kept, or a partition was left alone; 2 not done.";

/// Arguments of `logcompact repair`.
#[derive(Debug, Args)]
#[command(after_help = EXAMPLES)]
pub struct RepairArgs {
    /// Partition directories (<topic>-<n>) or log directories that hold many
    #[arg(required = true, value_name = "DIR")]
    pub dirs: Vec<PathBuf>,
    /// Cut a damaged log where a broker's recovery would; everything behind that goes
    #[arg(long, conflicts_with = "skip")]
    pub truncate: bool,
    /// Drop what is damaged and keep what follows
    #[arg(long)]
    pub skip: bool,
    /// Output folder; each partition lands in OUT/<topic>-<n>/ [default: <name of DIR>.repaired]
    #[arg(long, value_name = "OUT")]
    pub out: Option<PathBuf>,
    /// Change DIR itself; no broker may be running on it
    #[arg(long, conflicts_with = "out")]
    pub in_place: bool,
    /// Decide everything, write nothing
    #[arg(long)]
    pub dry_run: bool,
    /// Bytes of log between two entries of an index that is built
    #[arg(long, value_name = "SIZE", default_value = "4096")]
    pub index_interval_bytes: ByteSize,
    /// Where the JSON report goes; - is standard output [default: OUT/logcompact-report.json;
    /// with --in-place: nowhere]
    #[arg(long, value_name = "FILE")]
    pub report: Option<PathBuf>,
}
