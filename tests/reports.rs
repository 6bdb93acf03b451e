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
fn a_report_goes_to_where_a_link_leads_be_that_there_yet_or_not() {
    let temp = tempfile::tempdir().unwrap();
    let (there, link) = (temp.path().join("there.json"), temp.path().join("link.json"));
    std::os::unix::fs::symlink("there.json", &link).unwrap();
    for _ in 0..2 {
        let mut run = logcompact();
        run.args(["compact", "-q", "--dry-run", "--report"]).arg(&link).arg(testdata(LOG));
        run.assert().success();
        assert!(link.is_symlink());
        let report: Value = serde_json::from_slice(&fs::read(&there).unwrap()).unwrap();
        assert_eq!(report["outcome"], "ok");
    }
}

#[test]
fn what_is_redirected_to_a_file_gets_the_report_and_what_comes_after_it() {
    let temp = tempfile::tempdir().unwrap();
    let all = temp.path().join("all.txt");
    let to = fs::File::create(&all).unwrap();
    let mut run = std::process::Command::new(env!("CARGO_BIN_EXE_logcompact"));
    run.args(["compact", "-q", "--dry-run", "--report", "/dev/stdout"]).arg(testdata(LOG));
    assert!(run.stdout(to.try_clone().unwrap()).status().unwrap().success());
    std::io::Write::write_all(&mut &to, b"after").unwrap();
    let text = fs::read_to_string(&all).unwrap();
    assert!(text.contains("after") && text.contains("\"outcome\": \"ok\""), "{text}");
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
