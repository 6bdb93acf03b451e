//! The producers at the end of a log: replayed as a broker replays them, written where a broker
//! would otherwise have forgotten them.

mod support;

use std::fs;
use std::path::Path;

use serde_json::Value;
use support::log::{BatchKind, Log, batch_bytes, put};
use support::power::tree;
use support::{copy_folder, folders_in, logcompact, testdata};

use logcompact::format::{Batch, Decoder};
use logcompact::segment::{
    PartitionDir, ProducerEntry, ProducerState, parse_snapshot, render_snapshot,
};
use logcompact::units::{Offset, Timestamp};

const NOW_MS: i64 = 1_700_000_000_000;
const LOG: &str = "00000000000000000000.log";
const TRANSACTIONAL: i16 = 1 << 4;
const CONTROL: i16 = 1 << 5;

fn entry(producer_id: i64) -> ProducerEntry {
    ProducerEntry {
        producer_id,
        epoch: 0,
        last_sequence: -1,
        last_offset: Offset(-1),
        offset_delta: 0,
        timestamp: Timestamp(NOW_MS),
        coordinator_epoch: -1,
        open_txn_first_offset: None,
    }
}

fn snapshot_at(dir: &Path, offset: i64) -> Vec<ProducerEntry> {
    let bytes = fs::read(dir.join(format!("{offset:020}.snapshot"))).unwrap();
    parse_snapshot(&bytes).unwrap()
}

/// The producers that the whole log tells of.
fn replayed(dir: &Path, log_end: i64) -> Vec<ProducerEntry> {
    let dir = PartitionDir { snapshots: Vec::new(), ..PartitionDir::open(dir).unwrap() };
    let mut state = ProducerState::load(&dir, Offset(0), Offset(log_end)).unwrap();
    for segment in &dir.segments {
        let log = segment.log().unwrap();
        log.batches().flatten().for_each(|(_, batch)| state.append(&batch, &mut Decoder::new()));
    }
    state.entries().copied().collect()
}

#[test]
fn a_snapshot_that_is_written_says_what_was_read() {
    let mut read = 0;
    for root in ["storage-4.1.1", "broker-3.9.1"].map(testdata) {
        for (path, bytes, _) in tree(&root) {
            if path.extension().is_none_or(|extension| extension != "snapshot") {
                continue;
            }
            let mut entries = parse_snapshot(&bytes).unwrap();
            let written = render_snapshot(&entries);
            assert_eq!(written.len(), bytes.len());
            entries.sort_by_key(|entry| entry.producer_id);
            assert_eq!(parse_snapshot(&written).unwrap(), entries, "{}", path.display());
            read += entries.len();
        }
    }
    assert!(read > 100, "{read} entries");
    let all = [entry(9), ProducerEntry { open_txn_first_offset: Some(Offset(3)), ..entry(2) }];
    assert_eq!(parse_snapshot(&render_snapshot(&all)).unwrap(), [all[1], all[0]]);
}

#[test]
fn what_is_replayed_is_what_kafka_wrote() {
    let mut compared = 0;
    for name in folders_in(&testdata("storage-4.1.1")) {
        let path = testdata("storage-4.1.1").join(name);
        let dir = PartitionDir::open(&path).unwrap();
        let last = dir.segments.last().unwrap();
        let log = last.log().unwrap();
        let end = log.batches().flatten().last().map(|(_, batch)| batch.header.last_offset.next());
        let end = end.unwrap_or(last.base);
        // What the first offsets said may be gone.
        let whole = dir.segments[0].base == Offset(0);
        if !(whole && dir.snapshots.contains(&end)) {
            continue;
        }
        let mut written = snapshot_at(&path, end.0);
        written.sort_by_key(|entry| entry.producer_id);
        assert_eq!(replayed(&path, end.0), written, "{}", path.display());
        compared += written.len();
    }
    assert!(compared > 10, "{compared} entries");
}

/// A batch of another epoch, with its checksum.
fn of_epoch(mut bytes: Vec<u8>, epoch: i16) -> Vec<u8> {
    bytes[51..53].copy_from_slice(&epoch.to_be_bytes());
    let crc = crc_fast::crc32_iscsi(&bytes[21..]);
    bytes[17..21].copy_from_slice(&crc.to_be_bytes());
    bytes
}

/// Appends these batches to nothing.
fn state_of(batches: &[Vec<u8>]) -> Vec<ProducerEntry> {
    let mut state = ProducerState::default();
    for bytes in batches {
        state.append(&Batch::parse(bytes).unwrap(), &mut Decoder::new());
    }
    state.entries().copied().collect()
}

