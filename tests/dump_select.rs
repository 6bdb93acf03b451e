//! What `dump` selects, against the same conditions put to its full JSON output one by one; and how
//! little of a log it looks at to find it.

mod support;

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};

use assert_cmd::Command;
use serde_json::Value;
use support::log::{Log, put};
use tempfile::TempDir;

const DIRS: [&str; 9] = [
    "broker-3.9.1/lab-raw-0",
    "broker-3.9.1/tx-0",
    "broker-3.9.1/tx-compacted-0",
    "broker-3.9.1/rdk-zstd-0",
    "broker-3.9.1/appendtime-0",
    "storage-4.1.1/v2-mixed-0",
    "storage-4.1.1/v2-open-txn-0",
    "storage-4.1.1/v1-gzip-0",
    "storage-4.1.1/v0-mixed-0",
];

fn testdata() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("testdata")
}

fn dump(dir: &Path, args: &[&str]) -> Vec<Value> {
    let mut command = Command::new(env!("CARGO_BIN_EXE_logcompact"));
    let command = command.args(["dump", "--format", "json"]).arg(dir).args(args);
    let output = command.assert().code(0).stderr("").get_output().stdout.clone();
    let text = String::from_utf8(output).unwrap();
    text.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
}

fn int(line: &Value, field: &str) -> i64 {
    line[field].as_i64().unwrap()
}

fn offsets(lines: &[Value]) -> Vec<i64> {
    lines.iter().map(|line| int(line, "offset")).collect()
}

/// A record with what its batch says.
struct Row {
    line: Value,
    producer_id: i64,
    is_transactional: bool,
}

/// All records of a directory, with their batches.
fn rows(dir: &Path) -> Vec<Row> {
    let mut rows = Vec::new();
    let (mut producer_id, mut is_transactional) = (-1, false);
    for line in dump(dir, &["--show", "all"]) {
        if line["type"] == "batch" {
            producer_id = int(&line, "producer_id");
            is_transactional = line["transactional"] == true;
        } else {
            rows.push(Row { line, producer_id, is_transactional });
        }
    }
    rows
}

fn wanted(rows: &[Row], condition: impl Fn(&Row) -> bool) -> Vec<Value> {
    rows.iter().filter(|row| condition(row)).map(|row| row.line.clone()).collect()
}

/// The records that a `read_committed` consumer is given, by the markers in the rows.
fn committed(rows: &[Row]) -> Vec<&Row> {
    let mut open: BTreeMap<i64, Vec<&Row>> = BTreeMap::new();
    let mut aborted = BTreeSet::new();
    for row in rows {
        match row.line["control"]["type"].as_str() {
            Some(end @ ("COMMIT" | "ABORT")) => {
                let data = open.remove(&row.producer_id).unwrap_or_default();
                if end == "ABORT" {
                    aborted.extend(data.iter().map(|row| int(&row.line, "offset")));
                }
            }
            Some(_) => {}
            None if row.is_transactional => open.entry(row.producer_id).or_default().push(row),
            None => {}
        }
    }
    let first = |rows: &Vec<&Row>| int(&rows[0].line, "offset");
    let stable = open.values().map(first).min().unwrap_or(i64::MAX);
    let is_given = |row: &&Row| {
        let offset = int(&row.line, "offset");
        row.line["control"].is_null() && offset < stable && !aborted.contains(&offset)
    };
    rows.iter().filter(is_given).collect()
}

#[test]
fn offsets_select_what_lies_between_them() {
    for dir in DIRS.map(|dir| testdata().join(dir)) {
        let rows = rows(&dir);
        let last = int(&rows.last().unwrap().line, "offset");
        for (start, end) in [(0, last / 3), (last / 3, last / 2), (last - 1, last + 1)] {
            let expected = wanted(&rows, |row| (start..end).contains(&int(&row.line, "offset")));
            let got = dump(&dir, &["--offsets", &format!("{start}..{end}")]);
            assert_eq!(got, expected, "{} {start}..{end}", dir.display());
        }
    }
}

