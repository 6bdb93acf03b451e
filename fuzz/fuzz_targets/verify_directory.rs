//! A directory, verified.
#![no_main]

logcompact_fuzz::fuzz!("verify_directory");
