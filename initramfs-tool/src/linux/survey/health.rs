//! How a function is: everything that a verdict is made of.

use std::thread;
use std::time::{Duration, Instant};

use reseat_core::address::FunctionAddress;
use reseat_core::health::{
    Boot, Condition, Counter, Errors, ErrorsAt, LinkReading, NotRead, PENDING_PAUSES, Reading, count,
};
use reseat_core::vendor::{BarRegister, Check};

use super::admission::admission;
use super::serial_numbers;
use crate::linux::sysfs::capabilities::Space;
use crate::linux::sysfs::config_space::ConfigFile;
use crate::linux::sysfs::root::Root;
use crate::linux::sysfs::{attributes, drivers, functions, resources};
use crate::model::subject::{Member, RecoverySubject};

/// Whether a GPU's firmware is given its time to boot.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Patience {
    /// It was reset just now.
    ForBoot {
        /// The vendor's register in its baseline.
        was: Reading<u32>,
    },
    /// It was not.
    None,
}

const BOOT_PAUSE: Duration = Duration::from_millis(20);

/// Reads all that there is to know of one function. `counter` says since when the counters of a function or port count.
pub(crate) fn observe(
    root: &Root,
    subject: &RecoverySubject,
    member: &Member,
    counter: impl Fn(FunctionAddress) -> Counter,
    patience: Patience,
) -> Condition {
    let function = member.address;
    let mut observation = match (admission(root, &subject.ports), ConfigFile::open(root, function)) {
        (Ok(admission), Ok(config)) => Condition::read(admission, config),
        // Below a link that is not active nothing is read.
        (Err(_), _) | (_, Err(_)) => Condition::unread(),
    };
    observation.link = link(root, subject);
    observation.errors = errors(root, function, &subject.ports, counter);
    if matches!(observation.identity, Reading::Value(_)) {
        observation.bar_sizes = bar_sizes(root, function);
        observation.serial_number = serial_numbers::reading(root, function);
        (observation.vendor_register, observation.boot) = vendor(root, member, &observation, patience);
    }
    observation
}

/// Reads Transactions Pending again, of the functions that have some, until none has or the pauses are over: only then it
/// is stuck. All wait together.
pub(crate) fn wait_for_transactions(root: &Root, subject: &RecoverySubject, observed: &mut [Condition]) {
    let read = |member: &Member| match (admission(root, &subject.ports), ConfigFile::open(root, member.address)) {
        (Ok(admission), Ok(config)) => Condition::read(admission, config),
        (Err(_), _) | (_, Err(_)) => Condition::unread(),
    };
    wait_for(&subject.members, observed, read, thread::sleep);
}

fn wait_for<F>(
    functions: &[F],
    observed: &mut [Condition],
    read: impl Fn(&F) -> Condition,
    mut pause: impl FnMut(Duration),
) {
    let is_pending = |now: &Condition| now.transactions_pending == Reading::Value(true);
    for length in PENDING_PAUSES {
        if !observed.iter().any(is_pending) {
            return;
        }
        pause(length);
        let functions = functions.iter().zip(observed.iter_mut());
        for (function, now) in functions.filter(|(_, now)| is_pending(now)) {
            let again = read(function);
            // It may have died meanwhile.
            now.identity = again.identity;
            now.transactions_pending = again.transactions_pending;
        }
    }
}

