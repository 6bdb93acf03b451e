//! `logcompact groups`: against what a running broker said of its groups (`testdata/groups`),
//! against a replay of what Kafka's own decoder prints, and on logs made by hand.

mod support;

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};

use logcompact::groups;
use logcompact::segment::{TopicPartition, find_partitions};
use predicates::prelude::*;
use serde_json::Value;
use support::log::{Log, Pair};
use support::{copy_folder, logcompact, testdata};
use tempfile::TempDir;

fn broker() -> PathBuf {
    testdata("groups/broker")
}

/// Standard output of `groups`, which must end with `code`.
fn groups(args: &[&str], code: i32) -> String {
    let assert = logcompact().arg("groups").args(args).assert().code(code);
    String::from_utf8(assert.get_output().stdout.clone()).unwrap()
}

/// All that can be told of all groups.
fn everything(dir: &Path) -> String {
    groups(&[dir.to_str().unwrap(), "--all-groups", "--format", "json"], 0)
}

fn objects(text: &str) -> Vec<Value> {
    text.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
}

fn of_type(lines: &[Value], kind: &str) -> Vec<Value> {
    lines.iter().filter(|line| line["type"] == kind).cloned().collect()
}

/// The fields of each line, sorted.
fn rows(lines: &[Value], fields: &[&str]) -> BTreeSet<Vec<String>> {
    let text = |value: &Value| value.as_str().map_or(value.to_string(), str::to_owned);
    lines.iter().map(|line| fields.iter().map(|field| text(&line[field])).collect()).collect()
}

#[test]
fn groups_are_what_the_running_broker_said_they_are() {
    let said = objects(&fs::read_to_string(testdata("groups/said.jsonl")).unwrap());
    let mut ours = objects(&everything(&broker()));
    for line in &mut ours {
        if line["type"] == "offset" {
            let at = format!("{}-{}", line["topic"].as_str().unwrap(), line["partition"]);
            line["at"] = at.into();
        }
        let mut assigned = Vec::new();
        for topic in line["assigned"].as_array().into_iter().flatten() {
            for partition in topic["partitions"].as_array().unwrap() {
                assigned.push(format!("{}-{partition}", topic["topic"].as_str().unwrap()));
            }
        }
        line["assigned"] = assigned.join(",").into();
        line["instance"] = line["group_instance_id"].as_str().unwrap_or_default().into();
        if let Some(kind) = line["kind"].as_str() {
            line["kind"] = (kind[..1].to_uppercase() + &kind[1..]).into();
        }
    }
    // A group that only has an aborted transaction has left nothing that counts.
    let mut expected = of_type(&said, "group");
    expected.retain(|line| line["group"] != "txn-aborted-only");
    let fields = ["group", "kind", "state"];
    assert_eq!(rows(&of_type(&ours, "group"), &fields), rows(&expected, &fields));

    let mut offsets = of_type(&ours, "offset");
    let ends: BTreeMap<String, Value> = of_type(&said, "end")
        .iter()
        .map(|line| (line["at"].as_str().unwrap().to_owned(), line["offset"].clone()))
        .collect();
    for line in &offsets {
        let end = &ends[line["at"].as_str().unwrap()];
        assert_eq!(&line["log_end_offset"], end);
        let lag = line["offset"].as_i64().map(|offset| end.as_i64().unwrap() - offset);
        assert_eq!(line["lag"].as_i64(), lag);
    }
    // Of what members have without a commit, the broker does not tell here.
    offsets.retain(|line| !line["offset"].is_null());
    let fields = ["group", "at", "offset"];
    assert_eq!(rows(&offsets, &fields), rows(&of_type(&said, "offset"), &fields));

    let mut members = of_type(&ours, "member");
    members.retain(|line| line["group"] != "share-alive");
    let fields = ["group", "member_id", "client_id", "host", "instance", "assigned"];
    assert_eq!(rows(&members, &fields), rows(&of_type(&said, "member"), &fields));
    assert_eq!(members.len(), 4);
}

#[test]
fn a_share_group_has_members_and_topics_by_name() {
    let dir = broker();
    let text = groups(&[dir.to_str().unwrap(), "--group", "share-alive", "--members"], 0);
    assert!(text.contains("  sharer ") && text.contains("  orders(0,1,2)"), "{text}");
}

