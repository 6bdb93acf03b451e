//! What may have become of a source between two rounds, or of a base, and what a round makes of it:
//! damage next to the watermark is told of and nothing is lost for it; what is no copy of the same
//! log is refused, and what is one is taken, however its batches are cut and compressed.

mod support;

use std::fs;
use std::path::Path;

use logcompact::format::codec::Codec;
use serde_json::Value;
use support::damaged::{ACTIVE, FAR, START_MS, batches, first_log, five, overwritten, run, starts};
use support::events::{Event, Kind, PLAIN};
use support::logcompact;
use support::rounds::{
    Grown, assert_untouched, compacted_end, current, lying, records_of, round, scratch,
};

/// Ways to damage the header of a batch.
const HEADER_DAMAGE: [(&str, usize, &[u8]); 6] = [
    ("magic", 16, &[7]),
    ("length below 0", 8, &[0x80]),
    ("length beyond the file", 8, &[0x10]),
    ("last offset delta", 23, &[0xff, 0xff, 0xff, 0xf0]),
    ("base offset below 0", 0, &[0x80]),
    ("base offset among those before", 7, &[1]),
];

#[test]
fn damage_behind_the_watermark_is_never_passed_over() {
    let log = five(PLAIN);
    for (what, at, bytes) in HEADER_DAMAGE {
        // The third batch, in front of which, within which and behind which a round has ended; and
        // the last of the segment.
        for (batch, last, is_ahead) in
            [(2, 7, true), (2, 9, true), (2, 11, false), (4, 15, true), (4, 17, true)]
        {
            let case = format!("{what}, batch {batch}, to {last}");
            let temp = scratch();
            let source = log.write(&temp.path().join("source"), log.end());
            let out = temp.path().join("out");
            round(&source, &out, &[&FAR[..], &["--to-offset", &last.to_string()]].concat());
            let path = first_log(&source);
            let sound = fs::read(&path).unwrap();
            fs::write(&path, overwritten(&sound, batch, at, bytes)).unwrap();
            let before = lying(&out.join("t-0"));
            let (status, said) = run(&source, &out, &[&FAR]);
            if is_ahead {
                assert!(status == Some(1) || status == Some(2), "{case}: {status:?} {said}");
                assert!(said.contains("t-0"), "{case}: {said}");
                assert_eq!(compacted_end(&out.join("t-0")), last + 1, "{case}");
                drop(before);
                // What is skipped is told of.
                let skip = ["--on-damage", "skip", "--dry-run"];
                let (status, said) = run(&source, &out, &[&FAR, &skip]);
                assert!(matches!(status, Some(1 | 2)), "{case}: {status:?} {said}");
            } else {
                assert_eq!((status, said.as_str()), (Some(0), ""), "{case}");
            }
            fs::write(&path, &sound).unwrap();
            let dest = round(&source, &out, &FAR);
            assert_eq!(records_of(&dest).len(), 21, "{case}");
        }
    }
}

#[test]
fn what_was_damaged_where_a_round_was_to_end_is_taken_once_it_is_mended() {
    let log = five(PLAIN);
    for (what, at, bytes) in HEADER_DAMAGE {
        let temp = scratch();
        let source = log.write(&temp.path().join("source"), log.end());
        let (path, out) = (first_log(&source), temp.path().join("out"));
        let sound = fs::read(&path).unwrap();
        fs::write(&path, overwritten(&sound, 2, at, bytes)).unwrap();
        let (status, said) =
            run(&source, &out, &[&FAR, &["--to-offset", "9", "--on-damage", "skip"]]);
        assert_eq!((status, compacted_end(&out.join("t-0"))), (Some(1), 8), "{what}: {said}");
        fs::write(&path, &sound).unwrap();
        assert_eq!(records_of(&round(&source, &out, &FAR)).len(), 21, "{what}");
    }
}

#[test]
fn damage_in_what_has_grown_behind_the_watermark_of_an_active_segment_is_seen() {
    let mut log = Grown::empty();
    batches(&mut log, PLAIN, 5, "v");
    let temp = scratch();
    let (root, out) = (temp.path().join("source"), temp.path().join("out"));
    round(&log.write(&root, 8), &out, &ACTIVE);
    let source = log.write(&root, 20);
    let sound = fs::read(first_log(&source)).unwrap();
    let mut damaged = sound.clone();
    damaged[starts(&sound)[2] + 16] = 7;
    fs::write(first_log(&source), damaged).unwrap();
    let (status, said) = run(&source, &out, &[&ACTIVE]);
    assert!(status == Some(1) && said.contains("damage"), "{status:?} {said}");
    fs::write(first_log(&source), sound).unwrap();
    assert_eq!(records_of(&round(&source, &out, &ACTIVE)).len(), 20);
}

