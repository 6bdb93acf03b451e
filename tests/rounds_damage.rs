//! Damage that rounds meet, or have kept, at the end of what they compact.

mod support;

use std::fs;
use std::path::{Path, PathBuf};

use serde_json::Value;
use support::damaged::{ACTIVE, FAR, batches, first_log, last_log, run, starts};
use support::events::PLAIN;
use support::logcompact;
use support::rounds::{Grown, records_of, scratch};

#[test]
fn offsets_that_damage_at_the_end_claims_are_not_free_again_after_another_round() {
    let plain = &FAR[..];
    let active = &ACTIVE[..];
    let rounds: [&[&[&str]]; 4] = [
        &[active, active, active],
        &[active, plain, active],
        &[active, &["-q", "--delete-retention-ms", "36500d", "--to-offset", "10"], plain],
        &[plain, active, plain],
    ];
    let mut log = Grown::empty();
    batches(&mut log, PLAIN, 5, "v");
    for (rolls, (which, rounds)) in [false, true]
        .into_iter()
        .flat_map(|rolls| rounds.iter().enumerate().map(move |it| (rolls, it)))
    {
        let temp = scratch();
        let mut log = log.clone();
        if rolls {
            log.roll();
        }
        batches(&mut log, PLAIN, 1, "lost");
        let source = log.write(&temp.path().join("source"), log.end());
        let path = last_log(&source);
        let mut bytes = fs::read(&path).unwrap();
        *bytes.last_mut().unwrap() ^= 1;
        fs::write(&path, bytes).unwrap();
        let out = temp.path().join("out");
        let mut was_active = false;
        for options in *rounds {
            let (status, said) = run(&source, &out, &[options, &["--on-damage", "skip"]]);
            assert_eq!(status, Some(1), "{rolls} {which}: {said}");
            assert_eq!(records_of(&out.join("t-0")).len(), 20, "{rolls} {which}");
            was_active |= options.contains(&"--include-active");
            let is_there = last_log(&out.join("t-0")).ends_with("00000000000000000024.log");
            assert_eq!(is_there, was_active, "{rolls} {which} {options:?}");
        }
    }
}

#[test]
fn no_key_is_said_to_be_erased_where_a_round_has_kept_damage() {
    let mut log = Grown::empty();
    batches(&mut log, PLAIN, 5, "v");
    let temp = scratch();
    let source = log.write(&temp.path().join("source"), log.end());
    let path = first_log(&source);
    let mut bytes = fs::read(&path).unwrap();
    let at = starts(&bytes)[2] + 70;
    bytes[at] ^= 1;
    fs::write(&path, bytes).unwrap();
    let out = temp.path().join("out");
    let (status, said) = run(&source, &out, &[&ACTIVE, &["--on-damage", "keep"]]);
    assert_eq!(status, Some(1), "{said}");
    let keys = temp.path().join("keys");
    fs::write(&keys, "k9\n").unwrap();
    let erase = ["--erase-keys", keys.to_str().unwrap(), "--on-damage", "skip"];
    let (status, said) = run(&source, &out, &[&ACTIVE, &erase]);
    assert!(status == Some(2) && said.contains("pass --full"), "{status:?} {said}");
    let (status, said) = run(&source, &out, &[&ACTIVE, &erase, &["--full"]]);
    assert_eq!(status, Some(1), "{said}");
    let left = fs::read(first_log(&out.join("t-0"))).unwrap();
    assert!(!left.windows(2).any(|bytes| bytes == b"k9"));
}

#[test]
fn damage_at_the_end_that_a_round_has_kept_is_not_kept_again() {
    const KEEP: [&str; 2] = ["--on-damage", "keep"];
    for rolls in [false, true] {
        let temp = scratch();
        let mut log = Grown::empty();
        batches(&mut log, PLAIN, 5, "v");
        if rolls {
            log.roll();
            batches(&mut log, PLAIN, 1, "w");
        }
        let sound = log.end();
        batches(&mut log, PLAIN, 2, "lost");
        let write = |log: &Grown| {
            let source = log.write(&temp.path().join("source"), log.end());
            let path = last_log(&source);
            let mut bytes = fs::read(&path).unwrap();
            let count = usize::try_from(sound / 4).unwrap() - if rolls { 5 } else { 0 };
            let starts = starts(&bytes);
            for lost in &starts[count..][..2] {
                bytes[lost + 70] ^= 1;
            }
            fs::write(&path, bytes).unwrap();
            source
        };
        let out = temp.path().join("out");
        let lost = |dir: &Path| {
            let logs = fs::read_dir(dir).unwrap().map(|entry| entry.unwrap().path());
            let logs = logs.filter(|path| path.extension().is_some_and(|kind| kind == "log"));
            let text =
                |path: PathBuf| String::from_utf8_lossy(&fs::read(path).unwrap()).into_owned();
            logs.map(|path| text(path).matches("lost2").count()).sum::<usize>()
        };
        let first = run(&write(&log), &out, &[&ACTIVE, &KEEP]);
        assert!(first.0 == Some(1) && lost(&out.join("t-0")) == 2, "{rolls}: {first:?}");
        let again = run(&write(&log), &out, &[&ACTIVE, &KEEP]);
        assert!(lost(&out.join("t-0")) == 2, "{rolls}: {again:?}");
        batches(&mut log, PLAIN, 1, "new");
        let grown = run(&write(&log), &out, &[&ACTIVE, &KEEP]);
        assert!(lost(&out.join("t-0")) == 2, "{rolls}: {grown:?}");
        let fresh = temp.path().join("fresh");
        run(&write(&log), &fresh, &[&ACTIVE, &KEEP]);
        let shown = |dir: &Path| {
            let mut dump = logcompact();
            let dump = dump.args(["dump", "--format", "json"]).arg(dir.join("t-0"));
            let lines = String::from_utf8(dump.output().unwrap().stdout).unwrap();
            let field =
                |line: &str, name: &str| serde_json::from_str::<Value>(line).unwrap()[name].clone();
            let line = |line: &str| (field(line, "offset"), field(line, "value"));
            lines.lines().map(line).collect::<Vec<_>>()
        };
        assert_eq!(shown(&out), shown(&fresh), "{rolls}");
        // What is other damage is kept as well.
        batches(&mut log, PLAIN, 1, "more");
        let source = write(&log);
        let path = last_log(&source);
        let mut bytes = fs::read(&path).unwrap();
        *bytes.last_mut().unwrap() ^= 1;
        fs::write(&path, bytes).unwrap();
        let more = run(&source, &out, &[&ACTIVE, &KEEP]);
        assert!(more.0 == Some(1) && lost(&out.join("t-0")) == 2, "{rolls}: {more:?}");
    }
}
