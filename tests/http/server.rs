//! Starts the real binary on a free loopback port with a data directory of its own, and speaks to it.

use std::{
    io::{BufRead, BufReader},
    path::Path,
    process::{Child, Command, ExitStatus, Output, Stdio},
    thread,
    time::Duration,
};

use paddock::db::{Db, DbConfig};
use serde_json::Value;
use tempfile::TempDir;
use ureq::{Agent, http::Response};

/// The longest that a test waits for an event before it looks for itself.
const EVENT_WAIT: Duration = Duration::from_secs(2);

const NO_ANSWER: &str = "the server did not answer";

/// A running `paddock serve`; stopped when dropped.
pub struct Server {
    process: Child,
    pub address: String,
    directory: TempDir,
    environment: Vec<(String, String)>,
    agent: Agent,
}

/// Where the servers of a fleet keep what they share.
pub struct Place(Vec<(String, String)>);

impl Place {
    /// A place that this environment names.
    pub fn shared(environment: Vec<(String, String)>) -> Self {
        Self(environment)
    }
}

/// What a request was answered.
#[derive(Debug)]
pub struct Answer {
    pub status: u16,
    pub location: Option<String>,
    pub body: Value,
}

impl Answer {
    /// The problem's code, or `-`.
    pub fn code(&self) -> &str {
        self.body["code"].as_str().unwrap_or("-")
    }

    /// Status, code and field: what a bad request is judged by.
    pub fn verdict(&self) -> (u16, &str, Option<&str>) {
        (self.status, self.code(), self.body["field"].as_str())
    }
}

impl Server {
    /// Starts a server on fresh data and waits until it says where it listens.
    pub fn start() -> Self {
        Self::start_on(tempfile::tempdir().unwrap(), Vec::new(), &[])
    }

    /// Starts one of the servers that share `place`, with more flags.
    pub fn start_at(place: &Place, flags: &[&str]) -> Self {
        Self::start_on(tempfile::tempdir().unwrap(), place.0.clone(), flags)
    }

    /// As [`Self::start_at`], with what is its own in `directory`.
    pub fn start_in(directory: TempDir, place: &Place) -> Self {
        Self::start_on(directory, place.0.clone(), &[])
    }

    /// Waits until the server has ended by itself, and says how.
    pub fn wait(mut self) -> ExitStatus {
        self.process.wait().unwrap()
    }

    /// Kills the server as a power failure would, and starts another on its data.
    pub fn kill_and_start_again(mut self) -> Self {
        self.process.kill().unwrap();
        self.process.wait().unwrap();
        let spare = tempfile::tempdir().unwrap();
        let directory = std::mem::replace(&mut self.directory, spare);
        Self::start_on(directory, Vec::new(), &[])
    }

    /// Waits until the server has ended by itself, says how, and starts another on its data.
    pub fn wait_and_start_again(mut self) -> (ExitStatus, Self) {
        let status = self.process.wait().unwrap();
        let spare = tempfile::tempdir().unwrap();
        let directory = std::mem::replace(&mut self.directory, spare);
        (status, Self::start_on(directory, Vec::new(), &[]))
    }

    /// Asks the server to stop as the operating system does.
    pub fn terminate(&self) {
        let stopped = Command::new("kill").args(["-TERM", &self.process.id().to_string()]).status().unwrap();
        assert!(stopped.success());
    }

    fn start_on(directory: TempDir, environment: Vec<(String, String)>, flags: &[&str]) -> Self {
        let mut process = paddock(directory.path())
            .args(["serve", "--listen", "127.0.0.1:0"])
            .args(flags)
            .envs(environment.iter().cloned())
            .env("PADDOCK_TELEMETRY__FORMAT", "json")
            .env("PADDOCK_TELEMETRY__FILTER", "info")
            // Often enough that a test need not wait for the first one.
            .env("PADDOCK_PIPELINE__CHECKPOINT_MS", "100")
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        let mut log = BufReader::new(process.stderr.take().unwrap()).lines();
        let address = log.by_ref().map_while(Result::ok).find_map(|line| listening(&line));
        // The log is read to its end, or the server would stop at a full pipe; a test that fails shows what went wrong in it.
        thread::spawn(move || {
            let errors = log.map_while(Result::ok).filter(|line| line.contains("\"ERROR\""));
            errors.for_each(|line| println!("{line}"));
        });
        let agent = Agent::config_builder().http_status_as_error(false).build().into();
        let address = address.expect("the server ended before it listened");
        Self { process, address, directory, environment, agent }
    }