#[test]
fn a_damaged_compressed_set_of_an_old_magic_is_not_taken_to_begin_behind_the_watermark() {
    for magic in [0, 1] {
        let log = five(Kind { magic, codec: Codec::Gzip, ..PLAIN });
        let temp = scratch();
        let source = log.write(&temp.path().join("source"), log.end());
        let path = first_log(&source);
        let sound = fs::read(&path).unwrap();
        let mut damaged = sound.clone();
        damaged[starts(&sound)[2] + 50] ^= 0x40;
        // A round that is to end within it ends in front of it, and what is mended is not lost.
        fs::write(&path, &damaged).unwrap();
        let out = temp.path().join("out");
        let (status, said) =
            run(&source, &out, &[&FAR, &["--to-offset", "9", "--on-damage", "skip"]]);
        assert_eq!((status, compacted_end(&out.join("t-0"))), (Some(1), 8), "{said}");
        fs::write(&path, &sound).unwrap();
        assert_eq!(records_of(&round(&source, &out, &FAR)).len(), 21);
        // One that has ended within it cannot be gone on from.
        let out = temp.path().join("later");
        round(&source, &out, &[&FAR[..], &["--to-offset", "9"]].concat());
        fs::write(&path, &damaged).unwrap();
        for on_damage in ["fail", "skip", "keep"] {
            let (status, said) = run(&source, &out, &[&FAR, &["--on-damage", on_damage]]);
            assert!(status == Some(2) && said.contains("--full"), "{said}");
        }
        fs::write(&path, &sound).unwrap();
        assert_eq!(records_of(&round(&source, &out, &FAR)).len(), 21);
    }
}

#[test]
fn a_batch_whose_offsets_are_not_those_of_its_place_is_not_cut() {
    let mut log = Grown::empty();
    batches(&mut log, PLAIN, 3, "v");
    let many: Vec<Event> = (0..100).map(|n| Event::put(&format!("m{n}"), "x", START_MS)).collect();
    log.plain(&many);
    log.roll();
    log.plain(&[Event::put("active", "x", START_MS)]);
    for base in [2, 40] {
        let temp = scratch();
        let source = log.write(&temp.path().join("source"), log.end());
        let mut bytes = fs::read(first_log(&source)).unwrap();
        let start = starts(&bytes)[3];
        bytes[start + 7] = base;
        fs::write(first_log(&source), bytes).unwrap();
        let out = temp.path().join("out");
        let skip = ["--to-offset", "50", "--on-damage", "skip"];
        let (status, said) = run(&source, &out, &[&FAR, &skip]);
        assert_eq!(status, Some(1), "{said}");
        let dest = out.join("t-0");
        assert!(compacted_end(&dest) <= 12, "{}", compacted_end(&dest));
        let offsets: Vec<i64> = records_of(&dest).into_keys().collect();
        assert!(!offsets.contains(&50) && offsets.len() <= 13, "base {base}: {offsets:?}");
    }
}

#[test]
fn another_source_is_known_by_what_lies_in_front_of_the_watermark_if_nothing_lay_behind_it() {
    let temp = scratch();
    let grown = |mark: &str| {
        let mut log = Grown::empty();
        for _ in 0..4 {
            batches(&mut log, PLAIN, 1, mark);
            log.roll();
        }
        log
    };
    let write = |log: &Grown, name: &str, end: i64| {
        let dir = log.write(&temp.path().join(name), end);
        fs::remove_file(dir.join("partition.metadata")).unwrap();
        dir
    };
    let (ours, other, out) = (grown("a"), grown("b"), temp.path().join("out"));
    round(&write(&ours, "ours", 8), &out, &ACTIVE);
    let before = lying(&out);
    let (status, said) = run(&write(&other, "other", 16), &out, &[&ACTIVE]);
    assert!(status == Some(2) && said.contains("another source"), "{status:?} {said}");
    assert_untouched(&before, &out, "another source");
    assert_eq!(records_of(&round(&write(&ours, "ours", 16), &out, &ACTIVE)).len(), 16);
}

