//! Where the output goes: nowhere, into a folder of its own, or in place of the source.

use std::collections::{BTreeSet, HashMap};
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use super::commit::Commit;
use super::round::holds_rounds;
use crate::disk::{Disk, Member, Owner, Staging};
use crate::error::{Error, Result};
use crate::report::{PartitionOutcome, PartitionReport, UnitOfPlan};
use crate::rounds::RoundKind;
use crate::segment::{
    CLEANER_CHECKPOINT, FileName, Kind, LOG_START_CHECKPOINT, OffsetCheckpoint, PartitionDir,
    Place, Sources, Suffix, TopicPartition, by_log_dir, carry_checkpoints, carry_identity,
    change_checkpoints, is_carried, partition_name, partitions_in,
};
use crate::swap::{Claim, PartitionClaim, Replaced, deleted_bytes, list, unclean_shutdown};
use crate::units::Offset;

/// Where the output is to go.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Output {
    /// Into this folder, which must not exist, be empty, or hold this source's earlier rounds.
    Folder(PathBuf),
    /// Into this folder, which other runs fill at the same time, each with partitions of its own.
    SharedFolder {
        /// The folder, which must not exist, be empty, or hold what these runs write, and earlier
        /// rounds of it.
        folder: PathBuf,
        /// What tells these runs from others.
        plan: String,
        /// Which of them this is.
        unit: usize,
        /// The partitions of all of them.
        partitions: Arc<BTreeSet<TopicPartition>>,
    },
    /// In place of the source.
    InPlace {
        /// Also where a broker did not stop as it should.
        force: bool,
        /// What becomes of the segments that are replaced.
        replaced: Replaced,
    },
}

impl Output {
    /// Whether the source itself is to be changed.
    pub fn is_in_place(&self) -> bool {
        matches!(self, Output::InPlace { .. })
    }

    /// The folder, if it is not the source itself.
    pub fn folder(&self) -> Option<&Path> {
        match self {
            Output::Folder(folder) | Output::SharedFolder { folder, .. } => Some(folder),
            Output::InPlace { .. } => None,
        }
    }

    /// Which unit of which plan is to write, if it is one.
    pub fn unit(&self) -> Option<UnitOfPlan> {
        match self {
            Output::SharedFolder { plan, unit, .. } => {
                Some(UnitOfPlan { plan: plan.clone(), number: *unit })
            }
            Output::Folder(_) | Output::InPlace { .. } => None,
        }
    }

    /// Refuses a folder that is to be shared, but holds what none of its runs would put there.
    ///
    /// # Errors
    /// That, with what to do.
    pub fn refuse_strangers(folder: &Path, partitions: &BTreeSet<TopicPartition>) -> Result<()> {
        Staging::refuse_strangers(folder, may_be_there(folder, partitions))
    }

    /// Refuses to read what lies in the output folder: without `--in-place` nothing that is read
    /// is changed.
    ///
    /// # Errors
    /// That, with what to do.
    pub fn refuse_sources_within<'a>(
        &self,
        read: impl IntoIterator<Item = &'a PathBuf>,
    ) -> Result<()> {
        let Some(out) = self.folder() else { return Ok(()) };
        let Ok(full) = fs::canonicalize(out) else { return Ok(()) };
        let lies_within =
            |path: &&PathBuf| fs::canonicalize(path).is_ok_and(|path| path.starts_with(&full));
        match read.into_iter().find(lies_within) {
            None => Ok(()),
            Some(path) => Err(Error::refused(format!(
                "{}: lies inside the output {}, which would change it; name another place with \
                 --out, or say --in-place",
                path.display(),
                out.display()
            ))),
        }
    }
}

/// What may lie in a folder that runs share which put these partitions there.
fn may_be_there(folder: &Path, partitions: &BTreeSet<TopicPartition>) -> impl Fn(&str) -> bool {
    let mut places = partitions.iter().map(|name| folder.join(name.to_string()));
    // A broker may have been started on what earlier rounds have left.
    let holds_rounds = places.any(|place| holds_rounds(&place));
    move |name| {
        let planned = TopicPartition::parse(name);
        let is_planned = planned.is_some_and(|name| partitions.contains(&name));
        holds_rounds || is_planned || is_carried(name)
    }
}

/// Where the output goes, opened.
pub enum Destination {
    /// Nowhere: a dry run.
    Nowhere,
    /// Into a folder, which no broker has.
    Folder {
        /// The folder, and where partitions are written before they have their names.
        staging: Staging,
        /// Ours as long as this lives.
        _claim: Claim,
    },
    /// In place of the source.
    InPlace {
        /// The disk that it lies on.
        disk: Disk,
        /// What becomes of the segments that are replaced.
        replaced: Replaced,
        /// The source is ours as long as this lives.
        _claim: Claim,
    },
}

