//! A disk whose power can be cut between any two operations, and one that refuses the n-th.
//!
//! What the program does is done to real files and noted. From the notes, the state of the disk is
//! rebuilt as a power cut could have left it at any moment: what was not synced of a file is there,
//! partly there, or zeros; what was not synced of a folder's names has happened or not, each name
//! for itself.

use std::collections::BTreeMap;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::time::SystemTime;

use logcompact::disk::{Files, Map, NewFile, Owner, System};
use rustix::io::Errno;

/// What the program did.
#[derive(Clone, Debug)]
pub enum Op {
    Create(PathBuf),
    Append(PathBuf, u64),
    Write(PathBuf, Vec<u8>),
    /// These bytes came without being written.
    Share(PathBuf, Vec<u8>),
    WriteAt(PathBuf, Vec<u8>, u64),
    Finish(PathBuf, Option<SystemTime>),
    CreateDir(PathBuf),
    Rename(PathBuf, PathBuf),
    Remove(PathBuf),
    RemoveDir(PathBuf),
    SyncDir(PathBuf),
    SyncFile(PathBuf),
}

/// Notes what is done.
#[derive(Clone, Debug, Default)]
pub struct Noting {
    ops: Arc<Mutex<Vec<Op>>>,
    shares: bool,
}

impl Noting {
    /// On a file system where files can share their blocks.
    pub fn sharing() -> Noting {
        Noting { shares: true, ..Noting::default() }
    }

    /// What was done so far.
    pub fn ops(&self) -> Vec<Op> {
        self.ops.lock().unwrap().clone()
    }

    fn note(&self, op: Op) {
        self.ops.lock().unwrap().push(op);
    }
}

impl Files for Noting {
    fn map(&self, path: &Path) -> io::Result<Map> {
        System::default().map(path)
    }

    fn create(&self, path: &Path, owner: Option<Owner>) -> io::Result<Box<dyn NewFile>> {
        let file = System::default().create(path, owner)?;
        self.note(Op::Create(path.into()));
        Ok(Box::new(NotedFile { path: path.into(), file, notes: self.clone() }))
    }

    fn append(&self, path: &Path, keep_bytes: u64) -> io::Result<Box<dyn NewFile>> {
        let file = System::default().append(path, keep_bytes)?;
        self.note(Op::Append(path.into(), keep_bytes));
        Ok(Box::new(NotedFile { path: path.into(), file, notes: self.clone() }))
    }

    fn create_dir(&self, path: &Path) -> io::Result<()> {
        self.note(Op::CreateDir(path.into()));
        System::default().create_dir(path)
    }

    fn rename(&self, from: &Path, to: &Path) -> io::Result<()> {
        self.note(Op::Rename(from.into(), to.into()));
        System::default().rename(from, to)
    }

    fn remove(&self, path: &Path) -> io::Result<()> {
        System::default().remove(path)?;
        self.note(Op::Remove(path.into()));
        Ok(())
    }

    fn remove_dir(&self, path: &Path) -> io::Result<()> {
        System::default().remove_dir(path)?;
        self.note(Op::RemoveDir(path.into()));
        Ok(())
    }

    fn sync_dir(&self, path: &Path) -> io::Result<()> {
        self.note(Op::SyncDir(path.into()));
        Ok(())
    }

    fn sync_file(&self, path: &Path) -> io::Result<()> {
        self.note(Op::SyncFile(path.into()));
        Ok(())
    }
}

struct NotedFile {
    path: PathBuf,
    file: Box<dyn NewFile>,
    notes: Noting,
}

impl NewFile for NotedFile {
    fn write(&mut self, bytes: &[u8]) -> io::Result<()> {
        self.notes.note(Op::Write(self.path.clone(), bytes.into()));
        self.file.write(bytes)
    }

    // As the system does it where it can, but that the bytes are copied.
    fn share(&mut self, from: &Path, map: &Map, keep_bytes: u64) -> io::Result<bool> {
        let is_there = fs::metadata(from).is_ok_and(|there| there.len() >= keep_bytes);
        let bytes = map.get(..keep_bytes as usize).filter(|_| is_there && self.notes.shares);
        let Some(bytes) = bytes else { return Ok(false) };
        self.notes.note(Op::Share(self.path.clone(), bytes.into()));
        self.file.write(bytes).map(|()| true)
    }

