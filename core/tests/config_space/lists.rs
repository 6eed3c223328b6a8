//! Lists that are broken, empty, full or unusual, and the end of the walk over each.

use reseat_core::capability::extended_space::{ExtendedSpace, NoExtendedSpace};
use reseat_core::capability::list::{ExtendedList, List, ListEnd, StandardList};
use reseat_core::capability::view::ViewError;
use reseat_core::capability::walk::{Walk, WalkEnd};
use reseat_core::capability::{CapabilityId, ExtendedId, Pointer, StandardId};
use reseat_core::config::{Memory, MemoryError, Offset, ReadableSize, RegisterError};
use reseat_core::header::{CapabilityPointer, Header, Layout};

use crate::hex::space;
use crate::readers::{Failing, Failure, Watched};

const POINTER: Offset = Offset::at::<0x34>();

fn listed(pointer: u16) -> CapabilityPointer {
    CapabilityPointer::Listed {
        at: POINTER,
        pointer: Pointer::new(pointer),
    }
}

/// Returns the offsets of a list's capabilities, in the order of the links.
pub(crate) fn offsets<I: CapabilityId, E, const N: usize>(list: &List<I, E, N>) -> Vec<u16> {
    list.capabilities()
        .iter()
        .map(|capability| capability.offset().get())
        .collect()
}

/// Walks a standard list with these registers: returns the offsets and the end.
fn walk(pointer: u16, registers: &[(u32, u32)]) -> (Vec<u16>, WalkEnd<MemoryError>) {
    let mut walk = Walk::standard(Memory::new(space::<256>(registers)).unwrap(), listed(pointer));
    let met = walk.by_ref().map(|capability| capability.offset().get()).collect();
    (met, walk.finish())
}

/// Walks an extended list with these registers: returns the offsets and the end.
fn walk_extended(registers: &[(u32, u32)]) -> (Vec<u16>, WalkEnd<MemoryError>) {
    let memory = Memory::new(space::<4096>(registers)).unwrap();
    let mut walk = Walk::extended(memory, ExtendedSpace::assume());
    let met = walk.by_ref().map(|capability| capability.offset().get()).collect();
    (met, walk.finish())
}

#[test]
fn self_link_is_a_cycle() {
    let at = Offset::at::<0x40>();
    assert_eq!(
        walk(0x40, &[(0x40, 0x4001)]),
        (vec![0x40], WalkEnd::Cycle { at, target: at })
    );
    let at = Offset::at::<0x100>();
    assert_eq!(
        walk_extended(&[(0x100, 0x1001_0001)]),
        (vec![0x100], WalkEnd::Cycle { at, target: at })
    );
}

#[test]
fn cycle_names_both_sides() {
    let (met, end) = walk(0x40, &[(0x40, 0x5001), (0x50, 0x6005), (0x60, 0x5010)]);
    assert_eq!(met, [0x40, 0x50, 0x60]);
    assert_eq!(
        end,
        WalkEnd::Cycle {
            at: Offset::at::<0x60>(),
            target: Offset::at::<0x50>()
        }
    );
    let cycle = [(0x100, 0x7901_0001), (0x790, 0xd001_000b), (0xd00, 0x7901_000b)];
    let (met, end) = walk_extended(&cycle);
    assert_eq!(met, [0x100, 0x790, 0xd00]);
    assert_eq!(
        end,
        WalkEnd::Cycle {
            at: Offset::at::<0xd00>(),
            target: Offset::at::<0x790>()
        }
    );
}

#[test]
fn cycle_is_seen_through_reserved_bits() {
    let (_, end) = walk(0x40, &[(0x40, 0x5001), (0x50, 0x4205)]);
    assert_eq!(
        end,
        WalkEnd::Cycle {
            at: Offset::at::<0x50>(),
            target: Offset::at::<0x40>()
        }
    );
}

#[test]
fn reserved_bits_are_left_out_and_reported() {
    let memory = Memory::new(space::<256>(&[(0x40, 0x5301), (0x50, 0x0005)])).unwrap();
    let links: Vec<_> = Walk::standard(memory, listed(0x41))
        .map(|capability| (capability.offset().get(), capability.link().reserved()))
        .collect();
    assert_eq!(links, [(0x40, 1), (0x50, 3)]);
}

#[test]
fn nothing_but_reserved_bits_is_misaligned() {
    let at = Offset::at::<0x40>();
    let end = WalkEnd::Misaligned {
        at,
        pointer: Pointer::new(0x02),
    };
    assert_eq!(walk(0x40, &[(0x40, 0x0201)]), (vec![0x40], end));
    let at = Offset::at::<0x100>();
    let end = WalkEnd::Misaligned {
        at,
        pointer: Pointer::new(0x003),
    };
    assert_eq!(walk_extended(&[(0x100, 0x0031_0001)]), (vec![0x100], end));
}

