//! What `dump` gives as a consumer would be given it: `--isolation read_committed` and `--state`
//! of logs whose beginning was deleted, and of segments that were named one by one.

mod support;

use std::fs;
use std::path::{Path, PathBuf};

use logcompact::segment::{ProducerEntry, render_snapshot};
use logcompact::units::{Offset, Timestamp};
use support::log::{Log, put};
use support::logcompact;
use tempfile::TempDir;

/// The offsets that a dump shows in which nothing is wrong.
fn offsets(paths: &[&Path], args: &[&str]) -> Vec<i64> {
    let mut command = logcompact();
    command.arg("dump").args(paths).args(["--print", "offset"]).args(args);
    let output = command.assert().code(0).stderr("").get_output().stdout.clone();
    let text = String::from_utf8(output).unwrap();
    text.lines().map(|line| line.trim_start_matches("Offset:").parse().unwrap()).collect()
}

fn committed(dir: &Path, range: &str) -> Vec<i64> {
    offsets(&[dir], &["--isolation", "read_committed", "--offsets", range])
}

/// Appends records without a transaction up to, not with, an offset.
fn fill(log: &mut Log, end: i64) {
    while log.next_offset() < end {
        log.batch(&[put(&format!("k{}", log.next_offset()), "v")]);
    }
}

fn put_snapshot(dir: &Path, at: i64, open_since: Option<i64>) {
    let entry = ProducerEntry {
        producer_id: 7,
        epoch: 0,
        last_sequence: 0,
        last_offset: Offset(40),
        offset_delta: 0,
        timestamp: Timestamp(1_700_000_000_000),
        coordinator_epoch: 0,
        open_txn_first_offset: open_since.map(Offset),
    };
    fs::write(dir.join(format!("{at:020}.snapshot")), render_snapshot(&[entry])).unwrap();
}

/// A log from 50 to 110, in segments from 50 and 100. A transaction began at 40, in front of it,
/// and has data at 60; `end` at 105 is its marker, if there is one.
fn begun_in_front(root: &Path, end: Option<bool>) -> PathBuf {
    let mut log = Log::create(root, "t-0");
    fill(&mut log, 40);
    log.transactional(7, &[put("a", "1")]);
    fill(&mut log, 50);
    log.roll();
    fill(&mut log, 60);
    log.transactional(7, &[put("a", "2")]);
    fill(&mut log, 100);
    log.roll();
    fill(&mut log, 105);
    end.into_iter().for_each(|is_commit| {
        log.marker(7, is_commit);
    });
    fill(&mut log, 110);
    let dir = log.flush();
    for kind in ["log", "index", "timeindex"] {
        fs::remove_file(dir.join(format!("{:020}.{kind}", 0))).unwrap();
    }
    dir
}

#[test]
fn nothing_is_committed_behind_a_transaction_that_has_been_open_since_before_the_log_begins() {
    // Kafka's last stable offset is where the log begins then. A running broker has the snapshot at
    // that offset, one that was started anew only the later ones.
    for snapshots in [&[50, 100][..], &[50], &[100]] {
        let temp = TempDir::new().unwrap();
        let dir = begun_in_front(temp.path(), None);
        snapshots.iter().for_each(|at| put_snapshot(&dir, *at, Some(40)));
        for range in ["..", "50..", "70..", "90..", "100..", "107.."] {
            assert_eq!(committed(&dir, range), [0; 0], "{range} {snapshots:?}");
        }
    }
    // Where no file knows of its beginning, it is as old as its first record that is still there.
    let temp = TempDir::new().unwrap();
    let dir = begun_in_front(temp.path(), None);
    assert_eq!(committed(&dir, ".."), (50..60).collect::<Vec<i64>>());
}

#[test]
fn a_transaction_from_before_the_log_begins_hides_no_more_than_its_own_once_it_has_ended() {
    for (is_commit, snapshots) in
        [(true, &[50, 100][..]), (false, &[50, 100]), (false, &[100]), (false, &[])]
    {
        let temp = TempDir::new().unwrap();
        let dir = begun_in_front(temp.path(), Some(is_commit));
        snapshots.iter().for_each(|at| put_snapshot(&dir, *at, Some(40)));
        for start in [50, 58, 100, 104] {
            let is_given = |offset: &i64| *offset != 105 && (is_commit || *offset != 60);
            let given: Vec<i64> = (start..110).filter(is_given).collect();
            assert_eq!(committed(&dir, &format!("{start}..")), given, "{is_commit} {snapshots:?}");
        }
    }
}