fn data(offset: i64, attributes: i16, base_sequence: i32, records: usize) -> Vec<u8> {
    let kind = BatchKind { attributes, producer_id: 7, base_sequence };
    batch_bytes(offset, NOW_MS, kind, &vec![put("k", "v"); records])
}

fn marker(offset: i64, coordinator_epoch: i32) -> Vec<u8> {
    let attributes = TRANSACTIONAL | CONTROL;
    let kind = BatchKind { attributes, producer_id: 7, base_sequence: -1 };
    let mut value = vec![0, 0];
    value.extend_from_slice(&coordinator_epoch.to_be_bytes());
    batch_bytes(offset, NOW_MS + 50, kind, &[(Some(&[0, 0, 0, 1]), Some(&value))])
}

#[test]
fn sequences_wrap_and_a_transaction_is_open_from_its_first_batch_to_its_marker() {
    let open = [data(0, TRANSACTIONAL, i32::MAX - 1, 3), data(3, TRANSACTIONAL, 1, 2)];
    let known = ProducerEntry {
        last_sequence: 2,
        last_offset: Offset(4),
        offset_delta: 1,
        timestamp: Timestamp(NOW_MS + 1),
        open_txn_first_offset: Some(Offset(0)),
        ..entry(7)
    };
    assert_eq!(state_of(&open[..1])[0].last_sequence, 0, "0 follows 2^31-1");
    assert_eq!(state_of(&open), [known]);
    let ended = [open[0].clone(), open[1].clone(), marker(5, 3)];
    let timestamp = Timestamp(NOW_MS + 50);
    let ended_state =
        ProducerEntry { timestamp, coordinator_epoch: 3, open_txn_first_offset: None, ..known };
    assert_eq!(state_of(&ended), [ended_state]);
}

#[test]
fn a_newer_epoch_knows_of_no_batch_and_an_emptied_marker_only_of_its_producer() {
    let timestamp = Timestamp(NOW_MS + 50);
    let bumped = [data(0, TRANSACTIONAL, 5, 3), of_epoch(marker(3, 2), 1)];
    let fenced = ProducerEntry { epoch: 1, timestamp, coordinator_epoch: 2, ..entry(7) };
    assert_eq!(state_of(&bumped), [fenced]);
    // The header of a control batch whose record was cleaned away.
    let mut emptied = marker(3, 2);
    emptied.truncate(61);
    emptied[8..12].copy_from_slice(&49i32.to_be_bytes());
    emptied[57..61].fill(0);
    let unknown = ProducerEntry { epoch: -1, timestamp: Timestamp(-1), ..entry(7) };
    assert_eq!(state_of(&[emptied.clone()]), [unknown]);
    let known = state_of(&[data(0, 0, 5, 3)]);
    assert_eq!(state_of(&[data(0, 0, 5, 3), emptied]), known);
    // An emptied data batch says what it said.
    let mut emptied = data(0, 0, 5, 3);
    emptied.truncate(61);
    emptied[8..12].copy_from_slice(&49i32.to_be_bytes());
    emptied[57..61].fill(0);
    assert_eq!(state_of(&[emptied]), known);
}

/// Two closed segments and an active one; producer 7 leaves a transaction open in the second.
fn log_with_an_open_transaction(root: &Path) -> std::path::PathBuf {
    let mut log = Log::create(root, "t-0").with_txn_index();
    log.transactional(8, &[put("a", "1")]).marker(8, true).batch(&[put("a", "2")]).roll();
    log.transactional(7, &[put("b", "1")]).transactional(8, &[put("c", "1")]).roll();
    log.batch(&[put("d", "1")]).flush()
}

fn repair(dir: &Path, options: &[&str]) -> Value {
    let command = ["repair", "--report", "-"];
    let output = logcompact().args(command).args(options).arg(dir).output().unwrap();
    let report: Value = serde_json::from_slice(&output.stdout).unwrap();
    report["partitions"][0].clone()
}

