//! The formats of `dump` for other programs, and `--output`: tables say what the JSON says, console
//! lines are those of Kafka's own formatter, and a file is there only when it is complete.

mod support;

use std::fs;
use std::path::Path;

use base64::Engine;
use base64::prelude::BASE64_STANDARD;
use logcompact::disk::Disk;
use logcompact::dump::{self, Csv, Damage, Encoding, Selection, Show, Witness};
use logcompact::segment::{ProducerEntry, render_snapshot};
use logcompact::units::{Offset, Timestamp};
use predicates::prelude::*;
use serde_json::Value;
use support::log::{Log, put};
use support::power::Refusing;
use support::{folders_in, logcompact, testdata};

const PLAIN: &str = "storage-4.1.1/v2-plain-0";

/// Standard output of a dump that finds nothing wrong and has nothing to say.
fn dumped(args: &[&str]) -> Vec<u8> {
    let assert = program(args).assert().code(0).stderr("");
    assert.get_output().stdout.clone()
}

fn program(args: &[&str]) -> assert_cmd::Command {
    let mut command = logcompact();
    command.current_dir(testdata("")).arg("dump").args(args);
    command
}

fn json_rows(partition: &str, show: &str) -> Vec<Value> {
    let text = dumped(&["--format", "json", "--show", show, partition]);
    let lines = str::from_utf8(&text).unwrap().lines();
    lines.map(|line| serde_json::from_str(line).unwrap()).collect()
}

fn partitions() -> Vec<String> {
    let of = |corpus: &str| {
        let names = folders_in(&testdata(corpus)).into_iter();
        names.map(|name| format!("{corpus}/{name}")).collect::<Vec<_>>()
    };
    let all = [of("storage-4.1.1"), of("broker-3.9.1"), of("console-consumer")].concat();
    // More of the same.
    let is_more = |name: &str| ["-large-", "-lz4-", "-snappy-"].iter().any(|w| name.contains(w));
    all.into_iter().filter(|name| !is_more(name)).collect()
}

#[test]
fn csv_has_the_fields_of_the_json_under_their_names() {
    let mut compared = 0;
    for partition in partitions() {
        for show in ["records", "batches"] {
            let json = json_rows(&partition, show);
            let text = dumped(&["--format", "csv", "--show", show, &partition]);
            let mut reader = csv::Reader::from_reader(&*text);
            let names = reader.headers().unwrap().clone();
            let rows: Vec<_> = reader.byte_records().map(Result::unwrap).collect();
            assert_eq!(rows.len(), json.len(), "{partition}");
            for (row, json) in rows.iter().zip(&json) {
                assert_eq!(names.len() + 1, json.as_object().unwrap().len()); // without "type"
                for (name, field) in names.iter().zip(row) {
                    // In one order of their fields.
                    let field = match serde_json::from_slice::<Value>(field) {
                        Ok(Value::Object(object)) => Value::Object(object).to_string().into(),
                        _ => field.to_vec(),
                    };
                    assert_eq!(csv_field(name, &json[name]), field, "{partition} {name}");
                }
            }
            compared += rows.len();
        }
    }
    assert!(compared > 15_000, "only {compared} rows were compared");
}

/// What a value of the JSON is in CSV, as a reader gives it that knows no null.
fn csv_field(name: &str, value: &Value) -> Vec<u8> {
    match value {
        Value::Null => Vec::new(),
        Value::String(text) if text.starts_with("base64:") => {
            format!("base64:{}", BASE64_STANDARD.encode(text)).into_bytes()
        }
        Value::String(text) => match serde_json::from_str::<Value>(text) {
            Ok(Value::Object(object)) => Value::Object(object).to_string().into_bytes(),
            _ => text.clone().into_bytes(),
        },
        Value::Object(object) if matches!(name, "key" | "value") => {
            format!("base64:{}", object["base64"].as_str().unwrap()).into_bytes()
        }
        other => other.to_string().into_bytes(),
    }
}

