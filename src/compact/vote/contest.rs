//! One shard's part in the vote: it hears the candidates from the newest to the oldest, and knows
//! who stands for each of its keys.
//!
//! Where the newest stands (`offset`) the first to be heard of a key stays, and its bit in its
//! chunk's retained set is set. Under other strategies an older one may take its place, so who
//! stays is only told when all were heard. All candidates of a key are heard in one pass or none
//! is.

use super::ballot::Ballot;
use super::chunk_result::ChunkResult;
use crate::compact::keys::{KeyHasher, KeySet, Shard, Sighting, Words};
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
    /// What became of who was heard.
    pub tally: Tally,
}

/// What became of the candidates that a shard has heard.
#[derive(Clone, Copy, Debug, Default)]
pub struct Tally {
    /// Candidates that lost.
    pub superseded: u64,
    /// Of these, the ones that lie behind the record that beat them.
    pub late: u64,
    /// Champions that are tombstones and have had their time.
    pub expired: u64,
}

/// What a contest must know of its surroundings.
pub struct Ring<'a> {
    /// All chunks of the range.
    pub results: &'a [ChunkResult],
    /// What the shard may allocate.
    pub budget_bytes: usize,
    /// Whether a tombstone that has had its time must outlive what it beats behind it.
    pub in_place: bool,
}

/// A chunk whose candidates are heard.
struct Hearing<'a> {
    chunk: u32,
    result: &'a ChunkResult,
    in_place: bool,
}

impl<S: Strategy> Contest<S> {
    /// One that has heard nobody yet.
    pub fn new(hasher: &KeyHasher) -> Contest<S> {
        let (keys, words) = (Shard::default(), Words::new(hasher));
        Contest { keys, words, tally: Tally::default() }
    }

    /// Goes through the ballot of chunk `number`, from the newest vote to the oldest.
    pub fn count(&mut self, ballot: &Ballot<S::Claim>, number: usize, ring: &Ring<'_>) {
        let Some(result) = ring.results.get(number) else { return };
        let hearing = Hearing { chunk: number as u32, result, in_place: ring.in_place };
        let Contest { keys, words, tally } = self;
        let (of_words, of_keys) = ballot.counts();
        let votes = ballot.words_newest_first().map(|vote| (vote.word, vote.candidate, vote.claim));
        let budget_bytes = ring.budget_bytes.saturating_sub(keys.allocated_bytes());
        tally.hear::<S, _>(words, votes, of_words, budget_bytes, &hearing);
        let votes =
            ballot.newest_first().map(|(vote, key)| ((vote.hash, key), vote.candidate, vote.claim));
        let budget_bytes = ring.budget_bytes.saturating_sub(words.allocated_bytes());
        tally.hear::<S, _>(keys, votes, of_keys, budget_bytes, &hearing);
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

    /// Tells the chunks who stands for its keys, once all candidates were heard, where the first to
    /// be heard need not be the one.
    pub fn crown(&mut self, results: &[ChunkResult]) {
        let fronts = self.keys.fronts().chain(self.words.fronts());
        for champion in fronts.filter_map(S::Entry::get) {
            let Some(result) = results.get(champion.chunk as usize) else { continue };
            let ordinal = champion.candidate.ordinal();
            if champion.candidate.standing() == Standing::Expired {
                self.tally.expired += 1;
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

impl Tally {
    /// Hears `count` votes for `keys`, from the newest to the oldest.
    #[inline]
    fn hear<'k, S: Strategy, K: KeySet<EntryBytes<S>>>(
        &mut self,
        keys: &mut K,
        mut votes: impl Iterator<Item = (K::Key<'k>, Candidate, S::Claim)> + Clone,
        count: usize,
        budget_bytes: usize,
        hearing: &Hearing<'_>,
    ) {
        let chunk = hearing.chunk;
        for _ in (0..count).step_by(AT_A_TIME) {
            if keys.allocated_bytes() > NEAR_BYTES {
                keys.approach(votes.clone().take(AT_A_TIME).map(|(key, ..)| key));
            }
            for (key, candidate, claim) in votes.by_ref().take(AT_A_TIME) {
                let hides = candidate.standing().hides();
                let sighting = if hides {
                    let entry = || S::Entry::put(champion(chunk, candidate, claim));
                    keys.sight(key, entry, budget_bytes)
                } else {
                    keys.look(key)
                };
                match sighting {
                    Sighting::Again(place) if hides && !S::Entry::NEWEST_STANDS => {
                        let newer = keys.front(place).and_then(S::Entry::get);
                        let older = champion(chunk, candidate, claim);
                        if let Some(newer) = newer {
                            let stands = self.challenge::<S>(newer, older, hearing.in_place);
                            keys.set_front(place, S::Entry::put(stands));
                        }
                    }
                    sighting => self.settle::<S, _>(sighting, candidate, hearing.result),
                }
            }
        }
    }

    /// What follows for a candidate if whoever was heard of its key before it stands.
    #[inline]
    fn settle<S: Strategy, P>(
        &mut self,
        sighting: Sighting<P>,
        candidate: Candidate,
        result: &ChunkResult,
    ) {
        match sighting {
            Sighting::Again(_) => self.superseded += 1,
            Sighting::NoRoom => result.leave_undecided(candidate.ordinal()),
            Sighting::First => self.settle_first::<S>(candidate, result),
        }
    }

    /// What follows for the first candidate to be heard of its key.
    #[inline]
    fn settle_first<S: Strategy>(&mut self, candidate: Candidate, result: &ChunkResult) {
        match candidate.standing() {
            // Who is in the index may still be beaten by an older one; see `crown`.
            standing if standing.hides() && !S::Entry::NEWEST_STANDS => {}
            Standing::Expired => {
                self.expired += 1;
                result.note_expired(candidate.ordinal());
            }
            // There may be several of a key; none of them is to be heard of any more.
            Standing::ExpiredBelowStart => self.expired += 1,
            Standing::Stays | Standing::BelowStart => result.retained.insert(candidate.ordinal()),
        }
    }

    /// Hears a candidate for a key that has a champion, which lies behind it; says who stands.
    fn challenge<S: Strategy>(
        &mut self,
        newer: Champion<S::Claim>,
        older: Champion<S::Claim>,
        in_place: bool,
    ) -> Champion<S::Claim> {
        self.superseded += 1;
        match S::combine(older.claim, newer.claim) {
            Stands::Newer(claim) => {
                Champion { claim, since: newer.since.saturating_add(1), ..newer }
            }
            Stands::Older(claim) => {
                self.late += u64::from(newer.since);
                let mut older = Champion { claim, ..older };
                if in_place && older.candidate.standing() == Standing::Expired {
                    // Segments are replaced one after the other, older ones first. Were it gone
                    // before what it beats behind it, and the run interrupted there, that would
                    // come back. The next run finds it alone.
                    older.candidate = Candidate::new(older.candidate.ordinal(), Standing::Stays);
                }
                older
            }
        }
    }
}

fn champion<C: Copy>(chunk: u32, candidate: Candidate, claim: C) -> Champion<C> {
    Champion { claim, chunk, candidate, since: 1 }
}
