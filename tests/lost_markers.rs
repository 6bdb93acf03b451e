//! Markers of transactions among what is damaged: what is known of them counts wherever
//! transactions do, what is not is said.

mod support;

use std::fs;
use std::path::{Path, PathBuf};

use predicates::str::contains;
use support::damaged::starts;
use support::log::{Log, first_marker, put};
use support::logcompact;
use support::power::tree;
use support::state::content_of;

const LOG: &str = "00000000000000000000.log";

#[test]
fn a_lost_abort_marker_does_not_bring_aborted_records_back() {
    let temp = tempfile::tempdir().unwrap();
    let mut log = Log::create(temp.path(), "t-0").with_txn_index();
    log.batch(&[put("k", "right")]);
    log.transactional(7, &[put("k", "aborted")]).marker(7, false);
    // The next transaction of the same producer commits: without the marker it would take the
    // aborted data along.
    log.transactional(7, &[put("other", "committed")]).marker(7, true).roll();
    log.batch(&[put("active", "1")]).flush();
    let dir = temp.path().join("t-0");
    let before = content_of(&dir).state;
    let mut bytes = fs::read(dir.join(LOG)).unwrap();
    let marker = first_marker(&bytes);
    bytes[marker + 40] ^= 1;
    fs::write(dir.join(LOG), bytes).unwrap();
    let out = temp.path().join("out");
    logcompact()
        .args(["compact", "--on-damage", "skip", "--out"])
        .args([&out, &dir])
        .assert()
        .code(1);
    let after = content_of(&out.join("t-0")).state;
    assert_eq!(after, before);
}

/// A log in which producer 7's first marker is damaged by one bit: its `.txnindex` is as given.
fn lost_marker(root: &Path, commits: [bool; 2], with_index: bool) -> PathBuf {
    let mut log = Log::create(root, "t-0").with_txn_index();
    log.batch(&[put("k", "before")]);
    log.transactional(7, &[put("k", "first"), put("a", "first")]).marker(7, commits[0]);
    log.transactional(7, &[put("b", "second")]).marker(7, commits[1]).roll();
    log.batch(&[put("active", "1")]).flush();
    let dir = root.join("t-0");
    let mut bytes = fs::read(dir.join(LOG)).unwrap();
    let marker = first_marker(&bytes);
    // In the timestamps: it can still be read.
    bytes[marker + 40] ^= 1;
    fs::write(dir.join(LOG), bytes).unwrap();
    if !with_index {
        let _ = fs::remove_file(dir.join("00000000000000000000.txnindex"));
    }
    dir
}

#[test]
fn a_lost_marker_is_made_up_for_by_the_index_or_by_what_can_still_be_read_of_it() {
    for commits in [[true, true], [true, false], [false, true], [false, false]] {
        for with_index in [true, false] {
            let temp = tempfile::tempdir().unwrap();
            let what = format!("{commits:?}, index {with_index}");
            let dir = lost_marker(temp.path(), commits, with_index);
            let first = |key: &str| commits[0].then(|| key.to_owned());
            for how in ["compact", "repair"] {
                let out = temp.path().join(how);
                let options: &[&str] = match how {
                    "compact" => &["compact", "--on-damage", "skip", "--verify"],
                    _ => &["repair", "--skip"],
                };
                let run = logcompact().args(options).arg("--out").args([&out, &dir]).output();
                let run = run.unwrap();
                let said = String::from_utf8_lossy(&run.stderr).into_owned();
                assert!(out.join("t-0").exists(), "{what}, {how}: {said}");
                assert_eq!(run.status.code(), Some(1), "{what}, {how}");
                let partition = out.join("t-0");
                let records = content_of(&partition).records;
                let has = |value: &str| {
                    records.values().any(|(_, v)| v.as_deref() == Some(value.as_bytes()))
                };
                assert_eq!(has("first"), first("a").is_some(), "{what}, {how}");
                let second = if how == "repair" { true } else { commits[1] };
                assert_eq!(has("second"), second, "{what}, {how}");
            }
        }
    }
}

