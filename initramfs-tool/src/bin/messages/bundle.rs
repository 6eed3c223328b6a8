//! A bundle of evidence as text.

use std::fmt::Write;
use std::time::Duration;

use reseat::records::evidence::{
    Bundle, BundleEnd, FunctionEvidence, Moment, Role, SpaceDump, SpaceState, TimedEvent, Users, When,
};
use reseat_core::decision::Use;

use super::{events, line};

/// How many lines of the kernel log are shown of a moment, the last ones; the bundle has more.
const SHOWN_LINES: usize = 40;

/// The events, and at each moment what differs from the one before.
pub(crate) fn summary(bundle: &Bundle) -> String {
    let mut text = format!(
        "{}, begun {}, took {}: {}\n{}\n\nwhat happened\n",
        bundle.device,
        bundle.begun.strftime("%Y-%m-%dT%H:%M:%SZ"),
        seconds(bundle.took_ms),
        end(bundle),
        machine(bundle),
    );
    // What has begun also ends, and that says more.
    for timed in bundle.events.iter().filter(|timed| timed.event["event"] != "began") {
        let when = format!("{:>9}", format!("+{}", seconds(timed.after_ms)));
        let indented = event(timed).replace('\n', "\n           ");
        writeln!(text, "{when}  {indented}").ok();
    }
    let mut earlier: Option<&Moment> = None;
    for moment in &bundle.moments {
        let (after, took) = (seconds(moment.after_ms), moment.took_ms);
        writeln!(text, "\n{}, at +{after}, read in {took} ms", when(moment.when)).ok();
        let lines = match earlier {
            None => state(moment),
            Some(earlier) => differences(earlier, moment),
        };
        lines.iter().for_each(|line| push(&mut text, line));
        moment
            .not_read
            .iter()
            .for_each(|what| push(&mut text, &format!("not read: {}", line(what))));
        push_log(&mut text, moment);
        earlier = Some(moment);
    }
    for left_out in &bundle.left_out {
        writeln!(
            text,
            "\nleft out, since the bundle would be too large: {}",
            line(left_out)
        )
        .ok();
    }
    text
}

/// The end of a recovery.
pub(crate) fn end(bundle: &Bundle) -> String {
    match &bundle.end {
        Some(BundleEnd::End(end)) => end.to_string(),
        Some(BundleEnd::Text(text)) => text.clone(),
        None => "not ended".to_owned(),
    }
}

/// A moment in a heading.
pub(crate) fn when(when: When) -> String {
    match when {
        When::Before => "before the first rung".to_owned(),
        When::After(rung) => format!("after {rung}"),
        When::End => "at the end".to_owned(),
    }
}

/// The role of a function.
pub(crate) const fn role(role: Role) -> &'static str {
    match role {
        Role::Port => "port above",
        Role::Switch => "bridge of the card",
        Role::Gpu => "GPU",
    }
}

/// An event. Of one that this version cannot read, its JSON.
fn event(timed: &TimedEvent) -> String {
    match &timed.text {
        Some(text) => text.clone(),
        None => match serde_json::from_value(timed.event.clone()) {
            Ok(event) => events::event(&event),
            Err(_) => timed.event.to_string(),
        },
    }
}

fn users(users: &Users) -> String {
    let findings: Vec<String> = users.findings.iter().map(line).collect();
    let findings = findings.join("; ");
    match users.usage {
        Use::Free => "free".to_owned(),
        Use::Used => format!("in use: {findings}"),
        Use::Unknown => format!("use unknown: {findings}"),
    }
}

fn machine(bundle: &Bundle) -> String {
    let machine = &bundle.machine;
    let kernel = machine.kernel.as_deref().unwrap_or("unknown");
    let command_line = machine.command_line.as_deref().unwrap_or("unknown");
    let uptime = machine.uptime.as_deref().unwrap_or("an unknown time");
    format!(
        "reseat {}, kernel {kernel}, up for {uptime} s, command line: {command_line}",
        machine.reseat
    )
}

