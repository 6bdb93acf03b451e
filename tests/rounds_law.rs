//! The law of rounds: however a log is cut into rounds, the destination holds the records that one
//! fresh compaction gives. The source below the watermark is overwritten before each later round,
//! so nothing can have been read there.

mod support;

use std::collections::BTreeMap;
use std::path::Path;

use serde_json::Value;
use support::events::Event;
use support::logcompact;
use support::power::Die;
use support::rounds::{
    Grown, LIVELY, Shape, compact, compacted_end, records_of, round, scratch, spoil_below,
};

const STRATEGIES: [&str; 4] = ["offset", "timestamp", "first", "header:v"];

/// The seeds of a test: so many, unless `LOGCOMPACT_SEED` asks for one.
fn seeds(count: u64) -> std::ops::Range<u64> {
    match std::env::var("LOGCOMPACT_SEED").ok().and_then(|seed| seed.parse().ok()) {
        Some(seed) => seed..seed + 1,
        None => match std::env::var("LOGCOMPACT_SEEDS").ok().and_then(|n| n.parse().ok()) {
            Some(more) => 0..more,
            None => 0..count,
        },
    }
}

/// What is the same in all rounds of a case and in the compaction that they are compared with.
fn common_options(die: &mut Die) -> Vec<String> {
    let mut options = vec!["-q".to_owned(), "--strategy".to_owned()];
    options.push(STRATEGIES[die.throw(4) as usize].to_owned());
    let null_keys = ["drop", "keep"][die.throw(2) as usize];
    options.extend(["--null-keys".to_owned(), null_keys.to_owned()]);
    match die.throw(3) {
        0 => options.push("--drop-tombstones".to_owned()),
        _ => options.extend(["--delete-retention-ms".to_owned(), "36500d".to_owned()]),
    }
    if die.throw(2) == 0 {
        options.push("--include-active".to_owned());
    }
    if die.throw(3) == 0 {
        options.push("--empty-is-tombstone".to_owned());
    }
    options
}

/// What may differ from round to round.
fn own_options(die: &mut Die) -> Vec<String> {
    let pick =
        |die: &mut Die, values: &[&str]| values[die.throw(values.len() as u64) as usize].to_owned();
    let mut options = vec!["--threads".to_owned(), pick(die, &["1", "2"])];
    options.extend(["--memory".to_owned(), pick(die, &["1MiB", "64MiB"])]);
    options.extend(["--segment-bytes".to_owned(), pick(die, &["600", "2KiB", "1GiB"])]);
    options
}

fn texts(options: &[String]) -> Vec<&str> {
    options.iter().map(String::as_str).collect()
}

/// Rising ends at which rounds are made; the last is the log's end.
fn cuts(log: &Grown, die: &mut Die) -> Vec<i64> {
    let ends = log.ends();
    let rounds = 1 + die.throw(4) as usize;
    let mut cuts: Vec<i64> =
        (0..rounds).map(|_| ends[die.throw(ends.len() as u64) as usize]).collect();
    cuts.push(log.end());
    cuts.sort();
    cuts.dedup();
    cuts
}

/// The record of each key that counts, the rest of the common options aside.
fn assert_same(ours: &BTreeMap<i64, Value>, fresh: &BTreeMap<i64, Value>, case: &str) {
    for (offset, record) in ours {
        assert!(fresh.contains_key(offset), "{case}: too many: {record}");
    }
    for (offset, record) in fresh {
        assert_eq!(ours.get(offset), Some(record), "{case}: {offset}");
    }
}

/// What the cases of a test came to, so that it is known that they put something to the test.
#[derive(Debug, Default)]
struct Seen {
    rounds: usize,
    moved: usize,
    spoilt: usize,
    taken: usize,
    survivors: usize,
    /// Records that survive below where the log starts.
    below_start: usize,
}

