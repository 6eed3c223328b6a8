//! Decoded functions for people.
//!
//! ```text
//! 02:00.0 3D controller: NVIDIA Corporation GP108M [GeForce MX150] (rev a1)
//!   10de:1d10 class 030200 revision a1, type 0, 4096 bytes
//!   command 0006: io_space- memory_space+ …
//!   standard capabilities: complete
//!   [60] 01 PCI Power Management
//!       control_status 0008: power_state=D0 no_soft_reset+ …
//! ```

use std::fmt::{self, Display, Write};

use reseat_core::capability::express::LinkSpeed;
use reseat_core::capability::list::ListEnd;
use reseat_core::capability::walk::WalkEnd;

use super::function::{BarFields, Capabilities, CapabilityFields, DecodedFunction, HeaderFields, PointerFields};
use super::register::{Field, Register, Registers};
use super::value::Value;

/// The width of a line, if its words allow it.
const WIDTH: usize = 110;

impl Display for DecodedFunction {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.title {
            Some(title) => writeln!(f, "{title}")?,
            None => writeln!(f, "{}", self.name)?,
        }
        let Some(header) = &self.header else {
            return match self.all_ones {
                true => writeln!(f, "  does not answer: all {} bytes are ff", self.bytes),
                false => writeln!(f, "  not decoded: {} bytes", self.bytes),
            };
        };
        header.write(f, self.bytes)?;
        if let Some(standard) = &self.standard {
            match self.ends_before(standard) {
                true => writeln!(
                    f,
                    "  standard capabilities: behind the {} bytes of the dump",
                    self.bytes
                )?,
                false => standard.write(f, "standard")?,
            }
        }
        match (&self.extended, &self.no_extended_space) {
            (Some(extended), _) => extended.write(f, "extended"),
            (None, Some(reason)) => writeln!(f, "  no extended capabilities: {reason}"),
            (None, None) => Ok(()),
        }
    }
}

impl DecodedFunction {
    /// True if the list begins behind the end of the dump.
    fn ends_before(&self, list: &Capabilities) -> bool {
        match &list.end {
            ListEnd::Walked(WalkEnd::OutOfRange { pointer, .. }) => {
                list.capabilities.is_empty() && pointer.target() >= self.readable_size
            }
            _ => false,
        }
    }
}

impl HeaderFields {
    fn write(&self, f: &mut fmt::Formatter<'_>, bytes: usize) -> fmt::Result {
        let Self { identity, class, .. } = self;
        let functions = if self.multi_function { ", multi-function" } else { "" };
        write!(f, "  {identity} class {class} revision {:02x}, ", self.revision)?;
        writeln!(f, "{}{functions}, {bytes} bytes", self.layout)?;
        if let Some(subsystem) = self.subsystem {
            writeln!(f, "  subsystem {subsystem}")?;
        }
        if let Some(buses) = self.buses {
            write!(f, "  buses: primary {:02x}, ", buses.primary)?;
            writeln!(
                f,
                "secondary {:02x}, subordinate {:02x}",
                buses.secondary, buses.subordinate
            )?;
        }
        for bar in &self.bars {
            bar.write(f)?;
        }
        if let Some(pin) = &self.interrupt_pin {
            writeln!(f, "  interrupt pin {pin}")?;
        }
        self.registers.write(f, "  ")?;
        self.pointer.as_ref().map_or(Ok(()), |pointer| pointer.write(f))
    }
}

impl BarFields {
    fn write(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { index, kind, value, .. } = self;
        let prefetchable = match self.prefetchable {
            Some(true) => " prefetchable",
            Some(false) | None => "",
        };
        writeln!(f, "  BAR {index}: {kind} {value}{prefetchable}")
    }
}

