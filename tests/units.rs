//! A compaction cut into units: planned once, carried out by many processes at a time, and again
//! where one of them was killed.

mod support;

use std::collections::BTreeMap;
use std::fs::{self, File};
use std::io::Write;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output, Stdio};
use std::time::{Duration, Instant};

use serde_json::Value;
use support::copy_folder;
use support::power::{Die, tree};
use tempfile::TempDir;

const NOW: &str = "1795300000000";
const PARTITIONS: usize = 7;

fn command(args: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_logcompact"));
    command.args(args).stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
    command
}

fn run(args: &[&str]) -> Output {
    command(args).output().unwrap()
}

fn said(output: &Output) -> String {
    String::from_utf8_lossy(&output.stderr).into_owned()
}

fn done(args: &[&str]) -> Vec<u8> {
    let output = run(args);
    assert_eq!(output.status.code(), Some(0), "{args:?}: {}", said(&output));
    output.stdout
}

/// A log directory that grows, a plan for it, and where both lie.
struct Cluster {
    temp: TempDir,
    records: usize,
}

impl Cluster {
    fn new() -> Cluster {
        let cluster = Cluster { temp: tempfile::tempdir().unwrap(), records: 0 };
        fs::create_dir(cluster.temp.path().join("logs")).unwrap();
        let meta = "version=1\nbroker.id=7\ncluster.id=abcdefghijklmnopqrstuv\n";
        fs::write(cluster.temp.path().join("logs/meta.properties"), meta).unwrap();
        cluster
    }

    fn path(&self, name: &str) -> String {
        self.temp.path().join(name).to_str().unwrap().to_owned()
    }

    /// Writes so many more records of few keys, in small segments.
    fn grow(&mut self, count: usize) {
        let mark = "{\"version\":0,\"brokerEpoch\":-1}";
        fs::write(self.temp.path().join("logs/.kafka_cleanshutdown"), mark).unwrap();
        let first_ms = (1_700_000_000_000 + self.records as i64).to_string();
        let logs = self.path("logs");
        let partitions = PARTITIONS.to_string();
        let args = ["write", &logs, "--topic", "people", "--partitions", &partitions, "-q"];
        let mut writing = command(&args)
            .args(["--parse-key", "--segment-bytes", "2KiB", "--batch-size", "400"])
            .args(["--now", &first_ms])
            .stdin(Stdio::piped())
            .spawn()
            .unwrap();
        let mut lines = writing.stdin.take().unwrap();
        for number in self.records..self.records + count {
            writeln!(lines, "person {}\tvalue {number}", number * 7919 % 97).unwrap();
        }
        drop(lines);
        let output = writing.wait_with_output().unwrap();
        assert!(output.status.success(), "{}", said(&output));
        self.records += count;
    }

    fn plan(&self, options: &[&str]) -> (String, Value) {
        let (logs, out) = (self.path("logs"), self.path("out"));
        let args = ["plan", &logs, "--out", &out, "--now", NOW, "-q"];
        let text = done(&[&args, options].concat());
        let path = self.path("plan.json");
        fs::write(&path, &text).unwrap();
        (path, serde_json::from_slice(&text).unwrap())
    }

    fn unit(&self, plan: &str, number: usize) -> Child {
        command(&["unit", plan, &number.to_string(), "-q"]).spawn().unwrap()
    }

    /// All units of a plan at the same time.
    fn all_units(&self, plan: &str, count: usize) {
        let units: Vec<Child> = (0..count).map(|number| self.unit(plan, number)).collect();
        for unit in units {
            let output = unit.wait_with_output().unwrap();
            assert_eq!(output.status.code(), Some(0), "{}", said(&output));
        }
    }

    fn reports(&self, count: usize) -> Vec<String> {
        let name = |number| self.path(&format!("out/logcompact-report.unit-{number}.json"));
        (0..count).map(name).collect()
    }

    fn merged(&self, plan: &str, reports: &[String]) -> (Option<i32>, Value) {
        let mut args = vec!["report", "merge", "--plan", plan, "-q"];
        args.extend(reports.iter().map(String::as_str));
        let output = run(&args);
        let total = serde_json::from_slice(&output.stdout);
        (output.status.code(), total.unwrap_or_else(|_| panic!("{}", said(&output))))
    }

