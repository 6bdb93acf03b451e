//! Cases that have a name: those of Pulsar's compaction tests that are about which record survives
//! (where Pulsar and Kafka differ, the comment says so), KIP-280's, and what the program refuses.
//!
//! A log is written as text: batches apart by a space, records by a comma, `|` rolls the segment.
//! `k=v@3` is a value with a time, `k=@3` an empty one, `k!@3` a deletion, `*=v@3` has no key, and
//! `k=v@3#7` has a version, too.

mod support;

use std::fs;
use std::path::{Path, PathBuf};

use logcompact::compact::NullKeys;
use logcompact::format::codec::Codec;
use logcompact::segment::PartitionDir;
use logcompact::units::Timestamp;
use predicates::prelude::*;
use support::compacting::{NOW_MS, Way, by, files_in};
use support::events::{Event, Kind, PLAIN, append};
use support::log::{Log, put};
use support::state::content_of;
use support::{copy_folder, logcompact, testdata};

const DAY_MS: i64 = 86_400_000;

fn event(text: &str) -> Event {
    let (text, version) = text.split_once('#').map_or((text, None), |(t, v)| (t, Some(v)));
    let (text, time) = text.split_once('@').unwrap_or((text, "0"));
    let (key, value) = match text.strip_suffix('!') {
        Some(key) => (key, None),
        None => text.split_once('=').map(|(key, value)| (key, Some(value))).unwrap(),
    };
    let mut event = Event::put(key, value.unwrap_or_default(), time.parse().unwrap());
    event.key = event.key.filter(|key| key != b"*");
    event.value = event.value.filter(|_| value.is_some());
    match version {
        Some(version) => event.with("v", Some(&version.parse::<i64>().unwrap().to_be_bytes())),
        None => event,
    }
}

fn write(log: &mut Log, kind: Kind, text: &str) {
    for word in text.split_whitespace() {
        match word {
            "|" => drop(log.roll()),
            batch => append(log, kind, &batch.split(',').map(event).collect::<Vec<_>>()),
        }
    }
}

/// A log of `text`, with an active segment behind it.
fn log_of(root: &Path, kind: Kind, text: &str) -> PathBuf {
    let mut log = Log::create(root, "t-0");
    write(&mut log, kind, text);
    log.roll().flush()
}

fn offsets(dir: &Path) -> Vec<i64> {
    content_of(dir).records.into_keys().collect()
}

fn batch_sizes(dir: &Path) -> Vec<i32> {
    let mut sizes = Vec::new();
    for segment in &PartitionDir::open(dir).unwrap().segments {
        let log = segment.log().unwrap();
        sizes.extend(log.batches().map(|item| item.unwrap().1.header.record_count));
    }
    sizes
}

/// What survives of `text`: in every codec the same, and the log ends where it did.
fn left(way: &Way, text: &str) -> Vec<i64> {
    let mut found: Vec<Vec<i64>> = Vec::new();
    for codec in [Codec::None, Codec::Gzip, Codec::Snappy, Codec::Lz4, Codec::Zstd] {
        let temp = tempfile::tempdir().unwrap();
        let source = log_of(temp.path(), Kind { codec, ..PLAIN }, text);
        let (dir, _) = way.compact(&source, &temp.path().join("out"));
        assert_eq!(content_of(&dir).log_end, content_of(&source).log_end, "{text}");
        found.push(offsets(&dir));
    }
    assert!(found.iter().all(|offsets| *offsets == found[0]), "{text}: {found:?}");
    found.remove(0)
}

fn dropping(strategy: &str) -> Way {
    let mut way = by(strategy);
    way.policy.drop_tombstones = true;
    way
}

#[test]
fn survivors_keep_their_offsets_and_their_order() {
    for strategy in ["offset", "timestamp"] {
        assert_eq!(left(&by(strategy), "c=1@1 a=1@2 b=1@3 a=2@4"), [0, 2, 3], "{strategy}");
    }
    assert_eq!(left(&by("first"), "c=1 a=1 b=1 a=2"), [0, 1, 2]);
    assert_eq!(left(&by("timestamp"), "c=1@1 a=1@9 b=1@3 a=2@4"), [0, 1, 2]);
}

