//! The keys whose state is not the same, and what to say of them.

use std::collections::{HashMap, HashSet};
use std::ops::ControlFlow;
use std::path::Path;

use super::super::finding::{Finding, Findings, Severity};
use super::Relation;
use super::both::{Both, Which};
use super::held::{Held, Last};
use super::latest::Latest;
use super::merge::Told;
use super::pass::Pass;
use super::row::{Place, Standing};
use super::rule::Survivor;
use crate::report::NoProgress;
use crate::units::Offset;

/// How many keys are shown one by one.
const MOST_SHOWN: usize = 1000;
/// How much of a key is shown.
const MOST_KEY_BYTES: usize = 64;

/// A key whose state differs.
#[derive(Clone, Copy, Debug)]
struct Difference {
    key: u128,
    last: Both<Last>,
}

impl Difference {
    /// The side whose value it is about, and that value's offset: the later one, if both have one.
    fn subject(&self) -> Option<(Which, Offset)> {
        match (self.last.before.value(), self.last.after.value()) {
            (Some(before), Some(after)) if before > after => Some((Which::Before, before)),
            (_, Some(after)) => Some((Which::After, after)),
            (Some(before), None) => Some((Which::Before, before)),
            (None, None) => None,
        }
    }
}

/// Whether a key's state differs: a key that is deleted and one that never was are alike, and
/// records with one offset are, unless they were found to be `changed`.
fn differs(last: Both<Last>, changed: &HashSet<Offset>) -> bool {
    match (last.before.value(), last.after.value()) {
        (None, None) => false,
        (Some(before), Some(after)) => before != after || changed.contains(&before),
        _ => true,
    }
}

/// The keys that differ, of all passes.
#[derive(Debug, Default)]
pub struct Differences {
    shown: Vec<Difference>,
    /// How many keys have a value on either side.
    pub keys: u64,
    /// How many of them differ.
    pub count: u64,
}

impl Differences {
    /// Looks through the keys of a pass, of which `latest` keeps none that is alike.
    pub fn collect<H: Held>(&mut self, latest: &mut Latest<H>, told: &Told, pass: &Pass<'_>) {
        let untouched = pass.relation.cleaned().map(|cleaned| cleaned.end);
        let untouched = untouched.max(told.last_alone.map(Offset::next));
        latest.retain(|last| {
            let is_state = last.before.value().or(last.after.value()).is_some();
            self.keys += u64::from(is_state);
            let is_excused = H::DELETES_AHEAD && is_deletion_gone(last, untouched, pass.relation);
            differs(last, &told.changed) && !is_excused
        });
        for which in [Which::Before, Which::After] {
            excuse(latest, which, pass);
        }
        let shown = latest.iter().map(|(key, last)| Difference { key, last });
        let before = self.shown.len();
        self.shown.extend(shown);
        self.count += (self.shown.len() - before) as u64;
        self.shown.sort_by_key(|difference| difference.subject().map(|(_, offset)| offset));
        self.shown.truncate(MOST_SHOWN);
    }

    /// What to say of them, in offset order.
    pub fn findings(&self, pass: &Pass<'_>) -> Findings {
        let mut found = Findings::default();
        let sides = pass.sides;
        let seen = Both {
            before: look_up(&self.shown, Which::Before, pass),
            after: look_up(&self.shown, Which::After, pass),
        };
        for difference in &self.shown {
            found.push(finding(difference, pass, &seen));
        }
        let rest = self.count - self.shown.len() as u64;
        if rest > 0 {
            let path = &sides.after.dir.path;
            let mut more = Finding::about("against-state", Severity::Error, path, "");
            more.stands_for = rest;
            found.push(more);
        }
        found
    }
}

/// Whether what differs is that a deletion had its time and is gone: a value that it beats, though
/// it was written behind it, is the state then, if it lies where nothing was compacted.
fn is_deletion_gone(last: Both<Last>, untouched: Option<Offset>, relation: Relation) -> bool {
    let (gone, value) = match (last.before, last.after) {
        (Last::Tombstone(gone), Last::Value(value)) => (gone, value),
        (Last::Value(value), Last::Tombstone(gone)) if !relation.is_compaction() => (gone, value),
        _ => return false,
    };
    gone < value && untouched.is_some_and(|untouched| value >= untouched)
}

