//! Prints lines on a thread of its own: a reader of stdout who does not read (a pager) holds up no call and no signal.
//! What waits is bounded by the rows of the batch.

use std::io::IsTerminal as _;
use std::sync::mpsc::{Receiver, Sender, channel};

use tokio::sync::oneshot;

use crate::printer::Printer;

/// Prints lines in order.
pub(super) struct Spool {
    printer: Printer,
    /// `None` on a terminal, which the display shares.
    lines: Option<Sender<String>>,
    end: Option<oneshot::Receiver<()>>,
}

impl Spool {
    pub(super) fn new(printer: &Printer) -> Self {
        let printer = printer.clone();
        if std::io::stdout().is_terminal() {
            return Self { printer, lines: None, end: None };
        }
        let (lines, waiting) = channel();
        let (done, end) = oneshot::channel();
        let for_thread = printer.clone();
        std::thread::spawn(move || {
            print_all(&for_thread, &waiting);
            // Whoever waited may have left.
            let _ = done.send(());
        });
        Self { printer, lines: Some(lines), end: Some(end) }
    }

    /// Prints a line, now or when the reader has read those before.
    pub(super) fn print(&self, line: String) {
        match &self.lines {
            // The thread ends only when this is dropped.
            Some(lines) => drop(lines.send(line)),
            None => print(&self.printer, &line),
        }
    }

    /// No more lines will come. Resolves when all of them are printed.
    pub(super) fn close(&mut self) -> impl Future<Output = ()> + use<> {
        self.lines = None;
        let end = self.end.take();
        async move {
            if let Some(end) = end {
                // A thread that has died prints nothing more either.
                let _ = end.await;
            }
        }
    }
}

fn print_all(printer: &Printer, lines: &Receiver<String>) {
    for line in lines {
        print(printer, &line);
    }
}

fn print(printer: &Printer, line: &str) {
    if printer.is_json() {
        printer.raw(line);
    } else {
        printer.data(line);
    }
    if printer.lost().is_some() {
        printer.warn(&format!("told here, since stdout cannot be written: {line}"));
    }
}
