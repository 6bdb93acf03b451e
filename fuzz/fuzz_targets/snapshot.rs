//! A `.snapshot`.
#![no_main]

logcompact_fuzz::fuzz!("snapshot");
