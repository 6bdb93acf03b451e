//! One chunk read for the vote: checksums compared, records counted, keys sorted into shards.

use super::key_index::{KeyHasher, SHARDS, shard_of};
use super::policy::NullKeys;
use super::survey::{Chunk, Survey, modified_ms};
use super::transactions::SegmentTxns;
use crate::format::{Batch, BatchHeader, Decoder, Flaw, Record};
use crate::segment::Damaged;
use crate::units::{Offset, Position, Timestamp};

/// What reading a chunk must know of its surroundings.
#[derive(Clone, Copy)]
pub struct ScanContext<'a> {
    /// Hashes keys.
    pub hasher: &'a KeyHasher,
    /// Shards that are gathered in this pass.
    pub gathered: &'a [bool; SHARDS],
    /// Records below it are judged but do not vote.
    pub log_start: Offset,
    /// The clock of the run.
    pub now: Timestamp,
    /// No tombstone stays.
    pub drop_tombstones: bool,
    /// Magic 0/1 tombstones go from segments that were modified no later than this.
    pub legacy_horizon: Timestamp,
    /// What becomes of records without a key.
    pub null_keys: NullKeys,
}

/// A record's candidacy as the latest of its key.
#[derive(Clone, Copy, Debug)]
pub struct Vote {
    /// Hash of the key.
    pub hash: u64,
    /// Which record of the chunk.
    pub ordinal: u32,
    /// Length of the key, whose bytes lie in the ballot.
    pub key_bytes: u32,
    /// What follows if it wins.
    pub standing: Standing,
}

/// What follows for a record that is the latest of its key.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Standing {
    /// It stays.
    Stays,
    /// It is a tombstone whose time has come: it goes, but still hides what is older.
    Expired,
    /// It lies below the log start: it stays if no later record has its key, and hides nothing.
    BelowStart,
}

/// The votes of one chunk for one shard, oldest first, their keys one behind the other.
#[derive(Default)]
pub struct Ballot {
    /// The votes.
    pub votes: Vec<Vote>,
    /// Their keys.
    pub keys: Vec<u8>,
}

/// What was read in a chunk.
#[derive(Default)]
pub struct ChunkScan {
    /// Votes by shard.
    pub ballots: Vec<Ballot>,
    /// Records in data batches that are neither aborted nor markers: the size of the retained set.
    pub voters: u32,
    /// Records of all batches, markers included.
    pub records: u64,
    /// Records of aborted transactions.
    pub aborted: u64,
    /// Records without a key.
    pub null_keys: u64,
    /// Ordinals that stay without a vote (`--null-keys keep`).
    pub kept_unasked: Vec<u32>,
    /// Records of each compressed magic 0/1 set, which its header does not count.
    pub set_sizes: Vec<u32>,
    /// Batches (by number in the chunk) that hold a tombstone.
    pub with_tombstone: Vec<u32>,
    /// Offsets of the first record without a key, for the message of `--null-keys fail`.
    pub first_null_key: Option<Offset>,
    /// Batches that fail their checksum or do not decode.
    pub damage: Vec<Damaged>,
}

/// Where a batch stands: its number in the chunk, its position, its segment's modification time.
struct BatchAt {
    number: u32,
    position: Position,
    modified: Timestamp,
}

impl ScanContext<'_> {
    /// Whether a tombstone of this batch has had its time: by the batch's delete horizon
    /// (KIP-534), or for magic 0/1 by the age of its segment.
    fn tombstones_expired(&self, modified: Timestamp, header: &BatchHeader) -> bool {
        self.drop_tombstones
            || header.delete_horizon().is_some_and(|horizon| self.now >= horizon)
            || (header.magic < 2 && modified <= self.legacy_horizon)
    }
}

impl ChunkScan {
    /// Reads the chunk's batches, all of them whatever it finds.
    pub fn read(
        survey: &Survey,
        chunk: Chunk,
        txns: &SegmentTxns,
        context: &ScanContext<'_>,
        decoder: &mut Decoder,
    ) -> ChunkScan {
        let mut scan = ChunkScan {
            ballots: std::iter::repeat_with(Ballot::default).take(SHARDS).collect(),
            ..ChunkScan::default()
        };
        let modified = modified_ms(&survey.segment);
        for (number, item) in survey.log.batches_from(chunk.start).until(chunk.end).enumerate() {
            let Ok((position, batch)) = item else {
                continue;
            }; // the survey has listed it
            let at = BatchAt { number: number as u32, position, modified };
            let read =
                batch.check_crc().and_then(|()| scan.batch(&at, &batch, txns, context, decoder));
            if let Err(flaw) = read {
                let size_bytes = batch.header.size_bytes as u64;
                scan.damage.push(Damaged { position, size_bytes, flaw });
            }
        }
        scan
    }

    fn batch(
        &mut self,
        at: &BatchAt,
        batch: &Batch<'_>,
        txns: &SegmentTxns,
        context: &ScanContext<'_>,
        decoder: &mut Decoder,
    ) -> Result<(), Flaw> {
        let header = &batch.header;
        let in_transaction = header.is_control() || header.is_transactional();
        if header.is_control() || (in_transaction && txns.is_discardable(at.position)) {
            // Not a voter, but what is copied or dropped must be readable, or it is damage.
            let mut count = 0;
            for record in decoder.records(batch)? {
                record?;
                count += 1;
            }
            self.records += count;
            self.aborted += if header.is_control() { 0 } else { count };
            return Ok(());
        }
        let expired = context.tombstones_expired(at.modified, header);
        let before = self.voters;
        let mut has_tombstone = false;
        for record in decoder.records(batch)? {
            let record = record?;
            has_tombstone |= record.is_tombstone();
            self.record(&record, expired, context);
        }
        let count = self.voters - before;
        self.records += u64::from(count);
        if header.is_wrapper() {
            self.set_sizes.push(count);
        }
        if has_tombstone {
            self.with_tombstone.push(at.number);
        }
        Ok(())
    }

    #[inline]
    fn record(&mut self, record: &Record<'_>, expired: bool, context: &ScanContext<'_>) {
        let ordinal = self.voters;
        self.voters += 1;
        let Some(key) = record.key else {
            self.null_keys += 1;
            self.first_null_key.get_or_insert(record.offset);
            if context.null_keys == NullKeys::Keep {
                self.kept_unasked.push(ordinal);
            }
            return;
        };
        let hash = context.hasher.hash(key);
        let shard = shard_of(hash);
        if !context.gathered.get(shard).copied().unwrap_or(false) {
            return;
        }
        let standing = if record.is_tombstone() && expired {
            Standing::Expired
        } else if record.offset < context.log_start {
            Standing::BelowStart
        } else {
            Standing::Stays
        };
        let key_bytes = key.len() as u32;
        if let Some(ballot) = self.ballots.get_mut(shard) {
            ballot.votes.push(Vote { hash, ordinal, key_bytes, standing });
            ballot.keys.extend_from_slice(key);
        }
    }
}
