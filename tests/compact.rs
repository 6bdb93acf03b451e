//! `logcompact compact` as a user meets it: what survives, what the report says, what is refused.

mod support;

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

use predicates::prelude::*;
use serde_json::Value;
use support::log::{Log, put, tombstone};
use support::power::tree;
use support::{copy_folder, lines_of, logcompact, testdata};

const NOW_MS: &str = "1700000100000";

/// Compacts `source` into `out`, which must succeed, and gives the report.
fn compact(source: &Path, out: &Path, options: &[&str]) -> Value {
    let mut command = logcompact();
    command.args(["compact", "--quiet", "--now", NOW_MS, "--out"]).arg(out).arg(source);
    command.args(options).assert().success();
    report_of(out)
}

fn report_of(out: &Path) -> Value {
    serde_json::from_slice(&fs::read(out.join("logcompact-report.json")).unwrap()).unwrap()
}

/// The records of a partition directory as `offset key value`.
fn survivors(dir: &Path) -> Vec<String> {
    use base64::prelude::*;
    let text = |value: &Value| match value.as_str() {
        None => "null".to_owned(),
        Some(base64) => String::from_utf8(BASE64_STANDARD.decode(base64).unwrap()).unwrap(),
    };
    let lines = lines_of(dir);
    let records = lines.iter().filter(|line| line.get("key").is_some());
    records.map(|r| format!("{} {} {}", r["offset"], text(&r["key"]), text(&r["value"]))).collect()
}

#[test]
fn of_three_values_of_a_key_only_the_last_survives_at_its_own_offset() {
    let temp = tempfile::tempdir().unwrap();
    let mut log = Log::create(temp.path(), "user-states-0");
    for value in ["1", "2", "3"] {
        log.batch(&[put("A", value)]);
    }
    let source = log.roll().flush();
    let out = temp.path().join("out");
    let report = compact(&source, &out, &[]);
    assert_eq!(survivors(&out.join("user-states-0")), ["2 A 3"]);
    let partition = &report["partitions"][0];
    assert_eq!(partition["outcome"], "compacted");
    assert_eq!(partition["records_read"], 3);
    assert_eq!(partition["records_kept"], 1);
    assert_eq!(partition["removed"]["superseded"], 2);
    assert_eq!(partition["end_offset"], 3);
}

#[test]
fn login_update_profile_logout_leaves_logout() {
    let temp = tempfile::tempdir().unwrap();
    let mut log = Log::create(temp.path(), "user-states-0");
    let events = [put("user1", "login"), put("user1", "update_profile"), put("user1", "logout")];
    let source = log.batch(&events).roll().flush();
    compact(&source, &temp.path().join("out"), &[]);
    assert_eq!(survivors(&temp.path().join("out/user-states-0")), ["2 user1 logout"]);
}

#[test]
fn with_nothing_rolled_nothing_changes_and_the_report_says_why() {
    let temp = tempfile::tempdir().unwrap();
    let mut log = Log::create(temp.path(), "user-states-0");
    let source = log.batch(&[put("A", "1"), put("A", "2"), put("A", "3")]).flush();
    let out = temp.path().join("out");
    let report = compact(&source, &out, &[]);
    let name = "00000000000000000000.log";
    let (before, after) = (source.join(name), out.join("user-states-0").join(name));
    assert_eq!(fs::read(before).unwrap(), fs::read(after).unwrap());
    assert_eq!(report["partitions"][0]["outcome"], "unchanged");
    let reason = report["partitions"][0]["reason"].as_str().unwrap();
    assert!(reason.contains("0 cleanable segments"), "{reason}");
    assert!(reason.contains("active segment"), "{reason}");
}

