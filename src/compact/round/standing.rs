//! What stands in a destination when a run begins, and what round follows from that.
//!
//! 1. The lock is taken; a round that was interrupted is finished or undone.
//! 2. The current round file is read; it must fit the files that are there and the rules of this
//!    run, or the run is refused.
//! 3. The source is looked at from the watermark on only, unless the round starts over.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use super::ahead::{Marks, active_base, ahead, gap, onward, starts_at, with_border};
use super::base_ends::BaseEnds;
use super::conclusion::{rules, topic_id};
use super::copies::first_difference;
use super::index::KeyIndex;
use super::layout::layout;
use super::options::RoundOptions;
use super::reindex::reindex;
use super::this_round::{Base, Earlier, Round};
use crate::compact::budget::Budget;
use crate::compact::evidence::Archive;
use crate::compact::policy::Policy;
use crate::disk::{Busy, Disk, LockedFile};
use crate::error::{Error, ErrorKind, Result};
use crate::rounds::{
    Change, DeadOffsets, Journal, KeyHashSeed, MOST_OFFSET, RoundFile, RoundIo, RoundKind,
    StateDir, differences,
};
use crate::segment::{PartitionDir, Place, TopicPartition, partition_name};
use crate::swap::{PartitionClaim, view};
use crate::units::Offset;

/// Whether the partition directory at `path` holds rounds.
pub fn holds_rounds(path: &Path) -> bool {
    path.join(StateDir::NAME).is_dir()
}

/// Whether the key index has room for the offsets of `source`: a log of which it has not is
/// compacted without a state.
pub fn can_be_indexed(source: &PartitionDir) -> bool {
    let last = source.segments.last().map_or(Offset(0), |segment| segment.base);
    last.0 < MOST_OFFSET - i64::from(i32::MAX) - 1
}

/// A destination's partition directory, ours as long as this lives.
pub struct Standing {
    path: PathBuf,
    disk: Disk,
    state: StateDir,
    current: Option<RoundFile>,
    dir: PartitionDir,
    _lock: Option<LockedFile>,
    /// Against those of us that know of no rounds.
    _claim: Option<PartitionClaim>,
}

/// A round that follows, and what it reads.
pub struct Begun<'a> {
    /// The source as the round sees it.
    pub source: PartitionDir,
    /// The round.
    pub round: Round<'a>,
    /// What the operator should know.
    pub warnings: Vec<String>,
    /// Whether between what it is rebased on and the source there are offsets that neither has.
    pub has_gap: bool,
}

impl Begun<'_> {
    /// The same within a budget.
    pub fn within(self, budget: &Budget) -> Self {
        Begun { round: self.round.within(budget), ..self }
    }

    /// The partition as it was, with what is new of the source behind it, and as it will be once
    /// what is staged at `place` is in its place.
    ///
    /// # Errors
    /// The system's.
    pub fn before_and_after(
        &self,
        place: &Place,
        met: &[usize],
    ) -> Result<(PartitionDir, PartitionDir)> {
        let mut before = self.source.clone();
        let mut after = PartitionDir::open_on(&place.disk, &place.dir)?;
        after.name.clone_from(&self.source.name);
        if let Some(earlier) = &self.round.earlier {
            let compacted = &earlier.compacted.segments;
            before.segments.splice(0..0, compacted.iter().cloned());
            let kept = compacted.iter().enumerate();
            let kept = kept.filter(|(number, _)| !met.contains(number));
            after.segments.extend(kept.map(|(_, segment)| segment.clone()));
            after.segments.sort_by_key(|segment| segment.base);
        }
        Ok((before, after))
    }
}

