//! Numbers that are meant to do harm: each is refused, with the file and the position where it
//! stands, and nothing is allocated, followed or waited for on its word.

mod support;

use std::fs;
use std::path::{Path, PathBuf};

use logcompact::format::codec::{Codec, Workbench};
use logcompact::format::{Batch, Decoder, Flaw};
use logcompact::segment::{OffsetCheckpoint, SnapshotError, parse_epochs, parse_snapshot};
use serde_json::Value;
use support::log::{BatchKind, PLAIN, batch_bytes, put};
use support::logcompact;

const LOG: &str = "00000000000000000000.log";
/// Where the fields of a magic 2 header lie.
const LENGTH: usize = 8;
const ATTRIBUTES: usize = 22;
const LAST_DELTA: usize = 23;
const COUNT: usize = 57;
const BODY: usize = 61;

/// A sound batch with offsets 0 and 1, for what is hostile to stand behind.
fn sound() -> Vec<u8> {
    batch_bytes(0, 0, PLAIN, &[put("A", "one"), put("B", "two")])
}

/// A batch that was changed, with length and checksum made right again.
fn spoiled(base: i64, spoil: impl FnOnce(&mut Vec<u8>)) -> Vec<u8> {
    let mut batch = batch_bytes(base, 0, PLAIN, &[put("H", "hostile"), put("I", "hostile")]);
    spoil(&mut batch);
    let length = batch.len() as i32 - 12;
    batch[LENGTH..LENGTH + 4].copy_from_slice(&length.to_be_bytes());
    let crc = crc_fast::crc32_iscsi(&batch[21..]);
    batch[17..21].copy_from_slice(&crc.to_be_bytes());
    batch
}

fn set<const N: usize>(batch: &mut [u8], at: usize, bytes: [u8; N]) {
    batch[at..at + N].copy_from_slice(&bytes);
}

/// A record's bytes behind its length, as the only one of the batch.
fn with_record(base: i64, record: &[u8]) -> Vec<u8> {
    spoiled(base, |batch| {
        batch.truncate(BODY);
        batch.push((record.len() * 2) as u8);
        batch.extend_from_slice(record);
        set(batch, COUNT, 1i32.to_be_bytes());
        set(batch, LAST_DELTA, 0i32.to_be_bytes());
    })
}

/// A message of magic 0 or 1 with a value, or a wrapper of one.
fn message(magic: u8, codec: Codec, offset: i64, value: &[u8]) -> Vec<u8> {
    let mut packed = Vec::new();
    Workbench::new().compress(codec, magic, value, &mut packed).unwrap();
    let mut checked = vec![magic, codec.id()];
    if magic == 1 {
        checked.extend_from_slice(&0i64.to_be_bytes());
    }
    checked.extend_from_slice(&(-1i32).to_be_bytes());
    checked.extend_from_slice(&(packed.len() as i32).to_be_bytes());
    checked.extend_from_slice(&packed);
    let mut message = offset.to_be_bytes().to_vec();
    message.extend_from_slice(&(checked.len() as i32 + 4).to_be_bytes());
    message.extend_from_slice(&crc32fast::hash(&checked).to_be_bytes());
    message.extend_from_slice(&checked);
    message
}

/// A wrapper of messages with these offset fields.
fn set_of(magic: u8, wrapper_offset: i64, inner: &[i64]) -> Vec<u8> {
    let inner: Vec<u8> =
        inner.iter().flat_map(|offset| message(magic, Codec::None, *offset, b"v")).collect();
    message(magic, Codec::Gzip, wrapper_offset, &inner)
}

struct Case {
    name: &'static str,
    /// What stands behind the sound batch.
    bytes: Vec<u8>,
    /// The rule of `verify` that it breaks.
    rule: &'static str,
}

fn case(name: &'static str, rule: &'static str, bytes: Vec<u8>) -> Case {
    Case { name, bytes, rule }
}

fn length_says(length: i32) -> Vec<u8> {
    let mut batch = spoiled(2, |_| {});
    set(&mut batch, LENGTH, length.to_be_bytes());
    batch
}

