//! The round file: what one round found, by which rules it was made, and what it left.
//!
//! Nothing in it depends on the clock but the `now_ms` that the round was given: the same rounds
//! over the same source are the same bytes.

use serde::{Deserialize, Serialize};

use super::dead::{DeadOffsets, FileRef};
use super::entry::{EntryLayout, KeyHashSeed};
use super::hex::Crc32c;
use super::key_run::RunRef;
use super::layers::are_in_order;
use super::state_file::{parse_round, round_digits};
use crate::error::{Error, Result};
use crate::report::Counters;
use crate::segment::AbortedTxn;
use crate::units::{Offset, Timestamp};

/// The format of round files that this version writes.
pub const FORMAT: u32 = 1;

/// A round.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct RoundFile {
    /// Of the file; later ones are refused.
    pub format: u32,
    /// The version that wrote it.
    pub tool_version: String,
    /// Its number, from 1.
    pub round: u64,
    /// The round that it goes on from.
    pub parent_round: Option<u64>,
    /// What kind it was.
    pub kind: RoundKind,
    /// What was compacted.
    pub source: Source,
    /// The last offset that was compacted; -1 if there was none.
    pub high_watermark: Offset,
    /// The last offset that was to be compacted, if it was said (`--to-offset`).
    pub last_offset_requested: Option<Offset>,
    /// The older directory that the destination began with, in whichever round that was.
    pub rebase: Option<Rebase>,
    /// What must be the same in each round.
    pub rules: Rules,
    /// What may differ.
    pub settings: Settings,
    /// How keys are hashed.
    pub hash: HashFunction,
    /// The runs of the key index, in the order of hashes.
    pub index: Vec<RunRef>,
    /// The layers upon them, the oldest first, each runs in the order of hashes.
    #[serde(default)]
    pub layers: Vec<Vec<RunRef>>,
    /// Where the destination's log starts, if it may hold records in front of that: the key index
    /// knows none of them. Else 0.
    #[serde(default)]
    pub unindexed_below: Offset,
    /// Whether they hold damage that was kept as it is, in this round or one before.
    #[serde(default)]
    pub kept_damage: bool,
    /// The destination's compacted segments, rising.
    pub segments: Vec<SegmentRef>,
    /// The superseded records in them.
    pub dead: Option<FileRef>,
    /// The segments behind them, copies of the source's.
    pub tail: Vec<TailRef>,
    /// The producers whose transaction began at or below the watermark and ends above it.
    pub open_producers: Vec<i64>,
    /// Those of their transactions that are aborted, by their markers' order. The source may have
    /// no `.txnindex`, and a round that begins within one does not see where it began.
    #[serde(default)]
    pub open_aborted: Vec<AbortedTxn>,
    /// What was counted in this round.
    pub counters: Counters,
    /// What it cost.
    pub io: RoundIo,
}

/// The kinds of rounds.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum RoundKind {
    /// The first.
    Backfill,
    /// What is new was added.
    Incremental,
    /// The destination was built anew (`--full`).
    Full,
    /// The destination was built anew on an older one (`--rebase-from`).
    Rebase,
    /// The key index was built anew (`--reindex`).
    Reindex,
}

impl RoundKind {
    /// As the report has it.
    pub fn name(self) -> &'static str {
        match self {
            RoundKind::Backfill => "backfill",
            RoundKind::Incremental => "incremental",
            RoundKind::Full => "full",
            RoundKind::Rebase => "rebase",
            RoundKind::Reindex => "reindex",
        }
    }
}

