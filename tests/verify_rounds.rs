//! `verify` on a destination of rounds: nothing is wrong after any round, and whatever is changed
//! in the state, or in the records behind its back, is found.

mod support;

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Once;

use logcompact::bytes::crc32c;
use logcompact::disk::LockedFile;
use logcompact::report::{NoProgress, Progress};
use logcompact::segment::find_partitions;
use logcompact::verify::{self, Finding, Severity};
use serde_json::Value;
use support::events::{Event, PLAIN};
use support::log::{Log, put};
use support::power::Die;
use support::rounds::{Grown, LIVELY, Shape, Stand, compact, current, scratch, state_files};
use support::{copy_folder, logcompact};

const STRATEGIES: [&str; 4] = ["offset", "timestamp", "first", "header:v"];
const FAR: [&str; 3] = ["-q", "--delete-retention-ms", "36500d"];

/// What is found of the state.
fn found(dest: &Path) -> Vec<Finding> {
    let verified =
        verify::run(&find_partitions(&[dest.to_path_buf()]).unwrap(), &NoProgress).unwrap();
    let mut found = verified.findings;
    found.retain(|finding| finding.rule.starts_with("rounds-") || finding.rule == "unreadable");
    found
}

fn rules(found: &[Finding]) -> BTreeMap<&'static str, usize> {
    found.iter().fold(BTreeMap::new(), |mut rules, finding| {
        *rules.entry(finding.rule).or_default() += 1;
        rules
    })
}

fn assert_sound(dest: &Path, case: &str) {
    let found = found(dest);
    assert!(found.is_empty(), "{case}: {found:#?}");
}

#[test]
fn after_every_round_of_any_kind_nothing_is_wrong() {
    let temp = scratch();
    let (erased, older) = (temp.path().join("erased"), temp.path().join("older"));
    fs::write(&erased, "key-1\nkey-2\n").unwrap();
    let (mut entries, mut waited) = (0, 0);
    for seed in 0..16 {
        let mut die = Die(seed);
        let strategy = STRATEGIES[seed as usize % 4];
        let has_transactions = die.throw(3) == 0;
        let shape = Shape { batches: 120, keys: 4 + die.throw(60), has_transactions, ..LIVELY };
        let log = Grown::random(seed, shape);
        let out = temp.path().join(format!("out-{seed}"));
        let source = temp.path().join("source");
        let ratio =
            if strategy == "first" { "0" } else { ["0", "0.4", "1"][die.throw(3) as usize] };
        let mut common = vec!["-q", "--strategy", strategy, "--min-rewrite-ratio", ratio];
        common.extend(["--segment-bytes", ["600", "4KiB", "1GiB"][die.throw(3) as usize]]);
        common.extend(["--null-keys", ["drop", "keep"][die.throw(2) as usize]]);
        if die.throw(2) == 0 {
            common.push("--empty-is-tombstone");
        }
        let mut day = 0;
        let mut at = 0;
        while at + 1 < log.ends().len() {
            at = (at + 4 + die.throw(20) as usize).min(log.ends().len() - 1);
            day += die.throw(2);
            let now = (support::rounds::NOW_MS + day as i64 * 86_400_000).to_string();
            let mut options = common.clone();
            options.extend(["--now", &now]);
            let mut may_be_refused = false;
            match die.throw(10) {
                0 => options.push("--drop-tombstones"),
                1 => options.push("--reindex"),
                2 => options.push("--full"),
                3 => options.push("--include-active"),
                4 => options.extend(["--erase-keys", erased.to_str().unwrap()]),
                5 if out.is_dir() => {
                    let _ = fs::remove_dir_all(&older);
                    copy_folder(&out, &older);
                    options.extend(["--force", "--rebase-from", older.to_str().unwrap()]);
                    may_be_refused = true;
                }
                _ => {}
            }
            let dir = log.write(&source, log.ends()[at]);
            let output = compact(&dir, &out, &options);
            let said = String::from_utf8_lossy(&output.stderr);
            let case = format!("seed {seed}, end {}, {options:?}", log.ends()[at]);
            let Some(dest) = Some(out.join("t-0")).filter(|dest| dest.is_dir()) else {
                continue; // the first round had nothing to compact, or --reindex no round
            };
            let is_refused = may_be_refused && output.status.code() == Some(2);
            assert!(output.status.success() || is_refused, "{case}: {said}");
            assert_sound(&dest, &case);
            let sources = find_partitions(std::slice::from_ref(&dest)).unwrap();
            entries += verify::run(&sources, &NoProgress).unwrap().summary.key_index_entries;
            waited += current(&dest)["dead"].is_object() as usize;
        }
    }
    println!("{entries} entries were compared; records waited {waited} times");
    assert!(entries > 500 && waited > 3, "{entries}, {waited}");
}

