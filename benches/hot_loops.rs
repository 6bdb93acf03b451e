//! The loops that a large compaction spends its time in, one at a time, on made-up batches.
//!
//! `cargo bench` measures them; `cargo bench -- walk` those whose name has that in it.

use std::hint::black_box;
use std::path::PathBuf;

use criterion::{BenchmarkId, Criterion, Throughput, criterion_group, criterion_main};
use logcompact::bytes::{crc32c, put_varint, put_varlong, varint_len, varlong_len};
use logcompact::compact::{KeyHasher, KeySet, KeyWord, Packer, SHARDS, Shard, Words};
use logcompact::dump::{BatchView, Content, Encoding, Json, LogKind, RecordView, Sink, Source};
use logcompact::format::codec::{Codec, Room, Workbench};
use logcompact::format::{Batch, Decoder, HEADER_BYTES, Rebuild, Records};
use logcompact::segment::TopicPartition;
use logcompact::units::{Offset, Position};

const RECORDS: usize = 200;
const VALUE_BYTES: usize = 120;

/// Numbers without a pattern, the same at every run.
struct Noise(u64);

impl Noise {
    fn next(&mut self) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0
    }
}

fn key(number: u64) -> String {
    format!("user-{number:012}")
}

/// A batch of 200 records with keys among 500,000 and values of 120 letters.
fn batch(codec: Codec, noise: &mut Noise) -> Vec<u8> {
    let mut body = Vec::new();
    for delta in 0..RECORDS {
        let key = key(noise.next() % 500_000);
        let (time_delta, offset_delta) = (delta as i64, delta as i32);
        let lengths = varint_len(key.len() as i32) + varint_len(VALUE_BYTES as i32) + 1;
        let front = 1 + varlong_len(time_delta) + varint_len(offset_delta);
        put_varint(&mut body, (front + lengths + key.len() + VALUE_BYTES) as i32);
        body.push(0);
        put_varlong(&mut body, time_delta);
        put_varint(&mut body, offset_delta);
        put_varint(&mut body, key.len() as i32);
        body.extend_from_slice(key.as_bytes());
        put_varint(&mut body, VALUE_BYTES as i32);
        body.extend((0..VALUE_BYTES).map(|_| b"etaoin shrdlu,12"[noise.next() as usize % 16]));
        body.push(0);
    }
    let mut packed = Vec::new();
    Workbench::new().compress(codec, 2, &body, &mut packed).unwrap();
    let mut batch = Vec::new();
    batch.extend_from_slice(&0i64.to_be_bytes());
    batch.extend_from_slice(&((HEADER_BYTES - 12 + packed.len()) as i32).to_be_bytes());
    batch.extend_from_slice(&0i32.to_be_bytes());
    batch.push(2);
    batch.extend_from_slice(&[0; 4]);
    batch.extend_from_slice(&i16::from(codec.id()).to_be_bytes());
    batch.extend_from_slice(&(RECORDS as i32 - 1).to_be_bytes());
    batch.extend_from_slice(&1_700_000_000_000i64.to_be_bytes());
    batch.extend_from_slice(&1_700_000_000_200i64.to_be_bytes());
    batch.extend_from_slice(&(-1i64).to_be_bytes());
    batch.extend_from_slice(&(-1i16).to_be_bytes());
    batch.extend_from_slice(&(-1i32).to_be_bytes());
    batch.extend_from_slice(&(RECORDS as i32).to_be_bytes());
    batch.extend_from_slice(&packed);
    let crc = crc32c(&batch[21..]);
    batch[17..21].copy_from_slice(&crc.to_be_bytes());
    batch
}

fn log_of_a_partition() -> Source {
    let name = "00000000000000000000.log";
    let base = Offset(0);
    let (next_base, is_active, index, time_index) = (None, true, None, None);
    Source {
        path: PathBuf::from("orders-0").join(name),
        name: name.to_owned(),
        at: TopicPartition::parse("orders-0"),
        content: Content::Log(LogKind::Segment { base, next_base, is_active, index, time_index }),
        is_named: false,
    }
}

