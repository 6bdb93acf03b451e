//! `repair`: indexes built anew, damage cut off or skipped, every byte that goes accounted for.

mod support;

use std::fs;
use std::path::{Path, PathBuf};

use predicates::str::contains;
use rustix::io::Errno;
use serde_json::Value;
use support::log::{BatchKind, Log, PLAIN, batch_bytes, first_marker, put, tombstone};
use support::power::{Die, Loss, Noting, Op, Refusing, cut_power, tree};
use support::state::content_of;
use support::{copy_folder, logcompact, testdata};

use logcompact::disk::Disk;
use logcompact::repair::{How, RepairOptions, run};
use logcompact::report::{NoProgress, RunOutcome};
use logcompact::segment::{PartitionDir, find_partitions, parse_txn_index};
use logcompact::units::Offset;

const LOG: &str = "00000000000000000000.log";

/// Repairs into `out`; the exit status and the report of the first partition.
fn repair(dir: &Path, out: &Path, options: &[&str]) -> (i32, Value) {
    let output =
        logcompact().args(["repair", "--out"]).args([out, dir]).args(options).output().unwrap();
    let report = fs::read(out.join("logcompact-report.json")).unwrap();
    let report: Value = serde_json::from_slice(&report).unwrap();
    (output.status.code().unwrap(), report["partitions"][0].clone())
}

fn assert_clean(dir: &Path, what: &str) {
    let output = logcompact().args(["verify", "--strict"]).arg(dir).output().unwrap();
    assert!(output.status.success(), "{what}: {}", String::from_utf8_lossy(&output.stdout));
}

/// A log in segments, with transactions, whose companions are those that `repair` itself makes.
fn lively(root: &Path) -> PathBuf {
    let bare = root.join("bare");
    let mut log = Log::create(&bare, "t-0").with_txn_index();
    for round in 0..4 {
        for n in 0..6 {
            let key = format!("key-{}", (n + round) % 5);
            match n {
                1 => log.batch(&[tombstone(&key)]),
                2 => log.transactional(7, &[put(&key, "aborted")]).marker(7, false),
                3 => log.transactional(8, &[put(&key, "committed")]).marker(8, true),
                _ => log.batch(&[put(&key, &"v".repeat(900)), put("hot", "x")]),
            };
        }
        log.roll();
    }
    log.batch(&[put("active", "1")]).flush();
    let whole = root.join("whole");
    let (status, _) = repair(&bare.join("t-0"), &whole, &["--index-interval-bytes", "1000"]);
    assert_eq!(status, 0);
    whole.join("t-0")
}

#[test]
fn what_a_broker_wrote_needs_no_repair() {
    for name in ["broker-3.9.1", "storage-4.1.1"] {
        logcompact()
            .args(["repair", "--dry-run"])
            .arg(testdata(name))
            .assert()
            .success()
            .stdout(contains(" 0 repaired"))
            .stdout(contains("0 bytes and 0 records lost"));
    }
}

#[test]
fn lost_indexes_are_built_anew_as_they_were() {
    let temp = tempfile::tempdir().unwrap();
    let source = testdata("storage-4.1.1");
    for name in support::folders_in(&source) {
        let dir = temp.path().join(&name);
        copy_folder(&source.join(&name), &dir);
        for (path, ..) in tree(&dir) {
            if path.to_string_lossy().ends_with("index") {
                fs::remove_file(dir.join(path)).unwrap();
            }
        }
        let out = temp.path().join(format!("{name} repaired"));
        let (status, report) = repair(&dir, &out, &[]);
        assert_eq!((status, report["bytes_lost"].as_u64()), (0, Some(0)), "{name}");
        let repaired = out.join(&name);
        logcompact().arg("verify").arg(&repaired).assert().success();
        for segment in PartitionDir::open(&source.join(&name)).unwrap().segments {
            let txn = format!("{:020}.txnindex", segment.base.0);
            let read = |dir: &Path| fs::read(dir.join(&txn)).unwrap_or_default();
            let of = |dir: &Path| parse_txn_index(&read(dir)).0;
            assert_eq!(of(&repaired), of(&source.join(&name)), "{name} {txn}");
        }
    }
}

