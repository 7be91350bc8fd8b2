//! Changes who answers a number, and tells the truth where the provider's answer does not.

use std::time::Duration;

use async_trait::async_trait;
use partyline_domain::flow::Stage;
use partyline_domain::ports::{AssignNumber, Clock, Ids, Number, Numbers, Timer};
use partyline_domain::{AgentId, AttemptId, Class, Instant, ProviderError, Remedy, RunId, SideEffect};

use crate::errors::AppError;
use crate::exit::Exit;
use crate::printer::{Printer, seconds};

/// A change that has not left by then is not sent any more.
const SEND_WITHIN: Duration = Duration::from_secs(10);
/// How often the same change is sent at most: the same again does no harm.
const SENDS_MAX: u32 = 4;
/// The first wait after a send in doubt; the next ones double it.
const DELAY: Duration = Duration::from_millis(500);
/// Nobody sits before a terminal for longer than this; then the number is read instead.
const DELAY_MAX: Duration = Duration::from_secs(60);
const SEE: &str = "see who answers it with `partyline numbers`";

/// Is told of every send before it leaves, so that others know what may still take effect.
#[async_trait]
pub(super) trait Ledger: Send + Sync {
    /// Notes a send; it does not leave before the answer, nor after the point in time that the answer names.
    async fn intend(&self, order: &AssignNumber) -> Result<Instant, AppError>;

    /// Notes that a send has taken effect, or never will.
    async fn settle(&self, attempt: &AttemptId);
}

/// Where nothing is shared, nobody has to know.
pub(super) struct Unshared;

#[async_trait]
impl Ledger for Unshared {
    async fn intend(&self, order: &AssignNumber) -> Result<Instant, AppError> {
        Ok(order.not_after)
    }

    async fn settle(&self, _attempt: &AttemptId) {}
}

/// What is needed to change a number.
pub(super) struct Change<'a> {
    pub(super) numbers: &'a dyn Numbers,
    pub(super) ids: &'a dyn Ids,
    pub(super) clock: &'a dyn Clock,
    pub(super) timer: &'a dyn Timer,
    pub(super) ledger: &'a dyn Ledger,
    pub(super) host: &'a str,
}

impl Change<'_> {
    /// Makes `wanted` (`None` = nobody) answer the number. A send in doubt is repeated; where the doubt stays,
    /// the number is read. Returns it as the provider shows it in the end.
    ///
    /// # Errors
    /// 4 where the provider does not confirm it, 7 where it does not allow it.
    pub(super) async fn make(
        &self,
        number: &Number,
        wanted: Option<&AgentId>,
        printer: &Printer,
    ) -> Result<Number, AppError> {
        let run = self.ids.run_id();
        let mut doubt = None;
        for ordinal in 1..=SENDS_MAX {
            let order = self.order(&run, ordinal, number, wanted);
            let not_after = match self.ledger.intend(&order).await {
                Ok(not_after) => not_after,
                Err(error) if doubt.is_none() => return Err(error.effect("nothing was changed")),
                Err(_) => break,
            };
            let error = match self.numbers.assign(&AssignNumber { not_after, ..order.clone() }).await {
                Ok(after) if after.assigned_id() == wanted => {
                    self.ledger.settle(&order.attempt).await;
                    return Ok(after);
                }
                Ok(after) => return Err(not_confirmed(&after, wanted)),
                Err(error) => error,
            };
            if error.side_effect() == SideEffect::None {
                self.ledger.settle(&order.attempt).await;
            }
            let wait = wait(&error, ordinal);
            let told = error.detail().to_owned();
            let is_final = match error.class() {
                Class::InDoubt => {
                    doubt = Some(error);
                    false
                }
                Class::Permanent | Class::Retryable { .. } if doubt.is_none() => {
                    let failed = "the number could not be assigned";
                    let error = AppError::provider(Stage::Assign, failed, &error, self.host);
                    return Err(error.effect("nothing was changed"));
                }
                Class::Permanent => true,
                Class::Retryable { .. } => false,
            };
            if is_final || ordinal == SENDS_MAX || wait > DELAY_MAX {
                break;
            }
            printer.warn(&format!("no clear answer to the change ({told}); sending it again in {}", seconds(wait)));
            self.timer.sleep_until(self.clock.now().monotonic.after(wait)).await;
        }
        let doubt = doubt.expect("without a doubt the first failure ends the loop");
        self.look(number, wanted, &doubt, printer).await
    }

    fn order(&self, run: &RunId, ordinal: u32, number: &Number, wanted: Option<&AgentId>) -> AssignNumber {
        AssignNumber {
            attempt: AttemptId::of_run(run, ordinal.into()),
            number: number.id.clone(),
            agent: wanted.cloned(),
            not_after: self.clock.now().monotonic.after(SEND_WITHIN),
        }
    }

    /// What came of sends that were not answered.
    async fn look(
        &self,
        number: &Number,
        wanted: Option<&AgentId>,
        doubt: &ProviderError,
        printer: &Printer,
    ) -> Result<Number, AppError> {
        let told = match self.numbers.number(&number.id).await {
            Ok(Some(now)) if now.assigned_id() == wanted => {
                printer.note(&format!("no clear answer to the change ({}), but the number shows it", doubt.detail()));
                return Ok(now);
            }
            Ok(Some(now)) => format!("the number {} is answered by {} now", now.id, who(&now)),
            Ok(None) => format!("the number {} is not in this account any more", number.id),
            Err(error) => format!("the number {} could not be read again: {}", number.id, error.detail()),
        };
        let error = AppError::provider(Stage::Assign, "the outcome of the change is unknown", doubt, self.host);
        Err(AppError { exit: Exit::NotAssigned, ..error.detail(told).hint(SEE) })
    }
}

