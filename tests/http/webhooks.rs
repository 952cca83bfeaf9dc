//! Webhooks end to end: the real binary sends, a real server on a loopback port receives, and the specification's own library
//! says whether what arrived is genuine.

use std::{
    collections::VecDeque,
    io::{Read, Write},
    sync::{
        Arc, Mutex,
        mpsc::{self, RecvTimeoutError},
    },
    thread,
    time::Duration,
};

use axum::{
    Router,
    body::Bytes,
    extract::State,
    http::{HeaderMap, StatusCode, Uri},
    response::{IntoResponse, Response},
};
use serde_json::{Value, json};

use crate::{
    season::{eventually, import, result, small_fit, submit},
    server::{Place, Server},
    support::postgres::Cluster,
};

/// Longer than anything here takes; reaching it means that a request never came.
const PATIENCE: Duration = Duration::from_secs(60);
/// Long enough for a request that must not come to come all the same: retries are immediate here.
const SILENCE: Duration = Duration::from_millis(700);

/// What the receiver answers.
#[derive(Clone)]
enum Reply {
    Status(u16),
    RedirectTo(String),
    Nothing,
}

/// A request that has arrived.
struct Arrived {
    path: String,
    headers: HeaderMap,
    body: Bytes,
}

impl Arrived {
    fn id(&self) -> &str {
        self.headers["webhook-id"].to_str().unwrap()
    }

    fn signatures(&self) -> usize {
        self.headers["webhook-signature"].to_str().unwrap().split(' ').count()
    }

    fn message(&self) -> Value {
        serde_json::from_slice(&self.body).unwrap()
    }

    fn event(&self) -> String {
        self.message()["type"].as_str().unwrap().to_owned()
    }

    fn is_signed_with(&self, secret: &str) -> bool {
        standardwebhooks::Webhook::new(secret).unwrap().verify(&self.body, &self.headers).is_ok()
    }
}

/// A server that answers as it is told, 200 where it is not, and passes on what arrives.
struct Receiver {
    address: String,
    replies: Arc<Mutex<VecDeque<Reply>>>,
    arrived: mpsc::Receiver<Arrived>,
}

impl Receiver {
    fn start(replies: impl IntoIterator<Item = Reply>) -> Self {
        let replies = Arc::new(Mutex::new(replies.into_iter().collect::<VecDeque<_>>()));
        let (sender, arrived) = mpsc::channel();
        let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        listener.set_nonblocking(true).unwrap();
        let address = listener.local_addr().unwrap().to_string();
        let router = Router::new().fallback(receive).with_state(Desk { replies: replies.clone(), arrived: sender });
        // Ends with the process of the test.
        thread::spawn(move || {
            let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
            runtime.block_on(async {
                axum::serve(tokio::net::TcpListener::from_std(listener).unwrap(), router).await.unwrap();
            });
        });
        Self { address, replies, arrived }
    }

    fn url(&self) -> String {
        format!("http://{}/hook", self.address)
    }

    fn next(&self) -> Arrived {
        self.arrived.recv_timeout(PATIENCE).expect("a request to arrive")
    }

    fn expect_silence(&self) {
        let arrived = self.arrived.recv_timeout(SILENCE);
        assert!(matches!(arrived, Err(RecvTimeoutError::Timeout)), "{}", arrived.unwrap().event());
    }

    fn reply_next(&self, reply: Reply) {
        self.replies.lock().unwrap().push_back(reply);
    }
}

/// What the receiver's handler works with.
#[derive(Clone)]
struct Desk {
    replies: Arc<Mutex<VecDeque<Reply>>>,
    arrived: mpsc::Sender<Arrived>,
}

async fn receive(State(desk): State<Desk>, uri: Uri, headers: HeaderMap, body: Bytes) -> Response {
    let reply = desk.replies.lock().unwrap().pop_front().unwrap_or(Reply::Status(200));
    let _ = desk.arrived.send(Arrived { path: uri.path().to_owned(), headers, body });
    match reply {
        Reply::Status(status) => (StatusCode::from_u16(status).unwrap(), "what the receiver says").into_response(),
        Reply::RedirectTo(place) => (StatusCode::FOUND, [("location", place)]).into_response(),
        Reply::Nothing => std::future::pending().await,
    }
}

