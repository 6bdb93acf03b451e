//! Markers against `.txnindex`: each transaction that was aborted and still has data in the log has
//! its entry in the index of the segment that holds its marker, no entry is without a marker, and
//! none says what the log denies.

use std::collections::{BTreeSet, HashMap, HashSet};
use std::path::{Path, PathBuf};

use super::finding::{Finding, Findings, Severity};
use crate::segment::AbortedTxn;
use crate::units::{Offset, Position};

/// What a transactional or control batch is to its transaction.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Step {
    /// Data.
    Data,
    /// COMMIT.
    Commit,
    /// ABORT.
    Abort,
}

/// Such a batch.
#[derive(Clone, Copy, Debug)]
pub struct TxnStep {
    /// What it is.
    pub step: Step,
    /// Whose.
    pub producer_id: i64,
    /// Its first offset.
    pub offset: Offset,
    /// Where it starts.
    pub position: Position,
}

/// What one segment has of both.
#[derive(Debug, Default)]
pub struct SegmentTxns {
    /// The batches.
    pub steps: Vec<TxnStep>,
    /// The entries of its `.txnindex`.
    pub indexed: Vec<AbortedTxn>,
    /// That file.
    pub index_path: PathBuf,
    /// Its log.
    pub log_path: PathBuf,
}

/// Walks over the segments in order.
#[derive(Default)]
pub struct TxnCheck {
    /// The data of each producer's open transaction, by its offset.
    open: HashMap<i64, Vec<Offset>>,
    /// Where those begin, and whose they are.
    open_firsts: BTreeSet<(Offset, i64)>,
    /// Where each producer's last transaction ended.
    ends: HashMap<i64, Offset>,
    /// In front of it, Kafka's cleaner forgets which transactions were aborted, and nobody reads.
    log_start: Offset,
}

/// What the log says of a transaction that it has an ABORT of.
struct Aborted {
    /// Where its data lies, as far as it is there.
    data: Vec<Offset>,
    /// Where the producer's transaction before ended.
    end_before: Option<Offset>,
    /// Where the earliest transaction began that was open then; behind the marker, if none was.
    stable: Offset,
}

impl TxnCheck {
    /// The same of a log that starts at `log_start`, whatever lies in front of that.
    pub fn from(log_start: Offset) -> TxnCheck {
        TxnCheck { log_start, ..TxnCheck::default() }
    }

    /// Checks one segment's index against its markers.
    pub fn segment(&mut self, txns: &SegmentTxns, found: &mut Findings) {
        let indexed: HashSet<(i64, Offset)> =
            txns.indexed.iter().map(|txn| (txn.producer_id, txn.last_offset)).collect();
        let mut markers = HashMap::new();
        for step in &txns.steps {
            match step.step {
                Step::Data => {
                    let data = self.open.entry(step.producer_id).or_default();
                    if data.is_empty() {
                        self.open_firsts.insert((step.offset, step.producer_id));
                    }
                    data.push(step.offset);
                }
                Step::Commit => {
                    self.end(step);
                }
                Step::Abort => {
                    let aborted = self.end(step);
                    let first = aborted.data.first().copied();
                    markers.insert((step.producer_id, step.offset), aborted);
                    if let Some(first) = first
                        && step.offset >= self.log_start
                        && !indexed.contains(&(step.producer_id, step.offset))
                    {
                        found.push(missing(txns, step, first));
                    }
                }
            }
        }
        check_entries(txns, &markers, found);
    }

    /// The producer's transaction ends.
    fn end(&mut self, step: &TxnStep) -> Aborted {
        let data = self.open.remove(&step.producer_id).unwrap_or_default();
        if let Some(first) = data.first() {
            self.open_firsts.remove(&(*first, step.producer_id));
        }
        let end_before = self.ends.insert(step.producer_id, step.offset);
        let stable = self.first_open().map_or(step.offset.next(), |(first, _)| first);
        Aborted { data, end_before, stable }
    }

    /// First offset of the earliest transaction without a marker, and its producer.
    pub fn first_open(&self) -> Option<(Offset, i64)> {
        self.open_firsts.first().copied()
    }
}

fn missing(txns: &SegmentTxns, step: &TxnStep, first: Offset) -> Finding {
    let text = format!(
        "the transaction of producer {} from offset {first} was aborted here but has no entry in \
         {}: read_committed consumers will see its data",
        step.producer_id,
        txns.index_path.file_name().unwrap_or_default().to_string_lossy()
    );
    Finding::about("txnindex-missing", Severity::Error, &txns.log_path, text)
        .at(step.position)
        .of(step.offset)
}

fn check_entries(
    txns: &SegmentTxns,
    markers: &HashMap<(i64, Offset), Aborted>,
    found: &mut Findings,
) {
    let path: &Path = &txns.index_path;
    let mut last_offset = None;
    for txn in &txns.indexed {
        let finding = |rule, text: String| {
            Finding::about(rule, Severity::Error, path, text).of(txn.last_offset)
        };
        if last_offset.is_some_and(|last| txn.last_offset <= last) {
            found.push(finding("txnindex-order", "the entry does not ascend".into()));
        }
        last_offset = Some(txn.last_offset);
        if txn.first_offset > txn.last_offset {
            let text = format!("the entry begins at {}, behind its end", txn.first_offset);
            found.push(finding("txnindex-entry", text));
        }
        let Some(Aborted { data, end_before, stable }) = markers.get(&txn.marker()) else {
            let text = format!("producer {} has no ABORT marker there", txn.producer_id);
            found.push(finding("txnindex-entry", text));
            continue;
        };
        if let Some(end) = end_before.filter(|end| txn.first_offset <= *end) {
            let text = format!(
                "the entry begins at {}, but at {end} a transaction of producer {} ended: a \
                 broker's cleaner takes what was committed there for aborted",
                txn.first_offset, txn.producer_id
            );
            found.push(finding("txnindex-entry", text));
        }
        if txn.last_stable_offset > *stable {
            let behind = txn.last_stable_offset > txn.last_offset.next();
            // What looks open may have had its marker where the log is damaged, or was.
            let (severity, or) = match behind {
                true => (Severity::Error, ""),
                false => (Severity::Warning, ", unless a marker is lost"),
            };
            let text = format!(
                "the entry has the last stable offset {}, which was {stable}{or}: a broker that \
                 looks for aborted transactions may stop there",
                txn.last_stable_offset
            );
            let finding = Finding::about("txnindex-entry", severity, path, text);
            found.push(finding.of(txn.last_offset));
        }
        match data.first() {
            Some(first) if txn.first_offset > *first => {
                let text = format!(
                    "the entry begins at {} but the data of producer {} at {first}",
                    txn.first_offset, txn.producer_id
                );
                // It is how a broker reads it, whatever came before.
                let is_read_so = txn.can_begin_among(data);
                let (severity, text) = if is_read_so {
                    (Severity::Warning, text + ": a marker between the two may be lost")
                } else {
                    (Severity::Error, text)
                };
                let finding = Finding::about("txnindex-entry", severity, path, text);
                found.push(finding.of(txn.last_offset));
            }
            _ => {}
        }
    }
}