#[test]
fn a_base_is_known_by_its_records_however_its_batches_are_cut_and_compressed() {
    let log = five(PLAIN);
    let temp = scratch();
    let source = log.write(&temp.path().join("source"), log.end());
    let mut other = Grown::empty();
    batches(&mut other, PLAIN, 5, "other");
    other.roll();
    other.plain(&[Event::put("active", "x", START_MS)]);
    let other = other.write(&temp.path().join("other source"), log.end());
    let made: [(&str, &Path, &[&str]); 4] = [
        ("halves", &source, &["--to-offset", "9"]),
        ("first half", &source, &["--to-offset", "1"]),
        ("zstd", &source, &["--compression", "zstd"]),
        ("other", &other, &[]),
    ];
    for (name, from, options) in made {
        let old = temp.path().join(name);
        round(from, &old, &[&FAR[..], options].concat());
        for watermark in [None, Some("7"), Some("8"), Some("9"), Some("10"), Some("11")] {
            let case = format!("{name} to {watermark:?}");
            let out = temp.path().join(format!("out of {case}"));
            let mut options = [&FAR[..], &["--rebase-from", old.to_str().unwrap()]].concat();
            options.extend(watermark.iter().flat_map(|it| ["--rebase-high-watermark", it]));
            let (status, said) = run(&source, &out, &[&options]);
            if name == "other" {
                assert!(status == Some(2) && said.contains("copies of one log"), "{case}: {said}");
                continue;
            }
            assert_eq!(status, Some(0), "{case}: {said}");
            assert_eq!(records_of(&out.join("t-0")).len(), 21, "{case}");
        }
    }
}

#[test]
fn damage_next_to_where_a_base_ends_is_not_passed_over() {
    let log = five(PLAIN);
    let temp = scratch();
    let old = temp.path().join("old");
    let source = log.write(&temp.path().join("source"), log.end());
    round(&source, &old, &FAR);
    let path = first_log(&source);
    let mut bytes = fs::read(&path).unwrap();
    let start = starts(&bytes)[2];
    bytes[start + 16] = 7;
    fs::write(&path, bytes).unwrap();
    for (watermark, is_needed) in [("7", true), ("9", true), ("10", true), ("11", false)] {
        let out = temp.path().join(format!("out {watermark}"));
        let options =
            ["--rebase-from", old.to_str().unwrap(), "--rebase-high-watermark", watermark];
        let (status, said) = run(&source, &out, &[&FAR, &options]);
        if is_needed {
            assert_eq!(status, Some(1), "{watermark}: {said}");
        } else {
            assert_eq!(status, Some(0), "{watermark}: {said}");
            assert_eq!(records_of(&out.join("t-0")).len(), 21, "{watermark}");
        }
    }
}

#[test]
fn half_a_batch_of_the_active_segment_is_active() {
    let mut log = Grown::empty();
    batches(&mut log, PLAIN, 5, "v");
    let temp = scratch();
    let source = log.write(&temp.path().join("source"), log.end());
    let out = temp.path().join("out");
    round(&source, &out, &[&ACTIVE[..], &["--to-offset", "9"]].concat());
    let dest = round(&source, &out, &FAR);
    assert_eq!(compacted_end(&dest), 10);
    let old = temp.path().join("old");
    round(&source, &old, &ACTIVE);
    let rebase = ["--rebase-from", old.to_str().unwrap(), "--rebase-high-watermark", "9"];
    let dest = round(&source, &temp.path().join("rebased"), &[&FAR[..], &rebase].concat());
    assert_eq!((compacted_end(&dest), records_of(&dest).len()), (10, 20));
}

#[test]
fn a_snapshot_behind_half_a_batch_tells_of_the_whole() {
    let mut log = Grown::empty();
    log.plain(&[Event::put("a", "x", START_MS)]);
    let events = |mark: &str| {
        [0, 1, 2, 3, 4].map(|n| Event::put(&format!("{mark}{n}"), "x", START_MS)).to_vec()
    };
    log.transactional(5, Codec::None, &events("k"));
    log.plain(&events("l"));
    log.roll();
    log.plain(&events("m"));
    let temp = scratch();
    let (root, out) = (temp.path().join("source"), temp.path().join("out"));
    // The transaction is open, so the round does not get there.
    let options = [&ACTIVE[..], &["--segment-bytes", "1GiB", "--to-offset", "3"]].concat();
    let dest = round(&log.write(&root, 11), &out, &options);
    logcompact().args(["verify", "--strict", "-q"]).arg(&dest).assert().success();
    log.marker(5, true);
    for options in [&ACTIVE[..], &FAR] {
        let dest = round(&log.write(&root, log.end()), &out, options);
        logcompact().args(["verify", "--strict", "-q"]).arg(&dest).assert().success();
    }
}

