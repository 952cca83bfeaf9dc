//! The description is true: every operation is called once, and its answer is held against the schema that describes it.

use std::collections::BTreeSet;

use super::{catalog::results, *};

/// The schema of the JSON body that `operation` describes for `status`, with everything that it refers to.
fn schema_of(document: &Value, template: &str, method: &str, status: StatusCode) -> Value {
    let status = status.as_str();
    let content = &document["paths"][template][method]["responses"][status]["content"]["application/json"];
    assert!(content.is_object(), "{method} {template}: {status} is not described");
    let mut schema = content["schema"].clone();
    schema["components"] = document["components"].clone();
    schema
}

/// Fields of `value` that no schema names.
fn undescribed(document: &Value, schema: &Value, value: &Value, place: &str, found: &mut Vec<String>) {
    match value {
        Value::Object(fields) => {
            let mut known = Vec::new();
            properties(document, schema, &mut known);
            // An object without properties is described as any object.
            for (name, field) in fields.iter().filter(|_| !known.is_empty()) {
                match known.iter().find(|(known, _)| known == name) {
                    Some((_, schema)) => undescribed(document, schema, field, &format!("{place}/{name}"), found),
                    None => found.push(format!("{place}/{name}")),
                }
            }
        }
        Value::Array(items) => {
            let items_schema = resolved(document, schema)["items"].clone();
            for (index, item) in items.iter().enumerate() {
                undescribed(document, &items_schema, item, &format!("{place}/{index}"), found);
            }
        }
        _ => {}
    }
}

/// The properties that a schema, and everything it is made of, names.
fn properties(document: &Value, schema: &Value, known: &mut Vec<(String, Value)>) {
    let schema = resolved(document, schema);
    for (name, property) in schema["properties"].as_object().into_iter().flatten() {
        known.push((name.clone(), property.clone()));
    }
    for part in ["allOf", "oneOf", "anyOf"].iter().filter_map(|list| schema[*list].as_array()).flatten() {
        properties(document, part, known);
    }
}

fn resolved<'a>(document: &'a Value, schema: &'a Value) -> &'a Value {
    match schema["$ref"].as_str() {
        Some(reference) => document.pointer(reference.trim_start_matches('#')).unwrap(),
        None => schema,
    }
}

/// Calls operations and holds their answers against the description.
struct Described<'a> {
    server: &'a Server,
    document: Value,
    seen: BTreeSet<String>,
}

impl Described<'_> {
    async fn call(&mut self, method: &str, template: &str, path: &str, media_type: Option<&str>, body: &str) -> Answer {
        let verb = method.to_uppercase().parse().unwrap();
        let body = Body::from(body.to_owned());
        let answer = self.server.send(request(verb, path, &self.server.ours.key, media_type, body)).await;
        assert!(answer.status.is_success(), "{method} {path}: {}", answer.body);
        let schema = schema_of(&self.document, template, method, answer.status);
        let validator = jsonschema::validator_for(&schema).unwrap();
        let errors: Vec<String> =
            validator.iter_errors(&answer.body).map(|error| format!("{}: {error}", error.instance_path())).collect();
        assert!(errors.is_empty(), "{method} {path}: {errors:?}");
        let mut extra = Vec::new();
        undescribed(&self.document, &schema, &answer.body, "", &mut extra);
        assert!(extra.is_empty(), "{method} {path} answers with more than it describes: {extra:?}");
        self.seen.insert(format!("{method} {template}"));
        answer
    }

    async fn get(&mut self, template: &str, path: &str) -> Answer {
        self.call("get", template, path, None, "").await
    }
}

