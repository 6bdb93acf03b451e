//! The batches of a stretch of log turned into lines, on whichever thread.
//!
//! Nothing goes from batch to batch but the position and the limit, so what is made of a stretch
//! does not depend on what was in front of it:
//! 1. what is no batch is reported and passed over; a batch with a wrong checksum is reported, and
//!    shown as far as it decodes: who looks at damage wants to see it;
//! 2. a batch outside the offsets is passed over, and once it is sure that the log has come behind
//!    them (see [`super::order`]), the file ends; passed over is also one that by
//!    its header has nothing that is wanted. Where single records decide, the batch itself is shown
//!    in front of the first that is wanted;
//! 3. newest first, the lines are made in the order of the log, then put the other way round;
//! 4. at the end of the active segment, an unfinished batch or a preallocated stretch of zeros is
//!    no damage: a broker is, or was, about to write there.

use std::io::{self, Write};
use std::mem;
use std::sync::atomic::{AtomicBool, Ordering};

use super::Failure;
use super::cuts::Stretch;
use super::order::Order;
use super::reverse::Reversal;
use super::selection::{Budget, Wanted};
use super::sink::{BatchView, RecordView, Sink};
use super::source::{LogKind, Source};
use crate::bytes::Cursor;
use crate::format::{Batch, BatchHeader, Decoder, Flaw, Record};
use crate::segment::{Damaged, LogFile};
use crate::units::Position;

/// Lines beyond this are written out, or the stretch is given up to be made while it is written.
const MOST_LINES_BYTES: usize = 16 << 20;
/// How many bytes of lines are written at once by who writes while it makes them.
const WRITE_BYTES: usize = 1 << 20;

/// What all stretches of a file have in common.
#[derive(Clone, Copy)]
pub(super) struct Scene<'a> {
    /// The file.
    pub(super) source: &'a Source,
    /// What kind of log it is.
    pub(super) kind: &'a LogKind,
    /// Its bytes.
    pub(super) log: &'a LogFile,
    /// What is asked for.
    pub(super) wanted: Wanted<'a>,
    /// What the lines look like.
    pub(super) sink: &'a dyn Sink,
    /// What the sink made of the file beforehand.
    pub(super) common: &'a [u8],
}

/// What is to be told beside the lines.
pub(super) enum Heard {
    /// Something is wrong at a place.
    Damage(Position, String),
    /// Something is worth knowing.
    Note(String),
}

/// What was made of a stretch.
pub(super) struct Shown {
    /// Its lines, but for those that were written already.
    pub(super) lines: Vec<u8>,
    /// What was found on the way.
    pub(super) heard: Vec<Heard>,
    /// The offsets of its batches.
    pub(super) order: Order,
    /// All batches in front of this were seen. Before the end of the stretch where it was given
    /// up, behind it where damage reaches further.
    pub(super) end: Position,
    /// How many lines count.
    pub(super) spent: u64,
    /// How many records were left out for having no timestamp.
    pub(super) untimed: u64,
    /// How many bytes at the file's end read as a batch that is not all there.
    pub(super) trailing_bytes: u64,
    /// Whether nothing behind this is wanted.
    pub(super) is_last: bool,
}

impl Shown {
    /// Nothing of a stretch that begins at `start`.
    fn begin(scene: Scene<'_>, start: Position, lines: Vec<u8>) -> Shown {
        let (order, end) = (Order::begin(scene.kind.bounds()), start);
        let (heard, spent, untimed, trailing_bytes) = (Vec::new(), 0, 0, 0);
        Shown { lines, heard, order, end, spent, untimed, trailing_bytes, is_last: false }
    }

    /// Something is wrong at `position`; told in the order of the log.
    pub(super) fn hear(&mut self, position: Position, what: String) {
        let is_before = |heard: &Heard| matches!(heard, Heard::Damage(at, _) if *at < position);
        let at = self.heard.iter().take_while(|heard| is_before(heard)).count();
        self.heard.insert(at, Heard::Damage(position, what));
    }
}

/// What becomes of lines that are too many to be kept.
pub(super) enum Overflow<'a> {
    /// The stretch is given up in front of the batch; also when nobody wants it any more.
    GiveUp(&'a AtomicBool),
    /// They are written.
    Write(&'a mut dyn Write),
}

/// Whether to go on.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Next {
    Batch,
    File,
    GiveUp,
}

