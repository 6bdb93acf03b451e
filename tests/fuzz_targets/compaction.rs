//! A directory of any bytes, compacted: it is left alone, or what comes out keeps all promises.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;
use std::sync::Arc;

use logcompact::compact::{
    Chosen, CleanupPolicy, CompactOptions, ErasedKeys, NullKeys, OnDamage, Output, Policy,
    Rewrites, RoundOptions, TopicConfig, run,
};
use logcompact::disk::Disk;
use logcompact::format::{Compression, Decoder, Flaw, MessageFormat};
use logcompact::report::{NoProgress, PartitionOutcome, PartitionReport};
use logcompact::segment::{PartitionDir, find_partitions};
use logcompact::units::Timestamp;
use logcompact::verify::Severity;

use super::directory::{contents, unpack};
use super::format::{Kept, records_of};

const NOW: Timestamp = Timestamp(1_700_000_100_000);

/// Compacts the partition by the options of the first bytes, and checks what must hold.
pub fn compact_directory(data: &[u8]) {
    let Some(unpacked) = unpack(data) else { return };
    let (source, options) = (&unpacked.partition, unpacked.options);
    let before = contents(source);
    let planned = compact(source, &unpacked.out, options, true);
    let report = compact(source, &unpacked.out, options, false);
    assert!(contents(source) == before, "the source was changed");
    assert_eq!(planned.outcome, report.outcome, "a dry run decides alike");
    assert_eq!(planned.counters, report.counters);
    let written = unpacked.out.join("t-0");
    if report.outcome == PartitionOutcome::Failed {
        assert!(report.reason.is_some_and(|reason| !reason.is_empty()));
        assert!(!written.exists() && report.destination.is_none());
        return;
    }
    let (input, output) = (log_of(source), log_of(&written));
    output.is_sound();
    kept(&input, &output);
    if !deletes(options) {
        // What retention drops is not looked at, and need not be sound.
        input.is_sound();
        counted(&report, &input, &output);
        newest_are_there(&input, &output);
    }
    no_new_errors(source, &written);
    if !deletes(options) {
        by_another_strategy(source, &unpacked.out.with_file_name("strategy"), options);
        rewritten(source, &unpacked.out.with_file_name("rewritten"), options);
    }

    let again = unpacked.out.with_file_name("again");
    let report = compact(&written, &again, options, false);
    assert_ne!(report.outcome, PartitionOutcome::Failed, "{:?}", report.reason);
    let second = log_of(&again.join("t-0"));
    second.is_sound();
    kept(&output, &second);
}

/// Whoever wins: what comes out was there, is counted, and no new kind of error.
fn by_another_strategy(source: &Path, out: &Path, options: [u8; 2]) {
    let name = ["timestamp", "first", "header:h"][usize::from(options[0] ^ options[1]) % 3];
    let strategy = Chosen::parse(name).unwrap();
    let report = compact_by(strategy, Rewrites::default(), source, out, options, false);
    assert_ne!(report.outcome, PartitionOutcome::Failed, "{:?}", report.reason);
    let written = out.join("t-0");
    let (input, output) = (log_of(source), log_of(&written));
    output.is_sound();
    kept(&input, &output);
    counted(&report, &input, &output);
    no_new_errors(source, &written);
}

/// Encoded and cut anew, and less the records of a key: the rest was there and is counted.
fn rewritten(source: &Path, out: &Path, options: [u8; 2]) {
    let input = log_of(source);
    // One that is a list of just itself.
    let alone =
        |key: &[u8]| ErasedKeys::parse(key, usize::MAX).ok().filter(|keys| keys.contains(key));
    let erased = input.records.iter().find_map(|record| alone(record.key.as_deref()?));
    let erased = erased.map(Arc::new);
    let compression =
        ["none", "gzip:1", "snappy", "lz4", "zstd:1"][usize::from(options[0] ^ options[1]) % 5];
    let compression = Some(Compression::parse(compression).unwrap());
    let rewrites = Rewrites { erased, compression, segments_anew: options[0] & 1 == 1 };
    let report = compact_by(Chosen::default(), rewrites, source, out, options, false);
    assert_ne!(report.outcome, PartitionOutcome::Failed, "{:?}", report.reason);
    let written = out.join("t-0");
    let output = log_of(&written);
    output.is_sound();
    kept(&input, &output);
    counted(&report, &input, &output);
    assert_eq!(report.erased.to_vec().unwrap().len() as u64, report.counters.removed.erased);
    no_new_errors(source, &written);
}

fn deletes(options: [u8; 2]) -> bool {
    options[1] & 1 == 1
}

fn compact(source: &Path, out: &Path, options: [u8; 2], dry_run: bool) -> PartitionReport {
    compact_by(Chosen::default(), Rewrites::default(), source, out, options, dry_run)
}

