//! The few file operations that matter. Nothing here knows Kafka.

mod durable;
mod files;
mod joined;
mod listed;
mod map;
mod occupied;
mod past_cache;
mod scratch;
mod share;
mod staging;
mod system;
mod together;
mod turns;
mod whole_file;

pub use durable::{Disk, StagedFile};
pub use files::{Files, NewFile, Owner};
pub use joined::{Joined, Member};
pub use listed::{oddity, open_listed, open_named};
pub use map::Map;
pub use occupied::{Busy, LockedDir, LockedFile};
pub use past_cache::ALIGNED_BYTES;
pub use scratch::Scratch;
pub use share::LEAST_SHARED_BYTES;
pub use staging::{STAGING, Staging, report_of_unit};
pub use system::System;
pub use together::SyncTogether;
pub use turns::{Turn, Turns};
pub use whole_file::WholeFile;