    fn reserve(&mut self, size_bytes: u64) -> io::Result<()> {
        self.file.reserve(size_bytes)
    }

    fn write_at(&mut self, bytes: &[u8], position: u64) -> io::Result<()> {
        self.notes.note(Op::WriteAt(self.path.clone(), bytes.into(), position));
        self.file.write_at(bytes, position)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.file.flush()
    }

    // What is durable is told from the notes: waiting for the real disk would show nothing.
    fn finish(mut self: Box<Self>, modified: Option<SystemTime>) -> io::Result<()> {
        self.file.flush()?;
        if let Some(modified) = modified {
            fs::File::options().append(true).open(&self.path)?.set_modified(modified)?;
        }
        self.notes.note(Op::Finish(self.path, modified));
        Ok(())
    }
}

/// How a power cut treats what was not synced.
#[derive(Clone, Copy, Debug)]
pub enum Loss {
    /// All of it is lost.
    All,
    /// Names have happened, contents are lost.
    Contents,
    /// Nothing is lost.
    Nothing,
    /// By the throw of a die with this seed.
    Random(u64),
}

/// A file: its content, how much of it is durable, its modification time.
#[derive(Clone, Debug)]
struct Inode {
    bytes: Vec<u8>,
    /// How much of it was synced before it was gone on with.
    safe_bytes: usize,
    is_synced: bool,
    modified: Option<SystemTime>,
}

/// The disk as a power cut leaves it after the first `count` of `ops`, written to `to`: the tree
/// `root` with the files that `before` has.
pub fn cut_power(before: &Path, root: &Path, ops: &[Op], loss: Loss, to: &Path) {
    let mut inodes: Vec<Inode> = Vec::new();
    let mut durable: BTreeMap<PathBuf, usize> = BTreeMap::new();
    for (path, bytes, modified) in tree(before) {
        durable.insert(root.join(path), inodes.len());
        let safe_bytes = bytes.len();
        let modified = Some(modified);
        inodes.push(Inode { bytes, safe_bytes, is_synced: true, modified });
    }
    // The names as the running program sees them, and what happened to them since their folder
    // was synced.
    let mut seen = durable.clone();
    let mut pending: Vec<(Op, usize)> = Vec::new();
    for op in ops {
        match op {
            Op::Create(path) => {
                seen.insert(path.clone(), inodes.len());
                pending.push((op.clone(), inodes.len()));
                inodes.push(Inode {
                    bytes: Vec::new(),
                    safe_bytes: 0,
                    is_synced: false,
                    modified: None,
                });
            }
            Op::Append(path, keep_bytes) => {
                let inode = &mut inodes[seen[path]];
                inode.bytes.truncate(*keep_bytes as usize);
                inode.safe_bytes = inode.bytes.len().min(inode.safe_bytes);
                inode.is_synced = false;
            }
            Op::Write(path, bytes) | Op::Share(path, bytes) => {
                inodes[seen[path]].bytes.extend_from_slice(bytes)
            }
            Op::WriteAt(path, bytes, position) => {
                let (all, start) = (&mut inodes[seen[path]].bytes, *position as usize);
                all.resize(all.len().max(start + bytes.len()), 0);
                all[start..start + bytes.len()].copy_from_slice(bytes);
            }
            Op::Finish(path, modified) => {
                let inode = &mut inodes[seen[path]];
                (inode.is_synced, inode.modified) = (true, *modified);
                inode.safe_bytes = inode.bytes.len();
            }
            Op::Rename(from, to) => {
                // A folder takes all that is in it along.
                let moved: Vec<PathBuf> =
                    seen.keys().filter(|path| path.starts_with(from)).cloned().collect();
                for path in moved {
                    let inode = seen.remove(&path).unwrap();
                    let rest = path.strip_prefix(from).unwrap();
                    let place =
                        if rest.as_os_str().is_empty() { to.clone() } else { to.join(rest) };
                    seen.insert(place, inode);
                }
                pending.push((op.clone(), 0));
            }
            Op::Remove(path) => {
                seen.remove(path);
                pending.push((op.clone(), 0));
            }
            Op::RemoveDir(path) => {
                seen.retain(|name, _| !name.starts_with(path));
                pending.push((op.clone(), 0));
            }
            Op::SyncDir(dir) => {
                let (synced, rest): (Vec<_>, Vec<_>) =
                    pending.into_iter().partition(|(op, _)| parent(op) == dir);
                synced.iter().for_each(|(op, inode)| apply(op, *inode, &mut durable));
                pending = rest;
            }
            // What was there before is taken to be durable.
            Op::CreateDir(_) | Op::SyncFile(_) => {}
        }
    }
    let mut die = Die(match loss {
        Loss::Random(seed) => seed,
        _ => 0,
    });
    for (op, inode) in &pending {
        let happened = match loss {
            Loss::All => false,
            Loss::Contents | Loss::Nothing => true,
            Loss::Random(_) => die.throw(2) == 0,
        };
        if happened {
            apply(op, *inode, &mut durable);
        }
    }
    fs::create_dir_all(to).unwrap();
    for (path, inode) in &durable {
        let inode = &inodes[*inode];
        let target = to.join(path.strip_prefix(root).unwrap());
        fs::create_dir_all(target.parent().unwrap()).unwrap();
        fs::write(&target, content(inode, loss, &mut die)).unwrap();
        if let Some(modified) = inode.modified.filter(|_| inode.is_synced) {
            fs::File::options().append(true).open(target).unwrap().set_modified(modified).unwrap();
        }
    }
}

