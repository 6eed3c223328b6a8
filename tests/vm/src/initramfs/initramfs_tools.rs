//! Debian's own `mkinitramfs`.

use std::fs;
use std::path::{Path, PathBuf};

use super::{ImageError, ImageSpec, ROOT_MODULES, run_builder};
use crate::artifacts::KernelFiles;
use crate::chroot::enter;
use crate::files::{FileError, GuestFile, create_directory};

/// Changes when the same specification builds something else.
pub(super) const RECIPE: &[&str] = &["2", CONFIGURATION];

/// The hook that makes modules available to udev.
const BED_HOOK: &str = "etc/initramfs-tools/hooks/bed-modules";

/// Under TCG an lz4 image is unpacked fastest; measured against zstd, gzip and none.
const CONFIGURATION: &str = "MODULES=list\nCOMPRESS=lz4\nCOMPRESSLEVEL=1\nRESUME=none\n";

/// Builds the image in a system that has the kernel's modules.
pub(super) fn build(spec: &ImageSpec, kernel: &KernelFiles, system: &Path) -> Result<PathBuf, ImageError> {
    prepare(spec, kernel, system)?;
    let mut build = enter(system)?;
    build.args(["mkinitramfs", "-o", "/initramfs.img", &kernel.version]);
    run_builder(build, is_warning)?;
    Ok(system.join("initramfs.img"))
}

/// Puts everything into the system that the build takes up.
pub(super) fn prepare(spec: &ImageSpec, kernel: &KernelFiles, system: &Path) -> Result<(), FileError> {
    link_configuration(kernel, system)?;
    configure(spec, system)
}

/// `mkinitramfs` asks the kernel's configuration which compressions it can open.
fn link_configuration(kernel: &KernelFiles, system: &Path) -> Result<(), FileError> {
    let boot = system.join("boot");
    create_directory(&boot)?;
    let target = boot.join(format!("config-{}", kernel.version));
    fs::hard_link(kernel.configuration(), &target).map_err(FileError::of("link", &target))
}

/// Writes the bed's configuration and the caller's files into the system.
fn configure(spec: &ImageSpec, system: &Path) -> Result<(), FileError> {
    let own = [
        GuestFile::new("etc/initramfs-tools/conf.d/bed", CONFIGURATION),
        // Loaded by name before the root is looked for.
        GuestFile::new(
            "etc/initramfs-tools/modules",
            ROOT_MODULES.map(|module| format!("{module}\n")).concat(),
        ),
        GuestFile::executable(BED_HOOK, modules_hook(&spec.modules)),
    ];
    let mut all = own.iter().chain(&spec.files);
    all.try_for_each(|file| file.install(system))
}

/// A hook, because modules in `modules` would be loaded by name, not when udev finds a device.
fn modules_hook(modules: &[String]) -> String {
    let modules = modules.join(" ");
    format!(
        "#!/bin/sh -e\n\
         case \"$1\" in prereqs) exit 0 ;; esac\n\
         . /usr/share/initramfs-tools/hook-functions\n\
         for module in {modules}; do\n\
         \tmodprobe --set-version=\"$version\" --show-depends \"$module\" >/dev/null\n\
         \tmanual_add_modules \"$module\"\n\
         done\n"
    )
}

/// Firmware is not free and not in the bed: the fake functions need none.
fn is_warning(line: &str) -> bool {
    !line.trim().is_empty() && !line.starts_with("W: Possible missing firmware")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_module_that_is_missing_fails_the_hook() {
        let hook = modules_hook(&["nouveau".to_owned(), "xhci_pci".to_owned()]);
        assert!(hook.starts_with("#!/bin/sh -e\n"));
        assert!(hook.contains("for module in nouveau xhci_pci; do"));
    }

    #[test]
    fn missing_firmware_is_no_warning_but_other_lines_are() {
        assert!(!is_warning("W: Possible missing firmware /lib/firmware/a for module b"));
        assert!(is_warning("W: mkinitramfs: something"));
    }
}
