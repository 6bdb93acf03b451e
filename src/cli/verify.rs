//! `logcompact verify`: runs the checks, shows findings, turns them into an outcome.

use std::io::{self, BufWriter, Write};

use anstyle::{AnsiColor, Style};
use anyhow::Context;
use bytesize::ByteSize;
use serde::Serialize;

use super::Outcome;
use super::args::{CommonArgs, PartitionerArg, VerifyArgs, VerifyFormat};
use super::terminal::{Bar, columns, plain, wrapped};
use crate::format::Partitioner;
use crate::report::{counted, grouped};
use crate::segment::{Sources, find_partitions};
use crate::verify::against::{self, Counts, Options, Relation, StateRule, Survivor};
use crate::verify::keys::{self, TopicKeys, WhichPartitioner};
use crate::verify::{self, Finding, Severity, Summary, Verified};

/// Topics whose keys are told of without `-v`; `--format json` has them all.
const MOST_TOPICS: usize = 40;

/// Runs the command.
pub fn run(args: VerifyArgs, common: &CommonArgs) -> anyhow::Result<Outcome> {
    let rule = state_rule(&args)?;
    let sources = find_partitions(&args.dirs)?;
    let against = args.against.iter().cloned().collect::<Vec<_>>();
    let against = (!against.is_empty()).then(|| find_partitions(&against)).transpose()?;
    let mut verified = verify::run_within(&sources, common.memory_bytes(), &Bar::new(common))?;
    let compared = against.map(|against| {
        let relation = Relation::Replicas;
        let options = Options {
            relation,
            rule,
            erased: None,
            outlived: &[],
            log_start: None,
            memory_bytes: common.memory_bytes(),
        };
        compare(&against, &sources, &options, &mut verified, common)
    });
    let keys = check_keys(&args, &sources, &mut verified, common);
    let (compared, keys) = (compared.as_ref(), keys.as_deref());
    let mut out = BufWriter::new(anstream::stdout().lock());
    match args.format {
        VerifyFormat::Text => write_text(&mut out, &verified, compared, keys, common)?,
        VerifyFormat::Json => write_json(&mut out, &verified, compared, keys)?,
    }
    out.flush()?;
    let summary = &verified.summary;
    let is_bad = summary.errors > 0 || (args.strict && summary.warnings > 0);
    Ok(if is_bad { Outcome::Problems } else { Outcome::Clean })
}

/// Which record of a key is to be compared.
fn state_rule(args: &VerifyArgs) -> anyhow::Result<StateRule> {
    let survivor = match args.strategy.as_deref() {
        None => Survivor::default(),
        Some(text) => Survivor::parse(text).with_context(|| {
            let known = "offset, timestamp, first, header:NAME";
            format!("--strategy: {text:?} is no strategy; expected one of {known}")
        })?,
    };
    Ok(StateRule { survivor, empty_is_tombstone: args.empty_is_tombstone })
}

/// Compares what was verified with `against`, and adds what differs to what was found.
fn compare(
    against: &Sources,
    sources: &Sources,
    options: &Options,
    verified: &mut Verified,
    common: &CommonArgs,
) -> Counts {
    let compared = against::run(against, sources, options, &Bar::new(common));
    compared.findings.iter().for_each(|finding| verified.summary.count(finding));
    verified.findings.extend(compared.findings);
    compared.counts
}

/// Checks where keys are, if that was asked for; adds to what was found.
fn check_keys(
    args: &VerifyArgs,
    sources: &Sources,
    verified: &mut Verified,
    common: &CommonArgs,
) -> Option<Vec<TopicKeys>> {
    if args.partitioner.is_none() && !args.check_key_spread {
        return None;
    }
    let partitioner = args.partitioner.map(|partitioner| match partitioner {
        PartitionerArg::Murmur2 => WhichPartitioner::Is(Partitioner::Murmur2),
        PartitionerArg::Crc32 => WhichPartitioner::Is(Partitioner::Crc32),
        PartitionerArg::Fnv1a => WhichPartitioner::Is(Partitioner::Fnv1a),
        PartitionerArg::Auto => WhichPartitioner::Auto,
    });
    let options = keys::Options {
        partitioner,
        partitions: args.partitions,
        spread: args.check_key_spread,
        memory_bytes: common.memory_bytes(),
    };
    let checked = keys::run(sources, &options, &Bar::new(common));
    checked.findings.iter().for_each(|finding| verified.summary.count(finding));
    verified.findings.extend(checked.findings);
    Some(checked.topics)
}

/// The last line of the JSON output.
#[derive(Serialize)]
struct SummaryLine<'a> {
    r#type: &'static str,
    #[serde(flatten)]
    summary: &'a Summary,
    #[serde(skip_serializing_if = "Option::is_none")]
    against: Option<&'a Counts>,
    #[serde(skip_serializing_if = "Option::is_none")]
    keys: Option<&'a [TopicKeys]>,
}