/// Makes the lines of `stretch`, into the emptied buffer `lines`.
pub(super) fn show(
    scene: Scene<'_>,
    stretch: Stretch,
    budget: Budget,
    decoder: &mut Decoder,
    mut lines: Vec<u8>,
    overflow: Overflow<'_>,
) -> Result<Shown, Failure> {
    lines.clear();
    let shown = Shown::begin(scene, stretch.start, lines);
    let is_reverse = scene.wanted.selection.is_reverse;
    // Newest first, which lines the limit leaves is known when they are in their order.
    let own_budget = if is_reverse { Budget::default() } else { budget };
    let reversal = is_reverse.then(Reversal::default);
    let page = Page { scene, budget: own_budget, overflow, reversal, shown };
    let mut walk = StretchWalk { scene, decoder, page };
    walk.walk(stretch)?;
    let Page { budget: own_budget, reversal, mut shown, .. } = walk.page;
    match reversal {
        None => Ok(Shown { spent: own_budget.spent(), ..shown }),
        Some(_) if shown.end < stretch.end && !shown.is_last => {
            Ok(Shown::begin(scene, stretch.start, Vec::new())) // given up
        }
        Some(reversal) => {
            if shown.end > stretch.end && shown.heard.is_empty() {
                let what = "an entry of the index points into a batch; records may be shown twice";
                shown.heard.push(Heard::Damage(stretch.end, what.into()));
            }
            let (lines, spent) = reversal.lines(&shown.lines, budget);
            Ok(Shown { lines, spent, end: stretch.end, is_last: false, ..shown })
        }
    }
}

struct StretchWalk<'a, 'd, 'o> {
    scene: Scene<'a>,
    decoder: &'d mut Decoder,
    page: Page<'a, 'o>,
}

impl StretchWalk<'_, '_, '_> {
    fn walk(&mut self, stretch: Stretch) -> Result<(), Failure> {
        let log = self.scene.log;
        let mut batches = log.batches_from(stretch.start).checked().until(stretch.end);
        while !self.page.is_unwanted()
            && let Some(item) = batches.next()
        {
            let before = self.page.state();
            let next = self.item(item)?;
            if next == Next::GiveUp {
                self.page.restore(before);
                return Ok(());
            }
            self.page.shown.end = batches.position();
            if next == Next::File {
                self.page.shown.is_last = true;
                return Ok(());
            }
        }
        Ok(())
    }

    fn item(&mut self, item: Result<(Position, Batch<'_>), Damaged>) -> Result<Next, Failure> {
        match item {
            Ok((position, batch)) => self.batch(position, &batch, true),
            Err(damaged) => match batch_in_spite_of(&damaged, self.scene.log.bytes()) {
                Some(batch) => {
                    let shown = "the batch is shown as far as it decodes";
                    self.page.damage(damaged.position, format!("{}; {shown}", damaged.flaw));
                    self.batch(damaged.position, &batch, false)
                }
                None => {
                    self.page.pass_over(&damaged);
                    Ok(Next::Batch)
                }
            },
        }
    }

    fn batch(
        &mut self,
        position: Position,
        batch: &Batch<'_>,
        is_sound: bool,
    ) -> Result<Next, Failure> {
        let Scene { source, wanted, sink, common, .. } = self.scene;
        let header_flaw = batch.check_header().err();
        let is_valid = is_sound && header_flaw.is_none();
        let header = self.unfolded(batch);
        let offsets = wanted.offsets;
        // The offsets of a damaged header say nothing about what follows.
        let has_passed = is_valid && self.page.judge(position, &header);
        let has_wanted_offsets =
            offsets.overlaps(header.base_offset, header.last_offset.max(header.base_offset));
        let is_wanted = has_wanted_offsets && wanted.may_take_batch(&header, is_valid);
        if header_flaw.is_none() && !is_wanted {
            return Ok(if has_passed { Next::File } else { Next::Batch });
        }
        let view = BatchView { source, common, position, header, is_valid };
        let looks_inside = wanted.is_about_records();
        if is_wanted && !looks_inside {
            self.page.batch(&view)?;
        }
        if let Some(flaw) = header_flaw {
            self.page.damage(position, format!("{flaw}; its records are not shown"));
        } else if (wanted.selection.show.records() || looks_inside)
            && (sink.shows_control() || !header.is_control())
            && self.records(&view, batch)? == Next::GiveUp
        {
            return Ok(Next::GiveUp);
        }
        let is_last = self.page.budget.is_spent() || (is_valid && wanted.is_last_in_time(&header));
        Ok(if is_last { Next::File } else { Next::Batch })
    }

    fn records(&mut self, view: &BatchView<'_>, batch: &Batch<'_>) -> Result<Next, Failure> {
        let (wanted, page) = (self.scene.wanted, &mut self.page);
        let mut flaw = None;
        let mut is_batch_due = wanted.is_about_records();
        match self.decoder.records(batch) {
            Err(whole) => flaw = Some(format!("{whole}; its records are not shown")),
            Ok(records) => {
                for (index, record) in records.enumerate() {
                    let record = record.and_then(|record| with_sound_headers(index, record));
                    let record = match record {
                        Ok(record) => record,
                        Err(broken) => {
                            flaw = Some(format!("{broken}; the batch is shown up to there"));
                            break;
                        }
                    };
                    if !wanted.takes_record(&record) {
                        page.shown.untimed += u64::from(wanted.misses_time(&record));
                        continue;
                    }
                    if mem::take(&mut is_batch_due) {
                        page.batch(view)?;
                    }
                    if !wanted.selection.show.records() {
                        break; // one is enough
                    }
                    // Of a message that is no set, the batch's checksum is its own.
                    let own_crc = record.message_crc().filter(|_| batch.header.is_wrapper());
                    if flaw.is_none() && own_crc.is_some_and(|crc| !crc.holds()) {
                        let what = "its own CRC is not that of its bytes; it is shown all the same";
                        flaw = Some(format!("record {index} of the batch: {what}"));
                    }
                    let unfit = page.record(&RecordView { batch: view, record })?;
                    flaw = flaw.or(unfit);
                    if page.budget.is_spent() {
                        break;
                    }
                    if page.is_over()? {
                        return Ok(Next::GiveUp);
                    }
                }
            }
        }
        if let Some(what) = flaw {
            page.damage(view.position, what);
        }
        Ok(Next::Batch)
    }

    /// The header with the base offset and count that a compressed message set has only inside.
    fn unfolded(&mut self, batch: &Batch<'_>) -> BatchHeader {
        let mut header = batch.header;
        if !header.is_wrapper() {
            return header;
        }
        // What is wrong with the set is reported when its records are shown.
        let Ok(records) = self.decoder.records(batch) else {
            return header;
        };
        let mut count = 0;
        for record in records {
            let Ok(record) = record else {
                return batch.header;
            };
            if count == 0 {
                header.base_offset = record.offset;
            }
            count += 1;
        }
        BatchHeader { record_count: count, ..header }
    }
}

