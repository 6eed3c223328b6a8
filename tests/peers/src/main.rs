//! `cargo xtask bench core`: reseat-core beside its peers on the same functions, in one run.
//!
//! Each round measures everybody once, one after the other; the smallest time of all rounds counts, as what the work takes
//! when nobody else disturbs it.

mod corpus;
#[path = "../../../core/tests/topology/large.rs"]
mod large;
mod topology;

use std::env;
use std::hint::black_box;
use std::path::PathBuf;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};
use pci_types::{ConfigRegionAccess, EndpointHeader, PciAddress, PciHeader};
use reseat_core::capability::acs::Acs;
use reseat_core::capability::advanced_features::AdvancedFeatures;
use reseat_core::capability::aer::Aer;
use reseat_core::capability::ari::Ari;
use reseat_core::capability::dpc::Dpc;
use reseat_core::capability::express::Express;
use reseat_core::capability::extended_space::ExtendedSpace;
use reseat_core::capability::list::{ExtendedList, StandardList};
use reseat_core::capability::power_management::PowerManagement;
use reseat_core::capability::resizable_bar::ResizableBars;
use reseat_core::capability::secondary_express::SecondaryExpress;
use reseat_core::capability::serial_number::DeviceSerialNumber;
use reseat_core::capability::sr_iov::SrIov;
use reseat_core::capability::walk::Walk;
use reseat_core::capability::{Capability, ExtendedId};
use reseat_core::config::{Memory, MemoryError};
use reseat_core::header::{CapabilityPointer, Common, Header, LayoutCode};

const ROUNDS: usize = 30;
const REPEATS: u32 = 200;

fn main() -> Result<()> {
    let folder = env::args_os()
        .nth(1)
        .map(PathBuf::from)
        .context("usage: peers FOLDER")?;
    let spaces = corpus::read(&folder)?;
    // A peer decodes only what has its 256 bytes, another walks only endpoints.
    let whole: Vec<&[u8]> = spaces
        .iter()
        .filter(|space| space.len() >= 256)
        .map(Vec::as_slice)
        .collect();
    let endpoints: Vec<&[u8]> = whole.iter().copied().filter(|space| is_endpoint(space)).collect();
    ensure!(
        !endpoints.is_empty(),
        "{} holds no function of 256 bytes or more",
        folder.display()
    );

    println!(
        "{} functions, {} of them endpoints; the least of {ROUNDS} rounds of {REPEATS}",
        whole.len(),
        endpoints.len()
    );
    println!("decode: header, both capability lists and what each decodes of them");
    let decode = compare(&whole, &[&decode_ours, &decode_pcics]);
    print_row("reseat-core", decode[0], decode[0]);
    print_row("pcics", decode[1], decode[0]);
    println!("walk: the standard list of an endpoint, from its header type and Status on");
    let walk = compare(&endpoints, &[&walk_ours, &walk_pci_types]);
    print_row("reseat-core", walk[0], walk[0]);
    print_row("pci_types", walk[1], walk[0]);
    topology::bench()
}

fn is_endpoint(space: &[u8]) -> bool {
    let header = Memory::new(space).ok().and_then(|memory| Common::read(memory).ok());
    header.is_some_and(|header| header.header_type.layout() == LayoutCode::Type0)
}

fn print_row(who: &str, time: f64, ours: f64) {
    println!("  {who:12} {time:8.1} ns a function   {:6.2} x", time / ours);
}

/// The time that each takes for a function, in nanoseconds.
fn compare(spaces: &[&[u8]], them: &[&dyn Fn(&[u8])]) -> Vec<f64> {
    let mut least = vec![Duration::MAX; them.len()];
    for _ in 0..ROUNDS {
        for (work, least) in them.iter().zip(&mut least) {
            let begin = Instant::now();
            for _ in 0..REPEATS {
                for space in spaces {
                    work(black_box(space));
                }
            }
            *least = begin.elapsed().min(*least);
        }
    }
    let count = f64::from(REPEATS) * spaces.len() as f64;
    least.into_iter().map(|time| time.as_secs_f64() * 1e9 / count).collect()
}

