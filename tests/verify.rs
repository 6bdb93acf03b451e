//! `logcompact verify`: silent on what Kafka wrote, and never silent on what it did not.

mod support;

use std::fs;
use std::path::{Path, PathBuf};

use logcompact::report::NoProgress;
use logcompact::segment::find_partitions;
use logcompact::verify::{self, Finding, Severity};
use predicates::prelude::*;
use serde_json::Value;
use support::log::{Log, put};
use support::{copy_folder, folders_in, logcompact, testdata};

/// Errors and warnings about a directory.
fn findings(dir: &Path) -> Vec<Finding> {
    let sources = find_partitions(&[dir.to_path_buf()]).unwrap();
    let verified = verify::run(&sources, &NoProgress).unwrap();
    let mut findings = verified.findings;
    findings.retain(|finding| finding.severity > Severity::Info);
    findings
}

fn rules(dir: &Path) -> Vec<&'static str> {
    let mut rules: Vec<&str> = findings(dir).iter().map(|finding| finding.rule).collect();
    rules.dedup();
    rules
}

/// A copy of a directory that real Kafka wrote, for a test to damage.
struct Copy {
    _temp: tempfile::TempDir,
    dir: PathBuf,
}

impl Copy {
    fn of(path: &str) -> Copy {
        let temp = tempfile::tempdir().unwrap();
        let dir = temp.path().join(Path::new(path).file_name().unwrap());
        copy_folder(&testdata(path), &dir);
        Copy { _temp: temp, dir }
    }

    fn change(&self, file: &str, change: impl FnOnce(&mut Vec<u8>)) -> &Copy {
        let path = self.dir.join(file);
        let mut bytes = fs::read(&path).unwrap();
        change(&mut bytes);
        fs::write(path, bytes).unwrap();
        self
    }

    fn rules(&self) -> Vec<&'static str> {
        rules(&self.dir)
    }
}

const LOG: &str = "00000000000000000000.log";

#[test]
fn whatever_kafka_wrote_has_no_error_and_no_warning() {
    for corpus in ["storage-4.1.1", "broker-3.9.1"] {
        assert_eq!(findings(&testdata(corpus)), [], "{corpus}");
        for case in folders_in(&testdata(corpus)) {
            assert_eq!(findings(&testdata(&format!("{corpus}/{case}"))), [], "{case}");
        }
    }
}

#[test]
fn whatever_we_compact_has_none_either() {
    let temp = tempfile::tempdir().unwrap();
    for (number, source) in ["storage-4.1.1", "broker-3.9.1"].into_iter().enumerate() {
        for options in [&[][..], &["--include-active"]] {
            let out = temp.path().join(format!("{number}-{}", options.len()));
            logcompact()
                .args(["compact", "-q", "--now", "1795300000000", "--out"])
                .arg(&out)
                .arg(testdata(source))
                .args(options)
                .assert()
                .success();
            assert_eq!(findings(&out), [], "{source} {options:?}");
        }
    }
}

#[test]
fn every_flipped_byte_that_a_checksum_covers_is_found_and_of_the_others_what_contradicts() {
    let copy = Copy::of("storage-4.1.1/v2-mixed-0");
    let segment = "00000000000000002177.log";
    for entry in fs::read_dir(&copy.dir).unwrap() {
        let path = entry.unwrap().path();
        let name = path.to_str().unwrap();
        if !name.contains("00000000000000002177.") && !name.contains("00000000000000002196.") {
            fs::remove_file(path).unwrap();
        }
    }
    assert_eq!(findings(&copy.dir), []);
    let whole = fs::read(copy.dir.join(segment)).unwrap();
    let mut batch_start = 0;
    let (mut flipped, mut unseen) = (0, Vec::new());
    for at in 0..whole.len() {
        let size = |start: usize| {
            12 + i32::from_be_bytes(whole[start + 8..start + 12].try_into().unwrap()) as usize
        };
        if at == batch_start + size(batch_start) {
            batch_start = at;
        }
        let in_batch = at - batch_start;
        if (12..16).contains(&in_batch) {
            continue; // the leader epoch
        }
        // Of what no checksum covers, each bit.
        let masks = if in_batch < 17 { (0..8).map(|bit| 1 << bit).collect() } else { vec![0x40] };
        for mask in masks {
            copy.change(segment, |bytes| bytes[at] ^= mask);
            let found = findings(&copy.dir);
            let first = found.iter().find(|finding| finding.severity == Severity::Error);
            match first.map(|first| first.position.map_or(0, |position| position.0 as usize)) {
                // An offset is contradicted by what lies around it, or by nothing.
                None if in_batch < 8 => unseen.push((at, mask)),
                Some(_) if in_batch < 8 => {}
                Some(position) => assert!(position <= at, "byte {at}: found at {position}"),
                None => panic!("bit {mask:#x} of byte {at} of {segment}: nothing found"),
            }
            fs::write(copy.dir.join(segment), &whole).unwrap();
            flipped += 1;
        }
    }
    assert!(flipped > 500, "{flipped} bits flipped");
    assert!(unseen.is_empty(), "bits of base offsets that nothing contradicts: {unseen:?}");
}

