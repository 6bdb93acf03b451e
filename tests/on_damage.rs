//! `--on-damage skip|keep`: what is sound is compacted, what is damaged is dropped or carried over
//! byte for byte, and the report says which bytes that were.

mod support;

use std::fs;
use std::path::{Path, PathBuf};

use predicates::str::contains;
use serde_json::Value;
use support::damaged::starts;
use support::log::{BatchKind, Log, PLAIN, batch_bytes, put};
use support::power::Die;
use support::state::content_of;
use support::{logcompact, testdata};

const LOG: &str = "00000000000000000000.log";

/// Where a batch lies, and which records are in it.
struct Laid {
    start: usize,
    end: usize,
}

/// Eight batches of three records in the first segment, each record with a key of its own and one
/// that all batches share; and an active segment.
fn source(root: &Path) -> (PathBuf, Vec<Laid>) {
    let mut bytes = Vec::new();
    let mut laid = Vec::new();
    for n in 0..8i64 {
        let (own, value) = (format!("own-{n}"), format!("value-{n}"));
        // Every other batch is compressed.
        let kind = BatchKind { attributes: if n % 2 == 0 { 0 } else { 4 }, ..PLAIN };
        let records = [put(&own, &value), put("shared", &value), put("x", "y")];
        let batch = batch_bytes(n * 3, 1_700_000_000_000 + n, kind, &records);
        laid.push(Laid { start: bytes.len(), end: bytes.len() + batch.len() });
        bytes.extend_from_slice(&batch);
    }
    let mut log = Log::create(root, "t-0");
    log.raw(&bytes).skip_to(24);
    log.roll().batch(&[put("active", "1")]).flush();
    (root.join("t-0"), laid)
}

/// Compacts; the exit status must be 1, and the report is given.
fn compact(source: &Path, out: &Path, how: &str) -> Value {
    logcompact()
        .args(["compact", "--now", "1795300000000", "--on-damage", how, "--out"])
        .args([out, source])
        .assert()
        .code(1)
        .stderr(contains("damaged range"));
    let report = fs::read(out.join("logcompact-report.json")).unwrap();
    let report: Value = serde_json::from_slice(&report).unwrap();
    assert_eq!(report["outcome"], "problems");
    let partition = report["partitions"][0].clone();
    assert_eq!(partition["outcome"], "compacted");
    let removed = partition["removed"].as_object().unwrap().values();
    let removed: u64 = removed.map(|count| count.as_u64().unwrap()).sum();
    let kept = partition["records_kept"].as_u64().unwrap();
    assert_eq!(partition["records_read"].as_u64().unwrap(), kept + removed);
    partition
}

/// The damage entries of the report as byte ranges, and what was done.
fn damage(partition: &Value) -> Vec<(usize, usize, String)> {
    let entries = partition["damage"].as_array().unwrap().iter();
    let number = |value: &Value| value.as_u64().unwrap() as usize;
    entries
        .map(|entry| {
            let start = number(&entry["position"]);
            let action = entry["action"].as_str().unwrap().to_owned();
            (start, start + number(&entry["size"]), action)
        })
        .collect()
}

fn set(bytes: &mut [u8], at: usize, value: i32) {
    bytes[at..at + 4].copy_from_slice(&value.to_be_bytes());
}

/// Makes the checksum of the batch at `start` right again.
fn bless(bytes: &mut [u8], laid: &Laid) {
    let crc = crc_fast::crc32_iscsi(&bytes[laid.start + 21..laid.end]);
    bytes[laid.start + 17..laid.start + 21].copy_from_slice(&crc.to_be_bytes());
}

/// A kind of damage: its name, what it does to the log, and which of the eight batches it costs.
type Kind = (&'static str, fn(&mut Vec<u8>, &[Laid]), &'static [usize]);

