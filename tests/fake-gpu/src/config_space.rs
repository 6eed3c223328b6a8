//! A function's 4096 bytes of configuration space: what each bit does on a write and on a reset.
//!
//! A profile builds one from a header and its capabilities; the builder writes the links between
//! them in the order of the calls, so that a chain may point backwards as real ones do.

use crate::capability::{Capability, Extended, NO_SOFT_RESET};

/// Bytes of configuration space that a function has.
pub const SIZE: usize = 4096;
const DWORDS: usize = SIZE / 4;

const COMMAND: u16 = 0x04;
const CACHE_LINE_SIZE: u16 = 0x0c;
const BAR0: u16 = 0x10;
const SUBSYSTEM: u16 = 0x2c;
const ROM_BAR: u16 = 0x30;
const CAPABILITIES_POINTER: u16 = 0x34;
const INTERRUPT: u16 = 0x3c;

/// I/O, memory and bus master enable, parity and SERR reporting, interrupt disable.
const COMMAND_WRITABLE: u32 = 0x0547;
/// I/O space and memory space enable.
const SPACE_ENABLE: u32 = 0x0003;
/// Expansion ROM BAR: the ROM is decoded.
const ROM_ENABLE: u32 = 0x0000_0001;
/// Status: a capability list is present.
const HAS_CAPABILITIES: u32 = 0x0010_0000;
/// Status: the error bits, cleared by writing one.
const STATUS_ERRORS: u32 = 0xf900_0000;

/// Device Capabilities: the function can do an FLR.
const FLR_CAPABLE: u32 = 1 << 28;

/// One dword as the silicon has it: its value after power-on and what a write does to each bit.
/// A bit that is in no mask is read-only.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Register {
    /// The value after power-on.
    pub value: u32,
    /// Bits that keep what is written.
    pub writable: u32,
    /// Bits that a written one clears (RW1C).
    pub clear_on_one: u32,
    /// Bits that every reset but a loss of power leaves alone.
    pub sticky: u32,
}

impl Register {
    /// A value that no write changes.
    #[must_use]
    pub const fn read_only(value: u32) -> Self {
        Self::read_write(value, 0)
    }

    /// A value in which the `writable` bits keep what is written.
    #[must_use]
    pub const fn read_write(value: u32, writable: u32) -> Self {
        Self {
            value,
            writable,
            clear_on_one: 0,
            sticky: 0,
        }
    }

    /// The same with these bits cleared by writing one.
    #[must_use]
    pub const fn with_clear_on_one(self, bits: u32) -> Self {
        Self {
            clear_on_one: bits,
            ..self
        }
    }

    /// The same with every changeable bit kept over resets.
    #[must_use]
    pub const fn kept_over_resets(self) -> Self {
        Self {
            sticky: self.writable | self.clear_on_one,
            ..self
        }
    }
}

/// Where a BAR decodes and how wide its register is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum BarKind {
    /// I/O ports.
    Io,
    /// 32-bit memory, not prefetchable.
    Memory32,
    /// 64-bit memory, not prefetchable; takes the next register too.
    Memory64,
    /// 64-bit prefetchable memory; takes the next register too.
    Memory64Prefetchable,
}

/// One BAR of a function.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Bar {
    /// Its register's number, 0 to 5.
    pub index: usize,
    /// Where it decodes.
    pub kind: BarKind,
    /// Its size in bytes: a power of two.
    pub size: u64,
}

impl Bar {
    /// The low and, for a 64-bit BAR, the high register.
    fn registers(self) -> [Option<Register>; 2] {
        let (flags, wide) = match self.kind {
            BarKind::Io => (0x1, false),
            BarKind::Memory32 => (0x0, false),
            BarKind::Memory64 => (0x4, true),
            BarKind::Memory64Prefetchable => (0xc, true),
        };
        let mask = !(self.size - 1);
        let (low, high) = halves(mask);
        [
            Some(Register::read_write(flags, low)),
            wide.then(|| Register::read_write(0, high)),
        ]
    }
}

/// The low and the high dword of a 64-bit value.
fn halves(value: u64) -> (u32, u32) {
    let [a, b, c, d, e, f, g, h] = value.to_le_bytes();
    (u32::from_le_bytes([a, b, c, d]), u32::from_le_bytes([e, f, g, h]))
}

