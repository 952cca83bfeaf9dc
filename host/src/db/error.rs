//! What can go wrong with the database and the artifact store, sorted by what the caller can do.

use std::path::PathBuf;

use super::artifacts::ArtifactHash;

/// A failure of the database or of the artifact store.
#[derive(Debug, thiserror::Error)]
pub enum DbError {
    /// Too many want to write at once. Nothing was written: retry after a pause.
    #[error("the database is busy: no connection within the allowed wait")]
    Busy,
    /// The database's URL is not one of PostgreSQL. Correct it.
    #[error("the database's URL is not valid: expected postgres://user:password@host:port/database")]
    InvalidUrl,
    /// The artifact store's URL is not one of a bucket. Correct it.
    #[error("the artifact store `{url}` cannot be used: {cause}; expected s3://bucket/prefix")]
    InvalidArtifactsUrl {
        /// The URL.
        url: String,
        /// What is wrong with it.
        cause: String,
    },
    /// The database's server cannot be reached, or lets nobody in. Start it, or correct the URL.
    #[error("cannot reach the database at {server}: {cause}; check that it runs and that its URL is right")]
    Unreachable {
        /// Host, port and database.
        server: String,
        /// What it answered.
        cause: String,
    },
    /// Another server owns the data directory. Stop it, or choose another directory.
    #[error(
        "another paddock server is using {data_dir}{}: stop it or choose another data directory",
        holder.as_ref().map(|pid| format!(" (process {pid})")).unwrap_or_default()
    )]
    InUse {
        /// The directory that both want.
        data_dir: PathBuf,
        /// The other server's process id, where it could be read.
        holder: Option<u32>,
    },
    /// The data was written by a newer paddock. Start that one; this one would not understand it.
    #[error(
        "the database has schema version {found}, this paddock knows versions up to {known}: start a newer paddock \
         or restore a backup made by this one"
    )]
    SchemaNewer {
        /// The version in the database.
        found: i64,
        /// The newest version that this binary knows.
        known: i64,
    },
    /// The schema could not be brought up to date; the failed step was rolled back. Look at the cause.
    #[error("the database schema could not be brought up to date: {0}")]
    Migration(#[source] sqlx::migrate::MigrateError),
    /// The server beside which this command runs has not brought the schema to this binary's version. Restart it with this version.
    #[error(
        "the running server uses schema version {found}, this command needs {known}: restart the server with this version"
    )]
    SchemaOlder {
        /// The version in the database.
        found: i64,
        /// The newest version that this binary knows.
        known: i64,
    },
    /// The database went away or is starting: it was stopped, or the network failed. Retry; whether the last statement before that was
    /// kept cannot be known, so look before doing again what must be done once.
    #[error("the database is not there: {0}")]
    Away(#[source] std::sync::Arc<sqlx::Error>),
    /// The database refused or broke off a statement. Retry may help where it is the disk's fault.
    #[error("the database failed: {0}")]
    Query(#[source] sqlx::Error),
    /// The commit that this write was part of failed: it was not kept. Retry may help where it is the disk's fault.
    #[error("the database could not commit: {0}")]
    NotCommitted(#[source] std::sync::Arc<sqlx::Error>),
    /// A row holds something that this binary cannot read. Report it: the writer and the reader disagree.
    #[error("the database holds an unreadable {what}: {detail}")]
    Unreadable {
        /// Which column of which table.
        what: &'static str,
        /// What is wrong with it.
        detail: String,
    },
    /// A directory or file could not be made. Check its path and permissions.
    #[error("cannot use {path}: {source}")]
    Io {
        /// The path.
        path: PathBuf,
        /// Why not.
        source: std::io::Error,
    },
    /// There is no artifact with this hash. It was pruned, or never written.
    #[error("artifact {0} does not exist")]
    ArtifactMissing(ArtifactHash),
    /// The artifact was found unused and is being deleted. Store its bytes again, after a pause.
    #[error("artifact {0} is being deleted")]
    ArtifactBeingDeleted(ArtifactHash),
    /// The stored bytes are not what was put. Restore the artifact from a backup, or run the job that made it again.
    #[error("artifact {hash} is corrupt: its {bytes} bytes have the hash {found}")]
    ArtifactCorrupt {
        /// The name.
        hash: ArtifactHash,
        /// The hash of what is stored.
        found: ArtifactHash,
        /// How much is stored.
        bytes: u64,
    },
    /// The artifact is larger than the store takes. Split it, or raise `artifact_bytes_max`.
    #[error("an artifact of {bytes} bytes is past the limit of {limit} bytes")]
    ArtifactTooLarge {
        /// Its size.
        bytes: u64,
        /// The limit.
        limit: u64,
    },
    /// The artifact store failed: disk full, permissions, network. Retry may help.
    #[error("the artifact store failed: {0}")]
    Store(#[from] object_store::Error),
}

impl DbError {
    /// Whether the same call may succeed later without anybody repairing anything.
    #[must_use]
    pub fn is_transient(&self) -> bool {
        matches!(
            self,
            Self::Busy
                | Self::Away(_)
                | Self::Query(_)
                | Self::NotCommitted(_)
                | Self::Store(_)
                | Self::Io { .. }
                | Self::ArtifactBeingDeleted(_)
        )
    }

    /// Whether a unique index refused the row.
    #[must_use]
    pub fn is_duplicate(&self) -> bool {
        matches!(self, Self::Query(sqlx::Error::Database(cause)) if cause.is_unique_violation())
    }

    /// Whether a foreign key refused the row.
    #[must_use]
    pub fn is_dangling(&self) -> bool {
        matches!(self, Self::Query(sqlx::Error::Database(cause)) if cause.is_foreign_key_violation())
    }
}

impl From<sqlx::Error> for DbError {
    fn from(error: sqlx::Error) -> Self {
        /// `SQLITE_BUSY` and its extended codes; PostgreSQL's `serialization_failure` and `deadlock_detected`.
        const BUSY_CODES: [&str; 6] = ["5", "261", "517", "773", "40001", "40P01"];
        /// Of PostgreSQL: shutting down, crashed, starting, out of connections, connection failures.
        const AWAY_CODES: [&str; 8] = ["57P01", "57P02", "57P03", "57P05", "53300", "08000", "08003", "08006"];
        match &error {
            sqlx::Error::PoolTimedOut => Self::Busy,
            sqlx::Error::Io(_) | sqlx::Error::Tls(_) | sqlx::Error::Protocol(_) | sqlx::Error::WorkerCrashed => {
                Self::Away(std::sync::Arc::new(error))
            }
            sqlx::Error::Database(cause) if cause.code().is_some_and(|code| AWAY_CODES.contains(&&*code)) => {
                Self::Away(std::sync::Arc::new(error))
            }
            sqlx::Error::Database(cause) if cause.code().is_some_and(|code| BUSY_CODES.contains(&&*code)) => Self::Busy,
            _ => Self::Query(error),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_connection_that_broke_says_that_the_database_is_away_and_that_a_retry_may_help() {
        let broken = std::io::Error::from(std::io::ErrorKind::ConnectionReset);
        let error = DbError::from(sqlx::Error::Io(broken));
        assert!(matches!(error, DbError::Away(_)) && error.is_transient(), "{error}");
        assert!(matches!(DbError::from(sqlx::Error::PoolTimedOut), DbError::Busy));
        assert!(matches!(DbError::from(sqlx::Error::RowNotFound), DbError::Query(_)));
    }
}
