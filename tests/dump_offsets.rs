//! What `dump` makes of the offsets in headers: of a compressed set of magic 0 or 1 that is the
//! last one, and no checksum covers it. And of timestamps, which some records have not.

use std::fs;
use std::path::{Path, PathBuf};

use logcompact::format::codec::Codec;
use tempfile::TempDir;

mod support;

use support::events::{Event, Kind, PLAIN, append, bytes_of};
use support::log::{Log, put};
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

/// Ten batches of one record each, then a segment with two more, or the same segment goes on; the
/// base offset of the batch at 4 is another.
fn with_wrong_offset(root: &Path, rolls: bool, offset: i64) -> PathBuf {
    let mut log = Log::create(root, &format!("wrong{rolls}{offset}-0"));
    for n in 0..12 {
        let base_offset = log.next_offset();
        append(&mut log, PLAIN, &[Event::put(&format!("k{n}"), "v", 1000 + n)]);
        assert_eq!(base_offset, n);
        if rolls && n == 9 {
            log.roll();
        }
    }
    let dir = log.flush();
    let first = dir.join("00000000000000000000.log");
    let mut bytes = fs::read(&first).unwrap();
    let position = bytes_of(0, PLAIN, &[Event::put("k0", "v", 1000)]).len() * 4;
    bytes[position..position + 8].copy_from_slice(&offset.to_be_bytes());
    fs::write(first, bytes).unwrap();
    dir
}

#[test]
fn a_batch_with_a_wrong_offset_is_told_of_and_hides_nothing_else() {
    let temp = TempDir::new().unwrap();
    for (rolls, offset) in [(true, 260), (false, 260), (true, 2), (false, 2), (false, 1 << 40)] {
        let dir = with_wrong_offset(temp.path(), rolls, offset);
        let line = |n: i64| format!("Offset:{}\tk{n}", if n == 4 { offset } else { n });
        let shown = |args: &[&str]| {
            let args = [&OFFSETS[..], args].concat();
            let (code, lines, stderr) = dump(&dir, &args);
            assert_eq!(code, 1, "{args:?}: {stderr}");
            assert_eq!(stderr.lines().count(), 1, "{args:?}: {stderr}");
            assert!(stderr.contains("the batch "), "{stderr}");
            lines
        };
        let whole: Vec<String> = (0..12).map(line).collect();
        let reversed: Vec<String> = (0..12).rev().map(line).collect();
        assert_eq!(shown(&[]), whole);
        assert_eq!(shown(&["--reverse"]), reversed);
        assert_eq!(shown(&["--isolation", "read_committed"]), whole);
        assert_eq!(shown(&["--state"]), whole);
        let below = |end: i64| -> Vec<String> {
            (0..end).filter(|n| *n != 4 || offset < end).map(line).collect()
        };
        for end in [7, 10] {
            let range = format!("0..{end}");
            for how in [&[][..], &["--state"], &["--isolation", "read_committed"]] {
                assert_eq!(shown(&[&["--offsets", &range], how].concat()), below(end), "{how:?}");
            }
            let mut reversed = below(end);
            reversed.reverse();
            assert_eq!(shown(&["--offsets", &range, "--reverse"]), reversed);
        }
    }
}

#[test]
fn a_wrong_offset_where_a_stretch_begins_is_told_of_too() {
    let temp = TempDir::new().unwrap();
    let mut log = Log::create(temp.path(), "long-0");
    let value = "v".repeat(5000);
    for n in 0..300 {
        append(&mut log, PLAIN, &[Event::put(&format!("k{n:03}"), &value, 1000 + n)]);
    }
    let dir = log.flush();
    let path = dir.join("00000000000000000000.log");
    let bytes = fs::read(&path).unwrap();
    let size_bytes = bytes.len() / 300;
    for number in 100..120 {
        for wrong in [1i64, 1000] {
            let mut damaged = bytes.clone();
            let at = number * size_bytes;
            damaged[at..at + 8].copy_from_slice(&wrong.to_be_bytes());
            fs::write(&path, damaged).unwrap();
            for how in [&[][..], &["--reverse"], &["--offsets", "50..200", "--reverse"]] {
                let (code, lines, stderr) = dump(&dir, &[&OFFSETS[..], how].concat());
                assert_eq!((code, stderr.lines().count()), (1, 1), "{number} {how:?}: {stderr}");
                let expected = if how.len() == 3 { 149 } else { 300 };
                assert_eq!(lines.len(), expected, "{number} {how:?}");
            }
        }
    }
}

