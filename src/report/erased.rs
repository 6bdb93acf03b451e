//! The evidence of what was erased: one entry for each record, read back only as it is written.
//!
//! There may be more of it than memory has room for, so a report holds no list but whoever has it.

use std::fmt;
use std::sync::Arc;

use serde::ser::{Error as _, SerializeSeq};
use serde::{Serialize, Serializer};

use crate::error::Result;
use crate::units::{Offset, Timestamp};

/// A record that was erased.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub struct ErasedRecord {
    /// Its offset.
    pub offset: Offset,
    /// Its timestamp.
    pub timestamp: Timestamp,
    /// The SHA-256 of what it was.
    pub sha256: Sha256Sum,
}

/// A SHA-256 sum, written in hexadecimal.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct Sha256Sum(pub [u8; 32]);

impl fmt::Display for Sha256Sum {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.iter().try_for_each(|byte| write!(f, "{byte:02x}"))
    }
}

impl fmt::Debug for Sha256Sum {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl Serialize for Sha256Sum {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

/// Who has the entries, in stretches that rise by offset.
pub trait Trail: fmt::Debug + Send + Sync {
    /// How many entries there are.
    fn len(&self) -> u64;

    /// Whether there are none.
    fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Stretch `number`, counted from 0; `None` behind the last.
    ///
    /// # Errors
    /// The system's.
    fn stretch(&self, number: usize) -> Result<Option<Vec<ErasedRecord>>>;
}

/// The erased records of a partition; as JSON, a list.
#[derive(Clone, Debug, Default)]
pub struct Erased(Option<Arc<dyn Trail>>);

impl Erased {
    /// Those that `trail` has.
    pub fn of(trail: Arc<dyn Trail>) -> Erased {
        Erased(Some(trail))
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.0.as_ref().is_none_or(|trail| trail.is_empty())
    }

    /// Gives all of them to `hear`, rising by offset.
    ///
    /// # Errors
    /// The system's, and those of `hear`.
    pub fn each<E: From<crate::error::Error>>(
        &self,
        mut hear: impl FnMut(&ErasedRecord) -> Result<(), E>,
    ) -> Result<(), E> {
        let Some(trail) = &self.0 else { return Ok(()) };
        let mut number = 0;
        while let Some(stretch) = trail.stretch(number)? {
            stretch.iter().try_for_each(&mut hear)?;
            number += 1;
        }
        Ok(())
    }

    /// All of them at once, for who knows that they are few.
    ///
    /// # Errors
    /// The system's.
    pub fn to_vec(&self) -> Result<Vec<ErasedRecord>> {
        let mut all = Vec::new();
        self.each(|record| {
            all.push(*record);
            Ok::<_, crate::error::Error>(())
        })?;
        Ok(all)
    }
}

impl PartialEq for Erased {
    fn eq(&self, other: &Erased) -> bool {
        matches!((self.to_vec(), other.to_vec()), (Ok(ours), Ok(others)) if ours == others)
    }
}

/// What stops a list: reading it, or writing it.
enum Stopped<E> {
    Reading(crate::error::Error),
    Writing(E),
}

impl<E> From<crate::error::Error> for Stopped<E> {
    fn from(error: crate::error::Error) -> Self {
        Stopped::Reading(error)
    }
}

impl Serialize for Erased {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let count = self.0.as_ref().map_or(0, |trail| trail.len());
        let mut list = serializer.serialize_seq(usize::try_from(count).ok())?;
        let written = self
            .each(|record| list.serialize_element(record).map_err(Stopped::Writing::<S::Error>));
        match written {
            Ok(()) => list.end(),
            Err(Stopped::Reading(error)) => Err(S::Error::custom(error)),
            Err(Stopped::Writing(error)) => Err(error),
        }
    }
}
