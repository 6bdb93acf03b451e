//! `logcompact dump --decode`: records of Kafka's internal topics against what `kafka-dump-log.sh`
//! 4.1.1 prints of them with its decoders, in `testdata/internal-topics`.

mod support;

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;

use predicates::prelude::*;
use serde_json::{Value, json};
use support::{logcompact, testdata};

const TOPICS: [(&str, &str); 4] = [
    ("offsets", "__consumer_offsets-0"),
    ("transactions", "__transaction_state-0"),
    ("share", "__share_group_state-0"),
    ("metadata", "__cluster_metadata-0"),
];

/// Standard output of a dump in `folder` of the test data, which must end well.
fn dump_in(folder: &Path, args: &[&str]) -> String {
    let output = logcompact().current_dir(folder).arg("dump").args(args).assert().success();
    String::from_utf8(output.get_output().stdout.clone()).unwrap()
}

fn dump(args: &[&str]) -> String {
    dump_in(&testdata(""), args)
}

fn json_lines(text: &str) -> Vec<Value> {
    text.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
}

fn assert_same_lines(ours: &str, kafkas: &str, case: &str) {
    for (ours, kafkas) in ours.lines().zip(kafkas.lines()) {
        assert_eq!(ours, kafkas, "{case} (ours left, Kafka's right)");
    }
    assert_eq!(ours.lines().count(), kafkas.lines().count(), "{case}: number of lines");
}

#[test]
fn every_type_and_version_sound_or_damaged_is_shown_as_kafkas_tool_shows_it() {
    for (decoder, partition) in TOPICS {
        let file = format!("internal-topics/{partition}/00000000000000000000.log");
        let expected = testdata(&format!("internal-topics/{partition}.txt"));
        let expected = fs::read_to_string(expected).unwrap();
        for decode in [decoder, "auto"] {
            let ours = dump(&["--format", "kafka", "--decode", decode, &file]);
            assert_same_lines(&ours, &expected, partition);
        }
    }
}

#[test]
fn what_a_broker_wrote_is_shown_as_kafkas_tool_shows_it() {
    let expected = testdata("internal-topics/broker-3.9.1.txt");
    let expected = fs::read_to_string(expected).unwrap();
    let files: Vec<&str> =
        expected.lines().filter_map(|line| line.strip_prefix("Dumping ")).collect();
    assert_eq!(files.len(), 6);
    let args = [&["--format", "kafka", "--decode", "auto"], &files[..]].concat();
    assert_same_lines(&dump_in(&testdata("broker-3.9.1"), &args), &expected, "broker-3.9.1");
}

/// The record's part of Kafka's line: the key (if it is JSON) and the payload.
fn kafkas_parts(line: &str) -> (Option<Value>, Option<Value>) {
    let (head, payload) = match line.split_once(" payload: ") {
        Some((head, payload)) => (head, Some(payload)),
        None => (line, None),
    };
    let key = head.split_once(" key: ").map(|(_, key)| key);
    let parse = |text: &str| serde_json::from_str::<Value>(text).ok();
    (key.and_then(parse), payload.and_then(parse))
}

/// Kafka's console formatters have a number where its dump tool has a string.
fn with_number(mut part: Value, name: &str) -> Value {
    if let Some(number) = part[name].as_str() {
        part[name] = json!(number.parse::<i64>().unwrap());
    }
    part
}

#[test]
fn json_has_what_kafkas_formatters_have_beside_the_bytes_that_it_had_before() {
    for (decoder, partition) in TOPICS {
        let path = format!("internal-topics/{partition}");
        let plain = json_lines(&dump(&["--format", "json", &path]));
        let decoded = json_lines(&dump(&["--format", "json", "--decode", decoder, &path]));
        let expected = fs::read_to_string(testdata(&format!("{path}.txt"))).unwrap();
        let records: Vec<&str> = expected.lines().filter(|line| line.starts_with("| ")).collect();
        assert_eq!((plain.len(), decoded.len()), (records.len(), records.len()));
        let (mut sound, mut unsound) = (0, 0);
        for ((plain, mut line), record) in plain.into_iter().zip(decoded).zip(records) {
            let said = line.as_object_mut().unwrap().remove("decoded").unwrap();
            assert_eq!(line, plain, "nothing else changes");
            let (key, value) = kafkas_parts(record);
            if let Some(error) = said.get("error") {
                assert!(!error.as_str().unwrap().is_empty());
                let version = value.as_ref().map(|value| value["version"].clone());
                // Kafka reads metadata of a later version as if it were one that it knows.
                assert!(
                    record.contains("Error at")
                        || record.contains("Unknown record type")
                        || (decoder == "metadata" && version.is_some()),
                    "{record}: {said}"
                );
                unsound += 1;
                continue;
            }
            sound += 1;
            if decoder == "metadata" {
                assert_eq!(Some(said), value);
                continue;
            }
            let mut said = said;
            for part in ["key", "value"] {
                if let Some(trailing) = said[part].as_object_mut() {
                    trailing.remove("trailing_bytes");
                }
            }
            let value = value.map(|value| with_number(value, "version")).unwrap_or_default();
            let key = with_number(key.unwrap(), "type");
            assert_eq!(said, json!({ "key": key, "value": value }), "{record}");
        }
        assert!(sound > 10 && unsound > 5, "{partition}: {sound} and {unsound}");
    }
}

