//! Where the log of a partition starts: with its first segment, or behind that one's base if
//! `log-start-offset-checkpoint` of the log directory around it says so.
//!
//! It is as a broker has it that loads the log (`LogLoader.load`). One names a log there only if it
//! does not start with its first segment (`LogManager.checkpointLogStartOffsetsInDir`), and goes by
//! that segment where the checkpoint cannot be read (`LogManager.loadLogs`). Who is to tell of that
//! asks [`LogDir::checkpointed`], which says why.

use super::{LOG_START_CHECKPOINT, LogDir, PartitionDir};
use crate::units::Offset;

impl PartitionDir {
    /// Where its log starts; nowhere without a segment.
    pub fn log_start(&self) -> Option<Offset> {
        let base = self.segments.first()?.base;
        Some(self.checkpointed_log_start().map_or(base, |start| start.max(base)))
    }

    /// The same, if there is a checkpoint to go by: by one that does not name the log, it starts
    /// with its first segment.
    pub fn log_start_by_checkpoint(&self) -> Option<Offset> {
        let (log_dir, _) = LogDir::around(&self.path)?;
        let is_there = log_dir.path.join(LOG_START_CHECKPOINT).is_file();
        log_dir.checkpoint(LOG_START_CHECKPOINT).ok().filter(|_| is_there)?;
        self.log_start()
    }

    /// What the checkpoint says, be there a segment or none.
    pub fn checkpointed_log_start(&self) -> Option<Offset> {
        LogDir::checkpointed(&self.path, LOG_START_CHECKPOINT).ok().flatten()
    }
}

/// Where a log starts that has offsets from `base` to `end`. What a checkpoint says of a start
/// behind its end is not believed, though a broker would delete the log (`LogLoader.recoverLog`).
pub fn believed_log_start(checkpointed: Option<Offset>, base: Offset, end: Offset) -> Offset {
    checkpointed.filter(|start| *start <= end).map_or(base, |start| start.max(base))
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;

    #[test]
    fn a_log_starts_where_the_checkpoint_says_unless_its_first_segment_is_behind_that() {
        let temp = tempfile::tempdir().unwrap();
        let path = temp.path().join("t-0");
        fs::create_dir(&path).unwrap();
        let known = |dir: &PartitionDir| {
            [dir.log_start(), dir.log_start_by_checkpoint(), dir.checkpointed_log_start()]
                .map(|start| start.map(|start| start.0))
        };
        let says = |text: &str| fs::write(temp.path().join(LOG_START_CHECKPOINT), text).unwrap();
        says("0\n1\nt 0 7\n");
        assert_eq!(known(&PartitionDir::open(&path).unwrap()), [None, None, Some(7)]);
        fs::write(path.join("00000000000000000005.log"), "").unwrap();
        let dir = PartitionDir::open(&path).unwrap();
        assert_eq!(known(&dir), [Some(7), Some(7), Some(7)]);
        says("0\n1\nt 0 3\n");
        assert_eq!(known(&dir), [Some(5), Some(5), Some(3)]);
        says("0\n1\nt 1 7\n");
        assert_eq!(known(&dir), [Some(5), Some(5), None]);
        says("1\n1\nt 0 7\n");
        assert_eq!(known(&dir), [Some(5), None, None]);
        assert!(LogDir::checkpointed(&path, LOG_START_CHECKPOINT).is_err());
        fs::remove_file(temp.path().join(LOG_START_CHECKPOINT)).unwrap();
        assert_eq!(known(&dir), [Some(5), None, None]);
        assert!(LogDir::checkpointed(&path, LOG_START_CHECKPOINT).is_ok());
    }

    #[test]
    fn a_start_behind_the_end_of_the_log_is_not_believed() {
        let start = |said: Option<i64>| believed_log_start(said.map(Offset), Offset(5), Offset(9));
        assert_eq!([None, Some(3), Some(9), Some(10)].map(|said| start(said).0), [5, 5, 9, 5]);
    }
}
