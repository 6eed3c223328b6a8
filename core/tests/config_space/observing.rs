//! The health that configuration space shows, read from real bytes and from the same bytes with one error.

use reseat_core::address::FunctionAddress;
use reseat_core::capability::express::{DeviceControl, Express, LinkSpeed};
use reseat_core::capability::list::StandardList;
use reseat_core::capability::power_management::PowerState;
use reseat_core::config::{ConfigRead, Memory, MemoryError, Offset, ReadableSize};
use reseat_core::header::Header;
use reseat_core::health::{
    Aspect, Boot, Condition, Counter, Errors, ErrorsAt, LinkReading, NotRead, Reading, Verdict, judge,
};
use reseat_core::presence::PortLink;

use crate::hex::{fixture, space};
use crate::readers::{Failing, Failure, Watched};

/// The read limit that [`Condition::read`] promises.
pub(crate) const MOST_READS: usize = 63;

const UNTRIED: NotRead = NotRead::Untried;

fn rtx_3060_ti() -> [u8; 4096] {
    fixture(include_str!("../fixtures/nvidia-rtx-3060-ti-2489.hex"))
}

fn h100() -> [u8; 4096] {
    fixture(include_str!("../fixtures/nvidia-h100-sxm5-2330.hex"))
}

fn root_port() -> [u8; 4096] {
    fixture(include_str!("../fixtures/intel-skylake-root-port-2030.hex"))
}

fn observe<R: ConfigRead>(reader: R) -> Condition {
    Condition::read(PortLink::Active.admit().unwrap(), reader)
}

/// Returns the condition read from these bytes, and the registers that were read.
fn read(bytes: impl AsRef<[u8]>) -> (Condition, Vec<u16>) {
    let mut watched = Watched::new(Memory::new(bytes).unwrap());
    let observation = observe(&mut watched);
    (observation, watched.reads)
}

fn set(bytes: &mut [u8], at: u16, register: u32) {
    let at = usize::from(at);
    bytes[at..at + 4].copy_from_slice(&register.to_le_bytes());
}

/// Returns the condition of the RTX 3060 Ti with one register changed.
fn with(at: u16, register: u32) -> Condition {
    let mut bytes = rtx_3060_ti();
    set(&mut bytes, at, register);
    read(bytes).0
}

/// Adds what configuration space lacks, as for a GPU that is well.
fn completed(mut observation: Condition) -> Condition {
    let at = FunctionAddress::new(0, 1, 0, 0).unwrap();
    let counter = Counter::Continued;
    let counted = ErrorsAt {
        at,
        counter,
        fatal: 0,
        non_fatal: 0,
    };
    observation.bar_sizes = Reading::Value([24, 28, 0, 25, 0, 7]);
    observation.link = Reading::Value(LinkReading::Active {
        width: 16,
        speed: LinkSpeed::Gt16,
    });
    observation.errors = Reading::Value(Errors::from_iter([counted]));
    observation.vendor_register = Reading::Value(0xb740_00a1);
    observation.boot = Reading::Value(Boot::Complete);
    observation.serial_number = Reading::None;
    observation
}

/// Returns the verdict on a function in condition `now`, with the RTX 3060 Ti as its baseline.
fn verdict(now: Condition) -> Verdict {
    let baseline = completed(read(rtx_3060_ti()).0);
    judge(&baseline, &baseline.errors, &completed(now)).verdict()
}

#[test]
fn healthy_function_gives_all_aspects_of_its_space() {
    let (observation, reads) = read(rtx_3060_ti());
    let expected = Condition {
        identity: Reading::Value("10de:2489".parse().unwrap()),
        word_at_f0: Reading::Value(0),
        power: Reading::Value(PowerState::D0),
        bars: Reading::Value([0x8400_0000, 0xc, 0, 0xc, 0, 1]),
        memory_decode: Reading::Value(true),
        device_control: Reading::Value(DeviceControl::from_bits(0x293f)),
        transactions_pending: Reading::Value(false),
        ..Condition::unread()
    };
    assert_eq!(observation, expected);
    // Two reads for the readiness, thirteen for the header, four for capabilities, one register in two of them.
    assert_eq!(reads.len(), 2 + 13 + 4 + 2);
    assert_eq!(verdict(observation), Verdict::Verified);
}

#[test]
fn h100_at_work_has_transactions_pending() {
    let (observation, reads) = read(h100());
    assert_eq!(observation.identity, Reading::Value("10de:2330".parse().unwrap()));
    assert_eq!(observation.power, Reading::Value(PowerState::D0));
    assert_eq!(
        observation.device_control,
        Reading::Value(DeviceControl::from_bits(0x513f))
    );
    assert_eq!(observation.transactions_pending, Reading::Value(true));
    assert_eq!(reads.len(), 2 + 13 + 5 + 2);
}

#[test]
fn absent_function_is_read_once() {
    let (observation, reads) = read([0xff; 4096]);
    let identity = Reading::AllOnes;
    let expected = Condition {
        identity,
        ..Condition::unread()
    };
    assert_eq!(observation, expected);
    assert_eq!(reads, [0]);
    assert!(matches!(verdict(observation), Verdict::Sick(_)));
}

