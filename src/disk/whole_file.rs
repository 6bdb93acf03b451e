//! A file that has its name only once it is complete.
//!
//! Until then it is locked under another name, so that who makes it next can tell what a run that
//! was killed has left, which goes, from what one that is alive is writing.

use std::ffi::OsStr;
use std::fs::{self, File};
use std::io::{self, Write};
use std::path::{Path, PathBuf};

use tempfile::{Builder, TempPath};

use super::Disk;
use super::files::{NewFile, Owner};
use super::listed::{identity, open_listed};
use crate::error::{Error, Result};

/// How the file is called on the way: hidden, and not as anything of Kafka's.
const ASIDE: (&str, &str) = (".", ".logcompact-part");
/// So many letters and digits of its own it has.
const RANDOM_CHARS: usize = 6;

/// A file in the making, beside the place that it is for. Dropping it removes it.
pub struct WholeFile {
    disk: Disk,
    path: PathBuf,
    aside: TempPath,
    file: Box<dyn NewFile>,
    replaces: bool,
    _lock: Option<File>,
}

impl Disk {
    /// Begins a file that is to be called `path`.
    ///
    /// # Errors
    /// Refused where something is called that already; the system's, with the path.
    pub fn create_whole(&self, path: &Path) -> Result<WholeFile> {
        refuse_taken(path)?;
        self.create_aside(path, None, false)
    }

    /// Begins a file that is to be in the place of the one at `path`, whose owner and permissions
    /// it gets; where none is, it is as [`Disk::create_whole`].
    ///
    /// # Errors
    /// The system's, with the path.
    pub fn replace_whole(&self, path: &Path) -> Result<WholeFile> {
        self.create_aside(path, Owner::of(path).ok(), true)
    }

    fn create_aside(&self, path: &Path, owner: Option<Owner>, replaces: bool) -> Result<WholeFile> {
        let name = path.file_name().ok_or_else(|| {
            Error::refused(format!("{}: is not the name of a file", path.display()))
        })?;
        let prefix = prefix_of(name);
        let folder = folder_of(path);
        self.remove_dead(folder, &prefix);
        let make = || {
            Builder::new()
                .prefix(&prefix)
                .suffix(ASIDE.1)
                .rand_bytes(RANDOM_CHARS)
                .make_in(folder, |aside| self.files().create(aside, owner))
        };
        loop {
            let made = make().map_err(|source| Error::io(path, "cannot create", source))?;
            let (file, aside) = made.into_parts();
            // Another run may have taken it for a dead one's before it was locked.
            let lock = locked(&aside, File::lock);
            if lock.is_some() || aside.exists() {
                let (disk, path) = (self.clone(), path.into());
                return Ok(WholeFile { disk, path, aside, file, replaces, _lock: lock });
            }
        }
    }

    /// Removes what runs that were killed have left of the file that was to be called `path`.
    pub(super) fn remove_dead_of(&self, path: &Path) {
        let prefix = path.file_name().map(prefix_of).unwrap_or_default();
        self.remove_dead(folder_of(path), &prefix);
    }

    /// Removes what runs that were killed have left of the file that begins with `prefix` on the
    /// way. That it cannot be removed is nothing that the new one would suffer from.
    fn remove_dead(&self, folder: &Path, prefix: &str) {
        let is_left = |name: &str| {
            let own = name.strip_prefix(prefix).and_then(|rest| rest.strip_suffix(ASIDE.1));
            let is_char = |byte: u8| byte.is_ascii_alphanumeric();
            own.is_some_and(|own| own.len() == RANDOM_CHARS && own.bytes().all(is_char))
        };
        for entry in fs::read_dir(folder).into_iter().flatten().flatten() {
            let path = entry.path();
            if entry.file_name().to_str().is_some_and(is_left)
                && let Some(_lock) = locked(&path, |file| Ok(file.try_lock()?))
            {
                let _ = self.files().remove(&path);
            }
        }
    }
}

/// What the name on the way of a file called `name` begins with.
fn prefix_of(name: &OsStr) -> String {
    // A long name leaves no room for more beside it; any name will do on the way.
    let name: String = name.to_string_lossy().chars().take(32).collect();
    format!("{}{name}.", ASIDE.0)
}

/// Whether something is called so on the way to its name.
pub(super) fn is_aside(name: &str) -> bool {
    name.starts_with(ASIDE.0) && name.ends_with(ASIDE.1)
}

