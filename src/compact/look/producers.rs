//! Which producers are still active, and which batch must stay for each of them.
//!
//! A broker notices a producer's duplicates by its last sequence, which it finds in the producer's
//! last batch; so that batch stays, if need be empty, for as long as the producer is active
//! (`Cleaner.activeProducers` over `ProducerStateManager` in Kafka).

use std::collections::HashMap;

use super::survey::{LastSeen, Survey};
use crate::format::BatchHeader;
use crate::segment::ProducerEntry;
use crate::units::{Offset, Timestamp};

/// The active producers of a partition.
#[derive(Clone, Debug, Default)]
pub struct ActiveProducers {
    by_id: HashMap<i64, LastSeen>,
}

impl ActiveProducers {
    /// The producers that are in `snapshot` or in what `surveys` saw behind it, in log order, less
    /// those silent for `expiration_ms` before `now`. An open transaction keeps its producer.
    pub fn after_load(
        snapshot: &[ProducerEntry],
        surveys: &[Survey],
        open_txns: &HashMap<i64, Offset>,
        now: Timestamp,
        expiration_ms: i64,
    ) -> ActiveProducers {
        let mut by_id: HashMap<i64, LastSeen> = HashMap::new();
        for entry in snapshot {
            let seen = LastSeen {
                epoch: entry.epoch,
                last_data_offset: Some(entry.last_offset).filter(|offset| offset.0 >= 0),
                epoch_began_here: false,
                timestamp: entry.timestamp,
            };
            by_id.insert(entry.producer_id, seen);
        }
        for survey in surveys {
            for (id, seen) in &survey.producers {
                let merged = by_id.get(id).map_or(*seen, |earlier| seen.after(*earlier));
                by_id.insert(*id, merged);
            }
        }
        by_id.retain(|id, seen| {
            let silent_ms = now.0.saturating_sub(seen.timestamp.0);
            silent_ms < expiration_ms || open_txns.contains_key(id)
        });
        ActiveProducers { by_id }
    }

    /// Whether the batch is the last one of an active producer. One with no data offset known
    /// keeps the control batches of its epoch.
    pub fn needs(&self, header: &BatchHeader) -> bool {
        if header.producer_id < 0 {
            return false;
        }
        self.by_id.get(&header.producer_id).is_some_and(|seen| match seen.last_data_offset {
            Some(last) => header.last_offset == last,
            None => header.is_control() && header.producer_epoch == seen.epoch,
        })
    }
}
