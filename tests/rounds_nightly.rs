//! The same command every night, by a script: nights that fail, that were cut off, or that were
//! asked for more than they should be, do not spoil the next.

mod support;

use std::fs;
use std::path::{Path, PathBuf};

use logcompact::format::codec::Codec;
use logcompact::segment::{PartitionDir, parse_snapshot};
use logcompact::units::Offset;
use support::events::Event;
use support::rounds::{
    Grown, LIVELY, assert_untouched, compact, lying, records_of, round, scratch,
};

const FAR: [&str; 3] = ["-q", "--delete-retention-ms", "36500d"];
const THEN: i64 = 1_700_000_000_000;

/// A log of segments with three keys each, of which the last key is its own.
fn segments(count: i64) -> Grown {
    let mut log = Grown::empty();
    for segment in 0..count {
        let own = format!("own {segment}");
        log.plain(&[Event::put("a", "x", THEN), Event::put("b", "x", THEN)]);
        log.plain(&[Event::put(&own, "x", THEN)]);
        log.roll();
    }
    log.plain(&[Event::put("active", "x", THEN)]);
    log
}

fn stderr(source: &Path, out: &Path, options: &[&str]) -> (Option<i32>, String) {
    let output = compact(source, out, options);
    (output.status.code(), String::from_utf8_lossy(&output.stderr).into_owned())
}

#[test]
fn a_first_night_that_left_all_alone_does_not_keep_the_second_from_its_work() {
    let temp = scratch();
    let (source, out) = (temp.path().join("source"), temp.path().join("out"));
    let log = segments(3);
    let dir = log.write(&source, log.end());
    let first = dir.join(format!("{:020}.log", 0));
    let bytes = fs::read(&first).unwrap();
    fs::write(&first, [&bytes[..70], b"?", &bytes[71..]].concat()).unwrap();
    assert_eq!(compact(&dir, &out, &FAR).status.code(), Some(1));
    fs::write(&first, &bytes).unwrap();
    let dest = round(&dir, &out, &FAR);
    assert_eq!(records_of(&dest).len(), 6);
    // What is not ours is not written over.
    let other = temp.path().join("other");
    fs::create_dir(&other).unwrap();
    fs::write(other.join("notes.txt"), "mine").unwrap();
    assert_eq!(compact(&dir, &other, &FAR).status.code(), Some(2));
}

#[test]
fn a_rebase_that_is_asked_for_again_does_not_lose_what_only_the_destination_has() {
    let temp = scratch();
    let (source, old) = (temp.path().join("source"), temp.path().join("old"));
    let out = temp.path().join("out");
    let log = segments(6);
    round(&log.write(&source, 7), &old, &FAR);
    let rebase = [&FAR[..], &["--rebase-from", old.to_str().unwrap()]].concat();
    round(&log.write(&source, 10), &out, &rebase);
    let dest = round(&log.write(&source, 16), &out, &FAR);
    // The source has lost what the second night has read.
    let shorter = log.write_from(&source, 15, log.end());
    let before = lying(&dest.join(".."));
    let (code, said) = stderr(&shorter, &out, &rebase);
    assert_eq!(code, Some(2), "{said}");
    assert!(said.contains("leave --rebase-from out") && said.contains("--force"), "{said}");
    for (path, was) in before.iter().filter(|(path, _)| path.is_file()) {
        assert_eq!(lying(path).get(path), Some(was));
    }
    let kept = records_of(&round(&shorter, &out, &FAR));
    assert_eq!(kept.len(), 9);
    round(&shorter, &out, &[&rebase[..], &["--force"]].concat());
    assert!(records_of(&dest).len() < kept.len());
}

#[test]
fn what_the_base_does_not_reach_is_read_of_the_source() {
    let temp = scratch();
    let (source, old) = (temp.path().join("source"), temp.path().join("old"));
    let out = temp.path().join("out");
    let log = segments(6);
    round(&log.write(&source, 7), &old, &FAR);
    let shorter = log.write_from(&source, 3, log.end());
    for watermark in ["9", "15", "1000"] {
        let rebase = ["--rebase-from", old.to_str().unwrap(), "--rebase-high-watermark", watermark];
        let out = out.join(watermark);
        let options = ["--delete-retention-ms", "36500d"];
        let (code, said) = stderr(&shorter, &out, &[&options[..], &rebase].concat());
        assert_eq!(code, Some(0), "{said}");
        assert!(said.contains("ends at offset 8 already"), "{said}");
        assert_eq!(records_of(&out.join("t-0")).len(), 9, "{watermark}");
    }
}

