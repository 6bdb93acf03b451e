//! The statistics as one page for a browser.
//!
//! The page loads nothing and runs nothing: its plots are drawn here, as SVG, and a policy in its
//! head forbids the rest. Names and keys get in as text only ([`html`] has no other way).

mod axis;
mod html;
mod plots;
mod style;
mod tables;
mod time_plot;

use self::axis::{Amount, Tick, moment};
use self::html::Html;
use self::plots::{Bar, Row, Standing, legend, lying};
use super::{
    Histogram, Method, PartitionOutcome, PartitionStats, Savings, StatsReport, TopKey, Totals,
};
use crate::report::{counted, grouped, size};

/// Partitions in the plot of savings: those that would save most.
const MOST_PARTITIONS: usize = 12;

/// Keys in a plot.
const MOST_KEYS: usize = 20;

/// A table longer than this is shown once it is asked for.
const MOST_OPEN_ROWS: usize = 30;

const HEAD: &str = "<!doctype html>\n<html lang=\"en\"><head><meta charset=\"utf-8\">\n\
    <meta http-equiv=\"Content-Security-Policy\" content=\"default-src 'none'; \
    style-src 'unsafe-inline'; img-src data:; base-uri 'none'; form-action 'none'\">\n\
    <meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">\n\
    <meta name=\"referrer\" content=\"no-referrer\">\n\
    <meta name=\"color-scheme\" content=\"light dark\">\n\
    <link rel=\"icon\" href=\"data:,\">\n";

/// The page.
pub fn render(report: &StatsReport) -> String {
    let mut html = Html::default();
    html.raw(HEAD).raw("<title>").text(title(report)).raw("</title>\n<style>");
    html.raw(style::STYLE).raw("</style></head>\n<body><main>");
    html.part(head(report)).part(tiles(&report.totals)).part(notes(report));
    html.raw("<div class=\"grid\">");
    html.part(card("Bytes over time", false, time_plot::draw(report)));
    html.part(stacked(
        card("What compaction would save", true, savings(report)),
        card("Codecs", true, codecs(report)),
    ));
    html.part(stacked(
        card("Size of batches", true, batch_sizes(&report.totals)),
        card("Records in a batch", true, records_in_batches(&report.totals)),
    ));
    html.part(top_keys(&report.totals, report.partitions.len() > 1));
    if let Some(open) = tables::open_transactions(report) {
        html.part(card("Transactions without a marker", false, open));
    }
    if let Some(damage) = tables::damage(report) {
        html.part(card("Damage", false, damage));
    }
    let rows = (report.topics.len(), report.partitions.len());
    html.part(folded("Topics", rows.0 <= MOST_OPEN_ROWS, tables::topics(report)));
    html.part(folded("Partitions", rows.1 <= MOST_OPEN_ROWS, tables::partitions(report)));
    html.raw("</div><footer>logcompact ").text(report.version);
    html.raw(" stats. The same numbers for programs: <code>logcompact stats --json</code>. ");
    html.raw("This page loads nothing and runs nothing.</footer></main></body></html>\n");
    html.finish()
}

fn title(report: &StatsReport) -> String {
    match (report.topics.as_slice(), report.partitions.as_slice()) {
        (_, [only]) => format!("{}: what is in it", only.name()),
        ([only], _) => format!("{}: what is in it", only.topic),
        _ => "Kafka logs: what is in them".into(),
    }
}

fn head(report: &StatsReport) -> Html {
    let mut html = Html::default();
    html.raw("<header><h1>").text(title(report)).raw("</h1><p class=\"sub\">");
    let mut folders: Vec<String> = report
        .partitions
        .iter()
        .map(|partition| match report.partitions.len() {
            1 => partition.source.display().to_string(),
            _ => partition.source.parent().unwrap_or(&partition.source).display().to_string(),
        })
        .collect();
    folders.dedup();
    let more = folders.len().saturating_sub(3);
    folders.truncate(3);
    html.text(folders.join(", "));
    if more > 0 {
        html.raw(" and ").text(counted(more as u64, "more folder"));
    }
    let started = i64::try_from(report.started_ms).unwrap_or(i64::MAX);
    html.raw(" &middot; read ").text(moment(started, "%Y-%m-%d %H:%M UTC"));
    html.raw("</p></header>");
    html
}

