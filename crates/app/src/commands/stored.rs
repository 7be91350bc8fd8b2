//! The commands on what is stored: a store is needed, and is opened for them.

use super::calls::Desk;
use super::calls::args::{CallsArgs, ExportArgs, PurgeArgs};
use super::{calls, export, purge};
use crate::compose::{OpenStore, World};
use crate::errors::AppError;
use crate::exit::Exit;
use crate::printer::Printer;
use crate::settings::Settings;
use crate::signals::Signals;
use crate::system::SystemClock;

/// A command on what is stored.
#[derive(Clone, Copy)]
pub(crate) enum Stored<'a> {
    /// `calls` and what belongs to it.
    Calls(&'a CallsArgs),
    /// `export`.
    Export(&'a ExportArgs),
    /// `purge`.
    Purge(&'a PurgeArgs),
}

impl Stored<'_> {
    fn name(self) -> &'static str {
        match self {
            Self::Calls(_) => "calls",
            Self::Export(_) => "export",
            Self::Purge(_) => "purge",
        }
    }
}

/// Does what is asked.
///
/// # Errors
/// 2 where there is no store, and whatever the command leads to.
pub(crate) async fn run(
    command: Stored<'_>,
    settings: Result<Settings, AppError>,
    printer: &Printer,
    clock: SystemClock,
) -> Result<Exit, AppError> {
    let settings = settings?;
    let world = World::connect(&settings, clock)?;
    let open = OpenStore::open_needed(&settings, clock, command.name(), printer).await?;
    let (archive, store) = (&*open.archive, &*open.store);
    let desk = Desk { archive, store, open: &open, settings: &settings, world: &world, printer };
    let outcome = match command {
        // Its output may be held up by a reader, and then only the system can end it.
        Stored::Export(args) => export::run(args, desk).await,
        Stored::Purge(args) => purge::run(args, desk).await,
        Stored::Calls(args) => calls::run(args, desk, &mut Signals::listen()?).await,
    };
    open.close().await;
    outcome
}
