//! `write`: lines become what a broker's log would hold of them, and nothing is written where it
//! should not be.

mod support;

use std::fs::{self, File};
use std::io::Write;
use std::path::Path;
use std::process::{Command, Stdio};

use logcompact::format::{Decoder, Header};
use logcompact::segment::{OffsetIndex, PartitionDir, parse_epochs, parse_snapshot};
use logcompact::units::Offset;
use predicates::prelude::PredicateBooleanExt;
use predicates::str::contains;
use rustix::fs::{FlockOperation, fcntl_lock};
use support::log::{Log, put};
use support::power::{Die, tree};
use support::{copy_folder, folders_in, logcompact, testdata};

const NOW: [&str; 2] = ["--now", "1700000000000"];
const ID: [&str; 2] = ["--topic-id", "AAAAAAAAQACAAAAAAAAAAA"];

/// `write` with a clock that stands still.
fn write(dir: &Path, options: &[&str], lines: impl Into<Vec<u8>>) -> assert_cmd::Command {
    let mut command = logcompact();
    command.arg("write").arg(dir).args(NOW).args(options).write_stdin(lines);
    command
}

/// What the console consumer would print.
fn console(dir: &Path, print: &str) -> Vec<u8> {
    let mut command = logcompact();
    command.arg("dump").arg(dir).args(["--format", "console", "--print", print]);
    command.assert().success().get_output().stdout.clone()
}

/// Asserts that nothing is wrong with a directory, not even a trifle.
fn assert_sound(dir: &Path) {
    logcompact().args(["verify"]).arg(dir).assert().success().stdout(contains("Nothing is wrong"));
}

/// A record as it was read back.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Read {
    offset: i64,
    timestamp: i64,
    key: Option<Vec<u8>>,
    value: Option<Vec<u8>>,
    headers: Vec<(Vec<u8>, Option<Vec<u8>>)>,
}

/// The records of each batch of each segment of a partition.
fn read(dir: &Path) -> Vec<Vec<Vec<Read>>> {
    let mut decoder = Decoder::new();
    let segments = PartitionDir::open(dir).unwrap().segments;
    let batches_of = |segment: &logcompact::segment::Segment| {
        let log = segment.log().unwrap();
        let batches = log.checked_batches().map(|item| {
            let batch = item.unwrap().1;
            let records = decoder.records(&batch).unwrap().map(|record| {
                let record = record.unwrap();
                let header =
                    |Header { key, value }: Header<'_>| (key.to_vec(), value.map(<[u8]>::to_vec));
                Read {
                    offset: record.offset.0,
                    timestamp: record.timestamp.0,
                    key: record.key.map(<[u8]>::to_vec),
                    value: record.value.map(<[u8]>::to_vec),
                    headers: record.headers().map(|item| header(item.unwrap())).collect(),
                }
            });
            records.collect::<Vec<_>>()
        });
        batches.collect::<Vec<_>>()
    };
    segments.iter().map(batches_of).collect()
}

fn all_records(dir: &Path) -> Vec<Read> {
    read(dir).into_iter().flatten().flatten().collect()
}

#[test]
fn what_goes_in_comes_out_of_the_console_consumer_byte_for_byte() {
    let mut die = Die(6);
    let mut text =
        b"{\"name\": \"Ada\", \"age\": 36}\n{\"name\": \"Grace\"}\n\n\xff\xfe\n".to_vec();
    for _ in 0..3000 {
        let len = die.throw(60);
        text.extend((0..len).map(|_| (die.throw(255) + 1) as u8).filter(|b| !b"\r\n".contains(b)));
        text.push(b'\n');
    }
    for codec in ["none", "gzip", "gzip:1", "snappy", "lz4", "lz4:12", "zstd", "zstd:19"] {
        let temp = tempfile::tempdir().unwrap();
        write(temp.path(), &["--topic", "people", "--compression", codec], text.clone())
            .assert()
            .success()
            .stdout("");
        assert!(console(&temp.path().join("people-0"), "value") == text, "{codec}");
        assert_sound(temp.path());
        let batches = read(&temp.path().join("people-0")).concat().len();
        assert!(batches > 3, "{batches} batches of {codec}");
    }
}

