//! A large file on its way to the disk while it is still being written.
//!
//! A sync at the end would find all of it waiting, and the writer would wait for all of it. A
//! thread of its own syncs what there is whenever it is told that there is more.

use std::fs::File;
use std::io;
use std::sync::mpsc::{SyncSender, TrySendError, sync_channel};
use std::thread::JoinHandle;

/// The thread that syncs one file.
pub struct EarlySync {
    more: SyncSender<()>,
    thread: JoinHandle<io::Result<()>>,
}

impl EarlySync {
    /// Starts the thread for `file`.
    ///
    /// # Errors
    /// The system's, if there is no handle or thread to be had.
    pub fn of(file: &File) -> io::Result<EarlySync> {
        let file = file.try_clone()?;
        let (more, news) = sync_channel(1);
        let work = move || news.iter().try_for_each(|()| file.sync_data());
        let thread = std::thread::Builder::new().name("sync".to_owned()).spawn(work)?;
        Ok(EarlySync { more, thread })
    }

    /// Says that more was written; never waits.
    pub fn nudge(&self) {
        match self.more.try_send(()) {
            // It is at work and has been told, or has failed, which is heard of at the end.
            Ok(()) | Err(TrySendError::Full(()) | TrySendError::Disconnected(())) => {}
        }
    }

    /// Waits for the thread.
    ///
    /// # Errors
    /// What its syncs failed with: the system tells a file's failure only once, so it must not be
    /// lost here.
    pub fn finish(self) -> io::Result<()> {
        drop(self.more);
        self.thread.join().unwrap_or_else(|_| Err(io::Error::other("the sync thread failed")))
    }
}
