//! The files of a log directory with one partition as one string of bytes, for targets that take
//! directories; and the targets that dump and verify one.
//!
//! 1. two bytes of options, for the target;
//! 2. files: kind u8, base offset i64, length u32, bytes. A length that reaches beyond the end is
//!    taken to mean the rest.

use std::fs::{self, FileTimes};
use std::io;
use std::ops::Range;
use std::path::{Path, PathBuf};
use std::time::{Duration, UNIX_EPOCH};

use logcompact::disk::Disk;
use logcompact::dump::{
    self, Console, ConsoleOptions, Csv, Deserializer, Encoding, Field, Isolation, Json, Kafka,
    OffsetRange, Selection, Show, Sink, Text, TimeRange,
};
use logcompact::report::NoProgress;
use logcompact::segment::{FileName, Kind, Sources, find_partitions};
use logcompact::stats::{self, Counting, StatsOptions};
use logcompact::units::{Offset, Timestamp};

const OPTION_BYTES: usize = 2;
const FILE_HEADER_BYTES: usize = 13;
/// More files than this say nothing new.
const MOST_FILES: usize = 24;
/// Files that are not named after an offset; the last two lie in the log directory.
const NAMES: [&str; 5] = [
    "leader-epoch-checkpoint",
    "partition.metadata",
    "stranger",
    "cleaner-offset-checkpoint",
    "log-start-offset-checkpoint",
];
const LOG: u8 = 0;
const SNAPSHOT: u8 = 4;
const PARTITION: &str = "t-0";
/// What all files carry, so that runs do not depend on the clock: 2023-11-14.
const MODIFIED: Duration = Duration::from_secs(1_700_000_000);

/// A directory on the disk, for as long as this lives.
pub struct Unpacked {
    _temp: tempfile::TempDir,
    /// The log directory.
    pub logs: PathBuf,
    /// The partition directory in it.
    pub partition: PathBuf,
    /// A place for output, which is not there yet.
    pub out: PathBuf,
    /// The first bytes.
    pub options: [u8; OPTION_BYTES],
}

/// The kind of a file and where its bytes lie.
struct File {
    kind: u8,
    base: i64,
    place: Range<usize>,
}

fn walk(data: &[u8]) -> Vec<File> {
    let mut files = Vec::new();
    let mut at = OPTION_BYTES;
    while let Some(header) = data.get(at..at + FILE_HEADER_BYTES) {
        let base = i64::from_be_bytes(header[1..9].try_into().unwrap()) & i64::MAX;
        let length = u32::from_be_bytes(header[9..].try_into().unwrap()) as usize;
        let start = at + FILE_HEADER_BYTES;
        let end = start.saturating_add(length).min(data.len());
        files.push(File { kind: header[0] % 12, base, place: start..end });
        at = end;
        if files.len() == MOST_FILES {
            break;
        }
    }
    files
}

/// Where the bytes of each file lie.
pub fn files(data: &[u8]) -> Vec<Range<usize>> {
    walk(data).into_iter().map(|file| file.place).collect()
}

/// Where the bytes of each log lie.
pub fn logs(data: &[u8]) -> Vec<Range<usize>> {
    of_kind(data, LOG)
}

/// Where the bytes of each snapshot lie.
pub fn snapshots(data: &[u8]) -> Vec<Range<usize>> {
    of_kind(data, SNAPSHOT)
}

fn of_kind(data: &[u8], kind: u8) -> Vec<Range<usize>> {
    walk(data).into_iter().filter(|file| file.kind == kind).map(|file| file.place).collect()
}

/// Whether the file at `place` is a log.
pub fn is_log(data: &[u8], place: &Range<usize>) -> bool {
    logs(data).contains(place)
}

/// Puts other bytes in the place of a file's.
pub fn replace(data: &mut Vec<u8>, place: &Range<usize>, bytes: &[u8]) {
    data[place.start - 4..place.start].copy_from_slice(&(bytes.len() as u32).to_be_bytes());
    data.splice(place.clone(), bytes.iter().copied());
}

