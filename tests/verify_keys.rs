//! `verify --partitioner` and `--check-key-spread`: what a producer put where it belongs is there,
//! and what lies elsewhere is named.

mod support;

use std::num::NonZeroU32;
use std::path::Path;

use logcompact::format::Partitioner;
use logcompact::report::NoProgress;
use logcompact::segment::find_partitions;
use logcompact::verify::keys::{self, KeysChecked, Options, TopicKeys, WhichPartitioner};
use logcompact::verify::{Finding, Severity};
use predicates::prelude::*;
use serde_json::Value;
use support::log::{BatchKind, Log, PLAIN, put};
use support::{copy_folder, logcompact, testdata};

const AUTO: Option<WhichPartitioner> = Some(WhichPartitioner::Auto);

fn check(dirs: &[&Path], options: &Options) -> KeysChecked {
    let dirs: Vec<_> = dirs.iter().map(|dir| dir.to_path_buf()).collect();
    keys::run(&find_partitions(&dirs).unwrap(), options, &NoProgress)
}

fn asked(partitioner: Option<WhichPartitioner>) -> Options {
    Options { partitioner, partitions: None, spread: false, memory_bytes: 64 << 20 }
}

fn spread(memory_bytes: u64) -> Options {
    Options { partitioner: None, partitions: None, spread: true, memory_bytes }
}

fn of<'a>(checked: &'a KeysChecked, rule: &str) -> Vec<&'a Finding> {
    checked.findings.iter().filter(|finding| finding.rule == rule).collect()
}

fn topic<'a>(checked: &'a KeysChecked, name: &str) -> &'a TopicKeys {
    checked.topics.iter().find(|topic| topic.topic == name).unwrap()
}

/// A topic whose keys `key-0`, `key-1`, ... lie where `partition_of` says, two records each.
fn write(root: &Path, topic: &str, partitions: u32, keys: u32, of: impl Fn(&str) -> u32) {
    let mut logs: Vec<Log> =
        (0..partitions).map(|number| Log::create(root, &format!("{topic}-{number}"))).collect();
    for round in 0..2 {
        for number in 0..keys {
            let key = format!("key-{number}");
            logs[of(&key) as usize].batch(&[put(&key, "v"), (None, Some(b"no key"))]);
        }
        if round == 0 {
            logs.iter_mut().for_each(|log| {
                log.roll();
            });
        }
    }
    logs.iter_mut().for_each(|log| {
        log.flush();
    });
}

fn by(partitioner: Partitioner, partitions: u32) -> impl Fn(&str) -> u32 {
    let partitions = NonZeroU32::new(partitions).unwrap();
    move |key| partitioner.partition_of(key.as_bytes(), partitions).unwrap()
}

#[test]
fn what_javas_producer_sent_through_a_broker_is_where_murmur2_sends_it() {
    let broker = testdata("broker-3.9.1");
    let checked = check(&[&broker], &Options { spread: true, ..asked(AUTO) });
    let keys = topic(&checked, "experiments.latest");
    assert_eq!((keys.partitioner, keys.partitions), (Some("murmur2"), 3));
    assert_eq!((keys.records_in_place, keys.records_misplaced), (3890, 0));
    assert_eq!((keys.keyless_records, keys.keys), (110, Some(150)));
    for keys in &checked.topics {
        assert_eq!(keys.keys_in_several_partitions, Some(0), "{}", keys.topic);
    }
    let severities = checked.findings.iter().map(|finding| finding.severity);
    assert_eq!(severities.max(), Some(Severity::Info));
    // Kafka partitions its own topics by other functions.
    let murmur2 = asked(Some(WhichPartitioner::Is(Partitioner::Murmur2)));
    assert_eq!(of(&check(&[&broker], &murmur2), "key-partition"), [] as [&Finding; 0]);
    assert_eq!(topic(&checked, "__consumer_offsets").partitioner, None);
    let crc32 = asked(Some(WhichPartitioner::Is(Partitioner::Crc32)));
    assert_eq!(topic(&check(&[&broker], &crc32), "experiments.latest").records_misplaced, 2800);
}

