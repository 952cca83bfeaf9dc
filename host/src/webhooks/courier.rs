//! Sends one message over HTTP. The receiver's name is resolved here, at every new connection, and the connection goes to an
//! address that was looked at: a name that means another address a moment later leads nowhere else.

use std::{error::Error, net::SocketAddr, sync::Arc, time::Duration};

use jiff::{Timestamp, fmt::rfc2822};
use reqwest::{
    Client, Response, StatusCode,
    dns::{Addrs, Name, Resolve, Resolving},
    header::{HeaderMap, LOCATION, RETRY_AFTER},
    redirect::Policy,
};
use tokio::time::Instant;

use super::{
    address,
    error::WebhooksError,
    limits::{ERROR_CHARS_MAX, RESPONSE_BYTES_MAX, RESPONSE_CHARS_MAX, WebhooksConfig, cut},
    record::{Attempt, Verdict},
    secret::{Secret, signature_header},
    target::WebhookUrl,
};

/// How the service names itself to receivers.
const USER_AGENT: &str = concat!("paddock/", env!("CARGO_PKG_VERSION"));
/// Longest time that an answer's body is waited for once its head is there.
const BODY_WAIT_MAX: Duration = Duration::from_secs(2);
/// How long a connection without requests is kept.
const CONNECTION_KEPT: Duration = Duration::from_secs(30);

/// A message that is ready to go.
#[derive(Debug)]
pub(super) struct Letter<'a> {
    pub(super) url: &'a str,
    /// The same at every attempt.
    pub(super) id: &'a str,
    pub(super) secrets: &'a [Secret],
    pub(super) body: Vec<u8>,
}

/// Sends messages.
#[derive(Debug)]
pub(super) struct Courier {
    client: Client,
    config: WebhooksConfig,
}

impl Courier {
    /// # Errors
    /// [`WebhooksError::Client`].
    pub(super) fn new(config: &WebhooksConfig) -> Result<Self, WebhooksError> {
        // An error means that somebody else in this process has chosen one, which is fine.
        let _ = rustls::crypto::ring::default_provider().install_default();
        let builder = || {
            Client::builder()
                .user_agent(USER_AGENT)
                .redirect(Policy::none())
                .referer(false)
                // A proxy would resolve names itself, and so undo what the resolver is for.
                .no_proxy()
                .pool_idle_timeout(CONNECTION_KEPT)
                .dns_resolver(Arc::new(PublicOnly { allow_private: config.allow_private }))
        };
        let client = builder().build().or_else(|error| {
            tracing::warn!(error = %cause(&error), "no certificates to check receivers of webhooks by: https: will fail");
            builder().tls_certs_only([]).build()
        });
        Ok(Self { client: client.map_err(WebhooksError::Client)?, config: config.clone() })
    }

    /// Sends a letter and says what came of it. Takes as long as is allowed for an answer, and a moment for its body.
    pub(super) async fn post(&self, letter: Letter<'_>, now: Timestamp) -> Attempt {
        // Checked again, because it may have been stored under other settings.
        let url = match WebhookUrl::parse(letter.url, &self.config) {
            Ok(url) => url,
            Err(refused) => return failed(format!("Not sent: {refused}.")),
        };
        let timestamp_s = now.as_second();
        let request = self
            .client
            .post(url.url().clone())
            .header("content-type", "application/json")
            .header("webhook-id", letter.id)
            .header("webhook-timestamp", timestamp_s)
            .header("webhook-signature", signature_header(letter.secrets, letter.id, timestamp_s, &letter.body))
            .body(letter.body);
        match tokio::time::timeout(self.config.timeout(), request.send()).await {
            Ok(Ok(response)) => read_answer(response, now).await,
            Ok(Err(error)) => failed(format!("No answer: {}.", cause(&error))),
            Err(_) => failed(format!("No answer within {} ms.", self.config.timeout_ms)),
        }
    }
}

fn failed(error: String) -> Attempt {
    Attempt {
        verdict: Verdict::Failed { asked: None },
        status: None,
        error: Some(cut(&error, ERROR_CHARS_MAX)),
        response: None,
    }
}

/// The innermost reason. What is around it only repeats the URL, which may hold what the team keeps to itself.
fn cause(error: &dyn Error) -> String {
    let mut innermost = error;
    while let Some(source) = innermost.source() {
        innermost = source;
    }
    innermost.to_string()
}

async fn read_answer(response: Response, now: Timestamp) -> Attempt {
    let status = response.status();
    let verdict = judge(status, response.headers(), now);
    let error = (verdict != Verdict::Delivered).then(|| explain(status, response.headers()));
    let response = read_body(response).await;
    Attempt {
        verdict,
        status: Some(status.as_u16()),
        error: error.map(|error| cut(&error, ERROR_CHARS_MAX)),
        response: Some(cut(&String::from_utf8_lossy(&response), RESPONSE_CHARS_MAX)),
    }
}

/// What an answer means (Standard Webhooks 1.0, "Delivery success and failure").
fn judge(status: StatusCode, headers: &HeaderMap, now: Timestamp) -> Verdict {
    match status {
        status if status.is_success() => Verdict::Delivered,
        StatusCode::GONE => Verdict::Gone,
        StatusCode::TOO_MANY_REQUESTS | StatusCode::SERVICE_UNAVAILABLE => {
            Verdict::Failed { asked: retry_after(headers, now) }
        }
        _ => Verdict::Failed { asked: None },
    }
}

