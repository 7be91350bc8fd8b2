//! The store behind a command: which one, for which account, and what to do where it cannot be opened.

use std::collections::BTreeSet;
use std::pin::Pin;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use partyline_domain::SharingPolicy;
use partyline_domain::ports::{Permits, Store};
use partyline_store_adapter::{Archive, ProcessInfo};

use crate::errors::AppError;
use crate::printer::Printer;
use crate::settings::{Limits, Place, Settings};
use crate::system::SystemClock;

/// Tells people when the store does not answer, and when it does again.
pub(crate) struct Trouble {
    printer: Printer,
    place: String,
    now: Mutex<BTreeSet<Trying>>,
}

/// What is tried until it succeeds.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Trying {
    /// To write down what happens.
    Writing,
    /// To take and give back calls and numbers.
    Sharing,
    /// To hand calls in, or to read how they are.
    Asking,
}

impl Trouble {
    fn new(printer: Printer, place: String) -> Self {
        Self { printer, place, now: Mutex::default() }
    }

    /// It does not answer.
    pub(crate) fn began(&self, trying: Trying, detail: &str) {
        let mut now = self.lock();
        if now.is_empty() {
            self.printer.warn(&format!(
                "the store {} does not answer ({detail}): nothing is dialled until it does; going on by itself",
                self.place
            ));
        }
        now.insert(trying);
    }

    /// It answers.
    pub(crate) fn ended(&self, trying: Trying) {
        let mut now = self.lock();
        if now.remove(&trying) && now.is_empty() {
            self.printer.warn("the store answers again");
        }
    }

    fn lock(&self) -> MutexGuard<'_, BTreeSet<Trying>> {
        // It is whole after each change.
        self.now.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// An open store, seen by this process.
pub(crate) struct OpenStore {
    /// For the dispatcher.
    pub(crate) store: Arc<dyn Store>,
    /// For people.
    pub(crate) archive: Arc<dyn Archive>,
    /// How numbers are shared in it.
    pub(crate) sharing: SharingPolicy,
    /// Where it is, for people.
    pub(crate) place: String,
    /// Tells people of trouble with it.
    pub(crate) trouble: Arc<Trouble>,
    permits: Box<dyn Fn(Limits) -> Arc<dyn Permits> + Send + Sync>,
    close: Box<dyn FnOnce() -> Pin<Box<dyn Future<Output = ()> + Send>> + Send + Sync>,
}

impl OpenStore {
    /// Opens the store that the settings name; `None` where they name none (`memory`). `command` is what this process
    /// does, for people who look at the store from elsewhere.
    ///
    /// # Errors
    /// Exit code 2 where it cannot be opened, or there is no key to know the account by.
    pub(crate) async fn open(
        settings: &Settings,
        clock: SystemClock,
        command: &str,
        printer: &Printer,
    ) -> Result<Option<Self>, AppError> {
        let place = settings.store.place.as_ref().ok_or_else(|| {
            AppError::usage("store_unavailable", "there is no home directory that the store could be kept in")
                .effect("nothing was sent")
                .hint("name a place with `--store <PATH>`, or do without with `--store memory`")
        })?;
        match place {
            Place::Memory => Ok(None),
            Place::File(_) | Place::Server(_) => connect(place, settings, clock, command, printer).await.map(Some),
        }
    }

    /// The same for a command that is about what a store holds.
    ///
    /// # Errors
    /// As [`OpenStore::open`], and exit code 2 where there is none.
    pub(crate) async fn open_needed(
        settings: &Settings,
        clock: SystemClock,
        command: &str,
        printer: &Printer,
    ) -> Result<Self, AppError> {
        let open = Self::open(settings, clock, command, printer).await?;
        open.ok_or_else(|| {
            AppError::usage(
                "no_store",
                format!("`partyline {command}` needs a store, and `--store memory` keeps nothing"),
            )
            .hint("leave `--store` out, or name a place")
        })
    }

    /// Puts the connections down.
    pub(crate) async fn close(self) {
        (self.close)().await;
    }

    /// Grants permits within these limits, over all processes.
    pub(crate) fn permits(&self, limits: Limits) -> Arc<dyn Permits> {
        (self.permits)(limits)
    }
}

/// Who this process is, for people.
fn process(command: &str) -> ProcessInfo {
    let host = ["/proc/sys/kernel/hostname", "/etc/hostname"].into_iter().find_map(|file| {
        let name = fs_err::read_to_string(file).ok()?;
        Some(name.trim().to_owned()).filter(|name| !name.is_empty())
    });
    let host = host.unwrap_or_else(|| "a machine without a name".to_owned());
    ProcessInfo { host, pid: std::process::id(), command: command.to_owned() }
}

#[expect(clippy::unused_async, reason = "until the adapter is there")]
async fn connect(
    place: &Place,
    settings: &Settings,
    _clock: SystemClock,
    command: &str,
    _printer: &Printer,
) -> Result<OpenStore, AppError> {
    let _ = (settings.key()?, process(command), settings.store.sharing());
    Err(AppError::unexpected(format!("the store at {} cannot be opened yet", place.told())))
}