impl Standing {
    /// Opens the destination at `path`, which holds rounds.
    ///
    /// # Errors
    /// Refused: a lock that somebody holds; state that is damaged (unless `options` start over);
    /// in a dry run, a round that was interrupted. The system's.
    pub fn open(
        disk: &Disk,
        path: &Path,
        options: &RoundOptions,
        dry_run: bool,
    ) -> Result<Standing> {
        let claim = if dry_run { None } else { Some(PartitionClaim::on(path)?) };
        let state = StateDir::within(disk, path);
        let path_of_lock = state.lock_file();
        let lock = if dry_run {
            LockedFile::take_as_it_is(&path_of_lock)
        } else {
            LockedFile::take(&path_of_lock).map(Some)
        };
        let lock = lock.map_err(|busy| match busy {
            Busy::Held => busy.by_us(path),
            Busy::Io(_) => busy.by_us(&path_of_lock),
        })?;
        let starts_over = options.full || options.rebase.is_some();
        let interrupted = match Journal::load(&state) {
            // Whatever it was to do, all of it is written anew.
            Err(_) if starts_over => None,
            outcome => outcome?,
        };
        if let Some(journal) = interrupted.filter(|_| !(starts_over && dry_run)) {
            if dry_run {
                return Err(Error::refused(format!(
                    "{}: round {} was interrupted; run it without --dry-run, which finishes it",
                    path.display(),
                    journal.round()
                )));
            }
            match journal.complete(disk, path) {
                Err(_) if starts_over => {}
                outcome => {
                    outcome?;
                    state.collect_garbage(options.keep_rounds as usize)?;
                }
            }
        }
        if starts_over && !dry_run {
            disk.remove_dir_if_there(&state.next_dir())?;
        }
        let current = match state.current() {
            Err(_) if starts_over => None,
            outcome => outcome?,
        };
        if current.is_some() && !starts_over && !dry_run && state.has_garbage()? {
            // What a round has left that was interrupted before its commit, or right behind it.
            // (Who starts over may do so because of a journal that cannot be carried out.)
            state.collect_garbage(usize::MAX)?;
        }
        let dir = PartitionDir::open_on(disk, path)?;
        Ok(Standing {
            path: path.into(),
            disk: disk.clone(),
            state,
            current,
            dir,
            _lock: lock,
            _claim: claim,
        })
    }

