//! What a listing finds inside a directory does not lead out of it: links, pipes and devices are
//! named and neither followed nor opened. A path that the user names himself may be a link.
#![cfg(unix)]

mod support;

use std::fs;
use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use predicates::prelude::*;
use serde_json::Value;
use support::log::{Log, put};
use support::{copy_folder, lines_of, logcompact};

const LOG: &str = "00000000000000000000.log";
const SECOND: &str = "00000000000000000002.log";
const SECRET: &str = "what is outside";

/// A log directory with the partitions `t-0` and `u-0`, and a folder outside of it with another
/// partition, `s-0`, and a file.
fn setting(root: &Path) -> (PathBuf, PathBuf) {
    let (logs, outside) = (root.join("logs"), root.join("outside"));
    for name in ["t-0", "u-0"] {
        let mut log = Log::create(&logs, name);
        log.batch(&[put("A", "1"), put("A", "2")]).roll().batch(&[put("A", "3")]).roll();
        log.batch(&[put("B", "active")]).flush();
    }
    Log::create(&outside, "s-0").batch(&[put("S", SECRET)]).roll().flush();
    fs::write(outside.join("file"), SECRET).unwrap();
    (logs, outside)
}

/// Runs the program, which must not wait for anything.
fn run(args: &[&str], paths: &[&Path]) -> assert_cmd::assert::Assert {
    logcompact().args(args).args(paths).timeout(Duration::from_secs(60)).assert()
}

fn pipe(path: &Path) {
    assert!(Command::new("mkfifo").arg(path).status().unwrap().success());
}

fn holds_no_secret(folder: &Path) {
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            holds_no_secret(&path);
        } else {
            assert!(fs::symlink_metadata(&path).unwrap().is_file(), "{}", path.display());
            let bytes = fs::read(&path).unwrap();
            let found = bytes.windows(SECRET.len()).any(|part| part == SECRET.as_bytes());
            assert!(!found, "{} has it", path.display());
        }
    }
}

#[test]
fn a_segment_that_is_a_link_is_named_and_not_followed() {
    let temp = tempfile::tempdir().unwrap();
    let (logs, outside) = setting(temp.path());
    let link = logs.join("t-0").join(SECOND);
    fs::remove_file(&link).unwrap();
    symlink(outside.join("s-0").join(LOG), &link).unwrap();
    let out = temp.path().join("out");
    run(&["compact", "--out"], &[&out, &logs])
        .code(1)
        .stderr(predicate::str::contains("t-0: left alone: 00000000000000000002.log is a link"));
    assert!(!out.join("t-0").exists());
    assert!(out.join("u-0").exists());
    holds_no_secret(&out.join("u-0"));
    run(&["verify"], &[&logs])
        .code(1)
        .stdout(predicate::str::contains("error not-a-file").and(predicate::str::contains(SECOND)));
    run(&["dump"], &[&logs])
        .code(1)
        .stdout(predicate::str::contains(SECRET).not())
        .stderr(predicate::str::contains("00000000000000000002.log: a link"));
}

#[test]
fn a_companion_that_is_a_link_or_a_pipe_is_neither_followed_nor_opened() {
    let companions = [
        "00000000000000000000.index",
        "00000000000000000000.timeindex",
        "00000000000000000000.txnindex",
        "00000000000000000002.snapshot",
        "leader-epoch-checkpoint",
        "partition.metadata",
    ];
    for name in companions {
        for is_pipe in [false, true] {
            let temp = tempfile::tempdir().unwrap();
            let (logs, outside) = setting(temp.path());
            let path = logs.join("t-0").join(name);
            let _ = fs::remove_file(&path);
            if is_pipe {
                pipe(&path)
            } else {
                symlink(outside.join("file"), &path).unwrap()
            }
            let out = temp.path().join("out");
            run(&["compact", "-q", "--out"], &[&out, &logs])
                .code(1)
                .stderr(predicate::str::contains(format!("left alone: {name} is a")));
            assert!(!out.join("t-0").exists());
            run(&["verify"], &[&logs]).code(1).stdout(predicate::str::contains("error not-a-file"));
            run(&["dump"], &[&logs]).success();
        }
    }
}

#[test]
fn a_stranger_that_is_a_link_a_pipe_or_a_device_is_not_copied_and_that_is_said() {
    let temp = tempfile::tempdir().unwrap();
    let (logs, outside) = setting(temp.path());
    let partition = logs.join("t-0");
    symlink(outside.join("file"), partition.join("notes")).unwrap();
    symlink(&outside, partition.join("folder")).unwrap();
    symlink("/dev/zero", partition.join("zeros")).unwrap();
    pipe(&partition.join("pipe"));
    fs::write(partition.join("plain"), "is copied").unwrap();
    let out = temp.path().join("out");
    run(&["compact", "--out"], &[&out, &logs])
        .success()
        .stderr(predicate::str::contains("t-0: notes is a link; it is neither followed nor copied"))
        .stderr(predicate::str::contains("t-0: pipe is a pipe; it is neither followed nor copied"));
    for name in ["notes", "folder", "zeros", "pipe"] {
        assert!(fs::symlink_metadata(out.join("t-0").join(name)).is_err(), "{name}");
    }
    assert!(out.join("t-0/plain").is_file());
    holds_no_secret(&out);
    run(&["verify"], &[&logs]).success().stdout(predicate::str::contains("warning not-a-file"));
    run(&["dump"], &[&logs]).success();
}

