//! A candidate for its key: which record it is, and what follows if it wins.

/// What follows for a record that is its key's champion.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Standing {
    /// It stays.
    Stays,
    /// It is a tombstone whose time has come: it goes, but still hides what it beats.
    Expired,
    /// It lies below the log start: it stays if no other record has its key, and hides nothing.
    BelowStart,
    /// It is both: it goes, and hides nothing.
    ExpiredBelowStart,
}

impl Standing {
    /// Whether it hides what it beats.
    #[inline]
    pub fn hides(self) -> bool {
        matches!(self, Standing::Stays | Standing::Expired)
    }
}

/// Which record of its chunk a candidate is, under two bits of standing.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Candidate(u32);

impl Candidate {
    const ORDINAL_BITS: u32 = 30;

    /// Record `ordinal` of the chunk.
    #[inline]
    pub fn new(ordinal: u32, standing: Standing) -> Candidate {
        Candidate(ordinal | (standing as u32) << Self::ORDINAL_BITS)
    }

    /// Whether record `ordinal` of a chunk can be one.
    #[inline]
    pub fn has_room_for(ordinal: u32) -> bool {
        ordinal >> Self::ORDINAL_BITS == 0
    }

    /// Which record of the chunk.
    #[inline]
    pub fn ordinal(self) -> u32 {
        self.0 & ((1 << Self::ORDINAL_BITS) - 1)
    }

    /// What follows if it wins.
    #[inline]
    pub fn standing(self) -> Standing {
        match self.0 >> Self::ORDINAL_BITS {
            0 => Standing::Stays,
            1 => Standing::Expired,
            2 => Standing::BelowStart,
            _ => Standing::ExpiredBelowStart,
        }
    }

    /// As bytes.
    pub fn to_bytes(self) -> [u8; 4] {
        self.0.to_le_bytes()
    }

    /// From bytes.
    pub fn of_bytes(bytes: [u8; 4]) -> Candidate {
        Candidate(u32::from_le_bytes(bytes))
    }
}
