//! `cargo xtask panic-free`: reseat-core linked for a microcontroller, and searched for panics.
//!
//! A panic that can be reached goes through `core::panicking`, whose functions are never inlined: one of their symbols in
//! the linked image means that the linker could not prove that no panic is reached.

use std::fs;
use std::path::Path;

use anyhow::{Context, Result, ensure};
use object::{Object, ObjectSection, ObjectSymbol, SectionKind};

use crate::cross::{Compiler, Target};
use crate::run::{build, built, target, top};

const TARGET: Target = Target {
    triple: "thumbv7em-none-eabihf",
    purpose: "to build for a microcontroller",
    library: "core",
};
const PACKAGE: &str = "panic-free";

/// Builds the image and searches it; then one with a panic on purpose, to see that the search finds it.
pub(crate) fn run() -> Result<()> {
    let compiler = Compiler::find(&TARGET)?;
    let image = linked(&compiler, &[])?;
    ensure!(
        image.panics.is_empty(),
        "reseat-core can panic, by way of {}",
        image.panics.join(", ")
    );
    println!(
        "reseat-core for {}: no panic in the image; {} bytes of flash",
        TARGET.triple, image.flash
    );

    let control = linked(&compiler, &["--features", "panicking"])?;
    ensure!(
        !control.panics.is_empty(),
        "the search does not find a panic that is there"
    );
    println!("with a panic on purpose the search finds {}", control.panics.join(", "));
    Ok(())
}

/// Builds the image with these arguments more, and searches it.
fn linked(compiler: &Compiler, more: &[&str]) -> Result<Image> {
    let mut command = compiler.build(&TARGET, "-Clink-arg=--entry=_start");
    command.args(["--release", "--manifest-path"]);
    command.arg(top().join("tests").join(PACKAGE).join("Cargo.toml"));
    command.arg("--target-dir").arg(target()?.join(PACKAGE)).args(more);
    Image::read(built(&build(&mut command)?, PACKAGE)?)
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
