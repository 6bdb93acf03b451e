//! A process that is killed in the middle of a round: the next one finishes the round or undoes it.

mod support;

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use support::copy_folder;
use support::power::{Die, tree};
use support::rounds::{Grown, LIVELY, NOW_MS, Shape, compact, round, scratch};

/// The logs and their companions.
fn outcome(out: &Path) -> BTreeMap<PathBuf, Vec<u8>> {
    let files = tree(&out.join("t-0")).into_iter();
    let of_log = files.filter(|(path, _, _)| !path.starts_with(".logcompact"));
    of_log.map(|(path, bytes, _)| (path, bytes)).collect()
}

#[test]
fn a_killed_process_leaves_what_the_next_one_finishes() {
    const KILLS: u64 = 16;
    let temp = scratch();
    let (sources, before) = (temp.path().join("source"), temp.path().join("before"));
    let log = Grown::random(22, Shape { batches: 900, keys: 300, roll_one_in: 40, ..LIVELY });
    let options = ["-q", "--segment-bytes", "4KiB", "--threads", "2", "--drop-tombstones"];
    round(&log.write(&sources, log.ends()[700]), &before, &options);
    let source = log.write(&sources, log.end());
    let whole = temp.path().join("whole");
    copy_folder(&before, &whole);
    let started = Instant::now();
    round(&source, &whole, &options);
    let longest_us = started.elapsed().as_micros() as u64;
    let wanted = outcome(&whole);
    let (mut die, mut killed) = (Die(5), 0);
    for attempt in 0..KILLS {
        let work = temp.path().join("work");
        copy_folder(&before, &work);
        let mut child = Command::new(env!("CARGO_BIN_EXE_logcompact"))
            .args(["compact", "--now", &NOW_MS.to_string()])
            .arg(&source)
            .arg("--out")
            .arg(&work)
            .args(options)
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        let wait_us = longest_us * attempt / KILLS + die.throw(longest_us / KILLS + 1);
        std::thread::sleep(Duration::from_micros(wait_us));
        child.kill().unwrap();
        killed += u32::from(!child.wait().unwrap().success());
        let output = compact(&source, &work, &options);
        let said = String::from_utf8_lossy(&output.stderr);
        assert_eq!(output.status.code(), Some(0), "attempt {attempt}: {said}");
        assert!(outcome(&work) == wanted, "attempt {attempt}");
        fs::remove_dir_all(&work).unwrap();
    }
    assert!(killed > 0, "each of {KILLS} runs had ended before it was killed");
}
