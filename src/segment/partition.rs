//! A partition directory: its segments in order and what else lies in it.

use std::fs;
use std::io::ErrorKind;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::SystemTime;

use super::index_entries::Entries;
use super::{
    FileName, INDEX_ENTRY_BYTES, IndexEntry, Kind, LEADER_EPOCHS, LogFile, Misnamed,
    PARTITION_METADATA, Suffix, TIME_ENTRY_BYTES, TimeEntry, TopicPartition,
};
use crate::disk::{Disk, Map, oddity};
use crate::error::{Error, Result};
use crate::units::{Offset, Position};

/// The small files while they are written, by a broker or by this program; who writes them next
/// does not read it (`CheckpointFile`, `PartitionMetadataFile`).
pub const UNFINISHED: [&str; 2] = ["leader-epoch-checkpoint.tmp", "partition.metadata.tmp"];

/// One segment, as the directory lists it.
#[derive(Clone, Debug)]
pub struct Segment {
    /// Its base offset, from the name.
    pub base: Offset,
    /// The directory it is in.
    pub dir: PathBuf,
    /// The disk that this is on.
    pub disk: Disk,
    /// What its files' names end in, as far as they are not in their place yet.
    pub suffixes: Suffixes,
    /// Size of the `.log`.
    pub size_bytes: u64,
    /// Modification time of the `.log`, which Kafka's older rules go by.
    pub modified: SystemTime,
    /// Which part of its files it is; all of them, if nothing is said.
    pub part: Option<Part>,
}

/// A part of a segment that is treated as one of its own.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Part {
    /// The base offset that its files are named after.
    pub named: Offset,
    /// Where its first batch starts in the `.log`.
    pub start: Position,
    /// Where the batch behind its last starts; the end of the file, if nothing is said.
    pub end: Option<Position>,
    /// Half of a batch, if it is that: it is in no file then, has no indexes, and positions of its
    /// own.
    pub half: Option<Half>,
}

/// A batch that is half of one.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Half {
    /// It.
    pub bytes: Arc<Vec<u8>>,
    /// The first offset of the whole.
    pub whole: Offset,
    /// Of the lower half, by how much both together are larger than the whole: they have a header
    /// each.
    pub surplus_bytes: i64,
}

impl Part {
    /// The part of the files of `segment` that is all of them.
    pub fn all_of(segment: &Segment) -> Part {
        Part { named: segment.named(), start: Position(0), end: None, half: None }
    }
}

/// What the names of a segment's files end in, by kind: in the middle of a swap it may be different
/// for each.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Suffixes {
    log: Option<Suffix>,
    index: Option<Suffix>,
    time_index: Option<Suffix>,
    txn_index: Option<Suffix>,
}

impl Suffixes {
    /// The same for all kinds.
    pub fn all(suffix: Option<Suffix>) -> Suffixes {
        Suffixes { log: suffix, index: suffix, time_index: suffix, txn_index: suffix }
    }

    /// That of a kind; files that belong to no segment have none.
    pub fn of(&self, kind: Kind) -> Option<Suffix> {
        match kind {
            Kind::Log => self.log,
            Kind::Index => self.index,
            Kind::TimeIndex => self.time_index,
            Kind::TxnIndex => self.txn_index,
            Kind::Snapshot => None,
        }
    }

    /// Another one for a kind.
    pub fn set(&mut self, kind: Kind, suffix: Option<Suffix>) {
        match kind {
            Kind::Log => self.log = suffix,
            Kind::Index => self.index = suffix,
            Kind::TimeIndex => self.time_index = suffix,
            Kind::TxnIndex => self.txn_index = suffix,
            Kind::Snapshot => {}
        }
    }
}

impl Segment {
    /// One of the segment's files.
    pub fn path(&self, kind: Kind) -> PathBuf {
        let offset = self.named();
        self.dir.join(FileName { offset, kind, suffix: self.suffixes.of(kind) }.to_string())
    }

    /// The base offset that its files are named after.
    pub fn named(&self) -> Offset {
        self.part.as_ref().map_or(self.base, |part| part.named)
    }

    /// The half of a batch that it is, if it is one.
    pub fn half(&self) -> Option<&Half> {
        self.part.as_ref().and_then(|part| part.half.as_ref())
    }

    /// Whether it is a part of the same file as `other`.
    pub fn shares_file_with(&self, other: &Segment) -> bool {
        (self.named(), &self.dir) == (other.named(), &other.dir)
    }