const KINDS: [Kind; 12] = [
    ("a wrong checksum", |bytes, laid| bytes[laid[2].start + 70] ^= 1, &[2]),
    ("a length that is too large", |bytes, laid| set(bytes, laid[2].start + 8, 1 << 20), &[2]),
    ("a length that is too small", |bytes, laid| set(bytes, laid[2].start + 8, 60), &[2]),
    ("a length below zero", |bytes, laid| set(bytes, laid[2].start + 8, -1), &[2]),
    ("an unknown magic", |bytes, laid| bytes[laid[2].start + 16] = 9, &[2]),
    (
        "a body that does not decompress",
        |bytes, laid| {
            bytes[laid[3].start + 61] ^= 0xff;
            bless(bytes, &laid[3]);
        },
        &[3],
    ),
    (
        "a record that overruns its batch",
        |bytes, laid| {
            bytes[laid[2].start + 61] = 0x7e;
            bless(bytes, &laid[2]);
        },
        &[2],
    ),
    ("a zeroed block", |bytes, laid| bytes[laid[2].start + 9..laid[4].end - 9].fill(0), &[2, 3, 4]),
    ("a hole", |bytes, laid| drop(bytes.drain(laid[2].start + 30..laid[4].start + 7)), &[2, 3, 4]),
    ("a first batch that is gone", |bytes, laid| bytes[..laid[0].end].fill(0xaa), &[0]),
    ("a last batch cut short", |bytes, laid| bytes.truncate(laid[7].end - 5), &[7]),
    // No checksum covers the base offset.
    ("an offset far ahead", |bytes, laid| bytes[laid[2].start + 5] = 1, &[2]),
];

#[test]
fn what_is_damaged_is_dropped_and_what_is_sound_comes_out_as_if_it_had_been_alone() {
    for (name, damage_it, lost) in KINDS {
        let temp = tempfile::tempdir().unwrap();
        let (dir, laid) = source(temp.path());
        let mut bytes = fs::read(dir.join(LOG)).unwrap();
        let whole = bytes.clone();
        damage_it(&mut bytes, &laid);
        fs::write(dir.join(LOG), &bytes).unwrap();
        let out = temp.path().join("out");
        let report = compact(&dir, &out, "skip");
        let ranges = damage(&report);
        assert!(ranges.iter().all(|(.., action)| action == "dropped"), "{name}: {ranges:?}");
        let damaged: usize = ranges.iter().map(|(start, end, _)| end - start).sum();
        let sound = laid.iter().enumerate().filter(|(n, _)| !lost.contains(n));
        let sound: Vec<&[u8]> = sound.map(|(_, laid)| &whole[laid.start..laid.end]).collect();
        assert_eq!(damaged, bytes.len() - sound.concat().len(), "{name}: to the byte");

        let alone = temp.path().join("alone");
        let mut log = Log::create(&alone, "t-0");
        log.raw(&sound.concat()).skip_to(24);
        log.roll().batch(&[put("active", "1")]).flush();
        let wanted = temp.path().join("wanted");
        logcompact()
            .args(["compact", "-q", "--now", "1795300000000", "--out"])
            .args([&wanted, &alone])
            .assert()
            .success();
        let log_of = |out: &Path| fs::read(out.join("t-0").join(LOG)).unwrap();
        assert!(log_of(&out) == log_of(&wanted), "{name}");
        logcompact().arg("verify").arg(&out).assert().success();
    }
}

#[test]
fn what_is_damaged_is_kept_byte_for_byte_between_what_survives() {
    for (name, damage_it, lost) in KINDS {
        let temp = tempfile::tempdir().unwrap();
        let (dir, laid) = source(temp.path());
        let mut bytes = fs::read(dir.join(LOG)).unwrap();
        damage_it(&mut bytes, &laid);
        fs::write(dir.join(LOG), &bytes).unwrap();
        let (skipped, kept) = (temp.path().join("skipped"), temp.path().join("kept"));
        compact(&dir, &skipped, "skip");
        let report = compact(&dir, &kept, "keep");
        let ranges = damage(&report);
        assert!(ranges.iter().all(|(.., action)| action == "kept byte for byte"), "{name}");
        // Without the damage it is what skipping leaves.
        let mut rest = fs::read(kept.join("t-0").join(LOG)).unwrap();
        for (start, end, _) in &ranges {
            let foreign = &bytes[*start..*end];
            let at = rest.windows(foreign.len()).position(|window| window == foreign);
            let at = at.unwrap_or_else(|| panic!("{name}: {start}..{end} is not in the output"));
            rest.drain(at..at + foreign.len());
        }
        assert!(rest == fs::read(skipped.join("t-0").join(LOG)).unwrap(), "{name}");
        assert_eq!(report["removed"]["damaged"], 0, "{name}");
        assert!(!lost.is_empty());
    }
}

