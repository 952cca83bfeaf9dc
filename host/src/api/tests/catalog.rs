//! Races, slates, models and plugins over HTTP: stored once, listed in pages, seen by their team only.

use bytes::Bytes;

use super::*;
use crate::{
    catalog::{self, NewModel, NewPlugin, UploadState},
    domain::{
        ids::{JobId, ModelId},
        plugin::{PluginDescription, World},
    },
};

/// Two races that were run, of three drivers.
pub fn results() -> String {
    let mut text =
        "season,race_no,track,track_type,race_laps,driver,team,make,start,finish,laps_completed,laps_led,retired\n"
            .to_owned();
    for race in 1..=2 {
        text += &format!("2030,{race},Hill,short,100,Ada Lane,Red,Volt,1,1,100,60,0\n");
        text += &format!("2030,{race},Hill,short,100,Bo Quill,Red,Volt,2,2,100,40,0\n");
        text += &format!("2030,{race},Hill,short,100,Cy Marsh Jr.,Blue,Amp,3,3,97,0,1\n");
    }
    text
}

const SLATE: &str = "driver,salary,start\nAda Lane,9000,2\ncy marsh jr,7000,1\nDee Frost,5000,3\n";
const SLATES: &str = "/v1/slates?name=Sunday&contest=draftkings-nascar-classic-2021&race=";
const TO_COME: &str = "2030-03&track=Dale&track_type=road&race_laps=90";

impl Server {
    pub async fn import(&self, path: &str, text: &str) -> Answer {
        let body = Body::from(text.to_owned());
        self.send(request(Method::POST, path, &self.ours.key, Some("text/csv"), body)).await
    }

    pub async fn imported_race(&self) -> String {
        assert_eq!(self.import("/v1/races", &results()).await.status, StatusCode::OK);
        self.get("/v1/races").await.body["items"][0]["id"].as_str().unwrap().to_owned()
    }

    pub async fn imported_slate(&self) -> Answer {
        self.imported_race().await;
        let answer = self.import(&format!("{SLATES}{TO_COME}"), SLATE).await;
        assert_eq!(answer.status, StatusCode::CREATED, "{}", answer.body);
        answer
    }

    pub async fn stored_model(&self, team: &TeamId) -> ModelId {
        let hash = self.state.artifacts().put(Bytes::from_static(b"draws")).await.unwrap();
        let fit = json!({
            "plugin": "c@0.1.0", "races": 2, "chains": 1, "draws": 4, "divergences": 0, "gradients": 9, "max_rhat": 1.0,
            "min_ess_bulk": 4.0, "min_ess_tail": 4.0, "warnings": [], "parameters": []
        });
        let model = NewModel {
            id: ModelId::random(),
            team: team.clone(),
            job: JobId::random(),
            calibrator: "c@0.1.0".to_owned(),
            calibrator_hash: "0".repeat(64),
            layout: "l/1".to_owned(),
            draws: 4,
            artifact: hash.as_str().to_owned(),
            races: 2,
            first_race: "2030-01".to_owned(),
            last_race: "2030-02".to_owned(),
            fit,
        };
        catalog::insert_model(self.state.db(), &model).await.unwrap();
        model.id
    }

    pub async fn stored_plugin(&self, team: Option<&TeamId>, name: &str) {
        let hash = self.state.artifacts().put(Bytes::from(name.to_owned())).await.unwrap();
        let description = PluginDescription {
            world: World::Constraint,
            name: name.to_owned(),
            version: "1.0.0".to_owned(),
            summary: "Vetoes nothing.".to_owned(),
            params_schema: json!({ "type": "object" }),
            veto_reasons: Vec::new(),
            posterior_layout: None,
            judges_scenarios: true,
            judges_lineups: false,
        };
        let new = NewPlugin {
            team: team.cloned(),
            uploaded_by: None,
            state: UploadState::Active,
            hash: hash.as_str().to_owned(),
            size_bytes: 4,
            description,
        };
        catalog::insert_plugin(self.state.db(), &new).await.unwrap();
    }
}

