//! `verify`: what producers, leaders and checkpoints say against what the logs say. Silent on what
//! real Kafka wrote (`tests/verify.rs`), and not on what was changed since.

mod support;

use std::fs;
use std::path::{Path, PathBuf};

use logcompact::report::NoProgress;
use logcompact::segment::{ProducerEntry, parse_epochs};
use logcompact::segment::{find_partitions, parse_snapshot, render_snapshot};
use logcompact::units::Offset;
use logcompact::verify::{self, Finding, Severity};
use support::log::{BatchKind, Log, batch_bytes, put, seal};
use support::{copy_folder, testdata};

fn all_findings(dir: &Path) -> Vec<Finding> {
    let sources = find_partitions(&[dir.to_path_buf()]).unwrap();
    verify::run(&sources, &NoProgress).unwrap().findings
}

/// Errors and warnings, as rules with offsets.
fn findings(dir: &Path) -> Vec<(&'static str, Option<i64>)> {
    let all = all_findings(dir);
    let shown = all.iter().filter(|finding| finding.severity > Severity::Info);
    shown.map(|finding| (finding.rule, finding.offset.map(|offset| offset.0))).collect()
}

fn of(dir: &Path, rule: &str) -> Vec<(Severity, String)> {
    let all = all_findings(dir).into_iter().filter(|finding| finding.rule == rule);
    all.map(|finding| (finding.severity, finding.message)).collect()
}

struct Copy {
    temp: tempfile::TempDir,
    dir: PathBuf,
}

impl Copy {
    fn of(path: &str) -> Copy {
        let temp = tempfile::tempdir().unwrap();
        let dir = temp.path().join(Path::new(path).file_name().unwrap());
        copy_folder(&testdata(path), &dir);
        Copy { temp, dir }
    }

    /// Changes the entries of a snapshot, the newest of those that tell of a producer.
    fn change_snapshot(&self, change: impl FnOnce(i64, &mut Vec<ProducerEntry>)) -> String {
        let mut names: Vec<String> = fs::read_dir(&self.dir)
            .unwrap()
            .map(|entry| entry.unwrap().file_name().into_string().unwrap())
            .filter(|name| name.ends_with(".snapshot"))
            .collect();
        names.sort();
        let entries = |name: &String| parse_snapshot(&fs::read(self.dir.join(name)).unwrap());
        let name = names.iter().rev().find(|name| !entries(name).unwrap().is_empty()).unwrap();
        let mut changed = entries(name).unwrap();
        change(name[..20].parse().unwrap(), &mut changed);
        fs::write(self.dir.join(name), render_snapshot(&changed)).unwrap();
        name.clone()
    }
}

const P: i64 = 7;

/// An idempotent producer's batch of two records.
fn sent(offset: i64, sequence: i32) -> Vec<u8> {
    sent_in(0, offset, sequence)
}

fn sent_in(epoch: i16, offset: i64, sequence: i32) -> Vec<u8> {
    let kind = BatchKind { attributes: 0, producer_id: P, base_sequence: sequence };
    let batch = batch_bytes(offset, 1_700_000_000_000, kind, &[put("A", "1"), put("B", "2")]);
    let mut checked = batch[21..].to_vec();
    checked[30..32].copy_from_slice(&epoch.to_be_bytes());
    seal(offset, &checked)
}

/// A log of batches in segments.
fn log(root: &Path, segments: &[(i64, &[Vec<u8>])]) -> PathBuf {
    let mut log = Log::create(root, "t-0");
    for (number, (base, batches)) in segments.iter().enumerate() {
        if number > 0 {
            log.skip_to(*base).roll();
        }
        batches.iter().for_each(|batch| {
            log.raw(batch);
        });
    }
    log.flush()
}