#[test]
fn damage_behind_the_last_batch_and_a_segment_of_nothing_else_are_kept_too() {
    let temp = tempfile::tempdir().unwrap();
    let mut log = Log::create(temp.path(), "t-0");
    log.batch(&[put("a", "1")]).raw(&[0xee; 100]).skip_to(5);
    log.roll().raw(&[0xdd; 200]).skip_to(9);
    log.roll().batch(&[put("a", "2")]).roll().batch(&[put("active", "1")]).flush();
    let out = temp.path().join("out");
    let report = compact(&temp.path().join("t-0"), &out, "keep");
    assert_eq!(damage(&report).len(), 2);
    let bytes = fs::read(out.join("t-0").join(LOG)).unwrap();
    assert!(bytes.starts_with(&[&[0xee; 100][..], &[0xdd; 200]].concat()));
    assert_eq!(report["bytes_after"].as_u64().unwrap(), bytes.len() as u64);
}

#[test]
fn damage_in_the_active_segment_is_dropped_or_kept_with_indexes_that_fit() {
    for (how, whole) in [("skip", false), ("keep", true)] {
        let temp = tempfile::tempdir().unwrap();
        let mut log = Log::create(temp.path(), "t-0");
        log.batch(&[put("a", "1")]).roll();
        log.batch(&[put("a", "2")]).raw(&[0xee; 100]).batch(&[put("a", "3")]).flush();
        let dir = temp.path().join("t-0");
        let active = "00000000000000000001.log";
        let out = temp.path().join("out");
        let report = compact(&dir, &out, how);
        assert_eq!(damage(&report).len(), 1);
        let (before, after) = (fs::read(dir.join(active)).unwrap(), out.join("t-0").join(active));
        let after = fs::read(after).unwrap();
        assert_eq!(after == before, whole, "{how}");
        assert_eq!(after.len(), before.len() - if whole { 0 } else { 100 }, "{how}");
    }
}

#[test]
fn an_unfinished_write_at_the_end_is_no_damage_and_stays_out() {
    let temp = tempfile::tempdir().unwrap();
    let mut log = Log::create(temp.path(), "t-0");
    log.batch(&[put("a", "1")]).roll().batch(&[put("a", "2")]).raw(&[0; 30]).flush();
    let out = temp.path().join("out");
    logcompact()
        .args(["compact", "--on-damage", "keep", "--out"])
        .args([&out, &temp.path().join("t-0")])
        .assert()
        .success()
        .stderr(contains("unfinished write"));
}

#[test]
fn a_batch_in_a_value_is_not_taken_for_one_of_the_log_where_a_length_is_wrong() {
    let temp = tempfile::tempdir().unwrap();
    let hidden = batch_bytes(1, 1_700_000_000_000, PLAIN, &[put("victim", "injected")]);
    let hidden: &[u8] = &[&hidden[..], &hidden].concat();
    let mut log = Log::create(temp.path(), "t-0");
    log.batch(&[put("victim", "good")]);
    log.batch(&[(Some(&b"mirror"[..]), Some(hidden))]);
    log.batch(&[put("other", "1")]).roll().batch(&[put("active", "1")]).flush();
    let dir = temp.path().join("t-0");
    let whole = fs::read(dir.join(LOG)).unwrap();
    let second = 12 + i32::from_be_bytes(whole[8..12].try_into().unwrap()) as usize;
    for bit in 0..8 {
        let mut bytes = whole.clone();
        bytes[second + 11] ^= 1 << bit;
        fs::write(dir.join(LOG), &bytes).unwrap();
        let out = temp.path().join(format!("{bit}"));
        compact(&dir, &out, "skip");
        let state = content_of(&out.join("t-0")).state;
        assert_eq!(state[&b"victim"[..]], (0, b"good".to_vec()), "bit {bit}");
        assert!(state.contains_key(&b"other"[..]), "bit {bit}");
    }
}

