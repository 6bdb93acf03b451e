//! Logs that grow, compacted in rounds: the source as it was at any time, the command, and what
//! must or must not have changed.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::process::Output;
use std::time::SystemTime;

use logcompact::format::codec::Codec;
use serde_json::Value;

use super::events::{Event, Kind, PLAIN, bytes_of};
use super::lines_of;
use super::log::{BatchKind, batch_bytes};
use super::power::Die;

/// Behind all times in the logs.
pub const NOW_MS: i64 = 1_795_300_000_000;
/// The partition in all tests.
pub const NAME: &str = "t-0";
const START_MS: i64 = 1_700_000_000_000;
const MARKER: i16 = 1 << 4 | 1 << 5;

/// A batch, or a set of messages, in its segment.
#[derive(Clone, Debug)]
struct Piece {
    segment: i64,
    base_offset: i64,
    next_offset: i64,
    bytes: Vec<u8>,
    /// What its segment's `.txnindex` says of it.
    aborted: Vec<u8>,
}

/// A log from its first batch to its last, which can be written as it was at any time.
#[derive(Clone, Debug)]
pub struct Grown {
    pieces: Vec<Piece>,
    /// The segment that is written to.
    segment: i64,
    next_offset: i64,
    sequences: BTreeMap<i64, i32>,
    /// First offsets of open transactions by producer.
    open: BTreeMap<i64, i64>,
}

/// What random logs are like.
#[derive(Clone, Copy, Debug)]
pub struct Shape {
    pub batches: u64,
    pub keys: u64,
    /// One batch in so many begins a segment.
    pub roll_one_in: u64,
    pub has_transactions: bool,
    pub has_old_magic: bool,
    pub has_null_keys: bool,
}

pub const LIVELY: Shape = Shape {
    batches: 60,
    keys: 12,
    roll_one_in: 6,
    has_transactions: true,
    has_old_magic: true,
    has_null_keys: true,
};

impl Grown {
    /// A log without a batch.
    pub fn empty() -> Grown {
        Grown {
            pieces: Vec::new(),
            segment: 0,
            next_offset: 0,
            sequences: BTreeMap::new(),
            open: BTreeMap::new(),
        }
    }

    /// A random log, the same for the same seed.
    pub fn random(seed: u64, shape: Shape) -> Grown {
        let (mut log, mut die) = (Grown::empty(), Die(seed));
        for number in 0..shape.batches {
            let codecs = [Codec::None, Codec::None, Codec::Lz4, Codec::Zstd, Codec::Gzip];
            let mut kind = Kind { codec: codecs[die.throw(5) as usize], ..PLAIN };
            kind.is_append_time = die.throw(8) == 0;
            if shape.has_old_magic && die.throw(8) == 0 {
                kind = Kind { magic: die.throw(2) as u8, codec: Codec::None, ..PLAIN };
            }
            let count = 1 + die.throw(5);
            let events = (0..count).map(|_| event(&mut die, shape, number)).collect::<Vec<_>>();
            match die.throw(12) {
                0..3 if shape.has_transactions => {
                    log.transactional(1 + die.throw(2) as i64, kind.codec, &events);
                }
                3..5 if shape.has_transactions => {
                    log.marker(1 + die.throw(2) as i64, die.throw(3) > 0);
                }
                _ => log.batch(kind, &events),
            }
            if die.throw(shape.roll_one_in) == 0 {
                log.roll();
            }
        }
        log
    }

    /// Appends a batch.
    pub fn batch(&mut self, kind: Kind, events: &[Event]) {
        let bytes = bytes_of(self.next_offset, kind, events);
        self.push(events.len() as i64, bytes, Vec::new());
    }

    /// Appends a batch of magic 2 without a codec.
    pub fn plain(&mut self, events: &[Event]) {
        self.batch(PLAIN, events);
    }

    /// Appends a batch of a producer's transaction.
    pub fn transactional(&mut self, producer: i64, codec: Codec, events: &[Event]) {
        let sequence = self.sequences.entry(producer).or_default();
        let transaction = Some((producer, *sequence));
        *sequence += events.len() as i32;
        self.open.entry(producer).or_insert(self.next_offset);
        self.batch(Kind { codec, transaction, ..PLAIN }, events);
    }

