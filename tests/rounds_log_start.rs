//! Logs that start within a segment, in rounds: a destination starts where the source did when it
//! was begun, or where the directory does that it was rebased on.

mod support;

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;

use serde_json::Value;
use support::events::Event;
use support::logcompact;
use support::rounds::{Grown, compact, compacted_end, current, records_of, round, scratch};

const THEN: i64 = 1_700_000_000_000;
const DAY_MS: i64 = 86_400_000;
const NOW_MS: i64 = 1_795_300_000_000;
const CHECKPOINT: &str = "log-start-offset-checkpoint";

fn put(key: &str, value: &str) -> Event {
    Event::put(key, value, THEN)
}

fn start_at(root: &Path, offset: i64) {
    fs::create_dir_all(root).unwrap();
    fs::write(root.join(CHECKPOINT), format!("0\n1\nt 0 {offset}\n")).unwrap();
}

fn started_at(root: &Path) -> Option<i64> {
    let text = fs::read_to_string(root.join(CHECKPOINT)).ok()?;
    let line = text.lines().find(|line| line.starts_with("t 0 "))?;
    line.split(' ').next_back()?.parse().ok()
}

fn offsets(dest: &Path) -> Vec<i64> {
    records_of(dest).into_keys().collect()
}

fn assert_sound(out: &Path) {
    logcompact().arg("verify").arg(out).assert().success();
}

#[test]
fn where_the_log_starts_is_said_of_a_partition_that_was_named_itself_too() {
    let temp = scratch();
    let source = temp.path().join("source");
    let mut log = Grown::empty();
    log.plain(&[put("k", "1"), put("x", "1"), Event::delete("k", THEN), put("y", "1")]);
    log.plain(&[put("z", "1")]);
    log.roll();
    log.plain(&[put("active", "1")]);
    let partition = log.write(&source, log.end());
    for (number, keep_rounds) in ["0", "2"].into_iter().enumerate() {
        start_at(&source, 4);
        // Of what lies in front, the deletion hides nothing; so it must not come back.
        let out = temp.path().join(format!("out {number}"));
        let options = ["-q", "--verify", "--drop-tombstones", "--keep-rounds", keep_rounds];
        let dest = round(&partition, &out, &options);
        assert_eq!(offsets(&dest), [0, 1, 3, 4, 5]);
        assert_eq!(started_at(&out), Some(4));
        assert!(!out.join("cleaner-offset-checkpoint").exists());
        fs::remove_file(source.join(CHECKPOINT)).unwrap();
        let plain = temp.path().join(format!("plain {number}"));
        assert_eq!(offsets(&round(&partition, &plain, &options)), [1, 3, 4, 5]);
        assert!(!plain.join(CHECKPOINT).exists());
    }
}

#[test]
fn what_a_run_that_was_killed_did_not_write_beside_its_partitions_the_next_does() {
    const BESIDE: [(&str, i64); 4] = [
        (CHECKPOINT, 2),
        ("cleaner-offset-checkpoint", 4),
        ("recovery-point-offset-checkpoint", 5),
        ("replication-offset-checkpoint", 5),
    ];
    let temp = scratch();
    let source = temp.path().join("source");
    let mut log = Grown::empty();
    log.plain(&[put("k", "1"), put("x", "1"), put("y", "1"), put("z", "1")]);
    log.roll();
    log.plain(&[put("active", "1")]);
    let first = log.end();
    log.roll();
    log.plain(&[put("active", "2")]);
    let beside = |end: i64| {
        for (name, offset) in BESIDE {
            let offset = if offset == 5 { end } else { offset };
            fs::write(source.join(name), format!("0\n1\nt 0 {offset}\n")).unwrap();
        }
        fs::write(source.join("meta.properties"), "version=1\n").unwrap();
        fs::write(source.join(".kafka_cleanshutdown"), "").unwrap();
    };
    let said = |out: &Path| BESIDE.map(|(name, _)| fs::read_to_string(out.join(name)).ok());
    for is_idle in [true, false] {
        let out = temp.path().join(format!("out {is_idle}"));
        log.write(&source, first);
        beside(first);
        round(&source, &out, &["-q"]);
        let before = said(&out);
        assert_eq!(started_at(&out), Some(2));
        BESIDE.iter().for_each(|(name, _)| fs::remove_file(out.join(name)).unwrap());
        fs::write(out.join(format!("{CHECKPOINT}.tmp")), "0").unwrap();
        for name in ["meta.properties", ".kafka_cleanshutdown"] {
            fs::remove_file(out.join(name)).unwrap();
        }
        if !is_idle {
            log.write(&source, log.end());
            beside(log.end());
        }
        round(&source, &out, &["-q"]);
        assert_eq!(started_at(&out), Some(2), "{is_idle}");
        assert_eq!(said(&out) == before, is_idle);
        assert!(said(&out).iter().all(Option::is_some));
        assert!(out.join("meta.properties").exists());
        // A broker that stands on an output in which nothing was to do has not been shut down.
        assert_eq!(out.join(".kafka_cleanshutdown").exists(), !is_idle);
        assert!(!out.join(format!("{CHECKPOINT}.tmp")).exists());
    }
}

