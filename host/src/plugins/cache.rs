//! Compiled code on disk. Loading compiled code is running it, so every file carries a MAC that is checked first; a file that
//! fails the check is as good as absent.

use std::{
    fs::{self, File},
    hash::{DefaultHasher, Hash, Hasher},
    io::{self, Write},
    path::{Path, PathBuf},
    sync::atomic::{AtomicU64, Ordering},
    time::SystemTime,
};

use hmac::{Hmac, KeyInit, Mac};
use sha2::Sha256;
use wasmtime::{Engine, component::Component};

use super::screen::Screened;
use crate::domain::plugin::World;

const MAC_BYTES: usize = 32;
/// Separates these MACs from any other use of the key.
const MAC_CONTEXT: &[u8] = b"paddock compiled component v2\0";
const EXTENSION: &str = "compiled";

/// Worlds by the byte that stands for them in a file, from 0.
const WORLDS: [World; 3] = [World::Calibrator, World::Generator, World::Constraint];

/// A directory of compiled components, by component hash, engine configuration and paddock version. A file holds a MAC, what
/// screening found out (two bytes: the world, and 1 for the second tier), and the code.
#[derive(Debug)]
pub struct CodeCache {
    directory: PathBuf,
    mac_key: [u8; 32],
    engine_key: String,
    bytes_max: u64,
    written: AtomicU64,
}

impl CodeCache {
    /// Opens the directory, making it where it is not there.
    ///
    /// # Errors
    /// Where the directory cannot be made.
    pub fn open(directory: PathBuf, mac_key: [u8; 32], engine: &Engine, bytes_max: u64) -> io::Result<Self> {
        fs::create_dir_all(&directory)?;
        Ok(Self { directory, mac_key, engine_key: engine_key(engine), bytes_max, written: AtomicU64::new(0) })
    }

    /// What compiled code depends on beside the component, 16 hexadecimal digits.
    pub fn engine_key(&self) -> &str {
        &self.engine_key
    }

    /// The code of the component with this hash and what screening said of it, if it is here and whole.
    pub fn load(&self, engine: &Engine, hash: &str) -> Option<(Component, Screened)> {
        let path = self.path(hash);
        let bytes = match fs::read(&path) {
            Ok(bytes) => bytes,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return None,
            Err(error) => {
                tracing::warn!(cache.file = %path.display(), %error, "a compiled component cannot be read and is compiled again");
                return None;
            }
        };
        let Some((screened, code)) = self.verified(hash, &bytes).and_then(split) else {
            tracing::warn!(cache.file = %path.display(), "a compiled component fails its MAC and is compiled again");
            return None;
        };
        // SAFETY: the MAC shows that a process with this installation's key wrote exactly these bytes for this component,
        // engine configuration and version, and it only writes what its own compiler made.
        match unsafe { Component::deserialize(engine, code) } {
            Ok(component) => {
                touch(&path);
                Some((component, screened))
            }
            Err(error) => {
                tracing::warn!(cache.file = %path.display(), %error, "a compiled component does not fit this engine and is compiled again");
                None
            }
        }
    }

    /// Loads code that the compiler has just made, and keeps it. A cache that cannot be written costs time, not the call.
    ///
    /// # Errors
    /// Where the engine does not take the code: the compiler is another binary.
    pub fn adopt(&self, engine: &Engine, hash: &str, code: &[u8], screened: Screened) -> wasmtime::Result<Component> {
        // SAFETY: the code comes straight from this installation's own compiler.
        let component = unsafe { Component::deserialize(engine, code) }?;
        if let Err(error) = self.store(hash, &joined(screened, code)) {
            tracing::warn!(cache.directory = %self.directory.display(), %error, "a compiled component cannot be kept");
        }
        Ok(component)
    }

    /// Writes and reads back a probe.
    ///
    /// # Errors
    /// Where the directory cannot be written.
    pub fn check(&self) -> io::Result<()> {
        let path = self.temporary_path();
        fs::write(&path, b"probe")?;
        fs::remove_file(&path)
    }