fn link(root: &Root, subject: &RecoverySubject) -> Reading<LinkReading> {
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
pub(crate) fn errors(
    root: &Root,
    function: FunctionAddress,
    ports: &[FunctionAddress],
    counter: impl Fn(FunctionAddress) -> Counter,
) -> Reading<Errors> {
    let mut errors = Errors::new();
    let path = ports.iter().copied().chain([function]);
    for at in path.clone() {
        let total = |file: &str, key: &str| -> Result<Option<u64>, ()> {
            let text = attributes::read_if_there(&root.function(at).join(file)).map_err(|_| ())?;
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
        count(&mut errors, counted);
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
pub(crate) fn bar_bytes(root: &Root, function: FunctionAddress) -> Option<[u64; 6]> {
    let text = attributes::read(&root.function(function).join("resource")).ok()?;
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
fn vendor(root: &Root, member: &Member, now: &Condition, patience: Patience) -> (Reading<u32>, Reading<Boot>) {
    let may_read = match functions::driver_of(root, member.address) {
        Ok(None) => Ok(()),
        Ok(Some(driver)) if drivers::is_vfio(root, &driver) => Ok(()),
        // Its driver works with them, and no reset changes that.
        Ok(Some(_)) => Err(NotRead::Forbidden),
        Err(_) => Err(NotRead::Failed),
    };
    let answers = now.memory_decode == Reading::Value(true);
    inquire(member, &now.bars, patience, |register| match may_read {
        Ok(()) if answers => resources::read(root, member.address, register),
        Ok(()) => Err(NotRead::Untried),
        Err(why) => Err(why),
    })
}

/// Asks a function's vendor registers by `read`, again while it may still be booting.
pub(crate) fn inquire(
    member: &Member,
    bars: &Reading<[u32; 6]>,
    patience: Patience,
    mut read: impl FnMut(BarRegister) -> Result<u32, NotRead>,
) -> (Reading<u32>, Reading<Boot>) {
    let check = Check::of(member.identity, member.class);
    let begin = Instant::now();
    loop {
        let mut inquiry = check.begin(bars);
        while let Some(register) = inquiry.next_register() {
            inquiry.tell(read(register));
        }
        let result = inquiry.result();
        let Patience::ForBoot { was } = patience else {
            return result;
        };
        if !check.may_be_booting(&was, result) || begin.elapsed() >= check.boot_time() {
            return result;
        }
        thread::sleep(BOOT_PAUSE);
    }
}

#[cfg(test)]
mod tests {
    use std::cell::Cell;
    use std::fs;

    use super::*;

    fn gpu() -> FunctionAddress {
        "0000:01:00.0".parse().unwrap()
    }

    fn machine() -> (tempfile::TempDir, Root) {
        let directory = tempfile::tempdir().unwrap();
        let root = Root::at(directory.path());
        fs::create_dir_all(root.function(gpu())).unwrap();
        (directory, root)
    }

    #[test]
    fn sizes_are_those_of_the_first_six_resources() {
        let (_directory, root) = machine();
        let lines = [
            "0x00000000fb000000 0x00000000fbffffff 0x0000000000040200",
            "0x0000000020000000 0x000000002fffffff 0x000000000014220c",
            "0x0000000000000000 0x0000000000000000 0x0000000000000000",
            "0x0000000030000000 0x0000000031ffffff 0x000000000014220c",
            "0x0000000000000000 0x0000000000000000 0x0000000000000000",
            "0x000000000000d000 0x000000000000d07f 0x0000000000040101",
            "0x00000000000c0000 0x00000000000dffff 0x0000000000000212",
        ];
        let resource = root.function(gpu()).join("resource");
        fs::write(&resource, lines.join("\n")).unwrap();
        assert_eq!(bar_bytes(&root, gpu()), Some([1 << 24, 1 << 28, 0, 1 << 25, 0, 128]));
        assert_eq!(bar_sizes(&root, gpu()), Reading::Value([24, 28, 0, 25, 0, 7]));
        // Half a file is none.
        fs::write(&resource, lines[..3].join("\n")).unwrap();
        assert_eq!(bar_bytes(&root, gpu()), None);
    }

    #[test]
    fn errors_are_the_totals_of_each_on_the_path() {
        let (_directory, root) = machine();
        let port: FunctionAddress = "0000:00:03.0".parse().unwrap();
        fs::create_dir_all(root.function(port)).unwrap();
        let none = errors(&root, gpu(), &[port], |_| Counter::Continued);
        assert_eq!(none, Reading::None);
        for (at, fatal) in [(port, 0), (gpu(), 2)] {
            let write = |file: &str, text: String| fs::write(root.function(at).join(file), text).unwrap();
            write(
                "aer_dev_fatal",
                format!("Undefined 0\nDLP {fatal}\nTOTAL_ERR_FATAL {fatal}\n"),
            );
            write("aer_dev_nonfatal", "Undefined 0\nTOTAL_ERR_NONFATAL 1\n".to_owned());
        }
        let Reading::Value(counted) = errors(&root, gpu(), &[port], |_| Counter::Anew) else {
            panic!();
        };
        let seen: Vec<_> = counted.iter().map(|at| (at.at, at.fatal, at.non_fatal)).collect();
        assert_eq!(seen, [(port, 0, 1), (gpu(), 2, 1)]);
        // A file without its total is not one without errors.
        fs::write(root.function(gpu()).join("aer_dev_fatal"), "Undefined 0\n").unwrap();
        let unread = errors(&root, gpu(), &[port], |_| Counter::Continued);
        assert_eq!(unread, Reading::NotRead(NotRead::Failed));
    }

    #[test]
    fn a_path_with_more_counters_than_are_kept_apart_is_read() {
        let (_directory, root) = machine();
        let ports: Vec<FunctionAddress> = (0x10..0x30)
            .map(|bus| FunctionAddress::new(0, bus, 0, 0).unwrap())
            .collect();
        for at in ports.iter().copied().chain([gpu()]) {
            fs::create_dir_all(root.function(at)).unwrap();
            fs::write(root.function(at).join("aer_dev_fatal"), "TOTAL_ERR_FATAL 1\n").unwrap();
            fs::write(root.function(at).join("aer_dev_nonfatal"), "TOTAL_ERR_NONFATAL 0\n").unwrap();
        }
        let Reading::Value(counted) = errors(&root, gpu(), &ports, |_| Counter::Continued) else {
            panic!("the counters were not read");
        };
        assert_eq!(counted.iter().map(|at| at.fatal).sum::<u64>(), 33);
        assert_eq!(counted.last().map(|at| at.at), Some(gpu()));
    }

    /// What is read of functions, one list of readings for each, and how long was waited.
    fn waited_for(readings: &[&[bool]]) -> (Vec<Reading<bool>>, Duration) {
        let reads: Vec<_> = readings.iter().map(|one| Cell::new(*one)).collect();
        let next = |left: &Cell<&[bool]>| {
            let (first, rest) = left.get().split_first().expect("it is read too often");
            left.set(rest);
            Condition {
                transactions_pending: Reading::Value(*first),
                ..Condition::unread()
            }
        };
        let mut observed: Vec<_> = reads.iter().map(next).collect();
        let mut waited = Duration::ZERO;
        wait_for(&reads, &mut observed, next, |length| waited += length);
        let pending = observed.into_iter().map(|now| now.transactions_pending);
        (pending.collect(), waited)
    }

    #[test]
    fn transactions_are_stuck_only_after_the_kernels_time() {
        let (idle, stuck) = (Reading::Value(false), Reading::Value(true));
        let after = Duration::from_millis;
        assert_eq!(waited_for(&[&[false], &[false]]), (vec![idle, idle], Duration::ZERO));
        assert_eq!(waited_for(&[&[true, false]]), (vec![idle], after(100)));
        assert_eq!(waited_for(&[&[true, true, true, false]]), (vec![idle], after(700)));
        assert_eq!(waited_for(&[&[true; 4]]), (vec![stuck], after(700)));
        // Those beside it wait in the same time, and one without any is not read again.
        let beside: &[&[bool]] = &[&[true, true, false], &[false], &[true; 4]];
        assert_eq!(waited_for(beside), (vec![idle, idle, stuck], after(700)));
    }

    #[test]
    fn a_function_that_dies_while_it_is_waited_for_is_seen() {
        let busy = Condition {
            identity: Reading::Value("10de:2330".parse().unwrap()),
            transactions_pending: Reading::Value(true),
            ..Condition::unread()
        };
        let dead = Condition {
            identity: Reading::AllOnes,
            ..Condition::unread()
        };
        let mut observed = [busy];
        wait_for(&[()], &mut observed, |()| dead.clone(), |_| ());
        assert_eq!(observed[0].identity, Reading::AllOnes);
        assert_eq!(observed[0].transactions_pending, Reading::NotRead(NotRead::Untried));
    }
}