#[test]
fn csv_tells_null_from_empty_and_bytes_from_text_that_looks_like_them() {
    let text = dumped(&["--format", "csv", "console-consumer/nulls-3"]);
    let text = String::from_utf8(text).unwrap();
    let lines: Vec<&str> = text.lines().collect();
    assert!(lines[2].contains(",-1,k,,\"[{\"\"key\"\":\"\"a\"\",\"\"value\"\":{"), "{}", lines[2]);
    assert!(lines[3].contains(",-1,,,[],"), "{}", lines[3]);
    assert!(lines[4].contains(",-1,\"\",\"\",[],"), "{}", lines[4]);
    let marked = dumped(&["--format", "csv", "console-consumer/texts-2"]);
    let marked = String::from_utf8(marked).unwrap();
    assert!(marked.contains(",base64:YmFzZTY0Ong=,"), "{marked}");
    let hex = dumped(&["--format", "csv", "--encoding", "hex", "console-consumer/texts-2"]);
    assert!(String::from_utf8(hex).unwrap().contains(",302d302d302d302d30,6261736536343a78,"));
}

#[test]
fn a_table_without_rows_has_its_header_all_the_same() {
    let none = dumped(&["--format", "csv", "--offsets", "99999999..", PLAIN]);
    assert!(none.starts_with(b"topic,partition,segment,offset,"));
    assert_eq!(none.iter().filter(|byte| **byte == b'\n').count(), 1);
}

#[test]
fn console_lines_are_those_of_kafkas_own_formatter() {
    let mut compared = 0;
    for entry in fs::read_dir(testdata("console-consumer")).unwrap() {
        let path = entry.unwrap().path();
        if path.extension().is_none_or(|extension| extension != "txt") {
            continue;
        }
        let expected = fs::read(&path).unwrap();
        let end = expected.iter().position(|byte| *byte == b'\n').unwrap();
        let mut words = str::from_utf8(&expected[..end]).unwrap().split(' ');
        let partition = format!("console-consumer/{}", words.next().unwrap());
        let mut args = vec!["--format", "console", &partition];
        words.for_each(|property| args.extend(["--property", property]));
        assert!(dumped(&args) == expected[end + 1..], "{}", path.display());
        compared += 1;
    }
    assert!(compared >= 9, "only {compared} files were compared");
}

/// A partition whose log has three batches, and beside it a file of these bytes.
fn beside_a_log(temp: &Path, name: &str, bytes: &[u8]) -> String {
    let mut log = Log::create(temp, "t-0");
    (0..3).for_each(|_| {
        log.batch(&[put("k", "v")]);
    });
    let file = log.flush().join(name);
    fs::write(&file, bytes).unwrap();
    file.to_str().unwrap().to_owned()
}

/// What `dump --format kafka` prints behind the file's name.
fn as_kafka(file: &str) -> Vec<String> {
    let output = program(&["--format", "kafka", file]).assert().get_output().stdout.clone();
    String::from_utf8(output).unwrap().lines().skip(1).map(str::to_owned).collect()
}

