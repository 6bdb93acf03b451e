//! One chunk read for the vote: checksums compared, records counted, keys sorted into shards.

use std::ops::Range;

use super::ballot::Ballot;
use super::expiry::Expiry;
use super::record_set::RecordSet;
use super::roll::{Offsets, Votes};
use crate::compact::erased_keys::ErasedKeys;
use crate::compact::evidence::evidence_of;
use crate::compact::keys::{KeyHasher, Packer, SHARDS};
use crate::compact::look::{Chunk, SegmentTxns, Survey, modified_ms};
use crate::compact::policy::NullKeys;
use crate::compact::strategy::{Bid, Entry, Standing, Strategy};
use crate::format::codec::Room;
use crate::format::{Batch, Codec, Decoder, Flaw, Record, Records, Reread};
use crate::report::ErasedRecord;
use crate::segment::{Damaged, check_record, check_records};
use crate::units::{Offset, Position};

/// What reading a chunk must know of its surroundings.
pub struct ScanContext<'a, S> {
    /// What a record brings to the contest for its key.
    pub strategy: &'a S,
    /// Hashes keys.
    pub hasher: &'a KeyHasher,
    /// Packs them.
    pub packer: &'a Packer,
    /// Records below it are judged but do not vote.
    pub log_start: Offset,
    /// When tombstones go.
    pub expiry: Expiry,
    /// A value without a byte deletes its key.
    pub empty_is_tombstone: bool,
    /// What becomes of records without a key.
    pub null_keys: NullKeys,
    /// Keys of which no record is to be left.
    pub erased: Option<&'a ErasedKeys>,
    /// How many bytes of decompressed bodies are kept for the rewrite.
    pub most_kept_bytes: usize,
}

/// The decompressed bodies of a chunk that are kept until its batches are rewritten.
#[derive(Default)]
pub struct Bodies {
    room: Room,
    /// By number of the batch in the chunk, rising.
    places: Vec<(u32, Range<usize>)>,
}

impl Bodies {
    /// The body of batch `number`, if it was kept.
    pub fn of_batch(&self, number: u32) -> Option<&[u8]> {
        let at = self.places.binary_search_by_key(&number, |(number, _)| *number).ok()?;
        self.places.get(at).map(|(_, place)| self.room.get(place.clone()))
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.places.is_empty()
    }
}

/// What was read in a chunk. Made once and read into many times, so that its memory is used again.
pub struct ChunkScan<C> {
    /// Votes by shard.
    pub ballots: Vec<Ballot<C>>,
    /// Which offsets they are of.
    offsets: Offsets,
    /// Whether some of its records had no say in this pass.
    lacks_votes: bool,
    /// Decompressed bodies.
    pub bodies: Bodies,
    /// Whether there are bodies for which there was no room.
    pub lacked_room: bool,
    /// Records of all batches, markers included.
    pub records: u64,
    /// Records of aborted transactions.
    pub aborted: u64,
    /// Records without a key.
    pub null_keys: u64,
    /// Records of keys that are to be erased, by offset.
    pub erased: Vec<ErasedRecord>,
    /// Records with a key whose claim cannot be read.
    pub malformed: u64,
    /// Where each numbered record lies in its batch. These are the ones in data batches that are
    /// neither aborted nor markers.
    pub marks: Vec<u32>,
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

impl<C> Default for ChunkScan<C> {
    fn default() -> ChunkScan<C> {
        ChunkScan {
            ballots: Vec::new(),
            offsets: Offsets::default(),
            lacks_votes: false,
            bodies: Bodies::default(),
            lacked_room: false,
            records: 0,
            aborted: 0,
            null_keys: 0,
            erased: Vec::new(),
            malformed: 0,
            marks: Vec::new(),
            kept_unasked: Vec::new(),
            set_sizes: Vec::new(),
            with_tombstone: Vec::new(),
            first_null_key: None,
            damage: Vec::new(),
        }
    }
}

/// Where a batch stands: its number in the chunk, its position, the least offset it may have.
struct BatchAt {
    number: u32,
    position: Position,
    least: Offset,
    /// Whether its tombstones have had their time.
    expired: bool,
}

impl<C: Copy> ChunkScan<C> {
    /// Reads the chunk's batches, all of them whatever it finds. `asked` are the records that vote;
    /// without it, all do.
    pub fn read<S: Strategy<Claim = C>>(
        &mut self,
        survey: &Survey,
        chunk: Chunk,
        txns: &SegmentTxns,
        asked: Option<&RecordSet>,
        context: &ScanContext<'_, S>,
        decoder: &mut Decoder,
    ) {
        self.clear(SHARDS);
        self.lacks_votes = asked.is_some();
        let modified = modified_ms(&survey.segment);
        let mut least = chunk.least;
        for (number, item) in survey.log.batches_from(chunk.start).until(chunk.end).enumerate() {
            let Ok((position, batch)) = item else {
                continue;
            }; // the survey has listed it
            let expired = context.expiry.has_passed(&batch.header, modified);
            let at = BatchAt { number: number as u32, position, least, expired };
            least = batch.header.last_offset.next();
            let read = batch
                .check_crc()
                .and_then(|()| self.batch(&at, &batch, txns, asked, context, decoder));
            if let Err(flaw) = read {
                let size_bytes = batch.header.size_bytes as u64;
                self.damage.push(Damaged { position, size_bytes, flaw });
            }
        }
    }

