//! Options that rewrite batches, given to a later round: what they reach, and what the rounds
//! behind it make of that.

mod support;

use std::collections::BTreeMap;
use std::fs;

use base64::Engine;
use base64::prelude::BASE64_STANDARD;
use logcompact::format::codec::Codec;
use serde_json::Value;
use support::events::Event;
use support::rounds::{
    Grown, Stand, assert_untouched, compact, compacted_end, current, lying, records_of, round,
    scratch,
};
use support::{copy_folder, logcompact, testdata};

/// A time in milliseconds.
const THEN: i64 = 1_700_000_000_000;

fn has_key(records: &BTreeMap<i64, Value>, key: &str) -> bool {
    let key = BASE64_STANDARD.encode(key);
    records.values().any(|record| record["key"] == key.as_str())
}

#[test]
fn a_key_that_was_erased_is_forgotten_by_the_rounds_behind_it() {
    for strategy in ["offset", "timestamp", "first"] {
        let temp = scratch();
        let (source, out) = (temp.path().join("source"), temp.path().join("out"));
        let list = temp.path().join("keys");
        fs::write(&list, "secret\ndeleted\n").unwrap();
        let options = ["-q", "--strategy", strategy, "--delete-retention-ms", "36500d"];
        let erasing = ["--erase-keys", list.to_str().unwrap()];
        let mut log = Grown::empty();
        let tombstone = Event::delete("deleted", THEN + 9);
        log.plain(&[Event::put("secret", "1", THEN + 9), Event::put("other", "1", THEN)]);
        log.plain(&[tombstone]);
        log.roll();
        log.plain(&[Event::put("active", "1", THEN)]);
        round(&log.write(&source, log.end()), &out, &options);
        let erased = [&options[..], &erasing].concat();
        let source_dir = log.write(&source, log.end());
        let output = compact(&source_dir, &out, &[&erased[1..], &["--dry-run"]].concat());
        let said = String::from_utf8_lossy(&output.stdout).into_owned();
        assert!(said.contains("rewritten, not compacted"), "{strategy}: {said}");
        let dest = round(&log.write(&source, log.end()), &out, &erased);
        assert!(!has_key(&records_of(&dest), "secret"), "{strategy}");

        // Older by their times than what was erased: there is nothing left that they lose to.
        log.roll();
        log.plain(&[Event::put("secret", "2", THEN), Event::put("deleted", "2", THEN)]);
        log.roll();
        log.plain(&[Event::put("active", "2", THEN)]);
        let dest = round(&log.write(&source, log.end()), &out, &options);
        let records = records_of(&dest);
        for key in ["secret", "deleted", "other"] {
            assert!(has_key(&records, key), "{strategy}: {key}");
        }
        // And they can be erased once more, by the index that knows them.
        let dest = round(&log.write(&source, log.end()), &out, &erased);
        let records = records_of(&dest);
        assert!(!has_key(&records, "secret") && !has_key(&records, "deleted"), "{strategy}");
        let output = compact(&log.write(&source, log.end()), &out, &options);
        let said = String::from_utf8_lossy(&output.stderr);
        assert_eq!(output.status.code(), Some(0), "{strategy}: {said}");
    }
}

