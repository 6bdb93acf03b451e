//! The engine's promise: neither threads nor memory nor the hash of a key have a say in the output.

mod support;

use std::fs;
use std::path::{Path, PathBuf};

use logcompact::compact::{
    CompactOptions, NullKeys, OnDamage, Output, Policy, Rewrites, RoundOptions, TopicConfig,
};
use logcompact::disk::Disk;
use logcompact::format::MessageFormat;
use logcompact::report::NoProgress;
use logcompact::segment::find_partitions;
use logcompact::units::Timestamp;
use serde_json::Value;
use support::log::{BatchKind, Log, Pair, put, tombstone};
use support::{copy_folder, folders_in, logcompact, testdata};

const NOW_MS: i64 = 1_795_300_000_000;

/// Compacts and gives the report's counters of each partition.
fn compact(source: &Path, out: &Path, options: &[&str]) -> Value {
    let now = NOW_MS.to_string();
    logcompact()
        .args(["compact", "--quiet", "--now", &now, "--out"])
        .arg(out)
        .arg(source)
        .args(options)
        .assert()
        .success();
    let report = fs::read(out.join("logcompact-report.json")).unwrap();
    serde_json::from_slice(&report).unwrap()
}

/// Everything in the partition folders of `out`, by name.
fn files_in(out: &Path) -> Vec<(PathBuf, Vec<u8>)> {
    let mut files = Vec::new();
    for folder in folders_in(out) {
        for entry in fs::read_dir(out.join(&folder)).unwrap() {
            let entry = entry.unwrap();
            if entry.path().is_dir() {
                continue;
            }
            let name = Path::new(&folder).join(entry.file_name());
            files.push((name, fs::read(entry.path()).unwrap()));
        }
    }
    files.sort();
    files
}

fn without_passes(report: &Value) -> Vec<Value> {
    let mut partitions = report["partitions"].as_array().unwrap().clone();
    for partition in &mut partitions {
        let partition = partition.as_object_mut().unwrap();
        for varying in ["passes", "elapsed_ms", "destination"] {
            partition.remove(varying);
        }
    }
    partitions
}

#[test]
fn threads_and_memory_change_neither_a_byte_of_the_output_nor_a_number_of_the_report() {
    let temp = tempfile::tempdir().unwrap();
    for source in ["storage-4.1.1", "broker-3.9.1"].map(testdata) {
        let wanted = temp.path().join(source.file_name().unwrap());
        let report = compact(&source, &wanted, &["--threads", "1"]);
        let files = files_in(&wanted);
        assert!(files.len() > 50);
        for options in [
            ["--threads", "2", "--memory", "64MiB"],
            ["--threads", "16", "--memory", "1GiB"],
            ["--threads", "2", "--memory", "300KiB"],
            ["--threads", "1", "--memory", "1KiB"],
        ] {
            let out = temp.path().join("other");
            let other = compact(&source, &out, &options);
            assert!(files == files_in(&out), "{options:?}");
            assert_eq!(without_passes(&report), without_passes(&other), "{options:?}");
            fs::remove_dir_all(&out).unwrap();
        }
    }
}

/// A log of many chunks and two segments, larger than what a partition may be that has one thread.
fn log_of_many_chunks(root: &Path) -> PathBuf {
    let mut log = Log::create(root, "t-0");
    let value = "etaoin shrdlu ".repeat(12);
    for batch in 0..600u32 {
        let key = |n: u32| format!("key-{}", (batch * 100 + n).wrapping_mul(0x9e37_79b9) % 25_000);
        let keys: Vec<String> = (0..100).map(key).collect();
        let mut pairs: Vec<Pair<'_>> = keys.iter().map(|key| put(key, &value)).collect();
        pairs.iter_mut().skip(7).step_by(40).for_each(|(_, value)| *value = None);
        log.batch(&pairs);
        // By event time later ones lose to earlier ones now and then.
        log.now_ms -= if batch % 3 == 0 { 150 } else { 0 };
        if batch == 350 {
            log.roll();
        }
    }
    log.roll().batch(&[put("Z", "1")]).flush()
}

