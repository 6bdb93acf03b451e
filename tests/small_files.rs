//! `leader-epoch-checkpoint` and `partition.metadata` where they cannot be read: a broker does not
//! load such a log, so neither `repair` nor `compact` leaves one behind, nor keeps quiet about it.

mod support;

use std::fs;
use std::path::{Path, PathBuf};

use predicates::prelude::PredicateBooleanExt;
use predicates::str::contains;
use serde_json::Value;
use support::log::{Log, put};
use support::power::tree;
use support::{copy_folder, logcompact, testdata};

const EPOCHS: &str = "leader-epoch-checkpoint";
const METADATA: &str = "partition.metadata";
const ZEROS: &str = "version: 0\ntopic_id: AAAAAAAAAAAAAAAAAAAAAA";

/// A log directory with these partitions of a broker.
fn logs(root: &Path, names: &[&str]) -> PathBuf {
    let logs = root.join("logs");
    for name in names {
        copy_folder(&testdata("broker-3.9.1").join(name), &logs.join(name));
    }
    logs
}

fn assert_clean(dir: &Path, what: &str) {
    let output = logcompact().args(["verify", "--strict"]).arg(dir).output().unwrap();
    assert!(output.status.success(), "{what}: {}", String::from_utf8_lossy(&output.stdout));
}

/// Where the output of `command`, with these `options`, to a folder or in place, comes to lie.
fn run(
    command: &str,
    options: &[&str],
    logs: &Path,
    in_place: bool,
) -> (assert_cmd::Command, PathBuf) {
    let mut run = logcompact();
    run.arg(command).args(options).arg(logs).env("COLUMNS", "1000");
    if in_place {
        run.arg("--in-place");
        return (run, logs.into());
    }
    let out = logs.with_file_name("out");
    run.arg("--out").arg(&out);
    (run, out)
}

#[test]
fn a_topic_id_that_cannot_be_read_does_not_stay_in_what_repair_leaves() {
    for broken in ["", "junk\n", "version: 0\n", ZEROS] {
        for in_place in [false, true] {
            let temp = tempfile::tempdir().unwrap();
            let logs = logs(temp.path(), &["lab-raw-0"]);
            fs::write(logs.join("lab-raw-0").join(METADATA), broken).unwrap();
            let (mut repair, left) = run("repair", &[], &logs, in_place);
            let becomes = match in_place {
                true => "so it is partition.metadata.unread now",
                false => "so it is left out",
            };
            let told = contains(becomes).and(contains("removed: partition.metadata"));
            repair.assert().code(1).stdout(told.and(contains("1 repaired")));
            assert!(!left.join("lab-raw-0").join(METADATA).exists());
            let aside = fs::read_to_string(left.join("lab-raw-0/partition.metadata.unread"));
            assert_eq!(aside.ok().as_deref(), in_place.then_some(broken), "nothing is lost");
            assert_clean(&left, broken);
            let again = logcompact().args(["repair", "--in-place"]).arg(&left).assert();
            again.success().stdout(contains("1 with nothing to repair"));
        }
    }
}

#[test]
fn a_topic_id_that_cannot_be_read_is_that_of_the_topics_other_partitions() {
    for command in ["repair", "compact"] {
        for in_place in [false, true] {
            let temp = tempfile::tempdir().unwrap();
            let names = ["experiments.latest-0", "experiments.latest-1", "lab-raw-0"];
            let logs = logs(temp.path(), &names);
            let right = fs::read(logs.join(names[0]).join(METADATA)).unwrap();
            fs::write(logs.join(names[0]).join(METADATA), "").unwrap();
            let (mut command, left) = run(command, &[], &logs, in_place);
            let told = contains("the id is known from the topic's other partitions");
            let output = command.assert().success().get_output().clone();
            let said = [output.stdout, output.stderr].concat();
            assert!(predicates::Predicate::eval(&told, &*String::from_utf8_lossy(&said)));
            assert_eq!(fs::read(left.join(names[0]).join(METADATA)).unwrap(), right);
            assert_clean(&left, "told by the others");
        }
    }
}

