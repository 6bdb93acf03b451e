//! `compact --in-place`: the same result where the source lay, nobody disturbed, nothing left over.

mod support;

use std::collections::BTreeMap;
use std::fs::{self, File};
use std::os::unix::fs::{MetadataExt, PermissionsExt};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::{Duration, Instant, SystemTime};

use logcompact::format::codec::{Codec, Workbench};
use predicates::prelude::*;
use predicates::str::contains;
use rustix::fs::{FlockOperation, fcntl_lock};
use serde_json::Value;
use support::log::{Log, put, tombstone};
use support::power::{Die, tree};
use support::state::content_of;
use support::{copy_folder, logcompact, testdata};

const NOW: [&str; 2] = ["--now", "1795300000000"];

/// A copy of the test data that a stopped broker left.
fn stopped_broker(temp: &Path) -> PathBuf {
    let dir = temp.join("kafka");
    copy_folder(&testdata("broker-3.9.1"), &dir);
    dir
}

fn in_place(dir: &Path) -> assert_cmd::Command {
    let mut command = logcompact();
    command.args(["compact", "--in-place"]).args(NOW).arg(dir);
    command
}

#[test]
fn in_place_comes_out_what_a_folder_of_its_own_gets() {
    for options in [&[][..], &["--include-active"], &["--segment-bytes", "4096"]] {
        let temp = tempfile::tempdir().unwrap();
        let dir = stopped_broker(temp.path());
        let out = temp.path().join("out");
        logcompact()
            .args(["compact"])
            .arg(&dir)
            .arg("--out")
            .arg(&out)
            .args(["--keep-rounds", "0"])
            .args(NOW)
            .args(options)
            .assert()
            .success();
        in_place(&dir).args(options).assert().success().stdout(contains("Rewritten in place"));
        // A broker's preallocated indexes are left as they are in place.
        let files = |root: &Path| {
            let is_compared = |path: &Path| {
                // The log of KRaft metadata is not touched in place unless it is named.
                path.components().count() > 1 && !path.starts_with("__cluster_metadata-0")
            };
            let files = tree(root).into_iter().filter(|(path, ..)| is_compared(path));
            let trimmed = |bytes: Vec<u8>| {
                let end = bytes.iter().rposition(|byte| *byte != 0).map_or(0, |last| last + 1);
                bytes[..end].to_vec()
            };
            files.map(|(path, bytes, _)| (path, trimmed(bytes))).collect::<Vec<_>>()
        };
        let (ours, theirs) = (files(&dir), files(&out));
        let names = |files: &[(PathBuf, Vec<u8>)]| -> Vec<PathBuf> {
            files.iter().map(|(path, _)| path.clone()).collect()
        };
        assert_eq!(names(&ours), names(&theirs), "{options:?}");
        assert!(ours == theirs, "{options:?}");
    }
}

#[test]
fn the_cleaner_checkpoint_says_how_far_it_went_and_keeps_what_it_said_of_others() {
    let temp = tempfile::tempdir().unwrap();
    let dir = stopped_broker(temp.path());
    let file = dir.join("cleaner-offset-checkpoint");
    fs::write(&file, "0\n2\nelsewhere 4 77\nlab-raw 0 1\n").unwrap();
    let report = temp.path().join("report.json");
    in_place(&dir.join("lab-raw-0")).arg("--report").arg(&report).assert().success();
    let report: serde_json::Value = serde_json::from_slice(&fs::read(report).unwrap()).unwrap();
    assert_eq!(report["in_place"], true);
    let end = report["partitions"][0]["end_offset"].as_i64().unwrap();
    assert!(end > 1);
    let text = fs::read_to_string(&file).unwrap();
    assert_eq!(text, format!("0\n2\nelsewhere 4 77\nlab-raw 0 {end}\n"));
}

