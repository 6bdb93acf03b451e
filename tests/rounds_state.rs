//! The state of rounds, damaged in every way: it is refused with what to do, or was not needed; the
//! result is never wrong.

mod support;

use std::fs;
use std::path::Path;

use support::events::Event;
use support::rounds::{
    Grown, LIVELY, Shape, Stand, compact, current, lying, number, records_of, round, scratch,
    state_files,
};
use support::{copy_folder, logcompact};

const FAR: [&str; 3] = ["-q", "--delete-retention-ms", "36500d"];
const PLAIN: Shape =
    Shape { has_transactions: false, has_old_magic: false, has_null_keys: false, ..LIVELY };

/// Does what a refusal says, which must lead to the right result.
fn heed(stand: &Stand, source: &Path, said: &str, case: &str) {
    let what = [&FAR[..], &["--min-rewrite-ratio", "1", "--segment-bytes", "1KiB"]].concat();
    let option = ["--reindex", "--full"].into_iter().find(|option| said.contains(option));
    let options = match option {
        Some(option) => [&what[..], &[option]].concat(),
        None => {
            assert!(said.contains("remove it"), "{case}: {said}");
            let file = said.split(": ").find(|part| part.contains(".logcompact")).unwrap();
            fs::remove_file(file).unwrap();
            what
        }
    };
    let output = compact(source, &stand.out(), &options);
    let then = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(0), "{case}: {said}; then {then}");
    let mut found = records_of(&stand.dest());
    let wanted = stand.fresh(&FAR);
    // Superseded records wait for their rewrite.
    found.retain(|offset, _| wanted.contains_key(offset));
    assert_eq!(found, wanted, "{case}: {said}");
    let output = compact(source, &stand.out(), &FAR);
    assert_eq!(output.status.code(), Some(0), "{case}: once more");
    assert_eq!(records_of(&stand.dest()), wanted, "{case}: once more");
}

#[test]
fn a_flipped_byte_of_the_state_is_refused_or_changes_nothing() {
    let stand = Stand::of(Grown::random(12, Shape { batches: 30, ..PLAIN }));
    let options = [&FAR[..], &["--min-rewrite-ratio", "1", "--segment-bytes", "1KiB"]].concat();
    stand.round(stand.log.ends()[12], &options);
    stand.round(stand.log.ends()[22], &options);
    let source = stand.log.write(&stand.source(), stand.log.end());
    let wanted = stand.fresh(&FAR);
    let keep = stand.temp.path().join("keep");
    copy_folder(&stand.out(), &keep);
    let (mut refused, mut unneeded) = (0, 0);
    for file in state_files(&stand.dest()) {
        let bytes = fs::read(&file).unwrap();
        // A sample; with `LOGCOMPACT_ALL_FLIPS`, all positions.
        let is_all = std::env::var_os("LOGCOMPACT_ALL_FLIPS").is_some();
        let step = if is_all { 1 } else { (bytes.len() / 24).max(1) };
        for at in (0..bytes.len()).step_by(step).chain([bytes.len() - 1]) {
            let mut flipped = bytes.clone();
            flipped[at] ^= 1 << (at % 8);
            fs::write(&file, flipped).unwrap();
            let case = format!("{} byte {at}", file.file_name().unwrap().display());
            let output = compact(&source, &stand.out(), &FAR);
            let said = String::from_utf8_lossy(&output.stderr);
            match output.status.code() {
                Some(0) => {
                    unneeded += 1;
                    assert_eq!(records_of(&stand.dest()), wanted, "{case}");
                }
                Some(2) => {
                    refused += 1;
                    assert_eq!(records_of(&stand.dest()), records_of(&keep.join("t-0")), "{case}");
                    heed(&stand, &source, &said, &case);
                }
                other => panic!("{case}: {other:?}: {said}"),
            }
            fs::remove_dir_all(stand.out()).unwrap();
            copy_folder(&keep, &stand.out());
        }
    }
    println!("{refused} flipped bytes were refused, {unneeded} were not needed");
    assert!(refused > 60, "{refused}");
}

