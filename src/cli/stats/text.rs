//! Statistics for people: a table of topics, one of partitions, and the details of a partition.

use std::io::{self, Write};

use anstyle::{AnsiColor, Style};

use crate::cli::terminal::{Column, Table, plain};
use crate::report::{counted, grouped, size};
use crate::stats::{
    CodecTally, Dirty, Histogram, KeyStats, Method, OpenTxn, PartitionOutcome, PartitionStats,
    Savings, StatsReport, Tally, TimeSpan, TopKey, rfc3339,
};
use crate::units::Timestamp;

const TITLE: Style = Style::new().bold();
const BAD: Style = AnsiColor::Red.on_default().bold();

/// Rows of a table, and open transactions, that are listed without `-v`.
const MOST_LISTED: usize = 40;

/// Writes what a terminal of `columns` characters shows; a file has no such limit.
pub fn write(
    to: &mut Vec<u8>,
    report: &StatsReport,
    columns: Option<usize>,
    verbose: u8,
) -> io::Result<()> {
    if let [only] = report.partitions.as_slice() {
        return details(to, only, columns, verbose);
    }
    let most = if verbose > 0 { usize::MAX } else { MOST_LISTED };
    topics(to, report, columns, most)?;
    totals(to, report, verbose)?;
    if verbose > 0 || report.topics.len() == 1 {
        writeln!(to)?;
        partitions(to, report, columns, most)?;
    }
    if verbose > 0 {
        for partition in &report.partitions {
            writeln!(to)?;
            details(to, partition, columns, verbose)?;
        }
    }
    Ok(())
}

fn topics(
    to: &mut Vec<u8>,
    report: &StatsReport,
    columns: Option<usize>,
    most: usize,
) -> io::Result<()> {
    let mut table = Table::new(&[
        Column::text("TOPIC", 0),
        Column::number("PARTITIONS", 4),
        Column::number("SEGMENTS", 6),
        Column::number("RECORDS", 0),
        Column::number("BYTES", 0),
        Column::number("KEYS", 2),
        Column::text("CODEC", 7),
        Column::number("DIRTY", 5),
        Column::number("SAVES", 1),
        Column::text("FROM", 9),
        Column::text("TO", 8),
    ]);
    for topic in report.topics.iter().take(most) {
        let (from, to) = span(topic.tally.time_span);
        table.row(vec![
            topic.topic.clone(),
            grouped(topic.partitions),
            grouped(topic.tally.segments),
            grouped(topic.tally.records),
            size(topic.tally.bytes),
            keys(&topic.keys),
            codecs(&topic.tally),
            dirty(&topic.dirty),
            saves(topic.savings.as_ref()),
            from,
            to,
        ]);
    }
    table.write(to, columns)?;
    more(to, report.topics.len(), most)
}

fn more(to: &mut Vec<u8>, rows: usize, most: usize) -> io::Result<()> {
    if rows > most {
        writeln!(to, "... and {} more (-v lists all)", rows - most)?;
    }
    Ok(())
}

fn totals(to: &mut Vec<u8>, report: &StatsReport, verbose: u8) -> io::Result<()> {
    let totals = &report.totals;
    let keys = match totals.keys.distinct {
        Some(distinct) => format!(", {}", key_count(&totals.keys, distinct)),
        None => String::new(),
    };
    writeln!(
        to,
        "\n{} in {}: {}, {}{keys}.",
        counted(totals.partitions, "partition"),
        counted(totals.topics, "topic"),
        counted(totals.tally.records, "record"),
        size(totals.tally.bytes),
    )?;
    if let Some(savings) = &totals.savings {
        writeln!(to, "{}", would_save(savings, report.include_active))?;
    }
    let open = totals.tally.transactions.open;
    if open > 0 {
        writeln!(
            to,
            "Without a marker: {}, for which read_committed consumers wait{}.",
            counted(open, "transaction"),
            if verbose > 0 { "" } else { " (-v shows more)" }
        )?;
    }
    let bad = |p: &&PartitionStats| p.outcome == PartitionOutcome::Damaged;
    let damaged = report.partitions.iter().filter(bad).count() as u64;
    if damaged > 0 {
        let bytes = counted(totals.tally.damaged_bytes, "byte");
        let partitions = counted(damaged, "partition");
        writeln!(to, "{BAD}Damaged{BAD:#}: {bytes} in {partitions}, not in the numbers.")?;
    }
    if totals.partitions_failed > 0 {
        let partitions = counted(totals.partitions_failed, "partition");
        writeln!(to, "{BAD}Not read{BAD:#}: {partitions}, or not to the end.")?;
    }
    Ok(())
}

