//! What a compaction did, for people: a line a partition, then what was removed and why.

use std::io::{self, Write};
use std::path::Path;

use crate::cli::terminal::{columns, messages, plain, shortened, wrapped};
use crate::compact::{CompactOptions, NothingToClean, Output};
use crate::report::{
    Counters, PartitionOutcome, PartitionReport, RoundReport, RunReport, counted, grouped, size,
};

/// Partitions listed without `-v`; the report has them all.
const MOST_LISTED: usize = 40;

/// Prints the summary to standard output, or to standard error if that is taken by the report.
pub fn print(
    report: &RunReport,
    options: &CompactOptions,
    report_file: Option<&Path>,
    on_stdout: bool,
    verbose: u8,
) -> io::Result<()> {
    let mut text = Vec::new();
    let width = columns().filter(|_| on_stdout);
    write(&mut text, report, options, report_file, verbose, width)?;
    if on_stdout {
        anstream::stdout().lock().write_all(&text)
    } else {
        messages::summary(&text);
        Ok(())
    }
}

fn write(
    to: &mut Vec<u8>,
    report: &RunReport,
    options: &CompactOptions,
    report_file: Option<&Path>,
    verbose: u8,
    width: Option<usize>,
) -> io::Result<()> {
    let most = if verbose > 0 { usize::MAX } else { MOST_LISTED };
    let mut rows: Vec<[String; 6]> = report.partitions.iter().take(most).map(row).collect();
    let left_out = width.map_or_else(Vec::new, |width| fit(&mut rows, width));
    write_table(to, &rows)?;
    if report.partitions.len() > most {
        writeln!(to, "... and {} more (-v lists all)", report.partitions.len() - most)?;
    }
    for (outcome, partitions) in left_out {
        let text = format!("{outcome} ({})", counted(partitions, "partition"));
        writeln!(to, "{}", wrapped(&text, width, 2))?;
    }
    let failed = |p: &PartitionReport| p.outcome == PartitionOutcome::Failed;
    let said_already = |p: &PartitionReport| failed(p) || is_idle(p);
    if !report.partitions.iter().all(said_already) {
        write_totals(to, report, options, width)?;
    }
    let only_active = Some(NothingToClean::OnlyActive.to_string());
    let is_unchanged =
        |p: &&PartitionReport| p.outcome == PartitionOutcome::Unchanged && p.reason == only_active;
    let unchanged = report.partitions.iter().filter(is_unchanged).count();
    if unchanged > 0 && !report.include_active {
        let text = format!(
            "Unchanged: {}. Like Kafka, logcompact leaves the active segment alone; \
             --include-active cleans it too.",
            counted(unchanged as u64, "partition")
        );
        writeln!(to, "{}", wrapped(&text, width, 0))?;
    }
    write_rounds(to, report, width)?;
    let outcome = match &options.output {
        _ if report.partitions.iter().all(is_idle) => match report.changed_beside {
            false => "Nothing was to do, and nothing was touched".into(),
            true => "Nothing was to do but beside the partitions: an earlier run did not come to \
                     it, or the source's checkpoints have changed"
                .into(),
        },
        _ if report.dry_run => "A dry run: nothing was written".to_owned(),
        _ if !report.partitions.iter().any(PartitionReport::is_written) => {
            "No partition was written".to_owned()
        }
        Output::Folder(out) | Output::SharedFolder { folder: out, .. } => {
            format!("Written to {}", plain(&out.to_string_lossy()))
        }
        Output::InPlace { .. } => in_place(&report.totals),
    };
    match report_file {
        Some(file) => {
            writeln!(to, "{outcome}; the report is {}.", plain(&file.to_string_lossy()))
        }
        None => writeln!(to, "{outcome}."),
    }
}

/// What became of the segments of the range, and of those that were replaced.
fn in_place(totals: &Counters) -> String {
    let Counters { segments_after, segments_untouched, bytes_left_deleted, .. } = *totals;
    let segments = match segments_untouched {
        0 => "Rewritten in place".to_owned(),
        _ if segments_untouched == segments_after => {
            format!("Cleaned in place: {} left untouched", counted(segments_after, "segment"))
        }
        _ => format!(
            "Rewritten in place; {} of {} left untouched, for they came out as they were",
            grouped(segments_untouched),
            counted(segments_after, "segment"),
        ),
    };
    match bytes_left_deleted {
        0 => segments,
        bytes => format!("{segments}; what was replaced is left as .deleted, {}", size(bytes)),
    }
}

fn is_idle(partition: &PartitionReport) -> bool {
    partition.round.as_ref().is_some_and(RoundReport::is_idle)
}

