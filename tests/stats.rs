//! `logcompact stats`: its numbers are those of an independent count, whatever threads and memory
//! there are; what is estimated says so, and its bounds hold.

mod support;

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::Path;

use logcompact::format::Codec;
use predicates::prelude::*;
use serde_json::{Value, json};
use support::log::{BatchKind, Log, Pair, put, tombstone};
use support::{copy_folder, logcompact, testdata};

const LOG: &str = "00000000000000000000.log";

/// What `stats` says as JSON, whatever its exit status.
fn stats(dir: &Path, options: &[&str]) -> Value {
    let output = logcompact().args(["stats", "--json", "-q"]).args(options).arg(dir).output();
    serde_json::from_slice(&output.unwrap().stdout).unwrap()
}

/// The same without what no two runs have in common.
fn settled(dir: &Path, options: &[&str]) -> Value {
    let mut report = stats(dir, &[&["--now", "1795300000000"], options].concat());
    let report_object = report.as_object_mut().unwrap();
    for name in ["started_ms", "elapsed_ms", "threads", "peak_memory_bytes"] {
        report_object.remove(name).unwrap();
    }
    report
}

/// A count of what `dump` shows of a partition, made with nothing of what is tested.
#[derive(Default)]
struct Count {
    batches: u64,
    records: u64,
    control: u64,
    tombstones: u64,
    null_keys: u64,
    empty_keys: u64,
    key_bytes: u64,
    value_bytes: u64,
    codecs: BTreeMap<String, (u64, u64, u64)>,
    magics: BTreeMap<String, u64>,
    span: Option<(i64, i64)>,
    batch_sizes: BTreeMap<u32, u64>,
    /// Records and bytes by key.
    keys: BTreeMap<String, (u64, u64)>,
}

fn length(bytes: &Value) -> u64 {
    match bytes {
        Value::Object(object) => {
            let text = object["base64"].as_str().unwrap();
            (text.len() / 4 * 3 - text.matches('=').count()) as u64
        }
        bytes => bytes.as_str().map_or(0, |text| text.len() as u64),
    }
}

fn count_dump(dir: &Path) -> BTreeMap<(String, i64), Count> {
    let output = logcompact().args(["dump", "--format", "json", "--show", "all"]).arg(dir).output();
    let text = String::from_utf8(output.unwrap().stdout).unwrap();
    let mut counts: BTreeMap<(String, i64), Count> = BTreeMap::new();
    let mut codec = String::new();
    for line in text.lines() {
        let line: Value = serde_json::from_str(line).unwrap();
        let name = line["topic"].as_str().unwrap().to_owned();
        let count = counts.entry((name, line["partition"].as_i64().unwrap())).or_default();
        if line["type"] == "batch" {
            let size = line["size"].as_u64().unwrap();
            codec = line["codec"].as_str().unwrap().to_owned();
            count.batches += 1;
            let packed = count.codecs.entry(codec.clone()).or_default();
            packed.0 += 1;
            packed.2 += size;
            *count.magics.entry(line["magic"].to_string()).or_default() += 1;
            *count.batch_sizes.entry(size.ilog2()).or_default() += 1;
            continue;
        }
        count.records += 1;
        count.codecs.get_mut(&codec).unwrap().1 += 1;
        let at = line["timestamp"].as_i64().unwrap();
        if at >= 0 {
            let (from, to) = count.span.unwrap_or((at, at));
            count.span = Some((from.min(at), to.max(at)));
        }
        if !line["control"].is_null() {
            count.control += 1;
            continue;
        }
        let (key, value) = (&line["key"], &line["value"]);
        count.tombstones += u64::from(value.is_null());
        count.value_bytes += length(value);
        count.null_keys += u64::from(key.is_null());
        if !key.is_null() {
            count.empty_keys += u64::from(key == "");
            count.key_bytes += length(key);
            let known = count.keys.entry(key.to_string()).or_default();
            known.0 += 1;
            known.1 += length(key) + length(value);
        }
    }
    counts
}