#[test]
fn times_select_what_lies_between_them_in_whatever_order_it_came() {
    for dir in DIRS.map(|dir| testdata().join(dir)) {
        let rows = rows(&dir);
        let mut times: Vec<i64> = rows.iter().map(|row| int(&row.line, "timestamp")).collect();
        times.sort_unstable();
        let at = |part: usize| times[(times.len() - 1) * part / 5].max(0);
        for (start, end) in [(at(0), at(1)), (at(1), at(3)), (at(4), at(5) + 1), (at(2), at(2) + 1)]
        {
            let is_in = |row: &Row| (start..end).contains(&int(&row.line, "timestamp"));
            let got = dump(&dir, &["-q", "--time", &format!("{start}..{end}")]);
            assert_eq!(got, wanted(&rows, is_in), "{} {start}..{end}", dir.display());
            // With the offsets, too.
            let middle = int(&rows[rows.len() / 2].line, "offset");
            let both = |row: &Row| is_in(row) && int(&row.line, "offset") >= middle;
            let got = dump(
                &dir,
                &["-q", "--time", &format!("{start}..{end}"), "--offsets", &format!("{middle}..")],
            );
            assert_eq!(got, wanted(&rows, both), "{} {start}..{end}", dir.display());
        }
    }
}

#[test]
fn keys_values_and_producers_select_the_records_that_have_them() {
    for dir in DIRS.map(|dir| testdata().join(dir)) {
        let rows = rows(&dir);
        let is_user = |row: &Row| row.line["control"].is_null();
        let keyed = rows.iter().filter(|row| is_user(row) && row.line["key"].is_string());
        let keys: BTreeSet<&str> = keyed.map(|row| row.line["key"].as_str().unwrap()).collect();
        for key in keys.iter().take(3) {
            let has_key = |row: &Row| is_user(row) && row.line["key"] == **key;
            assert_eq!(dump(&dir, &["--key", key]), wanted(&rows, has_key), "{key}");
        }
        let two: Vec<&str> = keys.iter().copied().take(2).collect();
        if let [a, b] = two[..] {
            let has_either =
                |row: &Row| is_user(row) && (row.line["key"] == a || row.line["key"] == b);
            assert_eq!(dump(&dir, &["--key", a, "--key", b]), wanted(&rows, has_either));
        }
        let ends = |text: &Value, with: char| text.as_str().is_some_and(|t| t.ends_with(with));
        let by_key = |row: &Row| is_user(row) && ends(&row.line["key"], '1');
        let got = dump(&dir, &["--key-regex", "1$"]);
        let got: Vec<Value> = got.into_iter().filter(|line| line["key"].is_string()).collect();
        assert_eq!(got, wanted(&rows, by_key), "{}", dir.display());
        let by_value = |row: &Row| is_user(row) && ends(&row.line["value"], '7');
        let got = dump(&dir, &["--value-regex", "7$"]);
        let got: Vec<Value> = got.into_iter().filter(|line| line["value"].is_string()).collect();
        assert_eq!(got, wanted(&rows, by_value), "{}", dir.display());
        let producer = rows.iter().map(|row| row.producer_id).max().unwrap();
        let of_producer = |row: &Row| row.producer_id == producer;
        let got = dump(&dir, &["--producer-id", &producer.to_string()]);
        assert_eq!(got, wanted(&rows, of_producer), "{}", dir.display());
    }
}

