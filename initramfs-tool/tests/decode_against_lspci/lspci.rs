//! What `lspci` prints, taken apart into functions, capabilities and lines.

use std::path::Path;
use std::process::Command;

use reseat_core::address::FunctionAddress;

/// A function.
pub(crate) struct Function {
    pub(crate) address: FunctionAddress,
    /// The lines about the header, each with those that continue it.
    pub(crate) lines: Vec<String>,
    /// Both lists, one after the other.
    pub(crate) capabilities: Vec<Capability>,
}

/// A capability.
pub(crate) struct Capability {
    /// Where it is; `None` of the `<access denied>` that stands for what could not be read.
    pub(crate) offset: Option<u16>,
    /// The version, which only extended capabilities have.
    pub(crate) version: Option<u8>,
    /// Its name and the line that the name is on, then its other lines, each with those that continue it.
    pub(crate) lines: Vec<String>,
}

impl Capability {
    pub(crate) fn head(&self) -> &str {
        &self.lines[0]
    }

    pub(crate) fn is_extended(&self) -> bool {
        self.version.is_some()
    }
}

/// Identity, class and revision, from `lspci -n`.
pub(crate) struct Identity {
    pub(crate) address: FunctionAddress,
    pub(crate) class: String,
    pub(crate) identity: String,
    pub(crate) revision: u8,
}

/// What `lspci -F FILE OPTION` prints; `Err` with its complaint where it refuses the file.
pub(crate) fn run(file: &Path, option: &str) -> Result<String, String> {
    let output = Command::new("lspci")
        .arg("-F")
        .arg(file)
        .arg(option)
        .output()
        .unwrap_or_else(|error| panic!("lspci does not run ({error}): install Debian's pciutils"));
    if output.status.success() {
        Ok(String::from_utf8_lossy(&output.stdout).into_owned())
    } else {
        Err(String::from_utf8_lossy(&output.stderr).into_owned())
    }
}

/// The functions in `lspci -vvv`'s output.
pub(crate) fn functions(text: &str) -> Vec<Function> {
    // Some capabilities are printed without an end of line when they cannot be read.
    let text = text.replace("] \tCapabilities: ", "] \n\tCapabilities: ");
    let mut functions: Vec<Function> = Vec::new();
    let mut in_capability = false;
    for line in text.lines().filter(|line| !line.trim().is_empty()) {
        if let Some(address) = address(line) {
            in_capability = false;
            functions.push(Function {
                address,
                lines: Vec::new(),
                capabilities: Vec::new(),
            });
            continue;
        }
        let Some(function) = functions.last_mut() else { continue };
        if let Some(rest) = line.strip_prefix("\tCapabilities: ") {
            in_capability = true;
            function.capabilities.push(capability(rest));
        } else if let Some(rest) = line.strip_prefix("\t\t") {
            let lines = match function.capabilities.last_mut().filter(|_| in_capability) {
                Some(capability) => &mut capability.lines,
                None => &mut function.lines,
            };
            // The first line below a header's line continues it as well.
            let continues = rest.starts_with(['\t', ' ']) || !in_capability;
            match lines.last_mut().filter(|_| continues) {
                Some(last) => *last = format!("{last} {}", words(rest)),
                None => lines.push(words(rest)),
            }
        } else {
            in_capability = false;
            function.lines.push(words(line));
        }
    }
    functions
}

/// The lines of `lspci -n`: `00:1c.0 0604: 8086:9d10 (rev f1)`.
pub(crate) fn identities(text: &str) -> Vec<Identity> {
    let identity = |line: &str| {
        let mut words = line.split_whitespace();
        Some(Identity {
            address: words.next()?.parse().ok()?,
            class: words.next()?.trim_end_matches(':').to_owned(),
            identity: words.next()?.to_owned(),
            revision: match words.next() {
                Some(_) => u8::from_str_radix(words.next()?.trim_end_matches(')'), 16).ok()?,
                None => 0,
            },
        })
    };
    text.lines().filter_map(identity).collect()
}

/// The address that a function's first line begins with.
fn address(line: &str) -> Option<FunctionAddress> {
    line.split_whitespace()
        .next()
        .filter(|_| !line.starts_with('\t'))?
        .parse()
        .ok()
}

/// `[60] Power Management version 3` or `[420 v2] Advanced Error Reporting`.
fn capability(rest: &str) -> Capability {
    let place = rest.strip_prefix('[').and_then(|rest| rest.split_once(']'));
    let Some((place, head)) = place else {
        return Capability {
            offset: None,
            version: None,
            lines: vec![words(rest)],
        };
    };
    let (offset, version) = match place.split_once(" v") {
        Some((offset, version)) => (offset, Some(version.parse().expect("a version"))),
        None => (place, None),
    };
    Capability {
        offset: Some(u16::from_str_radix(offset, 16).expect("an offset")),
        version,
        lines: vec![words(head)],
    }
}

/// The words of a line, one space apart.
fn words(line: &str) -> String {
    line.split_whitespace().collect::<Vec<_>>().join(" ")
}