    /// Appends a marker.
    pub fn marker(&mut self, producer: i64, commits: bool) {
        let kind = BatchKind { attributes: MARKER, producer_id: producer, base_sequence: -1 };
        let key = [0, 0, 0, u8::from(commits)];
        let record = [(Some(&key[..]), Some(&[0, 0, 0, 0, 0, 0][..]))];
        let bytes = batch_bytes(self.next_offset, START_MS + self.next_offset, kind, &record);
        let mut aborted = Vec::new();
        if let Some(first) = self.open.remove(&producer).filter(|_| !commits) {
            let stable = self.open.values().min().copied().unwrap_or(self.next_offset + 1);
            aborted.extend_from_slice(&[0, 0]);
            for number in [producer, first, self.next_offset, stable] {
                aborted.extend_from_slice(&number.to_be_bytes());
            }
        }
        self.push(1, bytes, aborted);
    }

    /// The next batch begins a segment, at an offset further on.
    pub fn skip_to(&mut self, offset: i64) {
        (self.segment, self.next_offset) = (offset, offset);
    }

    /// The next batch begins a segment.
    pub fn roll(&mut self) {
        self.segment = self.next_offset;
    }

    fn push(&mut self, offsets: i64, bytes: Vec<u8>, aborted: Vec<u8>) {
        let (segment, base_offset) = (self.segment, self.next_offset);
        self.next_offset += offsets;
        let next_offset = self.next_offset;
        self.pieces.push(Piece { segment, base_offset, next_offset, bytes, aborted });
    }

    /// The offset behind the last record.
    pub fn end(&self) -> i64 {
        self.next_offset
    }

    /// Where it can have ended: behind each batch.
    pub fn ends(&self) -> Vec<i64> {
        self.pieces.iter().map(|piece| piece.next_offset).collect()
    }

    /// The bases of the segments that hold something below `end`.
    pub fn bases(&self, end: i64) -> Vec<i64> {
        let below = self.pieces.iter().filter(|piece| piece.base_offset < end);
        below.map(|piece| piece.segment).collect::<BTreeSet<_>>().into_iter().collect()
    }

    /// Writes it to `root` as it was when it ended at `end`, in place of what is there.
    pub fn write(&self, root: &Path, end: i64) -> PathBuf {
        self.write_from(root, 0, end)
    }

    /// The same without the segments below `first`, which retention has taken.
    pub fn write_from(&self, root: &Path, first: i64, end: i64) -> PathBuf {
        let dir = root.join(NAME);
        let _ = fs::remove_dir_all(&dir);
        fs::create_dir_all(&dir).unwrap();
        let mut segments: BTreeMap<i64, (Vec<u8>, Vec<u8>)> = BTreeMap::new();
        let is_there = |piece: &&Piece| piece.segment >= first && piece.base_offset < end;
        for piece in self.pieces.iter().filter(is_there) {
            let (log, aborted) = segments.entry(piece.segment).or_default();
            log.extend_from_slice(&piece.bytes);
            aborted.extend_from_slice(&piece.aborted);
        }
        if segments.is_empty() {
            segments.insert(first, Default::default());
        }
        for (base, (log, aborted)) in &segments {
            let path = |kind: &str| dir.join(format!("{base:020}.{kind}"));
            fs::write(path("log"), log).unwrap();
            fs::write(path("index"), []).unwrap();
            fs::write(path("timeindex"), []).unwrap();
            if !aborted.is_empty() {
                fs::write(path("txnindex"), aborted).unwrap();
            }
        }
        let start = segments.keys().next().unwrap();
        fs::write(dir.join("leader-epoch-checkpoint"), format!("0\n1\n0 {start}\n")).unwrap();
        write_topic_id(&dir, "AAAAAAAAAAAAAAAAAAAAAQ");
        dir
    }
}

