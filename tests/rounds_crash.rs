//! A round that is cut off, by a power cut at any step or by a disk that refuses. The next
//! run finishes it or undoes it, and what is there then is what an undisturbed round leaves.

mod support;

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};

use logcompact::compact::{CompactOptions, Output, Policy, RoundOptions, run};
use logcompact::disk::Disk;
use logcompact::repair::{self, How, RepairOptions};
use logcompact::report::{NoProgress, RunOutcome};
use logcompact::segment::find_partitions;
use logcompact::units::Timestamp;
use serde_json::Value;
use support::compacting::by;
use support::copy_folder;
use support::power::{Loss, Noting, Op, Refusing, cut_power, tree};
use support::rounds::{Grown, LIVELY, NOW_MS, Shape, current, records_of, scratch};
use support::state::{State, content_of};

const ENOSPC: i32 = 28;
const EIO: i32 = 5;

/// A destination with one round, and what the next one has to do.
struct Case {
    name: &'static str,
    policy: Policy,
    rounds: RoundOptions,
    /// The same, later than the first round by so much.
    later_ms: i64,
    first_cut: usize,
    log: Grown,
    /// Whether what it changes is so little that it is a layer of the key index.
    is_layer: bool,
}

fn policy(strategy: &str) -> Policy {
    let mut policy = by(strategy).policy;
    policy.topic.segment_bytes = 900;
    policy.topic.delete_retention_ms = 1000;
    policy.now = Timestamp(NOW_MS);
    policy
}

fn case(name: &'static str, strategy: &str) -> Case {
    Case {
        name,
        policy: policy(strategy),
        rounds: RoundOptions::default(),
        later_ms: 0,
        first_cut: 18,
        log: Grown::random(21, Shape { batches: 36, ..LIVELY }),
        is_layer: false,
    }
}

impl Case {
    fn run(&self, disk: Disk, source: &Path, out: &Path) -> Result<RunOutcome, String> {
        let mut policy = self.policy.clone();
        policy.now = Timestamp(policy.now.0 + self.later_ms);
        compact_with(disk, source, out, policy, self.rounds.clone())
    }

    /// The first round, its output as `before`; the source has grown since.
    fn prepare(&self, root: &Path) -> (PathBuf, PathBuf) {
        let (source, before) = (root.join("source"), root.join("before"));
        let cut = self.log.ends()[self.first_cut];
        let dir = self.log.write(&source, cut);
        let first = RoundOptions::default();
        let done = compact_with(Disk::default(), &dir, &before, self.policy.clone(), first);
        assert_eq!(done, Ok(RunOutcome::Ok));
        (self.log.write(&source, self.log.end()), before)
    }
}

fn compact_with(
    disk: Disk,
    source: &Path,
    out: &Path,
    policy: Policy,
    rounds: RoundOptions,
) -> Result<RunOutcome, String> {
    let options = CompactOptions {
        policy,
        output: Output::Folder(out.to_path_buf()),
        disk,
        dry_run: false,
        memory_limit_bytes: 64 << 20,
        temp_dir: None,
        witness: None,
        rounds,
    };
    let sources = find_partitions(&[source.to_path_buf()]).unwrap();
    // One thread, so that the order of operations is the same in each run.
    let pool = rayon::ThreadPoolBuilder::new().num_threads(1).build().unwrap();
    let report = pool.install(|| run(&sources, &options, &NoProgress));
    let report = report.map_err(|error| error.to_string())?;
    report.failure.map_or(Ok(report.outcome), Err)
}

