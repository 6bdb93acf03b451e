//! What is carried over beside the segments that are compacted: it says what the log says, also
//! where it did not before, and what cannot be helped is said.

mod support;

use std::fs;
use std::path::{Path, PathBuf};

use logcompact::compact::OnDamage;
use logcompact::report::PartitionOutcome;
use logcompact::segment::parse_txn_index;
use predicates::prelude::PredicateBooleanExt;
use predicates::str::contains;
use support::compacting::by;
use support::log::{Log, put};
use support::power::tree;
use support::{copy_folder, logcompact, testdata};

const TAIL: &str = "00000000000000000006.txnindex";

/// An aborted transaction in the segment that is cleaned, and another in the active one.
fn source(root: &Path) -> PathBuf {
    let mut log = Log::create(root, "t-0").with_txn_index();
    log.batch(&[put("k", "old")]).transactional(7, &[put("k", "aborted"), put("a", "aborted")]);
    log.marker(7, false).batch(&[put("k", "new"), put("b", "new")]).roll();
    log.batch(&[put("c", "new")]).transactional(8, &[put("k", "aborted"), put("c", "aborted")]);
    log.transactional(8, &[put("k", "aborted")]).marker(8, false);
    log.transactional(7, &[put("c", "committed")]).marker(7, true);
    log.flush()
}

/// What may have become of a `.txnindex`, given what it was.
fn damages(right: &[u8]) -> Vec<(&'static str, Option<Vec<u8>>)> {
    let changed = |at: usize, to: u8| {
        let mut bytes = right.to_vec();
        bytes[at] = to;
        Some(bytes)
    };
    vec![
        ("missing", None),
        ("empty", Some(Vec::new())),
        ("cut short", Some(right[..20].to_vec())),
        ("of an unknown version", changed(1, 9)),
        ("of another producer", changed(9, 9)),
        ("beginning where nothing begins", changed(17, 8)),
        ("with an entry that nothing stands for", Some([right, &[0; 34]].concat())),
    ]
}

fn put_file(path: &Path, bytes: Option<&[u8]>) {
    let _ = fs::remove_file(path);
    bytes.iter().for_each(|bytes| fs::write(path, bytes).unwrap());
}

#[test]
fn what_a_txnindex_that_is_carried_over_does_not_say_is_told_by_the_markers() {
    let temp = tempfile::tempdir().unwrap();
    let dir = source(temp.path());
    let right = fs::read(dir.join(TAIL)).unwrap();
    for (number, (what, damaged)) in damages(&right).into_iter().enumerate() {
        put_file(&dir.join(TAIL), damaged.as_deref());
        for (how, options) in [("plain", &["--keep-rounds", "0"][..]), ("rounds", &[])] {
            let out = temp.path().join(format!("{how}-{number}"));
            let mut run = logcompact();
            run.arg("compact").args(options).arg("--out").args([&out, &dir]).assert().success();
            assert_eq!(fs::read(out.join("t-0").join(TAIL)).unwrap(), right, "{what}, {how}");
            logcompact().args(["verify", "-q"]).arg(&out).assert().success();
        }
        let place = temp.path().join(format!("place-{number}/t-0"));
        copy_folder(&dir, &place);
        logcompact().args(["compact", "--in-place"]).arg(&place).assert().success();
        assert_eq!(fs::read(place.join(TAIL)).unwrap(), right, "{what}, in place");
        logcompact().args(["verify", "-q"]).arg(&place).assert().success();
    }
}

#[test]
fn a_later_round_carries_the_txnindex_that_the_markers_ask_for() {
    let temp = tempfile::tempdir().unwrap();
    let dir = source(temp.path());
    let out = temp.path().join("out");
    let round = || logcompact().args(["compact", "--out"]).args([&out, &dir]).assert();
    round().success();
    let mut log = Log::create(temp.path(), "t-0").with_txn_index();
    log.skip_to(13).roll();
    log.transactional(9, &[put("k", "aborted")]).marker(9, false).batch(&[put("d", "1")]).roll();
    log.transactional(9, &[put("k", "aborted")]).marker(9, false).flush();
    fs::remove_file(dir.join("00000000000000000016.txnindex")).unwrap();
    round().success().stderr(contains("the markers in the log are used instead"));
    logcompact().args(["verify", "-q"]).arg(&out).assert().success();
}

