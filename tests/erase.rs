//! Keys that are erased: no byte of them or of their values is left, the report is evidence for
//! each of their records, and nothing else is missed.

mod support;

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

use base64::Engine;
use base64::prelude::BASE64_STANDARD;
use logcompact::format::codec::{Codec, Room, Workbench};
use logcompact::format::{Batch, Decoder};
use logcompact::segment::PartitionDir;
use predicates::prelude::*;
use serde_json::Value;
use sha2::{Digest, Sha256};
use support::events::{Event, Kind, PLAIN, append};
use support::log::{Log, batch_bytes, put, tombstone};
use support::{copy_folder, lines_of, logcompact};

const NOW: &str = "1795300000000";

/// Bytes that stand nowhere else.
struct Noise(u64);

impl Noise {
    fn bytes(&mut self) -> Vec<u8> {
        let mut bytes = Vec::new();
        for _ in 0..2 {
            self.0 = self.0.wrapping_mul(6364136223846793005).wrapping_add(1442695040888963407);
            bytes.extend_from_slice(&(self.0 ^ self.0 >> 29).to_be_bytes());
        }
        bytes
    }
}

/// A log and what is to be found nowhere in its output.
struct Secrets {
    source: PathBuf,
    keys: Vec<Vec<u8>>,
    needles: Vec<Vec<u8>>,
    /// Offsets of the records of these keys.
    offsets: BTreeSet<i64>,
}

/// Records of secret keys among others, in batches of all kinds, over several segments: alone in
/// their batch and not, superseded and not, deleted, aborted, open, with headers.
fn log_with_secrets(root: &Path) -> Secrets {
    let mut noise = Noise(7);
    let keys: Vec<Vec<u8>> = (0..4).map(|_| noise.bytes()).collect();
    let mut log = Log::create(root, "t-0").with_txn_index();
    let mut secrets =
        Secrets { source: PathBuf::new(), keys, needles: Vec::new(), offsets: BTreeSet::new() };
    let mut kinds: Vec<Kind> = Vec::new();
    for codec in Codec::ALL {
        kinds.push(Kind { codec, ..PLAIN });
        kinds.push(Kind { codec, transaction: Some((7, kinds.len() as i32 * 10)), ..PLAIN });
        if codec != Codec::Zstd {
            kinds.extend([0, 1].map(|magic| Kind { magic, codec, ..PLAIN }));
        }
    }
    for round in 0..4 {
        for (number, kind) in kinds.iter().enumerate() {
            let secret = |noise: &mut Noise, secrets: &mut Secrets, at: usize| {
                let key = secrets.keys[at % secrets.keys.len()].clone();
                let (value, header) = (noise.bytes(), noise.bytes());
                secrets.needles.extend([value.clone(), header.clone()]);
                let value = Some(value).filter(|_| !at.is_multiple_of(5));
                let headers = vec![("secret".to_owned(), Some(header))];
                Event { key: Some(key), value, timestamp_ms: 1_700_000_000_000, headers }
            };
            let other = Event::put(&format!("other {number}"), "kept", 1_700_000_000_000);
            let events = match number % 3 {
                0 => vec![secret(&mut noise, &mut secrets, number + round)],
                1 => vec![other.clone(), secret(&mut noise, &mut secrets, number), other],
                _ => vec![other],
            };
            let first = log.next_offset();
            for (offset, event) in (first..).zip(&events) {
                if secrets.keys.iter().any(|key| Some(key) == event.key.as_ref()) {
                    secrets.offsets.insert(offset);
                }
            }
            append(&mut log, *kind, &events);
        }
        // One aborted, two committed, and the last stays open.
        if round < 3 {
            log.marker(7, round != 1);
        }
        log.roll();
    }
    secrets.needles.extend(secrets.keys.clone());
    secrets.source = log.flush();
    secrets
}

fn key_list(root: &Path, keys: &[Vec<u8>]) -> PathBuf {
    let path = root.join("keys.txt");
    let lines = keys.iter().map(|key| format!("base64:{}\n", BASE64_STANDARD.encode(key)));
    fs::write(&path, lines.collect::<String>()).unwrap();
    path
}

/// All files under a folder, and what the batches in them hold decompressed.
fn all_bytes(root: &Path) -> Vec<Vec<u8>> {
    let mut all = Vec::new();
    for entry in fs::read_dir(root).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            all.extend(all_bytes(&path));
            continue;
        }
        let bytes = fs::read(&path).unwrap();
        let mut rest = bytes.as_slice();
        while let Ok(batch) = Batch::parse(rest) {
            all.push(unpacked(&batch));
            rest = &rest[batch.bytes.len()..];
        }
        all.push(bytes);
    }
    all
}

