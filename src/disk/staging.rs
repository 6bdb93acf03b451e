//! The staging folder: nothing half-written ever has a final name.

use std::ffi::OsString;
use std::fs;
use std::path::{Path, PathBuf};

use super::whole_file::is_aside;
use super::{Disk, Joined, LockedDir, LockedFile, Member};
use crate::error::{Error, Result};

/// Where partitions are written before they have their names.
pub const STAGING: &str = ".logcompact-staging";
const REPORT: &str = "logcompact-report.json";
/// What the reports of several runs that fill one folder begin with.
const REPORT_OF_UNIT: &str = "logcompact-report.unit-";

/// What the report of one of several runs is called that fill one folder.
pub fn report_of_unit(number: usize) -> String {
    format!("{REPORT_OF_UNIT}{number}.json")
}

/// What lies in an output folder until a run has ended that can be begun again.
const UNFINISHED: &str = ".logcompact-unfinished";
const UNFINISHED_TEXT: &str = "What logcompact repair writes here is not finished. \
                               If it is not at work, run it again.\n";

/// The folder inside the output where partitions are written before they have their names.
/// Dropping it removes what is left in it.
pub struct Staging {
    disk: Disk,
    out: PathBuf,
    dir: PathBuf,
    _lock: LockedDir,
    can_be_resumed: bool,
    joined: Option<Joined>,
    finished: bool,
}

impl Staging {
    /// Creates output and staging folders. What a run that did not finish has left there goes.
    ///
    /// # Errors
    /// Refused: an output folder that holds anything else, or that somebody is at work in.
    pub fn create(disk: &Disk, out: &Path) -> Result<Staging> {
        // A run that left all alone has left its report.
        if let Some(other) = names_in(out).find(|name| !is_ours(name)) {
            let what = if out.join(STAGING).exists() {
                "holds the output of a run that did not finish; remove it, or name another folder \
                 with --out"
                    .to_owned()
            } else {
                format!(
                    "the output folder is not empty, there is {}; name another with --out, or \
                     empty it",
                    other.display()
                )
            };
            return Err(Error::refused(format!("{}: {what}", out.display())));
        }
        disk.create_durable_dir(out)?;
        let staging = Staging::resume(disk, out)?;
        disk.remove_if_there(&out.join(UNFINISHED))?;
        disk.create_dir(&staging.dir)?;
        Ok(staging)
    }

    /// The same for a run that can be begun again: until it is finished, the folder says so, and
    /// the next one goes on in it. What that finds complete it has to leave there itself, byte for
    /// byte; `may_be_there` says of what name that can be.
    ///
    /// # Errors
    /// As [`Staging::create`].
    pub fn create_again(
        disk: &Disk,
        out: &Path,
        may_be_there: impl Fn(&str) -> bool,
    ) -> Result<Staging> {
        let mut staging = if out.join(UNFINISHED).is_file() {
            let is_known =
                |name: &OsString| is_ours(name) || name.to_str().is_some_and(&may_be_there);
            if let Some(other) = names_in(out).find(|name| !is_known(name)) {
                return Err(Error::refused(format!(
                    "{}: holds the output of a run that did not finish, and {}, which this run \
                     would not write; name another folder with --out, or remove that",
                    out.display(),
                    other.display()
                )));
            }
            let staging = Staging::resume(disk, out)?;
            disk.create_dir(&staging.dir)?;
            staging
        } else {
            Staging::create(disk, out)?
        };
        staging.can_be_resumed = true;
        disk.replace_file(&out.join(UNFINISHED), UNFINISHED_TEXT.as_bytes())?;
        Ok(staging)
    }

    /// Goes on in an output folder that holds what an earlier run has finished. What that run left
    /// unfinished goes; the staging folder comes to be when the first partition needs it.
    ///
    /// # Errors
    /// Refused: somebody else is at work there. The system's.
    pub fn resume(disk: &Disk, out: &Path) -> Result<Staging> {
        let lock = LockedDir::take(out).map_err(|busy| busy.by_us(out))?;
        let dir = out.join(STAGING);
        disk.remove_dir_if_there(&dir)?;
        disk.remove_dead_of(&out.join(REPORT));
        let (disk, out) = (disk.clone(), out.into());
        let (can_be_resumed, joined, finished) = (false, None, false);
        Ok(Staging { disk, out, dir, _lock: lock, can_be_resumed, joined, finished })
    }

    /// The same for a `member` of a group of runs that fill an output folder side by side, each
    /// with partitions of its own, whose names `may_be_there`. What members have left that did not
    /// finish goes.
    ///
    /// # Errors
    /// Refused: an output folder that holds anything else, or in which somebody is at work who is
    /// not of the group, or this very member. The system's.
    pub fn join(
        disk: &Disk,
        out: &Path,
        member: Member<'_>,
        may_be_there: impl Fn(&str) -> bool,
    ) -> Result<Staging> {
        Staging::refuse_strangers(out, &may_be_there)?;
        disk.create_durable_dir(out)?;
        // Another one may have made it that was killed before its name was durable. Who may not
        // open the folder above it has not made it.
        let above = out.parent().filter(|above| !above.as_os_str().is_empty());
        let synced = disk.sync_dir(above.unwrap_or(Path::new(".")));
        synced.or_else(|error| if error.is_denied() { Ok(()) } else { Err(error) })?;
        let lock = LockedDir::share(out).map_err(|busy| busy.by_us(out))?;
        disk.remove_dead_of(&out.join(report_of_unit(member.number)));
        // Others may have come to it meanwhile.
        let check = || Staging::refuse_strangers(out, &may_be_there);
        let joined = Joined::join(disk, &out.join(STAGING), member, check)?;
        let (disk, out, dir) = (disk.clone(), out.into(), joined.staged());
        let (can_be_resumed, joined, finished) = (false, Some(joined), false);
        Ok(Staging { disk, out, dir, _lock: lock, can_be_resumed, joined, finished })
    }

