//! What each worker thread keeps from task to task: codec contexts and scratch, to read and to
//! write with.

use std::cell::RefCell;

use crate::format::codec::Workbench;
use crate::format::{Compression, Decoder};

thread_local! {
    static DECODER: RefCell<Decoder> = RefCell::new(Decoder::new());
    static ENCODER: RefCell<(Option<Compression>, Workbench)> = RefCell::default();
}

/// Runs `work` with this thread's decoder. `work` must not wait for other tasks of the pool, which
/// could run on this very thread.
pub fn with_decoder<T>(work: impl FnOnce(&mut Decoder) -> T) -> T {
    DECODER.with_borrow_mut(work)
}

/// As [`with_decoder`], with contexts to write with, at the level of `compression`, if any.
pub fn with_codecs<T>(
    compression: Option<Compression>,
    work: impl FnOnce(&mut Decoder, &mut Workbench) -> T,
) -> T {
    ENCODER.with_borrow_mut(|(made_for, workbench)| {
        if *made_for != compression {
            *workbench = compression.map_or_else(Workbench::new, Compression::workbench);
            *made_for = compression;
        }
        with_decoder(|decoder| work(decoder, workbench))
    })
}
