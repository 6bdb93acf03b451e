//! What is known of a chunk of the range: which of its records stay.

use std::sync::OnceLock;
use std::sync::atomic::AtomicUsize;

use super::marks::{Marks, MarksFrom};
use super::record_set::RecordSet;
use crate::compact::look::{Chunk, Survey};

/// A chunk of the range and the segment (by number in the range) that it is in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ChunkAt {
    /// Which segment of the range.
    pub segment: usize,
    /// Which stretch of it.
    pub chunk: Chunk,
}

/// What is known of a chunk after the vote.
#[derive(Debug, Default)]
pub struct ChunkResult {
    /// Which of its voting records stay.
    pub retained: RecordSet,
    /// Those that no pass has settled yet; not set if there are none.
    undecided: OnceLock<RecordSet>,
    /// Tombstones that stand for their keys, and go; not set if there are none.
    expired: OnceLock<RecordSet>,
    /// Retained records with more to claim than they say themselves; not set if there are none.
    widened: OnceLock<RecordSet>,
    /// Where records lie that stay; not set if that is not known.
    marks: OnceLock<Marks>,
    /// How many records voted.
    voters: u32,
    /// Records of each compressed magic 0/1 set.
    pub set_sizes: Vec<u32>,
    /// Batches (by number in the chunk) that hold a tombstone.
    pub with_tombstone: Vec<u32>,
}

impl ChunkResult {
    /// A chunk that nobody votes on, because it is known which of its records stay.
    pub fn known(retained: RecordSet, set_sizes: Vec<u32>, with_tombstone: Vec<u32>) -> Self {
        ChunkResult { retained, set_sizes, with_tombstone, ..ChunkResult::default() }
    }

    /// A chunk as it is once its votes are cast: it keeps those records that nobody asks about.
    pub fn heard(
        voters: u32,
        retained: RecordSet,
        set_sizes: Vec<u32>,
        with_tombstone: Vec<u32>,
    ) -> Self {
        ChunkResult { voters, ..ChunkResult::known(retained, set_sizes, with_tombstone) }
    }

    /// How many of its records no pass has settled yet; none, if it is decided.
    pub fn undecided(&self) -> Option<u32> {
        self.undecided.get().map(|undecided| undecided.count(0, self.voters))
    }

    /// Which records no pass has settled yet. Now they are asked about, and to be settled.
    pub fn ask_undecided(&mut self) -> Option<RecordSet> {
        self.undecided.take()
    }

    /// Whether no other pass will change it.
    pub fn is_decided(&self) -> bool {
        self.undecided.get().is_none()
    }

    /// How many records voted.
    pub fn voters(&self) -> u32 {
        self.voters
    }

    /// How many of its voting records stay.
    pub fn kept(&self) -> u32 {
        self.retained.count(0, self.voters)
    }

    /// Whether all its voting records stay.
    pub fn keeps_all(&self) -> bool {
        self.kept() == self.voters
    }

    /// Whether it comes out as it went in, as far as its records tell: tombstones that stay get
    /// their time.
    pub fn keeps_as_it_is(&self) -> bool {
        self.keeps_all() && self.with_tombstone.is_empty()
    }

    /// Where records that stay lie, asked from record `first` on.
    pub fn marks_from(&self, first: u32) -> MarksFrom<'_> {
        self.marks.get().map_or_else(MarksFrom::default, |marks| marks.from(first))
    }

    /// Notes where those lie that stay, of the marks of all numbered records.
    pub fn note_marks(&self, marks: &[u32], room: &AtomicUsize) {
        if let Some(marks) = Marks::of(&self.retained, marks, room) {
            self.marks.get_or_init(|| marks);
        }
    }

    /// Notes that a tombstone stands for its key, though it goes.
    pub fn note_expired(&self, ordinal: u32) {
        self.expired.get_or_init(|| RecordSet::of_size(self.voters)).insert(ordinal);
    }

    /// Tombstones that stand for their keys, and go.
    pub fn expired(&self) -> Option<&RecordSet> {
        self.expired.get()
    }

    /// Notes that a retained record claims more than it says itself.
    pub fn note_widened(&self, ordinal: u32) {
        self.widened.get_or_init(|| RecordSet::of_size(self.voters)).insert(ordinal);
    }

    /// Whether a retained record claims more than it says itself.
    pub fn is_widened(&self, ordinal: u32) -> bool {
        self.widened.get().is_some_and(|widened| widened.contains(ordinal))
    }

    /// Has a record vote again in another pass.
    pub fn leave_undecided(&self, ordinal: u32) {
        self.undecided.get_or_init(|| RecordSet::of_size(self.voters)).insert(ordinal);
    }
}

/// The chunks of the range in log order.
pub fn chunks_of(surveys: &[Survey]) -> Vec<ChunkAt> {
    let numbered = surveys.iter().enumerate();
    numbered
        .flat_map(|(segment, s)| {
            s.chunks.iter().map(move |chunk| ChunkAt { segment, chunk: *chunk })
        })
        .collect()
}
