//! Which record of a key survives: random logs of all magics and codecs, with times out of order,
//! versions, ties, deletions and transactions, against a short model for each strategy.
//!
//! And what holds for all of them: neither threads, nor memory, nor the hash of a key have a say;
//! where times rise, `timestamp` is `offset`, byte for byte.

mod support;

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::path::Path;

use logcompact::format::codec::Codec;
use logcompact::report::NoProgress;
use logcompact::report::RunReport;
use logcompact::segment::find_partitions;
use logcompact::units::{Offset, Timestamp};
use logcompact::verify::against::{Cleaned, Relation, StateRule, Survivor};
use logcompact::verify::{self, Severity};
use proptest::prelude::*;
use proptest::test_runner::RngSeed;
use serde_json::Value;
use support::against::compared_by;
use support::compacting::{NOW_MS, Way, by, files_in};
use support::events::{Event, Kind, PLAIN, append};
use support::log::{Log, put};
use support::state::content_of;
use support::steps::{Step, Written, steps, write};
use support::{copy_folder, folders_in, lines_of, testdata};

const DAY_MS: i64 = 86_400_000;
const STRATEGIES: [&str; 4] = ["offset", "timestamp", "first", "header:v"];

/// What must be left, and the counters that go with it.
#[derive(Debug, Default, PartialEq)]
struct Expected {
    offsets: BTreeSet<i64>,
    /// Of these, the ones that are gone when deletions have had their time.
    deletions: BTreeSet<i64>,
    superseded: u64,
    late: u64,
    bad_versions: u64,
}

/// The last header of the name: none, one that is no version, a version.
fn version(event: &Event) -> Option<Option<i64>> {
    let (_, value) = event.headers.iter().rfind(|(name, _)| name == "v")?;
    let bytes: Option<[u8; 8]> = value.as_ref().and_then(|value| value.as_slice().try_into().ok());
    Some(bytes.map(i64::from_be_bytes))
}

fn winner<'a>(
    strategy: &str,
    of_key: &[&'a Written],
    deletes: &dyn Fn(&Event) -> bool,
) -> &'a Written {
    let highest = |order: &dyn Fn(&Written) -> Option<i64>| -> &'a Written {
        of_key.iter().copied().max_by_key(|w| (order(w), w.offset)).unwrap()
    };
    match strategy {
        "offset" => of_key[of_key.len() - 1],
        "timestamp" => highest(&|w| Some(w.timestamp_ms)),
        "header:v" => highest(&|w| version(&w.event).flatten()),
        "first" => {
            let mut live: Option<&Written> = None;
            for record in of_key.iter().copied() {
                match live {
                    Some(held) if !deletes(&held.event) && !deletes(&record.event) => {}
                    _ => live = Some(record),
                }
            }
            live.unwrap()
        }
        other => panic!("{other}"),
    }
}

fn expected(way: &Way, written: &[Written], bases: &[i64]) -> Expected {
    let strategy = way.policy.topic.strategy.to_string();
    let empty_deletes = way.policy.empty_is_tombstone;
    let deletes =
        |event: &Event| event.value.as_ref().is_none_or(|v| empty_deletes && v.is_empty());
    let undecided = written.iter().find(|w| w.producer.is_some() && w.end.is_none());
    let bound = undecided.map_or(i64::MAX, |w| w.offset).min(*bases.last().unwrap());
    let end = *bases.iter().filter(|base| **base <= bound).max().unwrap();
    let mut by_key: BTreeMap<&[u8], Vec<&Written>> = BTreeMap::new();
    let mut expected = Expected::default();
    for record in written {
        match &record.event.key {
            _ if record.offset >= end => drop(expected.offsets.insert(record.offset)),
            _ if record.end == Some(false) => {}
            Some(key) => {
                by_key.entry(key).or_default().push(record);
                let is_bad = version(&record.event) == Some(None) && strategy == "header:v";
                expected.bad_versions += u64::from(is_bad);
            }
            None => {}
        }
    }
    for of_key in by_key.values() {
        let winner = winner(&strategy, of_key, &deletes);
        expected.offsets.insert(winner.offset);
        if deletes(&winner.event) {
            expected.deletions.insert(winner.offset);
        }
        expected.superseded += of_key.len() as u64 - 1;
        expected.late += of_key.iter().filter(|w| w.offset > winner.offset).count() as u64;
    }
    expected
}

/// The data records of a directory by offset.
fn records_of(dir: &Path) -> BTreeMap<i64, Value> {
    let mut control = false;
    let mut records = BTreeMap::new();
    for line in lines_of(dir) {
        match line.get("control").and_then(Value::as_bool) {
            Some(is_control) => control = is_control,
            None if control => {}
            None => assert!(records.insert(line["offset"].as_i64().unwrap(), line).is_none()),
        }
    }
    records
}