#[test]
fn auto_finds_the_function_that_a_topic_was_written_with() {
    let temp = tempfile::tempdir().unwrap();
    for partitioner in Partitioner::ALL {
        write(temp.path(), partitioner.name(), 7, 200, by(partitioner, 7));
    }
    write(temp.path(), "custom", 7, 200, |key| key.bytes().map(u32::from).sum::<u32>() % 7);
    let checked = check(&[temp.path()], &asked(AUTO));
    for partitioner in Partitioner::ALL {
        let keys = topic(&checked, partitioner.name());
        assert_eq!(keys.partitioner, Some(partitioner.name()));
        assert_eq!((keys.records_in_place, keys.records_misplaced), (400, 0));
    }
    assert_eq!(topic(&checked, "custom").partitioner, None);
    let warnings: Vec<_> =
        checked.findings.iter().filter(|finding| finding.severity > Severity::Info).collect();
    assert_eq!(warnings.len(), 1);
    assert_eq!((warnings[0].rule, warnings[0].severity), ("key-partitioner", Severity::Warning));
    let shares = ["murmur2 ", "crc32 ", "fnv1a "];
    assert!(shares.iter().all(|share| warnings[0].message.contains(share)), "{warnings:?}");
}

#[test]
fn a_record_that_lies_elsewhere_is_named_with_its_offset_and_both_partitions() {
    let temp = tempfile::tempdir().unwrap();
    let place = by(Partitioner::Murmur2, 3);
    write(temp.path(), "people", 3, 300, &place);
    let astray = "user1"; // murmur2 sends it to partition 0
    Log::create(temp.path(), "people-2")
        .batch(&[put("A", "not in its place either"), (None, Some(b"anywhere"))])
        .batch(&[put(astray, "v")])
        .flush();
    let misplaced = |checked: &KeysChecked| -> Vec<(i64, String)> {
        let list = of(checked, "key-partition");
        assert!(list.iter().all(|finding| finding.severity == Severity::Error));
        list.iter().map(|finding| (finding.offset.unwrap().0, finding.message.clone())).collect()
    };
    let murmur2 = asked(Some(WhichPartitioner::Is(Partitioner::Murmur2)));
    let expected = [
        (0, "key \"A\" is in partition 2, murmur2 sends it to 1".to_owned()),
        (2, "key \"user1\" is in partition 2, murmur2 sends it to 0".to_owned()),
    ];
    assert_eq!(misplaced(&check(&[temp.path()], &murmur2)), expected);
    assert_eq!(misplaced(&check(&[temp.path()], &asked(AUTO))), expected);
    let two = [temp.path().join("people-0"), temp.path().join("people-2")];
    assert_eq!(misplaced(&check(&[&two[0], &two[1]], &murmur2)), expected, "siblings count");
    // Of one partition alone, too.
    assert_eq!(misplaced(&check(&[&two[1]], &murmur2)), expected);
    logcompact().arg("verify").arg(temp.path()).assert().code(0);
    logcompact()
        .args(["verify", "--partitioner", "murmur2"])
        .arg(temp.path())
        .assert()
        .code(1)
        .stdout(predicate::str::contains("murmur2 sends it to 0"));
}