fn unpacked(batch: &Batch<'_>) -> Vec<u8> {
    let (codec, magic) = (batch.header.codec(), batch.header.magic);
    // The value of a wrapper starts behind offset, size, CRC, magic, attributes, time, two lengths.
    let body = match magic {
        2 => batch.body(),
        1 => &batch.bytes[34..],
        _ => &batch.bytes[26..],
    };
    let mut room = Room::default();
    match Workbench::new().decompress_into(codec, magic, body, &mut room) {
        Ok(place) => room.get(place).to_vec(),
        Err(_) => Vec::new(), // an empty batch, or a message by itself
    }
}

/// How many of the needles are found.
fn found(root: &Path, needles: &[Vec<u8>]) -> usize {
    let all = all_bytes(root);
    let is_in = |needle: &&Vec<u8>| {
        all.iter()
            .any(|bytes| bytes.windows(needle.len()).any(|window| window == needle.as_slice()))
    };
    needles.iter().filter(is_in).count()
}

fn report_in(path: &Path) -> Value {
    serde_json::from_str(&fs::read_to_string(path).unwrap()).unwrap()
}

fn erased_offsets(partition: &Value) -> Vec<i64> {
    let erased = partition["erased"].as_array().unwrap();
    erased.iter().map(|record| record["offset"].as_i64().unwrap()).collect()
}

#[test]
fn no_byte_of_an_erased_key_or_value_is_left_anywhere_in_the_output() {
    let temp = tempfile::tempdir().unwrap();
    let secrets = log_with_secrets(&temp.path().join("source"));
    let list = key_list(temp.path(), &secrets.keys);
    // The search does find what is there; aborted tombstones and magic 0 have fewer needles.
    let there = found(&secrets.source, &secrets.needles);
    assert!(there > secrets.needles.len() / 2, "{there} of {}", secrets.needles.len());
    let ways: [&[&str]; 8] = [
        &[],
        &["--compression", "zstd:1"],
        &["--compression", "none", "--segment-bytes", "500"],
        &["--compression", "gzip:9", "--message-format", "keep"],
        &["--message-format", "keep"],
        &["--cleanup-policy", "delete", "--retention-ms", "-1"],
        &["--strategy", "first", "--null-keys", "keep", "--memory", "1MiB"],
        &["--on-damage", "skip"],
    ];
    for (number, way) in ways.into_iter().enumerate() {
        for in_place in [false, true] {
            let root = temp.path().join(format!("{number}-{in_place}"));
            let mut command = logcompact();
            command.args(["compact", "-q", "--include-active", "--now", NOW]).args(way);
            command.arg("--erase-keys").arg(&list);
            if in_place {
                copy_folder(&secrets.source, &root.join("t-0"));
                let report = root.join("report.json");
                command.args(["--in-place", "--force", "--report"]).arg(report);
                command.arg(root.join("t-0"));
            } else {
                command.arg("--out").arg(&root).arg(&secrets.source);
            }
            command.assert().success();
            assert_eq!(found(&root, &secrets.needles), 0, "{way:?}, in place: {in_place}");
            let name = if in_place { "report.json" } else { "logcompact-report.json" };
            let report = report_in(&root.join(name));
            let partition = &report["partitions"][0];
            let wanted: Vec<i64> = secrets.offsets.iter().copied().collect();
            assert_eq!(erased_offsets(partition), wanted, "{way:?}, in place: {in_place}");
            assert_eq!(partition["removed"]["erased"], wanted.len());
            assert_eq!(partition["records_not_erased"], 0);
            logcompact().args(["verify", "-q"]).arg(root.join("t-0")).assert().success();
        }
    }
}

