//! Both logs side by side in offset order: each record that is on both is compared, each that is
//! on one only is judged, and all of them make the state.

use std::collections::HashSet;
use std::iter::Peekable;

use super::super::finding::{Finding, Findings, Severity};
use super::both::{Both, Which};
use super::held::Held;
use super::latest::Latest;
use super::row::{Row, Standing};
use super::side::Side;
use super::{Cleaned, Counts, Relation};
use crate::units::Offset;

/// How many changed records are remembered for the state; all of them are found.
const MOST_CHANGED: usize = 1000;

/// What the records showed.
#[derive(Debug, Default)]
pub struct Told {
    /// In offset order.
    pub findings: Findings,
    /// Counts.
    pub counts: Counts,
    /// Offsets at which the two sides have different records.
    pub changed: HashSet<Offset>,
    /// The last offset with a record that counts for a key on one side only.
    pub last_alone: Option<Offset>,
    /// Whether a record without a key was there.
    keyless: Both<bool>,
}

/// The two logs and what is made of them.
pub struct Merge<'a, H, I: Iterator<Item = Row>> {
    /// The rows of the one that is compared against.
    pub before: Peekable<I>,
    /// Both directories.
    pub sides: &'a Both<Side>,
    /// The end of what is compared.
    pub end: Offset,
    /// What they are to each other.
    pub relation: Relation,
    /// The state.
    pub latest: &'a mut Latest<H>,
    /// Where to tell of keys that have two records where they may have one.
    pub doubled: &'a mut Findings,
    /// Where to tell of records; none where that was done before.
    pub told: Option<&'a mut Told>,
}

impl<H: Held, I: Iterator<Item = Row>> Merge<'_, H, I> {
    /// Hears the next row of the one that is verified.
    pub fn after(&mut self, after: Row) {
        while let Some(before) = self.before.next_if(|before| before.offset < after.offset) {
            self.alone(Which::Before, &before);
        }
        match self.before.next_if(|before| before.offset == after.offset) {
            Some(before) => self.together(&before, &after),
            None => self.alone(Which::After, &after),
        }
    }

    /// There are no more of those.
    pub fn finish(&mut self) {
        while let Some(before) = self.before.next() {
            self.alone(Which::Before, &before);
        }
    }

    fn note(&mut self, which: Which, row: &Row) {
        let (Standing::Settled, Some(key)) = (row.standing, row.key) else { return };
        let held = self.latest.note(which, key, row);
        let other = held.offset().filter(|_| which == Which::After);
        if let (Some(other), Some(cleaned)) = (other, self.relation.cleaned())
            && cleaned.has_voted(row.offset)
        {
            let text =
                format!("its key has another record, at {other}, in the range that was cleaned");
            self.doubled.push(about(self.sides, which, row, text));
        }
    }

    fn together(&mut self, before: &Row, after: &Row) {
        self.note(Which::Before, before);
        self.note(Which::After, after);
        let Some(told) = &mut self.told else { return };
        told.counts.records_on_both += 1;
        told.see_keyless(Which::Before, before);
        told.see_keyless(Which::After, after);
        let differences = differences(before, after);
        if differences.is_empty() {
            return;
        }
        if told.changed.len() < MOST_CHANGED {
            told.changed.insert(after.offset);
        }
        let other = self.sides.before.path_of(before.place);
        let text =
            format!("not the record that is in {}: {}", other.display(), differences.join(", "));
        told.findings.push(about(self.sides, Which::After, after, text));
    }

    fn alone(&mut self, which: Which, row: &Row) {
        self.note(which, row);
        let Some(told) = &mut self.told else { return };
        if row.offset < self.end {
            match which {
                Which::Before => told.counts.records_only_there += 1,
                Which::After => told.counts.records_only_here += 1,
            }
        }
        if is_keyed(row) {
            told.last_alone = told.last_alone.max(Some(row.offset));
        }
        let other = &self.sides.of(which.other()).dir.path;
        let is_behind = |cleaned: Cleaned| row.offset >= cleaned.end;
        if self.relation.is_compaction() && which == Which::After {
            let text = format!("there is no record with this offset in {}", other.display());
            told.findings.push(about(self.sides, which, row, text));
        } else if self.relation.cleaned().is_some_and(is_behind) && row.offset < self.end {
            let other = other.display();
            let text = format!("a record behind the range that was cleaned is missing in {other}");
            told.findings.push(about(self.sides, which, row, text));
        } else if is_keyless(row) && *told.keyless.of(which.other()) {
            // A compaction takes all such records from the start of the log up to some point, or
            // none; so where an earlier one is left, this one was not compacted away.
            let text = format!(
                "a record without a key that is missing in {}, where earlier ones are",
                other.display()
            );
            told.findings.push(about(self.sides, which, row, text));
        }
        told.see_keyless(which, row);
    }
}

impl Told {
    fn see_keyless(&mut self, which: Which, row: &Row) {
        *self.keyless.of_mut(which) |= is_keyless(row);
    }
}

fn is_keyed(row: &Row) -> bool {
    row.standing == Standing::Settled && row.key.is_some()
}

fn is_keyless(row: &Row) -> bool {
    row.standing == Standing::Settled && row.key.is_none()
}

fn about(sides: &Both<Side>, which: Which, row: &Row, text: String) -> Finding {
    let path = sides.of(which).path_of(row.place);
    let finding = Finding::about("against-record", Severity::Error, &path, text);
    finding.at(row.place.position).of(row.offset)
}

/// What is not the same of two records with one offset, in words.
fn differences(before: &Row, after: &Row) -> Vec<String> {
    let mut list = Vec::new();
    if before.timestamp != after.timestamp {
        list.push(format!("the timestamp is {}, there {}", after.timestamp, before.timestamp));
    }
    for (name, differs) in [
        ("the key differs", before.key != after.key),
        ("the value differs", before.value != after.value),
        ("the headers differ", before.headers != after.headers),
    ] {
        if differs {
            list.push(name.to_owned());
        }
    }
    if side_of(before) != side_of(after) {
        list.push(format!("it is {}, there {}", side_of(after), side_of(before)));
    }
    list
}

/// On which side of the state a record is; what is void at the end may be settled behind it.
fn side_of(row: &Row) -> &'static str {
    match row.standing {
        Standing::Control => "a control record",
        Standing::Settled => "committed data",
        Standing::Later | Standing::Void => "data of an aborted or open transaction",
    }
}