#[test]
fn a_log_that_is_cut_below_its_snapshots_gets_one_at_its_new_end() {
    let temp = tempfile::tempdir().unwrap();
    let whole = log_with_an_open_transaction(&temp.path().join("whole"));
    for offset in [3, 5, 6] {
        let state = render_snapshot(&replayed(&whole, offset)); // never mind what it says
        fs::write(whole.join(format!("{offset:020}.snapshot")), state).unwrap();
    }
    let mut bytes = fs::read(whole.join(LOG)).unwrap();
    let first_batch = 12 + i32::from_be_bytes(bytes[8..12].try_into().unwrap()) as usize;
    bytes[first_batch + 30] ^= 1;
    fs::write(whole.join(LOG), bytes).unwrap();
    let before = tree(&whole);
    let tried = repair(&whole, &["--truncate", "--in-place", "--dry-run"]);
    assert!(tree(&whole) == before, "a dry run writes nothing");
    let out = temp.path().join("out");
    let out = ["--truncate", "--out", out.to_str().unwrap()];
    let reports = [repair(&whole, &out), repair(&whole, &["--truncate", "--in-place"])];
    for report in reports.iter().chain([&tried]) {
        let snapshot = "00000000000000000001.snapshot";
        assert_eq!(report["log_end_offset"], 1);
        assert!(report["rebuilt"].as_array().unwrap().contains(&snapshot.into()), "{report}");
    }
    for repaired in [whole, temp.path().join("out/t-0")] {
        assert_eq!(PartitionDir::open(&repaired).unwrap().snapshots, [Offset(1)]);
        let open = Some(Offset(0));
        let last_offset = Offset(0);
        let known = ProducerEntry {
            last_sequence: 0,
            last_offset,
            open_txn_first_offset: open,
            ..entry(8)
        };
        assert_eq!(snapshot_at(&repaired, 1), [known]);
    }
}

#[test]
fn an_unreadable_snapshot_is_computed_anew_and_one_that_can_be_read_stays() {
    let temp = tempfile::tempdir().unwrap();
    let dir = log_with_an_open_transaction(temp.path());
    let all = replayed(&dir, 6);
    assert_eq!(
        all.iter().map(|entry| entry.open_txn_first_offset).collect::<Vec<_>>(),
        [Some(Offset(3)), Some(Offset(4))]
    );
    repair(&dir, &["--in-place"]);
    assert!(PartitionDir::open(&dir).unwrap().snapshots.is_empty(), "nothing was wrong");
    for broken in [3, 6] {
        fs::write(dir.join(format!("{broken:020}.snapshot")), "not one").unwrap();
        repair(&dir, &["--in-place"]);
        assert_eq!(PartitionDir::open(&dir).unwrap().snapshots, [Offset(6)]);
        assert_eq!(snapshot_at(&dir, 6), all);
        fs::remove_file(dir.join("00000000000000000006.snapshot")).unwrap();
    }
    // What a snapshot below it says is believed, also of producers that the log says nothing of.
    let gone = ProducerEntry { last_sequence: 77, last_offset: Offset(2), ..entry(5) };
    fs::write(dir.join("00000000000000000003.snapshot"), render_snapshot(&[gone])).unwrap();
    fs::write(dir.join("00000000000000000006.snapshot"), "not one").unwrap();
    let report = repair(&dir, &["--in-place"]);
    assert_eq!(report["rebuilt"], serde_json::json!(["00000000000000000006.snapshot"]));
    let found: Vec<i64> = snapshot_at(&dir, 6).iter().map(|entry| entry.producer_id).collect();
    assert_eq!(found, [5, 7, 8]);
    let before = fs::read(dir.join("00000000000000000006.snapshot")).unwrap();
    let report = repair(&dir, &["--in-place"]);
    assert_eq!(report["outcome"], "unchanged");
    assert!(fs::read(dir.join("00000000000000000006.snapshot")).unwrap() == before);
}

#[test]
fn a_transaction_whose_marker_was_lost_but_could_be_read_is_not_left_open() {
    let temp = tempfile::tempdir().unwrap();
    let mut log = Log::create(temp.path(), "t-0").with_txn_index();
    log.transactional(7, &[put("a", "1")]).marker(7, true);
    let dir = log.transactional(8, &[put("b", "1")]).flush();
    let mut bytes = fs::read(dir.join(LOG)).unwrap();
    let first_batch = 12 + i32::from_be_bytes(bytes[8..12].try_into().unwrap()) as usize;
    bytes[first_batch + 17] ^= 1; // of the marker's checksum
    fs::write(dir.join(LOG), bytes).unwrap();
    repair(&dir, &["--skip", "--in-place"]);
    let found = snapshot_at(&dir, 3);
    let open = |entry: &ProducerEntry| (entry.producer_id, entry.open_txn_first_offset);
    assert_eq!(found.iter().map(open).collect::<Vec<_>>(), [(7, None), (8, Some(Offset(2)))]);
}