#[test]
fn behind_a_hole_in_the_middle_the_batches_are_still_read() {
    let copy = Copy::of("storage-4.1.1/v2-plain-0");
    let before = summary(&copy.dir, 0);
    copy.change(LOG, |bytes| bytes[3000..3100].fill(0));
    let found = findings(&copy.dir);
    let errors: Vec<_> = found.iter().filter(|f| f.path.ends_with(LOG)).collect();
    assert!(!errors.is_empty() && errors.len() <= 3, "{errors:?}");
    let after = summary(&copy.dir, 1);
    let lost = before["batches"].as_u64().unwrap() - after["batches"].as_u64().unwrap();
    assert!((1..=3).contains(&lost), "{lost} batches were not read");
}

#[test]
fn a_wrong_length_does_not_hide_the_batches_behind_it() {
    for length in [0u32, 5, 48, 0x7fff_ffff, 0xffff_ffff, 300] {
        let copy = Copy::of("storage-4.1.1/v2-plain-0");
        copy.change(LOG, |bytes| bytes[8..12].copy_from_slice(&length.to_be_bytes()));
        let all = summary(&testdata("storage-4.1.1/v2-plain-0"), 0)["batches"].as_u64().unwrap();
        assert_eq!(summary(&copy.dir, 1)["batches"], all - 1, "length {length:#x}");
    }
}

#[test]
fn a_torn_tail_is_an_error_in_an_older_segment_and_a_note_in_the_active_one() {
    let copy = Copy::of("storage-4.1.1/v2-plain-0");
    let last = fs::read_dir(&copy.dir)
        .unwrap()
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .filter(|name| name.ends_with(".log"))
        .max()
        .unwrap();
    copy.change(&last, |bytes| bytes.extend_from_slice(&[0; 100]));
    assert_eq!(findings(&copy.dir), []);
    copy.change(&last, |bytes| {
        let length = bytes.len();
        bytes[length - 92..length - 88].copy_from_slice(&[0, 0, 9, 0]);
    });
    assert_eq!(findings(&copy.dir), []);
    copy.change(LOG, |bytes| bytes.truncate(bytes.len() - 1));
    assert!(copy.rules().contains(&"batch-torn"), "{:?}", copy.rules());
}

#[test]
fn an_index_entry_that_would_lead_past_a_batch_is_an_error() {
    let index = "00000000000000000000.index";
    let moved = Copy::of("broker-3.9.1/rdk-none-0");
    moved.change(index, |bytes| bytes[7] ^= 1);
    assert_eq!(moved.rules(), ["index-entry"]);
    let lowered = Copy::of("broker-3.9.1/rdk-none-0");
    lowered.change(index, |bytes| bytes[..4].fill(0));
    assert_eq!(lowered.rules(), ["index-entry"]);
    let raised = Copy::of("broker-3.9.1/rdk-none-0");
    raised.change(index, |bytes| bytes[3] = bytes[3].wrapping_add(1));
    assert!(raised.rules().contains(&"index-entry"), "{:?}", raised.rules());
    let cut = Copy::of("broker-3.9.1/rdk-none-0");
    cut.change(index, |bytes| bytes.truncate(bytes.len() - 3));
    assert_eq!(cut.rules(), ["index-size"]);
}