fn tiles(totals: &Totals) -> Html {
    let tally = &totals.tally;
    let mut html = Html::default();
    html.raw("<div class=\"tiles\">");
    let mut tile = |name: &'static str, number: String, more: String| {
        html.raw("<div class=\"tile\"><div class=\"name\">").text(name);
        html.raw("</div><div class=\"number\">").text(number);
        html.raw("</div><div class=\"more\">").text(more).raw("</div></div>");
    };
    let partitions = format!("{} in {}", grouped(totals.partitions), grouped(totals.topics));
    let segments = counted(tally.segments, "segment");
    tile("Partitions in topics", partitions, segments);
    let markers = match tally.control_records {
        0 => String::new(),
        markers => format!(", {}", counted(markers, "marker")),
    };
    let batches = if tally.batches == 1 { "batch" } else { "batches" };
    let in_batches = format!("in {} {batches}{markers}", grouped(tally.batches));
    tile("Records", short(tally.records), in_batches);
    let packed: u64 = tally.codecs.values().map(|codec| codec.bytes).sum();
    let plain: u64 = tally.codecs.values().map(|codec| codec.plain_bytes).sum();
    let ratio = if packed == 0 { 1.0 } else { plain as f64 / packed as f64 };
    tile("Bytes", size(tally.bytes), format!("{ratio:.1} : 1 compressed"));
    if let Some(distinct) = totals.keys.distinct {
        let how = match totals.keys.method {
            Method::Exact => "counted exactly",
            Method::Mixed => "some of them estimated",
            _ => "estimated",
        };
        tile("Keys", short(distinct), how.into());
    }
    let null_keys = match tally.null_keys {
        0 => "every record has a key".to_owned(),
        some => format!("{} without a key", grouped(some)),
    };
    tile("Tombstones", short(tally.tombstones), null_keys);
    if let Some(savings) = &totals.savings {
        let records = counted(savings.records, "record");
        let would = format!("{} and {records}", signed(savings.bytes));
        tile("Compaction would save", format!("{:.1} %", savings.percent), would);
    }
    html.raw("</div>");
    html
}

/// A number with few digits.
fn short(number: u64) -> String {
    match number {
        0..1_000_000 => grouped(number),
        1_000_000..1_000_000_000 => format!("{:.2} M", number as f64 / 1e6),
        _ => format!("{:.2} G", number as f64 / 1e9),
    }
}

fn signed(bytes: i64) -> String {
    format!("{}{}", if bytes < 0 { "-" } else { "" }, size(bytes.unsigned_abs()))
}

fn notes(report: &StatsReport) -> Html {
    let mut html = Html::default();
    let mut note = |text: String| {
        html.raw("<p class=\"note\">").text(text).raw("</p>");
    };
    let damaged = |p: &&PartitionStats| p.outcome == PartitionOutcome::Damaged;
    let damaged = report.partitions.iter().filter(damaged).count() as u64;
    if damaged > 0 {
        let bytes = size(report.totals.tally.damaged_bytes);
        let partitions = counted(damaged, "partition");
        note(format!("{bytes} in {partitions} are damaged, and not in these numbers."));
    }
    if report.totals.partitions_failed > 0 {
        let failed = counted(report.totals.partitions_failed, "partition");
        note(format!("{failed} could not be read to the end."));
    }
    let open = report.totals.tally.transactions.open;
    if open > 0 {
        let open = counted(open, "transaction");
        note(format!("Without a marker: {open}, for which read_committed consumers wait."));
    }
    html
}