fn content(inode: &Inode, loss: Loss, die: &mut Die) -> Vec<u8> {
    let (safe, new) = inode.bytes.split_at(inode.safe_bytes);
    let new = match loss {
        _ if inode.is_synced => new.to_vec(),
        Loss::Nothing => new.to_vec(),
        Loss::All | Loss::Contents => Vec::new(),
        Loss::Random(_) => match die.throw(3) {
            0 => vec![0; new.len()],
            1 => new[..new.len() / 2].to_vec(),
            _ => new.to_vec(),
        },
    };
    [safe, &new].concat()
}

fn parent(op: &Op) -> &Path {
    let path = match op {
        Op::Create(path) | Op::Remove(path) | Op::RemoveDir(path) | Op::Rename(_, path) => path,
        Op::Append(path, _)
        | Op::Write(path, _)
        | Op::Share(path, _)
        | Op::WriteAt(path, ..)
        | Op::Finish(path, _)
        | Op::CreateDir(path)
        | Op::SyncDir(path)
        | Op::SyncFile(path) => path,
    };
    path.parent().unwrap()
}

/// Lets something happen to the durable names; what it is about may never have come to be.
fn apply(op: &Op, inode: usize, names: &mut BTreeMap<PathBuf, usize>) {
    match op {
        Op::Create(path) => drop(names.insert(path.clone(), inode)),
        Op::Remove(path) => drop(names.remove(path)),
        Op::RemoveDir(path) => names.retain(|name, _| !name.starts_with(path)),
        Op::Rename(from, to) => {
            let moved: Vec<PathBuf> =
                names.keys().filter(|path| path.starts_with(from)).cloned().collect();
            for path in moved {
                let inode = names.remove(&path).unwrap();
                let rest = path.strip_prefix(from).unwrap();
                let place = if rest.as_os_str().is_empty() { to.clone() } else { to.join(rest) };
                names.insert(place, inode);
            }
        }
        Op::Append(..) | Op::Write(..) | Op::Share(..) | Op::WriteAt(..) | Op::Finish(..) => {}
        Op::CreateDir(_) | Op::SyncDir(_) | Op::SyncFile(_) => {}
    }
}

/// All files below `dir`: path within it, bytes, modification time.
pub fn tree(dir: &Path) -> Vec<(PathBuf, Vec<u8>, SystemTime)> {
    let mut found = Vec::new();
    let mut folders = vec![dir.to_path_buf()];
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(folder).unwrap().map(Result::unwrap) {
            if entry.path().is_dir() {
                folders.push(entry.path());
            } else {
                let path = entry.path().strip_prefix(dir).unwrap().to_path_buf();
                let modified = entry.metadata().unwrap().modified().unwrap();
                found.push((path, fs::read(entry.path()).unwrap(), modified));
            }
        }
    }
    found.sort();
    found
}

/// A small pseudorandom sequence (xorshift), the same for the same seed.
pub struct Die(pub u64);