#[test]
fn the_active_segment_is_cleaned_when_asked_for_and_the_report_says_so() {
    let temp = tempfile::tempdir().unwrap();
    let mut log = Log::create(temp.path(), "user-states-0");
    let source = log.batch(&[put("A", "1"), put("A", "2"), put("A", "3")]).flush();
    let out = temp.path().join("out");
    let report = compact(&source, &out, &["--include-active"]);
    assert_eq!(survivors(&out.join("user-states-0")), ["2 A 3"]);
    assert_eq!(report["include_active"], true);
    assert_eq!(report["partitions"][0]["end_offset"], 3);
}

#[test]
fn a_partition_without_a_record_is_unchanged_for_that_and_no_other_reason() {
    let temp = tempfile::tempdir().unwrap();
    let dir = temp.path().join("t-0");
    fs::create_dir(&dir).unwrap();
    fs::write(dir.join("00000000000000000000.log"), b"").unwrap();
    for (name, options) in [("a", &[][..]), ("b", &["--include-active"][..])] {
        let report = compact(&dir, &temp.path().join(name), options);
        let partition = &report["partitions"][0];
        assert_eq!(partition["outcome"], "unchanged");
        assert_eq!(partition["reason"], "0 cleanable segments (no records)");
    }
}

#[test]
fn a_newer_value_in_the_active_segment_leaves_the_older_one_in_place() {
    let temp = tempfile::tempdir().unwrap();
    let mut log = Log::create(temp.path(), "t-0");
    let source = log.batch(&[put("A", "1"), put("A", "2")]).roll().batch(&[put("A", "3")]).flush();
    compact(&source, &temp.path().join("out"), &[]);
    assert_eq!(survivors(&temp.path().join("out/t-0")), ["1 A 2", "2 A 3"]);
}

#[test]
fn a_tombstone_hides_what_is_older_and_goes_in_a_later_pass_behind_its_horizon() {
    let temp = tempfile::tempdir().unwrap();
    let mut log = Log::create(temp.path(), "t-0");
    let source = log
        .batch(&[put("A", "1"), tombstone("A"), put("B", "1")])
        .roll()
        .batch(&[put("C", "1")])
        .flush();
    let (first, second) = (temp.path().join("1"), temp.path().join("2"));
    let report = compact(&source, &first, &[]);
    assert_eq!(survivors(&first.join("t-0")), ["1 A null", "2 B 1", "3 C 1"]);
    assert_eq!(report["totals"]["tombstones_kept"], 1);
    let a_day_later = (NOW_MS.parse::<i64>().unwrap() + 86_400_000).to_string();
    let report = {
        let mut command = logcompact();
        command.args(["compact", "-q", "--now", &a_day_later, "--out"]).arg(&second);
        command.arg(first.join("t-0")).assert().success();
        report_of(&second)
    };
    assert_eq!(survivors(&second.join("t-0")), ["2 B 1", "3 C 1"]);
    assert_eq!(report["totals"]["removed"]["tombstones"], 1);
}

#[test]
fn drop_tombstones_leaves_state_only_in_one_pass() {
    let temp = tempfile::tempdir().unwrap();
    let mut log = Log::create(temp.path(), "t-0");
    let source = log.batch(&[put("A", "1"), tombstone("A"), put("B", "1")]).roll().flush();
    let report = compact(&source, &temp.path().join("out"), &["--drop-tombstones"]);
    assert_eq!(survivors(&temp.path().join("out/t-0")), ["2 B 1"]);
    assert_eq!(report["totals"]["removed"]["tombstones"], 1);
    let mut run = logcompact();
    run.args(["compact", "--dry-run", "--drop-tombstones"]).arg(&source).current_dir(temp.path());
    run.assert()
        .success()
        .stdout(predicate::str::contains("1  tombstones: all of them were to go"));
}

