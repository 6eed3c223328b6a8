//! The access log: one line for each access to a function and for each thing that happened.
//!
//! ```text
//! SECONDS.NANOSECONDS FUNCTION read  REGION OFFSET LENGTH VALUE
//! SECONDS.NANOSECONDS FUNCTION write REGION OFFSET LENGTH VALUE
//! SECONDS.NANOSECONDS FUNCTION EVENT
//! SECONDS.NANOSECONDS -        mark  TEXT
//! ```
//!
//! Fields are parted by one space. The time is `CLOCK_MONOTONIC` and never decreases from line to
//! line. FUNCTION is a number, or `-` for the board. REGION is `config`, `bar0` to `bar5`, `rom` or
//! `vga`; OFFSET and VALUE are hexadecimal with `0x`, LENGTH is decimal; VALUE is `-` where the
//! access is longer than eight bytes. EVENT is a name of [`Event`]. A line is in the file before
//! the access is answered.

use std::fmt;
use std::fs::File;
use std::io::{self, Write};
use std::num::ParseIntError;
use std::path::Path;
use std::str::FromStr;
use std::sync::{Mutex, PoisonError};

use crate::clock::{Timestamp, TimestampError};

/// One line of the log.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Entry {
    /// When.
    pub at: Timestamp,
    /// Which function, or the board.
    pub function: Option<u8>,
    /// What.
    pub record: Record,
}

/// What a line says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Record {
    /// A region was read or written.
    Access(Access),
    /// Something happened.
    Event(Event),
}

/// One access to a region.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Access {
    /// Read or written.
    pub direction: Direction,
    /// Which region.
    pub region: Region,
    /// Where in it.
    pub offset: u64,
    /// How many bytes.
    pub length: usize,
    /// What was read or written, little-endian, up to eight bytes.
    pub value: Option<u64>,
}

impl Access {
    /// An access with these bytes.
    #[must_use]
    pub fn new(direction: Direction, region: Region, offset: u64, data: &[u8]) -> Self {
        let value = (data.len() <= 8).then(|| {
            let shift_in = |value: u64, byte: &u8| value << 8 | u64::from(*byte);
            data.iter().rev().fold(0, shift_in)
        });
        Self {
            direction,
            region,
            offset,
            length: data.len(),
            value,
        }
    }

    /// Whether any byte from `offset` on for `length` bytes was accessed.
    #[must_use]
    pub fn touches(&self, region: Region, offset: u64, length: u64) -> bool {
        let end = |start: u64, length: u64| start.saturating_add(length);
        let own_length = u64::try_from(self.length).unwrap_or(u64::MAX);
        self.region == region && self.offset < end(offset, length) && offset < end(self.offset, own_length)
    }
}

/// Which way data went, seen from the machine.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Direction {
    /// From the function.
    Read,
    /// To the function.
    Write,
}

/// A region of a function.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Region {
    /// Configuration space.
    Config,
    /// A BAR by its number, 0 to 5.
    Bar(usize),
    /// The expansion ROM.
    Rom,
    /// Legacy VGA.
    Vga,
}

/// Something that happened to a function or to the board.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Event {
    /// `connect`: a machine connected and the function powered on.
    Connect,
    /// `disconnect`: the connection ended and the function lost power.
    Disconnect,
    /// `refused`: a machine tried to connect while the power was off.
    Refused,
    /// `flr`: Device Control's FLR bit was written.
    Flr,
    /// `pm`: a return from D3hot to D0 that resets.
    Pm,
    /// `device-specific`: a register of the board's own was told to reset it.
    DeviceSpecific,
    /// `sbr`: the machine reset the function from above.
    Sbr,
    /// `power-off`: the board's power was switched off.
    PowerOff,
    /// `power-on`: the board's power was switched on.
    PowerOn,
    /// `die`: the function was taken off the bus.
    Die,
    /// `mark`: a test's own line.
    Mark(String),
}

