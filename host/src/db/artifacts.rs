//! The artifact store: large immutable bytes, named by their SHA-256. Who still needs an artifact is not known here; how one that
//! nobody needs goes is in [`super::sweep`].

use std::{fmt, fs, path::PathBuf, str::FromStr, sync::Arc};

use bytes::Bytes;
use object_store::{
    ObjectStore, ObjectStoreExt as _, PutPayload, local::LocalFileSystem, path::Path, prefix::PrefixStore,
};
use serde::{Deserialize, Serialize};
use url::Url;

use super::{Db, DbConfig, DbError, WriteTx};
use crate::domain::{hex::sha256_hex, ids::random_hex_128};

/// Directory of what [`ArtifactStore::check`] writes.
pub(super) const PROBES: &str = "probe";

/// The SHA-256 of an artifact's bytes, as 64 lower-case hexadecimal digits: its name.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct ArtifactHash(String);

/// Text that is not the hash of an artifact.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("not an artifact hash: expected 64 lower-case hexadecimal digits")]
pub struct InvalidHash;

impl ArtifactHash {
    /// The hash of these bytes.
    #[must_use]
    pub fn of(bytes: &[u8]) -> Self {
        Self(sha256_hex(bytes))
    }

    /// The 64 digits.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// Two levels of 256 directories keep each directory small with a million artifacts.
    pub(super) fn location(&self) -> Path {
        Path::from_iter([&self.0[0..2], &self.0[2..4], self.0.as_str()])
    }
}

impl FromStr for ArtifactHash {
    type Err = InvalidHash;

    fn from_str(text: &str) -> Result<Self, InvalidHash> {
        let is_digit = |byte| matches!(byte, b'0'..=b'9' | b'a'..=b'f');
        if text.len() == 64 && text.bytes().all(is_digit) { Ok(Self(text.to_owned())) } else { Err(InvalidHash) }
    }
}

impl TryFrom<String> for ArtifactHash {
    type Error = InvalidHash;

    fn try_from(text: String) -> Result<Self, InvalidHash> {
        text.parse()
    }
}

impl From<ArtifactHash> for String {
    fn from(hash: ArtifactHash) -> Self {
        hash.0
    }
}

impl fmt::Display for ArtifactHash {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(&self.0)
    }
}

/// A handle on the artifact store; clones share it.
#[derive(Debug, Clone)]
pub struct ArtifactStore {
    pub(super) store: Arc<dyn ObjectStore>,
    pub(super) db: Db,
    /// Where the files are, where they are on this machine.
    pub(super) directory: Option<PathBuf>,
    bytes_max: u64,
    /// How long what was put stays without anybody naming it, in microseconds.
    pub(super) hold_us: i64,
}

/// An artifact whose bytes are durable but whose row is not written yet.
#[derive(Debug)]
#[must_use = "an artifact without a row is garbage: record it"]
pub struct StagedArtifact {
    hash: ArtifactHash,
    size_bytes: i64,
    hold_us: i64,
    /// The deletion that had ended when the bytes were stored, where the artifact had been deleted before.
    deletion_us: Option<i64>,
}

impl ArtifactStore {
    /// Opens the store: the bucket that is configured, or the data directory.
    ///
    /// # Errors
    /// [`DbError::InvalidArtifactsUrl`]; [`DbError::Io`] or [`DbError::Store`] where its directory cannot be used.
    pub fn open(config: &DbConfig, db: Db) -> Result<Self, DbError> {
        let store = match &config.artifacts_url {
            Some(url) => open_bucket(url)?,
            None => open_directory(config)?,
        };
        let directory = config.artifacts_url.is_none().then(|| config.artifacts_dir());
        let hold_us = i64::try_from(config.artifact_hold_s.saturating_mul(1_000_000)).unwrap_or(i64::MAX >> 1);
        Ok(Self { store, db, directory, bytes_max: config.artifact_bytes_max, hold_us })
    }

    /// Stores the bytes durably and returns their name. Storing the same bytes again costs a look. They stay for
    /// `artifact_hold_s` without anybody naming them.
    ///
    /// # Errors
    /// [`DbError::ArtifactTooLarge`], or [`DbError::Store`] / [`DbError::Busy`] / [`DbError::Query`] /
    /// [`DbError::ArtifactBeingDeleted`]: retry.
    pub async fn put(&self, bytes: Bytes) -> Result<ArtifactHash, DbError> {
        let staged = StagedArtifact { hold_us: self.hold_us, ..self.stage(bytes).await? };
        let mut tx = self.db.write().await?;
        let hash = staged.record(&mut tx).await?;
        tx.commit().await?;
        Ok(hash)
    }

    /// Stores the bytes durably; the caller records the row in a transaction of its own, which must name them too.
    ///
    /// # Errors
    /// [`DbError::ArtifactTooLarge`], or [`DbError::Store`] / [`DbError::ArtifactBeingDeleted`]: retry.
    pub async fn stage(&self, bytes: Bytes) -> Result<StagedArtifact, DbError> {
        let length = bytes.len() as u64;
        let size_bytes = i64::try_from(length).ok().filter(|_| length <= self.bytes_max);
        let Some(size_bytes) = size_bytes else {
            return Err(DbError::ArtifactTooLarge { bytes: length, limit: self.bytes_max });
        };
        let hash = ArtifactHash::of(&bytes);
        let deletion_us = self.last_deletion_us(&hash).await?;
        if deletion_us.is_some() || !self.holds(&hash, length).await? {
            // The store writes a temporary file, syncs it and renames it: a reader sees all of it or nothing.
            self.store.put(&hash.location(), PutPayload::from_bytes(bytes)).await?;
        }
        Ok(StagedArtifact { hash, size_bytes, hold_us: 0, deletion_us })
    }