/// One line of a moment, those that belong to it set in under it.
fn push(text: &mut String, line: &str) {
    writeln!(text, "  {}", line.replace('\n', "\n    ")).ok();
}

fn push_log(text: &mut String, moment: &Moment) {
    let log = &moment.kernel_log;
    let older = log.lines.len().saturating_sub(SHOWN_LINES);
    if log.dropped > 0 {
        push(
            text,
            &format!("kernel log: {} lines before these were not kept", log.dropped),
        );
    }
    if older > 0 {
        push(text, &format!("kernel log: {older} lines, which --json shows"));
    }
    let shown = log.lines.iter().skip(older);
    shown.for_each(|line| push(text, &format!("kernel log: {line}")));
}

/// The first moment.
fn state(moment: &Moment) -> Vec<String> {
    let functions = moment.functions.iter().map(|function| {
        let mut lines = format!("{}, {}: {}", function.address, role(function.role), answer(function));
        for (name, what) in [("driver", "driver"), ("power_state", "power"), ("iommu_group", "group")] {
            if let Some(value) = function.attributes.get(name) {
                write!(lines, ", {what} {value}").ok();
            }
        }
        lines
    });
    let of_users = moment.users.iter().map(|found| format!("users: {}", users(found)));
    functions.chain(of_users).collect()
}

fn answer(function: &FunctionEvidence) -> String {
    match &function.space {
        _ if !function.listed => "not there".to_owned(),
        None => "not read".to_owned(),
        Some(space) => match &space.state {
            SpaceState::Read(readiness) => readiness.to_string(),
            SpaceState::Asleep(state) => format!("asleep ({state}), and not woken to be read"),
            SpaceState::PortsUnknown => "not read, since it is not known which ports are above".to_owned(),
            SpaceState::Unreadable => "unreadable".to_owned(),
            SpaceState::Text(text) => text.clone(),
        },
    }
}

/// The differences between a moment and a later one, a function at a time.
pub(crate) fn differences(earlier: &Moment, later: &Moment) -> Vec<String> {
    let mut lines = Vec::new();
    for function in &later.functions {
        match earlier.function(function.address) {
            Some(was) => lines.extend(of_function(was, function)),
            None => lines.push(format!("{}: was not looked at before", function.address)),
        }
    }
    if let (Some(was), Some(is)) = (&earlier.users, &later.users)
        && was != is
    {
        lines.push(format!("users: was {}, is {}", users(was), users(is)));
    }
    if lines.is_empty() {
        lines.push("no difference".to_owned());
    }
    lines
}

fn of_function(was: &FunctionEvidence, is: &FunctionEvidence) -> Vec<String> {
    let address = is.address;
    let mut lines = Vec::new();
    let (before, now) = (answer(was), answer(is));
    if before != now {
        lines.push(format!("{address}: was {before}, is {now}"));
    }
    let names = was.attributes.keys().chain(is.attributes.keys());
    let mut names: Vec<&String> = names.collect();
    names.sort();
    names.dedup();
    // What is not there any more, or was not there yet, has no files.
    if was.listed && is.listed {
        for name in names {
            let (before, now) = (was.attributes.get(name), is.attributes.get(name));
            lines.extend(of_attribute(name, before, now).map(|lines| format!("{address}: {lines}")));
        }
    }
    if let (Some(before), Some(now)) = (&was.space, &is.space) {
        lines.extend(of_space(was, before, now));
    }
    lines
}