#[test]
fn a_partition_that_is_named_itself_leaves_no_checkpoint_of_the_output_behind_it() {
    let temp = scratch();
    let (source, out) = (temp.path().join("source"), temp.path().join("out"));
    let points = ["recovery-point-offset-checkpoint", "replication-offset-checkpoint"];
    let mut log = Grown::empty();
    log.plain(&[put("k", "1"), put("x", "1")]);
    log.roll();
    log.plain(&[put("active", "1")]);
    let first = log.end();
    log.roll();
    log.plain(&[put("active", "2")]);
    let write = |end: i64| {
        let partition = log.write(&source, end);
        for name in points {
            fs::write(source.join(name), format!("0\n2\nother 1 7\nt 0 {end}\n")).unwrap();
        }
        partition
    };
    write(first);
    round(&source, &out, &["-q"]);
    round(&write(log.end()), &out, &["-q"]);
    for name in points {
        let said = fs::read_to_string(out.join(name)).unwrap();
        assert_eq!(said, format!("0\n1\nt 0 {}\n", log.end()), "{name}");
    }
}

#[test]
fn a_rebase_within_the_segment_in_which_the_log_starts_keeps_its_start() {
    let mut log = Grown::empty();
    for n in 0..6 {
        log.plain(&[put(&format!("a{n}"), "1"), put(&format!("b{n}"), "1")]);
    }
    log.roll();
    log.plain(&[put("active", "1")]);
    let to_7 = &["--rebase-high-watermark", "7"][..];
    // Where the old one starts, the source, and what is made of both.
    for (old_start, source_start, options, start) in [
        (2, 2, &[][..], 2),
        (2, 2, to_7, 2),
        (2, 0, &[], 0),
        (2, 0, to_7, 2),
        (0, 2, &[], 0),
        (0, 2, to_7, 0),
        (10, 2, to_7, 8),
        (10, 9, to_7, 9),
        (10, 0, to_7, 8),
        (2, 9, to_7, 2),
        (10, 9, &[], 9),
    ] {
        let temp = scratch();
        let (source, old) = (temp.path().join("source"), temp.path().join("old"));
        let out = temp.path().join("out");
        for (root, start) in [(&source, source_start), (&old, old_start)] {
            log.write(root, log.end());
            match start {
                0 => fs::write(root.join(CHECKPOINT), "0\n0\n").unwrap(),
                start => start_at(root, start),
            }
        }
        let rebase = [&["-q", "--rebase-from", old.to_str().unwrap()], options].concat();
        round(&source, &out, &rebase);
        let case = format!("{old_start} {source_start} {options:?}");
        assert_eq!(started_at(&out).unwrap_or(0), start, "{case}");
        assert_sound(&out);
    }
}

