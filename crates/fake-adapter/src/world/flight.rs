//! Requests that are on their way.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use partyline_domain::{Instant, Now};

use super::World;
use super::request::{Reply, Request};

/// A world that several clients share.
#[derive(Clone, Debug)]
pub struct SharedWorld(Arc<Mutex<World>>);

impl SharedWorld {
    /// Shares a world.
    pub fn new(world: World) -> Self {
        Self(Arc::new(Mutex::new(world)))
    }

    /// The world itself. Must not be held while anything is waited for.
    pub fn lock(&self) -> MutexGuard<'_, World> {
        // A panic while the lock was held is our bug and has been reported; no entry is written by halves.
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Sends a request. What it does and when is decided here; dropping the answer changes nothing of that.
    pub fn begin(&self, request: Request, now: Now) -> Sent {
        match self.lock().begin(request, now) {
            Begun::Answered(reply) => Sent::Answered(reply),
            Begun::Waiting(Ticket { id, answer_at }) => {
                Sent::Waiting(Pending { world: self.clone(), id, claimed: false }, answer_at)
            }
        }
    }
}

/// What [`World::begin`] says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Begun {
    /// The answer, where it takes no time.
    Answered(Reply),
    /// There will be an answer.
    Waiting(Ticket),
}

/// The right to an answer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Ticket {
    /// The request's number.
    pub id: u64,
    /// When it is answered; `None` = never.
    pub answer_at: Option<Instant>,
}

/// What [`SharedWorld::begin`] says.
#[derive(Debug)]
pub enum Sent {
    /// The answer, where it takes no time.
    Answered(Reply),
    /// There will be an answer then; `None` = never.
    Waiting(Pending, Option<Instant>),
}

/// A request whose answer is awaited. Dropping it gives up the answer, not the effect.
#[derive(Debug)]
pub struct Pending {
    world: SharedWorld,
    id: u64,
    claimed: bool,
}

impl Pending {
    /// The answer, once it is due.
    ///
    /// # Panics
    /// Where it is not due.
    pub fn claim(mut self, now: Now) -> Reply {
        self.claimed = true;
        self.world.lock().answer(self.id, now)
    }
}

impl Drop for Pending {
    fn drop(&mut self) {
        if !self.claimed {
            self.world.lock().abandon(self.id);
        }
    }
}
