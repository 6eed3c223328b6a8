//! Registers behind a BAR, through the kernel's `resourceN`.

use std::fs::File;
use std::io;
use std::sync::atomic::Ordering;

use reseat_core::address::FunctionAddress;
use reseat_core::health::NotRead;
use reseat_core::vendor::BarRegister;
use rustix::mm::{MapFlags, ProtFlags};
use vm_memory::mmap::MmapRegionError;
use vm_memory::{Bytes, FileOffset, MmapRegion, VolatileMemory};

use super::root::Root;

const PAGE: usize = 4096;

/// Reads one register: a single access of 32 bits.
///
/// # Errors
/// Why it was not read; under lockdown the kernel forbids it.
pub(crate) fn read(root: &Root, function: FunctionAddress, register: BarRegister) -> Result<u32, NotRead> {
    let path = root.function(function).join(format!("resource{}", register.bar));
    let file = File::open(path).map_err(|error| why(&error))?;
    let offset = usize::try_from(register.offset).map_err(|_| NotRead::Failed)?;
    let (start, within) = (offset - offset % PAGE, offset % PAGE);
    let start = u64::try_from(start).map_err(|_| NotRead::Failed)?;
    let place = FileOffset::new(file, start);
    let (protection, flags) = (ProtFlags::READ.bits(), MapFlags::SHARED.bits());
    let mapped = MmapRegion::<()>::build(Some(place), PAGE, protection.cast_signed(), flags.cast_signed());
    let mapped = mapped.map_err(|error| match error {
        MmapRegionError::Mmap(error) => why(&error),
        _ => NotRead::Failed,
    })?;
    let value = mapped.as_volatile_slice().load(within, Ordering::Relaxed);
    value.map_err(|_| NotRead::Failed)
}

fn why(error: &io::Error) -> NotRead {
    match error.kind() {
        io::ErrorKind::PermissionDenied => NotRead::Forbidden,
        _ => NotRead::Failed,
    }
}