#[test]
fn owner_mode_and_modification_time_are_kept() {
    let temp = tempfile::tempdir().unwrap();
    let dir = temp.path().join("t-0");
    let mut log = Log::create(temp.path(), "t-0");
    for n in 0..5 {
        log.batch(&[put("k", &n.to_string())]).roll();
    }
    log.batch(&[put("active", "1")]).flush();
    let first = dir.join("00000000000000000000.log");
    fs::set_permissions(&first, fs::Permissions::from_mode(0o640)).unwrap();
    let is_root = File::open(&first).unwrap().metadata().unwrap().uid() == 0;
    if is_root {
        std::os::unix::fs::chown(&first, Some(1234), Some(4321)).unwrap();
    }
    // The modification time that Kafka carries is that of the group's last segment.
    let last = File::options().append(true).open(dir.join("00000000000000000004.log")).unwrap();
    let modified = std::time::UNIX_EPOCH + Duration::from_secs(1_600_000_000);
    last.set_modified(modified).unwrap();
    in_place(&dir).assert().success();
    for kind in ["log", "index", "timeindex"] {
        let path = dir.join(format!("00000000000000000000.{kind}"));
        let metadata = fs::metadata(&path).unwrap();
        assert_eq!(metadata.permissions().mode() & 0o777, 0o640, "{kind}");
        assert_eq!(metadata.modified().unwrap(), modified, "{kind}");
        if is_root {
            assert_eq!((metadata.uid(), metadata.gid()), (1234, 4321), "{kind}");
        }
    }
    assert!(!dir.join("00000000000000000001.log").exists());
}

/// Who each file of a folder is, and when it was modified.
fn identities(dir: &Path) -> BTreeMap<PathBuf, (u64, SystemTime)> {
    let files = fs::read_dir(dir).unwrap().map(|entry| entry.unwrap().path());
    files
        .map(|path| {
            let metadata = fs::metadata(&path).unwrap();
            (path, (metadata.ino(), metadata.modified().unwrap()))
        })
        .collect()
}

/// A log of three segments, all keys different but for one of the second segment that comes again
/// in the third, if so, and an active one; none of the three fits into one with another.
fn three_segments(root: &Path, repeats: bool) -> (PathBuf, PathBuf) {
    let mut log = Log::create(root, "t-0");
    let long = "x".repeat(3000);
    for n in 0..3 {
        for m in 0..4 {
            log.batch(&[put(&format!("{n}-{m}"), &long), put(&format!("{n}+{m}"), &long)]);
        }
        if repeats && n == 2 {
            log.batch(&[put("1-2", "newer")]);
        }
        log.roll();
    }
    let dir = log.batch(&[put("active", "1")]).flush();
    let config = root.join("topic.properties");
    fs::write(&config, "segment.bytes=26000\n").unwrap();
    (dir, config)
}

#[test]
fn a_segment_that_comes_out_as_it_went_in_keeps_its_files() {
    let temp = tempfile::tempdir().unwrap();
    let (dir, config) = three_segments(temp.path(), false);
    let compact = |dir: &Path| {
        let mut command = in_place(dir);
        command.arg("--topic-config").arg(&config);
        command
    };
    // Its indexes are not what they should be, so the first run writes all of them.
    let said = contains("Rewritten in place.");
    compact(&dir).assert().success().stdout(said);
    let (before, files) = (identities(&dir), tree(&dir));
    let report = temp.path().join("report.json");
    let said = contains("Cleaned in place: 3 segments left untouched");
    compact(&dir).arg("--report").arg(&report).assert().success().stdout(said);
    assert_eq!(identities(&dir), before);
    let report: serde_json::Value = serde_json::from_slice(&fs::read(report).unwrap()).unwrap();
    assert_eq!(report["partitions"][0]["outcome"], "compacted");
    for (counter, wanted) in
        [("segments_untouched", 3), ("segments_after", 3), ("records_kept", 24), ("passes", 1)]
    {
        assert_eq!(report["partitions"][0][counter], wanted, "{counter}");
    }
    // An index that says something else, one that is missing, and one too many.
    for (kind, bytes) in
        [("index", Some(&[0; 8][..])), ("timeindex", None), ("txnindex", Some(b"x"))]
    {
        let path = dir.join(format!("00000000000000000008.{kind}"));
        match bytes {
            Some(bytes) => fs::write(&path, bytes).unwrap(),
            None => fs::remove_file(&path).unwrap(),
        }
        let said = contains("2 of 3 segments left untouched, for they came out as they were");
        compact(&dir).assert().success().stdout(said);
        assert!(tree(&dir) == files, "{kind}");
    }
}