#[test]
fn threads_and_memory_change_no_byte_where_there_is_work_for_many_threads_whatever_is_asked_for() {
    let temp = tempfile::tempdir().unwrap();
    let source = log_of_many_chunks(&temp.path().join("source"));
    let bytes = |base: &str| fs::metadata(source.join(base).with_extension("log")).unwrap().len();
    assert!(bytes("00000000000000000000") > 6 << 20);
    let limits = [("1", "1GiB"), ("2", "64MiB"), ("16", "1GiB"), ("16", "2MiB")];
    let ways: [&[&str]; 4] = [
        &[],
        &["--strategy", "timestamp"],
        &["--compression", "lz4", "--segment-bytes", "3MiB"],
        &["--cleanup-policy", "compact,delete", "--retention-bytes", "4MiB", "--include-active"],
    ];
    for way in ways {
        let [mut wanted, mut wanted_in_place, mut wanted_of_rounds] = [const { None }; 3];
        for (threads, memory) in limits {
            let options = [&["--threads", threads, "--memory", memory][..], way].concat();
            let fresh = |name: &str| {
                let dir = temp.path().join(name);
                let _ = fs::remove_dir_all(&dir);
                dir
            };
            let is_same = |wanted: &mut Option<_>, files: Vec<(PathBuf, Vec<u8>)>| {
                assert!(!files.is_empty());
                *wanted.get_or_insert(files.clone()) == files
            };
            let out = fresh("out");
            compact(&source, &out, &options);
            assert!(is_same(&mut wanted, files_in(&out)), "{options:?}");
            let copy = fresh("in place");
            copy_folder(&source, &copy.join("t-0"));
            let now = NOW_MS.to_string();
            let mut command = logcompact();
            command.args(["compact", "--in-place", "-q", "--now", &now]).arg(copy.join("t-0"));
            command.args(&options).assert().success();
            assert!(is_same(&mut wanted_in_place, files_in(&copy)), "in place: {options:?}");
            if way.contains(&"compact,delete") {
                continue; // there are no rounds with it
            }
            let rounds = fresh("rounds");
            compact(&source, &rounds, &[&options[..], &["--to-offset", "20000"]].concat());
            compact(&source, &rounds, &options);
            assert!(is_same(&mut wanted_of_rounds, files_in(&rounds)), "rounds: {options:?}");
        }
    }
}

#[test]
fn keys_whose_hashes_are_all_the_same_are_still_told_apart() {
    let temp = tempfile::tempdir().unwrap();
    let mut log = Log::create(temp.path(), "t-0");
    for round in 0..6 {
        for n in 0..300 {
            let key = format!("key-{}", (n * 7 + round) % 400);
            if n % 50 == 49 {
                log.batch(&[tombstone(&key)]);
            } else {
                log.batch(&[put(&key, &format!("{round}")), put("of all", "x")]);
            }
        }
        log.roll();
    }
    let small = log.batch(&[put("Z", "1")]).flush();
    for source in [small, testdata("storage-4.1.1"), testdata("broker-3.9.1")] {
        let out = |bits: u32| temp.path().join(format!("{bits} bits"));
        for bits in [1, 64] {
            let policy = Policy {
                topic: TopicConfig::default(),
                now: Timestamp(NOW_MS),
                include_active: false,
                null_keys: NullKeys::Drop,
                drop_tombstones: false,
                empty_is_tombstone: false,
                message_format: MessageFormat::Magic2,
                on_damage: OnDamage::Fail,
                rewrites: Rewrites::default(),
                key_hash_bits: bits,
            };
            // So little memory that shards close, too.
            let memory_limit_bytes = 256 << 10;
            let (output, disk, temp_dir) = (Output::Folder(out(bits)), Disk::default(), None);
            let options = CompactOptions {
                policy,
                output,
                disk,
                dry_run: false,
                memory_limit_bytes,
                temp_dir,
                witness: None,
                rounds: RoundOptions { keep_rounds: 0, ..RoundOptions::default() },
            };
            let sources = find_partitions(std::slice::from_ref(&source)).unwrap();
            logcompact::compact::run(&sources, &options, &NoProgress).unwrap();
        }
        assert!(files_in(&out(1)) == files_in(&out(64)), "{}", source.display());
        for bits in [1, 64] {
            fs::remove_dir_all(out(bits)).unwrap();
        }
    }
}

