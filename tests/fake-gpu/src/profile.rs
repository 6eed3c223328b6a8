//! Boards that exist: functions, identities and capability chains as seen on real parts.

mod amd;
mod intel;
mod nvidia;
mod rom;

pub use rom::VbiosVersion;

use std::fmt;
use std::str::FromStr;

use clap::ValueEnum;

use crate::capability::{Extended, ReturnToD0};
use crate::config_space::{Builder, ConfigSpace, Header};

/// Whose board is served: one that is typical of a vendor, or another model of his.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum Vendor {
    /// An RTX 3060 Ti (GA104): GPU with FLR and Power Budgeting, audio, and the USB and UCSI functions of a TU116.
    Nvidia,
    /// A T4 (TU104): one function with Power Budgeting and without FLR.
    NvidiaT4,
    /// A Navi 23: GPU without FLR and with Power Budgeting, and audio.
    Amd,
    /// A Vega 20: GPU without FLR and without Power Budgeting, and audio.
    AmdVega20,
    /// An Arc A770: one function with FLR and without Power Budgeting or AER.
    Intel,
}

impl fmt::Display for Vendor {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Nvidia => "nvidia",
            Self::NvidiaT4 => "nvidia-t4",
            Self::Amd => "amd",
            Self::AmdVega20 => "amd-vega20",
            Self::Intel => "intel",
        })
    }
}

/// What a function of a board is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum Role {
    /// The display controller.
    Gpu,
    /// High-definition audio.
    Audio,
    /// The USB host controller (xHCI).
    Usb,
    /// The USB Type-C controller (UCSI).
    Ucsi,
}

impl fmt::Display for Role {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Gpu => "gpu",
            Self::Audio => "audio",
            Self::Usb => "usb",
            Self::Ucsi => "ucsi",
        })
    }
}

/// A register behind a BAR whose value the silicon gives.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct FixedRegister {
    /// The BAR.
    pub bar: usize,
    /// The offset in it: a multiple of four.
    pub offset: u64,
    /// What it reads.
    pub value: u32,
}

/// A register behind a BAR that keeps what is written to some of its bits, until a reset of the device.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct KeptRegister {
    /// The BAR.
    pub bar: usize,
    /// The offset in it: a multiple of four.
    pub offset: u64,
    /// The bits that can be written. All bits are 0 after a reset.
    pub writable: u32,
}

/// One function as designed: what power-on makes of it.
#[derive(Clone, Debug)]
pub struct FunctionDesign {
    pub(crate) header: Header,
    pub(crate) return_to_d0: ReturnToD0,
    /// Registers behind its BARs that read something other than zero.
    pub(crate) registers: Vec<FixedRegister>,
    /// Registers of which only some bits can be written.
    pub(crate) kept: Vec<KeptRegister>,
    /// The register that resets the whole board when this value is written to it.
    pub(crate) reset_register: Option<FixedRegister>,
    pub(crate) serial_number: Option<SerialNumber>,
    /// What its expansion ROM holds; nothing where there is none.
    pub(crate) rom: Vec<u8>,
    capabilities: fn(Builder, ReturnToD0) -> Builder,
}

impl FunctionDesign {
    /// Its configuration space after power-on.
    #[must_use]
    pub fn config_space(&self) -> ConfigSpace {
        let header = ConfigSpace::builder(&self.header);
        let mut space = (self.capabilities)(header, self.return_to_d0);
        if let Some(SerialNumber(number)) = self.serial_number {
            space = space.extended(SERIAL_NUMBER, &Extended::serial_number(number));
        }
        space.build()
    }

    /// The size of a BAR, 0 where there is none.
    #[must_use]
    pub fn bar_size(&self, index: usize) -> u64 {
        let bar = self.header.bars.iter().find(|bar| bar.index == index);
        bar.map_or(0, |bar| bar.size)
    }
}

/// A function's vendor and device ID: `10de:2489`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Identity {
    /// Vendor ID.
    pub vendor: u16,
    /// Device ID.
    pub device: u16,
}

impl fmt::Display for Identity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:04x}:{:04x}", self.vendor, self.device)
    }
}

impl FromStr for Identity {
    type Err = DesignError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let wrong = || DesignError::Identity(text.to_owned());
        let (vendor, device) = text.split_once(':').ok_or_else(wrong)?;
        Ok(Self {
            vendor: u16::from_str_radix(vendor, 16).map_err(|_| wrong())?,
            device: u16::from_str_radix(device, 16).map_err(|_| wrong())?,
        })
    }
}

