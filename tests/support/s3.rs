//! An S3 server for tests alone: moto's, on a free loopback port, with one bucket, gone with the process that started it.

use std::{
    net::{TcpListener, TcpStream},
    process::{Child, Command, Stdio},
    time::{Duration, Instant},
};

const PATIENCE: Duration = Duration::from_secs(60);
const BUCKET: &str = "paddock";
/// Waits for the end of its input, which is the end of whoever started it.
const UNTIL_ALONE: &str = r#""$@" > /dev/null 2>&1 < /dev/null & server=$!; cat > /dev/null; kill "$server""#;

/// A server with an empty bucket.
pub struct S3 {
    port: u16,
    _keeper: Child,
}

impl S3 {
    /// Starts a server; `None` where there is none to start and this is not CI.
    ///
    /// # Panics
    /// In CI, where moto is not installed: a test that needs it must fail there, not be left out.
    pub fn start() -> Option<Self> {
        let is_there = Command::new("moto_server").arg("--help").output().is_ok_and(|help| help.status.success());
        if !is_there {
            super::left_out("moto_server is not installed (pip install 'moto[server]')");
            return None;
        }
        let port = TcpListener::bind(("127.0.0.1", 0)).unwrap().local_addr().unwrap().port();
        let mut command = Command::new("sh");
        command.args(["-c", UNTIL_ALONE, "sh", "moto_server", "-H", "127.0.0.1", "-p", &port.to_string()]);
        let keeper = command.stdin(Stdio::piped()).spawn().unwrap();
        let server = Self { port, _keeper: keeper };
        let deadline = Instant::now() + PATIENCE;
        while TcpStream::connect(("127.0.0.1", port)).is_err() {
            assert!(Instant::now() < deadline, "moto_server did not start");
            std::thread::sleep(Duration::from_millis(50));
        }
        let made = ureq::put(format!("{}/{BUCKET}", server.endpoint())).send_empty().unwrap();
        assert_eq!(made.status(), 200);
        Some(server)
    }

    fn endpoint(&self) -> String {
        format!("http://127.0.0.1:{}", self.port)
    }

    /// What a process that is to use the bucket has to find in its environment.
    pub fn environment(&self) -> Vec<(String, String)> {
        [
            ("PADDOCK_DB__ARTIFACTS_URL", format!("s3://{BUCKET}/artifacts")),
            ("AWS_ENDPOINT", self.endpoint()),
            ("AWS_ALLOW_HTTP", "true".to_owned()),
            ("AWS_ACCESS_KEY_ID", "test".to_owned()),
            ("AWS_SECRET_ACCESS_KEY", "test".to_owned()),
            ("AWS_REGION", "us-east-1".to_owned()),
        ]
        .map(|(name, value)| (name.to_owned(), value))
        .into()
    }

    /// Names of the objects in the bucket, as the server's own XML.
    pub fn listing(&self) -> String {
        let mut answer = ureq::get(format!("{}/{BUCKET}?list-type=2", self.endpoint())).call().unwrap();
        answer.body_mut().read_to_string().unwrap()
    }
}
