//! The directories of a topic that `write` makes: all of them, or none, and with one id.
//! What a run that was killed has begun, the next one makes whole.

mod support;

use std::collections::BTreeSet;
use std::fs;
use std::io::Cursor;
use std::num::NonZeroU32;
use std::path::Path;
use std::process::Command;

use logcompact::disk::Disk;
use logcompact::format::{Codec, Compression, Partitioner};
use logcompact::report::NoProgress;
use logcompact::segment::{PartitionMetadata, find_partitions};
use logcompact::units::Timestamp;
use logcompact::verify::{self, Severity};
use logcompact::write::{Clock, LineFormat, Request, TopicRules, WriteOptions, run};
use predicates::str::contains;
use support::logcompact;
use support::power::{Loss, Noting, Refusing, cut_power, tree};

const ENOSPC: i32 = 28;
const ID: &str = "AQIDBAUGBwgJCgsMDQ4PEA";

/// Writes a few lines to the topic `t` of three partitions in `root`.
fn write(root: &Path, disk: Disk) -> logcompact::error::Result<()> {
    let (topic, partitions) = (Some("t".to_owned()), NonZeroU32::new(3));
    let request = Request { dir: root.into(), topic, partitions, topic_id: None };
    let options = WriteOptions {
        format: LineFormat { parse_key: true, ..LineFormat::default() },
        topic: TopicRules::default(),
        compression: Compression { codec: Codec::None, level: None },
        batch_bytes: 1000,
        linger_ms: 1000,
        clock: Clock::Still(Timestamp(1_700_000_000_000)),
        timestamp: None,
        force: true,
        disk,
    };
    let lines: String = (0..9).map(|number| format!("key{number}\tvalue\n")).collect();
    let written = run(&request, Partitioner::Murmur2, &options, Cursor::new(lines))?;
    written.failure.map_or(Ok(()), Err)
}

/// The ids that the partitions in `root` have; each file that has its name can be read.
fn ids(root: &Path, what: &str) -> Vec<String> {
    let files = tree(root).into_iter().filter(|(path, ..)| path.ends_with("partition.metadata"));
    let text = files.map(|(_, bytes, _)| String::from_utf8(bytes).unwrap());
    text.map(|text| PartitionMetadata::parse(&text).expect(what).topic_id).collect()
}

/// The same run again leaves a topic that is whole.
fn assert_made_whole(root: &Path, what: &str) {
    write(root, Disk::of(Noting::default())).expect(what);
    let ids = ids(root, what);
    assert_eq!((ids.len(), BTreeSet::from_iter(ids).len()), (3, 1), "{what}");
    let verified = verify::run(&find_partitions(&[root.into()]).unwrap(), &NoProgress).unwrap();
    let is_info = |severity: &Severity| *severity == Severity::Info;
    let found: Vec<_> = verified.findings.iter().filter(|it| !is_info(&it.severity)).collect();
    assert!(found.is_empty(), "{what}: {found:?}");
}

#[test]
fn a_topic_of_more_partitions_than_can_be_opened_is_not_made() {
    let temp = tempfile::tempdir().unwrap();
    let program = env!("CARGO_BIN_EXE_logcompact");
    let few_files = format!("ulimit -n 64; exec {program} write \"$@\" </dev/null");
    for (dir, count) in [("new/logs", "100"), ("new/logs", "40"), (".", "100")] {
        let arguments = [dir, "--topic", "t", "--partitions", count];
        let mut run = Command::new("sh");
        run.current_dir(&temp).args(["-c", &few_files, "sh"]).args(arguments);
        let output = run.output().unwrap();
        let said = String::from_utf8_lossy(&output.stderr);
        assert_eq!(output.status.code(), Some(2), "{said}");
        assert!(said.contains("Too many open files"), "{said}");
        assert_eq!(fs::read_dir(&temp).unwrap().count(), 0, "{dir}, {count}");
    }
    let mut run = logcompact();
    run.arg("write").arg(temp.path().join("new")).args(["--topic", "t", "--partitions", "40"]);
    run.write_stdin("a\n").assert().success();
}

