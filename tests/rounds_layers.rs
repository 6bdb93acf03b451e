//! The layers of a key index: what rounds that change little write of it, until a new base has it.

mod support;

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

use serde_json::Value;
use support::rounds::{Grown, LIVELY, Shape, compact, current, records_of, round, scratch};

const FAR: [&str; 4] = ["-q", "--delete-retention-ms", "36500d", "--include-active"];
const PLAIN: Shape =
    Shape { has_transactions: false, has_old_magic: false, has_null_keys: false, ..LIVELY };

/// A log that grows, and the destination of rounds over it.
struct Stand {
    temp: tempfile::TempDir,
    log: Grown,
}

impl Stand {
    fn of(seed: u64) -> Stand {
        let log = Grown::random(seed, Shape { batches: 90, keys: 300, ..PLAIN });
        Stand { temp: scratch(), log }
    }

    fn source(&self, end: i64) -> PathBuf {
        self.log.write(&self.temp.path().join("source"), end)
    }

    /// A round over the source as it was at `end`.
    fn round(&self, end: i64, options: &[&str]) -> PathBuf {
        round(&self.source(end), &self.temp.path().join("out"), options)
    }

    /// What one compaction of all of it gives.
    fn fresh(&self, options: &[&str]) -> BTreeMap<i64, Value> {
        records_of(&round(&self.source(self.log.end()), &self.temp.path().join("fresh"), options))
    }

    /// A run that must be refused, and say what to do.
    fn refused(&self, end: i64, options: &[&str]) {
        let output = compact(&self.source(end), &self.temp.path().join("out"), options);
        let said = String::from_utf8_lossy(&output.stderr);
        assert_eq!(output.status.code(), Some(2), "{said}");
        assert!(said.contains("--reindex") && said.contains(".kidx"), "{said}");
    }
}

/// All runs of the key index that are there.
fn runs_in(dest: &Path) -> Vec<PathBuf> {
    let files = fs::read_dir(dest.join(".logcompact")).unwrap().map(|entry| entry.unwrap().path());
    files.filter(|path| path.extension().is_some_and(|it| it == "kidx")).collect()
}

/// The files of the key index that the state names, the base's and its layers'.
fn index_files(dest: &Path) -> (Vec<PathBuf>, Vec<PathBuf>) {
    let round = current(dest);
    let path = |run: &Value| dest.join(".logcompact").join(run["file"].as_str().unwrap());
    let paths = |runs: &Value| runs.as_array().unwrap().iter().map(path).collect::<Vec<_>>();
    let layers = round["layers"].as_array().unwrap().iter().flat_map(paths).collect();
    (paths(&round["index"]), layers)
}

#[test]
fn rounds_that_change_little_add_layers_to_the_key_index_until_a_new_base_has_them() {
    for strategy in ["offset", "timestamp", "first", "header:v"] {
        let stand = Stand::of(31);
        let options = [&FAR[..], &["--strategy", strategy]].concat();
        let ends = stand.log.ends();
        let dest = stand.round(ends[60], &options);
        let (mut layered, mut merged) = (0, 0);
        for end in ends[62..].iter().step_by(3) {
            let (base, layers) = index_files(&dest);
            let before = (fs::read(&base[0]).unwrap(), layers.len());
            stand.round(*end, &options);
            let (base_now, layers_now) = index_files(&dest);
            if base_now == base {
                layered += 1;
                assert_eq!(fs::read(&base[0]).unwrap(), before.0);
                assert!(!layers_now.is_empty());
            } else {
                merged += u32::from(before.1 > 0);
                assert_eq!(layers_now, [] as [PathBuf; 0]);
            }
            let mut named = [base_now, layers_now].concat();
            let mut there = runs_in(&dest);
            named.sort();
            there.sort();
            assert_eq!(there, named, "{strategy}: runs that nobody names stay");
        }
        assert!(layered > 3 && merged > 0, "{strategy}: {layered} {merged}");
        stand.round(stand.log.end(), &options);
        assert_eq!(records_of(&dest), stand.fresh(&options), "{strategy}");
    }
}

#[test]
fn a_damaged_layer_is_refused_and_an_index_that_is_built_anew_has_none() {
    let stand = Stand::of(32);
    let ends = stand.log.ends();
    let dest = stand.round(ends[60], &FAR);
    stand.round(ends[62], &FAR);
    let (_, layers) = index_files(&dest);
    let sound = fs::read(&layers[0]).unwrap();
    for at in (0..sound.len()).step_by(7) {
        let mut flipped = sound.clone();
        flipped[at] ^= 1 << (at % 8);
        fs::write(&layers[0], flipped).unwrap();
        stand.refused(ends[65], &FAR);
    }
    stand.round(ends[62], &[&FAR[..], &["--reindex"]].concat());
    assert_eq!(index_files(&dest).1, [] as [PathBuf; 0]);
    stand.round(stand.log.end(), &FAR);
    assert_eq!(records_of(&dest), stand.fresh(&FAR));
}
