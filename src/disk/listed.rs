//! Files that a listing found, opened only if they are files: a link could lead anywhere, and a
//! pipe would be waited for.

use std::fs::{self, File, FileType, Metadata};
use std::io;
use std::os::unix::fs::{FileTypeExt, MetadataExt};
use std::path::Path;

use rustix::fs::{Mode, OFlags};

/// What `kind` is called, if it is neither a file nor a folder.
pub fn oddity(kind: FileType) -> Option<&'static str> {
    if kind.is_file() || kind.is_dir() {
        return None;
    }
    if kind.is_symlink() {
        return Some("a link");
    }
    if kind.is_fifo() {
        return Some("a pipe");
    }
    if kind.is_socket() {
        return Some("a socket");
    }
    Some("a device")
}

/// Opens the file at `path` for reading; follows no link in its place.
///
/// # Errors
/// The system's; what is no file is said to be what it is.
pub fn open_listed(path: &Path) -> io::Result<File> {
    refuse_odd(&fs::symlink_metadata(path)?)?;
    // What has taken its place since is not followed, nor waited for, either.
    let flags = OFlags::RDONLY | OFlags::NOFOLLOW | OFlags::NONBLOCK | OFlags::CLOEXEC;
    let file = File::from(rustix::fs::open(path, flags, Mode::empty())?);
    refuse_odd(&file.metadata()?)?;
    Ok(file)
}

/// Opens the file that a user named, which may be a link to one.
///
/// # Errors
/// As [`open_listed`].
pub fn open_named(path: &Path) -> io::Result<File> {
    refuse_odd(&fs::metadata(path)?)?;
    File::open(path)
}

fn refuse_odd(metadata: &Metadata) -> io::Result<()> {
    if metadata.is_dir() {
        return Err(io::Error::from(io::ErrorKind::IsADirectory));
    }
    match oddity(metadata.file_type()) {
        Some(what) => Err(io::Error::other(format!("it is {what}"))),
        None => Ok(()),
    }
}

/// What the system calls a file, whatever its name is: its device and number.
pub(super) fn identity(metadata: &Metadata) -> (u64, u64) {
    (metadata.dev(), metadata.ino())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_link_is_followed_only_where_it_was_named() {
        let dir = tempfile::tempdir().unwrap();
        let (file, link) = (dir.path().join("file"), dir.path().join("link"));
        fs::write(&file, "x").unwrap();
        std::os::unix::fs::symlink(&file, &link).unwrap();
        assert!(open_listed(&file).is_ok() && open_named(&link).is_ok());
        assert_eq!(open_listed(&link).unwrap_err().to_string(), "it is a link");
        assert_eq!(open_named(Path::new("/dev/zero")).unwrap_err().to_string(), "it is a device");
    }
}
