//! `compact SOURCE --out OUT` again: what a round leaves alone, what it refuses, and what it does
//! when it is asked to start over, to rebase, to build its index anew.

mod support;

use std::fs;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

use logcompact::format::codec::Codec;
use serde_json::{Value, json};
use support::events::{self, Event, Kind};
use support::rounds::{
    Grown, LIVELY, Shape, Stand, assert_untouched, compact, compacted_end, current, lying, number,
    records_of, round, scratch, spoil_below, state_files, write_topic_id,
};
use support::{copy_folder, logcompact, testdata};

const FAR: [&str; 3] = ["-q", "--delete-retention-ms", "36500d"];
const PLAIN: Shape =
    Shape { has_transactions: false, has_old_magic: false, has_null_keys: false, ..LIVELY };

/// A log of four segments with keys of their own, each of a few batches.
fn segments_apart() -> Grown {
    let mut log = Grown::empty();
    for segment in 0..4 {
        for n in 0..6 {
            let key = format!("{segment}.{n}");
            log.plain(&[Event::put(&key, "first", 1_700_000_000_000 + n)]);
        }
        log.roll();
    }
    log
}

/// Inode and times of each segment's files.
fn files(dest: &Path, base: i64) -> Vec<(PathBuf, u64, i64, i64)> {
    let prefix = format!("{base:020}.");
    let mut files: Vec<_> = fs::read_dir(dest)
        .unwrap()
        .map(|entry| entry.unwrap())
        .filter(|entry| entry.file_name().to_string_lossy().starts_with(&prefix))
        .filter(|entry| entry.path().extension().is_none_or(|e| e != "snapshot"))
        .map(|entry| (entry.path(), entry.metadata().unwrap()))
        .map(|(path, meta)| (path, meta.ino(), meta.mtime(), meta.mtime_nsec()))
        .collect();
    files.sort();
    files
}

#[test]
fn segments_that_lose_nothing_keep_their_files() {
    let mut log = segments_apart();
    let first_end = log.end();
    log.plain(&[Event::put("1.3", "second", 1_800_000_000_000)]);
    log.roll();
    log.plain(&[Event::put("active", "1", 1_800_000_000_000)]);
    let stand = Stand::of(log);
    let options = ["-q", "--segment-bytes", "500"];
    let dest = stand.round(first_end, &[&options[..], &["--include-active"]].concat());
    let bases: Vec<i64> = [0, 6, 12, 18].to_vec();
    let before: Vec<_> = bases.iter().map(|base| files(&dest, *base)).collect();
    assert!(before.iter().all(|files| files.len() >= 3), "{before:?}");
    stand.round(stand.log.end(), &options);
    for (base, before) in bases.iter().zip(&before) {
        let after = files(&dest, *base);
        assert_eq!(after == *before, *base != 6, "segment {base}: {after:?}");
    }
    assert_eq!(records_of(&dest), stand.fresh(&options));
    assert!(!records_of(&dest).contains_key(&9));
}

#[test]
fn nothing_to_do_touches_nothing() {
    let stand = Stand::of(Grown::random(5, LIVELY));
    stand.round(stand.log.end(), &FAR);
    let source = stand.source().join("t-0");
    let before = lying(&stand.out());
    for options in [&FAR[..], &["--delete-retention-ms", "36500d", "--threads", "1"]] {
        assert_eq!(compact(&source, &stand.out(), options).status.code(), Some(0));
        assert_untouched(&before, &stand.out(), "the same source again");
    }
    // A later clock alone is nothing to do while no horizon has passed.
    let later = [&FAR[..], &["--now", "1795400000000"]].concat();
    assert_eq!(compact(&source, &stand.out(), &later).status.code(), Some(0));
    assert_untouched(&before, &stand.out(), "a day later");
}

#[test]
fn what_has_had_its_time_goes_once_and_then_there_is_nothing_to_do() {
    // Batches keep the horizon that they were given, whatever went since; markers stay as long as
    // their producer has no later batch.
    let day = |number: i64| (1_795_300_000_000 + number * 86_400_000).to_string();
    for (seed, options) in [
        (5, &["-q", "--delete-retention-ms", "1h"][..]),
        (6, &["-q", "--delete-retention-ms", "0"]),
        (7, &["-q", "--delete-retention-ms", "1h", "--strategy", "timestamp"]),
        (8, &["-q", "--drop-tombstones"]),
    ] {
        let stand = Stand::of(Grown::random(seed, LIVELY));
        let at = |number: i64| {
            stand.round(stand.log.end(), &[options, &["--now", &day(number)]].concat())
        };
        at(0);
        let with_deletions = records_of(&stand.dest()).len();
        let dest = at(1);
        let is_dropped_at_once = options.contains(&"--drop-tombstones");
        assert_eq!(records_of(&dest).len() == with_deletions, is_dropped_at_once, "{options:?}");
        at(2);
        at(3);
        for number in 4..6 {
            let before = lying(&stand.out());
            at(number);
            assert_untouched(&before, &stand.out(), &format!("{options:?} on day {number}"));
        }
    }
}

