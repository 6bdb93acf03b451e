//! One pass over both logs: the one before is read on a thread of its own, some rows ahead.

use std::ops::ControlFlow;
use std::sync::mpsc::{SyncSender, sync_channel};
use std::thread;

use super::super::finding::Findings;
use super::both::Both;
use super::held::Held;
use super::latest::Latest;
use super::merge::{Merge, Told};
use super::reader::Reader;
use super::row::{Row, Seeds};
use super::rule::StateRule;
use super::side::Side;
use super::{Erased, Range, Relation};
use crate::report::Progress;

/// Rows that are handed over together: enough to make that cheap.
const CHUNK_ROWS: usize = 1024;
/// How many chunks the one thread may be ahead of the other.
const CHUNKS_AHEAD: usize = 4;

/// What each pass has to go by.
pub struct Pass<'a> {
    /// Both directories.
    pub sides: &'a Both<Side>,
    /// What they are to each other.
    pub relation: Relation,
    /// What was to be erased.
    pub erased: Option<Erased<'a>>,
    /// The offsets that are compared.
    pub range: Range,
    /// What digests are keyed with.
    pub seeds: &'a Seeds,
    /// Which record is the state.
    pub rule: &'a StateRule,
}

impl Pass<'_> {
    /// A reader of one side.
    pub fn reader<'b>(&'b self, side: &'b Side, progress: &'b dyn Progress) -> Reader<'b> {
        let start = self.range.start;
        Reader::new(side, self.seeds, self.rule, start, progress).without(self.erased)
    }

    /// Takes note of the keys whose pass it is, and tells of records if there is someone to tell;
    /// what was found in reading. Keys with two records where they may have one are `doubled`.
    pub fn run<H: Held>(
        &self,
        latest: &mut Latest<H>,
        told: Option<&mut Told>,
        doubled: &mut Findings,
        progress: &dyn Progress,
    ) -> Findings {
        let (sender, receiver) = sync_channel(CHUNKS_AHEAD);
        thread::scope(|scope| {
            let before =
                scope.spawn(move || send_rows(self.reader(&self.sides.before, progress), &sender));
            let mut merge = Merge {
                before: receiver.into_iter().flatten().peekable(),
                sides: self.sides,
                end: self.range.end,
                relation: self.relation,
                latest,
                doubled,
                told,
            };
            let reader = self.reader(&self.sides.after, progress).refusing_erased();
            let found_after = reader.read(|row, _| {
                merge.after(row);
                ControlFlow::Continue(())
            });
            merge.finish();
            let joined = before.join();
            let mut found = joined.unwrap_or_else(|panic| std::panic::resume_unwind(panic));
            found.append(found_after);
            found
        })
    }
}

fn send_rows(reader: Reader<'_>, sender: &SyncSender<Vec<Row>>) -> Findings {
    let mut chunk = Vec::with_capacity(CHUNK_ROWS);
    let found = reader.read(|row, _| {
        chunk.push(row);
        if chunk.len() < CHUNK_ROWS {
            return ControlFlow::Continue(());
        }
        let full = std::mem::replace(&mut chunk, Vec::with_capacity(CHUNK_ROWS));
        match sender.send(full) {
            Ok(()) => ControlFlow::Continue(()),
            Err(_) => ControlFlow::Break(()), // nobody listens any more
        }
    });
    let _ = sender.send(chunk);
    found
}
