//! What a compaction did, for people: a line a partition, then what was removed and why.

use std::io::{self, Write};
use std::path::Path;

use bytesize::ByteSize;

use crate::compact::{NothingToClean, Output};
use crate::report::{Counters, PartitionOutcome, PartitionReport, Removed, RunReport};

/// Partitions listed without `-v`; the report has them all.
const MOST_LISTED: usize = 40;

/// Prints the summary to standard output, or to standard error if that is taken by the report.
pub fn print(
    report: &RunReport,
    output: &Output,
    report_file: Option<&Path>,
    on_stdout: bool,
    verbose: u8,
) -> io::Result<()> {
    let mut text = Vec::new();
    write(&mut text, report, output, report_file, verbose)?;
    if on_stdout {
        anstream::stdout().lock().write_all(&text)
    } else {
        anstream::stderr().lock().write_all(&text)
    }
}

fn write(
    to: &mut Vec<u8>,
    report: &RunReport,
    output: &Output,
    report_file: Option<&Path>,
    verbose: u8,
) -> io::Result<()> {
    let most = if verbose > 0 { usize::MAX } else { MOST_LISTED };
    let rows: Vec<[String; 6]> = report.partitions.iter().take(most).map(row).collect();
    let head = ["PARTITION", "RECORDS", "KEPT", "BYTES", "AFTER", "OUTCOME"].map(String::from);
    let width = |column: usize| {
        rows.iter().chain([&head]).map(|row| row[column].chars().count()).max().unwrap_or(0)
    };
    let widths: [usize; 6] = std::array::from_fn(width);
    for [name, records, kept, before, after, outcome] in [&head].into_iter().chain(&rows) {
        let [w0, w1, w2, w3, w4, _] = widths;
        writeln!(
            to,
            "{name:<w0$}  {records:>w1$}  {kept:>w2$}  {before:>w3$}  {after:>w4$}  {outcome}"
        )?;
    }
    if report.partitions.len() > most {
        writeln!(to, "... and {} more (-v lists all)", report.partitions.len() - most)?;
    }
    let failed = |p: &PartitionReport| p.outcome == PartitionOutcome::Failed;
    if !report.partitions.iter().all(failed) {
        write_totals(to, &report.totals)?;
    }
    let only_active = Some(NothingToClean::OnlyActive.to_string());
    let unchanged = report.partitions.iter().filter(|p| p.reason == only_active).count();
    if unchanged > 0 && !report.include_active {
        writeln!(
            to,
            "Unchanged: {}. Like Kafka, logcompact leaves the active segment alone; \
             --include-active cleans it too.",
            counted(unchanged as u64, "partition")
        )?;
    }
    let written = report.partitions.iter().any(|partition| partition.destination.is_some());
    let outcome = match output {
        _ if report.dry_run => "A dry run: nothing was written".to_owned(),
        _ if !written => "Nothing was written".to_owned(),
        Output::Folder(out) => format!("Written to {}", out.display()),
        Output::InPlace { .. } => "Rewritten in place".to_owned(),
    };
    match report_file {
        Some(file) => writeln!(to, "{outcome}; the report is {}.", file.display()),
        None => writeln!(to, "{outcome}."),
    }
}

fn write_totals(to: &mut Vec<u8>, totals: &Counters) -> io::Result<()> {
    writeln!(to)?;
    writeln!(
        to,
        "{} of {} kept, {} of {} ({}), {}.",
        grouped(totals.records_kept),
        counted(totals.records_read, "record"),
        size(totals.bytes_after),
        size(totals.bytes_before),
        percent(totals.bytes_after, totals.bytes_before),
        counted(totals.distinct_keys, "key"),
    )?;
    write_removed(to, &totals.removed)?;
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
    reason.as_ref().map_or_else(|| outcome.to_owned(), |reason| format!("{outcome}: {reason}"))
}

fn write_removed(to: &mut Vec<u8>, removed: &Removed) -> io::Result<()> {
    let reasons = [
        (removed.superseded, "superseded: a later record has the same key"),
        (removed.tombstones, "tombstones: their delete horizon has passed"),
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

/// A number and what it counts, in the singular where it is one: `1 key`, `2,000 keys`.
pub fn counted(number: u64, one: &str) -> String {
    let (digits, plural) = (grouped(number), if number == 1 { "" } else { "s" });
    format!("{digits} {one}{plural}")
}

/// A number with its thousands apart: `1,234,567`.
pub fn grouped(number: u64) -> String {
    let digits = number.to_string();
    let mut text = String::with_capacity(digits.len() + digits.len() / 3);
    for (index, digit) in digits.chars().enumerate() {
        if index > 0 && (digits.len() - index).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    text
}

fn size(bytes: u64) -> String {
    ByteSize::b(bytes).display().iec().to_string()
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
    fn thousands_are_set_apart() {
        let shown = [0, 999, 1000, 1234567].map(grouped);
        assert_eq!(shown, ["0", "999", "1,000", "1,234,567"]);
    }
}
