//! What a path that a user names holds: a log, another file of Kafka's, or a folder of logs.

use std::fs;
use std::path::{Path, PathBuf};

use crate::error::{Error, Result};
use crate::segment::{
    CHECKPOINT_NAMES, FileName, Kind, PartitionDir, TopicPartition, find_partitions,
};
use crate::units::Offset;

/// A log file and where it belongs.
#[derive(Clone, Debug)]
pub struct LogItem {
    /// The file.
    pub path: PathBuf,
    /// Its name without the folder.
    pub file_name: String,
    /// Base offset, from the name; 0 for files that are not named after one.
    pub base: Offset,
    /// Base offset of the segment behind it.
    pub next_base: Option<Offset>,
    /// Which partition it belongs to, if its folder says.
    pub partition: Option<TopicPartition>,
}

/// A file of another kind.
#[derive(Clone, Debug)]
pub struct CompanionItem {
    /// The file.
    pub path: PathBuf,
    /// What it is.
    pub kind: Companion,
}

/// The kinds of file besides logs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Companion {
    /// `.index` of the segment with this base.
    OffsetIndex(Offset),
    /// `.timeindex` of the segment with this base.
    TimeIndex(Offset),
    /// `.txnindex`.
    TxnIndex,
    /// `.snapshot`.
    Snapshot,
    /// `leader-epoch-checkpoint`.
    LeaderEpochs,
    /// `partition.metadata`.
    Metadata,
    /// An offset checkpoint of a log directory.
    OffsetCheckpoint,
}

/// One file to be dumped.
#[derive(Clone, Debug)]
pub enum Item {
    /// Batches.
    Log(LogItem),
    /// Anything else.
    Companion(CompanionItem),
}

/// What is to be dumped for `path`: the file itself, or all logs of a folder in order.
///
/// # Errors
/// A path that cannot be read, or that is no file of Kafka's.
pub fn items(path: &Path) -> Result<Vec<Item>> {
    let metadata = fs::metadata(path).map_err(|e| Error::io(path, "cannot open", e))?;
    if !metadata.is_dir() {
        return file(path).map(|item| vec![item]);
    }
    let sources = find_partitions(&[path.to_path_buf()])?;
    let mut items = Vec::new();
    for dir in &sources.partitions {
        let partition = PartitionDir::open(dir)?;
        let segments = &partition.segments;
        let next = segments.iter().skip(1).map(|next| Some(next.base)).chain([None]);
        items.extend(segments.iter().zip(next).map(|(segment, next_base)| {
            let file_name = FileName::new(segment.base, Kind::Log).to_string();
            Item::Log(LogItem {
                path: segment.path(Kind::Log),
                file_name,
                base: segment.base,
                next_base,
                partition: partition.name.clone(),
            })
        }));
    }
    Ok(items)
}

fn file(path: &Path) -> Result<Item> {
    let file_name = path.file_name().unwrap_or_default().to_string_lossy().into_owned();
    let companion = |kind| Item::Companion(CompanionItem { path: path.into(), kind });
    let folder = fs::canonicalize(path).ok();
    let folder = folder.as_deref().and_then(Path::parent).and_then(Path::file_name);
    let partition = folder.and_then(|name| TopicPartition::parse(name.to_str()?));
    let log = |base| {
        let (path, file_name) = (path.to_path_buf(), file_name.clone());
        Item::Log(LogItem { path, file_name, base, next_base: None, partition: partition.clone() })
    };
    if let Some(name) = FileName::parse(&file_name) {
        return Ok(match name.kind {
            Kind::Log => log(name.offset),
            Kind::Index => companion(Companion::OffsetIndex(name.offset)),
            Kind::TimeIndex => companion(Companion::TimeIndex(name.offset)),
            Kind::TxnIndex => companion(Companion::TxnIndex),
            Kind::Snapshot => companion(Companion::Snapshot),
        });
    }
    match file_name.as_str() {
        "leader-epoch-checkpoint" => Ok(companion(Companion::LeaderEpochs)),
        "partition.metadata" => Ok(companion(Companion::Metadata)),
        name if CHECKPOINT_NAMES.contains(&name) => Ok(companion(Companion::OffsetCheckpoint)),
        // KRaft snapshots, and the records that a cluster is bootstrapped from.
        name if name.ends_with(".checkpoint") => Ok(log(Offset(0))),
        _ => Err(Error::refused(format!(
            "{}: not a file of Kafka's; expected .log, .index, .timeindex, .txnindex, .snapshot, \
             .checkpoint, leader-epoch-checkpoint, partition.metadata, or an offset checkpoint",
            path.display()
        ))),
    }
}
