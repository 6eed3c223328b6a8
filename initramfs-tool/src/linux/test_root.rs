//! A directory that stands for `/`, for tests.

use std::fs;
use std::os::unix::fs::symlink;

use tempfile::TempDir;

use super::Root;

/// Gone when it is dropped. Directories on the way to a file or a link are made with it.
pub(super) struct TestRoot {
    directory: TempDir,
}

impl TestRoot {
    pub(super) fn new() -> Self {
        Self {
            directory: tempfile::tempdir().unwrap(),
        }
    }

    pub(super) fn root(&self) -> Root {
        Root::at(self.directory.path())
    }

    pub(super) fn write(&self, path: &str, content: &str) {
        let path = self.root().path(path);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, content).unwrap();
    }

    pub(super) fn link(&self, path: &str, target: &str) {
        let path = self.root().path(path);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        symlink(target, path).unwrap();
    }

    pub(super) fn read(&self, path: &str) -> String {
        fs::read_to_string(self.root().path(path)).unwrap()
    }
}
