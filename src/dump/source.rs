//! From a path to what it holds: by the file's name, since the bytes do not say.

use std::fs;
use std::path::{Path, PathBuf};

use crate::disk::Disk;
use crate::error::{Error, Result};
use crate::segment::{
    CHECKPOINT_NAMES, FileName, Kind, OffsetBounds, PartitionDir, TopicPartition, WhyPassedOver,
    find_partitions, not_opened, partition_name,
};
use crate::swap::as_finished;
use crate::units::Offset;

/// What paths stand for.
#[derive(Clone, Debug, Default)]
pub struct Found {
    /// The files to be shown, in order.
    pub sources: Vec<Source>,
    /// What the directories hold in the place of logs or partitions, and is not followed.
    pub left_out: Vec<LeftOut>,
    /// In which directories a swap of segments was interrupted, and what is made of it.
    pub unfinished: Vec<(PathBuf, String)>,
}

/// A link, or a pipe or device, in the place of a log or partition, or a partition that cannot be
/// read.
#[derive(Clone, Debug)]
pub struct LeftOut {
    /// Where it is.
    pub path: PathBuf,
    /// Why it is not shown.
    pub why: String,
}

/// A file to be shown.
#[derive(Clone, Debug)]
pub struct Source {
    /// The file, as the user would name it.
    pub path: PathBuf,
    /// Its name without the directory.
    pub name: String,
    /// The partition that its directory is named after.
    pub at: Option<TopicPartition>,
    /// What it holds.
    pub content: Content,
    /// Whether the user named the file itself, which then may be a link.
    pub is_named: bool,
}

impl Source {
    /// Whether `next` is the log behind this one in the same listed partition.
    pub(super) fn is_followed_by(&self, next: &Source) -> bool {
        !self.is_named && !next.is_named && parent(&self.path) == parent(&next.path)
    }
}

/// What a file holds.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Content {
    /// Batches.
    Log(LogKind),
    /// `.index` of the segment with this base offset.
    Index(Offset),
    /// `.timeindex` of the segment with this base offset.
    TimeIndex(Offset),
    /// `.txnindex`.
    TxnIndex,
    /// `.snapshot`: producers.
    Producers,
    /// `leader-epoch-checkpoint`.
    LeaderEpochs,
    /// One of the offset checkpoints of a log directory.
    OffsetCheckpoint,
    /// `partition.metadata`.
    PartitionMetadata,
}

/// The kinds of file that hold batches.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum LogKind {
    /// A segment's `.log`.
    Segment {
        /// Its base offset, from its name.
        base: Offset,
        /// Base offset of the segment behind it; `None` for the last, and for a file of a swap.
        next_base: Option<Offset>,
        /// Whether this is the last segment of its directory, which a broker appends to.
        is_active: bool,
        /// Its `.index`, if this is a file in its place.
        index: Option<PathBuf>,
        /// Its `.timeindex`, likewise.
        time_index: Option<PathBuf>,
    },
    /// `<offset>-<epoch>.checkpoint`: a snapshot of the KRaft metadata.
    MetadataSnapshot {
        /// The offset behind the last record that it stands for.
        end_offset: Offset,
        /// The leader's term then.
        epoch: i32,
    },
    /// `bootstrap.checkpoint`: what a KRaft cluster starts with.
    Bootstrap,
}

impl LogKind {
    /// Between which offsets its batches lie.
    pub(super) fn bounds(&self) -> OffsetBounds {
        match self {
            LogKind::Segment { base, next_base, .. } => OffsetBounds::new(*base, *next_base),
            LogKind::MetadataSnapshot { .. } | LogKind::Bootstrap => {
                OffsetBounds::new(Offset(0), None)
            }
        }
    }
}

const EXPECTED: &str = "expected a partition directory (<topic>-<n>), a log directory, or a file \
     named as Kafka names it: <20 digits> and .log, .index, .timeindex, .txnindex or .snapshot \
     (also with .cleaned, .swap or .deleted behind it), leader-epoch-checkpoint, \
     partition.metadata, an offset checkpoint, bootstrap.checkpoint, <offset>-<epoch>.checkpoint";

/// Adds what `path` stands for to `found`.
pub(super) fn find(path: &Path, found: &mut Found) -> Result<()> {
    let metadata = fs::metadata(path).map_err(|e| Error::io(path, "cannot read", e))?;
    if metadata.is_dir() {
        let listed = find_partitions(&[path.into()])?;
        for partition in listed.partitions {
            let (dir, unfinished) = match as_finished(&Disk::default(), &partition) {
                Err(error) if partition != path => {
                    let why = error.kind.to_string();
                    found.left_out.push(LeftOut { path: partition, why });
                    continue;
                }
                opened => opened?,
            };
            found.unfinished.extend(unfinished.map(|what| (partition, what)));
            found.sources.extend((0..dir.segments.len()).filter_map(|index| segment(&dir, index)));
            let is_log = |name: &str| FileName::parse(name).is_some_and(|n| n.kind == Kind::Log);
            let odd = dir.oddities.iter().filter(|odd| is_log(&odd.name));
            found.left_out.extend(odd.map(|odd| {
                let why = not_opened(odd.what);
                LeftOut { path: dir.file(&odd.name), why }
            }));
        }
        let link = |path| LeftOut { path, why: not_opened("a link") };
        found.left_out.extend(listed.links.into_iter().map(link));
        let unnamed = listed.passed_over.into_iter();
        let unnamed = unnamed.filter(|folder| folder.why == WhyPassedOver::UnnamedLog);
        found.left_out.extend(
            unnamed.map(|folder| LeftOut { why: folder.why.to_string(), path: folder.path }),
        );
        return Ok(());
    }
    let unknown =
        || Error::refused(format!("{}: unknown kind of file; {EXPECTED}", path.display()));
    let name = path.file_name().and_then(|name| name.to_str()).ok_or_else(unknown)?;
    let content = content(path, name).ok_or_else(unknown)?;
    found.sources.push(Source {
        path: path.into(),
        name: name.into(),
        at: partition_name(parent(path)),
        content,
        is_named: true,
    });
    Ok(())
}

