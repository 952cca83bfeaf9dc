//! Half-written files in a directory of artifacts: what a process leaves that is killed while it stores one. The object store
//! writes `name#number` first and renames it at the end; such names are in no listing of its own.

use std::{
    ffi::OsStr,
    fs, io,
    path::{Path, PathBuf},
    time::{Duration, SystemTime, UNIX_EPOCH},
};

use super::{DbError, artifacts::ArtifactStore};

impl ArtifactStore {
    /// Deletes half-written files that are older than the hold. There are none in a bucket, which shows whole objects only.
    ///
    /// # Errors
    /// [`DbError::Io`] where the directory cannot be used.
    pub async fn delete_drafts(&self, now_us: i64) -> Result<(), DbError> {
        let Some(directory) = self.directory.clone() else { return Ok(()) };
        let oldest = UNIX_EPOCH + Duration::from_micros(u64::try_from(now_us - self.hold_us).unwrap_or(0));
        let walk = {
            let directory = directory.clone();
            move || delete_old_drafts(directory, oldest)
        };
        let walked = tokio::task::spawn_blocking(walk).await.unwrap_or_else(|error| Err(io::Error::other(error)));
        walked.map_err(|source| DbError::Io { path: directory, source })
    }
}

fn delete_old_drafts(directory: PathBuf, oldest: SystemTime) -> io::Result<()> {
    let mut open = vec![directory];
    while let Some(directory) = open.pop() {
        for entry in fs::read_dir(directory)? {
            let entry = entry?;
            if entry.file_type()?.is_dir() {
                open.push(entry.path());
            } else if is_draft(&entry.file_name()) {
                delete_if_old(&entry.path(), oldest)?;
            }
        }
    }
    Ok(())
}

fn is_draft(name: &OsStr) -> bool {
    name.to_str().and_then(|name| name.rsplit_once('#')).is_some_and(|(_, number)| number.parse::<u32>().is_ok())
}

/// One that is renamed or deleted meanwhile is no draft any more.
fn delete_if_old(path: &Path, oldest: SystemTime) -> io::Result<()> {
    let deleted = || if fs::metadata(path)?.modified()? < oldest { fs::remove_file(path) } else { Ok(()) };
    match deleted() {
        Err(error) if error.kind() != io::ErrorKind::NotFound => Err(error),
        _ => Ok(()),
    }
}
