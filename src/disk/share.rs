//! A copy that takes no room: on file systems that can (XFS, Btrfs), a new file shares the blocks
//! of another until one of the two is changed. `cp` does so too, unless it is told not to.

use std::fs::File;
use std::io;
use std::path::Path;

use rustix::fs::{fstatfs, ioctl_ficlone};

use super::listed::open_listed;
use super::map::Map;

/// Less than this is as soon written.
pub const LEAST_SHARED_BYTES: u64 = 1 << 20;

/// The file systems that are trusted with it, by what `statfs` calls them: XFS and Btrfs. Others
/// can do it too, but one of them is known for zeros where there were none (OpenZFS 2.2.0), and a
/// copy that was written is as good.
const TRUSTED: [u32; 2] = [0x5846_5342, 0x9123_683e];

/// Makes the first `keep_bytes` of the file at `from` the content of `file`, which is new and
/// empty, without writing them. `false`, and it is still empty, where the file system cannot do so,
/// or where what is called `from` is no longer what `map` shows.
///
/// # Errors
/// The system's: that the new file cannot be cut to its size.
pub(super) fn share(file: &File, from: &Path, map: &Map, keep_bytes: u64) -> io::Result<bool> {
    let Ok(source) = open_listed(from) else { return Ok(false) };
    let is_trusted = fstatfs(file).is_ok_and(|found| TRUSTED.contains(&(found.f_type as u32)));
    if !is_trusted || !map.is_of(&source) {
        return Ok(false);
    }
    if ioctl_ficlone(file, &source).is_err() {
        // A part of it may be there.
        file.set_len(0)?;
        return Ok(false);
    }
    let size_bytes = file.metadata()?.len();
    let is_there = size_bytes >= keep_bytes;
    // To cut at the end, where nothing is to go, would cost the last block its sharing.
    if size_bytes != keep_bytes {
        file.set_len(if is_there { keep_bytes } else { 0 })?;
    }
    Ok(is_there)
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;

    /// Whether the file system of this machine's temporary folder can share blocks is not known
    /// here: the file has the bytes, or none.
    #[test]
    fn a_file_is_shared_as_it_was_mapped_or_not_at_all() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("log");
        let bytes: Vec<u8> = (0..3u32 << 20).map(|n| (n >> 10) as u8).collect();
        fs::write(&path, &bytes).unwrap();
        let map = Map::open(&path).unwrap();
        let try_share = |name: &str, keep_bytes: u64| {
            let to = dir.path().join(name);
            let is_shared = share(&File::create_new(&to).unwrap(), &path, &map, keep_bytes);
            (is_shared.unwrap(), fs::read(&to).unwrap())
        };
        for keep_bytes in [bytes.len(), 1 << 20, 12_345] {
            let (is_shared, found) = try_share(&keep_bytes.to_string(), keep_bytes as u64);
            assert!(found == if is_shared { &bytes[..keep_bytes] } else { &[] });
        }
        let beyond = bytes.len() as u64 + 1;
        assert_eq!(try_share("beyond", beyond), (false, Vec::new()));
        // A broker's cleaner puts another file in its place.
        let other = dir.path().join("log.swap");
        fs::write(&other, vec![7; bytes.len()]).unwrap();
        fs::rename(&other, &path).unwrap();
        assert_eq!(try_share("replaced", 12_345), (false, Vec::new()));
        fs::remove_file(&path).unwrap();
        assert_eq!(try_share("gone", 12_345), (false, Vec::new()));
    }
}
