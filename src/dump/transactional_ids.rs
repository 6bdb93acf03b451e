//! The producer ids that transactional ids have had, by what `__transaction_state` still says: the
//! logs themselves know producers by number only (`TransactionLog`, `TransactionMetadata`).

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use crate::disk::Disk;
use crate::error::{Error, Result};
use crate::format::Decoder;
use crate::messages::{InternalTopic, decode_key, decode_value};
use crate::segment::partitions_around;
use crate::swap::as_finished;

const TOPIC: &str = "__transaction_state";

/// The producers behind `ids`, looked up in the log directories that `paths` are, or lie in.
///
/// # Errors
/// There is no `__transaction_state` there, one of the ids is not in it, or it cannot be read.
pub fn producers_of(ids: &[String], paths: &[PathBuf]) -> Result<BTreeSet<i64>> {
    let mut partitions = BTreeSet::new();
    for path in paths {
        partitions.extend(partitions_around(path, TOPIC)?);
    }
    if partitions.is_empty() {
        let what = "is not there, which knows transactional ids; select by --producer-id";
        return Err(Error::refused(format!("{TOPIC} {what}")));
    }
    let mut producers = BTreeSet::new();
    let mut missing: BTreeSet<&str> = ids.iter().map(String::as_str).collect();
    for partition in partitions {
        each_entry(&partition, |id, producer_ids| {
            if ids.iter().any(|wanted| wanted == id) {
                missing.remove(id);
                producers.extend(producer_ids.into_iter().filter(|producer_id| *producer_id >= 0));
            }
        })?;
    }
    match missing.first() {
        Some(id) => Err(Error::refused(format!("{TOPIC} has no transactional id {id:?}"))),
        None => Ok(producers),
    }
}

/// Hands on each id with the producers that an entry of it names. What cannot be read is passed
/// over: it is not what was asked for.
fn each_entry(partition: &Path, mut each: impl FnMut(&str, [i64; 3])) -> Result<()> {
    let topic = InternalTopic::Transactions;
    let mut decoder = Decoder::new();
    let (dir, _) = as_finished(&Disk::default(), partition)?;
    for segment in &dir.segments {
        let log = segment.log()?;
        for (_, batch) in log.checked_batches().flatten().filter(|(_, b)| !b.header.is_control()) {
            for record in decoder.records(&batch).into_iter().flatten().flatten() {
                let Ok(key) = decode_key(topic, record.key) else { continue };
                let value = record.value.map(|value| decode_value(topic, key.number, value));
                if let (Some(id), Some(Ok(value))) = (key.data.text("transactionalId"), value) {
                    let names = ["producerId", "previousProducerId", "nextProducerId"];
                    each(id, names.map(|name| value.data.int(name).unwrap_or(-1)));
                }
            }
        }
    }
    Ok(())
}
