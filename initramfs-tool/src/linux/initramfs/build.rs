//! Having images built, by whom the distribution does it.

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
        vfio_built_in: built_in("/lib/modules") || built_in("/usr/lib/modules"),
        variants: variants::of_this_machine(root, kernel),
    })
}

/// Runs what the distribution runs after it has built an image: some boot loaders want a copy of it.
pub(super) fn run_after_build(root: &Root, builder: Builder, kernel: &str, image: &Path) -> Result<(), InitramfsError> {
    let Some(directory) = builder
        .after_build()
        .map(|directory| root.path(directory))
        .filter(|path| path.is_dir())
    else {
        return Ok(());
    };
    let entries = fs::read_dir(&directory).map_err(failed("list", &directory))?;
    let mut programs: Vec<_> = entries
        .flatten()
        .map(|entry| entry.path())
        .filter(|path| is_run_part(path))
        .collect();
    programs.sort();
    for program in programs {
        let mut command = programs::command(&program);
        command.arg(kernel).arg(root.path(image));
        programs::run(&mut command)?;
    }
    Ok(())
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
    use std::os::unix::fs::PermissionsExt;
    let named = path.file_name().and_then(|name| name.to_str());
    let plain = named.is_some_and(|name| name.chars().all(|c| c.is_ascii_alphanumeric() || "_-".contains(c)));
    let executable = fs::metadata(path).is_ok_and(|there| there.is_file() && there.permissions().mode() & 0o111 != 0);
    plain && executable
}