/// Everything that counts in an output: all files but the lock and the times in round files. How
/// many rounds it took does not count.
fn outcome(out: &Path) -> BTreeMap<PathBuf, Vec<u8>> {
    let is_record = |path: &Path| {
        let name = path.file_name().unwrap().to_string_lossy().into_owned();
        name == "lock" || name == "CURRENT" || name.starts_with("round-")
    };
    let files = tree(&out.join("t-0")).into_iter().filter(|(path, _, _)| !is_record(path));
    let files: Vec<(PathBuf, Vec<u8>)> = files.map(|(path, bytes, _)| (path, bytes)).collect();
    let rounds = files.iter().filter_map(|(path, _)| Some(run_name(path)?.1.to_owned()));
    let rounds: BTreeSet<String> = rounds.collect();
    let unnumbered = |path: &Path| match run_name(path) {
        Some((folder, round, number)) => {
            let age = rounds.iter().position(|it| it == round).unwrap();
            format!("{folder}/keys-{age}-{number}").into()
        }
        None => path.to_path_buf(),
    };
    files.iter().map(|(path, bytes)| (unnumbered(path), bytes.clone())).collect()
}

/// The folder, round and number of a file of the key index. Which rounds they are does not count,
/// only in which order.
fn run_name(path: &Path) -> Option<(&str, &str, &str)> {
    let (folder, name) = path.to_str().unwrap().rsplit_once("/keys-")?;
    let (round, number) = name.split_once('-')?;
    Some((folder, round, number))
}

fn assert_same(out: &Path, wanted: &BTreeMap<PathBuf, Vec<u8>>, what: &str) {
    let found = outcome(out);
    let files = tree(&out.join("t-0/.logcompact")).len();
    let rounds = current(&out.join("t-0"))["round"].as_u64().unwrap();
    let index_files = found.keys().filter(|path| path.starts_with(".logcompact")).count();
    let round_files = files - index_files - 2; // the lock, CURRENT
    assert!(round_files as u64 <= rounds.min(2), "{what}: files of other rounds");
    let names = |files: &BTreeMap<PathBuf, Vec<u8>>| files.keys().cloned().collect::<Vec<_>>();
    assert_eq!(names(&found), names(wanted), "{what}");
    for (path, bytes) in &found {
        assert!(*bytes == wanted[path], "{what}: {}", path.display());
    }
}

/// How the power is cut before operation `at`: in one way for each, the next for the next, or with
/// `LOGCOMPACT_ALL_CUTS` in all of them.
fn losses(at: usize) -> Vec<Loss> {
    let all = [Loss::All, Loss::Contents, Loss::Nothing, Loss::Random(at as u64)];
    match std::env::var_os("LOGCOMPACT_ALL_CUTS") {
        Some(_) => all.to_vec(),
        None => vec![all[at % all.len()]],
    }
}

/// Cuts the power before each operation of the second round, in several ways, and runs it again.
fn cut_everywhere(case: &Case) {
    let temp = scratch();
    let (source, before) = case.prepare(temp.path());
    let work = temp.path().join("work");
    copy_folder(&before, &work);
    let noting = Noting::default();
    let done = case.run(Disk::of(noting.clone()), &source, &work);
    assert_eq!(done, Ok(RunOutcome::Ok), "{}", case.name);
    let wanted = outcome(&work);
    assert_ne!(wanted, outcome(&before), "{}: nothing was done", case.name);
    let layers = current(&work.join("t-0"))["layers"].as_array().unwrap().len();
    assert_eq!(layers > 0, case.is_layer, "{}: {layers} layers", case.name);
    let records = records_of(&work.join("t-0"));
    let states = [&before, &work].map(|out| content_of(&out.join("t-0")).state);
    let ops = noting.ops();
    let is_journal = |op: &Op| {
        matches!(op, Op::Rename(_, to) if to.ends_with("journal.json"))
            || matches!(op, Op::Create(path) if path.ends_with("journal.json"))
    };
    let journal = ops.iter().position(is_journal).expect("a journal is written");
    let (mut cuts, mut undone, mut interrupted) = (0, 0, 0);
    for at in 0..=ops.len() {
        // Until the journal nothing has a final name, and one cut is much like the other.
        if at + 4 < journal && at % 11 != 0 {
            continue;
        }
        for loss in losses(at) {
            let what = format!("{}, cut before operation {at} ({loss:?})", case.name);
            let left = temp.path().join("left");
            cut_power(&before, &work, &ops[..at], loss, &left);
            let was_undone = at <= journal && outcome_is_old(&left, &before);
            undone += u32::from(was_undone);
            if case.policy.topic.strategy.is_offset() {
                keep_for_kafka([&left, &before, &work], case.name, cuts);
                broker_knows(&left, &states, temp.path(), &what);
            }
            if verify_knows(&left, &what) {
                interrupted += 1;
                repair_ends_it(&left, &records, temp.path(), &what);
            }
            let again = case.run(Disk::default(), &source, &left);
            assert_eq!(again, Ok(RunOutcome::Ok), "{what}");
            assert_eq!(records_of(&left.join("t-0")), records, "{what}");
            assert_same(&left, &wanted, &what);
            fs::remove_dir_all(&left).unwrap();
            cuts += 1;
        }
    }
    println!("{}: {cuts} power cuts, {undone} before the commit", case.name);
    assert!(cuts > 50 && undone > 0 && undone < cuts, "{cuts} {undone}");
    assert!(interrupted > 0 && interrupted < cuts, "{interrupted}");
}