impl PointerFields {
    /// Only what is out of the ordinary.
    fn write(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { at, target, .. } = self;
        if !self.listed {
            writeln!(
                f,
                "  {at:02x} points to {target:02x}, and Status says that there is no list: not followed"
            )?;
        }
        if self.reserved_bits != 0 {
            writeln!(
                f,
                "  {at:02x} points to {target:02x} with reserved bits {:#x}",
                self.reserved_bits
            )?;
        }
        Ok(())
    }
}

impl Capabilities {
    fn write(&self, f: &mut fmt::Formatter<'_>, name: &str) -> fmt::Result {
        writeln!(f, "  {name} capabilities: {}", self.end)?;
        self.capabilities.iter().try_for_each(|capability| capability.write(f))
    }
}

impl CapabilityFields {
    fn write(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { offset, id, .. } = self;
        match self.version {
            Some(version) => write!(f, "  [{offset:03x}] {id} v{version} ")?,
            None => write!(f, "  [{offset:02x}] {id} ")?,
        }
        write!(f, "{}", self.name.unwrap_or("unknown"))?;
        if self.registers.is_empty() {
            write!(f, " ({})", self.raw)?;
        }
        if self.reserved_bits != 0 {
            write!(f, ", linked with reserved bits {:#x}", self.reserved_bits)?;
        }
        writeln!(f)?;
        self.registers.write(f, "      ")
    }
}

impl Registers {
    fn write(&self, f: &mut fmt::Formatter<'_>, indent: &str) -> fmt::Result {
        self.iter().try_for_each(|register| register.write(f, indent))
    }
}

impl Register {
    fn write(&self, f: &mut fmt::Formatter<'_>, indent: &str) -> fmt::Result {
        let Self { name, content } = self;
        let content = match content {
            Ok(content) => content,
            Err(error) => return writeln!(f, "{indent}{name}: {error}"),
        };
        let mut line = format!("{indent}{name} {}:", content.raw);
        for field in &content.fields {
            let field = field.to_string();
            if line.len() + 1 + field.len() > WIDTH {
                writeln!(f, "{line}")?;
                line = format!("{indent}   ");
            }
            write!(line, " {field}")?;
        }
        writeln!(f, "{line}")
    }
}

impl Display for Field {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { name, value } = self;
        match value {
            Value::Flag(true) => write!(f, "{name}+"),
            Value::Flag(false) => write!(f, "{name}-"),
            Value::Number(number) => write!(f, "{name}={number}"),
            Value::Numbers(numbers) => write!(f, "{name}={}", listed(numbers)),
            Value::Text(text) | Value::Code(text) => write!(f, "{name}={text}"),
            Value::Codes(codes) => write!(f, "{name}={}", listed(codes)),
            Value::Size(bytes) => write!(f, "{name}={}", size(*bytes)),
            Value::Sizes(sizes) => {
                let sizes: Vec<_> = sizes.iter().map(|bytes| size(*bytes)).collect();
                write!(f, "{name}={}", listed(&sizes))
            }
            Value::ReservedSize(code) | Value::Speed(LinkSpeed::Other(code)) => write!(f, "{name}=reserved {code}"),
            Value::Speed(speed) => write!(f, "{name}={speed}"),
            Value::Speeds(speeds) => write!(f, "{name}={}", listed(speeds)),
        }
    }
}

fn listed(items: &[impl Display]) -> String {
    match items.is_empty() {
        true => "none".to_owned(),
        false => items.iter().map(ToString::to_string).collect::<Vec<_>>().join(", "),
    }
}

/// A size: `256 MB`, or below one megabyte the number of bytes.
fn size(bytes: u64) -> String {
    const UNITS: [&str; 5] = ["MB", "GB", "TB", "PB", "EB"];
    let mut number = bytes >> 20;
    let mut units = UNITS.into_iter();
    let mut unit = units.next().filter(|_| number > 0);
    while number >= 1024 {
        number >>= 10;
        unit = units.next();
    }
    match unit {
        Some(unit) => format!("{number} {unit}"),
        None => bytes.to_string(),
    }
}