/// A key that has the hash of another's would take its place in a later round. Whoever knows the
/// key of the hash could make one.
#[test]
fn what_keys_are_hashed_with_is_drawn_unless_the_clock_is_fixed() {
    let temp = scratch();
    let log = Grown::random(5, PLAIN);
    let source = log.write(temp.path(), log.end());
    let seed = |name: &str, now: &[&str]| {
        let out = temp.path().join(name);
        let mut command = logcompact();
        command.arg("compact").arg(&source).arg("--out").arg(&out).args(["-q", "--include-active"]);
        command.args(now).assert().success();
        let hash = current(&out.join(source.file_name().unwrap()))["hash"].clone();
        assert_eq!(hash["function"], "siphash-1-3-128");
        hash["seed"].as_str().unwrap().to_owned()
    };
    let drawn = [seed("a", &[]), seed("b", &[])];
    assert_ne!(drawn[0], drawn[1]);
    let fixed = ["--now", "1700000000000"];
    let known = [seed("c", &fixed), seed("d", &fixed)];
    assert_eq!(known[0], known[1]);
    assert!(!drawn.contains(&known[0]));
    // Later rounds go on with it.
    assert_ne!(seed("a", &["--full"]), drawn[0], "what is begun anew is drawn anew");
    let again = seed("b", &["--delete-retention-ms", "5"]);
    assert_eq!(again, drawn[1]);
}

#[test]
fn a_damaged_index_is_built_anew_and_a_damaged_round_file_is_started_over() {
    for strategy in ["offset", "timestamp", "first", "header:v"] {
        let stand = Stand::of(Grown::random(13, PLAIN));
        let options = [&FAR[..], &["--strategy", strategy]].concat();
        let dest = stand.round(stand.log.ends()[30], &options);
        let source = stand.log.write(&stand.source(), stand.log.end());
        let wanted = stand.fresh(&options);
        for file in state_files(&dest) {
            let extension = file.extension().map(|e| e.to_str().unwrap().to_owned());
            if extension.as_deref() == Some("kidx") {
                fs::write(&file, b"not an index").unwrap();
            }
        }
        stand.refused(&source, &options, &["--reindex", ".kidx"]);
        round(&source, &stand.out(), &[&options[..], &["--reindex"]].concat());
        assert_eq!(records_of(&dest), wanted, "{strategy}");

        let round_file = state_files(&dest).into_iter().find(|file| {
            file.file_name().unwrap().to_str() == Some(&format!("round-{:06}.json", number(&dest)))
        });
        fs::write(round_file.unwrap(), b"{}").unwrap();
        stand.refused(&source, &options, &["--full"]);
        round(&source, &stand.out(), &[&options[..], &["--full"]].concat());
        assert_eq!(records_of(&dest), wanted, "{strategy}");
    }
}

#[test]
fn a_damaged_segment_is_refused_where_it_must_be_written_anew_and_left_where_not() {
    let stand = Stand::of({
        let mut log = Grown::empty();
        for segment in 0..3 {
            for n in 0..4 {
                log.plain(&[Event::put(&format!("{segment}.{n}"), "1", 1_700_000_000_000)]);
            }
            log.roll();
        }
        log.plain(&[Event::put("1.2", "2", 1_700_000_001_000)]);
        log.roll();
        log.plain(&[Event::put("active", "1", 1_700_000_002_000)]);
        log
    });
    let options = [&FAR[..], &["--segment-bytes", "300"]].concat();
    let dest = stand.round(stand.log.ends()[11], &[&options[..], &["--include-active"]].concat());
    let source = stand.log.write(&stand.source(), stand.log.end());
    let flip = |base: i64| {
        let path = dest.join(format!("{base:020}.log"));
        let mut bytes = fs::read(&path).unwrap();
        let at = bytes.len() - 2;
        bytes[at] ^= 1;
        fs::write(&path, bytes).unwrap();
    };
    // The one that loses a record.
    flip(4);
    stand.refused(&source, &options, &["the destination is damaged", "--full"]);
    flip(4);
    // Another: that is for verify to find, and for whoever reads it.
    flip(0);
    round(&source, &stand.out(), &options);
    flip(0);
    assert_eq!(records_of(&dest), stand.fresh(&options));
}

