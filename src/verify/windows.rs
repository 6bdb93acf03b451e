//! A log read stretch by stretch, on one thread or on all, and heard of in log order either way.

use std::sync::atomic::{AtomicUsize, Ordering};

use rayon::prelude::*;

use super::stretch::{self, Stretch};
use crate::error::Result;
use crate::segment::{Frontier, LogFile};
use crate::units::Position;

/// Stretches in a window for each thread: what is seen in two windows is held at a time, and at
/// the end of each some threads wait for the last.
const STRETCHES_PER_THREAD: usize = 16;

/// How far behind a stretch its last batch may reach, mostly.
const REACH_BYTES: usize = 4 << 20;

/// What was seen in a stretch.
pub trait Sight: Default + Send {
    /// Where the first batch behind the stretch starts.
    fn arrived(&self) -> Position;
}

/// Reads `log` on this thread; `look` at each stretch gives what `hear` gets.
///
/// # Errors
/// The disk's.
pub fn read_alone<S: Sight>(
    log: &LogFile,
    look: impl Fn(&LogFile, Stretch) -> S,
    mut hear: impl FnMut(S),
) -> Result<()> {
    let (mut arrived, mut frontier) = (Position(0), Frontier::of(log));
    frontier.reach(arrived, REACH_BYTES)?;
    while let Some(stretch) = stretch::next(log, arrived) {
        let seen = look(log, stretch);
        arrived = seen.arrived();
        hear(seen);
        frontier.reach(arrived, REACH_BYTES)?;
    }
    Ok(())
}

/// Reads `log` on all threads; `hear` is called on one at a time, with the same as alone.
///
/// While the stretches of one window are checked, what was seen in the window before is heard and
/// the window behind is cut.
///
/// # Errors
/// The disk's.
pub fn read_together<S: Sight>(
    log: &LogFile,
    look: impl Fn(&LogFile, Stretch) -> S + Sync,
    mut hear: impl FnMut(S) + Send,
) -> Result<()> {
    let most = rayon::current_num_threads() * STRETCHES_PER_THREAD;
    // The window that is checked, and the one behind it that is cut.
    let reach_bytes = 2 * most * stretch::STRETCH_BYTES + REACH_BYTES;
    let mut size = most;
    let (mut arrived, mut frontier) = (Position(0), Frontier::of(log));
    frontier.reach_together(arrived, reach_bytes)?;
    let mut window = stretch::cut(log, arrived, size);
    let mut seen = Vec::new();
    while let Some(last) = window.last() {
        let (_, (checked, ahead)) = rayon::join(
            || seen.drain(..).for_each(&mut hear),
            || {
                rayon::join(
                    || check_all(log, &window, &look),
                    || stretch::cut(log, last.end, (size * 2).min(most)),
                )
            },
        );
        seen = checked;
        arrived = keep_connected(&window, &mut seen, arrived);
        frontier.reach_together(arrived, reach_bytes)?;
        if seen.len() < window.len() {
            // Cut along false headers: go on carefully, so that little is checked in vain.
            size = 1;
            window = stretch::cut(log, arrived, size);
        } else {
            size = (size * 2).min(most);
            let fits = ahead.first().is_some_and(|stretch| stretch.start == arrived);
            window = if fits { ahead } else { stretch::cut(log, arrived, size) };
        }
    }
    seen.into_iter().for_each(hear);
    Ok(())
}

/// Checks the stretches of a window. One that arrived elsewhere than at its end makes those behind
/// it void; they are passed over from then on, for the way out of damage can be a long search.
fn check_all<S: Sight>(
    log: &LogFile,
    window: &[Stretch],
    look: &(impl Fn(&LogFile, Stretch) -> S + Sync),
) -> Vec<S> {
    let last_valid = AtomicUsize::new(usize::MAX);
    let check = |(number, stretch): (usize, &Stretch)| {
        if number > last_valid.load(Ordering::Relaxed) {
            return S::default();
        }
        let seen = look(log, *stretch);
        if seen.arrived() != stretch.end {
            last_valid.fetch_min(number, Ordering::Relaxed);
        }
        seen
    };
    window.par_iter().with_max_len(1).enumerate().map(check).collect()
}

