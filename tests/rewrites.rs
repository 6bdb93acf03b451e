//! Batches encoded anew and segments cut anew: everything but codecs, positions and sums stays as a
//! compaction without it leaves it; on random logs of all kinds, for any threads and memory, into a
//! folder and in place.

mod support;

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use base64::Engine;
use base64::prelude::BASE64_STANDARD;
use logcompact::compact::{CleanupPolicy, ErasedKeys};
use logcompact::format::codec::Codec;
use logcompact::format::{Compression, MessageFormat};
use logcompact::report::NoProgress;
use logcompact::segment::{PartitionDir, find_partitions};
use logcompact::verify::{self, Severity};
use predicates::prelude::*;
use proptest::prelude::*;
use proptest::test_runner::RngSeed;
use serde_json::Value;
use support::compacting::{Way, by, files_in};
use support::events::{Event, Kind, PLAIN, append};
use support::log::{Log, put};
use support::state::content_of;
use support::steps::{steps, write};
use support::{copy_folder, lines_of, logcompact};

/// What is asked for in a random case.
#[derive(Clone, Debug)]
struct Asked {
    compression: Option<&'static str>,
    segment_bytes: Option<u64>,
    erased: BTreeSet<u8>,
    include_active: bool,
    keeps_format: bool,
    only_delete: bool,
    strategy: &'static str,
}

fn asked() -> impl Strategy<Value = Asked> {
    let compression = prop_oneof![
        1 => Just(None),
        5 => prop::sample::select(vec!["none", "gzip:1", "snappy", "lz4", "zstd", "zstd:9"])
            .prop_map(Some)
    ];
    let segment_bytes = prop_oneof![1 => Just(None), 1 => (100u64..2000).prop_map(Some)];
    let erased = prop_oneof![
        1 => Just(BTreeSet::new()),
        1 => prop::collection::btree_set(0u8..6, 1..3)
    ];
    let strategy = prop_oneof![3 => Just("offset"), 1 => Just("timestamp"), 1 => Just("first")];
    (compression, segment_bytes, erased, any::<[bool; 2]>(), 0u8..4, strategy).prop_map(
        |(compression, segment_bytes, erased, [include_active, keeps_format], rest, strategy)| {
            let only_delete = rest == 0;
            Asked {
                compression,
                segment_bytes,
                erased,
                include_active,
                keeps_format,
                only_delete,
                strategy,
            }
        },
    )
}

impl Asked {
    /// The same without any rewriting.
    fn plain(&self) -> Way {
        let mut way = by(self.strategy);
        way.policy.include_active = self.include_active;
        if self.keeps_format {
            way.policy.message_format = MessageFormat::Keep;
        }
        if self.only_delete {
            way.policy.topic.cleanup = CleanupPolicy { compact: false, delete: true };
            way.policy.topic.retention_ms = -1;
        }
        way
    }

    fn way(&self) -> Way {
        let mut way = self.plain();
        let rewrites = &mut way.policy.rewrites;
        rewrites.compression = self.compression.map(|text| Compression::parse(text).unwrap());
        rewrites.segments_anew = self.segment_bytes.is_some();
        if !self.erased.is_empty() {
            let lines = self.erased.iter().map(|key| BASE64_STANDARD.encode([*key]));
            let list: String = lines.map(|line| format!("base64:{line}\n")).collect();
            rewrites.erased = Some(Arc::new(ErasedKeys::parse(list, usize::MAX).unwrap()));
        }
        way.policy.topic.segment_bytes = self.segment_bytes.unwrap_or(1 << 30);
        way
    }

    fn erases(&self, key: &Option<Vec<u8>>) -> bool {
        matches!(key.as_deref(), Some([key]) if self.erased.contains(key))
    }
}

/// The batches of magic 2, less what changes when they are encoded anew.
fn batches_of(dir: &Path) -> BTreeMap<i64, Value> {
    let batches = lines_of(dir).into_iter().filter(|line| line["magic"] == 2);
    batches
        .map(|mut line| {
            line.as_object_mut().unwrap().remove("codec");
            (line["base_offset"].as_i64().unwrap(), line)
        })
        .collect()
}

/// Codecs of the batches that are data, with their magic, below `end`.
fn codecs_below(dir: &Path, end: i64) -> Vec<(u8, Codec)> {
    let partition = PartitionDir::open(dir).unwrap();
    let mut codecs = Vec::new();
    for segment in partition.segments {
        let log = segment.log().unwrap();
        for (_, batch) in log.batches().map(Result::unwrap) {
            let header = batch.header;
            let is_data = !header.is_control() && header.record_count != 0;
            if is_data && header.last_offset.0 < end {
                codecs.push((header.magic, header.codec()));
            }
        }
    }
    codecs
}

