//! Files of the state, and what is said of one that is damaged: which it is, what is wrong with
//! it, and which option does without it.

use std::fmt::Display;
use std::io;
use std::path::Path;

use crate::bytes::crc32c;
use crate::disk::{Disk, Map};
use crate::error::{Error, ErrorKind, Result};

/// What does without a file that is damaged.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Remedy {
    /// `--reindex`: for what can be had from the destination's segments again.
    Reindex,
    /// `--full`: for what cannot.
    Full,
    /// Its removal: for what is kept for the record.
    Remove,
}

impl Remedy {
    fn advice(self) -> &'static str {
        match self {
            Remedy::Reindex => "compact with --reindex to build the key index anew",
            Remedy::Full => "compact with --full to build the destination anew",
            Remedy::Remove => "no round needs it: remove it",
        }
    }
}

/// The error for a file that is not to be believed.
pub fn damaged(path: &Path, what: impl Display, remedy: Remedy) -> Error {
    let reason = format!("damaged ({what}); {}", remedy.advice());
    Error { path: Some(path.into()), position: None, kind: ErrorKind::Refused(reason) }
}

/// Maps a file that must be there.
///
/// # Errors
/// The system's; one that is missing, or is no file, is damaged.
pub fn open(disk: &Disk, path: &Path, remedy: Remedy) -> Result<Map> {
    open_if_there(disk, path)?.ok_or_else(|| damaged(path, "it is missing", remedy))
}

/// Maps a file that may be there, and brings it in.
///
/// # Errors
/// The system's.
pub fn open_if_there(disk: &Disk, path: &Path) -> Result<Option<Map>> {
    let map = match disk.map(path) {
        Ok(map) => map,
        Err(Error { kind: ErrorKind::Io { source, .. }, .. })
            if source.kind() == io::ErrorKind::NotFound =>
        {
            return Ok(None);
        }
        Err(error) => return Err(error),
    };
    map.ready(0..map.len()).map_err(|source| Error::io(path, "cannot read", source))?;
    Ok(Some(map))
}

/// What a binary file holds in front of the CRC-32C of all of it, which is its end; `Err` says
/// what is wrong.
pub fn in_front_of_crc(bytes: &[u8]) -> Result<(&[u8], u32), String> {
    let (content, crc) = bytes.split_last_chunk::<4>().ok_or("it is too short")?;
    let (wanted, found) = (u32::from_be_bytes(*crc), crc32c(content));
    if wanted != found {
        return Err(format!("its CRC is {found:08x}, not {wanted:08x}"));
    }
    Ok((content, wanted))
}

/// Appends the CRC-32C of `bytes` to them.
pub fn append_crc(bytes: &mut Vec<u8>) -> u32 {
    let crc = crc32c(bytes);
    bytes.extend_from_slice(&crc.to_be_bytes());
    crc
}

/// The round in a name `<kind>-<round, six digits or more>`, as [`round_digits`] writes it.
pub fn parse_round(digits: &str) -> Option<u64> {
    let round = digits.parse().ok()?;
    (round_digits(round) == digits).then_some(round)
}

/// A round's number as names have it.
pub fn round_digits(round: u64) -> String {
    format!("{round:06}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_round_has_one_name() {
        for round in [0, 7, 999_999, 1_000_000, u64::MAX] {
            assert_eq!(parse_round(&round_digits(round)), Some(round));
        }
        for wrong in ["", "7", "0000007", "+00007", "00000x", "01000000"] {
            assert_eq!(parse_round(wrong), None, "{wrong}");
        }
    }

    #[test]
    fn each_byte_counts_for_the_crc() {
        let mut bytes = b"content".to_vec();
        let crc = append_crc(&mut bytes);
        assert_eq!(in_front_of_crc(&bytes), Ok((&b"content"[..], crc)));
        for at in 0..bytes.len() {
            let mut flipped = bytes.clone();
            flipped[at] ^= 1;
            assert!(in_front_of_crc(&flipped).is_err());
        }
        assert!(in_front_of_crc(b"abc").is_err());
    }
}
