//! The registers behind the BARs that identify a working GPU, and the meaning of their values.
//!
//! Configuration space can look healthy although the GPU behind it is dead. [`Check::of`] selects the registers that
//! identify a working GPU. An [`Inquiry`] requests one register after the other, since the value of NVIDIA's first
//! register selects the next one, and ends in the two readings that [`health`](crate::health) compares. It performs no
//! reads itself.
//!
//! | GPU | register | BAR, offset | meaning |
//! | --- | --- | --- | --- |
//! | NVIDIA | `NV_PMC_BOOT_0` | 0, 0 | the chip; `badf…` if the access fails, 0 on Hopper in recovery mode |
//! | Turing, Ampere, Ada | `NV_PGC6_AON_SECURE_SCRATCH_GROUP_05_0_GFW_BOOT` | 0, 118234 | bits 7:0 are ff after the firmware has booted |
//! | Hopper, `GB10x` | `NV_THERM_I2CS_SCRATCH` | 0, 200bc | ff after the FSP has booted |
//! | `GB20x` | `NV_THERM_I2CS_SCRATCH` | 0, ad00bc | the same |
//! | AMD, Vega 10 and later | `RCC_CONFIG_MEMSIZE` | 5, 378c | the memory size; all-ones if dead |
//! | AMD, Bonaire to Polaris | `CONFIG_MEMSIZE` | 5, 5428 | all-ones if dead |
//! | AMD, Tahiti to Hainan | the same | 2, 5428 | the same |
//! | Intel, discrete | `GU_CNTL` | 0, 101010 | bit 7 (`LMEM_INIT`) is set after memory training; all-ones if dead |
//! | others | any | the first memory BAR | all-ones if dead |
//!
//! Sources: NVIDIA's open kernel modules (`nv_ref.h`, `dev_therm.h` of gh100, gb100 and gb202), confirmed by nouveau,
//! nova-core and NVIDIA's gpu-admin-tools; amdgpu (`amdgpu_discovery.c`, which uses this place alone for otherwise
//! unknown parts; `mmCONFIG_MEMSIZE`, dword 150a in `bif_5_0_d.h`, which `vi_asic_pci_config_reset` polls until it is
//! not all-ones; the BAR as in `amdgpu_device_init`); i915 (`intel_uncore_init_mmio`) and xe (`wait_for_lmem_ready`).
//!
//! Before its VBIOS has run again, a Radeon older than Vega 10 reads 0 in `CONFIG_MEMSIZE` (`amdgpu_device_need_post`).
//! In `GU_CNTL` only `LMEM_INIT` is stable. So only the bits that a reset preserves are compared.
//!
//! Memory behind a BAR responds only in D0 and with Memory Space Enable set. On Blackwell a firewall may also block BAR
//! 0; bit 20 of a register in configuration space shows it (DVSEC 10de:0, at 8). That register is not checked here.
//!
//! # Example
//!
//! ```
//! use reseat_core::health::{Boot, Reading};
//! use reseat_core::vendor::{BarRegister, Check};
//!
//! let check = Check::of("10de:2330".parse()?, "030200".parse()?);
//! let mut inquiry = check.begin(&Reading::Value([0xc, 0x70, 0, 0, 0, 0]));
//! while let Some(register) = inquiry.next_register() {
//!     inquiry.tell(match register {
//!         BarRegister { bar: 0, offset: 0 } => Ok(0x1800_00a1),
//!         BarRegister { bar: 0, offset: 0x200bc } => Ok(0xff),
//!         other => unreachable!("{other:?} is not asked of a Hopper"),
//!     });
//! }
//! assert_eq!(inquiry.result(), (Reading::Value(0x1800_00a1), Reading::Value(Boot::Complete)));
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```

mod anything;
mod controllers;
mod reset_evidence;

use core::time::Duration;

use self::anything::Anything;
pub use self::controllers::{ControllerMark, ControllerRegister, controller_mark};
pub use self::reset_evidence::{DeviceMark, DeviceSign, SetWhen, device_mark, device_sign};

use crate::header::{ClassCode, Identity, is_gpu};
use crate::health::{Boot, NotRead, Reading};

/// The time that firmware may take to boot after a reset. NVIDIA's gpu-admin-tools wait as long for Blackwell, and half
/// as long for all earlier chips. Until then, neither [`Boot::Incomplete`] nor a first register without a valid chip is
/// conclusive.
pub const BOOT_TIME: Duration = Duration::from_secs(10);

/// The registers that identify a working GPU.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
pub enum Check {
    /// The function is not a GPU.
    NotNeeded,
    /// A GPU or accelerator without known registers: any register that is not all-ones will do.
    Unknown,
    /// NVIDIA's registers.
    Nvidia,
    /// AMD's register.
    Amd,
    /// The register of a Radeon older than Vega 10.
    Radeon {
        /// The BAR with its registers.
        bar: u8,
    },
    /// Intel's register of a discrete GPU.
    IntelDiscrete,
}

impl Check {
    /// Returns the check for a function.
    pub const fn of(identity: Identity, class: ClassCode) -> Self {
        let is_display = class.is_display_controller();
        match identity.vendor {
            0x10de if is_display => Self::Nvidia,
            0x1002 if is_gpu(identity, class) && is_soc15_or_later(identity.device) => Self::Amd,
            0x1002 if is_display => match radeon_registers(identity.device) {
                Some(bar) => Self::Radeon { bar },
                None => Self::Unknown,
            },
            0x8086 if is_intel_discrete(identity, class) => Self::IntelDiscrete,
            _ if is_display || class.is_processing_accelerator() => Self::Unknown,
            _ => Self::NotNeeded,
        }
    }

    /// Starts an inquiry. `bars` are the function's BAR registers, if known.
    pub fn begin(self, bars: &Reading<[u32; 6]>) -> Inquiry {
        const UNTRIED: NotRead = NotRead::Untried;
        // Here only NVIDIA's firmware reports that it has booted. On some AMD parts C2PMSG_33 does, but no register
        // read here distinguishes them from the others.
        let (step, boot) = match self {
            Self::NotNeeded => return Inquiry::ended(Reading::None, Reading::None),
            Self::Unknown => match (bars, Anything::behind(bars)) {
                (_, Some(anything)) => (Step::Anything(anything), Reading::None),
                (Reading::Value(_) | Reading::None, None) => {
                    return Inquiry::ended(Reading::NotRead(NotRead::NoCheckKnown), Reading::None);
                }
                (_, None) => return Inquiry::ended(Reading::NotRead(UNTRIED), Reading::None),
            },
            Self::Nvidia => (Step::PmcBoot0, Reading::NotRead(UNTRIED)),
            Self::Amd => (Step::Register(CONFIG_MEMSIZE, u32::MAX), Reading::None),
            Self::Radeon { bar } => {
                let register = BarRegister { bar, offset: 0x5428 };
                (Step::Register(register, 0), Reading::None)
            }
            Self::IntelDiscrete => (Step::Register(GU_CNTL, LMEM_INIT), Reading::None),
        };
        Inquiry {
            step,
            vendor_register: Reading::NotRead(UNTRIED),
            boot,
        }
    }

    /// True if the GPU may only need more time after a reset. `was` is the register in the baseline.
    pub fn may_be_booting(self, was: &Reading<u32>, (register, boot): (Reading<u32>, Reading<Boot>)) -> bool {
        match (register, boot) {
            (Reading::AllOnes, _) => *was != Reading::AllOnes,
            (_, Reading::Value(Boot::Incomplete)) => true,
            // The first register does not name a chip, so no boot register can be selected.
            (Reading::Value(_), Reading::NotRead(NotRead::Untried)) => true,
            // The memory is not trained yet.
            (Reading::Value(_), _) => {
                self == Self::IntelDiscrete && *was != register && matches!(was, Reading::Value(_))
            }
            (Reading::None | Reading::NotRead(_), _) => false,
        }
    }

    /// The maximum time that a GPU may need to boot.
    pub const fn boot_time(self) -> Duration {
        match self {
            // i915 waits as long for a GPU whose registers read all-ones (`sanity_check_mmio_access()`).
            Self::Unknown => Duration::from_secs(2),
            _ => BOOT_TIME,
        }
    }
}

/// The BAR with the registers of a Radeon older than Vega 10, by amdgpu's device list: BAR 5 since Bonaire; BAR 2 for
/// Tahiti, Pitcairn, Verde, Oland and Hainan. None for older chips.
const fn radeon_registers(device: u16) -> Option<u8> {
    match device {
        // Kaveri, Bonaire, Hawaii, Polaris 10 to 12 and Vega M, Topaz, Tonga, Fiji, Kabini, Mullins, Carrizo and Stoney.
        0x1304..=0x131d
        | 0x6640..=0x665f
        | 0x67a0..=0x67ff
        | 0x6900..=0x699f
        | 0x6fdf
        | 0x7300
        | 0x730f
        | 0x9830..=0x985f
        | 0x9870..=0x98e4 => Some(5),
        0x6600..=0x663f | 0x6660..=0x666f | 0x6780..=0x679f | 0x6800..=0x683f => Some(2),
        _ => None,
    }
}

/// Returns true for parts with SOC15's register layout: those that amdgpu lists as Vega 10 and later, and others that
/// it accepts by class. Older Radeons have the same register at another offset.
const fn is_soc15_or_later(device: u16) -> bool {
    matches!(
        device,
        // Vega 20, Vega 10, Vega 12.
        0x66a0..=0x66af | 0x6860..=0x687f | 0x69a0..=0x69af
        // Navi and Instinct, after Fiji's 7300 and 730f.
        | 0x7310..=0x7fff
    ) || is_processor_with_graphics(device)
}

/// Returns true for processors with graphics, Raven and later; Kaveri ends at 131d.
const fn is_processor_with_graphics(device: u16) -> bool {
    matches!(device, 0x13c0..=0x1fff)
}

/// Returns true for Intel's discrete GPUs, by Linux's `pciids.h`: DG1, DG2 and the Data Center GPU Flex, Ponte Vecchio,
/// Battlemage.
const fn is_intel_discrete(identity: Identity, class: ClassCode) -> bool {
    identity.vendor == 0x8086
        && (class.is_display_controller() || class.is_processing_accelerator())
        && matches!(
            identity.device,
            0x0b69 | 0x0b6e | 0x0bd0..=0x0be5 | 0x4905..=0x4909 | 0x5690..=0x56c2 | 0xe202..=0xe223
        )
}

/// AMD's `RCC_CONFIG_MEMSIZE`.
const CONFIG_MEMSIZE: BarRegister = BarRegister { bar: 5, offset: 0x378c };
/// Intel's `GU_CNTL`, in i915 and xe.
const GU_CNTL: BarRegister = BarRegister {
    bar: 0,
    offset: 0x10_1010,
};
/// The bit in `GU_CNTL` that firmware sets after it has initialized local memory.
const LMEM_INIT: u32 = 1 << 7;

/// A dword behind a BAR.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
pub struct BarRegister {
    /// The number of the BAR, that of its first register.
    pub bar: u8,
    /// The offset in the BAR, in bytes.
    pub offset: u32,
}

/// An inquiry into a GPU's registers, one after the other.
#[derive(Clone, Debug, PartialEq, Eq)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
pub struct Inquiry {
    step: Step,
    vendor_register: Reading<u32>,
    boot: Reading<Boot>,
}

/// The next step of an inquiry.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
enum Step {
    PmcBoot0,
    /// Read this register, and compare these bits of it.
    Register(BarRegister, u32),
    Anything(Anything),
    Boot(BootSign),
    Ended,
}

/// Keeps the bits of a value that are compared.
const fn only(reading: Reading<u32>, bits: u32) -> Reading<u32> {
    match reading {
        Reading::Value(value) => Reading::Value(value & bits),
        other => other,
    }
}

/// The register that shows if NVIDIA's firmware has booted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
enum BootSign {
    /// `NV_PGC6_AON_SECURE_SCRATCH_GROUP_05_0_GFW_BOOT`, from Turing to Ada.
    GfwBoot,
    /// `NV_THERM_I2CS_SCRATCH`, until `GB10x`.
    Fsp,
    /// `NV_THERM_I2CS_SCRATCH` on `GB20x`.
    FspGb20x,
}

impl Inquiry {
    const fn ended(vendor_register: Reading<u32>, boot: Reading<Boot>) -> Self {
        Self {
            step: Step::Ended,
            vendor_register,
            boot,
        }
    }

    /// The register to read next; none when the inquiry is complete.
    pub const fn next_register(&self) -> Option<BarRegister> {
        match self.step {
            Step::PmcBoot0 => Some(BarRegister { bar: 0, offset: 0 }),
            Step::Register(register, _) => Some(register),
            Step::Anything(anything) => Some(anything.register),
            Step::Boot(sign) => Some(BarRegister {
                bar: 0,
                offset: sign.offset(),
            }),
            Step::Ended => None,
        }
    }

    /// Records the value of [`next_register`](Self::next_register), or the reason why it was not read.
    pub const fn tell(&mut self, answer: Result<u32, NotRead>) {
        let reading = match answer {
            Ok(u32::MAX) => Reading::AllOnes,
            Ok(value) => Reading::Value(value),
            Err(why) => Reading::NotRead(why),
        };
        match self.step {
            Step::PmcBoot0 => {
                self.vendor_register = reading;
                self.after_boot_0(answer);
            }
            Step::Register(_, compared) => {
                self.vendor_register = only(reading, compared);
                self.step = Step::Ended;
            }
            Step::Anything(anything) => {
                // Only the fact that it responds can be compared.
                self.vendor_register = only(reading, 0);
                self.step = match (reading, anything.next()) {
                    (Reading::AllOnes, Some(next)) => Step::Anything(next),
                    _ => Step::Ended,
                };
            }
            Step::Boot(sign) => {
                self.boot = match reading {
                    Reading::Value(value) => Reading::Value(sign.judge(value)),
                    Reading::AllOnes => Reading::AllOnes,
                    Reading::None => Reading::None,
                    Reading::NotRead(why) => Reading::NotRead(why),
                };
                self.step = Step::Ended;
            }
            Step::Ended => {}
        }
    }

    const fn after_boot_0(&mut self, answer: Result<u32, NotRead>) {
        self.step = Step::Ended;
        let chip = match answer {
            // A value that names no chip does not select a next register.
            Ok(value) => Chip::from_boot_0(value),
            Err(why) => {
                self.boot = Reading::NotRead(why);
                None
            }
        };
        let Some(chip) = chip else { return };
        match chip.boot_sign() {
            Ok(sign) => self.step = Step::Boot(sign),
            Err(reading) => self.boot = reading,
        }
    }

    /// The results: the register that identifies a working GPU, to compare with the baseline, and the firmware's boot
    /// state.
    pub const fn result(&self) -> (Reading<u32>, Reading<Boot>) {
        (self.vendor_register, self.boot)
    }
}

/// The chip that `NV_PMC_BOOT_0` names.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Chip {
    /// Bits 28:24, with bit 8 above them.
    architecture: u32,
    /// Bits 23:20.
    implementation: u32,
}

impl Chip {
    const VOLTA: u32 = 0x14;
    const TURING: u32 = 0x16;
    const AMPERE: u32 = 0x17;
    const HOPPER: u32 = 0x18;
    const ADA: u32 = 0x19;
    const BLACKWELL_GB10X: u32 = 0x1a;
    const BLACKWELL_GB20X: u32 = 0x1b;
    /// GB10B, GB20B and their successors are part of a system on a chip.
    const FIRST_INTEGRATED: u32 = 0xb;

    /// Decodes the chip, unless no chip answers: Hopper reads 0 in recovery mode, and `badf` or `bad0` in the upper
    /// half means that the access was refused or failed.
    const fn from_boot_0(value: u32) -> Option<Self> {
        match value {
            0 | 0xbad0_0000..=0xbad0_ffff | 0xbadf_0000..=0xbadf_ffff | u32::MAX => None,
            _ => Some(Self {
                architecture: (value >> 24) & 0x1f | (value >> 3) & 0x20,
                implementation: (value >> 20) & 0xf,
            }),
        }
    }

    /// True unless the GPU is part of a system on a chip.
    const fn is_discrete(self) -> bool {
        !matches!(
            (self.architecture, self.implementation),
            (Self::BLACKWELL_GB10X | Self::BLACKWELL_GB20X, Self::FIRST_INTEGRATED..)
        )
    }

    /// The boot register of the firmware, or the reading to use instead.
    const fn boot_sign(self) -> Result<BootSign, Reading<Boot>> {
        match (self.architecture, self.implementation) {
            // No register shows this before Turing.
            (..Self::TURING, _) => Err(Reading::None),
            (Self::TURING | Self::AMPERE | Self::ADA, _) => Ok(BootSign::GfwBoot),
            (Self::HOPPER, _) | (Self::BLACKWELL_GB10X, ..Self::FIRST_INTEGRATED) => Ok(BootSign::Fsp),
            (Self::BLACKWELL_GB20X, ..Self::FIRST_INTEGRATED) => Ok(BootSign::FspGb20x),
            _ => Err(Reading::NotRead(NotRead::NoCheckKnown)),
        }
    }
}

impl BootSign {
    const fn offset(self) -> u32 {
        match self {
            Self::GfwBoot => 0x11_8234,
            Self::Fsp => 0x2_00bc,
            Self::FspGb20x => 0xad_00bc,
        }
    }

    const fn judge(self, value: u32) -> Boot {
        if self.is_complete(value) {
            Boot::Complete
        } else {
            Boot::Incomplete
        }
    }

    const fn is_complete(self, value: u32) -> bool {
        match self {
            // The firmware opens the register when it has booted. Before that, reads fail, and the progress field is
            // part of the error value. After the boot, the whole register reads 3ff.
            Self::GfwBoot => value >> 16 != 0xbadf && value & 0xff == 0xff,
            Self::Fsp | Self::FspGb20x => value == 0xff,
        }
    }
}
