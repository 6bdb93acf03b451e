//! Which of the sources are one log.
//!
//! The logs of a listed partition are, in their order. A file that the user named is shown for
//! itself, where and as often as it was named; but where the order of a log decides what is shown,
//! all its segments that were named or listed are put together, each once, in the order of the log.

use std::collections::HashMap;
use std::fs;
use std::path::PathBuf;

use super::selection::Selection;
use super::source::{Content, LogKind, Source, parent};
use crate::segment::FileName;
use crate::units::Offset;

/// The sources log by log, in the order in which the logs come first.
pub(super) fn logs_of<'s>(sources: &'s [Source], selection: &Selection) -> Vec<Vec<&'s Source>> {
    let groups = sources.chunk_by(Source::is_followed_by).map(|group| group.iter().collect());
    if !(selection.is_state || selection.is_reverse) {
        return groups.collect();
    }
    let mut logs: Vec<Vec<&Source>> = Vec::new();
    let mut places: HashMap<PathBuf, usize> = HashMap::new();
    for group in groups {
        match folder_of(&group) {
            Some(folder) => match places.get(&folder).and_then(|place| logs.get_mut(*place)) {
                Some(log) => log.extend(group),
                None => {
                    places.insert(folder, logs.len());
                    logs.push(group);
                }
            },
            None => logs.push(group),
        }
    }
    for log in logs.iter_mut().filter(|log| log.len() > 1) {
        log.sort_by_key(|source| (base_of(source), source.is_named));
        log.dedup_by_key(|source| base_of(source));
    }
    logs
}

/// The folder of the partition that the segments are of; `None` for what stands alone, as a file of
/// a swap does.
fn folder_of(group: &[&Source]) -> Option<PathBuf> {
    let first = group.first()?;
    base_of(first)?;
    fs::canonicalize(parent(&first.path)).ok()
}

/// Where the segment begins whose log this is.
fn base_of(source: &Source) -> Option<Offset> {
    match &source.content {
        Content::Log(LogKind::Segment { base, .. }) => {
            let is_of_swap = FileName::parse(&source.name).is_none_or(|name| name.suffix.is_some());
            (!is_of_swap).then_some(*base)
        }
        _ => None,
    }
}