#[test]
fn an_index_that_would_mislead_a_reader_is_built_anew_and_the_others_stay() {
    let temp = tempfile::tempdir().unwrap();
    let whole = lively(temp.path());
    let index = "00000000000000000000.index";
    type Change = (&'static str, fn(&mut Vec<u8>));
    let changes: [Change; 5] = [
        (index, |bytes| bytes[7] ^= 1),
        (index, |bytes| bytes.truncate(5)),
        ("00000000000000000000.timeindex", |bytes| bytes[3] ^= 1),
        ("00000000000000000000.timeindex", Vec::clear),
        ("00000000000000000000.txnindex", |bytes| bytes[9] ^= 1),
    ];
    for (name, change) in changes {
        let dir = temp.path().join("work/t-0");
        copy_folder(&whole, &dir);
        let mut bytes = fs::read(dir.join(name)).unwrap();
        assert!(!bytes.is_empty(), "{name}");
        change(&mut bytes);
        fs::write(dir.join(name), bytes).unwrap();
        let output = logcompact()
            .args(["repair", "--in-place", "--index-interval-bytes", "1000", "--report", "-"])
            .arg(&dir)
            .output()
            .unwrap();
        assert!(output.status.success(), "{name}");
        let report: Value = serde_json::from_slice(&output.stdout).unwrap();
        assert_eq!(report["partitions"][0]["rebuilt"], serde_json::json!([name]));
        let bytes = |dir: &Path| -> Vec<_> {
            tree(dir).into_iter().map(|(path, bytes, _)| (path, bytes)).collect()
        };
        assert!(bytes(&dir) == bytes(&whole), "{name}");
        fs::remove_dir_all(&dir).unwrap();
    }
}

#[test]
fn a_damaged_log_is_left_alone_unless_it_is_said_what_to_do() {
    let temp = tempfile::tempdir().unwrap();
    let dir = lively(temp.path());
    let mut bytes = fs::read(dir.join(LOG)).unwrap();
    bytes[100] ^= 1;
    fs::write(dir.join(LOG), bytes).unwrap();
    let before = tree(&dir);
    logcompact()
        .args(["repair", "--in-place"])
        .arg(&dir)
        .assert()
        .code(1)
        .stderr(contains("1 damaged range in its log: --truncate cuts the log where"));
    assert!(tree(&dir) == before);
}

#[test]
fn where_all_is_left_alone_the_folder_stays_free_for_the_run_that_is_advised() {
    let temp = tempfile::tempdir().unwrap();
    let (logs, out) = (temp.path().join("logs"), temp.path().join("out"));
    copy_folder(&testdata("broker-3.9.1/lab-raw-0"), &logs.join("lab-raw-0"));
    let log = logs.join("lab-raw-0/00000000000000000001.log");
    let mut bytes = fs::read(&log).unwrap();
    bytes[69] ^= 1;
    fs::write(&log, bytes).unwrap();
    let repair = |how: &[&str]| {
        let mut run = logcompact();
        run.arg("repair").arg(&logs).args(how).arg("--out").arg(&out).assert().code(1)
    };
    repair(&[]).stdout(contains("No partition was written; ")).stderr(contains("--skip drops"));
    let written: Vec<PathBuf> = tree(&out).into_iter().map(|(path, ..)| path).collect();
    assert_eq!(written, [Path::new("logcompact-report.json")]);
    repair(&["--skip"]).stdout(contains("Written to "));
    assert_clean(&out, "skipped");
}

#[test]
fn truncating_cuts_in_front_of_the_first_damage_and_removes_what_lies_behind() {
    let temp = tempfile::tempdir().unwrap();
    let whole = lively(temp.path());
    let dir = temp.path().join("t-0");
    copy_folder(&whole, &dir);
    let segments = PartitionDir::open(&dir).unwrap().segments;
    let second = dir.join(format!("{:020}.log", segments[1].base.0));
    let mut bytes = fs::read(&second).unwrap();
    let first_batch = 12 + i32::from_be_bytes(bytes[8..12].try_into().unwrap()) as usize;
    bytes[first_batch + 70] ^= 1;
    fs::write(&second, &bytes).unwrap();
    fs::write(dir.join("leader-epoch-checkpoint"), "0\n2\n0 0\n4 9999\n").unwrap();
    let out = temp.path().join("out");
    let (status, report) = repair(&dir, &out, &["--truncate"]);
    assert_eq!(status, 1, "something was lost");
    let behind: u64 = segments[2..].iter().map(|segment| segment.size_bytes).sum();
    let cut = (bytes.len() - first_batch) as u64;
    assert_eq!(report["bytes_lost"].as_u64().unwrap(), cut + behind);
    let repaired = out.join("t-0");
    let left = PartitionDir::open(&repaired).unwrap().segments;
    assert_eq!(left.len(), 2);
    assert_eq!(left[1].size_bytes, first_batch as u64);
    let (before, after) = (content_of(&whole), content_of(&repaired));
    assert_eq!(report["log_end_offset"].as_i64().unwrap(), after.log_end);
    let kept = before.records.iter().filter(|(offset, _)| **offset < after.log_end).count();
    assert_eq!(kept, after.records.len());
    let epochs = fs::read_to_string(repaired.join("leader-epoch-checkpoint")).unwrap();
    assert_eq!(epochs, "0\n1\n0 0\n");
    assert_clean(&repaired, "truncated");

    logcompact().args(["repair", "--truncate", "--in-place"]).arg(&dir).assert().code(1);
    let files = |dir: &Path| -> Vec<_> {
        tree(dir).into_iter().map(|(path, bytes, _)| (path, bytes)).collect()
    };
    assert!(files(&dir) == files(&repaired), "in place it comes out the same");
}

#[test]
fn truncating_keeps_what_a_brokers_recovery_keeps_and_says_so() {
    let batch = |offset| batch_bytes(offset, 1_700_000_000_000 + offset, PLAIN, &[put("k", "v")]);
    let all = |offsets: &[i64]| offsets.iter().flat_map(|at| batch(*at)).collect::<Vec<u8>>();
    let one = batch(0).len();
    // Bytes of log, how many of them stay, damage that stays among them, the log end.
    let twice = all(&[0, 1, 2, 2, 3, 4]);
    let goes_back = all(&[0, 1, 700, 3, 4, 2]);
    let flipped = {
        let mut bytes = all(&[0, 1, 1, 2, 3]);
        bytes[3 * one + 40] ^= 1;
        bytes
    };
    let of_magic_10 = {
        let mut bytes = all(&[0, 1, 2, 3, 4]);
        bytes[one + 16] = 10;
        bytes[3 * one + 40] ^= 1;
        bytes
    };
    let below_the_base = all(&[0, 1, -5, 3]);
    // Kafka empties a segment whose index would go back.
    let many: Vec<i64> = (0..90).chain(5..90).collect();
    let cases = [
        ("twice", twice.clone(), twice.len(), 1, 5),
        ("back", goes_back.clone(), goes_back.len(), 2, 3),
        ("flipped", flipped, 3 * one, 1, 2),
        ("magic", of_magic_10, 3 * one, 1, 3),
        ("below", below_the_base, 2 * one, 0, 2),
        ("index", all(&many), 0, 0, 0),
    ];
    for (what, bytes, left, kept, log_end) in cases {
        let temp = tempfile::tempdir().unwrap();
        let dir = Log::create(temp.path(), "t-0").raw(&bytes).flush();
        let out = temp.path().join("out");
        let (status, report) = repair(&dir, &out, &["--truncate"]);
        let lost = (bytes.len() - left) as u64;
        assert_eq!((status, report["bytes_lost"].as_u64()), (1, Some(lost)), "{what}: {report}");
        assert_eq!(report["log_end_offset"], log_end, "{what}");
        assert_eq!(fs::read(out.join("t-0").join(LOG)).unwrap(), bytes[..left], "{what}");
        let damage = report["damage"].as_array().unwrap().iter();
        let stays = damage.filter(|it| it["action"] == "kept, as a broker keeps it").count();
        assert_eq!(stays, kept, "{what}: {report}");
        let warnings = report["warnings"].to_string();
        assert_eq!(warnings.contains("--skip drops"), kept > 0, "{what}: {warnings}");
    }
}

#[test]
fn every_flipped_byte_of_a_log_is_repaired_and_costs_no_more_than_its_batch() {
    let temp = tempfile::tempdir().unwrap();
    let mut log = Log::create(temp.path(), "t-0");
    let mut sizes = Vec::new();
    let mut bytes = Vec::new();
    for n in 0..4i64 {
        let kind = BatchKind { attributes: if n == 2 { 1 } else { 0 }, ..PLAIN };
        let batch =
            batch_bytes(n * 2, 1_700_000_000_000 + n, kind, &[put("a", "1"), put("b", "2")]);
        sizes.push(batch.len());
        bytes.extend_from_slice(&batch);
    }
    log.raw(&bytes).skip_to(8);
    log.roll().batch(&[put("active", "1")]).flush();
    let dir = temp.path().join("t-0");
    let mut flipped = 0;
    let mut start = 0;
    for size in sizes {
        for at in (start..start + size).filter(|at| !(12..16).contains(&(at - start))) {
            let mut changed = bytes.clone();
            changed[at] ^= 1 << (at % 8);
            fs::write(dir.join(LOG), &changed).unwrap();
            let (out, interval) = (temp.path().join("out"), 4096);
            let how = if at % 2 == 0 { How::Skip } else { How::Truncate };
            let options = RepairOptions {
                how,
                out: Some(out.clone()),
                dry_run: false,
                index_interval_bytes: interval,
                disk: Disk::default(),
            };
            let sources = find_partitions(std::slice::from_ref(&dir)).unwrap();
            let report = run(&sources, &options, &NoProgress).unwrap();
            let repaired = &report.partitions[0];
            // The base offset is covered by no checksum; one that still rises is believed.
            let may_pass = at - start < 8;
            if how == How::Skip {
                assert!(repaired.bytes_lost <= size as u64 || may_pass, "byte {at}");
            }
            let is_lost = report.outcome == RunOutcome::Problems;
            assert!(is_lost || may_pass, "byte {at} was not found");
            let sources = find_partitions(&[out.join("t-0")]).unwrap();
            let verified = logcompact::verify::run(&sources, &NoProgress).unwrap();
            // Neither does a broker look at it.
            let may_stay = may_pass && how == How::Truncate && is_lost;
            let errors = verified.summary.errors;
            assert!(errors == 0 || may_stay, "byte {at}: {:?}", verified.findings);
            fs::remove_dir_all(&out).unwrap();
            flipped += 1;
        }
        start += size;
    }
    println!("{flipped} bytes flipped");
}

#[test]
fn skipping_a_lost_abort_marker_takes_its_data_along() {
    let temp = tempfile::tempdir().unwrap();
    let mut log = Log::create(temp.path(), "t-0").with_txn_index();
    log.batch(&[put("k", "right")]);
    log.transactional(7, &[put("k", "aborted")]).marker(7, false);
    log.transactional(7, &[put("other", "committed")]).marker(7, true).roll();
    log.batch(&[put("active", "1")]).flush();
    let dir = temp.path().join("t-0");
    let state = content_of(&dir).state;
    let mut bytes = fs::read(dir.join(LOG)).unwrap();
    let at = first_marker(&bytes);
    bytes[at + 40] ^= 1;
    fs::write(dir.join(LOG), bytes).unwrap();
    let out = temp.path().join("out");
    let (status, report) = repair(&dir, &out, &["--skip"]);
    assert_eq!(status, 1);
    assert_eq!(report["damage"].as_array().unwrap().len(), 2);
    assert_eq!(content_of(&out.join("t-0")).state, state);
    logcompact().arg("verify").arg(out.join("t-0")).assert().success();
}

#[test]
fn leftovers_orphans_and_useless_snapshots_go() {
    let temp = tempfile::tempdir().unwrap();
    let whole = lively(temp.path());
    let dir = temp.path().join("t-0");
    copy_folder(&whole, &dir);
    let state = content_of(&dir).state;
    fs::write(dir.join("00000000000000000000.log.cleaned"), "x").unwrap();
    fs::write(dir.join("00000000000000000003.log.deleted"), "x").unwrap();
    fs::write(dir.join("00000000000000000004.index"), "").unwrap();
    fs::write(dir.join("00000000000000000005.snapshot"), "not one").unwrap();
    fs::write(dir.join("00000000000000009999.snapshot"), "beyond").unwrap();
    let out = temp.path().join("out");
    let before = tree(&dir);
    let (status, _) = repair(&dir, &out, &[]);
    assert_eq!(status, 0);
    assert!(tree(&dir) == before, "the source is read only");
    logcompact().args(["repair", "--in-place"]).arg(&dir).assert().success();
    for repaired in [dir, out.join("t-0")] {
        assert_clean(&repaired, "leftovers");
        assert_eq!(content_of(&repaired).state, state);
        // In the place of the snapshots that are gone there is the one that a broker needs.
        let listed = PartitionDir::open(&repaired).unwrap();
        assert_eq!(listed.snapshots, [Offset(content_of(&whole).log_end)]);
        assert_eq!(tree(&repaired).len(), tree(&whole).len() + 1);
    }
}

#[test]
fn a_swap_that_was_interrupted_is_finished_in_the_copy_too() {
    let temp = tempfile::tempdir().unwrap();
    let whole = lively(temp.path());
    let dir = temp.path().join("t-0");
    copy_folder(&whole, &dir);
    for kind in ["log", "index", "timeindex", "txnindex"] {
        let from = dir.join(format!("00000000000000000000.{kind}"));
        fs::rename(&from, dir.join(format!("00000000000000000000.{kind}.swap"))).unwrap();
    }
    let out = temp.path().join("out");
    let (status, report) = repair(&dir, &out, &[]);
    assert_eq!(status, 0, "{report}");
    assert_eq!(content_of(&out.join("t-0")), content_of(&whole));
    assert_clean(&out.join("t-0"), "swap");
}

#[test]
fn companions_that_have_not_got_their_names_yet_are_read_where_they_are() {
    let temp = tempfile::tempdir().unwrap();
    let whole = lively(temp.path());
    let dir = temp.path().join("t-0");
    copy_folder(&whole, &dir);
    for kind in ["index", "timeindex", "txnindex"] {
        let from = dir.join(format!("00000000000000000000.{kind}"));
        fs::rename(&from, dir.join(format!("00000000000000000000.{kind}.swap"))).unwrap();
    }
    // What a broker that finished an empty swap leaves in the way.
    fs::write(dir.join("00000000000000000000.index"), [0; 8]).unwrap();
    let out = temp.path().join("out");
    let (status, report) = repair(&dir, &out, &["--index-interval-bytes", "1000"]);
    assert_eq!((status, &report["rebuilt"]), (0, &serde_json::json!([])), "{report}");
    logcompact().args(["repair", "--in-place"]).arg(&dir).assert().success();
    let files = |dir: &Path| -> Vec<_> {
        tree(dir).into_iter().map(|(path, bytes, _)| (path, bytes)).collect()
    };
    for repaired in [out.join("t-0"), dir] {
        assert!(files(&repaired) == files(&whole), "{}", repaired.display());
    }
}

#[test]
fn checkpoints_do_not_point_behind_the_end_of_a_log_that_was_cut() {
    for in_place in [true, false] {
        let temp = tempfile::tempdir().unwrap();
        let logs = temp.path().join("logs");
        copy_folder(&testdata("broker-3.9.1"), &logs);
        let log = logs.join("kpy-none-0").join(LOG);
        let mut bytes = fs::read(&log).unwrap();
        bytes[70] ^= 1;
        fs::write(&log, bytes).unwrap();
        fs::write(logs.join("cleaner-offset-checkpoint"), "junk").unwrap();
        let out = temp.path().join("out");
        let mut command = logcompact();
        command.args(["repair", "--truncate"]).arg(&logs);
        if in_place {
            command.arg("--in-place");
        } else {
            command.arg("--out").arg(&out);
        }
        command.assert().code(1);
        let repaired = if in_place { logs } else { out };
        let text = fs::read_to_string(repaired.join("recovery-point-offset-checkpoint")).unwrap();
        assert!(text.contains("kpy-none 0 0\n"), "{text}");
        assert_clean(&repaired, "checkpoints");
    }
}

#[test]
fn a_checkpoint_that_is_put_right_is_told_of_and_one_that_is_not_carried_is_not() {
    for how in ["--in-place", "--dry-run", "--out"] {
        let temp = tempfile::tempdir().unwrap();
        let (logs, out) = (temp.path().join("logs"), temp.path().join("out"));
        copy_folder(&testdata("broker-3.9.1/lab-raw-0"), &logs.join("lab-raw-0"));
        let name = "recovery-point-offset-checkpoint";
        fs::write(logs.join(name), "0\n1\nlab-raw 0 999\n").unwrap();
        let mut run = logcompact();
        let run = run.arg("repair").arg(&logs).arg(how).current_dir(temp.path());
        let run = if how == "--out" { run.arg(&out) } else { run };
        let told = format!("{name} said 999, behind its end at 8; that is put right");
        let run = run.assert().success().stdout(contains(told));
        run.stdout(contains("1 repaired, 0 with nothing to repair"));
        let text = |root: &Path| fs::read_to_string(root.join(name)).unwrap();
        match how {
            "--in-place" => assert_eq!(text(&logs), "0\n1\nlab-raw 0 8\n"),
            "--out" => assert_eq!(text(&out), "0\n1\nlab-raw 0 8\n"),
            _ => {}
        }
        let alone = temp.path().join("alone");
        if how == "--out" {
            let (_, report) = repair(&logs.join("lab-raw-0"), &alone, &[]);
            assert_eq!(report["warnings"], serde_json::json!([]));
            assert!(!alone.join(name).exists());
        }
    }
}

#[test]
fn a_disk_that_may_only_be_read_ends_a_repair_that_has_to_write() {
    let temp = tempfile::tempdir().unwrap();
    let dir = lively(temp.path());
    let repair = || {
        let options = RepairOptions {
            how: How::IndexesOnly,
            out: None,
            dry_run: false,
            index_interval_bytes: 1000,
            disk: Disk::of(Refusing::write(0, Errno::ROFS.raw_os_error())),
        };
        run(&find_partitions(std::slice::from_ref(&dir)).unwrap(), &options, &NoProgress)
    };
    let leftover = dir.join("00000000000000000099.log.deleted");
    fs::write(&leftover, "x").unwrap();
    let refused = repair().unwrap_err();
    assert_eq!(refused.path.as_deref(), Some(leftover.as_path()), "what is said is there");
    fs::remove_file(&leftover).unwrap();
    fs::remove_file(dir.join("00000000000000000000.index")).unwrap();
    repair().unwrap_err();
}

#[test]
fn the_names_of_all_folders_that_are_made_for_the_output_are_durable() {
    let temp = tempfile::tempdir().unwrap();
    let dir = lively(temp.path());
    let out = temp.path().join("new/newer/newest");
    let notes = Noting::default();
    let options = RepairOptions {
        how: How::IndexesOnly,
        out: Some(out.clone()),
        dry_run: false,
        index_interval_bytes: 1000,
        disk: Disk::of(notes.clone()),
    };
    run(&find_partitions(&[dir]).unwrap(), &options, &NoProgress).unwrap();
    let ops = notes.ops();
    for folder in out.ancestors().take(4) {
        let is_its = |op: &Op| matches!(op, Op::SyncDir(synced) if synced == folder);
        assert!(ops.iter().any(is_its), "{}", folder.display());
    }
}

#[test]
fn a_power_cut_at_any_step_of_a_repair_in_place_can_be_repaired_to_the_same() {
    let temp = tempfile::tempdir().unwrap();
    let whole = lively(temp.path());
    let source = temp.path().join("source");
    copy_folder(&whole, &source.join("t-0"));
    let segments = PartitionDir::open(&whole).unwrap().segments;
    for (number, at) in [(1, 300), (2, 40)] {
        let log = source.join(format!("t-0/{:020}.log", segments[number].base.0));
        let mut bytes = fs::read(&log).unwrap();
        bytes[at] ^= 1;
        fs::write(&log, bytes).unwrap();
    }
    fs::remove_file(source.join("t-0/00000000000000000000.index")).unwrap();
    let mut cuts = 0;
    for how in [How::Truncate, How::Skip] {
        let repair = |root: &Path, disk: Disk| {
            let options =
                RepairOptions { how, out: None, dry_run: false, index_interval_bytes: 1000, disk };
            let sources = find_partitions(&[root.join("t-0")]).unwrap();
            let alone = rayon::ThreadPoolBuilder::new().num_threads(1).build().unwrap();
            alone.install(|| run(&sources, &options, &NoProgress)).unwrap()
        };
        let work = temp.path().join("work");
        copy_folder(&source, &work);
        let noting = Noting::default();
        repair(&work, Disk::of(noting.clone()));
        let snapshots = |root: &Path| -> Vec<_> {
            let of = |dir: &Path| PartitionDir::open(dir).unwrap().snapshots;
            let name = |offset: &Offset| root.join(format!("t-0/{:020}.snapshot", offset.0));
            of(&root.join("t-0")).iter().map(|at| (*at, fs::read(name(at)).unwrap())).collect()
        };
        let wanted = (content_of(&work.join("t-0")), snapshots(&work));
        assert_eq!(wanted.1.len(), 1, "the producers at the log end");
        assert_clean(&work.join("t-0"), "whole run");
        let ops = noting.ops();
        assert!(ops.len() > 30);
        for at in 0..=ops.len() {
            let mut die = Die(at as u64);
            for loss in [Loss::All, Loss::Contents, Loss::Random(die.throw(1000))] {
                let what = format!("{how:?}, cut before operation {at} ({loss:?})");
                let left = temp.path().join("left");
                cut_power(&source, &work, &ops[..at], loss, &left);
                repair(&left, Disk::default());
                let found = (content_of(&left.join("t-0")), snapshots(&left));
                assert!(found == wanted, "{what}");
                assert_clean(&left.join("t-0"), &what);
                fs::remove_dir_all(&left).unwrap();
                cuts += 1;
            }
        }
        fs::remove_dir_all(&work).unwrap();
    }
    println!("{cuts} power cuts");
}