    /// The round that follows, over `source`.
    ///
    /// # Errors
    /// Refused, with what to do. The system's.
    pub fn round<'a>(
        &'a self,
        source: &'a PartitionDir,
        options: &'a RoundOptions,
        policy: &Policy,
    ) -> Result<Begun<'a>> {
        let number = self.state.next_round()?;
        let state = self.state.clone();
        if options.full || options.rebase.is_some() {
            self.refuse_loss(source, options)?;
            let begun = start(source, &self.path, state, number, options, policy)?;
            self.refuse_gap(&begun, options)?;
            return Ok(begun);
        }
        let Some(file) = &self.current else { return Err(self.no_round()) };
        self.refuse_changed(file)?;
        refuse_other_rules(file, policy)?;
        refuse_other_topic(file, source)?;
        if file.kept_damage && policy.rewrites.erased.is_some() {
            return Err(Error::refused(format!(
                "{}: holds damaged batches that an earlier round has kept, in which no key can be \
                 looked for; pass --full, with --on-damage skip",
                self.path.display()
            )));
        }
        let end = file.end_offset();
        let (marks, kept) = (Marks::of(file), file.source.kept_damage.as_ref());
        // Up to the log's end the last round carried it over. (It may have ended in front of where
        // the log started already.)
        let rolled_to = self.dir.segments.last().map_or(Offset(0), |last| last.base);
        let held_end = file.source.log_end_offset.max(file.unindexed_below).max(rolled_to);
        let mut view = ahead(source, end, &marks, kept, held_end)?;
        let bound = border(&mut view, options, policy)?.map(|bound| bound.max(end));
        let (seed, layout) = (file.hash.seed, layout(&policy.topic.strategy));
        let made_for = (seed, layout);
        let (runs, layers) = (file.index.clone(), file.layers.clone());
        let index = KeyIndex::new(&self.disk, self.state.path(), made_for, runs, layers)?;
        let round = Round {
            options,
            number,
            kind: RoundKind::Incremental,
            seed,
            layout,
            index,
            earlier: Some(self.earlier(file, self.state.dead(file)?)),
            bound,
            source,
            base: None,
            destination: &self.path,
            state,
        };
        Ok(Begun { source: view, round, warnings: Vec::new(), has_gap: false })
    }

    /// Builds the key index anew from the segments that are there: a round that changes nothing
    /// else. How many bytes of them were read.
    ///
    /// # Errors
    /// Refused, with what to do. The system's.
    pub fn reindex(
        &mut self,
        policy: &Policy,
        with: (&Budget, &Arc<Archive>),
        options: &RoundOptions,
    ) -> Result<u64> {
        let Some(file) = &self.current else { return Err(self.no_round()) };
        self.refuse_changed(file)?;
        refuse_other_rules(file, policy)?;
        let number = self.state.next_round()?;
        let (seed, layout) = (file.hash.seed, layout(&policy.topic.strategy));
        let (to_dir, made_for) = (self.state.path(), (seed, layout));
        let empty = KeyIndex::new(&self.disk, to_dir, made_for, Vec::new(), Vec::new())?;
        // Which records are superseded the segments say as well.
        let dead = match self.state.dead(file) {
            Err(Error { kind: ErrorKind::Refused(_), .. }) => DeadOffsets::default(),
            dead => dead?,
        };
        let earlier = self.earlier(file, dead);
        let to = (to_dir, number);
        let done = reindex(&earlier, &empty, (seed, layout), to, policy, with)?;
        let mut renewed = RoundFile {
            round: number,
            parent_round: Some(file.round),
            kind: RoundKind::Reindex,
            index: done.index.base,
            layers: done.index.layers,
            dead: done.dead.write(&Place::folder(&self.disk, to_dir), to_dir, number)?,
            io: RoundIo {
                destination_bytes_read: file.segments.iter().map(|segment| segment.bytes).sum(),
                bytes_written: done.index.bytes_written,
                segments_untouched: file.segments.len() as u64,
                ..RoundIo::default()
            },
            ..file.clone()
        };
        for segment in &mut renewed.segments {
            segment.dead = done.dead.count_in(segment.base_offset..segment.next_offset);
        }
        self.state.write(&renewed)?;
        let journal = Journal::of(&self.state, number, Vec::new(), Change::default())?;
        self.commit(&journal, options.keep_rounds)?;
        let bytes_read = renewed.io.destination_bytes_read;
        self.current = Some(renewed);
        Ok(bytes_read)
    }

    fn no_round(&self) -> Error {
        Error::refused(format!(
            "{}: its state names no round; pass --full to start over from the source",
            self.path.display()
        ))
    }

    /// What stands, by the current round.
    fn earlier(&self, file: &RoundFile, dead: DeadOffsets) -> Earlier {
        let end = file.end_offset();
        let mut compacted = self.dir.clone();
        compacted.segments.retain(|segment| segment.base < end);
        let last = self.dir.segments.last().filter(|last| last.size_bytes == 0);
        let rolled_to = last.map(|last| last.base);
        Earlier { file: file.clone(), compacted, dead, end, rolled_to }
    }

    /// Where a round is staged.
    pub fn staged(&self) -> PathBuf {
        self.state.next_dir()
    }

    /// A folder that is there.
    pub fn folder(&self) -> &Path {
        self.state.path()
    }

    /// Does what is left to do, once all is staged: from here on it is finished, whatever happens.
    ///
    /// # Errors
    /// The system's.
    pub fn commit(&self, journal: &Journal, keep_rounds: u32) -> Result<()> {
        // Of a commit that could not be finished, and is replaced as a whole.
        for file in self.dir.leftovers.iter() {
            self.disk.remove_if_there(&self.path.join(file.to_string()))?;
        }
        if !self.dir.leftovers.is_empty() {
            // If they came back, a broker would take them for a swap of this one.
            self.disk.sync_dir(&self.path)?;
        }
        journal.write(&self.state)?;
        journal.complete(&self.disk, &self.path)?;
        self.state.collect_garbage(keep_rounds as usize)
    }

    /// Removes what a round that failed has left.
    ///
    /// # Errors
    /// The system's.
    pub fn discard(&self) -> Result<()> {
        self.disk.remove_dir_if_there(&self.state.next_dir())
    }

    /// Whoever starts over loses what the source has no more.
    fn refuse_loss(&self, source: &PartitionDir, options: &RoundOptions) -> Result<()> {
        match (self.dir.log_start(), source.log_start()) {
            (Some(here), Some(there))
                if here < there && !options.force && options.rebase.is_none() =>
            {
                Err(Error::refused(format!(
                    "the source begins at offset {there}, but the destination at {here}: starting \
                     over would lose what only the destination has; --rebase-from it into another \
                     folder, or pass --force too"
                )))
            }
            _ => Ok(()),
        }
    }

    /// Whoever rebases again loses what neither the base nor the source has, or has any more.
    fn refuse_gap(&self, begun: &Begun<'_>, options: &RoundOptions) -> Result<()> {
        let base = begun.round.base.as_ref().map(|base| &base.dir);
        let base = base.filter(|base| !base.segments.is_empty());
        let (here, there) = (self.dir.log_start(), base.unwrap_or(begun.round.source).log_start());
        let begins_earlier = here.zip(there).is_some_and(|(here, there)| here < there);
        let stands = self.current.is_some() && here.is_some();
        if options.force || !(begins_earlier || (stands && begun.has_gap)) {
            return Ok(());
        }
        Err(Error::refused(format!(
            "{}: holds rounds, with records that --rebase-from and the source may have no more; \
             leave --rebase-from out to go on with them, name another folder with --out, or pass \
             --force too",
            self.path.display()
        )))
    }

    /// The files must be those that the last round left.
    fn refuse_changed(&self, file: &RoundFile) -> Result<()> {
        if differences(file, &self.dir.segments).next().is_none() {
            return Ok(());
        }
        Err(Error::refused(format!(
            "{}: its segments are not those that round {} left; somebody else wrote here; pass \
             --full to start over, or take it as --rebase-from for another folder",
            self.path.display(),
            file.round
        )))
    }
}

