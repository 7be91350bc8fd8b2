//! The one writer of a view: it gathers whatever waits, has it written in one transaction (group commit), and answers
//! each. It knows no SQL.
//!
//! While the database is not well, what must be done is tried until it is done, so nothing unrecorded is ever sent; the
//! rest is answered with an error. People are told once when that begins and once when it ends.

use std::time::Duration;

use async_trait::async_trait;
use partyline_domain::ports::StoreUnavailable;
use partyline_domain::{JournalError, SideEffect};
use tokio::sync::{mpsc, oneshot};
use tokio::time::Instant;

use crate::error::{Fault, FaultKind};
use crate::options::{StoreTrouble, TroubleTold};
use crate::work::{Answer, Work};

#[cfg(test)]
mod tests;

/// As much is written in one transaction at most; more would keep the first in it waiting.
const WEIGHT_MAX: usize = 2000;
/// A transaction that met another one is tried again so often, at once, before that counts as trouble.
const MEETINGS_MAX: u32 = 20;
/// The wait after the first failure; doubles with each further one.
const WAIT_MIN: Duration = Duration::from_millis(50);
/// The longest such wait: dialling goes on this soon after the database is back.
const WAIT_MAX: Duration = Duration::from_secs(1);

/// A database that writes.
#[async_trait]
pub(crate) trait Backend: Send + 'static {
    /// Does all of it in one transaction, in this order; one answer for each.
    async fn transact(&mut self, works: &[&Work]) -> Result<Vec<Answer>, Fault>;

    /// Puts down the connection.
    async fn close(self);
}

/// Work that waits for its answer.
#[derive(Debug)]
struct Job {
    work: Work,
    answer: oneshot::Sender<Result<Answer, StoreUnavailable>>,
}

/// Hands work to the writer. The writer ends when the last of these is gone and everything is done.
#[derive(Clone, Debug)]
pub(crate) struct WriterHandle(mpsc::UnboundedSender<Job>);

fn gone() -> StoreUnavailable {
    StoreUnavailable { detail: "the store has been closed".to_owned() }
}

impl WriterHandle {
    /// Hands work in, and waits for its answer.
    pub(crate) async fn ask(&self, work: Work) -> Result<Answer, StoreUnavailable> {
        let (answer, answered) = oneshot::channel();
        self.0.send(Job { work, answer }).map_err(|_| gone())?;
        answered.await.map_err(|_| gone())?
    }

    /// Hands work in and does not wait.
    pub(crate) fn tell(&self, work: Work) {
        let (answer, _) = oneshot::channel();
        // Where the writer is gone the process is ending, and nobody counts on it.
        let _ = self.0.send(Job { work, answer });
    }
}

/// Starts the writer of a database; the task ends after the last handle is gone.
pub(crate) fn start(backend: impl Backend, told: TroubleTold) -> (WriterHandle, tokio::task::JoinHandle<()>) {
    let (sender, receiver) = mpsc::unbounded_channel();
    let writer = Writer { backend, jobs: receiver, told, trouble: None, failures: 0 };
    (WriterHandle(sender), tokio::spawn(writer.run()))
}

struct Writer<B> {
    backend: B,
    jobs: mpsc::UnboundedReceiver<Job>,
    told: TroubleTold,
    /// Since when the database is not well, where it is not.
    trouble: Option<Instant>,
    failures: u32,
}

impl<B: Backend> Writer<B> {
    async fn run(mut self) {
        let mut waiting: Vec<Job> = Vec::new();
        loop {
            if waiting.is_empty() {
                match self.jobs.recv().await {
                    Some(job) => waiting.push(job),
                    None => break,
                }
            }
            self.gather(&mut waiting);
            waiting = self.write(waiting).await;
            if !waiting.is_empty() {
                self.pause().await;
            }
        }
        self.backend.close().await;
    }