/// Of a file of several lines, only those that differ: the kernel has the same line in the same place.
fn of_attribute(name: &str, was: Option<&String>, is: Option<&String>) -> Option<String> {
    let (was, is) = match (was, is) {
        _ if was == is => return None,
        (Some(was), Some(is)) => (was, is),
        (Some(was), None) => return Some(format!("{name} was {was}, is not there")),
        (None, Some(is)) => return Some(format!("{name} was not there, is {is}")),
        (None, None) => return None,
    };
    if !was.contains('\n') && !is.contains('\n') {
        return Some(format!("{name} was {was}, is {is}"));
    }
    let lines = |text: &str| -> Vec<String> { text.lines().map(str::to_owned).collect() };
    let (was, is) = (lines(was), lines(is));
    let length = was.len().max(is.len());
    let line = |lines: &[String], index| lines.get(index).map_or("not there", String::as_str).to_owned();
    let differing = (0..length).filter(|index| was.get(*index) != is.get(*index));
    let differing = differing.map(|index| format!("was {}, is {}", line(&was, index), line(&is, index)));
    Some(format!("{name} {}", differing.collect::<Vec<_>>().join("; ")))
}

/// Registers, where both spaces have some beyond the first: of one that did not answer there is nothing to compare.
fn of_space(function: &FunctionEvidence, was: &SpaceDump, is: &SpaceDump) -> Option<String> {
    if !was.answered() || !is.answered() {
        return None;
    }
    let (before, now) = (was.snapshot(function.address)?, is.snapshot(function.address)?);
    if before == now {
        return None;
    }
    Some(format!("{}:\n{}", function.address, before.difference(&now)))
}

fn seconds(milliseconds: u64) -> String {
    format!("{:.2} s", Duration::from_millis(milliseconds).as_secs_f64())
}

#[cfg(test)]
mod tests {
    use super::*;

    const BUNDLES: [&str; 2] = [
        include_str!("../../records/evidence/bundle-1.json"),
        include_str!("../../records/evidence/bundle-2.json"),
    ];

    /// A GPU that was off the bus, recovered in a virtual machine; in both versions.
    fn bundles() -> [Bundle; 2] {
        BUNDLES.map(|text| Bundle::parse(text.as_bytes()).unwrap())
    }

    #[test]
    fn differences_are_register_by_register_and_line_by_line() {
        for bundle in bundles() {
            let [before, after] = &bundle.moments[..] else {
                panic!("{bundle:?}")
            };
            assert_eq!(differences(before, before), ["no difference"]);
            assert_eq!(
                differences(before, after),
                [
                    "0000:00:03.0: aer_dev_fatal was SDES 0, is SDES 1; was TOTAL_ERR_FATAL 0, is TOTAL_ERR_FATAL 1",
                    "0000:00:03.0: current_link_speed was 16.0 GT/s PCIe, is 2.5 GT/s PCIe",
                    "0000:00:03.0: current_link_width was 32, is 16",
                    "0000:00:03.0:\nPCI Express + 0x10 at 0x064: was 0x22040000, is 0x21010000\n\
                     PCI Express + 0x30 at 0x084: was 0x04000004, is 0x00000004",
                    "0000:01:00.0: was absent: all-ones, is ready: 10de:2489",
                    "0000:01:00.0: current_link_speed was not there, is 2.5 GT/s PCIe",
                    "0000:01:00.0: current_link_width was not there, is 16",
                ]
            );
        }
    }

    #[test]
    fn a_summary_has_the_events_the_findings_and_the_differences() {
        for bundle in bundles() {
            let text = summary(&bundle);
            for lines in [
                "0000:01:00, begun 2026-09-21T14:13:20Z, took 0.56 s: recovered by detach-SBR, verified",
                "  +0.07 s  exclusive and absent: detach-SBR\n",
                "secondary bus reset on the empty bus: done",
                "detach-SBR: verified\n",
                "\nbefore the first rung, at +0.07 s, read in ",
                "  0000:01:00.0, GPU: absent: all-ones, driver vfio-pci, power D0\n",
                "  users: free\n",
                "\nafter detach-SBR, at +",
                "  0000:00:03.0:\n    PCI Express + 0x10 at 0x064",
                "  kernel log: [",
            ] {
                assert!(text.contains(lines), "no `{lines}` in {text}");
            }
            assert!(!text.contains("(at most 9.9 s)"), "what began is told twice: {text}");
        }
    }
}
