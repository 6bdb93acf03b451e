//! The text files.
#![no_main]

logcompact_fuzz::fuzz!("checkpoint");
