//! Putting back what a removal took away, and giving the functions to their drivers.

use reseat_core::address::FunctionAddress;
use reseat_core::recovery::Failure;

use super::reset;
use super::trouble::Stop;
use crate::claim::{Aim, Attribute, FailureKind, NOBODY, Target, TargetFunction};
use crate::linux::claim::worker::claim_here;
use crate::linux::survey::health;
use crate::linux::sysfs::root::Root;
use crate::linux::sysfs::{attributes, drivers, functions};
use crate::model::finding::{Finding, Subject, id};
use crate::model::subject::RecoverySubject;
use crate::recovery::{Before, Journal};

/// The exponent of the smallest size that `resourceN_resize` knows: 1 MiB.
const SMALLEST_RESIZABLE: u32 = 20;

/// Who is to have a function.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Wanted<'a> {
    Nobody,
    /// vfio-pci or a variant of it, by a claim.
    Claim(&'a str),
    /// Another driver.
    Bind(&'a str),
}

impl<'a> Wanted<'a> {
    /// The one that it was reserved for, or else the one that it had. One that was reserved for nobody is to have none.
    fn of(before: &'a Before, is_vfio: impl Fn(&str) -> bool) -> Self {
        let driver = match before.driver_override.as_deref() {
            Some(NOBODY) => None,
            Some(reserved) => Some(reserved),
            None => before.driver.as_deref(),
        };
        match driver {
            Some(driver) if is_vfio(driver) => Self::Claim(driver),
            Some(driver) => Self::Bind(driver),
            None => Self::Nobody,
        }
    }

    const fn driver(self) -> Option<&'a str> {
        match self {
            Self::Nobody => None,
            Self::Claim(driver) | Self::Bind(driver) => Some(driver),
        }
    }
}

/// Takes a function from its driver, if it has one.
pub(super) fn unbind(root: &Root, function: FunctionAddress) -> Result<(), Stop> {
    match functions::driver_of(root, function)? {
        Some(driver) => Ok(attributes::write(
            &root.driver(&driver).join("unbind"),
            &function.to_string(),
        )?),
        None => Ok(()),
    }
}

/// Resizable BARs back to the sizes that they had.
pub(super) fn bar_sizes(root: &Root, journal: &Journal, findings: &mut Vec<Finding>) -> Result<(), Stop> {
    for before in &journal.before {
        let Some(now) = health::bar_bytes(root, before.address) else {
            continue;
        };
        for (bar, (was, is)) in before.bar_sizes.iter().zip(now).enumerate() {
            let path = root.function(before.address).join(format!("resource{bar}_resize"));
            if *was == is || *was == 0 || !path.exists() {
                continue;
            }
            if is == 0 {
                // The verdict tells it as well: a BAR that has lost its address.
                let finding = Finding::warning(id::NO_ROOM_FOR_BAR, Subject::function(before.address));
                findings.push(finding.with("bar", bar));
                continue;
            }
            // The kernel resizes no BAR of a function that a driver has.
            unbind(root, before.address)?;
            let exponent = was.ilog2().saturating_sub(SMALLEST_RESIZABLE);
            attributes::write(&path, &exponent.to_string())?;
            let finding = Finding::note(id::BAR_SIZE_RESTORED, Subject::function(before.address));
            findings.push(finding.with("bar", bar).with("was_bytes", was).with("is_bytes", is));
        }
    }
    Ok(())
}

/// The driver overrides back to what they were, and the choice of reset methods with them.
pub(super) fn overrides(root: &Root, journal: &Journal, findings: &mut Vec<Finding>) -> Result<(), Stop> {
    for before in &journal.before {
        let path = root.function(before.address).join(Attribute::DriverOverride.file());
        let value = before.driver_override.as_deref().unwrap_or("");
        let now = attributes::read(&path)?;
        if now != value && !(value.is_empty() && now == "(null)") {
            attributes::write(&path, value)?;
        }
        if let Some(methods) = &before.reset_method {
            let choice = root.function(before.address).join("reset_method");
            if attributes::read_if_there(&choice)?.is_some_and(|now| now != *methods) {
                reset::restore(&choice, methods, findings);
            }
        }
    }
    Ok(())
}

