//! Random logs against a short model: what a map of the latest records says must survive does.
//!
//! The model knows no files, batches or codecs, only the rules: within the range the
//! latest committed record of each key stays, tombstones too (none has met its horizon yet), and
//! behind the range everything stays as it is. A failing case is printed, and the seed with it.

mod support;

use std::collections::{BTreeSet, HashMap};
use std::path::Path;

use proptest::prelude::*;
use proptest::test_runner::RngSeed;
use serde_json::Value;
use support::log::{Log, Pair};
use support::{lines_of, logcompact};

/// One step of a random log.
#[derive(Clone, Debug)]
enum Step {
    Batch(Vec<Change>),
    Transactional(u8, Vec<Change>),
    Marker(u8, bool),
    Roll,
}

/// A record: its key (or none) and its value (or a tombstone).
#[derive(Clone, Debug)]
struct Change {
    key: Option<u8>,
    value: Option<u8>,
}

fn change() -> impl Strategy<Value = Change> {
    let key = prop_oneof![1 => Just(None), 20 => (0u8..12).prop_map(Some)];
    let value = prop_oneof![1 => Just(None), 5 => any::<u8>().prop_map(Some)];
    (key, value).prop_map(|(key, value)| Change { key, value })
}

fn steps() -> impl Strategy<Value = Vec<Step>> {
    let changes = || prop::collection::vec(change(), 1..6);
    let step = prop_oneof![
        5 => changes().prop_map(Step::Batch),
        4 => (0u8..3, changes()).prop_map(|(producer, c)| Step::Transactional(producer, c)),
        3 => (0u8..3, any::<bool>()).prop_map(|(producer, commit)| Step::Marker(producer, commit)),
        2 => Just(Step::Roll),
    ];
    prop::collection::vec(step, 1..40)
}

/// A data record as the model sees it.
struct Written {
    offset: i64,
    key: Option<u8>,
    producer: Option<u8>,
    /// The marker that ends its transaction: offset, and whether it commits.
    end: Option<(i64, bool)>,
}

/// Writes the log and gives its data records and segment bases.
fn write(log: &mut Log, steps: &[Step]) -> (Vec<Written>, Vec<i64>) {
    let (mut written, mut bases, mut offset) = (Vec::<Written>::new(), vec![0], 0);
    for step in steps {
        match step {
            Step::Batch(changes) | Step::Transactional(_, changes) => {
                let bytes: Vec<([u8; 1], [u8; 1])> = changes
                    .iter()
                    .map(|change| ([change.key.unwrap_or(0)], [change.value.unwrap_or(0)]))
                    .collect();
                let pairs: Vec<Pair<'_>> = changes
                    .iter()
                    .zip(&bytes)
                    .map(|(change, (key, value))| {
                        (change.key.map(|_| &key[..]), change.value.map(|_| &value[..]))
                    })
                    .collect();
                let producer = match step {
                    Step::Transactional(producer, _) => Some(*producer),
                    _ => None,
                };
                match producer {
                    Some(producer) => log.transactional(i64::from(producer), &pairs),
                    None => log.batch(&pairs),
                };
                for change in changes {
                    written.push(Written { offset, key: change.key, producer, end: None });
                    offset += 1;
                }
            }
            Step::Marker(producer, commit) => {
                log.marker(i64::from(*producer), *commit);
                let open = |w: &&mut Written| w.producer == Some(*producer) && w.end.is_none();
                written.iter_mut().filter(open).for_each(|w| w.end = Some((offset, *commit)));
                offset += 1;
            }
            Step::Roll => {
                if bases.last() != Some(&offset) {
                    log.roll();
                    bases.push(offset);
                }
            }
        }
    }
    (written, bases)
}

/// The offsets of the data records that must be left.
fn survivors(written: &[Written], bases: &[i64]) -> BTreeSet<i64> {
    let undecided = written.iter().find(|w| w.producer.is_some() && w.end.is_none());
    let bound = undecided.map_or(i64::MAX, |w| w.offset).min(*bases.last().unwrap());
    let end = *bases.iter().filter(|base| **base <= bound).max().unwrap();
    let aborted = |w: &&Written| w.end.is_some_and(|(_, commit)| !commit);
    let mut latest = HashMap::new();
    for record in written.iter().filter(|w| w.offset < end && !aborted(w)) {
        if let Some(key) = record.key {
            latest.insert(key, record.offset);
        }
    }
    let behind = written.iter().filter(|w| w.offset >= end).map(|w| w.offset);
    latest.into_values().chain(behind).collect()
}

fn data_offsets(dir: &Path) -> BTreeSet<i64> {
    let mut control = false;
    let mut offsets = BTreeSet::new();
    for line in lines_of(dir) {
        match line.get("control").and_then(Value::as_bool) {
            Some(is_control) => control = is_control,
            None if control => {}
            None => assert!(offsets.insert(line["offset"].as_i64().unwrap()), "twice: {line}"),
        }
    }
    offsets
}

/// The same logs in every run, unless `LOGCOMPACT_SEED` asks for others.
fn seed() -> RngSeed {
    let asked = std::env::var("LOGCOMPACT_SEED").ok().and_then(|seed| seed.parse().ok());
    let seed = asked.unwrap_or(1);
    println!("LOGCOMPACT_SEED={seed}");
    RngSeed::Fixed(seed)
}

proptest! {
    #![proptest_config(ProptestConfig {
        cases: 150,
        failure_persistence: None,
        rng_seed: seed(),
        ..ProptestConfig::default()
    })]

    #[test]
    fn exactly_the_latest_committed_records_of_the_range_survive(steps in steps()) {
        let temp = tempfile::tempdir().unwrap();
        let mut log = Log::create(temp.path(), "t-0");
        let (written, bases) = write(&mut log, &steps);
        let source = log.flush();
        let out = temp.path().join("out");
        logcompact()
            .args(["compact", "--quiet", "--now", "1700000100000", "--out"])
            .args([&out, &source])
            .assert()
            .success();
        prop_assert_eq!(data_offsets(&out.join("t-0")), survivors(&written, &bases));
    }
}