/// The lines of a stretch in the making, and what is told beside them.
struct Page<'a, 'o> {
    scene: Scene<'a>,
    budget: Budget,
    overflow: Overflow<'o>,
    reversal: Option<Reversal>,
    shown: Shown,
}

/// How far a page had come in front of a batch.
struct State {
    lines: usize,
    heard: usize,
    order: Order,
    untimed: u64,
    budget: Budget,
}

impl Page<'_, '_> {
    /// Whether nobody waits for the stretch any more.
    fn is_unwanted(&self) -> bool {
        matches!(&self.overflow, Overflow::GiveUp(unwanted) if unwanted.load(Ordering::Relaxed))
    }

    fn state(&self) -> State {
        let Shown { lines, heard, order, untimed, .. } = &self.shown;
        let (lines, heard, budget) = (lines.len(), heard.len(), self.budget);
        State { lines, heard, order: *order, untimed: *untimed, budget }
    }

    fn restore(&mut self, before: State) {
        self.shown.lines.truncate(before.lines);
        self.shown.heard.truncate(before.heard);
        (self.shown.order, self.shown.untimed) = (before.order, before.untimed);
        self.budget = before.budget;
    }

    /// Reports offsets that cannot be; whether the log has come behind those that are wanted.
    fn judge(&mut self, position: Position, header: &BatchHeader) -> bool {
        let judged = self.shown.order.batch(position, header, &self.scene.wanted.offsets);
        judged.flaw.into_iter().for_each(|flaw| self.damage(position, flaw));
        judged.has_passed
    }