#[test]
fn odd_files_have_the_lines_of_kafkas_dump_tool_and_no_others() {
    let temp = tempfile::tempdir().unwrap();
    let ints = |ints: &[i32]| ints.iter().flat_map(|n| n.to_be_bytes()).collect::<Vec<u8>>();
    // The tool ends at an entry for the base offset that is not the first.
    let index = |entries: &[i32]| {
        as_kafka(&beside_a_log(temp.path(), "00000000000000000000.index", &ints(entries)))
    };
    let second = "offset: 2 position: 140";
    assert_eq!(index(&[2, 140, 0, 0, 1, 70]), [second]);
    assert_eq!(index(&[2, 140, 0, 70]), [second]);
    assert_eq!(index(&[0, 0, 2, 140]), ["offset: 0 position: 0", second]);
    // Offsets there are signed numbers.
    assert_eq!(index(&[2, 140, i32::MIN + 1, 70]), [second, "offset: -2147483647 position: 70"]);
    let times = |entries: &[[i32; 3]]| {
        let bytes = ints(entries.as_flattened());
        as_kafka(&beside_a_log(temp.path(), "00000000000000000000.timeindex", &bytes))
    };
    let second = "timestamp: 1002 offset: 2";
    assert_eq!(times(&[[0, 1002, 2], [0, 0, 0], [0, 1005, 1]]), [second]);
    assert_eq!(times(&[[0, 1, i32::MIN + 1]]), ["timestamp: 1 offset: -2147483647"]);

    let entry = |last_sequence: i32, offset_delta: i32| ProducerEntry {
        producer_id: 1,
        epoch: 0,
        last_sequence,
        last_offset: Offset(9),
        offset_delta,
        timestamp: Timestamp(9),
        coordinator_epoch: -1,
        open_txn_first_offset: None,
    };
    for (last, delta, first) in [(-1, 0, i32::MAX), (1, 4, i32::MAX - 2), (4, 4, 0), (0, 0, 0)] {
        let snapshot = render_snapshot(&[entry(last, delta)]);
        let lines =
            as_kafka(&beside_a_log(temp.path(), "00000000000000000003.snapshot", &snapshot));
        let said = format!("lastTimestamp: 9 firstSequence: {first} lastSequence: {last} ");
        assert!(lines[0].contains(&said), "{lines:?}");
    }

    // Of a length that no batch has, as in zeros, the tool makes an exception and no line.
    let name = "00000000000000000000.log";
    let whole = fs::read(temp.path().join("t-0").join(name)).unwrap();
    let length = |bytes: i32| [&[0; 8], &bytes.to_be_bytes()[..], &[0; 20]].concat();
    for (tail, is_told) in [
        (vec![0; 100], false),
        (vec![0; 18], false),
        (vec![0; 17], true),
        (length(13), false),
        (length(20), false),
        (length(21), true),
        (whole[..50].to_vec(), true),
    ] {
        let log = beside_a_log(temp.path(), name, &[&whole[..], &tail].concat());
        let found = format!("Found {} invalid bytes at the end of {name}", tail.len());
        assert_eq!(as_kafka(&log).contains(&found), is_told, "{tail:?}");
    }
}

#[test]
fn our_names_for_console_options_do_what_kafkas_do() {
    let partition = "console-consumer/nulls-3";
    let ours = [
        &["--print", "key,value,headers,epoch,delivery", "--key-separator", "|"][..],
        &["--line-separator", "#", "--headers-separator", ";", "--null-literal", "-", partition],
    ];
    let mut kafkas = vec!["--formatter-property", "print.key=true"];
    for property in [
        "print.headers=true",
        "print.epoch=true",
        "print.delivery=true",
        "key.separator=|",
        "line.separator=#",
        "headers.separator=;",
        "null.literal=-",
    ] {
        kafkas.extend(["--property", property]);
    }
    kafkas.push(partition);
    let lines = dumped(&ours.concat());
    assert_eq!(lines, dumped(&kafkas));
    assert!(lines.ends_with(b"#Delivery:NOT_PRESENT|Epoch:NOT_PRESENT|NO_HEADERS||#"));
}

#[test]
fn bytes_that_a_deserializer_does_not_take_are_told_and_the_rest_is_shown() {
    let temp = tempfile::tempdir().unwrap();
    let mut log = Log::create(temp.path(), "t-0");
    log.batch(&[put("a", "1"), put("b", "1234"), put("c", "x")]).batch(&[put("d", "12345678")]);
    let dir = log.flush();
    let class = "value.deserializer=IntegerDeserializer";
    let args = ["--print", "key,value", "--property", class, dir.to_str().unwrap()];
    program(&args).assert().code(1).stdout("b\t825373492\n").stderr(
        predicate::str::contains("offset 0: the value is 1 bytes")
            .and(predicate::str::contains("offset 3: the value is 8 bytes, and the deserializer")),
    );
}

/// What is in a folder.
fn names_in(folder: &Path) -> Vec<String> {
    let entries = fs::read_dir(folder).unwrap();
    let mut names: Vec<String> =
        entries.map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect();
    names.sort();
    names
}

#[test]
fn output_is_what_would_have_gone_to_standard_output() {
    let temp = tempfile::tempdir().unwrap();
    for (format, ending) in
        [("text", "txt"), ("json", "jsonl"), ("kafka", "log"), ("console", "lines"), ("csv", "csv")]
    {
        let path = temp.path().join(format!("out.{ending}"));
        let file = path.to_str().unwrap();
        let expected = dumped(&["--format", format, PLAIN]);
        assert_eq!(dumped(&["--format", format, "--output", file, PLAIN]), b"");
        assert!(fs::read(&path).unwrap() == expected, "{format}");
    }
    assert_eq!(names_in(temp.path()).len(), 5);
    assert_eq!(dumped(&["--output", "-", PLAIN]), dumped(&[PLAIN]));
}

