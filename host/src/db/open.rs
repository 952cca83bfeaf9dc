//! Opening a database: lock its directory or reach its server, bring the schema up to date, make the pools.

use std::{fs::DirBuilder, os::unix::fs::DirBuilderExt as _, str::FromStr as _, time::Duration};

use sqlx::{
    AnyConnection, AnyPool, Connection as _,
    any::{AnyConnectOptions, AnyPoolOptions},
    migrate::MigrateError,
};
use url::Url;

use super::{
    Db, DbConfig, DbError, Dialect,
    lock::DirectoryLock,
    migrations::{NEWEST, migrator},
};

impl Db {
    /// Opens the database to serve from it, makes what is missing, and brings the schema up to date. A data directory with its
    /// own database file has one server; a PostgreSQL database has any number of them.
    ///
    /// # Errors
    /// [`DbError::InUse`] beside another server, [`DbError::Unreachable`] where the database's server does not answer,
    /// [`DbError::SchemaNewer`] on data of a newer paddock, [`DbError::Migration`], [`DbError::Io`] or [`DbError::Query`] where
    /// the directory cannot be used. Nothing has been changed then.
    pub async fn open(config: &DbConfig) -> Result<Self, DbError> {
        make_data_dir(config)?;
        let place = Place::of(config)?;
        let lock = match place.dialect {
            Dialect::Sqlite => Some(DirectoryLock::try_take(config)?.ok_or_else(|| DirectoryLock::refused(config))?),
            Dialect::Postgres => None,
        };
        migrate(&mut place.connect().await?, place.dialect).await?;
        let db = Self::connect(config, &place, lock)?;
        db.connect_all(config).await?;
        Ok(db)
    }

    /// A connection to a file is a thread, which inherits the priority of the one that opens it: opened here, and not by the first
    /// task that needs it, it serves requests with theirs.
    async fn connect_all(&self, config: &DbConfig) -> Result<(), DbError> {
        if self.is_exclusive() {
            let readers = (0..config.read_connections.max(1)).map(|_| self.read().acquire());
            let _open = futures_util::future::try_join_all(readers).await?;
            self.write().await?.rollback().await?;
        }
        Ok(())
    }

    /// Opens the database for a short command, beside a server if one runs. Brings the schema of a database file up to date only
    /// where none runs.
    ///
    /// # Errors
    /// As [`Db::open`], but never [`DbError::InUse`]; [`DbError::SchemaOlder`] beside an older server.
    pub async fn open_beside(config: &DbConfig) -> Result<Self, DbError> {
        make_data_dir(config)?;
        let place = Place::of(config)?;
        let mut connection;
        // Held while migrating only: a server that starts in between is refused for that moment, never let in half-way.
        let may_migrate = match place.dialect {
            Dialect::Sqlite => DirectoryLock::try_take(config)?.map(Some),
            Dialect::Postgres => Some(None),
        };
        connection = place.connect().await?;
        match &may_migrate {
            Some(_lock) => migrate(&mut connection, place.dialect).await?,
            None => check_version(&mut connection, place.dialect).await?,
        }
        drop(may_migrate);
        Self::connect(config, &place, None)
    }

    fn connect(config: &DbConfig, place: &Place, lock: Option<DirectoryLock>) -> Result<Self, DbError> {
        let writers = match place.dialect {
            Dialect::Sqlite => 1,
            Dialect::Postgres => config.write_connections.max(1),
        };
        let writers = pool(config, place, writers, Purpose::Write);
        let readers = pool(config, place, config.read_connections.max(1), Purpose::Read);
        Ok(Self::new(place, readers, writers, lock))
    }
}

/// Where the database is and what it speaks.
pub(super) struct Place {
    pub(super) dialect: Dialect,
    pub(super) options: AnyConnectOptions,
    /// With its password, where it has one: never to be printed.
    pub(super) url: String,
    /// For people.
    name: String,
    pub(super) wait: Duration,
}

impl Place {
    fn of(config: &DbConfig) -> Result<Self, DbError> {
        sqlx::any::install_default_drivers();
        let (dialect, url, name) = match &config.url {
            Some(url) => {
                let parsed = Url::parse(url).ok().filter(|url| matches!(url.scheme(), "postgres" | "postgresql"));
                // Without the value: it may hold a password.
                let parsed = parsed.ok_or(DbError::InvalidUrl)?;
                let host = parsed.host_str().unwrap_or("localhost");
                let name = format!("{host}:{}{}", parsed.port().unwrap_or(5432), parsed.path());
                (Dialect::Postgres, url.clone(), name)
            }
            None => {
                let path = std::path::absolute(config.database_file())
                    .map_err(|source| DbError::Io { path: config.database_file(), source })?;
                let escaped = Url::from_file_path(&path).map_err(|()| DbError::InvalidUrl)?;
                (Dialect::Sqlite, format!("sqlite://{}?mode=rwc", escaped.path()), path.display().to_string())
            }
        };
        let options = AnyConnectOptions::from_str(&url).map_err(|_| DbError::InvalidUrl)?;
        Ok(Self { dialect, options, url, name, wait: Duration::from_millis(config.wait_ms_max) })
    }