/// The round that starts over, or is the first: of `source` alone, or upon what it is rebased on.
///
/// # Errors
/// Refused, with what to do. The system's.
pub fn start<'a>(
    source: &'a PartitionDir,
    destination: &'a Path,
    state: StateDir,
    number: u64,
    options: &'a RoundOptions,
    policy: &Policy,
) -> Result<Begun<'a>> {
    let (mut warnings, mut has_gap) = (Vec::new(), false);
    let (mut view, base) = match &options.rebase {
        None => (source.clone(), None),
        Some(_) => {
            let (view, base, lies) = rebased(source, options)?;
            has_gap = matches!(lies, Some(BaseEnds::InFrontOfSource(..)));
            warnings.extend(lies.map(|lies| lies.to_string()));
            let behind = view.segments.get(base.segments.len());
            let border = behind.map_or(Offset(0), |segment| segment.base);
            (view, Some(Base { dir: base, border }))
        }
    };
    let first = view.segments.first();
    let mark = first.map(|first| Marks::around(&view.segments, first.base)).transpose()?;
    let crc = mark.and_then(|marks| marks.behind).map_or(0, |mark| mark.crc);
    let bound = border(&mut view, options, policy)?;
    let name = source.name.as_ref().map_or_else(String::new, TopicPartition::to_string);
    let seed = KeyHashSeed::of_source(format!("{name} {crc}").as_bytes(), options.secret);
    let layout = layout(&policy.topic.strategy);
    let index = KeyIndex::new(&source.disk, state.path(), (seed, layout), Vec::new(), Vec::new())?;
    let kind = match (&base, number, options.full) {
        (Some(_), _, _) => RoundKind::Rebase,
        (None, 1, false) => RoundKind::Backfill,
        _ => RoundKind::Full,
    };
    let round = Round {
        options,
        number,
        kind,
        seed,
        layout,
        index,
        earlier: None,
        bound,
        source,
        base,
        destination,
        state,
    };
    Ok(Begun { source: view, round, warnings, has_gap })
}

/// Cuts `view` at the offset that it is to be compacted to; where, as a border.
fn border(
    view: &mut PartitionDir,
    options: &RoundOptions,
    policy: &Policy,
) -> Result<Option<Offset>> {
    let Some(last) = options.to_offset else { return Ok(None) };
    let end = last.next();
    let active = active_base(&view.segments).unwrap_or(end);
    let first = view.segments.first().map_or(end, |segment| segment.base);
    if end <= first {
        return Ok(Some(first));
    }
    if end > active && !policy.include_active {
        return Ok(None);
    }
    with_border(view, end).map(Some)
}