#[test]
fn the_ending_of_the_output_stands_for_a_format_that_was_not_named() {
    let temp = tempfile::tempdir().unwrap();
    for (name, start) in
        [("a.csv", "topic,"), ("a.json", "{\"type\":"), ("a.ndjson", "{"), ("a.txt", "== ")]
    {
        let path = temp.path().join(name);
        dumped(&["--output", path.to_str().unwrap(), PLAIN]);
        assert!(fs::read_to_string(&path).unwrap().starts_with(start), "{name}");
    }
}

#[test]
fn a_dump_that_fails_leaves_no_file_and_one_that_finds_damage_a_whole_one() {
    let temp = tempfile::tempdir().unwrap();
    let path = temp.path().join("out.csv");
    let file = path.to_str().unwrap();
    let index = format!("{PLAIN}/00000000000000000000.index");
    let refused = predicate::str::contains("no lines for such a file");
    program(&["--output", file, &index]).assert().code(2).stderr(refused);
    program(&["--output", file, "no-such-path"]).assert().code(2);
    assert_eq!(names_in(temp.path()), [""; 0]);

    let mut log = Log::create(temp.path(), "t-0");
    log.batch(&[put("a", "1")]).raw(&[7; 100]).batch(&[put("b", "2")]).roll();
    let dir = log.batch(&[put("c", "3")]).flush();
    program(&["--output", file, dir.to_str().unwrap()]).assert().code(1).stdout("");
    assert_eq!(fs::read_to_string(&path).unwrap().lines().count(), 4);
    assert_eq!(names_in(temp.path()), ["out.csv", "t-0"]);
}

#[test]
fn what_a_killed_dump_or_report_has_left_goes_with_the_next_and_that_of_a_live_one_stays() {
    let temp = tempfile::tempdir().unwrap();
    let (out, left) = (temp.path().join("out.csv"), ".logcompact-part");
    let part = |of: &str, own: &str| temp.path().join(format!(".{of}.{own}{left}"));
    for (of, own) in [("out.csv", "Dead01"), ("out.csv", "Live02"), ("report.json", "Dead03")] {
        fs::write(part(of, own), "half").unwrap();
    }
    let live = fs::File::open(part("out.csv", "Live02")).unwrap();
    live.lock().unwrap();
    program(&["--output", out.to_str().unwrap(), PLAIN]).assert().success();
    let mut stats = support::logcompact();
    let stats = stats.args(["compact", "-q", "--dry-run", "--report"]);
    stats.arg(temp.path().join("report.json")).arg(testdata(PLAIN)).assert().success();
    let live_name = format!(".out.csv.Live02{left}");
    assert_eq!(names_in(temp.path()), [live_name.as_str(), "out.csv", "report.json"]);
    drop(live);
    fs::remove_file(&out).unwrap();
    program(&["--output", out.to_str().unwrap(), PLAIN]).assert().success();
    assert_eq!(names_in(temp.path()), ["out.csv", "report.json"]);
}

struct Deaf;

