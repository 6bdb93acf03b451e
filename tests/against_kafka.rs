//! `verify --against` on directories that Kafka wrote: what its cleaner and ours left of them is
//! the same, and whatever is changed in what Kafka left is found.

mod support;

use logcompact::verify::against::Relation;
use predicates::prelude::*;
use serde_json::{Value, json};
use support::against::{COMPACTION, found};
use support::rewritten::{read_lines, write_lines};
use support::{folders_in, logcompact, testdata};

const CORPORA: [&str; 2] = ["storage-4.1.1", "broker-3.9.1"];

#[test]
fn what_kafkas_own_cleaner_left_is_the_same_as_its_source() {
    let mut cases = 0;
    for corpus in CORPORA {
        let expected = testdata(&format!("expected/{corpus}"));
        for case in folders_in(&expected) {
            for pass in ["pass1", "pass2", "with-active"] {
                let path = expected.join(&case).join(format!("{pass}.jsonl"));
                if !path.exists() {
                    continue;
                }
                let temp = tempfile::tempdir().unwrap();
                let kafkas = write_lines(temp.path(), &case, &read_lines(&path));
                let source = testdata(&format!("{corpus}/{case}"));
                assert_eq!(found(&source, &kafkas, COMPACTION), [], "{case} {pass}");
                assert_eq!(found(&kafkas, &source, Relation::Replicas), [], "{case} {pass}");
                cases += 1;
            }
        }
    }
    assert!(cases >= 60, "{cases} cases");
}

#[test]
fn every_directory_is_the_same_as_itself() {
    for corpus in CORPORA {
        let dir = testdata(corpus);
        logcompact().arg("verify").arg(&dir).arg("--against").arg(&dir).assert().success().stdout(
            predicate::str::contains(" 0 here only, 0 there only;")
                .and(predicate::str::contains(", 0 of them different.")),
        );
    }
}

#[test]
fn what_we_compact_is_the_same_as_its_source_either_way_round() {
    let all_options: [&[&str]; 5] = [
        &[],
        &["--include-active"],
        &["--include-active", "--drop-tombstones", "--delete-retention-ms", "0"],
        &["--include-active", "--null-keys", "keep"],
        &["--message-format", "keep"],
    ];
    for corpus in CORPORA {
        for (number, options) in all_options.into_iter().enumerate() {
            let temp = tempfile::tempdir().unwrap();
            let (source, out) = (testdata(corpus), temp.path().join(number.to_string()));
            logcompact()
                .args(["compact", "-q", "--now", "1795300000000", "--out"])
                .arg(&out)
                .arg(&source)
                .args(options)
                .assert()
                .success();
            for (dir, against) in [(&out, &source), (&source, &out)] {
                let against = ["--against".as_ref(), against.as_os_str()];
                logcompact().args(["verify", "--strict"]).arg(dir).args(against).assert().success();
            }
            for case in folders_in(&source) {
                let (before, after) = (source.join(&case), out.join(&case));
                assert_eq!(found(&before, &after, COMPACTION), [], "{case} {options:?}");
            }
        }
    }
}

/// The lines of what Kafka left of a case, changed by `change`, compared with the source.
fn found_in_changed(
    case: &str,
    change: impl FnOnce(&mut Vec<Value>),
) -> Vec<(&'static str, Option<i64>)> {
    let mut lines = read_lines(&testdata(&format!("expected/storage-4.1.1/{case}/pass1.jsonl")));
    change(&mut lines);
    let temp = tempfile::tempdir().unwrap();
    let after = write_lines(temp.path(), case, &lines);
    let before = testdata(&format!("storage-4.1.1/{case}"));
    let found_after = found(&before, &after, COMPACTION);
    assert_eq!(found(&after, &before, Relation::Replicas), found_after);
    found_after
}

/// The number of the last line of a data record with a key and a value, and its offset.
fn last_value(lines: &[Value]) -> (usize, i64) {
    let is_value = |line: &Value| line["key"].is_string() && line["value"].is_string();
    let is_control = |number: usize| {
        let batch = lines[..number].iter().rev().find(|line| line.get("base_offset").is_some());
        batch.unwrap()["control"] == true
    };
    let number =
        (0..lines.len()).rev().find(|number| is_value(&lines[*number]) && !is_control(*number));
    let number = number.unwrap();
    (number, lines[number]["offset"].as_i64().unwrap())
}

#[test]
fn timestamp_value_headers_and_key_of_what_kafka_left_all_count() {
    type Change = fn(&mut Value);
    let changes: [(&str, Change); 4] = [
        ("timestamp", |line| line["timestamp"] = json!(line["timestamp"].as_i64().unwrap() + 1)),
        ("value", |line| line["value"] = json!("eHl6")),
        ("headers", |line| line["headers"] = json!([["aA==", null]])),
        ("empty header", |line| line["headers"] = json!([["aA==", ""]])),
    ];
    for case in ["v2-plain-0", "v2-zstd-0", "v0-mixed-0", "v1-gzip-0"] {
        for (name, change) in changes {
            let mut at = 0;
            let found = found_in_changed(case, |lines| {
                let (number, offset) = last_value(lines);
                at = offset;
                change(&mut lines[number]);
            });
            let expected = [("against-record", Some(at)), ("against-state", Some(at))];
            assert_eq!(found, expected, "{case}: {name}");
        }
        let mut at = 0;
        let found = found_in_changed(case, |lines| {
            let (number, offset) = last_value(lines);
            at = offset;
            lines[number]["key"] = json!("bmV2ZXIgc2Vlbg==");
        });
        // The key that was there is gone, one that was not has come.
        let state = ("against-state", Some(at));
        assert_eq!(found, [("against-record", Some(at)), state, state], "{case}: key");
    }
}

#[test]
fn a_record_that_kafka_kept_and_someone_lost_is_found_in_every_case() {
    for case in folders_in(&testdata("storage-4.1.1")) {
        let mut at = 0;
        let found = found_in_changed(&case, |lines| {
            let (number, offset) = last_value(lines);
            at = offset;
            lines.remove(number);
        });
        assert_eq!(found, [("against-state", Some(at))], "{case}");
    }
}
