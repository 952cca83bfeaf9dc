//! What the rest of the service relies on: a key opens exactly its team, for as long as it is valid.

use super::*;
use crate::db::{Db, DbConfig};

async fn open_temporary() -> (tempfile::TempDir, Db) {
    let directory = tempfile::tempdir().unwrap();
    let db = Db::open(&DbConfig::in_directory(directory.path())).await.unwrap();
    (directory, db)
}

fn new_key(valid_s: Option<u64>) -> NewKey {
    NewKey { name: "test".to_owned(), scopes: vec![Scope::Read], valid_s }
}

fn refusal<T: std::fmt::Debug>(outcome: Result<T, AuthError>) -> Refusal {
    match outcome.unwrap_err() {
        AuthError::Refused(reason) => reason,
        other => panic!("{other}"),
    }
}

#[tokio::test]
async fn a_key_opens_its_team_with_its_scopes_and_nothing_else() {
    let (_directory, db) = open_temporary().await;
    let team = create_team(&db, "Pit Wall").await.unwrap();
    let created = create_key(&db, &team, &new_key(None)).await.unwrap();
    let principal = authenticate(&db, created.secret.expose()).await.unwrap();
    assert_eq!(principal, Principal { team: team.id.clone(), key: created.id, scopes: vec![Scope::Read] });
    assert!(!principal.may(Scope::Submit));
    assert_eq!(team_name(&db, &team.id).await.unwrap(), "Pit Wall");
}

#[tokio::test]
async fn the_database_never_holds_the_key_itself() {
    let (_directory, db) = open_temporary().await;
    let team = create_team(&db, "a").await.unwrap();
    let created = create_key(&db, &team, &new_key(None)).await.unwrap();
    let row: (String, String, String) =
        sqlx::query_as("SELECT hash, hint, name FROM api_keys").fetch_one(db.read()).await.unwrap();
    let text = format!("{row:?}");
    assert!(!text.contains(&created.secret.expose()[8..]), "{text}");
}

#[tokio::test]
async fn unknown_expired_revoked_and_mistyped_keys_are_told_apart() {
    let (_directory, db) = open_temporary().await;
    let team = create_team(&db, "a").await.unwrap();
    let expired = create_key(&db, &team, &new_key(Some(0))).await.unwrap();
    let revoked = create_key(&db, &team, &new_key(Some(3600))).await.unwrap();
    revoke_key(&db, &revoked.id).await.unwrap();
    assert_eq!(refusal(authenticate(&db, expired.secret.expose()).await), Refusal::Expired);
    assert_eq!(refusal(authenticate(&db, revoked.secret.expose()).await), Refusal::Revoked);
    assert_eq!(refusal(authenticate(&db, ApiKey::random().unwrap().expose()).await), Refusal::Unknown);
    assert_eq!(refusal(authenticate(&db, "pdk_short").await), Refusal::Malformed);
}

#[tokio::test]
async fn the_last_use_is_noted_once_and_not_at_every_request() {
    let (_directory, db) = open_temporary().await;
    let team = create_team(&db, "a").await.unwrap();
    let created = create_key(&db, &team, &new_key(None)).await.unwrap();
    let mut seen = Vec::new();
    for _ in 0..2 {
        authenticate(&db, created.secret.expose()).await.unwrap();
        let last: Option<i64> =
            sqlx::query_scalar("SELECT last_used_us FROM api_keys").fetch_one(db.read()).await.unwrap();
        seen.push(last);
    }
    assert!(seen[0].is_some());
    assert_eq!(seen[0], seen[1]);
}

#[tokio::test]
async fn a_name_that_is_taken_empty_or_too_long_makes_no_team() {
    let (_directory, db) = open_temporary().await;
    create_team(&db, "taken").await.unwrap();
    for name in ["taken", " taken ", "", "   ", "a\nb", &"x".repeat(81)] {
        assert!(matches!(create_team(&db, name).await, Err(AuthError::InvalidName(_))), "{name:?}");
    }
    assert_eq!(find_or_create_team(&db, "taken").await.unwrap(), find_team(&db, "taken").await.unwrap().unwrap());
    let teams: i64 = sqlx::query_scalar("SELECT COUNT(*) FROM teams").fetch_one(db.read()).await.unwrap();
    assert_eq!(teams, 1);
}

#[tokio::test]
async fn a_weight_is_set_within_its_range_and_on_known_teams_only() {
    let (_directory, db) = open_temporary().await;
    let team = create_team(&db, "Pit Wall").await.unwrap();
    for weight in [1, WEIGHT_MAX] {
        set_weight(&db, " Pit Wall ", weight).await.unwrap();
        let stored: i64 = sqlx::query_scalar("SELECT weight FROM teams WHERE id = $1")
            .bind(team.id.as_str())
            .fetch_one(db.read())
            .await
            .unwrap();
        assert_eq!(stored, i64::from(weight));
    }
    for weight in [0, WEIGHT_MAX + 1] {
        assert!(matches!(set_weight(&db, "Pit Wall", weight).await, Err(AuthError::InvalidWeight(_))), "{weight}");
    }
    assert!(matches!(set_weight(&db, "Pit Crew", 2).await, Err(AuthError::Unknown(_))));
}

#[tokio::test]
async fn a_teams_limits_are_the_defaults_until_they_are_set_and_again_when_they_are_unset() {
    let (_directory, db) = open_temporary().await;
    create_team(&db, "Pit Wall").await.unwrap();
    let defaults = TeamLimits {
        running_tasks: TeamLimit::Default,
        live_jobs: TeamLimit::Default,
        cpu_s_per_day: TeamLimit::Default,
    };
    assert_eq!(team_limits(&db, "Pit Wall").await.unwrap(), defaults);
    let few = TeamLimits { live_jobs: TeamLimit::Most(1), cpu_s_per_day: TeamLimit::Most(u32::MAX), ..defaults };
    for limits in [few, defaults] {
        set_team_limits(&db, " Pit Wall ", &limits).await.unwrap();
        assert_eq!(team_limits(&db, "Pit Wall").await.unwrap(), limits);
    }
    assert!(matches!(set_team_limits(&db, "Pit Crew", &few).await, Err(AuthError::Unknown(_))));
    assert!(matches!(team_limits(&db, "Pit Crew").await, Err(AuthError::Unknown(_))));
    for (text, limit) in [
        ("default", Some(TeamLimit::Default)),
        ("1", Some(TeamLimit::Most(1))),
        ("0", None),
        ("-1", None),
        ("many", None),
    ] {
        assert_eq!(text.parse().ok(), limit, "{text}");
    }
}

#[tokio::test]
async fn signing_keys_are_listed_newest_first_once_each_and_no_more_than_the_limit() {
    use super::signing::{LISTED_KEYS_MAX, PublicKey, publish, signing_keys};
    let (_directory, db) = open_temporary().await;
    let key = |number: u32| {
        let bytes: Vec<u8> = number.to_le_bytes().repeat(8);
        PublicKey::from_base64(&base64::Engine::encode(&base64::prelude::BASE64_STANDARD, bytes)).unwrap()
    };
    for number in 0..=LISTED_KEYS_MAX {
        publish(&db, &key(number)).await.unwrap();
        publish(&db, &key(number)).await.unwrap();
        let listed = signing_keys(&db).await.unwrap();
        assert_eq!(listed.len() as u32, (number + 1).min(LISTED_KEYS_MAX));
        assert!(listed.contains(&key(number)));
    }
    assert!(!signing_keys(&db).await.unwrap().contains(&key(0)));
}
