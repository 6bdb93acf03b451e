//! Axes: where the ticks are and what they say.

use crate::report::grouped;

const SECOND: i64 = 1000;
const MINUTE: i64 = 60 * SECOND;
const HOUR: i64 = 60 * MINUTE;
const DAY: i64 = 24 * HOUR;

/// Distances between ticks of time, in ms.
const TIME_STEPS: [i64; 30] = [
    1,
    2,
    5,
    10,
    20,
    50,
    100,
    200,
    500,
    SECOND,
    2 * SECOND,
    5 * SECOND,
    10 * SECOND,
    15 * SECOND,
    30 * SECOND,
    MINUTE,
    2 * MINUTE,
    5 * MINUTE,
    10 * MINUTE,
    15 * MINUTE,
    30 * MINUTE,
    HOUR,
    2 * HOUR,
    3 * HOUR,
    6 * HOUR,
    12 * HOUR,
    DAY,
    2 * DAY,
    7 * DAY,
    14 * DAY,
];

/// A tick: where it is, from 0 to 1, and what it says.
#[derive(Clone, Debug, PartialEq)]
pub struct Tick {
    /// From 0 at the start of the axis to 1 at its end.
    pub at: f64,
    /// Its label.
    pub label: String,
}

/// What an axis of amounts counts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Amount {
    /// Bytes, in powers of 1024.
    Bytes,
    /// Things, in powers of 1000.
    Count,
}

/// An axis from 0 to a little more than `most`: its end, and its ticks.
pub fn amounts(most: u64, amount: Amount) -> (f64, Vec<Tick>) {
    const STEPS: [f64; 3] = [1.0, 2.0, 5.0];
    let base = match amount {
        Amount::Bytes => 1024f64,
        Amount::Count => 1000f64,
    };
    let most = (most as f64).max(1.0);
    let mut unit = 1.0;
    let mut power = 0;
    while unit * base <= most {
        unit *= base;
        power += 1;
    }
    let mut decade = 1.0;
    let step = 'found: loop {
        for step in STEPS {
            if most / (step * decade * unit) <= 4.0 {
                break 'found step * decade;
            }
        }
        decade *= 10.0;
    };
    let count = (most / (step * unit)).ceil().max(1.0);
    let end = count * step * unit;
    let ticks = (0..=count as u32).map(|number| {
        let value = f64::from(number) * step;
        Tick { at: f64::from(number) / count, label: label(value, power, amount) }
    });
    (end, ticks.collect())
}

fn label(value: f64, power: usize, amount: Amount) -> String {
    const BYTES: [&str; 7] = ["B", "KiB", "MiB", "GiB", "TiB", "PiB", "EiB"];
    const COUNT: [&str; 7] = ["", "k", "M", "G", "T", "P", "E"];
    if value == 0.0 {
        return "0".into();
    }
    let name = |names: &[&'static str; 7]| names.get(power).copied().unwrap_or("?");
    match amount {
        Amount::Bytes => format!("{value} {}", name(&BYTES)),
        Amount::Count => format!("{}{}", grouped(value as u64), name(&COUNT)),
    }
}

/// The ticks of an axis of time from `from` to `to`, in ms; not more than `most` and a few.
pub fn times(from: i64, to: i64, most: i64) -> Vec<Tick> {
    let span = to.saturating_sub(from).max(1);
    let wanted = (span / most).max(1);
    let step = TIME_STEPS.iter().copied().find(|step| *step >= wanted);
    // Beyond weeks, whole days: as many as it takes.
    let step = step.unwrap_or_else(|| (wanted / DAY).saturating_add(1).saturating_mul(DAY));
    let first = from.div_euclid(step).saturating_add(i64::from(from.rem_euclid(step) > 0));
    let mut ticks = Vec::new();
    let mut at = first.saturating_mul(step);
    while at <= to && ticks.len() < 32 {
        let along = (i128::from(at) - i128::from(from)) as f64 / span as f64;
        ticks.push(Tick { at: along, label: moment(at, format_of(step)) });
        let Some(next) = at.checked_add(step) else { break };
        at = next;
    }
    ticks
}

fn format_of(step: i64) -> &'static str {
    match step {
        _ if step < SECOND => "%H:%M:%S%.3f",
        _ if step < MINUTE => "%H:%M:%S",
        _ if step < HOUR => "%H:%M",
        _ if step < DAY => "%b %d %H:%M",
        _ => "%Y-%m-%d",
    }
}

/// A moment in UTC.
pub fn moment(ms: i64, format: &str) -> String {
    match jiff::Timestamp::from_millisecond(ms) {
        Ok(moment) => moment.strftime(format).to_string(),
        Err(_) => format!("{ms} ms"),
    }
}

/// A length of time in the largest unit that fits.
pub fn duration(ms: i64) -> String {
    let units = [(DAY, "day"), (HOUR, "hour"), (MINUTE, "minute"), (SECOND, "second")];
    let unit = units.into_iter().find(|(unit, _)| ms % unit == 0);
    let (unit, name) = unit.unwrap_or((1, "millisecond"));
    let number = ms / unit;
    format!("{number} {name}{}", if number == 1 { "" } else { "s" })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn labels(ticks: &[Tick]) -> Vec<&str> {
        ticks.iter().map(|tick| tick.label.as_str()).collect()
    }

    #[test]
    fn amounts_have_round_ticks_that_reach_beyond_the_largest() {
        let (end, ticks) = amounts(3_300_000, Amount::Bytes);
        assert_eq!(labels(&ticks), ["0", "1 MiB", "2 MiB", "3 MiB", "4 MiB"]);
        assert_eq!(end, 4.0 * 1048576.0);
        let (_, ticks) = amounts(1_734, Amount::Count);
        assert_eq!(labels(&ticks), ["0", "1k", "2k"]);
        for most in [0, 1, 7, 1023, 1024, 999_999, u64::MAX] {
            for amount in [Amount::Bytes, Amount::Count] {
                let (end, ticks) = amounts(most, amount);
                assert!(end >= most as f64 && (2..=6).contains(&ticks.len()), "{most}: {ticks:?}");
            }
        }
    }

    #[test]
    fn times_are_those_of_a_clock_whatever_the_span() {
        let at = 1_795_213_140_500;
        assert_eq!(labels(&times(at, at + 12_000, 4)), ["22:19:05", "22:19:10"]);
        assert!(times(at, at + 40 * DAY, 5).len() <= 7);
        for (from, to) in [(0, 0), (0, 1), (0, i64::MAX), (i64::MAX - 1, i64::MAX)] {
            assert!(times(from, to, 5).len() <= 32);
        }
        assert_eq!(duration(90 * MINUTE), "90 minutes");
    }
}
