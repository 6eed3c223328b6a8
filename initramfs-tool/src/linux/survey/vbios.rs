//! Which VBIOS a GPU has: as its driver says, or by the ROM of one that no driver of its own has.
//!
//! The ROM is read through the kernel's `rom` attribute, which has its BAR decoded for as long as a page is copied; that is
//! what QEMU does by way of VFIO when it gives a GPU to a virtual machine. Cards may share a decoder between the ROM and their
//! other BARs, so nobody may use the GPU meanwhile. The kernel reads whether or not the function answers: that is for us to
//! look at, and a power state or a decoder that is off stays as it is.

use std::fs::File;
use std::io::{self, Read as _};
use std::path::{Path, PathBuf};

use reseat_core::address::FunctionAddress;
use reseat_core::capability::power_management::PowerState;
use reseat_core::health::{Condition, Reading};
use reseat_core::presence::Readiness;

use super::{admission, usage};
use crate::claim::VFIO_PCI;
use crate::linux::sysfs::attributes::FileError;
use crate::linux::sysfs::config_space::{ConfigError, ConfigFile};
use crate::linux::sysfs::root::Root;
use crate::linux::sysfs::{attributes, functions};
use crate::model::finding::{Finding, Subject, id};
use crate::model::subject::{Member, RecoverySubject};
use crate::model::usage::Usage;
use crate::recovery::vbios;

/// The largest ROM that is read. In bytes; those of GPUs have a half of it.
const LARGEST: u64 = 1 << 20;
/// The ROM's line among a function's resources.
const ROM: usize = 6;
/// In its flags: what is read there is the copy that the boot has made, and may have changed.
const SHADOW: u64 = 0x2;
/// In its flags: it has no address, and the kernel would give it one.
const UNSET: u64 = 0x2000_0000;

/// The VBIOS of the GPU itself.
///
/// # Errors
/// The reasons for which it is not known.
pub(crate) fn of(root: &Root, subject: &RecoverySubject) -> Result<String, Vec<Finding>> {
    find(root, subject).map_err(|error| error.findings(subject))
}

