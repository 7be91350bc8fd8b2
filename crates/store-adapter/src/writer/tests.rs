//! A database that does as it is told.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex};

use partyline_domain::ports::Entry;
use partyline_domain::{AttemptId, Timestamp};

use super::*;

/// What comes of the next transactions; all after them go well.
#[derive(Clone, Default)]
struct Script(Arc<Mutex<State>>);

#[derive(Default)]
struct State {
    faults: VecDeque<Fault>,
    /// Attempts to give back a permit of this name are refused, alone or among others.
    poison: Option<&'static str>,
    /// How much there was in each transaction.
    sizes: Vec<usize>,
    closed: bool,
}

impl Script {
    fn with(faults: impl IntoIterator<Item = Fault>) -> Self {
        let state = State { faults: faults.into_iter().collect(), ..State::default() };
        Self(Arc::new(Mutex::new(state)))
    }

    fn state(&self) -> std::sync::MutexGuard<'_, State> {
        self.0.lock().expect("not poisoned")
    }
}

#[async_trait]
impl Backend for Script {
    async fn transact(&mut self, works: &[&Work]) -> Result<Vec<Answer>, Fault> {
        let mut state = self.state();
        state.sizes.push(works.len());
        if let Some(fault) = state.faults.pop_front() {
            return Err(fault);
        }
        let is_poison =
            |work: &&Work| matches!(work, Work::ReturnPermit(attempt) if state.poison == Some(attempt.as_str()));
        if works.iter().any(is_poison) {
            return Err(Fault::refused("a value out of range"));
        }
        let answer = |work: &&Work| {
            if let Work::Commit(entries) = work { Answer::Commit(vec![Ok(()); entries.len()]) } else { Answer::Done }
        };
        Ok(works.iter().map(answer).collect())
    }

    async fn close(self) {
        self.state().closed = true;
    }
}

type Told = Arc<Mutex<Vec<StoreTrouble>>>;

fn begin(script: &Script) -> (WriterHandle, tokio::task::JoinHandle<()>, Told) {
    let told = Told::default();
    let list = told.clone();
    let (handle, task) =
        start(script.clone(), Arc::new(move |trouble| list.lock().expect("not poisoned").push(trouble)));
    (handle, task, told)
}

fn commit() -> Work {
    Work::Commit(vec![Entry::default()])
}

fn give_back(name: &str) -> Work {
    Work::ReturnPermit(AttemptId::parse(name).expect("an id"))
}

fn cancel() -> Work {
    Work::Cancel(partyline_domain::CallId::parse("c").expect("an id"), Timestamp::default())
}

#[tokio::test]
async fn what_waits_is_written_together() {
    let script = Script::default();
    let (writer, task, _) = begin(&script);
    let answers = futures_util::future::join_all((0..100).map(|_| writer.ask(commit()))).await;
    assert!(answers.iter().all(Result::is_ok));
    assert!(script.state().sizes.len() <= 2, "{:?}", script.state().sizes);
    drop(writer);
    task.await.expect("no panic");
    assert!(script.state().closed);
}

#[tokio::test]
async fn a_transaction_that_met_another_is_tried_again_at_once() {
    let script = Script::with([Fault::met("deadlock"), Fault::met("deadlock")]);
    let (writer, _task, told) = begin(&script);
    assert!(writer.ask(cancel()).await.is_ok());
    assert_eq!(script.state().sizes.len(), 3);
    assert_eq!(*told.lock().expect("not poisoned"), []);
}

#[tokio::test]
async fn in_trouble_the_journal_waits_and_the_rest_is_told() {
    let script = Script::with((0..3).map(|_| Fault::trouble("the disk is full")));
    let (writer, _task, told) = begin(&script);
    let (committed, cancelled) = tokio::join!(writer.ask(commit()), writer.ask(cancel()));
    assert!(committed.is_ok());
    assert_eq!(cancelled.map(drop), Err(StoreUnavailable { detail: "the disk is full".into() }));
    let told = told.lock().expect("not poisoned").clone();
    let [StoreTrouble::Began { what }, StoreTrouble::Ended { after }] = &told[..] else { panic!("{told:?}") };
    assert_eq!(what, "the disk is full");
    assert!(*after >= WAIT_MIN * 7, "it waits longer each time: {after:?}");
}

#[tokio::test]
async fn who_comes_again_anyway_is_no_trouble() {
    let script = Script::with([Fault::trouble("the disk is full")]);
    let (writer, _task, told) = begin(&script);
    assert!(writer.ask(cancel()).await.is_err());
    assert_eq!(*told.lock().expect("not poisoned"), []);
}

#[tokio::test]
async fn what_is_never_taken_harms_nobody_else() {
    let script = Script::default();
    script.state().poison = Some("poison");
    let (writer, _task, told) = begin(&script);
    let (first, second, third) =
        tokio::join!(writer.ask(commit()), writer.ask(give_back("poison")), writer.ask(commit()));
    assert!(first.is_ok() && third.is_ok());
    assert_eq!(second.map(drop), Err(StoreUnavailable { detail: "a value out of range".into() }));
    assert_eq!(*told.lock().expect("not poisoned"), []);
}

#[tokio::test]
async fn an_entry_that_is_never_taken_is_known_to_have_no_effect() {
    let script = Script::with([Fault::refused("a value out of range")]);
    let (writer, _task, _) = begin(&script);
    let Ok(Answer::Commit(answers)) = writer.ask(commit()).await else { panic!("a commit is answered as one") };
    let error = JournalError::Unavailable { detail: "a value out of range".into(), effect: SideEffect::None };
    assert_eq!(answers, [Err(error)]);
}