fn would_save(savings: &Savings, include_active: bool) -> String {
    let active = if include_active { "" } else { ", active segments left alone" };
    match savings.bytes {
        0 if savings.records == 0 => format!("Compaction would save nothing{active}."),
        _ => format!(
            "Compaction would save {}, {} ({:.1} %){active}.",
            counted(savings.records, "record"),
            signed_size(savings.bytes),
            savings.percent,
        ),
    }
}

fn signed_size(bytes: i64) -> String {
    let sign = if bytes < 0 { "-" } else { "" };
    format!("{sign}{}", size(bytes.unsigned_abs()))
}

fn partitions(
    to: &mut Vec<u8>,
    report: &StatsReport,
    columns: Option<usize>,
    most: usize,
) -> io::Result<()> {
    let mut table = Table::new(&[
        Column::text("PARTITION", 0),
        Column::number("START", 0),
        Column::number("STABLE", 4),
        Column::number("END", 0),
        Column::number("SEGMENTS", 5),
        Column::number("RECORDS", 2),
        Column::number("BYTES", 0),
        Column::number("KEYS", 3),
        Column::text("CODEC", 7),
        Column::number("DIRTY", 6),
        Column::number("SAVES", 1),
        Column::text("FROM", 9),
        Column::text("TO", 8),
        Column::text("", 0),
    ]);
    for partition in report.partitions.iter().take(most) {
        let (from, to) = span(partition.tally.time_span);
        table.row(vec![
            name(partition),
            partition.log_start_offset.to_string(),
            partition.last_stable_offset.to_string(),
            partition.log_end_offset.to_string(),
            grouped(partition.tally.segments),
            grouped(partition.tally.records),
            size(partition.tally.bytes),
            keys(&partition.keys),
            codecs(&partition.tally),
            dirty(&partition.dirty),
            saves(partition.savings.as_ref()),
            from,
            to,
            outcome(partition.outcome).to_owned(),
        ]);
    }
    table.write(to, columns)?;
    more(to, report.partitions.len(), most)
}

fn outcome(outcome: PartitionOutcome) -> &'static str {
    match outcome {
        PartitionOutcome::Ok => "-",
        PartitionOutcome::Damaged => "DAMAGED",
        PartitionOutcome::Failed => "NOT READ",
    }
}

/// What a partition is called, as it may stand on a terminal.
fn name(partition: &PartitionStats) -> String {
    plain(&partition.name()).into_owned()
}

fn span(span: TimeSpan) -> (String, String) {
    let shown = |at: i64| moment(Timestamp(at)).chars().take(16).collect();
    match span.0 {
        Some((from, to)) => (shown(from), shown(to)),
        None => ("-".into(), "-".into()),
    }
}

fn moment(at: Timestamp) -> String {
    rfc3339(at).unwrap_or_else(|| format!("{at} ms"))
}

fn keys(keys: &KeyStats) -> String {
    let mark = if keys.method == Method::Exact { "" } else { "~" };
    keys.distinct.map_or("-".into(), |distinct| format!("{mark}{}", grouped(distinct)))
}

/// The codec of most bytes, and whether there are others.
fn codecs(tally: &Tally) -> String {
    let most = tally.codecs.iter().max_by_key(|(_, codec)| codec.bytes);
    let others = if tally.codecs.len() > 1 { ", .." } else { "" };
    most.map_or("-".into(), |(name, _)| format!("{name}{others}"))
}

