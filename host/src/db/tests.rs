//! What the rooms above rely on: one server per directory, a schema that is never misread, artifacts that are what they say.

use bytes::Bytes;

use super::{Db, DbConfig, DbError, Hint, artifacts::ArtifactStore};

async fn open_temporary() -> (tempfile::TempDir, DbConfig, Db) {
    let directory = tempfile::tempdir().unwrap();
    let config = DbConfig::in_directory(directory.path());
    let db = Db::open(&config).await.unwrap();
    (directory, config, db)
}

async fn add_team(db: &Db, id: &str) {
    let mut tx = db.write().await.unwrap();
    sqlx::query("INSERT INTO teams (id, name, created_us) VALUES ($1, $1, 0)")
        .bind(id)
        .execute(&mut *tx)
        .await
        .unwrap();
    tx.hint(Hint::TaskReady);
    tx.commit().await.unwrap();
}

async fn teams(db: &Db) -> i64 {
    sqlx::query_scalar("SELECT COUNT(*) FROM teams").fetch_one(db.read()).await.unwrap()
}

#[tokio::test]
async fn a_second_server_on_the_same_directory_is_refused_by_name() {
    let (_directory, config, db) = open_temporary().await;
    let refused = Db::open(&config).await.unwrap_err();
    assert!(matches!(&refused, DbError::InUse { holder: Some(pid), .. } if *pid == std::process::id()), "{refused}");
    db.close().await;
    drop(db);
    Db::open(&config).await.unwrap();
}

#[tokio::test]
async fn a_short_command_works_beside_the_server_and_alone() {
    let (_directory, config, db) = open_temporary().await;
    let beside = Db::open_beside(&config).await.unwrap();
    assert!(db.is_exclusive() && !beside.is_exclusive());
    add_team(&beside, "one").await;
    assert_eq!(teams(&db).await, 1);
    drop((db, beside));

    let fresh = tempfile::tempdir().unwrap();
    let alone = Db::open_beside(&DbConfig::in_directory(fresh.path())).await.unwrap();
    add_team(&alone, "one").await;
}

#[tokio::test]
async fn a_schema_newer_than_the_binary_is_refused_and_named() {
    let (_directory, config, db) = open_temporary().await;
    let mut tx = db.write().await.unwrap();
    sqlx::query("UPDATE _sqlx_migrations SET version = 9999 WHERE version = 1").execute(&mut *tx).await.unwrap();
    tx.commit().await.unwrap();
    db.close().await;
    drop(db);
    for refused in [Db::open(&config).await.unwrap_err(), Db::open_beside(&config).await.unwrap_err()] {
        assert!(matches!(refused, DbError::SchemaNewer { found: 9999, .. }), "{refused}");
    }
}

#[tokio::test]
async fn a_transaction_that_is_dropped_leaves_nothing_and_sends_no_hint() {
    let (_directory, _config, db) = open_temporary().await;
    let mut hints = db.hints();
    let mut tx = db.write().await.unwrap();
    sqlx::query("INSERT INTO teams (id, name, created_us) VALUES ('x', 'x', 0)").execute(&mut *tx).await.unwrap();
    tx.hint(Hint::TaskReady);
    drop(tx);
    assert_eq!(teams(&db).await, 0);
    assert!(hints.try_recv().is_err());
    add_team(&db, "one").await;
    assert_eq!(hints.try_recv(), Ok(Hint::TaskReady));
}

