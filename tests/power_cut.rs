//! The power is cut after each operation of a whole run, and a disk refuses each in turn: whatever
//! is left is recovered to the state from before or after, never less.

mod support;

use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use logcompact::compact::{
    CleanupPolicy, CompactOptions, ErasedKeys, NullKeys, OnDamage, Output, Policy, Rewrites,
    RoundOptions, TopicConfig, run,
};
use logcompact::disk::Disk;
use logcompact::format::{Codec, Compression, MessageFormat};
use logcompact::report::{NoProgress, RunOutcome};
use logcompact::segment::find_partitions;
use logcompact::swap::Replaced;
use logcompact::units::Timestamp;
use logcompact::verify::Severity;
use support::log::{Log, put, tombstone};
use support::power::{Loss, Noting, Op, Refusing, cut_power, tree};
use support::state::{Content, content_of};
use support::{copy_folder, logcompact};

const NOW_MS: i64 = 1_795_300_000_000;
const DAY_MS: i64 = 86_400_000;
const ENOSPC: i32 = 28;
const EIO: i32 = 5;

/// A case: a log directory with one partition, and how it is compacted.
struct Case {
    name: &'static str,
    source: PathBuf,
    policy: Policy,
}

fn policy() -> Policy {
    Policy {
        // So small that there are several groups of several segments.
        topic: TopicConfig { segment_bytes: 2600, ..TopicConfig::default() },
        now: Timestamp(NOW_MS),
        include_active: false,
        null_keys: NullKeys::Drop,
        drop_tombstones: false,
        empty_is_tombstone: false,
        message_format: MessageFormat::Magic2,
        on_damage: OnDamage::Fail,
        rewrites: Rewrites::default(),
        key_hash_bits: 64,
    }
}

/// Seven segments in which keys are overwritten and deleted, within a segment and across, and
/// transactions of two producers are committed and aborted.
fn lively_log(root: &Path) -> PathBuf {
    let mut log = Log::create(root, "t-0").with_txn_index();
    for round in 0..7 {
        for n in 0..9 {
            let key = format!("key-{}", (n * 5 + round) % 13);
            match (n + round) % 5 {
                0 => log.batch(&[tombstone(&key), put("hot", &format!("{round}.{n}"))]),
                1 => log.transactional(7, &[put(&key, "aborted"), put("never", "seen")]),
                2 => log.transactional(8, &[put(&key, &format!("committed {round}.{n}"))]),
                _ => log.batch(&[put(&key, &format!("{round}.{n}")), put("b", "x")]),
            };
            // Transactions end in the segment behind the one where they began, too.
            if n == 4 {
                log.marker(7, false).marker(8, true);
            }
        }
        log.batch(&[put(&format!("only in {round}"), "1")]);
        log.roll();
    }
    log.marker(7, false).marker(8, true).batch(&[put("active", "1")]).flush();
    fs::write(root.join("meta.properties"), "version=1\n").unwrap();
    fs::write(root.join(".kafka_cleanshutdown"), "{}").unwrap();
    fs::write(root.join(".lock"), "").unwrap();
    fs::write(root.join("cleaner-offset-checkpoint"), "0\n1\nt 0 0\n").unwrap();
    root.into()
}

/// The same, cleaned once: its tombstones and markers have a horizon.
fn cleaned_log(root: &Path) -> PathBuf {
    let lively = lively_log(&root.join("before"));
    let out = root.join("source");
    compact(&lively, Output::Folder(out.clone()), policy(), Disk::default()).unwrap();
    fs::write(out.join(".lock"), "").unwrap();
    out
}

fn tombstones_at_once(root: &Path) -> Case {
    let policy = Policy { drop_tombstones: true, ..policy() };
    Case { name: "tombstones go at once", source: lively_log(&root.join("source")), policy }
}

fn active_too(root: &Path) -> Case {
    let policy = Policy { drop_tombstones: true, include_active: true, ..policy() };
    Case { name: "the active segment too", source: lively_log(&root.join("source")), policy }
}

fn behind_their_horizon(root: &Path) -> Case {
    let policy = Policy { now: Timestamp(NOW_MS + 2 * DAY_MS), ..policy() };
    Case { name: "tombstones and markers behind their horizon", source: cleaned_log(root), policy }
}

fn with_retention(root: &Path) -> Case {
    let topic = TopicConfig {
        cleanup: CleanupPolicy { compact: true, delete: true },
        retention_ms: -1,
        retention_bytes: 4000,
        ..policy().topic
    };
    let policy = Policy { topic, ..policy() };
    Case { name: "with retention", source: lively_log(&root.join("source")), policy }
}

