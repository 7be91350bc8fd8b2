//! Making sure that agents exist: each is asked about once for all calls that wait, and many at once where many do.

use std::collections::BTreeMap;

use crate::dispatch::effect::{Effect, Slot};
use crate::dispatch::failing::halts;
use crate::dispatch::record::{Record, Step};
use crate::dispatch::stop::Stopping;
use crate::dispatch::{Dispatcher, TimerKey};
use crate::error::ProviderError;
use crate::flow::{CallEvent, CallState, Evidence, FailureReason};
use crate::ids::AgentId;
use crate::ports::{AgentProfile, PAGE_SIZE_MAX};
use crate::time::Now;

impl Dispatcher {
    pub(super) fn verify(&mut self, slot: Slot, agent: &AgentId, now: Now) {
        let known = self.agents.find(agent, now.monotonic, self.policy.verified_for).cloned();
        if let Some(profile) = known {
            self.verified(slot, &profile, Evidence::Cached, now);
        } else if self.agents.ask(agent, slot) {
            if self.policy.verify_window.is_zero() {
                self.outbox.push(Effect::VerifyAgent(agent.clone()));
            } else if self.agents.gather(agent) {
                self.timers.insert((now.monotonic.after(self.policy.verify_window), TimerKey::Verify));
            }
        }
    }

    pub(super) fn ask_about_agents(&mut self) {
        let gathered = self.agents.gathered();
        if self.stopping != Stopping::No {
            return;
        }
        for agents in gathered.chunks(usize::from(PAGE_SIZE_MAX)) {
            self.outbox.push(match agents {
                [agent] => Effect::VerifyAgent(agent.clone()),
                _ => Effect::VerifyAgents(agents.to_vec()),
            });
        }
    }

    /// What one request says of many agents. Whoever is absent, and all of them where it failed, is asked about alone:
    /// the provider's documents do not say what it does with unknown ids.
    pub(super) fn agents_answered(
        &mut self,
        agents: &[AgentId],
        answer: &Result<BTreeMap<AgentId, AgentProfile>, ProviderError>,
        now: Now,
    ) {
        for agent in agents {
            match answer {
                Ok(found) => match found.get(agent) {
                    Some(profile) => self.agent_answered(agent, &Ok(Some(profile.clone())), now),
                    None => self.outbox.push(Effect::VerifyAgent(agent.clone())),
                },
                Err(error) if halts(error) => self.agent_answered(agent, &Err(error.clone()), now),
                Err(_) => self.outbox.push(Effect::VerifyAgent(agent.clone())),
            }
        }
    }

    pub(super) fn agent_answered(
        &mut self,
        agent: &AgentId,
        answer: &Result<Option<AgentProfile>, ProviderError>,
        now: Now,
    ) {
        let waiting = self.agents.answered(agent);
        if let Err(error) = answer {
            self.halt_on(error, now);
        }
        if let Ok(Some(profile)) = answer {
            self.agents.know(profile.clone(), now.monotonic);
        }
        for slot in waiting {
            match answer {
                Ok(Some(profile)) => self.verified(slot, profile, Evidence::Fresh, now),
                Ok(None) => {
                    let detail = format!("the provider knows no agent {agent}");
                    self.unverified(slot, FailureReason::AgentNotFound, detail, now);
                }
                Err(error) => {
                    self.unverified(slot, FailureReason::Provider(error.kind()), error.detail().to_owned(), now);
                }
            }
        }
    }

    fn verified(&mut self, slot: Slot, profile: &AgentProfile, evidence: Evidence, now: Now) {
        if self.waiting_for_verification(slot).is_none() {
            return;
        }
        if profile.archived {
            let detail = format!("the agent {} ({}) is archived", profile.name, profile.id);
            self.unverified(slot, FailureReason::AgentArchived, detail, now);
            return;
        }
        // A call that is gone on with was verified before, and only its agent had to be made sure of again.
        if matches!(self.record(slot).state, CallState::Requested(_)) {
            self.write(slot, CallEvent::AgentVerified { agent_name: profile.name.clone(), evidence }, now);
        }
        self.queue(slot, now);
    }

    fn unverified(&mut self, slot: Slot, reason: FailureReason, detail: String, now: Now) {
        if self.waiting_for_verification(slot).is_some() {
            if matches!(self.record(slot).state, CallState::Requested(_)) {
                self.write(slot, CallEvent::VerificationFailed { reason, detail }, now);
                self.end(slot, now);
            } else {
                self.fail_assignment(slot, reason, detail, now);
            }
        }
    }

    fn waiting_for_verification(&mut self, slot: Slot) -> Option<&mut Record> {
        self.calls.get_mut(&slot).map(Box::as_mut).filter(|record| record.step == Step::Verification)
    }
}
