//! The cache directory: where things lie in it, and how they get there.

use std::collections::{BTreeMap, BTreeSet};
use std::env;
use std::fs::{self, File};
use std::os::unix::fs::symlink;
use std::path::{self, Path, PathBuf};
use std::time::{Duration, SystemTime};

use super::apt::AptRoot;
use super::kernel::KernelFiles;
use super::packages::{
    Architecture, BUSYBOX, DRACUT, MODULES, Manifest, PackageSet, QEMU, Release, Scope, TOOLS, discard_changed,
};
use super::unpack::{self, Tree};
use super::{DIRECTORY_VARIABLE, Missing, Part, PrepareError, modules, sources};
use crate::files::{self, FileError, create_directory};
use crate::parallel::in_parallel;
use crate::progress::Progress;

/// What was built or logged is kept this long after its last use; to build it again is cheap.
const KEEP: Duration = Duration::from_secs(24 * 60 * 60);

/// Paths in the cache.
#[derive(Debug, Clone)]
pub(super) struct Layout {
    pub(super) root: PathBuf,
}

impl Layout {
    pub(super) fn locate() -> Self {
        let workspace = Path::new(env!("CARGO_MANIFEST_DIR")).ancestors().nth(2);
        let default = || workspace.unwrap_or(Path::new(".")).join("target/bed");
        let root = env::var_os(DIRECTORY_VARIABLE).map_or_else(default, PathBuf::from);
        // The programs that get paths of the bed run in directories of their own.
        let root = path::absolute(&root).unwrap_or(root);
        Self { root }
    }

    pub(super) fn create(&self) -> Result<(), FileError> {
        let parts = ["apt", "debs", "images", "logs", "manifests", "roots", "trees", "work"];
        parts
            .iter()
            .try_for_each(|part| create_directory(&self.root.join(part)))
    }

    /// Waits until no other process fetches; released when dropped.
    pub(super) fn lock(&self, progress: &Progress) -> Result<File, FileError> {
        let path = self.root.join("lock");
        let file = File::create(&path).map_err(FileError::of("create", &path))?;
        if file.try_lock().is_err() {
            let step = progress.start("waiting for another process that prepares the test bed");
            file.lock().map_err(FileError::of("lock", &path))?;
            step.done("it has ended");
        }
        Ok(file)
    }

    /// Removes what nobody used for a while, and what killed processes left.
    pub(super) fn forget_old(&self) -> Result<(), FileError> {
        files::sweep_temporary();
        let is_old = |time: SystemTime| time.elapsed().is_ok_and(|age| age > KEEP);
        for part in ["images", "logs", "roots", "work"].map(|part| self.root.join(part)) {
            for entry in fs::read_dir(&part).map_err(FileError::of("list", &part))? {
                let path = entry.map_err(FileError::of("list", &part))?.path();
                // What cannot be looked at was a machine's that has just ended.
                let modified = fs::metadata(&path).and_then(|metadata| metadata.modified());
                if modified.is_ok_and(is_old) {
                    remove(&path)?;
                }
            }
        }
        Ok(())
    }

    fn manifest_path(&self, set: &PackageSet) -> PathBuf {
        self.root.join("manifests").join(set.name)
    }

    fn tree_path(&self, set: &PackageSet) -> PathBuf {
        self.root.join("trees").join(set.name)
    }

    pub(super) fn tree(&self, set: &PackageSet) -> Option<Tree> {
        let manifest = Manifest::load(set, &self.manifest_path(set))?;
        Tree::open(&self.tree_path(set), &manifest, &additions(set))
    }

    /// The sets that every bed has and those of these parts, as far as they are not there.
    pub(super) fn lacks(&self, parts: &[Part]) -> Vec<PackageSet> {
        let mut sets = sets_of(parts);
        sets.retain(|set| self.tree(set).is_none());
        sets
    }

