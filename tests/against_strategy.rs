//! `verify --against --strategy` beside a model that keeps every record in memory: random logs with
//! times that go back, versions and deletions, of which records are lost, changed or brought back.

mod support;

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};

use logcompact::units::Offset;
use logcompact::verify::Finding;
use logcompact::verify::against::{Cleaned, Relation, StateRule, Survivor};
use predicates::prelude::*;
use proptest::prelude::*;
use serde_json::Value;
use support::against::{COMPACTION, compared_by, wrong};
use support::events::{Event, Kind, PLAIN, append};
use support::log::Log;
use support::logcompact;

const STRATEGIES: [&str; 4] = ["offset", "timestamp", "first", "header:v"];

/// What lies at an offset: a batch of one record.
#[derive(Clone, Debug, PartialEq)]
enum Entry {
    Data { event: Event, producer: Option<i64> },
    Marker { producer: i64, commit: bool },
}

fn event() -> impl Strategy<Value = Event> {
    let value = prop_oneof![3 => Just(None), 1 => Just(Some("")),
        6 => prop::sample::select(vec!["1", "2", "3"]).prop_map(Some)];
    let version = prop_oneof![1 => Just(None), 1 => Just(Some(vec![7])),
        4 => (-1i64..3).prop_map(|version| Some(version.to_be_bytes().to_vec()))];
    let key = prop::sample::select(vec!["A", "B", "C"]);
    (key, value, -1i64..4, version).prop_map(|(key, value, timestamp_ms, version)| {
        let event = Event::put(key, "", timestamp_ms);
        let event = Event { value: value.map(Into::into), ..event };
        match version {
            Some(version) => event.with("v", Some(&9i64.to_be_bytes())).with("v", Some(&version)),
            None => event,
        }
    })
}

fn entry() -> impl Strategy<Value = Entry> {
    let data = (event(), prop::option::weighted(0.2, 1..3i64));
    prop_oneof![
        6 => data.prop_map(|(event, producer)| Entry::Data { event, producer }),
        1 => (1..3i64, any::<bool>())
            .prop_map(|(producer, commit)| Entry::Marker { producer, commit }),
    ]
}

type Entries = Vec<Option<Entry>>;

fn write(root: &Path, entries: &Entries) -> PathBuf {
    let mut log = Log::create(root, "t-0");
    for entry in entries {
        match entry {
            None => drop(log.pass_over(1)),
            Some(Entry::Marker { producer, commit }) => drop(log.marker(*producer, *commit)),
            Some(Entry::Data { event, producer }) => {
                let transaction = producer.map(|producer| (producer, 0));
                append(&mut log, Kind { transaction, ..PLAIN }, std::slice::from_ref(event));
            }
        }
    }
    // Both logs end alike.
    append(&mut log, PLAIN, &[Event::put("end", "", 0)]);
    log.flush()
}

fn rule(strategy: &str, empty_is_tombstone: bool) -> StateRule {
    StateRule { survivor: Survivor::parse(strategy).unwrap(), empty_is_tombstone }
}

fn deletes(event: &Event, rule: &StateRule) -> bool {
    event.value.as_ref().is_none_or(|value| rule.empty_is_tombstone && value.is_empty())
}

/// The committed data by offset.
fn committed(entries: &Entries) -> BTreeMap<usize, &Event> {
    let ends = |offset: usize, producer: i64| {
        entries.iter().skip(offset).flatten().find_map(|entry| match entry {
            Entry::Marker { producer: ended, commit } if *ended == producer => Some(*commit),
            _ => None,
        })
    };
    let data = entries.iter().enumerate().filter_map(|(offset, entry)| match entry {
        Some(Entry::Data { event, producer }) => {
            let counts = producer.is_none_or(|producer| ends(offset, producer) == Some(true));
            counts.then_some((offset, event))
        }
        _ => None,
    });
    data.collect()
}