    /// What one compaction makes of the same, and its report.
    fn at_once(&self, out: &str, options: &[&str]) -> Value {
        let (logs, out) = (self.path("logs"), self.path(out));
        let args = ["compact", &logs, "--out", &out, "--now", NOW, "-q"];
        done(&[&args, options].concat());
        let report = Path::new(&out).join("logcompact-report.json");
        serde_json::from_slice(&fs::read(report).unwrap()).unwrap()
    }

    /// Everything in an output folder but reports.
    fn outcome(&self, out: &str) -> BTreeMap<PathBuf, Vec<u8>> {
        let files = tree(Path::new(&self.path(out))).into_iter();
        let is_report = |path: &Path| path.to_str().unwrap().starts_with("logcompact-report");
        let files = files.filter(|(path, ..)| !is_report(path));
        files.map(|(path, bytes, _)| (path, bytes)).collect()
    }
}

#[test]
fn units_at_the_same_time_write_what_one_compaction_writes_and_their_reports_add_up_to_its_own() {
    let mut cluster = Cluster::new();
    // The second night goes on where the first has ended.
    for night in 0..2 {
        cluster.grow(1500);
        let (plan, planned) = cluster.plan(&["--units", "3", "--segment-bytes", "4KiB"]);
        assert_eq!(planned["units"].as_array().unwrap().len(), 3);
        cluster.all_units(&plan, 3);
        let report = cluster.at_once("whole", &["--segment-bytes", "4KiB"]);
        assert!(cluster.outcome("out") == cluster.outcome("whole"), "night {night}");
        let (status, total) = cluster.merged(&plan, &cluster.reports(3));
        assert_eq!((status, &total["outcome"]), (Some(0), &Value::from("ok")));
        assert_eq!(total["totals"], report["totals"]);
        assert!(total["totals"]["records_read"].as_u64().unwrap() > 0);
        assert_eq!(total["reports"], 3);
        let names = |report: &Value| -> Vec<Value> {
            let all = report["partitions"].as_array().unwrap().iter();
            all.map(|it| serde_json::json!([it["partition"], it["records_kept"]])).collect()
        };
        assert_eq!(names(&total), names(&report));
        // All that a report of one run has, a sum has too.
        let fields = |report: &Value| -> Vec<String> {
            report.as_object().unwrap().keys().cloned().collect()
        };
        assert!(fields(&report).iter().all(|field| fields(&total).contains(field)));
    }
}

#[test]
fn what_earlier_rounds_have_compacted_is_no_work_in_the_next_plan() {
    let mut cluster = Cluster::new();
    cluster.grow(1500);
    let (plan, first) = cluster.plan(&["--units", "1"]);
    let bytes = |plan: &Value| plan["totals"]["bytes"].as_u64().unwrap();
    let logs: u64 = (0..PARTITIONS)
        .flat_map(|number| fs::read_dir(cluster.path(&format!("logs/people-{number}"))).unwrap())
        .map(|entry| entry.unwrap().path())
        .filter(|path| path.extension().is_some_and(|extension| extension == "log"))
        .map(|path| fs::metadata(path).unwrap().len())
        .sum();
    assert_eq!((bytes(&first), &first["totals"]["records"]), (logs, &Value::from(1500)));
    let keys = first["totals"]["distinct_keys"].as_u64().unwrap();
    assert_eq!(keys, 97, "all was looked into, and each key is in one partition");
    cluster.all_units(&plan, 1);
    let (_, second) = cluster.plan(&["--units", "1"]);
    // Active segments are still to be looked at.
    assert!(bytes(&second) < logs / 4, "{} of {logs}", bytes(&second));
}