fn write_json(
    out: &mut impl Write,
    verified: &Verified,
    against: Option<&Counts>,
    keys: Option<&[TopicKeys]>,
) -> io::Result<()> {
    for finding in &verified.findings {
        serde_json::to_writer(&mut *out, finding)?;
        writeln!(out)?;
    }
    let summary = &verified.summary;
    let line = SummaryLine { r#type: "summary", summary, against, keys };
    serde_json::to_writer(&mut *out, &line)?;
    writeln!(out)
}

fn write_text(
    out: &mut impl Write,
    verified: &Verified,
    compared: Option<&Counts>,
    keys: Option<&[TopicKeys]>,
    common: &CommonArgs,
) -> io::Result<()> {
    let shown = |finding: &&Finding| {
        finding.severity > Severity::Info || (common.verbose > 0 && !common.quiet)
    };
    for finding in verified.findings.iter().filter(shown) {
        write_finding(out, finding)?;
    }
    if common.quiet {
        return Ok(());
    }
    let (read, width) = (&verified.summary, columns());
    let text = format!(
        "Read {}, {}, {}, {} ({}); checked {}, {}, {}, {}",
        counted(read.partitions, "partition"),
        counted(read.segments, "segment"),
        if read.batches == 1 { "1 batch".into() } else { grouped(read.batches) + " batches" },
        counted(read.records, "record"),
        ByteSize::b(read.log_bytes).display().iec(),
        entries(read.index_entries, "index"),
        entries(read.time_index_entries, "time index"),
        entries(read.txn_index_entries, "transaction index"),
        counted(read.snapshots, "producer snapshot"),
    );
    let stands = match read.key_index_entries {
        0 => String::new(),
        some => format!(", {}", entries(some, "key index")),
    };
    writeln!(out, "{}", wrapped(&(text + &stands + "."), width, 0))?;
    if let Some(compared) = compared {
        writeln!(out, "{}", wrapped(&compared_text(compared), width, 0))?;
    }
    let keys = keys.unwrap_or_default();
    let most = if common.verbose > 0 { usize::MAX } else { MOST_TOPICS };
    for topic in keys.iter().take(most) {
        writeln!(out, "{}", wrapped(&keys_text(topic), width, 2))?;
    }
    if keys.len() > most {
        writeln!(out, "... and {} more topics (-v lists all)", keys.len() - most)?;
    }
    let infos = match (read.infos, common.verbose) {
        (0, _) => String::new(),
        (infos, 0) => format!("; {} (-v shows them)", counted(infos, "note")),
        (infos, _) => format!("; {}", counted(infos, "note")),
    };
    match (read.errors, read.warnings) {
        (0, 0) => writeln!(out, "Nothing is wrong{infos}."),
        (errors, warnings) => {
            let (errors, warnings) = (counted(errors, "error"), counted(warnings, "warning"));
            writeln!(out, "{errors}, {warnings}{infos}.")
        }
    }
}

fn compared_text(compared: &Counts) -> String {
    let behind = match compared.partitions_behind {
        0 => String::new(),
        1 => " (1 has logs that do not end alike)".into(),
        some => format!(" ({} have logs that do not end alike)", grouped(some)),
    };
    format!(
        "Compared {}{behind}: {} on both sides, {} here only, {} there only; {}, {} of them \
         different.",
        counted(compared.partitions, "partition"),
        counted(compared.records_on_both, "record"),
        grouped(compared.records_only_here),
        grouped(compared.records_only_there),
        counted(compared.keys, "key"),
        grouped(compared.keys_different),
    )
}

fn keys_text(topic: &TopicKeys) -> String {
    let mut text = format!(
        "Keys of {} ({}): {} with a key, {} without",
        topic.topic,
        counted(topic.partitions.into(), "partition"),
        counted(topic.keyed_records, "record"),
        grouped(topic.keyless_records),
    );
    if let Some(partitioner) = topic.partitioner {
        let (here, elsewhere) = (topic.records_in_place, topic.records_misplaced);
        let (here, elsewhere) = (grouped(here), grouped(elsewhere));
        text += &format!("; by {partitioner}, {here} in their place, {elsewhere} not");
    }
    if let (Some(keys), Some(several)) = (topic.keys, topic.keys_in_several_partitions) {
        let keys = counted(keys, "key");
        text += &format!("; {keys}, {} in more than one partition", grouped(several));
    }
    text + "."
}

fn entries(number: u64, index: &str) -> String {
    let plural = if number == 1 { "entry" } else { "entries" };
    format!("{} {index} {plural}", grouped(number))
}

fn write_finding(out: &mut impl Write, finding: &Finding) -> io::Result<()> {
    let (name, style): (&str, Style) = match finding.severity {
        Severity::Error => ("error", AnsiColor::Red.on_default().bold()),
        Severity::Warning => ("warning", AnsiColor::Yellow.on_default().bold()),
        Severity::Info => ("info", Style::new()),
    };
    let path = finding.path.to_string_lossy();
    write!(out, "{style}{name}{style:#} {}: {}", finding.rule, plain(&path))?;
    if let Some(position) = finding.position {
        write!(out, " position {position}")?;
    }
    if let Some(offset) = finding.offset {
        write!(out, " offset {offset}")?;
    }
    writeln!(out, ": {}", plain(&finding.message))
}