#[test]
fn a_refusal_is_said_once() {
    let temp = scratch();
    let (source, out) = (temp.path().join("source"), temp.path().join("out"));
    let log = segments(3);
    let dir = log.write(&source, log.end());
    round(&dir, &out, &FAR);
    let (code, said) = stderr(&dir, &out, &["--strategy", "first"]);
    assert_eq!(code, Some(2));
    assert_eq!(said.matches("pass the same as before").count(), 1, "{said}");
    assert!(said.contains("not all was done: 1 partition was left alone"), "{said}");
}

#[test]
fn an_index_that_is_built_anew_is_said_to_be_though_nothing_else_is_to_do() {
    let temp = scratch();
    let (source, out) = (temp.path().join("source"), temp.path().join("out"));
    let log = segments(3);
    let dir = log.write(&source, log.end());
    round(&dir, &out, &FAR);
    let output = compact(&dir, &out, &["--reindex"]);
    let said = String::from_utf8_lossy(&output.stdout).into_owned();
    assert_eq!(output.status.code(), Some(0));
    assert!(said.contains("the key index was built anew"), "{said}");
    assert!(!said.contains("nothing was touched"), "{said}");
}

fn checkpoint(out: &Path) -> PathBuf {
    out.join("cleaner-offset-checkpoint")
}

#[test]
fn the_cleaners_checkpoint_is_brought_up_to_date_though_nothing_else_is_to_do() {
    let temp = scratch();
    let (source, out) = (temp.path().join("source"), temp.path().join("out"));
    let log = Grown::random(5, LIVELY);
    let dir = log.write(&source, log.ends()[40]);
    fs::write(source.join("recovery-point-offset-checkpoint"), "0\n0\n").unwrap();
    let run = |options: &[&str]| {
        let output = compact(&source, &out, options);
        assert_eq!(output.status.code(), Some(0));
    };
    run(&FAR);
    let before = fs::read(checkpoint(&out)).unwrap();
    log.write(&source, log.end());
    run(&FAR);
    let after = fs::read(checkpoint(&out)).unwrap();
    assert_ne!(before, after);
    // As a run leaves it that is killed behind its last commit.
    fs::write(checkpoint(&out), &before).unwrap();
    run(&FAR);
    assert_eq!(fs::read(checkpoint(&out)).unwrap(), after);
    let lies = lying(&out);
    run(&FAR);
    assert_untouched(&lies, &out, "nothing to do");
    assert!(dir.exists());
}

#[test]
fn what_lies_in_the_output_is_not_read_for_reading_it_would_change_it() {
    let temp = scratch();
    let (source, out) = (temp.path().join("source"), temp.path().join("out"));
    let log = segments(4);
    let dir = log.write(&source, log.end());
    let dest = round(&dir, &out, &FAR);
    let keys = temp.path().join("keys");
    fs::write(&keys, "a\n").unwrap();
    let link = temp.path().join("link");
    std::os::unix::fs::symlink(&out, &link).unwrap();
    let before = lying(&out);
    let erase = ["-q", "--full", "--erase-keys", keys.to_str().unwrap()];
    for read in [&dest, &link.join("t-0")] {
        for options in [&erase[..], &["--include-active"], &["--dry-run"]] {
            let (code, said) = stderr(read, &out, options);
            assert_eq!(code, Some(2), "{said}");
            assert!(said.contains("lies inside the output"), "{said}");
        }
    }
    for base in [&out, &dest, &link] {
        let (code, said) = stderr(&dir, &out, &["--rebase-from", base.to_str().unwrap()]);
        assert_eq!(code, Some(2), "{said}");
        assert!(said.contains("lies inside the output"), "{said}");
    }
    assert_untouched(&before, &out, "what was read");
    round(&dest, &temp.path().join("other"), &FAR);
}

