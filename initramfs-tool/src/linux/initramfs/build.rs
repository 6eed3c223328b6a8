//! Having images built, by whom the distribution does it.

use std::collections::BTreeMap;
use std::ffi::OsString;
use std::fs;
use std::path::{Path, PathBuf};

use super::changes::remove_if_there;
use super::{InitramfsError, facts, failed, images, presets, programs};
use crate::initramfs::builder::Builder;
use crate::initramfs::contents::{Contents, RequiredContents};
use crate::initramfs::plan::InstallRefusal;
use crate::linux::claim::variants;
use crate::linux::state::rules::RULES_FILE;
use crate::linux::sysfs::root::Root;

/// The options that the distribution has for this image.
pub(super) fn options_of_preset(
    root: &Root,
    builder: Builder,
    kernel: &str,
    image: &Path,
) -> Result<Vec<String>, InitramfsError> {
    match builder {
        Builder::Mkinitcpio => {
            presets::options(root, kernel, image).map_err(|refusal| InitramfsError::Refused(vec![refusal]))
        }
        Builder::InitramfsTools | Builder::Dracut => Ok(Vec::new()),
    }
}

/// Has a kernel's image built in a new file, and says what is in it and of what the builder has warned.
pub(super) fn build(
    root: &Root,
    builder: Builder,
    (kernel, image): (&str, &Path),
    new: &Path,
) -> Result<(Contents, String), InitramfsError> {
    let refused = |refusal| InitramfsError::Refused(vec![refusal]);
    let program =
        programs::of_builder(root, builder).ok_or_else(|| refused(InstallRefusal::BuilderNotThere(builder)))?;
    let new = root.path(new);
    remove_if_there(&new)?;
    let mut command = programs::command(&program);
    command.args(builder.arguments(kernel, &new));
    command.args(options_of_preset(root, builder, kernel, image)?);
    // Some versions of the builder do not know it, and announce nothing either.
    let known = |option: &&str| fs::read(&program).is_ok_and(|text| String::from_utf8_lossy(&text).contains(option));
    command.args(builder.without_announcement().filter(known));
    let said = programs::run(&mut command)?;
    if !new.is_file() {
        let how = format!("it made no image:\n{}", programs::last_lines(&said));
        let command = program.display().to_string();
        return Err(InitramfsError::Program { command, how });
    }
    Ok((images::look_into(root, &new)?, programs::warnings(&said)))
}

/// The required content of an image that is built now.
pub(super) fn wanted(root: &Root, builder: Builder, kernel: &str) -> Result<RequiredContents, InitramfsError> {
    let digest = |path: &str| {
        let path = root.path(path);
        path.exists().then(|| images::digest(&path)).transpose()
    };
    let built_in = |directory: &str| {
        let list = fs::read_to_string(root.path(directory).join(kernel).join("modules.builtin"));
        list.is_ok_and(|list| list.lines().any(|line| line.ends_with("/vfio-pci.ko")))
    };
    Ok(RequiredContents {
        builder,
        kernel: kernel.to_owned(),
        program: digest(facts::PROGRAM)?,
        rules: digest(RULES_FILE)?,
        quarantine: digest("/var/lib/reseat/quarantine.json")?,
        has_type1_module: has_module(root, kernel, "/vfio_iommu_type1.ko"),
        vfio_built_in: built_in("/lib/modules") || built_in("/usr/lib/modules"),
        variants: variants::of_this_machine(root, kernel),
    })
}

/// Returns true if the list of a kernel's modules has this file.
fn has_module(root: &Root, kernel: &str, file: &str) -> bool {
    let list = |directory: &str| fs::read_to_string(root.path(directory).join(kernel).join("modules.dep"));
    let lists = ["/lib/modules", "/usr/lib/modules"].map(list);
    let mut lines = lists.iter().flatten().flat_map(|list| list.lines());
    lines.any(|line| line.split(':').next().is_some_and(|module| module.contains(file)))
}

/// Runs what the distribution runs after it has built an image: some boot loaders want a copy of it.
pub(super) fn run_after_build(root: &Root, builder: Builder, kernel: &str, image: &Path) -> Result<(), InitramfsError> {
    for program in programs_after_build(root, builder)? {
        let mut command = programs::command(&program);
        match builder {
            // Kernel, image and unified image, as mkinitcpio(8) has it.
            Builder::Mkinitcpio => command
                .arg(presets::kernel_of(root, kernel))
                .arg(root.path(image))
                .arg("")
                .variable("KERNELVERSION", kernel),
            Builder::InitramfsTools | Builder::Dracut => command.arg(kernel).arg(root.path(image)),
        };
        programs::run(&mut command)?;
    }
    Ok(())
}

/// The programs of these directories, by name.
fn programs_after_build(root: &Root, builder: Builder) -> Result<Vec<PathBuf>, InitramfsError> {
    let mut programs: BTreeMap<OsString, PathBuf> = BTreeMap::new();
    let directories = builder.after_build().iter().map(|directory| root.path(directory));
    for directory in directories.filter(|path| path.is_dir()) {
        let entries = fs::read_dir(&directory).map_err(failed("list", &directory))?;
        let entries = entries.flatten().filter(|entry| match builder {
            Builder::Mkinitcpio => is_program(&entry.path()),
            Builder::InitramfsTools | Builder::Dracut => is_run_part(&entry.path()),
        });
        for entry in entries {
            programs.entry(entry.file_name()).or_insert_with(|| entry.path());
        }
    }
    Ok(programs.into_values().collect())
}

/// Runs it again, after the images from before are back. Returns the errors.
pub(super) fn run_after_restore(root: &Root, builder: Builder, announced: &[(String, PathBuf)]) -> Vec<InitramfsError> {
    let done = announced
        .iter()
        .map(|(kernel, image)| run_after_build(root, builder, kernel, image));
    done.filter_map(Result::err).collect()
}

/// As `run-parts` has it: an executable whose name is made of letters, digits, `_` and `-`.
fn is_run_part(path: &Path) -> bool {
    let named = path.file_name().and_then(|name| name.to_str());
    let plain = named.is_some_and(|name| name.chars().all(|c| c.is_ascii_alphanumeric() || "_-".contains(c)));
    plain && is_program(path)
}

fn is_program(path: &Path) -> bool {
    use std::os::unix::fs::PermissionsExt;
    fs::metadata(path).is_ok_and(|there| there.is_file() && there.permissions().mode() & 0o111 != 0)
}