impl Destination {
    /// Opens the output of a run over `sources`.
    ///
    /// # Errors
    /// Refused: a folder that is not empty; a source that somebody works on, or that a broker has
    /// to recover first. The system's.
    pub fn open(output: &Output, disk: &Disk, sources: &Sources) -> Result<Destination> {
        match output {
            Output::Folder(out) => {
                let names = sources.partitions.iter().filter_map(|path| partition_name(path));
                let mut places = names.map(|name| out.join(name.to_string()));
                let is_ours = places.any(|place| holds_rounds(&place));
                let open = if is_ours { Staging::resume } else { Staging::create };
                let staging = open(disk, out)?;
                Ok(Destination::Folder { staging, _claim: Claim::on_folder(out)? })
            }
            Output::SharedFolder { folder, plan, unit, partitions } => {
                let member = Member { group: plan, number: *unit };
                let may_be_there = may_be_there(folder, partitions);
                let staging = Staging::join(disk, folder, member, may_be_there)?;
                Ok(Destination::Folder { staging, _claim: Claim::on_shared_folder(folder)? })
            }
            Output::InPlace { force, replaced } => {
                let claim = Claim::on(sources)?;
                if let Some(dir) = unclean_shutdown(sources).filter(|_| !force) {
                    return Err(Error::refused(format!(
                        "{}: the broker was not shut down cleanly (no .kafka_cleanshutdown), so \
                         logs may end in unfinished writes; start and stop a broker on it, or run \
                         `logcompact repair --truncate --in-place`, then pass --force",
                        dir.display()
                    )));
                }
                // Each is claimed again when its turn comes; but who works on one is to be known
                // before anything is changed.
                for path in &sources.partitions {
                    PartitionClaim::on(path)?;
                }
                Ok(Destination::InPlace { disk: disk.clone(), replaced: *replaced, _claim: claim })
            }
        }
    }

    /// Whether the source itself is changed.
    pub fn is_in_place(&self) -> bool {
        matches!(self, Destination::InPlace { .. })
    }

    /// Where the temporary file of the whole run goes if nothing is said: what is staged may come
    /// and go.
    pub fn temp_dir_of_run<'a>(&'a self, source: &'a Path) -> Option<&'a Path> {
        match self {
            Destination::Folder { staging, .. } => Some(staging.out()),
            _ => self.temp_dir(source),
        }
    }

    /// Where temporary files go if nothing is said; a dry run has none.
    pub fn temp_dir<'a>(&'a self, source: &'a Path) -> Option<&'a Path> {
        match self {
            Destination::Nowhere => None,
            Destination::Folder { staging, .. } => Some(staging.dir()),
            Destination::InPlace { .. } => Some(source),
        }
    }

    /// Where a partition is written until it is committed.
    ///
    /// # Errors
    /// The system's.
    pub fn place_for(&self, source: &PartitionDir, name: &TopicPartition) -> Result<Option<Place>> {
        match self {
            Destination::Nowhere => Ok(None),
            Destination::Folder { staging, .. } => {
                let dir = staging.place_of(&name.to_string());
                source.disk.create_dir(&dir)?;
                Ok(Some(Place::folder(&source.disk, &dir)))
            }
            Destination::InPlace { disk, .. } => {
                let log = source.segments.first().map(|segment| segment.path(Kind::Log));
                let unreadable = |path: &Path, error| Error::io(path, "cannot read", error);
                let owner = log
                    .map(|log| Owner::of(&log).map_err(|error| unreadable(&log, error)))
                    .transpose()?;
                let (disk, dir) = (disk.clone(), source.path.clone());
                let suffix = Some(Suffix::Cleaned);
                Ok(Some(Place { disk, dir, suffix, owner, unsynced: None }))
            }
        }
    }

    /// The folder in which a partition that is to lie at `path` comes to be.
    pub fn staged(&self, name: &TopicPartition, path: &Path) -> PathBuf {
        match self {
            Destination::Folder { staging, .. } => staging.place_of(&name.to_string()),
            _ => path.into(),
        }
    }

    /// Gives what was written of a partition its final names. How many bytes of what it replaces
    /// are left as `.deleted` files.
    ///
    /// # Errors
    /// The system's.
    pub fn commit(&self, name: &TopicPartition, place: &Place, commit: &Commit) -> Result<u64> {
        match self {
            Destination::Nowhere => Ok(0),
            Destination::Folder { staging, .. } => staging.commit(&name.to_string()).map(|()| 0),
            Destination::InPlace { replaced, .. } => {
                commit.carry_out(place, *replaced)?;
                Ok(match replaced {
                    Replaced::Removed => 0,
                    Replaced::LeftDeleted => deleted_bytes(&place.dir),
                })
            }
        }
    }

    /// Removes what was written of a partition.
    ///
    /// # Errors
    /// The system's.
    pub fn discard(&self, name: &TopicPartition, place: &Place) -> Result<()> {
        match self {
            Destination::Nowhere => Ok(()),
            Destination::Folder { staging, .. } => staging.discard(&name.to_string()),
            Destination::InPlace { disk, .. } => {
                let is_ours = |file: &FileName| file.suffix == Some(Suffix::Cleaned);
                let files = list(&place.dir)?;
                let paths = files.iter().filter(|file| is_ours(file));
                paths.map(|file| place.dir.join(file.to_string())).try_for_each(|p| disk.remove(&p))
            }
        }
    }

