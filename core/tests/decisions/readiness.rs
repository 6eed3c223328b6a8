//! The readiness of a function, and the reads that determine it.

use reseat_core::capability::express::{Express, LinkCapabilities, LinkStatus};
use reseat_core::capability::list::StandardList;
use reseat_core::config::{ConfigRead, Memory, Offset, ReadableSize};
use reseat_core::header::{Header, Identity};
use reseat_core::presence::{Admission, Half, PortLink, Readiness, RrsVisibility};

/// Counts reads.
struct Counted {
    memory: Memory<[u8; 256]>,
    reads: usize,
}

impl ConfigRead for Counted {
    type Error = <Memory<[u8; 256]> as ConfigRead>::Error;

    fn size(&self) -> ReadableSize {
        self.memory.size()
    }

    fn read(&mut self, offset: Offset) -> Result<u32, Self::Error> {
        self.reads += 1;
        self.memory.read(offset)
    }
}

const IDENTITY: Identity = Identity {
    vendor: 0x10de,
    device: 0x2330,
};

/// A function with these first registers and zeros elsewhere.
fn function(registers: &[u32]) -> Counted {
    let mut bytes = [0; 256];
    for (bytes, register) in bytes.chunks_exact_mut(4).zip(registers) {
        bytes.copy_from_slice(&register.to_le_bytes());
    }
    Counted {
        memory: Memory::new(bytes).unwrap(),
        reads: 0,
    }
}

fn look(function: &mut Counted, rrs: RrsVisibility) -> Readiness {
    PortLink::Active.admit().unwrap().function(function, rrs).unwrap()
}

#[test]
fn inactive_link_admits_no_read() {
    assert_eq!(PortLink::Inactive.admit().unwrap_err(), Readiness::LinkInactive);
    assert_eq!(PortLink::Unreadable.admit().unwrap_err(), Readiness::LinkUnknown);
    assert!(PortLink::Active.admit().is_ok());
    assert!(PortLink::NotReported.admit().is_ok());
}

#[test]
fn link_active_counts_only_where_it_is_reported() {
    let reporting = LinkCapabilities::new().with_data_link_layer_link_active_reporting_capable(true);
    let active = LinkStatus::new().with_data_link_layer_link_active(true);
    for (capabilities, status, link) in [
        (reporting, active, PortLink::Active),
        (reporting, LinkStatus::new(), PortLink::Inactive),
        (LinkCapabilities::new(), active, PortLink::NotReported),
        (LinkCapabilities::new(), LinkStatus::new(), PortLink::NotReported),
    ] {
        assert_eq!(PortLink::from_registers(capabilities, status), link);
    }
}

#[test]
fn each_answer_is_identified_in_few_reads() {
    for (registers, readiness, reads) in [
        (&[u32::MAX; 16][..], Readiness::Absent, 1),
        (&[0xffff_0001][..], Readiness::NotReady, 1),
        (&[0][..], Readiness::HalfInitialised(Half::Zero), 1),
        (
            &[0x2330_10de, u32::MAX][..],
            Readiness::HalfInitialised(Half::CommandAllOnes),
            2,
        ),
        (
            &[0x2330_10de, 0x0010_0006, u32::MAX][..],
            Readiness::HalfInitialised(Half::ClassAllOnes),
            3,
        ),
        (
            &[0x2330_10de, 0x0010_0006, 0x0302_00a1, u32::MAX][..],
            Readiness::HalfInitialised(Half::HeaderTypeAllOnes),
            4,
        ),
        (
            &[0x2330_10de, 0x0010_0006, 0x0302_00a1][..],
            Readiness::Ready(IDENTITY),
            4,
        ),
    ] {
        let mut function = function(registers);
        assert_eq!(look(&mut function, RrsVisibility::Enabled), readiness);
        assert_eq!(function.reads, reads, "{readiness:?}");
    }
}

#[test]
fn rrs_needs_software_visibility() {
    let mut vendor_1 = function(&[0xffff_0001, 0x0010_0000]);
    let identity = Identity::from_register(0xffff_0001);
    assert_eq!(look(&mut vendor_1, RrsVisibility::Disabled), Readiness::Ready(identity));
}

#[test]
fn virtual_function_asks_its_physical_one() {
    let judge = |physical, registers: &[u32]| {
        let mut function = function(registers);
        let admission = PortLink::Active.admit().unwrap();
        let readiness = admission.virtual_function(physical, IDENTITY, &mut function).unwrap();
        (readiness, function.reads)
    };
    let ready = Readiness::Ready(IDENTITY);
    let here = [u32::MAX, 0x0010_0000, 0x0302_00a1];
    assert_eq!(judge(ready, &here), (ready, 3));
    assert_eq!(judge(ready, &[u32::MAX; 4]), (Readiness::Absent, 1));
    for physical in [
        Readiness::Absent,
        Readiness::NotReady,
        Readiness::HalfInitialised(Half::Zero),
    ] {
        assert_eq!(judge(physical, &here), (Readiness::PhysicalFunctionNotReady, 0));
    }
    assert_eq!(judge(Readiness::LinkInactive, &here), (Readiness::LinkInactive, 0));
}

/// A Root Port with these Link Capabilities and this Link Status.
fn port(capabilities: u32, status: u16) -> Counted {
    let mut registers = [0; 32];
    registers[0] = 0x1901_8086;
    registers[1] = 0x0010_0000;
    registers[3] = 0x0001_0000;
    registers[0x34 / 4] = 0x40;
    registers[0x40 / 4] = 0x0042_0010;
    registers[0x4c / 4] = capabilities;
    registers[0x50 / 4] = u32::from(status) << 16;
    function(&registers)
}

fn link_of(mut port: Counted) -> PortLink {
    let pointer = Header::read(&mut port).unwrap().capability_pointer().unwrap();
    let list: StandardList<_> = StandardList::read(&mut port, pointer);
    let mut express = Express::find(&list, &mut port).unwrap();
    Admission::on_root_bus().link(&mut express)
}

#[test]
fn port_reports_its_link_state() {
    const REPORTING: u32 = 1 << 20;
    assert_eq!(link_of(port(REPORTING, 1 << 13)), PortLink::Active);
    assert_eq!(link_of(port(REPORTING, 0)), PortLink::Inactive);
    assert_eq!(link_of(port(1, 0)), PortLink::NotReported);
    assert_eq!(link_of(port(u32::MAX, 0)), PortLink::Unreadable);
}

#[test]
fn functions_together_are_as_ready_as_the_one_that_is_furthest_from_it() {
    let ready = Readiness::Ready(IDENTITY);
    let half = Readiness::HalfInitialised(Half::Zero);
    assert_eq!(ready.and(ready), ready);
    let order = [
        ready,
        half,
        Readiness::Absent,
        // This needs a longer wait than an absent function.
        Readiness::NotReady,
        Readiness::LinkUnknown,
        Readiness::LinkInactive,
    ];
    for pair in order.windows(2) {
        assert_eq!(pair[0].and(pair[1]), pair[1]);
        assert_eq!(pair[1].and(pair[0]), pair[1]);
    }
}