/// A destination with layers, superseded records that wait, and a kept round before the current.
fn stand(strategy: &str) -> Stand {
    let ms = 1_700_000_000_000;
    let mut log = Grown::empty();
    let mut ends = Vec::new();
    for segment in 0..6 {
        let keys = if segment == 0 { 0..200 } else { segment * 10..segment * 10 + 5 };
        let events = keys.map(|n| Event::put(&format!("key-{n}"), "value", ms + segment));
        log.batch(PLAIN, &events.collect::<Vec<_>>());
        log.plain(&[Event::delete(&format!("key-{segment}"), ms + 10)]);
        log.roll();
        ends.push(log.end() + 1);
    }
    log.plain(&[Event::put("active", "1", ms)]);
    let stand = Stand::of(log);
    let mut options = vec!["--strategy", strategy, "--segment-bytes", "1KiB"];
    options.extend(["--min-rewrite-ratio", "1"].iter().chain(&FAR));
    ends.iter().for_each(|end| drop(stand.round(*end, &options)));
    stand
}

#[test]
fn each_flipped_byte_of_the_state_is_found_in_its_file() {
    let mut flips = 0;
    for strategy in ["offset", "timestamp"] {
        let stand = stand(strategy);
        assert_sound(&stand.dest(), strategy);
        assert!(current(&stand.dest())["dead"].is_object());
        assert!(current(&stand.dest())["layers"][0].is_array());
        for file in state_files(&stand.dest()) {
            let bytes = fs::read(&file).unwrap();
            let is_all = std::env::var_os("LOGCOMPACT_ALL_FLIPS").is_some();
            let step = if is_all { 1 } else { (bytes.len() / 40).max(1) };
            for at in (0..bytes.len()).step_by(step).chain(bytes.len().checked_sub(1)) {
                let mut flipped = bytes.clone();
                flipped[at] ^= 1 << (at % 8);
                fs::write(&file, flipped).unwrap();
                let found = found(&stand.dest());
                let is_named =
                    |finding: &Finding| finding.path == file && finding.severity == Severity::Error;
                // A CURRENT that names another round may name one that is not there.
                let is_current = file.ends_with("CURRENT") && !found.is_empty();
                let is_found = found.iter().any(is_named) || is_current;
                assert!(is_found, "{} byte {at}: {found:#?}", file.display());
                flips += 1;
            }
            for short in [0, bytes.len() / 2] {
                fs::write(&file, &bytes[..short]).unwrap();
                assert!(bytes.is_empty() || !found(&stand.dest()).is_empty());
            }
            fs::remove_file(&file).unwrap();
            let is_kept = |name: String| !name.starts_with("round-00000") || name.contains("006");
            if is_kept(file.file_name().unwrap().to_str().unwrap().to_owned()) {
                assert!(!found(&stand.dest()).is_empty(), "{} removed", file.display());
            }
            fs::write(&file, &bytes).unwrap();
        }
        assert_sound(&stand.dest(), strategy);
    }
    assert!(flips > 400, "{flips}");
}

/// Writes a file of JSON with the checksum that it must have.
fn reseal(file: &Path, text: &str) {
    let (content, _) = text.rsplit_once(",\n  \"crc32c\"").unwrap();
    let crc = crc32c(content.as_bytes());
    fs::write(file, format!("{content},\n  \"crc32c\": \"{crc:08x}\"\n}}\n")).unwrap();
}

