//! How a function is: everything that a verdict is made of.

use std::thread;
use std::time::{Duration, Instant};

use reseat_core::address::FunctionAddress;
use reseat_core::health::{Boot, Counter, Errors, ErrorsAt, LinkReading, NotRead, Observation, Reading};
use reseat_core::presence::{Admission, PortLink, Readiness};
use reseat_core::vendor::{BOOT_TIME, Check};

use super::config::ConfigFile;
use super::space::Space;
use super::{Root, attribute, bar, functions};
use crate::claim::VFIO_PCI;
use crate::recovery::{Member, Subject};

/// Whether a GPU's firmware is given its time to boot.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Patience {
    /// It was reset just now.
    ForBoot,
    /// It was not.
    None,
}

const BOOT_PAUSE: Duration = Duration::from_millis(20);

/// Leave to read what is below `ports`, which are those above it from the root port on; or what is to be said instead.
pub(super) fn admission(root: &Root, ports: &[FunctionAddress]) -> Result<Admission, Readiness> {
    let mut admission = Admission::on_root_bus();
    for port in ports {
        admission = link_of(root, *port, admission).admit()?;
    }
    Ok(admission)
}

/// What the last of `ports` says about its link, each port asked after the one above it.
pub(super) fn link_below(root: &Root, ports: &[FunctionAddress]) -> PortLink {
    let Some((last, above)) = ports.split_last() else {
        return PortLink::NotReported;
    };
    match admission(root, above) {
        Ok(admission) => link_of(root, *last, admission),
        Err(Readiness::LinkInactive) => PortLink::Inactive,
        Err(_) => PortLink::Unreadable,
    }
}

/// What a port says about its link.
pub(super) fn link_of(root: &Root, port: FunctionAddress, admission: Admission) -> PortLink {
    let Ok(mut space) = Space::open(root, port) else {
        return PortLink::Unreadable;
    };
    let is_complete = space.is_complete();
    match space.express() {
        Some(mut express) => admission.link(&mut express),
        None if is_complete => PortLink::NotReported,
        None => PortLink::Unreadable,
    }
}

/// Reads all that there is to know of one function. `counter` says since when the counters of a function or port count.
pub(super) fn observe(
    root: &Root,
    subject: &Subject,
    member: &Member,
    counter: impl Fn(FunctionAddress) -> Counter,
    patience: Patience,
) -> Observation {
    let function = member.address;
    let mut observation = match (admission(root, &subject.ports), ConfigFile::open(root, function)) {
        (Ok(admission), Ok(config)) => Observation::read(admission, config),
        // Below a link that is not active nothing is read.
        (Err(_), _) | (_, Err(_)) => Observation::unread(),
    };
    observation.link = link(root, subject);
    observation.errors = errors(root, function, &subject.ports, counter);
    if matches!(observation.identity, Reading::Value(_)) {
        observation.bar_sizes = bar_sizes(root, function);
        (observation.vendor_register, observation.boot) = vendor(root, member, &observation, patience);
    }
    observation
}

fn link(root: &Root, subject: &Subject) -> Reading<LinkReading> {
    let Some((port, above)) = subject.ports.split_last() else {
        return Reading::None;
    };
    if admission(root, above).is_err() {
        return Reading::NotRead(NotRead::Failed);
    }
    let Ok(mut space) = Space::open(root, *port) else {
        return Reading::NotRead(NotRead::Failed);
    };
    let is_complete = space.is_complete();
    match space.express() {
        Some(mut express) => LinkReading::read(&mut express),
        None if is_complete => Reading::None,
        None => Reading::NotRead(NotRead::Failed),
    }
}

