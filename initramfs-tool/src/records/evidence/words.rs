//! A bundle for people.

use std::fmt::Write;
use std::time::Duration;

use super::{Bundle, Evidence, FunctionEvidence, Space};

/// How many lines of the kernel log are shown of a moment, the last ones; the bundle has more.
const SHOWN_LINES: usize = 40;

/// What happened, rung by rung, and at each moment what differs from the one before.
pub fn summary(bundle: &Bundle) -> String {
    let mut text = format!(
        "{}, begun {}, took {}: {}\n{}\n\nwhat happened\n",
        bundle.device,
        bundle.begun.strftime("%Y-%m-%dT%H:%M:%SZ"),
        seconds(bundle.took_ms),
        bundle.end,
        machine(bundle),
    );
    // What has begun also ends, and that says more.
    for told in bundle.told.iter().filter(|told| told.event["event"] != "began") {
        let when = format!("{:>9}", format!("+{}", seconds(told.after_ms)));
        let indented = told.text.replace('\n', "\n           ");
        writeln!(text, "{when}  {indented}").ok();
    }
    let mut earlier: Option<&Evidence> = None;
    for moment in &bundle.moments {
        let (after, took) = (seconds(moment.after_ms), moment.took_ms);
        writeln!(text, "\n{}, at +{after}, read in {took} ms", moment.when).ok();
        let lines = match earlier {
            None => state(moment),
            Some(earlier) => differences(earlier, moment),
        };
        lines.iter().for_each(|line| push(&mut text, line));
        moment
            .not_read
            .iter()
            .for_each(|what| push(&mut text, &format!("not read: {what}")));
        push_log(&mut text, moment);
        earlier = Some(moment);
    }
    for left_out in &bundle.left_out {
        writeln!(text, "\nleft out, since the bundle would be too large: {left_out}").ok();
    }
    text
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

fn push_log(text: &mut String, moment: &Evidence) {
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

/// What was found at the first moment.
fn state(moment: &Evidence) -> Vec<String> {
    let functions = moment.functions.iter().map(|function| {
        let mut words = format!("{}, {}: {}", function.address, function.role, answer(function));
        for (name, what) in [("driver", "driver"), ("power_state", "power"), ("iommu_group", "group")] {
            if let Some(value) = function.attributes.get(name) {
                write!(words, ", {what} {value}").ok();
            }
        }
        words
    });
    let users = moment.users.iter().map(|users| format!("users: {users}"));
    functions.chain(users).collect()
}

fn answer(function: &FunctionEvidence) -> &str {
    match &function.space {
        _ if !function.listed => "not there",
        Some(space) => &space.readiness,
        None => "not read",
    }
}

/// What differs from one moment to a later one, in words, a function at a time.
pub fn differences(earlier: &Evidence, later: &Evidence) -> Vec<String> {
    let mut words = Vec::new();
    for function in &later.functions {
        match earlier.function(function.address) {
            Some(was) => words.extend(of_function(was, function)),
            None => words.push(format!("{}: was not looked at before", function.address)),
        }
    }
    if let (Some(was), Some(is)) = (&earlier.users, &later.users)
        && was != is
    {
        words.push(format!("users: was {was}, is {is}"));
    }
    if words.is_empty() {
        words.push("no difference".to_owned());
    }
    words
}

fn of_function(was: &FunctionEvidence, is: &FunctionEvidence) -> Vec<String> {
    let address = is.address;
    let mut words = Vec::new();
    let (before, now) = (answer(was), answer(is));
    if before != now {
        words.push(format!("{address}: was {before}, is {now}"));
    }
    let names = was.attributes.keys().chain(is.attributes.keys());
    let mut names: Vec<&String> = names.collect();
    names.sort();
    names.dedup();
    // What is not there any more, or was not there yet, has no files.
    if was.listed && is.listed {
        for name in names {
            let (before, now) = (was.attributes.get(name), is.attributes.get(name));
            words.extend(of_attribute(name, before, now).map(|words| format!("{address}: {words}")));
        }
    }
    if let (Some(before), Some(now)) = (&was.space, &is.space) {
        words.extend(of_space(was, before, now));
    }
    words
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
fn of_space(function: &FunctionEvidence, was: &Space, is: &Space) -> Option<String> {
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
