//! Where a command's JSON report goes: a file, standard output, or nowhere.

use std::fs::{self, File};
use std::io::{self, BufWriter, Write};
use std::path::{Path, PathBuf};

use anyhow::{Context, bail};
use serde::Serialize;

use super::out_folder;
use crate::disk::Disk;
use crate::error::Error;
use crate::segment::CHECKPOINT_NAMES;

/// The report's file name inside an output folder.
pub const NAME: &str = "logcompact-report.json";

/// What a log directory has beside its checkpoints.
const META_PROPERTIES: &str = "meta.properties";

/// Where the report went.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ReportPlace {
    File(PathBuf),
    StandardOutput,
    Nowhere,
}

impl ReportPlace {
    /// The file, if it is one.
    pub fn file(&self) -> Option<&Path> {
        match self {
            ReportPlace::File(path) => Some(path),
            _ => None,
        }
    }
}

/// Refuses to write the file that `option` asks for where it could not be written, or would take
/// the place of what the run reads (in `dirs`, and the other files in `read`), or of what it
/// writes to the folder `out`: that is better known before the work than after it.
pub fn refuse_lost(
    (asked, option): (Option<&Path>, &str),
    dirs: &[PathBuf],
    out: Option<&Path>,
    read: &[Option<&Path>],
) -> anyhow::Result<()> {
    let Some(path) = asked.filter(|path| path.as_os_str() != "-") else {
        return Ok(());
    };
    let what = if option == "--html" { "page" } else { "report" };
    let cannot = |why: &str| format!("{}: the {what} cannot be written there{why}", path.display());
    if let Some(read) = read.iter().flatten().find(|read| is_same(path, read)) {
        bail!("{}", cannot(&format!(": {} is read", read.display())));
    }
    out_folder::refuse_inside(path, dirs, option)?;
    if path.is_dir() {
        bail!("{}", cannot(": it is a folder"));
    }
    if let Some(out) = out.filter(|out| lies_in(path, out)) {
        let is_beside = path.parent().is_some_and(|folder| is_same(folder, out));
        let is_reserved = |name: &str| {
            let is_ours = name.starts_with(".logcompact");
            is_ours || CHECKPOINT_NAMES.contains(&name) || name == META_PROPERTIES
        };
        if !is_beside || path.file_name().and_then(|name| name.to_str()).is_none_or(is_reserved) {
            bail!("{}", cannot(&format!(": {} is for the output", out.display())));
        }
        if !out.is_dir() {
            return Ok(());
        }
    }
    let is_new = !path.exists();
    if !is_new && !path.is_file() {
        return Ok(()); // a pipe, whose reader would take this for its end
    }
    // Nothing of this is left, nor changed where there is a file.
    File::options().append(true).create(true).open(path).with_context(|| cannot(""))?;
    if is_new {
        // Of a link that led nowhere, what it leads to now.
        let made = fs::canonicalize(path).with_context(|| cannot(""))?;
        fs::remove_file(made).with_context(|| cannot(""))?;
    }
    Ok(())
}

/// Whether two paths lead to the same place, be it there yet or not.
fn is_same(one: &Path, other: &Path) -> bool {
    let full = |path: &Path| fs::canonicalize(path).or_else(|_| std::path::absolute(path)).ok();
    full(one).is_some() && full(one) == full(other)
}

/// Whether `path` is within `folder`, be they there yet or not.
fn lies_in(path: &Path, folder: &Path) -> bool {
    path.ancestors().skip(1).any(|above| !above.as_os_str().is_empty() && is_same(above, folder))
}

/// Writes the report to the file that was `asked` for (`-` is standard output), or to `default`.
pub fn write(
    report: &impl Serialize,
    asked: Option<&Path>,
    default: Option<PathBuf>,
) -> anyhow::Result<ReportPlace> {
    let path = match asked {
        Some(path) if path.as_os_str() == "-" => {
            put(report, std::io::stdout().lock())?;
            return Ok(ReportPlace::StandardOutput);
        }
        Some(path) => path.to_path_buf(),
        None => match default {
            Some(path) => path,
            None => return Ok(ReportPlace::Nowhere),
        },
    };
    let written = write_whole(&path, |to| put(report, to));
    written.with_context(|| format!("{}: cannot write the report", path.display()))?;
    Ok(ReportPlace::File(path))
}

/// Has the file at `path` written, which has its name only once it is complete; until then what
/// was called that stands. Where no file can take the place of another, as where a single one is
/// mounted, it is written where it lies; so is what is no file, and what the system lends a name.
pub fn write_whole(
    path: &Path,
    write: impl Fn(&mut dyn Write) -> io::Result<()>,
) -> anyhow::Result<()> {
    if !is_streams(path) && (path.is_file() || !is_taken(path)) {
        // Who names a link means the file that it leads to.
        let full = fs::canonicalize(path).unwrap_or_else(|_| path.to_path_buf());
        match replace(&full, &write) {
            Err(error) if path.exists() && is_denied(&error) => {}
            outcome => return outcome,
        }
    }
    Ok(write(&mut File::create(path)?)?)
}

/// Whether it is one of the names that the system has for open files, as `/dev/stdout`.
fn is_streams(path: &Path) -> bool {
    let full = std::path::absolute(path).unwrap_or_default();
    ["/dev", "/proc"].iter().any(|folder| full.starts_with(folder) && !full.starts_with("/dev/shm"))
}

/// A link that leads nowhere takes up its name, too.
fn is_taken(path: &Path) -> bool {
    path.symlink_metadata().is_ok()
}

fn is_denied(error: &anyhow::Error) -> bool {
    error.downcast_ref::<Error>().is_some_and(Error::is_denied)
}

fn replace(path: &Path, write: impl Fn(&mut dyn Write) -> io::Result<()>) -> anyhow::Result<()> {
    let mut to = BufWriter::new(Disk::default().replace_whole(path)?);
    write(&mut to)?;
    let file = to.into_inner().map_err(io::IntoInnerError::into_error)?;
    Ok(file.finish()?)
}

/// Writes it as it goes: the evidence of what was erased may be longer than memory.
fn put(report: &impl Serialize, to: impl Write) -> io::Result<()> {
    let mut to = BufWriter::new(to);
    serde_json::to_writer_pretty(&mut to, report)?;
    to.write_all(b"\n")?;
    to.flush()
}