    /// The partitions that lie in the output folder though the run has put none of that name there,
    /// by name.
    ///
    /// # Errors
    /// The system's: that the folder cannot be listed.
    pub fn others(&self, reports: &[PartitionReport]) -> Result<Vec<String>> {
        let Destination::Folder { staging, .. } = self else { return Ok(Vec::new()) };
        let included = reports.iter().filter(|report| report.destination.is_some());
        let included: BTreeSet<TopicPartition> = included.map(name_of).collect();
        let found = partitions_in(staging.out())?;
        let others = found.iter().filter_map(|path| partition_name(path));
        let mut others: Vec<TopicPartition> = others.filter(|it| !included.contains(it)).collect();
        others.sort();
        Ok(others.iter().map(TopicPartition::to_string).collect())
    }

    /// Ends the run: what a log directory has beside its partitions. Whether any of that changed in
    /// an output folder.
    ///
    /// # Errors
    /// The system's.
    pub fn close(self, sources: &Sources, reports: &[PartitionReport]) -> Result<bool> {
        match self {
            Destination::Nowhere => Ok(false),
            Destination::Folder { staging, .. } => {
                // Also those in which nothing was to do: a run that was killed behind its last
                // commit did not come to this.
                let included = reports.iter().filter(|report| report.destination.is_some());
                let included: BTreeSet<TopicPartition> = included.map(name_of).collect();
                if included.is_empty() {
                    return staging.finish().map(|()| false);
                }
                let turn = staging.turn()?;
                let (disk, out) = (staging.disk(), staging.out());
                let said =
                    carry_checkpoints(disk, sources, out, &included, |name, before, all| {
                        if name == CLEANER_CHECKPOINT {
                            all.offsets.extend(reports.iter().filter_map(cleaned_to));
                        }
                        if name == LOG_START_CHECKPOINT {
                            keep_log_starts(reports, before, all);
                            forget_starts_behind_the_end(reports, all);
                        }
                    })?;
                let is_written = reports.iter().any(PartitionReport::is_written);
                let who = carry_identity(disk, sources, out, is_written)?;
                drop(turn);
                staging.finish().map(|()| said || who)
            }
            // `LogCleanerManager.updateCheckpoints`.
            Destination::InPlace { disk, _claim, .. } => {
                let by_source: HashMap<&Path, &PartitionReport> =
                    reports.iter().map(|report| (report.source.as_path(), report)).collect();
                let by_dir =
                    by_log_dir(sources, |path| Some(cleaned_to(by_source.get(path.as_path())?)?.1));
                change_checkpoints(&disk, by_dir, CLEANER_CHECKPOINT, |cleaned, all| {
                    all.offsets.extend(cleaned);
                })?;
                Ok(false)
            }
        }
    }
}

/// What the source has deleted since, the destination has still; one that began with another
/// directory starts where that did.
fn keep_log_starts(
    reports: &[PartitionReport],
    before: &OffsetCheckpoint,
    all: &mut OffsetCheckpoint,
) {
    let continued = |report: &&PartitionReport| {
        report.round.as_ref().is_some_and(|round| round.is_upon_others())
    };
    let rebased = |report: &&PartitionReport| {
        report.round.as_ref().is_some_and(|round| round.kind == RoundKind::Rebase.name())
    };
    for report in reports.iter().filter(rebased) {
        let (name, start) = (name_of(report), report.log_start_offset);
        if start > Offset(0) {
            all.offsets.insert(name, start);
        } else {
            all.offsets.remove(&name);
        }
    }
    for report in reports.iter().filter(continued) {
        let name = name_of(report);
        match before.offsets.get(&name).copied().max(report.kept_start) {
            Some(start) => all.offsets.insert(name, start),
            None => all.offsets.remove(&name),
        };
    }
}

/// A broker would delete a log that is said to start behind its end.
fn forget_starts_behind_the_end(reports: &[PartitionReport], all: &mut OffsetCheckpoint) {
    for report in reports {
        let name = name_of(report);
        if all.offsets.get(&name).is_some_and(|start| *start > report.log_end_offset) {
            all.offsets.remove(&name);
        }
    }
}

fn name_of(report: &PartitionReport) -> TopicPartition {
    TopicPartition { topic: report.topic.clone(), partition: report.partition }
}

fn cleaned_to(report: &PartitionReport) -> Option<(TopicPartition, Offset)> {
    // What the rounds before have cleaned stays clean.
    let continued = report.round.as_ref().filter(|round| round.is_upon_others());
    if let Some(round) = continued.filter(|round| round.high_watermark.0 >= 0) {
        return Some((name_of(report), round.high_watermark.next()));
    }
    let is_cleaned = report.outcome == PartitionOutcome::Compacted;
    is_cleaned.then(|| (name_of(report), report.end_offset))
}