fn errors_in(dir: &Path) -> Vec<String> {
    let sources = find_partitions(&[dir.to_path_buf()]).unwrap();
    let verified = verify::run(&sources, &NoProgress).unwrap();
    let errors = verified.findings.iter().filter(|found| found.severity == Severity::Error);
    errors.map(|found| format!("{}: {}", found.rule, found.message)).collect()
}

/// The sizes of a directory's logs, with how many batches each has, from the oldest on.
fn sizes(dir: &Path) -> Vec<(u64, usize)> {
    let segments = PartitionDir::open(dir).unwrap().segments;
    let batches = |segment: &logcompact::segment::Segment| segment.log().unwrap().batches().count();
    segments.iter().map(|segment| (segment.size_bytes, batches(segment))).collect()
}

/// The same of a random log, whose segments have no transaction index: neither has what is carried
/// over of them.
fn other_errors_in(dir: &Path) -> Vec<String> {
    errors_in(dir).into_iter().filter(|error| !error.starts_with("txnindex-missing")).collect()
}

fn seed() -> RngSeed {
    let asked = std::env::var("LOGCOMPACT_SEED").ok().and_then(|seed| seed.parse().ok());
    let seed = asked.unwrap_or(1);
    println!("LOGCOMPACT_SEED={seed}");
    RngSeed::Fixed(seed)
}

proptest! {
    #![proptest_config(ProptestConfig {
        cases: 40,
        failure_persistence: None,
        rng_seed: seed(),
        ..ProptestConfig::default()
    })]

    #[test]
    fn a_rewritten_log_is_the_compacted_one_less_what_is_erased(
        steps in steps(),
        asked in asked(),
    ) {
        let temp = tempfile::tempdir().unwrap();
        let mut log = Log::create(&temp.path().join("source"), "t-0").with_txn_index();
        let (_, bases) = write(&mut log, &steps);
        let source = log.flush();
        let active = if asked.include_active { i64::MAX } else { *bases.last().unwrap() };
        let (plain, _) = asked.plain().compact(&source, &temp.path().join("plain"));
        let (ours, report) = asked.way().compact(&source, &temp.path().join("ours"));
        prop_assert_eq!(other_errors_in(&ours), Vec::<String>::new());

        let plain_content = content_of(&plain);
        let mut wanted = plain_content.clone();
        wanted.records.retain(|offset, (key, _)| *offset >= active || !asked.erases(key));
        let left = content_of(&ours);
        prop_assert_eq!(&left.records, &wanted.records);
        prop_assert_eq!(left.log_end, wanted.log_end);
        if asked.erased.is_empty() {
            let kept = batches_of(&ours);
            for (base, batch) in batches_of(&plain) {
                prop_assert_eq!(kept.get(&base), Some(&batch), "batch {}", base);
            }
        }
        if let Some(text) = asked.compression {
            let wanted = Compression::parse(text).unwrap().codec;
            for (magic, codec) in codecs_below(&ours, active) {
                prop_assert!(codec == wanted || magic < 2, "{:?} of magic {}", codec, magic);
                // Outside the range, what has the codec already is a copy.
                let may_be_old = asked.keeps_format || codec == wanted;
                prop_assert!(magic == 2 || may_be_old, "magic {}", magic);
            }
        }
        if let Some(most) = asked.segment_bytes {
            let below = sizes(&ours);
            let behind = usize::from(!asked.include_active);
            for (size, batches) in &below[..below.len() - behind] {
                prop_assert!(*size <= most || *batches == 1, "{} in {}", batches, size);
            }
        }
        let erased = report.partitions[0].erased.to_vec().unwrap();
        prop_assert_eq!(erased.len() as u64, report.totals.removed.erased);
        prop_assert!(erased.windows(2).all(|pair| pair[0].offset < pair[1].offset));

        // Neither threads nor memory have a say.
        let way = Way { threads: 1, memory_bytes: 1 << 10, ..asked.way() };
        let (again, second) = way.compact(&source, &temp.path().join("again"));
        prop_assert!(files_in(&again) == files_in(&ours));
        prop_assert_eq!(second.partitions[0].erased.to_vec().unwrap(), erased);

        // In place the same is left.
        let work = temp.path().join("work").join("t-0");
        copy_folder(&source, &work);
        let way = Way { in_place: true, ..asked.way() };
        let (work, _) = way.compact(&work, temp.path());
        if asked.strategy == "offset" {
            let logs = |dir: &Path| -> Vec<_> {
                let is_log = |name: &Path| name.extension().is_some_and(|kind| kind == "log");
                files_in(dir).into_iter().filter(|(name, _)| is_log(name)).collect()
            };
            prop_assert!(logs(&work) == logs(&ours));
        }
        prop_assert_eq!(other_errors_in(&work), Vec::<String>::new());
    }
}

