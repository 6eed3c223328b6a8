//! Arbitrary bytes as a function's configuration space: header, both lists, every view and decoder.
//!
//! The first byte says how much of the space is readable, the next two at which register the reader
//! fails, if at any. The rest is the space from offset 0 on; zeros follow where it ends.

#![no_main]

use std::ops::Range;

use libfuzzer_sys::fuzz_target;
use reseat_core::capability::acs::Acs;
use reseat_core::capability::advanced_features::AdvancedFeatures;
use reseat_core::capability::aer::Aer;
use reseat_core::capability::ari::Ari;
use reseat_core::capability::cxl_flex_bus::CxlFlexBusPort;
use reseat_core::capability::designated_vendor_specific::{CxlPort, DesignatedVendorSpecific};
use reseat_core::capability::dpc::Dpc;
use reseat_core::capability::express::{Express, PortType};
use reseat_core::capability::extended_space::ExtendedSpace;
use reseat_core::capability::list::{ExtendedList, List, ListEnd, StandardList};
use reseat_core::capability::power_budgeting::PowerBudgeting;
use reseat_core::capability::power_management::PowerManagement;
use reseat_core::capability::resizable_bar::ResizableBars;
use reseat_core::capability::secondary_express::SecondaryExpress;
use reseat_core::capability::serial_number::DeviceSerialNumber;
use reseat_core::capability::sr_iov::SrIov;
use reseat_core::capability::vendor_specific::VendorSpecific;
use reseat_core::capability::walk::{Walk, WalkEnd};
use reseat_core::capability::{Capability, CapabilityId, ExtendedId, Pointer};
use reseat_core::config::{ConfigRead, Memory, Offset, ReadableSize};
use reseat_core::header::{CapabilityPointer, Header, Layout};
use reseat_core::health::{self, Condition, Reading, Verdict};
use reseat_core::presence::{Admission, Presence, RrsVisibility};

/// Registers in the space.
const REGISTERS: usize = 1024;

/// Notes which registers are read, fails at one of them, and lets none be read twice.
struct Counting<'a> {
    inner: Memory<&'a [u8]>,
    fails_at: Option<Offset>,
    reads: [bool; REGISTERS],
}

#[derive(Clone, Copy, Debug)]
struct Failure;

impl Counting<'_> {
    /// How many registers were read since the last call, all of them in `within`.
    fn take(&mut self, within: Range<u16>) -> usize {
        let reads = std::mem::replace(&mut self.reads, [false; REGISTERS]);
        let registers = (0_u16..).step_by(4).zip(reads).filter(|(_, read)| *read);
        registers
            .inspect(|(at, _)| assert!(within.contains(at), "{at:#x} is read"))
            .count()
    }
}

impl ConfigRead for Counting<'_> {
    type Error = Failure;

    fn size(&self) -> ReadableSize {
        self.inner.size()
    }

    fn read(&mut self, offset: Offset) -> Result<u32, Failure> {
        assert!(self.size().contains(offset), "{offset} is beyond the readable size");
        let read = &mut self.reads[usize::from(offset.get() / 4)];
        assert!(!*read, "{offset} is read again");
        *read = true;
        if self.fails_at == Some(offset) {
            return Err(Failure);
        }
        Ok(self.inner.read(offset).expect("within the size"))
    }
}

