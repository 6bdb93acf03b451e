//! `logcompact dump`: the same content as Kafka's own tools show, in every format.

mod support;

use std::fs;
use std::path::Path;
use std::process::{Command, Stdio};

use base64::Engine;
use base64::prelude::BASE64_STANDARD;
use predicates::prelude::*;
use serde_json::{Value, json};
use support::log::{Log, put, tombstone};
use support::{assert_same, expected_lines, folders_in, logcompact, testdata};

fn stdout(args: &[&str]) -> String {
    let output = logcompact()
        .current_dir(testdata(""))
        .arg("dump")
        .args(args)
        .assert()
        .success()
        .stderr("")
        .get_output()
        .stdout
        .clone();
    String::from_utf8(output).unwrap()
}

fn json_lines(args: &[&str]) -> Vec<Value> {
    let args = [args, &["--format", "json"]].concat();
    stdout(&args).lines().map(|line| serde_json::from_str(line).unwrap()).collect()
}

/// Our line in the oracle's terms, less what it does not say.
fn as_oracle(line: &Value) -> Value {
    let bytes = |field: &Value| match field {
        Value::Null => Value::Null,
        Value::String(text) => json!(BASE64_STANDARD.encode(text)),
        object => object["base64"].clone(),
    };
    if line["type"] == "record" {
        let headers: Vec<Value> = line["headers"]
            .as_array()
            .unwrap()
            .iter()
            .map(|header| json!([bytes(&header["key"]), bytes(&header["value"])]))
            .collect();
        return json!({
            "offset": line["offset"],
            "timestamp": line["timestamp"],
            "sequence": line["sequence"],
            "key": bytes(&line["key"]),
            "value": bytes(&line["value"]),
            "headers": headers,
        });
    }
    let mut batch = line.as_object().unwrap().clone();
    for ours in ["type", "topic", "partition", "count", "base_timestamp"] {
        batch.remove(ours).unwrap();
    }
    for layout in ["segment", "position", "size", "crc"] {
        batch.remove(layout).unwrap();
    }
    let horizon = batch.remove("delete_horizon_ms").unwrap();
    batch.insert("delete_horizon".into(), horizon);
    Value::Object(batch)
}

#[test]
fn json_says_what_kafka_reads_in_every_directory() {
    for corpus in ["storage-4.1.1", "broker-3.9.1"] {
        for case in folders_in(&testdata(&format!("expected/{corpus}"))) {
            let expected = testdata(&format!("expected/{corpus}/{case}/before.jsonl"));
            if !expected.exists() {
                continue; // the largest one is here for its passes only
            }
            for encoding in ["auto", "base64"] {
                let path = format!("{corpus}/{case}");
                let lines = json_lines(&[&path, "--show", "all", "--encoding", encoding]);
                let lines: Vec<Value> = lines.iter().map(as_oracle).collect();
                assert_same(&lines, &expected_lines(&expected), &path);
            }
        }
    }
}

#[test]
fn a_record_and_a_batch_have_the_fields_of_the_contract_in_their_order() {
    let text = stdout(&["broker-3.9.1/lab-raw-0", "--format", "json", "--limit", "1"]);
    let begins = "{\"type\":\"record\",\"topic\":\"lab-raw\",\"partition\":0,\
                  \"segment\":\"00000000000000000000.log\",\"offset\":0,\"timestamp\":";
    assert!(text.starts_with(begins), "{text}");
    let ends = "\"sequence\":-1,\"key\":\"A\",\"value\":\"1\",\"headers\":[],\"control\":null}\n";
    assert!(text.ends_with(ends), "{text}");
    let batches = stdout(&["broker-3.9.1/lab-raw-0", "--format", "json", "--show", "batches"]);
    let first = batches.lines().next().unwrap();
    let names: Vec<&str> =
        first.split(",\"").map(|field| field.split('"').next().unwrap()).collect();
    let expected = "topic partition segment position size base_offset last_offset count magic \
                    codec crc valid timestamp_type base_timestamp max_timestamp producer_id \
                    producer_epoch base_sequence last_sequence leader_epoch transactional control \
                    delete_horizon_ms";
    assert_eq!(names[1..].join(" "), expected);
}

#[test]
fn a_marker_says_what_it_ends() {
    let lines = json_lines(&["broker-3.9.1/tx-0"]);
    let marker = lines.iter().find(|line| !line["control"].is_null()).unwrap();
    assert_eq!(marker["control"]["type"], "ABORT");
    assert_eq!(marker["control"]["coordinator_epoch"], 0);
}

