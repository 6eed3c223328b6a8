//! `cargo xtask panic-free`: reseat-core linked for a microcontroller, and searched for panics.
//!
//! A panic that can be reached goes through `core::panicking`, whose functions are never inlined: one of their symbols in
//! the linked image means that the linker could not prove that no panic is reached.

use std::env;
use std::ffi::OsString;
use std::fs;
use std::path::Path;
use std::process::Command;

use anyhow::{Context, Result, ensure};
use object::{Object, ObjectSection, ObjectSymbol, SectionKind};

use reseat_vm::artifacts;

use crate::run::{build, built, cargo, output, target, top};

const TARGET: &str = "thumbv7em-none-eabihf";
const PACKAGE: &str = "panic-free";
/// The oldest compiler for core: the workspace has one version for all its crates.
const RUST_VERSION: &str = env!("CARGO_PKG_RUST_VERSION");

/// Debian's compiler with the source of its library: from one source package, so that they match.
const DEBIAN: [&str; 3] = ["rustc-web", "cargo-web", "rust-web-src"];
const DEBIAN_RUSTC: &str = "/usr/bin/rustc";
const DEBIAN_SOURCE: &str = "/usr/lib/rustlib/src/rust/Cargo.toml";

/// Builds the image and searches it; then one with a panic on purpose, to see that the search finds it.
pub(crate) fn run() -> Result<()> {
    let compiler = Compiler::find()?;
    let image = compiler.build(&[])?;
    ensure!(
        image.panics.is_empty(),
        "reseat-core can panic, by way of {}",
        image.panics.join(", ")
    );
    println!(
        "reseat-core for {TARGET}: no panic in the image; {} bytes of flash",
        image.flash
    );

    let control = compiler.build(&["--features", "panicking"])?;
    ensure!(
        !control.panics.is_empty(),
        "the search does not find a panic that is there"
    );
    println!("with a panic on purpose the search finds {}", control.panics.join(", "));
    Ok(())
}

/// Whether Debian's compiler and the source of its library are there, and not older than what core needs.
fn debian_is_new_enough() -> bool {
    let version = output(Command::new(DEBIAN_RUSTC).arg("--version"));
    Path::new(DEBIAN_SOURCE).exists() && version.is_ok_and(|version| is_new_enough(&version))
}

/// Whether a compiler with such a `--version` builds core.
fn is_new_enough(version: &str) -> bool {
    let numbers = |text: &str| -> Option<(u32, u32)> {
        let mut numbers = text.split('.');
        Some((numbers.next()?.parse().ok()?, numbers.next()?.parse().ok()?))
    };
    let version = version.split_whitespace().nth(1).and_then(numbers);
    version >= numbers(RUST_VERSION) && version.is_some()
}

/// How to build for the microcontroller.
enum Compiler {
    /// The toolchain that runs this has the target.
    Own,
    /// Debian's, which builds its library itself. Its linker is the one of the toolchain that runs this.
    Debian { path: OsString },
}

impl Compiler {
    fn find() -> Result<Self> {
        let sysroot = output(Command::new("rustc").args(["--print", "sysroot"]).current_dir(top()))?;
        let libraries = Path::new(sysroot.trim()).join("lib/rustlib");
        if libraries.join(TARGET).is_dir() {
            return Ok(Self::Own);
        }
        if !debian_is_new_enough() {
            println!("no compiler for {TARGET}; `rustup target add {TARGET}` would do, without installing Debian's");
            artifacts::install(&DEBIAN, "to build for a microcontroller")
                .with_context(|| format!("no compiler for {TARGET}: run `rustup target add {TARGET}`, or install"))?;
            ensure!(
                debian_is_new_enough(),
                "Debian's {} is older than Rust {RUST_VERSION}: run `rustup target add {TARGET}`",
                DEBIAN.join(", ")
            );
        }
        let host = output(Command::new("rustc").args(["--print", "host-tuple"]).current_dir(top()))?;
        let linker = libraries.join(host.trim()).join("bin");
        let path = env::var_os("PATH").unwrap_or_default();
        let folders = env::split_paths(&path).chain([linker]);
        let path = env::join_paths(folders).context("PATH cannot be put together")?;
        Ok(Self::Debian { path })
    }

    fn build(&self, more: &[&str]) -> Result<Image> {
        let manifest = top().join("tests").join(PACKAGE).join("Cargo.toml");
        let mut command = match self {
            Self::Own => cargo(&["build"]),
            Self::Debian { path } => {
                let mut command = Command::new("/usr/bin/cargo");
                command
                    .args(["build", "-Zbuild-std=core"])
                    .env("PATH", path)
                    .current_dir(top());
                command.env("RUSTC", DEBIAN_RUSTC).env("RUSTC_BOOTSTRAP", "1");
                command
            }
        };
        command
            .args(["--release", "--target", TARGET, "--manifest-path"])
            .arg(manifest);
        command.arg("--target-dir").arg(target()?.join(PACKAGE)).args(more);
        command
            .env("RUSTFLAGS", "-Clink-arg=--entry=_start")
            .env_remove("CARGO_ENCODED_RUSTFLAGS");
        Image::read(built(&build(&mut command)?, PACKAGE)?)
    }
}

/// What the search found.
struct Image {
    /// Bytes that would be in flash: code and constants.
    flash: u64,
    /// The functions of `core::panicking` that are in it.
    panics: Vec<String>,
}

impl Image {
    fn read(path: &Path) -> Result<Self> {
        let bytes = fs::read(path).with_context(|| format!("cannot read {}", path.display()))?;
        let file = object::File::parse(&*bytes).with_context(|| format!("{} is no object file", path.display()))?;
        // Code and constants; the unwinder's tables would not be loaded.
        let kinds = [SectionKind::Text, SectionKind::ReadOnlyData, SectionKind::Data];
        let in_flash = file.sections().filter(|section| kinds.contains(&section.kind()));
        let in_flash = in_flash.filter(|section| !section.name().is_ok_and(|name| name.starts_with(".ARM.ex")));
        let flash = in_flash.map(|section| section.size()).sum();
        let names = file
            .symbols()
            .filter_map(|symbol| symbol.name().ok().map(str::to_owned));
        // `9panicking` is how either way of mangling writes that module's name.
        let panics = names.filter(|name| name.contains("9panicking")).collect();
        Ok(Self { flash, panics })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn compiler_older_than_core_is_told() {
        assert!(!is_new_enough(
            "rustc 1.85.0 (4d91de4e4 2025-02-17) (built from a source tarball)"
        ));
        assert!(is_new_enough("rustc 1.96.0 (built from a source tarball)"));
        assert!(is_new_enough(&format!("rustc {RUST_VERSION}.0")));
        assert!(!is_new_enough("no compiler"));
    }
}