#[test]
fn a_batch_that_a_later_single_record_beats_is_gone_and_one_that_beats_it_stays_whole() {
    let temp = tempfile::tempdir().unwrap();
    let source = log_of(temp.path(), PLAIN, "a=1@5,a=2@6,a=3@7 a=4@8 z=1@9");
    let (dir, _) = by("timestamp").compact(&source, &temp.path().join("newer"));
    assert_eq!((offsets(&dir), batch_sizes(&dir)), (vec![3, 4], vec![1, 1]));
    let (dir, _) = by("first").compact(&source, &temp.path().join("first"));
    assert_eq!((offsets(&dir), batch_sizes(&dir)), (vec![0, 4], vec![1, 1]));
}

#[test]
fn within_a_batch_the_rules_are_those_between_batches() {
    assert_eq!(left(&by("timestamp"), "k1=1@1,k2=1@1,k2=2@1"), [0, 2]);
    assert_eq!(left(&by("timestamp"), "k1=1@1,k2=1@2,k2=2@1"), [0, 1]);
    assert_eq!(left(&by("first"), "k1=1@1,k2=1@1,k2=2@1"), [0, 1]);
    // Pulsar keeps the earlier of two with equal times in a batch, the later between batches.
    for text in ["a=1@5,b=1@5,a=2@5,b=2@5", "a=1@5 b=1@5 a=2@5 b=2@5", "a=1@5,b=1@5 a=2@5,b=2@5"] {
        assert_eq!(left(&by("timestamp"), text), [2, 3], "{text}");
    }
}

#[test]
fn deletions_stay_until_they_have_had_their_time_and_leave_state_only_where_asked() {
    let text = "k1=v@1,k1!@2,k2=v@3 k3=1@4 k3=2@5 k3=3@6 k4=v@7,k4!@8,k5=v@9";
    for strategy in ["offset", "timestamp"] {
        assert_eq!(left(&by(strategy), text), [1, 2, 5, 7, 8], "{strategy}");
        assert_eq!(left(&dropping(strategy), text), [2, 5, 8], "{strategy}");
    }
    assert_eq!(left(&by("first"), text), [1, 2, 3, 7, 8]);
    assert_eq!(left(&dropping("first"), text), [2, 3, 8]);
}

#[test]
fn a_key_that_was_deleted_and_is_back_has_its_newest_value_or_the_first_behind_the_deletion() {
    let text = "k=1@1 k!@2 k=2@3 k=3@4";
    assert_eq!(left(&by("offset"), text), [3]);
    assert_eq!(left(&by("timestamp"), text), [3]);
    assert_eq!(left(&by("first"), text), [2]);
    assert_eq!(left(&by("first"), "k=1 k!"), [1]);
    assert_eq!(left(&by("first"), "k! k!"), [1]);
    assert_eq!(left(&by("first"), "k=1 k=2 k! k! k=3 k=4"), [4]);
}

#[test]
fn a_late_older_value_does_not_revive_a_key_and_a_late_older_deletion_does_not_kill_one() {
    // Pulsar forgets the time of a deletion, and the key would be back.
    assert_eq!(left(&by("timestamp"), "k=1@1 k!@9 k=2@5"), [1]);
    assert_eq!(left(&dropping("timestamp"), "k=1@1 k!@9 k=2@5 z=1"), [3]);
    assert_eq!(left(&by("timestamp"), "k=1@9 k!@5 k=2@7"), [0]);
    assert_eq!(left(&by("header:v"), "k=1@1#1 k!@1#9 k=2@1#5"), [1]);
}

#[test]
fn where_all_keys_are_deleted_nothing_is_left_but_where_the_log_ends() {
    for strategy in ["offset", "timestamp", "first"] {
        let text = "k1=v@1 k2=v@2 k1!@3 k2!@4";
        assert_eq!(left(&dropping(strategy), text), [0i64; 0], "{strategy}");
        assert_eq!(left(&by(strategy), text), [2, 3], "{strategy}");
    }
}

