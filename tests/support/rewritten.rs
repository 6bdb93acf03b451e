//! What Kafka left, from its dump back to a directory: batches of magic 2, not compressed, with the
//! offsets, timestamps, keys, values, headers and transactions of the lines.

use std::fs;
use std::path::{Path, PathBuf};

use base64::Engine;
use base64::prelude::BASE64_STANDARD;
use serde_json::Value;

use super::log::{seal, zigzag};

/// The lines of a dump, batches and records.
pub fn read_lines(path: &Path) -> Vec<Value> {
    let text = fs::read_to_string(path).unwrap();
    text.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
}

/// Writes the lines as the partition directory `root/<name>`.
pub fn write_lines(root: &Path, name: &str, lines: &[Value]) -> PathBuf {
    let dir = root.join(name);
    fs::create_dir_all(&dir).unwrap();
    let is_batch = |line: &Value| line.get("base_offset").is_some();
    let mut segments: Vec<(String, Vec<u8>)> = Vec::new();
    let mut rest = lines;
    while let Some((batch, behind)) = rest.split_first() {
        let count = behind.iter().take_while(|line| !is_batch(line)).count();
        let (records, behind) = behind.split_at(count);
        let segment = batch["segment"].as_str().unwrap();
        if segments.last().is_none_or(|(last, _)| last != segment) {
            segments.push((segment.to_owned(), Vec::new()));
        }
        segments.last_mut().unwrap().1.extend(batch_of(batch, records));
        rest = behind;
    }
    for (segment, bytes) in segments {
        fs::write(dir.join(segment), bytes).unwrap();
    }
    dir
}

fn batch_of(batch: &Value, records: &[Value]) -> Vec<u8> {
    let number = |line: &Value, name: &str| line[name].as_i64().unwrap();
    let base_offset = number(batch, "base_offset");
    let base_timestamp = records.first().map_or(-1, |record| number(record, "timestamp"));
    let mut body = Vec::new();
    for record in records {
        let mut bytes = vec![0];
        zigzag(&mut bytes, number(record, "timestamp") - base_timestamp);
        zigzag(&mut bytes, number(record, "offset") - base_offset);
        put_nullable(&mut bytes, &record["key"]);
        put_nullable(&mut bytes, &record["value"]);
        let headers = record["headers"].as_array().unwrap();
        zigzag(&mut bytes, headers.len() as i64);
        for header in headers {
            put_nullable(&mut bytes, &header[0]);
            put_nullable(&mut bytes, &header[1]);
        }
        zigzag(&mut body, bytes.len() as i64);
        body.extend_from_slice(&bytes);
    }
    let is_append_time = batch["timestamp_type"] == "LogAppendTime";
    let flags = [(is_append_time, 3), (batch["transactional"] == true, 4)];
    let flags = flags.into_iter().chain([(batch["control"] == true, 5)]);
    let attributes: i16 = flags.map(|(is_set, bit)| i16::from(is_set) << bit).sum();
    let mut checked = Vec::new();
    checked.extend_from_slice(&attributes.to_be_bytes());
    let last_delta = number(batch, "last_offset") - base_offset;
    checked.extend_from_slice(&(last_delta as i32).to_be_bytes());
    checked.extend_from_slice(&base_timestamp.to_be_bytes());
    checked.extend_from_slice(&number(batch, "max_timestamp").to_be_bytes());
    checked.extend_from_slice(&number(batch, "producer_id").to_be_bytes());
    checked.extend_from_slice(&(number(batch, "producer_epoch") as i16).to_be_bytes());
    checked.extend_from_slice(&(number(batch, "base_sequence") as i32).to_be_bytes());
    checked.extend_from_slice(&(records.len() as i32).to_be_bytes());
    checked.extend_from_slice(&body);
    seal(base_offset, &checked)
}

fn put_nullable(out: &mut Vec<u8>, value: &Value) {
    match value.as_str() {
        None => zigzag(out, -1),
        Some(text) => {
            let bytes = BASE64_STANDARD.decode(text).unwrap();
            zigzag(out, bytes.len() as i64);
            out.extend_from_slice(&bytes);
        }
    }
}
