//! `write` and a disk that fails: what is left is what was there and the beginning of what was
//! sent, and the next run goes on from it.

mod support;

use std::fs;
use std::io::Cursor;
use std::path::Path;

use logcompact::disk::Disk;
use logcompact::format::{Codec, Compression, Partitioner};
use logcompact::report::NoProgress;
use logcompact::segment::{Kind, PartitionDir, find_partitions};
use logcompact::units::Timestamp;
use logcompact::verify::{self, Severity};
use logcompact::write::{Clock, LineFormat, Request, TopicRules, WriteOptions, Written, run};
use support::copy_folder;
use support::power::{Loss, Noting, Op, Refusing, cut_power, tree};
use support::state::content_of;

const ENOSPC: i32 = 28;
const MARK: &str = ".kafka_cleanshutdown";

/// Appends lines to the partition `t-0` in `root`, a few to a batch and a few batches to a segment.
fn append(root: &Path, lines: &str, force: bool, disk: Disk) -> logcompact::error::Result<Written> {
    let request = Request { dir: root.join("t-0"), topic: None, partitions: None, topic_id: None };
    let options = WriteOptions {
        format: LineFormat::default(),
        topic: TopicRules { segment_bytes: 400, index_interval_bytes: 0, ..TopicRules::default() },
        compression: Compression { codec: Codec::None, level: None },
        batch_bytes: 100,
        linger_ms: 1000,
        clock: Clock::Still(Timestamp(1_700_000_000_000)),
        timestamp: None,
        force,
        disk,
    };
    run(&request, Partitioner::Murmur2, &options, Cursor::new(lines.to_owned()))
}

fn lines(from: usize, count: usize) -> String {
    (from..from + count).map(|number| format!("line {number}\n")).collect()
}

/// A log directory of a broker that was stopped, with a segment that has room left.
fn begun(root: &Path) {
    fs::create_dir_all(root).unwrap();
    append(root, &lines(0, 20), false, Disk::default()).unwrap();
    fs::write(root.join("meta.properties"), "version=1\n").unwrap();
    fs::write(root.join(MARK), "{\"version\":0,\"brokerEpoch\":6}").unwrap();
}

fn values(root: &Path) -> Vec<String> {
    let records = content_of(&root.join("t-0")).records;
    records.into_values().map(|(_, value)| String::from_utf8(value.unwrap()).unwrap()).collect()
}

/// What is left holds `least` lines, and goes on behind them.
fn assert_goes_on(root: &Path, least: usize, what: &str) {
    if let Err(refusal) = append(root, "", false, Disk::default()) {
        let text = refusal.to_string();
        let is_known = ["not shut down cleanly", "unfinished write"];
        assert!(is_known.iter().any(|known| text.contains(known)), "{what}: {text}");
    }
    append(root, "and on\n", true, Disk::default()).expect(what);
    let mut found = values(root);
    assert_eq!(found.pop().as_deref(), Some("and on"), "{what}");
    assert!(found.len() >= least, "{what}: {} of {least} lines", found.len());
    let sent: Vec<String> = lines(0, found.len()).lines().map(str::to_owned).collect();
    assert_eq!(found, sent, "{what}");
    let sources = find_partitions(&[root.join("t-0")]).unwrap();
    let verified = verify::run(&sources, &NoProgress).unwrap();
    let errors: Vec<_> =
        verified.findings.iter().filter(|finding| finding.severity == Severity::Error).collect();
    assert!(errors.is_empty(), "{what}: {errors:?}");
}

#[test]
fn a_power_cut_at_any_step_of_a_write_leaves_the_beginning_of_what_was_sent() {
    let temp = tempfile::tempdir().unwrap();
    let (source, work) = (temp.path().join("source"), temp.path().join("work"));
    begun(&source);
    copy_folder(&source, &work);
    let noting = Noting::default();
    let written = append(&work, &lines(20, 25), false, Disk::of(noting.clone())).unwrap();
    assert!(written.total().rolls > 0 && values(&work).len() == 45);
    let ops = noting.ops();
    let mut cuts = 0;
    for at in 0..=ops.len() {
        let other = [Loss::All, Loss::Contents, Loss::Nothing][at % 3];
        for loss in [other, Loss::Random(at as u64)] {
            let what = format!("cut before operation {at} ({loss:?})");
            let left = temp.path().join("left");
            cut_power(&source, &work, &ops[..at], loss, &left);
            // Where a broker would not recover, nothing was begun, or all is done.
            if left.join(MARK).exists() {
                let files = |root: &Path| {
                    let files = tree(&root.join("t-0")).into_iter();
                    files.map(|(path, bytes, _)| (path, bytes)).collect::<Vec<_>>()
                };
                let now = files(&left);
                assert!(now == files(&source) || now == files(&work), "{what}");
            }
            assert_goes_on(&left, 20, &what);
            fs::remove_dir_all(&left).unwrap();
            cuts += 1;
        }
    }
    // The whole run is there whatever was lost behind its end.
    let left = temp.path().join("left");
    cut_power(&source, &work, &ops, Loss::All, &left);
    assert!(values(&left).len() == 45 && left.join(MARK).exists());
    assert!(ops.iter().any(|op| matches!(op, Op::Append(..))) && cuts > 40, "{cuts} cuts");
}

