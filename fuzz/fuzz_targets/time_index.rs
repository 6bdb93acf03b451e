//! A `.timeindex`.
#![no_main]

logcompact_fuzz::fuzz!("time_index");