#[test]
fn a_txnindex_that_knows_of_data_that_is_gone_is_carried_over_as_it_is() {
    let temp = tempfile::tempdir().unwrap();
    let dir = source(temp.path());
    // It began before the data that is left of it, and what is left of another is its marker.
    let right = fs::read(dir.join(TAIL)).unwrap();
    let mut earlier = right.clone();
    earlier[17] -= 1;
    fs::write(dir.join(TAIL), &earlier).unwrap();
    let out = temp.path().join("out");
    logcompact().args(["compact", "--out"]).args([&out, &dir]).assert().success();
    assert_eq!(fs::read(out.join("t-0").join(TAIL)).unwrap(), earlier);
    assert_eq!(parse_txn_index(&earlier).0.len(), 1);
}

#[test]
fn a_snapshot_that_is_carried_over_though_it_cannot_be_read_is_told_of() {
    let temp = tempfile::tempdir().unwrap();
    let dir = temp.path().join("v2-producers-0");
    copy_folder(&testdata("storage-4.1.1/v2-producers-0"), &dir);
    let (newest, before) = ("00000000000000004564.snapshot", "00000000000000004552.snapshot");
    let run = |out: &str, says: &[&str]| {
        let mut run = logcompact();
        let out = temp.path().join(out);
        let assert = run.args(["compact", "--keep-rounds", "0", "--out"]).args([&out, &dir]);
        let mut assert = assert.assert().success();
        for says in says {
            assert = assert.stderr(contains(*says));
        }
        assert
    };
    run("sound", &[]).stderr(contains("cannot be read").not());
    let damage = |name: &str| {
        let mut bytes = fs::read(dir.join(name)).unwrap();
        bytes[9] ^= 1;
        fs::write(dir.join(name), bytes).unwrap();
    };
    damage(before);
    let stays = format!("{before} cannot be read and stays as it is");
    run("older", &[&stays]).stderr(contains("is used").not());
    damage(newest);
    // At the log end, there has to be one that can be read where others go with their segments.
    run("newest", &[&stays, &format!("{newest}: "), "; one before it is used"]);
    logcompact().args(["verify", "-q"]).arg(temp.path().join("newest")).assert().code(1);
    for (path, ..) in tree(&dir) {
        if path.extension().is_some_and(|kind| kind == "snapshot") && path != Path::new(newest) {
            fs::remove_file(dir.join(path)).unwrap();
        }
    }
    run("alone", &["; what else is known of producers is used"]);
}

#[test]
fn what_was_to_replace_a_file_when_a_run_was_killed_is_left_behind_and_removed() {
    let temp = tempfile::tempdir().unwrap();
    let dir = source(temp.path());
    let names = [
        "00000000000000000006.txnindex.tmp",
        "00000000000000000012.snapshot.tmp",
        "leader-epoch-checkpoint.tmp",
        "partition.metadata.tmp",
    ];
    let leave = |dir: &Path| names.iter().for_each(|name| fs::write(dir.join(name), "x").unwrap());
    let left = |dir: &Path| names.iter().filter(|name| dir.join(name).exists()).count();
    leave(&dir);
    let mut verify = logcompact();
    let verify = verify.arg("verify").arg(&dir).output().unwrap();
    let said = String::from_utf8_lossy(&verify.stdout).into_owned();
    assert_eq!(said.matches("left of a file that was to replace another").count(), 4, "{said}");
    for how in ["compact", "repair"] {
        let out = temp.path().join(how);
        logcompact().args([how, "--out"]).args([&out, &dir]).assert().success();
        assert_eq!((left(&out.join("t-0")), left(&dir)), (0, 4), "{how}");
        let place = temp.path().join(format!("{how}-place/t-0"));
        copy_folder(&dir, &place);
        logcompact().args([how, "--in-place"]).arg(&place).assert().success();
        assert_eq!(left(&place), 0, "{how}");
    }
}