/// Appends a file named as in a partition directory, if it is one of a known kind.
pub fn pack(data: &mut Vec<u8>, name: &str, bytes: &[u8]) {
    let parsed = FileName::parse(name).filter(|name| name.suffix.is_none());
    let kind_at = |kind| Kind::ALL.iter().position(|other| *other == kind).unwrap();
    let known = parsed.map(|name| (kind_at(name.kind), name.offset.0));
    let by_name = || NAMES.iter().position(|other| *other == name).map(|at| (5 + at, 0));
    if let Some((kind, base)) = known.or_else(by_name) {
        data.push(kind as u8);
        data.extend_from_slice(&base.to_be_bytes());
        data.extend_from_slice(&(bytes.len() as u32).to_be_bytes());
        data.extend_from_slice(bytes);
    }
}

/// Writes the files; `None` if there is no log among them.
pub fn unpack(data: &[u8]) -> Option<Unpacked> {
    let files = walk(data);
    if !files.iter().any(|file| file.kind == LOG) {
        return None;
    }
    let temp = tempfile::tempdir().unwrap();
    let logs = temp.path().join("logs");
    let partition = logs.join(PARTITION);
    fs::create_dir_all(&partition).unwrap();
    for file in &files {
        let name = |kind| FileName::new(Offset(file.base), kind).to_string();
        let path = match usize::from(file.kind) {
            kind @ 0..5 => partition.join(name(Kind::ALL[kind])),
            kind @ 5..8 => partition.join(NAMES[kind - 5]),
            kind @ 8..10 => logs.join(NAMES[kind - 5]),
            10 => partition.join(format!("{}.deleted", name(Kind::Log))),
            _ => partition.join(format!("{}.swap", name(Kind::Log))),
        };
        fs::write(&path, &data[file.place.clone()]).unwrap();
        let times = FileTimes::new().set_modified(UNIX_EPOCH + MODIFIED);
        fs::File::options().append(true).open(&path).unwrap().set_times(times).unwrap();
    }
    let out = temp.path().join("out");
    Some(Unpacked { _temp: temp, logs, partition, out, options: [data[0], data[1]] })
}

/// All files of a folder and what they hold, by name.
pub fn contents(folder: &Path) -> Vec<(String, Vec<u8>)> {
    let mut files: Vec<(String, Vec<u8>)> = fs::read_dir(folder)
        .unwrap()
        .map(|entry| entry.unwrap())
        .map(|entry| (entry.file_name().into_string().unwrap(), fs::read(entry.path()).unwrap()))
        .collect();
    files.sort();
    files
}

struct Deaf;

impl dump::Witness for Deaf {
    fn damage(&mut self, damage: &dump::Damage<'_>) {
        assert!(!damage.to_string().is_empty());
    }

    fn note(&mut self, _text: &str) {}
}