fn card(title: &'static str, is_half: bool, body: Html) -> Html {
    let mut html = Html::default();
    html.raw(if is_half { "<section class=\"card half\">" } else { "<section class=\"card\">" });
    html.raw("<h2>").text(title).raw("</h2>").part(body).raw("</section>");
    html
}

/// Two cards, one below the other, in half of the page.
fn stacked(upper: Html, lower: Html) -> Html {
    let mut html = Html::default();
    html.raw("<div class=\"half stack\">").part(upper).part(lower).raw("</div>");
    html
}

fn folded(title: &'static str, is_open: bool, body: Html) -> Html {
    let mut html = Html::default();
    html.raw("<section class=\"card\">");
    html.raw(if is_open { "<details open>" } else { "<details>" });
    html.raw("<summary>").text(title).raw("</summary>").part(body).raw("</details></section>");
    html
}

fn savings(report: &StatsReport) -> Html {
    let mut html = Html::default();
    let asked = |p: &PartitionStats| p.savings.clone();
    let mut known: Vec<(&PartitionStats, Savings)> =
        report.partitions.iter().filter_map(|p| Some((p, asked(p)?))).collect();
    if known.is_empty() {
        html.raw("<p class=\"empty\">It was not asked (--no-savings).</p>");
        return html;
    }
    // Stable: of equals, the first of the list.
    known.sort_by_key(|(partition, savings)| {
        (std::cmp::Reverse(savings.bytes), std::cmp::Reverse(partition.tally.bytes))
    });
    let rows: Vec<Row> = known.iter().take(MOST_PARTITIONS).map(|(p, s)| saved(p, s)).collect();
    html.raw("<p class=\"sub\">").text(match known.len() {
        0..=MOST_PARTITIONS => "By partition".to_owned(),
        all => {
            format!("The {MOST_PARTITIONS} of {} that save most", counted(all as u64, "partition"))
        }
    });
    html.raw(if report.include_active {
        ", active segments included</p>"
    } else {
        "; active segments are left alone, as Kafka does</p>"
    });
    html.part(lying("plot-savings", &rows));
    html.part(legend(&[("kept", "stays".into()), ("gone", "would go".into())]));
    html
}

fn saved(partition: &PartitionStats, savings: &Savings) -> Row {
    let name = partition.name();
    let gone = u64::try_from(savings.bytes).unwrap_or(0).min(partition.tally.bytes);
    let title = match &savings.reason {
        Some(reason) => format!("{name}: {reason}"),
        None => format!(
            "{name}: {} of {} would stay, {} and {} would go",
            size(savings.bytes_after),
            size(partition.tally.bytes),
            signed(savings.bytes),
            counted(savings.records, "record")
        ),
    };
    Row {
        what: name,
        small: String::new(),
        title,
        first: partition.tally.bytes - gone,
        second: Some(gone),
        much: match savings.bytes {
            0 => "nothing".into(),
            _ => format!("{:.0} %", savings.percent),
        },
        is_key: false,
    }
}

fn batch_sizes(totals: &Totals) -> Html {
    histogram("plot-batches", "Size of batches", &totals.tally.batch_bytes, size, "batch")
}

fn records_in_batches(totals: &Totals) -> Html {
    let batches = &totals.tally.batch_records;
    histogram("plot-records", "Records in a batch", batches, grouped, "batch")
}