fn headers_that_lie() -> Vec<Case> {
    let count = |count: i32| spoiled(2, |batch| set(batch, COUNT, count.to_be_bytes()));
    let last = |delta: i32| spoiled(2, |batch| set(batch, LAST_DELTA, delta.to_be_bytes()));
    vec![
        case("count of 2^31-1", "record-count", count(i32::MAX)),
        case("count below zero", "batch-header", count(-1)),
        case("count of -2^31", "batch-header", count(i32::MIN)),
        case("length below zero", "batch-length", length_says(-1)),
        case("length of -2^31", "batch-length", length_says(i32::MIN)),
        case("length of zero", "batch-length", length_says(0)),
        case("length below a header's", "batch-length", length_says(48)),
        case("length beyond the file", "batch-torn", length_says(i32::MAX)),
        case("last delta below zero", "batch-header", last(-1)),
        case("base offset below zero", "batch-header", spoiled(-5, |_| {})),
        case(
            "last offset beyond 2^63",
            "batch-header",
            spoiled(i64::MAX - 1, |batch| {
                set(batch, LAST_DELTA, 2i32.to_be_bytes());
            }),
        ),
        case("last offset of 2^63-1", "batch-header", spoiled(i64::MAX - 1, |_| {})),
        case("codec 7", "batch-attributes", spoiled(2, |batch| batch[ATTRIBUTES] |= 7)),
    ]
}

fn records_that_lie() -> Vec<Case> {
    let length = |bytes: &[u8]| {
        spoiled(2, |batch| {
            batch.splice(BODY..=BODY, bytes.iter().copied());
        })
    };
    let minus_two = 3;
    let most: [u8; 5] = [0xfe, 0xff, 0xff, 0xff, 0x0f];
    let key_of_most = [&[0, 0, 0][..], &most, b"key"].concat();
    let value_of_most = [&[0, 0, 0, 1][..], &most, b"value"].concat();
    let headers_of_most = [&[0, 0, 0, 1, 1][..], &most, b"xx"].concat();
    let delta_of_most = [&[0, 0][..], &most, &[1, 1, 0]].concat();
    vec![
        case("varint without end", "record-length", length(&[0xff; 11])),
        case("record length of -1", "record-length", length(&[1])),
        case("record length of 2^31-1", "record-length", length(&most)),
        case("varlong without end", "record-length", with_record(2, &[0x80; 20])),
        case("key length of -2", "record-length", with_record(2, &[0, 0, 0, minus_two, 1, 0])),
        case("key of 2^31-1 bytes", "record-length", with_record(2, &key_of_most)),
        case("value of 2^31-1 bytes", "record-length", with_record(2, &value_of_most)),
        case("2^31-1 headers", "record-length", with_record(2, &headers_of_most)),
        case("-1 headers", "record-length", with_record(2, &[0, 0, 0, 1, 1, 1])),
        case("header key of -1", "record-length", with_record(2, &[0, 0, 0, 1, 1, 2, 1, 1])),
        case("offset delta of 2^31-1", "record-content", with_record(2, &delta_of_most)),
        case("offset delta of -1", "record-content", with_record(2, &[0, 0, 1, 1, 1, 0])),
    ]
}

fn sets_that_lie() -> Vec<Case> {
    let nested = |magic: u8, depth: usize| {
        let start = message(magic, Codec::None, 0, b"innermost");
        (0..depth).fold(start, |inner, _| message(magic, Codec::Gzip, 2, &inner))
    };
    let mut size_below_zero = message(1, Codec::None, 0, b"v");
    set(&mut size_below_zero, 8, (-1i32).to_be_bytes());
    let mut value_below = message(1, Codec::None, 2, b"v");
    let end = value_below.len();
    set(&mut value_below, end - 5, (-2i32).to_be_bytes());
    let crc = crc32fast::hash(&value_below[16..]);
    set(&mut value_below, 12, crc.to_be_bytes());
    let mut inner = message(1, Codec::None, 0, b"v");
    inner[12] ^= 1;
    let own_checksum_wrong = message(1, Codec::Gzip, 2, &inner);
    vec![
        case("a set in a set, magic 0", "message-set", nested(0, 2)),
        case("a set in a set, magic 1", "message-set", nested(1, 2)),
        case("a set in a set, a thousand deep", "message-set", nested(1, 1000)),
        case("a set of nothing", "message-set", message(1, Codec::Gzip, 2, b"")),
        case("an inner size of -1", "record-length", message(1, Codec::Gzip, 2, &size_below_zero)),
        case("a value length of -2", "record-length", value_below),
        case("inner offset below zero", "message-set", set_of(1, 2, &[0, -1])),
        case("inner offset of -2^63", "record-content", set_of(1, 2, &[i64::MIN, 0])),
        case("inner offset above the set's", "message-set", set_of(1, 2, &[0, i64::MAX])),
        case("inner offsets that fall", "record-content", set_of(1, 4, &[0, 2, 1])),
        case("absolute offset above", "record-content", set_of(0, 3, &[2, i64::MAX])),
        case("absolute offset below zero", "record-content", set_of(0, 3, &[-1, 3])),
        case("a checksum of its own that is wrong", "record-content", own_checksum_wrong),
        case("offsets of the batch before", "offset-order", set_of(0, 3, &[1, 3])),
    ]
}

