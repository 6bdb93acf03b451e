//! `logcompact repair`: validates the options, runs the repair, says what was done and lost.

use std::io::{self, Write};

use super::args::{CommonArgs, RepairArgs};
use super::report_file::{self, ReportPlace};
use super::terminal::{Bar, columns, messages, plain, wrapped};
use super::{Outcome, out_folder};
use crate::disk::Disk;
use crate::repair::{self, How, RepairOptions};
use crate::report::{PartitionRepair, RepairOutcome, RepairReport, RunOutcome};
use crate::report::{counted, grouped};
use crate::segment::find_partitions;

/// Damaged ranges listed without `-v`; the report has them all.
const MOST_LISTED: usize = 10;
/// Partitions listed without `-v`.
const MOST_PARTITIONS: usize = 40;

/// Runs the command.
pub fn run(args: RepairArgs, common: &CommonArgs) -> anyhow::Result<Outcome> {
    let sources = find_partitions(&args.dirs)?;
    let out = match args.in_place {
        true => None,
        false => {
            let choose = if args.dry_run { out_folder::suppose } else { out_folder::choose };
            Some(choose(args.out.as_deref(), &args.dirs, "repaired")?)
        }
    };
    let report = (args.report.as_deref(), "--report");
    let written = out.as_deref().filter(|_| !args.dry_run);
    report_file::refuse_lost(report, &args.dirs, written, &[])?;
    let options = RepairOptions {
        how: match (args.truncate, args.skip) {
            (true, _) => How::Truncate,
            (_, true) => How::Skip,
            _ => How::IndexesOnly,
        },
        out,
        dry_run: args.dry_run,
        index_interval_bytes: args.index_interval_bytes.as_u64(),
        disk: Disk::default(),
    };
    let default = options.out.as_ref().filter(|_| !args.dry_run);
    let default = default.map(|out| out.join(report_file::NAME));
    let mut written = Ok(ReportPlace::Nowhere);
    let report = repair::run_and_tell(&sources, &options, &Bar::new(common), |report| {
        written = report_file::write(report, args.report.as_deref(), default);
        written.is_ok()
    })?;
    let place = written.as_ref().map_or(&ReportPlace::Nowhere, |place| place);
    if !common.quiet {
        let mut text = Vec::new();
        write(&mut text, &report, &options, place, common.verbose)?;
        if *place == ReportPlace::StandardOutput {
            messages::summary(&text);
        } else {
            anstream::stdout().lock().write_all(&text)?;
        }
    }
    sources.logs_passed_over().for_each(|it| messages::warning(&it.to_string()));
    report.warnings.iter().for_each(|warning| messages::warning(warning));
    for partition in report.partitions.iter().filter(|p| p.outcome == RepairOutcome::Failed) {
        messages::error(&format!(
            "{}: left alone: {}",
            partition.source.display(),
            partition.reason.as_deref().unwrap_or("unknown")
        ));
    }
    // Only now: what was done is done, and said.
    written?;
    Ok(match report.outcome {
        RunOutcome::Ok => Outcome::Clean,
        RunOutcome::Problems => Outcome::Problems,
    })
}

fn write(
    to: &mut impl Write,
    report: &RepairReport,
    options: &RepairOptions,
    place: &ReportPlace,
    verbose: u8,
) -> io::Result<()> {
    let is_told =
        |p: &&PartitionRepair| p.outcome != RepairOutcome::Unchanged || !p.warnings.is_empty();
    let most = if verbose > 0 { usize::MAX } else { MOST_PARTITIONS };
    for partition in report.partitions.iter().filter(is_told).take(most) {
        write_partition(to, partition, verbose)?;
    }
    let more = report.partitions.iter().filter(is_told).skip(most).count() as u64;
    if more > 0 {
        writeln!(to, "... and {} more (-v lists all)", counted(more, "partition"))?;
    }
    let with = |outcome| report.partitions.iter().filter(|p| p.outcome == outcome).count() as u64;
    let bytes: u64 = done(report).map(|partition| partition.bytes_lost).sum();
    let records: u64 = done(report).map(|partition| partition.records_lost).sum();
    let text = format!(
        "{}: {} repaired, {} with nothing to repair, {} left alone; {} and {} lost.",
        counted(report.partitions.len() as u64, "partition"),
        grouped(with(RepairOutcome::Repaired)),
        grouped(with(RepairOutcome::Unchanged)),
        grouped(with(RepairOutcome::Failed)),
        counted(bytes, "byte"),
        counted(records, "record"),
    );
    writeln!(to, "{}", wrapped(&text, columns(), 0))?;
    let outcome = match &options.out {
        _ if report.dry_run => "A dry run: nothing was written".to_owned(),
        _ if report.partitions.iter().all(|p| p.destination.is_none()) => {
            "No partition was written".to_owned()
        }
        Some(out) => format!("Written to {}", plain(&out.to_string_lossy())),
        None => "Repaired in place".to_owned(),
    };
    match place.file() {
        Some(file) => {
            writeln!(to, "{outcome}; the report is {}.", plain(&file.to_string_lossy()))
        }
        None => writeln!(to, "{outcome}."),
    }
}

fn done(report: &RepairReport) -> impl Iterator<Item = &PartitionRepair> {
    report.partitions.iter().filter(|partition| partition.outcome != RepairOutcome::Failed)
}

fn write_partition(
    to: &mut impl Write,
    partition: &PartitionRepair,
    verbose: u8,
) -> io::Result<()> {
    writeln!(to, "{}-{}", partition.topic, partition.partition)?;
    for warning in &partition.warnings {
        writeln!(to, "  {}", wrapped(&plain(warning), columns(), 4))?;
    }
    let most = if verbose > 0 { usize::MAX } else { MOST_LISTED };
    for lost in partition.damage.iter().take(most) {
        let end = lost.position.0.saturating_add(lost.size);
        writeln!(
            to,
            "  {} bytes {}..{} ({}): {}: {}",
            lost.segment,
            lost.position,
            end,
            grouped(lost.size),
            lost.action,
            plain(&lost.reason)
        )?;
    }
    if partition.damage.len() > most {
        let more = counted((partition.damage.len() - most) as u64, "range");
        writeln!(to, "  and {more} more (-v lists all)")?;
    }
    for (what, names) in [("rebuilt", &partition.rebuilt), ("removed", &partition.removed)] {
        if !names.is_empty() {
            let shown: Vec<&str> = names.iter().take(most).map(String::as_str).collect();
            let more = names.len() - shown.len();
            let more = if more > 0 { format!(" and {more} more") } else { String::new() };
            let text = format!("  {what}: {}{more}", plain(&shown.join(", ")));
            writeln!(to, "{}", wrapped(&text, columns(), 4))?;
        }
    }
    Ok(())
}
