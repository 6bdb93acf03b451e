//! `verify --against` beside a model that keeps every record in memory and compares bytes: random
//! logs, of which records, tombstones and markers are lost or changed.

mod support;

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

use logcompact::verify::against::Relation;
use proptest::prelude::*;
use support::against::{COMPACTION, compared};
use support::log::{Log, put, tombstone};

const KEYS: [&str; 4] = ["A", "B", "C", ""];

/// What lies at an offset: a batch of one record.
#[derive(Clone, Debug, PartialEq)]
enum Entry {
    Data { key: usize, value: Option<u8>, producer: Option<i64> },
    Marker { producer: i64, commit: bool },
}

fn entry() -> impl Strategy<Value = Entry> {
    let value = prop::option::weighted(0.7, 0..3u8);
    let producer = prop::option::weighted(0.4, 1..3i64);
    let data = (0..KEYS.len(), value, producer);
    prop_oneof![
        4 => data.prop_map(|(key, value, producer)| Entry::Data { key, value, producer }),
        1 => (1..3i64, any::<bool>())
            .prop_map(|(producer, commit)| Entry::Marker { producer, commit }),
    ]
}

/// What someone does to a copy: lose an offset, or put something else there.
fn change() -> impl Strategy<Value = Option<Entry>> {
    prop_oneof![3 => Just(None), 1 => entry().prop_map(Some)]
}

type Entries = Vec<Option<Entry>>;

fn write(root: &Path, entries: &Entries) -> PathBuf {
    let mut log = Log::create(root, "t-0");
    for entry in entries {
        match entry {
            None => log.pass_over(1),
            Some(Entry::Marker { producer, commit }) => log.marker(*producer, *commit),
            Some(Entry::Data { key, value, producer }) => {
                let text = value.map(|value| value.to_string());
                let record = match &text {
                    Some(text) => put(KEYS[*key], text),
                    None => tombstone(KEYS[*key]),
                };
                match producer {
                    Some(producer) => log.transactional(*producer, &[record]),
                    None => log.batch(&[record]),
                }
            }
        };
    }
    // Both logs end alike.
    log.batch(&[put("end", "")]).flush()
}

/// The offset and the value of each key that has one.
fn state(entries: &Entries) -> BTreeMap<usize, (usize, u8)> {
    let mut state = BTreeMap::new();
    for (offset, entry) in entries.iter().enumerate() {
        let Some(Entry::Data { key, value, producer }) = entry else { continue };
        let ends = entries.iter().skip(offset).flatten().find_map(|entry| match entry {
            Entry::Marker { producer: ended, commit } if Some(*ended) == *producer => Some(*commit),
            _ => None,
        });
        if producer.is_some() && ends != Some(true) {
            continue;
        }
        match value {
            Some(value) => state.insert(*key, (offset, *value)),
            None => state.remove(key),
        };
    }
    state
}

/// The offsets of the later of the two values of each key that differs.
fn differences(before: &Entries, after: &Entries) -> BTreeSet<i64> {
    let (before, after) = (state(before), state(after));
    let differing = (0..KEYS.len()).filter(|key| before.get(key) != after.get(key));
    let offset = |key: usize| before.get(&key).max(after.get(&key)).map(|(offset, _)| *offset);
    differing.filter_map(offset).map(|offset| offset as i64).collect()
}

fn found(before: &Path, after: &Path, relation: Relation, rule: &str) -> BTreeSet<i64> {
    let findings = compared(before, after, relation).findings;
    let of_rule = findings.iter().filter(|finding| finding.rule == rule);
    of_rule.map(|finding| finding.offset.unwrap().0).collect()
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 400, ..ProptestConfig::default() })]

    #[test]
    fn the_keys_that_differ_are_those_that_differ_in_a_model_of_bytes(
        before in prop::collection::vec(prop::option::weighted(0.9, entry()), 1..24),
        changes in prop::collection::vec((any::<prop::sample::Index>(), change()), 0..6),
    ) {
        let mut after = before.clone();
        for (at, change) in changes {
            *at.get_mut(&mut after) = change;
        }
        let temp = tempfile::tempdir().unwrap();
        let dirs = [("before", &before), ("after", &after)];
        let [before_dir, after_dir] = dirs.map(|(name, log)| write(&temp.path().join(name), log));
        let expected = differences(&before, &after);
        for relation in [COMPACTION, Relation::Replicas] {
            let state = found(&before_dir, &after_dir, relation, "against-state");
            prop_assert_eq!(&state, &expected);
            let state = found(&after_dir, &before_dir, relation, "against-state");
            prop_assert_eq!(&state, &expected);
        }
        let records = found(&before_dir, &after_dir, COMPACTION, "against-record");
        for (offset, (before, after)) in before.iter().zip(&after).enumerate() {
            // Other reasons to be found there are transactions that end otherwise.
            let differs = after.is_some() && !is_same_record(before, after);
            prop_assert!(!differs || records.contains(&(offset as i64)), "offset {}", offset);
        }
    }
}

/// Whether two have the same bytes; whose transaction it was is not part of a record.
fn is_same_record(one: &Option<Entry>, other: &Option<Entry>) -> bool {
    match (one, other) {
        (
            Some(Entry::Data { key, value, .. }),
            Some(Entry::Data { key: other_key, value: other_value, .. }),
        ) => (key, value) == (other_key, other_value),
        (Some(Entry::Marker { commit, .. }), Some(Entry::Marker { commit: other, .. })) => {
            commit == other
        }
        (one, other) => one == other,
    }
}