#[test]
fn the_numbers_are_those_that_a_count_of_the_dump_gives() {
    for corpus in ["broker-3.9.1", "storage-4.1.1"] {
        let dir = testdata(corpus);
        let mut counts = count_dump(&dir);
        let report = stats(&dir, &["--no-savings", "--top", "10000"]);
        assert_eq!(report["outcome"], "ok");
        let mut sums = (0, 0);
        for partition in report["partitions"].as_array().unwrap() {
            let name = partition["topic"].as_str().unwrap().to_owned();
            let case = format!("{corpus}/{name}");
            let count = counts.remove(&(name, partition["partition"].as_i64().unwrap()));
            let count = count.unwrap_or_default();
            compare(partition, &count, &case);
            sums = (sums.0 + count.records, sums.1 + count.keys.len() as u64);
        }
        assert_eq!(counts.len(), 0, "{corpus}");
        let totals = &report["totals"];
        assert_eq!(totals["records"], sums.0);
        assert_eq!(totals["keys"]["distinct"], sums.1);
        assert!(sums.0 > 3000 && sums.1 > 50);
    }
}

fn compare(partition: &Value, count: &Count, case: &str) {
    let numbers = [
        ("batches", count.batches),
        ("records", count.records),
        ("control_records", count.control),
        ("tombstones", count.tombstones),
        ("null_keys", count.null_keys),
        ("empty_keys", count.empty_keys),
        ("key_bytes", count.key_bytes),
        ("value_bytes", count.value_bytes),
    ];
    for (name, number) in numbers {
        assert_eq!(partition[name], number, "{case}: {name}");
    }
    let span = count.span.map(|(from, to)| json!([from, to]));
    let shown = &partition["time_span"];
    let shown = (!shown.is_null()).then(|| json!([shown["from_ms"], shown["to_ms"]]));
    assert_eq!(shown, span, "{case}");
    let codecs: BTreeMap<String, (u64, u64, u64)> = partition["codecs"]
        .as_object()
        .unwrap()
        .iter()
        .map(|(name, packed)| {
            let number = |name: &str| packed[name].as_u64().unwrap();
            assert!(name == "none" || number("plain_bytes") > 0, "{case}");
            assert!(name != "none" || number("plain_bytes") == number("bytes"), "{case}");
            (name.clone(), (number("batches"), number("records"), number("bytes")))
        })
        .collect();
    assert_eq!(codecs, count.codecs, "{case}");
    let magics: BTreeMap<String, u64> =
        serde_json::from_value(partition["magics"].clone()).unwrap();
    assert_eq!(magics, count.magics, "{case}");
    let sizes: BTreeMap<u32, u64> = partition["batch_bytes"]["buckets"]
        .as_array()
        .unwrap()
        .iter()
        .map(|bucket| (bucket["from"].as_u64().unwrap().ilog2(), bucket["count"].as_u64().unwrap()))
        .filter(|(_, count)| *count > 0)
        .collect();
    assert_eq!(sizes, count.batch_sizes, "{case}");
    let bytes: u64 = count.codecs.values().map(|(_, _, bytes)| bytes).sum();
    let times = &partition["bytes_over_time"];
    let in_time = times["buckets"].as_array().unwrap().iter().map(|b| b["bytes"].as_u64().unwrap());
    let timeless = times["without_timestamp_bytes"].as_u64().unwrap();
    assert_eq!(in_time.sum::<u64>() + timeless, bytes, "{case}");
    assert_eq!(partition["bytes"], bytes, "{case}");

    let keys = &partition["keys"];
    assert_eq!(keys["method"], "exact", "{case}");
    assert_eq!(keys["distinct"], count.keys.len() as u64, "{case}");
    for list in ["top_by_records", "top_by_bytes"] {
        let top = keys[list].as_array().unwrap();
        let weight = |key: &Value| key[&list["top_by_".len()..]].as_u64().unwrap();
        assert!(top.iter().rev().map(weight).is_sorted(), "{case}");
        assert_eq!(top.len(), count.keys.len(), "{case}");
        for key in top.iter().filter(|key| key["key_bytes"].as_u64().unwrap() <= 256) {
            let (records, bytes) = count.keys[&key["key"].to_string()];
            assert_eq!(
                (&key["records"], &key["bytes"]),
                (&json!(records), &json!(bytes)),
                "{case}"
            );
        }
    }
}

