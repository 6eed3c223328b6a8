//! One value: cut out of `lspci`'s text, and held against ours.

use serde_json::Value;

use crate::fields::{Kind, Row};

/// What stands after the row's key.
pub(crate) fn value<'a>(row: &Row, line: &'a str) -> Option<&'a str> {
    let part = match row.after {
        "" => line,
        after => line.split_once(after)?.1,
    };
    // lspci says what follows on the same line in parts; Enable: … Control: …
    let part = match row.after {
        "Enable:" => part.split(" Control:").next()?,
        "Status:" => part.split(" Changed:").next()?,
        _ => part,
    };
    part.match_indices(row.key).find_map(|(at, key)| {
        let begins_a_word = !key.starts_with(char::is_alphanumeric)
            || part[..at]
                .chars()
                .next_back()
                .is_none_or(|before| !before.is_alphanumeric());
        let rest = &part[at + key.len()..];
        begins_a_word.then(|| cut(row.kind, rest)).flatten()
    })
}

/// The value at the beginning of `rest`.
fn cut(kind: Kind, rest: &str) -> Option<&str> {
    let digits = |is_digit: fn(char) -> bool| {
        let end = rest.find(|c| !is_digit(c)).unwrap_or(rest.len());
        rest.get(..end).filter(|digits| !digits.is_empty())
    };
    match kind {
        Kind::Flag | Kind::Is(_) => {
            let ends = rest[1.min(rest.len())..]
                .chars()
                .next()
                .is_none_or(|next| " ,;)".contains(next));
            rest.get(..1).filter(|sign| ends && matches!(*sign, "+" | "-"))
        }
        Kind::Number | Kind::Payload | Kind::State => digits(|c| c.is_ascii_digit()),
        Kind::Hex | Kind::Code(_) => digits(|c| c.is_ascii_hexdigit()),
        Kind::Speed | Kind::TargetSpeed | Kind::TopSpeed | Kind::Named(_) => rest.split([' ', ',', ';']).next(),
        Kind::Aspm | Kind::PortType | Kind::Text | Kind::Lanes => Some(rest),
    }
}

/// Whether both say the same.
pub(crate) fn same(kind: Kind, ours: &Value, theirs: &str) -> bool {
    let text = ours.as_str();
    match kind {
        Kind::Flag => ours.as_bool() == Some(theirs == "+"),
        Kind::Is(plus) => text.is_some_and(|text| (text == plus) == (theirs == "+")),
        Kind::Number => ours.as_u64() == theirs.parse().ok(),
        Kind::Hex => {
            let ours = text.map_or(ours.as_u64(), |text| u64::from_str_radix(text, 16).ok());
            ours.is_some() && ours == u64::from_str_radix(theirs, 16).ok()
        }
        Kind::Code(names) => {
            let name = usize::from_str_radix(theirs, 16).ok().and_then(|code| names.get(code));
            name.is_some() && text == name.copied()
        }
        Kind::Named(names) => names
            .iter()
            .any(|&(theirs_, ours_)| theirs == theirs_ && text == Some(ours_)),
        Kind::Payload => {
            let size = match text {
                Some(reserved) => reserved
                    .strip_prefix("reserved-")
                    .and_then(|code| code.parse().ok())
                    .map(|code: u32| 128 << code),
                None => ours.as_u64(),
            };
            size.is_some() && size == theirs.parse().ok()
        }
        Kind::State => text.is_some_and(|text| text.trim_end_matches("hot") == format!("d{theirs}")),
        Kind::Speed => speed(ours) == Some(theirs.to_lowercase().replace("gt", "GT")),
        Kind::TargetSpeed => {
            let ours = match text == Some("reserved-0") {
                true => Some("2.5GT/s".to_owned()),
                false => speed(ours),
            };
            ours == Some(theirs.to_lowercase().replace("gt", "GT"))
        }
        Kind::TopSpeed => top_speed(ours).as_deref() == theirs.rsplit('-').next(),
        Kind::Aspm => aspm(ours) == theirs_aspm(theirs),
        Kind::PortType => port_type(text, theirs),
        Kind::Text => text == Some(theirs),
        Kind::Lanes => lanes(ours, theirs),
    }
}

fn speed(ours: &Value) -> Option<String> {
    match ours {
        Value::String(reserved) if reserved.starts_with("reserved-") => Some("unknown".to_owned()),
        Value::Number(speed) => Some(format!("{speed}GT/s")),
        _ => None,
    }
}

/// `lspci` calls the whole set reserved where one of the two upper bits is set; from 64 GT/s on, that depends on its
/// version.
fn top_speed(ours: &Value) -> Option<String> {
    match ours.as_array()?.last() {
        None => Some("Unknown".to_owned()),
        Some(top) if *top == 64 || *top == "reserved-7" => Some("RsvdP".to_owned()),
        Some(top) => speed(top),
    }
}

fn aspm(ours: &Value) -> Option<Vec<&str>> {
    ours.as_array()?.iter().map(Value::as_str).collect()
}

fn theirs_aspm(theirs: &str) -> Option<Vec<&'static str>> {
    let states: [(&str, &[&str]); 5] = [
        ("L0s L1", &["l0s", "l1"]),
        ("L0s", &["l0s"]),
        ("L1", &["l1"]),
        ("not supported", &[]),
        ("Disabled", &[]),
    ];
    let states = states.iter().find(|(name, _)| theirs.starts_with(name));
    states.map(|(_, states)| states.to_vec())
}

fn port_type(ours: Option<&str>, theirs: &str) -> bool {
    let name = match ours {
        Some("endpoint") => "Endpoint",
        Some("legacy-endpoint") => "Legacy Endpoint",
        Some("root-port") => "Root Port",
        Some("switch-upstream-port") => "Upstream Port",
        Some("switch-downstream-port") => "Downstream Port",
        Some("pci-express-to-pci-bridge") => "PCI-Express to PCI/PCI-X Bridge",
        Some("pci-to-pci-express-bridge") => "PCI/PCI-X to PCI-Express Bridge",
        Some("root-complex-integrated-endpoint") => "Root Complex Integrated Endpoint",
        Some("root-complex-event-collector") => "Root Complex Event Collector",
        Some(reserved) => {
            let code = reserved.strip_prefix("reserved-");
            return code.is_some_and(|code| theirs.starts_with(&format!("Unknown type {code},")));
        }
        None => return false,
    };
    theirs
        .split([',', '('])
        .next()
        .is_some_and(|theirs| theirs.trim_end() == name)
}

fn lanes(ours: &Value, theirs: &str) -> bool {
    let Some(ours) = ours.as_array() else { return false };
    let ours = ours.iter().filter_map(Value::as_u64);
    let lower: Vec<String> = ours.filter(|lane| *lane < 16).map(|lane| lane.to_string()).collect();
    let theirs = theirs.trim_start_matches("LaneErr at lane:").split_whitespace();
    if theirs.clone().eq(["0"]) {
        // No lane, or lane 0 alone.
        return lower.is_empty() || lower == ["0"];
    }
    lower.iter().map(String::as_str).eq(theirs)
}
