//! `logcompact dump`, the program itself, against what Kafka says of the same files: the JSON
//! against the oracle's lines, the Kafka format against stored output of `kafka-dump-log.sh`
//! 4.1.1, run in `testdata/` on the files that its `Dumping` lines name.

use std::fs;
use std::io::{BufRead, BufReader, Read};
use std::path::{Path, PathBuf};
use std::process::{Command as Process, Stdio};

use assert_cmd::Command;
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use predicates::prelude::*;
use serde_json::{Value, json};
use tempfile::TempDir;

const PLAIN: &str = "storage-4.1.1/v2-plain-0";
const FIRST_LOG: &str = "00000000000000000000.log";

fn testdata() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("testdata")
}

fn dump(args: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_logcompact"));
    command.current_dir(testdata()).arg("dump").args(args);
    command
}

/// Standard output of a dump that finds nothing wrong and has nothing to say.
fn lines(args: &[&str]) -> String {
    let assert = dump(args).assert().code(0).stderr("");
    String::from_utf8_lossy(&assert.get_output().stdout).into_owned()
}

fn json_lines(text: &str) -> Vec<Value> {
    text.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
}

fn offsets(args: &[&str]) -> Vec<i64> {
    let text = lines(&[args, &["--format", "json"]].concat());
    json_lines(&text).iter().map(|line| line["offset"].as_i64().unwrap()).collect()
}

/// A copy of files of a partition directory, `t-0` in a folder of its own.
fn copy_of(files: &[&str]) -> (TempDir, PathBuf) {
    let folder = TempDir::new().unwrap();
    let partition = folder.path().join("t-0");
    fs::create_dir(&partition).unwrap();
    for file in files {
        let name = Path::new(file).file_name().unwrap();
        fs::write(partition.join(name), fs::read(testdata().join(file)).unwrap()).unwrap();
    }
    (folder, partition)
}

/// Our line with only what the oracle's has, and in its terms.
fn as_oracle(line: &Value) -> Value {
    let mut line = line.as_object().unwrap().clone();
    let is_batch = line["type"] == "batch";
    for name in ["type", "topic", "partition"] {
        line.remove(name).unwrap();
    }
    if is_batch {
        let horizon = line.remove("delete_horizon_ms").unwrap();
        line.insert("delete_horizon".into(), horizon);
        line.remove("count").unwrap();
        line.remove("base_timestamp").unwrap();
        if line["magic"] != 2 {
            line.insert("crc".into(), Value::Null); // the oracle does not say
        }
        return Value::Object(line);
    }
    for name in ["segment", "timestamp_type", "control"] {
        line.remove(name).unwrap();
    }
    let plain = |value: &Value| if value.is_null() { Value::Null } else { value["base64"].clone() };
    for name in ["key", "value"] {
        let value = plain(&line[name]);
        line.insert(name.into(), value);
    }
    let headers = line["headers"].as_array().unwrap().iter().map(|header| {
        let key = STANDARD.encode(header["key"].as_str().unwrap());
        json!([key, plain(&header["value"])])
    });
    let headers = headers.collect();
    line.insert("headers".into(), Value::Array(headers));
    Value::Object(line)
}

#[test]
fn json_says_of_every_batch_and_record_what_kafka_says() {
    let mut compared = 0;
    for corpus in ["storage-4.1.1", "broker-3.9.1"] {
        for entry in fs::read_dir(testdata().join(corpus)).unwrap() {
            let partition = entry.unwrap().path();
            let name = partition.file_name().unwrap();
            let expected = testdata().join("expected").join(corpus).join(name).join("before.jsonl");
            let Ok(expected) = fs::read_to_string(expected) else { continue };
            let path = partition.to_str().unwrap();
            let args = ["--format", "json", "--show", "all", "--encoding", "base64", path];
            let ours: Vec<Value> = json_lines(&lines(&args)).iter().map(as_oracle).collect();
            let theirs = json_lines(&expected);
            for (ours, theirs) in ours.iter().zip(&theirs) {
                assert_eq!(ours, theirs, "{path}");
            }
            assert_eq!(ours.len(), theirs.len(), "{path}");
            compared += ours.len();
        }
    }
    assert!(compared > 50_000, "only {compared} lines were compared");
}

