//! Modules that Debian's kernel lacks, built from its own source by the compiler that built it: simpledrm, and a variant of
//! vfio-pci for a GPU, which no kernel of Debian has, and what the bed itself wants of a kernel: a console that is held, a
//! framebuffer that firmware set up, and a device-specific reset.

use std::fs;
use std::path::{Path, PathBuf};

use super::kernel::KernelFiles;
use super::unpack::Tree;
use crate::chroot;
use crate::files::{FileError, GuestFile, create_directory};
use crate::process::{self, CommandError};

/// In the tree: where they are built.
const PLACE: &str = "build";

/// What is taken out of the kernel's source, and what it is called where it is built.
const SOURCES: [(&str, &str); 3] = [
    ("drivers/firmware/sysfb_simplefb.c", "sysfb_simplefb.c"),
    ("drivers/gpu/drm/tiny/simpledrm.c", "simpledrm.c"),
    ("drivers/vfio/pci/nvgrace-gpu/main.c", "nvgrace_gpu_vfio_pci.c"),
];

/// What is ours.
const OWN: [(&str, &str); 4] = [
    ("bed_console.c", include_str!("../../assets/modules/bed_console.c")),
    (
        "bed_device_reset.c",
        include_str!("../../assets/modules/bed_device_reset.c"),
    ),
    ("bed_sysfb.c", include_str!("../../assets/modules/bed_sysfb.c")),
    ("Makefile", include_str!("../../assets/modules/Makefile")),
];

const MODULES: [&str; 5] = [
    "bed_console.ko",
    "bed_device_reset.ko",
    "bed_sysfb.ko",
    "nvgrace_gpu_vfio_pci.ko",
    "simpledrm.ko",
];

/// Unpacks what is needed of the source in `$1`, builds in `$2` against the headers in `$3`, and leaves out what is only
/// for debuggers.
const BUILD: &str = "tar -xJf \"$1\" -C / --strip-components=1 --occurrence=1 $4 && \
                     make --quiet -C \"$3\" M=\"/$2\" modules && strip --strip-debug /$2/*.ko";

/// Modules could not be built.
#[derive(Debug, thiserror::Error)]
pub enum ModulesError {
    /// A file of the tree.
    #[error(transparent)]
    File(#[from] FileError),
    /// The compiler, or what it needs.
    #[error(transparent)]
    Command(#[from] CommandError),
    /// The packages hold something else.
    #[error("no {what} in {}", tree.display())]
    Lacking {
        /// What.
        what: &'static str,
        /// Where it should have been.
        tree: PathBuf,
    },
}

/// Modules that were built for one version of a kernel.
#[derive(Debug, Clone)]
pub(crate) struct BuiltModules {
    tree: Tree,
}

impl BuiltModules {
    pub(crate) const fn in_tree(tree: Tree) -> Self {
        Self { tree }
    }

    /// Whether they can be loaded into this kernel.
    pub(crate) fn is_for(&self, kernel: &KernelFiles) -> bool {
        let headers = self.tree.path.join("usr/src");
        headers.join(format!("linux-headers-{}", kernel.version)).is_dir()
    }

    /// The files, as they are installed beside a kernel's own modules.
    pub(crate) fn files(&self, kernel: &KernelFiles) -> Result<Vec<GuestFile>, FileError> {
        let directory = Path::new("lib/modules").join(&kernel.version).join("updates");
        let file = |module: &&str| {
            let from = self.tree.path.join(PLACE).join(module);
            let bytes = fs::read(&from).map_err(FileError::of("read", &from))?;
            Ok(GuestFile::new(directory.join(module), bytes))
        };
        MODULES.iter().map(file).collect()
    }

    /// The hash of what they were built from.
    pub(crate) fn stamp(&self) -> Result<String, FileError> {
        self.tree.stamp()
    }
}

/// The texts of what is ours.
pub(super) fn own() -> impl Iterator<Item = &'static str> {
    OWN.into_iter().map(|(_, text)| text)
}

/// Builds them in a system that has the kernel's headers and its source, which goes when it is done.
pub(super) fn build(tree: &Path) -> Result<(), ModulesError> {
    let place = tree.join(PLACE);
    create_directory(&place)?;
    let lacking = |what| ModulesError::Lacking {
        what,
        tree: tree.to_owned(),
    };
    let sources = tree.join("usr/src");
    let archive = find(&sources, "linux-source-", ".tar.xz")?.ok_or_else(|| lacking("source"))?;
    let headers = find(&sources, "linux-headers-", "-amd64")?.ok_or_else(|| lacking("headers"))?;
    let top = archive.trim_end_matches(".tar.xz");
    let members: Vec<String> = SOURCES.iter().map(|(file, _)| format!("{top}/{file}")).collect();
    for (file, called) in SOURCES {
        create_directory(tree.join(file).parent().unwrap_or(tree))?;
        let link = place.join(called);
        std::os::unix::fs::symlink(Path::new("/").join(file), &link).map_err(FileError::of("link", &link))?;
    }
    for (name, text) in OWN {
        let path = place.join(name);
        fs::write(&path, text).map_err(FileError::of("write", &path))?;
    }
    let mut command = chroot::enter(tree)?;
    command.args(["sh", "-c", BUILD, "sh", &format!("/usr/src/{archive}"), PLACE]);
    command.args([&format!("/usr/src/{headers}"), &members.join(" ")]);
    chroot::plain_environment(&mut command);
    process::run(&mut command)?;
    let archive = sources.join(archive);
    fs::remove_file(&archive).map_err(FileError::of("remove", &archive))?;
    Ok(())
}

/// The name of the first entry that begins and ends so.
fn find(directory: &Path, begin: &str, end: &str) -> Result<Option<String>, FileError> {
    let entries = fs::read_dir(directory).map_err(FileError::of("list", directory))?;
    let names = entries
        .flatten()
        .filter_map(|entry| entry.file_name().into_string().ok());
    let mut named: Vec<String> = names
        .filter(|name| name.starts_with(begin) && name.ends_with(end))
        .collect();
    named.sort();
    Ok(named.into_iter().next())
}
