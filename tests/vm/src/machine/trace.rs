//! Writes to configuration space, as QEMU traces them: what no function of a bed could log itself, such as a bridge's.

use std::fs;
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime};

use super::spec::QemuOption;
use crate::clock::monotonic;
use crate::files::FileError;

/// The file in a machine's directory.
const FILE: &str = "trace";

/// QEMU's name for a write.
const EVENT: &str = "pci_cfg_write";

/// One write to configuration space.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ConfigWrite {
    /// When: `CLOCK_MONOTONIC` of the host.
    pub at: Duration,
    /// The kind of device, as QEMU calls it.
    pub kind: String,
    /// The function: `03:00.0`.
    pub function: String,
    /// Where in its configuration space.
    pub offset: u32,
    /// What was written, in its low bits; QEMU does not say how many.
    pub value: u32,
}

/// The writes cannot be had.
#[derive(Debug, thiserror::Error)]
pub enum TraceError {
    /// The trace cannot be read: perhaps the machine was not told to write one.
    #[error(transparent)]
    File(#[from] FileError),
    /// A line of it is not as expected.
    #[error("{}: no write to configuration space: `{line}`", path.display())]
    Line {
        /// The trace.
        path: PathBuf,
        /// The line.
        line: String,
    },
}

/// The arguments that have QEMU write the trace into a directory.
pub(super) fn options(directory: &Path) -> Vec<QemuOption> {
    let file = directory.join(FILE);
    vec![
        ("-msg", "timestamp=on".to_owned()),
        ("-trace", format!("enable={EVENT},file={}", file.display())),
    ]
}

/// The writes so far, oldest first.
pub(super) fn read(directory: &Path) -> Result<Vec<ConfigWrite>, TraceError> {
    let path = directory.join(FILE);
    let text = fs::read_to_string(&path).map_err(FileError::of("read", &path))?;
    let since_boot = clock_offset();
    // Without the last line's end QEMU is still writing it.
    let whole = text.split_inclusive('\n').filter_map(|line| line.strip_suffix('\n'));
    whole
        .filter(|line| line.contains(EVENT))
        .map(|line| {
            parse(line, since_boot).ok_or_else(|| TraceError::Line {
                path: path.clone(),
                line: line.to_owned(),
            })
        })
        .collect()
}

/// What the monotonic clock is behind the wall clock, by which QEMU stamps.
fn clock_offset() -> Duration {
    let wall = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH);
    wall.unwrap_or_default().saturating_sub(monotonic())
}

/// `2026-11-27T12:50:41.985864Z pci_cfg_write KIND BUS:DEVICE.FUNCTION @0xOFFSET <- 0xVALUE`.
fn parse(line: &str, clock_offset: Duration) -> Option<ConfigWrite> {
    let mut fields = line.split(' ');
    let at = parse_stamp(fields.next()?)?;
    let mut field = |before: &str| fields.next().and_then(|field| field.strip_prefix(before));
    field(EVENT)?;
    let (kind, function) = (field("")?, field("")?);
    let offset = u32::from_str_radix(field("@0x")?, 16).ok()?;
    field("<-")?;
    let value = u32::from_str_radix(field("0x")?, 16).ok()?;
    Some(ConfigWrite {
        at: at.saturating_sub(clock_offset),
        kind: kind.to_owned(),
        function: function.to_owned(),
        offset,
        value,
    })
}

/// The time since 1970 of an RFC 3339 time in UTC with microseconds.
fn parse_stamp(text: &str) -> Option<Duration> {
    let (date, time) = text.strip_suffix('Z')?.split_once('T')?;
    let (time, micros) = time.split_once('.')?;
    let [year, month, day] = numbers(date, '-')?;
    let [hours, minutes, seconds] = numbers(time, ':')?;
    let days = days_before_year(year)?.checked_sub(days_before_year(1970)?)? + days_before_month(year, month)?;
    let days = days + day.checked_sub(1)?;
    let seconds = ((days * 24 + hours) * 60 + minutes) * 60 + seconds;
    Some(Duration::from_secs(seconds) + Duration::from_micros(micros.parse().ok()?))
}

fn numbers(text: &str, separator: char) -> Option<[u64; 3]> {
    let numbers: Vec<u64> = text.split(separator).map(str::parse).collect::<Result<_, _>>().ok()?;
    numbers.try_into().ok()
}

fn days_before_year(year: u64) -> Option<u64> {
    let past = year.checked_sub(1)?;
    Some(past * 365 + past / 4 - past / 100 + past / 400)
}

fn days_before_month(year: u64, month: u64) -> Option<u64> {
    const DAYS: [u64; 12] = [31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31];
    let past = usize::try_from(month.checked_sub(1)?).ok()?;
    let is_leap = year.is_multiple_of(4) && (!year.is_multiple_of(100) || year.is_multiple_of(400));
    let leap_day = u64::from(is_leap && month > 2);
    Some(DAYS.get(..past)?.iter().sum::<u64>() + leap_day)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_write_is_read_as_qemu_traces_it() {
        let line = "2026-11-27T12:50:41.985864Z pci_cfg_write pcie-root-port 00:03.0 @0x3e <- 0x43";
        // `date -u -d 2026-11-27T12:50:41 +%s`.
        let since_boot = Duration::from_secs(1_795_783_841 - 100);
        let write = parse(line, since_boot).unwrap();
        assert_eq!(write.at, Duration::from_micros(100_985_864));
        assert_eq!(
            (write.kind.as_str(), write.function.as_str()),
            ("pcie-root-port", "00:03.0")
        );
        assert_eq!((write.offset, write.value), (0x3e, 0x43));
    }

    #[test]
    fn the_calendar_has_leap_days() {
        let days = |date: &str| parse_stamp(&format!("{date}T00:00:00.000000Z")).unwrap().as_secs() / 86_400;
        assert_eq!(days("1970-01-01"), 0);
        assert_eq!(days("2000-03-01") - days("2000-02-28"), 2);
        assert_eq!(days("2100-03-01") - days("2100-02-28"), 1);
    }

    #[test]
    fn what_is_no_write_is_refused() {
        let parse = |line| parse(line, Duration::ZERO);
        assert_eq!(
            parse("2026-11-27T12:50:41.985864Z pci_cfg_read mch 00:00.0 @0x90 -> 0x3"),
            None
        );
        assert_eq!(parse("pci_cfg_write mch 00:00.0 @0x90 <- 0x3"), None);
        assert_eq!(
            parse("2026-11-27T12:50:41.985864Z pci_cfg_write mch 00:00.0 @0x90"),
            None
        );
    }
}
