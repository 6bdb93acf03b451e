//! The folder that a command writes to: named, or called after what it reads; never inside that.

use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context, bail};

/// The folder `asked` for, or `<name of DIR>.<ending>` in the current folder.
pub fn choose(asked: Option<&Path>, dirs: &[PathBuf], ending: &str) -> anyhow::Result<PathBuf> {
    let out = suppose(asked, dirs, ending)?;
    refuse_inside(&out, dirs, "--out")?;
    Ok(out)
}

/// The same for a run that writes nothing, so that it may lie anywhere.
pub fn suppose(asked: Option<&Path>, dirs: &[PathBuf], ending: &str) -> anyhow::Result<PathBuf> {
    asked.map_or_else(|| default_out(dirs, ending), |out| Ok(out.to_path_buf()))
}

fn default_out(dirs: &[PathBuf], ending: &str) -> anyhow::Result<PathBuf> {
    let [dir] = dirs else {
        bail!("several directories are {ending}: say with --out where the output goes");
    };
    let full = fs::canonicalize(dir).with_context(|| dir.display().to_string())?;
    // `.` and `..` have no name of their own.
    let Some(name) = dir.file_name().or(full.file_name()) else {
        bail!("{}: has no name; say with --out where the output goes", dir.display());
    };
    Ok(PathBuf::from(format!("{}.{ending}", name.to_string_lossy())))
}

/// The output may not lie in what is being read: a broker takes no strange folder among its
/// partitions, and the source is not to be touched.
pub(super) fn refuse_inside(out: &Path, dirs: &[PathBuf], option: &str) -> anyhow::Result<()> {
    let full = std::path::absolute(out).with_context(|| out.display().to_string())?;
    let standing = full.ancestors().find_map(|path| fs::canonicalize(path).ok());
    for dir in dirs {
        let source = fs::canonicalize(dir).with_context(|| dir.display().to_string())?;
        if standing.as_ref().is_some_and(|path| path.starts_with(&source)) {
            bail!(
                "{}: the output would lie inside {}; name another place with {option}",
                out.display(),
                dir.display()
            );
        }
    }
    Ok(())
}