/// Gives every function to the driver that it is to have, and reads that back.
pub(super) fn drivers(root: &Root, journal: &Journal, findings: &mut Vec<Finding>) -> Result<(), Stop> {
    let mut claimed: Vec<(FunctionAddress, String)> = Vec::new();
    for before in &journal.before {
        let function = before.address;
        let has = functions::driver_of(root, function)?;
        let wanted = Wanted::of(before, |driver| drivers::is_vfio(root, driver));
        if let Some(driver) = has.as_deref().filter(|driver| Some(*driver) != wanted.driver()) {
            findings.push(bound_by_another(driver, function, wanted.driver(), journal));
            unbind(root, function)?;
        }
        if !matches!(wanted, Wanted::Bind(_)) && functions::driver_of(root, function)?.is_none() {
            enable(root, function, findings);
        }
        match wanted {
            Wanted::Claim(driver) => claimed.push((function, driver.to_owned())),
            Wanted::Bind(driver) => bind(root, function, driver)?,
            Wanted::Nobody => {}
        }
    }
    claim(root, &journal.subject, &claimed)?;
    report_groups(root, journal, findings)
}

/// Until kernel 6.19 a driver that is loaded has a function at once that is found by a scan, and nothing can keep it off.
fn bound_by_another(driver: &str, function: FunctionAddress, wanted: Option<&str>, journal: &Journal) -> Finding {
    let warning = |id| {
        Finding::warning(id, Subject::function(function))
            .with("driver", driver)
            .with("wanted", wanted.unwrap_or("no driver"))
    };
    match journal.scanned_ms {
        Some(scanned) => warning(id::BOUND_BY_ANOTHER).with("time_ms", since_start_ms().saturating_sub(scanned)),
        None => warning(id::BOUND_BY_ANOTHER_BEFORE),
    }
}

/// The time since the machine started, in milliseconds.
pub(super) fn since_start_ms() -> u64 {
    let time = rustix::time::clock_gettime(rustix::time::ClockId::Boottime);
    let (seconds, nanoseconds) = (u64::try_from(time.tv_sec), u64::try_from(time.tv_nsec));
    let milliseconds = nanoseconds.unwrap_or_default() / 1_000_000;
    seconds
        .unwrap_or_default()
        .saturating_mul(1000)
        .saturating_add(milliseconds)
}

/// Whoever was to open `/dev/vfio/N` has to know that there is another N.
fn report_groups(root: &Root, journal: &Journal, findings: &mut Vec<Finding>) -> Result<(), Stop> {
    for before in &journal.before {
        let now = attributes::link_name(&root.function(before.address).join("iommu_group"))?;
        if now != before.iommu_group {
            let or_none = |group: &Option<String>| group.clone().unwrap_or_else(|| "none".to_owned());
            let (was, is) = (or_none(&before.iommu_group), or_none(&now));
            let finding = Finding::warning(id::IOMMU_GROUP_CHANGED, Subject::function(before.address));
            findings.push(finding.with("was", was).with("is", is));
        }
    }
    Ok(())
}

/// Has the kernel switch memory decode on: what was enumerated anew decodes nothing until a driver wants it, and
/// without it nobody can see whether the GPU works.
pub(super) fn enable(root: &Root, function: FunctionAddress, findings: &mut Vec<Finding>) {
    let directory = root.function(function);
    let path = directory.join("enable");
    // Awake first: waking puts back the registers as they were when it went to sleep. And off again takes back that
    // somebody wants it; the decode stays.
    let enabled = attributes::write(&directory.join(Attribute::PowerControl.file()), "on")
        .and_then(|()| attributes::write(&path, "1"))
        .and_then(|()| attributes::write(&path, "0"));
    if let Err(error) = enabled {
        findings.push(error.finding());
    }
}