#[test]
fn a_line_has_headers_a_key_and_a_value_under_either_name_of_each_option() {
    let lines = "a=1;b=N!k:v:w\r\nN!N:N\n!:\n";
    let ours = [
        "--parse-key",
        "--parse-headers",
        "--key-separator=:",
        "--headers-delimiter=!",
        "--headers-separator=;",
        "--headers-key-separator==",
        "--null-marker=N",
        "--ignore-error",
    ];
    let kafkas = [
        "--property=parse.key=true",
        "--property=key.separator=:",
        "--reader-property=parse.headers=TRUE",
        "--property=headers.delimiter=!",
        "--property=headers.separator=;",
        "--property=headers.key.separator==",
        "--property=null.marker=N",
        "--property=ignore.error=true",
    ];
    let temp = tempfile::tempdir().unwrap();
    for (name, options) in [("ours", &ours), ("kafkas", &kafkas)] {
        let dir = temp.path().join(name);
        write(&dir, &[&["--topic", "t"][..], &ID, options].concat(), lines).assert().success();
    }
    let ours = temp.path().join("ours");
    let bytes = |dir: &Path| tree(dir).into_iter().map(|file| (file.0, file.1)).collect::<Vec<_>>();
    assert!(bytes(&ours) == bytes(&temp.path().join("kafkas")));
    let some = |text: &str| Some(text.as_bytes().to_vec());
    let expected = [
        (some("k"), some("v:w"), vec![(b"a".to_vec(), some("1")), (b"b".to_vec(), None)]),
        (None, None, vec![]),
        (some(""), some(""), vec![(b"".to_vec(), None)]),
    ];
    let records = all_records(&ours.join("t-0"));
    assert_eq!(records.len(), expected.len());
    for (number, (record, (key, value, headers))) in records.into_iter().zip(expected).enumerate() {
        let offset = number as i64;
        let timestamp = 1_700_000_000_000;
        assert_eq!(record, Read { offset, timestamp, key, value, headers });
    }
}

#[test]
fn a_key_goes_to_the_partition_that_kafkas_producer_chooses() {
    let temp = tempfile::tempdir().unwrap();
    let lines = "A|1\nuser1|2\nchief-scientist|3\ndirector-tech-innovation|4\nA|5\n";
    let options = ["--topic=people", "--partitions=3", "--parse-key", "--key-separator=|"];
    write(temp.path(), &options, lines).assert().success().stderr(contains("3 partitions made"));
    let keys = |n: u32| console(&temp.path().join(format!("people-{n}")), "key,value");
    assert_eq!(keys(0), b"user1\t2\nchief-scientist\t3\n");
    assert_eq!(keys(1), b"A\t1\nA\t5\n");
    assert_eq!(keys(2), b"director-tech-innovation\t4\n");
    assert_sound(temp.path());
    // librdkafka's default puts them elsewhere.
    let other = tempfile::tempdir().unwrap();
    let options = [&options[..], &["--partitioner=crc32"]].concat();
    write(other.path(), &options, lines).assert().success();
    let partition = format!("people-{}", 0xd3d9_9e8b_u32 % 3); // the CRC-32 of "A"
    let found = String::from_utf8(console(&other.path().join(partition), "key,value")).unwrap();
    assert!(found.contains("A\t1\n") && found.contains("A\t5\n"), "{found}");
}

#[test]
fn records_without_a_key_fill_a_batch_in_one_partition_after_the_other() {
    let temp = tempfile::tempdir().unwrap();
    let lines: String = (0..1000).map(|n| format!("value number {n:04}\n")).collect();
    let options = ["--topic", "t", "--partitions", "4", "--batch-size", "1000"];
    write(temp.path(), &options, lines).assert().success();
    let of = |n: i64| read(&temp.path().join(format!("t-{n}"))).concat();
    let mut batches: Vec<Vec<Read>> = Vec::new();
    let most = of(0).len();
    for round in 0..most {
        batches.extend((0..4).filter_map(|n| of(n).get(round).cloned()));
    }
    let values: Vec<_> = batches.concat().into_iter().map(|record| record.value.unwrap()).collect();
    assert!(batches.len() > 20 && batches.iter().all(|batch| batch.len() < 60));
    assert!(values.is_sorted() && values.len() == 1000);
}

