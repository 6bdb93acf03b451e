//! The files that are not logs, entry by entry.

use std::path::Path;

use super::Stopped;
use super::sink::{Entry, Note, NoteKind, Sink};
use super::source::{Companion, CompanionItem};
use crate::disk::Map;
use crate::segment::{
    OffsetCheckpoint, OffsetIndex, PartitionMetadata, TimeIndex, parse_epochs, parse_snapshot,
    parse_txn_index,
};
use crate::units::Position;

/// Dumps one such file.
pub fn dump(
    item: &CompanionItem,
    sink: &mut dyn Sink,
    note: &mut dyn FnMut(Note),
) -> Result<(), Stopped> {
    let path = item.path.as_path();
    let map = Map::open(path)?;
    let text = || String::from_utf8_lossy(&map).into_owned();
    let mut damaged = |text: String| {
        let path = path.to_path_buf();
        note(Note { path, position: Position(0), text, kind: NoteKind::Damage });
    };
    match item.kind {
        Companion::OffsetIndex(base) => {
            let index = OffsetIndex::parse(&map, base);
            if !index.whole {
                damaged("the file ends inside an entry".into());
            }
            entries(path, sink, index.entries.iter().map(|entry| Entry::Offset(*entry)))
        }
        Companion::TimeIndex(base) => {
            let index = TimeIndex::parse(&map, base);
            if !index.whole {
                damaged("the file ends inside an entry".into());
            }
            entries(path, sink, index.entries.iter().map(|entry| Entry::Time(*entry)))
        }
        Companion::TxnIndex => {
            let (aborted, is_whole) = parse_txn_index(&map);
            if !is_whole {
                damaged("an entry is cut short or of an unknown version".into());
            }
            entries(path, sink, aborted.iter().map(|txn| Entry::Aborted(*txn)))
        }
        Companion::Snapshot => match parse_snapshot(&map) {
            Ok(producers) => entries(path, sink, producers.iter().map(Entry::Producer)),
            Err(error) => {
                damaged(error.to_string());
                Ok(())
            }
        },
        Companion::LeaderEpochs => match parse_epochs(&text()) {
            Ok(epochs) => entries(path, sink, epochs.iter().map(|epoch| Entry::Epoch(*epoch))),
            Err(error) => {
                damaged(error.to_string());
                Ok(())
            }
        },
        Companion::Metadata => match PartitionMetadata::parse(&text()) {
            Ok(metadata) => entries(path, sink, [Entry::Metadata(&metadata)].into_iter()),
            Err(error) => {
                damaged(error.to_string());
                Ok(())
            }
        },
        Companion::OffsetCheckpoint => match OffsetCheckpoint::parse(&text()) {
            Ok(checkpoint) => {
                let offsets = &checkpoint.offsets;
                entries(path, sink, offsets.iter().map(|(at, o)| Entry::Checkpoint(at, *o)))
            }
            Err(error) => {
                damaged(error.to_string());
                Ok(())
            }
        },
    }
}

fn entries<'a>(
    path: &Path,
    sink: &mut dyn Sink,
    entries: impl Iterator<Item = Entry<'a>> + Clone,
) -> Result<(), Stopped> {
    sink.companion_file(path, entries.clone().count())?;
    for entry in entries {
        sink.entry(path, &entry)?;
    }
    Ok(())
}