#[test]
fn all_that_a_broker_wrote_to_its_internal_topics_is_understood() {
    let text = dump(&["--format", "json", "--decode", "auto", "broker-3.9.1"]);
    let mut decoded = BTreeSet::new();
    for line in json_lines(&text) {
        let topic = line["topic"].as_str().unwrap().to_owned();
        let is_internal = topic.starts_with("__") && line["control"].is_null();
        assert_eq!(line.get("decoded").is_some(), is_internal, "{line}");
        let Some(said) = line.get("decoded") else { continue };
        assert!(said.get("error").is_none(), "{line}");
        assert!(!said.to_string().contains("trailing_bytes"), "{line}");
        decoded.insert(topic);
    }
    assert_eq!(decoded.len(), 3, "{decoded:?}");
}

#[test]
fn members_of_a_classic_group_say_what_they_read() {
    let text = dump(&["--format", "json", "--decode", "auto", "broker-3.9.1/__consumer_offsets-1"]);
    let group = json_lines(&text).remove(0)["decoded"]["value"].clone();
    assert_eq!(group["version"], 3);
    let member = &group["data"]["members"][0];
    assert_eq!(member["subscription"]["topics"], json!(["experiments.latest"]));
    let assigned = json!([{ "topic": "experiments.latest", "partitions": [0, 1, 2] }]);
    assert_eq!(member["assignment"]["assignedPartitions"], assigned);
}

#[test]
fn text_is_a_line_a_record_that_can_be_read() {
    let text = dump(&["--decode", "auto", "broker-3.9.1/__consumer_offsets-1"]);
    for part in [
        "  group group-3  generation 1  type consumer  protocol range  leader rdkafka-",
        "  offset commit  group group-3  topic experiments.latest-2  offset 100  leader epoch 0",
    ] {
        assert!(text.contains(part), "{part}");
    }
    let text = dump(&["--decode", "auto", "broker-3.9.1/__transaction_state-1"]);
    assert!(text.contains("  transactional id tx-2  Ongoing  producer 3 epoch 0  timeout 900000"));
    let text = dump(&["--decode", "auto", "broker-3.9.1/__cluster_metadata-0"]);
    assert!(text.contains("  FeatureLevelRecord  name metadata.version  featureLevel 21\n"));
    let text = dump(&["--decode", "auto", "internal-topics"]);
    assert!(text.contains("<tombstone>") && text.contains("(not decoded: "));
    assert!(!text.chars().any(|c| c.is_control() && c != '\n'), "a terminal stays as it is");
}

#[test]
fn a_metadata_snapshot_is_decoded_by_its_name() {
    let temp = tempfile::tempdir().unwrap();
    let snapshot = temp.path().join("00000000000000000003-0000000001.checkpoint");
    fs::copy(testdata("broker-3.9.1/bootstrap.checkpoint"), &snapshot).unwrap();
    let text = dump(&["--decode", "auto", "--format", "json", snapshot.to_str().unwrap()]);
    let said: Vec<Value> =
        json_lines(&text).into_iter().filter_map(|line| line.get("decoded").cloned()).collect();
    let expected = json!({
        "type": "FEATURE_LEVEL_RECORD",
        "version": 0,
        "data": { "name": "metadata.version", "featureLevel": 21 },
    });
    assert_eq!(said, [expected]);
}

#[test]
fn formats_without_a_place_for_it_refuse_to_decode() {
    let path = "broker-3.9.1/__consumer_offsets-1";
    logcompact()
        .current_dir(testdata(""))
        .args(["dump", "--decode", "auto", "--format", "console", path])
        .assert()
        .code(2)
        .stderr(predicate::str::contains("--decode has lines in --format text, json and kafka"));
}

#[test]
fn a_record_without_a_key_is_shown_with_the_reason() {
    let path = "broker-3.9.1/__cluster_metadata-0";
    let text = dump(&["--format", "json", "--decode", "offsets", path]);
    let lines = json_lines(&text);
    assert!(lines.iter().any(|line| line["decoded"] == json!({ "error": "it has no key" })));
    let text = dump(&["--format", "kafka", "--decode", "offsets", path]);
    assert!(text.contains(" key: Error at offset "));
}