fuzz_target!(|input: &[u8]| {
    let [size, fails_low, fails_high, bytes @ ..] = input else {
        return;
    };
    let fails_at = Offset::new(u16::from_le_bytes([*fails_low, *fails_high])).ok();
    let mut memory = [0; 4 * REGISTERS];
    let length = bytes.len().min(memory.len());
    memory[..length].copy_from_slice(&bytes[..length]);
    let readable = match size % 3 {
        0 => ReadableSize::Header,
        1 => ReadableSize::Standard,
        _ => ReadableSize::Extended,
    };
    let memory = &memory[..usize::from(readable.bytes())];
    let inner = Memory::new(memory).expect("one of the sizes");
    let mut space = Counting {
        inner,
        fails_at,
        reads: [false; REGISTERS],
    };

    let _presence = Presence::read(&mut space, RrsVisibility::Enabled);
    assert_eq!(space.take(0..4), 1);
    let header = Header::read(&mut space);
    assert!(space.take(0..0x44) <= 13);
    if let Ok(header) = &header {
        bars(header);
    }

    observe(&space);

    // Where the header leads nowhere, the lists are walked all the same.
    let pointer = match header.ok().and_then(|header| header.capability_pointer()) {
        Some(pointer @ CapabilityPointer::Listed { .. }) => pointer,
        _ => CapabilityPointer::Listed {
            at: Offset::at::<0x34>(),
            pointer: Pointer::new(u16::from(memory[0x34])),
        },
    };
    let items = walk(Walk::standard(&mut space, pointer));
    let reads = space.take(0x40..0x100);
    assert!(items <= 48 && reads <= items + 1);
    let standard: StandardList<_> = StandardList::read(&mut space, pointer);
    assert_eq!((standard.capabilities().len(), space.take(0x40..0x100)), (items, reads));
    views(&mut space, &standard);
    let port = decode(&mut space, &standard);

    let proof = ExtendedSpace::detect(&standard, &mut space);
    assert!(space.take(0x40..0x100) <= 1);
    assert!(proof.is_err() || readable == ReadableSize::Extended);
    let proof = proof.unwrap_or(ExtendedSpace::assume());
    let items = walk(Walk::extended(&mut space, proof));
    let reads = space.take(0x100..0x1000);
    assert!(items <= 960 && reads <= items + 1);
    let extended: ExtendedList<_> = ExtendedList::read(&mut space, proof);
    assert_eq!(
        (extended.capabilities().len(), space.take(0x100..0x1000)),
        (items, reads)
    );
    views(&mut space, &extended);
    decode_extended(&mut space, &extended, port);
});

/// What is read for a verdict: bounded, and what fails is never taken for something that is not there.
fn observe(space: &Counting<'_>) {
    let mut reader = Bounded {
        inner: space.inner,
        fails_at: space.fails_at,
        left: 63,
    };
    let observation = Condition::read(Admission::on_root_bus(), &mut reader);
    let is_there = matches!(observation.identity, Reading::Value(_));
    assert!(is_there || reader.left == 62);
    let mut whole = Bounded {
        fails_at: None,
        left: 63,
        ..reader
    };
    let whole = Condition::read(Admission::on_root_bus(), &mut whole);
    assert!(observation.power != Reading::None || whole.power == Reading::None);
    assert!(observation.device_control != Reading::None || whole.device_control == Reading::None);
    assert!(observation.bars != Reading::None || whole.bars == Reading::None);
    let verdict = health::judge(&whole, &whole.errors, &observation).verdict();
    assert_ne!(verdict, Verdict::Verified, "the link and the errors were not read");
}

/// Reads so often at most.
#[derive(Clone)]
struct Bounded<'a> {
    inner: Memory<&'a [u8]>,
    fails_at: Option<Offset>,
    left: usize,
}

impl ConfigRead for Bounded<'_> {
    type Error = Failure;

    fn size(&self) -> ReadableSize {
        self.inner.size()
    }

    fn read(&mut self, offset: Offset) -> Result<u32, Failure> {
        self.left = self.left.checked_sub(1).expect("few reads");
        if self.fails_at == Some(offset) {
            return Err(Failure);
        }
        self.inner.read(offset).map_err(|_| Failure)
    }
}

/// Walks to the end and counts the capabilities.
fn walk<I: CapabilityId>(mut walk: Walk<&mut Counting<'_>, I>) -> usize {
    let items = walk.by_ref().count();
    assert!(walk.next().is_none(), "an ended walk goes on");
    assert!(walk.end().is_some(), "a walk without an end");
    items
}

