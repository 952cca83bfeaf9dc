//! A PostgreSQL server for tests and benchmarks alone: made from the installed binaries, reached through a socket in its own
//! directory, and gone with the process that started it, however that ends.

use std::{
    fs,
    os::unix::{fs::chown, process::CommandExt as _},
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
    sync::{
        OnceLock,
        atomic::{AtomicU32, Ordering},
    },
    time::{Duration, Instant},
};

/// PostgreSQL refuses to run as root; `nobody` of every Linux.
const NOBODY: u32 = 65_534;
const PATIENCE: Duration = Duration::from_secs(60);
/// Keeps the server running, whatever ends it, until the end of its own input: the end of whoever started it.
const UNTIL_ALONE: &str = r#"
    dir="$1"; shift
    while [ ! -e "$dir/stop" ]; do "$@" >> "$dir/log" 2>&1 < /dev/null; done &
    cat > /dev/null
    touch "$dir/stop"; kill -QUIT "$(head -n 1 "$dir/data/postmaster.pid")"; wait; rm -rf "$dir"
"#;

/// A server with no databases of its own yet.
pub struct Cluster {
    directory: PathBuf,
    binaries: PathBuf,
    databases: AtomicU32,
    _keeper: Child,
}

impl Cluster {
    /// The server that the tests of this process share. It may lose data with the machine: no test pulls the plug.
    pub fn shared() -> Option<&'static Self> {
        static SHARED: OnceLock<Option<Cluster>> = OnceLock::new();
        SHARED.get_or_init(|| Self::start(&["fsync=off", "max_connections=300"])).as_ref()
    }

    /// Starts a server with these settings over the defaults; `None` where PostgreSQL is not installed and this is not CI.
    ///
    /// # Panics
    /// Where it does not start, and in CI where it is not installed: a test that needs it must fail there, not be left out.
    pub fn start(settings: &[&str]) -> Option<Self> {
        let Some(binaries) = binaries() else {
            super::left_out("PostgreSQL is not installed (Debian's package postgresql)");
            return None;
        };
        let directory = tempfile::Builder::new().prefix("paddock-postgres-").tempdir().unwrap().keep();
        if is_root() {
            chown(&directory, Some(NOBODY), Some(NOBODY)).unwrap();
        }
        let data = directory.join("data");
        let made = unprivileged(Command::new(binaries.join("initdb")).arg("-D").arg(&data))
            .args(["-U", "paddock", "--auth=trust", "--no-sync", "--encoding=UTF8", "--locale=C"])
            .output()
            .unwrap();
        assert!(made.status.success(), "initdb failed: {}", String::from_utf8_lossy(&made.stderr));

        let mut command = Command::new("sh");
        command.args(["-c", UNTIL_ALONE, "sh"]).arg(&directory).arg(binaries.join("postgres")).arg("-D").arg(&data);
        let sockets = format!("unix_socket_directories={}", directory.display());
        for setting in ["listen_addresses=", &sockets].into_iter().chain(settings.iter().copied()) {
            command.args(["-c", setting]);
        }
        let keeper = unprivileged(command.stdin(Stdio::piped())).spawn().unwrap();
        let cluster = Self { directory, binaries, databases: AtomicU32::new(0), _keeper: keeper };
        cluster.wait_until_ready();
        Some(cluster)
    }

    /// Makes an empty database and returns its URL.
    pub fn create_database(&self) -> String {
        let name = format!("test{}", self.databases.fetch_add(1, Ordering::Relaxed));
        let made = self.client("createdb").arg(&name).output().unwrap();
        assert!(made.status.success(), "createdb failed: {}", String::from_utf8_lossy(&made.stderr));
        format!("postgres:///{name}?host={}&user=paddock", self.directory.display())
    }

    /// One of PostgreSQL's programs, told which server to talk to.
    pub fn client(&self, program: &str) -> Command {
        let mut command = Command::new(self.binaries.join(program));
        command.arg("-h").arg(&self.directory).args(["-U", "paddock"]);
        command
    }

    /// Ends all connections to the server, as a network does.
    pub fn cut_connections(&self) {
        let cut = "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname LIKE 'test%'";
        assert!(self.client("psql").args(["-d", "postgres", "-c", cut]).output().unwrap().status.success());
    }

    /// Stops the server in the middle of everything; it starts again and recovers.
    pub fn crash(&self) {
        let file = fs::read_to_string(self.directory.join("data/postmaster.pid")).unwrap();
        let stopped = Command::new("kill").args(["-QUIT", file.lines().next().unwrap()]).status().unwrap();
        assert!(stopped.success());
        // Until it answers again it may still be the old one that does.
        std::thread::sleep(Duration::from_millis(200));
        self.wait_until_ready();
    }

    fn wait_until_ready(&self) {
        let deadline = Instant::now() + PATIENCE;
        while !self.client("pg_isready").output().unwrap().status.success() {
            let log = || fs::read_to_string(self.directory.join("log")).unwrap_or_default();
            assert!(Instant::now() < deadline, "PostgreSQL did not start: {}", log());
            std::thread::sleep(Duration::from_millis(20));
        }
    }
}

fn is_root() -> bool {
    rustix::process::geteuid().is_root()
}

fn unprivileged(command: &mut Command) -> &mut Command {
    if is_root() { command.uid(NOBODY).gid(NOBODY) } else { command }
}

/// The newest of the places where Debian puts PostgreSQL, or where `PATH` finds it.
fn binaries() -> Option<PathBuf> {
    let debian =
        fs::read_dir("/usr/lib/postgresql").into_iter().flatten().flatten().map(|entry| entry.path().join("bin"));
    let path = std::env::var_os("PATH").unwrap_or_default();
    let mut places: Vec<PathBuf> = debian.collect();
    places.sort_by_key(|place| place.iter().rev().nth(1).and_then(|version| version.to_str()?.parse::<u32>().ok()));
    places.reverse();
    places.extend(std::env::split_paths(&path));
    let holds_server = |place: &PathBuf| Path::new(place).join("initdb").is_file() && place.join("postgres").is_file();
    places.into_iter().find(holds_server)
}
