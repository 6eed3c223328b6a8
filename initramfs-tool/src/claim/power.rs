//! Whether a function is in D0 and stays there, as several witnesses have it.

use std::fmt;

use serde::{Deserialize, Serialize};

use crate::model::finding::Finding;

/// A function's power state and what keeps it there. What the kernel does not have is absent.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct PowerReading {
    /// `power_state`: the kernel's own idea.
    pub power_state: Option<String>,
    /// The function's PMCSR; absent where it has no Power Management capability, and then it is always in D0.
    pub pmcsr: Option<PowerState>,
    /// `power/runtime_status`.
    pub runtime_status: Option<String>,
    /// `power/control`: `on` is the pin.
    pub control: Option<String>,
    /// `d3cold_allowed`.
    pub d3cold_allowed: Option<String>,
}

impl PowerReading {
    /// Adds the reading to a finding. The kernel's name for what it does not have is `absent`.
    pub(super) fn facts(&self, finding: Finding) -> Finding {
        let facts = self.witnesses().into_iter();
        facts.fold(finding, |finding, (name, value)| finding.with(name, value))
    }

    fn witnesses(&self) -> [(&'static str, &str); 5] {
        fn or_absent(value: Option<&String>) -> &str {
            value.map_or("absent", String::as_str)
        }
        [
            ("power_state", or_absent(self.power_state.as_ref())),
            ("pmcsr", self.pmcsr.map_or("absent", PowerState::name)),
            ("runtime_status", or_absent(self.runtime_status.as_ref())),
            ("control", or_absent(self.control.as_ref())),
            ("d3cold_allowed", or_absent(self.d3cold_allowed.as_ref())),
        ]
    }

    /// Whether every witness that there is says that the function is in D0 and pinned there.
    pub fn is_pinned_in_d0(&self) -> bool {
        let kernel_agrees = match self.power_state.as_deref() {
            None | Some("D0") => true,
            // What the kernel calls a function that it cannot ask.
            Some("unknown") => self.pmcsr.is_none(),
            Some(_) => false,
        };
        kernel_agrees
            && matches!(self.pmcsr, None | Some(PowerState::D0))
            && matches!(self.runtime_status.as_deref(), None | Some("active" | "unsupported"))
            && matches!(self.control.as_deref(), None | Some("on"))
            && matches!(self.d3cold_allowed.as_deref(), None | Some("0"))
    }
}

impl fmt::Display for PowerReading {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let said = self.witnesses().map(|(name, value)| match name {
            "pmcsr" => format!("PMCSR {value}"),
            name => format!("{name} {value}"),
        });
        formatter.write_str(&said.join(", "))
    }
}

/// The power state in a function's PMCSR.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum PowerState {
    /// Fully on.
    D0,
    /// Light sleep.
    D1,
    /// Deeper sleep.
    D2,
    /// Off but for its configuration space.
    D3hot,
    /// The register reads all-ones: the function does not answer.
    #[serde(rename = "all-ones")]
    AllOnes,
}

impl PowerState {
    fn name(self) -> &'static str {
        match self {
            Self::D0 => "D0",
            Self::D1 => "D1",
            Self::D2 => "D2",
            Self::D3hot => "D3hot",
            Self::AllOnes => "all-ones",
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn good() -> PowerReading {
        PowerReading {
            power_state: Some("D0".to_owned()),
            pmcsr: Some(PowerState::D0),
            runtime_status: Some("active".to_owned()),
            control: Some("on".to_owned()),
            d3cold_allowed: Some("0".to_owned()),
        }
    }

    #[test]
    fn each_witness_alone_can_deny_it() {
        assert!(good().is_pinned_in_d0());
        let text = |text: &str| Some(text.to_owned());
        for denied in [
            PowerReading {
                power_state: text("D3hot"),
                ..good()
            },
            PowerReading {
                power_state: text("unknown"),
                ..good()
            },
            PowerReading {
                pmcsr: Some(PowerState::D3hot),
                ..good()
            },
            PowerReading {
                pmcsr: Some(PowerState::AllOnes),
                ..good()
            },
            PowerReading {
                runtime_status: text("suspended"),
                ..good()
            },
            PowerReading {
                control: text("auto"),
                ..good()
            },
            PowerReading {
                d3cold_allowed: text("1"),
                ..good()
            },
        ] {
            assert!(!denied.is_pinned_in_d0(), "{denied}");
        }
    }

    #[test]
    fn a_witness_that_this_kernel_lacks_denies_nothing() {
        assert!(PowerReading::default().is_pinned_in_d0());
        let without_capability = PowerReading {
            power_state: Some("unknown".to_owned()),
            ..PowerReading::default()
        };
        assert!(without_capability.is_pinned_in_d0());
    }
}
