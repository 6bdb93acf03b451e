//! Whether keys lie in the partitions that they belong to, topic by topic.
//!
//! Two questions, each asked only if the user does, for a topic may be partitioned by anything: is
//! each keyed record where a producer's default function sends its key (`placement`), and is there
//! a key in more than one partition (`spread`)? Logs are read as the other checks read them, all
//! threads in one log; what is damaged is passed over here, for those checks tell of it.

mod lookup;
mod placement;
mod reader;
mod spread;
mod topics;

use std::num::NonZeroU32;

use serde::Serialize;

use super::finding::{Finding, Severity};
use crate::format::Partitioner;
use crate::report::Progress;
use crate::segment::Sources;

use placement::Placement;
use reader::{Asked, read};
use spread::Spread;
use topics::Topic;

/// Which function is asked about.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum WhichPartitioner {
    /// This one.
    Is(Partitioner),
    /// The one that nearly all keys of a topic fit.
    Auto,
}

/// What is to be checked.
#[derive(Clone, Copy, Debug)]
pub struct Options {
    /// Whether keys are where this sends them.
    pub partitioner: Option<WhichPartitioner>,
    /// How many partitions each topic has; without it, as many as there are directories.
    pub partitions: Option<NonZeroU32>,
    /// Whether keys are in one partition only.
    pub spread: bool,
    /// What may be used for that.
    pub memory_bytes: u64,
}

/// What became of the keys of a topic.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct TopicKeys {
    /// The topic.
    pub topic: String,
    /// How many partitions it has, by what was found or said.
    pub partitions: u32,
    /// Data records with a key.
    pub keyed_records: u64,
    /// Data records without one.
    pub keyless_records: u64,
    /// The function that was checked, or that fits; none if none was asked for, or none fits.
    pub partitioner: Option<&'static str>,
    /// Keyed records in the partition that it names, and in another.
    pub records_in_place: u64,
    /// Keyed records in another partition than it names.
    pub records_misplaced: u64,
    /// Different keys; none if nobody asked.
    pub keys: Option<u64>,
    /// Keys in more than one partition.
    pub keys_in_several_partitions: Option<u64>,
}

/// What was found out about keys.
#[derive(Debug, Default)]
pub struct KeysChecked {
    /// Topic by topic.
    pub findings: Vec<Finding>,
    /// The topics, by name.
    pub topics: Vec<TopicKeys>,
}

/// Checks the keys of all topics among `sources`.
pub fn run(sources: &Sources, options: &Options, progress: &dyn Progress) -> KeysChecked {
    let topics = Topic::group(&sources.partitions, options.partitions);
    progress.begin("checking keys", topics.iter().map(Topic::size_bytes).sum());
    let mut checked = KeysChecked::default();
    for topic in &topics {
        let keys = check(topic, options, progress, &mut checked.findings);
        checked.topics.push(keys);
    }
    progress.finish();
    checked
}

fn check(
    topic: &Topic,
    options: &Options,
    progress: &dyn Progress,
    found: &mut Vec<Finding>,
) -> TopicKeys {
    let candidates = placement::candidates(topic, options.partitioner);
    if options.partitioner.is_some() {
        found.extend(topic.missing());
    }
    let mut spread =
        options.spread.then(|| Spread::within(options.memory_bytes, topic.size_bytes()));
    let spread_seed = spread.as_ref().map(Spread::seed);
    let mut placements = Vec::new();
    for partition in &topic.dirs {
        let mut placement = Placement::of(partition);
        let (partitions, number) = (topic.partitions, partition.number);
        let asked = Asked { candidates, partitions, number, spread_seed };
        read(&partition.dir, asked, progress, |path, seen| {
            spread.iter_mut().for_each(|spread| spread.hear(partition.number, &seen.keys));
            placement.add(path, seen.placed);
        });
        found.extend(placement.keyless());
        placements.push(placement);
    }
    let chosen = placement::choose(topic, options.partitioner, &mut placements, found);
    let keys = spread.map(|spread| spread.finish(topic, progress, found));
    TopicKeys {
        topic: topic.name.clone(),
        partitions: topic.partitions.get(),
        keyed_records: placements.iter().map(|placement| placement.counts.keyed).sum(),
        keyless_records: placements.iter().map(|placement| placement.counts.keyless).sum(),
        partitioner: chosen.map(|chosen| chosen.partitioner.name()),
        records_in_place: chosen.map_or(0, |chosen| chosen.in_place),
        records_misplaced: chosen.map_or(0, |chosen| chosen.misplaced),
        keys: keys.map(|keys| keys.all),
        keys_in_several_partitions: keys.map(|keys| keys.in_several),
    }
}

/// A warning about a topic as a whole; where its first partition is, it stands.
fn about(topic: &Topic, rule: &'static str, severity: Severity, text: String) -> Finding {
    let path = topic.dirs.first().map(|partition| partition.dir.path.as_path());
    Finding::about(rule, severity, path.unwrap_or("".as_ref()), text)
}

/// A key in words: text as it is, other bytes and whatever moves a terminal's cursor escaped.
fn shown(key: &[u8]) -> String {
    const MOST_CHARACTERS: usize = 60;
    let text: String = match std::str::from_utf8(key) {
        Ok(text) => text.chars().flat_map(char::escape_debug).take(MOST_CHARACTERS + 1).collect(),
        Err(_) => key.escape_ascii().take(MOST_CHARACTERS + 1).map(char::from).collect(),
    };
    match text.char_indices().nth(MOST_CHARACTERS) {
        Some((end, _)) => {
            let start = text.get(..end).unwrap_or_default();
            format!("\"{start}...\" ({} bytes)", key.len())
        }
        None => format!("\"{text}\""),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_key_is_shown_without_what_moves_a_cursor_and_not_at_any_length() {
        assert_eq!(shown(b"user1"), "\"user1\"");
        assert_eq!(shown("\u{e9}\u{1b}[31m\n".as_bytes()), "\"\u{e9}\\u{1b}[31m\\n\"");
        assert_eq!(shown(b"\xff\x1b"), "\"\\xff\\x1b\"");
        assert_eq!(shown("\u{202e}".as_bytes()), "\"\\u{202e}\"");
        let long = shown(&[b'x'; 1 << 20]);
        assert!(long.len() < 100 && long.ends_with("xxx...\" (1048576 bytes)"), "{long}");
    }
}