#[test]
fn a_topic_whose_making_was_killed_at_any_step_is_made_whole_by_the_next_run() {
    let temp = tempfile::tempdir().unwrap();
    let (before, work) = (temp.path().join("before"), temp.path().join("work"));
    fs::create_dir(&before).unwrap();
    fs::create_dir(&work).unwrap();
    let noting = Noting::default();
    write(&work, Disk::of(noting.clone())).unwrap();
    let ops = noting.ops();
    for at in 0..=ops.len() {
        let other = [Loss::All, Loss::Contents, Loss::Random(at as u64)][at % 3];
        for loss in [Loss::Nothing, other] {
            let (left, what) = (temp.path().join("left"), format!("{at} operations ({loss:?})"));
            cut_power(&before, &work, &ops[..at], loss, &left);
            assert!(ids(&left, &what).len() <= 3);
            assert_made_whole(&left, &what);
            fs::remove_dir_all(&left).unwrap();
        }
    }
    assert!(ops.len() > 40, "{ops:?}");
}

#[test]
fn a_disk_that_is_full_at_any_step_of_the_making_leaves_nothing_half_written() {
    let temp = tempfile::tempdir().unwrap();
    for n in 0.. {
        let root = temp.path().join(n.to_string());
        let refusing = Refusing::write(n, ENOSPC);
        let outcome = write(&root, Disk::of(refusing.clone()));
        if !refusing.has_refused() {
            outcome.unwrap();
            assert!(n > 40, "{n} writes");
            return;
        }
        assert!(outcome.is_err(), "write {n}");
        let half = |(path, bytes, _): &(std::path::PathBuf, Vec<u8>, _)| {
            path.extension().is_some_and(|kind| kind == "snapshot") && bytes.is_empty()
        };
        if root.exists() {
            ids(&root, "a full disk");
            assert!(!tree(&root).iter().any(half), "write {n}");
        }
        assert_made_whole(&root, &format!("write {n} was refused"));
    }
}

#[test]
fn a_directory_that_was_only_begun_gets_the_id_of_the_others() {
    for (file, bytes) in [
        ("leader-epoch-checkpoint", &b""[..]),
        ("partition.metadata.tmp", b"version"),
        ("partition.metadata", b""),
    ] {
        let temp = tempfile::tempdir().unwrap();
        let root = temp.path().join("logs");
        fs::create_dir_all(root.join("t-2")).unwrap();
        fs::write(root.join("t-2").join(file), bytes).unwrap();
        assert_made_whole(&root, file);
    }
    // So does one that is named by itself, and another id is refused.
    let temp = tempfile::tempdir().unwrap();
    let named = |number: u32, id: &[&str]| {
        let mut run = logcompact();
        run.arg("write").arg(temp.path().join(format!("t-{number}"))).args(id);
        run.write_stdin("a\n").assert()
    };
    named(0, &["--topic-id", ID]).success();
    named(1, &["--topic-id", ID]).success();
    named(2, &[]).success();
    assert_eq!(ids(temp.path(), "made by themselves"), [ID, ID, ID]);
    let refusal = contains(format!("its other partitions have the id {ID}"));
    named(3, &["--topic-id", "EBAPDg0MCwoJCAcGBQQDAg"]).code(2).stderr(refusal);
    assert!(!temp.path().join("t-3").exists());
}

#[test]
fn an_id_that_cannot_be_read_is_put_right_by_the_others_or_keeps_from_writing() {
    for damage in ["", "version: 0\n"] {
        let temp = tempfile::tempdir().unwrap();
        let root = temp.path();
        write(root, Disk::default()).unwrap();
        let id = ids(root, "sound")[0].clone();
        let path = root.join("t-1/partition.metadata");
        fs::write(&path, damage).unwrap();
        let append = |dir: &Path| {
            let mut run = logcompact();
            run.arg("write").arg(dir).write_stdin("a\n").assert()
        };
        append(&root.join("t-1")).success().stderr(contains("t-1: partition.metadata: "));
        assert_eq!(ids(root, "put right"), [&*id, &*id, &*id]);
        append(&root.join("t-1")).success();
        fs::write(&path, damage).unwrap();
        for other in ["t-0", "t-2"] {
            fs::remove_dir_all(root.join(other)).unwrap();
        }
        let before = tree(root);
        let refusal = contains("write it anew (version: 0, topic_id: ID)");
        append(&root.join("t-1")).code(2).stderr(refusal);
        assert_eq!(tree(root), before);
    }
}
