//! Health really asks: what is broken is named, what is fine is not.

use super::*;

#[tokio::test]
async fn a_ready_server_lists_every_dependency_when_asked() {
    let server = Server::start().await;
    let answer = server.get("/readyz?verbose").await;
    assert_eq!(answer.status, StatusCode::OK);
    let checks = answer.body["checks"].as_array().unwrap();
    let names: Vec<&str> = checks.iter().map(|check| check["name"].as_str().unwrap()).collect();
    assert_eq!(names, ["database", "artifacts", "plugins"]);
    assert!(checks.iter().all(|check| check["is_ok"] == true));
    assert!(server.get("/health").await.body.get("checks").is_none());
}

#[tokio::test]
async fn a_database_that_is_gone_makes_the_service_unready_but_leaves_it_alive() {
    let server = Server::start().await;
    server.state.db().close().await;
    let answer = server.get("/readyz").await;
    assert_eq!((answer.status, answer.code()), (StatusCode::SERVICE_UNAVAILABLE, "not-ready"));
    let detail = answer.body["detail"].as_str().unwrap();
    assert!(detail.contains("database") && !detail.contains("artifacts"), "{detail}");
    assert_eq!(server.get("/livez").await.status, StatusCode::OK);
}

#[tokio::test]
async fn a_draining_server_is_not_ready_and_still_answers() {
    let server = Server::start().await;
    server.state.begin_draining();
    assert_eq!(server.get("/readyz").await.code(), "not-ready");
    assert_eq!(server.get("/v1/me").await.status, StatusCode::OK);
}