    /// Who voted; `None` if its votes do not tell of all records, or not where they are.
    pub fn roll<'a>(&'a self, packer: &'a Packer) -> Option<Votes<'a, C>> {
        Votes::of(&self.ballots, &self.offsets, packer).filter(|_| !self.lacks_votes)
    }

    /// How many records are numbered.
    #[inline]
    pub fn voters(&self) -> u32 {
        self.marks.len() as u32
    }

    /// What its votes and bodies have allocated.
    pub fn allocated_bytes(&self) -> usize {
        let ballots = self.ballots.iter().map(Ballot::allocated_bytes);
        let places = self.bodies.places.capacity() * size_of::<(u32, Range<usize>)>();
        let marks = self.marks.capacity() * size_of::<u32>();
        let offsets = self.offsets.allocated_bytes();
        ballots.sum::<usize>() + offsets + self.bodies.room.allocated_bytes() + places + marks
    }

    fn clear(&mut self, shards: usize) {
        let ChunkScan { mut ballots, mut offsets, mut bodies, mut marks, .. } =
            std::mem::take(self);
        ballots.resize_with(shards, Ballot::default);
        ballots.iter_mut().for_each(Ballot::clear);
        offsets.clear();
        bodies.room.clear();
        bodies.places.clear();
        marks.clear();
        *self = ChunkScan { ballots, offsets, bodies, marks, ..ChunkScan::default() };
    }

    fn batch<S: Strategy<Claim = C>>(
        &mut self,
        at: &BatchAt,
        batch: &Batch<'_>,
        txns: &SegmentTxns,
        asked: Option<&RecordSet>,
        context: &ScanContext<'_, S>,
        decoder: &mut Decoder,
    ) -> Result<(), Flaw> {
        let header = &batch.header;
        let in_transaction = header.is_control() || header.is_transactional();
        if header.is_control() || (in_transaction && txns.is_discardable(at.position)) {
            // Not a voter, but what is copied or dropped must be readable, or it is damage.
            let has_aborted = !header.is_control();
            let before = self.erased.len();
            let count = match context.erased.filter(|_| has_aborted) {
                Some(erased) => self.aborted_records(batch, decoder, at.least, erased)?,
                None => check_records(batch, decoder, at.least)?,
            };
            self.records += count;
            let erased = (self.erased.len() - before) as u64;
            self.aborted += if has_aborted { count - erased } else { 0 };
            return Ok(());
        }
        let before = self.voters();
        let is_packed = header.magic == 2 && header.codec() != Codec::None;
        // Where an older record may take the place of a newer one, nothing is settled in time.
        let is_of_use = S::Entry::NEWEST_STANDS && is_packed;
        let kept = if is_of_use && !batch.body().is_empty() {
            let kept =
                decoder.body_within(batch, &mut self.bodies.room, context.most_kept_bytes)?;
            self.lacked_room |= kept.is_none();
            kept
        } else {
            None
        };
        let has_tombstone = match kept {
            Some(place) => {
                // The room is lent out while its records are read.
                let room = std::mem::take(&mut self.bodies.room);
                let records = Records::of_body(*header, room.get(place.clone()));
                let read = self.all(records, asked, at, context);
                self.bodies.room = room;
                self.bodies.places.push((at.number, place));
                read?
            }
            None => self.all(decoder.records(batch)?, asked, at, context)?,
        };
        let count = self.voters() - before;
        self.records += u64::from(count);
        self.offsets.note(before, count, header);
        if header.is_wrapper() {
            self.set_sizes.push(count);
        }
        if has_tombstone {
            self.with_tombstone.push(at.number);
        }
        Ok(())
    }