#[test]
fn empty_values_are_values_unless_they_stand_for_deletions() {
    for strategy in ["offset", "timestamp"] {
        let mut way = by(strategy);
        assert_eq!(left(&way, "k=@1 k=@2 k=@3"), [2]);
        way.policy.drop_tombstones = true;
        assert_eq!(left(&way, "k=@1 k=@2 k=@3"), [2]);
        way.policy.empty_is_tombstone = true;
        assert_eq!(left(&way, "k=@1 k=@2 k=@3"), [0i64; 0]);
    }
    let mut first = by("first");
    assert_eq!(left(&first, "k=1 k= k=2"), [0]);
    first.policy.empty_is_tombstone = true;
    assert_eq!(left(&first, "k=1 k= k=2"), [2]);
}

#[test]
fn records_without_a_key_stay_between_the_others_where_asked() {
    let text = "*=1,*=2,k1=3,k1=4 k2=5,k2=6 *=7 *=8";
    for (strategy, of_keys) in [("offset", [3, 5]), ("timestamp", [3, 5]), ("first", [2, 4])] {
        let mut way = by(strategy);
        assert_eq!(left(&way, text), of_keys, "{strategy}");
        way.policy.null_keys = NullKeys::Keep;
        let [k1, k2] = of_keys;
        assert_eq!(left(&way, text), [0, 1, k1, k2, 6, 7], "{strategy}");
    }
    assert_eq!(left(&by("timestamp"), "*=1@9,k=1@5 *=2@9,k=2@3"), [1]);
}

#[test]
fn aborted_records_and_markers_are_no_candidates() {
    let temp = tempfile::tempdir().unwrap();
    let mut log = Log::create(temp.path(), "t-0");
    let of = |id: i64| Kind { transaction: Some((id, 0)), ..PLAIN };
    write(&mut log, PLAIN, "a=1@5 b=1@5");
    write(&mut log, of(7), "a=2@9,b=2@9");
    log.marker(7, false);
    write(&mut log, of(8), "a=3@6");
    log.marker(8, true);
    let source = log.roll().flush();
    let data = |strategy: &str| {
        let (dir, report) = by(strategy).compact(&source, &temp.path().join(strategy));
        assert_eq!(report.totals.removed.aborted, 2);
        content_of(&dir).records.into_keys().collect::<Vec<_>>()
    };
    assert_eq!(data("timestamp"), [1, 5]);
    assert_eq!(data("first"), [0, 1]);
}

#[test]
fn event_times_decide_again_over_what_was_compacted_before() {
    let temp = tempfile::tempdir().unwrap();
    let source = log_of(temp.path(), PLAIN, "a=1@1 b=1@1 a=2@2");
    let (dir, _) = by("timestamp").compact(&source, &temp.path().join("1"));
    assert_eq!(offsets(&dir), [1, 2]);
    // The log grows.
    let mut log = Log::create(&temp.path().join("grown"), "t-0");
    write(&mut log, PLAIN, "a=1@1 b=1@1 a=2@2 | b=2@2 a=3@1 |");
    let source = log.flush();
    fs::copy(dir.join(format!("{:020}.log", 0)), source.join(format!("{:020}.log", 0))).unwrap();
    let (dir, report) = by("timestamp").compact(&source, &temp.path().join("2"));
    assert_eq!(offsets(&dir), [2, 3]);
    assert_eq!(report.totals.late_records, 1);
    let (again, _) = by("timestamp").compact(&dir, &temp.path().join("3"));
    assert_eq!(offsets(&again), [2, 3]);
    let (third, _) = by("timestamp").compact(&again, &temp.path().join("4"));
    assert!(files_in(&again) == files_in(&third));
}

#[test]
fn all_that_is_left_has_the_newest_time() {
    let temp = tempfile::tempdir().unwrap();
    let source = log_of(temp.path(), PLAIN, "k1=1@1,k2=1@1 k2!@2 k1=2@2");
    let (dir, _) = by("timestamp").compact(&source, &temp.path().join("out"));
    assert_eq!(offsets(&dir), [2, 3]);
}

