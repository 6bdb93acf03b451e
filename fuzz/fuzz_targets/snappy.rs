//! A snappy body.
#![no_main]

logcompact_fuzz::fuzz!("snappy");