fn round_file(dest: &Path) -> PathBuf {
    let name = fs::read_to_string(dest.join(".logcompact/CURRENT")).unwrap();
    dest.join(".logcompact").join(name.trim_end())
}

#[test]
fn an_index_that_lies_under_right_checksums_is_found_out() {
    let stand = stand("offset");
    let (dest, round_file) = (stand.dest(), round_file(&stand.dest()));
    let text = fs::read_to_string(&round_file).unwrap();
    let list = |runs: &Value| runs.as_array().unwrap().clone();
    let (base, layers) = (list(&current(&dest)["index"]), list(&current(&dest)["layers"]));
    let layers: Vec<Value> = layers.iter().flat_map(list).collect();
    let path = |run: &Value| dest.join(".logcompact").join(run["file"].as_str().unwrap());
    let hashes = |run: &Value| {
        let bytes = fs::read(path(run)).unwrap();
        bytes[32..bytes.len() - 4].chunks(24).map(|entry| entry[..16].to_vec()).collect()
    };
    let layered: BTreeSet<Vec<u8>> =
        layers.iter().flat_map(|run| -> Vec<Vec<u8>> { hashes(run) }).collect();
    let mut told = BTreeMap::new();
    for run in base.iter().chain(&layers) {
        let (file, is_base) = (path(run), base.contains(run));
        let bytes = fs::read(&file).unwrap();
        let end = bytes.len() - 4;
        for at in (0..end).step_by((end / 300).max(1)) {
            // What a newer layer says otherwise, nobody asks for any more.
            let entry = at.checked_sub(32).map(|at| 32 + at / 24 * 24);
            if is_base && entry.is_some_and(|at| layered.contains(&bytes[at..at + 16])) {
                continue;
            }
            let mut lie = bytes.clone();
            lie[at] ^= 1 << (at % 8);
            let crc = crc32c(&lie[..end]);
            lie[end..].copy_from_slice(&crc.to_be_bytes());
            fs::write(&file, &lie).unwrap();
            reseal(
                &round_file,
                &text.replace(run["crc32c"].as_str().unwrap(), &format!("{crc:08x}")),
            );
            let found = found(&dest);
            assert!(!found.is_empty(), "{} byte {at}", file.display());
            let is_placed = |it: &Finding| !it.message.contains("entry ") || it.position.is_some();
            assert!(found.iter().filter(|it| it.rule == "rounds-index").all(is_placed), "{at}");
            for (rule, _) in rules(&found) {
                *told.entry(rule).or_default() += 1;
            }
        }
        fs::write(&file, &bytes).unwrap();
    }
    reseal(&round_file, &text);
    assert_sound(&dest, "as before");
    println!("{told:?}");
    let [keys, index]: [i32; 2] = [told["rounds-key"], told["rounds-index"]];
    assert!(keys > 50 && index > 20, "{told:?}");
}

#[test]
fn whatever_numbers_a_round_file_has_nothing_panics() {
    let stand = stand("timestamp");
    let (dest, round_file) = (stand.dest(), round_file(&stand.dest()));
    let text = fs::read_to_string(&round_file).unwrap();
    let lines: Vec<&str> = text.lines().collect();
    let mut noticed = 0;
    for (number, line) in lines.iter().enumerate() {
        let Some((name, value)) = line.split_once(": ") else { continue };
        if value.trim_end_matches(',').parse::<i64>().is_err() {
            continue;
        }
        for extreme in ["0", "-1", "9223372036854775807", "18446744073709551615"] {
            let comma = if value.ends_with(',') { "," } else { "" };
            let changed = format!("{name}: {extreme}{comma}");
            let mut lines = lines.clone();
            lines[number] = &changed;
            reseal(&round_file, &lines.join("\n"));
            noticed += usize::from(!found(&dest).is_empty());
        }
    }
    assert!(noticed > 100, "{noticed}");
}