#[test]
fn the_evidence_can_be_computed_again_from_a_dump_of_the_source() {
    let temp = tempfile::tempdir().unwrap();
    let secrets = log_with_secrets(&temp.path().join("source"));
    let list = key_list(temp.path(), &secrets.keys);
    let out = temp.path().join("out");
    // So little memory that evidence waits in a file.
    logcompact()
        .args(["compact", "-q", "--include-active", "--memory", "1KiB", "--erase-keys"])
        .args([&list, Path::new("--out"), &out, &secrets.source])
        .assert()
        .success();
    let report = report_in(&out.join("logcompact-report.json"));
    let dumped = logcompact()
        .args(["dump", "--format", "json", "--encoding", "base64"])
        .arg(&secrets.source)
        .output()
        .unwrap();
    let mut wanted = Vec::new();
    for line in String::from_utf8(dumped.stdout).unwrap().lines() {
        let record: Value = serde_json::from_str(line).unwrap();
        if secrets.offsets.contains(&record["offset"].as_i64().unwrap()) {
            let (offset, timestamp) = (&record["offset"], &record["timestamp"]);
            wanted.push(serde_json::json!({
                "offset": offset, "timestamp": timestamp, "sha256": sum_of(&record),
            }));
        }
    }
    assert_eq!(wanted.len(), secrets.offsets.len());
    assert_eq!(report["partitions"][0]["erased"], Value::Array(wanted));
    assert_eq!(report["keys_to_erase"], secrets.keys.len());
    assert_eq!(report["keys_not_found"], 0);
}

/// As docs/rewrites.md has it.
fn sum_of(record: &Value) -> String {
    let mut bytes = Vec::new();
    for name in ["offset", "timestamp"] {
        bytes.extend_from_slice(&record[name].as_i64().unwrap().to_be_bytes());
    }
    put_field(&mut bytes, &record["key"]);
    put_field(&mut bytes, &record["value"]);
    let headers = record["headers"].as_array().unwrap();
    bytes.extend_from_slice(&(headers.len() as i32).to_be_bytes());
    for header in headers {
        put_field(&mut bytes, &header["key"]);
        put_field(&mut bytes, &header["value"]);
    }
    Sha256::digest(&bytes).iter().map(|byte| format!("{byte:02x}")).collect()
}

fn put_field(to: &mut Vec<u8>, field: &Value) {
    let bytes = match field {
        Value::Null => None,
        Value::String(text) => Some(text.clone().into_bytes()),
        field => Some(BASE64_STANDARD.decode(field["base64"].as_str().unwrap()).unwrap()),
    };
    let length = bytes.as_ref().map_or(-1, |bytes| bytes.len() as i32);
    to.extend_from_slice(&length.to_be_bytes());
    to.extend(bytes.unwrap_or_default());
}

/// Four segments; the last, where something is left to write, is the active one.
fn plain_log(root: &Path) -> PathBuf {
    let mut log = Log::create(root, "t-0");
    for round in 0..3 {
        log.batch(&[put("gone", &format!("g{round}")), put("kept", &format!("k{round}"))]);
        log.batch(&[put(&format!("only {round}"), "x")]);
        log.batch(&[tombstone(if round == 2 { "gone" } else { "deleted" })]);
        log.roll();
    }
    log.batch(&[put("gone", "active"), put("kept", "active")]).flush()
}

fn record_offsets(dir: &Path) -> Vec<i64> {
    let lines = lines_of(dir);
    lines.iter().filter_map(|line| line.get("offset")?.as_i64()).collect()
}

#[test]
fn the_active_segment_is_left_alone_with_a_warning_unless_it_is_asked_for() {
    let temp = tempfile::tempdir().unwrap();
    let source = plain_log(temp.path());
    let list = temp.path().join("keys");
    fs::write(&list, "gone").unwrap();
    let out = temp.path().join("out");
    logcompact()
        .args(["compact", "--now", NOW, "--erase-keys"])
        .args([&list, Path::new("--out"), &out, &source])
        .assert()
        .success()
        .stderr(predicate::str::contains("1 record is left of keys that were to be erased"))
        .stderr(predicate::str::contains("--include-active erases"));
    let report = report_in(&out.join("logcompact-report.json"));
    assert_eq!(report["partitions"][0]["records_not_erased"], 1);
    assert_eq!(erased_offsets(&report["partitions"][0]), [0, 4, 8, 11]);
    assert_eq!(record_offsets(&out.join("t-0")), [2, 6, 7, 9, 10, 12, 13]);
    // Nothing else is known of the active segment than that: it is a copy.
    let active = "00000000000000000012.log";
    assert_eq!(
        fs::read(source.join(active)).unwrap(),
        fs::read(out.join("t-0").join(active)).unwrap()
    );
}