/// A log of ten records in two segments, of which a broker has noted that it starts at `start`.
fn deleted_up_to(root: &Path, start: i64) -> PathBuf {
    let mut log = Log::create(root, "t-0");
    fill(&mut log, 8);
    log.roll();
    fill(&mut log, 10);
    let dir = log.flush();
    fs::write(root.join("log-start-offset-checkpoint"), format!("0\n1\nt 0 {start}\n")).unwrap();
    dir
}

#[test]
fn a_consumer_is_given_nothing_from_in_front_of_where_the_log_starts() {
    let temp = TempDir::new().unwrap();
    for start in [0, 6, 8, 9, 10] {
        let dir = deleted_up_to(temp.path(), start);
        let given: Vec<i64> = (start..10).collect();
        let backward: Vec<i64> = given.iter().rev().copied().collect();
        let first = dir.join("00000000000000000000.log");
        let of_first: Vec<i64> = (start..8).collect();
        for consumers in [
            &["--state"][..],
            &["--isolation", "read_committed"],
            &["--state", "--isolation", "read_uncommitted"],
        ] {
            assert_eq!(offsets(&[&dir], consumers), given, "{consumers:?}");
            assert_eq!(offsets(&[temp.path()], consumers), given, "{consumers:?}");
            assert_eq!(offsets(&[&first], consumers), of_first, "{consumers:?}");
            assert_eq!(offsets(&[&dir], &[consumers, &["--reverse"]].concat()), backward);
            let behind: Vec<i64> = (start.max(7)..9).collect();
            assert_eq!(offsets(&[&dir], &[consumers, &["--offsets", "7..9"]].concat()), behind);
        }
        // Who wants to see what lies in the files does.
        assert_eq!(offsets(&[&dir], &[]), (0..10).collect::<Vec<i64>>());
    }
    let dir = deleted_up_to(temp.path(), 6);
    let mut told = logcompact();
    let told = told.args(["dump", "--state", "-v"]).arg(dir).assert().code(0);
    told.stderr(predicates::str::contains("the log starts at offset 6"));
}

#[test]
fn a_log_start_behind_the_end_of_the_log_is_not_believed() {
    let temp = TempDir::new().unwrap();
    let dir = deleted_up_to(temp.path(), 11);
    for consumers in [&["--state"][..], &["--isolation", "read_committed"]] {
        assert_eq!(offsets(&[&dir], consumers), (0..10).collect::<Vec<i64>>());
    }
}

#[test]
fn segments_of_a_partition_that_are_named_one_by_one_are_one_log_to_state_and_reverse() {
    let temp = TempDir::new().unwrap();
    let mut logs = Vec::new();
    for name in ["t-0", "t-1"] {
        let mut log = Log::create(temp.path(), name);
        log.batch(&[put("a", "old"), put("b", "1")]).roll();
        log.batch(&[put("a", "new")]).roll();
        let dir = log.batch(&[put("c", "1")]).flush();
        logs.push([0, 2, 3].map(|base| dir.join(format!("{base:020}.log"))));
    }
    let [first, second, third] = logs[0].each_ref().map(PathBuf::as_path);
    let dir = first.parent().unwrap();
    let around = dir.join("../t-0").join(second.file_name().unwrap());
    // In whatever order, by whatever path, and however often they are named.
    for paths in [
        &[first, second, third][..],
        &[third, first, second],
        &[first, around.as_path(), first, third],
        &[dir],
        &[second, dir, dir],
    ] {
        assert_eq!(offsets(paths, &["--state"]), [1, 2, 3], "{paths:?}");
        assert_eq!(offsets(paths, &["--state", "--reverse"]), [3, 2, 1], "{paths:?}");
        assert_eq!(offsets(paths, &["--reverse"]), [3, 2, 1, 0], "{paths:?}");
        assert_eq!(offsets(paths, &["--reverse", "--limit", "2"]), [3, 2], "{paths:?}");
    }
    // Only what was named counts, of each partition by itself.
    assert_eq!(offsets(&[third, first], &["--state"]), [0, 1, 3]);
    let both = [second, logs[1][0].as_path(), first, logs[1][1].as_path()];
    assert_eq!(offsets(&both, &["--state"]), [1, 2, 1, 2]);
    assert_eq!(offsets(&both, &["--reverse"]), [2, 1, 0, 2, 1, 0]);
    // Without them each is shown where it was named, and a file of a swap is always for itself.
    assert_eq!(offsets(&[third, first, third], &[]), [3, 0, 1, 3]);
    let deleted = dir.join("00000000000000000000.log.deleted");
    fs::copy(first, &deleted).unwrap();
    assert_eq!(offsets(&[first, deleted.as_path(), second], &["--state"]), [1, 2, 0, 1]);
}