    /// Kills the server as a power failure would, and starts another on its data, at the same place.
    pub fn kill_and_restart(&mut self) {
        self.process.kill().unwrap();
        self.restart();
    }

    /// Asks the server to stop, and starts another on its data, at the same place.
    pub fn terminate_and_restart(&mut self) {
        self.terminate();
        self.restart();
    }

    fn restart(&mut self) {
        self.process.wait().unwrap();
        let directory = std::mem::replace(&mut self.directory, tempfile::tempdir().unwrap());
        *self = Self::start_on(directory, std::mem::take(&mut self.environment), &[]);
    }

    /// What `paddock` says to these arguments, beside the server, where it succeeds.
    pub fn command(&self, arguments: &[&str]) -> String {
        let ran =
            paddock(self.directory.path()).args(arguments).envs(self.environment.iter().cloned()).output().unwrap();
        assert!(ran.status.success(), "{}", String::from_utf8_lossy(&ran.stderr));
        String::from_utf8(ran.stdout).unwrap().trim().to_owned()
    }

    /// Runs a command of the binary as a client of the server.
    pub fn client(&self, key: &str, arguments: &[&str]) -> Output {
        let mut command = paddock(self.data_dir());
        command.env("PADDOCK_SERVER", format!("http://{}", self.address)).env("PADDOCK_API_KEY", key);
        command.args(arguments).output().unwrap()
    }

    /// Waits until something has happened to a job after the event `seen`, or two seconds are over; gives the newest event.
    pub fn next_event(&self, key: &str, job: &str, seen: u64) -> u64 {
        let path = format!("/v1/jobs/{job}/events/stream");
        let request = self.agent.get(self.url(&path)).header("authorization", format!("Bearer {key}"));
        let request = request.header("last-event-id", seen.to_string());
        let mut newest = seen;
        // A stream that breaks off, because its server stops for example, only means that it is time to look again.
        let Ok(answered) = request.config().timeout_recv_body(Some(EVENT_WAIT)).build().call() else { return newest };
        let mut stream = BufReader::new(answered.into_body().into_reader());
        while let Ok(there) = stream.fill_buf() {
            let text = String::from_utf8_lossy(there);
            let ids = text.lines().filter_map(|line| line.strip_prefix("id:")?.trim().parse::<u64>().ok());
            newest = ids.max().map_or(newest, |id| id.max(newest));
            let read = there.len();
            if read == 0 || newest > seen {
                break;
            }
            stream.consume(read);
        }
        newest
    }

    /// Changes rows beside the server: what would take months in a test.
    pub fn execute(&self, statement: &'static str) {
        let url = self.environment.iter().find(|(name, _)| name == "PADDOCK_DATABASE_URL");
        let config = DbConfig { url: url.map(|(_, url)| url.clone()), ..DbConfig::in_directory(self.directory.path()) };
        tokio::runtime::Runtime::new().unwrap().block_on(async {
            let db = Db::open_beside(&config).await.unwrap();
            let mut tx = db.write().await.unwrap();
            sqlx::query(statement).execute(&mut *tx).await.unwrap();
            tx.commit().await.unwrap();
            db.close().await;
        });
    }

    /// Its process, to be looked at.
    pub fn pid(&self) -> u32 {
        self.process.id()
    }

    /// Where it keeps what is its own.
    pub fn data_dir(&self) -> &Path {
        self.directory.path()
    }