/// Keys go wherever they are, tombstones too; all is encoded and cut anew. From the third segment
/// on the log is too young to be cleaned.
fn rewritten(root: &Path) -> Case {
    let source = root.join("source");
    let mut log = Log::create(&source, "t-0").with_txn_index();
    let mut young_ms = 0;
    for round in 0..4 {
        if round == 2 {
            young_ms = log.now_ms;
        }
        for n in 0..9 {
            let key = format!("key-{}", (n * 5 + round) % 13);
            log.batch(&[put(&key, &format!("{round}.{n}")), tombstone("key-1")]);
            log.transactional(7, &[put("key-2", "aborted"), put(&format!("{n}"), "x")]);
        }
        log.marker(7, round % 2 == 0).batch(&[put(&format!("only in {round}"), "1")]).roll();
    }
    log.batch(&[put("key-1", "active"), put("b", "x")]).flush();
    fs::write(source.join(".kafka_cleanshutdown"), "{}").unwrap();
    let erased = ErasedKeys::parse("key-1\nkey-2\nkey-3", usize::MAX).unwrap();
    let rewrites = Rewrites {
        erased: Some(Arc::new(erased)),
        compression: Some(Compression { codec: Codec::Lz4, level: None }),
        segments_anew: true,
    };
    let min_compaction_lag_ms = NOW_MS - young_ms + 1;
    let topic = TopicConfig { segment_bytes: 700, min_compaction_lag_ms, ..TopicConfig::default() };
    let policy = Policy { rewrites, topic, include_active: true, ..policy() };
    Case { name: "rewritten", source, policy }
}

const CASES: [fn(&Path) -> Case; 5] =
    [tombstones_at_once, active_too, behind_their_horizon, with_retention, rewritten];

fn compact(
    source: &Path,
    output: Output,
    policy: Policy,
    disk: Disk,
) -> Result<RunOutcome, String> {
    let options = CompactOptions {
        policy,
        output,
        disk,
        dry_run: false,
        memory_limit_bytes: 64 << 20,
        temp_dir: None,
        witness: None,
        rounds: RoundOptions { keep_rounds: 0, ..RoundOptions::default() },
    };
    let sources = find_partitions(&[source.to_path_buf()]).unwrap();
    let report = run(&sources, &options, &NoProgress).map_err(|error| error.to_string())?;
    report.failure.map_or(Ok(report.outcome), Err)
}

const IN_PLACE: Output = Output::InPlace { force: false, replaced: Replaced::Removed };
const LEFT_DELETED: Output = Output::InPlace { force: false, replaced: Replaced::LeftDeleted };

#[test]
fn what_stays_where_it_lies_is_durable_before_what_lost_to_it_goes() {
    let temp = tempfile::tempdir().unwrap();
    let mut log = Log::create(temp.path(), "t-0");
    let long = "x".repeat(1500);
    log.batch(&[put("a", "older"), put("b", &long)]).roll();
    log.batch(&[put("a", "newer"), put("c", &long)]).roll();
    let dir = log.batch(&[put("active", "1")]).flush();
    // With the indexes that a broker would have.
    logcompact().args(["repair", "--in-place"]).arg(&dir).assert().success();
    let notes = Noting::default();
    compact(&dir, IN_PLACE, policy(), Disk::of(notes.clone())).unwrap();
    let path = |base: i64, kind: &str| dir.join(format!("{base:020}.{kind}"));
    let ops = notes.ops();
    let first_rename = ops.iter().position(|op| matches!(op, Op::Rename(..))).unwrap();
    assert!(matches!(&ops[first_rename], Op::Rename(from, _) if *from == path(0, "log.cleaned")));
    for kind in ["log", "index", "timeindex"] {
        let is_synced = |op: &Op| matches!(op, Op::SyncFile(synced) if *synced == path(2, kind));
        assert!(ops[..first_rename].iter().any(is_synced), "{kind}");
    }
}

/// One thread, so that the order of operations is the same in each run.
fn alone<T: Send>(work: impl FnOnce() -> T + Send) -> T {
    rayon::ThreadPoolBuilder::new().num_threads(1).build().unwrap().install(work)
}

fn assert_sound(root: &Path, what: &str) {
    let sources = find_partitions(&[root.to_path_buf()]).unwrap();
    let verified = logcompact::verify::run(&sources, &NoProgress).unwrap();
    let errors = verified.findings.iter().filter(|found| found.severity == Severity::Error);
    assert_eq!(errors.map(|found| &found.message).collect::<Vec<_>>(), [""; 0], "{what}");
}