/// Lets go of the keys that a side has nothing of because a compaction there took it: a later
/// record of the key lies behind the end of what is compared. (Had it kept an earlier one, that
/// would have gone first.)
fn excuse<H: Held>(latest: &mut Latest<H>, which: Which, pass: &Pass<'_>) {
    let side = pass.sides.of(which);
    if latest.is_empty() || !side.has_later() {
        return;
    }
    pass.reader(side, &NoProgress).read(|row, _| {
        if let (Standing::Later, Some(key)) = (row.standing, row.key)
            && let Some(held) = latest.get(key)
            && held.of(which).last() == Last::Absent
            && held.of(which.other()).last().value().is_some_and(|offset| offset < row.offset)
            && held.of(which.other()).may_lose_to(&row)
        {
            latest.forget(key);
        }
        ControlFlow::Continue(())
    });
}

/// What one side has of the keys to be shown.
#[derive(Debug, Default)]
struct Seen {
    /// The key's bytes, to be read.
    key: String,
    /// Where its latest value is.
    place: Option<Place>,
    /// Whether its record at the offset in question does not count.
    is_void: bool,
}

fn look_up(shown: &[Difference], which: Which, pass: &Pass<'_>) -> HashMap<u128, Seen> {
    let mut seen: HashMap<u128, Seen> = HashMap::new();
    if shown.is_empty() {
        return seen;
    }
    let wanted: HashMap<u128, &Difference> = shown.iter().map(|at| (at.key, at)).collect();
    pass.reader(pass.sides.of(which), &NoProgress).read(|row, record| {
        if let Some(key) = row.key
            && let Some(difference) = wanted.get(&key)
        {
            let seen = seen.entry(key).or_default();
            if seen.key.is_empty() {
                seen.key = quoted(record.key.unwrap_or_default());
            }
            if difference.subject() == Some((which, row.offset)) {
                seen.place = Some(row.place);
            }
            let is_there = difference.subject() == Some((which.other(), row.offset));
            seen.is_void |= is_there && row.standing == Standing::Void;
        }
        ControlFlow::Continue(())
    });
    seen
}

fn finding(difference: &Difference, pass: &Pass<'_>, seen: &Both<HashMap<u128, Seen>>) -> Finding {
    let (which, offset) = difference.subject().unwrap_or((Which::After, Offset(0)));
    let (side, other) = (pass.sides.of(which), pass.sides.of(which.other()));
    let here = seen.of(which).get(&difference.key);
    let there = seen.of(which.other()).get(&difference.key);
    let place = here.and_then(|seen| seen.place);
    let key = here.or(there).map_or("?", |seen| &seen.key);
    let is_last = pass.rule.survivor == Survivor::Last;
    let what = compared(offset, *difference.last.of(which.other()), is_last, &other.dir.path);
    let why = match there {
        Some(seen) if seen.is_void => {
            ", where its record at this offset is of an aborted or open transaction"
        }
        _ => "",
    };
    let value = if is_last { "its latest value" } else { "the value that counts" };
    let text = format!("the key {key} has {value} here, but {what}{why}");
    let path = place.map_or_else(|| side.dir.path.clone(), |place| side.path_of(place));
    let finding = Finding::about("against-state", Severity::Error, &path, text).of(offset);
    match place {
        Some(place) => finding.at(place.position),
        None => finding,
    }
}

/// What the other side says of a key whose latest value is at `offset`.
fn compared(offset: Offset, there: Last, is_last: bool, other: &Path) -> String {
    let other = other.display();
    match there {
        Last::Value(at) if at == offset => format!("not the same one in {other}"),
        Last::Value(at) if !is_last => format!("another one, at {at}, in {other}"),
        Last::Tombstone(at) if !is_last => format!("is deleted at {at} in {other}"),
        Last::Value(at) => format!("an older one, at {at}, in {other}"),
        Last::Tombstone(at) if at >= offset => format!("is deleted at {at} in {other}"),
        Last::Tombstone(at) => format!("only its deletion at {at} is in {other}"),
        Last::Absent => format!("is missing in {other}"),
    }
}

fn quoted(key: &[u8]) -> String {
    match key.get(..MOST_KEY_BYTES) {
        Some(start) if start.len() < key.len() => {
            format!("\"{}...\" ({} bytes)", start.escape_ascii(), key.len())
        }
        _ => format!("\"{}\"", key.escape_ascii()),
    }
}
