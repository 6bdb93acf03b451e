//! What a consumer that sees committed records would know after reading a partition, read by the
//! simplest program that can.

use std::collections::{BTreeMap, HashMap};
use std::path::Path;

use logcompact::format::{Control, Decoder};
use logcompact::segment::PartitionDir;

/// Offset and value of the latest committed record of each key; deleted keys are not in it.
pub type State = BTreeMap<Vec<u8>, (i64, Vec<u8>)>;

/// Key and value of a record.
pub type KeyValue = (Option<Vec<u8>>, Option<Vec<u8>>);

/// A partition's records and what they amount to.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Content {
    /// Key and value of each record that is no marker, by offset.
    pub records: BTreeMap<i64, KeyValue>,
    /// The state.
    pub state: State,
    /// The offset behind the last record, or the base of an empty active segment.
    pub log_end: i64,
}

/// Reads a partition directory.
pub fn content_of(dir: &Path) -> Content {
    let partition = PartitionDir::open(dir).unwrap();
    let mut decoder = Decoder::new();
    let mut content = Content::default();
    // Offsets of the records of transactions without a marker.
    let mut open: HashMap<i64, Vec<i64>> = HashMap::new();
    let mut committed: Vec<i64> = Vec::new();
    for segment in &partition.segments {
        content.log_end = content.log_end.max(segment.base.0);
        let log = segment.log().unwrap();
        for item in log.checked_batches() {
            let (_, batch) = item.unwrap();
            let header = batch.header;
            content.log_end = header.last_offset.next().0;
            for record in decoder.records(&batch).unwrap() {
                let record = record.unwrap();
                if header.is_control() {
                    let done = open.remove(&header.producer_id).unwrap_or_default();
                    if Control::of_key(record.key) == Some(Control::Commit) {
                        committed.extend(done);
                    }
                    continue;
                }
                if header.is_transactional() {
                    open.entry(header.producer_id).or_default().push(record.offset.0);
                } else {
                    committed.push(record.offset.0);
                }
                let bytes = |bytes: Option<&[u8]>| bytes.map(<[u8]>::to_vec);
                content.records.insert(record.offset.0, (bytes(record.key), bytes(record.value)));
            }
        }
    }
    committed.sort_unstable();
    for offset in committed {
        let (key, value) = &content.records[&offset];
        let Some(key) = key else { continue };
        match value {
            Some(value) => drop(content.state.insert(key.clone(), (offset, value.clone()))),
            None => drop(content.state.remove(key)),
        }
    }
    content
}