#[test]
fn below_the_log_start_too_a_key_is_erased_and_a_newer_record_supersedes_all_older_ones() {
    let temp = scratch();
    let (source, out) = (temp.path().join("source"), temp.path().join("out"));
    let list = temp.path().join("keys");
    fs::write(&list, "secret\n").unwrap();
    let put = |key| Event::put(key, "value", THEN);
    let mut log = Grown::empty();
    log.plain(&[put("secret"), put("twice"), put("twice"), put("stays")]);
    log.plain(&[put("above")]);
    log.roll();
    log.plain(&[put("active 0")]);
    log.write(&source, log.end());
    fs::write(source.join("log-start-offset-checkpoint"), "0\n1\nt 0 4\n").unwrap();
    let next = |log: &Grown, options: &[&str]| {
        let options = [&["-q", "--verify", "--min-rewrite-ratio", "0.5"], options].concat();
        let dest = round(&log.write(&source, log.end()), &out, &options);
        let offsets: Vec<i64> = records_of(&dest).into_keys().collect();
        (offsets, current(&dest))
    };
    let (offsets, file) = next(&log, &[]);
    assert_eq!(offsets, [0, 1, 2, 3, 4, 5]);
    assert_eq!(file["unindexed_below"], 4);
    log.roll();
    log.plain(&[put("twice")]);
    log.roll();
    log.plain(&[put("active 1")]);
    let (offsets, file) = next(&log, &[]);
    // Two of five wait; who reads the key index finds what `stays` waits for.
    assert_eq!(offsets, [0, 1, 2, 3, 4, 5, 6, 7]);
    assert_eq!(file["segments"][0]["dead"], 2);
    assert!(file["io"]["destination_bytes_read"].as_u64() > Some(0));
    let (offsets, file) = next(&log, &["--erase-keys", list.to_str().unwrap()]);
    assert_eq!(offsets, [3, 4, 5, 6, 7]);
    assert_eq!(file["unindexed_below"], 4);
    log.roll();
    log.plain(&[put("stays")]);
    log.roll();
    log.plain(&[put("active 2")]);
    let (offsets, file) = next(&log, &[]);
    assert_eq!(offsets, [4, 5, 6, 7, 8, 9]);
    assert_eq!(file["unindexed_below"], 0, "none is left");
    log.roll();
    log.plain(&[put("last")]);
    let (_, file) = next(&log, &[]);
    assert_eq!(file["io"]["destination_bytes_read"], 0, "nothing is looked for any more");
}

#[test]
fn damage_that_is_found_while_batches_are_encoded_anew_leaves_nothing_of_the_round() {
    let mut log = Grown::empty();
    let both = |value| [Event::put("a", value, THEN), Event::put("b", value, THEN)];
    log.plain(&both("old"));
    log.roll();
    let first_end = log.end();
    log.plain(&both("new"));
    log.roll();
    // Behind an open transaction nothing is compacted, so this is where only the encoder reads.
    log.transactional(7, Codec::None, &both("open"));
    log.roll();
    let damaged = log.end();
    log.plain(&both("damaged"));
    log.roll();
    log.plain(&both("active"));
    let stand = Stand::of(log);
    stand.round(first_end, &["-q", "--include-active"]);
    let source = stand.log.write(&stand.source(), stand.log.end());
    let path = source.join(format!("{damaged:020}.log"));
    let mut bytes = fs::read(&path).unwrap();
    *bytes.last_mut().unwrap() ^= 1;
    fs::write(&path, bytes).unwrap();
    let there = || -> Vec<_> {
        let lying = lying(&stand.dest()).into_iter();
        lying.map(|(path, it)| (path, it.inode, it.bytes)).collect()
    };
    let before = there();
    let output = compact(&source, &stand.out(), &["-q", "--compression", "zstd:1"]);
    let said = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(1), "{said}");
    assert!(said.contains(&format!("{damaged:020}.log position 0")), "{said}");
    assert!(there() == before, "{said}");
    stand.round(stand.log.end(), &["-q", "--compression", "zstd:1"]);
}

#[test]
fn a_set_that_lost_its_last_record_behind_the_watermark_is_no_segment_that_is_missing() {
    let temp = scratch();
    let source = temp.path().join("source");
    copy_folder(&testdata("storage-4.1.1/v1-gzip-0"), &source.join("v1-gzip-0"));
    let keys = temp.path().join("keys");
    // Of two segments behind the watermark it is the last.
    fs::write(&keys, "k0\n").unwrap();
    for format in ["2", "keep"] {
        let out = temp.path().join(format);
        let erase = ["-q", "--to-offset", "185", "--erase-keys", keys.to_str().unwrap()];
        let options = [&erase[..], &["--message-format", format]].concat();
        assert_eq!(compact(&source, &out, &options).status.code(), Some(0));
        assert_eq!(compacted_end(&out.join("v1-gzip-0")), 186);
        assert!(!records_of(&out.join("v1-gzip-0")).contains_key(&283));
        logcompact().args(["verify", "-q", "--strict"]).arg(&out).assert().success();
    }
}