/// One case: a log, its cuts, its options; all by the seed. The log may start within a segment.
fn check(seed: u64, shape: Shape, starts_within: bool, seen: &mut Seen) {
    let mut die = Die(seed.wrapping_mul(977));
    let log = Grown::random(seed, shape);
    let mut temp = scratch();
    // For a look at a case that fails.
    temp.disable_cleanup(std::env::var_os("LOGCOMPACT_KEEP").is_some());
    let (out, source) = (temp.path().join("out"), temp.path().join("source"));
    let common = common_options(&mut die);
    let cuts = cuts(&log, &mut die);
    let is_verified = die.throw(3) == 0;
    let log_start = if starts_within { die.throw(cuts[0] as u64) as i64 } else { 0 };
    if starts_within {
        write_log_start(&source, log_start);
    }
    let mut end = 0;
    let mut first = 0;
    for (number, cut) in cuts.iter().enumerate() {
        let is_last = number + 1 == cuts.len();
        // Retention may have taken what lies below the watermark.
        if number > 0 && die.throw(3) == 0 {
            first = log.bases(*cut).into_iter().filter(|base| *base <= end).max().unwrap_or(0);
        }
        let dir = log.write_from(&source, first, *cut);
        seen.spoilt += spoil_below(&dir, end);
        seen.taken += usize::from(first > 0);
        seen.rounds += 1;
        let mut options = common.clone();
        options.extend(own_options(&mut die));
        if !is_last && die.throw(3) == 0 {
            options.extend(["--to-offset".to_owned(), die.throw(*cut as u64).to_string()]);
        }
        // It would forget deletions that are gone.
        let may_reindex = starts_within && !common.contains(&"--drop-tombstones".to_owned());
        if may_reindex && number > 0 && die.throw(4) == 0 {
            options.push("--reindex".to_owned());
        }
        if is_verified {
            options.push("--verify".to_owned());
        }
        let case = format!("LOGCOMPACT_SEED={seed}, cuts {cuts:?}, round {number}: {options:?}");
        println!("{case}");
        let dest = round(&dir, &out, &texts(&options));
        let now_at = compacted_end(&dest);
        assert!(now_at >= end, "{case}: {now_at} after {end}");
        if starts_within {
            logcompact().arg("verify").arg(&dest).assert().success();
        }
        seen.moved += usize::from(now_at > end);
        end = now_at;
    }
    let fresh = temp.path().join("fresh");
    let whole = log.write(&source, log.end());
    let mut options = common.clone();
    if end > 0 {
        // --to-offset may have taken an earlier round further than a segment border.
        options.extend(["--to-offset".to_owned(), (end - 1).to_string()]);
    }
    let fresh = round(&whole, &fresh, &texts(&options));
    let case = format!("LOGCOMPACT_SEED={seed}, cuts {cuts:?}, {common:?}, start {log_start}");
    println!("{case}: {}", temp.path().display());
    let fresh = records_of(&fresh);
    assert_same(&records_of(&out.join("t-0")), &fresh, &case);
    seen.survivors += fresh.keys().filter(|offset| **offset < end).count();
    seen.below_start += fresh.keys().filter(|offset| **offset < log_start).count();
}

/// Has the log in `root` start at `offset`, whatever segments there are.
fn write_log_start(root: &Path, offset: i64) {
    std::fs::create_dir_all(root).unwrap();
    let text = format!("0\n1\nt 0 {offset}\n");
    std::fs::write(root.join("log-start-offset-checkpoint"), text).unwrap();
}

#[test]
fn any_split_into_rounds_gives_what_one_compaction_gives() {
    let mut seen = Seen::default();
    let seeds = seeds(24);
    let cases = (seeds.end - seeds.start) as usize;
    seeds.for_each(|seed| check(seed, LIVELY, false, &mut seen));
    println!("{cases} cases: {seen:?}");
    if cases > 20 {
        assert!(seen.moved > cases * 3 / 2 && seen.survivors > cases * 4, "{seen:?}");
        assert!(seen.spoilt > cases * 2 && seen.taken > cases / 4, "{seen:?}");
    }
}

#[test]
fn any_split_gives_the_same_where_the_log_starts_within_a_segment() {
    let mut seen = Seen::default();
    let seeds = seeds(24);
    let cases = (seeds.end - seeds.start) as usize;
    let shape = Shape { keys: 60, roll_one_in: 9, ..LIVELY };
    seeds.for_each(|seed| check(seed, shape, true, &mut seen));
    println!("{cases} cases: {seen:?}");
    if cases > 20 {
        assert!(seen.moved > cases * 3 / 2 && seen.below_start > cases, "{seen:?}");
    }
}