/// What a cut has left of the state is no damage; whether `verify` tells of a commit that was
/// interrupted.
fn verify_knows(left: &Path, what: &str) -> bool {
    let sources = find_partitions(&[left.to_path_buf()]).unwrap();
    let found = logcompact::verify::run(&sources, &NoProgress).unwrap().findings;
    let of_state = found.iter().filter(|finding| finding.rule.starts_with("rounds-"));
    let mut rules: Vec<_> = of_state.map(|finding| finding.rule).collect();
    rules.dedup();
    let is_sound = matches!(*rules, [] | ["rounds-commit"] | ["rounds-leftover"]);
    assert!(is_sound, "{what}: {found:#?}");
    rules.contains(&"rounds-commit")
}

/// Whoever changes the directory otherwise ends the commit first, for nobody could afterwards.
fn repair_ends_it(left: &Path, records: &BTreeMap<i64, Value>, temp: &Path, what: &str) {
    let copy = temp.join("repaired");
    copy_folder(left, &copy);
    let options = RepairOptions {
        how: How::Skip,
        out: None,
        dry_run: false,
        index_interval_bytes: 4096,
        disk: Disk::default(),
    };
    let sources = find_partitions(std::slice::from_ref(&copy)).unwrap();
    let report = repair::run(&sources, &options, &NoProgress).unwrap();
    assert_eq!(report.outcome, RunOutcome::Ok, "{what}");
    assert!(!copy.join("t-0/.logcompact/journal.json").exists(), "{what}");
    assert_eq!(records_of(&copy.join("t-0")), *records, "{what}");
    fs::remove_dir_all(&copy).unwrap();
}

/// With `LOGCOMPACT_KEEP_CUTS` naming a folder, what power cuts leave is kept there for a broker
/// to start on (`tests/oracle/crash --cuts`).
fn keep_for_kafka(dirs: [&Path; 3], name: &str, number: u32) {
    let Some(folder) = std::env::var_os("LOGCOMPACT_KEEP_CUTS") else { return };
    let folder = PathBuf::from(folder).join(format!("round, {name} {number:05}"));
    for (dir, name) in dirs.into_iter().zip(["left", "before", "after"]) {
        copy_folder(&dir.join("t-0"), &folder.join(name).join("t-0"));
    }
}

/// A broker that is started on what a cut has left ends or undoes the swap of segments, as it does
/// after its own cleaner, and then knows what was known before the round or what is known after it.
fn broker_knows(left: &Path, states: &[State; 2], temp: &Path, what: &str) {
    let copy = temp.join("broker");
    copy_folder(&left.join("t-0"), &copy.join("t-0"));
    logcompact::swap::recover(&Disk::default(), &copy.join("t-0"), false).expect(what);
    let known = content_of(&copy.join("t-0"));
    // Where the log rolled, it would forget all producers and open transactions without a snapshot.
    let has = |kind: &str| copy.join(format!("t-0/{:020}.{kind}", known.log_end)).exists();
    assert!(has("snapshot") || !has("log"), "{what}: rolled without a snapshot");
    let known = known.state;
    let keys = states.iter().flat_map(|state| state.keys());
    for key in keys.chain(known.keys()) {
        let is_either = states.iter().any(|state| state.get(key) == known.get(key));
        let key_text = String::from_utf8_lossy(key);
        assert!(is_either, "{what}: a broker would know of {key_text}: {:?}", known.get(key));
    }
    fs::remove_dir_all(&copy).unwrap();
}

