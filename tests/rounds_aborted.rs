//! Transactions that a round begins within, where the source has no `.txnindex`.

mod support;

use std::fs;

use logcompact::format::codec::Codec;
use logcompact::segment::parse_txn_index;
use support::events::Event;
use support::logcompact;
use support::rounds::{Grown, Stand, compact, current};

const THEN: i64 = 1_700_000_000_000;
const OPTIONS: [&str; 3] = ["-q", "--delete-retention-ms", "36500d"];

#[test]
fn a_transaction_that_a_round_begins_within_is_indexed_from_where_it_began() {
    for rounds in [&[1][..], &[1, 3], &[1, 3, 5]] {
        let mut log = Grown::empty();
        for key in ["a", "b", "c"] {
            let events = [Event::put(key, "1", THEN), Event::put(key, "2", THEN)];
            log.transactional(7, Codec::None, &events);
            log.roll();
        }
        log.marker(7, false);
        log.roll();
        log.plain(&[Event::put("d", "1", THEN)]);
        let stand = Stand::of(log);
        let source = stand.log.write(&stand.source(), stand.log.end());
        fs::remove_file(source.join(format!("{:020}.txnindex", 6))).unwrap();
        for last in rounds {
            let last = last.to_string();
            let options = [&OPTIONS[..], &["--to-offset", &last]].concat();
            assert!(compact(&source, &stand.out(), &options).status.success(), "{rounds:?}");
        }
        assert_eq!(current(&stand.dest())["open_aborted"][0]["first_offset"], 0);
        assert!(compact(&source, &stand.out(), &OPTIONS).status.success(), "{rounds:?}");
        let names = fs::read_dir(stand.dest()).unwrap().map(|entry| entry.unwrap().path());
        let indexes = names.filter(|path| path.extension().is_some_and(|e| e == "txnindex"));
        let entries = indexes.flat_map(|path| parse_txn_index(&fs::read(path).unwrap()).0);
        let told: Vec<_> = entries.map(|it| (it.first_offset.0, it.last_offset.0)).collect();
        assert_eq!(told, [(0, 6)], "{rounds:?}");
        assert!(current(&stand.dest())["open_aborted"].as_array().unwrap().is_empty());
        logcompact().arg("verify").arg(stand.out()).assert().success();
    }
}
