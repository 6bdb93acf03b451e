//! A log that is being written to while it is read: what was there is read, what comes is not
//! mistaken for damage, and what goes is missed without harm.

mod support;

use std::fs::{self, OpenOptions};
use std::io::Write;
use std::path::PathBuf;
use std::sync::atomic::{AtomicBool, AtomicI64, Ordering};
use std::time::Duration;

use logcompact::report::{Progress, RunOutcome};
use support::compacting::{Way, by, files_in};
use support::log::{Log, PLAIN, batch_bytes, put};
use support::logcompact;
use support::state::content_of;

/// Does `work` while somebody appends to the active segment, now and then half a batch at a time.
/// `work` gets the directory and what is surely in the log.
fn while_it_grows(work: impl Fn(&PathBuf, &AtomicI64)) {
    let temp = tempfile::tempdir().unwrap();
    let mut log = Log::create(temp.path(), "t-0");
    for n in 0..200 {
        log.batch(&[put(&format!("key-{}", n % 50), "old"), put("hot", "x")]);
    }
    log.roll().batch(&[put("first", "1")]).flush();
    let dir = temp.path().join("t-0");
    let (is_done, written) = (AtomicBool::new(false), AtomicI64::new(401));
    std::thread::scope(|scope| {
        scope.spawn(|| {
            let active = dir.join(format!("{:020}.log", 400));
            let mut file = OpenOptions::new().append(true).open(active).unwrap();
            while !is_done.load(Ordering::Relaxed) {
                let offset = written.load(Ordering::Relaxed);
                let (key, value) = (format!("key-{}", offset % 50), "v".repeat(300));
                let batch = batch_bytes(offset, 1_700_000_001_000, PLAIN, &[put(&key, &value)]);
                let (first, second) = batch.split_at(batch.len() / 2);
                file.write_all(first).unwrap();
                std::thread::sleep(Duration::from_millis(1));
                file.write_all(second).unwrap();
                written.store(offset + 1, Ordering::Relaxed);
            }
        });
        // Also where `work` fails: the writer must end.
        let outcome = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| {
            (0..6).for_each(|_| work(&dir, &written));
        }));
        is_done.store(true, Ordering::Relaxed);
        outcome.unwrap();
    });
}

#[test]
fn a_log_that_grows_is_not_damaged() {
    while_it_grows(|dir, _| {
        logcompact().arg("verify").arg(dir).assert().success();
        logcompact().args(["dump", "--format", "json"]).arg(dir).assert().success();
    });
}

#[test]
fn a_compaction_of_a_log_that_grows_has_what_was_there_when_it_began() {
    while_it_grows(|dir, written| {
        for options in [&[][..], &["--include-active"], &["--on-damage", "skip", "--verify"]] {
            let out = dir.with_file_name("out");
            let before = written.load(Ordering::Relaxed);
            logcompact()
                .args(["compact", "-q", "--out"])
                .args([&out, dir])
                .args(options)
                .assert()
                .success();
            let compacted = content_of(&out.join("t-0"));
            assert!(compacted.log_end >= before, "{options:?}");
            assert_eq!(compacted.state.len(), 52, "{options:?}");
            logcompact().arg("verify").arg(&out).assert().success();
            std::fs::remove_dir_all(&out).unwrap();
        }
    });
}

/// Cuts the second half off a file once it was told so many times how far it is.
struct CutShort {
    path: PathBuf,
    left: AtomicI64,
}

impl Progress for CutShort {
    fn begin(&self, _what: &str, _total_bytes: u64) {}

    fn advance(&self, _bytes: u64) {
        if self.left.fetch_sub(1, Ordering::SeqCst) == 0 {
            let file = OpenOptions::new().write(true).open(&self.path).unwrap();
            file.set_len(file.metadata().unwrap().len() / 2).unwrap();
        }
    }

    fn finish(&self) {}
}

#[test]
fn a_log_that_is_cut_short_at_any_step_costs_its_partition_and_not_the_process() {
    let temp = tempfile::tempdir().unwrap();
    let mut log = Log::create(temp.path(), "t-0");
    for n in 0..2500 {
        let key = format!("key-{}", n % 2000);
        log.batch(&[put(&key, &"v".repeat(1000)), put("hot", "x")]);
    }
    let source = log.roll().batch(&[put("active", "1")]).flush();
    let path = source.join(format!("{:020}.log", 0));
    let whole = fs::read(&path).unwrap();
    for strategy in ["offset", "timestamp"] {
        let way = Way { threads: 1, memory_bytes: 8 << 20, ..by(strategy) };
        let out = temp.path().join(strategy);
        let cut_at = |left: i64| {
            let _ = fs::remove_dir_all(&out);
            fs::write(&path, &whole).unwrap();
            let progress = CutShort { path: path.clone(), left: AtomicI64::new(left) };
            let report = way.try_compact_telling(&source, &out, &progress).unwrap();
            (report, left - progress.left.into_inner())
        };
        let (report, steps) = cut_at(i64::MAX / 2);
        assert_eq!(report.outcome, RunOutcome::Ok);
        assert!(steps > 30, "{steps}");
        let wanted = files_in(&out.join("t-0"));
        for step in 0..steps {
            let (report, _) = cut_at(step);
            if report.outcome == RunOutcome::Ok {
                assert!(step > steps / 2, "{strategy}, step {step} of {steps}");
                assert!(files_in(&out.join("t-0")) == wanted, "{strategy}, step {step}");
                continue;
            }
            let reason = report.partitions[0].reason.as_deref().unwrap();
            assert!(reason.contains("cut short"), "{strategy}, step {step}: {reason}");
            assert!(!out.join("t-0").exists(), "{strategy}, step {step}");
        }
    }
}