#[test]
fn a_record_without_a_key_goes_stays_or_fails_as_asked_and_an_empty_key_is_a_key() {
    let temp = tempfile::tempdir().unwrap();
    let mut log = Log::create(temp.path(), "t-0");
    let null_key = (None, Some(&b"n"[..]));
    let records = [put("", "1"), null_key, put("", "2"), put("A", "1")];
    let source = log.batch(&records).roll().batch(&[put("Z", "1")]).flush();
    let out = |name: &str| temp.path().join(name);

    let report = compact(&source, &out("drop"), &[]);
    assert_eq!(survivors(&out("drop").join("t-0")), ["2  2", "3 A 1", "4 Z 1"]);
    assert_eq!(report["totals"]["removed"]["null_key"], 1);

    compact(&source, &out("keep"), &["--null-keys", "keep"]);
    assert_eq!(survivors(&out("keep").join("t-0")), ["1 null n", "2  2", "3 A 1", "4 Z 1"]);

    logcompact()
        .args(["compact", "--null-keys", "fail", "--out"])
        .arg(out("fail"))
        .arg(&source)
        .assert()
        .code(1)
        .stderr(predicate::str::contains("offset 1 has no key"));
    assert!(!out("fail").join("t-0").exists());
}

#[test]
fn aborted_data_does_not_hide_the_committed_value_even_without_a_txnindex() {
    let temp = tempfile::tempdir().unwrap();
    let mut log = Log::create(temp.path(), "t-0");
    log.batch(&[put("A", "committed")]);
    log.transactional(7, &[put("A", "aborted")]).marker(7, false);
    log.batch(&[put("B", "1")]);
    let source = log.roll().batch(&[put("Z", "1")]).flush();
    let out = temp.path().join("out");
    let report = compact(&source, &out, &[]);
    let survivors = survivors(&out.join("t-0"));
    assert!(survivors.contains(&"0 A committed".to_owned()), "{survivors:?}");
    assert!(!survivors.iter().any(|line| line.contains("aborted")), "{survivors:?}");
    assert_eq!(report["totals"]["removed"]["aborted"], 1);
    let warning = report["partitions"][0]["warnings"][0].as_str().unwrap();
    assert!(warning.contains("in no .txnindex"), "{warning}");
}

#[test]
fn nothing_from_the_first_open_transaction_on_is_cleaned() {
    let temp = tempfile::tempdir().unwrap();
    let mut log = Log::create(temp.path(), "t-0");
    log.batch(&[put("A", "1"), put("A", "2")]).roll();
    log.transactional(7, &[put("A", "3")]).batch(&[put("A", "4"), put("A", "5")]).roll();
    let source = log.batch(&[put("Z", "1")]).flush();
    let report = compact(&source, &temp.path().join("out"), &[]);
    let kept = survivors(&temp.path().join("out/t-0"));
    assert_eq!(kept, ["1 A 2", "2 A 3", "3 A 4", "4 A 5", "5 Z 1"]);
    assert_eq!(report["partitions"][0]["last_stable_offset"], 2);
    assert_eq!(report["partitions"][0]["end_offset"], 2);
}

#[test]
fn offsets_too_far_apart_for_one_index_go_to_segments_of_their_own() {
    let temp = tempfile::tempdir().unwrap();
    let mut log = Log::create(temp.path(), "t-0");
    log.batch(&[put("A", "1")]).roll();
    log.skip_to(3_000_000_000).roll().batch(&[put("B", "1")]).roll();
    log.skip_to(3_000_000_007).roll();
    let source = log.batch(&[put("Z", "1")]).flush();
    let out = temp.path().join("out");
    compact(&source, &out, &[]);
    let names =
        ["00000000000000000000.log", "00000000003000000000.log", "00000000003000000007.log"];
    for name in names {
        assert!(out.join("t-0").join(name).exists(), "{name}");
    }
    assert_eq!(survivors(&out.join("t-0")), ["0 A 1", "3000000000 B 1", "3000000007 Z 1"]);
}

