//! What fuzzing begins with: small pieces of what real Kafka wrote.

use std::collections::BTreeMap;
use std::fs;

use logcompact::format::codec::Codec;
use logcompact::format::{Batch, Decoder, HEADER_BYTES};
use logcompact::segment::{Kind, LogFile, PartitionDir};

use crate::fuzz_targets::directory::pack;
use crate::support::{folders_in, testdata};

/// As much of a log as a seed has; a batch that is larger comes alone.
const MOST_LOG_BYTES: usize = 1500;
const CORPORA: [&str; 2] = ["storage-4.1.1", "broker-3.9.1"];

type Seeds = Vec<(String, Vec<u8>)>;

/// The seeds of a target, by name.
pub fn of(target: &str) -> Seeds {
    match target {
        "batch" => logs(|magic| magic == 2),
        "legacy_set" => logs(|magic| magic < 2),
        "gzip" => bodies(Codec::Gzip),
        "snappy" => bodies(Codec::Snappy),
        "lz4" => bodies(Codec::Lz4),
        "zstd" => bodies(Codec::Zstd),
        "offset_index" => of_kind(Kind::Index),
        "time_index" => of_kind(Kind::TimeIndex),
        "txn_index" => of_kind(Kind::TxnIndex),
        "snapshot" => of_kind(Kind::Snapshot),
        "checkpoint" => texts(),
        "name" => names(),
        "message" => messages(),
        "directory" => directories(),
        _ => unreachable!("{target} has no seeds"),
    }
}

fn partitions() -> Vec<(String, PartitionDir)> {
    let mut found = Vec::new();
    for corpus in CORPORA {
        for folder in folders_in(&testdata(corpus)) {
            let dir = PartitionDir::open(&testdata(&format!("{corpus}/{folder}"))).unwrap();
            found.push((folder, dir));
        }
    }
    found
}

/// The first batches of a log, as many as a seed has room for.
fn head(log: &LogFile) -> &[u8] {
    let mut end = 0;
    for (position, batch) in log.batches().filter_map(Result::ok) {
        let behind = position.index() + batch.bytes.len();
        if end > 0 && behind > MOST_LOG_BYTES {
            break;
        }
        end = behind;
    }
    &log.bytes()[..end]
}

fn logs(wanted: impl Fn(u8) -> bool) -> Seeds {
    let mut seeds = Vec::new();
    for (name, dir) in partitions() {
        let Some(segment) = dir.segments.first() else { continue };
        let log = segment.log().unwrap();
        let head = head(&log);
        if Batch::parse(head).is_ok_and(|batch| wanted(batch.header.magic)) && head.len() < 6000 {
            seeds.push((name, head.to_vec()));
        }
    }
    seeds
}

fn bodies(codec: Codec) -> Seeds {
    let mut seeds = Vec::new();
    for (name, dir) in partitions() {
        for segment in dir.segments.iter().take(3) {
            let log = segment.log().unwrap();
            let mut packed = log.batches().filter_map(Result::ok).map(|(_, batch)| batch);
            let Some(batch) = packed.find(|batch| batch.header.codec() == codec) else { continue };
            let body_at = [26, 34, HEADER_BYTES][usize::from(batch.header.magic)];
            seeds.push((format!("{name}-{}", segment.base), batch.bytes[body_at..].to_vec()));
        }
    }
    seeds.retain(|(_, bytes)| bytes.len() < 4000);
    seeds.truncate(6);
    seeds
}

fn of_kind(kind: Kind) -> Seeds {
    let mut seeds = Seeds::new();
    for (name, dir) in partitions() {
        let of_segments = dir.segments.iter().map(|segment| segment.path(kind));
        let snapshots = dir.snapshots.iter().map(|offset| {
            dir.file(&logcompact::segment::FileName::new(*offset, Kind::Snapshot).to_string())
        });
        let paths: Vec<_> = match kind {
            Kind::Snapshot => snapshots.collect(),
            _ => of_segments.collect(),
        };
        let found = paths.iter().filter_map(|path| fs::read(path).ok());
        let largest = found.filter(|bytes| bytes.len() < 600).max_by_key(Vec::len);
        seeds.extend(largest.filter(|bytes| !bytes.is_empty()).map(|bytes| (name, bytes)));
    }
    seeds.truncate(8);
    seeds
}