#[test]
fn a_unit_that_was_killed_is_carried_out_again() {
    const KILLS: u64 = 10;
    let mut cluster = Cluster::new();
    cluster.grow(6000);
    cluster.at_once("whole", &[]);
    let wanted = cluster.outcome("whole");
    let (plan, _) = cluster.plan(&["--units", "2"]);
    let started = Instant::now();
    cluster.all_units(&plan, 2);
    let longest_us = started.elapsed().as_micros() as u64;
    let (mut die, mut killed) = (Die(7), 0);
    for attempt in 0..KILLS {
        fs::remove_dir_all(cluster.path("out")).unwrap();
        let (mut one, other) = (cluster.unit(&plan, 0), cluster.unit(&plan, 1));
        let wait_us = longest_us * attempt / KILLS + die.throw(longest_us / KILLS + 1);
        std::thread::sleep(Duration::from_micros(wait_us));
        one.kill().unwrap();
        killed += u32::from(!one.wait().unwrap().success());
        let output = other.wait_with_output().unwrap();
        assert_eq!(output.status.code(), Some(0), "attempt {attempt}: {}", said(&output));
        let output = cluster.unit(&plan, 0).wait_with_output().unwrap();
        assert_eq!(output.status.code(), Some(0), "attempt {attempt}: {}", said(&output));
        let mut outcome = cluster.outcome("out");
        // Killed behind its last commit, nothing is left to be written that would bring the mark.
        let mark = Path::new(".kafka_cleanshutdown");
        if let (None, Some(bytes)) = (outcome.get(mark), wanted.get(mark)) {
            outcome.insert(mark.into(), bytes.clone());
        }
        assert!(outcome == wanted, "attempt {attempt}");
        let (status, _) = cluster.merged(&plan, &cluster.reports(2));
        assert_eq!(status, Some(0), "attempt {attempt}");
    }
    assert!(killed > 0, "each of {KILLS} runs had ended before it was killed");
}

#[test]
fn a_unit_that_is_done_touches_nothing_when_it_is_carried_out_once_more_nor_its_report() {
    let mut cluster = Cluster::new();
    cluster.grow(800);
    let (plan, _) = cluster.plan(&["--units", "2"]);
    cluster.all_units(&plan, 2);
    let files = || tree(Path::new(&cluster.path("out")));
    let time = || fs::metadata(cluster.path("out/people-0")).unwrap().ctime_nsec();
    let (before, then) = (files(), time());
    cluster.all_units(&plan, 2);
    assert!(files() == before);
    assert_eq!(time(), then);
    // The next night's report is another.
    cluster.grow(800);
    let (plan, _) = cluster.plan(&["--units", "2", "--max-compaction-lag-ms", "7d"]);
    cluster.all_units(&plan, 2);
    let (_, total) = cluster.merged(&plan, &cluster.reports(2));
    assert!(total["totals"]["records_read"].as_u64().unwrap() > 700);
}

/// Part `name` of the staging folder, as a run holds it.
fn held(cluster: &Cluster, name: &str) -> File {
    let own = cluster.path(&format!("out/.logcompact-staging/{name}"));
    fs::create_dir_all(&own).unwrap();
    let lock = File::create(Path::new(&own).join("lock")).unwrap();
    lock.lock().unwrap();
    lock
}

#[test]
fn who_does_not_share_the_output_and_the_same_unit_wait_while_a_unit_is_at_work() {
    let mut cluster = Cluster::new();
    cluster.grow(300);
    let (plan, planned) = cluster.plan(&["--units", "2"]);
    let id = planned["id"].as_str().unwrap();
    cluster.all_units(&plan, 2);
    let (logs, out) = (cluster.path("logs"), cluster.path("out"));
    let is_refused = |args: &[&str], why: &str| {
        let output = run(args);
        assert_eq!(output.status.code(), Some(2), "{args:?}");
        assert!(said(&output).contains(why), "{}", said(&output));
    };
    {
        // As a unit holds them.
        let folder = File::open(&out).unwrap();
        folder.lock_shared().unwrap();
        is_refused(&["compact", &logs, "--out", &out], "another logcompact is at work here");
        let own = held(&cluster, &format!("{id}-1"));
        is_refused(&["unit", &plan, "1"], "another logcompact is at work here");
        done(&["unit", &plan, "0", "-q"]);
        drop(own);
    }
    // So do those of another plan.
    {
        let (other, _) = cluster.plan(&["--units", "3"]);
        let _own = held(&cluster, "another-0");
        is_refused(&["unit", &other, "0"], "units of another plan are at work here");
    }
    let (plan, _) = cluster.plan(&["--units", "2"]);
    // And as anybody else does.
    let folder = File::open(&out).unwrap();
    folder.lock().unwrap();
    is_refused(&["unit", &plan, "0"], "another logcompact is at work here");
    drop(folder);
    // What a unit has left that nobody carries out again goes with the next run.
    done(&["compact", &logs, "--out", &out, "-q"]);
    assert!(!Path::new(&cluster.path("out/.logcompact-staging")).exists());
}

