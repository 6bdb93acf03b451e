//! Lines of an input that may be slow: a thread reads ahead, and who waits for a line can do
//! something else meanwhile.
//!
//! A line ends at a line feed, at a carriage return, at both, or with the input, as Java's
//! `BufferedReader` has it, which Kafka's `LineMessageReader` reads with. Its bytes stay as they
//! are; Kafka replaces what is not UTF-8.

use std::io::{ErrorKind, Read};
use std::sync::mpsc::{Receiver, RecvTimeoutError, sync_channel};
use std::time::Duration;

use crate::error::{Error, Result};

/// So much is read at a time.
const BLOCK_BYTES: usize = 64 << 10;
/// So many blocks wait at most.
const MOST_BLOCKS: usize = 4;

/// What came of waiting for more.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum More {
    /// More bytes; there may be a line now.
    Bytes,
    /// Nothing yet.
    Nothing,
    /// The input has ended.
    End,
}

/// The lines of an input.
pub struct Lines {
    blocks: Receiver<std::io::Result<Vec<u8>>>,
    block: Vec<u8>,
    at: usize,
    /// The beginning of a line whose end is in a later block.
    begun: Vec<u8>,
    /// Whether `begun` was given as a line.
    is_given: bool,
    /// Whether a line feed that comes next belongs to the line before.
    skips_line_feed: bool,
    has_ended: bool,
    number: u64,
    most_bytes: usize,
}

impl Lines {
    /// The lines of `input`, none longer than `most_bytes`.
    ///
    /// # Errors
    /// The system's, if it has no thread to spare.
    pub fn of(input: impl Read + Send + 'static, most_bytes: usize) -> Result<Lines> {
        let (sender, blocks) = sync_channel(MOST_BLOCKS);
        let read = move || {
            let mut input = input;
            loop {
                let mut block = vec![0; BLOCK_BYTES];
                let outcome = match input.read(&mut block) {
                    Ok(0) => return,
                    Ok(count) => {
                        block.truncate(count);
                        Ok(block)
                    }
                    Err(error) if error.kind() == ErrorKind::Interrupted => continue,
                    Err(error) => Err(error),
                };
                let is_last = outcome.is_err();
                if sender.send(outcome).is_err() || is_last {
                    return;
                }
            }
        };
        std::thread::Builder::new().name("input".to_owned()).spawn(read).map_err(failed)?;
        Ok(Lines {
            blocks,
            block: Vec::new(),
            at: 0,
            begun: Vec::new(),
            is_given: false,
            skips_line_feed: false,
            has_ended: false,
            number: 0,
            most_bytes,
        })
    }

    /// The number of the line that was given last, from 1.
    pub fn number(&self) -> u64 {
        self.number
    }

    /// The next line, if it is here already; else there is [`Lines::more`] to wait for.
    ///
    /// # Errors
    /// A line that is too long.
    pub fn next_line(&mut self) -> Result<Option<&[u8]>> {
        if std::mem::take(&mut self.is_given) {
            self.begun.clear();
        }
        let mut rest = self.block.get(self.at..).unwrap_or_default();
        if self.skips_line_feed && !rest.is_empty() {
            self.skips_line_feed = false;
            if let Some(behind) = rest.strip_prefix(b"\n") {
                rest = behind;
                self.at += 1;
            }
        }
        let end = rest.iter().position(|byte| matches!(byte, b'\n' | b'\r'));
        let (part, is_whole) = match end.and_then(|end| rest.split_at_checked(end)) {
            Some((part, behind)) => {
                self.skips_line_feed = behind.starts_with(b"\r");
                self.at += part.len() + 1;
                (part, true)
            }
            None => {
                self.at = self.block.len();
                (rest, false)
            }
        };
        if self.begun.len().saturating_add(part.len()) > self.most_bytes {
            return Err(Error::refused(format!(
                "standard input line {}: longer than {} bytes, which is the least of \
                 --max-message-bytes and --segment-bytes",
                self.number.saturating_add(1),
                self.most_bytes
            )));
        }
        if is_whole && self.begun.is_empty() {
            self.number = self.number.saturating_add(1);
            return Ok(Some(part));
        }
        self.begun.extend_from_slice(part);
        if is_whole || self.has_ended && !self.begun.is_empty() {
            self.is_given = true;
            self.number = self.number.saturating_add(1);
            return Ok(Some(&self.begun));
        }
        Ok(None)
    }

    /// Waits for more of the input, no longer than `patience`.
    ///
    /// # Errors
    /// The input's.
    pub fn more(&mut self, patience: Option<Duration>) -> Result<More> {
        let received = match patience {
            None => self.blocks.recv().map_err(|_| RecvTimeoutError::Disconnected),
            Some(patience) => self.blocks.recv_timeout(patience),
        };
        match received {
            Ok(block) => {
                (self.block, self.at) = (block.map_err(failed)?, 0);
                Ok(More::Bytes)
            }
            Err(RecvTimeoutError::Timeout) => Ok(More::Nothing),
            Err(RecvTimeoutError::Disconnected) => {
                self.block.clear();
                (self.at, self.has_ended) = (0, true);
                Ok(More::End)
            }
        }
    }
}

fn failed(source: std::io::Error) -> Error {
    Error::io(std::path::Path::new("standard input"), "cannot read", source)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Gives a byte at a time.
    struct Slow(Vec<u8>, usize);

    impl Read for Slow {
        fn read(&mut self, to: &mut [u8]) -> std::io::Result<usize> {
            let Some(byte) = self.0.get(self.1) else { return Ok(0) };
            to[0] = *byte;
            self.1 += 1;
            Ok(1)
        }
    }

    fn all(mut lines: Lines) -> Result<Vec<Vec<u8>>> {
        let mut found = Vec::new();
        let mut has_ended = false;
        loop {
            while let Some(line) = lines.next_line()? {
                found.push(line.to_vec());
            }
            if has_ended {
                assert_eq!(lines.number(), found.len() as u64);
                return Ok(found);
            }
            has_ended = lines.more(None)? == More::End;
        }
    }

    #[test]
    fn a_line_ends_at_a_feed_a_return_both_or_the_end_wherever_blocks_are_cut() {
        let text = b"a\nb\r\nc\rd\n\r\n\re\xff\n\nf".to_vec();
        let expected = ["a", "b", "c", "d", "", "", "e\u{fffd}", "", "f"];
        let at_once = Lines::of(std::io::Cursor::new(text.clone()), 100).unwrap();
        let slowly = Lines::of(Slow(text, 0), 100).unwrap();
        for lines in [at_once, slowly] {
            let lines = all(lines).unwrap();
            let shown: Vec<_> = lines.iter().map(|line| String::from_utf8_lossy(line)).collect();
            assert_eq!(shown, expected);
        }
        assert!(all(Lines::of(&b""[..], 100).unwrap()).unwrap().is_empty());
        assert_eq!(all(Lines::of(&b"\n"[..], 100).unwrap()).unwrap(), [b""]);
    }

    #[test]
    fn a_line_that_is_too_long_is_refused_before_it_is_in_memory() {
        let error = all(Lines::of(std::io::repeat(b'x'), 1000).unwrap()).unwrap_err();
        assert!(error.to_string().contains("line 1: longer than 1000 bytes"), "{error}");
        let text = [&[b'x'; 1000][..], b"\n"].concat();
        assert!(all(Lines::of(std::io::Cursor::new(text), 1000).unwrap()).is_ok());
    }
}
