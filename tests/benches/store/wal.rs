//! How many transactions a SQLite file has taken: its log tells, as long as it was not begun anew
//! (<https://www.sqlite.org/fileformat2.html#the_write_ahead_log>).

use std::path::{Path, PathBuf};

const HEAD: usize = 32;
const FRAME_HEAD: usize = 24;

/// How many transactions the log of this file holds; none where there is no log.
pub(crate) fn commits(file: &Path) -> usize {
    let log = fs_err::read(log_of(file)).unwrap_or_default();
    let Some(head) = log.get(..HEAD) else { return 0 };
    let page_bytes = usize::try_from(number(head, 8)).expect("a page is small");
    let salts = &head[16..24];
    let frames = log[HEAD..].chunks_exact(FRAME_HEAD + page_bytes);
    // The last frame of a transaction says how large the file is after it; what is left of an older log has other salts.
    frames.take_while(|frame| &frame[8..16] == salts).filter(|frame| number(frame, 4) > 0).count()
}

fn log_of(file: &Path) -> PathBuf {
    let mut log = file.as_os_str().to_owned();
    log.push("-wal");
    log.into()
}

fn number(bytes: &[u8], at: usize) -> u32 {
    bytes[at..at + 4].iter().fold(0, |number, byte| number << 8 | u32::from(*byte))
}
