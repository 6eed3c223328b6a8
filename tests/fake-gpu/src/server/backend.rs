//! One connection's vfio-user backend: requests become calls of the function and lines of the log.

use std::fs::File;
use std::io;
use std::os::unix::net::UnixListener;
use std::sync::Arc;
use std::thread;

use vfio_bindings::bindings::vfio::{
    VFIO_IRQ_INFO_EVENTFD, VFIO_PCI_CONFIG_REGION_INDEX, VFIO_PCI_INTX_IRQ_INDEX, VFIO_PCI_MSI_IRQ_INDEX,
    VFIO_PCI_NUM_IRQS, VFIO_PCI_NUM_REGIONS, VFIO_PCI_ROM_REGION_INDEX, VFIO_PCI_VGA_REGION_INDEX,
    VFIO_REGION_INFO_FLAG_READ, VFIO_REGION_INFO_FLAG_WRITE, vfio_region_info,
};
use vfio_user::{DmaMapFlags, DmaUnmapFlags, IrqInfo, Server, ServerBackend, ServerRegion};

use super::{Board, Slot};
use crate::clock::Timestamp;
use crate::config_space;
use crate::log::{Access, Direction, Event, Record, Region};
use crate::profile::FunctionDesign;

pub(super) struct Backend {
    board: Arc<Board>,
    slot: usize,
}

impl Backend {
    pub(super) fn new(board: Arc<Board>, slot: usize) -> io::Result<Self> {
        let backend = Self { board, slot };
        backend.slot()?;
        Ok(backend)
    }

    /// The server that calls this backend.
    pub(super) fn server(&self, listener: UnixListener) -> Server {
        let regions = (0..VFIO_PCI_NUM_REGIONS)
            .map(|index| ServerRegion {
                region_info: self.region_info(index),
                sparse_areas: Vec::new(),
                mmap_fd: None,
            })
            .collect();
        let irqs = (0..VFIO_PCI_NUM_IRQS).map(irq_info).collect();
        Server::from_owned_fd(listener.into(), true, irqs, regions)
    }

    fn region_info(&self, index: u32) -> vfio_region_info {
        let size = match (region(index), self.slot()) {
            (Some(region), Ok(slot)) => size(&slot.design, region),
            _ => 0,
        };
        let access = match region(index) {
            Some(Region::Rom) => VFIO_REGION_INFO_FLAG_READ,
            _ => VFIO_REGION_INFO_FLAG_READ | VFIO_REGION_INFO_FLAG_WRITE,
        };
        vfio_region_info {
            argsz: u32::try_from(size_of::<vfio_region_info>()).unwrap_or_default(),
            flags: if size > 0 { access } else { 0 },
            index,
            size,
            ..Default::default()
        }
    }

    fn slot(&self) -> io::Result<&Slot> {
        let slot = self.board.slots.get(self.slot);
        slot.ok_or_else(|| io::ErrorKind::NotFound.into())
    }

    /// The region of an access that lies in it.
    fn accessed(&self, index: u32, offset: u64, length: usize) -> io::Result<Region> {
        let region = region(index).ok_or(io::ErrorKind::InvalidInput)?;
        let size = size(&self.slot()?.design, region);
        let end = u64::try_from(length).ok().and_then(|length| offset.checked_add(length));
        match end {
            Some(end) if end <= size => Ok(region),
            _ => Err(io::ErrorKind::InvalidInput.into()),
        }
    }
}

fn region(index: u32) -> Option<Region> {
    match index {
        VFIO_PCI_CONFIG_REGION_INDEX => Some(Region::Config),
        VFIO_PCI_ROM_REGION_INDEX => Some(Region::Rom),
        VFIO_PCI_VGA_REGION_INDEX => Some(Region::Vga),
        bar if bar < VFIO_PCI_ROM_REGION_INDEX => usize::try_from(bar).ok().map(Region::Bar),
        _ => None,
    }
}

