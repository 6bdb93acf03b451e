//! A directory, repaired.
#![no_main]

logcompact_fuzz::fuzz!("repair_directory");