/// A bar for each power of two.
fn histogram(
    id: &'static str,
    label: &'static str,
    histogram: &Histogram,
    shown: impl Fn(u64) -> String,
    one: &'static str,
) -> Html {
    let mut html = Html::default();
    let buckets = histogram.buckets();
    let (Some((least, most)), Some(mean)) = (histogram.extremes(), histogram.mean()) else {
        html.raw("<p class=\"empty\">There are no batches.</p>");
        return html;
    };
    let (least, most, mean) = (shown(least), shown(most), shown(mean.round() as u64));
    html.raw("<p class=\"sub\">").text(format!("From {least} to {most}, {mean} on average"));
    html.raw("</p>");
    let width = 1.0 / buckets.len().max(1) as f64;
    // Few labels: on a narrow screen there is room for six.
    let each = buckets.len().div_ceil(6);
    let start = |number: usize| number as f64 * width;
    let bars = buckets.iter().enumerate().map(|(number, bucket)| {
        let plural = if bucket.count == 1 { "" } else { "es" };
        let title = format!(
            "{} to {}: {} {one}{plural}",
            shown(bucket.from),
            shown(bucket.to),
            grouped(bucket.count)
        );
        let pieces = if bucket.count > 0 { vec![(0, bucket.count)] } else { Vec::new() };
        let (from, to) = (start(number) + width * 0.08, start(number + 1) - width * 0.08);
        Bar { from, to, pieces, title }
    });
    let ticks = buckets.iter().enumerate().step_by(each).map(|(number, bucket)| Tick {
        at: start(number) + width / 2.0,
        label: shown(bucket.from),
    });
    let plot =
        Standing { id, label, amount: Amount::Count, bars: bars.collect(), ticks: ticks.collect() };
    html.part(plot.draw());
    html
}

fn codecs(report: &StatsReport) -> Html {
    let mut html = Html::default();
    html.raw("<p class=\"sub\">Bytes as they lie in the logs, and as they would without ");
    html.raw("compression</p>");
    html.part(tables::codec_table(&report.totals.tally));
    html
}

/// Two cards: keys by their records, and by their bytes.
fn top_keys(totals: &Totals, has_others: bool) -> Html {
    let keys = &totals.keys;
    let is_exact = keys.method == Method::Exact;
    let mut html = Html::default();
    let how = if is_exact { "Counted exactly" } else { "At least so many; counters are bounds" };
    let kinds = [
        ("Keys with the most records", "plot-keys-records", &keys.top_by_records, true),
        ("Keys with the most bytes", "plot-keys-bytes", &keys.top_by_bytes, false),
    ];
    for (title, id, top, by_records) in kinds {
        let mut body = Html::default();
        if top.is_empty() {
            body.raw("<p class=\"empty\">There are none, or they were not counted.</p>");
        } else {
            let row = |key: &TopKey| key_row(key, by_records, has_others);
            let rows: Vec<Row> = top.iter().take(MOST_KEYS).map(row).collect();
            body.raw("<p class=\"sub\">").text(how).raw("</p>").part(lying(id, &rows));
        }
        html.part(card(title, true, body));
    }
    html
}

fn key_row(key: &TopKey, by_records: bool, has_others: bool) -> Row {
    let text = match &key.key {
        None => "(could not be read again)".into(),
        Some(_) if key.key_bytes == 0 => "(empty)".into(),
        Some(text) => text.to_string(),
    };
    let partition = key.partition.map_or(key.topic.clone(), |n| format!("{}-{n}", key.topic));
    let records = |number: u64| counted(number, "record");
    let parts = [key.records.map(records), key.bytes.map(size)];
    let amounts: Vec<String> = parts.into_iter().flatten().collect();
    let length = match key.key.as_ref().map_or(0, |text| text.bytes().len() as u64) {
        shown if shown < key.key_bytes => format!(" (a key of {})", size(key.key_bytes)),
        _ => String::new(),
    };
    Row {
        title: format!("{text}{length} in {partition}: {}", amounts.join(", ")),
        what: text,
        small: if has_others { partition } else { String::new() },
        first: if by_records { key.records } else { key.bytes }.unwrap_or(0),
        second: None,
        much: match by_records {
            true => grouped(key.records.unwrap_or(0)),
            false => size(key.bytes.unwrap_or(0)),
        },
        is_key: true,
    }
}
