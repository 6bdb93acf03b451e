//! A `.txnindex`.
#![no_main]

logcompact_fuzz::fuzz!("txn_index");