impl fmt::Display for Entry {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} ", self.at)?;
        match self.function {
            Some(function) => write!(f, "{function} ")?,
            None => f.write_str("- ")?,
        }
        match &self.record {
            Record::Access(access) => write!(f, "{access}"),
            Record::Event(event) => write!(f, "{event}"),
        }
    }
}

impl fmt::Display for Access {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let direction = match self.direction {
            Direction::Read => "read",
            Direction::Write => "write",
        };
        write!(f, "{direction} {} {:#x} {} ", self.region, self.offset, self.length)?;
        match self.value {
            Some(value) => write!(f, "{value:#x}"),
            None => f.write_str("-"),
        }
    }
}

impl fmt::Display for Region {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Config => f.write_str("config"),
            Self::Bar(index) => write!(f, "bar{index}"),
            Self::Rom => f.write_str("rom"),
            Self::Vga => f.write_str("vga"),
        }
    }
}

impl fmt::Display for Event {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Connect => "connect",
            Self::Disconnect => "disconnect",
            Self::Refused => "refused",
            Self::Flr => "flr",
            Self::Pm => "pm",
            Self::DeviceSpecific => "device-specific",
            Self::Sbr => "sbr",
            Self::PowerOff => "power-off",
            Self::PowerOn => "power-on",
            Self::Die => "die",
            Self::Mark(text) => return write!(f, "mark {text}"),
        })
    }
}

/// A line that is no [`Entry`].
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
pub enum EntryError {
    /// The line ends before this field.
    #[error("no {0}")]
    Missing(&'static str),
    /// The time cannot be read.
    #[error("time: {0}")]
    Time(TimestampError),
    /// A number cannot be read.
    #[error("{field}: {cause}")]
    Number {
        /// The field it stands in.
        field: &'static str,
        /// Why.
        cause: ParseIntError,
    },
    /// No region of this name.
    #[error("no region is called `{0}`")]
    Region(String),
    /// Neither an access nor an event.
    #[error("`{0}` is neither an access nor an event")]
    Record(String),
}

impl FromStr for Entry {
    type Err = EntryError;

    fn from_str(line: &str) -> Result<Self, Self::Err> {
        let mut fields = line.splitn(3, ' ');
        let mut field = |name| fields.next().ok_or(EntryError::Missing(name));
        let at = field("time")?.parse().map_err(EntryError::Time)?;
        let function = match field("function")? {
            "-" => None,
            number => Some(number.parse().map_err(number_error("function"))?),
        };
        let record = field("record")?.parse()?;
        Ok(Self { at, function, record })
    }
}

impl FromStr for Record {
    type Err = EntryError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let (name, rest) = text.split_once(' ').unwrap_or((text, ""));
        let event = match name {
            "read" => return access(Direction::Read, rest).map(Self::Access),
            "write" => return access(Direction::Write, rest).map(Self::Access),
            "mark" => Event::Mark(rest.to_owned()),
            "connect" => Event::Connect,
            "disconnect" => Event::Disconnect,
            "refused" => Event::Refused,
            "flr" => Event::Flr,
            "pm" => Event::Pm,
            "device-specific" => Event::DeviceSpecific,
            "sbr" => Event::Sbr,
            "power-off" => Event::PowerOff,
            "power-on" => Event::PowerOn,
            "die" => Event::Die,
            other => return Err(EntryError::Record(other.to_owned())),
        };
        Ok(Self::Event(event))
    }
}

fn access(direction: Direction, text: &str) -> Result<Access, EntryError> {
    let mut fields = text.split(' ');
    let mut field = |name| match fields.next() {
        Some(field) if !field.is_empty() => Ok(field),
        _ => Err(EntryError::Missing(name)),
    };
    Ok(Access {
        direction,
        region: field("region")?.parse()?,
        offset: hexadecimal("offset", field("offset")?)?,
        length: field("length")?.parse().map_err(number_error("length"))?,
        value: match field("value")? {
            "-" => None,
            value => Some(hexadecimal("value", value)?),
        },
    })
}

