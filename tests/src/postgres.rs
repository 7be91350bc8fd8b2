//! A real PostgreSQL server for tests, from the programs that are installed: no network, no container.
//!
//! The server has a folder of its own, listens on a socket in there and nowhere else, and ends with the process that
//! started it, however that ends: a small shell beside it waits for a pipe to close.

use std::ffi::OsStr;
use std::io::Write as _;
use std::os::unix::process::CommandExt as _;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Mutex, OnceLock, PoisonError};

/// Where distributions put the programs that are not on the path.
const INSTALLED: &str = "/usr/lib/postgresql";
/// Whose server it is when the tests run as root, whom the server refuses.
const SERVER_USER: &str = "postgres";
/// For a server that runs for some seconds and holds little.
const SETTINGS: &str = "-c listen_addresses= -c max_connections=400 -c shared_buffers=64MB -c log_min_messages=warning";
/// For one whose data need not outlive the machine.
const HASTY: &str = " -c fsync=off -c synchronous_commit=off -c full_page_writes=off";

/// Stops the server and throws its folder away when its standard input ends.
const GUARD: &str = r#"cat >/dev/null; "$1/pg_ctl" -D "$2/data" -m immediate stop; cd /; rm -rf "$2""#;

/// A running server. It is stopped and thrown away when this is dropped, or when the process ends.
#[derive(Debug)]
pub struct PostgresServer {
    programs: PathBuf,
    folder: PathBuf,
    user: Option<(u32, u32)>,
    settings: String,
    databases: AtomicU64,
    guard: Mutex<Child>,
}

/// Whether what a server has taken is to survive the machine.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Durability {
    /// As in production.
    Full,
    /// It survives the server where a connection insists on that, as the store's do, and not the machine. Much faster.
    Hasty,
}

/// The server that the tests of one binary share; `None` where none is installed, which is told loudly, or is a failure
/// where `PARTYLINE_REQUIRE_ALL=1` is set.
///
/// # Panics
/// Where no server can be started although one is installed, or although it is required.
pub fn shared() -> Option<&'static PostgresServer> {
    static SERVER: OnceLock<Option<PostgresServer>> = OnceLock::new();
    SERVER.get_or_init(|| required(Durability::Hasty)).as_ref()
}

/// A server of one's own; `None` where none is installed, as for [`shared`].
///
/// # Panics
/// As [`shared`].
pub fn required(durability: Durability) -> Option<PostgresServer> {
    match programs() {
        Ok(programs) => Some(PostgresServer::start(&programs, durability).unwrap_or_else(|why| panic!("{why}"))),
        Err(why) if std::env::var_os("PARTYLINE_REQUIRE_ALL").is_some_and(|value| value == "1") => panic!("{why}"),
        Err(why) => {
            // Not captured, unlike what the macros print.
            let _ = writeln!(std::io::stderr(), "\nSKIPPED everything on PostgreSQL: {why}\n");
            None
        }
    }
}

/// The folder of the installed programs, the newest where there are several.
///
/// # Errors
/// A sentence where there are none.
pub fn programs() -> Result<PathBuf, String> {
    let path = std::env::var_os("PATH").unwrap_or_default();
    let on_path = std::env::split_paths(&path).collect::<Vec<_>>();
    let mut installed: Vec<(u32, PathBuf)> = Vec::new();
    for entry in fs_err::read_dir(INSTALLED).into_iter().flatten().flatten() {
        let version = entry.file_name().to_str().and_then(|name| name.parse().ok()).unwrap_or_default();
        installed.push((version, entry.path().join("bin")));
    }
    installed.sort();
    let known = on_path.into_iter().chain(installed.into_iter().rev().map(|(_, path)| path));
    let has_all =
        |folder: &PathBuf| ["initdb", "pg_ctl", "postgres", "createdb"].iter().all(|p| folder.join(p).exists());
    let nowhere = || format!("there are no PostgreSQL server programs on the path or under {INSTALLED}");
    known.into_iter().find(has_all).ok_or_else(nowhere)
}