#[test]
fn a_time_index_that_is_too_low_or_too_high_is_an_error() {
    for byte in [7, 6, 9] {
        let copy = Copy::of("broker-3.9.1/rdk-none-0");
        copy.change("00000000000000000000.timeindex", |bytes| bytes[byte] ^= 0x20);
        assert!(copy.rules().contains(&"timeindex-entry"), "byte {byte}: {:?}", copy.rules());
    }
    let emptied = Copy::of("broker-3.9.1/rdk-none-0");
    emptied.change("00000000000000000000.timeindex", Vec::clear);
    assert_eq!(emptied.rules(), ["timeindex-end"]);
}

#[test]
fn an_aborted_transaction_must_have_its_entry_and_an_entry_its_transaction() {
    let index = "00000000000000000000.txnindex";
    let removed = Copy::of("broker-3.9.1/tx-0");
    removed.change(index, |bytes| drop(bytes.drain(34..68)));
    assert_eq!(removed.rules(), ["txnindex-missing"]);
    // Kafka's cleaner forgets what was aborted in front of the log start.
    let starting = |offset: i64| {
        let beside = removed.dir.with_file_name("log-start-offset-checkpoint");
        fs::write(beside, format!("0\n1\ntx 0 {offset}\n")).unwrap();
        removed.rules()
    };
    assert_eq!(starting(139), ["txnindex-missing"]);
    assert_eq!(starting(140), [""; 0]);
    assert_eq!(starting(99_999), ["txnindex-missing"], "where there is no such offset");
    let invented = Copy::of("broker-3.9.1/tx-0");
    invented.change(index, |bytes| bytes[25] ^= 1);
    assert_eq!(invented.rules(), ["txnindex-missing", "txnindex-entry"]);
    let cut = Copy::of("broker-3.9.1/tx-0");
    cut.change(index, |bytes| bytes.truncate(bytes.len() - 1));
    assert_eq!(cut.rules(), ["txnindex-size", "txnindex-missing"]);
}

#[test]
fn snapshots_checkpoints_and_metadata_are_checked() {
    let copy = Copy::of("broker-3.9.1/tx-0");
    copy.change("00000000000000001196.snapshot", |bytes| bytes[20] ^= 1);
    copy.change("leader-epoch-checkpoint", |bytes| bytes[0] = b'7');
    copy.change("partition.metadata", |bytes| bytes.truncate(12));
    assert_eq!(copy.rules(), ["checkpoint-text", "snapshot", "checkpoint-text"]);

    let logs = tempfile::tempdir().unwrap();
    copy_folder(&testdata("broker-3.9.1/tx-0"), &logs.path().join("tx-0"));
    fs::write(logs.path().join("cleaner-offset-checkpoint"), "0\n1\ntx 0 99999\n").unwrap();
    fs::write(logs.path().join("recovery-point-offset-checkpoint"), "0\n2\ntx 0 7\n").unwrap();
    assert_eq!(rules(logs.path()), ["checkpoint-offset", "checkpoint-text"]);
}

#[test]
fn leftovers_orphans_and_missing_indexes_are_named() {
    let copy = Copy::of("broker-3.9.1/lab-raw-0");
    for name in ["00000000000000000000.log.cleaned", "00000000000000000000.index.swap"] {
        fs::write(copy.dir.join(name), []).unwrap();
    }
    fs::write(copy.dir.join("00000000000000009999.index"), []).unwrap();
    fs::remove_file(copy.dir.join("00000000000000000001.timeindex")).unwrap();
    assert_eq!(copy.rules(), ["index-missing", "leftover", "orphan"]);
}

#[test]
fn offsets_that_reach_into_the_next_segment_are_an_error() {
    let temp = tempfile::tempdir().unwrap();
    let mut log = Log::create(temp.path(), "t-0");
    log.batch(&[put("A", "1"), put("A", "2")]).skip_to(1).roll();
    let source = log.batch(&[put("A", "3")]).flush();
    let found = findings(&source);
    assert!(found.iter().any(|f| f.rule == "offset-order"), "{found:?}");
}

