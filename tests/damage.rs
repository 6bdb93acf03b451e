//! Bytes that are wrong, folders that are wrong, disks that are full: what `compact` does then.

mod support;

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use predicates::prelude::*;
use serde_json::Value;
use support::log::{BatchKind, Log, PLAIN, batch_bytes, put};
use support::{copy_folder, logcompact, testdata};

const LOG: &str = "00000000000000000000.log";

/// A log directory with a partition that a test damages, `bad-0`, and one that it does not.
fn two_partitions(root: &Path) -> (PathBuf, PathBuf) {
    let logs = root.join("logs");
    for name in ["bad-0", "good-0"] {
        let mut log = Log::create(&logs, name);
        log.batch(&[put("A", "one"), put("B", "two"), put("C", "three")]);
        log.batch(&[put("A", "four")]).roll().batch(&[put("Z", "active")]).flush();
    }
    (logs.clone(), logs.join("bad-0"))
}

/// Compacts `logs`, of which `bad-0` must be left alone, and gives its damage entries.
fn left_alone(logs: &Path, root: &Path) -> Vec<Value> {
    let out = root.join("out");
    logcompact()
        .args(["compact", "--out"])
        .args([&out, logs])
        .assert()
        .code(1)
        .stderr(predicate::str::contains("bad-0: left alone"));
    assert!(!out.join("bad-0").exists(), "a damaged partition has no output");
    assert!(out.join("good-0").join(LOG).exists(), "the others go on");
    assert!(!out.join(".logcompact-staging").exists());
    let report = fs::read(out.join("logcompact-report.json")).unwrap();
    let report: Value = serde_json::from_slice(&report).unwrap();
    assert_eq!(report["outcome"], "problems");
    let bad = &report["partitions"][0];
    assert_eq!(bad["outcome"], "failed");
    assert_eq!(bad["destination"], Value::Null);
    bad["damage"].as_array().unwrap().clone()
}

fn change(path: &Path, change: impl FnOnce(&mut Vec<u8>)) {
    let mut bytes = fs::read(path).unwrap();
    change(&mut bytes);
    fs::write(path, bytes).unwrap();
}

#[test]
fn a_batch_with_a_flipped_value_byte_is_never_rewritten_with_a_right_crc() {
    // Kafka 4.1.1's cleaner rebuilds such a batch, the flipped byte in it, with a CRC that holds.
    let temp = tempfile::tempdir().unwrap();
    let (logs, bad) = two_partitions(temp.path());
    change(&bad.join(LOG), |bytes| {
        let value = bytes.windows(3).position(|w| w == b"two").unwrap();
        bytes[value] ^= 1;
    });
    let damage = left_alone(&logs, temp.path());
    assert_eq!(damage.len(), 1);
    assert_eq!(damage[0]["segment"], LOG);
    assert_eq!(damage[0]["position"], 0);
    assert!(damage[0]["reason"].as_str().unwrap().contains("CRC"));
}

#[test]
fn a_byte_flipped_anywhere_that_a_crc_covers_leaves_the_partition_alone() {
    let temp = tempfile::tempdir().unwrap();
    let (_, bad) = two_partitions(temp.path());
    let whole = fs::read(bad.join(LOG)).unwrap();
    let second = 12 + i32::from_be_bytes(whole[8..12].try_into().unwrap()) as usize;
    for at in 0..whole.len() {
        let in_batch = if at < second { at } else { at - second };
        if (12..16).contains(&in_batch) {
            continue; // the leader epoch: no checksum covers it
        }
        let root = temp.path().join(format!("{at}"));
        let source = root.join("bad-0");
        copy_folder(&bad, &source);
        change(&source.join(LOG), |bytes| bytes[at] ^= 0x10);
        // The base offset has no checksum either; a lower or higher one may still be plausible.
        let code = if in_batch < 8 { 0..=1 } else { 1..=1 };
        let out = root.join("out");
        let status = logcompact()
            .args(["compact", "-q", "--out"])
            .args([&out, &source])
            .assert()
            .get_output()
            .status
            .code()
            .unwrap();
        assert!(code.contains(&status), "byte {at}: exit {status}");
        if status == 1 {
            assert!(!out.join("bad-0").exists(), "byte {at}");
        }
    }
}