/// The type 0 header's fields that differ between functions.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Header {
    /// Vendor ID.
    pub vendor: u16,
    /// Device ID.
    pub device: u16,
    /// Base class, subclass and programming interface: 24 bits.
    pub class: u32,
    /// Revision ID.
    pub revision: u8,
    /// Subsystem Vendor ID.
    pub subsystem_vendor: u16,
    /// Subsystem ID.
    pub subsystem: u16,
    /// Interrupt pin: 1 is INTA.
    pub interrupt_pin: u8,
    /// Whether the header type says that siblings exist.
    pub multifunction: bool,
    /// The BARs.
    pub bars: Vec<Bar>,
    /// The expansion ROM's window in bytes: a power of two; 0 where there is none.
    pub rom: u32,
}

/// The configuration space of one function.
#[derive(Clone, Debug)]
pub struct ConfigSpace {
    registers: Vec<Register>,
    values: Vec<u32>,
    power_management: u16,
    express: u16,
}

impl ConfigSpace {
    /// Starts a configuration space with its header; capabilities follow.
    #[must_use]
    pub fn builder(header: &Header) -> Builder {
        Builder::new(header)
    }

    /// Reads bytes; beyond the end they are all ones.
    pub fn read(&self, offset: u64, data: &mut [u8]) {
        for (offset, byte) in (offset..).zip(data) {
            *byte = self.byte(offset).unwrap_or(0xff);
        }
    }

    fn byte(&self, offset: u64) -> Option<u8> {
        let offset = usize::try_from(offset).ok()?;
        let value = self.values.get(offset / 4)?;
        value.to_le_bytes().get(offset % 4).copied()
    }

    /// Writes bytes as each bit allows; beyond the end they are dropped.
    pub fn write(&mut self, offset: u64, data: &[u8]) {
        for (offset, byte) in (offset..).zip(data) {
            self.write_byte(offset, *byte);
        }
    }

    fn write_byte(&mut self, offset: u64, byte: u8) {
        let Ok(offset) = usize::try_from(offset) else {
            return;
        };
        let (Some(value), Some(register)) = (self.values.get_mut(offset / 4), self.registers.get(offset / 4)) else {
            return;
        };
        let shift = 8 * (offset % 4);
        let written = u32::from(byte) << shift;
        let writable = register.writable & (0xff << shift);
        *value = (*value & !writable) | (written & writable);
        *value &= !(written & register.clear_on_one);
    }

    /// One dword's value.
    #[must_use]
    pub fn dword(&self, offset: u16) -> u32 {
        let index = usize::from(offset / 4);
        self.values.get(index).copied().unwrap_or(u32::MAX)
    }

    /// Sets the bits of `mask` from within the silicon, where no write mask applies.
    pub fn set(&mut self, offset: u16, mask: u32, bits: u32) {
        if let Some(value) = self.values.get_mut(usize::from(offset / 4)) {
            *value = (*value & !mask) | (bits & mask);
        }
    }

    /// Gives a dword another value, now and after every reset.
    pub fn redesign(&mut self, offset: u16, value: u32) {
        let index = usize::from(offset / 4);
        if let (Some(register), Some(now)) = (self.registers.get_mut(index), self.values.get_mut(index)) {
            register.value = value;
            *now = value;
        }
    }

    /// Returns every bit that is not sticky to its value after power-on.
    pub fn reset(&mut self) {
        for (value, register) in self.values.iter_mut().zip(&self.registers) {
            *value = (*value & register.sticky) | (register.value & !register.sticky);
        }
    }

    /// Returns every bit to its value after power-on.
    pub fn power_on(&mut self) {
        for (value, register) in self.values.iter_mut().zip(&self.registers) {
            *value = register.value;
        }
    }

    /// The offset of Power Management Control/Status.
    #[must_use]
    pub fn power_management_control(&self) -> u16 {
        self.power_management + 4
    }

    /// The offset of Device Control, with Device Status in the upper half.
    #[must_use]
    pub fn device_control(&self) -> u16 {
        self.express + 8
    }

    /// Whether Device Capabilities offers an FLR.
    #[must_use]
    pub fn can_flr(&self) -> bool {
        self.dword(self.express + 4) & FLR_CAPABLE != 0
    }

    /// Whether a return from D3hot to D0 keeps the function's state: `No_Soft_Reset`.
    #[must_use]
    pub fn keeps_state_in_d3hot(&self) -> bool {
        self.dword(self.power_management_control()) & NO_SOFT_RESET != 0
    }