#[test]
fn a_marker_that_is_damaged_behind_a_damaged_batch_is_still_read() {
    for commits in [true, false] {
        let temp = tempfile::tempdir().unwrap();
        let mut log = Log::create(temp.path(), "t-0");
        log.batch(&[put("k", "before")]).transactional(7, &[put("a", "first")]);
        log.transactional(7, &[put("b", "lost")]).marker(7, commits);
        log.batch(&[put("k", "behind")]).roll().batch(&[put("active", "1")]).flush();
        let dir = temp.path().join("t-0");
        let mut bytes = fs::read(dir.join(LOG)).unwrap();
        let marker = first_marker(&bytes);
        bytes[marker - 1] ^= 1;
        bytes[marker + 40] ^= 1;
        fs::write(dir.join(LOG), bytes).unwrap();
        let mut dump = logcompact();
        let dump = dump.args(["dump", "--isolation", "read_committed"]).arg(&dir);
        let dumped = String::from_utf8(dump.output().unwrap().stdout).unwrap();
        assert_eq!(dumped.contains("first"), commits, "{dumped}");
        assert!(dumped.contains("behind"), "{dumped}");
        let out = temp.path().join("out");
        let mut compact = logcompact();
        compact.args(["compact", "--on-damage", "skip", "--verify", "--out"]).args([&out, &dir]);
        compact.assert().code(1);
        let records = content_of(&out.join("t-0")).records;
        let has = records.values().any(|(_, value)| value.as_deref() == Some(b"first"));
        assert_eq!(has, commits);
    }
}

#[test]
fn a_marker_whose_offsets_are_damaged_stands_where_it_lies() {
    const LAST_OFFSET_DELTA: [usize; 4] = [23, 24, 25, 26];
    const BASE_OFFSET: [usize; 6] = [0, 3, 4, 5, 6, 7];
    let places = LAST_OFFSET_DELTA.into_iter().chain(BASE_OFFSET);
    for (at, commits) in places.flat_map(|at| [(at, true), (at, false)]) {
        for bit in [0, 3] {
            let temp = tempfile::tempdir().unwrap();
            let mut log = Log::create(temp.path(), "t-0");
            log.batch(&[put("k", "before")]).transactional(7, &[put("a", "first")]);
            log.transactional(8, &[put("b", "second")]).marker(7, commits);
            log.transactional(7, &[put("c", "third")]).marker(8, !commits);
            log.transactional(8, &[put("d", "fourth")]).marker(7, !commits).marker(8, commits);
            log.roll().batch(&[put("active", "1")]).flush();
            let dir = temp.path().join("t-0");
            let mut bytes = fs::read(dir.join(LOG)).unwrap();
            let marker = first_marker(&bytes);
            bytes[marker + at] ^= 1 << bit;
            fs::write(dir.join(LOG), bytes).unwrap();
            let case = format!("byte {at}, bit {bit}, {commits}");
            let wanted = match commits {
                true => [true, false, false, true],
                false => [false, true, true, false],
            };
            let mut dump = logcompact();
            let dump = dump.args(["dump", "--isolation", "read_committed"]).arg(&dir);
            let dumped = String::from_utf8(dump.output().unwrap().stdout).unwrap();
            let shown = ["first", "second", "third", "fourth"].map(|v| dumped.contains(v));
            assert_eq!(shown, wanted, "{case}: {dumped}");
            let out = temp.path().join("out");
            let mut compact = logcompact();
            compact.args(["compact", "--on-damage", "skip", "--out"]);
            let said = compact.args([&out, &dir]).output().unwrap();
            let said = String::from_utf8_lossy(&said.stderr).into_owned();
            assert!(out.join("t-0").exists(), "{case}: {said}");
            let records = content_of(&out.join("t-0")).records;
            let has =
                |value: &str| records.values().any(|(_, v)| v.as_deref() == Some(value.as_bytes()));
            assert_eq!(["first", "second", "third", "fourth"].map(has), wanted, "{case}: {said}");
        }
    }
}

#[test]
fn a_damaged_batch_opens_no_transaction_that_hides_what_is_behind_it() {
    let temp = tempfile::tempdir().unwrap();
    let mut log = Log::create(temp.path(), "t-0");
    log.batch(&[put("a", "first")]).batch(&[put("b", "second")]);
    log.roll().batch(&[put("active", "1")]).flush();
    let dir = temp.path().join("t-0");
    let mut bytes = fs::read(dir.join(LOG)).unwrap();
    bytes[22] |= 0x10; // transactional
    fs::write(dir.join(LOG), bytes).unwrap();
    for options in [&["--isolation", "read_committed"][..], &["--state"]] {
        let mut dump = logcompact();
        let dump = dump.arg("dump").args(options).arg(&dir).assert();
        dump.code(1).stdout(contains("second")).stderr(contains("CRC"));
    }
}

