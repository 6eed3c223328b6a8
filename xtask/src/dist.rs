//! `cargo xtask dist`: the programs, static, and the tree that is installed.

use std::collections::BTreeMap;
use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result, ensure};
use object::Endianness;
use object::elf::PT_INTERP;
use object::read::elf::{ElfFile64, ProgramHeader};
use reseat_vm::artifacts;

use crate::cross::{Compiler, Target};
use crate::manual;
use crate::run::{build, built, cargo, target, top};

const PROFILE: &str = "claim";
const CLAIM: &str = "reseat-claim";
const OPERATOR: &str = "reseat";

/// Where the programs are installed.
pub(crate) const CLAIM_INSTALLED: &str = "usr/sbin/reseat-claim";
pub(crate) const OPERATOR_INSTALLED: &str = "usr/bin/reseat";

/// Static programs need a target named, so that build scripts and macros stay dynamic.
const PLAIN: &str = "x86_64-unknown-linux-gnu";

/// For the initramfs: with the C library and Rust's own both made for size.
const SMALL: Target = Target {
    triple: "x86_64-unknown-linux-musl",
    purpose: "to build a small reseat-claim",
    library: "std,panic_abort",
};
const MUSL_GCC: &str = "musl-gcc";
/// The mark that every archive of `ar` begins with.
const EMPTY_ARCHIVE: &[u8] = b"!<arch>\n";

