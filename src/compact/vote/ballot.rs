//! Votes: what each record says as a candidate for its key, sorted into the shards' ballots.

use crate::compact::keys::KeyWord;
use crate::compact::strategy::{Candidate, Standing};

/// A record's candidacy for its key.
#[derive(Clone, Copy, Debug)]
pub struct Vote<C> {
    /// Hash of the key within its shard.
    pub hash: u32,
    /// Where the packed key ends in the ballot; it begins where the one before it ends.
    key_end: u32,
    /// Which record it is.
    pub candidate: Candidate,
    /// What it brings to the contest besides its offset.
    pub claim: C,
}

/// A candidacy for a short key.
#[derive(Clone, Copy, Debug)]
pub struct WordVote<C> {
    /// The key.
    pub word: KeyWord,
    /// Which record it is.
    pub candidate: Candidate,
    /// What it brings to the contest besides its offset.
    pub claim: C,
}

/// The votes of one chunk for one shard, oldest first: those with words, and the others, their
/// packed keys one behind the other. All votes for a key are of one kind.
pub struct Ballot<C> {
    words: Vec<WordVote<C>>,
    votes: Vec<Vote<C>>,
    /// The packed keys.
    pub keys: Vec<u8>,
}

impl<C> Default for Ballot<C> {
    fn default() -> Ballot<C> {
        Ballot { words: Vec::new(), votes: Vec::new(), keys: Vec::new() }
    }
}

impl<C: Copy> Ballot<C> {
    /// Adds a vote for the key that was just packed into `keys`; false if it cannot be numbered.
    #[inline]
    pub fn cast(&mut self, hash: u32, ordinal: u32, standing: Standing, claim: C) -> bool {
        let Ok(key_end) = u32::try_from(self.keys.len()) else { return false };
        let candidate = Candidate::new(ordinal, standing);
        self.votes.push(Vote { hash, key_end, candidate, claim });
        Candidate::has_room_for(ordinal)
    }

    /// Adds a vote for a short key; false if it cannot be numbered.
    #[inline]
    pub fn cast_word(&mut self, word: KeyWord, ordinal: u32, standing: Standing, claim: C) -> bool {
        let candidate = Candidate::new(ordinal, standing);
        self.words.push(WordVote { word, candidate, claim });
        Candidate::has_room_for(ordinal)
    }

    /// The votes for short keys, from the newest to the oldest.
    pub fn words_newest_first(&self) -> impl Iterator<Item = WordVote<C>> + Clone {
        self.words.iter().rev().copied()
    }

    /// The other votes with their packed keys, from the newest to the oldest.
    pub fn newest_first(&self) -> impl Iterator<Item = (Vote<C>, &[u8])> + Clone {
        let starts = self.votes.iter().rev().skip(1).map(|before| before.key_end).chain([0]);
        self.votes.iter().rev().zip(starts).map(|(vote, start)| {
            let key = self.keys.get(start as usize..vote.key_end as usize);
            (*vote, key.unwrap_or_default())
        })
    }

    /// How many votes there are for short keys, and how many others.
    pub fn counts(&self) -> (usize, usize) {
        (self.words.len(), self.votes.len())
    }

    /// Forgets all votes, not the memory that they took up.
    pub fn clear(&mut self) {
        self.words.clear();
        self.votes.clear();
        self.keys.clear();
    }

    /// What it has allocated.
    pub fn allocated_bytes(&self) -> usize {
        let words_bytes = self.words.capacity() * size_of::<WordVote<C>>();
        words_bytes + self.votes.capacity() * size_of::<Vote<C>>() + self.keys.capacity()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_ballot_gives_its_votes_back_newest_first_with_their_keys() {
        let mut ballot = Ballot::default();
        let cast: [(&[u8], Standing); 4] = [
            (b"one", Standing::Stays),
            (b"", Standing::Expired),
            (b"three", Standing::BelowStart),
            (b"4", Standing::ExpiredBelowStart),
        ];
        for (ordinal, (key, standing)) in cast.iter().enumerate() {
            ballot.keys.extend_from_slice(key);
            assert!(ballot.cast(7, ordinal as u32, *standing, key.len()));
        }
        let given: Vec<_> = ballot
            .newest_first()
            .map(|(vote, key)| {
                assert_eq!(vote.claim, key.len());
                (vote.candidate.ordinal(), key, vote.candidate.standing())
            })
            .collect();
        let wanted = cast.iter().enumerate().rev().map(|(n, (key, s))| (n as u32, *key, *s));
        assert_eq!(given, wanted.collect::<Vec<_>>());
    }

    #[test]
    fn a_ballot_refuses_what_it_cannot_number() {
        let mut ballot = Ballot::default();
        assert!(!ballot.cast(0, 1 << 30, Standing::Stays, ()));
        assert!(!ballot.cast_word(KeyWord::of(1).unwrap(), 1 << 30, Standing::Stays, ()));
        assert!(ballot.cast(0, (1 << 30) - 1, Standing::BelowStart, ()));
    }

    #[test]
    fn a_vote_by_offset_alone_takes_no_more_than_twelve_bytes() {
        assert_eq!(size_of::<Vote<()>>(), 12);
        assert_eq!(size_of::<WordVote<()>>(), 12);
    }
}
