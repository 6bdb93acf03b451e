//! Messages and message sets of magic 0 and 1.
#![no_main]

logcompact_fuzz::fuzz!("legacy_set");
