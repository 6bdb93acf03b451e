//! `leader-epoch-checkpoint`: cut to the log's range, as a broker does when it truncates
//! (`LeaderEpochFileCache.truncateFromEndAsyncFlush`); built from the batches if it cannot be read.

use crate::segment::{EpochEntry, epochs_of, render_epochs, rising_epochs};
use crate::units::Offset;

/// The new text, if there must be one. `seen` are the leader epochs of the batches that stay, with
/// their first offsets.
pub fn decide(text: &str, log_end: Offset, seen: &[(i32, Offset)]) -> Option<String> {
    let Ok(entries) = rising_epochs(text) else { return Some(render_epochs(&epochs_of(seen))) };
    // The newest epoch may begin where the log ends: nothing was written in it yet.
    let within: Vec<EpochEntry> =
        entries.iter().copied().filter(|entry| entry.start_offset <= log_end).collect();
    (within.len() < entries.len()).then(|| render_epochs(&within))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn epochs_behind_the_log_end_go_and_unreadable_ones_are_told_by_the_batches() {
        let text = "0\n3\n0 0\n2 40\n5 90\n";
        assert_eq!(decide(text, Offset(90), &[]), None);
        assert_eq!(decide(text, Offset(60), &[]), Some("0\n2\n0 0\n2 40\n".into()));
        let seen = [(0, Offset(0)), (0, Offset(9)), (2, Offset(40)), (-1, Offset(50))];
        assert_eq!(decide("junk", Offset(60), &seen), Some("0\n2\n0 0\n2 40\n".into()));
        assert_eq!(decide("0\n2\n2 40\n0 0\n", Offset(60), &seen[..1]), Some("0\n1\n0 0\n".into()));
    }
}
