//! The partition's two small files where they cannot be read: carried over as they are, no broker
//! would load what comes out. `repair` has the same rules.

use super::look::Survey;
use crate::error::Result;
use crate::segment::{Frontier, PartitionDir, Unread, see_epochs, unread_epochs, unread_metadata};
use crate::units::Offset;

/// Those of `source` that cannot be read, and what becomes of each.
///
/// # Errors
/// The system's.
pub fn unread_of(source: &PartitionDir, surveys: &[Survey]) -> Result<Vec<Unread>> {
    let epochs = unread_epochs(source, || epochs_seen(surveys))?;
    Ok(epochs.into_iter().chain(unread_metadata(source)?).collect())
}

/// The leader epochs of the batches, with their first offsets.
fn epochs_seen(surveys: &[Survey]) -> Result<Vec<(i32, Offset)>> {
    let mut seen: Vec<(i32, Offset)> = Vec::new();
    for survey in surveys {
        let mut frontier = Frontier::of(&survey.log);
        for chunk in &survey.chunks {
            let batches = survey.log.batches_from(chunk.start).until(chunk.end);
            see_epochs(batches, &mut frontier, &mut seen)?;
        }
    }
    Ok(seen)
}
