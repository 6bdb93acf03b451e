//! A log that is being written to while it is read: what was there is read, what comes is not
//! mistaken for damage.

mod support;

use std::fs::OpenOptions;
use std::io::Write;
use std::path::PathBuf;
use std::sync::atomic::{AtomicBool, AtomicI64, Ordering};
use std::time::Duration;

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