#[test]
fn others_that_do_not_agree_about_the_topic_id_are_not_believed() {
    let temp = tempfile::tempdir().unwrap();
    let names = ["experiments.latest-0", "experiments.latest-1", "experiments.latest-2"];
    let logs = logs(temp.path(), &names);
    fs::write(logs.join(names[0]).join(METADATA), "").unwrap();
    let other = fs::read(testdata("broker-3.9.1/lab-raw-0").join(METADATA)).unwrap();
    fs::write(logs.join(names[1]).join(METADATA), other).unwrap();
    let (mut repair, left) = run("repair", &[], &logs, false);
    repair.assert().code(1).stdout(contains("The topic's id is lost"));
    assert!(!left.join(names[0]).join(METADATA).exists());
}

#[test]
fn what_compact_leaves_can_be_loaded_though_the_small_files_of_its_source_cannot_be_read() {
    let broken = [(EPOCHS, "junk\n"), (EPOCHS, "0\n2\n1 0\n0 3\n"), (METADATA, "")];
    for (name, text) in broken {
        for (options, in_place) in
            [(&[][..], false), (&["--keep-rounds", "0", "--verify"], false), (&[], true)]
        {
            let temp = tempfile::tempdir().unwrap();
            let logs = logs(temp.path(), &["lab-raw-0"]);
            let right = fs::read(logs.join("lab-raw-0").join(name)).unwrap();
            fs::write(logs.join("lab-raw-0").join(name), text).unwrap();
            let report = temp.path().join("report.json");
            let (mut compact, left) = run("compact", options, &logs, in_place);
            let told = match name {
                EPOCHS => contains("it is built anew from the epochs of the batches"),
                _ => contains("The topic's id is lost"),
            };
            compact.arg("--report").arg(&report).assert().success().stderr(told);
            let report: Value = serde_json::from_slice(&fs::read(report).unwrap()).unwrap();
            let warning = report["partitions"][0]["warnings"][0].as_str().unwrap();
            assert!(warning.starts_with(&format!("{name}: ")), "{warning}");
            let is = fs::read(left.join("lab-raw-0").join(name)).ok();
            assert_eq!(is, (name == EPOCHS).then_some(right), "{name} {options:?}");
            assert_clean(&left, name);
        }
    }
}

#[test]
fn a_dry_run_tells_of_small_files_that_cannot_be_read_and_changes_none() {
    let temp = tempfile::tempdir().unwrap();
    let logs = logs(temp.path(), &["lab-raw-0"]);
    fs::write(logs.join("lab-raw-0").join(METADATA), "junk").unwrap();
    let before = tree(&logs);
    for (command, code) in [("repair", 1), ("compact", 0)] {
        let (mut run, _) = run(command, &["--dry-run", "--report", "-"], &logs, true);
        run.assert().code(code).stdout(contains("The topic's id is lost"));
    }
    assert!(tree(&logs) == before);
}

#[test]
fn a_later_round_keeps_the_small_files_that_the_destination_has() {
    let temp = tempfile::tempdir().unwrap();
    let mut log = Log::create(temp.path(), "t-0");
    log.batch(&[put("k", "old")]).roll().batch(&[put("k", "new")]).roll();
    let dir = log.batch(&[put("a", "1")]).flush();
    let metadata = fs::read(testdata("broker-3.9.1/lab-raw-0").join(METADATA)).unwrap();
    fs::write(dir.join(EPOCHS), "0\n1\n0 0\n").unwrap();
    fs::write(dir.join(METADATA), &metadata).unwrap();
    let out = temp.path().join("out");
    let round = || logcompact().args(["compact", "--out"]).args([&out, &dir]).assert().success();
    round();
    log.roll().batch(&[put("k", "newer")]).roll().batch(&[put("a", "2")]).flush();
    fs::write(dir.join(EPOCHS), "junk").unwrap();
    fs::write(dir.join(METADATA), "").unwrap();
    let told = contains("partition.metadata: line 1: expected: version: N; the id is known from");
    round().stderr(told.and(contains("it is built anew from the epochs")));
    assert_eq!(fs::read(out.join("t-0").join(METADATA)).unwrap(), metadata);
    assert_eq!(fs::read_to_string(out.join("t-0").join(EPOCHS)).unwrap(), "0\n1\n0 0\n");
    assert_clean(&out, "after the second round");
}