#[test]
fn records_without_a_time_or_version_lose_to_any_and_go_by_offset_among_themselves() {
    assert_eq!(left(&by("timestamp"), "a=1@-1 a=2@-1,b=1@-1 b=2@-1"), [1, 3]);
    assert_eq!(left(&by("timestamp"), "a=1@0 a=2@-1 a=3@-1"), [0]);
    assert_eq!(left(&by("header:v"), "a=1@9 a=2@5 b=1@1 b=2@0"), [1, 3]);
    assert_eq!(left(&by("header:v"), "a=1@1#-7 a=2@9 a=3@8"), [0]);
    assert_eq!(left(&by("header:v"), "a=1@1#7 a=2@9#7 a=3@8#-8"), [1]);
    let extremes = format!("a=1#{} a=2#{} a=3#{}", i64::MIN, i64::MIN + 1, i64::MIN);
    assert_eq!(left(&by("header:v"), &extremes), [1]);
}

#[test]
fn a_version_is_the_last_header_of_the_very_name_if_it_has_eight_bytes() {
    let temp = tempfile::tempdir().unwrap();
    let version = |n: i64| n.to_be_bytes();
    let put = |value: &str| Event::put("k", value, 1);
    let events = [
        put("last counts").with("v", Some(&version(1))).with("v", Some(&version(8))),
        put("first does not").with("v", Some(&version(9))).with("v", Some(&version(2))),
        put("another name").with("V", Some(&version(100))),
        put("too short").with("v", Some(&[0x7f; 4])),
        put("too long").with("v", Some(&[0x7f; 9])),
        put("null").with("v", None),
        put("null behind a good one").with("v", Some(&version(50))).with("v", None),
        put("a number as text").with("v", Some(b"99")),
    ];
    let mut log = Log::create(temp.path(), "t-0");
    append(&mut log, PLAIN, &events);
    let source = log.roll().flush();
    let (dir, report) = by("header:v").compact(&source, &temp.path().join("out"));
    assert_eq!(offsets(&dir), [0]);
    assert_eq!(report.totals.bad_version_headers, 5);
    assert_eq!(report.totals.late_records, 7);
    assert_eq!(report.strategy, "header:v");
}

#[test]
fn where_the_broker_set_the_time_all_records_of_a_batch_have_it() {
    let temp = tempfile::tempdir().unwrap();
    for magic in [1, 2] {
        let kind = Kind { magic, codec: Codec::Gzip, is_append_time: true, ..PLAIN };
        let mut log = Log::create(&temp.path().join(magic.to_string()), "t-0");
        // By their own times the first batch would have the newest `a`.
        write(&mut log, kind, "a=1@90,b=1@10 a=2@5,b=2@20");
        let source = log.roll().flush();
        let out = temp.path().join(format!("out {magic}"));
        let (dir, _) = by("timestamp").compact(&source, &out);
        assert_eq!(offsets(&dir), [2, 3], "magic {magic}");
    }
}

#[test]
fn the_log_ends_where_it_did_though_its_last_record_lost() {
    for (magic, codec) in [(2, Codec::None), (2, Codec::Zstd), (1, Codec::Gzip), (0, Codec::None)] {
        let temp = tempfile::tempdir().unwrap();
        let kind = Kind { magic, codec, ..PLAIN };
        let mut log = Log::create(temp.path(), "t-0");
        write(&mut log, kind, "a=1@9 b=1@5 a=2@3");
        let source = log.flush();
        let mut way = by("first");
        way.policy.include_active = true;
        let (dir, report) = way.compact(&source, &temp.path().join("out"));
        assert_eq!(offsets(&dir), [0, 1]);
        assert_eq!(content_of(&dir).log_end, 3);
        assert_eq!(report.totals.batches_emptied, 1, "{magic} {codec:?}");
        assert_eq!(batch_sizes(&dir), [1, 1, 0]);
    }
}