/// Every file of a directory in every format, and a stretch of offsets.
pub fn dump(data: &[u8]) {
    let Some(unpacked) = unpack(data) else { return };
    let mut paths = vec![unpacked.logs.clone()];
    for folder in [&unpacked.logs, &unpacked.partition] {
        let entries = fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path());
        paths.extend(entries.filter(|path| path.is_file()));
    }
    let fields = vec![Field::Key, Field::Value, Field::Timestamp, Field::Offset, Field::Headers];
    let console = ConsoleOptions { fields, value: Deserializer::Uuid, ..ConsoleOptions::default() };
    let sinks: [Box<dyn Sink>; 5] = [
        Box::new(Text::new(Some(80))),
        Box::new(Json::new(Encoding::Auto)),
        Box::new(Kafka),
        Box::new(Console::new(console)),
        Box::new(Csv::new(Encoding::Auto, Show::Records)),
    ];
    for path in &paths {
        let Ok(found) = dump::find(std::slice::from_ref(path)) else { continue };
        let start = Offset(i64::from(unpacked.options[0]));
        let some = OffsetRange { start, end: Some(Offset(start.0 + 100)) };
        let selections = [
            Selection { show: Show::All, ..Selection::default() },
            Selection { offsets: some, limit: Some(3), ..Selection::default() },
            Selection {
                time: TimeRange { start: Some(Timestamp(start.0)), end: None },
                isolation: Isolation::ReadCommitted,
                is_reverse: true,
                ..Selection::default()
            },
            Selection { is_state: true, memory_bytes: Some(1 << 10), ..Selection::default() },
        ];
        let pairs = sinks.iter().flat_map(|sink| selections.iter().map(move |s| (sink, s)));
        for (sink, selection) in pairs {
            let outcome = dump::run(&found.sources, selection, &**sink, &mut io::sink(), &mut Deaf);
            // A format may have no lines for a file; nothing else is in the way.
            if let Err(failure) = outcome {
                let text = failure.to_string();
                let is_refusal = text.contains("has no lines") || text.contains("only a .log");
                assert!(is_refusal, "{failure}");
            }
        }
    }
    #[cfg(feature = "parquet")]
    if let Ok(found) = dump::find(std::slice::from_ref(&unpacked.logs)) {
        tables(&found.sources);
    }
}

/// Both tables, with row groups as small as they get.
#[cfg(feature = "parquet")]
fn tables(sources: &[dump::Source]) {
    use logcompact::dump::{ParquetFile, ParquetRows};

    for show in [Show::Records, Show::Batches] {
        let selection = Selection { show, ..Selection::default() };
        let mut file = ParquetFile::new(Vec::new(), show, 0).unwrap();
        match dump::run(sources, &selection, &ParquetRows, &mut file, &mut Deaf) {
            Ok(()) => assert!(file.finish().unwrap().ends_with(b"PAR1")),
            Err(failure) => assert!(failure.to_string().contains("has no lines"), "{failure}"),
        }
    }
}

/// Every check of a directory, and every number.
pub fn verify(data: &[u8]) {
    let Some(unpacked) = unpack(data) else { return };
    let sources = find_partitions(std::slice::from_ref(&unpacked.logs)).unwrap();
    let verified = logcompact::verify::run(&sources, &NoProgress).unwrap();
    for finding in &verified.findings {
        assert!(finding.path.starts_with(&unpacked.logs));
        assert_ne!(finding.rule, "unreadable", "{}", finding.message);
        if let Some(position) = finding.position {
            let size_bytes = fs::metadata(&finding.path).unwrap().len();
            assert!(position.0 <= size_bytes, "{finding:?} in {size_bytes} bytes");
        }
    }
    count(&sources, Counting::Exact);
    count(&sources, Counting::Estimate);
}

/// Each byte of a log is in a sound batch, or damaged, or of a write that has not finished.
fn count(sources: &Sources, keys: Counting) {
    let options = StatsOptions {
        keys,
        top: 5,
        memory_limit_bytes: 1 << 20,
        savings: None,
        now: Timestamp(0),
        disk: Disk::default(),
        temp_dir: None,
    };
    let report = stats::run(sources, &options, &NoProgress).unwrap();
    for partition in report.partitions.iter().filter(|partition| partition.reason.is_none()) {
        let tally = &partition.tally;
        let sound: u64 = tally.codecs.values().map(|codec| codec.bytes).sum();
        assert_eq!(sound + tally.damaged_bytes + tally.unfinished_bytes, tally.bytes);
        assert_eq!(tally.codecs.values().map(|codec| codec.records).sum::<u64>(), tally.records);
        assert_eq!(tally.batch_bytes.count(), tally.batches);
        assert!(partition.last_stable_offset <= partition.log_end_offset);
    }
    let page = stats::page::render(&report);
    assert!(page.ends_with("</html>\n") && !page.contains("<script"));
}
