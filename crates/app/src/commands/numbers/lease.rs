//! A number that this process holds for as long as it takes to change it, so that no call of another process is
//! placed from it meanwhile (`scheduling.md` 4.3).

use std::convert::Infallible;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use async_trait::async_trait;
use partyline_domain::ports::{
    AssignNumber, Change, Clock as _, Entry, Intent, IntentKind, Number, Release, Taken, Timer as _, Unresolved,
};
use partyline_domain::{AgentId, AttemptId, Instant, JournalError, PhoneNumberId, RingingTimeout};

use super::change::Ledger;
use super::shared::told;
use crate::commands::calls::trouble;
use crate::compose::{OpenStore, World};
use crate::errors::AppError;
use crate::exit::Exit;
use crate::printer::{Printer, seconds};
use crate::settings::Limits;
use crate::system::{SystemClock, TokioTimer};

/// How often a number is asked for again.
const ASK_EVERY: Duration = Duration::from_secs(1);
/// How soon at the earliest, where the store says that something has changed.
const ASK_AGAIN: Duration = Duration::from_millis(100);
const UNCHANGED: &str = "nothing was changed";

/// A number that this process holds.
pub(super) struct Held<'a> {
    open: &'a OpenStore,
    clock: SystemClock,
    taken: Taken,
    /// How long after it was sent a request may take effect.
    lateness: Duration,
    /// The lease holds until then, as far as this process may rely on it.
    until: Mutex<Instant>,
    /// Sends that may still take effect.
    unsettled: Mutex<Vec<AttemptId>>,
}

/// Asks for the number until this process has it, or `wait` is over.
///
/// # Errors
/// 4 where another process keeps it, 1 where the store does not answer.
pub(super) async fn take<'a>(
    number: &PhoneNumberId,
    wait: Duration,
    open: &'a OpenStore,
    world: &World,
    printer: &Printer,
) -> Result<Held<'a>, AppError> {
    let clock = world.clock();
    let timer = TokioTimer::new(clock);
    let give_up_at = clock.now().monotonic.after(wait);
    let mut is_told = false;
    loop {
        let asked = clock.now().monotonic;
        let answer = open.store.want(number, open.sharing.ttl).await;
        if let Some(taken) = answer.map_err(|why| trouble(why).effect(UNCHANGED))? {
            let until = asked.after(open.sharing.ttl.saturating_sub(open.sharing.margin));
            let lateness = world.shared_policy(RingingTimeout::default(), Limits::default()).lateness;
            let (until, unsettled) = (Mutex::new(until), Mutex::default());
            return Ok(Held { open, clock, taken, lateness, until, unsettled });
        }
        let now = clock.now().monotonic;
        if now >= give_up_at {
            return Err(refused(number, open).await);
        }
        if !std::mem::replace(&mut is_told, true) {
            let (who, _) = holder(number, open).await;
            let left = seconds(give_up_at.since(now));
            printer.step(&format!("{who} places calls from the number and is asked for it: waiting for up to {left}"));
        }
        tokio::select! {
            () = timer.sleep_until(now.after(ASK_EVERY).min(give_up_at)) => {}
            () = open.store.changed() => timer.sleep_until(now.after(ASK_AGAIN).min(give_up_at)).await,
        }
    }
}

/// Who holds the number, and how many calls it has for it.
async fn holder(number: &PhoneNumberId, open: &OpenStore) -> (String, Option<u64>) {
    let rows = open.archive.numbers().await.unwrap_or_default();
    let row = rows.iter().find(|row| row.number == *number);
    let who = row.and_then(|row| row.holder.as_ref()).map_or_else(|| "another process".to_owned(), told);
    (who, row.map(|row| row.claimed))
}

async fn refused(number: &PhoneNumberId, open: &OpenStore) -> AppError {
    let (who, calls) = holder(number, open).await;
    let calls = match calls {
        Some(1) => " and has 1 call on it".to_owned(),
        Some(calls) if calls > 0 => format!(" and has {calls} calls on it"),
        Some(_) | None => String::new(),
    };
    AppError::new(Exit::NotAssigned, "number_in_use", format!("refused: {who} holds the number {number}{calls}"))
        .effect(UNCHANGED)
        .hint("wait longer with `--wait <DURATION>`, or end that process first (see `partyline numbers`)")
}