#[test]
fn read_committed_hides_what_was_aborted_all_markers_and_what_is_still_open() {
    let mut hidden = 0;
    for dir in DIRS.map(|dir| testdata().join(dir)) {
        let rows = rows(&dir);
        let given = committed(&rows);
        let lines = |given: &[&Row]| given.iter().map(|r| r.line.clone()).collect::<Vec<_>>();
        let got = dump(&dir, &["--isolation", "read_committed"]);
        assert_eq!(got, lines(&given), "{}", dir.display());
        hidden += rows.len() - given.len();
        // From anywhere on: what was open there is known from a snapshot, or from reading all.
        for part in 1..8 {
            let start = int(&rows[rows.len() * part / 8].line, "offset");
            let behind: Vec<&Row> =
                given.iter().copied().filter(|r| int(&r.line, "offset") >= start).collect();
            let range = format!("{start}..");
            let got = dump(&dir, &["--isolation", "read_committed", "--offsets", &range]);
            assert_eq!(got, lines(&behind), "{} {range}", dir.display());
            let some = behind.into_iter().take_while(|r| int(&r.line, "offset") < start + 100);
            let some: Vec<&Row> = some.collect();
            let range = format!("{start}..{}", start + 100);
            let got = dump(&dir, &["--isolation", "read_committed", "--offsets", &range]);
            assert_eq!(got, lines(&some), "{} {range}", dir.display());
        }
    }
    assert!(hidden > 500, "{hidden}");
}

#[test]
fn newest_first_is_the_same_the_other_way_round() {
    for dir in DIRS.map(|dir| testdata().join(dir)) {
        for args in [vec![], vec!["--offsets", "3..200"], vec!["--isolation", "read_committed"]] {
            let mut forward = dump(&dir, &args);
            forward.reverse();
            let backward = dump(&dir, &[&args[..], &["--reverse"]].concat());
            assert_eq!(offsets(&backward), offsets(&forward), "{} {args:?}", dir.display());
            assert_eq!(backward, forward);
            for limit in [1, 7, 150] {
                let limit_text = limit.to_string();
                let some =
                    dump(&dir, &[&args[..], &["--reverse", "--limit", &limit_text]].concat());
                assert_eq!(some, forward[..limit.min(forward.len())], "{args:?} {limit}");
            }
        }
    }
}

#[test]
fn the_state_is_the_latest_committed_value_of_each_key_in_whatever_memory() {
    for dir in DIRS.map(|dir| testdata().join(dir)) {
        let rows = rows(&dir);
        let mut latest = BTreeMap::new();
        for row in committed(&rows).iter().filter(|row| !row.line["key"].is_null()) {
            latest.insert(row.line["key"].to_string(), &row.line);
        }
        let mut expected: Vec<Value> =
            latest.into_values().filter(|line| !line["value"].is_null()).cloned().collect();
        expected.sort_by_key(|line| int(line, "offset"));
        assert_eq!(dump(&dir, &["--state"]), expected, "{}", dir.display());
        assert_eq!(dump(&dir, &["--state", "--memory", "1KiB"]), expected, "{}", dir.display());
        expected.reverse();
        assert_eq!(dump(&dir, &["--state", "--reverse"]), expected, "{}", dir.display());
    }
}