/// The record that counts for each key, by its offset.
fn winners<'a>(
    entries: &'a Entries,
    strategy: &str,
    rule: &StateRule,
) -> BTreeMap<&'a [u8], usize> {
    let committed = committed(entries);
    let mut by_key: BTreeMap<&[u8], Vec<(usize, &Event)>> = BTreeMap::new();
    for (offset, event) in committed {
        by_key.entry(event.key.as_deref().unwrap()).or_default().push((offset, event));
    }
    let winner = |of_key: &[(usize, &Event)]| -> usize {
        let order = |event: &Event| -> Option<i64> {
            match strategy {
                "timestamp" => Some(event.timestamp_ms).filter(|ms| *ms >= 0),
                "header:v" => {
                    let (_, version) = event.headers.last()?;
                    let bytes = version.as_deref()?.try_into().ok()?;
                    Some(i64::from_be_bytes(bytes))
                }
                _ => None,
            }
        };
        if strategy == "first" {
            let last_deletion = of_key.iter().rposition(|(_, event)| deletes(event, rule));
            let behind = last_deletion.map_or(0, |at| at + 1);
            return of_key.get(behind).or(of_key.last()).unwrap().0;
        }
        of_key.iter().map(|(offset, event)| (order(event), *offset)).max().unwrap().1
    };
    by_key.into_iter().map(|(key, of_key)| (key, winner(&of_key))).collect()
}

/// The offsets of the later of the two values of each key that differs. Where a deletion is gone, a
/// value that it beats counts if it lies at or behind `untouched`.
fn differences(
    logs: [&Entries; 2],
    strategy: &str,
    rule: &StateRule,
    untouched: usize,
) -> BTreeSet<i64> {
    let [before, after] = logs.map(|log| winners(log, strategy, rule));
    let value = |log: &Entries, offset: Option<&usize>| -> Option<(usize, Entry)> {
        let offset = *offset?;
        let entry = log[offset].clone().unwrap();
        let Entry::Data { event, .. } = &entry else { unreachable!() };
        (!deletes(event, rule)).then_some((offset, entry))
    };
    let keys: BTreeSet<&[u8]> = before.keys().chain(after.keys()).copied().collect();
    let mut found = BTreeSet::new();
    for key in keys {
        let (old, new) = (before.get(key), after.get(key));
        let (was, is) = (value(logs[0], old), value(logs[1], new));
        let record = |value: &Option<(usize, Entry)>| {
            value.as_ref().map(|(offset, entry)| match entry {
                Entry::Data { event, .. } => (*offset, event.clone()),
                Entry::Marker { .. } => unreachable!(),
            })
        };
        if record(&was) == record(&is) {
            continue;
        }
        let is_ordered = !["offset", "first"].contains(&strategy);
        let is_gone = was.is_none() && old.is_some() && old < new && new >= Some(&untouched);
        if is_ordered && is_gone && is.is_some() {
            continue;
        }
        let later = was.iter().chain(&is).map(|(offset, _)| *offset as i64).max();
        found.extend(later);
    }
    found
}

fn of_rule(findings: &[Finding], rule: &str) -> BTreeSet<i64> {
    let of_rule = findings.iter().filter(|finding| finding.rule == rule);
    of_rule.map(|finding| finding.offset.unwrap().0).collect()
}

/// Entries of which some are lost, brought back, or something else.
fn changes() -> impl Strategy<Value = Vec<(prop::sample::Index, Option<Entry>)>> {
    let change = prop_oneof![3 => Just(None), 1 => entry().prop_map(Some)];
    prop::collection::vec((any::<prop::sample::Index>(), change), 0..6)
}