#[test]
fn a_unit_fills_no_folder_that_holds_anything_else() {
    let mut cluster = Cluster::new();
    cluster.grow(300);
    let (plan, _) = cluster.plan(&["--units", "2"]);
    fs::create_dir(cluster.path("out")).unwrap();
    fs::write(cluster.path("out/notes.txt"), "mine").unwrap();
    let output = run(&["unit", &plan, "0"]);
    assert_eq!(output.status.code(), Some(2));
    assert!(said(&output).contains("there is notes.txt"), "{}", said(&output));
    assert_eq!(fs::read_dir(cluster.path("out")).unwrap().count(), 1);
}

#[test]
fn a_plan_is_the_same_again_and_holds_the_options_with_full_paths() {
    let mut cluster = Cluster::new();
    cluster.grow(300);
    fs::write(cluster.path("topic.properties"), "delete.retention.ms=5\n").unwrap();
    let options = ["--strategy", "timestamp", "--drop-tombstones", "--threads", "1"];
    let planned = |logs: &str, config: &str| {
        let args = ["plan", logs, "--out", "out", "--now", NOW, "-q", "--topic-config", config];
        let mut plan = command(&[&args[..], &options].concat());
        let output = plan.current_dir(cluster.temp.path()).output().unwrap();
        assert!(output.status.success(), "{}", said(&output));
        String::from_utf8(output.stdout).unwrap()
    };
    let text = planned("logs", "topic.properties");
    assert_eq!(text, planned("./logs", "topic.properties"));
    let plan: Value = serde_json::from_str(&text).unwrap();
    let config = format!("--topic-config={}", cluster.path("topic.properties"));
    let mut arguments: Vec<&str> =
        plan["arguments"].as_array().unwrap().iter().map(|it| it.as_str().unwrap()).collect();
    arguments.sort_unstable();
    let now = format!("--now={NOW}");
    let wanted = ["--drop-tombstones", &now, "--strategy=timestamp", &config];
    assert_eq!(arguments, wanted);
    assert_eq!(plan["files"][0]["path"], cluster.path("topic.properties"));
    assert_eq!(plan["out"], cluster.path("out"));
    assert_eq!(plan["dirs"], serde_json::json!([cluster.path("logs")]));
    assert!(!Path::new(&cluster.path("out")).exists(), "planning writes nothing");
}

#[test]
fn what_cannot_be_planned_is_refused_with_a_reason() {
    let mut cluster = Cluster::new();
    cluster.grow(100);
    let (logs, out) = (cluster.path("logs"), cluster.path("out"));
    fs::write(cluster.path("keys"), "person 1\n").unwrap();
    let keys = cluster.path("keys");
    for options in [
        &["--in-place"][..],
        &["--out", &out, "--leave-deleted"],
        &["--out", &out, "--dry-run"],
        &["--out", &out, "--report", "-"],
        &["--out", &out, "--erase-keys", &keys],
        &["--out", &out, "--keep-rounds", "0"],
        &["--out", &out, "--full"],
        &["--out", &out, "--reindex"],
        &["--out", &out, "--rebase-from", &logs],
        &["--out", &logs],
        &["--out", &keys],
        &["--out", &out, "--topic-config", "/dev/stdin"],
        &["--out", &out, "--strategy", "best"],
        &["--out", &out, "--units", "0"],
        &["--out", &out, "--unit-bytes", "1KB", "--units", "2"],
    ] {
        let output = run(&[&["plan", &logs], options].concat());
        assert_eq!(output.status.code(), Some(2), "{options:?}");
        assert!(output.stdout.is_empty() && !said(&output).is_empty(), "{options:?}");
    }
    let (plan, _) = cluster.plan(&["--units", "2"]);
    fs::remove_dir_all(cluster.path("logs/people-3")).unwrap();
    let outcomes = [0, 1].map(|number| cluster.unit(&plan, number).wait_with_output().unwrap());
    let refused: Vec<&Output> = outcomes.iter().filter(|it| !it.status.success()).collect();
    assert_eq!(refused.len(), 1);
    assert_eq!(refused[0].status.code(), Some(2));
    assert!(said(refused[0]).contains("people-3: was planned, and is not there any more"));
}