#[test]
fn what_compaction_leaves_out_loses_its_erased_records_and_nothing_else() {
    let temp = tempfile::tempdir().unwrap();
    let list = temp.path().join("keys");
    fs::write(&list, "gone\n").unwrap();
    let source = plain_log(temp.path());
    let reasons: [(&[&str], &str); 3] = [
        (&["--cleanup-policy", "delete", "--retention-ms", "-1"], "cleanup.policy is not compact"),
        (&["--min-cleanable-dirty-ratio", "1"], "dirty ratio 1.000 is not above 1"),
        (&["--min-compaction-lag-ms", "1000000d"], "younger than min.compaction.lag.ms"),
    ];
    for (number, (options, reason)) in reasons.into_iter().enumerate() {
        let out = temp.path().join(format!("out-{number}"));
        logcompact()
            .args(["compact", "-q", "--now", NOW, "--erase-keys"])
            .args([&list, Path::new("--out"), &out, &source])
            .args(options)
            .assert()
            .success();
        let report = report_in(&out.join("logcompact-report.json"));
        let partition = &report["partitions"][0];
        assert_eq!(partition["outcome"], "rewritten", "{reason}");
        assert!(partition["reason"].as_str().unwrap().contains(reason), "{partition}");
        assert_eq!(erased_offsets(partition), [0, 4, 8, 11]);
        let left: Vec<i64> = (0..14).filter(|offset| ![0, 4, 8, 11].contains(offset)).collect();
        assert_eq!(record_offsets(&out.join("t-0")), left, "{reason}");
        logcompact().args(["verify", "--strict", "-q"]).arg(&out).assert().success();
    }
}

#[test]
fn in_place_only_segments_outside_the_range_that_hold_an_erased_key_are_replaced() {
    use std::os::unix::fs::MetadataExt;
    let temp = tempfile::tempdir().unwrap();
    let list = temp.path().join("keys");
    fs::write(&list, "only 1").unwrap();
    let source = plain_log(temp.path());
    let inode = |base: i64| fs::metadata(source.join(format!("{base:020}.log"))).unwrap().ino();
    let before = [0, 4, 8, 12].map(inode);
    logcompact()
        .args(["compact", "-q", "--in-place", "--force", "--cleanup-policy", "delete"])
        .args(["--retention-ms", "-1", "--now", NOW, "--erase-keys"])
        .args([&list, &source])
        .assert()
        .success();
    let after = [0, 4, 8, 12].map(inode);
    let same: Vec<bool> =
        before.iter().zip(after).map(|(before, after)| *before == after).collect();
    assert_eq!(same, [true, false, true, true]);
    let left: Vec<i64> = (0..14).filter(|offset| *offset != 6).collect();
    assert_eq!(record_offsets(&source), left);
}

#[test]
fn an_open_transaction_keeps_where_it_begins_and_the_log_keeps_its_end() {
    let temp = tempfile::tempdir().unwrap();
    let list = temp.path().join("keys");
    fs::write(&list, "gone").unwrap();
    let mut log = Log::create(temp.path(), "t-0");
    log.transactional(7, &[put("gone", "1")]).batch(&[put("kept", "1")]).roll();
    log.batch(&[put("gone", "2")]).roll();
    let source = log.batch(&[put("kept", "2")]).batch(&[put("gone", "3")]).flush();
    for in_place in [false, true] {
        let work = temp.path().join(format!("work-{in_place}"));
        copy_folder(&source, &work.join("t-0"));
        let out = temp.path().join("out");
        let place = if in_place { "--in-place" } else { "--include-active" };
        let mut command = logcompact();
        command.args(["compact", "-q", "--include-active", "--now", NOW, "--erase-keys"]);
        command.arg(&list).arg(work.join("t-0"));
        if in_place {
            command.args(["--in-place", "--force"]);
        } else {
            command.arg("--out").arg(&out);
        }
        command.assert().success();
        let dir = if in_place { work.join("t-0") } else { out.join("t-0") };
        assert_eq!(record_offsets(&dir), [1, 3], "{place}");
        let batches: Vec<(i64, bool)> = lines_of(&dir)
            .iter()
            .filter_map(|line| {
                Some((line.get("base_offset")?.as_i64()?, line["transactional"].as_bool()?))
            })
            .collect();
        assert_eq!(batches, [(0, true), (1, false), (2, false), (3, false), (4, false)]);
        let partition = PartitionDir::open(&dir).unwrap();
        assert_eq!(partition.segments.last().unwrap().base.0, 5);
        logcompact().args(["verify", "-q"]).arg(&dir).assert().success();
    }
}