fn decode_ours(space: &[u8]) {
    let Ok(mut memory) = Memory::new(space) else { return };
    let Ok(header) = Header::read(&mut memory) else { return };
    let pointer = header.capability_pointer().unwrap_or(CapabilityPointer::None);
    black_box(&header);
    let standard: StandardList<_> = StandardList::read(&mut memory, pointer);
    for capability in standard.capabilities() {
        black_box(capability.id());
        if let Some(mut power) = PowerManagement::at(&standard, capability, &mut memory) {
            black_box((power.capabilities(), power.control_status().ok()));
        } else if let Some(mut features) = AdvancedFeatures::at(&standard, capability, &mut memory) {
            black_box((features.capabilities(), features.control_status().ok()));
        } else if let Some(mut express) = Express::at(&standard, capability, &mut memory) {
            black_box((
                express.capabilities(),
                express.device_capabilities().ok(),
                express.device().ok(),
            ));
            black_box((express.link_capabilities().ok(), express.link().ok()));
            black_box((
                express.slot_capabilities().ok(),
                express.slot().ok(),
                express.root().ok(),
            ));
        }
    }
    if let Ok(space) = ExtendedSpace::detect(&standard, &mut memory) {
        let list = ExtendedList::read(&mut memory, space);
        for capability in list.capabilities() {
            decode_extended(&mut memory, &list, capability);
        }
    }
}

fn decode_extended(
    memory: &mut Memory<&[u8]>,
    list: &ExtendedList<MemoryError, 64>,
    capability: &Capability<ExtendedId>,
) {
    black_box(capability.id());
    if let Some(mut aer) = Aer::at(list, capability, &mut *memory) {
        black_box((
            aer.uncorrectable_status().ok(),
            aer.uncorrectable_mask().ok(),
            aer.uncorrectable_severity().ok(),
        ));
        black_box((
            aer.correctable_status().ok(),
            aer.correctable_mask().ok(),
            aer.capabilities_control().ok(),
        ));
    } else if let Some(mut acs) = Acs::at(list, capability, &mut *memory) {
        black_box(acs.capability_control().ok());
    } else if let Some(mut ari) = Ari::at(list, capability, &mut *memory) {
        black_box(ari.capability_control().ok());
    } else if let Some(mut dpc) = Dpc::at(list, capability, &mut *memory) {
        black_box((dpc.capability_control().ok(), dpc.status_source().ok()));
    } else if let Some(mut sr_iov) = SrIov::at(list, capability, &mut *memory) {
        black_box((
            sr_iov.capabilities().ok(),
            sr_iov.control_status().ok(),
            sr_iov.limits().ok(),
        ));
        black_box((sr_iov.number().ok(), sr_iov.routing().ok(), sr_iov.device_id().ok()));
    } else if let Some(mut bars) = ResizableBars::at(list, capability, &mut *memory) {
        for index in 0..bars.number().unwrap_or_default() {
            black_box(bars.bar(index).ok());
        }
    } else if let Some(mut number) = DeviceSerialNumber::at(list, capability, &mut *memory) {
        black_box(number.number().ok());
    } else if let Some(mut secondary) = SecondaryExpress::at(list, capability, &mut *memory) {
        black_box((secondary.link_control_3().ok(), secondary.lane_error_status().ok()));
    }
}

fn decode_pcics(space: &[u8]) {
    let Ok(header) = pcics::Header::try_from(&space[..pcics::DDR_OFFSET]) else {
        return;
    };
    let region = &space[pcics::DDR_OFFSET..pcics::ECS_OFFSET];
    for capability in pcics::Capabilities::new(region, &header) {
        black_box(capability.ok());
    }
    if space.len() > pcics::ECS_OFFSET {
        // It does not end on a cycle by itself.
        for capability in pcics::ExtendedCapabilities::new(&space[pcics::ECS_OFFSET..]).take(64) {
            black_box(capability.ok());
        }
    }
    black_box(&header);
}

fn walk_ours(space: &[u8]) {
    let Ok(mut memory) = Memory::new(space) else { return };
    let Ok(Some(pointer)) = CapabilityPointer::read(&mut memory) else {
        return;
    };
    for capability in Walk::standard(&mut memory, pointer) {
        black_box(capability);
    }
}

fn walk_pci_types(space: &[u8]) {
    let access = Registers(space);
    let header = PciHeader::new(PciAddress::new(0, 0, 0, 0));
    let Some(endpoint) = EndpointHeader::from_header(header, &access) else {
        return;
    };
    for capability in endpoint.capabilities(&access) {
        black_box(capability);
    }
}

/// The space as that crate wants it.
struct Registers<'a>(&'a [u8]);

impl ConfigRegionAccess for Registers<'_> {
    unsafe fn read(&self, _: PciAddress, offset: u16) -> u32 {
        let at = usize::from(offset);
        let bytes = self.0.get(at..at + 4).and_then(|bytes| bytes.try_into().ok());
        bytes.map_or(u32::MAX, u32::from_le_bytes)
    }

    unsafe fn write(&self, _: PciAddress, _: u16, _: u32) {}
}