#[test]
fn records_from_before_a_change_of_the_number_of_partitions_are_reported() {
    let temp = tempfile::tempdir().unwrap();
    let (three, six) = (by(Partitioner::Murmur2, 3), by(Partitioner::Murmur2, 6));
    let mut logs: Vec<Log> =
        (0..6).map(|number| Log::create(temp.path(), &format!("t-{number}"))).collect();
    let keys: Vec<String> = (0..60).map(|number| format!("key-{number}")).collect();
    for key in &keys {
        logs[three(key) as usize].batch(&[put(key, "old")]);
    }
    for key in &keys {
        logs[six(key) as usize].batch(&[put(key, "new")]);
    }
    logs.iter_mut().for_each(|log| {
        log.flush();
    });
    let moved = keys.iter().filter(|key| three(key) != six(key)).count() as u64;
    assert!(moved > 10);
    let options =
        Options { spread: true, ..asked(Some(WhichPartitioner::Is(Partitioner::Murmur2))) };
    let checked = check(&[temp.path()], &options);
    assert_eq!(topic(&checked, "t").records_misplaced, moved);
    assert_eq!(topic(&checked, "t").keys_in_several_partitions, Some(moved));
    assert_eq!(topic(&checked, "t").keys, Some(60));
    // Before the change they all were where they belong.
    let before = Options { partitions: NonZeroU32::new(3), ..options };
    let old: Vec<_> = ["t-0", "t-1", "t-2"].map(|name| temp.path().join(name)).to_vec();
    let dirs: Vec<&Path> = old.iter().map(|path| path.as_path()).collect();
    let checked = check(&dirs, &before);
    let stayed = keys.iter().filter(|key| six(key) < 3).count() as u64;
    assert_eq!(topic(&checked, "t").records_in_place, 60 + stayed);
    assert_eq!(topic(&checked, "t").records_misplaced, 0);
}

#[test]
fn a_topic_with_a_gap_is_warned_of_and_misplaced_records_are_listed_within_bounds() {
    let temp = tempfile::tempdir().unwrap();
    write(temp.path(), "t", 5, 200, |key| key.len() as u32 % 5);
    std::fs::remove_dir_all(temp.path().join("t-1")).unwrap();
    std::fs::remove_dir_all(temp.path().join("t-3")).unwrap();
    let crc32 = asked(Some(WhichPartitioner::Is(Partitioner::Crc32)));
    let checked = check(&[temp.path()], &crc32);
    let missing = of(&checked, "partitions-missing");
    assert_eq!(missing.len(), 1);
    assert!(missing[0].message.contains("not here: 1, 3;"), "{}", missing[0].message);
    let keys = topic(&checked, "t");
    let listed = of(&checked, "key-partition");
    assert!(listed.len() <= 3 * 21, "{}", listed.len());
    let stands_for: u64 = listed.iter().map(|finding| finding.stands_for).sum();
    assert_eq!(stands_for, keys.records_misplaced);
    assert!(keys.records_misplaced > 63);
    let all = Options { partitions: NonZeroU32::new(2), ..crc32 };
    let checked = check(&[temp.path()], &all);
    let missing = of(&checked, "partitions-missing");
    let severities: Vec<_> = missing.iter().map(|finding| finding.severity).collect();
    assert_eq!(severities, [Severity::Info]);
}

#[test]
fn markers_and_empty_keys_of_librdkafka_are_in_no_wrong_place() {
    let temp = tempfile::tempdir().unwrap();
    for number in 0..3 {
        let mut log = Log::create(temp.path(), &format!("t-{number}"));
        log.transactional(7, &[(Some(b""), Some(b"v"))]).marker(7, true).flush();
    }
    let by = |partitioner| asked(Some(WhichPartitioner::Is(partitioner)));
    assert_eq!(topic(&check(&[temp.path()], &by(Partitioner::Crc32)), "t").records_misplaced, 0);
    // Java's producer sends them all to one.
    assert_eq!(topic(&check(&[temp.path()], &by(Partitioner::Murmur2)), "t").records_misplaced, 2);
    let checked = check(&[temp.path()], &spread(1 << 20));
    assert_eq!(topic(&checked, "t").keys, Some(1));
    assert_eq!(of(&checked, "key-spread").len(), 1);
}

