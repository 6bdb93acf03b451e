//! When tombstones have had their time.

use crate::compact::policy::Policy;
use crate::format::BatchHeader;
use crate::units::Timestamp;

/// The rule by which tombstones go.
#[derive(Clone, Copy, Debug)]
pub struct Expiry {
    /// The clock of the run.
    pub now: Timestamp,
    /// None stays.
    pub drops_all: bool,
    /// Those of magic 0 and 1 go from segments that were modified no later than this.
    pub legacy_horizon: Timestamp,
}

impl Expiry {
    /// The rule of a run in which `legacy_horizon` is that of magic 0 and 1.
    pub fn of(policy: &Policy, legacy_horizon: Timestamp) -> Expiry {
        Expiry { now: policy.now, drops_all: policy.drop_tombstones, legacy_horizon }
    }

    /// Whether tombstones of a batch, in a segment that was `modified` then, have had their time:
    /// by the batch's delete horizon (KIP-534), or for magic 0 and 1, which have none, by the age
    /// of the segment.
    pub fn has_passed(&self, header: &BatchHeader, modified: Timestamp) -> bool {
        self.drops_all
            || header.delete_horizon().is_some_and(|horizon| self.now >= horizon)
            || (header.magic < 2 && self.has_passed_legacy(modified))
    }

    /// Whether those of magic 0 and 1 have had it in such a segment.
    pub fn has_passed_legacy(&self, modified: Timestamp) -> bool {
        self.drops_all || modified <= self.legacy_horizon
    }
}
