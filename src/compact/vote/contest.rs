//! One shard's part in the vote: it hears the candidates from the newest to the oldest, and knows
//! who stands for each of its keys.
//!
//! Where the newest stands (`offset`) the first to be heard of a key stays, and its bit in its
//! chunk's retained set is set. Under other strategies an older one may take its place, so who
//! stays is only told when all were heard. All candidates of a key are heard in one pass or none
//! is.

use super::ballot::Ballot;
use super::chunk_result::ChunkResult;
use crate::compact::keys::{KeyHasher, Shard, Sighting, Words};
use crate::compact::strategy::{Candidate, Champion, Entry, Standing, Stands, Strategy};

/// Keys that take up more than this are not in a core's own cache,
const NEAR_BYTES: usize = 1 << 19;
/// so that looking so many up at a time saves waiting for each.
const AT_A_TIME: usize = 16;

/// What the entry of a champion takes up.
pub type EntryBytes<S> = <<S as Strategy>::Entry as Entry<<S as Strategy>::Claim>>::Bytes;

/// A shard of the vote.
pub struct Contest<S: Strategy> {
    /// The keys, but for those that are words.
    keys: Shard<EntryBytes<S>>,
    words: Words<EntryBytes<S>>,
    /// Candidates that lost.
    pub superseded: u64,
    /// Of these, the ones that lie behind the record that beat them.
    pub late: u64,
    /// Champions that are tombstones and have had their time.
    pub expired: u64,
}

impl<S: Strategy> Default for Contest<S> {
    fn default() -> Contest<S> {
        Contest {
            keys: Shard::default(),
            words: Words::default(),
            superseded: 0,
            late: 0,
            expired: 0,
        }
    }
}

/// What a contest must know of its surroundings.
pub struct Ring<'a> {
    /// All chunks of the range.
    pub results: &'a [ChunkResult],
    /// Hashes words.
    pub hasher: &'a KeyHasher,
    /// What the shard may allocate.
    pub budget_bytes: usize,
    /// Whether a tombstone that has had its time must outlive what it beats behind it.
    pub in_place: bool,
}

impl<S: Strategy> Contest<S> {
    /// Goes through the ballot of chunk `number`, from the newest vote to the oldest.
    pub fn count(&mut self, ballot: &Ballot<S::Claim>, number: usize, ring: &Ring<'_>) {
        let Some(result) = ring.results.get(number) else { return };
        let chunk = number as u32;
        let budget_bytes = ring.budget_bytes.saturating_sub(self.keys.allocated_bytes());
        let (words, others) = ballot.counts();
        let mut votes = ballot.words_newest_first();
        for _ in (0..words).step_by(AT_A_TIME) {
            if self.words.allocated_bytes() > NEAR_BYTES {
                let next = votes.clone().take(AT_A_TIME);
                self.words.approach(next.map(|vote| vote.word), ring.hasher);
            }
            for vote in votes.by_ref().take(AT_A_TIME) {
                let candidate = vote.candidate;
                let standing = candidate.standing();
                let sighting = if standing.hides() {
                    let entry = || S::Entry::put(champion(chunk, candidate, vote.claim));
                    self.words.sight(vote.word, ring.hasher, entry, budget_bytes)
                } else {
                    self.words.look(vote.word, ring.hasher)
                };
                match sighting {
                    Sighting::Again(found) if standing.hides() && !S::Entry::NEWEST_STANDS => {
                        let newer = self.words.front(found).and_then(S::Entry::get);
                        let older = champion(chunk, candidate, vote.claim);
                        if let Some(stands) = newer.map(|newer| self.challenge(newer, older, ring))
                        {
                            self.words.set_front(found, S::Entry::put(stands));
                        }
                    }
                    sighting => self.settle(sighting, candidate, result),
                }
            }
        }
        let budget_bytes = ring.budget_bytes.saturating_sub(self.words.allocated_bytes());
        let mut votes = ballot.newest_first();
        for _ in (0..others).step_by(AT_A_TIME) {
            if self.keys.allocated_bytes() > NEAR_BYTES {
                let next = votes.clone().take(AT_A_TIME);
                self.keys.approach(next.map(|(vote, _)| vote.hash));
            }
            for (vote, key) in votes.by_ref().take(AT_A_TIME) {
                let standing = vote.candidate.standing();
                let sighting = if standing.hides() {
                    let entry = || S::Entry::put(champion(chunk, vote.candidate, vote.claim));
                    self.keys.sight(vote.hash, key, entry, budget_bytes)
                } else {
                    self.keys.look(vote.hash, key)
                };
                match sighting {
                    Sighting::Again(place) if standing.hides() && !S::Entry::NEWEST_STANDS => {
                        let newer = self.keys.front(place).and_then(S::Entry::get);
                        let older = champion(chunk, vote.candidate, vote.claim);
                        if let Some(stands) = newer.map(|newer| self.challenge(newer, older, ring))
                        {
                            self.keys.set_front(place, S::Entry::put(stands));
                        }
                    }
                    sighting => self.settle(sighting, vote.candidate, result),
                }
            }
        }
    }

