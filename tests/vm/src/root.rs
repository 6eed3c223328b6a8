//! The root file system behind the initramfs: busybox, and an init that serves a shell.

use std::fs;
use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};
use std::process::Command;

use crate::artifacts::{Architecture, Bed, Missing, Tree};
use crate::files::{self, FileError, GuestFile, create_directory};
use crate::fingerprint::Fingerprint;
use crate::process::{self, CommandError};

/// Changes when the same specification builds something else.
const RECIPE: &str = "2";

/// Without it systemd takes the root for none, and does not go there.
const OS_RELEASE: &str = "ID=bed\nPRETTY_NAME=\"the test bed's root\"\n";

const INIT: &str = include_str!("../assets/root-init.sh");

/// In its package.
pub(crate) const BUSYBOX: &str = "bin/busybox";

const DIRECTORIES: [&str; 11] = [
    "bin", "dev", "etc", "proc", "root", "run", "sbin", "sys", "tmp", "usr/bin", "var",
];

/// Room for busybox and the metadata; nothing is written to a mounted root.
const SLACK: u64 = 8 << 20;

/// A root could not be built.
#[derive(Debug, thiserror::Error)]
pub enum RootError {
    /// There is no busybox for this processor.
    #[error(transparent)]
    Missing(#[from] Missing),
    /// A file of the build.
    #[error(transparent)]
    File(#[from] FileError),
    /// `mke2fs` or busybox.
    #[error(transparent)]
    Build(#[from] CommandError),
}

impl Bed {
    /// A root image for this processor with these files, built if it is not in the cache.
    ///
    /// # Errors
    /// When there is no busybox for the processor, a file cannot be written or `mke2fs` fails.
    pub fn root(&self, architecture: Architecture, extra: &[GuestFile]) -> Result<PathBuf, RootError> {
        let busybox = self.busybox(architecture)?;
        let print = Fingerprint::new("root").parts([RECIPE, INIT]);
        let print = print.part(busybox.stamp()?).part(self.tools.stamp()?);
        let print = files::fingerprint(print, extra).hex();
        let path = self.part("roots").join(print).with_extension("ext4");
        let _building = self.building(&path)?;
        if self.has(&path)? {
            return Ok(path);
        }
        let work = tempfile::tempdir_in(self.part("work"));
        let work = work.map_err(FileError::of("create a directory in", &self.part("work")))?;
        let tree = work.path().join("root");
        self.fill(&tree, &busybox, extra)?;
        let size = SLACK + extra.iter().map(|file| file.contents.len() as u64).sum::<u64>();
        let image = work.path().join("image");
        self.make_file_system(&tree, &image, size)?;
        fs::rename(&image, &path).map_err(FileError::of("put in place", &path))?;
        Ok(path)
    }

    fn fill(&self, tree: &Path, busybox: &Tree, extra: &[GuestFile]) -> Result<(), RootError> {
        for directory in DIRECTORIES {
            create_directory(&tree.join(directory))?;
        }
        GuestFile::program("/bin/busybox", &busybox.path.join(BUSYBOX))?.install(tree)?;
        for applet in self.applets()? {
            let link = tree.join("bin").join(applet);
            symlink("busybox", &link).map_err(FileError::of("link", &link))?;
        }
        GuestFile::executable("/sbin/init", INIT).install(tree)?;
        GuestFile::new("/etc/os-release", OS_RELEASE).install(tree)?;
        extra.iter().try_for_each(|file| file.install(tree))?;
        Ok(())
    }

    /// The names of busybox's programs, by the one that runs here: another processor's has hardly others.
    fn applets(&self) -> Result<Vec<String>, RootError> {
        let own = self.busybox(Architecture::X86_64)?.path.join(BUSYBOX);
        let listed = process::run(Command::new(own).arg("--list"))?;
        Ok(applets_of(&listed.stdout))
    }

    fn make_file_system(&self, tree: &Path, image: &Path, size: u64) -> Result<(), CommandError> {
        let mut make = self.tools.command("usr/sbin/mke2fs");
        make.env("MKE2FS_CONFIG", self.tools.path.join("etc/mke2fs.conf"));
        make.args(["-q", "-F", "-t", "ext4", "-O", "^has_journal", "-L", "bed", "-d"]);
        make.arg(tree).arg(image).arg(format!("{}k", size >> 10));
        process::run(&mut make)?;
        Ok(())
    }
}

fn applets_of(list: &[u8]) -> Vec<String> {
    let list = String::from_utf8_lossy(list);
    let applets = list.lines().filter(|name| !name.is_empty() && *name != "busybox");
    applets.map(str::to_owned).collect()
}