/// What `verify` finds wrong: rule, file, offset.
fn findings(dir: &Path) -> BTreeSet<(String, String, Option<i64>)> {
    let found = verify::run(&find_partitions(&[dir.to_path_buf()]).unwrap(), &NoProgress);
    let wrong = found.unwrap().findings.into_iter().filter(|f| f.severity > Severity::Info);
    let file = |path: &Path| path.file_name().unwrap().to_string_lossy().into_owned();
    wrong.map(|f| (f.rule.into(), file(&f.path), f.offset.map(|offset| offset.0))).collect()
}

/// What `verify` finds wrong with a compaction, but for what was carried over with it: the sources
/// have no indexes.
fn wrong(dir: &Path, source: &Path) -> BTreeSet<(String, String, Option<i64>)> {
    &findings(dir) - &findings(source)
}

/// What the reader of `--verify` says of a compaction.
fn judged(way: &Way, source: &Path, dir: &Path, report: &RunReport) -> Vec<String> {
    let partition = &report.partitions[0];
    let (first_dirty, end) = (Offset(0), partition.end_offset);
    let relation = Relation::Compaction {
        log_end: None,
        start_may_move: false,
        cleaned: Some(Cleaned { first_dirty, end }),
    };
    let survivor = Survivor::parse(&way.policy.topic.strategy.to_string()).unwrap();
    let rule = StateRule { survivor, empty_is_tombstone: way.policy.empty_is_tombstone };
    let found = compared_by(&rule, source, dir, relation).findings.into_iter();
    let wrong = found.filter(|finding| finding.severity > Severity::Info);
    wrong.map(|finding| format!("{finding:?}")).collect()
}

/// The same logs in every run, unless `LOGCOMPACT_SEED` asks for others.
fn config(cases: u32) -> ProptestConfig {
    let asked = std::env::var("LOGCOMPACT_SEED").ok().and_then(|seed| seed.parse().ok());
    let seed = asked.unwrap_or(1);
    println!("LOGCOMPACT_SEED={seed}");
    let rng_seed = RngSeed::Fixed(seed);
    ProptestConfig { cases, failure_persistence: None, rng_seed, ..ProptestConfig::default() }
}

proptest! {
    #![proptest_config(config(16))]

    #[test]
    fn exactly_the_winners_of_each_strategy_survive(steps in steps(), empty_deletes: bool) {
        let temp = tempfile::tempdir().unwrap();
        let mut log = Log::create(temp.path(), "t-0");
        let (written, bases) = write(&mut log, &steps);
        let source = log.flush();
        let before = records_of(&source);
        for strategy in STRATEGIES {
            let mut way = by(strategy);
            way.policy.empty_is_tombstone = empty_deletes;
            let expected = expected(&way, &written, &bases);
            let (dir, report) = way.compact(&source, &temp.path().join(strategy));
            let after = records_of(&dir);
            let offsets: BTreeSet<i64> = after.keys().copied().collect();
            prop_assert_eq!(&offsets, &expected.offsets, "{}", strategy);
            for (offset, record) in &after {
                prop_assert_eq!(record, &before[offset]);
            }
            let counters = report.totals;
            prop_assert_eq!(counters.removed.superseded, expected.superseded, "{}", strategy);
            prop_assert_eq!(counters.late_records, expected.late, "{}", strategy);
            prop_assert_eq!(counters.bad_version_headers, expected.bad_versions);
            prop_assert_eq!(content_of(&dir).log_end, content_of(&source).log_end);
            prop_assert_eq!(wrong(&dir, &source), BTreeSet::new(), "{}", strategy);
            prop_assert_eq!(judged(&way, &source, &dir, &report), Vec::<String>::new());

            // Little memory, other threads, keys that collide: the same bytes and numbers.
            let mut tight = Way { threads: 3, memory_bytes: 1 << 10, ..way.clone() };
            tight.policy.key_hash_bits = 1;
            let (same, of_tight) = tight.compact(&source, &temp.path().join("tight"));
            prop_assert!(files_in(&dir) == files_in(&same), "{}", strategy);
            prop_assert_eq!(counters, of_tight.totals);
            std::fs::remove_dir_all(temp.path().join("tight")).unwrap();

            // Deletions have had their time.
            way.policy.now = Timestamp(NOW_MS + 2 * DAY_MS);
            let first = dir;
            let (dir, report) =
                way.compact(&first, &temp.path().join(format!("{strategy} later")));
            prop_assert_eq!(judged(&way, &first, &dir, &report), Vec::<String>::new());
            let left: BTreeSet<i64> = records_of(&dir).into_keys().collect();
            let lasting = &expected.offsets - &expected.deletions;
            prop_assert_eq!(&left, &lasting, "{}", strategy);
            prop_assert_eq!(wrong(&dir, &source), BTreeSet::new(), "{}", strategy);
        }
    }

    #[test]
    fn where_times_rise_timestamp_is_offset_byte_for_byte(steps in steps(), empty_deletes: bool) {
        let temp = tempfile::tempdir().unwrap();
        let mut log = Log::create(temp.path(), "t-0");
        let mut clock_ms = 1_700_000_000_000;
        let mut steps = steps;
        for step in &mut steps {
            if let Step::Batch(_, events) | Step::Transactional(_, _, events) = step {
                for event in events {
                    clock_ms += event.timestamp_ms.rem_euclid(3);
                    event.timestamp_ms = clock_ms;
                }
            }
            // Records without a time are older than any that has one.
            if let Step::Batch(kind, _) = step {
                kind.magic = kind.magic.max(1);
            }
        }
        write(&mut log, &steps);
        let source = log.flush();
        let outputs = ["offset", "timestamp"].map(|strategy| {
            let mut way = by(strategy);
            way.policy.empty_is_tombstone = empty_deletes;
            let (dir, report) = way.compact(&source, &temp.path().join(strategy));
            (files_in(&dir), report.totals)
        });
        prop_assert_eq!(outputs[1].1.late_records, 0);
        prop_assert!(outputs[0] == outputs[1]);
    }
}

