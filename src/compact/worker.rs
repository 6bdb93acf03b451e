//! What each worker thread keeps from task to task: its decoder, with codec contexts and scratch.

use std::cell::RefCell;

use crate::format::Decoder;

thread_local! {
    static DECODER: RefCell<Decoder> = RefCell::new(Decoder::new());
}

/// Runs `work` with this thread's decoder. `work` must not wait for other tasks of the pool, which
/// could run on this very thread.
pub fn with_decoder<T>(work: impl FnOnce(&mut Decoder) -> T) -> T {
    DECODER.with_borrow_mut(work)
}
