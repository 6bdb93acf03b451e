//! `dump --round`: the round file for people, and for programs as it is.

mod support;

use std::fs;
use std::path::Path;
use std::process::Output;

use support::events::Event;
use support::logcompact;
use support::rounds::{Grown, Stand, current, number};

fn dump(path: &Path, options: &[&str]) -> Output {
    logcompact().args(["dump", "--round"]).arg(path).args(options).output().unwrap()
}

fn stand() -> Stand {
    let ms = 1_700_000_000_000;
    let mut log = Grown::empty();
    for segment in 0..3 {
        let put = |key: u32| Event::put(&format!("{key}"), "value", ms + segment);
        let keys = if segment == 0 { 30 } else { 20 };
        log.plain(&(0..keys).map(put).collect::<Vec<_>>());
        log.roll();
    }
    log.plain(&[Event::put("active", "1", ms)]);
    let stand = Stand::of(log);
    stand.round(stand.log.ends()[1], &["-q", "--min-rewrite-ratio", "1"]);
    stand.round(stand.log.end(), &["-q", "--min-rewrite-ratio", "1"]);
    stand
}

#[test]
fn the_current_round_is_shown_with_its_segments() {
    let stand = stand();
    // A partition, or a folder of them.
    for path in [stand.dest(), stand.out()] {
        let output = dump(&path, &[]);
        assert_eq!(output.status.code(), Some(0));
        let text = String::from_utf8(output.stdout).unwrap();
        for wanted in [
            "round       2, incremental, upon round 1",
            "source      t-0 in ",
            "watermark   offset 69 is the last that is compacted",
            "rules       offset, null keys: drop",
            "records     40 read, 20 kept",
            "now 2026-11-21T22:26:40Z",
            "key index   30 entries in 1 run (756 B)",
            "segment  next offset",
        ] {
            assert!(text.contains(wanted), "{wanted}: {text}");
        }
        let rows: Vec<Vec<&str>> =
            text.lines().map(|line| line.split_whitespace().collect()).collect();
        let row = |base: &str| rows.iter().find(|row| row.first() == Some(&base)).unwrap();
        assert_eq!(row("70").last(), Some(&"copied"), "{text}");
        // Of the first round's 30 records, 20 wait.
        assert!(row("0").ends_with(&["30", "20", "may", "be", "1"]), "{text}");
    }
}

#[test]
fn what_the_key_index_does_not_know_is_named() {
    let stand = stand();
    let text = |stand: &Stand| String::from_utf8(dump(&stand.dest(), &[]).stdout).unwrap();
    assert!(!text(&stand).contains("unindexed"));
    fs::write(stand.source().join("log-start-offset-checkpoint"), "0\n1\nt 0 12\n").unwrap();
    stand.round(stand.log.end(), &["-q", "--full", "--force"]);
    let wanted = "unindexed   what lies below offset 12, where the log starts";
    assert!(text(&stand).contains(wanted), "{}", text(&stand));
}

#[test]
fn as_json_it_is_the_file() {
    let stand = stand();
    let output = dump(&stand.dest(), &["--format", "json"]);
    assert_eq!(output.status.code(), Some(0));
    let name = format!(".logcompact/round-{:06}.json", number(&stand.dest()));
    assert_eq!(output.stdout, fs::read(stand.dest().join(name)).unwrap());
    let parsed: serde_json::Value = serde_json::from_slice(&output.stdout).unwrap();
    assert_eq!(parsed, current(&stand.dest()));
}

#[test]
fn where_there_is_none_or_a_damaged_one_it_is_not_done() {
    let stand = stand();
    let refused = |path: &Path, options: &[&str], wanted: &str| {
        let output = dump(path, options);
        let said = String::from_utf8_lossy(&output.stderr);
        assert_eq!((output.status.code(), output.stdout.len()), (Some(2), 0), "{said}");
        assert!(said.contains(wanted), "{said}");
    };
    refused(&stand.source().join("t-0"), &[], "there is no state of rounds");
    refused(&stand.dest(), &["--format", "csv"], "--format text or json");
    refused(&stand.dest(), &["--key", "1"], "cannot be used with");
    refused(&stand.dest(), &["--show", "batches"], "cannot be used with");
    refused(&stand.dest(), &["--decode", "auto"], "cannot be used with");
    refused(&stand.dest(), &["--print", "key"], "cannot be used with");
    let file = stand.dest().join(format!(".logcompact/round-{:06}.json", number(&stand.dest())));
    let mut bytes = fs::read(&file).unwrap();
    bytes[100] ^= 1;
    fs::write(&file, bytes).unwrap();
    refused(&stand.dest(), &[], "damaged (its CRC");
}