/// A serial number: 16 hexadecimal digits.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SerialNumber(pub u64);

/// `GCTL` of HD audio: reset, and the acceptance of unsolicited responses.
pub(crate) const AUDIO_CONTROL: KeptRegister = KeptRegister {
    bar: 0,
    offset: 0x08,
    writable: 0x101,
};

/// Where its capability stands: behind all that boards have.
pub(crate) const SERIAL_NUMBER: u16 = 0xf00;

impl fmt::Display for SerialNumber {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:016x}", self.0)
    }
}

impl FromStr for SerialNumber {
    type Err = DesignError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let number = u64::from_str_radix(text, 16);
        number.map(Self).map_err(|_| DesignError::SerialNumber(text.to_owned()))
    }
}

/// A function's class code: `030200`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Class(u32);

impl fmt::Display for Class {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:06x}", self.0)
    }
}

impl FromStr for Class {
    type Err = DesignError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let wrong = || DesignError::Class(text.to_owned());
        if text.len() != 6 {
            return Err(wrong());
        }
        u32::from_str_radix(text, 16).map(Self).map_err(|_| wrong())
    }
}

/// Something said of one function: `1=8086:37c8`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Override<T> {
    /// The function's number.
    pub function: u8,
    /// What it is given instead.
    pub value: T,
}

impl<T: fmt::Display> fmt::Display for Override<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}={}", self.function, self.value)
    }
}

impl<T: FromStr<Err = DesignError>> FromStr for Override<T> {
    type Err = DesignError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let wrong = || DesignError::Override(text.to_owned());
        let (function, value) = text.split_once('=').ok_or_else(wrong)?;
        Ok(Self {
            function: function.parse().map_err(|_| wrong())?,
            value: value.parse()?,
        })
    }
}

/// Which functions a board has: the first few of its vendor's, or these in this order.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Functions {
    /// As many of the vendor's functions, from the first.
    First(usize),
    /// These.
    Roles(Vec<Role>),
}

impl fmt::Display for Functions {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::First(count) => write!(f, "{count}"),
            Self::Roles(roles) => {
                let names: Vec<_> = roles.iter().map(ToString::to_string).collect();
                f.write_str(&names.join(","))
            }
        }
    }
}

impl FromStr for Functions {
    type Err = DesignError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        if let Ok(count) = text.parse() {
            return Ok(Self::First(count));
        }
        let role = |name| Role::from_str(name, false);
        text.split(',')
            .map(|name| role(name).map_err(|_| DesignError::Role(name.to_owned())))
            .collect::<Result<_, _>>()
            .map(Self::Roles)
    }
}

/// A whole board: the vendor's functions with a test's changes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct BoardDesign {
    /// Whose board.
    pub vendor: Vendor,
    /// Which functions.
    pub functions: Functions,
    /// Other identities.
    pub identities: Vec<Override<Identity>>,
    /// Other classes.
    pub classes: Vec<Override<Class>>,
    /// Functions whose return from D3hot to D0 is a reset (`No_Soft_Reset` clear).
    pub soft_resets: Vec<u8>,
    /// The serial number that function 0 gives; boards here have none.
    pub serial_number: Option<SerialNumber>,
    /// What the ROM of function 0 tells of itself; boards here have none.
    pub vbios: Option<VbiosVersion>,
}

impl BoardDesign {
    /// The vendor's board with its first `functions` functions, unchanged.
    #[must_use]
    pub fn new(vendor: Vendor, functions: usize) -> Self {
        Self {
            vendor,
            functions: Functions::First(functions),
            identities: Vec::new(),
            classes: Vec::new(),
            soft_resets: Vec::new(),
            serial_number: None,
            vbios: None,
        }
    }

    /// The functions, in the order of their numbers.
    ///
    /// # Errors
    /// Where the vendor's board has no such function, or a change names one that is not there.
    pub fn functions(&self) -> Result<Vec<FunctionDesign>, DesignError> {
        let mut functions = self
            .roles()?
            .into_iter()
            .map(|role| self.function(role))
            .collect::<Result<Vec<_>, _>>()?;
        // Every function says so, not only the first: Linux groups a late sibling by its own bit.
        let multifunction = functions.len() > 1;
        for function in &mut functions {
            function.header.multifunction = multifunction;
        }
        for change in &self.identities {
            let header = &mut find(&mut functions, change.function)?.header;
            header.vendor = change.value.vendor;
            header.device = change.value.device;
        }
        for change in &self.classes {
            find(&mut functions, change.function)?.header.class = change.value.0;
        }
        for function in &self.soft_resets {
            find(&mut functions, *function)?.return_to_d0 = ReturnToD0::Resets;
        }
        let first = find(&mut functions, 0)?;
        first.serial_number = self.serial_number;
        if let Some(version) = self.vbios {
            first.rom = rom::image(first.header.vendor, first.header.device, version);
            first.header.rom = rom::WINDOW;
        }
        Ok(functions)
    }