#[test]
fn what_goes_at_this_very_instant_goes_once_and_then_there_is_nothing_to_do() {
    let then = 1_700_000_000_000;
    let mut log = Grown::empty();
    let without_key = Event { key: None, ..Event::delete("", then) };
    log.plain(&[Event::delete("a", then), Event::put("b", "1", then), without_key.clone()]);
    log.plain(&[without_key]);
    log.roll();
    log.plain(&[Event::put("active", "1", then)]);
    let stand = Stand::of(log);
    let options = ["-q", "--delete-retention-ms", "0", "--null-keys", "keep"];
    assert_eq!(records_of(&stand.round(stand.log.end(), &options)).len(), 5);
    let dest = stand.round(stand.log.end(), &options);
    assert_eq!(records_of(&dest).into_keys().collect::<Vec<_>>(), [1, 2, 3, 4]);
    let before = lying(&stand.out());
    stand.round(stand.log.end(), &options);
    assert_untouched(&before, &stand.out(), "once more");
}

#[test]
fn a_tombstone_goes_when_its_time_has_come_whatever_its_batch_is_compressed_with() {
    for codec in [Codec::None, Codec::Gzip, Codec::Snappy, Codec::Lz4, Codec::Zstd] {
        let then = 1_700_000_000_000;
        let mut log = Grown::empty();
        let deleted = [Event::delete("a", then), Event::put("b", "1", then)];
        log.batch(Kind { codec, ..events::PLAIN }, &deleted);
        log.roll();
        log.plain(&[Event::put("active", "1", then)]);
        let stand = Stand::of(log);
        let dest = stand.round(stand.log.end(), &["-q", "--delete-retention-ms", "0"]);
        assert_eq!(records_of(&dest).len(), 3, "{codec:?}");
        let horizon = current(&dest)["segments"][0]["earliest_horizon_ms"].as_i64();
        let later = (horizon.unwrap_or(0) + 10_000).to_string();
        let dest = stand.round(stand.log.end(), &["-q", "--now", &later]);
        assert_eq!(records_of(&dest).into_keys().collect::<Vec<_>>(), [1, 2], "{codec:?}");
        let report = fs::read(stand.out().join("logcompact-report.json")).unwrap();
        let report: Value = serde_json::from_slice(&report).unwrap();
        let partition = &report["partitions"][0];
        assert_eq!(partition["removed"]["tombstones"], 1, "{codec:?}");
        assert_eq!(
            (&partition["outcome"], &partition["reason"]),
            (&json!("compacted"), &Value::Null)
        );
    }
}

#[test]
fn nothing_below_the_watermark_is_read() {
    let stand = Stand::of(Grown::random(6, LIVELY));
    let ends = stand.log.ends();
    let mut spoilt = 0;
    let mut end = 0;
    for cut in [ends[20], ends[40], stand.log.end()] {
        let dir = stand.log.write(&stand.source(), cut);
        spoilt += spoil_below(&dir, end);
        let ahead = stand.log.bases(cut).into_iter().filter(|base| *base >= end).count();
        end = compacted_end(&round(&dir, &stand.out(), &FAR));
        let report = fs::read(stand.out().join("logcompact-report.json")).unwrap();
        let report: Value = serde_json::from_slice(&report).unwrap();
        assert_eq!(report["partitions"][0]["round"]["segments_opened"], ahead);
    }
    assert!(spoilt > 4, "{spoilt}");
    assert_eq!(records_of(&stand.dest()), stand.fresh(&FAR));
}