#[test]
fn an_empty_batch_that_stays_does_not_make_a_segment_another_one() {
    let temp = tempfile::tempdir().unwrap();
    let mut log = Log::create(temp.path(), "t-0");
    log.batch(&[put("a", "1")]).batch(&[tombstone("z")]).roll();
    let dir = log.batch(&[put("active", "1")]).flush();
    let compact = |dir: &Path| in_place(dir).arg("--drop-tombstones").assert().success();
    compact(&dir).stdout(contains("1 of 2 records kept"));
    let before = identities(&dir);
    compact(&dir).stdout(contains("Cleaned in place: 1 segment left untouched"));
    assert_eq!(identities(&dir), before);
}

#[test]
fn what_stays_untouched_beside_what_is_rewritten_is_what_a_rewrite_of_all_gives() {
    let temp = tempfile::tempdir().unwrap();
    let (dir, config) = three_segments(temp.path(), true);
    // With the indexes that a broker would have, and not cleaned.
    logcompact().args(["repair", "--in-place"]).arg(&dir).assert().success();
    let before = identities(&dir);
    let out = temp.path().join("out");
    let options = ["--keep-rounds", "0"];
    let mut command = logcompact();
    command.arg("compact").args(NOW).args(options).arg("--topic-config").arg(&config);
    command.arg(&dir).arg("--out").arg(&out).assert().success();
    let said = contains("Rewritten in place; 2 of 3 segments left untouched");
    in_place(&dir)
        .arg("--topic-config")
        .arg(&config)
        .arg("--verify")
        .assert()
        .success()
        .stdout(said);
    let files = |root: &Path| -> Vec<(PathBuf, Vec<u8>)> {
        tree(root).into_iter().map(|(path, bytes, _modified)| (path, bytes)).collect()
    };
    assert!(files(&dir) == files(&out.join("t-0")));
    let after = identities(&dir);
    for (path, who) in &before {
        let is_of_the_second = path.to_str().unwrap().contains("/00000000000000000008.");
        let is_log = path.extension().is_some_and(|kind| kind == "log");
        if is_log {
            assert_eq!(after.get(path) == Some(who), !is_of_the_second, "{}", path.display());
        }
    }
}

/// A message of magic 0.
fn message(offset: i64, codec: Codec, key: Option<&str>, value: &[u8]) -> Vec<u8> {
    let mut checked = vec![0, codec as u8];
    checked.extend_from_slice(&key.map_or(-1, |key| key.len() as i32).to_be_bytes());
    checked.extend_from_slice(key.unwrap_or_default().as_bytes());
    checked.extend_from_slice(&(value.len() as i32).to_be_bytes());
    checked.extend_from_slice(value);
    let mut message = offset.to_be_bytes().to_vec();
    message.extend_from_slice(&(checked.len() as i32 + 4).to_be_bytes());
    message.extend_from_slice(&crc32fast::hash(&checked).to_be_bytes());
    message.extend_from_slice(&checked);
    message
}

