//! `partyline call --dry-run`: reads, says what would be changed, and changes nothing.

use partyline_domain::flow::Stage;
use partyline_domain::ports::{AgentProfile, Number, NumberProvider};
use partyline_domain::{AfterCall, AgentId, AssignmentPolicy, NumberChoice, Policies};
use serde::Serialize;

use super::inputs::{self, Inputs};
use super::output::{AgentOutput, NumberOutput};
use crate::cli::CallArgs;
use crate::compose::World;
use crate::errors::AppError;
use crate::exit::Exit;
use crate::printer::Printer;
use crate::resolve::{Resolver, can_dial};

/// The object of `call --dry-run --json`.
#[derive(Serialize)]
struct Plan {
    dry_run: bool,
    agent: AgentOutput,
    number: NumberOutput,
    to: String,
    /// `assigned`, `already` or `skipped`: what the assign step would come to.
    assignment: &'static str,
    would_assign: Option<Change>,
    would_restore: Option<Change>,
    would_dial: &'static str,
    requests: u32,
}

/// A change of who answers the number; `null` = nobody.
#[derive(Serialize)]
struct Change {
    from_agent_id: Option<String>,
    to_agent_id: Option<String>,
}

pub(super) async fn run(
    args: &CallArgs,
    inputs: Inputs,
    resolver: &Resolver<'_>,
    world: &World,
    printer: &Printer,
) -> Result<Exit, AppError> {
    let (agent, number) = resolver.both_read(&args.agent, args.number.as_deref()).await?;
    let numbers = NumberChoice::one(number.id.clone());
    let policies = resolver.settings.choices_of(&inputs::flags(args), &numbers)?.policies();
    let route = check(&agent, &number)?;
    let (assignment, reason) = assignment(&agent, &number, &policies);
    let changes = assignment == "assigned" && number.assigned_id() != Some(&agent.id);
    let restores = changes && policies.after_call == AfterCall::Restore;
    let before = number.assigned_id();
    let requests = world.requests();
    if printer.is_json() {
        printer.object(&Plan {
            dry_run: true,
            agent: AgentOutput { agent_id: Some(agent.id.to_string()), name: Some(agent.name.clone()) },
            number: NumberOutput::of(&number),
            to: inputs.to.e164().to_owned(),
            assignment,
            would_assign: (assignment == "assigned").then(|| change(before, Some(&agent.id))),
            would_restore: restores.then(|| change(Some(&agent.id), before)),
            would_dial: route,
            requests,
        });
        return Ok(Exit::Success);
    }
    let restore = match policies.after_call {
        AfterCall::Restore if restores => format!("would be given back to {}", who(&number)),
        AfterCall::Restore => "nothing to give back".to_owned(),
        AfterCall::Keep => "stays as it is".to_owned(),
    };
    printer.data("dry run: nothing was changed and nobody was called");
    printer.data(&format!("  agent       {} ({})", agent.name, agent.id));
    printer.data(&format!("  number      {} ({}, {})", number.caller_id.expose(), number.provider.as_str(), number.id));
    printer.data(&format!("  to          {}", inputs.to.e164()));
    printer.data(&format!("  assignment  {reason}"));
    printer.data(&format!("  after call  {restore}"));
    printer.data(&format!("  dial        would go by the {route} route"));
    printer.data(&format!("  requests    {requests}, all of them reads"));
    Ok(Exit::Success)
}

/// Refuses what the core would refuse, and names the route of the dial.
fn check(agent: &AgentProfile, number: &Number) -> Result<&'static str, AppError> {
    if agent.archived {
        let message = format!("the agent {} ({}) is archived", agent.name, agent.id);
        return Err(AppError::new(Exit::NotVerified, "agent_archived", message)
            .stage(Stage::Verify)
            .effect("nothing was dialled")
            .hint("take the agent out of the archive in the provider's dashboard"));
    }
    let unfit = |message: String| {
        AppError::new(Exit::NotAssigned, "number_unsupported", message)
            .stage(Stage::Assign)
            .effect("nothing was dialled")
            .hint("choose another number with `--number`: they are listed by `partyline numbers`")
    };
    if !can_dial(number) && number.outbound {
        return Err(unfit(format!(
            "calls can be placed from twilio, sip_trunk and exotel numbers, not from a number of the kind {}",
            number.provider.as_str()
        )));
    }
    if !number.outbound {
        return Err(unfit(format!("calls cannot be placed from the number {}: it is inbound only", number.id)));
    }
    Ok(match &number.provider {
        NumberProvider::Twilio => "twilio",
        NumberProvider::SipTrunk => "sip_trunk",
        NumberProvider::Exotel => "exotel",
        NumberProvider::Other(_) => return Err(unfit("the kind of the number is not known".to_owned())),
    })
}

/// What the assign step would come to, as a word and for people.
fn assignment(agent: &AgentProfile, number: &Number, policies: &Policies) -> (&'static str, String) {
    let has_agent = number.assigned_id() == Some(&agent.id);
    match policies.assignment {
        AssignmentPolicy::Never => ("skipped", "none: the assignment policy is `never`".to_owned()),
        AssignmentPolicy::Always | AssignmentPolicy::IfDifferent if !number.inbound => {
            ("skipped", "none: the number is outbound-only".to_owned())
        }
        AssignmentPolicy::IfDifferent if has_agent => ("already", "none: the number already has the agent".to_owned()),
        AssignmentPolicy::Always if has_agent => {
            ("assigned", "would be sent again: the number already has the agent".to_owned())
        }
        AssignmentPolicy::Always | AssignmentPolicy::IfDifferent => {
            ("assigned", format!("would change from {} to {} ({})", who(number), agent.name, agent.id))
        }
    }
}

fn who(number: &Number) -> String {
    number.assigned.as_ref().map_or_else(|| "nobody".to_owned(), |agent| format!("{} ({})", agent.name, agent.id))
}

fn change(from: Option<&AgentId>, to: Option<&AgentId>) -> Change {
    Change { from_agent_id: from.map(ToString::to_string), to_agent_id: to.map(ToString::to_string) }
}
