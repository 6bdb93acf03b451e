//! A zstd body.
#![no_main]

logcompact_fuzz::fuzz!("zstd");