pub(super) fn bind(root: &Root, function: FunctionAddress, driver: &str) -> Result<(), Stop> {
    if functions::driver_of(root, function)?.as_deref() != Some(driver) {
        attributes::write(&root.driver(driver).join("bind"), &function.to_string())?;
    }
    match functions::driver_of(root, function)?.as_deref() {
        Some(has) if has == driver => Ok(()),
        has => {
            let error = |id| Finding::error(id, Subject::function(function));
            let finding = match has {
                Some(has) => error(id::WRONG_DRIVER).with("driver", has),
                None => error(id::NO_DRIVER),
            };
            Err(Stop::failed(Failure::Other(0), finding.with("wanted", driver)))
        }
    }
}

/// Takes functions through the claim, each to its driver.
pub(super) fn claim(root: &Root, subject: &RecoverySubject, claimed: &[(FunctionAddress, String)]) -> Result<(), Stop> {
    if claimed.is_empty() {
        return Ok(());
    }
    let functions = subject.members.iter().filter_map(|member| {
        let (_, driver) = claimed.iter().find(|(function, _)| *function == member.address)?;
        Some(TargetFunction {
            driver: driver.clone(),
            ..TargetFunction::new(member.address, member.identity)
        })
    });
    let target = Target {
        aim: Aim::Claim,
        device: subject.device,
        functions: functions.collect(),
    };
    match claim_here(root, &target).rollback {
        None => Ok(()),
        Some(rollback) => {
            let failure = match rollback.failure.kind {
                FailureKind::Busy | FailureKind::Again => Failure::Busy,
                FailureKind::Vanished | FailureKind::Blocked | FailureKind::OutOfTime | FailureKind::Other => {
                    Failure::Other(0)
                }
            };
            let mut stop = Stop::failed(failure, rollback.failure.finding);
            stop.findings
                .extend(rollback.leftovers.into_iter().map(|left| left.finding));
            Err(stop)
        }
    }
}

/// Keeps every function in D0, now that it is bound.
pub(super) fn pin(root: &Root, journal: &Journal) -> Result<(), Stop> {
    let is_claimed = |before: &&Before| {
        let wanted = Wanted::of(before, |driver| drivers::is_vfio(root, driver));
        matches!(wanted, Wanted::Claim(_))
    };
    for before in journal.before.iter().filter(is_claimed) {
        let directory = root.function(before.address);
        for (pin, value) in [(Attribute::D3coldAllowed, "0"), (Attribute::PowerControl, "on")] {
            let path = directory.join(pin.file());
            match attributes::read_if_there(&path)? {
                Some(now) if now != value => attributes::write(&path, value)?,
                Some(_) | None => {}
            }
        }
    }
    Ok(())
}

/// Wakes every function of a GPU, and lets none sleep again.
pub(super) fn wake(root: &Root, subject: &RecoverySubject) -> Result<(), Stop> {
    for function in subject.functions() {
        let path = root.function(function).join(Attribute::PowerControl.file());
        if attributes::read_if_there(&path)?.is_some_and(|now| now != "on") {
            attributes::write(&path, "on")?;
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_variant_of_vfio_pci_had_is_claimed_for_it() {
        let is_vfio = |driver: &str| driver.ends_with("vfio-pci");
        for (reserved, had, wanted) in [
            (None, Some("vfio-pci"), Wanted::Claim("vfio-pci")),
            (
                Some("nvgrace-gpu-vfio-pci"),
                None,
                Wanted::Claim("nvgrace-gpu-vfio-pci"),
            ),
            (Some("vfio-pci"), Some("nouveau"), Wanted::Claim("vfio-pci")),
            (None, Some("nouveau"), Wanted::Bind("nouveau")),
            (Some(NOBODY), Some("vfio-pci"), Wanted::Nobody),
            (None, None, Wanted::Nobody),
        ] {
            let before = Before {
                address: "0000:01:00.0".parse().unwrap(),
                driver: had.map(str::to_owned),
                iommu_group: None,
                driver_override: reserved.map(str::to_owned),
                reset_method: None,
                bar_sizes: [0; 6],
            };
            assert_eq!(Wanted::of(&before, is_vfio), wanted, "{reserved:?}, {had:?}");
        }
    }
}