    fn gather(&mut self, waiting: &mut Vec<Job>) {
        let mut weight: usize = waiting.iter().map(|job| job.work.weight()).sum();
        while weight < WEIGHT_MAX {
            let Ok(job) = self.jobs.try_recv() else { break };
            weight += job.work.weight();
            waiting.push(job);
        }
    }

    /// Writes and answers; what has to be tried again is given back.
    async fn write(&mut self, jobs: Vec<Job>) -> Vec<Job> {
        match self.transact(&jobs).await {
            Ok(answers) => {
                self.recovered();
                for (job, answer) in jobs.into_iter().zip(answers) {
                    let _ = job.answer.send(Ok(answer));
                }
                Vec::new()
            }
            Err(fault) if fault.kind == FaultKind::Refused => self.write_apart(jobs, fault).await,
            Err(fault) => self.keep(jobs, &fault),
        }
    }

    async fn transact(&mut self, jobs: &[Job]) -> Result<Vec<Answer>, Fault> {
        let works: Vec<&Work> = jobs.iter().map(|job| &job.work).collect();
        let mut meetings = 0;
        loop {
            match self.backend.transact(&works).await {
                Err(fault) if fault.kind == FaultKind::Met && meetings < MEETINGS_MAX => meetings += 1,
                answer => return answer,
            }
        }
    }

    /// Something among them cannot be written, ever: the others are not to suffer from it.
    async fn write_apart(&mut self, jobs: Vec<Job>, fault: Fault) -> Vec<Job> {
        let alone = jobs.len() == 1;
        let mut kept = Vec::new();
        for job in jobs {
            let answer = if alone { Err(fault.clone()) } else { self.transact(std::slice::from_ref(&job)).await };
            match answer {
                Ok(mut answers) => {
                    self.recovered();
                    let answer = answers.pop().ok_or_else(gone);
                    let _ = job.answer.send(answer);
                }
                Err(fault) if fault.kind == FaultKind::Refused => refuse(job, fault),
                Err(fault) => kept.extend(self.keep(vec![job], &fault)),
            }
        }
        kept
    }

    /// Answers those that come again by themselves, and gives back the others.
    fn keep(&mut self, jobs: Vec<Job>, fault: &Fault) -> Vec<Job> {
        let (kept, given_up): (Vec<Job>, Vec<Job>) = jobs.into_iter().partition(|job| job.work.must_be_done());
        for job in given_up {
            let _ = job.answer.send(Err(fault.clone().into()));
        }
        if !kept.is_empty() && self.trouble.is_none() {
            self.trouble = Some(Instant::now());
            tracing::warn!(detail = %fault.detail, "the store cannot be written");
            (self.told)(StoreTrouble::Began { what: fault.detail.clone() });
        }
        kept
    }

    fn recovered(&mut self) {
        self.failures = 0;
        if let Some(since) = self.trouble.take() {
            tracing::info!("the store can be written again");
            (self.told)(StoreTrouble::Ended { after: since.elapsed() });
        }
    }

    async fn pause(&mut self) {
        let wait = WAIT_MIN.saturating_mul(1 << self.failures.min(8)).min(WAIT_MAX);
        self.failures += 1;
        tokio::time::sleep(wait).await;
    }
}

/// Tells whoever handed it in that it cannot be written.
fn refuse(job: Job, fault: Fault) {
    tracing::error!(detail = %fault.detail, "the store does not take this");
    let answer = match &job.work {
        Work::Commit(entries) => {
            let error = JournalError::Unavailable { detail: fault.detail, effect: SideEffect::None };
            Ok(Answer::Commit(entries.iter().map(|_| Err(error.clone())).collect()))
        }
        Work::Submit(_)
        | Work::Claim(_)
        | Work::Renew(_)
        | Work::Release(_)
        | Work::Want(..)
        | Work::Cancel(..)
        | Work::OpenBatch(_)
        | Work::SetBatch(..)
        | Work::CancelBatch(..)
        | Work::Purge(..)
        | Work::Permit(..)
        | Work::ReturnPermit(_)
        | Work::Pace(_) => Err(fault.into()),
    };
    let _ = job.answer.send(answer);
}