#[test]
fn the_log_ends_where_it_ended_though_the_last_record_of_a_set_went() {
    let temp = tempfile::tempdir().unwrap();
    let plain = |offset, key| message(offset, Codec::None, key, b"v");
    // What is made of this set ends at the record that stays.
    let set = [plain(1, Some("l")), plain(2, None)].concat();
    let mut packed = Vec::new();
    Workbench::new().compress(Codec::Gzip, 0, &set, &mut packed).unwrap();
    let mut log = Log::create(temp.path(), "t-0");
    log.raw(&plain(0, Some("k"))).skip_to(1).roll();
    let dir = log.raw(&message(2, Codec::Gzip, None, &packed)).flush();
    for options in [&["--verify"][..], &["--verify", "--message-format", "keep"]] {
        let copy = temp.path().join(format!("copy-{}", options.len()));
        copy_folder(&dir, &copy);
        let mut command = in_place(&copy);
        command.arg("--include-active").args(options);
        command.assert().success().stdout(contains("2 of 3 records kept"));
        assert_eq!(fs::metadata(copy.join("00000000000000000003.log")).unwrap().len(), 0);
    }
}

#[test]
fn a_lock_that_a_broker_holds_is_respected_whichever_kind_it_is() {
    let temp = tempfile::tempdir().unwrap();
    let dir = stopped_broker(temp.path());
    let lock = File::create(dir.join(".lock")).unwrap();
    let before = tree(&dir);
    // Java takes a record lock (fcntl), others take flock.
    fcntl_lock(&lock, FlockOperation::NonBlockingLockExclusive).unwrap();
    let refused = |what: &Path| {
        in_place(what).assert().code(2).stdout("").stderr(contains("a broker").count(1));
    };
    refused(&dir);
    refused(&dir.join("lab-raw-0"));
    fcntl_lock(&lock, FlockOperation::Unlock).unwrap();
    lock.lock().unwrap();
    refused(&dir);
    lock.unlock().unwrap();
    assert!(tree(&dir) == before);
    in_place(&dir).assert().success();
}

#[test]
fn a_lock_is_found_where_a_named_link_lies_and_where_it_leads() {
    let temp = tempfile::tempdir().unwrap();
    let dir = stopped_broker(temp.path());
    let elsewhere = temp.path().join("elsewhere");
    fs::create_dir(&elsewhere).unwrap();
    fs::write(elsewhere.join("meta.properties"), "version=1\n").unwrap();
    fs::write(elsewhere.join(".kafka_cleanshutdown"), "{}").unwrap();
    let link = elsewhere.join("lab-raw-0");
    std::os::unix::fs::symlink(dir.join("lab-raw-0"), &link).unwrap();
    for locked in [&dir, &elsewhere] {
        let lock = File::create(locked.join(".lock")).unwrap();
        fcntl_lock(&lock, FlockOperation::NonBlockingLockExclusive).unwrap();
        in_place(&link).assert().code(2).stderr(contains("a broker"));
    }
    in_place(&link).assert().success();
    let said = |dir: &Path| fs::read_to_string(dir.join("cleaner-offset-checkpoint")).unwrap();
    assert!(said(&elsewhere).contains("lab-raw 0 7"), "{}", said(&elsewhere));
}

#[test]
fn a_partition_that_cannot_be_changed_fails_alone_and_the_others_are_told_of() {
    let temp = tempfile::tempdir().unwrap();
    let dir = stopped_broker(temp.path());
    fs::write(dir.join("cleaner-offset-checkpoint"), "junk").unwrap();
    // A folder where a file is to come to be.
    let in_the_way = dir.join("kpy-none-0/00000000000000000000.log.cleaned");
    fs::create_dir(&in_the_way).unwrap();
    let report = temp.path().join("report.json");
    in_place(&dir)
        .arg("--report")
        .arg(&report)
        .assert()
        .code(2)
        .stdout(contains("rdk-zstd-0"))
        .stderr(contains("kpy-none-0: left alone"))
        .stderr(contains("not all was done"));
    let report: serde_json::Value = serde_json::from_slice(&fs::read(report).unwrap()).unwrap();
    let outcomes = report["partitions"].as_array().unwrap().iter().map(|p| &p["outcome"]);
    assert_eq!(outcomes.filter(|outcome| *outcome == "failed").count(), 1);
    let text = fs::read_to_string(dir.join("cleaner-offset-checkpoint")).unwrap();
    assert!(text.contains("rdk-zstd 0 ") && !text.contains("kpy-none"), "{text}");
}