#[tokio::test]
async fn importing_the_same_races_twice_changes_nothing() {
    let server = Server::start().await;
    let first = server.import("/v1/races", &results()).await;
    assert_eq!(first.status, StatusCode::OK, "{}", first.body);
    assert_eq!(first.body["inserted"], 2);
    assert_eq!(first.body["races"], json!(["2030-01", "2030-02"]));
    let again = server.import("/v1/races", &results()).await;
    assert_eq!((&again.body["inserted"], &again.body["unchanged"]), (&json!(0), &json!(2)));
    let corrected = server.import("/v1/races", &results().replacen("97,0,1", "98,0,1", 1)).await;
    assert_eq!((&corrected.body["replaced"], &corrected.body["unchanged"]), (&json!(1), &json!(1)));
}

#[tokio::test]
async fn columns_of_another_name_are_found_by_the_map() {
    let server = Server::start().await;
    let renamed = results().replacen("finish", "Fin Rank", 1);
    let path = "/v1/races?columns=%7B%22finish%22%3A%22Fin%20Rank%22%7D";
    let answer = server.import(path, &renamed).await;
    assert_eq!((answer.status, &answer.body["inserted"]), (StatusCode::OK, &json!(2)), "{}", answer.body);
    assert!(server.get("/v1/races").await.body["items"][0]["has_results"].as_bool().unwrap());
}

#[tokio::test]
async fn pages_of_races_lead_from_the_latest_to_the_first() {
    let server = Server::start().await;
    server.imported_race().await;
    let first = server.get("/v1/races?limit=1").await;
    assert_eq!(first.body["items"][0]["key"], "2030-02");
    let link = first.headers[header::LINK].to_str().unwrap().split(['<', '>']).nth(1).unwrap().to_owned();
    let second = server.get(&link).await;
    assert_eq!(second.body["items"][0]["key"], "2030-01");
    assert!(!second.headers.contains_key(header::LINK));
    let race = server.get(&format!("/v1/races/{}", second.body["items"][0]["id"].as_str().unwrap())).await;
    assert_eq!(race.body["entries"][2]["driver"], "Cy Marsh Jr.");
    assert_eq!(race.body["entries"][2]["result"]["retired"], true);
}

#[tokio::test]
async fn a_slate_of_a_race_to_come_brings_the_race_and_says_how_names_were_matched() {
    let server = Server::start().await;
    let answer = server.imported_slate().await;
    assert_eq!(
        answer.headers[header::LOCATION],
        format!("/v1/slates/{}", answer.body["slate"]["id"].as_str().unwrap())
    );
    let names = &answer.body["names"];
    assert_eq!((&names["exact"], &names["by_normal_form"], &names["new_drivers"]), (&json!(1), &json!(1), &json!(1)));
    assert_eq!(names["differing"][0]["name"], "cy marsh jr");
    assert_eq!(names["differing"][0]["matched"], "Cy Marsh Jr.");
    let race = server.get(&format!("/v1/races/{}", answer.body["slate"]["race"].as_str().unwrap())).await;
    let team_of = |index: usize| race.body["entries"][index]["team"].as_str().unwrap();
    assert_eq!((team_of(0), team_of(1), team_of(2)), ("Blue", "Red", ""));
    assert_eq!(server.get("/v1/slates").await.body["items"][0]["name"], "Sunday");
}

#[tokio::test]
async fn a_race_that_was_run_cannot_be_described_as_one_to_come() {
    let server = Server::start().await;
    server.imported_race().await;
    let path = format!("{SLATES}2030-01&track=Dale&track_type=road&race_laps=90");
    let answer = server.import(&path, SLATE).await;
    assert_eq!((answer.status, answer.code()), (StatusCode::CONFLICT, "conflict"));
    for (missing, field) in
        [("&track=Dale", "track"), ("&track_type=road", "track_type"), ("&race_laps=90", "race_laps")]
    {
        let answer = server.import(&format!("{SLATES}{}", TO_COME.replace(missing, "")), SLATE).await;
        assert_eq!((answer.code(), &answer.body["field"]), ("invalid-input", &json!(field)));
    }
    let too_long = server.import(&format!("{SLATES}{}", TO_COME.replace("=90", "=2001")), SLATE).await;
    assert_eq!(too_long.body["limit"], "1..=2000 laps");
}

#[tokio::test]
async fn a_slate_sent_twice_with_a_key_is_one_slate() {
    let server = Server::start().await;
    server.imported_race().await;
    let send = async || {
        let path = format!("{SLATES}{TO_COME}");
        let mut request = request(Method::POST, &path, &server.ours.key, Some("text/csv"), Body::from(SLATE));
        request.headers_mut().insert("idempotency-key", "sunday".parse().unwrap());
        server.send(request).await
    };
    let (first, second) = (send().await, send().await);
    assert_eq!(first.status, StatusCode::CREATED, "{}", first.body);
    assert_eq!(first.body, second.body);
    assert_eq!(second.headers["idempotency-replayed"], "true");
    assert_eq!(server.get("/v1/slates").await.body["items"].as_array().unwrap().len(), 1);
}