#[test]
fn a_topic_keeps_its_number_of_partitions() {
    let temp = tempfile::tempdir().unwrap();
    let dir = temp.path();
    let with = |n: &'static str| ["--topic", "t", "--partitions", n];
    write(dir, &with("3"), "").assert().success();
    assert_eq!(folders_in(dir), ["t-0", "t-1", "t-2"]);
    write(dir, &["--topic", "t"], "a\n").assert().success();
    write(dir, &with("3"), "b\n").assert().success();
    for n in ["2", "4"] {
        write(dir, &with(n), "c\n").assert().code(2).stderr(contains("has the partitions 0, 1, 2"));
    }
    assert_eq!(console(dir, "value"), b"a\nb\n");
    // A topic with dots and dashes is another one.
    write(dir, &["--topic", "t-1.x"], "d\n").assert().success();
    fs::remove_dir_all(dir.join("t-1")).unwrap();
    let refusal = contains("of t only the partitions 0, 2 are here");
    write(dir, &["--topic", "t"], "e\n").assert().code(2).stderr(refusal);
    write(&dir.join("t-2"), &[], "e\n").assert().success();
    assert_eq!(console(&dir.join("t-2"), "value"), b"e\n");
    // One whose making was interrupted is made whole, as long as nothing is in it.
    write(&dir.join("half-1"), &[], "").assert().success();
    write(dir, &["--topic", "half", "--partitions", "2"], "f\n").assert().success();
    assert_eq!(console(&dir.join("half-0"), "value"), b"f\n");
    assert_sound(dir);
}

#[test]
fn segments_roll_where_a_brokers_do() {
    let temp = tempfile::tempdir().unwrap();
    let dir = temp.path().join("states-0");
    // More than segment.ms behind the first batch of the segment, not as much.
    for (now, line) in [("0", "a"), ("100", "b"), ("101", "c"), ("90", "d"), ("202", "e")] {
        let options = ["--segment-ms", "100", "--linger-ms", "0", "--timestamp", now];
        write(&dir, &options, format!("{line}\n")).assert().success();
    }
    let values = |dir: &Path| -> Vec<Vec<u8>> {
        let of = |segment: Vec<Vec<Read>>| {
            segment.concat().into_iter().flat_map(|record| record.value.unwrap()).collect()
        };
        read(dir).into_iter().map(of).collect()
    };
    assert_eq!(values(&dir), [b"ab".to_vec(), b"cd".to_vec(), b"e".to_vec()]);
    assert_sound(temp.path());
    // A batch of one record with a value of one byte is 69 bytes; two of them fit.
    let config = temp.path().join("topic.properties");
    fs::write(&config, "# a comment\nsegment.bytes=138\ncleanup.policy=delete\n").unwrap();
    let config = format!("--topic-config={}", config.display());
    let sized = temp.path().join("sized-0");
    write(&sized, &[&config, "--linger-ms=0"], "a\nb\nc\nd\ne\n").assert().success();
    assert_eq!(values(&sized), [b"ab".to_vec(), b"cd".to_vec(), b"e".to_vec()]);
    write(&sized, &[&config], "f\n").assert().success();
    assert_eq!(values(&sized)[2], b"ef");
    let snapshots = PartitionDir::open(&sized).unwrap().snapshots;
    assert_eq!(snapshots, [Offset(2), Offset(4), Offset(6)]);
    assert_sound(temp.path());
}

