//! Rounds that end within a batch: `--to-offset` and `--rebase-high-watermark` mean a record, not
//! the batch that it happens to lie in. What must come out is told by a log of the same records,
//! one a batch, of which no batch has to be cut.

mod support;

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;

use logcompact::format::codec::Codec;
use serde_json::Value;
use support::events::{Event, Kind, PLAIN};
use support::logcompact;
use support::power::Die;
use support::rounds::{
    Grown, assert_untouched, compact, compacted_end, current, lying, records_of, round, scratch,
};

const FAR: [&str; 3] = ["-q", "--delete-retention-ms", "36500d"];
const ALL: [&str; 4] = ["-q", "--delete-retention-ms", "36500d", "--include-active"];
const START_MS: i64 = 1_700_000_000_000;

/// A log with batches of all kinds, and one of the same records where each has a batch of its own.
fn twins(seed: u64) -> (Grown, Grown) {
    let mut die = Die(seed);
    let (mut together, mut alone) = (Grown::empty(), Grown::empty());
    let mut number = 0;
    for batch in 0..20 {
        let count = 1 + die.throw(7);
        let events: Vec<Event> = (0..count)
            .map(|_| {
                number += 1;
                let (key, at) = (format!("key-{}", die.throw(9)), START_MS + number);
                match die.throw(4) {
                    0 => Event::delete(&key, at),
                    _ => Event::put(&key, &format!("value {number}"), at),
                }
            })
            .collect();
        let codec = Codec::ALL[die.throw(Codec::ALL.len() as u64) as usize];
        let has_old_magic = batch % 5 == 2 && codec != Codec::Zstd;
        match die.throw(6) {
            _ if has_old_magic => {
                let kind = Kind { magic: die.throw(2) as u8, codec, ..PLAIN };
                together.batch(kind, &events);
                events.iter().for_each(|event| alone.batch(kind, std::slice::from_ref(event)));
            }
            0 | 1 => {
                let producer = 1 + die.throw(2) as i64;
                together.transactional(producer, codec, &events);
                for event in &events {
                    alone.transactional(producer, codec, std::slice::from_ref(event));
                }
            }
            2 => {
                let (producer, commits) = (1 + die.throw(2) as i64, die.throw(3) > 0);
                together.marker(producer, commits);
                alone.marker(producer, commits);
            }
            _ => {
                let kind = Kind { codec, ..PLAIN };
                together.batch(kind, &events);
                events.iter().for_each(|event| alone.batch(kind, std::slice::from_ref(event)));
            }
        }
        if die.throw(4) == 0 {
            together.roll();
            alone.roll();
        }
    }
    for log in [&mut together, &mut alone] {
        // No transaction stays open.
        [1, 2].iter().for_each(|producer| log.marker(*producer, true));
    }
    assert_eq!(together.end(), alone.end());
    (together, alone)
}

fn to(last: i64, options: &[&str]) -> Vec<String> {
    let options = options.iter().map(|option| (*option).to_owned());
    options.chain(["--to-offset".to_owned(), last.to_string()]).collect()
}

fn round_to(source: &Path, out: &Path, last: i64, options: &[&str]) -> std::path::PathBuf {
    let options = to(last, options);
    round(source, out, &options.iter().map(String::as_str).collect::<Vec<_>>())
}

/// Where the round began whose report lies in `out`.
fn begun_at(out: &Path) -> i64 {
    let report = fs::read(out.join("logcompact-report.json")).unwrap();
    let report: Value = serde_json::from_slice(&report).unwrap();
    report["partitions"][0]["round"]["start_offset"].as_i64().unwrap()
}

fn assert_same(ours: &BTreeMap<i64, Value>, theirs: &BTreeMap<i64, Value>, case: &str) {
    let bare = |records: &BTreeMap<i64, Value>| -> BTreeMap<i64, Value> {
        records.iter().map(|(offset, record)| (*offset, record["value"].clone())).collect()
    };
    assert_eq!(bare(ours), bare(theirs), "{case}");
    assert_eq!(ours, theirs, "{case}");
}

#[test]
fn a_round_ends_at_the_very_record_that_was_asked_for_and_the_next_begins_behind_it() {
    let mut within = 0;
    for seed in 0..2 {
        let (together, alone) = twins(seed);
        let temp = scratch();
        let source = together.write(&temp.path().join("together"), together.end());
        let twin = alone.write(&temp.path().join("alone"), alone.end());
        let whole = round(&source, &temp.path().join("whole"), &ALL);
        for last in (seed as i64..together.end()).step_by(2) {
            let case = format!("seed {seed}, to {last}");
            let out = temp.path().join(format!("out {last}"));
            let of_twin = temp.path().join(format!("twin {last}"));
            let dest = round_to(&source, &out, last, &ALL);
            let expected = round_to(&twin, &of_twin, last, &ALL);
            assert_same(&records_of(&dest), &records_of(&expected), &case);
            logcompact().args(["verify", "-q"]).arg(&dest).assert().success();
            assert_eq!(compacted_end(&dest), last + 1, "{case}");
            within += usize::from(!together.ends().contains(&(last + 1)));
            let dest = round(&source, &out, &[&ALL[..], &["--verify"]].concat());
            if last + 1 < together.end() {
                assert_eq!(begun_at(&out), last + 1, "{case}");
            }
            assert_same(&records_of(&dest), &records_of(&whole), &case);
            logcompact().args(["verify", "-q"]).arg(&dest).assert().success();
        }
    }
    assert!(within > 40, "{within} rounds ended within a batch");
}

