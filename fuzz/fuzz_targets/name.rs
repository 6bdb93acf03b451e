//! Names of files and directories.
#![no_main]

logcompact_fuzz::fuzz!("name");