/// A receiver that speaks HTTPS for one request, under a certificate that nobody knows; gives its URL, the certificate as PEM, and
/// what tells whether a request came through.
fn start_https() -> (String, String, mpsc::Receiver<String>) {
    let made = rcgen::generate_simple_self_signed(vec!["localhost".to_owned()]).unwrap();
    let key = rustls::pki_types::PrivateKeyDer::try_from(made.signing_key.serialize_der()).unwrap();
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let config = rustls::ServerConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_no_client_auth()
        .with_single_cert(vec![made.cert.der().clone()], key)
        .unwrap();
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("https://localhost:{}/hook", listener.local_addr().unwrap().port());
    let (sender, arrived) = mpsc::channel();
    thread::spawn(move || {
        for socket in listener.incoming() {
            let connection = rustls::ServerConnection::new(Arc::new(config.clone())).unwrap();
            let mut stream = rustls::StreamOwned::new(connection, socket.unwrap());
            let mut head = [0; 4096];
            // An error is a client that does not trust the certificate.
            if let Ok(length) = stream.read(&mut head) {
                stream.write_all(b"HTTP/1.1 200 OK\r\ncontent-length: 0\r\nconnection: close\r\n\r\n").unwrap();
                stream.flush().unwrap();
                sender.send(String::from_utf8_lossy(&head[..length]).into_owned()).unwrap();
            }
        }
    });
    (url, made.cert.pem(), arrived)
}

/// Settings under which a server may send to loopback, and tries again at once, as often as told.
fn settings(retries: usize, more: &[(&str, &str)]) -> Vec<(String, String)> {
    let delays = json!(vec![0; retries]).to_string();
    let all = [("ALLOW_HTTP", "true"), ("ALLOW_PRIVATE", "true"), ("RETRY_DELAYS_S", &delays), ("POLL_MS", "50")];
    let named = all.iter().chain(more).map(|(name, value)| (format!("PADDOCK_WEBHOOKS__{name}"), (*value).to_owned()));
    named.collect()
}

/// A server with such settings.
fn sender(retries: usize, more: &[(&str, &str)]) -> Server {
    Server::start_at(&Place::shared(settings(retries, more)), &[])
}

/// Makes a webhook; gives its path and its secret.
fn webhook(server: &Server, key: &str, url: &str, events: Option<&[&str]>) -> (String, String) {
    let made = server.post_json(key, "/v1/webhooks", &json!({ "url": url, "events": events }));
    assert_eq!(made.status, 201, "{}", made.body);
    (made.location.unwrap(), made.body["secret"].as_str().unwrap().to_owned())
}

fn wait_for_delivery(server: &Server, key: &str, webhook: &str, state: &str) -> Value {
    let list = format!("{webhook}/deliveries?state={state}");
    eventually(server, key, &list, |list| list["items"][0].is_object())["items"][0].clone()
}