#[test]
fn a_start_that_the_source_moves_is_not_the_destinations_and_no_deletion_is_undone() {
    for strategy in ["offset", "timestamp", "first", "header:v"] {
        for (drops, first_start) in [(true, 0), (false, 0), (true, 1), (false, 1)] {
            let temp = scratch();
            let (source, out) = (temp.path().join("source"), temp.path().join("out"));
            let mut log = Grown::empty();
            log.plain(&[put("below", "1"), Event::put("late", "1", THEN + 100), put("k", "1")]);
            log.roll();
            let mut ends = vec![log.end() + 1];
            log.plain(&[put("active", "1")]);
            log.plain(&[Event::delete("k", THEN + 1), Event::put("late", "2", THEN + 50)]);
            log.plain(&[put("y", "1")]);
            log.roll();
            ends.push(log.end() + 1);
            log.plain(&[put("active", "2")]);
            log.roll();
            log.plain(&[put("active", "3")]);
            ends.push(log.end());
            let mut dest = Path::new("").to_owned();
            for (night, end) in ends.into_iter().enumerate() {
                start_at(&source, [first_start, 3, 7][night]);
                let now = (NOW_MS + 3 * DAY_MS * night as i64).to_string();
                let mut options = vec!["-q", "--verify", "--strategy", strategy, "--now", &now];
                options.extend(drops.then_some("--drop-tombstones"));
                dest = round(&log.write(&source, end), &out, &options);
                assert_sound(&dest);
            }
            let records = records_of(&dest);
            let late = if matches!(strategy, "timestamp" | "first") { 1 } else { 5 };
            // Once it has had its time, the deletion of `k` at 4 is gone, and what it deleted too.
            assert_eq!(
                records.keys().copied().collect::<Vec<_>>(),
                match strategy {
                    "first" => vec![0, late, 3, 6, 8],
                    _ => vec![0, late, 6, 7, 8],
                },
                "{strategy}, dropping at once: {drops}, starting at {first_start}"
            );
        }
    }
}

#[test]
fn what_a_destination_is_rebased_on_starts_where_it_does() {
    let temp = scratch();
    let [source, older, out] = ["source", "older", "out"].map(|name| temp.path().join(name));
    let mut log = Grown::empty();
    log.plain(&[put("a", "1"), put("b", "1"), put("c", "1")]);
    log.plain(&[Event::delete("a", THEN), put("b", "2")]);
    log.roll();
    let first = log.end();
    log.plain(&[put("z", "1"), put("z", "2"), put("y", "1")]);
    log.roll();
    let second = log.end();
    log.plain(&[put("active", "1")]);
    let whole = log.end();
    log.roll();
    log.plain(&[put("active", "2")]);
    for start in [first + 1, second, whole] {
        for end in [second, whole].into_iter().filter(|end| *end >= start) {
            let _ = fs::remove_dir_all(&out);
            let options = ["-q", "--verify", "--drop-tombstones"];
            log.write(&older, first);
            let base = ["--rebase-from", older.to_str().unwrap()];
            start_at(&source, start);
            let dir = log.write_from(&source, first, end);
            let dest = round(&dir, &out, &[&options[..], &base].concat());
            assert_sound(&out);
            assert_eq!(current(&dest)["unindexed_below"], 0);
            // `a` was deleted, and of `b` there is the newer one; and brokers see them.
            assert_eq!(started_at(&out).unwrap_or(0), 0);
            let below = |dest: &Path| offsets(dest).into_iter().filter(|at| *at < first).collect();
            let kept: Vec<i64> = below(&dest);
            assert_eq!(kept, [2, 4], "{start} {end}");
            let dest = round(&log.write_from(&source, first, log.end()), &out, &options);
            assert_sound(&out);
            assert_eq!(compacted_end(&dest), log.ends()[3], "{start} {end}");
            // What the source has deleted since is not taken from it.
            let behind = [6, 7, 8, 9].into_iter().filter(|offset| *offset >= start);
            let wanted: Vec<i64> = [2, 4].into_iter().chain(behind).collect();
            assert_eq!(offsets(&dest), wanted, "{start} {end}");
        }
    }
}

