//! What can go wrong, with the file and the position where it did.
//!
//! Damage that a command reports and survives is not an [`Error`] but a finding (`verify`) or a
//! damage entry (`report`); an `Error` ends the work on one partition or on the whole run.

use std::fmt;
use std::io;
use std::path::{Path, PathBuf};

use crate::units::Position;

/// The result of anything that can fail.
pub type Result<T, E = Error> = std::result::Result<T, E>;

/// A failure, the file it is about and, where there is one, the byte position.
#[derive(Debug)]
pub struct Error {
    /// The file or directory.
    pub path: Option<PathBuf>,
    /// Where in the file.
    pub position: Option<Position>,
    /// What happened.
    pub kind: ErrorKind,
}

/// The kinds of failure, by what the caller can do about them.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ErrorKind {
    /// The operating system refused; nothing is known to be wrong with the data.
    #[error("{doing}: {source}")]
    Io {
        /// What was being done, as in "cannot create".
        doing: &'static str,
        /// The system's answer.
        source: io::Error,
    },
    /// The bytes are not what Kafka writes.
    #[error("{0}")]
    Corrupt(String),
    /// The request cannot be carried out as asked; the text says what to do instead.
    #[error("{0}")]
    Refused(String),
    /// A promise of this program about itself failed; nothing was committed.
    #[error("this is a bug in logcompact, nothing was written: {0}")]
    Bug(String),
}

impl Error {
    /// An I/O failure at `path` while `doing` something.
    pub fn io(path: &Path, doing: &'static str, source: io::Error) -> Error {
        Error { path: Some(path.into()), position: None, kind: ErrorKind::Io { doing, source } }
    }

    /// Bytes at `position` of `path` that are not what Kafka writes.
    pub fn corrupt(path: &Path, position: Position, reason: impl Into<String>) -> Error {
        Error {
            path: Some(path.into()),
            position: Some(position),
            kind: ErrorKind::Corrupt(reason.into()),
        }
    }

    /// A request that is not carried out; `reason` says what to do instead.
    pub fn refused(reason: impl Into<String>) -> Error {
        Error { path: None, position: None, kind: ErrorKind::Refused(reason.into()) }
    }

    /// A broken promise of this program about itself.
    pub fn bug(reason: impl Into<String>) -> Error {
        Error { path: None, position: None, kind: ErrorKind::Bug(reason.into()) }
    }

    /// Whether the system does not allow it: to this user, or with this name, as where something
    /// is mounted there.
    pub fn is_denied(&self) -> bool {
        use io::ErrorKind::{CrossesDevices, PermissionDenied, ResourceBusy};
        let ErrorKind::Io { source, .. } = &self.kind else { return false };
        matches!(source.kind(), PermissionDenied | ResourceBusy | CrossesDevices)
    }

    /// Whether the bytes of a file are at fault, so that other partitions can go on.
    pub fn is_corruption(&self) -> bool {
        matches!(self.kind, ErrorKind::Corrupt(_))
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let Some(path) = &self.path {
            write!(f, "{}: ", path.display())?;
        }
        if let Some(position) = self.position {
            write!(f, "position {position}: ")?;
        }
        self.kind.fmt(f)
    }
}

// The cause is part of the text already, so it is not given a second time as a source.
impl std::error::Error for Error {}