#[test]
fn one_batch_is_cut_as_often_as_rounds_end_in_it() {
    let events: Vec<Event> =
        (0..9).map(|n| Event::put(&format!("k{}", n % 2), &format!("{n}"), START_MS + n)).collect();
    for codec in [Codec::None, Codec::Zstd] {
        for magic in [1, 2] {
            if (magic, codec) == (1, Codec::Zstd) {
                continue;
            }
            let mut log = Grown::empty();
            log.batch(Kind { magic, codec, ..PLAIN }, &events);
            let temp = scratch();
            let (source, out) =
                (log.write(&temp.path().join("source"), 9), temp.path().join("out"));
            for last in 0..9 {
                let dest = round_to(&source, &out, last, &ALL);
                assert_eq!(compacted_end(&dest), last + 1);
                let offsets: Vec<i64> = records_of(&dest).into_keys().collect();
                // Two keys take turns.
                assert_eq!(offsets, ((last - 1).max(0)..9).collect::<Vec<_>>());
                logcompact().args(["verify", "-q"]).arg(&dest).assert().success();
                // The same again is nothing to do.
                let before = lying(&out);
                round_to(&source, &out, last, &ALL);
                assert_untouched(&before, &out, &format!("to {last} again"));
            }
        }
    }
}

/// Five batches of four records in one segment that is closed, and one behind it.
fn five() -> Grown {
    let mut log = Grown::empty();
    for batch in 0..5 {
        let event = |n| Event::put(&format!("k{n}"), &format!("{batch}"), START_MS + batch);
        log.batch(Kind { codec: Codec::Lz4, ..PLAIN }, &[0, 1, 2, 3].map(event));
    }
    log.roll();
    log.plain(&[Event::put("active", "x", START_MS)]);
    log
}

#[test]
fn a_batch_that_became_another_behind_a_watermark_within_it_is_another_source() {
    let temp = scratch();
    let (source, out) = (temp.path().join("source"), temp.path().join("out"));
    let log = five();
    round_to(&log.write(&source, log.end()), &out, 9, &FAR);
    // The same offsets, other records.
    let mut other = Grown::empty();
    for batch in 0..5 {
        let event = |n| Event::put(&format!("k{n}"), "other", START_MS + batch);
        other.batch(Kind { codec: Codec::Lz4, ..PLAIN }, &[0, 1, 2, 3].map(event));
    }
    other.roll();
    let before = lying(&out);
    let changed = other.write(&temp.path().join("other"), other.end());
    let output = compact(&changed, &out, &FAR);
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.code() == Some(2) && said.contains("another source"), "{said}");
    // One that was cut off within the batch, or in front of it.
    for end in [9, 6] {
        let shorter = five().write(&temp.path().join(format!("to {end}")), end);
        let log = shorter.join("00000000000000000000.log");
        let bytes = fs::read(&log).unwrap();
        fs::write(&log, &bytes[..bytes.len() - 3]).unwrap();
        let output = compact(&shorter, &out, &FAR);
        let said = String::from_utf8_lossy(&output.stderr);
        assert!(output.status.code() == Some(2) && said.contains("--full"), "{end}: {said}");
    }
    assert_untouched(&before, &out, "refused");
    let dest = round(&log.write(&source, log.end()), &out, &FAR);
    assert_eq!(compacted_end(&dest), 20);
}

#[test]
fn a_source_that_was_cleaned_meanwhile_is_still_known_where_a_round_has_ended_within_a_batch() {
    let log = five();
    for last in 0..20 {
        let temp = scratch();
        let (source, out) = (temp.path().join("source"), temp.path().join("out"));
        let dir = log.write(&source, log.end());
        round_to(&dir, &out, last, &FAR);
        // As a broker's cleaner leaves it: the batches that lost some keep their offsets.
        logcompact().args(["compact", "-q", "--in-place"]).arg(&dir).assert().success();
        let dest = round(&dir, &out, &[&FAR[..], &["--verify"]].concat());
        assert_eq!(compacted_end(&dest), 20, "to {last}");
        let offsets: Vec<i64> = records_of(&dest).into_keys().collect();
        assert_eq!(offsets, [16, 17, 18, 19, 20], "to {last}");
        logcompact().args(["verify", "-q"]).arg(&dest).assert().success();
    }
}