fn found(segments: &[(i64, &[Vec<u8>])]) -> Vec<(&'static str, Option<i64>)> {
    let temp = tempfile::tempdir().unwrap();
    let dir = log(temp.path(), segments);
    let about_indexes = |rule: &str| rule.starts_with("timeindex") || rule.starts_with("index");
    let mut found = findings(&dir);
    found.retain(|(rule, _)| !about_indexes(rule));
    found
}

#[test]
fn sequences_that_go_on_are_in_order_within_and_across_segments_and_at_the_largest() {
    assert_eq!(found(&[(0, &[sent(0, 0), sent(2, 2)]), (4, &[sent(4, 4)])]), []);
    let largest = [sent(0, i32::MAX - 1), sent(2, 0), sent(4, 2)];
    assert_eq!(found(&[(0, &largest)]), []);
    assert_eq!(found(&[(0, &[sent_in(0, 0, 8), sent_in(1, 2, 0)])]), []);
    // Compacted: what is missing of sequences is missing of offsets too.
    assert_eq!(found(&[(0, &[sent(0, 0), sent(10, 10)]), (20, &[sent(24, 24)])]), []);
}

#[test]
fn a_duplicate_a_step_back_a_gap_and_an_older_epoch_are_told_by_name() {
    let two = |first: Vec<u8>, second: Vec<u8>| {
        let together = found(&[(0, &[first.clone(), second.clone()])]);
        assert_eq!(found(&[(0, &[first]), (2, &[second])]), together, "across segments");
        together
    };
    assert_eq!(two(sent(0, 4), sent(2, 4)), [("producer-duplicate", Some(2))]);
    assert_eq!(two(sent(0, 4), sent(2, 3)), [("producer-sequence", Some(2))]);
    assert_eq!(two(sent(0, 4), sent(2, 9)), [("producer-gap", Some(2))]);
    assert_eq!(two(sent_in(3, 0, 4), sent_in(2, 2, 6)), [("producer-epoch", Some(2))]);
    let later = [sent(0, 0), sent(2, 2), sent(4, 4), sent(6, 2)];
    assert_eq!(found(&[(0, &later)]), [("producer-duplicate", Some(6))]);
}

#[test]
fn a_snapshot_that_contradicts_its_log_is_a_warning_and_one_that_leaves_out_is_not() {
    type Change = fn(i64, &mut Vec<ProducerEntry>);
    let contradictions: [(&str, Change); 7] = [
        ("in the log", |_, entries| entries[0].last_sequence += 1),
        ("in the log", |_, entries| entries[0].epoch += 1),
        ("in the log", |_, entries| entries[0].offset_delta += 1),
        ("but there is some up to", |_, entries| entries[0].last_offset.0 -= 1),
        ("which is behind it", |at, entries| entries[0].last_offset = Offset(at)),
        ("not one of that producer", |_, entries| entries[0].producer_id += 1000),
        ("which is behind it", |at, entries| {
            entries[0].open_txn_first_offset = Some(Offset(at + 1));
        }),
    ];
    for (number, (words, change)) in contradictions.into_iter().enumerate() {
        let copy = Copy::of("storage-4.1.1/v2-producers-0");
        let name = copy.change_snapshot(change);
        let told = of(&copy.dir, "snapshot-state");
        assert_eq!(told.len(), 1, "{number}: {told:?}");
        assert_eq!(told[0].0, Severity::Warning);
        assert!(told[0].1.contains(words), "{number} {name}: {told:?}");
    }
    // Expired: a broker leaves it out.
    let copy = Copy::of("storage-4.1.1/v2-producers-0");
    copy.change_snapshot(|_, entries| entries.clear());
    assert_eq!(findings(&copy.dir), []);
}