fn event(die: &mut Die, shape: Shape, number: u64) -> Event {
    let key = format!("key-{}", die.throw(shape.keys));
    let late_ms = die.throw(20) as i64 * 1000;
    let mut event = Event::put(&key, "", START_MS + number as i64 * 1000 - late_ms);
    event.value = match die.throw(8) {
        0 | 1 => None,
        2 => Some(Vec::new()),
        3 => Some(vec![b'x'; 1 + die.throw(300) as usize]),
        _ => Some(format!("{number}.{}", die.throw(1000)).into_bytes()),
    };
    if shape.has_null_keys && die.throw(15) == 0 {
        event.key = None;
    }
    match die.throw(6) {
        0 => event,
        1 => event.with("v", Some(&[1])),
        _ => event.with("v", Some(&(die.throw(9) as i64 - 2).to_be_bytes())),
    }
}

/// A temporary folder, in memory where that can be: nothing here depends on what a disk does when
/// it is asked to sync, and a round asks often.
pub fn scratch() -> tempfile::TempDir {
    tempfile::tempdir_in("/dev/shm").unwrap_or_else(|_| tempfile::tempdir().unwrap())
}

/// Gives a partition directory the id of its topic.
pub fn write_topic_id(dir: &Path, id: &str) {
    fs::write(dir.join("partition.metadata"), format!("version: 0\ntopic_id: {id}")).unwrap();
}

/// Overwrites all segments of a source that end at or below `end`; nobody may want to read them.
pub fn spoil_below(dir: &Path, end: i64) -> usize {
    let mut logs: Vec<(i64, PathBuf)> = fs::read_dir(dir)
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .filter(|path| path.extension().is_some_and(|extension| extension == "log"))
        .map(|path| (path.file_stem().unwrap().to_str().unwrap().parse().unwrap(), path))
        .collect();
    logs.sort();
    let mut spoilt = 0;
    for pair in logs.windows(2) {
        let ((_, path), (next_base, _)) = (&pair[0], &pair[1]);
        if *next_base > end {
            break;
        }
        for extension in ["log", "index", "timeindex", "txnindex"] {
            let path = path.with_extension(extension);
            if let Ok(bytes) = fs::read(&path) {
                fs::write(&path, vec![0xff; bytes.len()]).unwrap();
            }
        }
        spoilt += 1;
    }
    spoilt
}

/// Runs `compact SOURCE --out OUT`.
pub fn compact(source: &Path, out: &Path, options: &[&str]) -> Output {
    let mut command = super::logcompact();
    command.arg("compact").arg(source).arg("--out").arg(out).args(options);
    if !options.contains(&"--now") {
        command.args(["--now", &NOW_MS.to_string()]);
    }
    command.output().unwrap()
}

/// The same, which must succeed; where the partition lies then.
pub fn round(source: &Path, out: &Path, options: &[&str]) -> PathBuf {
    let output = compact(source, out, options);
    let said = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(0), "{options:?}: {said}");
    out.join(source.file_name().unwrap())
}

/// The state of a destination, as its current round file says it.
pub fn current(dest: &Path) -> Value {
    let state = dest.join(".logcompact");
    let name = fs::read_to_string(state.join("CURRENT")).unwrap();
    serde_json::from_slice(&fs::read(state.join(name.trim_end())).unwrap()).unwrap()
}

/// The first offset that is not compacted.
pub fn compacted_end(dest: &Path) -> i64 {
    current(dest)["high_watermark"].as_i64().unwrap() + 1
}

/// The data records of a directory by offset: timestamp, key, value, headers.
pub fn records_of(dir: &Path) -> BTreeMap<i64, Value> {
    let mut is_control = false;
    let mut records = BTreeMap::new();
    for line in lines_of(dir) {
        match line.get("control").and_then(Value::as_bool) {
            Some(control) => is_control = control,
            None if is_control => {}
            None => {
                let mut line = line;
                let offset = line["offset"].as_i64().unwrap();
                line.as_object_mut().unwrap().remove("sequence");
                assert!(records.insert(offset, line).is_none(), "{offset} is there twice");
            }
        }
    }
    records
}

/// A file or folder as it lies on the disk.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Lying {
    pub inode: u64,
    pub modified: SystemTime,
    pub changed: (i64, i64),
    pub bytes: Option<Vec<u8>>,
}