#[test]
fn what_may_change_from_round_to_round_and_what_may_not() {
    let stand = Stand::of(Grown::random(8, PLAIN));
    let cut = stand.log.ends()[30];
    stand.round(cut, &FAR);
    let source = stand.log.write(&stand.source(), stand.log.end());
    for strategy in ["timestamp", "first", "header:v"] {
        let options = [&FAR[..], &["--strategy", strategy]].concat();
        stand.refused(&source, &options, &["strategy", "--full"]);
    }
    stand.refused(&source, &[&FAR[..], &["--null-keys", "keep"]].concat(), &["--null-keys"]);
    let options = [&FAR[..], &["--empty-is-tombstone"]].concat();
    stand.refused(&source, &options, &["--empty-is-tombstone"]);
    let options = [&FAR[..], &["--cleanup-policy", "compact,delete"]].concat();
    stand.refused(&source, &options, &["delete"]);
    stand.refused(&source, &[&FAR[..], &["--keep-rounds", "0"]].concat(), &["--keep-rounds"]);
    let options = ["--strategy", "first", "--full", "--min-rewrite-ratio", "0.5"];
    stand.refused(&source, &options, &["--min-rewrite-ratio is not for --strategy first"]);

    let other = ["-q", "--drop-tombstones", "--segment-bytes", "1KiB", "--include-active"];
    round(&source, &stand.out(), &other);
    assert_eq!(records_of(&stand.dest()), stand.fresh(&other));
}

#[test]
fn another_source_is_refused() {
    let stand = Stand::of(Grown::random(9, PLAIN));
    let cut = stand.log.ends()[30];
    let dest = stand.round(cut, &FAR);
    let end = compacted_end(&dest);

    // Another topic id.
    let source = stand.log.write(&stand.source(), stand.log.end());
    write_topic_id(&source, "BBBBBBBBBBBBBBBBBBBBBg");
    stand.refused(&source, &FAR, &["another source", "--full"]);

    // Cut off below the watermark, and gone altogether up to behind it.
    let below = *stand.log.ends().iter().rfind(|at| **at < end).unwrap();
    stand.refused(&stand.log.write(&stand.source(), below), &FAR, &["--full"]);
    let bases = stand.log.bases(stand.log.end());
    let behind = *bases.iter().find(|base| **base > end).unwrap();
    let gap = stand.log.write_from(&stand.source(), behind, stand.log.end());
    stand.refused(&gap, &FAR, &["--full"]);

    // Other batches where the rounds ended: the same topic, written again.
    let other = Grown::random(10, Shape { batches: 120, ..PLAIN });
    stand.refused(&other.write(&stand.source(), other.end()), &FAR, &["--full"]);

    // The right one is still welcome.
    stand.round(stand.log.end(), &FAR);
    assert_eq!(records_of(&stand.dest()), stand.fresh(&FAR));
}

#[test]
fn a_destination_that_no_round_has_left_is_refused() {
    let stand = Stand::of(segments_apart());
    stand.round(stand.log.ends()[20], &FAR);
    let source = stand.log.write(&stand.source(), stand.log.end());
    let keep = stand.temp.path().join("keep");
    copy_folder(&stand.out(), &keep);
    let again = || {
        fs::remove_dir_all(stand.out()).unwrap();
        copy_folder(&keep, &stand.out());
    };
    let log = |base: i64| stand.dest().join(format!("{base:020}.log"));

    // A segment is gone, is shorter, is there in addition.
    fs::remove_file(log(0)).unwrap();
    stand.refused(&source, &FAR, &["--full"]);
    again();
    let bytes = fs::read(log(0)).unwrap();
    fs::write(log(0), &bytes[..bytes.len() - 1]).unwrap();
    stand.refused(&source, &FAR, &["--full"]);
    again();
    fs::write(log(3), &bytes[..0]).unwrap();
    stand.refused(&source, &FAR, &["--full"]);
    again();

    // One that is held by another run.
    let lock = fs::File::options()
        .write(true)
        .create(true)
        .truncate(false)
        .open(stand.dest().join(".logcompact/lock"))
        .unwrap();
    lock.try_lock().unwrap();
    stand.refused(&source, &FAR, &["another logcompact", "wait"]);
    drop(lock);

    // A compaction without rounds.
    let without = stand.temp.path().join("without");
    round(&source, &without, &[&FAR[..], &["--keep-rounds", "0"]].concat());
    let output = compact(&source, &without, &FAR);
    assert_eq!(output.status.code(), Some(2));
    assert!(String::from_utf8_lossy(&output.stderr).contains("--out"));

    // As it was, it is gone on with.
    again();
    round(&source, &stand.out(), &FAR);
    assert_eq!(records_of(&stand.dest()), stand.fresh(&FAR));
}