#[tokio::test]
async fn what_belongs_to_another_team_is_403_and_what_does_not_exist_404() {
    let server = Server::start().await;
    let race = server.imported_race().await;
    let slate = server.imported_slate().await.body["slate"]["id"].as_str().unwrap().to_owned();
    let model = server.stored_model(&server.ours.team.id).await.to_string();
    let (race, slate) = (format!("/v1/races/{race}"), format!("/v1/slates/{slate}"));
    let (model, draws) = (format!("/v1/models/{model}"), format!("/v1/models/{model}/draws"));
    for path in [&race, &slate, &model, &draws] {
        assert_eq!(server.get(path).await.status, StatusCode::OK, "{path}");
        let foreign = server.send(request(Method::GET, path, &server.theirs.key, None, Body::empty())).await;
        assert_eq!((foreign.status, foreign.code()), (StatusCode::FORBIDDEN, "not-yours"), "{path}");
        let digit = path.find('_').unwrap() + 1;
        let unknown = format!("{}{}{}", &path[..digit], "0".repeat(32), &path[digit + 32..]);
        let answer = server.get(&unknown).await;
        assert_eq!((answer.status, answer.code()), (StatusCode::NOT_FOUND, "not-found"), "{unknown}");
    }
    for list in ["/v1/races", "/v1/slates", "/v1/models"] {
        let foreign = server.send(request(Method::GET, list, &server.theirs.key, None, Body::empty())).await;
        assert_eq!(foreign.body["items"], json!([]), "{list}");
    }
}

#[tokio::test]
async fn the_draws_of_a_model_are_its_artifact() {
    let server = Server::start().await;
    let model = server.stored_model(&server.ours.team.id).await;
    let path = format!("/v1/models/{model}/draws");
    let response = server
        .router
        .clone()
        .oneshot(request(Method::GET, &path, &server.ours.key, None, Body::empty()))
        .await
        .unwrap();
    assert_eq!(response.headers()[header::CONTENT_TYPE], "application/vnd.apache.arrow.file");
    assert_eq!(axum::body::to_bytes(response.into_body(), 64).await.unwrap(), "draws");
}

#[tokio::test]
async fn a_team_sees_and_disables_its_own_plugins_and_only_sees_the_shared_ones() {
    let server = Server::start().await;
    server.stored_plugin(None, "shared").await;
    server.stored_plugin(Some(&server.ours.team.id), "own").await;
    server.stored_plugin(Some(&server.theirs.team.id), "foreign").await;
    let names: Vec<String> = server.get("/v1/plugins").await.body["items"]
        .as_array()
        .unwrap()
        .iter()
        .map(|plugin| plugin["name"].as_str().unwrap().to_owned())
        .collect();
    assert_eq!(names.len(), 2, "{names:?}");
    assert_eq!(server.get("/v1/plugins/foreign/1.0.0").await.status, StatusCode::NOT_FOUND);
    assert_eq!(server.get("/v1/plugins/shared/1.0.0").await.body["is_shared"], true);
    let disable = async |name: &str| {
        let path = format!("/v1/plugins/{name}/1.0.0/disable");
        server.send(request(Method::POST, &path, &server.ours.key, None, Body::empty())).await
    };
    for _ in 0..2 {
        let answer = disable("own").await;
        assert_eq!((answer.status, &answer.body["is_disabled"]), (StatusCode::OK, &json!(true)));
    }
    assert_eq!(disable("shared").await.code(), "not-yours");
    assert_eq!(disable("foreign").await.code(), "not-found");
}

#[tokio::test]
async fn contests_are_the_same_for_every_team() {
    let server = Server::start().await;
    let listed = server.get("/v1/contests").await;
    assert!(listed.body["items"].as_array().unwrap().len() >= 3);
    let contest = server.get("/v1/contests/draftkings-nascar-classic-2021").await;
    assert_eq!((&contest.body["roster_size"], &contest.body["salary_cap_usd"]), (&json!(6), &json!(50_000)));
    assert_eq!(server.get("/v1/contests/poker").await.code(), "not-found");
}
