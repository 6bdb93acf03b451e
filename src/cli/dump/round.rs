//! `logcompact dump --round`: what the last round of compaction says of a destination.

use std::io::{self, BufWriter, Write};
use std::path::PathBuf;

use anyhow::bail;
use bytesize::ByteSize;

use crate::cli::Outcome;
use crate::cli::args::FormatArg;
use crate::cli::terminal::{Column, Table, columns, plain, wrapped};
use crate::disk::Disk;
use crate::error::Error;
use crate::report::{counted, grouped};
use crate::rounds::{RoundFile, RunRef, StateDir, entries_of};
use crate::segment::find_partitions;
use crate::units::Offset;

/// Runs it: the current round of each partition among `paths` that has a state.
pub fn run(paths: &[PathBuf], format: Option<FormatArg>) -> anyhow::Result<Outcome> {
    let is_json = match format {
        None | Some(FormatArg::Text) => false,
        Some(FormatArg::Json) => true,
        Some(_) => bail!("--round is shown as --format text or json"),
    };
    let mut out = BufWriter::new(anstream::stdout().lock());
    let mut shown = 0;
    for path in find_partitions(paths)?.partitions {
        let state = StateDir::within(&Disk::default(), &path);
        let Some(number) = state.current_number()? else { continue };
        let round = state.read(number)?;
        if is_json {
            let file = state.path().join(RoundFile::file_name(number));
            let failed = |source| Error::io(&file, "cannot read", source);
            out.write_all(&std::fs::read(&file).map_err(failed)?)?;
        } else {
            if shown > 0 {
                writeln!(out)?;
            }
            writeln!(out, "{}", plain(&path.to_string_lossy()))?;
            write_text(&mut out, &round)?;
        }
        shown += 1;
    }
    if shown == 0 {
        let names: Vec<_> = paths.iter().map(|path| path.display().to_string()).collect();
        let (names, folder) = (names.join(", "), StateDir::NAME);
        bail!("{names}: there is no state of rounds (<topic>-<n>/{folder}/CURRENT)");
    }
    out.flush()?;
    Ok(Outcome::Clean)
}

fn write_text(out: &mut impl Write, round: &RoundFile) -> io::Result<()> {
    let width = columns();
    for (name, text) in facts(round) {
        writeln!(out, "{}", wrapped(&format!("{name:<12}{}", plain(&text)), width, 12))?;
    }
    let mut table = Table::new(&[
        Column::text("segment", 0),
        Column::number("next offset", 1),
        Column::number("size", 2),
        Column::number("records", 3),
        Column::number("superseded", 4),
        Column::text("tombstones", 6),
        Column::number("of round", 5),
    ]);
    for segment in &round.segments {
        table.row(vec![
            segment.base_offset.to_string(),
            segment.next_offset.to_string(),
            size(segment.bytes),
            grouped(segment.records),
            if segment.dead == 0 { "-".into() } else { grouped(segment.dead) },
            if segment.has_tombstones { "may be".into() } else { "-".into() },
            segment.from_round.to_string(),
        ]);
    }
    for tail in &round.tail {
        let (base, none) = (tail.base_offset.to_string(), || "-".to_owned());
        table.row(vec![base, none(), size(tail.bytes), none(), none(), none(), "copied".into()]);
    }
    table.write(out, width)
}

/// What it says besides its segments, by name.
fn facts(round: &RoundFile) -> Vec<(&'static str, String)> {
    let (source, rules, settings) = (&round.source, &round.rules, &round.settings);
    let counters = &round.counters;
    let parent = round.parent_round.map(|parent| format!(", upon round {parent}"));
    let mut facts = vec![(
        "round",
        format!("{}, {}{}", round.round, round.kind.name(), parent.unwrap_or_default()),
    )];
    facts.push((
        "source",
        format!(
            "{}-{} in {}, from offset {} to below {}",
            source.topic,
            source.partition,
            source.path,
            source.log_start_offset,
            source.log_end_offset
        ),
    ));
    facts.push(("watermark", watermark(round)));
    if let Some(rebase) = &round.rebase {
        let up_to = rebase.high_watermark.map(|last| format!(" up to offset {last}"));
        facts.push(("rebased on", format!("{}{}", rebase.path, up_to.unwrap_or_default())));
    }
    let empty = if rules.empty_is_tombstone { ", empty values delete" } else { "" };
    facts.push(("rules", format!("{}, null keys: {}{empty}", rules.strategy, rules.null_keys)));
    let tombstones = match settings.drop_tombstones {
        true => "go at once".to_owned(),
        false => format!("stay for {} ms", grouped(settings.delete_retention_ms.unsigned_abs())),
    };
    let now_ms = settings.now_ms.0;
    let now = jiff::Timestamp::from_millisecond(now_ms).map(|now| now.to_string());
    let now = now.unwrap_or_else(|_| format!("{now_ms} ms"));
    facts.push(("settings", format!("tombstones {tombstones}, now {now}")));
    let (read, kept) = (grouped(counters.records_read), grouped(counters.records_kept));
    facts.push(("records", format!("{read} read, {kept} kept")));
    facts.push((
        "io",
        format!(
            "{} read of the source, {} of the destination, {} of the key index; {} written; {} \
             untouched, {} rewritten, {} new",
            size(round.io.source_bytes_read),
            size(round.io.destination_bytes_read),
            size(round.io.index_bytes_read),
            size(round.io.bytes_written),
            counted(round.io.segments_untouched, "segment"),
            round.io.segments_rewritten,
            round.io.segments_new
        ),
    ));
    facts.push(("key index", key_index(round)));
    if round.unindexed_below > Offset(0) {
        let below =
            format!("what lies below offset {}, where the log starts", round.unindexed_below);
        facts.push(("unindexed", below));
    }
    facts
}

fn watermark(round: &RoundFile) -> String {
    let asked = round.last_offset_requested.map(|last| format!(" (asked for: {last})"));
    let compacted = match round.high_watermark {
        Offset(-1) => "nothing is compacted yet".to_owned(),
        last => format!("offset {last} is the last that is compacted"),
    };
    compacted + &asked.unwrap_or_default()
}

fn key_index(round: &RoundFile) -> String {
    let bytes = |runs: &[RunRef]| runs.iter().fold(0u64, |sum, run| sum.saturating_add(run.bytes));
    let level = |runs: &[RunRef]| {
        let entries = entries_of(runs);
        let plural = if entries == 1 { "entry" } else { "entries" };
        let runs_text = counted(runs.len() as u64, "run");
        format!("{} {plural} in {runs_text} ({})", grouped(entries), size(bytes(runs)))
    };
    let layers = round.layers.iter().map(|layer| format!("; a layer of {}", level(layer)));
    level(&round.index) + &layers.collect::<String>()
}

fn size(bytes: u64) -> String {
    ByteSize::b(bytes).display().iec().to_string()
}