fn explain(status: StatusCode, headers: &HeaderMap) -> String {
    let to = headers.get(LOCATION).and_then(|value| value.to_str().ok());
    match to {
        Some(to) if status.is_redirection() => {
            format!("The receiver redirects ({}) to {to}. Redirects are not followed: change the URL.", status.as_u16())
        }
        _ => format!("The receiver answered {status}."),
    }
}

/// The pause that a receiver asks for: seconds, or a date (RFC 9110, section 10.2.3).
fn retry_after(headers: &HeaderMap, now: Timestamp) -> Option<Duration> {
    let text = headers.get(RETRY_AFTER)?.to_str().ok()?.trim();
    if let Ok(seconds) = text.parse() {
        return Some(Duration::from_secs(seconds));
    }
    let until = rfc2822::DateTimeParser::new().parse_timestamp(text).ok()?;
    Some(Duration::try_from(until.duration_since(now)).unwrap_or_default())
}

/// The first bytes of the body, as far as they come in time. Whether they do changes nothing about the outcome.
async fn read_body(mut response: Response) -> Vec<u8> {
    let until = Instant::now() + BODY_WAIT_MAX;
    let mut read = Vec::new();
    while read.len() < RESPONSE_BYTES_MAX {
        match tokio::time::timeout_at(until, response.chunk()).await {
            Ok(Ok(Some(chunk))) => read.extend_from_slice(&chunk),
            _ => break,
        }
    }
    read.truncate(RESPONSE_BYTES_MAX);
    read
}

/// Resolves names as the machine does, and leaves out the addresses that a webhook may not lead to.
struct PublicOnly {
    allow_private: bool,
}

/// A name that means special addresses only.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("the name leads to {address}, which is {meaning}")]
struct NotPublic {
    address: SocketAddr,
    meaning: &'static str,
}

impl Resolve for PublicOnly {
    fn resolve(&self, name: Name) -> Resolving {
        let allow_private = self.allow_private;
        Box::pin(async move {
            // The port is the URL's; 0 stands for it.
            let found = tokio::net::lookup_host((name.as_str(), 0)).await?.collect();
            let allowed = if allow_private { found } else { public(found)? };
            Ok(Box::new(allowed.into_iter()) as Addrs)
        })
    }
}

fn public(found: Vec<SocketAddr>) -> Result<Vec<SocketAddr>, NotPublic> {
    let mut refused = None;
    let mut allowed = Vec::with_capacity(found.len());
    for address in found {
        match address::special(address.ip()) {
            Some(meaning) => refused = refused.or(Some(NotPublic { address, meaning })),
            None => allowed.push(address),
        }
    }
    match refused {
        Some(refused) if allowed.is_empty() => Err(refused),
        _ => Ok(allowed),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn headers(retry_after: &str) -> HeaderMap {
        HeaderMap::from_iter([(RETRY_AFTER, retry_after.parse().unwrap())])
    }

    #[test]
    fn an_answer_means_what_the_specification_says() {
        let judged = |status| judge(StatusCode::from_u16(status).unwrap(), &HeaderMap::new(), Timestamp::UNIX_EPOCH);
        for status in [200, 201, 202, 204, 299] {
            assert_eq!(judged(status), Verdict::Delivered, "{status}");
        }
        for status in [300, 301, 302, 304, 307, 308, 400, 401, 404, 429, 500, 502, 503, 504] {
            assert_eq!(judged(status), Verdict::Failed { asked: None }, "{status}");
        }
        assert_eq!(judged(410), Verdict::Gone);
    }

    #[test]
    fn a_pause_is_read_as_seconds_and_as_a_date() {
        let now: Timestamp = "1994-11-06T08:49:07Z".parse().unwrap();
        let asked = |text| retry_after(&headers(text), now).map(|pause| pause.as_secs());
        assert_eq!(asked("120"), Some(120));
        assert_eq!(asked("Sun, 06 Nov 1994 08:49:37 GMT"), Some(30));
        assert_eq!(asked("Sun, 06 Nov 1994 08:48:37 GMT"), Some(0), "a date that has passed");
        assert_eq!(asked("soon"), None);
        assert_eq!(asked("-5"), None);
    }

    #[test]
    fn a_pause_is_listened_to_where_it_belongs() {
        let judged = |status| judge(StatusCode::from_u16(status).unwrap(), &headers("9"), Timestamp::UNIX_EPOCH);
        for status in [429, 503] {
            assert_eq!(judged(status), Verdict::Failed { asked: Some(Duration::from_secs(9)) });
        }
        assert_eq!(judged(500), Verdict::Failed { asked: None });
    }

    #[test]
    fn of_the_addresses_of_a_name_only_public_ones_are_left() {
        let inside: SocketAddr = "10.0.0.1:0".parse().unwrap();
        let outside: SocketAddr = "8.8.8.8:0".parse().unwrap();
        assert_eq!(public(vec![inside, outside]), Ok(vec![outside]));
        assert_eq!(public(vec![inside]), Err(NotPublic { address: inside, meaning: "a private network" }));
        assert_eq!(public(Vec::new()), Ok(Vec::new()));
    }

    #[tokio::test]
    async fn a_name_that_means_this_machine_is_refused_when_it_is_resolved() {
        let resolved = PublicOnly { allow_private: false }.resolve("localhost".parse().unwrap()).await;
        let refused = resolved.err().unwrap().downcast::<NotPublic>().unwrap();
        assert!(refused.address.ip().is_loopback());
        let resolved = PublicOnly { allow_private: true }.resolve("localhost".parse().unwrap()).await;
        assert!(resolved.unwrap().all(|address| address.ip().is_loopback()));
    }
}
