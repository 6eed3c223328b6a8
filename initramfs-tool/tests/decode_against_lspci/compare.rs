//! One file, one function, one field.

use std::collections::HashSet;
use std::path::Path;

use serde_json::Value;

use crate::differences::{Reason, Tally};
use crate::fields::{Place, ROWS, Row};
use crate::values::{same, value};
use crate::{lists, lspci, ours};

/// Compares what both say about a file. `text` is what is in it.
pub(crate) fn file(path: &Path, decoded: &ours::Decoded, tally: &mut Tally) -> Result<(), String> {
    let theirs = lspci::functions(&lspci::run(path, "-vvv")?);
    let identities = lspci::identities(&lspci::run(path, "-n")?);
    let mut compared = HashSet::new();
    for their in &theirs {
        let mut same = decoded
            .functions
            .iter()
            .filter(|our| our.address() == Some(their.address));
        let context = format!("{}, {}", path.display(), their.address);
        let before = tally.differences.len();
        match (same.next(), same.next()) {
            (Some(our), None) => {
                compared.insert(their.address);
                function(
                    our,
                    their,
                    identities.iter().find(|identity| identity.address == their.address),
                    tally,
                );
            }
            (Some(_), Some(_)) => {
                compared.insert(their.address);
                tally.explain(Reason::SameAddress);
            }
            (None, _) => tally.differs("only lspci has it".to_owned()),
        }
        for difference in &mut tally.differences[before..] {
            *difference = format!("{context}: {difference}");
        }
    }
    for our in &decoded.functions {
        if our.address().is_none_or(|address| !compared.contains(&address)) {
            tally.explain(Reason::TitleUnknownToLspci);
        }
    }
    Ok(())
}

fn function(our: &ours::Function, their: &lspci::Function, identity: Option<&lspci::Identity>, tally: &mut Tally) {
    tally.functions += 1;
    let header = our.header();
    if header.is_null() {
        // No header, or one that is all-ones; lspci decodes the ones or says that there is no configuration space.
        return tally.explain(Reason::AllOnes);
    }
    if let Some(identity) = identity {
        tally.same(
            format_args!("identity"),
            &header["identity"].as_str(),
            &Some(identity.identity.as_str()),
        );
        let class = header["class"].as_str().map(|class| &class[..4]);
        tally.same(format_args!("class"), &class, &Some(identity.class.as_str()));
        tally.same(
            format_args!("revision"),
            &header["revision"].as_u64(),
            &Some(identity.revision.into()),
        );
    }
    header_fields(header, their, tally);
    both_lists(our, their, tally);
}

fn header_fields(header: &Value, their: &lspci::Function, tally: &mut Tally) {
    let theirs = |beginning: &str| their.lines.iter().find(|line| line.starts_with(beginning));
    let layout = match (theirs("!!! Unknown header type"), theirs("BridgeCtl:")) {
        (Some(_), _) => "unknown",
        (None, Some(line)) if line.contains("16bInt") => "cardbus",
        (None, Some(_)) => "type-1",
        (None, None) => "type-0",
    };
    let ours = header["layout"].as_str().unwrap_or("");
    tally.same(
        format_args!("layout"),
        &ours.trim_end_matches(|c: char| layout == "unknown" && (c == '-' || c.is_ascii_digit())),
        &layout,
    );
    if let Some(line) = theirs("Bus:") {
        for bus in ["primary", "secondary", "subordinate"] {
            let number = line
                .split(&format!("{bus}="))
                .nth(1)
                .and_then(|rest| u64::from_str_radix(rest.get(..2)?, 16).ok());
            tally.same(format_args!("{bus} bus"), &header["buses"][bus].as_u64(), &number);
        }
    }
    bars(header, their, tally);
    let lines: Vec<&str> = their.lines.iter().map(String::as_str).collect();
    if layout == "cardbus" {
        tally.explain(Reason::CardBusControl);
    }
    let rows = (0..).zip(ROWS.iter()).filter(|(_, row)| row.place == Place::Header);
    for (n, row) in rows.filter(|(_, row)| layout != "cardbus" || row.register != "bridge_control") {
        field(n, row, &lines, &header["registers"], None, tally);
    }
}

