//! One function's behaviour: a state machine without I/O, whose time is an argument.

mod memory;

use std::time::Duration;

use crate::clock::Timestamp;
use crate::config_space::ConfigSpace;
use crate::control::{Bars, Command, ConfigDelay, FunctionState, PowerState, Presence, Reset, Serial, Stuck, Until};
use crate::log::Event;
use crate::profile::{FixedRegister, FunctionDesign, SERIAL_NUMBER, SerialNumber};
use memory::Memory;

/// Device Control bit 15, Initiate Function Level Reset, as a bit of the register's second byte.
const INITIATE_FLR: u8 = 0x80;
/// PMCSR's power state field.
const POWER_STATE: u8 = 0x03;
/// Device Status bit 5, Transactions Pending, in the dword that Device Control begins.
const TRANSACTIONS_PENDING: u32 = 0x0020_0000;

/// What NVIDIA GPUs answer for a unit that does not answer.
const BAD_FIVE: u32 = 0xbadf_5040;

/// Whether and how the function answers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Answering {
    Ready,
    NotReady { until: Timestamp },
    Absent { until: Until },
}

/// What the test has scripted. It describes the silicon, so it outlives every reset; faults end
/// with the reset that they name.
#[derive(Debug, Default)]
struct Script {
    flr: Reset,
    pm: Reset,
    device_specific: Reset,
    sbr: Reset,
    bars: Bars,
    pending: Option<Until>,
    pmcsr_stuck: Option<Until>,
    config_delay: ConfigDelay,
    serial: Serial,
}

/// How much of a function a reset reaches.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Depth {
    /// The PCIe interface.
    Configuration,
    /// That, and what is behind the BARs.
    Device,
}

/// What a reset still has to do when some time has gone by.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Later {
    Reset { by: Until },
    Leave { until: Until },
}

/// Whether the function has power.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Supply {
    /// Not yet: the first time is no power cycle.
    Never,
    On,
    Lost,
}

#[derive(Debug, Default)]
struct Counts {
    flr: u32,
    pm: u32,
    device_specific: u32,
    sbr: u32,
    power_cycles: u32,
    config_resets: u32,
    device_resets: u32,
}

/// One function of a board.
#[derive(Debug)]
pub struct Function {
    config: ConfigSpace,
    memory: Memory,
    supply: Supply,
    answering: Answering,
    power_state: PowerState,
    serial_number: Option<SerialNumber>,
    is_other: bool,
    reset_register: Option<FixedRegister>,
    due: Option<(Timestamp, Later)>,
    script: Script,
    counts: Counts,
}

impl Function {
    /// A function without power.
    #[must_use]
    pub fn new(design: &FunctionDesign) -> Self {
        Self {
            config: design.config_space(),
            memory: Memory::new(&design.registers, &design.kept),
            supply: Supply::Never,
            answering: Answering::Ready,
            power_state: PowerState::D0,
            serial_number: design.serial_number,
            is_other: false,
            reset_register: design.reset_register,
            due: None,
            script: Script::default(),
            counts: Counts::default(),
        }
    }

    /// Power comes: everything is as after power-on, but for faults that power does not end.
    pub fn power_on(&mut self) {
        match self.supply {
            Supply::On => return,
            Supply::Never => {}
            Supply::Lost => self.counts.power_cycles += 1,
        }
        self.supply = Supply::On;
        self.config.power_on();
        self.initialise(Until::Power, Depth::Device);
    }

    /// Power goes.
    pub fn power_off(&mut self) {
        self.due = None;
        if self.supply == Supply::On {
            self.supply = Supply::Lost;
        }
    }

    /// A reset by a register of the board's own.
    pub fn device_specific_reset(&mut self, now: Timestamp) -> Event {
        self.catch_up(now);
        self.counts.device_specific += 1;
        self.reset(Until::DeviceSpecific, self.script.device_specific, now);
        Event::DeviceSpecific
    }

    /// A reset from above.
    pub fn secondary_bus_reset(&mut self, now: Timestamp) -> Event {
        self.catch_up(now);
        self.counts.sbr += 1;
        self.reset(Until::Sbr, self.script.sbr, now);
        Event::Sbr
    }

    /// Reads configuration space.
    pub fn config_read(&mut self, now: Timestamp, offset: u64, data: &mut [u8]) {
        match self.presence(now) {
            Presence::Ready => self.config.read(offset, data),
            Presence::NotReady => {
                data.fill(0xff);
                // The Vendor ID of a request retry: 0001h.
                for (at, byte) in (offset..).zip(data).take_while(|(at, _)| *at < 2) {
                    *byte = if at == 0 { 0x01 } else { 0x00 };
                }
            }
            Presence::Absent | Presence::Unpowered => data.fill(0xff),
        }
    }

    /// How late the read that comes now is to be answered.
    pub fn config_read_delay(&mut self) -> Duration {
        let delay = &mut self.script.config_delay;
        match &mut delay.reads {
            Some(0) => return Duration::ZERO,
            Some(reads) => *reads -= 1,
            None => {}
        }
        Duration::from_millis(delay.ms)
    }

