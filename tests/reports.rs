//! Reports are whole, whatever paths are called and wherever they go.

mod support;

use std::ffi::OsStr;
use std::fs;
use std::os::unix::ffi::OsStrExt;

use predicates::prelude::*;
use serde_json::Value;

use support::{copy_folder, logcompact, testdata};

const LOG: &str = "broker-3.9.1/lab-raw-0";

#[test]
fn a_path_that_is_no_text_is_shown_as_messages_show_it() {
    let temp = tempfile::tempdir().unwrap();
    let odd = temp.path().join(OsStr::from_bytes(b"odd\xff"));
    copy_folder(&testdata(LOG), &odd.join("lab-raw-0"));
    let out = temp.path().join(OsStr::from_bytes(b"out\xff"));
    for command in ["compact", "repair", "stats"] {
        let mut run = logcompact();
        run.arg(command).arg(&odd);
        match command {
            "stats" => run.arg("--json"),
            _ => run.args(["-q", "--report", "-", "--out"]).arg(out.join(command)),
        };
        let stdout = run.assert().success().get_output().stdout.clone();
        let report: Value = serde_json::from_slice(&stdout).unwrap();
        let source = report["partitions"][0]["source"].as_str().unwrap();
        assert!(source.ends_with("odd\u{fffd}/lab-raw-0"), "{command}: {source}");
    }
    fs::remove_file(odd.join("lab-raw-0/00000000000000000000.index")).unwrap();
    let lines = logcompact().args(["verify", "--format", "json"]).arg(&odd).assert();
    let lines = String::from_utf8(lines.get_output().stdout.clone()).unwrap();
    let finding: Value = serde_json::from_str(lines.lines().next().unwrap()).unwrap();
    assert!(finding["path"].as_str().unwrap().contains("odd\u{fffd}/"), "{lines}");
}

#[test]
fn what_was_done_is_said_though_its_report_could_not_be_written() {
    let temp = tempfile::tempdir().unwrap();
    for command in ["compact", "repair"] {
        let out = temp.path().join(command);
        let mut run = logcompact();
        run.arg(command).arg(testdata(LOG)).args(["--report", "/dev/full", "--out"]).arg(&out);
        run.assert()
            .code(2)
            .stderr(predicate::str::contains("/dev/full: cannot write the report"))
            .stdout(predicate::str::is_empty().not());
        assert!(out.join("lab-raw-0/00000000000000000000.log").is_file());
    }
}
