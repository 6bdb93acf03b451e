//! `logcompact compact`: validates the options, runs the compaction, says what happened.

mod reader;
mod rewrites;
mod rounds;
mod summary;

use std::path::{Path, PathBuf};
use std::sync::Arc;

use anyhow::{Context, bail};

use reader::Reader;

use crate::cli::args::{CommonArgs, CompactArgs, MessageFormatArg, NullKeysArg, OnDamageArg};
use crate::cli::report_file::{self, ReportPlace};
use crate::cli::terminal::{Bar, messages};
use crate::cli::{Outcome, out_folder, topic_config};
use crate::compact::{self, Chosen, CompactOptions, NullKeys, OnDamage, Output, Policy, Witness};
use crate::disk::{Disk, System};
use crate::format::MessageFormat;
use crate::report::{PartitionOutcome, PartitionReport, RunOutcome, RunReport, counted, grouped};
use crate::segment::{Sources, find_partitions};
use crate::swap::{Replaced, unclean_shutdown};
use crate::units::Timestamp;

/// Runs the command.
pub fn run(args: CompactArgs, common: &CommonArgs) -> anyhow::Result<Outcome> {
    let sources = find_partitions(&args.dirs)?;
    let options = options(&args, common)?;
    if let (true, true, Some(dir)) = (args.in_place, args.dry_run, unclean_shutdown(&sources)) {
        let dir = dir.display();
        messages::warning(&format!("{dir}: not shut down cleanly: only --force would change it"));
    }
    let of_output = |report: &RunReport| {
        let is_left = options.dry_run || report.left_output_alone();
        let out = options.output.folder().filter(|_| !is_left)?;
        Some(out.join(report_file::NAME))
    };
    carry_out(&sources, &options, args.report.as_deref(), of_output, common)
}

/// Compacts, and says what happened. The report goes to the file that was `asked` for; if none
/// was, to the one that `default` has for it, if any.
pub fn carry_out(
    sources: &Sources,
    options: &CompactOptions,
    asked: Option<&Path>,
    default: impl Fn(&RunReport) -> Option<PathBuf>,
    common: &CommonArgs,
) -> anyhow::Result<Outcome> {
    let report = compact::run(sources, options, &Bar::new(common))?;
    let written = report_file::write(&report, asked, default(&report));
    let place = written.as_ref().map_or(&ReportPlace::Nowhere, |place| place);
    if !common.quiet {
        sources.logs_passed_over().for_each(|it| messages::warning(&it.to_string()));
        say_what_to_know(&report, place);
        options
            .policy
            .rewrites
            .erased
            .iter()
            .for_each(|keys| rewrites::say_what_was_not_found(keys));
        let on_stdout = *place != ReportPlace::StandardOutput;
        summary::print(&report, options, place.file(), on_stdout, common.verbose)?;
    }
    say_what_failed(&report);
    // Only now: what was done is done, and said.
    written?;
    if report.failure.is_some() {
        let is_failed = |p: &&PartitionReport| p.outcome == PartitionOutcome::Failed;
        let left_alone = report.partitions.iter().filter(is_failed).count() as u64;
        let were = if left_alone == 1 { "was" } else { "were" };
        bail!("not all was done: {} {were} left alone", counted(left_alone, "partition"));
    }
    Ok(match report.outcome {
        RunOutcome::Ok => Outcome::Clean,
        RunOutcome::Problems => Outcome::Problems,
    })
}