#[test]
fn what_compaction_would_save_is_what_a_dry_run_says() {
    const NOW: [&str; 2] = ["--now", "1795300000000"];
    for (options, corpus) in [(&[][..], "broker-3.9.1"), (&["--include-active"], "storage-4.1.1")] {
        let dir = testdata(corpus);
        let output = logcompact()
            .args(["compact", "--dry-run", "-q", "--report", "-"])
            .args(NOW)
            .args(options)
            .arg(&dir)
            .output();
        let dry: Value = serde_json::from_slice(&output.unwrap().stdout).unwrap();
        let report = stats(&dir, &[&NOW, options].concat());
        let partitions = report["partitions"].as_array().unwrap();
        assert_eq!(partitions.len(), dry["partitions"].as_array().unwrap().len());
        for (partition, dry) in partitions.iter().zip(dry["partitions"].as_array().unwrap()) {
            let savings = &partition["savings"];
            let number = |name: &str| dry[name].as_i64().unwrap();
            let saved = number("bytes_before") - number("bytes_after");
            assert_eq!(savings["bytes"], saved, "{dry}");
            assert_eq!(savings["records"], number("records_read") - number("records_kept"));
            assert_eq!(savings["outcome"], dry["outcome"]);
            let after = partition["bytes"].as_i64().unwrap() - saved;
            assert_eq!(savings["bytes_after"], after);
            for name in ["log_start_offset", "log_end_offset", "last_stable_offset"] {
                assert_eq!(partition[name], dry[name], "{name} of {}", dry["source"]);
            }
        }
        assert!(report["totals"]["savings"]["bytes"].as_i64().unwrap() > 0);
    }
}

#[test]
fn transactions_are_counted_and_the_first_open_one_is_where_readers_wait() {
    let temp = tempfile::tempdir().unwrap();
    let dir = Log::create(temp.path(), "t-0")
        .transactional(7, &[put("a", "1")])
        .marker(7, true)
        .transactional(8, &[put("b", "1"), put("c", "2")])
        .transactional(9, &[put("d", "1")])
        .marker(8, false)
        .marker(8, true)
        .roll()
        .transactional(10, &[put("e", "1")])
        .flush();
    let report = stats(&dir, &[]);
    let partition = &report["partitions"][0];
    let expected = json!({"committed": 1, "aborted": 1, "empty": 1, "open": 2});
    assert_eq!(partition["transactions"], expected);
    assert_eq!(partition["last_stable_offset"], 4);
    assert_eq!(partition["log_end_offset"], 8);
    let open = &partition["open_transactions"];
    assert_eq!(open[0]["producer_id"], 9);
    assert_eq!(open[0]["first_offset"], 4);
    assert_eq!(open[0]["since"], "2023-11-14T22:13:20.004Z");
    assert_eq!(open[1]["producer_id"], 10);
    // What the open transaction holds up cannot be cleaned, so nothing here can.
    assert_eq!(partition["dirty"]["uncleanable_bytes"], partition["bytes"]);
    assert_eq!(partition["dirty"]["ratio"], 0.0);
    logcompact().arg("stats").arg(&dir).assert().success().stdout(predicate::str::contains(
        "producer 9 from offset 4 since 2023-11-14T22:13:20.004Z",
    ));
}

#[test]
fn the_dirty_ratio_is_that_of_whole_segments_behind_the_cleaners_checkpoint() {
    let temp = tempfile::tempdir().unwrap();
    let mut log = Log::create(temp.path(), "t-0");
    for number in 0..4 {
        log.batch(&[put("a", &"x".repeat(100 * (number + 1)))]).roll();
    }
    let dir = log.batch(&[put("a", "active")]).flush();
    let size = |base: u64| fs::metadata(dir.join(format!("{base:020}.log"))).unwrap().len();
    let dirty = |checkpoint: &str| {
        fs::write(temp.path().join("cleaner-offset-checkpoint"), checkpoint).unwrap();
        stats(&dir, &["--no-savings"])["partitions"][0].clone()
    };
    let partition = dirty("0\n1\nt 0 2\n");
    assert_eq!(partition["first_dirty_offset"], 2);
    let (clean, rest) = (size(0) + size(1), size(2) + size(3));
    let ratio = rest as f64 / (clean + rest) as f64;
    let expected = json!({"clean_bytes": clean, "dirty_bytes": rest,
        "uncleanable_bytes": size(4), "ratio": ratio});
    assert_eq!(partition["dirty"], expected);
    // Never cleaned, cleaned to the end, and a checkpoint that cannot be.
    assert_eq!(dirty("0\n0\n")["dirty"]["ratio"], 1.0);
    assert_eq!(dirty("0\n1\nt 0 4\n")["dirty"]["ratio"], 0.0);
    assert_eq!(dirty("0\n1\nt 0 99\n")["dirty"]["ratio"], 1.0);
    assert_eq!(dirty("nonsense")["dirty"]["ratio"], 1.0);
    assert!(!dirty("nonsense")["warnings"].as_array().unwrap().is_empty());
}