#[test]
fn commits_are_those_that_kafkas_decoder_shows_last() {
    let text = fs::read_to_string(testdata("internal-topics/broker-3.9.1.txt")).unwrap();
    let mut last: BTreeMap<Vec<String>, Value> = BTreeMap::new();
    for line in text.lines().filter(|line| line.contains(" key: {\"type\":\"1\"")) {
        let (key, payload) = line.split_once(" key: ").unwrap().1.split_once(" payload: ").unwrap();
        let key: Value = serde_json::from_str(key).unwrap();
        let key = ["group", "topic", "partition"].map(|name| key["data"][name].to_string());
        match serde_json::from_str::<Value>(payload) {
            Ok(value) => last.insert(key.to_vec(), value["data"]["offset"].clone()),
            Err(_) => last.remove(key.as_slice()), // <DELETE>
        };
    }
    let ours = of_type(&objects(&everything(&testdata("broker-3.9.1"))), "offset");
    let ours: BTreeMap<Vec<String>, Value> = ours
        .iter()
        .map(|line| {
            let key = ["group", "topic", "partition"].map(|name| line[name].to_string());
            (key.to_vec(), line["offset"].clone())
        })
        .collect();
    assert_eq!(ours, last);
    assert_eq!(ours.len(), 8);
}

#[test]
fn compaction_changes_no_group() {
    for source in [broker(), testdata("broker-3.9.1")] {
        let temp = TempDir::new().unwrap();
        let out = temp.path().join("out");
        let args = ["--include-active", "--null-keys", "keep", "--out", out.to_str().unwrap()];
        logcompact().arg("compact").arg(&source).args(args).assert().success();
        let size = |dir: &Path| -> u64 {
            let log = dir.join("__consumer_offsets-0/00000000000000000000.log");
            fs::metadata(log).unwrap().len()
        };
        assert!(size(&out) < size(&source));
        assert_eq!(everything(&out), everything(&source));
    }
}

#[test]
fn threads_change_nothing() {
    let dir = broker();
    let args = [dir.to_str().unwrap(), "--all-groups", "--format", "json"];
    let one = groups(&[&args[..], &["--threads", "1"]].concat(), 0);
    assert_eq!(one, groups(&[&args[..], &["--threads", "3", "--memory", "1MiB"]].concat(), 0));
}

#[test]
fn columns_are_those_of_kafkas_tool() {
    let dir = broker();
    let text = groups(&[dir.to_str().unwrap(), "--group", "half-deleted"], 0);
    let words: Vec<Vec<&str>> =
        text.lines().map(|line| line.split_whitespace().collect()).collect();
    let head = "GROUP TOPIC PARTITION CURRENT-OFFSET LOG-END-OFFSET LAG CONSUMER-ID HOST CLIENT-ID";
    assert_eq!(words[0], head.split(' ').collect::<Vec<_>>());
    assert_eq!(words[1], ["half-deleted", "orders", "1", "7", "100", "93", "-", "-", "-"]);
}

#[test]
fn a_lag_that_is_only_of_the_partitions_whose_logs_are_here_does_not_pass_for_the_whole() {
    let temp = TempDir::new().unwrap();
    copy_folder(&broker(), temp.path());
    fs::remove_dir_all(temp.path().join("orders-2")).unwrap();
    let lags = |dir: &Path| -> BTreeMap<String, String> {
        let text = groups(&[dir.to_str().unwrap()], 0);
        let words = text.lines().map(|line| line.split_whitespace().collect::<Vec<_>>());
        words.map(|words| (words[0].into(), words[words.len() - 1].into())).collect()
    };
    let (whole, part) = (lags(&broker()), lags(temp.path()));
    assert_eq!((&*whole["classic-alive"], &*part["classic-alive"]), ("8", "0+?"));
    assert_eq!((&*whole["txn-open"], &*part["txn-open"]), ("84", "84"));
}

