//! Who is at work in a directory is seen by everybody else who would change it.

mod support;

use std::fs::File;
use std::path::Path;
use std::process::Output;

use rustix::fs::{FlockOperation, fcntl_lock};
use support::events::Event;
use support::power::tree;
use support::rounds::{Grown, compact, round, scratch};

fn log(root: &Path, batches: usize) -> std::path::PathBuf {
    let mut log = Grown::empty();
    for number in 0..batches {
        log.plain(&[Event::put(&format!("k{number}"), "v", 1_700_000_000_000)]);
        log.roll();
    }
    log.write(root, log.end())
}

fn said(output: &Output, code: i32) -> String {
    let text = String::from_utf8_lossy(&output.stderr).into_owned();
    assert_eq!(output.status.code(), Some(code), "{text}");
    text
}

#[test]
fn a_round_goes_on_only_where_nobody_else_is_at_work() {
    let temp = scratch();
    let (root, out) = (temp.path().join("source"), temp.path().join("out"));
    let dest = round(&log(&root, 3), &out, &["-q"]);
    let source = log(&root, 6);
    let broker = File::create(out.join(".lock")).unwrap();
    let before = tree(&out);
    fcntl_lock(&broker, FlockOperation::NonBlockingLockExclusive).unwrap();
    assert!(said(&compact(&source, &out, &["-q"]), 2).contains("a broker"));
    fcntl_lock(&broker, FlockOperation::Unlock).unwrap();
    // As `repair --in-place`, `write` and `compact --in-place` hold what they work on.
    let ours = File::open(&dest).unwrap();
    ours.lock().unwrap();
    assert!(said(&compact(&source, &out, &["-q"]), 2).contains("another logcompact"));
    assert!(tree(&out) == before);
    drop(ours);
    round(&source, &out, &["-q"]);
    assert!(tree(&out) != before);
}

#[test]
fn nobody_changes_a_folder_in_which_a_run_is_at_work() {
    let temp = scratch();
    let (root, out) = (temp.path().join("source"), temp.path().join("out"));
    let dest = round(&log(&root, 3), &out, &["-q"]);
    let before = tree(&out);
    // As a round holds the folder that it goes on in, and the partition.
    let held = [&out, &dest].map(|folder| File::open(folder).unwrap());
    held.iter().for_each(|folder| folder.lock().unwrap());
    for command in ["repair", "compact"] {
        let ran = support::logcompact().args([command, "--in-place"]).arg(&out).output().unwrap();
        assert!(said(&ran, 2).contains("another logcompact is at work here"), "{command}");
    }
    let write = support::logcompact().arg("write").arg(&out).args(["--topic", "t"]).output();
    assert!(said(&write.unwrap(), 2).contains("another logcompact is at work here"));
    assert!(tree(&out) == before);
}

#[test]
fn who_changes_a_directory_that_holds_rounds_is_told_of_the_next_one() {
    let temp = scratch();
    let (root, out) = (temp.path().join("source"), temp.path().join("out"));
    round(&log(&root, 3), &out, &["-q"]);
    for command in [&["compact", "--in-place"][..], &["write", "--topic", "t"]] {
        let mut run = support::logcompact();
        let ran = run.arg(command[0]).arg(&out).args(&command[1..]).write_stdin("k\n").output();
        assert!(said(&ran.unwrap(), 0).contains("the next round will not"), "{command:?}");
    }
}
