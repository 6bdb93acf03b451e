//! Paths in reports: JSON has no bytes that are no text, a system's names do.

use std::path::{Path, PathBuf};

use serde::Serializer;

/// Writes a path as text; what in it is none is replaced, as in messages.
///
/// # Errors
/// The serializer's.
pub fn path<S: Serializer>(path: &Path, to: S) -> Result<S::Ok, S::Error> {
    to.serialize_str(&path.to_string_lossy())
}

/// The same of a path that may not be there: null, then.
///
/// # Errors
/// The serializer's.
pub fn optional_path<S: Serializer>(path: &Option<PathBuf>, to: S) -> Result<S::Ok, S::Error> {
    match path {
        Some(path) => to.serialize_some(&path.to_string_lossy()),
        None => to.serialize_none(),
    }
}
