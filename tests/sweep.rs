//! A sweep vouches for every batch that Kafka wrote, and for none that the iterator finds fault
//! with.

mod support;

use logcompact::format::{Batch, Decoder, Flaw, Records, Sweep};
use logcompact::segment::PartitionDir;
use logcompact::units::Timestamp;
use support::{folders_in, testdata};

/// What a sweep says, and what the iterator makes of the same bytes.
fn both(bytes: &[u8], decoder: &mut Decoder) -> Option<(Option<Sweep>, Result<Sweep, Flaw>)> {
    let batch = Batch::parse(bytes).ok()?;
    let Ok(Records::V2(records)) = decoder.records(&batch) else {
        return None;
    };
    let swept = records.sweep();
    let mut read = Sweep { records: 0, largest_timestamp: Timestamp::NONE };
    for record in records {
        let record = match record {
            Ok(record) => record,
            Err(flaw) => return Some((swept, Err(flaw))),
        };
        if let Err(overrun) = record.check_headers() {
            return Some((swept, Err(Flaw::Record { index: read.records as u32, overrun })));
        }
        read.records += 1;
        read.largest_timestamp = read.largest_timestamp.max(record.timestamp);
    }
    Some((swept, Ok(read)))
}

#[test]
fn a_sweep_and_the_iterator_agree_on_what_kafka_wrote_and_on_what_became_of_it() {
    let mut decoder = Decoder::new();
    let (mut sound, mut flawed, mut state) = (0, 0, 0x9e37_79b9_7f4a_7c15u64);
    let mut random = |below: usize| {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        (state >> 20) as usize % below
    };
    for corpus in ["storage-4.1.1", "broker-3.9.1"] {
        for folder in folders_in(&testdata(corpus)) {
            let dir = PartitionDir::open(&testdata(&format!("{corpus}/{folder}"))).unwrap();
            for segment in &dir.segments {
                let log = segment.log().unwrap();
                for (_, batch) in log.batches().take(20).filter_map(Result::ok) {
                    let Some((swept, read)) = both(batch.bytes, &mut decoder) else {
                        continue;
                    };
                    assert_eq!(swept, Some(read.unwrap()), "{folder}");
                    sound += 1;
                    for _ in 0..10 {
                        let mut bytes = batch.bytes.to_vec();
                        let at = 23 + random(bytes.len() - 23);
                        bytes[at] = random(256) as u8;
                        match both(&bytes, &mut decoder) {
                            Some((Some(swept), read)) => assert_eq!(Ok(swept), read, "{folder}"),
                            Some((None, Err(_))) => flawed += 1,
                            _ => {}
                        }
                    }
                }
            }
        }
    }
    assert!(sound > 500 && flawed > 500, "{sound} sound, {flawed} flawed");
}
