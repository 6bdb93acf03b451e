//! A directory, dumped in every format.
#![no_main]

logcompact_fuzz::fuzz!("dump_directory");
