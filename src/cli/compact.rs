//! `logcompact compact`: validates the options, runs the compaction, says what happened.

use std::fs;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use anyhow::{Context, bail};

use super::args::{CommonArgs, CompactArgs, LaterArgs, MessageFormatArg, NullKeysArg, OnDamageArg};
use super::bar::Bar;
use super::reader::Reader;
use super::{Outcome, messages, summary, topic_config};
use crate::compact::{self, CompactOptions, NullKeys, OnDamage, Output, Policy, Witness};
use crate::disk::Disk;
use crate::format::MessageFormat;
use crate::report::{PartitionOutcome, RunOutcome, RunReport};
use crate::segment::find_partitions;
use crate::units::Timestamp;

/// The report's file name inside the output folder.
const REPORT_NAME: &str = "logcompact-report.json";

/// Runs the command.
pub fn run(args: CompactArgs, common: &CommonArgs) -> anyhow::Result<Outcome> {
    refuse_later(&args.later)?;
    let sources = find_partitions(&args.dirs)?;
    let options = options(&args, common)?;
    let report = compact::run(&sources, &options, &Bar::new(common))?;
    let place = write_report(&report, &args, &options)?;
    if !common.quiet {
        sources.passed_over.iter().for_each(|path| {
            messages::warning(&format!("{}: on its way in or out, passed over", path.display()));
        });
        say_what_to_know(&report);
        let on_stdout = place != ReportPlace::StandardOutput;
        summary::print(&report, &options.output, place.file(), on_stdout, common.verbose)?;
    }
    say_what_failed(&report);
    Ok(match report.outcome {
        RunOutcome::Ok => Outcome::Clean,
        RunOutcome::Problems => Outcome::Problems,
    })
}

fn options(args: &CompactArgs, common: &CommonArgs) -> anyhow::Result<CompactOptions> {
    let memory_limit_bytes = common.memory_bytes();
    let policy = Policy {
        topic: topic_config::resolve(&args.topic)?,
        now: args.now.map_or_else(|| Timestamp(jiff::Timestamp::now().as_millisecond()), Timestamp),
        include_active: args.include_active,
        null_keys: match args.null_keys {
            NullKeysArg::Drop => NullKeys::Drop,
            NullKeysArg::Keep => NullKeys::Keep,
            NullKeysArg::Fail => NullKeys::Fail,
        },
        drop_tombstones: args.drop_tombstones,
        message_format: match args.message_format {
            MessageFormatArg::Magic2 => MessageFormat::Magic2,
            MessageFormatArg::Keep => MessageFormat::Keep,
        },
        on_damage: match args.on_damage {
            OnDamageArg::Fail => OnDamage::Fail,
            OnDamageArg::Skip => OnDamage::Skip,
            OnDamageArg::Keep => OnDamage::Keep,
        },
        key_hash_bits: u64::BITS,
    };
    let output = output(args)?;
    refuse_lost_report(args)?;
    let temp_dir = common.temp_dir.clone();
    if let Some(dir) = temp_dir.as_deref().filter(|dir| !dir.is_dir()) {
        bail!("{}: --temp-dir names no folder", dir.display());
    }
    let witness = Reader { memory_bytes: memory_limit_bytes };
    Ok(CompactOptions {
        policy,
        output,
        disk: Disk::default(),
        dry_run: args.dry_run,
        memory_limit_bytes,
        temp_dir,
        witness: args.verify.then(|| Arc::new(witness) as Arc<dyn Witness>),
    })
}

fn output(args: &CompactArgs) -> anyhow::Result<Output> {
    if args.in_place {
        return Ok(Output::InPlace { force: args.force });
    }
    let out = args.out.clone().map_or_else(|| default_out(&args.dirs), Ok)?;
    refuse_inside(&out, &args.dirs)?;
    Ok(Output::Folder(out))
}

/// `<name of DIR>.compacted` in the current folder.
fn default_out(dirs: &[PathBuf]) -> anyhow::Result<PathBuf> {
    let [dir] = dirs else {
        bail!("several directories are compacted: say with --out where the output goes");
    };
    let full = fs::canonicalize(dir).with_context(|| dir.display().to_string())?;
    // `.` and `..` have no name of their own.
    let Some(name) = dir.file_name().or(full.file_name()) else {
        bail!("{}: has no name; say with --out where the output goes", dir.display());
    };
    Ok(PathBuf::from(format!("{}.compacted", name.to_string_lossy())))
}