#[test]
fn a_dirty_ratio_that_is_not_reached_carries_the_partition_over_as_it_is() {
    let temp = tempfile::tempdir().unwrap();
    let mut log = Log::create(&temp.path().join("logs"), "t-0");
    log.batch(&[put("A", "1"), put("A", "2")]).roll();
    let source = log.batch(&[put("A", "3")]).flush();
    let checkpoint = temp.path().join("logs/cleaner-offset-checkpoint");
    fs::write(checkpoint, "0\n1\nt 0 2\n").unwrap();
    let out = temp.path().join("out");
    let report = compact(&source, &out, &["--min-cleanable-dirty-ratio", "0.5"]);
    assert_eq!(survivors(&out.join("t-0")), ["0 A 1", "1 A 2", "2 A 3"]);
    assert_eq!(report["partitions"][0]["outcome"], "skipped");
    assert_eq!(report["partitions"][0]["first_dirty_offset"], 2);
}

#[test]
fn what_is_dirty_for_longer_than_the_lag_may_be_is_compacted_whatever_the_ratio() {
    let temp = tempfile::tempdir().unwrap();
    let mut log = Log::create(&temp.path().join("logs"), "t-0");
    log.batch(&[put("A", "1"), put("A", "2")]).roll();
    log.batch(&[put("A", "3")]).roll();
    let source = log.batch(&[put("A", "4")]).flush();
    // The last of the two segments that can be cleaned is dirty, and begins here.
    fs::write(temp.path().join("logs/cleaner-offset-checkpoint"), "0\n1\nt 0 2\n").unwrap();
    let is_first_dirty = |line: &&Value| line["offset"] == 2;
    let lines = lines_of(&source);
    let first_dirty_ms = lines.iter().find(is_first_dirty).unwrap()["timestamp"].as_i64().unwrap();
    let age_ms = NOW_MS.parse::<i64>().unwrap() - first_dirty_ms;
    for (lag_ms, outcome) in [(age_ms, "skipped"), (age_ms - 1, "compacted")] {
        let out = temp.path().join(lag_ms.to_string());
        let lag = format!("--max-compaction-lag-ms={lag_ms}");
        let report = compact(&source, &out, &["--min-cleanable-dirty-ratio", "0.9", &lag]);
        assert_eq!(report["partitions"][0]["outcome"], outcome, "{lag_ms}");
    }
}

#[test]
fn what_was_aborted_in_front_of_the_log_start_goes() {
    let temp = tempfile::tempdir().unwrap();
    let root = temp.path().join("logs");
    let mut log = Log::create(&root, "t-0");
    log.transactional(7, &[put("A", "aborted")]).marker(7, false);
    log.batch(&[put("B", "1"), put("B", "2"), put("C", "1")]).roll();
    let source = log.batch(&[put("Z", "1")]).flush();
    let start_at = |offset: i64| {
        let text = format!("0\n1\nt 0 {offset}\n");
        fs::write(root.join("log-start-offset-checkpoint"), text).unwrap();
    };
    start_at(4);
    compact(&source, &temp.path().join("out"), &["--keep-rounds", "0"]);
    // The marker stays for a while.
    let survivors_then = ["1 \0\0\0\0 \0\0\0\0\0\0", "2 B 1", "3 B 2", "4 C 1", "5 Z 1"];
    assert_eq!(survivors(&temp.path().join("out/t-0")), survivors_then);
    // Behind all that could be compacted: there is nothing to do, as in Kafka.
    start_at(5);
    let report = compact(&source, &temp.path().join("behind"), &["--keep-rounds", "0"]);
    let reason = report["partitions"][0]["reason"].as_str().unwrap();
    assert!(reason.contains("the log starts behind them, at offset 5"), "{reason}");
    let log = |dir: &Path| fs::read(dir.join("00000000000000000000.log")).unwrap();
    assert_eq!(log(&temp.path().join("behind/t-0")), log(&source));
}