#[test]
fn a_list_that_cannot_be_read_ends_the_run_before_it_begins() {
    let temp = tempfile::tempdir().unwrap();
    let source = plain_log(temp.path());
    let list = temp.path().join("keys");
    let out = temp.path().join("out");
    let refused = |content: Option<&str>, options: &[&str], what: &str| {
        content.iter().for_each(|content| fs::write(&list, content).unwrap());
        logcompact()
            .args(["compact", "--erase-keys"])
            .args([&list, Path::new("--out"), &out, &source])
            .args(options)
            .assert()
            .code(2)
            .stderr(predicate::str::contains(what));
        assert!(!out.exists());
    };
    refused(None, &[], "No such file");
    refused(Some(""), &[], "there is no key in it");
    refused(Some("a\n\nbase64:??\n"), &[], "line 3");
    refused(Some("a"), &["--on-damage", "keep"], "--on-damage skip");
    let many: String = (0..30_000).map(|n| format!("key-{n}\n")).collect();
    refused(Some(&many), &["--memory", "1MiB"], "half of --memory is 524288");
    refused(Some(&"a\n".repeat(1 << 20)), &["--memory", "1MiB"], "half of --memory is 524288");
    fs::remove_file(&list).unwrap();
    fs::create_dir(&list).unwrap();
    refused(None, &[], "--erase-keys");
}

#[test]
fn keys_that_no_record_has_are_told_by_their_line_and_not_shown() {
    let temp = tempfile::tempdir().unwrap();
    let source = plain_log(temp.path());
    let list = temp.path().join("keys");
    fs::write(&list, "gone\nmistyped\n").unwrap();
    let out = temp.path().join("out");
    logcompact()
        .args(["compact", "--now", NOW, "--erase-keys"])
        .args([&list, Path::new("--out"), &out, &source])
        .assert()
        .success()
        .stderr(predicate::str::contains("no record had 1 of the 2 keys"))
        .stderr(predicate::str::contains("line 2"))
        .stderr(predicate::str::contains("mistyped").not());
    let report = fs::read_to_string(out.join("logcompact-report.json")).unwrap();
    assert!(!report.contains("mistyped") && !report.contains("gone"), "{report}");
    assert!(report.contains("\"keys_not_found\": 1"), "{report}");
}

#[test]
fn what_lies_in_the_output_and_was_not_searched_for_keys_is_named() {
    let temp = tempfile::tempdir().unwrap();
    let logs = temp.path().join("logs");
    for name in ["t-0", "t-1", "t-2"] {
        copy_folder(&plain_log(&temp.path().join(name)), &logs.join(name));
    }
    let (list, out) = (temp.path().join("keys"), temp.path().join("out"));
    fs::write(&list, "gone").unwrap();
    let compact = || {
        let mut command = logcompact();
        command.args(["compact", "--include-active", "--now", NOW, "--out"]).arg(&out);
        command
    };
    compact().arg(&logs).assert().success().stderr(predicate::str::contains("searched").not());
    let erase = |source: &Path| {
        let ran = compact().arg("--erase-keys").arg(&list).arg(source).assert();
        let told = String::from_utf8(ran.get_output().stderr.clone()).unwrap();
        let report = report_in(&out.join("logcompact-report.json"));
        (told, report["not_searched_for_keys"].clone())
    };
    let (told, named) = erase(&logs.join("t-0"));
    assert!(told.contains("t-1 and 1 more: not searched for the keys"), "{told}");
    assert_eq!(named, serde_json::json!(["t-1", "t-2"]));
    // One that is gone from the source, and one that is left alone.
    fs::remove_dir_all(logs.join("t-1")).unwrap();
    let log = logs.join("t-2/00000000000000000012.log");
    let mut bytes = fs::read(&log).unwrap();
    let more = |offset| batch_bytes(offset, 0, support::log::PLAIN, &[put("new", "x")]);
    let mut damaged = more(14);
    damaged[70] ^= 1;
    bytes.extend([damaged, more(15)].concat());
    fs::write(&log, bytes).unwrap();
    let (told, named) = erase(&logs);
    assert!(told.contains("t-1 and 1 more: not searched for the keys"), "{told}");
    assert_eq!(named, serde_json::json!(["t-1", "t-2"]));
    fs::remove_dir_all(logs.join("t-2")).unwrap();
    fs::remove_dir_all(out.join("t-2")).unwrap();
    fs::remove_dir_all(out.join("t-1")).unwrap();
    let (told, _) = erase(&logs);
    assert!(!told.contains("not searched"), "{told}");
}