#[test]
fn what_a_broker_wrote_is_gone_on_with() {
    let temp = tempfile::tempdir().unwrap();
    let dirs = [testdata("broker-3.9.1"), testdata("storage-4.1.1")];
    let mut seen = 0;
    for (number, source) in dirs.iter().enumerate() {
        let root = temp.path().join(number.to_string());
        copy_folder(source, &root);
        for name in folders_in(&root).into_iter().filter(|name| !name.starts_with("__")) {
            let (dir, was) = (root.join(&name), source.join(&name));
            let before = PartitionDir::open(&was).unwrap();
            let last = before.segments.last().unwrap();
            let end =
                all_records(&was).last().map_or(last.base.0, |r| r.offset + 1).max(last.base.0);
            write(&dir, &["--parse-key"], "k1\tv1\nk2\tv2\n").assert().success();
            let after = PartitionDir::open(&dir).unwrap();
            for (one, other) in before.segments.iter().zip(&after.segments) {
                let (one, other) = (one.log().unwrap(), other.log().unwrap());
                assert!(other.bytes().starts_with(one.bytes()), "{name}: not an append");
            }
            let records = all_records(&dir);
            let new = &records[records.len() - 2..];
            assert!(new[0].offset >= end && new[1].offset == new[0].offset + 1, "{name}: {new:?}");
            assert_eq!(new[1].key, Some(b"k2".to_vec()), "{name}");
            // What is known of producers is still known, and terms do not go back.
            let newest = |dir: &PartitionDir| -> Option<Vec<_>> {
                let file = format!("{:020}.snapshot", dir.snapshots.last()?.0);
                let mut entries = parse_snapshot(&fs::read(dir.file(&file)).unwrap()).unwrap();
                entries.sort_by_key(|entry| entry.producer_id);
                Some(entries)
            };
            if before.snapshots.last().is_some_and(|at| at.0 == new[0].offset) {
                assert_eq!(newest(&before), newest(&after), "{name}");
            }
            assert_eq!(after.snapshots.last().map(|at| at.0), Some(new[1].offset + 1), "{name}");
            let text = fs::read_to_string(dir.join("leader-epoch-checkpoint")).unwrap();
            let epoch = parse_epochs(&text).unwrap().last().unwrap().epoch;
            let log = after.segments.last().unwrap().log().unwrap();
            let batch = log.batches().last().unwrap().unwrap().1.header;
            assert_eq!(batch.leader_epoch, epoch, "{name}");
            seen += 1;
        }
        logcompact().arg("verify").arg(&root).assert().success();
    }
    assert!(seen > 20);
    // Its own mark of a clean shutdown is there again, as it was.
    let mark = ".kafka_cleanshutdown";
    let said = |dir: &Path| fs::read(dir.join(mark)).unwrap();
    assert_eq!(said(&temp.path().join("0")), said(&dirs[0]));
}

#[test]
fn a_line_that_is_no_record_ends_the_run_and_what_came_before_is_written() {
    let temp = tempfile::tempdir().unwrap();
    let dir = temp.path().join("t-0");
    let message = contains("standard input line 3: no key separator (|)")
        .and(contains("what came before it is written: 2 records"));
    let options = ["--parse-key", "--key-separator", "|"];
    write(&dir, &options, "a|1\nb|2\nnone\nc|3\n").assert().code(2).stdout("").stderr(message);
    assert_eq!(console(&dir, "key,value"), b"a\t1\nb\t2\n");
    assert_sound(temp.path());
    let lenient = [&options[..], &["--ignore-error"]].concat();
    write(&dir, &lenient, "none\nc|3\n").assert().success();
    assert_eq!(console(&dir, "key,value"), b"a\t1\nb\t2\nnull\tnone\nc\t3\n");
    // A broker refuses records without a key in a compacted topic, and what is too large anywhere.
    let compacted = ["--cleanup-policy", "compact"];
    write(&dir, &compacted, "x\n").assert().code(2).stderr(contains("line 1: no key;"));
    let small = ["--max-message-bytes", "1000"];
    let long = format!("short\n{}\n", "x".repeat(950));
    let message = contains("line 2: a record of 950 bytes").and(contains("1 record"));
    write(&dir, &small, long).assert().code(2).stderr(message);
    let endless = "x".repeat(3 << 20);
    write(&dir, &[], endless).assert().code(2).stderr(contains("line 1: longer than 1048588"));
    assert_eq!(console(&dir, "value"), b"1\n2\nnone\n3\nshort\n");
    assert_sound(temp.path());
}

