//! Properties of arbitrary addresses and arbitrary bytes.

use std::collections::HashSet;

use proptest::prelude::*;
use reseat_core::address::{DeviceAddress, FunctionAddress};
use reseat_core::capability::Pointer;
use reseat_core::capability::extended_space::ExtendedSpace;
use reseat_core::capability::list::{ExtendedList, StandardList};
use reseat_core::capability::walk::Walk;
use reseat_core::config::{ByteOffset, ConfigRead, Memory, Offset, WordOffset};
use reseat_core::header::{CapabilityPointer, Header};
use reseat_core::health::{Condition, Reading};
use reseat_core::presence::PortLink;

use crate::observing::MOST_READS;
use crate::readers::{Failing, Watched};

fn bytes(length: usize) -> impl Strategy<Value = Vec<u8>> {
    prop::collection::vec(any::<u8>(), length)
}

fn listed(pointer: u8) -> CapabilityPointer {
    CapabilityPointer::Listed {
        at: Offset::at::<0x34>(),
        pointer: Pointer::new(pointer.into()),
    }
}

fn all_different(reads: &[u16]) -> bool {
    reads.iter().collect::<HashSet<_>>().len() == reads.len()
}

proptest! {
    #[test]
    fn address_survives_its_text(segment: u32, bus: u8, device in 0..32_u8, function in 0..8_u8) {
        let address = FunctionAddress::new(segment, bus, device, function).unwrap();
        prop_assert_eq!(address.to_string().parse(), Ok(address));
        let device = address.device_address();
        prop_assert_eq!(device.to_string().parse::<DeviceAddress>(), Ok(device));
    }

    #[test]
    fn text_is_refused_or_is_an_address_with_a_text(text in "[0-9a-fA-F:.+ ]{0,16}") {
        if let Ok(address) = text.parse::<FunctionAddress>() {
            prop_assert_eq!(address.to_string().parse(), Ok(address));
        }
    }

    #[test]
    fn parts_of_a_register_agree_with_it(bytes in bytes(4096), offset in 0..1024_u16) {
        let mut space = Memory::new(bytes).unwrap();
        let offset = offset * 4;
        let register = space.read(Offset::new(offset).unwrap()).unwrap();
        for part in 0..2 {
            let word = space.read_word(WordOffset::new(offset + part * 2).unwrap()).unwrap();
            prop_assert_eq!(u32::from(word), register >> (part * 16) & 0xffff);
        }
        for part in 0..4 {
            let byte = space.read_byte(ByteOffset::new(offset + part).unwrap()).unwrap();
            prop_assert_eq!(u32::from(byte), register >> (part * 8) & 0xff);
        }
    }

    #[test]
    fn standard_walk_is_bounded(bytes in bytes(256), pointer: u8) {
        let mut space = Watched::new(Memory::new(bytes).unwrap());
        let mut walk = Walk::standard(&mut space, listed(pointer));
        let met: Vec<_> = walk.by_ref().map(|capability| capability.offset().get()).collect();
        walk.finish();
        prop_assert!(met.len() <= 48);
        prop_assert!(all_different(&space.reads));
        prop_assert!(space.reads.iter().all(|read| (0x40..0x100).contains(read)));
        prop_assert!(space.reads.starts_with(&met));
        prop_assert!(space.reads.len() <= met.len() + 1);
    }

    #[test]
    fn extended_walk_is_bounded(bytes in bytes(4096)) {
        let mut space = Watched::new(Memory::new(bytes).unwrap());
        let mut walk = Walk::extended(&mut space, ExtendedSpace::assume());
        let met: Vec<_> = walk.by_ref().map(|capability| capability.offset().get()).collect();
        walk.finish();
        prop_assert!(met.len() <= 960);
        prop_assert!(all_different(&space.reads));
        prop_assert!(space.reads.iter().all(|read| (0x100..0x1000).contains(read)));
        prop_assert!(space.reads.starts_with(&met));
        prop_assert!(space.reads.len() <= met.len() + 1);
    }

    #[test]
    fn list_reads_no_more_than_one_beyond_its_room(bytes in bytes(4096)) {
        let mut space = Watched::new(Memory::new(bytes).unwrap());
        let list = ExtendedList::<_, 8>::read(&mut space, ExtendedSpace::assume());
        prop_assert!(list.capabilities().len() <= 8);
        prop_assert!(space.reads.len() <= 9);
    }

    #[test]
    fn views_stay_between_their_headers(bytes in bytes(256), pointer: u8, relative in 0..64_u16) {
        let mut space = Watched::new(Memory::new(bytes).unwrap());
        let list: StandardList<_> = StandardList::read(&mut space, listed(pointer));
        for capability in list.capabilities() {
            space.reads.clear();
            let mut view = list.view(capability, &mut space);
            let start = capability.offset().get();
            let end = start + view.length();
            let inside = view.read(Offset::new(relative * 4).unwrap()).is_ok();
            prop_assert_eq!(inside, start + relative * 4 < end);
            prop_assert!(end <= 0x100);
            prop_assert!(space.reads.iter().all(|read| (start..end).contains(read)));
            let others = list.capabilities().iter().map(|other| other.offset().get());
            prop_assert!(others.filter(|other| *other != start).all(|other| !(start..end).contains(&other)));
        }
    }

    #[test]
    fn observation_is_bounded(
        bytes in bytes(256),
        links in prop::collection::vec((0x40..0x100_u16, 0x40..0x100_u16, 0..4_usize), 0..60),
        fails_at in 0..128_u16,
    ) {
        let mut bytes = bytes;
        // Longer lists that contain the wanted capabilities.
        for (at, next, id) in links {
            let at = usize::from(at & !3);
            let [next, _] = (next & !3).to_le_bytes();
            bytes[at..at + 2].copy_from_slice(&[[0x01, 0x10, 0x09, 0x11][id], next]);
        }
        (bytes[0x06], bytes[0x0e], bytes[0x34]) = (0x10, 0, 0x40);
        let whole = Condition::read(PortLink::Active.admit().unwrap(), Memory::new(&bytes).unwrap());
        let at = Offset::new(fails_at * 4).unwrap();
        let mut space = Watched::new(Failing { inner: Memory::new(&bytes).unwrap(), at });
        let observation = Condition::read(PortLink::Active.admit().unwrap(), &mut space);
        prop_assert!(space.reads.len() <= MOST_READS, "{:x?}", space.reads);
        // An unreadable part is never taken for absent.
        if whole.power != Reading::None {
            prop_assert_ne!(observation.power, Reading::None);
        }
        if whole.device_control != Reading::None {
            prop_assert_ne!(observation.device_control, Reading::None);
        }
    }

    #[test]
    fn header_reads_no_register_twice(bytes in bytes(256)) {
        let mut space = Watched::new(Memory::new(bytes).unwrap());
        drop(Header::read(&mut space));
        prop_assert!(all_different(&space.reads));
        prop_assert!(space.reads.len() <= 13);
    }
}