#[test]
fn offsets_of_a_damaged_last_batch_are_not_given_again() {
    let temp = tempfile::tempdir().unwrap();
    let mut log = Log::create(temp.path(), "t-0");
    log.batch(&[put("a", "1")]).roll();
    log.batch(&[put("a", "2")]).batch(&[put("a", "3"), put("b", "3")]).flush();
    let dir = temp.path().join("t-0");
    let active = dir.join("00000000000000000001.log");
    let mut bytes = fs::read(&active).unwrap();
    *bytes.last_mut().unwrap() ^= 1;
    fs::write(&active, bytes).unwrap();
    for how in ["skip", "keep"] {
        let out = temp.path().join(how);
        logcompact()
            .args(["compact", "--on-damage", how, "--include-active", "--out"])
            .args([&out, &dir])
            .assert()
            .code(1);
        assert!(out.join("t-0/00000000000000000004.log").exists(), "{how}");
    }
    logcompact()
        .args(["compact", "--on-damage", "skip", "--out"])
        .args([&temp.path().join("out"), &dir])
        .assert()
        .code(1)
        .stderr(contains("claims offsets up to 4"));
}

/// Bytes of the logs in a partition directory.
fn log_bytes(dir: &Path) -> u64 {
    let paths = fs::read_dir(dir).unwrap().map(|entry| entry.unwrap().path());
    let logs = paths.filter(|path| path.extension().is_some_and(|kind| kind == "log"));
    logs.map(|path| path.metadata().unwrap().len()).sum()
}

#[test]
fn what_is_dropped_behind_the_range_has_counters_too_and_the_bytes_add_up() {
    let temp = tempfile::tempdir().unwrap();
    let mut log = Log::create(temp.path(), "t-0");
    log.batch(&[put("a", "1")]).batch(&[put("b", "1")]).roll();
    log.batch(&[put("a", "2"), put("b", "2")]).flush();
    let dir = temp.path().join("t-0");
    let active = dir.join("00000000000000000002.log");
    let whole = fs::read(&active).unwrap();
    let mut flipped = whole.clone();
    *flipped.last_mut().unwrap() ^= 1;
    let beside = batch_bytes(4, 1_700_000_000_000, PLAIN, &[put("c", "3")]);
    // Nothing but damage; and a sound batch behind it.
    for (bytes, sound) in [(flipped.clone(), 0), ([flipped, beside].concat(), 1)] {
        fs::write(&active, bytes).unwrap();
        for include_active in [false, true] {
            let out = temp.path().join(format!("{sound} {include_active}"));
            let mut command = logcompact();
            command.args(["compact", "--on-damage", "skip", "--out"]).args([&out, &dir]);
            let told = "2 records and ";
            let assert = match include_active {
                true => command.arg("--include-active").assert(),
                false => command.assert().stderr(contains(told)),
            };
            assert.code(1);
            let report = fs::read(out.join("logcompact-report.json")).unwrap();
            let report: Value = serde_json::from_slice(&report).unwrap();
            let partition = &report["partitions"][0];
            let count = |name: &str| partition[name].as_u64().unwrap();
            let damaged = partition["removed"]["damaged"].as_u64().unwrap();
            let lost = (damaged, count("records_dropped_outside"));
            assert_eq!(lost, if include_active { (2, 0) } else { (0, 2) }, "{partition}");
            let read = if include_active { 4 + sound } else { 2 };
            assert_eq!(count("records_read"), read, "{partition}");
            let gone = count("bytes_before") - count("bytes_after");
            let all_gone = log_bytes(&dir) - log_bytes(&out.join("t-0"));
            assert_eq!(gone + count("bytes_dropped_outside"), all_gone, "{partition}");
        }
    }
}

#[test]
fn a_zeroed_end_that_a_snapshot_says_more_of_is_no_unfinished_write() {
    let temp = tempfile::tempdir().unwrap();
    let mut log = Log::create(temp.path(), "t-0");
    log.batch(&[put("a", "1")]).roll().raw(&[0; 300]).flush();
    let dir = temp.path().join("t-0");
    fs::write(dir.join("00000000000000000009.snapshot"), [0, 1, 0x2a, 0, 0, 0, 0, 0, 0, 0])
        .unwrap();
    let out = temp.path().join("out");
    logcompact()
        .args(["compact", "--out"])
        .args([&out, &dir])
        .assert()
        .code(1)
        .stderr(contains("damaged range"));
    logcompact().args(["repair", "--dry-run"]).arg(&dir).assert().code(1);
}