#[test]
fn a_log_that_is_left_alone_for_its_damage_is_told_though_no_output_is_there() {
    let temp = tempfile::tempdir().unwrap();
    let source = plain_log(temp.path());
    let log = source.join("00000000000000000000.log");
    let mut bytes = fs::read(&log).unwrap();
    bytes[70] ^= 1;
    fs::write(&log, bytes).unwrap();
    let (list, out) = (temp.path().join("keys"), temp.path().join("out"));
    fs::write(&list, "gone").unwrap();
    let mut command = logcompact();
    command.args(["compact", "--now", NOW, "--erase-keys"]).arg(&list).arg(&source);
    let ran = command.arg("--out").arg(&out).assert().code(1);
    ran.stderr(predicate::str::contains("left alone: 1 damaged range"));
    assert_eq!(report_in(&out.join("logcompact-report.json"))["outcome"], "problems");
}

#[test]
fn a_file_that_is_none_of_kafkas_is_named_because_nobody_looks_into_it() {
    let temp = tempfile::tempdir().unwrap();
    let source = plain_log(temp.path());
    let list = temp.path().join("keys");
    fs::write(&list, "gone").unwrap();
    fs::write(source.join("leader-epoch-checkpoint"), "0\n0\n").unwrap();
    let run = |out: &str| {
        let out = temp.path().join(out);
        let mut command = logcompact();
        command.args(["compact", "--now", NOW, "--include-active", "--erase-keys"]);
        command.args([&list, Path::new("--out"), &out, &source]).assert().success()
    };
    run("a").stderr("");
    fs::write(source.join("export.csv"), "gone,1\n").unwrap();
    run("b").stderr(predicate::str::contains("export.csv: kept as it is, and not searched"));
    // The destination has it still.
    fs::remove_file(source.join("export.csv")).unwrap();
    run("b").stderr(predicate::str::contains("export.csv: kept as it is, and not searched"));
}

#[test]
fn a_dry_run_names_the_records_that_would_be_erased() {
    let temp = tempfile::tempdir().unwrap();
    let source = plain_log(temp.path());
    let list = temp.path().join("keys");
    fs::write(&list, "gone").unwrap();
    let output = logcompact()
        .args(["compact", "--dry-run", "--now", NOW, "--report", "-", "--erase-keys"])
        .args([&list, &source])
        .output()
        .unwrap();
    let report: Value = serde_json::from_slice(&output.stdout).unwrap();
    assert_eq!(erased_offsets(&report["partitions"][0]), [0, 4, 8, 11]);
}

#[test]
fn verify_knows_what_was_to_be_erased() {
    let temp = tempfile::tempdir().unwrap();
    let secrets = log_with_secrets(&temp.path().join("source"));
    let list = key_list(temp.path(), &secrets.keys);
    for (number, options) in
        [&[][..], &["--include-active", "--segment-bytes", "900"]].into_iter().enumerate()
    {
        let out = temp.path().join(format!("out-{number}"));
        logcompact()
            .args(["compact", "-q", "--verify", "--now", NOW, "--erase-keys"])
            .args([&list, Path::new("--out"), &out, &secrets.source])
            .args(options)
            .assert()
            .success();
    }
}

#[test]
fn a_batch_that_loses_a_record_keeps_its_offsets_and_the_others_theirs() {
    let temp = tempfile::tempdir().unwrap();
    let list = temp.path().join("keys");
    fs::write(&list, "b").unwrap();
    let mut log = Log::create(temp.path(), "t-0");
    append(
        &mut log,
        Kind { codec: Codec::Lz4, ..PLAIN },
        &[Event::put("a", "1", 5), Event::put("b", "2", 9), Event::put("c", "3", 7)],
    );
    let source = log.roll().batch(&[put("d", "4")]).flush();
    let out = temp.path().join("out");
    logcompact()
        .args(["compact", "-q", "--now", NOW, "--erase-keys"])
        .args([&list, Path::new("--out"), &out, &source])
        .assert()
        .success();
    let log = PartitionDir::open(&out.join("t-0")).unwrap().segments[0].log().unwrap();
    let (_, batch) = log.batches().next().unwrap().unwrap();
    let header = batch.header;
    assert_eq!((header.base_offset.0, header.last_offset.0, header.record_count), (0, 2, 2));
    assert_eq!((header.codec(), header.max_timestamp.0), (Codec::Lz4, 7));
    let mut decoder = Decoder::new();
    let read = decoder.records(&batch).unwrap().map(Result::unwrap);
    let read: Vec<_> = read.map(|record| (record.offset.0, record.timestamp.0)).collect();
    assert_eq!(read, [(0, 5), (2, 7)]);
}