/// The partition holds all that is left after a whole compaction, and nothing that was not there
/// before; it says of each key what it said before, unless retention takes that away.
fn assert_between(now: &Content, before: &Content, after: &Content, what: &str) {
    for (key, latest) in &after.state {
        assert_eq!(now.state.get(key), Some(latest), "{what}: key {key:?} is lost");
    }
    for (key, latest) in &now.state {
        assert_eq!(before.state.get(key), Some(latest), "{what}: key {key:?} came back");
    }
    assert!(now.log_end >= before.log_end, "{what}: log end");
    for (offset, record) in &after.records {
        assert_eq!(now.records.get(offset), Some(record), "{what}: offset {offset} is lost");
    }
    for (offset, record) in &now.records {
        assert_eq!(before.records.get(offset), Some(record), "{what}: offset {offset} is new");
    }
}

/// The ways in which a cut before operation `at` is tried.
fn losses(at: usize) -> [Loss; 5] {
    let seed = 2 * at as u64;
    [Loss::All, Loss::Contents, Loss::Nothing, Loss::Random(seed), Loss::Random(seed + 1)]
}

/// Cuts the power before each operation of a compaction in place, in each way, and recovers.
fn cut_everywhere(case: fn(&Path) -> Case) {
    cut_everywhere_where(case, IN_PLACE);
}

fn cut_everywhere_where(case: fn(&Path) -> Case, output: Output) {
    let temp = tempfile::tempdir().unwrap();
    let case = case(temp.path());
    let work = temp.path().join("work");
    copy_folder(&case.source, &work);
    let before = content_of(&case.source.join("t-0"));
    let noting = Noting::default();
    let disk = Disk::of(noting.clone());
    let outcome = alone(|| compact(&work, output.clone(), case.policy.clone(), disk));
    assert_eq!(outcome.unwrap(), RunOutcome::Ok);
    let after = content_of(&work.join("t-0"));
    assert!(after.records.len() < before.records.len());
    assert_sound(&work, case.name);
    let ops = noting.ops();
    let renames = ops.iter().filter(|op| matches!(op, Op::Rename(..))).count();
    assert!(renames > 20, "{renames} renames");
    let mut cuts = 0;
    for at in 0..=ops.len() {
        // Until the first rename nothing has a final name, and one cut is much like the other.
        let begun = ops[..at].iter().any(|op| matches!(op, Op::Rename(..)));
        if !begun && at % 9 != 0 {
            continue;
        }
        for loss in losses(at) {
            let what = format!("{}, cut before operation {at} ({loss:?})", case.name);
            let left = temp.path().join("left");
            cut_power(&case.source, &work, &ops[..at], loss, &left);
            keep_for_kafka(&left, &work, &case, cuts);
            // Where the log rolled, a broker would forget all producers without it.
            let has = |kind: &str| left.join(format!("t-0/{:020}.{kind}", before.log_end)).exists();
            assert!(has("snapshot") || !has("log"), "{what}: rolled without a snapshot");
            if cuts % 5 == 0 {
                // A new run recovers first, and then goes on.
                let again = || compact(&left, output.clone(), case.policy.clone(), Disk::default());
                assert_eq!(alone(again).expect(&what), RunOutcome::Ok, "{what}");
            } else {
                logcompact::swap::recover(&Disk::default(), &left.join("t-0"), false).expect(&what);
            }
            assert_between(&content_of(&left.join("t-0")), &before, &after, &what);
            assert_sound(&left, &what);
            fs::remove_dir_all(&left).unwrap();
            cuts += 1;
        }
    }
    println!("{}: {cuts} power cuts", case.name);
}

#[test]
fn a_power_cut_at_any_step_brings_no_deleted_key_back() {
    cut_everywhere(tombstones_at_once);
}

#[test]
fn a_power_cut_at_any_step_of_a_run_that_leaves_deleted_files_brings_no_deleted_key_back() {
    // On top of what a run before has left.
    let case = |temp: &Path| {
        let case = tombstones_at_once(temp);
        let first = Policy { drop_tombstones: false, ..case.policy.clone() };
        alone(|| compact(&case.source, LEFT_DELETED, first, Disk::default())).unwrap();
        let files = tree(&case.source).into_iter().map(|(path, ..)| path);
        let left = files.filter(|path| path.extension().is_some_and(|end| end == "deleted"));
        assert!(left.count() > 3);
        case
    };
    cut_everywhere_where(case, LEFT_DELETED);
}

#[test]
fn a_power_cut_at_any_step_leaves_a_log_whose_active_segment_was_cleaned_whole() {
    cut_everywhere(active_too);
}

#[test]
fn a_power_cut_at_any_step_brings_no_aborted_record_back() {
    cut_everywhere(behind_their_horizon);
}

#[test]
fn a_power_cut_at_any_step_of_a_rewrite_brings_no_erased_value_back_in_place_of_a_newer_one() {
    cut_everywhere(rewritten);
}