/// Whether the logs of an output are those from before.
fn outcome_is_old(left: &Path, before: &Path) -> bool {
    let logs = |out: &Path| -> Vec<_> {
        let is_log = |path: &Path| path.extension().is_some_and(|extension| extension == "log");
        let files = outcome(out).into_iter();
        files.filter(|(path, _)| is_log(path) && path.components().count() == 1).collect()
    };
    logs(left) == logs(before)
}

#[test]
fn killed_at_any_step_the_next_run_finishes_or_undoes_it() {
    cut_everywhere(&case("offset", "offset"));
}

#[test]
fn a_power_cut_at_any_step_of_a_round_in_which_tombstones_go_is_no_loss() {
    cut_everywhere(&Case { later_ms: 100_000, ..case("tombstones go", "offset") });
}

#[test]
fn a_power_cut_at_any_step_of_a_round_that_keeps_state_only_is_no_loss() {
    let drops = Policy { drop_tombstones: true, include_active: true, ..policy("offset") };
    cut_everywhere(&Case { policy: drops, ..case("state only", "offset") });
}

#[test]
fn a_power_cut_at_any_step_of_a_round_with_late_values_is_no_loss() {
    let drops = Policy { drop_tombstones: true, include_active: true, ..policy("timestamp") };
    cut_everywhere(&Case { policy: drops, ..case("timestamp", "timestamp") });
}

#[test]
fn a_power_cut_at_any_step_of_a_round_that_adds_a_layer_is_no_loss() {
    let shape = Shape { batches: 110, keys: 1000, has_transactions: false, ..LIVELY };
    let log = Grown::random(22, shape);
    cut_everywhere(&Case { first_cut: 100, log, is_layer: true, ..case("layer", "offset") });
}

#[test]
fn a_power_cut_at_any_step_of_a_fresh_start_is_no_loss() {
    let full = RoundOptions { full: true, ..RoundOptions::default() };
    let timestamp = policy("first");
    let case = Case { rounds: full, policy: timestamp, ..case("full", "first") };
    cut_everywhere(&case);
}

#[test]
fn a_power_cut_at_any_step_of_the_first_round_leaves_a_round_or_nothing() {
    let case = case("first round", "offset");
    let temp = scratch();
    let source = case.log.write(&temp.path().join("source"), case.log.end());
    let (out, nothing) = (temp.path().join("out"), temp.path().join("nothing"));
    fs::create_dir(&nothing).unwrap();
    let noting = Noting::default();
    assert_eq!(case.run(Disk::of(noting.clone()), &source, &out), Ok(RunOutcome::Ok));
    let (wanted, ops) = (outcome(&out), noting.ops());
    for at in 0..=ops.len() {
        for loss in losses(at) {
            let what = format!("cut before operation {at} ({loss:?})");
            let left = temp.path().join("left");
            cut_power(&nothing, &out, &ops[..at], loss, &left);
            if left.join("t-0").exists() {
                assert_same(&left, &wanted, &what);
            }
            let again = case.run(Disk::default(), &source, &left);
            if again.is_ok() {
                assert_same(&left, &wanted, &what);
            } else {
                // What a run into a new folder leaves behind is not taken for rounds.
                assert!(!left.join("t-0").exists(), "{what}: {again:?}");
            }
            fs::remove_dir_all(&left).unwrap();
        }
    }
}