impl Held<'_> {
    /// Does `work` while the lease is prolonged.
    ///
    /// # Errors
    /// What `work` fails with.
    pub(super) async fn during<T>(&self, work: impl Future<Output = Result<T, AppError>>) -> Result<T, AppError> {
        tokio::select! {
            biased;
            outcome = work => outcome,
            never = self.prolong() => match never {},
        }
    }

    async fn prolong(&self) -> Infallible {
        let timer = TokioTimer::new(self.clock);
        let policy = self.open.sharing;
        loop {
            timer.sleep_until(self.clock.now().monotonic.after(policy.renew_every)).await;
            let asked = self.clock.now().monotonic;
            // A store that does not answer prolongs nothing; the lease ends by itself.
            let Ok(renewed) = self.open.store.renew(policy.ttl).await else { continue };
            let holds = renewed.leases.contains(&(self.taken.number.clone(), self.taken.epoch));
            let until = if holds { asked.after(policy.ttl.saturating_sub(policy.margin)) } else { asked };
            *self.until.lock().unwrap_or_else(PoisonError::into_inner) = until;
        }
    }

    /// Waits until no request of an earlier holder that names another agent can take effect any more.
    ///
    /// # Errors
    /// 4 where that takes longer than `wait`.
    pub(super) async fn settle_others(
        &self,
        wanted: Option<&AgentId>,
        wait: Duration,
        printer: &Printer,
    ) -> Result<(), AppError> {
        let left = |unresolved: &Unresolved| {
            let lateness = self.lateness.max(unresolved.intent.lateness);
            unresolved.open_for.saturating_add(lateness).saturating_sub(unresolved.over_for)
        };
        let others = self.taken.unresolved.iter().filter(|unresolved| unresolved.intent.agent.as_ref() != wanted);
        let Some(longest) = others.max_by_key(|unresolved| left(unresolved)) else { return Ok(()) };
        let (pause, agent) = (left(longest), longest.intent.agent.as_ref().map_or("nobody", AgentId::as_str));
        if pause.is_zero() {
            return Ok(());
        }
        let told = format!("a request for {agent} on this number may still take effect for {}", seconds(pause));
        if pause > wait {
            return Err(AppError::new(Exit::NotAssigned, "number_unsettled", format!("refused: {told}"))
                .effect(UNCHANGED)
                .hint(format!("try again then, or let it be waited for with `--wait {}s`", pause.as_secs() + 1)));
        }
        printer.step(&format!("{told}: waiting"));
        TokioTimer::new(self.clock).sleep_until(self.clock.now().monotonic.after(pause)).await;
        Ok(())
    }

    /// Forgets who answered the number before: an operator's word counts more.
    ///
    /// # Errors
    /// 1 where the store does not take it.
    pub(super) async fn forget(&self, printer: &Printer) -> Result<(), AppError> {
        let Some(remembered) = &self.taken.remembered else { return Ok(()) };
        self.write(vec![Change::Forget(self.taken.number.clone())]).await?;
        let who = remembered.as_ref().map_or("nobody", AgentId::as_str);
        printer.note(&format!("the number was still to be given back to {who} after a call; that is forgotten now"));
        Ok(())
    }

    /// Gives the number back, with what was seen of it last and when.
    pub(super) async fn give_back(&self, seen: Option<(Number, Instant)>, printer: &Printer) {
        let unsettled = self.unsettled.lock().unwrap_or_else(PoisonError::into_inner).len();
        let clean = unsettled == 0 && self.taken.unresolved.is_empty();
        let now = self.clock.now().monotonic;
        let seen = seen.filter(|_| clean).map(|(number, at)| (number, now.since(at)));
        let release = Release {
            numbers: vec![(self.taken.number.clone(), self.taken.epoch)],
            seen: seen.into_iter().collect(),
            ..Release::default()
        };
        if let Err(why) = self.open.store.release(release).await {
            let ttl = seconds(self.open.sharing.ttl);
            printer.warn(&format!("{why}: other processes may use the number again in {ttl}"));
        }
    }

    async fn write(&self, changes: Vec<Change>) -> Result<(), AppError> {
        match self.open.store.commit(vec![Entry { changes }]).await.pop() {
            Some(Ok(())) | None => Ok(()),
            Some(Err(JournalError::Fenced { .. })) => Err(lost(&self.taken.number)),
            Some(Err(error)) => Err(AppError::new(Exit::Unexpected, "store_unavailable", error.to_string())),
        }
    }
}

fn lost(number: &PhoneNumberId) -> AppError {
    let message = format!("another process has taken the number {number} meanwhile");
    AppError::new(Exit::NotAssigned, "number_in_use", message).hint("try again")
}

#[async_trait]
impl Ledger for Held<'_> {
    async fn intend(&self, order: &AssignNumber) -> Result<Instant, AppError> {
        let now = self.clock.now();
        let until = *self.until.lock().unwrap_or_else(PoisonError::into_inner);
        let not_after = order.not_after.min(until);
        let within = not_after.since(now.monotonic);
        if within.is_zero() {
            return Err(lost(&self.taken.number));
        }
        let intent = Intent {
            attempt: order.attempt.clone(),
            kind: IntentKind::Assign,
            number: order.number.clone(),
            agent: order.agent.clone(),
            epoch: self.taken.epoch,
            send_by: now.wall.after(within),
            within,
            lateness: self.lateness,
        };
        self.unsettled.lock().unwrap_or_else(PoisonError::into_inner).push(order.attempt.clone());
        self.write(vec![Change::Intend(intent)]).await?;
        Ok(not_after)
    }

    async fn settle(&self, attempt: &AttemptId) {
        // What cannot be written stays open for others, who then wait longer than they need.
        if self.write(vec![Change::Resolve(attempt.clone())]).await.is_ok() {
            self.unsettled.lock().unwrap_or_else(PoisonError::into_inner).retain(|open| open != attempt);
        }
    }
}