/// Which source it was, and what shows that it is still the same.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Source {
    /// The topic.
    pub topic: String,
    /// The partition.
    pub partition: i32,
    /// The topic's id, if the source says so.
    pub topic_id: Option<String>,
    /// Where it was, for people.
    pub path: String,
    /// Its first offset.
    pub log_start_offset: Offset,
    /// The offset behind its last.
    pub log_end_offset: Offset,
    /// Some of its batches, rising.
    pub samples: Vec<Sample>,
    /// Whether the round has ended within a batch, the last of them.
    #[serde(default)]
    pub within_batch: bool,
    /// Its segments behind the watermark.
    pub tail: Vec<TailRef>,
    /// The damage right behind the watermark that the round has kept.
    #[serde(default)]
    pub kept_damage: Option<KeptDamage>,
}

/// A stretch of a source's log that is damaged.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct KeptDamage {
    /// Its size.
    pub bytes: u64,
    /// The CRC-32C of it.
    pub crc32c: Crc32c,
}

/// A batch of the source.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Sample {
    /// Its first offset.
    pub base_offset: Offset,
    /// Its last.
    pub last_offset: Offset,
    /// The number of records that its header says.
    pub records: i32,
    /// The CRC that its header says.
    pub crc: u32,
}

/// An older directory that a destination began with.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Rebase {
    /// Where it was, for people.
    pub path: String,
    /// The last offset that was taken from it, if it was said.
    pub high_watermark: Option<Offset>,
}

/// What decides which record of a key survives.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Rules {
    /// The strategy as it is asked for.
    pub strategy: String,
    /// What becomes of records without a key.
    pub null_keys: String,
    /// Whether an empty value deletes.
    pub empty_is_tombstone: bool,
}

impl Rules {
    /// How entries of the key index lie.
    pub fn layout(&self) -> EntryLayout {
        EntryLayout { with_claim: self.strategy != "offset" }
    }

    /// Refuses rules other than these, which the rounds before had.
    ///
    /// # Errors
    /// The first that differs, with what to do.
    pub fn check(&self, asked: &Rules) -> Result<()> {
        let on_off = |is_on: bool| if is_on { "on" } else { "off" };
        let pairs = [
            ("--strategy", self.strategy.as_str(), asked.strategy.as_str()),
            ("--null-keys", &self.null_keys, &asked.null_keys),
            (
                "--empty-is-tombstone",
                on_off(self.empty_is_tombstone),
                on_off(asked.empty_is_tombstone),
            ),
        ];
        match pairs.into_iter().find(|(_, had, asked)| had != asked) {
            None => Ok(()),
            Some((option, had, asked)) => Err(Error::refused(format!(
                "the rounds before had {option} {had}, this one has {option} {asked}; pass the \
                 same as before, or --full to build the destination anew"
            ))),
        }
    }
}

/// What may differ from round to round.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Settings {
    /// Whether tombstones were dropped at once.
    pub drop_tombstones: bool,
    /// How long they stay otherwise.
    pub delete_retention_ms: i64,
    /// Whether the active segment was compacted too.
    pub include_active: bool,
    /// The clock.
    pub now_ms: Timestamp,
}

/// How keys are hashed.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct HashFunction {
    /// Its name.
    pub function: String,
    /// Its seed.
    pub seed: KeyHashSeed,
}

impl HashFunction {
    /// Ours, with this seed.
    pub fn with(seed: KeyHashSeed) -> HashFunction {
        HashFunction { function: KeyHashSeed::FUNCTION.into(), seed }
    }
}

/// A compacted segment of the destination.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct SegmentRef {
    /// The offset that it is named after.
    pub base_offset: Offset,
    /// The offset behind its last.
    pub next_offset: Offset,
    /// The size of its log.
    pub bytes: u64,
    /// How many records it holds.
    pub records: u64,
    /// When the first of its tombstones and markers may go.
    pub earliest_horizon_ms: Option<Timestamp>,
    /// Whether tombstones may be in it: the round that wrote it let them stay for a while.
    pub has_tombstones: bool,
    /// Whether any of them are of magic 0 or 1: those have no horizon. An older version did not
    /// say.
    #[serde(default)]
    pub has_legacy_tombstones: Option<bool>,
    /// How many of its records are superseded.
    pub dead: u64,
    /// The round that wrote it.
    pub from_round: u64,
}

