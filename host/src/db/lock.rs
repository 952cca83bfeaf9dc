//! The lock that keeps two servers off one data directory.
//!
//! SQLite itself would let both work on the file; but each would take the other's leases for those of a dead process.

use std::{
    fs::{self, File, TryLockError},
    io::{Read as _, Seek as _, Write as _},
};

use super::{DbConfig, DbError};

/// Holds the lock until dropped. The operating system releases it when the process dies, however it dies.
#[derive(Debug)]
pub(super) struct DirectoryLock {
    _file: File,
}

impl DirectoryLock {
    /// Takes the lock, or says with `None` that another process has it.
    pub(super) fn try_take(config: &DbConfig) -> Result<Option<Self>, DbError> {
        let path = config.lock_file();
        let failed = |source| DbError::Io { path: path.clone(), source };
        let mut file =
            File::options().read(true).write(true).create(true).truncate(false).open(&path).map_err(failed)?;
        match file.try_lock() {
            Ok(()) => {
                write_process_id(&mut file).map_err(failed)?;
                Ok(Some(Self { _file: file }))
            }
            Err(TryLockError::WouldBlock) => Ok(None),
            Err(TryLockError::Error(source)) => Err(failed(source)),
        }
    }

    /// The error for who needs the lock and did not get it.
    pub(super) fn refused(config: &DbConfig) -> DbError {
        let holder = fs::read_to_string(config.lock_file()).ok().and_then(|text| text.trim().parse().ok());
        DbError::InUse { data_dir: config.data_dir.clone(), holder }
    }
}

/// For people only: the lock, not the number, decides.
fn write_process_id(file: &mut File) -> std::io::Result<()> {
    let mut old = String::new();
    file.read_to_string(&mut old)?;
    file.rewind()?;
    file.set_len(0)?;
    writeln!(file, "{}", std::process::id())
}