#[test]
fn the_last_round_files_are_kept_as_many_as_are_asked_for() {
    let stand = Stand::of(Grown::random(14, PLAIN));
    let ends = stand.log.ends();
    let rounds = |dest: &Path| -> Vec<String> {
        let files = state_files(dest).into_iter();
        let names = files.map(|file| file.file_name().unwrap().to_str().unwrap().to_owned());
        names.filter(|name| name.starts_with("round-")).collect()
    };
    for (cut, keep, left) in
        [(10, "3", 1), (20, "3", 2), (30, "3", 3), (40, "3", 3), (50, "1", 1), (59, "2", 2)]
    {
        let options = [&FAR[..], &["--include-active", "--keep-rounds", keep]].concat();
        let dest = stand.round(ends[cut], &options);
        assert_eq!(rounds(&dest).len(), left, "{cut} {keep}: {:?}", rounds(&dest));
        assert_eq!(rounds(&dest).last().unwrap(), &format!("round-{:06}.json", number(&dest)));
        let held = current(&dest);
        assert_eq!(held["high_watermark"].as_i64().unwrap() + 1, ends[cut]);
    }
}

#[test]
fn without_state_the_result_is_the_same_and_no_round_can_follow() {
    let stand = Stand::of(Grown::random(19, PLAIN));
    let source = stand.log.write(&stand.source(), stand.log.end());
    let to_offset = ["--to-offset", &(stand.log.ends()[20] - 1).to_string()];
    let old = round(&source, &stand.temp.path().join("old"), &[&FAR[..], &to_offset].concat());
    let rebase = ["--rebase-from", old.to_str().unwrap()];
    for (n, own) in [&to_offset[..], &rebase, &[]].iter().enumerate() {
        let out = |name: &str| stand.temp.path().join(format!("{name} {n}"));
        let options = [&FAR[..], own].concat();
        let with = round(&source, &out("with"), &options);
        let without_state = [&options[..], &["--keep-rounds", "0"]].concat();
        let without = round(&source, &out("without"), &without_state);
        assert!(with.join(".logcompact").exists());
        assert!(!without.join(".logcompact").exists(), "{own:?}");
        assert_eq!(records_of(&with), records_of(&without), "{own:?}");
        assert_eq!(compact(&source, &out("without"), &FAR).status.code(), Some(2));
    }
}

#[test]
fn starting_over_takes_nothing_from_the_rounds_before_but_refuses_to_lose_keys() {
    let stand = Stand::of(Grown::random(15, PLAIN));
    let ends = stand.log.ends();
    stand.round(ends[30], &FAR);
    let timestamp = [&FAR[..], &["--strategy", "timestamp", "--full"]].concat();
    stand.round(stand.log.end(), &timestamp);
    let wanted = stand.fresh(&[&FAR[..], &["--strategy", "timestamp"]].concat());
    assert_eq!(records_of(&stand.dest()), wanted);

    let base = stand.log.bases(ends[30])[2];
    let shorter = stand.log.write_from(&stand.source(), base, stand.log.end());
    stand.refused(&shorter, &timestamp, &["--force"]);
    round(&shorter, &stand.out(), &[&timestamp[..], &["--force"]].concat());
    let out = stand.temp.path().join("fresh shorter");
    let wanted = round(&shorter, &out, &[&FAR[..], &["--strategy", "timestamp"]].concat());
    assert_eq!(records_of(&stand.dest()), records_of(&wanted));
}

#[test]
fn a_directory_that_somebody_compacted_is_a_base_to_go_on_from() {
    let stand = Stand::of(Grown::random(16, PLAIN));
    let ends = stand.log.ends();
    let old = stand.temp.path().join("old");
    for (n, options) in [&[][..], &["--strategy", "timestamp"]].iter().enumerate() {
        let options = [&FAR[..], options].concat();
        let _ = fs::remove_dir_all(&old);
        let half = stand.log.write(&stand.source(), ends[30]);
        let without_state = [&options[..], &["--keep-rounds", "0", "--include-active"]].concat();
        let old = round(&half, &old, &without_state);
        // The source has only what is behind.
        let first = stand.log.bases(stand.log.end()).into_iter().rfind(|b| *b <= ends[30]).unwrap();
        let source = stand.log.write_from(&stand.source(), first, ends[45]);
        let out = stand.temp.path().join(format!("rebased {n}"));
        let old_before = lying(&old);
        let rebase = ["--rebase-from", old.to_str().unwrap(), "--rebase-high-watermark"];
        let watermark = (ends[30] - 1).to_string();
        let dest = round(&source, &out, &[&options[..], &rebase, &[&watermark]].concat());
        assert_untouched(&old_before, &old, "the base");
        let out_before = lying(&out);
        assert_eq!(compact(&source, &out, &options).status.code(), Some(0));
        assert_untouched(&out_before, &out, "nothing new behind the rebase");
        let source = stand.log.write_from(&stand.source(), first, stand.log.end());
        round(&source, &out, &options);
        assert_eq!(records_of(&dest), stand.fresh(&options), "{options:?}");
    }
}