fn hexadecimal(field: &'static str, text: &str) -> Result<u64, EntryError> {
    let digits = text.strip_prefix("0x").unwrap_or(text);
    u64::from_str_radix(digits, 16).map_err(number_error(field))
}

fn number_error(field: &'static str) -> impl Fn(ParseIntError) -> EntryError {
    move |cause| EntryError::Number { field, cause }
}

impl FromStr for Region {
    type Err = EntryError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        match text {
            "config" => Ok(Self::Config),
            "rom" => Ok(Self::Rom),
            "vga" => Ok(Self::Vga),
            _ => text
                .strip_prefix("bar")
                .and_then(|index| index.parse().ok())
                .filter(|index| *index < 6)
                .map(Self::Bar)
                .ok_or_else(|| EntryError::Region(text.to_owned())),
        }
    }
}

/// The log's writing end, shared by all functions.
#[derive(Debug)]
pub struct Log {
    file: Mutex<File>,
}

impl Log {
    /// Opens a log and goes on at its end: a fake started again after a crash keeps what was seen.
    ///
    /// # Errors
    /// Where the file cannot be opened.
    pub fn open(path: &Path) -> io::Result<Self> {
        let file = File::options().create(true).append(true).open(path)?;
        Ok(Self { file: Mutex::new(file) })
    }

    /// Writes one line, stamped now.
    ///
    /// # Errors
    /// Where the file cannot be written.
    pub fn write(&self, function: Option<u8>, record: Record) -> io::Result<()> {
        // A writer that panicked has written a whole line or none: `write_all` is its only step.
        let mut file = self.file.lock().unwrap_or_else(PoisonError::into_inner);
        // The time is taken under the lock, so that lines stand in the order of their times.
        let at = Timestamp::now();
        let entry = Entry { at, function, record };
        file.write_all(format!("{entry}\n").as_bytes())
    }

    /// Writes an event.
    ///
    /// # Errors
    /// Where the file cannot be written.
    pub fn event(&self, function: Option<u8>, event: Event) -> io::Result<()> {
        self.write(function, Record::Event(event))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn round_trip(line: &str) -> Entry {
        let entry: Entry = line.parse().unwrap();
        assert_eq!(entry.to_string(), line);
        entry
    }

    #[test]
    fn a_read_of_the_identity() {
        let entry = round_trip("12.000000345 0 read config 0x0 4 0x248910de");
        assert_eq!(entry.function, Some(0));
        let Record::Access(access) = entry.record else {
            panic!("no access: {entry}");
        };
        assert_eq!(access.value, Some(0x2489_10de));
        assert!(access.touches(Region::Config, 2, 2));
        assert!(!access.touches(Region::Config, 4, 2));
        assert!(!access.touches(Region::Bar(0), 0, 4));
    }

    #[test]
    fn a_long_access_has_no_value() {
        let access = Access::new(Direction::Read, Region::Config, 0, &[0; 256]);
        assert_eq!(access.to_string(), "read config 0x0 256 -");
        round_trip("1.000000000 3 read config 0x0 256 -");
    }

    #[test]
    fn a_mark_keeps_its_spaces() {
        let entry = round_trip("1.000000000 - mark before the  claim");
        assert_eq!(entry.record, Record::Event(Event::Mark("before the  claim".to_owned())));
    }

    #[test]
    fn each_wrong_line_names_its_field() {
        let wrong = |line: &str| line.parse::<Entry>().unwrap_err().to_string();
        assert_eq!(wrong(""), "time: no `.` between seconds and nanoseconds");
        assert_eq!(wrong("1.000000000"), "no function");
        assert_eq!(wrong("1.000000000 0 read bar6 0x0 4 0x0"), "no region is called `bar6`");
        assert_eq!(wrong("1.000000000 0 read bar0 0x0"), "no length");
        assert_eq!(
            wrong("1.000000000 0 explode"),
            "`explode` is neither an access nor an event"
        );
    }
}