    /// Refuses an output folder that holds what no member of a group would put there; nothing
    /// comes to be.
    ///
    /// # Errors
    /// That, with what to do.
    pub fn refuse_strangers(out: &Path, may_be_there: impl Fn(&str) -> bool) -> Result<()> {
        let is_known = |name: &OsString| is_ours(name) || name.to_str().is_some_and(&may_be_there);
        match names_in(out).find(|name| !is_known(name)) {
            None => Ok(()),
            Some(other) => Err(Error::refused(format!(
                "{}: there is {}, which no unit of this plan would put there; name another folder \
                 with --out when you plan, or remove that",
                out.display(),
                other.display()
            ))),
        }
    }

    /// Waits until nobody else who shares the output folder changes what all of them change; at
    /// once, if it is not shared. The turn ends when what this gives is dropped.
    ///
    /// # Errors
    /// The system's.
    pub fn turn(&self) -> Result<Option<LockedFile>> {
        self.joined.as_ref().map(Joined::turn).transpose()
    }

    /// The disk.
    pub fn disk(&self) -> &Disk {
        &self.disk
    }

    /// The output folder.
    pub fn out(&self) -> &Path {
        &self.out
    }

    /// The folder itself.
    pub fn dir(&self) -> &Path {
        &self.dir
    }

    /// Where a partition is to be written.
    pub fn place_of(&self, name: &str) -> PathBuf {
        self.dir.join(name)
    }

    /// Gives a partition that is complete, each of its files synced, its name, which is durable
    /// once the run has ended. One that the interrupted run has left stays, if it is the same.
    ///
    /// # Errors
    /// Refused: one that is another; the system's.
    pub fn commit(&self, name: &str) -> Result<()> {
        let (staged, place) = (self.place_of(name), self.out.join(name));
        self.disk.sync_dir(&staged)?;
        if !self.can_be_resumed || place.symlink_metadata().is_err() {
            return self.disk.rename(&staged, &place);
        }
        if !is_same(&self.disk, &staged, &place)? {
            return Err(Error::refused(format!(
                "{}: is left of a run that did not finish, and not what this one would write; \
                 remove it, or name another folder with --out",
                place.display()
            )));
        }
        self.discard(name)
    }

    /// Removes what was written of a partition.
    pub fn discard(&self, name: &str) -> Result<()> {
        self.disk.remove_dir_if_there(&self.place_of(name))
    }

    /// Removes the folder itself; all that was written to the output is durable then.
    pub fn close(&self) -> Result<()> {
        match &self.joined {
            None => self.disk.remove_dir_if_there(&self.dir)?,
            Some(joined) => joined.leave(&self.disk)?,
        }
        self.disk.sync_dir(&self.out)
    }

    /// Ends a run that was carried out.
    pub fn finish(mut self) -> Result<()> {
        self.finished = true;
        self.close()?;
        // Should a power cut bring it back, the next run finds all as it would leave it.
        match self.can_be_resumed {
            true => self.disk.remove_if_there(&self.out.join(UNFINISHED)),
            false => Ok(()),
        }
    }
}

impl Drop for Staging {
    fn drop(&mut self) {
        if self.finished {
            return;
        }
        if self.joined.is_some() {
            // The output folder is not ours alone.
            let _ = self.close();
            return;
        }
        // The run failed. Nothing here has a final name; an output folder that is empty after
        // this was ours, too.
        let _ = self.disk.remove_dir_if_there(&self.dir);
        if self.can_be_resumed && names_in(&self.out).all(|name| name == UNFINISHED) {
            let _ = self.disk.remove_if_there(&self.out.join(UNFINISHED));
        }
        if fs::remove_dir(&self.out).is_err() {
            let _ = self.disk.sync_dir(&self.out);
        }
    }
}

/// What any run leaves in its output folder that does not finish, or that leaves all alone.
fn is_ours(name: &OsString) -> bool {
    let unfinished = name.to_str().and_then(|name| name.strip_prefix(UNFINISHED));
    name == STAGING
        || name == REPORT
        || unfinished.is_some_and(|rest| rest.is_empty() || rest == ".tmp")
        || name.to_str().is_some_and(|name| name.starts_with(REPORT_OF_UNIT))
        || name.to_str().is_some_and(is_aside)
}

fn names_in(folder: &Path) -> impl Iterator<Item = OsString> {
    let entries = fs::read_dir(folder).into_iter().flatten();
    entries.map(|entry| entry.map_or(OsString::new(), |it| it.file_name()))
}

/// Whether two folders hold the same files, and nothing else.
fn is_same(disk: &Disk, one: &Path, other: &Path) -> Result<bool> {
    let sorted = |folder: &Path| {
        let mut names: Vec<OsString> = names_in(folder).collect();
        names.sort();
        names
    };
    let names = sorted(one);
    if names != sorted(other) {
        return Ok(false);
    }
    for name in names {
        let (one, other) = (one.join(&name), other.join(&name));
        let is_file = other.symlink_metadata().is_ok_and(|found| found.is_file());
        if !is_file || *disk.map(&one)? != *disk.map(&other)? {
            return Ok(false);
        }
    }
    Ok(true)
}
