//! Who may change a directory: nobody while a broker or another `logcompact` works there, and
//! nobody before a broker that crashed has had its recovery.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use crate::disk::{Busy, LockedDir, LockedFile};
use crate::error::{Error, Result};
use crate::segment::{LogDir, Sources};

/// What a broker locks in its log directory (`LogManager`).
const LOCK: &str = ".lock";
/// What a broker leaves when it was stopped as it should be (`CleanShutdownFileHandler`).
pub(super) const CLEAN_SHUTDOWN: &str = ".kafka_cleanshutdown";
/// Log directories that are ours until this is dropped: a broker that starts meanwhile does not
/// get its lock.
#[derive(Debug)]
pub struct Claim {
    _locks: Vec<LockedFile>,
}

impl Claim {
    /// Claims the log directories of these partitions, as far as they are a broker's.
    ///
    /// # Errors
    /// A lock that somebody else holds is refused.
    pub fn on(sources: &Sources) -> Result<Claim> {
        let mut locks = Vec::new();
        for dir in log_dirs(sources) {
            let path = dir.path.join(LOCK);
            if !path.exists() && !dir.is_a_brokers() {
                continue;
            }
            locks.push(LockedFile::take(&path).map_err(|busy| match busy {
                Busy::Held => Error::refused(format!(
                    "{}: a broker (or another logcompact) holds this lock; stop it first, or work \
                     on a copy with --out",
                    path.display()
                )),
                Busy::Io(source) => Error::io(&path, "cannot lock", source),
            })?);
        }
        Ok(Claim { _locks: locks })
    }
}

/// A partition directory that is ours until this is dropped.
#[derive(Debug)]
pub struct PartitionClaim {
    _lock: LockedDir,
}

impl PartitionClaim {
    /// Claims a partition directory against other runs of this program.
    ///
    /// # Errors
    /// One that another run holds is refused.
    pub fn on(dir: &Path) -> Result<PartitionClaim> {
        let lock = LockedDir::take(dir).map_err(|busy| match busy {
            Busy::Held => Error::refused(format!(
                "{}: another logcompact is at work here; wait for it to end",
                dir.display()
            )),
            Busy::Io(source) => Error::io(dir, "cannot lock", source),
        })?;
        Ok(PartitionClaim { _lock: lock })
    }
}

/// A log directory among those of `sources` whose broker did not stop as it should: its logs may
/// end in an unfinished write, and its next start would cut it off.
pub fn unclean_shutdown(sources: &Sources) -> Option<PathBuf> {
    let is_clean = |dir: &LogDir| !dir.is_a_brokers() || dir.path.join(CLEAN_SHUTDOWN).exists();
    log_dirs(sources).into_iter().find(|dir| !is_clean(dir)).map(|dir| dir.path)
}

pub(super) fn log_dirs(sources: &Sources) -> BTreeSet<LogDir> {
    sources.partitions.iter().flat_map(|path| LogDir::all_around(path)).collect()
}