#[test]
fn a_record_that_contradicts_its_batch_is_an_error_though_the_checksum_holds() {
    let temp = tempfile::tempdir().unwrap();
    let mut log = Log::create(temp.path(), "t-0");
    let mut batch =
        support::log::batch_bytes(0, 0, support::log::PLAIN, &[put("A", "1"), put("B", "2")]);
    batch[60] = 3; // the count
    let crc = crc_fast::crc32_iscsi(&batch[21..]);
    batch[17..21].copy_from_slice(&crc.to_be_bytes());
    let source = log.raw(&batch).flush();
    assert!(rules(&source).contains(&"record-count"), "{:?}", rules(&source));
}

#[test]
fn json_is_a_line_a_finding_and_a_summary() {
    let copy = Copy::of("broker-3.9.1/lab-raw-0");
    copy.change(LOG, |bytes| bytes[30] ^= 1);
    let lines = json(&copy.dir, 1);
    let finding = &lines[0];
    assert_eq!(finding["type"], "finding");
    assert_eq!(finding["rule"], "batch-crc");
    assert_eq!(finding["severity"], "error");
    assert_eq!(finding["position"], 0);
    assert_eq!(finding["offset"], 0);
    assert!(finding["path"].as_str().unwrap().ends_with(LOG));
    assert_eq!(lines.last().unwrap()["type"], "summary");
    assert_eq!(lines.last().unwrap()["errors"], 1);
}

#[test]
fn warnings_fail_only_when_asked_to() {
    let copy = Copy::of("broker-3.9.1/lab-raw-0");
    fs::write(copy.dir.join("00000000000000000000.log.deleted"), []).unwrap();
    logcompact().arg("verify").arg(&copy.dir).assert().success();
    logcompact().args(["verify", "--strict"]).arg(&copy.dir).assert().code(1);
}

#[test]
fn a_file_that_cannot_be_read_is_an_error_that_says_so() {
    let temp = tempfile::tempdir().unwrap();
    let dir = temp.path().join("t-0");
    Log::create(temp.path(), "t-0").batch(&[put("A", "1")]).flush();
    let index = dir.join("00000000000000000000.index");
    fs::remove_file(&index).unwrap();
    fs::create_dir(&index).unwrap();
    let found = findings(&dir);
    assert_eq!(found.len(), 1, "{found:?}");
    assert!(found[0].message.contains("cannot read"), "{found:?}");
}

#[test]
fn a_folder_that_is_none_of_kafkas_is_refused() {
    let temp = tempfile::tempdir().unwrap();
    logcompact()
        .arg("verify")
        .arg(temp.path())
        .assert()
        .code(2)
        .stdout("")
        .stderr(predicate::str::contains("neither segments"));
}

fn json(dir: &Path, code: i32) -> Vec<Value> {
    let output = logcompact()
        .args(["verify", "--format", "json"])
        .arg(dir)
        .assert()
        .code(code)
        .get_output()
        .stdout
        .clone();
    let text = String::from_utf8(output).unwrap();
    text.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
}

fn summary(dir: &Path, code: i32) -> Value {
    json(dir, code).last().unwrap().clone()
}

/// The words with dashes in quotes in a source text: rules, and some names of files.
fn quoted_names(text: &str) -> impl Iterator<Item = &str> {
    let is_name = |word: &&str| {
        word.contains('-') && word.bytes().all(|byte| byte.is_ascii_lowercase() || byte == b'-')
    };
    text.split('"').filter(is_name)
}

#[test]
fn every_rule_has_its_line_in_the_page_about_them() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let page = fs::read_to_string(root.join("docs/verify.md")).unwrap();
    let mut folders = vec![root.join("src/verify")];
    let mut texts = vec![fs::read_to_string(root.join("src/format/flaw.rs")).unwrap()];
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                folders.push(path);
            } else {
                texts.push(fs::read_to_string(path).unwrap());
            }
        }
    }
    let mut rules: Vec<&str> = texts.iter().flat_map(|text| quoted_names(text)).collect();
    rules.retain(|name| !name.ends_with("checkpoint"));
    rules.sort();
    rules.dedup();
    assert!(rules.len() > 50, "{rules:?}");
    for rule in rules {
        assert!(page.contains(&format!("`{rule}`")), "{rule}");
    }
}