#[test]
fn damage_in_the_active_segment_leaves_the_partition_alone_too() {
    let temp = tempfile::tempdir().unwrap();
    let (logs, bad) = two_partitions(temp.path());
    change(&bad.join("00000000000000000004.log"), |bytes| *bytes.last_mut().unwrap() ^= 1);
    assert_eq!(left_alone(&logs, temp.path()).len(), 1);
}

#[test]
fn a_segment_cut_short_is_damage_unless_it_is_the_active_one() {
    let temp = tempfile::tempdir().unwrap();
    let (logs, bad) = two_partitions(temp.path());
    change(&bad.join(LOG), |bytes| bytes.truncate(bytes.len() - 1));
    let damage = left_alone(&logs, temp.path());
    assert!(damage[0]["reason"].as_str().unwrap().contains("the file ends inside a batch"));
}

#[test]
fn an_unfinished_write_at_the_end_of_the_active_segment_is_left_out_with_a_warning() {
    let temp = tempfile::tempdir().unwrap();
    for (name, tail) in
        [("torn", batch_bytes(5, 0, PLAIN, &[put("Y", "torn")])), ("zeros", vec![0; 500])]
    {
        let root = temp.path().join(name);
        let (logs, bad) = two_partitions(&root);
        let active = bad.join("00000000000000000004.log");
        let whole = fs::read(&active).unwrap();
        change(&active, |bytes| bytes.extend_from_slice(&tail[..tail.len() - 1]));
        let out = root.join("out");
        logcompact()
            .args(["compact", "--out"])
            .args([&out, &logs])
            .assert()
            .success()
            .stderr(predicate::str::contains("unfinished write"));
        assert!(fs::read(out.join("bad-0/00000000000000000004.log")).unwrap() == whole);
    }
}

#[test]
fn a_zeroed_block_in_the_middle_is_damage_and_every_stretch_is_listed() {
    let temp = tempfile::tempdir().unwrap();
    let (logs, bad) = two_partitions(temp.path());
    change(&bad.join(LOG), |bytes| bytes[..40].fill(0));
    change(&bad.join("00000000000000000004.log"), |bytes| bytes[30] ^= 1);
    let damage = left_alone(&logs, temp.path());
    assert!(damage[0]["reason"].as_str().unwrap().contains("length field"), "{damage:?}");
}

#[test]
fn whatever_was_met_first_all_damage_is_listed_in_log_order_for_any_number_of_threads() {
    let temp = tempfile::tempdir().unwrap();
    let (logs, bad) = two_partitions(temp.path());
    let mut log = Log::create(&logs, "bad-0");
    for n in 0..5 {
        log.batch(&[put("A", "1")]).batch(&[put("B", "2")]);
        if n < 4 {
            log.roll();
        }
    }
    log.flush();
    let name = |base: u64| format!("{base:020}.log");
    let flip = |base: u64, at: usize| change(&bad.join(name(base)), |bytes| bytes[at] ^= 1);
    [0, 2, 6, 8].into_iter().for_each(|base| flip(base, 67));
    let length = fs::read(bad.join(name(8))).unwrap().len();
    for (number, stretches) in [4, 5, 4].into_iter().enumerate() {
        match number {
            0 => {}
            // Headers that cannot be believed are met before any body is read.
            1 => change(&bad.join(name(8)), |bytes| bytes.extend_from_slice(&[b'j'; 40])),
            // With what lies around it, it is one stretch.
            _ => flip(8, length - 1),
        }
        let verified = logcompact().args(["verify", "--format", "json"]).arg(&bad).output();
        let verified = String::from_utf8(verified.unwrap().stdout).unwrap();
        let findings = verified.lines().map(|line| serde_json::from_str::<Value>(line).unwrap());
        let place = |line: Value| {
            let path = PathBuf::from(line["path"].as_str()?);
            let name = path.file_name()?.to_str()?.to_owned();
            Some((name, line["position"].as_u64()?))
        };
        let findings: Vec<(String, u64)> = findings.filter_map(place).collect();
        for threads in ["1", "2", "5"] {
            let output = logcompact()
                .args(["compact", "--dry-run", "--report", "-", "--threads", threads])
                .arg(&bad)
                .output()
                .unwrap();
            let report: Value = serde_json::from_slice(&output.stdout).unwrap();
            let damage = report["partitions"][0]["damage"].as_array().unwrap();
            let place = |it: &Value| {
                (it["segment"].as_str().unwrap().to_owned(), it["position"].as_u64().unwrap())
            };
            let places: Vec<(String, u64)> = damage.iter().map(place).collect();
            assert_eq!(places, findings, "{threads} threads");
            assert_eq!(places.len(), stretches, "{places:?}");
            let said = String::from_utf8(output.stderr).unwrap();
            let first = format!("damaged ranges, the first at {} position 0:", name(0));
            assert!(said.contains(&first), "{said}");
        }
    }
}