/// Reads all registers of every view, and tries all others.
fn views<I: CapabilityId, const N: usize>(space: &mut Counting<'_>, list: &List<I, Failure, N>) {
    match list.end() {
        ListEnd::Walked(WalkEnd::Cycle { target, .. }) => {
            assert!(
                list.capabilities()
                    .iter()
                    .any(|capability| capability.offset() == *target)
            );
        }
        ListEnd::Walked(_) => {}
        ListEnd::Full => panic!("a list with room for all is full"),
    }
    for capability in list.capabilities().iter().take(64) {
        let mut view = list.view(capability, &mut *space);
        let (start, length) = (capability.offset().get(), view.length());
        for relative in (0..0x1000).step_by(4) {
            let read = view.read(Offset::new(relative).expect("a multiple of 4"));
            assert!(relative < length || read.is_err());
        }
        space.take(start..start + length);
    }
}

/// Calls every decoder of standard capabilities; each reads within them, no register twice. Gives the port's type.
fn decode(space: &mut Counting<'_>, list: &StandardList<Failure>) -> PortType {
    if let Some(mut power) = PowerManagement::find(list, &mut *space) {
        let _capabilities = power.capabilities().aux_current_milliamperes();
        let _control_status = power.control_status();
        assert!(space.take(0x40..0x100) <= 1);
    }
    if let Some(mut features) = AdvancedFeatures::find(list, &mut *space) {
        let _offers = features.capabilities().offers_flr();
        let _control_status = features.control_status();
        assert!(space.take(0x40..0x100) <= 1);
    }
    let Some(mut express) = Express::find(list, &mut *space) else {
        return PortType::Other(u8::MAX);
    };
    let port = express.capabilities().device_port_type();
    let _device = (express.device_capabilities(), express.device());
    let _link = (express.link_capabilities(), express.link());
    let _slot = (express.slot_capabilities(), express.slot());
    let _root = (express.root(), express.root_status());
    let _device_2 = (express.device_capabilities_2(), express.device_control_2());
    if let Ok(Some(link)) = express.link_capabilities_2() {
        let fastest = link.supported_link_speeds_vector().max();
        assert!(fastest.is_none_or(|fastest| link.supported_link_speeds_vector().contains(fastest)));
    }
    let _link_2 = express.link_2();
    assert!(space.take(0x40..0x100) <= 12);
    port
}

/// Calls every decoder of extended capabilities on every capability; each reads within it, no register twice.
fn decode_extended(space: &mut Counting<'_>, list: &ExtendedList<Failure>, port: PortType) {
    for capability in list.capabilities().iter().take(64) {
        let start = capability.offset().get();
        let within = start..start + list.view(capability, &mut *space).length();
        if let Some(mut aer) = Aer::at(list, capability, &mut *space) {
            let _uncorrectable = (
                aer.uncorrectable_status(),
                aer.uncorrectable_mask(),
                aer.uncorrectable_severity(),
            );
            let _correctable = (aer.correctable_status(), aer.correctable_mask());
            let _control = (aer.capabilities_control(), aer.header_log());
            let _root = (aer.root_command(port), aer.root_status(port), aer.error_source(port));
            assert!(space.take(within.clone()) <= 13);
        }
        if let Some(mut sr_iov) = SrIov::at(list, capability, &mut *space) {
            let _control = (sr_iov.capabilities(), sr_iov.control_status());
            let _functions = (sr_iov.limits(), sr_iov.number(), sr_iov.routing(), sr_iov.device_id());
            let _pages = (sr_iov.supported_page_sizes(), sr_iov.system_page_size());
            assert!(space.take(within.clone()) <= 8);
        }
        resizable_bars(space, list, capability, &within);
        one_register(space, list, capability, &within);
        designated(space, list, capability, &within);
    }
    let _port = CxlPort::find(list, &mut *space).map(|port| port.is_some());
    space.take(0x100..0x1000);
    let _port = CxlFlexBusPort::find(list, &mut *space).map(|port| port.is_some());
    space.take(0x100..0x1000);
}