#[test]
fn the_metadata_log_of_a_log_directory_is_cleaned_only_if_it_is_named() {
    let temp = tempfile::tempdir().unwrap();
    let dir = stopped_broker(temp.path());
    let metadata = dir.join("__cluster_metadata-0");
    let before = tree(&metadata);
    in_place(&dir).arg("--include-active").assert().success();
    assert!(tree(&metadata) == before);
    in_place(&metadata).arg("--include-active").assert().success();
    assert!(tree(&metadata) != before);
}

#[test]
fn a_second_run_on_the_same_partition_is_refused() {
    let temp = tempfile::tempdir().unwrap();
    Log::create(temp.path(), "t-0").batch(&[put("k", "1")]).flush();
    let dir = temp.path().join("t-0");
    let held = File::open(&dir).unwrap();
    held.lock().unwrap();
    in_place(&dir).assert().code(2).stderr(contains("another logcompact is at work here"));
}

#[test]
fn a_directory_that_needs_recovery_first_is_refused_unless_forced() {
    let temp = tempfile::tempdir().unwrap();
    let dir = stopped_broker(temp.path());
    fs::remove_file(dir.join(".kafka_cleanshutdown")).unwrap();
    in_place(&dir).assert().code(2).stderr(contains("not shut down cleanly").count(1));
    in_place(&dir).arg("--force").assert().success();
}

#[test]
fn a_dry_run_in_place_changes_nothing_and_asks_for_no_lock() {
    let temp = tempfile::tempdir().unwrap();
    let dir = stopped_broker(temp.path());
    let before = tree(&dir);
    in_place(&dir).arg("--dry-run").assert().success().stdout(contains("nothing was written"));
    assert!(tree(&dir) == before);
}

#[test]
fn a_damaged_partition_is_left_as_it_is_and_the_others_are_compacted() {
    let temp = tempfile::tempdir().unwrap();
    let dir = stopped_broker(temp.path());
    let log = dir.join("kpy-none-0/00000000000000000000.log");
    let mut bytes = fs::read(&log).unwrap();
    bytes[100] ^= 1;
    fs::write(&log, bytes).unwrap();
    let before = tree(&dir.join("kpy-none-0"));
    in_place(&dir).assert().code(1).stderr(contains("left alone"));
    assert!(tree(&dir.join("kpy-none-0")) == before);
    assert!(!dir.join("tx-compacted-0").join("00000000000000000000.log.cleaned").exists());
}

#[test]
fn what_an_interrupted_run_left_is_named_by_verify_and_ended_by_the_next_run() {
    let temp = tempfile::tempdir().unwrap();
    let dir = stopped_broker(temp.path()).join("lab-raw-0");
    let state = content_of(&dir).state;
    for kind in ["log", "index"] {
        let file = dir.join(format!("00000000000000000000.{kind}"));
        fs::copy(&file, file.with_extension(format!("{kind}.cleaned"))).unwrap();
    }
    fs::write(dir.join("00000000000000000007.log.deleted"), "x").unwrap();
    logcompact().arg("verify").arg(&dir).assert().stdout(contains(".log.cleaned"));
    in_place(&dir).assert().success().stderr(contains("an interrupted swap is undone"));
    assert_eq!(content_of(&dir).state, state);
    let leftover =
        |name: &str| ["cleaned", "swap", "deleted"].iter().any(|end| name.ends_with(end));
    let names = tree(&dir).into_iter().map(|(path, ..)| path.to_string_lossy().into_owned());
    assert_eq!(names.filter(|name| leftover(name)).count(), 0);
}

/// The files of replaced segments that lie in `dir`, and the others.
fn deleted_and_others(dir: &Path) -> [Vec<(PathBuf, Vec<u8>)>; 2] {
    let files = tree(dir).into_iter().map(|(path, bytes, _)| (path, bytes));
    let (deleted, others) =
        files.partition(|(path, _)| path.extension().is_some_and(|end| end == "deleted"));
    [deleted, others]
}