#[test]
fn more_units_than_partitions_have_nothing_to_do_and_say_so() {
    let mut cluster = Cluster::new();
    cluster.grow(100);
    let (plan, planned) = cluster.plan(&["--units", "9"]);
    assert_eq!(planned["units"][8]["partitions"], Value::Array(Vec::new()));
    cluster.all_units(&plan, 9);
    let (status, total) = cluster.merged(&plan, &cluster.reports(9));
    assert_eq!(status, Some(0));
    assert_eq!(total["partitions"].as_array().unwrap().len(), PARTITIONS);
}

#[test]
fn a_partition_that_no_report_tells_of_is_a_problem_and_one_that_two_tell_of_is_refused() {
    let mut cluster = Cluster::new();
    cluster.grow(300);
    let (plan, planned) = cluster.plan(&["--units", "2"]);
    cluster.all_units(&plan, 2);
    let reports = cluster.reports(2);
    let (status, total) = cluster.merged(&plan, &reports[..1]);
    assert_eq!((status, &total["outcome"]), (Some(1), &Value::from("problems")));
    let of_second = planned["units"][1]["partitions"].as_array().unwrap().len();
    assert_eq!(total["partitions_missing"].as_array().unwrap().len(), of_second);

    let is_refused = |files: &[&str], why: &str| {
        let output = run(&[&["report", "merge"], files].concat());
        assert_eq!(output.status.code(), Some(2), "{files:?}");
        assert!(output.stdout.is_empty() && said(&output).contains(why), "{}", said(&output));
    };
    is_refused(&[&reports[0], &reports[0]], "both tell of people-");
    fs::write(cluster.path("total.json"), serde_json::to_vec(&total).unwrap()).unwrap();
    is_refused(&[&cluster.path("total.json")], "it is a sum itself");
    is_refused(&[&reports[0], &plan], "is no report of logcompact compact");
    cluster.at_once("first", &["--strategy", "first"]);
    let first = cluster.path("first/logcompact-report.json");
    is_refused(&[&reports[0], &first], "different compactions");
    is_refused(&["--plan", &plan, &first], "none of these reports is of the plan");
    is_refused(&[], "required arguments were not provided");
}

#[test]
fn damage_in_one_unit_is_in_the_sum() {
    let mut cluster = Cluster::new();
    cluster.grow(300);
    let (plan, _) = cluster.plan(&["--units", "2"]);
    let log = cluster.path("logs/people-2/00000000000000000000.log");
    let mut bytes = fs::read(&log).unwrap();
    bytes[80] ^= 1;
    fs::write(&log, bytes).unwrap();
    let outcomes = [0, 1].map(|number| {
        let output = cluster.unit(&plan, number).wait_with_output().unwrap();
        output.status.code().unwrap()
    });
    assert_eq!(outcomes.iter().sum::<i32>(), 1);
    let (status, total) = cluster.merged(&plan, &cluster.reports(2));
    assert_eq!((status, &total["outcome"]), (Some(1), &Value::from("problems")));
    assert_eq!(total["partitions"][2]["outcome"], "failed");
}