#[test]
fn a_base_that_starts_within_a_segment_is_hidden_up_to_there() {
    let temp = scratch();
    let [source, older, out] = ["source", "older", "out"].map(|name| temp.path().join(name));
    let mut log = Grown::empty();
    log.plain(&[put("a", "1"), put("a", "2"), put("b", "1"), put("c", "1")]);
    log.roll();
    let first = log.end();
    log.plain(&[put("z", "1"), put("b", "2")]);
    log.roll();
    log.plain(&[put("active", "1")]);
    let end = log.end();
    log.plain(&[put("a", "3")]);
    log.roll();
    log.plain(&[put("active", "2")]);
    log.write(&older, first);
    start_at(&older, 3);
    let base = ["-q", "--verify", "--rebase-from", older.to_str().unwrap()];
    let dest = round(&log.write_from(&source, first, end), &out, &base);
    assert_sound(&out);
    assert_eq!((offsets(&dest), started_at(&out)), (vec![0, 1, 3, 4, 5, 6], Some(3)));
    assert_eq!(current(&dest)["unindexed_below"], 3);
    let dest = round(&log.write_from(&source, first, log.end()), &out, &["-q", "--verify"]);
    assert_sound(&out);
    assert_eq!((offsets(&dest), started_at(&out)), (vec![3, 4, 5, 6, 7, 8], Some(3)));
    assert_eq!(current(&dest)["unindexed_below"], 0);
}

#[test]
fn what_the_source_has_deleted_within_a_segment_is_not_taken_from_it_by_a_rebase() {
    for strategy in ["offset", "timestamp"] {
        let temp = scratch();
        let [source, older, out] = ["source", "older", "out"].map(|name| temp.path().join(name));
        let mut log = Grown::empty();
        log.plain(&[put("a", "1")]);
        log.roll();
        log.plain(&[Event::put("k", "deleted", THEN + 9), put("b", "1")]);
        log.plain(&[put("k", "lives"), put("c", "1")]);
        log.roll();
        log.plain(&[put("active", "1")]);
        // Somebody has erased `k` from the copy, and from the source up to offset 3.
        let list = temp.path().join("keys");
        fs::write(&list, "k").unwrap();
        let copy = log.write(&older, 3);
        let erased = ["-q", "--include-active", "--erase-keys", list.to_str().unwrap()];
        let base = round(&copy, &temp.path().join("base"), &erased);
        start_at(&source, 3);
        let dir = log.write_from(&source, 1, log.end());
        for options in [&[][..], &["--rebase-high-watermark", "1"]] {
            let _ = fs::remove_dir_all(&out);
            let rebase = ["-q", "--strategy", strategy, "--rebase-from", base.to_str().unwrap()];
            let dest = round(&dir, &out, &[&rebase, options].concat());
            assert_eq!(offsets(&dest), [0, 2, 3, 4, 5], "{strategy} {options:?}");
            assert_sound(&out);
        }
    }
}

#[test]
fn what_was_deleted_between_two_rounds_is_a_gap_though_its_segment_is_still_there() {
    let temp = scratch();
    let [source, out] = ["source", "out"].map(|name| temp.path().join(name));
    let mut log = Grown::empty();
    log.plain(&[put("a", "1")]);
    log.roll();
    log.plain(&[put("b", "1")]);
    let first = log.end();
    log.plain(&[put("secret", "deleted")]);
    log.plain(&[put("k", "1")]);
    log.roll();
    log.plain(&[put("active", "1")]);
    let dest = round(&log.write(&source, first), &out, &["-q"]);
    let before = offsets(&dest);
    start_at(&source, 3);
    let dir = log.write_from(&source, 1, log.end());
    let said = said_of(&dir, &out, &["-q"]);
    assert!(said.contains("the source begins at offset 3, but was compacted up to"), "{said}");
    assert_eq!(offsets(&dest), before);
    // What the destination has held in its tail is no gap.
    start_at(&source, first);
    round(&dir, &out, &["-q"]);
    assert_eq!(offsets(&dest), [0, 1, 2, 3, 4]);
}

