//! Compilers for targets that the toolchain which runs this may lack.

use std::env;
use std::ffi::OsString;
use std::path::Path;
use std::process::Command;

use anyhow::{Context, Result, ensure};
use reseat_vm::artifacts;

use crate::run::{cargo, output, top};

/// The oldest compiler for our code: the workspace has one version for all its crates.
const RUST_VERSION: &str = env!("CARGO_PKG_RUST_VERSION");

/// Debian's compiler with the source of its library: from one source package, so that they match.
const DEBIAN: [&str; 3] = ["rustc-web", "cargo-web", "rust-web-src"];
const DEBIAN_CARGO: &str = "/usr/bin/cargo";
const DEBIAN_RUSTC: &str = "/usr/bin/rustc";
const DEBIAN_SOURCE: &str = "/usr/lib/rustlib/src/rust/Cargo.toml";

/// What a compiler is wanted for.
pub(crate) struct Target {
    pub(crate) triple: &'static str,
    /// Ends the sentence of what is installed.
    pub(crate) purpose: &'static str,
    /// The parts of the library that Debian's compiler has to build: `-Zbuild-std=`.
    pub(crate) library: &'static str,
}

/// How to build for a target.
pub(crate) enum Compiler {
    /// The toolchain that runs this has the target.
    Own,
    /// Debian's, which builds its library itself. Its linker for bare metal is the one of the toolchain that runs this.
    Debian { path: OsString },
}

impl Compiler {
    /// The toolchain's own target when it has it, otherwise Debian's compiler, which root installs.
    pub(crate) fn find(target: &Target) -> Result<Self> {
        let sysroot = output(Command::new("rustc").args(["--print", "sysroot"]).current_dir(top()))?;
        let libraries = Path::new(sysroot.trim()).join("lib/rustlib");
        let triple = target.triple;
        if libraries.join(triple).is_dir() {
            return Ok(Self::Own);
        }
        if !debian_is_new_enough() {
            println!("no compiler for {triple}; `rustup target add {triple}` would do, without installing Debian's");
            artifacts::install(&DEBIAN, target.purpose)
                .with_context(|| format!("no compiler for {triple}: run `rustup target add {triple}`, or install"))?;
            ensure!(
                debian_is_new_enough(),
                "Debian's {} is older than Rust {RUST_VERSION}: run `rustup target add {triple}`",
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

    /// A `cargo build` for the target with these flags of the compiler.
    pub(crate) fn build(&self, target: &Target, flags: &str) -> Command {
        let mut command = match self {
            Self::Own => cargo(&["build"]),
            Self::Debian { path } => {
                let mut command = Command::new(DEBIAN_CARGO);
                command
                    .args(["build", &format!("-Zbuild-std={}", target.library)])
                    .current_dir(top());
                command.env("PATH", path).env("RUSTC", DEBIAN_RUSTC);
                command.env("RUSTC_BOOTSTRAP", "1");
                command
            }
        };
        command
            .args(["--target", target.triple])
            .env("RUSTFLAGS", flags)
            // It would win over the other.
            .env_remove("CARGO_ENCODED_RUSTFLAGS");
        command
    }
}

/// Whether Debian's compiler and the source of its library are there, and not older than what our code needs.
fn debian_is_new_enough() -> bool {
    let version = output(Command::new(DEBIAN_RUSTC).arg("--version"));
    Path::new(DEBIAN_SOURCE).exists() && version.is_ok_and(|version| is_new_enough(&version))
}

/// Whether a compiler with such a `--version` builds our code.
fn is_new_enough(version: &str) -> bool {
    let numbers = |text: &str| -> Option<(u32, u32)> {
        let mut numbers = text.split('.');
        Some((numbers.next()?.parse().ok()?, numbers.next()?.parse().ok()?))
    };
    let version = version.split_whitespace().nth(1).and_then(numbers);
    version >= numbers(RUST_VERSION) && version.is_some()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_compiler_older_than_our_code_is_told() {
        assert!(!is_new_enough(
            "rustc 1.85.0 (4d91de4e4 2025-02-17) (built from a source tarball)"
        ));
        assert!(is_new_enough("rustc 1.96.0 (built from a source tarball)"));
        assert!(is_new_enough(&format!("rustc {RUST_VERSION}.0")));
        assert!(!is_new_enough("no compiler"));
    }
}