#[test]
fn what_waits_for_its_place_in_a_file_comes_out_as_what_waits_in_memory() {
    let temp = tempfile::tempdir().unwrap();
    let spilled = temp.path().join("spilled");
    fs::create_dir(&spilled).unwrap();
    let source = testdata("broker-3.9.1");
    let (roomy, tight) = (temp.path().join("roomy"), temp.path().join("tight"));
    compact(&source, &roomy, &[]);
    let spilled_path = spilled.to_str().unwrap();
    compact(&source, &tight, &["--memory", "16KiB", "--temp-dir", spilled_path]);
    assert!(files_in(&roomy) == files_in(&tight));
    assert_eq!(fs::read_dir(&spilled).unwrap().count(), 0);
}

#[test]
fn a_temp_dir_that_is_not_there_is_refused_before_anything_is_written() {
    let temp = tempfile::tempdir().unwrap();
    let out = temp.path().join("out");
    logcompact()
        .args(["compact", "--temp-dir", "/no/such/folder", "--out"])
        .arg(&out)
        .arg(testdata("storage-4.1.1"))
        .assert()
        .code(2);
    assert!(!out.exists());
}

#[test]
fn more_keys_than_memory_has_room_for_take_more_passes_and_no_more_memory() {
    const LIMIT_BYTES: u64 = 12 << 20;
    let temp = tempfile::tempdir().unwrap();
    let mut log = Log::create(temp.path(), "t-0");
    // Every key twice, and none near its other self.
    for round in ["old", "new"] {
        for hundred in 0..4000u32 {
            let key = |n: u32| format!("key-{:08x}", (hundred * 100 + n).wrapping_mul(0x9e37_79b9));
            let keys: Vec<String> = (0..100).map(key).collect();
            let records: Vec<_> = keys.iter().map(|key| put(key, round)).collect();
            log.batch(&records);
        }
    }
    let source = log.roll().batch(&[put("Z", "1")]).flush();
    let (roomy, tight) = (temp.path().join("roomy"), temp.path().join("tight"));
    compact(&source, &roomy, &["--memory", "1GiB"]);
    let report = compact(&source, &tight, &["--memory", "12MiB"]);
    assert!(files_in(&roomy) == files_in(&tight));
    assert_eq!(report["totals"]["distinct_keys"], 400_000);
    assert_eq!(report["totals"]["records_kept"], 400_000);
    assert!(report["partitions"][0]["passes"].as_u64() > Some(1), "{report}");
    let peak_bytes = report["peak_memory_bytes"].as_u64().unwrap();
    assert!(peak_bytes <= LIMIT_BYTES, "{peak_bytes}");
}

#[test]
fn bodies_that_grow_a_thousandfold_stay_within_memory_too() {
    const LIMIT_BYTES: u64 = 24 << 20;
    const ZSTD: BatchKind = BatchKind { attributes: 4, producer_id: -1, base_sequence: -1 };
    let temp = tempfile::tempdir().unwrap();
    let mut log = Log::create(temp.path(), "t-0");
    let value = vec![b'z'; 1 << 20];
    let keys: Vec<String> = (0..40).map(|n| format!("key-{n}")).collect();
    for n in 0..400 {
        let key = keys[n % keys.len()].as_bytes();
        log.batch_of(ZSTD, &[(Some(key), Some(&value)), (Some(b"of all"), Some(b"x"))]);
    }
    let source = log.roll().batch(&[put("Z", "1")]).flush();
    let out = temp.path().join("out");
    let report = compact(&source, &out, &["--threads", "2", "--memory", "24MiB"]);
    assert_eq!(report["totals"]["records_kept"], 41);
    let peak_bytes = report["peak_memory_bytes"].as_u64().unwrap();
    assert!(peak_bytes <= LIMIT_BYTES, "{peak_bytes}");
}