/// `Region 1: Memory at 70000000 (64-bit, prefetchable)`, `Region 5: I/O ports at d000`.
fn bars(header: &Value, their: &lspci::Function, tally: &mut Tally) {
    for line in &their.lines {
        let Some((index, rest)) = line.strip_prefix("Region ").and_then(|line| line.split_once(": ")) else {
            continue;
        };
        let word = rest.split(" at ").nth(1).and_then(|rest| rest.split(' ').next());
        let Some(address) = word.and_then(|word| u64::from_str_radix(word, 16).ok()) else {
            // <unassigned>, <ignored>
            continue;
        };
        let kind = match (rest.starts_with("I/O"), rest.contains("64-bit")) {
            (true, _) => "io",
            (false, true) => "memory64",
            (false, false) => "memory32",
        };
        let index: u64 = index.parse().unwrap();
        let bar = header["bars"]
            .as_array()
            .unwrap()
            .iter()
            .find(|bar| bar["index"] == index);
        let lower = header["bars"]
            .as_array()
            .unwrap()
            .iter()
            .find(|bar| bar["index"] == index.wrapping_sub(1));
        let Some(bar) = bar else {
            match lower.is_some_and(|lower| lower["kind"] == "memory64") {
                true => tally.explain(Reason::UpperHalf),
                false => tally.differs(format!("BAR {index}: only lspci has it")),
            }
            continue;
        };
        if bar["kind"] == "reserved" {
            tally.explain(Reason::ReservedBar);
            continue;
        }
        let value = bar["value"]
            .as_str()
            .and_then(|value| u64::from_str_radix(value, 16).ok());
        let prefetchable = (kind != "io").then(|| !rest.contains("non-prefetchable"));
        let ours = (bar["kind"].as_str(), value, bar["prefetchable"].as_bool());
        tally.same(
            format_args!("BAR {index}"),
            &ours,
            &(Some(kind), Some(address), prefetchable),
        );
    }
}

fn both_lists(our: &ours::Function, their: &lspci::Function, tally: &mut Tally) {
    let (extended, standard): (Vec<_>, Vec<_>) = their
        .capabilities
        .iter()
        .partition(|capability| capability.is_extended());
    let ours = our.list("standard").unwrap_or_default();
    lists::compare("standard", &ours, our.end("standard"), &standard, tally);
    let several_express = standard
        .iter()
        .filter(|their| their.head().starts_with("Express"))
        .count()
        > 1;
    fields(&ours, &standard, Place::Standard, several_express, tally);
    let broken = standard.iter().any(|their| their.head() == "<chain broken>");
    match our.list("extended") {
        Some(_) if broken && extended.is_empty() => tally.explain(Reason::IdFf),
        Some(ours) => {
            lists::compare("extended", &ours, our.end("extended"), &extended, tally);
            fields(&ours, &extended, Place::Extended, several_express, tally);
        }
        None if extended.is_empty() => {}
        None => match our.end("standard").kind() {
            "complete" if standard.iter().any(|their| their.head().starts_with("PCI-X")) => {
                tally.explain(Reason::PciXMode1);
            }
            "out-of-range" => tally.explain(Reason::ListEndsEarlier),
            _ => tally.differs("only lspci has extended capabilities".to_owned()),
        },
    }
}

