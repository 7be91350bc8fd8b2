//! What came of a storm: the emulator's ledger on one side, the store on the other.

use std::collections::{BTreeMap, BTreeSet};

use jiff::{SignedDuration, Timestamp};
use partyline_domain::{AttemptId, Instant};
use partyline_fake_adapter::world::{DialEntry, Operation};
use serde_json::Value;

use crate::house::{House, batch_id};
use crate::plan::Job;

/// Times are written down in milliseconds, a moment before or after what they are of.
const BLUR: SignedDuration = SignedDuration::from_millis(50);

/// What the ledger says.
struct Ledger {
    dials: Vec<DialEntry>,
    /// Dials with which something went wrong, by attempt.
    faulty: BTreeSet<String>,
}

impl House {
    /// Checks everything that was promised.
    ///
    /// # Panics
    /// With all that is wrong.
    pub(crate) fn judge(&mut self) {
        let ledger = self.ledger();
        let said = self.ask(&["export", "--format", "jsonl", "--events"]).expect("the store answers");
        let calls: Vec<Value> = said.lines().map(|line| serde_json::from_str(line).expect("JSON")).collect();
        let mut wrong = Vec::new();
        let mut states: BTreeMap<(&str, &str), usize> = BTreeMap::new();
        let mut dials: BTreeMap<&str, Vec<&DialEntry>> = BTreeMap::new();
        for dial in &ledger.dials {
            dials.entry(call_of(dial)).or_default().push(dial);
        }
        for call in &calls {
            let own = dials.remove(text(call, "call_id")).unwrap_or_default();
            self.judge_call(call, &own, &ledger, &mut wrong);
            let why = call["reason"].as_str().unwrap_or_default();
            *states.entry((text(call, "state"), why)).or_default() += 1;
        }
        for (call, dials) in dials {
            wrong.push(format!("{} dials of a call that is not in the store: {call}", dials.len()));
        }
        self.judge_rows(&calls, &mut wrong);
        self.judge_ends(&mut wrong);
        let (kills, pauses) = (self.kills, self.pauses);
        self.say(&format!(
            "{} calls: {states:?}; {} dials, {} with a fault; {kills} kills, {pauses} pauses",
            calls.len(),
            ledger.dials.len(),
            ledger.faulty.len()
        ));
        if !wrong.is_empty() {
            self.tell_ledger();
        }
        assert!(wrong.is_empty(), "seed {}: {} things are wrong:\n{}", self.plan.seed, wrong.len(), wrong.join("\n"));
    }

    /// Everything that reached the provider and is no read, in order.
    pub(crate) fn tell_ledger(&self) {
        let world = self.provider.world().lock();
        let ledger = world.ledger();
        let mut lines: Vec<(Instant, String)> = Vec::new();
        for it in &ledger.requests {
            if matches!(it.operation, Operation::Dial | Operation::Assign) {
                let attempt = it.attempt.as_ref().map(AttemptId::as_str);
                lines
                    .push((it.arrived_at, format!("{:?} {attempt:?}: {:?}, {:?}", it.operation, it.fault, it.outcome)));
            }
        }
        for it in &ledger.assignments {
            lines.push((it.at.monotonic, format!("{} is assigned to {:?} by {:?}", it.number, it.after, it.writer)));
        }
        for it in &ledger.dials {
            let attempt = it.attempt.as_ref().map(AttemptId::as_str);
            lines.push((it.at.monotonic, format!("{} dials {attempt:?}; {} speaks", it.number, it.answered)));
        }
        lines.sort();
        for (at, line) in lines {
            self.say(&format!("ledger [{:>6} ms] {line}", at.since_origin().as_millis()));
        }
    }

    fn ledger(&self) -> Ledger {
        let world = self.provider.world().lock();
        let faulty = world.ledger().requests_of(Operation::Dial).filter(|request| request.fault.is_some());
        let faulty = faulty.filter_map(|request| Some(request.attempt.as_ref()?.to_string()));
        Ledger { dials: world.ledger().dials.clone(), faulty: faulty.collect() }
    }

