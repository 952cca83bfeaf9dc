//! Opening a data directory: lock, connect, bring the schema up to date.

use std::{fs::DirBuilder, os::unix::fs::DirBuilderExt as _, time::Duration};

use sqlx::{
    SqlitePool,
    migrate::MigrateError,
    sqlite::{SqliteConnectOptions, SqliteJournalMode, SqlitePoolOptions, SqliteSynchronous},
};

use super::{Db, DbConfig, DbError, lock::DirectoryLock, migrations::MIGRATOR};

impl Db {
    /// Opens the data directory as its only server, makes what is missing, and brings the schema up to date.
    ///
    /// # Errors
    /// [`DbError::InUse`] beside another server, [`DbError::SchemaNewer`] on data of a newer paddock, [`DbError::Migration`],
    /// [`DbError::Io`] or [`DbError::Query`] where the directory cannot be used. Nothing has been changed then.
    pub async fn open(config: &DbConfig) -> Result<Self, DbError> {
        make_data_dir(config)?;
        let lock = DirectoryLock::try_take(config)?.ok_or_else(|| DirectoryLock::refused(config))?;
        let writer = connect_writer(config).await?;
        migrate(&writer).await?;
        let readers = connect_readers(config).await?;
        Ok(Self::new(readers, writer, Some(lock)))
    }

    /// Opens the data directory for a short command, beside a server if one runs. Brings the schema up to date only where none runs.
    ///
    /// # Errors
    /// As [`Db::open`], but never [`DbError::InUse`]; [`DbError::SchemaOlder`] beside an older server.
    pub async fn open_beside(config: &DbConfig) -> Result<Self, DbError> {
        make_data_dir(config)?;
        // Held while migrating only: a server that starts in between is refused for that moment, never let in half-way.
        let lock = DirectoryLock::try_take(config)?;
        let writer = connect_writer(config).await?;
        if lock.is_some() {
            migrate(&writer).await?;
        } else {
            check_version(&writer).await?;
        }
        drop(lock);
        let readers = connect_readers(config).await?;
        Ok(Self::new(readers, writer, None))
    }
}

/// A directory that this makes is for its owner only: it holds hashes of keys and the teams' data.
fn make_data_dir(config: &DbConfig) -> Result<(), DbError> {
    let made = DirBuilder::new().recursive(true).mode(0o700).create(&config.data_dir);
    made.map_err(|source| DbError::Io { path: config.data_dir.clone(), source })
}

async fn connect_writer(config: &DbConfig) -> Result<SqlitePool, DbError> {
    let options = connection_options(config)
        .create_if_missing(true)
        .journal_mode(SqliteJournalMode::Wal)
        // FULL syncs the log at every commit. NORMAL would be several times faster and never corrupt anything, but a power cut
        // could take back the last commits: jobs whose submission was already acknowledged.
        .synchronous(SqliteSynchronous::Full)
        // A burst of writes leaves a long log; give its space back at the next checkpoint.
        .pragma("journal_size_limit", "67108864");
    Ok(pool_options(config, 1).connect_with(options).await?)
}

async fn connect_readers(config: &DbConfig) -> Result<SqlitePool, DbError> {
    let options = connection_options(config).read_only(true);
    Ok(pool_options(config, config.read_connections.max(1)).connect_with(options).await?)
}

fn connection_options(config: &DbConfig) -> SqliteConnectOptions {
    SqliteConnectOptions::new()
        .filename(config.database_file())
        .foreign_keys(true)
        .busy_timeout(Duration::from_millis(config.wait_ms_max))
}

fn pool_options(config: &DbConfig, connections: u32) -> SqlitePoolOptions {
    SqlitePoolOptions::new()
        .max_connections(connections)
        .acquire_timeout(Duration::from_millis(config.wait_ms_max))
        // The file is local: a connection does not go stale, and reopening one costs its page cache.
        .test_before_acquire(false)
        .idle_timeout(None)
        .max_lifetime(None)
}

async fn migrate(writer: &SqlitePool) -> Result<(), DbError> {
    let found = schema_version(writer).await?;
    refuse_newer(found)?;
    match MIGRATOR.run(writer).await {
        Ok(()) => Ok(()),
        // An unknown version below our newest: a development branch's schema. It is not ours either.
        Err(MigrateError::VersionMissing(found)) => Err(DbError::SchemaNewer { found, known: known_version() }),
        Err(error) => Err(DbError::Migration(error)),
    }
}

async fn check_version(writer: &SqlitePool) -> Result<(), DbError> {
    let found = schema_version(writer).await?;
    refuse_newer(found)?;
    let known = known_version();
    if found < known { Err(DbError::SchemaOlder { found, known }) } else { Ok(()) }
}

fn refuse_newer(found: i64) -> Result<(), DbError> {
    let known = known_version();
    if found > known { Err(DbError::SchemaNewer { found, known }) } else { Ok(()) }
}

fn known_version() -> i64 {
    MIGRATOR.iter().map(|migration| migration.version).max().unwrap_or(0)
}

const TABLE_EXISTS: &str = "SELECT COUNT(*) FROM sqlite_master WHERE type = 'table' AND name = '_sqlx_migrations'";
const NEWEST_MIGRATION: &str = "SELECT COALESCE(MAX(version), 0) FROM _sqlx_migrations";

/// The newest version that was applied, 0 for an empty database.
async fn schema_version(writer: &SqlitePool) -> Result<i64, DbError> {
    let tables: i64 = sqlx::query_scalar(TABLE_EXISTS).fetch_one(writer).await?;
    if tables == 0 {
        return Ok(0);
    }
    Ok(sqlx::query_scalar(NEWEST_MIGRATION).fetch_one(writer).await?)
}