#[test]
fn a_damaged_journal_is_refused_and_starting_over_does_without_it() {
    let case = case("journal", "offset");
    let temp = scratch();
    let (source, before) = case.prepare(temp.path());
    let (work, left) = (temp.path().join("work"), temp.path().join("left"));
    copy_folder(&before, &work);
    let noting = Noting::default();
    assert_eq!(case.run(Disk::of(noting.clone()), &source, &work), Ok(RunOutcome::Ok));
    let (wanted, ops) = (outcome(&work), noting.ops());
    let records = records_of(&work.join("t-0"));
    let is_removed = |op: &Op| matches!(op, Op::Remove(path) if path.ends_with("journal.json"));
    let removed = ops.iter().position(is_removed).unwrap();
    let is_placed = |op: &Op| matches!(op, Op::Rename(_, to) if to.ends_with("journal.json"));
    let placed = ops.iter().position(is_placed).unwrap();
    let mut refused = 0;
    for (number, at) in (placed + 2..=removed).step_by(9).enumerate() {
        cut_power(&before, &work, &ops[..at], Loss::Nothing, &left);
        let journal = left.join("t-0/.logcompact/journal.json");
        let mut bytes = fs::read(&journal).unwrap();
        let byte = number * 97 % bytes.len();
        bytes[byte] ^= 2;
        fs::write(&journal, bytes).unwrap();
        let what = format!("cut before {at}, byte {byte} of the journal");
        match case.run(Disk::default(), &source, &left) {
            Ok(done) => {
                assert_eq!(done, RunOutcome::Ok, "{what}");
                assert_same(&left, &wanted, &what);
            }
            Err(error) => {
                refused += 1;
                assert!(error.contains("--full"), "{what}: {error}");
                let rounds = RoundOptions { full: true, ..RoundOptions::default() };
                let policy = case.policy.clone();
                let done = compact_with(Disk::default(), &source, &left, policy, rounds);
                assert_eq!(done, Ok(RunOutcome::Ok), "{what}");
                assert_eq!(records_of(&left.join("t-0")), records, "{what}");
            }
        }
        fs::remove_dir_all(&left).unwrap();
    }
    assert!(refused > 4, "{refused}");
}

#[test]
fn a_disk_that_is_full_at_any_write_of_a_round_costs_nothing() {
    let case = case("full disk", "offset");
    let temp = scratch();
    let (source, before) = case.prepare(temp.path());
    let whole = temp.path().join("whole");
    copy_folder(&before, &whole);
    case.run(Disk::default(), &source, &whole).unwrap();
    let wanted = outcome(&whole);
    for n in 0.. {
        let what = format!("write {n} refused");
        let work = temp.path().join("work");
        copy_folder(&before, &work);
        let refusing = Refusing::write(n, ENOSPC);
        let done = case.run(Disk::of(refusing.clone()), &source, &work);
        if !refusing.has_refused() {
            assert_eq!(done, Ok(RunOutcome::Ok));
            assert!(n > 40, "{n} writes");
            return;
        }
        let error = done.expect_err(&what);
        assert!(error.contains("No space left"), "{what}: {error}");
        assert_eq!(case.run(Disk::default(), &source, &work), Ok(RunOutcome::Ok), "{what}");
        assert_same(&work, &wanted, &what);
        fs::remove_dir_all(&work).unwrap();
    }
}

#[test]
fn a_read_that_fails_in_a_round_changes_nothing() {
    let case = case("failing reads", "timestamp");
    let temp = scratch();
    let (source, before) = case.prepare(temp.path());
    let whole = temp.path().join("whole");
    copy_folder(&before, &whole);
    case.run(Disk::default(), &source, &whole).unwrap();
    let wanted = outcome(&whole);
    for n in 0.. {
        let what = format!("read {n} refused");
        let work = temp.path().join("work");
        copy_folder(&before, &work);
        let refusing = Refusing::read(n, EIO);
        let done = case.run(Disk::of(refusing.clone()), &source, &work);
        if !refusing.has_refused() {
            assert!(n > 10, "{n} reads");
            return;
        }
        if done == Ok(RunOutcome::Ok) {
            // It was of something that the round can do without.
            assert_same(&work, &wanted, &what);
        }
        assert_eq!(case.run(Disk::default(), &source, &work), Ok(RunOutcome::Ok), "{what}");
        assert_same(&work, &wanted, &what);
        fs::remove_dir_all(&work).unwrap();
    }
}
