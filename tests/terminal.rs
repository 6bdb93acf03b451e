//! What people see: nothing that a file, a topic or a key is called moves the cursor or forges a
//! line, and colour is only where it is wanted.

mod support;

use std::fs;
use std::os::unix::fs::symlink;
use std::path::Path;

use support::log::{Log, put};
use support::{copy_folder, logcompact, testdata};

const HOSTILE: &str = "evil\u{1b}[31m\u{9b}2J\u{7}\nerror: forged";

/// A log directory with hostile names at all places where names can be.
fn hostile(root: &Path) -> std::path::PathBuf {
    let logs = root.join(format!("logs {HOSTILE}"));
    copy_folder(&testdata("broker-3.9.1/lab-raw-0"), &logs.join("lab-raw-0"));
    let damaged = logs.join("lab-raw-0/00000000000000000001.log");
    let mut bytes = fs::read(&damaged).unwrap();
    bytes[67] ^= 1;
    fs::write(damaged, bytes).unwrap();
    fs::write(logs.join("lab-raw-0").join(HOSTILE), []).unwrap();
    symlink("nowhere", logs.join("lab-raw-0").join(format!("link {HOSTILE}"))).unwrap();
    Log::create(&logs, "t-0").batch(&[put(HOSTILE, HOSTILE)]).roll().flush();
    logs
}

fn run(args: &[&str], dir: &Path) -> String {
    let output = logcompact().args(args).arg(dir).output().unwrap();
    let both = [output.stdout, output.stderr].concat();
    String::from_utf8(both).unwrap()
}

#[test]
fn what_files_are_called_is_escaped_by_every_command() {
    let temp = tempfile::tempdir().unwrap();
    let logs = hostile(temp.path());
    for args in [
        &["verify", "-v"][..],
        &["verify", "-v", "--partitioner", "murmur2", "--check-key-spread"],
        &["compact", "-v", "--dry-run"],
        &["compact", "-v", "--dry-run", "--on-damage", "skip"],
        &["repair", "-v", "--dry-run"],
        &["repair", "-v", "--dry-run", "--skip"],
        &["dump", "-v"],
        &["dump", "--show", "all", "--limit", "3"],
    ] {
        let text = run(args, &logs);
        let is_raw = |character: char| character.is_control() && character != '\n';
        assert!(!text.contains(is_raw), "{args:?}: {text:?}");
        assert!(!text.lines().any(|line| line.starts_with("error: forged")), "{args:?}: {text}");
        assert!(text.contains("lab-raw-0"), "{args:?}: {text}");
    }
    let missing = run(&["verify"], &logs.join(HOSTILE));
    assert!(missing.starts_with("error: ") && !missing.contains('\u{1b}'), "{missing:?}");
    let out = temp.path().join(HOSTILE);
    let written = run(&["compact", "--out", out.to_str().unwrap()], &logs.join("t-0"));
    assert!(written.contains("evil") && !written.contains('\u{1b}'), "{written:?}");
}

#[test]
fn what_topics_are_called_in_checkpoints_is_escaped() {
    let temp = tempfile::tempdir().unwrap();
    let path = temp.path().join("cleaner-offset-checkpoint");
    fs::write(&path, "0\n1\nev\u{1b}[31mil 0 5\n").unwrap();
    let text = run(&["dump"], &path);
    assert!(text.contains("ev\\x1b[31mil-0") || text.contains("ev\\u{1b}[31mil-0"), "{text:?}");
    assert!(!text.contains('\u{1b}'), "{text:?}");
}

#[test]
fn colour_is_there_if_asked_for_and_not_in_a_pipe_and_leaves_names_escaped() {
    let temp = tempfile::tempdir().unwrap();
    let logs = hostile(temp.path());
    assert!(!run(&["verify"], &logs).contains('\u{1b}'));
    let coloured = run(&["verify", "--color", "always"], &logs);
    assert!(coloured.contains("\u{1b}["), "{coloured:?}");
    assert!(!coloured.contains("\u{1b}[31mevil") && !coloured.contains("evil\u{1b}"));
    let output = logcompact()
        .args(["verify", "--color", "auto"])
        .arg(&logs)
        .env("NO_COLOR", "1")
        .env("CLICOLOR_FORCE", "0")
        .output()
        .unwrap();
    assert!(!output.stdout.contains(&0x1b));
}
