//! An LZ4 body.
#![no_main]

logcompact_fuzz::fuzz!("lz4");