fn dirty(dirty: &Dirty) -> String {
    format!("{:.0} %", dirty.ratio * 100.0)
}

fn saves(savings: Option<&Savings>) -> String {
    savings.map_or("-".into(), |savings| format!("{:.1} %", savings.percent))
}

fn key_count(keys: &KeyStats, distinct: u64) -> String {
    match (keys.method, keys.distinct_at_least, keys.distinct_at_most) {
        (Method::Exact, ..) => counted(distinct, "key"),
        (_, Some(least), Some(most)) => format!(
            "about {} ({} to {}, estimated)",
            counted(distinct, "key"),
            grouped(least),
            grouped(most)
        ),
        _ => format!("about {}", counted(distinct, "key")),
    }
}

fn details(
    to: &mut Vec<u8>,
    partition: &PartitionStats,
    columns: Option<usize>,
    verbose: u8,
) -> io::Result<()> {
    let tally = &partition.tally;
    write!(to, "{TITLE}{}{TITLE:#}", name(partition))?;
    if partition.outcome != PartitionOutcome::Ok {
        write!(to, "  {BAD}{}{BAD:#}", outcome(partition.outcome))?;
    }
    writeln!(to)?;
    let mut line = |head: &str, text: String| writeln!(to, "  {head:<13} {text}");
    if let Some(reason) = &partition.reason {
        line("Not read", reason.clone())?;
    }
    if let Some(id) = &partition.topic_id {
        line("Topic id", id.clone())?;
    }
    line("Offsets", offsets(partition))?;
    let active = partition.segment_list.last().map_or(0, |segment| segment.bytes);
    line(
        "Log",
        format!(
            "{}, {}; {} of them in the active segment",
            counted(tally.segments, "segment"),
            size(tally.bytes),
            size(active)
        ),
    )?;
    if let Some((from, to)) = tally.time_span.0 {
        line("Time", format!("{} to {}", moment(Timestamp(from)), moment(Timestamp(to))))?;
    }
    line("Records", records(tally))?;
    line("Batches", batches(tally))?;
    for (number, (codec, packed)) in tally.codecs.iter().enumerate() {
        line(if number == 0 { "Codecs" } else { "" }, codec_line(codec, packed))?;
    }
    if let Some(distinct) = partition.keys.distinct {
        let how = if partition.keys.method == Method::Exact { ", counted exactly" } else { "" };
        line("Keys", format!("{}{how}", key_count(&partition.keys, distinct)))?;
    }
    line("To be cleaned", to_be_cleaned(&partition.dirty))?;
    if let Some(savings) = &partition.savings {
        line("Compaction", compaction(savings))?;
    }
    if let Some(text) = transactions(tally) {
        line("Transactions", text)?;
    }
    let most = if verbose > 0 { usize::MAX } else { MOST_LISTED };
    for open in partition.open_transactions.iter().take(most) {
        line("  open", open_transaction(open))?;
    }
    if tally.transactions.open > partition.open_transactions.len().min(most) as u64 {
        line("", "and more".into())?;
    }
    if tally.damaged_ranges > 0 {
        let ranges = counted(tally.damaged_ranges, "damaged range");
        line("Damage", format!("{ranges}, {} bytes", grouped(tally.damaged_bytes)))?;
    }
    if tally.unfinished_bytes > 0 {
        let text = "at the end are no whole batch (yet)";
        line("Unfinished", format!("{} {text}", counted(tally.unfinished_bytes, "byte")))?;
    }
    histogram(to, "BATCH SIZE", &tally.batch_bytes, size)?;
    if verbose > 0 {
        histogram(to, "RECORDS A BATCH", &tally.batch_records, grouped)?;
        segments(to, partition, columns)?;
    }
    top_keys(to, &partition.keys, columns)
}