/// The output may not lie in what is being read: a broker takes no strange folder among its
/// partitions, and the source is not to be touched.
fn refuse_inside(out: &Path, dirs: &[PathBuf]) -> anyhow::Result<()> {
    let full = std::path::absolute(out).with_context(|| out.display().to_string())?;
    let standing = full.ancestors().find_map(|path| fs::canonicalize(path).ok());
    for dir in dirs {
        let source = fs::canonicalize(dir).with_context(|| dir.display().to_string())?;
        if standing.as_ref().is_some_and(|path| path.starts_with(&source)) {
            bail!(
                "{}: the output would lie inside {}; name another folder with --out",
                out.display(),
                dir.display()
            );
        }
    }
    Ok(())
}

/// A report that could not be written is better known before the work than after it.
fn refuse_lost_report(args: &CompactArgs) -> anyhow::Result<()> {
    let Some(path) = args.report.as_deref().filter(|path| path.as_os_str() != "-") else {
        return Ok(());
    };
    let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty());
    let in_output = args.out.as_deref().is_some_and(|out| path.starts_with(out));
    if path.is_dir() || (!in_output && folder.is_some_and(|folder| !folder.is_dir())) {
        bail!("{}: the report cannot be written there", path.display());
    }
    Ok(())
}

fn refuse_later(later: &LaterArgs) -> anyhow::Result<()> {
    let not_offset = later.strategy.as_deref().is_some_and(|strategy| strategy != "offset");
    let asked = [
        ("--strategy other than offset", not_offset),
        ("--erase-keys", later.erase_keys.is_some()),
        ("--compression", later.compression.is_some()),
        ("--to-offset", later.to_offset.is_some()),
        ("--full", later.full),
        ("--rebase-from", later.rebase_from.is_some()),
        ("--rebase-high-watermark", later.rebase_high_watermark.is_some()),
        ("--reindex", later.reindex),
        ("--min-rewrite-ratio", later.min_rewrite_ratio.is_some()),
        ("--keep-rounds", later.keep_rounds.is_some()),
        ("--empty-is-tombstone", later.empty_is_tombstone),
    ];
    match asked.iter().find(|(_, asked)| *asked) {
        Some((name, _)) => bail!("{name} is not in this version of logcompact; nothing was done"),
        None => Ok(()),
    }
}

/// Where the JSON report went.
#[derive(Clone, Debug, PartialEq, Eq)]
enum ReportPlace {
    File(PathBuf),
    StandardOutput,
    Nowhere,
}

impl ReportPlace {
    fn file(&self) -> Option<&Path> {
        match self {
            ReportPlace::File(path) => Some(path),
            _ => None,
        }
    }
}

fn write_report(
    report: &RunReport,
    args: &CompactArgs,
    options: &CompactOptions,
) -> anyhow::Result<ReportPlace> {
    let mut json = serde_json::to_vec_pretty(report)?;
    json.push(b'\n');
    let path = match &args.report {
        Some(path) if path.as_os_str() == "-" => {
            std::io::stdout().lock().write_all(&json)?;
            return Ok(ReportPlace::StandardOutput);
        }
        Some(path) => path.clone(),
        None if options.dry_run => return Ok(ReportPlace::Nowhere),
        None => match &options.output {
            Output::Folder(out) => out.join(REPORT_NAME),
            Output::InPlace { .. } => return Ok(ReportPlace::Nowhere),
        },
    };
    fs::write(&path, &json)
        .with_context(|| format!("{}: cannot write the report", path.display()))?;
    Ok(ReportPlace::File(path))
}

fn say_what_to_know(report: &RunReport) {
    for partition in &report.partitions {
        let name = format!("{}-{}", partition.topic, partition.partition);
        for warning in &partition.warnings {
            messages::warning(&format!("{name}: {warning}"));
        }
        if let Some(first) =
            partition.damage.first().filter(|_| partition.outcome != PartitionOutcome::Failed)
        {
            let stretches = partition.damage.len();
            let bytes: u64 = partition.damage.iter().map(|damaged| damaged.size).sum();
            messages::warning(&format!(
                "{name}: {} with {} bytes, the first at {} position {} ({}): {}; all are in the \
                 report",
                summary::counted(stretches as u64, "damaged range"),
                summary::grouped(bytes),
                first.segment,
                first.position,
                first.reason,
                first.action,
            ));
        }
        let null_keys = partition.counters.removed.null_key;
        if null_keys > 0 {
            messages::warning(&format!(
                "{name}: {} records without a key were dropped, as Kafka's cleaner does; \
                 --null-keys keep keeps them",
                summary::grouped(null_keys)
            ));
        }
    }
}

fn say_what_failed(report: &RunReport) {
    let failed = report.partitions.iter().filter(|p| p.outcome == PartitionOutcome::Failed);
    for partition in failed {
        messages::error(&format!(
            "{}: left alone: {}",
            partition.source.display(),
            partition.reason.as_deref().unwrap_or("unknown")
        ));
    }
}