    /// A connection beside the pools: its failure is known at once and says why.
    async fn connect(&self) -> Result<AnyConnection, DbError> {
        let unreachable = |cause: String| DbError::Unreachable { server: self.name.clone(), cause };
        let connecting = AnyConnection::connect_with(&self.options);
        let mut connection = tokio::time::timeout(self.wait, connecting)
            .await
            .map_err(|_| unreachable(format!("no answer within {} ms", self.wait.as_millis())))?
            .map_err(|error| unreachable(error.to_string()))?;
        sqlx::raw_sql(self.dialect.writer_settings()).execute(&mut connection).await?;
        Ok(connection)
    }
}

/// A directory that this makes is for its owner only: it holds hashes of keys and the teams' data.
fn make_data_dir(config: &DbConfig) -> Result<(), DbError> {
    let made = DirBuilder::new().recursive(true).mode(0o700).create(&config.data_dir);
    made.map_err(|source| DbError::Io { path: config.data_dir.clone(), source })
}

/// What the connections of a pool are for.
#[derive(Clone, Copy, PartialEq)]
enum Purpose {
    Read,
    Write,
}

fn pool(config: &DbConfig, place: &Place, connections: u32, purpose: Purpose) -> AnyPool {
    let wait_ms_max = config.wait_ms_max;
    let dialect = place.dialect;
    let settings = match purpose {
        Purpose::Read => dialect.reader_settings(),
        Purpose::Write => dialect.writer_settings(),
    };
    AnyPoolOptions::new()
        .max_connections(connections)
        .acquire_timeout(Duration::from_millis(wait_ms_max))
        // A file is local: its connection does not go stale. A server's does, when it restarts; a write finds out as it begins.
        .test_before_acquire(purpose == Purpose::Read && dialect == Dialect::Postgres)
        .idle_timeout(None)
        .max_lifetime(None)
        .after_connect(move |connection, _| {
            Box::pin(async move {
                sqlx::raw_sql(settings).execute(&mut *connection).await?;
                if dialect == Dialect::Sqlite {
                    let patience = sqlx::AssertSqlSafe(format!("PRAGMA busy_timeout = {wait_ms_max}"));
                    sqlx::raw_sql(patience).execute(&mut *connection).await?;
                }
                Ok(())
            })
        })
        .connect_lazy_with(place.options.clone())
}

async fn migrate(connection: &mut AnyConnection, dialect: Dialect) -> Result<(), DbError> {
    let found = schema_version(connection, dialect).await?;
    refuse_newer(found)?;
    match migrator(dialect).run(&mut *connection).await {
        Ok(()) => Ok(()),
        // An unknown version below our newest: a development branch's schema. It is not ours either.
        Err(MigrateError::VersionMissing(found)) => Err(DbError::SchemaNewer { found, known: NEWEST }),
        Err(error) => Err(DbError::Migration(error)),
    }
}

async fn check_version(connection: &mut AnyConnection, dialect: Dialect) -> Result<(), DbError> {
    let found = schema_version(connection, dialect).await?;
    refuse_newer(found)?;
    if found < NEWEST { Err(DbError::SchemaOlder { found, known: NEWEST }) } else { Ok(()) }
}

fn refuse_newer(found: i64) -> Result<(), DbError> {
    if found > NEWEST { Err(DbError::SchemaNewer { found, known: NEWEST }) } else { Ok(()) }
}

const NEWEST_MIGRATION: &str = "SELECT COALESCE(MAX(version), 0) FROM _sqlx_migrations";

/// The newest version that was applied, 0 for an empty database.
async fn schema_version(connection: &mut AnyConnection, dialect: Dialect) -> Result<i64, DbError> {
    let tables: i64 = sqlx::query_scalar(dialect.has_migrations()).fetch_one(&mut *connection).await?;
    if tables == 0 {
        return Ok(0);
    }
    Ok(sqlx::query_scalar(NEWEST_MIGRATION).fetch_one(connection).await?)
}
