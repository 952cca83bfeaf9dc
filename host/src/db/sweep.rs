//! How artifacts go that nobody needs. Who needs one is the caller's to find out; here is how it goes without anybody losing bytes.
//!
//! An artifact is condemned first: its row is deleted and written again with a mark, so that every foreign key to it has its say.
//! Then its file is deleted, then the row says that it is gone, and stays a while as a tombstone. Whoever stores the same bytes
//! meanwhile finds the mark when they write their row, and stores them once more: also where they looked before it was there.

use std::collections::HashSet;

use futures_util::TryStreamExt as _;
use object_store::{ObjectMeta, ObjectStore as _, ObjectStoreExt as _, path::Path};
use serde_json::json;
use sqlx::Row as _;

use super::{
    DbError, Row,
    artifacts::{ArtifactHash, ArtifactStore, PROBES},
};

/// Artifacts that are looked at together.
pub const ARTIFACTS_PER_PAGE: usize = 500;

/// An artifact that could go.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Unheld {
    /// Its name.
    pub hash: ArtifactHash,
    /// Its size, in bytes.
    pub size_bytes: u64,
}

const UNHELD: &str = "
    SELECT hash, size_bytes FROM artifacts
    WHERE hash > $1 AND held_until_us < $2 AND condemned_us IS NULL ORDER BY hash LIMIT $3";

const CONDEMN: &str = "
    DELETE FROM artifacts WHERE hash = $1 AND held_until_us < $2 AND condemned_us IS NULL RETURNING size_bytes, created_us";
const MARK: &str = "
    INSERT INTO artifacts (hash, size_bytes, created_us, condemned_us)
    SELECT $1, $2, $3, now_us FROM clock WHERE true ON CONFLICT (hash) DO NOTHING";

const CONDEMNED: &str = "
    SELECT hash, condemned_us FROM artifacts
    WHERE condemned_us IS NOT NULL AND gone_us IS NULL ORDER BY condemned_us LIMIT $1";
const GONE: &str = "
    UPDATE artifacts SET gone_us = (SELECT now_us FROM clock)
    WHERE hash = $1 AND condemned_us = $2 AND gone_us IS NULL";

const FORGET: &str = "
    DELETE FROM artifacts WHERE hash IN
        (SELECT hash FROM artifacts WHERE condemned_us IS NOT NULL AND gone_us < $1 ORDER BY condemned_us LIMIT $2)";

const KNOWN: &str = "
    SELECT hash FROM artifacts WHERE hash IN (SELECT value ->> 'hash' FROM json_each($1))";

const LAST_DELETION: &str = "SELECT condemned_us, gone_us FROM artifacts WHERE hash = $1";

impl ArtifactStore {
    /// How long what was put stays without anybody naming it, in microseconds.
    #[must_use]
    pub fn hold_us(&self) -> i64 {
        self.hold_us
    }

    /// A page of the artifacts after `after` that nothing holds at `now_us`, in the order of their names.
    ///
    /// # Errors
    /// [`DbError::Query`] or [`DbError::Busy`].
    pub async fn unheld(&self, now_us: i64, after: Option<&ArtifactHash>) -> Result<Vec<Unheld>, DbError> {
        let rows = sqlx::query(UNHELD)
            .bind(after.map_or("", ArtifactHash::as_str))
            .bind(now_us)
            .bind(ARTIFACTS_PER_PAGE as i64)
            .fetch_all(self.db.read())
            .await?;
        let read = |row: &Row| {
            let size_bytes: i64 = row.try_get("size_bytes")?;
            Ok(Unheld { hash: read_hash(row)?, size_bytes: u64::try_from(size_bytes).unwrap_or(0) })
        };
        rows.iter().map(read).collect()
    }

    /// Condemns an artifact, unless something holds it by now or a row of any table refers to it. Returns whether it did.
    ///
    /// # Errors
    /// [`DbError::Query`] or [`DbError::Busy`]: nothing has changed.
    pub async fn condemn(&self, hash: &ArtifactHash, now_us: i64) -> Result<bool, DbError> {
        let mut tx = self.db.write().await?;
        let deleted = sqlx::query(CONDEMN).bind(hash.as_str()).bind(now_us).fetch_optional(&mut *tx).await;
        let row = match deleted.map_err(DbError::from) {
            Ok(Some(row)) => row,
            Ok(None) => return Ok(false),
            Err(error) if error.is_dangling() => {
                tracing::debug!(artifact.hash = %hash, "an artifact stays, because a row refers to it");
                return Ok(false);
            }
            Err(error) => return Err(error),
        };
        let (size_bytes, created_us): (i64, i64) = (row.try_get("size_bytes")?, row.try_get("created_us")?);
        sqlx::query(MARK).bind(hash.as_str()).bind(size_bytes).bind(created_us).execute(&mut *tx).await?;
        tx.commit().await?;
        Ok(true)
    }

    /// Deletes the files of all condemned artifacts, also of those that an earlier process left behind. Returns how many.
    ///
    /// # Errors
    /// [`DbError::Store`], [`DbError::Query`] or [`DbError::Busy`]: the rest is still condemned, and goes the next time.
    pub async fn delete_condemned(&self) -> Result<usize, DbError> {
        let mut deleted = 0;
        loop {
            let rows = sqlx::query(CONDEMNED).bind(ARTIFACTS_PER_PAGE as i64).fetch_all(self.db.read()).await?;
            for row in &rows {
                self.delete_file(&read_hash(row)?.location()).await?;
                let mut tx = self.db.write().await?;
                let (hash, condemned_us): (&str, i64) = (row.try_get("hash")?, row.try_get("condemned_us")?);
                sqlx::query(GONE).bind(hash).bind(condemned_us).execute(&mut *tx).await?;
                tx.commit().await?;
                deleted += 1;
            }
            if rows.len() < ARTIFACTS_PER_PAGE {
                return Ok(deleted);
            }
        }
    }