    /// Whether Command lets the function answer accesses to its BARs.
    #[must_use]
    pub fn decodes(&self) -> bool {
        self.dword(COMMAND) & SPACE_ENABLE != 0
    }
}

/// Builds a [`ConfigSpace`]; capabilities are linked in the order of the calls.
#[derive(Debug)]
pub struct Builder {
    registers: Vec<Register>,
    /// The byte that the next standard capability's offset goes into.
    link: u16,
    /// The dword whose top 12 bits the next extended capability's offset goes into.
    extended_link: Option<u16>,
    power_management: u16,
    express: u16,
}

impl Builder {
    fn new(header: &Header) -> Self {
        let mut builder = Self {
            registers: vec![Register::default(); DWORDS],
            link: CAPABILITIES_POINTER,
            extended_link: None,
            power_management: 0,
            express: 0,
        };
        let pair = |high: u16, low: u16| u32::from(high) << 16 | u32::from(low);
        let header_type = if header.multifunction { 0x0080_0000 } else { 0 };
        builder.place(0x00, Register::read_only(pair(header.device, header.vendor)));
        builder.place(
            COMMAND,
            Register::read_write(HAS_CAPABILITIES, COMMAND_WRITABLE).with_clear_on_one(STATUS_ERRORS),
        );
        builder.place(
            0x08,
            Register::read_only(header.class << 8 | u32::from(header.revision)),
        );
        builder.place(CACHE_LINE_SIZE, Register::read_write(header_type, 0xff));
        builder.place(
            SUBSYSTEM,
            Register::read_only(pair(header.subsystem, header.subsystem_vendor)),
        );
        builder.place(
            INTERRUPT,
            Register::read_write(u32::from(header.interrupt_pin) << 8, 0xff),
        );
        if let Some(below) = header.rom.checked_sub(1) {
            // The address, and whether it is decoded.
            builder.place(ROM_BAR, Register::read_write(0, !below | ROM_ENABLE));
        }
        for bar in &header.bars {
            for (register, offset) in bar.registers().into_iter().flatten().zip([0, 4]) {
                let first = BAR0 + 4 * u16::try_from(bar.index).unwrap_or_default();
                builder.place(first + offset, register);
            }
        }
        builder
    }

    /// Adds a standard capability at the end of the chain.
    #[must_use]
    pub fn capability(mut self, offset: u8, capability: &Capability) -> Self {
        let at = u16::from(offset);
        match capability {
            Capability::PowerManagement { .. } => self.power_management = at,
            Capability::Express(_) => self.express = at,
            Capability::Msi | Capability::MsiX { .. } | Capability::Null | Capability::VendorSpecific { .. } => {}
        }
        self.place_all(at, &capability.registers());
        let shift = 8 * (self.link % 4);
        self.or(self.link, u32::from(offset) << shift);
        self.link = at + 1;
        self
    }

    /// Adds an extended capability at the end of the chain.
    #[must_use]
    pub fn extended(mut self, offset: u16, extended: &Extended) -> Self {
        self.place_all(offset, &extended.registers());
        if let Some(link) = self.extended_link {
            self.or(link, u32::from(offset) << 20);
        }
        self.extended_link = Some(offset);
        self
    }

    /// Places read-only dwords that no chain links: real parts have such bodies.
    #[must_use]
    pub fn unlinked(mut self, offset: u16, dwords: &[u32]) -> Self {
        for (at, dword) in (offset..).step_by(4).zip(dwords) {
            self.place(at, Register::read_only(*dword));
        }
        self
    }

    /// The finished space, as after power-on.
    #[must_use]
    pub fn build(self) -> ConfigSpace {
        ConfigSpace {
            values: self.registers.iter().map(|register| register.value).collect(),
            registers: self.registers,
            power_management: self.power_management,
            express: self.express,
        }
    }

    fn place(&mut self, offset: u16, register: Register) {
        if let Some(place) = self.registers.get_mut(usize::from(offset / 4)) {
            *place = register;
        }
    }

    fn place_all(&mut self, offset: u16, registers: &[Register]) {
        for (at, register) in (offset..).step_by(4).zip(registers) {
            self.place(at, *register);
        }
    }

    fn or(&mut self, offset: u16, bits: u32) {
        if let Some(register) = self.registers.get_mut(usize::from(offset / 4)) {
            register.value |= bits;
        }
    }
}
