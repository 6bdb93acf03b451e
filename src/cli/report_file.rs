//! Where a command's JSON report goes: a file, standard output, or nowhere.

use std::fs;
use std::io::Write;
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
    let mut json = serde_json::to_vec_pretty(report)?;
    json.push(b'\n');
    let path = match asked {
        Some(path) if path.as_os_str() == "-" => {
            std::io::stdout().lock().write_all(&json)?;
            return Ok(ReportPlace::StandardOutput);
        }
        Some(path) => path.to_path_buf(),
        None => match default {
            Some(path) => path,
            None => return Ok(ReportPlace::Nowhere),
        },
    };
    fs::write(&path, &json)
        .with_context(|| format!("{}: cannot write the report", path.display()))?;
    Ok(ReportPlace::File(path))
}
