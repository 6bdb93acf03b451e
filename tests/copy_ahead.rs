//! A segment of which nothing is lost is copied while the vote goes on; whatever comes in between,
//! the output is what it is without that.

mod support;

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::{fs, io};

use logcompact::compact::{ErasedKeys, OnDamage};
use logcompact::disk::{Disk, Files, Map, NewFile, Owner, System};
use logcompact::report::RunOutcome;
use support::compacting::{Way, by, files_in};
use support::log::{Log, put, tombstone};
use support::power::{Noting, Op};
use support::{copy_folder, logcompact};

/// Too few to tell all keys apart in one pass.
const FEW_BYTES: u64 = 256 << 10;
const LOG: &str = "00000000000000000000.log";

/// What is odd about a log of six megabytes in which each key is there once.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Odd {
    Nothing,
    /// The first key comes again at the end: one record is lost in the chunk that is decided last.
    FirstAgain,
    /// So does the last key.
    LastAgain,
    /// A tombstone in the middle, which gets its time.
    Tombstone,
    /// An aborted transaction in the middle.
    Aborted,
    /// A record without a key, which goes.
    NullKey,
}

fn a_log(root: &Path, odd: Odd) -> PathBuf {
    let mut log = Log::create(root, "t-0").with_txn_index();
    let value = "v".repeat(500);
    for hundred in 0..110u32 {
        let keys: Vec<String> = (0..100).map(|n| format!("key-{}", hundred * 100 + n)).collect();
        let records: Vec<_> = keys.iter().map(|key| put(key, &value)).collect();
        log.batch(&records);
        match odd {
            Odd::Tombstone if hundred == 50 => log.batch(&[tombstone("gone")]),
            Odd::Aborted if hundred == 50 => {
                log.transactional(7, &[put("never", "seen")]).marker(7, false)
            }
            Odd::NullKey if hundred == 50 => log.batch(&[(None, Some(b"x"))]),
            _ => &mut log,
        };
    }
    match odd {
        Odd::FirstAgain => log.batch(&[put("key-0", "again")]),
        Odd::LastAgain => log.batch(&[put("key-10999", "again")]),
        _ => &mut log,
    };
    log.roll().batch(&[put("active", "1")]).flush()
}

/// How the log of the cleaned segment was written: bytes in any order, and bytes one after the
/// other.
fn written(notes: &Noting) -> (usize, usize) {
    let is_log = |path: &Path| path.file_name().is_some_and(|name| name == LOG);
    let (mut at, mut on) = (0, 0);
    for op in notes.ops() {
        match op {
            Op::WriteAt(path, bytes, _) if is_log(&path) => at += bytes.len(),
            Op::Write(path, bytes) if is_log(&path) => on += bytes.len(),
            _ => {}
        }
    }
    (at, on)
}

#[test]
fn the_output_is_the_same_with_a_copy_and_without() {
    let ways = [(1, 64 << 20), (2, 64 << 20), (2, FEW_BYTES)];
    for odd in
        [Odd::Nothing, Odd::FirstAgain, Odd::LastAgain, Odd::Tombstone, Odd::Aborted, Odd::NullKey]
    {
        let temp = tempfile::tempdir().unwrap();
        let source = a_log(temp.path(), odd);
        // In place nothing is copied ahead.
        let work = temp.path().join("work/t-0");
        copy_folder(&source, &work);
        let (beside, _) = Way { in_place: true, ..by("offset") }.compact(&work, temp.path());
        for (threads, memory_bytes) in ways {
            let what = format!("{odd:?}, {threads} threads, {memory_bytes} bytes");
            let notes = Noting::default();
            let disk = Disk::of(notes.clone());
            let way = Way { threads, memory_bytes, disk, ..by("offset") };
            let (dir, report) = way.compact(&source, &temp.path().join(&what));
            assert_eq!(report.outcome, RunOutcome::Ok, "{what}: {report:?}");
            assert_eq!(report.partitions[0].passes > 1, memory_bytes == FEW_BYTES, "{what}");
            assert!(files_in(&dir) == files_in(&beside), "{what}");
            let modified = |dir: &Path| fs::metadata(dir.join(LOG)).unwrap().modified().unwrap();
            assert_eq!(modified(&dir), modified(&source), "{what}");
            let size_bytes = fs::metadata(dir.join(LOG)).unwrap().len() as usize;
            let (at, on) = written(&notes);
            match odd {
                Odd::Nothing => {
                    assert!(at == size_bytes && on == 0, "{what}: {at} of {size_bytes}, {on}");
                }
                // The headers tell, before anything is copied.
                Odd::Aborted => assert_eq!((at, on), (0, size_bytes), "{what}"),
                _ => assert!(at <= size_bytes && on == size_bytes, "{what}: {at}, {on}"),
            }
        }
    }
}

/// How many bytes of the cleaned log came without being written.
fn shared(notes: &Noting, log: &str) -> usize {
    let bytes = notes.ops().into_iter().map(|op| match op {
        Op::Share(path, bytes) if path.ends_with(log) => bytes.len(),
        _ => 0,
    });
    bytes.sum()
}