/// Batches of every codec, a marker among them, in two segments and an active one.
fn log_of_all_codecs(root: &Path) -> PathBuf {
    let mut log = Log::create(root, "t-0").with_txn_index();
    for number in 0..2 {
        for codec in Codec::ALL {
            let event =
                |n| Event::put(&format!("{number} {codec} {n}"), "value", 1_700_000_000_000);
            append(&mut log, Kind { codec, ..PLAIN }, &[event(0), event(1)]);
        }
        log.transactional(7, &[put(&format!("txn {number}"), "1")]).marker(7, true).roll();
    }
    let kind = Kind { codec: Codec::Gzip, ..PLAIN };
    append(&mut log, kind, &[Event::put("active", "1", 1_700_000_000_000)]);
    log.flush()
}

fn compact(source: &Path, out: &Path, options: &[&str]) -> Value {
    let mut command = logcompact();
    command.args(["compact", "-q", "--now", "1795300000000", "--out"]).arg(out).arg(source);
    command.args(options).assert().success();
    let report = fs::read_to_string(out.join("logcompact-report.json")).unwrap();
    serde_json::from_str::<Value>(&report).unwrap()["partitions"][0].clone()
}

#[test]
fn a_batch_that_has_the_codec_already_is_copied_unless_a_level_is_asked_for() {
    let temp = tempfile::tempdir().unwrap();
    let source = log_of_all_codecs(temp.path());
    let partition = compact(&source, &temp.path().join("a"), &["--compression", "zstd"]);
    // Two of zstd and two markers stay; the batches of the transactions are encoded too.
    assert_eq!(
        (&partition["batches_copied"], &partition["batches_rewritten"]),
        (&4.into(), &10.into())
    );
    let partition = compact(&source, &temp.path().join("b"), &["--compression", "zstd:1"]);
    assert_eq!(
        (&partition["batches_copied"], &partition["batches_rewritten"]),
        (&2.into(), &12.into())
    );
    let codecs: Vec<Value> = lines_of(&temp.path().join("b/t-0"))
        .into_iter()
        .filter(|line| line.get("codec").is_some())
        .map(|line| serde_json::json!([line["control"], line["codec"]]))
        .collect();
    let batch = |control: bool, codec: &str| serde_json::json!([control, codec]);
    let data = || std::iter::repeat_n(batch(false, "zstd"), 6).chain([batch(true, "none")]);
    let wanted: Vec<Value> = data().chain(data()).chain([batch(false, "gzip")]).collect();
    assert_eq!(codecs, wanted);
    compact(&source, &temp.path().join("c"), &["--compression", "none", "--include-active"]);
    let codecs = codecs_below(&temp.path().join("c/t-0"), i64::MAX);
    assert_eq!(codecs, [(2, Codec::None); 13]);
}

#[test]
fn a_level_is_the_codecs_own_or_refused() {
    let temp = tempfile::tempdir().unwrap();
    let source = log_of_all_codecs(temp.path());
    let out = temp.path().join("out");
    for (text, what) in [
        ("lz4:18", "the levels of lz4 are 1 to 17"),
        ("snappy:1", "snappy has no levels"),
        ("gzip:10", "the levels of gzip are 1 to 9"),
        ("zstd:23", "to 22"),
        ("brotli", "expected none, gzip, snappy, lz4 or zstd"),
    ] {
        logcompact()
            .args(["compact", "--compression", text, "--out"])
            .args([&out, &source])
            .assert()
            .code(2)
            .stderr(predicate::str::contains(what));
        assert!(!out.exists());
    }
}