    /// What follows for a candidate if whoever was heard of its key before it stands.
    #[inline]
    fn settle<P>(&mut self, sighting: Sighting<P>, candidate: Candidate, result: &ChunkResult) {
        let standing = candidate.standing();
        match (sighting, standing) {
            (Sighting::Again(_), _) => self.superseded += 1,
            // Who is in the index may still be beaten by an older one; see `crown`.
            (Sighting::First, _) if standing.hides() && !S::Entry::NEWEST_STANDS => {}
            (Sighting::First, Standing::Expired) => {
                self.expired += 1;
                result.note_expired(candidate.ordinal());
            }
            // There may be several of a key; none of them is to be heard of any more.
            (Sighting::First, Standing::ExpiredBelowStart) => self.expired += 1,
            (Sighting::First, _) => result.retained.insert(candidate.ordinal()),
            (Sighting::NoRoom, _) => result.leave_undecided(candidate.ordinal()),
        }
    }

    /// Takes it that there will be so many times as many keys in the end, if they fit in
    /// `budget_bytes`.
    pub fn expect(&mut self, times: f64, budget_bytes: usize) {
        const SLACK: f64 = 1.25;
        let bytes = self.words.allocated_bytes() + self.keys.allocated_bytes();
        let fits = bytes as f64 * times * SLACK <= budget_bytes as f64;
        let times = if fits { times } else { 0.0 };
        self.words.expect(times);
        self.keys.expect(times);
    }

    /// How many keys it has heard of.
    pub fn held(&self) -> usize {
        self.keys.held() + self.words.held()
    }

    /// Hears a candidate for a key that has a champion, which lies behind it; says who stands.
    fn challenge(
        &mut self,
        newer: Champion<S::Claim>,
        older: Champion<S::Claim>,
        ring: &Ring<'_>,
    ) -> Champion<S::Claim> {
        self.superseded += 1;
        match S::combine(older.claim, newer.claim) {
            Stands::Newer(claim) => {
                Champion { claim, since: newer.since.saturating_add(1), ..newer }
            }
            Stands::Older(claim) => {
                self.late += u64::from(newer.since);
                let mut older = Champion { claim, ..older };
                if ring.in_place && older.candidate.standing() == Standing::Expired {
                    // Segments are replaced one after the other, older ones first. Were it gone
                    // before what it beats behind it, and the run interrupted there, that would
                    // come back. The next run finds it alone.
                    older.candidate = Candidate::new(older.candidate.ordinal(), Standing::Stays);
                }
                older
            }
        }
    }

    /// Tells the chunks who stands for its keys, once all candidates were heard, where the first to
    /// be heard need not be the one.
    pub fn crown(&mut self, results: &[ChunkResult]) {
        let fronts = self.keys.fronts().chain(self.words.fronts());
        for champion in fronts.filter_map(S::Entry::get) {
            let Some(result) = results.get(champion.chunk as usize) else { continue };
            let ordinal = champion.candidate.ordinal();
            if champion.candidate.standing() == Standing::Expired {
                self.expired += 1;
                result.note_expired(ordinal);
            } else {
                result.retained.insert(ordinal);
            }
            if S::is_widened(champion.claim) {
                result.note_widened(ordinal);
            }
        }
    }
}

fn champion<C: Copy>(chunk: u32, candidate: Candidate, claim: C) -> Champion<C> {
    Champion { claim, chunk, candidate, since: 1 }
}