impl Witness for Deaf {
    fn damage(&mut self, _damage: &Damage<'_>) {}
    fn note(&mut self, _text: &str) {}
}

#[test]
fn a_disk_that_is_full_at_any_write_leaves_no_half_of_a_file() {
    let temp = tempfile::tempdir().unwrap();
    let sources = dump::find(&[testdata(PLAIN)]).unwrap().sources;
    let (selection, sink) = (Selection::default(), Csv::new(Encoding::Auto, Show::Records));
    let expected = dumped(&["--format", "csv", PLAIN]);
    let path = temp.path().join("out.csv");
    for n in 0.. {
        let refusing = Refusing::write(n, 28); // ENOSPC
        let written = Disk::of(refusing.clone()).create_whole(&path).map_err(|e| e.to_string());
        let written = written.and_then(|mut file| {
            let shown = dump::run(&sources, &selection, &sink, &mut file, &mut Deaf);
            shown.map_err(|failure| failure.to_string())?;
            file.finish().map_err(|error| error.to_string())
        });
        if !refusing.has_refused() {
            written.unwrap();
            assert!(n > 4, "{n}: so few?");
            assert!(fs::read(&path).unwrap() == expected);
            assert_eq!(names_in(temp.path()), ["out.csv"]);
            break;
        }
        let error = written.unwrap_err();
        assert!(error.contains("No space left"), "{n}: {error}");
        // It has its name when only the folder could not be synced; then it is whole.
        if fs::read(&path).is_ok_and(|bytes| bytes == expected) {
            fs::remove_file(&path).unwrap();
        }
        assert_eq!(names_in(temp.path()), [""; 0], "{n}");
    }
}

#[test]
fn a_file_that_exists_is_not_replaced_and_nothing_is_put_among_segments() {
    let temp = tempfile::tempdir().unwrap();
    let path = temp.path().join("out.csv");
    fs::write(&path, "mine").unwrap();
    let exists = predicate::str::contains("out.csv: exists");
    program(&["--output", path.to_str().unwrap(), PLAIN]).assert().code(2).stderr(exists);
    assert_eq!(fs::read(&path).unwrap(), b"mine");

    let dir = Log::create(temp.path(), "t-0").batch(&[put("a", "1")]).flush();
    let before = names_in(&dir);
    let inside = dir.join("out.csv");
    let says = predicate::str::contains("would lie inside");
    for source in [dir.clone(), dir.join("00000000000000000000.log")] {
        let args = ["--output", inside.to_str().unwrap(), source.to_str().unwrap()];
        program(&args).assert().code(2).stderr(says.clone());
    }
    assert_eq!(names_in(&dir), before);
    let nowhere = temp.path().join("no-such-folder/out.csv");
    program(&["--output", nowhere.to_str().unwrap(), PLAIN]).assert().code(2);
}

#[test]
fn options_that_would_have_no_effect_are_refused_in_one_line() {
    let refused = |args: &[&str], says: &str| {
        let assert = program(&[args, &[PLAIN]].concat()).assert().code(2).stdout("");
        let said = String::from_utf8_lossy(&assert.get_output().stderr).into_owned();
        assert!(said.lines().count() == 1 && said.contains(says), "{said}");
    };
    refused(&["--format", "parquet"], "--output");
    refused(&["--format", "parquet", "--output", "-"], "--output");
    refused(&["--format", "csv", "--show", "all"], "--show");
    refused(&["--format", "json", "--null-literal", "x"], "--null-literal");
    refused(&["--format", "csv", "--property", "print.key=true"], "--property");
    refused(&["--property", "print.everything=true"], "no such property");
    refused(&["--property", "print.key=yes"], "true or false");
    refused(&["--property", "key.deserializer=com.example.Avro"], "com.example.Avro");
}

#[cfg(feature = "parquet")]
mod parquet_files {
    use std::collections::BTreeMap;
    use std::path::PathBuf;

    use parquet::file::reader::{FileReader, SerializedFileReader};
    use parquet::record::Field;

    use super::*;

    /// The bytes that stand in JSON.
    fn bytes_of(value: &Value) -> Option<Vec<u8>> {
        match value {
            Value::Null => None,
            Value::String(text) => Some(text.clone().into_bytes()),
            other => Some(BASE64_STANDARD.decode(other["base64"].as_str().unwrap()).unwrap()),
        }
    }

    /// The rows of a file, by column.
    fn rows_of(path: &Path) -> Vec<BTreeMap<String, Field>> {
        let reader = SerializedFileReader::new(fs::File::open(path).unwrap()).unwrap();
        let rows = reader.into_iter().map(Result::unwrap);
        rows.map(|row| row.into_columns().into_iter().collect()).collect()
    }

    fn group_count(path: &Path) -> usize {
        let reader = SerializedFileReader::new(fs::File::open(path).unwrap()).unwrap();
        reader.metadata().num_row_groups()
    }