#[test]
fn where_files_can_share_their_blocks_what_stays_whole_is_not_written() {
    let odds = [Odd::Nothing, Odd::FirstAgain, Odd::LastAgain, Odd::Tombstone, Odd::NullKey];
    for odd in odds {
        let temp = tempfile::tempdir().unwrap();
        let source = a_log(temp.path(), odd);
        let (written_out, _) = by("offset").compact(&source, &temp.path().join("written"));
        // Timestamps rise in it, so the winners are the same.
        for (strategy, threads) in [("offset", 1), ("offset", 2), ("timestamp", 2)] {
            let what = format!("{odd:?}, {strategy}, {threads} threads");
            let notes = Noting::sharing();
            let way = Way { threads, disk: Disk::of(notes.clone()), ..by(strategy) };
            let (dir, report) = way.compact(&source, &temp.path().join(&what));
            assert_eq!(report.outcome, RunOutcome::Ok, "{what}: {report:?}");
            assert!(files_in(&dir) == files_in(&written_out), "{what}");
            let modified = |dir: &Path| fs::metadata(dir.join(LOG)).unwrap().modified().unwrap();
            assert_eq!(modified(&dir), modified(&source), "{what}");
            let size_bytes = fs::metadata(dir.join(LOG)).unwrap().len() as usize;
            let (at, on) = written(&notes);
            match odd {
                Odd::Nothing => {
                    assert_eq!((at, on, shared(&notes, LOG)), (0, 0, size_bytes), "{what}");
                }
                _ => assert_eq!((at, on), (0, size_bytes), "{what}"),
            }
        }
    }
}

#[test]
fn the_active_segment_is_shared_too_up_to_where_it_is_whole() {
    let temp = tempfile::tempdir().unwrap();
    let mut log = Log::create(temp.path(), "t-0");
    let value = "v".repeat(500);
    log.batch(&[put("first", "1")]).roll();
    for hundred in 0..40u32 {
        let keys: Vec<String> = (0..100).map(|n| format!("key-{}", hundred * 100 + n)).collect();
        log.batch(&keys.iter().map(|key| put(key, &value)).collect::<Vec<_>>());
    }
    let source = log.flush();
    let active = "00000000000000000001.log";
    let whole = fs::read(source.join(active)).unwrap();
    for preallocated_bytes in [0, 100_000] {
        let mut bytes = whole.clone();
        bytes.resize(whole.len() + preallocated_bytes, 0);
        fs::write(source.join(active), bytes).unwrap();
        let notes = Noting::sharing();
        let way = Way { disk: Disk::of(notes.clone()), ..by("offset") };
        let out = temp.path().join(preallocated_bytes.to_string());
        let (dir, report) = way.compact(&source, &out);
        assert_eq!(report.outcome, RunOutcome::Ok, "{report:?}");
        assert!(fs::read(dir.join(active)).unwrap() == whole);
        let is_shared = shared(&notes, active) == whole.len();
        assert_eq!(is_shared, preallocated_bytes == 0, "a torn tail has its indexes built anew");
    }
}

#[test]
fn what_was_copied_of_a_log_with_damage_in_it_does_not_stay() {
    for at in [100_000, 3_000_000, 5_600_000] {
        let temp = tempfile::tempdir().unwrap();
        let source = a_log(temp.path(), Odd::Nothing);
        let path = source.join(LOG);
        let mut bytes = fs::read(&path).unwrap();
        bytes[at] ^= 1;
        fs::write(&path, &bytes).unwrap();
        let out = temp.path().join("out");
        let report = by("offset").try_compact(&source, &out).unwrap();
        assert_eq!(report.outcome, RunOutcome::Problems);
        assert!(!out.exists() || fs::read_dir(&out).unwrap().next().is_none());
        // Whoever lives with the damage has what he would have in place.
        for on_damage in [OnDamage::Skip, OnDamage::Keep] {
            let mut way = by("offset");
            way.policy.on_damage = on_damage;
            let (dir, _) = way.compact(&source, &temp.path().join(format!("{on_damage:?}")));
            let work = temp.path().join(format!("work-{on_damage:?}/t-0"));
            copy_folder(&source, &work);
            let (beside, _) = Way { in_place: true, ..way }.compact(&work, temp.path());
            assert!(files_in(&dir) == files_in(&beside), "at {at}, {on_damage:?}");
        }
    }
}