#[test]
fn json_fields_have_their_promised_names_and_order() {
    let text = lines(&["--format", "json", "--show", "all", "--offsets", "3", PLAIN]);
    let names = |line: &str| {
        let of_object = line.split("\"headers\":[{").next().unwrap().to_owned();
        let pairs = of_object.split(",\"").map(|pair| pair.split("\":").next().unwrap().to_owned());
        pairs.map(|name| name.trim_start_matches("{\"").to_owned()).collect::<Vec<_>>().join(" ")
    };
    let mut found = text.lines();
    assert_eq!(
        names(found.next().unwrap()),
        "type topic partition segment position size base_offset last_offset count magic codec crc \
         valid timestamp_type base_timestamp max_timestamp producer_id producer_epoch \
         base_sequence last_sequence leader_epoch transactional control delete_horizon_ms"
    );
    let record = found.next().unwrap();
    assert_eq!(
        names(record),
        "type topic partition segment offset timestamp timestamp_type sequence key value"
    );
    assert!(record.contains(r#","headers":[{"key":"h0","value":"#), "{record}");
    assert!(record.ends_with(r#"],"control":null}"#), "{record}");
    assert_eq!(found.next(), None);
}

#[test]
fn control_records_say_what_they_are() {
    let tx = "broker-3.9.1/tx-0";
    let marker = json_lines(&lines(&["--format", "json", "--offsets", "20", tx]));
    let abort = json!({"type": "ABORT", "version": 0, "coordinator_epoch": 0});
    assert_eq!(marker[0]["control"], abort);
    let first = ["--format", "json", "--limit", "1", "broker-3.9.1/__cluster_metadata-0"];
    let leader = json_lines(&lines(&first));
    assert_eq!(leader[0]["control"]["type"], "LEADER_CHANGE");
    assert_eq!(leader[0]["control"]["leaderId"], 1);
    let text = lines(&["--offsets", "20", tx]);
    assert!(text.contains("ABORT of producer 3 epoch 0, coordinator epoch 0"), "{text}");
}

#[test]
fn the_kafka_format_is_that_of_the_dump_tool_to_the_letter() {
    for name in ["magic-0", "magic-1", "magic-2", "kraft", "batches", "companions"] {
        let expected = fs::read(testdata().join(format!("kafka-dump-log/{name}.txt"))).unwrap();
        let expected = String::from_utf8(expected).unwrap();
        let files: Vec<&str> =
            expected.lines().filter_map(|line| line.strip_prefix("Dumping ")).collect();
        let show: &[&str] = if name == "batches" { &["--show", "batches"] } else { &[] };
        let args = [&["--format", "kafka"], show, &files].concat();
        // The log of `kraft` begins below the offset in its name, which is told.
        let assert = dump(&args).assert().code(i32::from(name == "kraft"));
        let ours = String::from_utf8(assert.get_output().stdout.clone()).unwrap();
        for (ours, theirs) in ours.lines().zip(expected.lines()) {
            assert_eq!(ours, theirs, "{name}");
        }
        assert_eq!(ours.len(), expected.len(), "{name}");
    }
}

#[test]
fn a_partition_directory_is_all_its_logs_in_order() {
    let text = lines(&["--format", "kafka", "--show", "batches", PLAIN]);
    let files: Vec<&str> = text.lines().filter(|line| line.starts_with("Dumping ")).collect();
    assert!(files.len() > 3 && files.is_sorted(), "{files:?}");
    assert_eq!(files[0], format!("Dumping {PLAIN}/{FIRST_LOG}"));
    assert!(files.iter().all(|line| line.ends_with(".log")));
}

#[test]
fn a_log_directory_is_all_its_partitions() {
    let text = lines(&["--format", "json", "--show", "batches", "broker-3.9.1"]);
    let mut topics: Vec<String> =
        json_lines(&text).iter().map(|line| line["topic"].to_string()).collect();
    topics.dedup();
    assert!(topics.len() > 10 && topics.is_sorted(), "{topics:?}");
}

#[test]
fn the_console_format_has_its_fields_in_the_order_of_the_console_consumer() {
    let args = ["--format", "console", "--print", "value,key,headers,offset,partition,timestamp"];
    let one = ["--offsets", "10", "broker-3.9.1/lab-raw-0"];
    let all = json_lines(&lines(&["--format", "json", "broker-3.9.1/lab-raw-0"]));
    let text = lines(&[&args[..], &["--limit", "1", "broker-3.9.1/lab-raw-0"]].concat());
    let (time, key) = (&all[0]["timestamp"], all[0]["key"].as_str().unwrap());
    let value = all[0]["value"].as_str().unwrap();
    let expected =
        format!("CreateTime:{time}\tPartition:0\tOffset:0\tNO_HEADERS\t{key}\t{value}\n");
    assert_eq!(text, expected);
    let piped = ["--format", "console", "--print", "key,value", "--key-separator", "|"];
    let tombstone = lines(&[&piped[..], &["--offsets", "1", "broker-3.9.1/tx-0"]].concat());
    assert_eq!(tombstone, "t72|null\n");
    assert_eq!(lines(&[&args[..], &one[..]].concat()), "");
}

#[test]
fn the_console_format_shows_no_control_records() {
    let text = lines(&["--format", "console", "--print", "offset", "broker-3.9.1/tx-0"]);
    let json = lines(&["--format", "json", "broker-3.9.1/tx-0"]);
    let data = json_lines(&json).iter().filter(|line| line["control"].is_null()).count();
    assert_eq!(text.lines().count(), data);
    assert!(!text.contains("Offset:20\n"));
}

#[test]
fn headers_and_raw_bytes_go_to_the_console_as_they_are() {
    let args = ["--format", "console", "--print", "headers,value", "--offsets", "5"];
    let assert = dump(&[&args[..], &["storage-4.1.1/v2-producers-0"]].concat()).assert().success();
    assert_eq!(assert.get_output().stdout, b"h0:null\tbbbbbbbbbbbbbbbbb\n");
    let value = ["--format", "console", "--offsets", "0", "storage-4.1.1/v2-producers-0"];
    let assert = dump(&value).assert().success();
    assert!(str::from_utf8(&assert.get_output().stdout).is_err());
}

#[test]
fn text_is_aligned_and_escaped() {
    let text = lines(&["--limit", "2", "--show", "all", "storage-4.1.1/v2-producers-0"]);
    let mut found = text.lines();
    let head = format!("== storage-4.1.1/v2-producers-0/{FIRST_LOG}  base offset 0");
    assert_eq!(found.next(), Some(head.as_str()));
    assert!(found.next().unwrap().starts_with("batch 0..=3 "));
    let record = found.next().unwrap();
    let start = "         0  2023-11-14T22:13:18.041Z  k9                    Z\\xee\\\\\\xe1";
    assert!(record.starts_with(start), "{record}");
    let record = found.next().unwrap();
    assert!(record.ends_with("  <null>                <empty>  {h0=v92, h1=v41}"), "{record}");
}

#[test]
fn the_limit_counts_records_or_batches() {
    assert_eq!(offsets(&["--limit", "5", PLAIN]), [0, 1, 2, 3, 4]);
    assert_eq!(lines(&["--limit", "0", PLAIN]), "");
    let batches = lines(&["--format", "json", "--show", "batches", "--limit", "3", PLAIN]);
    assert_eq!(batches.lines().count(), 3);
    let all = json_lines(&lines(&["--format", "json", "--show", "all", "--limit", "37", PLAIN]));
    assert_eq!(all.iter().filter(|line| line["type"] == "record").count(), 37);
}

#[test]
fn offsets_are_chosen_as_in_rust() {
    assert_eq!(offsets(&["--offsets", "2000..2003", PLAIN]), [2000, 2001, 2002]);
    assert_eq!(offsets(&["--offsets", "100..=102", PLAIN]), [100, 101, 102]);
    assert_eq!(offsets(&["--offsets", "..2", PLAIN]), [0, 1]);
    assert_eq!(offsets(&["--offsets", "1234", PLAIN]), [1234]);
    assert_eq!(offsets(&["--offsets", "9999999..", PLAIN]), [0i64; 0]);
    assert_eq!(offsets(&["--offsets", "7..=8", "storage-4.1.1/v0-mixed-0"]), [7, 8]);
    assert_eq!(offsets(&["--offsets", "7..3", PLAIN]), [0i64; 0]);
    dump(&["--offsets", "x", PLAIN]).assert().code(2).stderr(predicate::str::contains("A..=B"));
}

#[test]
fn every_offset_is_found_through_the_index_as_without_it() {
    for partition in [PLAIN, "storage-4.1.1/v0-lz4-0", "broker-3.9.1/tx-compacted-0"] {
        let all = offsets(&[partition]);
        let last = *all.last().unwrap();
        for start in (0..=last).step_by(97) {
            let found = offsets(&["--limit", "2", "--offsets", &format!("{start}.."), partition]);
            let expected: Vec<i64> =
                all.iter().copied().filter(|offset| *offset >= start).take(2).collect();
            assert_eq!(found, expected, "{partition} from {start}");
        }
    }
}

#[test]
fn a_damaged_index_loses_no_record() {
    let log = format!("{PLAIN}/{FIRST_LOG}");
    let (_folder, partition) = copy_of(&[&log, &log.replace(".log", ".index")]);
    let path = partition.to_str().unwrap();
    let index = partition.join(FIRST_LOG.replace(".log", ".index"));
    let expected = offsets(&["--offsets", "150..", path]);
    assert!(expected.len() > 10);
    let good = fs::read(&index).unwrap();
    let mut shifted = good.clone();
    shifted[7] ^= 1; // beside the start of a batch
    let mut beyond = good.clone();
    beyond[4] = 0x7f; // behind the end of the log
    let mut swapped = good.clone();
    swapped.rotate_left(8); // not ascending
    let mut early = good.clone();
    early[..4].copy_from_slice(&1u32.to_be_bytes()); // claims a low offset far behind
    early.truncate(8);
    for bytes in [shifted, beyond, swapped, early, vec![0xff; 13], vec![0; 64], Vec::new()] {
        fs::write(&index, &bytes).unwrap();
        assert_eq!(offsets(&["--offsets", "150..", path]), expected, "{bytes:x?}");
        assert_eq!(offsets(&["--offsets", "40..", path])[0], 40, "{bytes:x?}");
    }
    fs::remove_file(&index).unwrap();
    assert_eq!(offsets(&["--offsets", "150..", path]), expected);
    dump(&["-v", "--offsets", "150..", path]).assert().stderr(predicate::str::contains("note"));
}

#[test]
fn a_batch_with_a_wrong_crc_is_reported_and_shown() {
    let (_folder, partition) = copy_of(&[&format!("{PLAIN}/{FIRST_LOG}")]);
    let log = partition.join(FIRST_LOG);
    let path = log.to_str().unwrap();
    let batches = json_lines(&lines(&["--format", "json", "--show", "batches", path]));
    let all = offsets(&[path]);
    let position = batches[1]["position"].as_u64().unwrap();
    let size = batches[1]["size"].as_u64().unwrap();
    let mut bytes = fs::read(&log).unwrap();
    bytes[(position + size - 2) as usize] ^= 1;
    fs::write(&log, &bytes).unwrap();

    let assert = dump(&["--format", "json", "--show", "all", path]).assert().code(1);
    let assert = assert.stderr(
        predicate::str::starts_with("warning: ")
            .and(predicate::str::contains(format!("{path}: position {position}: the CRC is 0x"))),
    );
    let shown = json_lines(&String::from_utf8_lossy(&assert.get_output().stdout));
    let valid: Vec<&Value> = shown.iter().filter(|line| line["type"] == "batch").collect();
    assert_eq!(valid.len(), batches.len());
    for (index, batch) in valid.iter().enumerate() {
        assert_eq!(batch["valid"], index != 1);
    }
    assert_eq!(shown.len(), batches.len() + all.len());
    dump(&["--format", "kafka", path])
        .assert()
        .code(1)
        .stdout(predicate::str::contains("isvalid: false").count(1));
}

#[test]
fn a_body_that_does_not_decode_is_reported_and_the_rest_is_shown() {
    let (_folder, partition) = copy_of(&[&format!("storage-4.1.1/v2-zstd-0/{FIRST_LOG}")]);
    let log = partition.join(FIRST_LOG);
    let path = log.to_str().unwrap();
    let batches = json_lines(&lines(&["--format", "json", "--show", "batches", path]));
    let zstd = batches.iter().find(|batch| batch["codec"] == "zstd").unwrap();
    let all = offsets(&[path]);
    let mut bytes = fs::read(&log).unwrap();
    bytes[zstd["position"].as_u64().unwrap() as usize + 61] ^= 1;
    fs::write(&log, &bytes).unwrap();

    let assert = dump(&["--format", "json", path]).assert().code(1);
    let assert = assert.stderr(predicate::str::contains("its records are not shown"));
    let left = json_lines(&String::from_utf8_lossy(&assert.get_output().stdout)).len();
    assert_eq!(left, all.len() - zstd["count"].as_u64().unwrap() as usize);
}

#[test]
fn a_torn_tail_is_damage_unless_the_segment_is_still_written_to() {
    let next = "00000000000000000164.log";
    let (_folder, partition) = copy_of(&[&format!("{PLAIN}/{FIRST_LOG}")]);
    let log = partition.join(FIRST_LOG);
    let path = log.to_str().unwrap();
    let mut bytes = fs::read(&log).unwrap();
    bytes.truncate(bytes.len() - 10);
    fs::write(&log, &bytes).unwrap();

    let active = lines(&["--format", "json", path]);
    let verbose = dump(&["-v", "--format", "json", path]).assert().code(0);
    verbose.stderr(predicate::str::starts_with("note: ").and(predicate::str::contains("position")));
    dump(&["--format", "kafka", path])
        .assert()
        .code(0)
        .stdout(predicate::str::contains(format!("invalid bytes at the end of {FIRST_LOG}\n")));

    fs::write(partition.join(next), "").unwrap();
    let closed = dump(&["--format", "json", path]).assert().code(1);
    let closed = closed.stderr(predicate::str::contains("the file ends inside a batch"));
    assert_eq!(String::from_utf8_lossy(&closed.get_output().stdout), active);

    // Space that was allocated for batches to come is no damage either.
    fs::remove_file(partition.join(next)).unwrap();
    let whole = fs::read(testdata().join(PLAIN).join(FIRST_LOG)).unwrap();
    fs::write(&log, [whole, vec![0; 4096]].concat()).unwrap();
    lines(&["--format", "json", path]);
}

#[test]
fn reading_resumes_behind_a_stretch_that_is_no_batch() {
    let (_folder, partition) = copy_of(&[&format!("{PLAIN}/{FIRST_LOG}")]);
    let log = partition.join(FIRST_LOG);
    let path = log.to_str().unwrap();
    let all = offsets(&[path]);
    let batches = json_lines(&lines(&["--format", "json", "--show", "batches", path]));
    let mut bytes = fs::read(&log).unwrap();
    bytes[batches[2]["position"].as_u64().unwrap() as usize + 16] = 9; // the magic
    fs::write(&log, &bytes).unwrap();
    let assert = dump(&["--format", "json", path]).assert().code(1);
    let assert = assert.stderr(
        predicate::str::contains("magic 9")
            .and(predicate::str::contains("up to the next batch are passed over")),
    );
    let left = json_lines(&String::from_utf8_lossy(&assert.get_output().stdout)).len();
    assert_eq!(left, all.len() - batches[2]["count"].as_u64().unwrap() as usize);
}

#[test]
fn the_files_around_a_log_are_shown() {
    let tx = "broker-3.9.1/tx-compacted-0/00000000000000000000";
    let one = |path: &str| {
        let line = lines(&["--format", "json", "--limit", "1", path]);
        json_lines(&line).remove(0)
    };
    let aborted = one(&format!("{tx}.txnindex"));
    assert_eq!(aborted["type"], "txn_index_entry");
    assert_eq!((&aborted["first_offset"], &aborted["last_offset"]), (&json!(104), &json!(128)));
    assert_eq!(one(&format!("{tx}.timeindex"))["type"], "time_index_entry");
    assert_eq!(one("storage-4.1.1/v2-plain-0/00000000000000000000.index")["position"], 6092);
    let producer = one("broker-3.9.1/tx-compacted-0/00000000000000001357.snapshot");
    assert_eq!(
        (&producer["type"], &producer["topic"]),
        (&json!("producer"), &json!("tx-compacted"))
    );
    let epoch = one("broker-3.9.1/tx-0/leader-epoch-checkpoint");
    assert_eq!(
        epoch,
        json!({"type":"leader_epoch","topic":"tx","partition":0,"epoch":0,"start_offset":0})
    );
    assert_eq!(one("broker-3.9.1/cleaner-offset-checkpoint")["type"], "checkpoint");
    assert_eq!(one("broker-3.9.1/tx-0/partition.metadata")["topic_id"].as_str().unwrap().len(), 22);
    let text = lines(&["broker-3.9.1/cleaner-offset-checkpoint", &format!("{tx}.txnindex")]);
    assert!(text.contains("\ntx-compacted-0 ") && text.contains("\naborted 104..=128 "), "{text}");
}

#[test]
fn files_of_a_swap_are_known_by_their_first_name() {
    let (_folder, partition) = copy_of(&[&format!("{PLAIN}/{FIRST_LOG}")]);
    let expected = offsets(&[partition.to_str().unwrap()]);
    for suffix in ["cleaned", "swap", "deleted"] {
        let path = partition.join(format!("{FIRST_LOG}.{suffix}"));
        fs::copy(partition.join(FIRST_LOG), &path).unwrap();
        assert_eq!(offsets(&[path.to_str().unwrap()]), expected, "{suffix}");
    }
}

#[test]
fn a_damaged_snapshot_or_checkpoint_is_reported() {
    let snapshot = "broker-3.9.1/tx-compacted-0/00000000000000001357.snapshot";
    let (_folder, partition) = copy_of(&[snapshot, "broker-3.9.1/tx-0/leader-epoch-checkpoint"]);
    let path = partition.join("00000000000000001357.snapshot");
    let mut bytes = fs::read(&path).unwrap();
    *bytes.last_mut().unwrap() ^= 1;
    fs::write(&path, bytes).unwrap();
    dump(&[path.to_str().unwrap()]).assert().code(1).stderr(predicate::str::contains("CRC"));
    let path = partition.join("leader-epoch-checkpoint");
    fs::write(&path, "0\n2\n0 0\n").unwrap();
    dump(&[path.to_str().unwrap()]).assert().code(1).stderr(predicate::str::contains("line 2"));
}

#[test]
fn a_path_that_cannot_be_shown_is_refused_in_one_line() {
    let refused = |args: &[&str], says: &str| {
        let assert = dump(args).assert().code(2).stdout("");
        let said = String::from_utf8_lossy(&assert.get_output().stderr).into_owned();
        assert!(said.lines().count() == 1 && said.contains(says), "{said}");
    };
    refused(&["no-such-path"], "no-such-path: cannot read: No such file");
    refused(&["broker-3.9.1/meta.properties"], "leader-epoch-checkpoint");
    refused(&[PLAIN, "no-such-path"], "no-such-path");
    refused(&["--format", "kafka", "broker-3.9.1/cleaner-offset-checkpoint"], "text and json");
    refused(&["--format", "console", &format!("{PLAIN}/00000000000000000000.index")], "json");
    refused(&["--encoding", "hex", PLAIN], "--format json");
    refused(&["--format", "text", "--print", "key", PLAIN], "--format console");
    refused(&["--format", "console", "--show", "all", PLAIN], "--show");
}

#[test]
fn a_reader_that_goes_away_is_no_error() {
    let mut child = Process::new(env!("CARGO_BIN_EXE_logcompact"))
        .current_dir(testdata())
        .args(["dump", "--format", "json", "broker-3.9.1"])
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let mut first = String::new();
    BufReader::new(child.stdout.take().unwrap()).read_line(&mut first).unwrap();
    assert!(first.starts_with("{\"type\":\"record\""), "{first}");
    let mut said = String::new();
    child.stderr.take().unwrap().read_to_string(&mut said).unwrap();
    assert_eq!((child.wait().unwrap().code(), said.as_str()), (Some(0), ""));
}

#[test]
fn the_help_teaches() {
    let help = dump(&["--help"]).assert().code(0);
    let text = String::from_utf8_lossy(&help.get_output().stdout).into_owned();
    assert!(text.matches("    logcompact dump ").count() >= 6, "{text}");
}
