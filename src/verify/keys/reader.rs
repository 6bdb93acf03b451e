//! The keys of a partition, stretch by stretch on all threads, heard of in log order.

use std::cell::RefCell;
use std::num::NonZeroU32;
use std::path::Path;

use xxhash_rust::xxh3::{xxh3_64, xxh3_128_with_seed};

use super::super::stretch::Stretch;
use super::super::windows::{self, Sight};
use super::placement::Placed;
use crate::format::{Decoder, Partitioner};
use crate::report::Progress;
use crate::segment::{Kind, LogFile, PartitionDir};
use crate::units::{Offset, Position};

thread_local! {
    static DECODER: RefCell<Decoder> = RefCell::new(Decoder::new());
}

/// What is to be known of each key.
#[derive(Clone, Copy)]
pub struct Asked {
    /// The functions whose partition is to be named.
    pub candidates: &'static [Partitioner],
    /// How many partitions the topic has.
    pub partitions: NonZeroU32,
    /// The partition that is read.
    pub number: u32,
    /// What digests are keyed with, if it may be in other partitions.
    pub spread_seed: Option<u64>,
}

/// A key as the search for others like it sees it; which digests meet is confirmed by bytes.
#[derive(Clone, Copy, Debug)]
pub struct KeyAt {
    /// Of its bytes.
    pub digest: u128,
    /// Of the record.
    pub offset: Offset,
}

/// What was seen in a stretch.
#[derive(Default)]
pub struct SeenKeys {
    /// Against the functions.
    pub placed: Placed,
    /// All keys, if they were asked for.
    pub keys: Vec<KeyAt>,
    arrived: Position,
}

impl Sight for SeenKeys {
    fn arrived(&self) -> Position {
        self.arrived
    }
}

/// Reads a partition; `hear` gets the log's path and what was seen.
pub fn read(
    dir: &PartitionDir,
    asked: Asked,
    progress: &dyn Progress,
    mut hear: impl FnMut(&Path, SeenKeys) + Send,
) {
    for segment in &dir.segments {
        let path = segment.path(Kind::Log);
        let Ok(log) = segment.log() else { continue };
        let mut reported = 0;
        // What the disk does not give, the other checks have told of.
        let _ = windows::read_together(
            &log,
            |log, stretch| look(log, stretch, asked),
            |seen: SeenKeys| {
                progress.advance(seen.arrived.0 - reported);
                reported = seen.arrived.0;
                hear(&path, seen);
            },
        );
    }
}

/// The keyed data records of a stretch; markers and other records of Kafka's own have no place.
fn look(log: &LogFile, stretch: Stretch, asked: Asked) -> SeenKeys {
    let mut seen = SeenKeys::default();
    let mut items = log.batches_from(stretch.start).until(stretch.end).checked();
    DECODER.with_borrow_mut(|decoder| {
        for item in items.by_ref() {
            let Ok((position, batch)) = item else { continue };
            if batch.header.is_control() {
                continue;
            }
            let Ok(records) = decoder.records(&batch) else { continue };
            for record in records.map_while(Result::ok) {
                let Some(key) = record.key else {
                    seen.placed.keyless += 1;
                    continue;
                };
                seen.placed.keyed += 1;
                if !asked.candidates.is_empty() {
                    let digest = xxh3_64(key);
                    seen.placed.record(key, digest, &asked, position, record.offset);
                }
                if let Some(seed) = asked.spread_seed {
                    let digest = xxh3_128_with_seed(key, seed);
                    seen.keys.push(KeyAt { digest, offset: record.offset });
                }
            }
        }
    });
    seen.arrived = items.position();
    seen
}
