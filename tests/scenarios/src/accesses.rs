//! What the access log proves.

use std::time::Duration;

use anyhow::Result;
use fake_gpu::clock::Timestamp;
use fake_gpu::log::{Access, Direction, Entry, Event, Record, Region};
use fake_gpu::process::FakeGpu;

/// The field of PMCSR that has the power state; 0 is D0.
const POWER_STATE: u64 = 0x3;

/// The present, by the clock of every log.
pub fn now() -> Duration {
    Timestamp::now().0
}

/// What a bystander must not see between two moments: writes to any of its functions, resets, and losses of power.
///
/// # Errors
/// When the log cannot be read.
pub fn disturbances(gpu: &FakeGpu, from: Duration, to: Duration) -> Result<Vec<Entry>> {
    let disturbs = |record: &Record| match record {
        Record::Access(access) => access.direction == Direction::Write,
        Record::Event(Event::Mark(_)) => false,
        Record::Event(_) => true,
    };
    let mut entries = gpu.entries()?;
    entries.retain(|entry| (from..=to).contains(&entry.at.0) && disturbs(&entry.record));
    Ok(entries)
}

/// The accesses to `region` of a GPU, oldest first: the function, when (`CLOCK_MONOTONIC`), and what.
///
/// # Errors
/// When the log cannot be read.
pub fn accesses(gpu: &FakeGpu, region: Region) -> Result<Vec<(u8, Duration, Access)>> {
    let mut all = all_accesses(gpu)?;
    all.retain(|(_, _, access)| access.region == region);
    Ok(all)
}

fn all_accesses(gpu: &FakeGpu) -> Result<Vec<(u8, Duration, Access)>> {
    let accesses = gpu.entries()?.into_iter().filter_map(|entry| match entry.record {
        Record::Access(access) => Some((entry.function?, entry.at.0, access)),
        Record::Event(_) => None,
    });
    Ok(accesses.collect())
}

/// The power states that a function's PMCSR showed or was given, oldest first. `control` is the register's offset, which
/// the fake knows.
///
/// # Errors
/// When the log cannot be read.
pub fn power_states(gpu: &FakeGpu, function: u8, control: u16) -> Result<Vec<(Duration, Direction, u64)>> {
    let control = u64::from(control);
    let seen = accesses(gpu, Region::Config)?
        .into_iter()
        .filter_map(|(of, at, access)| {
            let is_it = of == function && access.touches(Region::Config, control, 1);
            let bits = access.value.filter(|_| is_it)? >> (8 * (control - access.offset));
            Some((at, access.direction, bits & POWER_STATE))
        });
    Ok(seen.collect())
}

/// The accesses to everything but configuration space, in either direction: BARs, ROM, legacy VGA.
///
/// # Errors
/// When the log cannot be read.
pub fn device_accesses(gpu: &FakeGpu) -> Result<Vec<(u8, Duration, Access)>> {
    let mut all = all_accesses(gpu)?;
    all.retain(|(_, _, access)| access.region != Region::Config);
    Ok(all)
}

/// How many 32-bit registers of a function's configuration space were read between two moments.
///
/// # Errors
/// When the log cannot be read.
pub fn config_reads(gpu: &FakeGpu, function: u8, from: Duration, to: Duration) -> Result<usize> {
    let reads = accesses(gpu, Region::Config)?
        .into_iter()
        .filter(|(of, at, access)| *of == function && (from..=to).contains(at) && access.direction == Direction::Read);
    Ok(reads.map(|(_, _, access)| access.length.div_ceil(4)).sum())
}