#[test]
fn list_and_describe_are_words_for_what_is_done_without_and_with_a_group() {
    let dir = broker();
    let dir = dir.to_str().unwrap();
    assert_eq!(groups(&["list", dir], 0), groups(&[dir], 0));
    let one = ["--group", "admin-only"];
    let described = groups(&[&["describe", dir], &one[..]].concat(), 0);
    assert_eq!(described, groups(&[&[dir], &one[..]].concat(), 0));
    assert_eq!(groups(&["describe", dir], 0), groups(&[dir, "--all-groups"], 0));
    // Wherever options stand; and a directory may have such a name.
    assert_eq!(groups(&["--threads", "1", "list", dir], 0), groups(&[dir], 0));
    let temp = TempDir::new().unwrap();
    copy_folder(&broker(), &temp.path().join("list"));
    let mut command = logcompact();
    let assert = command.current_dir(temp.path()).args(["groups", "list"]).assert();
    assert.success().stdout(groups(&[dir], 0));
}

#[test]
fn what_cannot_be_done_is_refused_with_the_way_out() {
    let temp = TempDir::new().unwrap();
    let dir = broker();
    let (dir, empty) = (dir.to_str().unwrap(), temp.path().to_str().unwrap());
    let data = dir.to_owned() + "/orders-0";
    for (args, said) in [
        (vec![dir, "--group", "nobody"], "there is no group \"nobody\" here"),
        (vec![dir, "--members"], "add --group GROUP or --all-groups"),
        (vec!["list", dir, "--group", "x"], "groups describe --group GROUP DIR"),
        (vec![empty], "holds neither segments"),
        (vec![&data], "there is no partition of __consumer_offsets here"),
        (vec![], "<DIR>"),
    ] {
        let assert = logcompact().arg("groups").args(&args).assert().code(2);
        assert.stdout("").stderr(predicate::str::contains(said));
    }
}

fn number(number: i16) -> Vec<u8> {
    number.to_be_bytes().to_vec()
}

fn text(text: &str) -> Vec<u8> {
    [number(text.len() as i16), text.as_bytes().to_vec()].concat()
}

fn commit_key(group: &str, topic: &str) -> Vec<u8> {
    [number(1), text(group), text(topic), 0i32.to_be_bytes().to_vec()].concat()
}

/// Version 1, the only one with a time at which it expires.
fn commit_value(offset: i64, expires_ms: i64) -> Vec<u8> {
    let numbers = [1_700_000_000_000i64, expires_ms].map(i64::to_be_bytes).concat();
    [number(1), offset.to_be_bytes().to_vec(), text(""), numbers].concat()
}

fn commit<'a>(key: &'a [u8], value: &'a [u8]) -> Pair<'a> {
    (Some(key), Some(value))
}

/// What is committed of topic `t`, by group.
fn committed(dir: &Path) -> BTreeMap<String, i64> {
    let args = ["groups", "--all-groups", "--format", "json"];
    let output = logcompact().args(args).arg(dir).output().unwrap();
    let lines = of_type(&objects(str::from_utf8(&output.stdout).unwrap()), "offset");
    let pair = |line: &Value| {
        (line["group"].as_str().unwrap().to_owned(), line["offset"].as_i64().unwrap())
    };
    lines.iter().map(pair).collect()
}

#[test]
fn commits_of_a_transaction_count_when_it_commits_and_nothing_later_did() {
    let temp = TempDir::new().unwrap();
    let mut log = Log::create(temp.path(), "__consumer_offsets-0");
    let [good, bad, open, late, deleted] =
        ["good", "bad", "open", "late", "deleted"].map(|group| commit_key(group, "t"));
    let value = |offset| commit_value(offset, -1);
    log.transactional(7, &[commit(&good, &value(5)), commit(&late, &value(6))])
        .transactional(8, &[commit(&bad, &value(7))])
        .transactional(9, &[commit(&open, &value(8))])
        .transactional(7, &[commit(&deleted, &value(9))])
        .batch(&[commit(&late, &value(10)), (Some(&deleted), None)])
        .marker(7, true)
        .marker(8, false)
        .flush();
    let expected = [("good".to_owned(), 5), ("late".to_owned(), 10)];
    assert_eq!(committed(temp.path()), BTreeMap::from(expected));
    logcompact()
        .arg("groups")
        .arg(temp.path())
        .assert()
        .success()
        .stderr(predicate::str::contains("group open: 1 commit in transactions that have not"));
}

