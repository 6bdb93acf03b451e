//! What `dump` makes of the offsets in headers: that of a compressed set of magic 0 or 1 is its last.

use std::path::Path;

use logcompact::format::codec::Codec;
use tempfile::TempDir;

mod support;

use support::events::{Event, Kind, PLAIN, append};
use support::log::Log;
use support::logcompact;

/// What `dump` says: its exit status, its lines, and what it tells on standard error.
fn dump(dir: &Path, args: &[&str]) -> (i32, Vec<String>, String) {
    let output = logcompact().arg("dump").arg(dir).args(args).output().unwrap();
    let text = |bytes: Vec<u8>| String::from_utf8(bytes).unwrap();
    let lines = text(output.stdout).lines().map(str::to_owned).collect();
    (output.status.code().unwrap(), lines, text(output.stderr))
}

/// The lines of a dump in which nothing is wrong.
fn sound(dir: &Path, args: &[&str]) -> Vec<String> {
    let (code, lines, stderr) = dump(dir, args);
    assert_eq!((code, stderr.as_str()), (0, ""), "{args:?}");
    lines
}

const OFFSETS: [&str; 2] = ["--print", "offset,key"];

#[test]
fn newest_first_up_to_an_offset_inside_a_compressed_set_is_the_same_the_other_way_round() {
    let temp = TempDir::new().unwrap();
    let sets = [(0, Codec::Gzip), (0, Codec::Snappy), (1, Codec::Gzip), (1, Codec::Lz4)];
    for (magic, codec) in sets {
        let mut log = Log::create(temp.path(), &format!("of{magic}-{}", codec.id()));
        let kind = Kind { magic, codec, ..PLAIN };
        for set in 0..3 {
            let event = |n: i64| Event::put(&format!("k{}", n % 4), "v", 1000 + set * 10 + n);
            append(&mut log, kind, &(0..10).map(event).collect::<Vec<Event>>());
        }
        let dir = log.flush();
        for end in 0..=31 {
            let range = format!("..{end}");
            for more in [&OFFSETS[..], &["--state", "--print", "offset"]] {
                let args = [more, &["--offsets", &range]].concat();
                let mut forward = sound(&dir, &args);
                forward.reverse();
                assert_eq!(sound(&dir, &[&args[..], &["--reverse"]].concat()), forward, "{args:?}");
            }
        }
        let newest = ["--key", "k1", "--limit", "1", "--offsets", "..8", "--reverse"];
        assert_eq!(sound(&dir, &[&OFFSETS[..], &newest].concat()), ["Offset:5\tk1"]);
    }
}

#[test]
fn newest_first_of_many_compressed_sets_nothing_is_left_out_where_a_stretch_begins() {
    let temp = TempDir::new().unwrap();
    let mut log = Log::create(temp.path(), "long-0");
    let kind = Kind { magic: 1, codec: Codec::Snappy, ..PLAIN };
    let mut die: u32 = 7;
    let mut noise = || {
        die = die.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        char::from(b'a' + (die >> 24) as u8 % 26)
    };
    for _ in 0..60 {
        let mut event =
            |n| Event::put(&format!("k{n}"), &(0..6000).map(|_| noise()).collect::<String>(), n);
        let set: Vec<Event> = (0..5).map(&mut event).collect();
        append(&mut log, kind, &set);
    }
    let dir = log.flush();
    for end in (1..300).step_by(7) {
        let range = format!("{}..{end}", end - 1);
        let args = [&OFFSETS[..], &["--offsets", &range, "--reverse"]].concat();
        assert_eq!(sound(&dir, &args), [format!("Offset:{}\tk{}", end - 1, (end - 1) % 5)]);
    }
}
