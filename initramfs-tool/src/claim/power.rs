//! Whether a function is in D0 and stays there, as several witnesses have it.

use std::fmt;

use reseat_core::capability::power_management::PowerState;
use serde::{Deserialize, Serialize};

use crate::model::finding::Finding;

/// A function's power state and what keeps it there. What the kernel does not have is absent.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct PowerReading {
    /// `power_state`: the kernel's own idea.
    pub power_state: Option<String>,
    /// The function's PMCSR; absent where it has no Power Management capability, and then it is always in D0.
    pub pmcsr: Option<PmcsrReading>,
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
            ("pmcsr", self.pmcsr.map_or("absent", PmcsrReading::name)),
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
            && matches!(self.pmcsr, None | Some(PmcsrReading::State(PowerState::D0)))
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

/// A function's PMCSR, as far as it says anything about power.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub enum PmcsrReading {
    /// The power state in it.
    State(PowerState),
    /// The register reads all-ones: the function does not answer.
    AllOnes,
}

impl PmcsrReading {
    const fn name(self) -> &'static str {
        match self {
            Self::State(state) => state.name(),
            Self::AllOnes => "all-ones",
        }
    }
}

impl From<PmcsrReading> for String {
    fn from(reading: PmcsrReading) -> Self {
        reading.name().to_owned()
    }
}

/// No reading of a PMCSR has this name.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("neither a power state nor all-ones")]
pub struct UnknownPmcsrReading;

impl TryFrom<String> for PmcsrReading {
    type Error = UnknownPmcsrReading;

    fn try_from(name: String) -> Result<Self, UnknownPmcsrReading> {
        let states = PowerState::ALL.map(Self::State).into_iter();
        let mut readings = states.chain([Self::AllOnes]);
        readings
            .find(|reading| reading.name() == name)
            .ok_or(UnknownPmcsrReading)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn good() -> PowerReading {
        PowerReading {
            power_state: Some("D0".to_owned()),
            pmcsr: Some(PmcsrReading::State(PowerState::D0)),
            runtime_status: Some("active".to_owned()),
            control: Some("on".to_owned()),
            d3cold_allowed: Some("0".to_owned()),
        }
    }

    #[test]
    fn a_reading_is_its_name() {
        let readings = PowerState::ALL.map(PmcsrReading::State).into_iter();
        for (reading, name) in readings
            .chain([PmcsrReading::AllOnes])
            .zip(["D0", "D1", "D2", "D3hot", "all-ones"])
        {
            let json = format!("\"{name}\"");
            assert_eq!(serde_json::to_string(&reading).unwrap(), json);
            assert_eq!(serde_json::from_str::<PmcsrReading>(&json).unwrap(), reading);
        }
        assert!(serde_json::from_str::<PmcsrReading>("\"D4\"").is_err());
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
                pmcsr: Some(PmcsrReading::State(PowerState::D3hot)),
                ..good()
            },
            PowerReading {
                pmcsr: Some(PmcsrReading::AllOnes),
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
