//! A decision carried out: written to a folder as a complete partition, or in place.
//!
//! In place, a log that changes is replaced by the swap protocol, with its indexes; segments behind
//! a cut go first, the newest first, so that what is left is a log with damage in it until it is
//! one that ends where it was cut. An index alone is replaced by one rename. A new producer
//! snapshot is there before all that.

use std::time::SystemTime;

use super::companions::{Companion, Companions};
use super::kept::Kept;
use super::plan::Plan;
use crate::disk::Owner;
use crate::error::{Error, Result};
use crate::segment::{
    FileName, INDEX_ENTRY_BYTES, Kind, LEADER_EPOCHS, OffsetIndex, PartitionDir, Place, Suffix,
    TIME_ENTRY_BYTES, TimeIndex, Unread,
};
use crate::swap::{Replaced, Replacement, carry_out, list};
use crate::units::Offset;

/// The files that a repair changes, by name.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Changes {
    /// Files with new content.
    pub rebuilt: Vec<String>,
    /// Files that go.
    pub removed: Vec<String>,
}

impl Plan {
    /// What would be changed in the partition `dir`.
    pub fn changes(&self, dir: &PartitionDir) -> Changes {
        let mut changes = Changes::default();
        for (kept, companions) in &self.segments {
            if !kept.is_whole() {
                changes.rebuilt.push(kept.name());
            }
            for (kind, companion) in companions.all() {
                let name = FileName::new(kept.segment.base, kind).to_string();
                match companion {
                    Companion::Stays => {}
                    Companion::New(bytes) if bytes.is_empty() && kind == Kind::TxnIndex => {
                        changes.removed.push(name);
                    }
                    Companion::New(_) => changes.rebuilt.push(name),
                }
            }
        }
        let log = |base: &Offset| FileName::new(*base, Kind::Log).to_string();
        let snapshot = |offset: &Offset| FileName::new(*offset, Kind::Snapshot).to_string();
        changes.removed.extend(self.goes.iter().map(log));
        changes.removed.extend(self.snapshots.useless.iter().map(snapshot));
        changes.removed.extend(dir.orphans.iter().map(ToString::to_string));
        changes.rebuilt.extend(self.snapshots.at_end.iter().map(|_| snapshot(&self.log_end)));
        changes.rebuilt.extend(self.leader_epochs.iter().map(|_| LEADER_EPOCHS.to_owned()));
        if let Some(Unread { name, text, .. }) = &self.unread_metadata {
            let is_known = text.is_some();
            let list = if is_known { &mut changes.rebuilt } else { &mut changes.removed };
            list.push((*name).to_owned());
        }
        changes
    }

    /// Writes the whole partition to `place`, a folder of its own.
    ///
    /// # Errors
    /// The system's.
    pub fn write_to(&self, dir: &PartitionDir, place: &Place) -> Result<()> {
        for (kept, companions) in &self.segments {
            write_log(kept, place)?;
            for (kind, companion) in companions.all() {
                match companion {
                    Companion::New(bytes) => put(kept, kind, bytes, place)?,
                    Companion::Stays => {
                        if let Some(map) = kept.segment.read(kind)? {
                            put(kept, kind, trimmed(&map, kind, kept.segment.base), place)?;
                        }
                    }
                }
            }
        }
        let copy = |name: &str| place.disk.copy_file(&dir.file(name), &place.dir.join(name));
        let at_end = self.snapshots.at_end.as_ref();
        let stays = |offset: &&Offset| {
            let is_replaced = at_end.is_some() && **offset == self.log_end;
            !is_replaced && !self.snapshots.useless.contains(offset)
        };
        for offset in dir.snapshots.iter().filter(stays) {
            copy(&FileName::new(*offset, Kind::Snapshot).to_string())?;
        }
        if let Some(bytes) = at_end {
            place.put(self.log_end, Kind::Snapshot, bytes, None)?;
        }
        for name in &dir.others {
            let unread = self.unread_metadata.as_ref().filter(|unread| unread.name == name);
            let text = match (&self.leader_epochs, unread) {
                (Some(text), _) if name == LEADER_EPOCHS => Some(text),
                (_, Some(Unread { text: None, .. })) => continue,
                (_, unread) => unread.and_then(|unread| unread.text.as_ref()),
            };
            let path = place.dir.join(name);
            let put =
                |text: &String| place.disk.write_whole_file(&path, text.as_bytes(), None, None);
            text.map_or_else(|| copy(name), put)?;
        }
        place.disk.sync_dir(&place.dir)
    }