#[test]
fn a_missing_file_of_the_state_is_refused_or_not_needed() {
    let stand = Stand::of(Grown::random(23, PLAIN));
    let options = [&FAR[..], &["--min-rewrite-ratio", "1", "--segment-bytes", "1KiB"]].concat();
    stand.round(stand.log.ends()[20], &options);
    stand.round(stand.log.ends()[40], &options);
    let source = stand.log.write(&stand.source(), stand.log.end());
    let wanted = stand.fresh(&FAR);
    let keep = stand.temp.path().join("keep");
    copy_folder(&stand.out(), &keep);
    let mut refused = 0;
    for file in state_files(&stand.dest()) {
        for emptied in [false, true] {
            fs::remove_file(&file).unwrap();
            if emptied {
                fs::write(&file, b"").unwrap();
            }
            let before = lying(&stand.dest());
            let output = compact(&source, &stand.out(), &FAR);
            let said = String::from_utf8_lossy(&output.stderr);
            let case = format!("{} emptied {emptied}: {said}", file.display());
            match output.status.code() {
                Some(0) => assert_eq!(records_of(&stand.dest()), wanted, "{case}"),
                Some(2) => {
                    refused += 1;
                    assert!(before.len() == lying(&stand.dest()).len(), "{case}");
                    heed(&stand, &source, &said, &case);
                }
                other => panic!("{case}: {other:?}"),
            }
            fs::remove_dir_all(stand.out()).unwrap();
            copy_folder(&keep, &stand.out());
        }
    }
    assert!(refused >= 4, "{refused}");
}

#[test]
fn damage_that_a_round_has_kept_is_kept_where_a_later_one_writes_its_segment_anew() {
    let put = |key| [Event::put(key, "1", 1_700_000_000_000)];
    let mut log = Grown::empty();
    ["a", "b", "c"].iter().for_each(|key| log.plain(&put(key)));
    log.roll();
    let stand = Stand::of(log);
    let options = ["-q", "--on-damage", "keep", "--include-active"];
    let spoilt = |log: &Grown| {
        let source = log.write(&stand.source(), log.end());
        let path = source.join(format!("{:020}.log", 0));
        let mut bytes = fs::read(&path).unwrap();
        let (start, size) = (bytes.len() / 3, bytes.len() / 3);
        bytes[start + size - 1] ^= 1;
        fs::write(&path, &bytes).unwrap();
        (source, bytes[start..][..size].to_vec())
    };
    let (source, damaged) = spoilt(&stand.log);
    assert_eq!(compact(&source, &stand.out(), &options).status.code(), Some(1));
    let mut log = stand.log.clone();
    for night in ["a", "c"] {
        log.plain(&put(night));
        log.roll();
        let (source, _) = spoilt(&log);
        let output = compact(&source, &stand.out(), &options[1..]);
        let said = [output.stdout, output.stderr].concat();
        let said = String::from_utf8_lossy(&said).into_owned();
        assert_eq!(output.status.code(), Some(1), "{said}");
        let bytes = fs::read(stand.dest().join(format!("{:020}.log", 0))).unwrap();
        assert!(bytes.windows(damaged.len()).any(|found| found == damaged), "{night}: {said}");
        assert!(said.contains("kept byte for byte"), "{night}: {said}");
        let file = current(&stand.dest());
        let records = file["segments"].as_array().unwrap().iter().map(|it| it["records"].as_i64());
        assert_eq!(records.sum::<Option<i64>>(), Some(2), "{night}: the other one of a and c");
    }
}
