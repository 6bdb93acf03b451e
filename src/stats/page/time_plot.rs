//! Bytes over time: a bar for each stretch of time, a piece of it for each of the largest topics.

use std::collections::BTreeMap;

use super::axis::{Amount, Tick, duration, moment, times};
use super::html::Html;
use super::plots::{Bar, Standing, legend, series};
use crate::report::{counted, size};
use crate::stats::{StatsReport, Timeline, TopicStats};

/// Topics that have a colour of their own; all others share one.
const MOST_TOPICS: usize = 7;

/// Bars, at most.
const MOST_BARS: i64 = 240;

/// The part of the bytes, at either end of time, that may be left out if the plot is legible then.
const OUTLYING: f64 = 0.005;

/// The plot, or that there is nothing to plot.
pub fn draw(report: &StatsReport) -> Html {
    let all = &report.totals.tally.bytes_over_time;
    let mut html = Html::default();
    let Some((from, to)) = window(all) else {
        html.raw("<p class=\"empty\">No record has a timestamp.</p>");
        return html;
    };
    let mut width_ms = all.width_ms();
    while let wider = all.at_least(width_ms.saturating_add(1)).width_ms()
        && (to / width_ms).saturating_sub(from / width_ms) >= MOST_BARS
        && wider > width_ms
    {
        width_ms = wider;
    }
    let mut topics: Vec<&TopicStats> = report.topics.iter().collect();
    topics.sort_by_key(|topic| std::cmp::Reverse(topic.tally.bytes));
    let mut slots: BTreeMap<i64, Vec<(usize, u64)>> = BTreeMap::new();
    let mut outside = 0u64;
    for (number, topic) in topics.iter().enumerate() {
        let series = number.min(MOST_TOPICS);
        for (start, bytes) in topic.tally.bytes_over_time.at_least(width_ms).buckets() {
            if start.saturating_add(width_ms) <= from || start > to {
                outside += bytes;
                continue;
            }
            let pieces = slots.entry(start).or_default();
            match pieces.last_mut() {
                Some((last, sum)) if *last == series => *sum += bytes,
                _ => pieces.push((series, bytes)),
            }
        }
    }
    let start = from.div_euclid(width_ms).saturating_mul(width_ms);
    let end = to.div_euclid(width_ms).saturating_add(1).saturating_mul(width_ms);
    let span = end.saturating_sub(start).max(1) as f64;
    let along = |at: i64| at.saturating_sub(start) as f64 / span;
    let gap = 0.12 * width_ms as f64 / span;
    let names = |number: usize| match topics.get(number) {
        Some(topic) if number < MOST_TOPICS => topic.topic.clone(),
        _ => counted(topics.len().saturating_sub(MOST_TOPICS) as u64, "smaller topic"),
    };
    let bars = slots.into_iter().map(|(at, pieces)| {
        let mut title = moment(at, "%Y-%m-%d %H:%M:%S%.3f UTC");
        for (number, bytes) in pieces.iter().rev() {
            title += &format!("\n{}: {}", names(*number), size(*bytes));
        }
        let until = at.saturating_add(width_ms);
        Bar { from: along(at) + gap / 2.0, to: along(until) - gap / 2.0, pieces, title }
    });
    let ticks = times(start, end, 5);
    let ticks: Vec<Tick> = if ticks.len() > 1 { ticks } else { times(start, end, 8) };
    let plot = Standing {
        id: "plot-time",
        label: "Bytes over time, by topic",
        amount: Amount::Bytes,
        bars: bars.collect(),
        ticks,
    };
    html.raw("<p class=\"sub\">").text(moment(from, "%Y-%m-%d %H:%M:%S")).raw(" to ");
    html.text(moment(to, "%Y-%m-%d %H:%M:%S")).raw(" UTC; a bar is ").text(duration(width_ms));
    html.raw(", by the largest timestamp of each batch");
    if outside > 0 {
        html.raw("; ").text(size(outside)).raw(" lie far outside this time and are left out");
    }
    if all.without_timestamp() > 0 {
        html.raw("; ").text(size(all.without_timestamp())).raw(" have no timestamp");
    }
    html.raw("</p>").part(plot.draw());
    if topics.len() > 1 {
        let shown = topics.len().min(MOST_TOPICS + 1);
        let entries: Vec<_> = (0..shown).map(|number| (series(number), names(number))).collect();
        html.part(legend(&entries));
    }
    html
}

/// From when to when: all of it, unless a few outlying bytes make nearly all of that empty.
fn window(all: &Timeline) -> Option<(i64, i64)> {
    let buckets: Vec<(i64, u64)> = all.buckets().collect();
    let last_ms = all.width_ms() - 1;
    let (first, last) = (buckets.first()?.0, buckets.last()?.0);
    let total: u64 = buckets.iter().map(|(_, bytes)| bytes).sum();
    let most = total as f64 * OUTLYING;
    let (from, to) = (inner(buckets.iter(), most)?, inner(buckets.iter().rev(), most)?);
    let (whole, part) = (last.saturating_sub(first), to.saturating_sub(from));
    let slots = whole / all.width_ms();
    let is_crushed = slots > MOST_BARS && part.max(all.width_ms()) < whole / 8;
    let (from, to) = if is_crushed && from <= to { (from, to) } else { (first, last) };
    Some((from, to.saturating_add(last_ms)))
}

/// The first bucket with which more than `most` bytes are reached.
fn inner<'a>(mut buckets: impl Iterator<Item = &'a (i64, u64)>, most: f64) -> Option<i64> {
    let mut sum = 0u64;
    let reaches = |bucket: &&(i64, u64)| {
        sum = sum.saturating_add(bucket.1);
        sum as f64 > most
    };
    buckets.find(reaches).map(|(at, _)| *at)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::units::Timestamp;

    #[test]
    fn a_few_bytes_of_1970_do_not_crush_a_day_of_today() {
        let mut timeline = Timeline::default();
        let today = 1_795_000_000_000;
        for minute in 0..600 {
            timeline.add_bytes(Timestamp(today + minute * 60_000), 1000);
        }
        let all = window(&timeline).unwrap();
        assert!(all.0 > today - 600_000 && all.1 < today + 40_000_000, "{all:?}");
        timeline.add_bytes(Timestamp(7), 100);
        timeline.add_bytes(Timestamp(i64::MAX), 100);
        let (from, to) = window(&timeline).unwrap();
        assert!(from > today - 86_400_000 && to < today + 2 * 86_400_000, "{from} {to}");
    }
}
