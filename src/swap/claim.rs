//! Who may change a directory: nobody while a broker or another `logcompact` works there, and
//! nobody before a broker that crashed has had its recovery.

use std::collections::BTreeSet;
use std::fs::canonicalize;
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
    _of_brokers: Vec<LockedFile>,
    _of_ours: Vec<LockedDir>,
}

impl Claim {
    /// Claims the log directories of these partitions as far as they are a broker's, and those
    /// that were named against other runs of this program.
    ///
    /// # Errors
    /// A lock that somebody else holds is refused.
    pub fn on(sources: &Sources) -> Result<Claim> {
        let dirs = log_dirs(sources);
        let dirs = dirs.iter().filter(|dir| dir.path.join(LOCK).exists() || dir.is_a_brokers());
        let of_brokers = dirs.map(|dir| against_brokers(&dir.path, &LockedFile::take));
        let of_brokers = of_brokers.collect::<Result<_>>()?;
        let named: BTreeSet<_> =
            sources.log_dirs.iter().filter_map(|dir| canonicalize(&dir.path).ok()).collect();
        let of_ours = named.iter().map(|dir| against_ours(dir)).collect::<Result<_>>()?;
        Ok(Claim { _of_brokers: of_brokers, _of_ours: of_ours })
    }

    /// Claims the folder `out`, in which rounds go on, against a broker that has begun to use it;
    /// [`Staging`](crate::disk::Staging) claims it against us. No lock comes to be.
    ///
    /// # Errors
    /// A lock that somebody else holds is refused.
    pub fn on_folder(out: &Path) -> Result<Claim> {
        Claim::on_folder_by(out, LockedFile::take)
    }

    /// The same together with other runs that take it so.
    ///
    /// # Errors
    /// As [`Claim::on_folder`].
    pub fn on_shared_folder(out: &Path) -> Result<Claim> {
        Claim::on_folder_by(out, LockedFile::share)
    }

    fn on_folder_by(out: &Path, lock: impl Fn(&Path) -> Result<LockedFile, Busy>) -> Result<Claim> {
        let has_lock = out.join(LOCK).exists().then_some(out);
        let of_brokers = has_lock.into_iter().map(|dir| against_brokers(dir, &lock));
        let of_brokers = of_brokers.collect::<Result<_>>()?;
        Ok(Claim { _of_brokers: of_brokers, _of_ours: Vec::new() })
    }
}

/// The lock by which a broker is kept out of `dir`.
fn against_brokers(
    dir: &Path,
    lock: &impl Fn(&Path) -> Result<LockedFile, Busy>,
) -> Result<LockedFile> {
    let path = dir.join(LOCK);
    lock(&path).map_err(|busy| match busy {
        Busy::Held => Error::refused(format!(
            "{}: a broker (or another logcompact) holds this lock; stop it first, or work on a \
             copy with --out",
            path.display()
        )),
        Busy::Io(source) => Error::io(&path, "cannot lock", source),
    })
}

fn against_ours(dir: &Path) -> Result<LockedDir> {
    LockedDir::take(dir).map_err(|busy| busy.by_us(dir))
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
        Ok(PartitionClaim { _lock: against_ours(dir)? })
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