#[test]
fn wherever_a_base_is_to_end_nothing_between_it_and_the_source_is_lost() {
    let temp = scratch();
    let (source, old) = (temp.path().join("source"), temp.path().join("old"));
    let log = segments(5);
    round(&log.write(&source, log.end()), &old, &[&FAR[..], &["--include-active"]].concat());
    let shorter = log.write_from(&source, 6, log.end());
    let kept: Vec<i64> = records_of(&old.join("t-0")).into_keys().collect();
    // The log ends behind offset 15, which is the active segment.
    for (watermark, warning) in [
        ("3", "behind --rebase-high-watermark"),
        ("5", ""),
        ("9", ""),
        ("14", ""),
        ("15", ""),
        ("99", "ends at offset 16 already"),
    ] {
        let out = temp.path().join(watermark);
        let rebase = ["--rebase-from", old.to_str().unwrap(), "--rebase-high-watermark", watermark];
        let (code, said) = stderr(&shorter, &out, &[&FAR[1..], &rebase].concat());
        assert_eq!(code, Some(0), "{watermark}: {said}");
        assert!(said.contains(warning) && said.contains("warning") != warning.is_empty(), "{said}");
        let found: Vec<i64> = records_of(&out.join("t-0")).into_keys().collect();
        assert_eq!(found, kept, "{watermark}");
        // The next night goes on.
        let before = lying(&out);
        assert_eq!(compact(&shorter, &out, &FAR).status.code(), Some(0), "{watermark}");
        assert_untouched(&before, &out, watermark);
    }
}

#[test]
fn the_cleaners_checkpoint_says_how_far_a_partition_is_clean_that_was_named_itself_too() {
    let temp = scratch();
    let (source, out) = (temp.path().join("source"), temp.path().join("out"));
    let log = segments(5);
    let dir = log.write(&source, log.end());
    fs::write(source.join("recovery-point-offset-checkpoint"), "0\n0\n").unwrap();
    let run = |source: &Path, options: &[&str], end: &str| {
        let output = compact(source, &out, &[&FAR[..], options].concat());
        assert_eq!(output.status.code(), Some(0));
        let text = fs::read_to_string(checkpoint(&out)).unwrap();
        assert_eq!(text, format!("0\n1\nt 0 {end}\n"), "{options:?}");
        support::logcompact().args(["verify", "-q"]).arg(&out).assert().success();
    };
    run(&source, &["--to-offset", "5"], "6");
    run(&dir, &[], "15");
    run(&dir, &["--full", "--to-offset", "8"], "9");
    // As a run leaves it that is killed behind its last commit.
    fs::write(checkpoint(&out), "0\n1\nt 0 3\n").unwrap();
    run(&dir, &["--to-offset", "8"], "9");
}

#[test]
fn the_night_behind_a_rebase_knows_the_source_wherever_the_base_was_to_end() {
    let temp = scratch();
    let (source, old) = (temp.path().join("source"), temp.path().join("old"));
    let mut log = Grown::empty();
    for segment in 0..5 {
        for key in ["a", "b", "c"] {
            log.plain(&[Event::put(key, "x", THEN), Event::put(&format!("{segment}"), "x", THEN)]);
        }
        log.roll();
    }
    log.plain(&[Event::put("active", "x", THEN)]);
    round(&log.write(&source, log.end()), &old, &[&FAR[..], &["--include-active"]].concat());
    let wanted = records_of(&old.join("t-0"));
    for watermark in 0..log.end() {
        for (first, last) in [(0, 11), (0, 30), (6, 17)] {
            let out = temp.path().join(format!("{watermark} {first} {last}"));
            let watermark = watermark.to_string();
            let rebase = ["--rebase-from", old.to_str().unwrap()];
            let until = ["--rebase-high-watermark", &watermark, "--to-offset", &last.to_string()];
            let shorter = log.write_from(&source, first, log.end());
            round(&shorter, &out, &[&FAR[..], &rebase, &until].concat());
            let dest = round(&shorter, &out, &[&FAR[..], &["--include-active"]].concat());
            assert!(records_of(&dest) == wanted, "watermark {watermark}, {first} to {last}");
        }
    }
}

#[test]
fn a_dry_run_of_a_later_round_leaves_not_even_a_lock() {
    let temp = scratch();
    let (source, out) = (temp.path().join("source"), temp.path().join("out"));
    let log = segments(4);
    round(&log.write(&source, log.ends()[1]), &out, &["-q", "--include-active"]);
    let lock = out.join("t-0/.logcompact/lock");
    let source = log.write(&source, log.end());
    for is_there in [true, false] {
        if !is_there {
            fs::remove_file(&lock).unwrap();
        }
        let before = lying(&out);
        let said = stderr(&source, &out, &["-q", "--dry-run"]);
        assert_eq!(said, (Some(0), String::new()));
        assert_untouched(&before, &out, "a dry run");
    }
    // Who is at work there is seen.
    fs::write(&lock, "").unwrap();
    let held = fs::File::open(&lock).unwrap();
    held.lock().unwrap();
    let (status, said) = stderr(&source, &out, &["-q", "--dry-run"]);
    assert!(status == Some(2) && said.contains("another logcompact is at work here"), "{said}");
}