#[test]
fn what_cannot_be_written_to_is_refused_and_left_as_it_is() {
    let temp = tempfile::tempdir().unwrap();
    let root = temp.path();
    write(&root.join("t-0"), &[], "a\n").assert().success();
    fs::write(root.join("file"), "").unwrap();
    std::os::unix::fs::symlink(root.join("t-0"), root.join("link-0")).unwrap();
    let before = tree(root);
    for (dir, options, message) in [
        ("", &[][..], "no partition directory"),
        ("", &["--topic", "a/b"], "no name of a topic"),
        ("", &["--topic", ".."], "no name of a topic"),
        ("", &["--topic", "__consumer_offsets"], "a topic of Kafka's own"),
        ("", &["--topic", "link"], "a link"),
        ("t-0", &["--topic", "t"], "leave --topic out"),
        ("__cluster_metadata-0", &[], "a topic of Kafka's own"),
        ("file", &["--topic", "t"], "file"),
        ("t-0", &["--null-marker", ":"], "may not be equal"),
        ("t-0", &["--key-separator", ""], "may not be empty"),
        ("t-0", &["--property", "parse.key"], "expected name=value"),
        ("t-0", &["--compression", "brotli"], "expected none, gzip, snappy, lz4 or zstd"),
        ("t-0", &["--compression", "zstd:23"], "the levels of zstd are"),
        ("t-0", &["--compression", "lz4:0"], "the levels of lz4 are 1 to 17"),
        ("t-0", &["--segment-ms", "0"], "--segment-ms"),
        ("t-0", &["--linger-ms", "-1"], "below 0"),
        ("", &["--topic", "new", "--topic-id", "short"], "22 characters"),
    ] {
        let outcome = write(&root.join(dir), options, "x\n").assert();
        outcome.code(2).stdout("").stderr(contains(message));
    }
    assert!(tree(root) == before);
}

#[test]
fn nothing_is_appended_behind_damage_and_an_unfinished_write_is_cut_if_asked() {
    let temp = tempfile::tempdir().unwrap();
    let dir = temp.path().join("t-0");
    write(&dir, &["--linger-ms", "0"], "a\nb\n").assert().success();
    let log = dir.join("00000000000000000000.log");
    let whole = fs::read(&log).unwrap();
    for torn in [&whole[..whole.len() - 5], &[&whole[..], &[0; 100]].concat()] {
        fs::write(&log, torn).unwrap();
        let before = tree(&dir);
        let refusal = contains("unfinished write").and(contains("--truncate"));
        write(&dir, &[], "c\n").assert().code(2).stderr(refusal);
        assert!(tree(&dir) == before);
        write(&dir, &["--force"], "c\n").assert().success().stderr(contains("cut off"));
        assert_sound(temp.path());
        let values = console(&dir, "value");
        assert_eq!(values, if torn.len() < whole.len() { &b"a\nc\n"[..] } else { b"a\nb\nc\n" });
        fs::write(&log, &whole).unwrap();
        fs::remove_file(dir.join("00000000000000000003.snapshot")).unwrap_or_default();
    }
    // What is torn is cut off in the segment that it is in, even if that one is full.
    let torn = &whole[..whole.len() - 5];
    fs::write(&log, torn).unwrap();
    write(&dir, &["--force", "--segment-bytes", "80"], "c\n").assert().success();
    assert_eq!((read(&dir).len(), console(&dir, "value")), (2, b"a\nc\n".to_vec()));
    assert_sound(temp.path());
    fs::remove_dir_all(&dir).unwrap();
    write(&dir, &["--linger-ms", "0"], "a\nb\n").assert().success();
    let mut flipped = whole.clone();
    flipped[66] ^= 1;
    fs::write(&log, &flipped).unwrap();
    for options in [&[][..], &["--force"]] {
        let refusal = contains("position 0").and(contains("nothing is written behind damage"));
        write(&dir, options, "c\n").assert().code(2).stderr(refusal);
        assert!(fs::read(&log).unwrap() == flipped);
    }
}

#[test]
fn an_index_that_is_missing_or_wrong_is_built_anew_from_the_log() {
    let temp = tempfile::tempdir().unwrap();
    let dir = temp.path().join("t-0");
    let lines: String = (0..3000).map(|n| format!("line number {n}\n")).collect();
    let options = ["--batch-size", "500"];
    write(&dir, &options, lines).assert().success();
    let index = dir.join("00000000000000000000.index");
    let right = fs::read(&index).unwrap();
    let preallocated = [&right[..], &[0; 4096]].concat();
    let mut wrong = right.clone();
    wrong[7] ^= 4;
    for (number, bytes) in
        [Some(&preallocated), Some(&wrong), Some(&Vec::new()), None].into_iter().enumerate()
    {
        let again = temp.path().join(format!("again-{number}"));
        copy_folder(&dir, &again);
        let index = again.join("00000000000000000000.index");
        match bytes {
            Some(bytes) => fs::write(&index, bytes).unwrap(),
            None => fs::remove_file(&index).unwrap(),
        }
        write(&again, &options, "one more\n").assert().success();
        let bytes = fs::read(&index).unwrap();
        assert!(bytes.starts_with(&right) && bytes.len() < right.len() + 16, "case {number}");
        assert!(!OffsetIndex::parse(&bytes, Offset(0)).entries.is_empty());
        assert_sound(&again);
    }
}

