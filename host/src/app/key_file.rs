//! Secret keys in files of this machine. Whoever has the one that authenticates compiled plugins can make the server run native
//! code; whoever has the one that signs results can pass for this node.

use std::{
    fs::OpenOptions,
    io::{ErrorKind, Read, Write},
    os::unix::fs::OpenOptionsExt,
    path::Path,
};

use anyhow::{Context, Result, ensure};
use rand::TryRng;

use crate::domain::ids::random_hex_128;

/// Bytes of the key.
const KEY_BYTES: usize = 32;

/// Reads the key, or makes one that only the server's user can read. A crash in between leaves no half a key.
///
/// # Errors
/// Where the file cannot be read or written, or holds something else.
pub fn read_or_create(path: &Path) -> Result<[u8; KEY_BYTES]> {
    let context = || format!("cannot use the key file {}", path.display());
    if !path.exists() {
        create(path).with_context(context)?;
    }
    read(path).with_context(context)
}

/// Writes the whole key under another name first; the link then appears at once, and only where there is no key yet.
fn create(path: &Path) -> Result<()> {
    let mut key = [0; KEY_BYTES];
    rand::rngs::SysRng.try_fill_bytes(&mut key).context("the operating system gave no randomness")?;
    let draft = path.with_extension(random_hex_128());
    let mut file = OpenOptions::new().write(true).create_new(true).mode(0o600).open(&draft)?;
    let linked = file.write_all(&key).and_then(|()| file.sync_all()).and_then(|()| std::fs::hard_link(&draft, path));
    std::fs::remove_file(&draft)?;
    match linked {
        Err(error) if error.kind() != ErrorKind::AlreadyExists => Err(error.into()),
        _ => Ok(()),
    }
}

fn read(path: &Path) -> Result<[u8; KEY_BYTES]> {
    let mut bytes = Vec::new();
    std::fs::File::open(path)?.take(KEY_BYTES as u64 + 1).read_to_end(&mut bytes)?;
    let found = bytes.len();
    ensure!(found == KEY_BYTES, "it should hold {KEY_BYTES} bytes; restore it, or delete it and a new one is made");
    let mut key = [0; KEY_BYTES];
    key.copy_from_slice(&bytes);
    Ok(key)
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt;

    use super::*;

    #[test]
    fn a_key_is_made_once_and_only_its_owner_may_read_it() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("compiled.key");
        let key = read_or_create(&path).unwrap();
        assert_eq!(read_or_create(&path).unwrap(), key);
        assert_ne!(key, [0; KEY_BYTES]);
        assert_eq!(std::fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o600);
    }

    #[test]
    fn a_file_of_another_length_is_refused() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("compiled.key");
        for length in [0, 31, 33] {
            std::fs::write(&path, vec![1; length]).unwrap();
            assert!(read_or_create(&path).is_err(), "{length} bytes");
        }
    }
}