#[test]
fn the_delete_policy_drops_whole_old_segments_and_counts_their_records() {
    let temp = tempfile::tempdir().unwrap();
    let mut log = Log::create(temp.path(), "t-0");
    log.batch(&[put("A", "1"), put("B", "1")]).roll();
    log.now_ms += 50_000;
    log.batch(&[put("A", "2"), put("A", "3")]).roll();
    let source = log.batch(&[put("Z", "1")]).flush();
    let options = ["--cleanup-policy", "compact,delete", "--retention-ms", "60000"];
    let report = compact(&source, &temp.path().join("both"), &options);
    assert_eq!(survivors(&temp.path().join("both/t-0")), ["3 A 3", "4 Z 1"]);
    assert_eq!(report["totals"]["removed"]["retention"], 2);
    assert_eq!(report["partitions"][0]["log_start_offset"], 2);

    let options = ["--cleanup-policy", "delete", "--retention-ms", "60000"];
    compact(&source, &temp.path().join("delete"), &options);
    assert_eq!(survivors(&temp.path().join("delete/t-0")), ["2 A 2", "3 A 3", "4 Z 1"]);
}

#[test]
fn settings_come_from_a_topic_file_and_the_command_line_wins() {
    let temp = tempfile::tempdir().unwrap();
    let config = temp.path().join("topic.properties");
    let lines = "# the lab\ncleanup.policy=compact\nsegment.ms=100\nmin.compaction.lag.ms=7d\n";
    fs::write(&config, lines).unwrap();
    let mut log = Log::create(temp.path(), "t-0");
    let source = log.batch(&[put("A", "1"), put("A", "2")]).roll().batch(&[put("Z", "1")]).flush();
    let file = ["--topic-config", config.to_str().unwrap()];
    let report = compact(&source, &temp.path().join("lag"), &file);
    assert_eq!(report["partitions"][0]["outcome"], "unchanged");
    let both = [&file[..], &["--min-compaction-lag-ms", "0"]].concat();
    let report = compact(&source, &temp.path().join("no-lag"), &both);
    assert_eq!(report["partitions"][0]["outcome"], "compacted");
}

#[test]
fn a_dry_run_reports_the_exact_saving_and_writes_nothing() {
    let temp = tempfile::tempdir().unwrap();
    let source = testdata("storage-4.1.1/v2-mixed-0");
    let out = temp.path().join("out");
    let real = compact(&source, &out, &[]);
    let dry = temp.path().join("dry");
    let output = logcompact()
        .args(["compact", "--dry-run", "--report", "-", "--now", NOW_MS, "--out"])
        .args([&dry, &source])
        .assert()
        .success()
        .get_output()
        .stdout
        .clone();
    let report: Value = serde_json::from_slice(&output).unwrap();
    assert_eq!(report["totals"], real["totals"]);
    assert_eq!(report["dry_run"], true);
    assert!(!dry.exists());
}

/// The names and bytes of the files in a folder.
fn files_of(dir: &Path) -> BTreeMap<PathBuf, Vec<u8>> {
    let paths = fs::read_dir(dir).unwrap().map(|entry| entry.unwrap().path());
    let files = paths.filter(|path| path.is_file());
    files.map(|path| (path.file_name().unwrap().into(), fs::read(&path).unwrap())).collect()
}

#[test]
fn the_output_does_not_depend_on_the_number_of_threads_or_on_memory() {
    let temp = tempfile::tempdir().unwrap();
    let source = testdata("storage-4.1.1/v2-mixed-0");
    let one = temp.path().join("one");
    compact(&source, &one, &["--threads", "1"]);
    for (name, options) in [
        ("two", ["--threads", "2"]),
        ("many", ["--threads", "16"]),
        ("tight", ["--memory", "1KiB"]),
    ] {
        let out = temp.path().join(name);
        compact(&source, &out, &options);
        let (one, out) = (one.join("v2-mixed-0"), out.join("v2-mixed-0"));
        assert!(files_of(&one) == files_of(&out), "{name}");
        // What the next round will go by is no different.
        let state = |dir: &Path| files_of(&dir.join(".logcompact"));
        assert!(state(&one) == state(&out), "{name}: the state");
    }
    assert!(report_of(&temp.path().join("tight"))["partitions"][0]["passes"].as_u64() > Some(1));
}