    /// The bytes with this name, verified.
    ///
    /// # Errors
    /// [`DbError::ArtifactMissing`], [`DbError::ArtifactCorrupt`], or [`DbError::Store`]: retry.
    pub async fn get(&self, hash: &ArtifactHash) -> Result<Bytes, DbError> {
        let bytes = match self.store.get(&hash.location()).await {
            Ok(object) => object.bytes().await?,
            Err(object_store::Error::NotFound { .. }) => return Err(DbError::ArtifactMissing(hash.clone())),
            Err(error) => return Err(error.into()),
        };
        let found = ArtifactHash::of(&bytes);
        if found == *hash {
            Ok(bytes)
        } else {
            Err(DbError::ArtifactCorrupt { hash: hash.clone(), found, bytes: bytes.len() as u64 })
        }
    }

    /// Proves that the store can write, read and delete, for `/readyz`.
    ///
    /// # Errors
    /// [`DbError::Store`]: the store cannot be used now.
    pub async fn check(&self) -> Result<(), DbError> {
        let probe = Path::from_iter([PROBES, random_hex_128().as_str()]);
        self.store.put(&probe, PutPayload::from_static(b"paddock")).await?;
        let found = self.store.get(&probe).await?.bytes().await;
        self.store.delete(&probe).await?;
        found?;
        Ok(())
    }

    async fn holds(&self, hash: &ArtifactHash, length: u64) -> Result<bool, DbError> {
        match self.store.head(&hash.location()).await {
            // A file of another length is damaged; writing it again repairs it.
            Ok(found) => Ok(found.size == length),
            Err(object_store::Error::NotFound { .. }) => Ok(false),
            Err(error) => Err(error.into()),
        }
    }
}

fn open_directory(config: &DbConfig) -> Result<Arc<dyn ObjectStore>, DbError> {
    let path = config.artifacts_dir();
    fs::create_dir_all(&path).map_err(|source| DbError::Io { path: path.clone(), source })?;
    // Without fsync a power cut could leave a row that names an empty file.
    Ok(Arc::new(LocalFileSystem::new_with_prefix(&path)?.with_fsync(true)))
}

fn open_bucket(url: &str) -> Result<Arc<dyn ObjectStore>, DbError> {
    let invalid = |cause: String| DbError::InvalidArtifactsUrl { url: url.to_owned(), cause };
    let parsed = Url::parse(url).map_err(|error| invalid(error.to_string()))?;
    if parsed.scheme() != "s3" {
        return Err(invalid(format!("its scheme is `{}`", parsed.scheme())));
    }
    // An error means that somebody else in this process has chosen one, which is fine.
    let _ = rustls::crypto::ring::default_provider().install_default();
    let settings = std::env::vars().filter(|(name, _)| name.starts_with("AWS_"));
    let settings = settings.map(|(name, value)| (name.to_ascii_lowercase(), value));
    let (store, prefix) =
        object_store::parse_url_opts(&parsed, settings).map_err(|error| invalid(error.to_string()))?;
    Ok(Arc::new(PrefixStore::new(store, prefix)))
}

/// An artifact that was condemned since its bytes were stored may have lost them: then no row is written. One whose deletion had
/// ended before that is there again.
const RECORD: &str = "
    INSERT INTO artifacts (hash, size_bytes, created_us, held_until_us)
    SELECT $1, $2, now_us, now_us + $3 FROM clock WHERE true
    ON CONFLICT (hash) DO UPDATE
    SET held_until_us = CASE
            WHEN artifacts.held_until_us > excluded.held_until_us THEN artifacts.held_until_us
            ELSE excluded.held_until_us
        END,
        condemned_us = NULL, gone_us = NULL
    WHERE artifacts.condemned_us IS NULL OR artifacts.gone_us = CAST($4 AS BIGINT)";

impl StagedArtifact {
    /// The artifact's name.
    #[must_use]
    pub fn hash(&self) -> &ArtifactHash {
        &self.hash
    }

    /// Writes the row in the caller's transaction.
    ///
    /// # Errors
    /// [`DbError::ArtifactBeingDeleted`] where its bytes may be gone again: store them once more; [`DbError::Query`] where the
    /// database refuses.
    pub async fn record(self, tx: &mut WriteTx) -> Result<ArtifactHash, DbError> {
        let recorded = sqlx::query(RECORD)
            .bind(self.hash.as_str())
            .bind(self.size_bytes)
            .bind(self.hold_us)
            .bind(self.deletion_us)
            .execute(&mut **tx)
            .await?;
        if recorded.rows_affected() == 1 { Ok(self.hash) } else { Err(DbError::ArtifactBeingDeleted(self.hash)) }
    }
}