fn texts() -> Seeds {
    let corpus = testdata("broker-3.9.1");
    let files = [
        "cleaner-offset-checkpoint",
        "lab-raw-0/leader-epoch-checkpoint",
        "lab-raw-0/partition.metadata",
        "meta.properties",
    ];
    let seed = |name: &str| (name.replace('/', "-"), fs::read(corpus.join(name)).unwrap());
    files.map(seed).into()
}

/// Records of internal topics: one of each type.
fn messages() -> Seeds {
    let topics = ["__consumer_offsets", "__transaction_state", "__share_group_state"];
    let topics = topics.into_iter().chain(["__cluster_metadata"]).enumerate();
    let mut seeds = Seeds::new();
    for (number, topic) in topics {
        let dir = PartitionDir::open(&testdata(&format!("internal-topics/{topic}-0"))).unwrap();
        let log = dir.segments[0].log().unwrap();
        let mut decoder = Decoder::new();
        let mut largest: BTreeMap<u8, Vec<u8>> = BTreeMap::new();
        for (_, batch) in log.batches().filter_map(Result::ok) {
            for record in decoder.records(&batch).unwrap() {
                let record = record.unwrap();
                let (key, value) =
                    (record.key.unwrap_or_default(), record.value.unwrap_or_default());
                let kind = key.get(1).or(value.get(1)).copied().unwrap_or_default();
                let data = [&[number as u8, key.len() as u8], key, value].concat();
                let place = largest.entry(kind).or_default();
                if data.len() > place.len() && data.len() < 300 {
                    *place = data;
                }
            }
        }
        let seed = |(kind, data)| (format!("{topic}-{kind}"), data);
        seeds.extend(largest.into_iter().map(seed));
    }
    seeds
}

fn names() -> Seeds {
    let names = [
        "00000000000000000343.log",
        "00000000000000000343.timeindex.cleaned",
        "09223372036854775807.snapshot",
        "__consumer_offsets-49",
        "..-0",
        "../t-0",
        "t-0.0123456789abcdef-delete",
    ];
    let seed = |(at, name): (usize, &str)| (at.to_string(), name.as_bytes().to_vec());
    names.into_iter().enumerate().map(seed).collect()
}

/// Whole small partitions, and the heads of the first segments of larger ones.
fn directories() -> Seeds {
    let mut seeds = Seeds::new();
    for (number, (name, dir)) in partitions().into_iter().enumerate() {
        let options = [[0, 0], [4, 0], [0x42, 1], [0x84, 0x42], [0x0c, 3], [0x21, 0x10], [0x15, 5]];
        let mut data = options[number % 7].to_vec();
        for segment in dir.segments.iter().take(4) {
            let log = segment.log().unwrap();
            let head = head(&log);
            for kind in Kind::ALL.into_iter().filter(|kind| *kind != Kind::Snapshot) {
                let path = segment.path(kind);
                let bytes = match kind {
                    Kind::Log => head.to_vec(),
                    // Entries beyond a head that is not all of the log would only be wrong.
                    _ if head.len() < log.bytes().len() => continue,
                    _ => fs::read(&path).unwrap_or_default(),
                };
                if kind == Kind::Log || (!bytes.is_empty() && bytes.len() < 600) {
                    pack(&mut data, path.file_name().unwrap().to_str().unwrap(), &bytes);
                }
            }
        }
        let mut others: Vec<String> = dir.others.clone();
        let snapshot = |offset| logcompact::segment::FileName::new(offset, Kind::Snapshot);
        others.extend(dir.snapshots.last().map(|offset| snapshot(*offset).to_string()));
        for other in others {
            let bytes = fs::read(dir.file(&other)).unwrap();
            pack(&mut data, &other, &bytes);
        }
        if number % 3 == 0 {
            pack(&mut data, "cleaner-offset-checkpoint", b"0\n1\nt 0 2\n");
            pack(&mut data, "log-start-offset-checkpoint", b"0\n1\nt 0 1\n");
        }
        if data.len() < 6000 {
            seeds.push((name, data));
        }
    }
    seeds
}