#[test]
fn a_start_behind_the_end_of_the_log_is_believed_by_no_round() {
    let temp = scratch();
    let [source, older, out] = ["source", "older", "out"].map(|name| temp.path().join(name));
    let mut log = Grown::empty();
    for number in 0..4 {
        log.plain(&[put("a", &number.to_string())]);
        log.roll();
    }
    let mut ends = log.ends().into_iter().skip(1);
    start_at(&source, 50);
    let dir = log.write(&source, ends.next().unwrap());
    log.write(&older, 1);
    let base = ["-q", "--rebase-from", older.to_str().unwrap(), "--include-active"];
    for first in [&["-q"][..], &base] {
        let _ = fs::remove_dir_all(&out);
        round(&dir, &out, first);
        round(&dir, &out, &["-q"]);
    }
    for end in ends {
        let dest = round(&log.write(&source, end), &out, &["-q"]);
        assert_eq!(offsets(&dest).last(), Some(&(end - 1)));
    }
}

#[test]
fn a_rebase_that_ends_in_front_of_the_source_is_refused() {
    let temp = scratch();
    let [source, older, out] = ["source", "older", "out"].map(|name| temp.path().join(name));
    let mut log = Grown::empty();
    for segment in 0..3 {
        log.plain(&[put("a", &segment.to_string()), put("b", "1")]);
        log.roll();
    }
    log.plain(&[put("active", "1")]);
    log.write(&older, 4);
    let dir = log.write_from(&source, 4, log.end());
    let options = ["-q", "--rebase-from", older.to_str().unwrap(), "--to-offset", "1"];
    let output = compact(&dir, &out, &options);
    let said = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(2), "{said}");
    assert!(said.contains("up to where the source begins, offset 4"), "{said}");
    assert!(!out.join("t-0").exists());
    let dest = round(&dir, &out, &[&options[..4], &["4"]].concat());
    let records: BTreeMap<i64, Value> = records_of(&dest);
    assert_eq!(records.keys().copied().collect::<Vec<_>>(), [3, 4, 5, 6]);
}

#[test]
fn who_starts_over_does_not_lose_unsaid_what_the_source_has_hidden() {
    let temp = scratch();
    let [source, older, out] = ["source", "older", "out"].map(|name| temp.path().join(name));
    let mut log = Grown::empty();
    for key in ["a", "b", "c", "d"] {
        log.plain(&[put(key, "1")]);
    }
    log.roll();
    log.plain(&[put("z", "1")]);
    log.roll();
    log.plain(&[put("active", "1")]);
    let dir = log.write(&source, log.end());
    let dest = round(&dir, &out, &["-q"]);
    start_at(&source, 2);
    log.write(&older, log.end());
    start_at(&older, 1);
    for asked in [&["-q", "--full"][..], &["-q", "--rebase-from", older.to_str().unwrap()]] {
        let output = compact(&dir, &out, asked);
        let said = String::from_utf8_lossy(&output.stderr);
        assert_eq!(output.status.code(), Some(2), "{said}");
        assert!(said.contains("--force"), "{said}");
        assert_eq!(started_at(&out), None);
    }
    assert!(
        said_of(&dir, &out, &["-q", "--full"])
            .contains("begins at offset 2, but the destination at 0")
    );
    round(&dir, &out, &["-q", "--full", "--force"]);
    assert_eq!((started_at(&out), offsets(&dest)), (Some(2), vec![0, 1, 2, 3, 4, 5]));
    assert_sound(&out);
    // It starts there itself now.
    round(&dir, &out, &["-q", "--full"]);
}

fn said_of(dir: &Path, out: &Path, options: &[&str]) -> String {
    String::from_utf8_lossy(&compact(dir, out, options).stderr).into_owned()
}