/// A log in which producer 1 has ended its transaction, and 2 has not.
fn with_an_open_transaction() -> Grown {
    let mut log = Grown::empty();
    log.transactional(1, Codec::None, &[Event::put("a", "x", THEN)]);
    log.marker(1, true);
    log.roll();
    log.transactional(2, Codec::None, &[Event::put("b", "x", THEN)]);
    log
}

/// The producers that each snapshot in a partition directory tells of.
fn producers_known(dir: &Path) -> Vec<Vec<i64>> {
    let of = |at: &Offset| {
        let bytes = fs::read(dir.join(format!("{:020}.snapshot", at.0))).unwrap();
        parse_snapshot(&bytes).unwrap().iter().map(|entry| entry.producer_id).collect()
    };
    PartitionDir::open(dir).unwrap().snapshots.iter().map(of).collect()
}

#[test]
fn producers_that_wrote_below_the_watermark_only_are_not_forgotten_where_no_snapshot_tells_of_them()
{
    let temp = scratch();
    let (source, out) = (temp.path().join("source"), temp.path().join("out"));
    let put = |key| [Event::put(key, "x", THEN)];
    let mut log = with_an_open_transaction();
    log.plain(&put("c"));
    let options = ["-q", "--include-active"];
    for night in 0..3 {
        let source = log.write(&source, log.end());
        assert!(PartitionDir::open(&source).unwrap().snapshots.is_empty());
        let dest = round(&source, &out, &options);
        // The second night has nothing to compact, so there is no new one.
        assert_eq!(producers_known(&dest).last().unwrap(), &[1, 2], "night {night}");
        log.roll();
        log.plain(&put("d"));
        if night == 1 {
            log.marker(2, true);
        }
    }
}

#[test]
fn a_snapshot_of_a_tail_that_the_source_has_no_more_is_not_gone_on_from() {
    let temp = scratch();
    let (source, out) = (temp.path().join("source"), temp.path().join("out"));
    let put = |key| [Event::put(key, "x", THEN)];
    let mut log = with_an_open_transaction();
    let mut other = log.clone();
    log.transactional(4, Codec::None, &put("c"));
    let options = ["-q", "--include-active"];
    let known = |dest: &Path| producers_known(dest).concat();
    let dest = round(&log.write(&source, log.end()), &out, &options);
    assert_eq!(known(&dest), [1, 2, 4]);
    // Another leader had other records there.
    for key in ["d", "e", "f", "g"] {
        other.plain(&put(key));
    }
    other.transactional(3, Codec::None, &put("h"));
    let dest = round(&other.write(&source, other.end()), &out, &options);
    assert!(!known(&dest).contains(&4), "{:?}", known(&dest));
    let dest = round(&other.write(&source, other.end()), &out, &["-q", "--full"]);
    assert!(!known(&dest).contains(&4), "{:?}", known(&dest));
}

#[test]
fn options_of_rounds_that_mean_nothing_are_refused_and_why_is_said() {
    let temp = scratch();
    let log = segments(2);
    let source = log.write(&temp.path().join("source"), log.end());
    let old = source.to_str().unwrap();
    let cases: [(&[&str], &str); 5] = [
        (&["--to-offset", "-1"], "offsets begin at 0"),
        (
            &["--rebase-from", old, "--rebase-high-watermark", "-5"],
            "--rebase-high-watermark -5: offsets begin at 0",
        ),
        (&["--min-rewrite-ratio", "1.5"], "from 0 to 1"),
        (&["--min-rewrite-ratio", "0.5", "--strategy", "first"], "would count again"),
        (&["--keep-rounds", "0", "--reindex"], "--keep-rounds 0 keeps no state"),
    ];
    for (options, said) in cases {
        let (status, stderr) = stderr(&source, &temp.path().join("out"), options);
        assert!(status == Some(2) && stderr.contains(said), "{options:?}: {stderr}");
        assert!(!temp.path().join("out").exists(), "{options:?}");
    }
}
