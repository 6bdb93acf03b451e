//! `verify --against`: silent on what is the same log, however it was compacted, and precise about
//! what is not.

mod support;

use std::fs;
use std::path::{Path, PathBuf};

use logcompact::report::NoProgress;
use logcompact::units::Offset;
use logcompact::verify::Severity;
use logcompact::verify::against::{Options, Relation, StateRule, compare};
use predicates::prelude::*;
use serde_json::{Value, json};
use support::against::{COMPACTION, compared, found, wrong};
use support::log::{Log, Pair, put, tombstone};
use support::{copy_folder, logcompact, testdata};

/// Two directories of one partition, built batch by batch.
struct Two {
    temp: tempfile::TempDir,
    before: Log,
    after: Log,
}

impl Two {
    fn new() -> Two {
        let temp = tempfile::tempdir().unwrap();
        let before = Log::create(&temp.path().join("before"), "t-0");
        let after = Log::create(&temp.path().join("after"), "t-0");
        Two { temp, before, after }
    }

    /// The same batch on both sides.
    fn both(&mut self, records: &[Pair<'_>]) -> &mut Two {
        self.before.batch(records);
        self.after.batch(records);
        self
    }

    /// The one before has this batch, the one after a gap.
    fn lost(&mut self, records: &[Pair<'_>]) -> &mut Two {
        self.before.batch(records);
        self.after.pass_over(records.len());
        self
    }

    fn dirs(&mut self) -> (PathBuf, PathBuf) {
        (self.before.flush(), self.after.flush())
    }

    fn found(&mut self, relation: Relation) -> Vec<(&'static str, Option<i64>)> {
        let (before, after) = self.dirs();
        found(&before, &after, relation)
    }

    /// What is found either way, which must be the same, and the same with the two exchanged.
    fn found_always(&mut self) -> Vec<(&'static str, Option<i64>)> {
        let (before, after) = self.dirs();
        let replicas = found(&before, &after, Relation::Replicas);
        assert_eq!(found(&before, &after, COMPACTION), replicas);
        assert_eq!(found(&after, &before, Relation::Replicas), replicas);
        replicas
    }

    fn message(&mut self) -> String {
        let (before, after) = self.dirs();
        let compared = compared(&before, &after, COMPACTION);
        assert_eq!(compared.findings.len(), 1, "{:?}", compared.findings);
        let root = format!("{}/", self.temp.path().display());
        compared.findings[0].message.replace(&root, "")
    }
}

#[test]
fn a_record_of_a_live_key_that_was_lost_is_found_at_its_offset() {
    let mut two = Two::new();
    two.both(&[put("A", "1"), put("B", "1")]).lost(&[put("A", "2")]).both(&[put("C", "1")]);
    assert_eq!(two.found_always(), [("against-state", Some(2))]);
    let text = "the key \"A\" has its latest value here, but an older one, at 0, in after/t-0";
    assert_eq!(two.message(), text);

    let mut two = Two::new();
    two.both(&[put("A", "1")]).lost(&[put("B", "1")]).both(&[put("A", "2")]);
    assert_eq!(two.found_always(), [("against-state", Some(1))]);
    let text = "the key \"B\" has its latest value here, but is missing in after/t-0";
    assert_eq!(two.message(), text);
}

#[test]
fn an_older_value_that_a_lost_tombstone_brings_back_is_found_at_its_offset() {
    let mut two = Two::new();
    two.both(&[put("A", "1"), put("B", "1")]).lost(&[tombstone("A")]).both(&[put("B", "2")]);
    assert_eq!(two.found_always(), [("against-state", Some(0))]);
    let text = "the key \"A\" has its latest value here, but is deleted at 2 in before/t-0";
    assert_eq!(two.message(), text);
}

#[test]
fn a_tombstone_that_went_with_all_it_deletes_is_no_difference() {
    let mut two = Two::new();
    two.lost(&[put("A", "1")]).both(&[put("B", "1")]).lost(&[tombstone("A")]).both(&[put("C", "")]);
    assert_eq!(two.found_always(), []);
}

#[test]
fn a_value_that_was_changed_is_found_at_its_offset() {
    let mut two = Two::new();
    two.both(&[put("A", "1")]);
    two.before.batch(&[put("B", "1"), put("C", "1")]);
    two.after.batch(&[put("B", "1"), put("C", "2")]);
    two.both(&[put("A", "2")]);
    let expected = [("against-record", Some(2)), ("against-state", Some(2))];
    assert_eq!(two.found_always(), expected);

    // Of a record that is superseded, it is no matter of the state.
    two.both(&[put("C", "3")]);
    assert_eq!(two.found_always(), [("against-record", Some(2))]);
}

#[test]
fn an_empty_value_is_no_tombstone_and_an_empty_key_is_a_key() {
    let mut two = Two::new();
    two.before.batch(&[put("A", "")]);
    two.after.batch(&[tombstone("A")]);
    two.both(&[put("", "1")]).lost(&[put("", "2")]).both(&[put("B", "1")]);
    let expected =
        [("against-record", Some(0)), ("against-state", Some(0)), ("against-state", Some(2))];
    assert_eq!(two.found_always(), expected);
}

#[test]
fn a_record_that_was_invented_is_found_at_its_offset() {
    // Before was compacted once: offset 1 is free.
    let mut two = Two::new();
    two.both(&[put("A", "1")]);
    two.before.pass_over(1);
    two.after.batch(&[put("A", "x")]);
    two.both(&[put("A", "2"), put("B", "2")]);
    assert_eq!(two.found(COMPACTION), [("against-record", Some(1))]);
    let text = "there is no record with this offset in before/t-0";
    assert_eq!(two.message(), text);
    // Of replicas either may still have what the other has compacted away.
    assert_eq!(two.found(Relation::Replicas), []);

    let mut two = Two::new();
    two.both(&[put("A", "1")]);
    two.before.pass_over(1);
    two.after.batch(&[put("Z", "x")]);
    two.both(&[put("B", "2")]);
    let expected = [("against-record", Some(1)), ("against-state", Some(1))];
    assert_eq!(two.found(COMPACTION), expected);
    assert_eq!(two.found(Relation::Replicas), [("against-state", Some(1))]);
}

#[test]
fn a_log_end_that_moved_is_an_error_of_a_compaction_and_a_warning_of_a_replica_that_is_behind() {
    let mut two = Two::new();
    two.both(&[put("A", "1")]).before.batch(&[put("A", "2")]);
    let (before, after) = two.dirs();
    let shorter = compared(&before, &after, COMPACTION);
    assert_eq!(wrong(&shorter.findings), [("against-end", Some(1))]);
    assert_eq!(found(&after, &before, COMPACTION)[0], ("against-end", Some(1)));
    let of_replicas = [
        (&before, &after, Severity::Warning), // the one that is verified is behind
        (&after, &before, Severity::Info),
    ];
    for (before, after, severity) in of_replicas {
        let compared = compared(before, after, Relation::Replicas);
        let [end] = &compared.findings[..] else { panic!("{:?}", compared.findings) };
        assert_eq!((end.rule, end.severity), ("against-end", severity));
        assert_eq!(compared.counts.partitions_behind, 1);
    }
    // What was appended since the compaction began is not missed.
    let relation =
        Relation::Compaction { log_end: Some(Offset(1)), start_may_move: false, cleaned: None };
    assert_eq!(found(&before, &after, relation), []);
}

#[test]
fn a_replica_that_is_ahead_may_have_compacted_away_what_is_superseded_behind_the_common_end() {
    let mut two = Two::new();
    two.lost(&[put("A", "1"), put("B", "1")]).both(&[put("C", "1")]);
    two.after.batch(&[put("A", "2"), tombstone("B")]);
    assert_eq!(two.found(Relation::Replicas), []);
    // But not what no later record supersedes, nor when an earlier one was left.
    let mut two = Two::new();
    two.lost(&[put("A", "1"), put("B", "1")]).both(&[put("C", "1")]);
    two.after.batch(&[put("A", "2")]);
    assert_eq!(two.found(Relation::Replicas), [("against-state", Some(1))]);
    let mut two = Two::new();
    two.both(&[put("A", "1")]).lost(&[put("A", "2")]).both(&[put("C", "1")]);
    two.after.batch(&[put("A", "3")]);
    assert_eq!(two.found(Relation::Replicas), [("against-state", Some(1))]);
}

#[test]
fn a_transaction_that_was_committed_behind_the_common_end_is_open_on_both_sides() {
    let mut two = Two::new();
    two.lost(&[put("A", "1")]);
    two.before.transactional(7, &[put("A", "2")]);
    two.after.transactional(7, &[put("A", "2")]);
    two.both(&[put("B", "1")]);
    two.after.marker(7, true);
    assert_eq!(two.found(Relation::Replicas), []);
    // Aborted there, it supersedes nothing.
    let mut two = Two::new();
    two.lost(&[put("A", "1")]);
    two.before.transactional(7, &[put("A", "2")]);
    two.after.transactional(7, &[put("A", "2")]);
    two.both(&[put("B", "1")]);
    two.after.marker(7, false);
    assert_eq!(two.found(Relation::Replicas), [("against-state", Some(0))]);
}

#[test]
fn what_lies_below_the_later_log_start_is_not_compared() {
    let mut two = Two::new();
    two.before.batch(&[put("A", "1"), put("B", "1")]);
    two.after.skip_to(2).roll();
    fs::remove_dir_all(two.temp.path().join("after/t-0")).unwrap();
    fs::create_dir(two.temp.path().join("after/t-0")).unwrap();
    two.after.now_ms = two.before.now_ms;
    two.both(&[put("B", "2")]);
    let (before, after) = two.dirs();
    assert_eq!(found(&before, &after, Relation::Replicas), []);
    assert_eq!(found(&after, &before, Relation::Replicas), []);
    assert_eq!(found(&before, &after, COMPACTION), [("against-start", Some(2))]);
    let retention = Relation::Compaction { log_end: None, start_may_move: true, cleaned: None };
    assert_eq!(found(&before, &after, retention), []);
}

#[test]
fn aborted_data_that_comes_back_is_found() {
    let transaction = |log: &mut Log, commit| {
        log.transactional(7, &[put("A", "2")]).marker(7, commit).batch(&[put("B", "1")]);
    };
    let mut two = Two::new();
    two.both(&[put("A", "1")]);
    transaction(&mut two.before, false);
    transaction(&mut two.after, true);
    let state = ("against-state", Some(1));
    let mut found = two.found_always();
    found.sort();
    assert_eq!(found, [("against-record", Some(1)), ("against-record", Some(2)), state]);
    let (before, after) = two.dirs();
    let findings = compared(&before, &after, COMPACTION).findings;
    let text = format!("an older one, at 0, in {}, where its record at this", before.display());
    assert!(findings[2].message.contains(&text), "{findings:?}");

    // The index says so where the marker is gone, and a marker where there is no index.
    let mut two = Two::new();
    two.both(&[put("A", "1")]);
    transaction(&mut two.before, false);
    transaction(&mut two.after, true);
    let (before, after) = two.dirs();
    let entry = [0i64, 7, 1, 2, 3];
    let entry: Vec<u8> = entry.iter().flat_map(|number| number.to_be_bytes()).skip(6).collect();
    fs::write(after.join("00000000000000000000.txnindex"), entry).unwrap();
    let differences = compared(&before, &after, COMPACTION).findings;
    assert_eq!(wrong(&differences), [("against-record", Some(2))], "only the marker differs");
}

#[test]
fn a_commit_marker_that_was_lost_takes_its_data_out_of_the_state() {
    let mut two = Two::new();
    two.both(&[put("A", "1")]);
    two.before.transactional(7, &[put("A", "2"), put("B", "1")]).marker(7, true);
    two.after.transactional(7, &[put("A", "2"), put("B", "1")]).pass_over(1);
    two.both(&[put("C", "1")]);
    let found = two.found(COMPACTION);
    let states: Vec<_> = found.iter().filter(|(rule, _)| *rule == "against-state").collect();
    assert_eq!(states, [&("against-state", Some(1)), &("against-state", Some(2))]);
}

#[test]
fn records_without_a_key_go_all_or_not_at_all() {
    let keyless: Pair<'_> = (None, Some(b"x"));
    let mut two = Two::new();
    two.lost(&[keyless, keyless]).both(&[put("A", "1")]).lost(&[keyless]);
    two.both(&[keyless, keyless]);
    assert_eq!(two.found_always(), []);
    // Where an earlier one is left, none behind it was compacted away.
    two.lost(&[keyless]).both(&[keyless]);
    assert_eq!(two.found_always(), [("against-record", Some(6))]);
}

#[test]
fn what_cannot_be_read_is_not_taken_for_compared() {
    let mut two = Two::new();
    two.both(&[put("A", "1")]).both(&[put("B", "1")]).both(&[put("C", "1")]);
    let (before, after) = two.dirs();
    let path = after.join("00000000000000000000.log");
    let mut bytes = fs::read(&path).unwrap();
    let batch_bytes = bytes.len() / 3;
    bytes[batch_bytes + 65] ^= 1;
    fs::write(&path, bytes).unwrap();
    let differences = compared(&before, &after, COMPACTION).findings;
    assert_eq!(wrong(&differences), [("against-unread", None), ("against-state", Some(1))]);
    assert_eq!(differences[0].position.unwrap().0 as usize, batch_bytes);
}

#[test]
fn every_flipped_byte_of_one_of_two_copies_is_found() {
    let mut two = Two::new();
    for log in [&mut two.before, &mut two.after] {
        log.batch(&[put("A", "1"), tombstone("B")]).transactional(7, &[put("A", "2")]);
        log.marker(7, true).roll();
        log.transactional(8, &[put("A", "3")]).marker(8, false).batch(&[(None, Some(b"x"))]);
    }
    let (before, after) = two.dirs();
    for segment in [0, 4] {
        flip_each_byte(&after.join(format!("{segment:020}.log")), || {
            assert!(!found(&before, &after, COMPACTION).is_empty());
        });
    }
}

/// Flips bits of each byte of a log, one after the other, but for the leader epochs, which no
/// checksum covers and no reader sees.
fn flip_each_byte(path: &Path, mut check: impl FnMut()) {
    let whole = fs::read(path).unwrap();
    let mut batch_start = 0;
    for at in 0..whole.len() {
        let length = whole[batch_start + 8..batch_start + 12].try_into().unwrap();
        if at == batch_start + 12 + i32::from_be_bytes(length) as usize {
            batch_start = at;
        }
        if (12..16).contains(&(at - batch_start)) {
            continue;
        }
        for bit in [0, 4, 7] {
            let mut bytes = whole.clone();
            bytes[at] ^= 1 << bit;
            fs::write(path, bytes).unwrap();
            println!("{} byte {at} bit {bit}", path.display());
            check();
        }
    }
    fs::write(path, whole).unwrap();
}

#[test]
fn logs_without_a_common_offset_are_not_taken_for_the_same() {
    let mut two = Two::new();
    two.before.batch(&[put("A", "1")]);
    assert_eq!(two.found(Relation::Replicas), [("against-nothing", None)]);
    let (before, after) = two.dirs();
    assert_eq!(found(&after, &before, Relation::Replicas), [("against-nothing", None)]);
    assert_eq!(found(&after, &after, Relation::Replicas), []);
    // That what is verified holds nothing is worse than that there is nothing to hold it against.
    let is_same = |one, other| compared(one, other, Relation::Replicas).is_same();
    assert_eq!((is_same(&before, &after), is_same(&after, &before)), (false, true));
}

#[test]
fn offsets_that_do_not_rise_are_found() {
    let mut two = Two::new();
    two.both(&[put("A", "1"), put("B", "1")]).both(&[put("C", "1")]);
    two.after.skip_to(1).batch(&[put("D", "1")]);
    assert_eq!(two.found(COMPACTION), [("against-order", Some(1))]);
}

#[test]
fn little_memory_takes_more_passes_and_finds_the_same() {
    const KEYS: usize = 200_000;
    let names: Vec<String> = (0..KEYS).map(|number| format!("key {number}")).collect();
    let mut two = Two::new();
    for names in names.chunks(1000) {
        let records: Vec<_> = names.iter().map(|name| put(name, "value")).collect();
        two.both(&records);
    }
    // Of the first 1,500 keys the last values are lost.
    let lost: Vec<_> = names[..1500].iter().map(|name| put(name, "lost")).collect();
    two.lost(&lost).both(&[put("end", "1")]);
    let (before, after) = two.dirs();
    let [much, little] = [64 << 20, 1].map(|memory_bytes| {
        let rule = StateRule::default();
        let (relation, outlived) = (COMPACTION, &[][..]);
        let (erased, log_start) = (None, None);
        let options = Options { relation, log_start, rule, erased, outlived, memory_bytes };
        compare(&before, &after, &options, &NoProgress)
    });
    assert_eq!(much.findings, little.findings);
    assert_eq!(much.counts, little.counts);
    assert_eq!(much.counts.keys, KEYS as u64 + 1);
    assert_eq!(much.counts.keys_different, 1500);
    assert_eq!(much.findings.len(), 1001);
    assert_eq!(much.findings[0].offset, Some(Offset(KEYS as i64)));
    assert_eq!(much.findings[1000].stands_for, 500);
}

#[test]
fn partitions_are_matched_by_name_and_one_without_its_like_is_found() {
    let temp = tempfile::tempdir().unwrap();
    let (here, there) = (temp.path().join("here"), temp.path().join("there"));
    for (root, names) in [(&here, ["a-0", "b-0"]), (&there, ["b-0", "c-0"])] {
        for name in names {
            Log::create(root, name).batch(&[put("A", "1")]).flush();
        }
    }
    let verify = |dir: &Path, against: &Path, strict: bool| {
        let mut command = logcompact();
        command.arg("verify").arg(dir).arg("--against").arg(against);
        if strict {
            command.arg("--strict");
        }
        command.assert()
    };
    verify(&here, &there, false)
        .code(1)
        .stdout(predicate::str::contains("warning against-partition: "))
        .stdout(predicate::str::contains("error against-partition: "))
        .stdout(predicate::str::contains("here/a-0: not compared"))
        .stdout(predicate::str::contains("there/c-0: not compared"))
        .stdout(predicate::str::contains("Compared 1 partition:"));
    Log::create(&here, "c-0").batch(&[put("A", "1")]).flush();
    verify(&here, &there, false).success(); // what only what is verified has is not lost
    verify(&here, &there, true).code(1);
    fs::remove_file(here.join("c-0/00000000000000000000.log")).unwrap();
    let nothing = "the log holds nothing, but that of";
    verify(&here, &there, false).code(1).stdout(predicate::str::contains(nothing));
    fs::remove_dir_all(here.join("c-0")).unwrap();
    // One partition and a log directory, either way; and two that are named as they like.
    verify(&here.join("b-0"), &there, true).success();
    verify(&here, &there.join("b-0"), true).success();
    verify(&here.join("a-0"), &there.join("c-0"), true).success();
    verify(&here.join("a-0"), &there, false).code(1);
    verify(&here, &there.join("c-0"), false).code(1);
    verify(&here, &temp.path().join("nowhere"), false).code(2);
}

#[test]
fn differences_give_exit_status_1_and_a_line_each_and_counts() {
    let temp = tempfile::tempdir().unwrap();
    let copy = temp.path().join("lab-raw-0");
    copy_folder(&testdata("broker-3.9.1/lab-raw-0"), &copy);
    // The last value of `A` and what makes it readable: a segment of its own.
    for kind in ["log", "index", "timeindex", "snapshot"] {
        fs::remove_file(copy.join(format!("{:020}.{kind}", 2))).unwrap();
    }
    let output = logcompact()
        .args(["verify", "--format", "json"])
        .arg(&copy)
        .arg("--against")
        .arg(testdata("broker-3.9.1/lab-raw-0"))
        .assert()
        .code(1)
        .get_output()
        .stdout
        .clone();
    let text = String::from_utf8(output).unwrap();
    let lines: Vec<Value> = text.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    let finding = lines.iter().find(|line| line["rule"] == "against-state").unwrap();
    assert_eq!((&finding["severity"], &finding["offset"]), (&json!("error"), &json!(2)));
    assert!(finding["path"].as_str().unwrap().ends_with("00000000000000000002.log"));
    let summary = lines.last().unwrap();
    assert_eq!(
        summary["against"],
        json!({
            "partitions": 1, "partitions_behind": 0, "records_on_both": 7,
            "records_only_here": 0, "records_only_there": 1, "keys": 4, "keys_different": 1,
        })
    );
}
