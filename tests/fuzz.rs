//! Hostile bytes on a stable toolchain: every fuzz target takes its whole kept corpus, and a fixed
//! number of mutations of it that are the same in every run. `docs/fuzzing.md` says more.

mod fuzz_targets;
#[path = "fuzz/seeds.rs"]
mod seeds;
mod support;

use std::collections::BTreeMap;
use std::fs;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::{Path, PathBuf};

use fuzz_targets::mutate::{Random, mutate};
use fuzz_targets::{ALL, Target};

/// Runs of the cheapest targets; `LOGCOMPACT_FUZZ_RUNS` asks for more.
const RUNS: u64 = 10_000;

fn corpus_of(target: &Target) -> Vec<(PathBuf, Vec<u8>)> {
    let folder = corpus_folder(target);
    let paths = fs::read_dir(&folder).unwrap().map(|entry| entry.unwrap().path());
    let mut files: Vec<_> = paths.map(|path| (path.clone(), fs::read(path).unwrap())).collect();
    files.sort();
    assert!(!files.is_empty(), "{} is empty", folder.display());
    files
}

fn corpus_folder(target: &Target) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("fuzz/corpus").join(target.corpus)
}

fn asked(name: &str) -> Option<u64> {
    std::env::var(name).ok().and_then(|number| number.parse().ok())
}

/// Runs the target; bytes that break it are kept in a file that is named.
fn take(target: &Target, data: &[u8], case: &str) {
    if catch_unwind(AssertUnwindSafe(|| (target.run)(data))).is_err() {
        let path = Path::new(env!("CARGO_TARGET_TMPDIR")).join(format!("broke-{}", target.name));
        fs::write(&path, data).unwrap();
        panic!("{} breaks on {case}; the bytes are in {}", target.name, path.display());
    }
}

#[test]
fn no_target_breaks_on_its_kept_corpus() {
    for target in &ALL {
        for (path, data) in corpus_of(target) {
            take(target, &data, &path.display().to_string());
        }
        take(target, &[], "nothing");
    }
}

#[test]
fn no_target_breaks_on_mutations_of_its_corpus() {
    let runs = asked("LOGCOMPACT_FUZZ_RUNS").unwrap_or(RUNS);
    let seed = asked("LOGCOMPACT_SEED").unwrap_or(1);
    let only = std::env::var("LOGCOMPACT_FUZZ_TARGET").ok();
    println!("LOGCOMPACT_SEED={seed}");
    for target in ALL.iter().filter(|target| only.as_ref().is_none_or(|o| o == target.name)) {
        let corpus = corpus_of(target);
        let started = std::time::Instant::now();
        let runs = runs / u64::from(target.cost);
        for run in 0..runs {
            let mut random = Random(seed.wrapping_mul(0x1_0000_0001).wrapping_add(run));
            let mut data = corpus[random.below(corpus.len())].1.clone();
            let other = &corpus[random.below(corpus.len())].1;
            mutate(target.shape, &mut data, other, &mut random);
            take(target, &data, &format!("LOGCOMPACT_SEED={seed}, run {run}"));
        }
        println!("{}: {runs} runs in {:?}", target.name, started.elapsed());
    }
}

#[test]
fn every_target_has_its_corpus_and_its_file_for_cargo_fuzz() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("fuzz");
    let manifest = fs::read_to_string(root.join("Cargo.toml")).unwrap();
    let mut sizes = BTreeMap::new();
    for target in &ALL {
        let source = fs::read_to_string(root.join(format!("fuzz_targets/{}.rs", target.name)));
        assert!(source.unwrap().starts_with("//! "), "{}", target.name);
        assert!(manifest.contains(&format!("name = \"{}\"", target.name)), "{}", target.name);
        let size_bytes: usize = corpus_of(target).iter().map(|(_, data)| data.len()).sum();
        sizes.insert(target.corpus, size_bytes);
    }
    let sum_bytes: usize = sizes.values().sum();
    assert!(sum_bytes < 1 << 20, "a kept corpus of {sum_bytes} bytes");
}

#[test]
#[ignore = "writes fuzz/corpus; run by hand when targets or test data change"]
fn seeds_are_written_anew() {
    for target in &ALL {
        let folder = corpus_folder(target);
        fs::create_dir_all(&folder).unwrap();
        for (name, data) in seeds::of(target.corpus) {
            fs::write(folder.join(format!("seed-{name}")), data).unwrap();
        }
    }
}
