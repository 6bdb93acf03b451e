//! A run of the key index in the making: put together in memory, written when it is whole.

use std::path::Path;

use super::entry::{EntryLayout, KeyHash, KeyHashSeed, KeyState};
use super::hex::Crc32c;
use super::key_run::{CRC_BYTES, Header, RunRef};
use super::state_file::append_crc;
use crate::disk::{Disk, StagedFile};
use crate::error::{Error, Result};

/// The file of a run in the making. It is put together in memory, and written when it is whole.
pub struct RunWriter {
    layout: EntryLayout,
    seed: KeyHashSeed,
    first_hash: KeyHash,
    bytes: Vec<u8>,
    entries: u64,
    last_hash: Option<KeyHash>,
}

impl RunWriter {
    /// A run that covers hashes from `first_hash` on.
    pub fn new(layout: EntryLayout, seed: KeyHashSeed, first_hash: KeyHash) -> RunWriter {
        let mut bytes = Vec::new();
        Header { layout, seed, entries: 0 }.put(&mut bytes);
        RunWriter { layout, seed, first_hash, bytes, entries: 0, last_hash: None }
    }

    /// The same, with memory for `entries` entries.
    pub fn with_room(mut self, entries: usize) -> RunWriter {
        self.bytes.reserve_exact(entries * self.layout.entry_bytes() + CRC_BYTES);
        self
    }

    /// Appends what it says of a key.
    ///
    /// # Errors
    /// An offset that has no room in an entry. That it is out of order would be a bug.
    pub fn push(&mut self, state: impl Into<KeyState>) -> Result<()> {
        let state = state.into();
        if !self.goes_on_with(state.hash) {
            return Err(Error::bug("an entry of the key index is out of order"));
        }
        self.layout.encode_state(&state, &mut self.bytes)
    }

    /// Appends what `put` appends to the bytes of the run; whether these are entries of records
    /// that are there, in order and behind the last. If they are not, nothing is to be made of it.
    ///
    /// # Errors
    /// Those of `put`.
    pub fn append(&mut self, put: impl FnOnce(&mut Vec<u8>) -> Result<()>) -> Result<bool> {
        let start = self.bytes.len();
        put(&mut self.bytes)?;
        let new = self.bytes.get(start..).unwrap_or_default();
        let least = match self.last_hash {
            None => Some(self.first_hash),
            Some(last) => last.0.checked_add(1).map(KeyHash),
        };
        let Some(last) = new.rchunks_exact(self.layout.entry_bytes()).next() else {
            return Ok(new.is_empty());
        };
        let are_sound = least.is_some_and(|least| self.layout.all_stand(new, least));
        self.entries += (new.len() / self.layout.entry_bytes()) as u64;
        self.last_hash = self.layout.decode(last).map(|entry| entry.hash);
        Ok(are_sound)
    }

    /// Counts an entry with this hash, if it lies behind the last.
    fn goes_on_with(&mut self, hash: KeyHash) -> bool {
        let is_behind = match self.last_hash {
            None => hash >= self.first_hash,
            Some(last) => hash > last,
        };
        if is_behind {
            self.last_hash = Some(hash);
            self.entries += 1;
        }
        is_behind
    }

    /// The file, if there is an entry in it.
    pub fn finish(mut self) -> Option<RunFile> {
        if self.entries == 0 {
            return None;
        }
        let mut header = Vec::new();
        Header { layout: self.layout, seed: self.seed, entries: self.entries }.put(&mut header);
        self.bytes.get_mut(..header.len())?.copy_from_slice(&header);
        let crc = append_crc(&mut self.bytes);
        let RunWriter { first_hash, entries, bytes, .. } = self;
        Some(RunFile { first_hash, entries, crc32c: Crc32c(crc), bytes })
    }
}

/// The file of a run, complete but for its name.
pub struct RunFile {
    first_hash: KeyHash,
    entries: u64,
    crc32c: Crc32c,
    bytes: Vec<u8>,
}

impl RunFile {
    /// Its bytes.
    pub fn bytes(&self) -> &[u8] {
        &self.bytes
    }

    /// Writes it to the folder `dir`, to be synced; one of that name that an interrupted round left
    /// goes.
    ///
    /// # Errors
    /// The system's.
    pub fn write(&self, disk: &Disk, dir: &Path, name: String) -> Result<(RunRef, StagedFile)> {
        let path = dir.join(&name);
        disk.remove_if_there(&path)?;
        let mut file = disk.create(&path, None)?;
        file.write(&self.bytes)?;
        let written = RunRef {
            file: name,
            first_hash: self.first_hash,
            entries: self.entries,
            bytes: self.bytes.len() as u64,
            crc32c: self.crc32c,
        };
        Ok((written, file))
    }
}