    /// What a field of the JSON is in the table: Kafka's -1 for "none" is null, but for offsets.
    fn field(name: &str, value: &Value) -> Field {
        let number = || value.as_i64().filter(|n| *n != -1 || name.ends_with("offset"));
        match name {
            "key" | "value" => bytes_of(value).map_or(Field::Null, |b| Field::Bytes(b.into())),
            "headers" => {
                let pairs = value.as_array().unwrap().iter().map(|header| {
                    let key = Field::Str(header["key"].as_str().unwrap().into());
                    (key, field("value", &header["value"]))
                });
                // There is no way to make a map of one's own, but by reading one.
                Field::Str(format!("{:?}", pairs.collect::<Vec<_>>()))
            }
            "partition" | "sequence" | "count" | "magic" | "producer_epoch" | "base_sequence"
            | "last_sequence" | "leader_epoch" => {
                number().map_or(Field::Null, |n| Field::Int(n.try_into().unwrap()))
            }
            "timestamp" | "base_timestamp" | "max_timestamp" | "delete_horizon_ms" => {
                number().map_or(Field::Null, Field::TimestampMillis)
            }
            _ => match value {
                Value::Null => Field::Null,
                Value::Bool(flag) => Field::Bool(*flag),
                Value::String(text) => Field::Str(text.clone()),
                Value::Object(_) => Field::Str(value.to_string()),
                _ => number().map_or(Field::Null, Field::Long),
            },
        }
    }

    /// Maps as text, see [`field`]; JSON texts with their fields in one order.
    fn comparable(field: Field) -> Field {
        match field {
            Field::MapInternal(map) => Field::Str(format!("{:?}", map.entries())),
            Field::Str(text) if text.starts_with('{') => {
                Field::Str(serde_json::from_str::<Value>(&text).unwrap().to_string())
            }
            other => other,
        }
    }

    #[test]
    fn parquet_says_what_the_json_says() {
        let temp = tempfile::tempdir().unwrap();
        let path = temp.path().join("out.parquet");
        let mut compared = 0;
        for partition in partitions() {
            for show in ["records", "batches"] {
                let json = json_rows(&partition, show);
                dumped(&["--output", path.to_str().unwrap(), "--show", show, &partition]);
                let rows = rows_of(&path);
                assert_eq!(rows.len(), json.len(), "{partition}");
                for (mut row, json) in rows.into_iter().zip(&json) {
                    for (name, value) in json.as_object().unwrap() {
                        if name != "type" {
                            let found = comparable(row.remove(name).unwrap());
                            assert_eq!(found, field(name, value), "{partition} {name}");
                        }
                    }
                }
                compared += json.len();
                fs::remove_file(&path).unwrap();
            }
        }
        assert!(compared > 15_000, "only {compared} rows were compared");
    }

    /// 8 MB in batches of one record, and one that is half as large.
    fn odd_log(root: &Path) -> PathBuf {
        let mut log = Log::create(root, "t-0");
        let huge = "h".repeat(4 << 20);
        for n in 0..8000 {
            let value = if n == 1234 { huge.clone() } else { format!("{n}-").repeat(200) };
            log.batch(&[put(&format!("key-{n}"), &value)]);
        }
        log.flush()
    }

    #[test]
    fn little_memory_makes_more_row_groups_and_threads_make_no_difference() {
        let temp = tempfile::tempdir().unwrap();
        let dir = odd_log(temp.path());
        let write = |name: &str, options: &[&str]| {
            let path = temp.path().join(name);
            let args = ["--output", path.to_str().unwrap(), dir.to_str().unwrap()];
            dumped(&[&args, options].concat());
            path
        };
        let one = write("1.parquet", &["--memory", "1MiB", "--threads", "1"]);
        let three = write("3.parquet", &["--memory", "1MiB", "--threads", "3"]);
        let large = write("large.parquet", &["--memory", "1GiB"]);
        assert!(fs::read(&one).unwrap() == fs::read(&three).unwrap());
        assert!(group_count(&one) >= 3, "{}", group_count(&one));
        assert_eq!(group_count(&large), 1);
        let rows = rows_of(&one);
        assert_eq!(rows, rows_of(&large));
        for (offset, row) in rows.iter().enumerate() {
            assert_eq!(row["offset"], Field::Long(offset as i64));
        }
        assert!(matches!(&rows[1234]["value"], Field::Bytes(bytes) if bytes.len() == 4 << 20));
    }

    #[test]
    fn a_table_of_nothing_is_a_whole_file() {
        let temp = tempfile::tempdir().unwrap();
        let path = temp.path().join("out.parquet");
        dumped(&["--output", path.to_str().unwrap(), "--limit", "0", PLAIN]);
        assert_eq!(rows_of(&path).len(), 0);
        assert_eq!(names_in(temp.path()), ["out.parquet"]);
    }
}