    /// Writes configuration space; says which resets the write asked for.
    pub fn config_write(&mut self, now: Timestamp, offset: u64, data: &[u8]) -> Vec<Event> {
        if self.presence(now) != Presence::Ready {
            return Vec::new();
        }
        self.config.write(offset, data);
        let mut resets = Vec::new();
        let written = |register: u16| {
            let index = u64::from(register).checked_sub(offset)?;
            data.get(usize::try_from(index).ok()?).copied()
        };
        let power_state = written(self.config.power_management_control());
        let device_control = written(self.config.device_control() + 1);
        if let Some(byte) = power_state {
            resets.extend(self.write_power_state(byte & POWER_STATE, now));
        }
        if device_control.is_some_and(|byte| byte & INITIATE_FLR != 0) && self.config.can_flr() {
            self.counts.flr += 1;
            self.reset(Until::Flr, self.script.flr, now);
            resets.push(Event::Flr);
        }
        resets
    }

    /// D1 and D2 are not supported: writing them changes nothing.
    fn write_power_state(&mut self, written: u8, now: Timestamp) -> Option<Event> {
        match (self.power_state, written) {
            (PowerState::D0, 3) => {
                self.power_state = PowerState::D3hot;
                self.show_power_state();
                None
            }
            (PowerState::D3hot, 0) if self.script.pmcsr_stuck.is_none() => self.return_to_d0(now),
            _ => None,
        }
    }

    fn return_to_d0(&mut self, now: Timestamp) -> Option<Event> {
        self.power_state = PowerState::D0;
        self.show_power_state();
        if self.config.keeps_state_in_d3hot() {
            return None;
        }
        self.counts.pm += 1;
        self.reset(Until::Pm, self.script.pm, now);
        Some(Event::Pm)
    }

    /// Reads through a BAR.
    pub fn bar_read(&mut self, now: Timestamp, bar: usize, offset: u64, data: &mut [u8]) {
        if !self.memory_answers(now) {
            data.fill(0xff);
        } else if let Some((value, _)) = dead(self.script.bars) {
            memory::fill(value, offset, data);
        } else {
            self.memory.read(bar, offset, data);
        }
    }

    /// Writes through a BAR; returns true if this tells the board to reset itself.
    pub fn bar_write(&mut self, now: Timestamp, bar: usize, offset: u64, data: &[u8]) -> bool {
        if !self.memory_answers(now) || self.script.bars != Bars::Normal {
            return false;
        }
        self.memory.write(bar, offset, data);
        let is_it = |register: &FixedRegister| {
            (register.bar, register.offset) == (bar, offset) && register.value.to_le_bytes() == data
        };
        self.reset_register.as_ref().is_some_and(is_it)
    }

    fn memory_answers(&mut self, now: Timestamp) -> bool {
        self.presence(now) == Presence::Ready && self.power_state == PowerState::D0 && self.config.decodes()
    }

    /// Does what a test commands; says what happened by it.
    pub fn command(&mut self, command: &Command) -> Option<Event> {
        match command {
            Command::Flr(reset) => self.script.flr = *reset,
            Command::Pm(reset) => self.script.pm = *reset,
            Command::DeviceSpecific(reset) => self.script.device_specific = *reset,
            Command::Sbr(reset) => self.script.sbr = *reset,
            Command::Bars(bars) => self.script.bars = *bars,
            Command::Pending(stuck) => {
                self.script.pending = stuck_until(*stuck);
                self.show_pending();
            }
            Command::PmcsrStuck(stuck) => self.script.pmcsr_stuck = stuck_until(*stuck),
            Command::ConfigDelay(delay) => self.script.config_delay = *delay,
            Command::Serial(serial) => {
                self.script.serial = *serial;
                if *serial == Serial::Own {
                    self.show_serial_number(self.serial_number, false);
                }
            }
            Command::Die(fault) => {
                self.leave(fault.until);
                return Some(Event::Die);
            }
            Command::Sleep => {
                self.power_state = PowerState::D3hot;
                self.show_power_state();
            }
            Command::Revive => self.initialise(Until::Command, Depth::Device),
            // The board's own.
            Command::Power(_) | Command::Mark(_) | Command::State => {}
        }
        None
    }

    /// The function's state.
    pub fn state(&mut self, function: u8, now: Timestamp) -> FunctionState {
        FunctionState {
            function,
            presence: self.presence(now),
            power_state: self.power_state,
            flr: self.counts.flr,
            pm: self.counts.pm,
            device_specific: self.counts.device_specific,
            sbr: self.counts.sbr,
            power_cycles: self.counts.power_cycles,
            config_resets: self.counts.config_resets,
            device_resets: self.counts.device_resets,
            bars: self.script.bars,
            pending: self.script.pending.is_some(),
            is_other: self.is_other,
        }
    }

