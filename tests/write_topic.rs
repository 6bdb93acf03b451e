//! The directories of a topic that `write` makes: all of them, or none.

mod support;

use std::fs;
use std::process::Command;

use support::logcompact;

#[test]
fn a_topic_of_more_partitions_than_can_be_opened_is_not_made() {
    let temp = tempfile::tempdir().unwrap();
    let program = env!("CARGO_BIN_EXE_logcompact");
    let few_files = format!("ulimit -n 64; exec {program} write \"$@\" </dev/null");
    for (dir, count) in [("new/logs", "100"), ("new/logs", "40"), (".", "100")] {
        let arguments = [dir, "--topic", "t", "--partitions", count];
        let mut run = Command::new("sh");
        run.current_dir(&temp).args(["-c", &few_files, "sh"]).args(arguments);
        let output = run.output().unwrap();
        let said = String::from_utf8_lossy(&output.stderr);
        assert_eq!(output.status.code(), Some(2), "{said}");
        assert!(said.contains("Too many open files"), "{said}");
        assert_eq!(fs::read_dir(&temp).unwrap().count(), 0, "{dir}, {count}");
    }
    let mut run = logcompact();
    run.arg("write").arg(temp.path().join("new")).args(["--topic", "t", "--partitions", "40"]);
    run.write_stdin("a\n").assert().success();
}