fn resizable_bars(
    space: &mut Counting<'_>,
    list: &ExtendedList<Failure>,
    capability: &Capability<ExtendedId>,
    within: &Range<u16>,
) {
    let Some(mut bars) = ResizableBars::at(list, capability, &mut *space) else {
        return;
    };
    for n in 0..=u8::MAX {
        let bar = bars.bar(n);
        assert!(n < 6 || matches!(bar, Ok(None)));
        let Ok(Some(bar)) = bar else { continue };
        let sizes = bar.sizes();
        assert!(sizes.iter().all(|size| sizes.contains(size) && size.bytes().is_some()));
        assert_eq!(sizes.iter().count(), sizes.bits().count_ones() as usize);
    }
    assert!(space.take(within.clone()) <= 12);
    let number = ResizableBars::at(list, capability, &mut *space).map(|mut bars| bars.number());
    assert!(number.is_some_and(|number| number.is_err() || number.is_ok_and(|number| number < 8)));
    assert!(space.take(within.clone()) <= 1);
}

/// The decoders of few registers.
fn one_register(
    space: &mut Counting<'_>,
    list: &ExtendedList<Failure>,
    capability: &Capability<ExtendedId>,
    within: &Range<u16>,
) {
    if let Some(mut acs) = Acs::at(list, capability, &mut *space) {
        let _capability_control = acs.capability_control();
    }
    if let Some(mut ari) = Ari::at(list, capability, &mut *space) {
        let _capability_control = ari.capability_control();
    }
    if let Some(mut dpc) = Dpc::at(list, capability, &mut *space) {
        let _registers = (dpc.capability_control(), dpc.status_source());
    }
    if let Some(mut power) = PowerBudgeting::at(list, capability, &mut *space) {
        let at = power.data_select_offset();
        assert!(at.is_none_or(|at| within.contains(&at.get())));
        assert!(power.data_select().is_err() || at.is_some());
    }
    if let Some(mut secondary) = SecondaryExpress::at(list, capability, &mut *space) {
        let _registers = (secondary.link_control_3(), secondary.lane_error_status());
    }
    if let Some(mut serial_number) = DeviceSerialNumber::at(list, capability, &mut *space)
        && let Ok(number) = serial_number.number()
    {
        assert_ne!(number.0, u64::MAX);
        assert_eq!(number.to_string().len(), 23);
    }
    if let Some(mut vendor_specific) = VendorSpecific::at(list, capability, &mut *space)
        && let Ok(header) = vendor_specific.header()
    {
        assert!(usize::from(vendor_specific.length(header)) <= within.len());
    }
    assert!(space.take(within.clone()) <= 2);
}

fn designated(
    space: &mut Counting<'_>,
    list: &ExtendedList<Failure>,
    capability: &Capability<ExtendedId>,
    within: &Range<u16>,
) {
    let Some(mut designated) = DesignatedVendorSpecific::at(list, capability, &mut *space) else {
        return;
    };
    let (Ok(header), Ok(id)) = (designated.header(), designated.id()) else {
        space.take(within.clone());
        return;
    };
    let length = designated.length(header);
    assert!(usize::from(length) <= within.len());
    if let Some(mut port) = CxlPort::of(designated, header, id) {
        assert!(port.control().is_err() || length >= 14);
    }
    assert!(space.take(within.clone()) <= 3);
}

/// Every register of the BARs is part of one BAR.
fn bars(header: &Header) {
    let bars = match &header.layout {
        Layout::Type0(layout) => &layout.bars,
        Layout::Type1(layout) => &layout.bars,
        Layout::CardBus(layout) => &layout.bars,
        Layout::Unknown => return,
    };
    let indices: Vec<_> = bars.iter().map(|bar| usize::from(bar.index)).collect();
    assert!(indices.is_sorted() && indices.iter().all(|&index| index < bars.raw().len()));
}