#[test]
fn the_kafka_format_is_that_of_kafka_dump_log_to_the_letter() {
    for entry in fs::read_dir(testdata("kafka-dump-log")).unwrap() {
        let path = entry.unwrap().path();
        let kafkas = fs::read(&path).unwrap();
        let text = String::from_utf8_lossy(&kafkas).into_owned();
        let files: Vec<&str> =
            text.lines().filter_map(|line| line.strip_prefix("Dumping ")).collect();
        assert!(!files.is_empty());
        let output = logcompact()
            .current_dir(testdata(""))
            .args(["dump", "--format", "kafka"])
            .args(&files)
            .assert()
            .success()
            .get_output()
            .stdout
            .clone();
        for (ours, kafkas) in output.split(|b| *b == b'\n').zip(kafkas.split(|b| *b == b'\n')) {
            assert_eq!(
                String::from_utf8_lossy(ours),
                String::from_utf8_lossy(kafkas),
                "{}",
                path.display()
            );
        }
        assert_eq!(output.len(), kafkas.len(), "{}", path.display());
    }
}

#[test]
fn the_console_format_is_that_of_the_console_consumer() {
    let temp = tempfile::tempdir().unwrap();
    let mut log = Log::create(temp.path(), "people-2");
    let source = log.batch(&[put("k", "a|b"), tombstone("k"), put("", "")]).marker(7, true).flush();
    let console = |options: &[&str]| {
        let source = source.to_str().unwrap();
        stdout(&[&[source, "--format", "console"], options].concat())
    };
    assert_eq!(console(&[]), "a|b\nnull\n\n");
    assert_eq!(console(&["--print", "key,value"]), "k\ta|b\nk\tnull\n\t\n");
    let all = ["--print", "value,key,headers,offset,partition,timestamp", "--key-separator", "|"];
    let first = "CreateTime:1700000000000|Partition:2|Offset:0|NO_HEADERS|k|a|b";
    assert_eq!(console(&all).lines().next(), Some(first));
}

#[test]
fn offsets_and_limit_select_as_in_rust_across_segments() {
    let offsets = |options: &[&str]| -> Vec<i64> {
        let lines = json_lines(&[&["storage-4.1.1/v2-plain-0"], options].concat());
        lines.iter().map(|line| line["offset"].as_i64().unwrap()).collect()
    };
    let all = offsets(&[]);
    assert_eq!(offsets(&["--offsets", "1000..1003"]), [1000, 1001, 1002]);
    assert_eq!(offsets(&["--offsets", "1000..=1003"]), [1000, 1001, 1002, 1003]);
    assert_eq!(offsets(&["--offsets", "..3"]), [0, 1, 2]);
    assert_eq!(offsets(&["--offsets", "7"]), [7]);
    assert_eq!(offsets(&["--limit", "5"]), all[..5]);
    assert_eq!(offsets(&["--offsets", "2000..", "--limit", "2"]), [2000, 2001]);
    assert_eq!(offsets(&["--offsets", "999999.."]), [0i64; 0]);
    for start in (0..all.len()).step_by(97) {
        let range = format!("{}..", all[start]);
        assert_eq!(offsets(&["--offsets", &range]), all[start..], "{range}");
    }
}

#[test]
fn a_start_that_compaction_removed_is_the_next_offset_that_is_left() {
    let temp = tempfile::tempdir().unwrap();
    let mut log = Log::create(temp.path(), "t-0");
    log.batch(&[put("A", "1")]).skip_to(10);
    let source = log.batch(&[put("B", "1")]).flush();
    let lines = json_lines(&[source.to_str().unwrap(), "--offsets", "5.."]);
    assert_eq!(lines.iter().map(|line| line["offset"].clone()).collect::<Vec<_>>(), [json!(10)]);
}

#[test]
fn a_damaged_index_costs_time_not_records() {
    let temp = tempfile::tempdir().unwrap();
    let source = temp.path().join("v2-plain-0");
    support::copy_folder(&testdata("storage-4.1.1/v2-plain-0"), &source);
    let path = source.to_str().unwrap();
    let before = json_lines(&[path, "--offsets", "1000..1100"]);
    assert_eq!(before.len(), 100);
    for entry in fs::read_dir(&source).unwrap() {
        let file = entry.unwrap().path();
        if file.extension().is_some_and(|extension| extension == "index") {
            let mut bytes = fs::read(&file).unwrap();
            bytes.iter_mut().skip(6).step_by(8).for_each(|byte| *byte ^= 0x55);
            fs::write(&file, bytes).unwrap();
        }
    }
    assert_eq!(json_lines(&[path, "--offsets", "1000..1100"]), before);
}