    /// The line of a batch, if batches have lines.
    fn batch(&mut self, view: &BatchView<'_>) -> Result<(), Failure> {
        let show = self.scene.wanted.selection.show;
        if !show.batches() {
            return Ok(());
        }
        let is_counted = !show.records();
        if let Some(reversal) = &mut self.reversal {
            reversal.batch(self.shown.lines.len(), is_counted);
        }
        self.scene.sink.batch(&mut self.shown.lines, view)?;
        if is_counted {
            self.budget.spend();
        }
        Ok(())
    }

    /// The line of a record; or why the format has none for these bytes.
    fn record(&mut self, view: &RecordView<'_>) -> Result<Option<String>, Failure> {
        let start = self.shown.lines.len();
        match self.scene.sink.record(&mut self.shown.lines, view) {
            Ok(()) => {}
            Err(unfit) if unfit.kind() == io::ErrorKind::InvalidData => {
                self.shown.lines.truncate(start);
                return Ok(Some(format!(
                    "offset {}: {unfit}; it is not shown",
                    view.record.offset
                )));
            }
            Err(error) => return Err(error.into()),
        }
        if let Some(reversal) = &mut self.reversal {
            reversal.record(start);
        }
        self.budget.spend();
        Ok(None)
    }

    /// Makes room for more lines if there are many; whether that cannot be.
    fn is_over(&mut self) -> Result<bool, Failure> {
        let lines = &mut self.shown.lines;
        if lines.len() < WRITE_BYTES {
            return Ok(false);
        }
        match &mut self.overflow {
            Overflow::GiveUp(_) => Ok(lines.len() >= MOST_LINES_BYTES),
            Overflow::Write(_) if self.reversal.is_some() => Ok(false), // the last come first
            Overflow::Write(out) => {
                out.write_all(lines)?;
                lines.clear();
                Ok(false)
            }
        }
    }

    /// Reports what is no batch.
    fn pass_over(&mut self, damaged: &Damaged) {
        let Damaged { position, size_bytes, flaw } = damaged;
        let Scene { source, kind, log, .. } = self.scene;
        let rest = log.bytes().get(position.index()..).unwrap_or_default();
        let is_tail = rest.len() as u64 == *size_bytes;
        let is_active = matches!(kind, LogKind::Segment { is_active: true, .. });
        if is_active && log.is_unfinished_tail(damaged) {
            let path = source.path.display();
            self.shown.heard.push(Heard::Note(format!(
                "{path}: position {position}: the last {size_bytes} bytes are no whole batch \
                 (yet); a broker that appends here leaves that until it is done"
            )));
        } else {
            let reach = if is_tail { "to the end of the file" } else { "up to the next batch" };
            self.damage(*position, format!("{flaw}; {size_bytes} bytes {reach} are passed over"));
        }
        let is_cut_off = is_tail && reads_as_cut_off(rest);
        self.shown.trailing_bytes = if is_cut_off { *size_bytes } else { 0 };
    }

    fn damage(&mut self, position: Position, what: String) {
        self.shown.heard.push(Heard::Damage(position, what));
    }
}

/// Whether Kafka's readers end in front of `rest`, for a batch that is not all there; of a length
/// that no batch has they make an error (`FileLogInputStream.nextBatch`).
fn reads_as_cut_off(rest: &[u8]) -> bool {
    const LEAST_BYTES: usize = 18;
    const LEAST_LENGTH: i32 = 14;
    let (at, end) = (8, 12);
    let length = rest.get(at..).and_then(|rest| Cursor::new(rest).i32().ok()).unwrap_or(0);
    let reaches_behind = || length as usize > rest.len().saturating_sub(end);
    rest.len() < LEAST_BYTES || (length >= LEAST_LENGTH && reaches_behind())
}

/// Headers are not looked at by the iterator; every format is about to show them.
fn with_sound_headers(index: usize, record: Record<'_>) -> Result<Record<'_>, Flaw> {
    let overrun =
        |overrun| Flaw::Record { index: u32::try_from(index).unwrap_or(u32::MAX), overrun };
    record.check_headers().map_err(overrun).map(|()| record)
}

/// The batch that a wrong checksum is about, if its length can be believed.
fn batch_in_spite_of<'a>(damaged: &Damaged, bytes: &'a [u8]) -> Option<Batch<'a>> {
    if !matches!(damaged.flaw, Flaw::Crc { .. }) {
        return None;
    }
    let batch = Batch::parse(bytes.get(damaged.position.index()..)?).ok()?;
    (batch.header.size_bytes as u64 == damaged.size_bytes).then_some(batch)
}
