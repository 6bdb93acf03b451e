//! Batches of magic 2.
#![no_main]

logcompact_fuzz::fuzz!("batch");