#[test]
fn pointer_into_the_header_is_out_of_range() {
    let end = WalkEnd::OutOfRange {
        at: POINTER,
        pointer: Pointer::new(0x3c),
    };
    assert_eq!(walk(0x3c, &[]), (vec![], end));
    let end = WalkEnd::OutOfRange {
        at: Offset::at::<0x100>(),
        pointer: Pointer::new(0x0fc),
    };
    assert_eq!(walk_extended(&[(0x100, 0x0fc1_0001)]), (vec![0x100], end));
}

#[test]
fn list_beyond_the_readable_size_is_out_of_range_and_not_empty() {
    let memory = Memory::new([0; 64]).unwrap();
    let end = WalkEnd::OutOfRange {
        at: POINTER,
        pointer: Pointer::new(0x60),
    };
    assert_eq!(Walk::standard(memory, listed(0x60)).finish(), end);
    let memory = Memory::new([0; 256]).unwrap();
    let at = Offset::at::<0x100>();
    let end = WalkEnd::OutOfRange {
        at,
        pointer: Pointer::new(0x100),
    };
    assert_eq!(Walk::extended(memory, ExtendedSpace::assume()).finish(), end);
}

#[test]
fn all_ones_for_a_header_is_unreadable() {
    let at = Offset::at::<0x50>();
    let end = WalkEnd::Unreadable(RegisterError::AllOnes { at });
    assert_eq!(walk(0x40, &[(0x40, 0x5001), (0x50, u32::MAX)]), (vec![0x40], end));
    let at = Offset::at::<0x100>();
    let end = WalkEnd::Unreadable(RegisterError::AllOnes { at });
    assert_eq!(walk_extended(&[(0x100, u32::MAX)]), (vec![], end));
}

#[test]
fn failure_of_the_reader_is_unreadable_and_says_why() {
    let at = Offset::at::<0x50>();
    let inner = Memory::new(space::<256>(&[(0x40, 0x5001), (0x50, 0x0005)])).unwrap();
    let end = Walk::standard(Failing { inner, at }, listed(0x40)).finish();
    assert_eq!(end, WalkEnd::Unreadable(RegisterError::Failed { at, error: Failure }));
}

#[test]
fn empty_lists_are_complete() {
    assert_eq!(walk(0x00, &[]), (vec![], WalkEnd::Complete));
    assert_eq!(walk_extended(&[]), (vec![], WalkEnd::Complete));
}

#[test]
fn null_capabilities_are_items() {
    let memory = Memory::new(space::<256>(&[(0x60, 0x6800), (0x68, 0x7800), (0x78, 0x0010)])).unwrap();
    let ids: Vec<_> = Walk::standard(memory, listed(0x60))
        .map(|capability| capability.id())
        .collect();
    assert_eq!(ids, [StandardId::NULL, StandardId::NULL, StandardId::EXPRESS]);
    // A guest sees this list instead of the capabilities that its host hides.
    let memory = Memory::new(space::<4096>(&[(0x100, 0x12c0_0000), (0x12c, 0x0001_0018)])).unwrap();
    let ids: Vec<_> = Walk::extended(memory, ExtendedSpace::assume())
        .map(|capability| capability.id())
        .collect();
    assert_eq!(ids, [ExtendedId::NULL, ExtendedId(0x0018)]);
}

#[test]
fn version_has_four_bits() {
    let memory = Memory::new(space::<4096>(&[(0x100, 0x000f_ffff)])).unwrap();
    let capability = Walk::extended(memory, ExtendedSpace::assume()).next().unwrap();
    assert_eq!((capability.id(), capability.version()), (ExtendedId(0xffff), 0xf));
    assert_eq!(capability.next().raw(), 0);
}

#[test]
fn pointer_without_the_status_bit_is_reported_and_not_followed() {
    let registers = [(0x00, 0x2330_10de), (0x34, 0x40), (0x40, 0x0001)];
    let mut memory = Watched::new(Memory::new(space::<256>(&registers)).unwrap());
    let pointer = Header::read(&mut memory).unwrap().capability_pointer().unwrap();
    assert_eq!(
        pointer,
        CapabilityPointer::Unlisted {
            at: POINTER,
            pointer: Pointer::new(0x40)
        }
    );
    memory.reads.clear();
    let mut walk = Walk::standard(&mut memory, pointer);
    assert_eq!(walk.next(), None);
    assert_eq!(walk.end(), Some(&WalkEnd::Complete));
    assert!(memory.reads.is_empty());
}

#[test]
fn every_place_can_hold_a_capability() {
    let next = |at: u32| if at == 0xfc { 0 } else { at + 4 };
    let chain: Vec<_> = (0x40..0x100).step_by(4).map(|at| (at, next(at) << 8 | 0x01)).collect();
    let (met, end) = walk(0x40, &chain);
    assert_eq!((met.len(), end), (48, WalkEnd::Complete));
    let next = |at: u32| if at == 0xffc { 0 } else { at + 4 };
    let chain: Vec<_> = (0x100..0x1000)
        .step_by(4)
        .map(|at| (at, next(at) << 20 | 0x1_0001))
        .collect();
    let (met, end) = walk_extended(&chain);
    assert_eq!((met.len(), end), (960, WalkEnd::Complete));
}

