//! What a tired operator asks for does no harm: a report over a source, a cluster's metadata among
//! what is compacted, a checkpoint that is wrong, a partition that is a link or nobody may read.

mod support;

use std::fs;
use std::os::unix::fs::symlink;
use std::path::Path;

use predicates::prelude::PredicateBooleanExt;
use predicates::str::contains;
use support::power::tree;
use support::{copy_folder, logcompact, testdata};

const NOW: &str = "1795300000000";

fn lab(root: &Path) {
    copy_folder(&testdata("broker-3.9.1/lab-raw-0"), &root.join("lab-raw-0"));
}

#[test]
fn a_report_does_not_take_the_place_of_what_is_read_or_written() {
    let temp = tempfile::tempdir().unwrap();
    let (root, out) = (temp.path().join("logs"), temp.path().join("out"));
    lab(&root);
    let keys = temp.path().join("keys");
    fs::write(&keys, "k\n").unwrap();
    let before = tree(&root);
    let inside = root.join("lab-raw-0/00000000000000000003.log");
    for args in [
        vec!["stats", "--html", inside.to_str().unwrap()],
        vec!["repair", "--dry-run", "--report", inside.to_str().unwrap()],
        vec!["repair", "--in-place", "--report", inside.to_str().unwrap()],
        vec!["compact", "--dry-run", "--report", inside.to_str().unwrap()],
        vec!["compact", "--in-place", "--report", inside.to_str().unwrap()],
    ] {
        let said = contains("would lie inside");
        logcompact().args(&args).arg(&root).assert().code(2).stderr(said);
    }
    let of_output = out.join("lab-raw-0/00000000000000000000.log");
    for report in [&of_output, &out.join("cleaner-offset-checkpoint"), &keys] {
        logcompact()
            .args(["compact", "--now", NOW, "--erase-keys"])
            .args([&keys, &root])
            .arg("--out")
            .args([&out, Path::new("--report"), report])
            .assert()
            .code(2)
            .stderr(contains("cannot be written there"));
        assert!(!out.exists());
    }
    assert_eq!(tree(&root), before);
    assert_eq!(fs::read(&keys).unwrap(), b"k\n");
    let pipe = temp.path().join("pipe");
    assert!(std::process::Command::new("mkfifo").arg(&pipe).status().unwrap().success());
    let reader = std::thread::spawn({
        let pipe = pipe.clone();
        move || fs::read(pipe).unwrap()
    });
    let command = ["compact", "--dry-run", "-q", "--now", NOW, "--report"];
    logcompact().args(command).args([&pipe, &root]).assert().success();
    assert!(reader.join().unwrap().starts_with(b"{"));
    let beside = out.join("a-report.json");
    let command = ["compact", "-q", "--now", NOW, "--report"];
    logcompact().args(command).args([&beside, Path::new("--out"), &out, &root]).assert().success();
    assert!(fs::read(&beside).unwrap().starts_with(b"{"));
}

#[test]
fn the_metadata_of_a_cluster_is_carried_over_as_it_is_round_for_round() {
    let temp = tempfile::tempdir().unwrap();
    let (source, out) = (testdata("broker-3.9.1"), temp.path().join("out"));
    let log = "__cluster_metadata-0/00000000000000000000.log";
    for options in [&["--include-active"][..], &[], &["--full"]] {
        let command = ["compact", "--now", NOW, "--out"];
        let said = contains("cleanup.policy is not compact").or(contains("Nothing was to do"));
        logcompact()
            .args(command)
            .args([&out, &source])
            .args(options)
            .assert()
            .success()
            .stdout(said)
            .stderr(contains("without a key").not().or(contains("__cluster_metadata").not()));
        assert!(fs::read(source.join(log)).unwrap() == fs::read(out.join(log)).unwrap());
    }
    logcompact().arg("verify").arg(&out).assert().success();
}

#[test]
fn a_dry_run_may_be_started_from_within_what_it_reads() {
    let temp = tempfile::tempdir().unwrap();
    lab(temp.path());
    for (command, dir) in [("compact", "."), ("repair", "."), ("compact", "lab-raw-0")] {
        let mut run = logcompact();
        run.current_dir(temp.path()).args([command, dir, "--dry-run"]).assert().success();
    }
    let real = logcompact().current_dir(temp.path()).args(["compact", "."]).assert();
    real.code(2).stderr(contains("would lie inside"));
}