impl Die {
    /// A number below `sides`.
    pub fn throw(&mut self, sides: u64) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = self.0;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        (mixed ^ (mixed >> 31)) % sides
    }
}

/// A disk that refuses one operation.
#[derive(Clone, Debug)]
pub struct Refusing {
    left: Arc<AtomicU64>,
    refused: Arc<AtomicBool>,
    only_writes: bool,
    error: i32,
}

impl Refusing {
    /// Refuses writing operation number `n` (from 0), and all behind it, with the system's `error`
    /// number: a disk that is full stays full.
    pub fn write(n: u64, error: i32) -> Refusing {
        Refusing::from(n, true, error)
    }

    /// Refuses to open file number `n` for reading, and all behind it.
    pub fn read(n: u64, error: i32) -> Refusing {
        Refusing::from(n, false, error)
    }

    fn from(n: u64, only_writes: bool, error: i32) -> Refusing {
        Refusing { left: Arc::new(AtomicU64::new(n)), refused: Arc::default(), only_writes, error }
    }

    /// Whether it came to that.
    pub fn has_refused(&self) -> bool {
        self.refused.load(Ordering::Relaxed)
    }

    fn pass(&self, is_write: bool) -> io::Result<()> {
        if is_write != self.only_writes {
            return Ok(());
        }
        let count_down =
            self.left.fetch_update(Ordering::Relaxed, Ordering::Relaxed, |n| n.checked_sub(1));
        count_down.map(drop).map_err(|_| {
            self.refused.store(true, Ordering::Relaxed);
            io::Error::from_raw_os_error(self.error)
        })
    }
}

impl Files for Refusing {
    fn map(&self, path: &Path) -> io::Result<Map> {
        self.pass(false)?;
        System::default().map(path)
    }

    fn create(&self, path: &Path, owner: Option<Owner>) -> io::Result<Box<dyn NewFile>> {
        self.pass(true)?;
        let file = System::default().create(path, owner)?;
        Ok(Box::new(RefusingFile { file, disk: self.clone() }))
    }

    fn append(&self, path: &Path, keep_bytes: u64) -> io::Result<Box<dyn NewFile>> {
        self.pass(true)?;
        let file = System::default().append(path, keep_bytes)?;
        Ok(Box::new(RefusingFile { file, disk: self.clone() }))
    }

    fn create_dir(&self, path: &Path) -> io::Result<()> {
        self.pass(true)?;
        System::default().create_dir(path)
    }

    fn rename(&self, from: &Path, to: &Path) -> io::Result<()> {
        self.pass(true)?;
        System::default().rename(from, to)
    }

    // A full disk lets go of files; one that is mounted for reading only does not.
    fn remove(&self, path: &Path) -> io::Result<()> {
        if self.error == Errno::ROFS.raw_os_error() {
            self.pass(true)?;
        }
        System::default().remove(path)
    }

    fn remove_dir(&self, path: &Path) -> io::Result<()> {
        System::default().remove_dir(path)
    }

    fn sync_dir(&self, path: &Path) -> io::Result<()> {
        self.pass(true)?;
        System::default().sync_dir(path)
    }

    fn sync_file(&self, path: &Path) -> io::Result<()> {
        self.pass(true)?;
        System::default().sync_file(path)
    }
}

struct RefusingFile {
    file: Box<dyn NewFile>,
    disk: Refusing,
}

impl NewFile for RefusingFile {
    fn write(&mut self, bytes: &[u8]) -> io::Result<()> {
        self.disk.pass(true)?;
        self.file.write(bytes)
    }

    fn share(&mut self, from: &Path, map: &Map, keep_bytes: u64) -> io::Result<bool> {
        self.disk.pass(true)?;
        self.file.share(from, map, keep_bytes)
    }

    fn reserve(&mut self, size_bytes: u64) -> io::Result<()> {
        self.disk.pass(true)?;
        self.file.reserve(size_bytes)
    }

    fn write_at(&mut self, bytes: &[u8], position: u64) -> io::Result<()> {
        self.disk.pass(true)?;
        self.file.write_at(bytes, position)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.disk.pass(true)?;
        self.file.flush()
    }

    fn finish(self: Box<Self>, modified: Option<SystemTime>) -> io::Result<()> {
        self.disk.pass(true)?;
        self.file.finish(modified)
    }
}
