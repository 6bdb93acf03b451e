//! What several test files share: the program, the test data, and a log as lines to compare.
#![allow(dead_code, reason = "each test file uses its own part")]

pub mod against;
pub mod compacting;
pub mod damaged;
pub mod events;
pub mod log;
pub mod power;
pub mod rewritten;
pub mod rounds;
pub mod state;
pub mod steps;

use std::fs;
use std::path::{Path, PathBuf};

use assert_cmd::Command;
use base64::Engine;
use base64::prelude::BASE64_STANDARD;
use logcompact::format::{Batch, Decoder, Record};
use logcompact::segment::PartitionDir;
use serde_json::{Map, Value, json};

/// The program, as a user runs it.
pub fn logcompact() -> Command {
    Command::new(env!("CARGO_BIN_EXE_logcompact"))
}

/// A file or folder of the test data.
pub fn testdata(path: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("testdata").join(path)
}

/// The folders in `path`, by name.
pub fn folders_in(path: &Path) -> Vec<String> {
    let mut names: Vec<String> = fs::read_dir(path)
        .unwrap()
        .map(|entry| entry.unwrap())
        .filter(|entry| entry.path().is_dir())
        .map(|entry| entry.file_name().into_string().unwrap())
        .collect();
    names.sort();
    names
}

/// Copies a folder of files, with their modification times.
pub fn copy_folder(from: &Path, to: &Path) {
    fs::create_dir_all(to).unwrap();
    for entry in fs::read_dir(from).unwrap() {
        let entry = entry.unwrap();
        if entry.path().is_dir() {
            copy_folder(&entry.path(), &to.join(entry.file_name()));
            continue;
        }
        let target = to.join(entry.file_name());
        fs::copy(entry.path(), &target).unwrap();
        let modified = entry.metadata().unwrap().modified().unwrap();
        fs::File::options().append(true).open(target).unwrap().set_modified(modified).unwrap();
    }
}

/// The batches and records of a partition directory as the oracle dumps them, a JSON object each,
/// less what no two writers agree on (`segment`, `position`, `size`, `crc`).
pub fn lines_of(dir: &Path) -> Vec<Value> {
    let partition = PartitionDir::open(dir).unwrap();
    let mut decoder = Decoder::new();
    let mut lines = Vec::new();
    for segment in &partition.segments {
        let log = segment.log().unwrap();
        for item in log.checked_batches() {
            let (_, batch) = item.unwrap();
            let at = lines.len();
            lines.push(Value::Null);
            let records = decoder.records(&batch).unwrap();
            lines.extend(records.map(|record| record_line(&record.unwrap())));
            let first = lines.get(at + 1).map(|record| record["offset"].clone());
            lines[at] = batch_line(&batch, first);
        }
    }
    lines
}

fn batch_line(batch: &Batch<'_>, first_offset: Option<Value>) -> Value {
    let header = &batch.header;
    let base = if header.is_wrapper() { first_offset } else { None };
    json!({
        "base_offset": base.unwrap_or(json!(header.base_offset)),
        "last_offset": header.last_offset,
        "magic": header.magic,
        "codec": header.codec().name(),
        "valid": true,
        "timestamp_type": header.timestamp_type().name(),
        "max_timestamp": header.max_timestamp,
        "producer_id": header.producer_id,
        "producer_epoch": header.producer_epoch,
        "base_sequence": header.base_sequence,
        "last_sequence": header.last_sequence(),
        "leader_epoch": header.leader_epoch,
        "transactional": header.is_transactional(),
        "control": header.is_control(),
        "delete_horizon": header.delete_horizon(),
    })
}

fn record_line(record: &Record<'_>) -> Value {
    let base64 = |bytes: Option<&[u8]>| bytes.map(|bytes| BASE64_STANDARD.encode(bytes));
    let headers: Vec<Value> = record
        .headers()
        .map(|header| header.unwrap())
        .map(|header| json!([base64(Some(header.key)), base64(header.value)]))
        .collect();
    json!({
        "offset": record.offset,
        "timestamp": record.timestamp,
        "sequence": record.sequence,
        "key": base64(record.key),
        "value": base64(record.value),
        "headers": headers,
    })
}

/// The oracle's lines in a file, less the same fields.
pub fn expected_lines(path: &Path) -> Vec<Value> {
    let text = fs::read_to_string(path).unwrap();
    let mut lines: Vec<Value> = text.lines().map(|l| serde_json::from_str(l).unwrap()).collect();
    for line in lines.iter_mut().filter_map(Value::as_object_mut) {
        forget_layout(line);
    }
    lines
}

fn forget_layout(line: &mut Map<String, Value>) {
    for name in ["segment", "position", "size", "crc"] {
        line.remove(name);
    }
}

/// Asserts that two dumps are the same, naming the first line that is not.
pub fn assert_same(ours: &[Value], kafkas: &[Value], case: &str) {
    for (number, (ours, kafkas)) in ours.iter().zip(kafkas).enumerate() {
        assert_eq!(ours, kafkas, "{case}: line {number} (ours left, Kafka's right)");
    }
    assert_eq!(ours.len(), kafkas.len(), "{case}: number of lines");
}