#[test]
fn a_marker_whose_checksum_is_wrong_still_ends_its_transaction_and_is_told() {
    let temp = TempDir::new().unwrap();
    let mut log = Log::create(temp.path(), "__consumer_offsets-0");
    let key = commit_key("g", "t");
    let dir = log
        .transactional(7, &[commit(&key, &commit_value(5, -1))])
        .marker(7, true)
        .batch(&[commit(&commit_key("h", "t"), &commit_value(6, -1))])
        .flush();
    let path = dir.join("00000000000000000000.log");
    let mut bytes = fs::read(&path).unwrap();
    let at = support::log::first_marker(&bytes);
    bytes[at + 17] ^= 1;
    fs::write(&path, bytes).unwrap();
    let expected = [("g".to_owned(), 5), ("h".to_owned(), 6)];
    assert_eq!(committed(temp.path()), BTreeMap::from(expected));
    logcompact()
        .arg("groups")
        .arg(temp.path())
        .assert()
        .code(1)
        .stderr(predicate::str::contains(format!("position {at}: ")));
}

#[test]
fn damage_is_told_and_the_rest_goes_on() {
    let temp = TempDir::new().unwrap();
    copy_folder(&broker(), temp.path());
    let path = temp.path().join("__consumer_offsets-1/00000000000000000000.log");
    let mut bytes = fs::read(&path).unwrap();
    bytes[40] ^= 1;
    fs::write(&path, bytes).unwrap();
    let assert = logcompact().arg("groups").arg(temp.path()).assert().code(1);
    let assert = assert.stderr(predicate::str::contains(".log: position 0: "));
    assert.stdout(
        predicate::str::contains("consumer-alive").and(predicate::str::contains("classic-gone")),
    );
}

#[test]
fn a_commit_whose_offset_is_damaged_is_told_of() {
    let whole = groups(&[broker().to_str().unwrap()], 0);
    for partition in ["__consumer_offsets-1", "orders-0"] {
        let temp = TempDir::new().unwrap();
        copy_folder(&broker(), temp.path());
        let path = temp.path().join(partition).join("00000000000000000000.log");
        let mut bytes = fs::read(&path).unwrap();
        let sound = if partition == "orders-0" { bytes.clone() } else { Vec::new() }; // one batch
        bytes[5] = 1; // of the base offset, which no checksum covers
        bytes.extend(sound);
        fs::write(&path, bytes).unwrap();
        let assert = logcompact().arg("groups").arg(temp.path()).assert().code(1);
        let told = format!("{partition}/00000000000000000000.log: position ");
        let told = predicate::str::contains(told).and(predicate::str::contains(" was due"));
        assert.stderr(told).stdout(whole.clone());
    }
}

#[test]
fn where_damage_hides_the_end_of_a_log_no_lag_is_made_up_and_the_place_is_told() {
    const LOG: &str = "orders-1/00000000000000000000.log";
    let sound = fs::read(broker().join(LOG)).unwrap();
    let flipped = |at: usize| {
        let mut bytes = sound.clone();
        bytes[at] ^= 1;
        bytes
    };
    let junk = |bytes: &[u8]| [bytes, &[b'j'; 100], bytes].concat();
    for (bytes, told, end) in [
        (flipped(67), "position 0: the CRC", None),
        (flipped(16), "position 0: ", None),
        ([&sound[..], &[b'j'; 100]].concat(), "position ", None),
        // The last batch is sound, and tells.
        (junk(&sound), "position ", Some(100)),
        // Unfinished writes, as after a crash.
        ([&sound[..], &sound[..50]].concat(), "", Some(100)),
        ([&sound[..], &[0; 500]].concat(), "", Some(100)),
    ] {
        let temp = TempDir::new().unwrap();
        copy_folder(&broker(), temp.path());
        fs::write(temp.path().join(LOG), bytes).unwrap();
        let index = temp.path().join(LOG).with_extension("index");
        fs::write(index, []).unwrap();
        let code = i32::from(!told.is_empty());
        let dir = temp.path().to_str().unwrap();
        let args = [dir, "--all-groups", "--format", "json"];
        let lines = objects(&groups(&args, code));
        let rows = of_type(&lines, "offset");
        let alive = |line: &&Value| line["group"] == "consumer-alive" && line["partition"] == 1;
        let row = rows.iter().find(alive).unwrap();
        assert_eq!(row["log_end_offset"].as_i64(), end);
        assert_eq!(row["lag"].as_i64(), end.map(|end| end - row["offset"].as_i64().unwrap()));
        let list = groups(&[dir], code);
        let line = list.lines().find(|line| line.starts_with("consumer-alive")).unwrap();
        assert_eq!(line.ends_with("+?"), end.is_none(), "{line}");
        let assert = logcompact().args(["groups", dir, "--all-groups"]).assert().code(code);
        let said = String::from_utf8(assert.get_output().stderr.clone()).unwrap();
        assert!(!said.contains("before what was committed"), "{said}");
        let is_named = said.contains(&format!("{LOG}: {told}"));
        assert_eq!(is_named, !told.is_empty(), "{said}");
    }
}