async fn call_schedules(described: &mut Described<'_>) {
    let json = Some("application/json");
    let weekly = r#"{"name": "weekly", "cron": "0 3 * * MON", "job": {"kind": "calibrate", "seed": 9}}"#;
    let schedule = described.call("post", "/v1/schedules", "/v1/schedules", json, weekly).await;
    let schedule = format!("/v1/schedules/{}", schedule.body["id"].as_str().unwrap());
    described.call("post", "/v1/schedules/{id}/run", &format!("{schedule}/run"), None, "").await;
    described.get("/v1/schedules/{id}", &schedule).await;
    described.call("patch", "/v1/schedules/{id}", &schedule, json, r#"{"enabled": false}"#).await;
}

#[tokio::test]
async fn every_answer_has_the_shape_that_the_description_gives_it() {
    let server = Server::start().await;
    server.stored_plugin(Some(&server.ours.team.id), "own").await;
    let model = server.stored_model(&server.ours.team.id).await;
    let document = server.get("/openapi.json").await.body;
    let mut described = Described { server: &server, document, seen: BTreeSet::new() };
    for path in ["/livez", "/readyz", "/health", "/v1/me", "/v1/quota", "/v1/contests"] {
        described.get(path, path).await;
    }
    described.get("/v1/contests/{key}", "/v1/contests/fanduel-nascar-2016").await;
    described.call("post", "/v1/races", "/v1/races", Some("text/csv"), &results()).await;
    let slates = "/v1/slates?name=Sunday&contest=fanduel-nascar-2016&race=2030-01";
    let slate =
        described.call("post", "/v1/slates", slates, Some("text/csv"), "driver,salary\nada lane,1\nBo Quill,2\n").await;
    let slate = &slate.body["slate"];
    described.get("/v1/slates/{id}", &format!("/v1/slates/{}", slate["id"].as_str().unwrap())).await;
    described.get("/v1/races/{id}", &format!("/v1/races/{}", slate["race"].as_str().unwrap())).await;
    described.get("/v1/models/{id}", &format!("/v1/models/{model}")).await;
    described.get("/v1/plugins/{name}/{version}", "/v1/plugins/own/1.0.0").await;
    call_registry(&mut described).await;
    let spec = r#"{"kind": "calibrate"}"#;
    described.call("post", "/v1/jobs/preview", "/v1/jobs/preview", Some("application/json"), spec).await;
    let job = described.call("post", "/v1/jobs", "/v1/jobs", Some("application/json"), spec).await;
    let job = format!("/v1/jobs/{}", job.body["id"].as_str().unwrap());
    described.get("/v1/jobs/{id}", &job).await;
    described.get("/v1/jobs/{id}/events", &format!("{job}/events")).await;
    described.get("/v1/jobs/{id}/attempts", &format!("{job}/attempts")).await;
    let changes = r#"{"tags": ["sunday"]}"#;
    described.call("patch", "/v1/jobs/{id}", &job, Some("application/json"), changes).await;
    described.call("post", "/v1/jobs/{id}/cancel", &format!("{job}/cancel"), None, "").await;
    let id = job.trim_start_matches("/v1/jobs/");
    described.get("/v1/jobs/{id}/compare/{other}", &format!("{job}/compare/{id}")).await;
    described.call("post", "/v1/jobs/{id}/rerun", &format!("{job}/rerun"), None, "").await;
    described.get("/v1/signing-keys", "/v1/signing-keys").await;
    call_webhooks(&mut described).await;
    call_schedules(&mut described).await;
    let lists = ["/v1/races", "/v1/slates", "/v1/models", "/v1/plugins", "/v1/jobs", "/v1/webhooks", "/v1/schedules"];
    for path in lists {
        let listed = described.get(path, path).await;
        assert!(!listed.body["items"].as_array().unwrap().is_empty(), "{path} has nothing to look at");
    }
    described.call("post", "/v1/admin/drain", "/v1/admin/drain", None, "").await;
    // Held against their schemas where they can be had: an upload needs the compiler, a result needs workers, draws and streams are
    // no JSON, and what is removed has no body.
    let elsewhere = [
        "delete /v1/webhooks/{id}",
        "post /v1/plugins",
        "get /v1/plugins/{name}/{version}/report",
        "post /v1/plugins/{name}/aliases/{alias}/rollback",
        "delete /v1/plugins/{name}/aliases/{alias}",
        "get /v1/jobs/{id}/result",
        "get /v1/jobs/{id}/lineups",
        "get /v1/jobs/{id}/record",
        "post /v1/jobs/{id}/replay",
        "get /v1/jobs/{id}/events/stream",
        "get /v1/models/{id}/draws",
        "delete /v1/schedules/{id}",
        "delete /v1/jobs/{id}",
    ];
    let all = described.document["paths"].as_object().unwrap().iter();
    let all =
        all.flat_map(|(path, item)| item.as_object().unwrap().keys().map(move |method| format!("{method} {path}")));
    let unseen: Vec<String> = all.filter(|operation| !described.seen.contains(operation)).collect();
    let unseen: Vec<&String> = unseen.iter().filter(|operation| !elsewhere.contains(&operation.as_str())).collect();
    assert!(unseen.is_empty(), "nobody has called {unseen:?}");
}

async fn call_registry(described: &mut Described<'_>) {
    let json = Some("application/json");
    let (own, version) = ("/v1/plugins/own", "/v1/plugins/{name}/{version}");
    let alias = "/v1/plugins/{name}/aliases/{alias}";
    let stable = format!("{own}/aliases/stable");
    let promoted = r#"{"version": "1.0.0"}"#;
    described.call("post", &format!("{alias}/promote"), &format!("{stable}/promote"), json, promoted).await;
    described.call("patch", alias, &stable, json, r#"{"falls_back": true}"#).await;
    described.get("/v1/plugins/{name}/aliases", &format!("{own}/aliases")).await;
    described.get(alias, &stable).await;
    described.get("/v1/plugins/{name}/diff", &format!("{own}/diff?from=1.0.0&to=stable")).await;
    described.get(&format!("{version}/shadows"), &format!("{own}/1.0.0/shadows")).await;
    described.get(&format!("{version}/shadows/summary"), &format!("{own}/1.0.0/shadows/summary")).await;
    described.get(&format!("{version}/costs"), &format!("{own}/1.0.0/costs")).await;
    described.get("/v1/plugins/{name}/sharing", &format!("{own}/sharing")).await;
    let shared = r#"{"visibility": "teams", "teams": ["theirs"]}"#;
    described.call("put", "/v1/plugins/{name}/sharing", &format!("{own}/sharing"), json, shared).await;
    let actions = [
        ("deprecate", json, r#"{"message": "Use another."}"#),
        ("quarantine", json, r#"{"reason": "It is wrong."}"#),
        ("release", None, ""),
        ("disable", None, ""),
    ];
    for (action, media_type, body) in actions {
        let path = format!("{own}/1.0.0/{action}");
        described.call("post", &format!("{version}/{action}"), &path, media_type, body).await;
    }
}

async fn call_webhooks(described: &mut Described<'_>) {
    let json = Some("application/json");
    let new = r#"{"url": "https://hooks.example.com/", "events": ["job.queued", "webhook.ping"]}"#;
    let made = described.call("post", "/v1/webhooks", "/v1/webhooks", json, new).await;
    let webhook = format!("/v1/webhooks/{}", made.body["id"].as_str().unwrap());
    described.get("/v1/webhooks/{id}", &webhook).await;
    described.call("patch", "/v1/webhooks/{id}", &webhook, json, r#"{"name": "race day"}"#).await;
    for action in ["rotate", "enable"] {
        let template = format!("/v1/webhooks/{{id}}/{action}");
        described.call("post", &template, &format!("{webhook}/{action}"), None, "").await;
    }
    let ping = described.call("post", "/v1/webhooks/{id}/test", &format!("{webhook}/test"), None, "").await;
    described.get("/v1/webhooks/{id}/deliveries", &format!("{webhook}/deliveries")).await;
    let redeliver = format!("{webhook}/deliveries/{}/redeliver", ping.body["id"].as_str().unwrap());
    described.call("post", "/v1/webhooks/{id}/deliveries/{delivery}/redeliver", &redeliver, None, "").await;
}