/// Who answers a number, for people.
pub(super) fn who(number: &Number) -> String {
    number.assigned.as_ref().map_or_else(|| "nobody".to_owned(), |agent| format!("{} ({})", agent.name, agent.id))
}

/// How long the provider wants to be left alone, else longer and longer.
fn wait(error: &ProviderError, ordinal: u32) -> Duration {
    match error.remedy() {
        Remedy::Retry { after: Some(after) } => after,
        Remedy::Retry { after: None } | Remedy::GiveUp => DELAY * 2_u32.saturating_pow(ordinal - 1),
    }
}

fn not_confirmed(after: &Number, wanted: Option<&AgentId>) -> AppError {
    let wanted = wanted.map_or("nobody", AgentId::as_str);
    let message = format!(
        "not assigned: the provider's answer says that the number {} is answered by {}, not by {wanted}",
        after.id,
        who(after)
    );
    AppError::new(Exit::NotAssigned, "not_assigned", message)
        .effect("the request was accepted, so it may take effect later")
        .hint(SEE)
}

#[cfg(test)]
mod tests {
    use std::collections::VecDeque;
    use std::sync::{Arc, Mutex};

    use async_trait::async_trait;
    use partyline_domain::ports::{AssignedAgent, NumberProvider};
    use partyline_domain::{CallId, CallerId, FailureKind, Instant, Now, PhoneNumberId};

    use super::*;
    use crate::cli::LogFormat;

    type Answer<T> = Result<T, ProviderError>;

    /// Answers as it was told, and notes what was sent and how long was waited. Its clock is what was waited.
    #[derive(Default)]
    struct Script {
        assigns: Mutex<VecDeque<Answer<Number>>>,
        read: Mutex<Option<Answer<Option<Number>>>>,
        sent: Mutex<Vec<AttemptId>>,
        waited: Mutex<Vec<Duration>>,
    }

    #[async_trait]
    impl Numbers for Script {
        async fn number(&self, _: &PhoneNumberId) -> Answer<Option<Number>> {
            self.read.lock().expect("one thread").take().expect("read once, where it was told so")
        }

        async fn numbers(&self) -> Answer<Vec<Number>> {
            panic!("never listed")
        }

        async fn assign(&self, order: &AssignNumber) -> Answer<Number> {
            self.sent.lock().expect("one thread").push(order.attempt.clone());
            self.assigns.lock().expect("one thread").pop_front().expect("not sent more often")
        }
    }

    impl Clock for Script {
        fn now(&self) -> Now {
            let waited = self.waited.lock().expect("one thread").iter().sum();
            Now { monotonic: Instant::from_origin(waited), ..Now::default() }
        }
    }

    #[async_trait]
    impl Timer for Script {
        async fn sleep_until(&self, at: Instant) {
            let wait = at.since(self.now().monotonic);
            self.waited.lock().expect("one thread").push(wait);
        }
    }

    impl Ids for Script {
        fn call_id(&self) -> CallId {
            panic!("no call is made")
        }

        fn run_id(&self) -> RunId {
            RunId::parse("run").expect("valid")
        }
    }

    fn agent() -> AgentId {
        AgentId::parse("agent_h").expect("valid")
    }

