//! The lines of a stretch put the other way round: newest first, a batch still in front of its
//! records.

use super::selection::Budget;

/// Where each line of a stretch begins, and what it is.
#[derive(Debug, Default)]
pub(super) struct Reversal {
    marks: Vec<Mark>,
}

#[derive(Clone, Copy, Debug)]
struct Mark {
    start: usize,
    is_batch: bool,
    is_counted: bool,
}

impl Reversal {
    /// A batch's lines begin at `start`; they are counted by the limit, or not.
    pub(super) fn batch(&mut self, start: usize, is_counted: bool) {
        self.marks.push(Mark { start, is_batch: true, is_counted });
    }

    /// A record's lines begin at `start`.
    pub(super) fn record(&mut self, start: usize) {
        self.marks.push(Mark { start, is_batch: false, is_counted: true });
    }

    /// The lines, as many as the budget has room for, and how many of them are counted.
    pub(super) fn lines(&self, lines: &[u8], mut budget: Budget) -> (Vec<u8>, u64) {
        let mut reversed = Vec::with_capacity(lines.len());
        let ends = self.marks.iter().skip(1).map(|mark| mark.start).chain([lines.len()]);
        let spans: Vec<(Mark, usize)> = self.marks.iter().copied().zip(ends).collect();
        // Without batches' lines each record stands for itself.
        let groups = spans.chunk_by(|_, (next, _)| !next.is_batch);
        for group in groups.rev() {
            let (batch, records) = match group {
                [first, rest @ ..] if first.0.is_batch => (Some(first), rest),
                records => (None, records),
            };
            for (mark, end) in batch.into_iter().chain(records.iter().rev()) {
                if budget.is_spent() {
                    return (reversed, budget.spent());
                }
                reversed.extend_from_slice(lines.get(mark.start..*end).unwrap_or_default());
                if mark.is_counted {
                    budget.spend();
                }
            }
        }
        (reversed, budget.spent())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_batch_stays_in_front_of_its_records() {
        let mut reversal = Reversal::default();
        reversal.batch(0, false);
        reversal.record(1);
        reversal.record(2);
        reversal.batch(3, false);
        reversal.record(4);
        let lines = |limit| reversal.lines(b"A12B3", Budget::new(limit));
        assert_eq!(lines(None), (b"B3A21".to_vec(), 3));
        assert_eq!(lines(Some(2)), (b"B3A2".to_vec(), 2));
        assert_eq!(lines(Some(1)), (b"B3".to_vec(), 1));
    }

    #[test]
    fn records_alone_are_turned_round() {
        let mut reversal = Reversal::default();
        [0, 1, 2].into_iter().for_each(|start| reversal.record(start));
        assert_eq!(reversal.lines(b"123", Budget::new(None)), (b"321".to_vec(), 3));
        assert_eq!(reversal.lines(b"123", Budget::new(Some(2))), (b"32".to_vec(), 2));
    }
}