/// What a chunk takes is what it comes to once its batches are opened.
#[test]
fn keys_that_are_compressed_well_and_what_is_written_without_a_codec_stay_within_memory_too() {
    // With a few batches for each thread; it was 40 MB.
    const MOST_BYTES: u64 = 20 << 20;
    const ZSTD: BatchKind = BatchKind { attributes: 4, producer_id: -1, base_sequence: -1 };
    let temp = tempfile::tempdir().unwrap();
    let mut log = Log::create(temp.path(), "t-0");
    let path = r#""tenant":"acme-corporation","region":"eu-central-1","#.repeat(40);
    for batch in 0..200 {
        let keys: Vec<String> = (0..80).map(|n| format!("{path}{}", batch * 60 + n)).collect();
        let pairs: Vec<Pair<'_>> = keys.iter().map(|key| put(key, "x")).collect();
        log.batch_of(ZSTD, &pairs);
    }
    let source = log.roll().batch(&[put("Z", "1")]).flush();
    let bytes = fs::metadata(source.join("00000000000000000000.log")).unwrap().len();
    assert!(bytes < 512 << 10, "32 MB in {bytes}");
    let ways: [&[&str]; 2] = [&[], &["--compression", "none"]];
    for way in ways {
        let [roomy, tight] =
            ["roomy", "tight"].map(|name| temp.path().join(name).join(way.concat()));
        compact(&source, &roomy, &[&["--memory", "1GiB"], way].concat());
        let options = ["--threads", "2", "--memory", "16MiB"];
        let report = compact(&source, &tight, &[&options, way].concat());
        assert!(files_in(&roomy) == files_in(&tight), "{way:?}");
        assert_eq!(report["totals"]["records_kept"], 12_020);
        let peak_bytes = report["peak_memory_bytes"].as_u64().unwrap();
        assert!(peak_bytes <= MOST_BYTES, "{way:?}: {peak_bytes}");
    }
}

#[test]
fn keys_of_a_hundred_kilobytes_stay_within_memory_too() {
    // With what an allocator keeps back for each of eight threads.
    const MOST_BYTES: u64 = 20 << 20;
    let temp = tempfile::tempdir().unwrap();
    let mut log = Log::create(temp.path(), "t-0");
    for n in 0..200u32 {
        let key = format!("{:08x}", (n % 150).wrapping_mul(0x9e37_79b9)).repeat(12_500);
        log.batch(&[put(&key, "x")]);
    }
    let source = log.roll().batch(&[put("Z", "1")]).flush();
    let (roomy, tight) = (temp.path().join("roomy"), temp.path().join("tight"));
    compact(&source, &roomy, &["--memory", "1GiB"]);
    let report = compact(&source, &tight, &["--threads", "8", "--memory", "16MiB"]);
    assert!(files_in(&roomy) == files_in(&tight));
    assert_eq!(report["totals"]["records_kept"], 150);
    let peak_bytes = report["peak_memory_bytes"].as_u64().unwrap();
    assert!(peak_bytes <= MOST_BYTES, "{peak_bytes}");
}

#[test]
fn a_later_round_that_nearly_all_lose_in_stays_within_memory_too() {
    const MOST_BYTES: u64 = 16 << 20;
    let temp = tempfile::tempdir().unwrap();
    let batches = |log: &mut Log| {
        for batch in 0..300 {
            let keys: Vec<String> = (0..1000).map(|n| format!("{:x}", batch * 1000 + n)).collect();
            let puts: Vec<_> = keys.iter().map(|key| put(key, "")).collect();
            log.batch(&puts);
        }
    };
    let mut log = Log::create(temp.path(), "t-0");
    batches(&mut log);
    batches(log.roll());
    let source = log.roll().batch(&[put("Z", "1")]).flush();
    for strategy in ["first", "offset"] {
        let out = temp.path().join(strategy);
        let options = ["--strategy", strategy, "--memory", "16MiB", "--threads", "2"];
        compact(&source, &out, &[&options[..], &["--to-offset", "299999"]].concat());
        let report = compact(&source, &out, &options);
        let peak_bytes = report["peak_memory_bytes"].as_u64().unwrap();
        assert!(peak_bytes <= MOST_BYTES, "{strategy}: {peak_bytes}");
    }
}

#[test]
fn a_small_partition_has_all_the_memory_however_many_threads_have_nothing_to_do() {
    let temp = tempfile::tempdir().unwrap();
    let mut log = Log::create(temp.path(), "t-0");
    for batch in 0..60 {
        let keys: Vec<String> = (0..1000).map(|n| format!("{:x}", batch * 1000 + n)).collect();
        log.batch(&keys.iter().map(|key| put(key, "")).collect::<Vec<_>>());
    }
    let source = log.roll().batch(&[put("Z", "1")]).flush();
    let passes = |threads: &str| {
        let out = temp.path().join(threads);
        let report = compact(&source, &out, &["--memory", "1MiB", "--threads", threads]);
        report["partitions"][0]["passes"].as_u64().unwrap()
    };
    let alone = passes("1");
    assert!(alone > 1 && passes("8") <= 2 * alone, "{alone}");
    // Each thread has buffers of its own.
    let out = temp.path().join("few");
    let report = compact(&source, &out, &["--memory", "16MiB", "--threads", "64"]);
    assert_eq!(report["threads"], 4);
}
