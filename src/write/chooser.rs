//! Which partition a record goes to: by its key, or, without one, where a batch is being filled
//! (`KafkaProducer.partition`, `BuiltInPartitioner`).

use std::num::NonZeroU32;

use crate::format::Partitioner;

/// Chooses. Kafka's producer draws the partition of keyless records; here they come by turns, so
/// that the same input goes to the same places.
#[derive(Clone, Debug)]
pub struct Chooser {
    partitioner: Partitioner,
    partitions: NonZeroU32,
    sticky: u32,
}

impl Chooser {
    /// Chooses among `partitions`.
    pub fn new(partitioner: Partitioner, partitions: NonZeroU32) -> Chooser {
        Chooser { partitioner, partitions, sticky: 0 }
    }

    /// The partition that a record's key says; `None` if it may go anywhere.
    pub fn by_key(&self, key: Option<&[u8]>) -> Option<u32> {
        self.partitioner.partition_of(key?, self.partitions)
    }

    /// Where those go that may go anywhere.
    pub fn anywhere(&self) -> u32 {
        self.sticky
    }

    /// The batch there is full: the next is filled in another partition.
    pub fn turn(&mut self) {
        self.sticky = self.sticky.wrapping_add(1) % self.partitions;
    }
}