/// The file at `path`, locked by `lock`; none if it cannot be, or is not there any more.
fn locked(path: &Path, lock: impl FnOnce(&File) -> io::Result<()>) -> Option<File> {
    let file = open_listed(path).ok()?;
    lock(&file).ok()?;
    let is_it = |there: fs::Metadata| Some(identity(&there) == identity(&file.metadata().ok()?));
    fs::symlink_metadata(path).ok().and_then(is_it).filter(|is_it| *is_it).map(|_| file)
}

impl WholeFile {
    /// Syncs the file and gives it its name.
    ///
    /// # Errors
    /// Refused where something has come to be called that; the system's, with the path.
    pub fn finish(self) -> Result<()> {
        let WholeFile { disk, path, mut aside, file, replaces, _lock } = self;
        file.finish(None).map_err(|source| Error::io(&path, "cannot write", source))?;
        if replaces {
            disk.replace(&aside, &path)?;
        } else {
            refuse_taken(&path)?;
            disk.rename(&aside, &path)?;
        }
        aside.disable_cleanup(true);
        disk.sync_dir(folder_of(&path))
    }
}

impl Write for WholeFile {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.file.write(bytes)?;
        Ok(bytes.len())
    }

    /// Nothing: the file is synced when it is finished.
    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

fn refuse_taken(path: &Path) -> Result<()> {
    // A link that leads nowhere takes up the name, too.
    match path.symlink_metadata() {
        Ok(_) => {
            let what = "exists, and is not replaced; name another file, or remove it";
            Err(Error::refused(format!("{}: {what}", path.display())))
        }
        Err(_) => Ok(()),
    }
}

fn folder_of(path: &Path) -> &Path {
    match path.parent() {
        Some(folder) if folder != Path::new("") => folder,
        _ => Path::new("."),
    }
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;

    fn names_in(folder: &Path) -> Vec<String> {
        let entries = fs::read_dir(folder).unwrap();
        entries.map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect()
    }

    #[test]
    fn a_file_has_its_name_only_once_it_is_complete() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("x".repeat(255));
        let mut file = Disk::default().create_whole(&path).unwrap();
        file.write_all(b"abc").unwrap();
        assert!(!path.exists());
        file.finish().unwrap();
        assert_eq!(fs::read(&path).unwrap(), b"abc");
        assert_eq!(names_in(folder.path()).len(), 1);
    }

    #[test]
    fn a_file_that_was_given_up_leaves_nothing() {
        let folder = tempfile::tempdir().unwrap();
        let mut file = Disk::default().create_whole(&folder.path().join("a.csv")).unwrap();
        file.write_all(b"abc").unwrap();
        assert_eq!(names_in(folder.path()).len(), 1);
        drop(file);
        assert_eq!(names_in(folder.path()), [""; 0]);
    }

    #[test]
    fn what_a_killed_run_has_left_of_it_goes_and_what_one_that_lives_is_writing_stays() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("a.csv");
        let alive = Disk::default().create_whole(&path).unwrap();
        let of_others = [".a.csv.gz.XXXXXX.logcompact-part", ".a.csv.notes.logcompact-part"];
        for name in of_others.into_iter().chain([".a.csv.Dead01.logcompact-part"]) {
            fs::write(folder.path().join(name), "x").unwrap();
        }
        let file = Disk::default().replace_whole(&path).unwrap();
        let mut names = names_in(folder.path());
        assert_eq!(names.len(), 4, "{names:?}");
        file.finish().unwrap();
        drop(alive);
        names = names_in(folder.path());
        names.sort();
        assert_eq!(names, [of_others[0], of_others[1], "a.csv"]);
    }

    #[test]
    fn what_is_replaced_stands_until_the_new_one_is_complete() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("a.json");
        for text in ["one", "another"] {
            let before = fs::read(&path).ok();
            let mut file = Disk::default().replace_whole(&path).unwrap();
            file.write_all(text.as_bytes()).unwrap();
            assert_eq!(fs::read(&path).ok(), before);
            file.finish().unwrap();
            assert_eq!(fs::read_to_string(&path).unwrap(), text);
        }
        assert_eq!(names_in(folder.path()), ["a.json"]);
    }

    #[test]
    fn what_stands_under_the_name_is_not_replaced() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("a.csv");
        let file = Disk::default().create_whole(&path).unwrap();
        fs::write(&path, "mine").unwrap();
        assert!(file.finish().unwrap_err().to_string().contains("exists"));
        assert!(Disk::default().create_whole(&path).is_err());
        assert_eq!(names_in(folder.path()), ["a.csv"]);
        assert_eq!(fs::read(&path).unwrap(), b"mine");
    }
}