    fn store(&self, hash: &str, content: &[u8]) -> io::Result<()> {
        let temporary = self.temporary_path();
        let tag = self.mac(hash, content).finalize().into_bytes();
        let written = File::create_new(&temporary).and_then(|mut file| {
            file.write_all(&tag)?;
            file.write_all(content)
        });
        // No fsync: a file torn by a crash fails its MAC.
        let renamed = written.and_then(|()| fs::rename(&temporary, self.path(hash)));
        if renamed.is_err() {
            let _ = fs::remove_file(&temporary);
        }
        renamed?;
        self.prune()
    }

    fn verified<'a>(&self, hash: &str, bytes: &'a [u8]) -> Option<&'a [u8]> {
        let (tag, content) = bytes.split_at_checked(MAC_BYTES)?;
        // `verify_slice` takes the same time whatever the tag.
        self.mac(hash, content).verify_slice(tag).ok().map(|()| content)
    }

    /// The MAC binds the content to its name, so that one whole file cannot stand in for another.
    fn mac(&self, hash: &str, content: &[u8]) -> Hmac<Sha256> {
        // HMAC pads a short key with zeros to the hash's block (RFC 2104, section 2).
        let mut block = [0; 64];
        block[..self.mac_key.len()].copy_from_slice(&self.mac_key);
        let mut mac = Hmac::<Sha256>::new(&block.into());
        for part in [MAC_CONTEXT, hash.as_bytes(), b"\0", self.engine_key.as_bytes(), b"\0", content] {
            mac.update(part);
        }
        mac
    }

    fn path(&self, hash: &str) -> PathBuf {
        self.directory.join(format!("{hash}-{}.{EXTENSION}", self.engine_key))
    }

    fn temporary_path(&self) -> PathBuf {
        let number = self.written.fetch_add(1, Ordering::Relaxed);
        self.directory.join(format!("{}-{number}.tmp", std::process::id()))
    }

    /// Removes the files that were used longest ago until the rest fits.
    fn prune(&self) -> io::Result<()> {
        let mut files = Vec::new();
        for entry in fs::read_dir(&self.directory)? {
            let entry = entry?;
            if entry.path().extension().is_some_and(|extension| extension == EXTENSION) {
                let metadata = entry.metadata()?;
                files.push((metadata.modified()?, metadata.len(), entry.path()));
            }
        }
        files.sort_unstable();
        let mut total: u64 = files.iter().map(|(_, bytes, _)| bytes).sum();
        for (_, bytes, path) in files {
            if total <= self.bytes_max {
                break;
            }
            fs::remove_file(path)?;
            total -= bytes;
        }
        Ok(())
    }
}

/// What is kept of a component: what screening found out, and its code.
fn joined(screened: Screened, code: &[u8]) -> Vec<u8> {
    let world = WORLDS.iter().position(|&world| world == screened.world).unwrap_or(WORLDS.len());
    let mut content = vec![world as u8, u8::from(screened.uses_wasi)];
    content.extend_from_slice(code);
    content
}

fn split(content: &[u8]) -> Option<(Screened, &[u8])> {
    let (&[world, tier], code) = content.split_first_chunk()?;
    Some((Screened { world: *WORLDS.get(usize::from(world))?, uses_wasi: tier == 1 }, code))
}

/// Marks a file as used now, for [`CodeCache::prune`]; a file that cannot be marked only goes sooner.
fn touch(path: &Path) {
    if let Ok(file) = File::options().append(true).open(path) {
        let _ = file.set_modified(SystemTime::now());
    }
}

/// What paddock itself does to code before it is compiled; to be raised with every change of that (`slices`).
const CODE_CHANGES: u32 = 1;

/// Differs wherever compiled code may differ: engine version and configuration, CPU features, paddock version.
fn engine_key(engine: &Engine) -> String {
    let mut hasher = DefaultHasher::new();
    engine.precompile_compatibility_hash().hash(&mut hasher);
    (env!("CARGO_PKG_VERSION"), CODE_CHANGES).hash(&mut hasher);
    format!("{:016x}", hasher.finish())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_kept_of_a_component_comes_back() {
        for world in WORLDS {
            for uses_wasi in [false, true] {
                let screened = Screened { world, uses_wasi };
                assert_eq!(split(&joined(screened, b"code")), Some((screened, b"code".as_slice())));
            }
        }
        for content in [&[][..], &[0], &[3, 0, 1]] {
            assert_eq!(split(content), None);
        }
    }
}