#[test]
fn a_job_is_told_in_order_signed_and_without_its_result() {
    let receiver = Receiver::start([]);
    let server = sender(0, &[]);
    let key = server.key("team", "submit,read,admin");
    import(&server, &key);
    let (webhook, secret) = webhook(&server, &key, &receiver.url(), None);
    let job = submit(&server, &key, &small_fit());
    let arrived = [receiver.next(), receiver.next(), receiver.next()];
    result(&server, &key, &job);
    let state = server.get(&key, &format!("/v1/jobs/{job}")).body["state"].as_str().unwrap().to_owned();
    let events: Vec<String> = arrived.iter().map(Arrived::event).collect();
    assert_eq!(events, ["job.queued".to_owned(), "job.running".to_owned(), format!("job.{state}")]);
    let mut sequence = 0;
    for (arrived, state) in arrived.iter().zip(["queued", "running", &state]) {
        assert!(arrived.is_signed_with(&secret) && arrived.path == "/hook");
        assert_eq!(arrived.headers["content-type"], "application/json");
        let data = arrived.message()["data"].clone();
        assert_eq!((&data["job"], &data["kind"], &data["state"]), (&json!(job), &json!("calibrate"), &json!(state)));
        assert!(data["sequence"].as_i64().unwrap() > sequence, "{data}");
        sequence = data["sequence"].as_i64().unwrap();
        let names: Vec<&String> = data.as_object().unwrap().keys().collect();
        assert_eq!(names, ["job", "kind", "name", "sequence", "state"]);
    }
    let delivered = eventually(&server, &key, &format!("{webhook}/deliveries?state=delivered"), |list| {
        list["items"].as_array().unwrap().len() == 3
    });
    let newest = &delivered["items"][0];
    assert_eq!(newest["id"], arrived[2].id());
    assert_eq!(newest["last_attempt"]["response"], "what the receiver says");
}

#[test]
fn an_answer_of_500_is_tried_again_under_the_same_id() {
    let receiver = Receiver::start([Reply::Status(500), Reply::Status(503)]);
    let server = sender(5, &[]);
    let key = server.key("team", "submit,read,admin");
    import(&server, &key);
    let (webhook, secret) = webhook(&server, &key, &receiver.url(), Some(&["job.queued"]));
    submit(&server, &key, &small_fit());
    let arrived = [receiver.next(), receiver.next(), receiver.next()];
    assert!(arrived.iter().all(|each| each.id() == arrived[0].id() && each.body == arrived[0].body));
    assert!(arrived.iter().all(|each| each.is_signed_with(&secret)));
    let delivery = wait_for_delivery(&server, &key, &webhook, "delivered");
    assert_eq!((&delivery["attempts"], &delivery["last_attempt"]["status"]), (&json!(3), &json!(200)));
    receiver.expect_silence();
}

#[test]
fn a_receiver_that_is_gone_is_sent_nothing_more_until_it_is_enabled() {
    let receiver = Receiver::start([Reply::Status(410)]);
    let server = sender(5, &[]);
    let key = server.key("team", "submit,read,admin");
    import(&server, &key);
    let (webhook, _) = webhook(&server, &key, &receiver.url(), Some(&["job.queued"]));
    submit(&server, &key, &small_fit());
    let refused = receiver.next();
    let disabled = eventually(&server, &key, &webhook, |webhook| webhook["disabled"].is_object());
    assert_eq!(disabled["disabled"]["reason"], "gone");
    let mut other = small_fit();
    other["seed"] = json!(7);
    submit(&server, &key, &other);
    let test = server.post_json(&key, &format!("{webhook}/test"), &json!({}));
    assert_eq!((test.status, test.code()), (409, "webhook-disabled"));
    receiver.expect_silence();

    assert_eq!(server.post_json(&key, &format!("{webhook}/enable"), &json!({})).status, 200);
    assert_eq!(server.post_json(&key, &format!("{webhook}/test"), &json!({})).status, 202);
    assert_eq!(receiver.next().event(), "webhook.ping");
    let redeliver = format!("{webhook}/deliveries/{}/redeliver", refused.id());
    assert_eq!(server.post_json(&key, &redeliver, &json!({})).status, 202);
    assert_eq!(receiver.next().id(), refused.id());
}