#[test]
fn a_destination_that_is_damaged_gives_exit_status_1_and_a_line_that_names_the_file() {
    let stand = stand("offset");
    let run = || {
        let mut command = logcompact();
        let output =
            command.args(["verify", "--format", "json"]).arg(stand.out()).output().unwrap();
        let text = String::from_utf8(output.stdout).unwrap();
        (output.status.code(), text)
    };
    let (status, text) = run();
    assert_eq!(status, Some(0), "{text}");
    assert!(text.contains("\"key_index_entries\":"), "{text}");
    let runs = state_files(&stand.dest());
    let run_file = runs.iter().find(|path| path.extension().is_some_and(|it| it == "kidx"));
    let run_file = run_file.unwrap();
    let bytes = fs::read(run_file).unwrap();
    fs::write(run_file, &bytes[1..]).unwrap();
    let (status, text) = run();
    assert_eq!(status, Some(1), "{text}");
    let wanted = "{\"type\":\"finding\",\"rule\":\"rounds-index\",\"severity\":\"error\",\"path\":";
    assert!(text.contains(wanted), "{text}");
    assert!(text.contains(run_file.file_name().unwrap().to_str().unwrap()), "{text}");
    assert!(text.contains("compact with --reindex"), "{text}");
}

#[test]
fn segments_that_the_last_round_did_not_leave_so_are_named() {
    let stand = stand("offset");
    let dest = stand.dest();
    let segments = current(&dest)["segments"].as_array().unwrap().clone();
    let tail = current(&dest)["tail"][0]["base_offset"].as_i64().unwrap();
    let log = |base: i64| dest.join(format!("{base:020}.log"));
    let of = |number: usize| log(segments[number]["base_offset"].as_i64().unwrap());
    let keep = stand.temp.path().join("keep");
    copy_folder(&dest, &keep);
    let cases: [(&str, &dyn Fn()); 4] = [
        ("it is not there", &|| fs::remove_file(of(1)).unwrap()),
        ("bytes, there are", &|| {
            let bytes = fs::read(of(0)).unwrap();
            fs::write(of(0), [&bytes[..], &[0]].concat()).unwrap();
        }),
        ("left no segment", &|| {
            let between = segments[0]["base_offset"].as_i64().unwrap() + 1;
            fs::write(log(between), []).unwrap();
        }),
        ("bytes, there are", &|| fs::write(log(tail), []).unwrap()),
    ];
    for (wanted, change) in cases {
        change();
        let found = found(&dest);
        let [finding] = found.as_slice() else { panic!("{wanted}: {found:#?}") };
        assert_eq!((finding.rule, finding.severity), ("rounds-segment", Severity::Error));
        assert!(finding.message.contains(wanted), "{}", finding.message);
        assert!(finding.offset.is_some());
        // The next round does refuse.
        let source = stand.log.write(&stand.source(), stand.log.end());
        let output = compact(&source, &stand.out(), &FAR);
        assert_eq!(output.status.code(), Some(2), "{wanted}");
        fs::remove_dir_all(&dest).unwrap();
        copy_folder(&keep, &dest);
    }
}

/// Two destinations of the same shape whose logs differ in what no size shows.
fn twin(strategy: &str, change: impl Fn(&mut Event)) -> (Stand, Stand) {
    let ms = 1_700_000_000_000;
    let log = |change: &dyn Fn(&mut Event)| {
        let mut log = Grown::empty();
        for segment in 0..4 {
            let mut events: Vec<Event> = (0..6)
                .map(|n| Event::put(&format!("key-{segment}.{n}"), "value", ms + n))
                .collect();
            if segment == 2 {
                change(&mut events[3]);
            }
            log.batch(PLAIN, &events);
            log.roll();
        }
        log.plain(&[Event::put("active", "1", ms)]);
        Stand::of(log)
    };
    let stands = (log(&|_| ()), log(&change));
    for stand in [&stands.0, &stands.1] {
        let options = [&FAR[..], &["--strategy", strategy, "--segment-bytes", "300"]].concat();
        stand.round(stand.log.end(), &options);
        assert_sound(&stand.dest(), strategy);
    }
    stands
}