#[test]
fn beyond_the_offsets_of_the_index_there_are_no_rounds() {
    let mut log = Grown::empty();
    log.skip_to(1 << 62);
    batches(&mut log, PLAIN, 3, "v");
    log.roll();
    let temp = scratch();
    let source = log.write(&temp.path().join("source"), log.end());
    let (out, base) = (temp.path().join("out"), temp.path().join("base"));
    round(&source, &base, &ACTIVE);
    let last = (log.end() - 5).to_string();
    for options in [["--to-offset", &last], ["--rebase-from", base.to_str().unwrap()]] {
        let (status, said) = run(&source, &out, &[&FAR, &options]);
        assert!(status == Some(2) && said.contains("beyond 2^60"), "{options:?}: {said}");
        assert!(!out.join("t-0").exists(), "{options:?}");
    }
}

#[test]
fn what_is_read_to_build_the_key_index_anew_is_told() {
    let log = five(PLAIN);
    let temp = scratch();
    let source = log.write(&temp.path().join("source"), log.end());
    let out = temp.path().join("out");
    round(&source, &out, &FAR);
    let dest = round(&source, &out, &[&FAR[..], &["--reindex"]].concat());
    let wanted = fs::metadata(first_log(&dest)).unwrap().len();
    let report = fs::read(out.join("logcompact-report.json")).unwrap();
    let report: Value = serde_json::from_slice(&report).unwrap();
    assert_eq!(report["partitions"][0]["round"]["destination_bytes_read"], wanted);
    assert_eq!(current(&dest)["io"]["destination_bytes_read"], wanted);
}

/// Two batches of five and one of ten, the last at the end of a segment that is closed; and others.
fn uneven() -> Grown {
    let mut log = Grown::empty();
    for count in [5, 5, 10] {
        let first = log.end();
        let events = (0..count).map(|n| Event::put(&format!("k{}", first + n), "x", START_MS));
        log.plain(&events.collect::<Vec<_>>());
    }
    log.roll();
    batches(&mut log, PLAIN, 1, "v");
    log.roll();
    log.plain(&[Event::put("active", "x", START_MS)]);
    log
}

#[test]
fn a_base_whose_offsets_are_damaged_is_not_passed_over() {
    let log = uneven();
    let temp = scratch();
    let source = log.write_from(&temp.path().join("source"), 20, log.end());
    let older = log.write(&temp.path().join("older"), 20);
    let sound = fs::read(first_log(&older)).unwrap();
    for batch in [0, 1, 2] {
        for at in 0..8 {
            let mut damaged = sound.clone();
            damaged[starts(&sound)[batch] + at] ^= 0x40;
            fs::write(first_log(&older), damaged).unwrap();
            let out = temp.path().join(format!("out {batch} {at}"));
            let rebase = ["--rebase-from", older.parent().unwrap().to_str().unwrap()];
            let (status, said) = run(&source, &out, &[&FAR[1..], &rebase]);
            // Of the last there is nothing that it contradicts but where the source ends.
            let is_told = status == Some(1) || (batch == 2 && said.contains("the source ends"));
            assert!(is_told, "batch {batch}, byte {at}: {status:?} {said}");
        }
    }
}