/// The log of one segment of a listed directory.
fn segment(dir: &PartitionDir, index: usize) -> Option<Source> {
    let segment = dir.segments.get(index)?;
    let next = dir.segments.get(index + 1);
    let kind = LogKind::Segment {
        base: segment.base,
        next_base: next.map(|next| next.base),
        is_active: next.is_none(),
        index: Some(segment.path(Kind::Index)),
        time_index: Some(segment.path(Kind::TimeIndex)),
    };
    Some(Source {
        path: segment.path(Kind::Log),
        name: FileName::new(segment.base, Kind::Log).to_string(),
        at: dir.name.clone(),
        content: Content::Log(kind),
        is_named: false,
    })
}

fn content(path: &Path, name: &str) -> Option<Content> {
    if let Some(file) = FileName::parse(name) {
        return Some(match file.kind {
            Kind::Log => Content::Log(segment_alone(path, file)),
            Kind::Index => Content::Index(file.offset),
            Kind::TimeIndex => Content::TimeIndex(file.offset),
            Kind::TxnIndex => Content::TxnIndex,
            Kind::Snapshot => Content::Producers,
        });
    }
    let name = [".deleted", ".cleaned", ".swap"]
        .iter()
        .find_map(|suffix| name.strip_suffix(suffix))
        .unwrap_or(name);
    match name {
        "leader-epoch-checkpoint" => Some(Content::LeaderEpochs),
        "partition.metadata" => Some(Content::PartitionMetadata),
        "bootstrap.checkpoint" => Some(Content::Log(LogKind::Bootstrap)),
        _ if CHECKPOINT_NAMES.contains(&name) => Some(Content::OffsetCheckpoint),
        _ => metadata_snapshot(name).map(Content::Log),
    }
}

/// A segment's log that was named by itself: what lies beside it says where it ends.
fn segment_alone(path: &Path, file: FileName) -> LogKind {
    let base = file.offset;
    if file.suffix.is_some() {
        let (index, time_index) = (None, None);
        return LogKind::Segment { base, next_base: None, is_active: false, index, time_index };
    }
    let dir = as_finished(&Disk::default(), parent(path)).ok();
    let mut bases = dir.iter().flat_map(|(dir, _)| &dir.segments).map(|segment| segment.base);
    let next_base = bases.find(|other| *other > base);
    let index = Some(path.with_extension(Kind::Index.extension()));
    let time_index = Some(path.with_extension(Kind::TimeIndex.extension()));
    LogKind::Segment { base, next_base, is_active: next_base.is_none(), index, time_index }
}

fn metadata_snapshot(name: &str) -> Option<LogKind> {
    let (offset, epoch) = name.strip_suffix(".checkpoint")?.split_once('-')?;
    let digits = |text: &str| !text.is_empty() && text.bytes().all(|b| b.is_ascii_digit());
    if !digits(offset) || !digits(epoch) {
        return None;
    }
    let end_offset = Offset(offset.parse().ok()?);
    Some(LogKind::MetadataSnapshot { end_offset, epoch: epoch.parse().ok()? })
}

/// The directory that `path` is in.
pub(super) fn parent(path: &Path) -> &Path {
    match path.parent() {
        Some(parent) if parent != Path::new("") => parent,
        _ => Path::new("."),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_says_what_a_file_holds() {
        let of = |name: &str| content(Path::new(name), name);
        assert_eq!(of("00000000000000000007.index.deleted"), Some(Content::Index(Offset(7))));
        assert_eq!(of("00000000000000000007.snapshot"), Some(Content::Producers));
        assert_eq!(of("cleaner-offset-checkpoint"), Some(Content::OffsetCheckpoint));
        assert_eq!(of("bootstrap.checkpoint"), Some(Content::Log(LogKind::Bootstrap)));
        let snapshot = LogKind::MetadataSnapshot { end_offset: Offset(10), epoch: 3 };
        let name = "00000000000000000010-0000000003.checkpoint";
        assert_eq!(of(name), Some(Content::Log(snapshot)));
        for name in ["meta.properties", "x.log", ".checkpoint", "1-.checkpoint", "a-b.checkpoint"] {
            assert_eq!(of(name), None, "{name}");
        }
    }
}
