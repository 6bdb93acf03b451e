//! `compact --verify`: a reader that shares nothing with the engine looks at the result before it
//! gets its final names.

mod support;

use std::fs;
use std::path::Path;
use std::sync::Arc;

use logcompact::compact::{
    Claim, CompactOptions, NullKeys, OnDamage, Output, Policy, Rewrites, RoundOptions, TopicConfig,
    Witness, run,
};
use logcompact::disk::Disk;
use logcompact::format::MessageFormat;
use logcompact::report::{NoProgress, PartitionOutcome};
use logcompact::segment::{PartitionDir, find_partitions};
use logcompact::swap::Replaced;
use logcompact::units::{Offset, Timestamp};
use support::log::{Log, put, tombstone};
use support::power::tree;
use support::state::content_of;
use support::{copy_folder, logcompact, testdata};

/// Compacts real directories with `--verify`, into a folder and in place.
fn compact_and_verify(name: &str, options: &[&str]) {
    let temp = tempfile::tempdir().unwrap();
    let (out, copy) = (temp.path().join("out"), temp.path().join("copy"));
    copy_folder(&testdata(name), &copy);
    let compact = |more: &[&Path]| {
        logcompact()
            .args(["compact", "-q", "--verify", "--now", "1795300000000"])
            .args(options)
            .args(more)
            .assert()
            .success();
    };
    compact(&[&testdata(name), Path::new("--out"), &out]);
    compact(&[&copy, Path::new("--in-place"), Path::new("--force")]);
}

#[test]
fn what_we_make_of_real_directories_is_found_to_say_the_same() {
    for name in ["broker-3.9.1", "storage-4.1.1"] {
        for options in [
            &[][..],
            &["--include-active", "--drop-tombstones"],
            &["--null-keys", "keep", "--message-format", "keep"],
            &["--cleanup-policy", "compact,delete", "--retention-bytes", "1000"],
        ] {
            compact_and_verify(name, options);
        }
    }
}

#[test]
fn by_any_strategy_it_is_found_to_say_the_same_too() {
    for options in [
        &["--strategy", "timestamp", "--empty-is-tombstone", "--drop-tombstones"][..],
        &["--strategy", "first", "--cleanup-policy", "compact,delete", "--retention-bytes", "900"],
        &["--strategy", "header:version", "--include-active", "--min-compaction-lag-ms", "30d"],
    ] {
        compact_and_verify("storage-4.1.1", options);
    }
}

/// Sees what it is shown, and says that something is wrong with it.
#[derive(Debug)]
struct Doubter;

impl Witness for Doubter {
    fn differences(
        &self,
        before: &PartitionDir,
        after: PartitionDir,
        claim: &Claim,
        _: &Policy,
    ) -> Vec<String> {
        assert_eq!((claim.log_end, claim.end), (Offset(4), Offset(3)));
        let records = |dir: &PartitionDir| -> usize {
            let logs = dir.segments.iter().map(|segment| segment.log().unwrap());
            let count = |log: logcompact::segment::LogFile| {
                let batches = log.batches().map(|item| item.unwrap().1.header.record_count);
                batches.sum::<i32>() as usize
            };
            logs.map(count).sum()
        };
        assert_eq!((records(before), records(&after)), (4, 3));
        vec!["offset 1: not what it was".into()]
    }
}

#[test]
fn a_result_that_is_not_what_it_should_be_gets_no_final_name() {
    for in_place in [false, true] {
        let temp = tempfile::tempdir().unwrap();
        let mut log = Log::create(temp.path(), "t-0");
        log.batch(&[put("a", "1")]).batch(&[put("a", "2")]).batch(&[tombstone("b")]).roll();
        log.batch(&[put("active", "1")]).flush();
        let dir = temp.path().join("t-0");
        let before = tree(&dir);
        let out = temp.path().join("out");
        let output = match in_place {
            true => Output::InPlace { force: false, replaced: Replaced::Removed },
            false => Output::Folder(out.clone()),
        };
        let policy = Policy {
            topic: TopicConfig::default(),
            now: Timestamp(1_795_300_000_000),
            include_active: false,
            null_keys: NullKeys::Drop,
            drop_tombstones: false,
            empty_is_tombstone: false,
            message_format: MessageFormat::Magic2,
            on_damage: OnDamage::Fail,
            rewrites: Rewrites::default(),
            key_hash_bits: 64,
        };
        let options = CompactOptions {
            policy,
            output,
            disk: Disk::default(),
            dry_run: false,
            memory_limit_bytes: 64 << 20,
            witness: Some(Arc::new(Doubter)),
            temp_dir: None,
            rounds: RoundOptions { keep_rounds: 0, ..RoundOptions::default() },
        };
        let sources = find_partitions(std::slice::from_ref(&dir)).unwrap();
        let report = run(&sources, &options, &NoProgress).unwrap();
        let partition = &report.partitions[0];
        assert_eq!(partition.outcome, PartitionOutcome::Failed);
        assert!(partition.reason.as_ref().unwrap().contains("not what it was"));
        assert!(tree(&dir) == before);
        assert!(!out.join("t-0").exists());
    }
}

#[test]
fn damage_that_is_skipped_or_kept_is_no_difference() {
    let temp = tempfile::tempdir().unwrap();
    let dir = temp.path().join("tx-compacted-0");
    copy_folder(&testdata("broker-3.9.1/tx-compacted-0"), &dir);
    let log = dir.join("00000000000000000000.log");
    let mut bytes = fs::read(&log).unwrap();
    let state = content_of(&dir).state;
    let at = bytes.len() / 2;
    bytes[at] ^= 1;
    fs::write(&log, bytes).unwrap();
    for how in ["skip", "keep"] {
        let out = temp.path().join(how);
        logcompact()
            .args(["compact", "-q", "--verify", "--on-damage", how, "--out"])
            .args([&out, &dir])
            .assert()
            .code(1);
        assert!(out.join("tx-compacted-0").exists(), "{how}");
    }
    assert!(content_of(&temp.path().join("skip/tx-compacted-0")).state.len() <= state.len());
}

#[test]
fn offsets_that_damage_at_the_end_claims_are_not_given_again_and_that_is_no_difference() {
    let temp = tempfile::tempdir().unwrap();
    let mut log = Log::create(temp.path(), "t-0");
    for batch in 0..3 {
        log.batch(&[put("a", &batch.to_string()), put("b", "x")]);
    }
    log.flush();
    let path = temp.path().join("t-0/00000000000000000000.log");
    let mut bytes = fs::read(&path).unwrap();
    let last = bytes.len() - 3;
    bytes[last] ^= 1;
    fs::write(&path, bytes).unwrap();
    for (name, options) in [("rounds", &[][..]), ("plain", &["--keep-rounds", "0"])] {
        let out = temp.path().join(name);
        logcompact()
            .args(["compact", "-q", "--verify", "--include-active", "--on-damage", "skip"])
            .args(["--now", "1795300000000"])
            .args(options)
            .arg(temp.path().join("t-0"))
            .arg("--out")
            .arg(&out)
            .assert()
            .code(1);
        assert!(out.join("t-0/00000000000000000006.log").exists(), "{name}");
    }
}
