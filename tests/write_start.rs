//! Where `write` goes on if the log directory says that the log starts behind what is there, or the
//! checkpoint of leader epochs knows of one behind its end.

mod support;

use std::fs;
use std::path::{Path, PathBuf};

use logcompact::segment::{PartitionDir, parse_epochs};
use predicates::str::contains;
use support::log::{Log, put};
use support::logcompact;

/// A log directory as a broker leaves it, in which logs start where `starts` says.
fn log_dir(root: &Path, starts: &str) -> PathBuf {
    let dir = root.join("logs");
    fs::create_dir_all(dir.join("t-0")).unwrap();
    fs::write(dir.join("meta.properties"), "version=0\nbroker.id=0\n").unwrap();
    fs::write(dir.join(".kafka_cleanshutdown"), "{\"version\":0,\"brokerEpoch\":1}").unwrap();
    fs::write(dir.join("log-start-offset-checkpoint"), starts).unwrap();
    dir
}

fn write(dir: &Path, lines: &str) {
    let mut command = logcompact();
    command.arg("write").arg(dir.join("t-0")).args(["-q", "--now", "1700000000000"]);
    command.write_stdin(lines).assert().success();
}

/// The base of each segment and the first and last offset of each batch in it.
fn batches(dir: &Path) -> Vec<(i64, Vec<(i64, i64)>)> {
    let segments = PartitionDir::open(&dir.join("t-0")).unwrap().segments;
    let of_segment = |segment: &logcompact::segment::Segment| {
        let log = segment.log().unwrap();
        let ends = log.batches().map(|item| item.unwrap().1.header);
        let ends = ends.map(|header| (header.base_offset.0, header.last_offset.0)).collect();
        (segment.base.0, ends)
    };
    segments.iter().map(of_segment).collect()
}

fn assert_sound(dir: &Path) {
    logcompact().arg("verify").arg(dir).assert().success().stdout(contains("Nothing is wrong"));
}

#[test]
fn a_log_without_segments_begins_where_the_log_directory_says_that_it_starts() {
    let temp = tempfile::tempdir().unwrap();
    let dir = log_dir(temp.path(), "0\n1\nt 0 500\n");
    write(&dir, "a\nb\n");
    assert_eq!(batches(&dir), [(500, vec![(500, 501)])]);
    assert_sound(&dir);
    write(&dir, "c\n");
    assert_eq!(batches(&dir), [(500, vec![(500, 501), (502, 502)])]);
    let other = log_dir(&temp.path().join("other"), "0\n1\nother 0 500\n");
    write(&other, "a\n");
    assert_eq!(batches(&other), [(0, vec![(0, 0)])]);
}

#[test]
fn a_log_that_ends_in_front_of_where_it_starts_goes_on_there_in_a_segment_of_its_own() {
    for (start, expected) in [
        ("500", vec![(0, vec![(0, 1)]), (500, vec![(500, 501)])]),
        ("1", vec![(0, vec![(0, 1), (2, 3)])]),
        ("2", vec![(0, vec![(0, 1), (2, 3)])]),
    ] {
        let temp = tempfile::tempdir().unwrap();
        let dir = log_dir(temp.path(), &format!("0\n1\nt 0 {start}\n"));
        Log::create(&dir, "t-0").batch(&[put("a", "1"), put("b", "2")]).flush();
        fs::write(dir.join("t-0/leader-epoch-checkpoint"), "0\n1\n0 0\n").unwrap();
        write(&dir, "");
        assert_eq!(batches(&dir).len(), 1, "nothing is changed for nothing");
        write(&dir, "c\nd\n");
        assert_eq!(batches(&dir), expected, "{start}");
        assert_sound(&dir);
    }
}

#[test]
fn an_epoch_that_begins_behind_the_log_end_is_not_gone_on_in() {
    for (epochs, after, epoch) in [
        ("0\n2\n0 0\n5 100\n", vec![(0, 0)], 0),
        ("0\n2\n0 0\n5 2\n", vec![(0, 0), (5, 2)], 5),
        ("0\n1\n5 100\n", vec![(0, 2)], 0),
    ] {
        let temp = tempfile::tempdir().unwrap();
        let dir = log_dir(temp.path(), "0\n0\n");
        Log::create(&dir, "t-0").batch(&[put("a", "1"), put("b", "2")]).flush();
        let path = dir.join("t-0/leader-epoch-checkpoint");
        fs::write(&path, epochs).unwrap();
        write(&dir, "c\n");
        let known = parse_epochs(&fs::read_to_string(&path).unwrap()).unwrap();
        let known: Vec<_> = known.iter().map(|it| (it.epoch, it.start_offset.0)).collect();
        assert_eq!(known, after, "{epochs:?}");
        let segments = PartitionDir::open(&dir.join("t-0")).unwrap().segments;
        let log = segments[0].log().unwrap();
        assert_eq!(log.batches().last().unwrap().unwrap().1.header.leader_epoch, epoch);
        logcompact()
            .args(["verify", "--strict"])
            .arg(&dir)
            .assert()
            .code(i32::from(after[0].1 > 0));
    }
}