/// Keeps what was seen up to the first stretch that does not begin where the one before arrived;
/// gives where the last one that is kept arrived.
fn keep_connected<S: Sight>(window: &[Stretch], seen: &mut Vec<S>, start: Position) -> Position {
    let mut arrived = start;
    let mut connected = 0;
    for (stretch, seen) in window.iter().zip(&*seen) {
        if stretch.start != arrived {
            break;
        }
        arrived = seen.arrived();
        connected += 1;
    }
    seen.truncate(connected);
    arrived
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::bytes::{crc32c, put_varint};
    use crate::units::Offset;
    use crate::verify::stretch::Seen;

    const BATCH_BYTES: usize = 80_000;
    const BATCHES: usize = 300;

    fn batch(offset: i64) -> Vec<u8> {
        let value = vec![b'v'; BATCH_BYTES - 72];
        let mut record = vec![0, 0, 0, 1]; // attributes, both deltas, no key
        put_varint(&mut record, value.len() as i32);
        record.extend_from_slice(&value);
        record.push(0);
        let mut checked = vec![0; 6];
        checked.extend_from_slice(&[0; 16]); // both timestamps
        checked.extend_from_slice(&7i64.to_be_bytes());
        checked.extend_from_slice(&[0, 0]);
        checked.extend_from_slice(&(offset as i32).to_be_bytes());
        checked.extend_from_slice(&1i32.to_be_bytes());
        put_varint(&mut checked, record.len() as i32);
        checked.extend_from_slice(&record);
        let mut batch = offset.to_be_bytes().to_vec();
        batch.extend_from_slice(&(checked.len() as i32 + 9).to_be_bytes());
        batch.extend_from_slice(&[0, 0, 0, 0, 2]);
        batch.extend_from_slice(&crc32c(&checked).to_be_bytes());
        batch.extend_from_slice(&checked);
        batch
    }

    /// What is heard of a log, a line each, however it was cut.
    fn lines(read: impl FnOnce(&mut (dyn FnMut(Seen) + Send))) -> Vec<String> {
        let mut lines = Vec::new();
        read(&mut |seen: Seen| {
            let mut produced = seen.produced.iter();
            let mut amiss = seen.amiss.iter().peekable();
            for (number, read) in seen.read.iter().enumerate() {
                while let Some((_, amiss)) = amiss.next_if(|(behind, _)| *behind <= number) {
                    lines.push(format!("{amiss:?}"));
                }
                let produced = read.has_producer.then(|| produced.next().unwrap());
                lines.push(format!("{read:?} {produced:?}"));
            }
            lines.extend(amiss.map(|(_, amiss)| format!("{amiss:?}")));
        });
        lines
    }

    #[test]
    fn all_threads_together_hear_of_a_damaged_log_what_one_hears_alone() {
        let whole: Vec<u8> = (0..BATCHES as i64).flat_map(batch).collect();
        assert_eq!(whole.len(), BATCHES * BATCH_BYTES);
        let damage: [fn(&mut Vec<u8>); 7] = [
            |_| {},
            |bytes| bytes[20 * BATCH_BYTES + 1000] ^= 1,
            |bytes| bytes[60 * BATCH_BYTES + 10] ^= 1,
            |bytes| bytes[100 * BATCH_BYTES + 5..112 * BATCH_BYTES + 300].fill(0),
            |bytes| bytes.truncate(BATCHES * BATCH_BYTES - 7),
            |bytes| drop(bytes.drain(30 * BATCH_BYTES + 40..33 * BATCH_BYTES - 40)),
            // Lengths that lead past the ends of batches and stretches, to places that look right.
            |bytes| {
                for at in (0..bytes.len() - BATCH_BYTES).step_by(BATCH_BYTES * 3 / 2) {
                    bytes[at..at + 12].fill(0);
                    bytes[at + 9..at + 12].copy_from_slice(&[1, 0xd4, 0xb4]);
                }
            },
        ];
        let temp = tempfile::tempdir().unwrap();
        let path = temp.path().join("00000000000000000000.log");
        for (number, damage) in damage.into_iter().enumerate() {
            let mut bytes = whole.clone();
            damage(&mut bytes);
            std::fs::write(&path, bytes).unwrap();
            let log = LogFile::open(&crate::disk::Disk::default(), &path, Offset(0)).unwrap();
            let look = |log: &LogFile, stretch| stretch::check(log, stretch, None);
            let alone = lines(|hear| read_alone(&log, look, hear).unwrap());
            assert!(number > 0 || alone.len() == BATCHES);
            for threads in [1, 2, 3, 16] {
                let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build().unwrap();
                let together =
                    pool.install(|| lines(|hear| read_together(&log, look, hear).unwrap()));
                assert_eq!(together, alone, "damage {number}, {threads} threads");
            }
        }
    }

    #[test]
    fn what_begins_where_nothing_arrived_is_dropped_with_all_behind_it() {
        let stretch = |start, end| Stretch { start: Position(start), end: Position(end) };
        let arrived = |at| Seen { arrived: Position(at), ..Seen::default() };
        let window = [stretch(0, 10), stretch(10, 20), stretch(20, 30), stretch(30, 40)];
        let mut seen = vec![arrived(10), arrived(25), arrived(30), arrived(40)];
        assert_eq!(keep_connected(&window, &mut seen, Position(0)), Position(25));
        assert_eq!(seen.len(), 2);
        let mut seen = vec![arrived(10), arrived(20), arrived(30), arrived(47)];
        assert_eq!(keep_connected(&window, &mut seen, Position(0)), Position(47));
        assert_eq!(seen.len(), 4);
    }
}