fn batches(c: &mut Criterion) {
    let mut group = c.benchmark_group("batch of 200 records");
    let plain = batch(Codec::None, &mut Noise(1));
    group.throughput(Throughput::Elements(RECORDS as u64));
    group.bench_function("parse the header", |b| b.iter(|| Batch::parse(black_box(&plain))));
    group.bench_function("compare the CRC", |b| {
        let batch = Batch::parse(&plain).unwrap();
        b.iter(|| black_box(&batch).check_crc());
    });
    group.bench_function("walk the records", |b| {
        let batch = Batch::parse(&plain).unwrap();
        let mut decoder = Decoder::new();
        b.iter(|| {
            let Ok(Records::V2(records)) = decoder.records(black_box(&batch)) else { panic!() };
            records.map(|record| record.unwrap().key.map_or(0, <[u8]>::len)).sum::<usize>()
        });
    });
    group.bench_function("walk and hash the keys", |b| {
        let batch = Batch::parse(&plain).unwrap();
        let mut decoder = Decoder::new();
        let hasher = KeyHasher::new(64);
        b.iter(|| {
            let Ok(Records::V2(records)) = decoder.records(black_box(&batch)) else { panic!() };
            let keys = records.filter_map(|record| record.unwrap().key);
            keys.map(|key| hasher.hash(key, SHARDS).within).fold(0, u32::wrapping_add)
        });
    });
    group.bench_function("sweep the records, as verify does", |b| {
        let batch = Batch::parse(&plain).unwrap();
        let mut decoder = Decoder::new();
        b.iter(|| {
            let Ok(Records::V2(records)) = decoder.records(black_box(&batch)) else { panic!() };
            records.sweep().unwrap().records
        });
    });
    group.bench_function("rebuild from every tenth record", |b| {
        let batch = Batch::parse(&plain).unwrap();
        let (mut decoder, mut workbench) = (Decoder::new(), Workbench::new());
        let (mut out, mut scratch) = (Vec::new(), Vec::new());
        b.iter(|| {
            out.clear();
            let Ok(Records::V2(records)) = decoder.records(black_box(&batch)) else { panic!() };
            let mut rebuild = Rebuild::new(&batch.header, None, &mut out, &mut scratch);
            records.step_by(10).for_each(|record| rebuild.push(&record.unwrap()));
            rebuild.finish(&mut workbench).unwrap().size_bytes
        });
    });
    group.bench_function("write a line of JSON each", |b| {
        let batch = Batch::parse(&plain).unwrap();
        let (json, source) = (Json::new(Encoding::Auto), log_of_a_partition());
        let common = json.common(&source);
        let (mut decoder, mut out) = (Decoder::new(), Vec::new());
        b.iter(|| {
            out.clear();
            let (header, position) = (batch.header, Position(0));
            let common = common.as_slice();
            let view = BatchView { source: &source, common, position, header, is_valid: true };
            let Ok(Records::V2(records)) = decoder.records(black_box(&batch)) else { panic!() };
            for record in records {
                json.record(&mut out, &RecordView { batch: &view, record: record.unwrap() })
                    .unwrap();
            }
            out.len()
        });
    });
    group.finish();
}

fn codecs(c: &mut Criterion) {
    for codec in [Codec::Gzip, Codec::Snappy, Codec::Lz4, Codec::Zstd] {
        let packed = batch(codec, &mut Noise(1));
        let packed = Batch::parse(&packed).unwrap();
        let (mut workbench, mut room) = (Workbench::new(), Room::default());
        let place = workbench.decompress_into(codec, 2, packed.body(), &mut room).unwrap();
        let body = room.get(place).to_vec();
        let mut group = c.benchmark_group(codec.name());
        group.throughput(Throughput::Bytes(body.len() as u64));
        group.bench_function("decompress", |b| {
            b.iter(|| {
                room.clear();
                workbench.decompress_into(codec, 2, black_box(packed.body()), &mut room)
            });
        });
        let mut out = Vec::new();
        group.bench_function("compress", |b| {
            b.iter(|| {
                out.clear();
                workbench.compress(codec, 2, black_box(&body), &mut out)
            });
        });
        group.finish();
    }
}

fn votes(c: &mut Criterion) {
    let mut group = c.benchmark_group("votes");
    let hasher = KeyHasher::new(64);
    for distinct in [10_000u64, 500_000, u64::MAX] {
        let mut noise = Noise(1);
        let mut ballots: Vec<Vec<(u32, Vec<u8>)>> = vec![Vec::new(); SHARDS];
        let mut words: Vec<Vec<KeyWord>> = vec![Vec::new(); SHARDS];
        let packer = Packer::like(key(0).as_bytes());
        for _ in 0..1_000_000 {
            let key = key(noise.next() % distinct);
            let hash = hasher.hash(key.as_bytes(), SHARDS);
            let mut packed = Vec::new();
            packer.pack(key.as_bytes(), &mut packed);
            ballots[hash.shard].push((hash.within, packed));
            if let Some(word) = packer.word(key.as_bytes()) {
                words[hasher.hash_word(word, SHARDS).shard].push(word);
            }
        }
        group.throughput(Throughput::Elements(1_000_000));
        group.sample_size(10);
        let counted: u64 = words.iter().map(|words| words.len() as u64).sum();
        let name = if distinct == u64::MAX { "all".to_owned() } else { distinct.to_string() };
        group.bench_function(BenchmarkId::new("a million, distinct", &name), |b| {
            b.iter(|| {
                let count = |ballot: &Vec<(u32, Vec<u8>)>| {
                    let mut shard = Shard::<[u8; 0]>::default();
                    let sight = |(hash, key): &(u32, Vec<u8>)| {
                        black_box(shard.sight((*hash, key), || [], usize::MAX));
                    };
                    ballot.iter().for_each(sight);
                    shard.held()
                };
                ballots.iter().map(count).sum::<usize>()
            });
        });
        if counted == 0 {
            continue; // keys that are too long for words
        }
        group.throughput(Throughput::Elements(counted));
        group.bench_function(BenchmarkId::new("words, distinct", &name), |b| {
            b.iter(|| {
                let count = |ballot: &Vec<KeyWord>| {
                    let mut shard = Words::<[u8; 0]>::new(&hasher);
                    let sight = |word: &KeyWord| {
                        black_box(shard.sight(*word, || [], usize::MAX));
                    };
                    ballot.iter().for_each(sight);
                    shard.held()
                };
                words.iter().map(count).sum::<usize>()
            });
        });
    }
    group.finish();
}

criterion_group!(hot_loops, batches, codecs, votes);
criterion_main!(hot_loops);