fn offsets(partition: &PartitionStats) -> String {
    let PartitionStats { log_start_offset, log_end_offset, last_stable_offset, .. } = partition;
    let mut text = format!("{log_start_offset} to {log_end_offset}");
    if last_stable_offset != log_end_offset {
        text += &format!(", stable up to {last_stable_offset}");
    }
    text += &format!("; cleaned up to {}", partition.first_dirty_offset);
    if let Some(epoch) = partition.leader_epoch {
        text += &format!("; leader epoch {epoch}");
    }
    text
}

fn records(tally: &Tally) -> String {
    let mut text = grouped(tally.records);
    let parts = [
        (tally.control_records, "marker"),
        (tally.tombstones, "tombstone"),
        (tally.null_keys, "without a key"),
        (tally.empty_keys, "with an empty key"),
    ];
    for (count, what) in parts.into_iter().filter(|(count, _)| *count > 0) {
        let is_phrase = what.contains(' ');
        let part =
            if is_phrase { format!("{} {what}", grouped(count)) } else { counted(count, what) };
        text += &format!(", {part}");
    }
    let data = tally.data_records().max(1);
    text += &format!(
        "; keys {} and values {} on average",
        size(tally.key_bytes / data),
        size(tally.value_bytes / data)
    );
    text
}

fn batches(tally: &Tally) -> String {
    let mut text = grouped(tally.batches);
    if let (Some(bytes), Some(records)) = (tally.batch_bytes.mean(), tally.batch_records.mean()) {
        text += &format!(" of {} and {records:.1} records on average", size(bytes as u64));
    }
    if tally.emptied_batches > 0 {
        text += &format!(", {} emptied by a cleaning", grouped(tally.emptied_batches));
    }
    let magics: Vec<String> = tally.magics.keys().map(u8::to_string).collect();
    if !magics.is_empty() {
        text += &format!("; magic {}", magics.join(", "));
    }
    text
}

fn codec_line(name: &str, packed: &CodecTally) -> String {
    let batches = if packed.batches == 1 { "batch" } else { "batches" };
    let mut text = format!("{name}: {} {batches}, {}", grouped(packed.batches), size(packed.bytes));
    if let Some(ratio) = packed.ratio().filter(|_| name != "none") {
        text += &format!(" for {} ({ratio:.1} : 1)", size(packed.plain_bytes));
    }
    text
}

fn to_be_cleaned(dirty: &Dirty) -> String {
    format!(
        "{:.1} % dirty: {} clean, {} dirty, {} not yet cleanable",
        dirty.ratio * 100.0,
        size(dirty.clean_bytes),
        size(dirty.dirty_bytes),
        size(dirty.uncleanable_bytes)
    )
}

fn compaction(savings: &Savings) -> String {
    if let Some(reason) = &savings.reason {
        return format!("would leave it as it is: {reason}");
    }
    format!(
        "would save {} and {} ({:.1} %), {} are left",
        counted(savings.records, "record"),
        signed_size(savings.bytes),
        savings.percent,
        size(savings.bytes_after)
    )
}

fn transactions(tally: &Tally) -> Option<String> {
    let txns = &tally.transactions;
    let counts = [
        (txns.committed, "committed"),
        (txns.aborted, "aborted"),
        (txns.open, "open"),
        (txns.empty, "markers without data"),
    ];
    let shown: Vec<String> = counts
        .iter()
        .filter(|(count, _)| *count > 0)
        .map(|(count, what)| format!("{} {what}", grouped(*count)))
        .collect();
    (!shown.is_empty()).then(|| shown.join(", "))
}

fn open_transaction(open: &OpenTxn) -> String {
    let since = open.since.as_ref().map(|since| format!(" since {since}")).unwrap_or_default();
    format!("producer {} from offset {}{since}", open.producer_id, open.first_offset)
}

