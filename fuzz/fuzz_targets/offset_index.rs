//! An `.index`.
#![no_main]

logcompact_fuzz::fuzz!("offset_index");