fn write(folder: &Path, hostile: &[u8]) -> PathBuf {
    let dir = folder.join("t-0");
    fs::create_dir_all(&dir).unwrap();
    // A segment that is not the active one, where nothing may be torn.
    fs::write(dir.join(LOG), [&sound(), hostile].concat()).unwrap();
    fs::write(dir.join("00000000000000000100.log"), []).unwrap();
    dir
}

fn verified(dir: &Path) -> Vec<Value> {
    let output = logcompact().args(["verify", "--format", "json"]).arg(dir).output().unwrap();
    assert_eq!(output.status.code(), Some(1));
    let text = String::from_utf8(output.stdout).unwrap();
    text.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
}

fn refused_at_its_position(cases: Vec<Case>) {
    for Case { name, bytes, rule } in cases {
        let temp = tempfile::tempdir().unwrap();
        let dir = write(temp.path(), &bytes);
        let position = sound().len();

        let findings = verified(&dir);
        let is_it = |finding: &&Value| finding["rule"] == rule && finding["position"] == position;
        let found = findings.iter().find(is_it);
        let found = found.unwrap_or_else(|| panic!("{name}: {findings:#?}"));
        assert!(found["path"].as_str().unwrap().ends_with(LOG), "{name}");

        let out = temp.path().join("out");
        let output = logcompact().args(["compact", "-q", "--out"]).args([&out, &dir]).output();
        assert_eq!(output.unwrap().status.code(), Some(1), "{name}");
        assert!(!out.join("t-0").exists(), "{name}");
        let report = fs::read(out.join("logcompact-report.json")).unwrap();
        let report: Value = serde_json::from_slice(&report).unwrap();
        let damage = &report["partitions"][0]["damage"][0];
        assert_eq!((&damage["segment"], &damage["position"]), (&LOG.into(), &position.into()));

        // Offsets that only the batch before contradicts are shown as they are.
        if rule != "offset-order" {
            let output = logcompact().args(["dump", "--show", "all"]).arg(&dir).output().unwrap();
            let stderr = String::from_utf8(output.stderr).unwrap();
            assert_eq!(output.status.code(), Some(1), "{name}: {stderr}");
            assert!(stderr.contains(&format!("position {position}: ")), "{name}: {stderr}");
        }
    }
}

#[test]
fn a_header_that_lies_is_refused_at_its_position() {
    refused_at_its_position(headers_that_lie());
}

#[test]
fn a_record_that_lies_is_refused_at_the_position_of_its_batch() {
    refused_at_its_position(records_that_lie());
}

#[test]
fn a_message_set_that_lies_or_holds_another_is_refused_at_its_position() {
    refused_at_its_position(sets_that_lie());
}

#[test]
fn a_bomb_of_any_codec_is_refused_at_its_position_within_bounded_memory() {
    const MOST_BYTES: u64 = 1 << 30;
    let zeros = vec![0; 300 << 20];
    // A snappy byte stands for 22 at most, so there is no such bomb.
    for (codec, name) in [(Codec::Gzip, "gzip"), (Codec::Lz4, "lz4"), (Codec::Zstd, "zstd")] {
        let kind = BatchKind { attributes: codec.id().into(), ..PLAIN };
        let mut batch = batch_bytes(2, 0, kind, &[put("H", "")]);
        batch.truncate(BODY);
        Workbench::new().compress(codec, 2, &zeros, &mut batch).unwrap();
        assert!(batch.len() < 2 << 20);
        let length = batch.len() as i32 - 12;
        set(&mut batch, LENGTH, length.to_be_bytes());
        let crc = crc_fast::crc32_iscsi(&batch[21..]);
        set(&mut batch, 17, crc.to_be_bytes());

        let temp = tempfile::tempdir().unwrap();
        let dir = write(temp.path(), &batch);
        let out = temp.path().join("out");
        logcompact().args(["compact", "-q", "--out"]).args([&out, &dir]).assert().code(1);
        let report = fs::read(out.join("logcompact-report.json")).unwrap();
        let report: Value = serde_json::from_slice(&report).unwrap();
        let damage = &report["partitions"][0]["damage"][0];
        let reason = damage["reason"].as_str().unwrap();
        assert_eq!(damage["position"], sound().len());
        let wanted = format!("the {name} body decompresses to more than 268435456 bytes");
        assert_eq!(reason, wanted);
        assert!(report["peak_memory_bytes"].as_u64().unwrap() < MOST_BYTES, "{name}");
    }
}