#[test]
fn erasing_once_more_what_is_erased_touches_nothing() {
    for include_active in [false, true] {
        let mut log = Grown::empty();
        log.plain(&[Event::put("secret", "1", THEN), Event::put("other", "1", THEN)]);
        log.roll();
        log.plain(&[Event::put("active", "1", THEN), Event::put("secret", "2", THEN)]);
        let stand = Stand::of(log);
        let list = stand.temp.path().join("keys");
        fs::write(&list, "secret\nno key\n").unwrap();
        let plain =
            [&["-q"][..], if include_active { &["--include-active"] } else { &[] }].concat();
        let erasing = [&plain[..], &["--erase-keys", list.to_str().unwrap()]].concat();
        stand.round(stand.log.end(), &plain);
        let source = stand.log.write(&stand.source(), stand.log.end());
        round(&source, &stand.out(), &erasing);
        let before = lying(&stand.dest());
        let output = compact(&source, &stand.out(), &erasing[1..]);
        assert_eq!(output.status.code(), Some(0));
        let said = String::from_utf8_lossy(&output.stderr);
        assert_eq!(said.contains("1 record is left of keys"), !include_active, "{said}");
        assert_untouched(&before, &stand.dest(), "erased once more");
        // What cannot be read may hold one.
        if !include_active {
            let path = source.join(format!("{:020}.log", 2));
            let sound = fs::read(&path).unwrap();
            let mut spoilt = sound.clone();
            *spoilt.last_mut().unwrap() ^= 1;
            fs::write(&path, spoilt).unwrap();
            assert_eq!(compact(&source, &stand.out(), &erasing).status.code(), Some(1));
            fs::write(&path, sound).unwrap();
        }
        // Until there is one again.
        let mut log = stand.log.clone();
        log.roll();
        log.plain(&[Event::put("secret", "3", THEN)]);
        log.roll();
        log.plain(&[Event::put("active", "2", THEN)]);
        let dest = round(&log.write(&stand.source(), log.end()), &stand.out(), &erasing);
        assert!(!has_key(&records_of(&dest), "secret"));
    }
}

#[test]
fn evidence_that_memory_has_no_room_for_is_kept_in_a_later_round_too() {
    let mut log = Grown::empty();
    let batch = |from: i64| -> Vec<Event> {
        (from..from + 1000).map(|n| Event::put(&format!("key {n}"), "1", THEN)).collect()
    };
    (0..5).for_each(|n| log.plain(&batch(n * 1000)));
    log.roll();
    log.plain(&[Event::put("active", "1", THEN)]);
    let stand = Stand::of(log);
    stand.round(stand.log.end(), &["-q"]);
    let list = stand.temp.path().join("keys");
    let keys: String = (0..5000).map(|n| format!("key {n}\n")).collect();
    fs::write(&list, keys).unwrap();
    let source = stand.log.write(&stand.source(), stand.log.end());
    let options = ["-q", "--memory", "8MiB", "--erase-keys", list.to_str().unwrap()];
    let report = stand.temp.path().join("report.json");
    let dest = round(
        &source,
        &stand.out(),
        &[&options[..], &["--report", report.to_str().unwrap()]].concat(),
    );
    assert_eq!(records_of(&dest).len(), 1);
    let report: Value = serde_json::from_slice(&fs::read(&report).unwrap()).unwrap();
    assert_eq!(report["partitions"][0]["erased"].as_array().map(Vec::len), Some(5000));
}

#[test]
fn where_no_key_is_to_be_erased_any_more_nothing_is_touched_whatever_else_rewrites() {
    let mut log = Grown::empty();
    log.plain(&[Event::put("a", "1", THEN), Event::put("b", "1", THEN)]);
    log.roll();
    log.plain(&[Event::put("c", "1", THEN), Event::put("d", "1", THEN)]);
    log.roll();
    log.plain(&[Event::put("active", "1", THEN)]);
    let options = [&["--compression", "zstd"][..], &["--segment-bytes", "300"], &[]];
    for (more, log_start) in options.into_iter().flat_map(|more| [(more, 0), (more, 1)]) {
        let temp = scratch();
        let (source, out) = (temp.path().join("source"), temp.path().join("out"));
        let list = temp.path().join("keys");
        fs::write(&list, "b\n").unwrap();
        let erase = ["-q", "--to-offset", "1", "--erase-keys", list.to_str().unwrap()];
        let options = [&erase, more].concat();
        let partition = log.write(&source, log.end());
        let start = source.join("log-start-offset-checkpoint");
        fs::write(start, format!("0\n1\nt 0 {log_start}\n")).unwrap();
        let dest = round(&partition, &out, &options);
        assert!(!has_key(&records_of(&dest), "b"), "{more:?}");
        let before = lying(&dest);
        round(&partition, &out, &options);
        assert_untouched(&before, &dest, &format!("{more:?}"));
        assert_eq!(current(&dest)["round"], 1, "{more:?}");
    }
}
