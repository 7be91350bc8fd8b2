//! The store behind a command: which one, for which account, and what to do where it cannot be opened.

use std::collections::BTreeSet;
use std::pin::Pin;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use partyline_domain::ports::{Ids as _, Permits, Store};
use partyline_domain::{Notice, SharingPolicy};
use partyline_elevenlabs_adapter::BaseUrl;
use partyline_store_adapter::{
    Account, Archive, Fingerprint, OpenError, PermitRules, ProcessInfo, StoreOptions, StoreTrouble,
};
use secrecy::ExposeSecret as _;

use crate::errors::AppError;
use crate::printer::Printer;
use crate::settings::{Limits, Place, Settings};
use crate::system::{SystemClock, TokioTimer, UuidIds};

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

    /// Takes what the dispatcher tells of it.
    pub(crate) fn told(&self, notice: &Notice) {
        if let Notice::StoreTrouble { detail } = notice {
            self.began(Trying::Sharing, detail);
        } else if *notice == Notice::StoreBack {
            self.ended(Trying::Sharing);
        } else if *notice == Notice::HistoryUnreadable {
            self.printer.warn(&format!(
                "a call in the store {} makes no sense to this version of partyline: it is left alone",
                self.place
            ));
        } else if let Notice::StoreWentBack { number } = notice {
            self.printer.alarm(&format!(
                "the store {} knows less of {number} than it did: it seems to be restored from a back-up, and may not know \
                 of calls that were dialled since. Nothing more is dialled; stop this, and see docs/operations.md",
                self.place
            ));
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
        let Self { store, archive, permits, close, sharing: _, trouble: _ } = self;
        // Whoever closes waits for the last write only where nobody else has the store in hand.
        drop((store, archive, permits));
        close().await;
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

async fn connect(
    place: &Place,
    settings: &Settings,
    clock: SystemClock,
    command: &str,
    printer: &Printer,
) -> Result<OpenStore, AppError> {
    let trouble = Arc::new(Trouble::new(printer.clone(), place.told()));
    let teller = Arc::clone(&trouble);
    let options = StoreOptions {
        process: process(command),
        trouble: Arc::new(move |news| match news {
            StoreTrouble::Began { what } => teller.began(Trying::Writing, &what),
            StoreTrouble::Ended { .. } => teller.ended(Trying::Writing),
        }),
        ..StoreOptions::new(UuidIds::new(clock)?.run_id(), fingerprint(settings)?)
    };
    let store = at(place)?.open(options).await.map_err(|why| not_opened(&why, place))?;
    let (closing, granting) = (store.clone(), store.clone());
    Ok(OpenStore {
        store: Arc::new(store.clone()),
        archive: Arc::new(store),
        sharing: settings.store.sharing(),
        trouble,
        permits: Box::new(move |limits| {
            let rules = PermitRules {
                in_flight: limits.max_in_flight,
                live: limits.max_live,
                dials: limits.dials_per_second,
                requests: limits.requests_per_second,
            };
            Arc::new(granting.permits(rules, Arc::new(clock), Arc::new(TokioTimer::new(clock))))
        }),
        close: Box::new(move || Box::pin(closing.close())),
    })
}

/// The same place for the adapter.
fn at(place: &Place) -> Result<partyline_store_adapter::Place, AppError> {
    let text = match place {
        Place::Memory => return Err(AppError::unexpected("there is no store to be opened")),
        Place::File(path) => return Ok(path.as_path().into()),
        Place::Server(address) => address.expose_secret(),
    };
    partyline_store_adapter::Place::parse(text)
        .map_err(|why| AppError::usage("store_unavailable", why.to_string()).effect("nothing was sent"))
}

/// What an account is known by in a store. The key itself does not get there.
fn fingerprint(settings: &Settings) -> Result<Fingerprint, AppError> {
    let key = settings.key()?;
    let base_url = BaseUrl::parse(&settings.base_url)
        .map_err(|why| AppError::usage("bad_base_url", why.to_string()).effect("nothing was sent"))?
        .to_string();
    Ok(Arc::new(move |salt| Account::of(salt, &base_url, key.expose_secret().as_bytes())))
}

/// What to do where a store cannot be opened.
fn not_opened(why: &OpenError, place: &Place) -> AppError {
    let error = AppError::usage("store_unavailable", why.to_string()).effect("nothing was sent");
    let without = "or do without for now with `--store memory`: then no other process must use the numbers";
    match (why, place) {
        (OpenError::Newer { .. }, _) => {
            AppError { reason: "store_newer", ..error }.hint(format!("use the newer partyline, {without}"))
        }
        (OpenError::Foreign { .. }, _) => AppError { reason: "store_foreign", ..error }
            .hint(format!("name another place with `--store <PLACE>`, {without}")),
        (OpenError::Unavailable { .. } | _, Place::Server(_)) => {
            error.hint(format!("check address, user and password in `--store` or `PARTYLINE_STORE`, {without}"))
        }
        (OpenError::Unavailable { .. } | _, Place::File(_) | Place::Memory) => error.hint(format!(
            "see that the file and its folder can be written, name another place with `--store <PATH>`, {without}"
        )),
    }
}
