//! An image that the bed puts together itself, for a processor whose programs do not run here: a builder's hooks would have to.
//! What is shown with it is shown of the programs and of what runs in the boot, not of how a builder takes them in.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

use walkdir::WalkDir;

use super::{ImageError, ImageSpec, ROOT_MODULES};
use crate::artifacts::{KernelFiles, Tree};
use crate::cpio;
use crate::files::{self, FileError, GuestFile, create_directory};
use crate::process;
use crate::root::BUSYBOX;

const INIT: &str = include_str!("../../assets/bare-init.sh");

/// Changes when the same specification builds something else.
pub(super) const RECIPE: &[&str] = &["1", INIT, CHECKSUM];

/// What ext4 asks for by another name than a module's.
const CHECKSUM: &str = "crc32c_generic";

/// What `depmod` reads beside the modules.
const INDEX_SOURCES: [&str; 3] = ["modules.builtin", "modules.builtin.modinfo", "modules.order"];

/// Builds the image in an empty directory.
pub(super) fn build(
    spec: &ImageSpec,
    kernel: &KernelFiles,
    busybox: &Tree,
    tools: &Tree,
    directory: &Path,
) -> Result<PathBuf, ImageError> {
    let tree = directory.join("tree");
    install_modules(spec, kernel, &tree)?;
    let mut depmod = tools.command_as("usr/bin/kmod", "depmod");
    process::run(depmod.arg("-b").arg(&tree).arg(&kernel.version))?;

    let mut files = vec![
        GuestFile::executable("init", INIT),
        GuestFile::program("usr/bin/busybox", &busybox.path.join(BUSYBOX))?,
    ];
    files.extend(contents(&tree)?);
    files.extend(spec.files.iter().cloned());
    let image = directory.join("initramfs.img");
    files::write_whole(&image, &cpio::archive(&files)?)?;
    Ok(image)
}

/// Puts the modules that are wanted into a tree, with those that they depend on.
fn install_modules(spec: &ImageSpec, kernel: &KernelFiles, tree: &Path) -> Result<(), ImageError> {
    let from = kernel.modules();
    let modules = spec.modules.iter().map(String::as_str);
    let mut wanted = module_files(kernel, modules.chain(ROOT_MODULES).chain([CHECKSUM]))?;
    wanted.extend(INDEX_SOURCES.map(str::to_owned));
    let to = tree.join("lib/modules").join(&kernel.version);
    for file in wanted {
        let target = to.join(&file);
        create_directory(target.parent().unwrap_or(&to))?;
        fs::hard_link(from.join(&file), &target).map_err(FileError::of("link", &target))?;
    }
    Ok(())
}

/// The files of these modules and of those that they depend on, by their paths among a kernel's modules.
pub(crate) fn module_files<'a>(
    kernel: &KernelFiles,
    names: impl IntoIterator<Item = &'a str>,
) -> Result<BTreeSet<String>, ImageError> {
    let read = |name: &str| {
        let path = kernel.modules().join(name);
        fs::read_to_string(&path).map_err(FileError::of("read", &path))
    };
    let (dependencies, built_in) = (read("modules.dep")?, read("modules.builtin")?);
    let mut files = BTreeSet::new();
    for name in names {
        if built_in.lines().any(|file| is_module(file, name)) {
            continue;
        }
        let with_dependencies = with_dependencies(&dependencies, name).ok_or_else(|| ImageError::NoModule {
            name: name.to_owned(),
            kernel: kernel.version.clone(),
        })?;
        files.extend(with_dependencies.map(str::to_owned));
    }
    Ok(files)
}

/// A module's file and those of the modules that it depends on, by lines as `depmod` writes them: `file: file file …`.
fn with_dependencies<'a>(dependencies: &'a str, name: &str) -> Option<impl Iterator<Item = &'a str>> {
    let mut lines = dependencies.lines().filter_map(|line| line.split_once(':'));
    let (file, others) = lines.find(|(file, _)| is_module(file, name))?;
    Some(std::iter::once(file).chain(others.split_whitespace()))
}

/// Whether this is the file of a module, for which `-` and `_` are one.
fn is_module(file: &str, name: &str) -> bool {
    let stem = file.rsplit('/').next().and_then(|file| file.split_once(".ko"));
    stem.is_some_and(|(stem, _)| stem.replace('-', "_") == name.replace('-', "_"))
}

/// The files of a tree, by their paths in it.
fn contents(tree: &Path) -> Result<Vec<GuestFile>, ImageError> {
    let mut files = Vec::new();
    for entry in WalkDir::new(tree).sort_by_file_name() {
        let entry = entry.map_err(|error| FileError::of("list", tree)(error.into()))?;
        if entry.file_type().is_file() {
            let path = entry.path();
            let contents = fs::read(path).map_err(FileError::of("read", path))?;
            files.push(GuestFile::new(path.strip_prefix(tree).unwrap_or(path), contents));
        }
    }
    Ok(files)
}

#[cfg(test)]
mod tests {
    use super::*;

    const DEPENDENCIES: &str = "\
kernel/drivers/vfio/vfio.ko.xz:
kernel/drivers/vfio/pci/vfio-pci-core.ko.xz: kernel/drivers/vfio/vfio.ko.xz
kernel/drivers/vfio/pci/vfio-pci.ko.xz: kernel/drivers/vfio/pci/vfio-pci-core.ko.xz kernel/drivers/vfio/vfio.ko.xz
";

    fn of(name: &str) -> Option<Vec<&'static str>> {
        Some(with_dependencies(DEPENDENCIES, name)?.collect())
    }

    #[test]
    fn a_module_comes_with_those_that_it_depends_on() {
        assert_eq!(
            of("vfio_pci").unwrap(),
            [
                "kernel/drivers/vfio/pci/vfio-pci.ko.xz",
                "kernel/drivers/vfio/pci/vfio-pci-core.ko.xz",
                "kernel/drivers/vfio/vfio.ko.xz"
            ]
        );
        assert_eq!(of("vfio").unwrap(), ["kernel/drivers/vfio/vfio.ko.xz"]);
    }

    #[test]
    fn a_module_that_is_not_there_is_not_passed_over() {
        assert_eq!(of("vfio_p"), None);
        assert_eq!(of("nouveau"), None);
    }
}