fn report_of(command: &mut assert_cmd::Command) -> Value {
    let output = command.args(["--report", "-", "-q"]).assert().success().get_output().clone();
    serde_json::from_slice(&output.stdout).unwrap()
}

#[test]
fn what_was_replaced_may_be_left_as_deleted_files_until_somebody_next_changes_the_directory() {
    let temp = tempfile::tempdir().unwrap();
    let policies = [
        &["--include-active"][..],
        &["--cleanup-policy", "compact,delete", "--retention-bytes", "1"],
        &["--verify", "--segment-bytes", "4096"],
    ];
    let old_log = "lab-raw-0/00000000000000000000.log.deleted";
    for (number, options) in policies.into_iter().enumerate() {
        let dir = stopped_broker(&temp.path().join(format!("left-{number}")));
        let plain = stopped_broker(&temp.path().join(format!("removed-{number}")));
        let [_, before] = deleted_and_others(&dir);
        in_place(&plain).args(options).assert().success();
        let report = report_of(in_place(&dir).args(options).arg("--leave-deleted"));
        let [deleted, others] = deleted_and_others(&dir);
        assert!(others == deleted_and_others(&plain)[1], "{options:?}: more is different");
        assert!(deleted.len() > 3, "{options:?}");
        for (path, bytes) in &deleted {
            let was = path.with_extension("");
            assert!(before.contains(&(was, bytes.clone())), "{options:?}: {path:?}");
        }
        let left: usize = deleted.iter().map(|(_, bytes)| bytes.len()).sum();
        assert_eq!(report["totals"]["bytes_left_deleted"], left, "{options:?}");
        // Who reads does not mind them.
        logcompact().args(["verify", "-q"]).arg(&dir).assert().success();
        let (log, _) = deleted.iter().find(|(path, _)| path.ends_with(old_log)).unwrap();
        logcompact().arg("dump").arg(dir.join(log)).assert().success().stdout(contains("  A  "));
        let out = temp.path().join(format!("out-{number}"));
        let mut elsewhere = logcompact();
        elsewhere.arg("compact").args(NOW).arg(&dir).arg("--out").arg(out);
        elsewhere.assert().success().stderr(contains("left are removed").not());
        // Where a log is missing that others belong to, that is told.
        let orphan = dir.join("lab-raw-0/00000000000000900000.index");
        fs::write(&orphan, "").unwrap();
        let mut elsewhere = logcompact();
        elsewhere.arg("compact").args(NOW).arg(&dir).arg("--dry-run");
        elsewhere.assert().success().stderr(contains("that an earlier run left are removed"));
        fs::remove_file(orphan).unwrap();
        assert!(deleted_and_others(&dir)[0] == deleted, "{options:?}");
        // A second run retires the same names once more, and leaves only what it replaced.
        let again = report_of(in_place(&dir).args(["--leave-deleted", "--drop-tombstones"]));
        let left: usize = deleted_and_others(&dir)[0].iter().map(|(_, bytes)| bytes.len()).sum();
        assert_eq!(again["totals"]["bytes_left_deleted"], left, "{options:?}");
        // Where nothing else is to do, too.
        let last = in_place(&dir).arg("--drop-tombstones").assert().success();
        last.stdout(contains(".deleted").not());
        assert!(deleted_and_others(&dir)[0].is_empty(), "{options:?}");
    }
}