    fn roles(&self) -> Result<Vec<Role>, DesignError> {
        let all: &[Role] = match self.vendor {
            Vendor::Nvidia => &[Role::Gpu, Role::Audio, Role::Usb, Role::Ucsi],
            Vendor::Amd | Vendor::AmdVega20 => &[Role::Gpu, Role::Audio],
            Vendor::NvidiaT4 | Vendor::Intel => &[Role::Gpu],
        };
        match &self.functions {
            Functions::First(count) if (1..=all.len()).contains(count) => Ok(all[..*count].to_vec()),
            Functions::First(count) => Err(DesignError::Count {
                vendor: self.vendor,
                count: *count,
                most: all.len(),
            }),
            // A device has at most eight functions.
            Functions::Roles(roles) if roles.len() <= 8 => Ok(roles.clone()),
            Functions::Roles(roles) => Err(DesignError::Count {
                vendor: self.vendor,
                count: roles.len(),
                most: 8,
            }),
        }
    }

    fn function(&self, role: Role) -> Result<FunctionDesign, DesignError> {
        match (self.vendor, role) {
            (Vendor::Nvidia, Role::Gpu) => Ok(nvidia::gpu()),
            (Vendor::Nvidia, Role::Audio) => Ok(nvidia::audio()),
            (Vendor::Nvidia, Role::Usb) => Ok(nvidia::usb()),
            (Vendor::Nvidia, Role::Ucsi) => Ok(nvidia::ucsi()),
            (Vendor::NvidiaT4, Role::Gpu) => Ok(nvidia::t4()),
            (Vendor::Amd, Role::Gpu) => Ok(amd::gpu()),
            (Vendor::Amd, Role::Audio) => Ok(amd::audio()),
            (Vendor::AmdVega20, Role::Gpu) => Ok(amd::vega20()),
            (Vendor::AmdVega20, Role::Audio) => Ok(amd::vega20_audio()),
            (Vendor::Intel, Role::Gpu) => Ok(intel::gpu()),
            (Vendor::NvidiaT4 | Vendor::Amd | Vendor::AmdVega20 | Vendor::Intel, _) => Err(DesignError::NoSuchRole {
                vendor: self.vendor,
                role,
            }),
        }
    }
}

fn find(functions: &mut [FunctionDesign], number: u8) -> Result<&mut FunctionDesign, DesignError> {
    let count = functions.len();
    functions
        .get_mut(usize::from(number))
        .ok_or(DesignError::NoSuchFunction { number, count })
}

/// A board that cannot be built.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
pub enum DesignError {
    /// Not `VVVV:DDDD`.
    #[error("identity `{0}` is not vendor:device in hexadecimal")]
    Identity(String),
    /// Not six hexadecimal digits.
    #[error("class `{0}` is not six hexadecimal digits")]
    Class(String),
    /// Not 16 hexadecimal digits.
    #[error("serial number `{0}` is not hexadecimal")]
    SerialNumber(String),
    /// Not five bytes.
    #[error("VBIOS version `{0}` is not five bytes in hexadecimal with `.` between them")]
    VbiosVersion(String),
    /// Not `N=VALUE`.
    #[error("`{0}` is not function=value")]
    Override(String),
    /// No role of this name.
    #[error("`{0}` is neither a number nor one of gpu, audio, usb, ucsi")]
    Role(String),
    /// No functions, or more than there are.
    #[error("{count} functions: the {vendor} board has 1 to {most}")]
    Count {
        /// The board's vendor.
        vendor: Vendor,
        /// What was asked for.
        count: usize,
        /// The most there can be.
        most: usize,
    },
    /// The vendor's board has no function of this kind.
    #[error("the {vendor} board has no {role} function")]
    NoSuchRole {
        /// The board's vendor.
        vendor: Vendor,
        /// The role it does not have.
        role: Role,
    },
    /// A change for a function that is not there.
    #[error("function {number} does not exist: the board has {count}")]
    NoSuchFunction {
        /// The number given.
        number: u8,
        /// How many functions there are.
        count: usize,
    },
}

#[cfg(test)]
mod tests;
