//! The groups of a whole directory, read as a partition of `__consumer_offsets`.
#![no_main]

logcompact_fuzz::fuzz!("groups_directory");