/// What the rounds that went on from others have read, and what they left as it was.
fn write_rounds(to: &mut Vec<u8>, report: &RunReport, width: Option<usize>) -> io::Result<()> {
    let rounds = report.partitions.iter().filter(|p| !is_idle(p)).filter_map(|p| p.round.as_ref());
    let rounds: Vec<&RoundReport> = rounds.filter(|round| round.is_upon_others()).collect();
    let sum = |number: fn(&RoundReport) -> u64| rounds.iter().map(|round| number(round)).sum();
    let (untouched, rewritten): (u64, u64) = (
        sum(|round| round.segments_untouched as u64),
        sum(|round| round.segments_rewritten as u64),
    );
    let which = match rounds.as_slice() {
        [] => return Ok(()),
        [round] => format!("Round {}, from offset {} on", round.number, round.start_offset),
        rounds => format!("Rounds of {}", counted(rounds.len() as u64, "partition")),
    };
    let text = format!(
        "{which}: {} of the source read, {} of the destination; {} of {} kept their files.",
        size(sum(|round| round.source_bytes_read)),
        size(sum(|round| round.destination_bytes_read)),
        grouped(untouched),
        counted(untouched + rewritten, "compacted segment"),
    );
    writeln!(to, "{}", wrapped(&text, width, 0))?;
    let waiting: u64 = sum(|round| round.superseded_waiting);
    if waiting > 0 {
        let text = format!(
            "Not worth a rewrite yet: {} in segments that were left as they are.",
            counted(waiting, "superseded record")
        );
        writeln!(to, "{}", wrapped(&text, width, 0))?;
    }
    Ok(())
}

/// What takes up room in the table's rows beside names and outcomes, at the least.
const LEAST_NAME: usize = 24;

/// Makes rows fit: a reason that is too long is given back, with how many rows had it, and what
/// then is too long is cut out of names.
fn fit(rows: &mut [[String; 6]], columns: usize) -> Vec<(String, u64)> {
    const GAPS: usize = 5 * 2;
    let taken = |rows: &[[String; 6]]| {
        let widths = widths(rows);
        (GAPS + widths[1..5].iter().sum::<usize>(), widths[0])
    };
    let (numbers, name) = taken(rows);
    let room = columns.saturating_sub(numbers + name.min(LEAST_NAME));
    let mut left_out: Vec<(String, u64)> = Vec::new();
    for row in rows.iter_mut().filter(|row| row[5].chars().count() > room) {
        let Some((word, _)) = row[5].split_once(':') else { continue };
        let word = word.to_owned();
        let outcome = std::mem::replace(&mut row[5], word);
        match left_out.iter_mut().find(|(known, _)| *known == outcome) {
            Some((_, count)) => *count += 1,
            None => left_out.push((outcome, 1)),
        }
    }
    let outcome = widths(rows)[5];
    let room = columns.saturating_sub(numbers + outcome).max(LEAST_NAME);
    for row in rows {
        row[0] = shortened(&row[0], room).into_owned();
    }
    left_out
}

const HEAD: [&str; 6] = ["PARTITION", "RECORDS", "KEPT", "BYTES", "AFTER", "OUTCOME"];

fn widths(rows: &[[String; 6]]) -> [usize; 6] {
    std::array::from_fn(|column| {
        let cells = rows.iter().map(|row| row[column].chars().count());
        cells.chain([HEAD[column].len()]).max().unwrap_or(0)
    })
}

fn write_table(to: &mut Vec<u8>, rows: &[[String; 6]]) -> io::Result<()> {
    let [w0, w1, w2, w3, w4, _] = widths(rows);
    let head = HEAD.map(String::from);
    for [name, records, kept, before, after, outcome] in [&head].into_iter().chain(rows) {
        writeln!(
            to,
            "{name:<w0$}  {records:>w1$}  {kept:>w2$}  {before:>w3$}  {after:>w4$}  {outcome}"
        )?;
    }
    Ok(())
}

fn write_totals(
    to: &mut Vec<u8>,
    report: &RunReport,
    options: &CompactOptions,
    width: Option<usize>,
) -> io::Result<()> {
    let totals = &report.totals;
    writeln!(to)?;
    let text = format!(
        "{} of {} kept, {} of {} ({}), {}.",
        grouped(totals.records_kept),
        counted(totals.records_read, "record"),
        size(totals.bytes_after),
        size(totals.bytes_before),
        percent(totals.bytes_after, totals.bytes_before),
        counted(totals.distinct_keys, "key"),
    );
    writeln!(to, "{}", wrapped(&text, width, 0))?;
    write_removed(to, report, options.policy.drop_tombstones)?;
    if totals.tombstones_kept > 0 {
        writeln!(
            to,
            "Kept for now: {}, until the delete horizon has passed.",
            counted(totals.tombstones_kept, "tombstone")
        )?;
    }
    Ok(())
}