impl PostgresServer {
    /// Makes a server in a folder of its own, and starts it.
    ///
    /// # Errors
    /// A sentence that says what failed, with the server's own words.
    pub fn start(programs: &Path, durability: Durability) -> Result<Self, String> {
        let folder = tempfile::Builder::new().prefix("partyline-pg-").tempdir().map_err(|why| why.to_string())?;
        let user = server_user()?;
        if let Some((uid, gid)) = user {
            std::os::unix::fs::chown(folder.path(), Some(uid), Some(gid)).map_err(|why| why.to_string())?;
        }
        let folder = folder.keep();
        let settings = if durability == Durability::Hasty { [SETTINGS, HASTY].concat() } else { SETTINGS.to_owned() };
        let guard = command("sh", user)
            .args([OsStr::new("-c"), OsStr::new(GUARD), OsStr::new("guard"), programs.as_ref(), folder.as_ref()])
            // What the terminal sends is for the tests; the guard goes by the pipe.
            .process_group(0)
            .stdin(Stdio::piped())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .map_err(|why| why.to_string())?;
        let (programs, databases, guard) = (programs.to_owned(), AtomicU64::new(0), Mutex::new(guard));
        let server = Self { programs, folder, user, settings, databases, guard };
        let data = server.data();
        server.run("initdb", &["-D", &data, "-U", SERVER_USER, "-A", "trust", "-E", "UTF8", "--no-sync"])?;
        server.resume()?;
        Ok(server)
    }

    /// A fresh, empty database; its address.
    ///
    /// # Panics
    /// Where the server does not make one.
    pub fn database(&self) -> String {
        let name = format!("test_{}", self.databases.fetch_add(1, Ordering::Relaxed));
        let socket = self.socket();
        let made = self.run("createdb", &["-h", &socket, "-U", SERVER_USER, "-T", "template0", &name]);
        made.unwrap_or_else(|why| panic!("{why}"));
        self.address(&name)
    }

    /// The address of a database.
    pub fn address(&self, database: &str) -> String {
        format!("postgres://{SERVER_USER}@localhost/{database}?host={}", self.socket())
    }

    /// Stops the server in an orderly way (connections are cut, what was begun is undone) and starts it again.
    ///
    /// # Errors
    /// A sentence that says what failed.
    pub fn restart(&self) -> Result<(), String> {
        self.stop("fast")?;
        self.resume()
    }

    /// Ends the server at once, as a crash would.
    ///
    /// # Errors
    /// A sentence that says what failed.
    pub fn kill(&self) -> Result<(), String> {
        self.stop("immediate")
    }

    /// Starts the server again after [`PostgresServer::kill`]; returns when it takes connections.
    ///
    /// # Errors
    /// A sentence that says what failed.
    pub fn resume(&self) -> Result<(), String> {
        let log = self.folder.join("log");
        let settings = format!("{} -c unix_socket_directories={}", self.settings, self.socket());
        let started =
            self.run("pg_ctl", &["-D", &self.data(), "-l", &log.to_string_lossy(), "-w", "-o", &settings, "start"]);
        started.map_err(|why| format!("{why}\n{}", fs_err::read_to_string(&log).unwrap_or_default()))
    }

    fn stop(&self, mode: &str) -> Result<(), String> {
        self.run("pg_ctl", &["-D", &self.data(), "-m", mode, "-w", "stop"])
    }

    fn data(&self) -> String {
        self.folder.join("data").to_string_lossy().into_owned()
    }

    fn socket(&self) -> String {
        self.folder.to_string_lossy().into_owned()
    }

    /// Runs a program to its end. What it leaves running must not hold its output open, so that goes to a file.
    fn run(&self, program: &str, arguments: &[&str]) -> Result<(), String> {
        let said = tempfile::NamedTempFile::new().map_err(|why| why.to_string())?;
        let file = || said.reopen().map_err(|why| why.to_string());
        let mut command = command(self.programs.join(program), self.user);
        command.args(arguments).current_dir(&self.folder).stdin(Stdio::null()).stdout(file()?).stderr(file()?);
        let status = command.status().map_err(|why| format!("{program}: {why}"))?;
        if status.success() {
            return Ok(());
        }
        Err(format!("{program} failed ({status}): {}", fs_err::read_to_string(said.path()).unwrap_or_default()))
    }
}

impl Drop for PostgresServer {
    fn drop(&mut self) {
        let mut guard = self.guard.lock().unwrap_or_else(PoisonError::into_inner);
        drop(guard.stdin.take());
        let _ = guard.wait();
    }
}

fn command(program: impl AsRef<OsStr>, user: Option<(u32, u32)>) -> Command {
    let mut command = Command::new(program);
    if let Some((uid, gid)) = user {
        command.gid(gid).uid(uid);
    }
    command
}

/// Who runs the server: nobody else, unless this is root.
fn server_user() -> Result<Option<(u32, u32)>, String> {
    let id = |arguments: &[&str]| {
        let output = Command::new("id").args(arguments).output().map_err(|why| format!("id: {why}"))?;
        let text = String::from_utf8_lossy(&output.stdout).trim().to_owned();
        text.parse::<u32>().map_err(|_| format!("there is no user {SERVER_USER}, and the server refuses root"))
    };
    if id(&["-u"])? != 0 {
        return Ok(None);
    }
    Ok(Some((id(&["-u", SERVER_USER])?, id(&["-g", SERVER_USER])?)))
}