#[test]
fn what_has_its_name_when_a_write_is_killed_is_whole() {
    let temp = tempfile::tempdir().unwrap();
    let (source, work) = (temp.path().join("source"), temp.path().join("work"));
    begun(&source);
    copy_folder(&source, &work);
    let noting = Noting::default();
    append(&work, &lines(20, 25), false, Disk::of(noting.clone())).unwrap();
    let whole = |root: &Path| tree(root).into_iter().map(|(path, bytes, _)| (path, bytes));
    let whole: Vec<_> = whole(&source).chain(whole(&work)).collect();
    let ops = noting.ops();
    for at in 0..=ops.len() {
        let left = temp.path().join("left");
        cut_power(&source, &work, &ops[..at], Loss::Nothing, &left);
        // A log grows, and is cut where it was left torn.
        let is_log = |path: &Path| path.extension().is_some_and(|kind| kind == "log");
        let is_aside = |path: &Path| path.extension().is_some_and(|kind| kind == "tmp");
        for (path, bytes, _) in tree(&left) {
            let is_known =
                is_log(&path) || is_aside(&path) || whole.contains(&(path.clone(), bytes));
            assert!(is_known, "killed before operation {at}: {path:?}");
        }
        assert_goes_on(&left, 20, &format!("killed before operation {at}"));
        assert!(!tree(&left).iter().any(|(path, ..)| is_aside(path)), "operation {at}");
        fs::remove_dir_all(&left).unwrap();
    }
}

#[test]
fn a_disk_that_is_full_at_any_write_leaves_the_beginning_of_what_was_sent() {
    let temp = tempfile::tempdir().unwrap();
    let source = temp.path().join("source");
    begun(&source);
    for n in 0.. {
        let work = temp.path().join("work");
        copy_folder(&source, &work);
        let refusing = Refusing::write(n, ENOSPC);
        let outcome = append(&work, &lines(20, 25), false, Disk::of(refusing.clone()));
        if !refusing.has_refused() {
            outcome.unwrap();
            assert!(n > 20 && values(&work).len() == 45, "{n} writes");
            return;
        }
        // It says that it is not all there, and how much was appended: no more than is there, or is
        // on its way.
        if let Ok(written) = outcome {
            assert!(written.failure.is_some() && !written.is_durable, "write {n} was refused");
            assert!(written.total().records <= 25, "write {n} was refused");
        }
        assert_goes_on(&work, 20, &format!("write {n} refused"));
        fs::remove_dir_all(&work).unwrap();
    }
}

#[test]
fn every_flipped_byte_of_a_log_that_its_checksums_cover_is_refused_before_anything_is_written() {
    let temp = tempfile::tempdir().unwrap();
    let root = temp.path().join("source");
    append(&root, &lines(0, 16), false, Disk::default()).unwrap();
    let segments = PartitionDir::open(&root.join("t-0")).unwrap().segments;
    let last = segments.last().unwrap();
    let path = last.path(Kind::Log);
    let starts: Vec<usize> =
        last.log().unwrap().batches().map(|item| item.unwrap().0.index()).collect();
    let whole = fs::read(&path).unwrap();
    let mut taken = 0;
    for at in 0..whole.len() {
        let mut flipped = whole.clone();
        flipped[at] ^= 1 << (at % 8);
        fs::write(&path, &flipped).unwrap();
        let within = at - starts.iter().rfind(|start| **start <= at).unwrap();
        let outcome = append(&root, "and on\n", false, Disk::default());
        if outcome.is_ok() {
            // The base offset and the leader epoch have no checksum; behind them, all goes on.
            assert!((0..8).contains(&within) || (12..16).contains(&within), "byte {at}");
            assert!(fs::read(&path).unwrap().starts_with(&flipped), "byte {at}");
            taken += 1;
            fs::remove_dir_all(&root).unwrap();
            append(&root, &lines(0, 16), false, Disk::default()).unwrap();
        } else {
            assert!(fs::read(&path).unwrap() == flipped, "byte {at}");
            fs::write(&path, &whole).unwrap();
        }
    }
    assert!(starts.len() > 1, "{} batches", starts.len());
    assert!((1..=12 * starts.len()).contains(&taken), "{taken} taken");
}