proptest! {
    #![proptest_config(ProptestConfig {
        cases: 150, failure_persistence: None, ..ProptestConfig::default()
    })]

    #[test]
    fn the_keys_that_differ_by_a_strategy_are_those_of_a_model_that_holds_every_record(
        before in prop::collection::vec(prop::option::weighted(0.9, entry()), 1..24),
        changes in changes(),
        empty_is_tombstone: bool,
    ) {
        let mut after = before.clone();
        for (at, change) in changes {
            *at.get_mut(&mut after) = change;
        }
        let temp = tempfile::tempdir().unwrap();
        let dirs = [("before", &before), ("after", &after)];
        let [before_dir, after_dir] = dirs.map(|(name, log)| write(&temp.path().join(name), log));
        let [there, here] = [&before, &after].map(committed);
        // Behind the last record that is on one side only, nothing was compacted.
        let untouched = (0..before.len())
            .rfind(|at| before[*at].is_some() != after[*at].is_some()
                && (there.contains_key(at) || here.contains_key(at)))
            .map_or(usize::MAX, |at| at + 1);
        for strategy in STRATEGIES {
            let rule = rule(strategy, empty_is_tombstone);
            let found = compared_by(&rule, &before_dir, &after_dir, COMPACTION).findings;
            let expected = differences([&before, &after], strategy, &rule, untouched);
            prop_assert_eq!(of_rule(&found, "against-state"), expected, "{}", strategy);

            // All of it was cleaned: no deletion is gone that beats what is there, and no key has
            // two records.
            let (first_dirty, end) = (Offset(0), Offset(before.len() as i64 + 1));
            let cleaned = Some(Cleaned { first_dirty, end });
            let relation = Relation::Compaction { log_end: None, start_may_move: false, cleaned };
            let found = compared_by(&rule, &before_dir, &after_dir, relation).findings;
            let expected = differences([&before, &after], strategy, &rule, usize::MAX);
            prop_assert_eq!(of_rule(&found, "against-state"), expected, "{}", strategy);
            let mut seen = BTreeSet::new();
            let doubled = here.iter().filter(|(_, event)| !seen.insert(&event.key));
            let doubled: BTreeSet<i64> = doubled.map(|(offset, _)| *offset as i64).collect();
            let is_double = |f: &&Finding| f.message.starts_with("its key has another record");
            let found: BTreeSet<i64> =
                found.iter().filter(is_double).map(|f| f.offset.unwrap().0).collect();
            prop_assert_eq!(found, doubled, "{}", strategy);
        }
    }
}

/// A log in which each strategy keeps another record of `A`; `B` and `C` have one each.
fn contested(root: &Path) -> PathBuf {
    let version = |number: i64| number.to_be_bytes().to_vec();
    let mut log = Log::create(root, "t-0");
    for (offset, (ms, number)) in [(5, 1), (9, 2), (7, 8), (6, 3)].into_iter().enumerate() {
        let event = Event::put("A", &offset.to_string(), ms).with("v", Some(&version(number)));
        append(&mut log, PLAIN, &[event]);
    }
    append(&mut log, PLAIN, &[Event::put("B", "1", 1), Event::put("C", "1", 2)]);
    append(&mut log, PLAIN, &[Event::put("D", "1", 1)]);
    append(&mut log, PLAIN, &[Event::put("D", "", 2)]);
    log.roll();
    append(&mut log, PLAIN, &[Event::put("active", "1", 1)]);
    log.flush()
}

/// Runs `verify --against` and gives the findings of the comparison.
fn verify_against(source: &Path, result: &Path, options: &[&str]) -> (i32, Vec<Value>) {
    let output = logcompact()
        .args(["verify", "--format", "json", "--against"])
        .args([source, result])
        .args(options)
        .output()
        .unwrap();
    let text = String::from_utf8(output.stdout).unwrap();
    let lines = text.lines().map(|line| serde_json::from_str::<Value>(line).unwrap());
    let is_ours = |line: &Value| line["rule"].as_str().is_some_and(|r| r.starts_with("against-"));
    let wrong = lines.filter(is_ours).filter(|line| line["severity"] != "info").collect();
    (output.status.code().unwrap(), wrong)
}

#[test]
fn a_result_passes_by_its_own_strategy_only() {
    let temp = tempfile::tempdir().unwrap();
    let source = contested(temp.path());
    for strategy in STRATEGIES {
        let out = temp.path().join(strategy.replace(':', "-"));
        logcompact()
            .args(["compact", "-q", "--verify", "--strategy", strategy, "--out"])
            .args([&out, &source])
            .assert()
            .success();
        let result = out.join("t-0");
        for other in STRATEGIES {
            let (_, wrong) = verify_against(&source, &result, &["--strategy", other]);
            assert_eq!(wrong.is_empty(), other == strategy, "{strategy} by {other}: {wrong:?}");
        }
        // Without the batch that has the winner, and with a loser in its place.
        let log = result.join("00000000000000000000.log");
        let bytes = fs::read(&log).unwrap();
        let first_bytes = 12 + i32::from_be_bytes(bytes[8..12].try_into().unwrap()) as usize;
        fs::write(&log, &bytes[first_bytes..]).unwrap();
        let (status, wrong) = verify_against(&source, &result, &["--strategy", strategy]);
        assert_eq!(status, 1);
        assert_eq!(wrong.len(), 1, "{strategy}: {wrong:?}");
        assert_eq!(wrong[0]["rule"], "against-state");
        let winner = ["offset", "timestamp", "first", "header:v"].map(|s| s == strategy);
        let winner = [3, 1, 0, 2][winner.iter().position(|is_it| *is_it).unwrap()];
        assert_eq!(wrong[0]["offset"], winner, "{strategy}");
    }
}