#[test]
fn a_log_that_ends_before_what_was_committed_hides_no_lag_of_others() {
    let whole = groups(&[broker().to_str().unwrap()], 0);
    let temp = TempDir::new().unwrap();
    copy_folder(&broker(), temp.path());
    fs::write(temp.path().join("orders-1/00000000000000000000.log"), []).unwrap();
    fs::write(temp.path().join("orders-1/00000000000000000000.index"), []).unwrap();
    let part = groups(&[temp.path().to_str().unwrap()], 0);
    let lag = |text: &str| {
        let line = text.lines().find(|line| line.starts_with("consumer-alive")).unwrap();
        line.split_whitespace().last().unwrap().to_owned()
    };
    assert_eq!((lag(&whole), lag(&part)), ("8".to_owned(), "8".to_owned()));
}

#[test]
fn a_log_whose_end_is_no_file_is_told_with_the_exit_status_for_it() {
    let temp = TempDir::new().unwrap();
    copy_folder(&broker(), temp.path());
    let name = "orders-1/00000000000000000100.log";
    std::os::unix::fs::symlink("/dev/null", temp.path().join(name)).unwrap();
    let told = predicate::str::contains(format!("{name}: a link, which is not followed"));
    let assert = logcompact().arg("groups").arg(temp.path()).assert().code(1).stderr(told);
    assert.stdout(predicate::str::is_match("consumer-alive .* 8[+][?]").unwrap());
}

#[test]
fn what_is_no_file_is_named_and_not_followed() {
    use std::os::unix::fs::symlink;
    let temp = TempDir::new().unwrap();
    copy_folder(&broker(), temp.path());
    let log = temp.path().join("__consumer_offsets-1/00000000000000000900.log");
    symlink(broker().join("orders-0/00000000000000000000.log"), &log).unwrap();
    symlink(broker().join("__consumer_offsets-0"), temp.path().join("__consumer_offsets-7"))
        .unwrap();
    let told = predicate::str::contains("__consumer_offsets-7: a link, which is not followed")
        .and(predicate::str::contains("00000000000000000900.log: a link, which is not followed"));
    let stdout = groups(&[broker().to_str().unwrap()], 0);
    logcompact().arg("groups").arg(temp.path()).assert().code(1).stdout(stdout).stderr(told);
}

#[test]
fn a_batch_that_is_being_appended_is_no_damage() {
    let temp = TempDir::new().unwrap();
    copy_folder(&broker(), temp.path());
    let path = temp.path().join("__consumer_offsets-1/00000000000000000000.log");
    let bytes = fs::read(&path).unwrap();
    fs::write(&path, &bytes[..bytes.len() - 5]).unwrap();
    logcompact().arg("groups").arg(temp.path()).assert().success();
}

#[test]
fn records_that_a_later_kafka_wrote_are_counted_and_told() {
    let temp = TempDir::new().unwrap();
    let mut log = Log::create(temp.path(), "__consumer_offsets-0");
    let (later_type, known) = ([number(99), text("x")].concat(), commit_key("g", "t"));
    let later_version = [number(9), vec![0; 20]].concat();
    log.batch(&[
        (Some(&later_type), Some(b"whatever")),
        commit(&known, &commit_value(5, -1)),
        commit(&commit_key("h", "t"), &later_version),
    ])
    .flush();
    assert_eq!(committed(temp.path()), BTreeMap::from([("g".to_owned(), 5)]));
    let told = predicate::str::contains("1 record of type 99, or a version of it")
        .and(predicate::str::contains("1 record of type 1, or a version of it"));
    logcompact().arg("groups").arg(temp.path()).assert().success().stderr(told);
}