/// Whether no record of a key is older than one in front of it.
fn times_rise(dir: &Path) -> bool {
    let mut newest: HashMap<String, i64> = HashMap::new();
    lines_of(dir).iter().filter(|line| line.get("key").is_some()).all(|record| {
        let timestamp_ms = record["timestamp"].as_i64().unwrap();
        let before = newest.insert(record["key"].to_string(), timestamp_ms);
        before.is_none_or(|before| before <= timestamp_ms)
    })
}

#[test]
fn what_real_brokers_wrote_comes_out_as_by_offset_where_nothing_says_otherwise() {
    let mut rising = 0;
    for name in ["storage-4.1.1", "broker-3.9.1"] {
        let temp = tempfile::tempdir().unwrap();
        let out = |strategy: &str| {
            let out = temp.path().join(strategy.replace(':', "-"));
            let mut way = by(strategy);
            way.policy.include_active = true;
            way.compact(&testdata(name), &out);
            out
        };
        // No record has the header, so all are equal.
        let [wanted, unversioned, timestamp] = ["offset", "header:no such", "timestamp"].map(out);
        for case in folders_in(&wanted) {
            let files = |out: &Path| files_in(&out.join(&case));
            assert!(files(&unversioned) == files(&wanted), "{case}");
            if times_rise(&testdata(name).join(&case)) {
                rising += 1;
                assert!(files(&timestamp) == files(&wanted), "{case}");
            }
        }
    }
    assert!(rising > 10, "{rising}");
}

#[test]
fn in_place_and_in_a_folder_the_same_survives() {
    for strategy in STRATEGIES {
        for case in ["storage-4.1.1/v2-plain-0", "broker-3.9.1/tx-0", "storage-4.1.1/v1-gzip-0"] {
            let temp = tempfile::tempdir().unwrap();
            let copy = temp.path().join(testdata(case).file_name().unwrap());
            copy_folder(&testdata(case), &copy);
            let (dir, report) = by(strategy).compact(&copy, &temp.path().join("out"));
            let in_place = Way { in_place: true, ..by(strategy) };
            let before = findings(&copy);
            let (same, of_place) = in_place.compact(&copy, temp.path());
            assert_eq!(records_of(&same), records_of(&dir), "{case} {strategy}");
            assert_eq!(of_place.totals, report.totals, "{case} {strategy}");
            assert!(findings(&same).is_subset(&before), "{case} {strategy}");
        }
    }
}

#[test]
fn more_keys_than_memory_has_room_for_are_settled_in_more_passes_to_the_same() {
    let temp = tempfile::tempdir().unwrap();
    let mut log = Log::create(temp.path(), "t-0");
    // Each key four times, with times and versions in no order.
    let scattered = |n: u64| n.wrapping_mul(0x9e37_79b9_7f4a_7c15) >> 40;
    for batch in 0..300u64 {
        let events: Vec<Event> = (0..50)
            .map(|n| batch * 50 + n)
            .map(|n| {
                let key = format!("key-{:05}", scattered(n) % 4_000);
                let number = scattered(n * 7 + 1) % 5;
                let version = (number as i64).to_be_bytes();
                Event::put(&key, &n.to_string(), 1_700_000_000_000 + number as i64)
                    .with("v", Some(&version))
            })
            .collect();
        append(&mut log, Kind { codec: Codec::Lz4, ..PLAIN }, &events);
    }
    let source = log.roll().batch(&[put("Z", "1")]).flush();
    let mut survivors = BTreeSet::new();
    for strategy in STRATEGIES {
        let roomy = by(strategy);
        let tight = Way { threads: 1, memory_bytes: 100 << 10, ..roomy.clone() };
        let (wanted, of_roomy) = roomy.compact(&source, &temp.path().join(strategy));
        let (dir, of_tight) =
            tight.compact(&source, &temp.path().join(format!("{strategy} tight")));
        assert!(files_in(&wanted) == files_in(&dir), "{strategy}");
        assert_eq!(of_roomy.totals, of_tight.totals);
        assert!(of_tight.partitions[0].passes > 1, "{strategy}");
        assert_eq!(of_tight.totals.records_kept, of_tight.totals.distinct_keys);
        survivors.insert(records_of(&dir).into_keys().collect::<Vec<_>>());
    }
    // Time and version say the same, which is neither the first nor the last.
    assert_eq!(survivors.len(), 3);
}