#[test]
fn a_transaction_that_only_the_log_or_only_the_snapshot_has_open_is_a_warning() {
    for forget in [true, false] {
        let copy = Copy::of("storage-4.1.1/v2-open-txn-0");
        copy.change_snapshot(|_, entries| {
            let open = |entry: &ProducerEntry| entry.open_txn_first_offset.is_some();
            let at = entries.iter().position(open).unwrap();
            if forget {
                entries.remove(at);
            } else {
                entries[at].open_txn_first_offset = None;
            }
        });
        let told = of(&copy.dir, "snapshot-state");
        assert_eq!(told.len(), 1, "{told:?}");
        assert!(told[0].1.contains("is open"), "{told:?}");
    }
    let copy = Copy::of("broker-3.9.1/tx-0");
    copy.change_snapshot(|_, entries| entries[0].open_txn_first_offset = Some(Offset(0)));
    let told = of(&copy.dir, "snapshot-state");
    assert_eq!(told.len(), 1, "{told:?}");
    assert!(told[0].1.contains("which was ended at"), "{told:?}");
}

/// A copy with its `leader-epoch-checkpoint` changed, and what is said of it.
fn with_epochs(path: &str, change: impl FnOnce(&mut Vec<(i32, i64)>)) -> Vec<(Severity, String)> {
    let copy = Copy::of(path);
    let file = copy.dir.join("leader-epoch-checkpoint");
    let entries = parse_epochs(&fs::read_to_string(&file).unwrap()).unwrap();
    let mut entries: Vec<_> = entries.iter().map(|e| (e.epoch, e.start_offset.0)).collect();
    change(&mut entries);
    let lines: String = entries.iter().map(|(epoch, start)| format!("{epoch} {start}\n")).collect();
    fs::write(&file, format!("0\n{}\n{lines}", entries.len())).unwrap();
    fs::write(copy.temp.path().join("log-start-offset-checkpoint"), "0\n0\n").unwrap();
    fs::write(copy.temp.path().join("meta.properties"), "version=1\n").unwrap();
    of(&copy.dir, "leader-epoch")
}

#[test]
fn leader_epochs_that_the_checkpoint_does_not_know_or_has_elsewhere_are_warned_of() {
    const LOG: &str = "broker-3.9.1/rdk-none-0";
    let only = |told: Vec<(Severity, String)>, words: &str| {
        assert_eq!(told.len(), 1, "{told:?}");
        assert_eq!(told[0].0, Severity::Warning);
        assert!(told[0].1.contains(words), "{told:?}");
    };
    assert_eq!(with_epochs(LOG, |_| {}), []);
    only(with_epochs(LOG, |entries| entries.push((9, 5001))), "behind the log end 5000");
    // A leader that was just elected begins at the log's end.
    assert_eq!(with_epochs(LOG, |entries| entries.push((9, 5000))), []);
    only(with_epochs(LOG, |entries| entries[0].1 = 100), "the first entry begins at 100");
    let other = with_epochs(LOG, |entries| entries.push((9, 100)));
    assert!(other.iter().all(|(_, text)| text.contains("says 9 there")), "{other:?}");
    assert!(!other.is_empty());
    let falling = with_epochs(LOG, |entries| entries.insert(0, (9, 0)));
    assert!(falling.iter().any(|(severity, _)| *severity == Severity::Error), "{falling:?}");
}

#[test]
fn a_leader_epoch_that_goes_back_is_warned_of_within_and_across_segments() {
    let of_epoch = |epoch: i32, offset: i64| {
        let mut batch = sent(offset, offset as i32);
        batch[12..16].copy_from_slice(&epoch.to_be_bytes());
        batch
    };
    let batches = [of_epoch(3, 0), of_epoch(5, 2), of_epoch(4, 4)];
    assert_eq!(found(&[(0, &batches)]), [("leader-epoch", Some(4))]);
    assert_eq!(found(&[(0, &batches[..2]), (4, &batches[2..])]), [("leader-epoch", Some(4))]);
    assert_eq!(found(&[(0, &batches[..2])]), []);
}