/// A segment of the destination that is a copy of the source's.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct TailRef {
    /// The offset that it is named after.
    pub base_offset: Offset,
    /// The size of its log.
    pub bytes: u64,
}

/// What a round cost.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct RoundIo {
    /// Read from the source.
    pub source_bytes_read: u64,
    /// Read from the destination's segments.
    pub destination_bytes_read: u64,
    /// Read from the key index.
    pub index_bytes_read: u64,
    /// Written, state and all.
    pub bytes_written: u64,
    /// Segments of the destination that stay as they are.
    pub segments_untouched: u64,
    /// Those that were written again.
    pub segments_rewritten: u64,
    /// Those that are new.
    pub segments_new: u64,
}

impl RoundFile {
    /// The name of a round's file.
    pub fn file_name(round: u64) -> String {
        format!("round-{}.json", round_digits(round))
    }

    /// The round in the name of a round file; `None` for other files.
    pub fn round_in(name: &str) -> Option<u64> {
        parse_round(name.strip_prefix("round-")?.strip_suffix(".json")?)
    }

    /// The offset behind what was compacted, where the next round begins.
    pub fn end_offset(&self) -> Offset {
        self.high_watermark.next()
    }

    /// What is wrong with the content of the file of round `round`, whatever its checksum says.
    pub fn flaw(&self, round: u64) -> Option<String> {
        let flaws = [
            (self.round != round, "it is another round's"),
            (self.parent_round.is_some_and(|parent| parent >= round), "its parent is no older"),
            (self.source.partition < 0, "its partition is none"),
            (!(-1..i64::MAX).contains(&self.high_watermark.0), "its high watermark is none"),
            (self.hash.function != KeyHashSeed::FUNCTION, "its hash function is unknown"),
            (!self.has_sound_index(), "the runs of its key index are not in order"),
            (self.unindexed_below.0 < 0, "what its key index knows begins nowhere"),
            (!self.has_sound_segments(), "its segments are not in order"),
            (!self.has_sound_dead(), "its superseded records do not add up"),
        ];
        flaws.iter().find(|(is_wrong, _)| *is_wrong).map(|(_, what)| (*what).to_owned())
    }

    fn has_sound_index(&self) -> bool {
        are_in_order(&self.index, &self.layers)
            && self.runs().all(|run| {
                RunRef::round_in(&run.file).is_some_and(|written_in| written_in <= self.round)
            })
    }

    /// All runs of the key index.
    pub fn runs(&self) -> impl Iterator<Item = &RunRef> {
        self.index.iter().chain(self.layers.iter().flatten())
    }

    fn has_sound_segments(&self) -> bool {
        let (segments, tail) = (&self.segments, &self.tail);
        let end = segments.last().map_or(Offset(0), |segment| segment.next_offset);
        segments.iter().all(|it| it.base_offset.0 >= 0 && it.base_offset <= it.next_offset)
            && segments.is_sorted_by(|a, b| {
                a.base_offset < b.base_offset && a.next_offset <= b.base_offset
            })
            && segments.iter().all(|it| EntryLayout::check(it.base_offset).is_ok())
            && tail.first().is_none_or(|first| first.base_offset >= end)
            && tail.is_sorted_by(|a, b| a.base_offset < b.base_offset)
    }

    fn has_sound_dead(&self) -> bool {
        let has_dead = self.segments.iter().any(|segment| segment.dead > 0);
        let is_named = |dead: &FileRef| {
            DeadOffsets::round_in(&dead.file).is_some_and(|written_in| written_in <= self.round)
        };
        has_dead == self.dead.is_some()
            && self.dead.as_ref().is_none_or(is_named)
            && self.segments.iter().all(|segment| segment.dead <= segment.records)
    }
}