#[test]
fn a_damaged_batch_is_not_cut_and_who_ended_within_it_is_told_what_to_do() {
    let temp = scratch();
    let log = five();
    let source = log.write(&temp.path().join("source"), log.end());
    let path = source.join("00000000000000000000.log");
    let sound = fs::read(&path).unwrap();
    let batch_bytes = 12 + i32::from_be_bytes(sound[8..12].try_into().unwrap()) as usize;
    let mut damaged = sound.clone();
    damaged[2 * batch_bytes + 80] ^= 1;
    fs::write(&path, &damaged).unwrap();
    // It ends in front of the batch where that is carried over as it is, and tells of it.
    let out = temp.path().join("kept");
    let kept = to(9, &["-q", "--delete-retention-ms", "36500d", "--on-damage", "keep"]);
    let output = compact(&source, &out, &kept.iter().map(String::as_str).collect::<Vec<_>>());
    assert_eq!(output.status.code(), Some(1), "{}", String::from_utf8_lossy(&output.stderr));
    assert_eq!(compacted_end(&out.join("t-0")), 8);
    // By itself the partition is left alone.
    let failed = to(9, &["-q"]);
    let output = compact(
        &source,
        &temp.path().join("failed"),
        &failed.iter().map(String::as_str).collect::<Vec<_>>(),
    );
    assert_eq!(output.status.code(), Some(1), "{}", String::from_utf8_lossy(&output.stderr));
    // Behind a round that has ended within it.
    fs::write(&path, &sound).unwrap();
    let out = temp.path().join("out");
    round_to(&source, &out, 9, &FAR);
    fs::write(&path, &damaged).unwrap();
    let before = lying(&out);
    for on_damage in ["fail", "skip", "keep"] {
        let output = compact(&source, &out, &[&FAR[..], &["--on-damage", on_damage]].concat());
        let said = String::from_utf8_lossy(&output.stderr);
        assert_eq!(output.status.code(), Some(2), "{said}");
        let position = format!("position {}", 2 * batch_bytes);
        for text in ["00000000000000000000.log", &position, "--full"] {
            assert!(said.contains(text), "{said}");
        }
    }
    assert_untouched(&before, &out, "damage");
    fs::write(&path, &sound).unwrap();
    assert_eq!(compacted_end(&round(&source, &out, &FAR)), 20);
}

#[test]
fn a_base_is_taken_up_to_the_very_record_that_was_asked_for() {
    for seed in 0..2 {
        let (together, _) = twins(seed);
        let temp = scratch();
        let source = together.write(&temp.path().join("source"), together.end());
        let whole = records_of(&round(&source, &temp.path().join("whole"), &ALL));
        for watermark in (seed as i64..together.end() - 1).step_by(2) {
            let case = format!("seed {seed}, base to {watermark}");
            let out = temp.path().join(format!("out {watermark}"));
            let rebase = ["--rebase-from", source.to_str().unwrap(), "--rebase-high-watermark"];
            let watermark = watermark.to_string();
            let options = [&ALL[..], &rebase, &[&watermark], &["--verify"]].concat();
            let dest = round(&source, &out, &options);
            assert_same(&records_of(&dest), &whole, &case);
            assert_eq!(current(&dest)["rebase"]["high_watermark"].to_string(), watermark);
            logcompact().args(["verify", "-q"]).arg(&dest).assert().success();
        }
    }
}

#[test]
fn a_cut_within_a_batch_saves_what_the_report_says_to_the_byte() {
    let events: Vec<Event> =
        (0..9).map(|n| Event::put(&format!("k{}", n % 2), &format!("{n}"), START_MS + n)).collect();
    for kind in [PLAIN, Kind { codec: Codec::Zstd, ..PLAIN }, Kind { magic: 1, ..PLAIN }] {
        let mut log = Grown::empty();
        log.plain(&events);
        log.batch(kind, &events);
        log.plain(&events);
        let temp = scratch();
        let source = log.write(&temp.path().join("source"), log.end());
        let bytes_of = |dir: &Path| -> i64 {
            let paths = fs::read_dir(dir).unwrap().map(|entry| entry.unwrap().path());
            let logs = paths.filter(|path| path.extension().is_some_and(|kind| kind == "log"));
            logs.map(|path| path.metadata().unwrap().len() as i64).sum()
        };
        for last in [9, 12, 16, 17] {
            let out = temp.path().join(format!("{last}"));
            let dest = round_to(&source, &out, last, &ALL);
            let report = fs::read(out.join("logcompact-report.json")).unwrap();
            let report: Value = serde_json::from_slice(&report).unwrap();
            let count = |name: &str| report["totals"][name].as_i64().unwrap();
            let saved = count("bytes_before") - count("bytes_after");
            assert_eq!(saved, bytes_of(&source) - bytes_of(&dest), "to {last}");
        }
    }
}
