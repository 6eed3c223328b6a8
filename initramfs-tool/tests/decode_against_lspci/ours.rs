//! What `reseat decode --json` prints.

use std::path::Path;
use std::process::Command;

use reseat_core::address::FunctionAddress;
use serde_json::Value;

/// A function.
pub(crate) struct Function {
    pub(crate) json: Value,
}

/// A capability.
pub(crate) struct Capability<'a> {
    pub(crate) json: &'a Value,
}

/// The end of a list; `null` where there is no list, since the header's layout is unknown.
#[derive(Clone, Copy)]
pub(crate) struct End<'a> {
    json: &'a Value,
}

/// What `reseat decode` says about a file.
pub(crate) struct Decoded {
    pub(crate) functions: Vec<Function>,
    pub(crate) problems: Vec<String>,
}

/// Decodes a file. The exit status has to agree with the problems.
pub(crate) fn decode(file: &Path) -> Decoded {
    let output = Command::new(env!("CARGO_BIN_EXE_reseat"))
        .args(["decode", "--json", "--hex"])
        .arg(file)
        .output()
        .unwrap();
    let mut json: Value = serde_json::from_slice(&output.stdout).unwrap_or_else(|error| {
        panic!(
            "{}: {error}: {}",
            file.display(),
            String::from_utf8_lossy(&output.stderr)
        )
    });
    assert_eq!(json["schema"], "reseat.decode/2");
    let problems: Vec<String> = json["problems"]
        .as_array()
        .unwrap()
        .iter()
        .map(ToString::to_string)
        .collect();
    let Value::Array(functions) = json["functions"].take() else {
        panic!("no functions in {}", file.display())
    };
    let is_whole = json["problems"].as_array().is_some_and(|problems| {
        let severities = problems.iter().map(|problem| &problem["severity"]);
        severities.filter(|severity| *severity != "note").count() == 0
    });
    // The exit statuses of the page: done, a part is missing, failed.
    let expected = match (is_whole, functions.is_empty()) {
        (true, _) => 0,
        (false, false) => 3,
        (false, true) => 1,
    };
    assert_eq!(output.status.code(), Some(expected));
    Decoded {
        functions: functions.into_iter().map(|json| Function { json }).collect(),
        problems,
    }
}

impl Function {
    pub(crate) fn address(&self) -> Option<FunctionAddress> {
        Some(self.json["address"].as_str()?.parse().unwrap())
    }

    pub(crate) fn header(&self) -> &Value {
        &self.json["header"]
    }

    /// The capabilities in the list `standard` or `extended`; `None` where there is no such list.
    pub(crate) fn list(&self, name: &str) -> Option<Vec<Capability<'_>>> {
        let capabilities = self.json[name]["capabilities"].as_array()?;
        Some(capabilities.iter().map(|json| Capability { json }).collect())
    }

    /// The end of a list.
    pub(crate) fn end(&self, name: &str) -> End<'_> {
        End {
            json: &self.json[name]["end"],
        }
    }
}

impl End<'_> {
    pub(crate) fn kind(&self) -> &str {
        self.json["kind"].as_str().unwrap_or("")
    }

    /// The last pointer.
    pub(crate) fn pointer(&self) -> Option<u64> {
        self.json["pointer"].as_u64()
    }

    pub(crate) fn is_all_ones(&self) -> bool {
        self.json["unreadable"]["kind"] == "all-ones"
    }
}

impl std::fmt::Display for End<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        self.json.fmt(f)
    }
}

impl Capability<'_> {
    pub(crate) fn offset(&self) -> u16 {
        number(&self.json["offset"])
    }

    pub(crate) fn bound(&self) -> u16 {
        number(&self.json["bound_bytes"])
    }

    pub(crate) fn version(&self) -> Option<u64> {
        self.json["version"].as_u64()
    }

    pub(crate) fn id(&self) -> u16 {
        u16::from_str_radix(self.json["id"].as_str().unwrap(), 16).unwrap()
    }

    pub(crate) fn is_all_zeros(&self) -> bool {
        self.json["raw"] == "00000000"
    }

    pub(crate) fn registers(&self) -> &Value {
        &self.json["registers"]
    }
}

fn number(value: &Value) -> u16 {
    u16::try_from(value.as_u64().unwrap()).unwrap()
}