#[test]
fn in_place_damage_outside_the_range_stays_where_it_is_and_is_reported() {
    let temp = tempfile::tempdir().unwrap();
    let (dir, laid) = source(temp.path());
    let mut bytes = fs::read(dir.join(LOG)).unwrap();
    bytes[laid[2].start + 70] ^= 1;
    fs::write(dir.join(LOG), &bytes).unwrap();
    let active = dir.join("00000000000000000024.log");
    let mut active_bytes = fs::read(&active).unwrap();
    active_bytes[70] ^= 1;
    fs::write(&active, &active_bytes).unwrap();
    let assert = logcompact()
        .args(["compact", "--in-place", "--on-damage", "skip", "--report", "-"])
        .arg(&dir)
        .assert()
        .code(1);
    let report: Value = serde_json::from_slice(&assert.get_output().stdout).unwrap();
    let ranges = damage(&report["partitions"][0]);
    assert_eq!(ranges.len(), 2);
    assert!(ranges[1].2.starts_with("left where it is"));
    assert!(fs::read(&active).unwrap() == active_bytes);
}

#[test]
fn random_damage_to_real_logs_costs_only_the_batches_that_it_hits() {
    for seed in 0..40 {
        println!("seed {seed}");
        let mut die = Die(seed);
        let name = ["kpy-none-0", "rdk-zstd-0", "tx-compacted-0"][die.throw(3) as usize];
        let temp = tempfile::tempdir().unwrap();
        let dir = temp.path().join(name);
        support::copy_folder(&testdata("broker-3.9.1").join(name), &dir);
        let before = content_of(&dir);
        let log = dir.join(LOG);
        let mut bytes = fs::read(&log).unwrap();
        for _ in 0..=die.throw(4) {
            let at = die.throw(bytes.len() as u64) as usize;
            match die.throw(3) {
                0 => bytes[at] ^= 1 << die.throw(8),
                1 => {
                    let end = bytes.len().min(at + die.throw(600) as usize);
                    bytes[at..end].fill(0);
                }
                _ => {
                    let end = bytes.len().min(at + die.throw(600) as usize);
                    bytes.drain(at..end);
                }
            }
        }
        fs::write(&log, &bytes).unwrap();
        for how in ["skip", "keep"] {
            let out = temp.path().join(how);
            let output = logcompact()
                .args(["compact", "-q", "--now", "1795300000000", "--on-damage", how, "--out"])
                .args([&out, &dir])
                .output()
                .unwrap();
            assert!(output.status.code().unwrap() < 2, "seed {seed}");
            if how == "keep" {
                continue;
            }
            let verified = logcompact().args(["verify", "--format", "json"]).arg(&out).output();
            let verified = String::from_utf8(verified.unwrap().stdout).unwrap();
            // What is lost is lost: an index can tell of markers that are gone.
            let is_error = |line: &&str| line.contains("\"severity\":\"error\"");
            let errors: Vec<&str> = verified
                .lines()
                .filter(is_error)
                .filter(|line| !line.contains("txnindex"))
                .collect();
            assert_eq!(errors, [""; 0], "seed {seed}");
            for (offset, record) in content_of(&out.join(name)).records {
                assert_eq!(before.records.get(&offset), Some(&record), "seed {seed}: {offset}");
            }
        }
    }
}

#[test]
fn a_length_that_ends_where_another_batch_does_costs_its_own_batch_alone() {
    for reach in [2, 5, 23] {
        let temp = tempfile::tempdir().unwrap();
        let mut log = Log::create(temp.path(), "t-0");
        for n in 0..24 {
            log.batch(&[put(&format!("k{n:02}"), &"v".repeat(54))]);
        }
        log.roll().batch(&[put("active", "1")]).flush();
        let dir = temp.path().join("t-0");
        let mut bytes = fs::read(dir.join(LOG)).unwrap();
        let size = starts(&bytes)[1];
        let length = (reach * size - 12) as i32;
        bytes[size + 8..size + 12].copy_from_slice(&length.to_be_bytes());
        fs::write(dir.join(LOG), bytes).unwrap();
        for options in [&["compact", "--on-damage", "skip"][..], &["repair", "--skip"]] {
            let out = temp.path().join(options[0]);
            logcompact().args(options).arg("--out").args([&out, &dir]).assert().code(1);
            let kept: Vec<i64> = content_of(&out.join("t-0")).records.into_keys().collect();
            let wanted: Vec<i64> = (0..25).filter(|n| *n != 1).collect();
            assert_eq!(kept, wanted, "{reach} {options:?}");
        }
    }
}
