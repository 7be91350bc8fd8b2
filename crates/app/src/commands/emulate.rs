//! `partyline emulate`: the emulator of the provider on this machine, until it is interrupted.

use crate::cli::EmulateArgs;
use crate::compose::Emulation;
use crate::errors::AppError;
use crate::exit::Exit;
use crate::printer::Printer;
use crate::signals::Signals;
use crate::text::shell_word;

/// Serves until a signal comes.
///
/// # Errors
/// 2 for a world that cannot be made, 1 where the address cannot be listened on.
pub(crate) async fn run(args: &EmulateArgs, printer: &Printer) -> Result<Exit, AppError> {
    let mut signals = Signals::listen()?;
    let emulation = Emulation::start(args).await?;
    if !args.host.is_loopback() {
        printer.warn("the emulator can be reached from other machines; it has no protection but its key");
    }
    printer.data(&format!("emulator of the provider at {}", emulation.base_url()));
    printer.data("");
    printer.data(&format!("  export ELEVENLABS_BASE_URL={}", shell_word(&emulation.base_url())));
    printer.data(&format!("  export ELEVENLABS_API_KEY={}", shell_word(&args.key)));
    printer.data("");
    for agent in emulation.agents() {
        printer.data(&format!("  agent   {}  {}", agent.id, agent.name));
    }
    for number in emulation.numbers() {
        printer.data(&format!("  number  {}  {} ({})", number.id, number.caller_id.expose(), number.provider.as_str()));
    }
    printer.note("runs until it is interrupted (Ctrl-C)");
    signals.next().await;
    emulation.stop().await;
    Ok(Exit::Success)
}