    /// Its log, mapped.
    ///
    /// # Errors
    /// The system's.
    pub fn log(&self) -> Result<LogFile> {
        let path = self.path(Kind::Log);
        let log = match self.half() {
            Some(half) => LogFile::of(&path, self.base, Map::held(Arc::clone(&half.bytes))),
            None => LogFile::open(&self.disk, &path, self.base)?,
        };
        Ok(match &self.part {
            Some(part) => log.within(part.start, part.end),
            None => log,
        })
    }

    /// The bytes of one of its other files; `None` if there is no such file, or a link or pipe
    /// instead.
    ///
    /// # Errors
    /// The system's, other than "not found".
    pub fn read(&self, kind: Kind) -> Result<Option<Map>> {
        if self.half().is_some() {
            return Ok(None);
        }
        let path = self.path(kind);
        match fs::symlink_metadata(&path) {
            // The listing has named what is there instead of a file.
            Ok(metadata) if oddity(metadata.file_type()).is_some() => Ok(None),
            Err(error) if error.kind() == ErrorKind::NotFound => Ok(None),
            _ => self.disk.map(&path).map(Some),
        }
    }

    /// What the entries of its offset index take up, without preallocated zeros.
    ///
    /// # Errors
    /// The system's.
    pub fn offset_index_bytes(&self) -> Result<u64> {
        let Some(map) = self.read(Kind::Index)? else { return Ok(0) };
        let entries: Entries<'_, IndexEntry> = Entries::of(&map, self.named());
        let count = match &self.part {
            None => entries.count(),
            Some(Part { start, end, .. }) => {
                let is_ours = |at: Position| at >= *start && end.is_none_or(|end| at < end);
                entries.iter().filter(|entry| is_ours(entry.position)).count()
            }
        };
        Ok((count * INDEX_ENTRY_BYTES) as u64)
    }

    /// What the entries of its time index take up, without preallocated zeros.
    ///
    /// # Errors
    /// The system's.
    pub fn time_index_bytes(&self) -> Result<u64> {
        let Some(map) = self.read(Kind::TimeIndex)? else { return Ok(0) };
        let entries: Entries<'_, TimeEntry> = Entries::of(&map, self.named());
        let count = match self.part {
            None => entries.count(),
            Some(_) => entries.iter().filter(|entry| entry.offset >= self.base).count(),
        };
        Ok((count * TIME_ENTRY_BYTES) as u64)
    }
}

/// A partition directory, listed once.
#[derive(Clone, Debug)]
pub struct PartitionDir {
    /// The directory.
    pub path: PathBuf,
    /// The disk that it is on.
    pub disk: Disk,
    /// Which partition it is; `None` if its name does not say.
    pub name: Option<TopicPartition>,
    /// Its segments, ascending; the last is the active one.
    pub segments: Vec<Segment>,
    /// The offsets of its producer snapshots, ascending.
    pub snapshots: Vec<Offset>,
    /// Files of segments whose `.log` is not there.
    pub orphans: Vec<FileName>,
    /// Files of a swap that did not finish.
    pub leftovers: Vec<FileName>,
    /// Those of [`UNFINISHED`] that lie here.
    pub unfinished: Vec<&'static str>,
    /// All other files, by name (`leader-epoch-checkpoint`, `partition.metadata`, strangers).
    pub others: Vec<String>,
    /// Files that a broker takes for its own, though they are not named as it names them.
    pub misnamed: Vec<Misnamed>,
    /// What is neither file nor folder; it is never opened.
    pub oddities: Vec<Oddity>,
}

/// Something in a directory that is not read: a link could lead out of it, a pipe would be waited
/// for.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Oddity {
    /// Its name.
    pub name: String,
    /// What it is, as in "a link".
    pub what: &'static str,
}

/// What to say of something that is `what`, and is not opened.
pub fn not_opened(what: &str) -> String {
    match what {
        "a link" => format!("{what}, which is not followed; name it to see what it leads to"),
        _ => format!("{what}, not a file; it is not opened"),
    }
}

impl Oddity {
    /// Whether a file of Kafka's is meant to stand there.
    pub fn is_in_the_way(&self) -> bool {
        let parsed = FileName::parse(&self.name);
        parsed.is_some_and(|name| !matches!(name.suffix, Some(Suffix::Deleted | Suffix::Tmp)))
            || [LEADER_EPOCHS, PARTITION_METADATA].contains(&self.name.as_str())
    }
}