#[test]
fn a_committed_transaction_that_hangs_without_its_marker_is_told_of() {
    let temp = tempfile::tempdir().unwrap();
    let mut log = Log::create(temp.path(), "t-0");
    log.batch(&[put("k", "before")]).roll();
    log.transactional(7, &[put("a", "1")]).marker(7, true).roll();
    log.batch(&[put("active", "1")]).flush();
    let dir = temp.path().join("t-0");
    let second = dir.join("00000000000000000001.log");
    let mut bytes = fs::read(&second).unwrap();
    let marker = first_marker(&bytes);
    bytes[marker + 40] ^= 1;
    fs::write(&second, bytes).unwrap();
    let told =
        "the transaction of producer 7 from offset 1 was committed, but its marker is damaged";
    logcompact()
        .args(["compact", "--on-damage", "skip", "--verify", "--out"])
        .args([&temp.path().join("out"), &dir])
        .assert()
        .code(1)
        .stderr(contains(told));
    assert!(temp.path().join("out/t-0").exists());
    let mut repair = logcompact();
    repair.args(["repair", "--skip", "--dry-run"]).arg(&dir);
    repair.assert().code(1).stdout(contains(told));
}

#[test]
fn a_marker_that_may_have_been_lost_without_a_trace_is_told_of() {
    let temp = tempfile::tempdir().unwrap();
    let dir = lost_marker(temp.path(), [false, true], false);
    let mut bytes = fs::read(dir.join(LOG)).unwrap();
    let marker = first_marker(&bytes);
    bytes[marker..marker + 78].fill(0);
    fs::write(dir.join(LOG), bytes).unwrap();
    logcompact()
        .args(["compact", "--on-damage", "skip", "--out"])
        .args([&temp.path().join("out"), &dir])
        .assert()
        .code(1)
        .stderr(contains("the transaction of producer 7 from offset 1 to 5 goes across damage"));
    logcompact()
        .args(["repair", "--skip", "--dry-run"])
        .arg(&dir)
        .assert()
        .code(1)
        .stdout(contains("goes across damage"));
}

#[test]
fn without_its_marker_aborted_data_does_not_pass_for_committed_data_in_what_is_carried_over() {
    // In the active segment, in front of other batches or at the end; and across two segments.
    for (is_last, is_across, how) in [
        (false, false, "skip"),
        (true, false, "skip"),
        (false, true, "skip"),
        (false, false, "erase"),
    ] {
        let temp = tempfile::tempdir().unwrap();
        let mut log = Log::create(temp.path(), "t-0").with_txn_index();
        log.batch(&[put("k", "before")]).batch(&[put("k", "again")]);
        if is_across {
            log.transactional(7, &[put("a", "in range")]);
        }
        log.roll().batch(&[put("x", "in front")]);
        log.transactional(7, &[put("a", "aborted")]).marker(7, false);
        if !is_last {
            log.transactional(7, &[put("b", "committed")]).marker(7, true);
            log.batch(&[put("y", "behind")]);
        }
        log.flush();
        let dir = temp.path().join("t-0");
        let mut logs: Vec<_> = fs::read_dir(&dir).unwrap().map(|e| e.unwrap().path()).collect();
        logs.retain(|path| path.extension().is_some_and(|kind| kind == "log"));
        logs.sort();
        let mut bytes = fs::read(&logs[1]).unwrap();
        let marker = first_marker(&bytes);
        bytes[marker + 40] ^= 1;
        fs::write(&logs[1], bytes).unwrap();
        let keys = temp.path().join("keys");
        fs::write(&keys, "x\n").unwrap();
        let out = temp.path().join("out");
        let mut compact = logcompact();
        compact.args(["compact", "--on-damage", "skip", "--verify", "--out"]).args([&out, &dir]);
        if how == "erase" {
            compact.args(["--include-active", "--erase-keys"]).arg(&keys);
        }
        let case = format!("last {is_last}, across {is_across}, {how}");
        let said = compact.output().unwrap();
        let said = String::from_utf8_lossy(&said.stderr).into_owned();
        assert!(out.join("t-0").exists(), "{case}: {said}");
        let report = fs::read(out.join("logcompact-report.json")).unwrap();
        let report: serde_json::Value = serde_json::from_slice(&report).unwrap();
        let (totals, removed) = (&report["totals"], &report["totals"]["removed"]);
        let lost = [&removed["damaged"], &removed["aborted"], &totals["records_dropped_outside"]];
        let lost: u64 = lost.iter().map(|count| count.as_u64().unwrap()).sum();
        assert_eq!(lost, 2 + u64::from(is_across), "{case}: {totals}");
        logcompact().arg("verify").arg(out.join("t-0")).assert().success();
        for isolation in ["read_committed", "read_uncommitted"] {
            let mut dump = logcompact();
            let dump = dump.args(["dump", "--isolation", isolation]).arg(out.join("t-0"));
            let dumped = String::from_utf8(dump.output().unwrap().stdout).unwrap();
            assert!(!dumped.contains("aborted"), "{case}: {dumped}");
            assert!(!dumped.contains("in range"), "{case}: {dumped}");
            assert_eq!(dumped.contains("committed"), !is_last, "{case}: {dumped}");
            assert_eq!(dumped.contains("behind"), !is_last, "{case}: {dumped}");
        }
    }
}

