//! Which calls that are handed in are taken. Pure, and the same for both databases.

use std::collections::{BTreeMap, BTreeSet};

use partyline_domain::ports::{Accepted, NewCall};
use partyline_domain::{CallId, CallRequest, IdempotencyKey, PhoneNumber};

/// What the store knows of the calls' ids and keys.
#[derive(Debug, Default)]
pub(crate) struct Taken {
    pub(crate) ids: BTreeSet<CallId>,
    pub(crate) keys: BTreeMap<IdempotencyKey, CallRequest>,
}

impl Taken {
    /// What becomes of a call; one that is new is there from then on.
    pub(crate) fn accept(&mut self, call: &NewCall) -> Accepted {
        let id = &call.request.id;
        if self.ids.contains(id) {
            return Accepted::Again;
        }
        if let Some(first) = call.key.as_ref().and_then(|key| self.keys.get(key)) {
            let id = first.id.clone();
            return if same(first, &call.request) { Accepted::Replayed(id) } else { Accepted::KeyTaken(id) };
        }
        self.ids.insert(id.clone());
        if let Some(key) = &call.key {
            self.keys.insert(key.clone(), call.request.clone());
        }
        Accepted::New
    }
}

/// Whether both ask for the same, as far as can be told where the first one's callee was erased.
fn same(first: &CallRequest, second: &CallRequest) -> bool {
    if first.to.is_erased() {
        return first.asks_the_same(&CallRequest { to: PhoneNumber::ERASED, ..second.clone() });
    }
    first.asks_the_same(second)
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use partyline_domain::{AgentId, NumberChoice, PhoneNumberId, Timestamp};

    use super::*;

    fn call(id: &str, to: &str, key: Option<&str>) -> NewCall {
        let request = CallRequest {
            id: CallId::parse(id).expect("an id"),
            agent: AgentId::parse("agent").expect("an id"),
            numbers: NumberChoice::one(PhoneNumberId::parse("phnum").expect("an id")),
            to: PhoneNumber::parse(to).expect("a number"),
            priority: partyline_domain::Priority::Normal,
            expires_at: None,
            options: Arc::default(),
            policies: Arc::default(),
        };
        let key = key.map(|key| IdempotencyKey::parse(key).expect("a key"));
        NewCall { request, at: Timestamp::default(), key, batch: None, repeats: None }
    }

    #[test]
    fn the_same_key_never_leads_to_a_second_call() {
        let mut taken = Taken::default();
        let first = || CallId::parse("1").expect("an id");
        assert_eq!(taken.accept(&call("1", "+12025550101", Some("k"))), Accepted::New);
        assert_eq!(taken.accept(&call("1", "+12025550101", Some("k"))), Accepted::Again);
        assert_eq!(taken.accept(&call("2", "+12025550101", Some("k"))), Accepted::Replayed(first()));
        assert_eq!(taken.accept(&call("3", "+12025550102", Some("k"))), Accepted::KeyTaken(first()));
        assert_eq!(taken.accept(&call("4", "+12025550102", None)), Accepted::New);
        assert_eq!(taken.accept(&call("5", "+12025550102", Some("l"))), Accepted::New);
    }

    #[test]
    fn an_erased_callee_may_have_been_the_same() {
        let mut taken = Taken::default();
        let mut erased = call("1", "+12025550101", None).request;
        erased.to = PhoneNumber::ERASED;
        let key = IdempotencyKey::parse("k").expect("a key");
        taken.keys.insert(key, erased);
        let again = taken.accept(&call("2", "+12025550101", Some("k")));
        assert_eq!(again, Accepted::Replayed(CallId::parse("1").expect("an id")));
    }
}