impl PartitionDir {
    /// Lists the directory at `path`.
    ///
    /// # Errors
    /// The system's.
    pub fn open(path: &Path) -> Result<PartitionDir> {
        PartitionDir::open_on(&Disk::default(), path)
    }

    /// Lists the directory at `path` of `disk`.
    ///
    /// # Errors
    /// The system's.
    pub fn open_on(disk: &Disk, path: &Path) -> Result<PartitionDir> {
        let io = |source| Error::io(path, "cannot list the folder", source);
        let mut dir = PartitionDir {
            path: path.into(),
            disk: disk.clone(),
            name: partition_name(path),
            segments: Vec::new(),
            snapshots: Vec::new(),
            orphans: Vec::new(),
            leftovers: Vec::new(),
            unfinished: Vec::new(),
            others: Vec::new(),
            misnamed: Vec::new(),
            oddities: Vec::new(),
        };
        let mut companions = Vec::new();
        for entry in fs::read_dir(path).map_err(io)? {
            let entry = entry.map_err(io)?;
            let kind = entry.file_type().map_err(io)?;
            if kind.is_dir() {
                continue;
            }
            let text = entry.file_name().to_string_lossy().into_owned();
            let not_utf_8 = entry.file_name().to_str().is_none();
            if let Some(what) =
                oddity(kind).or(not_utf_8.then_some("a file, but its name is not UTF-8"))
            {
                dir.oddities.push(Oddity { name: text, what });
                continue;
            }
            if let Some(name) = UNFINISHED.into_iter().find(|name| *name == text) {
                dir.unfinished.push(name);
                continue;
            }
            match FileName::parse(&text) {
                None => match Misnamed::of(&text) {
                    Some(misnamed) => dir.misnamed.push(misnamed),
                    None => dir.others.push(text),
                },
                Some(name) if name.suffix.is_some() => dir.leftovers.push(name),
                Some(FileName { kind: Kind::Snapshot, offset, .. }) => dir.snapshots.push(offset),
                Some(FileName { kind: Kind::Log, offset, .. }) => {
                    let unreadable = |source| Error::io(&entry.path(), "cannot read", source);
                    let metadata = entry.metadata().map_err(unreadable)?;
                    dir.segments.push(Segment {
                        base: offset,
                        dir: path.into(),
                        disk: disk.clone(),
                        suffixes: Suffixes::default(),
                        size_bytes: metadata.len(),
                        modified: metadata.modified().map_err(unreadable)?,
                        part: None,
                    });
                }
                Some(name) => companions.push(name),
            }
        }
        dir.segments.sort_by_key(|segment| segment.base);
        dir.snapshots.sort();
        dir.leftovers.sort();
        dir.unfinished.sort_unstable();
        dir.others.sort();
        dir.misnamed.sort();
        dir.oddities.sort();
        companions.sort();
        let has_log =
            |name: &FileName| dir.segments.binary_search_by_key(&name.offset, |s| s.base).is_ok();
        dir.orphans = companions.into_iter().filter(|name| !has_log(name)).collect();
        Ok(dir)
    }

    /// Adds a segment whose files' names end in `suffixes`.
    ///
    /// # Errors
    /// The system's.
    pub fn add_segment(&mut self, base: Offset, suffixes: Suffixes) -> Result<()> {
        let suffix = suffixes.of(Kind::Log);
        let path = self.path.join(FileName { offset: base, kind: Kind::Log, suffix }.to_string());
        let io = |source| Error::io(&path, "cannot read", source);
        let metadata = fs::metadata(&path).map_err(io)?;
        self.segments.push(Segment {
            base,
            dir: self.path.clone(),
            disk: self.disk.clone(),
            suffixes,
            size_bytes: metadata.len(),
            modified: metadata.modified().map_err(io)?,
            part: None,
        });
        Ok(())
    }

    /// The path of a file in this directory.
    pub fn file(&self, name: &str) -> PathBuf {
        self.path.join(name)
    }
}

/// Which partition a directory's own name says it is, also for `.` and for links.
pub fn partition_name(path: &Path) -> Option<TopicPartition> {
    let full = fs::canonicalize(path).ok()?;
    let given = path.file_name().and_then(|name| TopicPartition::parse(name.to_str()?));
    given.or_else(|| TopicPartition::parse(full.file_name()?.to_str()?))
}