#[test]
fn list_with_more_than_its_room_is_full() {
    let registers = [(0x40, 0x4401), (0x44, 0x4805), (0x48, 0x0010)];
    let mut memory = Watched::new(Memory::new(space::<256>(&registers)).unwrap());
    let list = StandardList::<_, 2>::read(&mut memory, listed(0x40));
    assert_eq!(list.end(), &ListEnd::Full);
    assert_eq!(list.capabilities().len(), 2);
    assert_eq!(memory.reads, [0x40, 0x44, 0x48]);
    let list = StandardList::<_, 3>::read(&mut memory, listed(0x40));
    assert_eq!(list.end(), &ListEnd::Walked(WalkEnd::Complete));
}

#[test]
fn view_does_not_read_its_neighbour() {
    let registers = [(0x40, 0x6001), (0x60, 0x4805), (0x48, 0x0010)];
    let mut memory = Watched::new(Memory::new(space::<256>(&registers)).unwrap());
    let list: StandardList<_> = StandardList::read(&mut memory, listed(0x40));
    memory.reads.clear();
    let mut view = list.view(list.find(StandardId::POWER_MANAGEMENT).unwrap(), &mut memory);
    assert_eq!(view.length(), 8);
    assert_eq!(view.read(Offset::at::<0x04>()), Ok(0));
    let relative = Offset::at::<0x08>();
    assert_eq!(view.read(relative), Err(ViewError::BeyondBound { relative, length: 8 }));
    assert_eq!(memory.reads, [0x44]);
}

#[test]
fn last_view_ends_with_its_part_of_the_space() {
    let registers = [(0xf8, 0x0001), (0xffc, 0x0001_0001), (0x100, 0xffc1_0001)];
    let mut memory = Memory::new(space::<4096>(&registers)).unwrap();
    let list: StandardList<_> = StandardList::read(&mut memory, listed(0xf8));
    assert_eq!(list.view(&list.capabilities()[0], &mut memory).length(), 8);
    let list: ExtendedList<_> = ExtendedList::read(&mut memory, ExtendedSpace::assume());
    assert_eq!(list.view(&list.capabilities()[1], &mut memory).length(), 4);
}

/// Detects extended space in a function with these registers and this readable size.
fn detect<const SIZE: usize>(registers: &[(u32, u32)]) -> Result<ExtendedSpace, NoExtendedSpace<MemoryError>> {
    let mut memory = Memory::new(space::<SIZE>(registers)).unwrap();
    let list: StandardList<_> = StandardList::read(&mut memory, listed(0x40));
    ExtendedSpace::detect(&list, memory)
}

#[test]
fn extended_space_takes_a_capability_and_the_size() {
    let express = [(0x40, 0x0010)];
    assert_eq!(detect::<4096>(&express), Ok(ExtendedSpace::assume()));
    assert_eq!(
        detect::<256>(&express),
        Err(NoExtendedSpace::NotReadable(ReadableSize::Standard))
    );
    assert_eq!(detect::<4096>(&[(0x40, 0x0008)]), Err(NoExtendedSpace::NotCapable));
}

#[test]
fn pci_x_has_extended_space_in_mode_2_only() {
    assert_eq!(
        detect::<4096>(&[(0x40, 0x0007), (0x44, 0x0003_0000)]),
        Err(NoExtendedSpace::NotCapable)
    );
    for mode_2 in [0x4003_0000, 0x8003_0000] {
        assert_eq!(
            detect::<4096>(&[(0x40, 0x0007), (0x44, mode_2)]),
            Ok(ExtendedSpace::assume())
        );
    }
}

#[test]
fn card_bus_keeps_its_pointer_at_14() {
    let registers = [
        (0x00, 0x7136_1217),
        (0x04, 0x0410_0087),
        (0x08, 0x0607_0001),
        (0x0c, 0x0082_a800),
        (0x10, 0xfc40_2000),
        (0x14, 0x0200_00a0),
        (0x18, 0xb020_1d1c),
        (0x34, 0x3401),
        (0x40, 0x143d_10cf),
        (0xa0, 0xfe02_0001),
    ];
    let mut memory = Memory::new(space::<256>(&registers)).unwrap();
    let header = Header::read(&mut memory).unwrap();
    let pointer = header.capability_pointer().unwrap();
    let at = Offset::at::<0x14>();
    assert_eq!(
        pointer,
        CapabilityPointer::Listed {
            at,
            pointer: Pointer::new(0xa0)
        }
    );
    let list: StandardList<_> = StandardList::read(&mut memory, pointer);
    assert_eq!(list.capabilities()[0].offset(), Offset::at::<0xa0>());
    let Layout::CardBus(layout) = header.layout else {
        panic!("{header:?}")
    };
    assert_eq!(layout.subsystem.unwrap().to_string(), "10cf:143d");
    assert_eq!((layout.buses.secondary, layout.buses.subordinate), (0x1d, 0x20));
}