#[test]
fn what_is_to_be_erased_is_not_left_as_deleted_files() {
    let temp = tempfile::tempdir().unwrap();
    let keys = temp.path().join("keys");
    fs::write(&keys, "user1\n").unwrap();
    let dir = stopped_broker(temp.path());
    let before = tree(&dir);
    in_place(&dir).args(["--leave-deleted", "--erase-keys"]).arg(&keys).assert().code(2);
    for elsewhere in [&[][..], &["--out", "out"], &["--to-offset", "1", "--out", "out"]] {
        let mut command = logcompact();
        command.current_dir(temp.path()).args(["compact", "--leave-deleted"]).args(elsewhere);
        command.arg(&dir).assert().code(2);
    }
    assert!(!temp.path().join("out").exists());
    assert!(tree(&dir) == before);
    // What an earlier run left goes.
    let dir = dir.join("lab-raw-0");
    let has = |files: &[(PathBuf, Vec<u8>)]| {
        files.iter().any(|(_, bytes)| bytes.windows(5).any(|window| window == b"user1"))
    };
    in_place(&dir).args(["--include-active", "--leave-deleted"]).assert().success();
    assert!(has(&deleted_and_others(&dir)[0]));
    in_place(&dir).args(["--include-active", "--erase-keys"]).arg(&keys).assert().success();
    let [deleted, others] = deleted_and_others(&dir);
    assert!(deleted.is_empty() && !has(&others));
}

#[test]
fn a_swap_that_cannot_be_believed_is_left_for_somebody_to_look_at() {
    let temp = tempfile::tempdir().unwrap();
    let dir = stopped_broker(temp.path()).join("lab-raw-0");
    fs::write(dir.join("00000000000000000000.log.swap"), [7; 99]).unwrap();
    // Without the old segment it is the only copy there is.
    fs::remove_file(dir.join("00000000000000000000.log")).unwrap();
    let before = tree(&dir);
    in_place(&dir).assert().code(1).stderr(contains("00000000000000000000.log.swap"));
    assert!(tree(&dir) == before);
}

#[test]
fn out_and_in_place_exclude_each_other() {
    in_place(Path::new("x")).args(["--out", "y"]).assert().code(2);
    logcompact().args(["compact", "x", "--force"]).assert().code(2);
}

#[test]
fn a_run_that_is_killed_at_any_moment_leaves_the_state_and_the_next_run_ends_it() {
    const KILLS: u64 = 24;
    let temp = tempfile::tempdir().unwrap();
    let source = temp.path().join("source");
    let mut log = Log::create(&source, "t-0").with_txn_index();
    let mut die = Die(7);
    println!("seed 7");
    for _ in 0..12 {
        for _ in 0..150 {
            let key = format!("key-{}", die.throw(400));
            match die.throw(4) {
                0 => log.batch(&[tombstone(&key)]),
                _ => log.batch(&[put(&key, &die.throw(1000).to_string()), put("hot", "x")]),
            };
        }
        log.roll();
    }
    log.batch(&[put("active", "1")]).flush();
    let before = content_of(&source.join("t-0"));
    let options = ["--drop-tombstones", "--segment-bytes", "60000", "-q", "--threads", "2"];
    let whole = temp.path().join("whole");
    copy_folder(&source, &whole);
    let started = Instant::now();
    in_place(&whole.join("t-0")).args(options).assert().success();
    let longest_us = started.elapsed().as_micros() as u64;
    let mut killed = 0;
    for round in 0..KILLS {
        let dir = temp.path().join(format!("{round}"));
        copy_folder(&source, &dir);
        let mut child = Command::new(env!("CARGO_BIN_EXE_logcompact"))
            .args(["compact", "--in-place"])
            .args(NOW)
            .args(options)
            .arg(dir.join("t-0"))
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        let wait_us = longest_us * round / KILLS + die.throw(longest_us / KILLS + 1);
        std::thread::sleep(Duration::from_micros(wait_us));
        child.kill().unwrap();
        killed += u32::from(!child.wait().unwrap().success());
        in_place(&dir.join("t-0")).args(options).assert().success();
        let now = content_of(&dir.join("t-0"));
        assert_eq!(now.state, before.state, "round {round}");
        assert_eq!(now.log_end, before.log_end, "round {round}");
        logcompact().arg("verify").arg(&dir).assert().success();
        fs::remove_dir_all(&dir).unwrap();
    }
    assert!(killed > 0, "each of {KILLS} runs had ended before it was killed");
}
