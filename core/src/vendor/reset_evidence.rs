//! Registers behind a BAR that show that a reset has reached the device, and not only its PCIe interface.
//!
//! A [`DeviceMark`] is written before the reset, read back, and is gone afterwards. A [`DeviceSign`] needs no write: the
//! device itself sets it, and only a reset clears it.
//!
//! | GPU | register | BAR, offset | kind |
//! | --- | --- | --- | --- |
//! | NVIDIA, Turing and later | `NV_PBUS_SW_SCRATCH(30)`, bits 31:16 | 0, 1478 | mark |
//! | NVIDIA, Volta | the same | 0, 15f8 | mark |
//! | NVIDIA, Turing, Ampere, Ada | `NV_PGC6_AON_SECURE_SCRATCH_GROUP_05_0_GFW_BOOT` | 0, 118234 | sign |
//! | AMD, Vega 10 and later, discrete | `MP0_SMN_C2PMSG_81` | 5, 58244 | sign |
//! | Intel, discrete | `GU_CNTL`, `LMEM_INIT` | 0, 101010 | sign |
//!
//! - `NV_PBUS_SW_SCRATCH`: 64 dwords for software, 0 after a reset (`RWIVF`, `dev_bus.ref.txt` of gv100, tu104 and ga100 in
//!   open-gpu-doc; `dev_bus.h` of ga100, ad102, gh100, gb100 and gb102 in the open kernel modules, 595.45.04). Number 30 is
//!   where NVIDIA's driver notes that the GPU needs a reset, in bits 0 and 1 (`gpuSetResetScratchBit_GP100`,
//!   `gpuSetDrainAndResetScratchBit_GA100`), so that a reset has to clear it. `GB20x` has it at the same place
//!   (`gpuReadPBusScratch_GB100`: `NV_PBUS0_PRI_BASE` 1000, and 400). No source names the signal that clears it.
//! - `C2PMSG_81` is not 0 once a driver has loaded the PSP's sOS. amdgpu resets a GPU that it finds so
//!   (`soc15_need_reset_on_init`, `soc21_need_reset_on_init`). The PSP's registers begin at dword 16000, as in
//!   `amdgpu_discovery.c` (`mmMP0_SMN_C2PMSG_33`, 16061).
//! - `LMEM_INIT` is set by firmware when it has trained the memory; i915 and xe wait for it.
//!
//! AMD and Intel have scratch registers too, and none of them is a mark: AMD's `BIOS_SCRATCH` is the VBIOS's own, and the
//! driver's note there that an engine hangs is meant to outlast the reset (`amdgpu_atombios_scratch_regs_engine_hung`).
//! `SCRATCH_REG0` lies in the graphics block, which may be gated while no driver runs. Intel's `SOFT_SCRATCH` needs its
//! forcewake, and the one that does not (190240) is a mailbox.

use super::{BarRegister, BootSign, Chip, is_intel_discrete, is_processor_with_graphics, is_soc15_or_later};
use crate::header::{ClassCode, Identity, is_gpu};
use crate::quirk::{Confidence, Source};

/// A register that software may write, and that a reset of the device sets to 0.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize))]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
pub struct DeviceMark {
    /// The register.
    pub register: BarRegister,
    /// The bits that a mark may take. The others keep their value.
    pub mask: u32,
    /// The source.
    pub source: Source,
    /// How far the source carries.
    pub confidence: Confidence,
    /// The register's name.
    pub name: &'static str,
}

/// A register that the device or its driver sets, and that only a reset of the device clears. A sign that stays set proves
/// nothing: the firmware may be up again by the time of the read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize))]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
pub struct DeviceSign {
    /// The register.
    pub register: BarRegister,
    /// The values that count as set.
    pub set: SetWhen,
    /// The source.
    pub source: Source,
    /// How far the source carries.
    pub confidence: Confidence,
    /// The register's name.
    pub name: &'static str,
}

