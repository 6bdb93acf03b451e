//! A gzip body.
#![no_main]

logcompact_fuzz::fuzz!("gzip");