    fn number(assigned: bool) -> Number {
        Number {
            id: PhoneNumberId::parse("phnum_1").expect("valid"),
            caller_id: CallerId::new("+12025550100"),
            label: String::new(),
            provider: NumberProvider::Twilio,
            assigned: assigned.then(|| AssignedAgent { id: agent(), name: "Hotel".to_owned() }),
            inbound: true,
            outbound: true,
        }
    }

    fn doubt() -> ProviderError {
        ProviderError::in_doubt(FailureKind::TimedOut, "no whole answer")
    }

    /// Assigns the agent; returns what came of it, and the waits between the sends in milliseconds.
    fn run(
        assigns: impl IntoIterator<Item = Answer<Number>>,
        read: Option<Answer<Option<Number>>>,
    ) -> (Result<Number, AppError>, Vec<u128>) {
        let assigns = Mutex::new(assigns.into_iter().collect());
        let script = Arc::new(Script { assigns, read: Mutex::new(read), ..Script::default() });
        let change = Change {
            numbers: &*script,
            ids: &*script,
            clock: &*script,
            timer: &*script,
            ledger: &Unshared,
            host: "host",
        };
        let printer = Printer::new(false, LogFormat::Text, Arc::clone(&script) as Arc<dyn Clock>);
        let runtime = tokio::runtime::Builder::new_current_thread().build().expect("a runtime");
        let outcome = runtime.block_on(change.make(&number(false), Some(&agent()), &printer));
        let left =
            (script.assigns.lock().expect("one thread").len(), script.read.lock().expect("one thread").is_some());
        assert_eq!(left, (0, false), "everything that was told was asked for");
        let sent: Vec<String> = script.sent.lock().expect("one thread").iter().map(ToString::to_string).collect();
        let expected: Vec<String> = (1..=sent.len()).map(|ordinal| format!("run.a{ordinal}")).collect();
        assert_eq!(sent, expected, "each send has its own id");
        let waited = script.waited.lock().expect("one thread").iter().map(Duration::as_millis).collect();
        (outcome, waited)
    }

    fn refused(outcome: Result<Number, AppError>) -> AppError {
        outcome.expect_err("not confirmed")
    }

    #[test]
    fn a_doubt_is_sent_again_with_growing_waits() {
        let (outcome, waited) = run([Err(doubt()), Err(doubt()), Err(doubt()), Ok(number(true))], None);
        assert_eq!(outcome, Ok(number(true)));
        assert_eq!(waited, [500, 1000, 2000]);
    }

    #[test]
    fn the_provider_decides_how_long_to_wait() {
        let asks = |seconds| doubt().with_retry_after(Some(Duration::from_secs(seconds)));
        let (outcome, waited) = run([Err(asks(7)), Ok(number(true))], None);
        assert_eq!((outcome, waited), (Ok(number(true)), vec![7000]));
        let (outcome, waited) = run([Err(asks(3600))], Some(Ok(Some(number(false)))));
        assert_eq!((refused(outcome).exit, waited), (Exit::NotAssigned, vec![]));
    }

    #[test]
    fn in_the_end_the_number_is_read() {
        let doubts = || [(); 4].map(|()| Err(doubt()));
        let (outcome, waited) = run(doubts(), Some(Ok(Some(number(true)))));
        assert_eq!((outcome, waited.len()), (Ok(number(true)), 3));
        for (read, told) in [
            (Ok(Some(number(false))), "the number phnum_1 is answered by nobody now"),
            (Ok(None), "the number phnum_1 is not in this account any more"),
            (Err(doubt()), "the number phnum_1 could not be read again: no whole answer"),
        ] {
            let error = refused(run(doubts(), Some(read)).0);
            assert_eq!(error.message, "the outcome of the change is unknown: no whole answer");
            assert_eq!(error.effect, Some("the request may have taken effect all the same"));
            assert!(error.details.iter().any(|line| line == told), "{:?}", error.details);
        }
    }

    #[test]
    fn a_later_refusal_does_not_end_the_doubt() {
        let forbidden = ProviderError::permanent(FailureKind::Forbidden, "the provider answered 403");
        let (outcome, _) = run([Err(doubt()), Err(forbidden.clone())], Some(Ok(Some(number(false)))));
        assert!(refused(outcome).message.starts_with("the outcome of the change is unknown"));
        let (outcome, waited) = run([Err(forbidden)], None);
        let error = refused(outcome);
        assert_eq!((error.effect, waited.len()), (Some("nothing was changed"), 0));
    }
}