#[test]
fn records_that_the_index_does_not_know_so_are_found_and_those_that_it_misses() {
    // A key of the same length, so that only the index knows better.
    let (sound, other) = twin("timestamp", |event| event.key = Some(b"key-0.1".to_vec()));
    let segment = sound.dest().join("00000000000000000012.log");
    fs::copy(other.dest().join(segment.file_name().unwrap()), &segment).unwrap();
    let lines = found(&sound.dest());
    assert_eq!(rules(&lines), [("rounds-key", 2)].into(), "{lines:#?}");
    let said = |what: &str| {
        let line = lines.iter().find(|line| line.message.contains(what));
        line.unwrap_or_else(|| panic!("{what}: {lines:#?}"))
    };
    // Key 0.1 is there twice; by the index the record at 1 stands for it.
    let line = said("the record at offset 1 stands for the key of this one");
    assert_eq!((line.offset.unwrap().0, &line.path), (15, &segment));
    assert!(line.position.is_some());
    let line = said("the record at offset 15 stands for a key");
    assert_eq!((line.offset.unwrap().0, &line.path), (15, &segment));

    let (sound, other) = twin("first", |event| event.key = Some(b"key-X.Y".to_vec()));
    fs::copy(
        other.dest().join(segment.file_name().unwrap()),
        sound.dest().join(segment.file_name().unwrap()),
    )
    .unwrap();
    let lines = found(&sound.dest());
    assert_eq!(lines.len(), 2, "{lines:#?}");
    assert!(lines.iter().any(|line| line.message.contains("does not know the key")));
}

#[test]
fn an_index_of_other_records_is_told_record_by_record_even_with_little_memory() {
    // Twice the same keys and sizes, in another order.
    let ms = 1_700_000_000_000;
    let log = |step: i64| {
        let mut log = Grown::empty();
        for batch in 0..100 {
            let key = |n: i64| format!("{:06}", (batch * 100 + n) * step % 10_007);
            let events: Vec<Event> = (0..100).map(|n| Event::put(&key(n), "v", ms)).collect();
            log.batch(PLAIN, &events);
        }
        log.roll();
        log.plain(&[Event::put("active", "1", ms)]);
        Stand::of(log)
    };
    let (one, two) = (log(1), log(3));
    one.round(one.log.end(), &FAR);
    two.round(two.log.end(), &FAR);
    let name = "00000000000000000000.log";
    fs::copy(two.dest().join(name), one.dest().join(name)).unwrap();
    let sources = find_partitions(&[one.dest()]).unwrap();
    let told = [1 << 30, 0].map(|memory_bytes| {
        let verified = verify::run_within(&sources, memory_bytes, &NoProgress).unwrap();
        let keys = verified.findings.into_iter().filter(|finding| finding.rule == "rounds-key");
        keys.collect::<Vec<_>>()
    });
    assert_eq!(told[0].len(), 1001);
    // Passes go by hashes, and so do the lines, as far as there are any.
    assert_eq!(told[0][..1000], told[1][..1000]);
}

#[test]
fn a_damaged_batch_is_told_once_and_its_keys_are_not_missed() {
    let (sound, _) = twin("offset", |_| ());
    let segment = sound.dest().join("00000000000000000012.log");
    let mut bytes = fs::read(&segment).unwrap();
    let at = bytes.len() - 3;
    bytes[at] ^= 1;
    fs::write(&segment, bytes).unwrap();
    assert_sound(&sound.dest(), "one batch is damaged");
    let sources = find_partitions(&[sound.dest()]).unwrap();
    let verified = verify::run(&sources, &NoProgress).unwrap();
    assert!(verified.findings.iter().any(|finding| finding.rule == "batch-crc"));
}

