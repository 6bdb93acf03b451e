//! Where a directory that a round is rebased on ends, if that is worth a word.

use std::path::PathBuf;

use crate::units::Offset;

/// A directory to rebase on that ends elsewhere than one would expect.
pub enum BaseEnds {
    /// Between its end and where the source begins there is nothing.
    InFrontOfSource(PathBuf, Offset, Offset),
    /// It was to be taken further.
    InFrontOfWatermark(PathBuf, Offset),
    /// It was not to be taken as far, but the source has no more what lies between.
    BehindWatermark(PathBuf, Offset),
    /// The source ends earlier.
    BehindSource(PathBuf, Offset, Offset),
}

impl std::fmt::Display for BaseEnds {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            BaseEnds::InFrontOfSource(from, reached, border) => write!(
                f,
                "{} ends at offset {reached}, and the source is read from offset {border} on: \
                 what lies between is in neither",
                from.display()
            ),
            BaseEnds::InFrontOfWatermark(from, reached) => write!(
                f,
                "{} ends at offset {reached} already; the source is read from there on",
                from.display()
            ),
            BaseEnds::BehindSource(from, reached, end) => write!(
                f,
                "{} reaches up to offset {}, but the source ends at offset {end}: what it has \
                 behind that is not taken; is the source the newer of the two, and sound?",
                from.display(),
                reached.0 - 1
            ),
            BaseEnds::BehindWatermark(from, border) => write!(
                f,
                "the source begins at offset {border}, behind --rebase-high-watermark; {} is \
                 taken up to there",
                from.display()
            ),
        }
    }
}