#[test]
fn reader_that_fails_at_once_says_nothing_of_the_function() {
    let inner = Memory::new(rtx_3060_ti()).unwrap();
    let at = Offset::at::<0x00>();
    let identity = Reading::NotRead(NotRead::Failed);
    let expected = Condition {
        identity,
        ..Condition::unread()
    };
    assert_eq!(observe(Failing { inner, at }), expected);
}

#[test]
fn all_ones_from_the_header_on_are_all_ones() {
    let mut bytes = rtx_3060_ti();
    bytes[0x04..].fill(0xff);
    let (observation, reads) = read(bytes);
    let expected = Condition {
        identity: Reading::Value("10de:2489".parse().unwrap()),
        word_at_f0: Reading::AllOnes,
        bars: Reading::AllOnes,
        memory_decode: Reading::AllOnes,
        ..Condition::unread()
    };
    assert_eq!(observation, expected);
    assert_eq!(reads, [0x00, 0xf0, 0x00, 0x04]);
    let Verdict::Sick(wrong) = verdict(observation) else {
        panic!()
    };
    assert!(wrong.contains(Aspect::MemoryDecode) && wrong.contains(Aspect::WordAtF0));
}

#[test]
fn dead_function_behind_a_good_header_shows() {
    let mut bytes = rtx_3060_ti();
    bytes[0x40..].fill(0xff);
    let (observation, _) = read(bytes);
    let failed = NotRead::Failed;
    let expected = Condition {
        identity: Reading::Value("10de:2489".parse().unwrap()),
        word_at_f0: Reading::AllOnes,
        // The list ends early; the rest is unknown.
        power: Reading::NotRead(failed),
        bars: Reading::Value([0x8400_0000, 0xc, 0, 0xc, 0, 1]),
        memory_decode: Reading::Value(true),
        device_control: Reading::NotRead(failed),
        transactions_pending: Reading::NotRead(failed),
        ..Condition::unread()
    };
    assert_eq!(observation, expected);
    assert!(matches!(verdict(observation), Verdict::Sick(_)));
}

#[test]
fn power_state_is_that_of_pmcsr() {
    let observation = with(0x64, 0x0000_000b);
    assert_eq!(observation.power, Reading::Value(PowerState::D3hot));
    assert!(matches!(verdict(observation), Verdict::Sick(_)));
    assert_eq!(with(0x64, u32::MAX).power, Reading::AllOnes);
}

#[test]
fn device_control_of_all_ones_is_no_setting() {
    let observation = with(0x80, u32::MAX);
    assert_eq!(observation.device_control, Reading::AllOnes);
    assert_eq!(observation.transactions_pending, Reading::AllOnes);
    let observation = with(0x80, 0x0020_293f);
    assert_eq!(observation.transactions_pending, Reading::Value(true));
    assert!(matches!(verdict(observation), Verdict::Sick(_)));
}

#[test]
fn missing_capability_is_absent_only_in_a_complete_list() {
    // Power Management at 60 links to itself.
    let cycle = with(0x60, 0x4803_6001);
    assert_eq!(cycle.power, Reading::Value(PowerState::D0));
    assert_eq!(cycle.device_control, Reading::NotRead(NotRead::Failed));
    assert_eq!(cycle.transactions_pending, Reading::NotRead(NotRead::Failed));
    assert!(matches!(verdict(cycle), Verdict::Unverified { .. }));

    let whole = with(0x60, 0x4803_0001);
    assert_eq!(whole.power, Reading::Value(PowerState::D0));
    assert_eq!(whole.device_control, Reading::None);
    assert_eq!(whole.transactions_pending, Reading::None);
    assert!(matches!(verdict(whole), Verdict::Sick(_)), "it had both");

    // Status announces no list.
    let without = with(0x04, 0x0000_0407);
    assert_eq!((without.power, without.device_control), (Reading::None, Reading::None));
}

#[test]
fn header_alone_gives_its_part() {
    let (observation, _) = read(&rtx_3060_ti()[..64]);
    let failed = NotRead::Failed;
    assert_eq!(observation.memory_decode, Reading::Value(true));
    assert_eq!(observation.word_at_f0, Reading::NotRead(failed));
    assert_eq!(observation.power, Reading::NotRead(failed));
    assert_eq!(observation.device_control, Reading::NotRead(failed));
}

#[test]
fn bridge_and_unknown_layout_have_no_bars_to_compare() {
    let (port, _) = read(root_port());
    assert_eq!(port.bars, Reading::None);
    assert_eq!(port.power, Reading::Value(PowerState::D0));
    let unknown = with(0x0c, 0x007f_0000);
    assert_eq!(unknown.bars, Reading::None);
    assert_eq!(unknown.power, Reading::NotRead(UNTRIED));
    assert!(matches!(verdict(unknown), Verdict::Sick(_)), "it had BARs");
}

