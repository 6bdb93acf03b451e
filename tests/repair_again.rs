//! A repair to a folder that was interrupted is finished by the same command, which touches nothing
//! that it has not written.

mod support;

use std::fs;
use std::path::{Path, PathBuf};

use logcompact::disk::Disk;
use logcompact::error::Result;
use logcompact::repair::{How, RepairOptions, run, run_and_tell};
use logcompact::report::NoProgress;
use logcompact::segment::find_partitions;
use predicates::str::contains;
use support::power::{Loss, Noting, Refusing, cut_power, tree};
use support::{copy_folder, logcompact, testdata};

const ENOSPC: i32 = 28;

/// A log directory of two partitions, one of them damaged, with all that lies beside them.
fn source(root: &Path) -> PathBuf {
    let dir = root.join("logs");
    for name in ["lab-raw-0", "tx-0"] {
        copy_folder(&testdata("broker-3.9.1").join(name), &dir.join(name));
    }
    let log = dir.join("lab-raw-0/00000000000000000001.log");
    let mut bytes = fs::read(&log).unwrap();
    bytes[69] ^= 1;
    fs::write(&log, bytes).unwrap();
    fs::write(dir.join("meta.properties"), "version=1\n").unwrap();
    fs::write(dir.join(".kafka_cleanshutdown"), "{\"version\":0,\"brokerEpoch\":6}").unwrap();
    fs::write(dir.join("recovery-point-offset-checkpoint"), "0\n1\nlab-raw 0 3\n").unwrap();
    dir
}

fn options(out: &Path, disk: Disk) -> RepairOptions {
    let (how, out) = (How::Skip, Some(out.to_path_buf()));
    RepairOptions { how, out, dry_run: false, index_interval_bytes: 4096, disk }
}

fn repair(dir: &Path, out: &Path, disk: Disk) -> Result<()> {
    let sources = find_partitions(&[dir.to_path_buf()])?;
    let alone = rayon::ThreadPoolBuilder::new().num_threads(1).build().unwrap();
    alone.install(|| run(&sources, &options(out, disk), &NoProgress)).map(drop)
}

fn files(dir: &Path) -> Vec<(PathBuf, Vec<u8>)> {
    tree(dir).into_iter().map(|(path, bytes, _)| (path, bytes)).collect()
}

#[test]
fn a_repair_that_was_killed_at_any_step_is_finished_by_the_same_command() {
    let temp = tempfile::tempdir().unwrap();
    let dir = source(temp.path());
    let (before, whole) = (temp.path().join("before"), temp.path().join("whole"));
    fs::create_dir(&before).unwrap();
    fs::create_dir(&whole).unwrap();
    let noting = Noting::default();
    repair(&dir, &whole, Disk::of(noting.clone())).unwrap();
    let (ops, wanted) = (noting.ops(), files(&whole));
    assert!(wanted.len() > 20, "{wanted:?}");
    for at in 0..=ops.len() {
        let other = [Loss::All, Loss::Contents, Loss::Random(at as u64)][at % 3];
        for loss in [Loss::Nothing, other] {
            let left = temp.path().join("left");
            cut_power(&before, &whole, &ops[..at], loss, &left);
            // One that has ended is not touched again.
            if files(&left) != wanted {
                repair(&dir, &left, Disk::of(Noting::default()))
                    .unwrap_or_else(|error| panic!("{at} operations ({loss:?}): {error}"));
            }
            assert!(files(&left) == wanted, "{at} operations ({loss:?})");
            fs::remove_dir_all(&left).unwrap();
        }
    }
}

#[test]
fn a_repair_that_a_full_disk_has_ended_at_any_step_is_finished_by_the_same_command() {
    let temp = tempfile::tempdir().unwrap();
    let dir = source(temp.path());
    for n in 0.. {
        let out = temp.path().join(n.to_string());
        let refusing = Refusing::write(n, ENOSPC);
        let outcome = repair(&dir, &out, Disk::of(refusing.clone()));
        if !refusing.has_refused() {
            outcome.unwrap();
            assert!(n > 40, "{n} writes");
            return;
        }
        assert!(outcome.is_err(), "write {n}");
        repair(&dir, &out, Disk::of(Noting::default()))
            .unwrap_or_else(|error| panic!("write {n} was refused: {error}"));
    }
}

#[test]
fn a_repair_without_its_report_is_not_finished_and_what_is_not_its_own_is_left_alone() {
    let temp = tempfile::tempdir().unwrap();
    let (dir, out) = (source(temp.path()), temp.path().join("out"));
    let sources = find_partitions(std::slice::from_ref(&dir)).unwrap();
    run_and_tell(&sources, &options(&out, Disk::default()), &NoProgress, |_| false).unwrap();
    let again = || {
        let mut run = logcompact();
        run.args(["repair", "--skip", "--out"]).args([&out, &dir]).assert()
    };
    // What somebody has done there since stays.
    let log = out.join("tx-0/leader-epoch-checkpoint");
    let text = fs::read(&log).unwrap();
    for (path, bytes, refusal) in [
        (&log, &b"0\n0\n"[..], "not what this one would write"),
        (&out.join("tx-0/notes"), b"mine", "not what this one would write"),
        (&out.join(".lock"), b"", "which this run would not write"),
        (&out.join("other-0/notes"), b"mine", "which this run would not write"),
    ] {
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, bytes).unwrap();
        let before = files(&out);
        again().code(2).stderr(contains(refusal));
        assert!(files(&out) == before, "{path:?}");
        fs::remove_file(path).unwrap();
        let _ = fs::remove_dir(out.join("other-0"));
        fs::write(&log, &text).unwrap();
    }
    again().code(1).stdout(contains("Written to "));
    assert!(out.join("logcompact-report.json").exists());
    let whole = files(&out);
    assert!(!whole.iter().any(|(path, _)| path.to_string_lossy().contains(".logcompact")));
    again().code(2).stderr(contains("not empty"));
    assert!(files(&out) == whole);
}