fn compact_by(
    strategy: Chosen,
    rewrites: Rewrites,
    source: &Path,
    out: &Path,
    options: [u8; 2],
    dry_run: bool,
) -> PartitionReport {
    let empty_is_tombstone = !strategy.is_offset();
    let bit = |at: u8| u16::from_le_bytes(options) >> at & 1 == 1;
    let topic = TopicConfig {
        delete_retention_ms: if bit(0) { 0 } else { 86_400_000 },
        segment_bytes: if bit(1) { 300 } else { 1 << 30 },
        index_interval_bytes: 100,
        cleanup: CleanupPolicy { compact: true, delete: deletes(options) },
        retention_ms: if bit(9) { 1000 } else { -1 },
        retention_bytes: if bit(10) { 500 } else { -1 },
        min_compaction_lag_ms: if bit(11) { 100_001 } else { 0 },
        min_cleanable_dirty_ratio: if bit(12) { 0.3 } else { 0.0 },
        max_compaction_lag_ms: if bit(13) { 5000 } else { i64::MAX },
        producer_id_expiration_ms: if bit(14) { 0 } else { 86_400_000 },
        strategy,
        ..TopicConfig::default()
    };
    let policy = Policy {
        topic,
        now: NOW,
        include_active: bit(2),
        null_keys: match (bit(3), bit(15)) {
            (true, _) => NullKeys::Keep,
            (false, true) => NullKeys::Fail,
            (false, false) => NullKeys::Drop,
        },
        drop_tombstones: bit(4),
        empty_is_tombstone,
        message_format: if bit(5) { MessageFormat::Keep } else { MessageFormat::Magic2 },
        on_damage: OnDamage::Fail,
        rewrites,
        key_hash_bits: if bit(6) { 1 } else { 64 },
    };
    let memory_limit_bytes = if bit(7) { 1 << 10 } else { 64 << 20 };
    let options = CompactOptions {
        policy,
        output: Output::Folder(out.to_path_buf()),
        disk: Disk::default(),
        dry_run,
        memory_limit_bytes,
        witness: None,
        temp_dir: None,
        rounds: RoundOptions { keep_rounds: 0, ..RoundOptions::default() },
    };
    let sources = find_partitions(&[source.to_path_buf()]).unwrap();
    let mut report = run(&sources, &options, &NoProgress).expect("a run ends with a report");
    report.partitions.pop().unwrap()
}

/// A log read whole.
#[derive(Default)]
struct Log {
    records: Vec<Kept>,
    /// Whether more than its keys decides: there are transactions, or control batches.
    is_transactional: bool,
    flaws: Vec<Flaw>,
}

impl Log {
    fn is_sound(&self) {
        assert!(self.flaws.is_empty(), "{:?}", self.flaws);
        let rises = |pair: &[Kept]| pair[0].offset < pair[1].offset;
        assert!(self.records.windows(2).all(rises), "offsets do not rise");
    }
}

fn log_of(dir: &Path) -> Log {
    let mut log = Log::default();
    let mut decoder = Decoder::new();
    for segment in PartitionDir::open(dir).unwrap().segments {
        let file = segment.log().unwrap();
        let batches = file.checked_batches();
        for (_, batch) in batches.filter_map(Result::ok) {
            let header = &batch.header;
            log.is_transactional |= header.is_control() || header.is_transactional();
            match records_of(&batch, &mut decoder) {
                Ok(records) => log.records.extend(records),
                Err(flaw) => log.flaws.push(flaw),
            }
        }
    }
    log
}

/// What is gone is what the report says is gone.
fn counted(report: &PartitionReport, input: &Log, output: &Log) {
    let counters = &report.counters;
    assert_eq!(counters.records_read, counters.records_kept + counters.removed.total());
    let gone = input.records.len() - output.records.len();
    assert_eq!(gone as u64, counters.removed.total());
}

/// Every record of the output was there, with the same offset and bytes.
fn kept(input: &Log, output: &Log) {
    let input: BTreeSet<&Kept> = input.records.iter().collect();
    for record in &output.records {
        assert!(input.contains(record), "a record from nowhere: {record:?}");
    }
}

/// The newest record of each key is there, unless it is a tombstone.
fn newest_are_there(input: &Log, output: &Log) {
    if input.is_transactional {
        return;
    }
    let (before, after) = (newest(input), newest(output));
    for (key, record) in before {
        if record.value.is_some() {
            assert_eq!(after.get(key), Some(&record));
        }
    }
}

fn newest(log: &Log) -> BTreeMap<&[u8], &Kept> {
    log.records.iter().filter_map(|record| Some((record.key.as_deref()?, record))).collect()
}

/// What verifies clean still does; of other errors there are no new kinds.
fn no_new_errors(source: &Path, written: &Path) {
    let rules = |dir: &Path| -> BTreeSet<(&'static str, String)> {
        let sources = find_partitions(&[dir.to_path_buf()]).unwrap();
        let found = logcompact::verify::run(&sources, &NoProgress).unwrap().findings;
        let errors = found.into_iter().filter(|finding| finding.severity == Severity::Error);
        errors.map(|finding| (finding.rule, finding.message)).collect()
    };
    let before: BTreeSet<&str> = rules(source).into_iter().map(|(rule, _)| rule).collect();
    for (rule, message) in rules(written) {
        assert!(before.contains(rule), "{rule}: {message}");
    }
}