#[test]
fn a_damaged_batch_is_shown_named_and_the_rest_goes_on() {
    let temp = tempfile::tempdir().unwrap();
    let mut log = Log::create(temp.path(), "t-0");
    let source = log.batch(&[put("A", "one")]).batch(&[put("B", "two")]).flush();
    let file = source.join("00000000000000000000.log");
    let mut bytes = fs::read(&file).unwrap();
    let at = bytes.windows(3).position(|w| w == b"one").unwrap();
    bytes[at] ^= 1;
    fs::write(&file, bytes).unwrap();
    let output = logcompact()
        .args(["dump", "--show", "all", "--format", "json"])
        .arg(&source)
        .assert()
        .code(1)
        .stderr(predicate::str::contains("position 0: the CRC is"))
        .get_output()
        .stdout
        .clone();
    let text = String::from_utf8(output).unwrap();
    assert_eq!(text.matches("\"valid\":false").count(), 1);
    assert_eq!(text.matches("\"valid\":true").count(), 1);
    assert!(text.contains("\"value\":\"two\""));
}

#[test]
fn a_write_that_did_not_finish_is_no_damage_at_the_end_of_the_log() {
    let temp = tempfile::tempdir().unwrap();
    let mut log = Log::create(temp.path(), "t-0");
    let source = log.batch(&[put("A", "one")]).raw(&[0, 0, 0, 0, 0, 0, 0, 1, 0, 0]).flush();
    assert_eq!(json_lines(&[source.to_str().unwrap()]).len(), 1);
}

#[test]
fn indexes_snapshots_and_checkpoints_are_shown_too() {
    let types = |path: &str| -> Vec<String> {
        let lines = json_lines(&[path]);
        lines.iter().map(|line| line["type"].as_str().unwrap().to_owned()).collect()
    };
    let base = "broker-3.9.1/tx-compacted-0/00000000000000000000";
    assert_eq!(types(&format!("{base}.index")), ["index_entry"]);
    assert_eq!(types(&format!("{base}.timeindex")), ["time_index_entry"; 2]);
    assert_eq!(types(&format!("{base}.txnindex")).first().unwrap(), "txn_index_entry");
    let snapshot = "broker-3.9.1/tx-compacted-0/00000000000000001357.snapshot";
    assert!(types(snapshot).iter().all(|kind| kind == "producer"));
    assert_eq!(types("broker-3.9.1/tx-0/leader-epoch-checkpoint"), ["leader_epoch"]);
    assert_eq!(types("broker-3.9.1/tx-0/partition.metadata"), ["partition_metadata"]);
    assert!(types("broker-3.9.1/cleaner-offset-checkpoint").len() > 2);
    assert_eq!(types("broker-3.9.1/bootstrap.checkpoint").first().unwrap(), "record");
}

#[test]
fn text_is_a_line_a_record_with_times_that_people_read() {
    let temp = tempfile::tempdir().unwrap();
    let mut log = Log::create(temp.path(), "t-0");
    let source = log.batch(&[put("A", "1"), tombstone("A")]).marker(7, false).flush();
    let text = stdout(&[source.to_str().unwrap()]);
    let expected = "\
# t-0 00000000000000000000.log
       0  2023-11-14T22:13:20.000Z  A = 1
       1  2023-11-14T22:13:20.001Z  A = (tombstone)
       2  2023-11-14T22:13:20.002Z  ABORT of producer 7, coordinator epoch 0
";
    assert_eq!(text, expected);
}

#[test]
fn what_is_no_file_of_kafkas_is_refused_with_what_was_expected() {
    for (path, says) in [("nowhere", "cannot open"), ("Cargo.toml", "not a file of Kafka's")] {
        logcompact()
            .current_dir(env!("CARGO_MANIFEST_DIR"))
            .args(["dump", path])
            .assert()
            .code(2)
            .stdout("")
            .stderr(predicate::str::contains(says));
    }
}

#[test]
fn a_reader_that_goes_away_is_no_error() {
    let mut child = Command::new(env!("CARGO_BIN_EXE_logcompact"))
        .args(["dump", "--format", "json"])
        .arg(testdata("storage-4.1.1"))
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    drop(child.stdout.take());
    let output = child.wait_with_output().unwrap();
    assert_eq!(output.status.code(), Some(0));
    assert_eq!(String::from_utf8(output.stderr).unwrap(), "");
}

#[test]
fn a_file_is_shown_by_itself_and_knows_its_partition() {
    let path = "broker-3.9.1/lab-raw-0/00000000000000000003.log";
    assert!(Path::new(&testdata(path)).exists());
    let lines = json_lines(&[path]);
    assert_eq!(lines.len(), 1);
    assert_eq!((&lines[0]["topic"], &lines[0]["offset"]), (&json!("lab-raw"), &json!(3)));
}