#[test]
fn an_entry_that_the_log_denies_is_an_error_and_is_put_right() {
    let temp = tempfile::tempdir().unwrap();
    let dir = temp.path().join("tx-0");
    copy_folder(&testdata("broker-3.9.1/tx-0"), &dir);
    let name = "00000000000000000000.txnindex";
    let right = fs::read(dir.join(name)).unwrap();
    // The first entry has no end of its producer in front of it.
    for entry in (1..right.len() / 34).step_by(4) {
        for (at, what, to) in [
            (10, "ended: a broker's cleaner takes what was committed there for aborted", 0i64),
            (26, "a broker that looks for aborted transactions may stop there", 1 << 60),
        ] {
            let mut wrong = right.clone();
            wrong[entry * 34 + at..][..8].copy_from_slice(&to.to_be_bytes());
            fs::write(dir.join(name), &wrong).unwrap();
            let found = contains("txnindex-entry").and(contains(what));
            logcompact().arg("verify").arg(&dir).assert().code(1).stdout(found);
            let out = temp.path().join(format!("{entry}-{at}"));
            for rounds in ["0", "1"] {
                let out = out.join(rounds);
                let mut compact = logcompact();
                compact.args(["compact", "-q", "--keep-rounds", rounds, "--out"]).arg(&out);
                compact.arg(&dir).assert().success();
                assert!(fs::read(out.join("tx-0").join(name)).unwrap() == right, "{entry} {at}");
            }
            logcompact().args(["repair", "-q", "--in-place"]).arg(&dir).assert().success();
            assert!(fs::read(dir.join(name)).unwrap() == right, "entry {entry}: {what}");
            fs::remove_file(dir.join("logcompact-report.json")).unwrap_or_default();
        }
    }
}

/// A segment to be cleaned, and so much behind it that it is copied meanwhile.
fn with_much_behind(root: &Path) -> PathBuf {
    let mut log = Log::create(root, "t-0");
    log.batch(&[put("k", "old")]).batch(&[put("k", "new")]).roll();
    let value = "v".repeat(5000);
    for _ in 0..100 {
        log.batch(&[put("a", &value); 10]);
    }
    log.flush()
}

#[test]
fn a_disk_that_is_full_while_the_rest_is_copied_ends_the_run_and_leaves_the_whole_or_nothing() {
    let temp = tempfile::tempdir().unwrap();
    let source = with_much_behind(temp.path());
    let (whole, _) = by("offset").compact(&source, &temp.path().join("copied"));
    let behind = "00000000000000000002.log";
    assert!(fs::read(whole.join(behind)).unwrap() == fs::read(source.join(behind)).unwrap());
    by("offset").on_disks_that_are_full(&source, temp.path());
}

#[test]
fn nothing_is_left_of_what_was_copied_while_damage_was_found() {
    let temp = tempfile::tempdir().unwrap();
    let source = with_much_behind(temp.path());
    let log = source.join("00000000000000000000.log");
    let mut bytes = fs::read(&log).unwrap();
    bytes[66] ^= 1;
    fs::write(&log, bytes).unwrap();
    let out = temp.path().join("out");
    let report = by("offset").try_compact(&source, &out).unwrap();
    assert_eq!(report.partitions[0].outcome, PartitionOutcome::Failed);
    assert!(tree(&out).is_empty());
    // And where the damage goes, what lies behind it is there.
    let mut skipping = by("offset");
    skipping.policy.on_damage = OnDamage::Skip;
    let (dir, _) = skipping.compact(&source, &out);
    let behind = "00000000000000000002.log";
    assert!(fs::read(dir.join(behind)).unwrap() == fs::read(source.join(behind)).unwrap());
}