/// The reason for which a VBIOS is not known.
#[derive(Debug, thiserror::Error)]
enum VbiosError {
    #[error(transparent)]
    File(#[from] FileError),
    #[error(transparent)]
    Config(#[from] ConfigError),
    #[error("{0} is no function of it")]
    NoFunction(FunctionAddress),
    #[error("{0} has it, and is not known to tell")]
    Driver(String),
    #[error("its driver does not tell")]
    NotTold,
    #[error("it has no ROM")]
    NoRom,
    #[error("the kernel does not say where its ROM is")]
    NoResource,
    #[error("{0}")]
    NotReady(Readiness),
    #[error("{0}")]
    Unreadable(&'static str),
    #[error("cannot read {path}: {cause}", path = path.display())]
    Rom { path: PathBuf, cause: io::Error },
    #[error("its ROM has more than {LARGEST} bytes")]
    TooLarge,
    #[error(transparent)]
    Content(#[from] vbios::NoVbios),
    #[error("its ROM is not read while it may be in use")]
    Use(Usage),
}

impl VbiosError {
    fn findings(&self, subject: &RecoverySubject) -> Vec<Finding> {
        let warning = |id| Finding::warning(id, Subject::gpu(subject.device));
        match self {
            Self::Use(usage) => {
                let unread = match usage {
                    Usage::Used(_) => warning(id::ROM_IN_USE),
                    Usage::Unknown(_) | Usage::Free => warning(id::ROM_USE_UNKNOWN),
                };
                [unread].into_iter().chain(usage.findings()).collect()
            }
            other => vec![warning(id::VBIOS_UNKNOWN).with("cause", other)],
        }
    }
}

fn find(root: &Root, subject: &RecoverySubject) -> Result<String, VbiosError> {
    let member = subject.members.iter().find(|member| member.address == subject.function);
    let member = member.ok_or(VbiosError::NoFunction(subject.function))?;
    let directory = root.function(member.address);
    let driver = functions::driver_of(root, member.address)?;
    let text = match driver.as_deref() {
        None | Some(VFIO_PCI) => return by_rom(root, subject, member),
        Some("amdgpu") => attributes::read_if_there(&directory.join("vbios_version"))?,
        Some("nvidia") => {
            let file = format!("/proc/driver/nvidia/gpus/{}/information", member.address);
            let text = attributes::read_if_there(&root.path(file))?;
            text.as_deref().and_then(video_bios).map(str::to_owned)
        }
        Some(other) => return Err(VbiosError::Driver(other.to_owned())),
    };
    let version = text.as_deref().and_then(vbios::of_driver);
    version.ok_or(VbiosError::NotTold)
}

/// The text behind `Video BIOS:`.
fn video_bios(information: &str) -> Option<&str> {
    information.lines().find_map(|line| line.strip_prefix("Video BIOS:"))
}

fn by_rom(root: &Root, subject: &RecoverySubject, member: &Member) -> Result<String, VbiosError> {
    let directory = root.function(member.address);
    if !directory.join("rom").exists() {
        return Err(VbiosError::NoRom);
    }
    may_be_read(flags(&directory)?, &observe(root, subject, member)?)?;
    match usage::of(root, &subject.functions()) {
        Usage::Free => {}
        usage @ (Usage::Used(_) | Usage::Unknown(_)) => return Err(VbiosError::Use(usage)),
    }
    let rom = read(&directory.join("rom"))?;
    Ok(vbios::of_rom(member.identity.vendor, &rom)?)
}

fn observe(root: &Root, subject: &RecoverySubject, member: &Member) -> Result<Condition, VbiosError> {
    let admission = admission::admission(root, &subject.ports).map_err(VbiosError::NotReady)?;
    Ok(Condition::read(admission, ConfigFile::open(root, member.address)?))
}

/// The flags of the ROM's resource.
fn flags(directory: &Path) -> Result<u64, VbiosError> {
    let text = attributes::read(&directory.join("resource"))?;
    let flags = text.lines().nth(ROM).and_then(|line| {
        let digits = line.split_whitespace().nth(2)?.strip_prefix("0x")?;
        u64::from_str_radix(digits, 16).ok()
    });
    flags.ok_or(VbiosError::NoResource)
}

/// Allows to read a ROM with these flags of a function in this state.
fn may_be_read(flags: u64, now: &Condition) -> Result<(), VbiosError> {
    Err(VbiosError::Unreadable(match (now.power, now.memory_decode) {
        _ if flags & SHADOW != 0 => "its ROM is seen through the copy that the boot has made",
        _ if flags & UNSET != 0 => "its ROM has no address",
        (Reading::Value(PowerState::D0) | Reading::None, Reading::Value(true)) => return Ok(()),
        (Reading::Value(PowerState::D0) | Reading::None, _) => "its memory decode is off",
        _ => "it is not in D0",
    }))
}

/// The content of the ROM, with its decoder off again.
fn read(path: &Path) -> Result<Vec<u8>, VbiosError> {
    attributes::write(path, "1")?;
    let mut content = Vec::new();
    let opened = File::open(path);
    let read = opened.and_then(|file| file.take(LARGEST + 1).read_to_end(&mut content));
    attributes::write(path, "0")?;
    read.map_err(|cause| VbiosError::Rom {
        path: path.to_owned(),
        cause,
    })?;
    match u64::try_from(content.len()) {
        Ok(length) if length <= LARGEST => Ok(content),
        _ => Err(VbiosError::TooLarge),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_in_d0_with_decode_and_no_copy_is_a_rom_read() {
        let now = |power, memory_decode| Condition {
            power,
            memory_decode,
            ..Condition::unread()
        };
        let (d0, on) = (Reading::Value(PowerState::D0), Reading::Value(true));
        let plain = 0x4_6200;
        may_be_read(plain, &now(d0, on)).unwrap();
        for (flags, now) in [
            (plain | SHADOW, now(d0, on)),
            (plain | UNSET, now(d0, on)),
            (plain, now(Reading::Value(PowerState::D3hot), on)),
            (plain, now(Reading::AllOnes, on)),
            (plain, now(d0, Reading::Value(false))),
            (plain, Condition::unread()),
        ] {
            assert!(may_be_read(flags, &now).is_err(), "{flags:x} {now:?}");
        }
    }

    #[test]
    fn nvidias_driver_says_it_in_a_line() {
        let text =
            "Model: \t\t NVIDIA RTX A4000\nGPU UUID: \t GPU-0\nVideo BIOS: \t 94.04.53.00.0f\nBus Type: \t PCIe\n";
        let said = video_bios(text).and_then(vbios::of_driver);
        assert_eq!(said.as_deref(), Some("94.04.53.00.0f"));
        assert_eq!(video_bios("Model: x"), None);
    }
}