#[test]
fn a_round_for_each_batch_gives_what_one_compaction_gives() {
    for strategy in STRATEGIES {
        let shape = Shape { batches: 24, keys: 5, roll_one_in: 2, ..LIVELY };
        let log = Grown::random(7, shape);
        let temp = scratch();
        let (out, source) = (temp.path().join("out"), temp.path().join("source"));
        let options = ["-q", "--strategy", strategy, "--include-active", "--drop-tombstones"];
        let mut end = 0;
        for cut in log.ends() {
            let dir = log.write(&source, cut);
            spoil_below(&dir, end);
            let dest = round(&dir, &out, &options);
            end = compacted_end(&dest);
            let whole = log.write(&source, cut);
            let fresh_out = temp.path().join(format!("fresh {cut}"));
            let fresh = round(&whole, &fresh_out, &options);
            let case = format!("{strategy} at {cut}");
            assert_same(&records_of(&dest), &records_of(&fresh), &case);
        }
    }
}

/// The latest state by offset of what a directory holds: deletions and keyless records aside.
fn latest(dir: &Path) -> BTreeMap<String, Value> {
    let mut state = BTreeMap::new();
    for record in records_of(dir).into_values() {
        let Some(key) = record["key"].as_str().map(str::to_owned) else { continue };
        if record["value"].is_null() {
            state.remove(&key);
        } else {
            state.insert(key, record);
        }
    }
    state
}

#[test]
fn what_waits_to_be_rewritten_changes_no_state_and_goes_when_it_is_asked_to() {
    for seed in seeds(12) {
        let strategy = ["offset", "timestamp", "header:v"][seed as usize % 3];
        // What is aborted or open is no state, which is read here in the simplest way.
        let log = Grown::random(seed, Shape { has_transactions: seed % 2 == 0, ..LIVELY });
        let reads_state = strategy == "offset" && seed % 2 > 0;
        let mut die = Die(seed ^ 0xabcd);
        let temp = scratch();
        let (out, source) = (temp.path().join("out"), temp.path().join("source"));
        let common = ["-q", "--delete-retention-ms", "36500d", "--segment-bytes", "1KiB"];
        let common = [&common[..], &["--strategy", strategy]].concat();
        let (mut end, mut waited) = (0, 0);
        for cut in cuts(&log, &mut die) {
            let ratio = ["0.3", "0.9", "1"][die.throw(3) as usize];
            let dir = log.write(&source, cut);
            spoil_below(&dir, end);
            let own = ["--verify", "--min-rewrite-ratio", ratio];
            let dest = round(&dir, &out, &[&common[..], &own].concat());
            end = compacted_end(&dest);
            let fresh_out = temp.path().join(format!("fresh {cut}"));
            let fresh = round(&log.write(&source, cut), &fresh_out, &common);
            let case = format!("LOGCOMPACT_SEED={seed} cut {cut}, ratio {ratio}");
            if reads_state {
                assert_eq!(latest(&dest), latest(&fresh), "{case}");
            }
            waited += records_of(&dest).len() - records_of(&fresh).len();
        }
        println!("LOGCOMPACT_SEED={seed}: {waited} superseded records waited");
        // Without the option, what waits goes, though the source has nothing new.
        let dir = log.write(&source, log.end());
        let dest = round(&dir, &out, &[&common[..], &["--verify"]].concat());
        let fresh = round(&dir, &temp.path().join("fresh"), &common);
        let case = format!("LOGCOMPACT_SEED={seed}");
        assert_same(&records_of(&dest), &records_of(&fresh), &case);
    }
}