#[test]
fn keys_of_a_megabyte_are_compared_to_their_last_byte_whatever_the_memory() {
    let temp = tempfile::tempdir().unwrap();
    let mut log = Log::create(temp.path(), "t-0");
    let key = |last: char| format!("{}{last}", "k".repeat(1 << 20));
    let (a, b) = (key('a'), key('b'));
    for round in ["1", "2", "3"] {
        log.batch(&[put(&a, round)]).batch(&[put(&b, round)]);
    }
    let source = log.roll().batch(&[put("Z", "1")]).flush();
    let out = temp.path().join("out");
    let report = compact(&source, &out, &["--memory", "1MiB"]);
    let offsets: Vec<String> = survivors(&out.join("t-0"))
        .iter()
        .map(|line| line.split_once(' ').unwrap().0.to_owned())
        .collect();
    assert_eq!(offsets, ["4", "5", "6"]);
    assert_eq!(report["totals"]["distinct_keys"], 2);
}

#[test]
fn what_a_run_that_was_killed_has_staged_goes_at_the_next() {
    let temp = tempfile::tempdir().unwrap();
    let out = temp.path().join("out");
    fs::create_dir_all(out.join(".logcompact-staging/t-0")).unwrap();
    logcompact()
        .args(["compact", "--out"])
        .args([&out, &testdata("broker-3.9.1/lab-raw-0")])
        .assert()
        .success();
    assert!(!out.join(".logcompact-staging").exists() && !out.join("t-0").exists());
    // Beside something else, it is not ours to judge.
    let strange = temp.path().join("strange");
    fs::create_dir_all(strange.join(".logcompact-staging")).unwrap();
    fs::write(strange.join("mine"), "x").unwrap();
    logcompact()
        .args(["compact", "--out"])
        .args([&strange, &testdata("broker-3.9.1/lab-raw-0")])
        .assert()
        .code(2)
        .stderr(predicate::str::contains("a run that did not finish"));
}

#[test]
fn an_output_inside_the_source_is_refused() {
    let temp = tempfile::tempdir().unwrap();
    let mut log = Log::create(&temp.path().join("logs"), "t-0");
    let source = log.batch(&[put("A", "1")]).roll().flush();
    let logs = source.parent().unwrap();
    for (folder, dir, out) in
        [(&*source, ".", None), (logs, ".", None), (logs, "t-0", Some("t-0/x/y"))]
    {
        let mut command = logcompact();
        command.current_dir(folder).args(["compact", dir]);
        command.args(out.into_iter().flat_map(|out| ["--out", out]));
        command.assert().code(2).stderr(predicate::str::contains("would lie inside"));
    }
    assert_eq!(fs::read_dir(logs).unwrap().count(), 1);
}

#[test]
fn preallocated_indexes_of_the_active_segment_are_trimmed_and_a_missing_one_is_built() {
    let temp = tempfile::tempdir().unwrap();
    let source = temp.path().join("tx-compacted-0");
    copy_folder(&testdata("broker-3.9.1/tx-compacted-0"), &source);
    let index = source.join("00000000000000001087.index");
    let whole = fs::read(&index).unwrap();
    fs::write(&index, [whole.clone(), vec![0; 1 << 16]].concat()).unwrap();
    fs::remove_file(source.join("00000000000000000000.index")).unwrap();
    let out = temp.path().join("out");
    compact(&source, &out, &[]);
    let carried = fs::read(out.join("tx-compacted-0/00000000000000001087.index")).unwrap();
    assert_eq!(carried, whole);
    fs::remove_file(&index).unwrap();
    let out = temp.path().join("again");
    compact(&source, &out, &[]);
    let built = fs::read(out.join("tx-compacted-0/00000000000000001087.index")).unwrap();
    assert_eq!(built, whole, "what Kafka had written");
    logcompact().args(["verify", "--strict"]).arg(&out).assert().success();
}

