//! Damage that rounds meet, or have kept, at the end of what they compact.

mod support;

use std::fs;
use std::path::{Path, PathBuf};

use serde_json::Value;
use support::damaged::{
    ACTIVE, FAR, START_MS, batches, first_log, last_log, overwritten, run, starts,
};
use support::events::{Event, PLAIN};
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

/// A log of `count` batches of one record, each of the same number of bytes.
fn evenly(count: i64) -> Grown {
    let mut log = Grown::empty();
    for n in 0..count {
        log.plain(&[Event::put(&format!("k{n:03}"), &"v".repeat(55), START_MS)]);
    }
    log
}

#[test]
fn a_length_that_leads_past_the_watermark_is_not_believed() {
    for (batch, how, is_new) in (0..11).flat_map(|batch| {
        ["fail", "skip", "keep"].map(|how| [(batch, how, false), (batch, how, true)]).concat()
    }) {
        let temp = scratch();
        let (log, source) = (evenly(40), temp.path().join("source"));
        let out = temp.path().join("out");
        let mut options = vec!["--on-damage", how];
        if !is_new {
            options.push("--verify");
        }
        let write = |end: i64, is_bad: bool| {
            let source = log.write(&source, end);
            let path = first_log(&source);
            let mut bytes = fs::read(&path).unwrap();
            let (start, size) = (starts(&bytes)[batch], starts(&bytes)[1] as i32);
            if is_bad {
                // It ends where another batch does.
                let length = 5 * size - 12;
                bytes[start + 8..start + 12].copy_from_slice(&length.to_be_bytes());
            }
            fs::write(&path, bytes).unwrap();
            source
        };
        let case = format!("{batch} {how} {is_new}");
        // It was damaged before the first round, or only behind it.
        let is_bad_at_first = is_new && how != "fail";
        run(&write(12, is_bad_at_first), &out, &[&ACTIVE, &options]);
        let (status, said) = run(&write(40, true), &out, &[&ACTIVE, &options]);
        assert_eq!(status, Some(0), "{case}: {said}");
        let lost = i64::try_from(batch).unwrap();
        let kept: Vec<i64> = (0..40).filter(|n| !is_bad_at_first || *n != lost).collect();
        let dumped = dump_of(&out.join("t-0"));
        assert_eq!(dumped, kept, "{case}");
    }
}

/// The offsets that a dump shows.
fn dump_of(dir: &Path) -> Vec<i64> {
    let mut dump = logcompact();
    let lines = dump.args(["dump", "--format", "json"]).arg(dir).output().unwrap().stdout;
    let lines = String::from_utf8(lines).unwrap();
    let offset = |line: &str| serde_json::from_str::<Value>(line).unwrap()["offset"].as_i64();
    lines.lines().map(|line| offset(line).unwrap()).collect()
}

#[test]
fn a_last_offset_that_claims_the_watermark_does_not_keep_the_next_round_from_its_work() {
    for (how, delta) in ["skip", "keep"].into_iter().flat_map(|how| [(how, 2), (how, 64)]) {
        let temp = scratch();
        let (log, source) = (evenly(40), temp.path().join("source"));
        let out = temp.path().join("out");
        let write = |end: i64| {
            let source = log.write(&source, end);
            let path = first_log(&source);
            let bytes = fs::read(&path).unwrap();
            fs::write(&path, overwritten(&bytes, 1, 26, &[delta])).unwrap();
            source
        };
        let options = [&ACTIVE[..], &["--on-damage", how]];
        assert_eq!(run(&write(4), &out, &options).0, Some(1), "{how} {delta}");
        let again = run(&write(4), &out, &options);
        assert_eq!(again.0, Some(0), "{how} {delta}: {again:?}");
        let grown = run(&write(40), &out, &options);
        assert_eq!(grown.0, Some(0), "{how} {delta}: {grown:?}");
        // A batch that is kept as it is is shown as it is.
        let shown: Vec<i64> =
            dump_of(&out.join("t-0")).into_iter().filter(|offset| *offset != 1).collect();
        let kept: Vec<i64> = (0..40).filter(|n| *n != 1).collect();
        assert_eq!(shown, kept, "{how} {delta}");
    }
}

#[test]
fn a_batch_that_was_still_being_written_behind_damage_that_was_kept_is_not_lost() {
    let options = [&ACTIVE[..], &["--on-damage", "keep", "--verify"]];
    for written in [5, 13, 17, 61, 100] {
        let temp = scratch();
        let (log, source) = (evenly(8), temp.path().join("source"));
        let out = temp.path().join("out");
        let write = |end: i64, last: usize| {
            let source = log.write(&source, end);
            let path = first_log(&source);
            let bytes = fs::read(&path).unwrap();
            let mut bytes = overwritten(&bytes, 2, 90, b"!");
            bytes.truncate(bytes.len() - bytes.len() / usize::try_from(end).unwrap() + last);
            fs::write(&path, bytes).unwrap();
            source
        };
        let first = run(&write(4, written), &out, &options);
        assert_eq!(first.0, Some(1), "{written}: {first:?}");
        let size = fs::metadata(first_log(&source.join("t-0"))).unwrap().len();
        let whole = usize::try_from(size).unwrap() - written;
        let second = run(&write(8, whole / 3), &out, &options);
        let mut kept = dump_of(&out.join("t-0"));
        kept.retain(|offset| *offset != 2);
        assert_eq!(kept, [0, 1, 3, 4, 5, 6, 7], "{written}: {second:?}");
    }
}
