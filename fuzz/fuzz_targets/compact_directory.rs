//! A directory, compacted, and its output checked.
#![no_main]

logcompact_fuzz::fuzz!("compact_directory");