#[test]
fn a_closed_segment_that_was_cut_short_is_damaged_where_a_round_is_to_end_too() {
    let log = uneven();
    let temp = scratch();
    let source = log.write(&temp.path().join("source"), log.end());
    let path = first_log(&source);
    let sound = fs::read(&path).unwrap();
    let last = starts(&sound)[2];
    let zeros = [&sound[..last], &vec![0; sound.len() - last]].concat();
    for (what, bytes) in [("torn", &sound[..last + 40]), ("zeros", &zeros[..])] {
        for (to, on_damage) in [("9", "skip"), ("14", "skip"), ("14", "keep")] {
            let case = format!("{what}, to {to}, {on_damage}");
            fs::write(&path, bytes).unwrap();
            let out = temp.path().join(format!("out of {case}"));
            let options = ["--to-offset", to, "--on-damage", on_damage];
            let (status, said) = run(&source, &out, &[&FAR, &options]);
            assert_eq!((status, compacted_end(&out.join("t-0"))), (Some(1), 10), "{case}: {said}");
            fs::write(&path, &sound).unwrap();
            assert_eq!(records_of(&round(&source, &out, &FAR)).len(), 25, "{case}");
        }
    }
}

#[test]
fn a_source_is_known_again_once_damage_in_front_of_the_watermark_is_mended() {
    let log = uneven();
    for (what, at, bytes) in HEADER_DAMAGE {
        let temp = scratch();
        let source = log.write(&temp.path().join("source"), 24);
        let (path, out) = (first_log(&source), temp.path().join("out"));
        let sound = fs::read(&path).unwrap();
        fs::write(&path, overwritten(&sound, 2, at, bytes)).unwrap();
        let (status, said) = run(&source, &out, &[&FAR, &["--on-damage", "skip"]]);
        assert_eq!((status, compacted_end(&out.join("t-0"))), (Some(1), 20), "{what}: {said}");
        let source = log.write(&temp.path().join("source"), log.end());
        let dest = round(&source, &out, &FAR);
        assert_eq!(compacted_end(&dest), 24, "{what}");
    }
}

#[test]
fn damage_in_a_base_is_not_called_another_log() {
    let log = five(PLAIN);
    let temp = scratch();
    let source = log.write(&temp.path().join("source"), log.end());
    let older = log.write(&temp.path().join("older"), log.end());
    let mut bytes = fs::read(first_log(&older)).unwrap();
    bytes[75] ^= 1;
    fs::write(first_log(&older), bytes).unwrap();
    let rebase = ["--rebase-from", older.to_str().unwrap(), "--rebase-high-watermark", "11"];
    let (status, said) = run(&source, &temp.path().join("out"), &[&FAR, &rebase]);
    assert!(status == Some(1) && said.contains("damaged"), "{status:?} {said}");
}

#[test]
fn a_batch_that_was_damaged_behind_the_watermark_is_not_what_the_source_is_known_by() {
    let mut log = Grown::empty();
    batches(&mut log, PLAIN, 5, "v");
    for at in [17, 26, 70] {
        let temp = scratch();
        let (root, out) = (temp.path().join("source"), temp.path().join("out"));
        let source = log.write(&root, log.end());
        let sound = fs::read(first_log(&source)).unwrap();
        let mut damaged = sound.clone();
        damaged[starts(&sound)[4] + at] ^= 1;
        fs::write(first_log(&source), damaged).unwrap();
        let (status, said) = run(&source, &out, &[&ACTIVE, &["--on-damage", "skip"]]);
        assert_eq!((status, compacted_end(&out.join("t-0"))), (Some(1), 16), "{at}: {said}");
        let (status, said) = run(&source, &out, &[&ACTIVE]);
        assert!(status == Some(1) && said.contains("damage"), "{at}: {said}");
        fs::write(first_log(&source), &sound).unwrap();
        assert_eq!(records_of(&round(&source, &out, &ACTIVE)).len(), 20, "{at}");
    }
}

#[test]
fn a_batch_that_was_damaged_in_front_of_the_watermark_is_not_what_the_source_is_known_by() {
    let log = uneven();
    for at in [17, 70] {
        let temp = scratch();
        let source = log.write(&temp.path().join("source"), log.end());
        let (path, out) = (first_log(&source), temp.path().join("out"));
        let sound = fs::read(&path).unwrap();
        let mut damaged = sound.clone();
        damaged[starts(&sound)[2] + at] ^= 1;
        fs::write(&path, damaged).unwrap();
        let options = ["--on-damage", "skip", "--to-offset", "19"];
        let (status, said) = run(&source, &out, &[&FAR, &options]);
        assert_eq!((status, compacted_end(&out.join("t-0"))), (Some(1), 20), "{at}: {said}");
        fs::write(&path, &sound).unwrap();
        assert_eq!(compacted_end(&round(&source, &out, &FAR)), 24, "{at}");
    }
}