#[test]
fn what_lies_in_the_active_segment_neither_wins_nor_loses() {
    assert_eq!(left(&by("timestamp"), "a=1@5 a=2@3 |"), [0]);
    let temp = tempfile::tempdir().unwrap();
    let mut log = Log::create(temp.path(), "t-0");
    write(&mut log, PLAIN, "a=1@5 a=2@3 b=1@9 | a=3@9 b=2@1");
    let source = log.flush();
    for (strategy, wanted) in [("timestamp", [0, 2, 3, 4]), ("first", [0, 2, 3, 4])] {
        let (dir, _) = by(strategy).compact(&source, &temp.path().join(strategy));
        assert_eq!(offsets(&dir), wanted, "{strategy}");
    }
}

#[test]
fn records_below_the_log_start_lose_to_any_candidate_and_beat_none() {
    let temp = tempfile::tempdir().unwrap();
    let dir = temp.path().join("logs");
    fs::create_dir(&dir).unwrap();
    log_of(&dir, PLAIN, "a=1@9 b=1@9 a=2@3");
    let start = "0\n1\nt 0 2\n";
    fs::write(dir.join("log-start-offset-checkpoint"), start).unwrap();
    for strategy in ["timestamp", "first"] {
        let (out, _) = by(strategy).compact(&dir.join("t-0"), &temp.path().join(strategy));
        assert_eq!(offsets(&out), [1, 2], "{strategy}");
    }
}

#[test]
fn a_deletion_below_the_log_start_goes_when_its_time_has_come_and_hides_nothing() {
    // As Kafka's cleaner has it, whose map begins at the log start.
    let temp = tempfile::tempdir().unwrap();
    let dir = temp.path().join("logs");
    fs::create_dir(&dir).unwrap();
    log_of(&dir, PLAIN, "a=1@1 a!@2 a!@3 b=1@4 b!@5 c=1@6 b=2@7");
    let start = "0\n1\nt 0 5\n";
    fs::write(dir.join("log-start-offset-checkpoint"), start).unwrap();
    for strategy in ["offset", "timestamp", "first"] {
        let (out, report) =
            dropping(strategy).compact(&dir.join("t-0"), &temp.path().join(strategy));
        assert_eq!(offsets(&out), [0, 5, 6], "{strategy}");
        let removed = &report.totals.removed;
        assert_eq!((removed.superseded, removed.tombstones), (2, 2), "{strategy}");
    }
}

#[test]
fn in_place_a_deletion_outlives_in_one_run_what_it_beats_behind_it() {
    // Segments are replaced one after the other: were the run interrupted when the deletion is gone
    // and `k=2` is not, the next one would take `k=2` for the newest.
    let temp = tempfile::tempdir().unwrap();
    let source = log_of(temp.path(), PLAIN, "k!@9 j!@1 | k=2@5 i=1@1 | z=1@1");
    let copy = temp.path().join("copy/t-0");
    copy_folder(&source, &copy);
    let (dir, _) = dropping("timestamp").compact(&source, &temp.path().join("out"));
    assert_eq!(offsets(&dir), [3, 4]);
    let mut way = Way { in_place: true, ..dropping("timestamp") };
    way.policy.topic.segment_bytes = 1;
    let (dir, report) = way.compact(&copy, temp.path());
    assert_eq!(offsets(&dir), [0, 3, 4]);
    // Had it been interrupted behind the first segment:
    let interrupted = temp.path().join("interrupted/t-0");
    copy_folder(&source, &interrupted);
    let first = format!("{:020}.log", 0);
    fs::copy(copy.join(&first), interrupted.join(&first)).unwrap();
    assert_eq!(offsets(&interrupted), [0, 2, 3, 4]);
    let (dir_then, _) = way.compact(&interrupted, temp.path());
    assert_eq!(offsets(&dir_then), [0, 3, 4]);
    assert_eq!((report.totals.tombstones_kept, report.totals.removed.tombstones), (1, 1));
    let (dir, report) = way.compact(&copy, temp.path());
    assert_eq!(offsets(&dir), [3, 4]);
    assert_eq!((report.totals.tombstones_kept, report.totals.removed.tombstones), (0, 1));
}