#[test]
fn how_many_records_have_no_timestamp_and_are_in_no_time_range_is_told() {
    let temp = TempDir::new().unwrap();
    let mut log = Log::create(temp.path(), "mixed-0");
    for (n, kind) in
        [Kind { magic: 0, ..PLAIN }, Kind { magic: 1, ..PLAIN }, PLAIN].iter().enumerate()
    {
        let event = |k: i64| {
            let ms = if n == 0 || k == 3 { -1 } else { 1_700_000_001_000 };
            Event::put(&format!("k{k}"), "v", ms)
        };
        append(&mut log, *kind, &[event(1), event(2), event(3)]);
    }
    let dir = log.flush();
    let told = |args: &[&str]| {
        let (code, lines, stderr) = dump(&dir, &[&OFFSETS[..], args].concat());
        assert_eq!(code, 0, "{args:?}: {stderr}");
        (lines.len(), stderr)
    };
    let warning = |what: &str| {
        format!("warning: {what} no timestamp and may be from before the end of --time; left out\n")
    };
    for how in [&[][..], &["--reverse"]] {
        let told = |args: &[&str]| told(&[args, how].concat());
        assert_eq!(told(&["--time", "..1700000002000"]), (4, warning("5 records have")));
        assert_eq!(
            told(&["--time", "..1700000002000", "--offsets", "2..6"]),
            (2, warning("2 records have"))
        );
        assert_eq!(
            told(&["--time", "..1700000002000", "--key", "k2"]),
            (2, warning("1 record has"))
        );
        assert_eq!(told(&["--time", "..1700000002000", "--state"]), (2, warning("5 records have")));
        assert_eq!(told(&["--time", "..1700000002000", "--quiet"]), (4, String::new()));
        assert_eq!(told(&["--time", "1600000000000..1700000002000"]), (4, String::new()));
        assert_eq!(told(&["--offsets", "0..9"]), (9, String::new()));
    }
}

#[test]
fn an_open_transaction_whose_offset_is_damaged_hides_nothing_that_lies_before_it() {
    let temp = TempDir::new().unwrap();
    let mut log = Log::create(temp.path(), "open-0");
    log.batch(&[put("k0", "v")]).transactional(7, &[put("k1", "v")]).marker(7, true);
    log.batch(&[put("k3", "v")]).transactional(7, &[put("k4", "v")]).batch(&[put("k5", "v")]);
    let dir = log.flush();
    let committed = ["--print", "key", "--isolation", "read_committed"];
    assert_eq!(sound(&dir, &committed), ["k0", "k1", "k3"]);
    let path = dir.join("00000000000000000000.log");
    let mut bytes = fs::read(&path).unwrap();
    let at = bytes.windows(8).rposition(|offset| offset == 4i64.to_be_bytes()).unwrap();
    for wrong in [0i64, 2] {
        bytes[at..at + 8].copy_from_slice(&wrong.to_be_bytes());
        fs::write(&path, &bytes).unwrap();
        let (code, lines, stderr) = dump(&dir, &committed);
        assert_eq!((code, stderr.lines().count()), (1, 1), "{stderr}");
        assert_eq!(lines.iter().filter(|line| *line != "k4").count(), 3, "{lines:?}");
    }
}
