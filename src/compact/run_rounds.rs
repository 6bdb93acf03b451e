//! A partition of a run that goes its rounds: opened, compacted, put in its place.

use std::path::{Path, PathBuf};

use super::partition::compact;
use super::round::{self, Begun, Standing, holds_rounds};
use super::run::{Opened, Run};
use super::task::{Done, Task};
use crate::error::{Error, Result};
use crate::rounds::StateDir;
use crate::segment::{PartitionDir, Place};

impl Run<'_> {
    /// The destination of a partition, if it holds rounds or is to hold the first.
    pub(super) fn rounds_of(&self, opened: &Opened) -> Result<Option<PathBuf>> {
        let Some(out) = self.options.output.folder() else { return Ok(None) };
        let path = out.join(opened.name.to_string());
        let keeps_state = self.options.rounds.keep_rounds > 0;
        if holds_rounds(&path) {
            return if keeps_state {
                Ok(Some(path))
            } else {
                Err(Error::refused(format!(
                    "{}: holds rounds, which --keep-rounds 0 would forget; leave it out, or name \
                     another folder with --out",
                    path.display()
                )))
            };
        }
        if path.exists() && !self.options.dry_run {
            return Err(Error::refused(format!(
                "{}: was not written in rounds, so no round can follow; name another folder with \
                 --out, and the old one with --rebase-from",
                path.display()
            )));
        }
        // A dry run would leave no state, and what the state is made of need not be found out.
        let needs_none = !keeps_state || self.options.dry_run;
        Ok(Some(path).filter(|_| !(needs_none && self.options.rounds.is_plain())))
    }

    /// Compacts in rounds, and commits unless the partition is to be left alone.
    pub(super) fn round(
        &self,
        opened: &Opened,
        source: &PartitionDir,
        path: &Path,
    ) -> Result<Done> {
        let (options, policy) = (&self.options.rounds, &self.options.policy);
        let (disk, dry_run) = (&self.options.disk, self.options.dry_run);
        if !holds_rounds(path) {
            let staged = self.destination.staged(&opened.name, path);
            let state = StateDir::within(disk, &staged);
            let begun = match round::start(source, path, state, 1, options, policy) {
                Err(error) => return self.survive(error, None),
                Ok(begun) => begun.within(&self.budget_of(opened)),
            };
            let place = self.destination.place_for(source, &opened.name)?;
            let temp_dir = self.destination.temp_dir(&source.path);
            return self.carry_out(opened, &begun, place, temp_dir, |place, done| {
                if options.keep_rounds == 0 {
                    disk.remove_dir_if_there(begun.round.state.path())?;
                }
                self.destination.commit(&opened.name, place, &done.commit).map(|_| ())
            });
        }
        let mut standing = Standing::open(disk, path, options, dry_run)?;
        let budget = self.budget_of(opened);
        let mut reindex = || standing.reindex(policy, (&budget, &self.archive), options);
        let reindexed_bytes = options.reindex.then(&mut reindex).transpose()?;
        let begun = match standing.round(source, options, policy) {
            Err(error) => return self.survive(error, None),
            Ok(begun) => begun.within(&budget),
        };
        let place = (!dry_run).then(|| Place::folder(disk, &standing.staged()));
        let done = self.carry_out(opened, &begun, place, Some(standing.folder()), |_, done| {
            let commit = |journal| standing.commit(journal, options.keep_rounds);
            done.journal.as_ref().map_or_else(|| standing.discard(), commit)
        })?;
        Ok(match reindexed_bytes {
            Some(bytes_read) => done.though_reindexed(bytes_read),
            None => done,
        })
    }

    /// Compacts what a round has `begun`; `commit` makes it final.
    fn carry_out(
        &self,
        opened: &Opened,
        begun: &Begun<'_>,
        place: Option<Place>,
        temp_dir: Option<&Path>,
        commit: impl FnOnce(&Place, &Done) -> Result<()>,
    ) -> Result<Done> {
        let temp_dir = self.options.temp_dir.as_deref().or(temp_dir);
        let task = Task {
            source: &begun.source,
            in_place: false,
            log_start: begun.round.log_start(opened.log_start),
            first_dirty: begun.round.first_dirty(opened.first_dirty),
            place: place.clone(),
            temp_dir,
            budget: self.budget_of(opened),
            archive: &self.archive,
            round: Some(&begun.round),
        };
        let done = compact(&task, &self.policy_of(opened), self.progress);
        let done = done.or_else(|error| self.survive(error, temp_dir));
        let Some(place) = place else { return done };
        let done = done.and_then(|done| self.ask_about_round(begun, &place, done));
        let mut done = match done {
            Ok(done) if done.left_alone.is_none() && done.idle.is_none() => {
                commit(&place, &done)?;
                done
            }
            other => {
                // The failure is what counts; what stays behind has no final name.
                drop(place.disk.remove_dir_if_there(&place.dir));
                drop(begun.round.state.forget(begun.round.number));
                other?
            }
        };
        done.warnings.extend(begun.warnings.iter().cloned());
        Ok(done)
    }

    /// The same, of a round: before it the destination goes on where the source begins.
    fn ask_about_round(&self, begun: &Begun<'_>, place: &Place, done: Done) -> Result<Done> {
        let is_written = done.left_alone.is_none() && done.idle.is_none();
        if self.options.witness.is_none() || !is_written {
            return Ok(done);
        }
        let (before, after) = begun.before_and_after(place, &done.rewritten)?;
        let first = before.segments.first().map_or(done.log_end, |segment| segment.base);
        let log_start = match (&begun.round.earlier, &done.plan) {
            (None, Some(plan)) => plan.log_start,
            (None, None) => first,
            (Some(earlier), _) => first.max(earlier.file.unindexed_below),
        };
        self.ask_witness(&before, after, Some(log_start), done)
    }
}