#[tokio::test(flavor = "multi_thread")]
async fn many_writers_at_once_all_get_their_turn() {
    let (_directory, _config, db) = open_temporary().await;
    let writers: Vec<_> = (0..50)
        .map(|index| {
            let db = db.clone();
            tokio::spawn(async move { add_team(&db, &format!("team {index}")).await })
        })
        .collect();
    for writer in writers {
        writer.await.unwrap();
    }
    assert_eq!(teams(&db).await, 50);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_writer_that_gives_up_takes_nothing_from_those_who_share_its_commit() {
    let (_directory, _config, db) = open_temporary().await;
    let first = db.write().await.unwrap();
    // They queue up behind the first, and so share a transaction with it.
    let writers: Vec<_> = (0..30)
        .map(|index| {
            let db = db.clone();
            tokio::spawn(async move {
                let mut tx = db.write().await.unwrap();
                let name = format!("team {index}");
                let insert = "INSERT INTO teams (id, name, created_us) VALUES ($1, $1, 0)";
                sqlx::query(insert).bind(&name).execute(&mut *tx).await.unwrap();
                match index % 3 {
                    0 => drop(tx),
                    1 => tx.rollback().await.unwrap(),
                    _ => {
                        tx.commit().await.unwrap();
                        let durable: i64 = sqlx::query_scalar("SELECT COUNT(*) FROM teams WHERE id = $1")
                            .bind(&name)
                            .fetch_one(db.read())
                            .await
                            .unwrap();
                        assert_eq!(durable, 1, "told before it was committed");
                    }
                }
            })
        })
        .collect();
    first.rollback().await.unwrap();
    for writer in writers {
        writer.await.unwrap();
    }
    assert_eq!(teams(&db).await, 10);
}

#[tokio::test]
async fn a_statement_that_fails_takes_back_its_own_transaction_only() {
    let (_directory, _config, db) = open_temporary().await;
    add_team(&db, "one").await;
    let mut tx = db.write().await.unwrap();
    let again =
        sqlx::query("INSERT INTO teams (id, name, created_us) VALUES ('one', 'one', 0)").execute(&mut *tx).await;
    assert!(DbError::from(again.unwrap_err()).is_duplicate());
    drop(tx);
    add_team(&db, "two").await;
    assert_eq!(teams(&db).await, 2);
}

#[tokio::test]
async fn reading_connections_cannot_write() {
    let (_directory, _config, db) = open_temporary().await;
    let refused = sqlx::query("DELETE FROM teams").execute(db.read()).await;
    assert!(refused.unwrap_err().to_string().contains("readonly"));
}

#[tokio::test]
async fn every_commit_is_synced_and_foreign_keys_are_kept() {
    let (_directory, _config, db) = open_temporary().await;
    let mut tx = db.write().await.unwrap();
    let synchronous: i64 = sqlx::query_scalar("PRAGMA synchronous").fetch_one(&mut *tx).await.unwrap();
    let journal: String = sqlx::query_scalar("PRAGMA journal_mode").fetch_one(&mut *tx).await.unwrap();
    assert_eq!((synchronous, journal.as_str()), (2, "wal"));
    let orphan =
        sqlx::query("INSERT INTO events (job_id, team_id, kind, data, created_us) VALUES ('none', '', 'log', '', 0)")
            .execute(&mut *tx)
            .await
            .map_err(DbError::from);
    assert!(orphan.unwrap_err().is_dangling());
}

#[tokio::test]
async fn the_database_clock_agrees_with_the_machine() {
    let (_directory, _config, db) = open_temporary().await;
    let machine = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap().as_micros();
    let difference = i128::from(db.now_us().await.unwrap()) - i128::try_from(machine).unwrap();
    assert!(difference.abs() < 5_000_000, "{difference} us apart");
    db.check().await.unwrap();
}

#[tokio::test]
async fn an_artifact_comes_back_under_the_hash_of_its_bytes() {
    let (_directory, config, db) = open_temporary().await;
    let store = ArtifactStore::open(&config, db.clone()).unwrap();
    let bytes = Bytes::from_static(b"abc");
    let hash = store.put(bytes.clone()).await.unwrap();
    assert_eq!(hash.as_str(), "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad");
    assert_eq!(store.put(bytes.clone()).await.unwrap(), hash);
    assert_eq!(store.get(&hash).await.unwrap(), bytes);
    let rows: Vec<(String, i64)> =
        sqlx::query_as("SELECT hash, size_bytes FROM artifacts").fetch_all(db.read()).await.unwrap();
    assert_eq!(rows, [(hash.to_string(), 3)]);
    store.check().await.unwrap();
}

#[tokio::test]
async fn a_damaged_or_missing_artifact_is_an_error_that_names_it() {
    let (_directory, config, db) = open_temporary().await;
    let store = ArtifactStore::open(&config, db).unwrap();
    let hash = store.put(Bytes::from_static(b"abc")).await.unwrap();
    let digits = hash.as_str();
    let file = config.artifacts_dir().join(&digits[0..2]).join(&digits[2..4]).join(digits);
    std::fs::write(&file, b"abd").unwrap();
    let corrupt = store.get(&hash).await.unwrap_err();
    assert!(matches!(&corrupt, DbError::ArtifactCorrupt { hash: named, .. } if *named == hash), "{corrupt}");
    std::fs::remove_file(&file).unwrap();
    let missing = store.get(&hash).await.unwrap_err();
    assert!(matches!(&missing, DbError::ArtifactMissing(named) if *named == hash), "{missing}");
}

#[tokio::test]
async fn an_artifact_past_the_limit_is_refused_and_one_at_the_limit_is_kept() {
    let (_directory, mut config, db) = open_temporary().await;
    config.artifact_bytes_max = 4;
    let store = ArtifactStore::open(&config, db).unwrap();
    store.put(Bytes::from_static(b"1234")).await.unwrap();
    let refused = store.put(Bytes::from_static(b"12345")).await.unwrap_err();
    assert!(matches!(refused, DbError::ArtifactTooLarge { bytes: 5, limit: 4 }), "{refused}");
}

#[tokio::test]
async fn a_data_directory_that_was_made_here_is_closed_to_others() {
    use std::os::unix::fs::PermissionsExt as _;
    let directory = tempfile::tempdir().unwrap();
    let config = DbConfig::in_directory(directory.path().join("new"));
    Db::open(&config).await.unwrap();
    assert_eq!(std::fs::metadata(&config.data_dir).unwrap().permissions().mode() & 0o777, 0o700);
}