#[test]
fn an_offset_that_is_damaged_hides_no_transaction_behind_it() {
    let temp = tempfile::tempdir().unwrap();
    let mut log = Log::create(temp.path(), "t-0");
    log.batch(&[put("k", "before")]).transactional(7, &[put("a", "aborted")]).marker(7, false);
    log.transactional(7, &[put("b", "committed")]).marker(7, true).batch(&[put("k", "behind")]);
    let dir = log.flush();
    let sound = fs::read(dir.join(LOG)).unwrap();
    let starts = starts(&sound);
    // Of the first batch and of data of either transaction; upwards, as downwards it is seen.
    for (batch, byte) in [(0, 3), (0, 6), (1, 3), (3, 3), (5, 4)] {
        let mut bytes = sound.clone();
        bytes[starts[batch] + byte] ^= 1;
        fs::write(dir.join(LOG), bytes).unwrap();
        let mut dump = logcompact();
        let dump = dump.args(["dump", "--isolation", "read_committed"]).arg(&dir);
        let dumped = String::from_utf8(dump.output().unwrap().stdout).unwrap();
        assert!(dumped.contains("committed"), "{batch} {byte}: {dumped}");
        assert!(batch == 1 || !dumped.contains("aborted"), "{batch} {byte}: {dumped}");
    }
}

#[test]
fn in_place_no_marker_goes_whose_aborted_data_would_stay() {
    let temp = tempfile::tempdir().unwrap();
    let mut log = Log::create(temp.path(), "t-0");
    log.batch(&[put("k0", "0")]).batch(&[put("k0", "1")]).roll();
    log.transactional(9, &[put("k2", "open")]).transactional(7, &[put("k3", "aborted")]).roll();
    log.batch(&[put("k5", "x")]).marker(7, false).batch(&[put("k7", "y")]).roll();
    let dir = log.batch(&[put("active", "1")]).flush();
    let damaged = dir.join("00000000000000000004.log");
    let mut bytes = fs::read(&damaged).unwrap();
    let marker = first_marker(&bytes);
    bytes[marker + 75] ^= 1;
    fs::write(&damaged, bytes).unwrap();
    let keys = temp.path().join("keys");
    for key in ["k3", "k5"] {
        fs::write(&keys, key).unwrap();
        let before = tree(&dir);
        let mut compact = logcompact();
        compact.args(["compact", "--in-place", "--force", "--on-damage", "skip", "--erase-keys"]);
        let said = contains("`logcompact repair --skip` takes it out");
        compact.args([&keys, &dir]).assert().code(1).stderr(said);
        assert!(tree(&dir) == before, "{key}");
    }
}

#[test]
fn a_doubt_is_told_wherever_other_damage_lies_and_an_unfinished_write_is_none() {
    let doubt = "goes across damage";
    let hanging = "it may have been lost with the damage";
    // What is damaged, and whether the log ends in an unfinished write.
    for (places, is_torn, told) in [
        (&[(2, 7)][..], false, Some(doubt)),
        (&[(2, 7), (5, 64)], false, Some(doubt)),
        (&[], true, None),
    ] {
        let temp = tempfile::tempdir().unwrap();
        let mut log = Log::create(temp.path(), "t-0");
        log.batch(&[put("a", "0")]).transactional(7, &[put("b", "1")]).batch(&[put("c", "2")]);
        log.marker(7, true).batch(&[put("d", "3")]).batch(&[put("e", "4")]);
        log.batch(&[put("f", "5")]).transactional(8, &[put("g", "6")]);
        log.batch(&[put("h", "7")]);
        let dir = log.flush();
        let mut bytes = fs::read(dir.join(LOG)).unwrap();
        let starts = starts(&bytes);
        for (batch, byte) in places {
            bytes[starts[*batch] + byte] ^= 2;
        }
        if is_torn {
            bytes[starts[0] + 64] ^= 2;
            bytes.truncate(bytes.len() - 20);
        }
        fs::write(dir.join(LOG), bytes).unwrap();
        let mut compact = logcompact();
        compact.args(["compact", "--include-active", "--on-damage", "skip", "--out"]);
        let said = compact.args([&temp.path().join("out"), &dir]).output().unwrap();
        let said = String::from_utf8_lossy(&said.stderr).into_owned();
        match told {
            Some(told) => assert!(said.contains(told), "{places:?}: {said}"),
            None => assert!(!said.contains(doubt) && !said.contains(hanging), "{said}"),
        }
    }
}
