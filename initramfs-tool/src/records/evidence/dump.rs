//! Configuration spaces as rows of hexadecimal bytes, as `lspci -xxxx` prints them and `reseat decode` reads them.

use std::fmt::Write;

use reseat_core::address::FunctionAddress;
use reseat_core::config::{ConfigRead, Offset, ReadableSize};
use reseat_core::presence::Readiness;
use reseat_core::snapshot::{Full, Register};
use serde::{Deserialize, Serialize};

use crate::decode::hex::space::DumpedSpace;

/// What was read of a configuration space.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct SpaceDump {
    /// The answer of the function, or why it was not read.
    pub state: SpaceState,
    /// How much of it could be read at all.
    pub size: Option<ReadableSize>,
    /// Rows of bytes; a register that is in none was not read, or could not be.
    pub hex: String,
    /// The registers that could not be read.
    pub failed: Vec<Offset>,
    /// What is there and was left out.
    pub left_out: Vec<Range>,
}

/// The state of a function whose configuration space was to be read.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum SpaceState {
    /// It was read as far as this allows.
    Read(Readiness),
    /// It sleeps in this state, and was not woken.
    Asleep(String),
    /// It was not read, since it is not known which ports are above it.
    PortsUnknown,
    /// Reading it failed.
    Unreadable,
    /// A sentence of version 1.
    Text(String),
}

/// Bytes of a configuration space, from the first to the last.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Range {
    /// The offset of the first.
    pub first: u16,
    /// The offset of the last.
    pub last: u16,
}

impl SpaceDump {
    /// A space of which nothing was read.
    pub const fn unread(state: SpaceState) -> Self {
        Self {
            state,
            size: None,
            hex: String::new(),
            failed: Vec::new(),
            left_out: Vec::new(),
        }
    }

    /// Whether more of it was read than whether it answers.
    pub fn answered(&self) -> bool {
        self.hex.lines().count() > 1
    }

    /// What `snapshot` holds of a function that answers so.
    pub fn of(readiness: Readiness, snapshot: &Full) -> Self {
        let size = ConfigRead::size(&snapshot);
        let failed = registers(size).filter(|at| snapshot.get(*at) == Register::Failed);
        Self {
            state: SpaceState::Read(readiness),
            size: Some(size),
            hex: rows(snapshot, size),
            failed: failed.collect(),
            left_out: left_out(snapshot, size),
        }
    }

    /// The snapshot again, of the function at `address`; none where nothing was read.
    pub fn snapshot(&self, address: FunctionAddress) -> Option<Full> {
        let size = self.size?;
        let mut space = DumpedSpace::of_rows(&self.hex);
        let mut snapshot = Full::new(address, size);
        for at in registers(size) {
            let register = match space.read(at) {
                Ok(value) => Register::Value(value),
                Err(_) if self.failed.contains(&at) => Register::Failed,
                Err(_) => Register::NotRead,
            };
            snapshot.add(at, register).ok()?;
        }
        Some(snapshot)
    }
}

/// A function's rows with a title, as `lspci` has it: the address, and `title`.
pub fn hex_of(address: FunctionAddress, title: &str, space: &SpaceDump) -> String {
    format!("{address} {title}\n{}", space.hex)
}

fn registers(size: ReadableSize) -> impl Iterator<Item = Offset> {
    let offsets = (0..size.bytes()).step_by(usize::from(Offset::WIDTH));
    offsets.filter_map(|offset| Offset::new(offset).ok())
}

/// Rows of up to 16 bytes. One that begins behind a hole begins with its own offset.
fn rows(snapshot: &Full, size: ReadableSize) -> String {
    const ROW: u16 = 16;
    let mut text = String::new();
    let mut next = None;
    for at in registers(size) {
        let value = match snapshot.get(at) {
            Register::Value(value) => value,
            Register::AllOnes => u32::MAX,
            Register::Failed | Register::NotRead => continue,
        };
        if next != Some(at.get()) || at.get().is_multiple_of(ROW) {
            let end = if text.is_empty() { "" } else { "\n" };
            write!(text, "{end}{:02x}:", at.get()).ok();
        }
        for byte in value.to_le_bytes() {
            write!(text, " {byte:02x}").ok();
        }
        next = Some(at.get().saturating_add(Offset::WIDTH));
    }
    if !text.is_empty() {
        text.push('\n');
    }
    text
}

fn left_out(snapshot: &Full, size: ReadableSize) -> Vec<Range> {
    let mut ranges: Vec<Range> = Vec::new();
    for at in registers(size).filter(|at| snapshot.get(*at) == Register::NotRead) {
        let (first, last) = (at.get(), at.get().saturating_add(Offset::WIDTH - 1));
        match ranges.last_mut() {
            Some(range) if range.last.saturating_add(1) == first => range.last = last,
            _ => ranges.push(Range { first, last }),
        }
    }
    ranges
}
