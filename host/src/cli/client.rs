//! The HTTP client of the commands: the public API and nothing else, as any client would use it.

use std::{fmt, time::Duration};

use serde::Deserialize;
use serde_json::Value;
use ureq::{Agent, Body, http::Response};

/// Longest wait for one answer, in seconds; plugin uploads are the slowest.
const ANSWER_TIMEOUT_S: u64 = 150;
/// Longest answer that is read, in bytes.
const ANSWER_BYTES_MAX: u64 = 64 << 20;

/// A server and a key.
#[derive(Clone)]
pub struct Client {
    agent: Agent,
    server: String,
    key: String,
}

/// A problem as the server sent it.
#[derive(Debug, Clone, Deserialize)]
pub struct RemoteProblem {
    /// HTTP status.
    #[serde(default)]
    pub status: u16,
    /// Stable code.
    #[serde(default)]
    pub code: String,
    /// One sentence, the same for every problem of the code.
    pub title: String,
    /// What happened here.
    #[serde(default)]
    pub detail: String,
    /// What to do.
    #[serde(default)]
    pub action: String,
    /// Where in the input.
    pub field: Option<String>,
    /// The limit that was crossed.
    pub limit: Option<String>,
    /// The plugin to blame.
    pub plugin: Option<String>,
    /// The server's name for the request.
    pub request_id: Option<String>,
}

impl fmt::Display for RemoteProblem {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "{}\n  {}", self.title, self.detail)?;
        let places = [("where", &self.field), ("limit", &self.limit), ("plugin", &self.plugin)];
        for (label, value) in places.into_iter().filter_map(|(label, value)| Some((label, value.as_ref()?))) {
            write!(formatter, "\n  {label}: {value}")?;
        }
        if !self.action.is_empty() {
            write!(formatter, "\n  what to do: {}", self.action)?;
        }
        if let Some(request_id) = &self.request_id {
            write!(formatter, "\n  request: {request_id} (problem {}, HTTP {})", self.code, self.status)?;
        }
        Ok(())
    }
}

/// A request without a good answer.
#[derive(Debug, thiserror::Error)]
pub enum ClientError {
    /// The server refused, and says why.
    #[error("{0}")]
    Problem(RemoteProblem),
    /// No server, or the connection broke: is it running, is the address right?
    #[error("no answer from {server}: {cause}\n  what to do: check that `paddock serve` runs there, or set --server")]
    Unreachable {
        /// Where.
        server: String,
        /// Why.
        cause: Box<ureq::Error>,
    },
    /// Something answered that is not paddock's API.
    #[error("{server} answered HTTP {status} with something that is not paddock's API\n  what to do: check --server")]
    NotPaddock {
        /// Where.
        server: String,
        /// Its status.
        status: u16,
    },
}

impl Client {
    /// A client of the server at `server` (`http://127.0.0.1:8080`).
    #[must_use]
    pub fn new(server: &str, key: &str) -> Self {
        let config = Agent::config_builder()
            .http_status_as_error(false)
            // A redirect would carry the key somewhere else.
            .max_redirects(0)
            .max_redirects_will_error(false)
            .timeout_connect(Some(Duration::from_secs(10)))
            .timeout_global(Some(Duration::from_secs(ANSWER_TIMEOUT_S)))
            .user_agent(concat!("paddock/", env!("CARGO_PKG_VERSION")))
            .build();
        Self { agent: config.into(), server: server.trim_end_matches('/').to_owned(), key: key.to_owned() }
    }

    /// The server's address.
    #[must_use]
    pub fn server(&self) -> &str {
        &self.server
    }

    /// `GET path`.
    ///
    /// # Errors
    /// [`ClientError`].
    pub fn get(&self, path: &str) -> Result<Value, ClientError> {
        let answer = self.agent.get(self.url(path)).header("authorization", self.bearer()).call();
        self.json(answer)
    }

    /// `GET path` with a query.
    ///
    /// # Errors
    /// [`ClientError`].
    pub fn get_query(&self, path: &str, query: &[(&'static str, String)]) -> Result<Value, ClientError> {
        let request = self.agent.get(self.url(path)).query_pairs(query.iter().map(|(name, value)| (*name, value)));
        self.json(request.header("authorization", self.bearer()).call())
    }

    /// `POST path` with a JSON body.
    ///
    /// # Errors
    /// [`ClientError`].
    pub fn post_json(&self, path: &str, body: &Value) -> Result<Value, ClientError> {
        let answer = self.agent.post(self.url(path)).header("authorization", self.bearer()).send_json(body);
        self.json(answer)
    }

    /// `PUT path` with a JSON body.
    ///
    /// # Errors
    /// [`ClientError`].
    pub fn put_json(&self, path: &str, body: &Value) -> Result<Value, ClientError> {
        let answer = self.agent.put(self.url(path)).header("authorization", self.bearer()).send_json(body);
        self.json(answer)
    }

    /// `PATCH path` with a JSON body.
    ///
    /// # Errors
    /// [`ClientError`].
    pub fn patch_json(&self, path: &str, body: &Value) -> Result<Value, ClientError> {
        let answer = self.agent.patch(self.url(path)).header("authorization", self.bearer()).send_json(body);
        self.json(answer)
    }

    /// `POST path` without a body.
    ///
    /// # Errors
    /// [`ClientError`].
    pub fn post_empty(&self, path: &str) -> Result<Value, ClientError> {
        let answer = self.agent.post(self.url(path)).header("authorization", self.bearer()).send_empty();
        self.json(answer)
    }

    /// `POST path` with a body of another media type.
    ///
    /// # Errors
    /// [`ClientError`].
    pub fn post_bytes(
        &self,
        path: &str,
        query: &[(&str, &str)],
        media_type: &str,
        body: &[u8],
    ) -> Result<Value, ClientError> {
        let answer = self
            .agent
            .post(self.url(path))
            .query_pairs(query.iter().copied())
            .header("authorization", self.bearer())
            .header("content-type", media_type)
            .send(body);
        self.json(answer)
    }

    fn url(&self, path: &str) -> String {
        format!("{}{path}", self.server)
    }

    fn bearer(&self) -> String {
        format!("Bearer {}", self.key)
    }

    fn json(&self, answer: Result<Response<Body>, ureq::Error>) -> Result<Value, ClientError> {
        let unreachable = |cause| ClientError::Unreachable { server: self.server.clone(), cause: Box::new(cause) };
        let mut answer = answer.map_err(unreachable)?;
        let status = answer.status();
        let bytes = answer.body_mut().with_config().limit(ANSWER_BYTES_MAX).read_to_vec().map_err(unreachable)?;
        let not_paddock = || ClientError::NotPaddock { server: self.server.clone(), status: status.as_u16() };
        let body: Value = serde_json::from_slice(&bytes).map_err(|_| not_paddock())?;
        if status.is_success() {
            return Ok(body);
        }
        Err(ClientError::Problem(serde_json::from_value(body).map_err(|_| not_paddock())?))
    }
}
