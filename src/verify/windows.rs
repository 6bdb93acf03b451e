//! A log read stretch by stretch, on one thread or on all, and heard of in log order either way.

use rayon::prelude::*;

use super::stretch::{self, Seen, Stretch};
use crate::segment::LogFile;
use crate::units::Position;

/// Stretches in a window for each thread: what is seen in two windows is held at a time, and at
/// the end of each some threads wait for the last.
const STRETCHES_PER_THREAD: usize = 16;

/// Reads `log` on this thread.
pub fn read_alone(log: &LogFile, mut hear: impl FnMut(Seen)) {
    let mut arrived = Position(0);
    while let Some(stretch) = stretch::next(log, arrived) {
        let seen = stretch::check(log, stretch);
        arrived = seen.arrived;
        hear(seen);
    }
}

/// Reads `log` on all threads; `hear` is called on one at a time, with the same as alone.
///
/// While the stretches of one window are checked, what was seen in the window before is heard and
/// the window behind is cut.
pub fn read_together(log: &LogFile, mut hear: impl FnMut(Seen) + Send) {
    let most = rayon::current_num_threads() * STRETCHES_PER_THREAD;
    let mut size = most;
    let mut arrived = Position(0);
    let mut window = stretch::cut(log, arrived, size);
    let mut seen = Vec::new();
    while let Some(last) = window.last() {
        let (_, (checked, ahead)) = rayon::join(
            || seen.drain(..).for_each(&mut hear),
            || {
                rayon::join(
                    || check_all(log, &window),
                    || stretch::cut(log, last.end, (size * 2).min(most)),
                )
            },
        );
        seen = checked;
        arrived = keep_connected(&window, &mut seen, arrived);
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
}

fn check_all(log: &LogFile, window: &[Stretch]) -> Vec<Seen> {
    let stretches = window.par_iter().with_max_len(1);
    stretches.map(|stretch| stretch::check(log, *stretch)).collect()
}

/// Keeps what was seen up to the first stretch that does not begin where the one before arrived;
/// gives where the last one that is kept arrived.
fn keep_connected(window: &[Stretch], seen: &mut Vec<Seen>, start: Position) -> Position {
    let mut arrived = start;
    let mut connected = 0;
    for (stretch, seen) in window.iter().zip(&*seen) {
        if stretch.start != arrived {
            break;
        }
        arrived = seen.arrived;
        connected += 1;
    }
    seen.truncate(connected);
    arrived
}
