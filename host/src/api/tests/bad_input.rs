//! One row per bad input: what is sent, and which status, code and place come back. Nothing may have changed afterwards.

use super::*;

struct Bad {
    what: &'static str,
    method: Method,
    path: &'static str,
    media_type: Option<&'static str>,
    body: &'static [u8],
    status: u16,
    code: &'static str,
    field: Option<&'static str>,
}

const fn post(what: &'static str, path: &'static str, media_type: &'static str, body: &'static [u8]) -> Bad {
    Bad { what, method: Method::POST, path, media_type: Some(media_type), body, status: 0, code: "", field: None }
}

const fn get(what: &'static str, path: &'static str) -> Bad {
    Bad { what, method: Method::GET, path, media_type: None, body: b"", status: 0, code: "", field: None }
}

impl Bad {
    const fn gets(mut self, status: u16, code: &'static str, field: Option<&'static str>) -> Self {
        self.status = status;
        self.code = code;
        self.field = field;
        self
    }
}

const JSON: &str = "application/json";

const BAD_INPUT: &[Bad] = &[
    post("no JSON", "/v1/jobs", JSON, b"{\"kind\":\n}").gets(400, "malformed-json", Some("line 2, column 1")),
    post("an empty body", "/v1/jobs", JSON, b"").gets(400, "malformed-json", Some("line 1, column 0")),
    post("JSON that is no object", "/v1/jobs", JSON, b"[]").gets(422, "invalid-input", Some("")),
    post("JSON that is not UTF-8", "/v1/jobs", JSON, b"{\"kind\": \"\xff\"}").gets(
        400,
        "malformed-json",
        Some("line 1, column 11"),
    ),
    post("no kind", "/v1/jobs", JSON, b"{}").gets(422, "invalid-input", Some("/kind")),
    post("an unknown kind", "/v1/jobs", JSON, b"{\"kind\": \"dance\"}").gets(422, "invalid-input", Some("/kind")),
    post("an unknown field", "/v1/jobs", JSON, b"{\"kind\": \"calibrate\", \"chian\": 1}").gets(
        422,
        "invalid-input",
        Some("/chian"),
    ),
    post("a missing field", "/v1/jobs", JSON, b"{\"kind\": \"optimize\"}").gets(422, "invalid-input", Some("/slate")),
    post("a number that is none", "/v1/jobs", JSON, b"{\"kind\": \"calibrate\", \"seed\": \"x\"}").gets(
        422,
        "invalid-input",
        Some("/seed"),
    ),
    post("a negative count", "/v1/jobs", JSON, b"{\"kind\": \"calibrate\", \"chains\": -1}").gets(
        422,
        "invalid-input",
        Some("/chains"),
    ),
    post("an id of another kind", "/v1/jobs", JSON, b"{\"kind\": \"optimize\", \"slate\": \"job_1\"}").gets(
        422,
        "invalid-input",
        Some("/slate"),
    ),
    post("what the planner refuses", "/v1/jobs", JSON, b"{\"kind\": \"calibrate\", \"chains\": 65}").gets(
        422,
        "invalid-input",
        Some("/chains"),
    ),
    post("a deadline of 0", "/v1/jobs", JSON, b"{\"kind\": \"calibrate\", \"deadline_s\": 0}").gets(
        422,
        "invalid-input",
        Some("/deadline_s"),
    ),
    post("a preview of nonsense", "/v1/jobs/preview", JSON, b"{\"kind\": 7}").gets(422, "invalid-input", Some("/kind")),
    post("a form", "/v1/jobs", "application/x-www-form-urlencoded", b"kind=calibrate").gets(
        415,
        "unsupported-media-type",
        Some("Content-Type"),
    ),
    post("text", "/v1/jobs", "text/plain", b"{}").gets(415, "unsupported-media-type", Some("Content-Type")),
    get("a page of nothing", "/v1/jobs?limit=0").gets(422, "invalid-input", Some("limit")),
    get("too large a page", "/v1/jobs?limit=201").gets(422, "invalid-input", Some("limit")),
    get("a limit that is no number", "/v1/jobs?limit=many").gets(400, "malformed-query", Some("limit")),
    get("an unknown filter", "/v1/jobs?colour=red").gets(400, "malformed-query", Some("colour")),
    get("an unknown state", "/v1/jobs?state=asleep").gets(400, "malformed-query", Some("state")),
    get("a broken cursor", "/v1/jobs?cursor=zzz").gets(422, "invalid-input", Some("cursor")),
];

async fn rows(server: &Server) -> Vec<i64> {
    let mut counts = Vec::new();
    for table in ["SELECT COUNT(*) FROM jobs", "SELECT COUNT(*) FROM audit", "SELECT COUNT(*) FROM artifacts"] {
        counts.push(sqlx::query_scalar(table).fetch_one(server.state.db().read()).await.unwrap());
    }
    counts
}

#[tokio::test]
async fn bad_input_gets_a_typed_problem_with_its_place_and_changes_nothing() {
    let server = Server::start().await;
    let before = rows(&server).await;
    for bad in BAD_INPUT {
        let body = Body::from(bad.body);
        let answer = server.send(request(bad.method.clone(), bad.path, &server.ours.key, bad.media_type, body)).await;
        let got = (answer.status.as_u16(), answer.code(), answer.body["field"].as_str());
        assert_eq!(got, (bad.status, bad.code, bad.field), "{}: {}", bad.what, answer.body);
        assert_eq!(answer.headers[header::CONTENT_TYPE], "application/problem+json", "{}", bad.what);
        for part in ["type", "title", "detail", "action", "request_id"] {
            assert!(answer.body[part].as_str().is_some_and(|text| !text.is_empty()), "{}: {part}", bad.what);
        }
    }
    assert_eq!(rows(&server).await, before);
}

#[tokio::test]
async fn a_body_at_the_limit_is_read_and_one_byte_more_is_refused() {
    let server = Server::start_with(ApiConfig { json_bytes_max: 64, ..ApiConfig::default() }).await;
    let body_of = |bytes: usize| {
        let start = r#"{"kind": "calibrate", "name": ""#;
        format!("{start}{}\"}}", "x".repeat(bytes - start.len() - 2))
    };
    let send =
        |body: Body| server.send(request(Method::POST, "/v1/jobs", &server.ours.key, Some("application/json"), body));
    assert_eq!(send(Body::from(body_of(64))).await.status, StatusCode::ACCEPTED);
    let declared = send(Body::from(body_of(65))).await;
    assert_eq!((declared.status, declared.code()), (StatusCode::PAYLOAD_TOO_LARGE, "body-too-large"));
    assert_eq!(declared.body["limit"], "64 bytes");
    let chunks =
        body_of(65).into_bytes().chunks(10).map(|chunk| Ok::<_, std::io::Error>(chunk.to_vec())).collect::<Vec<_>>();
    let streamed = send(Body::from_stream(futures_util::stream::iter(chunks))).await;
    assert_eq!(streamed.code(), "body-too-large");
}