    /// Deletes tombstones that are older than anybody can have taken between storing bytes and writing their row.
    ///
    /// # Errors
    /// [`DbError::Query`] or [`DbError::Busy`].
    pub async fn forget_gone(&self, now_us: i64) -> Result<(), DbError> {
        loop {
            let mut tx = self.db.write().await?;
            let forgotten = sqlx::query(FORGET)
                .bind(now_us - self.hold_us)
                .bind(ARTIFACTS_PER_PAGE as i64)
                .execute(&mut *tx)
                .await?;
            tx.commit().await?;
            if forgotten.rows_affected() < ARTIFACTS_PER_PAGE as u64 {
                return Ok(());
            }
        }
    }

    /// Looks through all files for those that no row knows and that are older than the hold: what is left of a crash between file
    /// and row. `condemn` says whether they are condemned too. Returns how many there are, and their bytes.
    ///
    /// # Errors
    /// [`DbError::Store`], [`DbError::Query`] or [`DbError::Busy`].
    pub async fn orphans(&self, now_us: i64, condemn: Orphans) -> Result<(usize, u64), DbError> {
        let oldest_us = now_us - self.hold_us;
        let files = self.store.list(None).try_filter(|file| {
            let is_ours = hash_of(file).is_some() || is_probe(file);
            let is_old = file.last_modified.timestamp_micros() < oldest_us;
            std::future::ready(is_ours && is_old)
        });
        let mut pages = files.try_chunks(ARTIFACTS_PER_PAGE);
        let (mut count, mut bytes) = (0, 0);
        while let Some(page) = pages.try_next().await.map_err(|failed| failed.1)? {
            for file in self.unknown(page).await? {
                count += 1;
                bytes += file.size;
                if condemn == Orphans::Condemn {
                    self.condemn_file(&file).await?;
                }
            }
        }
        Ok((count, bytes))
    }

    async fn unknown(&self, mut files: Vec<ObjectMeta>) -> Result<Vec<ObjectMeta>, DbError> {
        let hashes: Vec<_> = files.iter().filter_map(hash_of).map(|hash| json!({ "hash": hash })).collect();
        let rows = sqlx::query(KNOWN).bind(json!(hashes).to_string()).fetch_all(self.db.read()).await?;
        let known = rows.iter().map(read_hash).collect::<Result<HashSet<_>, _>>()?;
        files.retain(|file| hash_of(file).is_none_or(|hash| !known.contains(&hash)));
        Ok(files)
    }

    /// A file with an artifact's name goes the way of artifacts; a probe, which nobody reads again, goes at once.
    async fn condemn_file(&self, file: &ObjectMeta) -> Result<(), DbError> {
        let Some(hash) = hash_of(file) else { return self.delete_file(&file.location).await };
        let mut tx = self.db.write().await?;
        let size_bytes = i64::try_from(file.size).unwrap_or(i64::MAX);
        sqlx::query(MARK).bind(hash.as_str()).bind(size_bytes).bind(0_i64).execute(&mut *tx).await?;
        tx.commit().await
    }

    async fn delete_file(&self, path: &Path) -> Result<(), DbError> {
        match self.store.delete(path).await {
            Ok(()) | Err(object_store::Error::NotFound { .. }) => Ok(()),
            Err(error) => Err(error.into()),
        }
    }

    /// When the artifact was last deleted, where it was and nobody has stored it since.
    ///
    /// # Errors
    /// [`DbError::ArtifactBeingDeleted`] while that is under way.
    pub(super) async fn last_deletion_us(&self, hash: &ArtifactHash) -> Result<Option<i64>, DbError> {
        let row = sqlx::query(LAST_DELETION).bind(hash.as_str()).fetch_optional(self.db.read()).await?;
        let Some(row) = row else { return Ok(None) };
        let (condemned_us, gone_us): (Option<i64>, Option<i64>) =
            (row.try_get("condemned_us")?, row.try_get("gone_us")?);
        match (condemned_us, gone_us) {
            (Some(_), None) => Err(DbError::ArtifactBeingDeleted(hash.clone())),
            (_, gone_us) => Ok(gone_us),
        }
    }
}

/// What is to become of files that no row knows.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Orphans {
    /// They are counted.
    Count,
    /// They are condemned.
    Condemn,
}

/// Whether the file was written by a check of the store that then broke off.
fn is_probe(file: &ObjectMeta) -> bool {
    file.location.parts().next().is_some_and(|part| part.as_ref() == PROBES)
}

/// The artifact whose file this is; `None` for what somebody else has put beside them, which is not ours to delete.
fn hash_of(file: &ObjectMeta) -> Option<ArtifactHash> {
    let hash: ArtifactHash = file.location.filename()?.parse().ok()?;
    (hash.location() == file.location).then_some(hash)
}

fn read_hash(row: &Row) -> Result<ArtifactHash, DbError> {
    let text: &str = row.try_get("hash")?;
    text.parse().map_err(|error: super::artifacts::InvalidHash| DbError::Unreadable {
        what: "artifacts.hash",
        detail: error.to_string(),
    })
}
