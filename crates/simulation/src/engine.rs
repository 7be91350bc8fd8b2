//! The loop that steps a strategy through the events of its world.

use crate::time::SECOND;
use crate::world::{Occurrence, World};

/// Whoever decides what is sent when.
pub(crate) trait Dispatching {
    /// Takes what has happened, and sends what follows from it.
    fn take(&mut self, occurrence: Occurrence, world: &mut World<'_>);

    /// Whether every call has come to its end, and whatever is owed afterwards is done.
    fn is_done(&self) -> bool;

    /// When it wants to be woken.
    fn deadline(&self) -> Option<u64> {
        None
    }
}

/// Virtual time for each call, after the last arrival, within which a run ends or is stuck.
const PATIENCE: u64 = 600 * SECOND;

/// How often it may be woken while no time passes.
const WAKES_MAX: u32 = 100;

/// Runs until all is done, an invariant is broken, or nothing moves any more.
pub(crate) fn drive(world: &mut World<'_>, dispatching: &mut impl Dispatching) {
    let calls = world.workload.arrivals.len() as u64;
    let last = world.workload.arrivals.last().copied().unwrap_or(0);
    let horizon = last.saturating_add(PATIENCE.saturating_mul(calls));
    let mut wakes = (0, 0);
    while !dispatching.is_done() && world.violation().is_none() && world.now <= horizon {
        let Some(occurrence) = world.next(dispatching.deadline()) else { return };
        if occurrence == Occurrence::Alarm {
            wakes = if wakes.0 == world.now { (world.now, wakes.1 + 1) } else { (world.now, 1) };
            if wakes.1 > WAKES_MAX {
                return;
            }
        }
        dispatching.take(occurrence, world);
    }
}