#[test]
fn without_a_watermark_the_source_is_read_from_its_start_and_the_base_in_front() {
    let stand = Stand::of(Grown::random(20, PLAIN));
    let ends = stand.log.ends();
    let old = stand.temp.path().join("old");
    let half = stand.log.write(&stand.source(), ends[30]);
    let old = round(&half, &old, &[&FAR[..], &["--include-active"]].concat());
    let rebase = [&FAR[..], &["--rebase-from", old.to_str().unwrap()]].concat();
    let bases = stand.log.bases(stand.log.end());
    let overlapping = *bases.iter().rfind(|base| **base + 5 < ends[30]).unwrap();
    let source = stand.log.write_from(&stand.source(), overlapping, stand.log.end());
    let out = stand.temp.path().join("rebased");
    let dest = round(&source, &out, &[&rebase[..], &["--verify"]].concat());
    assert_eq!(records_of(&dest), stand.fresh(&FAR));

    // What lies between the base and the source is nowhere, which is said.
    let behind = *bases.iter().find(|base| **base > ends[30]).unwrap();
    let source = stand.log.write_from(&stand.source(), behind, stand.log.end());
    let apart = stand.temp.path().join("apart");
    let output = compact(&source, &apart, &rebase[1..]);
    let said = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(0), "{said}");
    assert!(said.contains("what lies between is in neither"), "{said}");
    let offsets = |dir: &Path| records_of(dir).into_keys().collect::<Vec<_>>();
    assert!(offsets(&apart.join("t-0")).iter().any(|offset| *offset < ends[30]));
    assert!(offsets(&apart.join("t-0")).iter().any(|offset| *offset >= behind));

    // But the base may not be that of another topic.
    let nowhere = stand.temp.path().join("nowhere");
    write_topic_id(&old, "BBBBBBBBBBBBBBBBBBBBBg");
    let source = stand.log.write_from(&stand.source(), overlapping, stand.log.end());
    let output = compact(&source, &nowhere, &rebase);
    assert_eq!(output.status.code(), Some(2), "{}", String::from_utf8_lossy(&output.stderr));
    assert!(!nowhere.join("t-0").exists());
}

#[test]
fn rounds_begin_with_whatever_there_is() {
    let stand = Stand::of(Grown::random(24, LIVELY));
    let ends = stand.log.ends();
    let (mut rounds, mut idle) = (Vec::new(), 0);
    // An empty log, one that has an active segment only, and so on, batch by batch.
    for cut in [0].into_iter().chain(ends[..14].iter().copied()).chain([stand.log.end()]) {
        let dest = stand.round(cut, &FAR);
        let before = lying(&stand.out());
        stand.round(cut, &FAR);
        assert_untouched(&before, &stand.out(), &format!("again at {cut}"));
        rounds.push(number(&dest));
        idle += usize::from(compacted_end(&dest) == 0);
    }
    assert!(rounds.is_sorted(), "{rounds:?}");
    assert!(idle > 1, "{idle}");
    assert_eq!(records_of(&stand.dest()), stand.fresh(&FAR));
}

#[test]
fn what_kafkas_cleaner_left_is_a_base_to_go_on_from() {
    let case = "tx-compacted-0";
    let old = testdata("broker-3.9.1").join(case);
    let temp = scratch();
    let out = temp.path().join("out");
    let old_text = old.to_str().unwrap();
    let dest = round(&old, &out, &[&FAR[..], &["--rebase-from", old_text]].concat());
    let fresh = round(&old, &temp.path().join("fresh"), &FAR);
    assert_eq!(records_of(&dest), records_of(&fresh));
    logcompact().args(["verify", "-q"]).arg(&dest).assert().success();
    let before = lying(&out);
    assert_eq!(compact(&old, &out, &FAR).status.code(), Some(0));
    assert_untouched(&before, &out, "nothing new behind the rebase");
}

