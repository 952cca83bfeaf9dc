//! A disk so small that a test can fill it: a file system in memory, unmounted with the process that mounted it.

use std::{
    fs::{self, File},
    io::{BufRead as _, BufReader, Write as _},
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
};

/// Mounts, says so, and unmounts at the end of its input, which is the end of whoever started it.
const UNTIL_ALONE: &str = r#"
    mount -t tmpfs -o "size=$2" paddock-test "$1" && echo mounted || exit 1
    cat > /dev/null; umount --lazy "$1"
"#;
/// Written at once while filling; what is left after one that does not fit is filled page by page.
const CHUNK_BYTES: usize = 1 << 20;
const PAGE_BYTES: usize = 4096;

/// A disk of a few megabytes.
pub struct SmallDisk {
    directory: PathBuf,
    keeper: Child,
}

impl SmallDisk {
    /// Mounts a disk of `bytes` at `directory`, an empty one; `None` where this process may not mount and this is not CI.
    ///
    /// # Panics
    /// In CI, where it cannot be mounted: a test that needs it must fail there, not be left out.
    pub fn mount(directory: &Path, bytes: usize) -> Option<Self> {
        let mut command = Command::new("sh");
        command.args(["-c", UNTIL_ALONE, "sh"]).arg(directory).arg(bytes.to_string());
        let pipes = command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::null());
        let mut keeper = pipes.spawn().unwrap();
        let mut said = String::new();
        BufReader::new(keeper.stdout.take().unwrap()).read_line(&mut said).unwrap();
        if said != "mounted\n" {
            keeper.wait().unwrap();
            super::left_out("a small disk cannot be mounted (run as root)");
            return None;
        }
        Some(Self { directory: directory.to_owned(), keeper })
    }

    /// Leaves no room for a single byte.
    pub fn fill(&self) {
        let mut ballast = File::create(self.ballast()).unwrap();
        for size in [CHUNK_BYTES, PAGE_BYTES] {
            while ballast.write_all(&vec![0; size]).is_ok() {}
        }
    }

    /// Gives the room back.
    pub fn empty(&self) {
        fs::remove_file(self.ballast()).unwrap();
    }

    fn ballast(&self) -> PathBuf {
        self.directory.join("ballast")
    }
}

impl Drop for SmallDisk {
    fn drop(&mut self) {
        drop(self.keeper.stdin.take());
        let _ = self.keeper.wait();
    }
}