#[test]
fn a_partition_directory_that_is_a_link_is_left_out_unless_it_is_named() {
    let temp = tempfile::tempdir().unwrap();
    let (logs, outside) = setting(temp.path());
    symlink(outside.join("s-0"), logs.join("s-0")).unwrap();
    let out = temp.path().join("out");
    run(&["compact", "--out"], &[&out, &logs])
        .code(1)
        .stderr(predicate::str::contains("s-0: left alone").and(predicate::str::contains("link")));
    assert!(!out.join("s-0").exists());
    assert!(out.join("t-0").exists());
    let report: Value =
        serde_json::from_slice(&fs::read(out.join("logcompact-report.json")).unwrap()).unwrap();
    assert_eq!(report["partitions"][0]["topic"], "s");
    assert_eq!(report["partitions"][0]["outcome"], "failed");
    run(&["verify"], &[&logs]).success().stdout(predicate::str::contains("warning directory-link"));
    run(&["verify", "--strict"], &[&logs]).code(1);
    run(&["dump"], &[&logs])
        .code(1)
        .stdout(predicate::str::contains(SECRET).not())
        .stderr(predicate::str::contains("s-0: a link"));

    let named = logs.join("s-0");
    run(&["dump"], &[&named]).success().stdout(predicate::str::contains(SECRET));
    run(&["verify"], &[&named]).success();
    run(&["compact", "--out"], &[&temp.path().join("named"), &named]).success();
    assert_eq!(lines_of(&temp.path().join("named/s-0")).len(), 2);
}

#[test]
fn a_log_directory_and_a_file_that_the_user_names_may_be_links() {
    let temp = tempfile::tempdir().unwrap();
    let (logs, outside) = setting(temp.path());
    let link = temp.path().join("link");
    symlink(&logs, &link).unwrap();
    run(&["verify"], &[&link]).success();
    run(&["compact", "--out"], &[&temp.path().join("out"), &link]).success();
    let file = temp.path().join(LOG);
    symlink(outside.join("s-0").join(LOG), &file).unwrap();
    run(&["dump"], &[&file]).success().stdout(predicate::str::contains(SECRET));
}

#[test]
fn files_of_a_log_directory_that_are_links_or_pipes_are_not_read() {
    let temp = tempfile::tempdir().unwrap();
    let (logs, outside) = setting(temp.path());
    symlink(outside.join("file"), logs.join("meta.properties")).unwrap();
    symlink(outside.join("file"), logs.join("recovery-point-offset-checkpoint")).unwrap();
    pipe(&logs.join("cleaner-offset-checkpoint"));
    let out = temp.path().join("out");
    run(&["compact", "--out"], &[&out, &logs])
        .success()
        .stderr(predicate::str::contains("cleaner-offset-checkpoint: cannot read: it is a pipe"));
    assert!(!out.join("meta.properties").exists());
    holds_no_secret(&out);
    run(&["verify"], &[&logs])
        .code(1)
        .stdout(predicate::str::contains("cleaner-offset-checkpoint: cannot read: it is a pipe"));
}

#[test]
fn a_pipe_that_the_user_names_is_refused_and_not_waited_for() {
    let temp = tempfile::tempdir().unwrap();
    let path = temp.path().join(LOG);
    pipe(&path);
    for command in ["dump", "verify", "compact"] {
        run(&[command], &[&path]).code(2);
    }
}

#[test]
fn a_stranger_whose_name_is_not_utf_8_is_not_copied_and_that_is_said() {
    use std::os::unix::ffi::OsStrExt;
    let temp = tempfile::tempdir().unwrap();
    let (logs, _) = setting(temp.path());
    let name = std::ffi::OsStr::from_bytes(b"odd\xff");
    fs::write(logs.join("t-0").join(name), "x").unwrap();
    let out = temp.path().join("out");
    run(&["compact", "--out"], &[&out, &logs])
        .success()
        .stderr(predicate::str::contains("its name is not UTF-8"));
    run(&["verify"], &[&logs]).success();
}

#[test]
fn names_with_two_dots_lead_nowhere() {
    let temp = tempfile::tempdir().unwrap();
    let (logs, _) = setting(temp.path());
    copy_folder(&logs.join("t-0"), &logs.join("..-0"));
    let hostile = "0\n2\n../../outside 0 1\nt 0 2\n";
    fs::write(logs.join("recovery-point-offset-checkpoint"), hostile).unwrap();
    let out = temp.path().join("a/b/out");
    run(&["compact", "--out"], &[&out, &logs]).success();
    let text = fs::read_to_string(out.join("recovery-point-offset-checkpoint")).unwrap();
    assert_eq!(text, "0\n1\nt 0 2\n");
    let names = support::folders_in(&out);
    assert_eq!(names, ["t-0", "u-0"]);
    assert_eq!(support::folders_in(&temp.path().join("a/b")), ["out"]);
    // Named by himself, the folder has no name that the output could have.
    run(&["compact", "--out"], &[&temp.path().join("other"), &logs.join("..-0")])
        .code(2)
        .stderr(predicate::str::contains("must be called <topic>-<n>"));
}
