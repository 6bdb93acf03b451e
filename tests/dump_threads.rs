//! `dump` makes its lines on many threads; nobody can tell.

mod support;

use std::fs;
use std::path::Path;
use std::process::{Command, Stdio};

use support::log::{Log, put};
use support::logcompact;

/// A segment of 8 MB, many stretches long, and an active one.
fn large_log(root: &Path) -> std::path::PathBuf {
    let mut log = Log::create(root, "t-0");
    let value = "v".repeat(1000);
    for batch in 0..800 {
        let keys: Vec<String> = (0..10).map(|n| format!("key-{batch}-{n}")).collect();
        let records: Vec<_> = keys.iter().map(|key| put(key, &value)).collect();
        log.batch(&records);
    }
    log.roll().batch(&[put("Z", "1")]).flush()
}

/// Exit status, standard output and standard error.
fn dumped(dir: &Path, threads: &str, options: &[&str]) -> (Option<i32>, Vec<u8>, Vec<u8>) {
    let output =
        logcompact().arg("dump").arg(dir).args(["--threads", threads]).args(options).output();
    let output = output.unwrap();
    (output.status.code(), output.stdout, output.stderr)
}

fn assert_same_for_all_threads(dir: &Path, options: &[&str]) -> (Option<i32>, Vec<u8>, Vec<u8>) {
    let alone = dumped(dir, "1", options);
    for threads in ["2", "3", "16"] {
        assert!(dumped(dir, threads, options) == alone, "{threads} threads, {options:?}");
    }
    alone
}

#[test]
fn lines_come_in_log_order_and_end_where_the_limit_says_for_any_number_of_threads() {
    let temp = tempfile::tempdir().unwrap();
    let dir = large_log(temp.path());
    for format in ["json", "text", "kafka", "console", "csv"] {
        assert_same_for_all_threads(&dir, &["--format", format]);
    }
    let (status, lines, _) =
        assert_same_for_all_threads(&dir, &["--format", "json", "--limit", "4321"]);
    assert_eq!(status, Some(0));
    let text = String::from_utf8(lines).unwrap();
    for (offset, line) in text.lines().enumerate() {
        assert!(line.contains(&format!("\"offset\":{offset},")), "{line}");
    }
    assert_eq!(text.lines().count(), 4321);
    let (_, lines, _) =
        assert_same_for_all_threads(&dir, &["--format", "json", "--offsets", "3000..5003"]);
    assert_eq!(String::from_utf8(lines).unwrap().lines().count(), 2003);
}

#[test]
fn damage_within_a_large_segment_is_told_in_its_place_and_costs_no_other_batch() {
    let temp = tempfile::tempdir().unwrap();
    let dir = large_log(temp.path());
    let log = dir.join(format!("{:020}.log", 0));
    let whole = fs::read(&log).unwrap();
    let mut starts = vec![0];
    while let Some(at) = starts.last().copied().filter(|at| at + 12 < whole.len()) {
        let length = i32::from_be_bytes(whole[at + 8..at + 12].try_into().unwrap());
        starts.push(at + 12 + length as usize);
    }
    let damage: [fn(&mut Vec<u8>, usize); 4] = [
        |bytes, at| bytes[at + 300] ^= 1,
        |bytes, at| bytes[at + 8] = 0x7f,
        |bytes, at| bytes[at - 100..at + 40_000].fill(0),
        |bytes, at| drop(bytes.drain(at + 70..at + 9000)),
    ];
    for damage in damage {
        let mut bytes = whole.clone();
        // From the end, so that what was cut out moves nothing that is still to be damaged.
        for batch in [700, 333, 100] {
            damage(&mut bytes, starts[batch]);
        }
        fs::write(&log, bytes).unwrap();
        let (status, lines, heard) = assert_same_for_all_threads(&dir, &["--format", "json"]);
        assert_eq!(status, Some(1));
        let heard = String::from_utf8(heard).unwrap();
        assert!(heard.matches("position").count() >= 3, "{heard}");
        assert!(String::from_utf8(lines).unwrap().lines().count() > 7800);
    }
}

#[test]
fn a_reader_that_goes_away_early_ends_a_large_dump_quietly() {
    let temp = tempfile::tempdir().unwrap();
    let dir = large_log(temp.path());
    let mut child = Command::new(assert_cmd::cargo::cargo_bin!("logcompact"))
        .args(["dump", "--format", "json"])
        .arg(&dir)
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    drop(child.stdout.take());
    let output = child.wait_with_output().unwrap();
    assert_eq!(String::from_utf8(output.stderr).unwrap(), "");
    assert!(output.status.code().is_some_and(|code| code < 2), "{:?}", output.status);
}