#[test]
fn where_a_new_active_segment_begins_there_is_a_snapshot() {
    let temp = tempfile::tempdir().unwrap();
    let whole = temp.path().join("whole/t-0");
    let mut log = Log::create(&temp.path().join("whole"), "t-0").with_txn_index();
    for round in 0..4 {
        log.transactional(7, &[put("a", "1"), put("b", "2")]).marker(7, round % 2 == 0);
        log.transactional(8, &[put("c", "3")]).marker(8, true).batch(&[put("a", "3")]).roll();
    }
    log.batch(&[put("d", "1")]).flush();
    let end = 25;
    let all = replayed(&whole, end);
    assert_eq!(all.len(), 2);
    // Joined segments take their snapshots along; the newest is one of them.
    for snapshots in [vec![], vec![6], vec![6, 12, 18], vec![25]] {
        let dir = temp.path().join("work/t-0");
        copy_folder(&whole, &dir);
        let silent = ProducerEntry { last_sequence: 3, last_offset: Offset(1), ..entry(5) };
        for offset in &snapshots {
            let known: Vec<ProducerEntry> = [silent].into_iter().chain(all.clone()).collect();
            fs::write(dir.join(format!("{offset:020}.snapshot")), render_snapshot(&known)).unwrap();
        }
        let compact = ["compact", "--include-active", "--now", "1700000001000"];
        let out = temp.path().join("out");
        logcompact().args(compact).arg(&dir).arg("--out").arg(&out).assert().success();
        let before = tree(&dir);
        logcompact().args(compact).arg(&dir).args(["--in-place", "--dry-run"]).assert().success();
        assert!(tree(&dir) == before, "a dry run writes nothing");
        logcompact().args(compact).arg(&dir).arg("--in-place").assert().success();
        for compacted in [&dir, &out.join("t-0")] {
            let listed = PartitionDir::open(compacted).unwrap();
            assert_eq!(listed.segments.last().unwrap().base, Offset(end));
            assert_eq!(listed.snapshots, [Offset(end)], "{snapshots:?}");
            let found = snapshot_at(compacted, end);
            assert_eq!(found[found.len() - 2..], all, "{snapshots:?}");
            assert_eq!(found.len() == 3, !snapshots.is_empty());
        }
        fs::remove_dir_all(&dir).unwrap();
        fs::remove_dir_all(&out).unwrap();
    }
}

#[test]
fn the_newest_snapshot_does_not_go_with_its_segment_unless_a_newer_one_is_written() {
    let temp = tempfile::tempdir().unwrap();
    let mut log = Log::create(temp.path(), "t-0");
    for _ in 0..3 {
        log.transactional(7, &[put("a", "1")]).marker(7, true).roll();
    }
    let dir = log.batch(&[put("d", "1")]).flush();
    fs::write(dir.join("00000000000000000002.snapshot"), render_snapshot(&[entry(5)])).unwrap();
    logcompact().args(["compact", "--in-place"]).arg(&dir).assert().success();
    let listed = PartitionDir::open(&dir).unwrap();
    assert!(!listed.segments.iter().any(|segment| segment.base == Offset(2)), "it was joined");
    assert_eq!(listed.snapshots, [Offset(7)]);
    let found: Vec<i64> = snapshot_at(&dir, 7).iter().map(|entry| entry.producer_id).collect();
    assert_eq!(found, [5, 7]);
}

/// Real Kafka 4.1.1 keeps the emptied batch here, and removes the snapshot.
#[test]
fn a_snapshot_behind_the_end_of_the_log_is_not_believed() {
    let temp = tempfile::tempdir().unwrap();
    let kind = BatchKind { attributes: 0, producer_id: 5, base_sequence: 0 };
    let mut log = Log::create(temp.path(), "t-0");
    log.batch_of(kind, &[put("k1", "a")]).batch(&[put("k1", "b")]).roll();
    let dir = log.batch(&[put("k2", "c")]).flush();
    let behind = ProducerEntry { last_sequence: 50, last_offset: Offset(99), ..entry(5) };
    let at_border = ProducerEntry { last_sequence: 0, last_offset: Offset(0), ..entry(5) };
    let snapshot = |at: i64| dir.join(format!("{at:020}.snapshot"));
    for at_border in [None, Some(at_border)] {
        fs::write(snapshot(100), render_snapshot(&[behind])).unwrap();
        if let Some(known) = at_border {
            fs::write(snapshot(2), render_snapshot(&[known])).unwrap();
        }
        let out = temp.path().join("out");
        let now = ["compact", "--now", "1700000001000"];
        let ran = logcompact().args(now).arg(&dir).arg("--out").arg(&out).assert().success();
        let told = String::from_utf8(ran.get_output().stderr.clone()).unwrap();
        assert!(told.contains("at offset 100 lies behind the log's end, 3"), "{told}");
        let listed = PartitionDir::open(&out.join("t-0")).unwrap();
        assert!(!listed.snapshots.contains(&Offset(100)), "{:?}", listed.snapshots);
        let log = listed.segments[0].log().unwrap();
        let kept: Vec<(i64, i32)> = log
            .batches()
            .map(|batch| batch.unwrap().1.header)
            .map(|header| (header.producer_id, header.record_count))
            .collect();
        assert_eq!(kept, [(5, 0), (-1, 1)], "its last batch stays for the producer, empty");
        fs::remove_dir_all(&out).unwrap();
    }
}