/// The values of a register that count as set.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize))]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
pub enum SetWhen {
    /// NVIDIA's firmware has booted: bits 7:0 are ff, in a value that is no error.
    GfwBooted,
    /// Any of these bits is set.
    Any(u32),
}

impl DeviceSign {
    /// True if `value` counts as set; `None` for all-ones, which is no answer of the device's.
    pub const fn is_set(self, value: u32) -> Option<bool> {
        match (value, self.set) {
            (u32::MAX, _) => None,
            (_, SetWhen::GfwBooted) => Some(BootSign::GfwBoot.is_complete(value)),
            (_, SetWhen::Any(bits)) => Some(value & bits != 0),
        }
    }
}

const TURING_SCRATCH: DeviceMark = DeviceMark {
    register: BarRegister { bar: 0, offset: 0x1478 },
    mask: 0xffff_0000,
    source: Source::VendorDocumentation,
    confidence: Confidence::Vendor,
    name: "NV_PBUS_SW_SCRATCH(30)",
};

const VOLTA_SCRATCH: DeviceMark = DeviceMark {
    register: BarRegister { bar: 0, offset: 0x15f8 },
    ..TURING_SCRATCH
};

const GFW_BOOT: DeviceSign = DeviceSign {
    register: BarRegister {
        bar: 0,
        offset: BootSign::GfwBoot.offset(),
    },
    set: SetWhen::GfwBooted,
    source: Source::VendorDocumentation,
    confidence: Confidence::Vendor,
    name: "NV_PGC6_AON_SECURE_SCRATCH_GROUP_05_0_GFW_BOOT",
};

const SOS_SIGN_OF_LIFE: DeviceSign = DeviceSign {
    register: BarRegister {
        bar: 5,
        offset: 0x5_8244,
    },
    set: SetWhen::Any(u32::MAX),
    source: Source::Linux,
    confidence: Confidence::Kernel,
    name: "MP0_SMN_C2PMSG_81",
};

const LMEM_INIT: DeviceSign = DeviceSign {
    register: super::GU_CNTL,
    set: SetWhen::Any(super::LMEM_INIT),
    source: Source::Linux,
    confidence: Confidence::Kernel,
    name: "GU_CNTL.LMEM_INIT",
};

/// The mark for a GPU, if one is known. `boot_0` is what NVIDIA's `NV_PMC_BOOT_0` reads.
pub fn device_mark(identity: Identity, class: ClassCode, boot_0: Option<u32>) -> Option<&'static DeviceMark> {
    let chip = nvidia(identity, class, boot_0)?;
    match chip.architecture {
        Chip::VOLTA => Some(&VOLTA_SCRATCH),
        Chip::TURING..=Chip::BLACKWELL_GB20X => chip.is_discrete().then_some(&TURING_SCRATCH),
        _ => None,
    }
}

/// The sign for a GPU, if one is known. `boot_0` is what NVIDIA's `NV_PMC_BOOT_0` reads.
pub fn device_sign(identity: Identity, class: ClassCode, boot_0: Option<u32>) -> Option<&'static DeviceSign> {
    match identity.vendor {
        0x10de => {
            let sign = nvidia(identity, class, boot_0)?.boot_sign();
            (sign == Ok(BootSign::GfwBoot)).then_some(&GFW_BOOT)
        }
        0x1002 => {
            let has_one = is_gpu(identity, class)
                && is_soc15_or_later(identity.device)
                && !is_processor_with_graphics(identity.device);
            has_one.then_some(&SOS_SIGN_OF_LIFE)
        }
        0x8086 => is_intel_discrete(identity, class).then_some(&LMEM_INIT),
        _ => None,
    }
}

fn nvidia(identity: Identity, class: ClassCode, boot_0: Option<u32>) -> Option<Chip> {
    let is_nvidia = identity.vendor == 0x10de && class.is_display_controller();
    boot_0.filter(|_| is_nvidia).and_then(Chip::from_boot_0)
}