    /// The size of the package files of every bed and of these parts; a file that two sets have counts once.
    pub(super) fn package_bytes(&self, parts: &[Part]) -> Result<u64, FileError> {
        let manifests = sets_of(parts)
            .into_iter()
            .filter_map(|set| Manifest::load(&set, &self.manifest_path(&set)));
        let files: BTreeSet<String> = manifests
            .flat_map(|manifest| manifest.files)
            .map(|fetched| fetched.file)
            .collect();
        files.into_iter().try_fold(0, |bytes, file| {
            let path = self.root.join("debs").join(file);
            let metadata = fs::metadata(&path).map_err(FileError::of("look at", &path))?;
            Ok(bytes + metadata.len())
        })
    }

    pub(super) fn require(&self, set: &PackageSet) -> Result<Tree, Missing> {
        self.tree(set).ok_or_else(|| self.missing(set.name))
    }

    pub(super) fn missing(&self, what: &'static str) -> Missing {
        Missing {
            bed: self.root.clone(),
            what,
        }
    }

    /// Fetches the sets that have no manifest, the indices side by side.
    pub(super) fn fetch(&self, sets: &[PackageSet], progress: &Progress) -> Result<(), PrepareError> {
        let mut by_index: BTreeMap<(Release, Architecture), Vec<&PackageSet>> = BTreeMap::new();
        for set in sets {
            if Manifest::load(set, &self.manifest_path(set)).is_none() {
                let index = (set.release, set.architecture);
                by_index.entry(index).or_default().push(set);
            }
        }
        in_parallel(by_index, |((release, architecture), sets)| {
            let mirror = sources::mirror(Path::new("/etc/apt"))?;
            let name = match architecture {
                Architecture::X86_64 => release.name().to_owned(),
                other @ Architecture::Aarch64 => format!("{}-{}", release.name(), other.debian()),
            };
            let directory = self.root.join("apt").join(&name);
            let apt = AptRoot::create(&directory, release, architecture, &mirror)?;
            let step = progress.start(format!("reading the index of {name}"));
            apt.update()?;
            step.done("read");
            for set in sets {
                let fetched = apt.download(set, &self.root.join("debs"), progress)?;
                let manifest = Manifest::record(set, fetched);
                files::write_whole(&self.manifest_path(set), manifest.text().as_bytes())?;
            }
            Ok(())
        })
    }

    /// Unpacks the tools first: kernels are finished with them.
    pub(super) fn unpack(&self, sets: &[PackageSet], progress: &Progress) -> Result<(), PrepareError> {
        let (first, rest): (Vec<PackageSet>, Vec<PackageSet>) = sets.iter().partition(|set| set.name == TOOLS.name);
        for set in first {
            self.unpack_set(&set, progress, |tree| finish_tools(tree).map_err(Into::into))?;
        }
        let tools = self.tree(&TOOLS).ok_or_else(|| self.missing(TOOLS.name))?;
        in_parallel(rest, |set| {
            self.unpack_set(&set, progress, |tree| {
                if set.scope == Scope::KernelParts {
                    KernelFiles::find(tree)?.finish(&tools)?;
                }
                if set.name == DRACUT.name {
                    finish_dracut(tree)?;
                }
                if set.name == MODULES.name {
                    finish_tools(tree)?;
                    modules::build(tree)?;
                }
                Ok(())
            })
        })
    }

    fn unpack_set(
        &self,
        set: &PackageSet,
        progress: &Progress,
        finish: impl FnOnce(&Path) -> Result<(), PrepareError>,
    ) -> Result<(), PrepareError> {
        let manifest = Manifest::load(set, &self.manifest_path(set));
        let manifest = manifest.ok_or_else(|| self.missing(set.name))?;
        let debs = self.root.join("debs");
        let step = progress.start(format!("unpacking {}", set.name));
        if let Some(path) = discard_changed(&manifest.files, &debs)? {
            // The next run fetches the set again: without its record, and without the file.
            let record = self.manifest_path(set);
            fs::remove_file(&record).map_err(FileError::of("remove", &record))?;
            return Err(PrepareError::Changed(path));
        }
        unpack::unpack(&manifest, &debs, &self.tree_path(set), &additions(set), finish)?;
        step.done("ready");
        Ok(())
    }
}