/// A log of several windows: a few keys with many records, many with few, batches of all sizes.
fn large_log(root: &Path) -> std::path::PathBuf {
    let mut log = Log::create(root, "large-0");
    let value = "v".repeat(300);
    for batch in 0..1200u32 {
        let keys: Vec<String> = (0..25)
            .map(|n| match n % 5 {
                0 => format!("heavy-{}", batch % 7),
                _ => format!("light-{}", (batch * 25 + n) * 7919 % 60_000),
            })
            .collect();
        let records: Vec<Pair<'_>> = keys.iter().map(|key| put(key, &value)).collect();
        log.batch(&records[..1 + batch as usize % 25]);
    }
    log.flush()
}

#[test]
fn threads_change_no_number_be_it_exact_or_estimated() {
    let temp = tempfile::tempdir().unwrap();
    large_log(temp.path());
    copy_folder(&testdata("broker-3.9.1/tx-0"), &temp.path().join("tx-0"));
    let cases = [(&["--no-savings"][..], "5"), (&["--no-savings", "--memory", "1MiB"], "2")];
    for (options, threads) in cases {
        let by_one = settled(temp.path(), &[options, &["--threads", "1"]].concat());
        assert!(by_one["totals"]["bytes"].as_u64().unwrap() > 4 << 20);
        let by_some = settled(temp.path(), &[options, &["--threads", threads]].concat());
        assert!(by_some == by_one, "{threads} threads, {options:?}");
    }
}

#[test]
fn with_little_memory_the_numbers_are_estimates_that_say_so_and_bounds_that_hold() {
    let temp = tempfile::tempdir().unwrap();
    let dir = large_log(temp.path());
    let exact = stats(&dir, &["--no-savings"]);
    let exact = &exact["partitions"][0];
    let distinct = exact["keys"]["distinct"].as_u64().unwrap();
    assert!(distinct > 10_000);
    for options in [["--memory", "1MiB"], ["--keys", "estimate"]] {
        let bounded = stats(&dir, &[&options[..], &["--no-savings"]].concat());
        let bounded = &bounded["partitions"][0];
        for name in ["records", "batches", "key_bytes", "batch_bytes", "bytes_over_time"] {
            assert_eq!(bounded[name], exact[name]);
        }
        let keys = &bounded["keys"];
        assert_eq!(keys["method"], "estimate");
        let number = |value: &Value| value.as_u64().unwrap();
        assert!(number(&keys["distinct_at_least"]) <= distinct);
        assert!(number(&keys["distinct_at_most"]) >= distinct);
        for (kind, list) in [("records", "top_by_records"), ("bytes", "top_by_bytes")] {
            for number_of in 0..7 {
                let (bounded, exact) = (&keys[list][number_of], &exact["keys"][list]);
                let same = |key: &&Value| key["key"] == bounded["key"];
                let truth = number(&exact.as_array().unwrap().iter().find(same).unwrap()[kind]);
                assert!(number(&bounded[kind]) <= truth, "{bounded}");
                assert!(number(&bounded[format!("{kind}_at_most")]) >= truth, "{bounded}");
            }
        }
        logcompact()
            .args(["stats", "--no-savings"])
            .args(options)
            .arg(&dir)
            .assert()
            .success()
            .stdout(
                predicate::str::contains("estimated").and(predicate::str::contains("AT LEAST")),
            );
    }
    let none = stats(&dir, &["--no-savings", "--keys", "none"]);
    assert_eq!(none["partitions"][0]["keys"]["method"], "none");
    assert!(none["partitions"][0]["keys"]["distinct"].is_null());
}

#[test]
fn a_batch_that_expands_to_very_many_keys_is_counted_like_others() {
    const KEYS: u32 = 140_000;
    let temp = tempfile::tempdir().unwrap();
    let keys: Vec<String> = (0..KEYS).map(|key| format!("{key:06}")).collect();
    let records: Vec<Pair<'_>> = keys.iter().map(|key| put(key, "")).collect();
    let attributes = i16::from(Codec::Zstd.id());
    let kind = BatchKind { attributes, producer_id: -1, base_sequence: -1 };
    let dir =
        Log::create(temp.path(), "t-0").batch_of(kind, &records).batch_of(kind, &records).flush();
    let report = stats(&dir, &["--no-savings"]);
    assert_eq!(report["totals"]["keys"]["distinct"], KEYS);
    assert_eq!(report["totals"]["keys"]["top_by_records"][0]["records"], 2);
    assert_eq!(report["totals"]["keys"]["top_by_records"][0]["key"], "000000");
}