#[test]
fn a_batch_whose_checksum_holds_but_whose_records_do_not_decode_is_damage() {
    let temp = tempfile::tempdir().unwrap();
    let count_at = 57;
    type Spoil = Box<dyn Fn(&mut [u8])>;
    let hostile: [(&str, Spoil); 5] = [
        (
            "count 2^31-1",
            Box::new(move |b| b[count_at..61].copy_from_slice(&i32::MAX.to_be_bytes())),
        ),
        ("count -1", Box::new(move |b| b[count_at..61].copy_from_slice(&(-1i32).to_be_bytes()))),
        ("record length without end", Box::new(|b| b[61..66].fill(0xff))),
        ("codec 7", Box::new(|b| b[22] |= 7)),
        ("garbage for zstd", Box::new(|b| b[22] |= 4)),
    ];
    for (name, spoil) in &hostile {
        let root = temp.path().join(name);
        let (logs, bad) = two_partitions(&root);
        let mut batch = batch_bytes(4, 0, PLAIN, &[put("H", "hostile"), put("I", "hostile")]);
        spoil(&mut batch);
        let crc = crc_fast::crc32_iscsi(&batch[21..]);
        batch[17..21].copy_from_slice(&crc.to_be_bytes());
        change(&bad.join("00000000000000000004.log"), |bytes| *bytes = batch.clone());
        assert_eq!(left_alone(&logs, &root).len(), 1, "{name}");
    }
}

#[test]
fn a_body_that_would_expand_beyond_all_measure_is_refused_in_bounded_memory() {
    let temp = tempfile::tempdir().unwrap();
    let (logs, bad) = two_partitions(temp.path());
    let mut bomb = Vec::new();
    let zeros = vec![0u8; 1 << 20];
    let mut encoder = flate2::write::GzEncoder::new(&mut bomb, flate2::Compression::best());
    for _ in 0..400 {
        std::io::Write::write_all(&mut encoder, &zeros).unwrap();
    }
    encoder.finish().unwrap();
    let mut batch = batch_bytes(4, 0, BatchKind { attributes: 1, ..PLAIN }, &[put("H", "")]);
    batch.truncate(61);
    batch.extend_from_slice(&bomb);
    let length = batch.len() as i32 - 12;
    batch[8..12].copy_from_slice(&length.to_be_bytes());
    let crc = crc_fast::crc32_iscsi(&batch[21..]);
    batch[17..21].copy_from_slice(&crc.to_be_bytes());
    change(&bad.join("00000000000000000004.log"), |bytes| *bytes = batch);
    let damage = left_alone(&logs, temp.path());
    let reason = damage[0]["reason"].as_str().unwrap();
    assert!(reason.contains("gzip"), "{reason}");
}

