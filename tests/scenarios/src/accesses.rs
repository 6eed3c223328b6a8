//! What the access log proves.

use std::time::Duration;

use anyhow::Result;
use fake_gpu::log::{Access, Direction, Record, Region};
use fake_gpu::process::FakeGpu;

/// The accesses to `region` of a GPU, oldest first: the function, when (`CLOCK_MONOTONIC`), and what.
///
/// # Errors
/// When the log cannot be read.
pub fn accesses(gpu: &FakeGpu, region: Region) -> Result<Vec<(u8, Duration, Access)>> {
    let accesses = gpu.entries()?.into_iter().filter_map(|entry| match entry.record {
        Record::Access(access) if access.region == region => Some((entry.function?, entry.at.0, access)),
        Record::Access(_) | Record::Event(_) => None,
    });
    Ok(accesses.collect())
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