#[test]
fn many_small_writes_do_not_leave_a_segment_without_an_index() {
    let temp = tempfile::tempdir().unwrap();
    let dir = temp.path().join("t-0");
    for _ in 0..60 {
        write(&dir, &["--index-interval-bytes", "400"], "x".repeat(50)).assert().success();
    }
    let bytes = fs::read(dir.join("00000000000000000000.index")).unwrap();
    let entries = OffsetIndex::parse(&bytes, Offset(0)).entries.len();
    assert!(entries > 5, "{entries} entries");
    assert_eq!(all_records(&dir).len(), 60);
    assert_sound(temp.path());
}

#[test]
fn a_broker_and_another_run_are_respected() {
    let temp = tempfile::tempdir().unwrap();
    let root = temp.path().join("kafka");
    copy_folder(&testdata("broker-3.9.1"), &root);
    let dir = root.join("lab-raw-0");
    let lock = File::create(root.join(".lock")).unwrap();
    let before = tree(&root);
    fcntl_lock(&lock, FlockOperation::NonBlockingLockExclusive).unwrap();
    write(&dir, &[], "x\n").assert().code(2).stderr(contains("a broker"));
    write(&root, &["--topic", "new"], "x\n").assert().code(2).stderr(contains("a broker"));
    fcntl_lock(&lock, FlockOperation::Unlock).unwrap();
    let held = File::open(&dir).unwrap();
    held.lock().unwrap();
    write(&dir, &[], "x\n").assert().code(2).stderr(contains("another logcompact"));
    held.unlock().unwrap();
    assert!(tree(&root) == before);
    let new = ["--topic", "new", "--replication-factor", "3"];
    let notes = contains("takes the partitions for strays").and(contains("one copy is written"));
    write(&root, &new, "x\n").assert().success().stderr(notes);
    fs::remove_dir_all(root.join("new-0")).unwrap();
    fs::remove_file(root.join(".kafka_cleanshutdown")).unwrap();
    write(&dir, &[], "x\n").assert().code(2).stderr(contains("not shut down cleanly"));
    write(&dir, &["--force"], "x\n").assert().success();
    assert!(!root.join(".kafka_cleanshutdown").exists(), "a broker still has its recovery to do");
}

#[test]
fn the_same_lines_and_clock_give_the_same_bytes() {
    let lines: String = (0..5000).map(|n| format!("{}\t{n}\n", n % 97)).collect();
    let temp = tempfile::tempdir().unwrap();
    let mut found = Vec::new();
    for (name, threads) in [("one", "1"), ("other", "4")] {
        let dir = temp.path().join(name);
        let options = ["--topic=t", "--partitions=5", "--parse-key", "--compression=lz4"];
        let options = [&options[..], &ID, &["--batch-size=1000", "--segment-bytes=3000"]].concat();
        let options = [&options[..], &["--threads", threads]].concat();
        write(&dir, &options, lines.clone()).assert().success();
        found.push(tree(&dir).into_iter().map(|file| (file.0, file.1)).collect::<Vec<_>>());
    }
    assert!(found[0] == found[1] && found[0].len() > 40);
}

#[test]
fn what_has_lingered_is_seen_before_the_input_ends() {
    let temp = tempfile::tempdir().unwrap();
    let dir = temp.path().join("t-0");
    let mut child = Command::new(env!("CARGO_BIN_EXE_logcompact"))
        .args(["write", "--quiet", "--linger-ms", "5"])
        .arg(&dir)
        .stdin(Stdio::piped())
        .spawn()
        .unwrap();
    let mut input = child.stdin.take().unwrap();
    for line in ["first", "second"] {
        writeln!(input, "{line}").unwrap();
        input.flush().unwrap();
        let seen = || {
            let text = console(&dir, "value");
            String::from_utf8(text).unwrap().contains(line)
        };
        while !dir.join("00000000000000000000.log").exists() || !seen() {
            assert!(child.try_wait().unwrap().is_none(), "it ended before its input");
            std::thread::sleep(std::time::Duration::from_millis(20));
        }
    }
    drop(input);
    assert!(child.wait().unwrap().success());
    assert_eq!(console(&dir, "value"), b"first\nsecond\n");
    assert_eq!(read(&dir).concat().len(), 2, "two batches");
    assert_sound(temp.path());
}