/// The sets that every bed has and those of these parts.
fn sets_of(parts: &[Part]) -> Vec<PackageSet> {
    let mut sets = vec![TOOLS, QEMU, BUSYBOX];
    sets.extend(parts.iter().flat_map(|part| part.packages()));
    sets
}

fn remove(path: &Path) -> Result<(), FileError> {
    let removed = if path.is_dir() {
        fs::remove_dir_all(path)
    } else {
        fs::remove_file(path)
    };
    removed.map_err(FileError::of("remove", path))
}

/// What is ours in a set's tree.
fn additions(set: &PackageSet) -> Vec<&'static str> {
    match set.name == MODULES.name {
        true => modules::own().collect(),
        false => Vec::new(),
    }
}

/// Does what the packages' maintainer scripts would and `mkinitramfs` relies on.
fn finish_tools(tree: &Path) -> Result<(), FileError> {
    for directory in ["dev", "proc", "sys", "tmp", "var/tmp"] {
        create_directory(&tree.join(directory))?;
    }
    let awk = tree.join("usr/bin/awk");
    symlink("mawk", &awk).map_err(FileError::of("link", &awk))
}

/// As [`finish_tools`], for `dracut`.
fn finish_dracut(tree: &Path) -> Result<(), FileError> {
    finish_tools(tree)?;
    for (name, users) in [("passwd", PASSWD), ("group", GROUP)] {
        let path = tree.join("etc").join(name);
        fs::write(&path, users).map_err(FileError::of("write", &path))?;
    }
    Ok(())
}

const PASSWD: &str = "root:x:0:0:root:/root:/bin/sh\nnobody:x:65534:65534:nobody:/nonexistent:/usr/sbin/nologin\n";
const GROUP: &str = "root:x:0:\nnogroup:x:65534:\n";

#[cfg(test)]
mod tests {
    use super::super::packages::Fetched;
    use super::*;

    #[test]
    fn a_set_with_a_corrupt_file_is_refused_and_fetched_again() {
        let directory = tempfile::tempdir().unwrap();
        let layout = Layout {
            root: directory.path().to_owned(),
        };
        layout.create().unwrap();
        let deb = layout.root.join("debs/a_1_all.deb");
        fs::write(&deb, "not what the index says").unwrap();
        let manifest = Manifest::record(
            &BUSYBOX,
            vec![Fetched {
                sha256: "00".to_owned(),
                file: "a_1_all.deb".to_owned(),
            }],
        );
        fs::write(layout.manifest_path(&BUSYBOX), manifest.text()).unwrap();
        let unpacked = layout.unpack_set(&BUSYBOX, &Progress::silent(), |_| Ok(()));
        assert!(matches!(unpacked, Err(PrepareError::Changed(path)) if path == deb));
        assert!(!deb.exists());
        // Without a record the set is one of those that `fetch` fetches.
        assert!(Manifest::load(&BUSYBOX, &layout.manifest_path(&BUSYBOX)).is_none());
        assert!(layout.tree(&BUSYBOX).is_none());
    }

    #[test]
    fn a_file_of_two_sets_counts_once() {
        let directory = tempfile::tempdir().unwrap();
        let layout = Layout {
            root: directory.path().to_owned(),
        };
        layout.create().unwrap();
        let fetched = |file: &str, bytes: usize| {
            fs::write(layout.root.join("debs").join(file), vec![0; bytes]).unwrap();
            Fetched {
                sha256: "00".to_owned(),
                file: file.to_owned(),
            }
        };
        let both = fetched("a_1_all.deb", 100);
        let sets = [
            (&BUSYBOX, vec![both.clone()]),
            (&QEMU, vec![both, fetched("b_1_all.deb", 20)]),
            (&DRACUT, vec![fetched("c_1_all.deb", 3)]),
        ];
        for (set, files) in sets {
            let manifest = Manifest::record(set, files);
            fs::write(layout.manifest_path(set), manifest.text()).unwrap();
        }
        assert_eq!(layout.package_bytes(&[]).unwrap(), 120);
        assert_eq!(layout.package_bytes(&[Part::Dracut]).unwrap(), 123);
    }
}
