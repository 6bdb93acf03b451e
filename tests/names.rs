//! Names that are not as a broker gives them: of files that it would trip over, and of directories
//! of one partition that is there twice.

use std::fs;

use predicates::prelude::*;
use predicates::str::contains;
use tempfile::TempDir;

mod support;

use support::{copy_folder, logcompact, testdata};

#[test]
fn a_file_that_keeps_a_broker_from_loading_a_log_is_an_error_and_is_not_carried_over() {
    let temp = TempDir::new().unwrap();
    let logs = temp.path().join("logs");
    let dir = logs.join("lab-raw-0");
    copy_folder(&testdata("broker-3.9.1/lab-raw-0"), &dir);
    let log = dir.join("00000000000000000000.log");
    for name in ["00000000000000000000-copy.log", "abc.snapshot", "7.index", "stranger"] {
        fs::copy(&log, dir.join(name)).unwrap();
    }
    let run = logcompact().arg("verify").arg(&logs).assert().code(1);
    run.stdout(
        contains("error file-name: ")
            .count(2)
            .and(contains("00000000000000000000-copy.log: its name is no offset"))
            .and(contains("abc.snapshot: its name is no offset"))
            .and(contains("warning file-name: ").count(1))
            .and(contains("7.index: a broker takes it for a file of offset 7")),
    );
    for command in ["compact", "repair"] {
        let out = temp.path().join(command);
        let run = logcompact().arg(command).arg(&dir).arg("--out").arg(&out).assert();
        let output = run.get_output();
        let told = [&output.stdout[..], &output.stderr].concat();
        let told =
            String::from_utf8(told).unwrap().split_whitespace().collect::<Vec<_>>().join(" ");
        assert!(told.contains("abc.snapshot: its name is no offset"), "{command}: {told}");
        assert!(told.contains("it is not copied"), "{command}: {told}");
        let is_there = |name: &str| out.join("lab-raw-0").join(name).exists();
        assert!(is_there("stranger"), "{command}");
        for name in ["00000000000000000000-copy.log", "abc.snapshot", "7.index"] {
            assert!(!is_there(name), "{command}: {name}");
        }
        logcompact().arg("verify").arg(&out).assert().success();
    }
    let run = logcompact().args(["compact", "--in-place"]).arg(&dir).assert();
    run.stderr(contains("it stays where it is"));
    let run = logcompact().args(["repair", "--in-place"]).arg(&dir).assert().success();
    run.stdout(contains("0 repaired").and(contains("it stays where")));
    assert!(dir.join("abc.snapshot").exists());
}

#[test]
fn a_partition_that_is_there_twice_is_an_error_and_is_not_written_to() {
    let temp = TempDir::new().unwrap();
    for name in ["t-0", "t-00"] {
        copy_folder(&testdata("broker-3.9.1/lab-raw-0"), &temp.path().join(name));
    }
    let told = contains("error directory-name: ").and(contains("t-00: the same partition as "));
    logcompact().arg("verify").arg(temp.path()).assert().code(1).stdout(told);
    logcompact().arg("verify").arg(temp.path().join("t-00")).assert().success();

    copy_folder(&testdata("broker-3.9.1/lab-raw-0"), &temp.path().join("b-3"));
    let refused = |dir: &str, more: &[&str], told: &str| {
        let mut command = logcompact();
        command.arg("write").arg(temp.path().join(dir)).args(more).write_stdin("x\n");
        command.assert().code(2).stderr(contains(told));
    };
    refused("b-03", &[], "b-3 is b-3 already");
    assert!(!temp.path().join("b-03").exists());
    refused("t-0", &[], "t-00 is t-0 already");
    refused("", &["--topic", "t"], "it is t-0, under a name that no broker gives");
}