#[test]
fn a_power_cut_at_any_step_of_retention_leaves_the_newer_end_whole() {
    cut_everywhere(with_retention);
}

/// With `LOGCOMPACT_KEEP_CUTS` naming a folder, what power cuts leave is kept there for a broker
/// to recover (`tests/oracle/crash --cuts`).
fn keep_for_kafka(left: &Path, after: &Path, case: &Case, number: usize) {
    let Some(folder) = std::env::var_os("LOGCOMPACT_KEEP_CUTS") else { return };
    let folder = PathBuf::from(folder).join(format!("{} {number:05}", case.name));
    copy_folder(left, &folder.join("left"));
    copy_folder(after, &folder.join("after"));
    copy_folder(&case.source, &folder.join("before"));
}

#[test]
fn a_power_cut_at_any_step_into_a_folder_leaves_whole_partitions_or_none() {
    let temp = tempfile::tempdir().unwrap();
    let source = lively_log(&temp.path().join("source"));
    let out = temp.path().join("out");
    let noting = Noting::default();
    let disk = Disk::of(noting.clone());
    let outcome = alone(|| compact(&source, Output::Folder(out.clone()), policy(), disk));
    assert_eq!(outcome.unwrap(), RunOutcome::Ok);
    let ops = noting.ops();
    let after = content_of(&out.join("t-0"));
    let nothing = temp.path().join("nothing");
    fs::create_dir(&nothing).unwrap();
    let mut whole = 0;
    for at in 0..=ops.len() {
        for loss in losses(at) {
            let left = temp.path().join("left");
            cut_power(&nothing, &out, &ops[..at], loss, &left);
            if left.join("t-0").exists() {
                assert_eq!(content_of(&left.join("t-0")), after, "operation {at}, {loss:?}");
                let of = |dir: &Path| tree(&dir.join("t-0"));
                let names = |dir: &Path| of(dir).into_iter().map(|(path, bytes, _)| (path, bytes));
                assert!(names(&left).eq(names(&out)), "operation {at}, {loss:?}");
                whole += 1;
            }
            fs::remove_dir_all(&left).unwrap();
        }
    }
    assert!(whole > 0);
}

#[test]
fn a_disk_that_is_full_at_any_write_ends_the_run_and_costs_no_data() {
    let temp = tempfile::tempdir().unwrap();
    for (number, case) in CASES.into_iter().enumerate() {
        let case = case(&temp.path().join(number.to_string()));
        let before = content_of(&case.source.join("t-0"));
        let whole = temp.path().join("whole");
        copy_folder(&case.source, &whole);
        alone(|| compact(&whole, IN_PLACE, case.policy.clone(), Disk::default())).unwrap();
        let after = content_of(&whole.join("t-0"));
        fs::remove_dir_all(&whole).unwrap();
        for n in 0.. {
            let what = format!("{}: write {n} refused", case.name);
            let work = temp.path().join("work");
            copy_folder(&case.source, &work);
            let refusing = Refusing::write(n, ENOSPC);
            let disk = Disk::of(refusing.clone());
            let outcome = alone(|| compact(&work, IN_PLACE, case.policy.clone(), disk));
            if !refusing.has_refused() {
                assert_eq!(outcome.unwrap(), RunOutcome::Ok);
                assert!(n > 60, "{what}: so few?");
                fs::remove_dir_all(&work).unwrap();
                break;
            }
            let error = outcome.expect_err(&what);
            assert!(error.contains("No space left"), "{what}: {error}");
            logcompact::swap::recover(&Disk::default(), &work.join("t-0"), false).expect(&what);
            assert_between(&content_of(&work.join("t-0")), &before, &after, &what);
            assert_sound(&work, &what);
            fs::remove_dir_all(&work).unwrap();
        }
    }
}

#[test]
fn a_read_that_fails_costs_the_partition_and_nothing_else() {
    let temp = tempfile::tempdir().unwrap();
    let source = lively_log(&temp.path().join("source"));
    let bytes = |dir: &Path| -> Vec<_> {
        let files = tree(dir).into_iter();
        files.map(|(path, bytes, _)| (path, bytes)).collect()
    };
    for n in 0.. {
        let work = temp.path().join("work");
        copy_folder(&source, &work);
        let refusing = Refusing::read(n, EIO);
        let disk = Disk::of(refusing.clone());
        let outcome = alone(|| compact(&work, IN_PLACE, policy(), disk));
        if !refusing.has_refused() {
            assert!(n > 10, "so few reads?");
            return;
        }
        assert_eq!(outcome.unwrap(), RunOutcome::Problems, "read {n}");
        assert!(bytes(&work) == bytes(&source), "read {n}: something was changed");
        fs::remove_dir_all(&work).unwrap();
    }
}
