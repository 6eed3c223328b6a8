//! Arbitrary bytes as a function's configuration space: header, both lists, every view and decoder.
//!
//! The first byte says how much of the space is readable, the next two at which register the reader
//! fails, if at any. The rest is the space from offset 0 on; zeros follow where it ends.

#![no_main]

use std::ops::Range;

use libfuzzer_sys::fuzz_target;
use reseat_core::capability::advanced_features::AdvancedFeatures;
use reseat_core::capability::express::Express;
use reseat_core::capability::extended_space::ExtendedSpace;
use reseat_core::capability::list::{ExtendedList, List, ListEnd, StandardList};
use reseat_core::capability::power_management::PowerManagement;
use reseat_core::capability::walk::{End, Walk};
use reseat_core::capability::{CapabilityId, Pointer};
use reseat_core::config::{ConfigRead, Memory, Offset, ReadableSize};
use reseat_core::header::{CapabilityPointer, Header, Layout};
use reseat_core::presence::{Presence, RrsVisibility};

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
    decode(&mut space, &standard);

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
});

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
        ListEnd::Walked(End::Cycle { target, .. }) => {
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

/// Calls every decoder; each reads within the standard capabilities, no register twice.
fn decode(space: &mut Counting<'_>, list: &StandardList<Failure>) {
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
    if let Some(mut express) = Express::find(list, &mut *space) {
        let _port = express.capabilities().port_type();
        let _device = (express.device_capabilities(), express.device());
        let _link = (express.link_capabilities(), express.link());
        let _slot = (express.slot_capabilities(), express.slot());
        let _root = express.root();
        assert!(space.take(0x40..0x100) <= 7);
    }
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