#[test]
fn keys_in_several_partitions_are_counted_and_listed_alike_whatever_memory_there_is() {
    let temp = tempfile::tempdir().unwrap();
    let gzip = BatchKind { attributes: 1, ..PLAIN };
    for number in 0..4u32 {
        let mut log = Log::create(temp.path(), &format!("t-{number}"));
        for group in 0..30 {
            // Of a thousand keys, one is in two partitions and one in all. One pass has no room.
            let own: Vec<String> =
                (0..998).map(|key| format!("own-{number}-{group}-{key}")).collect();
            let (pair, all) = (format!("pair-{}-{group}", number / 2), format!("all-{group}"));
            let mut records: Vec<_> = own.iter().map(|key| put(key, "v")).collect();
            records.extend([put(&pair, "v"), put(&all, "v")]);
            log.batch_of(gzip, &records);
        }
        log.flush();
    }
    let whole = check(&[temp.path()], &spread(64 << 20));
    let keys = topic(&whole, "t");
    assert_eq!(keys.keys, Some(4 * 30 * 998 + 2 * 30 + 30));
    assert_eq!(keys.keys_in_several_partitions, Some(2 * 30 + 30));
    let listed = of(&whole, "key-spread");
    assert_eq!(listed.len(), 21);
    let places = |first: i64, numbers: std::ops::Range<u32>| {
        numbers.map(|number| format!("{number} from {first}")).collect::<Vec<_>>().join(", ")
    };
    let pair = format!("key \"pair-0-0\" is in 2 partitions of topic t: {}", places(998, 0..2));
    let all = format!("key \"all-0\" is in 4 partitions of topic t: {}", places(999, 0..4));
    assert_eq!([&listed[0].message, &listed[1].message], [&pair, &all]);
    assert_eq!(listed.iter().map(|finding| finding.stands_for).sum::<u64>(), 90);
    let few = check(&[temp.path()], &spread(1));
    assert_eq!(few.findings, whole.findings);
    assert_eq!(few.topics, whole.topics);
    let pool = rayon::ThreadPoolBuilder::new().num_threads(1).build().unwrap();
    let alone = pool.install(|| check(&[temp.path()], &spread(1 << 17)));
    assert_eq!(alone.findings, whole.findings);
}

#[test]
fn damage_and_hostile_keys_do_not_end_the_check_and_no_key_reaches_the_terminal_raw() {
    let temp = tempfile::tempdir().unwrap();
    copy_folder(&testdata("broker-3.9.1/experiments.latest-0"), &temp.path().join("t-0"));
    let hostile = "\u{1b}[31m\u{7}evil\n";
    let long = "x".repeat(1 << 20);
    for number in [1, 2] {
        Log::create(temp.path(), &format!("t-{number}"))
            .batch(&[put(hostile, "v"), put(&long, "v")])
            .raw(b"garbage behind the last batch")
            .flush();
    }
    let log = temp.path().join("t-0/00000000000000000000.log");
    let mut bytes = std::fs::read(&log).unwrap();
    let middle = bytes.len() / 2;
    bytes[middle..middle + 100].fill(0xff);
    std::fs::write(&log, bytes).unwrap();
    for format in ["text", "json"] {
        let output = logcompact()
            .args(["verify", "--partitioner", "auto", "--check-key-spread", "-v"])
            .args(["--format", format, "--memory", "1MiB"])
            .arg(temp.path())
            .output()
            .unwrap();
        assert_eq!(output.status.code(), Some(1));
        let text = String::from_utf8(output.stdout).unwrap();
        assert!(text.contains("evil"), "{text}");
        assert!(!text.contains('\u{1b}') && !text.contains('\u{7}'), "{text}");
        assert!(text.len() < 100_000);
    }
}

#[test]
fn the_json_summary_says_of_each_topic_where_its_keys_are() {
    let output = logcompact()
        .args(["verify", "--partitioner", "auto", "--format", "json"])
        .arg(testdata("broker-3.9.1"))
        .output()
        .unwrap();
    let text = String::from_utf8(output.stdout).unwrap();
    let summary: Value = serde_json::from_str(text.lines().last().unwrap()).unwrap();
    let keys = summary["keys"].as_array().unwrap();
    let topic = keys.iter().find(|keys| keys["topic"] == "experiments.latest").unwrap();
    assert_eq!(topic["partitioner"], "murmur2");
    assert_eq!(topic["records_misplaced"], 0);
    assert_eq!(topic["keys"], Value::Null);
}