/// A bar for each power of two.
fn histogram(
    to: &mut Vec<u8>,
    head: &'static str,
    histogram: &Histogram,
    shown: impl Fn(u64) -> String,
) -> io::Result<()> {
    const LONGEST: u64 = 40;
    let buckets = histogram.buckets();
    let most = buckets.iter().map(|bucket| bucket.count).max().unwrap_or(0);
    if buckets.len() < 2 {
        return Ok(()); // the mean says it all
    }
    writeln!(to)?;
    let mut table =
        Table::new(&[Column::number(head, 0), Column::number("BATCHES", 0), Column::text("", 1)]);
    for bucket in buckets {
        let bar = (u128::from(bucket.count) * u128::from(LONGEST)).div_ceil(u128::from(most));
        let from = shown(bucket.from);
        table.row(vec![from, grouped(bucket.count), "#".repeat(bar as usize)]);
    }
    table.write(to, None)
}

fn segments(
    to: &mut Vec<u8>,
    partition: &PartitionStats,
    columns: Option<usize>,
) -> io::Result<()> {
    writeln!(to)?;
    let mut table = Table::new(&[
        Column::number("SEGMENT", 0),
        Column::number("BYTES", 0),
        Column::number("BATCHES", 1),
        Column::number("RECORDS", 0),
        Column::text("FROM", 3),
        Column::text("TO", 2),
        Column::text("", 0),
    ]);
    for segment in &partition.segment_list {
        let (from, to) = match segment.time_span.0 {
            Some((from, to)) => (moment(Timestamp(from)), moment(Timestamp(to))),
            None => ("-".into(), "-".into()),
        };
        table.row(vec![
            segment.base_offset.to_string(),
            size(segment.bytes),
            grouped(segment.batches),
            grouped(segment.records),
            from,
            to,
            if segment.active { "active" } else { "-" }.to_owned(),
        ]);
    }
    table.write(to, columns)
}

fn top_keys(to: &mut Vec<u8>, keys: &KeyStats, columns: Option<usize>) -> io::Result<()> {
    let is_exact = keys.method == Method::Exact;
    let kinds = [
        ("RECORDS", "MOST RECORDS", &keys.top_by_records),
        ("BYTES", "MOST BYTES", &keys.top_by_bytes),
    ];
    for (number, (weight, head, top)) in kinds.into_iter().enumerate() {
        if top.is_empty() {
            continue;
        }
        writeln!(to)?;
        let most = if is_exact { "" } else { "AT MOST" };
        let mut table = Table::new(&[
            Column::text(head, 0),
            Column::number(if is_exact { weight } else { "AT LEAST" }, 0),
            Column::number(most, 1),
            Column::number(if number == 0 { "BYTES" } else { "RECORDS" }, 2),
        ]);
        let amount = |amount: Option<u64>, is_bytes: bool| match amount {
            None => "-".to_owned(),
            Some(amount) if is_bytes => size(amount),
            Some(amount) => grouped(amount),
        };
        for key in top {
            let in_records = (key.records, key.records_at_most);
            let in_bytes = (key.bytes, key.bytes_at_most);
            let (weight, other) =
                if number == 0 { (in_records, in_bytes.0) } else { (in_bytes, in_records.0) };
            let at_most = if is_exact { None } else { weight.1 };
            table.row(vec![
                key_name(key),
                amount(weight.0, number == 1),
                amount(at_most, number == 1),
                amount(other, number == 0),
            ]);
        }
        table.write(to, columns)?;
    }
    Ok(())
}

/// A key in a table: its beginning, and how long it is if that is not all.
fn key_name(key: &TopKey) -> String {
    const MOST: usize = 48;
    let Some(text) = &key.key else { return "(could not be read again)".into() };
    if key.key_bytes == 0 {
        return "(empty)".into();
    }
    let shown = text.to_string();
    if key.key_bytes <= text.bytes().len() as u64 && shown.chars().count() <= MOST {
        return shown;
    }
    let start: String = shown.chars().take(MOST - 16).collect();
    format!("{start}.. ({} bytes)", grouped(key.key_bytes))
}