#[test]
fn a_count_of_two_thousand_million_records_is_not_allocated() {
    let batch = spoiled(0, |batch| set(batch, COUNT, i32::MAX.to_be_bytes()));
    let batch = Batch::parse(&batch).unwrap();
    let mut decoder = Decoder::new();
    let mut records = decoder.records(&batch).unwrap();
    assert_eq!(records.by_ref().take(2).filter(Result::is_ok).count(), 2);
    assert!(matches!(records.next(), Some(Err(Flaw::Count { claimed: 0x7fff_ffff, .. }))));
    assert!(records.next().is_none());
}

#[test]
fn a_snapshot_that_counts_more_producers_than_it_holds_is_refused() {
    for count in [i32::MAX, i32::MIN, -1, 1] {
        let mut checked = count.to_be_bytes().to_vec();
        checked.extend_from_slice(&[0; 45]); // one byte less than a producer takes
        let mut bytes = 1i16.to_be_bytes().to_vec();
        bytes.extend_from_slice(&crc_fast::crc32_iscsi(&checked).to_be_bytes());
        bytes.extend_from_slice(&checked);
        assert_eq!(parse_snapshot(&bytes), Err(SnapshotError::Size), "{count}");

        let temp = tempfile::tempdir().unwrap();
        let dir = write(temp.path(), &[]);
        fs::write(dir.join("00000000000000000002.snapshot"), &bytes).unwrap();
        let findings = verified(&dir);
        let found = findings.iter().find(|finding| finding["rule"] == "snapshot").unwrap();
        assert!(found["path"].as_str().unwrap().ends_with(".snapshot"));
    }
}

#[test]
fn a_checkpoint_that_counts_more_lines_than_it_has_is_refused_with_the_line() {
    for count in ["18446744073709551615", "99999999999999999999999", "-1", "2147483648"] {
        let text = format!("0\n{count}\nt 0 1\n");
        assert_eq!(OffsetCheckpoint::parse(&text).unwrap_err().line, 2, "{count}");
        assert_eq!(parse_epochs(&format!("0\n{count}\n0 0\n")).unwrap_err().line, 2, "{count}");
    }
}

#[test]
fn index_entries_beyond_the_file_are_named_and_lead_nobody_astray() {
    let entries: [&[u8]; 4] = [
        b"\0\0\0\x01\0\0\xff\xff",
        b"\0\0\0\x01\x7f\xff\xff\xff",
        b"\0\0\0\x01\xff\xff\xff\xff",
        b"\xff\xff\xff\xff\xff\xff\xff\xff",
    ];
    for entry in entries {
        let temp = tempfile::tempdir().unwrap();
        let second = batch_bytes(2, 0, PLAIN, &[put("C", "three")]);
        let dir = write(temp.path(), &second);
        fs::write(dir.join("00000000000000000000.index"), entry).unwrap();
        fs::write(dir.join("00000000000000000000.timeindex"), [0xff; 12]).unwrap();
        let findings = verified(&dir);
        let entry_at = |file: &str| {
            findings.iter().any(|finding| {
                let at_file = finding["path"].as_str().is_some_and(|path| path.ends_with(file));
                finding["severity"] == "error" && at_file
            })
        };
        assert!(entry_at(".index"), "{findings:#?}");
        let output = logcompact().args(["dump", "--offsets", "2.."]).arg(&dir).output().unwrap();
        assert!(String::from_utf8(output.stdout).unwrap().contains("three"));
        let out = temp.path().join("out");
        logcompact().args(["compact", "-q", "--out"]).args([&out, &dir]).assert().success();
        logcompact().arg("verify").arg(out.join("t-0")).assert().success();
    }
}
