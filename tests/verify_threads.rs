//! `verify` on segments of many stretches: threads change how long it takes, not what it finds.

mod support;

use std::fs;
use std::path::{Path, PathBuf};

use logcompact::report::NoProgress;
use logcompact::segment::find_partitions;
use logcompact::verify::{self, Verified};
use support::log::{BatchKind, Log, put};

const LOG: &str = "00000000000000000000.log";
const BATCHES: u64 = 300;
const BATCH_BYTES: usize = 80_000;

/// A segment of nearly a hundred stretches: several windows of them for up to four threads.
fn large_segment(root: &Path) -> PathBuf {
    let mut log = Log::create(root, "t-0");
    let value = "v".repeat(BATCH_BYTES / 2);
    for number in 0..BATCHES as i32 {
        let kind = BatchKind { attributes: 0, producer_id: 7, base_sequence: number * 2 };
        log.batch_of(kind, &[put("A", &value), put("B", &value)]);
    }
    log.flush()
}

fn with_threads(threads: usize, dir: &Path) -> Verified {
    let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build().unwrap();
    let sources = find_partitions(&[dir.to_path_buf()]).unwrap();
    pool.install(|| verify::run(&sources, &NoProgress).unwrap())
}

/// What any number of threads finds.
fn by_all(dir: &Path) -> Verified {
    let by_one = with_threads(1, dir);
    for threads in [2, 4, 16] {
        let verified = with_threads(threads, dir);
        assert_eq!(verified.findings, by_one.findings, "{threads} threads");
        assert_eq!(verified.summary, by_one.summary, "{threads} threads");
    }
    by_one
}

fn change(dir: &Path, change: impl FnOnce(&mut Vec<u8>)) {
    let path = dir.join(LOG);
    let mut bytes = fs::read(&path).unwrap();
    change(&mut bytes);
    fs::write(path, bytes).unwrap();
}

#[test]
fn a_segment_larger_than_a_window_is_read_to_its_end() {
    let temp = tempfile::tempdir().unwrap();
    let dir = large_segment(temp.path());
    let verified = by_all(&dir);
    assert_eq!(verified.findings, []);
    assert_eq!(verified.summary.batches, BATCHES);
    assert_eq!(verified.summary.records, BATCHES * 2);
    assert!(verified.summary.log_bytes > 20 << 20, "{:?}", verified.summary);
}

#[test]
fn damage_in_the_middle_is_found_alike_by_any_number_of_threads() {
    let temp = tempfile::tempdir().unwrap();
    let dir = large_segment(temp.path());
    let size = fs::metadata(dir.join(LOG)).unwrap().len() as usize;
    let batch = size / BATCHES as usize;
    // A wrong checksum; a length that leads astray; nothing at all over the ends of stretches; a
    // batch out of its place, whose checksum holds; and an end that is cut off.
    change(&dir, |bytes| bytes[20 * batch + 1000] ^= 1);
    change(&dir, |bytes| bytes[60 * batch + 10] ^= 1);
    change(&dir, |bytes| bytes[100 * batch + 5..112 * batch + 300].fill(0));
    change(&dir, |bytes| {
        let (before, behind) = bytes.split_at_mut(201 * batch);
        before[150 * batch..151 * batch].swap_with_slice(&mut behind[..batch]);
    });
    change(&dir, |bytes| bytes.truncate(size - 7));
    let verified = by_all(&dir);
    let found: Vec<&str> = verified.findings.iter().map(|finding| finding.rule).collect();
    for rule in ["batch-crc", "batch-length", "offset-order", "producer-sequence"] {
        assert!(found.contains(&rule), "{rule}: {found:?}");
    }
    let positions: Vec<_> = verified.findings.iter().filter_map(|f| f.position).collect();
    assert!(positions.is_sorted(), "{positions:?}");
    let lost = BATCHES - verified.summary.batches;
    assert!((15..=17).contains(&lost), "{lost} batches were not read");
}

#[test]
fn a_length_that_leads_into_the_bytes_of_a_value_does_not_split_the_log_there() {
    let temp = tempfile::tempdir().unwrap();
    let dir = large_segment(temp.path());
    let size = fs::metadata(dir.join(LOG)).unwrap().len() as usize;
    let batch = size / BATCHES as usize;
    // Lengths all through a value, so that who follows them never meets a batch again.
    change(&dir, |bytes| {
        bytes[40 * batch + 8..40 * batch + 12].copy_from_slice(&(20_000i32 - 12).to_be_bytes());
        let end = bytes.len() - 20_000;
        for at in (40 * batch + 20_000..end).step_by(20_000) {
            bytes[at + 8..at + 12].copy_from_slice(&(20_000i32 - 12).to_be_bytes());
        }
    });
    let verified = by_all(&dir);
    assert!(verified.findings.iter().any(|finding| finding.rule == "batch-crc"));
    // And once more where only one batch is gone, and each stretch behind it was cut in vain.
    let dir = large_segment(temp.path());
    change(&dir, |bytes| {
        let length = (batch * 3 / 2) as i32 - 12;
        bytes[40 * batch + 8..40 * batch + 12].copy_from_slice(&length.to_be_bytes());
    });
    let verified = by_all(&dir);
    assert_eq!(verified.summary.batches, BATCHES - 1);
}

#[test]
fn many_partitions_are_found_in_their_order_by_any_number_of_threads() {
    let temp = tempfile::tempdir().unwrap();
    for partition in 0..30 {
        let mut log = Log::create(temp.path(), &format!("small-{partition}"));
        for number in 0..=partition {
            log.batch(&[put("A", "1")]).skip_to(number).roll();
        }
        log.batch(&[put("A", "2")]).flush();
    }
    large_segment(temp.path());
    let verified = by_all(temp.path());
    assert_eq!(verified.summary.partitions, 31);
    assert!(!verified.findings.is_empty());
}
