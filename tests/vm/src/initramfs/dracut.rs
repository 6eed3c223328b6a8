//! `dracut`, for images with systemd and without.

use std::path::{Path, PathBuf};
use std::process::Command;

use super::{Builder, ImageError, ImageSpec, ROOT_MODULES, run_builder};
use crate::artifacts::{self, KernelFiles};
use crate::files::{FileError, GuestFile};

/// Changes when the same specification builds something else.
pub(super) const RECIPE: &[&str] = &["2"];

/// For any machine, since the host is not the one that is to boot; the same bytes each time, and no device nodes, which only
/// root could make.
const OPTIONS: [&str; 8] = [
    "--quiet",
    "--force",
    "--no-hostonly",
    "--no-hostonly-cmdline",
    "--no-early-microcode",
    "--reproducible",
    "--compress",
    // Under TCG an lz4 image is unpacked fastest.
    "lz4 -l -1",
];

/// Modules of dracut that no machine of the bed needs.
const OMITTED: [&str; 13] = [
    "hwdb",
    "kernel-modules-extra",
    "lunmask",
    "nvdimm",
    "overlay-root",
    "qemu",
    "resume",
    "systemd-battery-check",
    "systemd-pcrphase",
    "terminfo",
    "usrmount",
    "virtfs",
    "virtiofs",
];

/// What would bring systemd in.
const SYSTEMD: [&str; 5] = [
    "dracut-systemd",
    "systemd",
    "systemd-ask-password",
    "systemd-initrd",
    "systemd-udevd",
];

/// Builds the image in a system that has the kernel's modules.
pub(super) fn build(spec: &ImageSpec, kernel: &KernelFiles, system: &Path) -> Result<PathBuf, ImageError> {
    prepare(spec, system)?;
    let mut build = enter(system);
    build.arg("dracut").args(OPTIONS);
    build.args(["--omit", &omitted(spec)]);
    build.args(["--drivers", &drivers(spec)]);
    build.args(["--kver", &kernel.version, "/initramfs.img"]);
    run_builder(build, is_warning)?;
    Ok(system.join("initramfs.img"))
}

/// Puts everything into the system that the build takes up.
pub(super) fn prepare(spec: &ImageSpec, system: &Path) -> Result<(), FileError> {
    // The host's /sys is not the machine's; dracut wants this one file of it.
    let no_path = GuestFile::new("sys/module/firmware_class/parameters/path", "\n");
    let mut files = spec.files.iter().chain([&no_path]);
    files.try_for_each(|file| file.install(system))
}

/// What [`build`] says by options, as a user says it.
pub(super) fn configuration(spec: &ImageSpec) -> GuestFile {
    let text = format!(
        "hostonly=no\nhostonly_cmdline=no\nearly_microcode=no\nreproducible=yes\ncompress=\"lz4 -l -1\"\n\
         omit_dracutmodules=\" {} \"\ndrivers=\" {} \"\n",
        omitted(spec),
        drivers(spec)
    );
    GuestFile::new("etc/dracut.conf.d/bed.conf", text)
}

fn omitted(spec: &ImageSpec) -> String {
    let systemd = SYSTEMD.iter().filter(|_| spec.builder == Builder::Dracut);
    OMITTED.iter().chain(systemd).copied().collect::<Vec<_>>().join(" ")
}

fn drivers(spec: &ImageSpec) -> String {
    let modules = spec.modules.iter().map(String::as_str);
    ROOT_MODULES.into_iter().chain(modules).collect::<Vec<_>>().join(" ")
}

/// systemd-sysusers tells on standard error what it does for the image.
fn is_warning(line: &str) -> bool {
    !line.trim().is_empty() && !line.starts_with("Creating ")
}

/// A command that goes on as another in the system, in mount points of its own: dracut needs `/dev/fd`, which is in `/proc`.
/// Where libraries are, of which systemd opens some only when it wants them, dracut learns from ldconfig's cache.
pub(super) fn enter(system: &Path) -> Command {
    let mut unshare = Command::new(artifacts::program("unshare").unwrap_or_else(|| "unshare".into()));
    if !artifacts::is_root() {
        unshare.arg("--map-root-user");
    }
    unshare.args(["--mount", "sh", "-c"]);
    unshare.arg(
        "mount --rbind /dev \"$0/dev\" && mount --rbind /proc \"$0/proc\" && chroot \"$0\" ldconfig && \
         exec env DRACUT_NO_MKNOD=1 chroot \"$0\" \"$@\"",
    );
    unshare.arg(system);
    unshare
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_dracut_says_is_a_warning_but_for_the_users_it_creates() {
        assert!(is_warning("dracut[W]: reseat: something could not be copied"));
        assert!(is_warning("dracut-install: ERROR: installing 'x'"));
        assert!(!is_warning("Creating user 'daemon' (n/a) with UID 1 and GID 1."));
    }
}