#[test]
fn a_segment_that_is_missing_is_warned_of_where_there_is_evidence() {
    let segments: [(i64, &[Vec<u8>]); 3] =
        [(0, &[sent(0, 0), sent(2, 2)]), (4, &[sent(4, 4)]), (6, &[sent(6, 6)])];
    let lost = |evidence: &dyn Fn(&Path, &Path)| {
        let temp = tempfile::tempdir().unwrap();
        let dir = log(temp.path(), &segments);
        for kind in ["log", "index", "timeindex"] {
            fs::remove_file(dir.join(format!("{:020}.{kind}", 4))).unwrap();
        }
        evidence(temp.path(), &dir);
        let told = [of(&dir, "segment-missing"), of(&dir, "segment-gap")].concat();
        assert_eq!(told.len(), 1, "{told:?}");
        told[0].clone()
    };
    let (severity, text) = lost(&|_, _| {});
    assert_eq!(severity, Severity::Info, "compaction can leave that: {text}");
    let (severity, text) =
        lost(&|_, dir| fs::write(dir.join(format!("{:020}.index", 4)), []).unwrap());
    assert!(severity == Severity::Warning && text.contains("but not its log"), "{text}");
    let (severity, text) = lost(&|_, dir| {
        for offset in [4, 8] {
            let path = dir.join(format!("{offset:020}.snapshot"));
            fs::write(path, render_snapshot(&[])).unwrap();
        }
    });
    assert!(severity == Severity::Warning && text.contains("0004.snapshot"), "{text}");
    for (cleaned, expected) in [(0, Severity::Warning), (4, Severity::Warning), (6, Severity::Info)]
    {
        let (severity, text) = lost(&|root, _| {
            fs::write(root.join("meta.properties"), "version=1\n").unwrap();
            let text = format!("0\n1\nt 0 {cleaned}\n");
            fs::write(root.join("cleaner-offset-checkpoint"), text).unwrap();
        });
        assert_eq!(severity, expected, "cleaned up to {cleaned}: {text}");
    }
}

#[test]
fn each_segment_that_is_missing_from_a_log_without_holes_is_noted() {
    let temp = tempfile::tempdir().unwrap();
    let segment = |offset| [sent(offset, offset as i32)];
    let lost_two = [(0, segment(0)), (4, segment(4)), (6, segment(6)), (10, segment(10))];
    let dir = log(temp.path(), &lost_two.each_ref().map(|(base, batches)| (*base, &batches[..])));
    let told = of(&dir, "segment-gap");
    assert_eq!(told.len(), 2, "{told:?}");
    assert!(told.iter().all(|(severity, _)| *severity == Severity::Info), "{told:?}");
}

#[test]
fn an_emptied_segment_with_its_snapshot_is_no_segment_that_is_missing() {
    let temp = tempfile::tempdir().unwrap();
    let dir = log(temp.path(), &[(0, &[sent(0, 0)]), (2, &[]), (4, &[sent(4, 4)])]);
    for offset in [2, 4] {
        fs::write(dir.join(format!("{offset:020}.snapshot")), render_snapshot(&[])).unwrap();
    }
    assert_eq!([of(&dir, "segment-missing"), of(&dir, "segment-gap")].concat(), []);
}