#[test]
fn damage_is_named_and_left_out_and_the_rest_is_counted() {
    let temp = tempfile::tempdir().unwrap();
    let mut log = Log::create(temp.path(), "t-0");
    for number in 0..10 {
        log.batch(&[put("a", &format!("value {number}")), tombstone("b")]);
    }
    let dir = log.flush();
    let sound = stats(&dir, &["--no-savings"]);
    let mut bytes = fs::read(dir.join(LOG)).unwrap();
    let batch = bytes.len() / 10;
    bytes[3 * batch + batch - 2] ^= 1;
    fs::write(dir.join(LOG), &bytes).unwrap();
    let report = stats(&dir, &[]);
    let partition = &report["partitions"][0];
    assert_eq!(
        (&report["outcome"], &partition["outcome"]),
        (&json!("problems"), &json!("damaged"))
    );
    assert_eq!(partition["records"], sound["partitions"][0]["records"].as_u64().unwrap() - 2);
    assert_eq!(partition["damaged_bytes"], batch);
    assert_eq!(partition["damage"][0]["position"], 3 * batch);
    assert_eq!(partition["damage"][0]["segment"], LOG);
    assert_eq!(partition["log_end_offset"], 20);
    logcompact()
        .arg("stats")
        .arg(&dir)
        .assert()
        .code(1)
        .stderr(predicate::str::contains(format!("{LOG}: position {}", 3 * batch)))
        .stdout(predicate::str::contains("DAMAGED"));
    // A write that has not finished is no damage.
    bytes[3 * batch + batch - 2] ^= 1;
    bytes.truncate(bytes.len() - 5);
    fs::write(dir.join(LOG), &bytes).unwrap();
    let partition = &stats(&dir, &["--no-savings"])["partitions"][0];
    assert_eq!(partition["outcome"], "ok");
    assert_eq!(partition["unfinished_bytes"], batch - 5);
    assert_eq!(partition["log_end_offset"], 18);
}

#[test]
fn a_partition_with_nothing_to_read_costs_no_other() {
    let temp = tempfile::tempdir().unwrap();
    Log::create(temp.path(), "good-0").batch(&[put("a", "1")]).flush();
    fs::create_dir(temp.path().join("empty-0")).unwrap();
    fs::create_dir_all(temp.path().join("odd-0").join("x")).unwrap();
    // A folder in the place of a log is no log, as to a broker (`LogLoader.loadSegmentFiles`).
    fs::create_dir(temp.path().join("odd-0").join(LOG)).unwrap();
    let report = stats(temp.path(), &[]);
    assert_eq!(report["totals"]["partitions"], 3);
    assert_eq!(report["totals"]["partitions_failed"], 0);
    for partition in [0, 2] {
        let told = report["partitions"][partition]["warnings"].to_string();
        assert!(told.contains("holds no segments"), "{told}");
    }
    assert_eq!(report["partitions"][1]["savings"]["outcome"], "unchanged");
    assert_eq!(report["totals"]["records"], 1);
    let text = logcompact().arg("stats").arg(temp.path()).output().unwrap();
    let text = String::from_utf8(text.stdout).unwrap();
    assert!(text.contains("good") && text.contains("3 partitions in 3 topics"), "{text}");
}

#[test]
fn keys_that_would_upset_a_terminal_are_shown_harmlessly() {
    let temp = tempfile::tempdir().unwrap();
    let long = "k".repeat(100_000);
    let records: [Pair<'_>; 5] = [
        (Some(b"\x1b[31mred\n"), Some(b"1")),
        (Some(b"\xff\xfe\x00"), Some(b"1")),
        (Some(b""), Some(b"1")),
        (None, Some(b"1")),
        put(&long, "1"),
    ];
    let dir = Log::create(temp.path(), "t-0").batch(&records).flush();
    let output = logcompact().arg("stats").arg(&dir).output().unwrap();
    let text = String::from_utf8(output.stdout).unwrap();
    assert!(text.chars().all(|c| c == '\n' || !c.is_control()), "{text:?}");
    assert!(text.contains("\\x1b[31mred\\x0a") && text.contains("(empty)"), "{text}");
    assert!(text.lines().all(|line| line.len() < 120), "{text}");
    let top = &stats(&dir, &[])["partitions"][0]["keys"]["top_by_bytes"];
    assert_eq!(top[0]["key_bytes"], 100_000);
    assert_eq!(top[0]["key"].as_str().unwrap().len(), 256);
    let keys: BTreeSet<String> =
        top.as_array().unwrap().iter().map(|key| key["key"].to_string()).collect();
    assert!(keys.contains("{\"base64\":\"//4A\"}"), "{keys:?}");
}