#[test]
fn a_report_that_cannot_be_written_is_refused_before_the_work() {
    let temp = tempfile::tempdir().unwrap();
    let out = temp.path().join("out");
    logcompact()
        .args(["compact", "--report", "nowhere/report.json", "--out"])
        .args([&out, &testdata("broker-3.9.1/lab-raw-0")])
        .assert()
        .code(2)
        .stderr(predicate::str::contains("the report cannot be written there"));
    assert!(!out.exists());
}

#[test]
fn a_log_directory_comes_out_as_one_with_its_checkpoints_moved_on() {
    let temp = tempfile::tempdir().unwrap();
    let out = temp.path().join("out");
    let report = compact(&testdata("broker-3.9.1"), &out, &[]);
    assert_eq!(report["outcome"], "ok");
    assert_eq!(report["partitions"].as_array().unwrap().len(), 24);
    let checkpoint = fs::read_to_string(out.join("cleaner-offset-checkpoint")).unwrap();
    assert!(checkpoint.contains("\nlab-compacted 0 7\n"), "{checkpoint}");
    assert!(checkpoint.contains("\nlab-raw 0 7\n"), "{checkpoint}");
    assert!(!checkpoint.contains("lab-compacted-h"), "not in the output: {checkpoint}");
    assert!(out.join("meta.properties").exists());
    assert!(out.join("lab-raw-0/partition.metadata").exists());
    assert!(out.join("lab-raw-0/leader-epoch-checkpoint").exists());
    assert!(!out.join(".logcompact-staging").exists());
}

#[test]
fn no_command_that_only_reads_touches_its_source() {
    let temp = tempfile::tempdir().unwrap();
    let root = temp.path().join("logs");
    for name in [
        "storage-4.1.1/v2-mixed-0",
        "storage-4.1.1/v2-plain-0",
        "groups/broker/__consumer_offsets-0",
    ] {
        let name_here = Path::new(name).file_name().unwrap();
        copy_folder(&testdata(name), &root.join(name_here));
    }
    fs::write(root.join("cleaner-offset-checkpoint"), "0\n1\nv2-plain 0 9\n").unwrap();
    let keys = temp.path().join("keys");
    fs::write(&keys, "A\n").unwrap();
    // What lies there, byte for byte, and when it was last written to.
    let before = tree(&root);
    let commands = [
        "compact --out OUT --verify",
        "compact --out OUT --to-offset 500",
        "compact --out OUT",
        "compact --out FRESH --dry-run --strategy timestamp",
        "compact --out OTHER --include-active --compression zstd --segment-bytes 20000",
        "compact --out ERASED --erase-keys KEYS --on-damage skip --keep-rounds 0",
        "dump --show all",
        "dump --state --isolation read_committed --reverse --format json",
        "verify --strict --check-key-spread --partitioner auto",
        "verify --against OUT",
        "plan --out PLANNED --units 2",
        "stats --html PAGE",
        "groups",
        "repair --dry-run",
        "repair --skip --out MENDED",
    ];
    for command in commands {
        let words = command.split(' ').map(|word| match word {
            "OUT" | "FRESH" | "OTHER" | "ERASED" | "PLANNED" | "PAGE" | "MENDED" => {
                temp.path().join(word).display().to_string()
            }
            "KEYS" => keys.display().to_string(),
            _ => word.to_owned(),
        });
        let ran = logcompact().args(words).arg(&root).assert();
        assert_ne!(ran.get_output().status.code(), Some(2), "{command}: {ran}");
        assert!(tree(&root) == before, "{command}");
    }
}

#[test]
fn one_record_without_a_key_is_told_of_in_the_singular() {
    let temp = tempfile::tempdir().unwrap();
    let mut log = Log::create(temp.path(), "t-0");
    log.batch(&[(None, Some(&b"v"[..])), put("A", "1")]).roll().batch(&[put("A", "2")]).flush();
    let told = "t-0: 1 record without a key was dropped, as Kafka's cleaner does; --null-keys keep \
                keeps it";
    let mut command = logcompact();
    command.args(["compact", "--dry-run"]).arg(temp.path().join("t-0"));
    command.assert().success().stderr(predicate::str::contains(told));
}
