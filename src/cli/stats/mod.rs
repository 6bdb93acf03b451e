//! `logcompact stats`: validates the options, has the data read, shows what it looks like.

use std::io::Write;
use std::path::Path;

use anyhow::{Context, bail};

mod text;

use crate::cli::args::{CommonArgs, KeysArg, StatsArgs, StatsFormat, TopicArgs};
use crate::cli::terminal::{Bar, columns as terminal_columns, messages};
use crate::cli::{Outcome, report_file, topic_config};
use crate::compact::{NullKeys, OnDamage, Policy, Rewrites};
use crate::disk::Disk;
use crate::format::MessageFormat;
use crate::report::RunOutcome;
use crate::report::{counted, grouped};
use crate::segment::find_partitions;
use crate::stats::{self, Counting, PartitionOutcome, PartitionStats, StatsOptions, StatsReport};
use crate::units::Timestamp;

/// Damaged ranges of a partition that are told one by one without `-v`.
const MOST_TOLD: usize = 10;

/// Runs the command.
pub fn run(args: StatsArgs, common: &CommonArgs) -> anyhow::Result<Outcome> {
    let is_json = args.json || args.format == StatsFormat::Json;
    let page_on_stdout = args.html.as_deref().is_some_and(|file| file.as_os_str() == "-");
    if is_json && page_on_stdout {
        bail!("standard output can have the JSON or the page, not both; name a file for --html");
    }
    let options = options(&args, common)?;
    let sources = find_partitions(&args.dirs)?;
    let page = (args.html.as_deref(), "--html");
    report_file::refuse_lost(page, &args.dirs, None, &[args.topic_config.as_deref()])?;
    let report = stats::run(&sources, &options, &Bar::new(common))?;
    say_what_is_wrong(&report, common);
    if let Some(file) = &args.html {
        let page = stats::page::render(&report);
        if page_on_stdout {
            std::io::stdout().lock().write_all(page.as_bytes())?;
        } else {
            report_file::write_whole(file, |to| to.write_all(page.as_bytes()))
                .with_context(|| format!("{}: cannot write the page", file.display()))?;
        }
    }
    if is_json {
        report_file::write(&report, Some(Path::new("-")), None)?;
    } else if !page_on_stdout {
        let mut text = Vec::new();
        text::write(&mut text, &report, terminal_columns(), common.verbose)?;
        if let Some(file) = &args.html {
            writeln!(text, "\nThe page is {}.", file.display())?;
        }
        anstream::stdout().lock().write_all(&text)?;
    }
    Ok(match report.outcome {
        RunOutcome::Ok => Outcome::Clean,
        RunOutcome::Problems => Outcome::Problems,
    })
}

fn options(args: &StatsArgs, common: &CommonArgs) -> anyhow::Result<StatsOptions> {
    let now =
        args.now.map_or_else(|| Timestamp(jiff::Timestamp::now().as_millisecond()), Timestamp);
    let topic = TopicArgs { topic_config: args.topic_config.clone(), ..TopicArgs::default() };
    let policy = Policy {
        topic: topic_config::resolve(&topic)?,
        now,
        include_active: args.include_active,
        null_keys: NullKeys::Drop,
        drop_tombstones: false,
        empty_is_tombstone: false,
        message_format: MessageFormat::Magic2,
        on_damage: OnDamage::Fail,
        rewrites: Rewrites::default(),
        key_hash_bits: u64::BITS,
    };
    let temp_dir = common.temp_dir.clone();
    if let Some(dir) = temp_dir.as_deref().filter(|dir| !dir.is_dir()) {
        bail!("{}: --temp-dir names no folder", dir.display());
    }
    Ok(StatsOptions {
        keys: match args.keys {
            KeysArg::Exact => Counting::Exact,
            KeysArg::Estimate => Counting::Estimate,
            KeysArg::None => Counting::None,
        },
        top: usize::from(args.top),
        memory_limit_bytes: common.memory_bytes(),
        savings: (!args.no_savings).then_some(policy),
        now,
        disk: Disk::default(),
        temp_dir,
    })
}

/// What is damaged or could not be read, and what else is worth knowing.
fn say_what_is_wrong(report: &StatsReport, common: &CommonArgs) {
    for partition in &report.partitions {
        if !common.quiet {
            say_of(partition, common);
        }
        if partition.outcome == PartitionOutcome::Failed {
            let reason = partition.reason.as_deref().unwrap_or("unknown");
            messages::error(&format!("{}: not read: {reason}", partition.source.display()));
        }
    }
    if !common.quiet {
        report.warnings.iter().for_each(|warning| messages::warning(warning));
    }
}

fn say_of(partition: &PartitionStats, common: &CommonArgs) {
    let source = partition.source.display();
    for warning in &partition.warnings {
        messages::warning(&format!("{source}: {warning}"));
    }
    let most = if common.verbose > 0 { usize::MAX } else { MOST_TOLD };
    for damaged in partition.damage.iter().take(most) {
        messages::warning(&format!(
            "{source}/{}: position {}: {}; {} are not in the numbers",
            damaged.segment,
            damaged.position,
            damaged.reason,
            counted(damaged.size, "byte"),
        ));
    }
    let rest = partition.tally.damaged_ranges - partition.damage.len().min(most) as u64;
    if rest > 0 {
        messages::warning(&format!("{source}: and {} more", grouped(rest)));
    }
}