/// A round file to try things with.
#[cfg(test)]
pub fn sample(round: u64) -> RoundFile {
    let segment = |base: i64, next: i64| SegmentRef {
        base_offset: Offset(base),
        next_offset: Offset(next),
        bytes: 100,
        records: 10,
        earliest_horizon_ms: Some(Timestamp(1)),
        has_tombstones: true,
        has_legacy_tombstones: Some(false),
        dead: 0,
        from_round: 1,
    };
    RoundFile {
        format: FORMAT,
        tool_version: "0.1.0".into(),
        round,
        parent_round: round.checked_sub(1).filter(|parent| *parent > 0),
        kind: RoundKind::Incremental,
        source: Source {
            topic: "orders".into(),
            partition: 0,
            topic_id: None,
            path: "/backup/\"orders\"-0".into(),
            log_start_offset: Offset(0),
            log_end_offset: Offset(120),
            samples: vec![Sample {
                base_offset: Offset(90),
                last_offset: Offset(99),
                records: 10,
                crc: u32::MAX,
            }],
            within_batch: false,
            tail: vec![TailRef { base_offset: Offset(100), bytes: 9 }],
            kept_damage: Some(KeptDamage { bytes: 70, crc32c: Crc32c(1) }),
        },
        high_watermark: Offset(99),
        last_offset_requested: None,
        rebase: Some(Rebase { path: "/old".into(), high_watermark: Some(Offset(5)) }),
        rules: Rules {
            strategy: "header:v".into(),
            null_keys: "drop".into(),
            empty_is_tombstone: false,
        },
        settings: Settings {
            drop_tombstones: false,
            delete_retention_ms: 86_400_000,
            include_active: false,
            now_ms: Timestamp(7),
        },
        hash: HashFunction::with(KeyHashSeed(u64::MAX)),
        index: Vec::new(),
        layers: Vec::new(),
        unindexed_below: Offset(7),
        kept_damage: false,
        segments: vec![segment(0, 50), segment(50, 100)],
        dead: None,
        tail: vec![TailRef { base_offset: Offset(100), bytes: 9 }],
        open_producers: vec![7, 8],
        open_aborted: Vec::new(),
        counters: Counters { records_read: u64::MAX, ..Counters::default() },
        io: RoundIo { segments_new: 2, ..RoundIo::default() },
    }
}

#[cfg(test)]
mod tests {
    use super::super::entry::KeyHash;
    use super::super::hex::Crc32c;
    use super::super::sealed::{seal, unseal};
    use super::*;

    fn run(file: &str, first_hash: u128) -> RunRef {
        let first_hash = KeyHash(first_hash);
        RunRef { file: file.into(), first_hash, entries: 1, bytes: 60, crc32c: Crc32c(9) }
    }

    #[test]
    fn a_round_comes_out_of_its_file_as_it_went_in() {
        let round = RoundFile {
            index: vec![run("keys-000003-0000.kidx", 0), run("keys-000001-0007.kidx", 1 << 99)],
            layers: vec![vec![run("keys-000002-0000.kidx", 0)]],
            ..sample(3)
        };
        assert_eq!(round.flaw(3), None);
        let bytes = seal(&round).unwrap();
        assert_eq!(unseal::<RoundFile>(&bytes, FORMAT).unwrap(), round);
        assert_eq!(seal(&unseal::<RoundFile>(&bytes, FORMAT).unwrap()).unwrap(), bytes);
    }

    #[test]
    fn a_round_of_which_the_index_had_no_layers_yet_is_read() {
        let round = RoundFile { unindexed_below: Offset(0), ..sample(1) };
        let text = String::from_utf8(seal(&round).unwrap()).unwrap();
        let mut json: serde_json::Value = serde_json::from_str(&text).unwrap();
        json.as_object_mut().unwrap().remove("layers").unwrap();
        json.as_object_mut().unwrap().remove("unindexed_below").unwrap();
        assert_eq!(serde_json::from_value::<RoundFile>(json).unwrap(), round);
    }