#[test]
fn each_checkpoint_is_held_against_the_logs_of_its_own_directory() {
    let temp = tempfile::tempdir().unwrap();
    let (one, two) = (temp.path().join("one"), temp.path().join("two"));
    for dir in [&one, &two] {
        fs::create_dir(dir).unwrap();
        copy_folder(&testdata("broker-3.9.1/rdk-none-0"), &dir.join("rdk-none-0"));
        copy_folder(&testdata("broker-3.9.1/lab-raw-0"), &dir.join("lab-raw-0"));
    }
    // In the other directory this log is shorter.
    fs::remove_dir_all(two.join("rdk-none-0")).unwrap();
    copy_folder(&testdata("broker-3.9.1/lab-raw-0"), &two.join("rdk-none-0"));
    let write = |name: &str, text: &str| fs::write(one.join(name), text).unwrap();
    let check = |of: &[&Path]| {
        let dirs: Vec<PathBuf> = of.iter().map(|dir| dir.to_path_buf()).collect();
        let found = verify::run(&find_partitions(&dirs).unwrap(), &NoProgress).unwrap().findings;
        let about = found.into_iter().filter(|finding| finding.rule.starts_with("checkpoint"));
        about.map(|f| (f.rule, f.severity, f.offset.map(|o| o.0))).collect::<Vec<_>>()
    };
    write("recovery-point-offset-checkpoint", "0\n2\nrdk-none 0 5000\nlab-raw 0 0\n");
    write("replication-offset-checkpoint", "0\n2\nrdk-none 0 5000\nlab-raw 0 8\n");
    assert_eq!(check(&[&one, &two]), []);
    assert_eq!(check(&[&two, &one]), []);
    write("replication-offset-checkpoint", "0\n1\nrdk-none 0 5001\n");
    let above = ("checkpoint-offset", Severity::Warning, Some(5001));
    assert_eq!(check(&[&one]), [above, ("checkpoint-absent", Severity::Info, None)]);
    write("replication-offset-checkpoint", "0\n3\nrdk-none 0 -1\nlab-raw 0 8\ngone 0 7\n");
    let (negative, unknown) = (
        ("checkpoint-offset", Severity::Warning, Some(-1)),
        ("checkpoint-unknown", Severity::Info, Some(7)),
    );
    assert_eq!(check(&[&one]), [unknown, negative]);
    write("replication-offset-checkpoint", "0\n0\n");
    write("log-start-offset-checkpoint", "0\n1\nrdk-none 0 17\n");
    assert_eq!(check(&[&one]), []);
    // A broker would delete the log.
    write("log-start-offset-checkpoint", "0\n1\nrdk-none 0 5001\n");
    assert_eq!(check(&[&one]), [("checkpoint-offset", Severity::Error, Some(5001))]);
}

#[test]
fn an_active_segment_without_records_needs_no_indexes_yet() {
    let temp = tempfile::tempdir().unwrap();
    let dir = log(temp.path(), &[(0, &[sent(0, 0)]), (2, &[])]);
    for kind in ["index", "timeindex"] {
        fs::remove_file(dir.join(format!("{:020}.{kind}", 2))).unwrap();
    }
    let missing: Vec<Severity> =
        of(&dir, "index-missing").into_iter().map(|(severity, _)| severity).collect();
    assert_eq!(missing, [Severity::Info; 2]);
}

#[test]
fn a_checkpoint_that_the_system_does_not_let_be_read_is_unreadable_and_not_wrong() {
    let logs = tempfile::tempdir().unwrap();
    copy_folder(&testdata("broker-3.9.1/tx-0"), &logs.path().join("tx-0"));
    // Root may read whatever it likes, but a folder is no file.
    fs::create_dir(logs.path().join("cleaner-offset-checkpoint")).unwrap();
    let said = of(logs.path(), "unreadable");
    assert!(matches!(&said[..], [(Severity::Error, said)] if said.starts_with("cannot read: ")));
    assert_eq!(of(logs.path(), "checkpoint-text"), []);
}

#[test]
fn what_an_interrupted_run_has_left_of_its_output_is_told_as_that() {
    let out = tempfile::tempdir().unwrap();
    copy_folder(&testdata("broker-3.9.1/tx-0"), &out.path().join("tx-0"));
    fs::create_dir_all(out.path().join(".logcompact-staging/lab-0")).unwrap();
    let said = of(out.path(), "leftover");
    let [(Severity::Warning, said)] = &said[..] else { panic!("{said:?}") };
    assert!(said.contains("a run that was interrupted has left"), "{said}");
    assert!(said.contains("the next into this folder removes it"), "{said}");
    assert_eq!(of(out.path(), "directory-name"), []);
}
