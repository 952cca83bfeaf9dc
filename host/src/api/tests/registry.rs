//! The registry over HTTP: aliases, quarantine, sharing, deprecation and what differs between versions, for the owner and for others.

use super::*;
use crate::{
    catalog::{self, NewPlugin, UploadState},
    domain::plugin::{PluginDescription, World},
};

const RULE: &str = "/v1/plugins/rule";

impl Server {
    /// An active version of our plugin `rule`.
    async fn rule(&self, version: &str, params: Value) {
        let wasm = wat::parse_str(format!("(component (core module (@custom \"v\" \"{version}\")))")).unwrap();
        let size_bytes = wasm.len() as u64;
        let hash = self.state.artifacts().put(wasm.into()).await.unwrap();
        let description = PluginDescription {
            world: World::Constraint,
            name: "rule".to_owned(),
            version: version.to_owned(),
            summary: "Vetoes nothing.".to_owned(),
            params_schema: json!({ "type": "object", "properties": params }),
            veto_reasons: Vec::new(),
            posterior_layout: None,
            judges_scenarios: true,
            judges_lineups: false,
        };
        let team = Some(self.ours.team.id.clone());
        let state = UploadState::Active;
        let new = NewPlugin { team, uploaded_by: None, state, hash: hash.to_string(), size_bytes, description };
        catalog::insert_plugin(self.state.db(), &new).await.unwrap();
    }

    async fn as_them(&self, method: Method, path: &str, body: &Value) -> Answer {
        let body = Body::from(body.to_string());
        self.send(request(method, path, &self.theirs.key, Some("application/json"), body)).await
    }

    async fn put(&self, path: &str, body: &Value) -> Answer {
        let body = Body::from(body.to_string());
        self.send(request(Method::PUT, path, &self.ours.key, Some("application/json"), body)).await
    }

    async fn audited(&self, action: &str) -> Vec<String> {
        let query = "SELECT subject FROM audit WHERE action = $1 ORDER BY sequence";
        sqlx::query_scalar(query).bind(action).fetch_all(self.state.db().read()).await.unwrap()
    }
}

#[tokio::test]
async fn an_alias_is_promoted_rolled_back_and_deleted_and_every_move_is_in_the_audit_log() {
    let server = Server::start().await;
    server.rule("1.0.0", json!({})).await;
    server.rule("1.1.0", json!({})).await;
    let promote = async |alias: &str, version: &str| {
        server.post(&format!("{RULE}/aliases/{alias}/promote"), &json!({ "version": version })).await
    };
    for version in ["1.0.0", "1.1.0"] {
        let answer = promote("stable", version).await;
        assert_eq!((answer.status, &answer.body["version"]), (StatusCode::OK, &json!(version)), "{}", answer.body);
    }
    assert_eq!(promote("canary", "stable").await.body["version"], "1.1.0");
    let back = server.post(&format!("{RULE}/aliases/stable/rollback"), &json!({})).await;
    assert_eq!((&back.body["version"], &back.body["how"]), (&json!("1.0.0"), &json!("rolled_back")));
    assert_eq!(server.get(&format!("{RULE}/stable")).await.body["version"], "1.0.0");
    let again = server.post(&format!("{RULE}/aliases/stable/rollback"), &json!({})).await;
    assert_eq!((again.status, again.code()), (StatusCode::CONFLICT, "conflict"));
    let history = server.get(&format!("{RULE}/aliases/stable")).await.body["history"].clone();
    let versions: Vec<&str> = history.as_array().unwrap().iter().map(|m| m["version"].as_str().unwrap()).collect();
    assert_eq!(versions, ["1.0.0", "1.1.0", "1.0.0"]);
    assert_eq!(server.audited("plugin.rolled_back").await, ["rule@stable -> 1.0.0"]);
    assert_eq!(server.audited("plugin.promoted").await.len(), 3);

    let canary = format!("{RULE}/aliases/canary");
    let gone = server.send(request(Method::DELETE, &canary, &server.ours.key, None, Body::empty())).await;
    assert_eq!(gone.status, StatusCode::NO_CONTENT);
    assert_eq!(server.get(&canary).await.code(), "not-found");
}

#[tokio::test]
async fn bad_input_to_the_registry_names_its_place() {
    let server = Server::start().await;
    server.rule("1.0.0", json!({})).await;
    let verdict = async |method: Method, path: String, body: Value| {
        let body = Body::from(body.to_string());
        let answer = server.send(request(method, &path, &server.ours.key, Some("application/json"), body)).await;
        (answer.status.as_u16(), answer.code().to_owned(), answer.body["field"].as_str().map(str::to_owned))
    };
    let long = "x".repeat(281);
    let cases = [
        (Method::POST, "/aliases/Stable/promote", json!({ "version": "1.0.0" }), Some("alias")),
        (Method::POST, "/aliases/stable/promote", json!({}), Some("/version")),
        (Method::POST, "/1.0.0/deprecate", json!({ "message": " " }), Some("/message")),
        (Method::POST, "/1.0.0/deprecate", json!({ "message": long }), Some("/message")),
        (Method::POST, "/1.0.0/quarantine", json!({ "why": "x" }), Some("/why")),
        (Method::PUT, "/sharing", json!({ "visibility": "everyone" }), Some("/visibility")),
        (Method::PUT, "/sharing", json!({ "visibility": "teams", "teams": ["nobody"] }), Some("/teams/0")),
        (Method::PUT, "/sharing", json!({ "visibility": "teams" }), Some("/teams")),
        (Method::PUT, "/sharing", json!({ "visibility": "public", "teams": ["theirs"] }), Some("/teams")),
    ];
    for (method, path, body, field) in cases {
        let found = verdict(method, format!("{RULE}{path}"), body).await;
        assert_eq!(found, (422, "invalid-input".to_owned(), field.map(str::to_owned)), "{path}");
    }
    for path in ["/aliases/stable/promote", "/aliases/canary/promote"] {
        assert_eq!(verdict(Method::POST, format!("{RULE}{path}"), json!({ "version": "9.9.9" })).await.0, 404);
    }
    for path in ["/9.9.9", "/beta", "/1.0", "/aliases/stable", "/diff?from=1.0.0&to=9.9.9", "/1.0.0/report"] {
        assert_eq!(server.get(&format!("{RULE}{path}")).await.code(), "not-found", "{path}");
    }
    assert_eq!(server.get(&format!("{RULE}/diff?from=1.0.0")).await.code(), "malformed-query");
    let unlimited =
        server.put(&format!("{RULE}/sharing"), &json!({ "visibility": "teams", "teams": vec!["a"; 65] })).await;
    assert_eq!(unlimited.body["limit"], "plugin_shares_max = 64 teams");
    let as_many =
        server.put(&format!("{RULE}/sharing"), &json!({ "visibility": "teams", "teams": vec!["a"; 64] })).await;
    assert_eq!(as_many.body["field"], "/teams/0");
}

