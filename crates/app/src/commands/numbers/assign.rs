//! `partyline numbers assign` and `release`: who answers a number is changed, once nobody uses it.

use std::time::Duration;

use partyline_domain::Instant;
use partyline_domain::ports::{AgentProfile, Clock as _, Number};
use serde::Serialize;

use super::change::{Change, Ledger, Unshared, who};
use super::lease::take;
use super::{AgentRow, agent_row};
use crate::compose::{OpenStore, World};
use crate::errors::AppError;
use crate::exit::Exit;
use crate::printer::Printer;
use crate::resolve::Resolver;
use crate::settings::Settings;
use crate::signals::Signals;
use crate::system::TokioTimer;

const UNCHANGED: &str = "nothing was changed";
const MAY_BE_CHANGED: &str = "a change that was being sent may have taken effect";

/// The object of `numbers assign` and `numbers release`; `null` = nobody.
#[derive(Serialize)]
struct Changed<'a> {
    phone_number_id: &'a str,
    phone_number: &'a str,
    outcome: &'static str,
    before: Option<AgentRow<'a>>,
    after: Option<AgentRow<'a>>,
}

/// Changes who answers numbers.
#[derive(Clone, Copy)]
pub(super) struct Changing<'a> {
    pub(super) settings: &'a Settings,
    pub(super) world: &'a World,
    pub(super) printer: &'a Printer,
    /// How long others are waited for.
    pub(super) wait: Duration,
}

impl Changing<'_> {
    /// Makes an agent answer a number.
    ///
    /// # Errors
    /// 4 where the provider does not confirm it, or the number is in use.
    pub(super) async fn assign(self, number: &str, agent: &str, signals: &mut Signals) -> Result<Exit, AppError> {
        let resolver = self.resolver();
        let work = async { resolver.both_read(agent, Some(number)).await.map_err(not_dialling) };
        let (agent, number) = signals.unless_interrupted(UNCHANGED, work).await?;
        if agent.archived {
            let message = format!("the agent {} ({}) is archived", agent.name, agent.id);
            return Err(AppError::new(Exit::NotVerified, "agent_archived", message).effect(UNCHANGED));
        }
        self.change(number, Some(&agent), signals).await
    }

    /// Makes nobody answer a number.
    ///
    /// # Errors
    /// 4 where the provider does not confirm it, or the number is in use.
    pub(super) async fn release(self, number: &str, signals: &mut Signals) -> Result<Exit, AppError> {
        let resolver = self.resolver();
        let work = async { resolver.number(number).await.map_err(not_dialling) };
        let number = signals.unless_interrupted(UNCHANGED, work).await?;
        self.change(number, None, signals).await
    }

    fn resolver(&self) -> Resolver<'_> {
        let world = self.world;
        Resolver { provider: world.provider(), settings: self.settings, host: world.host(), clock: world.clock() }
    }

    async fn change(
        self,
        before: Number,
        agent: Option<&AgentProfile>,
        signals: &mut Signals,
    ) -> Result<Exit, AppError> {
        if !before.inbound {
            let id = &before.id;
            let why =
                format!("the number {id} is outbound-only (a verified caller id): nobody can be made to answer it");
            return Err(AppError::new(Exit::NotAssigned, "outbound_only", why)
                .effect(UNCHANGED)
                .hint("it can place calls all the same: the call names the agent"));
        }
        let (settings, clock) = (self.settings, self.world.clock());
        match OpenStore::open(settings, clock, "numbers", self.printer).await? {
            None => {
                let asked = clock.now().monotonic;
                let making = self.make(&before, asked, agent, &Unshared);
                signals.unless_interrupted(MAY_BE_CHANGED, making).await?;
            }
            Some(open) => {
                let outcome = self.change_shared(&before, agent, &open, signals).await;
                open.close().await;
                outcome?;
            }
        }
        Ok(Exit::Success)
    }

    /// The same for a number that other processes may be using.
    async fn change_shared(
        self,
        before: &Number,
        agent: Option<&AgentProfile>,
        open: &OpenStore,
        signals: &mut Signals,
    ) -> Result<(), AppError> {
        let clock = self.world.clock();
        let give_up_at = clock.now().monotonic.after(self.wait);
        let taking = take(&before.id, self.wait, open, self.world, self.printer);
        let held = signals.unless_interrupted(UNCHANGED, taking).await?;
        let wait_left = give_up_at.since(clock.now().monotonic);
        let wanted = agent.map(|agent| &agent.id);
        let settling = held.during(held.settle_others(wanted, wait_left, self.printer));
        let mut outcome = signals.unless_interrupted(UNCHANGED, settling).await.map(|()| None);
        if outcome.is_ok() {
            let making = held.during(async {
                // Whoever held the number may have changed it since it was read.
                let asked = clock.now().monotonic;
                let now = self.resolver().number(before.id.as_str()).await.map_err(not_dialling)?;
                let changed = self.make(&now, asked, agent, &held).await?;
                held.forget(self.printer).await?;
                Ok(Some(changed))
            });
            outcome = signals.unless_interrupted(MAY_BE_CHANGED, making).await;
        }
        held.give_back(outcome.as_ref().ok().cloned().flatten(), self.printer).await;
        outcome.map(drop)
    }

    /// Changes the number that was read at this point, says so, and returns it as it is then, with when that was asked.
    async fn make(
        self,
        before: &Number,
        read: Instant,
        agent: Option<&AgentProfile>,
        ledger: &dyn Ledger,
    ) -> Result<(Number, Instant), AppError> {
        let world = self.world;
        let clock = world.clock();
        let wanted = agent.map(|agent| &agent.id);
        if before.assigned_id() == wanted {
            tell(before, before, "already", self.printer);
            return Ok((before.clone(), read));
        }
        let asked = clock.now().monotonic;
        let (numbers, ids, timer) = (world.provider(), world.ids(), TokioTimer::new(clock));
        let change = Change { numbers, ids, clock: &clock, timer: &timer, ledger, host: world.host() };
        let after = change.make(before, wanted, self.printer).await?;
        tell(before, &after, if agent.is_some() { "assigned" } else { "released" }, self.printer);
        Ok((after, asked))
    }
}

fn tell(before: &Number, after: &Number, outcome: &'static str, printer: &Printer) {
    let phone_number = after.caller_id.expose();
    if printer.is_json() {
        let (before, after_row) = (agent_row(before), agent_row(after));
        let phone_number_id = after.id.as_str();
        printer.object(&Changed { phone_number_id, phone_number, outcome, before, after: after_row });
    } else if outcome == "already" {
        printer.data(&format!("{phone_number} ({}) is answered by {} already", after.id, who(after)));
    } else {
        printer.data(&format!("{phone_number} ({}) is answered by {}; before: {}", after.id, who(after), who(before)));
    }
}

/// No call is meant here, so none is spoken of.
fn not_dialling(error: AppError) -> AppError {
    let effect = error.effect.map(|_| UNCHANGED);
    AppError { effect, ..error }
}