#[test]
fn a_log_without_snapshots_keeps_what_it_says_of_its_producers() {
    let temp = tempfile::tempdir().unwrap();
    let mut log = Log::create(temp.path(), "t-0");
    log.transactional(7, &[put("a", "1"), put("b", "2")]).marker(7, true);
    log.transactional(8, &[put("c", "3")]).roll();
    let dir = log.batch(&[put("d", "4")]).flush();
    write(&dir, &["--parse-key"], "e\t5\n").assert().success();
    let bytes = fs::read(dir.join("00000000000000000006.snapshot")).unwrap();
    let entries = parse_snapshot(&bytes).unwrap();
    let told: Vec<_> =
        entries.iter().map(|e| (e.producer_id, e.last_sequence, e.open_txn_first_offset)).collect();
    assert_eq!(told, [(7, 1, None), (8, 0, Some(Offset(3)))]);
}

#[test]
fn a_property_that_is_neither_true_nor_false_is_false_as_in_kafka_with_a_warning() {
    let temp = tempfile::tempdir().unwrap();
    let dir = temp.path().join("t-0");
    let warning = "neither true nor false, so false";
    for property in ["parse.key=yes", "parse.key=true,key.separator=|"] {
        write(&dir, &["--property", property], "k\tv\n")
            .assert()
            .success()
            .stderr(contains(warning));
    }
    for property in ["parse.key=TRUE", "parse.key= false"] {
        let done = write(&dir, &["--property", property], "k\tv\n").assert().success();
        done.stderr(contains(warning).not());
    }
    assert_eq!(console(&dir, "key,value"), b"null\tk\tv\nnull\tk\tv\nk\tv\nnull\tk\tv\n");
}

/// Has a shell run the program, below what the shell allows or redirects.
#[cfg(target_os = "linux")]
fn in_shell(script: &str, dir: &Path) -> std::process::Output {
    let program = assert_cmd::cargo::cargo_bin!("logcompact");
    Command::new("sh").args(["-c", script]).arg(program).arg(dir).output().unwrap()
}

#[test]
#[cfg(target_os = "linux")]
fn a_topic_of_more_partitions_than_files_may_be_open_at_first_is_written_to() {
    let temp = tempfile::tempdir().unwrap();
    let dir = temp.path().join("logs");
    let script = "ulimit -Sn 64; seq 1 400 | sed 's/.*/&=&/' | \
                  \"$0\" write \"$1\" --topic t --partitions 100 --parse-key --key-separator =";
    let output = in_shell(script, &dir);
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    assert_eq!(console(&dir, "value").split(|byte| *byte == b'\n').count(), 401);
}

#[test]
fn a_number_of_partitions_that_no_controller_would_make_is_refused_at_once() {
    let temp = tempfile::tempdir().unwrap();
    let dir = temp.path().join("logs");
    for partitions in ["10001", "4294967295"] {
        let options = ["--topic", "t", "--partitions", partitions];
        let refused = write(&dir, &options, "a\n").assert().code(2);
        refused.stderr(contains("at most 10000 are made"));
    }
    assert!(!dir.exists());
}

#[test]
#[cfg(target_os = "linux")]
fn standard_error_on_a_full_disk_changes_neither_what_is_done_nor_the_status() {
    let temp = tempfile::tempdir().unwrap();
    let dir = temp.path().join("t-0");
    let status = |script: &str| in_shell(script, &dir).status.code();
    assert_eq!(status("printf 'a\\nb\\n' | \"$0\" write \"$1\" 2>/dev/full"), Some(0));
    assert_eq!(console(&dir, "value"), b"a\nb\n");
    assert_eq!(status("\"$0\" verify \"$1/none\" 2>/dev/full"), Some(2));
    assert_eq!(status("\"$0\" dump \"$1/none\" 2>/dev/full"), Some(2));
}
