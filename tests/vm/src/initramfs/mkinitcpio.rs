//! Stand-ins for mkinitcpio, which can be had from no registry: its install scripts' functions and its init's order as far as
//! its documentation has them. What is shown with them is shown of our scripts, not of mkinitcpio.

use std::path::{Path, PathBuf};

use super::{ImageError, ImageSpec, ROOT_MODULES, run_builder};
use crate::artifacts::KernelFiles;
use crate::chroot::enter;
use crate::files::GuestFile;

const BUILD: &str = include_str!("../../assets/mkinitcpio/build.sh");
const INIT: &str = include_str!("../../assets/mkinitcpio/init.sh");

/// Changes when the same specification builds something else.
pub(super) const RECIPE: &[&str] = &[BUILD, INIT];

/// What a user would write into `HOOKS=`.
const HOOKS: &str = "reseat";

/// Builds the image in a system that has the kernel's modules; the specification's are loaded by name, as those of
/// `MODULES=` are.
pub(super) fn build(spec: &ImageSpec, kernel: &KernelFiles, system: &Path) -> Result<PathBuf, ImageError> {
    let own = [
        GuestFile::executable("build.sh", BUILD),
        GuestFile::executable("usr/lib/initcpio/init", INIT),
    ];
    let mut files = own.iter().chain(&spec.files);
    files.try_for_each(|file| file.install(system))?;
    let modules = spec.modules.iter().map(String::as_str);
    let modules: Vec<&str> = modules.chain(ROOT_MODULES).collect();
    let mut build = enter(system)?;
    build.args(["bash", "/build.sh", &kernel.version, HOOKS, &modules.join(" ")]);
    run_builder(build, |line| !line.trim().is_empty())?;
    Ok(system.join("initramfs.img"))
}