#[test]
fn the_state_at_an_offset_is_that_of_the_log_up_to_there() {
    let dir = testdata().join("broker-3.9.1/lab-raw-0");
    let state = |args: &[&str]| {
        let lines = dump(&dir, &[&["--state"], args].concat());
        lines.iter().map(|l| format!("{}={}", l["key"], l["value"])).collect::<Vec<_>>()
    };
    assert_eq!(state(&["--offsets", "..2"]), [r#""A"="2""#]);
    assert_eq!(state(&["--offsets", "..5"]), [r#""A"="3""#, r#""user1"="update_profile""#]);
    // The value is looked at when it is known which one is the latest.
    assert_eq!(state(&["--offsets", "..5", "--value-regex", "login"]), Vec::<String>::new());
    assert_eq!(state(&["--key", "user1"]), [r#""user1"="logout""#]);
}

#[test]
fn a_state_is_the_same_before_and_after_a_compaction() {
    for dir in ["broker-3.9.1/tx-compacted-0", "broker-3.9.1/lab-raw-0", "broker-3.9.1/rdk-zstd-0"]
    {
        let temp = TempDir::new().unwrap();
        let out = temp.path().join("out");
        let mut command = Command::new(env!("CARGO_BIN_EXE_logcompact"));
        let command = command.arg("compact").arg(testdata().join(dir)).arg("--out").arg(&out);
        command.args(["-q", "--now", "1795300000000"]).assert().code(0);
        let before = dump(&testdata().join(dir), &["--state"]);
        let after = dump(&out.join(Path::new(dir).file_name().unwrap()), &["--state"]);
        // A record may lie in another segment file now.
        let said = |lines: &[Value]| {
            let without = |line: &Value| {
                let mut line = line.as_object().unwrap().clone();
                line.remove("segment");
                line.remove("sequence");
                line
            };
            lines.iter().map(without).collect::<Vec<_>>()
        };
        assert_eq!(said(&before), said(&after), "{dir}");
        assert!(!before.is_empty());
    }
}

#[test]
fn batches_are_shown_if_one_of_their_records_is_wanted() {
    let dir = testdata().join("broker-3.9.1/rdk-zstd-0");
    let key = rows(&dir)[100].line["key"].as_str().unwrap().to_string();
    let records = offsets(&dump(&dir, &["--key", &key]));
    let batches = dump(&dir, &["--key", &key, "--show", "batches"]);
    assert!(!batches.is_empty());
    for batch in &batches {
        let span = int(batch, "base_offset")..=int(batch, "last_offset");
        assert!(records.iter().any(|offset| span.contains(offset)));
    }
    let all = dump(&dir, &["--key", &key, "--show", "all"]);
    assert_eq!(all.iter().filter(|line| line["type"] == "batch").count(), batches.len());
    assert_eq!(all.len(), batches.len() + records.len());
}

#[test]
fn threads_do_not_change_what_is_selected() {
    let dir = testdata().join("broker-3.9.1/tx-0");
    for args in [
        &["--reverse", "--limit", "40"][..],
        &["--state", "--memory", "1KiB"],
        &["--isolation", "read_committed", "--show", "all"],
        &["--key-regex", "1$", "--show", "all", "--reverse"],
    ] {
        let one = dump(&dir, &[args, &["--threads", "1"]].concat());
        assert!(!one.is_empty());
        assert_eq!(dump(&dir, &[args, &["--threads", "5"]].concat()), one, "{args:?}");
    }
}

#[test]
fn a_transactional_id_stands_for_the_producers_that_had_it() {
    let root = testdata().join("broker-3.9.1");
    let states: Vec<Value> = (0..3)
        .flat_map(|n| dump(&root.join(format!("__transaction_state-{n}")), &["--decode", "auto"]))
        .collect();
    for id in ["tx-1", "tx-2"] {
        let of_id = states.iter().filter(|s| s["decoded"]["key"]["data"]["transactionalId"] == id);
        let producers: BTreeSet<i64> =
            of_id.map(|s| int(&s["decoded"]["value"]["data"], "producerId")).collect();
        assert!(!producers.is_empty(), "{id}");
        let dir = root.join("tx-0");
        let expected = wanted(&rows(&dir), |row| producers.contains(&row.producer_id));
        assert!(!expected.is_empty());
        assert_eq!(dump(&dir, &["--transactional-id", id]), expected, "{id}");
        let log = dir.join("00000000000000000000.log");
        assert!(!dump(&log, &["--transactional-id", id]).is_empty());
    }
}

#[test]
fn transactional_ids_that_nothing_here_knows_are_refused_with_what_is_missing() {
    let (_temp, dir) = copy_of(&testdata().join("broker-3.9.1/tx-0"));
    // What lies above it may be no log directory, and nobody named that.
    let mut command = Command::new(env!("CARGO_BIN_EXE_logcompact"));
    command.args(["dump", "--transactional-id", "tx-1"]).arg(&dir).assert().code(2).stderr(
        predicates::str::contains("__transaction_state is not there, which knows transactional"),
    );
}

#[test]
fn what_a_group_has_not_read_yet_begins_where_it_has_committed() {
    let root = testdata().join("broker-3.9.1");
    let mut read_on = 0;
    for group in ["group-0", "group-1", "group-2", "group-3"] {
        let mut command = Command::new(env!("CARGO_BIN_EXE_logcompact"));
        let command = command.args(["groups", "--group", group, "--format", "json"]).arg(&root);
        let output = command.assert().code(0).get_output().stdout.clone();
        let rows = String::from_utf8(output).unwrap();
        let rows = rows.lines().map(|line| serde_json::from_str::<Value>(line).unwrap());
        let rows: Vec<Value> = rows.filter(|row| row["type"] == "offset").collect();
        assert!(!rows.is_empty());
        let mut expected = Vec::new();
        for row in &rows {
            let dir = root.join(format!("{}-{}", row["topic"].as_str().unwrap(), row["partition"]));
            let start = int(row, "offset");
            let of_dir = dump(&dir, &["--offsets", &format!("{start}..")]);
            assert_eq!(dump(&dir, &["--group", group]), of_dir, "{group}: {dir:?}");
            expected.extend(of_dir);
        }
        read_on += expected.len();
        assert_eq!(dump(&root, &["--group", group]), expected, "{group}");
    }
    assert!(read_on > 1000, "{read_on}");
}

#[test]
fn damage_where_a_group_has_committed_is_told_of() {
    let temp = TempDir::new().unwrap();
    let root = testdata().join("broker-3.9.1");
    for name in ["__consumer_offsets-3", "experiments.latest-2"] {
        let copy = temp.path().join(name);
        fs::create_dir(&copy).unwrap();
        for entry in fs::read_dir(root.join(name)).unwrap() {
            let entry = entry.unwrap();
            fs::copy(entry.path(), copy.join(entry.file_name())).unwrap();
        }
    }
    let group = |status: i32| {
        let mut command = Command::new(env!("CARGO_BIN_EXE_logcompact"));
        let command = command.args(["dump", "--group", "group-0"]).arg(temp.path());
        let stderr = command.assert().code(status).get_output().stderr.clone();
        String::from_utf8(stderr).unwrap()
    };
    assert_eq!(group(0), "");
    let log = temp.path().join("__consumer_offsets-3/00000000000000000000.log");
    let mut bytes = fs::read(&log).unwrap();
    bytes[70] ^= 1;
    fs::write(&log, bytes).unwrap();
    assert!(group(1).contains("__consumer_offsets-3/00000000000000000000.log: position 0"));
}

#[test]
fn what_has_no_meaning_is_refused() {
    let refused = |args: &[&str], why: &str| {
        let mut command = Command::new(env!("CARGO_BIN_EXE_logcompact"));
        let command = command.current_dir(testdata().join("broker-3.9.1")).arg("dump").args(args);
        let stderr = command.assert().code(2).stdout("").get_output().stderr.clone();
        let stderr = String::from_utf8(stderr).unwrap();
        assert!(stderr.contains(why), "{args:?}: {stderr}");
    };
    refused(&["lab-raw-0", "--key", "hex:0"], "hexadecimal");
    refused(&["lab-raw-0", "--time", "yesterday.."], "is not a time");
    let mut command = Command::new(env!("CARGO_BIN_EXE_logcompact"));
    let command = command
        .args(["dump", "--time", "1795213237.."])
        .arg(testdata().join("broker-3.9.1/lab-raw-0"));
    let stderr = command.assert().code(0).get_output().stderr.clone();
    assert!(String::from_utf8(stderr).unwrap().contains("milliseconds, not seconds"));
    refused(&["lab-raw-0", "--key-regex", "("], "unclosed group");
    refused(&["lab-raw-0", "--state", "--show", "batches"], "--state");
    refused(&["lab-raw-0", "--time-in-order"], "--time");
    refused(&["cleaner-offset-checkpoint", "--key", "A"], "only a .log");
    refused(&["tx-0", "--transactional-id", "nobody"], "no transactional id");
    let (_temp, alone) = copy_of(&testdata().join("broker-3.9.1/lab-raw-0"));
    let alone = alone.to_str().unwrap();
    refused(&[alone, "--group", "group-0"], "there is no partition of __consumer_offsets");
    refused(&[".", "--group", "nobody"], "there is no group");
    let index = "tx-0/00000000000000000000.index";
    refused(&[index, "--reverse"], "only a .log");
}

/// Overwrites all bytes of a directory's logs but those in the given ranges, by segment.
fn poison(dir: &Path, kept: &[(String, std::ops::Range<usize>)]) -> usize {
    let logs = fs::read_dir(dir).unwrap().map(|entry| entry.unwrap().path());
    let mut kept_bytes = 0;
    for log in logs.filter(|path| path.extension().is_some_and(|e| e == "log")) {
        let name = log.file_name().unwrap().to_str().unwrap().to_string();
        let bytes = fs::read(&log).unwrap();
        let mut poisoned = vec![0xee; bytes.len()];
        for (_, range) in kept.iter().filter(|(segment, _)| *segment == name) {
            let range = range.start..range.end.min(bytes.len());
            kept_bytes += range.len();
            poisoned[range.clone()].copy_from_slice(&bytes[range]);
        }
        fs::write(&log, poisoned).unwrap();
    }
    kept_bytes
}

fn copy_of(dir: &Path) -> (TempDir, PathBuf) {
    let temp = TempDir::new().unwrap();
    let copy = temp.path().join(dir.file_name().unwrap());
    fs::create_dir(&copy).unwrap();
    for entry in fs::read_dir(dir).unwrap() {
        let entry = entry.unwrap();
        fs::copy(entry.path(), copy.join(entry.file_name())).unwrap();
    }
    (temp, copy)
}

fn usize_of(line: &Value, field: &str) -> usize {
    usize::try_from(int(line, field)).unwrap()
}

/// Where in its segment the last index entry at or below `offset` points.
fn floor(dir: &Path, segment: &str, offset: i64) -> usize {
    let entries = dump(&dir.join(segment).with_extension("index"), &[]);
    let below = entries.iter().rev().find(|entry| int(entry, "offset") <= offset);
    below.map_or(0, |entry| usize_of(entry, "position"))
}

#[test]
fn a_selection_by_offset_looks_at_no_byte_of_a_log_but_those_from_the_index_entry_to_its_end() {
    let dir = testdata().join("broker-3.9.1/rdk-none-0");
    let batches = dump(&dir, &["--show", "batches"]);
    let log_bytes: usize = batches.iter().map(|batch| usize_of(batch, "size")).sum();
    for (start, end) in [(700, 720), (1000, 1010), (1700, 1701), (3900, 4000), (4950, 4970)] {
        let range = format!("{start}..{end}");
        let expected = dump(&dir, &["--offsets", &range]);
        assert_eq!(offsets(&expected), (start..end).collect::<Vec<_>>());
        let is_in = |b: &&Value| int(b, "base_offset") < end && int(b, "last_offset") >= start;
        let mut kept = Vec::new();
        for batch in batches.iter().filter(is_in) {
            let segment = batch["segment"].as_str().unwrap().to_string();
            let begin = floor(&dir, &segment, start);
            // That the next batch lies behind the range counts once its checksum holds.
            let position = usize_of(batch, "position") + usize_of(batch, "size");
            let is_next =
                |b: &&Value| b["segment"] == *segment && usize_of(b, "position") == position;
            let next_bytes = batches.iter().find(is_next).map_or(0, |next| usize_of(next, "size"));
            let stop = position + next_bytes;
            kept.push((segment, begin..stop));
        }
        kept.dedup_by(|next, first| {
            let is_same = next.0 == first.0;
            first.1.end = if is_same { next.1.end } else { first.1.end };
            is_same
        });
        let (_temp, copy) = copy_of(&dir);
        let kept_bytes = poison(&copy, &kept);
        assert!(kept_bytes < log_bytes / 12, "{range}: {kept_bytes} of {log_bytes}");
        assert_eq!(dump(&copy, &["--offsets", &range]), expected, "{range}");
    }
}

#[test]
fn a_selection_by_time_looks_at_nothing_in_front_of_the_time_index_entry_and_ends_where_it_may() {
    let dir = testdata().join("broker-3.9.1/rdk-none-0");
    let batches = dump(&dir, &["--show", "batches"]);
    let log_bytes: usize = batches.iter().map(|batch| usize_of(batch, "size")).sum();
    let segments: BTreeSet<String> =
        batches.iter().map(|batch| batch["segment"].as_str().unwrap().to_string()).collect();
    for at in [20, 60, 100] {
        let from = int(&batches[at], "max_timestamp");
        let to = int(&batches[at + 10], "max_timestamp") + 1;
        let range = format!("{from}..{to}");
        let expected = dump(&dir, &["--time", &range]);
        assert!(expected.len() > 20);
        let mut kept = Vec::new();
        let mut is_over = false;
        for segment in &segments {
            let entries = dump(&dir.join(segment).with_extension("timeindex"), &[]);
            let below = entries.iter().rev().find(|entry| int(entry, "timestamp") < from);
            let begin = below.map_or(0, |entry| floor(&dir, segment, int(entry, "offset")));
            let reaches_end = |b: &&Value| {
                b["segment"] == **segment
                    && usize_of(b, "position") >= begin
                    && int(b, "max_timestamp") >= to
            };
            let stop = batches.iter().find(reaches_end);
            let stop_at = |b: &Value| usize_of(b, "position") + usize_of(b, "size");
            if !is_over {
                kept.push((segment.clone(), begin..stop.map_or(usize::MAX, stop_at)));
            }
            is_over |= stop.is_some();
        }
        let (_temp, copy) = copy_of(&dir);
        let kept_bytes = poison(&copy, &kept);
        assert!(kept_bytes < log_bytes / 3, "{range}: {kept_bytes} of {log_bytes}");
        let got = dump(&copy, &["--time", &range, "--time-in-order"]);
        assert_eq!(offsets(&got), offsets(&expected), "{range}");
    }
}

#[test]
fn the_newest_records_are_found_from_the_end() {
    let dir = testdata().join("broker-3.9.1/rdk-none-0");
    let expected = dump(&dir, &["--reverse", "--limit", "5"]);
    let (_temp, copy) = copy_of(&dir);
    let last = "00000000000000004959.log".to_string();
    poison(&copy, &[(last, 0..usize::MAX)]);
    assert_eq!(dump(&copy, &["--reverse", "--limit", "5"]), expected);
}

#[test]
fn a_time_index_entry_that_passes_over_later_records_on_the_way_to_its_own_is_not_believed() {
    let temp = TempDir::new().unwrap();
    let mut log = Log::create(temp.path(), "t-0");
    let start = log.now_ms;
    for later_ms in [9000, 1000, 2000, 6000] {
        log.now_ms = start + later_ms;
        log.batch(&[put("k", "v")]);
    }
    let dir = log.flush();
    let entry = [&(start + 1000).to_be_bytes()[..], &1i32.to_be_bytes()].concat();
    fs::write(dir.join("00000000000000000000.timeindex"), entry).unwrap();
    let time = format!("{}..", start + 4000);
    assert_eq!(offsets(&dump(&dir, &["-q", "--time", &time])), [0, 3]);
}