#[test]
fn a_deletion_that_is_gone_still_beats_what_comes_late() {
    let ms = 1_700_000_000_000;
    for (strategy, revives) in
        [("timestamp", false), ("header:v", false), ("offset", true), ("first", true)]
    {
        let version = |number: i64| number.to_be_bytes();
        let mut log = Grown::empty();
        log.plain(&[Event::put("A", "1", ms + 10).with("v", Some(&version(1)))]);
        log.plain(&[Event::delete("A", ms + 100).with("v", Some(&version(9)))]);
        log.plain(&[Event::put("B", "1", ms)]);
        log.roll();
        let deleted = log.end();
        log.plain(&[Event::put("A", "late", ms + 50).with("v", Some(&version(5)))]);
        log.plain(&[Event::put("A", "later", ms + 60).with("v", Some(&version(6)))]);
        log.roll();
        log.plain(&[Event::put("active", "1", ms)]);
        let temp = scratch();
        let (out, source) = (temp.path().join("out"), temp.path().join("source"));
        let day = |number: i64| (1_795_300_000_000 + number * 86_400_000).to_string();
        let at = |end: i64, number: i64, own: &[&str]| {
            let options = ["-q", "--verify", "--strategy", strategy, "--now", &day(number)];
            let dir = log.write(&source, end);
            round(&dir, &out, &[&options[..], own].concat())
        };
        at(deleted + 1, 0, &[]);
        let dest = at(deleted + 1, 3, &[]);
        let offsets = |dest: &Path| records_of(dest).into_keys().collect::<Vec<_>>();
        assert_eq!(offsets(&dest), [2, 3], "{strategy}");
        at(log.end(), 4, &[]);
        let wanted = match strategy {
            "first" => vec![2, 3, 5],
            "offset" => vec![2, 4, 5],
            _ => vec![2, 5],
        };
        assert_eq!(offsets(&dest), wanted, "{strategy}");
        assert_eq!(wanted.len() == 3, revives);
    }
}

#[test]
fn threads_and_memory_change_no_byte_of_what_rounds_leave() {
    let log = Grown::random(11, Shape { batches: 80, keys: 30, ..LIVELY });
    let temp = scratch();
    let source = temp.path().join("source");
    for strategy in STRATEGIES {
        let files = [["1", "1MiB"], ["2", "64MiB"]].map(|[threads, memory]| {
            let out = temp.path().join(format!("{} {threads}", strategy.replace(':', "-")));
            for cut in [log.ends()[30], log.ends()[60], log.end()] {
                let dir = log.write(&source, cut);
                let options = ["-q", "--strategy", strategy, "--segment-bytes", "2KiB"];
                let ways = ["--threads", threads, "--memory", memory, "--include-active"];
                round(&dir, &out, &[&options[..], &ways].concat());
            }
            let tree = support::power::tree(&out.join("t-0")).into_iter();
            tree.map(|(path, bytes, _)| (path, bytes)).collect::<BTreeMap<_, _>>()
        });
        let names = files.each_ref().map(|files| files.keys().cloned().collect::<Vec<_>>());
        assert_eq!(names[0], names[1], "{strategy}");
        for (path, bytes) in &files[0] {
            assert!(bytes == &files[1][path], "{strategy}: {}", path.display());
        }
    }
}

#[test]
fn keys_live_on_that_the_source_has_lost() {
    let temp = scratch();
    let (out, source) = (temp.path().join("out"), temp.path().join("source"));
    let log = Grown::random(3, Shape { keys: 60, has_transactions: false, ..LIVELY });
    let options = ["-q", "--delete-retention-ms", "36500d"];
    let half = log.ends()[40];
    let dest = round(&log.write(&source, half), &out, &options);
    let end = compacted_end(&dest);
    let kept = records_of(&dest).into_keys().filter(|offset| *offset < end).count();
    assert!(kept > 5, "{kept}");
    let first = log.bases(log.end()).into_iter().filter(|base| *base <= end).max().unwrap();
    assert!(first > 0);
    round(&log.write_from(&source, first, log.end()), &out, &options);
    let fresh = round(&log.write(&source, log.end()), &temp.path().join("fresh"), &options);
    assert_same(&records_of(&dest), &records_of(&fresh), "after retention");
    assert!(records_of(&dest).keys().any(|offset| *offset < first));

    // Of a source that is empty now, nothing is lost either.
    let output = compact(&log.write_from(&source, log.end(), log.end()), &out, &options);
    assert!([Some(0), Some(2)].contains(&output.status.code()));
    assert_same(&records_of(&dest), &records_of(&fresh), "after the source lost all");
}