#[test]
fn a_deletion_that_was_beaten_is_no_expired_one() {
    let temp = tempfile::tempdir().unwrap();
    let source = log_of(temp.path(), PLAIN, "k=1@9 j=1@9 k!@5 j!@11");
    let (dir, report) = dropping("timestamp").compact(&source, &temp.path().join("out"));
    assert_eq!(offsets(&dir), [0]);
    let removed = report.totals.removed;
    assert_eq!((removed.superseded, removed.tombstones, report.totals.late_records), (2, 1, 1));
}

#[test]
fn no_record_at_all_is_no_trouble() {
    let temp = tempfile::tempdir().unwrap();
    for strategy in ["timestamp", "first", "header:v"] {
        let source = Log::create(temp.path(), "empty-0").flush();
        let (dir, _) = by(strategy).compact(&source, &temp.path().join(strategy));
        assert_eq!(offsets(&dir), [0i64; 0]);
        assert_eq!(left(&by(strategy), "*=1 *=2"), [0i64; 0]);
    }
}

#[test]
fn deletions_behind_their_horizon_go_by_any_strategy() {
    for strategy in ["timestamp", "first"] {
        let temp = tempfile::tempdir().unwrap();
        let source = log_of(temp.path(), PLAIN, "a=1@1 a!@2 b=1@3");
        let mut way = by(strategy);
        let (dir, _) = way.compact(&source, &temp.path().join("1"));
        assert_eq!(offsets(&dir), [1, 2]);
        way.policy.now = Timestamp(NOW_MS + 2 * DAY_MS);
        let (dir, report) = way.compact(&dir, &temp.path().join("2"));
        assert_eq!((offsets(&dir), report.totals.removed.tombstones), (vec![2], 1), "{strategy}");
    }
}

#[test]
fn a_strategy_that_is_none_is_refused_before_anything_is_written() {
    let temp = tempfile::tempdir().unwrap();
    let config = temp.path().join("topic.properties");
    fs::write(&config, "compaction.strategy=header\n").unwrap();
    let config = config.to_str().unwrap();
    let out = temp.path().join("out");
    for (options, said) in [
        (&["--strategy", "newest"][..], "offset, timestamp, first, header:NAME"),
        (&["--strategy", "header: "], "names no header"),
        (&["--strategy", ""], "no strategy"),
        (&["--topic-config", config], "names no header"),
        (&["--strategy", "newest", "--verify"], "offset, timestamp, first, header:NAME"),
    ] {
        logcompact()
            .args(["compact", "--out"])
            .args([&out, &testdata("storage-4.1.1/v2-plain-0")])
            .args(options)
            .assert()
            .code(2)
            .stderr(predicate::str::contains(said));
        assert!(!out.exists(), "{options:?}");
    }
}

#[test]
fn the_topics_own_settings_choose_and_the_command_line_wins() {
    let temp = tempfile::tempdir().unwrap();
    let mut log = Log::create(temp.path(), "t-0");
    write(&mut log, PLAIN, "a=1@9#1 a=2@5#3 a=3@1#2 a=4@0 |");
    let source = log.batch(&[put("Z", "1")]).flush();
    let config = temp.path().join("topic.properties");
    let lines = "compaction.strategy.header=v\ncompaction.strategy=header\n";
    fs::write(&config, lines).unwrap();
    for (options, strategy, wanted) in [
        (&[][..], "header:v", 1),
        (&["--strategy", "timestamp"], "timestamp", 0),
        (&["--strategy", "offset"], "offset", 3),
    ] {
        let out = temp.path().join(strategy.replace(':', "-"));
        logcompact()
            .args(["compact", "--quiet", "--out"])
            .args([&out, &source])
            .arg("--topic-config")
            .arg(&config)
            .args(options)
            .assert()
            .success();
        assert_eq!(offsets(&out.join("t-0")), [wanted, 4], "{strategy}");
        let report = fs::read_to_string(out.join("logcompact-report.json")).unwrap();
        assert!(report.contains(&format!("\"strategy\": \"{strategy}\"")), "{report}");
    }
}