#[test]
fn a_folder_with_nothing_in_it_is_one_clear_line() {
    let temp = tempfile::tempdir().unwrap();
    let out = temp.path().join("out");
    for dir in ["empty", "t-0"] {
        let dir = temp.path().join(dir);
        fs::create_dir(&dir).unwrap();
        logcompact()
            .args(["compact", "--out"])
            .args([&out, &dir])
            .assert()
            .code(2)
            .stdout("")
            .stderr(predicate::str::contains("neither segments").and(one_line()));
    }
    logcompact()
        .args(["compact", "--out"])
        .args([&out, &temp.path().join("nowhere")])
        .assert()
        .code(2)
        .stderr(predicate::str::contains("cannot open").and(one_line()));
    assert!(!out.exists());
}

#[test]
fn a_partition_without_segments_does_not_stop_the_others() {
    let temp = tempfile::tempdir().unwrap();
    let (logs, bad) = two_partitions(temp.path());
    fs::remove_dir_all(&bad).unwrap();
    fs::create_dir(&bad).unwrap();
    fs::write(bad.join("partition.metadata"), "version: 0\n").unwrap();
    left_alone(&logs, temp.path());
}

#[test]
fn a_file_that_cannot_be_read_costs_its_partition_only() {
    let temp = tempfile::tempdir().unwrap();
    let (logs, bad) = two_partitions(temp.path());
    let log = bad.join(LOG);
    fs::remove_file(&log).unwrap();
    std::os::unix::fs::symlink(bad.join("nowhere"), &log).unwrap();
    left_alone(&logs, temp.path());
}

#[test]
fn an_unfinished_swap_is_read_as_a_broker_would_finish_it() {
    let temp = tempfile::tempdir().unwrap();
    let (_, bad) = two_partitions(temp.path());
    let mut log = Log::create(&temp.path().join("new"), "new-0");
    log.batch(&[put("A", "swapped in")]).flush();
    let new = fs::read(temp.path().join("new/new-0").join(LOG)).unwrap();
    fs::write(bad.join(format!("{LOG}.swap")), new).unwrap();
    let before = support::power::tree(&bad);
    let out = temp.path().join("out");
    logcompact()
        .args(["compact", "--out"])
        .args([&out, &bad])
        .assert()
        .success()
        .stderr(predicate::str::contains("an interrupted swap is finished"));
    let state = support::state::content_of(&out.join("bad-0")).state;
    assert_eq!(state[&b"A"[..]], (0, b"swapped in".to_vec()));
    assert!(!state.contains_key(&b"B"[..]), "the old segment lies within the new one");
    assert!(support::power::tree(&bad) == before, "the source is not touched");
}

#[test]
fn an_output_folder_that_is_not_empty_is_refused_and_left_as_it_is() {
    let temp = tempfile::tempdir().unwrap();
    let (logs, _) = two_partitions(temp.path());
    let out = temp.path().join("out");
    fs::create_dir(&out).unwrap();
    fs::write(out.join("precious"), "yes").unwrap();
    logcompact()
        .args(["compact", "--out"])
        .args([&out, &logs])
        .assert()
        .code(2)
        .stderr(predicate::str::contains("not empty").and(one_line()));
    assert_eq!(fs::read_dir(&out).unwrap().count(), 1);
}

#[test]
fn a_disk_that_is_full_ends_the_run_and_leaves_nothing_half_written() {
    let temp = tempfile::tempdir().unwrap();
    let out = temp.path().join("out");
    // A limit on the size of a file fails a write just as a full disk does. Blocks of 512 bytes.
    let output = Command::new("sh")
        .args(["-c", "trap '' XFSZ; ulimit -f 4; exec \"$0\" compact -q --out \"$1\" \"$2\""])
        .arg(env!("CARGO_BIN_EXE_logcompact"))
        .arg(&out)
        .arg(testdata("storage-4.1.1/v2-plain-0"))
        .output()
        .unwrap();
    assert_eq!(output.status.code(), Some(2));
    let stderr = String::from_utf8(output.stderr).unwrap();
    assert!(stderr.contains("cannot write"), "{stderr}");
    assert_eq!(stderr.lines().count(), 1, "{stderr}");
    assert!(!out.exists());
}

fn one_line() -> impl Predicate<str> {
    predicate::function(|text: &str| text.lines().count() == 1)
}