#[test]
fn longest_list_bounds_the_reads() {
    // Every register from 40 on is an unknown capability.
    let mut registers = vec![(0x00, 0x2489_10de), (0x04, 0x0010_0006), (0x34, 0x40)];
    registers.extend((0x40..0x100).step_by(4).map(|at| (at, (at + 4) << 8 | 0xee)));
    let mut bytes = space::<256>(&registers);
    assert_eq!(read(bytes).1.len(), MOST_READS);
    // Power Management at e0 links past its own register, PCI Express at e8 past two.
    set(&mut bytes, 0xe0, 0x0000_e801);
    assert_eq!(read(bytes).1.len(), MOST_READS);
    set(&mut bytes, 0xe8, 0x0000_f410);
    let (observation, reads) = read(bytes);
    assert!(matches!(observation.power, Reading::Value(_)));
    assert!(matches!(observation.device_control, Reading::Value(_)));
    assert_eq!(reads.len(), MOST_READS - 1);
}

/// Fails at one register, or returns all-ones there.
struct Losing {
    inner: Memory<[u8; 4096]>,
    at: u16,
    all_ones: bool,
}

impl ConfigRead for Losing {
    type Error = Failure;

    fn size(&self) -> ReadableSize {
        self.inner.size()
    }

    fn read(&mut self, offset: Offset) -> Result<u32, Failure> {
        match (offset.get() == self.at, self.all_ones) {
            (true, true) => Ok(u32::MAX),
            (true, false) => Err(Failure),
            (false, _) => self.inner.read(offset).map_err(|_| Failure),
        }
    }
}

#[test]
fn no_register_is_lost_unseen() {
    let (_, reads) = read(rtx_3060_ti());
    // Readiness reads 08 and 0c. The subsystem, the interrupt pin and the rest of the list after the two capabilities
    // say nothing about health.
    let told_elsewhere = [0x08, 0x2c, 0x3c, 0xb4];
    for at in reads {
        for all_ones in [true, false] {
            let inner = Memory::new(rtx_3060_ti()).unwrap();
            let observation = observe(Losing { inner, at, all_ones });
            let is_verified = verdict(observation) == Verdict::Verified;
            let may_be = at == 0xb4 || all_ones && told_elsewhere.contains(&at);
            assert_eq!(is_verified, may_be, "{at:#x}, all-ones: {all_ones}");
        }
    }
}

/// Reads the link of a root port with these Link Capabilities and this Link Control and Status.
fn link(capabilities: u32, control_status: u32) -> (Reading<LinkReading>, Vec<u16>) {
    let mut bytes = root_port();
    set(&mut bytes, 0x9c, capabilities);
    set(&mut bytes, 0xa0, control_status);
    let mut space = Watched::new(Memory::new(bytes).unwrap());
    let pointer = Header::read(&mut space).unwrap().capability_pointer().unwrap();
    let list = StandardList::<MemoryError>::read(&mut space, pointer);
    space.reads.clear();
    let reading = LinkReading::read(&mut Express::find(&list, &mut space).unwrap());
    (reading, space.reads)
}

#[test]
fn port_reports_its_link() {
    let (width, speed) = (4, LinkSpeed::Gt8);
    let active = Reading::Value(LinkReading::Active { width, speed });
    let (reading, reads) = link(0x057a_3903, 0x3043_0040);
    assert_eq!(reading, active);
    assert_eq!(reads, [0x9c, 0xa0]);
    // Data Link Layer Link Active is clear, and the port reports it.
    assert_eq!(link(0x057a_3903, 0x1043_0040).0, Reading::Value(LinkReading::Inactive));
    assert_eq!(link(0x056a_3903, 0x1043_0040).0, active);
    assert_eq!(link(u32::MAX, 0x3043_0040), (Reading::AllOnes, vec![0x9c]));
    assert_eq!(link(0x057a_3903, u32::MAX).0, Reading::AllOnes);
}

#[test]
fn port_without_a_link_or_unreadable_reports_none() {
    let mut bytes = root_port();
    let mut of = |header: u32, fails_at: Option<Offset>| {
        set(&mut bytes, 0x90, header);
        let mut inner = Memory::new(bytes).unwrap();
        let pointer = Header::read(&mut inner).unwrap().capability_pointer().unwrap();
        let at = fails_at.unwrap_or(Offset::at::<0xffc>());
        let mut space = Failing { inner, at };
        let list = StandardList::<Failure>::read(&mut space, pointer);
        LinkReading::read(&mut Express::find(&list, &mut space).unwrap())
    };
    let root_port = 0x0142_e010;
    // A Root Complex Event Collector has no link.
    assert_eq!(of(0x00a2_e010, None), Reading::None);
    for at in [Offset::at::<0x9c>(), Offset::at::<0xa0>()] {
        assert_eq!(of(root_port, Some(at)), Reading::NotRead(NotRead::Failed));
    }
    assert!(matches!(of(root_port, None), Reading::Value(_)));
}
