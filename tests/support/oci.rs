//! An OCI registry for tests alone: Debian's `docker-registry`, on a free loopback port, gone with the process that started it.

use std::{
    fs,
    io::{BufRead as _, BufReader},
    net::TcpListener,
    path::PathBuf,
    process::{Child, Command, Stdio},
    sync::mpsc,
    thread,
    time::Duration,
};

use tempfile::TempDir;

const PATIENCE: Duration = Duration::from_secs(60);
/// Waits for the end of its input, which is the end of whoever started it. What the server says goes to the output.
const UNTIL_ALONE: &str = r#""$@" 2>&1 < /dev/null & server=$!; cat > /dev/null; kill "$server""#;

/// Who may use a registry that asks: bcrypt of `secret`.
pub const LOGIN: (&str, &str) = ("tester", "secret");
const PASSWORDS: &str = "tester:$2b$12$gTD6lielPT9vgdMp6IW04et6jHMcnNcz64v7gkjDBbCye0uD3ckSW\n";

/// A running registry without any repositories.
pub struct Registry {
    /// Its host and port.
    pub host: String,
    directory: TempDir,
    _keeper: Child,
}

impl Registry {
    /// Starts a registry that lets everybody in; `None` where there is none to start and this is not CI.
    ///
    /// # Panics
    /// In CI, where it is not installed: a test that needs it must fail there, not be left out.
    pub fn start() -> Option<Self> {
        Self::start_with(|_| String::new())
    }

    /// Starts a registry that lets in [`LOGIN`] only.
    ///
    /// # Panics
    /// As [`Self::start`].
    pub fn start_closed() -> Option<Self> {
        Self::start_with(|directory| {
            let file = directory.path().join("passwords");
            fs::write(&file, PASSWORDS).unwrap();
            format!("auth: {{htpasswd: {{realm: tests, path: '{}'}}}}\n", file.display())
        })
    }

    fn start_with(more: impl FnOnce(&TempDir) -> String) -> Option<Self> {
        if Command::new("docker-registry").arg("--version").output().is_err() {
            super::left_out("docker-registry is not installed (Debian's package docker-registry)");
            return None;
        }
        let directory = tempfile::tempdir().unwrap();
        let port = TcpListener::bind(("127.0.0.1", 0)).unwrap().local_addr().unwrap().port();
        let host = format!("127.0.0.1:{port}");
        let storage = directory.path().join("storage");
        let config = format!(
            "version: 0.1\nstorage: {{filesystem: {{rootdirectory: '{}'}}}}\nhttp: {{addr: '{host}'}}\n{}",
            storage.display(),
            more(&directory)
        );
        let file = directory.path().join("config.yml");
        fs::write(&file, config).unwrap();
        let mut command = Command::new("sh");
        command.args(["-c", UNTIL_ALONE, "sh", "docker-registry", "serve"]).arg(file);
        let mut keeper = command.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().unwrap();
        let said = BufReader::new(keeper.stdout.take().unwrap()).lines();
        let (tell, listens) = mpsc::channel();
        // Reads on to the end, so that the registry never waits for somebody to hear it.
        thread::spawn(move || {
            for line in said.map_while(Result::ok).filter(|line| line.contains("listening on")) {
                // Nobody listens any more once a test has ended.
                let _ = tell.send(line);
            }
        });
        listens.recv_timeout(PATIENCE).expect("docker-registry did not start");
        Some(Self { host, directory, _keeper: keeper })
    }

    /// The manifest that a tag names.
    pub fn manifest(&self, repository: &str, tag: &str) -> serde_json::Value {
        let request = ureq::get(format!("http://{}/v2/{repository}/manifests/{tag}", self.host));
        let mut answer = request.header("accept", "application/vnd.oci.image.manifest.v1+json").call().unwrap();
        serde_json::from_str(&answer.body_mut().read_to_string().unwrap()).unwrap()
    }

    /// The file of a blob, to be tampered with.
    pub fn blob(&self, digest: &str) -> PathBuf {
        let hash = digest.strip_prefix("sha256:").unwrap();
        let blobs = self.directory.path().join("storage/docker/registry/v2/blobs/sha256");
        blobs.join(&hash[..2]).join(hash).join("data")
    }
}