#[test]
fn a_commit_behind_the_end_of_its_log_and_one_that_has_expired_are_told() {
    let temp = TempDir::new().unwrap();
    let mut log = Log::create(temp.path(), "__consumer_offsets-0");
    log.batch(&[
        commit(&commit_key("ahead", "t"), &commit_value(5, -1)),
        commit(&commit_key("expired", "t"), &commit_value(1, 1_700_000_000_001)),
        commit(&commit_key("elsewhere", "u"), &commit_value(1, -1)),
    ])
    .flush();
    Log::create(temp.path(), "t-0").batch(&[support::log::put("k", "v"); 2]).flush();
    let assert = logcompact().arg("groups").arg(temp.path()).arg("--all-groups").assert();
    let words = |line: &str| line.split_whitespace().collect::<Vec<_>>().join(" ");
    let stdout = String::from_utf8(assert.get_output().stdout.clone()).unwrap();
    let lines: Vec<String> = stdout.lines().map(words).collect();
    for line in ["ahead t 0 5 2 -3 - - -", "expired t 0 1 2 1 - - -", "elsewhere u 0 1 - - - - -"] {
        assert!(lines.iter().any(|own| own == line), "{stdout}");
    }
    let told = predicate::str::contains("group ahead: the log of t-0 ends 3 offsets before what")
        .and(predicate::str::contains("group expired: 1 commit past the time"));
    assert.success().stderr(told);
}

#[test]
fn an_offset_below_zero_is_a_commit_of_none() {
    let temp = TempDir::new().unwrap();
    let mut log = Log::create(temp.path(), "__consumer_offsets-0");
    log.batch(&[
        commit(&commit_key("none", "t"), &commit_value(-1, -1)),
        commit(&commit_key("none", "u"), &commit_value(1, -1)),
    ])
    .flush();
    for topic in ["t-0", "u-0"] {
        Log::create(temp.path(), topic).batch(&[support::log::put("k", "v"); 2]).flush();
    }
    let dir = temp.path().to_str().unwrap();
    let table = groups(&[dir, "--group", "none"], 0);
    let of_none = predicate::str::is_match("none +t +0 +- +2 +- ").unwrap();
    assert!(of_none.eval(&table), "{table}");
    // What was written is not lost.
    let lines = of_type(&objects(&everything(temp.path())), "offset");
    assert_eq!((lines[0]["offset"].as_i64(), lines[0]["lag"].as_i64()), (Some(-1), None));
    let read = logcompact().args(["dump", dir, "--group", "none", "--print", "offset"]).assert();
    read.success().stdout("Offset:1\n");
}

#[test]
fn of_two_copies_of_a_partition_the_one_that_ends_later_counts() {
    let temp = TempDir::new().unwrap();
    let (one, two) = (temp.path().join("one"), temp.path().join("two"));
    let key = commit_key("g", "t");
    let old = commit_value(5, -1);
    Log::create(&one, "__consumer_offsets-0").batch(&[commit(&key, &old)]).flush();
    let mut log = Log::create(&two, "__consumer_offsets-0");
    log.batch(&[commit(&key, &old)]).batch(&[commit(&key, &commit_value(6, -1))]).flush();
    for dirs in [[&one, &two], [&two, &one]] {
        let assert = logcompact().arg("groups").args(dirs).args(["--group", "g"]).assert();
        let assert = assert.stderr(predicate::str::contains("__consumer_offsets-0 is there twice"));
        assert.success().stdout(predicate::str::is_match("g +t +0 +6 ").unwrap());
    }
}

#[test]
fn the_library_says_where_a_group_is_to_read_on() {
    let sources = find_partitions(&[broker()]).unwrap();
    let committed = groups::read(&sources).unwrap().committed("half-deleted").unwrap();
    let at = TopicPartition { topic: "orders".into(), partition: 1 };
    let offsets: Vec<_> = committed.into_iter().map(|(at, offset)| (at, offset.0)).collect();
    assert_eq!(offsets, [(at, 7)]);
    assert!(groups::read(&sources).unwrap().committed("nobody").is_none());
}

#[test]
fn names_cannot_reach_the_terminal() {
    let temp = TempDir::new().unwrap();
    let key = commit_key("evil\u{1b}[2J", "t");
    let mut log = Log::create(temp.path(), "__consumer_offsets-0");
    log.batch(&[commit(&key, &commit_value(5, -1))]).flush();
    let text = groups(&[temp.path().to_str().unwrap()], 0);
    assert!(text.contains("evil\\u{1b}[2J") && !text.contains('\u{1b}'), "{text}");
}