    /// Changes the partition `dir` where it lies.
    ///
    /// # Errors
    /// The system's. A repair that ended there can be begun again.
    pub fn write_in_place(&self, dir: &PartitionDir) -> Result<()> {
        // First, while it can still be told that it is needed: it is right for the old log too.
        if let Some(bytes) = &self.snapshots.at_end {
            let name = FileName::new(self.log_end, Kind::Snapshot).to_string();
            dir.disk.replace_file(&dir.file(&name), bytes)?;
        }
        for (kept, companions) in self.segments.iter().filter(|(kept, _)| !kept.is_whole()) {
            let place = cleaned(kept)?;
            write_log(kept, &place)?;
            put_all(kept, companions, &place)?;
        }
        let going = Replacement {
            old: self.goes.iter().rev().copied().collect(),
            new: Vec::new(),
            snapshots: self.snapshots.useless.clone(),
        };
        let mut replacements = vec![going];
        for (kept, _) in self.segments.iter().filter(|(kept, _)| !kept.is_whole()) {
            let base = vec![kept.segment.base];
            let (old, new) = (base.clone(), base);
            replacements.push(Replacement { old, new, snapshots: Vec::new() });
        }
        for replacement in &replacements {
            carry_out(
                &replacement.steps(&list(&dir.path)?, Replaced::Removed),
                &dir.disk,
                &dir.path,
            )?;
        }
        for (kept, companions) in self.segments.iter().filter(|(kept, _)| kept.is_whole()) {
            for (kind, companion) in companions.all() {
                let path = kept.segment.path(kind);
                match companion {
                    Companion::Stays => {}
                    Companion::New(bytes) if bytes.is_empty() && kind == Kind::TxnIndex => {
                        dir.disk.remove_if_there(&path)?;
                    }
                    Companion::New(bytes) => dir.disk.replace_file(&path, bytes)?,
                }
            }
        }
        if let Some(text) = &self.leader_epochs {
            dir.disk.replace_file(&dir.file(LEADER_EPOCHS), text.as_bytes())?;
        }
        let unread = self.unread_metadata.as_ref();
        unread.map_or(Ok(()), |unread| unread.put_right(&dir.disk, &dir.path))?;
        for name in &dir.orphans {
            dir.disk.remove_if_there(&dir.file(&name.to_string()))?;
        }
        dir.disk.sync_dir(&dir.path)
    }
}

/// Where the new files of a segment are written in place.
fn cleaned(kept: &Kept) -> Result<Place> {
    let segment = &kept.segment;
    let log = segment.path(Kind::Log);
    let owner = Owner::of(&log).map_err(|source| Error::io(&log, "cannot read", source))?;
    let (disk, dir) = (segment.disk.clone(), segment.dir.clone());
    let (suffix, owner) = (Some(Suffix::Cleaned), Some(owner));
    Ok(Place { disk, dir, suffix, owner, unsynced: None })
}

fn write_log(kept: &Kept, place: &Place) -> Result<()> {
    let mut log = place.create(kept.segment.base, Kind::Log)?;
    for span in kept.spans() {
        log.write(kept.log.bytes().get(span).unwrap_or_default())?;
    }
    log.finish(Some(kept.segment.modified))
}

fn put_all(kept: &Kept, companions: &Companions, place: &Place) -> Result<()> {
    for (kind, companion) in companions.all() {
        match companion {
            Companion::New(bytes) => put(kept, kind, bytes, place)?,
            // The log is new, and so is all that points into it; only what names offsets stays.
            Companion::Stays => {
                if let Some(map) = kept.segment.read(kind)? {
                    put(kept, kind, &map, place)?;
                }
            }
        }
    }
    Ok(())
}

fn put(kept: &Kept, kind: Kind, bytes: &[u8], place: &Place) -> Result<()> {
    if bytes.is_empty() && kind == Kind::TxnIndex {
        return Ok(());
    }
    let modified: Option<SystemTime> = Some(kept.segment.modified);
    place.put(kept.segment.base, kind, bytes, modified)
}

/// The entries of an index, without the zeros that a running broker preallocates.
fn trimmed(bytes: &[u8], kind: Kind, base: Offset) -> &[u8] {
    let size_bytes = match kind {
        Kind::Index => OffsetIndex::parse(bytes, base).entries.len() * INDEX_ENTRY_BYTES,
        Kind::TimeIndex => TimeIndex::parse(bytes, base).entries.len() * TIME_ENTRY_BYTES,
        _ => bytes.len(),
    };
    bytes.get(..size_bytes).unwrap_or(bytes)
}