/// The options that the arguments stand for.
pub fn options(args: &CompactArgs, common: &CommonArgs) -> anyhow::Result<CompactOptions> {
    let memory_limit_bytes = common.memory_bytes();
    let mut topic = topic_config::resolve(&args.topic)?;
    if let Some(text) = &args.strategy {
        let parsed = Chosen::parse(text).map_err(anyhow::Error::msg);
        topic.strategy = parsed.context("--strategy")?;
    }
    let reader = Reader::of(&topic.strategy, args.empty_is_tombstone, memory_limit_bytes);
    let witness = args.verify.then_some(reader).transpose()?;
    let rounds = rounds::options(args, &topic.strategy)?;
    let policy = Policy {
        topic,
        now: args.now.map_or_else(|| Timestamp(jiff::Timestamp::now().as_millisecond()), Timestamp),
        include_active: args.include_active,
        null_keys: match args.null_keys {
            NullKeysArg::Drop => NullKeys::Drop,
            NullKeysArg::Keep => NullKeys::Keep,
            NullKeysArg::Fail => NullKeys::Fail,
        },
        drop_tombstones: args.drop_tombstones,
        empty_is_tombstone: args.empty_is_tombstone,
        message_format: match args.message_format {
            MessageFormatArg::Magic2 => MessageFormat::Magic2,
            MessageFormatArg::Keep => MessageFormat::Keep,
        },
        on_damage: match args.on_damage {
            OnDamageArg::Fail => OnDamage::Fail,
            OnDamageArg::Skip => OnDamage::Skip,
            OnDamageArg::Keep => OnDamage::Keep,
        },
        rewrites: rewrites::of(args, memory_limit_bytes)?,
        key_hash_bits: u64::BITS,
    };
    let output = output(args)?;
    let out = output.folder();
    let read = [args.erase_keys.as_deref(), args.topic.topic_config.as_deref()];
    let report = (args.report.as_deref(), "--report");
    report_file::refuse_lost(report, &args.dirs, out.filter(|_| !args.dry_run), &read)?;
    // There may be twice as many large files at a time as threads.
    let file_bytes = memory_limit_bytes / 32 / rayon::current_num_threads() as u64;
    let temp_dir = common.temp_dir.clone();
    if let Some(dir) = temp_dir.as_deref().filter(|dir| !dir.is_dir()) {
        bail!("{}: --temp-dir names no folder", dir.display());
    }
    Ok(CompactOptions {
        policy,
        output,
        disk: Disk::of(System::within(file_bytes)),
        dry_run: args.dry_run,
        memory_limit_bytes,
        temp_dir,
        rounds,
        witness: witness.map(|reader| Arc::new(reader) as Arc<dyn Witness>),
    })
}

fn output(args: &CompactArgs) -> anyhow::Result<Output> {
    if args.in_place {
        let replaced = match args.leave_deleted {
            true => Replaced::LeftDeleted,
            false => Replaced::Removed,
        };
        return Ok(Output::InPlace { force: args.force, replaced });
    }
    let choose = if args.dry_run { out_folder::suppose } else { out_folder::choose };
    Ok(Output::Folder(choose(args.out.as_deref(), &args.dirs, "compacted")?))
}

fn say_what_to_know(report: &RunReport, place: &ReportPlace) {
    if let Some((first, rest)) = report.not_searched_for_keys.split_first() {
        let more =
            if rest.is_empty() { String::new() } else { format!(" and {} more", rest.len()) };
        messages::warning(&format!(
            "{first}{more}: not searched for the keys that were to be erased; it lies in the \
             output folder and may have them still"
        ));
    }
    for partition in &report.partitions {
        let name = format!("{}-{}", partition.topic, partition.partition);
        for warning in &partition.warnings {
            messages::warning(&format!("{name}: {warning}"));
        }
        let is_failed = partition.outcome == PartitionOutcome::Failed;
        let damage = if is_failed { &[][..] } else { partition.damage.as_slice() };
        if *place == ReportPlace::Nowhere {
            // Nobody else says where it was.
            for damaged in damage {
                messages::warning(&format!(
                    "{name}: {} bytes of damage at {} position {} ({}): {}",
                    grouped(damaged.size),
                    damaged.segment,
                    damaged.position,
                    damaged.reason,
                    damaged.action,
                ));
            }
        } else if let Some(first) = damage.first() {
            let stretches = damage.len();
            let bytes: u64 = damage.iter().map(|damaged| damaged.size).sum();
            messages::warning(&format!(
                "{name}: {} with {} bytes, the first at {} position {} ({}): {}; all are in the \
                 report",
                counted(stretches as u64, "damaged range"),
                grouped(bytes),
                first.segment,
                first.position,
                first.reason,
                first.action,
            ));
        }
        let null_keys = partition.counters.removed.null_key;
        if null_keys > 0 {
            messages::warning(&format!(
                "{name}: {} without a key {} dropped, as Kafka's cleaner does; --null-keys keep \
                 keeps {}",
                counted(null_keys, "record"),
                if null_keys == 1 { "was" } else { "were" },
                if null_keys == 1 { "it" } else { "them" },
            ));
        }
        let bad_versions = partition.counters.bad_version_headers;
        if bad_versions > 0 {
            let header = report.strategy.strip_prefix("header:").unwrap_or_default();
            messages::warning(&format!(
                "{name}: {} with a key and a header {header:?} that is not 8 bytes; they count as \
                 having no version",
                counted(bad_versions, "record"),
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