#[test]
fn what_cannot_be_done_is_refused_before_anything_is_read() {
    let dir = testdata("broker-3.9.1/lab-raw-0");
    let temp = tempfile::tempdir().unwrap();
    let nowhere = temp.path().join("missing").join("page.html");
    let refused = |options: &[&str]| {
        logcompact().arg("stats").args(options).arg(&dir).assert().code(2).stdout("");
    };
    refused(&["--json", "--html", "-"]);
    refused(&["--html", nowhere.to_str().unwrap()]);
    refused(&["--html", temp.path().to_str().unwrap()]);
    refused(&["--temp-dir", nowhere.to_str().unwrap()]);
    refused(&["--topic-config", nowhere.to_str().unwrap()]);
    logcompact().args(["stats", "--no-savings"]).arg(temp.path()).assert().code(2);
}

#[test]
fn topics_are_listed_and_one_partition_is_described() {
    let dir = testdata("broker-3.9.1");
    let text = |options: &[&str], dir: &Path| {
        let mut command = logcompact();
        command.args(["stats", "--now", "1795300000000"]).args(options).arg(dir);
        String::from_utf8(command.output().unwrap().stdout).unwrap()
    };
    let listed = text(&[], &dir);
    assert!(listed.lines().next().unwrap().starts_with("TOPIC"), "{listed}");
    assert!(listed.contains("24 partitions in 16 topics: 39,882 records"), "{listed}");
    let one = text(&[], &dir.join("rdk-zstd-0"));
    for part in ["400 keys, counted exactly", "zstd: ", " : 1)", "BATCH SIZE", "MOST RECORDS"] {
        assert!(one.contains(part), "{part}: {one}");
    }
    let detailed = text(&["-v"], &dir);
    assert!(detailed.contains("PARTITION") && detailed.contains("SEGMENT "), "{detailed}");
}

#[test]
fn a_segment_that_is_a_link_is_not_read_and_a_directory_without_any_is_nothing_wrong() {
    let temp = tempfile::tempdir().unwrap();
    let mut log = Log::create(temp.path(), "t-0");
    log.batch(&[put("A", "1")]).raw(&[0xee; 100]).roll().batch(&[put("A", "2")]).flush();
    let link = temp.path().join("t-0/00000000000000000005.log");
    std::os::unix::fs::symlink("/dev/null", link).unwrap();
    let assert = logcompact().args(["stats", "--json"]).arg(temp.path()).assert().code(1);
    let told = "t-0: not read: 00000000000000000005.log: a link; it is not read";
    let assert = assert.stderr(predicate::str::contains(told));
    let report: Value = serde_json::from_slice(&assert.get_output().stdout).unwrap();
    assert_eq!(report["partitions"][0]["outcome"], "failed");
    assert_eq!(report["partitions"][0]["records"], 2, "what is a file is read");
    // A broker begins a log there.
    fs::remove_dir_all(temp.path().join("t-0")).unwrap();
    Log::create(temp.path(), "t-0").batch(&[put("A", "1")]).flush();
    fs::create_dir(temp.path().join("x-0")).unwrap();
    let told = predicate::str::contains("x-0: it holds no segments");
    logcompact().arg("stats").arg(temp.path()).assert().success().stderr(told);
}

#[test]
fn partitions_of_one_name_are_told_apart_by_where_they_lie() {
    let temp = tempfile::tempdir().unwrap();
    let dirs = ["A", "B"].map(|name| temp.path().join(name));
    for dir in &dirs {
        Log::create(dir, "mix-0").batch(&[put("A", "1")]).flush();
    }
    Log::create(&dirs[0], "mix-1").batch(&[put("A", "1")]).flush();
    let page = temp.path().join("page.html");
    let assert = logcompact().arg("stats").args(&dirs).arg("--html").arg(&page).assert().success();
    let shown = String::from_utf8(assert.get_output().stdout.clone()).unwrap();
    let firsts: Vec<&str> =
        shown.lines().filter_map(|line| line.split_whitespace().next()).collect();
    let page = fs::read_to_string(page).unwrap();
    for dir in &dirs {
        let name = dir.join("mix-0");
        let name = name.to_str().unwrap();
        assert!(firsts.contains(&name), "{shown}");
        assert!(page.contains(&format!(">{name}<")));
    }
    assert!(firsts.contains(&"mix-1"), "{shown}");
}