#[test]
fn what_was_copied_and_has_a_key_that_is_to_be_erased_does_not_stay() {
    let temp = tempfile::tempdir().unwrap();
    let source = a_log(temp.path(), Odd::Nothing);
    for key in ["key-0", "key-5555", "key-10999", "none of them"] {
        let mut way = by("offset");
        let erased = ErasedKeys::parse(key, usize::MAX).unwrap();
        way.policy.rewrites.erased = Some(Arc::new(erased));
        let (dir, report) = way.compact(&source, &temp.path().join(key));
        let is_there = key != "none of them";
        assert_eq!(report.totals.removed.erased, u64::from(is_there));
        let bytes = fs::read(dir.join(LOG)).unwrap();
        let has_key = |key: &[u8]| bytes.windows(key.len()).any(|bytes| bytes == key);
        // In front of a key stands its length, in zigzag.
        let wanted = [&[key.len() as u8 * 2], key.as_bytes(), &[0xe8, 7]].concat();
        assert!(!has_key(&wanted), "{key}");
        let whole = fs::metadata(source.join(LOG)).unwrap().len();
        assert_eq!(bytes.len() as u64 == whole, !is_there);
    }
}

#[test]
fn rounds_go_on_from_a_segment_that_was_copied() {
    let temp = tempfile::tempdir().unwrap();
    let mut log = Log::create(temp.path(), "t-0");
    let value = "v".repeat(500);
    let out = temp.path().join("out");
    let dest = out.join("t-0");
    let round = || {
        let source = temp.path().join("t-0");
        logcompact().args(["compact", "-q", "--out"]).arg(&out).arg(&source).assert().success();
        logcompact().args(["verify", "-q"]).arg(&dest).assert().success();
        fs::read(source.join(LOG)).unwrap() == fs::read(dest.join(LOG)).unwrap()
    };
    for hundred in 0..110 {
        let keys: Vec<String> = (0..100).map(|n| format!("key-{}", hundred * 100 + n)).collect();
        log.batch(&keys.iter().map(|key| put(key, &value)).collect::<Vec<_>>());
    }
    log.roll().batch(&[put("other", "1")]).flush();
    assert!(round(), "nothing is lost");
    log.roll().batch(&[put("another", "1")]).flush();
    assert!(round(), "nothing is lost of the first segment");
    log.batch(&[put("key-0", "again")]).roll().batch(&[put("active", "1")]).flush();
    assert!(!round(), "its first record is");
}

/// Files of which the log is replaced, as a broker's cleaner does it, as soon as it was opened.
#[derive(Clone, Debug)]
struct Meddling {
    by: PathBuf,
    is_done: Arc<AtomicBool>,
}

impl Files for Meddling {
    fn map(&self, path: &Path) -> io::Result<Map> {
        let map = System::default().map(path);
        let is_log = path.file_name().is_some_and(|name| name == LOG);
        if is_log && !self.is_done.swap(true, Ordering::SeqCst) {
            let swap = path.with_extension("log.swap");
            fs::copy(&self.by, &swap)?;
            fs::rename(&swap, path)?;
        }
        map
    }

    fn create(&self, path: &Path, owner: Option<Owner>) -> io::Result<Box<dyn NewFile>> {
        System::default().create(path, owner)
    }

    fn append(&self, path: &Path, keep_bytes: u64) -> io::Result<Box<dyn NewFile>> {
        System::default().append(path, keep_bytes)
    }

    fn create_dir(&self, path: &Path) -> io::Result<()> {
        System::default().create_dir(path)
    }

    fn rename(&self, from: &Path, to: &Path) -> io::Result<()> {
        System::default().rename(from, to)
    }

    fn remove(&self, path: &Path) -> io::Result<()> {
        System::default().remove(path)
    }

    fn remove_dir(&self, path: &Path) -> io::Result<()> {
        System::default().remove_dir(path)
    }

    fn sync_dir(&self, path: &Path) -> io::Result<()> {
        System::default().sync_dir(path)
    }

    fn sync_file(&self, path: &Path) -> io::Result<()> {
        System::default().sync_file(path)
    }
}

#[test]
fn a_log_that_is_replaced_meanwhile_is_copied_as_it_was_opened() {
    let temp = tempfile::tempdir().unwrap();
    let other = a_log(&temp.path().join("other"), Odd::FirstAgain).join(LOG);
    let short = temp.path().join("short");
    fs::write(&short, &fs::read(&other).unwrap()[..3 << 20]).unwrap();
    for by_what in [other, short] {
        let root = tempfile::tempdir().unwrap();
        let source = a_log(root.path(), Odd::Nothing);
        let opened = fs::read(source.join(LOG)).unwrap();
        let disk = Disk::of(Meddling { by: by_what, is_done: Arc::default() });
        let way = Way { disk, ..by("offset") };
        let (dir, report) = way.compact(&source, &root.path().join("out"));
        assert_eq!(report.outcome, RunOutcome::Ok);
        assert!(fs::read(dir.join(LOG)).unwrap() == opened);
        assert!(fs::read(source.join(LOG)).unwrap() != opened);
    }
}

#[test]
fn a_disk_that_is_full_at_any_write_ends_the_run_and_leaves_the_whole_or_nothing() {
    let temp = tempfile::tempdir().unwrap();
    by("offset").on_disks_that_are_full(&a_log(temp.path(), Odd::Nothing), temp.path());
}