fn row(partition: &PartitionReport) -> [String; 6] {
    let counters = &partition.counters;
    let outcome = match (partition.outcome, &partition.reason) {
        (PartitionOutcome::Compacted, _) => "compacted".to_owned(),
        (PartitionOutcome::Rewritten, reason) => with_reason("rewritten, not compacted", reason),
        (PartitionOutcome::Unchanged, reason) => with_reason("unchanged", reason),
        (PartitionOutcome::Skipped, reason) => with_reason("skipped", reason),
        // The reason has a line of its own, on standard error.
        (PartitionOutcome::Failed, _) => {
            let name = format!("{}-{}", partition.topic, partition.partition);
            return [name, "-".into(), "-".into(), "-".into(), "-".into(), "LEFT ALONE".into()];
        }
    };
    [
        format!("{}-{}", partition.topic, partition.partition),
        grouped(counters.records_read),
        grouped(counters.records_kept),
        size(counters.bytes_before),
        size(counters.bytes_after),
        outcome,
    ]
}

fn with_reason(outcome: &str, reason: &Option<String>) -> String {
    let with = |reason: &String| format!("{outcome}: {}", plain(reason));
    reason.as_ref().map_or_else(|| outcome.to_owned(), with)
}

fn write_removed(to: &mut Vec<u8>, report: &RunReport, drops_tombstones: bool) -> io::Result<()> {
    let (totals, removed) = (&report.totals, &report.totals.removed);
    let strategy = plain(&report.strategy);
    let superseded = match (strategy.as_ref(), totals.late_records) {
        ("offset", _) => "superseded: a later record has the same key".to_owned(),
        (_, 0) => format!("superseded: another record of the same key wins by {strategy}"),
        (_, late) => format!(
            "superseded: another record of the same key wins by {strategy}; {} of them came after \
             it",
            grouped(late)
        ),
    };
    let tombstones = match drops_tombstones {
        true => "tombstones: all of them were to go",
        false => "tombstones: their delete horizon has passed",
    };
    let reasons = [
        (removed.superseded, superseded.as_str()),
        (removed.tombstones, tombstones),
        (removed.aborted, "aborted: their transaction was aborted"),
        (removed.null_key, "without a key: they cannot be compacted"),
        (removed.control, "transaction markers: nothing of their transaction is left"),
        (removed.erased, "erased: their keys were to be erased"),
        (removed.damaged, "damaged: their batch failed its checks"),
        (removed.retention, "retention: their segment was too old, or beyond the size limit"),
    ];
    if removed.total() == 0 {
        return writeln!(to, "Removed: nothing.");
    }
    writeln!(to, "Removed:")?;
    let width = grouped(reasons.iter().map(|(count, _)| *count).max().unwrap_or(0)).len();
    for (count, reason) in reasons.into_iter().filter(|(count, _)| *count > 0) {
        writeln!(to, "  {:>width$}  {reason}", grouped(count))?;
    }
    Ok(())
}

fn percent(part: u64, whole: u64) -> String {
    if whole == 0 {
        return "100 %".to_owned();
    }
    format!("{:.1} %", part as f64 * 100.0 / whole as f64)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_table_fits_a_narrow_terminal_and_no_reason_is_lost() {
        let long = format!("{}-12", "t".repeat(246));
        let reason = "unchanged: 0 cleanable segments (active segment excluded)";
        let row = |name: &str, outcome: &str| {
            [name, "1,234,567", "1,000", "886.1 MiB", "10.0 MiB", outcome].map(String::from)
        };
        let rows = [row(&long, "compacted"), row("a-0", reason), row("a-1", reason)];
        for columns in [80, 100, 120, 200] {
            let mut rows = rows.clone();
            let left_out = fit(&mut rows, columns);
            let mut table = Vec::new();
            write_table(&mut table, &rows).unwrap();
            let table = String::from_utf8(table).unwrap();
            assert!(table.lines().all(|line| line.len() <= columns), "{columns}:\n{table}");
            let shown = table.matches(reason).count() as u64;
            assert_eq!(shown + left_out.iter().map(|(_, count)| count).sum::<u64>(), 2);
            assert!(table.contains("t-12 "), "{table}");
        }
        let mut wide = rows.clone();
        assert_eq!(fit(&mut wide, 1000), []);
        assert_eq!(wide, rows);
    }
}