#[test]
fn a_redirect_is_a_failure_and_a_dead_letter_is_sent_again_on_demand() {
    let elsewhere = Receiver::start([]);
    let receiver = Receiver::start([Reply::RedirectTo(elsewhere.url())]);
    let server = sender(0, &[]);
    let key = server.key("team", "submit,read,admin");
    import(&server, &key);
    let (webhook, _) = webhook(&server, &key, &receiver.url(), Some(&["job.queued"]));
    submit(&server, &key, &small_fit());
    let first = receiver.next();
    let dead = wait_for_delivery(&server, &key, &webhook, "dead");
    assert_eq!((&dead["id"], &dead["last_attempt"]["status"]), (&json!(first.id()), &json!(302)));
    assert!(dead["last_attempt"]["error"].as_str().unwrap().contains("Redirects are not followed"), "{dead}");
    elsewhere.expect_silence();

    let redeliver = format!("{webhook}/deliveries/{}/redeliver", first.id());
    assert_eq!(server.post_json(&key, &redeliver, &json!({})).status, 202);
    let second = receiver.next();
    assert_eq!((second.id(), &second.body), (first.id(), &first.body));
    assert_eq!(wait_for_delivery(&server, &key, &webhook, "delivered")["id"], first.id());
}

#[test]
fn private_addresses_are_refused_when_they_are_given_and_again_when_something_is_sent() {
    let receiver = Receiver::start([]);
    let server = sender(5, &[]);
    let key = server.key("team", "submit,read,admin");
    import(&server, &key);
    let (webhook, _) = webhook(&server, &key, &receiver.url(), Some(&["job.queued"]));
    // The same data, under settings that allow nothing of this.
    let server = server.kill_and_start_again();
    for url in [receiver.url(), receiver.url().replace("http:", "https:"), "https://[::1]/".to_owned()] {
        let refused = server.post_json(&key, "/v1/webhooks", &json!({ "url": url }));
        assert_eq!(refused.verdict(), (422, "invalid-input", Some("/url")), "{url}");
    }
    submit(&server, &key, &small_fit());
    let list = format!("{webhook}/deliveries");
    let tried = eventually(&server, &key, &list, |list| list["items"][0]["last_attempt"].is_object());
    let error = tried["items"][0]["last_attempt"]["error"].as_str().unwrap();
    assert!(error.starts_with("Not sent: the URL must begin with https:"), "{error}");
    receiver.expect_silence();
}

#[test]
fn what_was_under_way_when_the_server_was_killed_comes_again() {
    let receiver = Receiver::start([Reply::Nothing]);
    let mut server = sender(5, &[]);
    let key = server.key("team", "submit,read,admin");
    import(&server, &key);
    let (webhook, secret) = webhook(&server, &key, &receiver.url(), Some(&["job.queued"]));
    submit(&server, &key, &small_fit());
    let lost = receiver.next();
    server.kill_and_restart();
    let again = receiver.next();
    assert_eq!((again.id(), &again.body), (lost.id(), &lost.body));
    assert!(again.is_signed_with(&secret));
    wait_for_delivery(&server, &key, &webhook, "delivered");
}

#[test]
fn during_a_rotation_either_secret_proves_the_sender() {
    let receiver = Receiver::start([]);
    let server = sender(0, &[]);
    let key = server.key("team", "read,admin");
    let (webhook, old) = webhook(&server, &key, &receiver.url(), None);
    let ping = || {
        assert_eq!(server.post_json(&key, &format!("{webhook}/test"), &json!({})).status, 202);
        receiver.next()
    };
    let rotate = |query: &str| {
        let rotated = server.post_json(&key, &format!("{webhook}/rotate{query}"), &json!({}));
        rotated.body["secret"].as_str().unwrap().to_owned()
    };
    let new = rotate("");
    let both = ping();
    assert!(both.signatures() == 2 && both.is_signed_with(&old) && both.is_signed_with(&new));
    let newest = rotate("?overlap_s=0");
    let one = ping();
    assert!(one.signatures() == 1 && one.is_signed_with(&newest));
    assert!(!one.is_signed_with(&old) && !one.is_signed_with(&new));
}

