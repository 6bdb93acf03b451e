//! Tombstones of magic 0 and 1 that stay in their format: they have no delete horizon, and leave a
//! destination of rounds all the same.

mod support;

use std::fs::{self, File};
use std::path::Path;
use std::time::{Duration, UNIX_EPOCH};

use logcompact::format::codec::Codec;
use serde_json::Value;
use support::events::{Event, Kind, PLAIN};
use support::rounds::{Grown, LIVELY, Stand, current, records_of, round};

const KEEP: [&str; 3] = ["-q", "--message-format", "keep"];
const DAY_MS: u64 = 86_400_000;
const THEN_MS: u64 = 1_700_000_000_000;
const OLD: Kind = Kind { magic: 1, ..PLAIN };
const PACKED: Kind = Kind { magic: 1, codec: Codec::Gzip, ..PLAIN };

/// Has the segments of a source last modified so many days apart.
fn age(source: &Path, days: u64) {
    let names = fs::read_dir(source).unwrap().map(|entry| entry.unwrap().path());
    let mut logs: Vec<_> =
        names.filter(|path| path.extension().is_some_and(|e| e == "log")).collect();
    logs.sort();
    for (number, path) in logs.iter().enumerate() {
        let modified = THEN_MS + number as u64 * days * DAY_MS;
        let modified = UNIX_EPOCH + Duration::from_millis(modified);
        File::options().write(true).open(path).unwrap().set_modified(modified).unwrap();
    }
}

fn later(days: u64) -> String {
    (THEN_MS + days * DAY_MS).to_string()
}

fn offsets(dest: &Path) -> Vec<i64> {
    records_of(dest).into_keys().collect()
}

fn round_of(stand: &Stand, cut: i64, days: u64, options: &[&str]) -> std::path::PathBuf {
    let source = stand.log.write(&stand.source(), cut);
    age(&source, days);
    round(&source, &stand.out(), &[&KEEP, options].concat())
}

/// Two segments with a tombstone in the first, and an active one; the ends of both.
fn two_segments(kind: Kind) -> (Grown, i64) {
    let put = |key: &str| Event::put(key, "1", THEN_MS as i64);
    let mut log = Grown::empty();
    log.batch(kind, &[put("a"), Event::delete("a", THEN_MS as i64), put("b")]);
    log.roll();
    log.batch(kind, &[put("c")]);
    let first_end = log.end();
    log.roll();
    log.batch(kind, &[put("d")]);
    (log, first_end)
}

#[test]
fn a_tombstone_of_magic_1_goes_when_a_cleaned_segment_is_younger_by_the_retention() {
    for kind in [OLD, PACKED] {
        for (days, left) in [(1, vec![2, 3, 4]), (0, vec![1, 2, 3, 4])] {
            let (log, first_end) = two_segments(kind);
            let stand = Stand::of(log);
            let (end, now) = (stand.log.end(), later(9));
            let options = ["--now", now.as_str()];
            assert_eq!(offsets(&round_of(&stand, first_end, days, &options)), [1, 2, 3]);
            assert_eq!(offsets(&round_of(&stand, end, days, &options)), [1, 2, 3, 4]);
            let dest = round_of(&stand, end, days, &options);
            assert_eq!(offsets(&dest), left, "{kind:?} {days}");
            let flag = &current(&dest)["segments"][0]["has_legacy_tombstones"];
            assert_eq!(flag, &Value::Bool(days == 0), "{kind:?} {days}");
            let round = current(&dest)["round"].clone();
            let dest = round_of(&stand, end, days, &options);
            assert_eq!(current(&dest)["round"], round, "there is nothing left to do");
        }
    }
}

#[test]
fn no_tombstone_of_magic_1_stays_where_none_is_to() {
    for kind in [OLD, PACKED] {
        let (log, first_end) = two_segments(kind);
        let stand = Stand::of(log);
        let end = stand.log.end();
        assert_eq!(offsets(&round_of(&stand, first_end, 0, &[])), [1, 2, 3]);
        assert_eq!(offsets(&round_of(&stand, end, 0, &["--drop-tombstones"])), [2, 3, 4]);
        let dest = round_of(&stand, end, 0, &["--drop-tombstones"]);
        assert_eq!(current(&dest)["round"], 2, "there is nothing left to do");
    }
}

#[test]
fn without_tombstones_of_any_format_rounds_give_the_state_of_one_compaction() {
    let mut dropped = 0;
    for seed in 0..12 {
        let stand = Stand::of(Grown::random(100 + seed, LIVELY));
        let ends = stand.log.ends();
        let strategy = ["offset", "timestamp", "header:v"][seed as usize % 3];
        let ratio = if seed % 2 == 0 { "0" } else { "0.9" };
        for (number, cut) in [ends[15], ends[30], ends[45], stand.log.end()].iter().enumerate() {
            let now = later(number as u64 * 7 * (seed % 3));
            let options =
                ["--strategy", strategy, "--min-rewrite-ratio", ratio, "--now", now.as_str()];
            let plain = records_of(&round_of(&stand, *cut, seed % 4, &options));
            let dest =
                round_of(&stand, *cut, seed % 4, &[&options[..], &["--drop-tombstones"]].concat());
            let end = support::rounds::compacted_end(&dest);
            let values = |record: &&Value| !record["value"].is_null();
            let below = |records: std::collections::BTreeMap<i64, Value>| {
                let mut records = records;
                records.split_off(&end);
                records
            };
            let (plain, bare) = (below(plain), below(records_of(&dest)));
            assert!(bare.values().all(|record| !record["value"].is_null()), "{seed} {cut}");
            let kept: Vec<&Value> = plain.values().filter(values).collect();
            let left: Vec<&Value> = bare.values().collect();
            dropped += plain.len() - left.len();
            assert_eq!(left.last(), kept.last(), "{seed} {cut}");
        }
        let last = ["--strategy", strategy, "--drop-tombstones"];
        let source = stand.log.write(&stand.source(), stand.log.end());
        let out = stand.temp.path().join("fresh");
        let fresh = records_of(&round(&source, &out, &[&KEEP, &last[..]].concat()));
        assert_eq!(records_of(&round_of(&stand, stand.log.end(), 0, &last)), fresh, "{seed}");
    }
    assert!(dropped > 50, "{dropped}");
}