    /// Submits a job under an idempotency key; `None` where nobody answered, or only that it cannot be done now.
    pub fn try_submit(&self, key: &str, idempotency_key: &str, spec: &Value) -> Option<String> {
        let request = self.agent.post(self.url("/v1/jobs")).header("authorization", format!("Bearer {key}"));
        let request = request.header("content-type", "application/json").header("idempotency-key", idempotency_key);
        let answered = answer(request.send(spec.to_string().as_bytes()).ok()?);
        // A server that cannot reach its database says so; anything else is a mistake of the test or of the service.
        assert!([202, 503].contains(&answered.status), "{} {}", answered.status, answered.body);
        (answered.status == 202).then(|| answered.body["id"].as_str().unwrap().to_owned())
    }

    /// The answer, where there is one.
    pub fn try_get(&self, key: &str, path: &str) -> Option<Answer> {
        self.agent.get(self.url(path)).header("authorization", format!("Bearer {key}")).call().ok().map(answer)
    }

    /// The answer to a request without a body, where there is one.
    pub fn try_post(&self, key: &str, path: &str) -> Option<Answer> {
        let request = self.agent.post(self.url(path)).header("authorization", format!("Bearer {key}"));
        request.header("content-type", "application/json").send("{}").ok().map(answer)
    }

    /// A new key of `team` with these scopes.
    pub fn key(&self, team: &str, scopes: &str) -> String {
        self.command(&["key", "create", "--team", team, "--scope", scopes])
    }

    pub fn get(&self, key: &str, path: &str) -> Answer {
        answer(self.agent.get(self.url(path)).header("authorization", format!("Bearer {key}")).call().expect(NO_ANSWER))
    }

    /// A file in the form that `accept` names: status, media type and bytes.
    pub fn get_file(&self, key: &str, path: &str, accept: &str) -> (u16, String, Vec<u8>) {
        let request = self.agent.get(self.url(path)).header("authorization", format!("Bearer {key}"));
        let mut answered = request.header("accept", accept).call().expect(NO_ANSWER);
        let media_type = answered.headers()["content-type"].to_str().unwrap().to_owned();
        (answered.status().as_u16(), media_type, answered.body_mut().read_to_vec().unwrap())
    }

    pub fn post(&self, key: &str, path: &str, media_type: &str, body: &[u8]) -> Answer {
        let request = self.agent.post(self.url(path)).header("authorization", format!("Bearer {key}"));
        answer(request.header("content-type", media_type).send(body).expect(NO_ANSWER))
    }

    pub fn post_json(&self, key: &str, path: &str, body: &Value) -> Answer {
        self.post(key, path, "application/json", body.to_string().as_bytes())
    }

    pub fn patch_json(&self, key: &str, path: &str, body: &Value) -> Answer {
        let request = self.agent.patch(self.url(path)).header("authorization", format!("Bearer {key}"));
        let request = request.header("content-type", "application/json");
        answer(request.send(body.to_string().as_bytes()).expect(NO_ANSWER))
    }

    pub fn delete(&self, key: &str, path: &str) -> Answer {
        let request = self.agent.delete(self.url(path)).header("authorization", format!("Bearer {key}"));
        answer(request.call().expect(NO_ANSWER))
    }

    fn url(&self, path: &str) -> String {
        format!("http://{}{path}", self.address)
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

/// The binary under test with a data directory and nothing of the tester's own environment.
pub fn paddock(data_dir: &Path) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_paddock"));
    for (name, _) in std::env::vars().filter(|(name, _)| name.starts_with("PADDOCK_")) {
        command.env_remove(name);
    }
    command.current_dir(data_dir).env("PADDOCK_DATA_DIR", data_dir);
    command
}

/// The address in the line that says where the server listens.
fn listening(line: &str) -> Option<String> {
    let line: Value = serde_json::from_str(line).ok()?;
    (line["message"] == "serving").then(|| line["address"].as_str().map(str::to_owned))?
}

fn answer(mut response: Response<ureq::Body>) -> Answer {
    let location = response.headers().get("location").map(|value| value.to_str().unwrap().to_owned());
    let status = response.status().as_u16();
    let body = serde_json::from_reader(response.body_mut().as_reader()).unwrap_or(Value::Null);
    Answer { status, location, body }
}