    /// As [`check_records`], and takes note of what is to be erased.
    fn aborted_records(
        &mut self,
        batch: &Batch<'_>,
        decoder: &mut Decoder,
        least: Offset,
        erased: &ErasedKeys,
    ) -> Result<u64, Flaw> {
        let mut index = 0;
        for record in decoder.records(batch)? {
            let record = record?;
            check_record(&record, index, least)?;
            if record.key.is_some_and(|key| erased.has(key)) {
                self.erased.push(evidence_of(&record, index)?);
            }
            index += 1;
        }
        Ok(u64::from(index))
    }

    /// Takes all records of a batch; whether there is a tombstone among them.
    fn all<S: Strategy<Claim = C>>(
        &mut self,
        records: Records<'_>,
        asked: Option<&RecordSet>,
        at: &BatchAt,
        context: &ScanContext<'_, S>,
    ) -> Result<bool, Flaw> {
        match records {
            Records::V2(records) => self.each(records, asked, at, context),
            Records::Legacy(set) => self.each(set, asked, at, context),
        }
    }

    #[inline]
    fn each<'r, S: Strategy<Claim = C>>(
        &mut self,
        mut records: impl Reread<Item = Result<Record<'r>, Flaw>>,
        asked: Option<&RecordSet>,
        at: &BatchAt,
        context: &ScanContext<'_, S>,
    ) -> Result<bool, Flaw> {
        let before = self.voters();
        let mut has_tombstone = false;
        let mut mark = records.mark();
        while let Some(record) = records.next() {
            let record = record?;
            check_record(&record, self.voters() - before, at.least)?;
            let deletes = record.deletes(context.empty_is_tombstone);
            has_tombstone |= deletes;
            let ordinal = self.voters();
            self.marks.push(mark);
            mark = records.mark();
            if asked.is_none_or(|asked| asked.contains(ordinal)) {
                self.record(&record, ordinal, deletes, at.expired, context)?;
            }
        }
        Ok(has_tombstone)
    }

    // Only in place does a record with all its fields cost nothing.
    #[inline(always)]
    fn record<S: Strategy<Claim = C>>(
        &mut self,
        record: &Record<'_>,
        ordinal: u32,
        deletes: bool,
        expired: bool,
        context: &ScanContext<'_, S>,
    ) -> Result<(), Flaw> {
        let Some(key) = record.key else {
            self.null_keys += 1;
            self.first_null_key.get_or_insert(record.offset);
            if context.null_keys == NullKeys::Keep {
                self.kept_unasked.push(ordinal);
            }
            return Ok(());
        };
        if let Some(erased) = context.erased
            && erased.has(key)
        {
            let record = *record; // what is looked at as a whole must lie in memory
            self.erased.push(evidence_of(&record, ordinal)?);
            return Ok(());
        }
        let standing = match (deletes && expired, record.offset < context.log_start) {
            (false, false) => Standing::Stays,
            (true, false) => Standing::Expired,
            (false, true) => Standing::BelowStart,
            (true, true) => Standing::ExpiredBelowStart,
        };
        let Bid { claim, is_malformed } = context.strategy.claim(record, deletes);
        self.malformed += u64::from(is_malformed);
        let word = context.packer.word(key);
        let hash = match word {
            Some(word) => context.hasher.hash_word(word, SHARDS),
            None => context.hasher.hash(key, SHARDS),
        };
        let Some(ballot) = self.ballots.get_mut(hash.shard) else { return Ok(()) };
        let is_cast = match word {
            Some(word) => ballot.cast_word(word, ordinal, standing, claim),
            None => {
                context.packer.pack(key, &mut ballot.keys);
                ballot.cast(hash.within, ordinal, standing, claim)
            }
        };
        if is_cast {
            return Ok(());
        }
        let reason = "there are more records in one place than a compaction can number";
        Err(Flaw::RecordContent { index: ordinal, reason })
    }
}
