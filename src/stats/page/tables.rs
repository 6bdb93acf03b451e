//! The tables behind the plots.

use super::axis::moment;
use super::html::Html;
use crate::report::{grouped, size};
use crate::stats::{KeyStats, Method, PartitionOutcome, Savings, StatsReport, Tally, TimeSpan};

/// A column: its head, and whether it holds numbers.
type Column = (&'static str, bool);

fn table(id: &'static str, columns: &[Column], rows: Vec<Vec<String>>) -> Html {
    let mut html = Html::default();
    html.raw("<div class=\"scroll\"><table id=\"").text(id).raw("\"><thead><tr>");
    for (head, is_number) in columns {
        html.raw(if *is_number { "<th class=\"n\">" } else { "<th>" }).text(head).raw("</th>");
    }
    html.raw("</tr></thead><tbody>");
    for row in rows {
        html.raw("<tr>");
        for (cell, (_, is_number)) in row.iter().zip(columns) {
            let is_bad = ["DAMAGED", "NOT READ"].contains(&cell.as_str()) && !is_number;
            html.raw(match (is_number, is_bad) {
                (true, _) => "<td class=\"n\">",
                (_, true) => "<td class=\"bad\">",
                _ => "<td>",
            });
            html.raw("<bdi>").text(cell).raw("</bdi></td>");
        }
        html.raw("</tr>");
    }
    html.raw("</tbody></table></div>");
    html
}

fn keys(keys: &KeyStats) -> String {
    let mark = if keys.method == Method::Exact { "" } else { "~" };
    keys.distinct.map_or("-".into(), |distinct| format!("{mark}{}", grouped(distinct)))
}

fn saved(savings: Option<&Savings>) -> String {
    savings.map_or("-".into(), |savings| format!("{:.1} %", savings.percent))
}

fn span(span: TimeSpan) -> [String; 2] {
    let shown = |at: i64| moment(at, "%Y-%m-%d %H:%M");
    span.0.map_or(["-".into(), "-".into()], |(from, to)| [shown(from), shown(to)])
}

fn codecs(tally: &Tally) -> String {
    let names: Vec<&str> = tally.codecs.keys().copied().collect();
    names.join(", ")
}

/// All topics.
pub fn topics(report: &StatsReport) -> Html {
    const COLUMNS: [Column; 14] = [
        ("Topic", false),
        ("Partitions", true),
        ("Segments", true),
        ("Records", true),
        ("Bytes", true),
        ("Keys", true),
        ("Tombstones", true),
        ("No key", true),
        ("Codecs", false),
        ("Dirty", true),
        ("Saves", true),
        ("From (UTC)", false),
        ("To", false),
        ("Topic id", false),
    ];
    let rows = report.topics.iter().map(|topic| {
        let [from, to] = span(topic.tally.time_span);
        vec![
            topic.topic.clone(),
            grouped(topic.partitions),
            grouped(topic.tally.segments),
            grouped(topic.tally.records),
            size(topic.tally.bytes),
            keys(&topic.keys),
            grouped(topic.tally.tombstones),
            grouped(topic.tally.null_keys),
            codecs(&topic.tally),
            format!("{:.0} %", topic.dirty.ratio * 100.0),
            saved(topic.savings.as_ref()),
            from,
            to,
            topic.topic_id.clone().unwrap_or("-".into()),
        ]
    });
    table("table-topics", &COLUMNS, rows.collect())
}

/// All partitions.
pub fn partitions(report: &StatsReport) -> Html {
    const COLUMNS: [Column; 16] = [
        ("Partition", false),
        ("State", false),
        ("Start", true),
        ("Stable", true),
        ("End", true),
        ("Segments", true),
        ("Batches", true),
        ("Records", true),
        ("Bytes", true),
        ("Keys", true),
        ("Tombstones", true),
        ("Dirty", true),
        ("Saves", true),
        ("Open txns", true),
        ("From (UTC)", false),
        ("To", false),
    ];
    let rows = report.partitions.iter().map(|partition| {
        let [from, to] = span(partition.tally.time_span);
        let state = match partition.outcome {
            PartitionOutcome::Ok => "ok",
            PartitionOutcome::Damaged => "DAMAGED",
            PartitionOutcome::Failed => "NOT READ",
        };
        vec![
            partition.name(),
            state.into(),
            partition.log_start_offset.to_string(),
            partition.last_stable_offset.to_string(),
            partition.log_end_offset.to_string(),
            grouped(partition.tally.segments),
            grouped(partition.tally.batches),
            grouped(partition.tally.records),
            size(partition.tally.bytes),
            keys(&partition.keys),
            grouped(partition.tally.tombstones),
            format!("{:.0} %", partition.dirty.ratio * 100.0),
            saved(partition.savings.as_ref()),
            grouped(partition.tally.transactions.open),
            from,
            to,
        ]
    });
    table("table-partitions", &COLUMNS, rows.collect())
}

/// What packs the bytes.
pub fn codec_table(tally: &Tally) -> Html {
    const COLUMNS: [Column; 6] = [
        ("Codec", false),
        ("Batches", true),
        ("Records", true),
        ("Bytes", true),
        ("Unpacked", true),
        ("Ratio", true),
    ];
    let rows = tally.codecs.iter().map(|(name, packed)| {
        let ratio = packed.ratio().map_or("-".into(), |ratio| format!("{ratio:.2} : 1"));
        vec![
            (*name).to_owned(),
            grouped(packed.batches),
            grouped(packed.records),
            size(packed.bytes),
            size(packed.plain_bytes),
            ratio,
        ]
    });
    table("table-codecs", &COLUMNS, rows.collect())
}

/// The transactions that have no marker; `None` if there are none.
pub fn open_transactions(report: &StatsReport) -> Option<Html> {
    const COLUMNS: [Column; 5] = [
        ("Partition", false),
        ("Producer", true),
        ("From offset", true),
        ("Since (UTC)", false),
        ("Holds up", false),
    ];
    let rows = report.partitions.iter().flat_map(|partition| {
        partition.open_transactions.iter().enumerate().map(move |(number, open)| {
            vec![
                partition.name(),
                open.producer_id.to_string(),
                open.first_offset.to_string(),
                open.since.clone().unwrap_or("-".into()),
                if number == 0 { "read_committed consumers, and the cleaner" } else { "" }.into(),
            ]
        })
    });
    let rows: Vec<_> = rows.take(1000).collect();
    (!rows.is_empty()).then(|| table("table-open", &COLUMNS, rows))
}

/// What is damaged; `None` if nothing is.
pub fn damage(report: &StatsReport) -> Option<Html> {
    const COLUMNS: [Column; 5] = [
        ("Partition", false),
        ("File", false),
        ("Position", true),
        ("Bytes", true),
        ("What is wrong", false),
    ];
    let ranges = report.partitions.iter().flat_map(|partition| {
        partition.damage.iter().map(move |damaged| {
            vec![
                partition.name(),
                damaged.segment.clone(),
                damaged.position.to_string(),
                grouped(damaged.size),
                damaged.reason.clone(),
            ]
        })
    });
    let unread = report.partitions.iter().filter_map(|partition| {
        let reason = partition.reason.clone()?;
        Some(vec![partition.name(), "-".into(), "-".into(), "-".into(), reason])
    });
    let rows: Vec<_> = unread.chain(ranges).take(1000).collect();
    (!rows.is_empty()).then(|| table("table-damage", &COLUMNS, rows))
}