#[test]
fn units_go_on_in_a_folder_on_which_a_broker_was_started() {
    let mut cluster = Cluster::new();
    cluster.grow(500);
    let (plan, _) = cluster.plan(&["--units", "2"]);
    cluster.all_units(&plan, 2);
    // What it leaves there: its lock, and a topic of its own.
    fs::write(cluster.path("out/.lock"), "").unwrap();
    copy_folder(
        Path::new(&cluster.path("logs/people-0")),
        Path::new(&cluster.path("out/__consumer_offsets-0")),
    );
    cluster.grow(500);
    let (plan, _) = cluster.plan(&["--units", "2"]);
    cluster.all_units(&plan, 2);
}

#[test]
fn reports_of_the_night_before_do_not_count_for_a_plan() {
    let mut cluster = Cluster::new();
    cluster.grow(1000);
    let (plan, _) = cluster.plan(&["--units", "5"]);
    cluster.all_units(&plan, 5);
    cluster.grow(200);
    let (plan, _) = cluster.plan(&["--units", "2", "--max-compaction-lag-ms", "8d"]);
    // As a shell gives them: those that this plan has not written are there as well.
    let reports = cluster.reports(5);
    let output = run(&[&["report", "merge", "--plan", &plan], &strs(&reports)[..]].concat());
    assert_eq!(output.status.code(), Some(2), "{}", said(&output));
    cluster.all_units(&plan, 1);
    let (status, total) = cluster.merged(&plan, &reports);
    assert_eq!((status, &total["reports"]), (Some(1), &Value::from(1)));
    cluster.all_units(&plan, 2);
    let (status, total) = cluster.merged(&plan, &reports);
    assert_eq!((status, &total["reports"]), (Some(0), &Value::from(2)));
    let first = &total["partitions"][0]["records_read"];
    assert!(first.as_u64().unwrap() > 0, "{total}");
}

fn strs(all: &[String]) -> Vec<&str> {
    all.iter().map(String::as_str).collect()
}

#[test]
fn a_report_of_problems_gives_way_once_they_are_gone() {
    let mut cluster = Cluster::new();
    cluster.grow(300);
    let (plan, _) = cluster.plan(&["--units", "1"]);
    let log = cluster.path("logs/people-2/00000000000000000000.log");
    let whole = fs::read(&log).unwrap();
    let mut bytes = whole.clone();
    bytes[80] ^= 1;
    fs::write(&log, bytes).unwrap();
    assert_eq!(cluster.unit(&plan, 0).wait().unwrap().code(), Some(1));
    fs::write(&log, whole).unwrap();
    cluster.all_units(&plan, 1);
    assert_eq!(cluster.merged(&plan, &cluster.reports(1)).0, Some(0));
}

#[test]
fn a_folder_in_which_a_unit_was_killed_is_not_called_complete() {
    let mut cluster = Cluster::new();
    cluster.grow(300);
    let (plan, _) = cluster.plan(&["--units", "2"]);
    cluster.all_units(&plan, 2);
    let left = cluster.path("out/.logcompact-staging/gone-7/staged/people-0");
    fs::create_dir_all(&left).unwrap();
    fs::write(Path::new(&left).join("00000000000000000000.log"), "half").unwrap();
    let (status, total) = cluster.merged(&plan, &cluster.reports(2));
    assert_eq!((status, &total["staging_left"]), (Some(1), &Value::Bool(true)));
    fs::write(cluster.path("out/.logcompact-staging/odd"), "").unwrap();
    let elsewhere = cluster.path("elsewhere");
    fs::create_dir_all(Path::new(&elsewhere).join("folder")).unwrap();
    std::os::unix::fs::symlink(&elsewhere, cluster.path("out/.logcompact-staging/link")).unwrap();
    // Any unit takes away what nobody is at work on.
    cluster.all_units(&plan, 1);
    assert_eq!(cluster.merged(&plan, &cluster.reports(2)).0, Some(0));
    assert!(Path::new(&elsewhere).join("folder").is_dir());
    // What stands in its place is not looked into.
    std::os::unix::fs::symlink(&elsewhere, cluster.path("out/.logcompact-staging")).unwrap();
    let output = cluster.unit(&plan, 0).wait_with_output().unwrap();
    assert_eq!(output.status.code(), Some(2));
    assert!(Path::new(&elsewhere).join("folder").is_dir());
    fs::remove_file(cluster.path("out/.logcompact-staging")).unwrap();
    // A partition that is gone since is not called complete, either.
    fs::remove_dir_all(cluster.path("out/people-4")).unwrap();
    let (status, total) = cluster.merged(&plan, &cluster.reports(2));
    assert_eq!((status, &total["partitions_missing"][0]), (Some(1), &Value::from("people-4")));
}

