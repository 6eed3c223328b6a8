//! What the tests and the demo need built, and what is installed.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::thread;

use anyhow::{Context, Result, anyhow, ensure};
use object::Endianness;
use object::elf::PT_INTERP;
use object::read::elf::{ElfFile64, ProgramHeader};
use reseat_scenarios::Stage;
use reseat_vm::artifacts::{Bed, Kernel, Part};
use reseat_vm::progress::Progress;

use crate::run::{build, built, cargo, target, top};

/// Static programs need a target of their own, so that build scripts and macros stay dynamic.
const TARGET: &str = "x86_64-unknown-linux-gnu";
const PROFILE: &str = "claim";

/// The programs, and where they are installed.
const PROGRAMS: [(&str, &str); 2] = [("reseat-claim", "usr/sbin/reseat-claim"), ("reseat", "usr/bin/reseat")];

/// The files for the builders of initramfs images, and where they are installed.
const HOOKS: [(&str, &str); 7] = [
    (
        "initramfs-tool/initramfs-tools/hooks/reseat",
        "usr/share/initramfs-tools/hooks/reseat",
    ),
    (
        "initramfs-tool/initramfs-tools/scripts/init-top/00reseat",
        "usr/share/initramfs-tools/scripts/init-top/00reseat",
    ),
    (
        "initramfs-tool/dracut/52reseat/module-setup.sh",
        "usr/lib/dracut/modules.d/52reseat/module-setup.sh",
    ),
    (
        "initramfs-tool/dracut/52reseat/reseat-claim.sh",
        "usr/lib/dracut/modules.d/52reseat/reseat-claim.sh",
    ),
    (
        "initramfs-tool/mkinitcpio/install/reseat",
        "usr/lib/initcpio/install/reseat",
    ),
    (
        "initramfs-tool/mkinitcpio/install/sd-reseat",
        "usr/lib/initcpio/install/sd-reseat",
    ),
    (
        "initramfs-tool/mkinitcpio/hooks/reseat",
        "usr/lib/initcpio/hooks/reseat",
    ),
];

/// The units for systemd, and where they are installed.
const UNITS: [(&str, &str); 3] = [
    (
        "initramfs-tool/systemd/reseat-baseline.service",
        "usr/lib/systemd/system/reseat-baseline.service",
    ),
    (
        "initramfs-tool/systemd/reseat-claim.service",
        "usr/lib/systemd/system/reseat-claim.service",
    ),
    (
        "initramfs-tool/systemd/reseat-quarantine.service",
        "usr/lib/systemd/system/reseat-quarantine.service",
    ),
];

/// The rules for udev, and where they are installed.
const UDEV_RULES: (&str, &str) = (
    "initramfs-tool/udev/72-reseat.rules",
    "usr/lib/udev/rules.d/72-reseat.rules",
);

/// Builds the static programs and lays out the tree that is installed.
pub(crate) fn dist() -> Result<PathBuf> {
    let mut command = cargo(&["build", "--package", "reseat", "--profile", PROFILE, "--target", TARGET]);
    command
        .env("RUSTFLAGS", "-C target-feature=+crt-static")
        // It would win over the other.
        .env_remove("CARGO_ENCODED_RUSTFLAGS");
    let programs = build(&mut command)?;
    let dist = target()?.join("dist");
    if dist.exists() {
        fs::remove_dir_all(&dist).with_context(|| format!("cannot remove {}", dist.display()))?;
    }
    for (program, installed) in PROGRAMS {
        let program = built(&programs, program)?;
        check_static(program)?;
        install(program, &dist.join(installed), PROGRAM)?;
    }
    for (file, installed) in HOOKS {
        install(&top().join(file), &dist.join(installed), PROGRAM)?;
    }
    for (unit, installed) in UNITS.into_iter().chain([UDEV_RULES]) {
        install(&top().join(unit), &dist.join(installed), PLAIN)?;
    }
    Ok(dist)
}

/// An initramfs has no loader, so a program that wants one would fail in the boot: better here.
fn check_static(program: &Path) -> Result<()> {
    let bytes = fs::read(program).with_context(|| format!("cannot read {}", program.display()))?;
    let interpreted = wants_interpreter(&bytes).with_context(|| format!("{} is no ELF file", program.display()))?;
    ensure!(
        !interpreted,
        "{} is not static: it names a loader; does something take +crt-static out of the compiler's flags?",
        program.display()
    );
    Ok(())
}

fn wants_interpreter(bytes: &[u8]) -> Result<bool> {
    let file = ElfFile64::<Endianness>::parse(bytes)?;
    let mut headers = file.elf_program_headers().iter();
    Ok(headers.any(|header| header.p_type(file.endian()) == PT_INTERP))
}

/// Permission bits.
const PROGRAM: u32 = 0o755;
const PLAIN: u32 = 0o644;

fn install(from: &Path, to: &Path, mode: u32) -> Result<()> {
    let copied = to
        .parent()
        .map_or(Ok(()), fs::create_dir_all)
        .and_then(|()| fs::copy(from, to))
        .and_then(|_| fs::set_permissions(to, fs::Permissions::from_mode(mode)));
    copied.with_context(|| format!("cannot copy {} to {}", from.display(), to.display()))
}

/// Everything that a story needs: the bed fetched and the programs built. Fetching waits for the network, building for the
/// processor: together they take as long as the longer one.
pub(crate) fn stage_parts(parts: &[Part]) -> Result<(Bed, PathBuf, PathBuf)> {
    // What this machine lacks is said before it has built for minutes.
    Bed::check_host(parts)?;
    let (bed, built) = thread::scope(|scope| {
        // Lines: cargo draws its own bar on the same terminal.
        let bed = scope.spawn(|| Bed::prepare(parts, &Progress::lines()));
        let built = dist().and_then(|dist| Ok((dist, fake_gpu()?)));
        (bed.join(), built)
    });
    let (dist, fake_gpu) = built?;
    let bed = bed.map_err(|_| anyhow!("fetching the test bed panicked"))??;
    Ok((bed, dist, fake_gpu))
}

/// A stage from these parts, with one kernel.
pub(crate) fn stage() -> Result<Stage> {
    stage_with(&[Part::Kernel(Kernel::Bookworm)])
}

/// A stage from these parts, with what else the bed is to have.
pub(crate) fn stage_with(parts: &[Part]) -> Result<Stage> {
    let (bed, dist, fake_gpu) = stage_parts(parts)?;
    Ok(Stage::new(bed, dist, fake_gpu))
}

/// Builds the fake GPU's program.
fn fake_gpu() -> Result<PathBuf> {
    let programs = build(&mut cargo(&["build", "--package", "fake-gpu"]))?;
    Ok(built(&programs, "fake-gpu")?.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_program_with_a_loader_is_not_static() {
        // The test program itself is linked as the toolchain links by default.
        let own = fs::read(std::env::current_exe().unwrap()).unwrap();
        assert_eq!(
            wants_interpreter(&own).unwrap(),
            cfg!(not(target_feature = "crt-static"))
        );
        assert!(wants_interpreter(b"#!/bin/sh\n").is_err());
    }
}