#[test]
fn damage_that_a_round_has_kept_is_no_damage_of_its_state() {
    let temp = scratch();
    let (source, mut kept) = (temp.path().join("source"), 0);
    for seed in 0..10 {
        let mut die = Die(seed);
        let log = Grown::random(seed, Shape { has_transactions: seed % 3 == 0, ..LIVELY });
        for on_damage in ["keep", "skip"] {
            let out = temp.path().join(format!("{on_damage}-{seed}"));
            for end in [log.ends()[40], log.end()] {
                let dir = log.write(&source, end);
                let bases = log.bases(end);
                let base = bases[die.throw(bases.len() as u64) as usize];
                let path = dir.join(format!("{base:020}.log"));
                let mut bytes = fs::read(&path).unwrap();
                let at = die.throw(bytes.len() as u64) as usize;
                bytes[at] ^= 1 << die.throw(8);
                fs::write(&path, bytes).unwrap();
                let output = compact(&dir, &out, &["-q", "--on-damage", on_damage]);
                kept += i32::from(output.status.code() == Some(1));
                if out.join("t-0").is_dir() {
                    assert_sound(&out.join("t-0"), &format!("seed {seed}, {on_damage}, {end}"));
                }
            }
        }
    }
    println!("{kept} rounds had damage");
    assert!(kept > 10, "{kept}");
}

#[test]
fn a_commit_that_was_interrupted_is_a_warning_and_what_else_is_left_a_note() {
    let stand = stand("offset");
    let state = stand.dest().join(".logcompact");
    fs::create_dir(state.join("next")).unwrap();
    fs::write(state.join("keys-000099-0000.kidx"), "x").unwrap();
    fs::write(state.join("CURRENT.tmp"), "x").unwrap();
    fs::write(state.join("notes.txt"), "not ours").unwrap();
    let lines = found(&stand.dest());
    assert_eq!(rules(&lines), [("rounds-leftover", 3)].into(), "{lines:#?}");
    assert!(lines.iter().all(|line| line.severity == Severity::Info));
    fs::write(state.join("journal.json"), "{}").unwrap();
    let lines = found(&stand.dest());
    assert_eq!(rules(&lines), [("rounds-file", 1)].into(), "{lines:#?}");
}

/// Commits a round as soon as the first bytes of a log were read.
struct Meddler<'a> {
    commit: Box<dyn Fn() + Send + Sync + 'a>,
    once: Once,
}

impl Progress for Meddler<'_> {
    fn begin(&self, _task: &str, _total_bytes: u64) {}

    fn advance(&self, _bytes: u64) {
        self.once.call_once(|| (self.commit)());
    }

    fn finish(&self) {}
}

#[test]
fn a_round_that_is_committed_meanwhile_is_no_damage() {
    let stand = stand("offset");
    let (dest, mut log) = (stand.dest(), stand.log.clone());
    log.roll();
    log.plain(&(0..150).map(|n| Event::put(&format!("key-{n}"), "v", 1)).collect::<Vec<_>>());
    log.roll();
    log.plain(&[Event::put("active", "2", 1)]);
    let source = log.write(&stand.source(), log.end());
    let commit = || drop(support::rounds::round(&source, &stand.out(), &FAR));
    let progress = Meddler { commit: Box::new(commit), once: Once::new() };
    let sources = find_partitions(std::slice::from_ref(&dest)).unwrap();
    let mut found = verify::run(&sources, &progress).unwrap().findings;
    found.retain(|finding| finding.rule.starts_with("rounds-"));
    let [moved] = found.as_slice() else { panic!("{found:#?}") };
    assert_eq!((moved.rule, moved.severity), ("rounds-moved", Severity::Info));
    assert_sound(&dest, "behind it");
}

#[test]
fn the_lock_of_a_run_that_is_at_work_is_neither_taken_nor_waited_for() {
    let stand = stand("offset");
    let lock = stand.dest().join(".logcompact/lock");
    let held = LockedFile::take(&lock).unwrap();
    assert_sound(&stand.dest(), "held");
    assert!(LockedFile::take(&lock).is_err(), "it is still held");
    drop(held);
    fs::remove_file(&lock).unwrap();
    assert_sound(&stand.dest(), "without one");
    assert!(!lock.exists());
}

