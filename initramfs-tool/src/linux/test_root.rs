//! A directory that stands for `/`, for tests.

use std::fs;
use std::os::unix::fs::symlink;

use tempfile::TempDir;

#[cfg(feature = "operator")]
use crate::linux::survey::usage::INITIAL_PID_NAMESPACE;
use crate::linux::sysfs::root::Root;
use crate::model::finding::Finding;

/// Where the functions are.
#[cfg(feature = "operator")]
pub(crate) const DEVICES: &str = "/sys/bus/pci/devices";

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

/// What the operator's parts look for.
#[cfg(feature = "operator")]
impl TestRoot {
    /// One with an empty bus, whose /proc shows every process.
    pub(crate) fn with_processes() -> Self {
        let root = Self::new();
        root.link("/proc/1/ns/pid", INITIAL_PID_NAMESPACE);
        fs::create_dir_all(root.root().path(DEVICES)).unwrap();
        root
    }

    /// Puts a function on the bus, with these attributes.
    pub(crate) fn function(&self, address: &str, attributes: &[(&str, &str)]) {
        for (attribute, content) in attributes {
            self.write(&format!("{DEVICES}/{address}/{attribute}"), content);
        }
    }

    /// Shows a function as bound to a driver.
    pub(crate) fn on_driver(&self, address: &str, driver: &str) {
        let link = format!("{DEVICES}/{address}/driver");
        self.link(&link, &format!("../../bus/pci/drivers/{driver}"));
    }

    /// Puts a function into IOMMU group 7.
    pub(crate) fn in_group(&self, address: &str) {
        let link = format!("{DEVICES}/{address}/iommu_group");
        self.link(&link, "../../../kernel/iommu_groups/7");
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
