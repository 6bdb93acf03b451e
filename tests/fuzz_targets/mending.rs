//! A directory of any bytes, repaired, or compacted with its damage skipped: what comes out is
//! sound, and to do it again changes nothing.

use std::path::Path;

use logcompact::compact::{
    CompactOptions, NullKeys, OnDamage, Output, Policy, Rewrites, RoundOptions, TopicConfig,
};
use logcompact::disk::Disk;
use logcompact::format::MessageFormat;
use logcompact::repair::{How, RepairOptions};
use logcompact::report::{NoProgress, PartitionOutcome, PartitionRepair, RepairOutcome};
use logcompact::segment::find_partitions;
use logcompact::units::Timestamp;
use logcompact::verify::Severity;

use super::directory::{contents, unpack};

/// Repairs the partition, and compacts the repaired one as if nothing had ever been wrong with it.
pub fn repair_directory(data: &[u8]) {
    let Some(unpacked) = unpack(data) else { return };
    let how = if unpacked.options[0] & 1 == 1 { How::Skip } else { How::Truncate };
    let source = &unpacked.partition;
    let before = contents(source);
    let report = repair(source, &unpacked.out, how);
    assert!(contents(source) == before, "the source was changed");
    let written = unpacked.out.join("t-0");
    if report.outcome == RepairOutcome::Failed {
        assert!(report.reason.is_some_and(|reason| !reason.is_empty()));
        assert!(!written.exists());
        return;
    }
    let again = repair(&written, &unpacked.out.with_file_name("again"), how);
    assert_eq!((again.bytes_lost, again.records_lost), (0, 0));
    // What a broker's recovery keeps stays where a log is cut like that.
    if how == How::Skip || report.damage.iter().all(|damage| !damage.action.starts_with("kept")) {
        is_sound(&written, &[]);
        assert_eq!(again.outcome, RepairOutcome::Unchanged, "{again:?}");
        let compacted = unpacked.out.with_file_name("compacted");
        assert_ne!(compact(&written, &compacted, OnDamage::Fail), PartitionOutcome::Failed);
    }

    for (name, on_damage) in [("skipped", OnDamage::Skip), ("kept", OnDamage::Keep)] {
        let out = unpacked.out.with_file_name(name);
        let outcome = compact(source, &out, on_damage);
        assert_ne!(outcome, PartitionOutcome::Failed, "{name}");
        if on_damage == OnDamage::Skip && how == How::Skip {
            // Compaction carries over what is no log; the indexes that it writes are new.
            let carried = ["txnindex-entry", "txnindex-order", "txnindex-size", "txnindex-missing"];
            is_sound(&out.join("t-0"), &[&carried[..], &["snapshot"]].concat());
        }
    }
}

fn repair(source: &Path, out: &Path, how: How) -> PartitionRepair {
    let options = RepairOptions {
        how,
        out: Some(out.to_path_buf()),
        dry_run: false,
        index_interval_bytes: 100,
        disk: Disk::default(),
    };
    let sources = find_partitions(&[source.to_path_buf()]).unwrap();
    let report = logcompact::repair::run(&sources, &options, &NoProgress);
    report.expect("a run ends with a report").partitions.pop().unwrap()
}

fn compact(source: &Path, out: &Path, on_damage: OnDamage) -> PartitionOutcome {
    let policy = Policy {
        topic: TopicConfig { index_interval_bytes: 100, ..TopicConfig::default() },
        now: Timestamp(1_700_000_100_000),
        include_active: true,
        null_keys: NullKeys::Drop,
        drop_tombstones: false,
        empty_is_tombstone: false,
        message_format: MessageFormat::Magic2,
        on_damage,
        rewrites: Rewrites::default(),
        key_hash_bits: 64,
    };
    let options = CompactOptions {
        policy,
        output: Output::Folder(out.to_path_buf()),
        disk: Disk::default(),
        dry_run: false,
        memory_limit_bytes: 64 << 20,
        witness: None,
        temp_dir: None,
        rounds: RoundOptions { keep_rounds: 0, ..RoundOptions::default() },
    };
    let sources = find_partitions(&[source.to_path_buf()]).unwrap();
    let report = logcompact::compact::run(&sources, &options, &NoProgress);
    report.expect("a run ends with a report").partitions.pop().unwrap().outcome
}

/// Nothing is wrong but by rules about what the command does not touch.
fn is_sound(dir: &Path, not_touched: &[&str]) {
    let sources = find_partitions(&[dir.to_path_buf()]).unwrap();
    let found = logcompact::verify::run(&sources, &NoProgress).unwrap().findings;
    let errors = found.iter().filter(|finding| finding.severity == Severity::Error);
    let wrong: Vec<_> = errors.filter(|finding| !not_touched.contains(&finding.rule)).collect();
    assert!(wrong.is_empty(), "{wrong:?}");
}
