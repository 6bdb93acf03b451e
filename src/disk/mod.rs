//! The few file operations that matter. Nothing here knows Kafka.

mod durable;
mod early_sync;
mod listed;
mod map;
mod scratch;

pub use durable::{
    StagedFile, copy_file, create_dir, rename, set_modified, sync_dir, write_whole_file,
};
pub use listed::{oddity, open_listed, open_named};
pub use map::Map;
pub use scratch::Scratch;
