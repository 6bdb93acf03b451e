//! What a round makes of files beside the segments that cannot be read.

mod support;

use std::fs;
use std::path::{Path, PathBuf};

use support::events::Event;
use support::rounds::{Grown, Stand, compact, current};

const THEN: i64 = 1_700_000_000_000;
const EPOCHS: &str = "leader-epoch-checkpoint";
const METADATA: &str = "partition.metadata";
const OPTIONS: [&str; 2] = ["--delete-retention-ms", "36500d"];

/// Four segments of a record each; the first ends of the log.
fn log() -> Grown {
    let mut log = Grown::empty();
    for number in 0..4 {
        log.plain(&[Event::put(&number.to_string(), "v", THEN)]);
        log.roll();
    }
    log
}

/// A round that does its work; what it says.
fn said(source: &Path, out: &Path) -> String {
    let output = compact(source, out, &OPTIONS);
    let text = String::from_utf8_lossy(&output.stderr).into_owned();
    assert_eq!(output.status.code(), Some(0), "{text}");
    text
}

/// The source up to `cut`, with the file `name` as it is given.
fn source(stand: &Stand, cut: i64, name: &str, text: &str) -> PathBuf {
    let source = stand.log.write(&stand.source(), cut);
    fs::write(source.join(name), text).unwrap();
    source
}

#[test]
fn epochs_of_a_source_that_cannot_be_read_do_not_take_the_place_of_those_that_can() {
    let stand = Stand::of(log());
    let good = "0\n2\n0 0\n3 1\n";
    assert!(!said(&source(&stand, 2, EPOCHS, good), &stand.out()).contains(EPOCHS));
    let text = said(&source(&stand, 3, EPOCHS, "garbage"), &stand.out());
    assert!(text.contains(EPOCHS), "{text}");
    assert_eq!(fs::read_to_string(stand.dest().join(EPOCHS)).unwrap(), good);
    assert!(!said(&source(&stand, 4, EPOCHS, good), &stand.out()).contains(EPOCHS));
    assert_eq!(current(&stand.dest())["round"], 3);
    assert_eq!(fs::read_to_string(stand.dest().join(EPOCHS)).unwrap(), good);
}

#[test]
fn epochs_of_a_destination_that_cannot_be_read_are_told_by_its_batches() {
    let stand = Stand::of(log());
    said(&source(&stand, 2, EPOCHS, "0\n2\n0 0\n3 2\n"), &stand.out());
    fs::write(stand.dest().join(EPOCHS), "0\n2\n0 0\n3").unwrap();
    // The source has forgotten the first.
    let text = said(&source(&stand, 4, EPOCHS, "0\n1\n3 2\n"), &stand.out());
    assert!(text.contains(EPOCHS), "{text}");
    assert_eq!(fs::read_to_string(stand.dest().join(EPOCHS)).unwrap(), "0\n2\n0 0\n3 2\n");
    let neither = Stand::of(log());
    said(&source(&neither, 2, EPOCHS, "garbage"), &neither.out());
    fs::write(neither.dest().join(EPOCHS), "garbage").unwrap();
    said(&source(&neither, 4, EPOCHS, "garbage"), &neither.out());
    assert_eq!(fs::read_to_string(neither.dest().join(EPOCHS)).unwrap(), "0\n1\n0 0\n");
}

#[test]
fn the_topics_id_outlives_a_source_that_cannot_say_it() {
    let stand = Stand::of(log());
    let good = "version: 0\ntopic_id: AAAAAAAAAAAAAAAAAAAAAQ";
    said(&source(&stand, 2, METADATA, good), &stand.out());
    let text = said(&source(&stand, 4, METADATA, "garbage"), &stand.out());
    assert!(text.contains(METADATA), "{text}");
    assert_eq!(fs::read_to_string(stand.dest().join(METADATA)).unwrap(), good);
    let round = current(&stand.dest());
    assert_eq!(
        (&round["round"], &round["source"]["topic_id"]),
        (&2.into(), &"AAAAAAAAAAAAAAAAAAAAAQ".into())
    );
}