#[tokio::test]
async fn another_team_sees_what_is_shared_with_it_and_may_change_nothing_of_it() {
    let server = Server::start().await;
    server.rule("1.0.0", json!({})).await;
    server.post(&format!("{RULE}/aliases/stable/promote"), &json!({ "version": "1.0.0" })).await;
    let theirs = "/v1/plugins/ours%2Frule";
    let status = async |method: Method, path: &str| {
        let body = if path.ends_with("promote") { json!({ "version": "1.0.0" }) } else { json!({ "reason": "x" }) };
        let answer = server.as_them(method, &format!("{theirs}{path}"), &body).await;
        (answer.status.as_u16(), answer.code().to_owned())
    };
    assert_eq!(status(Method::GET, "/1.0.0").await, (404, "not-found".to_owned()));
    let shared = server.put(&format!("{RULE}/sharing"), &json!({ "visibility": "teams", "teams": ["theirs"] })).await;
    assert_eq!((shared.status, &shared.body["teams"]), (StatusCode::OK, &json!(["theirs"])), "{}", shared.body);
    let seen = server.as_them(Method::GET, &format!("{theirs}/stable"), &json!({})).await;
    assert_eq!((seen.status, &seen.body["owner"]), (StatusCode::OK, &json!("ours")), "{}", seen.body);
    assert!(seen.body.get("uploaded_by").is_none());
    assert_eq!(status(Method::GET, "/aliases").await.0, 200);
    for (method, path) in [
        (Method::POST, "/1.0.0/disable"),
        (Method::POST, "/aliases/stable/promote"),
        (Method::POST, "/aliases/stable/rollback"),
        (Method::DELETE, "/aliases/stable"),
    ] {
        assert_eq!(status(method, path).await, (403, "not-yours".to_owned()), "{path}");
    }
    assert_eq!(status(Method::GET, "/sharing").await.0, 404);
    // Their own quarantine is theirs alone; ours is everybody's.
    assert_eq!(status(Method::POST, "/1.0.0/quarantine").await.0, 200);
    assert_eq!(server.get(&format!("{RULE}/1.0.0")).await.body["state"], "active");
    assert_eq!(status(Method::POST, "/1.0.0/release").await.0, 200);
    server.post(&format!("{RULE}/1.0.0/quarantine"), &json!({ "reason": "It is wrong." })).await;
    let held = server.as_them(Method::GET, &format!("{theirs}/1.0.0"), &json!({})).await;
    assert_eq!(held.body["quarantine"]["reason"], "It is wrong.");
    assert_eq!(status(Method::POST, "/1.0.0/release").await, (403, "not-yours".to_owned()));
}

#[tokio::test]
async fn only_the_scope_admin_moves_aliases_and_lifts_quarantines() {
    let server = Server::start().await;
    server.rule("1.0.0", json!({})).await;
    let key = server.key_with(&[Scope::Read, Scope::Submit]).await;
    for path in ["/aliases/stable/promote", "/aliases/stable/rollback", "/1.0.0/quarantine", "/1.0.0/release"] {
        let body = Body::from(r#"{"version": "1.0.0", "reason": "x"}"#);
        let request = request(Method::POST, &format!("{RULE}{path}"), &key, Some("application/json"), body);
        assert_eq!(server.send(request).await.code(), "missing-scope", "{path}");
    }
}

#[tokio::test]
async fn two_versions_are_compared_by_version_or_alias() {
    let server = Server::start().await;
    server.rule("1.0.0", json!({ "k": { "type": "integer", "default": 3 } })).await;
    server.rule("2.0.0", json!({})).await;
    server.post(&format!("{RULE}/aliases/stable/promote"), &json!({ "version": "1.0.0" })).await;
    let found = server.get(&format!("{RULE}/diff?from=stable&to=2.0.0")).await;
    assert_eq!(found.status, StatusCode::OK, "{}", found.body);
    assert_eq!((&found.body["from"], &found.body["is_breaking"]), (&json!("1.0.0"), &json!(true)));
    assert_eq!(found.body["summary"], json!(["parameter `k` removed"]));
    let same = server.get(&format!("{RULE}/diff?from=1.0.0&to=1.0.0")).await;
    assert_eq!((&same.body["is_identical"], &same.body["summary"]), (&json!(true), &json!([])));
}
