//! What Kafka's own cleaner made of directories that Kafka wrote, and what we make of them: the
//! same batches and records, field by field.

mod support;

use std::fs;
use std::path::Path;

use serde_json::Value;
use support::{assert_same, expected_lines, folders_in, lines_of, logcompact, testdata};

/// The clock of the first pass, unless the case has its own.
const PASS1_MS: i64 = 1_795_300_000_000;
/// The clock of the second: tombstones of the first have had their time.
const PASS2_MS: i64 = 1_795_500_000_000;

/// Compacts `source` and gives the lines of the output and the partition's part of the report.
fn compact(source: &Path, out: &Path, now_ms: i64, options: &[&str]) -> (Vec<Value>, Value) {
    let now = now_ms.to_string();
    logcompact()
        .args(["compact", "--quiet", "--now", &now, "--out"])
        .arg(out)
        .arg(source)
        .args(options)
        .assert()
        .success();
    let report = fs::read(out.join("logcompact-report.json")).unwrap();
    let report: Value = serde_json::from_slice(&report).unwrap();
    let name = source.file_name().unwrap();
    (lines_of(&out.join(name)), report["partitions"][0].clone())
}

fn clocks(case: &str) -> (i64, i64) {
    let path = testdata(&format!("expected/storage-4.1.1/{case}/now.txt"));
    let Ok(text) = fs::read_to_string(path) else {
        return (PASS1_MS, PASS2_MS);
    };
    let clock = |pass: &str| {
        let line = text.lines().find_map(|line| line.strip_prefix(pass)).unwrap();
        line.trim().parse().unwrap()
    };
    (clock("pass1"), clock("pass2"))
}

#[test]
fn a_first_and_a_second_pass_leave_what_kafka_4_leaves() {
    for case in folders_in(&testdata("storage-4.1.1")) {
        let temp = tempfile::tempdir().unwrap();
        let (now1, now2) = clocks(&case);
        let expected = testdata(&format!("expected/storage-4.1.1/{case}"));
        let source = testdata(&format!("storage-4.1.1/{case}"));
        let (lines, report) = compact(&source, &temp.path().join("1"), now1, &[]);
        assert_same(&lines, &expected_lines(&expected.join("pass1.jsonl")), &case);
        assert_counts(&report, &case);
        let first = temp.path().join("1").join(&case);
        let (lines, report) = compact(&first, &temp.path().join("2"), now2, &[]);
        assert_same(&lines, &expected_lines(&expected.join("pass2.jsonl")), &case);
        assert_counts(&report, &case);
    }
}

#[test]
fn a_brokers_directory_is_left_as_kafka_leaves_it_with_and_without_the_active_segment() {
    for case in folders_in(&testdata("expected/broker-3.9.1")) {
        let temp = tempfile::tempdir().unwrap();
        let expected = testdata(&format!("expected/broker-3.9.1/{case}"));
        let source = testdata(&format!("broker-3.9.1/{case}"));
        for (pass, options) in [("pass1", &[][..]), ("with-active", &["--include-active"])] {
            let path = expected.join(format!("{pass}.jsonl"));
            if !path.exists() {
                continue;
            }
            let (lines, report) = compact(&source, &temp.path().join(pass), PASS1_MS, options);
            assert_same(&lines, &expected_lines(&path), &format!("{case} {pass}"));
            assert_counts(&report, &case);
        }
    }
}

#[test]
fn an_uncompressed_log_is_the_same_byte_for_byte() {
    let temp = tempfile::tempdir().unwrap();
    compact(&testdata("storage-4.1.1/v2-plain-0"), temp.path(), PASS1_MS, &[]);
    let log = "v2-plain-0/00000000000000000000.log";
    let kafkas = fs::read(testdata("expected/storage-4.1.1/v2-plain-0/pass1.log")).unwrap();
    assert!(fs::read(temp.path().join(log)).unwrap() == kafkas, "the bytes differ");
}

#[test]
fn kept_in_their_old_format_the_same_records_survive_in_their_own_magic() {
    for (case, magic) in [("v0-mixed-0", 0), ("v0-lz4-0", 0), ("v1-mixed-0", 1), ("v1-gzip-0", 1)] {
        let temp = tempfile::tempdir().unwrap();
        let source = testdata(&format!("storage-4.1.1/{case}"));
        let options = ["--message-format", "keep"];
        let (lines, report) = compact(&source, temp.path(), PASS1_MS, &options);
        assert_counts(&report, case);
        let expected = testdata(&format!("expected/storage-4.1.1/{case}/pass1.jsonl"));
        let is_record = |line: &&Value| line.get("key").is_some();
        let kafkas = expected_lines(&expected);
        let records: Vec<_> = lines.iter().filter(is_record).cloned().collect();
        let kafkas: Vec<_> = kafkas.iter().filter(is_record).cloned().collect();
        assert_same(&records, &kafkas, case);
        assert!(lines.iter().filter(|l| !is_record(l)).all(|batch| batch["magic"] == magic));
    }
}

/// Every record that was read is kept or counted as removed.
fn assert_counts(report: &Value, case: &str) {
    let number = |value: &Value| value.as_u64().unwrap();
    let removed: u64 = report["removed"].as_object().unwrap().values().map(number).sum();
    let (read, kept) = (number(&report["records_read"]), number(&report["records_kept"]));
    assert_eq!(read, kept + removed, "{case}: {report}");
}