#[test]
fn a_higher_level_takes_less_room() {
    let temp = tempfile::tempdir().unwrap();
    let mut log = Log::create(temp.path(), "t-0");
    for batch in 0..20 {
        let text =
            |n: i32| format!("{} {} {}", n * 7919 % 1000, n * n % 977, (n ^ batch) * 31 % 89);
        let pairs: Vec<(String, String)> =
            (0..200).map(|n| (format!("key {batch} {n}"), text(n))).collect();
        let pairs: Vec<_> = pairs.iter().map(|(key, value)| put(key, value)).collect();
        log.batch(&pairs);
    }
    let source = log.roll().flush();
    for levels in
        [&["zstd:-20", "zstd:3", "zstd:19"][..], &["gzip:1", "gzip:9"], &["lz4:9", "lz4:17"]]
    {
        let size = |level: &&str| {
            let out = temp.path().join(level);
            compact(&source, &out, &["--compression", level])["bytes_after"].as_u64().unwrap()
        };
        let sizes: Vec<u64> = levels.iter().map(size).collect();
        assert!(sizes.is_sorted_by(|a, b| a > b), "{levels:?}: {sizes:?}");
    }
}

#[test]
fn old_formats_that_are_kept_are_encoded_as_far_as_they_can_be() {
    let temp = tempfile::tempdir().unwrap();
    let mut log = Log::create(temp.path(), "t-0");
    for magic in [0, 1] {
        for codec in [Codec::None, Codec::Gzip] {
            let event = |n| Event::put(&format!("{magic} {codec} {n}"), "value", 1_700_000_000_000);
            append(&mut log, Kind { magic, codec, ..PLAIN }, &[event(0), event(1)]);
        }
    }
    let source = log.roll().batch(&[put("a", "1")]).flush();
    let of = |codec: Codec| -> Vec<(u8, Codec)> {
        let magic = |magic| [(magic, Codec::None), (magic, Codec::None), (magic, codec)];
        [0, 1].into_iter().flat_map(magic).collect()
    };
    for (asked, left, warned) in [
        ("lz4", Codec::Lz4, 4),
        ("snappy", Codec::Snappy, 4),
        ("zstd", Codec::Gzip, 6),
        ("none", Codec::Gzip, 2),
    ] {
        let out = temp.path().join(asked);
        logcompact()
            .args(["compact", "--message-format", "keep", "--compression", asked, "--out"])
            .args([&out, &source])
            .assert()
            .success()
            .stderr(predicate::str::contains(format!(
                "{warned} of the messages and message sets of magic 0 and 1 keep their codec"
            )));
        assert_eq!(codecs_below(&out.join("t-0"), 8), of(left), "{asked}");
        assert_eq!(content_of(&out.join("t-0")), content_of(&source), "{asked}");
        let magic_2 = temp.path().join(format!("{asked} 2"));
        compact(&source, &magic_2, &["--compression", asked]);
        let codec = Codec::from_name(asked).unwrap();
        assert_eq!(codecs_below(&magic_2.join("t-0"), 8), [(2, codec); 6], "{asked}");
    }
}

#[test]
fn segments_are_filled_up_to_the_size_and_no_further() {
    let temp = tempfile::tempdir().unwrap();
    let mut log = Log::create(temp.path(), "t-0").with_txn_index();
    for segment in 0..6 {
        for batch in 0..10 {
            let key = format!("key {segment} {batch}");
            log.transactional(7, &[put(&key, "x")]).marker(7, true);
            log.transactional(8, &[put(&key, "aborted")]).marker(8, false);
        }
        // One that is larger than any segment may be.
        let large = "x".repeat(if segment == 3 { 5000 } else { 10 });
        log.batch(&[put(&format!("large {segment}"), &large)]).roll();
    }
    let source = log.batch(&[put("active", "1")]).flush();
    for most in [14, 200, 1000, 3000, 1 << 20] {
        for compression in [&[][..], &["--compression", "lz4"]] {
            let out = temp.path().join(format!("{most} {}", compression.len()));
            let size = most.to_string();
            let options = [&["--segment-bytes", &size], compression].concat();
            let partition = compact(&source, &out, &options);
            let dir = out.join("t-0");
            let segments = PartitionDir::open(&dir).unwrap().segments;
            let (_active, cleaned) = segments.split_last().unwrap();
            assert_eq!(partition["segments_after"], cleaned.len());
            for (segment, next) in cleaned.iter().zip(&cleaned[1..]) {
                let size = segment.size_bytes;
                let log = next.log().unwrap();
                let first = log.batches().next().unwrap().unwrap().1.header.size_bytes as u64;
                let alone = segment.log().unwrap().batches().count() == 1;
                assert!(size <= most || alone, "{size} of {most}");
                assert!(size + first > most, "{size} and {first} of {most}");
            }
            assert!(cleaned.last().unwrap().size_bytes <= most.max(200));
            assert_eq!(errors_in(&dir), Vec::<String>::new());
            let whole = compact(&source, &out.with_extension("whole"), compression);
            assert_eq!(partition["bytes_after"], whole["bytes_after"]);
        }
    }
}