/// All that lies below `root`, itself included.
pub fn lying(root: &Path) -> BTreeMap<PathBuf, Lying> {
    let mut found = BTreeMap::new();
    let mut open = vec![root.to_path_buf()];
    while let Some(path) = open.pop() {
        let meta = fs::symlink_metadata(&path).unwrap();
        let bytes = if meta.is_dir() {
            open.extend(fs::read_dir(&path).unwrap().map(|entry| entry.unwrap().path()));
            None
        } else {
            Some(fs::read(&path).unwrap())
        };
        let (modified, changed) = (meta.modified().unwrap(), (meta.ctime(), meta.ctime_nsec()));
        let inode = meta.ino();
        found.insert(path, Lying { inode, modified, changed, bytes });
    }
    found
}

/// Asserts that nothing has happened to anything below `root`.
pub fn assert_untouched(before: &BTreeMap<PathBuf, Lying>, root: &Path, case: &str) {
    assert_same(before, &lying(root), case);
}

/// The same of what was looked at before.
pub fn assert_same(
    before: &BTreeMap<PathBuf, Lying>,
    after: &BTreeMap<PathBuf, Lying>,
    case: &str,
) {
    for (path, was) in before {
        let is = after.get(path).unwrap_or_else(|| panic!("{case}: {} is gone", path.display()));
        let same_bytes = was.bytes == is.bytes;
        assert!(same_bytes, "{case}: {} has other bytes", path.display());
        assert_eq!(
            (was.inode, was.modified, was.changed),
            (is.inode, is.modified, is.changed),
            "{case}: {}",
            path.display()
        );
    }
    let new: Vec<_> = after.keys().filter(|path| !before.contains_key(*path)).collect();
    assert!(new.is_empty(), "{case}: {new:?}");
}

/// A destination after one round over `cut`, with its source.
pub struct Stand {
    pub temp: tempfile::TempDir,
    pub log: Grown,
}

impl Stand {
    pub fn of(log: Grown) -> Stand {
        Stand { temp: scratch(), log }
    }

    pub fn source(&self) -> PathBuf {
        self.temp.path().join("source")
    }

    pub fn out(&self) -> PathBuf {
        self.temp.path().join("out")
    }

    pub fn dest(&self) -> PathBuf {
        self.out().join("t-0")
    }

    /// The source as it was at `cut`, and a round over it.
    pub fn round(&self, cut: i64, options: &[&str]) -> PathBuf {
        round(&self.log.write(&self.source(), cut), &self.out(), options)
    }

    /// What one compaction of all of it gives.
    pub fn fresh(&self, options: &[&str]) -> BTreeMap<i64, Value> {
        let out = self.temp.path().join("fresh");
        let _ = fs::remove_dir_all(&out);
        let source = self.log.write(&self.source(), self.log.end());
        records_of(&round(&source, &out, options))
    }

    /// A run that must be refused, with `said` on standard error and nothing changed.
    pub fn refused(&self, source: &Path, options: &[&str], said: &[&str]) {
        let before = lying(&self.out());
        let output = compact(source, &self.out(), options);
        let stderr = String::from_utf8_lossy(&output.stderr);
        assert_eq!(output.status.code(), Some(2), "{options:?}: {stderr}");
        for said in said {
            assert!(stderr.contains(said), "{options:?}: no {said:?} in: {stderr}");
        }
        // What was staged before it was noticed is gone again; only the folder's time tells of it.
        let state = self.dest().join(".logcompact");
        let mut after = lying(&self.out());
        if let (Some(was), Some(is)) = (before.get(&state), after.get_mut(&state)) {
            (is.modified, is.changed) = (was.modified, was.changed);
        }
        assert_same(&before, &after, &format!("{options:?}"));
    }
}

/// The files of the state, without the lock.
pub fn state_files(dest: &Path) -> Vec<PathBuf> {
    let mut files: Vec<PathBuf> = fs::read_dir(dest.join(".logcompact"))
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .filter(|path| path.is_file() && path.file_name().unwrap() != "lock")
        .collect();
    files.sort();
    files
}

/// The number of the current round.
pub fn number(dest: &Path) -> u64 {
    let name = fs::read_to_string(dest.join(".logcompact/CURRENT")).unwrap();
    name.trim_end().trim_start_matches("round-").trim_end_matches(".json").parse().unwrap()
}