#[test]
fn a_log_that_is_said_to_start_behind_its_end_is_not_given_up_for_that() {
    let temp = tempfile::tempdir().unwrap();
    let root = temp.path().join("logs");
    lab(&root);
    let checkpoint = "log-start-offset-checkpoint";
    fs::write(root.join(checkpoint), "0\n1\nlab-raw 0 999999\n").unwrap();
    for (command, out) in [("repair", "repaired"), ("compact", "compacted")] {
        let out = temp.path().join(out);
        let output = logcompact().args([command, "--out"]).args([&out, &root]).output().unwrap();
        let text = [output.stdout, output.stderr].concat();
        let text = String::from_utf8_lossy(&text);
        assert!(text.contains("starts at 999999, behind its end"), "{text}");
        let said = fs::read_to_string(out.join(checkpoint)).unwrap();
        assert!(!said.contains("lab-raw"), "{said}");
        logcompact().arg("verify").arg(&out).assert().success();
    }
}

#[test]
fn a_partition_that_is_a_link_is_told_of_by_a_repair() {
    let temp = tempfile::tempdir().unwrap();
    let root = temp.path().join("logs");
    lab(&root);
    symlink(testdata("broker-3.9.1/rdk-zstd-0"), root.join("rdk-zstd-0")).unwrap();
    for options in [&["--dry-run"][..], &["--in-place"]] {
        let mut repair = logcompact();
        let said = contains("rdk-zstd-0").and(contains("it is a link, which is not followed"));
        repair.arg("repair").args(options).arg(&root).assert().code(1).stderr(said);
    }
}

#[test]
fn what_retention_has_taken_is_not_called_skipped() {
    let source = testdata("broker-3.9.1/lab-raw-0");
    let options = ["--cleanup-policy", "delete", "--retention-ms", "1"];
    logcompact()
        .args(["compact", "--dry-run", "--now", NOW])
        .args(options)
        .arg(&source)
        .assert()
        .success()
        .stdout(contains("rewritten").and(contains("skipped").not()));
}

#[test]
fn a_log_is_verified_though_its_index_cannot_be_read() {
    let temp = tempfile::tempdir().unwrap();
    lab(temp.path());
    let dir = temp.path().join("lab-raw-0");
    let (log, index) =
        (dir.join("00000000000000000003.log"), dir.join("00000000000000000003.index"));
    fs::remove_file(&index).unwrap();
    fs::create_dir(&index).unwrap();
    let mut bytes = fs::read(&log).unwrap();
    bytes[67] ^= 1;
    fs::write(&log, bytes).unwrap();
    let said =
        contains("error unreadable").and(contains("error batch-crc")).and(contains("8 segments"));
    logcompact().arg("verify").arg(&dir).assert().code(1).stdout(said);
}

#[test]
fn where_there_is_no_report_all_damage_that_goes_is_told_of() {
    let temp = tempfile::tempdir().unwrap();
    lab(temp.path());
    let dir = temp.path().join("lab-raw-0");
    for base in [1, 3] {
        let log = dir.join(format!("{base:020}.log"));
        let mut bytes = fs::read(&log).unwrap();
        bytes[67] ^= 1;
        fs::write(&log, bytes).unwrap();
    }
    let said = contains("00000000000000000001.log position 0").and(contains("3.log position 0"));
    let in_place = ["compact", "--in-place", "--on-damage", "skip", "--now", NOW];
    logcompact().args(in_place).arg(&dir).assert().code(1).stderr(said);
}

#[test]
fn a_folder_that_holds_segments_under_a_name_that_is_no_partitions_is_told_of() {
    let temp = tempfile::tempdir().unwrap();
    let logs = temp.path().join("logs");
    for name in ["t-0", "t-0.bak", "z\u{fc}rich-0"] {
        copy_folder(&testdata("broker-3.9.1/lab-raw-0"), &logs.join(name));
    }
    fs::create_dir(logs.join("lost+found")).unwrap();
    fs::create_dir(logs.join("remote-log-index-cache")).unwrap();
    let told = |name: &str| contains(format!("{name}: holds segments, but its name is no"));
    let out = temp.path().join("out");
    for (options, status) in [
        (&["stats"][..], 0),
        (&["compact", "--dry-run"], 0),
        (&["repair", "--dry-run"], 0),
        (&["dump"], 1),
    ] {
        let mut run = logcompact();
        run.args(options).arg(&logs).current_dir(temp.path());
        let run = run.assert().code(status);
        run.stderr(told("t-0.bak").and(told("z\u{fc}rich-0")).and(contains("lost").not()));
    }
    logcompact().args(["compact", "--out"]).args([&out, &logs]).assert().success();
    let run = logcompact().args(["verify", "--strict"]).arg(&logs).assert().code(1);
    let run = run.stdout(contains("directory-name").count(3)).stdout(contains("lost+found"));
    run.stdout(contains("remote-log").not());
    // Who names it has it read.
    logcompact().arg("verify").arg(logs.join("t-0.bak")).assert().success();
}