    /// At most one dial, by the right agent to the right callee, and the truth about it.
    fn judge_call(&self, call: &Value, dials: &[&DialEntry], ledger: &Ledger, wrong: &mut Vec<String>) {
        let mut say = |what: &str| wrong.push(format!("{what}: {call}; dials: {dials:?}"));
        if dials.len() > 1 {
            say("dialled more than once");
        }
        for dial in dials {
            if dial.answered.as_str() != text(call, "agent_id") || dial.is_misrouted() {
                say("another agent spoke");
            }
            if dial.to.e164() != text(call, "to") {
                say("somebody else was called");
            }
        }
        if call["open"] != false {
            say("not closed");
        }
        if call["proof"] == "mismatch" {
            say("said to have gone wrong");
        }
        match text(call, "state") {
            "initiated" => {
                let conversation = dials.first().map(|dial| dial.conversation.as_str());
                if conversation.is_none() || call["conversation_id"].as_str() != conversation {
                    say("said to be dialled, and was not, or otherwise");
                }
            }
            "failed" => {
                if !dials.is_empty() || call["dialed"] != "no" {
                    say("said not to be dialled, and may have been");
                }
            }
            "unknown" => {
                if !self.is_explained(call, ledger) {
                    say("unknown without a reason: its dial was not open when anything went wrong");
                }
            }
            _ => say("has not ended"),
        }
    }

    /// Whether something went wrong with the call's last dial, or while that was open.
    fn is_explained(&self, call: &Value, ledger: &Ledger) -> bool {
        let Some(events) = call["events"].as_array() else { return false };
        let Some(intended) = events.iter().rposition(|event| event["event"] == "dial_intended") else { return false };
        if ledger.faulty.contains(text(&events[intended], "attempt")) {
            return true;
        }
        let Some(next) = events.get(intended + 1) else { return false };
        let (from, to) = (time(&events[intended]) - BLUR, time(next) + BLUR);
        self.disturbances.iter().any(|it| it.from <= to && it.to >= from)
    }

    /// Every row and every call is there once, and the files of results say the same as the store.
    fn judge_rows(&self, calls: &[Value], wrong: &mut Vec<String>) {
        let rows = self.plan.weather.rows;
        for job in self.plan.weather.jobs() {
            let Job::Batch { index, keyed } = job else {
                let Job::Call { index } = job else { continue };
                let key = format!("call-{index}");
                let count = calls.iter().filter(|call| call["key"] == key.as_str()).count();
                if count != 1 {
                    wrong.push(format!("{count} calls with the key {key}"));
                }
                continue;
            };
            let results = self.results(job);
            let lines: Vec<Vec<&str>> = results.lines().skip(1).map(|line| line.split(',').collect()).collect();
            if lines.len() != rows {
                wrong.push(format!("{} of {rows} rows of {job} are in its results", lines.len()));
            }
            let batch = batch_id(index, calls);
            for (row, line) in lines.iter().enumerate() {
                let key = format!("batch-{index}-row-{row}");
                let is_it = |call: &&Value| {
                    let of_batch = || call["batch_id"].as_str() == batch && call["row"] == row + 2;
                    if keyed { call["key"] == key.as_str() } else { of_batch() }
                };
                let found: Vec<&Value> = calls.iter().filter(is_it).collect();
                let [call] = found.as_slice() else {
                    wrong.push(format!("{} calls for row {row} of {job}", found.len()));
                    continue;
                };
                let told = (line[4], line[7], line[8]);
                let conversation = call["conversation_id"].as_str().unwrap_or_default();
                let state = if call["state"] == "unknown" { "failed" } else { text(call, "state") };
                if told != (state, text(call, "dialed"), conversation) {
                    wrong.push(format!("the results of {job} say {line:?} of {call}"));
                }
            }
        }
    }

    fn judge_ends(&self, wrong: &mut Vec<String>) {
        for (name, code) in &self.ends {
            let (_, stderr) = self.place.said(name);
            // 8: another agent spoke; 101: our bug.
            if [8, 101].contains(code) || stderr.contains("panicked") {
                wrong.push(format!("{name} ended with {code}:\n{stderr}"));
            } else if [1, 2].contains(code) {
                self.say(&format!("{name} ended with {code}:\n{stderr}"));
            }
        }
    }
}

fn call_of(dial: &DialEntry) -> &str {
    let attempt = dial.attempt.as_ref().expect("each dial carries its attempt").as_str();
    attempt.rsplit_once('.').expect("an attempt of a call").0
}

fn text<'a>(object: &'a Value, key: &str) -> &'a str {
    object[key].as_str().unwrap_or_else(|| panic!("no {key} in {object}"))
}

fn time(event: &Value) -> Timestamp {
    text(event, "at").parse().expect("a time")
}