    /// Does what was due meanwhile.
    fn catch_up(&mut self, now: Timestamp) {
        match self.due.take_if(|(at, _)| *at <= now) {
            Some((_, Later::Reset { by })) => self.initialise(by, Depth::Device),
            Some((_, Later::Leave { until })) => self.leave(until),
            None => {}
        }
    }

    fn presence(&mut self, now: Timestamp) -> Presence {
        self.catch_up(now);
        if matches!(self.answering, Answering::NotReady { until } if until <= now) {
            self.answering = Answering::Ready;
        }
        match (self.supply, self.answering) {
            (Supply::Never | Supply::Lost, _) => Presence::Unpowered,
            (Supply::On, Answering::Ready) => Presence::Ready,
            (Supply::On, Answering::NotReady { .. }) => Presence::NotReady,
            (Supply::On, Answering::Absent { .. }) => Presence::Absent,
        }
    }

    fn reset(&mut self, by: Until, behaviour: Reset, now: Timestamp) {
        let after = |ms| now.after(Duration::from_millis(ms));
        match behaviour {
            Reset::Normal => self.initialise(by, Depth::Device),
            Reset::Partial => self.initialise(by, Depth::Configuration),
            Reset::Ignore => {}
            Reset::Hang { ms } => {
                self.initialise(by, Depth::Device);
                if self.answering == Answering::Ready {
                    self.answering = Answering::NotReady { until: after(ms) };
                }
            }
            Reset::Kill => self.leave(killed_until(by)),
            Reset::Late { ms } => self.due = Some((after(ms), Later::Reset { by })),
            Reset::Dies { ms } => {
                self.initialise(by, Depth::Device);
                let until = killed_until(by);
                self.due = Some((after(ms), Later::Leave { until }));
            }
        }
    }

    /// Leaves the bus; a function that is gone for longer stays so.
    fn leave(&mut self, until: Until) {
        let until = match self.answering {
            Answering::Absent { until: already } => already.max(until),
            Answering::Ready | Answering::NotReady { .. } => until,
        };
        self.answering = Answering::Absent { until };
    }

    /// Resets so much and ends the faults there that this ends, unless the function is beyond its reach.
    fn initialise(&mut self, by: Until, depth: Depth) {
        let ends = |fault: Until| fault <= by;
        if matches!(self.answering, Answering::Absent { until } if !ends(until)) {
            return;
        }
        self.answering = Answering::Ready;
        self.due = None;
        self.initialise_interface(by);
        if depth == Depth::Device {
            self.initialise_device(by);
        }
    }

    fn initialise_interface(&mut self, by: Until) {
        self.counts.config_resets += 1;
        self.config.reset();
        self.power_state = PowerState::D0;
        self.script.pending.take_if(|until| *until <= by);
        self.script.pmcsr_stuck.take_if(|until| *until <= by);
        self.show_power_state();
        self.show_pending();
        if let Serial::AfterReset { number } = self.script.serial {
            self.show_serial_number(self.serial_number.and(Some(SerialNumber(number))), true);
        }
    }

    fn initialise_device(&mut self, by: Until) {
        self.counts.device_resets += 1;
        self.memory.clear();
        if dead(self.script.bars).is_some_and(|(_, until)| until <= by) {
            self.script.bars = Bars::Normal;
        }
    }

    /// Shows another serial number; a function that has none shows none.
    fn show_serial_number(&mut self, number: Option<SerialNumber>, is_other: bool) {
        let Some(SerialNumber(number)) = number else {
            return;
        };
        let [a, b, c, d, e, f, g, h] = number.to_le_bytes();
        self.config
            .redesign(SERIAL_NUMBER + 4, u32::from_le_bytes([a, b, c, d]));
        self.config
            .redesign(SERIAL_NUMBER + 8, u32::from_le_bytes([e, f, g, h]));
        self.is_other = is_other;
    }

    fn show_power_state(&mut self) {
        let bits = match self.power_state {
            PowerState::D0 => 0,
            PowerState::D3hot => 3,
        };
        let control = self.config.power_management_control();
        self.config.set(control, u32::from(POWER_STATE), bits);
    }

    fn show_pending(&mut self) {
        let bits = self.script.pending.map_or(0, |_| TRANSACTIONS_PENDING);
        let control = self.config.device_control();
        self.config.set(control, TRANSACTIONS_PENDING, bits);
    }
}

/// What brings a function back that a reset has killed.
fn killed_until(by: Until) -> Until {
    if by < Until::Sbr { Until::Sbr } else { Until::Power }
}

/// What every dword behind a dead BAR reads, and until when.
fn dead(bars: Bars) -> Option<(u32, Until)> {
    match bars {
        Bars::Normal => None,
        Bars::AllOnes { until } => Some((u32::MAX, until)),
        Bars::BadFive { until } => Some((BAD_FIVE, until)),
    }
}

fn stuck_until(stuck: Stuck) -> Option<Until> {
    match stuck {
        Stuck::Normal => None,
        Stuck::Stuck { until } => Some(until),
    }
}

#[cfg(test)]
mod tests;
