//! The leader epochs of a destination: the source forgets those of what it has deleted, and the
//! destination still holds their records. So what either says is put together; where the
//! destination's cannot be read, its batches say it.

use std::io::{ErrorKind, Read};
use std::path::Path;

use super::this_round::Round;
use crate::disk::open_listed;
use crate::error::Result;
use crate::segment::{
    EpochEntry, Frontier, LEADER_EPOCHS as EPOCHS, Place, Segment, epochs_of, render_epochs,
    rising_epochs, see_epochs,
};
use crate::units::Offset;

/// What a file says: nothing, if there is none; an error, if it cannot be read as what it is.
fn epochs_in(path: &Path) -> Result<Option<Vec<EpochEntry>>, Unreadable> {
    let mut text = String::new();
    match open_listed(path).and_then(|mut file| file.read_to_string(&mut text)) {
        Ok(_) => rising_epochs(&text).map(Some).map_err(|_| Unreadable),
        Err(error) if error.kind() == ErrorKind::NotFound => Ok(None),
        Err(_) => Err(Unreadable),
    }
}

struct Unreadable;

impl Round<'_> {
    /// What there is to say of epochs in the destination that cannot be read.
    pub fn unreadable_epochs(&self) -> Option<String> {
        self.earlier.as_ref()?;
        epochs_in(&self.destination.join(EPOCHS)).err()?;
        Some(format!(
            "{EPOCHS}: the destination's cannot be read; a round takes what the source has \
             forgotten of it from the batches"
        ))
    }

    /// Stages the epochs of the destination as it will be, unless the source's are all of them.
    ///
    /// # Errors
    /// The system's.
    pub(super) fn merge_epochs(&self, place: &Place) -> Result<()> {
        let (path, standing) = match (&self.earlier, &self.base) {
            (Some(earlier), _) => (self.destination.join(EPOCHS), &earlier.compacted.segments),
            (None, Some(base)) => (base.dir.file(EPOCHS), &base.dir.segments),
            (None, None) => return Ok(()),
        };
        let staged = place.dir.join(EPOCHS);
        let Ok(newer) = epochs_in(&staged) else { return Ok(()) };
        let older = match epochs_in(&path) {
            Ok(Some(older)) if newer.is_some() => older,
            Ok(_) => return Ok(()),
            Err(Unreadable) => epochs_of(&epochs_seen(standing)?),
        };
        // If the source's cannot be read, what was staged is what its new batches say.
        let is_missing = newer.is_none();
        let is_told_by_batches = is_missing || epochs_in(&self.source.file(EPOCHS)).is_err();
        let newer = newer.unwrap_or_default();
        let join = if is_told_by_batches { gone_on } else { joined };
        let merged = join(older, &newer);
        if merged == newer && !is_missing {
            return Ok(());
        }
        place.disk.replace_file(&staged, render_epochs(&merged).as_bytes())
    }
}

/// What the destination says of epochs in front of where the source's begin, and what that says.
/// An epoch that the source has the rest of began where it began.
fn joined(older: Vec<EpochEntry>, newer: &[EpochEntry]) -> Vec<EpochEntry> {
    let Some(first) = newer.first().copied() else { return Vec::new() };
    let in_front =
        |it: &EpochEntry| it.epoch <= first.epoch && it.start_offset < first.start_offset;
    let mut all: Vec<EpochEntry> = older.into_iter().filter(in_front).collect();
    let last = all.last().map(|last| last.epoch);
    all.extend(newer.iter().filter(|entry| Some(entry.epoch) != last));
    all
}

/// What the destination says of epochs, and what new batches say of later ones.
fn gone_on(older: Vec<EpochEntry>, newer: &[EpochEntry]) -> Vec<EpochEntry> {
    let last = older.last().map_or(-1, |last| last.epoch);
    older.into_iter().chain(newer.iter().copied().filter(|entry| entry.epoch > last)).collect()
}

/// The leader epochs of the batches, with their first offsets.
fn epochs_seen(segments: &[Segment]) -> Result<Vec<(i32, Offset)>> {
    let mut seen: Vec<(i32, Offset)> = Vec::new();
    for segment in segments {
        let log = segment.log()?;
        see_epochs(log.batches(), &mut Frontier::of(&log), &mut seen)?;
    }
    Ok(seen)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn epochs(of: &[(i32, i64)]) -> Vec<EpochEntry> {
        let entry = |(epoch, start): &(i32, i64)| EpochEntry {
            epoch: *epoch,
            start_offset: Offset(*start),
        };
        of.iter().map(entry).collect()
    }

    #[test]
    fn epochs_that_the_source_has_forgotten_stay() {
        let older = epochs(&[(0, 0), (2, 40), (5, 90)]);
        let newer = epochs(&[(5, 95), (7, 120)]);
        let merged = epochs(&[(0, 0), (2, 40), (5, 90), (7, 120)]);
        assert_eq!(joined(older.clone(), &newer), merged);
        assert_eq!(joined(older.clone(), &[]), []);
        assert_eq!(joined(Vec::new(), &newer), newer);
        assert_eq!(joined(older.clone(), &epochs(&[(0, 0)])), epochs(&[(0, 0)]));
        assert_eq!(gone_on(older.clone(), &newer), merged);
        assert_eq!(gone_on(older.clone(), &epochs(&[(4, 130)])), older);
    }
}