#[test]
fn a_plan_or_a_file_that_it_names_is_not_changed_between_units() {
    let mut cluster = Cluster::new();
    cluster.grow(300);
    let config = cluster.path("topic.properties");
    fs::write(&config, "delete.retention.ms=5\n").unwrap();
    let (plan, _) = cluster.plan(&["--units", "2", "--topic-config", &config]);
    cluster.all_units(&plan, 1);
    fs::write(&config, "compaction.strategy=timestamp\n").unwrap();
    let is_refused = |args: &[&str], why: &str| {
        let output = run(args);
        assert_eq!(output.status.code(), Some(2), "{args:?}");
        assert!(said(&output).contains(why), "{}", said(&output));
    };
    is_refused(&["unit", &plan, "1"], "topic.properties: has changed since it was planned");
    fs::write(&config, "delete.retention.ms=5\n").unwrap();
    is_refused(&["unit", &plan, "1", "--report", &plan], "is read");
    for name in ["zero.json", "logcompact-report.unit-0.json"] {
        let report = cluster.path(&format!("out/{name}"));
        is_refused(&["unit", &plan, "1", "--report", &report], "is for the output");
    }
    cluster.all_units(&plan, 2);
    let text = fs::read_to_string(&plan).unwrap();
    fs::write(&plan, text.replace(NOW, "1795300000001")).unwrap();
    is_refused(&["unit", &plan, "1"], "was changed after it was made");
}

#[test]
fn numbers_of_a_report_that_cannot_be_are_added_up_to_the_most_there_is() {
    let mut cluster = Cluster::new();
    cluster.grow(300);
    let (plan, _) = cluster.plan(&["--units", "2"]);
    cluster.all_units(&plan, 2);
    let reports = cluster.reports(2);
    let mut report: Value = serde_json::from_slice(&fs::read(&reports[0]).unwrap()).unwrap();
    report["totals"]["records_read"] = Value::from(u64::MAX);
    fs::write(&reports[0], serde_json::to_vec(&report).unwrap()).unwrap();
    let (_, total) = cluster.merged(&plan, &reports);
    assert_eq!(total["totals"]["records_read"], Value::from(u64::MAX));
}

#[test]
fn compressed_sets_of_old_magic_are_counted_by_their_offsets() {
    let temp = tempfile::tempdir().unwrap();
    let out = temp.path().join("out");
    for (name, records) in [("v1-gzip-0", 2763), ("v2-plain-0", 2474)] {
        let source = support::testdata(&format!("storage-4.1.1/{name}"));
        let args = ["plan", source.to_str().unwrap(), "--out", out.to_str().unwrap(), "-q"];
        let plan: Value = serde_json::from_slice(&done(&args)).unwrap();
        let counted = plan["totals"]["records"].as_u64().unwrap();
        assert!(counted.abs_diff(records) < records / 10, "{name}: {counted}");
    }
}

#[test]
fn a_unit_that_is_refused_once_more_is_not_called_done() {
    let mut cluster = Cluster::new();
    cluster.grow(300);
    let (plan, _) = cluster.plan(&["--units", "1"]);
    cluster.all_units(&plan, 1);
    // The source is another by now.
    fs::remove_dir_all(cluster.path("logs")).unwrap();
    fs::create_dir(cluster.path("logs")).unwrap();
    cluster.grow(200);
    let output = cluster.unit(&plan, 0).wait_with_output().unwrap();
    assert_eq!(output.status.code(), Some(2), "{}", said(&output));
    assert_eq!(cluster.merged(&plan, &cluster.reports(1)).0, Some(1));
}