const AARCH64: Target = Target {
    triple: "aarch64-unknown-linux-gnu",
    purpose: "to build for aarch64",
    library: "std,panic_abort",
};
const AARCH64_GCC: &str = "aarch64-linux-gnu-gcc";
const AARCH64_LIBC: &str = "/usr/aarch64-linux-gnu/lib/libc.a";

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
const UNITS: [(&str, &str); 6] = [
    (
        "initramfs-tool/systemd/reseat-baseline.service",
        "usr/lib/systemd/system/reseat-baseline.service",
    ),
    (
        "initramfs-tool/systemd/reseat-claim.service",
        "usr/lib/systemd/system/reseat-claim.service",
    ),
    (
        "initramfs-tool/systemd/reseat-isolate.service",
        "usr/lib/systemd/system/reseat-isolate.service",
    ),
    (
        "initramfs-tool/systemd/reseat-isolate.timer",
        "usr/lib/systemd/system/reseat-isolate.timer",
    ),
    (
        "initramfs-tool/systemd/reseat-keep-flr-out.service",
        "usr/lib/systemd/system/reseat-keep-flr-out.service",
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

/// Arguments of `cargo xtask dist`.
#[derive(clap::Args)]
pub(crate) struct Arguments {
    /// The machine that it is for.
    #[arg(long, value_enum, default_value_t)]
    target: Machine,
}

#[derive(Clone, Copy, Default, clap::ValueEnum)]
enum Machine {
    #[default]
    #[value(name = "x86-64")]
    X86,
    Aarch64,
}

pub(crate) fn run(arguments: &Arguments) -> Result<PathBuf> {
    match arguments.target {
        Machine::X86 => Ok(dist()?.tree),
        Machine::Aarch64 => aarch64(),
    }
}

/// What was laid out for x86-64.
pub(crate) struct Dist {
    pub(crate) tree: PathBuf,
    /// `reseat-claim` as the toolchain that runs this builds it, whether it is in the tree or not.
    pub(crate) plain: PathBuf,
    /// The one with musl, which is in the tree; or why there is none.
    pub(crate) small: Result<PathBuf>,
}

/// Builds the static programs as the toolchain that runs this builds them, and lays out a tree that is installed: no other
/// compiler is asked for.
pub(crate) fn plain() -> Result<PathBuf> {
    let programs = plain_programs()?;
    let (claim, operator) = (built(&programs, CLAIM)?, built(&programs, OPERATOR)?);
    let tree = target()?.join("dist-plain");
    lay_out(&tree, (claim, PLAIN), (operator, PLAIN))?;
    manual::write(operator, claim, &tree)?;
    Ok(tree)
}

fn plain_programs() -> Result<BTreeMap<String, PathBuf>> {
    let mut command = cargo(&["build", "--target", PLAIN]);
    command
        .env("RUSTFLAGS", static_flags())
        // It would win over the other.
        .env_remove("CARGO_ENCODED_RUSTFLAGS");
    build(of_the_tool(&mut command))
}

/// Builds the static programs and lays out the tree that is installed.
pub(crate) fn dist() -> Result<Dist> {
    let programs = plain_programs()?;
    let plain = built(&programs, CLAIM)?.to_owned();
    // Without a compiler for it there is another program; what does not build is an error.
    let small = small_compiler().map(|compiler| small_claim(&compiler));
    let small = match small {
        Ok(built) => Ok(built?),
        Err(none) => {
            println!("no {CLAIM} with musl, which would be a third of the size: {none:#}");
            Err(none)
        }
    };
    let (claim, kind) = match &small {
        Ok(claim) => (claim, SMALL.triple),
        Err(_) => (&plain, PLAIN),
    };
    let tree = target()?.join("dist");
    lay_out(&tree, (claim, kind), (built(&programs, OPERATOR)?, PLAIN))?;
    manual::write(built(&programs, OPERATOR)?, claim, &tree)?;
    Ok(Dist { tree, plain, small })
}

/// Builds the static programs for aarch64 and lays out the tree that is installed there.
pub(crate) fn aarch64() -> Result<PathBuf> {
    aarch64_by(&aarch64_compiler()?)
}

/// What the build for aarch64 needs, or why it cannot be had.
pub(crate) fn aarch64_compiler() -> Result<Compiler> {
    let compiler = Compiler::find(&AARCH64)?;
    // The compiler may be there without the library that it is to link.
    if !Path::new(AARCH64_LIBC).exists() {
        artifacts::install(&["gcc-aarch64-linux-gnu", "libc6-dev-arm64-cross"], AARCH64.purpose)?;
    }
    Ok(compiler)
}

/// As [`aarch64`], by this compiler.
pub(crate) fn aarch64_by(compiler: &Compiler) -> Result<PathBuf> {
    let mut command = compiler.build(&AARCH64, &static_flags());
    command.env("CARGO_TARGET_AARCH64_UNKNOWN_LINUX_GNU_LINKER", AARCH64_GCC);
    let programs = build(apart(of_the_tool(&mut command))?)?;
    let tree = target()?.join("dist-aarch64");
    let program = |name| built(&programs, name).map(|path| (path, AARCH64.triple));
    lay_out(&tree, program(CLAIM)?, program(OPERATOR)?)?;
    Ok(tree)
}

/// Not position-independent, since relocations are a tenth of such a program; and without the tables for unwinding.
fn static_flags() -> String {
    let script = top().join("xtask/static/no-unwinding.ld");
    format!(
        "-Ctarget-feature=+crt-static -Crelocation-model=static -Clink-arg=-Wl,-T,{}",
        script.display()
    )
}

/// The package and its profile.
fn of_the_tool(command: &mut Command) -> &mut Command {
    command.args(["--package", "reseat", "--profile", PROFILE])
}

/// A folder for what another compiler builds: cargo keeps what it knows of a compiler for one at a time.
fn apart(command: &mut Command) -> Result<&mut Command> {
    Ok(command.arg("--target-dir").arg(target()?.join("cross")))
}

/// What the small build needs, or why it cannot be had.
fn small_compiler() -> Result<Compiler> {
    let compiler = Compiler::find(&SMALL)?;
    if matches!(compiler, Compiler::Debian { .. }) {
        provide(MUSL_GCC, &["musl-tools"], SMALL.purpose)?;
    }
    Ok(compiler)
}

fn small_claim(compiler: &Compiler) -> Result<PathBuf> {
    let mut command = match compiler {
        // rustup's target brings its own musl and linker.
        Compiler::Own => compiler.build(&SMALL, "-Ctarget-feature=+crt-static"),
        Compiler::Debian { .. } => {
            // A panic's words are a tenth of the program. Without them it ends by an illegal instruction, which the kernel
            // logs with its address, and which the claim's supervisor reports of a worker.
            let flags = format!(
                "-Ctarget-feature=+crt-static -Clink-self-contained=no -Crelocation-model=static \
                 -Cforce-unwind-tables=no -L{} -Zunstable-options -Cpanic=immediate-abort",
                without_unwinder()?.display()
            );
            let mut command = compiler.build(&SMALL, &flags);
            command
                .arg("-Zbuild-std-features=optimize_for_size")
                .env("CARGO_TARGET_X86_64_UNKNOWN_LINUX_MUSL_LINKER", MUSL_GCC);
            command
        }
    };
    of_the_tool(&mut command).args(["--bin", CLAIM, "--no-default-features"]);
    Ok(built(&build(apart(&mut command)?)?, CLAIM)?.to_owned())
}

/// The folder of a `libunwind.a` with nothing in it: Rust's library for musl wants to link one, whatever a panic does.
fn without_unwinder() -> Result<PathBuf> {
    let folder = target()?.join("cross-stub");
    let library = folder.join("libunwind.a");
    fs::create_dir_all(&folder)
        .and_then(|()| fs::write(&library, EMPTY_ARCHIVE))
        .with_context(|| format!("cannot write {}", library.display()))?;
    Ok(folder)
}

/// Makes sure that a program is there; root installs its packages.
pub(crate) fn provide(program: &str, packages: &[&'static str], purpose: &str) -> Result<()> {
    if Command::new(program).arg("--version").output().is_err() {
        artifacts::install(packages, purpose)?;
    }
    Ok(())
}

/// Lays out a tree, with the programs and for what each was built.
fn lay_out(tree: &Path, claim: (&Path, &str), operator: (&Path, &str)) -> Result<()> {
    if tree.exists() {
        fs::remove_dir_all(tree).with_context(|| format!("cannot remove {}", tree.display()))?;
    }
    for ((program, triple), installed) in [(claim, CLAIM_INSTALLED), (operator, OPERATOR_INSTALLED)] {
        check_static(program)?;
        install(program, &tree.join(installed), EXECUTABLE)?;
        println!("/{installed}: {} bytes, {triple}", size(program)?);
    }
    for (file, installed) in HOOKS {
        install(&top().join(file), &tree.join(installed), EXECUTABLE)?;
    }
    for (unit, installed) in UNITS.into_iter().chain([UDEV_RULES]) {
        install(&top().join(unit), &tree.join(installed), DATA)?;
    }
    for (folder, installed) in [("initramfs-tool/schemas", SCHEMAS), ("initramfs-tool/docs", PAGES)] {
        install_all(&top().join(folder), &tree.join(installed))?;
    }
    Ok(())
}

/// Installs every file of a folder.
fn install_all(from: &Path, to: &Path) -> Result<()> {
    let entries = fs::read_dir(from).with_context(|| format!("cannot list {}", from.display()))?;
    for entry in entries {
        let entry = entry?;
        install(&entry.path(), &to.join(entry.file_name()), DATA)?;
    }
    Ok(())
}

/// A file's size in bytes.
pub(crate) fn size(path: &Path) -> Result<u64> {
    let metadata = fs::metadata(path).with_context(|| format!("cannot look at {}", path.display()))?;
    Ok(metadata.len())
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
const EXECUTABLE: u32 = 0o755;
/// The JSON Schema of every document that the programs print.
const SCHEMAS: &str = "usr/share/reseat/schemas";
/// The pages that messages and help texts name.
const PAGES: &str = "usr/share/doc/reseat";
const DATA: u32 = 0o644;

fn install(from: &Path, to: &Path, mode: u32) -> Result<()> {
    let copied = to
        .parent()
        .map_or(Ok(()), fs::create_dir_all)
        .and_then(|()| fs::copy(from, to))
        .and_then(|_| fs::set_permissions(to, fs::Permissions::from_mode(mode)));
    copied.with_context(|| format!("cannot copy {} to {}", from.display(), to.display()))
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
