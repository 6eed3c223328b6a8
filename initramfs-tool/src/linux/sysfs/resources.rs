//! Registers behind a BAR, through the kernel's `resourceN`.

use std::fs::OpenOptions;
use std::io;
use std::sync::atomic::Ordering;

use reseat_core::address::FunctionAddress;
use reseat_core::health::NotRead;
use reseat_core::vendor::BarRegister;
use rustix::mm::{MapFlags, ProtFlags};
use rustix::param::page_size;
use vm_memory::mmap::MmapRegionError;
use vm_memory::{Bytes, FileOffset, MmapRegion, VolatileMemory};

use super::attributes;
use super::root::Root;

/// Reads one register: a single access of 32 bits.
///
/// # Errors
/// Why it was not read; under lockdown the kernel forbids it.
pub(crate) fn read(root: &Root, function: FunctionAddress, register: BarRegister) -> Result<u32, NotRead> {
    let (mapped, within) = map(root, function, register, Access::Read)?;
    let value = mapped.as_volatile_slice().load(within, Ordering::Relaxed);
    value.map_err(|_| NotRead::Failed)
}

/// Writes one register: a single access of 32 bits. Only marks of the reset witness are written.
///
/// # Errors
/// Why it was not written; under lockdown the kernel forbids it.
pub(crate) fn write(root: &Root, function: FunctionAddress, register: BarRegister, value: u32) -> Result<(), NotRead> {
    let (mapped, within) = map(root, function, register, Access::Write)?;
    let written = mapped.as_volatile_slice().store(value, within, Ordering::Relaxed);
    written.map_err(|_| NotRead::Failed)
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Access {
    Read,
    Write,
}

/// Maps the page in which a register lies, and says where in it.
fn map(
    root: &Root,
    function: FunctionAddress,
    register: BarRegister,
    access: Access,
) -> Result<(MmapRegion<()>, usize), NotRead> {
    let path = root.function(function).join(format!("resource{}", register.bar));
    let opened = OpenOptions::new().read(true).write(access == Access::Write).open(path);
    let file = opened.map_err(|error| why(&error))?;
    let start = start(root, function, register.bar).ok_or(NotRead::Failed)?;
    let page = Page::of(start, register.offset, page_size()).ok_or(NotRead::Failed)?;
    let place = FileOffset::new(file, page.start);
    let protection = match access {
        Access::Read => ProtFlags::READ,
        Access::Write => ProtFlags::READ | ProtFlags::WRITE,
    };
    let (protection, flags) = (protection.bits().cast_signed(), MapFlags::SHARED.bits().cast_signed());
    let mapped = MmapRegion::<()>::build(Some(place), page.size, protection, flags);
    let mapped = mapped.map_err(|error| match error {
        MmapRegionError::Mmap(error) => why(&error),
        _ => NotRead::Failed,
    })?;
    Ok((mapped, page.within))
}

/// The address at which a BAR starts, as the kernel has it.
fn start(root: &Root, function: FunctionAddress, bar: u8) -> Option<u64> {
    let text = attributes::read(&root.function(function).join("resource")).ok()?;
    let line = text.lines().nth(bar.into())?;
    let start = line.split_whitespace().next()?.strip_prefix("0x")?;
    u64::from_str_radix(start, 16).ok()
}

/// The page in which a register lies. The kernel maps whole pages of its own size, which is 64 KiB on some machines: a
/// BAR that is smaller may begin within one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Page {
    /// Its offset in the resource's file: a multiple of its size.
    start: u64,
    /// Its size.
    size: usize,
    /// The register's offset in it.
    within: usize,
}

impl Page {
    /// The page for a BAR that starts at `bar`; `None` for what no system has.
    fn of(bar: u64, offset: u32, size: usize) -> Option<Self> {
        let page = u64::try_from(size).ok()?;
        let offset = bar.checked_rem(page)?.checked_add(offset.into())?;
        let within = offset % page;
        Some(Self {
            start: offset - within,
            size,
            within: usize::try_from(within).ok()?,
        })
    }
}

fn why(error: &io::Error) -> NotRead {
    match error.kind() {
        io::ErrorKind::PermissionDenied => NotRead::Forbidden,
        _ => NotRead::Failed,
    }
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;
    use crate::linux::test_root::TestRoot;

    #[test]
    fn a_register_lies_in_a_page_of_the_systems_size() {
        for (bar, offset, size, start, within) in [
            (0xfb00_0000, 0, 4096, 0, 0),
            (0xfb00_0000, 0x378c, 4096, 0x3000, 0x78c),
            (0xfb00_0000, 0x378c, 65536, 0, 0x378c),
            (0xfb00_0000, 0x11_8234, 4096, 0x11_8000, 0x234),
            (0xfb00_0000, 0x11_8234, 65536, 0x11_0000, 0x8234),
            (0x80_0000_0000, 0x2_00bc, 16384, 0x2_0000, 0xbc),
            (0, 0xffff_fffc, 65536, 0xffff_0000, 0xfffc),
            // A BAR of 16 KiB in the middle of a page.
            (0xfb00_4000, 0x10, 65536, 0, 0x4010),
            (0xfb00_4000, 0x10, 4096, 0, 0x10),
        ] {
            let expected = Page { start, size, within };
            assert_eq!(
                Page::of(bar, offset, size),
                Some(expected),
                "{offset:#x} of {bar:#x} in pages of {size}"
            );
        }
    }

    #[test]
    fn a_resource_is_read_at_its_offset() {
        let machine = TestRoot::new();
        let function: FunctionAddress = "0000:01:00.0".parse().unwrap();
        let directory = "/sys/bus/pci/devices/0000:01:00.0";
        machine.write(
            &format!("{directory}/resource"),
            "0x00000000fb000000 0x00000000fb01ffff 0x0000000000040200\n",
        );
        let dwords = (0..0x8000_u32).flat_map(u32::to_le_bytes).collect::<Vec<_>>();
        fs::write(machine.root().path(format!("{directory}/resource0")), dwords).unwrap();
        let register = |offset| BarRegister { bar: 0, offset };
        for offset in [0, 0x78c, 0x378c, 0x1_fffc] {
            assert_eq!(read(&machine.root(), function, register(offset)), Ok(offset / 4));
        }
    }
}
