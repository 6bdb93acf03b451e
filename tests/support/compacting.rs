//! A compaction by the library, with all that a test may want to set.

use std::fs;
use std::path::{Path, PathBuf};

use logcompact::compact::{
    Chosen, CompactOptions, NullKeys, OnDamage, Output, Policy, Rewrites, RoundOptions,
    TopicConfig, run,
};
use logcompact::disk::Disk;
use logcompact::format::MessageFormat;
use logcompact::report::{NoProgress, Progress, RunOutcome, RunReport};
use logcompact::segment::find_partitions;
use logcompact::swap::Replaced;
use logcompact::units::Timestamp;

use super::power::Refusing;

/// Far behind all times in the tests.
pub const NOW_MS: i64 = 1_795_300_000_000;

/// How to compact.
#[derive(Clone, Debug)]
pub struct Way {
    pub policy: Policy,
    pub threads: usize,
    pub memory_bytes: u64,
    pub in_place: bool,
    pub disk: Disk,
}

/// By this strategy, with nothing else out of the ordinary.
pub fn by(strategy: &str) -> Way {
    let strategy = Chosen::parse(strategy).unwrap();
    let policy = Policy {
        topic: TopicConfig { strategy, ..TopicConfig::default() },
        now: Timestamp(NOW_MS),
        include_active: false,
        null_keys: NullKeys::Drop,
        drop_tombstones: false,
        empty_is_tombstone: false,
        message_format: MessageFormat::Magic2,
        on_damage: OnDamage::Fail,
        rewrites: Rewrites::default(),
        key_hash_bits: 64,
    };
    Way { policy, threads: 2, memory_bytes: 64 << 20, in_place: false, disk: Disk::default() }
}

impl Way {
    /// Compacts one partition; where it lies then, and the report.
    pub fn compact(&self, source: &Path, out: &Path) -> (PathBuf, RunReport) {
        let report = self.try_compact(source, out).unwrap();
        let dir = if self.in_place {
            source.to_path_buf()
        } else {
            out.join(source.file_name().unwrap())
        };
        (dir, report)
    }

    /// Compacts one partition; the report, or what the run failed for.
    pub fn try_compact(&self, source: &Path, out: &Path) -> Result<RunReport, String> {
        self.try_compact_telling(source, out, &NoProgress)
    }

    /// The same, telling how far it is.
    pub fn try_compact_telling(
        &self,
        source: &Path,
        out: &Path,
        progress: &dyn Progress,
    ) -> Result<RunReport, String> {
        let output = match self.in_place {
            true => Output::InPlace { force: true, replaced: Replaced::Removed },
            false => Output::Folder(out.to_path_buf()),
        };
        let options = CompactOptions {
            policy: self.policy.clone(),
            output,
            disk: self.disk.clone(),
            dry_run: false,
            memory_limit_bytes: self.memory_bytes,
            temp_dir: None,
            witness: None,
            rounds: RoundOptions { keep_rounds: 0, ..RoundOptions::default() },
        };
        let sources = find_partitions(&[source.to_path_buf()]).unwrap();
        let pool = rayon::ThreadPoolBuilder::new().num_threads(self.threads).build().unwrap();
        let report = pool.install(|| run(&sources, &options, progress));
        report.map_err(|error| error.to_string())
    }

    /// Compacts `t-0` onto disks that are full from one write on, whichever it is: the run fails,
    /// and leaves all or nothing.
    pub fn on_disks_that_are_full(&self, source: &Path, root: &Path) {
        const ENOSPC: i32 = 28;
        let (whole, _) = self.compact(source, &root.join("whole"));
        for n in 0.. {
            let out = root.join(format!("out-{n}"));
            let refusing = Refusing::write(n, ENOSPC);
            let way = Way { disk: Disk::of(refusing.clone()), ..self.clone() };
            let outcome = way.try_compact(source, &out);
            if !refusing.has_refused() {
                assert_eq!(outcome.unwrap().outcome, RunOutcome::Ok);
                assert!(n > 10, "so few?");
                return;
            }
            let error = outcome.expect_err("a full disk");
            assert!(error.contains("No space left"), "write {n}: {error}");
            let dir = out.join("t-0");
            assert!(!out.exists() || files_in(&dir) == files_in(&whole), "write {n}");
        }
    }
}

/// The names and bytes of the files in a folder.
pub fn files_in(dir: &Path) -> Vec<(PathBuf, Vec<u8>)> {
    let mut files: Vec<_> = fs::read_dir(dir)
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .filter(|path| path.is_file())
        .map(|path| (path.file_name().unwrap().into(), fs::read(&path).unwrap()))
        .collect();
    files.sort();
    files
}
