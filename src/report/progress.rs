//! How far a long run has come. The library speaks to this trait; what draws it is not its
//! business.

/// Hears of work done. Called from many threads, often.
pub trait Progress: Sync {
    /// The work that lies ahead, in bytes, and what it is called.
    fn begin(&self, what: &str, total_bytes: u64);
    /// So many more bytes are done.
    fn advance(&self, bytes: u64);
    /// The work is over.
    fn finish(&self);
}

/// Hears nothing.
#[derive(Clone, Copy, Debug, Default)]
pub struct NoProgress;

impl Progress for NoProgress {
    fn begin(&self, _what: &str, _total_bytes: u64) {}
    fn advance(&self, _bytes: u64) {}
    fn finish(&self) {}
}