#[test]
fn a_state_that_says_nothing_is_none_and_one_without_a_current_round_is_damaged() {
    let stand = stand("offset");
    let state = stand.dest().join(".logcompact");
    let keep = stand.temp.path().join("keep");
    copy_folder(&state, &keep);
    fs::remove_file(state.join("CURRENT")).unwrap();
    let lines = found(&stand.dest());
    assert!(lines.iter().any(|line| line.message.contains("there is no CURRENT")), "{lines:#?}");
    fs::remove_dir_all(&state).unwrap();
    assert_sound(&stand.dest(), "no folder");
    fs::create_dir(&state).unwrap();
    assert_sound(&stand.dest(), "an empty folder");
    fs::remove_dir(&state).unwrap();
    fs::write(&state, "a file").unwrap();
    assert_sound(&stand.dest(), "no folder of ours");
}

#[test]
fn an_abort_whose_data_lies_in_front_of_the_round_keeps_its_entry() {
    let temp = tempfile::tempdir().unwrap();
    let mut log = Log::create(temp.path(), "t-0").with_txn_index();
    log.transactional(7, &[put("a", "aborted")]).batch(&[put("b", "1")]).roll();
    log.batch(&[put("c", "1")]).marker(7, false).batch(&[put("d", "1")]).roll();
    let source = log.batch(&[put("active", "1")]).flush();
    let out = temp.path().join("out");
    for options in [&["--to-offset", "1"][..], &[]] {
        let mut command = logcompact();
        // So near that the producer is still known, and its last batch stays, empty.
        command.args(["compact", "--now", "1700000100000"]).args(options);
        command.arg(&source).arg("--out").arg(&out).assert().success();
    }
    logcompact().args(["verify", "--strict"]).arg(&out).assert().success();
}

#[test]
fn what_lies_below_the_log_start_is_unknown_to_the_key_index_and_not_missed() {
    let temp = tempfile::tempdir().unwrap();
    let root = temp.path().join("logs");
    let mut log = Log::create(&root, "t-0");
    for _ in 0..2 {
        log.batch(&[put("below", "1"), put("twice", "1")]);
    }
    log.batch(&[put("above", "1")]).roll();
    log.batch(&[put("active", "1")]).flush();
    fs::write(root.join("log-start-offset-checkpoint"), "0\n1\nt 0 4\n").unwrap();
    let out = temp.path().join("out");
    assert!(compact(&root, &out, &["-q"]).status.success());
    let dest = out.join("t-0");
    assert_sound(&dest, "the log starts behind");
    fs::write(out.join("log-start-offset-checkpoint"), "0\n0\n").unwrap();
    assert_sound(&dest, "though it is said to start in front of them");
}

#[test]
fn what_the_votes_tell_the_key_index_is_what_lies_in_the_log() {
    let temp = tempfile::tempdir().unwrap();
    let mut log = Log::create(temp.path(), "t-0");
    let keys: Vec<String> =
        (0..90).map(|n| format!("key-{}", "long-".repeat(n % 4 * n)) + &n.to_string()).collect();
    for (number, some) in keys.chunks(3).chain(keys.chunks(4)).enumerate() {
        let mut records: Vec<_> = some.iter().map(|key| put(key, "value")).collect();
        records.push((None, Some(b"no key")));
        match number % 4 {
            0 => log.transactional(7, &records).marker(7, true),
            1 => log.pass_over(number).batch(&records),
            _ => log.batch(&records),
        };
    }
    let source = log.roll().batch(&[put("active", "1")]).flush();
    for null_keys in ["drop", "keep"] {
        let out = temp.path().join(null_keys);
        for options in [&["--to-offset", "70"][..], &[]] {
            let options = [&["-q", "--null-keys", null_keys], options].concat();
            assert!(compact(&source, &out, &options).status.success());
            assert_sound(&out.join("t-0"), &format!("{options:?}"));
        }
    }
}