#[test]
fn a_size_in_a_topic_file_joins_as_kafka_does() {
    let temp = tempfile::tempdir().unwrap();
    let mut log = Log::create(temp.path(), "t-0");
    for segment in 0..4 {
        log.batch(&[put("a", &"x".repeat(500)), put(&format!("{segment}"), "1")]).roll();
    }
    let source = log.batch(&[put("b", "1")]).flush();
    let config = temp.path().join("topic.properties");
    fs::write(&config, "segment.bytes=1000\n").unwrap();
    let config = config.to_str().unwrap();
    // Each holds more than half of the size before, and next to nothing afterwards.
    let kafkas = compact(&source, &temp.path().join("a"), &["--topic-config", config]);
    assert_eq!(kafkas["segments_after"], 4);
    let anew = compact(&source, &temp.path().join("b"), &["--segment-bytes", "1000"]);
    assert_eq!(anew["segments_after"], 1);
}

#[test]
fn an_index_that_is_full_ends_a_segment_too() {
    let temp = tempfile::tempdir().unwrap();
    let mut log = Log::create(temp.path(), "t-0");
    for batch in 0..40 {
        log.batch(&[put(&format!("{batch}"), "x")]);
    }
    let source = log.roll().batch(&[put("b", "1")]).flush();
    let out = temp.path().join("out");
    let options = ["--segment-bytes", "1GiB", "--segment-index-bytes", "80"];
    compact(&source, &out, &[&options[..], &["--index-interval-bytes", "0"]].concat());
    let index_bytes = |kind: &str| -> Vec<u64> {
        let files = files_in(&out.join("t-0")).into_iter();
        let of_kind = files.filter(|(name, _)| name.extension().unwrap() == kind);
        of_kind.map(|(_, bytes)| bytes.len() as u64).collect()
    };
    for kind in ["index", "timeindex"] {
        let sizes = index_bytes(kind);
        assert!(sizes.iter().all(|size| *size <= 80) && sizes.len() > 5, "{kind}: {sizes:?}");
    }
    assert_eq!(errors_in(&out.join("t-0")), Vec::<String>::new());
}

#[test]
fn a_topic_that_is_not_compacted_is_encoded_and_joined_whole() {
    let temp = tempfile::tempdir().unwrap();
    let source = log_of_all_codecs(temp.path());
    let before = content_of(&source);
    let options = ["--cleanup-policy", "delete", "--retention-ms", "-1", "--compression", "zstd:3"];
    let options = [&options[..], &["--segment-bytes", "1MiB", "--include-active"]].concat();
    let out = temp.path().join("out");
    let partition = compact(&source, &out, &options);
    assert_eq!(partition["outcome"], "rewritten");
    assert_eq!(partition["records_kept"], partition["records_read"]);
    let dir = out.join("t-0");
    assert_eq!(content_of(&dir), before);
    assert_eq!(sizes(&dir).len(), 2, "one segment, and the one that a roll leaves");
    assert!(codecs_below(&dir, i64::MAX).iter().all(|(_, codec)| *codec == Codec::Zstd));
}

#[test]
fn damage_outside_the_range_is_found_while_it_is_encoded() {
    let temp = tempfile::tempdir().unwrap();
    let source = log_of_all_codecs(temp.path());
    let path = source.join(format!("{:020}.log", 0));
    let mut bytes = fs::read(&path).unwrap();
    bytes[300] ^= 1;
    fs::write(&path, bytes).unwrap();
    let out = temp.path().join("out");
    for options in [&[][..], &["--segment-bytes", "1MiB"]] {
        logcompact()
            .args(["compact", "-q", "--compression", "zstd:3", "--cleanup-policy", "delete"])
            .args(["--retention-ms", "-1", "--out"])
            .args([&out, &source])
            .args(options)
            .assert()
            .code(1)
            .stderr(predicate::str::contains("1 damaged range"));
        assert!(!out.join("t-0").exists());
        fs::remove_dir_all(&out).unwrap();
    }
    compact_skipping(&source, &out);
    assert_eq!(errors_in(&out.join("t-0")), Vec::<String>::new());
}

fn compact_skipping(source: &Path, out: &Path) {
    logcompact()
        .args(["compact", "-q", "--compression", "zstd:3", "--cleanup-policy", "delete"])
        .args(["--retention-ms", "-1", "--on-damage", "skip", "--out"])
        .args([out, source])
        .assert()
        .code(1);
}