/// What a function and the ports above it have counted of uncorrectable errors.
pub(super) fn errors(
    root: &Root,
    function: FunctionAddress,
    ports: &[FunctionAddress],
    counter: impl Fn(FunctionAddress) -> Counter,
) -> Reading<Errors> {
    let mut errors = Errors::new();
    let path = ports.iter().copied().chain([function]);
    for at in path.clone() {
        let total = |file: &str, key: &str| -> Result<Option<u64>, ()> {
            let text = attribute::read_if_there(&root.function(at).join(file)).map_err(|_| ())?;
            text.map(|text| total(&text, key).ok_or(())).transpose()
        };
        let counts = (
            total("aer_dev_fatal", "TOTAL_ERR_FATAL"),
            total("aer_dev_nonfatal", "TOTAL_ERR_NONFATAL"),
        );
        let (fatal, non_fatal) = match counts {
            (Ok(Some(fatal)), Ok(Some(non_fatal))) => (fatal, non_fatal),
            (Ok(None), Ok(None)) => continue,
            _ => return Reading::NotRead(NotRead::Failed),
        };
        let counted = ErrorsAt {
            at,
            counter: counter(at),
            fatal,
            non_fatal,
        };
        if errors.push(counted).is_err() {
            return Reading::NotRead(NotRead::Failed);
        }
    }
    if !errors.is_empty() {
        return Reading::Value(errors);
    }
    // Who could count and does not is read by firmware first.
    let could = path
        .into_iter()
        .any(|at| Space::open(root, at).is_ok_and(|mut space| space.has_aer()));
    if could {
        Reading::NotRead(NotRead::FirmwareOwns)
    } else {
        Reading::None
    }
}

/// The number behind `key`, one line each.
fn total(text: &str, key: &str) -> Option<u64> {
    let mut lines = text.lines().filter_map(|line| line.split_once(' '));
    lines.find(|(name, _)| *name == key)?.1.trim().parse().ok()
}

/// The sizes of a function's BARs as powers of two, 0 for none.
fn bar_sizes(root: &Root, function: FunctionAddress) -> Reading<[u8; 6]> {
    match bar_bytes(root, function) {
        Some(bytes) => Reading::Value(bytes.map(|bytes| match bytes {
            0 => 0,
            bytes => u8::try_from(bytes.ilog2()).unwrap_or(u8::MAX),
        })),
        None => Reading::NotRead(NotRead::Failed),
    }
}

/// The sizes of a function's BARs in bytes, 0 for none, as the kernel has them.
pub(super) fn bar_bytes(root: &Root, function: FunctionAddress) -> Option<[u64; 6]> {
    let text = attribute::read(&root.function(function).join("resource")).ok()?;
    let mut sizes = [0; 6];
    let mut lines = text.lines();
    for size in &mut sizes {
        let mut numbers = lines.next()?.split_whitespace().map(|number| {
            let digits = number.strip_prefix("0x")?;
            u64::from_str_radix(digits, 16).ok()
        });
        let (start, end) = (numbers.next()??, numbers.next()??);
        *size = match (start, end) {
            (_, 0) => 0,
            (start, end) => end.checked_sub(start)?.checked_add(1)?,
        };
    }
    Some(sizes)
}

/// What the vendor's registers say. They are behind a BAR, so they answer only in D0 and with memory decode, and are read
/// only while nobody else works with them.
fn vendor(root: &Root, member: &Member, now: &Observation, patience: Patience) -> (Reading<u32>, Reading<Boot>) {
    let check = Check::of(member.identity, member.class);
    let may_read = match functions::driver_of(root, member.address) {
        Ok(None) => Ok(()),
        Ok(Some(driver)) if driver == VFIO_PCI => Ok(()),
        // Its driver works with them, and no reset changes that.
        Ok(Some(_)) => Err(NotRead::Forbidden),
        Err(_) => Err(NotRead::Failed),
    };
    let answers = now.memory_decode == Reading::Value(true);
    let begin = Instant::now();
    loop {
        let mut inquiry = check.begin();
        while let Some(register) = inquiry.next_register() {
            inquiry.tell(match may_read {
                Ok(()) if answers => bar::read(root, member.address, register),
                Ok(()) => Err(NotRead::Untried),
                Err(why) => Err(why),
            });
        }
        let result = inquiry.result();
        if patience == Patience::None || !may_be_booting(result) || begin.elapsed() >= BOOT_TIME {
            return result;
        }
        thread::sleep(BOOT_PAUSE);
    }
}

/// Whether a GPU that was reset may only need more time: until its firmware has booted, a bad first register says nothing
/// either.
fn may_be_booting(result: (Reading<u32>, Reading<Boot>)) -> bool {
    match result {
        (Reading::AllOnes, _) | (_, Reading::Value(Boot::Incomplete)) => true,
        // The first register names no chip whose firmware could be asked.
        (Reading::Value(_), boot) => boot == Reading::NotRead(NotRead::Untried),
        (Reading::None | Reading::NotRead(_), _) => false,
    }
}
