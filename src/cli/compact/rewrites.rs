//! `--erase-keys`, `--compression` and `--segment-bytes`, validated.

use std::fs::File;
use std::io::Read;
use std::path::Path;
use std::sync::Arc;

use anyhow::{Context, bail};

use crate::cli::args::{CompactArgs, OnDamageArg};
use crate::cli::terminal::messages;
use crate::compact::{ErasedKeys, Rewrites};
use crate::format::Compression;
use crate::report::grouped;

/// Lines that are listed of those whose keys no record had.
const MOST_LINES: usize = 10;

/// What is to be rewritten whether or not compaction has a reason to.
pub fn of(args: &CompactArgs, memory_limit_bytes: u64) -> anyhow::Result<Rewrites> {
    let keys_in = |path| keys_in(path, memory_limit_bytes / 2);
    let erased = args.erase_keys.as_deref().map(keys_in).transpose()?;
    if erased.is_some() && args.on_damage == OnDamageArg::Keep {
        bail!(
            "--erase-keys cannot look into what --on-damage keep carries over byte for byte; use \
             --on-damage skip, or repair it first; nothing was done"
        );
    }
    let compression = args.compression.as_deref().map(Compression::parse).transpose();
    let compression = compression.map_err(anyhow::Error::msg).context("--compression")?;
    let segments_anew = args.topic.segment_bytes.is_some();
    Ok(Rewrites { erased: erased.map(Arc::new), compression, segments_anew })
}

/// The keys in the file at `path`, if with the file itself they take no more than `most_bytes`.
fn keys_in(path: &Path, most_bytes: u64) -> anyhow::Result<ErasedKeys> {
    let context = || format!("--erase-keys {}", path.display());
    let mut list = Vec::new();
    let file = File::open(path).with_context(context)?;
    list.reserve_exact(file.metadata().map_or(0, |file| file.len().min(most_bytes)) as usize + 1);
    // Whatever the file is, and however large: no more of it than there is room for.
    file.take(most_bytes.saturating_add(1)).read_to_end(&mut list).with_context(context)?;
    let most_bytes = usize::try_from(most_bytes).unwrap_or(usize::MAX);
    ErasedKeys::parse(list, most_bytes).with_context(context)
}

/// Says which of the keys no record had; where a typing error would otherwise pass for success.
pub fn say_what_was_not_found(erased: &ErasedKeys) {
    let lines = erased.lines_not_found();
    if lines.is_empty() {
        return;
    }
    let listed: Vec<String> = lines.iter().take(MOST_LINES).map(usize::to_string).collect();
    let more = lines.len().saturating_sub(MOST_LINES);
    let rest = if more > 0 { format!(" and {} more", grouped(more as u64)) } else { String::new() };
    messages::warning(&format!(
        "no record had {} of the {} keys to be erased: line {}{rest} of the list",
        grouped(lines.len() as u64),
        grouped(erased.count() as u64),
        listed.join(", "),
    ));
}