fn fields(
    ours: &[ours::Capability<'_>],
    theirs: &[&lspci::Capability],
    place: fn(u16) -> Place,
    several_express: bool,
    tally: &mut Tally,
) {
    for (our, their) in ours
        .iter()
        .zip(theirs)
        .filter(|(our, their)| their.offset == Some(our.offset()))
    {
        let place = place(our.id());
        let registers = our.registers();
        let lines: Vec<&str> = their.lines.iter().map(String::as_str).collect();
        if matches!(place, Place::Extended(0x15 | 0x24)) {
            resizable_bars(&lines[1..], registers, tally);
        }
        for (n, row) in (0..).zip(ROWS.iter()).filter(|(_, row)| row.place == place) {
            let of_root = row.place == Place::Extended(0x01)
                && matches!(row.register, "root_command" | "root_status" | "error_source");
            if of_root && several_express {
                tally.explain(Reason::SeveralExpress);
                continue;
            }
            field(n, row, &lines, registers, Some(our.offset()), tally);
        }
    }
}

/// Compares the field of one row, if `lspci` prints it.
fn field(n: usize, row: &Row, lines: &[&str], registers: &Value, offset: Option<u16>, tally: &mut Tally) {
    let line = match row.line {
        "" => lines.first(),
        beginning => lines.iter().find(|line| line.starts_with(beginning)),
    };
    let Some(theirs) = line.and_then(|line| value(row, line)) else {
        return;
    };
    let register = &registers[row.register];
    if let Some(reason) = missing(row, register, registers) {
        return tally.explain(reason);
    }
    let ours = &register["fields"][row.field];
    *tally.rows.entry(n).or_default() += 1;
    tally.fields += 1;
    if !same(row.kind, ours, theirs) {
        let Row { register, field, .. } = row;
        let at = offset.map_or(String::new(), |offset| format!("{offset:x} "));
        tally.differs(format!("{at}{register}.{field}: ours {ours}, lspci's {theirs:?}"));
    }
}

/// Why ours has no value, if that is as it should be.
fn missing(row: &Row, register: &Value, registers: &Value) -> Option<Reason> {
    if let Some(kind) = register["unreadable"]["kind"].as_str() {
        return match kind {
            "all-ones" => Some(Reason::AllOnes),
            "beyond-bound" => Some(Reason::BeyondBound),
            _ => None,
        };
    }
    if row.register == "cxl_port_control" && registers["id"]["unreadable"].is_object() {
        // It ends before it says what it is.
        return Some(Reason::BeyondBound);
    }
    let port = registers["capabilities"]["fields"]["device_port_type"].as_str();
    let link_of_unknown =
        register.is_null() && row.register.starts_with("link") && port.is_some_and(|port| port.starts_with("reserved"));
    link_of_unknown.then_some(Reason::UnknownPort)
}

/// `BAR 1: current size: 256MB, supported: 64MB 128MB 256MB`.
fn resizable_bars(lines: &[&str], registers: &Value, tally: &mut Tally) {
    for (n, line) in lines.iter().enumerate() {
        let Some((index, rest)) = line
            .strip_prefix("BAR ")
            .and_then(|line| line.split_once(": current size: "))
        else {
            // An error that lspci names: no number of BARs.
            continue;
        };
        let bar = &registers[format!("bar_{n}")];
        if let Some(kind) = bar["unreadable"]["kind"].as_str() {
            match kind == "all-ones" {
                true => tally.explain(Reason::AllOnes),
                false => tally.explain(Reason::BeyondBound),
            }
            continue;
        }
        let (size, supported) = rest.split_once(", supported: ").unwrap_or((rest, ""));
        let fields = &bar["fields"];
        tally.same(
            format_args!("BAR {n} index"),
            &fields["index"].as_u64(),
            &index.parse().ok(),
        );
        let ours = size_as_text(&fields["bar_size_bytes"]);
        tally.same(format_args!("BAR {n} size"), &ours, &Some(size.to_owned()));
        let sizes = fields["sizes_bytes"].as_array();
        let sizes = sizes.map(|sizes| sizes.iter().filter_map(size_as_text).collect::<Vec<_>>());
        let theirs: Vec<String> = supported.split_whitespace().map(str::to_owned).collect();
        tally.same(format_args!("BAR {n} sizes"), &sizes, &Some(theirs));
    }
}

/// A size of ours as `lspci` prints it: `256MB`.
fn size_as_text(size: &Value) -> Option<String> {
    const UNITS: [&str; 5] = ["MB", "GB", "TB", "PB", "EB"];
    let bytes = match size {
        Value::String(reserved) => return reserved.starts_with("reserved-").then(|| "<unknown>".to_owned()),
        size => size.as_u64()?,
    };
    let power = (bytes.ilog2() - 20) / 10;
    let unit = UNITS.get(usize::try_from(power).ok()?)?;
    Some(format!("{}{unit}", bytes >> (20 + 10 * power)))
}