#[test]
fn a_superseded_value_does_not_come_back_when_its_tombstone_goes() {
    let ms = 1_700_000_000_000;
    let mut log = Grown::empty();
    // Many records that stay, so that one that goes is no reason to write the segment anew.
    let stays = (0..20).map(|n| Event::put(&format!("s{n}"), "1", ms));
    log.plain(&stays.chain([Event::put("dead", "old", ms)]).collect::<Vec<_>>());
    log.roll();
    log.plain(&[Event::delete("dead", ms + 1)]);
    log.roll();
    for n in 0..3 {
        log.plain(&[Event::put(&format!("later {n}"), "1", ms + 2)]);
        log.roll();
    }
    let end = log.end();
    log.plain(&[Event::put("active", "1", ms)]);
    let stand = Stand::of(log);
    let ratio = ["-q", "--min-rewrite-ratio", "1", "--segment-bytes", "300", "--now"];
    let day_ms = 86_400_000;
    let now = |days: i64| (1_795_300_000_000 + days * day_ms).to_string();
    let round = |cut: i64, days: i64| stand.round(cut, &[&ratio[..], &[&now(days)]].concat());
    round(22, 0); // the values
    let dest = round(24, 0); // the tombstone is compacted, its value waits
    assert!(records_of(&dest).contains_key(&20), "{:?}", records_of(&dest).keys());
    assert!(records_of(&dest).contains_key(&21));
    for (cut, days) in [(end - 1, 3), (end, 6), (stand.log.end(), 9)] {
        let dest = round(cut, days);
        let records = records_of(&dest);
        assert!(
            records.contains_key(&21) || !records.contains_key(&20),
            "the tombstone went before its value: {:?}",
            records.keys()
        );
    }
    // In the end both are gone.
    assert!(!records_of(&dest).contains_key(&20));
    assert!(!records_of(&dest).contains_key(&21));
}

#[test]
fn a_dry_run_of_a_round_changes_nothing_and_says_what_the_round_then_does() {
    let stand = Stand::of(Grown::random(17, PLAIN));
    stand.round(stand.log.ends()[30], &FAR);
    let source = stand.log.write(&stand.source(), stand.log.end());
    let before = lying(&stand.out());
    let counters = |options: &[&str]| -> Value {
        let report = stand.temp.path().join("report.json");
        let options = [options, &["--report", report.to_str().unwrap()]].concat();
        assert_eq!(compact(&source, &stand.out(), &options).status.code(), Some(0));
        let report: Value = serde_json::from_slice(&fs::read(report).unwrap()).unwrap();
        report["totals"].clone()
    };
    let dry = counters(&[&FAR[..], &["--dry-run"]].concat());
    assert_untouched(&before, &stand.out(), "a dry run");
    assert_eq!(dry, counters(&FAR));
}

#[test]
fn partitions_go_their_own_rounds_and_one_that_is_refused_does_not_keep_the_others() {
    let temp = scratch();
    let (logs, out) = (temp.path().join("logs"), temp.path().join("out"));
    let log = Grown::random(18, PLAIN);
    let write = |cut: i64| {
        for partition in 0..3 {
            let dir = log.write(&temp.path().join("one"), cut);
            let to = logs.join(format!("t-{partition}"));
            let _ = fs::remove_dir_all(&to);
            copy_folder(&dir, &to);
        }
    };
    write(log.ends()[30]);
    assert_eq!(compact(&logs, &out, &FAR).status.code(), Some(0));
    write(log.end());
    write_topic_id(&logs.join("t-1"), "BBBBBBBBBBBBBBBBBBBBBg");
    let refused = lying(&out.join("t-1"));
    let output = compact(&logs, &out, &FAR);
    assert_eq!(output.status.code(), Some(2));
    assert!(String::from_utf8_lossy(&output.stderr).contains("t-1"));
    assert_untouched(&refused, &out.join("t-1"), "the refused one");
    let fresh = records_of(&round(&logs.join("t-0"), &temp.path().join("fresh"), &FAR));
    assert_eq!(records_of(&out.join("t-0")), fresh);
    assert_eq!(records_of(&out.join("t-2")), fresh);

    // A partition that is new has its first round now.
    copy_folder(&logs.join("t-0"), &logs.join("t-3"));
    fs::remove_dir_all(logs.join("t-1")).unwrap();
    assert_eq!(compact(&logs, &out, &FAR).status.code(), Some(0));
    assert_eq!(records_of(&out.join("t-3")), fresh);
}