/// What was compacted before in another directory, and behind it the source.
fn rebased(
    source: &PartitionDir,
    options: &RoundOptions,
) -> Result<(PartitionDir, PartitionDir, Option<BaseEnds>)> {
    let Some(rebase) = &options.rebase else { return Err(Error::bug("no rebase")) };
    let from = directory_of(&rebase.from, source)?;
    let (mut base, _) = view(&source.disk, &from, false)?;
    // What the source holds in front of where it starts, it has deleted.
    let start = starts_at(source)?;
    let mut view = onward(source, start)?;
    let (reached, end) = (Marks::end_of(&base.segments)?, Marks::end_of(&view.segments)?);
    let asked = rebase.high_watermark.map(Offset::next);
    // What the base does not reach, the source may have; what the source has no more, the base.
    // There is always an active segment of the source, for the next round goes on with that.
    let border = match asked.map(|asked| asked.min(reached).max(start)) {
        None => start,
        Some(border) if border < end => border_of_both(&mut base, &mut view, border)?.max(start),
        Some(_) => view.segments.last().map_or(start, |active| active.base),
    };
    let same_ids = topic_id(&base).zip(topic_id(source)).map(|(a, b)| a == b);
    let different = match same_ids {
        Some(false) if reached > start => Some(start),
        _ => first_difference(&base.segments, &source.segments, border)?,
    };
    if let Some(offset) = different {
        return Err(Error::refused(format!(
            "{}: its offsets are not those of the source: at offset {offset} they hold different \
             records; a rebase needs two copies of one log",
            from.display()
        )));
    }
    let ends = match asked {
        _ if reached < border => Some(BaseEnds::InFrontOfSource(from, reached, border)),
        Some(asked) if reached < asked => Some(BaseEnds::InFrontOfWatermark(from, reached)),
        Some(asked) if asked < border => Some(BaseEnds::BehindWatermark(from, border)),
        _ if reached > end => Some(BaseEnds::BehindSource(from, reached, end)),
        _ => None,
    };
    border_of_both(&mut base, &mut view, border)?;
    view.segments.retain(|segment| segment.base >= border);
    base.segments.retain(|segment| segment.base < border);
    if view.segments.is_empty() {
        return Err(gap(border, start));
    }
    let segments = base.segments.iter().chain(&view.segments).cloned().collect();
    view.segments = segments;
    Ok((view, base, ends))
}

/// Where both have a border: at `border`, or in front of it where a batch there is damaged.
fn border_of_both(
    base: &mut PartitionDir,
    view: &mut PartitionDir,
    mut border: Offset,
) -> Result<Offset> {
    loop {
        let common = with_border(base, with_border(view, border)?)?;
        if common == border {
            return Ok(border);
        }
        border = common;
    }
}

/// The partition directory that is meant by a partition or log directory.
fn directory_of(from: &Path, source: &PartitionDir) -> Result<PathBuf> {
    let within = source.name.as_ref().map(|name| from.join(name.to_string()));
    let within = within.filter(|path| path.is_dir());
    let itself = (partition_name(from) == source.name).then(|| from.to_path_buf());
    itself.or(within).ok_or_else(|| {
        let name = source.name.as_ref().map_or_else(String::new, TopicPartition::to_string);
        Error::refused(format!("{}: holds no {name} to start from", from.display()))
    })
}

fn refuse_other_rules(file: &RoundFile, policy: &Policy) -> Result<()> {
    if policy.topic.cleanup.delete {
        return Err(Error::refused(
            "cleanup.policy has delete: a round keeps what the source deletes; leave it out, or \
             pass --full to start over",
        ));
    }
    file.rules.check(&rules(policy))
}

fn refuse_other_topic(file: &RoundFile, source: &PartitionDir) -> Result<()> {
    let name = source.name.as_ref();
    let same_name = name.is_some_and(|name| {
        (name.topic.as_str(), name.partition) == (&file.source.topic, file.source.partition)
    });
    let ids = file.source.topic_id.clone().zip(topic_id(source));
    let (then, now) = match ids {
        Some((then, now)) if then != now => (then, now),
        _ if !same_name => (
            format!("{}-{}", file.source.topic, file.source.partition),
            name.map_or_else(String::new, TopicPartition::to_string),
        ),
        _ => return Ok(()),
    };
    Err(Error::refused(format!(
        "this is another source: the destination holds topic {then}, this is {now}; compact it to \
         another folder with --out, or pass --full to start over from it"
    )))
}