    #[test]
    fn counters_that_a_version_did_not_know_are_none() {
        let text = String::from_utf8(seal(&sample(1)).unwrap()).unwrap();
        let json: serde_json::Value = serde_json::from_str(&text).unwrap();
        let mut older = json.clone();
        older["counters"].as_object_mut().unwrap().retain(|name, _| name == "records_read");
        older["io"].as_object_mut().unwrap().clear();
        let round: RoundFile = serde_json::from_value(older).unwrap();
        assert_eq!((round.counters, round.io), (sample(1).counters, RoundIo::default()));
    }

    #[test]
    fn a_round_that_contradicts_itself_is_not_believed() {
        let sound = sample(3);
        let mut wrong = vec![
            RoundFile { round: 4, ..sound.clone() },
            RoundFile { parent_round: Some(3), ..sound.clone() },
            RoundFile { high_watermark: Offset(-2), ..sound.clone() },
            RoundFile { index: vec![run("keys-000003-0000.kidx", 1)], ..sound.clone() },
            RoundFile { index: vec![run("keys-000004-0000.kidx", 0)], ..sound.clone() },
            RoundFile { index: vec![run("../../etc/passwd", 0)], ..sound.clone() },
            RoundFile { layers: vec![vec![run("keys-000001-0000.kidx", 0)]], ..sound.clone() },
            RoundFile { unindexed_below: Offset(-1), ..sound.clone() },
            RoundFile { tail: sound.tail.repeat(2), ..sound.clone() },
            RoundFile { segments: sound.segments.repeat(2), ..sound.clone() },
        ];
        let layered = |layers| {
            let index = vec![run("keys-000001-0000.kidx", 0)];
            RoundFile { index, layers, ..sample(3) }
        };
        let layer = |file| vec![run(file, 0)];
        assert_eq!(layered(vec![layer("keys-000003-0000.kidx"); 64]).flaw(3), None);
        wrong.extend([
            layered(vec![layer("keys-000003-0000.kidx"); 65]),
            layered(vec![layer("keys-000004-0000.kidx")]),
            layered(vec![layer("../../etc/passwd")]),
            layered(vec![Vec::new()]),
            layered(vec![vec![run("keys-000001-0001.kidx", 1)]]),
        ]);
        let dead = |file: &str| Some(FileRef { file: file.into(), bytes: 1, crc32c: Crc32c(1) });
        wrong.push(RoundFile { dead: dead("dead-000003.kdead"), ..sound.clone() });
        let mut with_dead = sound.clone();
        with_dead.segments[1].dead = 1;
        wrong.push(with_dead.clone());
        wrong.push(RoundFile { dead: dead("dead-3.kdead"), ..with_dead.clone() });
        let mut many = RoundFile { dead: dead("dead-000002.kdead"), ..with_dead };
        assert_eq!(many.flaw(3), None);
        many.segments[1].dead = 11;
        wrong.push(many);
        let mut other_hash = sound;
        other_hash.hash.function = "murmur2".into();
        wrong.push(other_hash);
        assert!(wrong.iter().all(|round| round.flaw(3).is_some()), "{wrong:?}");
    }

    #[test]
    fn other_rules_are_refused_and_named() {
        let rules = sample(1).rules;
        rules.check(&rules).unwrap();
        let refused = |asked: Rules| rules.check(&asked).unwrap_err().to_string();
        let refusal = refused(Rules { strategy: "offset".into(), ..rules.clone() });
        assert!(refusal.contains("--strategy header:v") && refusal.contains("--full"), "{refusal}");
        let refusal = refused(Rules { null_keys: "keep".into(), ..rules.clone() });
        assert!(refusal.contains("--null-keys keep"), "{refusal}");
        let refusal = refused(Rules { empty_is_tombstone: true, ..rules.clone() });
        assert!(refusal.contains("--empty-is-tombstone on"), "{refusal}");
    }
}