/// Whether the BAR is decoded is for the machine, which asks for what is behind it only then. Beyond the image nothing is
/// programmed.
fn rom_read(rom: &[u8], offset: u64, data: &mut [u8]) {
    let from = usize::try_from(offset).unwrap_or(usize::MAX);
    let held = rom.get(from..).unwrap_or_default();
    let held = held.iter().copied().chain(std::iter::repeat(0xff));
    for (to, byte) in data.iter_mut().zip(held) {
        *to = byte;
    }
}

fn size(design: &FunctionDesign, region: Region) -> u64 {
    match region {
        Region::Config => u64::try_from(config_space::SIZE).unwrap_or_default(),
        Region::Bar(index) => design.bar_size(index),
        Region::Rom => u64::from(design.header.rom),
        Region::Vga => 0,
    }
}

/// A pin interrupt and one MSI vector can be set up; neither is ever raised.
fn irq_info(index: u32) -> IrqInfo {
    let count = match index {
        VFIO_PCI_INTX_IRQ_INDEX | VFIO_PCI_MSI_IRQ_INDEX => 1,
        _ => 0,
    };
    IrqInfo {
        index,
        flags: if count > 0 { VFIO_IRQ_INFO_EVENTFD } else { 0 },
        count,
    }
}

impl ServerBackend for Backend {
    fn region_read(&mut self, region: u32, offset: u64, data: &mut [u8]) -> io::Result<()> {
        let region = self.accessed(region, offset, data.len())?;
        let slot = self.slot()?;
        if region == Region::Config {
            // Without the lock, so that a command can still reach the function.
            let delay = slot.function().config_read_delay();
            thread::sleep(delay);
        }
        // Logged under the lock, so that the log has the order in which the function saw things.
        let mut function = slot.function();
        match region {
            Region::Config => function.config_read(Timestamp::now(), offset, data),
            Region::Bar(bar) => function.bar_read(Timestamp::now(), bar, offset, data),
            Region::Rom => rom_read(&slot.design.rom, offset, data),
            Region::Vga => data.fill(0xff),
        }
        let access = Access::new(Direction::Read, region, offset, data);
        self.board.log.write(Some(slot.number), Record::Access(access))
    }

    fn region_write(&mut self, region: u32, offset: u64, data: &[u8]) -> io::Result<()> {
        let region = self.accessed(region, offset, data.len())?;
        let slot = self.slot()?;
        let mut function = slot.function();
        let access = Access::new(Direction::Write, region, offset, data);
        self.board.log.write(Some(slot.number), Record::Access(access))?;
        match region {
            Region::Config => {
                for event in function.config_write(Timestamp::now(), offset, data) {
                    self.board.log.event(Some(slot.number), event)?;
                }
            }
            Region::Bar(bar) => {
                let resets_board = function.bar_write(Timestamp::now(), bar, offset, data);
                drop(function);
                if resets_board {
                    self.board.reset_itself()?;
                }
            }
            Region::Rom | Region::Vga => {}
        }
        Ok(())
    }

    fn dma_map(
        &mut self,
        _flags: DmaMapFlags,
        _offset: u64,
        _address: u64,
        _size: u64,
        _fd: Option<File>,
    ) -> io::Result<()> {
        Ok(())
    }

    fn dma_unmap(&mut self, _flags: DmaUnmapFlags, _address: u64, _size: u64) -> io::Result<()> {
        Ok(())
    }

    fn reset(&mut self) -> io::Result<()> {
        let slot = self.slot()?;
        let mut function = slot.function();
        let event: Event = function.secondary_bus_reset(Timestamp::now());
        self.board.log.event(Some(slot.number), event)
    }

    fn set_irqs(&mut self, _index: u32, _flags: u32, _start: u32, _count: u32, _fds: Vec<File>) -> io::Result<()> {
        Ok(())
    }
}