#[test]
fn an_empty_value_that_deletes_is_judged_as_such() {
    let temp = tempfile::tempdir().unwrap();
    let source = contested(temp.path());
    for strategy in STRATEGIES {
        let out = temp.path().join(strategy.replace(':', "-"));
        logcompact()
            .args(["compact", "-q", "--verify", "--drop-tombstones", "--empty-is-tombstone"])
            .args(["--strategy", strategy, "--out"])
            .args([&out, &source])
            .assert()
            .success();
        let result = out.join("t-0");
        let options = ["--strategy", strategy, "--empty-is-tombstone"];
        assert_eq!(verify_against(&source, &result, &options), (0, vec![]), "{strategy}");
        let (status, wrong) = verify_against(&source, &result, &options[..2]);
        assert_eq!((status, wrong.len()), (1, 1), "{strategy}: {wrong:?}");
    }
}

#[test]
fn a_late_value_behind_the_range_that_was_cleaned_outlives_the_deletion_that_beats_it() {
    let temp = tempfile::tempdir().unwrap();
    let mut log = Log::create(temp.path(), "t-0");
    append(&mut log, PLAIN, &[Event::put("A", "1", 1)]);
    append(&mut log, PLAIN, &[Event::delete("A", 9)]);
    append(&mut log, PLAIN, &[Event::put("B", "1", 1)]);
    log.roll();
    append(&mut log, PLAIN, &[Event::put("A", "late", 5)]);
    let source = log.flush();
    let out = temp.path().join("out");
    logcompact()
        .args(["compact", "-q", "--verify", "--drop-tombstones", "--strategy", "timestamp"])
        .args(["--out".as_ref(), out.as_os_str(), source.as_os_str()])
        .assert()
        .success();
    let strategy = ["--strategy", "timestamp"];
    assert_eq!(verify_against(&source, &out.join("t-0"), &strategy), (0, vec![]));

    // In the range it would have lost.
    let rule = rule("timestamp", false);
    let after = out.join("t-0");
    let cleaned = Some(Cleaned { first_dirty: Offset(0), end: Offset(4) });
    let relation = Relation::Compaction { log_end: None, start_may_move: false, cleaned };
    let found = compared_by(&rule, &source, &after, relation).findings;
    assert_eq!(wrong(&found), [("against-state", Some(3))]);
    let text = format!(
        "the key \"A\" has the value that counts here, but is deleted at 1 in {}",
        source.display()
    );
    assert_eq!(found.iter().find(|f| f.offset == Some(Offset(3))).unwrap().message, text);
}

#[test]
fn a_record_that_is_lost_behind_the_range_that_was_cleaned_is_found() {
    let temp = tempfile::tempdir().unwrap();
    let value =
        |value: &str| Some(Entry::Data { event: Event::put("A", value, 1), producer: None });
    let before = write(&temp.path().join("before"), &vec![value("1"), value("2"), value("3")]);
    let after = write(&temp.path().join("after"), &vec![None, None, value("3")]);
    let relation = |end: i64| {
        let cleaned = Some(Cleaned { first_dirty: Offset(0), end: Offset(end) });
        Relation::Compaction { log_end: None, start_may_move: false, cleaned }
    };
    let rule = StateRule::default();
    let found = |end: i64| wrong(&compared_by(&rule, &before, &after, relation(end)).findings);
    assert_eq!(found(3), []);
    assert_eq!(found(1), [("against-record", Some(1))]);
}

#[test]
fn a_rule_needs_something_to_compare_with_and_a_name_that_is_known() {
    let temp = tempfile::tempdir().unwrap();
    let source = contested(temp.path());
    let run = |options: &[&str]| logcompact().arg("verify").arg(&source).args(options).assert();
    let needs = predicate::str::contains("--against");
    run(&["--strategy", "timestamp"]).code(2).stderr(needs.clone());
    run(&["--empty-is-tombstone"]).code(2).stderr(needs);
    let against = ["--against", source.to_str().unwrap(), "--strategy", "newest"];
    let known = predicate::str::contains("expected one of offset, timestamp, first, header:NAME");
    run(&against).code(2).stdout("").stderr(known);
}
