//! A file system that is full soon, and can be taken away.

use std::path::Path;
use std::process::Command;

/// A small file system of its own, where this user may mount one.
pub(crate) struct SmallDisk {
    folder: tempfile::TempDir,
}

impl SmallDisk {
    /// Mounts one of `size`, for example `2m`; none where that is not permitted.
    pub(crate) fn mount(size: &str) -> Option<Self> {
        if !cfg!(target_os = "linux") || !rustix::process::geteuid().is_root() {
            println!("skipped: only root on Linux can mount a small file system");
            return None;
        }
        let folder = tempfile::tempdir().expect("temporary folder");
        let disk = Self { folder };
        if disk.run("mount", &["-t", "tmpfs", "-o", &format!("size={size}"), "safelight-test"]) {
            return Some(disk);
        }
        println!("skipped: mounting is not permitted here");
        None
    }

    /// Where it is mounted.
    pub(crate) fn root(&self) -> &Path {
        self.folder.path()
    }

    /// Runs a program on it.
    pub(crate) fn run(&self, program: &str, arguments: &[&str]) -> bool {
        Command::new(program).args(arguments).arg(self.root()).status().is_ok_and(|status| status.success())
    }
}

impl Drop for SmallDisk {
    fn drop(&mut self) {
        self.run("umount", &["-l"]);
    }
}
