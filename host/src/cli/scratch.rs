//! A directory that lives as long as a command.

use std::{
    fs::{self, DirBuilder},
    os::unix::fs::DirBuilderExt,
    path::{Path, PathBuf},
};

use anyhow::{Context, Result};

use crate::domain::ids::random_hex_128;

/// A fresh directory below the system's temporary one; removed when dropped.
#[derive(Debug)]
pub struct Scratch(PathBuf);

impl Scratch {
    /// Makes it. Its name cannot be guessed, so nobody can have put anything there before.
    ///
    /// # Errors
    /// Where the temporary directory cannot be written.
    pub fn create() -> Result<Self> {
        let path = std::env::temp_dir().join(format!("paddock-{}", random_hex_128()));
        DirBuilder::new().mode(0o700).create(&path).with_context(|| format!("cannot make {}", path.display()))?;
        Ok(Self(path))
    }

    /// Where it is.
    #[must_use]
    pub fn path(&self) -> &Path {
        &self.0
    }
}

impl Drop for Scratch {
    fn drop(&mut self) {
        // What stays behind is in the system's temporary directory, which is cleaned anyway.
        let _ = fs::remove_dir_all(&self.0);
    }
}
