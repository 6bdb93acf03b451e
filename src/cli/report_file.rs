//! Where a command's JSON report goes: a file, standard output, or nowhere.

use std::fs::File;
use std::io::{self, BufWriter, Write};
use std::path::{Path, PathBuf};

use anyhow::{Context, bail};
use serde::Serialize;

/// The report's file name inside an output folder.
pub const NAME: &str = "logcompact-report.json";

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

/// A report that could not be written is better known before the work than after it.
pub fn refuse_lost(asked: Option<&Path>, out: Option<&Path>) -> anyhow::Result<()> {
    let Some(path) = asked.filter(|path| path.as_os_str() != "-") else {
        return Ok(());
    };
    let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty());
    let in_output = out.is_some_and(|out| path.starts_with(out));
    if path.is_dir() || (!in_output && folder.is_some_and(|folder| !folder.is_dir())) {
        bail!("{}: the report cannot be written there", path.display());
    }
    Ok(())
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
    let written = File::create(&path).and_then(|file| put(report, file));
    written.with_context(|| format!("{}: cannot write the report", path.display()))?;
    Ok(ReportPlace::File(path))
}

/// Writes it as it goes: the evidence of what was erased may be longer than memory.
fn put(report: &impl Serialize, to: impl Write) -> io::Result<()> {
    let mut to = BufWriter::new(to);
    serde_json::to_writer_pretty(&mut to, report)?;
    to.write_all(b"\n")?;
    to.flush()
}