#[test]
fn a_receiver_that_hangs_delays_nobody_else_and_is_not_waited_for_forever() {
    let hanging = Receiver::start(vec![Reply::Nothing; 2]);
    let receiver = Receiver::start([]);
    let server = sender(1, &[("IN_FLIGHT_PER_WEBHOOK_MAX", "1"), ("TIMEOUT_MS", "1500")]);
    let key = server.key("team", "submit,read,admin");
    import(&server, &key);
    let (slow, _) = webhook(&server, &key, &hanging.url(), Some(&["job.queued"]));
    webhook(&server, &key, &receiver.url(), Some(&["job.queued"]));
    for seed in 0..3 {
        let mut spec = small_fit();
        spec["seed"] = json!(seed);
        submit(&server, &key, &spec);
    }
    hanging.next();
    (0..3).for_each(|_| drop(receiver.next()));
    let pending = server.get(&key, &format!("{slow}/deliveries?state=pending")).body;
    assert_eq!(pending["items"].as_array().unwrap().len(), 3, "{pending}");
    // A second attempt at what was not answered, or one at what waited: then everything comes through.
    hanging.reply_next(Reply::Status(200));
    (0..3).for_each(|_| drop(hanging.next()));
    let delivered = eventually(&server, &key, &format!("{slow}/deliveries?state=delivered"), |list| {
        !list["items"].as_array().unwrap().is_empty()
    });
    assert_eq!(delivered["items"][0]["last_attempt"]["status"], 200);
}

#[test]
fn an_https_receiver_is_sent_something_only_if_its_certificate_is_trusted() {
    let (url, certificate, arrived) = start_https();
    let directory = tempfile::tempdir().unwrap();
    let file = directory.path().join("receiver.pem");
    std::fs::write(&file, certificate).unwrap();
    let trusting = ("SSL_CERT_FILE".to_owned(), file.to_str().unwrap().to_owned());
    let private = ("PADDOCK_WEBHOOKS__ALLOW_PRIVATE".to_owned(), "true".to_owned());
    // Nobody is there, and nobody is asked: a proxy would resolve the receiver's name itself.
    let proxy = ("HTTPS_PROXY".to_owned(), "http://127.0.0.1:1".to_owned());
    for (environment, is_trusted) in
        [(vec![private.clone(), proxy.clone()], false), (vec![private, proxy, trusting], true)]
    {
        let server = Server::start_at(&Place::shared(environment), &[]);
        let key = server.key("team", "read,admin");
        let (webhook, _) = webhook(&server, &key, &url, None);
        assert_eq!(server.post_json(&key, &format!("{webhook}/test"), &json!({})).status, 202);
        let delivery = wait_for_delivery(&server, &key, &webhook, if is_trusted { "delivered" } else { "dead" });
        if is_trusted {
            assert!(arrived.recv_timeout(PATIENCE).unwrap().starts_with("POST /hook HTTP/1.1"));
        } else {
            let error = delivery["last_attempt"]["error"].as_str().unwrap();
            assert!(error.contains("invalid peer certificate"), "{error}");
        }
    }
}

#[test]
fn another_node_sends_what_a_killed_one_had_under_way() {
    let Some(cluster) = Cluster::shared() else { return };
    let receiver = Receiver::start([Reply::Nothing]);
    // A dead sender's lease ends ten seconds after this timeout.
    let mut environment = settings(0, &[("TIMEOUT_MS", "1000"), ("UPKEEP_MS", "100")]);
    environment.push(("PADDOCK_DATABASE_URL".to_owned(), cluster.create_database()));
    let place = Place::shared(environment);
    let api = Server::start_at(&place, &["--role", "api"]);
    let key = api.key("team", "read,admin");
    let (webhook, secret) = webhook(&api, &key, &receiver.url(), None);
    assert_eq!(api.post_json(&key, &format!("{webhook}/test"), &json!({})).status, 202);
    receiver.expect_silence();
    let first = Server::start_at(&place, &["--role", "worker"]);
    let lost = receiver.next();
    drop(first);
    let _second = Server::start_at(&place, &["--role", "worker"]);
    let again = receiver.next();
    assert_eq!((again.id(), &again.body), (lost.id(), &lost.body));
    assert!(again.is_signed_with(&secret));
    assert_eq!(wait_for_delivery(&api, &key, &webhook, "delivered")["attempts"], 1);
}
