//! A directory that stands for `/`, for tests.

use std::fs;
use std::os::unix::fs::symlink;

use tempfile::TempDir;

use crate::linux::sysfs::root::Root;
use crate::model::finding::Finding;

/// Gone when it is dropped. Directories on the way to a file or a link are made with it.
pub(crate) struct TestRoot {
    directory: TempDir,
}

impl TestRoot {
    pub(crate) fn new() -> Self {
        Self {
            directory: tempfile::tempdir().unwrap(),
        }
    }

    pub(crate) fn root(&self) -> Root {
        Root::at(self.directory.path())
    }

    pub(crate) fn write(&self, path: &str, content: &str) {
        let path = self.root().path(path);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, content).unwrap();
    }

    pub(crate) fn link(&self, path: &str, target: &str) {
        let path = self.root().path(path);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        symlink(target, path).unwrap();
    }

    pub(crate) fn read(&self, path: &str) -> String {
        fs::read_to_string(self.root().path(path)).unwrap()
    }
}

/// Findings with all their facts in one text.
pub(crate) fn facts_of(findings: &[Finding]) -> String {
    let facts = findings.iter().map(|finding| {
        let facts = finding.evidence.iter().map(|(name, value)| format!(" {name}={value}"));
        format!("{} {}{}", finding.id, finding.subject.name, facts.collect::<String>())
    });
    facts.collect::<Vec<_>>().join("; ")
}
